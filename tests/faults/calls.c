/* Faults of a store under a dual store, a filter or a migration: one of its calls fails before it is applied, is applied and
 * its answer lost, or comes after the deadline. */
#include "faults/kinds.h"

enum { WRITES = SEG_OP_PUT | SEG_OP_ERASE | SEG_OP_MUTATE | SEG_OP_MOVE | SEG_OP_WRITE_MANY };
enum { READS = SEG_OP_GET | SEG_OP_SCAN | SEG_OP_CHANGES | SEG_OP_EXPIRED };
static const int64_t LONGER_THAN_ANY_DEADLINE = 100000000000;

static const seg_fault_plan plans[N_CALL_TROUBLES] = {
    {.status = SEGUE_UNAVAILABLE},
    {.status = SEGUE_UNAVAILABLE, .ops = READS, .after = true},
    {.status = SEGUE_MAYBE_APPLIED, .ops = WRITES},
    {.status = SEGUE_MAYBE_APPLIED, .ops = WRITES, .after = true},
    {.status = SEGUE_OK, .delay_ns = LONGER_THAN_ANY_DEADLINE},
};

static segue_store *side_of(const fault *f, const play *p) { return f->needs_dual ? p->f : p->p; }

void arm_call(const fault *f, play *p, long nth, bool persistent)
{
    seg_fault_plan plan = plans[f->which];
    plan.nth = (unsigned)nth;
    plan.persistent = persistent;
    seg_fault_set(side_of(f, p), &plan);
}

/* What was counted is asked for before. */
void heal_call(const fault *f, play *p)
{
    static const seg_fault_plan none = {0};
    seg_fault_set(side_of(f, p), &none);
}

bool call_fired(const fault *f, play *p) { return seg_fault_fired(side_of(f, p)); }

bool call_may_answer(const fault *f, segue_status st)
{
    const seg_fault_plan *plan = &plans[f->which];
    return st == (plan->delay_ns ? SEGUE_TIMEOUT : plan->status);
}
