/* Feeds over mem: how they wait, what a failure leaves behind, several stores, memory. The world's clocks are the test's own,
 * so nothing here takes as long as it says. What every store's feed must tell is in tests/conformance/cases_feed.c. */
#include "world.h"

#include <segue/feed.h>

#include "store/cursor.h"
#include "support/memory.h"

static segue_status set_in(world *w, segue_store *store, const char *key, const char *body)
{
    return segue_set(store, K(key), K(body), segue_expiry_none(), NULL, NULL, &w->err);
}

static segue_feed *open_feed(world *w, segue_store *store, const segue_feed_options *o)
{
    segue_feed *feed = NULL;
    MUST(segue_feed_open(&store, 1, o, &feed, &w->err));
    return feed;
}

static void next_is(world *w, segue_feed *feed, const char *key)
{
    segue_feed_event e = {0};
    MUST(segue_feed_next(feed, -1, &e, &w->err));
    if (!segue_slice_equal(e.rec.key, K(key)))
        fail_msg("the event is of %.*s, not of %s", (int)e.rec.key.size, e.rec.key.data, key);
}

#define NEXT(status, timeout_ns) assert_int_equal(segue_feed_next(feed, timeout_ns, &e, &w->err), SEGUE_##status)

/* ---- waiting ---- */

/* A sleep counts, and moves the clock on without taking time. Before a chosen one something is written. */
typedef struct sleeper {
    world *w;
    unsigned n_sleeps, write_at;
    int64_t longest;
} sleeper;

static int64_t sleeper_mono(void *ctx) { return 1 + ((sleeper *)ctx)->w->skew_ns; }
static int64_t sleeper_wall(void *ctx) { return world_wall_ns(((sleeper *)ctx)->w); }
static void sleeper_random(void *ctx, void *out, size_t size) { world_random(((sleeper *)ctx)->w, out, size); }
static void sleeper_sleep(void *ctx, int64_t ns)
{
    sleeper *s = ctx;
    world *w = s->w;
    if (++s->n_sleeps == s->write_at) MUST(set_in(w, w->p, "news", "1"));
    if (ns > s->longest) s->longest = ns;
    w->skew_ns += ns;
}

static segue_store *open_asleep(world *w, sleeper *s, const char *params)
{
    char url[128];
    segue_env env = {s, sleeper_wall, sleeper_mono, sleeper_sleep, sleeper_random};
    segue_open_options options = {&env, 0};
    segue_store *store = NULL;
    *s = (sleeper){.w = w};
    (void)snprintf(url, sizeof url, "%s%s", segue_store_url(w->p), params); /* fits */
    MUST(segue_open(url, &options, &store, &w->err));
    return store;
}

static void an_idle_feed_polls_less_and_less_often(void **state)
{
    world *w = *state;
    segue_feed_event e;
    sleeper s;
    segue_store *store = open_asleep(w, &s, "");
    segue_feed *feed = open_feed(w, store, NULL);
    int64_t before = w->skew_ns;
    NEXT(TIMEOUT, 60 * INT64_C(1000000000));
    assert_int_equal(w->skew_ns - before, 60 * INT64_C(1000000000)); /* to the nanosecond */
    assert_in_range(s.longest, 50000000, 100000000);                 /* feed_poll_ms is 100 if not given */
    assert_in_range(s.n_sleeps, 600, 3000);
    assert_string_equal(w->err.message, "nothing has changed; call again to wait on");
    segue_feed_close(feed);
    segue_close(store);
}

static void news_end_the_wait(void **state)
{
    world *w = *state;
    sleeper s;
    segue_store *store = open_asleep(w, &s, "?feed_poll_ms=20");
    segue_feed *feed = open_feed(w, store, NULL);
    s.write_at = 40;
    next_is(w, feed, "news");
    assert_int_equal(s.n_sleeps, 40);
    assert_in_range(s.longest, 1, 20000000);
    s.longest = 0;
    s.write_at = 42; /* after news the feed is awake again: it begins with short naps */
    next_is(w, feed, "news");
    assert_in_range(s.longest, 1, 2000000);
    segue_feed_close(feed);
    segue_close(store);
}

/* The store that is looked at most often says how often; or the feed's options do, whatever the stores say. */
static void the_shortest_poll_interval_counts(void **state)
{
    world *w = *state;
    static const struct {
        const char *urls[2];
        int64_t given, most;
    } rows[] = {{{"?feed_poll_ms=20", "?feed_poll_ms=70"}, 0, 20000000},
                {{"?feed_poll_ms=70", "?feed_poll_ms=20"}, 0, 20000000},
                {{"", "?feed_poll_ms=30"}, 0, 30000000},
                {{"?feed_poll_ms=1", "?feed_poll_ms=1"}, 0, 1000000},
                {{"?feed_poll_ms=5", "?feed_poll_ms=70"}, 50000000, 50000000},
                {{"", ""}, 200000, 200000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        segue_feed_event e;
        sleeper s, other;
        segue_store *stores[] = {open_asleep(w, &s, rows[i].urls[0]), open_asleep(w, &other, rows[i].urls[1])};
        segue_feed_options o = {.poll_ns = rows[i].given};
        segue_feed *feed = NULL;
        MUST(segue_feed_open(stores, 2, &o, &feed, &w->err));
        NEXT(TIMEOUT, rows[i].most * 300);
        assert_in_range(s.longest, rows[i].most / 2, rows[i].most);
        segue_feed_close(feed);
        segue_close(stores[0]);
        segue_close(stores[1]);
    }
}

static void after_an_event_a_feed_falls_asleep_again(void **state)
{
    world *w = *state;
    segue_feed_event e;
    sleeper s;
    segue_store *store = open_asleep(w, &s, "?feed_poll_ms=20");
    segue_feed *feed = open_feed(w, store, NULL);
    put_doc(w, w->p, "a", "1");
    next_is(w, feed, "a");
    NEXT(TIMEOUT, INT64_C(6000000000));
    assert_in_range(s.longest, 10000000, 20000000);
    segue_feed_close(feed);
    segue_close(store);
}

/* TIMEOUT says that no store had anything, since the last event. */
static void no_store_is_left_out_of_a_look(void **state)
{
    world *w = *state;
    segue_store *stores[] = {w->p, w->f};
    segue_feed_event e;
    for (size_t n = 1; n <= 2; n++) {
        segue_feed *feed = NULL;
        MUST(segue_feed_open(stores, n, NULL, &feed, &w->err));
        for (int i = 0; i < 6; i++) {
            MUST(set_in(w, stores[n - 1], "a", "1"));
            NEXT(OK, 0);
            if (i >= 4) NEXT(TIMEOUT, 0);
        }
        segue_feed_close(feed);
    }
}

static void who_does_not_wait_does_not_sleep(void **state)
{
    world *w = *state;
    segue_feed_event e;
    sleeper s;
    segue_store *store = open_asleep(w, &s, "");
    segue_feed *feed = open_feed(w, store, NULL);
    for (int i = 0; i < 5; i++) NEXT(TIMEOUT, 0);
    assert_int_equal(s.n_sleeps, 0);
    segue_feed_close(feed);
    segue_close(store);
}

static void the_poll_interval_is_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {"mem:?feed_poll_ms=0", "mem:?feed_poll_ms=3600001",
                                        "mem:?feed_poll_ms=", "mem:?feed_poll_ms=-1", "stats+mem:?feed_poll_ms=1s"};
    segue_error err = {0};
    segue_store *store = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (segue_open(wrong[i], NULL, &store, &err) != SEGUE_INVALID_URL) fail_msg("%s was taken", wrong[i]);
        assert_non_null(strstr(err.message, "feed_poll_ms is 1 to 3600000 milliseconds"));
    }
    assert_int_equal(segue_open("mem:?feed_poll_ms=1", NULL, &store, &err), SEGUE_OK);
    segue_close(store);
    assert_int_equal(segue_open("stats+mem:?feed_poll_ms=3600000", NULL, &store, &err), SEGUE_OK);
    segue_close(store);
}

/* ---- failures ---- */

/* Each page read fails once, for every one: an error, then on where it was; nothing is lost or comes twice. */
static void an_error_is_never_an_end(void **state)
{
    world *w = *state;
    enum { MANY = 600 };
    char key[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "k%03d", i); /* fits */
        MUST(set_in(w, w->p, key, "1"));
    }
    for (unsigned nth = 1;; nth++) {
        segue_feed_options o = {.flags = SEGUE_FEED_STOP_AT_END};
        segue_feed *feed = open_feed(w, w->fault_p, &o);
        segue_feed_event e;
        segue_status st;
        int n = 0, failures = 0;
        world_fail(w, PRIMARY, SEG_OP_CHANGES, nth, false, nth % 2, SEGUE_IO_ERROR);
        while ((st = segue_feed_next(feed, -1, &e, &w->err)) != SEGUE_END) {
            (void)snprintf(key, sizeof key, "k%03d", n); /* fits */
            if (st == SEGUE_OK && !segue_slice_equal(e.rec.key, K(key))) fail_msg("not %s", key);
            if (st == SEGUE_OK) n++;
            else failures++;
            assert_true(st == SEGUE_OK || st == SEGUE_IO_ERROR);
        }
        bool fired = seg_fault_fired(w->fault_p);
        segue_feed_close(feed);
        assert_int_equal(n, MANY);
        assert_int_equal(failures, fired);
        if (!fired) break;
        assert_in_range(nth, 1, 3);
    }
}

static void one_failing_store_does_not_stop_the_others(void **state)
{
    world *w = *state;
    segue_store *stores[] = {w->fault_p, w->fault_f};
    segue_feed *feed = NULL;
    segue_feed_event e;
    MUST(set_in(w, w->p, "a", "1"));
    MUST(set_in(w, w->f, "b", "1"));
    MUST(segue_feed_open(stores, 2, NULL, &feed, &w->err));
    world_fail(w, PRIMARY, SEG_OP_CHANGES, 1, true, false, SEGUE_UNAVAILABLE);
    unsigned n_b = 0;
    for (int i = 0; i < 3; i++) {
        segue_status st = segue_feed_next(feed, 0, &e, &w->err);
        assert_true(st == SEGUE_OK || st == SEGUE_UNAVAILABLE);
        n_b += st == SEGUE_OK && segue_slice_equal(e.rec.key, K("b"));
    }
    assert_int_equal(n_b, 1);
    world_heal(w);
    next_is(w, feed, "a");
    segue_feed_close(feed);
}

static void a_store_without_changes_says_so(void **state)
{
    (void)state;
    segue_error err = {0};
    segue_feed *feed = NULL;
    segue_store *store = NULL;
    assert_int_equal(segue_open("trace+mem:?caps=-changes", NULL, &store, &err), SEGUE_OK);
    assert_int_equal(segue_feed_open(&store, 1, NULL, &feed, &err), SEGUE_UNSUPPORTED);
    assert_string_equal(err.message, "mem:?caps=-changes cannot tell its changes, so there is no feed of it");
    assert_null(feed);
    segue_close(store);
}

/* ---- several stores ---- */

static void no_store_starves_another(void **state)
{
    world *w = *state;
    enum { MANY = 900, PAGE = 256 };
    char key[16];
    segue_store *stores[] = {w->p, w->f};
    segue_feed *feed = NULL;
    segue_feed_event e;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "k%03d", i); /* fits */
        MUST(set_in(w, w->p, key, "1"));
    }
    MUST(set_in(w, w->f, "lonely", "1"));
    MUST(segue_feed_open(stores, 2, NULL, &feed, &w->err));
    int at = 0;
    do {
        MUST(segue_feed_next(feed, -1, &e, &w->err));
        at++;
    } while (e.store == 0);
    assert_in_range(at, 1, PAGE + 1);
    while (--at >= 0) NEXT(OK, 0);
    segue_feed_close(feed);
}

static void no_store_starves_two_others(void **state)
{
    world *w = *state;
    enum { MANY = 900, PAGE = 256 };
    char key[16];
    segue_store *stores[] = {w->p, w->f, w->f};
    segue_feed *feed = NULL;
    segue_feed_event e;
    bool told[3] = {false};
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "k%03d", i); /* fits */
        MUST(set_in(w, w->p, key, "1"));
    }
    MUST(set_in(w, w->f, "lonely", "1"));
    MUST(segue_feed_open(stores, 3, NULL, &feed, &w->err));
    for (int i = 0; i < PAGE + 2; i++) {
        NEXT(OK, 0);
        told[e.store] = true;
    }
    assert_true(told[0] && told[1] && told[2]);
    segue_feed_close(feed);
}

static void a_feed_keeps_its_store_open(void **state)
{
    (void)state;
    segue_error err = {0};
    segue_store *store = NULL;
    segue_feed *feed = NULL;
    segue_feed_event e;
    assert_int_equal(segue_open("mem:", NULL, &store, &err), SEGUE_OK);
    assert_int_equal(segue_add(store, K("a"), K("1"), segue_expiry_none(), NULL, NULL, &err), SEGUE_OK);
    assert_int_equal(segue_feed_open(&store, 1, NULL, &feed, &err), SEGUE_OK);
    segue_close(store);
    assert_int_equal(segue_feed_next(feed, 0, &e, &err), SEGUE_OK);
    assert_int_equal(segue_feed_next(feed, 0, &e, &err), SEGUE_TIMEOUT);
    segue_feed_close(feed);
}

/* ---- the order of CAS under changes of every kind ---- */

static void the_last_state_of_each_is_in_the_order(void **state)
{
    world *w = *state;
    segue_feed_options o = {.flags = SEGUE_FEED_STOP_AT_END};
    segue_feed *feed = open_feed(w, w->p, &o);
    segue_feed_event e;
    segue_record same = {.key = K("kept"), .body = K("1"), .cas = 77, .revision = 1};
    NEXT(END, 0); /* from here on the order is kept */
    segue_feed_close(feed);
    MUST(set_in(w, w->p, "a", "1"));
    MUST(set_in(w, w->p, "b", "1"));
    MUST(set_in(w, w->p, "a", "2"));
    MUST(segue_put_record(w->p, &same, 0, NULL, NULL, &w->err));
    MUST(segue_put_record(w->p, &same, SEGUE_PUT_REPLACE, NULL, NULL, &w->err)); /* in place of itself */
    MUST(set_in(w, w->p, "gone", "1"));
    MUST(segue_delete(w->p, K("gone"), NULL, &w->err));
    MUST(set_in(w, w->p, "purged", "1"));
    MUST(segue_get(w->p, K("purged"), NULL, &w->doc, &w->err));
    segue_call call = seg_call_new(w->p, 0, &w->err);
    MUST(seg_call_erase(w->p, K("purged"), w->doc.rec.cas, &call));
    feed = open_feed(w, w->p, &o);
    next_is(w, feed, "kept");
    next_is(w, feed, "b");
    next_is(w, feed, "a");
    next_is(w, feed, "gone");
    NEXT(END, 0);
    segue_feed_close(feed);
}

/* ---- since ---- */

static void since_leaves_out_what_is_older(void **state)
{
    world *w = *state;
    segue_feed_event e;
    uint64_t a = put_doc(w, w->p, "a", "1"), marked = a | UINT64_C(1) << 63;
    uint64_t far = UINT64_MAX - 1;
    put_doc(w, w->p, "b", "1");
    segue_feed_options o = {.since = &a, .flags = SEGUE_FEED_STOP_AT_END};
    segue_feed *feed = open_feed(w, w->p, &o);
    next_is(w, feed, "b");
    NEXT(END, 0);
    segue_feed_close(feed);
    o.since = &marked; /* as a dual store may give it out */
    feed = open_feed(w, w->p, &o);
    next_is(w, feed, "b");
    segue_feed_close(feed);
    o.since = &far;
    feed = open_feed(w, w->p, &o);
    NEXT(END, 0);
    segue_feed_close(feed);
}

/* ---- cursors ---- */

static void a_cursor_is_read_as_it_was_written(void **state)
{
    (void)state;
    SEG_AUTO(segue_buf) text = {0};
    seg_position at[2] = {{0}}, back[2];
    char key[SEGUE_KEY_MAX];
    memset(key, 0xA7, sizeof key);
    seg_position_set(&at[0], INT64_MAX, segue_bytes(key, sizeof key));
    assert_int_equal(seg_cursor_write(at, 2, sizeof at[0], &text), SEGUE_OK);
    assert_int_equal(seg_cursor_read(segue_buf_slice(&text), back, 2, sizeof back[0], NULL), SEGUE_OK);
    assert_true(back[0].cas == INT64_MAX && back[1].cas == 0);
    assert_true(segue_slice_equal(seg_position_key(&back[0]), segue_bytes(key, sizeof key)));
    assert_null(seg_position_key(&back[1]).data);
    for (size_t i = 0; i < text.size; i++) { /* no byte of it can be changed or missing */
        text.data[i] ^= 1;
        if (seg_cursor_read(segue_buf_slice(&text), back, 2, sizeof back[0], NULL) == SEGUE_OK)
            fail_msg("byte %zu may be changed", i);
        text.data[i] ^= 1;
        if (seg_cursor_read(segue_bytes(text.data, i), back, 2, sizeof back[0], NULL) == SEGUE_OK)
            fail_msg("it may end after %zu bytes", i);
    }
}

/* The check is right, what it checks is not. */
static void what_is_no_cursor_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } wrong[] = {{"f1", "not one of a feed of 1 store"},
                 {"f1.", "byte 3 "},
                 {"f1.1.2", "not one of a feed of 1 store"},
                 {"f1.01", "byte 3 "},
                 {"f1.8000000000000000", "byte 19 "},
                 {"f1.A", "byte 3 "},
                 {"f1.1-", "byte 5 "},
                 {"f1.1-0", "byte 5 "},
                 {"f1.1-0g", "byte 5 "},
                 {"f1.1-00-", "byte 7 "},
                 {"f1.1x", "byte 4 "},
                 {"f1..1", "byte 3 "},
                 {"f1.10000000000000000", "byte 19 "}};
    SEG_AUTO(segue_buf) text = {0};
    seg_position at;
    segue_error err = {0};
    char crc[10];
    for (size_t i = 0; i <= sizeof wrong / sizeof wrong[0]; i++) {
        bool too_long = i == sizeof wrong / sizeof wrong[0];
        segue_buf_clear(&text);
        assert_int_equal(
            segue_buf_append(&text, too_long ? "f1.1-" : wrong[i].text, strlen(too_long ? "f1.1-" : wrong[i].text)),
            SEGUE_OK);
        for (int k = 0; too_long && k <= SEGUE_KEY_MAX; k++)
            assert_int_equal(segue_buf_append(&text, "61", 2), SEGUE_OK);
        (void)snprintf(crc, sizeof crc, ".%08x", seg_crc32c(segue_buf_slice(&text))); /* fits */
        assert_int_equal(segue_buf_append(&text, crc, 9), SEGUE_OK);
        if (seg_cursor_read(segue_buf_slice(&text), &at, 1, sizeof at, &err) != SEGUE_INVALID_CURSOR)
            fail_msg("%.*s was taken", (int)text.size, text.data);
        if (!strstr(err.message, too_long ? "byte 5 " : wrong[i].said))
            fail_msg("%.*s: \"%s\" does not say where", (int)text.size, text.data, err.message);
    }
}

/* ---- memory ---- */

static segue_status read_a_feed(void *ctx)
{
    (void)ctx;
    segue_store *store = NULL;
    segue_feed *feed = NULL;
    segue_buf cursor = {0};
    segue_feed_event e;
    segue_feed_options o = {.flags = SEGUE_FEED_STOP_AT_END};
    segue_status st = segue_open("mem:", NULL, &store, NULL);
    if (st == SEGUE_OK) st = segue_add(store, K("a"), K("1"), segue_expiry_none(), NULL, NULL, NULL);
    if (st == SEGUE_OK) st = segue_add(store, K("b"), K("1"), segue_expiry_none(), NULL, NULL, NULL);
    if (st == SEGUE_OK) st = segue_feed_open(&store, 1, &o, &feed, NULL);
    if (st == SEGUE_OK) st = segue_feed_next(feed, 0, &e, NULL);
    if (st == SEGUE_OK) st = segue_set(store, K("a"), K("2"), segue_expiry_none(), NULL, NULL, NULL);
    if (st == SEGUE_OK) st = segue_feed_next(feed, 0, &e, NULL);
    if (st == SEGUE_OK) st = segue_feed_cursor(feed, &cursor);
    if (st == SEGUE_OK && !segue_slice_equal(e.rec.key, K("b"))) st = SEGUE_CORRUPT;
    segue_feed_close(feed);
    segue_close(store);
    segue_buf_free(&cursor);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    test_fail_every_allocation(read_a_feed, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(an_idle_feed_polls_less_and_less_often),
        WORLD_TEST(news_end_the_wait),
        WORLD_TEST(the_shortest_poll_interval_counts),
        WORLD_TEST(after_an_event_a_feed_falls_asleep_again),
        WORLD_TEST(no_store_is_left_out_of_a_look),
        WORLD_TEST(who_does_not_wait_does_not_sleep),
        cmocka_unit_test(the_poll_interval_is_checked),
        WORLD_TEST(an_error_is_never_an_end),
        WORLD_TEST(one_failing_store_does_not_stop_the_others),
        cmocka_unit_test(a_store_without_changes_says_so),
        WORLD_TEST(no_store_starves_another),
        WORLD_TEST(no_store_starves_two_others),
        cmocka_unit_test(a_feed_keeps_its_store_open),
        WORLD_TEST(the_last_state_of_each_is_in_the_order),
        WORLD_TEST(since_leaves_out_what_is_older),
        cmocka_unit_test(a_cursor_is_read_as_it_was_written),
        cmocka_unit_test(what_is_no_cursor_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
