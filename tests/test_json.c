/* The JSON scanner: what is JSON, where it stops being it, members as they stand in the text, and strings there and back. */
#include "records.h"

#include "doc/json.h"
#include "support/memory.h"

/* ---- what is one JSON value ---- */

static void every_kind_of_value_is_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "7",
        "-7",
        "0.5",
        "1.0",
        "1e3",
        "1E+3",
        "1e-3",
        "-1.25e10",
        "1E400",
        "9007199254740993",
        "18446744073709551615",
        "123456789012345678901234567890",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "[1,2]",
        "[[],{}]",
        "{\"a\":1}",
        "{\"a\":{\"b\":[1,{\"c\":null}]}}",
        "{\"a\":1,\"a\":2}",
        "{\"\":0}",
        " \t\n\r1 \t\n\r",
        "[ 1 , 2 ]",
        "{ \"a\" : 1 , \"b\" : [ ] }",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"\\u09af\\uAF90\"",
        "\"\xc3\xa9\"",
        "\"\xf0\x9f\x98\x80\"",
        "\"\x7f\"",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        size_t offset = SIZE_MAX;
        if (!seg_json_valid(segue_str(texts[i]), &offset)) fail_msg("refused at byte %zu: %s", offset, texts[i]);
    }
}

static void what_is_no_json_is_refused_at_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at; /* the first byte that cannot be part of it, or the end */
    } rows[] = {
        {"", 0},           {" ", 1},        {"nul", 0},       {"nulll", 4},
        {"True", 0},       {"NaN", 0},      {"Infinity", 0},  {"-", 1},
        {"+1", 0},         {"01", 1},       {"-01", 2},       {"1.", 2},
        {".5", 0},         {"1e", 2},       {"1e+", 3},       {"0x10", 1},
        {"1 2", 2},        {"[", 1},        {"]", 0},         {"[1", 2},
        {"[1,", 3},        {"[1,]", 3},     {"[,1]", 1},      {"[1 2]", 3},
        {"[1}", 2},        {"{", 1},        {"{]", 1},        {"{\"a\"", 4},
        {"{\"a\":", 5},    {"{\"a\":}", 5}, {"{\"a\" 1}", 5}, {"{\"a\":1,", 7},
        {"{\"a\":1,}", 7}, {"{a:1}", 1},    {"{1:2}", 1},     {"{\"a\":1]", 6},
        {"'a'", 0},        {"\"", 1},       {"\"a", 2},       {"// no\n1", 0},
        {"[1]]", 3},       {"{}{}", 2},     {"{:1}", 1},      {"{\"a\":1,:2}", 7},
        {"[tru]", 1},      {"\"\\", 2},     {"\"a\xff\"", 1}, {"[\"]\xff\"]", 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t offset = SIZE_MAX;
        if (seg_json_valid(segue_str(rows[i].text), &offset)) fail_msg("taken: %s", rows[i].text);
        if (offset != rows[i].at) fail_msg("%s: wrong at byte %zu, expected %zu", rows[i].text, offset, rows[i].at);
    }
    assert_false(seg_json_valid((segue_slice){NULL, 0}, NULL));
}

static void a_string_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\"\n\"",
        "\"\t\"",
        "\"\x01\"",
        "\"\x1f\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u-123\"",
        "\"\xff\"",
        "\"\xc3\"",
        "\"\xc3(\"",
        "\"\xc0\x80\"",
        "\"\xe0\x80\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xf0\x9f\x98\"",
        "{\"\xff\":1}",
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        if (seg_json_valid(segue_str(texts[i]), NULL)) fail_msg("taken, text %zu: %s", i, texts[i]);
    assert_false(seg_json_valid(segue_bytes("\"a\0b\"", 5), NULL));
    assert_false(seg_json_valid(segue_bytes("1\0", 2), NULL));
    assert_false(seg_json_valid(segue_bytes("\"\\\0\"", 4), NULL));
}

/* The text is not read past its end, whatever would follow it there. */
static void only_the_slice_is_looked_at(void **state)
{
    (void)state;
    assert_true(seg_json_valid(segue_bytes("12]", 2), NULL));
    assert_false(seg_json_valid(segue_bytes("[12]", 3), NULL));
    assert_false(seg_json_valid(segue_bytes("true", 3), NULL));
    assert_false(seg_json_valid(segue_bytes("\"ab\"", 3), NULL));
    assert_false(seg_json_valid(segue_bytes("1e5", 2), NULL));
    assert_false(seg_json_valid(segue_bytes("\"\\u0041\"", 6), NULL));
    static const struct {
        const char *text;
        size_t size, at;
    } cut[] = {{"[true]", 4, 1}, {"[12345678,\"abcdefghijklmnop\"]", 18, 18}, {"[1,2]", 2, 2}, {"\"\\n\"", 2, 2}};
    for (size_t i = 0; i < COUNT(cut); i++) {
        size_t offset = SIZE_MAX;
        if (seg_json_valid(segue_bytes(cut[i].text, cut[i].size), &offset) || offset != cut[i].at)
            fail_msg("%s, cut to %zu: byte %zu, expected %zu", cut[i].text, cut[i].size, offset, cut[i].at);
    }
}

/* Strings are read eight bytes at a time: nothing may hide in them, wherever it stands. */
static void every_byte_of_a_string_is_looked_at(void **state)
{
    (void)state;
    for (size_t at = 1; at <= 18; at++)
        for (unsigned c = 0; c < 256; c++) {
            char text[20] = "\"01234567890abcdef@\"";
            text[at] = (char)c;
            bool is_plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\',
                 escapes = c == '\\' && strchr("bf", text[at + 1]);
            if (at == 18 && c == '\\') escapes = false; /* the quote, so that none ends it */
            if (seg_json_valid(segue_bytes(text, sizeof text), NULL) != (is_plain || escapes))
                fail_msg("byte 0x%02x at %zu", c, at);
        }
}

static void white_space_around_a_text_is_trimmed(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"", ""},     {" \t\r\n", ""},          {"1", "1"},    {" 1", "1"},
                                          {"1\n", "1"}, {"\t [ 1 ]\r ", "[ 1 ]"}, {"\f1", "\f1"}};
    for (size_t i = 0; i < COUNT(rows); i++) ASSERT_SLICE(rows[i][1], seg_json_trim(K(rows[i][0])));
}

static void depth_has_a_limit_and_needs_no_stack(void **state)
{
    (void)state;
    enum { FAR = 1000 * 1000 };
    char *text = malloc(2 * FAR);
    assert_non_null(text);
    memset(text, '[', FAR);
    memset(text + FAR, ']', FAR);
    assert_true(seg_json_valid(segue_bytes(text + FAR - SEG_JSON_DEPTH_MAX, 2 * SEG_JSON_DEPTH_MAX), NULL));
    size_t offset = 0;
    assert_false(seg_json_valid(segue_bytes(text + FAR - SEG_JSON_DEPTH_MAX - 1, 2 * SEG_JSON_DEPTH_MAX + 2), &offset));
    assert_int_equal(offset, SEG_JSON_DEPTH_MAX);
    assert_false(seg_json_valid(segue_bytes(text, 2 * FAR), NULL));
    free(text);
}

/* Objects and lists in turn, so that each open bracket must be remembered as what it is. */
static void brackets_close_in_their_order_at_every_depth(void **state)
{
    (void)state;
    enum { PAIRS = SEG_JSON_DEPTH_MAX / 2 };
    SEG_AUTO(segue_buf) text = {0};
    for (size_t i = 0; i < PAIRS; i++) ASSERT_OK(segue_buf_append(&text, "[{\"a\":", 6));
    ASSERT_OK(segue_buf_append(&text, "1", 1));
    size_t closing = text.size;
    for (size_t i = 0; i < PAIRS; i++) ASSERT_OK(segue_buf_append(&text, "}]", 2));
    assert_true(seg_json_valid(segue_buf_slice(&text), NULL));
    for (size_t i = closing; i < text.size; i++) {
        char right = text.data[i];
        text.data[i] = right == '}' ? ']' : '}';
        if (seg_json_valid(segue_buf_slice(&text), NULL)) fail_msg("a wrong bracket at byte %zu is taken", i);
        text.data[i] = right;
    }
}

/* ---- members ---- */

static void members_come_in_order_and_as_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } want[] = {{"a", "1.0"},         {"b\\n", "{ \"a\" : [ 1 , 2 ] }"},
                {"", "\"x, }\\\"\""}, {"a", "9007199254740993"},
                {"l", "[]"},          {"n", "null"}};
    static const char text[] =
        " {\"a\" : 1.0 ,\"b\\n\":{ \"a\" : [ 1 , 2 ] }, \"\":\"x, }\\\"\",\"a\":9007199254740993,"
        "\n\"l\":[] , \"n\":null } ";
    assert_true(seg_json_valid(segue_str(text), NULL));
    seg_json_walk walk = {.text = segue_str(text)};
    segue_slice name, value;
    for (size_t i = 0; i < COUNT(want); i++) {
        if (!seg_json_next_member(&walk, &name, &value)) fail_msg("member %zu is missing", i);
        ASSERT_SLICE(want[i].name, name);
        ASSERT_SLICE(want[i].value, value);
        assert_true(name.data > text && value.data + value.size < text + sizeof text);
    }
    assert_false(seg_json_next_member(&walk, &name, &value));
    assert_false(seg_json_next_member(&walk, &name, &value));
}

static void names_and_values_may_have_any_characters(void **state)
{
    (void)state;
    static const char *const texts[] = {"\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "\\\"", "\\\\",     "\\u20ac"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        char text[64], value_want[16];
        segue_slice name, value;
        (void)snprintf(text, sizeof text, "{\"%s\":\"%s\",\"b\":[\"%s\"]}", texts[i], texts[i], texts[i]); /* fits */
        (void)snprintf(value_want, sizeof value_want, "\"%s\"", texts[i]);
        seg_json_walk walk = {.text = K(text)};
        assert_true(seg_json_next(&walk, &name, &value));
        ASSERT_SLICE(texts[i], name);
        ASSERT_SLICE(value_want, value);
        assert_true(seg_json_next(&walk, &name, &value));
        ASSERT_SLICE("b", name);
        assert_false(seg_json_next(&walk, &name, &value));
    }
}

/* Nonsense may come out of a text that is none, but it comes to an end, and nothing is said that is not in it. */
static void walking_through_nonsense_ends(void **state)
{
    (void)state;
    static const char *const none[] = {"",    "1",    "\"{\"",  "null",      "{",         "[",     "{1:2}", "{]",
                                       "{\"", "{\"a", "{\"a\"", "{\"a\" 1}", "{\"a\",1}", "{a:1}", "{,}"};
    for (size_t i = 0; i < COUNT(none); i++) {
        seg_json_walk walk = {.text = K(none[i])};
        segue_slice name = K("untouched"), value = K("untouched");
        if (seg_json_next(&walk, &name, &value)) fail_msg("%s has something in it", none[i]);
        ASSERT_SLICE("untouched", name);
        ASSERT_SLICE("untouched", value);
    }
    static const char *const broken[] = {"[1 2]",     "[1,2",  "[\"a",   "[[[", "{\"a\":1 \"b\":2}",
                                         "{\"a\":[}", "[,,,]", "[1,\"\\"};
    for (size_t i = 0; i < COUNT(broken); i++) {
        seg_json_walk walk = {.text = K(broken[i])};
        const char *end = broken[i] + strlen(broken[i]);
        segue_slice name, value;
        for (size_t n = 0; seg_json_next(&walk, &name, &value); n++)
            if (n > strlen(broken[i]) || value.data < broken[i] || value.data + value.size > end)
                fail_msg("%s: value %zu is outside of it, or there is no end", broken[i], n);
    }
}

static void what_has_no_members_has_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", " { } ", "[]", "[{\"a\":1}]", "1", "\"{\"", "null"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        seg_json_walk walk = {.text = segue_str(texts[i])};
        segue_slice name = K("untouched"), value = K("untouched");
        if (seg_json_next_member(&walk, &name, &value)) fail_msg("%s has a member", texts[i]);
        ASSERT_SLICE("untouched", name);
        ASSERT_SLICE("untouched", value);
    }
}

/* ---- strings ---- */

static void escapes_are_resolved(void **state)
{
    (void)state;
    static const struct {
        const char *inner, *want;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
        {"a\\u0041b", "aAb"},
        {"\\u007f\\u0080\\u07ff\\u0800\\uffff", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
        {"\\uD83D\\ude00", "\xf0\x9f\x98\x80"},
        {"\\udbff\\udfff", "\xf4\x8f\xbf\xbf"},
        {"\\ud800\\udc00", "\xf0\x90\x80\x80"},
        {"\\ud7ff\\ue000", "\xed\x9f\xbf\xee\x80\x80"},
        {"\\uD9AB\\uDeF0!", "\xf1\xba\xbb\xb0!"},
        {"\xc3\xa9\\u00E9", "\xc3\xa9\xc3\xa9"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        SEG_AUTO(segue_buf) out = {0};
        ASSERT_OK(segue_buf_append(&out, ">", 1)); /* it appends */
        ASSERT_OK(seg_json_unescape(segue_str(rows[i].inner), &out));
        ASSERT_SLICE(rows[i].want, segue_bytes(out.data + 1, out.size - 1));
    }
    SEG_AUTO(segue_buf) zero = {0};
    ASSERT_OK(seg_json_unescape(K("a\\u0000b"), &zero));
    assert_int_equal(zero.size, 3);
    assert_memory_equal(zero.data, "a\0b", 3);
}

static void half_a_character_is_refused(void **state)
{
    (void)state;
    static const char *const inners[] = {"\\ud800",       "\\udc00",        "\\ud800x",
                                         "\\ud800\\n",    "\\ud800\\u0041", "\\ud800\\ud800",
                                         "\\ud800\\udc0", "a\\udfffb",      "\\ud83d\\uDE0g"};
    for (size_t i = 0; i < COUNT(inners); i++) {
        SEG_AUTO(segue_buf) out = {0};
        segue_status st = seg_json_unescape(segue_str(inners[i]), &out);
        if (st != SEGUE_INVALID_JSON) fail_msg("%s: %s", inners[i], segue_status_name(st));
    }
}

/* An inside that was not looked at before: an escape that is cut, whatever follows in memory, and one that is none. */
static void half_an_escape_is_refused(void **state)
{
    (void)state;
    static const char text[] = "\\ud83d\\ude00\\u0041";
    SEG_AUTO(segue_buf) nul = {0};
    ASSERT_STATUS(SEGUE_INVALID_JSON, seg_json_unescape(segue_bytes("\\\0", 2), &nul));
    for (size_t size = 1; size < 12; size++) {
        SEG_AUTO(segue_buf) out = {0};
        segue_status st = seg_json_unescape(segue_bytes(text, size), &out);
        if (st != SEGUE_INVALID_JSON) fail_msg("%.*s: %s", (int)size, text, segue_status_name(st));
    }
    static const char *const none[] = {"\\",           "\\x", "\\u", "\\u004", "\\u00g1", "\\ug041", "\\ud83d\\x0000",
                                       "\\ud83dxude00"};
    for (size_t i = 0; i < COUNT(none); i++) {
        SEG_AUTO(segue_buf) out = {0};
        segue_status st = seg_json_unescape(K(none[i]), &out);
        if (st != SEGUE_INVALID_JSON) fail_msg("%s: %s", none[i], segue_status_name(st));
    }
}

static void only_what_must_be_escaped_is(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *want;
    } rows[] = {
        {"", "\"\""},
        {"a bc/<>&'", "\"a bc/<>&'\""},
        {"\"\\\b\f\n\r\t", "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        SEG_AUTO(segue_buf) out = {0};
        ASSERT_OK(seg_json_quote(segue_str(rows[i].bytes), &out));
        ASSERT_SLICE(rows[i].want, segue_buf_slice(&out));
    }
    SEG_AUTO(segue_buf) zero = {0};
    ASSERT_OK(seg_json_quote(segue_bytes("\0", 1), &zero));
    ASSERT_SLICE("\"\\u0000\"", segue_buf_slice(&zero));
}

static void every_character_survives_being_quoted(void **state)
{
    (void)state;
    SEG_AUTO(segue_buf) plain = {0}, quoted = {0}, again = {0};
    for (unsigned c = 0; c < 0x80; c++) {
        char byte = (char)c;
        ASSERT_OK(segue_buf_append(&plain, &byte, 1));
    }
    ASSERT_OK(segue_buf_append(&plain, "\xc2\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", 12));
    ASSERT_OK(seg_json_quote(segue_buf_slice(&plain), &quoted));
    assert_true(seg_json_valid(segue_buf_slice(&quoted), NULL));
    ASSERT_OK(seg_json_unescape(segue_bytes(quoted.data + 1, quoted.size - 2), &again));
    assert_int_equal(again.size, plain.size);
    assert_memory_equal(again.data, plain.data, plain.size);
}

/* ---- memory ---- */

static segue_status quote_and_back(segue_slice text)
{
    SEG_AUTO(segue_buf) quoted = {0}, again = {0};
    segue_status st = seg_json_quote(text, &quoted);
    if (st != SEGUE_OK) return st;
    st = seg_json_unescape(segue_bytes(quoted.data + 1, quoted.size - 2), &again);
    if (st == SEGUE_OK) assert_true(segue_slice_equal(segue_buf_slice(&again), text));
    return st;
}

static void running_out_of_memory_is_said_and_leaks_nothing(void **state)
{
    (void)state;
    char text[1000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = "a\n\"\\\x01"[i % 5];
    segue_slice slice = segue_bytes(text, sizeof text);
    memory_begin(0);
    segue_status st = quote_and_back(slice);
    size_t asked = memory_end();
    ASSERT_OK(st);
    assert_true(asked >= 2);
    for (size_t nth = 1; nth <= asked; nth++) {
        memory_begin(nth);
        st = quote_and_back(slice);
        (void)memory_end();
        if (st != SEGUE_NO_MEMORY) fail_msg("allocation %zu of %zu fails: %s", nth, asked, segue_status_name(st));
    }
}

static segue_status quote_long_text(void *ctx)
{
    const segue_slice *text = ctx;
    return quote_and_back(*text);
}

static void running_out_of_memory_once_makes_no_other_text(void **state)
{
    (void)state;
    char text[1000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = i % 64 < 60 ? 'a' : '\n';
    segue_slice slice = segue_bytes(text, sizeof text);
    test_fail_every_allocation(quote_long_text, &slice);
}

static void looking_at_json_allocates_nothing(void **state)
{
    (void)state;
    seg_json_walk walk = {.text = K("{\"a\":[1,{\"b\":\"c\"}],\"d\":null}")};
    segue_slice name, value;
    unsigned n = 0;
    memory_begin(1);
    bool valid = seg_json_valid(walk.text, NULL);
    while (seg_json_next_member(&walk, &name, &value)) n++;
    size_t asked = memory_end();
    assert_true(valid);
    assert_int_equal(n, 2);
    assert_int_equal(asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_json),
        cmocka_unit_test(what_is_no_json_is_refused_at_its_place),
        cmocka_unit_test(a_string_that_is_none_is_refused),
        cmocka_unit_test(only_the_slice_is_looked_at),
        cmocka_unit_test(every_byte_of_a_string_is_looked_at),
        cmocka_unit_test(white_space_around_a_text_is_trimmed),
        cmocka_unit_test(depth_has_a_limit_and_needs_no_stack),
        cmocka_unit_test(brackets_close_in_their_order_at_every_depth),
        cmocka_unit_test(members_come_in_order_and_as_they_stand),
        cmocka_unit_test(names_and_values_may_have_any_characters),
        cmocka_unit_test(walking_through_nonsense_ends),
        cmocka_unit_test(what_has_no_members_has_none),
        cmocka_unit_test(escapes_are_resolved),
        cmocka_unit_test(half_a_character_is_refused),
        cmocka_unit_test(half_an_escape_is_refused),
        cmocka_unit_test(only_what_must_be_escaped_is),
        cmocka_unit_test(every_character_survives_being_quoted),
        cmocka_unit_test(running_out_of_memory_is_said_and_leaks_nothing),
        cmocka_unit_test(running_out_of_memory_once_makes_no_other_text),
        cmocka_unit_test(looking_at_json_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
