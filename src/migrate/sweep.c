/* L5: one page of the sweep: read in the fallback, put into the primary where it has no record (R3), erased from the
 * fallback by the CAS that was read (R2). Every step may be repeated, by this runner or by another one, after a
 * failure or a kill at any point. Any thread; no state but the counters of the migration. */
#include "base/base.h"
#include "base/crash.h"
#include "base/env.h"
#include "base/retry.h"
#include "base/rules.h"
#include "doc/carry.h"
#include "migrate/migration.h"

enum {
    FEW = 4,       /* so many records are looked up one by one */
    TRIES = 4,     /* of a page, and of a record on its own */
    HOPELESS = 16, /* records that fail one after the other: it is the store, not they */
    BACKOFF_FIRST_NS = 5 * 1000 * 1000,
    BACKOFF_MOST_NS = 500 * 1000 * 1000
};

void seg_swept_clear(seg_swept *swept)
{
    seg_keys_clear(&swept->failed);
    seg_keys_clear(&swept->foreign);
    *swept = (seg_swept){0};
}

/* ---- what the primary has ---- */

typedef struct item {
    const segue_record *rec; /* as read from the fallback */
    segue_doc expired;       /* the same as it is stored there, if it reads as a tombstone because it has expired */
    uint64_t primary_cas;    /* 0: the primary has no record */
    bool primary_is_tombstone;
    bool skip; /* nothing is done about it in this batch */
    bool put_failed;
    bool is_gone; /* erased by somebody else before it could be moved */
    segue_status status;
} item;

typedef struct batch {
    segue_migration *m;
    item *items;
    size_t n;
    seg_swept *swept;
    segue_call *call;
    segue_buf manifest;
    char manifest_key[SEG_MANIFEST_KEY_SIZE];
    uint64_t manifest_number; /* 0: none */
} batch;

static segue_status look_up_each(batch *b)
{
    SEG_AUTO(segue_doc) doc = {0};
    for (size_t i = 0; i < b->n; i++) {
        segue_status st = seg_call_get(b->m->to, b->items[i].rec->key, &doc, b->call);
        if (st == SEGUE_NOT_FOUND) continue;
        if (st != SEGUE_OK) return st;
        b->items[i].primary_cas = doc.rec.cas;
        b->items[i].primary_is_tombstone = doc.rec.is_tombstone;
    }
    return SEGUE_OK;
}

/* Items and page are both in order of key. */
static void merge(batch *b, size_t *at, const segue_page *page)
{
    for (size_t p = 0; p < page->n; p++) {
        const segue_record *found = &page->docs[p].rec;
        while (*at < b->n && segue_slice_compare(b->items[*at].rec->key, found->key) < 0) ++*at;
        if (*at == b->n) return;
        if (!segue_slice_equal(b->items[*at].rec->key, found->key)) continue;
        b->items[*at].primary_cas = found->cas;
        b->items[*at].primary_is_tombstone = found->is_tombstone;
    }
}

static segue_status look_up(batch *b)
{
    if (b->n <= FEW) return look_up_each(b);
    segue_page page = {.max_docs = b->n, .max_bytes = SIZE_MAX};
    SEG_AUTO(segue_buf) from = {0};
    segue_bounds bounds = {.from = b->items[0].rec->key, .to = b->items[b->n - 1].rec->key, .keys_only = true};
    bounds.tombstones = true;
    segue_status st;
    for (size_t at = 0;;) {
        st = seg_call_scan(b->m->to, &bounds, &page, b->call);
        if (st == SEGUE_OK) merge(b, &at, &page);
        if (st != SEGUE_OK || !page.more || at == b->n) break;
        segue_slice last = page.docs[page.n - 1].rec.key;
        segue_buf_clear(&from);
        st = segue_buf_append(&from, last.data, last.size);
        if (st != SEGUE_OK) break;
        bounds.from = segue_buf_slice(&from);
        bounds.from_open = true;
    }
    segue_page_free(&page);
    return st;
}

/* ---- sorting out ---- */

/* The primary has it from an earlier attempt, of this run or another: as it is in the fallback. */
static bool was_copied(const item *it) { return it->primary_cas == it->rec->cas; }

/* What another program has put into the fallback need not keep the limits (B9); where they do not hold it stays. */
static void hold_back_what_is_too_big(batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        segue_status st = seg_record_check(b->items[i].rec, NULL);
        if (st == SEGUE_OK) continue;
        b->items[i].skip = true;
        seg_swept_failed(b->swept, b->items[i].rec->key, st);
    }
}

static segue_status sort_out(batch *b)
{
    segue_migration *m = b->m;
    for (size_t i = 0; i < b->n; i++) {
        item *it = &b->items[i];
        if (!it->primary_cas || it->skip) continue;
        if (seg_foreign_is_newer(m, it->rec, it->primary_cas, it->primary_is_tombstone) && !seg_foreign_stays(m)) {
            b->swept->counts.foreign_writes++;
            b->swept->work++;
            it->skip = m->options.on_foreign_write != SEGUE_FOREIGN_PRIMARY;
            if (m->options.on_foreign_write == SEGUE_FOREIGN_STOP) seg_keys_add(&b->swept->foreign, it->rec->key);
            if (m->options.on_foreign_write != SEGUE_FOREIGN_NEWER) continue;
            segue_status st = seg_foreign_settle(m, it->rec->key, SEGUE_FOREIGN_NEWER, b->swept, b->call);
            if (st != SEGUE_OK) return st;
        }
        if (m->options.keep) it->skip = true; /* it is there, and that is all */
    }
    return SEGUE_OK;
}

static segue_status remember(batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const item *it = &b->items[i];
        if (it->skip || it->is_gone) continue;
        seg_entry entry = seg_manifest_entry(it->rec, b->m->keeps_cas);
        if (it->primary_cas && !was_copied(it)) {
            entry.bits = SEG_ENTRY_THERE;
            if (it->primary_is_tombstone && !it->rec->is_tombstone) {
                entry.bits |= SEG_ENTRY_HIDDEN;
                entry.cas = it->primary_cas;
            }
        }
        segue_status st = seg_manifest_add(&b->manifest, &entry);
        if (st != SEGUE_OK) return segue_fail(b->call, st, "out of memory in a sweep");
    }
    return SEGUE_OK;
}

static bool has_manifest(const batch *b) { return b->manifest_number && b->manifest.size && SEG_RULE(MANIFEST_FIRST); }

static segue_put manifest_put(batch *b)
{
    return seg_manifest_put(seg_manifest_key(b->m->name, b->manifest_number, b->manifest_key), &b->manifest);
}

static segue_status put_manifest(batch *b)
{
    if (!has_manifest(b)) return SEGUE_OK;
    segue_put put = manifest_put(b);
    return seg_call_put(b->m->to, &put, NULL, b->call);
}

/* ---- results ---- */

static void tally(batch *b, const item *it, bool moved)
{
    segue_counts *c = &b->swept->counts;
    b->swept->settled++;
    if (moved || was_copied(it)) {
        c->moved++;
        c->moved_bytes += seg_record_bytes(it->rec);
        return;
    }
    c->already++;
    if (it->primary_is_tombstone && !it->rec->is_tombstone) c->hidden++;
}

void seg_swept_failed(seg_swept *swept, segue_slice key, segue_status why)
{
    swept->counts.errors++;
    swept->why = why;
    seg_keys_add(&swept->failed, key);
}

/* One record is through, or not: `st` is of its last step in the fallback. */
static segue_status settle(batch *b, const item *it, segue_status st, bool moved)
{
    if (st == SEGUE_OK) {
        tally(b, it, moved);
    } else if (st == SEGUE_CAS_MISMATCH) {
        return seg_foreign_changed(b->m, it->rec, b->swept, b->call);
    } else if (st == SEGUE_NOT_FOUND) {
        /* Gone: an earlier attempt whose answer was lost, or another runner. The next pass looks again. */
        if (moved || was_copied(it)) tally(b, it, true);
    } else {
        seg_swept_failed(b->swept, it->rec->key, st);
    }
    return SEGUE_OK;
}

/* ---- inside one engine ---- */

/* What was gone from the fallback although nobody has moved it, somebody has erased outright: not a delete, after which
 * there is a tombstone. It must not be looked for in the primary, so it leaves the manifest. */
static segue_status forget_gone(batch *b)
{
    SEG_AUTO(segue_doc) doc = {0};
    bool any = false;
    for (size_t i = 0; i < b->n; i++) {
        item *it = &b->items[i];
        if (it->skip || it->status != SEGUE_NOT_FOUND || it->primary_cas) continue;
        segue_status st = seg_call_get(b->m->to, it->rec->key, &doc, b->call);
        if (st == SEGUE_OK) continue; /* another runner has moved it */
        if (st != SEGUE_NOT_FOUND) return st;
        b->swept->counts.foreign_writes++;
        any = it->is_gone = true;
    }
    if (!any || !b->manifest_number) return SEGUE_OK;
    SEG_CRASH_POINT(SWEEP_GONE);
    segue_buf_clear(&b->manifest);
    segue_status st = remember(b);
    if (st != SEGUE_OK) return st;
    segue_put put = manifest_put(b);
    return seg_call_put(b->m->to, &put, NULL, b->call);
}

static segue_status move_natively(batch *b)
{
    segue_migration *m = b->m;
    segue_move *moves = seg_alloc_zero(b->n * sizeof *moves);
    if (!moves) return segue_fail(b->call, SEGUE_NO_MEMORY, "out of memory in a sweep");
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (!b->items[i].skip)
            moves[n++] = (segue_move){
                .key = b->items[i].rec->key, .cas = b->items[i].rec->cas, .keep = m->options.keep};
    segue_status st = SEG_RULE(MANIFEST_BEFORE_MOVE) ? put_manifest(b) : SEGUE_OK;
    SEG_CRASH_POINT(SWEEP_REMEMBERED);
    if (st == SEGUE_OK && n) st = seg_call_move(m->from, m->to, moves, n, b->call);
    if (st == SEGUE_OK && !SEG_RULE(MANIFEST_BEFORE_MOVE)) st = put_manifest(b);
    size_t at = 0;
    for (size_t i = 0; i < b->n && st == SEGUE_OK; i++) {
        if (b->items[i].skip) continue;
        b->items[i].status = moves[at].status;
        st = settle(b, &b->items[i], moves[at].status, moves[at].moved);
        at++;
    }
    seg_free(moves);
    return st == SEGUE_OK ? forget_gone(b) : st;
}

/* ---- from one engine to another ---- */

/* Whether the record goes into the primary in this batch. */
static bool is_put(const item *it) { return !it->skip && (!it->primary_cas || !SEG_RULE(SWEEP_INSERT_ABSENT)); }

/* What has expired is moved as it is stored, as inside one engine: its tombstone would come with a CAS that feeds are past, and
 * nobody would ever write another. Reaped in the primary it gets a new one. */
static segue_status read_expired(batch *b, item *it)
{
    segue_status st = seg_call_get_stored(b->m->from, it->rec->key, &it->expired, b->call);
    const segue_record *rec = &it->expired.rec;
    bool fits = st == SEGUE_OK && rec->cas == it->rec->cas &&
                (!rec->flags || (segue_store_caps(b->m->to) & SEGUE_CAP_FLAGS)) &&
                seg_record_check(rec, NULL) == SEGUE_OK;
    if (!fits) segue_doc_clear(&it->expired);
    return st == SEGUE_NOT_FOUND ? SEGUE_OK : st;
}

static segue_status read_all_expired(batch *b)
{
    segue_status st = SEGUE_OK;
    for (size_t i = 0; i < b->n && st == SEGUE_OK; i++)
        if (is_put(&b->items[i]) && b->items[i].rec->is_tombstone) st = read_expired(b, &b->items[i]);
    return st;
}

static segue_put put_for(const batch *b, const item *it)
{
    segue_put put = {.rec = it->expired.rec.cas ? it->expired.rec : *it->rec, .condition = SEGUE_IF_ABSENT};
    if (!SEG_RULE(SWEEP_INSERT_ABSENT)) put.condition = SEGUE_IF_ANY;
    seg_carry(&put.rec);
    put.keep_cas = b->m->keeps_cas && SEG_RULE(MOVE_KEEPS_CAS);
    if (!put.keep_cas) put.cas_floor = it->rec->cas;
    return put;
}

/* The manifest, then the records, in one batch. */
static segue_status put_all(batch *b, segue_write *writes)
{
    size_t n = 0;
    if (has_manifest(b)) writes[n++] = (segue_write){.op = SEGUE_WRITE_PUT, .put = manifest_put(b)};
    size_t first = n;
    for (size_t i = 0; i < b->n; i++)
        if (is_put(&b->items[i])) writes[n++] = (segue_write){.op = SEGUE_WRITE_PUT, .put = put_for(b, &b->items[i])};
    if (n == 0) return SEGUE_OK;
    segue_status st = seg_migration_still_ours(b->m, b->call);
    if (st != SEGUE_OK) return st;
    st = seg_call_write_many(b->m->to, writes, n, b->call);
    if (st == SEGUE_OK && first && writes[0].status != SEGUE_OK) st = writes[0].status;
    if (st != SEGUE_OK) return st;
    size_t at = first;
    for (size_t i = 0; i < b->n; i++)
        if (is_put(&b->items[i])) b->items[i].status = writes[at++].status;
    return SEGUE_OK;
}

/* What the primary has now may go from the fallback. */
static segue_status erase_all(batch *b, segue_write *writes)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        item *it = &b->items[i];
        it->put_failed = it->status != SEGUE_OK && it->status != SEGUE_EXISTS;
        if (it->skip || it->put_failed || b->m->options.keep) continue;
        segue_write *w = &writes[n++];
        *w = (segue_write){.op = SEGUE_WRITE_ERASE};
        w->put.rec.key = it->rec->key;
        w->put.if_cas = it->rec->cas;
        if (!SEG_RULE(SWEEP_ERASE_BY_CAS)) {
            SEG_AUTO(segue_doc) now = {0};
            if (seg_call_get(b->m->from, it->rec->key, &now, b->call) == SEGUE_OK) w->put.if_cas = now.rec.cas;
        }
    }
    segue_status st = n ? seg_call_write_many(b->m->from, writes, n, b->call) : SEGUE_OK;
    size_t at = 0;
    for (size_t i = 0; i < b->n && st == SEGUE_OK; i++) {
        const item *it = &b->items[i];
        if (it->skip) continue;
        bool moved = is_put(it) && it->status == SEGUE_OK;
        if (it->put_failed) seg_swept_failed(b->swept, it->rec->key, it->status);
        else st = settle(b, it, b->m->options.keep ? SEGUE_OK : writes[at++].status, moved);
    }
    return st;
}

static segue_status copy_and_erase(batch *b)
{
    segue_write *writes = seg_alloc_zero((b->n + 1) * sizeof *writes);
    if (!writes) return segue_fail(b->call, SEGUE_NO_MEMORY, "out of memory in a sweep");
    segue_status st = SEG_RULE(EXPIRED_MOVES_AS_STORED) ? read_all_expired(b) : SEGUE_OK;
    if (st == SEGUE_OK && !SEG_RULE(COPY_BEFORE_ERASE)) st = erase_all(b, writes);
    if (st == SEGUE_OK) st = put_all(b, writes);
    SEG_CRASH_POINT(SWEEP_COPIED);
    if (st == SEGUE_OK && SEG_RULE(COPY_BEFORE_ERASE)) st = erase_all(b, writes);
    seg_free(writes);
    return st;
}

/* ---- a batch ---- */

static bool all_rules_hold(void)
{
    return SEG_RULE(SWEEP_INSERT_ABSENT) && SEG_RULE(SWEEP_ERASE_BY_CAS) && SEG_RULE(MOVE_KEEPS_CAS) &&
           seg_carries_all();
}

static segue_status sweep_batch(batch *b)
{
    segue_status st = look_up(b);
    if (st == SEGUE_OK) hold_back_what_is_too_big(b);
    if (st == SEGUE_OK) st = sort_out(b);
    if (st == SEGUE_OK) st = remember(b);
    if (st != SEGUE_OK) return st;
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) n += !b->items[i].skip;
    b->swept->work += n;
    if (n == 0) return SEGUE_OK;
    bool native = b->m->keeps_cas && !atomic_load(&b->m->cannot_move) && all_rules_hold();
    st = native ? move_natively(b) : SEGUE_UNSUPPORTED;
    if (st != SEGUE_UNSUPPORTED) return st;
    atomic_store(&b->m->cannot_move, true);
    return copy_and_erase(b);
}

segue_status seg_sweep_records(segue_migration *m, const segue_record *const *recs, size_t n, uint64_t manifest,
                               seg_swept *swept, segue_call *call)
{
    if (n == 0) return SEGUE_OK;
    batch b = {.m = m, .n = n, .swept = swept, .call = call, .manifest_number = manifest};
    b.items = seg_alloc_zero(n * sizeof *b.items);
    if (!b.items) return segue_fail(call, SEGUE_NO_MEMORY, "out of memory in a sweep");
    for (size_t i = 0; i < n; i++) b.items[i].rec = recs[i];
    segue_status st = sweep_batch(&b);
    SEG_CRASH_POINT(SWEEP_MOVED);
    for (size_t i = 0; i < n; i++) segue_doc_free(&b.items[i].expired);
    seg_free(b.items);
    segue_buf_free(&b.manifest);
    return st;
}

uint64_t seg_next_manifest(segue_migration *m)
{
    return atomic_load(&m->next_manifest) ? atomic_fetch_add(&m->next_manifest, 1) : 0;
}

segue_status seg_sweep_key(segue_migration *m, segue_slice key, seg_swept *swept, segue_call *call)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = seg_call_get(m->from, key, &doc, call);
    if (st != SEGUE_OK) return st;
    const segue_record *rec = &doc.rec;
    return seg_sweep_records(m, &rec, 1, seg_next_manifest(m), swept, call);
}

/* ---- a page: by rule, with patience ---- */

typedef struct sorted {
    const segue_record **moves;
    size_t n_moves;
    const segue_record **drops;
    size_t n_drops;
    const segue_record **counters;
    size_t n_counters;
} sorted;

static void sort_by_rule(segue_migration *m, const segue_page *page, bool tail, sorted *s, seg_swept *swept)
{
    char quoted[SEG_QUOTED_MAX];
    for (size_t i = 0; i < page->n; i++) {
        const segue_record *rec = &page->docs[i].rec;
        if (seg_key_is_reserved(rec->key)) continue;
        size_t number = segue_policy_classify(m->policy, rec->key);
        const seg_policy_rule *rule = &m->policy->rules[number];
        segue_status st;
        swept->counts.scanned++;
        switch (rule->action) {
        case SEGUE_ACTION_MOVE:
            if (tail || !(rule->flags & SEG_RULE_LAST)) s->moves[s->n_moves++] = rec;
            break;
        case SEGUE_ACTION_DROP:
            if (!m->options.keep) s->drops[s->n_drops++] = rec;
            break;
        case SEGUE_ACTION_COUNTER:
            st = seg_key_check(rec->key, NULL);
            if (st == SEGUE_OK) s->counters[s->n_counters++] = rec;
            else seg_swept_failed(swept, rec->key, st);
            break;
        case SEGUE_ACTION_LEAVE:
            swept->counts.left++;
            swept->counts.unmatched += number + 1 == m->policy->n_rules;
            break;
        case SEGUE_ACTION_STOP:
            swept->status = seg_error_set(&swept->err, SEGUE_REFUSED, "%s must not be there (rule \"%s\")",
                                          seg_quote(rec->key, quoted), rule->name);
            break;
        }
    }
}

/* A failure after which nothing else can go well. */
static bool is_final(segue_status st)
{
    return st == SEGUE_NO_SPACE || st == SEGUE_READ_ONLY || st == SEGUE_ACCESS_DENIED || st == SEGUE_CORRUPT ||
           st == SEGUE_WRONG_FORMAT || st == SEGUE_NO_STORE;
}

/* The counts of an attempt that failed are forgotten, but not what it did for good about foreign writes. */
static segue_status try_moves(segue_migration *m, const segue_record *const *recs, size_t n, seg_swept *swept)
{
    uint64_t manifest = seg_next_manifest(m);
    seg_backoff backoff;
    seg_backoff_init(&backoff, BACKOFF_FIRST_NS, BACKOFF_MOST_NS);
    for (int i = 1;; i++) {
        segue_call call = seg_migration_call(m, &swept->err);
        segue_counts before = swept->counts;
        uint64_t work = swept->work, settled = swept->settled;
        segue_status st = seg_sweep_records(m, recs, n, manifest, swept, &call);
        if (st == SEGUE_OK) return SEGUE_OK;
        swept->counts = before;
        swept->work = work;
        swept->settled = settled;
        if (!seg_can_try_again(st) || i == TRIES || atomic_load(&m->cancelled)) return st;
        swept->counts.retries++;
        (void)seg_backoff_wait(&backoff, m->env, 0); /* no deadline: it cannot pass */
    }
}

static void move_each(segue_migration *m, const segue_record *const *recs, size_t n, seg_swept *swept)
{
    size_t in_a_row = 0;
    for (size_t i = 0; i < n && swept->status == SEGUE_OK; i++) {
        segue_status st = try_moves(m, &recs[i], 1, swept);
        if (st == SEGUE_OK) {
            in_a_row = 0;
            continue;
        }
        swept->work++;
        seg_swept_failed(swept, recs[i]->key, st);
        if (++in_a_row == HOPELESS || is_final(st) || atomic_load(&m->cancelled)) swept->status = st;
    }
}

static void move_all(segue_migration *m, const segue_record *const *recs, size_t n, seg_swept *swept)
{
    if (n == 0 || swept->status != SEGUE_OK) return;
    segue_status st = try_moves(m, recs, n, swept);
    if (st == SEGUE_OK) return;
    if (is_final(st) || atomic_load(&m->cancelled)) swept->status = st;
    else move_each(m, recs, n, swept); /* so that one bad record does not stop the others, and has a name */
}

/* What is dropped may be written again at any time (heartbeats are): that is no foreign write, and blocks nothing. */
static void drop_all(segue_migration *m, const segue_record *const *recs, size_t n, seg_swept *swept)
{
    if (n == 0 || swept->status != SEGUE_OK) return;
    segue_call call = seg_migration_call(m, &swept->err);
    segue_write *writes = seg_alloc_zero(n * sizeof *writes);
    if (!writes) {
        swept->status = segue_fail(&call, SEGUE_NO_MEMORY, "out of memory in a sweep");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        writes[i].op = SEGUE_WRITE_ERASE;
        writes[i].put.rec.key = recs[i]->key;
        writes[i].put.if_cas = recs[i]->cas;
    }
    segue_status st = seg_call_write_many(m->from, writes, n, &call);
    SEG_CRASH_POINT(SWEEP_DROPPED);
    for (size_t i = 0; i < n; i++) {
        if (st == SEGUE_OK && (writes[i].status == SEGUE_OK || writes[i].status == SEGUE_NOT_FOUND)) {
            swept->counts.dropped += writes[i].status == SEGUE_OK;
            swept->settled++;
        } else if (st != SEGUE_OK || writes[i].status != SEGUE_CAS_MISMATCH) {
            seg_swept_failed(swept, recs[i]->key, st != SEGUE_OK ? st : writes[i].status);
        }
    }
    if (is_final(st)) swept->status = st;
    seg_free(writes);
}

static void hand_over_all(segue_migration *m, const segue_record *const *recs, size_t n, seg_swept *swept)
{
    for (size_t i = 0; i < n && swept->status == SEGUE_OK; i++) {
        segue_status st = seg_counter_try(m, recs[i]->key, swept);
        if (is_final(st)) swept->status = st;
    }
}

void seg_sweep_page(segue_migration *m, const segue_page *page, bool tail, seg_swept *swept)
{
    const segue_record **all = seg_alloc_zero((page->n ? page->n : 1) * 3 * sizeof *all);
    if (!all) {
        swept->status = seg_error_set(&swept->err, SEGUE_NO_MEMORY, "out of memory in a sweep");
        return;
    }
    sorted s = {.moves = all, .drops = all + page->n, .counters = all + 2 * page->n};
    sort_by_rule(m, page, tail, &s, swept);
    hand_over_all(m, s.counters, s.n_counters, swept);
    move_all(m, s.moves, s.n_moves, swept);
    drop_all(m, s.drops, s.n_drops, swept);
    seg_free(all);
}
