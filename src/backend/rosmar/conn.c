/* L4: opening a bucket's SQLite file, its statements, its errors. A connection belongs to one thread at a time. */
#include "backend/rosmar/conn.h"

#include "base/base.h"
#include "base/url.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SCHEMA_VERSION = 1, BUSY_MS = 10000 };

#define ROW "iif(tombstone, NULL, value), xattrs, cas, revSeqNo, exp, isJSON"
#define ROW_KEY ", key FROM documents WHERE collection=?1 AND key"
#define ROW_NO_BODY "iif(tombstone, 'null', typeof(value)), NULL, cas, revSeqNo, exp, isJSON"

static const char *const texts[SEG_ROSMAR_N_SQL] = {
    [SEG_ROSMAR_GET] = "SELECT " ROW " FROM documents WHERE collection=?1 AND key=?2",
    [SEG_ROSMAR_SCAN] = "SELECT " ROW ROW_KEY ">=?2 ORDER BY key",
    [SEG_ROSMAR_SCAN_AFTER] = "SELECT " ROW ROW_KEY ">?2 ORDER BY key",
    [SEG_ROSMAR_SCAN_KEYS] = "SELECT " ROW_NO_BODY ROW_KEY ">=?2 ORDER BY key",
    [SEG_ROSMAR_SCAN_KEYS_AFTER] = "SELECT " ROW_NO_BODY ROW_KEY ">?2 ORDER BY key",
    [SEG_ROSMAR_BEGIN] = "BEGIN IMMEDIATE",
    [SEG_ROSMAR_COMMIT] = "COMMIT",
    [SEG_ROSMAR_ROLLBACK] = "ROLLBACK",
    [SEG_ROSMAR_HIGH] = "SELECT lastCas FROM bucket",
    [SEG_ROSMAR_PUT] =
        "INSERT INTO documents (collection, key, value, xattrs, cas, revSeqNo, exp, isJSON, tombstone) "
        "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9) ON CONFLICT (collection, key) DO UPDATE SET value=excluded.value, "
        "xattrs=excluded.xattrs, cas=excluded.cas, revSeqNo=excluded.revSeqNo, exp=excluded.exp, "
        "isJSON=excluded.isJSON, tombstone=excluded.tombstone",
    [SEG_ROSMAR_ERASE] = "DELETE FROM documents WHERE collection=?1 AND key=?2",
    [SEG_ROSMAR_COPY] = "INSERT INTO documents (collection, key, value, xattrs, cas, revSeqNo, exp, isJSON, tombstone) "
                        "SELECT ?3, key, value, xattrs, cas, revSeqNo, exp, isJSON, tombstone FROM documents "
                        "WHERE collection=?1 AND key=?2",
    [SEG_ROSMAR_NOTE_BUCKET] = "UPDATE bucket SET lastCas=max(lastCas, ?1)",
    [SEG_ROSMAR_NOTE_COLLECTION] = "UPDATE collections SET lastCas=max(ifnull(lastCas, 0), ?1) WHERE id=?2",
    [SEG_ROSMAR_NOTE_VIEWS] = ("UPDATE views SET lastCas=?1-1 WHERE lastCas>=?1 AND designDoc IN "
                               "(SELECT id FROM designDocs WHERE collection=?2)"),
};

/* ---- errors ---- */

static segue_status status_of(sqlite3 *db, int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return SEGUE_UNAVAILABLE;
    case SQLITE_NOMEM: return SEGUE_NO_MEMORY;
    case SQLITE_FULL: return SEGUE_NO_SPACE;
    case SQLITE_READONLY: return SEGUE_READ_ONLY;
    case SQLITE_PERM:
    case SQLITE_AUTH: return SEGUE_ACCESS_DENIED;
    case SQLITE_CORRUPT: return SEGUE_CORRUPT;
    case SQLITE_NOTADB: return SEGUE_WRONG_FORMAT;
    case SQLITE_TOOBIG: return SEGUE_TOO_BIG;
    case SQLITE_CANTOPEN: {
        segue_status st = seg_status_of_errno(sqlite3_system_errno(db));
        return st == SEGUE_OK ? SEGUE_IO_ERROR : st;
    }
    case SQLITE_IOERR: return code == SQLITE_IOERR_NOMEM ? SEGUE_NO_MEMORY : SEGUE_IO_ERROR;
    default: return SEGUE_IO_ERROR;
    }
}

segue_status seg_rosmar_failed(const seg_rosmar_conn *conn, segue_call *call)
{
    int code = conn->db ? sqlite3_extended_errcode(conn->db) : SQLITE_NOMEM;
    segue_status st = status_of(conn->db, code);
    (void)segue_fail(call, st, "rosmar: %s: %s: %s", conn->path, segue_status_text(st),
                     conn->db ? sqlite3_errmsg(conn->db) : sqlite3_errstr(code)); /* the status is known already */
    if (call && call->err) call->err->native = code;
    return st;
}

/* ---- statements ---- */

sqlite3_stmt *seg_rosmar_stmt(seg_rosmar_conn *conn, seg_rosmar_sql which)
{
    if (!conn->stmts[which]) {
        if (sqlite3_prepare_v3(conn->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, &conn->stmts[which], NULL) !=
            SQLITE_OK)
            return NULL;
        return conn->stmts[which];
    }
    (void)sqlite3_reset(conn->stmts[which]);          /* reports once more what its last step said */
    (void)sqlite3_clear_bindings(conn->stmts[which]); /* always SQLITE_OK */
    return conn->stmts[which];
}

segue_status seg_rosmar_run(seg_rosmar_conn *conn, sqlite3_stmt *stmt, segue_call *call)
{
    if (!stmt) return seg_rosmar_failed(conn, call);
    int code = sqlite3_step(stmt);
    segue_status st = code == SQLITE_DONE || code == SQLITE_ROW ? SEGUE_OK : seg_rosmar_failed(conn, call);
    (void)sqlite3_reset(stmt); /* reports once more what step said */
    return st;
}

/* ---- open ---- */

void seg_rosmar_conn_close(seg_rosmar_conn *conn)
{
    if (!conn) return;
    for (size_t i = 0; i < SEG_ROSMAR_N_SQL; i++) (void)sqlite3_finalize(conn->stmts[i]); /* as above */
    (void)sqlite3_close(conn->db); /* fails only while statements are left */
    seg_free(conn);
}

static segue_status open_file(seg_rosmar_conn *conn, int flags, bool as_it_lies, segue_call *call)
{
    SEG_AUTO(segue_buf) uri = {0};
    if (segue_buf_append(&uri, "file:", 5) != SEGUE_OK || seg_url_encode(segue_str(conn->path), &uri) != SEGUE_OK ||
        segue_buf_append(&uri, as_it_lies ? "?immutable=1" : "", as_it_lies ? 13 : 1) != SEGUE_OK)
        return segue_fail(call, SEGUE_NO_MEMORY, "rosmar: out of memory for a file name");
    (void)sqlite3_close(conn->db); /* of an earlier attempt, or NULL */
    conn->db = NULL;
    flags |= SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(uri.data, &conn->db, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(conn->db, BUSY_MS) != SQLITE_OK)
        return seg_rosmar_failed(conn, call);
    return SEGUE_OK;
}

/* The number that a statement yields first. */
static segue_status ask(seg_rosmar_conn *conn, const char *sql, int64_t *ret_value, segue_call *call)
{
    sqlite3_stmt *stmt = NULL;
    segue_status st = SEGUE_OK;
    if (sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW)
        st = seg_rosmar_failed(conn, call);
    else *ret_value = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt); /* reports once more what step said */
    return st;
}

static segue_status check_schema(seg_rosmar_conn *conn, bool read_only, segue_call *call)
{
    int64_t version = 0, tables = 0, utf8 = 0;
    segue_status st = ask(conn, "PRAGMA user_version", &version, call);
    if (st == SEGUE_OK)
        st = ask(conn,
                 "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name IN "
                 "('bucket','collections','documents','designDocs','views','mapped')",
                 &tables, call);
    if (st == SEGUE_OK) st = ask(conn, "SELECT encoding='UTF-8' FROM pragma_encoding", &utf8, call);
    if (st != SEGUE_OK) return st;
    if (tables != 6 || !utf8)
        return segue_fail(call, SEGUE_WRONG_FORMAT, "rosmar: %s is a SQLite file, but not a bucket", conn->path);
    if (version != SCHEMA_VERSION)
        return segue_fail(call, SEGUE_WRONG_FORMAT,
                          "rosmar: %s is a bucket of schema version %lld; only version %d is known", conn->path,
                          (long long)version, SCHEMA_VERSION);
    seg_rosmar_sql last = read_only ? SEG_ROSMAR_N_READS : SEG_ROSMAR_N_SQL;
    for (seg_rosmar_sql i = 0; i < last; i++) {
        if (seg_rosmar_stmt(conn, i)) continue;
        if ((sqlite3_errcode(conn->db) & 0xff) != SQLITE_ERROR) return seg_rosmar_failed(conn, call);
        return segue_fail(call, SEGUE_WRONG_FORMAT, "rosmar: %s is a bucket of a layout that is not known: %s",
                          conn->path, sqlite3_errmsg(conn->db));
    }
    return SEGUE_OK;
}

/* No write-ahead log can be made beside a file on a read-only medium, and nobody can change it: SQLite may take it as it
 * lies, unless somebody left a log there that would have to be read too. */
static segue_status take_as_it_lies(const char *path, bool *ret_yes, segue_call *call)
{
    struct statvfs fs;
    struct stat log;
    char *name = sqlite3_mprintf("%s-wal", path);
    if (!name) return segue_fail(call, SEGUE_NO_MEMORY, "rosmar: out of memory for a file name");
    *ret_yes = statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY);
    bool has_log = *ret_yes && stat(name, &log) == 0 && log.st_size > 0;
    sqlite3_free(name);
    if (has_log)
        return segue_fail(call, SEGUE_READ_ONLY,
                          "rosmar: %s lies on a read-only medium with a write-ahead log; copy the bucket elsewhere",
                          path);
    return SEGUE_OK;
}

static segue_status open_and_check(seg_rosmar_conn *conn, bool read_only, segue_call *call)
{
    /* A reader opens for writing too where it may, and then writes nothing: only so does SQLite clear away the
     * write-ahead log that it had to make. Where it may not, SQLite falls back to reading by itself. */
    bool as_it_lies = false;
    segue_status st = read_only ? take_as_it_lies(conn->path, &as_it_lies, call) : SEGUE_OK;
    if (st == SEGUE_OK)
        st = open_file(conn, as_it_lies ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, as_it_lies, call);
    if (st != SEGUE_OK) return st;
    if (!read_only && sqlite3_db_readonly(conn->db, "main") == 1)
        return segue_fail(call, SEGUE_ACCESS_DENIED, "rosmar: %s: no permission to write it", conn->path);
    const char *setup = read_only ? "PRAGMA foreign_keys=OFF; PRAGMA trusted_schema=OFF; PRAGMA query_only=ON"
                                  : "PRAGMA foreign_keys=OFF; PRAGMA trusted_schema=OFF; PRAGMA synchronous=FULL";
    if (sqlite3_exec(conn->db, setup, NULL, NULL, NULL) != SQLITE_OK) return seg_rosmar_failed(conn, call);
    st = check_schema(conn, read_only, call);
    if (st == SEGUE_OK && !read_only &&
        sqlite3_exec(conn->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL) != SQLITE_OK)
        st = seg_rosmar_failed(conn, call);
    return st;
}

segue_status seg_rosmar_conn_open(const char *path, bool read_only, seg_rosmar_conn **ret_conn, segue_call *call)
{
    seg_rosmar_conn *conn = seg_alloc_zero(sizeof *conn);
    if (!conn) return segue_fail(call, SEGUE_NO_MEMORY, "rosmar: out of memory for a connection");
    conn->path = path;
    segue_status st = open_and_check(conn, read_only, call);
    if (st != SEGUE_OK) {
        seg_rosmar_conn_close(conn);
        return st;
    }
    *ret_conn = conn;
    return SEGUE_OK;
}
