/* L5: verification by content, in constant memory but for the keys that differ: each manifest against the primary's
 * records of its range, then the keys of the fallback. One thread; reads only, unless it repairs. */
#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "migrate/migration.h"
#include "migrate/told.h"

#include <stdio.h>

static const char *const difference_names[] = {"missing", "content", "left", "newer"};

const char *segue_difference_name(segue_difference_kind kind)
{
    return (unsigned)kind < sizeof difference_names / sizeof difference_names[0] ? difference_names[kind] : "?";
}

typedef struct verifying {
    segue_migration *m;
    unsigned options;
    segue_difference_fn fn;
    void *ctx;
    segue_verified *v;
    bool keep;
    bool at_fallback; /* the manifests are done with */
    segue_page found; /* of the primary, for look-ups in order of key */
    size_t at;
    uint64_t retries;
    segue_buf kept; /* of a manifest that is repaired: the entries that stay */
    bool forgets;   /* the last entry that was looked at does not */
    seg_told told;
} verifying;

/* ---- differences and their repair ---- */

/* A record with another content: the CASes that it had in the fallback, and has in the primary. */
typedef struct damaged {
    uint64_t moved_cas, cas;
} damaged;

/* The fallback's record over the primary's damaged one, as a change of it. */
static segue_status replace_content(verifying *v, segue_slice key, const damaged *d, segue_call *call)
{
    SEG_AUTO(segue_doc) fallback = {0};
    segue_status st = seg_call_get(v->m->from, key, &fallback, call);
    if (st != SEGUE_OK) return st;
    if (fallback.rec.cas != d->moved_cas) return SEGUE_CAS_MISMATCH; /* not the record that was moved */
    segue_put put = {.rec = fallback.rec, .condition = SEGUE_IF_CAS, .if_cas = d->cas, .cas_floor = d->moved_cas};
    put.rec.revision++;
    return seg_call_put(v->m->to, &put, NULL, call);
}

static segue_status is_in_fallback(segue_migration *m, segue_slice key, segue_call *call)
{
    SEG_AUTO(segue_doc) doc = {0};
    return seg_call_get(m->from, key, &doc, call);
}

/* OK: repaired. NOT_FOUND, CAS_MISMATCH: there is nothing to repair it from. */
static segue_status repair(verifying *v, segue_difference_kind kind, segue_slice key, const damaged *what,
                           segue_error *err)
{
    segue_migration *m = v->m;
    segue_call call = seg_migration_call(m, err);
    seg_swept swept = {0};
    segue_status st = SEGUE_NOT_FOUND;
    size_t rule = segue_policy_classify(m->policy, key);
    switch (kind) {
    case SEGUE_DIFF_LEFT:
    case SEGUE_DIFF_MISSING:
        if (kind == SEGUE_DIFF_MISSING) st = is_in_fallback(m, key, &call);
        else st = SEGUE_OK;
        if (st != SEGUE_OK) break;
        if (m->policy->rules[rule].action == SEGUE_ACTION_COUNTER) st = seg_counter_hand_over(m, key, &swept, &call);
        else st = seg_sweep_key(m, key, &swept, &call);
        break;
    case SEGUE_DIFF_CONTENT: st = replace_content(v, key, what, &call); break;
    case SEGUE_DIFF_NEWER:
        if (m->options.on_foreign_write == SEGUE_FOREIGN_STOP) break;
        st = seg_foreign_settle(m, key, m->options.on_foreign_write, &swept, &call);
        break;
    }
    if (st == SEGUE_OK && (swept.counts.errors || swept.foreign.n)) st = SEGUE_CAS_MISMATCH;
    seg_swept_clear(&swept);
    return st;
}

static const char *words(const verifying *v, segue_difference_kind kind)
{
    switch (kind) {
    case SEGUE_DIFF_MISSING:
        return v->at_fallback ? "was found in the fallback, and the primary has no record of it"
                              : "was moved, and the primary has no record of it";
    case SEGUE_DIFF_CONTENT: return "has the CAS that it was moved with, but another content in the primary";
    case SEGUE_DIFF_LEFT: return "is in scope and still in the fallback";
    case SEGUE_DIFF_NEWER: break;
    }
    return "is newer in the fallback than in the primary: somebody wrote it behind the migration's back";
}

static const char forgotten[] = ", nor has the fallback: taken for erased by somebody else";

/* A record that was remembered to be moved, and was erased behind our back while nobody ran, looks like one that the primary
 * has lost. Who has said what foreign writes are worth, and asks for repairs, is told of each and lets it go. */
static bool may_forget(const verifying *v)
{
    return v->m->options.on_foreign_write != SEGUE_FOREIGN_STOP && v->m->status.stage < SEGUE_STAGE_SEALED;
}

static segue_status try_repair(verifying *v, segue_difference_kind kind, segue_slice key, const damaged *what,
                               bool *ret_repaired, segue_error *err)
{
    segue_status st = repair(v, kind, key, what, err);
    SEG_CRASH_POINT(VERIFY_REPAIRED);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND && st != SEGUE_CAS_MISMATCH && st != SEGUE_NOT_A_NUMBER) return st;
    v->forgets = kind == SEGUE_DIFF_MISSING && st == SEGUE_NOT_FOUND && may_forget(v);
    *ret_repaired = st == SEGUE_OK || v->forgets;
    return SEGUE_OK;
}

/* `what`: for SEGUE_DIFF_CONTENT, else NULL. A key is told of, and counted, once: what is found of it a second time, in another
 * manifest or in the fallback, is told only if it could be repaired there and not before. */
static segue_status report(verifying *v, segue_difference_kind kind, segue_slice key, const damaged *what,
                           segue_error *err)
{
    char quoted[SEG_QUOTED_MAX], text[SEG_QUOTED_MAX + 200];
    segue_difference d = {.kind = kind, .key = key, .text = text};
    seg_told_state *state = seg_told_find(&v->told, key);
    if (!state) return seg_error_set(err, SEGUE_NO_MEMORY, "out of memory in a verification");
    seg_told_state before = *state;
    if (before == SEG_TOLD_FORGOTTEN) {
        v->forgets = true;
        return SEGUE_OK;
    }
    if (v->options & SEGUE_VERIFY_REPAIR) {
        segue_status st = try_repair(v, kind, key, what, &d.repaired, err);
        if (st != SEGUE_OK) return st;
    }
    *state = v->forgets ? SEG_TOLD_FORGOTTEN : d.repaired ? SEG_TOLD_REPAIRED : SEG_TOLD_OPEN;
    v->v->differences += before == SEG_TOLD_NOT;
    v->v->repaired += d.repaired;
    v->v->repaired -= before == SEG_TOLD_REPAIRED;
    if (before != SEG_TOLD_NOT && d.repaired == (before == SEG_TOLD_REPAIRED)) return SEGUE_OK;
    (void)snprintf(text, sizeof text, "%s %s%s", seg_quote(key, quoted), words(v, kind), v->forgets ? forgotten : "");
    if (v->fn) v->fn(v->ctx, &d);
    return SEGUE_OK;
}

/* ---- what the primary has, asked in order of key ---- */

static void forget_found(verifying *v)
{
    segue_page_clear(&v->found);
    v->found.more = true;
}

/* The primary's record with this key, or NULL; keys must come in order since forget_found. `last`: the last that will
 * be asked for, `left`: how many at most. */
static segue_status find(verifying *v, segue_slice key, segue_slice last, size_t left, bool keys_only,
                         const segue_record **ret_rec, segue_error *err)
{
    *ret_rec = NULL;
    for (;;) {
        while (v->at < v->found.n && segue_slice_compare(v->found.docs[v->at].rec.key, key) < 0) v->at++;
        if (v->at < v->found.n) {
            const segue_record *rec = &v->found.docs[v->at].rec;
            if (segue_slice_equal(rec->key, key)) *ret_rec = rec;
            return SEGUE_OK;
        }
        if (!v->found.more) return SEGUE_OK;
        segue_bounds b = {.from = key, .to = last, .tombstones = true, .keys_only = keys_only};
        size_t page_docs = v->m->options.page_docs;
        if (left < page_docs) v->m->options.page_docs = left; /* no more than may be needed of a full primary */
        segue_status st = seg_read_page(v->m, v->m->to, &b, &v->found, &v->retries, err);
        v->m->options.page_docs = page_docs;
        v->at = 0;
        if (st != SEGUE_OK) return st;
    }
}

/* ---- manifests ---- */

/* Expired since: it reads as the tombstone that it is now, with the CAS it had. */
static bool has_expired(const verifying *v, const seg_entry *e, const segue_record *rec)
{
    return e->expiry && e->expiry <= seg_wall_s(v->m->env) && rec->is_tombstone;
}

static segue_status check_entry(verifying *v, const seg_entry *e, const segue_record *rec, segue_error *err)
{
    segue_verified *n = v->v;
    if ((e->bits & SEG_ENTRY_HIDDEN) && v->m->status.stage >= SEGUE_STAGE_CLEANING) return SEGUE_OK; /* may be purged */
    n->checked++;
    if (!rec) return report(v, SEGUE_DIFF_MISSING, e->key, NULL, err);
    bool keeps_cas = v->m->keeps_cas;
    segue_record as_stored = *rec;
    if (!keeps_cas) as_stored.cas = 0;
    seg_digest digest = seg_record_digest(&as_stored);
    bool is_there = e->bits & SEG_ENTRY_THERE;
    if (!is_there && digest.low == e->digest.low && digest.high == e->digest.high) {
        n->same++;
    } else if (is_there || (keeps_cas ? rec->cas != e->cas : rec->revision != e->revision) || has_expired(v, e, rec)) {
        if (rec->is_tombstone) n->deleted++;
        else n->changed++;
    } else {
        damaged d = {e->cas, rec->cas};
        return report(v, SEGUE_DIFF_CONTENT, e->key, &d, err);
    }
    return SEGUE_OK;
}

/* The entries that are kept, in its place. */
static segue_status rewrite(verifying *v, const segue_record *manifest, segue_error *err)
{
    segue_call call = seg_migration_call(v->m, err);
    segue_put put = seg_manifest_put(manifest->key, &v->kept);
    put.condition = SEGUE_IF_CAS;
    put.if_cas = manifest->cas;
    return seg_call_put(v->m->to, &put, NULL, &call);
}

static segue_status check_manifest(verifying *v, const segue_record *manifest, segue_error *err)
{
    char quoted[SEG_QUOTED_MAX];
    seg_entry e;
    segue_slice last = {NULL, 0};
    size_t left = 0, at = 0;
    bool ok = true;
    while (seg_manifest_next(manifest->body, &at, &e, &ok)) {
        left++;
        last = e.key;
    }
    if (!ok || manifest->is_tombstone)
        return seg_error_set(err, SEGUE_CORRUPT, "the manifest %s cannot be understood",
                             seg_quote(manifest->key, quoted));
    forget_found(v);
    segue_buf_clear(&v->kept);
    bool forgets = false;
    for (at = 0; seg_manifest_next(manifest->body, &at, &e, &ok); left--) {
        const segue_record *rec = NULL;
        v->forgets = false;
        segue_status st = find(v, e.key, last, left, false, &rec, err);
        if (st == SEGUE_OK) st = check_entry(v, &e, rec, err);
        bool stays = (v->options & SEGUE_VERIFY_REPAIR) && !v->forgets;
        if (st == SEGUE_OK && stays && seg_manifest_add(&v->kept, &e) != SEGUE_OK)
            st = seg_error_set(err, SEGUE_NO_MEMORY, "out of memory in a verification");
        if (st != SEGUE_OK) return st;
        forgets |= v->forgets;
    }
    return forgets ? rewrite(v, manifest, err) : SEGUE_OK;
}

static segue_status check_manifests(void *ctx, const segue_page *page, segue_error *err)
{
    verifying *v = ctx;
    for (size_t i = 0; i < page->n; i++) {
        segue_status st = check_manifest(v, &page->docs[i].rec, err);
        if (st == SEGUE_OK) st = seg_migration_tick(v->m, err);
        if (st == SEGUE_OK) st = seg_migration_cancelled(v->m, err);
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

/* ---- the fallback ---- */

static bool is_in_scope(const verifying *v, segue_slice key)
{
    if (seg_key_is_reserved(key)) return false;
    segue_action action = v->m->policy->rules[segue_policy_classify(v->m->policy, key)].action;
    return action != SEGUE_ACTION_LEAVE && action != SEGUE_ACTION_DROP;
}

static segue_status check_left(verifying *v, const segue_record *rec, segue_slice last, size_t left, segue_error *err)
{
    const segue_record *found = NULL;
    v->v->in_scope++;
    if (!v->keep) return report(v, SEGUE_DIFF_LEFT, rec->key, NULL, err);
    segue_status st = find(v, rec->key, last, left, true, &found, err);
    if (st != SEGUE_OK) return st;
    if (!found && v->m->status.stage >= SEGUE_STAGE_CLEANING) return SEGUE_OK; /* deleted for good, as is legal now */
    if (!found) return report(v, SEGUE_DIFF_MISSING, rec->key, NULL, err);
    if (seg_foreign_is_newer(v->m, rec, found->cas, found->is_tombstone) && !seg_foreign_stays(v->m))
        return report(v, SEGUE_DIFF_NEWER, rec->key, NULL, err);
    return SEGUE_OK;
}

static segue_status check_fallback(void *ctx, const segue_page *page, segue_error *err)
{
    verifying *v = ctx;
    forget_found(v);
    for (size_t i = 0; i < page->n; i++) {
        if (!is_in_scope(v, page->docs[i].rec.key)) continue;
        segue_status st = check_left(v, &page->docs[i].rec, page->docs[page->n - 1].rec.key, page->n - i, err);
        if (st != SEGUE_OK) return st;
    }
    return seg_migration_tick(v->m, err);
}

/* ---- the whole ---- */

segue_status seg_verify(segue_migration *m, unsigned options, segue_difference_fn fn, void *ctx, segue_verified *ret,
                        segue_error *err)
{
    char text[2 * SEG_MANIFEST_KEY_SIZE];
    verifying v = {.m = m, .options = options, .fn = fn, .ctx = ctx, .v = ret, .keep = m->options.keep};
    segue_bounds manifests = seg_manifest_bounds(m->name, text), fallback = seg_policy_bounds(m->policy);
    fallback.keys_only = true;
    segue_status st = seg_each_page(m, m->to, &manifests, check_manifests, &v, err);
    v.at_fallback = true;
    if (st == SEGUE_OK) st = seg_each_page(m, m->from, &fallback, check_fallback, &v, err);
    segue_page_free(&v.found);
    segue_buf_free(&v.kept);
    seg_told_free(&v.told);
    if (st != SEGUE_OK || ret->differences == ret->repaired) return st;
    return seg_error_set(err, SEGUE_DIFFERENT, "verification of \"%s\" found %llu %s, %llu repaired", m->name,
                         (unsigned long long)ret->differences, seg_word(ret->differences, "difference", "differences"),
                         (unsigned long long)ret->repaired);
}

/* A repair moves records, so it is the work of a runner, and of the policy that they were moved by; before the sweep has begun
 * clients may still be where they would miss what is moved. */
static segue_status begin_repairs(segue_migration *m, segue_error *err)
{
    if (m->status.stage < SEGUE_STAGE_SWEEPING)
        return seg_error_set(err, SEGUE_REFUSED,
                             "migration \"%s\" has not begun to move records, so there is nothing to repair; run it, or "
                             "verify without repair",
                             m->name);
    if (strcmp(m->status.policy, m->policy->digest) != 0 && !m->options.new_policy)
        return seg_error_set(err, SEGUE_REFUSED,
                             "migration \"%s\" ran under another policy (%s, now %s), by which other records would be "
                             "repaired; give that one, or verify without repair",
                             m->name, m->status.policy, m->policy->digest);
    return seg_migration_claim(m, err);
}

segue_status segue_migration_verify(segue_migration *m, unsigned verify_options, segue_difference_fn fn, void *ctx,
                                    segue_verified *ret_verified, segue_error *reterr)
{
    segue_verified v = {0};
    segue_error err = {0};
    if (!m->policy) return seg_error_set(reterr, SEGUE_INVALID_POLICY, "a verification needs a policy");
    if (!m->from)
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a verification needs the store that was moved from");
    segue_status st = seg_migration_look(m, &err);
    if (st == SEGUE_OK) m->options.keep = m->status.keep;
    if (st == SEGUE_NOT_FOUND) st = SEGUE_OK; /* then there are no manifests, and the fallback says it all */
    if (st == SEGUE_OK && (verify_options & SEGUE_VERIFY_REPAIR)) st = begin_repairs(m, &err);
    if (!m->is_runner) m->began_ns = seg_mono_ns(m->env);
    m->verifying = &v;
    seg_migration_show(m, false);
    if (st == SEGUE_OK) st = seg_verify(m, verify_options, fn, ctx, &v, &err);
    if (m->is_runner) st = seg_migration_leave(m, st, &err);
    m->verifying = NULL;
    if (ret_verified && (st == SEGUE_OK || st == SEGUE_DIFFERENT)) *ret_verified = v;
    return seg_migration_give(m, st, &err, reterr);
}
