/* L3: filters that tests drive from code. `stats` and `trace` are opened by URL; `fault` exists in the testing library
 * only. */
#ifndef SEG_FILTERS_H
#define SEG_FILTERS_H

#include "store/call.h"

#ifdef SEG_TESTING

typedef enum seg_fault_op {
    SEG_FAULT_GET = 1 << 0,
    SEG_FAULT_PUT = 1 << 1,
    SEG_FAULT_ERASE = 1 << 2,
    SEG_FAULT_SCAN = 1 << 3,
    SEG_FAULT_MUTATE = 1 << 4,
    SEG_FAULT_MOVE = 1 << 5,
    SEG_FAULT_WRITE_MANY = 1 << 6,
    SEG_FAULT_ANY = (1 << 7) - 1
} seg_fault_op;

/* What a fault store does. Zeroed: it passes everything through. */
typedef struct seg_fault_plan {
    unsigned ops;          /* which calls count (seg_fault_op); 0 all */
    unsigned nth;          /* the how-manieth of them fails, from 1; 0 none */
    bool persistent;       /* and every later one too */
    bool after;            /* false: fails before it is applied; true: it is applied, then `status` is reported */
    segue_status status;   /* reported; SEGUE_OK with delay_ns only delays */
    int64_t delay_ns;      /* sleep before the failing call */
    /* Called before (after == false) and after every counted call, with how many there were so far; may use other stores
     * freely: this is where a test takes another party's step. Not called again from within itself. */
    void (*hook)(void *ctx, seg_fault_op op, segue_slice key, bool after, unsigned count);
    void *hook_ctx;
} seg_fault_plan;

/* Wrap a store (reference taken). */
segue_status seg_fault_open(segue_store *below, segue_store **ret_store, segue_error *reterr);
/* Set the plan and restart counting. Not while calls are running. */
void seg_fault_set(segue_store *fault, const seg_fault_plan *plan);
/* Calls counted since. */
unsigned seg_fault_count(const segue_store *fault);
/* Whether the plan has fired. */
bool seg_fault_fired(const segue_store *fault);

#endif

/* Wrap a store by a stats filter (reference taken); segue_store_stats reads it. */
segue_status seg_stats_open(segue_store *below, segue_store **ret_store, segue_error *reterr);
void seg_stats_reset(segue_store *stats);

#endif
