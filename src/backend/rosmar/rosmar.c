/* L4: `rosmar:DIRECTORY[?collection=SCOPE.COLLECTION]`: a bucket of Sync Gateway's embedded store, read and written in
 * place, in the form that the original reads and goes on writing. The slots; the bucket is tables.c, its rows rows.c, the
 * file and the turns to write it sqlbase. Any thread: reads take a connection each, writes take turns. */
#include "backend/rosmar/rosmar.h"

#include "backend/rosmar/tables.h"
#include "backend/rosmar/rows.h"
#include "base/base.h"
#include "base/env.h"
#include "doc/doc.h"

typedef struct rosmar {
    seg_sql_engine *engine;
    int64_t collection;
    const segue_env *env;
    bool read_only;
} rosmar;

/* ---- open and close ---- */

static segue_status open_rosmar(void *self, const segue_open_args *args, segue_call *call)
{
    static const char *const known[] = {"collection", NULL};
    rosmar *r = self;
    const char *name = segue_url_param(args->url, "collection");
    r->env = args->env;
    r->read_only = args->flags & SEGUE_OPEN_READ_ONLY;
    segue_status st = segue_url_only(args->url, known, call);
    if (st != SEGUE_OK) return st;
    if (segue_url_path(args->url)[0] == '\0')
        return segue_fail(call, SEGUE_INVALID_URL, "rosmar: the URL names no directory: rosmar:DIRECTORY");
    st = seg_rosmar_open(segue_url_path(args->url), args->flags, &r->engine, call);
    if (st != SEGUE_OK) return st;
    bool make = !(args->flags & (SEGUE_OPEN_EXISTING | SEGUE_OPEN_READ_ONLY));
    st = seg_rosmar_collection(r->engine, name ? name : "_default._default", make, &r->collection, call);
    if (st != SEGUE_OK) seg_sql_engine_close(r->engine);
    return st;
}

static void close_rosmar(void *self) { seg_sql_engine_close(((rosmar *)self)->engine); }

static unsigned caps(const void *self)
{
    (void)self; /* the same for each */
    return SEGUE_CAP_MUTATE | SEGUE_CAP_MOVE | SEGUE_CAP_WRITE_MANY | SEGUE_CAP_KEEP_CAS | SEGUE_CAP_DURABLE |
           SEGUE_CAP_SHARED;
}

static bool same(const void *self, const void *other)
{
    const rosmar *a = self, *b = other;
    return a->engine == b->engine && a->collection == b->collection;
}

/* ---- sentences ---- */

static segue_status no_record(segue_slice key, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_NOT_FOUND, "rosmar: there is no record %s", seg_quote(key, quoted));
}

static segue_status other_cas(segue_slice key, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_CAS_MISMATCH, "rosmar: %s has another CAS than expected", seg_quote(key, quoted));
}

static segue_status write(rosmar *r, seg_sql_job_fn fn, void *job, segue_call *call)
{
    if (r->read_only)
        return segue_fail(call, SEGUE_READ_ONLY, "rosmar: %s was opened for reading only", r->engine->path);
    return seg_sql_write(r->engine, fn, job, call);
}

/* ---- get, scan ---- */

static segue_status get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    rosmar *r = self;
    seg_sql_conn *conn = NULL;
    segue_status st = seg_sql_take(r->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    seg_rosmar_row row = {0};
    st = seg_rosmar_row_find(conn, r->collection, key, &row, call);
    if (st == SEGUE_OK && segue_doc_assign(doc, &row.rec) != SEGUE_OK)
        st = segue_fail(call, SEGUE_NO_MEMORY, "rosmar: out of memory for a record");
    seg_rosmar_row_free(&row);
    seg_sql_give(r->engine, conn);
    return st == SEGUE_NOT_FOUND ? no_record(key, call) : st;
}

static bool is_beyond(segue_slice key, const segue_bounds *b)
{
    if (!b->to.data) return false;
    int c = segue_slice_compare(key, b->to);
    return b->to_open ? c >= 0 : c > 0;
}

static sqlite3_stmt *scan_stmt(seg_sql_conn *conn, const rosmar *r, const segue_bounds *b)
{
    seg_rosmar_sql which = b->keys_only ? SEG_ROSMAR_SCAN_KEYS : SEG_ROSMAR_SCAN;
    if (b->from.data && b->from_open) which = b->keys_only ? SEG_ROSMAR_SCAN_KEYS_AFTER : SEG_ROSMAR_SCAN_AFTER;
    sqlite3_stmt *stmt = seg_sql_stmt(conn, which);
    const char *from = b->from.data ? b->from.data : "";
    if (!stmt || sqlite3_bind_int64(stmt, 1, r->collection) != SQLITE_OK ||
        sqlite3_bind_text(stmt, 2, from, (int)b->from.size, SQLITE_STATIC) != SQLITE_OK)
        return NULL;
    return stmt;
}

/* One statement reads the page, so it is one moment of the bucket. */
static segue_status read_page(seg_sql_conn *conn, sqlite3_stmt *stmt, const segue_bounds *b, seg_rosmar_row *row,
                              segue_page *page, segue_call *call)
{
    bool full = false;
    for (;;) {
        int code = sqlite3_step(stmt);
        if (code == SQLITE_DONE) return SEGUE_OK;
        if (code != SQLITE_ROW) return seg_sql_failed(conn, call);
        if (sqlite3_column_type(stmt, 6) != SQLITE_TEXT) /* it would stand outside of the order of keys */
            return segue_fail(call, SEGUE_CORRUPT, "rosmar: %s holds a row whose key is no text", conn->path);
        const void *key_data = sqlite3_column_text(stmt, 6);
        if (!key_data) return seg_sql_failed(conn, call);
        segue_slice key = segue_bytes(key_data, (size_t)sqlite3_column_bytes(stmt, 6));
        if (is_beyond(key, b)) return SEGUE_OK;
        if (full) {
            page->more = true;
            return SEGUE_OK;
        }
        segue_status st = seg_rosmar_row_read(conn, stmt, key, b->keys_only, row, call);
        if (st != SEGUE_OK) return st;
        if (row->rec.is_tombstone && !b->tombstones) continue;
        if (segue_page_add(page, &row->rec, &full) != SEGUE_OK)
            return segue_fail(call, SEGUE_NO_MEMORY, "rosmar: out of memory for a page of records");
    }
}

static segue_status scan(void *self, const segue_bounds *b, segue_page *page, segue_call *call)
{
    rosmar *r = self;
    seg_sql_conn *conn = NULL;
    segue_status st = seg_sql_take(r->engine, &conn, call);
    if (st != SEGUE_OK) return st;
    seg_rosmar_row row = {.stmt = scan_stmt(conn, r, b)};
    st = row.stmt ? read_page(conn, row.stmt, b, &row, page, call) : seg_sql_failed(conn, call);
    seg_rosmar_row_free(&row);
    seg_sql_give(r->engine, conn);
    return st;
}

/* ---- put, erase, batches ---- */

static segue_status put_row(rosmar *r, seg_sql_conn *conn, const segue_put *p, seg_rosmar_notes *notes,
                            uint64_t *ret_cas, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    segue_record rec = p->rec;
    uint64_t cas = 0, revision = 0;
    segue_status st = seg_rosmar_row_look(conn, r->collection, rec.key, &cas, &revision, call);
    if (st != SEGUE_OK) return st;
    if (p->condition == SEGUE_IF_ABSENT && cas)
        return segue_fail(call, SEGUE_EXISTS, "rosmar: there is a record %s already", seg_quote(rec.key, quoted));
    if (p->condition == SEGUE_IF_CAS && !cas) return no_record(rec.key, call);
    if (p->condition == SEGUE_IF_CAS && cas != p->if_cas) return other_cas(rec.key, call);
    if (p->condition == SEGUE_IF_ANY && !p->keep_cas) rec.revision = revision + 1;
    uint64_t floor = cas > p->cas_floor ? cas : p->cas_floor;
    if (p->keep_cas) st = seg_sql_keep_cas(r->engine, rec.cas, call);
    else st = seg_sql_next_cas(r->engine, r->env, floor, &rec.cas, call);
    if (st == SEGUE_OK) st = seg_rosmar_row_write(conn, &rec, p->keep_cas, notes, call);
    if (st == SEGUE_OK) *ret_cas = rec.cas;
    return st;
}

static segue_status erase_row(rosmar *r, seg_sql_conn *conn, segue_slice key, uint64_t cas, segue_call *call)
{
    uint64_t now = 0, revision = 0;
    segue_status st = seg_rosmar_row_look(conn, r->collection, key, &now, &revision, call);
    if (st != SEGUE_OK) return st;
    if (!now) return no_record(key, call);
    return now == cas ? seg_rosmar_row_erase(conn, r->collection, key, call) : other_cas(key, call);
}

typedef struct batch {
    rosmar *r;
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
    batch *b = arg;
    seg_rosmar_notes notes = {.collection = b->r->collection};
    segue_status st = SEGUE_OK;
    for (size_t i = 0; i < b->n && st == SEGUE_OK; i++) {
        segue_write *w = &b->writes[i];
        w->status = w->op == SEGUE_WRITE_PUT ? put_row(b->r, conn, &w->put, &notes, &w->cas, call)
                                             : erase_row(b->r, conn, w->put.rec.key, w->put.if_cas, call);
        if (!is_of_the_record(w->status)) st = w->status;
    }
    return st == SEGUE_OK ? seg_rosmar_write_notes(conn, &notes, call) : st;
}

static segue_status write_many(void *self, segue_write *writes, size_t n, segue_call *call)
{
    batch b = {self, writes, n};
    return n ? write(self, run_batch, &b, call) : SEGUE_OK;
}

static segue_status write_one(rosmar *r, segue_write *w, segue_call *call)
{
    segue_status st = write_many(r, w, 1, call);
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
    rosmar *r;
    segue_slice key;
    const segue_mutation *what;
    uint64_t floor;
    bool require_record;
    segue_outcome out;
    segue_doc *doc;
    segue_applied applied;
} mutation;

static segue_status apply_to_row(mutation *m, seg_sql_conn *conn, seg_rosmar_row *row, segue_call *call)
{
    rosmar *r = m->r;
    segue_applied *a = &m->applied;
    segue_status st = seg_rosmar_row_find(conn, r->collection, m->key, row, call);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) return st;
    bool there = st == SEGUE_OK;
    if (!there && m->require_record) return SEGUE_NO_RECORD;
    st = segue_apply(m->key, there ? &row->rec : NULL, m->what, seg_wall_s(r->env), a, call);
    if (st != SEGUE_OK) return st;
    if (a->write) {
        seg_rosmar_notes notes = {.collection = r->collection};
        uint64_t floor = there && row->rec.cas > m->floor ? row->rec.cas : m->floor;
        st = seg_sql_next_cas(r->engine, r->env, floor, &a->rec.cas, call);
        if (st == SEGUE_OK) st = seg_rosmar_row_write(conn, &a->rec, false, &notes, call);
        if (st == SEGUE_OK) st = seg_rosmar_write_notes(conn, &notes, call);
    }
    if (st == SEGUE_OK && m->doc && (there || a->write) && segue_doc_assign(m->doc, &a->rec) != SEGUE_OK)
        st = segue_fail(call, SEGUE_NO_MEMORY, "rosmar: out of memory for a record");
    m->out = (segue_outcome){a->rec.cas, a->rec.revision, a->counter, a->write};
    return st;
}

static segue_status run_mutation(seg_sql_conn *conn, void *arg, segue_call *call)
{
    seg_rosmar_row row = {0};
    segue_status st = apply_to_row(arg, conn, &row, call);
    seg_rosmar_row_free(&row);
    return st;
}

static segue_status mutate(void *self, segue_slice key, const segue_mutation *what, uint64_t write_id,
                           uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                           segue_doc *ret_doc, segue_call *call)
{
    (void)write_id; /* a bucket has no place for it */
    (void)base;     /* only a dual store reads something for the loop */
    mutation m = {
        .r = self, .key = key, .what = what, .floor = cas_floor, .require_record = require_record, .doc = ret_doc};
    segue_status st = write(self, run_mutation, &m, call);
    segue_applied_free(&m.applied);
    if (st == SEGUE_OK) *ret_outcome = m.out;
    return st;
}

/* ---- move ---- */

typedef struct moving {
    rosmar *from, *to;
    segue_move *moves;
    size_t n;
} moving;

static segue_status move_row(moving *m, seg_sql_conn *conn, segue_move *mv, seg_rosmar_notes *notes, segue_call *call)
{
    uint64_t cas = 0, revision = 0;
    mv->moved = false;
    segue_status st = seg_rosmar_row_look(conn, m->from->collection, mv->key, &cas, &revision, call);
    if (st != SEGUE_OK) return st;
    if (!cas) return SEGUE_NOT_FOUND;
    if (cas != mv->cas) return SEGUE_CAS_MISMATCH;
    seg_clock_raise(&m->to->engine->clock, cas);
    st = seg_rosmar_row_copy(conn, m->from->collection, mv->key, cas, notes, &mv->moved, call);
    return st == SEGUE_OK && !mv->keep ? seg_rosmar_row_erase(conn, m->from->collection, mv->key, call) : st;
}

static segue_status run_moves(seg_sql_conn *conn, void *arg, segue_call *call)
{
    moving *m = arg;
    seg_rosmar_notes notes = {.collection = m->to->collection};
    for (size_t i = 0; i < m->n; i++) {
        segue_move *mv = &m->moves[i];
        mv->status = move_row(m, conn, mv, &notes, call);
        if (!is_of_the_record(mv->status)) return mv->status;
    }
    return seg_rosmar_write_notes(conn, &notes, call);
}

static segue_status move(void *self, void *to, segue_move *moves, size_t n, segue_call *call)
{
    moving m = {self, to, moves, n};
    if (m.from->engine != m.to->engine)
        return segue_fail(call, SEGUE_UNSUPPORTED, "rosmar: the two collections are in different buckets");
    if (m.from->collection == m.to->collection)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "rosmar: %s: records cannot be moved to where they are",
                          m.from->engine->path);
    return n ? write(m.to->read_only ? to : self, run_moves, &m, call) : SEGUE_OK;
}

const segue_backend seg_backend_rosmar = {
    .abi = SEGUE_BACKEND_ABI,
    .table_size = sizeof(segue_backend),
    .self_size = sizeof(rosmar),
    .scheme = "rosmar",
    .open = open_rosmar,
    .close = close_rosmar,
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
