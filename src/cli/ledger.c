/* L6: the ledger of a rehearsal; see ledger.h. What a mutation leaves is worked out here a second time, on purpose: the
 * library's own rules are what is being checked. */
#include "cli/ledger.h"
#include "base/base.h"
#include "cli/json_in.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void seg_ledger_init(seg_ledger *ledger, bool keeps_cas)
{
    *ledger = (seg_ledger){.keeps_cas = keeps_cas};
    (void)pthread_mutex_init(&ledger->lock, NULL); /* never fails with default attributes */
}

static void free_entry(seg_entry *entry)
{
    segue_doc_free(&entry->now);
    seg_history_free(&entry->history);
    seg_free(entry);
}

void seg_ledger_free(seg_ledger *ledger)
{
    for (size_t i = 0; i < ledger->n; i++) free_entry(ledger->entries[i]);
    seg_free(ledger->entries);
    (void)pthread_mutex_destroy(&ledger->lock); /* nobody has it any more */
    *ledger = (seg_ledger){0};
}

segue_status seg_ledger_add(seg_ledger *ledger, seg_entry_kind kind, unsigned owner, segue_slice key,
                            const segue_record *rec, seg_entry **ret_entry)
{
    if (ledger->n == ledger->capacity) {
        size_t capacity = ledger->capacity ? 2 * ledger->capacity : 256;
        seg_entry **more = seg_realloc(ledger->entries, capacity * sizeof(seg_entry *));
        if (!more) return SEGUE_NO_MEMORY;
        ledger->entries = more;
        ledger->capacity = capacity;
    }
    seg_entry *entry = seg_alloc_zero(sizeof *entry);
    segue_record none = {.key = key, .is_tombstone = true};
    if (!entry) return SEGUE_NO_MEMORY;
    if (segue_doc_assign(&entry->now, rec ? rec : &none) != SEGUE_OK) {
        seg_free(entry);
        return SEGUE_NO_MEMORY;
    }
    entry->kind = kind;
    entry->owner = owner;
    entry->exists = rec != NULL;
    ledger->entries[ledger->n++] = entry;
    if (ret_entry) *ret_entry = entry;
    return SEGUE_OK;
}

static int by_key(const void *a, const void *b)
{
    return segue_slice_compare((*(seg_entry *const *)a)->now.rec.key, (*(seg_entry *const *)b)->now.rec.key);
}

void seg_ledger_sort(seg_ledger *ledger)
{
    if (ledger->n > 1) qsort(ledger->entries, ledger->n, sizeof(seg_entry *), by_key);
    size_t n = 0;
    for (size_t i = 0; i < ledger->n; i++) {
        if (n > 0 && by_key(&ledger->entries[n - 1], &ledger->entries[i]) == 0) free_entry(ledger->entries[i]);
        else ledger->entries[n++] = ledger->entries[i];
    }
    ledger->n = n;
}

seg_entry *seg_ledger_find(const seg_ledger *ledger, segue_slice key)
{
    size_t low = 0, high = ledger->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = segue_slice_compare(key, ledger->entries[middle]->now.rec.key);
        if (c == 0) return ledger->entries[middle];
        if (c < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

void seg_ledger_differs(seg_ledger *ledger, segue_slice key, const char *format, ...)
{
    char quoted[SEG_QUOTED_MAX], text[SEG_LEDGER_TEXT_SIZE - SEG_QUOTED_MAX - 8];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* cut if it must be */
    va_end(args);
    (void)pthread_mutex_lock(&ledger->lock); /* a valid mutex, never held twice */
    if (ledger->differences < SEG_LEDGER_TEXTS_MAX)
        (void)snprintf(ledger->texts[ledger->differences], SEG_LEDGER_TEXT_SIZE, "%s: %s", seg_quote(key, quoted),
                       text); /* fits */
    ledger->differences++;
    (void)pthread_mutex_unlock(&ledger->lock); /* held by us */
}

/* ---- comparing ---- */

static bool same_xattrs(const segue_record *a, const segue_record *b)
{
    if (a->n_xattrs != b->n_xattrs) return false;
    for (size_t i = 0; i < a->n_xattrs; i++)
        if (!segue_slice_equal(a->xattrs[i].name, b->xattrs[i].name) ||
            !segue_slice_equal(a->xattrs[i].value, b->xattrs[i].value))
            return false;
    return true;
}

const char *seg_record_difference(const segue_record *a, const segue_record *b, bool exactly)
{
    if (!a || !b) return a == b ? NULL : "existence";
    if (a->is_tombstone != b->is_tombstone) return "state (live or deleted)";
    if (!a->is_tombstone && !segue_slice_equal(a->body, b->body)) return "body";
    if (!same_xattrs(a, b)) return "xattrs";
    if (a->expiry != b->expiry) return "expiry";
    if (a->flags != b->flags) return "flags";
    if (a->is_json != b->is_json) return "is-JSON";
    if (exactly && a->cas != b->cas) return "CAS";
    if (exactly && a->revision != b->revision) return "revision";
    return NULL;
}

static bool is_live(const seg_entry *entry) { return entry->exists && !entry->now.rec.is_tombstone; }

bool seg_ledger_saw(seg_ledger *ledger, const seg_entry *entry, const segue_record *rec)
{
    const segue_record *must = is_live(entry) ? &entry->now.rec : NULL;
    if (rec && rec->is_tombstone) rec = NULL;
    if (entry->is_vague) return true;
    if (!must && !rec) return true;
    if (!must)
        seg_ledger_differs(ledger, entry->now.rec.key, "was read, although it is deleted: it came back from the dead");
    else if (!rec) seg_ledger_differs(ledger, entry->now.rec.key, "was not found, although it is there");
    else {
        const char *field = seg_record_difference(must, rec, ledger->keeps_cas || entry->touched);
        if (!field) return true;
        seg_ledger_differs(ledger, entry->now.rec.key, "was read with another %s than it was written with", field);
    }
    return false;
}

/* ---- mutations of owned keys ---- */

static bool read_number(segue_slice body, uint64_t *ret)
{
    return body.size > 0 && body.size <= 20 && seg_parse_u64(body, ret);
}

segue_status seg_ledger_expects(const seg_entry *entry, const segue_mutation *m)
{
    uint64_t number;
    bool live = is_live(entry);
    if (m->expect == SEGUE_EXPECT_NOT_LIVE && live) return SEGUE_EXISTS;
    if (m->expect == SEGUE_EXPECT_LIVE && !live) return SEGUE_NOT_FOUND;
    if (m->expect == SEGUE_EXPECT_CAS && !live) return SEGUE_NOT_FOUND;
    if (m->expect == SEGUE_EXPECT_CAS && m->cas != entry->now.rec.cas) return SEGUE_CAS_MISMATCH;
    if ((m->body_op == SEGUE_BODY_DELETE || m->body_op == SEGUE_BODY_KEEP) && !live) return SEGUE_NOT_FOUND;
    if (m->body_op == SEGUE_BODY_ADD && !live) return m->has_initial ? SEGUE_OK : SEGUE_NOT_FOUND;
    if (m->body_op == SEGUE_BODY_ADD && !read_number(entry->now.rec.body, &number)) return SEGUE_NOT_A_NUMBER;
    return SEGUE_OK;
}

/* The record after a mutation, with the memory that it points into. */
typedef struct aftermath {
    segue_record rec;
    segue_xattr xattrs[SEGUE_XATTRS_MAX];
    char number[21];
} aftermath;

static void after_xattrs(const seg_entry *entry, const segue_mutation *m, aftermath *a)
{
    const segue_record *now = &entry->now.rec;
    bool live = is_live(entry), deletes = m->body_op == SEGUE_BODY_DELETE;
    size_t n = 0, s = 0;
    /* Both lists are in order of name. A new body over a tombstone begins without its xattrs. */
    for (size_t i = 0; live && i < now->n_xattrs; i++) {
        const segue_xattr *old = &now->xattrs[i];
        if (deletes && !(old->name.size > 0 && old->name.data[0] == '_')) continue;
        while (s < m->n_set_xattrs && segue_slice_compare(m->set_xattrs[s].name, old->name) < 0)
            a->xattrs[n++] = m->set_xattrs[s++];
        if (s < m->n_set_xattrs && segue_slice_equal(m->set_xattrs[s].name, old->name))
            a->xattrs[n++] = m->set_xattrs[s++];
        else a->xattrs[n++] = *old;
    }
    while (s < m->n_set_xattrs) a->xattrs[n++] = m->set_xattrs[s++];
    a->rec.xattrs = a->xattrs;
    a->rec.n_xattrs = n;
}

static void after_body(const seg_entry *entry, const segue_mutation *m, aftermath *a)
{
    uint64_t number = 0;
    a->rec.is_tombstone = m->body_op == SEGUE_BODY_DELETE;
    if (m->body_op == SEGUE_BODY_SET) {
        a->rec.body = m->body;
        a->rec.is_json = m->json == SEGUE_JSON_YES;
    } else if (m->body_op == SEGUE_BODY_DELETE) {
        a->rec.body = (segue_slice){NULL, 0};
        a->rec.is_json = false;
        a->rec.expiry = 0;
    } else if (m->body_op == SEGUE_BODY_ADD) {
        number = is_live(entry) && read_number(entry->now.rec.body, &number) ? number + m->delta : m->initial;
        a->rec.body = segue_bytes(a->number, seg_format_u64(number, a->number));
        a->rec.is_json = true;
    }
    if (!is_live(entry)) a->rec.flags = 0;
    if (m->expiry.op == SEGUE_EXPIRY_AT) a->rec.expiry = m->expiry.seconds;
    else if (m->expiry.op == SEGUE_EXPIRY_NONE && !m->expiry.keep_if_live) a->rec.expiry = 0;
    else if (m->expiry.op == SEGUE_EXPIRY_DEFAULT && m->body_op == SEGUE_BODY_SET) a->rec.expiry = 0;
    else if (!is_live(entry)) a->rec.expiry = 0;
}

static void work_out(const seg_entry *entry, const segue_mutation *m, aftermath *a)
{
    a->rec = entry->now.rec;
    after_xattrs(entry, m, a);
    after_body(entry, m, a);
}

/* Whether the mutation changes nothing, so that nothing is written: a touch with the same expiry. */
static bool changes_nothing(const seg_entry *entry, const segue_mutation *m, const aftermath *a)
{
    return m->body_op == SEGUE_BODY_KEEP && m->n_set_xattrs == 0 && a->rec.expiry == entry->now.rec.expiry;
}

static void check_outcome(seg_ledger *ledger, const seg_entry *entry, const segue_outcome *outcome, bool nothing)
{
    const segue_record *now = &entry->now.rec;
    if (nothing) {
        if (outcome->written) seg_ledger_differs(ledger, now->key, "was written by a mutation that changes nothing");
        return;
    }
    if (!entry->exists || entry->is_vague) return;
    if (outcome->cas <= now->cas && (ledger->keeps_cas || entry->touched))
        seg_ledger_differs(ledger, now->key, "got a CAS that is not greater than the one before");
    bool purged = now->is_tombstone && outcome->revision == 1;
    if (outcome->revision != now->revision + 1 && !purged && (ledger->keeps_cas || entry->touched))
        seg_ledger_differs(ledger, now->key, "went from revision %llu to %llu", (unsigned long long)now->revision,
                           (unsigned long long)outcome->revision);
}

segue_status seg_ledger_settle(seg_ledger *ledger, seg_entry *entry, const segue_mutation *m, segue_status status,
                               const segue_outcome *outcome)
{
    segue_status must = seg_ledger_expects(entry, m);
    if (segue_status_is_retryable(status)) return SEGUE_OK; /* nothing was applied */
    if (entry->is_vague && status != SEGUE_OK) return SEGUE_OK;
    if (status != must && !entry->is_vague) {
        seg_ledger_differs(ledger, entry->now.rec.key, "a write came back with %s where %s was right",
                           segue_status_name(status), segue_status_name(must));
        if (status != SEGUE_OK) return SEGUE_OK;
    }
    if (status != SEGUE_OK) return SEGUE_OK;
    aftermath a;
    work_out(entry, m, &a);
    bool nothing = must == SEGUE_OK && changes_nothing(entry, m, &a);
    check_outcome(ledger, entry, outcome, nothing);
    if (nothing) return SEGUE_OK;
    a.rec.cas = outcome->cas;
    a.rec.revision = outcome->revision;
    segue_doc fresh = {0};
    segue_status st = segue_doc_assign(&fresh, &a.rec);
    if (st != SEGUE_OK) return st;
    segue_doc_free(&entry->now);
    entry->now = fresh;
    entry->exists = entry->touched = true;
    if (m->body_op == SEGUE_BODY_SET && m->n_set_xattrs == 0 && a.rec.n_xattrs == 0) entry->is_vague = false;
    return SEGUE_OK;
}

segue_status seg_ledger_resolve(seg_ledger *ledger, seg_entry *entry, const segue_mutation *m, const segue_record *rec)
{
    aftermath a;
    work_out(entry, m, &a);
    if (seg_record_difference(entry->exists ? &entry->now.rec : NULL, rec, true) == NULL) return SEGUE_OK;
    if (!rec || seg_record_difference(&a.rec, rec, false) != NULL) {
        seg_ledger_differs(ledger, entry->now.rec.key,
                           "is neither what it was before a write of unknown outcome nor what it would be after it");
        entry->is_vague = true;
        return SEGUE_OK;
    }
    segue_outcome outcome = {.cas = rec->cas, .revision = rec->revision, .written = true};
    return seg_ledger_settle(ledger, entry, m, SEGUE_OK, &outcome);
}

/* ---- the end ---- */

bool seg_ledger_number(const segue_record *rec, uint64_t *ret_number)
{
    if (!rec || rec->is_tombstone) return false;
    if (read_number(rec->body, ret_number)) return true;
    uint64_t is_pill = 0;
    if (seg_json_member_number(rec->body, "rehearsed", ret_number)) return true;
    return seg_json_member_number(rec->body, "sg_metadata_migration_pill", &is_pill) && is_pill == 1 &&
           seg_json_member_number(rec->body, "last_seq", ret_number);
}

static void check_sum(seg_ledger *ledger, const seg_entry *entry, const segue_record *rec)
{
    uint64_t least = entry->initial + atomic_load(&entry->acknowledged), most = least + atomic_load(&entry->unknown);
    uint64_t number = 0;
    /* Nothing need have been added to it: then a shared one is as it was before the clients came. */
    bool may_have_none = entry->kind == SEG_ENTRY_SHARED && least == 0 && rec && !rec->is_tombstone;
    if (!seg_ledger_number(rec, &number) && !may_have_none)
        seg_ledger_differs(ledger, entry->now.rec.key, "holds no number any more; %llu was acknowledged",
                           (unsigned long long)least);
    else if (number < least)
        seg_ledger_differs(ledger, entry->now.rec.key, "is %llu; %llu was acknowledged: updates were lost",
                           (unsigned long long)number, (unsigned long long)least);
    else if (number > most)
        seg_ledger_differs(ledger, entry->now.rec.key, "is %llu; only %llu was added: updates were applied twice",
                           (unsigned long long)number, (unsigned long long)most);
}

/* What ended after the cut may have met what was not written down any more: of a read nothing can be said then, a write may
 * have been applied. */
static void cut_history(seg_ledger *ledger, seg_history *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        seg_op *op = &h->ops[i];
        bool is_late = ledger->cut && op->end > ledger->cut;
        if (is_late && op->kind == SEG_ASK_GET) continue;
        if (is_late && op->answer == SEG_ANSWER_OK) op->answer = SEG_ANSWER_UNKNOWN;
        else if (is_late) op->answer = SEG_ANSWER_FAILED;
        if (!is_late) {
            ledger->judged++;
            ledger->judged_unknown += op->answer == SEG_ANSWER_UNKNOWN;
        }
        h->ops[n++] = *op;
    }
    h->n = n;
}

static void judge_history(seg_ledger *ledger, seg_entry *entry, const segue_record *rec)
{
    const segue_record *first = &entry->now.rec;
    seg_history *h = &entry->history;
    seg_judgement judgement;
    if (!ledger->keeps_cas || h->n == 0) return;
    h->start = (seg_model){.live = true, .body = entry->initial, .cas = first->cas};
    cut_history(ledger, h);
    if (entry->kind == SEG_ENTRY_SHARED && !ledger->cut) { /* what is there in the end is one more read */
        seg_op last = {.begin = UINT64_MAX - 1, .end = UINT64_MAX - 1, .answer = SEG_ANSWER_NOT_FOUND};
        seg_op_saw(&last, rec);
        if (seg_history_add(h, &last) != SEGUE_OK) seg_ledger_differs(ledger, first->key, "out of memory to judge it");
    }
    ledger->judged_keys++;
    seg_history_judge(h, 0, &judgement);
    if (judgement.verdict != SEG_VERDICT_GOOD) seg_ledger_differs(ledger, first->key, "%s", judgement.text);
}

void seg_op_saw(seg_op *op, const segue_record *rec)
{
    if (!rec || rec->is_tombstone) {
        op->answer = SEG_ANSWER_NOT_FOUND;
        return;
    }
    op->answer = SEG_ANSWER_OK;
    op->cas = rec->cas;
    if (!seg_ledger_number(rec, &op->saw_body)) op->saw_body = 0; /* as it was before the clients came */
}

bool seg_entry_is_touched(const seg_entry *entry)
{
    return entry->touched || atomic_load(&entry->acknowledged) + atomic_load(&entry->unknown) > 0;
}

void seg_ledger_check(seg_ledger *ledger, seg_entry *entry, const segue_record *rec)
{
    const segue_record *must = entry->exists ? &entry->now.rec : NULL;
    entry->is_checked = true;
    if (entry->is_vague) return;
    if (entry->kind != SEG_ENTRY_OWNED) {
        check_sum(ledger, entry, rec);
        judge_history(ledger, entry, rec);
        return;
    }
    if (must && must->is_tombstone && !rec) return; /* purged */
    if (rec && !rec->is_tombstone && (!must || must->is_tombstone)) {
        seg_ledger_differs(ledger, entry->now.rec.key, "is there in the end, although it was deleted");
        return;
    }
    if (must && !must->is_tombstone && (!rec || rec->is_tombstone)) {
        seg_ledger_differs(ledger, entry->now.rec.key, "an acknowledged write is not there in the end");
        return;
    }
    if (!must && !rec) return;
    const char *field = seg_record_difference(must, rec, true);
    if (field)
        seg_ledger_differs(ledger, entry->now.rec.key, "has another %s in the end than it was written with", field);
}
