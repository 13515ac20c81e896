/* L6: the synthetic clients of a rehearsal: threads that read and write a store as services do, and hold every answer
 * against the ledger. */
#ifndef SEG_CLIENTS_H
#define SEG_CLIENTS_H

#include "cli/ledger.h"
#include <segue/env.h>

enum { SEG_CLIENTS_MAX = 256 };

typedef enum seg_do {
    SEG_DO_GET,
    SEG_DO_UPDATE, /* read-modify-write */
    SEG_DO_SET,
    SEG_DO_ADD,
    SEG_DO_DELETE,
    SEG_DO_TOUCH,
    SEG_DO_INCR, /* of a key of its own, which may hold no number */
    SEG_DO_CAS,  /* a write under a CAS, a right or a wrong one */
    SEG_DO_XATTR,
    SEG_DO_COUNT,  /* of a counter that all add to */
    SEG_DO_SHARED, /* read-modify-write of a document that all write */
    SEG_N_DOS
} seg_do;
const char *seg_do_name(seg_do op);

/* The time is divided by the caller: before, during, after. */
enum { SEG_PERIODS = 3 };

/* Times, counted in buckets of 6 % width. */
enum { SEG_LATENCY_BUCKETS = 64 * 16 };
typedef struct seg_latency {
    uint64_t n, max_ns;
    uint32_t buckets[SEG_LATENCY_BUCKETS];
} seg_latency;
void seg_latency_note(seg_latency *latency, int64_t ns);
void seg_latency_add(seg_latency *sum, const seg_latency *more);
/* fraction 0.5, 0.99 ... */
int64_t seg_latency_at(const seg_latency *latency, double fraction);

typedef struct seg_client_counts {
    uint64_t acknowledged[SEG_N_DOS]; /* calls that did what they were to do, "no such document" included */
    uint64_t retryable, unknown;      /* calls that failed with nothing applied; with an unknown outcome */
    seg_latency reads[SEG_PERIODS], writes[SEG_PERIODS];
} seg_client_counts;

typedef struct seg_clients seg_clients;

/* Start n clients. Client i touches the ledger's owned entries of owner i, and all that are not owned. INVALID_ARGUMENT,
 * NO_MEMORY. */
segue_status seg_clients_start(segue_store *store, seg_ledger *ledger, unsigned n, uint64_t seed,
                               seg_clients **ret_clients, segue_error *reterr);
/* From now on times count for this period, 0 at first. */
void seg_clients_period(seg_clients *clients, unsigned period);
/* How many operations have ended up to now. */
uint64_t seg_clients_operations(const seg_clients *clients);
/* Stop, wait for all, add up (ret_counts may be NULL), free. NULL is legal. */
void seg_clients_stop(seg_clients *clients, seg_client_counts *ret_counts);

#endif
