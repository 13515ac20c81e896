/* L4: what makes a file ours: the mark, the version, the tables, and the steps from one version to the next. */
#include "backend/sqlite/tables.h"
#include "base/base.h"
#include "base/crash.h"
#include "base/rules.h"

#define MARK "0x53656775" /* "Segu", in application_id */

/* steps[v] brings a file of version v to version v + 1. A step that was released is never changed.
 *
 * records.id means nothing. state: 1 tombstone, 2 JSON. xattrs: the section of doc/codec.h, NULL if there are none. body:
 * NULL on a tombstone; it stands last, so that the rest is read without it. clock.highest: no CAS in the file, nor one that was
 * ever given here, is above it. 64-bit numbers without sign are stored as the signed ones with the same bits. */
static const char *const steps[] = {
    "CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), highest INTEGER NOT NULL);"
    "INSERT INTO clock (id, highest) VALUES (1, 0);"
    "CREATE TABLE records ("
    "  collection INTEGER NOT NULL, key BLOB NOT NULL, cas INTEGER NOT NULL, revision INTEGER NOT NULL,"
    "  write_id INTEGER NOT NULL, state INTEGER NOT NULL, flags INTEGER NOT NULL, expiry INTEGER NOT NULL,"
    "  xattrs BLOB, body BLOB, PRIMARY KEY (collection, key)) WITHOUT ROWID;"
    "PRAGMA application_id=" MARK ";"
    "PRAGMA user_version=1;",
    /* Bodies out of the tree that keys are looked up in: a search through it reads every cell that it compares with, body and
     * all. And an index for reaping; a record without expiry is not in it, and costs nothing. */
    "CREATE TABLE rows ("
    "  id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, key BLOB NOT NULL, cas INTEGER NOT NULL,"
    "  revision INTEGER NOT NULL, write_id INTEGER NOT NULL, state INTEGER NOT NULL, flags INTEGER NOT NULL,"
    "  expiry INTEGER NOT NULL, xattrs BLOB, body BLOB);"
    "INSERT INTO rows (collection, key, cas, revision, write_id, state, flags, expiry, xattrs, body)"
    "  SELECT collection, key, cas, revision, write_id, state, flags, expiry, xattrs, body FROM records"
    "  ORDER BY collection, key;"
    "DROP TABLE records;"
    "ALTER TABLE rows RENAME TO records;"
    "CREATE UNIQUE INDEX records_by_key ON records (collection, key);"
    "CREATE INDEX records_expiry ON records (collection, expiry) WHERE expiry > 0;"
    "PRAGMA user_version=2;",
};
enum { NEWEST = sizeof steps / sizeof steps[0] };

typedef struct format {
    int64_t is_empty, is_marked, version;
} format;

static segue_status read_format(seg_sql_conn *conn, format *f, segue_call *call)
{
    segue_status st = seg_sql_ask(conn, "SELECT page_count=0 FROM pragma_page_count", &f->is_empty, call);
    if (st == SEGUE_OK)
        st = seg_sql_ask(conn, "SELECT application_id=" MARK " FROM pragma_application_id", &f->is_marked, call);
    if (st == SEGUE_OK) st = seg_sql_ask(conn, "PRAGMA user_version", &f->version, call);
    /* An empty file that SQLite has touched: pages, but nothing in them and no marks. */
    if (st == SEGUE_OK && !f->is_empty && !f->is_marked && !f->version)
        st = seg_sql_ask(conn,
                         "SELECT (SELECT count(*) FROM sqlite_schema)=0 AND application_id=0 FROM "
                         "pragma_application_id",
                         &f->is_empty, call);
    return st;
}

static segue_status judge(const seg_sql_conn *conn, const format *f, seg_sql_mode mode, segue_call *call)
{
    if (f->is_empty && mode != SEG_SQL_CREATOR)
        return segue_fail(call, SEGUE_NO_STORE, "sqlite: %s is an empty file, no store yet", conn->path);
    if (f->is_empty) return SEGUE_OK;
    if (!f->is_marked || f->version < 1)
        return segue_fail(call, SEGUE_WRONG_FORMAT, "sqlite: %s is a SQLite file, but not one of Segue's", conn->path);
    if (f->version > NEWEST)
        return segue_fail(
            call, SEGUE_WRONG_FORMAT,
            "sqlite: %s was written by a newer Segue (version %lld of the format; this one knows up to %d)", conn->path,
            (long long)f->version, (int)NEWEST);
    if (f->version < NEWEST && mode == SEG_SQL_READER)
        return segue_fail(call, SEGUE_WRONG_FORMAT,
                          "sqlite: %s has an older format; open it once for writing to bring it up to date",
                          conn->path);
    return SEGUE_OK;
}

/* In one transaction; another process may be doing the same. */
static segue_status bring_up_to_date(seg_sql_conn *conn, seg_sql_mode mode, segue_call *call)
{
    format f = {0};
    bool in_one = SEG_RULE(FORMAT_IN_ONE);
    segue_status st = in_one ? seg_sql_exec(conn, "BEGIN IMMEDIATE", call) : SEGUE_OK;
    if (st != SEGUE_OK) return st;
    st = read_format(conn, &f, call);
    if (st == SEGUE_OK) st = judge(conn, &f, mode, call);
    for (int64_t v = f.version; st == SEGUE_OK && v < NEWEST; v++) {
        st = seg_sql_exec(conn, steps[v], call);
        SEG_CRASH_POINT(FORMAT_STEP);
    }
    if (st == SEGUE_OK && in_one) st = seg_sql_exec(conn, "COMMIT", call);
    if (st != SEGUE_OK && !sqlite3_get_autocommit(conn->db))
        (void)seg_sql_exec(conn, "ROLLBACK", NULL); /* closing the connection does it otherwise */
    return st;
}

segue_status seg_sqlite_check_format(seg_sql_conn *conn, seg_sql_mode mode, segue_call *call)
{
    format f = {0};
    segue_status st = read_format(conn, &f, call);
    if (st == SEGUE_OK) st = judge(conn, &f, mode, call);
    if (st == SEGUE_OK && f.version < NEWEST) st = bring_up_to_date(conn, mode, call);
    return st;
}
