/* L4: rows of a bucket's documents as records, and the bookkeeping that goes with writing them. One thread at a time, on the
 * connection that it was given. */
#ifndef SEG_ROSMAR_ROWS_H
#define SEG_ROSMAR_ROWS_H

#include "backend/rosmar/tables.h"
#include "backend/rosmar/xattrs.h"

/* A row as it was read; zero-initialise, use again. rec is valid until the statement moves on. */
typedef struct seg_rosmar_row {
    segue_record rec;
    seg_rosmar_xattrs xattrs;
    sqlite3_stmt *stmt;
} seg_rosmar_row;
/* The statement need not stand on the row any more; the memory is kept. */
void seg_rosmar_row_end(seg_rosmar_row *row);
void seg_rosmar_row_free(seg_rosmar_row *row);

/* The row that stmt stands on (value, xattrs, cas, revSeqNo, exp, isJSON). CORRUPT, naming the key. */
segue_status seg_rosmar_row_read(seg_sql_conn *conn, sqlite3_stmt *stmt, segue_slice key, bool keys_only,
                                 seg_rosmar_row *row, segue_call *call);

/* NOT_FOUND without a sentence. */
segue_status seg_rosmar_row_find(seg_sql_conn *conn, int64_t collection, segue_slice key, seg_rosmar_row *row,
                                 segue_call *call);

/* CAS and revision only; *ret_cas 0: there is no row. */
segue_status seg_rosmar_row_look(seg_sql_conn *conn, int64_t collection, segue_slice key, uint64_t *ret_cas,
                                 uint64_t *ret_revision, segue_call *call);

/* ---- inside a write ---- */

/* What has been written to one collection by one job. */
typedef struct seg_rosmar_notes {
    int64_t collection;
    uint64_t highest;     /* CAS written, 0 none */
    uint64_t lowest_kept; /* of those that came with their CAS, 0 none */
} seg_rosmar_notes;

/* Store rec, CAS included, in place of what is there. UNSUPPORTED: what a bucket cannot hold. */
segue_status seg_rosmar_row_write(seg_sql_conn *conn, const segue_record *rec, bool kept, seg_rosmar_notes *notes,
                                  segue_call *call);
/* The row, as it is, to notes->collection, unless that has one. *ret_done: it had none. */
segue_status seg_rosmar_row_copy(seg_sql_conn *conn, int64_t from, segue_slice key, uint64_t cas,
                                 seg_rosmar_notes *notes, bool *ret_done, segue_call *call);
segue_status seg_rosmar_row_erase(seg_sql_conn *conn, int64_t collection, segue_slice key, segue_call *call);
/* Bring the collection's books up to what was written; the bucket's are kept by sqlbase. NO_STORE: the collection has
 * been dropped meanwhile. */
segue_status seg_rosmar_write_notes(seg_sql_conn *conn, const seg_rosmar_notes *notes, segue_call *call);

#endif
