/* L4: a connection to a SQLite file of Segue's: its statements and the meaning of its errors. One thread at a time. */
#ifndef SEG_SQLITE_CONN_H
#define SEG_SQLITE_CONN_H

#include "base/retry.h"

#include <segue/backend.h>
#include <sqlite3.h>

/* The statements, in the order of their texts in conn.c. */
typedef enum seg_sqlite_sql {
    SEG_SQLITE_GET,
    SEG_SQLITE_LOOK, /* the CAS and the revision only */
    SEG_SQLITE_SCAN, /* from .. (the end of the range is the caller's to see) */
    SEG_SQLITE_SCAN_AFTER,
    SEG_SQLITE_SCAN_KEYS,
    SEG_SQLITE_SCAN_KEYS_AFTER,
    SEG_SQLITE_FIND_COLLECTION,
    SEG_SQLITE_HIGHEST, /* the highest CAS that the file knows of */
    SEG_SQLITE_N_READS, /* up to here a reading connection needs them */
    SEG_SQLITE_BEGIN = SEG_SQLITE_N_READS,
    SEG_SQLITE_COMMIT,
    SEG_SQLITE_ROLLBACK,
    SEG_SQLITE_PUT,
    SEG_SQLITE_INSERT, /* only where there is none */
    SEG_SQLITE_ERASE,
    SEG_SQLITE_NOTE_HIGHEST,
    SEG_SQLITE_MAKE_COLLECTION,
    SEG_SQLITE_N_SQL
} seg_sqlite_sql;

typedef enum seg_sqlite_sync { SEG_SQLITE_SYNC_OFF, SEG_SQLITE_SYNC_NORMAL, SEG_SQLITE_SYNC_FULL } seg_sqlite_sync;

typedef struct seg_sqlite_conn {
    const char *path; /* for sentences; the engine's */
    sqlite3 *db;
    sqlite3_stmt *stmts[SEG_SQLITE_N_SQL];
    const segue_call *call; /* whose deadline bounds the waiting for other processes; NULL nobody's */
    int64_t wait_until_ns;
    seg_backoff backoff;
    seg_sqlite_sync sync; /* of a writer, as it is set now */
    bool changed;         /* a writer's running job has changed something */
    bool changed_any;     /* a writer's running transaction has */
    segue_buf scratch;    /* xattrs to be written */
} seg_sqlite_conn;

typedef enum seg_sqlite_mode {
    SEG_SQLITE_READER,
    SEG_SQLITE_WRITER, /* brings an older file up to date */
    SEG_SQLITE_CREATOR /* and makes our tables in an empty one */
} seg_sqlite_mode;

/* Open a file of ours. NO_STORE (an empty file, but for a creator), ACCESS_DENIED, READ_ONLY, WRONG_FORMAT, CORRUPT,
 * UNAVAILABLE, NO_SPACE, IO_ERROR. */
segue_status seg_sqlite_conn_open(const char *path, seg_sqlite_mode mode, seg_sqlite_conn **ret_conn, segue_call *call);
void seg_sqlite_conn_close(seg_sqlite_conn *conn); /* NULL is legal */

/* The statement, prepared and not running; NULL: see seg_sqlite_failed. Reset it after use: a statement that was left
 * in the middle holds a transaction open. */
sqlite3_stmt *seg_sqlite_stmt(seg_sqlite_conn *conn, seg_sqlite_sql which);
/* Run a statement that yields no rows, and reset it. stmt may be NULL (it could not be prepared). */
segue_status seg_sqlite_run(seg_sqlite_conn *conn, sqlite3_stmt *stmt, segue_call *call);
segue_status seg_sqlite_exec(seg_sqlite_conn *conn, const char *sql, segue_call *call);
/* The first number that a statement yields. */
segue_status seg_sqlite_ask(seg_sqlite_conn *conn, const char *sql, int64_t *ret_value, segue_call *call);

/* The status and the sentence for what just went wrong on conn. */
segue_status seg_sqlite_failed(const seg_sqlite_conn *conn, segue_call *call);
/* The same for a code, without a sentence. */
segue_status seg_sqlite_status(sqlite3 *db, int code);

/* format.c: see that the file is one of ours and of a version that we know, or make it so as the mode allows. */
segue_status seg_sqlite_check_format(seg_sqlite_conn *conn, seg_sqlite_mode mode, segue_call *call);

#endif
