/* Memory that is counted and runs out. */
#include "support/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <segue/env.h>

enum { MOST = 1000 };

static int left = -1, made, live; /* left -1: as many as are asked for */

static void *counted_realloc(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    if (left == 0) return NULL;
    if (left > 0) left--;
    made++;
    if (!memory) live++;
    return realloc(memory, size);
}

static void counted_free(void *ctx, void *memory)
{
    (void)ctx;
    live -= memory != NULL;
    free(memory);
}

static const segue_allocator counted = {NULL, counted_realloc, counted_free};

void test_fail_every_allocation(segue_status (*work)(void *ctx), void *ctx)
{
    segue_status st = SEGUE_NO_MEMORY;
    int n = -1;
    live = 0;
    segue_set_allocator(&counted);
    while (st == SEGUE_NO_MEMORY && n < MOST && live == 0) {
        left = ++n;
        st = work(ctx);
        left = -1;
    }
    segue_set_allocator(NULL);
    if (live != 0) fail_msg("%d allocations leak after the one numbered %d failed", live, n);
    if (st != SEGUE_OK) fail_msg("%s when the allocation numbered %d failed", segue_status_name(st), n);
    if (n == 0) fail_msg("nothing was allocated: this shows nothing");
}

int test_count_allocations(segue_status (*work)(void *ctx), void *ctx)
{
    made = live = 0;
    segue_set_allocator(&counted);
    segue_status st = work(ctx);
    segue_set_allocator(NULL);
    if (st != SEGUE_OK) fail_msg("%s", segue_status_name(st));
    return made;
}
