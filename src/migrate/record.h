/* L5: the status record `_segue:migration:NAME` of the primary: its content, how it is read, and how it is written,
 * which is by CAS only. Who finds that somebody else has written it since is no longer the runner. */
#ifndef SEG_MIGRATION_RECORD_H
#define SEG_MIGRATION_RECORD_H

#include "doc/stage.h"
#include "store/call.h"

#define SEG_MANIFEST_PREFIX SEG_RESERVED_PREFIX "manifest:"

enum { SEG_ID_SIZE = 33, SEG_PLACE_SIZE = 192, SEG_ERROR_TEXT = 256 };

/* A bounded list of keys, each owned. */
typedef struct seg_keys {
    segue_buf keys[SEGUE_STATUS_KEYS_MAX];
    size_t n;
} seg_keys;
/* Remember the key unless it is there or the list is full. Running out of memory forgets it: the list is a help, no
 * more. */
void seg_keys_add(seg_keys *keys, segue_slice key);
void seg_keys_clear(seg_keys *keys);

/* The one who writes the record. Leases come later: their place is the fields `lease`, `nodes` and `control` of the
 * JSON object, which this version writes empty. Until then a runner is taken for alive while `beat_ns` (its wall
 * clock, written at least every second) is young, and for dead when it is older than a stated limit, or when it ran
 * at this `place` (host, boot and process namespace) and its process is gone. Two runners at once can therefore
 * happen, with clocks apart or a runner that slept: then the sweep's steps are safe by themselves (each is a
 * conditional write), and the one that lost finds out at its next write of the record, at the latest before it seals.
 * */
typedef struct seg_runner {
    char id[SEG_ID_SIZE]; /* "": nobody */
    char place[SEG_PLACE_SIZE];
    int64_t pid;
    int64_t beat_ns;
} seg_runner;

/* The content. Zero-initialise; seg_status_free. */
typedef struct seg_status {
    char name[SEGUE_MIGRATION_NAME_MAX + 1];
    char run_id[SEG_ID_SIZE];
    uint64_t epoch;
    uint64_t sequence; /* +1 with each write */
    segue_stage stage;
    segue_buf from, to; /* URLs, without filters */
    char policy[SEGUE_POLICY_DIGEST_SIZE];
    bool keep;
    bool keep_cas; /* the primary stores given CASes: manifests hold them */
    bool is_tail;  /* the sweep has come to what is moved last */
    uint64_t pass;
    uint64_t total;
    uint64_t done;  /* of total, settled by the last run, and how long that has taken */
    int64_t run_ns;
    segue_counts counts;
    segue_buf cursor; /* this pass: done up to and with this key; empty: from the beginning */
    /* The proof of R-sealed: the run whose last pass was full, uncut and without errors and found nothing left to do,
     * and whose verification found no difference. "" none. */
    char proof[SEG_ID_SIZE];
    int64_t started_s, changed_s, finished_s;
    int64_t active_ns, hold_ns;
    char last_error[SEG_ERROR_TEXT];
    seg_keys failed, foreign;
    seg_runner runner;
    int64_t overtaken_ns; /* when one was last taken for dead that may only have slept (wall clock); 0 never */
    uint64_t cas;         /* of the record as it was read or last written; 0 none */
    uint64_t revision;
} seg_status;

void seg_status_free(seg_status *status);
/* Into an empty status. NOT_FOUND; CORRUPT. */
segue_status seg_status_load(segue_store *to, const char *name, seg_status *status, segue_call *call);
/* Write it over the one that was read (an insert if cas is 0). BUSY_ELSEWHERE: somebody else has written since. An
 * outcome that is not known is found out by reading. */
segue_status seg_status_save(segue_store *to, seg_status *status, segue_call *call);

/* Text as the record holds it, which is UTF-8: of what is not, each byte above 127 as \xNN. Appends. NO_MEMORY. */
segue_status seg_status_text_of(segue_slice text, segue_buf *out);

/* Whether a migration can have this name: OK, or INVALID_ARGUMENT. */
segue_status seg_migration_name_check(const char *name, segue_error *reterr);

/* The key of a migration's status record, into out. */
enum { SEG_STATUS_KEY_SIZE = 128 };
segue_slice seg_status_key(const char *name, char out[SEG_STATUS_KEY_SIZE]);

/* This process. */
void seg_runner_here(const segue_env *env, seg_runner *runner);
/* Whether there is a runner and nothing says that it is dead. */
bool seg_runner_is_alive(const seg_runner *runner, const segue_env *env, int64_t stale_ns);
/* Whether there is a runner in another process than `here` that is not known to be gone: it may wake up. */
bool seg_runner_may_sleep(const seg_runner *runner, const seg_runner *here);

#endif
