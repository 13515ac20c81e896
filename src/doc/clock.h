/* L2: the CAS clock, a hybrid logical clock. High 48 bits wall-clock nanoseconds, low 16 bits a counter; bit 63 clear. */
#ifndef SEG_CLOCK_H
#define SEG_CLOCK_H

#include <segue/env.h>
#include <stdatomic.h>

typedef struct seg_clock {
    _Atomic uint64_t highest;
} seg_clock;

/* Greater than every value it gave before, than `floor`, and than every raise. Thread-safe, lock-free. */
uint64_t seg_clock_next(seg_clock *clock, const segue_env *env, uint64_t floor);
/* Later values will be greater than this. */
void seg_clock_raise(seg_clock *clock, uint64_t value);

#endif
