/* Paths: their grammar, what they lead to, and what is left of a text when something is put in or taken out, byte for byte;
 * then random texts and changes beside a naive model of JSON, which knows nothing of offsets. */
#include "records.h"

#include <jansson.h>

#include "doc/json.h"
#include "doc/path.h"
#include "support/memory.h"

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

static segue_error err;
static segue_call call_ = {.err = &err};

/* ---- the grammar ---- */

static void what_is_a_path_is_cut_into_its_steps(void **state)
{
    (void)state;
    static const struct {
        const char *text, *steps; /* steps: names as they stand, "#3" an index, "#-1" the last one; a ' ' between */
    } rows[] = {
        {"a", "a"},
        {"a.b.c", "a b c"},
        {"a[3]", "a #3"},
        {"a[-1]", "a #-1"},
        {"[0]", "#0"},
        {"[0][1].x", "#0 #1 x"},
        {"a[0].b[2147483647]", "a #0 b #2147483647"},
        {"`a.b`", "a.b"},
        {"`a.b`.c", "a.b c"},
        {"x.`a[0]`[1]", "x a[0] #1"},
        {"`a``b`", "a``b"},
        {"````", "``"},
        {"``", ""},
        {"a.``.b", "a  b"},
        {"$x", "$x"},
        {"a b", "a b"},
        {"\xc3\xa9.\"\\", "\xc3\xa9 \"\\"},
        {"-1", "-1"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        seg_path path;
        char shown[256] = "";
        size_t at = 0;
        if (seg_path_parse(K(rows[i].text), &path, &call_) != SEGUE_OK) fail_msg("%s: %s", rows[i].text, err.message);
        for (size_t k = 0; k < path.n; k++) {
            const seg_step *s = &path.steps[k];
            int n = s->name.data ? snprintf(shown + at, sizeof shown - at, "%s%.*s", k ? " " : "", (int)s->name.size,
                                            s->name.data)
                                 : snprintf(shown + at, sizeof shown - at, "%s#%d", k ? " " : "", (int)s->index);
            at += (size_t)n;
        }
        if (strcmp(shown, rows[i].steps) != 0) fail_msg("%s: <%s>, expected <%s>", rows[i].text, shown, rows[i].steps);
    }
}

static void what_is_no_path_is_refused_at_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *part; /* of the sentence */
    } rows[] = {
        {"", "at least one component"},
        {".", "byte 0 (component 1): a name is missing"},
        {".a", "byte 0 (component 1): a name is missing"},
        {"a.", "byte 2 (component 2): a name is missing"},
        {"a..b", "byte 2 (component 2): a name is missing"},
        {"a.[0]", "byte 2 (component 2): a name is missing"},
        {"a[0]b", "byte 4 (component 3): a . or [ is missing"},
        {"`a`b", "byte 3 (component 2): a . or [ is missing"},
        {"a[", "byte 2 (component 2): a [ is not closed"},
        {"a[1", "byte 3 (component 2): a [ is not closed"},
        {"a[]", "byte 2 (component 2): an index is a decimal number or -1"},
        {"a[x]", "an index is"},
        {"a[-2]", "an index is"},
        {"a[01]", "an index is"},
        {"a[+1]", "an index is"},
        {"a[ 1]", "an index is"},
        {"a[12x].b", "byte 2 (component 2): an index is a decimal number or -1"},
        {"a[2147483648]", "an index is"},
        {"a[99999999999999999999]", "an index is"},
        {"x]", "byte 1 (component 1): a ] closes nothing"},
        {"a`b", "byte 1 (component 1): a backtick stands inside a name"},
        {"`", "byte 1 (component 1): a backtick is not closed"},
        {"`a", "byte 2 (component 1): a backtick is not closed"},
        {"`a``", "a backtick is not closed"},
        {"a\xff", "not UTF-8"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        seg_path path;
        err.message[0] = 0;
        segue_status st = seg_path_parse(K(rows[i].text), &path, &call_);
        if (st != SEGUE_INVALID_PATH) fail_msg("%s: %s", rows[i].text, segue_status_name(st));
        if (!strstr(err.message, rows[i].part))
            fail_msg("%s: \"%s\", expected %s", rows[i].text, err.message, rows[i].part);
    }
    seg_path path;
    ASSERT_STATUS(SEGUE_INVALID_PATH, seg_path_parse((segue_slice){0}, &path, &call_));
}

static void a_path_has_1024_bytes_and_32_components_at_most(void **state)
{
    (void)state;
    char text[SEGUE_PATH_MAX + 1];
    seg_path path;
    memset(text, 'a', sizeof text);
    ASSERT_OK(seg_path_parse(segue_bytes(text, SEGUE_PATH_MAX), &path, &call_));
    ASSERT_STATUS(SEGUE_INVALID_PATH, seg_path_parse(segue_bytes(text, SEGUE_PATH_MAX + 1), &path, &call_));
    for (size_t i = 1; i < sizeof text; i += 2) text[i] = '.';
    ASSERT_OK(seg_path_parse(segue_bytes(text, 63), &path, &call_));
    ASSERT_U64(32, path.n);
    ASSERT_STATUS(SEGUE_INVALID_PATH, seg_path_parse(segue_bytes(text, 65), &path, &call_));
}

/* What follows a path in memory is no part of it. */
static void only_the_slice_is_looked_at(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *wrong; /* part of the sentence; NULL: it is a path */
    } rows[] = {
        {"x]", 1, NULL},
        {"x`", 1, NULL},
        {"`a``", 3, NULL},
        {"a[1].", 4, NULL},
        {"a.`", 2, "byte 2 (component 2): a name is missing"},
        {"a[1]", 3, "byte 3 (component 2): a [ is not closed"},
        {"`a`", 2, "byte 2 (component 1): a backtick is not closed"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        seg_path path;
        segue_slice text = segue_bytes(rows[i].text, rows[i].size);
        err.message[0] = 0;
        segue_status st = seg_path_parse(text, &path, &call_);
        if ((st == SEGUE_OK) != !rows[i].wrong || (rows[i].wrong && !strstr(err.message, rows[i].wrong)))
            fail_msg("%s, cut to %zu: %s: %s", rows[i].text, rows[i].size, segue_status_name(st), err.message);
    }
}

/* A path in memory of just its size, so that a read past its end is seen by the sanitizer. */
static void a_name_is_compared_within_its_bytes(void **state)
{
    (void)state;
    static const char *const paths[] = {"ab", "x.ab", "`ab`"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        size_t size = strlen(paths[i]);
        char *exact = malloc(size);
        seg_path path;
        seg_place place;
        assert_non_null(exact);
        memcpy(exact, paths[i], size);
        ASSERT_OK(seg_path_parse(segue_bytes(exact, size), &path, NULL));
        seg_path_find(&path, path.n - 1, K("{\"ab\\u0063\":1,\"\\u0061\":2}"), &place);
        bool missing = place.n == path.n - 1 && !place.other_type && !place.is_ambiguous;
        seg_path_find(&path, path.n - 1, K("{\"abc\":1,\"\\u0061b\":2}"), &place);
        free(exact);
        assert_true(missing);
        ASSERT_SLICE("2", place.value);
    }
}

static void an_empty_text_has_no_places(void **state)
{
    (void)state;
    static const char *const paths[] = {"a", "[0]"}, *const texts[] = {"", " \n"};
    for (size_t i = 0; i < 4; i++) {
        seg_path path;
        seg_place place;
        ASSERT_OK(seg_path_parse(K(paths[i % 2]), &path, NULL));
        seg_path_find(&path, 0, K(texts[i / 2]), &place);
        assert_true(place.n == 0 && place.other_type);
    }
}

static void a_path_into_an_xattr_begins_with_its_name(void **state)
{
    (void)state;
    seg_path path;
    ASSERT_OK(seg_xattr_path_parse(K("_sync.rev"), &path, &call_));
    ASSERT_OK(seg_xattr_path_parse(K("_x[0].`a.b`"), &path, &call_));
    ASSERT_STATUS(SEGUE_INVALID_PATH, seg_xattr_path_parse(K("`_x`.a"), &path, &call_));
    ASSERT_STATUS(SEGUE_INVALID_PATH, seg_xattr_path_parse(K("[0].a"), &path, &call_));
    ASSERT_STATUS(SEGUE_INVALID_XATTR_NAME, seg_xattr_path_parse(K("$document.CAS"), &path, &call_));
    ASSERT_STATUS(SEGUE_INVALID_XATTR_NAME, seg_xattr_path_parse(K("a$b.c"), &path, &call_));
    ASSERT_STATUS(SEGUE_INVALID_XATTR_NAME, seg_xattr_path_parse(K("0123456789abcdef.c"), &path, &call_));
}

/* ---- what a mutation does at a path, byte for byte ---- */

static segue_applied applied;

/* One path operation on a live document with this body; *ret_status of it. The body afterwards. */
static segue_slice change(const char *body, segue_path_action action, unsigned options, const char *path,
                          const char *value, segue_status *ret_status)
{
    segue_record rec = {.key = K("k"), .body = K(body), .cas = 1, .revision = 1, .is_json = true};
    segue_path_op op = {.action = action, .path = K(path), .value = K(value), .options = options};
    segue_mutation m = {.paths = &op, .n_paths = 1};
    err.message[0] = 0;
    *ret_status = segue_apply(rec.key, &rec, &m, 1000, &applied, &call_);
    return *ret_status == SEGUE_OK ? applied.rec.body : (segue_slice){0};
}

typedef struct splice_row {
    const char *body;
    segue_path_action action;
    unsigned options;
    const char *path, *value;
    segue_status status;
    const char *want; /* the body, or a part of the sentence */
} splice_row;

#define S SEGUE_PATH_SET
#define I SEGUE_PATH_INSERT
#define D SEGUE_PATH_DELETE
#define A SEGUE_PATH_APPEND
#define P SEGUE_PATH_PARENTS
#define M SEGUE_PATH_MISSING_OK
#define BIG "123456789012345678901234567890"

static const splice_row splices[] = {
    /* what is there gives way, and nothing else */
    {"{\"a\":1}", S, 0, "a", "2", SEGUE_OK, "{\"a\":2}"},
    {" { \"z\" : 1.0e5 ,\n\"a\" : [ 1 ] , \"b\":" BIG "}\t", S, 0, "a", "\"x\"", SEGUE_OK,
     " { \"z\" : 1.0e5 ,\n\"a\" : \"x\" , \"b\":" BIG "}\t"},
    {"{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":9007199254740993}", S, 0, "a.b[1].c", "[true]", SEGUE_OK,
     "{\"a\":{\"b\":[1,{\"c\":[true]}]},\"d\":9007199254740993}"},
    {"[1, 2, 3]", S, 0, "[-1]", "{}", SEGUE_OK, "[1, 2, {}]"},
    {"[1, 2, 3]", S, 0, "[0]", "4", SEGUE_OK, "[4, 2, 3]"},
    {"{\"a\":1}", S, 0, "a", " 2 ", SEGUE_OK, "{\"a\": 2 }"},
    {"{\"a\":null}", S, 0, "a", "null", SEGUE_OK, "{\"a\":null}"},
    {"{\"a\\u0062\":1}", S, 0, "ab", "2", SEGUE_OK, "{\"a\\u0062\":2}"},
    {"{\"\\ud83d\\ude00\":1}", S, 0, "\xf0\x9f\x98\x80", "2", SEGUE_OK, "{\"\\ud83d\\ude00\":2}"},
    {"{\"a.b\":1,\"a\":{\"b\":2}}", S, 0, "`a.b`", "3", SEGUE_OK, "{\"a.b\":3,\"a\":{\"b\":2}}"},
    {"{\"a`b\":1}", S, 0, "`a``b`", "2", SEGUE_OK, "{\"a`b\":2}"},
    {"{\"\":1}", S, 0, "``", "2", SEGUE_OK, "{\"\":2}"},
    {"{\"x\":\"}{\\\"a\\\":\",\"a\":1}", S, 0, "a", "2", SEGUE_OK, "{\"x\":\"}{\\\"a\\\":\",\"a\":2}"},
    {"{\"x\":1,\"x\":2,\"a\":1}", S, 0, "a", "2", SEGUE_OK, "{\"x\":1,\"x\":2,\"a\":2}"},
    /* what is not there comes last in its object */
    {"{}", S, 0, "a", "1", SEGUE_OK, "{\"a\":1}"},
    {" { } ", S, 0, "a", "1", SEGUE_OK, " {\"a\":1 } "},
    {"{\"b\" : 2 }", S, 0, "a", "1", SEGUE_OK, "{\"b\" : 2,\"a\":1 }"},
    {"{\"b\":{\"c\":[]}}", S, 0, "b.d", "1", SEGUE_OK, "{\"b\":{\"c\":[],\"d\":1}}"},
    {"{}", S, 0, "`a\"\n`", "1", SEGUE_OK, "{\"a\\\"\\n\":1}"},
    {"{}", S, 0, "`a``.`", "1", SEGUE_OK, "{\"a`.\":1}"},
    {"{\"b\":1}", I, 0, "a", "1", SEGUE_OK, "{\"b\":1,\"a\":1}"},
    {"{\"a\":1}", I, 0, "a", "2", SEGUE_PATH_EXISTS, "something at path \"a\" already"},
    {"{\"a\":null}", I, 0, "a", "2", SEGUE_PATH_EXISTS, "the body of \"k\""},
    {"[1]", I, 0, "[0]", "2", SEGUE_PATH_EXISTS, ""},
    /* parents */
    {"{}", S, 0, "a.b", "1", SEGUE_PATH_NOT_FOUND, "component 1, \"a\", is not there"},
    {"{\"a\":{}}", I, 0, "a.b.c", "1", SEGUE_PATH_NOT_FOUND, "component 2, \"b\", is not there"},
    {"{}", S, P, "a.b.c", "1", SEGUE_OK, "{\"a\":{\"b\":{\"c\":1}}}"},
    {"{\"a\":{\"x\":0}}", I, P, "a.b.c", "1", SEGUE_OK, "{\"a\":{\"x\":0,\"b\":{\"c\":1}}}"},
    {"{\"a\":[{}]}", S, P, "a[0].`x.y`.z", "1", SEGUE_OK, "{\"a\":[{\"x.y\":{\"z\":1}}]}"},
    {"{\"a\":{\"b\":1}}", S, P, "a.b", "2", SEGUE_OK, "{\"a\":{\"b\":2}}"},
    {"{}", S, P, "a[0]", "1", SEGUE_PATH_NOT_FOUND, "component 1"},
    {"{\"a\":[]}", S, P, "a[0].b", "1", SEGUE_PATH_NOT_FOUND, "component 2, its index, is not there"},
    {"{\"a\":null}", S, P, "a.b", "1", SEGUE_PATH_MISMATCH, "component 2, \"b\", leads into what is no object"},
    {"{\"a\":1}", S, P, "a.b", "1", SEGUE_PATH_MISMATCH, ""},
    {"{\"a\":\"x\"}", S, 0, "a[0]", "1", SEGUE_PATH_MISMATCH, "no array"},
    {"{\"a\":{}}", S, 0, "a[0]", "1", SEGUE_PATH_MISMATCH, "no array"},
    {"[1]", S, 0, "a", "1", SEGUE_PATH_MISMATCH, "component 1"},
    {"1", S, 0, "a", "1", SEGUE_PATH_MISMATCH, "component 1"},
    {"[1]", S, 0, "[1]", "1", SEGUE_PATH_NOT_FOUND, "its index"},
    {"[]", S, 0, "[-1]", "1", SEGUE_PATH_NOT_FOUND, "its index"},
    /* taking out */
    {"{\"a\":1}", D, 0, "a", "", SEGUE_OK, "{}"},
    {"{ \"a\" : 1 }", D, 0, "a", "", SEGUE_OK, "{  }"},
    {"{ \"a\":1, \"b\":2}", D, 0, "a", "", SEGUE_OK, "{ \"b\":2}"},
    {"{\"a\":1 , \"b\":2 }", D, 0, "b", "", SEGUE_OK, "{\"a\":1  }"},
    {"{\"a\":1,\"b\":{\"c\":[2]}, \"d\":3}", D, 0, "b", "", SEGUE_OK, "{\"a\":1, \"d\":3}"},
    {"{\"b\":{\"c\":[2]}}", D, 0, "b.c", "", SEGUE_OK, "{\"b\":{}}"},
    {"[1, 2, 3]", D, 0, "[0]", "", SEGUE_OK, "[2, 3]"},
    {"[1, 2, 3]", D, 0, "[1]", "", SEGUE_OK, "[1, 3]"},
    {"[1, 2, 3]", D, 0, "[-1]", "", SEGUE_OK, "[1, 2]"},
    {"[1]", D, 0, "[-1]", "", SEGUE_OK, "[]"},
    {"[{\"a\":1},{\"a\":1}]", D, 0, "[1].a", "", SEGUE_OK, "[{\"a\":1},{}]"},
    {"{\"a\":1}", D, 0, "b", "", SEGUE_PATH_NOT_FOUND, "component 1, \"b\""},
    {"{\"a\":1}", D, M, "b", "", SEGUE_OK, "{\"a\":1}"},
    {"{\"a\":1}", D, M, "b.c.d", "", SEGUE_OK, "{\"a\":1}"},
    {"{\"a\":1}", D, M, "a.b", "", SEGUE_PATH_MISMATCH, ""},
    /* appending */
    {"{\"a\":[]}", A, 0, "a", "1", SEGUE_OK, "{\"a\":[1]}"},
    {"{\"a\":[ ]}", A, 0, "a", "1", SEGUE_OK, "{\"a\":[1 ]}"},
    {"{\"a\":[ 0 ]}", A, 0, "a", "{}", SEGUE_OK, "{\"a\":[ 0,{} ]}"},
    {"[[1],[2]]", A, 0, "[0]", "3", SEGUE_OK, "[[1,3],[2]]"},
    {"{\"a\":{}}", A, 0, "a", "1", SEGUE_PATH_MISMATCH, "no array"},
    {"{\"a\":null}", A, P, "a", "1", SEGUE_PATH_MISMATCH, "no array"},
    {"{}", A, 0, "a", "1", SEGUE_PATH_NOT_FOUND, ""},
    {"{}", A, P, "a", "1", SEGUE_OK, "{\"a\":[1]}"},
    {"{}", A, P, "a.b", "1", SEGUE_OK, "{\"a\":{\"b\":[1]}}"},
    /* what stands twice */
    {"{\"a\":1,\"b\":0,\"a\":2}", S, 0, "a", "3", SEGUE_PATH_AMBIGUOUS, "\"a\", stands twice, at byte 1 and 13"},
    {"{\"a\":{},\"\\u0061\":{}}", S, 0, "a.b", "3", SEGUE_PATH_AMBIGUOUS, "at byte 1 and 8"},
    {"{\"a\":1,\"a\":2}", D, M, "a", "", SEGUE_PATH_AMBIGUOUS, ""},
    {"{\"a\":1,\"a\":2,\"b\":3,\"a\":4}", S, 0, "a", "5", SEGUE_PATH_AMBIGUOUS, "stands twice, at byte 1 and 7"},
    {"{\"x\":{\"a\":1,\"a\":2}}", S, P, "x.a.b", "3", SEGUE_PATH_AMBIGUOUS, "component 2"},
    {"{\"\\ud800\":1}", S, 0, "a", "2", SEGUE_OK, "{\"\\ud800\":1,\"a\":2}"},
    /* what is no JSON */
    {"", S, 0, "a", "1", SEGUE_NOT_JSON, "the body of \"k\" is not valid JSON: error at byte 0"},
    {"{\"a\":1,}", S, 0, "a", "1", SEGUE_NOT_JSON, "error at byte 7"},
    {"{} {}", S, 0, "a", "1", SEGUE_NOT_JSON, "error at byte 3"},
    {"{}", S, 0, "a", "", SEGUE_INVALID_JSON, "the value for path \"a\" is not valid JSON: error at byte 0"},
    {"{}", S, 0, "a", "1,2", SEGUE_INVALID_JSON, "error at byte 1"},
    {"{}", S, 0, "a", "1}", SEGUE_INVALID_JSON, "error at byte 1"},
    {"{}", S, 0, "a.", "1", SEGUE_INVALID_PATH, "byte 2"},
};

static void a_change_touches_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(splices); i++) {
        const splice_row *r = &splices[i];
        segue_status st;
        segue_slice got = change(r->body, r->action, r->options, r->path, r->value, &st);
        if (st != r->status)
            fail_msg("row %zu: %s, %s of %s: %s (%s), expected %s", i, r->body, r->path, r->value,
                     segue_status_name(st), err.message, segue_status_name(r->status));
        if (st == SEGUE_OK && !segue_slice_equal(got, K(r->want)))
            fail_msg("row %zu: %s, %s: <%.*s>, expected <%s>", i, r->body, r->path, (int)got.size, got.data, r->want);
        if (st == SEGUE_OK && !seg_json_valid(got, NULL))
            fail_msg("row %zu: no JSON: %.*s", i, (int)got.size, got.data);
        if (st != SEGUE_OK && !strstr(err.message, r->want))
            fail_msg("row %zu: \"%s\", expected %s", i, err.message, r->want);
    }
}

static void what_comes_out_can_be_read_again_however_deep_it_is(void **state)
{
    (void)state;
    enum { MOST = SEG_JSON_DEPTH_MAX - SEGUE_PATH_COMPONENTS_MAX - 1 };
    char value[2 * (MOST + 1) + 1], path[2 * SEGUE_PATH_COMPONENTS_MAX];
    for (size_t i = 0; i < SEGUE_PATH_COMPONENTS_MAX; i++) memcpy(path + 2 * i, "a.", 2);
    path[sizeof path - 1] = 0;
    for (size_t depth = MOST; depth <= MOST + 1; depth++) {
        segue_status st;
        memset(value, '[', depth);
        memset(value + depth, ']', depth);
        value[2 * depth] = 0;
        segue_slice got = change("{}", A, P, path, value, &st);
        ASSERT_STATUS(depth == MOST ? SEGUE_OK : SEGUE_INVALID_JSON, st);
        if (st == SEGUE_OK) assert_true(seg_json_valid(got, NULL));
    }
}

/* ---- several, in order, all or nothing ---- */

static void several_changes_happen_in_order(void **state)
{
    (void)state;
    static const segue_xattr xattrs[] = {{TEXT("_s"), TEXT("{\"rev\" : 1}")}, {TEXT("u"), TEXT("[1]")}};
    segue_record rec = {.key = K("k"),
                        .body = K("{\"a\":[]}"),
                        .cas = 1,
                        .revision = 1,
                        .is_json = true,
                        .expiry = 2000,
                        .xattrs = xattrs,
                        .n_xattrs = 2};
    const segue_path_op ops[] = {
        {A, SEGUE_IN_BODY, TEXT("a"), TEXT("{}"), 0},
        {S, SEGUE_IN_BODY, TEXT("a[0].x"), TEXT("1"), 0},
        {S, SEGUE_IN_XATTR, TEXT("_s.rev"), TEXT("\"2-long enough to move\""), 0},
        {I, SEGUE_IN_XATTR, TEXT("_s.new"), TEXT("true"), 0},
        {A, SEGUE_IN_XATTR, TEXT("u"), TEXT("2"), 0},
        {S, SEGUE_IN_BODY, TEXT("b"), TEXT("2"), 0},
        {D, SEGUE_IN_BODY, TEXT("a[-1].x"), {NULL, 0}, 0},
        {S, SEGUE_IN_XATTR, TEXT("_a"), TEXT("0"), 0},
        {A, SEGUE_IN_XATTR, TEXT("_z.l"), TEXT("9"), P},
        {D, SEGUE_IN_XATTR, TEXT("_a"), {NULL, 0}, 0},
    };
    segue_mutation m = {.paths = ops, .n_paths = COUNT(ops)};
    char shown[SHOWN_MAX];
    ASSERT_OK(segue_apply(rec.key, &rec, &m, 1000, &applied, &call_));
    assert_string_equal(show_record(&applied.rec, shown),
                        "J<{\"a\":[{}],\"b\":2}>{_s={\"rev\" : \"2-long enough to move\",\"new\":true},"
                        "_z={\"l\":[9]},u=[1,2]} e2000");
    ASSERT_SLICE("{\"rev\" : 1}", xattrs[0].value);
    assert_true(applied.write && applied.rec.revision == 2);
    m.n_paths = 0;
    ASSERT_OK(segue_apply(rec.key, &rec, &m, 1000, &applied, &call_)); /* the memory is used again */
    assert_false(applied.write);
    ASSERT_SLICE("{\"a\":[]}", applied.rec.body);
}

/* ---- random ones ---- */

static uint64_t seed_now;

static unsigned pick(unsigned n)
{
    seed_now ^= seed_now << 13;
    seed_now ^= seed_now >> 7;
    seed_now ^= seed_now << 17;
    return (unsigned)(seed_now >> 33) % n;
}

static void put_text(segue_buf *out, const char *text) { ASSERT_OK(segue_buf_append(out, text, strlen(text))); }

static void put_space(segue_buf *out)
{
    static const char *const spaces[] = {"", "", "", " ", "\n\t"};
    put_text(out, spaces[pick(COUNT(spaces))]);
}

static const char *const names[] = {"a", "b", "c.d", "", "`"};
static const char *const written[][2] = {
    {"\"a\"", "\"\\u0061\""}, {"\"b\"", "\"b\""}, {"\"c.d\"", "\"c\\u002Ed\""}, {"\"\"", "\"\""}, {"\"`\"", "\"`\""}};
static const char *const as_steps[] = {"a", "b", "`c.d`", "``", "````"};

/* Names differ within an object: what stands twice has its own rows above. */
static void put_value(segue_buf *out, unsigned depth)
{
    static const char *const scalars[] = {"1",     "-0.5e+7",         "null", "true",
                                          "\"x\"", "\"}],\\\"\\\\\"", BIG,    "\"\xc3\xa9\""};
    unsigned kind = depth ? pick(4) : 0;
    if (kind < 2) {
        put_text(out, scalars[pick(COUNT(scalars))]);
        return;
    }
    put_text(out, kind == 2 ? "{" : "[");
    put_space(out);
    unsigned n = pick(4), first = pick(COUNT(names));
    for (unsigned i = 0; i < n; i++) {
        if (i) put_text(out, ","), put_space(out);
        if (kind == 2) {
            put_text(out, written[(first + i) % COUNT(names)][pick(2)]);
            put_space(out);
            put_text(out, ":");
            put_space(out);
        }
        put_value(out, depth - 1);
        put_space(out);
    }
    put_text(out, kind == 2 ? "}" : "]");
}

/* The model: the same change on a tree of jansson's. False: it should have been refused. Steps are numbers of names, or -1-i
 * for an index; -100: the last one. */
enum { LAST = -100 };

static json_t *child_of(json_t *node, int step)
{
    if (step >= 0) return json_object_get(node, names[step]);
    return json_array_get(node, step == LAST ? json_array_size(node) - 1 : (size_t)(-1 - step));
}

static bool model_change(json_t *root, const int *steps, size_t n, segue_path_action action, unsigned options,
                         json_t *value)
{
    json_t *node = root;
    for (size_t i = 0; i + 1 < n; i++) {
        json_t *next = child_of(node, steps[i]);
        if (!next && (options & P) && action != D && json_is_object(node) && steps[i] >= 0) {
            for (size_t k = i + 1; k < n; k++)
                if (steps[k] < 0) return false;
            next = json_object();
            json_object_set_new(node, names[steps[i]], next);
        }
        if (!next) return false;
        node = next;
    }
    int last = steps[n - 1];
    json_t *there = child_of(node, last);
    bool can_make = json_is_object(node) && last >= 0;
    size_t index = last == LAST ? json_array_size(node) - 1 : (size_t)(-1 - last);
    if (action == D)
        return there && (last >= 0 ? json_object_del(node, names[last]) : json_array_remove(node, index)) == 0;
    if (action == A && there) return json_array_append(there, value) == 0;
    if (action == A) {
        json_t *array = (options & P) && can_make ? json_object_get(node, names[last]) : NULL;
        if (array || !(options & P) || !can_make) return false;
        array = json_array();
        json_array_append(array, value);
        return json_object_set_new(node, names[last], array) == 0;
    }
    if (there && action == I) return false;
    if (!there && !can_make) return false;
    return (last >= 0 ? json_object_set(node, names[last], value) : json_array_set(node, index, value)) == 0;
}

/* The longest common beginning and end of both hold everything but what was cut and put in. */
static bool is_one_splice(segue_slice before, segue_slice after, size_t most)
{
    size_t head = 0, tail = 0, least = before.size < after.size ? before.size : after.size;
    while (head < least && before.data[head] == after.data[head]) head++;
    while (tail < least - head && before.data[before.size - 1 - tail] == after.data[after.size - 1 - tail]) tail++;
    return after.size - head - tail <= most;
}

static json_t *tree_of(segue_slice text)
{
    json_error_t why;
    json_t *tree = json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &why);
    if (!tree) fail_msg("%s: %.*s", why.text, (int)text.size, text.data);
    return tree;
}

static void one_random_change(uint64_t seed)
{
    segue_buf body = {0}, value = {0}, path = {0};
    int steps[6];
    size_t n = 1 + pick(4);
    put_value(&body, 5);
    put_value(&value, 2);
    for (size_t i = 0; i < n; i++) {
        unsigned kind = pick(8);
        steps[i] = kind < 5 ? (int)kind : kind < 7 ? -1 - (int)pick(3) : LAST;
        char index[16];
        if (steps[i] >= 0 && i) put_text(&path, ".");
        if (steps[i] < 0) (void)snprintf(index, sizeof index, "[%d]", steps[i] == LAST ? -1 : -1 - steps[i]);
        put_text(&path, steps[i] >= 0 ? as_steps[steps[i]] : index);
    }
    put_text(&body, ""), ASSERT_OK(segue_buf_append(&body, "", 1)), body.size--;
    ASSERT_OK(segue_buf_append(&value, "", 1)), value.size--;
    ASSERT_OK(segue_buf_append(&path, "", 1)), path.size--;
    segue_path_action action = (segue_path_action)pick(4);
    unsigned options = pick(2) ? P : 0;
    segue_status st;
    segue_slice got = change(body.data, action, options, path.data, value.data, &st);
    json_t *root = tree_of(segue_buf_slice(&body)), *part = tree_of(segue_buf_slice(&value));
    bool can = model_change(root, steps, n, action, options, part);
    if (can != (st == SEGUE_OK))
        fail_msg("seed %llu: %s, %s, %d: %s, %s", (unsigned long long)seed, body.data, path.data, (int)action,
                 segue_status_name(st), err.message);
    if (can) {
        json_t *tree = tree_of(got);
        if (!json_equal(tree, root))
            fail_msg("seed %llu: %s, %s, %d: %.*s", (unsigned long long)seed, body.data, path.data, (int)action,
                     (int)got.size, got.data);
        if (!is_one_splice(segue_buf_slice(&body), got, value.size + 80))
            fail_msg("seed %llu: more changed: %s, %s: %.*s", (unsigned long long)seed, body.data, path.data,
                     (int)got.size, got.data);
        json_decref(tree);
    }
    json_decref(root);
    json_decref(part);
    segue_buf_free(&body);
    segue_buf_free(&value);
    segue_buf_free(&path);
}

static void random_changes_do_what_a_tree_would(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        seed_now = seed * 0x9E3779B97F4A7C15u;
        for (int i = 0; i < 4; i++) (void)pick(2);
        one_random_change(seed);
    }
}

/* ---- memory ---- */

static void memory_that_runs_out_is_said(void **state)
{
    (void)state;
    static const segue_xattr xattrs[] = {{TEXT("_s"), TEXT("{}")}};
    segue_record rec = {.key = K("k"), .body = K("{}"), .cas = 1, .revision = 1, .xattrs = xattrs, .n_xattrs = 1};
    const segue_path_op ops[] = {{A, SEGUE_IN_BODY, TEXT("a.b"), TEXT("1"), P},
                                 {S, SEGUE_IN_XATTR, TEXT("_t.x"), TEXT("2"), P}};
    const segue_macro macros[] = {{TEXT("_s.cas"), SEGUE_MACRO_CAS}};
    segue_mutation m = {.paths = ops, .n_paths = 2, .macros = macros, .n_macros = 1};
    segue_status st = SEGUE_NO_MEMORY;
    size_t n = 0;
    for (; st != SEGUE_OK && n < 100; n++) {
        segue_applied a = {0};
        memory_begin(n + 1);
        st = segue_apply(rec.key, &rec, &m, 1000, &a, &call_);
        segue_applied_free(&a);
        (void)memory_end();
        if (st != SEGUE_OK && st != SEGUE_NO_MEMORY) fail_msg("allocation %zu: %s", n, segue_status_name(st));
    }
    ASSERT_OK(st);
    assert_true(n > 5);
}

static int free_applied(void **state)
{
    (void)state;
    segue_applied_free(&applied);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_path_is_cut_into_its_steps),
        cmocka_unit_test(what_is_no_path_is_refused_at_its_place),
        cmocka_unit_test(a_path_has_1024_bytes_and_32_components_at_most),
        cmocka_unit_test(only_the_slice_is_looked_at),
        cmocka_unit_test(a_name_is_compared_within_its_bytes),
        cmocka_unit_test(an_empty_text_has_no_places),
        cmocka_unit_test(a_path_into_an_xattr_begins_with_its_name),
        cmocka_unit_test(a_change_touches_nothing_else),
        cmocka_unit_test(what_comes_out_can_be_read_again_however_deep_it_is),
        cmocka_unit_test(several_changes_happen_in_order),
        cmocka_unit_test(random_changes_do_what_a_tree_would),
        cmocka_unit_test(memory_that_runs_out_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, free_applied);
}
