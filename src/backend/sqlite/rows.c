/* L4: records as rows. What is read is not trusted. No state. */
#include "backend/sqlite/rows.h"

#include "backend/sqlite/tables.h"
#include "base/base.h"
#include "doc/codec.h"
#include "doc/doc.h"

enum { COL_CAS, COL_REVISION, COL_WRITE_ID, COL_STATE, COL_FLAGS, COL_EXPIRY, COL_XATTRS, COL_BODY, COL_KEY };
enum { STATE_TOMBSTONE = 1, STATE_JSON = 2 };

static segue_status damaged(const seg_sql_conn *conn, segue_slice key, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_CORRUPT, "sqlite: %s: the record %s is damaged", conn->path, seg_quote(key, quoted));
}

static segue_status decode_xattrs(seg_sql_conn *conn, segue_slice key, segue_slice raw, segue_call *call)
{
    seg_sql_xattrs *x = &conn->xattrs;
    x->n = 0;
    if (raw.size == 0) return SEGUE_OK;
    if (seg_sql_xattrs_reserve(x, SEGUE_XATTRS_MAX) != SEGUE_OK)
        return segue_fail(call, SEGUE_NO_MEMORY, "sqlite: out of memory for the xattrs of a record");
    return seg_xattrs_decode(raw, x->slots, &x->n) == SEGUE_OK ? SEGUE_OK : damaged(conn, key, call);
}

static segue_status decode(seg_sql_conn *conn, sqlite3_stmt *stmt, segue_slice key, bool no_body, segue_record *rec,
                           segue_call *call)
{
    int64_t cas = sqlite3_column_int64(stmt, COL_CAS), state = sqlite3_column_int64(stmt, COL_STATE);
    int64_t flags = sqlite3_column_int64(stmt, COL_FLAGS), expiry = sqlite3_column_int64(stmt, COL_EXPIRY);
    bool is_tombstone = state & STATE_TOMBSTONE;
    segue_slice body = no_body ? segue_bytes(is_tombstone ? NULL : "", 0) : seg_sql_column(stmt, COL_BODY);
    if (cas <= 0 || state & ~(STATE_TOMBSTONE | STATE_JSON) || flags < 0 || flags > UINT32_MAX || expiry < 0 ||
        expiry > UINT32_MAX || is_tombstone != (body.data == NULL) || seg_key_check(key, NULL) != SEGUE_OK)
        return damaged(conn, key, call);
    segue_status st = decode_xattrs(conn, key, seg_sql_column(stmt, COL_XATTRS), call);
    if (st != SEGUE_OK) return st;
    *rec = (segue_record){.key = key,
                          .body = body,
                          .xattrs = conn->xattrs.n ? conn->xattrs.slots : NULL,
                          .n_xattrs = conn->xattrs.n,
                          .cas = (uint64_t)cas,
                          .revision = (uint64_t)sqlite3_column_int64(stmt, COL_REVISION),
                          .write_id = (uint64_t)sqlite3_column_int64(stmt, COL_WRITE_ID),
                          .expiry = (uint32_t)expiry,
                          .flags = (uint32_t)flags,
                          .is_tombstone = is_tombstone,
                          .is_json = state & STATE_JSON};
    return SEGUE_OK;
}

static segue_status write(seg_sql_conn *conn, int64_t collection, const segue_record *rec, segue_call *call)
{
    int64_t state = (rec->is_tombstone ? STATE_TOMBSTONE : 0) | (rec->is_json ? STATE_JSON : 0);
    const int64_t numbers[] = {(int64_t)rec->cas, (int64_t)rec->revision, (int64_t)rec->write_id, state, rec->flags,
                               rec->expiry};
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQLITE_PUT);
    segue_buf_clear(&conn->scratch);
    if (rec->n_xattrs && seg_xattrs_encode(rec->xattrs, rec->n_xattrs, &conn->scratch) != SEGUE_OK)
        return segue_fail(call, SEGUE_NO_MEMORY, "sqlite: out of memory for the xattrs of a record");
    seg_sql_bind_key(stmt, false, collection, rec->key);
    for (int i = 0; i < 6; i++) seg_sql_bind_number(stmt, 3 + i, numbers[i]);
    segue_slice xattrs = rec->n_xattrs ? segue_buf_slice(&conn->scratch) : (segue_slice){0};
    if (!seg_sql_bind(stmt, 9, xattrs) || !seg_sql_bind(stmt, 10, rec->body)) return seg_sql_failed(conn, call);
    conn->changed = true;
    return seg_sql_run(conn, stmt, call);
}

const seg_sql_rows seg_sqlite_rows = {.keys_are_text = false, .key_column = COL_KEY, .decode = decode, .write = write};
