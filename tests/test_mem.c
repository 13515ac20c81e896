/* The reference engine when memory runs out under a batch: it is done as a whole, or nothing of it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/ops.h>

#include "base/base.h"
#include "store/call.h"
#include "support/memory.h"

#define K(text) segue_str(text)
#define N(array) (sizeof(array) / sizeof *(array))

enum { P, Q, SIDES, TEXT_SIZE = 2048, LATER = 2000000000 };

typedef struct scene {
    segue_store *sides[SIDES]; /* two collections of one engine */
    uint64_t cas[4];           /* of "a", "b", "c", "d" in P */
    segue_error err;
    char before[TEXT_SIZE], after[TEXT_SIZE];
} scene;

static void must(const scene *s, segue_status st, int line)
{
    if (st != SEGUE_OK) fail_msg("line %d: %s: %s", line, segue_status_name(st), s->err.message);
}
#define OK(call) must(s, (call), __LINE__)

typedef segue_status (*read_page)(segue_store *store, segue_page *page, segue_call *call);

static segue_status read_all(segue_store *store, segue_page *page, segue_call *call)
{
    segue_bounds bounds = {.tombstones = true};
    return seg_call_scan(store, &bounds, page, call);
}

static segue_status read_changes(segue_store *store, segue_page *page, segue_call *call)
{
    segue_since since = {0};
    return seg_call_changes(store, &since, page, call);
}

static segue_status read_expiring(segue_store *store, segue_page *page, segue_call *call)
{
    uint32_t next = 0;
    return seg_call_expired(store, UINT32_MAX, page, &next, call);
}

/* All that an engine keeps: the records, their order by CAS once somebody has asked for it, and by expiry. */
static void show(scene *s, bool by_cas, char out[TEXT_SIZE])
{
    static const read_page reads[] = {read_all, read_expiring, read_changes};
    segue_page page = {.max_docs = 100, .max_bytes = SIZE_MAX};
    int n = 0;
    for (size_t i = 0; i < SIDES * (by_cas ? N(reads) : N(reads) - 1); i++) {
        segue_call call = seg_call_new(s->sides[i % SIDES], 0, &s->err);
        OK(reads[i / SIDES](s->sides[i % SIDES], &page, &call));
        n += snprintf(out + n, TEXT_SIZE - (size_t)n, "|");
        for (size_t k = 0; k < page.n && n < TEXT_SIZE; k++) {
            const segue_record *rec = &page.docs[k].rec;
            n += snprintf(out + n, TEXT_SIZE - (size_t)n, " %.*s %llx.%llu e%u %.*s", (int)rec->key.size, rec->key.data,
                          (unsigned long long)rec->cas, (unsigned long long)rec->revision, rec->expiry,
                          (int)rec->body.size, rec->body.data ? rec->body.data : "");
        }
        if (n >= TEXT_SIZE) fail_msg("too long to be shown");
    }
    segue_page_free(&page);
}

static void scene_open(scene *s, bool by_cas)
{
    static unsigned number;
    segue_open_options options = {.flags = SEGUE_OPEN_NO_REAPER};
    *s = (scene){0};
    number++;
    for (int i = 0; i < SIDES; i++) {
        char url[64];
        (void)snprintf(url, sizeof url, "mem:m%u?collection=s.%c", number, "pq"[i]); /* fits */
        OK(segue_open(url, &options, &s->sides[i], &s->err));
    }
    for (int i = 0; i < 4; i++) {
        segue_expiry expiry = i % 2 ? segue_expiry_none() : segue_expiry_at((uint32_t)(LATER + i));
        OK(segue_set(s->sides[P], segue_bytes(&"abcd"[i], 1), K("old"), expiry, NULL, &s->cas[i], &s->err));
    }
    OK(segue_set(s->sides[Q], K("d"), K("there"), segue_expiry_none(), NULL, NULL, &s->err));
    show(s, by_cas, s->before);
}

static void scene_close(scene *s)
{
    for (int i = 0; i < SIDES; i++) segue_close(s->sides[i]);
}

/* One of each: OK if each part ended as it must, else what it ended with. */
typedef segue_status (*work)(scene *s);

static segue_put putting(const char *key, uint32_t expiry, segue_if condition, uint64_t if_cas)
{
    segue_record rec = {.key = K(key), .body = K("a new body"), .revision = 1, .expiry = expiry};
    return (segue_put){.rec = rec, .condition = condition, .if_cas = if_cas};
}

static segue_status write_many(scene *s)
{
    segue_call call = seg_call_new(s->sides[P], 0, &s->err);
    segue_write writes[] = {
        {.put = putting("a", LATER + 7, SEGUE_IF_CAS, s->cas[0])},
        {.put = putting("new", LATER + 8, SEGUE_IF_ABSENT, 0)},
        {.put = putting("newer", 0, SEGUE_IF_ABSENT, 0)},
        {.op = SEGUE_WRITE_ERASE, .put = putting("b", 0, SEGUE_IF_ANY, s->cas[1])},
        {.op = SEGUE_WRITE_ERASE, .put = putting("b", 0, SEGUE_IF_ANY, s->cas[1])},
        {.put = putting("b", LATER + 9, SEGUE_IF_ABSENT, 0)},
        {.put = putting("c", 0, SEGUE_IF_CAS, s->cas[0])},
        {.put = putting("c", 0, SEGUE_IF_ANY, 0)},
        {.put = putting("d", LATER, SEGUE_IF_ANY, 0)},
    };
    static const segue_status want[] = {SEGUE_OK, SEGUE_OK,           SEGUE_OK, SEGUE_OK, SEGUE_NOT_FOUND,
                                        SEGUE_OK, SEGUE_CAS_MISMATCH, SEGUE_OK, SEGUE_OK};
    segue_status st = seg_call_write_many(s->sides[P], writes, N(writes), &call);
    for (size_t i = 0; i < N(writes) && st == SEGUE_OK; i++)
        if (writes[i].status != want[i]) fail_msg("write %zu ended with %s", i, segue_status_name(writes[i].status));
    return st;
}

static segue_status move(scene *s)
{
    segue_call call = seg_call_new(s->sides[P], 0, &s->err);
    segue_move moves[] = {
        {.key = K("a"), .cas = s->cas[0]}, {.key = K("b"), .cas = s->cas[0]},
        {.key = K("b"), .cas = s->cas[1]}, {.key = K("c"), .cas = s->cas[2], .keep = true},
        {.key = K("d"), .cas = s->cas[3]}, {.key = K("e"), .cas = s->cas[3]},
    };
    static const segue_status want[] = {SEGUE_OK, SEGUE_CAS_MISMATCH, SEGUE_OK, SEGUE_OK, SEGUE_OK, SEGUE_NOT_FOUND};
    static const bool moved[] = {true, false, true, true, false, false};
    segue_status st = seg_call_move(s->sides[P], s->sides[Q], moves, N(moves), &call);
    for (size_t i = 0; i < N(moves) && st == SEGUE_OK; i++)
        if (moves[i].status != want[i] || moves[i].moved != moved[i])
            fail_msg("move %zu ended with %s", i, segue_status_name(moves[i].status));
    return st;
}

/* The nth allocation fails, with or without all later ones. Whether there were so many. */
static bool fail_one(work run, bool by_cas, long nth, bool persistent)
{
    scene this, *s = &this;
    scene_open(s, by_cas);
    test_fault_arm(&test_memory, nth, persistent);
    segue_status st = run(s);
    test_fault_heal(&test_memory);
    bool fired = atomic_load(&test_memory.fired) > 0;
    if (st != (fired ? SEGUE_NO_MEMORY : SEGUE_OK))
        fail_msg("allocation %ld: %s: %s", nth, segue_status_name(st), s->err.message);
    if (fired && s->err.status != SEGUE_NO_MEMORY) fail_msg("allocation %ld: it says \"%s\"", nth, s->err.message);
    show(s, by_cas, s->after);
    if (fired != (strcmp(s->before, s->after) == 0))
        fail_msg("allocation %ld: there was\n  %s\nand now is\n  %s", nth, s->before, s->after);
    if (fired) OK(run(s)); /* and it can be done now */
    scene_close(s);
    return fired;
}

static void memory_that_runs_out_leaves_nothing_of_a_batch(void **state)
{
    (void)state;
    static const work works[] = {write_many, move};
    for (size_t i = 0; i < 4 * N(works); i++) {
        long live = atomic_load(&test_memory_live), nth = 1;
        while (fail_one(works[i / 4], i % 2, nth, i / 2 % 2)) nth++;
        if (nth < 10) fail_msg("only %ld allocations: this shows nothing", nth - 1);
        if (atomic_load(&test_memory_live) != live) fail_msg("memory leaks");
    }
}

static void no_write_at_all_is_a_batch(void **state)
{
    (void)state;
    scene this, *s = &this;
    scene_open(s, false);
    segue_call call = seg_call_new(s->sides[P], 0, &s->err);
    OK(seg_call_write_many(s->sides[P], NULL, 0, &call));
    OK(seg_call_move(s->sides[P], s->sides[Q], NULL, 0, &call));
    show(s, false, s->after);
    assert_string_equal(s->before, s->after);
    scene_close(s);
}

int main(void)
{
    test_memory_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_leaves_nothing_of_a_batch),
        cmocka_unit_test(no_write_at_all_is_a_batch),
    };
    return cmocka_run_group_tests_name("test_mem", tests, NULL, NULL);
}
