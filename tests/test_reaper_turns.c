/* The background reaper, turn by turn: how long it means to sleep (its waits are overheard, not waited for), in what order it
 * takes the stores, who may keep it out, and what it says when something fails, its own thread too. */
#include "reaping.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "backend/mem/mem.h"
#include "store/reaper.h"
#include "support/memory.h"

/* The allocators of the sanitizers do not survive a fork beside another thread. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER 1
#else
#define WITH_SANITIZER 0
#endif

/* ---- overheard: the library calls these instead of the C library's ---- */

typedef int wait_fn(pthread_cond_t *, pthread_mutex_t *);
typedef int timed_wait_fn(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static wait_fn *real_wait;
static timed_wait_fn *real_timed_wait;
static create_fn *real_create;
static pthread_t test_thread;
static _Atomic int64_t asked_ns; /* of the reaper's last wait; INT64_MAX: it has no end */
static _Atomic unsigned n_waits;
static _Atomic bool no_threads;
static _Atomic bool test_waits, no_patience; /* the test's own thread waits; where that has an end, it comes at once */

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    if (pthread_equal(pthread_self(), test_thread)) {
        atomic_store(&test_waits, true);
    } else {
        atomic_store(&asked_ns, INT64_MAX);
        atomic_fetch_add(&n_waits, 1);
    }
    return real_wait(cond, mutex);
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
    struct timespec at = {0};
    (void)clock_gettime(clock, &at); /* it is a clock that exists */
    atomic_store(&asked_ns, (until->tv_sec - at.tv_sec) * INT64_C(1000000000) + until->tv_nsec - at.tv_nsec);
    if (pthread_equal(pthread_self(), test_thread)) {
        atomic_store(&test_waits, true);
        if (atomic_load(&no_patience)) return ETIMEDOUT;
    }
    atomic_fetch_add(&n_waits, 1);
    return real_timed_wait(cond, mutex, clock, until);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return atomic_load(&no_threads) ? EAGAIN : real_create(thread, attr, run, arg);
}

static int overhear(void **state)
{
    void *wait = dlsym(RTLD_NEXT, "pthread_cond_wait"), *timed_wait = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
    void *create = dlsym(RTLD_NEXT, "pthread_create");
    (void)state;
    memcpy(&real_wait, &wait, sizeof wait);
    memcpy(&real_timed_wait, &timed_wait, sizeof wait);
    memcpy(&real_create, &create, sizeof create);
    test_thread = pthread_self();
    return wait && timed_wait && create ? 0 : -1;
}

/* The stores' clocks stand still but for advance() and let_pass(). */
static int64_t still_wall_ns(void *ctx)
{
    return (void)ctx, INT64_C(1800000000) * 1000000000 + atomic_load(&clock_skew_ns);
}
static int64_t still_mono_ns(void *ctx) { return (void)ctx, INT64_C(1000000000) + atomic_load(&passed_ns); }
static const segue_env still = {NULL, still_wall_ns, still_mono_ns, real_sleep_ns, real_random};

/* What it waits for when it has nothing to do. It begins to wait under its lock: a wait that is heard of after a settling is
 * one that was begun after it. */
static int64_t next_wait(const char *when)
{
    seg_reaper_settle();
    unsigned before = atomic_load(&n_waits);
    seg_reaper_settle();
    for (int i = 0; atomic_load(&n_waits) == before; i++) {
        if (i == 3000) fail_msg("%s: it does not wait", when);
        real_sleep_ns(NULL, i ? 10000000 : 100000);
    }
    return atomic_load(&asked_ns);
}

/* In seconds: at most so much, and less only by what this test takes. */
static void waits_for(int seconds, const char *when)
{
    double got = (double)next_wait(when) / 1e9;
    if (got > seconds || got < seconds - 0.9) fail_msg("%s: it waits for %.3f s, not %d", when, got, seconds);
}

static void waits_for_ever(const char *when)
{
    int64_t ns = next_wait(when);
    if (ns != INT64_MAX) fail_msg("%s: it waits for %.3f s", when, (double)ns / 1e9);
}

/* ---- an engine that is watched ---- */

static segue_backend watched;
static _Atomic bool is_shared;
static _Atomic int n_failures, n_calls; /* the next so many calls fail; the calls */
static _Atomic int n_look_failures;     /* the same, of those that only look when something expires */
static char order[64]; /* of the stores in which something was looked for, under no lock but the order */
static void (*meanwhile)(segue_store *s);
static segue_store *meanwhile_in;

static const void *self_of[2];

static segue_status watched_open(void *self, const segue_open_args *args, segue_call *call)
{
    const char *name = segue_url_path(args->url);
    if (name[0] == 'a' || name[0] == 'b') self_of[name[0] - 'a'] = self;
    return seg_backend_mem.open(self, args, call);
}

static segue_status watched_expired(void *self, uint64_t until, segue_page *page, uint32_t *ret_next, segue_call *call)
{
    size_t at = strlen(order);
    atomic_fetch_add(&n_calls, 1);
    if (until && at + 1 < sizeof order) {
        order[at] = self == self_of[0] ? 'a' : self == self_of[1] ? 'b' : '?';
        order[at + 1] = 0;
    }
    if (atomic_fetch_sub(until ? &n_failures : &n_look_failures, 1) > 0)
        return segue_fail(call, SEGUE_IO_ERROR, "watched: the disk is loose");
    segue_status st = seg_backend_mem.expired(self, until, page, ret_next, call);
    if (until && meanwhile) {
        void (*step)(segue_store *) = meanwhile;
        meanwhile = NULL;
        step(meanwhile_in);
    }
    return st;
}

static unsigned watched_caps(const void *self)
{
    return seg_backend_mem.caps(self) | (atomic_load(&is_shared) ? SEGUE_CAP_SHARED : 0);
}

static segue_store *open_watched(const char *url)
{
    if (!watched.scheme) {
        watched = seg_backend_mem;
        watched.scheme = "watched";
        watched.open = watched_open;
        watched.expired = watched_expired;
        watched.caps = watched_caps;
        assert_ok(segue_register_backend(&watched));
    }
    atomic_store(&n_failures, 0);
    atomic_store(&n_look_failures, 0);
    order[0] = 0;
    return open_with(url, &still, 0);
}

static void expire_at_once(segue_store *s, unsigned n)
{
    char key[8];
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "k%03u", i % 1000); /* fits */
        put_expiring(s, key, 10);
    }
}

/* ---- how long it sleeps ---- */

static void it_sleeps_until_the_next_expiry_but_looks_at_the_clock(void **state)
{
    (void)state;
    segue_store *s = open_with("mem:", &still, 0), *other = open_with("mem:", &still, 0);
    put_expiring(s, "later", 100000);
    waits_for(60, "the clock may be set meanwhile");
    put_expiring(other, "k", 40);
    waits_for(40, "another store's");
    put_expiring(s, "k", 20);
    waits_for(20, "the earliest");
    put_expiring(s, "l", 30);
    waits_for(20, "the earliest still");
    advance(20);
    waits_for(10, "the next of the same store");
    must_be_tombstone(s, "k", 2);
    assert_int_equal(look_at(s, "l").revision, 1);
    advance(10);
    waits_for(10, "the other store's again");
    must_be_tombstone(s, "l", 2);
    advance(10);
    waits_for(60, "the last");
    must_be_tombstone(other, "k", 2);
    advance(100000);
    waits_for_ever("nothing expires any more");
    must_be_tombstone(s, "later", 2);
    segue_close(s);
    segue_close(other);
}

static void a_shared_store_is_looked_at_after_a_minute(void **state)
{
    (void)state;
    atomic_store(&is_shared, true);
    segue_store *s = open_watched("watched:a");
    waits_for(60, "just opened");
    let_pass(25);
    waits_for(35, "25 s later");
    put_expiring(s, "k", 50);
    waits_for(35, "what expires is later");
    put_expiring(s, "l", 10);
    waits_for(10, "what expires is earlier");
    let_pass(10);
    waits_for(40, "it has looked now, and one is left");
    let_pass(40);
    waits_for(60, "none is left");
    let_pass(60);
    atomic_store(&n_calls, 0);
    waits_for(60, "it has looked for nothing");
    assert_int_equal(atomic_load(&n_calls), 1);
    segue_close(s);
    atomic_store(&is_shared, false);
}

/* ---- failures ---- */

static _Atomic int n_warnings, n_debug;
static char last_line[400];

static void hear_log(void *ctx, segue_log_level level, const char *line)
{
    (void)ctx;
    if (level == SEGUE_LOG_WARN) atomic_fetch_add(&n_warnings, 1);
    if (level == SEGUE_LOG_DEBUG && strncmp(line, "reaper ", 7) == 0) atomic_fetch_add(&n_debug, 1);
    (void)snprintf(last_line, sizeof last_line, "%s", line);
}

static void listen(segue_log_level level)
{
    n_warnings = n_debug = 0;
    last_line[0] = 0;
    segue_set_log(hear_log, NULL, level);
}

static void must_say(const char *words)
{
    if (!strstr(last_line, words)) fail_msg("\"%s\" does not say %s", last_line, words);
}

/* So that it may be tried at once again. */
static void let_try_again(segue_store *s)
{
    seg_reap_guard guard = {.entered = true}; /* as it lay in memory */
    seg_reap_guard_add(s, &guard);
    seg_reap_guard_remove(&guard);
}

/* Of all handles of the store together: a second one is no second try. */
static void after_each_failure_it_waits_longer(void **state)
{
    static const int pauses[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    (void)state;
    segue_store *s = open_watched("watched:a"), *again = open_watched("watched:a");
    listen(SEGUE_LOG_WARN);
    put_expiring(s, "k", 10);
    atomic_store(&n_failures, 9);
    atomic_store(&n_calls, 0);
    advance(10);
    for (int i = 0; i < 9; i++) {
        waits_for(pauses[i], "after a failure");
        assert_int_equal(atomic_load(&n_calls), i + 1);
        assert_int_equal(atomic_load(&n_warnings), i + 1);
        must_say("reaper store=\"watched:a\" status=IO_ERROR reaped=0 message=\"watched: the disk is loose\"");
        must_be_tombstone(s, "k", 1);
        let_try_again(i % 2 ? s : again);
    }
    waits_for_ever("after a success");
    must_be_tombstone(s, "k", 2);
    assert_int_equal(atomic_load(&n_calls), 10);
    put_expiring(s, "l", 10);
    advance(10);
    atomic_store(&n_failures, 1);
    waits_for(1, "after the first failure since");
    segue_close(s);
    segue_close(again);
    segue_set_log(NULL, NULL, SEGUE_LOG_ERROR);
}

static void what_was_reaped_is_logged(void **state)
{
    (void)state;
    atomic_store(&is_shared, true);
    segue_store *s = open_watched("watched:a");
    listen(SEGUE_LOG_DEBUG);
    expire_at_once(s, 3);
    let_pass(10);
    seg_reaper_settle();
    assert_int_equal(atomic_load(&n_debug), 1);
    must_say("reaper store=\"watched:a\" reaped=3");
    let_pass(60);
    seg_reaper_settle(); /* it looks, and finds nothing */
    assert_int_equal(atomic_load(&n_debug), 1);
    assert_int_equal(atomic_load(&n_warnings), 0);
    segue_close(s);
    segue_set_log(NULL, NULL, SEGUE_LOG_ERROR);
    atomic_store(&is_shared, false);
}

static void without_a_thread_it_says_so_and_tries_again(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        atomic_store(&is_shared, shared);
        atomic_store(&no_threads, true);
        listen(SEGUE_LOG_WARN);
        segue_store *s = open_watched("watched:a");
        assert_int_equal(atomic_load(&n_warnings), shared); /* there it begins at once */
        put_expiring(s, "k", 20);
        assert_int_equal(atomic_load(&n_warnings), shared + 1);
        must_say("reaper status=");
        must_say("no thread could be made; the next expiry tries again");
        assert_false(seg_reaper_is_running());
        for (int i = 0; i < 3; i++) { /* earlier, the same, later: it is the next one, and tries */
            assert_int_equal(atomic_load(&n_warnings), shared + 1 + i);
            put_expiring(s, "l", 10 + 10 * (unsigned)i);
        }
        atomic_store(&no_threads, false);
        put_expiring(s, "l", 20);
        assert_true(seg_reaper_is_running());
        assert_int_equal(atomic_load(&n_warnings), shared + 4);
        waits_for(10, "the earliest that was heard of");
        advance(20);
        seg_reaper_settle();
        must_be_tombstone(s, "k", 2);
        must_be_tombstone(s, "l", 5);
        segue_close(s);
        assert_false(seg_reaper_is_running());
    }
    atomic_store(&is_shared, false);
    segue_set_log(NULL, NULL, SEGUE_LOG_ERROR);
}

/* ---- one after the other ---- */

static void a_store_with_much_to_do_lets_others_go_between(void **state)
{
    (void)state;
    segue_store *a = open_watched("watched:a"), *b = open_watched("watched:b");
    expire_at_once(a, 600); /* three pages each */
    expire_at_once(b, 600);
    order[0] = 0;
    advance(10);
    seg_reaper_settle();
    if (strcmp(order, "ababab") != 0 && strcmp(order, "bababa") != 0) fail_msg("the order is %s", order);
    assert_int_equal(n_overdue(a) + n_overdue(b), 0);
    segue_close(a);
    segue_close(b);
}

static void store_one_more(segue_store *s) { put_expiring(s, "meanwhile", 5); }

/* What is stored while it is at work is not forgotten. */
static void an_expiry_that_comes_meanwhile_counts(void **state)
{
    (void)state;
    for (int other_handle = 0; other_handle < 2; other_handle++) {
        segue_store *s = open_watched("watched:a"), *again = open_watched("watched:a");
        put_expiring(s, "k", 10);
        put_expiring(s, "later", 40);
        seg_reaper_settle();
        meanwhile_in = other_handle ? again : s;
        meanwhile = store_one_more;
        advance(10);
        waits_for(5, "it was stored meanwhile");
        advance(5);
        waits_for(25, "the one that was there before");
        must_be_tombstone(s, "meanwhile", 2);
        segue_close(s);
        segue_close(again);
    }
}

/* ---- who keeps it out ---- */

typedef struct doorman {
    segue_store *store;
    bool lets_in;
    int n_in, n_out;
} doorman;

static bool enter(void *ctx, segue_call *call)
{
    doorman *d = ctx;
    if (call->deadline_ns || call->env != &d->store->env || call->err) fail_msg("not a new call on the guard's store");
    call->pin = 77;
    d->n_in += d->lets_in;
    return d->lets_in;
}

static void leave(void *ctx, segue_call *call)
{
    doorman *d = ctx;
    if (call->pin != 77) fail_msg("leave is called on another call than enter");
    d->n_out++;
}

static void all_guards_must_let_it_in(void **state)
{
    (void)state;
    segue_store *s = open_watched("watched:a"), *b = open_watched("watched:b"), *again = open_watched("watched:a");
    doorman men[3] = {{.store = s}, {.store = again}, {.store = s}}, other = {.store = b};
    seg_reap_guard guards[3], of_other = {.enter = enter, .leave = leave, .ctx = &other};
    seg_reap_guard_add(b, &of_other);
    for (size_t i = 0; i < 3; i++) {
        guards[i] = (seg_reap_guard){.enter = enter, .leave = leave, .ctx = &men[i], .entered = true};
        seg_reap_guard_add(men[i].store, &guards[i]);
    }
    for (size_t who = 0; who < 4; who++) { /* who does not; the last time all do */
        for (size_t i = 0; i < 3; i++) men[i] = (doorman){men[i].store, i != who, 0, 0};
        put_expiring(s, "k", 10);
        uint64_t revision = look_at(s, "k").revision;
        advance(10);
        if (who < 3) {
            waits_for(60, "one does not let it in");
            assert_int_equal(n_overdue(s), 1);
            for (size_t i = 0; i < 3; i++) men[i].lets_in = true;
            let_try_again(s); /* whoever was asked is asked again */
        }
        waits_for_ever("all let it in");
        must_be_tombstone(s, "k", revision + 1);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(men[i].n_in, men[i].n_out);
            assert_true(men[i].n_in >= 1);
        }
    }
    assert_int_equal(other.n_in, 0);
    static const size_t leaves[] = {1, 0, 2};
    seg_reap_guard stranger = {0};
    for (size_t i = 0; i < 3; i++) {
        seg_reap_guard_remove(&stranger);
        seg_reap_guard_remove(&guards[leaves[i]]);
    }
    men[0].n_in = men[1].n_in = men[2].n_in = 0;
    put_expiring(s, "k", 10);
    put_expiring(b, "k", 10);
    advance(10);
    seg_reaper_settle();
    assert_int_equal(men[0].n_in + men[1].n_in + men[2].n_in, 0);
    assert_int_equal(n_overdue(s), 0);
    assert_int_equal(n_overdue(b), 1); /* its guard is still there */
    seg_reap_guard_remove(&of_other);  /* which wakes it */
    for (int i = 0; look_at(b, "k").revision == 1; i++) {
        if (i == 3000) fail_msg("not reaped 30 s after the last guard has gone");
        real_sleep_ns(NULL, 10000000);
    }
    seg_reaper_settle();
    assert_int_equal(n_overdue(b), 0);
    segue_close(s);
    segue_close(again);
    segue_close(b);
}

/* ---- when it is at work ---- */

static _Atomic bool is_inside, may_go_on, is_stuck;

/* Until this test's thread says so, which it cannot while it still waits. */
static void stay_until_told(segue_store *s)
{
    (void)s;
    for (int i = 0; !atomic_load(&may_go_on) && i < 3000; i++) real_sleep_ns(NULL, 1000000);
    atomic_store(&is_stuck, !atomic_load(&may_go_on));
}

/* Until this test's thread waits for it, or says so. */
static void stay_inside(segue_store *s)
{
    (void)s;
    atomic_store(&is_inside, true);
    while (!atomic_load(&may_go_on) && !(atomic_load(&test_waits) && !atomic_load(&no_patience)))
        real_sleep_ns(NULL, 100000);
    atomic_store(&is_inside, false);
    if (!atomic_load(&may_go_on)) meanwhile = stay_until_told;
}

/* With a document that expires at once, and the reaper in there. */
static void let_it_in(segue_store *s)
{
    atomic_store(&may_go_on, false);
    atomic_store(&test_waits, false);
    meanwhile_in = s;
    meanwhile = stay_inside;
    assert_ok(segue_set(s, K("k"), K("1"), segue_expiry_at(1), NULL, NULL, &test_err));
    while (!atomic_load(&is_inside)) real_sleep_ns(NULL, 100000);
}

static void must_have_waited(bool yes, const char *when)
{
    bool waited = atomic_load(&test_waits), inside = atomic_load(&is_inside);
    atomic_store(&may_go_on, true);
    if (waited != yes || inside == yes) fail_msg("%s: it was%s waited for", when, waited ? "" : " not");
}

static void it_is_waited_for_where_it_is_at_work(void **state)
{
    (void)state;
    doorman man = {.lets_in = true};
    seg_reap_guard guard = {.enter = enter, .leave = leave, .ctx = &man}, other = {0};
    segue_store *a = open_watched("watched:a"), *again = open_watched("watched:a"), *b = open_watched("watched:b");
    let_it_in(a);
    seg_reap_guard_add(b, &other);
    seg_reap_guard_remove(&other);
    must_have_waited(false, "a guard of another store");
    seg_reaper_settle();
    let_it_in(a);
    man.store = again;
    seg_reap_guard_add(again, &guard);
    must_have_waited(true, "a guard that comes");
    seg_reaper_settle();
    let_it_in(again);
    assert_int_equal(man.n_in - man.n_out, 1);
    seg_reap_guard_remove(&guard);
    must_have_waited(true, "a guard that goes");
    assert_int_equal(man.n_in - man.n_out, 0);
    seg_reaper_settle();
    let_it_in(a);
    segue_close(b);
    must_have_waited(false, "another store that is closed");
    seg_reaper_settle();
    let_it_in(a); /* through which of the two handles it came: one of the closes waits */
    segue_close(a);
    segue_close(again);
    must_have_waited(true, "both handles are closed");
    assert_false(seg_reaper_is_running());
}

/* With more to do, and its next turn waiting for us. */
static void let_it_in_for_long(segue_store *s)
{
    expire_at_once(s, 600);
    seg_reaper_settle();
    let_it_in(s);
    advance(10);
}

static void must_have_waited_for_one_turn(const char *when)
{
    must_have_waited(true, when);
    seg_reaper_settle();
    if (atomic_load(&is_stuck)) fail_msg("%s: it was waited for longer than a turn", when);
}

/* And goes on by itself afterwards. */
static void it_is_waited_for_no_longer_than_a_turn(void **state)
{
    (void)state;
    segue_store *a = open_watched("watched:a"), *b = open_watched("watched:b");
    doorman man = {.store = a, .lets_in = true};
    seg_reap_guard guard = {.enter = enter, .leave = leave, .ctx = &man};
    atomic_store(&n_calls, 0);
    let_it_in_for_long(a);
    seg_reap_guard_add(a, &guard);
    for (int i = 0; atomic_load(&n_calls) < 2; i++) {
        if (i == 3000) fail_msg("it does not go on");
        real_sleep_ns(NULL, 10000000);
    }
    must_have_waited_for_one_turn("a guard that comes");
    assert_int_equal(n_overdue(a), 0);
    man.n_in = man.n_out = 0;
    let_it_in_for_long(a);
    seg_reap_guard_remove(&guard);
    must_have_waited_for_one_turn("a guard that goes");
    assert_int_equal(man.n_in, 1);
    assert_int_equal(man.n_out, 1);
    let_it_in_for_long(a);
    assert_ok(segue_set(b, K("k"), K("1"), segue_expiry_at(1), NULL, NULL, &test_err));
    segue_close(a);
    must_have_waited_for_one_turn("a store that is closed while another has something to do");
    assert_int_equal(n_overdue(b), 0);
    segue_close(b);
}

/* ---- what is known by whom ---- */

/* What one handle has found out the others know, and keep when it is closed. */
static void what_is_known_outlives_a_handle(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        segue_store *two[] = {open_watched("watched:a"), open_watched("watched:a")};
        put_expiring(two[0], "k", 10);
        put_expiring(two[0], "l", 40);
        advance(10);
        waits_for(30, "after the first");
        segue_close(two[i]);
        waits_for(30, "one handle is closed");
        advance(30);
        waits_for_ever("after the second");
        must_be_tombstone(two[1 - i], "l", 2);
        segue_close(two[1 - i]);
    }
}

/* What was stored before is found at open, or looked for if that fails; also what had expired since ever. */
static void what_was_there_at_open_is_reaped(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        segue_store *quiet = open_watched("watched:a"), *s = NULL;
        segue_close(quiet);
        quiet = open_with("watched:a", &still, SEGUE_OPEN_NO_REAPER);
        if (i < 2) put_expiring(quiet, "k", 10);
        else assert_ok(segue_set(quiet, K("k"), K("1"), segue_expiry_at(1), NULL, NULL, &test_err));
        assert_false(seg_reaper_is_running());
        atomic_store(&n_look_failures, i == 1);
        s = open_with("watched:a", &still, 0);
        assert_true(seg_reaper_is_running());
        if (i < 2) waits_for(10, "opened");
        advance(10);
        waits_for_ever("reaped");
        assert_int_equal(look_at(s, "k").revision, 2);
        segue_close(s);
        segue_close(quiet);
    }
    segue_store *cannot = open_with("mem:?caps=-expired", &still, 0);
    put_expiring(cannot, "k", 10);
    assert_false(seg_reaper_is_running());
    segue_close(cannot);
}

/* Neither while it sleeps nor afterwards. */
static void it_keeps_no_memory(void **state)
{
    (void)state;
    test_memory_begin();
    segue_store *quiet = open_with("watched:a", &still, SEGUE_OPEN_NO_REAPER);
    long before = atomic_load(&test_memory_live);
    segue_store *s = open_watched("watched:a");
    long handle = atomic_load(&test_memory_live) - before;
    expire_at_once(quiet, 300);
    advance(10);
    waits_for_ever("all is reaped");
    before = atomic_load(&test_memory_live);
    segue_close(s);
    assert_int_equal(before - atomic_load(&test_memory_live), handle);
    expire_at_once(quiet, 1);
    s = open_watched("watched:a"); /* it looks, and finds something */
    segue_close(s);
    segue_close(quiet);
    test_memory_end();
}

/* ---- fork while it is at work ---- */

static segue_store *inherited;
static doorman inherited_man;
static seg_reap_guard inherited_guard;

/* Its exit code: where it went wrong. What it inherited is not at work here, and holds nobody up. */
static int in_the_child(void)
{
    bool was_inside = inherited_man.n_in != inherited_man.n_out;
    segue_error err = {0};
    segue_open_options options = {&still, 0};
    segue_store *s = NULL;
    (void)alarm(20);
    test_thread = pthread_self();
    if (was_inside != atomic_load(&no_patience)) return 1;
    if (seg_reaper_is_running()) return 2;
    seg_reap_guard_remove(&inherited_guard);
    segue_close(inherited);
    if (segue_open("mem:of the child", &options, &s, &err) != SEGUE_OK) return 3;
    segue_close(s); /* nobody is at work that would have to be waited for */
    if (segue_open("mem:of the child", &options, &s, &err) != SEGUE_OK) return 3;
    if (segue_set(s, K("k"), K("1"), segue_expiry_in(10), NULL, NULL, &err) != SEGUE_OK) return 4;
    advance(10);
    seg_reaper_settle();
    if (look_at(s, "k").revision != 2) return 5;
    segue_close(s);
    return seg_reaper_is_running() ? 6 : 0;
}

static void *wait_too(void *guard)
{
    seg_reap_guard_add(inherited, guard);
    return NULL;
}

/* Another thread that waits for the end of the turn. */
static pthread_t let_another_wait(seg_reap_guard *guard)
{
    pthread_t thread;
    unsigned before = atomic_load(&n_waits);
    assert_int_equal(pthread_create(&thread, NULL, wait_too, guard), 0);
    while (atomic_load(&n_waits) == before) real_sleep_ns(NULL, 100000);
    return thread;
}

/* It is waited for until it is out of the engine, however much there is to do; but not for ever. */
static void a_fork_waits_until_it_is_out(void **state)
{
    (void)state;
    if (WITH_SANITIZER) {
        print_message("skipped: a sanitizer's allocator may hang in a child of a process with threads\n");
        skip();
    }
    for (int i = 0; i < 2; i++) {
        inherited = open_watched("watched:a");
        inherited_man = (doorman){.store = inherited, .lets_in = true};
        inherited_guard = (seg_reap_guard){.enter = enter, .leave = leave, .ctx = &inherited_man};
        seg_reap_guard other = {.enter = enter, .leave = leave, .ctx = &inherited_man};
        seg_reap_guard_add(inherited, &inherited_guard);
        atomic_store(&no_patience, i);
        let_it_in_for_long(inherited);
        pthread_t another = let_another_wait(&other);
        assert_int_equal(test_in_child(in_the_child), 0);
        assert_true(atomic_load(&test_waits));
        atomic_store(&may_go_on, true);
        assert_int_equal(pthread_join(another, NULL), 0);
        seg_reaper_settle();
        assert_false(atomic_load(&is_stuck));
        assert_int_equal(n_overdue(inherited), 0);
        assert_int_equal(inherited_man.n_in, inherited_man.n_out);
        seg_reap_guard_remove(&other);
        seg_reap_guard_remove(&inherited_guard);
        segue_close(inherited);
    }
    atomic_store(&no_patience, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_sleeps_until_the_next_expiry_but_looks_at_the_clock),
        cmocka_unit_test(a_shared_store_is_looked_at_after_a_minute),
        cmocka_unit_test(after_each_failure_it_waits_longer),
        cmocka_unit_test(what_was_reaped_is_logged),
        cmocka_unit_test(without_a_thread_it_says_so_and_tries_again),
        cmocka_unit_test(a_store_with_much_to_do_lets_others_go_between),
        cmocka_unit_test(an_expiry_that_comes_meanwhile_counts),
        cmocka_unit_test(all_guards_must_let_it_in),
        cmocka_unit_test(it_is_waited_for_where_it_is_at_work),
        cmocka_unit_test(it_is_waited_for_no_longer_than_a_turn),
        cmocka_unit_test(what_is_known_outlives_a_handle),
        cmocka_unit_test(what_was_there_at_open_is_reaped),
        cmocka_unit_test(it_keeps_no_memory),
        cmocka_unit_test(a_fork_waits_until_it_is_out),
    };
    return cmocka_run_group_tests_name("test_reaper_turns", tests, overhear, NULL);
}
