/* L3: the background reaper: one thread in a process, for all the handles that are open for writing. It begins with the first
 * store that other processes may write, or the first expiry that a handle meets, sleeps until the next one or the next look at
 * what others have stored, and ends when the last handle is closed. Expiry is decided at read time everywhere, so nothing is
 * wrong when it is late, or does not run at all.
 *
 * One lock for all state; it is never held during I/O. Handles are known one by one, so that a handle can be closed at any
 * time; what is found out through one of them counts for all of the same collection. */
#include "store/reaper.h"

#include "base/base.h"
#include "base/env.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static const int64_t SECOND = 1000000000;

/* A call may wait this long for others: closing the handle waits for the call. */
static const int64_t CALL_NS = 250000000;

/* The clock may be set, and the machine may sleep: look at it this often, while there is something to wait for. So often, too,
 * at what other processes have stored, of which nobody hears; at a store that may not be reaped now, and at one that fails
 * again and again. */
enum { LOOK_S = 60 };

/* Of a wait: nothing is known to expire, and nobody else writes. */
static const int64_t NEVER = INT64_MAX;

enum { PAGE = 256 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake, idle; /* something is due earlier, or it is over; a store was left */
    segue_store *stores;       /* that joined */
    seg_reap_guard *guards;
    segue_store *busy; /* it is being reaped */
    _Atomic unsigned n_stores;
    _Atomic bool is_running; /* written with the lock */
    unsigned generation;     /* of the thread: one that finds another number ends */
    unsigned n_waiting;      /* for the end of a turn */
    pthread_t thread;
} reaper = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};

/* Real time, whatever the stores' clocks: this is what threads sleep by. */
static int64_t real_now(void) { return seg_mono_ns(segue_env_default()); }

static void unlock(void)
{
    seg_dassert_locked(&reaper.lock);
    pthread_mutex_unlock(&reaper.lock);
}

/* So long at most, or NEVER. Whoever waits looks again. */
static void wait_for(pthread_cond_t *cond, int64_t ns)
{
    seg_dassert_locked(&reaper.lock);
    if (ns == NEVER) {
        pthread_cond_wait(cond, &reaper.lock);
        return;
    }
    int64_t at = real_now() + ns;
    struct timespec until = {.tv_sec = at / SECOND, .tv_nsec = at % SECOND};
    (void)pthread_cond_clockwait(cond, &reaper.lock, CLOCK_MONOTONIC, &until); /* late or not */
}

/* No turn begins before whoever waits has the lock again: the thread would always be faster. */
static void wait_for_end_of_turn(int64_t ns)
{
    reaper.n_waiting++;
    wait_for(&reaper.idle, ns);
    reaper.n_waiting--;
    pthread_cond_broadcast(&reaper.wake);
}

/* ---- when ---- */

static uint32_t due_of(const segue_store *s) { return atomic_load_explicit(&s->reaping.due, memory_order_relaxed); }

/* Lower it. False: it was as early already. */
static bool lower_due(segue_store *s, uint32_t expiry)
{
    uint32_t due = due_of(s);
    if (expiry == 0 || (due != 0 && due <= expiry)) return false;
    atomic_store_explicit(&s->reaping.due, expiry, memory_order_relaxed);
    return true;
}

/* Nanoseconds until there is something to do about it; 0: now; NEVER. */
static int64_t time_until(const segue_store *s, int64_t now)
{
    const seg_reaping *r = &s->reaping;
    int64_t wait = NEVER, pause = r->not_before - now;
    if (due_of(s) != 0) {
        wait = (int64_t)due_of(s) * SECOND - seg_wall_ns(&s->env);
        if (wait > LOOK_S * SECOND) wait = LOOK_S * SECOND;
    }
    if (r->is_shared) {
        int64_t look = r->looked_ns + LOOK_S * SECOND - seg_mono_ns(&s->env);
        if (look < wait) wait = look;
    }
    if (pause > wait) wait = pause;
    return wait > 0 ? wait : 0;
}

/* The first store that is ready, or NULL and how long there will be none (NEVER: until somebody says so). */
static segue_store *find_ready(int64_t *ret_wait)
{
    int64_t now = real_now(), least = NEVER;
    for (segue_store *s = reaper.stores; s; s = s->reaping.next) {
        int64_t wait = time_until(s, now);
        if (wait == 0) return s;
        if (wait < least) least = wait;
    }
    *ret_wait = least;
    return NULL;
}

/* ---- guards ---- */

static void leave_guards(const segue_store *s)
{
    for (seg_reap_guard *g = reaper.guards; g; g = g->next) {
        if (!g->entered || !seg_store_same(g->store, s)) continue;
        g->entered = false;
        g->leave(g->ctx, &g->call);
    }
}

/* False: one of them does not let us in. Those that did are left all the same, after the turn. */
static bool enter_guards(const segue_store *s)
{
    for (seg_reap_guard *g = reaper.guards; g; g = g->next) {
        if (!seg_store_same(g->store, s)) continue;
        g->call = seg_call_new(g->store, 0, NULL);
        g->entered = g->enter && g->enter(g->ctx, &g->call);
        if (!g->entered) return false;
    }
    return true;
}

static void wait_until_out_of(const segue_store *s)
{
    while (reaper.busy && seg_store_same(reaper.busy, s)) wait_for_end_of_turn(NEVER);
}

void seg_reap_guard_add(segue_store *store, seg_reap_guard *guard)
{
    pthread_mutex_lock(&reaper.lock);
    guard->store = store;
    guard->entered = false;
    guard->next = reaper.guards;
    reaper.guards = guard;
    wait_until_out_of(store);
    unlock();
}

void seg_reap_guard_remove(seg_reap_guard *guard)
{
    pthread_mutex_lock(&reaper.lock);
    while (guard->entered) wait_for_end_of_turn(NEVER);
    seg_reap_guard **link = &reaper.guards;
    while (*link && *link != guard) link = &(*link)->next;
    if (*link) {
        *link = guard->next;
        for (segue_store *s = reaper.stores; s; s = s->reaping.next)
            if (seg_store_same(s, guard->store)) s->reaping.not_before = 0; /* it may be allowed now */
        pthread_cond_broadcast(&reaper.wake);
    }
    unlock();
}

/* ---- one turn ---- */

/* So that a store with much to do does not keep the others waiting. */
static void move_to_end(segue_store *store)
{
    segue_store **link = &reaper.stores;
    while (*link && *link != store) link = &(*link)->reaping.next;
    if (!*link) return; /* it left meanwhile */
    *link = store->reaping.next;
    store->reaping.next = NULL;
    while (*link) link = &(*link)->reaping.next;
    *link = store;
}

static void settle_turn(segue_store *store, bool allowed, segue_status st, const seg_reaped *reaped, uint32_t due)
{
    seg_reaping *r = &store->reaping;
    bool worked = allowed && st == SEGUE_OK;
    if (worked) (void)lower_due(store, reaped->more ? 1 : reaped->next); /* lowered already: so much the better */
    else (void)lower_due(store, due);                                    /* the same */
    bool looked = worked || !allowed;                                    /* else it is tried again, after a pause */
    r->failures = worked || !allowed ? 0 : r->failures + 1;
    int64_t pause = 0;
    if (!allowed) pause = LOOK_S;
    else if (r->failures) pause = r->failures < 7 ? INT64_C(1) << (r->failures - 1) : LOOK_S;
    r->not_before = pause ? real_now() + pause * SECOND : 0;
    if (looked) r->looked_ns = seg_mono_ns(&store->env);
    for (segue_store *s = reaper.stores; s; s = s->reaping.next) {
        if (s == store || !seg_store_same(s, store)) continue;
        if (looked) s->reaping.looked_ns = seg_mono_ns(&s->env);
        atomic_store_explicit(&s->reaping.due, due_of(store), memory_order_relaxed);
        s->reaping.not_before = r->not_before;
        s->reaping.failures = r->failures;
    }
}

/* What is stored from here on, through whatever handle, is noted anew. */
static void forget_due(const segue_store *store)
{
    for (segue_store *s = reaper.stores; s; s = s->reaping.next)
        if (seg_store_same(s, store)) atomic_store_explicit(&s->reaping.due, 0, memory_order_relaxed);
}

/* A page of the store's. With the lock, which is released meanwhile. */
static void take_turn(segue_store *store, segue_page *page)
{
    seg_reaped reaped = {0};
    segue_status st = SEGUE_OK;
    segue_error err = {0};
    uint32_t due = due_of(store);
    bool allowed = enter_guards(store);
    forget_due(store);
    reaper.busy = store;
    unlock();
    if (allowed) {
        segue_call call = seg_call_new(store, CALL_NS, &err);
        st = seg_reap_page(store, PAGE, page, &reaped, &call);
        if (st != SEGUE_OK)
            seg_log(SEGUE_LOG_WARN, "reaper store=\"%s\" status=%s reaped=%llu message=\"%s\"", store->url,
                    segue_status_name(st), (unsigned long long)reaped.n, err.message);
        else if (reaped.n)
            seg_log(SEGUE_LOG_DEBUG, "reaper store=\"%s\" reaped=%llu", store->url, (unsigned long long)reaped.n);
    }
    pthread_mutex_lock(&reaper.lock);
    leave_guards(store);
    settle_turn(store, allowed, st, &reaped, due);
    move_to_end(store);
    reaper.busy = NULL;
    pthread_cond_broadcast(&reaper.idle);
}

/* ---- the thread ---- */

static void *run(void *arg)
{
    unsigned generation = (unsigned)(uintptr_t)arg;
    segue_page page = {0};
    pthread_mutex_lock(&reaper.lock);
    while (reaper.generation == generation) {
        int64_t wait = NEVER;
        segue_store *store = reaper.n_waiting ? NULL : find_ready(&wait);
        if (store) {
            take_turn(store, &page);
        } else {
            segue_page_free(&page); /* it may be long */
            wait_for(&reaper.wake, wait);
        }
    }
    unlock();
    segue_page_free(&page);
    return NULL;
}

/* With the lock. Signals are the program's: none is delivered to this thread. What went wrong, or 0. */
static int start(void)
{
    sigset_t all, before;
    if (reaper.is_running) return 0;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails only for arguments that do not exist */
    int failed = pthread_create(&reaper.thread, NULL, run, (void *)(uintptr_t)reaper.generation);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) (void)pthread_setname_np(reaper.thread, "segue-reaper"); /* for people who look; no harm without */
    reaper.is_running = !failed;
    return failed;
}

/* ---- fork: the child has no reaper, and what it inherited is not reaped in it ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&reaper.lock);
    /* The child would get an engine's locks as the reaper holds them now. It is soon out of there. */
    if (reaper.busy) wait_for_end_of_turn(SECOND);
}

static void after_fork(void) { unlock(); }

static void after_fork_in_child(void)
{
    for (segue_store *s = reaper.stores; s; s = s->reaping.next) s->reaping.joined = false;
    for (seg_reap_guard *g = reaper.guards; g; g = g->next) g->entered = false;
    reaper.stores = NULL;
    reaper.busy = NULL;
    atomic_store(&reaper.n_stores, 0);
    reaper.is_running = false;
    reaper.n_waiting = 0;
    (void)pthread_cond_init(&reaper.wake, NULL); /* those who waited are not here */
    (void)pthread_cond_init(&reaper.idle, NULL); /* the same */
    unlock();
}

static void watch_forks(void)
{
    int failed = pthread_atfork(before_fork, after_fork, after_fork_in_child);
    seg_assert(!failed);
}

/* ---- joining, leaving, notes ---- */

static void tell_of_start(int failed)
{
    if (failed)
        seg_log(SEGUE_LOG_WARN, "reaper status=%s message=\"no thread could be made; the next expiry tries again\"",
                segue_status_name(seg_status_of_errno(failed)));
}

void seg_reaper_note(segue_store *store, uint32_t expiry)
{
    const seg_reaping *r = &store->reaping;
    if (!r->is_engine || atomic_load_explicit(&reaper.n_stores, memory_order_relaxed) == 0) return;
    if (r->joined && due_of(store) != 0 && due_of(store) <= expiry && atomic_load(&reaper.is_running)) return;
    bool any = false, earlier = false;
    pthread_mutex_lock(&reaper.lock);
    for (segue_store *s = reaper.stores; s; s = s->reaping.next) {
        if (!seg_store_same(s, store)) continue;
        any = true;
        earlier |= lower_due(s, expiry);
    }
    int failed = any ? start() : 0;
    if (earlier) pthread_cond_broadcast(&reaper.wake);
    unlock();
    tell_of_start(failed);
}

void seg_reaper_look(segue_store *store)
{
    segue_error err = {0};
    segue_page page = {.max_docs = 1, .max_bytes = 1};
    uint32_t next = 0;
    if (!store->reaping.is_engine || atomic_load_explicit(&reaper.n_stores, memory_order_relaxed) == 0) return;
    segue_call call = seg_call_new(store, CALL_NS, &err);
    segue_status st = seg_call_expired(store, 0, &page, &next, &call);
    segue_page_free(&page);
    if (st != SEGUE_OK) next = 1; /* the reaper will see for itself, again and again */
    if (next) seg_reaper_note(store, next);
}

void seg_reaper_join(segue_store *store)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!store->reaping.is_engine || !(segue_store_caps(store) & SEGUE_CAP_EXPIRED)) return;
    (void)pthread_once(&once, watch_forks); /* it has no way to fail */
    pthread_mutex_lock(&reaper.lock);
    seg_reaping *r = &store->reaping;
    r->joined = true;
    r->is_shared = segue_store_caps(store) & SEGUE_CAP_SHARED;
    r->looked_ns = seg_mono_ns(&store->env); /* it is looked at below */
    r->next = reaper.stores;
    reaper.stores = store;
    atomic_fetch_add(&reaper.n_stores, 1);
    int failed = r->is_shared ? start() : 0;
    unlock();
    tell_of_start(failed);
    seg_reaper_look(store);
}

void seg_reaper_leave(segue_store *store)
{
    if (!store->reaping.joined) return;
    pthread_mutex_lock(&reaper.lock);
    segue_store **link = &reaper.stores;
    while (*link != store) link = &(*link)->reaping.next;
    *link = store->reaping.next;
    store->reaping.joined = false;
    atomic_fetch_sub(&reaper.n_stores, 1);
    /* The thread may end only between two turns: the next one's turns would be taken for its own. */
    while (reaper.busy && (reaper.busy == store || !reaper.stores)) wait_for_end_of_turn(NEVER);
    bool is_last = !reaper.stores && reaper.is_running;
    pthread_t thread = reaper.thread;
    if (is_last) {
        reaper.is_running = false;
        reaper.generation++;
        pthread_cond_broadcast(&reaper.wake);
    }
    unlock();
    if (is_last) (void)pthread_join(thread, NULL); /* it was made joinable, and nobody else joins it */
}

#ifdef SEG_TESTING
void seg_reaper_settle(void)
{
    int64_t wait = 0;
    pthread_mutex_lock(&reaper.lock);
    pthread_cond_broadcast(&reaper.wake);
    while (reaper.is_running && (reaper.busy || find_ready(&wait))) wait_for(&reaper.idle, NEVER);
    unlock();
}

bool seg_reaper_is_running(void) { return atomic_load(&reaper.is_running); }
#endif
