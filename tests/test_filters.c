/* The filters `stats` and `trace`: what they count and what they say of each call, and that a handle made by code is like one
 * that was opened by its URL. */
#include "world.h"

#include "support/memory.h"

#define N(array) (sizeof(array) / sizeof *(array))

static segue_error err;

static segue_store *open_store(const char *url)
{
    segue_store *store = NULL;
    if (segue_open(url, NULL, &store, &err) != SEGUE_OK) fail_msg("%s: %s", url, err.message);
    return store;
}

/* ---- what is a failure ---- */

typedef enum class { INPUT, STATE, CONFLICT, RETRY, UNKNOWN, FATAL } class;
static const struct {
    segue_status status;
    class class;
} statuses[] = {
#define SEGUE_STATUS(name, number, class, exit_code, text) {SEGUE_##name, class},
#include <segue/status.def>
#undef SEGUE_STATUS
};

static void what_the_store_is_to_blame_for_is_a_failure(void **state)
{
    world *w = *state;
    segue_store *stats = NULL;
    segue_stats n = {0};
    uint64_t failures = 0;
    put_doc(w, w->p, "k", "1");
    MUST(seg_stats_open(w->fault_p, &stats, &w->err));
    for (size_t i = 0; i < N(statuses); i++) {
        bool blame = statuses[i].class == RETRY || statuses[i].class == UNKNOWN || statuses[i].class == FATAL;
        world_fail(w, PRIMARY, SEG_OP_GET, 1, false, false, statuses[i].status);
        segue_status st = segue_get(stats, K("k"), NULL, &w->doc, &w->err);
        if (st != statuses[i].status)
            fail_msg("%s instead of %s", segue_status_name(st), segue_status_name(statuses[i].status));
        failures += blame;
        MUST(segue_store_stats(stats, &n));
        if (n.failures != failures || n.get != i + 1)
            fail_msg("%s: %llu failures of %llu gets, not %llu", segue_status_name(st), (unsigned long long)n.failures,
                     (unsigned long long)n.get, (unsigned long long)failures);
    }
    assert_true(seg_status_is_failure((segue_status)9999));
    assert_true(seg_status_is_failure((segue_status)-1));
    segue_close(stats);
}

static void only_who_counts_has_counts(void **state)
{
    (void)state;
    segue_stats n;
    segue_store *plain = open_store("mem:"), *traced = open_store("trace+mem:");
    segue_store *below = open_store("trace+stats+mem:"), *both = open_store("stats+trace+stats+mem:");
    segue_doc doc = {0};
    assert_int_equal(segue_store_stats(plain, &n), SEGUE_UNSUPPORTED);
    assert_int_equal(segue_store_stats(traced, &n), SEGUE_UNSUPPORTED);
    assert_int_equal(segue_get(below, K("k"), NULL, &doc, &err), SEGUE_NOT_FOUND);
    assert_int_equal(segue_store_stats(below, &n), SEGUE_OK);
    assert_int_equal(n.get, 1);
    assert_int_equal(segue_get(both, K("k"), NULL, &doc, &err), SEGUE_NOT_FOUND);
    seg_stats_reset(both); /* the outermost */
    assert_int_equal(segue_store_stats(both, &n), SEGUE_OK);
    assert_int_equal(n.get, 0);
    segue_close(plain);
    segue_close(traced);
    segue_close(below);
    segue_close(both);
}

/* ---- each call by its name ---- */

enum { GET, PUT, ERASE, SCAN, MUTATE, MOVE, WRITE_MANY, CHANGES, EXPIRED, N_OPS };
static const char *const names[N_OPS] = {"get",  "put",        "erase",   "scan",   "mutate",
                                         "move", "write_many", "changes", "expired"};

/* On the document k, which may be missing; a batch of n. */
static segue_status ask(segue_store *s, segue_store *to, int op, size_t n)
{
    SEG_AUTO(segue_doc) doc = {0};
    SEG_AUTO(segue_page) page = {.max_docs = 4, .max_bytes = SIZE_MAX};
    segue_call call = seg_call_new(s, 0, &err);
    segue_put put = {.rec = {.key = K("k"), .body = K("1"), .revision = 1}, .condition = SEGUE_IF_ABSENT};
    segue_bounds bounds = {.from = K("k")};
    segue_since since = {.cas = 1, .key = K("k")};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("2"), .expect = SEGUE_EXPECT_CAS, .cas = 1};
    segue_outcome outcome;
    segue_move move = {.key = K("k"), .cas = 1};
    segue_write write = {.put = put};
    uint32_t next = 0;
    switch (op) {
    case GET: return seg_call_get(s, K("k"), &doc, &call);
    case PUT: return seg_call_put(s, &put, NULL, &call);
    case ERASE: return seg_call_erase(s, K("k"), 1, &call);
    case SCAN: return seg_call_scan(s, &bounds, &page, &call);
    case MUTATE: return seg_call_mutate(s, K("k"), &m, 1, 0, false, &doc, &outcome, NULL, &call);
    case MOVE: return seg_call_move(s, to, n ? &move : NULL, n, &call);
    case WRITE_MANY: return seg_call_write_many(s, n ? &write : NULL, n, &call);
    case CHANGES: return seg_call_changes(s, &since, &page, &call);
    default: return seg_call_expired(s, 5, &page, &next, &call);
    }
}

static void each_call_is_counted_as_what_it_is(void **state)
{
    (void)state;
    segue_store *s = open_store("stats+mem:named?reap=off"), *to = open_store("mem:named?collection=s.to&reap=off");
    for (int op = 0; op < N_OPS; op++) {
        segue_stats n;
        seg_stats_reset(s);
        for (int i = 0; i <= op; i++) (void)ask(s, to, op, 1); /* whether it finds anything does not matter */
        assert_int_equal(segue_store_stats(s, &n), SEGUE_OK);
        const uint64_t got[] = {n.get, n.put, n.erase, n.scan, n.mutate, n.move, n.write_many, n.changes, n.expired};
        for (int i = 0; i < N_OPS; i++)
            if (got[i] != (i == op ? (uint64_t)op + 1 : 0))
                fail_msg("%d calls of %s: %llu of %s", op + 1, names[op], (unsigned long long)got[i], names[i]);
        if (n.failures) fail_msg("%s: %llu failures", names[op], (unsigned long long)n.failures);
    }
    segue_close(s);
    segue_close(to);
}

static char logged[512];
static unsigned n_logged;

static void keep_line(void *ctx, segue_log_level level, const char *line)
{
    (void)ctx;
    n_logged++;
    (void)snprintf(logged, sizeof logged, "%d %s", (int)level, line); /* what is too long equals nothing */
}

static int64_t steady_ns(void *ctx) { return *(int64_t *)ctx += 7; }
static int64_t real_wall_ns(void *ctx) { return (void)ctx, segue_env_default()->wall_ns(NULL); }
static void no_sleep(void *ctx, int64_t ns) { (void)ctx, (void)ns; }
static void real_random(void *ctx, void *out, size_t size) { (void)ctx, segue_env_default()->random(NULL, out, size); }

/* Operation, store, key, status, and how long it took by the store's own clock. */
static void each_call_is_told_as_what_it_is(void **state)
{
    (void)state;
    static const char *const missing[N_OPS] = {"NOT_FOUND", "OK", "NOT_FOUND", "OK", "NOT_FOUND",
                                               "OK",        "OK", "OK",        "OK"};
    static const char *const there[N_OPS] = {"OK", "EXISTS", "CAS_MISMATCH", "OK", "CAS_MISMATCH",
                                             "OK", "OK",     "OK",           "OK"};
    int64_t now = 0;
    char want[256];
    segue_env env = {&now, real_wall_ns, steady_ns, no_sleep, real_random};
    segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER};
    segue_set_log(keep_line, NULL, SEGUE_LOG_DEBUG);
    for (int there_is = 0; there_is < 2; there_is++)
        for (int op = 0; op < N_OPS; op++) {
            segue_store *s = NULL, *to = open_store("mem:told?collection=s.to&reap=off");
            assert_int_equal(segue_open("trace+mem:told", &options, &s, &err), SEGUE_OK);
            if (there_is) assert_int_equal(ask(s, to, PUT, 1), SEGUE_OK);
            n_logged = 0;
            (void)ask(s, to, op, 1); /* its status is in the log */
            (void)snprintf(want, sizeof want, "%d trace op=%s store=\"mem:told\" key=\"%s\" status=%s ns=7",
                           SEGUE_LOG_DEBUG, names[op], op == EXPIRED ? "" : "k",
                           there_is ? there[op] : missing[op]); /* fits */
            if (n_logged != 1 || strcmp(logged, want) != 0)
                fail_msg("%u lines, \"%s\", not \"%s\"", n_logged, logged, want);
            if (op == MOVE || op == WRITE_MANY) { /* a batch of none has no key */
                assert_int_equal(ask(s, to, op, 0), SEGUE_OK);
                assert_non_null(strstr(logged, "key=\"\" status=OK"));
            }
            segue_close(s);
            segue_close(to);
        }
    segue_set_log(NULL, NULL, SEGUE_LOG_DEBUG);
}

/* ---- opening and closing ---- */

static void a_filter_needs_a_store_below(void **state)
{
    (void)state;
    segue_store *s = NULL;
    assert_int_equal(segue_open("stats:", NULL, &s, &err), SEGUE_INVALID_URL);
    assert_string_equal(err.message, "\"stats:\": stats is a filter: write stats+URL of the store below it");
    assert_int_equal(segue_open("trace:", NULL, &s, &err), SEGUE_INVALID_URL);
    assert_string_equal(err.message, "\"trace:\": trace is a filter: write trace+URL of the store below it");
    assert_null(s);
}

static void a_filter_that_is_made_is_like_one_that_is_opened(void **state)
{
    (void)state;
    segue_store *below = open_store("mem:x?caps=-mutate"), *made = NULL;
    segue_store *opened = open_store("stats+mem:x?caps=-mutate"), *other = open_store("stats+mem:y");
    assert_int_equal(seg_stats_open(below, &made, &err), SEGUE_OK);
    assert_string_equal(segue_store_url(made), segue_store_url(opened));
    assert_int_equal(segue_store_caps(made), segue_store_caps(opened));
    assert_true(seg_store_same(made, opened) && seg_store_same(below, opened) && seg_store_same(opened, below));
    assert_false(seg_store_same(other, opened) || seg_store_same(below, other));
    assert_ptr_equal(seg_store_find(made, "mem"), below);
    assert_ptr_equal(seg_store_find(made, "stats"), made);
    assert_null(seg_store_find(made, "trace"));
    segue_close(made);
    segue_close(below);
    segue_close(opened);
    segue_close(other);
}

static segue_status open_and_make(void *ctx)
{
    segue_store *opened = NULL, *made = NULL;
    segue_doc doc = {0};
    segue_error why = {0};
    (void)ctx;
    segue_status st = segue_open("stats+trace+mem:", NULL, &opened, &why);
    if (st == SEGUE_OK) st = seg_stats_open(opened, &made, &why);
    if (st != SEGUE_OK && why.status != st) st = SEGUE_CORRUPT; /* without words */
    if (st == SEGUE_OK && segue_get(made, K("k"), NULL, &doc, &why) != SEGUE_NOT_FOUND) st = SEGUE_CORRUPT;
    segue_close(made);
    segue_close(opened);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    test_fail_every_allocation(open_and_make, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(what_the_store_is_to_blame_for_is_a_failure),
        cmocka_unit_test(only_who_counts_has_counts),
        cmocka_unit_test(each_call_is_counted_as_what_it_is),
        cmocka_unit_test(each_call_is_told_as_what_it_is),
        cmocka_unit_test(a_filter_needs_a_store_below),
        cmocka_unit_test(a_filter_that_is_made_is_like_one_that_is_opened),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
