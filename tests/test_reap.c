/* Reaping by call: each document that has expired gets one tombstone, whoever reaps and whoever writes at the same time; no
 * write is lost. Between any two store calls another party's step is taken; then threads, and processes. */
#include "reaping.h"
#include "records.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <segue/feed.h>
#include <segue/migrate.h>

#include "backend/mem/mem.h"
#include "doc/doc.h"
#include "store/reaper.h"
#include "support/memory.h"

/* ---- alone ---- */

static void the_tombstone_is_the_one_that_was_read(void **state)
{
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        segue_store *s = open_quiet(url_of(kind));
        segue_doc before = {0}, after = {0};
        uint64_t n = 7;
        put_expiring(s, "k", 100);
        put_expiring(s, "later", 1000);
        put_expiring(s, "never", 0);
        assert_ok(segue_reap(s, 0, &n, &test_err));
        assert_int_equal(n, 0);
        advance(100);
        assert_ok(segue_get_record(s, K("k"), NULL, &before, &test_err));
        assert_ok(segue_reap(s, 0, &n, &test_err));
        assert_int_equal(n, 1);
        assert_ok(segue_get_record(s, K("k"), NULL, &after, &test_err));
        assert_true(before.rec.is_tombstone && seg_record_same_content(&before.rec, &after.rec));
        assert_int_equal(after.rec.revision, before.rec.revision + 1);
        assert_true(after.rec.cas > before.rec.cas);
        assert_ok(segue_reap(s, 0, &n, &test_err));
        assert_int_equal(n, 0);
        assert_int_equal(n_overdue(s), 0);
        assert_false(look_at(s, "later").is_tombstone || look_at(s, "never").is_tombstone);
        segue_doc_free(&before);
        segue_doc_free(&after);
        segue_close(s);
    }
}

enum { N_REAPED = 5 };

static void expect_tombstones(segue_feed *feed, const char *url)
{
    segue_feed_event e = {0};
    uint64_t last = 0;
    unsigned seen = 0;
    segue_status st;
    while ((st = segue_feed_next(feed, 0, &e, &test_err)) == SEGUE_OK) {
        bool is_ours = e.rec.key.size == 2 && e.rec.key.data[0] == 'k' && e.rec.key.data[1] < '0' + N_REAPED;
        unsigned bit = is_ours ? 1u << (e.rec.key.data[1] - '0') : 0;
        if (!bit || (seen & bit) || !e.rec.is_tombstone || e.rec.revision != 2 || e.rec.n_xattrs != 1 ||
            e.rec.cas <= last)
            fail_msg("%s: an event of %.*s, %s, revision %llu, %zu xattrs, CAS %llx after %llx", url,
                     (int)e.rec.key.size, e.rec.key.data, e.rec.is_tombstone ? "deleted" : "live",
                     (unsigned long long)e.rec.revision, e.rec.n_xattrs, (unsigned long long)e.rec.cas,
                     (unsigned long long)last);
        seen |= bit;
        last = e.rec.cas;
    }
    assert_status(st, SEGUE_TIMEOUT);
    if (seen != (1u << N_REAPED) - 1) fail_msg("%s: of %d reaped documents these were told: %x", url, N_REAPED, seen);
}

/* By the verb, and by the thread. That they expire is no event of itself. */
static void each_reaped_document_is_an_event_of_a_feed(void **state)
{
    char key[8];
    (void)state;
    for (int i = 0; i < 2 * N_KINDS; i++) {
        bool by_thread = i >= N_KINDS;
        const char *url = url_of(i % N_KINDS);
        segue_store *s = by_thread ? open_reaped(url) : open_quiet(url);
        const uint64_t since = SEGUE_FEED_NOW;
        segue_feed_options o = {.since = &since};
        segue_feed *feed = NULL;
        segue_feed_event e = {0};
        uint64_t n = 0;
        for (unsigned k = 0; k < N_REAPED; k++) {
            (void)snprintf(key, sizeof key, "k%u", k); /* fits */
            assert_ok(segue_set(s, K(key), K("{}"), segue_expiry_none(), NULL, NULL, &test_err));
            assert_ok(segue_delete(s, K(key), NULL, &test_err));
            assert_ok(segue_purge_tombstones(s, NULL, &test_err)); /* so that the revision is 1, whatever was there */
            put_expiring(s, key, 10 + k);
        }
        put_expiring(s, "stays", 100000);
        assert_ok(segue_feed_open(&s, 1, &o, &feed, &test_err));
        if (!by_thread) advance(100);
        assert_status(segue_feed_next(feed, 0, &e, &test_err), SEGUE_TIMEOUT);
        if (by_thread) {
            advance(100);
            seg_reaper_settle();
        } else {
            assert_ok(segue_reap(s, 0, &n, &test_err));
            assert_int_equal(n, N_REAPED);
        }
        expect_tombstones(feed, url);
        segue_feed_close(feed);
        segue_close(s);
    }
}

static void the_earliest_go_first_and_no_more_than_asked(void **state)
{
    char key[16];
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        segue_store *s = open_quiet(url_of(kind));
        uint64_t n = 0;
        for (unsigned i = 0; i < 600; i++) {
            (void)snprintf(key, sizeof key, "k%03u", (i * 7) % 600); /* fits */
            put_expiring(s, key, 10 + (i * 7) % 600);
        }
        advance(10 + 600);
        assert_ok(segue_reap(s, 5, &n, &test_err));
        assert_int_equal(n, 5);
        must_be_tombstone(s, "k004", 2);
        must_be_tombstone(s, "k005", 1);
        assert_int_equal(n_overdue(s), 595);
        assert_ok(segue_reap(s, 300, &n, &test_err)); /* more than a page */
        assert_int_equal(n, 300);
        assert_ok(segue_reap(s, 0, &n, &test_err));
        assert_int_equal(n, 295);
        must_be_tombstone(s, "k599", 2);
        segue_close(s);
    }
}

/* What replaces a record, or takes it away, takes its old expiry out of the order. */
static void an_expiry_counts_no_longer_than_its_record(void **state)
{
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        segue_store *s = open_quiet(url_of(kind));
        uint64_t n = 0, cas;
        put_expiring(s, "set", 10);
        put_expiring(s, "touched", 10);
        put_expiring(s, "deleted", 10);
        cas = put_expiring(s, "erased", 10);
        put_expiring(s, "sooner", 1000);
        segue_call call = seg_call_new(s, 0, &test_err);
        assert_ok(segue_set(s, K("set"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(segue_touch(s, K("touched"), segue_expiry_in(2000), NULL, NULL, &test_err));
        assert_ok(segue_touch(s, K("sooner"), segue_expiry_in(5), NULL, NULL, &test_err));
        assert_ok(segue_delete(s, K("deleted"), NULL, &test_err));
        assert_ok(seg_call_erase(s, K("erased"), cas, &call));
        advance(1500);
        assert_ok(segue_reap(s, 0, &n, &test_err));
        assert_int_equal(n, 1);
        must_be_tombstone(s, "sooner", 3);
        assert_int_equal(look_at(s, "erased").cas, 0);
        advance(1000);
        assert_ok(segue_reap(s, 0, &n, &test_err));
        assert_int_equal(n, 1);
        must_be_tombstone(s, "touched", 3);
        must_be_tombstone(s, "deleted", 2);
        segue_close(s);
    }
}

static void without_the_capability_it_says_so(void **state)
{
    uint64_t n = 7;
    (void)state;
    segue_store *s = open_reaped("mem:?caps=-expired");
    assert_false(segue_store_caps(s) & SEGUE_CAP_EXPIRED);
    assert_status(segue_reap(s, 0, &n, &test_err), SEGUE_UNSUPPORTED);
    assert_int_equal(n, 0);
    assert_says("cannot find what has expired");
    segue_close(s);
    s = open_quiet(url_of(1));
    put_expiring(s, "k", 10);
    segue_close(s);
    advance(10);
    s = open_with(url_of(1), &now, SEGUE_OPEN_READ_ONLY);
    assert_status(segue_reap(s, 0, &n, &test_err), SEGUE_READ_ONLY);
    must_be_tombstone(s, "k", 1);
    segue_close(s);
}

/* The original's own row: its tombstone with an expiry is left alone, and its index is used. */
static void a_bucket_is_reaped_by_its_own_index(void **state)
{
    uint64_t n = 0;
    (void)state;
    segue_store *s = open_quiet(url_of(2));
    put_expiring(s, "k", 10);
    put_expiring(s, "dead", 10);
    assert_ok(segue_delete(s, K("dead"), NULL, &test_err));
    test_sql_run("sg-bucket", "UPDATE documents SET exp=5 WHERE key='dead'");
    advance(20);
    assert_ok(segue_reap(s, 0, &n, &test_err));
    assert_int_equal(n, 1);
    assert_int_equal(look_at(s, "dead").revision, 2);
    assert_string_equal(test_sql_ask("sg-bucket", "SELECT exp||' '||tombstone||' '||isJSON||' '||(value IS NULL)||' '||"
                                                  "xattrs||' '||revSeqNo FROM documents WHERE key='k'"),
                        "0 1 0 1 {\"_s\":1} 2");
    assert_string_equal(test_sql_ask("sg-bucket", "SELECT (SELECT lastCas FROM collections WHERE name='c')="
                                                  "(SELECT cas FROM documents WHERE key='k')"),
                        "1");
    segue_close(s);
    sqlite3 *db = test_sql_open("sg-bucket");
    sqlite3_stmt *plan = NULL;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "EXPLAIN QUERY PLAN SELECT key FROM documents WHERE collection=?1 AND "
                                        "exp>0 ORDER BY exp",
                                        -1, &plan, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(plan), SQLITE_ROW);
    const char *how = (const char *)sqlite3_column_text(plan, 3);
    if (!strstr(how, "docs_exp")) fail_msg("%s", how);
    assert_int_equal(sqlite3_step(plan), SQLITE_DONE); /* and nothing is sorted */
    (void)sqlite3_finalize(plan);
    (void)sqlite3_close(db);
}

/* A write that memory runs out for leaves the order of expiry as the records are. With a feed there are two orders. */
static void memory_that_runs_out_leaves_the_order_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * 3 * 12; i++) {
        segue_store *s = open_quiet("mem:");
        segue_page page = {.max_docs = 10, .max_bytes = 1000};
        segue_call call = seg_call_new(s, 0, &test_err);
        uint64_t n = 0;
        put_expiring(s, "k", 100);
        if (i % 2) assert_ok(s->backend->changes(s->self, &(segue_since){0}, &page, &call));
        memory_begin(i / 6 + 1);
        segue_status st;
        if (i / 2 % 3 == 0) st = segue_touch(s, K("k"), segue_expiry_in(10), NULL, NULL, &test_err);
        else if (i / 2 % 3 == 1) st = segue_touch(s, K("k"), segue_expiry_none(), NULL, NULL, &test_err);
        else st = segue_add(s, K("new"), K("1"), segue_expiry_in(10), NULL, NULL, &test_err);
        (void)memory_end();
        if (st != SEGUE_OK) assert_int_equal(st, SEGUE_NO_MEMORY);
        if (i / 6 == 11) assert_int_equal(st, SEGUE_OK);
        advance(50);
        assert_ok(segue_reap(s, 0, &n, &test_err));
        assert_int_equal(n, st == SEGUE_OK && i / 2 % 3 != 1);
        advance(100);
        assert_ok(segue_reap(s, 0, &n, &test_err));
        assert_int_equal(n, st != SEGUE_OK || i / 2 % 3 == 2);
        segue_page_free(&page);
        segue_close(s);
    }
}

/* ---- others, between reading and writing ---- */

typedef struct scene {
    segue_store *plain, *fault;
    void (*step)(segue_store *store);
    seg_store_op at;
    bool taken;
} scene;

static void take_step(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    scene *s = ctx;
    (void)key, (void)after, (void)count;
    if (op != s->at || s->taken) return;
    s->taken = true;
    s->step(s->plain);
}

static void extend(segue_store *s)
{
    /* It had expired for everybody: only a clock that is behind can still extend it. */
    segue_doc doc = {0};
    segue_call call = seg_call_new(s, 0, &test_err);
    assert_ok(s->backend->get(s->self, K("k"), &doc, &call));
    segue_put put = {.rec = doc.rec, .condition = SEGUE_IF_CAS, .if_cas = doc.rec.cas};
    put.rec.expiry += 100000;
    put.rec.revision++;
    assert_ok(seg_call_put(s, &put, NULL, &call));
    segue_doc_free(&doc);
}
static void resurrect(segue_store *s)
{
    assert_ok(segue_add(s, K("k"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
}
static void reap_too(segue_store *s)
{
    uint64_t n = 0;
    assert_ok(segue_reap(s, 0, &n, &test_err));
    assert_int_equal(n, 1);
}
static void erase(segue_store *s)
{
    segue_call call = seg_call_new(s, 0, &test_err);
    assert_ok(seg_call_erase(s, K("k"), look_at(s, "k").cas, &call));
}

static void whoever_is_faster_wins(void **state)
{
    static void (*const steps[])(segue_store *) = {extend, resurrect, reap_too, erase};
    static const char *const urls[] = {"mem:race", "mem:race?caps=-write_many", "mem:race?caps=-mutate"};
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        seg_store_op at = i / 4 == 1 ? SEG_OP_PUT : SEG_OP_WRITE_MANY;
        scene s = {.plain = open_quiet("mem:race"), .step = steps[i % 4], .at = at};
        segue_store *below = open_quiet(urls[i / 4]);
        seg_fault_plan plan = {.hook = take_step, .hook_ctx = &s};
        uint64_t n = 7;
        assert_ok(seg_fault_open(below, &s.fault, &test_err));
        put_expiring(s.plain, "k", 10);
        advance(20);
        seg_fault_set(s.fault, &plan);
        assert_ok(segue_reap(s.fault, 0, &n, &test_err));
        assert_true(s.taken);
        assert_int_equal(n, 0);
        segue_record rec = look_at(s.plain, "k");
        if (s.step == erase) assert_int_equal(rec.cas, 0);
        else assert_int_equal(rec.revision, 2);
        if (s.step != erase) assert_int_equal(rec.is_tombstone, s.step == reap_too);
        segue_close(s.fault);
        segue_close(below);
        segue_close(s.plain);
    }
}

/* Every call fails once, before and after it was applied; then it is done again. */
static void a_failure_is_one_and_the_next_time_does_it(void **state)
{
    static const segue_status failures[] = {SEGUE_UNAVAILABLE, SEGUE_MAYBE_APPLIED, SEGUE_IO_ERROR};
    (void)state;
    for (unsigned i = 0; i < 2 * 2 * 3; i++) {
        segue_store *s = open_quiet("mem:"), *fault = NULL;
        seg_fault_plan plan = {.nth = 1 + i % 2, .after = i / 2 % 2, .status = failures[i / 4]}, none = {0};
        uint64_t n = 7;
        assert_ok(seg_fault_open(s, &fault, &test_err));
        put_expiring(s, "a", 10);
        put_expiring(s, "b", 10);
        advance(20);
        seg_fault_set(fault, &plan);
        assert_status(segue_reap(fault, 0, &n, &test_err), plan.status);
        assert_int_equal(n, 0);
        seg_fault_set(fault, &none);
        assert_ok(segue_reap(fault, 0, &n, &test_err));
        assert_int_equal(n, plan.after && plan.nth == 2 ? 0 : 2);
        must_be_tombstone(s, "a", 2);
        must_be_tombstone(s, "b", 2);
        segue_close(fault);
        segue_close(s);
    }
}

/* ---- a store that fails in part ---- */

static segue_backend partly;
static segue_status part_status[3]; /* of the records of a batch, in order; OK: it is written */
static segue_status whole_status;   /* of the batch, of which nothing is written then */
static segue_status begin_status;
static int n_writes, n_ends; /* brackets that were opened for writing; that were closed */

static segue_status write_partly(void *self, segue_write *writes, size_t n, segue_call *call)
{
    assert_true(n <= 3);
    if (whole_status != SEGUE_OK) {
        for (size_t i = 0; i < n; i++) writes[i].status = SEGUE_OK;
        return segue_fail(call, whole_status, "the batch fails");
    }
    for (size_t i = 0; i < n; i++) {
        if ((writes[i].status = part_status[i]) != SEGUE_OK)
            (void)segue_fail(call, part_status[i], "part %zu fails", i);
        else writes[i].status = seg_backend_mem.put(self, &writes[i].put, &writes[i].cas, call);
    }
    return SEGUE_OK;
}

static segue_status note_begin(void *self, bool write, segue_call *call)
{
    (void)self;
    if (call->deadline_ns) fail_msg("a deadline that nobody has set");
    n_writes += write;
    return begin_status == SEGUE_OK ? SEGUE_OK : segue_fail(call, begin_status, "nobody may write");
}

static void note_end(void *self, segue_call *call)
{
    (void)self, (void)call;
    n_ends++;
}

/* Of which three have expired. */
static segue_store *with_three(const char *url)
{
    segue_store *s = open_quiet(url);
    put_expiring(s, "a", 10);
    put_expiring(s, "b", 11);
    put_expiring(s, "c", 12);
    advance(20);
    return s;
}

static segue_store *open_partly(void)
{
    if (!partly.scheme) {
        partly = seg_backend_mem;
        partly.scheme = "partly";
        partly.write_many = write_partly;
        partly.begin = note_begin;
        partly.end = note_end;
        assert_ok(segue_register_backend(&partly));
    }
    return with_three("partly:");
}

/* What was replaced counts, whatever else fails and in what order; the first failure is told. */
static void all_that_was_replaced_counts(void **state)
{
    static const struct {
        segue_status parts[3], whole, told;
        uint64_t n;
    } rows[] = {
        {{SEGUE_OK, SEGUE_OK, SEGUE_OK}, SEGUE_OK, SEGUE_OK, 3},
        {{SEGUE_OK, SEGUE_NO_SPACE, SEGUE_OK}, SEGUE_OK, SEGUE_NO_SPACE, 2},
        {{SEGUE_IO_ERROR, SEGUE_NO_SPACE, SEGUE_CAS_MISMATCH}, SEGUE_OK, SEGUE_IO_ERROR, 0},
        {{SEGUE_CAS_MISMATCH, SEGUE_OK, SEGUE_NOT_FOUND}, SEGUE_OK, SEGUE_OK, 1},
        {{SEGUE_EXISTS, SEGUE_EXISTS, SEGUE_OK}, SEGUE_OK, SEGUE_OK, 1},
        {{SEGUE_OK, SEGUE_OK, SEGUE_OK}, SEGUE_UNAVAILABLE, SEGUE_UNAVAILABLE, 0},
        {{SEGUE_OK, SEGUE_OK, SEGUE_OK}, SEGUE_MAYBE_APPLIED, SEGUE_MAYBE_APPLIED, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        segue_store *s = open_partly();
        uint64_t n = 7;
        n_writes = n_ends = 0;
        memcpy(part_status, rows[i].parts, sizeof part_status);
        whole_status = rows[i].whole;
        segue_status st = segue_reap(s, 0, &n, &test_err);
        if (st != rows[i].told || n != rows[i].n)
            fail_msg("row %zu: %s, %llu replaced, not %s, %llu", i, segue_status_name(st), (unsigned long long)n,
                     segue_status_name(rows[i].told), (unsigned long long)rows[i].n);
        assert_int_equal(n_overdue(s), 3 - n);
        assert_int_equal(n_writes, 1);
        assert_int_equal(n_ends, 1);
        begin_status = SEGUE_READ_ONLY;
        assert_status(segue_reap(s, 0, &n, &test_err), SEGUE_READ_ONLY);
        begin_status = SEGUE_OK;
        assert_int_equal(n, 0);
        assert_int_equal(n_ends, 1);
        segue_close(s);
    }
}

/* Without batches they are written one by one: the failure ends it, and those before it count. */
static void one_by_one_those_before_a_failure_count(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth <= 3; nth++) {
        segue_store *s = with_three("mem:?caps=-write_many"), *fault = NULL;
        seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = nth, .status = SEGUE_NO_SPACE};
        uint64_t n = 7;
        assert_ok(seg_fault_open(s, &fault, &test_err));
        seg_fault_set(fault, &plan);
        assert_status(segue_reap(fault, 0, &n, &test_err), SEGUE_NO_SPACE);
        assert_int_equal(n, nth - 1);
        assert_int_equal(seg_fault_count(fault), nth);
        must_be_tombstone(s, "a", nth > 1 ? 2 : 1);
        must_be_tombstone(s, "c", 1);
        segue_close(fault);
        segue_close(s);
    }
}

/* The failure is told with how many were replaced until then, nothing leaks, and the next time does the rest. */
static void memory_that_runs_out_is_told_and_done_later(void **state)
{
    segue_status st;
    int n_told = 0;
    long nth = 0;
    (void)state;
    test_memory_begin();
    segue_store *s = with_three("mem:");
    do {
        uint64_t n = 7;
        long before = atomic_load(&test_memory_live);
        size_t overdue = n_overdue(s);
        test_fault_arm(&test_memory, ++nth, true);
        st = segue_reap(s, 0, &n, &test_err);
        test_fault_heal(&test_memory);
        if (st != SEGUE_OK) assert_int_equal(st, SEGUE_NO_MEMORY);
        if (st != SEGUE_OK) n_told += strstr(test_err.message, "out of memory for what has expired") != NULL;
        if (st != SEGUE_OK && n == 0) assert_int_equal(atomic_load(&test_memory_live), before);
        assert_int_equal(n_overdue(s), overdue - n);
    } while (st != SEGUE_OK);
    assert_int_equal(n_overdue(s), 0);
    assert_int_equal(n_told, 1);
    segue_close(s);
    test_memory_end();
}

/* ---- threads ---- */

enum { DOCS = 40 };

typedef struct team {
    const char *url;
    _Atomic uint64_t writes[DOCS], reaped;
    _Atomic bool over;
    _Atomic(const char *) problem;
} team;

static const char *key_of(char key[8], unsigned i)
{
    (void)snprintf(key, 8, "k%02u", i % 100); /* fits */
    return key;
}

/* Every document is written with an expiry that has passed, so that it must be reaped before the next one. */
static void *write_all(void *arg)
{
    team *t = arg;
    char key[8];
    segue_error err = {0};
    segue_open_options options = {&now, SEGUE_OPEN_NO_REAPER};
    segue_store *s = NULL;
    segue_status st = segue_open(t->url, &options, &s, &err);
    for (unsigned i = 0; i < 10 * DOCS && st == SEGUE_OK; i++) {
        segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("1"), .expiry = segue_expiry_at(1 + i)};
        st = segue_mutate(s, K(key_of(key, i % DOCS)), &m, NULL, NULL, NULL, &err);
        if (st == SEGUE_OK) atomic_fetch_add(&t->writes[i % DOCS], 1);
    }
    if (st != SEGUE_OK) atomic_store(&t->problem, segue_status_name(st));
    segue_close(s);
    return NULL;
}

static void *reap_all(void *arg)
{
    team *t = arg;
    segue_error err = {0};
    segue_open_options options = {&now, SEGUE_OPEN_NO_REAPER};
    segue_store *s = NULL;
    segue_status st = segue_open(t->url, &options, &s, &err);
    for (bool last = false; st == SEGUE_OK && !last;) {
        uint64_t n = 0;
        last = atomic_load(&t->over);
        st = segue_reap(s, 0, &n, &err);
        atomic_fetch_add(&t->reaped, n);
    }
    if (st != SEGUE_OK) atomic_store(&t->problem, segue_status_name(st));
    segue_close(s);
    return NULL;
}

/* Revisions count every write: what was acknowledged, and one more for each reaping. */
static void no_write_is_lost_and_none_reaped_twice(void **state)
{
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        team t = {.url = url_of(kind)};
        pthread_t threads[4];
        char key[8];
        uint64_t written = 0, revisions = 0;
        segue_store *s = open_quiet(t.url);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? write_all : reap_all, &t), 0);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            if (i == 1) atomic_store(&t.over, true);
        }
        if (t.problem) fail_msg("%s: %s", t.url, t.problem);
        for (unsigned i = 0; i < DOCS; i++) {
            segue_record rec = look_at(s, key_of(key, i));
            assert_true(rec.is_tombstone);
            written += t.writes[i];
            revisions += rec.revision;
        }
        if (revisions != written + t.reaped)
            fail_msg("%s: %llu revisions of %llu writes and %llu reapings", t.url, (unsigned long long)revisions,
                     (unsigned long long)written, (unsigned long long)t.reaped);
        assert_int_equal(n_overdue(s), 0);
        segue_close(s);
    }
}

/* ---- processes ---- */

enum { MANY = 3000 };

static void fill(void)
{
    segue_store *s = open_quiet(url_of(1));
    segue_write *writes = calloc(MANY, sizeof *writes);
    char(*keys)[8] = calloc(MANY, sizeof *keys);
    assert_non_null(writes);
    assert_non_null(keys);
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(keys[i], 8, "k%05u", i % 100000); /* fits */
        writes[i].put.rec = (segue_record){
            .key = K(keys[i]), .body = K("x"), .revision = 1, .expiry = 5 + i % 10, .is_json = false};
    }
    segue_call call = seg_call_new(s, 0, &test_err);
    assert_ok(seg_call_write_many(s, writes, MANY, &call));
    segue_close(s);
    free(writes);
    free(keys);
}

/* In a child: reap by itself and through the thread. Its exit code: what went wrong. */
static int reap_here(void)
{
    segue_store *s = NULL;
    segue_error err = {0};
    segue_open_options options = {&now, 0};
    char url[300];
    (void)snprintf(url, sizeof url, "sqlite:%s", test_path("app.db")); /* fits */
    if (segue_open(url, &options, &s, &err) != SEGUE_OK) return 2;
    for (uint64_t n = 1; n;) {
        segue_status st = segue_reap(s, 100, &n, &err);
        if (st != SEGUE_OK && !segue_status_is_retryable(st)) return 3;
        if (st != SEGUE_OK) n = 1;
    }
    segue_close(s);
    return 0;
}

static void count(const char *sql, int want)
{
    const char *got = test_file_ask("app.db", sql);
    if (atoi(got) != want) fail_msg("%s: %s, not %d", sql, got, want);
}

static void several_processes_reap_each_once(void **state)
{
    pid_t children[3];
    (void)state;
    fill();
    for (int i = 0; i < 3; i++)
        if ((children[i] = fork()) == 0) _exit(reap_here());
    for (int i = 0; i < 3; i++) {
        int how = 0;
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        if (!WIFEXITED(how) || WEXITSTATUS(how)) fail_msg("child %d ended with %d", i, how);
    }
    count("SELECT count(*) FROM records WHERE state=1 AND revision=2 AND expiry=0 AND body IS NULL", MANY);
    count("SELECT count(DISTINCT cas) FROM records", MANY);
}

static void a_kill_does_no_harm(void **state)
{
    int how = 0;
    (void)state;
    fill();
    pid_t child = fork();
    if (child == 0) _exit(reap_here());
    while (atoi(test_file_ask("app.db", "SELECT count(*) FROM records WHERE state=1")) == 0) {
        if (waitpid(child, &how, WNOHANG) == child) fail_msg("the child ended with %d and had reaped nothing", how);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &how, 0), child);
    count("SELECT count(*) FROM records WHERE (state=1 AND revision=2 AND expiry=0) OR "
          "(state=0 AND revision=1 AND expiry BETWEEN 5 AND 14)",
          MANY);
    assert_int_equal(reap_here(), 0);
    count("SELECT count(*) FROM records WHERE state=1 AND revision=2 AND expiry=0", MANY);
}

/* ---- beside a migration ---- */

typedef struct beside {
    segue_store *reaper; /* the fallback through a handle with a clock that is ahead: all has expired there */
    unsigned at;
    _Atomic unsigned n; /* the migration has threads */
} beside;

static void reap_fallback(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count_so_far)
{
    beside *b = ctx;
    segue_error err = {0};
    (void)op, (void)key, (void)count_so_far;
    if (after || atomic_fetch_add(&b->n, 1) + 1 != b->at) return;
    segue_status st = segue_reap(b->reaper, 0, NULL, &err);
    if (st != SEGUE_OK) fail_msg("reaping the fallback: %s: %s", segue_status_name(st), err.message);
}

static void migrate(segue_store *from, segue_store *to, bool keep, const char *what)
{
    segue_policy *policy = NULL;
    segue_migration *m = NULL;
    segue_migration_status status = {0};
    assert_ok(segue_policy_parse(K("{\"unmatched\":\"move\",\"rules\":[]}"), &policy, &test_err));
    segue_migration_options options = {.policy = policy, .workers = 1, .page_docs = 3, .keep = keep};
    assert_ok(segue_migration_open(from, to, &options, &m, &test_err));
    segue_status st = segue_migration_run(m, &test_err);
    if (st != SEGUE_OK) fail_msg("%s: %s: %s", what, segue_status_name(st), test_err.message);
    assert_ok(segue_migration_status_read(to, "default", &status, &test_err));
    if (status.counts.foreign_writes) fail_msg("%s: a foreign write was counted", what);
    segue_migration_status_free(&status);
    segue_migration_close(m);
    segue_policy_free(policy);
}

/* Six that expire, one of them taken over by a client in the primary, and three that do not. */
static bool migrate_beside_a_reaper(const char *from_url, const char *to_url, bool keep, unsigned at)
{
    segue_store *from = open_quiet(from_url), *to = open_quiet(to_url), *fault = NULL, *dual = NULL;
    beside b = {.reaper = open_with(from_url, &ahead, SEGUE_OPEN_NO_REAPER), .at = at};
    seg_fault_plan plan = {.hook = reap_fallback, .hook_ctx = &b};
    char key[8], what[200];
    (void)snprintf(what, sizeof what, "%s to %s%s, reaped before call %u", from_url, to_url, keep ? ", keeping" : "",
                   at);
    assert_ok(seg_fault_open(from, &fault, &test_err));
    for (unsigned i = 0; i < 9; i++) put_expiring(from, key_of(key, i), i % 3 == 2 ? 0 : 1000);
    assert_ok(segue_dual_open(to, from, NULL, &dual, &test_err));
    uint64_t taken_over = put_expiring(dual, "k04", 0);
    segue_close(dual);
    seg_fault_set(fault, &plan);
    migrate(fault, to, keep, what);
    assert_int_equal(test_n_records(from), keep ? 9 : 0);
    assert_int_equal(test_n_records(to), 9);
    for (unsigned i = 0; i < 9; i++) {
        segue_record rec = look_at(to, key_of(key, i));
        bool must_live = i % 3 == 2 || i == 4;
        if (rec.is_tombstone && must_live) fail_msg("%s: %s was deleted", what, key);
        if (!rec.is_tombstone && !must_live && !rec.expiry) fail_msg("%s: %s lives for ever", what, key);
    }
    assert_int_equal(look_at(to, "k04").cas, taken_over);
    advance(1000);
    for (unsigned i = 0; i < 9; i++)
        if (i % 3 != 2 && i != 4 && !look_at(to, key_of(key, i)).is_tombstone) fail_msg("%s: %s came back", what, key);
    segue_close(fault);
    segue_close(b.reaper);
    segue_close(from);
    segue_close(to);
    return b.n >= at;
}

static void what_another_process_reaps_is_no_foreign_write(void **state)
{
    static const char *const primaries[] = {"mem:other", "mem:other?caps=-keep_cas", "mem:same?collection=s.c"};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        unsigned at = 0;
        while (migrate_beside_a_reaper("mem:same", primaries[i / 2], i % 2, ++at))
            if (at == 200) fail_msg("it does not end");
        assert_true(at > 3); /* it was reaped in between */
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(the_tombstone_is_the_one_that_was_read),
        TEST(each_reaped_document_is_an_event_of_a_feed),
        TEST(the_earliest_go_first_and_no_more_than_asked),
        TEST(an_expiry_counts_no_longer_than_its_record),
        TEST(without_the_capability_it_says_so),
        TEST(a_bucket_is_reaped_by_its_own_index),
        TEST(memory_that_runs_out_leaves_the_order_right),
        TEST(whoever_is_faster_wins),
        TEST(a_failure_is_one_and_the_next_time_does_it),
        TEST(all_that_was_replaced_counts),
        TEST(one_by_one_those_before_a_failure_count),
        TEST(memory_that_runs_out_is_told_and_done_later),
        TEST(no_write_is_lost_and_none_reaped_twice),
        TEST(several_processes_reap_each_once),
        TEST(a_kill_does_no_harm),
        TEST(what_another_process_reaps_is_no_foreign_write),
    };
    return cmocka_run_group_tests_name("test_reap", tests, NULL, NULL);
}
