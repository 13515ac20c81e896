/* Conformance: the obligations B1 to B9 of the backend contract, by its slots. */
#include "conform.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/base.h"
#include "base/sched.h"
#include "store/filters.h"

static const uint64_t MARK = UINT64_C(1) << 63; /* a fallback token */

/* One slot call as an operation of its own. */
static segue_status slot_put(cf *t, const segue_put *put)
{
    segue_call call = seg_call_new(t->store, 0, &t->err);
    t->cas = 0;
    IS(OK, seg_call_begin(t->store, true, &call));
    segue_status st = seg_call_put(t->store, put, &t->cas, &call);
    seg_call_end(t->store, &call);
    return st;
}

static segue_put putting(const char *key, const char *body, segue_if condition, uint64_t cas)
{
    segue_put p = {.rec = {.key = K(key), .body = segue_str(body), .is_tombstone = !body, .revision = 1},
                   .condition = condition,
                   .if_cas = cas};
    return p;
}

static segue_status slot_erase(cf *t, const char *key, uint64_t cas)
{
    segue_call call = seg_call_new(t->store, 0, &t->err);
    IS(OK, seg_call_begin(t->store, true, &call));
    segue_status st = seg_call_erase(t->store, K(key), cas, &call);
    seg_call_end(t->store, &call);
    return st;
}

/* ---- B1 ---- */

enum { THREADS = 4 };

typedef struct racer {
    cf *t;
    char body[16];
    segue_status st;
    uint64_t cas, expect;
} racer;

static void *race_to_add(void *arg)
{
    racer *r = arg;
    r->st = segue_add(r->t->store, K("k"), K(r->body), segue_expiry_none(), NULL, &r->cas, NULL);
    return NULL;
}

static void *race_to_replace(void *arg)
{
    racer *r = arg;
    r->st = segue_write_cas(r->t->store, K("k"), r->expect, K(r->body), segue_expiry_none(), 0, NULL, &r->cas, NULL);
    return NULL;
}

/* Exactly one of the threads wins, and what it wrote is there. */
static void race(cf *t, void *(*run)(void *), uint64_t expect, segue_status loser)
{
    pthread_t threads[THREADS];
    racer racers[THREADS];
    size_t winner = THREADS;
    for (size_t i = 0; i < THREADS; i++) {
        racers[i] = (racer){.t = t, .expect = expect};
        (void)snprintf(racers[i].body, sizeof racers[i].body, "\"racer%zu\"", i); /* fits */
        EQ(0, (uint64_t)pthread_create(&threads[i], NULL, run, &racers[i]));
    }
    for (size_t i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL); /* joinable and ours */
    for (size_t i = 0; i < THREADS; i++) {
        if (racers[i].st != SEGUE_OK) {
            cf_check_status(t, loser, racers[i].st, "the loser", __FILE__, __LINE__);
            continue;
        }
        EQ(THREADS, winner);
        winner = i;
    }
    CHECK(winner < THREADS);
    BODY_IS("k", racers[winner].body);
    EQ(racers[winner].cas, t->doc.rec.cas);
}

static void one_winner(cf *t)
{
    race(t, race_to_add, 0, SEGUE_EXISTS);
    for (int i = 0; i < 5; i++) race(t, race_to_replace, cf_cas(t, "k"), SEGUE_CAS_MISMATCH);
}

static void one_winner_over_a_fixture(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1");
    race(t, race_to_replace, cas, SEGUE_CAS_MISMATCH);
    EQ(2, cf_revision(t, "k"));
}

/* Another writer under the same CAS, who comes as soon as the first one lets him, or after it. */
static struct second {
    cf *t;
    segue_put put;
    segue_status st;
    bool done;
} second;

static void write_second(void)
{
    if (second.done) return;
    second.done = true;
    seg_sched_set(NULL);
    segue_call call = seg_call_new(second.t->store, 0, NULL);
    second.st = seg_call_put(second.t->store, &second.put, NULL, &call);
}

static seg_sched_strike let_second_in(seg_sched_kind kind, const void *object, uint64_t part, bool may_fail)
{
    (void)kind, (void)object, (void)part, (void)may_fail;
    write_second();
    return SEG_SCHED_GO;
}

static void nobody_writes_between_look_and_write(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1");
    segue_put first = putting("k", "2", SEGUE_IF_CAS, cas);
    second = (struct second){.t = t, .put = putting("k", "3", SEGUE_IF_CAS, cas)};
    seg_sched_set(let_second_in);
    segue_status st = slot_put(t, &first);
    write_second();
    EQ(1, (unsigned)(st == SEGUE_OK) + (second.st == SEGUE_OK));
    BODY_IS("k", st == SEGUE_OK ? "2" : "3");
}

/* ---- B2 ---- */

static void failed_writes_change_nothing(cf *t)
{
    uint64_t cas = fx_doc_expiring(t, "k", "1", segue_expiry_in(1000), X("_a=1", "u=2"));
    cf_state before = cf_state_of(t, "k");
    segue_put absent = putting("k", "2", SEGUE_IF_ABSENT, 0), other = putting("k", "2", SEGUE_IF_CAS, cas + 1);
    IS(EXISTS, slot_put(t, &absent));
    IS(CAS_MISMATCH, slot_put(t, &other));
    EQ(0, t->cas);
    IS(EXISTS, do_add(t, "k", "2"));
    IS(CAS_MISMATCH, do_remove(t, "k", cas + 1));
    IS(INVALID_JSON, do_xattrs_set(t, "k", X("_a={")));
    IS(PATH_NOT_FOUND, do_write(t, "k", cas, "2", X("_b=1"), X("none")));
    IS(NOT_A_NUMBER, do_set(t, "text", "x") == SEGUE_OK ? do_incr(t, "text", 1) : SEGUE_OK);
    BODY_IS("text", "x");
    UNCHANGED("k", before);
}

static void a_put_replaces_everything(cf *t)
{
    uint64_t cas = fx_doc_expiring(t, "k", "{\"a\":1}", segue_expiry_in(1000), X("_a=1", "u=2"));
    segue_xattr x = {K("_b"), K("3")};
    segue_put put = putting("k", "raw", SEGUE_IF_CAS, cas);
    put.rec.xattrs = &x;
    put.rec.n_xattrs = 1;
    put.rec.revision = 9;
    IS(OK, slot_put(t, &put));
    BODY_IS("k", "raw");
    EQ(t->cas, t->doc.rec.cas);
    EQ(9, t->doc.rec.revision);
    EQ(0, t->doc.rec.expiry);
    EQ(1, t->doc.rec.n_xattrs);
    CHECK(!t->doc.rec.is_json);
    segue_put any = putting("k", "2", SEGUE_IF_ANY, 0);
    IS(OK, slot_put(t, &any));
    BODY_IS("k", "2");
    EQ(10, t->doc.rec.revision);
    EQ(0, t->doc.rec.n_xattrs);
}

typedef struct watcher {
    cf *t;
    _Atomic bool stop;
    unsigned torn, reads;
} watcher;

/* Body and xattr are written with the same digit; a reader must never see two. */
static void *watch(void *arg)
{
    watcher *w = arg;
    segue_doc doc = {0};
    while (!atomic_load(&w->stop)) {
        if (segue_get(w->t->store, K("k"), NULL, &doc, NULL) != SEGUE_OK) {
            w->torn++;
            break;
        }
        const segue_xattr *x = segue_record_xattr(&doc.rec, K("_n"));
        if (!x || !segue_slice_equal(x->value, doc.rec.body)) w->torn++;
        w->reads++;
    }
    segue_doc_free(&doc);
    return NULL;
}

static void readers_see_whole_records(cf *t)
{
    watcher w = {.t = t};
    pthread_t thread;
    fx_doc(t, "k", "0", X("_n=0"));
    EQ(0, (uint64_t)pthread_create(&thread, NULL, watch, &w));
    segue_status st = SEGUE_OK;
    for (int i = 1; i <= 40 && st == SEGUE_OK; i++) {
        char digits[8], spec[16];
        (void)snprintf(digits, sizeof digits, "%d", i); /* fits */
        (void)snprintf(spec, sizeof spec, "_n=%d", i);
        segue_xattr x[CF_LIST_MAX];
        segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K(digits), .set_xattrs = x};
        m.n_set_xattrs = cf_xattrs(X(spec), x);
        st = do_mutate(t, "k", &m);
    }
    atomic_store(&w.stop, true);
    (void)pthread_join(thread, NULL); /* joinable and ours */
    IS(OK, st);
    EQ(0, w.torn);
}

/* A batch does what the same single writes do, in order, each with its own status. */
static void batches(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1"), gone = fx_set(t, "gone", "1");
    segue_write writes[] = {
        {.op = SEGUE_WRITE_PUT, .put = putting("new", "1", SEGUE_IF_ABSENT, 0)},
        {.op = SEGUE_WRITE_PUT, .put = putting("new", "2", SEGUE_IF_ABSENT, 0)},
        {.op = SEGUE_WRITE_PUT, .put = putting("k", "2", SEGUE_IF_CAS, cas + 1)},
        {.op = SEGUE_WRITE_PUT, .put = putting("k", "3", SEGUE_IF_CAS, cas)},
        {.op = SEGUE_WRITE_PUT, .put = putting("none", "1", SEGUE_IF_CAS, cas)},
        {.op = SEGUE_WRITE_ERASE, .put = putting("gone", "1", SEGUE_IF_CAS, gone + 1)},
        {.op = SEGUE_WRITE_ERASE, .put = putting("gone", "1", SEGUE_IF_CAS, gone)},
        {.op = SEGUE_WRITE_ERASE, .put = putting("none", "1", SEGUE_IF_CAS, gone)},
    };
    static const segue_status want[] = {SEGUE_OK,        SEGUE_EXISTS,       SEGUE_CAS_MISMATCH, SEGUE_OK,
                                        SEGUE_NOT_FOUND, SEGUE_CAS_MISMATCH, SEGUE_OK,           SEGUE_NOT_FOUND};
    segue_call call = seg_call_new(t->store, 0, &t->err);
    size_t n = sizeof writes / sizeof writes[0];
    IS(OK, seg_call_write_many(t->store, writes, n, &call));
    for (size_t i = 0; i < n; i++) cf_check_status(t, want[i], writes[i].status, "a write", __FILE__, (int)i);
    BODY_IS("new", "1");
    EQ(writes[0].cas, t->doc.rec.cas);
    BODY_IS("k", "3");
    EQ(writes[3].cas, t->doc.rec.cas);
    NOTHING("gone");
    NOTHING("none");
}

static segue_status move_one(cf *t, segue_move *move)
{
    segue_call call = seg_call_new(t->store, 0, &t->err);
    return seg_call_move(t->store, t->other, move, 1, &call);
}

static void moves(cf *t)
{
    uint64_t cas = fx_doc_expiring(t, "k", "1", segue_expiry_in(1000), X("_a=1", "u=2"));
    uint64_t tombstone = fx_tombstone(t, "gone", X("_a=1"));
    cf_state before = cf_state_of(t, "k");
    cf_open_other(t, "s.moved");
    segue_move other = {.key = K("k"), .cas = cas + 1}, kept = {.key = K("k"), .cas = cas, .keep = true};
    segue_move again = {.key = K("k"), .cas = cas}, dead = {.key = K("gone"), .cas = tombstone}, none = again;
    segue_call call = seg_call_new(t->store, 0, &t->err);
    IS(INVALID_ARGUMENT, seg_call_move(t->store, t->store, &again, 1, &call));
    UNCHANGED("k", before);
    IS(OK, move_one(t, &other));
    IS(CAS_MISMATCH, other.status);
    UNCHANGED("k", before);
    IS(OK, move_one(t, &kept));
    IS(OK, kept.status);
    CHECK(kept.moved);
    UNCHANGED("k", before);
    IS(OK, move_one(t, &again)); /* the target has it: only the source's goes */
    IS(OK, again.status);
    CHECK(!again.moved);
    NOTHING("k");
    IS(OK, move_one(t, &none));
    IS(NOT_FOUND, none.status);
    IS(OK, move_one(t, &dead));
    IS(OK, dead.status);
    NOTHING("gone");
    segue_store *source = t->store;
    t->store = t->other;
    t->other = source; /* both are closed in the end */
    UNCHANGED("k", before);
    XATTR_IS("k", "u", "2");
    TOMBSTONE("gone");
    EQ(tombstone, t->doc.rec.cas);
    IS(OK, do_set(t, "k", "2"));
    CHECK(cf_cas(t, "k") > cas);
}

/* ---- B3, B5 ---- */

static void a_tombstone_is_a_record(cf *t)
{
    uint64_t cas = fx_tombstone(t, "k", X("_a=1"));
    segue_put absent = putting("k", "2", SEGUE_IF_ABSENT, 0), other = putting("k", "2", SEGUE_IF_CAS, cas + 1);
    IS(EXISTS, slot_put(t, &absent));
    IS(CAS_MISMATCH, slot_put(t, &other));
    segue_put by_cas = putting("k", NULL, SEGUE_IF_CAS, cas);
    by_cas.rec.revision = 3;
    IS(OK, slot_put(t, &by_cas));
    TOMBSTONE("k");
    EQ(t->cas, t->doc.rec.cas);
    EQ(3, t->doc.rec.revision);
    EQ(0, t->doc.rec.n_xattrs);
    SEG_AUTO(segue_buf) keys = {0};
    segue_range all = {.options = SEGUE_SCAN_TOMBSTONES};
    assert_string_equal(do_scan(t, &all, &keys), "k");
    uint64_t known = t->target->phase == SEGUE_PHASE_LEGACY ? cas : cas & ~MARK; /* a token that could be right */
    segue_put none = putting("none", "1", SEGUE_IF_CAS, known);
    IS(NOT_FOUND, slot_put(t, &none));
}

static void expectations_about_tombstones(cf *t)
{
    uint64_t cas = fx_tombstone(t, "k", X("_a=1"));
    segue_mutation m = {.expect = SEGUE_EXPECT_ABSENT, .body_op = SEGUE_BODY_SET, .body = K("1")};
    IS(EXISTS, do_mutate(t, "k", &m));
    m.expect = SEGUE_EXPECT_LIVE;
    IS(NOT_FOUND, do_mutate(t, "k", &m));
    m.expect = SEGUE_EXPECT_RECORD_CAS;
    m.cas = cas + 1;
    IS(CAS_MISMATCH, do_mutate(t, "k", &m));
    m.cas = 0;
    IS(INVALID_ARGUMENT, do_mutate(t, "k", &m));
    TOMBSTONE("k");
    EQ(cas, t->doc.rec.cas);
    m.cas = cas;
    IS(OK, do_mutate(t, "k", &m));
    BODY_IS("k", "1");
    m.expect = SEGUE_EXPECT_ABSENT;
    IS(OK, do_mutate(t, "new", &m));
    IS(EXISTS, do_mutate(t, "new", &m));
}

static void only_erase_removes(cf *t)
{
    fx_doc(t, "k", "1", X("_a=1"));
    IS(OK, do_delete(t, "k"));
    TOMBSTONE("k");
    IS(OK, do_delete_with_xattrs(t, "k", X("_a")));
    TOMBSTONE("k");
    IS(OK, do_set_expiring(t, "k", "2", segue_expiry_in(10)));
    cf_advance(20);
    TOMBSTONE("k");
    EQ(4, t->doc.rec.revision);
}

static void erase_by_cas(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1");
    IS(CAS_MISMATCH, slot_erase(t, "k", cas + 1));
    BODY_IS("k", "1");
    IS(OK, slot_erase(t, "k", cas));
    NOTHING("k");
    IS(NOT_FOUND, slot_erase(t, "k", cas));
    IS(OK, do_add(t, "k", "2"));
    EQ(1, cf_revision(t, "k"));
}

static void a_dual_store_erases_nothing(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1");
    if (!t->target->is_dual) IS(OK, slot_erase(t, "k", cas));
    else IS(REFUSED, slot_erase(t, "k", cas & ~MARK));
    if (t->target->is_dual) BODY_IS("k", "1");
}

/* ---- B6 ---- */

static void cas_only_grow(cf *t)
{
    uint64_t last = 0;
    for (int i = 0; i < 30; i++) {
        if (i % 10 == 5) cf_advance(-3600); /* the clock steps back */
        if (i % 3 == 2) IS(OK, do_delete(t, "k"));
        else IS(OK, do_set(t, "k", "1"));
        uint64_t cas = cf_cas(t, "k") & ~MARK; /* in legacy all tokens are marked where the primary keeps no CAS */
        CHECK(cas > last);
        last = cas;
    }
}

static void cas_grow_from_what_was_there(cf *t)
{
    uint64_t last = fx_set(t, "k", "1") & ~MARK;
    cf_advance(-3600);
    IS(OK, do_set(t, "k", "2"));
    CHECK((cf_cas(t, "k") & ~MARK) > last);
}

static void cas_grow_over_reopening(cf *t)
{
    cf_advance(3600);
    IS(OK, do_set(t, "k", "1"));
    uint64_t last = t->cas & ~MARK;
    cf_advance(-7200);
    cf_reopen(t);
    EQ(last, cf_cas(t, "k") & ~MARK);
    IS(OK, do_set(t, "k", "2"));
    CHECK((t->cas & ~MARK) > last);
    IS(OK, do_set(t, "new", "2"));
    CHECK((t->cas & ~MARK) > last);
}

static void cas_grow_over_an_erased_record(cf *t)
{
    cf_advance(3600);
    IS(OK, do_set(t, "k", "1"));
    uint64_t last = t->cas;
    IS(OK, slot_erase(t, "k", last));
    cf_advance(-7200);
    cf_reopen(t);
    IS(OK, do_set(t, "k", "2"));
    CHECK(t->cas > last);
}

static void cas_can_be_kept(cf *t)
{
    segue_xattr x = {K("_a"), K("1")};
    segue_record rec = {.key = K("k"),
                        .body = K("{}"),
                        .cas = 0x1234560000,
                        .revision = 17,
                        .is_json = true,
                        .expiry = (uint32_t)cf_now() + 1000,
                        .xattrs = &x,
                        .n_xattrs = 1};
    uint64_t cas = 0;
    IS(OK, segue_put_record(t->store, &rec, 0, NULL, &cas, &t->err));
    EQ(rec.cas, cas & ~MARK);
    BODY_IS("k", "{}");
    EQ(rec.cas, t->doc.rec.cas & ~MARK);
    EQ(17, t->doc.rec.revision);
    EQ(rec.expiry, t->doc.rec.expiry);
    IS(EXISTS, segue_put_record(t->store, &rec, 0, NULL, NULL, &t->err));
    segue_record high = {
        .key = K("high"), .is_tombstone = true, .revision = 2, .cas = (cf_now() + 1000000) * 1000000000};
    IS(OK, segue_put_record(t->store, &high, 0, NULL, &cas, &t->err));
    EQ(high.cas, cas & ~MARK);
    TOMBSTONE("high");
    IS(OK, do_set(t, "other", "1")); /* the engine's clock was raised */
    CHECK((cf_cas(t, "other") & ~MARK) > high.cas);
    rec.revision = 20;
    rec.cas += 5;
    IS(OK, segue_put_record(t->store, &rec, SEGUE_PUT_REPLACE, NULL, &cas, &t->err));
    EQ(20, cf_revision(t, "k"));
    /* One that would lead the clock to its end, or looks like a token of a dual store, changes nothing. */
    static const uint64_t too_great[] = {UINT64_MAX >> 1, UINT64_C(1) << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof too_great / sizeof *too_great; i++) {
        rec.cas = too_great[i];
        IS(INVALID_ARGUMENT, segue_put_record(t->store, &rec, SEGUE_PUT_REPLACE, NULL, NULL, &t->err));
        EQ(20, cf_revision(t, "k"));
    }
    IS(OK, do_set(t, "other", "2"));
    CHECK((cf_cas(t, "other") & ~MARK) < UINT64_C(1) << 62);
}

/* A CAS must be above the floor and below bit 63, so under a floor that far up there is none. */
static void no_cas_is_given_at_the_end(cf *t)
{
    segue_put put = {.rec = {.key = K("k"), .body = K("2"), .revision = 1}, .cas_floor = UINT64_MAX >> 1};
    segue_call call = seg_call_new(t->store, 0, &t->err);
    uint64_t highest = 0;
    IS(OK, do_set(t, "k", "1"));
    IS(INVALID_ARGUMENT, slot_put(t, &put));
    BODY_IS("k", "1");
    if (seg_call_has_highest(t->store))
        IS(INVALID_ARGUMENT, seg_call_highest(t->store, put.cas_floor, &highest, &call));
    IS(OK, do_set(t, "k", "3"));
    CHECK(cf_cas(t, "k") < UINT64_C(1) << 62);
}

/* ---- B7 ---- */

static void late_is_not_applied(cf *t)
{
    segue_options at_once = {.timeout_ns = 1};
    uint64_t cas = fx_set(t, "k", "5");
    cf_state before = cf_state_of(t, "k");
    IS(TIMEOUT, segue_set(t->store, K("k"), K("6"), segue_expiry_none(), &at_once, NULL, &t->err));
    IS(TIMEOUT, segue_incr(t->store, K("k"), 1, NULL, segue_expiry_none(), &at_once, NULL, &t->err));
    IS(TIMEOUT, segue_remove(t->store, K("k"), cas, &at_once, NULL, &t->err));
    IS(TIMEOUT, segue_add(t->store, K("new"), K("6"), segue_expiry_none(), &at_once, NULL, &t->err));
    UNCHANGED("k", before);
    NOTHING("new");
}

/* A write that is reported lost after it was applied: found again by its write id, else told as unknown. */
static void lost_reports_are_told(cf *t)
{
    segue_store *lossy = NULL;
    bool ids = segue_store_caps(t->store) & SEGUE_CAP_WRITE_ID;
    fx_set(t, "k", "5");
    IS(OK, seg_fault_open(t->store, &lossy, &t->err));
    seg_fault_plan plan = {.ops = SEG_OP_PUT | SEG_OP_MUTATE, .nth = 1, .after = true, .status = SEGUE_MAYBE_APPLIED};
    bool native = segue_store_caps(t->store) & SEGUE_CAP_MUTATE;
    /* The first call of a dual store's mutate may only have read: fail the one that writes. */
    if (native && t->target->is_dual) plan.ops = SEG_OP_PUT;
    seg_fault_set(lossy, &plan);
    uint64_t value = 0;
    segue_status st = segue_incr(lossy, K("k"), 1, NULL, segue_expiry_none(), NULL, &value, &t->err);
    bool fired = seg_fault_fired(lossy);
    segue_close(lossy);
    if (!fired) IS(OK, st);
    else if (ids) IS(OK, st);
    else IS(MAYBE_APPLIED, st);
    if (st == SEGUE_OK) EQ(6, value);
    BODY_IS("k", "6");
}

static void failures_before_are_told_as_such(cf *t)
{
    static const segue_status statuses[] = {SEGUE_UNAVAILABLE, SEGUE_NO_SPACE, SEGUE_IO_ERROR, SEGUE_READ_ONLY};
    fx_set(t, "k", "5");
    cf_state before = cf_state_of(t, "k");
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        segue_store *broken = NULL;
        IS(OK, seg_fault_open(t->store, &broken, &t->err));
        seg_fault_plan plan = {.nth = 1, .persistent = true, .status = statuses[i]};
        seg_fault_set(broken, &plan);
        uint64_t value = 77;
        segue_status st = segue_incr(broken, K("k"), 1, NULL, segue_expiry_none(), NULL, &value, &t->err);
        segue_close(broken);
        cf_check_status(t, statuses[i], st, "incr on a broken store", __FILE__, __LINE__);
        CHECK(!segue_status_is_maybe_applied(st));
        EQ(77, value);
    }
    UNCHANGED("k", before);
}

/* ---- B8 ---- */

static void pages_in_byte_order(cf *t)
{
    char key[8];
    for (unsigned i = 1; i < 256; i += 5) {
        (void)snprintf(key, sizeof key, "%c%c", (int)i, (int)(i * 37 % 255 + 1)); /* fits; no NUL */
        fx_set(t, key, "1");
    }
    for (size_t max = 1; max < 80; max = max * 3 + 1) {
        segue_page page = {.max_docs = max, .max_bytes = 1 << 20};
        segue_bounds bounds = {.tombstones = true};
        char last[8] = "";
        size_t n = 0;
        do {
            segue_call call = seg_call_new(t->store, 0, &t->err);
            bounds.from = segue_str(last[0] ? last : NULL);
            bounds.from_open = true;
            IS(OK, seg_call_begin(t->store, false, &call));
            segue_status st = seg_call_scan(t->store, &bounds, &page, &call);
            seg_call_end(t->store, &call);
            IS(OK, st);
            CHECK(page.n <= max);
            for (size_t i = 0; i < page.n; i++) CHECK(segue_slice_compare(page.docs[i].rec.key, K(last)) > 0 || n == 0);
            n += page.n;
            if (page.n)
                (void)snprintf(last, sizeof last, "%.*s", (int)page.docs[page.n - 1].rec.key.size,
                               page.docs[page.n - 1].rec.key.data);
        } while (page.more);
        segue_page_free(&page);
        EQ(51, n);
    }
}

/* Pages of one record, with tombstones in between that are not asked for. */
static void pages_over_tombstones(cf *t)
{
    char key[8], last[8] = "";
    size_t n = 0;
    for (int i = 0; i < 12; i++) {
        (void)snprintf(key, sizeof key, "k%02d", i); /* fits */
        if (i % 4 == 1) fx_set(t, key, "1");
        else fx_tombstone(t, key, NULL);
    }
    segue_page page = {.max_docs = 1, .max_bytes = 1 << 20};
    segue_bounds bounds = {.from_open = true};
    do {
        segue_call call = seg_call_new(t->store, INT64_C(5) * 1000000000, &t->err);
        bounds.from = segue_str(last[0] ? last : NULL);
        IS(OK, seg_call_begin(t->store, false, &call));
        segue_status st = seg_call_scan(t->store, &bounds, &page, &call);
        seg_call_end(t->store, &call);
        IS(OK, st);
        for (size_t i = 0; i < page.n; i++) n += !page.docs[i].rec.is_tombstone;
        if (page.n)
            (void)snprintf(last, sizeof last, "%.*s", (int)page.docs[page.n - 1].rec.key.size,
                           page.docs[page.n - 1].rec.key.data); /* fits */
    } while (page.more);
    segue_page_free(&page);
    EQ(3, n);
}

static void a_cut_scan_is_no_end(cf *t)
{
    segue_store *cut = NULL;
    fx_set(t, "a", "1");
    IS(OK, seg_fault_open(t->store, &cut, &t->err));
    seg_fault_plan plan = {.ops = SEG_OP_SCAN, .nth = 1, .status = SEGUE_UNAVAILABLE};
    seg_fault_set(cut, &plan);
    segue_scan *s = NULL;
    const segue_record *rec = NULL;
    IS(OK, segue_scan_open(cut, NULL, &s, &t->err));
    segue_close(cut); /* the scan keeps it open */
    IS(UNAVAILABLE, segue_scan_next(s, &rec, &t->err));
    IS(UNAVAILABLE, segue_scan_next(s, &rec, &t->err));
    segue_scan_close(s);
}

/* ---- B9 ---- */

static void limits_of_keys(cf *t)
{
    char key[SEGUE_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    segue_slice longest = segue_bytes(key, SEGUE_KEY_MAX), longer = segue_bytes(key, SEGUE_KEY_MAX + 1);
    IS(OK, segue_set(t->store, longest, K("1"), segue_expiry_none(), NULL, NULL, &t->err));
    IS(OK, segue_get(t->store, longest, NULL, &t->doc, &t->err));
    CHECK(segue_slice_equal(t->doc.rec.key, longest));
    IS(INVALID_KEY, segue_set(t->store, longer, K("1"), segue_expiry_none(), NULL, NULL, &t->err));
    IS(INVALID_KEY, segue_get(t->store, longer, NULL, &t->doc, &t->err));
    IS(INVALID_KEY, do_set(t, "", "1"));
    IS(INVALID_KEY, segue_set(t->store, segue_bytes("a\0b", 3), K("1"), segue_expiry_none(), NULL, NULL, &t->err));
    IS(OK, do_set(t, "x", "1"));
    SEG_AUTO(segue_buf) keys = {0};
    segue_range range = {.from = K("l")};
    assert_string_equal(do_scan(t, &range, &keys), "x");
}

static void limits_of_xattrs(cf *t)
{
    size_t size = SEGUE_SYSTEM_XATTRS_MAX;
    char *value = seg_alloc(size);
    assert_non_null(value);
    memset(value, '1', size);
    value[0] = value[size - 1] = '"';
    segue_xattr most = {K("_a"), segue_bytes(value, size - 2)}, over = {K("_a"), segue_bytes(value, size - 1)};
    value[size - 3] = '"';
    fx_set(t, "k", "1");
    IS(OK, segue_xattrs_set(t->store, K("k"), &most, 1, NULL, NULL, &t->err));
    cf_state before = cf_state_of(t, "k");
    value[size - 3] = '1';
    value[size - 2] = '"';
    IS(TOO_BIG, segue_xattrs_set(t->store, K("k"), &over, 1, NULL, NULL, &t->err));
    seg_free(value);
    UNCHANGED("k", before);
    EQ(size - 2, segue_record_xattr(&t->doc.rec, K("_a"))->value.size);
    segue_doc_free(&t->doc);
}

static void limits_of_mutations(cf *t)
{
    char names[SEGUE_XATTRS_MAX + 1][8];
    segue_xattr many[SEGUE_XATTRS_MAX + 1];
    for (size_t i = 0; i <= SEGUE_XATTRS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "u%zu", i); /* fits */
        many[i] = (segue_xattr){K(names[i]), K("1")};
    }
    fx_doc(t, "k", "1", X("_a=1"));
    cf_state before = cf_state_of(t, "k");
    IS(TOO_BIG, segue_xattrs_set(t->store, K("k"), many, SEGUE_XATTRS_MAX + 1, NULL, NULL, &t->err));
    IS(TOO_BIG, segue_xattrs_set(t->store, K("k"), many, SEGUE_XATTRS_MAX, NULL, NULL, &t->err)); /* one is there */
    segue_mutation m = {.options = SEGUE_M_REPLACE_ALL};
    IS(INVALID_ARGUMENT, do_mutate(t, "k", &m));
    UNCHANGED("k", before);
    IS(OK, segue_xattrs_set(t->store, K("k"), many, SEGUE_XATTRS_MAX - 1, NULL, NULL, &t->err));
    IS(OK, do_get(t, "k"));
    EQ(SEGUE_XATTRS_MAX, t->doc.rec.n_xattrs);
}

static void flags_where_there_are_none(cf *t)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("1"), .has_flags = true, .flags = 7};
    bool keeps = segue_store_caps(t->store) & SEGUE_CAP_FLAGS;
    cf_check_status(t, keeps ? SEGUE_OK : SEGUE_UNSUPPORTED, do_mutate(t, "k", &m), "flags", __FILE__, __LINE__);
    if (!keeps) NOTHING("k");
    else EQ(7, do_get(t, "k") == SEGUE_OK ? t->doc.rec.flags : 0);
}

const cf_case cf_backend_cases[] = {
    {"B1", "of many writers under one condition one wins", 0, one_winner, NULL},
    {"B1b", "of many writers by the CAS of an old document one wins", 0, one_winner_over_a_fixture, NULL},
    {"B1c", "nobody writes between the look at a condition and the write", NEEDS_SINGLE,
     nobody_writes_between_look_and_write, NULL},
    {"B2", "a failed write changes nothing", 0, failed_writes_change_nothing, NULL},
    {"B2b", "a put replaces the whole record", 0, a_put_replaces_everything, NULL},
    {"B2c", "readers see whole records while writers write", 0, readers_see_whole_records, NULL},
    {"B2d", "a batch does what single writes do", NEEDS_SINGLE, batches, NULL},
    {"B2e", "a move carries the whole record with CAS and revision", NEEDS_SINGLE | NEEDS_MOVE | NEEDS_KEEP_CAS, moves,
     NULL},
    {"B3", "a tombstone is a record: ABSENT fails, CAS works, scan shows it", 0, a_tombstone_is_a_record, NULL},
    {"B3b", "what a mutation can expect of a tombstone", 0, expectations_about_tombstones, NULL},
    {"B5", "neither delete nor expiry removes a record", 0, only_erase_removes, NULL},
    {"B5b", "erase removes by CAS", NEEDS_SINGLE, erase_by_cas, NULL},
    {"B5c", "a dual store that is not clean erases nothing", 0, a_dual_store_erases_nothing, NULL},
    {"B6", "CAS only grow, also when the clock steps back", 0, cas_only_grow, NULL},
    {"B6b", "a new CAS is greater than that of the document before", 0, cas_grow_from_what_was_there, NULL},
    {"B6c", "CAS grow over reopening with a clock set back", NEEDS_REOPEN, cas_grow_over_reopening, NULL},
    {"B6d", "CAS and revision can be kept", NEEDS_KEEP_CAS, cas_can_be_kept, NULL},
    {"B6e", "CAS grow over reopening also where the record was erased", NEEDS_REOPEN | NEEDS_SINGLE,
     cas_grow_over_an_erased_record, NULL},
    {"B6f", "under a floor at the end of the numbers no CAS is given", NEEDS_SINGLE, no_cas_is_given_at_the_end, NULL},
    {"B7", "a deadline that has passed leaves all as it was", 0, late_is_not_applied, NULL},
    {"B7b", "a write reported lost is found by its write id or told as unknown", 0, lost_reports_are_told, NULL},
    {"B7c", "a failure before the write is not told as unknown", 0, failures_before_are_told_as_such, NULL},
    {"B8", "pages of any size come in byte order without gap or repeat", 0, pages_in_byte_order, NULL},
    {"B8c", "pages of one record get past tombstones that are not asked for", 0, pages_over_tombstones, NULL},
    {"B8b", "a cut scan is an error and stays one", 0, a_cut_scan_is_no_end, NULL},
    {"B9", "keys from 1 to 250 bytes without NUL", 0, limits_of_keys, NULL},
    {"B9b", "system xattrs up to 1 MiB", 0, limits_of_xattrs, NULL},
    {"B9c", "64 xattrs, and no more", 0, limits_of_mutations, NULL},
    {"B9d", "user flags are kept or refused, never dropped", 0, flags_where_there_are_none, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
