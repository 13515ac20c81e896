/* L2: the CAS clock. Lock-free: the highest value given is one atomic word. */
#include "doc/clock.h"

#include "base/env.h"
#include "base/rules.h"

#define COUNTER_MASK UINT64_C(0xFFFF)
#define TOP_BIT (UINT64_C(1) << 63)

uint64_t seg_clock_next(seg_clock *clock, const segue_env *env, uint64_t floor)
{
    uint64_t highest = atomic_load(&clock->highest);
    int64_t wall = seg_wall_ns(env);
    uint64_t now = wall > 0 ? ((uint64_t)wall & ~COUNTER_MASK) & ~TOP_BIT : 0;
    for (;;) {
        uint64_t least = highest > floor ? highest : floor;
        uint64_t next = now > least || !SEG_RULE(CAS_GROWS) ? now : least + 1;
        if (atomic_compare_exchange_weak(&clock->highest, &highest, next)) return next;
    }
}

void seg_clock_raise(seg_clock *clock, uint64_t value)
{
    uint64_t highest = atomic_load(&clock->highest);
    while (value > highest && !atomic_compare_exchange_weak(&clock->highest, &highest, value)) {}
}
