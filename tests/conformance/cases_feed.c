/* Conformance: feeds, B10 and scenarios 4, 8, 16, 20, 47, 89, 102, 109 to 116, 119, 120. */
#include "conform.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <segue/feed.h>

#include "base/base.h"

/* Long enough for the slowest machine; a feed that works does not use it up. */
static const int64_t PATIENCE_NS = 60000000000;

static segue_feed *open_feed(cf *t, unsigned flags, uint64_t since)
{
    segue_feed *feed = NULL;
    segue_feed_options o = {.flags = flags, .since = &since, .poll_ns = 5000000};
    IS(OK, segue_feed_open(&t->store, 1, &o, &feed, &t->err));
    return feed;
}

static segue_feed *resume(cf *t, segue_store *const *stores, size_t n, segue_slice cursor)
{
    segue_feed *feed = NULL;
    segue_feed_options o = {.flags = SEGUE_FEED_STOP_AT_END, .cursor = cursor};
    IS(OK, segue_feed_open(stores, n, &o, &feed, &t->err));
    return feed;
}

static segue_feed_event next(cf *t, segue_feed *feed)
{
    segue_feed_event e = {0};
    IS(OK, segue_feed_next(feed, PATIENCE_NS, &e, &t->err));
    return e;
}

static void nothing_new(cf *t, segue_feed *feed)
{
    segue_feed_event e = {0};
    segue_status st = segue_feed_next(feed, 0, &e, &t->err);
    if (st == SEGUE_OK) print_error("there is an event of %.*s\n", (int)e.rec.key.size, e.rec.key.data);
    IS(TIMEOUT, st);
}

/* A dual store's own token has bit 63. */
static uint64_t place(uint64_t cas) { return seg_feed_cas(cas); }

/* ---- what was seen ---- */

enum { SEEN_MAX = 1024 };

typedef struct seen_key {
    char key[24];
    uint64_t cas, revision;
    size_t n;
    bool is_tombstone;
} seen_key;

typedef struct seen {
    seen_key keys[SEEN_MAX];
    size_t n_keys, n_events;
    uint64_t last;
} seen;

static seen_key *seen_of(seen *s, segue_slice key)
{
    size_t i = 0;
    assert_in_range(key.size, 1, sizeof s->keys[0].key - 1);
    while (i < s->n_keys && !segue_slice_equal(K(s->keys[i].key), key)) i++;
    assert_in_range(i, 0, SEEN_MAX - 1);
    if (i == s->n_keys) memcpy(s->keys[s->n_keys++].key, key.data, key.size);
    return &s->keys[i];
}

/* CASes grow: of one key strictly, of the store never back. */
static void note(seen *s, const segue_feed_event *e)
{
    seen_key *k = seen_of(s, e->rec.key);
    uint64_t at = place(e->rec.cas);
    if (at <= k->cas) fail_msg("%s: an event of CAS %llx came after %llx", k->key, (long long)at, (long long)k->cas);
    if (at < s->last) fail_msg("%s: %llx came after %llx", k->key, (long long)at, (long long)s->last);
    k->cas = s->last = at;
    k->revision = e->rec.revision;
    k->is_tombstone = e->rec.is_tombstone;
    k->n++;
    s->n_events++;
}

static void note_all(cf *t, segue_feed *feed, seen *s)
{
    segue_feed_event e = {0};
    segue_status st;
    while ((st = segue_feed_next(feed, PATIENCE_NS, &e, &t->err)) == SEGUE_OK) note(s, &e);
    IS(END, st);
    IS(END, segue_feed_next(feed, 0, &e, &t->err));
}

/* Everything that is there, to the end. */
static seen *backfill(cf *t, seen *s)
{
    memset(s, 0, sizeof *s);
    segue_feed *feed = open_feed(t, SEGUE_FEED_STOP_AT_END, 0);
    note_all(t, feed, s);
    segue_feed_close(feed);
    return s;
}

static seen all; /* large */

/* ---- B10, S109 ---- */

static void backfill_of_three(cf *t)
{
    fx_set(t, "a", "1");
    fx_set(t, "b", "2");
    fx_set(t, "c", "3");
    backfill(t, &all);
    EQ(3, all.n_events);
    EQ(3, all.n_keys);
    for (size_t i = 0; i < 3; i++) {
        EQ(1, all.keys[i].revision);
        EQ(place(cf_cas(t, all.keys[i].key)), all.keys[i].cas);
    }
}

static void nothing_there(cf *t)
{
    backfill(t, &all);
    EQ(0, all.n_events);
    segue_feed *feed = open_feed(t, 0, 0);
    nothing_new(t, feed);
    nothing_new(t, feed);
    segue_feed_close(feed);
}

/* Documents that are only in the fallback, or in both, changed or deleted, over several pages of each. */
static void many_exactly_once(cf *t)
{
    enum { MANY = 700 };
    segue_store *where = t->fallback ? t->fallback : t->store;
    char key[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "key%05d", i * 7919 % 100000); /* fits */
        IS(OK, segue_set(where, K(key), K("1"), segue_expiry_none(), NULL, NULL, &t->err));
        if (i % 3 == 1) IS(OK, do_set(t, key, "2"));
        if (i % 3 == 2) IS(OK, do_delete(t, key));
    }
    backfill(t, &all);
    EQ(MANY, all.n_events);
    EQ(MANY, all.n_keys);
    for (int i = 0; i < MANY; i++) {
        const seen_key *k = &all.keys[i];
        EQ(place(cf_cas(t, k->key)), k->cas);
    }
}

static void equal_cas_over_pages(cf *t)
{
    enum { MANY = 300 };
    char key[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "k%03d", i); /* fits */
        segue_record rec = {.key = K(key), .body = K("1"), .cas = 0x1700000000000000u, .revision = 3};
        IS(OK, segue_put_record(t->store, &rec, 0, NULL, NULL, &t->err));
    }
    SEG_AUTO(segue_buf) cursor = {0};
    segue_feed *feed = open_feed(t, SEGUE_FEED_STOP_AT_END, 0);
    for (int i = 0; i < MANY; i++) {
        segue_feed_event e = next(t, feed);
        (void)snprintf(key, sizeof key, "k%03d", i); /* fits */
        CHECK(segue_slice_equal(e.rec.key, K(key)));
        IS(OK, segue_feed_cursor(feed, &cursor));
        segue_feed_close(feed); /* and go on from every place */
        feed = resume(t, &t->store, 1, segue_buf_slice(&cursor));
    }
    segue_feed_event e = {0};
    IS(END, segue_feed_next(feed, 0, &e, &t->err));
    segue_feed_close(feed);
}

static void own_records_are_no_events(cf *t)
{
    segue_call call = seg_call_new(t->store, 0, &t->err);
    segue_put put = {.rec = {.key = K("_segue:x"), .body = K("1"), .revision = 1}, .condition = SEGUE_IF_ABSENT};
    IS(OK, seg_call_begin(t->store, true, &call));
    segue_status st = seg_call_put(t->store, &put, NULL, &call);
    seg_call_end(t->store, &call);
    IS(OK, st);
    fx_set(t, "a", "1");
    backfill(t, &all);
    EQ(1, all.n_events);
    CHECK(strcmp(all.keys[0].key, "a") == 0);
}

/* ---- live ---- */

static void live_in_order(cf *t)
{
    uint64_t cas = fx_set(t, "a", "1");
    segue_feed *feed = open_feed(t, 0, SEGUE_FEED_NOW);
    nothing_new(t, feed); /* not what is there */
    IS(OK, do_add(t, "b", "2"));
    segue_feed_event e = next(t, feed);
    CHECK(segue_slice_equal(e.rec.key, K("b")) && segue_slice_equal(e.rec.body, K("2")));
    EQ(t->cas, e.rec.cas);
    EQ(1, e.rec.revision);
    IS(OK, do_remove(t, "a", cas));
    e = next(t, feed);
    CHECK(segue_slice_equal(e.rec.key, K("a")) && e.rec.is_tombstone && !e.rec.body.data);
    EQ(t->cas, e.rec.cas);
    EQ(2, e.rec.revision);
    EQ(0, e.rec.expiry);
    nothing_new(t, feed);
    segue_feed_close(feed);
}

static void what_writes_nothing_is_no_event(cf *t)
{
    fx_set(t, "a", "1");
    fx_tombstone(t, "dead", NULL);
    segue_feed *feed = open_feed(t, 0, SEGUE_FEED_NOW);
    IS(EXISTS, do_add(t, "a", "2"));
    IS(OK, do_touch(t, "a", segue_expiry_none()));
    IS(NOT_FOUND, do_delete(t, "dead"));
    IS(NOT_FOUND, do_delete(t, "never"));
    IS(CAS_MISMATCH, do_remove(t, "a", 12345));
    nothing_new(t, feed);
    IS(OK, do_touch(t, "a", segue_expiry_in(3600)));
    segue_feed_event e = next(t, feed);
    EQ(t->cas, e.rec.cas);
    CHECK(e.rec.expiry >= cf_now() + 3500);
    nothing_new(t, feed);
    segue_feed_close(feed);
}

static void what_is_too_big_is_no_event(cf *t)
{
    size_t size = (size_t)SEGUE_BODY_MAX + 1;
    char *body = seg_alloc_zero(size);
    assert_non_null(body);
    fx_set(t, "a", "1");
    segue_feed *feed = open_feed(t, 0, SEGUE_FEED_NOW);
    IS(TOO_BIG, segue_set_raw(t->store, K("a"), segue_bytes(body, size), segue_expiry_none(), NULL, NULL, &t->err));
    IS(TOO_BIG, segue_set_raw(t->store, K("b"), segue_bytes(body, size), segue_expiry_none(), NULL, NULL, &t->err));
    nothing_new(t, feed);
    segue_feed_close(feed);
    seg_free(body);
}

static void deleted_and_set_is_backfilled(cf *t)
{
    fx_tombstone(t, "k", X("_a=1"));
    IS(OK, do_set(t, "k", "1"));
    segue_feed *feed = open_feed(t, SEGUE_FEED_STOP_AT_END, 0);
    segue_feed_event e = next(t, feed);
    CHECK(segue_slice_equal(e.rec.key, K("k")) && !e.rec.is_tombstone && segue_slice_equal(e.rec.body, K("1")));
    EQ(0, e.rec.n_xattrs);
    EQ(3, e.rec.revision);
    EQ(t->cas, e.rec.cas);
    IS(END, segue_feed_next(feed, 0, &e, &t->err));
    segue_feed_close(feed);
}

/* The next event is that of this write, and the last. */
static segue_feed_event only_event(cf *t, segue_feed *feed, uint64_t cas, uint64_t revision)
{
    segue_feed_event e = next(t, feed);
    EQ(cas, e.rec.cas);
    EQ(revision, e.rec.revision);
    return e;
}

static void each_touch_is_an_event(cf *t)
{
    fx_doc(t, "k", "1", X("u=2"));
    segue_feed *feed = open_feed(t, 0, SEGUE_FEED_NOW);
    IS(OK, do_touch(t, "k", segue_expiry_at(4000000000u)));
    segue_feed_event e = only_event(t, feed, t->cas, 2);
    CHECK(e.rec.expiry == 4000000000u && segue_slice_equal(e.rec.body, K("1")) && e.rec.n_xattrs == 1);
    IS(OK, segue_get_and_touch(t->store, K("k"), segue_expiry_at(4000000001u), NULL, &t->doc, &t->err));
    e = only_event(t, feed, t->doc.rec.cas, 3);
    EQ(4000000001u, e.rec.expiry);
    IS(OK, do_touch(t, "k", segue_expiry_none()));
    e = only_event(t, feed, t->cas, 4);
    EQ(0, e.rec.expiry);
    nothing_new(t, feed);
    segue_feed_close(feed);
}

static void writes_of_xattrs_are_events(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_at(4000000000u), X("_x={\"c\":{\"run1\":1}}", "u=2"));
    fx_tombstone(t, "gone", X("_x={\"c\":{\"run1\":1}}"));
    segue_feed *feed = open_feed(t, 0, SEGUE_FEED_NOW);
    IS(OK, do_xattrs_drop(t, "k", X("_x.c.run1")));
    segue_feed_event e = only_event(t, feed, t->cas, 2);
    CHECK(!e.rec.is_tombstone && e.rec.expiry == 4000000000u && segue_slice_equal(e.rec.body, K("1")));
    EQ(2, e.rec.n_xattrs);
    CHECK(segue_slice_equal(e.rec.xattrs[0].value, K("{\"c\":{}}")));
    IS(OK, do_xattrs_drop(t, "gone", X("_x.c.run1")));
    e = only_event(t, feed, t->cas, 3);
    CHECK(e.rec.is_tombstone && !e.rec.body.data && e.rec.expiry == 0);
    CHECK(segue_slice_equal(e.rec.xattrs[0].value, K("{\"c\":{}}")));
    IS(OK, do_xattrs_update(t, "gone", t->cas, X("_y=1"), segue_expiry_none()));
    e = only_event(t, feed, t->cas, 4);
    CHECK(e.rec.is_tombstone && e.rec.n_xattrs == 2);
    IS(OK, do_delete_with_xattrs(t, "k", X("_x")));
    e = only_event(t, feed, cf_cas(t, "k"), 3);
    CHECK(e.rec.is_tombstone && e.rec.n_xattrs == 0 && e.rec.expiry == 0);
    nothing_new(t, feed);
    segue_feed_close(feed);
}

static void a_purge_is_no_event(cf *t)
{
    uint64_t purged = 0;
    if (t->primary && !(segue_store_caps(t->primary) & SEGUE_CAP_KEEP_CAS))
        return; /* moves to it are told as changes */
    fx_set(t, "live", "1");
    fx_tombstone(t, "gone", X("_a=1"));
    segue_feed *feed = open_feed(t, 0, SEGUE_FEED_NOW);
    nothing_new(t, feed);
    IS(OK, do_purge(t, &purged));
    EQ(1, purged);
    nothing_new(t, feed);
    IS(OK, do_add(t, "gone", "2"));
    (void)only_event(t, feed, t->cas, 1);
    nothing_new(t, feed);
    segue_feed_close(feed);
}

static void records_of_another_store_are_events(cf *t)
{
    segue_xattr x = {K("_a"), K("1")};
    uint64_t cas = fx_doc(t, "k", "1", X("_b=2", "u=3"));
    segue_feed *feed = open_feed(t, 0, SEGUE_FEED_NOW);
    segue_record rec = {.key = K("k"), .body = K("[2]"), .cas = cas + 1000, .is_json = true};
    IS(OK, segue_put_with_meta(t->store, &rec, cas, NULL, &t->err));
    segue_feed_event e = only_event(t, feed, cas + 1000, cf_revision(t, "k"));
    CHECK(!e.rec.is_tombstone && e.rec.is_json && segue_slice_equal(e.rec.body, K("[2]")) && e.rec.n_xattrs == 0);
    rec = (segue_record){.key = K("k"), .cas = cas + 2000, .is_tombstone = true, .xattrs = &x, .n_xattrs = 1};
    IS(OK, segue_put_with_meta(t->store, &rec, cas + 1000, NULL, &t->err));
    e = only_event(t, feed, cas + 2000, cf_revision(t, "k"));
    CHECK(e.rec.is_tombstone && !e.rec.body.data && !e.rec.is_json && e.rec.n_xattrs == 1);
    CHECK(segue_slice_equal(e.rec.xattrs[0].name, K("_a")) && segue_slice_equal(e.rec.xattrs[0].value, K("1")));
    IS(CAS_MISMATCH, segue_put_with_meta(t->store, &rec, cas, NULL, &t->err));
    nothing_new(t, feed);
    segue_feed_close(feed);
}

static void append_carries_the_whole_body(cf *t)
{
    fx_set(t, "a", "one");
    segue_feed *feed = open_feed(t, 0, SEGUE_FEED_NOW);
    IS(OK, do_append(t, "a", "two"));
    segue_feed_event e = next(t, feed);
    CHECK(segue_slice_equal(e.rec.body, K("onetwo")));
    segue_feed_close(feed);
}

static void expiry_is_told(cf *t)
{
    fx_doc_expiring(t, "a", "1", segue_expiry_in(5000), NULL);
    fx_doc_expiring(t, "soon", "1", segue_expiry_in(10), X("_s=1", "u=2"));
    segue_feed *feed = open_feed(t, SEGUE_FEED_STOP_AT_END, 0);
    for (int i = 0; i < 2; i++) {
        segue_feed_event e = next(t, feed);
        bool soon = segue_slice_equal(e.rec.key, K("soon"));
        EQ(cf_expiry(t, soon ? "soon" : "a"), e.rec.expiry);
        NE(0, e.rec.expiry);
    }
    segue_feed_close(feed);
    cf_advance(11); /* what has expired is a deletion, reaper or not */
    feed = open_feed(t, SEGUE_FEED_STOP_AT_END, 0);
    for (int i = 0; i < 2; i++) {
        segue_feed_event e = next(t, feed);
        bool soon = segue_slice_equal(e.rec.key, K("soon"));
        CHECK(e.rec.is_tombstone == soon && e.rec.n_xattrs == (soon ? 1 : 0));
    }
    segue_feed_close(feed);
}

/* ---- content ---- */

typedef struct content {
    unsigned flags;
    bool bodies, xattrs;
} content;

static void check_event(const segue_feed_event *e, const content *c)
{
    const segue_record *r = &e->rec;
    bool dead = segue_slice_equal(r->key, K("dead")), rich = segue_slice_equal(r->key, K("rich"));
    CHECK(r->is_tombstone == dead && (r->body.data == NULL) == dead);
    if (!dead) EQ(c->bodies ? 2 : 0, r->body.size);
    EQ(!c->xattrs ? 0 : rich ? 2 : dead ? 1 : 0, r->n_xattrs);
    CHECK(r->is_json == !dead); /* also without the body */
    NE(0, r->cas);
    NE(0, r->revision);
}

static void contents(cf *t)
{
    static const content modes[] = {{0, true, true},
                                    {SEGUE_FEED_KEYS_ONLY, false, false},
                                    {SEGUE_FEED_NO_BODIES, false, true},
                                    {SEGUE_FEED_NO_XATTRS, true, false}};
    enum { MODES = sizeof modes / sizeof modes[0] };
    segue_feed *feeds[MODES];
    fx_doc(t, "rich", "{}", X("_s=1", "u=2"));
    fx_doc(t, "plain", "{}", NULL);
    fx_tombstone(t, "dead", X("_s=1"));
    for (size_t i = 0; i < MODES; i++) feeds[i] = open_feed(t, modes[i].flags, 0);
    for (int n = 0; n < 3; n++) /* all at once, each with its own view */
        for (size_t i = 0; i < MODES; i++) {
            segue_feed_event e = next(t, feeds[i]);
            check_event(&e, &modes[i]);
        }
    IS(OK, do_xattrs_set(t, "rich", X("u=3"))); /* and live */
    IS(OK, do_set(t, "plain", "[]"));
    IS(OK, do_xattrs_set(t, "dead", X("_s=2")));
    for (int n = 0; n < 3; n++)
        for (size_t i = 0; i < MODES; i++) {
            segue_feed_event e = next(t, feeds[i]);
            check_event(&e, &modes[i]);
        }
    for (size_t i = 0; i < MODES; i++) segue_feed_close(feeds[i]);
}

/* By each of the raw writes, onto a key of its own. */
static segue_status write_raw(cf *t, int way, const char *key, segue_slice body)
{
    segue_expiry none = segue_expiry_none();
    uint64_t cas = 0;
    switch (way) {
    case 0: return segue_set_raw(t->store, K(key), body, none, NULL, &t->cas, &t->err);
    case 1: return segue_add_raw(t->store, K(key), body, none, NULL, &t->cas, &t->err);
    case 2: return segue_write_cas(t->store, K(key), 0, body, none, SEGUE_WRITE_RAW, NULL, &t->cas, &t->err);
    default: cas = cf_cas(t, "a"); /* the one that the first way has written */
    }
    return segue_write_cas(t->store, K("a"), cas, body, none, SEGUE_WRITE_RAW, NULL, &t->cas, &t->err);
}

static void is_json_is_told(cf *t)
{
    static const segue_slice bodies[] = {{"{\"a\":1}", 7}, {"[1]", 3},      {"\"s\"", 3},    {"1", 1},
                                         {"true", 4},      {"null", 4},     {"-1.5e3", 6},   {"\x01\xff", 2},
                                         {"a\0b", 3},      {"\"\xff\"", 3}, {"{\"a\":1", 6}, {"", 0}};
    enum { N_JSON = 7, WAYS = 4 };
    static const char *const keys[] = {"a", "b", "c", "a"};
    segue_feed *feed = open_feed(t, 0, SEGUE_FEED_NOW);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        for (int way = 0; way < WAYS; way++) {
            IS(OK, write_raw(t, way, keys[way], bodies[i]));
            segue_feed_event e = next(t, feed);
            EQ(t->cas, e.rec.cas);
            CHECK(e.rec.is_json == (i < N_JSON) && segue_slice_equal(e.rec.body, bodies[i]));
        }
        for (int way = 1; way < 3; way++) { /* what is inserted has to go again */
            IS(OK, do_delete(t, keys[way]));
            segue_feed_event e = next(t, feed);
            CHECK(e.rec.is_tombstone && !e.rec.is_json);
        }
    }
    nothing_new(t, feed);
    segue_feed_close(feed);
}

/* ---- resuming ---- */

enum { PLACES = 7 };

static void resume_at_every_place(cf *t)
{
    char keys[PLACES][24];
    segue_buf cursors[PLACES] = {{0}};
    for (int i = 0; i < PLACES - 2; i++) fx_set(t, (const char *const[]){"a", "b", "c", "d", "e"}[i], "1");
    fx_tombstone(t, "dead", NULL);
    IS(OK, do_set(t, "f", "1"));
    IS(OK, do_set(t, "a", "2"));
    segue_feed *feed = open_feed(t, SEGUE_FEED_STOP_AT_END, 0);
    for (int i = 0; i < PLACES; i++) {
        segue_feed_event e = next(t, feed);
        (void)snprintf(keys[i], sizeof keys[i], "%.*s", (int)e.rec.key.size, e.rec.key.data); /* short */
        IS(OK, segue_feed_cursor(feed, &cursors[i]));
    }
    segue_feed_close(feed);
    for (int i = 0; i < PLACES; i++) {
        feed = resume(t, &t->store, 1, segue_buf_slice(&cursors[i]));
        for (int k = i + 1; k < PLACES; k++) {
            segue_feed_event e = next(t, feed);
            CHECK(segue_slice_equal(e.rec.key, K(keys[k])));
        }
        segue_feed_event e = {0};
        IS(END, segue_feed_next(feed, 0, &e, &t->err));
        segue_feed_close(feed);
        segue_buf_free(&cursors[i]);
    }
}

static void two_collections_one_cursor(cf *t)
{
    SEG_AUTO(segue_buf) cursor = {0};
    size_t n[2] = {0};
    cf_open_other(t, "s.other");
    segue_store *stores[] = {t->store, t->other};
    fx_set(t, "a", "1");
    IS(OK, segue_set(t->other, K("a"), K("2"), segue_expiry_none(), NULL, NULL, &t->err));
    IS(OK, segue_set(t->other, K("b"), K("2"), segue_expiry_none(), NULL, NULL, &t->err));
    segue_feed *feed = resume(t, stores, 2, (segue_slice){NULL, 0});
    for (int i = 0; i < 3; i++) {
        segue_feed_event e = next(t, feed);
        n[e.store]++;
        CHECK(segue_slice_equal(e.rec.body, e.store ? K("2") : K("1")));
        IS(OK, segue_feed_cursor(feed, &cursor));
    }
    segue_feed_close(feed);
    EQ(1, n[0]);
    EQ(2, n[1]);
    IS(OK, segue_set(t->other, K("c"), K("3"), segue_expiry_none(), NULL, NULL, &t->err));
    feed = resume(t, stores, 2, segue_buf_slice(&cursor));
    segue_feed_event e = next(t, feed);
    EQ(1, e.store);
    CHECK(segue_slice_equal(e.rec.key, K("c")));
    IS(END, segue_feed_next(feed, 0, &e, &t->err));
    segue_feed_close(feed);
    segue_feed_options o = {.cursor = segue_buf_slice(&cursor)};
    IS(INVALID_CURSOR, segue_feed_open(stores, 1, &o, &feed, &t->err)); /* it is one of two */
}

/* ---- writers meanwhile ---- */

enum { WRITERS = 4, WRITES = 60, WRITTEN_KEYS = 12 };

typedef struct writer {
    pthread_t thread;
    segue_store *store;
    unsigned seed;
    segue_status status;
    segue_error err;
} writer;

/* Sets, deletes and increments, of keys that the others write too. */
static void *write_along(void *arg)
{
    writer *w = arg;
    char key[16];
    uint64_t one = 1;
    for (unsigned i = 0; i < WRITES && w->status == SEGUE_OK; i++) {
        (void)snprintf(key, sizeof key, "k%u", (i * 7 + w->seed) % WRITTEN_KEYS); /* fits */
        if (i % 5 == 4) w->status = segue_delete(w->store, K(key), NULL, &w->err);
        else w->status = segue_incr(w->store, K(key), 1, &one, segue_expiry_none(), NULL, NULL, &w->err);
        if (w->status == SEGUE_NOT_FOUND) w->status = SEGUE_OK; /* deleted by another */
    }
    return NULL;
}

/* Whether every key was seen as it is now. */
static bool all_seen(cf *t, seen *s)
{
    char key[16];
    for (unsigned i = 0; i < WRITTEN_KEYS; i++) {
        (void)snprintf(key, sizeof key, "k%u", i); /* fits */
        segue_status st = do_get_record(t, key);
        if (st != SEGUE_NOT_FOUND) IS(OK, st);
        if (st == SEGUE_OK && seen_of(s, K(key))->cas != place(t->doc.rec.cas)) return false;
    }
    return true;
}

static void no_write_is_missed(cf *t)
{
    writer writers[WRITERS] = {{0}};
    char key[16];
    for (unsigned i = 0; i < WRITTEN_KEYS; i += 2) {
        (void)snprintf(key, sizeof key, "k%u", i); /* fits */
        fx_set(t, key, "7");
    }
    memset(&all, 0, sizeof all);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.store = t->store, .seed = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_along, &writers[i]), 0);
    }
    segue_feed *feed = open_feed(t, 0, 0); /* in their midst */
    for (size_t i = 0; i < 100; i++) {
        segue_feed_event e = {0};
        segue_status st = segue_feed_next(feed, 1000000, &e, &t->err);
        if (st == SEGUE_OK) note(&all, &e);
        else IS(TIMEOUT, st);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        if (writers[i].status != SEGUE_OK) fail_msg("a writer failed: %s", writers[i].err.message);
    }
    segue_feed_event e;
    segue_status st;
    while ((st = segue_feed_next(feed, 0, &e, &t->err)) == SEGUE_OK) note(&all, &e);
    IS(TIMEOUT, st);
    CHECK(all_seen(t, &all)); /* the writers have ended, so one look is enough */
    segue_feed_close(feed);
}

/* Sixty writes for each that the consumer takes: it sees fewer events, and the last of each key. */
static void a_slow_consumer_sees_the_last(cf *t)
{
    segue_feed *feed = open_feed(t, 0, 0);
    char body[16];
    uint64_t last = 0;
    for (int i = 0; i < 60; i++) {
        (void)snprintf(body, sizeof body, "%d", i); /* fits */
        IS(OK, do_set(t, "a", body));
        last = t->cas;
    }
    segue_feed_event e = next(t, feed);
    EQ(last, e.rec.cas);
    CHECK(segue_slice_equal(e.rec.body, K("59")));
    nothing_new(t, feed);
    segue_feed_close(feed);
}

/* ---- arguments ---- */

static void wrong_arguments(cf *t)
{
    static const char *const cursors[] = {"", "f1", "f2.0.00000000", "f1.0.00000000", "f1.0.", "nonsense", "f1.0"};
    segue_feed *feed = NULL;
    for (size_t i = 0; i < sizeof cursors / sizeof cursors[0]; i++) {
        segue_feed_options o = {.cursor = K(cursors[i])};
        IS(INVALID_CURSOR, segue_feed_open(&t->store, 1, &o, &feed, &t->err));
        CHECK(feed == NULL && t->err.message[0]);
    }
    segue_feed_options o = {.flags = 1u << 20};
    IS(INVALID_ARGUMENT, segue_feed_open(&t->store, 1, &o, &feed, &t->err));
    o = (segue_feed_options){.poll_ns = -1};
    IS(INVALID_ARGUMENT, segue_feed_open(&t->store, 1, &o, &feed, &t->err));
    IS(INVALID_ARGUMENT, segue_feed_open(&t->store, 0, NULL, &feed, &t->err));
    IS(INVALID_ARGUMENT, segue_feed_open(NULL, 1, NULL, &feed, &t->err));
    segue_feed_close(NULL);
}

const cf_case cf_feed_cases[] = {
    {"B10", "CASes become visible in their order: no feed has a gap", NEEDS_CHANGES, no_write_is_missed, NULL},
    {"B10b", "equal CASes are told apart by key, over pages", NEEDS_CHANGES | NEEDS_KEEP_CAS | RUNS_ONCE,
     equal_cas_over_pages, NULL},
    {"S4", "what writes nothing delivers no event", NEEDS_CHANGES, what_writes_nothing_is_no_event, NULL},
    {"S8b", "a document that was deleted and set is backfilled as a live one", NEEDS_CHANGES,
     deleted_and_set_is_backfilled, NULL},
    {"S20c", "what is too big is no event", NEEDS_CHANGES, what_is_too_big_is_no_event, NULL},
    {"S47b", "each touch is an event, with the new expiry", NEEDS_CHANGES, each_touch_is_an_event, NULL},
    {"S89c", "writes of xattrs are events, of the document or of the tombstone", NEEDS_CHANGES,
     writes_of_xattrs_are_events, NULL},
    {"S102b", "a purge is no event", NEEDS_CHANGES | NEEDS_KEEP_CAS, a_purge_is_no_event, NULL},
    {"S120b", "records under a CAS of another store are events, deletions among them",
     NEEDS_CHANGES | NEEDS_KEEP_CAS | NEEDS_SINGLE, records_of_another_store_are_events, NULL},
    {"S16", "the event of an append carries the whole body", NEEDS_CHANGES, append_carries_the_whole_body, NULL},
    {"S109", "a backfill tells each document once, in order of CAS", NEEDS_CHANGES, backfill_of_three, NULL},
    {"S109b", "a feed of nothing ends, or waits", NEEDS_CHANGES, nothing_there, NULL},
    {"S109c", "a backfill of many pages, changed and deleted documents among them", NEEDS_CHANGES | RUNS_ONCE,
     many_exactly_once, NULL},
    {"S109d", "Segue's own records are no events", NEEDS_CHANGES, own_records_are_no_events, NULL},
    {"S110", "live events come in order, deletions among them", NEEDS_CHANGES, live_in_order, NULL},
    {"S111", "a feed goes on from each of its cursors", NEEDS_CHANGES, resume_at_every_place, NULL},
    {"S111b", "one cursor serves several collections", NEEDS_CHANGES, two_collections_one_cursor, NULL},
    {"S111c", "malformed cursors and options are refused", NEEDS_CHANGES, wrong_arguments, NULL},
    {"S112", "each feed has the content that it asked for", NEEDS_CHANGES, contents, NULL},
    {"S113", "events say whether a body is JSON, by every raw write", NEEDS_CHANGES, is_json_is_told, NULL},
    {"S115", "a slow consumer sees the last state of each document", NEEDS_CHANGES, a_slow_consumer_sees_the_last,
     NULL},
    {"S116", "events carry the expiry, and what has expired is a deletion", NEEDS_CHANGES, expiry_is_told, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
