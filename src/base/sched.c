/* L1: whoever wants to know of the moments at which others may act. Nothing of it is in the product. */
#include "base/sched.h"

#ifdef SEG_TESTING

#include <stddef.h>

static seg_sched_fn told;

void seg_sched_set(seg_sched_fn fn) { told = fn; }

bool seg_sched_is_told(void) { return told != NULL; }

void seg_sched_point(seg_sched_kind kind, const void *object)
{
    if (told) (void)told(kind, object, 0, false); /* only calls are struck */
}

seg_sched_strike seg_sched_call(seg_sched_kind kind, const void *object, uint64_t part)
{
    return told ? told(kind, object, part, true) : SEG_SCHED_GO;
}

#else
typedef int seg_sched_is_for_tests_only; /* a translation unit must not be empty */
#endif
