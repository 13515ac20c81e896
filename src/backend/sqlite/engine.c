/* L4: the files that are open in this process, their readers and their collections. Opening and closing take turns; a
 * reader is taken and given back without a lock. */
#include "backend/sqlite/engine.h"

#include "backend/sqlite/file.h"
#include "base/base.h"

enum { NAME_PART_MAX = 251, CACHE_LINE = 64 };

static pthread_mutex_t engines_lock = PTHREAD_MUTEX_INITIALIZER;
static seg_sqlite_engine *engines;

/* ---- fork ---- */

/* The child has copies of the engines, but not the locks on their files; using them there could damage a file. */
static void before_fork(void) { pthread_mutex_lock(&engines_lock); }
static void after_fork(void) { pthread_mutex_unlock(&engines_lock); }

static void after_fork_in_child(void)
{
    for (seg_sqlite_engine *e = engines; e; e = e->next) atomic_store(&e->forked, true);
    pthread_mutex_unlock(&engines_lock);
}

static void watch_forks(void)
{
    int failed = pthread_atfork(before_fork, after_fork, after_fork_in_child);
    seg_assert(!failed);
}

segue_status seg_sqlite_forked(segue_call *call, const seg_sqlite_engine *engine)
{
    return segue_fail(call, SEGUE_REFUSED,
                      "sqlite: %s was open when this process was forked; open it only after fork, or in the parent",
                      engine->path);
}

/* ---- open and close ---- */

static void free_engine(seg_sqlite_engine *e)
{
    for (size_t i = 0; i < SEG_SQLITE_READERS_MAX; i++) seg_sqlite_conn_close(atomic_load(&e->readers[i].conn));
    seg_sqlite_conn_close(e->writer);
    (void)pthread_cond_destroy(&e->more); /* nobody waits: this was the last handle */
    (void)pthread_mutex_destroy(&e->lock);
    seg_free(e->path);
    seg_free(e->memory);
}

/* Takes the path of *file. */
static seg_sqlite_engine *make_engine(const seg_sqlite_file *file)
{
    char *memory = seg_alloc_zero(sizeof(seg_sqlite_engine) + CACHE_LINE);
    if (!memory) {
        seg_free(file->path);
        return NULL;
    }
    seg_sqlite_engine *e = (void *)(memory + (CACHE_LINE - (uintptr_t)memory % CACHE_LINE));
    e->memory = memory;
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
static segue_status connect_engine(seg_sqlite_engine *e, const seg_sqlite_open *how, segue_call *call)
{
    seg_sqlite_conn *conn = NULL;
    if (how->flags & SEGUE_OPEN_READ_ONLY) {
        segue_status st = seg_sqlite_take(e, &conn, call); /* shows that it is ours */
        if (st == SEGUE_OK) seg_sqlite_give(e, conn);
        return st;
    }
    pthread_mutex_lock(&e->lock);
    bool has_writer = e->writer || e->leading;
    pthread_mutex_unlock(&e->lock);
    if (has_writer) return SEGUE_OK;
    seg_sqlite_mode mode = how->flags & SEGUE_OPEN_EXISTING ? SEG_SQLITE_WRITER : SEG_SQLITE_CREATOR;
    segue_status st = seg_sqlite_conn_open(e->path, mode, &conn, call);
    if (st != SEGUE_OK) return st;
    pthread_mutex_lock(&e->lock);
    if (!e->writer && !e->leading) {
        e->writer = conn;
        conn = NULL;
    }
    pthread_mutex_unlock(&e->lock);
    seg_sqlite_conn_close(conn); /* a leader has mended what was broken */
    return SEGUE_OK;
}

static seg_sqlite_engine *find_engine(const struct stat *file)
{
    seg_sqlite_engine *e = engines;
    while (e && !(e->device == file->st_dev && e->inode == file->st_ino)) e = e->next;
    return e;
}

static segue_status open_locked(const seg_sqlite_open *how, seg_sqlite_engine **ret_engine, segue_call *call)
{
    seg_sqlite_file file;
    segue_status st = seg_sqlite_file_find(how->path, how->flags, &file, call);
    if (st != SEGUE_OK) return st;
    seg_sqlite_engine *e = find_engine(&file.stat);
    if (e) {
        seg_free(file.path);
        if (seg_sqlite_is_forked(e)) return seg_sqlite_forked(call, e);
        st = connect_engine(e, how, call);
        if (st != SEGUE_OK) return st;
        e->refs++;
    } else {
        e = make_engine(&file);
        if (!e) return segue_fail(call, SEGUE_NO_MEMORY, "sqlite: out of memory for a store");
        st = connect_engine(e, how, call);
        if (st != SEGUE_OK) {
            seg_sqlite_file_unmake(&file);
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

segue_status seg_sqlite_engine_open(const seg_sqlite_open *how, seg_sqlite_engine **ret_engine, segue_call *call)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, watch_forks); /* it has no way to fail */
    pthread_mutex_lock(&engines_lock);
    segue_status st = open_locked(how, ret_engine, call);
    pthread_mutex_unlock(&engines_lock);
    return st;
}

void seg_sqlite_engine_close(seg_sqlite_engine *engine)
{
    pthread_mutex_lock(&engines_lock);
    /* A forked one stays in the list: its file must not be opened in this process. */
    if (--engine->refs == 0 && !seg_sqlite_is_forked(engine)) {
        seg_sqlite_engine **link = &engines;
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
    if (!own) own = atomic_fetch_add_explicit(&n_threads, 1, memory_order_relaxed) % SEG_SQLITE_READERS_MAX + 1;
    return own - 1;
}

segue_status seg_sqlite_take(seg_sqlite_engine *engine, seg_sqlite_conn **ret_conn, segue_call *call)
{
    seg_sqlite_conn *conn = NULL;
    if (seg_sqlite_is_forked(engine)) return seg_sqlite_forked(call, engine);
    for (size_t i = 0, at = own_slot(); !conn && i < SEG_SQLITE_READERS_MAX; i++) {
        _Atomic(seg_sqlite_conn *) *slot = &engine->readers[(at + i) % SEG_SQLITE_READERS_MAX].conn;
        if (atomic_load_explicit(slot, memory_order_relaxed))
            conn = atomic_exchange_explicit(slot, NULL, memory_order_acquire);
    }
    if (!conn) {
        segue_status st = seg_sqlite_conn_open(engine->path, SEG_SQLITE_READER, &conn, call);
        if (st != SEGUE_OK) return st;
    }
    conn->call = call;
    *ret_conn = conn;
    return SEGUE_OK;
}

void seg_sqlite_give(seg_sqlite_engine *engine, seg_sqlite_conn *conn)
{
    conn->call = NULL;
    for (size_t i = 0, at = own_slot(); i < SEG_SQLITE_READERS_MAX; i++) {
        _Atomic(seg_sqlite_conn *) *slot = &engine->readers[(at + i) % SEG_SQLITE_READERS_MAX].conn;
        seg_sqlite_conn *none = NULL;
        if (!atomic_load_explicit(slot, memory_order_relaxed) &&
            atomic_compare_exchange_strong_explicit(slot, &none, conn, memory_order_release, memory_order_relaxed))
            return;
    }
    seg_sqlite_conn_close(conn); /* more readers at once than we keep */
}

/* ---- collections ---- */

static bool is_name(segue_slice name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-%_";
    if (name.size == 0 || name.size > NAME_PART_MAX) return false;
    for (size_t i = 0; i < name.size; i++)
        if (!memchr(letters, name.data[i], sizeof letters - 1)) return false;
    return true;
}

typedef struct collection {
    const char *name;
    int64_t id;
} collection;

/* c->id, or NOT_FOUND without a sentence. */
static segue_status find_collection(seg_sqlite_conn *conn, collection *c, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sqlite_stmt(conn, SEG_SQLITE_FIND_COLLECTION);
    if (!stmt || sqlite3_bind_text(stmt, 1, c->name, -1, SQLITE_STATIC) != SQLITE_OK)
        return seg_sqlite_failed(conn, call);
    int code = sqlite3_step(stmt);
    segue_status st = code == SQLITE_DONE ? SEGUE_NOT_FOUND : SEGUE_OK;
    if (code == SQLITE_ROW) c->id = sqlite3_column_int64(stmt, 0);
    else if (code != SQLITE_DONE) st = seg_sqlite_failed(conn, call);
    (void)sqlite3_reset(stmt); /* reports once more what step said */
    return st;
}

static segue_status make_collection(seg_sqlite_conn *conn, void *arg, segue_call *call)
{
    collection *c = arg;
    segue_status st = find_collection(conn, c, call); /* somebody else may have made it meanwhile */
    if (st != SEGUE_NOT_FOUND) return st;
    sqlite3_stmt *stmt = seg_sqlite_stmt(conn, SEG_SQLITE_MAKE_COLLECTION);
    if (!stmt || sqlite3_bind_text(stmt, 1, c->name, -1, SQLITE_STATIC) != SQLITE_OK)
        return seg_sqlite_failed(conn, call);
    conn->changed = true;
    st = seg_sqlite_run(conn, stmt, call);
    c->id = sqlite3_last_insert_rowid(conn->db);
    return st;
}

segue_status seg_sqlite_collection(seg_sqlite_engine *engine, const char *name, bool make, int64_t *ret_id,
                                   segue_call *call)
{
    const char *dot = strchr(name, '.');
    if (!dot || !is_name(segue_bytes(name, (size_t)(dot - name))) || !is_name(segue_str(dot + 1)))
        return segue_fail(call, SEGUE_INVALID_URL,
                          "sqlite: collection=%.80s is not SCOPE.COLLECTION, each of 1 to %d of A-Z a-z 0-9 _ - %%",
                          name, NAME_PART_MAX);
    collection c = {name, 0};
    seg_sqlite_conn *conn = NULL;
    segue_status st = seg_sqlite_take(engine, &conn, call);
    if (st != SEGUE_OK) return st;
    st = find_collection(conn, &c, call);
    seg_sqlite_give(engine, conn);
    if (st == SEGUE_NOT_FOUND && !make)
        return segue_fail(call, SEGUE_NO_STORE, "sqlite: %s has no collection %s", engine->path, name);
    if (st == SEGUE_NOT_FOUND) st = seg_sqlite_write(engine, make_collection, &c, call);
    if (st == SEGUE_OK) *ret_id = c.id;
    return st;
}
