/* L1: named places between two durable effects, at which the testing library can kill the process, to show that what is left
 * can be gone on with. In the product SEG_CRASH_POINT is nothing at all and none of this exists. */
#ifndef SEG_CRASH_H
#define SEG_CRASH_H

#ifdef SEG_TESTING

#include <stdatomic.h>
#include <stdint.h>

typedef enum seg_crash_point {
#define SEG_CRASH_DEF(name, text) SEG_CRASH_##name,
#include "base/crash.def"
#undef SEG_CRASH_DEF
    SEG_N_CRASH_POINTS
} seg_crash_point;

/* How often each point was passed, and where to die. In memory that a parent shares with the child it sends to its death, so
 * that it sees how far that came. */
typedef struct seg_crash {
    _Atomic uint64_t hits[SEG_N_CRASH_POINTS];
    seg_crash_point point; /* with nth: SIGKILL at this point's nth hit */
    uint64_t nth;          /* from 1; 0: nowhere */
} seg_crash;

/* Count, and maybe die, from here on. NULL: neither. Not while other threads are in the library. */
void seg_crash_use(seg_crash *crash);
const char *seg_crash_name(seg_crash_point point);
const char *seg_crash_text(seg_crash_point point);

void seg_crash_pass(seg_crash_point point);
#define SEG_CRASH_POINT(name) seg_crash_pass(SEG_CRASH_##name)

#else
#define SEG_CRASH_POINT(name) ((void)0)
#endif

#endif
