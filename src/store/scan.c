/* L3: the public iterator: pages from the backend, one after the other, without Segue's own records. One thread at a
 * time. An error stays: a cut scan never turns into an end. */
#include "base/base.h"
#include "base/rules.h"
#include "store/call.h"

struct segue_scan {
    segue_store *store;
    segue_buf from, to; /* own copies of the bounds; `from` moves on with each page */
    segue_bounds bounds;
    segue_page page;
    size_t at; /* the next record of the page */
    bool begun;
    segue_status status; /* OK while it goes on */
    segue_error error;
};

enum { PAGE_DOCS = 256, PAGE_BYTES = 1 << 20 };

static segue_status copy(segue_buf *buf, segue_slice bytes, segue_slice *ret)
{
    if (!bytes.data) return SEGUE_OK;
    segue_buf_clear(buf);
    segue_status st = segue_buf_append(buf, bytes.data, bytes.size);
    if (st == SEGUE_OK) *ret = segue_buf_slice(buf);
    return st;
}

/* The first key after all keys with this prefix: the prefix with its last byte that is not FF raised; none if all are. */
static segue_status prefix_end(segue_scan *s, segue_slice prefix)
{
    while (prefix.size > 0 && (unsigned char)prefix.data[prefix.size - 1] == 0xFF) prefix.size--;
    if (prefix.size == 0) return SEGUE_OK;
    SEG_AUTO(segue_buf) end = {0};
    segue_status st = segue_buf_append(&end, prefix.data, prefix.size);
    if (st != SEGUE_OK) return st;
    end.data[end.size - 1] = (char)((unsigned char)end.data[end.size - 1] + 1);
    segue_slice to = segue_buf_slice(&end);
    if (s->bounds.to.data && segue_slice_compare(s->bounds.to, to) < 0) return SEGUE_OK;
    s->bounds.to_open = true;
    return copy(&s->to, to, &s->bounds.to);
}

static segue_status set_bounds(segue_scan *s, const segue_range *range)
{
    s->bounds.keys_only = range->options & SEGUE_SCAN_KEYS_ONLY;
    s->bounds.tombstones = range->options & SEGUE_SCAN_TOMBSTONES;
    s->bounds.from_open = range->options & SEGUE_SCAN_FROM_OPEN;
    s->bounds.to_open = range->options & SEGUE_SCAN_TO_OPEN;
    segue_status st = copy(&s->from, range->from, &s->bounds.from);
    if (st == SEGUE_OK) st = copy(&s->to, range->to, &s->bounds.to);
    if (st != SEGUE_OK || !range->prefix.data) return st;
    if (!s->bounds.from.data || segue_slice_compare(s->bounds.from, range->prefix) < 0) {
        s->bounds.from_open = false;
        st = copy(&s->from, range->prefix, &s->bounds.from);
    }
    return st == SEGUE_OK ? prefix_end(s, range->prefix) : st;
}

segue_status segue_scan_open(segue_store *store, const segue_range *range, segue_scan **ret_scan, segue_error *reterr)
{
    const unsigned options = SEGUE_SCAN_KEYS_ONLY | SEGUE_SCAN_TOMBSTONES | SEGUE_SCAN_FROM_OPEN | SEGUE_SCAN_TO_OPEN;
    segue_range all = {0};
    segue_call call = {.err = reterr};
    segue_status st = seg_options_check(range ? range->options : 0, options, "a scan", &call);
    if (st != SEGUE_OK) return st;
    segue_scan *s = seg_alloc_zero(sizeof *s);
    if (!s) return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a scan");
    s->store = seg_store_ref(store);
    s->page.max_docs = PAGE_DOCS;
    s->page.max_bytes = PAGE_BYTES;
    st = set_bounds(s, range ? range : &all);
    if (st != SEGUE_OK) {
        if (SEG_RULE(FAILURE_GIVES_BACK)) segue_scan_close(s);
        return seg_error_set(reterr, st, "out of memory for a scan");
    }
    *ret_scan = s;
    return SEGUE_OK;
}

/* Fetch the page after the present one. END when there is none. */
static segue_status next_page(segue_scan *s)
{
    if (s->begun && !s->page.more) return SEGUE_END;
    segue_call call = seg_call_new(s->store, 0, &s->error);
    if (s->begun) {
        segue_status st = copy(&s->from, s->page.docs[s->page.n - 1].rec.key, &s->bounds.from);
        if (st != SEGUE_OK) return segue_fail(&call, st, "out of memory in a scan");
        s->bounds.from_open = true;
    }
    segue_status st = seg_call_begin(s->store, false, &call);
    if (st != SEGUE_OK) return st;
    st = seg_call_scan(s->store, &s->bounds, &s->page, &call);
    seg_call_end(s->store, &call);
    s->begun = true;
    s->at = 0;
    return st == SEGUE_OK || SEG_RULE(SCAN_ERROR_IS_ERROR) ? st : SEGUE_END;
}

segue_status segue_scan_next(segue_scan *s, const segue_record **ret_record, segue_error *reterr)
{
    while (s->status == SEGUE_OK) {
        if (s->at == s->page.n) {
            s->status = next_page(s);
            continue;
        }
        const segue_record *rec = &s->page.docs[s->at++].rec;
        if ((rec->is_tombstone && !s->bounds.tombstones) || seg_key_is_reserved(rec->key)) continue;
        *ret_record = rec;
        return SEGUE_OK;
    }
    if (s->status != SEGUE_END && reterr) *reterr = s->error;
    return s->status;
}

void segue_scan_close(segue_scan *s)
{
    if (!s) return;
    segue_page_free(&s->page);
    segue_buf_free(&s->from);
    segue_buf_free(&s->to);
    segue_close(s->store);
    seg_free(s);
}
