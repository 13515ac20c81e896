/* L4: the dual store: a backend made of two stores. protocol.md of the documentation is the specification. */
#ifndef SEG_DUAL_H
#define SEG_DUAL_H

#include "dual/gate.h"
#include "store/call.h"

#include <segue/dual.h>

extern const segue_backend seg_backend_dual;

typedef struct seg_dual {
    segue_store *primary; /* references */
    segue_store *fallback;
    bool keeps_cas;          /* the primary stores a given CAS, so a document's CAS survives its move */
    bool knows_floor;        /* the fallback tells its highest CAS */
    _Atomic uint64_t floor;  /* every CAS of the primary's new records is greater */
    _Atomic uint64_t raised; /* a feed has seen to it that what the primary gets is above this */
    seg_gate gate;
    seg_reap_guard guard;       /* of the fallback */
    seg_purge_guard tombstones; /* of the primary */
} seg_dual;

/* Bit 63: a CAS of the fallback, given out where the primary could not keep it. */
#define SEG_FALLBACK_TOKEN (UINT64_C(1) << 63)

/* The phase that the operation runs under (R6). */
segue_phase seg_dual_phase_of(seg_dual *dual, const segue_call *call);
/* A fallback record's CAS as it goes out. */
void seg_dual_mark(const seg_dual *dual, segue_record *rec);
/* Make *dual of its two sides. Takes over both references, also on failure. */
segue_status seg_dual_fill(seg_dual *dual, segue_store *primary, segue_store *fallback, segue_phase phase,
                           segue_call *call);
/* Clients write the primary from now on: learn the fallback's highest CAS. Its failure. */
segue_status seg_dual_learn_floor(seg_dual *dual, segue_call *call);
/* src/dual/changes.c: one page of both sides' changes; the clock of both. */
segue_status seg_dual_changes(seg_dual *dual, const segue_since *since, segue_page *page, segue_call *call);
segue_status seg_dual_highest(seg_dual *dual, uint64_t at_least, uint64_t *ret_cas, segue_call *call);
/* src/dual/scan.c: one page of both sides, merged. */
segue_status seg_dual_scan(seg_dual *dual, const segue_bounds *bounds, segue_page *page, segue_call *call);

#endif
