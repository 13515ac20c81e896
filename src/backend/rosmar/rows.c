/* L4: rows of the table `documents` as records. A bucket calls a row a tombstone in two ways, by a mark and by the missing
 * value, and the original has left rows where the two disagree: a value under the mark, where its mover put back what had
 * been deleted, or neither. Either makes the row a tombstone here, as it does in the original's feed and scan; both are
 * written; a move carries the row as it is. */
#include "backend/rosmar/rows.h"

#include "backend/rosmar/tables.h"
#include "backend/rosmar/xattrs.h"
#include "base/base.h"
#include "doc/doc.h"

/* ---- reading ---- */

enum { COL_VALUE, COL_XATTRS, COL_CAS, COL_REVISION, COL_EXPIRY, COL_IS_JSON, COL_KEY };

static segue_status damaged(const seg_sql_conn *conn, segue_slice key, const char *what, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_CORRUPT, "rosmar: %s: the row of %s is damaged: %s", conn->path,
                      seg_quote(key, quoted), what);
}

static segue_status decode(seg_sql_conn *conn, sqlite3_stmt *stmt, segue_slice key, bool no_body, segue_record *rec,
                           segue_call *call)
{
    int64_t cas = sqlite3_column_int64(stmt, COL_CAS), revision = sqlite3_column_int64(stmt, COL_REVISION),
            expiry = sqlite3_column_int64(stmt, COL_EXPIRY);
    segue_slice body = seg_sql_column(stmt, COL_VALUE);
    /* A scan of keys reads the type of the value in its place. */
    if (no_body) body = segue_bytes(segue_slice_equal(body, segue_str("null")) ? NULL : "", 0);
    if (cas <= 0) return damaged(conn, key, "its CAS is not a positive number", call);
    if (revision < 0) return damaged(conn, key, "its revision is negative", call);
    if (expiry < 0 || expiry > UINT32_MAX) return damaged(conn, key, "its expiry is out of range", call);
    segue_status st = seg_rosmar_xattrs_decode(seg_sql_column(stmt, COL_XATTRS), &conn->xattrs);
    if (st == SEGUE_CORRUPT) return damaged(conn, key, "its xattrs are not a JSON object", call);
    if (st != SEGUE_OK) return segue_fail(call, st, "rosmar: out of memory for xattrs");
    *rec = (segue_record){.key = key,
                          .body = body,
                          .xattrs = conn->xattrs.n ? conn->xattrs.slots : NULL,
                          .n_xattrs = conn->xattrs.n,
                          .cas = (uint64_t)cas,
                          .revision = (uint64_t)revision,
                          .expiry = (uint32_t)expiry,
                          .is_tombstone = body.data == NULL,
                          .is_json = sqlite3_column_int(stmt, COL_IS_JSON) != 0};
    return SEGUE_OK;
}

/* ---- writing ---- */

static segue_status check_fits(const seg_sql_conn *conn, const segue_record *rec, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    const char *what = rec->flags                  ? "keeps no user flags"
                       : rec->revision > INT64_MAX ? "cannot hold a revision above 2^63-1"
                                                   : NULL;
    if (!what) return SEGUE_OK;
    return segue_fail(call, SEGUE_UNSUPPORTED, "rosmar: %s: %s: a bucket %s", conn->path, seg_quote(rec->key, quoted),
                      what);
}

static segue_status write(seg_sql_conn *conn, int64_t collection, const segue_record *rec, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    segue_status st = check_fits(conn, rec, call);
    if (st != SEGUE_OK) return st;
    segue_buf_clear(&conn->scratch);
    st = seg_rosmar_xattrs_encode(rec->xattrs, rec->n_xattrs, &conn->scratch);
    if (st != SEGUE_OK)
        return segue_fail(call, st, "rosmar: the xattrs of %s: %s", seg_quote(rec->key, quoted), segue_status_text(st));
    sqlite3_stmt *put = seg_sql_stmt(conn, SEG_ROSMAR_PUT);
    segue_slice xattrs = rec->n_xattrs ? segue_buf_slice(&conn->scratch) : (segue_slice){0};
    segue_slice value = rec->is_tombstone ? (segue_slice){0} : rec->body;
    const int64_t numbers[] = {(int64_t)rec->cas, (int64_t)rec->revision, rec->expiry, rec->is_json, rec->is_tombstone};
    seg_sql_bind_key(put, true, collection, rec->key);
    for (int i = 0; i < 5; i++) seg_sql_bind_number(put, 5 + i, numbers[i]);
    if (!seg_sql_bind(put, 3, value) || !seg_sql_bind(put, 4, xattrs)) return seg_sql_failed(conn, call);
    conn->changed = true;
    return seg_sql_run(conn, put, call);
}

static segue_status run_note(seg_sql_conn *conn, seg_rosmar_sql which, uint64_t cas, int64_t collection,
                             segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, which);
    seg_sql_bind_number(stmt, 1, (int64_t)cas);
    seg_sql_bind_number(stmt, 2, collection);
    return seg_sql_run(conn, stmt, call);
}

/* Bring the collection's books up to what was written; the bucket's are kept by sqlbase. */
static segue_status note(seg_sql_conn *conn, const seg_sql_stored *stored, segue_call *call)
{
    segue_status st = run_note(conn, SEG_ROSMAR_NOTE_COLLECTION, stored->highest, stored->collection, call);
    if (st != SEGUE_OK) return st;
    if (sqlite3_changes(conn->db) == 0)
        return segue_fail(call, SEGUE_NO_STORE, "rosmar: %s: the collection has been dropped", conn->path);
    /* A view has indexed up to a CAS; a record that comes with an older one must not slip below it. */
    if (stored->lowest_kept) st = run_note(conn, SEG_ROSMAR_NOTE_VIEWS, stored->lowest_kept, stored->collection, call);
    return st;
}

const seg_sql_rows seg_rosmar_rows = {
    .keys_are_text = true, .key_column = COL_KEY, .decode = decode, .write = write, .note = note};
