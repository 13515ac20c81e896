/* L4: the dual store. Primary first, then the fallback; every write into the primary; R1..R6 of the protocol.
 *
 * Nothing is locked: what was read from the fallback is still true when an insert into the primary that expects no record
 * succeeds (R1, R2, R3). Thread-safe as its two sides are. SEG_RULE marks the lines that carry the proof. */
#include "dual/dual.h"

#include "base/base.h"
#include "base/rules.h"
#include "doc/carry.h"
#include "doc/pill.h"

segue_phase seg_dual_phase_of(seg_dual *dual, const segue_call *call)
{
    return SEG_RULE(PIN_FIRST) ? seg_gate_pinned(call) : seg_gate_phase(&dual->gate);
}

void seg_dual_mark(const seg_dual *dual, segue_record *rec)
{
    if (!dual->keeps_cas && SEG_RULE(TOKEN_MARK)) rec->cas |= SEG_FALLBACK_TOKEN;
}

static uint64_t unmarked(uint64_t cas) { return cas & ~SEG_FALLBACK_TOKEN; }

static bool is_marked(uint64_t cas) { return (cas & SEG_FALLBACK_TOKEN) != 0; }

static segue_status changed(segue_slice key, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_CAS_MISMATCH, "%s has another CAS than expected", seg_quote(key, quoted));
}

/* ---- reading ---- */

/* Records are read as they are stored: whether one has expired is decided by whoever asked, once for both sides. A clock that
 * was read after the primary was asked says nothing about the moment when there was no record. */

/* A record of the fallback into doc, its CAS as it goes out. */
static segue_status get_fallback(seg_dual *d, segue_slice key, segue_doc *doc, segue_call *call)
{
    bool no_body = call->no_body;
    call->no_body = false; /* it may be a pill, which is told by its body */
    segue_status st = seg_call_get_stored(d->fallback, key, doc, call);
    call->no_body = no_body;
    if (st == SEGUE_OK) st = seg_pill_to_counter(doc, seg_dual_phase_of(d, call) == SEGUE_PHASE_LEGACY);
    if (st == SEGUE_OK) {
        seg_dual_mark(d, &doc->rec);
        doc->source = SEGUE_FROM_FALLBACK;
    }
    if (st != SEGUE_OK && !SEG_RULE(FALLBACK_ERROR_IS_ERROR)) return SEGUE_NOT_FOUND;
    return st; /* R5: an error of the fallback is an error, never a miss */
}

static segue_status get_primary(seg_dual *d, segue_slice key, segue_doc *doc, segue_call *call)
{
    segue_status st = seg_call_get_stored(d->primary, key, doc, call);
    if (st == SEGUE_OK) doc->source = SEGUE_FROM_PRIMARY;
    return st;
}

/* The fallback's record, or the primary's if the sweep brought it there meanwhile; the primary had none just now. */
static segue_status get_fallback_then_primary(seg_dual *d, segue_slice key, segue_doc *doc, segue_call *call)
{
    segue_status st = get_fallback(d, key, doc, call);
    if (st == SEGUE_NOT_FOUND && SEG_RULE(THIRD_READ)) st = get_primary(d, key, doc, call);
    if (st == SEGUE_NOT_FOUND) doc->source = SEGUE_FROM_NEITHER;
    return st;
}

static bool falls_through(segue_status st, const segue_doc *doc)
{
    if (st == SEGUE_NOT_FOUND) return true; /* R5: this and nothing else */
    if (st == SEGUE_OK) return doc->rec.is_tombstone && !SEG_RULE(TOMBSTONE_WINS);
    return !SEG_RULE(ONLY_NOT_FOUND_FALLS_THROUGH);
}

static segue_status get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    seg_dual *d = self;
    segue_phase phase = seg_dual_phase_of(d, call);
    if (phase == SEGUE_PHASE_LEGACY) return get_fallback(d, key, doc, call);
    segue_status st = get_primary(d, key, doc, call);
    bool primary_only = phase >= SEGUE_PHASE_SEALED && SEG_RULE(SEALED_ASKS_PRIMARY);
    if (primary_only || !falls_through(st, doc)) return st;
    return get_fallback_then_primary(d, key, doc, call);
}

/* ---- writing ---- */

/* With the rule "a delete leaves a tombstone" off, a delete erases. */
static segue_status after_delete(seg_dual *d, segue_slice key, uint64_t cas, segue_call *call)
{
    return SEG_RULE(DELETE_LEAVES_TOMBSTONE) ? SEGUE_OK : seg_call_erase(d->primary, key, cas, call);
}

/* B6 over the whole life of a document, moves included; and only what comes after the fallback's last write can be told from a
 * write behind the migration's back. */
segue_status seg_dual_learn_floor(seg_dual *d, segue_call *call)
{
    uint64_t highest = 0;
    if (!d->knows_floor) return SEGUE_OK;
    segue_status st = seg_call_highest(d->fallback, 0, &highest, call);
    if (st == SEGUE_OK && highest > atomic_load(&d->floor)) atomic_store(&d->floor, highest);
    return st;
}

static uint64_t floor_of(seg_dual *d, uint64_t floor)
{
    uint64_t least = atomic_load_explicit(&d->floor, memory_order_relaxed);
    return floor < least && SEG_RULE(CAS_FLOOR) ? least : floor;
}

static segue_status put_primary(seg_dual *d, const segue_put *asked, uint64_t *ret_cas, segue_call *call)
{
    segue_put floored = *asked, *put = &floored;
    put->cas_floor = floor_of(d, put->cas_floor);
    segue_status st = seg_call_put(d->primary, put, ret_cas, call);
    return st == SEGUE_OK && put->rec.is_tombstone ? after_delete(d, put->rec.key, *ret_cas, call) : st;
}

/* After a read of the fallback. The fence of the protocol counts on it: what was decided on that comes before the deadline or
 * never. */
static segue_status put_in_time(seg_dual *d, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    segue_status st = SEG_RULE(ACT_IN_TIME) ? seg_call_in_time(call) : SEGUE_OK;
    return st == SEGUE_OK ? put_primary(d, put, ret_cas, call) : st;
}

/* R3: a write that was decided on a record of the fallback (its CAS: `token`) is an insert that expects no record in the
 * primary; its CAS must be greater than the one the document had. */
static segue_status insert_over_fallback(seg_dual *d, const segue_put *put, uint64_t token, uint64_t *ret_cas,
                                         segue_call *call)
{
    segue_put insert = *put;
    if (!SEG_RULE(CLIENTS_SPARE_FALLBACK)) {
        insert.if_cas = unmarked(token);
        return seg_call_put(d->fallback, &insert, ret_cas, call);
    }
    insert.condition = SEG_RULE(INSERT_EXPECTS_ABSENT) ? SEGUE_IF_ABSENT : SEGUE_IF_ANY;
    if (unmarked(token) > insert.cas_floor && SEG_RULE(CAS_FLOOR)) insert.cas_floor = unmarked(token);
    seg_carry(&insert.rec);
    return put_in_time(d, &insert, ret_cas, call);
}

/* The caller read this token from the fallback, some time ago. NOT_FOUND: the fallback has no such record (any more). */
static segue_status put_by_old_token(seg_dual *d, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = get_fallback(d, put->rec.key, &doc, call);
    if (st == SEGUE_OK && doc.rec.cas != put->if_cas && SEG_RULE(OLD_TOKEN_MATCHES)) return changed(put->rec.key, call);
    return st == SEGUE_OK ? insert_over_fallback(d, put, put->if_cas, ret_cas, call) : st;
}

static segue_status put_if_cas(seg_dual *d, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    segue_status st;
    if (put->source == SEGUE_FROM_FALLBACK) {
        st = insert_over_fallback(d, put, put->if_cas, ret_cas, call);
        return st == SEGUE_EXISTS ? changed(put->rec.key, call) : st;
    }
    if (is_marked(put->if_cas)) {
        st = put_by_old_token(d, put, ret_cas, call);
        return st == SEGUE_EXISTS || st == SEGUE_NOT_FOUND ? changed(put->rec.key, call) : st;
    }
    st = put_primary(d, put, ret_cas, call);
    if (st != SEGUE_NOT_FOUND || !d->keeps_cas || put->source == SEGUE_FROM_PRIMARY || !SEG_RULE(TOKEN_OF_FALLBACK))
        return st;
    /* No record in the primary at all, so the CAS can be the fallback's, which a move does not change. */
    segue_status by_token = put_by_old_token(d, put, ret_cas, call);
    if (by_token != SEGUE_EXISTS && by_token != SEGUE_CAS_MISMATCH && by_token != SEGUE_NOT_FOUND) return by_token;
    if (!SEG_RULE(TOKEN_AFTER_MOVE)) return by_token;
    /* The sweep may just have brought it. If it has not: there is a record with another CAS, or none. */
    st = put_in_time(d, put, ret_cas, call);
    return st == SEGUE_NOT_FOUND && by_token == SEGUE_CAS_MISMATCH ? changed(put->rec.key, call) : st;
}

static segue_status put_if_absent(seg_dual *d, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    if (put->source != SEGUE_FROM_NEITHER && SEG_RULE(ADD_ASKS_FALLBACK)) {
        SEG_AUTO(segue_doc) doc = {0};
        segue_status st = get_fallback(d, put->rec.key, &doc, call);
        if (st == SEGUE_OK)
            return segue_fail(call, SEGUE_EXISTS, "there is a record %s already", seg_quote(put->rec.key, quoted));
        if (st != SEGUE_NOT_FOUND) return st;
    }
    return put_in_time(d, put, ret_cas, call);
}

/* Nothing of the old record is to be kept, but for its CAS. */
static segue_status put_any(seg_dual *d, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_put above = *put;
    segue_status st = d->knows_floor ? SEGUE_NOT_FOUND : seg_call_get_stored(d->fallback, put->rec.key, &doc, call);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) return st;
    if (st == SEGUE_OK && doc.rec.cas > above.cas_floor) above.cas_floor = doc.rec.cas;
    return put_primary(d, &above, ret_cas, call);
}

/* Legacy: the fallback is the store, and its tokens go out and come in marked where a move will change them. */
static segue_status put_legacy(seg_dual *d, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    segue_record out = {0};
    segue_put plain = *put;
    if (put->condition == SEGUE_IF_CAS) {
        out.cas = plain.if_cas = unmarked(put->if_cas);
        seg_dual_mark(d, &out);
        if (out.cas != put->if_cas && SEG_RULE(LEGACY_TOKEN)) return changed(put->rec.key, call);
    }
    segue_status st = seg_call_put(d->fallback, &plain, &out.cas, call);
    if (st == SEGUE_OK) {
        seg_dual_mark(d, &out);
        *ret_cas = out.cas;
    }
    return st;
}

static segue_status put(void *self, const segue_put *p, uint64_t *ret_cas, segue_call *call)
{
    seg_dual *d = self;
    segue_phase phase = seg_dual_phase_of(d, call);
    if (phase == SEGUE_PHASE_LEGACY) return put_legacy(d, p, ret_cas, call);
    if (phase >= SEGUE_PHASE_SEALED) {
        bool stale = p->condition == SEGUE_IF_CAS && is_marked(p->if_cas) && SEG_RULE(STALE_MARK);
        return stale ? changed(p->rec.key, call) : put_primary(d, p, ret_cas, call);
    }
    switch (p->condition) {
    case SEGUE_IF_ABSENT: return put_if_absent(d, p, ret_cas, call);
    case SEGUE_IF_CAS: return put_if_cas(d, p, ret_cas, call);
    case SEGUE_IF_ANY:
    default: break;
    }
    return put_any(d, p, ret_cas, call);
}

static segue_status erase(void *self, segue_slice key, uint64_t cas, segue_call *call)
{
    seg_dual *d = self;
    if (seg_dual_phase_of(d, call) != SEGUE_PHASE_CLEAN && SEG_RULE(PURGE_NEEDS_CLEAN))
        return segue_fail(call, SEGUE_REFUSED, "a dual store erases nothing before it is clean"); /* R1 */
    return seg_call_erase(d->primary, key, cas, call);
}

/* ---- mutations: one trip where the primary has the record ---- */

typedef struct mutating {
    segue_slice key;
    const segue_mutation *mutation;
    uint64_t write_id, cas_floor;
    segue_doc *base;
    segue_outcome *outcome;
    segue_doc *ret_doc;
} mutating;

static segue_status mutate_in(segue_store *store, const mutating *m, uint64_t cas_floor, bool require_record,
                              segue_call *call)
{
    return seg_call_mutate(store, m->key, m->mutation, m->write_id, cas_floor, require_record, m->base, m->outcome,
                           m->ret_doc, call);
}

static segue_status mutate_primary(seg_dual *d, const mutating *m, bool require_record, segue_call *call)
{
    segue_status st = mutate_in(d->primary, m, floor_of(d, m->cas_floor), require_record, call);
    if (st == SEGUE_OK && m->outcome->written && m->mutation->body_op == SEGUE_BODY_DELETE)
        st = after_delete(d, m->key, m->outcome->cas, call);
    return st;
}

/* What was read is in base now: the loop goes on from there. */
static segue_status go_on_from_base(segue_status st)
{
    return st == SEGUE_OK || st == SEGUE_NOT_FOUND ? SEGUE_USE_LOOP : st;
}

/* An insert is decided by the fallback's record more often than not, so it is asked first. */
static segue_status mutate_insert(seg_dual *d, const mutating *m, segue_call *call)
{
    if (!SEG_RULE(ADD_ASKS_FALLBACK)) return mutate_primary(d, m, false, call);
    segue_status st = get_fallback(d, m->key, m->base, call);
    if (st == SEGUE_OK) {
        /* A tombstone of the primary may hide it. Without one, what was read is still true (R1, R2). */
        return go_on_from_base(SEG_RULE(INSERT_SEES_TOMBSTONE) ? get_primary(d, m->key, m->base, call) : st);
    }
    if (st != SEGUE_NOT_FOUND) return st;
    st = mutate_primary(d, m, false, call);
    if (st != SEGUE_USE_LOOP) return st;
    st = get_primary(d, m->key, m->base, call);
    if (st == SEGUE_NOT_FOUND) m->base->source = SEGUE_FROM_NEITHER;
    return go_on_from_base(st);
}

static segue_status mutate_forward(seg_dual *d, const mutating *m, segue_call *call)
{
    const segue_mutation *mutation = m->mutation;
    bool insert = mutation->expect == SEGUE_EXPECT_NOT_LIVE && mutation->body_op == SEGUE_BODY_SET;
    bool blind = (mutation->options & SEGUE_M_REPLACE_ALL) && mutation->expect == SEGUE_EXPECT_ANY && d->knows_floor;
    if (blind || !SEG_RULE(MUTATE_READS_FALLBACK)) return mutate_primary(d, m, false, call);
    if (insert) return mutate_insert(d, m, call);
    segue_status st = mutate_primary(d, m, SEG_RULE(MUTATE_NEEDS_RECORD), call);
    if (st != SEGUE_NO_RECORD) return st;
    if (mutation->body_op == SEGUE_BODY_DELETE && !SEG_RULE(DELETE_REACHES_FALLBACK)) return SEGUE_NOT_FOUND;
    return go_on_from_base(get_fallback_then_primary(d, m->key, m->base, call));
}

static segue_status mutate_legacy(seg_dual *d, const mutating *m, segue_call *call)
{
    segue_mutation plain = *m->mutation;
    mutating legacy = *m;
    segue_record token = {.cas = unmarked(plain.cas)};
    seg_dual_mark(d, &token);
    legacy.mutation = &plain;
    /* A token that the fallback did not give out must not match by chance: no record has bit 63 in its CAS. */
    bool may_match = token.cas == plain.cas || !SEG_RULE(LEGACY_TOKEN);
    if (plain.cas) plain.cas = may_match ? unmarked(plain.cas) : plain.cas | SEG_FALLBACK_TOKEN;
    segue_status st = mutate_in(d->fallback, &legacy, legacy.cas_floor, false, call);
    if (st == SEGUE_CAS_MISMATCH && !d->keeps_cas) return changed(m->key, call); /* its sentence has no tokens */
    if (st != SEGUE_OK) return st;
    token.cas = m->outcome->cas;
    if (token.cas) seg_dual_mark(d, &token);
    m->outcome->cas = token.cas;
    if (m->ret_doc) m->ret_doc->rec.cas = token.cas;
    return SEGUE_OK;
}

static segue_status mutate(void *self, segue_slice key, const segue_mutation *mutation, uint64_t write_id,
                           uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                           segue_doc *ret_doc, segue_call *call)
{
    seg_dual *d = self;
    mutating m = {key, mutation, write_id, cas_floor, base, ret_outcome, ret_doc};
    segue_phase phase = seg_dual_phase_of(d, call);
    seg_assert(!require_record); /* only a dual store asks for it, and none is a side of another */
    if (phase == SEGUE_PHASE_LEGACY) return mutate_legacy(d, &m, call);
    if (phase >= SEGUE_PHASE_SEALED) return mutate_primary(d, &m, false, call);
    return mutate_forward(d, &m, call);
}

/* ---- the rest of the table ---- */

static segue_status scan(void *self, const segue_bounds *bounds, segue_page *page, segue_call *call)
{
    return seg_dual_scan(self, bounds, page, call);
}

static segue_status changes(void *self, const segue_since *since, segue_page *page, segue_call *call)
{
    return seg_dual_changes(self, since, page, call);
}

static segue_status highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    return seg_dual_highest(self, at_least, ret_cas, call);
}

static segue_status begin(void *self, bool write, segue_call *call)
{
    return seg_gate_enter(&((seg_dual *)self)->gate, write, call);
}

static void end(void *self, segue_call *call) { seg_gate_leave(&((seg_dual *)self)->gate, call); }

/* For who purges the primary. Once it is clean it stays so. */
static bool is_clean(void *self) { return atomic_load(&((seg_dual *)self)->gate.word) / 2 == SEGUE_PHASE_CLEAN; }

static segue_status may_purge(void *self, segue_call *call)
{
    if (seg_dual_phase_of(self, call) == SEGUE_PHASE_CLEAN || !SEG_RULE(PURGE_NEEDS_CLEAN)) return SEGUE_OK;
    return segue_fail(call, SEGUE_REFUSED,
                      "tombstones hide the fallback until the dual store is clean; finish the migration first");
}

static unsigned caps(const void *self)
{
    const seg_dual *d = self;
    unsigned phase = atomic_load(&d->gate.word) / 2;
    unsigned side = segue_store_caps(phase == SEGUE_PHASE_LEGACY ? d->fallback : d->primary);
    /* Until it is sealed, a feed goes on on both. */
    unsigned both = phase >= SEGUE_PHASE_SEALED ? side : segue_store_caps(d->primary) & segue_store_caps(d->fallback);
    return SEGUE_CAP_MUTATE | (both & SEGUE_CAP_CHANGES) |
           (side & (SEGUE_CAP_KEEP_CAS | SEGUE_CAP_FLAGS | SEGUE_CAP_WRITE_ID | SEGUE_CAP_DURABLE | SEGUE_CAP_SHARED |
                    SEGUE_CAP_CAS_MACROS | SEGUE_CAP_EXPIRED));
}

/* ---- reaping ---- */

/* What has expired in the store that writes go to. What has in the fallback is the sweep's to bring first (R2). */
static segue_status expired(void *self, uint64_t until, segue_page *page, uint32_t *ret_next, segue_call *call)
{
    seg_dual *d = self;
    bool is_legacy = seg_dual_phase_of(d, call) == SEGUE_PHASE_LEGACY;
    segue_status st = seg_call_expired(is_legacy ? d->fallback : d->primary, until, page, ret_next, call);
    if (st != SEGUE_OK) return st;
    for (size_t i = 0; i < page->n; i++) {
        page->docs[i].source = is_legacy ? SEGUE_FROM_FALLBACK : SEGUE_FROM_PRIMARY;
        if (is_legacy) seg_dual_mark(d, &page->docs[i].rec);
    }
    return SEGUE_OK;
}

/* The reaper of the fallback works under the phase as every operation does, and only where those write the fallback. */
static bool enter_fallback(void *ctx, segue_call *call)
{
    seg_dual *d = ctx;
    (void)seg_gate_enter(&d->gate, false, call); /* one that does not write never waits, so it gets in */
    if (seg_gate_pinned(call) == SEGUE_PHASE_LEGACY || !SEG_RULE(REAP_PRIMARY_ONLY)) return true;
    seg_gate_leave(&d->gate, call);
    return false;
}

static void leave_fallback(void *ctx, segue_call *call) { seg_gate_leave(&((seg_dual *)ctx)->gate, call); }

static void close_dual(void *self)
{
    seg_dual *d = self;
    seg_reap_guard_remove(&d->guard);
    seg_purge_guard_remove(&d->tombstones);
    segue_close(d->primary);
    segue_close(d->fallback);
    seg_gate_free(&d->gate);
}

segue_status seg_dual_fill(seg_dual *d, segue_store *primary, segue_store *fallback, segue_phase phase,
                           segue_call *call)
{
    segue_status st = SEGUE_OK;
    if (seg_store_same(primary, fallback))
        st = segue_fail(call, SEGUE_INVALID_ARGUMENT, "%s is both primary and fallback", primary->url);
    else if (seg_store_find(primary, "dual") || seg_store_find(fallback, "dual"))
        st = segue_fail(call, SEGUE_INVALID_ARGUMENT, "a side of a dual store cannot be a dual store itself");
    if (st != SEGUE_OK) {
        segue_close(primary);
        segue_close(fallback);
        return st;
    }
    seg_gate_init(&d->gate, phase);
    d->primary = primary;
    d->fallback = fallback;
    d->keeps_cas = segue_store_caps(primary) & SEGUE_CAP_KEEP_CAS;
    d->guard = (seg_reap_guard){.enter = enter_fallback, .leave = leave_fallback, .ctx = d};
    seg_reap_guard_add(fallback, &d->guard);
    d->tombstones = (seg_purge_guard){.may_purge = is_clean, .dual = d};
    seg_purge_guard_add(primary, &d->tombstones);
    d->knows_floor = seg_call_has_highest(fallback);
    st = phase < SEGUE_PHASE_SEALED ? seg_dual_learn_floor(d, call) : SEGUE_OK;
    if (st != SEGUE_OK) close_dual(d);
    return st;
}

static segue_status open_side(const segue_open_args *args, const char *name, segue_store **ret, segue_call *call)
{
    segue_open_options options = {args->env, args->flags};
    const char *url = segue_url_param(args->url, name);
    if (!url)
        return segue_fail(call, SEGUE_INVALID_URL, "dual: needs primary=URL and fallback=URL; %s is missing", name);
    return segue_open(url, &options, ret, call->err);
}

static segue_status open_dual(void *self, const segue_open_args *args, segue_call *call)
{
    static const char *const known[] = {"primary", "fallback", "phase", NULL};
    segue_store *primary = NULL, *fallback = NULL;
    segue_phase phase = SEGUE_PHASE_FORWARD;
    const char *name = segue_url_param(args->url, "phase");
    segue_status st = segue_url_only(args->url, known, call);
    if (st == SEGUE_OK && name && segue_phase_parse(name, &phase) != SEGUE_OK)
        st = segue_fail(call, SEGUE_INVALID_URL, "dual: there is no phase \"%s\"", name);
    if (st == SEGUE_OK) st = open_side(args, "primary", &primary, call);
    if (st == SEGUE_OK) st = open_side(args, "fallback", &fallback, call);
    if (st == SEGUE_OK) return seg_dual_fill(self, primary, fallback, phase, call);
    segue_close(primary);
    return st;
}

const segue_backend seg_backend_dual = {
    .abi = SEGUE_BACKEND_ABI,
    .table_size = sizeof(segue_backend),
    .self_size = sizeof(seg_dual),
    .scheme = "dual",
    .open = open_dual,
    .close = close_dual,
    .caps = caps,
    .get = get,
    .put = put,
    .erase = erase,
    .scan = scan,
    .mutate = mutate,
    .begin = begin,
    .end = end,
    .may_purge = may_purge,
    .highest = highest,
    .changes = changes,
    .expired = expired,
};
