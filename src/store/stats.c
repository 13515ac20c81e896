/* L3: the `stats` filter: counts the calls that reach the store below. Counters are atomic and relaxed. */
#include "base/base.h"
#include "store/filter.h"

enum { N_OPS = 9, FAILURES = N_OPS, N_COUNTS };

typedef struct stats {
    seg_filter filter;
    _Atomic uint64_t counts[N_COUNTS]; /* by bit number of seg_store_op */
} stats;

static segue_status count(void *self, const seg_passage *passage, segue_status st, segue_call *call)
{
    (void)call;
    stats *s = self;
    atomic_fetch_add_explicit(&s->counts[__builtin_ctz(passage->op)], 1, memory_order_relaxed);
    if (seg_status_is_failure(st)) atomic_fetch_add_explicit(&s->counts[FAILURES], 1, memory_order_relaxed);
    return st;
}

static const seg_filter_hooks hooks = {NULL, count};

static segue_status open_stats(void *self, const segue_open_args *args, segue_call *call)
{
    return seg_filter_open_below(self, &hooks, args, call);
}

extern const segue_backend seg_backend_stats;
const segue_backend seg_backend_stats = SEG_FILTER_TABLE("stats", stats, open_stats);

segue_status seg_stats_open(segue_store *store, segue_store **ret_store, segue_error *reterr)
{
    return seg_filter_make(&seg_backend_stats, &hooks, store, ret_store, reterr);
}

static stats *find(const segue_store *store)
{
    while (store && store->backend != &seg_backend_stats) store = seg_store_below(store);
    return store ? store->self : NULL;
}

void seg_stats_reset(segue_store *store)
{
    stats *s = find(store);
    seg_assert(s);
    for (int i = 0; i < N_COUNTS; i++) atomic_store(&s->counts[i], 0);
}

segue_status segue_store_stats(const segue_store *store, segue_stats *ret)
{
    stats *s = find(store);
    if (!s) return SEGUE_UNSUPPORTED;
    uint64_t n[N_COUNTS];
    for (int i = 0; i < N_COUNTS; i++) n[i] = atomic_load_explicit(&s->counts[i], memory_order_relaxed);
    *ret = (segue_stats){.get = n[0],
                         .put = n[1],
                         .erase = n[2],
                         .scan = n[3],
                         .mutate = n[4],
                         .move = n[5],
                         .write_many = n[6],
                         .changes = n[7],
                         .expired = n[8],
                         .failures = n[FAILURES]};
    return SEGUE_OK;
}
