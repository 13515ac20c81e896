/* L3: the parts that all filters share: the slots pass through, with the filter's hooks before and after. */
#include "store/filter.h"

#include "base/base.h"
#include "base/url.h"

extern const segue_backend seg_backend_stats;
extern const segue_backend seg_backend_trace;
#ifdef SEG_TESTING
extern const segue_backend seg_backend_fault;
extern const segue_backend seg_backend_sched;
#endif

const segue_backend *const seg_filters[] = {
    &seg_backend_stats,
    &seg_backend_trace,
#ifdef SEG_TESTING
    &seg_backend_fault,
    &seg_backend_sched,
#endif
    NULL,
};

bool seg_is_filter(const segue_backend *backend)
{
    for (const segue_backend *const *b = seg_filters; *b; b++)
        if (*b == backend) return true;
    return false;
}

segue_status seg_filter_open_below(seg_filter *filter, const seg_filter_hooks *hooks, const segue_open_args *args,
                                   segue_call *call)
{
    if (!args->url->rest)
        return segue_fail(call, SEGUE_INVALID_URL, "\"%s\": %s is a filter: write %s+URL of the store below it",
                          args->url->text, args->url->scheme, args->url->scheme);
    segue_open_options options = {args->env, args->flags};
    filter->hooks = hooks;
    return segue_open(args->url->rest, &options, &filter->below, call->err);
}

segue_status seg_filter_make(const segue_backend *backend, const seg_filter_hooks *hooks, segue_store *below,
                             segue_store **ret_store, segue_error *reterr)
{
    void *self = NULL;
    SEG_AUTO(segue_buf) url = {0};
    if (segue_buf_append(&url, backend->scheme, strlen(backend->scheme)) != SEGUE_OK ||
        segue_buf_append(&url, "+", 1) != SEGUE_OK ||
        segue_buf_append(&url, below->url, strlen(below->url) + 1) != SEGUE_OK)
        return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a filter");
    segue_status st = seg_store_make(backend, &below->env, url.data, ret_store, &self, reterr);
    if (st != SEGUE_OK) return st;
    seg_filter *filter = self;
    filter->below = seg_store_ref(below);
    filter->hooks = hooks;
    return SEGUE_OK;
}

static segue_store *below_of(const void *self) { return ((const seg_filter *)self)->below; }

void seg_filter_close(void *self) { segue_close(below_of(self)); }

unsigned seg_filter_caps(const void *self) { return segue_store_caps(below_of(self)); }

/* ---- the slots ---- */

static bool before(void *self, seg_passage *passage, segue_call *call)
{
    const seg_filter_hooks *hooks = ((seg_filter *)self)->hooks;
    return !hooks->before || hooks->before(self, passage, call);
}

static segue_status after(void *self, const seg_passage *passage, segue_status st, segue_call *call)
{
    return ((seg_filter *)self)->hooks->after(self, passage, st, call);
}

segue_status seg_filter_get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    seg_passage p = {.op = SEG_OP_GET, .key = key};
    segue_status st = before(self, &p, call) ? seg_call_get_stored(below_of(self), key, doc, call) : SEGUE_OK;
    return after(self, &p, st, call);
}

segue_status seg_filter_put(void *self, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    seg_passage p = {.op = SEG_OP_PUT, .key = put->rec.key};
    segue_status st = before(self, &p, call) ? seg_call_put(below_of(self), put, ret_cas, call) : SEGUE_OK;
    return after(self, &p, st, call);
}

segue_status seg_filter_erase(void *self, segue_slice key, uint64_t cas, segue_call *call)
{
    seg_passage p = {.op = SEG_OP_ERASE, .key = key};
    segue_status st = before(self, &p, call) ? seg_call_erase(below_of(self), key, cas, call) : SEGUE_OK;
    return after(self, &p, st, call);
}

segue_status seg_filter_scan(void *self, const segue_bounds *bounds, segue_page *page, segue_call *call)
{
    seg_passage p = {.op = SEG_OP_SCAN, .key = bounds->from};
    segue_status st = before(self, &p, call) ? seg_call_scan(below_of(self), bounds, page, call) : SEGUE_OK;
    return after(self, &p, st, call);
}

segue_status seg_filter_mutate(void *self, segue_slice key, const segue_mutation *m, uint64_t write_id,
                               uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                               segue_doc *ret_doc, segue_call *call)
{
    seg_passage p = {.op = SEG_OP_MUTATE, .key = key};
    segue_status st = SEGUE_OK;
    if (before(self, &p, call))
        st = seg_call_mutate(below_of(self), key, m, write_id, cas_floor, require_record, base, ret_outcome, ret_doc,
                             call);
    return after(self, &p, st, call);
}

segue_status seg_filter_move(void *self, void *to, segue_move *moves, size_t n, segue_call *call)
{
    seg_passage p = {.op = SEG_OP_MOVE, .key = n ? moves[0].key : segue_str("")};
    segue_status st = before(self, &p, call) ? seg_call_move(below_of(self), to, moves, n, call) : SEGUE_OK;
    return after(self, &p, st, call);
}

segue_status seg_filter_write_many(void *self, segue_write *writes, size_t n, segue_call *call)
{
    seg_passage p = {.op = SEG_OP_WRITE_MANY, .key = n ? writes[0].put.rec.key : segue_str("")};
    segue_status st = before(self, &p, call) ? seg_call_write_many(below_of(self), writes, n, call) : SEGUE_OK;
    return after(self, &p, st, call);
}

segue_status seg_filter_changes(void *self, const segue_since *since, segue_page *page, segue_call *call)
{
    seg_passage p = {.op = SEG_OP_CHANGES, .key = since->key};
    segue_status st = before(self, &p, call) ? seg_call_changes(below_of(self), since, page, call) : SEGUE_OK;
    return after(self, &p, st, call);
}

segue_status seg_filter_begin(void *self, bool write, segue_call *call)
{
    return seg_call_begin(below_of(self), write, call);
}

void seg_filter_end(void *self, segue_call *call) { seg_call_end(below_of(self), call); }

segue_status seg_filter_highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    return seg_call_highest(below_of(self), at_least, ret_cas, call);
}

segue_status seg_filter_may_purge(void *self, segue_call *call) { return seg_call_may_purge(below_of(self), call); }

segue_status seg_filter_expired(void *self, uint64_t until, segue_page *page, uint32_t *ret_next, segue_call *call)
{
    seg_passage p = {.op = SEG_OP_EXPIRED, .key = segue_str("")};
    segue_status st = before(self, &p, call) ? seg_call_expired(below_of(self), until, page, ret_next, call) : SEGUE_OK;
    return after(self, &p, st, call);
}

/* ---- through filters ---- */

segue_store *seg_store_below(const segue_store *store)
{
    return seg_is_filter(store->backend) ? below_of(store->self) : NULL;
}

segue_store *seg_store_find(segue_store *store, const char *scheme)
{
    while (store && strcmp(store->backend->scheme, scheme) != 0) store = seg_store_below(store);
    return store;
}
