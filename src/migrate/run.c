/* L5: a run, from preflight to clean. The stages, and what may be trusted in each after a kill:
 *
 *   starting ──> sweeping ──> verifying ──> verified ──> sealing ──> sealed ──> cleaning ──> clean
 *   │            │            │             │            │           └ the clients use the primary alone
 *   │            │            │             │            └ decided, on proof: can only go on
 *   │            │            │             └ proof of a full, uncut, error-free pass, and no difference
 *   │            │            └ the pass is proven; a new run sweeps again first
 *   │            └ the clients read both and write the primary; the cursor says how far this pass is
 *   └ writes may be held; counters may be pills, or handed over
 *
 * The stage is written before its work begins. Every step of every stage can be repeated. */
#include "base/base.h"
#include "base/env.h"
#include "base/rules.h"
#include "migrate/migration.h"

#include <stdio.h>

/* ---- preflight: everything that can be said before anything is changed ---- */

typedef struct looking {
    segue_migration *m;
    segue_store *store;
    uint64_t in_scope;
} looking;

static const char *without_filters(const segue_store *store)
{
    for (const segue_store *below; (below = seg_store_below(store)) != NULL;) store = below;
    return store->url;
}

/* Segue's own records: other migrations that are not finished, and anything else in the fallback. */
static segue_status look_at_reserved(void *ctx, const segue_page *page, segue_error *err)
{
    looking *l = ctx;
    segue_slice prefix = segue_str(SEG_STATUS_PREFIX);
    char quoted[SEG_QUOTED_MAX], name[SEGUE_KEY_MAX + 1];
    for (size_t i = 0; i < page->n; i++) {
        const segue_record *rec = &page->docs[i].rec;
        bool is_status = segue_slice_starts_with(rec->key, prefix);
        if (rec->is_tombstone || (!is_status && l->store == l->m->to)) continue;
        segue_stage stage = SEGUE_STAGE_NONE;
        if (is_status) {
            (void)snprintf(name, sizeof name, "%.*s", (int)(rec->key.size - prefix.size), rec->key.data + prefix.size);
            if (l->store == l->m->to && strcmp(name, l->m->name) == 0) continue;
            seg_status other = {0};
            segue_call call = seg_migration_call(l->m, err);
            segue_status st = seg_status_load(l->store, name, &other, &call);
            stage = other.stage;
            seg_status_free(&other);
            if (st == SEGUE_NOT_FOUND) continue;
            if (st != SEGUE_OK) return st;
        }
        if (stage == SEGUE_STAGE_CLEAN) continue;
        return seg_error_set(err, SEGUE_REFUSED,
                             "%.80s holds %s of a migration that is not finished; finish that one first",
                             segue_store_url(l->store), seg_quote(rec->key, quoted));
    }
    return SEGUE_OK;
}

static segue_status check_reserved(segue_migration *m, segue_store *store, segue_error *err)
{
    looking l = {.m = m, .store = store};
    segue_bounds b = {.from = segue_str("_segue:"), .to = segue_str("_segue;"), .to_open = true, .keys_only = true};
    return seg_each_page(m, store, &b, look_at_reserved, &l, err);
}

static segue_status count_in_scope(void *ctx, const segue_page *page, segue_error *err)
{
    looking *l = ctx;
    char quoted[SEG_QUOTED_MAX];
    for (size_t i = 0; i < page->n; i++) {
        segue_slice key = page->docs[i].rec.key;
        if (seg_key_is_reserved(key)) continue;
        const seg_policy_rule *rule = &l->m->policy->rules[segue_policy_classify(l->m->policy, key)];
        if (rule->action == SEGUE_ACTION_STOP)
            return seg_error_set(err, SEGUE_REFUSED, "%s must not be there (rule \"%s\")", seg_quote(key, quoted),
                                 rule->name);
        l->in_scope += rule->action != SEGUE_ACTION_LEAVE;
    }
    return SEGUE_OK;
}

/* What is left in the fallback to do. Reads keys only. */
static segue_status count_keys(segue_migration *m, uint64_t *ret_in_scope, segue_error *err)
{
    looking l = {.m = m, .store = m->from};
    segue_bounds b = seg_policy_bounds(m->policy);
    b.keys_only = true;
    segue_status st = seg_each_page(m, m->from, &b, count_in_scope, &l, err);
    if (st == SEGUE_OK) *ret_in_scope = l.in_scope;
    return st;
}

/* Whether the fallback can be written at all; that the primary can, its status record shows. */
static segue_status check_writable(segue_migration *m, segue_error *err)
{
    if (m->options.keep) return SEGUE_OK;
    segue_call call = seg_migration_call(m, err);
    segue_status st = seg_call_erase(m->from, segue_str(SEG_RESERVED_PREFIX "probe"), 1, &call);
    return st == SEGUE_NOT_FOUND || st == SEGUE_CAS_MISMATCH ? SEGUE_OK : st;
}

/* A terminated copy, as the status record has it, into an empty buffer. */
static segue_status remember_url(segue_buf *out, const char *url)
{
    segue_status st = seg_status_text_of(segue_str(url), out);
    if (st == SEGUE_OK) st = segue_buf_append(out, "", 1);
    if (st == SEGUE_OK) out->size--;
    return st;
}

static segue_status is_side(const segue_buf *url, const segue_store *store, bool *ret_is, segue_error *err)
{
    SEG_AUTO(segue_buf) text = {0};
    segue_status st = remember_url(&text, without_filters(store));
    if (st != SEGUE_OK) return seg_error_set(err, st, "out of memory for the URLs of a migration");
    *ret_is = segue_slice_equal(segue_buf_slice(url), segue_buf_slice(&text));
    return SEGUE_OK;
}

/* An unfinished migration of this name: may this run go on with it? */
static segue_status check_same(const segue_migration *m, segue_error *err)
{
    const seg_status *s = &m->status;
    bool from_is = false, to_is = false;
    segue_status st = is_side(&s->from, m->from, &from_is, err);
    if (st == SEGUE_OK) st = is_side(&s->to, m->to, &to_is, err);
    if (st != SEGUE_OK) return st;
    if (!from_is || !to_is)
        return seg_error_set(
            err, SEGUE_REFUSED,
            "migration \"%s\" is one from %.80s to %.80s and not finished; go on with it under the same URLs", m->name,
            segue_buf_slice(&s->from).size ? s->from.data : "?", segue_buf_slice(&s->to).size ? s->to.data : "?");
    if (s->stage < SEGUE_STAGE_SEALING && strcmp(s->policy, m->policy->digest) != 0 && !m->options.new_policy)
        return seg_error_set(
            err, SEGUE_REFUSED,
            "migration \"%s\" began under another policy (%s, now %s); go on with that one, or say that the "
            "new one is meant",
            m->name, s->policy, m->policy->digest);
    if (s->keep != m->options.keep)
        return seg_error_set(err, SEGUE_REFUSED, "migration \"%s\" began %s the fallback; go on with it that way",
                             m->name, s->keep ? "keeping" : "emptying");
    return SEGUE_OK;
}

/* Clients that are ahead of the migration cannot be led back. */
static segue_status check_phase(const segue_migration *m, segue_error *err)
{
    segue_phase phase = seg_migration_clients(m, SEGUE_PHASE_LEGACY);
    if (m->status.stage < SEGUE_STAGE_SEALING && phase > SEGUE_PHASE_FORWARD)
        return seg_error_set(err, SEGUE_REFUSED, "the dual store is %s already, and the migration is not; open it anew",
                             segue_phase_name(phase));
    return SEGUE_OK;
}

static segue_status begin_anew(segue_migration *m, segue_error *err)
{
    seg_status *s = &m->status;
    seg_status fresh = {.epoch = s->epoch, .sequence = s->sequence, .cas = s->cas, .revision = s->revision};
    seg_status_free(s);
    *s = fresh;
    memcpy(s->name, m->name, sizeof s->name);
    (void)snprintf(s->run_id, sizeof s->run_id, "%016llx%016llx", (unsigned long long)seg_random_u64(m->env),
                   (unsigned long long)seg_random_u64(m->env));
    s->keep = m->options.keep;
    s->keep_cas = m->keeps_cas;
    s->stage = SEGUE_STAGE_STARTING;
    s->started_s = (int64_t)seg_wall_s(m->env);
    segue_status st = remember_url(&s->from, without_filters(m->from));
    if (st == SEGUE_OK) st = remember_url(&s->to, without_filters(m->to));
    return st == SEGUE_OK ? st : seg_error_set(err, st, "out of memory for a migration");
}

/* END: it is finished, and there is nothing new to do. */
static segue_status preflight(segue_migration *m, segue_error *err)
{
    uint64_t in_scope = 0;
    segue_status st = seg_migration_look(m, err);
    bool is_new = st == SEGUE_NOT_FOUND;
    if (is_new) st = SEGUE_OK;
    bool is_clean = !is_new && m->status.stage == SEGUE_STAGE_CLEAN;
    if (st == SEGUE_OK && !is_new && !is_clean) st = check_same(m, err);
    if (st == SEGUE_OK) st = check_reserved(m, m->to, err);
    if (st == SEGUE_OK) st = check_reserved(m, m->from, err);
    if (st == SEGUE_OK) st = check_writable(m, err);
    bool counts = is_clean || m->options.count_first || m->policy->can_stop, same_sides = false;
    if (st == SEGUE_OK && counts) st = count_keys(m, &in_scope, err);
    if (st == SEGUE_OK && is_clean) st = is_side(&m->status.from, m->from, &same_sides, err);
    if (st != SEGUE_OK) return st;
    if (same_sides && (in_scope == 0 || m->options.keep)) return SEGUE_END;
    if (is_new || is_clean) st = begin_anew(m, err);
    if (st == SEGUE_OK) st = check_phase(m, err);
    memcpy(m->status.policy, m->policy->digest, sizeof m->status.policy);
    m->status.total = counts ? in_scope : 0;
    return st;
}

/* ---- starting: hold, counters, forward ---- */

/* The counters that the policy names, while no client writes: so none is incremented on both sides. */
static segue_status hand_over_counters(segue_migration *m, segue_error *err)
{
    for (size_t i = 0; i < m->policy->n_rules; i++) {
        const seg_policy_rule *r = &m->policy->rules[i];
        if (r->kind != SEG_RULE_KEY || r->action != SEGUE_ACTION_COUNTER) continue;
        seg_swept swept = {0};
        segue_status st = seg_counter_try(m, segue_bytes(r->pattern, r->size), &swept);
        seg_migration_add(m, &swept);
        if (st != SEGUE_OK) *err = swept.err;
        seg_swept_clear(&swept);
        if (st == SEGUE_OK) st = seg_migration_tick(m, err);
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

static segue_status hold(segue_migration *m, segue_error *err)
{
    if (seg_migration_clients(m, SEGUE_PHASE_FORWARD) >= SEGUE_PHASE_FORWARD) return SEGUE_OK;
    segue_status st = seg_migration_phase(m, SEGUE_PHASE_HOLD, err);
    if (st == SEGUE_OK) return SEGUE_OK;
    /* Nothing has begun: let the clients go on as before. That is at once, and who is inside need not be waited for. */
    segue_status back = segue_dual_set_phase(m->dual, SEGUE_PHASE_LEGACY, 1, NULL);
    (void)back; /* TIMEOUT: as said; REFUSED: somebody else has led them on */
    return st;
}

static segue_status start(segue_migration *m, segue_error *err)
{
    segue_status st = seg_migration_stage(m, SEGUE_STAGE_STARTING, err);
    if (st == SEGUE_OK) st = seg_migration_cancelled(m, err);
    if (st != SEGUE_OK) return st;
    int64_t began = seg_mono_ns(m->env);
    st = hold(m, err);
    if (st != SEGUE_OK) return st;
    st = hand_over_counters(m, err);
    /* Forward in any case: a counter may be in the primary now, where legacy clients would not find it. */
    segue_error forward_err = {0};
    segue_status forward = seg_migration_phase(m, SEGUE_PHASE_FORWARD, &forward_err);
    if (m->dual) m->status.hold_ns = seg_mono_ns(m->env) - began;
    if (st == SEGUE_OK && forward != SEGUE_OK) *err = forward_err;
    return st == SEGUE_OK ? forward : st;
}

/* Foreign writes that stopped an earlier run: now it has been said what is to become of them, or not. */
static segue_status settle_foreign(segue_migration *m, segue_error *err)
{
    char quoted[SEG_QUOTED_MAX];
    seg_keys *keys = &m->status.foreign;
    if (keys->n == 0) return SEGUE_OK;
    if (m->options.on_foreign_write == SEGUE_FOREIGN_STOP)
        return seg_error_set(
            err, SEGUE_NOT_FINISHED,
            "%s was written in the fallback behind the migration's back; run again and say whether the newer "
            "record or the primary's wins",
            seg_quote(segue_buf_slice(&keys->keys[0]), quoted));
    segue_status st = SEGUE_OK;
    for (size_t i = 0; i < keys->n && st == SEGUE_OK; i++) {
        seg_swept swept = {0};
        segue_call call = seg_migration_call(m, err);
        st = seg_foreign_settle(m, segue_buf_slice(&keys->keys[i]), m->options.on_foreign_write, &swept, &call);
        seg_migration_add(m, &swept);
        seg_swept_clear(&swept);
    }
    if (st == SEGUE_OK) seg_keys_clear(keys);
    return st == SEGUE_OK ? seg_migration_save(m, err) : st;
}

/* ---- the way through the stages ---- */

static segue_status sweep(segue_migration *m, segue_error *err)
{
    m->status.proof[0] = '\0';
    segue_status st = start(m, err);
    if (st == SEGUE_OK) st = seg_migration_stage(m, SEGUE_STAGE_SWEEPING, err);
    if (st == SEGUE_OK) st = settle_foreign(m, err);
    if (st == SEGUE_OK) st = seg_passes(m, err);
    if (st == SEGUE_OK) st = seg_migration_stage(m, SEGUE_STAGE_VERIFYING, err);
    if (st != SEGUE_OK) return st;
    segue_verified verified = {0};
    st = seg_verify(m, 0, NULL, NULL, &verified, err);
    if (st == SEGUE_DIFFERENT && !SEG_RULE(SEAL_NEEDS_VERIFY)) st = SEGUE_OK;
    if (st == SEGUE_DIFFERENT)
        return seg_error_set(
            err, st,
            "verification of \"%s\" found %llu %s, so nothing is sealed; verify names what differs and "
            "repairs what it can",
            m->name, (unsigned long long)verified.differences,
            seg_word(verified.differences, "difference", "differences"));
    if (st != SEGUE_OK) return st;
    memcpy(m->status.proof, m->status.run_id, sizeof m->status.proof);
    return seg_migration_stage(m, SEGUE_STAGE_VERIFIED, err);
}

static segue_status go(segue_migration *m, segue_error *err)
{
    segue_status st = SEGUE_OK;
    if (m->status.stage < SEGUE_STAGE_SEALING) {
        st = sweep(m, err);
        if (st != SEGUE_OK || m->options.hold_seal) return st;
    }
    if (m->status.stage < SEGUE_STAGE_SEALED) st = seg_seal(m, err);
    else st = seg_seal_clients(m, err);
    return st == SEGUE_OK && !m->options.hold_clean ? seg_clean(m, err) : st;
}

/* The migration was over before: lead the clients of this process there, too. RETRY: while they were in legacy they
 * wrote the fallback, so there is something to do. */
static segue_status follow(segue_migration *m, segue_error *err)
{
    segue_phase phase = seg_migration_clients(m, SEGUE_PHASE_CLEAN);
    uint64_t in_scope = 0;
    segue_status st = SEGUE_OK;
    if (phase < SEGUE_PHASE_FORWARD) {
        st = seg_migration_phase(m, SEGUE_PHASE_FORWARD, err);
        if (st == SEGUE_OK && !m->options.keep) st = count_keys(m, &in_scope, err);
        if (st == SEGUE_OK && in_scope) return SEGUE_RETRY;
    }
    if (st == SEGUE_OK) st = seg_seal_clients(m, err);
    return st == SEGUE_OK ? seg_migration_phase(m, SEGUE_PHASE_CLEAN, err) : st;
}

segue_status segue_migration_run(segue_migration *m, segue_error *reterr)
{
    segue_error err = {0};
    if (!m->policy) return seg_error_set(reterr, SEGUE_INVALID_POLICY, "a migration needs a policy");
    if (!m->from) return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a migration needs a store to move from");
    segue_status st;
    while ((st = preflight(m, &err)) == SEGUE_END) {
        st = follow(m, &err);
        if (st != SEGUE_RETRY) return seg_migration_give(m, st, &err, reterr);
    }
    if (st == SEGUE_OK) st = seg_migration_claim(m, &err);
    if (st != SEGUE_OK) return seg_migration_give(m, st, &err, reterr);
    st = go(m, &err);
    return seg_migration_give(m, seg_migration_leave(m, st, &err), &err, reterr);
}

/* ---- one step by hand ---- */

static segue_status by_hand(segue_migration *m, segue_status (*step)(segue_migration *, segue_error *),
                            segue_error *reterr)
{
    segue_error err = {0};
    segue_status st = seg_migration_look(m, &err);
    if (st == SEGUE_NOT_FOUND)
        st = seg_error_set(&err, st, "%.100s knows of no migration \"%s\"", segue_store_url(m->to), m->name);
    if (st == SEGUE_OK) st = seg_migration_claim(m, &err);
    if (st != SEGUE_OK) return seg_migration_give(m, st, &err, reterr);
    st = step(m, &err);
    return seg_migration_give(m, seg_migration_leave(m, st, &err), &err, reterr);
}

segue_status segue_migration_seal(segue_migration *m, segue_error *reterr) { return by_hand(m, seg_seal, reterr); }

segue_status segue_migration_clean(segue_migration *m, segue_error *reterr) { return by_hand(m, seg_clean, reterr); }
