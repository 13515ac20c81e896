/* Memory that is counted and runs out. */
#include "support/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <stdlib.h>

#include <cmocka.h>

#include <segue/env.h>
#include <sqlite3.h>

test_fault test_memory, test_sqlite_memory;
atomic_long test_memory_live, test_sqlite_memory_live;

static atomic_long bytes, most_bytes, marked_bytes;

static void count_bytes(long more)
{
    long now = atomic_fetch_add(&bytes, more) + more, most = atomic_load(&most_bytes);
    while (now > most && !atomic_compare_exchange_weak(&most_bytes, &most, now)) {
    }
}

static void *counted_realloc(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    if (test_fault_strikes(&test_memory)) return NULL;
    if (!memory) atomic_fetch_add(&test_memory_live, 1);
    long before = memory ? (long)malloc_usable_size(memory) : 0;
    void *after = realloc(memory, size);
    if (after) count_bytes((long)malloc_usable_size(after) - before);
    return after;
}

static void counted_free(void *ctx, void *memory)
{
    (void)ctx;
    atomic_fetch_sub(&test_memory_live, memory != NULL);
    if (memory) count_bytes(-(long)malloc_usable_size(memory));
    free(memory);
}

static const segue_allocator counted = {NULL, counted_realloc, counted_free};
static bool is_installed; /* for good */

/* Whether some allocation failed. Says what is wrong with it, if anything. */
static bool fail_one(segue_status (*work)(void *ctx), void *ctx, long nth, bool and_later_ones, bool may_do_without)
{
    long before = atomic_load(&test_memory_live);
    segue_set_allocator(&counted);
    test_fault_arm(&test_memory, nth, and_later_ones);
    segue_status st = work(ctx);
    test_fault_heal(&test_memory);
    if (!is_installed) segue_set_allocator(NULL);
    bool fired = atomic_load(&test_memory.fired) > 0;
    long left = atomic_load(&test_memory_live) - before;
    const char *which = and_later_ones ? ", and all later ones" : "";
    if (left) fail_msg("%ld allocations leak after the one numbered %ld%s failed", left, nth, which);
    if (st != (fired ? SEGUE_NO_MEMORY : SEGUE_OK) && !(may_do_without && st == SEGUE_OK))
        fail_msg("%s when the allocation numbered %ld%s failed", segue_status_name(st), nth, which);
    return fired;
}

static void fail_each(segue_status (*work)(void *ctx), void *ctx, bool may_do_without)
{
    for (int alone = 0; alone < 2; alone++) {
        long nth = 1;
        while (fail_one(work, ctx, nth, !alone, may_do_without)) nth++;
        if (nth == 1) fail_msg("nothing was allocated: this shows nothing");
    }
}

void test_fail_every_allocation(segue_status (*work)(void *ctx), void *ctx) { fail_each(work, ctx, false); }

void test_do_without_each_allocation(segue_status (*work)(void *ctx), void *ctx) { fail_each(work, ctx, true); }

int test_count_allocations(segue_status (*work)(void *ctx), void *ctx)
{
    atomic_store(&test_memory_live, 0);
    test_fault_arm(&test_memory, 0, false);
    segue_set_allocator(&counted);
    segue_status st = work(ctx);
    segue_set_allocator(NULL);
    if (st != SEGUE_OK) fail_msg("%s", segue_status_name(st));
    return (int)atomic_load(&test_memory.seen);
}

void test_memory_mark(void)
{
    atomic_store(&marked_bytes, atomic_load(&bytes));
    atomic_store(&most_bytes, atomic_load(&bytes));
}

void test_memory_begin(void)
{
    atomic_store(&test_memory_live, 0);
    atomic_store(&bytes, 0);
    test_fault_arm(&test_memory, 0, false);
    test_memory_mark();
    segue_set_allocator(&counted);
}

long test_memory_most(void) { return atomic_load(&most_bytes) - atomic_load(&marked_bytes); }

void test_memory_end(void)
{
    segue_set_allocator(NULL);
    long live = atomic_load(&test_memory_live);
    if (live != 0) fail_msg("%ld allocations were not given back", live);
}

/* ---- SQLite's ---- */

static sqlite3_mem_methods below;

static void *sqlite_alloc(int size)
{
    void *memory = test_fault_strikes(&test_sqlite_memory) ? NULL : below.xMalloc(size);
    atomic_fetch_add(&test_sqlite_memory_live, memory != NULL);
    return memory;
}

static void sqlite_free(void *memory)
{
    atomic_fetch_sub(&test_sqlite_memory_live, memory != NULL);
    below.xFree(memory);
}

static void *sqlite_realloc(void *memory, int size)
{
    return test_fault_strikes(&test_sqlite_memory) ? NULL : below.xRealloc(memory, size);
}

void test_memory_install(void)
{
    segue_set_allocator(&counted);
    is_installed = true;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &below) != SQLITE_OK) abort();
    sqlite3_mem_methods methods = below;
    methods.xMalloc = sqlite_alloc;
    methods.xFree = sqlite_free;
    methods.xRealloc = sqlite_realloc;
    /* Without its own small blocks, which would hide allocations from us. */
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
        abort();
}
