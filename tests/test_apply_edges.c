/* segue_apply where it is easily a little wrong: the last value that is right and the first that is not, deletions that may
 * find nothing under a CAS, records past a limit, and the bytes of values. What each mutation means: test_apply.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/ops.h>

#include "base/base.h"
#include "doc/doc.h"
#include "support/memory.h"
#include "support/show.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define K(text) segue_str(text)

static void assert_status(segue_status want, segue_status got, const char *what, int line)
{
    if (got != want)
        fail_msg("line %d: %s: %s, expected %s", line, what, segue_status_name(got), segue_status_name(want));
}
#define ASSERT_STATUS(want, call) assert_status((want), (call), #call, __LINE__)
#define ASSERT_OK(call) ASSERT_STATUS(SEGUE_OK, call)

static void assert_bytes(const char *want, segue_slice got, int line)
{
    if (!segue_slice_equal(segue_str(want), got))
        fail_msg("line %d: <%.*s>, expected <%s>", line, (int)got.size, got.data ? got.data : "", want);
}
#define ASSERT_BYTES(want, got) assert_bytes((want), (got), __LINE__)

static void assert_record(const char *want, uint64_t revision, const segue_record *got)
{
    char line[TEST_LINE];
    test_show(got, line);
    if (strcmp(line, want) != 0 || got->revision != revision)
        fail_msg("%s, revision %llu, expected %s, revision %llu", line, (unsigned long long)got->revision, want,
                 (unsigned long long)revision);
}

enum { NOW = 1000, CAS = 70, OTHER_CAS = 71, REVISION = 3 };

static segue_status apply_to(const segue_record *base, const segue_mutation *m, segue_applied *a)
{
    return segue_apply(K("k"), base, m, NOW, a, NULL);
}

/* ---- values ---- */

static void xattr_values_are_kept_byte_for_byte(void **state)
{
    (void)state;
    static const char *const values[] = {" { \"b\" : 1.0 , \"a\" : 18446744073709551616 }\n", "null", "\"\\u00e9\\/\"",
                                         "1E400", "{\"a\":1,\"a\":2}"};
    SEG_AUTO(segue_applied) a = {0};
    for (size_t i = 0; i < N(values); i++) {
        segue_xattr set = {K("_s"), segue_str(values[i])};
        segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("1"), .set_xattrs = &set, .n_set_xattrs = 1};
        ASSERT_OK(apply_to(NULL, &m, &a));
        ASSERT_BYTES(values[i], a.rec.xattrs[0].value);
    }
}

static void what_is_no_unsigned_decimal_is_no_counter(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want; /* after adding 1; NULL: no number */
    } adds[] = {
        {"0", "1"},
        {"18446744073709551614", "18446744073709551615"},
        {"18446744073709551615", "0"},
        {"", NULL},
        {"null", NULL},
        {"-1", NULL},
        {"+1", NULL},
        {"1.0", NULL},
        {"1e3", NULL},
        {" 1", NULL},
        {"1\n", NULL},
        {"0x1", NULL},
        {"\"1\"", NULL},
        {"{\"last_seq\":42}", NULL},
        {"18446744073709551616", NULL},
    };
    SEG_AUTO(segue_applied) a = {0};
    for (size_t i = 0; i < N(adds); i++) {
        segue_record base = {.key = K("k"), .body = segue_str(adds[i].body), .cas = CAS, .revision = REVISION};
        segue_mutation m = {.body_op = SEGUE_BODY_ADD, .delta = 1, .has_initial = true, .initial = 5};
        segue_status st = apply_to(&base, &m, &a);
        if (st != (adds[i].want ? SEGUE_OK : SEGUE_NOT_A_NUMBER))
            fail_msg("<%s> + 1: %s", adds[i].body, segue_status_name(st));
        if (st == SEGUE_OK) ASSERT_BYTES(adds[i].want, a.rec.body);
    }
    /* What lies behind the body is not looked at. */
    segue_record cut = {.key = K("k"), .body = segue_bytes("184467440737095516167", 20), .cas = CAS, .revision = 1};
    segue_mutation m = {.body_op = SEGUE_BODY_ADD, .delta = 1};
    segue_error err = {0};
    segue_call call = {.err = &err, .env = segue_env_default()};
    ASSERT_STATUS(SEGUE_NOT_A_NUMBER, segue_apply(K("k"), &cut, &m, NOW, &a, &call));
    if (!strstr(err.message, "past 2^64-1")) fail_msg("%s", err.message);
}

static void an_expiry_ends_in_2106(void **state)
{
    (void)state;
    SEG_AUTO(segue_applied) a = {0};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("1"), .expiry = segue_expiry_in(UINT32_MAX - NOW)};
    ASSERT_OK(apply_to(NULL, &m, &a));
    assert_int_equal(a.rec.expiry, UINT32_MAX);
    m.expiry.seconds++;
    ASSERT_STATUS(SEGUE_INVALID_ARGUMENT, apply_to(NULL, &m, &a));
    m.expiry = segue_expiry_at(UINT32_MAX);
    ASSERT_OK(apply_to(NULL, &m, &a));
    assert_int_equal(a.rec.expiry, UINT32_MAX);
}

/* ---- limits ---- */

static char large[SEGUE_SYSTEM_XATTRS_MAX];

/* A record that is past a limit, made by others, can be mended and goes on living; only its xattrs cannot be added to. */
static void too_many_system_bytes_can_be_lived_with(void **state)
{
    (void)state;
    memset(large, '1', sizeof large);
    segue_xattr old[] = {{K("_a"), segue_bytes(large, sizeof large)}, {K("_b"), K("1")}}, set = {K("u"), K("1")};
    segue_record base = {.key = K("k"), .body = K("1"), .xattrs = old, .n_xattrs = 2, .cas = CAS, .revision = REVISION};
    segue_slice large_name = K("_a");
    const segue_mutation drop = {.drop_xattrs = &large_name, .n_drop_xattrs = 1};
    const segue_mutation write = {.body_op = SEGUE_BODY_SET, .body = K("2")};
    const segue_mutation more = {.set_xattrs = &set, .n_set_xattrs = 1};
    SEG_AUTO(segue_applied) a = {0};
    ASSERT_OK(apply_to(&base, &drop, &a));
    assert_int_equal(a.rec.n_xattrs, 1);
    ASSERT_OK(apply_to(&base, &write, &a));
    assert_int_equal(a.rec.n_xattrs, 2);
    ASSERT_STATUS(SEGUE_TOO_BIG, apply_to(&base, &more, &a));
}

static void the_65th_xattr_is_refused_unless_another_goes(void **state)
{
    (void)state;
    char names[SEGUE_XATTRS_MAX + 1][4];
    segue_xattr all[SEGUE_XATTRS_MAX + 1];
    for (size_t i = 0; i <= SEGUE_XATTRS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "x%02zu", i); /* fits */
        all[i] = (segue_xattr){segue_str(names[i]), K("1")};
    }
    SEG_AUTO(segue_applied) a = {0};
    segue_slice drop = K("x00");
    segue_record base = {.key = K("k"), .body = K("1"), .xattrs = all, .n_xattrs = SEGUE_XATTRS_MAX, .cas = CAS};
    segue_mutation more = {.set_xattrs = &all[SEGUE_XATTRS_MAX], .n_set_xattrs = 1};
    ASSERT_STATUS(SEGUE_TOO_BIG, apply_to(&base, &more, &a));
    more.drop_xattrs = &drop;
    more.n_drop_xattrs = 1;
    ASSERT_OK(apply_to(&base, &more, &a));
    assert_int_equal(a.rec.n_xattrs, SEGUE_XATTRS_MAX);
    more = (segue_mutation){.set_xattrs = all, .n_set_xattrs = 1}; /* one that it has already */
    ASSERT_OK(apply_to(&base, &more, &a));
}

/* ---- deletions that may find nothing ---- */

static const segue_xattr system_xattr[] = {{{"_s", 2}, {"1", 1}}};

static segue_record a_tombstone(void)
{
    return (segue_record){.key = K("k"),
                          .xattrs = system_xattr,
                          .n_xattrs = 1,
                          .cas = CAS,
                          .revision = REVISION,
                          .write_id = 9,
                          .is_tombstone = true};
}

/* The expectation comes first: a tombstone with another CAS is another record, and no record has no CAS. */
static void a_deletion_by_cas_that_may_find_nothing_still_compares(void **state)
{
    (void)state;
    static const segue_xattr set = {{"v", 1}, {"3", 1}};
    static const struct {
        const char *name;
        unsigned options;
        segue_status same, other;
        bool written;
    } cases[] = {
        {"nothing ok", SEGUE_M_NOTHING_OK, SEGUE_OK, SEGUE_CAS_MISMATCH, false},
        {"tombstone ok", SEGUE_M_TOMBSTONE_OK, SEGUE_OK, SEGUE_CAS_MISMATCH, true},
        {"both", SEGUE_M_NOTHING_OK | SEGUE_M_TOMBSTONE_OK, SEGUE_OK, SEGUE_CAS_MISMATCH, true},
        {"neither", 0, SEGUE_NOT_FOUND, SEGUE_NOT_FOUND, false},
    };
    segue_record base = a_tombstone();
    SEG_AUTO(segue_applied) a = {0};
    for (size_t i = 0; i < N(cases); i++) {
        segue_mutation m = {.expect = SEGUE_EXPECT_CAS,
                            .cas = CAS,
                            .body_op = SEGUE_BODY_DELETE,
                            .options = cases[i].options,
                            .set_xattrs = &set,
                            .n_set_xattrs = 1};
        segue_status same = apply_to(&base, &m, &a);
        bool written = same == SEGUE_OK && a.write;
        m.cas = OTHER_CAS;
        segue_status other = apply_to(&base, &m, &a), none = apply_to(NULL, &m, &a);
        if (same != cases[i].same || other != cases[i].other || none != SEGUE_NOT_FOUND || written != cases[i].written)
            fail_msg("%s: its CAS %s (written %d), another %s, no record %s", cases[i].name, segue_status_name(same),
                     written, segue_status_name(other), segue_status_name(none));
    }
}

/* Nothing is written, so nothing of the mutation shows: the record is there as it was. */
static void where_nothing_is_written_the_whole_record_is_shown(void **state)
{
    (void)state;
    static const segue_xattr set = {{"_s", 2}, {"9", 1}};
    segue_record base = a_tombstone();
    const segue_mutation mutations[] = {
        {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_NOTHING_OK, .set_xattrs = &set, .n_set_xattrs = 1},
        {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_NOTHING_OK | SEGUE_M_TOMBSTONE_OK},
        {.expiry = {SEGUE_EXPIRY_IN, 50, false}},
    };
    SEG_AUTO(segue_applied) a = {0};
    for (size_t i = 0; i < N(mutations); i++) {
        ASSERT_OK(apply_to(&base, &mutations[i], &a));
        if (a.write || !seg_record_same(&base, &a.rec) || a.rec.write_id != base.write_id) {
            char line[TEST_LINE];
            test_show(&a.rec, line);
            fail_msg("mutation %zu: written %d, %s", i, a.write, line);
        }
    }
}

/* The same by the verbs, with and without a slot of the store's own. */

static const char *const urls[] = {"mem:", "mem:?caps=-mutate"};

static segue_status set_on_a_deleted_one(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx;
    (void)current;
    static const segue_xattr set = {{"_v", 2}, {"3", 1}};
    *m = (segue_mutation){
        .body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_TOMBSTONE_OK, .set_xattrs = &set, .n_set_xattrs = 1};
    return SEGUE_OK;
}

static void an_update_that_finds_a_tombstone_sets_its_xattrs(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(urls); i++) {
        segue_store *store = NULL;
        segue_outcome outcome = {0};
        SEG_AUTO(segue_doc) doc = {0};
        ASSERT_OK(segue_open(urls[i], NULL, &store, NULL));
        ASSERT_OK(segue_set(store, K("k"), K("1"), segue_expiry_none(), NULL, NULL, NULL));
        ASSERT_OK(segue_delete(store, K("k"), NULL, NULL));
        ASSERT_OK(segue_update(store, K("k"), set_on_a_deleted_one, NULL, NULL, &outcome, NULL));
        ASSERT_OK(segue_get_record(store, K("k"), NULL, &doc, NULL));
        segue_close(store);
        assert_true(outcome.written);
        assert_record("T _v=3", 3, &doc.rec);
    }
}

static void replacing_all_means_the_same_with_and_without_a_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(urls); i++) {
        segue_store *store = NULL;
        SEG_AUTO(segue_doc) doc = {0};
        const segue_mutation m = {
            .body_op = SEGUE_BODY_SET, .body = K("2"), .expiry = segue_expiry_keep(), .options = SEGUE_M_REPLACE_ALL};
        ASSERT_OK(segue_open(urls[i], NULL, &store, NULL));
        ASSERT_OK(segue_set(store, K("k"), K("1"), segue_expiry_in(1000), NULL, NULL, NULL));
        ASSERT_OK(segue_mutate(store, K("k"), &m, NULL, NULL, NULL, NULL));
        ASSERT_OK(segue_get_record(store, K("k"), NULL, &doc, NULL));
        segue_close(store);
        assert_record("L2 json", 2, &doc.rec);
    }
}

static segue_status apply_twice(void *ctx)
{
    segue_applied *a = ctx;
    static const segue_xattr set = {{"v", 1}, {"3", 1}};
    segue_record base = {.key = K("k"), .body = K("7"), .xattrs = system_xattr, .n_xattrs = 1, .cas = CAS};
    const segue_mutation append = {.body_op = SEGUE_BODY_APPEND, .body = K("2"), .set_xattrs = &set, .n_set_xattrs = 1};
    const segue_mutation add = {.body_op = SEGUE_BODY_ADD, .delta = 1};
    segue_status st = apply_to(&base, &append, a);
    return st == SEGUE_OK ? apply_to(&base, &add, a) : st;
}

static void applying_again_allocates_nothing(void **state)
{
    (void)state;
    segue_applied a = {0};
    ASSERT_OK(apply_twice(&a));
    int made = test_count_allocations(apply_twice, &a);
    segue_applied_free(&a);
    assert_int_equal(made, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xattr_values_are_kept_byte_for_byte),
        cmocka_unit_test(what_is_no_unsigned_decimal_is_no_counter),
        cmocka_unit_test(an_expiry_ends_in_2106),
        cmocka_unit_test(too_many_system_bytes_can_be_lived_with),
        cmocka_unit_test(the_65th_xattr_is_refused_unless_another_goes),
        cmocka_unit_test(a_deletion_by_cas_that_may_find_nothing_still_compares),
        cmocka_unit_test(where_nothing_is_written_the_whole_record_is_shown),
        cmocka_unit_test(an_update_that_finds_a_tombstone_sets_its_xattrs),
        cmocka_unit_test(replacing_all_means_the_same_with_and_without_a_read),
        cmocka_unit_test(applying_again_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
