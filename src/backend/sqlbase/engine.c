/* L4: the files that are open in this process, and their readers. Opening and closing take turns; a
 * reader is taken and given back without a lock. */
#include "backend/sqlbase/engine.h"

#include "backend/sqlbase/file.h"
#include "base/base.h"
#include "base/crash.h"

enum { CACHE_LINE = 64 };

static pthread_mutex_t engines_lock = PTHREAD_MUTEX_INITIALIZER;
static seg_sql_engine *engines;

/* ---- fork ---- */

/* The child has copies of the engines, but not the locks on their files; using them there could damage a file. */
static void before_fork(void) { pthread_mutex_lock(&engines_lock); }
static void after_fork(void) { pthread_mutex_unlock(&engines_lock); }

static void after_fork_in_child(void)
{
    for (seg_sql_engine *e = engines; e; e = e->next) atomic_store(&e->forked, true);
    pthread_mutex_unlock(&engines_lock);
}

static void watch_forks(void)
{
    int failed = pthread_atfork(before_fork, after_fork, after_fork_in_child);
    seg_assert(!failed);
}

segue_status seg_sql_forked(segue_call *call, const seg_sql_engine *engine)
{
    return segue_fail(call, SEGUE_REFUSED,
                      "%s: %s was open when this process was forked; open it only after fork, or in the parent",
                      engine->kind->name, engine->path);
}

/* ---- open and close ---- */

static void free_engine(seg_sql_engine *e)
{
    SEG_CRASH_POINT(CLOSE_DUE);
    for (size_t i = 0; i < SEG_SQL_READERS_MAX; i++) seg_sql_conn_close(atomic_load(&e->readers[i].conn));
    seg_sql_conn_close(e->writer);
    SEG_CRASH_POINT(CLOSE_DONE);
    (void)pthread_cond_destroy(&e->more); /* nobody waits: this was the last handle */
    (void)pthread_mutex_destroy(&e->lock);
    seg_free(e->path);
    seg_free(e->memory);
}

/* Takes the path of *file. */
static seg_sql_engine *make_engine(const seg_sql_kind *kind, const seg_sql_file *file)
{
    char *memory = seg_alloc_zero(sizeof(seg_sql_engine) + CACHE_LINE);
    if (!memory) {
        seg_free(file->path);
        return NULL;
    }
    seg_sql_engine *e = (void *)(memory + (CACHE_LINE - (uintptr_t)memory % CACHE_LINE));
    e->memory = memory;
    e->kind = kind;
    e->path = file->path;
    e->refs = 1;
    e->device = file->stat.st_dev;
    e->inode = file->stat.st_ino;
    e->last = &e->first;
    pthread_condattr_t monotonic;
    int failed = pthread_mutex_init(&e->lock, NULL) || pthread_condattr_init(&monotonic) ||
                 pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) || pthread_cond_init(&e->more, &monotonic) ||
                 pthread_condattr_destroy(&monotonic);
    seg_assert(!failed); /* they take no resources here */
    return e;
}

/* Under the list's lock. A writer is opened with the first handle that may write. */
static segue_status connect_engine(seg_sql_engine *e, const seg_sql_open *how, segue_call *call)
{
    seg_sql_conn *conn = NULL;
    if (how->flags & SEGUE_OPEN_READ_ONLY) {
        segue_status st = seg_sql_take(e, &conn, call); /* shows that it is ours */
        if (st == SEGUE_OK) seg_sql_give(e, conn);
        return st;
    }
    pthread_mutex_lock(&e->lock);
    bool has_writer = e->writer || e->leading;
    pthread_mutex_unlock(&e->lock);
    if (has_writer) return SEGUE_OK;
    seg_sql_mode mode = how->flags & SEGUE_OPEN_EXISTING ? SEG_SQL_WRITER : SEG_SQL_CREATOR;
    segue_status st = seg_sql_conn_open(e->kind, e->path, mode, &conn, call);
    if (st != SEGUE_OK) return st;
    pthread_mutex_lock(&e->lock);
    if (!e->writer && !e->leading) {
        e->writer = conn;
        conn = NULL;
    }
    pthread_mutex_unlock(&e->lock);
    seg_sql_conn_close(conn); /* a leader has mended what was broken */
    return SEGUE_OK;
}

static seg_sql_engine *find_engine(const seg_sql_kind *kind, const struct stat *file)
{
    seg_sql_engine *e = engines;
    while (e && !(e->kind == kind && e->device == file->st_dev && e->inode == file->st_ino)) e = e->next;
    return e;
}

static segue_status open_locked(const seg_sql_open *how, seg_sql_engine **ret_engine, segue_call *call)
{
    seg_sql_file file;
    segue_status st = seg_sql_file_find(how->kind->name, how->path, how->flags, &file, call);
    if (st != SEGUE_OK) return st;
    seg_sql_engine *e = find_engine(how->kind, &file.stat);
    if (e) {
        seg_free(file.path);
        if (seg_sql_is_forked(e)) return seg_sql_forked(call, e);
        st = connect_engine(e, how, call);
        if (st != SEGUE_OK) return st;
        e->refs++;
    } else {
        e = make_engine(how->kind, &file);
        if (!e) return segue_fail(call, SEGUE_NO_MEMORY, "%s: out of memory for a store", how->kind->name);
        st = connect_engine(e, how, call);
        if (st != SEGUE_OK) {
            seg_sql_file_unmake(&file);
            free_engine(e);
            return st;
        }
        e->next = engines;
        engines = e;
    }
    if (how->sync > atomic_load(&e->sync)) atomic_store(&e->sync, how->sync);
    *ret_engine = e;
    return SEGUE_OK;
}

segue_status seg_sql_engine_open(const seg_sql_open *how, seg_sql_engine **ret_engine, segue_call *call)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, watch_forks); /* it has no way to fail */
    pthread_mutex_lock(&engines_lock);
    segue_status st = open_locked(how, ret_engine, call);
    pthread_mutex_unlock(&engines_lock);
    return st;
}

void seg_sql_engine_close(seg_sql_engine *engine)
{
    pthread_mutex_lock(&engines_lock);
    /* A forked one stays in the list: its file must not be opened in this process. */
    if (--engine->refs == 0 && !seg_sql_is_forked(engine)) {
        seg_sql_engine **link = &engines;
        while (*link != engine) link = &(*link)->next;
        *link = engine->next;
        free_engine(engine);
    }
    pthread_mutex_unlock(&engines_lock);
}

/* ---- readers ---- */

/* Where this thread looks first: threads stay out of each other's way, and find the pages they read last. */
static size_t own_slot(void)
{
    static atomic_size_t n_threads;
    static _Thread_local size_t own; /* one more than the slot */
    if (!own) own = atomic_fetch_add_explicit(&n_threads, 1, memory_order_relaxed) % SEG_SQL_READERS_MAX + 1;
    return own - 1;
}

segue_status seg_sql_take(seg_sql_engine *engine, seg_sql_conn **ret_conn, segue_call *call)
{
    seg_sql_conn *conn = NULL;
    if (seg_sql_is_forked(engine)) return seg_sql_forked(call, engine);
    for (size_t i = 0, at = own_slot(); !conn && i < SEG_SQL_READERS_MAX; i++) {
        _Atomic(seg_sql_conn *) *slot = &engine->readers[(at + i) % SEG_SQL_READERS_MAX].conn;
        if (atomic_load_explicit(slot, memory_order_relaxed))
            conn = atomic_exchange_explicit(slot, NULL, memory_order_acquire);
    }
    if (!conn) {
        segue_status st = seg_sql_conn_open(engine->kind, engine->path, SEG_SQL_READER, &conn, call);
        if (st != SEGUE_OK) return st;
    }
    conn->call = call;
    *ret_conn = conn;
    return SEGUE_OK;
}

void seg_sql_give(seg_sql_engine *engine, seg_sql_conn *conn)
{
    conn->call = NULL;
    for (size_t i = 0, at = own_slot(); i < SEG_SQL_READERS_MAX; i++) {
        _Atomic(seg_sql_conn *) *slot = &engine->readers[(at + i) % SEG_SQL_READERS_MAX].conn;
        seg_sql_conn *none = NULL;
        if (!atomic_load_explicit(slot, memory_order_relaxed) &&
            atomic_compare_exchange_strong_explicit(slot, &none, conn, memory_order_release, memory_order_relaxed))
            return;
    }
    seg_sql_conn_close(conn); /* more readers at once than we keep */
}
