/* What nobody touches, and what must be so in the end; see scene.h. */
#include "simulate/scene.h"

#include "base/base.h"
#include "store/call.h"
#include <segue/ops.h>

#include <stdio.h>
#include <string.h>

enum { DROPPED = 3, LEFT = 3, FAR_OFF_S = 1000000, JUDGE_STEPS = 3000000 };

/* ---- fillers: they arrive just as they were ---- */

static const segue_xattr filler_xattrs[] = {{{"_sys", 4}, {"{\"a\":1}", 7}}, {{"u", 1}, {"[2]", 3}}};

const char *sim_filler_key(unsigned i, char out[8])
{
    (void)snprintf(out, 8, "f%04u", i % 10000); /* fits */
    return out;
}

unsigned sim_filler_number(segue_slice key)
{
    uint64_t n = 0;
    bool is_one = key.size == 5 && key.data[0] == 'f';
    for (size_t i = 1; is_one && i < key.size; i++) n = n * 10 + (uint64_t)(key.data[i] - '0');
    return is_one && n < sim_the_plan.n_fillers ? (unsigned)n : sim_the_plan.n_fillers;
}

bool sim_filler_is_live(unsigned i) { return i % 7 != 6; }

static segue_record filler(unsigned i, char key[8], char body[24])
{
    (void)snprintf(body, 24, "{\"filler\":%u}", i); /* fits */
    segue_record rec = {.key = segue_str(sim_filler_key(i, key)), .body = segue_str(body), .xattrs = filler_xattrs};
    rec.n_xattrs = i % 3;
    rec.revision = 3 + i % 5;
    rec.is_json = true;
    if (i % 4 == 1) rec.expiry = (uint32_t)(sim_second_of(NULL) + FAR_OFF_S);
    if (!sim_filler_is_live(i)) {
        rec.body = (segue_slice){0};
        rec.n_xattrs = rec.n_xattrs ? 1 : 0;
        rec.expiry = 0;
        rec.is_tombstone = true;
        rec.is_json = false;
    }
    return rec;
}

static struct {
    uint64_t cas[1000], revision[1000];
    uint32_t expiry[1000];
} fillers;

static void put(segue_store *store, const segue_record *rec, uint64_t *ret_cas)
{
    segue_error err = {0};
    if (segue_put_record(store, rec, 0, NULL, ret_cas, &err) != SEGUE_OK) sim_fail(NULL, "fill: %s", err.message);
}

void sim_fill(segue_store *primary, segue_store *fallback)
{
    char key[8], body[24];
    (void)primary;
    for (unsigned i = 0; i < sim_the_plan.n_fillers; i++) {
        segue_record rec = filler(i, key, body);
        put(fallback, &rec, &fillers.cas[i]);
        SEG_AUTO(segue_doc) doc = {0};
        if (segue_get_record(fallback, rec.key, NULL, &doc, NULL) != SEGUE_OK) sim_fail(NULL, "a filler is not there");
        fillers.revision[i] = doc.rec.revision;
        fillers.expiry[i] = doc.rec.expiry;
    }
    for (unsigned i = 0; i < DROPPED + LEFT; i++) {
        (void)snprintf(key, sizeof key, "%c%u", i < DROPPED ? 'd' : 'l', i);
        segue_record rec = {.key = segue_str(key), .body = segue_str("1"), .revision = 1, .is_json = true};
        put(fallback, &rec, NULL);
    }
}

static bool same_filler(const segue_record *is, const segue_record *was, unsigned i)
{
    bool same = is->is_tombstone == was->is_tombstone && segue_slice_equal(is->body, was->body) &&
                is->n_xattrs == was->n_xattrs && is->expiry == fillers.expiry[i] &&
                is->revision == fillers.revision[i] && (sim_the_plan.moves_cas || is->cas == fillers.cas[i]);
    for (size_t x = 0; same && x < was->n_xattrs; x++)
        same = segue_slice_equal(is->xattrs[x].name, was->xattrs[x].name) &&
               segue_slice_equal(is->xattrs[x].value, was->xattrs[x].value);
    return same;
}

void sim_check_filler(unsigned i, const segue_record *rec)
{
    char key[8], body[24];
    segue_record was = filler(i, key, body);
    if (!rec && !was.is_tombstone) sim_fail(key, "%s, which nobody touched, is not found", key);
    if (!rec) return;
    segue_record is = *rec;
    if (sim_the_plan.moves_cas) is.cas = fillers.cas[i];
    if (!same_filler(&is, &was, i)) sim_fail(key, "%s, which nobody touched, is shown with another content", key);
}

static void check_fillers(segue_store *primary)
{
    char key[8], body[24];
    SEG_AUTO(segue_doc) doc = {0};
    for (unsigned i = 0; i < sim_the_plan.n_fillers; i++) {
        segue_record was = filler(i, key, body);
        segue_status st = segue_get_record(primary, was.key, NULL, &doc, NULL);
        bool is_purged = was.is_tombstone && st == SEGUE_NOT_FOUND;
        if (is_purged || (st == SEGUE_OK && same_filler(&doc.rec, &was, i))) continue;
        sim_fail(NULL, "%s, which nobody touched, is not in the primary as it was (%s)", key, segue_status_name(st));
    }
}

/* ---- the fallback: what was left, and nothing else ---- */

static void check_fallback(segue_store *fallback)
{
    segue_call call = seg_call_new(fallback, 0, NULL);
    segue_bounds all = {.tombstones = true};
    segue_page page = {.max_docs = 100, .max_bytes = SIZE_MAX};
    unsigned left = 0;
    if (seg_call_scan(fallback, &all, &page, &call) != SEGUE_OK) sim_fail(NULL, "the fallback cannot be read");
    for (size_t i = 0; i < page.n; i++) {
        segue_slice key = page.docs[i].rec.key;
        char name[8];
        left += key.data[0] == 'l';
        (void)snprintf(name, sizeof name, "%.*s", (int)key.size, key.data); /* cut if it must be */
        if (key.data[0] != 'l') sim_fail(name, "%s is left in the fallback", name);
    }
    if (left != LEFT) sim_fail(NULL, "%u documents that the policy leaves are in the fallback, not %u", left, LEFT);
    segue_page_free(&page);
}

/* ---- the clients' keys ---- */

static void read_end(segue_store *store, unsigned key)
{
    static const sim_place nowhere;
    char name[8];
    SEG_AUTO(segue_doc) doc = {0};
    segue_error err = {0};
    seg_op op = sim_begin_op(&nowhere, 0, SEG_ASK_GET);
    segue_status st = segue_get(store, segue_str(sim_key(key, name)), NULL, &doc, &err);
    if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) sim_saw(key, &op, st == SEGUE_OK ? &doc.rec : NULL);
    else sim_fail(name, "the last read of %s: %s", name, err.message);
}

static void judge(unsigned key)
{
    char name[8];
    seg_judgement judgement;
    seg_history *h = &sim_histories[key];
    seg_op move = {.kind = SEG_ASK_RECAS, .answer = SEG_ANSWER_UNKNOWN, .end = UINT64_MAX, .clock_to = UINT64_MAX};
    if (sim_the_plan.moves_cas && seg_history_add(h, &move) != SEGUE_OK) sim_fail(NULL, "out of memory for a history");
    seg_history_judge(h, JUDGE_STEPS, &judgement);
    sim_note('V', judgement.verdict, judgement.steps);
    if (judgement.verdict == SEG_VERDICT_BAD) sim.failed_moment = h->ops[judgement.culprit].end;
    if (judgement.verdict != SEG_VERDICT_GOOD) sim_fail(sim_key(key, name), "%s: %s", name, judgement.text);
}

static void check_status(segue_store *primary)
{
    segue_migration_status status = {0};
    segue_status st = segue_migration_status_read(primary, NULL, &status, NULL);
    if (st != SEGUE_OK || status.stage != SEGUE_STAGE_CLEAN)
        sim_fail(NULL, "the migration says that it is %s",
                 st == SEGUE_OK ? segue_stage_name(status.stage) : "unreadable");
    else if (status.counts.foreign_writes)
        sim_fail(NULL, "the migration tells of %llu foreign writes, and there were none",
                 (unsigned long long)status.counts.foreign_writes);
    segue_migration_status_free(&status);
}

void sim_check(segue_store *primary, segue_store *fallback, segue_store *dual)
{
    check_status(primary);
    check_fallback(fallback);
    check_fillers(primary);
    sim_check_feeds(primary, dual);
    for (unsigned key = 0; key < sim_the_plan.n_keys && !sim.failure[0]; key++) {
        read_end(primary, key);
        read_end(dual, key);
        judge(key);
    }
}
