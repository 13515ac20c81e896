/* Pills: reading, writing, and what a client of a dual store sees of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/base.h"
#include "doc/pill.h"
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
        "735", "", "{}", "null", "{\"last_seq\":735}", "{\"sg_metadata_migration_pill\":true}",
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
    segue_record tombstone = {.is_tombstone = true};
    assert_false(seg_pill_read(&tombstone, &number));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pill_of_sync_gateway_is_read),
        cmocka_unit_test(nothing_else_is_a_pill),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_client_of_a_dual_store_sees_the_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
