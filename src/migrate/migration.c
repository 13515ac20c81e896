/* L5: handles, the status record of a runner, progress, phases, patience. */
#include "migrate/migration.h"

#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "base/retry.h"
#include "base/rules.h"

#include <stdio.h>

static const int64_t MILLISECOND = 1000 * 1000, SECOND = INT64_C(1000) * 1000 * 1000;

enum { WORKERS = 2, WORKERS_MAX = 64, PAGE_DOCS = 1000, PAGE_BYTES = 1024 * 1024, PASSES = 20 };

/* ---- open and close ---- */

static void fill_defaults(segue_migration_options *o)
{
    if (!o->name) o->name = "default";
    if (!o->workers) o->workers = WORKERS;
    if (!o->page_docs) o->page_docs = PAGE_DOCS;
    if (!o->page_bytes) o->page_bytes = PAGE_BYTES;
    if (!o->max_passes) o->max_passes = PASSES;
    if (!o->timeout_ns) o->timeout_ns = 30 * SECOND;
    if (!o->drain_ns) o->drain_ns = 60 * SECOND;
    if (!o->stale_ns) o->stale_ns = 15 * SECOND;
}

static segue_status check_options(const segue_migration_options *o, segue_error *reterr)
{
    segue_status st = seg_migration_name_check(o->name, reterr);
    if (st != SEGUE_OK) return st;
    if (o->workers > WORKERS_MAX || (unsigned)o->on_foreign_write > SEGUE_FOREIGN_PRIMARY || o->timeout_ns < 0 ||
        o->drain_ns < 0 || o->fence_ns < 0 || o->stale_ns < 0)
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "an option of the migration is out of bounds");
    return SEGUE_OK;
}

/* The sides of the dual store, where they were not given; what was given must be the same. */
static segue_status check_sides(segue_store **from, segue_store **to, segue_store *dual, segue_error *reterr)
{
    segue_store *primary = NULL, *fallback = NULL;
    if (dual && segue_dual_sides(dual, &primary, &fallback) != SEGUE_OK)
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "the dual store of a migration is none");
    if (!*from) *from = fallback;
    if (!*to) *to = primary;
    if (!*to) return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a migration needs a store to move to");
    if ((*from && seg_store_find(*from, "dual")) || seg_store_find(*to, "dual"))
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a side of a migration cannot be a dual store");
    if (*from && seg_store_same(*from, *to))
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "%s and %s are the same collection",
                             segue_store_url(*from), segue_store_url(*to));
    if (dual && (!seg_store_same(*to, primary) || (*from && !seg_store_same(*from, fallback))))
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "the dual store has other sides than the migration");
    return SEGUE_OK;
}

segue_status segue_migration_open(segue_store *from, segue_store *to, const segue_migration_options *options,
                                  segue_migration **ret_migration, segue_error *reterr)
{
    segue_migration_options o = {0};
    if (options) o = *options;
    fill_defaults(&o);
    segue_status st = check_options(&o, reterr);
    if (st == SEGUE_OK) st = check_sides(&from, &to, o.dual, reterr);
    if (st != SEGUE_OK) return st;
    segue_migration *m = seg_alloc_zero(sizeof *m);
    if (!m) return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a migration");
    m->from = from ? seg_store_ref(from) : NULL;
    m->to = seg_store_ref(to);
    m->dual = o.dual ? seg_store_ref(o.dual) : NULL;
    if (m->from) seg_reap_guard_add(m->from, &m->guard);
    m->policy = o.policy;
    memcpy(m->name, o.name, strlen(o.name) + 1);
    o.name = m->name;
    m->options = o;
    m->env = &m->to->env;
    m->keeps_cas = segue_store_caps(to) & SEGUE_CAP_KEEP_CAS;
    atomic_init(&m->cancelled, false);
    atomic_init(&m->cannot_move, false);
    atomic_init(&m->next_manifest, 0);
    *ret_migration = m;
    return SEGUE_OK;
}

void segue_migration_close(segue_migration *m)
{
    if (!m) return;
    seg_status_free(&m->status);
    seg_reap_guard_remove(&m->guard);
    segue_close(m->from);
    segue_close(m->to);
    segue_close(m->dual);
    seg_free(m);
}

void segue_migration_cancel(segue_migration *m) { atomic_store(&m->cancelled, true); }

segue_call seg_migration_call(const segue_migration *m, segue_error *err)
{
    return seg_call_new(m->to, m->options.timeout_ns, err);
}

segue_status seg_migration_cancelled(const segue_migration *m, segue_error *err)
{
    if (!atomic_load(&m->cancelled)) return SEGUE_OK;
    return seg_error_set(err, SEGUE_NOT_FINISHED, "migration \"%s\" was stopped; its place is kept, run it again",
                         m->name);
}

segue_status seg_migration_still_ours(const segue_migration *m, segue_call *call)
{
    seg_status now = {0};
    if (!m->is_runner || !SEG_RULE(RUNNER_LOOKS_AGAIN)) return SEGUE_OK;
    segue_status st = seg_status_load(m->to, m->name, &now, call);
    bool is_ours = st == SEGUE_OK && strcmp(now.runner.id, m->own_id) == 0;
    seg_status_free(&now);
    if (st != SEGUE_OK) return st;
    if (is_ours) return seg_call_in_time(call);
    return segue_fail(call, SEGUE_BUSY_ELSEWHERE, "somebody else has taken over migration \"%s\"", m->name);
}

/* ---- the status record ---- */

segue_status seg_migration_look(segue_migration *m, segue_error *err)
{
    segue_call call = seg_migration_call(m, err);
    seg_status_free(&m->status);
    segue_status st = seg_status_load(m->to, m->name, &m->status, &call);
    /* This very handle was the runner, and could not even say any more that it has left. */
    if (st == SEGUE_OK && m->own_id[0] && SEG_RULE(RUNNER_KNOWS_ITSELF) && strcmp(m->status.runner.id, m->own_id) == 0)
        return SEGUE_OK;
    if (st != SEGUE_OK || !seg_runner_is_alive(&m->status.runner, m->env, m->options.stale_ns)) return st;
    return seg_error_set(err, SEGUE_BUSY_ELSEWHERE,
                         "migration \"%s\" is being run by process %lld on %.60s; wait for it, or stop it", m->name,
                         (long long)m->status.runner.pid, m->status.runner.place);
}

segue_status seg_migration_save(segue_migration *m, segue_error *err)
{
    segue_call call = seg_migration_call(m, err);
    int64_t now = seg_mono_ns(m->env);
    m->status.active_ns += now - m->saved_ns;
    m->saved_ns = now;
    m->status.done = m->done;
    m->status.run_ns = now - m->began_ns;
    if (m->status.runner.id[0]) m->status.runner.beat_ns = seg_wall_ns(m->env);
    seg_backoff backoff;
    seg_backoff_init(&backoff, 10 * MILLISECOND, SECOND);
    int64_t deadline = now + m->options.timeout_ns;
    SEG_CRASH_POINT(STATUS_UNSAVED);
    segue_error before = {0};
    for (;;) {
        segue_status st = seg_status_save(m->to, &m->status, &call);
        SEG_CRASH_POINT(STATUS_SAVED);
        if (st == SEGUE_TIMEOUT && before.status != SEGUE_OK) {
            *err = before; /* what was in the way all the time says more than that the time is over */
            return before.status;
        }
        if (!segue_status_is_retryable(st) || !seg_backoff_wait(&backoff, m->env, deadline)) return st;
        if (st != SEGUE_TIMEOUT) before = *err;
    }
}

segue_status seg_migration_claim(segue_migration *m, segue_error *err)
{
    m->began_ns = m->saved_ns = seg_mono_ns(m->env);
    m->shown_ns = 0;
    m->done = 0;
    m->status.epoch++;
    m->status.last_error[0] = '\0';
    seg_runner here;
    seg_runner_here(m->env, &here);
    if (seg_runner_may_sleep(&m->status.runner, &here)) m->status.overtaken_ns = here.beat_ns;
    m->status.runner = here;
    memcpy(m->own_id, m->status.runner.id, sizeof m->own_id);
    segue_status st = seg_migration_save(m, err);
    m->is_runner = st == SEGUE_OK;
    bool is_over = m->status.stage == SEGUE_STAGE_CLEAN;
    atomic_store(&m->next_manifest, is_over ? 0 : (m->status.epoch & UINT32_MAX) << 32 | 1);
    return st;
}

void seg_migration_show(segue_migration *m, bool is_last)
{
    m->shown_ns = seg_mono_ns(m->env);
    if (!m->options.progress) return;
    segue_progress p = {.stage = m->status.stage, .pass = m->status.pass, .done = m->done, .total = m->status.total};
    if (m->verifying) {
        p.stage = SEGUE_STAGE_VERIFYING;
        p.done = m->verifying->checked + m->verifying->in_scope;
        p.total = 0;
    }
    p.elapsed_ns = m->shown_ns - m->began_ns;
    p.counts = m->status.counts;
    p.is_last = is_last;
    m->options.progress(m->options.progress_ctx, &p);
}

segue_status seg_migration_tick(segue_migration *m, segue_error *err)
{
    int64_t now = seg_mono_ns(m->env);
    if (now - m->shown_ns >= 200 * MILLISECOND) seg_migration_show(m, false);
    return m->is_runner && now - m->saved_ns >= SECOND / 2 ? seg_migration_save(m, err) : SEGUE_OK;
}

segue_status seg_migration_stage(segue_migration *m, segue_stage stage, segue_error *err)
{
    m->status.stage = stage;
    seg_log(SEGUE_LOG_INFO, "migration=%s run=%s epoch=%llu stage=%s moved=%llu", m->name, m->status.run_id,
            (unsigned long long)m->status.epoch, segue_stage_name(stage), (unsigned long long)m->status.counts.moved);
    bool is_written = SEG_RULE(STAGE_BEFORE_WORK) || stage == SEGUE_STAGE_STARTING;
    segue_status st = is_written ? seg_migration_save(m, err) : SEGUE_OK;
    if (st == SEGUE_OK) seg_migration_show(m, false);
    return st;
}

segue_status seg_migration_leave(segue_migration *m, segue_status st, segue_error *err)
{
    m->is_runner = false;
    if (st == SEGUE_BUSY_ELSEWHERE) return st; /* it is somebody else's now */
    m->status.runner.id[0] = '\0';
    (void)seg_error_told(err, st, segue_store_url(m->to)); /* it is st */
    (void)snprintf(m->status.last_error, sizeof m->status.last_error, "%s", st == SEGUE_OK ? "" : err->message);
    segue_error ignored = {0};
    segue_status saved = seg_migration_save(m, st == SEGUE_OK ? err : &ignored);
    seg_migration_show(m, true);
    return st == SEGUE_OK ? saved : st; /* the first failure is the one that matters */
}

segue_status seg_migration_give(const segue_migration *m, segue_status st, segue_error *err, segue_error *reterr)
{
    (void)seg_error_told(err, st, segue_store_url(m->to)); /* it is st */
    if (st != SEGUE_OK && reterr) *reterr = *err;
    return st;
}

/* ---- waiting ---- */

segue_status seg_migration_wait(segue_migration *m, int64_t ns, segue_error *err)
{
    int64_t until = seg_mono_ns(m->env) + ns;
    for (;;) {
        segue_status st = seg_migration_cancelled(m, err);
        if (st == SEGUE_OK) st = seg_migration_tick(m, err);
        int64_t left = until - seg_mono_ns(m->env);
        if (st != SEGUE_OK || left <= 0) return st;
        seg_sleep_ns(m->env, left < 50 * MILLISECOND ? left : 50 * MILLISECOND);
    }
}

segue_phase seg_migration_clients(const segue_migration *m, segue_phase none)
{
    segue_status st = m->dual ? segue_dual_phase(m->dual, &none) : SEGUE_OK;
    seg_assert(st == SEGUE_OK); /* it is a dual store: see check_sides */
    return none;
}

segue_status seg_migration_phase(segue_migration *m, segue_phase phase, segue_error *err)
{
    if (!m->dual) return SEGUE_OK;
    int64_t deadline = seg_mono_ns(m->env) + m->options.drain_ns;
    for (;;) {
        segue_status st = segue_dual_set_phase(m->dual, phase, SECOND / 4, err);
        SEG_CRASH_POINT(PHASE_CHANGED);
        if (st != SEGUE_TIMEOUT) return st;
        if (seg_mono_ns(m->env) >= deadline) return st;
        st = seg_migration_tick(m, err);
        if (st != SEGUE_OK) return st;
    }
}

/* ---- reading ---- */

segue_status seg_read_page(segue_migration *m, segue_store *store, const segue_bounds *bounds, segue_page *page,
                           uint64_t *retries, segue_error *err)
{
    enum { TRIES = 5 };
    seg_backoff backoff;
    seg_backoff_init(&backoff, 10 * MILLISECOND, SECOND);
    page->max_docs = m->options.page_docs;
    page->max_bytes = m->options.page_bytes;
    for (int i = 1;; i++) {
        segue_call call = seg_migration_call(m, err);
        segue_status st = seg_call_scan(store, bounds, page, &call);
        if (!segue_status_is_retryable(st) || i == TRIES || atomic_load(&m->cancelled)) return st;
        ++*retries;
        (void)seg_backoff_wait(&backoff, m->env, 0); /* no deadline: it cannot pass */
    }
}

segue_status seg_each_page(segue_migration *m, segue_store *store, const segue_bounds *bounds, seg_page_fn fn,
                           void *ctx, segue_error *err)
{
    segue_page page = {0};
    SEG_AUTO(segue_buf) from = {0};
    segue_bounds b = *bounds;
    uint64_t retries = 0;
    segue_status st;
    for (;;) {
        st = seg_migration_cancelled(m, err);
        if (st == SEGUE_OK) st = seg_read_page(m, store, &b, &page, &retries, err);
        if (st == SEGUE_OK && page.n) st = fn(ctx, &page, err);
        if (st != SEGUE_OK || !page.more) break;
        segue_slice last = page.docs[page.n - 1].rec.key;
        segue_buf_clear(&from);
        st = segue_buf_append(&from, last.data, last.size);
        if (st != SEGUE_OK) {
            st = seg_error_set(err, st, "out of memory in a scan");
            break;
        }
        b.from = segue_buf_slice(&from);
        b.from_open = true;
    }
    segue_page_free(&page);
    return st;
}
