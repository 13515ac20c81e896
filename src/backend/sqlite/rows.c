/* L4: records as rows. Statements bind the caller's memory as it is; nothing is copied to be bound. What is read is not
 * trusted. */
#include "backend/sqlite/rows.h"

#include "base/base.h"
#include "doc/codec.h"

enum { COL_CAS, COL_REVISION, COL_WRITE_ID, COL_STATE, COL_FLAGS, COL_EXPIRY, COL_XATTRS, COL_BODY };
enum { STATE_TOMBSTONE = 1, STATE_JSON = 2 };

static int bind_key(sqlite3_stmt *stmt, int64_t collection, segue_slice key)
{
    int code = sqlite3_bind_int64(stmt, 1, collection);
    return code == SQLITE_OK ? sqlite3_bind_blob(stmt, 2, key.data, (int)key.size, SQLITE_STATIC) : code;
}

/* ---- reading ---- */

static segue_status damaged(const seg_sql_conn *conn, segue_slice key, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_CORRUPT, "sqlite: %s: the record %s is damaged", conn->path, seg_quote(key, quoted));
}

/* NULL is none, and an empty blob is not none. */
static segue_slice read_blob(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);
    if (data) return segue_bytes(data, (size_t)sqlite3_column_bytes(stmt, column));
    return sqlite3_column_type(stmt, column) == SQLITE_NULL ? (segue_slice){0} : segue_bytes("", 0);
}

segue_status seg_sqlite_row_decode(const seg_sql_conn *conn, segue_slice key, bool keys_only, seg_sqlite_row *row,
                                   segue_call *call)
{
    sqlite3_stmt *stmt = row->stmt;
    int64_t cas = sqlite3_column_int64(stmt, COL_CAS), state = sqlite3_column_int64(stmt, COL_STATE);
    int64_t flags = sqlite3_column_int64(stmt, COL_FLAGS), expiry = sqlite3_column_int64(stmt, COL_EXPIRY);
    size_t n_xattrs = 0;
    if (cas <= 0 || state & ~(STATE_TOMBSTONE | STATE_JSON) || flags < 0 || flags > UINT32_MAX || expiry < 0 ||
        expiry > UINT32_MAX)
        return damaged(conn, key, call);
    bool is_tombstone = state & STATE_TOMBSTONE;
    segue_slice body = keys_only ? segue_bytes(is_tombstone ? NULL : "", 0) : read_blob(stmt, COL_BODY);
    row->raw_xattrs = keys_only ? (segue_slice){0} : read_blob(stmt, COL_XATTRS);
    if (is_tombstone != (body.data == NULL)) return damaged(conn, key, call);
    if (row->raw_xattrs.size && seg_xattrs_decode(row->raw_xattrs, row->slots, &n_xattrs) != SEGUE_OK)
        return damaged(conn, key, call);
    row->rec = (segue_record){.key = key,
                              .body = body,
                              .xattrs = n_xattrs ? row->slots : NULL,
                              .n_xattrs = n_xattrs,
                              .cas = (uint64_t)cas,
                              .revision = (uint64_t)sqlite3_column_int64(stmt, COL_REVISION),
                              .write_id = (uint64_t)sqlite3_column_int64(stmt, COL_WRITE_ID),
                              .expiry = (uint32_t)expiry,
                              .flags = (uint32_t)flags,
                              .is_tombstone = is_tombstone,
                              .is_json = state & STATE_JSON};
    return SEGUE_OK;
}

/* Step to the one row of a statement that looks for a key. NOT_FOUND: it has none. */
static segue_status step_to_row(const seg_sql_conn *conn, sqlite3_stmt *stmt, segue_call *call)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) return SEGUE_OK;
    return code == SQLITE_DONE ? SEGUE_NOT_FOUND : seg_sql_failed(conn, call);
}

segue_status seg_sqlite_row_find(seg_sql_conn *conn, int64_t collection, segue_slice key, seg_sqlite_row *row,
                                 segue_call *call)
{
    sqlite3_stmt *stmt = row->stmt = seg_sql_stmt(conn, SEG_SQLITE_GET);
    if (!stmt || bind_key(stmt, collection, key) != SQLITE_OK) return seg_sql_failed(conn, call);
    segue_status st = step_to_row(conn, stmt, call);
    return st == SEGUE_OK ? seg_sqlite_row_decode(conn, key, false, row, call) : st;
}

void seg_sqlite_row_end(seg_sqlite_row *row)
{
    if (row->stmt) (void)sqlite3_reset(row->stmt); /* reports once more what step said */
    row->stmt = NULL;
}

segue_status seg_sqlite_row_look(seg_sql_conn *conn, int64_t collection, segue_slice key, uint64_t *ret_cas,
                                 uint64_t *ret_revision, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQLITE_LOOK);
    if (!stmt || bind_key(stmt, collection, key) != SQLITE_OK) return seg_sql_failed(conn, call);
    segue_status st = step_to_row(conn, stmt, call);
    if (st == SEGUE_OK) {
        int64_t cas = sqlite3_column_int64(stmt, COL_CAS);
        *ret_cas = (uint64_t)cas;
        *ret_revision = (uint64_t)sqlite3_column_int64(stmt, COL_REVISION);
        if (cas <= 0) st = damaged(conn, key, call);
    } else if (st == SEGUE_NOT_FOUND) {
        *ret_cas = *ret_revision = 0;
        st = SEGUE_OK;
    }
    (void)sqlite3_reset(stmt); /* reports once more what step said */
    return st;
}

/* ---- writing ---- */

static int bind_blob_or_null(sqlite3_stmt *stmt, int at, segue_slice bytes)
{
    return bytes.data ? sqlite3_bind_blob(stmt, at, bytes.data, (int)bytes.size, SQLITE_STATIC)
                      : sqlite3_bind_null(stmt, at);
}

static segue_status write_row(seg_sql_conn *conn, seg_sqlite_sql which, int64_t collection, const segue_record *rec,
                              segue_slice xattrs, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, which);
    if (!stmt) return seg_sql_failed(conn, call);
    int64_t state = (rec->is_tombstone ? STATE_TOMBSTONE : 0) | (rec->is_json ? STATE_JSON : 0);
    const int64_t numbers[] = {(int64_t)rec->cas, (int64_t)rec->revision, (int64_t)rec->write_id, state, rec->flags,
                               rec->expiry};
    int code = bind_key(stmt, collection, rec->key);
    for (int i = 0; i < 6 && code == SQLITE_OK; i++) code = sqlite3_bind_int64(stmt, 3 + i, numbers[i]);
    if (code == SQLITE_OK) code = bind_blob_or_null(stmt, 9, xattrs);
    if (code == SQLITE_OK) code = bind_blob_or_null(stmt, 10, rec->body);
    if (code != SQLITE_OK) return seg_sql_failed(conn, call);
    conn->changed = true;
    return seg_sql_run(conn, stmt, call);
}

segue_status seg_sqlite_row_write(seg_sql_conn *conn, int64_t collection, const segue_record *rec, segue_call *call)
{
    segue_slice xattrs = {0};
    if (rec->n_xattrs) {
        segue_buf_clear(&conn->scratch);
        if (seg_xattrs_encode(rec->xattrs, rec->n_xattrs, &conn->scratch) != SEGUE_OK)
            return segue_fail(call, SEGUE_NO_MEMORY, "sqlite: out of memory for the xattrs of a record");
        xattrs = segue_buf_slice(&conn->scratch);
    }
    return write_row(conn, SEG_SQLITE_PUT, collection, rec, xattrs, call);
}

segue_status seg_sqlite_row_copy(seg_sql_conn *conn, int64_t to, const seg_sqlite_row *row, bool *ret_done,
                                 segue_call *call)
{
    segue_status st = write_row(conn, SEG_SQLITE_INSERT, to, &row->rec, row->raw_xattrs, call);
    *ret_done = st == SEGUE_OK && sqlite3_changes(conn->db) > 0;
    return st;
}

segue_status seg_sqlite_row_erase(seg_sql_conn *conn, int64_t collection, segue_slice key, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQLITE_ERASE);
    if (!stmt || bind_key(stmt, collection, key) != SQLITE_OK) return seg_sql_failed(conn, call);
    conn->changed = true;
    return seg_sql_run(conn, stmt, call);
}
