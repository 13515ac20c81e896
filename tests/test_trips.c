/* What an operation on a dual store costs, in calls to its two stores (docs/protocol.md, section 6), counted by stats
 * filters on both sides. A change that adds a trip has to change a number here. */
#include "world.h"

#include <stdlib.h>

typedef enum where { IN_PRIMARY, IN_FALLBACK, IN_NEITHER, DELETED, PLACES } where;

static const char *const place_names[PLACES] = {"in the primary", "only in the fallback", "absent in both",
                                                "deleted in the primary over a fallback"};

static segue_status get(world *w) { return get_doc(w, "k"); }

static segue_status add(world *w)
{
    return segue_add(w->dual, K("k"), K("2"), segue_expiry_none(), NULL, NULL, &w->err);
}

/* The slot itself, which is what the table calls add. */
static segue_status put_absent(world *w)
{
    segue_call call = seg_call_new(w->dual, 0, &w->err);
    segue_put put = {.rec = {.key = K("k"), .body = K("2"), .revision = 1}, .condition = SEGUE_IF_ABSENT};
    MUST(seg_call_begin(w->dual, true, &call));
    segue_status st = seg_call_put(w->dual, &put, NULL, &call);
    seg_call_end(w->dual, &call);
    return st;
}

static segue_status write_body(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current;
    m->body_op = SEGUE_BODY_SET;
    m->body = K("2");
    return SEGUE_OK;
}

static segue_status update(world *w) { return segue_update(w->dual, K("k"), write_body, NULL, NULL, NULL, &w->err); }

static segue_status replace_all(world *w)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("2"), .options = SEGUE_M_REPLACE_ALL};
    return segue_mutate(w->dual, K("k"), &m, NULL, NULL, NULL, &w->err);
}

static segue_status replace_and_show(world *w)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("2"), .options = SEGUE_M_REPLACE_ALL};
    return segue_mutate(w->dual, K("k"), &m, NULL, NULL, &w->doc, &w->err);
}

static segue_status replace_live(world *w)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("2"), .options = SEGUE_M_REPLACE_ALL};
    m.expect = SEGUE_EXPECT_LIVE;
    return segue_mutate(w->dual, K("k"), &m, NULL, NULL, NULL, &w->err);
}

static segue_status set(world *w) { return set_doc(w, "k", "2"); }

static segue_status incr(world *w)
{
    uint64_t initial = 1;
    return segue_incr(w->dual, K("k"), 1, &initial, segue_expiry_none(), NULL, NULL, &w->err);
}

static segue_status delete (world *w) { return delete_doc(w, "k"); }

typedef struct cost {
    const char *name;
    segue_status (*run)(world *w);
    unsigned native[PLACES], loop[PLACES]; /* forward, by place, with and without the primary's own mutate */
    unsigned native_sealed, loop_sealed;   /* in the primary */
} cost;

static const cost costs[] = {
    /*                              native, by place | by loop, by place | sealed */
    {"get", get, {1, 2, 3, 1}, {1, 2, 3, 1}, 1, 1},
    {"put of a new record", put_absent, {2, 1, 2, 1}, {2, 1, 2, 1}, 1, 1},
    {"add", add, {2, 2, 2, 3}, {2, 2, 3, 3}, 1, 1},
    {"update", update, {2, 3, 4, 2}, {2, 3, 4, 2}, 2, 2},
    {"set, replacing all", replace_all, {1, 1, 1, 1}, {1, 1, 1, 1}, 1, 1},
    {"set, replacing all, and show it", replace_and_show, {1, 1, 1, 1}, {2, 3, 4, 2}, 1, 2},
    {"set, replacing all of what is live", replace_live, {1, 3, 3, 1}, {2, 3, 3, 1}, 1, 2},
    {"set", set, {1, 3, 4, 1}, {2, 3, 4, 2}, 1, 2},
    {"incr", incr, {1, 3, 4, 1}, {2, 3, 4, 2}, 1, 2},
    {"delete", delete, {1, 3, 3, 1}, {2, 3, 3, 1}, 1, 2},
};
enum { N_COSTS = sizeof costs / sizeof costs[0] };

static unsigned trips_of(segue_store *side)
{
    segue_stats s = {0};
    assert_int_equal(segue_store_stats(side, &s), SEGUE_OK);
    return (unsigned)(s.get + s.put + s.erase + s.scan + s.mutate + s.move + s.write_many);
}

static void prepare(world *w, where place)
{
    if (place == IN_PRIMARY) put_doc(w, w->p, "k", "1");
    if (place == IN_FALLBACK || place == DELETED) put_doc(w, w->f, "k", "1");
    if (place == DELETED) MUST(delete_doc(w, "k"));
    seg_stats_reset(w->stats_p);
    seg_stats_reset(w->stats_f);
}

static void count(const cost *c, where place, const char *caps, segue_phase phase, unsigned want)
{
    world w;
    world_open(&w, caps, "", SEGUE_PHASE_FORWARD);
    if (phase == SEGUE_PHASE_SEALED) must(&w, segue_dual_set_phase(w.dual, phase, 0, &w.err), "seal", __LINE__);
    prepare(&w, place);
    segue_status st = c->run(&w);
    unsigned primary = trips_of(w.stats_p), fallback = trips_of(w.stats_f);
    world_close(&w);
    if (primary + fallback != want)
        fail_msg("%s, %s (%s): %u trips to the primary and %u to the fallback, not %u together; it ended with %s",
                 c->name, place_names[place], *caps ? caps : "native", primary, fallback, want, segue_status_name(st));
    if (phase == SEGUE_PHASE_SEALED) assert_int_equal(fallback, 0);
}

static void trips_are_as_in_the_table(void **state)
{
    const cost *c = *state;
    for (where place = 0; place < PLACES; place++) {
        count(c, place, "", SEGUE_PHASE_FORWARD, c->native[place]);
        count(c, place, "-mutate", SEGUE_PHASE_FORWARD, c->loop[place]);
    }
    count(c, IN_PRIMARY, "", SEGUE_PHASE_SEALED, c->native_sealed);
    count(c, IN_PRIMARY, "-mutate", SEGUE_PHASE_SEALED, c->loop_sealed);
}

static void erase_it(world *w)
{
    segue_call call = seg_call_new(w->p, 0, &w->err);
    MUST(segue_get_record(w->p, K("k"), NULL, &w->doc, &w->err));
    MUST(seg_call_erase(w->p, K("k"), w->doc.rec.cas, &call));
}

/* It is known where the expired record was read, so one that is gone meanwhile is not looked for on the other side. */
static void reaping_never_asks_the_fallback(void **state)
{
    (void)state;
    world w;
    segue_stats n = {0};
    uint64_t reaped = 7;
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    put_doc(&w, w.f, "other", "1");
    if (segue_set(w.dual, K("k"), K("1"), segue_expiry_in(10), NULL, NULL, &w.err) != SEGUE_OK) fail();
    w.skew_ns += INT64_C(20) * 1000000000;
    world_inject(&w, PRIMARY, SEG_OP_PUT | SEG_OP_WRITE_MANY, 1, false, erase_it);
    seg_stats_reset(w.stats_f);
    if (segue_reap(w.dual, 0, &reaped, &w.err) != SEGUE_OK) fail_msg("%s", w.err.message);
    assert_true(w.taken);
    assert_int_equal(reaped, 0);
    assert_int_equal(segue_store_stats(w.stats_f, &n), SEGUE_OK);
    assert_int_equal(n.get + n.put + n.scan + n.mutate + n.expired, 0);
    world_close(&w);
}

/* Looks at the clock of a delete of a record that only the fallback has. */
static unsigned looks_of_delete(segue_expiry expiry)
{
    world w;
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    must(&w, segue_set(w.f, K("k"), K("1"), expiry, NULL, NULL, &w.err), "set", __LINE__);
    unsigned before = w.looks;
    must(&w, delete_doc(&w, "k"), "delete", __LINE__);
    unsigned looks = w.looks - before;
    world_close(&w);
    return looks;
}

static void the_clock_is_asked_only_about_what_can_expire(void **state)
{
    (void)state;
    unsigned never = looks_of_delete(segue_expiry_none()), late = looks_of_delete(segue_expiry_in(1000));
    if (late != never + 1) fail_msg("%u looks for a record without expiry, %u for one with it", never, late);
}

/* A read that hits the primary, again and again into the same document, allocates nothing. */
static size_t allocations;

static void *counting_realloc(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    allocations++;
    return realloc(memory, size);
}

static void counting_free(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

static void a_read_that_hits_allocates_nothing(void **state)
{
    (void)state;
    static const segue_allocator counting = {NULL, counting_realloc, counting_free};
    world w;
    segue_set_allocator(&counting);
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    put_doc(&w, w.p, "k", "{\"some\":\"document\"}");
    assert_int_equal(get_doc(&w, "k"), SEGUE_OK);
    size_t before = allocations;
    for (int i = 0; i < 10; i++) assert_int_equal(get_doc(&w, "k"), SEGUE_OK);
    size_t after = allocations;
    world_close(&w);
    segue_set_allocator(NULL);
    assert_int_equal(after - before, 0);
}

int main(void)
{
    struct CMUnitTest tests[N_COSTS + 3];
    for (size_t i = 0; i < N_COSTS; i++) {
        union {
            const cost *c;
            void *state;
        } u = {&costs[i]};
        tests[i] = (struct CMUnitTest){costs[i].name, trips_are_as_in_the_table, NULL, NULL, u.state};
    }
    tests[N_COSTS] = (struct CMUnitTest)cmocka_unit_test(a_read_that_hits_allocates_nothing);
    tests[N_COSTS + 1] = (struct CMUnitTest)cmocka_unit_test(reaping_never_asks_the_fallback);
    tests[N_COSTS + 2] = (struct CMUnitTest)cmocka_unit_test(the_clock_is_asked_only_about_what_can_expire);
    return _cmocka_run_group_tests("trips", tests, N_COSTS + 3, NULL, NULL);
}
