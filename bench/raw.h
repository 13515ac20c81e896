/* SQLite without Segue: what one would write by hand for the same work, on a table of the same shape. */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include <sqlite3.h>
#include <stddef.h>

/* Open `name` in the scratch directory: WAL, synchronous=FULL, the table `docs` if it is not there. */
sqlite3 *raw_open(const char *name);
void raw_must(sqlite3 *db, int code, const char *what);
void raw_exec(sqlite3 *db, const char *sql);
sqlite3_stmt *raw_prepare(sqlite3 *db, const char *sql);
/* The same documents as bench_fill. */
void raw_fill(sqlite3 *db, int collection, size_t n);

#define RAW_COLUMNS "collection,key,body,xattrs,state,flags,expiry,cas,revision,write_id"

#endif
