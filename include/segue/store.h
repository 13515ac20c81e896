/* Stores: the verbs. Include <segue/ops.h> for the named short forms.
 *
 * Threads: a segue_store may be used from any number of threads at once; an iterator and a segue_doc belong to one
 * thread at a time. Outputs come last, have the prefix ret_, are written on success only and may be NULL unless it is said
 * otherwise; reterr is filled on failure only and may be NULL. Every call may return, besides what it names: INVALID_KEY
 * (not 1..250 bytes, or with a NUL), REFUSED (a key under "_segue:", which is Segue's own), TIMEOUT (the deadline passed,
 * nothing was applied), UNAVAILABLE, NO_MEMORY, NO_SPACE, READ_ONLY, ACCESS_DENIED, IO_ERROR, CORRUPT; a write also
 * MAYBE_APPLIED. On every failure but MAYBE_APPLIED the document, its CAS, revision and expiry are as they were. */
#ifndef SEGUE_STORE_H
#define SEGUE_STORE_H

#include <segue/doc.h>
#include <segue/env.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct segue_store segue_store;

/* What a store can do, as bits. */
typedef enum segue_caps {
    SEGUE_CAP_MUTATE = 1 << 0,     /* applies a mutation in one trip */
    SEGUE_CAP_MOVE = 1 << 1,       /* moves records to another collection of the same engine in one transaction */
    SEGUE_CAP_WRITE_MANY = 1 << 2, /* batches */
    SEGUE_CAP_KEEP_CAS = 1 << 3,   /* stores a given CAS and revision as they are */
    SEGUE_CAP_FLAGS = 1 << 4,      /* keeps user flags */
    SEGUE_CAP_WRITE_ID = 1 << 5,   /* keeps write ids, so an unknown outcome can be found out */
    SEGUE_CAP_DURABLE = 1 << 6,    /* an acknowledged write survives loss of power */
    SEGUE_CAP_SHARED = 1 << 7,     /* several processes may have it open */
    SEGUE_CAP_CHANGES = 1 << 8,    /* tells what has changed: <segue/feed.h> */
    SEGUE_CAP_EXPIRED = 1 << 9,    /* finds what has expired, so that it can be reaped */
    SEGUE_CAP_CAS_MACROS = 1 << 10 /* knows a record's CAS before it is stored: expands SEGUE_MACRO_CAS */
} segue_caps;

/* How to open. */
enum {
    SEGUE_OPEN_EXISTING = 1 << 0,  /* do not create: NO_STORE when file, bucket or collection is not there */
    SEGUE_OPEN_READ_ONLY = 1 << 1, /* change nothing, create nothing (implies EXISTING); writes are READ_ONLY */
    SEGUE_OPEN_NO_REAPER = 1 << 2  /* as reap=off: what expires is not reaped in the background through this handle */
};

typedef struct segue_open_options {
    const segue_env *env; /* NULL: the real world. Copied */
    unsigned flags;       /* SEGUE_OPEN_... */
} segue_open_options;

/* Open the store that a URL names:
 *
 *   mem:[NAME][?caps=-mutate,-move]                     in memory; the same NAME in one process is the same data
 *   sqlite:FILE[?collection=SCOPE.COLLECTION]           a SQLite file of Segue's
 *   rosmar:DIRECTORY[?collection=SCOPE.COLLECTION]      a bucket of Sync Gateway's embedded store, in place
 *   dual:?primary=URL&fallback=URL[&phase=PHASE]        see <segue/dual.h>
 *   stats+URL, trace+URL                                a filter over another store
 *
 * Every kind also takes feed_poll_ms=1..3600000: how often an idle feed looks for news at least (100 if not given).
 * mem, sqlite and rosmar also take reap=off: see segue_reap.
 * The collection is _default._default if not given. In a value, '%', '&' and '+' of nested URLs are percent-encoded.
 * options may be NULL. INVALID_URL (also an unknown scheme or parameter), NO_STORE, WRONG_FORMAT, CORRUPT, ACCESS_DENIED,
 * IO_ERROR, UNSUPPORTED. *ret_store is the caller's to close. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_open(const char *url, const segue_open_options *options,
                                                   segue_store **ret_store, segue_error *reterr);

/* Give up the handle. No call on it may be running. NULL is legal. A dual store keeps its two sides open by itself. */
SEGUE_API void segue_close(segue_store *store);

/* The URL it was opened with. Valid while the store is open. */
SEGUE_API const char *segue_store_url(const segue_store *store);

/* Bits of segue_caps. */
SEGUE_API unsigned segue_store_caps(const segue_store *store);

typedef struct segue_options {
    int64_t timeout_ns; /* nanoseconds from now; 0 none */
} segue_options;

/* ---- get ---------------------------------------------------------------------------------------------------- */

/* The live document with this key, whole, into *doc (required, reusable). NOT_FOUND: nothing there or a tombstone. On a
 * failure *doc is empty or as it was. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_get(segue_store *store, segue_slice key, const segue_options *options,
                                                  segue_doc *doc, segue_error *reterr);

/* The record, tombstones too (rec.is_tombstone). NOT_FOUND only when there is none at all. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_get_record(segue_store *store, segue_slice key,
                                                         const segue_options *options, segue_doc *doc,
                                                         segue_error *reterr);

/* ---- mutate ------------------------------------------------------------------------------------------------- */

/* Apply one mutation atomically. doc (may be NULL) receives the record as it is afterwards. Statuses as segue_mutation says:
 * EXISTS, CAS_MISMATCH, NOT_FOUND, PATH_NOT_FOUND, NOT_A_NUMBER, TOO_BIG, INVALID_JSON, INVALID_XATTR_NAME,
 * XATTR_SET_AND_DROPPED, XATTR_VALUE_REQUIRED, BODY_REQUIRED, INVALID_ARGUMENT (also for options that do not exist, before
 * anything is done), those of paths, UNSUPPORTED (flags where the engine keeps none; a CAS macro without
 * SEGUE_CAP_CAS_MACROS). */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_mutate(segue_store *store, segue_slice key,
                                                     const segue_mutation *mutation, const segue_options *options,
                                                     segue_outcome *ret_outcome, segue_doc *doc, segue_error *reterr);

/* ---- update ------------------------------------------------------------------------------------------------- */

/* Sees the record (a tombstone too, with body.data NULL), or NULL if there is none, and fills *mutation, which comes
 * zeroed but for the options' expiry and macros; what it points to must stay valid until the next call of the callback or
 * the end of segue_update. Its `expect` counts too. A mutation left as it came: nothing is written. May be called again:
 * each time somebody was faster. It must not call the same store with the same key under its own feet expecting to win;
 * anything else is allowed.
 * Returns OK; RETRY (read and call again); anything else ends the update with that status and nothing written. */
typedef segue_status (*segue_update_fn)(void *ctx, const segue_record *current, segue_mutation *mutation);

typedef struct segue_update_options {
    int64_t timeout_ns;           /* nanoseconds from now; 0 none */
    segue_expiry expiry;          /* what the callback's mutation starts with */
    const segue_macro *macros;    /* what it starts with, too; expanded only if it asks for something besides */
    size_t n_macros;
    const segue_record *previous; /* not NULL: the first call of the callback gets this and nothing is read for it. cas 0
                                     in it means "known not to exist" (the callback gets NULL). It may hold only
                                     some of the xattrs: the others are not touched by the write */
} segue_update_options;

/* Read-modify-write, atomic: what the callback saw is what its mutation was applied to. Statuses of segue_mutate, and
 * those of the callback. EXISTS and CAS_MISMATCH come back only when the callback's own `expect` said so. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_update(segue_store *store, segue_slice key, segue_update_fn fn, void *ctx,
                                                     const segue_update_options *options, segue_outcome *ret_outcome,
                                                     segue_error *reterr);

/* ---- scan --------------------------------------------------------------------------------------------------- */

enum {
    SEGUE_SCAN_KEYS_ONLY = 1 << 0,   /* no bodies and no xattrs (CAS, revision, expiry, state are there) */
    SEGUE_SCAN_TOMBSTONES = 1 << 1,  /* tombstones too */
    SEGUE_SCAN_FROM_OPEN = 1 << 2,   /* without `from` itself */
    SEGUE_SCAN_TO_OPEN = 1 << 3      /* without `to` itself */
};

typedef struct segue_range {
    segue_slice from;   /* none (data NULL): from the first key */
    segue_slice to;     /* none: to the last key */
    segue_slice prefix; /* none: any; else only keys that begin with these bytes. Together with from and to: both hold */
    unsigned options;   /* SEGUE_SCAN_... */
} segue_range;

typedef struct segue_scan segue_scan;

/* Records in byte order of key. Each record that exists throughout is seen exactly once; others may be seen or not.
 * range may be NULL (everything). Nothing of *range is needed after the call. INVALID_ARGUMENT: options that do not exist. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_scan_open(segue_store *store, const segue_range *range,
                                                        segue_scan **ret_scan, segue_error *reterr);

/* The next record, valid until the next call. END: there are no more. Any other status: the scan was cut, and says so
 * again at every further call; it is never an end. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_scan_next(segue_scan *scan, const segue_record **ret_record,
                                                        segue_error *reterr);

/* NULL is legal. */
SEGUE_API void segue_scan_close(segue_scan *scan);

/* ---- whole records ------------------------------------------------------------------------------------------ */

enum { SEGUE_PUT_REPLACE = 1 << 0 }; /* whatever is there; else only where there is no record */

/* Store a record as it is given: for import, copies and restores. CAS and revision are kept where the store can
 * (SEGUE_CAP_KEEP_CAS) and rec->cas is not 0; else the store gives a CAS of its own, and with SEGUE_PUT_REPLACE the
 * revision goes on from what is there. A revision of 0 is stored as 1, a tombstone without expiry, flags and JSON mark. EXISTS:
 * there is a record (a tombstone counts) and SEGUE_PUT_REPLACE was not given. TOO_BIG, INVALID_XATTR_NAME, INVALID_JSON (an
 * xattr), INVALID_ARGUMENT (also a CAS to keep that is not below 2^63 - 2^40), UNSUPPORTED (flags). */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_put_record(segue_store *store, const segue_record *rec,
                                                         unsigned put_options, const segue_options *options,
                                                         uint64_t *ret_cas, segue_error *reterr);

/* The same over one known record: store rec with the CAS that it has elsewhere, even a lower one than before; the revision
 * goes on from what is there. old_cas is the CAS of the record that it replaces, a tombstone's too; 0: there is none.
 * CAS_MISMATCH: it is not so. UNSUPPORTED: the store has no SEGUE_CAP_KEEP_CAS. REFUSED on a dual store that is not clean,
 * which tells by the CAS what is newer. INVALID_ARGUMENT: rec->cas is 0, or not below 2^63 - 2^40. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_put_with_meta(segue_store *store, const segue_record *rec,
                                                            uint64_t old_cas, const segue_options *options,
                                                            segue_error *reterr);

/* ---- purge -------------------------------------------------------------------------------------------------- */

/* Erase every tombstone, physically. REFUSED while a tombstone may still hide a record in the store that is moved from: while
 * any migration into this store is not clean, by its status record (one that cannot be understood counts as not clean), and
 * while a dual store that is not clean is open over it in this process; the sentence names what is in the way. That is asked
 * again before each page is erased. A dual store in another process, of a migration that has not begun yet, is not known of.
 * *ret_count: how many went; written on failure too. A later document of the same key starts at revision 1. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_purge_tombstones(segue_store *store, uint64_t *ret_count,
                                                               segue_error *reterr);

/* ---- reaping ------------------------------------------------------------------------------------------------ */

/* Replace up to `max` (0: all) documents that have expired by the tombstones that they read as anyway: revision one
 * more, a new CAS, system xattrs kept. Each is one conditional write: a document that somebody changes at the same time
 * is left as he wants it, and of several who reap, one does. *ret_count: how many this call has replaced; written on
 * failure too. UNSUPPORTED: the store cannot find what has expired (SEGUE_CAP_EXPIRED). On a dual store: what has
 * expired in the primary; in phase legacy, in the fallback.
 *
 * A process that has a store open for writing does this by itself, on one thread for all its stores, which sleeps until
 * the next expiry that it knows of: those found at open, and those stored by this process. Of what another process stores
 * nobody hears, so where that is possible (SEGUE_CAP_SHARED) the thread runs while the store is open and looks once a
 * minute, at the cost of one look into an index; elsewhere it begins with the first expiry. So what another process has
 * stored is reaped at most a minute late. Not with reap=off, SEGUE_OPEN_NO_REAPER or without SEGUE_CAP_EXPIRED; nor in the
 * fallback of a dual store past phase legacy, nor in the store that a migration moves from. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_reap(segue_store *store, uint64_t max, uint64_t *ret_count,
                                                   segue_error *reterr);

/* ---- counters of the `stats` filter --------------------------------------------------------------------------- */

/* Trips: calls that reached the store below the filter. */
typedef struct segue_stats {
    uint64_t get, put, erase, scan, mutate, move, write_many, changes, expired;
    uint64_t failures; /* of them, ended with a status of class RETRY, UNKNOWN or FATAL: the store failed or was not reached */
} segue_stats;

/* The counts of the outermost stats filter of this handle (not inside a dual store's sides). UNSUPPORTED: there is none. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_store_stats(const segue_store *store, segue_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
