/* L4: phases, pins and the drain. Thread-safe. */
#include "dual/gate.h"

#include "base/base.h"
#include "base/env.h"
#include "base/retry.h"
#include "base/rules.h"
#include "base/sched.h"

static const char *const names[] = {"legacy", "hold", "forward", "sealed", "clean"};
enum { N_PHASES = sizeof names / sizeof names[0], PIN_SLOT_SHIFT = 8, PIN_ENTERED = 1 << 30 };

/* Waiting for a phase or for those inside: short at first, then a millisecond. */
enum { WAIT_FIRST_NS = 20 * 1000, WAIT_MOST_NS = 1000 * 1000 };

const char *segue_phase_name(segue_phase phase) { return (unsigned)phase < N_PHASES ? names[phase] : "?"; }

segue_status segue_phase_parse(const char *name, segue_phase *ret_phase)
{
    for (unsigned i = 0; name && i < N_PHASES; i++)
        if (strcmp(names[i], name) == 0) {
            *ret_phase = (segue_phase)i;
            return SEGUE_OK;
        }
    return SEGUE_INVALID_ARGUMENT;
}

void seg_gate_init(seg_gate *gate, segue_phase phase)
{
    atomic_init(&gate->word, (unsigned)phase * 2);
    (void)pthread_mutex_init(&gate->change, NULL); /* never fails with default attributes */
}

void seg_gate_free(seg_gate *gate) { (void)pthread_mutex_destroy(&gate->change); /* nobody is inside any more */ }

/* Each thread has a slot; threads beyond the number of slots share. */
static unsigned my_slot(void)
{
    static _Atomic unsigned next;
    static _Thread_local unsigned mine;
    if (mine == 0) mine = 1 + atomic_fetch_add(&next, 1) % SEG_GATE_SLOTS;
    return mine - 1;
}

static bool must_wait(unsigned word, bool write) { return write && word / 2 == SEGUE_PHASE_HOLD && SEG_RULE(HOLD); }

segue_status seg_gate_enter(seg_gate *gate, bool write, segue_call *call)
{
    unsigned slot = my_slot();
    seg_backoff backoff;
    seg_backoff_init(&backoff, WAIT_FIRST_NS, WAIT_MOST_NS);
    for (;;) {
        SEG_SCHED(READ, gate);
        unsigned word = atomic_load(&gate->word);
        if (must_wait(word, write)) {
            SEG_SCHED(SLEEP, gate);
            if (!seg_backoff_wait(&backoff, call->env, call->deadline_ns))
                return segue_fail(call, SEGUE_TIMEOUT,
                                  "writes are held while the migration starts; nothing was applied, try again");
            continue;
        }
        /* Count first, look again after: a change of phase either sees the count or is seen here. */
        SEG_SCHED(DETAIL_READ, gate); /* for the explorer counting is reading: no matter who counts first */
        atomic_fetch_add(&gate->slots[slot].inside[word & 1], 1);
        SEG_SCHED(DETAIL_READ, gate);
        if (atomic_load(&gate->word) == word || !SEG_RULE(GATE_LOOKS_AGAIN)) {
            call->pin = PIN_ENTERED | slot << PIN_SLOT_SHIFT | word;
            return SEGUE_OK;
        }
        SEG_SCHED(DETAIL_LEAVE, gate);
        atomic_fetch_sub(&gate->slots[slot].inside[word & 1], 1);
    }
}

void seg_gate_leave(seg_gate *gate, segue_call *call)
{
    seg_assert(call->pin & PIN_ENTERED);
    unsigned slot = (call->pin & ~(unsigned)PIN_ENTERED) >> PIN_SLOT_SHIFT;
    SEG_SCHED(LEAVE, gate);
    unsigned before = atomic_fetch_sub(&gate->slots[slot].inside[call->pin & 1], 1);
    seg_assert(before > 0);
    call->pin = 0;
}

segue_phase seg_gate_pinned(const segue_call *call)
{
    seg_assert(call->pin & PIN_ENTERED); /* no operation without entering: its phase could change under its feet */
    return (segue_phase)((call->pin & ((1u << PIN_SLOT_SHIFT) - 1)) / 2);
}

segue_phase seg_gate_phase(seg_gate *gate)
{
    SEG_SCHED(READ, gate);
    return (segue_phase)(atomic_load(&gate->word) / 2);
}

/* ---- changing ---- */

static unsigned inside(seg_gate *gate, unsigned parity)
{
    unsigned n = 0;
    SEG_SCHED(DETAIL_WRITE, gate);
    for (int i = 0; i < SEG_GATE_SLOTS; i++) n += atomic_load(&gate->slots[i].inside[parity]);
    return n;
}

/* Wait until nobody is left who entered under the other parity. */
static segue_status drain(seg_gate *gate, segue_call *call)
{
    unsigned old = (atomic_load(&gate->word) & 1) ^ 1;
    seg_backoff backoff;
    seg_backoff_init(&backoff, WAIT_FIRST_NS, WAIT_MOST_NS);
    while (SEG_RULE(DRAIN) && inside(gate, old) > 0) {
        SEG_SCHED(SLEEP, gate);
        if (seg_backoff_wait(&backoff, call->env, call->deadline_ns)) continue;
        unsigned n = inside(gate, old);
        return segue_fail(call, SEGUE_TIMEOUT, "%u %s not ended; call again to wait on", n,
                          seg_word(n, "operation that began under the old phase has",
                                   "operations that began under the old phase have"));
    }
    return SEGUE_OK;
}

/* One allowed step. The drain of the step before must be over first: there are two parities, no more. The step back is to
 * the parity of those who may still be inside, and they are of the phase that it leads to. */
static segue_status step(seg_gate *gate, segue_phase phase, segue_call *call)
{
    unsigned word = atomic_load(&gate->word);
    bool is_back = (unsigned)phase < word / 2;
    segue_status st = !is_back && SEG_RULE(DRAIN_BEFORE_STEP) ? drain(gate, call) : SEGUE_OK;
    if (st != SEGUE_OK) return st;
    SEG_SCHED(WRITE, gate);
    atomic_store(&gate->word, (unsigned)phase * 2 + ((word & 1) ^ 1));
    return drain(gate, call);
}

segue_status seg_gate_change(seg_gate *gate, segue_phase to, segue_call *call)
{
    segue_phase from = seg_gate_phase(gate);
    if ((unsigned)to >= N_PHASES) return segue_fail(call, SEGUE_INVALID_ARGUMENT, "there is no such phase");
    if (from == to) return drain(gate, call);
    bool is_one_step = to == from + 1 || (from == SEGUE_PHASE_HOLD && to == SEGUE_PHASE_LEGACY);
    if (is_one_step || !SEG_RULE(ONE_STEP) || !SEG_RULE(HOLD)) return step(gate, to, call);
    return segue_fail(call, SEGUE_REFUSED, "a dual store cannot go from %s to %s", segue_phase_name(from),
                      segue_phase_name(to));
}

void seg_gate_lock(seg_gate *gate) { SEG_SCHED_LOCK(&gate->change); }

void seg_gate_unlock(seg_gate *gate) { SEG_SCHED_UNLOCK(&gate->change); }
