/* Faults of memory: the library's, and SQLite's own. */
#include "faults/kinds.h"

#include "support/memory.h"

static test_fault *of(const fault *f) { return f->which ? &test_sqlite_memory : &test_memory; }

void arm_memory(const fault *f, play *p, long nth, bool persistent)
{
    (void)p; /* there is one memory */
    test_fault_arm(of(f), nth, persistent);
}

void heal_memory(const fault *f, play *p)
{
    (void)p; /* as above */
    test_fault_heal(of(f));
}

bool memory_fired(const fault *f, play *p)
{
    (void)p; /* as above */
    return atomic_load(&of(f)->fired) > 0;
}

/* A commit that SQLite has no memory for may have come far enough that it cannot be told; that is UNAVAILABLE where what is
 * written may as well be written again. */
bool memory_may_answer(const fault *f, segue_status st)
{
    return st == SEGUE_NO_MEMORY || (f->which && (st == SEGUE_MAYBE_APPLIED || st == SEGUE_UNAVAILABLE));
}
