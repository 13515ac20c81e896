/* L4: one page of a dual scan. For each range of keys the fallback is read first, then the primary, so that a key which
 * moves between the two reads is seen in the primary. Merged by key; the primary wins, and its tombstones hide. */
#include "base/base.h"
#include "base/rules.h"
#include "doc/pill.h"
#include "dual/dual.h"

typedef struct merge {
    seg_dual *dual;
    segue_page fallback, primary;
} merge;

/* One side's page. The fallback's whole, also for a scan of keys: a pill is known by its body. */
static segue_status read_side(seg_dual *dual, segue_store *side, const segue_bounds *bounds, segue_page *page,
                              segue_call *call)
{
    segue_bounds b = *bounds;
    if (side == dual->fallback) b.keys_only = false;
    return seg_call_scan(side, &b, page, call);
}

/* Records of the fallback as they go out: pills as the counters they stand for, each CAS as a fallback token. */
static segue_status dress(seg_dual *dual, segue_page *page, bool keys_only, segue_call *call)
{
    bool is_legacy = seg_dual_phase_of(dual, call) == SEGUE_PHASE_LEGACY;
    for (size_t i = 0; i < page->n; i++) {
        segue_record *rec = &page->docs[i].rec;
        segue_status st = seg_pill_to_counter(&page->docs[i], is_legacy);
        if (st != SEGUE_OK) return segue_fail(call, st, "out of memory in a scan");
        seg_dual_mark(dual, rec);
        if (keys_only) rec->body.size = rec->n_xattrs = 0;
    }
    return SEGUE_OK;
}

static segue_slice last_key(const segue_page *page) { return page->docs[page->n - 1].rec.key; }

/* A page of `first` over the bounds, then one of `second` over what that page covers. Tombstones always: they hide. */
static segue_status read_both(seg_dual *dual, segue_store *first, segue_page *first_page, segue_store *second,
                              segue_page *second_page, const segue_bounds *bounds, segue_call *call)
{
    segue_bounds b = *bounds;
    b.tombstones = true;
    segue_status st = read_side(dual, first, &b, first_page, call);
    if (st != SEGUE_OK) return st;
    if (first_page->more) {
        b.to = last_key(first_page);
        b.to_open = false;
    }
    return read_side(dual, second, &b, second_page, call);
}

/* Both pages together say everything about the keys up to and including this one; none: up to the end of the bounds. */
static segue_slice covered(const merge *m)
{
    segue_slice end = {NULL, 0};
    if (m->fallback.more) end = last_key(&m->fallback);
    if (m->primary.more && (!end.data || segue_slice_compare(last_key(&m->primary), end) < 0))
        end = last_key(&m->primary);
    return end;
}

/* Emit in order of key until both are used up, the covered range ends, or the caller's page is full. Tombstones too, whoever
 * asked: a page of hidden keys only would have no last one, to go on from. */
static segue_status emit(merge *m, segue_slice end, segue_page *page, bool *ret_full)
{
    size_t f = 0, p = 0;
    while ((f < m->fallback.n || p < m->primary.n) && !*ret_full) {
        const segue_record *fr = f < m->fallback.n ? &m->fallback.docs[f].rec : NULL;
        const segue_record *pr = p < m->primary.n ? &m->primary.docs[p].rec : NULL;
        int c = !fr ? 1 : !pr ? -1 : segue_slice_compare(fr->key, pr->key);
        bool hides = c != 0 || SEG_RULE(SCAN_PRIMARY_WINS);
        if (c == 0 && pr->is_tombstone) hides = SEG_RULE(SCAN_TOMBSTONE_HIDES);
        const segue_record *rec = c < 0 || !hides ? fr : pr;
        seg_assert(rec);
        if (end.data && segue_slice_compare(rec->key, end) > 0 && SEG_RULE(SCAN_COVERED)) return SEGUE_OK;
        f += c <= 0;
        p += c >= 0;
        segue_status st = segue_page_add(page, rec, ret_full);
        if (st != SEGUE_OK) return st;
    }
    if (*ret_full) page->more = f < m->fallback.n || p < m->primary.n;
    return SEGUE_OK;
}

static segue_status merge_page(merge *m, const segue_bounds *bounds, segue_page *page, segue_call *call)
{
    seg_dual *d = m->dual;
    bool full = false;
    segue_status st = SEG_RULE(SCAN_FALLBACK_FIRST)
                          ? read_both(d, d->fallback, &m->fallback, d->primary, &m->primary, bounds, call)
                          : read_both(d, d->primary, &m->primary, d->fallback, &m->fallback, bounds, call);
    if (st == SEGUE_OK) st = dress(d, &m->fallback, bounds->keys_only, call);
    if (st != SEGUE_OK) return st;
    segue_slice end = covered(m);
    st = emit(m, end, page, &full);
    if (st != SEGUE_OK) return segue_fail(call, st, "out of memory in a scan");
    page->more = page->more || end.data != NULL;
    return SEGUE_OK;
}

segue_status seg_dual_scan(seg_dual *dual, const segue_bounds *bounds, segue_page *page, segue_call *call)
{
    segue_phase phase = seg_dual_phase_of(dual, call);
    if (phase >= SEGUE_PHASE_SEALED) return seg_call_scan(dual->primary, bounds, page, call);
    if (phase == SEGUE_PHASE_LEGACY) {
        segue_status st = read_side(dual, dual->fallback, bounds, page, call);
        return st == SEGUE_OK ? dress(dual, page, bounds->keys_only, call) : st;
    }
    merge m = {.dual = dual};
    m.fallback.max_docs = m.primary.max_docs = page->max_docs;
    m.fallback.max_bytes = m.primary.max_bytes = page->max_bytes;
    segue_status st = merge_page(&m, bounds, page, call);
    segue_page_free(&m.fallback);
    segue_page_free(&m.primary);
    return st;
}
