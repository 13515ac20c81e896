/* Migrations: move the records of one store (the fallback) into another (the primary) while clients go on reading and
 * writing through a dual store, losing nothing.
 *
 *   segue_policy_...           which record goes where
 *   segue_plan_make            what a migration would do, without doing it
 *   segue_migration_open, run  the migration: hold, forward, sweep, verify, seal, clean; resumable after a kill
 *   segue_migration_verify     compare by content; repair
 *   segue_migration_status     what the status record in the primary says, from any process
 *
 * A runner keeps its place in the record `_segue:migration:NAME` of the primary, written by CAS only: what it is
 * about to do before it does it, what came of it after. Running again goes on from there. Next to it lie manifests,
 * `_segue:manifest:NAME:XXXXXXXX`, the keys and digests of what was moved, erased by the clean step.
 *
 * Clients in the runner's own process share its dual store (options.dual): then hold, forward, seal and clean reach
 * them and wait for the operations under way. Clients in other processes must open the dual store (in phase forward,
 * the default of its URL) before the run begins; what still writes the fallback directly is found and reported as a
 * foreign write. */
#ifndef SEGUE_MIGRATE_H
#define SEGUE_MIGRATE_H

#include <segue/dual.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- policy ------------------------------------------------------------------------------------------------- */

/* Which record is moved, dropped, left. Rules are tried in order, the first that matches wins. Immutable once made;
 * may be used by any number of threads. */
typedef struct segue_policy segue_policy;

typedef enum segue_action {
    SEGUE_ACTION_MOVE,    /* to the primary unless it has a record, then erase from the fallback by the CAS read */
    SEGUE_ACTION_DROP,    /* erase from the fallback: transient records */
    SEGUE_ACTION_LEAVE,   /* not this migration's: stays, is counted, never blocks */
    SEGUE_ACTION_COUNTER, /* a number that writers outside may still increment: handed over by a pill, then moved */
    SEGUE_ACTION_STOP     /* must not be there: the run stops and names the key */
} segue_action;
enum { SEGUE_N_ACTIONS = SEGUE_ACTION_STOP + 1 };

/* "move", "drop", "leave", "counter", "stop"; "?" for anything else. Static text. */
SEGUE_API const char *segue_action_name(segue_action action);

/* From the text of a policy file: JSON in which comments (// to the end of the line, and the long form of C) are
 * allowed.
 *
 *   {
 *     "unmatched": "leave",                          // or "move", "stop"; leave if not given
 *     "rules": [
 *       {"key":    "app:counter", "action": "counter"},
 *       {"prefix": "app:",        "action": "move", "name": "application"},
 *       {"glob":   "tmp:*:lock?", "action": "drop"},  // * any bytes, ? one byte, \ the next one itself
 *       {"key":    "config",      "action": "move", "last": true}   // after everything else
 *     ]
 *   }
 *
 * `name` (default: the pattern) is what counts are reported under. INVALID_POLICY with the line or rule: no JSON,
 * unknown field, action or name twice in an object, a rule without pattern or with two, a pattern that speaks of
 * Segue's own keys. TOO_BIG: more than 100000 rules. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_policy_parse(segue_slice text, segue_policy **ret_policy,
                                                           segue_error *reterr);

/* One database of a bucket of Sync Gateway. Zero-initialise. */
typedef struct segue_sg_database {
    const char *metadata_id;        /* "_default" (or NULL): the default database; else the namespaced one */
    const char *const *sibling_ids; /* metadata ids of the other databases: their records look like the default one's */
    size_t n_sibling_ids;
    const char *group;              /* config group; NULL, "" and "default" are the same: keys without a group */
    const char *const *collections; /* "scope.collection" each; none: "_default._default" */
    size_t n_collections;
} segue_sg_database;

/* The built-in policy "sync-gateway" for one database; the bucket's own records stay. INVALID_POLICY: a collection
 * that is not "scope.collection", an id that is empty or holds ':'. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_policy_sync_gateway(const segue_sg_database *database,
                                                                  segue_policy **ret_policy, segue_error *reterr);

/* The same for the whole bucket: every database that `_sync:registry` names, each knowing the others as its siblings,
 * and last the bucket's own records. The registry is read from `to` (may be NULL), where an interrupted run may have
 * moved it, else from `from`. NOT_FOUND: there is none; INVALID_POLICY: it cannot be understood. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_policy_sync_gateway_bucket(segue_store *from, segue_store *to,
                                                                         segue_policy **ret_policy,
                                                                         segue_error *reterr);

/* NULL is legal. */
SEGUE_API void segue_policy_free(segue_policy *policy);

/* A rule. Rules have the numbers 0 .. segue_policy_n_rules() - 1; the last one is what happens to keys that no other
 * matches (name "unmatched"). Texts are valid while the policy is. */
typedef struct segue_rule {
    const char *name;     /* for JSON policies the rule's name; for sync-gateway the family ("user", "session", ...) */
    const char *database; /* sync-gateway: the metadata id it belongs to; NULL: the bucket's, or another policy */
    const char *kind;     /* "key", "prefix", "glob", "unmatched" */
    segue_slice pattern;
    segue_action action;
    bool last; /* moved after everything else */
} segue_rule;
SEGUE_API size_t segue_policy_n_rules(const segue_policy *policy);
SEGUE_API segue_rule segue_policy_rule(const segue_policy *policy, size_t number);

/* The number of the rule that takes the key. */
SEGUE_API size_t segue_policy_classify(const segue_policy *policy, segue_slice key);

/* 16 hex digits that change when a rule changes; zero-terminated into out. A run may be resumed under the same one
 * only. */
enum { SEGUE_POLICY_DIGEST_SIZE = 17 };
SEGUE_API void segue_policy_digest(const segue_policy *policy, char out[SEGUE_POLICY_DIGEST_SIZE]);

/* ---- plan --------------------------------------------------------------------------------------------------- */

typedef struct segue_tally {
    uint64_t live;
    uint64_t tombstones;
    uint64_t bytes; /* keys, bodies and xattrs */
} segue_tally;

/* Keys that no rule takes, by prefix (up to and with the second ':' or the first, or the first other character that
 * is neither letter nor digit). */
enum { SEGUE_PLAN_PREFIXES_MAX = 64 };
typedef struct segue_plan_prefix {
    char prefix[SEGUE_KEY_MAX + 1];  /* zero-terminated; the last place of a full table is "" and counts the rest */
    char example[SEGUE_KEY_MAX + 1]; /* one of the keys */
    segue_tally tally;
} segue_plan_prefix;

/* What a migration would do. segue_plan_free gives it back. */
typedef struct segue_plan {
    segue_tally all;
    segue_tally by_action[SEGUE_N_ACTIONS];
    segue_tally outside;  /* of leave: outside the range of keys that a migration has to look at */
    segue_tally *by_rule; /* one for each rule of the policy, by its number */
    size_t n_rules;
    segue_plan_prefix *unmatched; /* in byte order */
    size_t n_unmatched;
    uint64_t reserved;                /* Segue's own records, counted nowhere else */
    uint64_t already;                 /* of move and counter: the primary has a record with this key */
    char stop_key[SEGUE_KEY_MAX + 1]; /* the first key that a stop rule takes, or "" */
} segue_plan;

/* Read `from` (all of it) and `to` (may be NULL), change nothing. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_plan_make(segue_store *from, segue_store *to, const segue_policy *policy,
                                                        segue_plan *ret_plan, segue_error *reterr);
SEGUE_API void segue_plan_free(segue_plan *plan);

/* ---- a migration -------------------------------------------------------------------------------------------- */

/* How far a migration is. */
typedef enum segue_stage {
    SEGUE_STAGE_NONE,     /* there is no such migration */
    SEGUE_STAGE_STARTING, /* hold; counters are handed over */
    SEGUE_STAGE_SWEEPING, /* forward */
    SEGUE_STAGE_VERIFYING,
    SEGUE_STAGE_VERIFIED, /* the proof is there: seal may follow */
    SEGUE_STAGE_SEALING,
    SEGUE_STAGE_SEALED, /* the primary alone */
    SEGUE_STAGE_CLEANING,
    SEGUE_STAGE_CLEAN /* done */
} segue_stage;

/* "none", "starting", ...; "?" for anything else. Static text. */
SEGUE_API const char *segue_stage_name(segue_stage stage);

/* Everything since the migration began, all its runs together (of one that was killed, the last second may be
 * missing). */
typedef struct segue_counts {
    uint64_t scanned; /* records of the fallback that were looked at, all passes */
    uint64_t moved;   /* into the primary */
    uint64_t moved_bytes;
    uint64_t already; /* erased from the fallback because the primary had a record of its own */
    uint64_t hidden;  /* of `already`: live in the fallback under a tombstone of the primary */
    uint64_t dropped;
    uint64_t left;           /* left where they are, counted in the last full pass */
    uint64_t unmatched;      /* of `left`: no rule takes them */
    uint64_t counters;       /* handed over */
    uint64_t pills_finished; /* of them: begun by somebody else, or by a run that was interrupted */
    uint64_t foreign_writes; /* writes to the fallback behind the migration's back */
    uint64_t errors;         /* failed records; each is tried again */
    uint64_t retries;        /* repeated store calls */
    uint64_t passes;         /* full ones */
    uint64_t purged;         /* tombstones that only hid the fallback, erased when clean */
} segue_counts;

/* A write to the fallback by somebody who does not know of the migration. */
typedef enum segue_on_foreign {
    SEGUE_FOREIGN_STOP,   /* stop and name the key; run again with one of the other two to go on */
    SEGUE_FOREIGN_NEWER,  /* the one with the greater CAS wins. Where the primary cannot keep a CAS, the clocks of both
                             stores decide unless this run made the copy: answer at once there, not after a stop */
    SEGUE_FOREIGN_PRIMARY /* what the primary has wins; where it has nothing, the write is moved like any record. In a
                             fallback that is kept it stays, and is no difference */
} segue_on_foreign;

typedef struct segue_progress {
    segue_stage stage;
    uint64_t pass;      /* from 1 */
    uint64_t done;      /* records of this run settled: moved, already there, dropped, handed over */
    uint64_t total;     /* what was counted before (options.count_first); 0 not known */
    int64_t elapsed_ns; /* of this run */
    segue_counts counts;
    bool is_last; /* the run is at its end */
} segue_progress;
/* Called on the thread that called segue_migration_run or _verify, about five times a second and at each change of
 * stage. It may call segue_migration_cancel. */
typedef void (*segue_progress_fn)(void *ctx, const segue_progress *progress);

enum { SEGUE_MIGRATION_NAME_MAX = 64 };

/* Zero-initialise; 0 and NULL stand for the default. */
typedef struct segue_migration_options {
    const char *name;           /* letters, digits, '-', '_', '.'; default "default" */
    const segue_policy *policy; /* borrowed until segue_migration_close; needed by run and verify */
    segue_store *dual;          /* the dual store of this process's clients (a reference is taken): the run changes its
                                   phases and waits for its operations. NULL: no clients in this process. Open it in legacy
                                   only while segue_migration_status_read knows of no migration that has begun: after a
                                   crash part of the records is in the primary, and clients in legacy would not see it.
                                   While its stage is STARTING, in hold: which side counts for a counter is not decided.
                                   After that in forward */
    unsigned workers;           /* threads that move pages; default 2, at most 64 */
    size_t page_docs;           /* records per page; default 1000 */
    size_t page_bytes;          /* and bytes; default 1 MiB. Memory is about (workers + 2) times this, twice */
    bool keep;                  /* copy: the fallback stays as it is (also drop and counter) */
    bool hold_seal;             /* stop when verified; seal is a call of its own */
    bool hold_clean;            /* stop when sealed; clean is a call of its own */
    bool count_first;           /* read all keys once before, so that progress has a total */
    bool new_policy;            /* go on under another policy than the one that an unfinished migration began under */
    segue_on_foreign on_foreign_write;
    unsigned max_passes; /* default 20; then NOT_FINISHED */
    int64_t timeout_ns;  /* of one store call; default 30 s. The same for all runners of a migration: clean waits so
                                   long for one of another process that was taken for dead and may only sleep */
    int64_t drain_ns;    /* how long a change of phase may wait for operations under way; default 60 s */
    int64_t fence_ns;    /* wait between seal and clean: the longest deadline of operations in other processes;
                                   default 0 */
    int64_t stale_ns;    /* a runner whose last sign of life is older is taken for dead; default 15 s. (One that
                                   ran on this machine and whose process has ended: at once.) Signs come about each half
                                   second: with less than some of those, two runners take it from each other for ever */
    segue_progress_fn progress;
    void *progress_ctx;
} segue_migration_options;

typedef struct segue_migration segue_migration;

/* Prepare; nothing is read or written yet. Takes references of the stores. `from` may be NULL for seal and clean;
 * both may be NULL if options->dual is given. INVALID_ARGUMENT: a bad name or option, the same collection on both
 * sides, a dual store of other sides. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_migration_open(segue_store *from, segue_store *to,
                                                             const segue_migration_options *options,
                                                             segue_migration **ret_migration, segue_error *reterr);
/* NULL is legal. No call on it may be running. */
SEGUE_API void segue_migration_close(segue_migration *migration);

/* Run, or go on with, the migration to its end (or to where hold_seal, hold_clean say). Blocks.
 *
 * OK: it is where it was to go, and so are the clients of options.dual, also if it was finished before. NOT_FINISHED:
 * cancelled, gave up after max_passes, or stopped by a foreign write; its place is kept, the sentence says why, run
 * again. BUSY_ELSEWHERE: another runner shows signs of life, or took over. DIFFERENT: verification found differences
 * (nothing is sealed). REFUSED, with the reason: another migration is in the way (of other stores or another policy
 * under this name; unfinished under another name), Segue's own records lie in the fallback, a key that a stop rule
 * takes. INVALID_POLICY: no policy. READ_ONLY, NO_STORE and the others: a store failed; its place is kept. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_migration_run(segue_migration *migration, segue_error *reterr);

/* Ask run or verify to stop soon. May be called from any thread and from a signal handler. The handle stays cancelled: to
 * go on, open another. */
SEGUE_API void segue_migration_cancel(segue_migration *migration);

/* ---- verify ------------------------------------------------------------------------------------------------- */

typedef enum segue_difference_kind {
    SEGUE_DIFF_MISSING, /* was moved, or is in a kept fallback, and the primary has no record of it at all */
    SEGUE_DIFF_CONTENT, /* is in the primary with the CAS it was moved with, but with another content */
    SEGUE_DIFF_LEFT,    /* in scope, and still in the fallback */
    SEGUE_DIFF_NEWER    /* the fallback's record is newer than the primary's: a foreign write */
} segue_difference_kind;
/* "missing", "content", "left", "newer"; "?" for anything else. Static text. */
SEGUE_API const char *segue_difference_name(segue_difference_kind kind);

typedef struct segue_difference {
    segue_difference_kind kind;
    segue_slice key;
    bool repaired;
    const char *text; /* a sentence */
} segue_difference;
typedef void (*segue_difference_fn)(void *ctx, const segue_difference *difference);

typedef struct segue_verified {
    uint64_t checked;     /* records that were moved and looked up again */
    uint64_t same;        /* equal in content, CAS and revision (CAS only where the primary keeps it) */
    uint64_t changed;     /* changed by a client since */
    uint64_t deleted;     /* deleted by a client since, or expired */
    uint64_t in_scope;    /* records of the fallback in scope that were looked at */
    uint64_t differences; /* keys that differ */
    uint64_t repaired;    /* of them */
} segue_verified;

enum { SEGUE_VERIFY_REPAIR = 1 << 0 }; /* fix what differs, each by a write under a condition */

/* Compare what was moved with what the primary has, and look whether anything in scope is left in the fallback.
 * Constant memory, but for up to 96 bytes for each key that differs. fn (may be NULL) is told of each such key once; once
 * more if a repair fails where it is met first and succeeds where it is met again. Only a repair writes; it makes this the
 * runner (BUSY_ELSEWHERE as for run) and is REFUSED before the migration has begun to move records, and under another
 * policy than its own, unless options.new_policy says that this is meant. OK: no differences, or all repaired; DIFFERENT;
 * NOT_FINISHED: cancelled. A migration that is clean has no manifests any more: then checked is 0, and what is in a kept
 * fallback only is no difference. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_migration_verify(segue_migration *migration, unsigned verify_options,
                                                               segue_difference_fn fn, void *ctx,
                                                               segue_verified *ret_verified, segue_error *reterr);

/* ---- the last two steps by hand -----------------------------------------------------------------------------------
 * */

/* The primary alone from now on. OK also if it is sealed already. REFUSED: there is no proof of a full, uncut, error-free
 * pass and verification of this very run, or the stage is another. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_migration_seal(segue_migration *migration, segue_error *reterr);

/* Erase the manifests, and the tombstones that only hid the fallback. After the fence only: no operation that began
 * before the seal may be under way (in this process that is waited for; for others options.fence_ns is, and
 * options.timeout_ns from when a silent runner was taken for dead). REFUSED: it is not sealed. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_migration_clean(segue_migration *migration, segue_error *reterr);

/* ---- status ------------------------------------------------------------------------------------------------- */

enum { SEGUE_STATUS_KEYS_MAX = 16 };

/* The status record. segue_migration_status_free gives it back. */
typedef struct segue_migration_status {
    char name[SEGUE_MIGRATION_NAME_MAX + 1];
    char run_id[33]; /* of the migration: stays when it is resumed */
    uint64_t epoch;  /* +1 with each runner */
    segue_stage stage;
    bool is_running; /* a runner shows signs of life (as far as stale_ns's default tells) */
    char *from, *to; /* URLs */
    char policy_digest[SEGUE_POLICY_DIGEST_SIZE];
    bool keep;
    uint64_t pass;  /* the one under way, or the last */
    uint64_t total; /* in scope when the last run began, 0 not known */
    uint64_t done;  /* of them, settled by that run */
    int64_t run_ns; /* how long it has been at work */
    segue_counts counts;
    char *cursor;       /* everything up to and with this key is done in this pass; printable; "" none */
    int64_t started_s;  /* Unix seconds */
    int64_t changed_s;  /* last written */
    int64_t finished_s; /* 0: not yet */
    int64_t active_ns;  /* time that runners have worked on it */
    int64_t hold_ns;    /* how long writes were held, by the last run */
    char *last_error;   /* "" none */
    char *failed_keys[SEGUE_STATUS_KEYS_MAX]; /* printable; some of those that failed in this pass */
    size_t n_failed_keys;
    char *foreign_keys[SEGUE_STATUS_KEYS_MAX]; /* printable; some foreign writes that are not settled */
    size_t n_foreign_keys;
} segue_migration_status;

/* Read it from the primary. name NULL: "default". NOT_FOUND: there is no such migration; INVALID_ARGUMENT: none can
 * have this name; CORRUPT: it cannot be understood. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_migration_status_read(segue_store *to, const char *name,
                                                                    segue_migration_status *ret_status,
                                                                    segue_error *reterr);
SEGUE_API void segue_migration_status_free(segue_migration_status *status);

#ifdef __cplusplus
}
#endif
#endif
