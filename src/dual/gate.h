/* L4: the gate of a dual store: which phase it is in, who is still working under which phase, and the wait between the two.
 *
 *   legacy --hold--> forward --> sealed --> clean          hold may go back to legacy
 *
 * An operation enters, reads the phase once, and leaves (R6). A change of phase lets new operations see the new one at once
 * and then waits until those that entered before have left. Entering costs one increment of a counter that hardly any other
 * thread touches. */
#ifndef SEG_GATE_H
#define SEG_GATE_H

#include <segue/backend.h>
#include <segue/dual.h>

#include <pthread.h>
#include <stdatomic.h>

/* Bytes of a line of a processor's cache. The memory of a store need not begin with one, so what different threads write is
 * that far apart, wherever it begins. */
enum { SEG_GATE_SLOTS = 64, SEG_GATE_LINE = 64 };

typedef struct seg_gate {
    _Atomic unsigned word; /* phase * 2 + parity; the parity changes with each change of phase */
    char apart[SEG_GATE_LINE - sizeof(unsigned)];
    struct {
        _Atomic unsigned inside[2]; /* by parity */
        char apart[SEG_GATE_LINE - 2 * sizeof(unsigned)];
    } slots[SEG_GATE_SLOTS];
    pthread_mutex_t change; /* one change of phase at a time, with all that belongs to it */
} seg_gate;

/* *gate comes zeroed. */
void seg_gate_init(seg_gate *gate, segue_phase phase);
void seg_gate_free(seg_gate *gate);

/* Enter. A writer waits while the phase is hold: TIMEOUT at its deadline. call->pin remembers what to leave. */
segue_status seg_gate_enter(seg_gate *gate, bool write, segue_call *call);
void seg_gate_leave(seg_gate *gate, segue_call *call);

/* The phase that was entered under, and the one that is now. */
segue_phase seg_gate_pinned(const segue_call *call);
segue_phase seg_gate_phase(seg_gate *gate);

/* Change the phase by one step, then wait for those inside; with the lock. See segue_dual_set_phase. */
segue_status seg_gate_change(seg_gate *gate, segue_phase phase, segue_call *call);
void seg_gate_lock(seg_gate *gate);
void seg_gate_unlock(seg_gate *gate);

#endif
