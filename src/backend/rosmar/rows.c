/* L4: rows of the table `documents` as records. A bucket calls a row a tombstone in two ways, by a mark and by the missing
 * value, and the original has left rows where the two disagree: a value under the mark, where its mover put back what had
 * been deleted, or neither. Either makes the row a tombstone here, as it does in the original's feed and scan; both are
 * written; a move carries the row as it is. */
#include "backend/rosmar/rows.h"

#include "base/base.h"
#include "doc/doc.h"

/* ---- reading ---- */

void seg_rosmar_row_end(seg_rosmar_row *row)
{
    if (row->stmt) (void)sqlite3_reset(row->stmt); /* reports once more what step said */
    row->stmt = NULL;
}

void seg_rosmar_row_free(seg_rosmar_row *row)
{
    seg_rosmar_row_end(row);
    seg_rosmar_xattrs_free(&row->xattrs);
    *row = (seg_rosmar_row){0};
}

static segue_status damaged(const seg_sql_conn *conn, segue_slice key, const char *what, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_CORRUPT, "rosmar: %s: the row of %s is damaged: %s", conn->path,
                      seg_quote(key, quoted), what);
}

static segue_slice column_bytes(sqlite3_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) return segue_bytes(NULL, 0);
    const void *data = sqlite3_column_blob(stmt, column);
    return segue_bytes(data ? data : "", data ? (size_t)sqlite3_column_bytes(stmt, column) : 0);
}

segue_status seg_rosmar_row_read(seg_sql_conn *conn, sqlite3_stmt *stmt, segue_slice key, bool keys_only,
                                 seg_rosmar_row *row, segue_call *call)
{
    segue_record *rec = &row->rec;
    int64_t cas = sqlite3_column_int64(stmt, 2), revision = sqlite3_column_int64(stmt, 3),
            expiry = sqlite3_column_int64(stmt, 4);
    *rec = (segue_record){.key = key, .body = column_bytes(stmt, 0)};
    /* A scan of keys reads the type of the value in its place. */
    if (keys_only) rec->body = segue_bytes(segue_slice_equal(rec->body, segue_str("null")) ? NULL : "", 0);
    segue_slice xattrs = column_bytes(stmt, 1);
    if (cas <= 0) return damaged(conn, key, "its CAS is not a positive number", call);
    if (revision < 0) return damaged(conn, key, "its revision is negative", call);
    if (expiry < 0 || expiry > UINT32_MAX) return damaged(conn, key, "its expiry is out of range", call);
    segue_status st = seg_rosmar_xattrs_decode(xattrs, &row->xattrs);
    if (st == SEGUE_CORRUPT) return damaged(conn, key, "its xattrs are not a JSON object", call);
    if (st != SEGUE_OK) return segue_fail(call, st, "rosmar: out of memory for xattrs");
    rec->xattrs = row->xattrs.slots;
    rec->n_xattrs = row->xattrs.n;
    rec->cas = (uint64_t)cas;
    rec->revision = (uint64_t)revision;
    rec->expiry = (uint32_t)expiry;
    rec->is_tombstone = rec->body.data == NULL;
    rec->is_json = sqlite3_column_int(stmt, 5) != 0;
    return SEGUE_OK;
}

static bool bind_key(sqlite3_stmt *stmt, int64_t collection, segue_slice key)
{
    return stmt && sqlite3_bind_int64(stmt, 1, collection) == SQLITE_OK &&
           sqlite3_bind_text(stmt, 2, key.data, (int)key.size, SQLITE_STATIC) == SQLITE_OK;
}

segue_status seg_rosmar_row_find(seg_sql_conn *conn, int64_t collection, segue_slice key, seg_rosmar_row *row,
                                 segue_call *call)
{
    seg_rosmar_row_end(row);
    row->stmt = seg_sql_stmt(conn, SEG_ROSMAR_GET);
    if (!bind_key(row->stmt, collection, key)) return seg_sql_failed(conn, call);
    int code = sqlite3_step(row->stmt);
    if (code == SQLITE_ROW) return seg_rosmar_row_read(conn, row->stmt, key, false, row, call);
    return code == SQLITE_DONE ? SEGUE_NOT_FOUND : seg_sql_failed(conn, call);
}

segue_status seg_rosmar_row_look(seg_sql_conn *conn, int64_t collection, segue_slice key, uint64_t *ret_cas,
                                 uint64_t *ret_revision, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_ROSMAR_LOOK);
    if (!bind_key(stmt, collection, key)) return seg_sql_failed(conn, call);
    int code = sqlite3_step(stmt);
    int64_t cas = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    int64_t revision = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 1) : 0;
    segue_status st = SEGUE_OK;
    if (code != SQLITE_ROW && code != SQLITE_DONE) st = seg_sql_failed(conn, call);
    else if (cas < 0 || revision < 0 || (code == SQLITE_ROW && cas == 0))
        st = damaged(conn, key, "its CAS or its revision is not a positive number", call);
    (void)sqlite3_reset(stmt); /* reports once more what step said */
    *ret_cas = (uint64_t)cas;
    *ret_revision = (uint64_t)revision;
    return st;
}

/* ---- writing ---- */

static void note(seg_rosmar_notes *notes, uint64_t cas, bool kept)
{
    if (cas > notes->highest) notes->highest = cas;
    if (kept && (!notes->lowest_kept || cas < notes->lowest_kept)) notes->lowest_kept = cas;
}

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

static bool bind_blob(sqlite3_stmt *stmt, int index, segue_slice bytes)
{
    if (!bytes.data) return sqlite3_bind_null(stmt, index) == SQLITE_OK;
    return sqlite3_bind_blob64(stmt, index, bytes.data, bytes.size, SQLITE_STATIC) == SQLITE_OK;
}

segue_status seg_rosmar_row_write(seg_sql_conn *conn, const segue_record *rec, bool kept, seg_rosmar_notes *notes,
                                  segue_call *call)
{
    SEG_AUTO(segue_buf) json = {0};
    char quoted[SEG_QUOTED_MAX];
    segue_status st = check_fits(conn, rec, call);
    if (st != SEGUE_OK) return st;
    st = seg_rosmar_xattrs_encode(rec->xattrs, rec->n_xattrs, &json);
    if (st != SEGUE_OK)
        return segue_fail(call, st, "rosmar: the xattrs of %s: %s", seg_quote(rec->key, quoted), segue_status_text(st));
    sqlite3_stmt *put = seg_sql_stmt(conn, SEG_ROSMAR_PUT);
    segue_slice xattrs = rec->n_xattrs ? segue_buf_slice(&json) : segue_bytes(NULL, 0);
    if (!bind_key(put, notes->collection, rec->key) ||
        !bind_blob(put, 3, rec->is_tombstone ? segue_bytes(NULL, 0) : rec->body) || !bind_blob(put, 4, xattrs) ||
        sqlite3_bind_int64(put, 5, (int64_t)rec->cas) != SQLITE_OK ||
        sqlite3_bind_int64(put, 6, (int64_t)rec->revision) != SQLITE_OK ||
        sqlite3_bind_int64(put, 7, rec->expiry) != SQLITE_OK || sqlite3_bind_int(put, 8, rec->is_json) != SQLITE_OK ||
        sqlite3_bind_int(put, 9, rec->is_tombstone) != SQLITE_OK)
        return seg_sql_failed(conn, call);
    conn->changed = true;
    st = seg_sql_run(conn, put, call);
    if (st == SEGUE_OK) note(notes, rec->cas, kept);
    return st;
}

segue_status seg_rosmar_row_copy(seg_sql_conn *conn, int64_t from, segue_slice key, uint64_t cas,
                                 seg_rosmar_notes *notes, bool *ret_done, segue_call *call)
{
    sqlite3_stmt *copy = seg_sql_stmt(conn, SEG_ROSMAR_COPY);
    if (!bind_key(copy, from, key) || sqlite3_bind_int64(copy, 3, notes->collection) != SQLITE_OK)
        return seg_sql_failed(conn, call);
    conn->changed = true;
    segue_status st = seg_sql_run(conn, copy, call);
    *ret_done = st == SEGUE_OK && sqlite3_changes(conn->db) > 0;
    if (*ret_done) note(notes, cas, true);
    return st;
}

/* The original deletes what its views emitted for the row along with it. That needs its own order of JSON keys, which
 * Unicode tables define; so those rows stay. They are joined with the documents by row id, which is never used again: no
 * view shows them. */
segue_status seg_rosmar_row_erase(seg_sql_conn *conn, int64_t collection, segue_slice key, segue_call *call)
{
    sqlite3_stmt *erase = seg_sql_stmt(conn, SEG_ROSMAR_ERASE);
    if (!bind_key(erase, collection, key)) return seg_sql_failed(conn, call);
    conn->changed = true;
    return seg_sql_run(conn, erase, call);
}

static segue_status run_note(seg_sql_conn *conn, seg_rosmar_sql which, uint64_t cas, int64_t collection,
                             segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, which);
    if (!stmt || sqlite3_bind_int64(stmt, 1, (int64_t)cas) != SQLITE_OK ||
        sqlite3_bind_int64(stmt, 2, collection) != SQLITE_OK)
        return seg_sql_failed(conn, call);
    return seg_sql_run(conn, stmt, call);
}

segue_status seg_rosmar_write_notes(seg_sql_conn *conn, const seg_rosmar_notes *notes, segue_call *call)
{
    if (!notes->highest) return SEGUE_OK;
    segue_status st = run_note(conn, SEG_ROSMAR_NOTE_COLLECTION, notes->highest, notes->collection, call);
    if (st != SEGUE_OK) return st;
    if (sqlite3_changes(conn->db) == 0)
        return segue_fail(call, SEGUE_NO_STORE, "rosmar: %s: the collection has been dropped", conn->path);
    /* A view has indexed up to a CAS; a record that comes with an older one must not slip below it. */
    if (notes->lowest_kept) st = run_note(conn, SEG_ROSMAR_NOTE_VIEWS, notes->lowest_kept, notes->collection, call);
    return st;
}
