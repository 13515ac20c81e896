/* L3: reaping a page, and the public verb. What is read to be reaped is written under the CAS that was read: whoever changes
 * the document at the same time wins, and of two who reap it one. Thread-safe; no state. */
#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "base/rules.h"
#include "doc/doc.h"
#include "store/reaper.h"

/* A page is one transaction where the store has batches. Its records are held in memory with their xattrs. */
enum { PAGE_DOCS = 256, PAGE_BYTES = 1 << 20 };

/* Somebody was faster: it is not expired any more, or not there. */
static bool is_settled(segue_status st)
{
    return st == SEGUE_OK || st == SEGUE_CAS_MISMATCH || st == SEGUE_NOT_FOUND || st == SEGUE_EXISTS;
}

static segue_write write_for(const segue_doc *doc)
{
    segue_write w = {.op = SEG_RULE(REAP_LEAVES_TOMBSTONE) ? SEGUE_WRITE_PUT : SEGUE_WRITE_ERASE};
    w.put.rec = doc->rec;
    w.put.condition = SEG_RULE(REAP_BY_CAS) ? SEGUE_IF_CAS : SEGUE_IF_ANY;
    w.put.if_cas = doc->rec.cas;
    w.put.source = (segue_source)doc->source;
    return w;
}

static segue_status replace_all(segue_store *store, segue_page *page, uint64_t now, seg_reaped *reaped,
                                segue_call *call)
{
    segue_write *writes = seg_alloc_zero(page->n * sizeof *writes);
    if (!writes) return segue_fail(call, SEGUE_NO_MEMORY, "%s: out of memory for what has expired", store->url);
    for (size_t i = 0; i < page->n; i++) {
        bool has_expired = seg_doc_reap(&page->docs[i], now);
        seg_assert(has_expired);
        writes[i] = write_for(&page->docs[i]);
        writes[i].status = SEGUE_UNAVAILABLE;
    }
    segue_status st = seg_call_write_many(store, writes, page->n, call);
    /* Of a batch that failed nothing was applied, whatever its parts say; one by one, those before the failure were. */
    bool parts_count = st == SEGUE_OK || !(segue_store_caps(store) & SEGUE_CAP_WRITE_MANY);
    for (size_t i = 0; i < page->n && parts_count; i++) {
        if (writes[i].status == SEGUE_OK) reaped->n++;
        else if (st == SEGUE_OK && !is_settled(writes[i].status)) st = writes[i].status;
    }
    seg_free(writes);
    return st;
}

segue_status seg_reap_page(segue_store *store, size_t max, segue_page *page, seg_reaped *reaped, segue_call *call)
{
    *reaped = (seg_reaped){0};
    page->max_docs = max < PAGE_DOCS ? max : PAGE_DOCS;
    page->max_bytes = PAGE_BYTES;
    segue_status st = seg_call_begin(store, true, call);
    if (st != SEGUE_OK) return st;
    uint64_t now = seg_wall_s(call->env);
    st = seg_call_expired(store, now, page, &reaped->next, call);
    if (st == SEGUE_OK && page->n) {
        reaped->more = page->more;
        st = replace_all(store, page, now, reaped, call);
        SEG_CRASH_POINT(REAP_PAGE);
    }
    seg_call_end(store, call);
    return st;
}

segue_status segue_reap(segue_store *store, uint64_t max, uint64_t *ret_count, segue_error *reterr)
{
    segue_error why;
    segue_call call = seg_call_public(store, 0, &why, reterr);
    segue_page page = {0};
    seg_reaped reaped = {.more = true};
    uint64_t n = 0;
    segue_status st = SEGUE_OK;
    while (st == SEGUE_OK && reaped.more && (max == 0 || n < max)) {
        st = seg_reap_page(store, max && max - n < PAGE_DOCS ? (size_t)(max - n) : PAGE_DOCS, &page, &reaped, &call);
        n += reaped.n;
    }
    segue_page_free(&page);
    if (ret_count) *ret_count = n;
    return seg_call_give(store, st, &why, reterr);
}
