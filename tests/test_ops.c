/* The named operations, on one store by one trip and by the loop: what they read, what they give back and when, what an expiry
 * of nothing means, and the limits of what one call may hold. What they refuse: test_bad_input.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <segue/ops.h>

#include "backend/mem/mem.h"
#include "base/base.h"

#define K(text) segue_str(text)
#define N(array) (sizeof(array) / sizeof *(array))

static segue_error err;
static segue_store *store;

static void must(segue_status want, segue_status got, int line)
{
    if (got != want)
        fail_msg("line %d: %s (\"%s\"), not %s", line, segue_status_name(got), err.message, segue_status_name(want));
}
#define OK(call) must(SEGUE_OK, (call), __LINE__)
#define REFUSED(want, says, call)                                                                                      \
    do {                                                                                                               \
        must(SEGUE_##want, (call), __LINE__);                                                                          \
        if (err.status != SEGUE_##want || !strstr(err.message, says))                                                  \
            fail_msg("line %d: \"%s\" does not say %s", __LINE__, err.message, says);                                  \
    } while (0)

static int open_store(void **state)
{
    OK(segue_open(*state, NULL, &store, &err));
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    segue_close(store);
    return 0;
}

static bool is_empty(const segue_doc *doc)
{
    return !doc->rec.key.data && !doc->rec.body.data && doc->rec.n_xattrs == 0 && doc->rec.cas == 0;
}

/* ---- what is read ---- */

static int asked_for_body; /* of the last get */

static segue_status get_and_note(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    asked_for_body = !call->no_body;
    return seg_backend_mem.get(self, key, doc, call);
}

static void noted(bool want, segue_status want_status, segue_status got, int line)
{
    must(want_status, got, line);
    if (asked_for_body != want) fail_msg("line %d: the body was%s asked for", line, want ? " not" : "");
    asked_for_body = -1;
}
#define WITH_BODY(status, call) noted(true, SEGUE_##status, (call), __LINE__)
#define WITHOUT_BODY(status, call) noted(false, SEGUE_##status, (call), __LINE__)

static void only_who_looks_at_the_body_asks_for_it(void **state)
{
    static segue_backend noting;
    segue_doc doc = {0};
    bool yes = false;
    uint32_t expiry = 7;
    segue_slice json, plain[] = {K("_s"), K("u")}, with_size[] = {K("_s"), K("$document.value_bytes")};
    segue_xattr x = {K("_s"), K("{\"a\":1}")};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("{\"b\":2}"), .set_xattrs = &x, .n_set_xattrs = 1};
    (void)state;
    noting = seg_backend_mem;
    noting.scheme = "noting";
    noting.get = get_and_note;
    OK(segue_register_backend(&noting));
    OK(segue_open("noting:", NULL, &store, &err));
    OK(segue_mutate(store, K("k"), &m, NULL, NULL, NULL, &err));
    WITH_BODY(OK, segue_get(store, K("k"), NULL, &doc, &err));
    WITH_BODY(OK, segue_get_record(store, K("k"), NULL, &doc, &err));
    WITHOUT_BODY(OK, segue_exists(store, K("k"), NULL, &yes, &err));
    assert_true(yes);
    WITHOUT_BODY(OK, segue_get_expiry(store, K("k"), NULL, &expiry, &err));
    assert_int_equal(expiry, 0);
    WITHOUT_BODY(OK, segue_xattrs_get(store, K("k"), plain, N(plain), NULL, &doc, &err));
    WITH_BODY(OK, segue_xattrs_get(store, K("k"), with_size, N(with_size), NULL, &doc, &err));
    if (doc.rec.body.data || doc.rec.body.size) fail_msg("a body comes with xattrs");
    WITH_BODY(OK, segue_get_with_xattrs(store, K("k"), plain, N(plain), NULL, &doc, &err));
    WITHOUT_BODY(OK, segue_subdoc_get(store, K("k"), SEGUE_IN_XATTR, K("_s.a"), NULL, &doc, &json, &err));
    assert_true(segue_slice_equal(json, K("1")));
    WITH_BODY(OK, segue_subdoc_get(store, K("k"), SEGUE_IN_XATTR, K("$document.value_bytes"), NULL, &doc, &json, &err));
    assert_true(segue_slice_equal(json, K("7")));
    WITH_BODY(OK, segue_subdoc_get(store, K("k"), SEGUE_IN_BODY, K("b"), NULL, &doc, &json, &err));
    assert_true(segue_slice_equal(json, K("2")));
    segue_doc_free(&doc);
    segue_close(store);
}

/* ---- what is given back ---- */

static void nothing_is_given_but_on_success(void **state)
{
    (void)state;
    segue_slice bad_key = K("");
    bool yes = true;
    uint32_t expiry = 7;
    uint64_t value = 7, cas = 7;
    REFUSED(INVALID_KEY, "key", segue_exists(store, bad_key, NULL, &yes, &err));
    must(SEGUE_INVALID_KEY, segue_exists(store, bad_key, NULL, &yes, NULL), __LINE__);
    assert_true(yes);
    OK(segue_exists(store, K("k"), NULL, &yes, NULL));
    assert_false(yes);
    REFUSED(NOT_FOUND, "\"k\"", segue_get_expiry(store, K("k"), NULL, &expiry, &err));
    assert_int_equal(expiry, 7);
    REFUSED(NOT_FOUND, "\"k\"", segue_incr(store, K("k"), 1, NULL, segue_expiry_none(), NULL, &value, &err));
    assert_int_equal(value, 7);
    REFUSED(NOT_FOUND, "\"k\"", segue_append(store, K("k"), K("1"), NULL, &cas, &err));
    assert_int_equal(cas, 7);
    OK(segue_set(store, K("k"), K("1"), segue_expiry_in(1000), NULL, NULL, NULL));
    OK(segue_exists(store, K("k"), NULL, NULL, NULL));
    OK(segue_get_expiry(store, K("k"), NULL, NULL, NULL));
    OK(segue_incr(store, K("k"), 1, NULL, segue_expiry_none(), NULL, NULL, NULL));
    OK(segue_delete(store, K("k"), NULL, NULL));
    OK(segue_exists(store, K("k"), NULL, &yes, &err));
    assert_false(yes);
    OK(segue_get_expiry(store, K("k"), NULL, &expiry, &err));
    assert_int_equal(expiry, 0);
}

/* A document that was in `doc` before is not taken for the answer. */
static void no_document_is_left_over_from_before(void **state)
{
    (void)state;
    segue_doc doc = {0};
    segue_slice names[] = {K("_x"), K("_y")};
    segue_xattr x = {K("_s"), K("1")};
    OK(segue_set(store, K("old"), K("1"), segue_expiry_none(), NULL, NULL, &err));
    OK(segue_set(store, K("k"), K("2"), segue_expiry_none(), NULL, NULL, &err));
    OK(segue_xattrs_set(store, K("k"), &x, 1, NULL, NULL, &err));
    OK(segue_get(store, K("old"), NULL, &doc, &err));
    REFUSED(NOT_FOUND, "\"none\"", segue_get_with_xattrs(store, K("none"), names, 2, NULL, &doc, &err));
    assert_true(is_empty(&doc));
    REFUSED(XATTR_NOT_FOUND, "\"k\" has none", segue_xattrs_get(store, K("k"), names, 2, NULL, &doc, &err));
    assert_true(is_empty(&doc));
    OK(segue_get_with_xattrs(store, K("k"), names, 2, NULL, &doc, &err));
    assert_true(segue_slice_equal(doc.rec.body, K("2")) && doc.rec.n_xattrs == 0);
    OK(segue_delete(store, K("k"), NULL, &err));
    OK(segue_get_record(store, K("k"), NULL, &doc, &err));
    uint64_t cas = doc.rec.cas;
    REFUSED(NOT_FOUND, "\"k\" is a tombstone", segue_get_with_xattrs(store, K("k"), names, 2, NULL, &doc, &err));
    assert_true(doc.rec.cas == cas && doc.rec.is_tombstone);
    names[1] = K("_s");
    OK(segue_get_with_xattrs(store, K("k"), names, 2, NULL, &doc, &err));
    assert_true(doc.rec.is_tombstone && doc.rec.n_xattrs == 1);
    segue_doc_free(&doc);
}

/* ---- expiry ---- */

static bool expires(void)
{
    uint32_t expiry = 0;
    OK(segue_get_expiry(store, K("k"), NULL, &expiry, &err));
    return expiry != 0;
}

/* Whole bodies set none unless they are told one or to keep it; what only adds to a body keeps it. */
static void an_expiry_that_is_not_given_is_none_or_kept(void **state)
{
    (void)state;
    const segue_expiry unsaid = {0};
    uint64_t cas = 0, initial = 1;
    for (int way = 0; way < 8; way++) {
        bool kept = way >= 5;
        OK(segue_set(store, K("k"), K("1"), segue_expiry_in(1000), NULL, &cas, &err));
        assert_true(expires());
        if (way == 0) OK(segue_set(store, K("k"), K("2"), unsaid, NULL, NULL, &err));
        if (way == 1) OK(segue_set_raw(store, K("k"), K("2"), unsaid, NULL, NULL, &err));
        if (way == 2) OK(segue_write_cas(store, K("k"), cas, K("2"), unsaid, 0, NULL, NULL, &err));
        if (way == 3) OK(segue_write_cas(store, K("k"), cas, K("2"), unsaid, SEGUE_WRITE_APPEND, NULL, NULL, &err));
        if (way == 4)
            OK(segue_write_cas(store, K("k"), cas, K("2"), segue_expiry_none(), SEGUE_WRITE_RAW, NULL, NULL, &err));
        if (way == 5)
            OK(segue_write_cas(store, K("k"), cas, K("2"), segue_expiry_in(900), SEGUE_WRITE_APPEND, NULL, NULL, &err));
        if (way == 6) OK(segue_append(store, K("k"), K("2"), NULL, NULL, &err));
        if (way == 7) OK(segue_incr(store, K("k"), 1, &initial, segue_expiry_none(), NULL, NULL, &err));
        if (expires() != kept) fail_msg("way %d: it %s", way, kept ? "does not expire" : "still expires");
    }
    OK(segue_delete(store, K("k"), NULL, &err));
    OK(segue_incr(store, K("k"), 1, &initial, segue_expiry_in(1000), NULL, NULL, &err));
    assert_true(expires()); /* of a new counter */
}

/* ---- options of a write by CAS ---- */

static void each_option_of_a_write_by_cas_counts(void **state)
{
    (void)state;
    static const struct {
        unsigned options;
        const char *body, *want;
        bool is_json;
    } rows[] = {
        {0, "nonsense", "nonsense", true}, /* taken on trust */
        {SEGUE_WRITE_RAW, "nonsense", "nonsense", false},
        {SEGUE_WRITE_RAW, "[]", "[]", true},
        {SEGUE_WRITE_APPEND, "2", "12", true},
        {SEGUE_WRITE_APPEND, "x", "1x", false},
        {SEGUE_WRITE_APPEND | SEGUE_WRITE_RAW, "x", "1x", false},
    };
    segue_doc doc = {0};
    for (size_t i = 0; i < N(rows); i++) {
        uint64_t cas = 0, after = 0;
        OK(segue_set(store, K("k"), K("1"), segue_expiry_none(), NULL, &cas, &err));
        REFUSED(CAS_MISMATCH, "CAS",
                segue_write_cas(store, K("k"), cas + 1, K(rows[i].body), segue_expiry_none(), rows[i].options, NULL,
                                &after, &err));
        assert_int_equal(after, 0);
        REFUSED(EXISTS, "\"k\"",
                segue_write_cas(store, K("k"), cas, K(rows[i].body), segue_expiry_none(),
                                rows[i].options | SEGUE_WRITE_ADD_ONLY, NULL, &after, &err));
        OK(segue_write_cas(store, K("k"), cas, K(rows[i].body), segue_expiry_none(), rows[i].options, NULL, &after,
                           &err));
        OK(segue_get(store, K("k"), NULL, &doc, &err));
        if (!segue_slice_equal(doc.rec.body, K(rows[i].want)) || doc.rec.is_json != rows[i].is_json ||
            doc.rec.cas != after)
            fail_msg("row %zu: %.*s, %s JSON", i, (int)doc.rec.body.size, doc.rec.body.data,
                     doc.rec.is_json ? "is" : "no");
    }
    segue_doc_free(&doc);
}

/* ---- limits of one call ---- */

static segue_xattr *many_xattrs(size_t n)
{
    static segue_xattr xattrs[SEGUE_XATTRS_MAX + 1];
    static char names[SEGUE_XATTRS_MAX + 1][8];
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(names[i], sizeof names[i], "x%zu", i % 1000); /* fits */
        xattrs[i] = (segue_xattr){K(names[i]), K("1")};
    }
    return xattrs;
}

static void at_most_64_xattrs_are_set_and_dropped(void **state)
{
    (void)state;
    enum { MOST = SEGUE_XATTRS_MAX };
    segue_xattr *xattrs = many_xattrs(MOST + 1);
    segue_doc doc = {0};
    uint64_t cas = 7;
    OK(segue_set(store, K("k"), K("1"), segue_expiry_none(), NULL, NULL, &err));
    REFUSED(TOO_BIG, "more than 64", segue_xattrs_set(store, K("k"), xattrs, MOST + 1, NULL, &cas, &err));
    assert_int_equal(cas, 7);
    OK(segue_xattrs_set(store, K("k"), xattrs, MOST, NULL, &cas, &err));
    for (size_t i = 0; i < MOST; i += 2) xattrs[i].value = (segue_slice){0};
    OK(segue_xattrs_set(store, K("k"), xattrs, MOST, NULL, &cas, &err));
    OK(segue_get_record(store, K("k"), NULL, &doc, &err));
    assert_int_equal(doc.rec.n_xattrs, MOST / 2);
    REFUSED(PATH_NOT_FOUND, "\"x0\"", segue_xattrs_set(store, K("k"), xattrs, MOST, NULL, NULL, &err));
    segue_doc_free(&doc);
}

static segue_status set_with_macros(void *ctx, const segue_record *current, segue_updated *u)
{
    const segue_xattr_write *w = ctx;
    (void)current;
    if (u->write.body.data || u->write.n_set || u->write.n_macros || u->is_tombstone)
        fail_msg("the callback finds something from before");
    segue_expiry expiry = u->write.expiry;
    u->write = *w;
    u->write.expiry = expiry;
    return SEGUE_OK;
}

/* Those of the options and those of the callback together. */
static void at_most_16_macros_are_expanded(void **state)
{
    (void)state;
    enum { MOST = SEGUE_MACROS_MAX };
    char text[400] = "{", paths[MOST + 2][12];
    segue_macro macros[MOST + 2];
    segue_doc doc = {0};
    segue_slice json;
    for (size_t i = 0; i < MOST + 2; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"m%zu\":0", i ? "," : "", i); /* all fit */
        (void)snprintf(paths[i], sizeof paths[i], "_s.m%zu", i % 100);
        macros[i] = (segue_macro){K(paths[i]), SEGUE_MACRO_BODY_CRC32C};
    }
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "}");
    segue_xattr x = {K("_s"), K(text)};
    for (size_t n = 0; n <= MOST + 2; n++)
        for (size_t more = 0; n + more <= MOST + 2; more++) {
            segue_macro *first = malloc(n * sizeof *first + 1), *rest = malloc(more * sizeof *rest + 1);
            assert_true(first && rest); /* not a byte more than is given */
            memcpy(first, macros, n * sizeof *first);
            memcpy(rest, macros + n, more * sizeof *rest);
            segue_update_options options = {.macros = first, .n_macros = n};
            segue_xattr_write w = {K("1"), .set = &x, .n_set = 1, .macros = rest, .n_macros = more};
            segue_outcome outcome = {0};
            segue_status st = segue_write_update_with_xattrs(store, K("k"), set_with_macros, &w, &options, &outcome,
                                                             &err);
            free(first);
            free(rest);
            if (n + more > MOST) {
                REFUSED(TOO_BIG, "more than 16 macros", st);
                assert_int_equal(outcome.cas, 0);
                continue;
            }
            OK(st);
            for (size_t i = 0; i < MOST + 2; i++) {
                OK(segue_subdoc_get(store, K("k"), SEGUE_IN_XATTR, K(paths[i]), NULL, &doc, &json, &err));
                if ((json.size > 1) != (i < n + more))
                    fail_msg("%zu and %zu: %s is %.*s", n, more, paths[i], (int)json.size, json.data);
            }
        }
    segue_doc_free(&doc);
}

/* ---- update with xattrs ---- */

typedef enum presence { NOTHING, LIVE, DEAD } presence;

static const segue_xattr some_set = {{"_b", 2}, {"2", 1}}, no_value = {{"_v", 2}, {NULL, 0}};
static const segue_slice there = {"_s", 2}, missing = {"_m", 2};

/* "k" with the xattr _s. */
static uint64_t plant(presence p)
{
    segue_xattr x = {K("_s"), K("1")};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("old"), .set_xattrs = &x, .n_set_xattrs = 1};
    segue_doc doc = {0};
    uint64_t cas = 0;
    OK(segue_set(store, K("k"), K("1"), segue_expiry_none(), NULL, NULL, &err));
    OK(segue_delete(store, K("k"), NULL, &err));
    OK(segue_purge_tombstones(store, NULL, &err));
    if (p != NOTHING) OK(segue_mutate(store, K("k"), &m, NULL, NULL, NULL, &err));
    if (p == DEAD) OK(segue_delete(store, K("k"), NULL, &err));
    if (segue_get_record(store, K("k"), NULL, &doc, &err) == SEGUE_OK) cas = doc.rec.cas;
    segue_doc_free(&doc);
    return cas;
}

/* "L<new>{_b=2,}" or "D{}" or "-". */
static const char *show(char out[64])
{
    segue_doc doc = {0};
    (void)snprintf(out, 64, "-");
    if (segue_get_record(store, K("k"), NULL, &doc, &err) == SEGUE_OK) {
        int n = doc.rec.is_tombstone
                    ? snprintf(out, 64, "D{")
                    : snprintf(out, 64, "L<%.*s>{", (int)doc.rec.body.size, doc.rec.body.data); /* all fit */
        for (size_t i = 0; i < doc.rec.n_xattrs; i++)
            n += snprintf(out + n, 64 - (size_t)n, "%.*s,", (int)doc.rec.xattrs[i].name.size,
                          doc.rec.xattrs[i].name.data);
        (void)snprintf(out + n, 64 - (size_t)n, "}");
    }
    segue_doc_free(&doc);
    return out;
}

static segue_status answer(void *ctx, const segue_record *current, segue_updated *u)
{
    (void)current;
    *u = *(const segue_updated *)ctx;
    return SEGUE_OK;
}

static void each_update_does_what_it_asks_or_says_why_not(void **state)
{
    (void)state;
    static const struct {
        presence was;
        const char *body;
        const segue_xattr *set;
        const segue_slice *drop;
        bool dead;
        segue_status st;
        const char *says, *is;
    } rows[] = {
        {NOTHING, "new", NULL, NULL, false, SEGUE_OK, "", "L<new>{}"},
        {NOTHING, "new", &some_set, NULL, false, SEGUE_OK, "", "L<new>{_b,}"},
        {NOTHING, "new", &some_set, &missing, false, SEGUE_OK, "", "L<new>{_b,}"},
        {NOTHING, "new", NULL, &missing, false, SEGUE_OK, "", "L<new>{}"},
        {NOTHING, NULL, NULL, NULL, false, SEGUE_XATTRS_REQUIRED, "\"k\": neither a body nor xattrs", "-"},
        {NOTHING, NULL, &some_set, NULL, false, SEGUE_BODY_REQUIRED, "\"k\": a document that is not there", "-"},
        {NOTHING, NULL, &some_set, NULL, true, SEGUE_OK, "", "D{_b,}"},
        {NOTHING, NULL, NULL, NULL, true, SEGUE_XATTRS_REQUIRED, "\"k\": neither", "-"},
        {NOTHING, "new", &no_value, NULL, false, SEGUE_XATTR_VALUE_REQUIRED, "\"k\": xattr \"_v\" was given", "-"},
        {LIVE, "new", NULL, NULL, false, SEGUE_OK, "", "L<new>{_s,}"},
        {LIVE, "new", &some_set, &there, false, SEGUE_OK, "", "L<new>{_b,}"},
        {LIVE, "new", NULL, &there, false, SEGUE_OK, "", "L<new>{}"},
        {LIVE, "new", NULL, &missing, false, SEGUE_PATH_NOT_FOUND, "\"_m\"", "L<old>{_s,}"},
        {LIVE, NULL, NULL, &there, false, SEGUE_OK, "", "L<old>{}"},
        {LIVE, NULL, &some_set, NULL, false, SEGUE_OK, "", "L<old>{_b,_s,}"},
        {LIVE, NULL, NULL, NULL, false, SEGUE_XATTRS_REQUIRED, "\"k\": neither", "L<old>{_s,}"},
        {LIVE, NULL, &some_set, NULL, true, SEGUE_OK, "", "D{_b,_s,}"},
        {LIVE, NULL, &some_set, &there, true, SEGUE_OK, "", "D{_b,}"},
        {LIVE, NULL, NULL, &there, true, SEGUE_XATTRS_REQUIRED, "\"k\": neither", "L<old>{_s,}"},
        {LIVE, NULL, &no_value, NULL, false, SEGUE_XATTR_VALUE_REQUIRED, "\"k\": xattr \"_v\"", "L<old>{_s,}"},
        {DEAD, "new", NULL, NULL, false, SEGUE_OK, "", "L<new>{}"},
        {DEAD, "new", &some_set, NULL, false, SEGUE_OK, "", "L<new>{_b,}"},
        {DEAD, "new", &some_set, &there, false, SEGUE_XATTR_DROP_ON_TOMBSTONE,
         "\"k\": there is no xattr \"_s\" to drop from a body that is written over a tombstone", "D{_s,}"},
        {DEAD, NULL, &some_set, NULL, false, SEGUE_BODY_REQUIRED, "\"k\": a document that is not there", "D{_s,}"},
        {DEAD, NULL, &some_set, NULL, true, SEGUE_OK, "", "D{_b,_s,}"},
        {DEAD, NULL, &some_set, &there, true, SEGUE_OK, "", "D{_b,}"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        char is[64];
        uint64_t cas = plant(rows[i].was);
        segue_updated u = {.is_tombstone = rows[i].dead};
        segue_outcome outcome = {0};
        if (rows[i].body) u.write.body = K(rows[i].body);
        u.write.set = rows[i].set;
        u.write.n_set = rows[i].set != NULL;
        u.write.drop = rows[i].drop;
        u.write.n_drop = rows[i].drop != NULL;
        segue_status st = segue_write_update_with_xattrs(store, K("k"), answer, &u, NULL, &outcome, &err);
        segue_error said = err;
        if (st != rows[i].st || strcmp(show(is), rows[i].is) != 0 ||
            (st != SEGUE_OK && (said.status != st || !strstr(said.message, rows[i].says))))
            fail_msg("row %zu: %s (\"%s\"), %s; not %s, %s", i, segue_status_name(st), said.message, show(is),
                     segue_status_name(rows[i].st), rows[i].is);
        if (st != SEGUE_OK) /* nobody need listen */
            must(st, segue_write_update_with_xattrs(store, K("k"), answer, &u, NULL, NULL, NULL), __LINE__);
        if (st == SEGUE_OK) assert_true(outcome.written && outcome.cas > cas);
        else assert_int_equal(outcome.cas, 0);
    }
}

static int n_answers;

static segue_status answer_later(void *ctx, const segue_record *current, segue_updated *u)
{
    const segue_status *answers = ctx;
    (void)current;
    if (u->write.body.data || u->write.n_set || u->is_tombstone) fail_msg("it finds what it has written before");
    u->write.body = K("new");
    u->write.set = &some_set;
    u->write.n_set = 1;
    return answers[n_answers++];
}

/* Its own status ends it; called again, it begins anew. */
static void an_update_is_ended_by_its_callback(void **state)
{
    (void)state;
    char is[64];
    segue_status later[] = {SEGUE_RETRY, SEGUE_RETRY, SEGUE_OK}, never[] = {SEGUE_RETRY, SEGUE_CANCELLED};
    (void)plant(LIVE);
    n_answers = 0;
    REFUSED(CANCELLED, "the update of \"k\" was stopped by its callback; nothing was written",
            segue_write_update_with_xattrs(store, K("k"), answer_later, never, NULL, NULL, &err));
    assert_string_equal(show(is), "L<old>{_s,}");
    n_answers = 0;
    OK(segue_write_update_with_xattrs(store, K("k"), answer_later, later, NULL, NULL, &err));
    assert_int_equal(n_answers, 3);
    assert_string_equal(show(is), "L<new>{_b,_s,}");
}

/* ---- writes of bodies and xattrs ---- */

static void what_cannot_be_written_changes_nothing(void **state)
{
    (void)state;
    char is[64];
    uint64_t cas = plant(LIVE), after = 7;
    segue_slice drop[] = {K("_s")};
    segue_xattr_write body = {.body = K("new"), .set = &some_set, .n_set = 1}, empty = {.set = &no_value, .n_set = 1},
                      dropping = {.body = K("new"), .drop = drop, .n_drop = 1};
    REFUSED(INVALID_ARGUMENT, "a tombstone has no body",
            segue_write_tombstone(store, K("k"), cas, true, &body, NULL, &after, &err));
    REFUSED(XATTR_VALUE_REQUIRED, "\"k\": xattr \"_v\" was given without a value",
            segue_write_tombstone(store, K("k"), cas, true, &empty, NULL, &after, &err));
    REFUSED(XATTR_VALUE_REQUIRED, "\"k\": xattr \"_v\" was given without a value",
            segue_write_with_xattrs(store, K("k"), cas, &empty, NULL, &after, &err));
    REFUSED(XATTR_DROP_ON_INSERT, "\"k\": there is no xattr \"_s\" to drop from what is inserted (CAS 0)",
            segue_write_with_xattrs(store, K("k"), 0, &dropping, NULL, &after, &err));
    REFUSED(XATTRS_REQUIRED, "\"k\": no xattrs to set were given",
            segue_xattrs_update(store, K("k"), cas, NULL, 0, segue_expiry_none(), NULL, &after, &err));
    REFUSED(XATTR_VALUE_REQUIRED, "\"_v\"",
            segue_xattrs_update(store, K("k"), cas, &no_value, 1, segue_expiry_none(), NULL, &after, &err));
    assert_int_equal(after, 7);
    assert_string_equal(show(is), "L<old>{_s,}");
}

/* The same expiry again: nothing is written, and the document is given all the same. */
static void a_touch_that_changes_nothing_gives_the_document(void **state)
{
    (void)state;
    segue_doc doc = {0};
    uint64_t cas = 0;
    OK(segue_set(store, K("k"), K("1"), segue_expiry_at(4000000000u), NULL, &cas, &err));
    for (int i = 0; i < 2; i++) {
        uint32_t at = 4000000000u + (unsigned)i;
        segue_doc_free(&doc);
        OK(segue_get_and_touch(store, K("k"), segue_expiry_at(at), NULL, &doc, &err));
        assert_true(segue_slice_equal(doc.rec.body, K("1")) && doc.rec.expiry == at);
        assert_int_equal(doc.rec.cas == cas, i == 0);
        assert_int_equal(doc.rec.revision, i + 1);
    }
    segue_doc_free(&doc);
}

int main(void)
{
    static char plain[] = "mem:", by_loop[] = "mem:?caps=-mutate";
#define BOTH(test)                                                                                                     \
    {#test, test, open_store, close_store, plain}, { #test " by the loop", test, open_store, close_store, by_loop }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_who_looks_at_the_body_asks_for_it),
        BOTH(nothing_is_given_but_on_success),
        BOTH(no_document_is_left_over_from_before),
        BOTH(an_expiry_that_is_not_given_is_none_or_kept),
        BOTH(each_option_of_a_write_by_cas_counts),
        BOTH(at_most_64_xattrs_are_set_and_dropped),
        BOTH(at_most_16_macros_are_expanded),
        BOTH(each_update_does_what_it_asks_or_says_why_not),
        BOTH(an_update_is_ended_by_its_callback),
        BOTH(what_cannot_be_written_changes_nothing),
        BOTH(a_touch_that_changes_nothing_gives_the_document),
    };
    return cmocka_run_group_tests_name("test_ops", tests, NULL, NULL);
}
