/* L3: the only callers of backend slots, and the one read-modify-write loop. For src/store, src/dual, src/migrate.
 *
 * Each seg_call_* checks what goes in, calls the slot, and asserts what comes out (CAS not 0, outputs untouched on failure,
 * keys of a page increasing). They do not refuse reserved keys: that is for the public verbs. A get or scan makes expired
 * records the tombstones they are (B4). */
#ifndef SEG_CALL_H
#define SEG_CALL_H

#include <segue/backend.h>
#include <stdatomic.h>

/* What the reaper knows of a handle (reaper.c). */
typedef struct seg_reaping {
    segue_store *next;    /* in the list of those that are reaped in this process */
    bool joined;          /* it is in that list */
    bool is_engine;       /* not a store on top of others: writes are noted here */
    bool is_shared;       /* other processes may write it, of which nobody hears here */
    int64_t looked_ns;    /* of the store's monotonic clock: what has expired was looked for */
    _Atomic uint32_t due; /* the earliest expiry that is known of, 0 none; written under the reaper's lock */
    int64_t not_before;   /* of the real monotonic clock: after failures */
    unsigned failures;    /* in a row */
} seg_reaping;

struct segue_store {
    const segue_backend *backend;
    void *self;
    segue_env env;
    char *url;
    int64_t feed_poll_ns; /* of the URL's feed_poll_ms; 0: it names none */
    _Atomic unsigned refs;
    seg_reaping reaping;
};

/* Keys of Segue's own records. */
#define SEG_RESERVED_PREFIX "_segue:"
bool seg_key_is_reserved(segue_slice key);

segue_store *seg_store_ref(segue_store *store);
/* Make a handle from a table without URL (dual from two handles, filters from code). self is filled by `fill`. */
segue_status seg_store_make(const segue_backend *backend, const segue_env *env, const char *url,
                            segue_store **ret_store, void **ret_self, segue_error *reterr);
/* Take back a handle whose self could not be filled; close is not called. */
void seg_store_unmake(segue_store *store);
/* Whether both are the same collection of the same engine. */
bool seg_store_same(const segue_store *a, const segue_store *b);
/* The innermost-first search: the store itself or, through filters, the one whose backend has this scheme; or NULL. */
segue_store *seg_store_find(segue_store *store, const char *scheme);
/* The store below a filter, or NULL. */
segue_store *seg_store_below(const segue_store *store);

/* A call on `store` that ends `timeout_ns` from now (0 none). */
segue_call seg_call_new(const segue_store *store, int64_t timeout_ns, segue_error *reterr);
/* The same for a public call. What it meets on the way to a success (a miss, a conflict, a slot that leaves it to the loop) is
 * put into words as a failure is, and is none of the caller's: it goes into *why. */
segue_call seg_call_public(const segue_store *store, int64_t timeout_ns, segue_error *why, const segue_error *reterr);
/* The end of it: a failure, which has words then, goes from `why` to reterr. Returns st. */
segue_status seg_call_give(const segue_store *store, segue_status st, segue_error *why, segue_error *reterr);
/* TIMEOUT with a sentence if the deadline has passed. */
segue_status seg_call_in_time(segue_call *call);

/* Bracket several slot calls of one operation. end only after a successful begin. */
segue_status seg_call_begin(segue_store *store, bool write, segue_call *call);
void seg_call_end(segue_store *store, segue_call *call);

/* Single slot calls. Inside a bracket, or on a store that needs none (no `begin` slot). */
segue_status seg_call_get(segue_store *store, segue_slice key, segue_doc *doc, segue_call *call);
/* As it is stored: one that has expired is live (no B4 here). */
segue_status seg_call_get_stored(segue_store *store, segue_slice key, segue_doc *doc, segue_call *call);
segue_status seg_call_put(segue_store *store, const segue_put *put, uint64_t *ret_cas, segue_call *call);
segue_status seg_call_erase(segue_store *store, segue_slice key, uint64_t cas, segue_call *call);
segue_status seg_call_scan(segue_store *store, const segue_bounds *bounds, segue_page *page, segue_call *call);

/* A place in the order of changes: after everything up to this CAS; with a key: of those with this very CAS only up to it. */
typedef struct seg_position {
    uint64_t cas;
    size_t key_size; /* 0: no key */
    char key[SEGUE_KEY_MAX];
} seg_position;
void seg_position_set(seg_position *at, uint64_t cas, segue_slice key);
segue_slice seg_position_key(const seg_position *at); /* none if it has none */
/* What counts is the CAS without bit 63, which marks a dual store's tokens. */
static inline uint64_t seg_feed_cas(uint64_t cas) { return cas & ~(UINT64_C(1) << 63); }
bool seg_comes_after(const segue_record *rec, const seg_position *at);
/* UNSUPPORTED: the store cannot tell its changes. */
segue_status seg_call_changes(segue_store *store, const segue_since *since, segue_page *page, segue_call *call);

segue_status seg_call_move(segue_store *store, segue_store *to, segue_move *moves, size_t n, segue_call *call);
/* With WRITE_MANY one call, else one by one (then a status that is neither OK nor of the data stops it and is the result). */
segue_status seg_call_write_many(segue_store *store, segue_write *writes, size_t n, segue_call *call);
/* What is stored as live and has an expiry of `until` or before; as stored, not as it reads (no B4 here). UNSUPPORTED. */
segue_status seg_call_expired(segue_store *store, uint64_t until, segue_page *page, uint32_t *ret_next,
                              segue_call *call);
/* What the slot says: whether the store itself, if it is made of others, can do without its tombstones. OK; REFUSED. */
segue_status seg_call_may_purge(segue_store *store, segue_call *call);
/* See the slot. Only where there is one, also below filters. */
bool seg_call_has_highest(const segue_store *store);
segue_status seg_call_highest(segue_store *store, uint64_t at_least, uint64_t *ret_cas, segue_call *call);
segue_status seg_call_mutate(segue_store *store, segue_slice key, const segue_mutation *mutation, uint64_t write_id,
                             uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                             segue_doc *ret_doc, segue_call *call);

/* ---- the background reaper (reaper.c): who may keep it from writing to a store ---- */

/* While it is there, nothing of `store`'s collection is reaped in the background of this process, through whatever handle, but
 * between an `enter` that returned true and `leave`. enter is called under the reaper's lock and must not wait; leave must be
 * called on what enter was given. */
typedef struct seg_reap_guard {
    bool (*enter)(void *ctx, segue_call *call); /* NULL: never */
    void (*leave)(void *ctx, segue_call *call);
    void *ctx;
    segue_store *store;          /* from here on the reaper's own */
    struct seg_reap_guard *next;
    segue_call call;
    bool entered;
} seg_reap_guard;

/* Waits until the reaper, if it is at work there, is out of the store. The store must stay open until remove. */
void seg_reap_guard_add(segue_store *store, seg_reap_guard *guard);
/* Waits until the reaper has left. Nothing happens for one that was not added. */
void seg_reap_guard_remove(seg_reap_guard *guard);

/* ---- purging (purge.c): who needs the tombstones of a store ---- */

/* While it is there, no purge of this process erases anything of `store`'s collection, through whatever handle, unless
 * may_purge says so; it is called under a lock and must not wait, and once it has said yes it must not take it back. */
typedef struct seg_purge_guard {
    bool (*may_purge)(void *dual);
    void *dual;                   /* the self of the store whose primary it is */
    segue_store *store;           /* from here on purge.c's own */
    struct seg_purge_guard *next;
} seg_purge_guard;

/* Waits until a page that is just being erased there has been. The store must stay open until remove. */
void seg_purge_guard_add(segue_store *store, seg_purge_guard *guard);
/* Nothing happens for one that was not added. */
void seg_purge_guard_remove(seg_purge_guard *guard);

/* The loop (src/store/loop.c), bracketed by itself: a mutation, or a callback's mutations (fn not NULL). */
segue_status seg_store_mutate(segue_store *store, segue_slice key, const segue_mutation *mutation,
                              segue_outcome *ret_outcome, segue_doc *ret_doc, segue_call *call);

#endif
