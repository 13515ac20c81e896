/* Pills: reading, writing, and what a client of a dual store sees of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/base.h"
#include "doc/pill.h"
#include "support/memory.h"
#include <segue/dual.h>
#include <segue/ops.h>

static segue_error err;

#define ASSERT_OK(call)                                                                                                \
    do {                                                                                                               \
        segue_status got_ = (call);                                                                                    \
        if (got_ != SEGUE_OK) fail_msg("%s: %s (%s)", #call, segue_status_name(got_), err.message);                    \
    } while (0)

static bool reads(const char *body, uint64_t *number)
{
    segue_record rec = {.body = segue_str(body), .is_json = true};
    return seg_pill_read(&rec, number);
}

static void a_pill_of_sync_gateway_is_read(void **state)
{
    (void)state;
    uint64_t number = 0;
    assert_true(reads("{\"pilled_at\":\"2026-11-23T00:00:00Z\",\"last_seq\":735,\"sg_metadata_migration_pill\":true}",
                      &number));
    assert_true(number == 735);
    assert_true(reads("{\"sg_metadata_migration_pill\" : true , \"last_seq\" : 18446744073709551615 }", &number));
    assert_true(number == UINT64_MAX);
}

static void nothing_else_is_a_pill(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "735",
        "",
        "{}",
        "null",
        "{\"last_seq\":735}",
        "{\"sg_metadata_migration_pill\":true}",
        "{\"last_seq\":735,\"sg_metadata_migration_pill\":false}",
        "{\"last_seq\":-1,\"sg_metadata_migration_pill\":true}",
        "{\"last_seq\":1.5,\"sg_metadata_migration_pill\":true}",
        "{\"last_seq\":18446744073709551616,\"sg_metadata_migration_pill\":true}",
        "{\"last_seq\":735,\"sg_metadata_migration_pill\":true",
        "[{\"last_seq\":735,\"sg_metadata_migration_pill\":true}]",
    };
    uint64_t number = 42;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        if (reads(bodies[i], &number)) fail_msg("read as a pill: %s", bodies[i]);
        assert_true(number == 42);
    }
    segue_record tombstone = {.body = segue_str("{\"last_seq\":735,\"sg_metadata_migration_pill\":true}")};
    assert_true(seg_pill_read(&tombstone, &number));
    tombstone.is_tombstone = true;
    assert_false(seg_pill_read(&tombstone, &number));
    tombstone.body = (segue_slice){NULL, 0};
    assert_false(seg_pill_read(&tombstone, &number));
}

/* Whatever is as large as a document is one, and is not looked through at each read. */
static void a_pill_is_small(void **state)
{
    (void)state;
    enum { MOST = 512 };
    char body[MOST + 2] = "{\"last_seq\":735,\"sg_metadata_migration_pill\":true";
    size_t n = strlen(body);
    uint64_t number = 0;
    memset(body + n, ' ', MOST - 1 - n);
    body[MOST - 1] = '}';
    assert_true(reads(body, &number));
    assert_true(number == 735);
    body[MOST - 1] = ' ';
    body[MOST] = '}';
    assert_false(reads(body, &number));
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    segue_buf body = {0};
    assert_int_equal(seg_pill_write(735, INT64_C(1795392000123456789), &body), SEGUE_OK);
    static const char expected[] =
        "{\"pilled_at\":\"2026-11-23T00:00:00Z\",\"last_seq\":735,\"sg_metadata_migration_pill\":true}";
    assert_int_equal(body.size, strlen(expected));
    assert_memory_equal(body.data, expected, body.size);
    segue_buf_free(&body);
}

/* Whoever reads a counter through the dual store while it is handed over sees the number, never the pill; and who
 * increments it goes on from there, in the primary. */
static void a_client_of_a_dual_store_sees_the_number(void **state)
{
    (void)state;
    segue_store *primary, *fallback, *dual;
    ASSERT_OK(segue_open("mem:", NULL, &primary, &err));
    ASSERT_OK(segue_open("mem:", NULL, &fallback, &err));
    ASSERT_OK(segue_dual_open(primary, fallback, NULL, &dual, &err));
    segue_buf body = {0};
    assert_int_equal(seg_pill_write(735, 0, &body), SEGUE_OK);
    ASSERT_OK(segue_set(fallback, segue_str("seq"), segue_buf_slice(&body), segue_expiry_none(), NULL, NULL, &err));
    segue_doc doc = {0};
    ASSERT_OK(segue_get(dual, segue_str("seq"), NULL, &doc, &err));
    assert_true(segue_slice_equal(doc.rec.body, segue_str("735")));
    segue_scan *scan;
    const segue_record *rec;
    ASSERT_OK(segue_scan_open(dual, NULL, &scan, &err));
    ASSERT_OK(segue_scan_next(scan, &rec, &err));
    assert_true(segue_slice_equal(rec->body, segue_str("735")));
    segue_scan_close(scan);
    uint64_t value;
    ASSERT_OK(segue_incr(dual, segue_str("seq"), 2, NULL, segue_expiry_none(), NULL, &value, &err));
    assert_true(value == 737);
    ASSERT_OK(segue_get(primary, segue_str("seq"), NULL, &doc, &err));
    assert_true(segue_slice_equal(doc.rec.body, segue_str("737")));
    segue_doc_free(&doc);
    segue_buf_free(&body);
    segue_close(dual);
    segue_close(fallback);
    segue_close(primary);
}

/* ---- what the counter was before ---- */

static segue_record a_pill(const char *origin, segue_xattr slots[2])
{
    slots[0] = (segue_xattr){segue_str(SEG_PILL_ORIGIN), segue_str(origin)};
    slots[1] = (segue_xattr){segue_str("u"), segue_str("2")};
    return (segue_record){.key = segue_str("seq"),
                          .body = segue_str("{\"last_seq\":735,\"sg_metadata_migration_pill\":true}"),
                          .xattrs = origin ? slots : slots + 1,
                          .n_xattrs = origin ? 2 : 1,
                          .cas = 900,
                          .revision = 40,
                          .is_json = true};
}

static void what_the_counter_was_is_read_from_our_own_pills_only(void **state)
{
    (void)state;
    static const struct {
        const char *origin;
        seg_pill_origin want;
    } rows[] = {
        {"{\"cas\":800,\"revision\":39,\"json\":false}", {800, 39, false}},
        {" { \"json\" : true , \"revision\" : 39 , \"cas\" : 899 } ", {899, 39, true}},
        {"{\"cas\":800,\"revision\":39,\"json\":true,\"more\":[1]}", {800, 39, true}},
        /* Not understood, or not true: the pill's own revision, and no CAS. */
        {NULL, {0, 40, true}},
        {"{}", {0, 40, true}},
        {"[800,39]", {0, 40, true}},
        {"{\"cas\":800}", {0, 40, true}},
        {"{\"revision\":39}", {0, 40, true}},
        {"{\"cas\":0,\"revision\":39}", {0, 40, true}},
        {"{\"cas\":-1,\"revision\":39}", {0, 40, true}},
        {"{\"cas\":\"800\",\"revision\":39}", {0, 40, true}},
        {"{\"cas\":800,\"revision\":1.5}", {0, 40, true}},
        {"{\"cas\":900,\"revision\":39}", {0, 40, true}},
        {"{\"cas\":18446744073709551615,\"revision\":39}", {0, 40, true}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        segue_xattr slots[2];
        segue_record pill = a_pill(rows[i].origin, slots);
        seg_pill_origin got = seg_pill_read_origin(&pill);
        if (got.cas != rows[i].want.cas || got.revision != rows[i].want.revision || got.is_json != rows[i].want.is_json)
            fail_msg("%s: CAS %llu, revision %llu, JSON %d", rows[i].origin, (unsigned long long)got.cas,
                     (unsigned long long)got.revision, got.is_json);
    }
}

/* A record of somebody else's, past the limit. */
static void its_other_xattrs_are_no_more_than_fit(void **state)
{
    (void)state;
    segue_xattr all[SEGUE_XATTRS_MAX + 3], slots[SEGUE_XATTRS_MAX + 1];
    const size_t n_all = sizeof all / sizeof *all;
    for (size_t i = 0; i < n_all; i++) all[i] = (segue_xattr){segue_str(i ? "u" : SEG_PILL_ORIGIN), segue_str("1")};
    memset(slots, 0, sizeof slots);
    segue_record rec = {.xattrs = all, .n_xattrs = n_all};
    assert_int_equal(seg_pill_other_xattrs(&rec, slots), SEGUE_XATTRS_MAX);
    assert_non_null(slots[SEGUE_XATTRS_MAX - 1].name.data);
    assert_null(slots[SEGUE_XATTRS_MAX].name.data);
    rec.n_xattrs = 3;
    assert_int_equal(seg_pill_other_xattrs(&rec, slots), 2);
}

static void assert_counter(bool keep_cas, uint64_t cas)
{
    segue_xattr slots[2];
    segue_record pill = a_pill("{\"cas\":800,\"revision\":39,\"json\":false}", slots);
    segue_doc doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &pill));
    ASSERT_OK(seg_pill_to_counter(&doc, keep_cas));
    const segue_record *rec = &doc.rec;
    if (!segue_slice_equal(rec->body, segue_str("735")) || rec->cas != cas || rec->revision != 39 || rec->is_json)
        fail_msg("<%.*s>, CAS %llu, revision %llu", (int)rec->body.size, rec->body.data, (unsigned long long)rec->cas,
                 (unsigned long long)rec->revision);
    assert_int_equal(rec->n_xattrs, 1); /* its own ones stay, ours goes */
    assert_true(segue_slice_equal(rec->xattrs[0].name, segue_str("u")));
    assert_true(segue_slice_equal(rec->key, segue_str("seq")));
    segue_doc_free(&doc);
}

static void a_pill_becomes_the_counter_that_it_stands_for(void **state)
{
    (void)state;
    assert_counter(false, 800);
    assert_counter(true, 900);
    segue_record plain = {.key = segue_str("k"), .body = segue_str("{\"last_seq\":735}"), .cas = 9, .is_json = true};
    segue_doc doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &plain));
    ASSERT_OK(seg_pill_to_counter(&doc, false));
    assert_true(segue_slice_equal(doc.rec.body, plain.body)); /* what is no pill stays */
    segue_doc_free(&doc);
}

static segue_status write_and_read(void *ctx)
{
    (void)ctx;
    segue_xattr slots[2];
    segue_record pill = a_pill(NULL, slots);
    SEG_AUTO(segue_doc) doc = {0};
    SEG_AUTO(segue_buf) body = {0};
    segue_status st = seg_pill_write(735, 0, &body);
    if (st == SEGUE_OK) st = segue_doc_assign(&doc, &pill);
    if (st == SEGUE_OK) {
        st = seg_pill_to_counter(&doc, false);
        if (st != SEGUE_OK && (doc.rec.body.data || doc.rec.cas)) return SEGUE_CORRUPT; /* half a document */
        if (st == SEGUE_OK && !segue_slice_equal(doc.rec.body, segue_str("735"))) return SEGUE_CORRUPT;
    }
    return st;
}

static void without_memory_it_says_so_and_holds_nothing(void **state)
{
    (void)state;
    test_fail_every_allocation(write_and_read, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pill_of_sync_gateway_is_read),
        cmocka_unit_test(nothing_else_is_a_pill),
        cmocka_unit_test(a_pill_is_small),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_client_of_a_dual_store_sees_the_number),
        cmocka_unit_test(what_the_counter_was_is_read_from_our_own_pills_only),
        cmocka_unit_test(its_other_xattrs_are_no_more_than_fit),
        cmocka_unit_test(a_pill_becomes_the_counter_that_it_stands_for),
        cmocka_unit_test(without_memory_it_says_so_and_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
