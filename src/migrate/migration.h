/* L5: a migration from inside. run.c takes it through its stages; pass.c reads the fallback page by page and hands
 * the pages to workers; sweep.c moves one page; counter.c hands one counter over; foreign.c settles what others wrote
 * behind our back; manifest.c remembers what was moved; verify.c compares; finish.c seals and cleans; record.c is the
 * status record. */
#ifndef SEG_MIGRATION_H
#define SEG_MIGRATION_H

#include "migrate/manifest.h"
#include "migrate/policy.h"
#include "migrate/record.h"

#include <pthread.h>
#include <stdatomic.h>

struct segue_migration {
    segue_store *from; /* references; the sides as they were given, with their filters. NULL: not given */
    segue_store *to;
    segue_store *dual;    /* or NULL */
    seg_reap_guard guard; /* nobody of this process reaps what is moved */
    const segue_policy *policy;
    segue_migration_options options; /* defaults filled in */
    char name[SEGUE_MIGRATION_NAME_MAX + 1];
    const segue_env *env;
    bool keeps_cas; /* the primary stores given CASes */
    atomic_bool cancelled;
    atomic_bool cannot_move;        /* the two sides are not collections of one engine */
    _Atomic uint64_t next_manifest; /* see seg_next_manifest; 0: what is moved is not remembered */

    /* The runner's, on its thread only. */
    seg_status status;
    char own_id[SEG_ID_SIZE];             /* as the runner that it is, or was last */
    bool is_runner;                       /* it has claimed the status record, and has not left */
    const segue_verified *verifying;      /* a verification on its own: what it has found; or NULL */
    int64_t began_ns, saved_ns, shown_ns; /* monotonic; active_ns counts up to saved_ns */
    uint64_t done;                        /* records settled by this run */
};

/* A call of the migration's own on one of its stores. */
segue_call seg_migration_call(const segue_migration *m, segue_error *err);

/* ---- the status record, from the runner's thread ---- */

/* Read it. NOT_FOUND: there is none (m->status is empty then). BUSY_ELSEWHERE: a runner shows signs of life. */
segue_status seg_migration_look(segue_migration *m, segue_error *err);
/* Become the runner. BUSY_ELSEWHERE: somebody was faster. */
segue_status seg_migration_claim(segue_migration *m, segue_error *err);
/* Write it now: intents and results. */
segue_status seg_migration_save(segue_migration *m, segue_error *err);
/* Between steps: write it if a second has passed (sign of life, cursor, counts; by the runner only), show progress if
 * it is time. */
segue_status seg_migration_tick(segue_migration *m, segue_error *err);
void seg_migration_show(segue_migration *m, bool is_last);
/* Enter a stage: write it, show it. */
segue_status seg_migration_stage(segue_migration *m, segue_stage stage, segue_error *err);
/* No runner any more; what ended the run is remembered. Returns st. */
segue_status seg_migration_leave(segue_migration *m, segue_status st, segue_error *err);
/* What a public call answers: st, in the words of err. Returns st. */
segue_status seg_migration_give(const segue_migration *m, segue_status st, segue_error *err, segue_error *reterr);
/* Sleep in slices, ticking. NOT_FINISHED: cancelled. */
segue_status seg_migration_wait(segue_migration *m, int64_t ns, segue_error *err);
segue_status seg_migration_cancelled(const segue_migration *m, segue_error *err);
/* Before what was read from the fallback is inserted into the primary. A runner that slept may have a successor, who may have
 * sealed and purged since: BUSY_ELSEWHERE, or why it is not known. Who sleeps between this look and the insert is waited for by
 * the successor (seg_clean), for as long as a call may take: TIMEOUT, it has taken longer. Any thread. */
segue_status seg_migration_still_ours(const segue_migration *m, segue_call *call);
/* The phase of the clients of this process; `none` if there are none. */
segue_phase seg_migration_clients(const segue_migration *m, segue_phase none);
/* Change the phase of the clients of this process, if there are any, and wait for their operations, ticking. */
segue_status seg_migration_phase(segue_migration *m, segue_phase phase, segue_error *err);

/* ---- one page (sweep.c) ---- */

/* What became of a page. */
typedef struct seg_swept {
    segue_counts counts;
    uint64_t work; /* records about which something was done, or has to be done in another pass; not the dropped ones */
    uint64_t settled; /* moved, already there, dropped, handed over */
    seg_keys failed;
    segue_status why;    /* the last of them failed */
    seg_keys foreign;    /* with SEGUE_FOREIGN_STOP: not settled */
    segue_status status; /* not OK: the store fails, the run ends */
    segue_error err;
} seg_swept;
void seg_swept_clear(seg_swept *swept);
/* Count a record that failed, and remember it. */
void seg_swept_failed(seg_swept *swept, segue_slice key, segue_status why);

/* Sweep the records of a page as they were read from the fallback. `tail`: what is moved last is moved, too. Failures
 * of single records are in *swept; it is only when everything fails that swept->status is not OK. Any thread. */
void seg_sweep_page(segue_migration *m, const segue_page *page, bool tail, seg_swept *swept);

/* One attempt at some records, of which the policy says "move": docs[i] as read from the fallback. Nothing is tried
 * again. manifest: where they are remembered (0: nowhere, for tests). Each step a store call: one scan of the
 * primary's keys (or gets, for few), the manifest, then one move, or puts into the primary followed by erases in the
 * fallback. */
segue_status seg_sweep_records(segue_migration *m, const segue_record *const *recs, size_t n, uint64_t manifest,
                               seg_swept *swept, segue_call *call);

/* A number that no other runner gives, for its epoch is in it. 0: nothing is to be remembered, because there is no
 * migration, or it is clean and nobody would erase it. */
uint64_t seg_next_manifest(segue_migration *m);

/* One record by its key, read anew; whatever its rule. NOT_FOUND: the fallback has none. */
segue_status seg_sweep_key(segue_migration *m, segue_slice key, seg_swept *swept, segue_call *call);

/* The counts and keys of a page go into the status (pass.c; the runner's thread). */
void seg_migration_add(segue_migration *m, const seg_swept *swept);

/* ---- counters (counter.c) ---- */

/* Hand a counter over, beginning, or going on, wherever it stands. OK also if there is nothing to do. */
segue_status seg_counter_hand_over(segue_migration *m, segue_slice key, seg_swept *swept, segue_call *call);

/* The same with patience; a failure is counted and remembered. */
segue_status seg_counter_try(segue_migration *m, segue_slice key, seg_swept *swept);

/* ---- foreign writes (foreign.c) ---- */

/* The fallback's record is not the one that was read. `before`: that one. Settles it as the options say, or remembers
 * it. */
segue_status seg_foreign_changed(segue_migration *m, const segue_record *before, seg_swept *swept, segue_call *call);
/* Both sides have the key and the fallback's record is the newer one. */
bool seg_foreign_is_newer(const segue_migration *m, const segue_record *fallback, uint64_t primary_cas,
                          bool primary_is_tombstone);
/* Nothing is to be done about such a record: the primary's wins, and the fallback is kept as it is. */
static inline bool seg_foreign_stays(const segue_migration *m)
{
    return m->options.keep && m->options.on_foreign_write == SEGUE_FOREIGN_PRIMARY;
}
/* Settle one key by newer or primary. OK also if there is nothing to settle. */
segue_status seg_foreign_settle(segue_migration *m, segue_slice key, segue_on_foreign how, seg_swept *swept,
                                segue_call *call);

/* ---- passes (pass.c) ---- */

/* Passes until one finds nothing left to do. OK: that one was full, uncut and without errors. NOT_FINISHED:
 * cancelled, gave up, a foreign write. */
segue_status seg_passes(segue_migration *m, segue_error *err);

/* ---- the end (finish.c, verify.c) ---- */

segue_status seg_seal(segue_migration *m, segue_error *err);
/* The clients of this process use the primary alone, and those operations that began before have ended. */
segue_status seg_seal_clients(segue_migration *m, segue_error *err);
/* Waits for options.fence_ns first. */
segue_status seg_clean(segue_migration *m, segue_error *err);
/* `v`: zeroed, and always up to date. */
segue_status seg_verify(segue_migration *m, unsigned options, segue_difference_fn fn, void *ctx, segue_verified *v,
                        segue_error *err);

/* ---- common ---- */

/* Scan `store` over bounds, page by page, telling fn of each page; a failure that can pass is tried again. fn's
 * status other than OK ends it. */
typedef segue_status (*seg_page_fn)(void *ctx, const segue_page *page, segue_error *err);
segue_status seg_each_page(segue_migration *m, segue_store *store, const segue_bounds *bounds, seg_page_fn fn,
                           void *ctx, segue_error *err);
/* One page from `bounds`, tried again while the failure can pass. */
segue_status seg_read_page(segue_migration *m, segue_store *store, const segue_bounds *bounds, segue_page *page,
                           uint64_t *retries, segue_error *err);
static inline uint64_t seg_record_bytes(const segue_record *rec)
{
    uint64_t n = rec->key.size + rec->body.size;
    for (size_t i = 0; i < rec->n_xattrs; i++) n += rec->xattrs[i].name.size + rec->xattrs[i].value.size;
    return n;
}
static inline bool seg_can_try_again(segue_status st)
{
    return segue_status_is_retryable(st) || segue_status_is_maybe_applied(st);
}

#endif
