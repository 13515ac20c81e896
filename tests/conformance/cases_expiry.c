/* Conformance: expiry, scenarios 41 to 53. The wall clock is moved, nobody waits. Segue decides about expiry when it reads:
 * an expired document is the tombstone it will be, without a mutation, so its CAS and revision stay until somebody writes. */
#include "conform.h"

#include <stdio.h>

#include <segue/feed.h>

#include "base/base.h"
#include "doc/doc.h"

enum { DAY = 24 * 3600, MONTH = 30 * DAY };

static void near(cf *t, const char *key, uint64_t seconds, const char *file, int line)
{
    uint64_t expiry = cf_expiry(t, key), at = cf_now() + seconds;
    if (expiry + 5 >= at && expiry <= at + 5) return;
    print_error("the expiry of %s is %llu, not about %llu\n", key, (unsigned long long)expiry, (unsigned long long)at);
    _fail(file, line);
}
#define NEAR(key, seconds) near(t, key, seconds, __FILE__, __LINE__)

static void how_expiry_is_given(cf *t)
{
    IS(OK, do_set_expiring(t, "k", "1", segue_expiry_u32(60)));
    NEAR("k", 60);
    IS(OK, do_set_expiring(t, "k", "1", segue_expiry_u32(MONTH)));
    NEAR("k", MONTH);
    uint32_t in_a_year = (uint32_t)cf_now() + 365 * DAY;
    IS(OK, do_set_expiring(t, "k", "1", segue_expiry_u32(in_a_year)));
    EQ(in_a_year, cf_expiry(t, "k"));
    IS(OK, do_set_expiring(t, "k", "1", segue_expiry_u32(0)));
    EQ(0, cf_expiry(t, "k"));
    IS(OK, do_set_expiring(t, "past", "1", segue_expiry_u32(MONTH + 1)));
    GONE("past");
}

static void get_expiry_of_what_was_there(cf *t)
{
    uint32_t expiry = 0, at = (uint32_t)cf_now() + 5000;
    fx_doc_expiring(t, "k", "1", segue_expiry_at(at), NULL);
    IS(OK, segue_get_expiry(t->store, K("k"), NULL, &expiry, &t->err));
    EQ(at, expiry);
    fx_set(t, "never", "1");
    IS(OK, segue_get_expiry(t->store, K("never"), NULL, &expiry, &t->err));
    EQ(0, expiry);
}

static void born_expired(cf *t)
{
    fx_set(t, "sibling", "1");
    IS(OK, segue_add_raw(t->store, K("k"), K("1"), segue_expiry_at((uint32_t)cf_now() - 10), NULL, &t->cas, &t->err));
    NE(0, t->cas);
    GONE("k");
    TOMBSTONE("k");
    BODY_IS("sibling", "1");
    IS(OK, do_add(t, "k", "2"));
    BODY_IS("k", "2");
}

static void expired_is_a_tombstone(cf *t)
{
    SEG_AUTO(segue_buf) keys = {0};
    fx_doc_expiring(t, "k", "{\"a\":1}", segue_expiry_in(100), X("_a=1", "u=2"));
    cf_advance(80);
    BODY_IS("k", "{\"a\":1}");
    cf_advance(20);
    GONE("k");
    CHECK(!do_exists(t, "k"));
    TOMBSTONE("k");
    CHECK(!t->doc.rec.is_json);
    EQ(1, t->doc.rec.revision);
    XATTR_IS("k", "_a", "1");
    XATTR_IS("k", "u", NULL);
    assert_string_equal(do_scan(t, NULL, &keys), "");
    segue_range all = {.options = SEGUE_SCAN_TOMBSTONES};
    assert_string_equal(do_scan(t, &all, &keys), "k");
    uint32_t expiry = 7;
    IS(OK, segue_get_expiry(t->store, K("k"), NULL, &expiry, &t->err));
    EQ(0, expiry);
}

static void expired_to_every_verb(cf *t)
{
    uint64_t cas = fx_doc_expiring(t, "k", "5", segue_expiry_in(100), X("_a=1", "u=2"));
    cf_advance(200);
    IS(NOT_FOUND, do_touch(t, "k", segue_expiry_in(100)));
    IS(NOT_FOUND, do_delete(t, "k"));
    IS(NOT_FOUND, do_remove(t, "k", cas));
    IS(NOT_FOUND, do_append(t, "k", "x"));
    IS(NOT_FOUND, do_incr(t, "k", 1));
    IS(NOT_FOUND, do_write_cas(t, "k", cas, "1", 0));
    IS(XATTR_NOT_FOUND, do_xattrs_get(t, "k", X("u")));
    IS(OK, do_xattrs_get(t, "k", X("_a")));
    IS(PATH_NOT_FOUND, do_xattrs_remove(t, "k", cas, X("u")));
    IS(OK, do_xattrs_set(t, "k", X("_b=2")));
    TOMBSTONE("k");
    EQ(2, t->doc.rec.revision);
    XATTR_IS("k", "_a", "1");
    XATTR_IS("k", "u", NULL);
    IS(OK, do_add(t, "k", "6"));
    BODY_IS("k", "6");
    EQ(3, t->doc.rec.revision);
    EQ(0, t->doc.rec.expiry);
    EQ(0, t->doc.rec.n_xattrs);
}

static void each_at_its_own_time(cf *t)
{
    fx_doc_expiring(t, "early", "1", segue_expiry_in(100), NULL);
    fx_doc_expiring(t, "late", "1", segue_expiry_in(200), NULL);
    fx_set(t, "never", "1");
    cf_advance(150);
    GONE("early");
    BODY_IS("late", "1");
    cf_advance(100);
    GONE("late");
    BODY_IS("never", "1");
    uint64_t purged = 0;
    IS(OK, do_purge(t, &purged));
    EQ(2, purged);
    NOTHING("early");
    BODY_IS("never", "1");
}

static void touched_to_expire(cf *t)
{
    fx_doc(t, "k", "1", X("_a=1"));
    IS(OK, do_touch(t, "k", segue_expiry_in(30)));
    BODY_IS("k", "1");
    cf_advance(30);
    GONE("k");
    XATTR_IS("k", "_a", "1");
}

static void touch_with_the_same_expiry(cf *t)
{
    uint32_t at = (uint32_t)cf_now() + 1000;
    fx_set(t, "never", "1");
    fx_doc_expiring(t, "k", "1", segue_expiry_at(at), NULL);
    cf_state never = cf_state_of(t, "never"), k = cf_state_of(t, "k");
    IS(OK, do_touch(t, "never", segue_expiry_none()));
    EQ(never.cas, t->cas);
    IS(OK, do_touch(t, "k", segue_expiry_at(at)));
    EQ(k.cas, t->cas);
    IS(OK, segue_get_and_touch(t->store, K("k"), segue_expiry_at(at), NULL, &t->doc, &t->err));
    EQ(k.cas, t->doc.rec.cas);
    CHECK(segue_slice_equal(t->doc.rec.body, K("1")));
    UNCHANGED("never", never);
    UNCHANGED("k", k);
}

static void touch_changes_cas_and_revision(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1", "u=2"));
    IS(OK, do_touch(t, "k", segue_expiry_in(60)));
    NE(cas, t->cas);
    EQ(2, cf_revision(t, "k"));
    NEAR("k", 60);
    cas = t->cas;
    IS(OK, segue_get_and_touch(t->store, K("k"), segue_expiry_in(120), NULL, &t->doc, &t->err));
    NE(cas, t->doc.rec.cas);
    EQ(3, t->doc.rec.revision);
    CHECK(segue_slice_equal(t->doc.rec.body, K("1")));
    EQ(2, t->doc.rec.n_xattrs);
    NEAR("k", 120);
    IS(OK, do_touch(t, "k", segue_expiry_none()));
    EQ(4, cf_revision(t, "k"));
    EQ(0, cf_expiry(t, "k"));
    EQ(t->cas, cf_cas(t, "k"));
    XATTR_IS("k", "u", "2");
}

static void touched_into_the_past(cf *t)
{
    fx_doc(t, "k", "1", X("_a=1", "u=2"));
    IS(OK, segue_get_and_touch(t->store, K("k"), segue_expiry_at((uint32_t)cf_now() - 10), NULL, &t->doc, &t->err));
    CHECK(!t->doc.rec.is_tombstone);
    CHECK(segue_slice_equal(t->doc.rec.body, K("1")));
    EQ(2, t->doc.rec.n_xattrs);
    GONE("k");
    XATTR_IS("k", "_a", "1");
}

static void set_and_its_expiry(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(DAY), NULL);
    uint32_t old = cf_expiry(t, "k");
    IS(OK, do_set_expiring(t, "k", "2", segue_expiry_keep()));
    EQ(old, cf_expiry(t, "k"));
    IS(OK, do_set(t, "k", "3"));
    EQ(0, cf_expiry(t, "k"));
    segue_expiry in = segue_expiry_in(500);
    in.keep_if_live = true;
    IS(OK, do_set_expiring(t, "new", "1", in));
    NEAR("new", 500);
    IS(OK, do_set_expiring(t, "k", "4", segue_expiry_in(50)));
    NEAR("k", 50);
    segue_expiry unsaid = {SEGUE_EXPIRY_DEFAULT, 0, false};
    IS(OK, segue_write_cas(t->store, K("k"), t->cas, K("5"), unsaid, SEGUE_WRITE_APPEND, NULL, &t->cas, &t->err));
    BODY_IS("k", "45");
    EQ(0, t->doc.rec.expiry); /* a write by CAS is told its expiry, also when it appends */
}

static void expiry_of_a_tombstone(cf *t)
{
    uint32_t expiry = 7;
    fx_tombstone(t, "k", NULL);
    IS(OK, segue_get_expiry(t->store, K("k"), NULL, &expiry, &t->err));
    EQ(0, expiry);
    fx_doc_expiring(t, "live", "1", segue_expiry_in(DAY), NULL);
    IS(OK, do_delete(t, "live"));
    IS(OK, segue_get_expiry(t->store, K("live"), NULL, &expiry, &t->err));
    EQ(0, expiry);
}

static void xattr_writes_and_expiry(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(DAY), X("_a=1"));
    uint32_t old = cf_expiry(t, "k");
    IS(OK, do_xattrs_set(t, "k", X("_b=1")));
    EQ(old, cf_expiry(t, "k"));
    IS(OK, do_xattrs_remove(t, "k", t->cas, X("_b")));
    EQ(old, cf_expiry(t, "k"));
    IS(OK, do_xattrs_update(t, "k", t->cas, X("_b=2"), segue_expiry_keep()));
    EQ(old, cf_expiry(t, "k"));
    IS(OK, do_append(t, "k", "1"));
    EQ(old, cf_expiry(t, "k"));
    IS(OK, do_xattrs_update(t, "k", cf_cas(t, "k"), X("_b=3"), segue_expiry_none()));
    EQ(0, cf_expiry(t, "k"));
}

static void expires_in_the_system_collection(cf *t)
{
    cf_open_other(t, "_system._mobile");
    IS(OK, segue_set(t->other, K("k"), K("1"), segue_expiry_in(30), NULL, NULL, &t->err));
    IS(OK, segue_get(t->other, K("k"), NULL, &t->doc, &t->err));
    cf_advance(31);
    IS(NOT_FOUND, segue_get(t->other, K("k"), NULL, &t->doc, &t->err));
    uint64_t purged = 0;
    IS(OK, segue_purge_tombstones(t->other, &purged, &t->err));
    EQ(1, purged);
}

static void extended_in_time(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(100), NULL);
    cf_advance(80);
    IS(OK, do_touch(t, "k", segue_expiry_in(1000)));
    cf_advance(30);
    BODY_IS("k", "1");
}

static void overdue_after_reopening(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(100), X("_a=1"));
    fx_set(t, "never", "1");
    cf_advance(200);
    cf_reopen(t);
    GONE("k");
    XATTR_IS("k", "_a", "1");
    BODY_IS("never", "1");
}

/* ---- reaping ---- */

/* A dual store reaps its primary; what lies in the fallback only is the sweep's to bring first. */
static bool is_reached(const cf *t)
{
    return !t->target->is_dual || t->target->place != IN_FALLBACK || t->target->phase == SEGUE_PHASE_LEGACY;
}

static uint64_t reap(cf *t)
{
    uint64_t n = 77;
    IS(OK, segue_reap(t->store, 0, &n, &t->err));
    return n;
}

static void reaped_as_it_read(cf *t)
{
    SEG_AUTO(segue_doc) before = {0};
    uint64_t reached = is_reached(t);
    fx_doc_expiring(t, "k", "{\"a\":1}", segue_expiry_in(100), X("_a=1", "u=2"));
    fx_doc_expiring(t, "late", "1", segue_expiry_in(1000), NULL);
    fx_set(t, "never", "1");
    EQ(0, reap(t));
    cf_advance(100);
    IS(OK, segue_get_record(t->store, K("k"), NULL, &before, &t->err));
    EQ(reached, reap(t));
    TOMBSTONE("k");
    CHECK(seg_record_same_content(&before.rec, &t->doc.rec));
    EQ(before.rec.revision + reached, t->doc.rec.revision);
    CHECK(reached ? t->doc.rec.cas > before.rec.cas : t->doc.rec.cas == before.rec.cas);
    XATTR_IS("k", "_a", "1");
    XATTR_IS("k", "u", NULL);
    EQ(0, reap(t));
    IS(NOT_FOUND, do_write_cas(t, "k", before.rec.cas, "2", 0));
    IS(NOT_FOUND, do_touch(t, "k", segue_expiry_in(100)));
    IS(OK, do_add(t, "k", "2"));
    EQ(before.rec.revision + reached + 1, cf_revision(t, "k"));
    BODY_IS("late", "1");
    BODY_IS("never", "1");
}

static void reaped_each_at_its_own_time(cf *t)
{
    fx_doc_expiring(t, "early", "1", segue_expiry_in(100), NULL);
    fx_doc_expiring(t, "late", "1", segue_expiry_in(200), NULL);
    fx_set(t, "never", "1");
    cf_advance(150);
    (void)reap(t); /* S43b says how many */
    BODY_IS("late", "1");
    cf_advance(100);
    (void)reap(t); /* the same */
    uint64_t purged = 0;
    IS(OK, do_purge(t, &purged));
    EQ(2, purged);
    NOTHING("early");
    NOTHING("late");
    BODY_IS("never", "1");
}

static void touched_and_reaped(cf *t)
{
    fx_doc(t, "k", "1", X("_a=1"));
    fx_doc_expiring(t, "kept", "1", segue_expiry_in(30), NULL);
    IS(OK, do_touch(t, "k", segue_expiry_in(30)));
    IS(OK, do_touch(t, "kept", segue_expiry_in(1000)));
    cf_advance(30);
    EQ(1, reap(t)); /* touched through the store: it is in the primary */
    TOMBSTONE("k");
    EQ(3, t->doc.rec.revision);
    BODY_IS("kept", "1");
    IS(OK, do_touch(t, "kept", segue_expiry_none()));
    cf_advance(2000);
    EQ(0, reap(t));
    BODY_IS("kept", "1");
}

static void no_more_than_asked_for(cf *t)
{
    uint64_t n = 0;
    char key[16];
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof key, "k%02u", i * 7 % 20); /* fits */
        IS(OK, do_set_expiring(t, key, "1", segue_expiry_in(100 + i * 7 % 20)));
    }
    cf_advance(110);
    IS(OK, segue_reap(t->store, 3, &n, &t->err));
    EQ(3, n);
    EQ(2, cf_revision(t, "k02")); /* the earliest first */
    EQ(1, cf_revision(t, "k03"));
    CHECK(reap(t) >= 8); /* those of the next second may have come to it */
    BODY_IS("k19", "1");
}

static void in_order_of_expiry(cf *t)
{
    segue_page page = {.max_docs = 2, .max_bytes = SIZE_MAX};
    segue_call call = seg_call_new(t->store, 0, &t->err);
    uint32_t at = (uint32_t)cf_now() + 1000, next = 7;
    IS(OK, seg_call_expired(t->store, at, &page, &next, &call));
    EQ(0, next);
    EQ(0, page.n);
    fx_doc_expiring(t, "c", "1", segue_expiry_at(at + 2), X("_a=1", "u=2"));
    fx_doc_expiring(t, "a", "1", segue_expiry_at(at + 3), NULL);
    fx_doc_expiring(t, "b", "1", segue_expiry_at(at + 1), NULL);
    fx_doc_expiring(t, "z", "1", segue_expiry_at(at + 3), NULL);
    fx_set(t, "never", "1");
    fx_set(t, "dead", "1");
    IS(OK, do_delete(t, "dead"));
    IS(OK, seg_call_expired(t->store, at, &page, &next, &call));
    EQ(0, page.n);
    EQ(at + 1, next);
    IS(OK, seg_call_expired(t->store, at + 3, &page, &next, &call));
    EQ(2, page.n);
    CHECK(page.more);
    CHECK(segue_slice_equal(page.docs[0].rec.key, K("b")));
    CHECK(segue_slice_equal(page.docs[1].rec.key, K("c")));
    EQ(2, page.docs[1].rec.n_xattrs); /* as it is stored */
    EQ(at + 2, page.docs[1].rec.expiry);
    IS(OK, do_touch(t, "b", segue_expiry_none()));
    IS(OK, do_delete(t, "c"));
    IS(OK, seg_call_erase(t->store, K("z"), cf_cas(t, "z"), &call));
    IS(OK, seg_call_expired(t->store, UINT32_MAX, &page, &next, &call));
    EQ(1, page.n);
    CHECK(!page.more);
    CHECK(segue_slice_equal(page.docs[0].rec.key, K("a")));
    EQ(0, next);
    segue_page_free(&page);
}

/* ---- more time is given while it is read ---- */

static void give_more_time(cf *t)
{
    IS(OK, do_touch(t, "k", segue_expiry_at((uint32_t)cf_now() + DAY)));
    cf_advance(10);
}

static bool get_sees_it(cf *t) { return do_get(t, "k") == SEGUE_OK; }

static bool scan_sees_it(cf *t)
{
    segue_range range = {.prefix = K("k")};
    SEG_AUTO(segue_buf) keys = {0};
    return strcmp(do_scan(t, &range, &keys), "k") == 0;
}

static bool feed_sees_it(cf *t)
{
    bool live = true;
    uint64_t since = 0;
    segue_feed *feed = NULL;
    segue_feed_event e = {0};
    segue_feed_options o = {.flags = SEGUE_FEED_STOP_AT_END, .since = &since};
    IS(OK, segue_feed_open(&t->store, 1, &o, &feed, &t->err));
    while (segue_feed_next(feed, 0, &e, &t->err) == SEGUE_OK)
        if (segue_slice_equal(e.rec.key, K("k"))) live = live && !e.rec.is_tombstone;
    segue_feed_close(feed);
    return live;
}

/* At whichever look at the clock it happens: the document was never dead, so nobody may call it so. */
static void given_more_time(cf *t, bool (*sees_it)(cf *t))
{
    unsigned at = 0;
    do {
        fx_doc_expiring(t, "k", "1", segue_expiry_at((uint32_t)cf_now() + 5), NULL);
        cf_meanwhile(t, ++at, give_more_time);
        CHECK(sees_it(t));
    } while (cf_happened() && at < 20);
    CHECK(at > 1 && at < 20);
}

static void given_more_time_while_got(cf *t) { given_more_time(t, get_sees_it); }
static void given_more_time_while_scanned(cf *t) { given_more_time(t, scan_sees_it); }
static void given_more_time_while_fed(cf *t) { given_more_time(t, feed_sees_it); }

static void no_expiry_past_2106(cf *t)
{
    IS(INVALID_ARGUMENT, do_set_expiring(t, "k", "1", segue_expiry_in(UINT32_MAX)));
    IS(INVALID_ARGUMENT, do_set_expiring(t, "k", "1", segue_expiry_at(0)));
    NOTHING("k");
    IS(OK, do_set_expiring(t, "k", "1", segue_expiry_at(UINT32_MAX)));
    EQ(UINT32_MAX, cf_expiry(t, "k"));
}

const cf_case cf_expiry_cases[] = {
    {"S41", "an expiry up to 30 days is relative, above absolute", 0, how_expiry_is_given, NULL},
    {"S41b", "the expiry of a document from before is read as it is", 0, get_expiry_of_what_was_there, NULL},
    {"S41c", "an expiry that does not fit is refused", 0, no_expiry_past_2106, NULL},
    {"S42", "a document with an expiry in the past is born expired", 0, born_expired, NULL},
    {"S43", "an expired document reads as a tombstone with its system xattrs", 0, expired_is_a_tombstone, NULL},
    {"B4", "when its expiry has passed, a record is a tombstone to every verb", 0, expired_to_every_verb, NULL},
    {"S43b", "what is reaped is the tombstone that was read", NEEDS_EXPIRED, reaped_as_it_read, NULL},
    {"S43c", "the earliest are reaped first, and no more than asked for", NEEDS_EXPIRED | RUNS_ONCE,
     no_more_than_asked_for, NULL},
    {"S43d", "an engine finds what expires in its order", NEEDS_EXPIRED | NEEDS_SINGLE, in_order_of_expiry, NULL},
    {"S44", "each expires at its own time and is purged", 0, each_at_its_own_time, NULL},
    {"S44b", "each is reaped at its own time and purged", NEEDS_EXPIRED, reaped_each_at_its_own_time, NULL},
    {"S45b", "touch makes a document be reaped, or not", NEEDS_EXPIRED, touched_and_reaped, NULL},
    {"S45", "touch makes a document expire", 0, touched_to_expire, NULL},
    {"S46", "touch with the same expiry is no mutation", 0, touch_with_the_same_expiry, NULL},
    {"S47", "touch changes CAS and revision each time", 0, touch_changes_cas_and_revision, NULL},
    {"S47c", "what is touched to be over already is shown as it was", 0, touched_into_the_past, NULL},
    {"S48", "set keeps the expiry only when told to", 0, set_and_its_expiry, NULL},
    {"S49", "the expiry of a tombstone is 0 and no error", 0, expiry_of_a_tombstone, NULL},
    {"S50", "xattr writes keep the expiry unless they name one", 0, xattr_writes_and_expiry, NULL},
    {"S51", "documents expire in _system._mobile too", 0, expires_in_the_system_collection, NULL},
    {"S52", "a document whose expiry was extended in time survives", 0, extended_in_time, NULL},
    {"S52b", "also one that is got meanwhile", 0, given_more_time_while_got, NULL},
    {"S52c", "also one that a scan comes by meanwhile", 0, given_more_time_while_scanned, NULL},
    {"S52d", "also one that a feed tells of meanwhile", NEEDS_CHANGES, given_more_time_while_fed, NULL},
    {"S53", "an overdue document is expired after reopening", NEEDS_REOPEN, overdue_after_reopening, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
