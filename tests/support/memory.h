/* For tests: the library's memory and SQLite's, counted, and running out on request. */
#ifndef SEG_TESTS_MEMORY_H
#define SEG_TESTS_MEMORY_H

#include "support/fault.h"

#include <segue/status.h>

/* Runs `work` with 0, 1, 2, ... allocations until none fails; then again, with one failing and those behind it not. Each run
 * where one fails must be NO_MEMORY, the last one OK, and each must leave nothing allocated; `work` answers CORRUPT if it
 * finds something wrong itself. At least one run must have failed. One thread, and no store may be open meanwhile. */
void test_fail_every_allocation(segue_status (*work)(void *ctx), void *ctx);

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
