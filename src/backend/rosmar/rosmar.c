/* L4: `rosmar:DIRECTORY[?collection=SCOPE.COLLECTION]`: a bucket of Sync Gateway's embedded store, read and written in
 * place, in the form that the original reads and goes on writing. The bucket is tables.c, its rows rows.c; slots, file and
 * turns to write are sqlbase. Any thread. */
#include "backend/rosmar/rosmar.h"

#include "backend/rosmar/rows.h"
#include "backend/rosmar/tables.h"

/* ---- open and close ---- */

static segue_status open_rosmar(void *self, const segue_open_args *args, segue_call *call)
{
    static const char *const known[] = {"collection", "reap", NULL};
    seg_sql_handle *h = self;
    const char *name = segue_url_param(args->url, "collection");
    *h = (seg_sql_handle){.rows = &seg_rosmar_rows, .env = args->env, .read_only = args->flags & SEGUE_OPEN_READ_ONLY};
    segue_status st = segue_url_only(args->url, known, call);
    if (st != SEGUE_OK) return st;
    if (segue_url_path(args->url)[0] == '\0')
        return segue_fail(call, SEGUE_INVALID_URL, "rosmar: the URL names no directory: rosmar:DIRECTORY");
    st = seg_rosmar_open(segue_url_path(args->url), args->flags, &h->engine, call);
    if (st != SEGUE_OK) return st;
    bool make = !(args->flags & (SEGUE_OPEN_EXISTING | SEGUE_OPEN_READ_ONLY));
    st = seg_rosmar_collection(h->engine, name ? name : "_default._default", make, &h->collection, call);
    if (st != SEGUE_OK) seg_sql_engine_close(h->engine);
    return st;
}

static unsigned caps(const void *self)
{
    (void)self; /* the same for each */
    return SEGUE_CAP_MUTATE | SEGUE_CAP_CAS_MACROS | SEGUE_CAP_MOVE | SEGUE_CAP_WRITE_MANY | SEGUE_CAP_KEEP_CAS |
           SEGUE_CAP_DURABLE | SEGUE_CAP_SHARED | SEGUE_CAP_CHANGES | SEGUE_CAP_EXPIRED;
}

const segue_backend seg_backend_rosmar = {
    .abi = SEGUE_BACKEND_ABI,
    .table_size = sizeof(segue_backend),
    .self_size = sizeof(seg_sql_handle),
    .scheme = "rosmar",
    .open = open_rosmar,
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
