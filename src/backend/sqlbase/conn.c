/* L4: opening a SQLite file, its statements, its errors. A connection belongs to one thread at a time. */
#include "backend/sqlbase/conn.h"

#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "base/url.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

/* How long to wait for other processes that write, where no deadline says less. */
static const int64_t BUSY_NS = 10000000000, BUSY_FIRST_NS = 100000, BUSY_MOST_NS = 5000000;

/* Pages of 4 KiB: 4 MiB between checkpoints, as SQLite does by itself; from 16 MiB on all readers are waited for. How long a
 * checkpoint waits for others. */
enum { LOG_FRAMES = 1000, LOG_FRAMES_MOST = 4000 };
static const int64_t CHECKPOINT_NS = 100000000;

static const char *const common[] = {
    [SEG_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SEG_SQL_COMMIT] = "COMMIT",
    [SEG_SQL_ROLLBACK] = "ROLLBACK",
};

/* ---- errors ---- */

segue_status seg_sql_status(sqlite3 *db, int code)
{
    int os = db ? sqlite3_system_errno(db) : 0;
    segue_status st;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return SEGUE_UNAVAILABLE;
    case SQLITE_NOMEM: return SEGUE_NO_MEMORY;
    case SQLITE_FULL: return SEGUE_NO_SPACE;
    case SQLITE_READONLY: return SEGUE_READ_ONLY;
    case SQLITE_PERM:
    case SQLITE_AUTH: return SEGUE_ACCESS_DENIED;
    case SQLITE_CORRUPT: return SEGUE_CORRUPT;
    case SQLITE_NOTADB: return SEGUE_WRONG_FORMAT;
    case SQLITE_TOOBIG: return SEGUE_TOO_BIG;
    case SQLITE_CANTOPEN: st = seg_status_of_errno(os); return st == SEGUE_OK ? SEGUE_IO_ERROR : st;
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM) return SEGUE_NO_MEMORY;
        return seg_status_of_errno(os) == SEGUE_NO_SPACE ? SEGUE_NO_SPACE : SEGUE_IO_ERROR;
    default: return SEGUE_IO_ERROR;
    }
}

/* What a person can do about it. */
static const char *advice(segue_status st)
{
    if (st == SEGUE_UNAVAILABLE) return "others keep it locked; try again";
    if (st == SEGUE_NO_SPACE) return "make room and try again";
    if (st == SEGUE_READ_ONLY) return "the file or its folder cannot be written";
    if (st == SEGUE_ACCESS_DENIED) return "check the permissions of the file and of its folder";
    if (st == SEGUE_CORRUPT) return "the file is damaged; restore it from a copy";
    if (st == SEGUE_WRONG_FORMAT) return "this is not a SQLite file, or its head is damaged";
    return segue_status_text(st);
}

segue_status seg_sql_failed(const seg_sql_conn *conn, segue_call *call)
{
    int code = conn->db ? sqlite3_extended_errcode(conn->db) : SQLITE_NOMEM;
    segue_status st = seg_sql_status(conn->db, code);
    bool late = call && call->deadline_ns && seg_mono_ns(call->env) >= call->deadline_ns;
    if (st == SEGUE_UNAVAILABLE && late)
        (void)segue_fail(call, st = SEGUE_TIMEOUT, "%s: %s: the deadline passed while others kept it locked",
                         conn->kind->name, conn->path); /* the status is known already */
    else
        (void)segue_fail(call, st, "%s: %s: %s (%s)", conn->kind->name, conn->path, advice(st),
                         conn->db ? sqlite3_errmsg(conn->db) : sqlite3_errstr(code)); /* as above */
    if (call && call->err) call->err->native = code;
    return st;
}

/* ---- statements ---- */

bool seg_sql_prepare(seg_sql_conn *conn, unsigned which)
{
    if (!conn->stmts[which])
        (void)sqlite3_prepare_v3(conn->db, which <= SEG_SQL_ROLLBACK ? common[which] : conn->kind->texts[which], -1,
                                 SQLITE_PREPARE_PERSISTENT, &conn->stmts[which], NULL); /* NULL says that it failed */
    return conn->stmts[which] != NULL;
}

sqlite3_stmt *seg_sql_stmt(const seg_sql_conn *conn, unsigned which)
{
    seg_assert(conn->stmts[which]);
    return conn->stmts[which];
}

void seg_sql_bind_number(sqlite3_stmt *stmt, int at, int64_t number)
{
    int failed = sqlite3_bind_int64(stmt, at, number);
    seg_assert(!failed); /* the statement has such a place and is not running */
}

segue_status seg_sql_run(seg_sql_conn *conn, sqlite3_stmt *stmt, segue_call *call)
{
    int code = sqlite3_step(stmt);
    segue_status st = code == SQLITE_DONE || code == SQLITE_ROW ? SEGUE_OK : seg_sql_failed(conn, call);
    (void)sqlite3_reset(stmt); /* reports once more what step said */
    return st;
}

segue_status seg_sql_exec(seg_sql_conn *conn, const char *sql, segue_call *call)
{
    return sqlite3_exec(conn->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SEGUE_OK : seg_sql_failed(conn, call);
}

segue_status seg_sql_ask(seg_sql_conn *conn, const char *sql, int64_t *ret_value, segue_call *call)
{
    sqlite3_stmt *stmt = NULL;
    segue_status st = SEGUE_OK;
    if (sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW)
        st = seg_sql_failed(conn, call);
    else *ret_value = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt); /* reports once more what step said */
    return st;
}

segue_status seg_sql_xattrs_reserve(seg_sql_xattrs *xattrs, size_t capacity)
{
    if (capacity <= xattrs->capacity) return SEGUE_OK;
    segue_xattr *slots = seg_realloc(xattrs->slots, capacity * sizeof *slots);
    if (!slots) return SEGUE_NO_MEMORY;
    xattrs->slots = slots;
    xattrs->capacity = capacity;
    return SEGUE_OK;
}

/* ---- open ---- */

/* SQLite asks this whenever another process is in the way. */
static int wait_for_others(void *arg, int n_before)
{
    seg_sql_conn *conn = arg;
    const segue_env *env = conn->call ? conn->call->env : segue_env_default();
    if (n_before == 0) {
        seg_backoff_init(&conn->backoff, BUSY_FIRST_NS, BUSY_MOST_NS);
        conn->wait_until_ns = seg_mono_ns(env) + conn->patience_ns;
        if (conn->call && conn->call->deadline_ns && conn->call->deadline_ns < conn->wait_until_ns)
            conn->wait_until_ns = conn->call->deadline_ns;
    }
    if (seg_backoff_wait(&conn->backoff, env, conn->wait_until_ns)) return 1;
    if (conn->checkpoints) sqlite3_interrupt(conn->db); /* else it would go on without the lock, see after_commit */
    return 0;
}

/* The log's pages are moved into the file every now and then. Always with the write lock: without it, SQLite before 3.51.3 may
 * lose pages if another process begins the log anew in the same moment. And since the log begins anew only in a moment when
 * nobody reads in it, which under steady reading never comes by itself, readers are waited for where it has become long. A
 * failure does no harm: it is tried again later. */
static int after_commit(void *arg, sqlite3 *db, const char *name, int n_frames)
{
    seg_sql_conn *conn = arg;
    if (n_frames < conn->log_frames) conn->checkpoint_at = LOG_FRAMES;
    conn->log_frames = n_frames;
    if (n_frames < conn->checkpoint_at) return SQLITE_OK;
    conn->checkpoint_at = n_frames + LOG_FRAMES;
    conn->checkpoints = true;
    conn->patience_ns = CHECKPOINT_NS;
    int how = n_frames < LOG_FRAMES_MOST ? SQLITE_CHECKPOINT_FULL : SQLITE_CHECKPOINT_RESTART;
    SEG_CRASH_POINT(CHECKPOINT_DUE);
    (void)sqlite3_wal_checkpoint_v2(db, name, how, NULL, NULL); /* as said */
    SEG_CRASH_POINT(CHECKPOINT_DONE);
    conn->patience_ns = BUSY_NS;
    conn->checkpoints = false;
    return SQLITE_OK;
}

void seg_sql_conn_close(seg_sql_conn *conn)
{
    if (!conn) return;
    conn->call = NULL;
    for (size_t i = 0; i < SEG_SQL_STMTS_MAX; i++) (void)sqlite3_finalize(conn->stmts[i]); /* repeats old errors */
    (void)sqlite3_close(conn->db); /* fails only while statements are left */
    segue_buf_free(&conn->scratch);
    segue_buf_free(&conn->xattrs.names);
    seg_free(conn->xattrs.slots);
    seg_free(conn);
}

static segue_status open_file(seg_sql_conn *conn, bool as_it_lies, segue_call *call)
{
    SEG_AUTO(segue_buf) uri = {0};
    if (segue_buf_append(&uri, "file:", 5) != SEGUE_OK || seg_url_encode(segue_str(conn->path), &uri) != SEGUE_OK ||
        segue_buf_append(&uri, as_it_lies ? "?immutable=1" : "", as_it_lies ? 13 : 1) != SEGUE_OK)
        return segue_fail(call, SEGUE_NO_MEMORY, "%s: out of memory for a file name", conn->kind->name);
    int flags = as_it_lies ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    flags |= SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(uri.data, &conn->db, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_handler(conn->db, wait_for_others, conn) != SQLITE_OK)
        return seg_sql_failed(conn, call);
    return SEGUE_OK;
}

/* No write-ahead log can be made beside a file on a read-only medium, and nobody can change it: SQLite may take it as it
 * lies, unless somebody left a log there that would have to be read too. */
static segue_status take_as_it_lies(const seg_sql_conn *conn, bool *ret_yes, segue_call *call)
{
    struct statvfs fs;
    struct stat log;
    char *name = sqlite3_mprintf("%s-wal", conn->path);
    if (!name) return segue_fail(call, SEGUE_NO_MEMORY, "%s: out of memory for a file name", conn->kind->name);
    *ret_yes = statvfs(conn->path, &fs) == 0 && (fs.f_flag & ST_RDONLY);
    bool has_log = *ret_yes && stat(name, &log) == 0 && log.st_size > 0;
    sqlite3_free(name);
    if (has_log)
        return segue_fail(call, SEGUE_READ_ONLY,
                          "%s: %s lies on a read-only medium with a write-ahead log; copy both elsewhere",
                          conn->kind->name, conn->path);
    return SEGUE_OK;
}

/* After the format was checked: a file that is not ours is never changed, not even its journal mode. */
static segue_status use_log(seg_sql_conn *conn, segue_call *call)
{
    int64_t is_log = 0;
    SEG_CRASH_POINT(FORMAT_DONE);
    segue_status st = seg_sql_exec(conn, "PRAGMA journal_mode=WAL", call);
    if (st == SEGUE_OK) st = seg_sql_ask(conn, "SELECT journal_mode='wal' FROM pragma_journal_mode", &is_log, call);
    (void)sqlite3_wal_hook(conn->db, after_commit, conn); /* there was no other */
    if (st == SEGUE_OK && !is_log)
        st = segue_fail(call, SEGUE_UNSUPPORTED, "%s: %s: its file system cannot share a write-ahead log",
                        conn->kind->name, conn->path);
    return st;
}

static segue_status prepare_all(seg_sql_conn *conn, unsigned last, segue_call *call)
{
    for (unsigned i = 0; i < last; i++) {
        if (seg_sql_prepare(conn, i)) continue;
        if ((sqlite3_errcode(conn->db) & 0xff) != SQLITE_ERROR) return seg_sql_failed(conn, call);
        return segue_fail(call, SEGUE_CORRUPT, "%s: %s: its tables are not those of its version: %s", conn->kind->name,
                          conn->path, sqlite3_errmsg(conn->db));
    }
    return SEGUE_OK;
}

static segue_status open_and_check(seg_sql_conn *conn, seg_sql_mode mode, segue_call *call)
{
    /* A reader opens for writing too where it may, and then writes nothing: only so can SQLite clear away the write-ahead
     * log that it had to make. Where it may not, SQLite falls back to reading by itself. */
    bool as_it_lies = false, reader = mode == SEG_SQL_READER;
    segue_status st = reader ? take_as_it_lies(conn, &as_it_lies, call) : SEGUE_OK;
    if (st == SEGUE_OK) st = open_file(conn, as_it_lies, call);
    if (st == SEGUE_OK)
        st = seg_sql_exec(conn,
                          reader ? "PRAGMA trusted_schema=OFF; PRAGMA query_only=ON; PRAGMA cache_size=-4096"
                                 : "PRAGMA trusted_schema=OFF; PRAGMA synchronous=FULL; PRAGMA cache_size=-4096;"
                                   "PRAGMA journal_size_limit=67108864",
                          call);
    conn->sync = SEG_SQL_SYNC_FULL;
    if (st == SEGUE_OK) st = conn->kind->check(conn, mode, call);
    if (st == SEGUE_READ_ONLY && reader)
        return segue_fail(call, SEGUE_ACCESS_DENIED,
                          "%s: %s: to read it beside others that write, its folder must be writable; or read a copy",
                          conn->kind->name, conn->path);
    if (st == SEGUE_OK && !reader) st = use_log(conn, call);
    return st == SEGUE_OK ? prepare_all(conn, reader ? conn->kind->n_reads : conn->kind->n_sql, call) : st;
}

static segue_status try_to_open(const seg_sql_kind *kind, const char *path, seg_sql_mode mode, seg_sql_conn **ret_conn,
                                segue_call *call)
{
    seg_sql_conn *conn = seg_alloc_zero(sizeof *conn);
    if (!conn) return segue_fail(call, SEGUE_NO_MEMORY, "%s: out of memory for a connection", kind->name);
    conn->kind = kind;
    conn->path = path;
    conn->call = call;
    conn->patience_ns = BUSY_NS;
    conn->checkpoint_at = LOG_FRAMES;
    segue_status st = open_and_check(conn, mode, call);
    conn->call = NULL;
    if (st != SEGUE_OK) {
        seg_sql_conn_close(conn);
        return st;
    }
    *ret_conn = conn;
    return SEGUE_OK;
}

segue_status seg_sql_conn_open(const seg_sql_kind *kind, const char *path, seg_sql_mode mode, seg_sql_conn **ret_conn,
                               segue_call *call)
{
    seg_backoff backoff;
    int64_t limit = seg_mono_ns(call->env) + BUSY_NS;
    if (call->deadline_ns && call->deadline_ns < limit) limit = call->deadline_ns;
    seg_assert(kind->n_sql <= SEG_SQL_STMTS_MAX);
    seg_backoff_init(&backoff, BUSY_FIRST_NS, BUSY_MOST_NS);
    /* Where several make a file or turn to its log at once, SQLite does not ask whether to wait: begin again. */
    for (;;) {
        segue_status st = try_to_open(kind, path, mode, ret_conn, call);
        if (st != SEGUE_UNAVAILABLE || !seg_backoff_wait(&backoff, call->env, limit)) return st;
    }
}
