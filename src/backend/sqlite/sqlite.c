/* L4: `sqlite:FILE[?collection=SCOPE.COLLECTION][&sync=full|normal|off]`: one file of Segue's own, many collections, many
 * processes. The tables are tables.c, their rows rows.c; slots, file and turns to write are sqlbase. Any thread. */
#include "backend/sqlite/sqlite.h"

#include "backend/sqlite/rows.h"
#include "backend/sqlite/tables.h"
#include "base/base.h"

typedef struct sqlite {
    seg_sql_handle handle; /* first */
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
    static const char *const known[] = {"collection", "sync", "reap", NULL};
    sqlite *s = self;
    const char *name = segue_url_param(args->url, "collection");
    seg_sql_open how = {.kind = &seg_sqlite_kind, .path = segue_url_path(args->url), .flags = args->flags};
    s->handle = (seg_sql_handle){
        .rows = &seg_sqlite_rows, .env = args->env, .read_only = args->flags & SEGUE_OPEN_READ_ONLY};
    segue_status st = segue_url_only(args->url, known, call);
    if (st == SEGUE_OK) st = parse_sync(segue_url_param(args->url, "sync"), &how.sync, call);
    if (st != SEGUE_OK) return st;
    s->durable = how.sync == SEG_SQL_SYNC_FULL;
    if (how.path[0] == '\0') return segue_fail(call, SEGUE_INVALID_URL, "sqlite: the URL names no file: sqlite:FILE");
    st = seg_sql_engine_open(&how, &s->handle.engine, call);
    if (st != SEGUE_OK) return st;
    bool make = !(args->flags & (SEGUE_OPEN_EXISTING | SEGUE_OPEN_READ_ONLY));
    st = seg_sqlite_collection(s->handle.engine, name ? name : "_default._default", make, &s->handle.collection, call);
    if (st != SEGUE_OK) seg_sql_engine_close(s->handle.engine);
    return st;
}

static unsigned caps(const void *self)
{
    return SEGUE_CAP_MUTATE | SEGUE_CAP_CAS_MACROS | SEGUE_CAP_MOVE | SEGUE_CAP_WRITE_MANY | SEGUE_CAP_KEEP_CAS |
           SEGUE_CAP_FLAGS | SEGUE_CAP_WRITE_ID | SEGUE_CAP_SHARED | SEGUE_CAP_CHANGES | SEGUE_CAP_EXPIRED |
           (((const sqlite *)self)->durable ? SEGUE_CAP_DURABLE : 0u);
}

const segue_backend seg_backend_sqlite = {
    .abi = SEGUE_BACKEND_ABI,
    .table_size = sizeof(segue_backend),
    .self_size = sizeof(sqlite),
    .scheme = "sqlite",
    .open = open_sqlite,
    .close = seg_sql_slot_close,
    .caps = caps,
    .get = seg_sql_slot_get,
    .put = seg_sql_slot_put,
    .erase = seg_sql_slot_erase,
    .scan = seg_sql_slot_scan,
    .mutate = seg_sql_slot_mutate,
    .move = seg_sql_slot_move,
    .write_many = seg_sql_slot_write_many,
    .same = seg_sql_slot_same,
    .highest = seg_sql_slot_highest,
    .changes = seg_sql_slot_changes,
    .expired = seg_sql_slot_expired,
};
