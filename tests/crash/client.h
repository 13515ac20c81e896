/* The scripted client of `segue-crash`, and the judge of what became of its writes. What it asks is written down, in memory
 * that outlives the process, before it asks, and the answer before the next step. One thread. */
#ifndef SEG_CRASH_CLIENT_H
#define SEG_CRASH_CLIENT_H

#include "base/crash.h"
#include <segue/dual.h>
#include <stdbool.h>

typedef enum crash_op {
    OP_SET,
    OP_ADD,
    OP_XATTR, /* set with a system and a user xattr */
    OP_DELETE,
    OP_HIDE,      /* the same, while the sweep is between two pages */
    OP_TOMBSTONE, /* delete, and leave a system xattr */
    OP_TOUCH,
    OP_PATH,
    OP_APPEND,
    OP_INCR,
    OP_CAS_SET, /* under the CAS that the last acknowledged write of this key had */
    OP_REAP,
    OP_FEED,          /* read all of it: the CASes of later writes are greater than all that it told */
    OP_OUTSIDE_INCR,  /* by a program that knows the fallback only */
    OP_OUTSIDE_SET,   /* the same */
    OP_OUTSIDE_ERASE, /* the same */
    OP_BIG            /* set with a body of half a megabyte */
} crash_op;

typedef struct crash_step {
    crash_op op;
    const char *key;
} crash_step;

typedef enum crash_state { ENTRY_ASKED, ENTRY_ANSWERED, ENTRY_LOST, ENTRY_APPLIED } crash_state;

enum {
    CRASH_LOG_MAX = 128,
    CRASH_KEY_MAX = 16,
    CRASH_RECORDS_MAX = 32,
    CRASH_GROUP = 4, /* threads, and the writes of each: see group.h */
    CRASH_GROUP_WRITES = 4
};

/* One thing that the client asked. LOST: its process was killed in it, and what there was afterwards shows that it was not
 * applied; APPLIED: that it was. */
typedef struct crash_entry {
    crash_op op;
    char key[CRASH_KEY_MAX];
    unsigned number; /* its body */
    uint64_t token;  /* CAS_SET */
    int64_t now_ns;
    size_t asked_at, answered_at; /* moments of support/power.h */
    crash_state state;
    segue_status status;
    uint64_t cas, counter; /* FEED: the greatest CAS that it told */
    bool hides;  /* its tombstone is there only because the fallback has a live record, and may be purged in the end */
    bool surely; /* and must be: the sweep had not read the key yet */
} crash_entry;

/* What a parent shares with the children that it has killed. */
typedef struct crash_shared {
    seg_crash crash;
    int64_t now_ns; /* of all clocks */
    uint64_t random;
    unsigned next_step; /* of the script */
    unsigned n_entries;
    crash_entry entries[CRASH_LOG_MAX];
    uint64_t told_cas; /* the greatest that a feed has told */
    unsigned group_asked[CRASH_GROUP], group_acked[CRASH_GROUP];
    bool durable; /* stores are opened with sync=full */
    bool failed;
    char why[900];
} crash_shared;

/* Say what is wrong, once. Returns false. */
bool crash_fail(crash_shared *shared, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The environment of every store: clocks that stand still but for sleeps and the script. */
segue_env crash_env(crash_shared *shared);

/* The records that the fallback has at first, as a dual store shows them. */
typedef struct crash_record {
    segue_record rec;
    char key[CRASH_KEY_MAX], body[64];
    segue_xattr xattrs[2];
} crash_record;
unsigned crash_records(crash_record out[CRASH_RECORDS_MAX], bool has_flags, bool has_pill);
/* The one that lies there as a pill, whose hand-over somebody else has begun. */
#define CRASH_PILL "n:pill"

typedef struct crash_client {
    crash_shared *shared;
    segue_store *dual, *from, *to;
    const crash_step *script;
    unsigned n_steps;
    bool has_flags, has_pill;
    bool keeps;               /* the fallback is copied: nobody writes it */
    bool in_run, sweep_rests; /* a migration waits until the step is taken; it is between two pages */
} crash_client;

/* The script's next step, if there is one and the phase lets the client write. False: it has failed. */
bool crash_take_step(crash_client *c);
typedef enum crash_moment { CRASH_DURING, CRASH_CLEANING, CRASH_AT_END } crash_moment;

/* Every key as `store` shows it is what the acknowledged writes have made it; a write that nobody has answered is there wholly
 * or not at all, which is settled now. At the end: moved, sealed and cleaned. */
bool crash_judge(crash_client *c, segue_store *store, crash_moment moment, const char *when);
/* The fallback has what it had at first, and nothing else. */
bool crash_judge_kept(crash_client *c);

#endif
