/* The backend sqlite writing: its CAS clock, many threads and processes at once, group commit with failures among the writes,
 * and what is left after a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <segue/ops.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rules.h"
#include "base/env.h"
#include "store/call.h"
#include "support/disk.h"
#include "support/file.h"

static segue_slice str(const char *text) { return segue_str(text); }

static segue_status set(segue_store *s, const char *key, const char *body, uint64_t *ret_cas)
{
    return segue_set(s, str(key), str(body), segue_expiry_none(), NULL, ret_cas, &test_err);
}

static void assert_body(segue_store *s, const char *key, const char *body)
{
    segue_doc doc = {0};
    assert_ok(segue_get(s, str(key), NULL, &doc, &test_err));
    if (!segue_slice_equal(doc.rec.body, str(body)))
        fail_msg("%s: \"%.*s\", expected \"%s\"", key, (int)doc.rec.body.size, doc.rec.body.data, body);
    segue_doc_free(&doc);
}

/* A world whose wall clock stands still where it is put. */
static _Atomic int64_t wall_s = 1800000000;

static int64_t set_wall_ns(void *ctx)
{
    (void)ctx; /* one clock for all */
    return atomic_load(&wall_s) * 1000000000;
}

static segue_env world(void)
{
    segue_env env = *segue_env_default();
    env.wall_ns = set_wall_ns;
    return env;
}

/* ---- the CAS clock ---- */

static void cas_grows_over_reopening_and_clocks_that_step_back(void **state)
{
    uint64_t cas[6] = {0};
    segue_env env = world();
    (void)state;
    atomic_store(&wall_s, 1800000000);
    segue_store *s = test_open_file("app.db", &env, 0);
    assert_ok(set(s, "k", "1", &cas[0]));
    assert_int_equal(cas[0], UINT64_C(1800000000000000000) & ~UINT64_C(0xFFFF));
    atomic_store(&wall_s, 1700000000);
    assert_ok(set(s, "k", "2", &cas[1]));
    segue_close(s);
    s = test_open_file("app.db", &env, 0);
    assert_ok(set(s, "other", "1", &cas[2]));
    segue_call call = seg_call_new(s, 0, &test_err);
    assert_ok(seg_call_erase(s, str("k"), cas[1], &call)); /* a key that is gone must not be given its CAS again */
    segue_close(s);
    s = test_open_file("app.db?collection=a.b", &env, 0);
    assert_ok(set(s, "k", "3", &cas[3]));
    segue_record given = {.key = str("given"), .body = str("1"), .cas = cas[3] + 0x1000000, .revision = 4};
    assert_ok(segue_put_record(s, &given, 0, NULL, &cas[4], &test_err));
    assert_int_equal(cas[4], given.cas);
    segue_close(s);
    s = test_open_file("app.db", &env, 0);
    assert_ok(set(s, "k", "4", &cas[5]));
    for (int i = 1; i < 6; i++)
        if (cas[i] <= cas[i - 1]) fail_msg("CAS %d is not above the one before", i);
    segue_close(s);
}

static void a_cas_that_no_clock_gives_is_not_kept(void **state)
{
    static const uint64_t wrong[] = {UINT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1};
    (void)state;
    segue_store *s = test_open_file("app.db", NULL, 0);
    for (int i = 0; i < 3; i++) {
        segue_record rec = {.key = str("k"), .body = str("1"), .cas = wrong[i], .revision = 1};
        assert_status(segue_put_record(s, &rec, 0, NULL, NULL, &test_err), SEGUE_INVALID_ARGUMENT);
    }
    assert_ok(set(s, "k", "1", NULL));
    segue_close(s);
}

/* A process whose clock is a year ahead. */
static int write_in_the_future(void)
{
    segue_env env = world();
    atomic_store(&wall_s, 1831536000);
    segue_store *s = test_open_in_child("app.db", &env);
    if (set(s, "k", "2", NULL) != SEGUE_OK) return 1;
    segue_close(s);
    return 0;
}

static void cas_grows_over_processes_with_different_clocks(void **state)
{
    uint64_t first = 0, second = 0;
    segue_env env = world();
    int to_child[2];
    (void)state;
    atomic_store(&wall_s, 1800000000);
    assert_int_equal(pipe(to_child), 0);
    pid_t child = fork(); /* before the file is open here */
    if (child == 0) {
        char go;
        _exit(read(to_child[0], &go, 1) == 1 ? write_in_the_future() : 2);
    }
    segue_store *s = test_open_file("app.db", &env, 0);
    assert_ok(set(s, "k", "1", &first));
    assert_int_equal(write(to_child[1], "x", 1), 1);
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    assert_body(s, "k", "2");
    assert_ok(set(s, "other", "1", &second)); /* another key: the clock is the file's */
    assert_true(second > UINT64_C(1831536000000000000));
    assert_true(second > first);
    segue_close(s);
    (void)close(to_child[0]); /* they have served */
    (void)close(to_child[1]);
}

/* ---- many at once ---- */

enum { N_PROCESSES = 4, N_STEPS = 40, N_THREADS = 8 };

static segue_status add_one(segue_store *s, const char *key)
{
    uint64_t one = 1;
    return segue_incr(s, str(key), 1, &one, segue_expiry_none(), NULL, NULL, &test_err);
}

static int count_up_here(void)
{
    segue_store *s = test_open_in_child("app.db", NULL); /* they all make the file, too */
    for (int i = 0; i < N_STEPS; i++)
        if (add_one(s, "counter") != SEGUE_OK) return 1;
    segue_close(s);
    return 0;
}

static int open_and_write(int start)
{
    char go;
    if (read(start, &go, 1) != 0) return 2; /* it ends when the other end is closed: for all at once */
    for (int i = 0; i < N_STEPS; i++) {
        segue_store *s = test_open_in_child("app.db", NULL);
        if (add_one(s, "counter") != SEGUE_OK) return 1;
        segue_close(s);
    }
    return 0;
}

/* The first makes the file, and whoever closes it last for a moment clears the log away, under the others' feet. */
static void processes_may_open_and_close_a_file_at_once(void **state)
{
    pid_t children[N_PROCESSES];
    int start[2], how = 0;
    (void)state;
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < N_PROCESSES; i++)
        if ((children[i] = fork()) == 0) {
            (void)close(start[1]); /* the parent's */
            _exit(open_and_write(start[0]));
        }
    (void)close(start[0]); /* the children's */
    (void)close(start[1]); /* now */
    for (int i = 0; i < N_PROCESSES; i++) {
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        assert_int_equal(how, 0);
    }
    segue_store *s = test_open_file("app.db", NULL, SEGUE_OPEN_EXISTING);
    assert_body(s, "counter", "160");
    segue_close(s);
}

static void processes_lose_no_increments(void **state)
{
    pid_t children[N_PROCESSES];
    int how = 0;
    (void)state;
    for (int i = 0; i < N_PROCESSES; i++)
        if ((children[i] = fork()) == 0) _exit(count_up_here());
    for (int i = 0; i < N_PROCESSES; i++) {
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        assert_int_equal(how, 0);
    }
    segue_store *s = test_open_file("app.db", NULL, SEGUE_OPEN_EXISTING);
    assert_body(s, "counter", "160");
    segue_close(s);
}

typedef struct worker {
    pthread_t thread;
    segue_store *store;
    int id;
    size_t wrong;
} worker;

/* Counts, reads, writes a key of its own through the loop, and conflicts now and then. */
static void *work(void *arg)
{
    worker *w = arg;
    segue_error err;
    segue_doc doc = {0};
    char own[16];
    (void)snprintf(own, sizeof own, "own%d", w->id); /* fits */
    for (int i = 0; i < N_STEPS; i++) {
        uint64_t one = 1;
        w->wrong += segue_incr(w->store, str("counter"), 1, &one, segue_expiry_none(), NULL, NULL, &err) != SEGUE_OK;
        w->wrong += segue_get(w->store, str("counter"), NULL, &doc, &err) != SEGUE_OK;
        segue_status st = segue_add(w->store, str("same"), str("1"), segue_expiry_none(), NULL, NULL, &err);
        w->wrong += st != SEGUE_OK && st != SEGUE_EXISTS;
        w->wrong += segue_set(w->store, str(own), str("x"), segue_expiry_none(), NULL, NULL, &err) != SEGUE_OK;
    }
    segue_doc_free(&doc);
    return NULL;
}

static void threads_share_a_file(void **state)
{
    worker workers[N_THREADS] = {0};
    (void)state;
    segue_store *stores[2] = {test_open_file("app.db", NULL, 0), test_open_file("app.db", NULL, 0)};
    for (int i = 0; i < N_THREADS; i++) {
        workers[i].store = stores[i % 2];
        workers[i].id = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
    assert_body(stores[0], "counter", "320");
    segue_doc doc = {0};
    assert_ok(segue_get(stores[1], str("own7"), NULL, &doc, &test_err));
    assert_int_equal(doc.rec.revision, N_STEPS);
    segue_doc_free(&doc);
    segue_close(stores[0]);
    segue_close(stores[1]);
}

typedef struct reader {
    pthread_t thread;
    segue_store *store;
    atomic_bool *stop;
    size_t wrong;
} reader;

static void *read_on(void *arg)
{
    reader *r = arg;
    segue_error err;
    segue_doc doc = {0};
    while (!atomic_load(r->stop)) r->wrong += segue_get(r->store, str("small"), NULL, &doc, &err) != SEGUE_OK;
    segue_doc_free(&doc);
    return NULL;
}

static void the_log_begins_anew_even_under_steady_reading(void **state)
{
    static char body[1024 * 1024];
    enum { N_READERS = 2, N_WRITES = 50, MOST = 40 * 1024 * 1024 };
    reader readers[N_READERS] = {0};
    atomic_bool stop = false;
    off_t most = 0;
    (void)state;
    memset(body, 'x', sizeof body);
    segue_store *s = test_open_file("app.db?sync=off", NULL, 0);
    assert_ok(set(s, "small", "1", NULL));
    for (int i = 0; i < N_READERS; i++) {
        readers[i] = (reader){.store = s, .stop = &stop};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
    }
    for (int i = 0; i < N_WRITES; i++) {
        struct stat log;
        segue_slice key = str((const char *[]){"a", "b", "c"}[i % 3]);
        memset(body, 'a' + i % 26, sizeof body); /* SQLite writes no page again that is as it was */
        assert_ok(segue_set(s, key, segue_bytes(body, sizeof body), segue_expiry_none(), NULL, NULL, &test_err));
        assert_int_equal(stat(test_path("app.db-wal"), &log), 0);
        if (log.st_size > most) most = log.st_size;
    }
    atomic_store(&stop, true);
    for (int i = 0; i < N_READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_int_equal(readers[i].wrong, 0);
    }
    if (most > MOST) fail_msg("the log grew to %lld bytes", (long long)most);
    segue_close(s);
}

/* Checkpoints are given up for a reader that stays; what comes after them must not notice. */
static void a_reader_that_never_ends_does_not_stop_writers(void **state)
{
    static char body[1024 * 1024];
    (void)state;
    memset(body, 'x', sizeof body);
    segue_store *s = test_open_file("app.db?sync=off", NULL, 0);
    assert_ok(set(s, "small", "1", NULL));
    sqlite3 *other = test_file_db("app.db");
    assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM records", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 24; i++) {
        memset(body, 'a' + i, sizeof body); /* SQLite writes no page again that is as it was */
        assert_ok(
            segue_set(s, str("large"), segue_bytes(body, sizeof body), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(set(s, "small", "2", NULL));
    }
    struct stat log;
    assert_int_equal(stat(test_path("app.db-wal"), &log), 0);
    assert_true(log.st_size > 24 * (off_t)sizeof body); /* it could not begin anew */
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_body(s, "small", "2");
    off_t before = log.st_size;
    for (int i = 0; i < 12; i++) {
        memset(body, 'a' + i, sizeof body);
        assert_ok(
            segue_set(s, str("large"), segue_bytes(body, sizeof body), segue_expiry_none(), NULL, NULL, &test_err));
    }
    assert_int_equal(stat(test_path("app.db-wal"), &log), 0);
    assert_true(log.st_size <= before + 6 * (off_t)sizeof body); /* now it could */
    segue_close(s);
    assert_string_equal(test_file_ask("app.db", "PRAGMA integrity_check"), "ok");
}

/* ---- group commit ---- */

typedef struct writer {
    pthread_t thread;
    segue_store *store;
    const char *key;
    segue_slice body;
    segue_expect expect;
    bool adds;
    int64_t timeout_ns;
    segue_status status;
    segue_error err;
} writer;

static void *write_one(void *arg)
{
    writer *w = arg;
    segue_mutation m = {.expect = w->expect, .body_op = w->adds ? SEGUE_BODY_ADD : SEGUE_BODY_SET, .body = w->body};
    segue_options options = {w->timeout_ns};
    w->status = segue_mutate(w->store, str(w->key), &m, &options, NULL, NULL, &w->err);
    return NULL;
}

/* All of them come while somebody else writes, so that they go into one transaction; *ret_syncs: how often the log was
 * synchronised meanwhile. */
static void write_together(const char *file, segue_store *s, writer *writers, size_t n, long *ret_syncs)
{
    sqlite3 *other = test_file_db(file);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < n; i++) {
        writers[i].store = s;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_one, &writers[i]), 0);
    }
    seg_sleep_ns(segue_env_default(), 150000000); /* for all to be waiting; fewer would cost only more transactions */
    long before = atomic_load(&test_disk.n_syncs);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < n; i++) assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    *ret_syncs = atomic_load(&test_disk.n_syncs) - before;
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

static void writers_share_a_commit_and_each_has_its_own_outcome(void **state)
{
    writer writers[] = {
        {.key = "a", .body = str("1")},
        {.key = "there", .body = str("2"), .expect = SEGUE_EXPECT_NOT_LIVE},
        {.key = "b", .body = str("3")},
        {.key = "there", .adds = true},
        {.key = "missing", .body = str("4"), .expect = SEGUE_EXPECT_LIVE},
        {.key = "c", .body = str("5")},
    };
    static const segue_status expected[] = {SEGUE_OK,           SEGUE_EXISTS,    SEGUE_OK,
                                            SEGUE_NOT_A_NUMBER, SEGUE_NOT_FOUND, SEGUE_OK};
    long n_syncs = 0;
    (void)state;
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_ok(set(s, "there", "text", NULL));
    write_together("app.db", s, writers, 6, &n_syncs);
    for (int i = 0; i < 6; i++) assert_int_equal(writers[i].status, expected[i]);
    assert_in_range(n_syncs, 1, 2); /* three writes, but not three waits */
    assert_body(s, "a", "1");
    assert_body(s, "b", "3");
    assert_body(s, "c", "5");
    assert_body(s, "there", "text");
    segue_close(s);
}

static char large[8 * 1024 * 1024];

/* One write finds no room, in its own statement (8 MiB, more than SQLite keeps in memory) or in the commit (1 MiB). */
static void check_neighbours_of_a_large_write(size_t size)
{
    writer writers[] = {
        {.key = "a", .body = str("1")},
        {.key = "large", .body = {large, size}},
        {.key = "b", .body = str("2")},
    };
    long n_syncs = 0;
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_ok(set(s, "large", "before", NULL));
    atomic_store(&test_disk.room, 500000);
    write_together("app.db", s, writers, 3, &n_syncs);
    assert_int_equal(writers[0].status, SEGUE_OK);
    assert_int_equal(writers[1].status, SEGUE_NO_SPACE);
    if (!strstr(writers[1].err.message, "app.db: make room")) fail_msg("\"%s\"", writers[1].err.message);
    assert_int_equal(writers[2].status, SEGUE_OK);
    assert_body(s, "large", "before");
    atomic_store(&test_disk.room, -1);
    assert_ok(segue_set(s, str("large"), writers[1].body, segue_expiry_none(), NULL, NULL, &test_err));
    segue_close(s);
}

static void a_write_that_fails_half_way_does_not_spoil_its_neighbours(void **state)
{
    (void)state;
    memset(large, 'x', sizeof large);
    check_neighbours_of_a_large_write(sizeof large);
}

static void a_write_that_fails_in_the_commit_does_not_spoil_its_neighbours(void **state)
{
    (void)state;
    memset(large, 'x', sizeof large);
    check_neighbours_of_a_large_write(1024 * 1024);
}

static void a_batch_is_whole_or_not_there(void **state)
{
    (void)state;
    memset(large, 'x', sizeof large);
    segue_store *s = test_open_file("app.db", NULL, 0);
    segue_write writes[] = {
        {.put = {.rec = {.key = str("a"), .body = str("1"), .revision = 1}}},
        {.put = {.rec = {.key = str("large"), .body = {large, sizeof large}, .revision = 1}}},
    };
    segue_doc doc = {0};
    segue_call call = seg_call_new(s, 0, &test_err);
    atomic_store(&test_disk.room, 500000);
    assert_status(seg_call_write_many(s, writes, 2, &call), SEGUE_NO_SPACE);
    atomic_store(&test_disk.room, -1);
    assert_status(seg_call_get(s, str("a"), &doc, &call), SEGUE_NOT_FOUND);
    assert_ok(seg_call_write_many(s, writes, 2, &call));
    assert_ok(seg_call_get(s, str("a"), &doc, &call));
    segue_doc_free(&doc);
    segue_close(s);
}

/* ---- outcomes of a failed commit ---- */

static void copy_file(const char *from, const char *to)
{
    char block[4096];
    FILE *in = fopen(test_path(from), "rb"), *out = fopen(test_path(to), "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;) assert_int_equal(fwrite(block, 1, n, out), n);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

/* What a process would find after the machine had lost its power now, all of the log having reached the disk. */
static segue_store *recovered(void)
{
    copy_file("app.db", "copy.db");
    copy_file("app.db-wal", "copy.db-wal");
    return test_open_file("copy.db", NULL, 0);
}

static segue_status put_plainly(segue_store *s, const char *key, const char *body)
{
    segue_put put = {.rec = {.key = str(key), .body = str(body), .revision = 1}};
    segue_call call = seg_call_new(s, 0, &test_err);
    return seg_call_put(s, &put, NULL, &call);
}

static void a_failed_commit_that_could_be_overwritten_was_not_applied(void **state)
{
    (void)state;
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_ok(put_plainly(s, "k", "before"));
    atomic_store(&test_disk.fail_syncs, 1);
    assert_status(put_plainly(s, "k", "after"), SEGUE_IO_ERROR);
    assert_int_equal(atomic_load(&test_disk.fail_syncs), 0);
    assert_body(s, "k", "before");
    segue_store *later = recovered();
    assert_body(later, "k", "before");
    segue_close(later);
    assert_ok(put_plainly(s, "k", "again"));
    segue_close(s);
}

static void a_failed_commit_that_may_come_back_is_told_as_unknown(void **state)
{
    (void)state;
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_ok(put_plainly(s, "k", "before"));
    atomic_store(&test_disk.dies, true);
    assert_true(seg_rule_switch("LOST_COMMIT_IS_UNKNOWN", false));
    assert_status(put_plainly(s, "k", "after"), SEGUE_IO_ERROR); /* without the rule it would be told as a failure */
    assert_true(seg_rule_switch("LOST_COMMIT_IS_UNKNOWN", true));
    assert_status(put_plainly(s, "k", "after"), SEGUE_MAYBE_APPLIED);
    assert_says("app.db: the commit failed");
    assert_body(s, "k", "before"); /* nobody sees it now */
    atomic_store(&test_disk.dies, false);
    segue_store *later = recovered();
    assert_body(later, "k", "after"); /* but it does come back: unknown was the truth */
    segue_close(later);
    segue_close(s);
}

static void every_writer_of_a_failed_commit_is_told(void **state)
{
    writer writers[] = {{.key = "a", .body = str("1")}, {.key = "b", .body = str("2")}};
    segue_doc doc = {0};
    long n_syncs = 0;
    (void)state;
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_ok(put_plainly(s, "there", "1"));
    atomic_store(&test_disk.dies, true);
    write_together("app.db", s, writers, 2, &n_syncs);
    atomic_store(&test_disk.dies, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(writers[i].status, SEGUE_MAYBE_APPLIED);
        assert_status(segue_get(s, str(writers[i].key), NULL, &doc, &test_err), SEGUE_NOT_FOUND);
    }
    assert_ok(put_plainly(s, "there", "2"));
    segue_doc_free(&doc);
    segue_close(s);
}

/* ---- deadlines ---- */

static void a_write_waits_for_others_until_its_deadline(void **state)
{
    /* The first leads and waits for the file; the others wait for their turn. */
    writer writers[] = {
        {.key = "a", .body = str("1"), .timeout_ns = 60000000},
        {.key = "b", .body = str("2"), .timeout_ns = 30000000},
        {.key = "c", .body = str("3"), .timeout_ns = 90000000},
        {.key = "d", .body = str("4")},
    };
    long n_syncs = 0;
    (void)state;
    segue_store *s = test_open_file("app.db", NULL, 0);
    write_together("app.db", s, writers, 4, &n_syncs);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(writers[i].status, SEGUE_TIMEOUT);
        assert_status(segue_get(s, str(writers[i].key), NULL, &(segue_doc){0}, &test_err), SEGUE_NOT_FOUND);
    }
    assert_int_equal(writers[3].status, SEGUE_OK);
    assert_body(s, "d", "4");
    segue_close(s);
}

/* ---- crash ---- */

typedef struct line {
    segue_store *store;
    int out, id;
} line;

/* Writes numbers, and says each one that was acknowledged. */
static void *write_line(void *arg)
{
    line *l = arg;
    char key[16], body[16];
    (void)snprintf(key, sizeof key, "k%d", l->id); /* fits */
    for (int i = 1;; i++) {
        (void)snprintf(body, sizeof body, "%d", i); /* fits */
        segue_error err;
        int said[2] = {l->id, i};
        if (segue_set(l->store, str(key), str(body), segue_expiry_none(), NULL, NULL, &err) != SEGUE_OK ||
            write(l->out, said, sizeof said) != sizeof said)
            _exit(1);
    }
}

enum { N_LINES = 4, N_CRASHES = 8 };

static void write_until_killed(int out)
{
    static line lines[N_LINES];
    pthread_t thread;
    segue_store *s = test_open_in_child("app.db", NULL);
    for (int i = 0; i < N_LINES; i++) {
        lines[i] = (line){s, out, i};
        if (pthread_create(&thread, NULL, write_line, &lines[i]) != 0) _exit(1);
    }
    for (;;) (void)pause(); /* a signal ends it */
}

static void every_acknowledged_write_survives_kill(void **state)
{
    uint64_t random = 20261123;
    int n_acknowledged = 0;
    (void)state;
    for (int crash = 0; crash < N_CRASHES; crash++) {
        int ends[2], said[2], last[N_LINES] = {0}, how = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) write_until_killed(ends[1]);
        (void)close(ends[1]); /* the child's */
        random = random * 6364136223846793005u + 1442695040888963407u;
        int enough = 1 + (int)(random >> 33) % 60;
        for (int i = 0; i < enough && read(ends[0], said, sizeof said) == sizeof said; i++) last[said[0]] = said[1];
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how));
        while (read(ends[0], said, sizeof said) == sizeof said) last[said[0]] = said[1];
        (void)close(ends[0]); /* it was only read */
        segue_store *s = test_open_file("app.db", NULL, SEGUE_OPEN_EXISTING);
        segue_doc doc = {0};
        for (int i = 0; i < N_LINES; i++) {
            char key[16], body[16] = "";
            (void)snprintf(key, sizeof key, "k%d", i); /* fits */
            segue_status st = segue_get(s, str(key), NULL, &doc, &test_err);
            if (st == SEGUE_OK) (void)snprintf(body, sizeof body, "%.*s", (int)doc.rec.body.size, doc.rec.body.data);
            int there = (int)strtol(body, NULL, 10);
            /* One more may have been applied than was said. */
            if (last[i] && there != last[i] && there != last[i] + 1)
                fail_msg("crash %d: %s is %d, acknowledged was %d", crash, key, there, last[i]);
            n_acknowledged += last[i];
        }
        segue_doc_free(&doc);
        segue_close(s);
        assert_string_equal(test_file_ask("app.db", "PRAGMA integrity_check"), "ok");
    }
    print_message("%d writes were acknowledged in %d lives\n", n_acknowledged, N_CRASHES);
    assert_true(n_acknowledged > N_CRASHES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_folder, test_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cas_grows_over_reopening_and_clocks_that_step_back),
        TEST(a_cas_that_no_clock_gives_is_not_kept),
        TEST(cas_grows_over_processes_with_different_clocks),
        TEST(processes_may_open_and_close_a_file_at_once),
        TEST(processes_lose_no_increments),
        TEST(threads_share_a_file),
        TEST(the_log_begins_anew_even_under_steady_reading),
        TEST(a_reader_that_never_ends_does_not_stop_writers),
        TEST(writers_share_a_commit_and_each_has_its_own_outcome),
        TEST(a_write_that_fails_half_way_does_not_spoil_its_neighbours),
        TEST(a_write_that_fails_in_the_commit_does_not_spoil_its_neighbours),
        TEST(a_batch_is_whole_or_not_there),
        TEST(a_failed_commit_that_could_be_overwritten_was_not_applied),
        TEST(a_failed_commit_that_may_come_back_is_told_as_unknown),
        TEST(every_writer_of_a_failed_commit_is_told),
        TEST(a_write_waits_for_others_until_its_deadline),
        TEST(every_acknowledged_write_survives_kill),
    };
    test_disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
