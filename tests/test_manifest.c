/* Manifests: their bytes are those that the header names, entries come out as they went in, and a body that is damaged anywhere
 * is told from one that has ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/base.h"
#include "migrate/manifest.h"
#include "records.h"
#include "support/bucket.h"
#include "support/memory.h"

#define K(text) segue_str(text)

static void keys_name_the_migration_and_the_number(void **state)
{
    (void)state;
    char key[SEG_MANIFEST_KEY_SIZE], text[2 * SEG_MANIFEST_KEY_SIZE];
    segue_slice first = seg_manifest_key("m1", UINT64_C(0x12abcdef00000001), key);
    assert_true(segue_slice_equal(first, K("_segue:manifest:m1:12abcdef00000001")));
    assert_string_equal(key, "_segue:manifest:m1:12abcdef00000001");
    segue_bounds b = seg_manifest_bounds("m1", text);
    assert_true(segue_slice_equal(b.from, K("_segue:manifest:m1:")));
    assert_true(segue_slice_equal(b.to, K("_segue:manifest:m1;")));
    assert_true(b.to_open && b.tombstones); /* what a reaper or purge has left is to be erased, too */
    assert_false(b.from_open || b.keys_only);
}

static const seg_entry entries[] = {
    {SEG_ENTRY_THERE | SEG_ENTRY_HIDDEN,
     {"a", 1},
     0x01020304,
     UINT64_C(0x1112131415161718),
     UINT64_C(0x2122232425262728),
     {UINT64_C(0x3132333435363738), UINT64_C(0x4142434445464748)}},
    {0, {"second", 6}, UINT32_MAX, UINT64_MAX, 1, {0, UINT64_MAX}},
    {SEG_ENTRY_THERE, {"z", 1}, 0, 0, UINT64_C(1) << 63, {1, 0}},
};
enum { N_ENTRIES = sizeof entries / sizeof entries[0], FIXED = 36 };

static void add_all(segue_buf *body)
{
    for (size_t i = 0; i < N_ENTRIES; i++) assert_ok(seg_manifest_add(body, &entries[i]));
}

static void assert_entry(const seg_entry *want, const seg_entry *got)
{
    ASSERT_U64(want->bits, got->bits);
    assert_true(segue_slice_equal(want->key, got->key));
    ASSERT_U64(want->expiry, got->expiry);
    ASSERT_U64(want->cas, got->cas);
    ASSERT_U64(want->revision, got->revision);
    ASSERT_U64(want->digest.low, got->digest.low);
    ASSERT_U64(want->digest.high, got->digest.high);
}

static void the_bytes_are_those_of_the_format(void **state)
{
    (void)state;
    static const unsigned char expected[] = {
        1,                                              /* version */
        3,    1,    'a',                                /* bits, size, key */
        0x04, 0x03, 0x02, 0x01,                         /* expiry */
        0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* CAS */
        0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, /* revision */
        0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, /* digest */
        0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41,
    };
    SEG_AUTO(segue_buf) body = {0};
    assert_ok(seg_manifest_add(&body, &entries[0]));
    ASSERT_U64(sizeof expected, body.size);
    assert_memory_equal(body.data, expected, sizeof expected);
    assert_ok(seg_manifest_add(&body, &entries[1])); /* without another version */
    ASSERT_U64(sizeof expected + 2 + 6 + FIXED, body.size);
    assert_memory_equal(body.data + sizeof expected, "\0\6second\xff\xff\xff\xff", 12);
}

static void entries_come_out_as_they_went_in(void **state)
{
    (void)state;
    SEG_AUTO(segue_buf) body = {0};
    size_t at = 0;
    seg_entry e;
    bool ok = false;
    add_all(&body);
    for (size_t i = 0; i < N_ENTRIES; i++) {
        ok = false;
        assert_true(seg_manifest_next(segue_buf_slice(&body), &at, &e, &ok));
        assert_true(ok);
        assert_entry(&entries[i], &e);
    }
    ok = false;
    assert_false(seg_manifest_next(segue_buf_slice(&body), &at, &e, &ok));
    assert_true(ok);
    ASSERT_U64(body.size, at);
    at = 0;
    ok = false;
    assert_false(seg_manifest_next(K(""), &at, &e, &ok)); /* no entries, no header */
    assert_true(ok);
}

/* How many entries there are, and whether the end was understood. Each beginning lies in memory of its own, so that a step
 * behind it is seen. */
static size_t walk(const char *data, size_t size, bool *ret_ok)
{
    char *copy = seg_alloc(size);
    assert_non_null(copy);
    if (size) memcpy(copy, data, size);
    size_t at = 0, n = 0;
    seg_entry e;
    while (seg_manifest_next(segue_bytes(copy, size), &at, &e, ret_ok)) n++;
    seg_free(copy);
    return n;
}

static void a_body_that_was_cut_is_damaged(void **state)
{
    (void)state;
    SEG_AUTO(segue_buf) body = {0};
    size_t ends[N_ENTRIES + 1] = {1};
    for (size_t i = 0; i < N_ENTRIES; i++) {
        assert_ok(seg_manifest_add(&body, &entries[i]));
        ends[i + 1] = body.size;
    }
    for (size_t size = 0, whole = 0; size <= body.size; size++) {
        bool ok = false, is_end = size == 0;
        for (size_t i = 0; i <= N_ENTRIES; i++)
            if (size == ends[i]) whole = i, is_end = true;
        size_t n = walk(body.data, size, &ok);
        if (n != whole || ok != is_end) fail_msg("of %zu bytes: %zu entries, %s", size, n, ok ? "understood" : "not");
    }
}

static void another_version_and_keys_that_cannot_be_are_damage(void **state)
{
    (void)state;
    char body[1 + 2 + 255 + FIXED];
    bool ok = true;
    memset(body, 'k', sizeof body);
    for (unsigned size = 0; size <= 255; size++) {
        bool is_key = size >= 1 && size <= SEGUE_KEY_MAX;
        body[0] = 1;
        body[2] = (char)(unsigned char)size;
        size_t n = walk(body, 1 + 2 + size + FIXED, &ok);
        if (n != is_key || ok != is_key) fail_msg("a key of %u bytes: %zu entries, %s", size, n, ok ? "ok" : "not");
        body[0] = 2;
        ASSERT_U64(0, walk(body, 1 + 2 + size + FIXED, &ok));
        assert_false(ok);
    }
}

static void an_entry_tells_what_is_about_to_be_moved(void **state)
{
    (void)state;
    segue_record rec = {.key = K("k"), .body = K("1"), .expiry = 7, .cas = 8, .revision = 9, .is_json = true};
    segue_record without = rec;
    without.cas = 0;
    seg_entry want = {0, rec.key, 7, 8, 9, seg_record_digest(&rec)}, got = seg_manifest_entry(&rec, true);
    assert_entry(&want, &got);
    want.digest = seg_record_digest(&without); /* the primary gives it a CAS of its own */
    got = seg_manifest_entry(&rec, false);
    assert_entry(&want, &got);
}

static void it_is_stored_over_whatever_is_there(void **state)
{
    (void)state;
    SEG_AUTO(segue_buf) body = {0};
    add_all(&body);
    segue_put put = seg_manifest_put(K("_segue:manifest:m:1"), &body);
    ASSERT_U64(SEGUE_IF_ANY, put.condition);
    assert_true(segue_slice_equal(put.rec.key, K("_segue:manifest:m:1")));
    assert_true(segue_slice_equal(put.rec.body, segue_buf_slice(&body)));
    ASSERT_U64(1, put.rec.revision);
    assert_false(put.rec.is_json || put.rec.is_tombstone || put.keep_cas);
}

/* What is told as added is there as a whole. */
static segue_status add_some(void *ctx)
{
    (void)ctx;
    SEG_AUTO(segue_buf) body = {0};
    size_t at = 0, n = 0;
    bool ok = true;
    seg_entry e;
    for (size_t i = 0; i < 40; i++) {
        segue_status st = seg_manifest_add(&body, &entries[i % N_ENTRIES]);
        if (st != SEGUE_OK) return st;
    }
    while (seg_manifest_next(segue_buf_slice(&body), &at, &e, &ok)) n++;
    return ok && n == 40 ? SEGUE_OK : SEGUE_CORRUPT;
}

static void without_memory_nothing_is_said_to_be_remembered(void **state)
{
    (void)state;
    test_fail_every_allocation(add_some, NULL);
}

/* Memory for the key of an entry, and none for the rest of it. */
static void half_an_entry_is_a_failure(void **state)
{
    (void)state;
    char key[SEGUE_KEY_MAX];
    memset(key, 'k', sizeof key);
    seg_entry e = {.key = segue_bytes(key, sizeof key)};
    for (size_t max = 1; max < 1 + 2 + sizeof key + FIXED; max++) {
        SEG_AUTO(segue_buf) body = {.max = max};
        segue_status st = seg_manifest_add(&body, &e);
        if (st != SEGUE_TOO_BIG) fail_msg("room for %zu bytes: %s", max, segue_status_name(st));
    }
    SEG_AUTO(segue_buf) body = {.max = 1 + 2 + sizeof key + FIXED};
    assert_ok(seg_manifest_add(&body, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_name_the_migration_and_the_number),
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(entries_come_out_as_they_went_in),
        cmocka_unit_test(a_body_that_was_cut_is_damaged),
        cmocka_unit_test(another_version_and_keys_that_cannot_be_are_damage),
        cmocka_unit_test(an_entry_tells_what_is_about_to_be_moved),
        cmocka_unit_test(it_is_stored_over_whatever_is_there),
        cmocka_unit_test(without_memory_nothing_is_said_to_be_remembered),
        cmocka_unit_test(half_an_entry_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
