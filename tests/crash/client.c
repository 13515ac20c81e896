/* The script's steps, and the judge: each key's history is played on stores in memory, one for each course that it may have
 * taken, and what is shown must be the outcome of one of them. */
#include "crash/client.h"

#include "base/base.h"
#include "base/env.h"
#include "doc/doc.h"
#include "doc/pill.h"
#include "store/call.h"
#include "support/power.h"
#include <segue/feed.h>
#include <segue/ops.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int64_t SECOND = 1000000000, BEGIN_S = 1800000000;
enum { COURSES_MAX = 16, BIG = 512 * 1024 };

bool crash_fail(crash_shared *shared, const char *format, ...)
{
    va_list args;
    if (shared->failed) return false;
    va_start(args, format);
    (void)vsnprintf(shared->why, sizeof shared->why, format, args); /* cut: the beginning says it */
    va_end(args);
    shared->failed = true;
    return false;
}

/* ---- the world ---- */

static int64_t clock_ns(void *ctx) { return BEGIN_S * SECOND + ((crash_shared *)ctx)->now_ns; }
static void sleep_ns(void *ctx, int64_t ns) { ((crash_shared *)ctx)->now_ns += ns; }

static void fill_random(void *ctx, void *out, size_t size)
{
    crash_shared *shared = ctx;
    for (size_t i = 0; i < size; i++) {
        shared->random = shared->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((unsigned char *)out)[i] = (unsigned char)(shared->random >> 56);
    }
}

segue_env crash_env(crash_shared *shared) { return (segue_env){shared, clock_ns, clock_ns, sleep_ns, fill_random}; }

/* ---- what there is at first ---- */

static crash_record *add_record(crash_record *out, unsigned *n, const char *key, const char *body)
{
    crash_record *r = &out[(*n)++];
    *r = (crash_record){
        .rec = {.revision = *n, .cas = (uint64_t)(BEGIN_S - 1000 + *n) * (uint64_t)SECOND & ~UINT64_C(0xffff)}};
    (void)snprintf(r->key, sizeof r->key, "%s", key);    /* fits */
    (void)snprintf(r->body, sizeof r->body, "%s", body); /* the same */
    r->rec.key = segue_str(r->key);
    r->rec.body = segue_str(r->body);
    r->rec.is_json = true;
    return r;
}

static void add_xattrs(crash_record *r, size_t n)
{
    r->xattrs[0] = (segue_xattr){segue_str("_sync"), segue_str("{\"rev\":1.0}")};
    r->xattrs[1] = (segue_xattr){segue_str("user"), segue_str("[1, 2]")};
    r->rec.xattrs = r->xattrs;
    r->rec.n_xattrs = n;
}

static void make_tombstone(crash_record *r)
{
    r->rec.body = (segue_slice){0};
    r->rec.is_json = false;
    r->rec.is_tombstone = true;
}

unsigned crash_records(crash_record out[CRASH_RECORDS_MAX], bool has_flags, bool has_pill)
{
    unsigned n = 0;
    char key[CRASH_KEY_MAX], body[32];
    for (unsigned i = 0; i < 18; i++) {
        (void)snprintf(key, sizeof key, "d:%02u", i);       /* fits */
        (void)snprintf(body, sizeof body, "{\"i\":%u}", i); /* fits */
        crash_record *r = add_record(out, &n, key, body);
        if (i == 1 || i == 8 || i == 14) add_xattrs(r, 2);
        if (i == 2 || i == 14) r->rec.expiry = (uint32_t)BEGIN_S + 50000;
        if (i == 3) r->rec.expiry = (uint32_t)BEGIN_S + 12; /* while the script runs */
        if (i == 4) r->rec.expiry = (uint32_t)BEGIN_S - 10;
        if (i == 5) make_tombstone(r), add_xattrs(r, 1);
        if (i == 6) make_tombstone(r);
        if (i == 7) r->rec.body = segue_bytes("\0\xff\1", 3), r->rec.is_json = false;
        if (i == 9 && has_flags) r->rec.flags = 0x2000009u;
    }
    (void)add_record(out, &n, "d:last", "{\"last\":true}");
    (void)add_record(out, &n, "hb:1", "1");
    (void)add_record(out, &n, "hb:2", "1");
    (void)add_record(out, &n, "n:early", "41");
    (void)add_record(out, &n, "n:late", "7");
    if (has_pill) (void)add_record(out, &n, CRASH_PILL, "33");
    (void)add_record(out, &n, "other", "\"stays\"");
    return n;
}

/* ---- asking ---- */

static bool is_outside(crash_op op) { return op == OP_OUTSIDE_INCR || op == OP_OUTSIDE_SET || op == OP_OUTSIDE_ERASE; }

/* One entry on a store: the client's, or the one that the judge plays it on. */
static segue_status ask(segue_store *store, const crash_entry *e, segue_outcome *out, segue_error *err)
{
    static char big[BIG];
    char body[40];
    segue_xattr xattrs[] = {{segue_str("_sync"), segue_str("{\"by\":\"client\"}")},
                            {segue_str("user"), segue_str("3")}};
    segue_path_op path = {SEGUE_PATH_SET, SEGUE_IN_BODY, segue_str("at"), segue_str("true"), 0};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .json = SEGUE_JSON_YES};
    int n = snprintf(body, sizeof body, "{\"number\":%u}", e->number); /* fits */
    m.body = segue_bytes(body, (size_t)n);
    switch (e->op) {
    case OP_SET:
    case OP_OUTSIDE_SET: break;
    case OP_ADD: m.expect = SEGUE_EXPECT_NOT_LIVE; break;
    case OP_XATTR: m.set_xattrs = xattrs, m.n_set_xattrs = 2; break;
    case OP_HIDE:
    case OP_DELETE: m = (segue_mutation){.expect = SEGUE_EXPECT_LIVE, .body_op = SEGUE_BODY_DELETE}; break;
    case OP_TOMBSTONE:
        m = (segue_mutation){.body_op = SEGUE_BODY_DELETE, .set_xattrs = xattrs, .n_set_xattrs = 1};
        break;
    case OP_TOUCH:
        m = (segue_mutation){.expect = SEGUE_EXPECT_LIVE,
                             .expiry = segue_expiry_at((uint32_t)(BEGIN_S + 60000 + e->number))};
        break;
    case OP_PATH: m = (segue_mutation){.expect = SEGUE_EXPECT_LIVE, .paths = &path, .n_paths = 1}; break;
    case OP_APPEND: m.expect = SEGUE_EXPECT_LIVE, m.body_op = SEGUE_BODY_APPEND, m.json = SEGUE_JSON_NO; break;
    case OP_INCR:
    case OP_OUTSIDE_INCR:
        m = (segue_mutation){.expect = SEGUE_EXPECT_LIVE, .body_op = SEGUE_BODY_ADD, .delta = 1};
        break;
    case OP_CAS_SET: m.expect = SEGUE_EXPECT_CAS, m.cas = e->token; break;
    case OP_BIG:
        if (!big[0]) memset(big, 'x', sizeof big);
        m.body = segue_bytes(big, sizeof big), m.json = SEGUE_JSON_NO;
        break;
    case OP_REAP:
    case OP_FEED:
    case OP_OUTSIDE_ERASE: break;
    }
    return segue_mutate(store, segue_str(e->key), &m, NULL, out, NULL, err);
}

static bool read_feed(crash_client *c)
{
    segue_feed_options options = {.flags = SEGUE_FEED_STOP_AT_END};
    segue_feed *feed = NULL;
    segue_feed_event event;
    segue_error err = {0};
    uint64_t told = 0;
    segue_status st = segue_feed_open(&c->dual, 1, &options, &feed, &err);
    while (st == SEGUE_OK && (st = segue_feed_next(feed, 0, &event, &err)) == SEGUE_OK) {
        if (event.rec.cas > told) told = event.rec.cas;
    }
    segue_feed_close(feed);
    if (st != SEGUE_END) return crash_fail(c->shared, "a feed ends with %s: %s", segue_status_name(st), err.message);
    if (told > c->shared->told_cas) c->shared->told_cas = told;
    return true;
}

static bool erase_outside(crash_client *c, const char *key)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_error err = {0};
    segue_call call = seg_call_new(c->from, 0, &err);
    segue_status st = seg_call_get(c->from, segue_str(key), &doc, &call);
    if (st == SEGUE_OK) st = seg_call_erase(c->from, segue_str(key), doc.rec.cas, &call);
    return st == SEGUE_OK || st == SEGUE_NOT_FOUND || crash_fail(c->shared, "%s", err.message);
}

static uint64_t last_cas(const crash_shared *shared, const char *key)
{
    uint64_t cas = 1;
    for (unsigned i = 0; i < shared->n_entries; i++)
        if (strcmp(shared->entries[i].key, key) == 0 && shared->entries[i].cas) cas = shared->entries[i].cas;
    return cas;
}

/* Its CASes grow, and lie above what feeds have told. */
static bool check_cas(crash_shared *shared, const crash_entry *e, uint64_t before)
{
    if (e->cas <= before)
        return crash_fail(shared, "step %u: %s got the CAS %llu, and %llu was acknowledged before", e->number, e->key,
                          (unsigned long long)e->cas, (unsigned long long)before);
    return e->cas > shared->told_cas ||
           crash_fail(shared, "step %u: %s got the CAS %llu, and a feed had told of %llu", e->number, e->key,
                      (unsigned long long)e->cas, (unsigned long long)shared->told_cas);
}

/* Whether a tombstone of this key in the primary would have a live record of the fallback to hide. */
static bool hides_fallback(const crash_client *c, const char *key)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_phase phase = SEGUE_PHASE_LEGACY;
    bool is_dual = segue_dual_phase(c->dual, &phase) == SEGUE_OK && phase == SEGUE_PHASE_FORWARD;
    return is_dual && !c->keeps && segue_get(c->from, segue_str(key), NULL, &doc, NULL) == SEGUE_OK;
}

static bool do_step(crash_client *c, const crash_step *step, unsigned number)
{
    crash_shared *shared = c->shared;
    segue_error err = {0};
    segue_outcome out = {0};
    uint64_t before = last_cas(shared, step->key);
    if (shared->n_entries == CRASH_LOG_MAX) return crash_fail(shared, "the log is full");
    crash_entry *e = &shared->entries[shared->n_entries];
    *e = (crash_entry){.op = step->op, .number = number, .token = before, .now_ns = shared->now_ns};
    e->asked_at = power_now();
    (void)snprintf(e->key, sizeof e->key, "%s", step->key); /* fits */
    e->hides = (step->op == OP_DELETE || step->op == OP_HIDE) && hides_fallback(c, step->key);
    e->surely = e->hides && c->sweep_rests;
    shared->n_entries++;
    if (step->op == OP_FEED) {
        if (!read_feed(c)) return false;
    } else if (step->op == OP_OUTSIDE_ERASE) {
        if (!erase_outside(c, step->key)) return false;
    } else if (step->op == OP_REAP) {
        e->status = segue_reap(c->dual, 0, NULL, &err);
    } else {
        e->status = ask(is_outside(step->op) ? c->from : c->dual, e, &out, &err);
    }
    e->cas = e->status == SEGUE_OK && out.written ? out.cas : 0;
    e->counter = step->op == OP_FEED ? shared->told_cas : out.counter;
    e->answered_at = power_now();
    e->state = ENTRY_ANSWERED;
    if (segue_status_is_retryable(e->status) || segue_status_is_maybe_applied(e->status) ||
        segue_status_exit_code(e->status) > 1)
        return crash_fail(shared, "step %u on %s: %s: %s", number, step->key, segue_status_name(e->status),
                          err.message);
    return !e->cas || is_outside(step->op) || check_cas(shared, e, before);
}

bool crash_take_step(crash_client *c)
{
    segue_phase phase = SEGUE_PHASE_CLEAN;
    crash_shared *shared = c->shared;
    if (shared->failed) return false;
    if (shared->next_step == c->n_steps) return true;
    if (c->to && segue_dual_phase(c->dual, &phase) != SEGUE_OK)
        return crash_fail(shared, "the dual store has no phase");
    if (phase == SEGUE_PHASE_HOLD || (phase == SEGUE_PHASE_LEGACY && c->keeps)) return true;
    unsigned number = shared->next_step;
    const crash_step *step = &c->script[number];
    if (step->op == OP_HIDE && c->in_run && !c->sweep_rests) return true;
    shared->next_step++;
    shared->now_ns += SECOND;
    if (is_outside(step->op) && phase >= SEGUE_PHASE_SEALED) return true; /* nobody looks there any more */
    return do_step(c, step, number);
}

/* ---- the judge ---- */

/* One way that things may have gone with a key. */
typedef struct course {
    segue_doc doc;
    bool there;
    bool any_cas; /* nobody was told which one it has */
    bool plays_open, open_applied, hides, surely;
} course;

typedef struct judge {
    crash_client *client;
    const char *key;
    course courses[COURSES_MAX];
    unsigned n;
    uint64_t least_cas; /* the last one that was told */
    bool loose;         /* outsiders have written it: its body counts */
} judge;

static course *add_course(judge *j, const course *like)
{
    if (j->n == COURSES_MAX) {
        (void)crash_fail(j->client->shared, "%s: too many courses", j->key);
        return NULL;
    }
    course *c = &j->courses[j->n];
    segue_doc doc = c->doc; /* its memory is used again */
    *c = *like;
    c->doc = doc;
    segue_doc_clear(&c->doc);
    if (like->there && segue_doc_assign(&c->doc, &like->doc.rec) != SEGUE_OK) return NULL;
    j->n++;
    return c;
}

static void drop_course(judge *j, unsigned at)
{
    segue_doc doc = j->courses[at].doc;
    j->n--;
    memmove(&j->courses[at], &j->courses[at + 1], (j->n - at) * sizeof(course));
    j->courses[j->n].doc = doc;
}

/* Play the entry on a store that has what the course has. False: its answer would have been another. */
static bool play(judge *j, course *c, const crash_entry *e)
{
    crash_shared world = {.now_ns = e->now_ns};
    segue_env env = crash_env(&world);
    segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER};
    segue_error err = {0};
    segue_outcome out = {0};
    segue_store *store = NULL;
    segue_status st = segue_open("mem:", &options, &store, &err);
    if (st == SEGUE_OK && c->there) st = segue_put_record(store, &c->doc.rec, 0, NULL, NULL, &err);
    if (st != SEGUE_OK) return crash_fail(j->client->shared, "the judge: %s", err.message);
    segue_status got = ask(store, e, &out, &err);
    bool same = e->state != ENTRY_ANSWERED ||
                (got == e->status && out.counter == e->counter && out.written == (e->cas != 0));
    st = segue_get_record(store, segue_str(j->key), NULL, &c->doc, &err);
    segue_close(store);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) return crash_fail(j->client->shared, "the judge: %s", err.message);
    c->there = st == SEGUE_OK;
    if (!out.written) return same;
    c->hides = e->hides;
    c->surely = e->surely;
    c->any_cas = e->cas == 0;
    if (e->cas) c->doc.rec.cas = e->cas;
    return same;
}

/* What had expired may have been reaped, if it was where it could be. */
static void reap_courses(judge *j, const crash_entry *e)
{
    uint64_t now = (uint64_t)(BEGIN_S + e->now_ns / SECOND);
    unsigned n = j->n;
    for (unsigned i = 0; i < n; i++) {
        course *c = j->courses[i].there && j->courses[i].doc.rec.expiry ? add_course(j, &j->courses[i]) : NULL;
        if (c && !seg_doc_reap(&c->doc, now)) drop_course(j, j->n - 1);
        else if (c) c->any_cas = true;
    }
}

static void erase_courses(judge *j, const crash_entry *e)
{
    const course gone = {.there = false, .open_applied = e->state == ENTRY_ASKED};
    (void)add_course(j, &gone); /* if it cannot, it says so */
}

static void take_entry(judge *j, const crash_entry *e)
{
    if (e->op == OP_REAP) reap_courses(j, e);
    if (strcmp(e->key, j->key) != 0 || e->op == OP_REAP || e->op == OP_FEED || e->state == ENTRY_LOST) return;
    j->loose |= e->op == OP_OUTSIDE_SET || e->op == OP_OUTSIDE_ERASE;
    if (is_outside(e->op) && e->status != SEGUE_OK) return;
    if (e->op == OP_OUTSIDE_ERASE) {
        erase_courses(j, e);
        return;
    }
    unsigned n = j->n;
    for (unsigned i = 0; i < n && e->state == ENTRY_ASKED; i++) {
        course *c = add_course(j, &j->courses[i]);
        if (c) c->plays_open = c->open_applied = true;
    }
    for (unsigned i = 0; i < j->n;) {
        course *c = &j->courses[i];
        bool plays = e->state != ENTRY_ASKED || c->plays_open;
        c->plays_open = false;
        if (plays && !play(j, c, e)) drop_course(j, i);
        else i++;
    }
    if (e->cas > j->least_cas) j->least_cas = e->cas;
}

static bool matches(const judge *j, const course *c, const segue_doc *found, crash_moment moment)
{
    segue_doc want = {0};
    bool there = found->rec.cas != 0;
    bool is_bare = c->there && c->doc.rec.is_tombstone && !c->doc.rec.n_xattrs;
    bool must_go = moment == CRASH_AT_END && c->surely, may_go = moment >= CRASH_CLEANING;
    if (is_bare && c->hides && (must_go || (may_go && !there))) return !there;
    if (!c->there) return !there;
    if (!there || segue_doc_assign(&want, &c->doc.rec) != SEGUE_OK) return false;
    seg_doc_expire(&want, (uint64_t)(BEGIN_S + j->client->shared->now_ns / SECOND));
    bool same = j->loose
                    ? segue_slice_equal(want.rec.body, found->rec.body)
                    : seg_record_same_content(&want.rec, &found->rec) && want.rec.revision == found->rec.revision &&
                          (c->any_cas ? found->rec.cas > j->least_cas : found->rec.cas == want.rec.cas);
    segue_doc_free(&want);
    return same;
}

static const char *describe(char out[160], const segue_record *r, bool there, bool surely)
{
    int size = r->body.data ? (int)(r->body.size < 40 ? r->body.size : 40) : 0;
    if (!there) return "nothing";
    (void)snprintf(out, 160, "%s \"%.*s\" (revision %llu, CAS %llu, expiry %u, %zu xattrs)%s",
                   r->is_tombstone ? "a tombstone" : "", size, size ? r->body.data : "",
                   (unsigned long long)r->revision, (unsigned long long)r->cas, r->expiry, r->n_xattrs,
                   surely ? ", in the end nothing: it only hid the fallback" : ""); /* fits */
    return out;
}

static bool complain(const judge *j, const segue_doc *found, const char *when)
{
    char one[160], two[160], have[160];
    const course *c = j->courses;
    return crash_fail(j->client->shared, "%s: %s is %s; it should be %s%s%s", when, j->key,
                      describe(have, &found->rec, found->rec.cas != 0, false),
                      j->n ? describe(one, &c[0].doc.rec, c[0].there, c[0].surely)
                           : "another: no course explains the answers",
                      j->n > 1 ? " or " : "", j->n > 1 ? describe(two, &c[1].doc.rec, c[1].there, c[1].surely) : "");
}

/* The open entry, if there is one, is settled by what is there. */
static void settle(judge *j, const course *c, const segue_doc *found)
{
    for (unsigned i = 0; i < j->client->shared->n_entries; i++) {
        crash_entry *e = &j->client->shared->entries[i];
        if (e->state != ENTRY_ASKED || strcmp(e->key, j->key) != 0) continue;
        e->state = c->open_applied ? ENTRY_APPLIED : ENTRY_LOST;
        if (c->open_applied && c->any_cas) e->cas = found->rec.cas;
    }
}

static bool judge_key(judge *j, segue_store *store, crash_moment moment, const char *when)
{
    SEG_AUTO(segue_doc) found = {0};
    segue_error err = {0};
    for (unsigned i = 0; i < j->client->shared->n_entries; i++) take_entry(j, &j->client->shared->entries[i]);
    if (j->loose && moment != CRASH_AT_END) return true; /* until then the primary's may be the older one */
    segue_status st = segue_get_record(store, segue_str(j->key), NULL, &found, &err);
    if (st == SEGUE_NOT_FOUND) found.rec.cas = 0;
    else if (st != SEGUE_OK) return crash_fail(j->client->shared, "%s: %s: %s", when, j->key, err.message);
    for (unsigned i = 0; i < j->n; i++) {
        if (!matches(j, &j->courses[i], &found, moment)) continue;
        settle(j, &j->courses[i], &found);
        return true;
    }
    return complain(j, &found, when);
}

static bool judge_from(crash_client *c, const char *key, const segue_record *start, segue_store *store,
                       crash_moment moment, const char *when)
{
    judge j = {.client = c, .key = key, .n = 1};
    j.courses[0].there = start != NULL;
    bool ok = !start || segue_doc_assign(&j.courses[0].doc, start) == SEGUE_OK;
    if (start) j.least_cas = start->cas;
    if (strcmp(key, CRASH_PILL) == 0) { /* it gets one of the primary's */
        j.courses[0].any_cas = true;
        j.least_cas--;
    }
    ok = ok && judge_key(&j, store, moment, when);
    for (unsigned i = 0; i < COURSES_MAX; i++) segue_doc_free(&j.courses[i].doc);
    return ok;
}

/* Heartbeats are dropped, and one record is left where it is: the end of a run looks at both. */
static bool is_moved(const char *key) { return key[0] != 'h' && key[0] != 'o'; }

bool crash_judge(crash_client *c, segue_store *store, crash_moment moment, const char *when)
{
    crash_record records[CRASH_RECORDS_MAX];
    unsigned n = crash_records(records, c->has_flags, c->has_pill);
    for (unsigned i = 0; i < n; i++)
        if (is_moved(records[i].key) && !judge_from(c, records[i].key, &records[i].rec, store, moment, when))
            return false;
    for (unsigned i = 0; i < c->shared->n_entries; i++) {
        const char *key = c->shared->entries[i].key;
        bool is_new = *key && c->shared->entries[i].op != OP_REAP && c->shared->entries[i].op != OP_FEED;
        for (unsigned k = 0; k < n; k++) is_new &= strcmp(records[k].key, key) != 0;
        if (is_new && !judge_from(c, key, NULL, store, moment, when)) return false;
    }
    return true;
}

static bool is_kept(crash_client *c, const crash_record *r)
{
    SEG_AUTO(segue_doc) found = {0};
    SEG_AUTO(segue_doc) want = {0};
    char have[160], had[160];
    uint64_t number = 0;
    segue_error err = {0};
    segue_status st = segue_get_record(c->from, r->rec.key, NULL, &found, &err);
    if (st != SEGUE_OK) return crash_fail(c->shared, "in the end, in the fallback: %s: %s", r->key, err.message);
    if (strcmp(r->key, CRASH_PILL) == 0)
        return (seg_pill_read(&found.rec, &number) && number == 33) || crash_fail(c->shared, "the pill has changed");
    if (segue_doc_assign(&want, &r->rec) != SEGUE_OK) return crash_fail(c->shared, "out of memory");
    seg_doc_expire(&want, (uint64_t)(BEGIN_S + c->shared->now_ns / SECOND));
    return (seg_record_same_content(&want.rec, &found.rec) && want.rec.revision == found.rec.revision &&
            want.rec.cas == found.rec.cas) ||
           crash_fail(c->shared, "in the end, in the fallback: %s is %s; it was %s", r->key,
                      describe(have, &found.rec, true, false), describe(had, &want.rec, true, false));
}

bool crash_judge_kept(crash_client *c)
{
    crash_record records[CRASH_RECORDS_MAX];
    unsigned n = crash_records(records, c->has_flags, c->has_pill);
    segue_page page = {.max_docs = 1000, .max_bytes = SIZE_MAX};
    segue_bounds all = {.tombstones = true};
    segue_error err = {0};
    segue_call call = seg_call_new(c->from, 0, &err);
    segue_status st = seg_call_scan(c->from, &all, &page, &call);
    size_t there = page.n;
    segue_page_free(&page);
    if (st != SEGUE_OK) return crash_fail(c->shared, "the last scan: %s", err.message);
    for (unsigned i = 0; i < n; i++)
        if (!is_kept(c, &records[i])) return false;
    return there == n || crash_fail(c->shared, "the fallback had %u records, and has %zu", n, there);
}
