/* The 35 operations of Sync Gateway's DataStore interface: which call of <segue/ops.h> or <segue/store.h> each of them is, and
 * which mutation that makes; each row is run on a store in memory. Those that have no sense here say why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/ops.h>

#include "support/show.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

static segue_error err;
static const char *running; /* the operation, for messages */

#define STATUS(expected, call)                                                                                         \
    do {                                                                                                               \
        segue_status got_ = (call);                                                                                    \
        if (got_ != (expected))                                                                                        \
            fail_msg("%s: %s: %s (%s), expected %s", running, #call, segue_status_name(got_), err.message, #expected); \
    } while (0)
#define OK(call) STATUS(SEGUE_OK, call)
#define HOLDS(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) fail_msg("%s: not so: %s", running, #condition);                                             \
    } while (0)

static const segue_slice k = TEXT("k"), body = TEXT("{\"a\":1}"), other = TEXT("[2]"), raw = TEXT("raw");
static const segue_xattr both[] = {{TEXT("_s"), TEXT("1")}, {TEXT("u"), TEXT("2")}};
static const segue_xattr new_s[] = {{TEXT("_s"), TEXT("3")}};
static const segue_slice name_s = TEXT("_s"), name_u = TEXT("u");

static void is_shown(segue_store *s, const char *expected)
{
    segue_doc doc = {0};
    char line[TEST_LINE];
    segue_status st = segue_get_record(s, k, NULL, &doc, &err);
    if (st != SEGUE_NOT_FOUND) OK(st);
    test_show(st == SEGUE_OK ? &doc.rec : NULL, line);
    segue_doc_free(&doc);
    if (strcmp(line, expected) != 0) fail_msg("%s: \"%s\", expected \"%s\"", running, line, expected);
}

/* A live document with a system and a user xattr. */
static uint64_t plant(segue_store *s)
{
    uint64_t cas = 0;
    segue_xattr_write w = {.body = body, .set = both, .n_set = 2, .expiry = segue_expiry_at(UINT32_MAX)};
    OK(segue_write_with_xattrs(s, k, 0, &w, NULL, &cas, &err));
    is_shown(s, "L{\"a\":1} json _s=1,u=2 exp=4294967295");
    return cas;
}

static uint64_t plant_tombstone(segue_store *s)
{
    uint64_t cas = 0;
    OK(segue_remove(s, k, plant(s), NULL, &cas, &err));
    is_shown(s, "T _s=1");
    return cas;
}

/* ---- identity ---- */

static void run_name(segue_store *s) { assert_string_equal(segue_store_url(s), "mem:"); }

static void run_is_supported(segue_store *s)
{
    unsigned caps = segue_store_caps(s);
    HOLDS((caps & SEGUE_CAP_FLAGS) && (caps & SEGUE_CAP_KEEP_CAS) && !(caps & SEGUE_CAP_DURABLE));
}

/* ---- bodies ---- */

static void run_get(segue_store *s)
{
    segue_doc doc = {0};
    STATUS(SEGUE_NOT_FOUND, segue_get(s, k, NULL, &doc, &err));
    uint64_t cas = plant(s);
    OK(segue_get(s, k, NULL, &doc, &err));
    HOLDS(doc.rec.cas == cas && segue_slice_equal(doc.rec.body, body));
    OK(segue_delete(s, k, NULL, &err));
    STATUS(SEGUE_NOT_FOUND, segue_get(s, k, NULL, &doc, &err));
    segue_doc_free(&doc);
}

static void run_get_and_touch(segue_store *s)
{
    segue_doc doc = {0};
    STATUS(SEGUE_NOT_FOUND, segue_get_and_touch(s, k, segue_expiry_none(), NULL, &doc, &err));
    uint64_t cas = plant(s);
    OK(segue_get_and_touch(s, k, segue_expiry_none(), NULL, &doc, &err));
    HOLDS(doc.rec.cas > cas && doc.rec.expiry == 0 && segue_slice_equal(doc.rec.body, body));
    cas = doc.rec.cas;
    OK(segue_get_and_touch(s, k, segue_expiry_none(), NULL, &doc, &err));
    HOLDS(doc.rec.cas == cas && doc.rec.revision == 2); /* the same expiry is no mutation */
    segue_doc_free(&doc);
}

static void run_touch(segue_store *s)
{
    uint64_t cas = 0, again = 0;
    STATUS(SEGUE_NOT_FOUND, segue_touch(s, k, segue_expiry_none(), NULL, &cas, &err));
    uint64_t first = plant(s);
    OK(segue_touch(s, k, segue_expiry_at(UINT32_MAX - 1), NULL, &cas, &err));
    is_shown(s, "L{\"a\":1} json _s=1,u=2 exp=4294967294");
    OK(segue_touch(s, k, segue_expiry_at(UINT32_MAX - 1), NULL, &again, &err));
    HOLDS(cas > first && cas == again);
}

static void run_add(segue_store *s)
{
    uint64_t cas = 0;
    OK(segue_add(s, k, body, segue_expiry_none(), NULL, &cas, &err));
    HOLDS(cas != 0);
    STATUS(SEGUE_EXISTS, segue_add(s, k, other, segue_expiry_none(), NULL, NULL, &err));
    is_shown(s, "L{\"a\":1} json");
    OK(segue_delete(s, k, NULL, &err));
    plant_tombstone(s);
    OK(segue_add(s, k, other, segue_expiry_none(), NULL, NULL, &err));
    is_shown(s, "L[2] json");
}

static void run_add_raw(segue_store *s)
{
    OK(segue_add_raw(s, k, raw, segue_expiry_none(), NULL, NULL, &err));
    is_shown(s, "Lraw");
    STATUS(SEGUE_EXISTS, segue_add_raw(s, k, raw, segue_expiry_none(), NULL, NULL, &err));
}

static void run_set(segue_store *s)
{
    plant(s);
    OK(segue_set(s, k, other, segue_expiry_keep(), NULL, NULL, &err));
    is_shown(s, "L[2] json _s=1,u=2 exp=4294967295");
    OK(segue_set(s, k, body, segue_expiry_none(), NULL, NULL, &err));
    is_shown(s, "L{\"a\":1} json _s=1,u=2");
    OK(segue_delete(s, k, NULL, &err));
    OK(segue_set(s, k, other, segue_expiry_none(), NULL, NULL, &err));
    is_shown(s, "L[2] json");
}

static void run_set_raw(segue_store *s)
{
    OK(segue_set_raw(s, k, raw, segue_expiry_none(), NULL, NULL, &err));
    is_shown(s, "Lraw");
    OK(segue_set_raw(s, k, other, segue_expiry_none(), NULL, NULL, &err));
    is_shown(s, "L[2] json");
}

static void run_write_cas(segue_store *s)
{
    uint64_t cas = 0;
    segue_expiry none = segue_expiry_none();
    STATUS(SEGUE_NOT_FOUND, segue_write_cas(s, k, 1, body, none, 0, NULL, NULL, &err));
    OK(segue_write_cas(s, k, 0, body, none, 0, NULL, &cas, &err));
    STATUS(SEGUE_EXISTS, segue_write_cas(s, k, 0, other, none, 0, NULL, NULL, &err));
    STATUS(SEGUE_EXISTS, segue_write_cas(s, k, cas, other, none, SEGUE_WRITE_ADD_ONLY, NULL, NULL, &err));
    STATUS(SEGUE_CAS_MISMATCH, segue_write_cas(s, k, cas + 1, other, none, 0, NULL, NULL, &err));
    OK(segue_write_cas(s, k, cas, raw, none, SEGUE_WRITE_RAW, NULL, &cas, &err));
    OK(segue_write_cas(s, k, cas, raw, none, SEGUE_WRITE_APPEND, NULL, &cas, &err));
    is_shown(s, "Lrawraw");
    OK(segue_remove(s, k, cas, NULL, &cas, &err));
    STATUS(SEGUE_NOT_FOUND, segue_write_cas(s, k, cas, other, none, 0, NULL, NULL, &err));
}

static void run_delete(segue_store *s)
{
    STATUS(SEGUE_NOT_FOUND, segue_delete(s, k, NULL, &err));
    plant(s);
    OK(segue_delete(s, k, NULL, &err));
    is_shown(s, "T _s=1");
    STATUS(SEGUE_NOT_FOUND, segue_delete(s, k, NULL, &err));
}

static void run_remove(segue_store *s)
{
    uint64_t cas = plant(s), gone = 0;
    STATUS(SEGUE_EXISTS, segue_remove(s, k, 0, NULL, NULL, &err));
    STATUS(SEGUE_CAS_MISMATCH, segue_remove(s, k, cas + 1, NULL, NULL, &err));
    OK(segue_remove(s, k, cas, NULL, &gone, &err));
    HOLDS(gone > cas);
    is_shown(s, "T _s=1");
    STATUS(SEGUE_NOT_FOUND, segue_remove(s, k, gone, NULL, NULL, &err));
}

static segue_status update_fn(void *ctx, const segue_record *current, segue_mutation *m)
{
    int *calls = ctx;
    if (++*calls == 1) {
        if (current) return SEGUE_CANCELLED;
        m->body_op = SEGUE_BODY_SET;
        m->body = body;
    } else {
        m->expect = SEGUE_EXPECT_LIVE;
        m->body_op = SEGUE_BODY_DELETE;
    }
    return SEGUE_OK;
}

static void run_update(segue_store *s)
{
    int calls = 0;
    segue_outcome outcome;
    OK(segue_update(s, k, update_fn, &calls, NULL, &outcome, &err));
    is_shown(s, "L{\"a\":1} json");
    OK(segue_update(s, k, update_fn, &calls, NULL, &outcome, &err));
    is_shown(s, "T");
    HOLDS(calls == 2 && outcome.revision == 2);
    STATUS(SEGUE_NOT_FOUND, segue_update(s, k, update_fn, &calls, NULL, NULL, &err));
}

static void run_incr(segue_store *s)
{
    uint64_t value = 0, first = 5;
    segue_expiry none = segue_expiry_none();
    STATUS(SEGUE_NOT_FOUND, segue_incr(s, k, 1, NULL, none, NULL, &value, &err));
    OK(segue_incr(s, k, 1, &first, none, NULL, &value, &err));
    HOLDS(value == 5);
    OK(segue_incr(s, k, 1, &first, none, NULL, &value, &err));
    HOLDS(value == 6);
    OK(segue_incr(s, k, (uint64_t)-2, NULL, none, NULL, &value, &err));
    HOLDS(value == 4);
    is_shown(s, "L4 json");
    OK(segue_set(s, k, body, none, NULL, NULL, &err));
    STATUS(SEGUE_NOT_A_NUMBER, segue_incr(s, k, 1, &first, none, NULL, &value, &err));
}

static void run_get_expiry(segue_store *s)
{
    uint32_t expiry = 0;
    STATUS(SEGUE_NOT_FOUND, segue_get_expiry(s, k, NULL, &expiry, &err));
    plant(s);
    OK(segue_get_expiry(s, k, NULL, &expiry, &err));
    HOLDS(expiry == UINT32_MAX);
    OK(segue_delete(s, k, NULL, &err));
    OK(segue_get_expiry(s, k, NULL, &expiry, &err));
    HOLDS(expiry == 0);
}

static void run_exists(segue_store *s)
{
    bool there = true;
    OK(segue_exists(s, k, NULL, &there, &err));
    HOLDS(!there);
    plant(s);
    OK(segue_exists(s, k, NULL, &there, &err));
    HOLDS(there);
    OK(segue_delete(s, k, NULL, &err));
    OK(segue_exists(s, k, NULL, &there, &err));
    HOLDS(!there);
}

/* ---- xattrs ---- */

static void run_get_xattrs(segue_store *s)
{
    segue_doc doc = {0};
    segue_slice names[] = {TEXT("_s"), TEXT("nosuch")};
    STATUS(SEGUE_NOT_FOUND, segue_xattrs_get(s, k, names, 2, NULL, &doc, &err));
    uint64_t cas = plant_tombstone(s);
    OK(segue_xattrs_get(s, k, names, 2, NULL, &doc, &err));
    HOLDS(doc.rec.cas == cas && doc.rec.n_xattrs == 1 && segue_slice_equal(doc.rec.xattrs[0].value, both[0].value));
    STATUS(SEGUE_XATTR_NOT_FOUND, segue_xattrs_get(s, k, &name_u, 1, NULL, &doc, &err));
    STATUS(SEGUE_XATTRS_REQUIRED, segue_xattrs_get(s, k, names, 0, NULL, &doc, &err));
    segue_doc_free(&doc);
}

static void run_get_with_xattrs(segue_store *s)
{
    segue_doc doc = {0};
    STATUS(SEGUE_NOT_FOUND, segue_get_with_xattrs(s, k, &name_s, 1, NULL, &doc, &err));
    HOLDS(doc.rec.cas == 0);
    uint64_t cas = plant(s);
    OK(segue_get_with_xattrs(s, k, &name_u, 1, NULL, &doc, &err));
    HOLDS(doc.rec.cas == cas && doc.rec.n_xattrs == 1 && segue_slice_equal(doc.rec.body, body));
    OK(segue_remove(s, k, cas, NULL, &cas, &err));
    OK(segue_get_with_xattrs(s, k, &name_s, 1, NULL, &doc, &err));
    HOLDS(doc.rec.is_tombstone && !doc.rec.body.data && doc.rec.n_xattrs == 1);
    STATUS(SEGUE_NOT_FOUND, segue_get_with_xattrs(s, k, &name_u, 1, NULL, &doc, &err));
    HOLDS(doc.rec.cas == cas); /* told apart from nothing */
    segue_doc_free(&doc);
}

static void run_write_with_xattrs(segue_store *s)
{
    uint64_t cas = plant(s);
    segue_xattr_write w = {.body = other, .set = new_s, .n_set = 1, .drop = &name_u, .n_drop = 1};
    STATUS(SEGUE_CAS_MISMATCH, segue_write_with_xattrs(s, k, cas + 1, &w, NULL, NULL, &err));
    STATUS(SEGUE_XATTR_DROP_ON_INSERT, segue_write_with_xattrs(s, k, 0, &w, NULL, NULL, &err));
    OK(segue_write_with_xattrs(s, k, cas, &w, NULL, &cas, &err));
    is_shown(s, "L[2] json _s=3");
    STATUS(SEGUE_PATH_NOT_FOUND, segue_write_with_xattrs(s, k, cas, &w, NULL, NULL, &err));
    w = (segue_xattr_write){.set = both, .n_set = 2};
    OK(segue_write_with_xattrs(s, k, cas, &w, NULL, &cas, &err));
    is_shown(s, "L[2] json _s=1,u=2");
    w = (segue_xattr_write){.drop = &name_s, .n_drop = 1, .set = new_s, .n_set = 1};
    STATUS(SEGUE_XATTR_SET_AND_DROPPED, segue_write_with_xattrs(s, k, cas, &w, NULL, NULL, &err));
    STATUS(SEGUE_XATTRS_REQUIRED, segue_write_with_xattrs(s, k, cas, &(segue_xattr_write){0}, NULL, NULL, &err));
}

static void run_write_tombstone(segue_store *s)
{
    uint64_t cas = 0;
    segue_xattr_write w = {.set = new_s, .n_set = 1};
    OK(segue_write_tombstone(s, k, 0, false, &w, NULL, &cas, &err));
    is_shown(s, "T _s=3");
    STATUS(SEGUE_EXISTS, segue_write_tombstone(s, k, 0, false, &w, NULL, NULL, &err));
    OK(segue_write_tombstone(s, k, cas, false, &w, NULL, &cas, &err));
    STATUS(SEGUE_NOT_FOUND, segue_write_tombstone(s, k, cas, true, &w, NULL, NULL, &err));
    cas = plant(s);
    STATUS(SEGUE_CAS_MISMATCH, segue_write_tombstone(s, k, cas + 1, true, &w, NULL, NULL, &err));
    STATUS(SEGUE_XATTRS_REQUIRED, segue_write_tombstone(s, k, cas, true, &(segue_xattr_write){0}, NULL, NULL, &err));
    OK(segue_write_tombstone(s, k, cas, true, &w, NULL, &cas, &err));
    is_shown(s, "T _s=3");
}

static void run_write_resurrection(segue_store *s)
{
    segue_xattr_write w = {.body = other, .set = both + 1, .n_set = 1};
    plant_tombstone(s);
    OK(segue_write_resurrection(s, k, &w, NULL, NULL, &err));
    is_shown(s, "L[2] json u=2");
    STATUS(SEGUE_EXISTS, segue_write_resurrection(s, k, &w, NULL, NULL, &err));
    w.body = (segue_slice){0};
    STATUS(SEGUE_BODY_REQUIRED, segue_write_resurrection(s, k, &w, NULL, NULL, &err));
}

static void run_set_xattrs(segue_store *s)
{
    STATUS(SEGUE_NOT_FOUND, segue_xattrs_set(s, k, both, 2, NULL, NULL, &err));
    plant_tombstone(s);
    segue_xattr set[] = {both[1], {TEXT("_s"), {NULL, 0}}}; /* no value: drop it */
    OK(segue_xattrs_set(s, k, set, 2, NULL, NULL, &err));
    is_shown(s, "T u=2");
    STATUS(SEGUE_PATH_NOT_FOUND, segue_xattrs_set(s, k, set, 2, NULL, NULL, &err));
}

static void run_remove_xattrs(segue_store *s)
{
    uint64_t cas = plant(s);
    segue_slice names[] = {TEXT("_s"), TEXT("nosuch")};
    STATUS(SEGUE_PATH_NOT_FOUND, segue_xattrs_remove(s, k, cas, names, 2, NULL, NULL, &err));
    STATUS(SEGUE_CAS_MISMATCH, segue_xattrs_remove(s, k, cas + 1, names, 1, NULL, NULL, &err));
    STATUS(SEGUE_EXISTS, segue_xattrs_remove(s, k, 0, names, 1, NULL, NULL, &err));
    OK(segue_xattrs_remove(s, k, cas, names, 1, NULL, NULL, &err));
    is_shown(s, "L{\"a\":1} json u=2 exp=4294967295");
}

static void run_delete_sub_doc_paths(segue_store *s)
{
    segue_slice names[] = {TEXT("_s"), TEXT("nosuch")};
    STATUS(SEGUE_NOT_FOUND, segue_xattrs_drop(s, k, names, 2, NULL, NULL, &err));
    uint64_t cas = 0, again = 0;
    plant_tombstone(s);
    OK(segue_xattrs_drop(s, k, names, 2, NULL, &cas, &err));
    is_shown(s, "T");
    OK(segue_xattrs_drop(s, k, names, 2, NULL, &again, &err));
    HOLDS(cas == again); /* nothing to drop is no mutation */
}

static void run_delete_with_xattrs(segue_store *s)
{
    STATUS(SEGUE_NOT_FOUND, segue_delete_with_xattrs(s, k, &name_s, 1, NULL, &err));
    plant(s);
    OK(segue_delete_with_xattrs(s, k, &name_s, 1, NULL, &err));
    is_shown(s, "T");
    STATUS(SEGUE_NOT_FOUND, segue_delete_with_xattrs(s, k, &name_s, 1, NULL, &err));
    plant_tombstone(s);
    OK(segue_delete_with_xattrs(s, k, &name_s, 1, NULL, &err));
    is_shown(s, "T");
}

static void run_update_xattrs(segue_store *s)
{
    segue_expiry none = segue_expiry_none();
    STATUS(SEGUE_NOT_FOUND, segue_xattrs_update(s, k, 1, new_s, 1, none, NULL, NULL, &err));
    uint64_t cas = plant(s);
    STATUS(SEGUE_EXISTS, segue_xattrs_update(s, k, 0, new_s, 1, none, NULL, NULL, &err));
    STATUS(SEGUE_CAS_MISMATCH, segue_xattrs_update(s, k, cas + 1, new_s, 1, none, NULL, NULL, &err));
    OK(segue_xattrs_update(s, k, cas, new_s, 1, none, NULL, &cas, &err));
    is_shown(s, "L{\"a\":1} json _s=3,u=2");
    segue_xattr no_value = {TEXT("_s"), {NULL, 0}};
    STATUS(SEGUE_XATTR_VALUE_REQUIRED, segue_xattrs_update(s, k, cas, &no_value, 1, none, NULL, NULL, &err));
    OK(segue_remove(s, k, cas, NULL, &cas, &err));
    OK(segue_xattrs_update(s, k, cas, both, 1, none, NULL, &cas, &err));
    is_shown(s, "T _s=1");
}

static segue_status write_update_fn(void *ctx, const segue_record *current, segue_updated *updated)
{
    int *calls = ctx;
    ++*calls;
    updated->write.set = new_s;
    updated->write.n_set = 1;
    if (!current) updated->write.body = body;
    else updated->is_tombstone = true;
    return SEGUE_OK;
}

static void run_write_update_with_xattrs(segue_store *s)
{
    int calls = 0;
    OK(segue_write_update_with_xattrs(s, k, write_update_fn, &calls, NULL, NULL, &err));
    is_shown(s, "L{\"a\":1} json _s=3");
    OK(segue_write_update_with_xattrs(s, k, write_update_fn, &calls, NULL, NULL, &err));
    is_shown(s, "T _s=3");
    HOLDS(calls == 2);
}

/* ---- paths ---- */

static const segue_slice path_b = TEXT("b"), path_a_b = TEXT("a.b"), two = TEXT("2");

static void run_get_sub_doc_raw(segue_store *s)
{
    segue_doc doc = {0};
    segue_slice json = {0}, a = TEXT("a");
    STATUS(SEGUE_NOT_FOUND, segue_subdoc_get(s, k, SEGUE_IN_BODY, a, NULL, &doc, &json, &err));
    uint64_t cas = plant(s);
    OK(segue_subdoc_get(s, k, SEGUE_IN_BODY, a, NULL, &doc, &json, &err));
    HOLDS(doc.rec.cas == cas && segue_slice_equal(json, segue_str("1")));
    STATUS(SEGUE_PATH_NOT_FOUND, segue_subdoc_get(s, k, SEGUE_IN_BODY, path_b, NULL, &doc, &json, &err));
    STATUS(SEGUE_PATH_MISMATCH, segue_subdoc_get(s, k, SEGUE_IN_BODY, path_a_b, NULL, &doc, &json, &err));
    STATUS(SEGUE_INVALID_PATH, segue_subdoc_get(s, k, SEGUE_IN_BODY, segue_str("a."), NULL, &doc, &json, &err));
    segue_doc_free(&doc);
}

static void run_subdoc_insert(segue_store *s)
{
    STATUS(SEGUE_NOT_FOUND, segue_subdoc_insert(s, k, SEGUE_EXPECT_ANY, 0, path_b, two, NULL, NULL, &err));
    uint64_t cas = plant(s);
    STATUS(SEGUE_CAS_MISMATCH, segue_subdoc_insert(s, k, SEGUE_EXPECT_CAS, cas + 1, path_b, two, NULL, NULL, &err));
    OK(segue_subdoc_insert(s, k, SEGUE_EXPECT_CAS, cas, path_b, two, NULL, &cas, &err));
    is_shown(s, "L{\"a\":1,\"b\":2} json _s=1,u=2 exp=4294967295");
    STATUS(SEGUE_PATH_EXISTS, segue_subdoc_insert(s, k, SEGUE_EXPECT_ANY, 0, path_b, two, NULL, NULL, &err));
    STATUS(SEGUE_PATH_MISMATCH, segue_subdoc_insert(s, k, SEGUE_EXPECT_ANY, 0, path_a_b, two, NULL, NULL, &err));
}

static void run_write_sub_doc(segue_store *s)
{
    uint64_t cas = 0;
    STATUS(SEGUE_PATH_NOT_FOUND, segue_subdoc_set(s, k, SEGUE_EXPECT_ANY, 0, path_a_b, two, NULL, NULL, &err));
    STATUS(SEGUE_NOT_FOUND, segue_subdoc_set(s, k, SEGUE_EXPECT_CAS, 1, path_b, two, NULL, NULL, &err));
    OK(segue_subdoc_set(s, k, SEGUE_EXPECT_ANY, 0, path_b, two, NULL, &cas, &err));
    is_shown(s, "L{\"b\":2} json");
    OK(segue_subdoc_set(s, k, SEGUE_EXPECT_CAS, cas, path_b, segue_str("null"), NULL, NULL, &err));
    is_shown(s, "L{\"b\":null} json");
    STATUS(SEGUE_CAS_MISMATCH, segue_subdoc_set(s, k, SEGUE_EXPECT_CAS, cas, path_b, two, NULL, NULL, &err));
    OK(segue_delete(s, k, NULL, &err));
    plant_tombstone(s);
    OK(segue_subdoc_set(s, k, SEGUE_EXPECT_ANY, 0, path_b, two, NULL, &cas, &err));
    is_shown(s, "L{\"b\":2} json"); /* nothing of the tombstone's */
    OK(segue_subdoc_delete(s, k, SEGUE_EXPECT_ANY, 0, path_b, NULL, NULL, &err));
    OK(segue_set(s, k, segue_str("[1]"), segue_expiry_none(), NULL, NULL, &err));
    STATUS(SEGUE_PATH_MISMATCH, segue_subdoc_append(s, k, SEGUE_EXPECT_ANY, 0, path_b, two, NULL, NULL, &err));
}

/* ---- what is beside the interface ---- */

static void run_touch_xattr(segue_store *s)
{
    uint64_t cas = plant(s);
    STATUS(SEGUE_CAS_MISMATCH, segue_touch_xattr(s, k, cas + 1, segue_str("_t.x"), two, NULL, NULL, &err));
    STATUS(SEGUE_INVALID_ARGUMENT, segue_touch_xattr(s, k, 0, segue_str("_t.x"), two, NULL, NULL, &err));
    OK(segue_touch_xattr(s, k, cas, segue_str("_t.x"), two, NULL, NULL, &err));
    is_shown(s, "L{\"a\":1} json _s=1,_t={\"x\":2},u=2 exp=4294967295");
}

static void run_set_with_meta(segue_store *s)
{
    segue_record rec = {.key = k, .body = other, .cas = 5, .is_json = true};
    uint64_t cas = plant(s);
    STATUS(SEGUE_CAS_MISMATCH, segue_put_with_meta(s, &rec, 0, NULL, &err));
    STATUS(SEGUE_CAS_MISMATCH, segue_put_with_meta(s, &rec, cas + 1, NULL, &err));
    OK(segue_put_with_meta(s, &rec, cas, NULL, &err));
    is_shown(s, "L[2] json");
    segue_doc doc = {0};
    OK(segue_get(s, k, NULL, &doc, &err));
    HOLDS(doc.rec.cas == 5 && doc.rec.revision == 2);
    segue_doc_free(&doc);
}

static void run_delete_with_meta(segue_store *s)
{
    segue_record rec = {.key = k, .cas = 5, .is_tombstone = true, .xattrs = new_s, .n_xattrs = 1};
    STATUS(SEGUE_CAS_MISMATCH, segue_put_with_meta(s, &rec, 1, NULL, &err));
    OK(segue_put_with_meta(s, &rec, 0, NULL, &err));
    is_shown(s, "T _s=3");
    STATUS(SEGUE_CAS_MISMATCH, segue_put_with_meta(s, &rec, 0, NULL, &err)); /* a tombstone's CAS counts */
    rec.cas = 0;
    STATUS(SEGUE_INVALID_ARGUMENT, segue_put_with_meta(s, &rec, 5, NULL, &err));
}

/* ---- the table ---- */

typedef struct row {
    const char *operation;
    const char *call;     /* ours */
    const char *mutation; /* that it makes, if it makes one */
    void (*run)(segue_store *store);
    const char *later; /* why there is none */
} row;

#define COLLECTIONS "collections go by their names here, in URLs and in feeds"
#define VBUCKETS "nothing is divided into vBuckets here"

static const row table[] = {
    {"GetName", "segue_store_url", "", run_name, NULL},
    {"ScopeName", "segue_store_url", "", run_name, NULL},
    {"CollectionName", "segue_store_url", "", run_name, NULL},
    {"IsSupported", "segue_store_caps", "", run_is_supported, NULL},
    {"GetCollectionID", "", "", NULL, COLLECTIONS},
    {"GetMaxVbno", "", "", NULL, VBUCKETS},
    {"Get", "segue_get", "", run_get, NULL},
    {"GetRaw", "segue_get", "", run_get, NULL},
    {"GetAndTouchRaw", "segue_get_and_touch", "LIVE, KEEP, expiry", run_get_and_touch, NULL},
    {"Touch", "segue_touch", "LIVE, KEEP, expiry", run_touch, NULL},
    {"Add", "segue_add", "NOT_LIVE, SET, JSON_YES", run_add, NULL},
    {"AddRaw", "segue_add_raw", "NOT_LIVE, SET, JSON_AUTO", run_add_raw, NULL},
    {"Set", "segue_set", "ANY, SET, JSON_YES", run_set, NULL},
    {"SetRaw", "segue_set_raw", "ANY, SET, JSON_AUTO", run_set_raw, NULL},
    {"WriteCas", "segue_write_cas", "CAS (0: NOT_LIVE), SET or APPEND", run_write_cas, NULL},
    {"Delete", "segue_delete", "ANY, DELETE", run_delete, NULL},
    {"Remove", "segue_remove", "CAS (0: NOT_LIVE), DELETE", run_remove, NULL},
    {"Update", "segue_update", "the callback's, under RECORD_CAS or ABSENT", run_update, NULL},
    {"Incr", "segue_incr", "ANY, ADD, a live one keeps its expiry", run_incr, NULL},
    {"GetExpiry", "segue_get_expiry", "", run_get_expiry, NULL},
    {"Exists", "segue_exists", "", run_exists, NULL},
    {"GetXattrs", "segue_xattrs_get", "", run_get_xattrs, NULL},
    {"GetWithXattrs", "segue_get_with_xattrs", "", run_get_with_xattrs, NULL},
    {"WriteWithXattrs", "segue_write_with_xattrs", "CAS (0: NOT_LIVE), SET or KEEP, xattrs", run_write_with_xattrs,
     NULL},
    {"WriteTombstoneWithXattrs", "segue_write_tombstone", "CAS, DELETE or KEEP; 0: ABSENT, KEEP, AS_TOMBSTONE",
     run_write_tombstone, NULL},
    {"WriteResurrectionWithXattrs", "segue_write_resurrection", "NOT_LIVE, SET, xattrs", run_write_resurrection, NULL},
    {"SetXattrs", "segue_xattrs_set", "ANY, KEEP, xattrs", run_set_xattrs, NULL},
    {"RemoveXattrs", "segue_xattrs_remove", "CAS (0: NOT_LIVE), KEEP, drops", run_remove_xattrs, NULL},
    {"DeleteSubDocPaths", "segue_xattrs_drop", "ANY, KEEP, drops, DROP_MISSING_OK", run_delete_sub_doc_paths, NULL},
    {"DeleteWithXattrs", "segue_delete_with_xattrs", "ANY, DELETE, drops, TOMBSTONE_OK, DROP_MISSING_OK",
     run_delete_with_xattrs, NULL},
    {"UpdateXattrs", "segue_xattrs_update", "CAS (0: NOT_LIVE), KEEP, xattrs, expiry", run_update_xattrs, NULL},
    {"WriteUpdateWithXattrs", "segue_write_update_with_xattrs", "the callback's, under RECORD_CAS or ABSENT",
     run_write_update_with_xattrs, NULL},
    {"GetSubDocRaw", "segue_subdoc_get", "", run_get_sub_doc_raw, NULL},
    {"SubdocInsert", "segue_subdoc_insert", "ANY or CAS, KEEP, path INSERT", run_subdoc_insert, NULL},
    {"WriteSubDoc", "segue_subdoc_set", "ANY or CAS, KEEP, path SET, FROM_EMPTY", run_write_sub_doc, NULL},
};

/* What programs use beside the interface. */
static const row beside[] = {
    {"TouchXattrWithCas", "segue_touch_xattr", "CAS, KEEP, a path set with parents", run_touch_xattr, NULL},
    {"SetWithMeta", "segue_put_with_meta", "", run_set_with_meta, NULL},
    {"DeleteWithMeta", "segue_put_with_meta", "", run_delete_with_meta, NULL},
};

static void the_table_is_complete(void **state)
{
    (void)state;
    size_t later = 0;
    assert_int_equal(N(table), 35);
    for (size_t i = 0; i < N(table); i++) {
        const row *r = &table[i];
        for (size_t j = 0; j < i; j++)
            if (strcmp(r->operation, table[j].operation) == 0) fail_msg("%s stands there twice", r->operation);
        if (!r->run == !r->later) fail_msg("%s: neither or both of a call and a reason", r->operation);
        if (r->run && !r->call[0]) fail_msg("%s: which call is it?", r->operation);
        later += r->later != NULL;
    }
    assert_int_equal(later, 2);
}

static void run_all(const row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const row *r = &rows[i];
        running = r->operation;
        if (!r->run) {
            print_message("%s: not here: %s\n", r->operation, r->later);
            continue;
        }
        segue_store *store = NULL;
        OK(segue_open("mem:", NULL, &store, &err));
        r->run(store);
        segue_close(store);
    }
}

static void each_operation_does_what_its_call_promises(void **state)
{
    (void)state;
    run_all(table, N(table));
    run_all(beside, N(beside));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_complete),
        cmocka_unit_test(each_operation_does_what_its_call_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
