/* L5: what a migration would do. Reads both stores once, changes nothing. */
#include "base/base.h"
#include "base/env.h"
#include "migrate/migration.h"

#include <ctype.h>

typedef struct planning {
    const segue_policy *policy;
    segue_plan *plan;
    segue_store *to; /* or NULL */
    segue_buf keys;  /* of move and counter, of this page: u8 size, key */
    segue_bounds looked_at;
} planning;

static void add(segue_tally *tally, const segue_record *rec)
{
    if (rec->is_tombstone) tally->tombstones++;
    else tally->live++;
    tally->bytes += seg_record_bytes(rec);
}

/* ---- unmatched keys by prefix ---- */

static size_t prefix_size(segue_slice key)
{
    const char *first = memchr(key.data, ':', key.size);
    if (first) {
        size_t at = (size_t)(first - key.data) + 1;
        const char *second = memchr(key.data + at, ':', key.size - at);
        return second ? (size_t)(second - key.data) + 1 : at;
    }
    for (size_t i = 0; i < key.size; i++)
        if (!isalnum((unsigned char)key.data[i])) return i + 1;
    return key.size;
}

/* Into what is all zeros. A key that another program has written may be longer than any of ours: it is cut. */
static void put_text(char out[SEGUE_KEY_MAX + 1], const char *data, size_t size)
{
    if (size > SEGUE_KEY_MAX) size = SEGUE_KEY_MAX;
    memcpy(out, data, size);
}

/* Its place in byte order; a new one is made while there is room, the last one is for the rest. */
static segue_plan_prefix *place_of(segue_plan *plan, segue_slice key)
{
    size_t size = prefix_size(key), at = 0;
    segue_slice prefix = segue_bytes(key.data, size);
    bool is_full = plan->n_unmatched == SEGUE_PLAN_PREFIXES_MAX;
    size_t n = is_full ? plan->n_unmatched - 1 : plan->n_unmatched;
    while (at < n && segue_slice_compare(segue_str(plan->unmatched[at].prefix), prefix) < 0) at++;
    if (at < n && segue_slice_equal(segue_str(plan->unmatched[at].prefix), prefix)) return &plan->unmatched[at];
    if (is_full) return &plan->unmatched[n];
    if (n == SEGUE_PLAN_PREFIXES_MAX - 1) at = n; /* the last place, without a prefix */
    memmove(&plan->unmatched[at + 1], &plan->unmatched[at], (n - at) * sizeof plan->unmatched[0]);
    plan->n_unmatched++;
    segue_plan_prefix *place = &plan->unmatched[at];
    *place = (segue_plan_prefix){0};
    if (at < SEGUE_PLAN_PREFIXES_MAX - 1) put_text(place->prefix, prefix.data, prefix.size);
    put_text(place->example, key.data, key.size);
    return place;
}

/* ---- records ---- */

static segue_status count(planning *p, const segue_record *rec)
{
    segue_plan *plan = p->plan;
    if (seg_key_is_reserved(rec->key)) {
        plan->reserved++;
        return SEGUE_OK;
    }
    size_t number = segue_policy_classify(p->policy, rec->key);
    segue_action action = p->policy->rules[number].action;
    add(&plan->all, rec);
    add(&plan->by_rule[number], rec);
    add(&plan->by_action[action], rec);
    const segue_bounds *b = &p->looked_at;
    bool is_outside = segue_slice_compare(rec->key, b->from) < 0 ||
                      (b->to.size && segue_slice_compare(rec->key, b->to) >= 0);
    if (is_outside) add(&plan->outside, rec);
    if (number + 1 == p->policy->n_rules) add(&place_of(plan, rec->key)->tally, rec);
    if (action == SEGUE_ACTION_STOP && !plan->stop_key[0]) put_text(plan->stop_key, rec->key.data, rec->key.size);
    if (!p->to || (action != SEGUE_ACTION_MOVE && action != SEGUE_ACTION_COUNTER)) return SEGUE_OK;
    if (rec->key.size > SEGUE_KEY_MAX) return SEGUE_OK; /* the primary cannot have it */
    char size = (char)(unsigned char)rec->key.size;
    segue_status st = segue_buf_append(&p->keys, &size, 1);
    return st == SEGUE_OK ? segue_buf_append(&p->keys, rec->key.data, rec->key.size) : st;
}

/* The next key of this page, or none. */
static segue_slice next_key(const planning *p, size_t *at)
{
    if (*at >= p->keys.size) return segue_bytes(NULL, 0);
    size_t size = (unsigned char)p->keys.data[*at];
    segue_slice key = segue_bytes(p->keys.data + *at + 1, size);
    *at += 1 + size;
    return key;
}

/* Which of this page's keys the primary, if there is one, has: one scan of their range. */
static segue_status count_already(planning *p, segue_slice last, segue_error *err)
{
    size_t at = 0;
    segue_slice key = next_key(p, &at);
    if (!key.data) return SEGUE_OK;
    segue_range range = {.from = key, .to = last, .options = SEGUE_SCAN_KEYS_ONLY | SEGUE_SCAN_TOMBSTONES};
    segue_scan *scan = NULL;
    const segue_record *found = NULL;
    segue_status st = segue_scan_open(p->to, &range, &scan, err);
    if (st != SEGUE_OK) return st;
    while (key.data && (st = segue_scan_next(scan, &found, err)) == SEGUE_OK) {
        while (key.data && segue_slice_compare(key, found->key) < 0) key = next_key(p, &at);
        if (key.data && segue_slice_equal(key, found->key)) p->plan->already++;
    }
    segue_scan_close(scan);
    return st == SEGUE_END ? SEGUE_OK : st;
}

static segue_status plan_page(planning *p, const segue_page *page, segue_error *err)
{
    segue_buf_clear(&p->keys);
    for (size_t i = 0; i < page->n; i++) {
        segue_status st = count(p, &page->docs[i].rec);
        if (st != SEGUE_OK) return seg_error_set(err, st, "out of memory for a plan");
    }
    return count_already(p, page->docs[page->n - 1].rec.key, err);
}

static segue_status read_all(planning *p, segue_store *from, segue_error *err)
{
    segue_page page = {.max_docs = 1000, .max_bytes = 1 << 20};
    SEG_AUTO(segue_buf) after = {0};
    segue_bounds b = {.tombstones = true};
    segue_status st;
    for (;;) {
        segue_call call = seg_call_new(from, 0, err);
        st = seg_call_scan(from, &b, &page, &call);
        if (st == SEGUE_OK && page.n) st = plan_page(p, &page, err);
        if (st != SEGUE_OK || !page.more) break;
        segue_slice last = page.docs[page.n - 1].rec.key;
        segue_buf_clear(&after);
        st = segue_buf_append(&after, last.data, last.size);
        if (st != SEGUE_OK) break;
        b.from = segue_buf_slice(&after);
        b.from_open = true;
    }
    segue_page_free(&page);
    return st;
}

segue_status segue_plan_make(segue_store *from, segue_store *to, const segue_policy *policy, segue_plan *ret_plan,
                             segue_error *reterr)
{
    if (!from || !policy) return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a plan needs a store and a policy");
    if (seg_store_find(from, "dual"))
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a plan is made of the fallback, not of a dual store");
    if (to && seg_store_same(from, to))
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "%s and %s are the same collection", segue_store_url(from),
                             segue_store_url(to));
    segue_plan plan = {.n_rules = policy->n_rules};
    plan.by_rule = seg_alloc_zero(plan.n_rules * sizeof *plan.by_rule);
    plan.unmatched = seg_alloc_zero(SEGUE_PLAN_PREFIXES_MAX * sizeof *plan.unmatched);
    planning p = {.policy = policy, .plan = &plan, .to = to, .looked_at = seg_policy_bounds(policy)};
    segue_status st = SEGUE_NO_MEMORY;
    if (plan.by_rule && plan.unmatched) st = read_all(&p, from, reterr);
    else (void)seg_error_set(reterr, st, "out of memory for a plan");
    segue_buf_free(&p.keys);
    (void)seg_error_told(reterr, st, segue_store_url(from)); /* it is st */
    if (st == SEGUE_OK) *ret_plan = plan;
    else segue_plan_free(&plan);
    return st;
}

void segue_plan_free(segue_plan *plan)
{
    seg_free(plan->by_rule);
    seg_free(plan->unmatched);
    *plan = (segue_plan){0};
}
