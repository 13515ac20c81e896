/* The dual store: a primary and a fallback that look like one store while records move from the second to the first.
 *
 * Reads see the primary first, then the fallback. Every write lands in the primary; no client ever writes the fallback.
 * The dual store is a segue_store: every verb works on it. */
#ifndef SEGUE_DUAL_H
#define SEGUE_DUAL_H

#include <segue/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum segue_phase {
    SEGUE_PHASE_LEGACY,  /* reads and writes go to the fallback only */
    SEGUE_PHASE_HOLD,    /* reads are dual; writes wait, as long as their timeout allows */
    SEGUE_PHASE_FORWARD, /* the dual store */
    SEGUE_PHASE_SEALED,  /* primary only; deletes still leave tombstones, purge is refused */
    SEGUE_PHASE_CLEAN    /* primary only; purge may erase tombstones */
} segue_phase;

/* "legacy", "hold", "forward", "sealed", "clean"; "?" for anything else. Static text. */
SEGUE_API const char *segue_phase_name(segue_phase phase);
/* INVALID_ARGUMENT for any other text. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_phase_parse(const char *name, segue_phase *ret_phase);

typedef struct segue_dual_options {
    segue_phase phase; /* to begin in; a zeroed struct begins in legacy */
} segue_dual_options;

/* Make a dual store of two open ones. It holds references: the caller still closes its own handles, before or after.
 * options NULL: forward. INVALID_ARGUMENT: both are the same collection of the same store. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_dual_open(segue_store *primary, segue_store *fallback,
                                                        const segue_dual_options *options, segue_store **ret_store,
                                                        segue_error *reterr);

/* INVALID_ARGUMENT: not a dual store (nor filters over one). */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_dual_phase(segue_store *store, segue_phase *ret_phase);

/* Change the phase. Allowed: a step to the next phase, hold back to legacy, and legacy straight to forward only if nobody
 * else has the stores open, which the caller must know (it passes through hold). New operations see the new phase at once;
 * the call returns when the operations that began under the old one have ended. TIMEOUT: they have not; the phase IS
 * changed, unless those of the change before it are still waited for, and calling again waits on. REFUSED: not an allowed
 * step. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_dual_set_phase(segue_store *store, segue_phase phase, int64_t timeout_ns,
                                                             segue_error *reterr);

/* The two sides. Borrowed: valid while the dual store is open. INVALID_ARGUMENT: not a dual store (nor filters over one). */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_dual_sides(segue_store *store, segue_store **ret_primary,
                                                         segue_store **ret_fallback);

#ifdef __cplusplus
}
#endif
#endif
