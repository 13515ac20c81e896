/* SQLite without Segue. */
#include "raw.h"
#include "bench.h"

#include <stdlib.h>

void raw_must(sqlite3 *db, int code, const char *what)
{
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
    fprintf(stderr, "bench: %s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

void raw_exec(sqlite3 *db, const char *sql) { raw_must(db, sqlite3_exec(db, sql, NULL, NULL, NULL), sql); }

sqlite3_stmt *raw_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    raw_must(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL), sql);
    return statement;
}

sqlite3 *raw_open(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", bench_dir, name);
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    raw_must(db, sqlite3_open_v2(path, &db, flags, NULL), path);
    raw_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=10000;"
                 "CREATE TABLE IF NOT EXISTS docs(id INTEGER PRIMARY KEY,collection INTEGER,key BLOB,state INTEGER,"
                 "flags INTEGER,expiry INTEGER,cas INTEGER,revision INTEGER,write_id INTEGER,xattrs BLOB,body BLOB);"
                 "CREATE UNIQUE INDEX IF NOT EXISTS docs_by_key ON docs(collection,key)");
    return db;
}

void raw_fill(sqlite3 *db, int collection, size_t n)
{
    sqlite3_stmt *insert = raw_prepare(db, "INSERT INTO docs(" RAW_COLUMNS ") VALUES(?,?,?,?,3,0,0,?,1,7)");
    static const char xattrs[] = "\0\0\0\027_sync\0{\"rev\":\"1-abc\"}";
    raw_exec(db, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < n; i++) {
        char key[16], body[256];
        int size = snprintf(
            body, sizeof body,
            "{\"name\":\"user%zu\",\"email\":\"user%zu@example.com\",\"channels\":[\"a\",\"b\",\"c%zu\"],"
            "\"sequence\":%zu,\"hash\":\"$2a$10$abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLM\"}",
            i, i, i % 97, i * 3);
        segue_slice k = bench_key(i, key);
        raw_must(db, sqlite3_bind_int(insert, 1, collection), "bind");
        raw_must(db, sqlite3_bind_blob(insert, 2, k.data, (int)k.size, SQLITE_STATIC), "bind");
        raw_must(db, sqlite3_bind_blob(insert, 3, body, size, SQLITE_STATIC), "bind");
        raw_must(db, sqlite3_bind_blob(insert, 4, xattrs, sizeof xattrs, SQLITE_STATIC), "bind");
        raw_must(db, sqlite3_bind_int64(insert, 5, ((sqlite3_int64)i + 1) << 16), "bind");
        raw_must(db, sqlite3_step(insert), "insert");
        raw_must(db, sqlite3_reset(insert), "reset");
    }
    raw_exec(db, "COMMIT");
    raw_must(db, sqlite3_finalize(insert), "finalize");
}
