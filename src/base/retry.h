/* L1: back-off, the one discipline for trying again. Full jitter, doubling, bounded by a deadline. */
#ifndef SEG_RETRY_H
#define SEG_RETRY_H

#include <segue/env.h>
#include <stdbool.h>

typedef struct seg_backoff {
    int64_t base_ns;
    int64_t cap_ns;
    unsigned attempt;
} seg_backoff;

/* First wait up to base_ns, then doubling up to cap_ns. */
void seg_backoff_init(seg_backoff *backoff, int64_t base_ns, int64_t cap_ns);

/* Sleep before the next attempt, never past the deadline (0 none). False, at once: the deadline has passed. */
bool seg_backoff_wait(seg_backoff *backoff, const segue_env *env, int64_t deadline_ns);

#endif
