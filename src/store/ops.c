/* L3: the named forms of <segue/ops.h>. Each fills a mutation and calls segue_mutate, or reads once; no rule of a document
 * is decided here but those that are about the arguments of the operation itself. */
#include <segue/ops.h>

#include "base/base.h"
#include "doc/doc.h"
#include "doc/select.h"
#include "store/loop.h"

static segue_status mutate(segue_store *store, segue_slice key, const segue_mutation *m, const segue_options *options,
                           uint64_t *ret_cas, segue_error *reterr)
{
    segue_outcome outcome = {0};
    segue_status st = segue_mutate(store, key, m, options, &outcome, NULL, reterr);
    if (st == SEGUE_OK && ret_cas) *ret_cas = outcome.cas;
    return st;
}

static void expect_cas(segue_mutation *m, uint64_t cas)
{
    m->expect = cas ? SEGUE_EXPECT_CAS : SEGUE_EXPECT_NOT_LIVE;
    m->cas = cas;
}

/* ---- bodies ---- */

static segue_status write_body(segue_store *store, segue_slice key, segue_slice body, segue_expiry expiry,
                               segue_expect expect, segue_json json, const segue_options *options, uint64_t *ret_cas,
                               segue_error *reterr)
{
    segue_mutation m = {.expect = expect, .body_op = SEGUE_BODY_SET, .body = body, .expiry = expiry, .json = json};
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_add(segue_store *store, segue_slice key, segue_slice body, segue_expiry expiry,
                       const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    return write_body(store, key, body, expiry, SEGUE_EXPECT_NOT_LIVE, SEGUE_JSON_YES, options, ret_cas, reterr);
}

segue_status segue_set(segue_store *store, segue_slice key, segue_slice body, segue_expiry expiry,
                       const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    return write_body(store, key, body, expiry, SEGUE_EXPECT_ANY, SEGUE_JSON_YES, options, ret_cas, reterr);
}

segue_status segue_add_raw(segue_store *store, segue_slice key, segue_slice body, segue_expiry expiry,
                           const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    return write_body(store, key, body, expiry, SEGUE_EXPECT_NOT_LIVE, SEGUE_JSON_AUTO, options, ret_cas, reterr);
}

segue_status segue_set_raw(segue_store *store, segue_slice key, segue_slice body, segue_expiry expiry,
                           const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    return write_body(store, key, body, expiry, SEGUE_EXPECT_ANY, SEGUE_JSON_AUTO, options, ret_cas, reterr);
}

segue_status segue_write_cas(segue_store *store, segue_slice key, uint64_t cas, segue_slice body, segue_expiry expiry,
                             unsigned write_options, const segue_options *options, uint64_t *ret_cas,
                             segue_error *reterr)
{
    segue_call call = {.err = reterr};
    segue_status st = seg_options_check(write_options, SEGUE_WRITE_RAW | SEGUE_WRITE_ADD_ONLY | SEGUE_WRITE_APPEND,
                                        "a write by CAS", &call);
    if (st != SEGUE_OK) return st;
    bool append = write_options & SEGUE_WRITE_APPEND;
    bool raw = append || (write_options & SEGUE_WRITE_RAW);
    segue_mutation m = {.body_op = append ? SEGUE_BODY_APPEND : SEGUE_BODY_SET,
                        .body = body,
                        .expiry = expiry,
                        .json = raw ? SEGUE_JSON_AUTO : SEGUE_JSON_YES};
    if (m.expiry.op == SEGUE_EXPIRY_DEFAULT) m.expiry.op = SEGUE_EXPIRY_NONE; /* also where it is appended */
    expect_cas(&m, write_options & SEGUE_WRITE_ADD_ONLY ? 0 : cas);
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_append(segue_store *store, segue_slice key, segue_slice fragment, const segue_options *options,
                          uint64_t *ret_cas, segue_error *reterr)
{
    segue_mutation m = {.body_op = SEGUE_BODY_APPEND, .body = fragment};
    return mutate(store, key, &m, options, ret_cas, reterr);
}

static segue_mutation touching(segue_expiry expiry)
{
    segue_mutation m = {.expect = SEGUE_EXPECT_LIVE, .expiry = expiry};
    return m;
}

segue_status segue_touch(segue_store *store, segue_slice key, segue_expiry expiry, const segue_options *options,
                         uint64_t *ret_cas, segue_error *reterr)
{
    segue_mutation m = touching(expiry);
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_get_and_touch(segue_store *store, segue_slice key, segue_expiry expiry, const segue_options *options,
                                 segue_doc *doc, segue_error *reterr)
{
    segue_mutation m = touching(expiry);
    return segue_mutate(store, key, &m, options, NULL, doc, reterr);
}

segue_status segue_delete(segue_store *store, segue_slice key, const segue_options *options, segue_error *reterr)
{
    segue_mutation m = {.body_op = SEGUE_BODY_DELETE};
    return mutate(store, key, &m, options, NULL, reterr);
}

segue_status segue_remove(segue_store *store, segue_slice key, uint64_t cas, const segue_options *options,
                          uint64_t *ret_cas, segue_error *reterr)
{
    segue_mutation m = {.body_op = SEGUE_BODY_DELETE};
    expect_cas(&m, cas);
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_incr(segue_store *store, segue_slice key, uint64_t delta, const uint64_t *initial,
                        segue_expiry expiry, const segue_options *options, uint64_t *ret_value, segue_error *reterr)
{
    segue_mutation m = {.body_op = SEGUE_BODY_ADD,
                        .delta = delta,
                        .initial = initial ? *initial : 0,
                        .has_initial = initial != NULL,
                        .expiry = expiry};
    m.expiry.keep_if_live = true;
    segue_outcome outcome = {0};
    segue_status st = segue_mutate(store, key, &m, options, &outcome, NULL, reterr);
    if (st == SEGUE_OK && ret_value) *ret_value = outcome.counter;
    return st;
}

segue_status segue_exists(segue_store *store, segue_slice key, const segue_options *options, bool *ret_exists,
                          segue_error *reterr)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_error why;
    segue_status st = seg_store_get(store, key, false, options, &doc, &why);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) return seg_call_give(store, st, &why, reterr);
    if (ret_exists) *ret_exists = st == SEGUE_OK && !doc.rec.is_tombstone;
    return SEGUE_OK;
}

segue_status segue_get_expiry(segue_store *store, segue_slice key, const segue_options *options, uint32_t *ret_expiry,
                              segue_error *reterr)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = seg_store_get(store, key, false, options, &doc, reterr);
    if (st == SEGUE_OK && ret_expiry) *ret_expiry = doc.rec.is_tombstone ? 0 : doc.rec.expiry;
    return st;
}

/* ---- paths ---- */

segue_status segue_subdoc_get(segue_store *store, segue_slice key, segue_path_in in, segue_slice path,
                              const segue_options *options, segue_doc *doc, segue_slice *ret_json, segue_error *reterr)
{
    segue_call call = {.err = reterr};
    segue_status st = seg_selection_check(in, path, &call);
    if (st != SEGUE_OK) return st;
    st = in == SEGUE_IN_BODY ? segue_get(store, key, options, doc, reterr)
                             : seg_store_get(store, key, seg_select_needs_body(&path, 1), options, doc, reterr);
    if (st == SEGUE_OK) st = seg_doc_select_one(doc, in, path, ret_json, &call);
    return st;
}

/* Into the body. */
static segue_status write_path(segue_store *store, segue_slice key, segue_expect expect, uint64_t cas,
                               segue_path_action action, segue_slice path, segue_slice json,
                               const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    segue_path_op op = {.action = action, .in = SEGUE_IN_BODY, .path = path, .value = json};
    segue_mutation m = {.expect = expect, .cas = cas, .paths = &op, .n_paths = 1};
    if (action == SEGUE_PATH_SET) m.options = SEGUE_M_FROM_EMPTY;
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_subdoc_set(segue_store *store, segue_slice key, segue_expect expect, uint64_t cas, segue_slice path,
                              segue_slice json, const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    return write_path(store, key, expect, cas, SEGUE_PATH_SET, path, json, options, ret_cas, reterr);
}

segue_status segue_subdoc_insert(segue_store *store, segue_slice key, segue_expect expect, uint64_t cas,
                                 segue_slice path, segue_slice json, const segue_options *options, uint64_t *ret_cas,
                                 segue_error *reterr)
{
    return write_path(store, key, expect, cas, SEGUE_PATH_INSERT, path, json, options, ret_cas, reterr);
}

segue_status segue_subdoc_delete(segue_store *store, segue_slice key, segue_expect expect, uint64_t cas,
                                 segue_slice path, const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    segue_slice none = {0};
    return write_path(store, key, expect, cas, SEGUE_PATH_DELETE, path, none, options, ret_cas, reterr);
}

segue_status segue_subdoc_append(segue_store *store, segue_slice key, segue_expect expect, uint64_t cas,
                                 segue_slice path, segue_slice json, const segue_options *options, uint64_t *ret_cas,
                                 segue_error *reterr)
{
    return write_path(store, key, expect, cas, SEGUE_PATH_APPEND, path, json, options, ret_cas, reterr);
}

/* ---- xattrs: reading ---- */

static segue_status nothing_given(segue_slice key, const char *what, segue_error *reterr)
{
    char quoted[SEG_QUOTED_MAX];
    return seg_error_set(reterr, SEGUE_XATTRS_REQUIRED, "%s: %s were given", seg_quote(key, quoted), what);
}

segue_status segue_xattrs_get(segue_store *store, segue_slice key, const segue_slice *names, size_t n_names,
                              const segue_options *options, segue_doc *doc, segue_error *reterr)
{
    char quoted[SEG_QUOTED_MAX];
    if (n_names == 0) return nothing_given(key, "no names of xattrs to read", reterr);
    segue_call call = {.err = reterr};
    bool with_body = seg_select_needs_body(names, n_names);
    segue_status st = seg_select_check(n_names, &call);
    if (st == SEGUE_OK) st = seg_store_get(store, key, with_body, options, doc, reterr);
    if (st == SEGUE_OK) st = seg_doc_select(doc, names, n_names, &call);
    if (st != SEGUE_OK) return st;
    if (doc->rec.n_xattrs == 0) {
        segue_doc_clear(doc);
        return seg_error_set(reterr, SEGUE_XATTR_NOT_FOUND, "%s: %s has none of the xattrs asked for", store->url,
                             seg_quote(key, quoted));
    }
    doc->rec.body.data = NULL;
    doc->rec.body.size = 0;
    return SEGUE_OK;
}

segue_status segue_get_with_xattrs(segue_store *store, segue_slice key, const segue_slice *names, size_t n_names,
                                   const segue_options *options, segue_doc *doc, segue_error *reterr)
{
    char quoted[SEG_QUOTED_MAX];
    segue_doc_clear(doc);
    segue_call call = {.err = reterr};
    segue_status st = seg_select_check(n_names, &call);
    if (st == SEGUE_OK) st = segue_get_record(store, key, options, doc, reterr);
    if (st == SEGUE_OK) st = seg_doc_select(doc, names, n_names, &call);
    if (st != SEGUE_OK) return st;
    if (doc->rec.is_tombstone && doc->rec.n_xattrs == 0)
        return seg_error_set(reterr, SEGUE_NOT_FOUND, "%s: %s is a tombstone without any of the xattrs asked for",
                             store->url, seg_quote(key, quoted));
    return SEGUE_OK;
}

/* ---- xattrs: writing ---- */

static segue_status need_values(segue_slice key, const segue_xattr *xattrs, size_t n, segue_error *reterr)
{
    char quoted[SEG_QUOTED_MAX], name[SEG_QUOTED_MAX];
    for (size_t i = 0; i < n; i++)
        if (!xattrs[i].value.data)
            return seg_error_set(reterr, SEGUE_XATTR_VALUE_REQUIRED, "%s: xattr %s was given without a value",
                                 seg_quote(key, quoted), seg_quote(xattrs[i].name, name));
    return SEGUE_OK;
}

/* XATTR_DROP_ON_...: the first of the names. */
static segue_status cannot_drop(segue_status st, segue_slice key, segue_slice xattr, segue_error *reterr)
{
    char quoted[SEG_QUOTED_MAX], name[SEG_QUOTED_MAX];
    return seg_error_set(
        reterr, st, "%s: there is no xattr %s to drop from %s", seg_quote(key, quoted), seg_quote(xattr, name),
        st == SEGUE_XATTR_DROP_ON_INSERT ? "what is inserted (CAS 0)" : "a body that is written over a tombstone");
}

static segue_status body_required(segue_slice key, const char *why, segue_error *reterr)
{
    char quoted[SEG_QUOTED_MAX];
    return seg_error_set(reterr, SEGUE_BODY_REQUIRED, "%s: %s needs a body", seg_quote(key, quoted), why);
}

segue_status segue_xattrs_set(segue_store *store, segue_slice key, const segue_xattr *xattrs, size_t n_xattrs,
                              const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    segue_xattr set[SEGUE_XATTRS_MAX];
    segue_slice drop[SEGUE_XATTRS_MAX];
    segue_mutation m = {.set_xattrs = set, .drop_xattrs = drop};
    if (n_xattrs == 0) return nothing_given(key, "no xattrs to set", reterr);
    if (n_xattrs > SEGUE_XATTRS_MAX)
        return seg_error_set(reterr, SEGUE_TOO_BIG, "more than %d xattrs in one call", SEGUE_XATTRS_MAX);
    for (size_t i = 0; i < n_xattrs; i++) {
        if (xattrs[i].value.data) set[m.n_set_xattrs++] = xattrs[i];
        else drop[m.n_drop_xattrs++] = xattrs[i].name;
    }
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_xattrs_update(segue_store *store, segue_slice key, uint64_t cas, const segue_xattr *xattrs,
                                 size_t n_xattrs, segue_expiry expiry, const segue_options *options, uint64_t *ret_cas,
                                 segue_error *reterr)
{
    segue_mutation m = {.set_xattrs = xattrs, .n_set_xattrs = n_xattrs, .expiry = expiry};
    if (n_xattrs == 0) return nothing_given(key, "no xattrs to set", reterr);
    expect_cas(&m, cas);
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_touch_xattr(segue_store *store, segue_slice key, uint64_t cas, segue_slice path, segue_slice json,
                               const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    segue_xattr x = {path, json};
    segue_mutation m = {.set_xattrs = &x, .n_set_xattrs = 1};
    expect_cas(&m, cas);
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_xattrs_remove(segue_store *store, segue_slice key, uint64_t cas, const segue_slice *names,
                                 size_t n_names, const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    segue_mutation m = {.drop_xattrs = names, .n_drop_xattrs = n_names};
    if (n_names == 0) return nothing_given(key, "no names of xattrs to drop", reterr);
    expect_cas(&m, cas);
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_xattrs_drop(segue_store *store, segue_slice key, const segue_slice *names, size_t n_names,
                               const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    segue_mutation m = {.drop_xattrs = names, .n_drop_xattrs = n_names, .options = SEGUE_M_DROP_MISSING_OK};
    if (n_names == 0) return nothing_given(key, "no names of xattrs to drop", reterr);
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_delete_with_xattrs(segue_store *store, segue_slice key, const segue_slice *names, size_t n_names,
                                      const segue_options *options, segue_error *reterr)
{
    segue_mutation m = {.body_op = SEGUE_BODY_DELETE,
                        .drop_xattrs = names,
                        .n_drop_xattrs = n_names,
                        .options = SEGUE_M_TOMBSTONE_OK | SEGUE_M_DROP_MISSING_OK};
    return mutate(store, key, &m, options, NULL, reterr);
}

static segue_mutation mutation_of(const segue_xattr_write *w)
{
    segue_mutation m = {.body_op = w->body.data ? SEGUE_BODY_SET : SEGUE_BODY_KEEP,
                        .body = w->body,
                        .set_xattrs = w->set,
                        .n_set_xattrs = w->n_set,
                        .drop_xattrs = w->drop,
                        .n_drop_xattrs = w->n_drop,
                        .macros = w->macros,
                        .n_macros = w->n_macros,
                        .expiry = w->expiry};
    if (w->body.data) m.json = SEGUE_JSON_YES;
    return m;
}

segue_status segue_write_with_xattrs(segue_store *store, segue_slice key, uint64_t cas, const segue_xattr_write *w,
                                     const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    if (cas == 0 && w->n_drop) return cannot_drop(SEGUE_XATTR_DROP_ON_INSERT, key, w->drop[0], reterr);
    segue_status st = need_values(key, w->set, w->n_set, reterr);
    if (st != SEGUE_OK) return st;
    if (!w->body.data && w->n_set == 0 && w->n_drop == 0)
        return nothing_given(key, "neither a body nor xattrs to write", reterr);
    if (cas == 0 && !w->body.data) return body_required(key, "an insert (CAS 0)", reterr);
    segue_mutation m = mutation_of(w);
    expect_cas(&m, cas);
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_write_tombstone(segue_store *store, segue_slice key, uint64_t cas, bool delete_body,
                                   const segue_xattr_write *w, const segue_options *options, uint64_t *ret_cas,
                                   segue_error *reterr)
{
    if (w->body.data) return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a tombstone has no body");
    if (w->n_set == 0) return nothing_given(key, "no xattrs to set on a tombstone", reterr);
    if (cas == 0 && w->n_drop) return cannot_drop(SEGUE_XATTR_DROP_ON_INSERT, key, w->drop[0], reterr);
    segue_status st = need_values(key, w->set, w->n_set, reterr);
    if (st != SEGUE_OK) return st;
    segue_mutation m = mutation_of(w);
    expect_cas(&m, cas);
    if (delete_body) {
        m.body_op = SEGUE_BODY_DELETE;
    } else if (cas == 0) {
        m.expect = SEGUE_EXPECT_ABSENT;
        m.options |= SEGUE_M_AS_TOMBSTONE;
    }
    return mutate(store, key, &m, options, ret_cas, reterr);
}

segue_status segue_write_resurrection(segue_store *store, segue_slice key, const segue_xattr_write *w,
                                      const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    if (!w->body.data) return body_required(key, "a resurrection", reterr);
    return segue_write_with_xattrs(store, key, 0, w, options, ret_cas, reterr);
}

/* ---- update with xattrs ---- */

typedef struct xattr_update {
    segue_slice key;
    segue_xattr_update_fn fn;
    void *ctx;
    segue_updated updated; /* what the mutation borrows from */
    segue_macro macros[SEGUE_MACROS_MAX];
    segue_error error; /* of a check here, for want of another way out of the callback */
} xattr_update;

/* Those of the options, which *m came with, and those of the callback. */
static segue_status both_macros(xattr_update *u, const segue_macro *start, size_t n_start, segue_mutation *m)
{
    if (n_start == 0) return SEGUE_OK;
    if (m->n_macros > SEGUE_MACROS_MAX || n_start > SEGUE_MACROS_MAX - m->n_macros)
        return seg_error_set(&u->error, SEGUE_TOO_BIG, "more than %d macros in one mutation", SEGUE_MACROS_MAX);
    for (size_t i = 0; i < n_start; i++) u->macros[i] = start[i];
    for (size_t i = 0; i < m->n_macros; i++) u->macros[n_start + i] = m->macros[i];
    m->macros = u->macros;
    m->n_macros += n_start;
    return SEGUE_OK;
}

static segue_status update_with_xattrs(void *ctx, const segue_record *current, segue_mutation *m)
{
    xattr_update *u = ctx;
    segue_updated blank = {.write.expiry = m->expiry};
    u->updated = blank;
    segue_status st = u->fn(u->ctx, current, &u->updated);
    if (st != SEGUE_OK) return st;
    const segue_xattr_write *w = &u->updated.write;
    bool live = current && !current->is_tombstone;
    st = need_values(u->key, w->set, w->n_set, &u->error);
    if (st != SEGUE_OK) return st;
    if (w->n_set == 0 && (u->updated.is_tombstone || (!w->body.data && w->n_drop == 0)))
        return nothing_given(u->key, "neither a body nor xattrs to write", &u->error);
    if (!u->updated.is_tombstone && current && current->is_tombstone && w->body.data && w->n_drop)
        return cannot_drop(SEGUE_XATTR_DROP_ON_TOMBSTONE, u->key, w->drop[0], &u->error);
    const segue_macro *start = m->macros;
    size_t n_start = m->n_macros;
    *m = mutation_of(w);
    st = both_macros(u, start, n_start, m);
    if (st != SEGUE_OK) return st;
    if (!current) m->options |= SEGUE_M_DROP_MISSING_OK;
    if (u->updated.is_tombstone) {
        m->body_op = live ? SEGUE_BODY_DELETE : SEGUE_BODY_KEEP;
        m->options |= SEGUE_M_AS_TOMBSTONE;
    } else if (!live && !w->body.data) {
        return body_required(u->key, "a document that is not there", &u->error);
    }
    return SEGUE_OK;
}

segue_status segue_write_update_with_xattrs(segue_store *store, segue_slice key, segue_xattr_update_fn fn, void *ctx,
                                            const segue_update_options *options, segue_outcome *ret_outcome,
                                            segue_error *reterr)
{
    xattr_update u = {.key = key, .fn = fn, .ctx = ctx};
    segue_status st = segue_update(store, key, update_with_xattrs, &u, options, ret_outcome, reterr);
    if (st != SEGUE_OK && u.error.status == st && reterr) *reterr = u.error;
    return st;
}
