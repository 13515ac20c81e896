/* L4: the slots of a backend over a SQLite file. Statements bind the caller's memory as it is; nothing is copied to be bound.
 * Writers read and decide before their one change, so a write that is refused has changed nothing. */
#include "backend/sqlbase/slots.h"

#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "base/rules.h"
#include "base/sched.h"
#include "doc/doc.h"

#include <stdio.h>

/* ---- binding, columns ---- */

/* As the key of a record, but of any length. False: it is longer than SQLite takes. */
static bool bind_bound(sqlite3_stmt *stmt, bool as_text, int64_t collection, segue_slice key)
{
    seg_sql_bind_number(stmt, 1, collection);
    int code = as_text ? sqlite3_bind_text64(stmt, 2, key.data, key.size, SQLITE_STATIC, SQLITE_UTF8)
                       : sqlite3_bind_blob64(stmt, 2, key.data, key.size, SQLITE_STATIC);
    return code == SQLITE_OK;
}

void seg_sql_bind_key(sqlite3_stmt *stmt, bool as_text, int64_t collection, segue_slice key)
{
    bool is_bound = bind_bound(stmt, as_text, collection, key);
    seg_assert(is_bound);
}

segue_slice seg_sql_column(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);
    if (data) return segue_bytes(data, (size_t)sqlite3_column_bytes(stmt, column));
    return sqlite3_column_type(stmt, column) == SQLITE_NULL ? (segue_slice){0} : segue_bytes("", 0);
}

bool seg_sql_bind(sqlite3_stmt *stmt, int at, segue_slice bytes)
{
    int code = bytes.data ? sqlite3_bind_blob64(stmt, at, bytes.data, bytes.size, SQLITE_STATIC)
                          : sqlite3_bind_null(stmt, at);
    return code == SQLITE_OK;
}

/* ---- sentences ---- */

/* Say why a condition does not hold. */
static segue_status refused(const seg_sql_handle *h, segue_slice key, segue_status st, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    const char *name = h->engine->kind->name, *path = h->engine->path;
    (void)seg_quote(key, quoted); /* it is `quoted` */
    if (st == SEGUE_EXISTS) return segue_fail(call, st, "%s: %s has a record %s already", name, path, quoted);
    if (st == SEGUE_NOT_FOUND) return segue_fail(call, st, "%s: %s has no record %s", name, path, quoted);
    return segue_fail(call, st, "%s: %s: %s has another CAS than expected", name, path, quoted);
}

static segue_status no_memory(const seg_sql_handle *h, segue_call *call)
{
    return segue_fail(call, SEGUE_NO_MEMORY, "%s: out of memory for a record", h->engine->kind->name);
}

static segue_status check_writable(const seg_sql_handle *h, segue_call *call)
{
    if (!h->read_only) return SEGUE_OK;
    return segue_fail(call, SEGUE_READ_ONLY, "%s: %s was opened for reading only", h->engine->kind->name,
                      h->engine->path);
}

static segue_status write(const seg_sql_handle *h, seg_sql_job_fn fn, void *job, segue_call *call)
{
    segue_status st = check_writable(h, call);
    return st == SEGUE_OK ? seg_sql_write(h->engine, fn, job, call) : st;
}

/* What does no harm if it is done twice. */
static segue_status ensure(const seg_sql_handle *h, seg_sql_job_fn fn, void *job, segue_call *call)
{
    segue_status st = check_writable(h, call);
    return st == SEGUE_OK ? seg_sql_ensure(h->engine, fn, job, call) : st;
}

/* ---- one row ---- */

/* A record as it lies in a running statement. */
typedef struct row {
    segue_record rec;
    sqlite3_stmt *stmt; /* NULL: none is running */
} row;

static void row_end(row *r)
{
    if (r->stmt) (void)sqlite3_reset(r->stmt); /* reports once more what step said */
    r->stmt = NULL;
}

/* End it, whatever comes back. NOT_FOUND without a sentence. */
static segue_status row_find(const seg_sql_handle *h, seg_sql_conn *conn, segue_slice key, row *r, segue_call *call)
{
    r->stmt = seg_sql_stmt(conn, call->no_body ? SEG_SQL_GET_NO_BODY : SEG_SQL_GET);
    seg_sql_bind_key(r->stmt, h->rows->keys_are_text, h->collection, key);
    int code = sqlite3_step(r->stmt);
    if (code == SQLITE_ROW) return h->rows->decode(conn, r->stmt, key, call->no_body, &r->rec, call);
    return code == SQLITE_DONE ? SEGUE_NOT_FOUND : seg_sql_failed(conn, call);
}

/* CAS and revision only; *ret_cas 0: there is none. */
static segue_status row_look(const seg_sql_handle *h, seg_sql_conn *conn, segue_slice key, uint64_t *ret_cas,
                             uint64_t *ret_revision, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQL_LOOK);
    seg_sql_bind_key(stmt, h->rows->keys_are_text, h->collection, key);
    int code = sqlite3_step(stmt);
    int64_t cas = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    *ret_cas = (uint64_t)cas;
    *ret_revision = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 1) : 0;
    segue_status st = SEGUE_OK;
    if (code != SQLITE_ROW && code != SQLITE_DONE) st = seg_sql_failed(conn, call);
    else if (code == SQLITE_ROW && cas <= 0)
        st = segue_fail(call, SEGUE_CORRUPT, "%s: %s: the record %s is damaged: its CAS is not a positive number",
                        h->engine->kind->name, h->engine->path, seg_quote(key, quoted));
    (void)sqlite3_reset(stmt); /* reports once more what step said */
    return st;
}

static void note(seg_sql_stored *stored, uint64_t cas, bool kept)
{
    if (cas > stored->highest) stored->highest = cas;
    if (kept && (!stored->lowest_kept || cas < stored->lowest_kept)) stored->lowest_kept = cas;
}

static segue_status row_write(const seg_sql_handle *h, seg_sql_conn *conn, const segue_record *rec, bool kept,
                              seg_sql_stored *stored, segue_call *call)
{
    segue_status st = h->rows->write(conn, h->collection, rec, call);
    if (st == SEGUE_OK) note(stored, rec->cas, kept);
    return st;
}

static segue_status row_erase(const seg_sql_handle *h, seg_sql_conn *conn, segue_slice key, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQL_ERASE);
    seg_sql_bind_key(stmt, h->rows->keys_are_text, h->collection, key);
    conn->changed = true;
    return seg_sql_run(conn, stmt, call);
}

/* As it lies there. *ret_done: the target had none. */
static segue_status row_copy(const seg_sql_handle *from, const seg_sql_handle *to, seg_sql_conn *conn, segue_slice key,
                             bool *ret_done, segue_call *call)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQL_COPY);
    seg_sql_bind_key(stmt, from->rows->keys_are_text, from->collection, key);
    seg_sql_bind_number(stmt, 3, to->collection);
    conn->changed = true;
    segue_status st = seg_sql_run(conn, stmt, call);
    *ret_done = st == SEGUE_OK && sqlite3_changes(conn->db) > 0;
    return st;
}

static segue_status write_notes(const seg_sql_handle *h, seg_sql_conn *conn, const seg_sql_stored *stored,
                                segue_call *call)
{
    SEG_CRASH_POINT(ROWS_WRITTEN);
    return stored->highest && h->rows->note ? h->rows->note(conn, stored, call) : SEGUE_OK;
}

/* ---- get, scan ---- */

segue_status seg_sql_slot_get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    const seg_sql_handle *h = self;
    seg_sql_conn *conn;
    row r;
    segue_status st = seg_sql_take(h->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    st = row_find(h, conn, key, &r, call);
    if (st == SEGUE_OK && segue_doc_assign(doc, &r.rec) != SEGUE_OK) st = no_memory(h, call);
    row_end(&r);
    seg_sql_give(h->engine, conn);
    return st == SEGUE_NOT_FOUND ? refused(h, key, st, call) : st;
}

static bool is_beyond(segue_slice key, const segue_bounds *b)
{
    if (!b->to.data) return false;
    int c = segue_slice_compare(key, b->to);
    return b->to_open ? c >= 0 : c > 0;
}

static sqlite3_stmt *scan_stmt(const seg_sql_handle *h, seg_sql_conn *conn, const segue_bounds *b)
{
    bool after = b->from.data && b->from_open && SEG_RULE(PAGE_AFTER_KEY);
    unsigned which = b->keys_only ? (after ? SEG_SQL_SCAN_KEYS_AFTER : SEG_SQL_SCAN_KEYS)
                                  : (after ? SEG_SQL_SCAN_AFTER : SEG_SQL_SCAN);
    sqlite3_stmt *stmt = seg_sql_stmt(conn, which);
    segue_slice from = b->from.data ? b->from : segue_bytes("", 0);
    return bind_bound(stmt, h->rows->keys_are_text, h->collection, from) ? stmt : NULL;
}

/* A key of another type would stand outside of the order of keys. */
static segue_status scan_key(const seg_sql_handle *h, seg_sql_conn *conn, sqlite3_stmt *stmt, segue_slice *ret_key,
                             segue_call *call)
{
    int column = h->rows->key_column, type = h->rows->keys_are_text ? SQLITE_TEXT : SQLITE_BLOB;
    if (sqlite3_column_type(stmt, column) != type)
        return segue_fail(call, SEGUE_CORRUPT, "%s: %s holds a row whose key is no %s", conn->kind->name, conn->path,
                          h->rows->keys_are_text ? "text" : "bytes");
    *ret_key = seg_sql_column(stmt, column);
    return SEGUE_OK;
}

/* One statement reads the page, so it is one moment of the file. */
static segue_status read_page(const seg_sql_handle *h, seg_sql_conn *conn, row *r, const segue_bounds *b,
                              segue_page *page, segue_call *call)
{
    bool full = false;
    for (;;) {
        segue_slice key;
        int code = sqlite3_step(r->stmt);
        if (code == SQLITE_DONE) return SEGUE_OK;
        if (code != SQLITE_ROW) return seg_sql_failed(conn, call);
        segue_status st = scan_key(h, conn, r->stmt, &key, call);
        if (st != SEGUE_OK) return st;
        if (is_beyond(key, b)) return SEGUE_OK;
        if (full) {
            page->more = SEG_RULE(PAGE_SAYS_MORE);
            return SEGUE_OK;
        }
        st = h->rows->decode(conn, r->stmt, key, b->keys_only, &r->rec, call);
        if (st != SEGUE_OK) return st;
        if (r->rec.is_tombstone && !b->tombstones) continue;
        if (segue_page_add(page, &r->rec, &full) != SEGUE_OK) return no_memory(h, call);
    }
}

segue_status seg_sql_slot_scan(void *self, const segue_bounds *b, segue_page *page, segue_call *call)
{
    const seg_sql_handle *h = self;
    seg_sql_conn *conn;
    segue_status st = seg_sql_take(h->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    row r = {.stmt = scan_stmt(h, conn, b)};
    st = r.stmt ? read_page(h, conn, &r, b, page, call) : seg_sql_failed(conn, call);
    row_end(&r);
    seg_sql_give(h->engine, conn);
    return st;
}

/* ---- changes: only one transaction writes at a time, and it takes its CASes from the file's clock after it has begun; so what
 * is committed later has greater ones ---- */

static segue_status make_index(seg_sql_conn *conn, void *arg, segue_call *call)
{
    (void)arg;
    conn->changed = true;
    return seg_sql_exec(conn, conn->kind->index_sql, call);
}

/* Only who uses feeds has to keep an index in order of CAS. */
static segue_status need_index(const seg_sql_handle *h, seg_sql_conn *conn, segue_call *call)
{
    seg_sql_engine *e = h->engine;
    char sql[128];
    int64_t there = 0;
    if (!e->kind->index_name || atomic_load(&e->has_index)) return SEGUE_OK;
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_schema WHERE type='index' AND name='%s'",
                   e->kind->index_name); /* fits */
    segue_status st = seg_sql_ask(conn, sql, &there, call);
    if (st != SEGUE_OK) return st;
    if (!there && h->read_only)
        return segue_fail(call, SEGUE_UNSUPPORTED,
                          "%s: %s has no index for feeds yet, and is open for reading only; open a feed of it once "
                          "where it may be written",
                          e->kind->name, e->path);
    if (!there) st = ensure(h, make_index, NULL, call);
    if (st == SEGUE_OK) atomic_store(&e->has_index, true);
    return st;
}

static sqlite3_stmt *changes_stmt(const seg_sql_handle *h, seg_sql_conn *conn, const segue_since *since)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, since->keys_only ? SEG_SQL_CHANGES_KEYS : SEG_SQL_CHANGES);
    bool after_key = since->key.data != NULL; /* else before the first key of the next CAS */
    int64_t cas = (int64_t)since->cas + !after_key;
    segue_slice key = after_key ? since->key : segue_str("");
    seg_sql_bind_key(stmt, h->rows->keys_are_text, h->collection, key);
    seg_sql_bind_number(stmt, 3, cas);
    return stmt;
}

segue_status seg_sql_slot_changes(void *self, const segue_since *since, segue_page *page, segue_call *call)
{
    const seg_sql_handle *h = self;
    const segue_bounds all = {.keys_only = since->keys_only, .tombstones = true};
    seg_sql_conn *conn;
    segue_status st = seg_sql_take(h->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    row r = {0};
    st = need_index(h, conn, call);
    if (st == SEGUE_OK) {
        r.stmt = changes_stmt(h, conn, since);
        st = read_page(h, conn, &r, &all, page, call);
    }
    row_end(&r);
    seg_sql_give(h->engine, conn);
    return st;
}

/* ---- what has expired ---- */

static sqlite3_stmt *expiring_stmt(const seg_sql_handle *h, seg_sql_conn *conn)
{
    sqlite3_stmt *stmt = seg_sql_stmt(conn, SEG_SQL_EXPIRING);
    seg_sql_bind_number(stmt, 1, h->collection);
    return stmt;
}

/* In order of expiry: the first that is later than `until` ends it. A tombstone with an expiry, which others may have written,
 * has nothing left to expire. */
static segue_status read_expired(const seg_sql_handle *h, seg_sql_conn *conn, row *r, uint64_t until, segue_page *page,
                                 uint32_t *ret_next, segue_call *call)
{
    for (bool full = false;;) {
        segue_slice key;
        int code = sqlite3_step(r->stmt);
        if (code == SQLITE_DONE) return SEGUE_OK;
        if (code != SQLITE_ROW) return seg_sql_failed(conn, call);
        segue_status st = scan_key(h, conn, r->stmt, &key, call);
        if (st == SEGUE_OK) st = h->rows->decode(conn, r->stmt, key, false, &r->rec, call);
        if (st != SEGUE_OK) return st;
        if (r->rec.is_tombstone) continue;
        if (r->rec.expiry > until) {
            *ret_next = r->rec.expiry;
            return SEGUE_OK;
        }
        if (full) {
            page->more = true;
            return SEGUE_OK;
        }
        if (segue_page_add(page, &r->rec, &full) != SEGUE_OK) return no_memory(h, call);
    }
}

segue_status seg_sql_slot_expired(void *self, uint64_t until, segue_page *page, uint32_t *ret_next, segue_call *call)
{
    const seg_sql_handle *h = self;
    seg_sql_conn *conn;
    segue_status st = seg_sql_take(h->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    row r = {.stmt = expiring_stmt(h, conn)};
    st = read_expired(h, conn, &r, until, page, ret_next, call);
    row_end(&r);
    seg_sql_give(h->engine, conn);
    return st;
}

/* ---- put, erase, batches ---- */

/* With the rule off: a tombstone is no record. */
static bool is_tombstone(const seg_sql_handle *h, seg_sql_conn *conn, segue_slice key, segue_call *call)
{
    row r;
    bool is_one = row_find(h, conn, key, &r, call) == SEGUE_OK && r.rec.is_tombstone;
    row_end(&r);
    return is_one;
}

static segue_status put_row(const seg_sql_handle *h, seg_sql_conn *conn, const segue_put *p, seg_sql_stored *stored,
                            uint64_t *ret_cas, segue_call *call)
{
    segue_record rec = p->rec;
    uint64_t cas = 0, revision = 0;
    segue_status st = row_look(h, conn, rec.key, &cas, &revision, call);
    if (st != SEGUE_OK) return st;
    if (!SEG_RULE(TOMBSTONE_IS_RECORD) && is_tombstone(h, conn, rec.key, call)) cas = 0;
    st = seg_put_judge(p, cas);
    if (st != SEGUE_OK) return refused(h, rec.key, st, call);
    if (p->condition == SEGUE_IF_ANY && !p->keep_cas) rec.revision = revision + 1;
    if (p->keep_cas) st = seg_sql_keep_cas(h->engine, rec.cas, call);
    else st = seg_sql_next_cas(h->engine, h->env, cas > p->cas_floor ? cas : p->cas_floor, &rec.cas, call);
    if (st == SEGUE_OK) segue_expand_cas(&rec, p->cas_places, p->n_cas_places, rec.cas);
    if (st == SEGUE_OK) st = row_write(h, conn, &rec, p->keep_cas, stored, call);
    if (st == SEGUE_OK) *ret_cas = rec.cas;
    return st;
}

static segue_status erase_row(const seg_sql_handle *h, seg_sql_conn *conn, segue_slice key, uint64_t cas,
                              segue_call *call)
{
    uint64_t now = 0, revision = 0;
    segue_status st = row_look(h, conn, key, &now, &revision, call);
    if (st != SEGUE_OK) return st;
    st = seg_erase_judge(cas, now);
    return st == SEGUE_OK ? row_erase(h, conn, key, call) : refused(h, key, st, call);
}

typedef struct batch {
    const seg_sql_handle *h;
    segue_write *writes;
    size_t n;
} batch;

/* An outcome that concerns one record alone, and before which nothing of it was written. */
static bool is_of_the_record(segue_status st)
{
    return st == SEGUE_OK || st == SEGUE_NOT_FOUND || st == SEGUE_EXISTS || st == SEGUE_CAS_MISMATCH ||
           st == SEGUE_UNSUPPORTED || st == SEGUE_INVALID_JSON || st == SEGUE_INVALID_ARGUMENT;
}

static segue_status run_batch(seg_sql_conn *conn, void *arg, segue_call *call)
{
    const batch *b = arg;
    seg_sql_stored stored = {.collection = b->h->collection};
    for (size_t i = 0; i < b->n; i++) {
        segue_write *w = &b->writes[i];
        w->status = w->op == SEGUE_WRITE_PUT ? put_row(b->h, conn, &w->put, &stored, &w->cas, call)
                                             : erase_row(b->h, conn, w->put.rec.key, w->put.if_cas, call);
        if (!is_of_the_record(w->status)) return w->status;
    }
    return write_notes(b->h, conn, &stored, call);
}

segue_status seg_sql_slot_write_many(void *self, segue_write *writes, size_t n, segue_call *call)
{
    batch b = {self, writes, n};
    return n ? write(self, run_batch, &b, call) : SEGUE_OK;
}

static segue_status write_one(void *self, segue_write *w, segue_call *call)
{
    segue_status st = seg_sql_slot_write_many(self, w, 1, call);
    return st == SEGUE_OK ? w->status : st;
}

/* With the rule off: the condition is looked at before the transaction, and somebody else may write in between. */
static segue_status look_ahead(const seg_sql_handle *h, segue_put *p, segue_call *call)
{
    uint64_t cas = 0, revision = 0;
    seg_sql_conn *conn;
    segue_status st = seg_sql_take(h->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    st = row_look(h, conn, p->rec.key, &cas, &revision, call);
    seg_sql_give(h->engine, conn);
    if (st == SEGUE_OK) st = seg_put_judge(p, cas);
    p->condition = SEGUE_IF_ANY;
    SEG_SCHED(WRITE, h->engine);
    return st;
}

segue_status seg_sql_slot_put(void *self, const segue_put *p, uint64_t *ret_cas, segue_call *call)
{
    segue_write w = {.op = SEGUE_WRITE_PUT, .put = *p};
    segue_status st = SEG_RULE(LOOK_IN_TRANSACTION) ? SEGUE_OK : look_ahead(self, &w.put, call);
    if (st == SEGUE_OK) st = write_one(self, &w, call);
    if (st == SEGUE_OK) *ret_cas = w.cas;
    return st;
}

segue_status seg_sql_slot_erase(void *self, segue_slice key, uint64_t cas, segue_call *call)
{
    segue_write w = {.op = SEGUE_WRITE_ERASE, .put = {.rec = {.key = key}, .if_cas = cas}};
    return write_one(self, &w, call);
}

/* ---- mutate ---- */

typedef struct mutation {
    const seg_sql_handle *h;
    segue_slice key;
    const segue_mutation *what;
    uint64_t write_id;
    uint64_t floor;
    bool require_record;
    segue_outcome out;
    segue_doc *doc;
    segue_applied applied;
} mutation;

static segue_status store_applied(const mutation *m, seg_sql_conn *conn, segue_call *call)
{
    seg_sql_stored stored = {.collection = m->h->collection};
    segue_status st = row_write(m->h, conn, &m->applied.rec, false, &stored, call);
    return st == SEGUE_OK ? write_notes(m->h, conn, &stored, call) : st;
}

static segue_status apply_to_row(mutation *m, seg_sql_conn *conn, row *r, segue_call *call)
{
    const seg_sql_handle *h = m->h;
    segue_applied *a = &m->applied;
    segue_status st = row_find(h, conn, m->key, r, call);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) return st;
    const segue_record *base = st == SEGUE_OK ? &r->rec : NULL;
    if (!base && m->require_record) return SEGUE_NO_RECORD;
    st = segue_apply(m->key, base, m->what, seg_wall_s(h->env), a, call);
    if (st != SEGUE_OK) return st;
    if (a->write) {
        uint64_t floor = base && base->cas > m->floor ? base->cas : m->floor;
        a->rec.write_id = m->write_id;
        st = seg_sql_next_cas(h->engine, h->env, floor, &a->rec.cas, call);
        if (st == SEGUE_OK) segue_expand_cas(&a->rec, a->cas_places, a->n_cas_places, a->rec.cas);
    }
    if (st == SEGUE_OK && m->doc && (base || a->write) && segue_doc_assign(m->doc, &a->rec) != SEGUE_OK)
        st = no_memory(h, call);
    if (st == SEGUE_OK && a->write) st = store_applied(m, conn, call);
    m->out = (segue_outcome){a->rec.cas, a->rec.revision, a->counter, a->write};
    return st;
}

static segue_status run_mutation(seg_sql_conn *conn, void *arg, segue_call *call)
{
    row r;
    segue_status st = apply_to_row(arg, conn, &r, call);
    row_end(&r);
    return st;
}

segue_status seg_sql_slot_mutate(void *self, segue_slice key, const segue_mutation *what, uint64_t write_id,
                                 uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                                 segue_doc *ret_doc, segue_call *call)
{
    (void)base; /* only a dual store reads something for the loop */
    mutation m = {.h = self,
                  .key = key,
                  .what = what,
                  .write_id = write_id,
                  .floor = cas_floor,
                  .require_record = require_record,
                  .doc = ret_doc};
    segue_status st = write(self, run_mutation, &m, call);
    segue_applied_free(&m.applied);
    if (st == SEGUE_OK) *ret_outcome = m.out;
    return st;
}

/* ---- move ---- */

typedef struct moving {
    const seg_sql_handle *from, *to;
    segue_move *moves;
    size_t n;
} moving;

static segue_status move_row(const moving *m, seg_sql_conn *conn, segue_move *mv, seg_sql_stored *stored,
                             segue_call *call)
{
    uint64_t cas = 0, revision = 0;
    mv->moved = false;
    segue_status st = row_look(m->from, conn, mv->key, &cas, &revision, call);
    if (st != SEGUE_OK) return st;
    st = seg_erase_judge(mv->cas, cas);
    if (st != SEGUE_OK) return st;
    seg_clock_raise(&m->to->engine->clock, cas);
    st = row_copy(m->from, m->to, conn, mv->key, &mv->moved, call);
    if (st == SEGUE_OK && mv->moved) note(stored, cas, true);
    SEG_CRASH_POINT(MOVE_HALF);
    return st == SEGUE_OK && !mv->keep ? row_erase(m->from, conn, mv->key, call) : st;
}

static segue_status run_moves(seg_sql_conn *conn, void *arg, segue_call *call)
{
    const moving *m = arg;
    seg_sql_stored stored = {.collection = m->to->collection};
    for (size_t i = 0; i < m->n; i++) {
        segue_move *mv = &m->moves[i];
        mv->status = move_row(m, conn, mv, &stored, call);
        if (!is_of_the_record(mv->status)) return mv->status;
    }
    return write_notes(m->to, conn, &stored, call);
}

segue_status seg_sql_slot_move(void *self, void *to, segue_move *moves, size_t n, segue_call *call)
{
    moving m = {self, to, moves, n};
    const char *name = m.from->engine->kind->name;
    if (m.from->engine != m.to->engine)
        return segue_fail(call, SEGUE_UNSUPPORTED, "%s: the two collections are in different files", name);
    if (m.from->collection == m.to->collection)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "%s: %s: records cannot be moved to where they are", name,
                          m.from->engine->path);
    return n ? write(m.to->read_only ? m.to : m.from, run_moves, &m, call) : SEGUE_OK;
}

/* ---- the clock, the handle ---- */

typedef struct raise {
    seg_sql_engine *engine;
    uint64_t at_least;
} raise;

static segue_status run_raise(seg_sql_conn *conn, void *arg, segue_call *call)
{
    const raise *r = arg;
    segue_status st = seg_sql_keep_cas(r->engine, r->at_least, call);
    conn->changed = st == SEGUE_OK; /* the clock is noted with every change */
    return st;
}

/* Of what is committed: the engine's own clock is ahead of it while a write is under way. */
segue_status seg_sql_slot_highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    const seg_sql_handle *h = self;
    raise r = {h->engine, at_least};
    seg_sql_conn *conn;
    uint64_t highest = 0;
    segue_status st = seg_sql_take(h->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    st = seg_sql_read_clock(conn, &highest, call);
    seg_sql_give(h->engine, conn);
    uint64_t found = atomic_load(&h->engine->found.highest);
    if (highest < found) highest = found;
    if (st == SEGUE_OK && highest < at_least) {
        st = ensure(h, run_raise, &r, call);
        highest = at_least;
    }
    if (st == SEGUE_OK) *ret_cas = highest;
    return st;
}

void seg_sql_slot_close(void *self) { seg_sql_engine_close(((seg_sql_handle *)self)->engine); }

bool seg_sql_slot_same(const void *self, const void *other)
{
    const seg_sql_handle *a = self, *b = other;
    return a->engine == b->engine && a->collection == b->collection;
}
