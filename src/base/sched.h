/* L1: the moments at which another party may act, for the explorer and the simulation (tests/explore,
 * tests/simulate). In the product nothing of it exists. */
#ifndef SEG_SCHED_H
#define SEG_SCHED_H

#ifdef SEG_TESTING

#include <stdbool.h>
#include <stdint.h>

typedef enum seg_sched_kind {
    SEG_SCHED_READ,        /* what comes next looks at the object */
    SEG_SCHED_WRITE,       /* changes it */
    SEG_SCHED_LEAVE,       /* is counted out of it: whoever waits for that looks again */
    SEG_SCHED_WAIT,        /* cannot go on before the object was written, left or given back */
    SEG_SCHED_DETAIL_READ, /* as READ, WRITE and LEAVE, inside of what is one step where nobody asks for details */
    SEG_SCHED_DETAIL_WRITE,
    SEG_SCHED_DETAIL_LEAVE,
    SEG_SCHED_SLEEP, /* it is going to sleep, and look at the object again; in vain before that was written or left */
    SEG_SCHED_TAKE,  /* a lock is taken next */
    SEG_SCHED_GIVE   /* it is free again: no moment of its own */
} seg_sched_kind;

/* What becomes of a call to a store. */
typedef enum seg_sched_strike {
    SEG_SCHED_GO,
    SEG_SCHED_FAIL, /* it is not made, and UNAVAILABLE */
    SEG_SCHED_LOSE, /* it is made, and its answer lost: MAYBE_APPLIED */
    SEG_SCHED_DIE   /* it is not made: who makes it is dead, and nothing of what it does counts any more. IO_ERROR */
} seg_sched_strike;

/* `object`: what is touched (NULL: anything); `part`: which part of it (0: all). `may_fail`: it is a call to a store; else the
 * answer is not looked at. */
typedef seg_sched_strike (*seg_sched_fn)(seg_sched_kind kind, const void *object, uint64_t part, bool may_fail);

/* NULL (the default): nobody is told. Not thread-safe. */
void seg_sched_set(seg_sched_fn fn);
void seg_sched_point(seg_sched_kind kind, const void *object);
seg_sched_strike seg_sched_call(seg_sched_kind kind, const void *object, uint64_t part);

#define SEG_SCHED(kind, object) seg_sched_point(SEG_SCHED_##kind, (object))
/* Take a mutex that may be held over a wait, and give it back. */
#define SEG_SCHED_LOCK(mutex)                                                                                          \
    seg_sched_point(SEG_SCHED_TAKE, (mutex));                                                                          \
    while (pthread_mutex_trylock(mutex) != 0) {                                                                        \
        if (!seg_sched_is_told()) {                                                                                    \
            pthread_mutex_lock(mutex);                                                                                 \
            break;                                                                                                     \
        }                                                                                                              \
        seg_sched_point(SEG_SCHED_WAIT, (mutex));                                                                      \
    }
#define SEG_SCHED_UNLOCK(mutex) (pthread_mutex_unlock(mutex), seg_sched_point(SEG_SCHED_GIVE, (mutex)))
bool seg_sched_is_told(void);
/* Whoever is told runs everything by turns on one thread: no other may be started. */
#define SEG_SCHED_IS_ALONE seg_sched_is_told()

#else
#define SEG_SCHED(kind, object) ((void)0)
#define SEG_SCHED_LOCK(mutex) pthread_mutex_lock(mutex)
#define SEG_SCHED_UNLOCK(mutex) pthread_mutex_unlock(mutex)
#define SEG_SCHED_IS_ALONE false
#endif

#endif
