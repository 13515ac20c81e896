/* L2: the CAS clock, a hybrid logical clock. High 48 bits wall-clock nanoseconds, low 16 bits a counter; bit 63 clear. */
#ifndef SEG_CLOCK_H
#define SEG_CLOCK_H

#include <segue/env.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct seg_clock {
    _Atomic uint64_t highest;
} seg_clock;

/* No CAS from outside may be this great: a clock that was led to the end of its numbers could give no more. */
#define SEG_CAS_END ((UINT64_C(1) << 63) - (UINT64_C(1) << 40))
static inline bool seg_cas_can_be_kept(uint64_t cas) { return cas != 0 && cas < SEG_CAS_END; }

/* Greater than every value it gave before, than `floor`, and than every raise. Thread-safe, lock-free. */
uint64_t seg_clock_next(seg_clock *clock, const segue_env *env, uint64_t floor);
/* Later values will be greater than this. */
void seg_clock_raise(seg_clock *clock, uint64_t value);

#endif
