/* L5: the last two steps. Seal: on proof only, and bound to the run that it is the proof of. Clean: after the fence
 * only. */
#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "base/rules.h"
#include "migrate/migration.h"

/* ---- seal ---- */

segue_status seg_seal_clients(segue_migration *m, segue_error *err)
{
    segue_phase phase = seg_migration_clients(m, SEGUE_PHASE_CLEAN);
    segue_status st = SEGUE_OK;
    if (phase < SEGUE_PHASE_FORWARD) st = seg_migration_phase(m, SEGUE_PHASE_FORWARD, err);
    /* Where they are sealed already, too: a wait for those from before may have been given up. */
    if (st == SEGUE_OK && phase <= SEGUE_PHASE_SEALED) st = seg_migration_phase(m, SEGUE_PHASE_SEALED, err);
    return st;
}

segue_status seg_seal(segue_migration *m, segue_error *err)
{
    bool is_proven = m->status.proof[0] && strcmp(m->status.proof, m->status.run_id) == 0;
    bool is_time = m->status.stage == SEGUE_STAGE_VERIFIED || m->status.stage == SEGUE_STAGE_SEALING;
    if (m->status.stage == SEGUE_STAGE_SEALED) return seg_seal_clients(m, err);
    if (m->status.stage > SEGUE_STAGE_SEALING)
        return seg_error_set(err, SEGUE_REFUSED, "migration \"%s\" is %s already", m->name,
                             segue_stage_name(m->status.stage));
    if ((!is_proven || !is_time) && SEG_RULE(SEAL_NEEDS_FULL_PASS))
        return seg_error_set(
            err, SEGUE_REFUSED,
            "migration \"%s\" cannot be sealed while it is %s: it takes a full sweep without errors and a "
            "verification without differences; run it",
            m->name, segue_stage_name(m->status.stage));
    segue_status st = seg_migration_stage(m, SEGUE_STAGE_SEALING, err);
    if (st == SEGUE_OK) st = seg_seal_clients(m, err);
    return st == SEGUE_OK ? seg_migration_stage(m, SEGUE_STAGE_SEALED, err) : st;
}

/* ---- clean ---- */

typedef struct cleaning {
    segue_migration *m;
    segue_call *call;
} cleaning;

/* A tombstone that was there only because a live record in the fallback had to be hidden, which is gone now. One with
 * xattrs holds data; one that came to life, or died anew, has another CAS. */
static segue_status purge(const cleaning *c, const seg_entry *entry)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = seg_call_get(c->m->to, entry->key, &doc, c->call);
    if (st == SEGUE_NOT_FOUND) return SEGUE_OK;
    if (st != SEGUE_OK) return st;
    if (!doc.rec.is_tombstone || doc.rec.cas != entry->cas || doc.rec.n_xattrs) return SEGUE_OK;
    st = seg_call_erase(c->m->to, entry->key, entry->cas, c->call);
    if (st == SEGUE_OK) c->m->status.counts.purged++;
    return st == SEGUE_NOT_FOUND || st == SEGUE_CAS_MISMATCH ? SEGUE_OK : st;
}

static segue_status forget(const cleaning *c, const segue_record *manifest)
{
    segue_status st = seg_call_erase(c->m->to, manifest->key, manifest->cas, c->call);
    SEG_CRASH_POINT(CLEAN_FORGOTTEN);
    return st == SEGUE_NOT_FOUND ? SEGUE_OK : st;
}

static segue_status clean_up_after(const cleaning *c, const segue_record *manifest)
{
    char quoted[SEG_QUOTED_MAX];
    seg_entry entry;
    if (!SEG_RULE(PURGE_BEFORE_FORGET)) {
        segue_status st = forget(c, manifest);
        if (st != SEGUE_OK) return st;
    }
    bool ok = true;
    /* With a copy, the fallback still holds what the tombstones hide. */
    for (size_t at = 0; !c->m->options.keep && seg_manifest_next(manifest->body, &at, &entry, &ok);) {
        if (!(entry.bits & SEG_ENTRY_HIDDEN)) continue;
        segue_status st = purge(c, &entry);
        SEG_CRASH_POINT(CLEAN_PURGED);
        if (st != SEGUE_OK) return st;
    }
    if (!ok)
        return segue_fail(c->call, SEGUE_CORRUPT, "the manifest %s cannot be understood",
                          seg_quote(manifest->key, quoted));
    return forget(c, manifest);
}

static segue_status clean_page(void *ctx, const segue_page *page, segue_error *err)
{
    segue_migration *m = ctx;
    for (size_t i = 0; i < page->n; i++) {
        segue_call call = seg_migration_call(m, err);
        cleaning c = {m, &call};
        segue_status st = clean_up_after(&c, &page->docs[i].rec);
        if (st == SEGUE_OK) st = seg_migration_tick(m, err);
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

/* What began before the seal has ended then: the operations of other processes, and a call of a runner that was taken for dead
 * and may have looked at the record just before that. */
static int64_t fence_ns(const segue_migration *m)
{
    if (!SEG_RULE(FENCE_IS_WAITED)) return 0;
    if (!m->status.overtaken_ns) return m->options.fence_ns;
    int64_t since = seg_wall_ns(m->env) - m->status.overtaken_ns;
    if (since < 0) since = 0; /* clocks of two hosts */
    int64_t left = m->options.timeout_ns - since;
    return left > m->options.fence_ns ? left : m->options.fence_ns;
}

segue_status seg_clean(segue_migration *m, segue_error *err)
{
    char text[2 * SEG_MANIFEST_KEY_SIZE];
    if (m->status.stage == SEGUE_STAGE_CLEAN) return SEGUE_OK;
    if (m->status.stage < SEGUE_STAGE_SEALED && SEG_RULE(PURGE_AFTER_FENCE))
        return seg_error_set(err, SEGUE_REFUSED, "migration \"%s\" is %s; it must be sealed before it is cleaned",
                             m->name, segue_stage_name(m->status.stage));
    m->options.keep = m->status.keep; /* by hand, the options may not say */
    /* The fence, of other processes and of this one, also if this is a later run. */
    segue_status st = seg_migration_wait(m, fence_ns(m), err);
    if (st == SEGUE_OK) st = seg_migration_stage(m, SEGUE_STAGE_CLEANING, err);
    if (st == SEGUE_OK && SEG_RULE(PURGE_AFTER_FENCE)) st = seg_seal_clients(m, err);
    segue_bounds b = seg_manifest_bounds(m->name, text);
    if (st == SEGUE_OK) st = seg_each_page(m, m->to, &b, clean_page, m, err);
    if (st == SEGUE_OK && seg_migration_clients(m, SEGUE_PHASE_CLEAN) == SEGUE_PHASE_SEALED)
        st = seg_migration_phase(m, SEGUE_PHASE_CLEAN, err);
    if (st != SEGUE_OK) return st;
    seg_keys_clear(&m->status.failed);
    m->status.finished_s = (int64_t)seg_wall_s(m->env);
    return seg_migration_stage(m, SEGUE_STAGE_CLEAN, err);
}
