/* What each operation of Sync Gateway's DataStore interface does, by a call of <segue/ops.h>, <segue/store.h> or
 * <segue/feed.h>: a function for each, run by test_mapping.c on a store in memory. It notes whether the call that the table
 * names is made. Header only. */
#ifndef MAPPING_CALLS_H
#define MAPPING_CALLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/feed.h>
#include <segue/ops.h>

#include "support/show.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

static segue_error err;
static const char *running; /* the operation, for messages */

/* The call that the row names, and whether it is running: the text of a call is the call, so a name that is not called is found
 * out. */
static const char *named;
static bool is_named_running;
static unsigned n_named;

static void note_call(const char *text)
{
    size_t n = strlen(named);
    const char *at = strstr(text, named);
    is_named_running = at && at[n] == '(';
    n_named += is_named_running;
}

#define STATUS(expected, call)                                                                                         \
    do {                                                                                                               \
        note_call(#call);                                                                                              \
        segue_status got_ = (call);                                                                                    \
        is_named_running = false;                                                                                      \
        if (got_ != (expected))                                                                                        \
            fail_msg("%s: %s: %s (%s), expected %s", running, #call, segue_status_name(got_), err.message, #expected); \
    } while (0)
#define OK(call) STATUS(SEGUE_OK, call)
#define HOLDS(condition)                                                                                               \
    do {                                                                                                               \
        note_call(#condition);                                                                                         \
        if (!(condition)) fail_msg("%s: not so: %s", running, #condition);                                             \
        is_named_running = false;                                                                                      \
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

static void run_name(segue_store *s) { HOLDS(strstr(segue_store_url(s), "mem:s?collection=a.b")); }

static void run_is_supported(segue_store *s)
{
    const unsigned some = SEGUE_CAP_FLAGS | SEGUE_CAP_KEEP_CAS | SEGUE_CAP_DURABLE;
    HOLDS((segue_store_caps(s) & some) == (SEGUE_CAP_FLAGS | SEGUE_CAP_KEEP_CAS));
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
    STATUS(SEGUE_NOT_FOUND, segue_write_tombstone(s, k, 0, true, &w, NULL, NULL, &err));
    OK(segue_write_tombstone(s, k, 0, false, &w, NULL, &cas, &err));
    is_shown(s, "T _s=3");
    STATUS(SEGUE_EXISTS, segue_write_tombstone(s, k, 0, false, &w, NULL, NULL, &err));
    OK(segue_write_tombstone(s, k, cas, false, &w, NULL, &cas, &err));
    STATUS(SEGUE_NOT_FOUND, segue_write_tombstone(s, k, cas, true, &w, NULL, NULL, &err));
    cas = plant(s);
    STATUS(SEGUE_EXISTS, segue_write_tombstone(s, k, 0, true, &w, NULL, NULL, &err));
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
    STATUS(SEGUE_EXISTS, segue_touch_xattr(s, k, 0, segue_str("_t.x"), two, NULL, NULL, &err));
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

/* ---- several documents ---- */

static void run_scan(segue_store *s)
{
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_range range = {.from = segue_str("b"), .to = segue_str("d"), .options = SEGUE_SCAN_TO_OPEN};
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < N(keys); i++)
        OK(segue_set(s, segue_str(keys[i]), body, segue_expiry_none(), NULL, NULL, &err));
    OK(segue_delete(s, segue_str("c"), NULL, &err));
    OK(segue_scan_open(s, &range, &scan, &err));
    OK(segue_scan_next(scan, &rec, &err));
    HOLDS(segue_slice_equal(rec->key, segue_str("b")) && segue_slice_equal(rec->body, body));
    STATUS(SEGUE_END, segue_scan_next(scan, &rec, &err));
    segue_scan_close(scan);
    range.options = 1u << 31;
    STATUS(SEGUE_INVALID_ARGUMENT, segue_scan_open(s, &range, &scan, &err));
}

static void run_feed(segue_store *s)
{
    segue_feed *feed = NULL;
    segue_feed_event event;
    segue_feed_options options = {.flags = SEGUE_FEED_NO_BODIES};
    uint64_t cas = plant(s);
    OK(segue_feed_open(&s, 1, &options, &feed, &err));
    OK(segue_feed_next(feed, 0, &event, &err));
    HOLDS(event.rec.cas == cas && event.rec.n_xattrs == 2 && event.rec.body.size == 0);
    STATUS(SEGUE_TIMEOUT, segue_feed_next(feed, 0, &event, &err));
    OK(segue_remove(s, k, cas, NULL, &cas, &err));
    OK(segue_feed_next(feed, 0, &event, &err));
    HOLDS(event.rec.cas == cas && event.rec.is_tombstone && event.rec.n_xattrs == 1);
    segue_feed_close(feed);
}

static void run_purge(segue_store *s)
{
    uint64_t count = 5;
    OK(segue_purge_tombstones(s, &count, &err));
    HOLDS(count == 0);
    plant_tombstone(s);
    OK(segue_set(s, segue_str("live"), body, segue_expiry_none(), NULL, NULL, &err));
    OK(segue_purge_tombstones(s, &count, &err));
    HOLDS(count == 1);
    is_shown(s, "none");
}

#endif
