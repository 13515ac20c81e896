/* L3: the only callers of backend slots. What goes in is checked here, what comes out is asserted here: a backend that
 * breaks its contract is found at the first wrong answer, not in the data afterwards. Thread-safe as the backend is. */
#include "store/call.h"

#include "base/base.h"
#include "base/env.h"
#include "base/rules.h"
#include "doc/doc.h"
#include "store/filter.h"
#include "store/reaper.h"

bool seg_key_is_reserved(segue_slice key) { return segue_slice_starts_with(key, segue_str(SEG_RESERVED_PREFIX)); }

segue_call seg_call_new(const segue_store *store, int64_t timeout_ns, segue_error *reterr)
{
    segue_call call = {.err = reterr, .env = &store->env};
    if (timeout_ns > 0) {
        int64_t now = seg_mono_ns(&store->env);
        call.deadline_ns = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
    }
    return call;
}

segue_status seg_call_in_time(segue_call *call)
{
    if (call->deadline_ns && seg_mono_ns(call->env) >= call->deadline_ns)
        return segue_fail(call, SEGUE_TIMEOUT, "the deadline passed before anything was applied");
    return SEGUE_OK;
}

/* What a slot answers. One that fails says why; if it does not (a record that there is no memory for), we do. */
static segue_status told(const segue_store *store, segue_status st, const segue_call *call)
{
    return SEG_RULE(FAILURE_HAS_WORDS) ? seg_error_told(call->err, st, store->url) : st;
}

segue_call seg_call_public(const segue_store *store, int64_t timeout_ns, segue_error *why, const segue_error *reterr)
{
    why->status = SEGUE_OK;
    why->message[0] = '\0';
    return seg_call_new(store, timeout_ns, reterr ? why : NULL);
}

segue_status seg_call_give(const segue_store *store, segue_status st, segue_error *why, segue_error *reterr)
{
    const segue_call call = {.err = why};
    if (st == SEGUE_OK || !reterr) return st;
    (void)told(store, st, &call); /* it is st */
    reterr->status = why->status;
    reterr->native = why->native;
    memcpy(reterr->message, why->message, strlen(why->message) + 1);
    return st;
}

segue_status seg_call_begin(segue_store *store, bool write, segue_call *call)
{
    return store->backend->begin ? told(store, store->backend->begin(store->self, write, call), call) : SEGUE_OK;
}

void seg_call_end(segue_store *store, segue_call *call)
{
    if (store->backend->end) store->backend->end(store->self, call);
}

segue_status seg_call_get_stored(segue_store *store, segue_slice key, segue_doc *doc, segue_call *call)
{
    segue_status st = told(store, store->backend->get(store->self, key, doc, call), call);
    if (st == SEGUE_OK) {
        seg_assert(doc->rec.cas != 0 && segue_slice_equal(doc->rec.key, key));
        seg_assert(doc->rec.is_tombstone == (doc->rec.body.data == NULL));
    }
    return st;
}

static bool can_expire(const segue_record *rec) { return rec->expiry != 0 && !rec->is_tombstone; }

/* B4. A record that expired by a clock that was read after it may have been given more time in between, so it is read once
 * more: what is still there was dead while it was read. The clock is read only for a record that can expire. */
segue_status seg_call_get(segue_store *store, segue_slice key, segue_doc *doc, segue_call *call)
{
    uint64_t before = 0, now = 0;
    do {
        before = now;
        segue_status st = seg_call_get_stored(store, key, doc, call);
        if (st != SEGUE_OK || !can_expire(&doc->rec)) return st;
        now = seg_wall_s(call->env);
    } while (doc->rec.expiry <= now && doc->rec.expiry > before && SEG_RULE(EXPIRED_IS_READ_AGAIN));
    seg_doc_expire(doc, now);
    if (doc->rec.is_tombstone && !SEG_RULE(EXPIRED_STAYS))
        (void)seg_call_erase(store, key, doc->rec.cas, call); /* B5 broken */
    return SEGUE_OK;
}

/* B4 on a page that was read after the clock said `before`. What expired since is read again as in a get; in an order of
 * changes a record that is another one by now stays the live one that it was: its new state comes later. */
static segue_status expire_page(segue_store *store, segue_page *page, uint64_t before, bool keys_only, bool by_change,
                                segue_call *call)
{
    segue_error why = {0};
    segue_call again = *call;
    SEG_AUTO(segue_doc) doc = {0};
    again.err = &why;
    again.no_body = keys_only;
    for (size_t i = 0; i < page->n; i++) {
        segue_doc *read = &page->docs[i];
        if (!can_expire(&read->rec)) continue;
        uint64_t now = read->rec.expiry <= before ? before : seg_wall_s(call->env);
        bool since = read->rec.expiry > before && read->rec.expiry <= now && SEG_RULE(EXPIRED_IS_READ_AGAIN);
        segue_status st = since ? seg_call_get(store, read->rec.key, &doc, &again) : SEGUE_NOT_FOUND;
        if (st == SEGUE_NOT_FOUND) {
            seg_doc_expire(read, now);
        } else if (st != SEGUE_OK) {
            if (call->err) *call->err = why;
            return st;
        } else if (!by_change || doc.rec.cas == read->rec.cas) {
            segue_doc old = *read;
            *read = doc;
            doc = old;
        }
    }
    return SEGUE_OK;
}

/* Only who knows the CAS before a record is stored can write it into the record. */
static segue_status check_cas_macros(const segue_store *store, size_t n, segue_call *call)
{
    if (n == 0 || (segue_store_caps(store) & SEGUE_CAP_CAS_MACROS)) return SEGUE_OK;
    return segue_fail(call, SEGUE_UNSUPPORTED, "%s cannot expand macros of the CAS", store->url);
}

static size_t count_cas_macros(const segue_mutation *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_macros; i++) n += m->macros[i].kind == SEGUE_MACRO_CAS;
    return n;
}

/* ---- writing: the reaper hears of every expiry that this process stores ---- */

static void note_put(segue_store *store, const segue_put *put)
{
    if (put->rec.expiry && !put->rec.is_tombstone) seg_reaper_note(store, put->rec.expiry);
}

/* What a mutation may store as expiry, at the earliest; 0: none, or one that was there before. */
static uint32_t may_expire_at(const segue_mutation *m, const segue_call *call)
{
    if (m->expiry.op == SEGUE_EXPIRY_AT) return m->expiry.seconds;
    if (m->expiry.op != SEGUE_EXPIRY_IN) return 0;
    uint64_t at = seg_wall_s(call->env) + m->expiry.seconds;
    return at > UINT32_MAX ? 0 : (uint32_t)at; /* such a one is refused */
}

segue_status seg_call_put(segue_store *store, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    uint64_t cas = 0;
    seg_assert(put->rec.is_tombstone == (put->rec.body.data == NULL));
    seg_assert(put->condition != SEGUE_IF_CAS || put->if_cas != 0);
    seg_assert(!put->keep_cas || (put->rec.cas != 0 && put->n_cas_places == 0));
    segue_status st = check_cas_macros(store, put->n_cas_places, call);
    if (st != SEGUE_OK) return st;
    st = told(store, store->backend->put(store->self, put, &cas, call), call);
    if (st == SEGUE_OK) {
        /* Bit 63 marks a fallback token, which only a dual store (or a filter over one) may give out. */
        seg_assert(cas != 0 && (cas >> 63 == 0 || store->backend->begin));
        seg_assert(put->keep_cas || cas > put->cas_floor);
        if (ret_cas) *ret_cas = cas;
        note_put(store, put);
    }
    return st;
}

segue_status seg_call_erase(segue_store *store, segue_slice key, uint64_t cas, segue_call *call)
{
    seg_assert(cas != 0);
    return told(store, store->backend->erase(store->self, key, cas, call), call);
}

/* A damaged file can do that, without its engine noticing. */
static segue_status out_of_order(const segue_store *store, segue_page *page, segue_call *call)
{
    segue_page_clear(page);
    return segue_fail(call, SEGUE_CORRUPT, "%s yields records out of their order: it is damaged", store->url);
}

segue_status seg_call_scan(segue_store *store, const segue_bounds *bounds, segue_page *page, segue_call *call)
{
    segue_page_clear(page);
    seg_assert(page->max_docs > 0);
    uint64_t before = seg_wall_s(call->env);
    segue_status st = told(store, store->backend->scan(store->self, bounds, page, call), call);
    if (st != SEGUE_OK) {
        segue_page_clear(page);
        return st;
    }
    if (page->n == 0 && page->more) return out_of_order(store, page, call);
    for (size_t i = 0; i < page->n; i++) {
        const segue_record *rec = &page->docs[i].rec;
        if (rec->cas == 0 || (i > 0 && segue_slice_compare(page->docs[i - 1].rec.key, rec->key) >= 0))
            return out_of_order(store, page, call);
    }
    st = expire_page(store, page, before, bounds->keys_only, false, call);
    if (st != SEGUE_OK) segue_page_clear(page);
    return st;
}

/* One that stands over others lets the one of them say it that cannot. */
static segue_status check_tells_changes(const segue_store *store, segue_call *call)
{
    const segue_backend *b = store->backend;
    if (b->changes && (b->begin || (segue_store_caps(store) & SEGUE_CAP_CHANGES))) return SEGUE_OK;
    return segue_fail(call, SEGUE_UNSUPPORTED, "%s cannot tell its changes, so there is no feed of it", store->url);
}

void seg_position_set(seg_position *at, uint64_t cas, segue_slice key)
{
    /* Only another program gives such a key, and no CAS twice: then the CAS alone tells the place. */
    if (key.size > sizeof at->key) key.size = 0;
    at->cas = cas;
    at->key_size = key.size;
    if (key.size) memmove(at->key, key.data, key.size);
}

segue_slice seg_position_key(const seg_position *at)
{
    return at->key_size ? segue_bytes(at->key, at->key_size) : (segue_slice){NULL, 0};
}

bool seg_comes_after(const segue_record *rec, const seg_position *at)
{
    uint64_t cas = seg_feed_cas(rec->cas);
    return cas > at->cas || (cas == at->cas && at->key_size && segue_slice_compare(rec->key, seg_position_key(at)) > 0);
}

segue_status seg_call_changes(segue_store *store, const segue_since *since, segue_page *page, segue_call *call)
{
    segue_page_clear(page);
    seg_assert(page->max_docs > 0);
    segue_status st = check_tells_changes(store, call);
    if (st == SEGUE_OK && since->cas >= INT64_MAX) return SEGUE_OK; /* bit 63 is clear: there is none above */
    uint64_t before = seg_wall_s(call->env);
    if (st == SEGUE_OK) st = told(store, store->backend->changes(store->self, since, page, call), call);
    if (st != SEGUE_OK) {
        segue_page_clear(page);
        return st;
    }
    if (page->n == 0 && page->more) return out_of_order(store, page, call);
    seg_position at;
    seg_position_set(&at, since->cas, since->key);
    for (size_t i = 0; i < page->n; i++) {
        const segue_record *rec = &page->docs[i].rec;
        if (rec->cas == 0 || !seg_comes_after(rec, &at)) return out_of_order(store, page, call);
        seg_position_set(&at, seg_feed_cas(rec->cas), rec->key);
    }
    st = expire_page(store, page, before, since->keys_only, true, call);
    if (st != SEGUE_OK) segue_page_clear(page);
    return st;
}

segue_status seg_call_move(segue_store *store, segue_store *to, segue_move *moves, size_t n, segue_call *call)
{
    for (segue_store *below; (below = seg_store_below(to)) != NULL;) to = below;
    if (!(segue_store_caps(store) & SEGUE_CAP_MOVE) || !store->backend->move)
        return segue_fail(call, SEGUE_UNSUPPORTED, "%s cannot move records", store->url);
    if (seg_is_filter(store->backend)) return store->backend->move(store->self, to, moves, n, call);
    if (store->backend != to->backend)
        return segue_fail(call, SEGUE_UNSUPPORTED, "%s and %s are different engines", store->url, to->url);
    segue_status st = told(store, store->backend->move(store->self, to->self, moves, n, call), call);
    if (st == SEGUE_OK) seg_reaper_look(to); /* their expiries came with them */
    return st;
}

/* Whether the status speaks of the data: the call itself went well. */
static bool is_answer(segue_status st)
{
    return st == SEGUE_OK || st == SEGUE_NOT_FOUND || st == SEGUE_EXISTS || st == SEGUE_CAS_MISMATCH;
}

segue_status seg_call_write_many(segue_store *store, segue_write *writes, size_t n, segue_call *call)
{
    if ((segue_store_caps(store) & SEGUE_CAP_WRITE_MANY) && store->backend->write_many) {
        segue_status st = told(store, store->backend->write_many(store->self, writes, n, call), call);
        for (size_t i = 0; i < n && st == SEGUE_OK; i++)
            if (writes[i].op == SEGUE_WRITE_PUT && writes[i].status == SEGUE_OK) note_put(store, &writes[i].put);
        return st;
    }
    for (size_t i = 0; i < n; i++) {
        segue_write *w = &writes[i];
        if (w->op == SEGUE_WRITE_PUT) w->status = seg_call_put(store, &w->put, &w->cas, call);
        else w->status = seg_call_erase(store, w->put.rec.key, w->put.if_cas, call);
        if (!is_answer(w->status)) return w->status;
    }
    return SEGUE_OK;
}

segue_status seg_call_expired(segue_store *store, uint64_t until, segue_page *page, uint32_t *ret_next,
                              segue_call *call)
{
    segue_page_clear(page);
    *ret_next = 0;
    if (!(segue_store_caps(store) & SEGUE_CAP_EXPIRED) || !store->backend->expired)
        return segue_fail(call, SEGUE_UNSUPPORTED, "%s cannot find what has expired", store->url);
    segue_status st = told(store, store->backend->expired(store->self, until, page, ret_next, call), call);
    if (st != SEGUE_OK) {
        segue_page_clear(page);
        return st;
    }
    seg_assert((page->n > 0 || !page->more) && (*ret_next == 0 || *ret_next > until));
    for (size_t i = 0; i < page->n; i++) {
        const segue_record *rec = &page->docs[i].rec;
        seg_assert(rec->cas != 0 && !rec->is_tombstone && rec->expiry != 0 && rec->expiry <= until);
        seg_assert(i == 0 || page->docs[i - 1].rec.expiry <= rec->expiry);
    }
    return SEGUE_OK;
}

segue_status seg_call_may_purge(segue_store *store, segue_call *call)
{
    return store->backend->may_purge ? told(store, store->backend->may_purge(store->self, call), call) : SEGUE_OK;
}

bool seg_call_has_highest(const segue_store *store)
{
    for (const segue_store *s = store; s; s = seg_store_below(s))
        if (!s->backend->highest) return false;
    return true;
}

segue_status seg_call_highest(segue_store *store, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    segue_status st = told(store, store->backend->highest(store->self, at_least, ret_cas, call), call);
    seg_assert(st != SEGUE_OK || *ret_cas >= at_least);
    return st;
}

segue_status seg_call_mutate(segue_store *store, segue_slice key, const segue_mutation *mutation, uint64_t write_id,
                             uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                             segue_doc *ret_doc, segue_call *call)
{
    if (!(segue_store_caps(store) & SEGUE_CAP_MUTATE) || !store->backend->mutate) return SEGUE_USE_LOOP;
    uint32_t expiry = may_expire_at(mutation, call);
    segue_status st = check_cas_macros(store, count_cas_macros(mutation), call);
    if (st != SEGUE_OK) return st;
    st = told(store,
              store->backend->mutate(store->self, key, mutation, write_id, cas_floor, require_record, base, ret_outcome,
                                     ret_doc, call),
              call);
    if (st == SEGUE_OK && expiry && ret_outcome->written) seg_reaper_note(store, expiry);
    seg_assert(st != SEGUE_OK || !ret_outcome->written || ret_outcome->cas > cas_floor);
    return st;
}
