/* What is refused has its status, says in a sentence what was wrong and where (key, xattr, byte, bits), and leaves the document
 * with its CAS and revision. On a store in memory, by one trip and by the loop; what else can be wrong with paths, names and
 * values: test_path.c, test_macros.c, and the conformance suite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/ops.h>

#include "base/base.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define K(text) segue_str(text)

static segue_error err;
static segue_store *store;

static int open_store(void **state)
{
    if (segue_open(*state, NULL, &store, &err) != SEGUE_OK) fail_msg("%s", err.message);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    segue_close(store);
    return 0;
}

static void must(segue_status st, int line)
{
    if (st != SEGUE_OK) fail_msg("line %d: %s: %s", line, segue_status_name(st), err.message);
}
#define OK(call) must((call), __LINE__)

/* "key" with the body, and an xattr. */
static uint64_t plant(const char *body)
{
    segue_xattr x = {K("_s"), K("{}")};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K(body), .set_xattrs = &x, .n_set_xattrs = 1};
    segue_outcome outcome = {0};
    OK(segue_mutate(store, K("key"), &m, NULL, &outcome, NULL, &err));
    return outcome.cas;
}

/* The call was refused with this status and sentence, and "key" is as it was. */
static void refused(segue_status want, const char *says, segue_status got, uint64_t cas, int line)
{
    segue_doc doc = {0};
    segue_error said = err;
    if (got != want) fail_msg("line %d: %s (%s)", line, segue_status_name(got), got ? said.message : "");
    if (said.status != want || !strstr(said.message, says))
        fail_msg("line %d: \"%s\", expected: %s", line, said.message, says);
    OK(segue_get_record(store, K("key"), NULL, &doc, &err));
    if (doc.rec.cas != cas) fail_msg("line %d: the document was changed", line);
    segue_doc_free(&doc);
}
#define REFUSED(status, says, call) refused(SEGUE_##status, (says), (call), cas, __LINE__)

/* ---- numbers, CASes ---- */

static void no_number_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *body, *says;
    } rows[] = {{"", "\"key\" is no number: it is empty"},
                {"x", "no digit at byte 0"},
                {"12 ", "no digit at byte 2"},
                {"-1", "no digit at byte 0"},
                {"1.5", "no digit at byte 1"},
                {"null", "no digit at byte 0"},
                {"18446744073709551616", "is past 2^64-1"},
                {"99999999999999999999999x", "no digit at byte 23"}};
    for (size_t i = 0; i < N(rows); i++) {
        uint64_t cas = plant(rows[i].body);
        REFUSED(NOT_A_NUMBER, rows[i].says,
                segue_incr(store, K("key"), 1, NULL, segue_expiry_none(), NULL, NULL, &err));
    }
}

static void another_cas_is_told_with_the_one_expected(void **state)
{
    (void)state;
    char says[80];
    uint64_t cas = plant("{}");
    segue_slice name = K("_s");
    segue_xattr x = {K("_s"), K("1")};
    segue_record rec = {.key = K("key"), .body = K("1"), .cas = 5};
    (void)snprintf(says, sizeof says, "\"key\" has the CAS %llu, not 77", (unsigned long long)cas);
    REFUSED(CAS_MISMATCH, says, segue_remove(store, K("key"), 77, NULL, NULL, &err));
    REFUSED(CAS_MISMATCH, says, segue_xattrs_remove(store, K("key"), 77, &name, 1, NULL, NULL, &err));
    REFUSED(CAS_MISMATCH, says, segue_xattrs_update(store, K("key"), 77, &x, 1, segue_expiry_none(), NULL, NULL, &err));
    REFUSED(CAS_MISMATCH, says, segue_put_with_meta(store, &rec, 77, NULL, &err));
    rec.key = K("none");
    REFUSED(CAS_MISMATCH, "no record \"none\"", segue_put_with_meta(store, &rec, 77, NULL, &err));
}

/* ---- JSON that is too deep ---- */

/* [[[...]]], so many. */
static segue_slice nested(size_t depth)
{
    static char text[2 * SEGUE_JSON_DEPTH_MAX + 8];
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return segue_bytes(text, 2 * depth);
}

static segue_status set_xattr(const char *name, segue_slice value, uint64_t *cas)
{
    segue_xattr x = {K(name), value};
    return segue_xattrs_set(store, K("key"), &x, 1, NULL, cas, &err);
}

static segue_status set_path(const char *path, segue_slice value, uint64_t *cas)
{
    return segue_subdoc_set(store, K("key"), SEGUE_EXPECT_ANY, 0, K(path), value, NULL, cas, &err);
}

static void too_deep_is_said(void **state)
{
    (void)state;
    uint64_t cas = plant("{}");
    assert_int_equal(SEGUE_JSON_DEPTH_AT_PATH_MAX, 479);
    OK(set_xattr("_s", nested(SEGUE_JSON_DEPTH_MAX), &cas));
    REFUSED(INVALID_JSON, "xattr \"_s\" is nested deeper than 512 at byte 512",
            set_xattr("_s", nested(SEGUE_JSON_DEPTH_MAX + 1), NULL));
    OK(set_xattr("_t.a", nested(SEGUE_JSON_DEPTH_AT_PATH_MAX), &cas));
    REFUSED(INVALID_JSON, "xattr \"_t.a\" is nested deeper than 479 at byte 479",
            set_xattr("_t.a", nested(SEGUE_JSON_DEPTH_AT_PATH_MAX + 1), NULL));
    OK(set_path("a", nested(SEGUE_JSON_DEPTH_AT_PATH_MAX), &cas));
    REFUSED(INVALID_JSON, "path \"a\" is nested deeper than 479 at byte 479",
            set_path("a", nested(SEGUE_JSON_DEPTH_AT_PATH_MAX + 1), NULL));
    REFUSED(INVALID_JSON, "path \"a\" is not valid JSON: error at byte 2", set_path("a", K("[1"), NULL));
}

/* Such a body can be stored; it counts as no JSON, and no path leads into it. */
static void a_body_that_is_too_deep_is_no_json(void **state)
{
    (void)state;
    segue_doc doc = {0};
    segue_slice json;
    uint64_t cas = 0;
    for (size_t depth = SEGUE_JSON_DEPTH_MAX; depth <= SEGUE_JSON_DEPTH_MAX + 1; depth++) {
        OK(segue_set_raw(store, K("key"), nested(depth), segue_expiry_none(), NULL, &cas, &err));
        OK(segue_get(store, K("key"), NULL, &doc, &err));
        assert_int_equal(doc.rec.is_json, depth == SEGUE_JSON_DEPTH_MAX);
    }
    REFUSED(NOT_JSON, "the body of \"key\" is nested deeper than 512 at byte 512",
            segue_subdoc_get(store, K("key"), SEGUE_IN_BODY, K("[0]"), NULL, &doc, &json, &err));
    REFUSED(NOT_JSON, "the body of \"key\" is nested deeper than 512 at byte 512", set_path("[0]", K("1"), NULL));
    segue_doc_free(&doc);
}

/* ---- combinations of arguments ---- */

static segue_status asks_wrongly(void *ctx, const segue_record *current, segue_updated *u)
{
    static const segue_slice drop = {"_s", 2};
    const char *what = ctx;
    (void)current;
    if (strcmp(what, "drop") == 0) {
        u->write.body = K("1");
        u->write.drop = &drop;
        u->write.n_drop = 1;
    }
    u->is_tombstone = strcmp(what, "tombstone") == 0;
    return SEGUE_OK;
}

static segue_status update_asking(char *what)
{
    return segue_write_update_with_xattrs(store, K("key"), asks_wrongly, what, NULL, NULL, &err);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    uint64_t cas = plant("{}");
    static char nothing[] = "nothing", tombstone[] = "tombstone", dropping[] = "drop";
    segue_slice drop[] = {K("u"), K("_s")};
    segue_xattr x = {K("_s"), K("1")}, no_value = {K("_v"), {NULL, 0}};
    segue_xattr_write w = {.body = K("1"), .drop = drop, .n_drop = 2}, none = {0}, set = {.set = &x, .n_set = 1};
    segue_xattr_write valueless = {.body = K("1"), .set = &no_value, .n_set = 1};
    segue_doc doc = {0};
    segue_slice key = K("key"), no_body = {0};
    REFUSED(XATTR_DROP_ON_INSERT, "\"key\": there is no xattr \"u\" to drop",
            segue_write_with_xattrs(store, key, 0, &w, NULL, NULL, &err));
    w.body = no_body;
    REFUSED(XATTRS_REQUIRED, "\"key\"", segue_write_tombstone(store, key, 0, false, &w, NULL, NULL, &err));
    w.set = &x, w.n_set = 1;
    REFUSED(XATTR_DROP_ON_INSERT, "\"key\": there is no xattr \"u\" to drop",
            segue_write_tombstone(store, key, 0, false, &w, NULL, NULL, &err));
    REFUSED(XATTRS_REQUIRED, "\"key\": neither", segue_write_with_xattrs(store, key, cas, &none, NULL, NULL, &err));
    REFUSED(BODY_REQUIRED, "\"key\": an insert", segue_write_with_xattrs(store, key, 0, &set, NULL, NULL, &err));
    REFUSED(BODY_REQUIRED, "\"key\": a resurrection", segue_write_resurrection(store, key, &set, NULL, NULL, &err));
    REFUSED(BODY_REQUIRED, "\"key\"", segue_set(store, key, no_body, segue_expiry_none(), NULL, NULL, &err));
    REFUSED(XATTR_VALUE_REQUIRED, "\"key\": xattr \"_v\"",
            segue_write_with_xattrs(store, key, cas, &valueless, NULL, NULL, &err));
    REFUSED(XATTRS_REQUIRED, "\"key\"", segue_xattrs_get(store, key, NULL, 0, NULL, &doc, &err));
    REFUSED(XATTRS_REQUIRED, "\"key\"", segue_xattrs_set(store, key, NULL, 0, NULL, NULL, &err));
    REFUSED(XATTRS_REQUIRED, "\"key\"", segue_xattrs_remove(store, key, cas, NULL, 0, NULL, NULL, &err));
    REFUSED(XATTRS_REQUIRED, "\"key\"", segue_xattrs_drop(store, key, NULL, 0, NULL, NULL, &err));
    REFUSED(XATTRS_REQUIRED, "\"key\": neither", update_asking(nothing));
    REFUSED(XATTRS_REQUIRED, "\"key\"", update_asking(tombstone));
    OK(segue_remove(store, key, cas, NULL, &cas, &err));
    REFUSED(XATTR_DROP_ON_TOMBSTONE, "\"key\": there is no xattr \"_s\" to drop", update_asking(dropping));
}

static void options_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    uint64_t cas = plant("{}");
    segue_scan *scan = NULL;
    segue_range range = {.options = SEGUE_SCAN_TO_OPEN << 1};
    segue_path_op op = {.path = K("a"), .value = K("1"), .options = SEGUE_PATH_MISSING_OK << 1};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("1"), .options = SEGUE_M_FROM_EMPTY << 1};
    segue_record rec = {.key = K("key"), .body = K("1")};
    REFUSED(INVALID_ARGUMENT, "0x40", segue_mutate(store, K("key"), &m, NULL, NULL, NULL, &err));
    m = (segue_mutation){.paths = &op, .n_paths = 1};
    REFUSED(INVALID_ARGUMENT, "0x4", segue_mutate(store, K("key"), &m, NULL, NULL, NULL, &err));
    REFUSED(INVALID_ARGUMENT, "0x80000008",
            segue_write_cas(store, K("key"), cas, K("1"), segue_expiry_none(), 1u << 31 | SEGUE_WRITE_APPEND << 1, NULL,
                            NULL, &err));
    REFUSED(INVALID_ARGUMENT, "0x2", segue_put_record(store, &rec, 3, NULL, NULL, &err));
    REFUSED(INVALID_ARGUMENT, "0x10", segue_scan_open(store, &range, &scan, &err));
}

/* Of each kind: plain ones, and paths among them. */
static void at_most_64_names_are_read(void **state)
{
    (void)state;
    enum { MOST = SEGUE_XATTRS_MAX };
    uint64_t cas = plant("{}");
    segue_doc doc = {0};
    segue_slice names[MOST + 1];
    for (size_t i = 0; i <= MOST; i++) names[i] = K(i ? "_s" : "u");
    for (int path = 0; path < 2; path++) {
        names[0] = K(path ? "_s.x" : "u");
        OK(segue_xattrs_get(store, K("key"), names, MOST, NULL, &doc, &err));
        OK(segue_get_with_xattrs(store, K("key"), names, MOST, NULL, &doc, &err));
        REFUSED(TOO_BIG, "65 names", segue_xattrs_get(store, K("key"), names, MOST + 1, NULL, &doc, &err));
        REFUSED(TOO_BIG, "65 names", segue_get_with_xattrs(store, K("key"), names, MOST + 1, NULL, &doc, &err));
        REFUSED(TOO_BIG, "65 names", segue_xattrs_get(store, K("none"), names, MOST + 1, NULL, &doc, &err));
    }
    segue_doc_free(&doc);
}

int main(void)
{
    static char plain[] = "mem:", by_loop[] = "mem:?caps=-mutate";
#define BOTH(test)                                                                                                     \
    {#test, test, open_store, close_store, plain}, { #test " by the loop", test, open_store, close_store, by_loop }
    const struct CMUnitTest tests[] = {
        BOTH(no_number_says_why),        BOTH(another_cas_is_told_with_the_one_expected),
        BOTH(too_deep_is_said),          BOTH(a_body_that_is_too_deep_is_no_json),
        BOTH(what_is_missing_is_named),  BOTH(options_that_do_not_exist_are_refused),
        BOTH(at_most_64_names_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
