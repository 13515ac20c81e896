/* L4: the statements over a bucket's tables, what makes a file a bucket, and its collections. The original's own bookkeeping
 * is kept with every write: the highest CAS of the bucket (by sqlbase) and of the collection, and how far views have
 * indexed. */
#include "backend/rosmar/tables.h"

#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define FILE_NAME "rosmar.sqlite3"
enum { SCHEMA_VERSION = 1, N_TABLES = 6, NAME_MAX_BYTES = 251 };

#define ROW "iif(tombstone, NULL, value), xattrs, cas, revSeqNo, exp, isJSON"
#define ROW_KEY ", key FROM documents WHERE collection=?1 AND key"
/* By the original's own index docs_cas; keys decide between equal CASes only. */
#define ROW_CHANGES ", key FROM documents WHERE collection=?1 AND (cas, key)>(?3, ?2) ORDER BY cas, key"
#define BODY_TYPE "iif(tombstone, 'null', typeof(value))"
#define ROW_NO_BODY BODY_TYPE ", NULL, cas, revSeqNo, exp, isJSON"
#define ROW_NO_VALUE "iif(tombstone OR value IS NULL, NULL, x''), xattrs, cas, revSeqNo, exp, isJSON"

static const char *const texts[SEG_ROSMAR_N_SQL] = {
    [SEG_SQL_HIGHEST] = "SELECT lastCas FROM bucket",
    [SEG_SQL_NOTE_HIGHEST] = "UPDATE bucket SET lastCas=max(lastCas, ?1)",
    [SEG_SQL_GET] = "SELECT " ROW " FROM documents WHERE collection=?1 AND key=?2",
    [SEG_SQL_GET_NO_BODY] = "SELECT " BODY_TYPE ", xattrs, cas, revSeqNo, exp, isJSON FROM documents "
                            "WHERE collection=?1 AND key=?2",
    [SEG_SQL_LOOK] = "SELECT cas, revSeqNo FROM documents WHERE collection=?1 AND key=?2",
    [SEG_SQL_SCAN] = "SELECT " ROW ROW_KEY ">=?2 ORDER BY key",
    [SEG_SQL_SCAN_AFTER] = "SELECT " ROW ROW_KEY ">?2 ORDER BY key",
    [SEG_SQL_SCAN_KEYS] = "SELECT " ROW_NO_BODY ROW_KEY ">=?2 ORDER BY key",
    [SEG_SQL_SCAN_KEYS_AFTER] = "SELECT " ROW_NO_BODY ROW_KEY ">?2 ORDER BY key",
    [SEG_SQL_CHANGES] = "SELECT " ROW ROW_CHANGES,
    [SEG_SQL_CHANGES_KEYS] = "SELECT " ROW_NO_BODY ROW_CHANGES,
    [SEG_SQL_EXPIRING] = "SELECT " ROW_NO_VALUE ", key FROM documents WHERE collection=?1 AND exp>0 ORDER BY exp",
    [SEG_ROSMAR_FIND_COLLECTION] = "SELECT id FROM collections WHERE scope=?1 AND name=?2",
    [SEG_ROSMAR_GIVEN] = "SELECT max(ifnull(c.lastCas, 0), ifnull((SELECT max(cas) FROM documents d WHERE "
                         "d.collection=c.id), 0)) FROM collections c",
    [SEG_ROSMAR_PUT] =
        "INSERT INTO documents (collection, key, value, xattrs, cas, revSeqNo, exp, isJSON, tombstone) "
        "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9) ON CONFLICT (collection, key) DO UPDATE SET value=excluded.value, "
        "xattrs=excluded.xattrs, cas=excluded.cas, revSeqNo=excluded.revSeqNo, exp=excluded.exp, "
        "isJSON=excluded.isJSON, tombstone=excluded.tombstone",
    [SEG_SQL_ERASE] = "DELETE FROM documents WHERE collection=?1 AND key=?2",
    [SEG_SQL_COPY] = "INSERT INTO documents (collection, key, value, xattrs, cas, revSeqNo, exp, isJSON, tombstone) "
                     "SELECT ?3, key, value, xattrs, cas, revSeqNo, exp, isJSON, tombstone FROM documents "
                     "WHERE collection=?1 AND key=?2 ON CONFLICT (collection, key) DO NOTHING",
    [SEG_ROSMAR_NOTE_COLLECTION] = "UPDATE collections SET lastCas=max(ifnull(lastCas, 0), ?1) WHERE id=?2",
    [SEG_ROSMAR_NOTE_VIEWS] = "UPDATE views SET lastCas=?1-1 WHERE lastCas>=?1 AND designDoc IN "
                              "(SELECT id FROM designDocs WHERE collection=?2)",
    [SEG_ROSMAR_MAKE_COLLECTION] = "INSERT INTO collections (scope, name) VALUES (?1, ?2)",
};

/* ---- the file ---- */

static segue_status check_layout(seg_sql_conn *conn, unsigned last, segue_call *call)
{
    for (unsigned i = SEG_SQL_HIGHEST; i < last; i++) {
        if (seg_sql_prepare(conn, i)) continue;
        if ((sqlite3_errcode(conn->db) & 0xff) != SQLITE_ERROR) return seg_sql_failed(conn, call);
        return segue_fail(call, SEGUE_WRONG_FORMAT, "rosmar: %s is a bucket of a layout that is not known: %s",
                          conn->path, sqlite3_errmsg(conn->db));
    }
    return SEGUE_OK;
}

/* Foreign keys are not enforced here: the rows that the original's views emitted hang on a document, and deleting them needs
 * its own order of JSON values (see rows.c). */
static segue_status check(seg_sql_conn *conn, seg_sql_mode mode, segue_call *call)
{
    int64_t version = 0, n_tables = 0, is_utf8 = 0;
    segue_status st = seg_sql_exec(conn, "PRAGMA foreign_keys=OFF", call);
    if (st == SEGUE_OK) st = seg_sql_ask(conn, "PRAGMA user_version", &version, call);
    if (st == SEGUE_OK)
        st = seg_sql_ask(conn,
                         "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name IN "
                         "('bucket','collections','documents','designDocs','views','mapped')",
                         &n_tables, call);
    if (st == SEGUE_OK) st = seg_sql_ask(conn, "SELECT encoding='UTF-8' FROM pragma_encoding", &is_utf8, call);
    if (st != SEGUE_OK) return st;
    if (n_tables != N_TABLES || !is_utf8)
        return segue_fail(call, SEGUE_WRONG_FORMAT, "rosmar: %s is a SQLite file, but not a bucket", conn->path);
    if (version != SCHEMA_VERSION)
        return segue_fail(call, SEGUE_WRONG_FORMAT,
                          "rosmar: %s is a bucket of schema version %lld; only version %d is known", conn->path,
                          (long long)version, SCHEMA_VERSION);
    return check_layout(conn, mode == SEG_SQL_READER ? SEG_ROSMAR_N_READS : SEG_ROSMAR_N_SQL, call);
}

static const seg_sql_kind kind = {
    .name = "rosmar",
    .texts = texts,
    .n_reads = SEG_ROSMAR_N_READS,
    .n_sql = SEG_ROSMAR_N_SQL,
    .check = check,
};

/* New CASes must be above all that are there, also where the bucket's books missed one. */
static segue_status raise_clock(seg_sql_engine *engine, segue_call *call)
{
    seg_sql_conn *conn = NULL;
    segue_status st = seg_sql_take(engine, &conn, call);
    if (st != SEGUE_OK) return st;
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_ROSMAR_GIVEN);
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW)
        if ((code = sqlite3_step(stmt)) == SQLITE_ROW && sqlite3_column_int64(stmt, 0) > 0) {
            seg_clock_raise(&engine->clock, (uint64_t)sqlite3_column_int64(stmt, 0));
            seg_clock_raise(&engine->found, (uint64_t)sqlite3_column_int64(stmt, 0));
        }
    if (code != SQLITE_DONE) st = seg_sql_failed(conn, call);
    (void)sqlite3_reset(stmt); /* reports once more what step said */
    seg_sql_give(engine, conn);
    return st;
}

segue_status seg_rosmar_open(const char *directory, unsigned open_flags, seg_sql_engine **ret_engine, segue_call *call)
{
    struct stat file;
    size_t size = strlen(directory) + sizeof "/" FILE_NAME;
    SEG_AUTO_STRING path = seg_alloc(size);
    if (!path) return segue_fail(call, SEGUE_NO_MEMORY, "rosmar: out of memory for a path");
    (void)snprintf(path, size, "%s/" FILE_NAME, directory); /* fits */
    if (stat(path, &file) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return segue_fail(call, SEGUE_NO_STORE,
                          "rosmar: there is no bucket at \"%s\": a directory with a file " FILE_NAME, directory);
    /* A bucket is never made here: only the original knows what else belongs to a new one. */
    seg_sql_open how = {
        .kind = &kind, .path = path, .flags = open_flags | SEGUE_OPEN_EXISTING, .sync = SEG_SQL_SYNC_FULL};
    segue_status st = seg_sql_engine_open(&how, ret_engine, call);
    if (st != SEGUE_OK) return st;
    st = raise_clock(*ret_engine, call);
    if (st != SEGUE_OK) seg_sql_engine_close(*ret_engine);
    return st;
}

/* ---- collections ---- */

static bool is_valid_part(segue_slice name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-%_";
    if (name.size == 0 || name.size > NAME_MAX_BYTES || name.data[0] == '%' || name.data[0] == '_') return false;
    for (size_t i = 0; i < name.size; i++)
        if (!memchr(letters, name.data[i], sizeof letters - 1)) return false;
    return true;
}

/* The names that the original would make. */
static bool may_be_made(segue_slice scope, segue_slice name)
{
    bool in_default = segue_slice_equal(scope, segue_str("_default"));
    if (in_default && segue_slice_equal(name, segue_str("_default"))) return true;
    if (segue_slice_equal(scope, segue_str("_system"))) return segue_slice_equal(name, segue_str("_mobile"));
    return (in_default || is_valid_part(scope)) && is_valid_part(name);
}

typedef struct collection {
    segue_slice scope, name;
    int64_t id;
} collection;

static void bind_names(sqlite3_stmt *stmt, const collection *c)
{
    int failed = sqlite3_bind_text(stmt, 1, c->scope.data, (int)c->scope.size, SQLITE_STATIC) |
                 sqlite3_bind_text(stmt, 2, c->name.data, (int)c->name.size, SQLITE_STATIC);
    seg_assert(!failed); /* they are short, and a bucket is UTF-8 as they are: there is nothing to allocate */
}

/* c->id, or NOT_FOUND without a sentence. */
static segue_status find_collection(seg_sql_conn *conn, collection *c, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_ROSMAR_FIND_COLLECTION);
    bind_names(stmt, c);
    int code = sqlite3_step(stmt);
    segue_status st = code == SQLITE_ROW ? SEGUE_OK : SEGUE_NOT_FOUND;
    if (code == SQLITE_ROW) c->id = sqlite3_column_int64(stmt, 0);
    else if (code != SQLITE_DONE) st = seg_sql_failed(conn, call);
    (void)sqlite3_reset(stmt); /* reports once more what step said */
    return st;
}

static segue_status make_collection(seg_sql_conn *conn, void *arg, segue_call *call)
{
    collection *c = arg;
    segue_status st = find_collection(conn, c, call); /* somebody else may have made it meanwhile */
    if (st != SEGUE_NOT_FOUND) return st;
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_ROSMAR_MAKE_COLLECTION);
    bind_names(stmt, c);
    conn->changed = true;
    st = seg_sql_run(conn, stmt, call);
    c->id = sqlite3_last_insert_rowid(conn->db);
    return st;
}

segue_status seg_rosmar_collection(seg_sql_engine *engine, const char *name, bool make, int64_t *ret_id,
                                   segue_call *call)
{
    const char *dot = strchr(name, '.');
    if (!dot || strlen(name) > 2 * NAME_MAX_BYTES + 1)
        return segue_fail(call, SEGUE_INVALID_URL, "rosmar: collection=%.80s is not SCOPE.COLLECTION", name);
    collection c = {segue_bytes(name, (size_t)(dot - name)), segue_str(dot + 1), 0};
    seg_sql_conn *conn = NULL;
    segue_status st = seg_sql_take(engine, &conn, call);
    if (st != SEGUE_OK) return st;
    st = find_collection(conn, &c, call);
    seg_sql_give(engine, conn);
    if (st == SEGUE_NOT_FOUND && !make)
        return segue_fail(call, SEGUE_NO_STORE, "rosmar: %s has no collection %.80s", engine->path, name);
    if (st == SEGUE_NOT_FOUND && !may_be_made(c.scope, c.name))
        return segue_fail(call, SEGUE_INVALID_URL, "rosmar: collection=%.80s is not a name that a bucket allows", name);
    if (st == SEGUE_NOT_FOUND) st = seg_sql_ensure(engine, make_collection, &c, call);
    if (st == SEGUE_OK) *ret_id = c.id;
    return st;
}
