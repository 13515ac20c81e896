/* The contract for backends: what an engine must do to carry Segue's documents.
 *
 * A backend stores whole records under conditions. It knows nothing of JSON, counters or expiry: what a mutation means is
 * computed above it (or, in its optional `mutate` slot, by calling segue_apply). Obligations B1..B9 are in docs/backends.md;
 * `tests/conformance` runs them against every backend.
 *
 * All slots: called from any thread, any number at a time, never before `open` succeeded nor after `close`; may block, up
 * to call->deadline_ns at most where the engine allows it; must not keep slices after return. On a failure they call
 * segue_fail (status and sentence) and change nothing (B2), unless the status is MAYBE_APPLIED (B7). Keys are valid when
 * they arrive. (A failure without a sentence gets the words of its status.) */
#ifndef SEGUE_BACKEND_H
#define SEGUE_BACKEND_H

#include <segue/doc.h>
#include <segue/env.h>
#include <segue/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SEGUE_BACKEND_ABI 1u

/* Where a record was read by a dual store, remembered in a segue_doc and given back with the put that is based on it. A
 * backend that is no dual store ignores it. */
typedef enum segue_source {
    SEGUE_FROM_UNKNOWN,
    SEGUE_FROM_PRIMARY,
    SEGUE_FROM_FALLBACK, /* the primary had no record when the fallback's was read */
    SEGUE_FROM_NEITHER   /* the primary had none, the fallback had none, the primary still had none */
} segue_source;

/* An operation under way. One per public call; handed down unchanged by filters. */
typedef struct segue_call {
    int64_t deadline_ns; /* on env->mono_ns; 0 none */
    segue_error *err;    /* may be NULL; a sentence in it counts only if the operation fails */
    const segue_env *env;/* never NULL */
    unsigned pin;        /* the dual store's own, between begin and end */
    bool no_body;        /* of a get: the body is not looked at and may be left empty (not none, on a live record) */
} segue_call;

/* Fill call->err (if any) from a printf format and return `status`. `call` may be NULL. */
SEGUE_API segue_status segue_fail(segue_call *call, segue_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- put ---- */

typedef enum segue_if {
    SEGUE_IF_ANY,    /* always */
    SEGUE_IF_ABSENT, /* no record, not even a tombstone; else EXISTS */
    SEGUE_IF_CAS     /* the record's CAS is `if_cas`; another: CAS_MISMATCH; no record: NOT_FOUND */
} segue_if;

/* 16 hex digits in the value of an xattr, which are to hold the record's CAS. */
typedef struct segue_cas_place {
    uint32_t xattr;  /* which of the record's */
    uint32_t offset; /* into its value */
} segue_cas_place;

/* Write `cas` to these places of rec, whose xattr values must lie in memory that may be written: that of a segue_applied or a
 * segue_doc. Whoever chooses a record's CAS does this before the record is stored (SEGUE_CAP_CAS_MACROS). */
SEGUE_API void segue_expand_cas(const segue_record *rec, const segue_cas_place *places, size_t n, uint64_t cas);

typedef struct segue_put {
    segue_record rec;   /* rec.cas is not used unless keep_cas. rec.revision is stored; under IF_ANY the stored revision
                           is one more than the present record's, 1 if there is none */
    segue_if condition;
    uint64_t if_cas;
    uint64_t cas_floor; /* the new CAS must be greater than this */
    bool keep_cas;      /* store rec.cas and rec.revision as given (needs SEGUE_CAP_KEEP_CAS); the engine's clock must be
                           raised to at least rec.cas */
    segue_source source;/* of the record that this put is based on */
    const segue_cas_place *cas_places; /* segue_expand_cas with the CAS that is chosen; none where keep_cas */
    size_t n_cas_places;
} segue_put;

/* ---- scan ---- */

/* A page of records; reusable: of what it held it keeps the memory of small records, at most 4 KiB or max_bytes / max_docs
 * each. Zero-initialise; set max_docs and max_bytes before the call. */
typedef struct segue_page {
    segue_doc *docs;
    size_t n;
    size_t capacity;
    size_t max_docs;  /* at least 1 */
    size_t max_bytes; /* stop after the record that reaches it */
    size_t n_bytes;
    bool more;        /* there may be records after the last one in docs */
    uint64_t through; /* of changes, without `more`: 0, or: all up to this CAS were read, though not all are in docs */
} segue_page;

/* Copy a record into the page. *ret_full: do not add more (set page->more if there are). NO_MEMORY. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_page_add(segue_page *page, const segue_record *rec, bool *ret_full);
/* Forget the records, keep their memory and the bounds: to be filled again. */
SEGUE_API void segue_page_clear(segue_page *page);
/* Give the memory back; max_docs and max_bytes stay. Legal on {0}. */
SEGUE_API void segue_page_free(segue_page *page);

/* Keys k with `after` < k (none: no bound) or from <= k, k <= to, resolved by the caller: prefix is already part of them. */
typedef struct segue_bounds {
    segue_slice from;    /* none: no lower bound */
    bool from_open;      /* without from itself */
    segue_slice to;      /* none: no upper bound */
    bool to_open;
    bool keys_only;      /* the backend may leave bodies and xattrs out (rec.body.data NULL also for live ones) */
    bool tombstones;     /* false: the backend may leave tombstones out */
} segue_bounds;

/* ---- changes ---- */

/* Records that come after (cas, key), in order of CAS, and of key where CASes are equal (records that came with their CAS). */
typedef struct segue_since {
    uint64_t cas;    /* 0: from the first one */
    segue_slice key; /* none: after all that have this CAS */
    bool keys_only;  /* as in segue_bounds */
} segue_since;

/* ---- batches ---- */

typedef enum segue_write_op { SEGUE_WRITE_PUT, SEGUE_WRITE_ERASE } segue_write_op;

/* One write of a batch. Erase uses put.rec.key and put.if_cas. */
typedef struct segue_write {
    segue_write_op op;
    segue_put put;
    segue_status status; /* out: of this write */
    uint64_t cas;        /* out: of the stored record */
} segue_write;

/* One record of a move. */
typedef struct segue_move {
    segue_slice key;
    uint64_t cas;        /* of the record in the source, as the sweep read it */
    bool keep;           /* leave it in the source */
    segue_status status; /* out: OK: the record is in the target, by this move (`moved`) or from before, and, unless
                            `keep`, no longer in the source. CAS_MISMATCH: the source's record has changed, nothing was
                            done. NOT_FOUND: it is gone from the source, nothing was done */
    bool moved;          /* out: the target had none and has it now */
} segue_move;

/* ---- the table ---- */

typedef struct segue_url segue_url;

/* What is between scheme and '?', percent-decoded. Never NULL. */
SEGUE_API const char *segue_url_path(const segue_url *url);
/* The value of a parameter, percent-decoded, or NULL. */
SEGUE_API const char *segue_url_param(const segue_url *url, const char *name);
/* INVALID_URL, naming the parameter, if the URL has one that is not in the NULL-terminated list. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_url_only(const segue_url *url, const char *const *names,
                                                       segue_call *call);

typedef struct segue_open_args {
    const segue_url *url;     /* valid during open only */
    const segue_env *env;     /* valid until close */
    unsigned flags;           /* SEGUE_OPEN_... */
} segue_open_args;

typedef struct segue_backend {
    uint32_t abi;        /* SEGUE_BACKEND_ABI */
    size_t table_size;   /* sizeof(segue_backend): slots are only ever added at the end */
    size_t self_size;    /* the framework allocates this much, zeroed, for each handle */
    const char *scheme;  /* "sqlite" */

    /* Required. Into *self (zeroed). After a failure close is not called. */
    segue_status (*open)(void *self, const segue_open_args *args, segue_call *call);
    void (*close)(void *self);

    /* Required. Bits of segue_caps for this handle. Cheap. */
    unsigned (*caps)(const void *self);

    /* Required. The record, live or tombstone, into doc (never NULL), with segue_doc_assign. NOT_FOUND: no record at all, doc
     * untouched. An expired record is returned as it is stored: the caller decides what it is now (B4). See call->no_body. */
    segue_status (*get)(void *self, segue_slice key, segue_doc *doc, segue_call *call);

    /* Required. See segue_put. *ret_cas: of the stored record. */
    segue_status (*put)(void *self, const segue_put *put, uint64_t *ret_cas, segue_call *call);

    /* Required. Remove the record physically if its CAS is `cas`; CAS_MISMATCH; NOT_FOUND. */
    segue_status (*erase)(void *self, segue_slice key, uint64_t cas, segue_call *call);

    /* Required. Append to the empty page the first records of `bounds` in byte order of key, until it is full or there are no
     * more (page->more false). An error is never an end (B8). */
    segue_status (*scan)(void *self, const segue_bounds *bounds, segue_page *page, segue_call *call);

    /* Optional; with SEGUE_CAP_MUTATE. Run segue_apply on the key's record inside the engine's own lock or transaction and
     * store what it makes. `require_record`: NO_RECORD, and nothing done, if there is no record at all. USE_LOOP: nothing
     * was done, let the store's loop do it; if base->source is not SEGUE_FROM_UNKNOWN then, the loop goes on from what was
     * read into base (SEGUE_FROM_NEITHER: from nothing) instead of reading again. ret_doc (may be NULL): the record
     * afterwards, macros expanded; fill it before the commit, so that running out of memory is a failure with nothing
     * applied. */
    segue_status (*mutate)(void *self, segue_slice key, const segue_mutation *mutation, uint64_t write_id,
                           uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                           segue_doc *ret_doc, segue_call *call);

    /* Optional; with SEGUE_CAP_MOVE. UNSUPPORTED, with nothing done, if `to` (a handle of the same backend) is not the same
     * engine. The record keeps CAS and revision. In one transaction; each has its own status. A failure of the whole (nothing
     * was done, or MAYBE_APPLIED) is the result. */
    segue_status (*move)(void *self, void *to, segue_move *moves, size_t n, segue_call *call);

    /* Optional; with SEGUE_CAP_WRITE_MANY. In one transaction; each has its own status. A failure of the whole (nothing
     * was applied, or MAYBE_APPLIED) is the result. */
    segue_status (*write_many)(void *self, segue_write *writes, size_t n, segue_call *call);

    /* Optional. An operation of several slot calls begins and ends; `write` if it may write. begin may wait. */
    segue_status (*begin)(void *self, bool write, segue_call *call);
    void (*end)(void *self, segue_call *call);

    /* Optional. Both handles are the same collection of the same engine. Default: the same handle only. */
    bool (*same)(const void *self, const void *other);

    /* Optional; filters and the dual store. May purge run now? OK, or REFUSED with the reason. What else forbids it
     * (segue_purge_tombstones) the store layer knows. */
    segue_status (*may_purge)(void *self, segue_call *call);

    /* Optional. See to it that every CAS that is given from now on is greater than at_least (0: as it is); it writes only if
     * the clock stands below that (READ_ONLY). *ret_cas: at least that, and at least as great as every CAS that was given or
     * kept in this collection so far; what is stored from now on has a greater one, unless it comes with it. Cheap. A dual
     * store gives every record of its primary a greater one than its fallback's highest; over a fallback without this slot,
     * a write that reads nothing costs it a read. */
    segue_status (*highest)(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call);

    /* Optional; with SEGUE_CAP_CHANGES, and only together with `highest`. Append to the empty page the first records, live and
     * tombstones, that come after `since`, each as it is now, until the page is full or there are no more. No gap (B10): a
     * record that is stored later, unless it comes with its CAS (keep_cas, move), has a greater CAS than every record that
     * could be seen before. It must be cheap where there are none: this is how a feed waits for news. An error is never an
     * end. */
    segue_status (*changes)(void *self, const segue_since *since, segue_page *page, segue_call *call);

    /* Optional; with SEGUE_CAP_EXPIRED. Append to the empty page the first records that are stored as live and have an expiry
     * of `until` or before, in order of expiry, until it is full or there are no more (page->more false): as they are stored,
     * but that bodies may be left empty. *ret_next, without `more`: the earliest expiry after `until` of a record that is
     * stored as live, 0 none. It must cost nothing to speak of where there are none: no scan of everything. An engine that has
     * this and no `begin` is reaped in the background (segue_reap); with SEGUE_CAP_SHARED it is asked once a minute. */
    segue_status (*expired)(void *self, uint64_t until, segue_page *page, uint32_t *ret_next, segue_call *call);
} segue_backend;

/* Make a backend known under its scheme. INVALID_ARGUMENT: another ABI, a required slot is missing, or the scheme is
 * taken. The table must stay valid. Call before the first segue_open; not thread-safe. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_register_backend(const segue_backend *backend);

/* ---- the rules, for `mutate` slots ---- */

/* What segue_apply computes; zero-initialise, use again. Owns the scratch memory that rec points into. */
typedef struct segue_applied {
    segue_record rec;      /* what to store (cas and write_id not set); borrows from base, mutation and scratch */
    bool write;            /* false: nothing has to change */
    uint64_t counter;
    segue_buf scratch;
    segue_xattr *slots;
    size_t n_slots;
    segue_buf *texts;      /* what path operations and macros have changed, a buffer each */
    size_t n_texts, n_texts_used;
    segue_cas_place cas_places[SEGUE_MACROS_MAX]; /* for segue_expand_cas, in rec and in every copy of it */
    size_t n_cas_places;
} segue_applied;
SEGUE_API void segue_applied_free(segue_applied *applied);

/* The one pure function: mutation on base (NULL: no record) at wall-clock second `now`. Statuses as segue_mutate, with a
 * sentence in call->err. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_apply(segue_slice key, const segue_record *base,
                                                    const segue_mutation *mutation, uint64_t now,
                                                    segue_applied *applied, segue_call *call);

#ifdef __cplusplus
}
#endif
#endif
