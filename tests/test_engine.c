/* Engines from outside: which tables are taken, what they are opened with, and that whatever is asked of them is asked between
 * `begin` and `end`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/mem/mem.h"
#include "base/base.h"
#include "base/url.h"
#include "store/filters.h"
#include "store/reaper.h"
#include "store/registry.h"
#include <segue/feed.h>
#include <segue/ops.h>

#define K(text) segue_str(text)
#define N(array) (sizeof(array) / sizeof *(array))

static segue_error err;

static segue_store *open_store(const char *url)
{
    segue_store *opened = NULL;
    if (segue_open(url, NULL, &opened, &err) != SEGUE_OK) fail_msg("%s: %s", url, err.message);
    return opened;
}

static void status_is(const char *what, segue_status got, segue_status want)
{
    if (got != want)
        fail_msg("%s: %s (%s), not %s", what, segue_status_name(got), err.message, segue_status_name(want));
}

static void text_is(const char *what, const char *got, const char *want)
{
    if (strcmp(got, want) != 0) fail_msg("%s: \"%s\", not \"%s\"", what, got, want);
}

/* ---- begin and end ---- */

static struct {
    char log[256];
    segue_status refuses; /* what `begin` answers */
    segue_status fails;   /* what the slots answer, if not OK */
    bool mute;            /* without saying why */
    unsigned flags;       /* what it was last opened with */
} door;

static void note(const char *what)
{
    size_t n = strlen(door.log);
    (void)snprintf(door.log + n, sizeof door.log - n, "%s%s", n ? " " : "", what); /* too long: equals nothing */
}

static segue_status answer(const char *what, segue_call *call)
{
    note(what);
    return door.fails && !door.mute ? segue_fail(call, door.fails, "the %s fails", what) : door.fails;
}

static segue_status door_open(void *self, const segue_open_args *args, segue_call *call)
{
    door.flags = args->flags;
    if (door.mute) return door.fails;
    return seg_backend_mem.open(self, args, call);
}

static segue_status door_begin(void *self, bool write, segue_call *call)
{
    (void)self;
    note(write ? "write" : "read");
    if (call->deadline_ns) note("in time"); /* which nobody has asked for */
    return door.refuses ? segue_fail(call, door.refuses, "the door is shut") : SEGUE_OK;
}

static void door_end(void *self, segue_call *call)
{
    (void)self, (void)call;
    note("end");
}

static segue_status door_get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    segue_status st = answer("get", call);
    return st == SEGUE_OK ? seg_backend_mem.get(self, key, doc, call) : st;
}

static segue_status door_put(void *self, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    segue_status st = answer("put", call);
    return st == SEGUE_OK ? seg_backend_mem.put(self, put, ret_cas, call) : st;
}

static segue_status door_scan(void *self, const segue_bounds *bounds, segue_page *page, segue_call *call)
{
    segue_status st = answer("scan", call);
    return st == SEGUE_OK ? seg_backend_mem.scan(self, bounds, page, call) : st;
}

static segue_status door_changes(void *self, const segue_since *since, segue_page *page, segue_call *call)
{
    segue_status st = answer("changes", call);
    return st == SEGUE_OK ? seg_backend_mem.changes(self, since, page, call) : st;
}

static segue_status door_highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    segue_status st = answer(at_least ? "higher" : "highest", call);
    return st == SEGUE_OK ? seg_backend_mem.highest(self, at_least, ret_cas, call) : st;
}

enum { GET, GET_RECORD, PUT_RECORD, PUT_WITH_META, SCAN, FEED_NOW, FEED_ALL, N_VERBS };
static const struct {
    const char *name, *asks;
} verbs[N_VERBS] = {{"segue_get", "read get end"},
                    {"segue_get_record", "read get end"},
                    {"segue_put_record", "write put end"},
                    {"segue_put_with_meta", "write get put end"},
                    {"segue_scan_next", "read scan end"},
                    {"segue_feed_open for now", "read changes highest end"},
                    {"segue_feed_next", "read changes end read changes end"}};

/* Over the document k of CAS 5; what fails does so, and a feed that has failed is where it was. */
static segue_status ask(segue_store *s, int verb)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_record rec = {.key = K("k"), .body = K("2"), .cas = 5}, *const r = &rec;
    const segue_record *seen = NULL;
    segue_scan *scan = NULL;
    segue_feed *feed = NULL;
    segue_feed_event event;
    uint64_t from_now = SEGUE_FEED_NOW;
    segue_feed_options now = {.since = &from_now}, all = {0};
    segue_status st = SEGUE_OK;
    err = (segue_error){0};
    switch (verb) {
    case GET: return segue_get(s, K("k"), NULL, &doc, &err);
    case GET_RECORD: return segue_get_record(s, K("k"), NULL, &doc, &err);
    case PUT_RECORD: return segue_put_record(s, r, SEGUE_PUT_REPLACE, NULL, NULL, &err);
    case PUT_WITH_META: return segue_put_with_meta(s, r, 5, NULL, &err);
    case SCAN:
        st = segue_scan_open(s, NULL, &scan, &err);
        if (st == SEGUE_OK) st = segue_scan_next(scan, &seen, &err);
        if (st == SEGUE_OK && !segue_slice_equal(seen->key, K("k"))) st = SEGUE_CORRUPT;
        segue_scan_close(scan);
        return st;
    case FEED_NOW:
        st = segue_feed_open(&s, 1, &now, &feed, &err);
        segue_feed_close(feed);
        return st;
    default:
        st = segue_feed_open(&s, 1, &all, &feed, &err);
        if (st == SEGUE_OK) st = segue_feed_next(feed, 0, &event, &err);
        if (st == SEGUE_OK && !segue_slice_equal(event.rec.key, K("k"))) st = SEGUE_CORRUPT;
        segue_feed_close(feed);
        return st;
    }
}

static const char *const urls[] = {"door:kept?reap=off", "stats+trace+door:kept?reap=off"};

static segue_store *open_and_fill(const char *url)
{
    segue_store *s = open_store(url);
    segue_record rec = {.key = K("k"), .body = K("1"), .cas = 5};
    memset(&door, 0, sizeof door);
    status_is("the document", segue_put_record(s, &rec, SEGUE_PUT_REPLACE, NULL, NULL, &err), SEGUE_OK);
    door.log[0] = 0;
    return s;
}

static void whatever_is_asked_is_asked_between_begin_and_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(urls); i++)
        for (int verb = 0; verb < N_VERBS; verb++) {
            segue_store *s = open_and_fill(urls[i]);
            status_is(verbs[verb].name, ask(s, verb), SEGUE_OK);
            text_is(verbs[verb].name, door.log, verbs[verb].asks);
            door.fails = SEGUE_IO_ERROR; /* it ends all the same */
            door.log[0] = 0;
            status_is(verbs[verb].name, ask(s, verb), SEGUE_IO_ERROR);
            if (!strstr(err.message, " fails")) fail_msg("%s: \"%s\"", verbs[verb].name, err.message);
            if (!strstr(door.log, " end") || strstr(door.log, "end ")) fail_msg("%s: %s", verbs[verb].name, door.log);
            segue_close(s);
        }
}

static void where_nothing_can_begin_nothing_is_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(urls); i++)
        for (int verb = 0; verb < N_VERBS; verb++) {
            segue_store *s = open_and_fill(urls[i]);
            door.refuses = SEGUE_UNAVAILABLE;
            status_is(verbs[verb].name, ask(s, verb), SEGUE_UNAVAILABLE);
            text_is(verbs[verb].name, err.message, "the door is shut");
            text_is(verbs[verb].name, door.log, verb == PUT_RECORD || verb == PUT_WITH_META ? "write" : "read");
            segue_close(s);
        }
}

/* Also where somebody has just failed in the same way, and has said why. */
static void who_fails_without_a_word_is_given_some(void **state)
{
    (void)state;
    static const char words[] = "door:kept?reap=off: input/output error";
    segue_store *s = open_and_fill(urls[0]), *other = NULL;
    door.fails = SEGUE_IO_ERROR;
    for (int verb = 0; verb < N_VERBS; verb++)
        for (int i = 0; i < 2; i++) {
            door.mute = i;
            err = (segue_error){.native = 7};
            status_is(verbs[verb].name, ask(s, verb), SEGUE_IO_ERROR);
            if (!strstr(err.message, i ? words : " fails") || err.status != SEGUE_IO_ERROR || err.native)
                fail_msg("%s: %s, %d, \"%s\"", verbs[verb].name, segue_status_name(err.status), err.native,
                         err.message);
        }
    status_is("open", segue_open(urls[0], NULL, &other, &err), SEGUE_IO_ERROR);
    text_is("open", err.message, words);
    door.mute = false;
    segue_close(s);
}

static void a_feed_goes_on_when_the_door_is_open_again(void **state)
{
    (void)state;
    segue_store *s = open_and_fill(urls[0]);
    segue_feed *feed = NULL;
    segue_feed_event event;
    segue_record rec = {.key = K("l"), .body = K("1"), .cas = 6};
    status_is("open", segue_feed_open(&s, 1, NULL, &feed, &err), SEGUE_OK);
    status_is("k", segue_feed_next(feed, 0, &event, &err), SEGUE_OK);
    status_is("put", segue_put_record(s, &rec, 0, NULL, NULL, &err), SEGUE_OK);
    door.refuses = SEGUE_UNAVAILABLE;
    for (int i = 0; i < 2; i++) {
        err = (segue_error){0};
        status_is("shut", segue_feed_next(feed, 0, &event, &err), SEGUE_UNAVAILABLE);
        text_is("shut", err.message, "the door is shut");
    }
    door.refuses = SEGUE_OK;
    status_is("l", segue_feed_next(feed, 0, &event, &err), SEGUE_OK);
    assert_true(segue_slice_equal(event.rec.key, K("l")));
    status_is("no more", segue_feed_next(feed, 0, &event, &err), SEGUE_TIMEOUT);
    segue_feed_close(feed);
    segue_close(s);
}

/* ---- opening ---- */

static void who_only_reads_creates_nothing(void **state)
{
    (void)state;
    static const struct {
        unsigned given, taken;
    } rows[] = {{0, 0},
                {SEGUE_OPEN_EXISTING, SEGUE_OPEN_EXISTING},
                {SEGUE_OPEN_READ_ONLY, SEGUE_OPEN_READ_ONLY | SEGUE_OPEN_EXISTING},
                {SEGUE_OPEN_NO_REAPER, SEGUE_OPEN_NO_REAPER}};
    for (size_t i = 0; i < 2 * N(rows); i++) {
        segue_store *s = NULL;
        segue_open_options options = {.flags = rows[i / 2].given};
        status_is("open", segue_open(urls[i % 2], &options, &s, &err), SEGUE_OK);
        assert_int_equal(door.flags, rows[i / 2].taken);
        segue_close(s);
    }
}

static void an_open_needs_a_url_and_a_place(void **state)
{
    (void)state;
    segue_store *s = NULL;
    status_is("no URL", segue_open(NULL, NULL, &s, &err), SEGUE_INVALID_ARGUMENT);
    text_is("no URL", err.message, "segue_open needs a URL and somewhere to put the store");
    status_is("no place", segue_open("mem:", NULL, NULL, &err), SEGUE_INVALID_ARGUMENT);
    assert_null(s);
}

/* What stands over others is reaped where it keeps its records. */
static void an_engine_with_a_door_is_not_reaped_in_the_background(void **state)
{
    (void)state;
    static const char *const all[] = {"mem:", "door:"};
    for (size_t i = 0; i < N(all); i++) {
        segue_store *s = open_store(all[i]);
        status_is(all[i], segue_set(s, K("k"), K("1"), segue_expiry_in(100000), NULL, NULL, &err), SEGUE_OK);
        assert_int_equal(seg_reaper_is_running(), i == 0);
        segue_close(s);
    }
}

/* ---- the same store ---- */

static bool always_same(const void *self, const void *other) { return (void)self, (void)other, true; }

static void engines_say_which_of_their_handles_are_the_same(void **state)
{
    (void)state;
    static segue_backend alone, yes;
    alone = yes = seg_backend_mem;
    alone.scheme = "alone";
    alone.same = NULL;
    yes.scheme = "yes";
    yes.same = always_same;
    assert_int_equal(segue_register_backend(&alone), SEGUE_OK);
    assert_int_equal(segue_register_backend(&yes), SEGUE_OK);
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {{"mem:x", "mem:x", true},
                {"mem:x", "mem:y", false},
                {"mem:x", "trace+stats+mem:x", true},
                {"stats+mem:x", "trace+mem:x", true},
                {"stats+mem:x", "trace+mem:y", false},
                {"alone:x", "alone:x", false}, /* nobody says so */
                {"alone:x", "yes:x", false},
                {"yes:x", "yes:y", true},
                {"yes:x", "mem:y", false}};
    for (size_t i = 0; i < N(rows); i++) {
        segue_store *a = open_store(rows[i].a), *b = open_store(rows[i].b);
        if (seg_store_same(a, b) != rows[i].same || seg_store_same(b, a) != rows[i].same)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
        assert_true(seg_store_same(a, a) && seg_store_same(b, b));
        segue_close(a);
        segue_close(b);
    }
}

/* ---- registration ---- */

typedef void (*breaks)(segue_backend *b);
static void other_abi(segue_backend *b) { b->abi++; }
static void other_size(segue_backend *b) { b->table_size--; }
static void no_scheme(segue_backend *b) { b->scheme = NULL; }
static void no_open(segue_backend *b) { b->open = NULL; }
static void no_close(segue_backend *b) { b->close = NULL; }
static void no_caps(segue_backend *b) { b->caps = NULL; }
static void no_get(segue_backend *b) { b->get = NULL; }
static void no_put(segue_backend *b) { b->put = NULL; }
static void no_erase(segue_backend *b) { b->erase = NULL; }
static void no_scan(segue_backend *b) { b->scan = NULL; }
static void no_end(segue_backend *b) { b->begin = door_begin; }
static void no_begin(segue_backend *b) { b->end = door_end; }
static void no_highest(segue_backend *b) { b->highest = NULL; }
static void taken_builtin(segue_backend *b) { b->scheme = "sqlite"; }
static void taken_filter(segue_backend *b) { b->scheme = "stats"; }
static void taken_registered(segue_backend *b) { b->scheme = "door"; }

static void a_table_that_lacks_something_is_not_taken(void **state)
{
    (void)state;
    static const breaks all[] = {other_abi, other_size,    no_scheme,    no_open,         no_close,   no_caps,
                                 no_get,    no_put,        no_erase,     no_scan,         no_highest, no_end,
                                 no_begin,  taken_builtin, taken_filter, taken_registered};
    assert_int_equal(segue_register_backend(NULL), SEGUE_INVALID_ARGUMENT);
    for (size_t i = 0; i < N(all); i++) {
        segue_backend b = seg_backend_mem;
        b.scheme = "whole";
        all[i](&b);
        if (segue_register_backend(&b) != SEGUE_INVALID_ARGUMENT) fail_msg("table %zu was taken", i);
        if (seg_backend_find("whole")) fail_msg("table %zu can be found", i);
    }
    static segue_backend least; /* what is optional may be missing */
    least = seg_backend_mem;
    least.scheme = "least";
    least.changes = NULL;
    least.highest = NULL;
    least.mutate = NULL;
    least.move = NULL;
    least.write_many = NULL;
    least.same = NULL;
    least.expired = NULL;
    assert_int_equal(segue_register_backend(&least), SEGUE_OK);
    assert_ptr_equal(seg_backend_find("least"), &least);
}

/* The last test: afterwards there is no room. */
static void when_there_is_no_room_it_is_said(void **state)
{
    (void)state;
    static segue_backend many[40];
    static char names[N(many)][8];
    size_t n = 0;
    segue_status st = SEGUE_OK;
    for (; n < N(many) && st == SEGUE_OK; n++) {
        (void)snprintf(names[n], sizeof names[n], "m%zu", n); /* fits */
        many[n] = seg_backend_mem;
        many[n].scheme = names[n];
        st = segue_register_backend(&many[n]);
    }
    status_is("one too many", st, SEGUE_INVALID_ARGUMENT);
    assert_in_range(n, 20, 32);
    for (size_t i = 0; i < n; i++) assert_ptr_equal(seg_backend_find(names[i]), i + 1 < n ? &many[i] : NULL);
}

static int install(void **state)
{
    (void)state;
    static segue_backend table;
    table = seg_backend_mem;
    table.scheme = "door";
    table.open = door_open;
    table.begin = door_begin;
    table.end = door_end;
    table.get = door_get;
    table.put = door_put;
    table.scan = door_scan;
    table.changes = door_changes;
    table.highest = door_highest;
    return segue_register_backend(&table) == SEGUE_OK ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_asked_is_asked_between_begin_and_end),
        cmocka_unit_test(where_nothing_can_begin_nothing_is_asked),
        cmocka_unit_test(who_fails_without_a_word_is_given_some),
        cmocka_unit_test(a_feed_goes_on_when_the_door_is_open_again),
        cmocka_unit_test(who_only_reads_creates_nothing),
        cmocka_unit_test(an_open_needs_a_url_and_a_place),
        cmocka_unit_test(an_engine_with_a_door_is_not_reaped_in_the_background),
        cmocka_unit_test(engines_say_which_of_their_handles_are_the_same),
        cmocka_unit_test(a_table_that_lacks_something_is_not_taken),
        cmocka_unit_test(when_there_is_no_room_it_is_said),
    };
    return cmocka_run_group_tests(tests, install, NULL);
}
