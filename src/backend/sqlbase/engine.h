/* L4: a SQLite file that is open in this process: one engine a file, however many handles and whatever their paths. Any
 * thread. */
#ifndef SEG_SQLBASE_ENGINE_H
#define SEG_SQLBASE_ENGINE_H

#include "backend/sqlbase/conn.h"
#include "doc/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

enum { SEG_SQL_READERS_MAX = 32 };

/* A place for an idle reader, alone in its cache line. */
typedef struct seg_sql_slot {
    _Alignas(64) _Atomic(seg_sql_conn *) conn;
} seg_sql_slot;

struct seg_sql_job;

typedef struct seg_sql_engine {
    seg_sql_slot readers[SEG_SQL_READERS_MAX];
    struct seg_sql_engine *next; /* in the list of open ones */
    void *memory;                /* what was allocated: the engine is aligned inside it */
    unsigned refs;
    dev_t device; /* with inode: which file this is */
    ino_t inode;
    const seg_sql_kind *kind;
    char *path;                /* absolute, without symbolic links */
    atomic_bool forked;        /* this is a child of the process that opened it */
    seg_clock clock;           /* at least the file's, as of the last transaction here */
    atomic_bool has_index;     /* kind->index_name was seen in it */
    seg_clock found;           /* what was there at an open, though the file's clock may stand below it */
    _Atomic seg_sql_sync sync; /* the strictest that an open handle asked for */
    seg_sql_conn *writer;      /* NULL: none yet, or the last one broke. The leader's; at open, the list's lock's too */
    pthread_mutex_t lock;      /* of all below; never held during I/O */
    pthread_cond_t more;       /* a write joined the queue */
    bool leading;              /* somebody writes, or has been called to */
    struct seg_sql_job *first, **last; /* waiting writes */
    size_t n_waiting;
    size_t n_expected; /* writers that were there lately */
    int64_t commit_ns; /* how long a commit took lately */
} seg_sql_engine;

typedef struct seg_sql_open {
    const seg_sql_kind *kind;
    const char *path;
    unsigned flags; /* SEGUE_OPEN_... */
    seg_sql_sync sync;
} seg_sql_open;

/* The engine of this file; opened, or the one that is open. close gives it back. */
segue_status seg_sql_engine_open(const seg_sql_open *how, seg_sql_engine **ret_engine, segue_call *call);
void seg_sql_engine_close(seg_sql_engine *engine);

/* A connection for reading, for one call. It waits for others as long as the call may. */
segue_status seg_sql_take(seg_sql_engine *engine, seg_sql_conn **ret_conn, segue_call *call);
void seg_sql_give(seg_sql_engine *engine, seg_sql_conn *conn);

/* REFUSED in a child of the process that opened the file: SQLite's locks and memory do not survive fork. */
segue_status seg_sql_forked(segue_call *call, const seg_sql_engine *engine);
static inline bool seg_sql_is_forked(const seg_sql_engine *engine)
{
    return atomic_load_explicit(&engine->forked, memory_order_relaxed);
}

/* ---- writer.c ---- */

/* A write inside a transaction, by any thread that leads, maybe more than once: it begins anew each time. Sets
 * conn->changed before it changes anything. */
typedef segue_status (*seg_sql_job_fn)(seg_sql_conn *conn, void *arg, segue_call *call);

/* Run fn in a transaction of its own, or of several waiting callers' together: each has its own outcome. When fn fails
 * nothing of it stays. Besides fn's statuses: TIMEOUT, UNAVAILABLE (others write too long), NO_SPACE, IO_ERROR, NO_STORE (the
 * file was moved or deleted meanwhile), MAYBE_APPLIED (the commit failed, and it cannot be told how far it came). */
segue_status seg_sql_write(seg_sql_engine *engine, seg_sql_job_fn fn, void *arg, segue_call *call);

/* The same for what does no harm if it is done twice: a collection, an index, a higher clock. Instead of MAYBE_APPLIED:
 * UNAVAILABLE, for the same call may be made again. */
segue_status seg_sql_ensure(seg_sql_engine *engine, seg_sql_job_fn fn, void *arg, segue_call *call);

/* The highest CAS that the file knows of, of what is committed. CORRUPT. */
segue_status seg_sql_read_clock(seg_sql_conn *conn, uint64_t *ret_highest, segue_call *call);
/* The CAS for a record to be stored: above every one that the file knows of. */
segue_status seg_sql_next_cas(seg_sql_engine *engine, const segue_env *env, uint64_t floor, uint64_t *ret_cas,
                              segue_call *call);
/* One that was given: later ones will be above it. INVALID_ARGUMENT: no clock can go on from there. */
segue_status seg_sql_keep_cas(seg_sql_engine *engine, uint64_t cas, segue_call *call);

#endif
