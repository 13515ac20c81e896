/* L4: `sqlite:FILE[?collection=SCOPE.COLLECTION][&sync=full|normal|off]`: one file of Segue's own, many collections, many
 * processes. The slots; the tables are tables.c, their rows rows.c, the file and the turns to write it sqlbase. Any thread:
 * reads take a connection each, writes take turns. */
#include "backend/sqlite/sqlite.h"

#include "backend/sqlite/rows.h"
#include "base/base.h"
#include "base/env.h"
#include "doc/doc.h"

typedef struct sqlite {
    seg_sql_engine *engine;
    int64_t collection;
    const segue_env *env;
    bool read_only;
    bool durable;
} sqlite;

/* ---- open and close ---- */

static segue_status parse_sync(const char *text, seg_sql_sync *ret_sync, segue_call *call)
{
    static const char *const names[] = {"off", "normal", "full"}; /* in the order of the enum */
    for (int i = 0; i < 3; i++)
        if (!text || strcmp(text, names[i]) == 0) {
            *ret_sync = text ? (seg_sql_sync)i : SEG_SQL_SYNC_FULL;
            return SEGUE_OK;
        }
    return segue_fail(call, SEGUE_INVALID_URL, "sqlite: sync=%.40s is neither full, normal nor off", text);
}

static segue_status open_sqlite(void *self, const segue_open_args *args, segue_call *call)
{
    static const char *const known[] = {"collection", "sync", NULL};
    sqlite *s = self;
    const char *name = segue_url_param(args->url, "collection");
    seg_sql_open how = {.kind = &seg_sqlite_kind, .path = segue_url_path(args->url), .flags = args->flags};
    s->env = args->env;
    s->read_only = args->flags & SEGUE_OPEN_READ_ONLY;
    segue_status st = segue_url_only(args->url, known, call);
    if (st == SEGUE_OK) st = parse_sync(segue_url_param(args->url, "sync"), &how.sync, call);
    if (st != SEGUE_OK) return st;
    s->durable = how.sync == SEG_SQL_SYNC_FULL;
    if (how.path[0] == '\0') return segue_fail(call, SEGUE_INVALID_URL, "sqlite: the URL names no file: sqlite:FILE");
    st = seg_sql_engine_open(&how, &s->engine, call);
    if (st != SEGUE_OK) return st;
    bool make = !(args->flags & (SEGUE_OPEN_EXISTING | SEGUE_OPEN_READ_ONLY));
    st = seg_sqlite_collection(s->engine, name ? name : "_default._default", make, &s->collection, call);
    if (st != SEGUE_OK) seg_sql_engine_close(s->engine);
    return st;
}

static void close_sqlite(void *self) { seg_sql_engine_close(((sqlite *)self)->engine); }

static unsigned caps(const void *self)
{
    return SEGUE_CAP_MUTATE | SEGUE_CAP_MOVE | SEGUE_CAP_WRITE_MANY | SEGUE_CAP_KEEP_CAS | SEGUE_CAP_FLAGS |
           SEGUE_CAP_WRITE_ID | SEGUE_CAP_SHARED | (((const sqlite *)self)->durable ? SEGUE_CAP_DURABLE : 0u);
}

static bool same(const void *self, const void *other)
{
    const sqlite *a = self, *b = other;
    return a->engine == b->engine && a->collection == b->collection;
}

/* ---- sentences ---- */

static segue_status no_record(const sqlite *s, segue_slice key, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_NOT_FOUND, "sqlite: %s has no record %s", s->engine->path, seg_quote(key, quoted));
}

static segue_status other_cas(const sqlite *s, segue_slice key, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_CAS_MISMATCH, "sqlite: %s: %s has another CAS than expected", s->engine->path,
                      seg_quote(key, quoted));
}

static segue_status no_memory(segue_call *call)
{
    return segue_fail(call, SEGUE_NO_MEMORY, "sqlite: out of memory for a record");
}

static segue_status write(const sqlite *s, seg_sql_job_fn fn, void *job, segue_call *call)
{
    if (s->read_only)
        return segue_fail(call, SEGUE_READ_ONLY, "sqlite: %s was opened for reading only", s->engine->path);
    return seg_sql_write(s->engine, fn, job, call);
}

/* ---- get, scan ---- */

static segue_status get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    sqlite *s = self;
    seg_sql_conn *conn;
    seg_sqlite_row row;
    segue_status st = seg_sql_take(s->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    st = seg_sqlite_row_find(conn, s->collection, key, &row, call);
    if (st == SEGUE_OK && segue_doc_assign(doc, &row.rec) != SEGUE_OK) st = no_memory(call);
    seg_sqlite_row_end(&row);
    seg_sql_give(s->engine, conn);
    return st == SEGUE_NOT_FOUND ? no_record(s, key, call) : st;
}

static bool is_beyond(segue_slice key, const segue_bounds *b)
{
    if (!b->to.data) return false;
    int c = segue_slice_compare(key, b->to);
    return b->to_open ? c >= 0 : c > 0;
}

static sqlite3_stmt *scan_stmt(seg_sql_conn *conn, const sqlite *s, const segue_bounds *b)
{
    bool after = b->from.data && b->from_open;
    seg_sqlite_sql which = b->keys_only ? (after ? SEG_SQLITE_SCAN_KEYS_AFTER : SEG_SQLITE_SCAN_KEYS)
                                        : (after ? SEG_SQLITE_SCAN_AFTER : SEG_SQLITE_SCAN);
    sqlite3_stmt *stmt = seg_sql_stmt(conn, which);
    segue_slice from = b->from.data ? b->from : segue_bytes("", 0);
    if (!stmt || sqlite3_bind_int64(stmt, 1, s->collection) != SQLITE_OK ||
        sqlite3_bind_blob(stmt, 2, from.data, (int)from.size, SQLITE_STATIC) != SQLITE_OK)
        return NULL;
    return stmt;
}

/* One statement reads the page, so it is one moment of the collection. */
static segue_status read_page(const seg_sql_conn *conn, const segue_bounds *b, seg_sqlite_row *row, segue_page *page,
                              segue_call *call)
{
    enum { COL_KEY = 8 };
    bool full = false;
    for (;;) {
        int code = sqlite3_step(row->stmt);
        if (code == SQLITE_DONE) return SEGUE_OK;
        if (code != SQLITE_ROW) return seg_sql_failed(conn, call);
        segue_slice key = segue_bytes(sqlite3_column_blob(row->stmt, COL_KEY),
                                      (size_t)sqlite3_column_bytes(row->stmt, COL_KEY));
        if (is_beyond(key, b)) return SEGUE_OK;
        if (full) {
            page->more = true;
            return SEGUE_OK;
        }
        segue_status st = seg_sqlite_row_decode(conn, key, b->keys_only, row, call);
        if (st == SEGUE_OK) st = seg_key_check(key, call) == SEGUE_OK ? SEGUE_OK : SEGUE_CORRUPT;
        if (st != SEGUE_OK) return st;
        if (row->rec.is_tombstone && !b->tombstones) continue;
        if (segue_page_add(page, &row->rec, &full) != SEGUE_OK) return no_memory(call);
    }
}

static segue_status scan(void *self, const segue_bounds *b, segue_page *page, segue_call *call)
{
    sqlite *s = self;
    seg_sql_conn *conn;
    segue_status st = seg_sql_take(s->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    seg_sqlite_row row;
    row.stmt = scan_stmt(conn, s, b);
    st = row.stmt ? read_page(conn, b, &row, page, call) : seg_sql_failed(conn, call);
    seg_sqlite_row_end(&row);
    seg_sql_give(s->engine, conn);
    return st;
}

/* ---- put, erase, batches ---- */

static segue_status put_row(const sqlite *s, seg_sql_conn *conn, const segue_put *p, uint64_t *ret_cas,
                            segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    segue_record rec = p->rec;
    uint64_t cas = 0, revision = 0;
    segue_status st = seg_sqlite_row_look(conn, s->collection, rec.key, &cas, &revision, call);
    if (st != SEGUE_OK) return st;
    if (p->condition == SEGUE_IF_ABSENT && cas)
        return segue_fail(call, SEGUE_EXISTS, "sqlite: %s has a record %s already", s->engine->path,
                          seg_quote(rec.key, quoted));
    if (p->condition == SEGUE_IF_CAS && !cas) return no_record(s, rec.key, call);
    if (p->condition == SEGUE_IF_CAS && cas != p->if_cas) return other_cas(s, rec.key, call);
    if (p->condition == SEGUE_IF_ANY && !p->keep_cas) rec.revision = revision + 1;
    if (p->keep_cas) st = seg_sql_keep_cas(s->engine, rec.cas, call);
    else st = seg_sql_next_cas(s->engine, s->env, cas > p->cas_floor ? cas : p->cas_floor, &rec.cas, call);
    if (st == SEGUE_OK) st = seg_sqlite_row_write(conn, s->collection, &rec, call);
    if (st == SEGUE_OK) *ret_cas = rec.cas;
    return st;
}

static segue_status erase_row(const sqlite *s, seg_sql_conn *conn, segue_slice key, uint64_t cas, segue_call *call)
{
    uint64_t now = 0, revision = 0;
    segue_status st = seg_sqlite_row_look(conn, s->collection, key, &now, &revision, call);
    if (st != SEGUE_OK) return st;
    if (!now) return no_record(s, key, call);
    return now == cas ? seg_sqlite_row_erase(conn, s->collection, key, call) : other_cas(s, key, call);
}

typedef struct batch {
    const sqlite *s;
    segue_write *writes;
    size_t n;
} batch;

/* An outcome that concerns one record alone, and before which nothing of it was written. */
static bool is_of_the_record(segue_status st)
{
    return st == SEGUE_OK || st == SEGUE_NOT_FOUND || st == SEGUE_EXISTS || st == SEGUE_CAS_MISMATCH ||
           st == SEGUE_INVALID_ARGUMENT;
}

static segue_status run_batch(seg_sql_conn *conn, void *arg, segue_call *call)
{
    batch *b = arg;
    for (size_t i = 0; i < b->n; i++) {
        segue_write *w = &b->writes[i];
        w->status = w->op == SEGUE_WRITE_PUT ? put_row(b->s, conn, &w->put, &w->cas, call)
                                             : erase_row(b->s, conn, w->put.rec.key, w->put.if_cas, call);
        if (!is_of_the_record(w->status)) return w->status;
    }
    return SEGUE_OK;
}

static segue_status write_many(void *self, segue_write *writes, size_t n, segue_call *call)
{
    batch b = {self, writes, n};
    return n ? write(self, run_batch, &b, call) : SEGUE_OK;
}

static segue_status write_one(sqlite *s, segue_write *w, segue_call *call)
{
    segue_status st = write_many(s, w, 1, call);
    return st == SEGUE_OK ? w->status : st;
}

static segue_status put(void *self, const segue_put *p, uint64_t *ret_cas, segue_call *call)
{
    segue_write w = {.op = SEGUE_WRITE_PUT, .put = *p};
    segue_status st = write_one(self, &w, call);
    if (st == SEGUE_OK) *ret_cas = w.cas;
    return st;
}

static segue_status erase(void *self, segue_slice key, uint64_t cas, segue_call *call)
{
    segue_write w = {.op = SEGUE_WRITE_ERASE, .put = {.rec = {.key = key}, .if_cas = cas}};
    return write_one(self, &w, call);
}

/* ---- mutate ---- */

typedef struct mutation {
    const sqlite *s;
    segue_slice key;
    const segue_mutation *what;
    uint64_t write_id;
    uint64_t floor;
    bool require_record;
    segue_outcome out;
    segue_doc *doc;
    segue_applied applied;
} mutation;

static segue_status apply_to_row(mutation *m, seg_sql_conn *conn, seg_sqlite_row *row, segue_call *call)
{
    const sqlite *s = m->s;
    segue_applied *a = &m->applied;
    segue_status st = seg_sqlite_row_find(conn, s->collection, m->key, row, call);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) return st;
    const segue_record *base = st == SEGUE_OK ? &row->rec : NULL;
    if (!base && m->require_record) return SEGUE_NO_RECORD;
    st = segue_apply(m->key, base, m->what, seg_wall_s(s->env), a, call);
    if (st != SEGUE_OK) return st;
    if (a->write) {
        uint64_t floor = base && base->cas > m->floor ? base->cas : m->floor;
        a->rec.write_id = m->write_id;
        st = seg_sql_next_cas(s->engine, s->env, floor, &a->rec.cas, call);
    }
    if (st == SEGUE_OK && m->doc && (base || a->write) && segue_doc_assign(m->doc, &a->rec) != SEGUE_OK)
        st = no_memory(call);
    if (st == SEGUE_OK && a->write) st = seg_sqlite_row_write(conn, s->collection, &a->rec, call);
    m->out = (segue_outcome){a->rec.cas, a->rec.revision, a->counter, a->write};
    return st;
}

static segue_status run_mutation(seg_sql_conn *conn, void *arg, segue_call *call)
{
    seg_sqlite_row row;
    segue_status st = apply_to_row(arg, conn, &row, call);
    seg_sqlite_row_end(&row);
    return st;
}

static segue_status mutate(void *self, segue_slice key, const segue_mutation *what, uint64_t write_id,
                           uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                           segue_doc *ret_doc, segue_call *call)
{
    (void)base; /* only a dual store reads something for the loop */
    mutation m = {.s = self,
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
    const sqlite *from, *to;
    segue_move *moves;
    size_t n;
} moving;

static segue_status move_row(const moving *m, seg_sql_conn *conn, segue_move *mv, seg_sqlite_row *row, segue_call *call)
{
    mv->moved = false;
    segue_status st = seg_sqlite_row_find(conn, m->from->collection, mv->key, row, call);
    if (st != SEGUE_OK) return st;
    if (row->rec.cas != mv->cas) return SEGUE_CAS_MISMATCH;
    st = seg_sqlite_row_copy(conn, m->to->collection, row, &mv->moved, call);
    seg_sqlite_row_end(row);
    return st == SEGUE_OK && !mv->keep ? seg_sqlite_row_erase(conn, m->from->collection, mv->key, call) : st;
}

static segue_status run_moves(seg_sql_conn *conn, void *arg, segue_call *call)
{
    moving *m = arg;
    for (size_t i = 0; i < m->n; i++) {
        segue_move *mv = &m->moves[i];
        seg_sqlite_row row;
        mv->status = move_row(m, conn, mv, &row, call);
        seg_sqlite_row_end(&row);
        if (!is_of_the_record(mv->status)) return mv->status;
    }
    return SEGUE_OK;
}

static segue_status move(void *self, void *to, segue_move *moves, size_t n, segue_call *call)
{
    moving m = {self, to, moves, n};
    if (m.from->engine != m.to->engine)
        return segue_fail(call, SEGUE_UNSUPPORTED, "sqlite: the two collections are in different files");
    if (m.from->collection == m.to->collection)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "sqlite: %s: records cannot be moved to where they are",
                          m.from->engine->path);
    return n ? write(m.to->read_only ? m.to : m.from, run_moves, &m, call) : SEGUE_OK;
}

const segue_backend seg_backend_sqlite = {
    .abi = SEGUE_BACKEND_ABI,
    .table_size = sizeof(segue_backend),
    .self_size = sizeof(sqlite),
    .scheme = "sqlite",
    .open = open_sqlite,
    .close = close_sqlite,
    .caps = caps,
    .get = get,
    .put = put,
    .erase = erase,
    .scan = scan,
    .mutate = mutate,
    .move = move,
    .write_many = write_many,
    .same = same,
};
