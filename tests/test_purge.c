/* Purging: tombstones stay while a migration into the store, or a dual store over it in this process, may need them, whoever
 * asks, and whenever that begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <pthread.h>

#include <segue/migrate.h>
#include <segue/ops.h>

#include "backend/mem/mem.h"
#include "doc/stage.h"
#include "store/filters.h"
#include "support/file.h"
#include "support/memory.h"

#define K(text) segue_str(text)

static segue_store *open_url(const char *url)
{
    segue_open_options options = {.flags = SEGUE_OPEN_NO_REAPER};
    segue_store *s = NULL;
    assert_ok(segue_open(url, &options, &s, &test_err));
    return s;
}

static void set(segue_store *s, const char *key)
{
    assert_ok(segue_set(s, K(key), K("{\"v\":1}"), segue_expiry_none(), NULL, NULL, &test_err));
}

static void leave_tombstone(segue_store *s, const char *key)
{
    set(s, key);
    assert_ok(segue_delete(s, K(key), NULL, &test_err));
}

static bool is_there(segue_store *s, const char *key)
{
    segue_doc doc = {0};
    segue_status st = segue_get_record(s, K(key), NULL, &doc, &test_err);
    segue_doc_free(&doc);
    return st == SEGUE_OK;
}

static void must_refuse(segue_store *s, const char *why, const char *when)
{
    uint64_t n = 77;
    segue_status st = segue_purge_tombstones(s, &n, &test_err);
    if (st != SEGUE_REFUSED || n != 0 || !strstr(test_err.message, why))
        fail_msg("%s, purge of %s: %s, %llu purged: %s; expected: %s", when, segue_store_url(s), segue_status_name(st),
                 (unsigned long long)n, st == SEGUE_OK ? "" : test_err.message, why);
}

static void must_purge(segue_store *s, uint64_t want, const char *when)
{
    uint64_t n = 77;
    segue_status st = segue_purge_tombstones(s, &n, &test_err);
    if (st != SEGUE_OK || n != want)
        fail_msg("%s, purge of %s: %s, %llu purged, expected %llu: %s", when, segue_store_url(s), segue_status_name(st),
                 (unsigned long long)n, (unsigned long long)want, st == SEGUE_OK ? "" : test_err.message);
}

/* ---- migrations ---- */

typedef segue_status (*migration_step)(segue_migration *m, segue_error *err);

static void take(segue_store *from, segue_store *to, const segue_migration_options *o, migration_step step)
{
    segue_migration *m = NULL;
    assert_ok(segue_migration_open(from, to, o, &m, &test_err));
    segue_status st = step(m, &test_err);
    segue_migration_close(m);
    if (st != SEGUE_OK && st != SEGUE_NOT_FINISHED) fail_msg("%s: %s", segue_status_name(st), test_err.message);
}

static void migrate_and_purge(const char *from_url, const char *to_url, bool keep, const segue_policy *policy)
{
    segue_store *from = open_url(from_url), *to = open_url(to_url), *again = open_url(to_url), *filter = NULL;
    segue_store *dual = NULL;
    segue_doc doc = {0};
    segue_migration_options o = {.name = "foo", .policy = policy, .keep = keep, .hold_seal = true, .hold_clean = true};
    assert_ok(seg_stats_open(again, &filter, &test_err));
    set(from, "a");
    set(from, "b");
    take(from, to, &o, segue_migration_run);
    assert_ok(segue_delete(to, K("a"), NULL, &test_err));
    must_refuse(to, "the migration \"foo\" into it is not clean, it is verified", "verified");
    must_refuse(filter, "\"foo\"", "verified");
    assert_ok(segue_dual_open(to, from, NULL, &dual, &test_err));
    assert_status(segue_get(dual, K("a"), NULL, &doc, &test_err), SEGUE_NOT_FOUND); /* it was deleted */
    segue_close(dual);
    take(NULL, to, &o, segue_migration_seal);
    must_refuse(again, "it is sealed", "sealed");
    assert_true(is_there(to, "a"));
    take(NULL, to, &o, segue_migration_clean);
    must_purge(again, 1, "clean");
    assert_false(is_there(to, "a"));
    segue_doc_free(&doc);
    segue_close(filter);
    segue_close(again);
    segue_close(to);
    segue_close(from);
}

static void a_migration_under_any_name_needs_them_until_it_is_clean(void **state)
{
    static const char text[] = "{\"unmatched\":\"move\",\"rules\":[]}";
    char from[400], to[400];
    segue_policy *policy = NULL;
    (void)state;
    assert_ok(segue_policy_parse(K(text), &policy, &test_err));
    for (int keep = 0; keep < 2; keep++) {
        (void)snprintf(from, sizeof from, "mem:purge%d?collection=s.f", keep); /* all fit */
        (void)snprintf(to, sizeof to, "mem:purge%d?collection=s.p", keep);
        migrate_and_purge(from, to, keep, policy);
        (void)snprintf(from, sizeof from, "sqlite:%s?collection=s.f%d", test_path("app.db"), keep);
        (void)snprintf(to, sizeof to, "sqlite:%s?collection=s.p%d", test_path("app.db"), keep);
        migrate_and_purge(from, to, keep, policy);
        (void)snprintf(to, sizeof to, "sqlite:%s?collection=s.p%d", test_path("new.db"), keep);
        migrate_and_purge(from, to, keep, policy);
    }
    segue_policy_free(policy);
}

/* body NULL: a tombstone. */
static void put_status(segue_store *s, const char *name, const char *body)
{
    char key[128];
    segue_call call = seg_call_new(s, 0, &test_err);
    (void)snprintf(key, sizeof key, SEG_STATUS_PREFIX "%s", name); /* fits */
    segue_put put = {.rec = {.key = K(key), .is_tombstone = !body, .revision = 1}, .condition = SEGUE_IF_ANY};
    if (body) put.rec.body = K(body);
    assert_ok(seg_call_put(s, &put, NULL, &call));
}

static void put_stage(segue_store *s, const char *name, const char *stage)
{
    char body[200];
    (void)snprintf(body, sizeof body, "{\"segue\":1,\"name\":\"%s\",\"stage\":\"%s\"}", name, stage); /* fits */
    put_status(s, name, body);
}

static void every_record_must_say_that_it_is_clean(void **state)
{
    static const char *const damaged[] = {
        "",
        "{",
        "null",
        "{}",
        "[\"clean\"]",
        "{\"segue\":1,\"name\":\"m\"}",
        "{\"segue\":1,\"stage\":\"clean\"}",
        "{\"name\":\"m\",\"stage\":\"clean\"}",
        "{\"segue\":2,\"name\":\"m\",\"stage\":\"clean\"}",
        "{\"segue\":\"1\",\"name\":\"m\",\"stage\":\"clean\"}",
        "{\"segue\":1,\"name\":\"n\",\"stage\":\"clean\"}",
        "{\"segue\":1,\"name\":\"m\",\"stage\":\"none\"}",
        "{\"segue\":1,\"name\":\"m\",\"stage\":\"cleaned\"}",
        "{\"segue\":1,\"name\":\"m\",\"stage\":1234567}", /* as long as \"clean\" */
        "{\"segue\":1,\"name\":\"m\",\"stage\":\"clean\"",
        "{\"segue\":1,\"segue\":\"1\",\"name\":\"m\",\"stage\":\"clean\"}",
        NULL,
    };
    char name[16];
    (void)state;
    segue_store *s = open_url("mem:");
    leave_tombstone(s, "k");
    for (segue_stage stage = SEGUE_STAGE_STARTING; stage < SEGUE_STAGE_CLEAN; stage++) {
        put_stage(s, "m", segue_stage_name(stage));
        must_refuse(s, segue_stage_name(stage), "of each stage");
    }
    assert_string_equal(segue_stage_name((segue_stage)(SEGUE_STAGE_CLEAN + 1)), "?");
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        put_status(s, "m", damaged[i]);
        must_refuse(s, "its status record \"_segue:migration:m\" cannot be understood",
                    damaged[i] ? damaged[i] : "gone");
    }
    put_stage(s, "m", "clean");
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof name, "m%02u", i); /* fits */
        put_stage(s, name, "clean");
    }
    put_stage(s, "m49", "sealed"); /* the last of many */
    must_refuse(s, "\"m49\"", "of many");
    put_stage(s, "m49", "clean");
    must_purge(s, 1, "all are clean");
    segue_close(s);
}

/* ---- dual stores in this process ---- */

static void a_dual_store_needs_those_of_its_primary_until_it_is_clean(void **state)
{
    (void)state;
    for (segue_phase phase = SEGUE_PHASE_LEGACY; phase <= SEGUE_PHASE_CLEAN; phase++) {
        segue_store *p = open_url("mem:p"), *same = open_url("mem:p"), *f = open_url("mem:f"),
                    *other = open_url("mem:o");
        segue_store *dual = NULL, *clean = NULL, *filter = NULL;
        segue_dual_options options = {phase}, is_clean = {SEGUE_PHASE_CLEAN};
        const char *when = segue_phase_name(phase);
        assert_ok(segue_dual_open(p, f, &options, &dual, &test_err));
        assert_ok(segue_dual_open(same, other, &is_clean, &clean, &test_err));
        assert_ok(seg_stats_open(same, &filter, &test_err));
        segue_store *const ways[] = {p, same, filter, clean};
        for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
            leave_tombstone(p, "k");
            if (phase == SEGUE_PHASE_CLEAN) must_purge(ways[i], 1, when);
            else must_refuse(ways[i], "not clean", when);
        }
        leave_tombstone(f, "k");
        must_purge(f, 1, "the fallback's own");
        for (segue_phase next = phase + 1; next <= SEGUE_PHASE_CLEAN; next++)
            assert_ok(segue_dual_set_phase(dual, next, 0, &test_err));
        leave_tombstone(p, "k");
        must_purge(same, 1, "clean in the end");
        segue_close(filter);
        segue_close(clean);
        segue_close(dual);
        segue_close(other);
        segue_close(f);
        segue_close(same);
        segue_close(p);
    }
}

/* It says so itself, and at once: whoever asks need not wait until writers may go on. */
static void a_dual_store_that_is_held_is_not_waited_for(void **state)
{
    (void)state;
    segue_store *p = open_url("mem:p"), *f = open_url("mem:f"), *dual = NULL;
    segue_dual_options held = {SEGUE_PHASE_HOLD};
    assert_ok(segue_dual_open(p, f, &held, &dual, &test_err));
    leave_tombstone(p, "k");
    must_refuse(dual, "tombstones hide the fallback until the dual store is clean", "held");
    segue_close(dual);
    segue_close(f);
    segue_close(p);
}

static void a_dual_store_that_is_closed_needs_nothing(void **state)
{
    (void)state;
    segue_store *p = open_url("mem:p"), *f = open_url("mem:f"), *dual = NULL;
    assert_ok(segue_dual_open(p, f, NULL, &dual, &test_err));
    leave_tombstone(p, "k");
    must_refuse(p, "not clean", "open");
    segue_close(dual);
    must_purge(p, 1, "closed");
    segue_close(f);
    segue_close(p);
}

/* ---- what begins meanwhile ---- */

typedef struct meanwhile {
    segue_store *p, *f, *dual;
    bool opens; /* a dual store; else a migration begins */
} meanwhile;

/* The tombstones were read, and none is erased yet. */
static void begin_something(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    meanwhile *m = ctx;
    (void)op, (void)key;
    if (!after || count != 2) return;
    if (m->opens) assert_ok(segue_dual_open(m->p, m->f, NULL, &m->dual, &test_err));
    else put_stage(m->p, "later", "starting");
}

static void what_begins_meanwhile_ends_it(void **state)
{
    (void)state;
    for (int opens = 0; opens < 2; opens++) {
        meanwhile m = {open_url("mem:p"), open_url("mem:f"), NULL, opens};
        segue_store *fault = NULL;
        seg_fault_plan plan = {.ops = SEG_OP_SCAN, .hook = begin_something, .hook_ctx = &m};
        leave_tombstone(m.p, "k");
        assert_ok(seg_fault_open(m.p, &fault, &test_err));
        seg_fault_set(fault, &plan);
        must_refuse(fault, opens ? "a dual store" : "\"later\"", "begun meanwhile");
        assert_true(seg_fault_count(fault) >= 2);
        assert_true(is_there(m.p, "k"));
        segue_close(fault);
        segue_close(m.dual);
        segue_close(m.f);
        segue_close(m.p);
    }
}

typedef struct opener {
    segue_store *p, *f, *dual;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool waits, opened; /* it has found a page that is being erased; it is through */
    pthread_t thread;
    segue_status st;
} opener;

static opener late;

static void tell(bool *what)
{
    pthread_mutex_lock(&late.lock);
    *what = true;
    pthread_cond_broadcast(&late.change);
    pthread_mutex_unlock(&late.lock);
}

static void tell_and_sleep(void *ctx, int64_t ns)
{
    (void)ctx;
    int64_t most = late.waits ? 10000000 : 100000; /* longer each time, at most that */
    if (ns < 1 || ns > most) fail_msg("it waits for %lld ns", (long long)ns);
    tell(&late.waits);
    segue_env_default()->sleep_ns(NULL, ns);
}

static void *open_dual(void *arg)
{
    segue_error err = {0};
    (void)arg;
    late.st = segue_dual_open(late.p, late.f, NULL, &late.dual, &err);
    tell(&late.opened);
    return NULL;
}

static void open_dual_meanwhile(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    (void)ctx, (void)op, (void)key;
    if (after) return;
    if (count == 1) assert_int_equal(pthread_create(&late.thread, NULL, open_dual, NULL), 0);
    pthread_mutex_lock(&late.lock);
    while (!late.waits && !late.opened) pthread_cond_wait(&late.change, &late.lock);
    bool opened = late.opened;
    pthread_mutex_unlock(&late.lock);
    if (opened) fail_msg("the dual store was opened while tombstones that were there before it are erased");
}

static void a_dual_store_opens_between_two_pages(void **state)
{
    segue_env env = *segue_env_default();
    segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER};
    segue_store *s = open_url("mem:p"), *fault = NULL;
    seg_fault_plan plan = {.ops = SEG_OP_ERASE, .hook = open_dual_meanwhile};
    (void)state;
    late = (opener){.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER, .f = open_url("mem:f")};
    env.sleep_ns = tell_and_sleep;
    assert_ok(segue_open("mem:p", &options, &late.p, &test_err));
    leave_tombstone(s, "j");
    leave_tombstone(s, "k");
    assert_ok(seg_fault_open(s, &fault, &test_err));
    seg_fault_set(fault, &plan);
    must_purge(fault, 2, "in one page");
    assert_int_equal(pthread_join(late.thread, NULL), 0);
    assert_int_equal(late.st, SEGUE_OK);
    seg_fault_set(fault, &(seg_fault_plan){0});
    leave_tombstone(s, "k");
    must_refuse(s, "not clean", "now it is open");
    segue_close(late.dual);
    segue_close(late.p);
    segue_close(late.f);
    segue_close(fault);
    segue_close(s);
}

/* ---- guards and pages come and go in any order ---- */

static bool may_it(void *dual) { return *(const bool *)dual; }

static void each_guard_counts_while_it_is_there(void **state)
{
    (void)state;
    bool may[3] = {true, true, true};
    segue_store *s = open_url("mem:guarded"), *other = open_url("mem:other");
    seg_purge_guard guards[3], stranger = {.may_purge = may_it, .dual = may};
    for (size_t i = 0; i < 3; i++) {
        guards[i] = (seg_purge_guard){.may_purge = may_it, .dual = &may[i]};
        seg_purge_guard_add(s, &guards[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        may[i] = false;
        leave_tombstone(s, "k");
        must_refuse(s, "not clean", "one of three says no");
        leave_tombstone(other, "k");
        must_purge(other, 1, "not theirs");
        may[i] = true;
        must_purge(s, 1, "all say yes");
    }
    may[0] = may[1] = may[2] = false;
    static const size_t order[] = {1, 0, 2}; /* the middle, the last, the first of the list */
    for (size_t i = 0; i < 3; i++) {
        leave_tombstone(s, "k");
        must_refuse(s, "not clean", "some are left");
        seg_purge_guard_remove(&stranger);
        seg_purge_guard_remove(&guards[order[i]]);
        seg_purge_guard_remove(&guards[order[i]]);
    }
    must_purge(s, 1, "none is left");
    segue_close(other);
    segue_close(s);
}

/* Whoever comes and goes while a guard is asked. */
static struct {
    segue_store *store; /* another one */
    seg_purge_guard comes, goes;
    pthread_t threads[2];
    _Atomic int n_through;
    int n_asked, at; /* they try when it is asked the how manieth time */
} passing;

static bool yes(void *dual) { return (void)dual, true; }

static void *come(void *arg)
{
    (void)arg;
    seg_purge_guard_add(passing.store, &passing.comes);
    atomic_fetch_add(&passing.n_through, 1);
    return NULL;
}

static void *go(void *arg)
{
    (void)arg;
    seg_purge_guard_remove(&passing.goes);
    atomic_fetch_add(&passing.n_through, 1);
    return NULL;
}

static bool ask_while_others_try(void *dual)
{
    (void)dual;
    if (++passing.n_asked != passing.at) return true;
    assert_int_equal(pthread_create(&passing.threads[0], NULL, come, NULL), 0);
    assert_int_equal(pthread_create(&passing.threads[1], NULL, go, NULL), 0);
    for (int i = 0; i < 20; i++) { /* that they wait cannot be seen, only that they do not */
        segue_env_default()->sleep_ns(NULL, 1000000);
        if (atomic_load(&passing.n_through)) fail_msg("a guard comes or goes while another one is asked");
    }
    return true;
}

/* It is asked before all, and before each page. */
static void no_guard_comes_or_goes_while_one_is_asked(void **state)
{
    (void)state;
    segue_store *s = open_url("mem:");
    seg_purge_guard guard = {.may_purge = ask_while_others_try};
    passing.store = open_url("mem:elsewhere");
    passing.n_asked = 0;
    seg_purge_guard_add(s, &guard);
    for (int i = 0; i < 2; i++) {
        leave_tombstone(s, "k");
        passing.comes = passing.goes = (seg_purge_guard){.may_purge = yes};
        seg_purge_guard_add(passing.store, &passing.goes);
        atomic_store(&passing.n_through, 0);
        passing.at = i ? 4 : 1;
        must_purge(s, 1, "asked while others try");
        for (int n = 0; n < 2; n++) assert_int_equal(pthread_join(passing.threads[n], NULL), 0);
        seg_purge_guard_remove(&passing.comes);
    }
    assert_int_equal(passing.n_asked, 4);
    seg_purge_guard_remove(&guard);
    segue_close(passing.store);
    segue_close(s);
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool inside, first_is_over; /* the second erases; the first has returned */
    segue_store *second;
    pthread_t thread;
    segue_status st;
    uint64_t n;
} two = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

static void set_flag(bool *flag)
{
    pthread_mutex_lock(&two.lock);
    *flag = true;
    pthread_cond_broadcast(&two.change);
    pthread_mutex_unlock(&two.lock);
}

static void wait_for_flag(const bool *flag)
{
    pthread_mutex_lock(&two.lock);
    while (!*flag) pthread_cond_wait(&two.change, &two.lock);
    pthread_mutex_unlock(&two.lock);
}

static void *purge_second(void *arg)
{
    segue_error err = {0};
    (void)arg;
    two.st = segue_purge_tombstones(two.second, &two.n, &err);
    return NULL;
}

static void begin_second(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    (void)ctx, (void)op, (void)key;
    if (after || count != 1) return;
    assert_int_equal(pthread_create(&two.thread, NULL, purge_second, NULL), 0);
    wait_for_flag(&two.inside);
}

static void outlast_first(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    (void)ctx, (void)op, (void)key, (void)count;
    if (after) return;
    set_flag(&two.inside);
    wait_for_flag(&two.first_is_over);
}

static void purges_of_two_stores_do_not_wait_for_each_other(void **state)
{
    (void)state;
    segue_store *a = open_url("mem:a"), *b = open_url("mem:b"), *fault = NULL;
    seg_fault_plan first = {.ops = SEG_OP_ERASE, .hook = begin_second};
    seg_fault_plan second = {.ops = SEG_OP_ERASE, .hook = outlast_first};
    leave_tombstone(a, "k");
    leave_tombstone(b, "k");
    assert_ok(seg_fault_open(a, &fault, &test_err));
    assert_ok(seg_fault_open(b, &two.second, &test_err));
    seg_fault_set(fault, &first);
    seg_fault_set(two.second, &second);
    must_purge(fault, 1, "the first, whose page began before");
    set_flag(&two.first_is_over);
    assert_int_equal(pthread_join(two.thread, NULL), 0);
    assert_int_equal(two.st, SEGUE_OK);
    assert_int_equal(two.n, 1);
    for (int i = 0; i < 2; i++) { /* and nothing of either is left that a guard would wait for */
        bool no = false;
        seg_purge_guard guard = {.may_purge = may_it, .dual = &no};
        seg_purge_guard_add(i ? a : b, &guard);
        seg_purge_guard_remove(&guard);
    }
    segue_close(two.second);
    segue_close(fault);
    segue_close(b);
    segue_close(a);
}

/* ---- failures ---- */

enum { MANY = 1100 }; /* more than two pages */

/* Tombstones, and one document before and behind them, and a tombstone of Segue's own. */
static void plant(segue_store *s)
{
    char key[16];
    segue_call call = seg_call_new(s, 0, &test_err);
    segue_put put = {.rec = {.key = K("_segue:own"), .is_tombstone = true, .revision = 1}, .condition = SEGUE_IF_ANY};
    assert_ok(seg_call_put(s, &put, NULL, &call));
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "k%04u", i); /* fits */
        put.rec.key = K(key);
        assert_ok(seg_call_put(s, &put, NULL, &call));
    }
    set(s, "a");
    set(s, "z");
}

/* Each scan fails once, and each of some erases: it is told, with how many went until then, and the next time does the rest. */
static void a_failure_is_told_with_what_was_erased(void **state)
{
    static const seg_store_op ops[] = {SEG_OP_SCAN, SEG_OP_ERASE};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        segue_store *s = open_url("mem:"), *fault = NULL;
        bool fired = true;
        plant(s);
        assert_ok(seg_fault_open(s, &fault, &test_err));
        for (unsigned nth = 1; fired; nth += i ? 400 : 1) {
            seg_fault_plan plan = {.ops = ops[i], .nth = nth, .status = SEGUE_NO_SPACE};
            size_t before = test_n_records(s);
            uint64_t n = 77777;
            seg_fault_set(fault, &plan);
            segue_status st = segue_purge_tombstones(fault, &n, &test_err);
            fired = seg_fault_fired(fault);
            if (st != (fired ? SEGUE_NO_SPACE : SEGUE_OK) || n != before - test_n_records(s) ||
                (i && fired && n != nth - 1))
                fail_msg("call %u fails: %s, %llu purged", nth, segue_status_name(st), (unsigned long long)n);
            if (fired && !strstr(test_err.message, "injected")) fail_msg("it says %s", test_err.message);
            if (fired && !i) plant(s);
        }
        assert_int_equal(test_n_records(s), 2);
        assert_true(is_there(s, "a") && is_there(s, "z"));
        segue_close(fault);
        segue_close(s);
    }
}

/* A page goes on behind the last record of the one before. What is beside the status records is none. */
static void each_record_is_read_once(void **state)
{
    (void)state;
    enum { PAGE = 512, STATUS_PAGE = 16 };
    segue_store *s = open_url("mem:"), *fault = NULL;
    segue_call call = seg_call_new(s, 0, &test_err);
    segue_put put = {.rec = {.body = K("{}"), .revision = 1}, .condition = SEGUE_IF_ANY};
    seg_fault_plan plan = {.ops = SEG_OP_SCAN};
    const char *const beside[] = {"_segue:migration;", "_segue:migration;m", "_segue:migration", "_segue:migration9m"};
    char name[16];
    for (size_t i = 0; i < 4; i++) {
        put.rec.key = K(beside[i]);
        assert_ok(seg_call_put(s, &put, NULL, &call));
    }
    for (unsigned i = 0; i < 3 * STATUS_PAGE - 1; i++) {
        (void)snprintf(name, sizeof name, "m%02u", i); /* fits */
        put_stage(s, name, "clean");
    }
    unsigned n_own = 4 + 3 * STATUS_PAGE - 1;
    for (unsigned i = 0; i < 3 * PAGE - 1 - n_own; i++) {
        (void)snprintf(name, sizeof name, "k%04u", i); /* fits */
        set(s, name);
    }
    assert_ok(seg_fault_open(s, &fault, &test_err));
    seg_fault_set(fault, &plan);
    must_purge(fault, 0, "no tombstones");
    assert_int_equal(seg_fault_count(fault), 3 + 3);
    assert_ok(segue_delete(s, K("k0000"), NULL, &test_err));
    seg_fault_set(fault, &plan);
    must_purge(fault, 1, "one tombstone");
    assert_int_equal(seg_fault_count(fault), 3 + 3 + 3); /* asked once more before it */
    segue_close(fault);
    segue_close(s);
}

enum { AT_EACH_END = 60 };

/* Memory that runs out for a moment or for good is told, not taken for an answer, and nothing leaks. Two pages of records, and
 * three of migrations. */
static void without_memory_it_is_told(void **state)
{
    (void)state;
    test_memory_begin();
    segue_store *s = open_url("mem:");
    char name[16];
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "m%02u", i); /* fits */
        put_stage(s, name, "clean");
    }
    for (unsigned i = 0; i < 520; i++) {
        (void)snprintf(name, sizeof name, "k%03u", i); /* fits */
        set(s, name);
    }
    long total = 0;
    for (long nth = 0; nth <= 2 * total + 2; nth++) {
        if (total && nth / 2 > AT_EACH_END && nth / 2 < total - AT_EACH_END) continue; /* the same again and again */
        leave_tombstone(s, "x");
        long before = atomic_load(&test_memory_live);
        uint64_t n = 77;
        test_fault_arm(&test_memory, nth / 2, nth % 2);
        segue_status st = segue_purge_tombstones(s, &n, &test_err);
        bool fired = atomic_load(&test_memory.fired);
        if (!total) total = atomic_load(&test_memory.seen);
        test_fault_arm(&test_memory, 0, false);
        if (st != (fired ? SEGUE_NO_MEMORY : SEGUE_OK) || n != !is_there(s, "x"))
            fail_msg("allocation %ld of %ld fails: %s, %llu purged", nth / 2, total, segue_status_name(st),
                     (unsigned long long)n);
        if (fired && (test_err.status != SEGUE_NO_MEMORY || !test_err.message[0])) fail_msg("without a sentence");
        if (fired && n == 0 && atomic_load(&test_memory_live) != before) fail_msg("allocation %ld: a leak", nth / 2);
    }
    segue_close(s);
    test_memory_end();
}

/* What has come to life meanwhile stays, what is gone is gone; neither ends it, nor counts. */
static void what_others_did_meanwhile_does_not_count(void **state)
{
    static const segue_status answers[] = {SEGUE_CAS_MISMATCH, SEGUE_NOT_FOUND};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        segue_store *s = open_url("mem:"), *fault = NULL;
        seg_fault_plan plan = {.ops = SEG_OP_ERASE, .nth = 2, .status = answers[i]};
        leave_tombstone(s, "j");
        leave_tombstone(s, "k");
        leave_tombstone(s, "l");
        assert_ok(seg_fault_open(s, &fault, &test_err));
        seg_fault_set(fault, &plan);
        must_purge(fault, 2, segue_status_name(answers[i]));
        assert_true(is_there(s, "k"));
        assert_ok(segue_purge_tombstones(s, NULL, NULL));
        assert_false(is_there(s, "k"));
        segue_close(fault);
        segue_close(s);
    }
}

/* ---- brackets ---- */

static segue_backend bracketed;
static char brackets[32]; /* "r" and "w" open one, ")" closes it */
static char fails_at;     /* which one cannot be opened */

static segue_status note_begin(void *self, bool write, segue_call *call)
{
    (void)self;
    if (call->deadline_ns) fail_msg("a deadline that nobody has set");
    if (fails_at == (write ? 'w' : 'r')) return segue_fail(call, SEGUE_UNAVAILABLE, "nobody comes in");
    (void)snprintf(brackets + strlen(brackets), sizeof brackets - strlen(brackets), write ? "w" : "r"); /* few */
    return SEGUE_OK;
}

static void note_end(void *self, segue_call *call)
{
    (void)self, (void)call;
    (void)snprintf(brackets + strlen(brackets), sizeof brackets - strlen(brackets), ")");
}

static void brackets_are(const char *want, const char *when)
{
    if (strcmp(brackets, want) != 0) fail_msg("%s: %s, not %s", when, brackets, want);
    brackets[0] = 0;
}

/* It is asked first, so that whoever may not purge need not wait until he may write. */
static void it_is_asked_before_it_may_write(void **state)
{
    (void)state;
    bracketed = seg_backend_mem;
    bracketed.scheme = "bracketed";
    bracketed.begin = note_begin;
    bracketed.end = note_end;
    assert_ok(segue_register_backend(&bracketed));
    segue_store *s = open_url("bracketed:");
    leave_tombstone(s, "k");
    put_stage(s, "m", "sealed");
    brackets[0] = 0;
    must_refuse(s, "sealed", "by a migration");
    brackets_are("r)", "by a migration");
    put_stage(s, "m", "clean");
    bool no = false;
    uint64_t n = 77;
    seg_purge_guard guard = {.may_purge = may_it, .dual = &no};
    seg_purge_guard_add(s, &guard);
    must_refuse(s, "not clean", "by a guard");
    brackets_are("r)", "by a guard");
    seg_purge_guard_remove(&guard);
    for (const char *at = "rw"; *at; at++) {
        fails_at = *at;
        assert_status(segue_purge_tombstones(s, &n, &test_err), SEGUE_UNAVAILABLE);
        assert_int_equal(n, 0);
        brackets_are(*at == 'r' ? "" : "r)", "when one cannot be opened");
    }
    fails_at = 0;
    must_purge(s, 1, "in the end");
    brackets_are("r)w)", "in the end");
    segue_close(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(a_migration_under_any_name_needs_them_until_it_is_clean),
        TEST(every_record_must_say_that_it_is_clean),
        TEST(a_dual_store_needs_those_of_its_primary_until_it_is_clean),
        TEST(a_dual_store_that_is_held_is_not_waited_for),
        TEST(a_dual_store_that_is_closed_needs_nothing),
        TEST(what_begins_meanwhile_ends_it),
        TEST(a_dual_store_opens_between_two_pages),
        TEST(each_guard_counts_while_it_is_there),
        TEST(no_guard_comes_or_goes_while_one_is_asked),
        TEST(purges_of_two_stores_do_not_wait_for_each_other),
        TEST(a_failure_is_told_with_what_was_erased),
        TEST(each_record_is_read_once),
        TEST(without_memory_it_is_told),
        TEST(what_others_did_meanwhile_does_not_count),
        TEST(it_is_asked_before_it_may_write),
    };
    return cmocka_run_group_tests_name("test_purge", tests, NULL, NULL);
}
