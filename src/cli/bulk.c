/* L6: writing in batches; see bulk.h. Threads live for one batch and share nothing but the batch. */
#include "cli/bulk.h"
#include "base/base.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS_MAX = 64, LARGE = 256 * 1024 };

typedef struct share {
    seg_bulk *bulk;
    unsigned number;
    atomic_size_t *first_failed; /* of all shares: an index, or n */
    size_t failed;               /* of this share */
    uint64_t written;
    segue_error err;
} share;

segue_doc *seg_bulk_next(seg_bulk *bulk)
{
    seg_assert(bulk->n < SEG_BULK_DOCS);
    return &bulk->docs[bulk->n];
}

void seg_bulk_added(seg_bulk *bulk, uint64_t number)
{
    const segue_doc *doc = &bulk->docs[bulk->n];
    bulk->numbers[bulk->n++] = number;
    bulk->bytes += doc->bytes.size;
}

bool seg_bulk_full(const seg_bulk *bulk) { return bulk->n == SEG_BULK_DOCS || bulk->bytes >= SEG_BULK_BYTES; }

static unsigned hash(segue_slice key)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < key.size; i++) h = (h ^ (unsigned char)key.data[i]) * 16777619u;
    return h ^ h >> 15;
}

static void failed_at(share *s, size_t index)
{
    size_t first = atomic_load(s->first_failed);
    s->failed = index;
    while (index < first && !atomic_compare_exchange_weak(s->first_failed, &first, index)) {
    }
}

/* The records of the batch whose keys fall to this share. */
static void *write_share(void *arg)
{
    share *s = arg;
    seg_bulk *b = s->bulk;
    for (size_t i = 0; i < b->n && i < atomic_load(s->first_failed); i++) {
        const segue_record *rec = &b->docs[i].rec;
        if (hash(rec->key) % b->threads != s->number) continue;
        if (segue_put_record(b->to, rec, b->put_options, NULL, NULL, &s->err) == SEGUE_OK) {
            s->written++;
            continue;
        }
        failed_at(s, i);
        break;
    }
    return NULL;
}

segue_status seg_bulk_flush(seg_bulk *b, segue_error *reterr)
{
    share shares[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    bool started[THREADS_MAX];
    atomic_size_t first_failed;
    segue_status st = SEGUE_OK;
    seg_assert(b->threads >= 1 && b->threads <= THREADS_MAX);
    atomic_init(&first_failed, b->n);
    for (unsigned t = 0; t < b->threads; t++) {
        shares[t] = (share){.bulk = b, .number = t, .first_failed = &first_failed, .failed = b->n};
        started[t] = t > 0 && pthread_create(&threads[t], NULL, write_share, &shares[t]) == 0;
    }
    for (unsigned t = 0; t < b->threads; t++)
        if (!started[t]) (void)write_share(&shares[t]); /* returns nothing */
    for (unsigned t = 0; t < b->threads; t++) {
        if (started[t]) (void)pthread_join(threads[t], NULL); /* it was started and is joined once */
        b->written += shares[t].written;
        if (shares[t].failed == b->n || shares[t].failed != atomic_load(&first_failed)) continue;
        st = shares[t].err.status;
        b->failed = b->numbers[shares[t].failed];
        if (reterr) *reterr = shares[t].err;
    }
    for (size_t i = 0; i < b->n; i++) /* large ones fall on any place: they must not add up */
        if (b->docs[i].bytes.capacity > LARGE) segue_doc_free(&b->docs[i]);
    b->n = 0;
    b->bytes = 0;
    return st;
}

void seg_bulk_free(seg_bulk *b)
{
    for (size_t i = 0; i < SEG_BULK_DOCS; i++) segue_doc_free(&b->docs[i]);
}
