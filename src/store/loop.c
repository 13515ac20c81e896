/* L3: the one read-modify-write loop: read, decide (a mutation, or a callback's), put if nothing has changed, else again.
 * Every write that a backend has no slot of its own for goes through here. Thread-safe: all state is on the stack.
 *
 * A put whose outcome is not known is settled by its write id: docs/protocol.md "Outcomes that are not known". */
#include "store/loop.h"

#include "base/base.h"
#include "base/env.h"
#include "base/retry.h"
#include "base/rules.h"
#include "doc/doc.h"

/* One operation. The write id is the same for all its attempts: a record that carries it was written by this operation. */
typedef struct rmw {
    segue_store *store;
    segue_slice key;
    const segue_mutation *fixed; /* NULL: fn decides */
    segue_update_fn fn;
    void *ctx;
    const segue_update_options *options;
    uint64_t write_id;
    segue_doc base;
    bool has_base;
    segue_applied applied;
    segue_outcome outcome;
    segue_doc *ret_doc;
    segue_call *call;
} rmw;

enum { UNKNOWN_TRIES = 5, BACKOFF_FIRST_NS = 20000, BACKOFF_MOST_NS = 10000000 };

static void show_result(rmw *op, const segue_record *rec)
{
    op->outcome.cas = rec->cas;
    op->outcome.revision = rec->revision;
    op->outcome.counter = op->applied.counter;
}

/* Nothing was written; what is there is what the callback saw. */
static segue_status show_unchanged(rmw *op, const segue_record *current)
{
    op->outcome.written = false;
    op->outcome.cas = current ? current->cas : 0;
    op->outcome.revision = current ? current->revision : 0;
    return SEGUE_OK;
}

/* What was live when it was read may have been given more time since: it is not called dead without another look. */
static bool has_expired_since(const segue_record *read, uint64_t now)
{
    return !read->is_tombstone && !seg_record_is_live(read, now) && SEG_RULE(EXPIRED_IS_READ_AGAIN);
}

/* The store's own slot may have read it, as it is stored. */
static segue_status read_base(rmw *op)
{
    if (op->base.source == SEGUE_FROM_NEITHER) {
        op->has_base = false;
        return SEGUE_OK;
    }
    op->has_base = op->base.source != SEGUE_FROM_UNKNOWN;
    /* The clock is read only for a record that can expire. */
    const segue_record *read = &op->base.rec;
    if (op->has_base && (!read->expiry || !has_expired_since(read, seg_wall_s(op->call->env)))) return SEGUE_OK;
    segue_status st = seg_call_get(op->store, op->key, &op->base, op->call);
    op->has_base = st == SEGUE_OK;
    return st == SEGUE_NOT_FOUND ? SEGUE_OK : st;
}

/* ---- outcomes that are not known ---- */

/* Whether the record still is what the attempt was based on. That there is none proves nothing: it may have been inserted,
 * deleted by somebody else, and purged since; a second insert would bring it back. */
static bool is_as_before(const segue_put *put, segue_status got, const segue_doc *now)
{
    if (put && put->condition == SEGUE_IF_ABSENT && got == SEGUE_NOT_FOUND) return !SEG_RULE(LOST_INSERT_IS_UNKNOWN);
    return put && put->condition == SEGUE_IF_CAS && got == SEGUE_OK && now->rec.cas == put->if_cas;
}

/* An attempt to `put` (NULL: a blind one) ended with MAYBE_APPLIED. OK: it was applied, applied.rec.cas is its CAS.
 * Anything less sure stays MAYBE_APPLIED, also when the attempts to find out fail. */
static segue_status settle(rmw *op, const segue_put *put)
{
    segue_doc now = {0};
    segue_status st = SEGUE_MAYBE_APPLIED;
    for (int i = 0; i < UNKNOWN_TRIES && st != SEGUE_OK; i++) {
        segue_status got = seg_call_get(op->store, op->key, &now, op->call);
        if (got == SEGUE_OK && (now.rec.write_id == op->write_id || !SEG_RULE(WRITE_ID_PROVES))) {
            op->applied.rec.cas = now.rec.cas;
            st = SEGUE_OK;
        } else if (is_as_before(put, got, &now)) {
            /* The same put under the same condition: at most one of the two can apply. A conflict now means that the
             * first one, or somebody else, was faster: read once more. */
            st = seg_call_put(op->store, put, &op->applied.rec.cas, op->call);
        } else {
            break;
        }
    }
    segue_doc_free(&now);
    return st == SEGUE_OK ? SEGUE_OK : SEGUE_MAYBE_APPLIED;
}

static segue_status still_unknown(rmw *op)
{
    char quoted[SEG_QUOTED_MAX];
    if (!SEG_RULE(UNKNOWN_IS_SAID)) return SEGUE_RETRY;
    return segue_fail(op->call, SEGUE_MAYBE_APPLIED,
                      "%s: it is not known whether the write of %s was applied; read the document before you decide",
                      op->store->url, seg_quote(op->key, quoted));
}

/* ---- one attempt ---- */

/* Put what was computed. A conflict comes back as such. ret_doc is filled before the put: once the write is applied
 * nothing may fail any more. */
static segue_status put_applied(rmw *op)
{
    op->applied.rec.write_id = op->write_id;
    segue_put put = {.rec = op->applied.rec, .source = (segue_source)op->base.source};
    put.cas_places = op->applied.cas_places;
    put.n_cas_places = op->applied.n_cas_places;
    put.condition = op->has_base ? SEGUE_IF_CAS : SEGUE_IF_ABSENT;
    if (!SEG_RULE(LOOP_PUTS_BY_CAS)) put.condition = SEGUE_IF_ANY;
    put.if_cas = op->has_base ? op->base.rec.cas : 0;
    segue_status st = seg_call_in_time(op->call);
    bool first = SEG_RULE(RESULT_BEFORE_WRITE);
    if (st == SEGUE_OK && op->ret_doc && first) st = segue_doc_assign(op->ret_doc, &op->applied.rec);
    if (st == SEGUE_OK) st = seg_call_put(op->store, &put, &op->applied.rec.cas, op->call);
    if (st == SEGUE_MAYBE_APPLIED && op->write_id) st = settle(op, &put);
    if (st == SEGUE_OK && op->ret_doc && !first) st = segue_doc_assign(op->ret_doc, &op->applied.rec);
    if (op->ret_doc && st == SEGUE_OK) {
        op->ret_doc->rec.cas = op->applied.rec.cas;
        segue_expand_cas(&op->ret_doc->rec, put.cas_places, put.n_cas_places, op->applied.rec.cas);
    }
    return st == SEGUE_MAYBE_APPLIED ? still_unknown(op) : st;
}

/* The answer of a write is what it left, also if that has expired since. */
static segue_status get_what_is_left(rmw *op, segue_doc *doc)
{
    if (!SEG_RULE(LOST_ANSWER_AS_STORED)) return seg_call_get(op->store, op->key, doc, op->call);
    return seg_call_get_stored(op->store, op->key, doc, op->call);
}

/* The store's own slot. USE_LOOP: go on by hand. */
static segue_status try_native(rmw *op, const segue_mutation *m)
{
    segue_status st = seg_call_mutate(op->store, op->key, m, op->write_id, 0, false, &op->base, &op->outcome,
                                      op->ret_doc, op->call);
    if (st != SEGUE_MAYBE_APPLIED) return st;
    if (!op->write_id) return still_unknown(op);
    segue_doc now = {0};
    segue_status got = get_what_is_left(op, &now);
    bool is_ours = got == SEGUE_OK && now.rec.write_id == op->write_id;
    if (is_ours) {
        if (m->body_op == SEGUE_BODY_ADD) (void)seg_parse_u64(now.rec.body, &op->applied.counter); /* we wrote a number */
        show_result(op, &now.rec);
        op->outcome.written = true;
        st = op->ret_doc ? segue_doc_assign(op->ret_doc, &now.rec) : SEGUE_OK;
        if (st != SEGUE_OK) st = still_unknown(op);
    } else {
        st = still_unknown(op);
    }
    segue_doc_free(&now);
    return st;
}

/* Call the callback. Anything but OK and RETRY is its answer, and the end. */
static segue_status ask(rmw *op, const segue_record *current, segue_mutation *m)
{
    segue_status st = op->fn(op->ctx, current, m);
    m->options |= SEGUE_M_NOTHING_OK;
    if (st == SEGUE_OK || st == SEGUE_RETRY) return st;
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(op->call, st, "%s: the update of %s was stopped by its callback; nothing was written",
                      op->store->url, seg_quote(op->key, quoted));
}

/* What a callback's mutation comes with. */
static void start_with(segue_mutation *m, const segue_update_options *options)
{
    *m = (segue_mutation){0};
    if (!options) return;
    m->expiry = options->expiry;
    m->macros = options->macros;
    m->n_macros = options->n_macros;
}

static segue_status decide(rmw *op, segue_mutation *m)
{
    if (op->fixed) {
        *m = *op->fixed;
        return SEGUE_OK;
    }
    start_with(m, op->options);
    return ask(op, op->has_base ? &op->base.rec : NULL, m);
}

/* Whether the callback left everything as it came. */
static bool asks_nothing(const rmw *op, const segue_mutation *m)
{
    segue_mutation start;
    start_with(&start, op->options);
    bool same_expiry = m->expiry.op == start.expiry.op && m->expiry.seconds == start.expiry.seconds &&
                       m->expiry.keep_if_live == start.expiry.keep_if_live;
    bool same_macros = m->n_macros == 0 || (m->macros == start.macros && m->n_macros == start.n_macros);
    return m->body_op == SEGUE_BODY_KEEP && !m->n_set_xattrs && !m->n_drop_xattrs && !m->n_paths && !m->has_flags &&
           same_expiry && same_macros && m->json == SEGUE_JSON_AUTO && !(m->options & SEGUE_M_AS_TOMBSTONE);
}

/* Read, decide, apply, put. RETRY: somebody was faster, or what was read alive has expired since. */
static segue_status attempt(rmw *op)
{
    segue_mutation m;
    segue_status st = read_base(op);
    if (st == SEGUE_OK) st = decide(op, &m);
    if (st != SEGUE_OK) return st;
    const segue_record *base = op->has_base ? &op->base.rec : NULL;
    if (!op->fixed && asks_nothing(op, &m)) return show_unchanged(op, base);
    uint64_t now = seg_wall_s(op->call->env);
    if (base && has_expired_since(base, now)) return SEGUE_RETRY;
    st = segue_apply(op->key, base, &m, now, &op->applied, op->call);
    if (st != SEGUE_OK) return st;
    op->outcome.written = op->applied.write;
    if (op->applied.write) st = put_applied(op);
    else if (op->ret_doc && base) st = segue_doc_assign(op->ret_doc, &op->applied.rec);
    if (segue_status_is_conflict(st) || (st == SEGUE_NOT_FOUND && SEG_RULE(DELETED_IS_RETRY))) return SEGUE_RETRY;
    if (st == SEGUE_OK) show_result(op, &op->applied.rec);
    return st;
}

/* A set of everything, whatever is there, on a store that has no slot for mutations: one put, nothing read. */
static bool is_blind(const rmw *op)
{
    return op->fixed && (op->fixed->options & SEGUE_M_REPLACE_ALL) && op->fixed->expect == SEGUE_EXPECT_ANY &&
           !op->ret_doc;
}

static segue_status put_blind(rmw *op)
{
    segue_status st = segue_apply(op->key, NULL, op->fixed, seg_wall_s(op->call->env), &op->applied, op->call);
    if (st != SEGUE_OK) return st;
    segue_put put = {.rec = op->applied.rec, .condition = SEGUE_IF_ANY};
    put.cas_places = op->applied.cas_places;
    put.n_cas_places = op->applied.n_cas_places;
    put.rec.write_id = op->write_id;
    op->outcome.written = true;
    st = seg_call_put(op->store, &put, &op->outcome.cas, op->call);
    if (st == SEGUE_MAYBE_APPLIED && op->write_id && settle(op, NULL) == SEGUE_OK) {
        op->outcome.cas = op->applied.rec.cas;
        return SEGUE_OK;
    }
    return st == SEGUE_MAYBE_APPLIED ? still_unknown(op) : st;
}

static segue_status loop(rmw *op)
{
    seg_backoff backoff;
    seg_backoff_init(&backoff, BACKOFF_FIRST_NS, BACKOFF_MOST_NS);
    for (;;) {
        segue_status st = seg_call_in_time(op->call);
        if (st != SEGUE_OK) return st;
        op->base.source = SEGUE_FROM_UNKNOWN;
        st = op->fixed ? try_native(op, op->fixed) : SEGUE_USE_LOOP;
        if (st == SEGUE_USE_LOOP) st = is_blind(op) ? put_blind(op) : attempt(op);
        if (st != SEGUE_RETRY) return st;
        if (!seg_backoff_wait(&backoff, op->call->env, op->call->deadline_ns))
            return segue_fail(op->call, SEGUE_TIMEOUT, "%s: others were faster until the deadline; nothing was applied",
                              op->store->url);
    }
}

static segue_status run(rmw *op, segue_status (*body)(rmw *op), segue_outcome *ret_outcome)
{
    if (segue_store_caps(op->store) & SEGUE_CAP_WRITE_ID) op->write_id = seg_random_u64(op->call->env);
    segue_status st = seg_call_begin(op->store, true, op->call);
    if (st == SEGUE_OK) {
        st = body(op);
        seg_call_end(op->store, op->call);
    }
    if (st == SEGUE_OK && ret_outcome) *ret_outcome = op->outcome;
    (void)seg_error_told(op->call->err, st, op->store->url); /* it is st */
    if (st != SEGUE_OK && op->ret_doc) segue_doc_clear(op->ret_doc);
    segue_doc_free(&op->base);
    segue_applied_free(&op->applied);
    return st;
}

segue_status seg_store_mutate(segue_store *store, segue_slice key, const segue_mutation *mutation,
                              segue_outcome *ret_outcome, segue_doc *ret_doc, segue_call *call)
{
    rmw op = {.store = store, .key = key, .fixed = mutation, .ret_doc = ret_doc, .call = call};
    return run(&op, loop, ret_outcome);
}

/* Let the mutation be applied to `previous` or not at all. False: it expects something else, which takes a read to judge. */
static bool expects_previous(segue_mutation *m, const segue_record *previous)
{
    bool known = previous->cas != 0;
    if (m->expect == SEGUE_EXPECT_ANY) {
        m->expect = known ? SEGUE_EXPECT_RECORD_CAS : SEGUE_EXPECT_ABSENT;
        m->cas = previous->cas;
        return true;
    }
    if (!SEG_RULE(PREVIOUS_IS_BASE)) return true;
    if (m->expect == SEGUE_EXPECT_ABSENT) return !known;
    return (m->expect == SEGUE_EXPECT_CAS || m->expect == SEGUE_EXPECT_RECORD_CAS) && m->cas == previous->cas;
}

/* The first attempt with a document that the caller has: nothing is read for the callback, and its mutation goes out
 * under the CAS of that document. A conflict: forget it and go through the loop. */
static segue_status update_from_previous(rmw *op)
{
    const segue_record *previous = op->options->previous;
    segue_mutation m;
    bool known = previous->cas != 0;
    start_with(&m, op->options);
    segue_status st = ask(op, known ? previous : NULL, &m);
    if (st == SEGUE_RETRY) return loop(op);
    if (st != SEGUE_OK) return st;
    if (asks_nothing(op, &m)) return show_unchanged(op, known ? previous : NULL);
    if (!expects_previous(&m, previous)) return loop(op);
    op->fixed = &m;
    st = try_native(op, &m);
    if (st == SEGUE_USE_LOOP) st = attempt(op);
    op->fixed = NULL;
    bool gone = st == SEGUE_NOT_FOUND && known;
    return segue_status_is_conflict(st) || st == SEGUE_RETRY || gone ? loop(op) : st;
}

segue_status seg_store_update(segue_store *store, segue_slice key, segue_update_fn fn, void *ctx,
                              const segue_update_options *options, segue_outcome *ret_outcome, segue_call *call)
{
    rmw op = {.store = store, .key = key, .fn = fn, .ctx = ctx, .options = options, .call = call};
    return run(&op, options && options->previous ? update_from_previous : loop, ret_outcome);
}

segue_status segue_update(segue_store *store, segue_slice key, segue_update_fn fn, void *ctx,
                          const segue_update_options *options, segue_outcome *ret_outcome, segue_error *reterr)
{
    segue_error why;
    segue_call call = seg_call_public(store, options ? options->timeout_ns : 0, &why, reterr);
    segue_status st = seg_public_key(store, key, &call);
    if (st == SEGUE_OK) st = seg_store_update(store, key, fn, ctx, options, ret_outcome, &call);
    return seg_call_give(store, st, &why, reterr);
}
