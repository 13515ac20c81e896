/* A feed of a dual store during a whole migration: writers at work, from legacy to clean, on pairs of stores. Whatever was
 * written is told in its last state; what was only moved is told once. And every failure of either side, one after another. */
#include <pthread.h>
#include <stdatomic.h>

#include "migration_scene.h"

#include <segue/feed.h>

enum { DOCS = 300, WRITERS = 2, KEYS = DOCS + 40 };
static const char move_all[] = "{\"unmatched\":\"move\",\"rules\":[{\"key\":\"k000\",\"action\":\"counter\"}]}";

typedef struct told {
    uint64_t cas[KEYS];
    unsigned n[KEYS];
} told;

static unsigned number_of(segue_slice key)
{
    assert_int_equal(key.size, 4);
    return (unsigned)((key.data[1] - '0') * 100 + (key.data[2] - '0') * 10 + (key.data[3] - '0'));
}

static segue_slice key_of(unsigned i, char out[16])
{
    (void)snprintf(out, 16, "k%03u", i); /* fits */
    return K(out);
}

static void note(told *t, const segue_feed_event *e)
{
    unsigned i = number_of(e->rec.key);
    uint64_t cas = seg_feed_cas(e->rec.cas);
    assert_in_range(i, 0, KEYS - 1);
    if (cas <= t->cas[i]) fail_msg("k%03u: %llx after %llx", i, (long long)cas, (long long)t->cas[i]);
    t->cas[i] = cas;
    t->n[i]++;
}

/* ---- two stores ---- */

typedef struct scene {
    segue_store *from, *to, *fault_from, *fault_to, *dual;
    atomic_bool over;
    segue_policy *policy;
} scene;

static _Atomic int64_t skew_ns;

static int64_t moved_wall_ns(void *ctx) { return segue_env_default()->wall_ns(ctx) + atomic_load(&skew_ns); }

static segue_store *open_one(const char *pattern, unsigned number)
{
    char url[256];
    segue_store *store = NULL;
    segue_env env = *segue_env_default();
    env.wall_ns = moved_wall_ns;
    segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER}; /* nothing happens but what a test does */
    fill_url(url, pattern, number);
    assert_ok(segue_open(url, &options, &store, &test_err));
    return store;
}

static void open_scene(scene *s, const pair *p, segue_phase phase)
{
    static unsigned number = 5000;
    memset(s, 0, sizeof *s);
    number++;
    if (strstr(p->from, "rosmar")) {
        char directory[128];
        (void)snprintf(directory, sizeof directory, "%s/r%u", test_folder, number); /* fits */
        test_copy_bucket("sg-bucket", directory);
    }
    s->from = open_one(p->from, number);
    s->to = open_one(p->to, number);
    assert_ok(seg_fault_open(s->from, &s->fault_from, &test_err));
    assert_ok(seg_fault_open(s->to, &s->fault_to, &test_err));
    segue_dual_options o = {phase};
    assert_ok(segue_dual_open(s->fault_to, s->fault_from, &o, &s->dual, &test_err));
    assert_ok(segue_policy_parse(K(move_all), &s->policy, &test_err));
}

static void close_scene(scene *s)
{
    segue_store *const stores[] = {s->dual, s->fault_from, s->fault_to, s->from, s->to};
    for (size_t i = 0; i < 5; i++) segue_close(stores[i]);
    segue_policy_free(s->policy);
}

static void fill(segue_store *store, unsigned n)
{
    char text[16];
    for (unsigned i = 0; i < n; i++)
        assert_ok(segue_set(store, key_of(i, text), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
}

static segue_feed *open_feed(segue_store *store, unsigned flags)
{
    segue_feed *feed = NULL;
    segue_feed_options o = {.flags = flags, .poll_ns = 2000000};
    assert_ok(segue_feed_open(&store, 1, &o, &feed, &test_err));
    return feed;
}

/* ---- a migration under writers and a feed ---- */

typedef struct job {
    pthread_t thread;
    scene *s;
    unsigned seed;
    segue_status status;
    segue_error err;
} job;

/* Of the upper half of the documents, and of some that were not there. */
static void *write_along(void *arg)
{
    job *j = arg;
    char text[16];
    uint64_t one = 1;
    for (unsigned i = j->seed; j->status == SEGUE_OK && !atomic_load(&j->s->over); i++) {
        segue_slice key = key_of(DOCS / 2 + i * 7 % (KEYS - DOCS / 2), text);
        if (i % 4 == 3) j->status = segue_delete(j->s->dual, key, NULL, &j->err);
        else j->status = segue_incr(j->s->dual, key, 1, &one, segue_expiry_none(), NULL, NULL, &j->err);
        if (j->status == SEGUE_NOT_FOUND) j->status = SEGUE_OK; /* it is deleted already */
    }
    return NULL;
}

static void *migrate(void *arg)
{
    job *j = arg;
    segue_migration *m = NULL;
    segue_migration_options o = {.policy = j->s->policy, .dual = j->s->dual, .workers = 2, .page_docs = 20};
    j->status = segue_migration_open(j->s->from, j->s->to, &o, &m, &j->err);
    if (j->status == SEGUE_OK) j->status = segue_migration_run(m, &j->err);
    segue_migration_close(m);
    atomic_store(&j->s->over, true);
    return NULL;
}

static void start(job *j, scene *s, void *(*run)(void *), unsigned seed)
{
    *j = (job){.s = s, .seed = seed};
    assert_int_equal(pthread_create(&j->thread, NULL, run, j), 0);
}

static void finish(job *j)
{
    assert_int_equal(pthread_join(j->thread, NULL), 0);
    if (j->status != SEGUE_OK) fail_msg("%s: %s", segue_status_name(j->status), j->err.message);
}

static void check_told(scene *s, const told *t, bool moves_are_silent)
{
    char text[16];
    segue_doc doc = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        segue_status st = segue_get_record(s->dual, key_of(i, text), NULL, &doc, &test_err);
        uint64_t cas = st == SEGUE_OK ? doc.rec.cas : 0;
        /* A tombstone that hid the fallback is gone in the end; it was told. */
        if (st == SEGUE_OK && t->cas[i] != cas)
            fail_msg("%s is at %llx, told was %llx", text, (long long)cas, (long long)t->cas[i]);
        if (i < DOCS / 2 && st != SEGUE_OK) fail_msg("%s is lost: %s", text, segue_status_name(st));
        if (i < DOCS / 2 && moves_are_silent && t->n[i] != 1) fail_msg("%s was told %u times", text, t->n[i]);
    }
    segue_doc_free(&doc);
}

static void a_migration_under_a_feed(void **state)
{
    const pair *p = *state;
    scene s;
    job writers[WRITERS], mover;
    static told t;
    segue_feed_event e;
    segue_status st;
    memset(&t, 0, sizeof t);
    open_scene(&s, p, SEGUE_PHASE_LEGACY);
    fill(s.from, DOCS);
    segue_feed *feed = open_feed(s.dual, 0);
    for (int i = 0; i < 100; i++) { /* the rest comes while it moves */
        assert_ok(segue_feed_next(feed, 0, &e, &test_err));
        note(&t, &e);
    }
    for (unsigned i = 0; i < WRITERS; i++) start(&writers[i], &s, write_along, i);
    start(&mover, &s, migrate, 0);
    while (!atomic_load(&s.over)) {
        st = segue_feed_next(feed, 1000000, &e, &test_err);
        if (st == SEGUE_OK) note(&t, &e);
        else assert_status(st, SEGUE_TIMEOUT);
    }
    finish(&mover);
    for (unsigned i = 0; i < WRITERS; i++) finish(&writers[i]);
    while ((st = segue_feed_next(feed, 0, &e, &test_err)) == SEGUE_OK) note(&t, &e);
    assert_status(st, SEGUE_TIMEOUT);
    segue_feed_close(feed);
    check_told(&s, &t, segue_store_caps(s.to) & SEGUE_CAP_KEEP_CAS);
    close_scene(&s);
}

/* ---- failures ---- */

/* Each call that a feed makes fails once, for every one, on either side, while records move: an error, then on. */
static void a_failure_loses_nothing(void **state)
{
    const pair *p = *state;
    unsigned n_fired = 0;
    for (int side = 0; side < 2; side++)
        for (unsigned nth = 1, fired = 1; fired; nth++) {
            scene s;
            static told t;
            segue_feed_event e;
            segue_status st;
            unsigned failures = 0;
            char text[16];
            memset(&t, 0, sizeof t);
            open_scene(&s, p, SEGUE_PHASE_FORWARD);
            fill(s.from, 6);
            assert_ok(segue_set(s.dual, key_of(3, text), K("2"), segue_expiry_none(), NULL, NULL, &test_err));
            assert_ok(segue_delete(s.dual, key_of(4, text), NULL, &test_err));
            assert_ok(segue_set(s.dual, key_of(7, text), K("2"), segue_expiry_none(), NULL, NULL, &test_err));
            segue_feed *feed = open_feed(s.dual, SEGUE_FEED_STOP_AT_END);
            seg_fault_plan plan = {.nth = nth, .status = SEGUE_UNAVAILABLE};
            seg_fault_set(side ? s.fault_from : s.fault_to, &plan);
            while ((st = segue_feed_next(feed, -1, &e, &test_err)) != SEGUE_END) {
                if (st == SEGUE_OK) note(&t, &e);
                else assert_status(st, SEGUE_UNAVAILABLE);
                failures += st != SEGUE_OK;
                assert_in_range(failures, 0, 1);
            }
            fired = seg_fault_fired(side ? s.fault_from : s.fault_to);
            n_fired += fired;
            assert_int_equal(failures, fired);
            for (unsigned i = 0; i < 8; i++) assert_int_equal(t.n[i], i != 6);
            segue_feed_close(feed);
            close_scene(&s);
        }
    assert_in_range(n_fired, 6, 30); /* two pages each, and the look-ups */
}

/* ---- what expires ---- */

/* Takes all events there are. Whether the document is among them, and whether its last one is a deletion. */
static bool take_events(segue_feed *feed, const char *key, bool *ret_deleted)
{
    segue_feed_event e;
    segue_status st;
    bool any = false;
    while ((st = segue_feed_next(feed, 0, &e, &test_err)) == SEGUE_OK)
        if (segue_slice_equal(e.rec.key, K(key))) {
            any = true;
            *ret_deleted = e.rec.is_tombstone;
        }
    assert_status(st, SEGUE_TIMEOUT);
    return any;
}

/* Told as live, expired in the fallback, then moved: its deletion is told when it is reaped in the primary, as it would have
 * been without the move. */
static void what_expired_before_its_move_is_told(void **state)
{
    scene s;
    job mover;
    char text[16];
    bool deleted = false;
    SEG_AUTO(segue_doc) doc = {0};
    open_scene(&s, *state, SEGUE_PHASE_FORWARD);
    fill(s.from, 3);
    assert_ok(segue_set(s.from, key_of(1, text), K("1"), segue_expiry_in(100), NULL, NULL, &test_err));
    segue_feed *feed = open_feed(s.dual, 0);
    assert_true(take_events(feed, "k001", &deleted) && !deleted);
    atomic_fetch_add(&skew_ns, INT64_C(200000000000));
    assert_status(segue_get(s.dual, key_of(1, text), NULL, &doc, &test_err), SEGUE_NOT_FOUND);
    start(&mover, &s, migrate, 0);
    finish(&mover);
    (void)take_events(feed, "k001", &deleted); /* if the primary gives it a CAS of its own */
    uint64_t n = 0;
    assert_ok(segue_reap(s.dual, 0, &n, &test_err));
    assert_int_equal(n, 1);
    assert_true(take_events(feed, "k001", &deleted) && deleted);
    assert_status(segue_get(s.dual, key_of(1, text), NULL, &doc, &test_err), SEGUE_NOT_FOUND);
    segue_feed_close(feed);
    close_scene(&s);
}

/* ---- clocks that are apart ---- */

static void tell_all(segue_feed *feed, told *t)
{
    segue_feed_event e;
    segue_status st;
    while ((st = segue_feed_next(feed, 0, &e, &test_err)) == SEGUE_OK) note(t, &e);
    assert_status(st, SEGUE_TIMEOUT);
}

/* Everything was told in legacy, and the fallback's clock is ahead of the primary's. A move that is told as a change comes
 * after all of that, not among it. */
static void a_move_is_told_after_what_was_told_in_legacy(void **state)
{
    const int64_t hour_ns = INT64_C(3600000000000);
    static told t;
    scene s;
    job mover;
    memset(&t, 0, sizeof t);
    open_scene(&s, *state, SEGUE_PHASE_LEGACY);
    segue_policy_free(s.policy); /* without the counter, whose pill is the fallback's newest write */
    assert_ok(segue_policy_parse(K("{\"unmatched\":\"move\",\"rules\":[]}"), &s.policy, &test_err));
    segue_feed *feed = open_feed(s.dual, 0);
    atomic_fetch_add(&skew_ns, hour_ns);
    fill(s.from, DOCS);
    tell_all(feed, &t);
    atomic_fetch_add(&skew_ns, -hour_ns);
    start(&mover, &s, migrate, 0);
    finish(&mover);
    tell_all(feed, &t);
    check_told(&s, &t, segue_store_caps(s.to) & SEGUE_CAP_KEEP_CAS);
    segue_feed_close(feed);
    close_scene(&s);
}

/* ---- who cannot ---- */

static void a_side_without_changes_is_named(void **state)
{
    (void)state;
    static const char *const urls[][2] = {{"mem:n1?caps=-changes", "mem:n2"}, {"mem:n1", "mem:n2?caps=-changes"}};
    for (int i = 0; i < 2; i++)
        for (segue_phase phase = SEGUE_PHASE_LEGACY; phase <= SEGUE_PHASE_CLEAN; phase++) {
            segue_store *p = NULL, *f = NULL, *dual = NULL;
            segue_feed *feed = NULL;
            segue_dual_options o = {phase};
            assert_ok(segue_open(urls[i][0], NULL, &p, &test_err));
            assert_ok(segue_open(urls[i][1], NULL, &f, &test_err));
            assert_ok(segue_dual_open(p, f, &o, &dual, &test_err));
            bool can = i == 1 && phase >= SEGUE_PHASE_SEALED;
            assert_int_equal((segue_store_caps(dual) & SEGUE_CAP_CHANGES) != 0, can);
            assert_status(segue_feed_open(&dual, 1, NULL, &feed, &test_err), can ? SEGUE_OK : SEGUE_UNSUPPORTED);
            if (!can && !strstr(test_err.message, urls[i][i])) fail_msg("%s", test_err.message);
            segue_feed_close(feed);
            segue_close(dual);
            segue_close(p);
            segue_close(f);
        }
}

/* ---- */

int main(void)
{
    enum { MOST = 4 * N_PAIRS + 1 };
    static char names[MOST][80];
    struct CMUnitTest tests[MOST];
    size_t n = 0;
    for (size_t i = 0; i < N_PAIRS; i++) {
        union {
            const pair *p;
            void *state;
        } u = {&pairs[i]};
        (void)snprintf(names[n], sizeof names[n], "a migration under a feed: %s", pairs[i].name); /* fits */
        tests[n] = (struct CMUnitTest){names[n], a_migration_under_a_feed, NULL, NULL, u.state};
        n++;
        (void)snprintf(names[n], sizeof names[n], "a failure loses nothing: %s", pairs[i].name); /* fits */
        tests[n] = (struct CMUnitTest){names[n], a_failure_loses_nothing, NULL, NULL, u.state};
        n++;
        (void)snprintf(names[n], sizeof names[n], "what expired before its move: %s", pairs[i].name); /* fits */
        tests[n] = (struct CMUnitTest){names[n], what_expired_before_its_move_is_told, NULL, NULL, u.state};
        n++;
        (void)snprintf(names[n], sizeof names[n], "a move after what was told: %s", pairs[i].name); /* fits */
        tests[n] = (struct CMUnitTest){names[n], a_move_is_told_after_what_was_told_in_legacy, NULL, NULL, u.state};
        n++;
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_side_without_changes_is_named);
    return _cmocka_run_group_tests("feeds while records move", tests, n, test_make_folder, test_remove_folder);
}
