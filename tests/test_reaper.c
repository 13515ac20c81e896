/* The background reaper: when there is a thread and when there is none, what wakes it, what it may not touch, and that handles,
 * phases and forks come and go beside it. Clocks are moved; where real time matters, the test waits until it is so. */
#include "reaping.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <segue/migrate.h>

#include "store/reaper.h"
#include "store/registry.h"

/* The allocators of the sanitizers do not survive a fork beside another thread. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER 1
#else
#define WITH_SANITIZER 0
#endif

/* How many threads this process has that are called segue-reaper. */
static int n_reapers(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        char path[300], name[32] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name); /* fits */
        FILE *comm = fopen(path, "r");
        if (!comm) continue; /* "." and "..", or it has just ended */
        if (fgets(name, sizeof name, comm) && strcmp(name, "segue-reaper\n") == 0) n++;
        (void)fclose(comm);
    }
    (void)closedir(tasks);
    return n;
}

static void must_run(bool yes, const char *when)
{
    int n = n_reapers();
    if (seg_reaper_is_running() != yes || n != (yes ? 1 : 0))
        fail_msg("%s: %d reapers, and it is said that there is %s", when, n, seg_reaper_is_running() ? "one" : "none");
}

/* ---- when there is one ---- */

static void nothing_runs_while_nothing_expires(void **state)
{
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        segue_store *s = open_reaped(url_of(kind));
        if (segue_store_caps(s) & SEGUE_CAP_SHARED) { /* what expires can be another process's at any time */
            must_run(true, "where others may write");
            segue_close(s);
            must_run(false, "after the close");
            continue;
        }
        put_expiring(s, "k", 0);
        assert_ok(segue_incr(s, K("n"), 1, &(uint64_t){1}, segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(segue_set(s, K("k"), K("2"), segue_expiry_keep(), NULL, NULL, &test_err));
        assert_ok(segue_touch(s, K("k"), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(segue_delete(s, K("k"), NULL, &test_err));
        must_run(false, "without expiry");
        assert_status(segue_touch(s, K("k"), segue_expiry_in(9), NULL, NULL, &test_err), SEGUE_NOT_FOUND);
        must_run(false, "after a touch of nothing");
        put_expiring(s, "k", 1000);
        must_run(true, "with an expiry");
        segue_store *other = open_reaped("mem:");
        segue_close(s);
        must_run(true, "while another store is open");
        segue_close(other);
        must_run(false, "after the last close");
    }
}

static void it_begins_at_open_where_something_expires(void **state)
{
    (void)state;
    for (int kind = 1; kind < N_KINDS; kind++) {
        const char *url = url_of(kind);
        char off[420];
        (void)snprintf(off, sizeof off, "%s%creap=off", url, strchr(url, '?') ? '&' : '?'); /* fits */
        segue_store *s = open_with(off, &now, 0);
        put_expiring(s, "k", 1000);
        must_run(false, "reap=off");
        segue_close(s);
        s = open_with(url, &now, SEGUE_OPEN_READ_ONLY);
        must_run(false, "opened for reading");
        segue_store *quiet = open_quiet(url);
        must_run(false, "SEGUE_OPEN_NO_REAPER");
        segue_store *reaped = open_reaped(url);
        must_run(true, "opened");
        advance(1000);
        seg_reaper_settle();
        must_be_tombstone(quiet, "k", 2);
        segue_close(s);
        segue_close(quiet);
        segue_close(reaped);
        must_run(false, "closed");
    }
    segue_store *on = open_with("mem:?reap=on", &now, 0), *none = NULL;
    put_expiring(on, "k", 1000);
    must_run(true, "reap=on");
    segue_close(on);
    assert_status(segue_open("mem:?reap=maybe", NULL, &none, &test_err), SEGUE_INVALID_URL);
    assert_says("reap=maybe");
    assert_status(segue_open("dual:?reap=off&primary=mem:a&fallback=mem:b", NULL, &none, &test_err), SEGUE_INVALID_URL);
}

/* ---- what wakes it ---- */

static void it_reaps_by_itself_in_real_time(void **state)
{
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        segue_store *s = open_reaped(url_of(kind));
        put_expiring(s, "later", 100000);
        put_expiring(s, "k", 1);
        for (int i = 0; look_at(s, "k").revision == 1; i++) {
            if (i == 3000) fail_msg("%s: not reaped after 30 s", segue_store_url(s));
            real_sleep_ns(NULL, 10000000);
        }
        must_be_tombstone(s, "k", 2);
        assert_int_equal(look_at(s, "later").revision, 1);
        segue_close(s);
    }
}

static segue_status expiring(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current;
    m->body_op = SEGUE_BODY_SET;
    m->body = K("1");
    m->expiry = segue_expiry_in(50);
    return SEGUE_OK;
}

/* Each way to store an expiry is heard of, and each document goes at its own time. */
static void every_way_to_set_an_expiry_is_heard_of(void **state)
{
    static const char *const caps[] = {"", "&caps=-mutate", "&caps=-write_many"};
    char url[64];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(url, sizeof url, "mem:heard?collection=s.c%s", caps[i]); /* fits */
        segue_store *s = open_reaped(url), *quiet = open_quiet("mem:heard?collection=s.c");
        segue_store *from = open_quiet("mem:heard?collection=s.from"), *filter = NULL;
        segue_write w = {.put.rec = {.key = K("batch"), .body = K("1"), .revision = 1}};
        segue_record rec = {.key = K("record"), .body = K("1"), .revision = 1, .cas = 5};
        segue_call call = seg_call_new(s, 0, &test_err);
        assert_ok(seg_stats_open(s, &filter, &test_err));
        put_expiring(s, "last", 100000);
        w.put.rec.expiry = rec.expiry = (uint32_t)seg_wall_s(&now) + 50;
        segue_move move = {.key = K("moved"), .cas = put_expiring(from, "moved", 50)};
        for (int way = 0; way < 8; way++) {
            uint64_t n = 0;
            if (way == 0) put_expiring(s, "mutate", 50);
            if (way == 1) assert_ok(segue_update(s, K("update"), expiring, NULL, NULL, NULL, &test_err));
            if (way == 2) assert_ok(segue_touch(s, K("last"), segue_expiry_in(50), NULL, NULL, &test_err));
            if (way == 3) assert_ok(seg_call_write_many(s, &w, 1, &call));
            if (way == 4) assert_ok(segue_put_record(s, &rec, 0, NULL, NULL, &test_err));
            if (way == 5) assert_ok(seg_call_move(from, s, &move, 1, &call));
            if (way == 6) put_expiring(quiet, "another handle", 50);
            if (way == 7) put_expiring(filter, "filter", 50);
            advance(49);
            seg_reaper_settle();
            n = n_overdue(s);
            advance(2);
            size_t overdue = n_overdue(s);
            seg_reaper_settle();
            if (n || n_overdue(s)) fail_msg("%s, way %d: %zu were overdue, %zu are", url, way, overdue, n_overdue(s));
            if (way < 3 || way > 5) continue;
            w.put.rec.expiry = rec.expiry = (uint32_t)seg_wall_s(&now) + 50; /* relative to what has passed */
        }
        segue_close(filter);
        segue_close(s);
        segue_close(quiet);
        segue_close(from);
    }
}

/* ---- what other processes store ---- */

/* A child that is made before the store is open here, and a line to each side. */
typedef struct other_process {
    pid_t pid;
    int to, from;
} other_process;

static bool say(int fd) { return write(fd, "", 1) == 1; }
static bool hear(int fd)
{
    char byte;
    return read(fd, &byte, 1) == 1;
}

/* Its exit code: where it went wrong. It stores a document, and may reap it itself at the same time as everybody else. */
static int store_and_reap(const char *url, const char *key, bool reaps, int in, int out)
{
    segue_error err = {0};
    segue_open_options options = {&now, reaps ? 0 : SEGUE_OPEN_NO_REAPER};
    segue_store *s = NULL;
    const segue_xattr system = {K("_s"), K("1")};
    segue_xattr_write w = {.body = K("{}"), .set = &system, .n_set = 1, .expiry = segue_expiry_in(10)};
    if (!hear(in)) return 1;
    if (segue_open(url, &options, &s, &err) != SEGUE_OK) return 2;
    if (segue_write_with_xattrs(s, K(key), 0, &w, NULL, NULL, &err) != SEGUE_OK) return 3;
    seg_reaper_settle();
    if (!say(out) || !hear(in)) return 4;
    let_pass(60);
    seg_reaper_settle();
    segue_close(s);
    return 0;
}

static other_process begin_process(const char *url, const char *key, bool reaps)
{
    int to[2], from[2];
    assert_true(pipe(to) == 0 && pipe(from) == 0);
    other_process p = {fork(), to[1], from[0]};
    if (p.pid == 0) {
        (void)close(to[1]); /* so that it ends with the parent */
        _exit(store_and_reap(url, key, reaps, to[0], from[1]));
    }
    assert_true(p.pid > 0);
    (void)close(to[0]); /* the child's */
    (void)close(from[1]);
    return p;
}

static void reap_what_another_stores(const char *url, const char *key, bool it_reaps_too)
{
    other_process other = begin_process(url, key, it_reaps_too);
    segue_store *s = open_reaped(url);
    int how = 0;
    seg_reaper_settle();
    assert_true(say(other.to) && hear(other.from));
    advance(10);
    seg_reaper_settle();
    must_be_tombstone(s, key, 1); /* it reads so; nobody here has looked */
    let_pass(60);
    assert_true(say(other.to));
    seg_reaper_settle();
    assert_int_equal(waitpid(other.pid, &how, 0), other.pid);
    if (!WIFEXITED(how) || WEXITSTATUS(how)) fail_msg("%s: the other process ended with %d", url, how);
    must_be_tombstone(s, key, 2);
    let_pass(60);
    seg_reaper_settle();
    must_be_tombstone(s, key, 2);
    (void)close(other.to);
    (void)close(other.from);
    segue_close(s);
}

static void what_others_store_is_reaped_within_a_minute_and_once(void **state)
{
    (void)state;
    for (int kind = 1; kind < N_KINDS; kind++) {
        const char *url = url_of(kind);
        reap_what_another_stores(url, "by one", false);
        reap_what_another_stores(url, "by two", true);
    }
}

/* ---- failures ---- */

static segue_backend flaky;
static _Atomic int n_failures, n_calls, n_warnings;

static segue_status fail_at_first(void *self, uint64_t until, segue_page *page, uint32_t *ret_next, segue_call *call)
{
    atomic_fetch_add(&n_calls, 1);
    if (atomic_fetch_sub(&n_failures, 1) > 0) return segue_fail(call, SEGUE_IO_ERROR, "flaky: the disk is loose");
    return seg_backend_find("mem")->expired(self, until, page, ret_next, call);
}

static void count_warnings(void *ctx, segue_log_level level, const char *line)
{
    (void)ctx;
    if (level == SEGUE_LOG_WARN && strstr(line, "flaky: the disk is loose")) atomic_fetch_add(&n_warnings, 1);
}

static _Atomic bool is_shared;

static unsigned flaky_caps(const void *self)
{
    return seg_backend_find("mem")->caps(self) | (atomic_load(&is_shared) ? SEGUE_CAP_SHARED : 0);
}

static void register_flaky(void)
{
    if (flaky.scheme) return;
    flaky = *seg_backend_find("mem");
    flaky.scheme = "flaky";
    flaky.expired = fail_at_first;
    flaky.caps = flaky_caps;
    assert_ok(segue_register_backend(&flaky));
}

/* A look costs a call, and a store that cannot be reaped is asked by nobody. */
static void only_a_shared_store_is_looked_at_for_nothing(void **state)
{
    (void)state;
    register_flaky();
    for (int shared = 0; shared < 2; shared++) {
        atomic_store(&is_shared, shared);
        segue_store *s = open_reaped("flaky:same"), *again = open_reaped("flaky:same"), *mem = open_reaped("mem:");
        put_expiring(mem, "k", 100000); /* so that there is a thread */
        seg_reaper_settle();
        atomic_store(&n_calls, 0);
        for (int minute = 1; minute <= 3; minute++) {
            let_pass(30);
            seg_reaper_settle();
            assert_int_equal(atomic_load(&n_calls), shared ? minute - 1 : 0);
            let_pass(30);
            seg_reaper_settle();
            assert_int_equal(atomic_load(&n_calls), shared ? minute : 0); /* one for both handles */
        }
        segue_close(s);
        segue_close(again);
        segue_close(mem);
    }
    atomic_store(&is_shared, false);
}

static void a_failure_is_logged_and_tried_again_later(void **state)
{
    (void)state;
    register_flaky();
    segue_set_log(count_warnings, NULL, SEGUE_LOG_WARN);
    segue_store *s = open_reaped("flaky:"), *fine = open_reaped("mem:");
    atomic_store(&n_calls, 0);
    atomic_store(&n_failures, 1);
    put_expiring(s, "k", 10);
    put_expiring(fine, "k", 10);
    advance(20);
    seg_reaper_settle();
    must_be_tombstone(fine, "k", 2);
    must_be_tombstone(s, "k", 1);
    assert_int_equal(atomic_load(&n_warnings), 1);
    assert_int_equal(atomic_load(&n_calls), 1); /* it is not tried at once, and for nobody else's sake */
    for (int i = 0; look_at(s, "k").revision == 1; i++) {
        if (i == 3000) fail_msg("not tried again after 30 s");
        real_sleep_ns(NULL, 10000000);
    }
    must_be_tombstone(s, "k", 2);
    segue_close(s);
    segue_close(fine);
    segue_set_log(NULL, NULL, SEGUE_LOG_ERROR);
}

/* ---- where it may not write ---- */

static void a_fallback_is_reaped_in_legacy_only(void **state)
{
    static const segue_phase phases[] = {SEGUE_PHASE_HOLD, SEGUE_PHASE_FORWARD, SEGUE_PHASE_SEALED, SEGUE_PHASE_CLEAN};
    (void)state;
    for (int one_file = 0; one_file < 2; one_file++) {
        char p_url[400], f_url[400];
        (void)snprintf(f_url, sizeof f_url, "sqlite:%s?collection=s.f", test_path("app.db")); /* fits */
        (void)snprintf(p_url, sizeof p_url, "sqlite:%s?collection=s.p", test_path(one_file ? "app.db" : "new.db"));
        segue_store *p = open_reaped(p_url), *f = open_reaped(f_url), *other = open_reaped(f_url), *dual = NULL;
        segue_dual_options legacy = {SEGUE_PHASE_LEGACY};
        assert_ok(segue_dual_open(p, f, &legacy, &dual, &test_err));
        put_expiring(dual, "legacy", 10);
        advance(10);
        seg_reaper_settle();
        must_be_tombstone(f, "legacy", one_file ? 2 : 2);
        put_expiring(f, "held", 10);
        put_expiring(p, "primary", 10);
        for (int i = 0; i < 4; i++) {
            assert_ok(segue_dual_set_phase(dual, phases[i], 0, &test_err));
            if (i == 1) put_expiring(dual, "client's", 10);
            advance(10);
            seg_reaper_settle();
            assert_int_equal(n_overdue(p), 0);
            if (n_overdue(f) != 1) fail_msg("%s: the fallback was reaped", segue_phase_name(phases[i]));
            put_expiring(p, "primary", 10);
        }
        must_be_tombstone(dual, "client's", 2);
        segue_close(dual);
        seg_reaper_settle();
        assert_int_equal(n_overdue(f), 0); /* it is a store like any other again */
        must_be_tombstone(f, "held", 2);
        segue_close(p);
        segue_close(f);
        segue_close(other);
        must_run(false, "closed");
        (void)unlink(test_path("app.db"));
    }
}

static void what_a_migration_moves_is_not_reaped_here(void **state)
{
    (void)state;
    segue_store *from = open_reaped("mem:from"), *to = open_reaped("mem:to");
    segue_migration *m = NULL;
    put_expiring(from, "k", 10);
    put_expiring(to, "k", 10);
    assert_ok(segue_migration_open(from, to, NULL, &m, &test_err));
    advance(10);
    seg_reaper_settle();
    assert_int_equal(n_overdue(from), 1);
    assert_int_equal(n_overdue(to), 0);
    segue_migration_close(m);
    seg_reaper_settle();
    assert_int_equal(n_overdue(from), 0);
    segue_close(from);
    segue_close(to);
}

/* ---- coming and going ---- */

enum { ROUNDS = 60 };

typedef struct visitor {
    const char *urls[2];
    unsigned n;
    const char *problem;
} visitor;

/* Opens, writes what has expired already, reads, closes: again and again. */
static void *come_and_go(void *arg)
{
    visitor *v = arg;
    segue_error err = {0};
    segue_doc doc = {0};
    char key[8];
    for (unsigned i = 0; i < ROUNDS && !v->problem; i++) {
        segue_store *s = NULL, *t = NULL;
        (void)snprintf(key, sizeof key, "k%u", (v->n + i) % 5); /* fits */
        if (segue_open(v->urls[i % 2], NULL, &s, &err) != SEGUE_OK ||
            segue_open(v->urls[0], NULL, &t, &err) != SEGUE_OK)
            v->problem = "cannot open";
        else if (segue_set(s, K(key), K("1"), segue_expiry_at(1 + i), NULL, NULL, &err) != SEGUE_OK ||
                 segue_get(t, K("k0"), NULL, &doc, &err) != SEGUE_NOT_FOUND)
            v->problem = "cannot write or read";
        segue_close(s);
        segue_close(t);
    }
    segue_doc_free(&doc);
    return NULL;
}

static void handles_come_and_go_beside_it(void **state)
{
    char file[300];
    (void)state;
    (void)snprintf(file, sizeof file, "sqlite:%s?sync=off", test_path("app.db")); /* fits */
    segue_store *s = open_reaped(file);
    visitor visitors[4];
    pthread_t threads[4];
    put_expiring(s, "x", 10);
    segue_close(s);
    for (unsigned i = 0; i < 4; i++) {
        visitors[i] = (visitor){.urls = {i % 2 ? file : "mem:busy", "mem:"}, .n = i};
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &visitors[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (visitors[i].problem) fail_msg("%u: %s", i, visitors[i].problem);
    }
    must_run(false, "all have left");
}

/* Phases change while the fallback is being reaped: each change waits for it, and afterwards nothing is written there. */
static void a_change_of_phase_waits_for_it(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        segue_store *p = open_reaped("mem:p"), *f = open_reaped("mem:f"), *dual = NULL;
        segue_dual_options legacy = {SEGUE_PHASE_LEGACY};
        char key[8];
        assert_ok(segue_dual_open(p, f, &legacy, &dual, &test_err));
        for (int k = 0; k < 20 * i; k++) {
            (void)snprintf(key, sizeof key, "k%d", k % 1000); /* fits */
            assert_ok(segue_set(dual, K(key), K("1"), segue_expiry_at(1), NULL, NULL, &test_err));
        }
        assert_ok(segue_dual_set_phase(dual, SEGUE_PHASE_FORWARD, 0, &test_err));
        size_t n = n_overdue(f);
        seg_reaper_settle();
        assert_int_equal(n_overdue(f), n);
        segue_close(dual);
        segue_close(p);
        segue_close(f);
    }
}

/* The child's exit code: where it went wrong. */
static int in_the_child(segue_store *inherited)
{
    segue_error err = {0};
    segue_open_options options = {&now, 0};
    segue_store *s = NULL;
    if (seg_reaper_is_running() || n_reapers()) return 1;
    segue_close(inherited);
    if (segue_open("mem:of the child", &options, &s, &err) != SEGUE_OK) return 2;
    if (segue_set(s, K("k"), K("1"), segue_expiry_in(10), NULL, NULL, &err) != SEGUE_OK) return 3;
    if (!seg_reaper_is_running() || n_reapers() != 1) return 4;
    advance(10);
    seg_reaper_settle();
    if (look_at(s, "k").revision != 2) return 5;
    segue_close(s);
    return seg_reaper_is_running() ? 6 : 0;
}

static segue_store *inherited;
static int child_of_fork(void) { return in_the_child(inherited); }

static void a_child_of_fork_has_its_own(void **state)
{
    (void)state;
    if (WITH_SANITIZER) {
        print_message("skipped: a sanitizer's allocator may hang in a child of a process with threads\n");
        skip();
    }
    for (int kind = 0; kind < N_KINDS; kind++) {
        inherited = open_reaped(url_of(kind));
        put_expiring(inherited, "k", 10);
        must_run(true, "before fork");
        assert_int_equal(test_in_child(child_of_fork), 0);
        must_run(true, "in the parent");
        advance(10);
        seg_reaper_settle();
        must_be_tombstone(inherited, "k", 2);
        segue_close(inherited);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(nothing_runs_while_nothing_expires),
        TEST(it_begins_at_open_where_something_expires),
        TEST(it_reaps_by_itself_in_real_time),
        TEST(every_way_to_set_an_expiry_is_heard_of),
        TEST(what_others_store_is_reaped_within_a_minute_and_once),
        TEST(only_a_shared_store_is_looked_at_for_nothing),
        TEST(a_failure_is_logged_and_tried_again_later),
        TEST(a_fallback_is_reaped_in_legacy_only),
        TEST(what_a_migration_moves_is_not_reaped_here),
        TEST(handles_come_and_go_beside_it),
        TEST(a_change_of_phase_waits_for_it),
        TEST(a_child_of_fork_has_its_own),
    };
    return cmocka_run_group_tests_name("test_reaper", tests, NULL, NULL);
}
