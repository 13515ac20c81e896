/* src/doc/json.c: what is JSON and where it stops being it, members, strings; random texts, each in a block of memory of
 * exactly its size, so that a byte too far is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"
#include "doc/json.h"
#include "support/memory.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

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

static void what_is_json(void **state)
{
    (void)state;
    static const segue_slice rows[] = {
        TEXT("null"),
        TEXT("true"),
        TEXT("false"),
        TEXT("0"),
        TEXT("-0"),
        TEXT("-1"),
        TEXT("10"),
        TEXT("0.5"),
        TEXT("-0.0"),
        TEXT("1e1"),
        TEXT("1E+1"),
        TEXT("1e-1"),
        TEXT("0e0"),
        TEXT("1.5e300"),
        TEXT("1e99999"),
        TEXT("123456789012345678901234567890"),
        TEXT("\"\""),
        TEXT("\"a\""),
        TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
        TEXT("\"\\u0000\""),
        TEXT("\"\\uD834\\uDd1e\""),
        TEXT("\"\\ud800\""),
        TEXT("\"\x7f\""),
        TEXT("\"\xc3\xa9\""),
        TEXT("\"\xe2\x82\xac\""),
        TEXT("\"\xf0\x9f\x98\x80\""),
        TEXT("\"\xf4\x8f\xbf\xbf\""),
        TEXT("\"\xef\xbf\xbf\""),
        TEXT("[]"),
        TEXT("[ ]"),
        TEXT("{}"),
        TEXT("{ }"),
        TEXT("[1,2]"),
        TEXT("[[],{}]"),
        TEXT("{\"a\":1}"),
        TEXT("{\"a\":1,\"a\":2}"),
        TEXT("{\"\":{\"\":[]}}"),
        TEXT(" \t\r\n1\n"),
        TEXT("[ 1 , {\"a\" : [ ] } ]"),
    };
    for (size_t i = 0; i < N(rows); i++) {
        size_t offset = 0;
        if (!valid_exactly(rows[i], &offset)) fail_msg("%s: wrong at %zu", rows[i].data, offset);
        if (offset != rows[i].size) fail_msg("%s: valid up to %zu", rows[i].data, offset);
    }
    assert_true(seg_json_valid(rows[0], NULL));
}

enum { ANYWHERE = 1000 };
static const struct {
    segue_slice text;
    size_t offset;
} broken[] = {
    {TEXT(""), 0},
    {TEXT(" "), 1},
    {TEXT("nul"), 0},
    {TEXT("nulL"), 0},
    {TEXT("True"), 0},
    {TEXT("NaN"), 0},
    {TEXT("Infinity"), 0},
    {TEXT("-Infinity"), 1},
    {TEXT("nullx"), 4},
    {TEXT("1 2"), 2},
    {TEXT("null\0"), 4},
    {TEXT("\xef\xbb\xbf"
          "1"),
     0},
    {TEXT("'a'"), 0},
    {TEXT("/**/1"), 0},
    /* numbers */
    {TEXT("-"), 1},
    {TEXT("+1"), 0},
    {TEXT("01"), 1},
    {TEXT("-01"), 2},
    {TEXT(".5"), 0},
    {TEXT("1."), 2},
    {TEXT("1.e1"), 2},
    {TEXT("1e"), 2},
    {TEXT("1e+"), 3},
    {TEXT("1e+-1"), 3},
    {TEXT("0x10"), 1},
    {TEXT("1_0"), 1},
    /* strings */
    {TEXT("\""), 1},
    {TEXT("\"a"), 2},
    {TEXT("\"\\"), 2},
    {TEXT("\"\\x\""), 3},
    {TEXT("\"\\u12\""), 5},
    {TEXT("\"\\u12g4\""), 5},
    {TEXT("\"\\u123"), 6},
    {TEXT("\"a\nb\""), 2},
    {TEXT("\"a\tb\""), 2},
    {TEXT("\"\0\""), 1},
    {TEXT("\"\x1f\""), 1},
    {TEXT("\"\\\0\""), ANYWHERE},
    {TEXT("\"\\U0041\""), ANYWHERE},
    /* UTF-8: alone, cut, overlong, surrogates, past the end */
    {TEXT("\"\x80\""), ANYWHERE},
    {TEXT("\"\xc3\""), ANYWHERE},
    {TEXT("\"\xc3\x28\""), ANYWHERE},
    {TEXT("\"\xc0\xaf\""), ANYWHERE},
    {TEXT("\"\xe0\x80\xaf\""), ANYWHERE},
    {TEXT("\"\xe2\x82\""), ANYWHERE},
    {TEXT("\"\xed\xa0\x80\""), ANYWHERE},
    {TEXT("\"\xf0\x80\x80\xaf\""), ANYWHERE},
    {TEXT("\"\xf4\x90\x80\x80\""), ANYWHERE},
    {TEXT("\"\xff\""), ANYWHERE},
    {TEXT("\xc3\xa9"), 0},
    /* arrays and objects */
    {TEXT("["), 1},
    {TEXT("]"), 0},
    {TEXT("[1"), 2},
    {TEXT("[1,"), 3},
    {TEXT("[1,]"), 3},
    {TEXT("[,1]"), 1},
    {TEXT("[1 2]"), 3},
    {TEXT("[1}"), 2},
    {TEXT("[1]]"), 3},
    {TEXT("{"), 1},
    {TEXT("}"), 0},
    {TEXT("{1:2}"), 1},
    {TEXT("{a:1}"), 1},
    {TEXT("{\"a\"}"), 4},
    {TEXT("{\"a\":}"), 5},
    {TEXT("{\"a\":1,}"), 7},
    {TEXT("{\"a\":1]"), 6},
    {TEXT("{\"a\" 1}"), 5},
    {TEXT("{\"a\":1 \"b\":2}"), 7},
    {TEXT("{,}"), 1},
    {TEXT("[{]}"), 2},
    {TEXT("{\"a\":[1,{}}"), 10},
};

static void what_is_not_json_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(broken); i++) {
        size_t offset = ANYWHERE;
        if (valid_exactly(broken[i].text, &offset)) fail_msg("row %zu: \"%s\" passes", i, broken[i].text.data);
        if (offset > broken[i].text.size) fail_msg("row %zu: wrong at %zu, past its end", i, offset);
        if (broken[i].offset != ANYWHERE && offset != broken[i].offset)
            fail_msg("row %zu: \"%s\": wrong at %zu, expected %zu", i, broken[i].text.data, offset, broken[i].offset);
    }
    assert_false(seg_json_valid((segue_slice){NULL, 0}, NULL));
}

static void nesting_ends_at_its_limit(void **state)
{
    (void)state;
    enum { MOST = SEG_JSON_DEPTH_MAX };
    char text[6 * (MOST + 1) + 8];
    for (int kind = 0; kind < 3; kind++)
        for (size_t depth = MOST - 1; depth <= MOST + 1; depth++) {
            size_t n = 0, offset = 0;
            for (size_t i = 0; i < depth; i++) {
                bool object = kind == 1 || (kind == 2 && i % 3 == 0);
                const char *open = object ? "{\"\":" : "[";
                memcpy(text + n, open, strlen(open));
                n += strlen(open);
            }
            text[n++] = '1';
            for (size_t i = depth; i-- > 0;) text[n++] = kind == 1 || (kind == 2 && i % 3 == 0) ? '}' : ']';
            bool valid = valid_exactly(segue_bytes(text, n), &offset);
            if (valid != (depth <= MOST)) fail_msg("kind %d, %zu deep: %d, offset %zu", kind, depth, valid, offset);
        }
    /* Breadth and what was closed before do not count. */
    size_t n = 0;
    text[n++] = '[';
    for (size_t i = 0; i < MOST; i++) {
        memcpy(text + n, "[],", 3);
        n += 3;
    }
    memcpy(text + n, "[]]", 3);
    assert_true(valid_exactly(segue_bytes(text, n + 3), NULL));
}

/* ---- members ---- */

static void walk(segue_slice text, char *out, size_t size)
{
    seg_json_members members = {.text = text};
    segue_slice name, value;
    out[0] = 0;
    while (seg_json_next_member(&members, &name, &value))
        (void)snprintf(out + strlen(out), size - strlen(out), "%.*s|%.*s;", (int)name.size, name.data, (int)value.size,
                       value.data);
    assert_false(seg_json_next_member(&members, &name, &value)); /* and stays at the end */
}

static void members_come_as_they_stand(void **state)
{
    (void)state;
    static const struct {
        segue_slice text;
        const char *out;
    } rows[] = {
        {TEXT("{}"), ""},
        {TEXT(" { } "), ""},
        {TEXT("[]"), ""},
        {TEXT("[1,2]"), ""},
        {TEXT("1"), ""},
        {TEXT("\"{\""), ""},
        {TEXT("null"), ""},
        {TEXT("{\"a\":1}"), "a|1;"},
        {TEXT("\n{ \"a\" : 1.50 , \"b\" :[ 1 ] } "), "a|1.50;b|[ 1 ];"},
        {TEXT("{\"a\":{\"b\":{}},\"c\":\"}\"}"), "a|{\"b\":{}};c|\"}\";"},
        {TEXT("{\"\":null,\"\":true}"), "|null;|true;"},
        {TEXT("{\"\\u0061\\\"\":12345678901234567890}"), "\\u0061\\\"|12345678901234567890;"},
    };
    char out[128];
    for (size_t i = 0; i < N(rows); i++) {
        assert_true(seg_json_valid(rows[i].text, NULL));
        walk(rows[i].text, out, sizeof out);
        if (strcmp(out, rows[i].out) != 0) fail_msg("%s: \"%s\", expected \"%s\"", rows[i].text.data, out, rows[i].out);
    }
}

/* ---- strings ---- */

static void escapes_are_resolved(void **state)
{
    (void)state;
    static const struct {
        segue_slice inner, out; /* out NULL: INVALID_JSON */
    } rows[] = {
        {TEXT(""), TEXT("")},
        {TEXT("abc"), TEXT("abc")},
        {TEXT("\\\"\\\\\\/\\b\\f\\n\\r\\t"), TEXT("\"\\/\b\f\n\r\t")},
        {TEXT("a\\u0041b"), TEXT("aAb")},
        {TEXT("\\u0000"), TEXT("\0")},
        {TEXT("\\u00e9"), TEXT("\xc3\xa9")},
        {TEXT("\\u07FF\\u0800"), TEXT("\xdf\xbf\xe0\xa0\x80")},
        {TEXT("\\u20AC"), TEXT("\xe2\x82\xac")},
        {TEXT("\\uffff"), TEXT("\xef\xbf\xbf")},
        {TEXT("\\ud83d\\uDE00"), TEXT("\xf0\x9f\x98\x80")},
        {TEXT("\\ud800\\udc00"), TEXT("\xf0\x90\x80\x80")},
        {TEXT("\\udbff\\udfff"), TEXT("\xf4\x8f\xbf\xbf")},
        {TEXT("\\ud83dx"), {NULL, 0}},
        {TEXT("\\ud83d"), {NULL, 0}},
        {TEXT("\\ude00"), {NULL, 0}},
        {TEXT("\\ud83d\\ud83d"), {NULL, 0}},
        {TEXT("\\ud83d\\u0041"), {NULL, 0}},
        {TEXT("\\ud83d\\n12345"), {NULL, 0}},
        {TEXT("\\ud83d\\uDE0"), {NULL, 0}},
        {TEXT("\\"), {NULL, 0}},
        {TEXT("\\x"), {NULL, 0}},
        {TEXT("\\u12"), {NULL, 0}},
        {TEXT("\\u"), {NULL, 0}},
        {TEXT("\\\0"), {NULL, 0}},
        {TEXT("\\u00g0"), {NULL, 0}},
    };
    for (size_t i = 0; i < N(rows); i++) {
        segue_buf out = {0};
        segue_status st = seg_json_unescape(rows[i].inner, &out);
        segue_status expected = rows[i].out.data ? SEGUE_OK : SEGUE_INVALID_JSON;
        if (st != expected || (st == SEGUE_OK && !segue_slice_equal(segue_buf_slice(&out), rows[i].out)))
            fail_msg("row %zu: %s: %s, \"%.*s\"", i, rows[i].inner.data, segue_status_name(st), (int)out.size,
                     out.data ? out.data : "");
        segue_buf_free(&out);
    }
}

static void only_what_must_be_escaped_is(void **state)
{
    (void)state;
    segue_buf out = {0};
    static const segue_slice in = TEXT("/a\xc3\xa9\x7f\"\\\b\f\n\r\t\0\x1f");
    static const segue_slice expected = TEXT("\"/a\xc3\xa9\x7f\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\"");
    assert_int_equal(seg_json_quote(in, &out), SEGUE_OK);
    if (!segue_slice_equal(segue_buf_slice(&out), expected)) fail_msg("%.*s", (int)out.size, out.data);
    segue_buf_free(&out);
}

/* ---- random ---- */

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
    seg_json_members members = {.text = text};
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

/* ---- out of memory ---- */

static segue_status write_much(void *unescape)
{
    segue_buf out = {0};
    segue_status st = SEGUE_OK;
    for (int i = 0; i < 50 && st == SEGUE_OK; i++)
        st = unescape ? seg_json_unescape((segue_slice)TEXT("012345\\n\\u20ac"), &out)
                      : seg_json_quote((segue_slice)TEXT("0123456789\n"), &out);
    if (st != SEGUE_OK && out.size != 0) st = SEGUE_CORRUPT; /* half a text */
    segue_buf_free(&out);
    return st;
}

static void running_out_of_memory_is_said_and_leaks_nothing(void **state)
{
    (void)state;
    int unescape = 1;
    test_fail_every_allocation(write_much, NULL);
    test_fail_every_allocation(write_much, &unescape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json),
        cmocka_unit_test(what_is_not_json_and_where),
        cmocka_unit_test(nesting_ends_at_its_limit),
        cmocka_unit_test(members_come_as_they_stand),
        cmocka_unit_test(escapes_are_resolved),
        cmocka_unit_test(only_what_must_be_escaped_is),
        cmocka_unit_test(quoting_and_unescaping_give_the_bytes_back),
        cmocka_unit_test(damaged_texts_are_read_within_their_bounds),
        cmocka_unit_test(running_out_of_memory_is_said_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
