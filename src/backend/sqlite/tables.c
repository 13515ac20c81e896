/* L4: the statements over the tables of `sqlite:`, and its collections. */
#include "backend/sqlite/tables.h"

#include "base/base.h"

enum { NAME_PART_MAX = 251 };

#define HEAD "cas, revision, write_id, state, flags, expiry"
#define FROM_RANGE ", key FROM records WHERE collection=?1 AND key"
#define FROM_CHANGES ", key FROM records WHERE collection=?1 AND (cas, key)>(?3, ?2) ORDER BY cas, key"
#define REST HEAD ", xattrs, body"
#define CHANGES_INDEX "records_by_cas"

static const char *const texts[SEG_SQLITE_N_SQL] = {
    [SEG_SQL_HIGHEST] = "SELECT highest FROM clock",
    [SEG_SQL_NOTE_HIGHEST] = "UPDATE clock SET highest=?1",
    [SEG_SQL_GET] = "SELECT " REST " FROM records WHERE collection=?1 AND key=?2",
    [SEG_SQL_GET_NO_BODY] = "SELECT " HEAD ", xattrs, NULL FROM records WHERE collection=?1 AND key=?2",
    [SEG_SQL_LOOK] = "SELECT cas, revision FROM records WHERE collection=?1 AND key=?2",
    [SEG_SQL_SCAN] = "SELECT " REST FROM_RANGE ">=?2 ORDER BY key",
    [SEG_SQL_SCAN_AFTER] = "SELECT " REST FROM_RANGE ">?2 ORDER BY key",
    [SEG_SQL_SCAN_KEYS] = "SELECT " HEAD ", NULL, NULL" FROM_RANGE ">=?2 ORDER BY key",
    [SEG_SQL_SCAN_KEYS_AFTER] = "SELECT " HEAD ", NULL, NULL" FROM_RANGE ">?2 ORDER BY key",
    [SEG_SQL_CHANGES] = "SELECT " REST FROM_CHANGES,
    [SEG_SQL_CHANGES_KEYS] = "SELECT " HEAD ", NULL, NULL" FROM_CHANGES,
    [SEG_SQL_EXPIRING] = "SELECT " HEAD ", xattrs, iif(state & 1, NULL, x''), key FROM records "
                         "INDEXED BY records_expiry WHERE collection=?1 AND expiry>0 ORDER BY expiry",
    [SEG_SQL_ERASE] = "DELETE FROM records WHERE collection=?1 AND key=?2",
    [SEG_SQL_COPY] = "INSERT OR IGNORE INTO records (collection, key, " REST ") SELECT ?3, key, " REST
                     " FROM records WHERE collection=?1 AND key=?2",
    [SEG_SQLITE_FIND_COLLECTION] = "SELECT id FROM collections WHERE name=?1",
    [SEG_SQLITE_PUT] =
        "INSERT INTO records (collection, key, " REST ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) "
        "ON CONFLICT (collection, key) DO UPDATE SET cas=excluded.cas, revision=excluded.revision, "
        "write_id=excluded.write_id, state=excluded.state, flags=excluded.flags, expiry=excluded.expiry, "
        "xattrs=excluded.xattrs, body=excluded.body",
    [SEG_SQLITE_MAKE_COLLECTION] = "INSERT INTO collections (name) VALUES (?1)",
};

const seg_sql_kind seg_sqlite_kind = {
    .name = "sqlite",
    .texts = texts,
    .n_reads = SEG_SQLITE_N_READS,
    .n_sql = SEG_SQLITE_N_SQL,
    .index_name = CHANGES_INDEX,
    .index_sql = "CREATE INDEX IF NOT EXISTS " CHANGES_INDEX " ON records (collection, cas, key)",
    .check = seg_sqlite_check_format,
};

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
static segue_status find_collection(seg_sql_conn *conn, collection *c, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQLITE_FIND_COLLECTION);
    if (sqlite3_bind_text(stmt, 1, c->name, -1, SQLITE_STATIC) != SQLITE_OK) return seg_sql_failed(conn, call);
    int code = sqlite3_step(stmt);
    segue_status st = code == SQLITE_DONE ? SEGUE_NOT_FOUND : SEGUE_OK;
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
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQLITE_MAKE_COLLECTION);
    if (sqlite3_bind_text(stmt, 1, c->name, -1, SQLITE_STATIC) != SQLITE_OK) return seg_sql_failed(conn, call);
    conn->changed = true;
    st = seg_sql_run(conn, stmt, call);
    c->id = sqlite3_last_insert_rowid(conn->db);
    return st;
}

segue_status seg_sqlite_collection(seg_sql_engine *engine, const char *name, bool make, int64_t *ret_id,
                                   segue_call *call)
{
    const char *dot = strchr(name, '.');
    if (!dot || !is_name(segue_bytes(name, (size_t)(dot - name))) || !is_name(segue_str(dot + 1)))
        return segue_fail(call, SEGUE_INVALID_URL,
                          "sqlite: collection=%.80s is not SCOPE.COLLECTION, each of 1 to %d of A-Z a-z 0-9 _ - %%",
                          name, NAME_PART_MAX);
    collection c = {name, 0};
    seg_sql_conn *conn = NULL;
    segue_status st = seg_sql_take(engine, &conn, call);
    if (st != SEGUE_OK) return st;
    st = find_collection(conn, &c, call);
    seg_sql_give(engine, conn);
    if (st == SEGUE_NOT_FOUND && !make)
        return segue_fail(call, SEGUE_NO_STORE, "sqlite: %s has no collection %s", engine->path, name);
    if (st == SEGUE_NOT_FOUND) st = seg_sql_ensure(engine, make_collection, &c, call);
    if (st == SEGUE_OK) *ret_id = c.id;
    return st;
}
