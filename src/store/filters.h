/* L3: filters that are driven from code. `stats` and `trace` are opened by URL; `fault` exists in the testing library
 * only. */
#ifndef SEG_FILTERS_H
#define SEG_FILTERS_H

#include "store/call.h"

/* The calls that a filter sees. */
typedef enum seg_store_op {
    SEG_OP_GET = 1 << 0,
    SEG_OP_PUT = 1 << 1,
    SEG_OP_ERASE = 1 << 2,
    SEG_OP_SCAN = 1 << 3,
    SEG_OP_MUTATE = 1 << 4,
    SEG_OP_MOVE = 1 << 5,
    SEG_OP_WRITE_MANY = 1 << 6,
    SEG_OP_CHANGES = 1 << 7,
    SEG_OP_EXPIRED = 1 << 8
} seg_store_op;

/* Wrap a store by a stats filter (reference taken); segue_store_stats reads it. */
segue_status seg_stats_open(segue_store *below, segue_store **ret_store, segue_error *reterr);
void seg_stats_reset(segue_store *stats);

#ifdef SEG_TESTING

/* What a fault store does. Zeroed: it passes everything through. */
typedef struct seg_fault_plan {
    unsigned ops;          /* which calls count (seg_store_op, or-ed); 0 all */
    unsigned nth;          /* the how-manieth of them fails, from 1; 0 none */
    bool persistent;       /* and every later one too */
    bool after;            /* false: fails before it is applied; true: it is applied, then `status` is reported */
    segue_status status;   /* reported; SEGUE_OK with delay_ns only delays */
    int64_t delay_ns;      /* sleep before the failing call */
    /* Called before (after == false) and after every counted call, with how many there were so far; may use other stores
     * freely: this is where a test takes another party's step. Calls made from within it are not counted. */
    void (*hook)(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count);
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

/* Wrap a store (reference taken) by one that tells the explorer (base/sched.h) of each call; `object`: what it should be
 * called, the same for all handles of one collection. */
segue_status seg_sched_open(segue_store *below, const void *object, segue_store **ret_store, segue_error *reterr);

#endif

#endif
