/* L4: writing to a bucket. One thread leads: it takes all waiting writes into one transaction, so that they share the wait
 * for the disk; the others sleep until it has done theirs. The leader alone touches the writing connection. */
#include "backend/rosmar/bucket.h"
#include "base/base.h"
#include "base/env.h"
#include "base/retry.h"

/* How long to wait for other processes that write, without a deadline: as the original does. */
static const int64_t BUSY_NS = 10000000000;

typedef struct seg_rosmar_job {
    struct seg_rosmar_job *next;
    seg_rosmar_job_fn fn;
    void *arg;
    segue_call *call;
    segue_status status;
    bool done;
} job;

/* ---- one transaction ---- */

static bool is_late(const segue_call *call, int64_t now_ns) { return call->deadline_ns && now_ns >= call->deadline_ns; }

static segue_status try_begin(seg_rosmar_conn *conn, segue_call *call, bool *ret_busy)
{
    sqlite3_stmt *begin = seg_rosmar_stmt(conn, SEG_ROSMAR_BEGIN);
    int code = begin ? sqlite3_step(begin) : SQLITE_ERROR;
    *ret_busy = (code & 0xff) == SQLITE_BUSY;
    segue_status st = code == SQLITE_DONE ? SEGUE_OK : *ret_busy ? SEGUE_UNAVAILABLE : seg_rosmar_failed(conn, call);
    if (begin) (void)sqlite3_reset(begin); /* reports once more what step said */
    return st;
}

/* Begin for a call: wait while others write, not past its deadline. */
static segue_status begin(seg_rosmar_conn *conn, segue_call *call)
{
    seg_backoff backoff;
    int64_t limit = seg_mono_ns(call->env) + BUSY_NS;
    if (call->deadline_ns && call->deadline_ns < limit) limit = call->deadline_ns;
    seg_backoff_init(&backoff, 1000000, 20000000);
    for (;;) {
        bool busy;
        segue_status st = try_begin(conn, call, &busy);
        if (!busy) return st;
        if (seg_backoff_wait(&backoff, call->env, limit)) continue;
        if (is_late(call, seg_mono_ns(call->env)))
            return segue_fail(call, SEGUE_TIMEOUT, "rosmar: %s: the deadline passed while others were writing",
                              conn->path);
        return segue_fail(call, SEGUE_UNAVAILABLE, "rosmar: %s: others have been writing for too long; try again",
                          conn->path);
    }
}

static void roll_back(seg_rosmar_conn *conn)
{
    /* Some failures have done it by themselves; if this one fails too, closing the connection will do it. */
    if (!sqlite3_get_autocommit(conn->db)) (void)seg_rosmar_run(conn, seg_rosmar_stmt(conn, SEG_ROSMAR_ROLLBACK), NULL);
}

static segue_status commit(seg_rosmar_conn *conn, segue_call *call)
{
    segue_status st = seg_rosmar_run(conn, seg_rosmar_stmt(conn, SEG_ROSMAR_COMMIT), call);
    if (st == SEGUE_OK) return st;
    roll_back(conn);
    /* Without room the mark that ends a transaction in the log was not written. After other failures it may lie there, and
     * count when the log is read again. */
    if (st == SEGUE_NO_SPACE || st == SEGUE_UNAVAILABLE || st == SEGUE_NO_MEMORY) return st;
    return segue_fail(call, SEGUE_MAYBE_APPLIED, "rosmar: %s: the commit failed (%s): the write may have been applied",
                      conn->path, segue_status_text(st));
}

/* A job waited for its turn: not too long? */
static segue_status run_in_time(seg_rosmar_conn *conn, job *j)
{
    conn->changed = false;
    if (is_late(j->call, seg_mono_ns(j->call->env)))
        return segue_fail(j->call, SEGUE_TIMEOUT, "rosmar: %s: the deadline passed before the write began", conn->path);
    return j->fn(conn, j->arg, j->call);
}

/* A job alone in its transaction. */
static void run_alone(seg_rosmar_conn *conn, job *j)
{
    j->status = begin(conn, j->call);
    if (j->status != SEGUE_OK) return;
    j->status = run_in_time(conn, j);
    if (j->status != SEGUE_OK) roll_back(conn);
    else j->status = commit(conn, j->call);
}

/* All of them in one. False: one failed half-way, nothing was done, they must be run alone. */
static bool run_together(seg_rosmar_conn *conn, job *jobs)
{
    if (begin(conn, jobs->call) != SEGUE_OK) return false;
    for (job *j = jobs; j; j = j->next) {
        j->status = run_in_time(conn, j);
        if ((j->status != SEGUE_OK && conn->changed) || sqlite3_get_autocommit(conn->db)) {
            roll_back(conn);
            return false;
        }
    }
    segue_error why = {0};
    segue_call quiet = *jobs->call;
    quiet.err = &why;
    segue_status st = commit(conn, &quiet);
    for (job *j = jobs; j && st != SEGUE_OK; j = j->next)
        if (j->status == SEGUE_OK) {
            j->status = segue_fail(j->call, st, "%s", why.message);
            if (j->call->err) j->call->err->native = why.native;
        }
    return true;
}

static void run_all(seg_rosmar_bucket *bucket, job *jobs)
{
    if (jobs->next && run_together(bucket->writer, jobs)) return;
    for (job *j = jobs; j; j = j->next) run_alone(bucket->writer, j);
}

/* ---- taking turns ---- */

static void lead(seg_rosmar_bucket *bucket)
{
    job *jobs = bucket->first;
    bucket->first = NULL;
    bucket->last = &bucket->first;
    bucket->leading = true;
    pthread_mutex_unlock(&bucket->lock);
    run_all(bucket, jobs);
    pthread_mutex_lock(&bucket->lock);
    bucket->leading = false;
    for (job *j = jobs, *next; j; j = next) {
        next = j->next; /* the owner may be gone as soon as the lock is */
        j->done = true;
    }
    pthread_cond_broadcast(&bucket->turn);
}

segue_status seg_rosmar_write(seg_rosmar_bucket *bucket, seg_rosmar_job_fn fn, void *arg, segue_call *call)
{
    job j = {.fn = fn, .arg = arg, .call = call};
    seg_assert(!bucket->read_only);
    pthread_mutex_lock(&bucket->lock);
    *bucket->last = &j;
    bucket->last = &j.next;
    while (!j.done) {
        if (!bucket->leading) lead(bucket);
        else pthread_cond_wait(&bucket->turn, &bucket->lock);
    }
    pthread_mutex_unlock(&bucket->lock);
    return j.status;
}
