/* Conformance: what every operation does from every start: where nothing is, on a live document, on a tombstone. The targets
 * say where these lie, and whether the tombstone is one or what has expired. One row for each way to call an operation. */
#include "conform.h"

#include <stdio.h>

#include "base/base.h"

/* ---- the operations: each on t->store, with the CAS of what is there ---- */

enum { NO_CAS = 12345 };
static const uint32_t LATER = 4000000000u;

typedef struct at {
    const char *key;
    uint64_t cas; /* of the record; NO_CAS where there is none */
} at;

#define VERB(name, call)                                                                                               \
    static segue_status name(cf *t, const at *a) { return (call); }
#define S t->store, K(a->key)
#define E NULL, &t->err

static segue_status exists(cf *t, const at *a)
{
    bool there = false;
    segue_status st = segue_exists(S, NULL, &there, &t->err);
    return st == SEGUE_OK && !there ? SEGUE_NOT_FOUND : st;
}

static segue_status is_listed(cf *t, const at *a)
{
    SEG_AUTO(segue_buf) keys = {0};
    segue_range only = {.prefix = K(a->key)};
    return strcmp(do_scan(t, &only, &keys), a->key) == 0 ? SEGUE_OK : SEGUE_NOT_FOUND;
}

static segue_status get_expiry(cf *t, const at *a)
{
    uint32_t expiry = 0;
    return segue_get_expiry(S, NULL, &expiry, &t->err);
}

static segue_status subdoc_get(cf *t, const at *a)
{
    segue_slice json;
    return segue_subdoc_get(S, SEGUE_IN_BODY, K("n"), NULL, &t->doc, &json, &t->err);
}

static segue_status subdoc_get_in_xattr(cf *t, const at *a)
{
    segue_slice json;
    return segue_subdoc_get(S, SEGUE_IN_XATTR, K("_s.x"), NULL, &t->doc, &json, &t->err);
}

VERB(get, do_get(t, a->key))
VERB(get_record, do_get_record(t, a->key))
VERB(get_and_touch, segue_get_and_touch(S, segue_expiry_at(LATER), NULL, &t->doc, &t->err))
VERB(touch, do_touch(t, a->key, segue_expiry_at(LATER)))
VERB(add, do_add(t, a->key, "2"))
VERB(add_raw, segue_add_raw(S, K("2"), segue_expiry_none(), NULL, E))
VERB(set, do_set(t, a->key, "2"))
VERB(set_raw, segue_set_raw(S, K("2"), segue_expiry_none(), NULL, E))
VERB(set_keeping, do_set_expiring(t, a->key, "2", segue_expiry_keep()))
VERB(write_cas, do_write_cas(t, a->key, a->cas, "2", 0))
VERB(write_cas_wrong, do_write_cas(t, a->key, a->cas + 1, "2", SEGUE_WRITE_RAW))
VERB(write_cas_0, do_write_cas(t, a->key, 0, "2", 0))
VERB(write_cas_append, do_write_cas(t, a->key, a->cas, " ", SEGUE_WRITE_APPEND))
VERB(write_cas_add_only, do_write_cas(t, a->key, a->cas, "2", SEGUE_WRITE_ADD_ONLY))
VERB(append, do_append(t, a->key, " "))
VERB(delete, do_delete(t, a->key))
VERB(remove_by_cas, do_remove(t, a->key, a->cas))
VERB(remove_wrong, do_remove(t, a->key, a->cas + 1))
VERB(remove_0, do_remove(t, a->key, 0))
VERB(incr, do_incr(t, a->key, 1))
VERB(incr_from, do_incr_from(t, a->key, 1, 1))
VERB(subdoc_set, segue_subdoc_set(S, SEGUE_EXPECT_ANY, 0, K("n"), K("3"), NULL, E))
VERB(subdoc_set_by_cas, segue_subdoc_set(S, SEGUE_EXPECT_CAS, a->cas, K("n"), K("3"), NULL, E))
VERB(subdoc_set_wrong, segue_subdoc_set(S, SEGUE_EXPECT_CAS, a->cas + 1, K("n"), K("3"), NULL, E))
VERB(subdoc_insert, segue_subdoc_insert(S, SEGUE_EXPECT_ANY, 0, K("new"), K("3"), NULL, E))
VERB(subdoc_delete, segue_subdoc_delete(S, SEGUE_EXPECT_ANY, 0, K("n"), NULL, E))
VERB(subdoc_append, segue_subdoc_append(S, SEGUE_EXPECT_ANY, 0, K("l"), K("3"), NULL, E))
VERB(xattrs_get_system, do_xattrs_get(t, a->key, X("_s")))
VERB(xattrs_get_user, do_xattrs_get(t, a->key, X("u")))
VERB(xattrs_get_virtual, do_xattrs_get(t, a->key, X("$document.deleted")))
VERB(get_with_system, do_get_with_xattrs(t, a->key, X("_s")))
VERB(get_with_user, do_get_with_xattrs(t, a->key, X("u")))
VERB(xattrs_set, do_xattrs_set(t, a->key, X("_n=1", "_s.x=2")))
VERB(xattrs_update, do_xattrs_update(t, a->key, a->cas, X("_n=1"), segue_expiry_none()))
VERB(xattrs_update_wrong, do_xattrs_update(t, a->key, a->cas + 1, X("_n=1"), segue_expiry_none()))
VERB(xattrs_update_0, do_xattrs_update(t, a->key, 0, X("_n=1"), segue_expiry_none()))
VERB(xattrs_remove, do_xattrs_remove(t, a->key, a->cas, X("_s")))
VERB(xattrs_remove_user, do_xattrs_remove(t, a->key, a->cas, X("u")))
VERB(xattrs_remove_wrong, do_xattrs_remove(t, a->key, a->cas + 1, X("_s")))
VERB(xattrs_drop, do_xattrs_drop(t, a->key, X("_s", "none")))
VERB(xattrs_drop_missing, do_xattrs_drop(t, a->key, X("none")))
VERB(delete_with_xattrs, do_delete_with_xattrs(t, a->key, X("_s")))
VERB(delete_with_missing, do_delete_with_xattrs(t, a->key, X("none")))
VERB(touch_xattr, segue_touch_xattr(S, a->cas, K("_s.x"), K("2"), NULL, E))
VERB(touch_xattr_wrong, segue_touch_xattr(S, a->cas + 1, K("_s.x"), K("2"), NULL, E))
VERB(touch_xattr_0, segue_touch_xattr(S, 0, K("_s.x"), K("2"), NULL, E))
VERB(write_0, do_write(t, a->key, 0, "2", X("_n=1"), NULL))
VERB(write_by_cas, do_write(t, a->key, a->cas, "2", X("_n=1"), X("_s")))
VERB(write_xattrs_by_cas, do_write(t, a->key, a->cas, NULL, X("_n=1"), X("_s")))
VERB(write_wrong, do_write(t, a->key, a->cas + 1, "2", X("_n=1"), NULL))
VERB(tombstone_0, do_write_tombstone(t, a->key, 0, false, X("_n=1"), NULL))
VERB(tombstone_by_cas, do_write_tombstone(t, a->key, a->cas, false, X("_n=1"), NULL))
VERB(tombstone_deleting, do_write_tombstone(t, a->key, a->cas, true, X("_n=1"), NULL))
VERB(tombstone_deleting_0, do_write_tombstone(t, a->key, 0, true, X("_n=1"), NULL))
VERB(resurrect, do_resurrect(t, a->key, "2", X("_n=1")))

/* ---- updates ---- */

static segue_status wants_body(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current;
    m->body_op = SEGUE_BODY_SET;
    m->body = K("2");
    return SEGUE_OK;
}
static segue_status wants_deletion(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current;
    m->body_op = SEGUE_BODY_DELETE;
    return SEGUE_OK;
}
static segue_status wants_nothing(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current, (void)m;
    return SEGUE_OK;
}
static segue_status wants_to_stop(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current;
    m->body_op = SEGUE_BODY_DELETE;
    return SEGUE_CANCELLED;
}
static segue_status wants_xattrs(void *ctx, const segue_record *current, segue_updated *u)
{
    static const segue_xattr x = {{"_n", 2}, {"1", 1}};
    (void)current;
    u->write.body = K(ctx ? NULL : "2");
    u->is_tombstone = ctx != NULL;
    u->write.set = &x;
    u->write.n_set = 1;
    return SEGUE_OK;
}

VERB(update_body, do_update(t, a->key, wants_body, NULL, NULL))
VERB(update_deletion, do_update(t, a->key, wants_deletion, NULL, NULL))
VERB(update_nothing, do_update(t, a->key, wants_nothing, NULL, NULL))
VERB(update_stopped, do_update(t, a->key, wants_to_stop, NULL, NULL))
VERB(update_xattrs, segue_write_update_with_xattrs(S, wants_xattrs, NULL, NULL, &t->outcome, &t->err))
VERB(update_tombstone, segue_write_update_with_xattrs(S, wants_xattrs, t, NULL, &t->outcome, &t->err))

/* ---- the table ---- */

typedef enum start { NONE, LIVE, DEAD } start;

/* What is there afterwards: '=' the same as before, 'L' a live document, 'T' a tombstone, of the next revision. */
typedef struct outcome {
    segue_status status;
    char after;
} outcome;

typedef struct row {
    const char *name;
    segue_status (*run)(cf *t, const at *a);
    outcome from[3];  /* by start */
    const char *body; /* of the live document, if not {"n":1,"l":[]} */
} row;

#define ROW(verb, none, none_after, live, live_after, dead, dead_after)                                                \
    {                                                                                                                  \
#verb, verb, {{SEGUE_##none, none_after }, {SEGUE_##live, live_after }, {SEGUE_##dead, dead_after } }, NULL    \
    }
#define READ(verb, none, live, dead) ROW(verb, none, '=', live, '=', dead, '=')
#define COUNT(verb, none, none_after, dead, dead_after)                                                                \
    {                                                                                                                  \
#verb, verb, {{SEGUE_##none, none_after }, {SEGUE_OK, 'L' }, {SEGUE_##dead, dead_after } }, "5"                \
    }

static const row rows[] = {
    READ(get, NOT_FOUND, OK, NOT_FOUND),
    READ(get_record, NOT_FOUND, OK, OK),
    READ(exists, NOT_FOUND, OK, NOT_FOUND),
    READ(is_listed, NOT_FOUND, OK, NOT_FOUND),
    READ(get_expiry, NOT_FOUND, OK, OK),
    READ(subdoc_get, NOT_FOUND, OK, NOT_FOUND),
    READ(subdoc_get_in_xattr, NOT_FOUND, OK, OK),
    READ(xattrs_get_system, NOT_FOUND, OK, OK),
    READ(xattrs_get_user, NOT_FOUND, OK, XATTR_NOT_FOUND),
    READ(xattrs_get_virtual, NOT_FOUND, OK, OK),
    READ(get_with_system, NOT_FOUND, OK, OK),
    READ(get_with_user, NOT_FOUND, OK, NOT_FOUND),
    ROW(get_and_touch, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(touch, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(add, OK, 'L', EXISTS, '=', OK, 'L'),
    ROW(add_raw, OK, 'L', EXISTS, '=', OK, 'L'),
    ROW(set, OK, 'L', OK, 'L', OK, 'L'),
    ROW(set_raw, OK, 'L', OK, 'L', OK, 'L'),
    ROW(set_keeping, OK, 'L', OK, 'L', OK, 'L'),
    ROW(write_cas, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(write_cas_wrong, NOT_FOUND, '=', CAS_MISMATCH, '=', NOT_FOUND, '='),
    ROW(write_cas_0, OK, 'L', EXISTS, '=', OK, 'L'),
    ROW(write_cas_append, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(write_cas_add_only, OK, 'L', EXISTS, '=', OK, 'L'),
    ROW(append, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(delete, NOT_FOUND, '=', OK, 'T', NOT_FOUND, '='),
    ROW(remove_by_cas, NOT_FOUND, '=', OK, 'T', NOT_FOUND, '='),
    ROW(remove_wrong, NOT_FOUND, '=', CAS_MISMATCH, '=', NOT_FOUND, '='),
    ROW(remove_0, NOT_FOUND, '=', EXISTS, '=', NOT_FOUND, '='),
    COUNT(incr, NOT_FOUND, '=', NOT_FOUND, '='),
    COUNT(incr_from, OK, 'L', OK, 'L'),
    ROW(subdoc_set, OK, 'L', OK, 'L', OK, 'L'),
    ROW(subdoc_set_by_cas, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(subdoc_set_wrong, NOT_FOUND, '=', CAS_MISMATCH, '=', NOT_FOUND, '='),
    ROW(subdoc_insert, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(subdoc_delete, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(subdoc_append, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(xattrs_set, NOT_FOUND, '=', OK, 'L', OK, 'T'),
    ROW(xattrs_update, NOT_FOUND, '=', OK, 'L', OK, 'T'),
    ROW(xattrs_update_wrong, NOT_FOUND, '=', CAS_MISMATCH, '=', CAS_MISMATCH, '='),
    ROW(xattrs_update_0, NOT_FOUND, '=', EXISTS, '=', OK, 'T'),
    ROW(xattrs_remove, NOT_FOUND, '=', OK, 'L', OK, 'T'),
    ROW(xattrs_remove_user, NOT_FOUND, '=', OK, 'L', PATH_NOT_FOUND, '='),
    ROW(xattrs_remove_wrong, NOT_FOUND, '=', CAS_MISMATCH, '=', CAS_MISMATCH, '='),
    ROW(xattrs_drop, NOT_FOUND, '=', OK, 'L', OK, 'T'),
    ROW(xattrs_drop_missing, NOT_FOUND, '=', OK, '=', OK, '='),
    ROW(delete_with_xattrs, NOT_FOUND, '=', OK, 'T', OK, 'T'),
    ROW(delete_with_missing, NOT_FOUND, '=', OK, 'T', NOT_FOUND, '='),
    ROW(touch_xattr, NOT_FOUND, '=', OK, 'L', OK, 'T'),
    ROW(touch_xattr_0, NOT_FOUND, '=', EXISTS, '=', OK, 'T'),
    ROW(touch_xattr_wrong, NOT_FOUND, '=', CAS_MISMATCH, '=', CAS_MISMATCH, '='),
    ROW(write_0, OK, 'L', EXISTS, '=', OK, 'L'),
    ROW(write_by_cas, NOT_FOUND, '=', OK, 'L', NOT_FOUND, '='),
    ROW(write_xattrs_by_cas, NOT_FOUND, '=', OK, 'L', OK, 'T'),
    ROW(write_wrong, NOT_FOUND, '=', CAS_MISMATCH, '=', NOT_FOUND, '='),
    ROW(tombstone_0, OK, 'T', EXISTS, '=', EXISTS, '='),
    ROW(tombstone_by_cas, NOT_FOUND, '=', OK, 'L', OK, 'T'),
    ROW(tombstone_deleting, NOT_FOUND, '=', OK, 'T', NOT_FOUND, '='),
    ROW(tombstone_deleting_0, NOT_FOUND, '=', EXISTS, '=', NOT_FOUND, '='),
    ROW(resurrect, OK, 'L', EXISTS, '=', OK, 'L'),
    ROW(update_body, OK, 'L', OK, 'L', OK, 'L'),
    ROW(update_deletion, OK, '=', OK, 'T', OK, '='),
    ROW(update_nothing, OK, '=', OK, '=', OK, '='),
    ROW(update_stopped, CANCELLED, '=', CANCELLED, '=', CANCELLED, '='),
    ROW(update_xattrs, OK, 'L', OK, 'L', OK, 'L'),
    ROW(update_tombstone, OK, 'T', OK, 'T', OK, 'T'),
};

/* ---- each row ---- */

static uint64_t prepare(cf *t, const row *r, start from, const char *key)
{
    if (from == NONE) return NO_CAS;
    if (from == DEAD) return fx_tombstone(t, key, X("_s={\"x\":1}"));
    return fx_doc_expiring(t, key, r->body ? r->body : "{\"n\":1,\"l\":[]}", segue_expiry_in(10000),
                           X("_s={\"x\":1}", "u=2"));
}

/* Nothing of a stale document in the fallback shows; what dies keeps no user xattr. */
static void check_record(cf *t, const char *key, uint64_t revision, uint64_t old_cas)
{
    EQ(revision, t->doc.rec.revision);
    NE(old_cas, t->doc.rec.cas);
    XATTR_IS(key, "_stale", NULL);
    XATTR_IS(key, "stale", NULL);
    if (t->doc.rec.is_tombstone) XATTR_IS(key, "u", NULL);
}

static void check_status(const row *r, segue_status want, segue_status got)
{
    if (got != want) fail_msg("%s: %s, not %s", r->name, segue_status_name(got), segue_status_name(want));
}

static void run_row(cf *t, const row *r, start from)
{
    const outcome *want = &r->from[from];
    at a = {.key = r->name, .cas = prepare(t, r, from, r->name)};
    cf_state before = {0};
    if (from != NONE) before = cf_state_of(t, a.key);
    segue_status st = r->run(t, &a);
    if (st != want->status) fail_msg("%s: %s, not %s", r->name, segue_status_name(st), segue_status_name(want->status));
    switch (want->after) {
    case 'L':
        IS(OK, do_get(t, a.key));
        check_record(t, a.key, before.revision + 1, before.cas);
        break;
    case 'T':
        TOMBSTONE(a.key);
        check_record(t, a.key, before.revision + 1, before.cas);
        break;
    default:
        if (from == NONE) NOTHING(a.key);
        else UNCHANGED(a.key, before);
    }
}

static void run_rows(cf *t, start from)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) run_row(t, &rows[i], from);
}

static void from_nothing(cf *t) { run_rows(t, NONE); }
static void from_live(cf *t) { run_rows(t, LIVE); }
static void from_tombstone(cf *t) { run_rows(t, DEAD); }

/* ---- B9, for every operation ---- */

/* A key of 250 bytes is one like any other, one of 251 is none. Each row has its own. */
static void limits_of_keys(cf *t)
{
    char key[SEGUE_KEY_MAX + 2];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const row *r = &rows[i];
        at a = {.key = key, .cas = NO_CAS};
        memset(key, 'k', sizeof key);
        memcpy(key, r->name, strlen(r->name));
        key[SEGUE_KEY_MAX + 1] = 0;
        if (r->run != is_listed) check_status(r, SEGUE_INVALID_KEY, r->run(t, &a));
        key[SEGUE_KEY_MAX] = 0;
        check_status(r, r->from[NONE].status, r->run(t, &a));
    }
}

typedef struct with_xattr {
    const char *key;
    uint64_t cas;
    segue_xattr x;
} with_xattr;

static segue_xattr_write write_of(const with_xattr *w, const char *body)
{
    return (segue_xattr_write){.body = K(body), .set = &w->x, .n_set = 1};
}

static segue_status mutate_path(cf *t, const with_xattr *w, segue_slice path)
{
    segue_path_op op = {SEGUE_PATH_SET, SEGUE_IN_XATTR, path, w->x.value, SEGUE_PATH_PARENTS};
    segue_mutation m = {.paths = &op, .n_paths = 1};
    return do_mutate(t, w->key, &m);
}

static segue_status sets_xattr(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)current;
    m->set_xattrs = ctx;
    m->n_set_xattrs = 1;
    return SEGUE_OK;
}

static segue_status updates_xattr(void *ctx, const segue_record *current, segue_updated *u)
{
    (void)current;
    u->write.set = ctx;
    u->write.n_set = 1;
    return SEGUE_OK;
}

#define XVERB(name, call)                                                                                              \
    static segue_status name(cf *t, with_xattr *w) { return (call); }
#define SW t->store, K(w->key)
#define WRITE(body)                                                                                                    \
    (segue_xattr_write[]) { write_of(w, body) }

XVERB(x_set, segue_xattrs_set(SW, &w->x, 1, NULL, E))
XVERB(x_update, segue_xattrs_update(SW, w->cas, &w->x, 1, segue_expiry_none(), NULL, E))
XVERB(x_touch, segue_touch_xattr(SW, w->cas, w->x.name, w->x.value, NULL, E))
XVERB(x_write, segue_write_with_xattrs(SW, w->cas, WRITE("2"), NULL, E))
XVERB(x_write_xattrs, segue_write_with_xattrs(SW, w->cas, WRITE(NULL), NULL, E))
XVERB(x_tombstone, segue_write_tombstone(SW, w->cas, true, WRITE(NULL), NULL, E))
XVERB(x_update_fn, segue_update(SW, sets_xattr, &w->x, NULL, NULL, &t->err))
XVERB(x_write_update, segue_write_update_with_xattrs(SW, updates_xattr, &w->x, NULL, NULL, &t->err))
XVERB(x_mutate, do_mutate(t, w->key, (segue_mutation[]){{.set_xattrs = &w->x, .n_set_xattrs = 1}}))
XVERB(x_path, mutate_path(t, w, w->x.name))
XVERB(x_insert, segue_write_with_xattrs(SW, 0, WRITE("2"), NULL, E))
XVERB(x_new_tombstone, segue_write_tombstone(SW, 0, false, WRITE(NULL), NULL, E))
XVERB(x_resurrect, segue_write_resurrection(SW, WRITE("2"), NULL, E))

static segue_status x_put_record(cf *t, with_xattr *w)
{
    segue_record rec = {.key = K(w->key), .body = K("2"), .xattrs = &w->x, .n_xattrs = 1, .revision = 1};
    return segue_put_record(t->store, &rec, 0, NULL, NULL, &t->err);
}

static const struct {
    segue_status (*run)(cf *t, with_xattr *w);
    bool inserts;
} x_rows[] = {{x_set, false},          {x_update, false},    {x_touch, false},     {x_write, false},
              {x_write_xattrs, false}, {x_tombstone, false}, {x_update_fn, false}, {x_write_update, false},
              {x_mutate, false},       {x_path, false},      {x_insert, true},     {x_new_tombstone, true},
              {x_resurrect, true},     {x_put_record, true}};

/* The operation fits once, and one byte more is refused and changes nothing. */
static void check_limit(cf *t, size_t i, char kind, segue_xattr fits, segue_xattr over, segue_status refusal)
{
    char key[16];
    (void)snprintf(key, sizeof key, "x%zu%c", i, kind); /* fits */
    with_xattr w = {.key = key, .x = over};
    cf_state before = {0};
    if (!x_rows[i].inserts) {
        IS(OK, do_write(t, key, 0, "1", X("u=1"), NULL));
        w.cas = t->cas;
        before = cf_state_of(t, key);
    }
    segue_status st = x_rows[i].run(t, &w);
    if (st != refusal) fail_msg("%s: %s, not %s", key, segue_status_name(st), segue_status_name(refusal));
    if (x_rows[i].inserts) NOTHING(key);
    else UNCHANGED(key, before);
    w.x = fits;
    IS(OK, x_rows[i].run(t, &w));
    IS(OK, do_get_record(t, key));
    const segue_xattr *x = segue_record_xattr(&t->doc.rec, fits.name);
    CHECK(x && segue_slice_equal(x->value, fits.value));
}

static void limits_of_every_xattr_write(cf *t)
{
    static char value[SEGUE_SYSTEM_XATTRS_MAX];
    static const char name[] = "_234567890123456";
    size_t room = sizeof value - 2; /* the name is _a */
    for (size_t i = 0; i < sizeof x_rows / sizeof *x_rows; i++) {
        segue_xattr fits = {segue_bytes(name, SEGUE_XATTR_NAME_MAX), K("1")};
        segue_xattr over = {segue_bytes(name, SEGUE_XATTR_NAME_MAX + 1), K("1")};
        check_limit(t, i, 'n', fits, over, SEGUE_INVALID_XATTR_NAME);
        memset(value, '1', sizeof value);
        fits = (segue_xattr){K("_a"), segue_bytes(value, room)};
        over = (segue_xattr){K("_a"), segue_bytes(value, room + 1)};
        check_limit(t, i, 's', fits, over, SEGUE_TOO_BIG);
    }
    segue_doc_free(&t->doc);
}

const cf_case cf_start_cases[] = {
    {"S1b", "every operation where nothing is", RUNS_ONCE, from_nothing, NULL},
    {"S1c", "every operation on a live document", 0, from_live, NULL},
    {"S1d", "every operation on a tombstone", 0, from_tombstone, NULL},
    {"B9e", "every operation knows the limit of keys", RUNS_ONCE, limits_of_keys, NULL},
    {"B9f", "every operation that writes xattrs knows the limits of names and sizes", RUNS_ONCE,
     limits_of_every_xattr_write, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
