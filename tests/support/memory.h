/* For tests: the library's memory, counted, and running out on request. One thread, and no store may be open meanwhile. */
#ifndef SEG_TESTS_MEMORY_H
#define SEG_TESTS_MEMORY_H

#include <segue/status.h>

/* Runs `work` with 0, 1, 2, ... allocations until it is OK. Each failure must be NO_MEMORY, and each run must leave nothing
 * allocated; `work` answers CORRUPT if it finds something wrong itself. At least one run must have failed. */
void test_fail_every_allocation(segue_status (*work)(void *ctx), void *ctx);

/* How many allocations `work` makes; it must be OK. */
int test_count_allocations(segue_status (*work)(void *ctx), void *ctx);

#endif
