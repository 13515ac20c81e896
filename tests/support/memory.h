/* For tests: the library's memory and SQLite's, counted, and running out on request. */
#ifndef SEG_TESTS_MEMORY_H
#define SEG_TESTS_MEMORY_H

#include "support/fault.h"

#include <segue/status.h>

/* Runs `work` with each of its allocations failing, the first, the second, and so on until it makes no more; with all behind it
 * failing too, and then with that one alone. A run where one fails must be NO_MEMORY, the one without must be OK, and nothing
 * that a run allocates may be left; `work` answers CORRUPT if it finds something wrong itself. At least one must have failed.
 * One thread; no store may be open meanwhile, but after test_memory_install. */
void test_fail_every_allocation(segue_status (*work)(void *ctx), void *ctx);
/* The same of `work` that may do without some of them: then it may be OK all the same. */
void test_do_without_each_allocation(segue_status (*work)(void *ctx), void *ctx);

/* How many allocations `work` makes; it must be OK. As above. */
int test_count_allocations(segue_status (*work)(void *ctx), void *ctx);

/* From here to the end the library's memory is counted in bytes; nothing of it may be there before, nor be left after. `most`:
 * the most there was at once since the begin or the last mark, beyond what there was then. Any thread. */
void test_memory_begin(void);
void test_memory_mark(void);
long test_memory_most(void);
void test_memory_end(void);

/* Both for as long as the process lives: before the first call of the library and of SQLite. Any thread. */
void test_memory_install(void);
extern test_fault test_memory, test_sqlite_memory;            /* allocations, each growth too */
extern atomic_long test_memory_live, test_sqlite_memory_live; /* blocks that were not given back */

#endif
