/* L4: the public functions of <segue/dual.h>: from two handles, phases, sides. */
#include "base/base.h"
#include "base/rules.h"
#include "base/url.h"
#include "dual/dual.h"

/* "dual:?primary=...&fallback=..." for messages and segue_store_url. */
static segue_status make_url(const segue_store *primary, const segue_store *fallback, segue_buf *url)
{
    static const char head[] = "dual:?primary=", middle[] = "&fallback=";
    segue_status st = segue_buf_append(url, head, sizeof head - 1);
    if (st == SEGUE_OK) st = seg_url_encode(segue_str(primary->url), url);
    if (st == SEGUE_OK) st = segue_buf_append(url, middle, sizeof middle - 1);
    if (st == SEGUE_OK) st = seg_url_encode(segue_str(fallback->url), url);
    return st == SEGUE_OK ? segue_buf_append(url, "", 1) : st;
}

segue_status segue_dual_open(segue_store *primary, segue_store *fallback, const segue_dual_options *options,
                             segue_store **ret_store, segue_error *reterr)
{
    SEG_AUTO(segue_buf) url = {0};
    segue_store *store = NULL;
    void *self = NULL;
    if (!primary || !fallback || !ret_store)
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a dual store needs a primary and a fallback");
    if (options && (unsigned)options->phase > SEGUE_PHASE_CLEAN)
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "there is no such phase");
    segue_status st = make_url(primary, fallback, &url);
    if (st != SEGUE_OK) return seg_error_set(reterr, st, "out of memory for a dual store");
    st = seg_store_make(&seg_backend_dual, &primary->env, url.data, &store, &self, reterr);
    if (st != SEGUE_OK) return st;
    segue_error why;
    segue_call call = seg_call_public(store, 0, &why, reterr);
    st = seg_dual_fill(self, seg_store_ref(primary), seg_store_ref(fallback),
                       options ? options->phase : SEGUE_PHASE_FORWARD, &call);
    if (st != SEGUE_OK) {
        st = seg_call_give(store, st, &why, reterr);
        seg_store_unmake(store);
        return st;
    }
    *ret_store = store;
    return SEGUE_OK;
}

static seg_dual *find(segue_store *store)
{
    segue_store *dual = store ? seg_store_find(store, "dual") : NULL;
    return dual ? dual->self : NULL;
}

segue_status segue_dual_phase(segue_store *store, segue_phase *ret_phase)
{
    seg_dual *dual = find(store);
    if (!dual) return SEGUE_INVALID_ARGUMENT;
    if (ret_phase) *ret_phase = seg_gate_phase(&dual->gate);
    return SEGUE_OK;
}

/* With the gate's lock: nobody goes back to legacy, and nothing more is written there, between what is learnt of the fallback
 * and the step into forward. */
static segue_status change_phase(seg_dual *dual, segue_phase phase, segue_call *call)
{
    if (phase == SEGUE_PHASE_FORWARD && seg_gate_phase(&dual->gate) < SEGUE_PHASE_FORWARD) {
        /* Nobody writes the fallback any more once hold is drained. */
        segue_status st = SEG_RULE(HOLD) ? seg_gate_change(&dual->gate, SEGUE_PHASE_HOLD, call) : SEGUE_OK;
        if (st == SEGUE_OK) st = seg_dual_learn_floor(dual, call);
        if (st != SEGUE_OK) return st;
    }
    return seg_gate_change(&dual->gate, phase, call);
}

segue_status segue_dual_set_phase(segue_store *store, segue_phase phase, int64_t timeout_ns, segue_error *reterr)
{
    seg_dual *dual = find(store);
    if (!dual) return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "only a dual store has phases");
    segue_error why;
    segue_call call = seg_call_public(store, timeout_ns, &why, reterr);
    seg_gate_lock(&dual->gate);
    segue_status st = change_phase(dual, phase, &call);
    seg_gate_unlock(&dual->gate);
    return seg_call_give(store, st, &why, reterr);
}

segue_status segue_dual_sides(segue_store *store, segue_store **ret_primary, segue_store **ret_fallback)
{
    seg_dual *dual = find(store);
    if (!dual) return SEGUE_INVALID_ARGUMENT;
    if (ret_primary) *ret_primary = dual->primary;
    if (ret_fallback) *ret_fallback = dual->fallback;
    return SEGUE_OK;
}
