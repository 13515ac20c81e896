/* Path operations and macros of a mutation where they are easily a little wrong: what is refused before any document is
 * looked at, the last size and depth that fit, whole xattrs, and memory. What a path means: test_path.c; through stores:
 * test_macros.c. */
#include "records.h"

#include "doc/json.h"
#include "support/memory.h"

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }
#define LIST(field, list) .field = (list), .n_##field = COUNT(list)

enum { NOW = 1000 };

static segue_error err;
static segue_call call_ = {.err = &err};
static segue_applied applied;

static const segue_xattr two_xattrs[] = {{TEXT("_s"), TEXT("{\"a\":1,\"o\":{}}")}, {TEXT("u"), TEXT("[1]")}};
static const segue_record live = {.key = TEXT("k"),
                                  .body = TEXT("{\"a\":[],\"b\":2}"),
                                  .xattrs = two_xattrs,
                                  .n_xattrs = 2,
                                  .cas = 70,
                                  .revision = 3,
                                  .is_json = true};

static segue_status apply_to(const segue_record *base, const segue_mutation *m)
{
    memset(&err, 0, sizeof err);
    return segue_apply(live.key, base, m, NOW, &applied, &call_);
}

static void expect_failure(segue_status want, const char *part, const segue_record *base, const segue_mutation *m,
                           const char *what)
{
    segue_status st = apply_to(base, m);
    if (st != want || err.status != st || !strstr(err.message, part))
        fail_msg("%s: %s: \"%s\", expected %s: %s", what, segue_status_name(st), err.message, segue_status_name(want),
                 part);
}

static void expect_record(const char *want, const segue_record *base, const segue_mutation *m, const char *what)
{
    char shown[SHOWN_MAX];
    segue_status st = apply_to(base, m);
    if (st != SEGUE_OK) fail_msg("%s: %s: %s", what, segue_status_name(st), err.message);
    (void)show_record(&applied.rec, shown);
    if (strcmp(shown, want) != 0 || applied.write != !seg_record_same_content(base, &applied.rec))
        fail_msg("%s: %s, written %d, expected %s", what, shown, applied.write, want);
}

/* ---- what is refused, whatever is there ---- */

#define OP(action, in, path, value)                                                                                    \
    (const segue_path_op[])                                                                                            \
    {                                                                                                                  \
        {                                                                                                              \
            (segue_path_action)(action), (segue_path_in)(in), TEXT(path), value, 0                                     \
        }                                                                                                              \
    }
#define PATH(action, in, path) .paths = OP(action, in, path, TEXT("1")), .n_paths = 1
#define BODY_PATH PATH(SEGUE_PATH_SET, SEGUE_IN_BODY, "a")
#define XATTR_PATH PATH(SEGUE_PATH_SET, SEGUE_IN_XATTR, "_s.a")
#define MACRO(path, kind) .macros = (const segue_macro[]){{TEXT(path), (segue_macro_kind)(kind)}}, .n_macros = 1

static const segue_macro same_twice[] = {{TEXT("_s.x"), SEGUE_MACRO_CAS}, {TEXT("_s.x"), SEGUE_MACRO_BODY_CRC32C}};
static const segue_xattr no_name[] = {{{NULL, 0}, TEXT("1")}};
static const segue_xattr no_path_to_set[] = {{TEXT("_s."), TEXT("1")}};
static const segue_slice no_path_to_drop[] = {TEXT("_s..x")};

/* No document is needed to say so, and none makes it right. */
static void what_is_wrong_by_itself_is_said_first(void **state)
{
    (void)state;
    const struct {
        const char *what;
        segue_mutation m;
        segue_status want;
        const char *part;
    } rows[] = {
        {"no action", {PATH(4, 0, "a")}, SEGUE_INVALID_ARGUMENT, "number that is no operation"},
        {"in nothing", {PATH(0, 2, "_s.a")}, SEGUE_INVALID_ARGUMENT, "number that is no operation"},
        {"no path", {PATH(SEGUE_PATH_DELETE, SEGUE_IN_BODY, "a.")}, SEGUE_INVALID_PATH, "\"a.\" is wrong at byte 2"},
        {"no path into an xattr", {PATH(0, SEGUE_IN_XATTR, "_s.")}, SEGUE_INVALID_PATH, "\"_s.\" is wrong at byte 3"},
        {"no xattr", {PATH(0, SEGUE_IN_XATTR, "a$.b")}, SEGUE_INVALID_XATTR_NAME, "virtual xattrs"},
        {"no value",
         {.paths = OP(0, 0, "a", {0}), .n_paths = 1},
         SEGUE_INVALID_ARGUMENT,
         "no value was given for path \"a\""},
        {"no JSON",
         {.paths = OP(0, 0, "a", TEXT("{]")), .n_paths = 1},
         SEGUE_INVALID_JSON,
         "the value for path \"a\" is not valid JSON: error at byte 1"},
        {"no expiry",
         {.expiry = {(segue_expiry_op)4, 0, false}},
         SEGUE_INVALID_ARGUMENT,
         "number that is no operation"},
        {"no JSON or not", {.json = (segue_json)3}, SEGUE_INVALID_ARGUMENT, "number that is no operation"},
        {"no name to set", {LIST(set_xattrs, no_name)}, SEGUE_INVALID_XATTR_NAME, "has 0 bytes"},
        {"a name to set", {LIST(set_xattrs, no_path_to_set)}, SEGUE_INVALID_PATH, "\"_s.\" is wrong at byte 3"},
        {"a name to drop", {LIST(drop_xattrs, no_path_to_drop)}, SEGUE_INVALID_PATH, "\"_s..x\" is wrong at byte 3"},
        {"no macro", {MACRO("_s.x", 2)}, SEGUE_INVALID_ARGUMENT, "no kind of macro"},
        {"no path of a macro", {MACRO("_s.", 0)}, SEGUE_INVALID_PATH, "\"_s.\" is wrong at byte 3"},
        {"a macro for an xattr", {MACRO("_s", 0)}, SEGUE_INVALID_PATH, "\"_s\" is the xattr itself"},
        {"two macros", {LIST(macros, same_twice)}, SEGUE_INVALID_ARGUMENT, "there are two macros at \"_s.x\""},
        {"delete", {.body_op = SEGUE_BODY_DELETE, BODY_PATH}, SEGUE_INVALID_ARGUMENT, "a body that is kept or set"},
        {"append",
         {.body_op = SEGUE_BODY_APPEND, .body = TEXT("1"), BODY_PATH},
         SEGUE_INVALID_ARGUMENT,
         "a body that is kept or set"},
        {"add", {.body_op = SEGUE_BODY_ADD, BODY_PATH}, SEGUE_INVALID_ARGUMENT, "a body that is kept or set"},
        {"from {}, nothing", {.options = SEGUE_M_FROM_EMPTY}, SEGUE_INVALID_ARGUMENT, "can start from {}"},
        {"from {}, in an xattr", {XATTR_PATH, .options = SEGUE_M_FROM_EMPTY}, SEGUE_INVALID_ARGUMENT, "start from {}"},
        {"from {}, and set",
         {.body_op = SEGUE_BODY_SET, .body = TEXT("{}"), BODY_PATH, .options = SEGUE_M_FROM_EMPTY},
         SEGUE_INVALID_ARGUMENT,
         "can start from {}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        expect_failure(rows[i].want, rows[i].part, NULL, &rows[i].m, rows[i].what);
        expect_failure(rows[i].want, rows[i].part, &live, &rows[i].m, rows[i].what);
    }
}

static void a_key_that_is_none_has_no_document(void **state)
{
    (void)state;
    const segue_mutation m = {.options = SEGUE_M_AS_TOMBSTONE};
    memset(&err, 0, sizeof err);
    ASSERT_STATUS(SEGUE_INVALID_KEY, segue_apply(K(""), NULL, &m, NOW, &applied, &call_));
    assert_non_null(strstr(err.message, "a key has at least one byte"));
}

static void there_are_at_most_16_macros(void **state)
{
    (void)state;
    segue_macro macros[SEGUE_MACROS_MAX + 1];
    char paths[COUNT(macros)][8];
    for (size_t i = 0; i < COUNT(macros); i++) {
        (void)snprintf(paths[i], sizeof paths[i], "_s.m%zu", i); /* fits */
        macros[i] = (segue_macro){K(paths[i]), SEGUE_MACRO_CAS};
    }
    segue_mutation m = {.macros = macros, .n_macros = SEGUE_MACROS_MAX};
    ASSERT_OK(apply_to(&live, &m));
    ASSERT_U64(SEGUE_MACROS_MAX, applied.n_cas_places);
    m.n_macros++;
    expect_failure(SEGUE_TOO_BIG, "more than 16 macros", NULL, &m, "17 macros");
}

/* ---- what is done ---- */

static void paths_may_go_into_a_body_that_is_set(void **state)
{
    (void)state;
    const segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("{\"z\":1}"), BODY_PATH};
    expect_record("J<{\"z\":1,\"a\":1}>{_s={\"a\":1,\"o\":{}},u=[1]}", &live, &m, "set with a path");
}

static void a_body_may_start_from_an_empty_object(void **state)
{
    (void)state;
    static const segue_record tombstone = {
        .key = TEXT("k"), .xattrs = two_xattrs, .n_xattrs = 1, .cas = 70, .revision = 3, .is_tombstone = true};
    const segue_record *nothing_live[] = {NULL, &tombstone};
    segue_mutation m = {BODY_PATH};
    for (size_t i = 0; i < COUNT(nothing_live); i++) {
        char shown[SHOWN_MAX];
        m.options = 0;
        expect_failure(SEGUE_NOT_FOUND, "no live document \"k\"", nothing_live[i], &m, "from nothing");
        m.options = SEGUE_M_FROM_EMPTY;
        ASSERT_OK(apply_to(nothing_live[i], &m));
        assert_string_equal(show_record(&applied.rec, shown), "J<{\"a\":1}>{}");
        assert_true(applied.write);
        ASSERT_U64(i ? 4 : 1, applied.rec.revision);
    }
    expect_record("J<{\"a\":1,\"b\":2}>{_s={\"a\":1,\"o\":{}},u=[1]}", &live, &m, "a live one goes on");
}

static void what_is_dropped_twice_is_dropped_once(void **state)
{
    (void)state;
    static const segue_slice drop[] = {TEXT("_s.a"), TEXT("u"), TEXT("_s.a"), TEXT("u"), TEXT("_s.a")};
    const segue_mutation m = {LIST(drop_xattrs, drop)};
    expect_record("J<{\"a\":[],\"b\":2}>{_s={\"o\":{}}}", &live, &m, "drop");
}

static void what_cannot_be_dropped_keeps_all_from_being_set(void **state)
{
    (void)state;
    static const segue_slice drop[] = {TEXT("_s.none"), TEXT("_s.a")};
    static const segue_xattr set[] = {{TEXT("_s.new"), TEXT("1")}};
    const segue_mutation m = {LIST(drop_xattrs, drop), LIST(set_xattrs, set)};
    expect_failure(SEGUE_PATH_NOT_FOUND, "path \"_s.none\": component 2", &live, &m, "drop and set");
}

#define S SEGUE_PATH_SET
#define I SEGUE_PATH_INSERT
#define D SEGUE_PATH_DELETE
#define A SEGUE_PATH_APPEND
#define P SEGUE_PATH_PARENTS
#define M SEGUE_PATH_MISSING_OK

/* One operation alone, so that nothing else makes it a write. */
static void an_operation_may_be_on_a_whole_xattr(void **state)
{
    (void)state;
    static const struct {
        segue_path_action action;
        unsigned options;
        const char *path;
        segue_status want;
        const char *out; /* the xattrs, or a part of the sentence */
    } rows[] = {
        {S, 0, "v", SEGUE_OK, "{_s={},u=[1],v=9}"},
        {S, 0, "u", SEGUE_OK, "{_s={},u=9}"},
        {I, 0, "_a", SEGUE_OK, "{_a=9,_s={},u=[1]}"},
        {I, 0, "u", SEGUE_PATH_EXISTS, "the xattrs: there is something at path \"u\" already"},
        {D, 0, "u", SEGUE_OK, "{_s={}}"},
        {D, 0, "v", SEGUE_PATH_NOT_FOUND, "there is no xattr \"v\""},
        {D, M, "v", SEGUE_OK, "{_s={},u=[1]}"},
        {D, M, "v.a", SEGUE_OK, "{_s={},u=[1]}"},
        {A, 0, "u", SEGUE_OK, "{_s={},u=[1,9]}"},
        {A, 0, "_s", SEGUE_PATH_MISMATCH, "xattr \"_s\": path \"_s\" leads to what is no array"},
        {A, 0, "v", SEGUE_PATH_NOT_FOUND, "there is no xattr \"v\""},
        {A, P, "v", SEGUE_OK, "{_s={},u=[1],v=[9]}"},
        {S, 0, "v.a", SEGUE_PATH_NOT_FOUND, "there is no xattr \"v\""},
        {S, P, "v.a.b", SEGUE_OK, "{_s={},u=[1],v={\"a\":{\"b\":9}}}"},
        {S, P, "v[0]", SEGUE_PATH_NOT_FOUND, "there is no xattr \"v\""},
    };
    static const segue_xattr xattrs[] = {{TEXT("_s"), TEXT("{}")}, {TEXT("u"), TEXT("[1]")}};
    segue_record base = live;
    base.body = K("7");
    base.xattrs = xattrs;
    for (size_t i = 0; i < COUNT(rows); i++) {
        segue_path_op op = {rows[i].action, SEGUE_IN_XATTR, K(rows[i].path), K("9"), rows[i].options};
        const segue_mutation m = {.paths = &op, .n_paths = 1};
        char want[SHOWN_MAX];
        (void)snprintf(want, sizeof want, "J<7>%s", rows[i].out);
        if (rows[i].want == SEGUE_OK) expect_record(want, &base, &m, rows[i].path);
        else expect_failure(rows[i].want, rows[i].out, &base, &m, rows[i].path);
    }
}

/* ---- limits ---- */

static char large[SEGUE_BODY_MAX + 1];

/* A string of this size that begins and ends as given. */
static segue_slice large_text(const char *head, size_t size, const char *tail)
{
    memset(large, 'x', sizeof large);
    memcpy(large, head, strlen(head));
    memcpy(large + size - strlen(tail), tail, strlen(tail));
    return segue_bytes(large, size);
}

static void a_text_may_grow_to_20_mib(void **state)
{
    (void)state;
    segue_record base = {.key = K("k"), .body = large_text("[1,\"", SEGUE_BODY_MAX, "\"]"), .cas = 1, .revision = 1};
    segue_path_op ops[] = {{S, SEGUE_IN_BODY, K("[0]"), K("2"), 0}, {S, SEGUE_IN_BODY, K("[0]"), K("3"), 0}};
    segue_mutation m = {.paths = ops, .n_paths = 2};
    ASSERT_OK(apply_to(&base, &m));
    ASSERT_U64(SEGUE_BODY_MAX, applied.rec.body.size);
    ops[1].value = K("44");
    expect_failure(SEGUE_TOO_BIG, "after the change there would be 20971521 bytes, the limit is 20971520", &base, &m,
                   "a value that is longer");
    ops[1] = (segue_path_op){A, SEGUE_IN_BODY, K("[0]"), K("5"), 0};
    ops[0].value = K("[]");
    base.body.size--;
    large[base.body.size - 2] = '"';
    large[base.body.size - 1] = ']';
    expect_failure(SEGUE_TOO_BIG, "20971521 bytes", &base, &m, "an element more");
}

static void a_value_for_a_path_has_at_most_20_mib(void **state)
{
    (void)state;
    segue_path_op op = {S, SEGUE_IN_XATTR, K("v"), large_text("\"", SEGUE_BODY_MAX, "\""), 0};
    const segue_mutation m = {.paths = &op, .n_paths = 1};
    ASSERT_OK(apply_to(&live, &m));
    op.value = large_text("\"", SEGUE_BODY_MAX + 1, "\"");
    expect_failure(SEGUE_TOO_BIG, "the value for path \"v\" has 20971521 bytes", NULL, &m, "a byte more");
}

/* A value that is all of an xattr may be as deep as JSON may be, one at a path must leave room for what is around it. */
static void how_deep_a_value_may_be(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t most;
    } rows[] = {{"u", SEG_JSON_DEPTH_MAX}, {"_s.a", SEG_JSON_DEPTH_MAX - SEGUE_PATH_COMPONENTS_MAX - 1}};
    char value[2 * (SEG_JSON_DEPTH_MAX + 1)];
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t depth = rows[i].most; depth <= rows[i].most + 1; depth++) {
            memset(value, '[', depth);
            memset(value + depth, ']', depth);
            const segue_xattr set = {K(rows[i].name), segue_bytes(value, 2 * depth)};
            const segue_mutation m = {.set_xattrs = &set, .n_set_xattrs = 1};
            segue_status st = apply_to(&live, &m), want = depth == rows[i].most ? SEGUE_OK : SEGUE_INVALID_JSON;
            if (st != want) fail_msg("%s, %zu deep: %s (%s)", rows[i].name, depth, segue_status_name(st), err.message);
        }
}

/* ---- memory ---- */

/* What is put in as it is given needs no memory of its own. */
static const segue_path_op some_ops[] = {{S, SEGUE_IN_BODY, TEXT("b"), TEXT("[]"), 0},
                                         {S, SEGUE_IN_BODY, TEXT("b"), TEXT("true"), 0},
                                         {S, SEGUE_IN_XATTR, TEXT("u[0]"), TEXT("2"), P},
                                         {S, SEGUE_IN_XATTR, TEXT("w"), TEXT("3"), 0}};
static const segue_macro at_o[] = {{TEXT("_s.o"), SEGUE_MACRO_CAS}};
static const segue_macro one_macro[] = {{TEXT("_s.cas"), SEGUE_MACRO_CAS}};

static segue_status edit_again(void *ctx)
{
    const segue_mutation m = {LIST(paths, some_ops), LIST(macros, at_o)};
    (void)ctx;
    return apply_to(&live, &m);
}

static void editing_again_allocates_nothing_and_forgets_the_last_time(void **state)
{
    (void)state;
    segue_applied_free(&applied);
    ASSERT_OK(edit_again(NULL));
    int made = test_count_allocations(edit_again, NULL);
    assert_int_equal(made, 0);
    ASSERT_U64(1, applied.n_cas_places);
    ASSERT_U64(3, applied.n_texts_used); /* body, u, _s */
}

static void what_was_freed_is_empty_and_can_be_used_again(void **state)
{
    (void)state;
    ASSERT_OK(edit_again(NULL));
    segue_applied_free(&applied);
    assert_true(!applied.texts && !applied.slots && !applied.scratch.data && !applied.rec.key.data);
    segue_applied_free(&applied);
    ASSERT_OK(edit_again(NULL));
}

/* Long names make what is put in grow while it is made; the second one just where a bracket follows. */
#define FIFTY "01234567890123456789012345678901234567890123456789"
#define LONG FIFTY "01234567890123456789"
#define EXACT FIFTY "0123456789"

typedef struct memory_case {
    const char *want; /* as it is shown */
    segue_path_op ops[2];
    size_t n_ops, n_macros;
} memory_case;

static const memory_case memory_cases[] = {
    {"J<{\"a\":[],\"b\":{}}>{_s={},u=[1]}", {{S, SEGUE_IN_BODY, TEXT("b"), TEXT("{}"), 0}}, 1, 0},
    {"J<{\"a\":[],\"b\":\"" LONG "\"}>{_s={},u=[1]}",
     {{S, SEGUE_IN_BODY, TEXT("b"), TEXT("{}"), 0}, {S, SEGUE_IN_BODY, TEXT("b"), TEXT("\"" LONG "\""), 0}},
     2,
     0},
    {"J<{\"a\":[],\"b\":2,\"" LONG "\":{\"c\":[3]}}>{_s={},u=[1]}",
     {{A, SEGUE_IN_BODY, TEXT(LONG ".c"), TEXT("3"), P}},
     1,
     0},
    {"J<{\"a\":[],\"b\":2,\"" EXACT "\":{\"c\":3}}>{_s={},u=[1]}",
     {{S, SEGUE_IN_BODY, TEXT(EXACT ".c"), TEXT("3"), P}},
     1,
     0},
    {"J<{\"a\":[{\"" LONG "\":4}],\"b\":2}>{_s={},u=[1]}",
     {{A, SEGUE_IN_BODY, TEXT("a"), TEXT("{\"" LONG "\":4}"), 0}},
     1,
     0},
    {"J<{\"a\":[],\"b\":2}>{_s={},u=[1,2]}", {{A, SEGUE_IN_XATTR, TEXT("u"), TEXT("2"), 0}}, 1, 0},
    {"J<{\"a\":[]}>{_s={},u=[1]}", {{D, SEGUE_IN_BODY, TEXT("b"), TEXT(""), 0}}, 1, 0},
    {"J<{\"a\":[],\"b\":2}>{_s={},u=[1],v=5}", {{S, SEGUE_IN_XATTR, TEXT("v"), TEXT("5"), 0}}, 1, 0},
    {"J<{\"a\":[],\"b\":2}>{_n={\"m\":{\"o\":6}},_s={},u=[1]}",
     {{I, SEGUE_IN_XATTR, TEXT("_n.m.o"), TEXT("6"), P}},
     1,
     0},
    {"J<{\"a\":[],\"b\":2}>{_s={\"cas\":\"0x0000000000000000\"},u=[1]}", {{0}}, 0, 1},
};

static segue_status edit_once(void *ctx)
{
    const memory_case *c = ctx;
    static const segue_xattr xattrs[] = {{TEXT("_s"), TEXT("{}")}, {TEXT("u"), TEXT("[1]")}};
    segue_mutation m = {.paths = c->ops, .n_paths = c->n_ops, .macros = one_macro, .n_macros = c->n_macros};
    segue_record base = live;
    segue_applied a = {0};
    char shown[SHOWN_MAX];
    base.xattrs = xattrs;
    memset(&err, 0, sizeof err);
    segue_status st = segue_apply(base.key, &base, &m, NOW, &a, &call_);
    if (st == SEGUE_OK && (!a.write || strcmp(show_record(&a.rec, shown), c->want) != 0)) st = SEGUE_CORRUPT;
    if (st == SEGUE_NO_MEMORY && !strstr(err.message, "out of memory for")) st = SEGUE_CORRUPT;
    segue_applied_free(&a);
    return st;
}

static void memory_that_runs_out_anywhere_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(memory_cases); i++) {
        memory_case c = memory_cases[i];
        test_fail_every_allocation(edit_once, &c);
    }
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
        cmocka_unit_test(what_is_wrong_by_itself_is_said_first),
        cmocka_unit_test(a_key_that_is_none_has_no_document),
        cmocka_unit_test(there_are_at_most_16_macros),
        cmocka_unit_test(paths_may_go_into_a_body_that_is_set),
        cmocka_unit_test(a_body_may_start_from_an_empty_object),
        cmocka_unit_test(what_is_dropped_twice_is_dropped_once),
        cmocka_unit_test(what_cannot_be_dropped_keeps_all_from_being_set),
        cmocka_unit_test(an_operation_may_be_on_a_whole_xattr),
        cmocka_unit_test(a_text_may_grow_to_20_mib),
        cmocka_unit_test(a_value_for_a_path_has_at_most_20_mib),
        cmocka_unit_test(how_deep_a_value_may_be),
        cmocka_unit_test(editing_again_allocates_nothing_and_forgets_the_last_time),
        cmocka_unit_test(what_was_freed_is_empty_and_can_be_used_again),
        cmocka_unit_test(memory_that_runs_out_anywhere_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, free_applied);
}
