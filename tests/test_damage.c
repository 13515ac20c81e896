/* What is damaged: JSON texts, envelopes. It is refused or read as something else, and never past its end: each damaged one
 * lies in a block of memory of exactly its size. test_json.c and test_codec.c say what is right. */
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
#include "doc/json.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

/* ---- JSON ---- */

/* A copy without a byte to spare before or after it. */
static bool valid_exactly(segue_slice text, size_t *ret_offset)
{
    char *copy = malloc(text.size ? text.size : 1);
    assert_non_null(copy);
    if (text.size) memcpy(copy, text.data, text.size);
    bool valid = seg_json_valid(segue_bytes(copy + (text.size ? 0 : 1), text.size), ret_offset);
    free(copy);
    return valid;
}

static uint64_t seed;
static uint32_t next_random(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static void quoting_and_unescaping_give_the_bytes_back(void **state)
{
    (void)state;
    seed = 1;
    segue_buf quoted = {0}, back = {0};
    for (int round = 0; round < 20000; round++) {
        char in[24];
        size_t n = next_random(sizeof in);
        for (size_t i = 0; i < n; i++) in[i] = (char)next_random(next_random(2) ? 128 : 40);
        segue_buf_clear(&quoted);
        segue_buf_clear(&back);
        assert_int_equal(seg_json_quote(segue_bytes(in, n), &quoted), SEGUE_OK);
        if (!seg_json_valid(segue_buf_slice(&quoted), NULL))
            fail_msg("%.*s is not valid", (int)quoted.size, quoted.data);
        assert_int_equal(seg_json_unescape(segue_bytes(quoted.data + 1, quoted.size - 2), &back), SEGUE_OK);
        if (!segue_slice_equal(segue_buf_slice(&back), segue_bytes(in, n)))
            fail_msg("round %d: %.*s does not come back", round, (int)quoted.size, quoted.data);
    }
    segue_buf_free(&quoted);
    segue_buf_free(&back);
}

/* Whatever is valid can be walked, its members are valid, and its names can be resolved or have an unpaired surrogate. */
static size_t check_members(segue_slice text)
{
    seg_json_walk members = {.text = text};
    segue_slice name, value;
    segue_buf out = {0};
    size_t n = 0;
    while (seg_json_next_member(&members, &name, &value)) {
        n++;
        if (!valid_exactly(value, NULL)) fail_msg("\"%.*s\" is no value", (int)value.size, value.data);
        segue_status st = seg_json_unescape(name, &out);
        if (st != SEGUE_OK && st != SEGUE_INVALID_JSON) fail_msg("%s", segue_status_name(st));
    }
    segue_buf_free(&out);
    return n;
}

static void damaged_texts_are_read_within_their_bounds(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"a\":[1,-2.5e+3,null,true],\"\\ud83d\\ude00\":{\"b\":\"\xc3\xa9\\n\"},\"c\":\"\\u0041\",\"\":[[],{}]}";
    static const char spice[] = "{}[]\",:\\u019eE+-. tfn\xc3\xa9\xed\xff";
    enum { SIZE = sizeof whole - 1 };
    size_t valid = 0, members = 0;
    assert_int_equal(check_members(segue_bytes(whole, SIZE)), 4);
    for (size_t cut = 0; cut < SIZE; cut++)
        if (valid_exactly(segue_bytes(whole, cut), NULL)) fail_msg("cut at %zu it passes", cut);
    seed = 2;
    for (int round = 0; round < 60000; round++) {
        size_t n = SIZE - (next_random(4) ? 0 : next_random(SIZE));
        char *text = malloc(n); /* exactly: a byte too far is an error */
        assert_non_null(text);
        memcpy(text, whole, n);
        for (uint32_t i = 1 + next_random(3); i > 0; i--)
            text[next_random((uint32_t)n)] = next_random(4) ? spice[next_random(sizeof spice)] : (char)next_random(256);
        size_t offset = 0;
        bool ok = seg_json_valid(segue_bytes(text, n), &offset);
        if (offset > n) fail_msg("round %d: offset %zu of %zu", round, offset, n);
        if (ok) {
            valid++;
            members += check_members(segue_bytes(text, n));
        }
        segue_buf out = {0};
        segue_status st = seg_json_unescape(segue_bytes(text, n), &out); /* not valid, but read within its bounds */
        if (st != SEGUE_OK && st != SEGUE_INVALID_JSON) fail_msg("%s", segue_status_name(st));
        segue_buf_free(&out);
        free(text);
    }
    if (valid < 1000 || members < valid) fail_msg("%zu valid, %zu members: the texts are too bad", valid, members);
}

/* ---- envelopes ---- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quoting_and_unescaping_give_the_bytes_back),
        cmocka_unit_test(damaged_texts_are_read_within_their_bounds),
        cmocka_unit_test(every_truncation_is_refused_or_a_shorter_body),
        cmocka_unit_test(every_damaged_byte_is_refused_or_read_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
