/* L5: writes to the fallback by somebody who does not know of the migration: seen because the sweep erases by CAS, or
 * because both sides have a key and the fallback's CAS is the greater one (a dual store gives every record of the
 * primary a greater CAS than the one it replaces has in the fallback). Any thread. */
#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "doc/doc.h"
#include "migrate/migration.h"

enum { TRIES = 8 };

bool seg_foreign_is_newer(const segue_migration *m, const segue_record *fallback, uint64_t primary_cas,
                          bool primary_is_tombstone)
{
    if (fallback->cas <= primary_cas) return false;
    if (!fallback->is_tombstone) return true;
    /* A reaper of another process: what has expired there was moved, or taken over by a client, before. */
    if (fallback->write_id == SEG_REAPED) return false;
    /* Deleted in the fallback: nothing against a deleted one, and Sync Gateway's own mover deletes what it has
     * copied. */
    return !primary_is_tombstone && !m->policy->tombstones_yield;
}

/* The fallback's record replaces the primary's `old`, as a change of it. CAS_MISMATCH: a client was faster. */
static segue_status replace(segue_migration *m, const segue_record *newer, const segue_record *old, segue_call *call)
{
    segue_put put = {.rec = *newer, .condition = SEGUE_IF_CAS, .if_cas = old->cas, .cas_floor = newer->cas};
    put.rec.revision = (newer->revision > old->revision ? newer->revision : old->revision) + 1;
    return seg_call_put(m->to, &put, NULL, call);
}

/* Of a key that is known to have been written behind our back, after `before` was read there (or NULL). Where the
 * primary gives a copy a CAS of its own, that CAS says when it was copied, which can be later than the write: our own
 * copy is the older one whatever it says. Of others the clocks decide, which can be a tick apart (the low 16 bits count
 * within one). */
static bool wins_as_newer(const segue_migration *m, const segue_record *fallback, const segue_record *primary,
                          const segue_record *before)
{
    if (m->keeps_cas) return fallback->cas > primary->cas;
    if (before && seg_record_same_content(before, primary)) return true;
    return fallback->cas >> 16 >= primary->cas >> 16;
}

/* RETRY: somebody was faster, look again. */
static segue_status settle_once(segue_migration *m, segue_slice key, segue_on_foreign how, const segue_record *before,
                                seg_swept *swept, segue_call *call)
{
    SEG_AUTO(segue_doc) fallback = {0};
    SEG_AUTO(segue_doc) primary = {0};
    segue_status st = seg_call_get(m->from, key, &fallback, call);
    if (st != SEGUE_OK) return st == SEGUE_NOT_FOUND ? SEGUE_OK : st;
    st = seg_call_get(m->to, key, &primary, call);
    if (st == SEGUE_NOT_FOUND) {
        st = seg_sweep_key(m, key, swept, call);
        return st == SEGUE_NOT_FOUND ? SEGUE_OK : st;
    }
    if (st != SEGUE_OK) return st;
    if (how == SEGUE_FOREIGN_NEWER && wins_as_newer(m, &fallback.rec, &primary.rec, before)) {
        st = replace(m, &fallback.rec, &primary.rec, call);
        SEG_CRASH_POINT(FOREIGN_REPLACED);
        if (st == SEGUE_CAS_MISMATCH || st == SEGUE_NOT_FOUND || st == SEGUE_MAYBE_APPLIED) return SEGUE_RETRY;
        if (st != SEGUE_OK) return st;
    }
    if (m->options.keep) return SEGUE_OK;
    st = seg_call_erase(m->from, key, fallback.rec.cas, call);
    SEG_CRASH_POINT(FOREIGN_SETTLED);
    if (st == SEGUE_CAS_MISMATCH || st == SEGUE_MAYBE_APPLIED) return SEGUE_RETRY;
    if (st == SEGUE_OK) swept->settled++;
    return st == SEGUE_NOT_FOUND ? SEGUE_OK : st;
}

static segue_status settle(segue_migration *m, segue_slice key, segue_on_foreign how, const segue_record *before,
                           seg_swept *swept, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    for (int i = 0; i < TRIES; i++) {
        segue_status st = settle_once(m, key, how, before, swept, call);
        if (st != SEGUE_RETRY) return st;
    }
    return segue_fail(call, SEGUE_UNAVAILABLE, "%s is written in the fallback faster than it can be settled",
                      seg_quote(key, quoted));
}

segue_status seg_foreign_settle(segue_migration *m, segue_slice key, segue_on_foreign how, seg_swept *swept,
                                segue_call *call)
{
    return settle(m, key, how, NULL, swept, call);
}

segue_status seg_foreign_changed(segue_migration *m, const segue_record *before, seg_swept *swept, segue_call *call)
{
    SEG_AUTO(segue_doc) now = {0};
    swept->work++; /* whatever it is, another pass has to look */
    segue_status st = seg_call_get(m->from, before->key, &now, call);
    if (st == SEGUE_NOT_FOUND || (st == SEGUE_OK && now.rec.cas == before->cas)) return SEGUE_OK;
    if (st != SEGUE_OK) return st;
    /* Reaped by another process; where no mark says so, the expiry does. */
    bool has_expired = before->expiry && before->expiry <= seg_wall_s(m->env);
    if (now.rec.is_tombstone && (has_expired || now.rec.write_id == SEG_REAPED)) return SEGUE_OK;
    swept->counts.foreign_writes++;
    if (m->options.on_foreign_write == SEGUE_FOREIGN_STOP) {
        seg_keys_add(&swept->foreign, before->key);
        return SEGUE_OK;
    }
    return settle(m, before->key, m->options.on_foreign_write, before, swept, call);
}
