/* How a feed goes through an engine's pages: where it stands after each event, what it asks next; and its cursors as texts.
 * What a feed must tell is in tests/conformance/cases_feed.c, how it waits in test_feed.c. */
#include "say.h"

#include <segue/feed.h>
#include <segue/ops.h>

#include "store/cursor.h"
#include "support/memory.h"

#define K(text) segue_str(text)

static segue_feed *open_feed(segue_store *s, const segue_feed_options *o)
{
    segue_feed *feed = NULL;
    status_is("open", segue_feed_open(&s, 1, o, &feed, &err), SEGUE_OK);
    return feed;
}

/* "10" or "10 a". */
static const char *show_position(const seg_position *at)
{
    static char text[64];
    (void)snprintf(text, sizeof text, "%llu%s%.*s", (unsigned long long)at->cas, at->key_size ? " " : "",
                   (int)at->key_size, at->key); /* fits: short keys */
    return text;
}

static const char *stands_at(const segue_feed *feed)
{
    seg_position at;
    SEG_AUTO(segue_buf) cursor = {0};
    status_is("write", segue_feed_cursor(feed, &cursor), SEGUE_OK);
    status_is("read", seg_cursor_read(segue_buf_slice(&cursor), &at, 1, sizeof at, &err), SEGUE_OK);
    return show_position(&at);
}

/* ---- pages ---- */

/* Of a page: where the feed stands after each of its records. With a key: of that CAS there may be more to come. */
static void a_feed_stands_right_after_the_last_event(void **state)
{
    (void)state;
    static const struct {
        const char *page;
        bool more;
        uint64_t through;
        const char *after[4]; /* NULL: there is no such event */
        const char *next;     /* is asked for after this */
    } rows[] = {
        {"a10", false, 0, {"10"}, "10"},
        {"a10", true, 0, {"10 a"}, "10 a"},
        {"a10 b11", false, 0, {"10", "11"}, "11"},
        {"a10 b10 c10 a20", false, 0, {"10 a", "10 b", "10", "20"}, "20"},
        {"a10 b10", true, 0, {"10 a", "10 b"}, "10 b"},
        {"a10 b20", false, 50, {"10", "50"}, "50"}, /* all up to there was read */
        {"a10 b20", false, 15, {"10", "20"}, "20"},
        {"a10 b20", true, 50, {"10", "20 b"}, "20 b"}, /* `through` is of a last page only */
        {"", false, 50, {NULL}, "50"},
        {"", false, 0, {NULL}, "0"},
        {"-a10 b20", false, 0, {"10", "20"}, "20"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        segue_feed_event event;
        forget();
        segue_feed *feed = open_feed(store, NULL);
        engine.page = rows[i].page;
        engine.more = rows[i].more;
        engine.through = rows[i].through;
        text_is(rows[i].page, "the place before", stands_at(feed), "0");
        for (int n = 0; n < 4 && rows[i].after[n]; n++) {
            status_is(rows[i].page, segue_feed_next(feed, 0, &event, &err), SEGUE_OK);
            text_is(rows[i].page, "the place", stands_at(feed), rows[i].after[n]);
        }
        text_is(rows[i].page, "what was asked", engine.log, rows[i].after[0] ? "changes changes" : "changes");
        engine.page = NULL;
        engine.more = false;
        if (rows[i].after[0]) engine.through = 0;
        status_is(rows[i].page, segue_feed_next(feed, 0, &event, &err), SEGUE_TIMEOUT);
        status_is(rows[i].page, segue_feed_next(feed, 0, &event, &err), SEGUE_TIMEOUT);
        text_is(rows[i].page, "what is asked for next", show_position(&engine.since), rows[i].next);
        segue_feed_close(feed);
    }
}

/* `through` moves a feed on, never back. */
static void an_empty_page_never_takes_a_feed_back(void **state)
{
    (void)state;
    segue_feed_event event;
    uint64_t since = 70;
    segue_feed_options o = {.since = &since};
    segue_feed *feed = open_feed(store, &o);
    engine.through = 50;
    status_is("nothing", segue_feed_next(feed, 0, &event, &err), SEGUE_TIMEOUT);
    text_is("nothing", "the place", stands_at(feed), "70");
    segue_feed_close(feed);
}

static void a_look_asks_each_store_once(void **state)
{
    (void)state;
    segue_store *const stores[] = {store, store, store};
    for (size_t n = 1; n <= 3; n++) {
        segue_feed *feed = NULL;
        segue_feed_event event;
        status_is("open", segue_feed_open(stores, n, NULL, &feed, &err), SEGUE_OK);
        for (int look = 0; look < 3; look++) {
            engine.log[0] = 0;
            status_is("nothing", segue_feed_next(feed, 0, &event, &err), SEGUE_TIMEOUT);
            text_is("nothing", "what was asked", engine.log, &"changes changes changes"[8 * (3 - n)]);
        }
        segue_feed_close(feed);
    }
}

/* Opening asks for what cannot be there. If an engine has it, nothing is skipped for it. */
static void opening_a_feed_reads_no_event(void **state)
{
    (void)state;
    segue_feed_event event;
    engine.page = "z9223372036854775807";
    segue_feed *feed = open_feed(store, NULL);
    text_is("open", "what was asked", engine.log, "changes");
    assert_true(engine.keys_only);
    engine.page = "a10 z9223372036854775807";
    status_is("the first", segue_feed_next(feed, 0, &event, &err), SEGUE_OK);
    if (!segue_slice_equal(event.rec.key, K("a")))
        fail_msg("the first is %.*s", (int)event.rec.key.size, event.rec.key.data);
    assert_false(engine.keys_only);
    segue_feed_close(feed);
}

static void a_feed_leaves_out_what_it_is_told_to(void **state)
{
    (void)state;
    static const struct {
        unsigned flags;
        bool body, xattrs;
    } rows[] = {{0, true, true},
                {SEGUE_FEED_NO_BODIES, false, true},
                {SEGUE_FEED_NO_XATTRS, true, false},
                {SEGUE_FEED_KEYS_ONLY, false, false}};
    segue_store *mem = open_store("mem:");
    segue_xattr x = {K("_s"), K("1")};
    segue_mutation live = {.body_op = SEGUE_BODY_SET, .body = K("{}"), .set_xattrs = &x, .n_set_xattrs = 1};
    status_is("k", segue_mutate(mem, K("k"), &live, NULL, NULL, NULL, &err), SEGUE_OK);
    status_is("dead", segue_mutate(mem, K("dead"), &live, NULL, NULL, NULL, &err), SEGUE_OK);
    status_is("dead", segue_delete(mem, K("dead"), NULL, &err), SEGUE_OK);
    for (size_t i = 0; i < N(rows); i++) {
        segue_feed_event event;
        segue_feed_options o = {.flags = rows[i].flags};
        segue_feed *feed = open_feed(mem, &o);
        status_is("k", segue_feed_next(feed, 0, &event, &err), SEGUE_OK);
        assert_true(segue_slice_equal(event.rec.key, K("k")) && !event.rec.is_tombstone && event.rec.body.data);
        assert_int_equal(event.rec.body.size, rows[i].body ? 2 : 0);
        assert_int_equal(event.rec.n_xattrs, rows[i].xattrs);
        status_is("dead", segue_feed_next(feed, 0, &event, &err), SEGUE_OK);
        assert_true(event.rec.is_tombstone && !event.rec.body.data);
        assert_int_equal(event.rec.n_xattrs, rows[i].xattrs);
        segue_feed_close(feed);
        feed = open_feed(store, &o);
        status_is("none", segue_feed_next(feed, 0, &event, &err), SEGUE_TIMEOUT);
        assert_int_equal(engine.keys_only, rows[i].flags == SEGUE_FEED_KEYS_ONLY);
        segue_feed_close(feed);
    }
    segue_close(mem);
}

static void what_no_feed_can_be_of_is_refused(void **state)
{
    (void)state;
    segue_store *many[SEGUE_FEED_STORES_MAX + 1];
    segue_feed *feed = NULL;
    for (size_t i = 0; i < N(many); i++) many[i] = store;
    static const struct {
        size_t n, missing;
        segue_feed_options o;
        const char *says; /* NULL: it is taken */
    } rows[] = {{1, 1, {0}, NULL},
                {SEGUE_FEED_STORES_MAX, SEGUE_FEED_STORES_MAX, {0}, NULL},
                {1, 1, {.poll_ns = 1, .flags = SEGUE_FEED_KEYS_ONLY | SEGUE_FEED_STOP_AT_END}, NULL},
                {0, 1, {0}, "a feed is of 1 to 256 stores, not of 0"},
                {SEGUE_FEED_STORES_MAX + 1, 0, {0}, "a feed is of 1 to 256 stores, not of 257"},
                {1, 0, {0}, "store 0 of the feed is missing"},
                {3, 2, {0}, "store 2 of the feed is missing"},
                {1, 1, {.poll_ns = -1}, "a feed cannot look again after less than 0 ns"},
                {1, 1, {.flags = 8}, "a feed has no options 0x8"},
                {1, 1, {.flags = 0xff}, "a feed has no options 0xf8"}};
    for (size_t i = 0; i < N(rows); i++) {
        many[rows[i].missing] = NULL;
        segue_status st = segue_feed_open(many, rows[i].n, &rows[i].o, &feed, &err);
        many[rows[i].missing] = store;
        status_is(rows[i].says ? rows[i].says : "taken", st, rows[i].says ? SEGUE_INVALID_ARGUMENT : SEGUE_OK);
        if (rows[i].says) text_is("refused", "the sentence", err.message, rows[i].says);
        if (!rows[i].says) segue_feed_close(feed);
    }
    status_is("no stores", segue_feed_open(NULL, 1, NULL, &feed, &err), SEGUE_INVALID_ARGUMENT);
    segue_feed_close(NULL);
}

/* ---- cursors as texts ---- */

static void a_cursor_is_put_after_what_is_there(void **state)
{
    (void)state;
    SEG_AUTO(segue_buf) out = {0};
    seg_position at = {.cas = 0x1f}, back;
    assert_int_equal(segue_buf_append(&out, "at ", 3), SEGUE_OK);
    assert_int_equal(seg_cursor_write(&at, 1, sizeof at, &out), SEGUE_OK);
    segue_slice text = segue_bytes(out.data + 3, out.size - 3);
    if (memcmp(out.data, "at f1.1f.", 9) != 0) fail_msg("\"%.*s\"", (int)out.size, out.data);
    status_is("read", seg_cursor_read(text, &back, 1, sizeof back, &err), SEGUE_OK);
    assert_int_equal(back.cas, 0x1f);
    segue_feed *feed = open_feed(store, NULL); /* but a feed's replaces it */
    status_is("feed", segue_feed_cursor(feed, &out), SEGUE_OK);
    assert_memory_equal(out.data, "f1.0.", 5);
    assert_int_equal(out.size, 13);
    segue_feed_close(feed);
}

/* With two places, or one. The check is that of what is before it, unless another one stands here. */
static void what_is_wrong_with_a_cursor_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *check;
        size_t n;
        const char *says; /* the end of it */
    } rows[] = {
        {"f1.1.2", NULL, 1, "is not one of a feed of 1 store"},
        {"f1.1", NULL, 2, "is not one of a feed of 2 stores"},
        {"f1.1.2.3", NULL, 2, "is not one of a feed of 2 stores"},
        {"f1.1x2", NULL, 2, "what stands at byte 4 is no place in a store"},
        {"f1.1-61x2", NULL, 2, "what stands at byte 7 is no place in a store"},
        {"f1.1.x", NULL, 2, "what stands at byte 5 is no place in a store"},
        {"f1.1", "012345678", 1, "the check at byte 4 is not that of what is before it"},
        {"f1.1-6", "112345678", 1, "what stands at byte 5 is no place in a store"},
        {"f1.1-61", "112345678", 1, "the check at byte 7 is not that of what is before it"},
        {"f1.1", ".00000000", 1, "the check at byte 4 is not that of what is before it"},
        {"f2.1", NULL, 1, "it does not begin with \"f1.\""},
        {"", NULL, 1, "it does not begin with \"f1.\""},
    };
    for (size_t i = 0; i < N(rows); i++) {
        char text[64];
        seg_position at[3] = {{0}, {0}, {0}};
        (void)snprintf(text, sizeof text, "%s.%08x", rows[i].text, seg_crc32c(K(rows[i].text))); /* fits, and below */
        if (rows[i].check) (void)snprintf(text, sizeof text, "%s%s", rows[i].text, rows[i].check);
        at[rows[i].n].cas = 77; /* is none of theirs */
        status_is(text, seg_cursor_read(K(text), at, rows[i].n, sizeof at[0], &err), SEGUE_INVALID_CURSOR);
        size_t n = strlen(err.message), m = strlen(rows[i].says);
        if (n < m || strcmp(err.message + n - m, rows[i].says) != 0) fail_msg("%s: %s", text, err.message);
        assert_int_equal(at[rows[i].n].cas, 77);
    }
    for (size_t n = 3; n < 11; n++) { /* too short for a place and a check */
        char says[64];
        (void)snprintf(says, sizeof says, "it ends at byte %zu", n); /* fits */
        status_is(says, seg_cursor_read(segue_bytes("f1.1.12345678", n), &(seg_position){0}, 1, 1, &err),
                  SEGUE_INVALID_CURSOR);
        if (!strstr(err.message, says)) fail_msg("%s: %s", says, err.message);
    }
}

/* Two places, the second with a key of ctx bytes. */
static segue_status write_cursor(void *ctx)
{
    static seg_position at[2], back[2];
    char key[SEGUE_KEY_MAX];
    segue_buf out = {0};
    memset(key, 'k', sizeof key);
    seg_position_set(&at[1], 1, segue_bytes(key, *(size_t *)ctx));
    segue_status st = seg_cursor_write(at, 2, sizeof at[0], &out);
    if (st == SEGUE_OK) st = seg_cursor_read(segue_buf_slice(&out), back, 2, sizeof back[0], NULL);
    segue_buf_free(&out);
    return st;
}

/* Whichever part of it there is no memory for: it is said, and no cut one is given. */
static void a_cursor_needs_memory(void **state)
{
    (void)state;
    for (size_t n = 0; n <= SEGUE_KEY_MAX; n++) test_fail_every_allocation(write_cursor, &n);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_feed_stands_right_after_the_last_event),
        TEST(an_empty_page_never_takes_a_feed_back),
        TEST(a_look_asks_each_store_once),
        TEST(opening_a_feed_reads_no_event),
        TEST(a_feed_leaves_out_what_it_is_told_to),
        TEST(what_no_feed_can_be_of_is_refused),
        TEST(a_cursor_is_put_after_what_is_there),
        TEST(what_is_wrong_with_a_cursor_is_said),
        cmocka_unit_test(a_cursor_needs_memory),
    };
    return cmocka_run_group_tests(tests, install, NULL);
}
