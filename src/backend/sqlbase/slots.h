/* L4: the slots of a backend over a SQLite file, on rows that the backend describes. A backend's handle is a seg_sql_handle,
 * which its own `open` fills; its table names these functions. Any thread: reads take a connection each, writes take turns. */
#ifndef SEG_SQLBASE_SLOTS_H
#define SEG_SQLBASE_SLOTS_H

#include "backend/sqlbase/engine.h"

/* What one write has stored in one collection. */
typedef struct seg_sql_stored {
    int64_t collection;
    uint64_t highest;     /* CAS, 0 none */
    uint64_t lowest_kept; /* of those that came with their CAS, 0 none */
} seg_sql_stored;

/* A kind's rows. Its statements SEG_SQL_GET .. SEG_SQL_COPY take the collection as ?1 and the key as ?2; COPY also the target's
 * as ?3. LOOK yields CAS and revision. */
typedef struct seg_sql_rows {
    bool keys_are_text; /* else blobs; a row whose key is neither is damaged */
    int key_column;     /* of a scan */
    /* The row that stmt stands on, into *rec: valid until stmt moves on; xattrs in conn's slots. no_body: of a statement
     * that leaves bodies out. CORRUPT, naming the key. */
    segue_status (*decode)(seg_sql_conn *conn, sqlite3_stmt *stmt, segue_slice key, bool no_body, segue_record *rec,
                           segue_call *call);
    /* Store rec, CAS included, in place of what is there. UNSUPPORTED, INVALID_JSON: what such a row cannot hold, and nothing
     * is changed. */
    segue_status (*write)(seg_sql_conn *conn, int64_t collection, const segue_record *rec, segue_call *call);
    /* Optional: the books that go with what was stored; once at the end of each write that stored something. */
    segue_status (*note)(seg_sql_conn *conn, const seg_sql_stored *stored, segue_call *call);
} seg_sql_rows;

typedef struct seg_sql_handle {
    const seg_sql_rows *rows;
    seg_sql_engine *engine;
    int64_t collection;
    const segue_env *env;
    bool read_only;
} seg_sql_handle;

/* ?1 and ?2; the key of a record. */
void seg_sql_bind_key(sqlite3_stmt *stmt, bool as_text, int64_t collection, segue_slice key);
/* NULL is none, and an empty value is not none. */
segue_slice seg_sql_column(sqlite3_stmt *stmt, int column);
/* None becomes NULL. False: it is longer than SQLite takes; see seg_sql_failed. */
bool seg_sql_bind(sqlite3_stmt *stmt, int at, segue_slice bytes);

/* Slots of segue_backend; the same for all. */
segue_status seg_sql_slot_get(void *self, segue_slice key, segue_doc *doc, segue_call *call);
segue_status seg_sql_slot_scan(void *self, const segue_bounds *bounds, segue_page *page, segue_call *call);
segue_status seg_sql_slot_expired(void *self, uint64_t until, segue_page *page, uint32_t *ret_next, segue_call *call);
segue_status seg_sql_slot_put(void *self, const segue_put *put, uint64_t *ret_cas, segue_call *call);
segue_status seg_sql_slot_erase(void *self, segue_slice key, uint64_t cas, segue_call *call);
segue_status seg_sql_slot_write_many(void *self, segue_write *writes, size_t n, segue_call *call);
segue_status seg_sql_slot_mutate(void *self, segue_slice key, const segue_mutation *mutation, uint64_t write_id,
                                 uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                                 segue_doc *ret_doc, segue_call *call);
segue_status seg_sql_slot_move(void *self, void *to, segue_move *moves, size_t n, segue_call *call);
void seg_sql_slot_close(void *self);
segue_status seg_sql_slot_changes(void *self, const segue_since *since, segue_page *page, segue_call *call);
segue_status seg_sql_slot_highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call);
bool seg_sql_slot_same(const void *self, const void *other);

#endif
