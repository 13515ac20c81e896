/* For tests: a door that counts what passes and fails on request: the nth, or the nth and everything after it. Any thread; arm
 * it while nothing passes. Header only. */
#ifndef SEG_TESTS_FAULT_H
#define SEG_TESTS_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct test_fault {
    atomic_long seen;       /* since it was armed */
    atomic_long fired;      /* of them, failed */
    atomic_long nth;        /* from 1; 0: none fails */
    atomic_bool persistent; /* and all later ones */
} test_fault;

/* nth 0: nothing fails any more; the counts begin anew. */
static inline void test_fault_arm(test_fault *f, long nth, bool persistent)
{
    atomic_store(&f->nth, nth);
    atomic_store(&f->persistent, persistent);
    atomic_store(&f->seen, 0);
    atomic_store(&f->fired, 0);
}

/* Nothing fails any more, and what was counted stays. */
static inline void test_fault_heal(test_fault *f) { atomic_store(&f->nth, 0); }

/* One passes. Whether it must fail. */
static inline bool test_fault_strikes(test_fault *f)
{
    long seen = atomic_fetch_add(&f->seen, 1) + 1, nth = atomic_load(&f->nth);
    bool strikes = nth && (seen == nth || (seen > nth && atomic_load(&f->persistent)));
    if (strikes) atomic_fetch_add(&f->fired, 1);
    return strikes;
}

#endif
