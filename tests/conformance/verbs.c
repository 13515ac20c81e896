/* The conformance suite's verbs: the public calls with short arguments. A failed write leaves t->cas 0, which shows that
 * outputs are written on success only. */
#include "conform.h"

segue_status do_get(cf *t, const char *key) { return segue_get(t->store, K(key), NULL, &t->doc, &t->err); }

segue_status do_get_record(cf *t, const char *key)
{
    return segue_get_record(t->store, K(key), NULL, &t->doc, &t->err);
}

segue_status do_add(cf *t, const char *key, const char *body)
{
    t->cas = 0;
    return segue_add(t->store, K(key), K(body), segue_expiry_none(), NULL, &t->cas, &t->err);
}

segue_status do_set(cf *t, const char *key, const char *body)
{
    return do_set_expiring(t, key, body, segue_expiry_none());
}

segue_status do_set_expiring(cf *t, const char *key, const char *body, segue_expiry expiry)
{
    t->cas = 0;
    return segue_set(t->store, K(key), K(body), expiry, NULL, &t->cas, &t->err);
}

segue_status do_write_cas(cf *t, const char *key, uint64_t cas, const char *body, unsigned options)
{
    t->cas = 0;
    return segue_write_cas(t->store, K(key), cas, K(body), segue_expiry_none(), options, NULL, &t->cas, &t->err);
}

segue_status do_append(cf *t, const char *key, const char *fragment)
{
    t->cas = 0;
    return segue_append(t->store, K(key), K(fragment), NULL, &t->cas, &t->err);
}

segue_status do_touch(cf *t, const char *key, segue_expiry expiry)
{
    t->cas = 0;
    return segue_touch(t->store, K(key), expiry, NULL, &t->cas, &t->err);
}

segue_status do_delete(cf *t, const char *key) { return segue_delete(t->store, K(key), NULL, &t->err); }

segue_status do_remove(cf *t, const char *key, uint64_t cas)
{
    t->cas = 0;
    return segue_remove(t->store, K(key), cas, NULL, &t->cas, &t->err);
}

segue_status do_incr(cf *t, const char *key, uint64_t delta)
{
    t->value = 0;
    return segue_incr(t->store, K(key), delta, NULL, segue_expiry_none(), NULL, &t->value, &t->err);
}

segue_status do_incr_from(cf *t, const char *key, uint64_t delta, uint64_t initial)
{
    t->value = 0;
    return segue_incr(t->store, K(key), delta, &initial, segue_expiry_none(), NULL, &t->value, &t->err);
}

bool do_exists(cf *t, const char *key)
{
    bool exists = false;
    IS(OK, segue_exists(t->store, K(key), NULL, &exists, &t->err));
    return exists;
}

segue_status do_xattrs_get(cf *t, const char *key, const char *const *names)
{
    segue_slice list[CF_LIST_MAX];
    size_t n = cf_names(names, list);
    return segue_xattrs_get(t->store, K(key), list, n, NULL, &t->doc, &t->err);
}

segue_status do_get_with_xattrs(cf *t, const char *key, const char *const *names)
{
    segue_slice list[CF_LIST_MAX];
    size_t n = cf_names(names, list);
    return segue_get_with_xattrs(t->store, K(key), list, n, NULL, &t->doc, &t->err);
}

segue_status do_xattrs_set(cf *t, const char *key, const char *const *xattrs)
{
    segue_xattr set[CF_LIST_MAX];
    size_t n = cf_xattrs(xattrs, set);
    t->cas = 0;
    return segue_xattrs_set(t->store, K(key), set, n, NULL, &t->cas, &t->err);
}

segue_status do_xattrs_update(cf *t, const char *key, uint64_t cas, const char *const *xattrs, segue_expiry expiry)
{
    segue_xattr set[CF_LIST_MAX];
    size_t n = cf_xattrs(xattrs, set);
    t->cas = 0;
    return segue_xattrs_update(t->store, K(key), cas, set, n, expiry, NULL, &t->cas, &t->err);
}

segue_status do_xattrs_remove(cf *t, const char *key, uint64_t cas, const char *const *names)
{
    segue_slice list[CF_LIST_MAX];
    size_t n = cf_names(names, list);
    t->cas = 0;
    return segue_xattrs_remove(t->store, K(key), cas, list, n, NULL, &t->cas, &t->err);
}

segue_status do_xattrs_drop(cf *t, const char *key, const char *const *names)
{
    segue_slice list[CF_LIST_MAX];
    size_t n = cf_names(names, list);
    t->cas = 0;
    return segue_xattrs_drop(t->store, K(key), list, n, NULL, &t->cas, &t->err);
}

segue_status do_delete_with_xattrs(cf *t, const char *key, const char *const *names)
{
    segue_slice list[CF_LIST_MAX];
    size_t n = cf_names(names, list);
    return segue_delete_with_xattrs(t->store, K(key), list, n, NULL, &t->err);
}

static segue_xattr_write write_of(const char *body, const char *const *set, segue_xattr xattrs[CF_LIST_MAX],
                                  const char *const *drop, segue_slice names[CF_LIST_MAX])
{
    segue_xattr_write w = {.body = segue_str(body), .set = xattrs, .drop = names, .expiry = segue_expiry_none()};
    w.n_set = cf_xattrs(set, xattrs);
    w.n_drop = cf_names(drop, names);
    return w;
}

segue_status do_write(cf *t, const char *key, uint64_t cas, const char *body, const char *const *set,
                      const char *const *drop)
{
    segue_xattr xattrs[CF_LIST_MAX];
    segue_slice names[CF_LIST_MAX];
    segue_xattr_write w = write_of(body, set, xattrs, drop, names);
    t->cas = 0;
    return segue_write_with_xattrs(t->store, K(key), cas, &w, NULL, &t->cas, &t->err);
}

segue_status do_write_tombstone(cf *t, const char *key, uint64_t cas, bool delete_body, const char *const *set,
                                const char *const *drop)
{
    segue_xattr xattrs[CF_LIST_MAX];
    segue_slice names[CF_LIST_MAX];
    segue_xattr_write w = write_of(NULL, set, xattrs, drop, names);
    t->cas = 0;
    return segue_write_tombstone(t->store, K(key), cas, delete_body, &w, NULL, &t->cas, &t->err);
}

segue_status do_resurrect(cf *t, const char *key, const char *body, const char *const *set)
{
    segue_xattr xattrs[CF_LIST_MAX];
    segue_slice names[CF_LIST_MAX];
    segue_xattr_write w = write_of(body, set, xattrs, NULL, names);
    t->cas = 0;
    return segue_write_resurrection(t->store, K(key), &w, NULL, &t->cas, &t->err);
}

segue_status do_mutate(cf *t, const char *key, const segue_mutation *mutation)
{
    segue_outcome nothing = {0};
    t->outcome = nothing;
    return segue_mutate(t->store, K(key), mutation, NULL, &t->outcome, NULL, &t->err);
}

segue_status do_update(cf *t, const char *key, segue_update_fn fn, void *ctx, const segue_update_options *options)
{
    segue_outcome nothing = {0};
    t->outcome = nothing;
    return segue_update(t->store, K(key), fn, ctx, options, &t->outcome, &t->err);
}

/* ---- purge ---- */

/* Every record of the fallback goes to the primary unless that has one. */
static void sweep_page(cf *t, const segue_page *page, segue_call *call)
{
    bool keeps = segue_store_caps(t->primary) & SEGUE_CAP_KEEP_CAS;
    for (size_t i = 0; i < page->n; i++) {
        const segue_record *rec = &page->docs[i].rec;
        segue_put put = {.rec = *rec, .condition = SEGUE_IF_ABSENT, .keep_cas = keeps, .cas_floor = rec->cas};
        segue_status st = seg_call_put(t->primary, &put, NULL, call);
        if (st != SEGUE_EXISTS) IS(OK, st);
        IS(OK, seg_call_erase(t->fallback, rec->key, rec->cas, call));
    }
}

static void sweep_all(cf *t)
{
    segue_call call = seg_call_new(t->store, 0, &t->err);
    segue_page page = {.max_docs = 64, .max_bytes = 1 << 20};
    segue_bounds all = {.tombstones = true};
    do {
        IS(OK, seg_call_scan(t->fallback, &all, &page, &call));
        sweep_page(t, &page, &call);
    } while (page.n > 0);
    segue_page_free(&page);
}

segue_status do_purge(cf *t, uint64_t *ret_count)
{
    if (t->target->is_dual) {
        segue_phase phase = SEGUE_PHASE_CLEAN;
        IS(REFUSED, segue_purge_tombstones(t->store, ret_count, &t->err));
        IS(OK, segue_dual_phase(t->store, &phase));
        if (phase == SEGUE_PHASE_LEGACY) IS(OK, segue_dual_set_phase(t->store, SEGUE_PHASE_FORWARD, 0, &t->err));
        sweep_all(t);
        if (phase != SEGUE_PHASE_SEALED) IS(OK, segue_dual_set_phase(t->store, SEGUE_PHASE_SEALED, 0, &t->err));
        IS(REFUSED, segue_purge_tombstones(t->store, ret_count, &t->err));
        IS(OK, segue_dual_set_phase(t->store, SEGUE_PHASE_CLEAN, 0, &t->err));
    }
    return segue_purge_tombstones(t->store, ret_count, &t->err);
}

/* ---- scan ---- */

const char *do_scan(cf *t, const segue_range *range, segue_buf *out)
{
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_status st;
    segue_buf_clear(out);
    IS(OK, segue_scan_open(t->store, range, &scan, &t->err));
    while ((st = segue_scan_next(scan, &rec, &t->err)) == SEGUE_OK) {
        CHECK(rec->cas != 0);
        if (out->size) IS(OK, segue_buf_append(out, " ", 1));
        IS(OK, segue_buf_append(out, rec->key.data, rec->key.size));
    }
    IS(END, st);
    IS(END, segue_scan_next(scan, &rec, &t->err));
    segue_scan_close(scan);
    IS(OK, segue_buf_append(out, "", 1));
    return out->data;
}
