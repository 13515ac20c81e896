/* The JSON scanner: what is JSON, where it stops being it, members as they stand in the text, and strings there and back. */
#include "records.h"

#include "doc/json.h"

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
        {"", 0},          {" ", 1},         {"nul", 0},        {"nulll", 4},    {"True", 0},    {"NaN", 0},
        {"Infinity", 0},  {"-", 1},         {"+1", 0},         {"01", 1},       {"-01", 2},     {"1.", 2},
        {".5", 0},        {"1e", 2},        {"1e+", 3},        {"0x10", 1},     {"1 2", 2},     {"[", 1},
        {"]", 0},         {"[1", 2},        {"[1,", 3},        {"[1,]", 3},     {"[,1]", 1},    {"[1 2]", 3},
        {"[1}", 2},       {"{", 1},         {"{]", 1},         {"{\"a\"", 4},   {"{\"a\":", 5}, {"{\"a\":}", 5},
        {"{\"a\" 1}", 5}, {"{\"a\":1,", 7}, {"{\"a\":1,}", 7}, {"{a:1}", 1},    {"{1:2}", 1},   {"{\"a\":1]", 6},
        {"'a'", 0},       {"\"", 1},        {"\"a", 2},        {"// no\n1", 0}, {"[1]]", 3},    {"{}{}", 2},
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

static void only_what_must_be_escaped_is(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *want;
    } rows[] = {
        {"", "\"\""},
        {"abc/<>&'", "\"abc/<>&'\""},
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
        cmocka_unit_test(depth_has_a_limit_and_needs_no_stack),
        cmocka_unit_test(brackets_close_in_their_order_at_every_depth),
        cmocka_unit_test(members_come_in_order_and_as_they_stand),
        cmocka_unit_test(what_has_no_members_has_none),
        cmocka_unit_test(escapes_are_resolved),
        cmocka_unit_test(half_a_character_is_refused),
        cmocka_unit_test(only_what_must_be_escaped_is),
        cmocka_unit_test(every_character_survives_being_quoted),
        cmocka_unit_test(running_out_of_memory_is_said_and_leaks_nothing),
        cmocka_unit_test(looking_at_json_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
