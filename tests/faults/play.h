/* Scripts of calls, played with a fault at a chosen place: the call that it meets must answer so that one can act on it and
 * must have changed nothing that it does not say; healed and called again it must answer, and leave, what it does where
 * nothing fails. One thread (the library's own may run). */
#ifndef SEG_TESTS_PLAY_H
#define SEG_TESTS_PLAY_H

#include "base/base.h"
#include "base/env.h"
#include "store/filters.h"

#include <segue/feed.h>
#include <segue/migrate.h>
#include <segue/ops.h>

#define K(text) segue_str(text)

/* Where a script is played: a store, or a dual store of two. In URLs {} stands for a folder of the play's own. */
typedef struct setting {
    const char *name;
    const char *url;      /* of the store, or of the primary */
    const char *fallback; /* NULL: a plain store */
    bool on_disk;         /* SQLite is in it */
    bool is_plain;        /* answers as a plain mem store does, to the letter */
} setting;
extern const setting settings[];
extern const size_t n_settings;

enum { SAID_MAX = 8192 };

typedef struct play {
    const setting *where;
    char folder[128], url[256], fallback_url[256];
    segue_env env;
    _Atomic int64_t skew_ns; /* sleeping moves the clocks on, nothing else does */
    _Atomic uint64_t random;
    segue_store *s;     /* what the script speaks to; NULL where it opens it itself */
    segue_store *p, *f; /* of a dual store, each behind a fault filter; of a plain one p is s */
    segue_store *below_p, *below_f;
    /* The script's own, between its steps. */
    segue_doc doc;
    uint64_t cas, value;
    segue_feed *feed;
    segue_policy *policy;
    segue_migration *migration;
    segue_buf buf;
    int turn; /* of a callback */
    segue_error err;
    char said[SAID_MAX]; /* what the running step was told */
    size_t n_said;
} play;

/* One call, or a few that belong together. It may be made again after it has failed. */
typedef struct step {
    const char *name;
    segue_status (*run)(play *p);
    unsigned flags;
} step;
enum {
    STEP_READS = 1 << 1,  /* it writes nothing of the caller's: never MAYBE_APPLIED */
    STEP_PARTIAL = 1 << 0 /* what failed may be done in part; NOT_FINISHED and DIFFERENT are answers, too */
};

typedef struct script {
    const char *name;
    const step *steps;
    size_t n_steps;
    unsigned flags;
} script;
enum {
    SCRIPT_OPENS = 1 << 0,    /* its steps open the store */
    SCRIPT_DUAL = 1 << 1,     /* of two stores only */
    SCRIPT_LEGACY = 1 << 2,   /* the dual store begins in legacy */
    SCRIPT_NO_STORE = 1 << 3, /* no store is in it: one setting is enough */
    SCRIPT_OWN_WAY = 1 << 4   /* a dual store answers otherwise than a plain one */
};
extern const script doc_scripts[], read_scripts[], move_scripts[], text_scripts[];
extern const size_t n_doc_scripts, n_read_scripts, n_move_scripts, n_text_scripts;

/* The number of records that every script begins with, and those: as they lie in the fallback, if there is one. */
enum { N_SEEDS = 5, SEED_JSON = 0 };
segue_record seed_record(unsigned which);

/* What a step was told, and may say: compared with what it is told where nothing fails. */
void say(play *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_record(play *p, const segue_record *rec);
/* "what" or why not. */
void say_bytes(play *p, segue_slice bytes);

/* OK, for a step to which the failure of its last call is as good: the error is as before that. */
segue_status is_fine(play *p);

/* A fault: what fails, and what may be answered then. */
typedef struct fault {
    const char *name;
    bool needs_disk;
    bool needs_dual;
    bool needs_store; /* it is opened before the script begins */
    bool of_disk;     /* what a loss of power would leave is looked at, too */
    void (*arm)(const struct fault *f, play *p, long nth, bool persistent);
    void (*heal)(const struct fault *f, play *p);
    bool (*fired)(const struct fault *f, play *p);
    bool (*may_answer)(const struct fault *f, segue_status st);
    unsigned which; /* the fault's own */
} fault;

/* What a script answers and leaves, step by step, where nothing fails. */
typedef struct heard {
    segue_status status;
    char *said;
    char *left; /* every record, in order of key */
} heard;
typedef struct model {
    heard *steps; /* [0] is before the first */
    size_t n;
} model;
/* False: it failed by itself, which was printed. */
bool make_model(const script *sc, const setting *where, model *ret_model);
void free_model(model *m);
/* The same answers and the same records. */
bool same_model(const script *sc, const setting *where, const model *m, const model *plain);

/* Descriptors of this process. */
size_t count_open_files(void);

typedef enum verdict { HELD, FAILED, NOT_REACHED } verdict;
/* Play it with the nth failing. `why` says what was wrong. */
verdict play_with_fault(const script *sc, const setting *where, const model *m, const fault *f, long nth,
                        bool persistent, char why[1024]);

#endif
