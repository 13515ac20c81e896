/* L4: a connection to a bucket's SQLite file: its statements and the meaning of its errors. One thread at a time. */
#ifndef SEG_ROSMAR_CONN_H
#define SEG_ROSMAR_CONN_H

#include <segue/backend.h>
#include <sqlite3.h>

/* The statements, in the order of their texts in conn.c. */
typedef enum seg_rosmar_sql {
    SEG_ROSMAR_GET,
    SEG_ROSMAR_SCAN, /* from .. (the end of the range is the caller's to see) */
    SEG_ROSMAR_SCAN_AFTER,
    SEG_ROSMAR_SCAN_KEYS,
    SEG_ROSMAR_SCAN_KEYS_AFTER,
    SEG_ROSMAR_N_READS, /* up to here a reading connection needs them */
    SEG_ROSMAR_BEGIN = SEG_ROSMAR_N_READS,
    SEG_ROSMAR_COMMIT,
    SEG_ROSMAR_ROLLBACK,
    SEG_ROSMAR_HIGH, /* the highest CAS the bucket knows of */
    SEG_ROSMAR_PUT,
    SEG_ROSMAR_ERASE,
    SEG_ROSMAR_COPY, /* a row to another collection, as it is */
    SEG_ROSMAR_NOTE_BUCKET,
    SEG_ROSMAR_NOTE_COLLECTION,
    SEG_ROSMAR_NOTE_VIEWS,
    SEG_ROSMAR_N_SQL
} seg_rosmar_sql;

typedef struct seg_rosmar_conn {
    struct seg_rosmar_conn *next; /* in the pool */
    const char *path;             /* for sentences; the engine's */
    sqlite3 *db;
    sqlite3_stmt *stmts[SEG_ROSMAR_N_SQL];
    bool changed; /* the running transaction's current job has written */
} seg_rosmar_conn;

/* Open the file of a bucket and see that it is one that we know. Where a reader may not write beside the file, a file on a
 * read-only medium is taken as it lies. NO_STORE, ACCESS_DENIED, READ_ONLY, WRONG_FORMAT, CORRUPT, IO_ERROR. */
segue_status seg_rosmar_conn_open(const char *path, bool read_only, seg_rosmar_conn **ret_conn, segue_call *call);
void seg_rosmar_conn_close(seg_rosmar_conn *conn);

/* The statement, prepared, reset and without bindings; NULL with the failure in call (give it to ..._failed). */
sqlite3_stmt *seg_rosmar_stmt(seg_rosmar_conn *conn, seg_rosmar_sql which);
/* Run a statement that yields no rows, and reset it. */
segue_status seg_rosmar_run(seg_rosmar_conn *conn, sqlite3_stmt *stmt, segue_call *call);
/* The status and sentence for what just went wrong on conn. */
segue_status seg_rosmar_failed(const seg_rosmar_conn *conn, segue_call *call);

#endif
