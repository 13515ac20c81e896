/* L6: write many records with several threads, so that an engine that commits writers together can do so. */
#ifndef SEG_BULK_H
#define SEG_BULK_H

#include <segue/store.h>

enum { SEG_BULK_DOCS = 256, SEG_BULK_BYTES = 4 * 1024 * 1024 };

/* A batch. Zero-initialise, set to, put_options, threads. One thread uses it. */
typedef struct seg_bulk {
    segue_store *to;
    unsigned put_options; /* SEGUE_PUT_... */
    unsigned threads;     /* 1..64 */
    segue_doc docs[SEG_BULK_DOCS];
    uint64_t numbers[SEG_BULK_DOCS]; /* the caller's: what to call a record */
    size_t n;
    size_t bytes;
    uint64_t written; /* acknowledged, of all batches */
    uint64_t failed;  /* the number of the first record of the batch that failed */
} seg_bulk;

/* The place for the next record, to be filled by the caller and made part of the batch with seg_bulk_added. */
segue_doc *seg_bulk_next(seg_bulk *bulk);
void seg_bulk_added(seg_bulk *bulk, uint64_t number);
bool seg_bulk_full(const seg_bulk *bulk);

/* Write the batch and empty it. Records of one key are written in their order. A failure is that of the first record
 * that failed (bulk->failed); those before it are in, some after it may be. */
segue_status seg_bulk_flush(seg_bulk *bulk, segue_error *reterr);
void seg_bulk_free(seg_bulk *bulk);

#endif
