/* L4: records as rows. Inside whatever transaction the caller has. */
#ifndef SEG_SQLITE_ROWS_H
#define SEG_SQLITE_ROWS_H

#include "backend/sqlite/tables.h"

/* A record as it lies in a running statement: valid until that is reset. */
typedef struct seg_sqlite_row {
    segue_record rec;
    segue_slice raw_xattrs; /* the encoded section; none without xattrs */
    sqlite3_stmt *stmt;     /* NULL: none is running */
    segue_xattr slots[SEGUE_XATTRS_MAX];
} seg_sqlite_row;

/* The record with this key; end it with row_end, whatever comes back. NOT_FOUND (without a sentence), CORRUPT. */
segue_status seg_sqlite_row_find(seg_sql_conn *conn, int64_t collection, segue_slice key, seg_sqlite_row *row,
                                 segue_call *call);
/* Decode the columns of GET (or of a scan) of the row that row->stmt stands on. */
segue_status seg_sqlite_row_decode(const seg_sql_conn *conn, segue_slice key, bool keys_only, seg_sqlite_row *row,
                                   segue_call *call);
void seg_sqlite_row_end(seg_sqlite_row *row);

/* CAS and revision only; *ret_cas 0: there is no record. */
segue_status seg_sqlite_row_look(seg_sql_conn *conn, int64_t collection, segue_slice key, uint64_t *ret_cas,
                                 uint64_t *ret_revision, segue_call *call);

/* Store a record, over the one that is there. */
segue_status seg_sqlite_row_write(seg_sql_conn *conn, int64_t collection, const segue_record *rec, segue_call *call);
/* Copy one that was found into another collection as it lies there, unless that has one. *ret_done: it had none. */
segue_status seg_sqlite_row_copy(seg_sql_conn *conn, int64_t to, const seg_sqlite_row *row, bool *ret_done,
                                 segue_call *call);
segue_status seg_sqlite_row_erase(seg_sql_conn *conn, int64_t collection, segue_slice key, segue_call *call);

#endif
