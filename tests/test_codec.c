/* src/doc/codec.c: the xattr section and the envelope. What was written comes back; what was damaged is refused or read as
 * another record, never past its end: each damaged one lies in a block of memory of exactly its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"
#include "doc/codec.h"
#include "doc/doc.h"
#include "support/memory.h"
#include "support/show.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

static const segue_xattr xattrs[] = {{TEXT("_sync"), TEXT("{\"rev\":\"1-a\"}")}, {TEXT("u"), TEXT("\"\xc3\xa9\"")}};
static const segue_record records[] = {
    {.key = TEXT("k"), .body = TEXT("{}"), .is_json = true, .cas = 1, .revision = 1},
    {.key = TEXT("k"), .body = TEXT(""), .cas = 1, .revision = 1},
    {.key = TEXT("k"), .is_tombstone = true, .cas = 2, .revision = 3},
    {.key = TEXT("k"), .is_tombstone = true, .cas = 2, .revision = 3, .xattrs = xattrs, .n_xattrs = 1},
    {.key = TEXT("k"),
     .body = TEXT("a\0b\xff"),
     .xattrs = xattrs,
     .n_xattrs = 2,
     .cas = UINT64_C(0x0123456789abcdef),
     .revision = UINT64_MAX,
     .write_id = UINT64_C(0xfedcba9876543210),
     .expiry = UINT32_MAX,
     .flags = 0x01020304},
};

static void a_record_comes_back_as_it_was(void **state)
{
    (void)state;
    segue_buf out = {0};
    segue_xattr slots[SEGUE_XATTRS_MAX];
    for (size_t i = 0; i < N(records); i++) {
        segue_record back = {.key = records[i].key};
        segue_buf_clear(&out);
        assert_int_equal(seg_envelope_encode(&records[i], &out), SEGUE_OK);
        assert_int_equal(seg_envelope_decode(segue_buf_slice(&out), slots, &back), SEGUE_OK);
        char line[TEST_LINE];
        test_show(&back, line);
        if (!seg_record_same(&records[i], &back) || back.write_id != records[i].write_id ||
            (back.body.data == NULL) != (records[i].body.data == NULL))
            fail_msg("record %zu: %s", i, line);
        assert_true(seg_envelope_cas(out.data) == records[i].cas);
        seg_envelope_set_cas(out.data, 0x77);
        assert_int_equal(seg_envelope_decode(segue_buf_slice(&out), slots, &back), SEGUE_OK);
        assert_true(back.cas == 0x77 && back.revision == records[i].revision && back.expiry == records[i].expiry);
    }
    segue_buf_free(&out);
}

/* Stores are read by later versions: these bytes are the format. */
static void the_bytes_of_the_format_stay(void **state)
{
    (void)state;
    static const char expected[] = "\x01\x00\x00\x00"
                                   "\x04\x03\x02\x01"
                                   "\xff\xff\xff\xff"
                                   "\xef\xcd\xab\x89\x67\x45\x23\x01"
                                   "\xff\xff\xff\xff\xff\xff\xff\xff"
                                   "\x10\x32\x54\x76\x98\xba\xdc\xfe"
                                   "\x23\x00\x00\x00"
                                   "\x00\x00\x00\x14"
                                   "_sync\0{\"rev\":\"1-a\"}\0"
                                   "\x00\x00\x00\x07"
                                   "u\0\"\xc3\xa9\"\0"
                                   "a\0b\xff";
    segue_buf out = {0};
    assert_int_equal(seg_envelope_encode(&records[4], &out), SEGUE_OK);
    assert_int_equal(out.size, sizeof expected - 1);
    assert_memory_equal(out.data, expected, sizeof expected - 1);
    segue_buf_free(&out);
    assert_int_equal(seg_envelope_encode(&records[2], &out), SEGUE_OK);
    assert_int_equal(out.size, SEG_ENVELOPE_HEADER);
    assert_int_equal(out.data[1], 1);
    segue_buf_free(&out);
}

static void encoding_appends(void **state)
{
    (void)state;
    segue_buf out = {0};
    segue_xattr slots[SEGUE_XATTRS_MAX];
    segue_record back = {.key = TEXT("k")};
    assert_int_equal(segue_buf_append(&out, "before", 6), SEGUE_OK);
    assert_int_equal(seg_envelope_encode(&records[4], &out), SEGUE_OK);
    assert_memory_equal(out.data, "before", 6);
    assert_int_equal(seg_envelope_decode(segue_bytes(out.data + 6, out.size - 6), slots, &back), SEGUE_OK);
    assert_true(seg_record_same(&records[4], &back));
    segue_buf_free(&out);
}

static void a_section_of_others_is_sorted_and_may_be_full(void **state)
{
    (void)state;
    static const segue_slice section = TEXT("\0\0\0\4b\0"
                                            "2\0"
                                            "\0\0\0\4a\0"
                                            "1\0");
    segue_xattr slots[SEGUE_XATTRS_MAX], many[SEGUE_XATTRS_MAX + 1];
    char names[SEGUE_XATTRS_MAX + 1][8];
    size_t n = 0;
    assert_int_equal(seg_xattrs_decode(section, slots, &n), SEGUE_OK);
    assert_true(n == 2 && slots[0].name.data[0] == 'a' && slots[1].value.data[0] == '2');
    assert_int_equal(seg_xattrs_decode((segue_slice){NULL, 0}, slots, &n), SEGUE_OK);
    assert_int_equal(n, 0);
    for (size_t i = 0; i < N(many); i++) {
        (void)snprintf(names[i], sizeof names[i], "x%02zu", i);
        many[i] = (segue_xattr){segue_str(names[i]), TEXT("1")};
    }
    segue_buf out = {0};
    assert_int_equal(seg_xattrs_encode(many, SEGUE_XATTRS_MAX, &out), SEGUE_OK);
    assert_int_equal(seg_xattrs_decode(segue_buf_slice(&out), slots, &n), SEGUE_OK);
    assert_int_equal(n, SEGUE_XATTRS_MAX);
    segue_buf_clear(&out);
    assert_int_equal(seg_xattrs_encode(many, SEGUE_XATTRS_MAX + 1, &out), SEGUE_OK);
    assert_int_equal(seg_xattrs_decode(segue_buf_slice(&out), slots, &n), SEGUE_CORRUPT);
    segue_buf_free(&out);
}

static void what_is_no_section_is_corrupt(void **state)
{
    (void)state;
    static const segue_slice rows[] = {
        TEXT("\0"), /* half a length */
        TEXT("\0\0\0"),
        TEXT("\0\0\0\0"),   /* a pair of nothing */
        TEXT("\0\0\0\1\0"), /* a name without a value */
        TEXT("\0\0\0\4a\0"
             "1"), /* longer than there is */
        TEXT("\xff\xff\xff\xff"
             "a\0"
             "1\0"),
        TEXT("\0\0\0\3a\0"
             "1\0"),          /* shorter than the pair */
        TEXT("\0\0\0\4a111"), /* no end of the name */
        TEXT("\0\0\0\4a\0"
             "11"), /* no end of the value */
        TEXT("\0\0\0\4a\0"
             "1\0\0"), /* a rest */
        TEXT("\0\0\0\4a\0"
             "1\0\0\0\0\4a\0"
             "2\0"), /* a name twice */
    };
    segue_xattr slots[SEGUE_XATTRS_MAX];
    for (size_t i = 0; i < N(rows); i++) {
        size_t n = 99;
        segue_status st = seg_xattrs_decode(rows[i], slots, &n);
        if (st != SEGUE_CORRUPT) fail_msg("row %zu: %s", i, segue_status_name(st));
        assert_int_equal(n, 99); /* outputs are for successes */
    }
}

/* Decode from memory of exactly this size, and touch all that comes out. */
static segue_status decode_exactly(const char *bytes, size_t size, segue_record *rec, segue_xattr *slots)
{
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    segue_status st = seg_envelope_decode(segue_bytes(copy, size), slots, rec);
    if (st == SEGUE_OK) {
        (void)seg_record_digest(rec);
        size_t used = SEG_ENVELOPE_HEADER + rec->body.size;
        for (size_t i = 0; i < rec->n_xattrs; i++) used += 6 + rec->xattrs[i].name.size + rec->xattrs[i].value.size;
        if (used != size) fail_msg("%zu of %zu bytes were read", used, size);
        if (rec->is_tombstone != (rec->body.data == NULL)) fail_msg("live without a body, or a tombstone with one");
    } else if (st != SEGUE_CORRUPT) {
        fail_msg("%s", segue_status_name(st));
    }
    free(copy);
    return st;
}

static void every_truncation_is_refused_or_a_shorter_body(void **state)
{
    (void)state;
    segue_xattr slots[SEGUE_XATTRS_MAX];
    segue_buf out = {0};
    for (size_t i = 0; i < N(records); i++) {
        segue_buf_clear(&out);
        assert_int_equal(seg_envelope_encode(&records[i], &out), SEGUE_OK);
        for (size_t size = 0; size < out.size; size++) {
            segue_record rec = {.key = TEXT("k")};
            segue_status st = decode_exactly(out.data, size, &rec, slots);
            bool in_body = size >= out.size - records[i].body.size && !records[i].is_tombstone;
            if ((st == SEGUE_OK) != in_body) fail_msg("record %zu cut at %zu: %s", i, size, segue_status_name(st));
        }
    }
    segue_buf_free(&out);
}

static void every_damaged_byte_is_refused_or_read_within_bounds(void **state)
{
    (void)state;
    segue_xattr slots[SEGUE_XATTRS_MAX];
    segue_buf out = {0};
    size_t decoded = 0, corrupt = 0;
    for (size_t i = 0; i < N(records); i++) {
        segue_buf_clear(&out);
        assert_int_equal(seg_envelope_encode(&records[i], &out), SEGUE_OK);
        for (size_t at = 0; at < out.size; at++) {
            char was = out.data[at];
            for (int change = 1; change < 256; change++) {
                segue_record rec = {.key = TEXT("k")};
                out.data[at] = (char)((unsigned char)was ^ change);
                segue_status st = decode_exactly(out.data, out.size, &rec, slots);
                /* Version, reserved bytes and unknown bits are never read as something. */
                bool must_fail = at == 0 || at == 2 || at == 3 || (at == 1 && (change & ~3) != 0);
                if (must_fail && st == SEGUE_OK) fail_msg("record %zu, byte %zu ^ %d passes", i, at, change);
                *(st == SEGUE_OK ? &decoded : &corrupt) += 1;
            }
            out.data[at] = was;
        }
    }
    segue_buf_free(&out);
    if (decoded < 1000 || corrupt < 1000) fail_msg("%zu decoded, %zu corrupt", decoded, corrupt);
}

/* ---- out of memory ---- */

static segue_status encode_once(void *ctx)
{
    segue_buf out = {0};
    segue_status st = seg_envelope_encode(ctx, &out);
    if (st != SEGUE_OK && out.size != 0) st = SEGUE_CORRUPT; /* half of it */
    segue_buf_free(&out);
    return st;
}

static segue_status encode_xattrs(void *ctx)
{
    segue_buf out = {0};
    (void)ctx;
    segue_status st = seg_xattrs_encode(xattrs, N(xattrs), &out);
    segue_buf_free(&out);
    return st;
}

static void running_out_of_memory_is_said_and_leaks_nothing(void **state)
{
    (void)state;
    segue_record rec = records[4];
    test_fail_every_allocation(encode_once, &rec);
    test_fail_every_allocation(encode_xattrs, NULL);
    assert_int_equal(test_count_allocations(encode_once, &rec), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back_as_it_was),
        cmocka_unit_test(the_bytes_of_the_format_stay),
        cmocka_unit_test(encoding_appends),
        cmocka_unit_test(a_section_of_others_is_sorted_and_may_be_full),
        cmocka_unit_test(what_is_no_section_is_corrupt),
        cmocka_unit_test(every_truncation_is_refused_or_a_shorter_body),
        cmocka_unit_test(every_damaged_byte_is_refused_or_read_within_bounds),
        cmocka_unit_test(running_out_of_memory_is_said_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
