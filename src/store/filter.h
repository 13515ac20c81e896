/* L3: what all filters share. A filter is a backend whose self begins with seg_filter; every slot passes through to the
 * store below, with the filter's two hooks around it. */
#ifndef SEG_FILTER_H
#define SEG_FILTER_H

#include "store/filters.h"

/* One call on its way through a filter. */
typedef struct seg_passage {
    seg_store_op op;
    segue_slice key;  /* of a batch: the first; of a scan: where it begins */
    int64_t began_ns; /* the hooks' own */
    unsigned count;   /* the hooks' own */
    bool strikes;     /* the hooks' own */
} seg_passage;

typedef struct seg_filter_hooks {
    /* Before the call. False: it does not reach the store below. */
    bool (*before)(void *self, seg_passage *passage, segue_call *call);
    /* After it (`st` OK if it did not reach the store below). What the caller gets. */
    segue_status (*after)(void *self, const seg_passage *passage, segue_status st, segue_call *call);
} seg_filter_hooks;

typedef struct seg_filter {
    segue_store *below; /* a reference */
    const seg_filter_hooks *hooks;
} seg_filter;

/* All filters, NULL at the end. */
extern const segue_backend *const seg_filters[];
bool seg_is_filter(const segue_backend *backend);

segue_status seg_filter_open_below(seg_filter *filter, const seg_filter_hooks *hooks, const segue_open_args *args,
                                   segue_call *call);
/* Make a filter handle over an open store. */
segue_status seg_filter_make(const segue_backend *filter, const seg_filter_hooks *hooks, segue_store *below,
                             segue_store **ret_store, segue_error *reterr);

/* The pass-through slots. */
void seg_filter_close(void *self);
unsigned seg_filter_caps(const void *self);
segue_status seg_filter_get(void *self, segue_slice key, segue_doc *doc, segue_call *call);
segue_status seg_filter_put(void *self, const segue_put *put, uint64_t *ret_cas, segue_call *call);
segue_status seg_filter_erase(void *self, segue_slice key, uint64_t cas, segue_call *call);
segue_status seg_filter_scan(void *self, const segue_bounds *bounds, segue_page *page, segue_call *call);
segue_status seg_filter_mutate(void *self, segue_slice key, const segue_mutation *m, uint64_t write_id,
                               uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                               segue_doc *ret_doc, segue_call *call);
segue_status seg_filter_move(void *self, void *to, segue_move *moves, size_t n, segue_call *call);
segue_status seg_filter_write_many(void *self, segue_write *writes, size_t n, segue_call *call);
segue_status seg_filter_begin(void *self, bool write, segue_call *call);
void seg_filter_end(void *self, segue_call *call);
segue_status seg_filter_changes(void *self, const segue_since *since, segue_page *page, segue_call *call);
segue_status seg_filter_may_purge(void *self, segue_call *call);
segue_status seg_filter_highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call);
segue_status seg_filter_expired(void *self, uint64_t until, segue_page *page, uint32_t *ret_next, segue_call *call);

/* A filter's table: its scheme, the type of its self (which begins with seg_filter) and its open. */
#define SEG_FILTER_TABLE(name, type, open_slot)                                                                        \
    {                                                                                                                  \
        .abi = SEGUE_BACKEND_ABI, .table_size = sizeof(segue_backend), .self_size = sizeof(type), .scheme = (name),    \
        .open = (open_slot), .close = seg_filter_close, .caps = seg_filter_caps, .get = seg_filter_get,                \
        .put = seg_filter_put, .erase = seg_filter_erase, .scan = seg_filter_scan, .mutate = seg_filter_mutate,        \
        .move = seg_filter_move, .write_many = seg_filter_write_many, .begin = seg_filter_begin,                       \
        .end = seg_filter_end, .may_purge = seg_filter_may_purge, .highest = seg_filter_highest,                       \
        .changes = seg_filter_changes, .expired = seg_filter_expired,                                                  \
    }

#endif
