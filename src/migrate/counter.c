/* L5: the hand-over of a counter that programs outside may still increment in the fallback. docs/migration.md,
 * section 5.
 *
 *   1. F: number -> pill that holds it, by CAS     increments by outsiders fail from here on, instead of being lost
 *   2. P: the number, if absent or smaller         a dual store reads the pill as the number meanwhile
 *   3. F: erase the pill, by CAS
 *
 * Each step begins by looking, so it can be repeated from any point, by anybody; also on a pill of Sync Gateway's.
 * The pill carries in the xattr `_segue` what the counter's own record was (CAS, revision, is-JSON), so that it
 * arrives as it was. This is the one place where something but an erasure happens to the fallback (R2): it changes
 * nothing for those who read through a dual store, and a dual store never writes there. Any thread. */
#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "base/retry.h"
#include "base/rules.h"
#include "doc/json.h"
#include "doc/pill.h"
#include "migrate/migration.h"

#include <stdio.h>

enum { ROUNDS = 32, TRIES = 4, BACKOFF_FIRST_NS = 5 * 1000 * 1000, BACKOFF_MOST_NS = 500 * 1000 * 1000 };

static size_t write_origin(const segue_record *rec, char out[128])
{
    int n = snprintf(out, 128, "{\"cas\":%llu,\"revision\":%llu,\"json\":%s}", (unsigned long long)rec->cas,
                     (unsigned long long)rec->revision, rec->is_json ? "true" : "false");
    seg_assert(n > 0 && n < 128);
    return (size_t)n;
}

typedef struct hand_over {
    segue_migration *m;
    segue_slice key;
    seg_swept *swept;
    segue_call *call;
    bool began_as_pill, is_first;
} hand_over;

/* ---- the three steps: OK, RETRY (look again), or a failure ---- */

static segue_status remember(const hand_over *h, const seg_entry *entry)
{
    char key[SEG_MANIFEST_KEY_SIZE];
    SEG_AUTO(segue_buf) body = {0};
    uint64_t number = seg_next_manifest(h->m);
    if (!number || !SEG_RULE(MANIFEST_FIRST)) return SEGUE_OK;
    segue_status st = seg_manifest_add(&body, entry);
    if (st != SEGUE_OK) return segue_fail(h->call, st, "out of memory for a counter");
    segue_put put = seg_manifest_put(seg_manifest_key(h->m->name, number, key), &body);
    st = seg_call_put(h->m->to, &put, NULL, h->call);
    SEG_CRASH_POINT(COUNTER_REMEMBERED);
    return st;
}

static segue_status make_pill(const hand_over *h, const segue_record *counter, uint64_t number)
{
    segue_xattr slots[SEGUE_XATTRS_MAX];
    char text[128];
    SEG_AUTO(segue_buf) body = {0};
    seg_entry entry = seg_manifest_entry(counter, h->m->keeps_cas);
    segue_status st = remember(h, &entry);
    if (st != SEGUE_OK) return st;
    if (seg_pill_write(number, seg_wall_ns(h->m->env), &body) != SEGUE_OK)
        return segue_fail(h->call, SEGUE_NO_MEMORY, "out of memory for a counter");
    segue_put put = {.rec = *counter, .condition = SEGUE_IF_CAS, .if_cas = counter->cas};
    put.rec.body = segue_buf_slice(&body);
    put.rec.is_json = true;
    put.rec.revision++;
    put.rec.n_xattrs = seg_pill_other_xattrs(counter, slots);
    if (put.rec.n_xattrs < SEGUE_XATTRS_MAX) {
        slots[put.rec.n_xattrs].name = segue_str(SEG_PILL_ORIGIN);
        slots[put.rec.n_xattrs++].value = segue_bytes(text, write_origin(counter, text));
        (void)seg_xattrs_sort(slots, put.rec.n_xattrs); /* no name is there twice */
    }
    put.rec.xattrs = slots;
    st = seg_call_put(h->m->from, &put, NULL, h->call);
    SEG_CRASH_POINT(COUNTER_PILL);
    return st == SEGUE_OK || st == SEGUE_CAS_MISMATCH || st == SEGUE_NOT_FOUND ? SEGUE_RETRY : st;
}

/* The primary has no record: the counter as it was. */
static segue_status seed(const hand_over *h, const segue_record *pill, uint64_t number)
{
    segue_xattr slots[SEGUE_XATTRS_MAX];
    char digits[21];
    seg_pill_origin o = seg_pill_read_origin(pill);
    segue_put put = {.rec = *pill, .condition = SEGUE_IF_ABSENT};
    put.rec.body = segue_bytes(digits, seg_format_u64(number, digits));
    put.rec.is_json = o.is_json;
    put.rec.revision = o.revision;
    put.rec.xattrs = slots;
    put.rec.n_xattrs = seg_pill_other_xattrs(pill, slots);
    put.rec.cas = o.cas;
    put.keep_cas = h->m->keeps_cas && o.cas && !h->m->options.keep; /* a pill that stays must not look newer */
    if (!put.keep_cas) put.cas_floor = pill->cas;
    segue_status st = seg_migration_still_ours(h->m, h->call);
    if (st == SEGUE_OK) st = seg_call_put(h->m->to, &put, NULL, h->call);
    return st == SEGUE_EXISTS ? SEGUE_RETRY : st;
}

static segue_status raise_to(const hand_over *h, const segue_record *primary, uint64_t number)
{
    char digits[21];
    segue_put put = {.rec = *primary, .condition = SEGUE_IF_CAS, .if_cas = primary->cas};
    put.rec.body = segue_bytes(digits, seg_format_u64(number, digits));
    put.rec.revision++;
    segue_status st = seg_call_put(h->m->to, &put, NULL, h->call);
    return st == SEGUE_CAS_MISMATCH || st == SEGUE_NOT_FOUND ? SEGUE_RETRY : st;
}

/* The primary goes on from the greater number. */
static segue_status hand_to_primary(const hand_over *h, const segue_record *fallback, uint64_t number)
{
    char quoted[SEG_QUOTED_MAX];
    uint64_t there = 0;
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = seg_call_get(h->m->to, h->key, &doc, h->call);
    if (st == SEGUE_NOT_FOUND) return seed(h, fallback, number);
    if (st != SEGUE_OK || doc.rec.is_tombstone) return st; /* R4: a counter that was deleted stays deleted */
    if (seg_pill_read(&doc.rec, &there)) return raise_to(h, &doc.rec, there > number ? there : number);
    if (!seg_parse_u64(doc.rec.body, &there))
        return segue_fail(h->call, SEGUE_NOT_A_NUMBER, "%s is a counter in the fallback and no number in the primary",
                          seg_quote(h->key, quoted));
    return there >= number || !SEG_RULE(COUNTER_NEVER_LOWER) ? SEGUE_OK : raise_to(h, &doc.rec, number);
}

static segue_status erase(const hand_over *h, uint64_t cas)
{
    segue_status st = seg_call_erase(h->m->from, h->key, cas, h->call);
    if (st == SEGUE_CAS_MISMATCH) return SEGUE_RETRY; /* somebody else works on it */
    return st == SEGUE_NOT_FOUND ? SEGUE_OK : st;
}

/* The pill stays in the fallback. What the primary has is not touched: a foreign write, if anything, and reported by the
 * verification. END, OK: as step. */
static segue_status copy_pill(const hand_over *h, const segue_record *pill, uint64_t number)
{
    SEG_AUTO(segue_doc) doc = {0};
    seg_entry entry = {SEG_ENTRY_THERE, h->key, 0, pill->cas, pill->revision, {0, 0}};
    segue_status st = seg_call_get(h->m->to, h->key, &doc, h->call);
    if (st != SEGUE_NOT_FOUND) return st;
    st = remember(h, &entry);
    if (st == SEGUE_OK) st = seed(h, pill, number);
    return st == SEGUE_OK ? SEGUE_END : st;
}

/* ---- one look, one step ---- */

/* END: it is done; OK: nothing was to be done; RETRY. */
static segue_status step(hand_over *h)
{
    SEG_AUTO(segue_doc) doc = {0};
    uint64_t number = 0;
    segue_status st = seg_call_get(h->m->from, h->key, &doc, h->call);
    if (st == SEGUE_NOT_FOUND) return SEGUE_OK;
    if (st != SEGUE_OK) return st;
    const segue_record *rec = &doc.rec;
    bool is_pill = seg_pill_read(rec, &number);
    bool is_number = !is_pill && !rec->is_tombstone && seg_parse_u64(rec->body, &number);
    if (h->is_first) h->began_as_pill = is_pill;
    h->is_first = false;
    /* What is no number cannot be incremented, so it is a record like any other; and a copy leaves the fallback
     * alone. */
    if (h->m->options.keep && is_pill) return copy_pill(h, rec, number);
    if (h->m->options.keep || (!is_pill && !is_number))
        return seg_sweep_records(h->m, &rec, 1, seg_next_manifest(h->m), h->swept, h->call);
    if (is_number && SEG_RULE(PILL_FIRST)) return make_pill(h, rec, number);
    if (h->began_as_pill && !segue_record_xattr(rec, segue_str(SEG_PILL_ORIGIN))) {
        seg_entry entry = {SEG_ENTRY_THERE, h->key, 0, rec->cas, rec->revision, {0, 0}};
        st = remember(h, &entry);
        if (st != SEGUE_OK) return st;
    }
    st = SEG_RULE(SEED_BEFORE_ERASE) ? hand_to_primary(h, rec, number) : erase(h, rec->cas);
    SEG_CRASH_POINT(COUNTER_SEEDED);
    if (st == SEGUE_OK) st = SEG_RULE(SEED_BEFORE_ERASE) ? erase(h, rec->cas) : hand_to_primary(h, rec, number);
    SEG_CRASH_POINT(COUNTER_DONE);
    return st == SEGUE_OK ? SEGUE_END : st;
}

segue_status seg_counter_hand_over(segue_migration *m, segue_slice key, seg_swept *swept, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    hand_over h = {.m = m, .key = key, .swept = swept, .call = call, .is_first = true};
    for (int i = 0; i < ROUNDS; i++) {
        segue_status st = step(&h);
        if (st == SEGUE_RETRY) continue;
        if (st != SEGUE_END) return st;
        swept->counts.counters++;
        swept->counts.pills_finished += h.began_as_pill;
        swept->settled++;
        swept->work++;
        return SEGUE_OK;
    }
    return segue_fail(call, SEGUE_UNAVAILABLE, "the counter %s changes faster than it can be handed over",
                      seg_quote(key, quoted));
}

segue_status seg_counter_try(segue_migration *m, segue_slice key, seg_swept *swept)
{
    seg_backoff backoff;
    seg_backoff_init(&backoff, BACKOFF_FIRST_NS, BACKOFF_MOST_NS);
    segue_status st;
    for (int i = 1;; i++) {
        segue_call call = seg_migration_call(m, &swept->err);
        st = seg_counter_hand_over(m, key, swept, &call);
        if (!seg_can_try_again(st) || i == TRIES || atomic_load(&m->cancelled)) break;
        swept->counts.retries++;
        (void)seg_backoff_wait(&backoff, m->env, 0); /* no deadline: it cannot pass */
    }
    if (st != SEGUE_OK) {
        swept->work++;
        seg_swept_failed(swept, key, st);
    }
    return st;
}
