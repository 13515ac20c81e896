/* L4: a connection to a SQLite file: its statements and the meaning of its errors. One thread at a time. */
#ifndef SEG_SQLBASE_CONN_H
#define SEG_SQLBASE_CONN_H

#include "base/retry.h"

#include <segue/backend.h>
#include <sqlite3.h>

/* The statements that every kind of file needs; a kind's own come after them. */
enum {
    SEG_SQL_BEGIN,
    SEG_SQL_COMMIT,
    SEG_SQL_ROLLBACK,
    SEG_SQL_HIGHEST,      /* the highest CAS that the file knows of */
    SEG_SQL_NOTE_HIGHEST, /* ?1 is the highest now */
    SEG_SQL_GET,          /* from here on of records: see slots.h */
    SEG_SQL_GET_NO_BODY,  /* with the body's columns as in a scan of keys */
    SEG_SQL_LOOK,         /* the CAS and the revision only */
    SEG_SQL_SCAN,         /* from .. (the end of the range is the caller's to see) */
    SEG_SQL_SCAN_AFTER,
    SEG_SQL_SCAN_KEYS,
    SEG_SQL_SCAN_KEYS_AFTER,
    SEG_SQL_CHANGES, /* those of collection ?1 after (CAS ?3, key ?2), in this order; the columns of a scan */
    SEG_SQL_CHANGES_KEYS,
    SEG_SQL_EXPIRING, /* records with an expiry, in its order, as a scan yields them but with empty bodies */
    SEG_SQL_ERASE,
    SEG_SQL_COPY, /* a row to another collection, as it is, unless that has one */
    SEG_SQL_N_COMMON,
    SEG_SQL_STMTS_MAX = 24
};

typedef struct seg_sql_conn seg_sql_conn;

typedef enum seg_sql_mode {
    SEG_SQL_READER,
    SEG_SQL_WRITER, /* brings an older file up to date */
    SEG_SQL_CREATOR /* and makes our tables in an empty one */
} seg_sql_mode;

/* What a backend keeps in its files. Static. */
typedef struct seg_sql_kind {
    const char *name;         /* of the backend: sentences begin with it */
    const char *const *texts; /* of the statements; the first three of the common ones need none */
    unsigned n_reads;         /* so many of them a reading connection needs */
    unsigned n_sql;           /* all */
    const char *index_name;   /* the index that changes are read by, where it is made with the first feed; else NULL */
    const char *index_sql;    /* makes it, if it is not there */
    /* See that the file is one of this kind and of a version that we know, or make it so as the mode allows. */
    segue_status (*check)(seg_sql_conn *conn, seg_sql_mode mode, segue_call *call);
} seg_sql_kind;

typedef enum seg_sql_sync { SEG_SQL_SYNC_OFF, SEG_SQL_SYNC_NORMAL, SEG_SQL_SYNC_FULL } seg_sql_sync;

/* The xattrs of the row that is being read. */
typedef struct seg_sql_xattrs {
    segue_xattr *slots;
    size_t n;
    size_t capacity;
    segue_buf names; /* those that do not lie in the row as they are */
} seg_sql_xattrs;

struct seg_sql_conn {
    const seg_sql_kind *kind;
    const char *path; /* for sentences; the engine's */
    sqlite3 *db;
    sqlite3_stmt *stmts[SEG_SQL_STMTS_MAX];
    const segue_call *call; /* whose deadline bounds the waiting for other processes; NULL nobody's */
    int64_t patience_ns;    /* how long to wait for them where no deadline says less */
    int64_t wait_until_ns;
    seg_backoff backoff;
    seg_sql_sync sync; /* of a writer, as it is set now */
    int log_frames;    /* in the write-ahead log after a writer's last commit */
    bool checkpoints;  /* a checkpoint is running */
    int checkpoint_at; /* so many frames are the next occasion to move them into the file */
    bool changed;      /* a writer's running job has changed something */
    bool changed_any;  /* a writer's running transaction has */
    segue_buf scratch; /* xattrs to be written */
    seg_sql_xattrs xattrs;
};

/* Open a file of ours. NO_STORE (an empty file, but for a creator), ACCESS_DENIED, READ_ONLY, WRONG_FORMAT, CORRUPT,
 * UNAVAILABLE, NO_SPACE, IO_ERROR. */
segue_status seg_sql_conn_open(const seg_sql_kind *kind, const char *path, seg_sql_mode mode, seg_sql_conn **ret_conn,
                               segue_call *call);
void seg_sql_conn_close(seg_sql_conn *conn); /* NULL is legal */

/* For the check of a kind: prepare a statement, if it is not yet. False: see seg_sql_failed. */
bool seg_sql_prepare(seg_sql_conn *conn, unsigned which);
/* The statement, not running: in an open file all that its mode needs are prepared. Reset it after use: a statement that was
 * left in the middle holds a transaction open. */
sqlite3_stmt *seg_sql_stmt(const seg_sql_conn *conn, unsigned which);
void seg_sql_bind_number(sqlite3_stmt *stmt, int at, int64_t number);
/* Run a statement that yields no rows, and reset it. */
segue_status seg_sql_run(seg_sql_conn *conn, sqlite3_stmt *stmt, segue_call *call);
segue_status seg_sql_exec(seg_sql_conn *conn, const char *sql, segue_call *call);
/* The first number that a statement yields. */
segue_status seg_sql_ask(seg_sql_conn *conn, const char *sql, int64_t *ret_value, segue_call *call);

/* Room for `capacity` xattrs in all; what is there stays. NO_MEMORY. */
segue_status seg_sql_xattrs_reserve(seg_sql_xattrs *xattrs, size_t capacity);

/* The status and the sentence for what just went wrong on conn. */
segue_status seg_sql_failed(const seg_sql_conn *conn, segue_call *call);
/* The same for a code, without a sentence. */
segue_status seg_sql_status(sqlite3 *db, int code);

#endif
