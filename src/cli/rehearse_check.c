/* L6: the end of a rehearsal: what was copied and what was migrated is read side by side, key by key, and held against the
 * ledger and the policy. Constant memory besides the ledger. */
#include "base/base.h"
#include "base/env.h"
#include "cli/rehearse.h"

enum { SOURCE_FROM, SOURCE_TO, END_FROM, END_TO, N_STREAMS };

typedef struct stream {
    segue_scan *scan;
    const segue_record *rec; /* the present one; NULL at the end */
} stream;

static segue_status advance(stream *s, segue_error *err)
{
    s->rec = NULL;
    if (!s->scan) return SEGUE_OK;
    segue_status st = segue_scan_next(s->scan, &s->rec, err);
    if (st == SEGUE_OK) return SEGUE_OK;
    s->rec = NULL;
    return st == SEGUE_END ? SEGUE_OK : st;
}

/* One of the two has expired since the other was read. */
static bool expired_meanwhile(const segue_record *a, const segue_record *b)
{
    const segue_record *live = a->is_tombstone ? b : a;
    return a->is_tombstone != b->is_tombstone && live->expiry && live->expiry <= seg_wall_s(segue_env_default());
}

/* A record that no client touched must be where it was, as it was. */
static void must_equal(seg_rehearsal *r, segue_slice key, const segue_record *must, const segue_record *is,
                       const char *where)
{
    r->compared++;
    if (!must && !is) return;
    if (must && is && expired_meanwhile(must, is)) return;
    if (!is) seg_ledger_differs(&r->ledger, key, "is missing in the %s store, and no client touched it", where);
    else if (!must) seg_ledger_differs(&r->ledger, key, "is in the %s store and must not be there", where);
    else {
        const char *field = seg_record_difference(must, is, r->ledger.keeps_cas);
        if (field)
            seg_ledger_differs(&r->ledger, key, "has another %s in the %s store, and no client touched it", field,
                               where);
    }
}

/* Writers on both sides may have raised it: the greatest number counts. */
static void check_counter(seg_rehearsal *r, segue_slice key, const segue_record *const rec[N_STREAMS])
{
    uint64_t a = 0, b = 0, is = 0;
    bool has_a = seg_ledger_number(rec[SOURCE_FROM], &a), has_b = seg_ledger_number(rec[SOURCE_TO], &b);
    r->compared++;
    if (!has_a && !has_b) return;
    if (!seg_ledger_number(rec[END_TO], &is))
        seg_ledger_differs(&r->ledger, key, "the counter is missing in the new store");
    else if (is != (a > b ? a : b))
        seg_ledger_differs(&r->ledger, key, "the counter is %llu and was %llu", (unsigned long long)is,
                           (unsigned long long)(a > b ? a : b));
}

static void check_in_scope(seg_rehearsal *r, segue_slice key, segue_action action,
                           const segue_record *const rec[N_STREAMS])
{
    const segue_record *must = rec[SOURCE_TO] ? rec[SOURCE_TO] : rec[SOURCE_FROM];
    bool hid = must && must->is_tombstone && rec[SOURCE_TO] && rec[SOURCE_FROM];
    if (rec[END_FROM]) seg_ledger_differs(&r->ledger, key, "is still in the old store");
    if (action == SEGUE_ACTION_COUNTER) check_counter(r, key, rec);
    else if (!(hid && !rec[END_TO])) must_equal(r, key, must, rec[END_TO], "new");
}

static void check_key(seg_rehearsal *r, segue_slice key, const segue_record *const rec[N_STREAMS])
{
    segue_action action = segue_policy_rule(r->policy, segue_policy_classify(r->policy, key)).action;
    seg_entry *entry = seg_ledger_find(&r->ledger, key);
    if (entry && seg_entry_is_touched(entry)) {
        r->touched++;
        seg_ledger_check(&r->ledger, entry, rec[END_TO]);
        if (rec[END_FROM]) seg_ledger_differs(&r->ledger, key, "is still in the old store");
        return;
    }
    switch (action) {
    case SEGUE_ACTION_MOVE:
    case SEGUE_ACTION_COUNTER: check_in_scope(r, key, action, rec); break;
    case SEGUE_ACTION_DROP:
        if (rec[END_FROM]) seg_ledger_differs(&r->ledger, key, "was to be dropped and is still in the old store");
        must_equal(r, key, rec[SOURCE_TO], rec[END_TO], "new");
        break;
    case SEGUE_ACTION_LEAVE:
    case SEGUE_ACTION_STOP:
        must_equal(r, key, rec[SOURCE_FROM], rec[END_FROM], "old");
        must_equal(r, key, rec[SOURCE_TO], rec[END_TO], "new");
        break;
    }
}

static segue_status compare(seg_rehearsal *r, stream streams[N_STREAMS], segue_error *err)
{
    for (uint64_t n = 0;; n++) {
        const segue_slice *least = NULL;
        for (int i = 0; i < N_STREAMS; i++)
            if (streams[i].rec && (!least || segue_slice_compare(streams[i].rec->key, *least) < 0))
                least = &streams[i].rec->key;
        if (!least) return SEGUE_OK;
        segue_slice key = *least;
        const segue_record *rec[N_STREAMS];
        for (int i = 0; i < N_STREAMS; i++)
            rec[i] = streams[i].rec && segue_slice_equal(streams[i].rec->key, key) ? streams[i].rec : NULL;
        check_key(r, key, rec);
        for (int i = 0; i < N_STREAMS; i++) {
            segue_status st = rec[i] ? advance(&streams[i], err) : SEGUE_OK;
            if (st != SEGUE_OK) return st;
        }
        if (n % 64 == 0) seg_progress_say(&r->progress, "compare", n, 0, NULL);
    }
}

int seg_rehearsal_check(seg_rehearsal *r)
{
    segue_error err = {0};
    segue_range range = {.options = SEGUE_SCAN_TOMBSTONES};
    stream streams[N_STREAMS] = {0};
    segue_store *stores[N_STREAMS] = {r->source_from, r->source_to, r->from, r->to};
    segue_status st = SEGUE_OK;
    for (int i = 0; i < N_STREAMS && st == SEGUE_OK; i++) {
        if (stores[i]) st = segue_scan_open(stores[i], &range, &streams[i].scan, &err);
        if (st == SEGUE_OK) st = advance(&streams[i], &err);
    }
    if (st == SEGUE_OK) st = compare(r, streams, &err);
    for (int i = 0; i < N_STREAMS; i++) segue_scan_close(streams[i].scan);
    if (st != SEGUE_OK) return seg_cli_fail(r->cli, st, &err);
    for (size_t i = 0; i < r->ledger.n; i++) { /* what is nowhere at all */
        seg_entry *entry = r->ledger.entries[i];
        if (entry->is_checked || !seg_entry_is_touched(entry)) continue;
        r->touched++;
        seg_ledger_check(&r->ledger, entry, NULL);
    }
    return SEG_EXIT_DONE;
}
