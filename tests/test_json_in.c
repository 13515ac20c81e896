/* The program's reader of JSON says yes and no where the library's scanner does. */
#include "cli/json_in.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "doc/json.h"

static bool is_value(segue_slice text)
{
    segue_status st = seg_json_check_value(text);
    if (st != SEGUE_OK && st != SEGUE_INVALID_JSON) fail_msg("%s", segue_status_name(st));
    return st == SEGUE_OK;
}

static const char *const texts[] = {
    "null",
    "true",
    "false",
    "nul",
    "True",
    "truex",
    "0",
    "-0",
    "-",
    "01",
    "1.",
    "1.5",
    ".5",
    "1e3",
    "1E+3",
    "1e",
    "1e-",
    "+1",
    "12345678901234567890123456789012345678901234567890",
    "-1.5e-300",
    "1 2",
    "",
    " ",
    "\t1\n",
    "\f1",
    "\"\"",
    "\"a",
    "a\"",
    "\"\\u0041\"",
    "\"\\u004\"",
    "\"\\u00zz\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ud83d......\"",
    "\"\\ud83d\\n.....\"",
    "\"\\ud83d\\u00zz\"",
    "\"\\ud83d\\u0041\"",
    "\"\\ud83d\\ue000\"",
    "\"\\x\"",
    "\"\\",
    "\"\\\"\"",
    "\"\x01\"",
    "\"\x7f\"",
    "\"\xc3\xa9\"",
    "\"\xc3\"",
    "\"\xff\"",
    "[]",
    "[ ]",
    "[,]",
    "[1,]",
    "[1 2]",
    "[1,2]",
    "[[[[]]],[]]",
    "[1",
    "]",
    "[}",
    "{]",
    "{}",
    "{ }",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1}",
    "{\"a\":1,}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,\"b\":[{},{\"c\":[]}]}",
    "{a:1}",
    "{\"a\" : [ 1 , { } ] }",
    "{\"a\":{\"b\":{\"c\":null}}}x",
    "{1:2}",
    "[1]]",
    "{\"a\":1}}",
    "// c\n1",
    "NaN",
    "[\"a\",\"b\"",
};

static void test_it_agrees_with_the_scanner(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bool is = is_value(segue_str(texts[i])), must = seg_json_valid(segue_str(texts[i]), NULL);
        if (is != must) fail_msg("<%s>: %s, and the scanner says %s", texts[i], is ? "yes" : "no", must ? "yes" : "no");
    }
}

static void test_it_agrees_on_each_cut_and_each_changed_byte(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"key\":\"a\\u00e9\\n\",\"n\":[1,-2.5e+3,true,null,{}],\"o\":{\"x\":\"\",\"y\":[[]]}}";
    static const char bytes[] = "{}[]:,\"\\0-e.tn \x01\x80";
    char text[sizeof whole];
    size_t n = sizeof whole - 1, cases = 0;
    for (size_t size = 0; size <= n; size++) {
        segue_slice cut = segue_bytes(whole, size);
        assert_int_equal(is_value(cut), seg_json_valid(cut, NULL));
    }
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < sizeof bytes; b++, cases++) {
            memcpy(text, whole, n);
            text[i] = bytes[b];
            bool is = is_value(segue_bytes(text, n)), must = seg_json_valid(segue_bytes(text, n), NULL);
            if (is != must) fail_msg("byte %zu as %02x: %d and %d", i, (unsigned char)bytes[b], is, must);
        }
    assert_true(cases > 1000);
}

static void test_it_is_bounded_in_depth(void **state)
{
    (void)state;
    static char deep[4001];
    memset(deep, '[', 2000);
    memset(deep + 2000, ']', 2000);
    assert_false(is_value(segue_bytes(deep, 4000)));
    assert_true(is_value(segue_bytes(deep + 1500, 1000)));
}

/* What is read must be UTF-8, so here half a pair is none. */
static void test_it_resolves_whole_pairs_only(void **state)
{
    (void)state;
    static const struct {
        const char *text, *read;
    } rows[] = {{"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
                {"\"\\uD7FF\\ue000\"", "\xed\x9f\xbf\xee\x80\x80"},
                {"\"\\ude00\"", NULL},
                {"\"\\ud83d\"", NULL},
                {"\"\\ud83d......\"", NULL},
                {"\"\\ud83d\\n.....\"", NULL},
                {"\"\\ud83d\\u00zz\"", NULL},
                {"\"\\ud83d\\u0041\"", NULL},
                {"\"\\ud83d\\ue000\"", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        seg_json_in in;
        segue_slice text = {NULL, 0};
        assert_int_equal(seg_json_in_open(&in, segue_str(rows[i].text)), SEGUE_OK);
        bool is = seg_json_in_text(&in, &text);
        if (is != (rows[i].read != NULL) || (is && !segue_slice_equal(text, segue_str(rows[i].read))))
            fail_msg("%s: %s, \"%.*s\"", rows[i].text, is ? "yes" : "no", (int)text.size, is ? text.data : "");
        seg_json_in_close(&in);
    }
}

static void test_it_finds_numbers_of_members(void **state)
{
    (void)state;
    static const char body[] =
        "{\"a\":{\"n\":1},\"n\": 18446744073709551615 ,\"t\":true,\"f\":false,\"s\":\"5\",\"m\":-1}";
    uint64_t number = 0;
    assert_true(seg_json_member_number(segue_str(body), "n", &number));
    assert_true(number == UINT64_MAX);
    assert_true(seg_json_member_number(segue_str(body), "t", &number));
    assert_int_equal(number, 1);
    assert_false(seg_json_member_number(segue_str(body), "f", &number));
    assert_false(seg_json_member_number(segue_str(body), "s", &number));
    assert_false(seg_json_member_number(segue_str(body), "m", &number));
    assert_false(seg_json_member_number(segue_str(body), "x", &number));
    assert_false(seg_json_member_number(segue_str("[1]"), "n", &number));
    assert_false(seg_json_member_number(segue_str("{}"), "n", &number));
    assert_false(seg_json_member_number(segue_str("{1:1}"), "n", &number));
    assert_false(seg_json_member_number(segue_str("{\"n\" 1}"), "n", &number));
    assert_false(seg_json_member_number(segue_str("{\"n\":}"), "n", &number));
    assert_false(seg_json_member_number(segue_str("{\"n\":1}x"), "n", &number));
    assert_false(seg_json_member_number((segue_slice){NULL, 0}, "n", &number));
    assert_false(seg_json_member_number(segue_str("{\"n\":1"), "n", &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_agrees_with_the_scanner),
        cmocka_unit_test(test_it_agrees_on_each_cut_and_each_changed_byte),
        cmocka_unit_test(test_it_is_bounded_in_depth),
        cmocka_unit_test(test_it_resolves_whole_pairs_only),
        cmocka_unit_test(test_it_finds_numbers_of_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
