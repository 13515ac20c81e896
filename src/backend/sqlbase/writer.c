/* L4: writing: group commit. One thread leads: it takes all waiting writes into one transaction, so that they share the wait
 * for the disk; the others sleep until theirs is done. Then one of those that came meanwhile leads. The leader alone touches
 * the writing connection. A write that still waits can be withdrawn when its deadline comes; one that was taken is seen
 * through to its outcome. */
#include "backend/sqlbase/engine.h"

#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "base/rules.h"

#include <semaphore.h>
#include <time.h>

/* WAITING may become CALLED (to lead) and TAKEN, by the leader, or DONE when it is withdrawn, all under the engine's lock; a
 * leader says DONE without it. Each CALLED and DONE of another's job comes with a post of `wake`; its owner leaves only after
 * it has taken the post, so the job is there until then. */
typedef enum job_state { WAITING, CALLED, TAKEN, DONE } job_state;

typedef struct seg_sql_job {
    struct seg_sql_job *next;
    seg_sql_job_fn fn;
    void *arg;
    segue_call *call;
    segue_status status;
    _Atomic job_state state;
    sem_t wake;
} job;

/* ---- CAS ---- */

segue_status seg_sql_next_cas(seg_sql_engine *engine, const segue_env *env, uint64_t floor, uint64_t *ret_cas,
                              segue_call *call)
{
    if (floor >= SEG_CAS_END)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "%s: %s: no CAS can be given above %llu", engine->kind->name,
                          engine->path, (unsigned long long)floor);
    *ret_cas = seg_clock_next(&engine->clock, env, floor);
    return SEGUE_OK;
}

segue_status seg_sql_keep_cas(seg_sql_engine *engine, uint64_t cas, segue_call *call)
{
    if (!seg_cas_can_be_kept(cas))
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "%s: %s: %llu is not a CAS that can be kept",
                          engine->kind->name, engine->path, (unsigned long long)cas);
    seg_clock_raise(&engine->clock, cas);
    return SEGUE_OK;
}

segue_status seg_sql_read_clock(seg_sql_conn *conn, uint64_t *ret_highest, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQL_HIGHEST);
    int code = sqlite3_step(stmt);
    int64_t highest = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    segue_status st = SEGUE_OK;
    if (code != SQLITE_ROW && code != SQLITE_DONE) st = seg_sql_failed(conn, call);
    else if (highest < 0)
        st = segue_fail(call, SEGUE_CORRUPT, "%s: %s: its clock is damaged", conn->kind->name, conn->path);
    else *ret_highest = (uint64_t)highest;
    (void)sqlite3_reset(stmt); /* reports once more what step said */
    return st;
}

/* Inside a write nobody else can raise the file's clock any more. */
static segue_status raise_clock(seg_sql_engine *e, seg_sql_conn *conn, segue_call *call)
{
    uint64_t highest = 0;
    segue_status st = seg_sql_read_clock(conn, &highest, call);
    if (st == SEGUE_OK) seg_clock_raise(&e->clock, highest);
    return st;
}

static segue_status note_clock(seg_sql_engine *e, seg_sql_conn *conn, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQL_NOTE_HIGHEST);
    if (!SEG_RULE(CLOCK_IS_STORED)) return SEGUE_OK;
    seg_sql_bind_number(stmt, 1, (int64_t)atomic_load(&e->clock.highest));
    return seg_sql_run(conn, stmt, call);
}

/* ---- one transaction ---- */

static bool is_late(const segue_call *call) { return call->deadline_ns && seg_mono_ns(call->env) >= call->deadline_ns; }

/* The file that we write may not be the one that others find under its name any more. */
static segue_status check_place(const seg_sql_conn *conn, segue_call *call)
{
    int moved = 0;
    if (sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
        return segue_fail(call, SEGUE_NO_STORE,
                          "%s: %s was moved, replaced or deleted while it was open; nothing more is "
                          "written to it",
                          conn->kind->name, conn->path);
    return SEGUE_OK;
}

static segue_status set_sync(seg_sql_engine *e, seg_sql_conn *conn, segue_call *call)
{
    static const char *const sql[] = {"PRAGMA synchronous=OFF", "PRAGMA synchronous=NORMAL", "PRAGMA synchronous=FULL"};
    seg_sql_sync sync = SEG_RULE(SYNC_BEFORE_ANSWER) ? atomic_load(&e->sync) : SEG_SQL_SYNC_NORMAL;
    if (sync == conn->sync) return SEGUE_OK;
    segue_status st = seg_sql_exec(conn, sql[sync], call);
    if (st == SEGUE_OK) conn->sync = sync;
    return st;
}

static void roll_back(seg_sql_conn *conn)
{
    /* Some failures have done it by themselves. If this one fails the connection is replaced, see begin. */
    if (!sqlite3_get_autocommit(conn->db)) (void)seg_sql_run(conn, seg_sql_stmt(conn, SEG_SQL_ROLLBACK), NULL);
}

static segue_status begin(seg_sql_engine *e, segue_call *call)
{
    segue_status st = SEGUE_OK;
    if (is_late(call))
        return segue_fail(call, SEGUE_TIMEOUT, "%s: %s: the deadline passed before the write began", e->kind->name,
                          e->path);
    if (e->writer && !sqlite3_get_autocommit(e->writer->db)) {
        seg_sql_conn_close(e->writer); /* it could not even roll back */
        e->writer = NULL;
    }
    if (!e->writer) st = seg_sql_conn_open(e->kind, e->path, SEG_SQL_WRITER, &e->writer, call);
    if (st != SEGUE_OK) return st;
    seg_sql_conn *conn = e->writer;
    conn->call = call;
    conn->changed_any = false;
    st = check_place(conn, call);
    if (st == SEGUE_OK) st = set_sync(e, conn, call);
    if (st == SEGUE_OK) st = seg_sql_run(conn, seg_sql_stmt(conn, SEG_SQL_BEGIN), call);
    if (st == SEGUE_OK) {
        st = raise_clock(e, conn, call);
        if (st != SEGUE_OK) roll_back(conn);
    }
    conn->call = NULL; /* who waits now does not for this call only */
    SEG_CRASH_POINT(COMMIT_BEGUN);
    return st;
}

/* After a failed commit the transaction is rolled back for everybody who is there. But where its last frame may lie whole in
 * the log, a recovery after a crash would still find it. The next commit overwrites it, so if one succeeds now the failed one
 * can never come back. */
static bool overwrite_remains(seg_sql_engine *e, seg_sql_conn *conn)
{
    if (!SEG_RULE(REMAINS_ARE_OVERWRITTEN)) return true;
    if (seg_sql_run(conn, seg_sql_stmt(conn, SEG_SQL_BEGIN), NULL) != SEGUE_OK) return false;
    (void)seg_clock_next(&e->clock, segue_env_default(), 0); /* a page that does not change is not written */
    bool done = raise_clock(e, conn, NULL) == SEGUE_OK && note_clock(e, conn, NULL) == SEGUE_OK &&
                seg_sql_run(conn, seg_sql_stmt(conn, SEG_SQL_COMMIT), NULL) == SEGUE_OK;
    roll_back(conn);
    return done;
}

static segue_status commit(seg_sql_engine *e, seg_sql_conn *conn, segue_call *call)
{
    segue_status st = conn->changed_any ? note_clock(e, conn, call) : SEGUE_OK;
    if (st != SEGUE_OK) {
        roll_back(conn);
        return st;
    }
    SEG_CRASH_POINT(COMMIT_WRITTEN);
    st = seg_sql_run(conn, seg_sql_stmt(conn, SEG_SQL_COMMIT), call);
    SEG_CRASH_POINT(COMMIT_DONE);
    if (st == SEGUE_OK) return st;
    int code = sqlite3_errcode(conn->db) & 0xff;
    roll_back(conn);
    if (!SEG_RULE(FAILED_COMMIT_IS_SAID)) return SEGUE_OK;
    /* Without room the frame that ends the transaction was not written. */
    if (!conn->changed_any || code == SQLITE_FULL || code == SQLITE_BUSY || overwrite_remains(e, conn)) return st;
    if (!SEG_RULE(LOST_COMMIT_IS_UNKNOWN)) return st;
    return segue_fail(call, SEGUE_MAYBE_APPLIED, "%s: %s: the commit failed (%s): the write may have been applied",
                      conn->kind->name, conn->path, sqlite3_errstr(code));
}

static segue_status run_job(seg_sql_conn *conn, job *j)
{
    conn->changed = false;
    segue_status st = j->fn(conn, j->arg, j->call);
    conn->changed_any |= conn->changed;
    return st;
}

/* A job alone in its transaction. */
static void run_alone(seg_sql_engine *e, job *j)
{
    j->status = begin(e, j->call);
    if (j->status != SEGUE_OK) return;
    j->status = run_job(e->writer, j);
    if (j->status != SEGUE_OK && SEG_RULE(HALF_A_JOB_IS_UNDONE)) roll_back(e->writer);
    else if (j->status != SEGUE_OK) (void)commit(e, e->writer, j->call);
    else j->status = commit(e, e->writer, j->call);
}

/* All of them in the transaction that was begun. False: nothing of any was done because one failed half-way, or because
 * there was no room for them together. */
static bool run_together(seg_sql_engine *e, job *jobs)
{
    seg_sql_conn *conn = e->writer;
    for (job *j = jobs; j; j = j->next) {
        j->status = run_job(conn, j);
        bool is_half = conn->changed && SEG_RULE(HALF_A_JOB_IS_UNDONE);
        if (j->status != SEGUE_OK && (is_half || sqlite3_get_autocommit(conn->db))) {
            roll_back(conn);
            return false;
        }
    }
    segue_error why = {0};
    segue_call quiet = {.err = &why, .env = jobs->call->env};
    segue_status st = commit(e, conn, &quiet);
    for (job *j = jobs; j && st != SEGUE_OK; j = j->next)
        if (j->status == SEGUE_OK) {
            j->status = segue_fail(j->call, st, "%s", why.message);
            if (j->call->err) j->call->err->native = why.native;
        }
    return st != SEGUE_NO_SPACE;
}

static void run_all(seg_sql_engine *e, job *jobs)
{
    if (run_together(e, jobs) || !jobs->next) return;
    for (job *j = jobs; j; j = j->next) run_alone(e, j);
}

/* ---- taking turns ---- */

static void append(seg_sql_engine *e, job *j)
{
    *e->last = j;
    e->last = &j->next;
    e->n_waiting++;
}

static void withdraw(seg_sql_engine *e, job *j)
{
    job **link = &e->first;
    while (*link != j) link = &(*link)->next;
    *link = j->next;
    if (e->last == &j->next) e->last = link;
    e->n_waiting--;
}

static job *take_all(seg_sql_engine *e)
{
    job *jobs = e->first;
    for (job *j = jobs; j; j = j->next) atomic_store(&j->state, TAKEN);
    e->first = NULL;
    e->last = &e->first;
    e->n_waiting = 0;
    return jobs;
}

/* Real time, whatever the callers' clock: threads wake each other in it. */
static struct timespec real_time_in(int64_t ns)
{
    int64_t at = seg_mono_ns(segue_env_default()) + ns;
    return (struct timespec){.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
}

/* The writers of the last transactions are likely on their way with the next write. Waiting a little for them costs less than
 * another turn at the disk does; one writer alone never waits. */
static void gather(seg_sql_engine *e)
{
    int64_t most = e->commit_ns / 2 < 2000000 ? e->commit_ns / 2 : 2000000;
    if (e->n_waiting >= e->n_expected) return;
    struct timespec until = real_time_in(most);
    while (e->n_waiting < e->n_expected)
        if (pthread_cond_timedwait(&e->more, &e->lock, &until) != 0) return;
}

/* Begun: run everybody who waits. With the lock, which is released meanwhile. */
static job *lead_others(seg_sql_engine *e)
{
    gather(e);
    size_t n = e->n_waiting;
    job *jobs = take_all(e);
    pthread_mutex_unlock(&e->lock);
    int64_t start = seg_mono_ns(segue_env_default());
    run_all(e, jobs);
    int64_t took = seg_mono_ns(segue_env_default()) - start;
    pthread_mutex_lock(&e->lock);
    /* Those who wait now came while these were at the disk: two groups that could go together. Fewer than expected: forget
     * the missing ones by and by. */
    size_t seen = n + e->n_waiting;
    e->n_expected = seen >= e->n_expected ? seen : (seen + e->n_expected) / 2;
    e->commit_ns = (3 * e->commit_ns + took) / 4;
    return jobs;
}

/* Who leads next, to be woken; NULL: nobody waits. */
static job *hand_on(seg_sql_engine *e)
{
    e->leading = e->first != NULL;
    if (e->first) atomic_store(&e->first->state, CALLED);
    return e->first;
}

static void lead(seg_sql_engine *e, job *own)
{
    job *jobs = own;
    segue_status st = begin(e, own->call);
    pthread_mutex_lock(&e->lock);
    if (st == SEGUE_OK) {
        jobs = lead_others(e);
    } else {
        withdraw(e, own); /* the others find out for themselves */
        own->status = st;
        own->next = NULL;
    }
    job *leader = hand_on(e);
    pthread_mutex_unlock(&e->lock);
    if (leader) (void)sem_post(&leader->wake); /* first: the disk need not wait for us. It fails only past INT_MAX */
    for (job *j = jobs, *next; j; j = next) {
        next = j->next; /* its owner may be gone after the post */
        atomic_store(&j->state, DONE);
        if (j != own) (void)sem_post(&j->wake); /* as above */
    }
}

/* Too late, and nobody has taken it: it is out of the queue, and done. */
static bool withdraw_late(seg_sql_engine *e, job *j)
{
    if (!is_late(j->call)) return false;
    pthread_mutex_lock(&e->lock);
    bool waits = atomic_load(&j->state) == WAITING;
    if (waits) withdraw(e, j);
    pthread_mutex_unlock(&e->lock);
    if (!waits) return false;
    j->status = segue_fail(j->call, SEGUE_TIMEOUT, "%s: %s: the deadline passed while others were writing",
                           e->kind->name, e->path);
    return true;
}

/* True: it is done. False: it has been called to lead. */
static bool wait_for_turn(seg_sql_engine *e, job *j)
{
    static const int64_t LOOK_NS = 20000000; /* the deadline's clock need not be the one that threads sleep by */
    bool woken = false;
    while (!woken) {
        if (!j->call->deadline_ns || atomic_load(&j->state) != WAITING) {
            woken = sem_wait(&j->wake) == 0; /* else a signal was handled */
            continue;
        }
        int64_t left = j->call->deadline_ns - seg_mono_ns(j->call->env);
        struct timespec until = real_time_in(left < LOOK_NS ? left : LOOK_NS);
        woken = sem_clockwait(&j->wake, CLOCK_MONOTONIC, &until) == 0;
        if (!woken && withdraw_late(e, j)) return true;
    }
    return atomic_load(&j->state) == DONE;
}

segue_status seg_sql_write(seg_sql_engine *engine, seg_sql_job_fn fn, void *arg, segue_call *call)
{
    job j = {.fn = fn, .arg = arg, .call = call};
    if (seg_sql_is_forked(engine)) return seg_sql_forked(call, engine);
    int failed = sem_init(&j.wake, 0, 0);
    seg_assert(!failed); /* it takes no resources */
    pthread_mutex_lock(&engine->lock);
    append(engine, &j);
    bool leads = !engine->leading;
    engine->leading = true;
    if (leads) atomic_store(&j.state, CALLED);
    else if (engine->n_waiting >= engine->n_expected) pthread_cond_signal(&engine->more);
    pthread_mutex_unlock(&engine->lock);
    if (leads || !wait_for_turn(engine, &j)) lead(engine, &j);
    (void)sem_destroy(&j.wake); /* nobody else knows it any more */
    return j.status;
}

segue_status seg_sql_ensure(seg_sql_engine *engine, seg_sql_job_fn fn, void *arg, segue_call *call)
{
    segue_status st = seg_sql_write(engine, fn, arg, call);
    if (st != SEGUE_MAYBE_APPLIED) return st;
    segue_error why = {0};
    if (call->err) why = *call->err;
    return segue_fail(call, SEGUE_UNAVAILABLE, "%.200s; try again", why.message);
}
