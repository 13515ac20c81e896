/* Feeds of SQLite files and buckets: the index, two processes, a writer that is killed, damage. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <segue/feed.h>
#include <segue/ops.h>

#include "support/file.h"
#include "support/memory.h"

#define K(text) segue_str(text)

static const int64_t PATIENCE_NS = 60000000000;

static void set(segue_store *s, const char *key, const char *body)
{
    assert_ok(segue_set(s, K(key), K(body), segue_expiry_none(), NULL, NULL, &test_err));
}

static segue_feed *open_feed(segue_store *s, unsigned flags)
{
    segue_feed *feed = NULL;
    segue_feed_options o = {.flags = flags, .poll_ns = 5000000};
    assert_ok(segue_feed_open(&s, 1, &o, &feed, &test_err));
    return feed;
}

static void next_is(segue_feed *feed, const char *key, const char *body)
{
    segue_feed_event e = {0};
    assert_ok(segue_feed_next(feed, PATIENCE_NS, &e, &test_err));
    if (!segue_slice_equal(e.rec.key, K(key)) || !segue_slice_equal(e.rec.body, K(body)))
        fail_msg("%.*s = %.*s, not %s = %s", (int)e.rec.key.size, e.rec.key.data, (int)e.rec.body.size,
                 e.rec.body.data ? e.rec.body.data : "", key, body);
}

static void is_over(segue_feed *feed)
{
    segue_feed_event e = {0};
    assert_status(segue_feed_next(feed, 0, &e, &test_err), SEGUE_END);
    segue_feed_close(feed);
}

/* ---- the index ---- */

static const char count_indexes[] = "SELECT count(*) FROM sqlite_schema WHERE type='index' AND name='records_by_cas'";

static void the_first_feed_makes_the_index(void **state)
{
    (void)state;
    segue_feed *feed = NULL;
    segue_store *s = test_open_file("a.db", NULL, 0);
    set(s, "a", "1");
    assert_string_equal(test_file_ask("a.db", count_indexes), "0");
    segue_store *reader = test_open_file("a.db", NULL, SEGUE_OPEN_READ_ONLY);
    assert_status(segue_feed_open(&reader, 1, NULL, &feed, &test_err), SEGUE_UNSUPPORTED);
    assert_says("has no index for feeds yet, and is open for reading only; open a feed of it once where it may be");
    assert_string_equal(test_file_ask("a.db", count_indexes), "0");
    feed = open_feed(s, SEGUE_FEED_STOP_AT_END);
    assert_string_equal(test_file_ask("a.db", count_indexes), "1");
    next_is(feed, "a", "1");
    is_over(feed);
    feed = open_feed(reader, SEGUE_FEED_STOP_AT_END);
    next_is(feed, "a", "1");
    is_over(feed);
    segue_close(reader);
    segue_close(s);
    reader = test_open_file("a.db", NULL, SEGUE_OPEN_READ_ONLY); /* as another process would find it */
    feed = open_feed(reader, SEGUE_FEED_STOP_AT_END);
    next_is(feed, "a", "1");
    is_over(feed);
    segue_close(reader);
    assert_string_equal(test_file_ask("a.db", "PRAGMA integrity_check"), "ok");
}

static void changes_are_read_by_the_index(void **state)
{
    (void)state;
    segue_store *s = test_open_file("p.db", NULL, 0);
    segue_feed_close(open_feed(s, 0));
    segue_close(s);
    sqlite3 *db = test_file_db("p.db");
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "EXPLAIN QUERY PLAN SELECT body FROM records WHERE collection=?1 AND "
                                        "(cas, key)>(?3, ?2) ORDER BY cas, key",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 3),
                        "SEARCH records USING INDEX records_by_cas (collection=? AND (cas,key)>(?,?))");
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE); /* nothing is sorted */
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_bucket_keeps_its_tables(void **state)
{
    (void)state;
    char before[256], after[256];
    static const char schema[] = "SELECT count(*) || ' ' || sum(length(sql)) FROM sqlite_schema";
    test_copy_here("sg-bucket");
    (void)snprintf(before, sizeof before, "%s", test_sql_ask("sg-bucket", schema)); /* fits */
    uint64_t n = 0, rows = test_sql_number("sg-bucket", "SELECT count(*) FROM documents d JOIN collections c ON "
                                                        "d.collection=c.id WHERE c.name='_default'");
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", SEGUE_OPEN_READ_ONLY);
    segue_feed *feed = open_feed(s, SEGUE_FEED_STOP_AT_END);
    segue_feed_event e;
    segue_status st;
    uint64_t last = 0;
    while ((st = segue_feed_next(feed, 0, &e, &test_err)) == SEGUE_OK) {
        assert_true(e.rec.cas >= last);
        last = e.rec.cas;
        n++;
    }
    assert_status(st, SEGUE_END);
    assert_int_equal(n, rows);
    segue_feed_close(feed);
    segue_close(s);
    (void)snprintf(after, sizeof after, "%s", test_sql_ask("sg-bucket", schema)); /* fits */
    assert_string_equal(before, after);
}

/* ---- damage ---- */

/* A feed that needs what is damaged stops there and says so; others do not mind, and when it is mended it goes on. */
static void damaged_xattrs_stop_only_who_reads_them(segue_store *s, void (*damage)(bool mend))
{
    segue_feed_event e;
    segue_xattr x = {K("_s"), K("1")};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("2"), .set_xattrs = &x, .n_set_xattrs = 1};
    set(s, "a", "1");
    assert_ok(segue_mutate(s, K("b"), &m, NULL, NULL, NULL, &test_err));
    set(s, "c", "3");
    damage(false);
    segue_feed *keys = open_feed(s, SEGUE_FEED_KEYS_ONLY | SEGUE_FEED_STOP_AT_END);
    next_is(keys, "a", "");
    next_is(keys, "b", "");
    next_is(keys, "c", "");
    is_over(keys);
    segue_feed *whole = open_feed(s, SEGUE_FEED_STOP_AT_END);
    for (int i = 0; i < 3; i++) {
        assert_status(segue_feed_next(whole, 0, &e, &test_err), SEGUE_CORRUPT);
        assert_says("\"b\"");
    }
    damage(true);
    next_is(whole, "a", "1");
    next_is(whole, "b", "2");
    next_is(whole, "c", "3");
    is_over(whole);
}

static void damage_file(bool mend)
{
    test_file_run("d.db", mend ? "UPDATE records SET xattrs=saved FROM keep WHERE key=x'62'; DROP TABLE keep"
                               : "CREATE TABLE keep AS SELECT xattrs AS saved FROM records WHERE key=x'62';"
                                 "UPDATE records SET xattrs=x'ffffffff' WHERE key=x'62'");
}

static void damaged_xattrs_in_a_file(void **state)
{
    (void)state;
    segue_store *s = test_open_file("d.db", NULL, 0);
    damaged_xattrs_stop_only_who_reads_them(s, damage_file);
    segue_close(s);
}

static void damage_bucket(bool mend)
{
    test_sql_run("sg-bucket", mend ? "UPDATE documents SET xattrs='{\"_s\":1}' WHERE key='b'"
                                   : "UPDATE documents SET xattrs='{\"_s\":' WHERE key='b'");
}

static void damaged_xattrs_in_a_bucket(void **state)
{
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "new.one", 0);
    damaged_xattrs_stop_only_who_reads_them(s, damage_bucket);
    segue_close(s);
}

/* ---- another process ---- */

enum { KEYS = 20 };

typedef struct acked {
    uint64_t cas[KEYS];
} acked;

/* In the child: write until killed, and tell each acknowledged write. */
static void write_for_ever(int go, int told)
{
    char key[16], begin;
    struct {
        unsigned key;
        uint64_t cas;
    } note = {0};
    if (read(go, &begin, 1) != 1) _exit(97);
    segue_store *s = test_open_in_child("two.db", NULL);
    for (unsigned i = 0;; i++) {
        note.key = (i * 7) % KEYS;
        (void)snprintf(key, sizeof key, "k%u", note.key); /* fits */
        if (segue_set(s, K(key), K("x"), segue_expiry_none(), NULL, &note.cas, NULL) != SEGUE_OK) _exit(98);
        if (write(told, &note, sizeof note) != sizeof note) _exit(96);
    }
}

typedef struct listener {
    pthread_t thread;
    int told;
    acked acked;
    unsigned n;
} listener;

static void *listen_to_writer(void *arg)
{
    listener *l = arg;
    struct {
        unsigned key;
        uint64_t cas;
    } note;
    while (read(l->told, &note, sizeof note) == sizeof note) {
        l->acked.cas[note.key] = note.cas;
        l->n++;
    }
    return NULL;
}

static void note_event(uint64_t seen[KEYS], const segue_feed_event *e)
{
    unsigned k = (unsigned)(e->rec.key.data[1] - '0');
    if (e->rec.key.size == 3) k = 10 * k + (unsigned)(e->rec.key.data[2] - '0');
    assert_in_range(k, 0, KEYS - 1);
    assert_true(e->rec.cas > seen[k]);
    seen[k] = e->rec.cas;
}

/* The writer is killed in the midst of it. What it had acknowledged is told; a resumed feed goes on where the first stood. */
static void the_writes_of_a_killed_process_are_told(void **state)
{
    (void)state;
    int go[2], told[2];
    uint64_t seen[KEYS] = {0};
    segue_buf cursor = {0};
    listener l = {0};
    segue_feed_event e;
    segue_status st;
    assert_int_equal(pipe(go) | pipe(told), 0);
    pid_t child = fork(); /* before the file is open here: SQLite's locks do not pass to a child */
    if (child == 0) write_for_ever(go[0], told[1]);
    close(told[1]);
    l.told = told[0];
    segue_store *s = test_open_file("two.db", NULL, 0);
    segue_feed *feed = open_feed(s, 0);
    assert_int_equal(pthread_create(&l.thread, NULL, listen_to_writer, &l), 0);
    assert_int_equal(write(go[1], "g", 1), 1);
    for (int i = 0; i < 200; i++) {
        assert_ok(segue_feed_next(feed, PATIENCE_NS, &e, &test_err));
        note_event(seen, &e);
        if (i != 100) continue; /* go on with another feed */
        assert_ok(segue_feed_cursor(feed, &cursor));
        segue_feed_close(feed);
        segue_feed_options o = {.cursor = segue_buf_slice(&cursor), .poll_ns = 5000000};
        assert_ok(segue_feed_open(&s, 1, &o, &feed, &test_err));
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(pthread_join(l.thread, NULL), 0);
    while ((st = segue_feed_next(feed, 0, &e, &test_err)) == SEGUE_OK) note_event(seen, &e);
    assert_status(st, SEGUE_TIMEOUT);
    assert_in_range(l.n, 100, 100000000);
    for (unsigned k = 0; k < KEYS; k++)
        if (seen[k] < l.acked.cas[k])
            fail_msg("k%u: %llx was acknowledged, %llx was told last", k, (unsigned long long)l.acked.cas[k],
                     (unsigned long long)seen[k]);
    segue_feed_close(feed);
    segue_close(s);
    segue_buf_free(&cursor);
    close(go[0]), close(go[1]), close(told[0]);
}

/* ---- memory ---- */

enum { LARGE = 1 << 20, N_LARGE = 24, ROUNDS = 48, MOST_BYTES = 6 * LARGE };

static segue_store *open_counted(bool is_file)
{
    segue_store *s = NULL;
    if (is_file) return test_open_file("slow.db?sync=off", NULL, SEGUE_OPEN_NO_REAPER);
    assert_ok(segue_open("mem:slow", NULL, &s, &test_err));
    return s;
}

static void set_large(segue_store *s, unsigned n)
{
    static char body[LARGE];
    char key[16];
    (void)snprintf(key, sizeof key, "large%u", n); /* fits */
    memset(body, 'a' + (int)(n % 26), sizeof body);
    assert_ok(segue_set_raw(s, K(key), segue_bytes(body, sizeof body), segue_expiry_none(), NULL, NULL, &test_err));
}

static void must_be_bounded(const char *when, bool is_file)
{
    long most = test_memory_most();
    if (most > MOST_BYTES)
        fail_msg("%s, %s: %ld bytes; a page and what a write takes are %d at most", is_file ? "sqlite" : "mem", when,
                 most, MOST_BYTES);
}

/* Between two events that it takes far more is changed than a page has room for. */
static void read_slowly(segue_store *s, bool is_file)
{
    segue_feed_event e = {0};
    test_memory_mark();
    segue_feed *feed = open_feed(s, 0);
    for (unsigned i = 0; i < 2 * N_LARGE; i++) {
        assert_ok(segue_feed_next(feed, PATIENCE_NS, &e, &test_err));
        assert_int_equal(e.rec.body.size, LARGE);
        for (unsigned k = 0; k < 3; k++) set_large(s, (3 * i + k) % N_LARGE);
    }
    must_be_bounded("a consumer that falls behind", is_file);
    segue_feed_close(feed);
}

/* The large one comes at another place of the page each time. */
static void read_in_rounds(segue_store *s, bool is_file)
{
    segue_status st = SEGUE_OK;
    segue_feed_event e = {0};
    segue_feed_options o = {.since = (uint64_t[]){SEGUE_FEED_NOW}};
    segue_feed *feed = NULL;
    char key[16];
    test_memory_mark();
    assert_ok(segue_feed_open(&s, 1, &o, &feed, &test_err));
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < round; i++) {
            (void)snprintf(key, sizeof key, "small%u", i); /* fits */
            set(s, key, "1");
        }
        set_large(s, 0);
        unsigned n = 0;
        while ((st = segue_feed_next(feed, 0, &e, &test_err)) == SEGUE_OK) n++;
        assert_status(st, SEGUE_TIMEOUT);
        assert_int_equal(n, round + 1);
    }
    must_be_bounded("changes of all sizes", is_file);
    segue_feed_close(feed);
}

static void a_feed_holds_a_page_and_no_more(void **state)
{
    (void)state;
    for (int is_file = 0; is_file < 2; is_file++) {
        test_memory_begin();
        segue_store *s = open_counted(is_file);
        for (unsigned i = 0; i < N_LARGE; i++) set_large(s, i);
        read_slowly(s, is_file);
        read_in_rounds(s, is_file);
        segue_close(s);
        test_memory_end();
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(the_first_feed_makes_the_index),  IN_FOLDER(changes_are_read_by_the_index),
        IN_FOLDER(a_bucket_keeps_its_tables),       IN_FOLDER(damaged_xattrs_in_a_file),
        IN_FOLDER(damaged_xattrs_in_a_bucket),      IN_FOLDER(the_writes_of_a_killed_process_are_told),
        IN_FOLDER(a_feed_holds_a_page_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
