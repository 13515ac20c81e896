/* Phases of a dual store, pins and the drain (docs/protocol.md, section 4). Threads are stopped inside a store call by the
 * fault filter's hook, so nothing here depends on time but what waits for a timeout. */
#include "world.h"

#include "base/rules.h"
#include "dual/gate.h"

#include <pthread.h>

static const int64_t SOON = 5000000; /* 5 ms: a timeout that is meant to pass */

static const segue_phase all_phases[] = {SEGUE_PHASE_LEGACY, SEGUE_PHASE_HOLD, SEGUE_PHASE_FORWARD, SEGUE_PHASE_SEALED,
                                         SEGUE_PHASE_CLEAN};
enum { N_PHASES = sizeof all_phases / sizeof all_phases[0] };

static void expect(world *w, segue_status want, segue_status got, const char *what, int line)
{
    if (got != want)
        fail_msg("line %d: %s is %s, not %s: %s", line, what, segue_status_name(got), segue_status_name(want),
                 got == SEGUE_OK ? "" : w->err.message);
}
#define IS(status, call) expect(&w, SEGUE_##status, (call), #call, __LINE__)
#define OK(call) IS(OK, call)

static segue_phase phase_of(world *w)
{
    segue_phase phase = SEGUE_PHASE_LEGACY;
    expect(w, SEGUE_OK, segue_dual_phase(w->dual, &phase), "segue_dual_phase", __LINE__);
    return phase;
}

static segue_status go(world *w, segue_phase phase) { return segue_dual_set_phase(w->dual, phase, 0, &w->err); }
static segue_status go_soon(world *w, segue_phase phase) { return segue_dual_set_phase(w->dual, phase, SOON, &w->err); }

static segue_status set_soon(world *w, const char *key, const char *body)
{
    segue_options options = {SOON};
    return segue_set(w->dual, K(key), K(body), segue_expiry_none(), &options, NULL, &w->err);
}

static uint64_t trips(segue_store *side)
{
    segue_stats s = {0};
    assert_int_equal(segue_store_stats(side, &s), SEGUE_OK);
    return s.get + s.put + s.erase + s.scan + s.mutate + s.move + s.write_many;
}

/* ---- which steps are allowed ---- */

static void only_the_steps_of_the_chart_are_allowed(void **state)
{
    (void)state;
    static const bool allowed[N_PHASES][N_PHASES] = {
        /* from legacy  */ {true, true, true, false, false}, /* to forward it passes through hold */
        /* from hold    */ {true, true, true, false, false},
        /* from forward */ {false, false, true, true, false},
        /* from sealed  */ {false, false, false, true, true},
        /* from clean   */ {false, false, false, false, true},
    };
    for (size_t from = 0; from < N_PHASES; from++)
        for (size_t to = 0; to < N_PHASES; to++) {
            world w;
            world_open(&w, "", "", all_phases[from]);
            segue_status st = go(&w, all_phases[to]);
            if (st != (allowed[from][to] ? SEGUE_OK : SEGUE_REFUSED))
                fail_msg("%s to %s is %s", segue_phase_name(all_phases[from]), segue_phase_name(all_phases[to]),
                         segue_status_name(st));
            assert_int_equal(phase_of(&w), allowed[from][to] ? all_phases[to] : all_phases[from]);
            world_close(&w);
        }
}

static void phases_have_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PHASES; i++) {
        segue_phase phase = SEGUE_PHASE_CLEAN;
        assert_int_equal(segue_phase_parse(segue_phase_name(all_phases[i]), &phase), SEGUE_OK);
        assert_int_equal(phase, all_phases[i]);
    }
    segue_phase untouched = SEGUE_PHASE_SEALED;
    assert_int_equal(segue_phase_parse("closed", &untouched), SEGUE_INVALID_ARGUMENT);
    assert_int_equal(segue_phase_parse(NULL, &untouched), SEGUE_INVALID_ARGUMENT);
    assert_int_equal(untouched, SEGUE_PHASE_SEALED);
    assert_string_equal(segue_phase_name((segue_phase)N_PHASES), "?");
    assert_string_equal(segue_phase_name((segue_phase)-1), "?");
}

static void only_a_dual_store_has_phases(void **state)
{
    (void)state;
    world w;
    segue_store *nested = NULL;
    segue_phase phase;
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    IS(INVALID_ARGUMENT, segue_dual_phase(w.p, &phase));
    IS(INVALID_ARGUMENT, segue_dual_set_phase(w.p, SEGUE_PHASE_SEALED, 0, &w.err));
    assert_string_equal(w.err.message, "only a dual store has phases");
    IS(INVALID_ARGUMENT, segue_dual_open(w.p, w.p, NULL, &nested, &w.err));
    IS(INVALID_ARGUMENT, segue_dual_open(w.p, w.stats_p, NULL, &nested, &w.err)); /* the same through a filter */
    IS(INVALID_ARGUMENT, segue_dual_open(w.dual, w.f, NULL, &nested, &w.err));
    assert_null(nested);
    world_close(&w);
}

/* Each side by itself, also through a filter, in every phase; borrowed. */
static void a_dual_store_tells_its_two_sides(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PHASES; i++) {
        world w;
        segue_store *filtered = NULL, *primary = NULL, *fallback = NULL;
        world_open(&w, "", "", all_phases[i]);
        IS(INVALID_ARGUMENT, segue_dual_sides(w.fault_p, &primary, &fallback));
        IS(INVALID_ARGUMENT, segue_dual_sides(NULL, &primary, &fallback));
        assert_true(primary == NULL && fallback == NULL);
        OK(segue_dual_sides(w.dual, &primary, &fallback));
        assert_ptr_equal(primary, w.fault_p);
        assert_ptr_equal(fallback, w.fault_f);
        OK(segue_dual_sides(w.dual, NULL, NULL));
        OK(seg_stats_open(w.dual, &filtered, &w.err));
        primary = fallback = NULL;
        OK(segue_dual_sides(filtered, &primary, NULL));
        OK(segue_dual_sides(filtered, NULL, &fallback));
        assert_true(primary == w.fault_p && fallback == w.fault_f);
        segue_close(filtered);
        OK(segue_set(fallback, K("k"), K("1"), segue_expiry_none(), NULL, NULL, &w.err)); /* it is a store as any */
        world_close(&w);
    }
}

static void beyond_the_last_phase_there_is_none(void **state)
{
    (void)state;
    world w;
    world_open(&w, "", "", SEGUE_PHASE_CLEAN);
    IS(INVALID_ARGUMENT, go(&w, (segue_phase)N_PHASES));
    assert_string_equal(w.err.message, "there is no such phase");
    IS(INVALID_ARGUMENT, go(&w, (segue_phase)-1));
    assert_int_equal(phase_of(&w), SEGUE_PHASE_CLEAN);
    IS(REFUSED, go(&w, SEGUE_PHASE_FORWARD));
    assert_string_equal(w.err.message, "a dual store cannot go from clean to forward");
    world_close(&w);
}

/* ---- what each phase reads and writes ---- */

static segue_status append_2(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx;
    if (!current || current->is_tombstone) return SEGUE_CANCELLED;
    m->body_op = SEGUE_BODY_APPEND;
    m->body = K("2");
    return SEGUE_OK;
}

/* All kinds of calls, on a document "1" that is expected to be there. */
static void use_everything(world *dual)
{
    world w = *dual;
    w.doc = (segue_doc){0};
    assert_true(shows(&w, "k", "1"));
    assert_true(is_gone(&w, "missing"));
    OK(segue_append(w.dual, K("k"), K("2"), NULL, NULL, &w.err));
    OK(segue_update(w.dual, K("k"), append_2, NULL, NULL, NULL, &w.err));
    OK(set_doc(&w, "j", "5"));
    OK(segue_incr(w.dual, K("j"), 1, NULL, segue_expiry_none(), NULL, NULL, &w.err));
    OK(segue_get_record(w.dual, K("j"), NULL, &w.doc, &w.err));
    OK(segue_write_cas(w.dual, K("j"), w.doc.rec.cas, K("7"), segue_expiry_none(), 0, NULL, NULL, &w.err));
    OK(segue_add(w.dual, K("n"), K("8"), segue_expiry_none(), NULL, NULL, &w.err));
    IS(EXISTS, segue_add(w.dual, K("n"), K("9"), segue_expiry_none(), NULL, NULL, &w.err));
    assert_true(lists(&w, "j k n"));
    OK(delete_doc(&w, "j"));
    assert_true(is_gone(&w, "j"));
    assert_true(lists(&w, "k n"));
    assert_true(shows(&w, "k", "122"));
    segue_doc_free(&w.doc);
}

static void one_side_only(const char *caps, segue_phase phase)
{
    world w;
    world_open(&w, caps, caps, SEGUE_PHASE_FORWARD);
    bool legacy = phase == SEGUE_PHASE_LEGACY;
    put_doc(&w, legacy ? w.f : w.p, "k", "1");
    put_doc(&w, legacy ? w.p : w.f, "k", "\"other\"");
    put_doc(&w, legacy ? w.p : w.f, "missing", "\"other\"");
    segue_close(w.dual);
    w.dual = NULL;
    segue_dual_options options = {phase};
    OK(segue_dual_open(w.fault_p, w.fault_f, &options, &w.dual, &w.err));
    seg_stats_reset(w.stats_p);
    seg_stats_reset(w.stats_f);
    use_everything(&w);
    uint64_t other = trips(legacy ? w.stats_p : w.stats_f);
    if (other)
        fail_msg("%s (%s): %llu trips to the other side", segue_phase_name(phase), caps, (unsigned long long)other);
    OK(segue_get_record(legacy ? w.f : w.p, K("j"), NULL, &w.doc, &w.err));
    assert_true(w.doc.rec.is_tombstone);
    world_close(&w);
}

static void legacy_uses_the_fallback_only(void **state)
{
    (void)state;
    one_side_only("", SEGUE_PHASE_LEGACY);
    one_side_only("-mutate", SEGUE_PHASE_LEGACY);
    one_side_only("-keep_cas", SEGUE_PHASE_LEGACY);
    one_side_only("-mutate,-keep_cas,-write_id", SEGUE_PHASE_LEGACY);
}

static void sealed_and_clean_use_the_primary_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        segue_phase phase = i ? SEGUE_PHASE_CLEAN : SEGUE_PHASE_SEALED;
        one_side_only("", phase);
        one_side_only("-mutate,-keep_cas,-write_id", phase);
    }
}

static void forward_writes_the_primary_only(void **state)
{
    (void)state;
    world w;
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    put_doc(&w, w.f, "k", "1");
    seg_stats_reset(w.stats_f);
    use_everything(&w);
    segue_stats s = {0};
    OK(segue_store_stats(w.stats_f, &s));
    assert_int_equal(s.put + s.mutate + s.erase + s.move + s.write_many, 0);
    assert_true(s.get > 0);
    OK(segue_get(w.f, K("k"), NULL, &w.doc, &w.err));
    assert_true(segue_slice_equal(w.doc.rec.body, K("1")));
    world_close(&w);
}

static void hold_reads_both_sides_and_lets_no_write_through(void **state)
{
    (void)state;
    world w;
    segue_options soon = {SOON};
    world_open(&w, "", "", SEGUE_PHASE_HOLD);
    put_doc(&w, w.f, "old", "1");
    put_doc(&w, w.p, "new", "2");
    assert_true(shows(&w, "old", "1"));
    assert_true(shows(&w, "new", "2"));
    assert_true(lists(&w, "new old"));
    IS(TIMEOUT, set_soon(&w, "old", "3"));
    IS(TIMEOUT, segue_delete(w.dual, K("old"), &soon, &w.err));
    IS(TIMEOUT, segue_touch(w.dual, K("new"), segue_expiry_in(9), &soon, NULL, &w.err));
    segue_update_options update = {.timeout_ns = SOON};
    IS(TIMEOUT, segue_update(w.dual, K("old"), append_2, NULL, &update, NULL, &w.err));
    assert_false(segue_status_is_maybe_applied(SEGUE_TIMEOUT));
    assert_true(segue_status_is_retryable(SEGUE_TIMEOUT));
    assert_true(shows(&w, "old", "1"));
    assert_true(shows(&w, "new", "2"));
    OK(go(&w, SEGUE_PHASE_FORWARD));
    OK(set_soon(&w, "old", "3"));
    assert_true(shows(&w, "old", "3"));
    world_close(&w);
}

/* Switched off, the rule lets a write into hold, and nothing else is changed by it. */
static void without_the_rule_hold_holds_nothing(void **state)
{
    (void)state;
    world w;
    world_open(&w, "", "", SEGUE_PHASE_HOLD);
    bool is_off = seg_rule_switch("HOLD", false);
    segue_status st = set_soon(&w, "k", "1");
    assert_true(is_off && seg_rule_switch("HOLD", true));
    OK(st);
    assert_true(shows(&w, "k", "1"));
    world_close(&w);
}

static void hold_goes_back_to_legacy(void **state)
{
    (void)state;
    world w;
    world_open(&w, "", "", SEGUE_PHASE_LEGACY);
    OK(set_doc(&w, "k", "1"));
    OK(go(&w, SEGUE_PHASE_HOLD));
    IS(TIMEOUT, set_soon(&w, "k", "2"));
    OK(go(&w, SEGUE_PHASE_LEGACY));
    assert_true(shows(&w, "k", "1"));
    OK(set_soon(&w, "k", "3"));
    OK(segue_get(w.f, K("k"), NULL, &w.doc, &w.err));
    assert_true(segue_slice_equal(w.doc.rec.body, K("3")));
    IS(NOT_FOUND, segue_get_record(w.p, K("k"), NULL, &w.doc, &w.err));
    world_close(&w);
}

static void purge_is_refused_until_clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PHASES; i++) {
        world w;
        uint64_t n = 77;
        world_open(&w, "", "", all_phases[i]);
        put_doc(&w, w.p, "k", "1");
        OK(segue_delete(w.p, K("k"), NULL, &w.err));
        segue_status st = segue_purge_tombstones(w.dual, &n, &w.err);
        bool clean = all_phases[i] == SEGUE_PHASE_CLEAN;
        if (st != (clean ? SEGUE_OK : SEGUE_REFUSED) || n != clean)
            fail_msg("purge in %s is %s, %llu purged", segue_phase_name(all_phases[i]), segue_status_name(st),
                     (unsigned long long)n);
        world_close(&w);
    }
}

/* ---- threads stopped inside an operation ---- */

typedef struct stopped {
    world *w;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool inside, released;
    unsigned ops;
    bool writes;
    segue_status st;
    pthread_t thread;
} stopped;

static void stop_here(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    stopped *s = ctx;
    (void)op, (void)key;
    if (!after || count != 1) return;
    pthread_mutex_lock(&s->lock);
    s->inside = true;
    pthread_cond_broadcast(&s->change);
    while (!s->released) pthread_cond_wait(&s->change, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void *operate(void *arg)
{
    stopped *s = arg;
    segue_doc doc = {0};
    s->st = s->writes ? segue_update(s->w->dual, K("k"), append_2, NULL, NULL, NULL, NULL)
                      : segue_get(s->w->dual, K("k"), NULL, &doc, NULL);
    segue_doc_free(&doc);
    return NULL;
}

/* Start an operation in a thread of its own and return when it is inside its first read of this side. */
static void start(stopped *s, world *w, segue_store *fault, bool writes)
{
    *s = (stopped){.w = w, .writes = writes};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->change, NULL);
    seg_fault_plan plan = {.ops = SEG_OP_GET, .hook = stop_here, .hook_ctx = s};
    seg_fault_set(fault, &plan);
    assert_int_equal(pthread_create(&s->thread, NULL, operate, s), 0);
    pthread_mutex_lock(&s->lock);
    while (!s->inside) pthread_cond_wait(&s->change, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void release(stopped *s)
{
    pthread_mutex_lock(&s->lock);
    s->released = true;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
}

static segue_status finish(stopped *s)
{
    release(s);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    pthread_cond_destroy(&s->change);
    pthread_mutex_destroy(&s->lock);
    return s->st;
}

static void a_change_waits_for_operations_under_the_old_phase(void **state)
{
    bool writes = *state != NULL;
    world w;
    stopped s;
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    put_doc(&w, w.f, "k", "1");
    start(&s, &w, w.fault_f, writes);
    IS(TIMEOUT, go_soon(&w, SEGUE_PHASE_SEALED));
    assert_int_equal(phase_of(&w), SEGUE_PHASE_SEALED); /* changed, but not drained */
    assert_true(is_gone(&w, "k"));                      /* new operations see the new phase at once */
    IS(TIMEOUT, go_soon(&w, SEGUE_PHASE_SEALED));       /* asking again waits on */
    IS(TIMEOUT, go_soon(&w, SEGUE_PHASE_CLEAN));        /* and no further step is made before it is over */
    assert_int_equal(phase_of(&w), SEGUE_PHASE_SEALED);
    OK(finish(&s)); /* under the phase that it began in: it saw the fallback */
    OK(go(&w, SEGUE_PHASE_SEALED));
    OK(go(&w, SEGUE_PHASE_CLEAN));
    assert_true(writes ? shows(&w, "k", "12") : is_gone(&w, "k"));
    world_close(&w);
}

static void an_operation_of_legacy_ends_in_legacy(void **state)
{
    (void)state;
    world w;
    stopped s;
    world_open(&w, "", "-mutate", SEGUE_PHASE_LEGACY);
    put_doc(&w, w.f, "k", "1");
    start(&s, &w, w.fault_f, true);
    IS(TIMEOUT, go_soon(&w, SEGUE_PHASE_FORWARD));
    assert_int_equal(phase_of(&w), SEGUE_PHASE_HOLD); /* it does not pass hold before legacy is over */
    OK(finish(&s));
    OK(go(&w, SEGUE_PHASE_FORWARD));
    OK(segue_get(w.f, K("k"), NULL, &w.doc, &w.err));
    assert_true(segue_slice_equal(w.doc.rec.body, K("12")));
    IS(NOT_FOUND, segue_get_record(w.p, K("k"), NULL, &w.doc, &w.err));
    assert_true(shows(&w, "k", "12"));
    world_close(&w);
}

static void *set_without_timeout(void *arg)
{
    stopped *s = arg;
    s->st = segue_set(s->w->dual, K("k"), K("2"), segue_expiry_none(), NULL, NULL, NULL);
    return NULL;
}

static void a_write_that_waits_in_hold_goes_on_after_it(void **state)
{
    (void)state;
    const segue_phase ends[] = {SEGUE_PHASE_FORWARD, SEGUE_PHASE_LEGACY};
    for (size_t i = 0; i < 2; i++) {
        world w;
        world_open(&w, "", "", SEGUE_PHASE_HOLD);
        put_doc(&w, w.f, "k", "1");
        stopped s = {.w = &w};
        assert_int_equal(pthread_create(&s.thread, NULL, set_without_timeout, &s), 0);
        seg_sleep_ns(segue_env_default(), SOON);
        assert_true(shows(&w, "k", "1"));
        OK(go(&w, ends[i]));
        assert_int_equal(pthread_join(s.thread, NULL), 0);
        OK(s.st);
        assert_true(shows(&w, "k", "2"));
        OK(segue_get(ends[i] == SEGUE_PHASE_LEGACY ? w.f : w.p, K("k"), NULL, &w.doc, &w.err));
        assert_true(segue_slice_equal(w.doc.rec.body, K("2")));
        world_close(&w);
    }
}

/* By the slot itself. */
static segue_status put_by_cas(world *w, uint64_t token)
{
    segue_call call = seg_call_new(w->dual, 0, &w->err);
    segue_put put = {.rec = {.key = K("k"), .body = K("9"), .revision = 9}, .condition = SEGUE_IF_CAS, .if_cas = token};
    segue_status st = seg_call_begin(w->dual, true, &call);
    if (st != SEGUE_OK) return st;
    st = seg_call_put(w->dual, &put, NULL, &call);
    seg_call_end(w->dual, &call);
    return st;
}

static void tokens_of_legacy_stay_good_in_forward(void **state)
{
    (void)state;
    static const char *const caps[][2] = {{"", ""}, {"-keep_cas", ""}, {"", "-mutate"}, {"-keep_cas", "-mutate"}};
    for (size_t i = 0; i < 4; i++) {
        world w;
        world_open(&w, caps[i][0], caps[i][1], SEGUE_PHASE_LEGACY);
        OK(set_doc(&w, "k", "1"));
        uint64_t token = w.cas;
        OK(get_doc(&w, "k"));
        assert_true(w.doc.rec.cas == token);
        IS(CAS_MISMATCH, segue_write_cas(w.dual, K("k"), token ^ (UINT64_C(1) << 63), K("2"), segue_expiry_none(), 0,
                                         NULL, NULL, &w.err));
        IS(CAS_MISMATCH, put_by_cas(&w, token ^ (UINT64_C(1) << 63)));
        OK(segue_write_cas(w.dual, K("k"), token, K("2"), segue_expiry_none(), 0, NULL, &token, &w.err));
        OK(go(&w, SEGUE_PHASE_FORWARD));
        OK(get_doc(&w, "k"));
        assert_true(w.doc.rec.cas == token);
        OK(segue_write_cas(w.dual, K("k"), token, K("3"), segue_expiry_none(), 0, NULL, NULL, &w.err));
        assert_true(shows(&w, "k", "3"));
        world_close(&w);
    }
}

/* More than a gate has slots: each of them counts. */
enum { CROWD = SEG_GATE_SLOTS + 6 };

typedef struct crowd {
    world *w;
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned inside;
    bool released;
} crowd;

static void *visit(void *arg)
{
    crowd *c = arg;
    segue_call call = seg_call_new(c->w->dual, 0, NULL);
    if (seg_call_begin(c->w->dual, true, &call) != SEGUE_OK) return c;
    pthread_mutex_lock(&c->lock);
    c->inside++;
    pthread_cond_broadcast(&c->change);
    while (!c->released) pthread_cond_wait(&c->change, &c->lock);
    pthread_mutex_unlock(&c->lock);
    seg_call_end(c->w->dual, &call);
    return NULL;
}

static void a_change_waits_for_everybody(void **state)
{
    (void)state;
    world w;
    pthread_t threads[CROWD];
    crowd c = {.w = &w, .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    char says[100];
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    for (int i = 0; i < CROWD; i++) assert_int_equal(pthread_create(&threads[i], NULL, visit, &c), 0);
    pthread_mutex_lock(&c.lock);
    while (c.inside < CROWD) pthread_cond_wait(&c.change, &c.lock);
    pthread_mutex_unlock(&c.lock);
    segue_status st = go_soon(&w, SEGUE_PHASE_SEALED);
    pthread_mutex_lock(&c.lock);
    c.released = true;
    pthread_cond_broadcast(&c.change);
    pthread_mutex_unlock(&c.lock);
    for (int i = 0; i < CROWD; i++) {
        void *failed = &w;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    IS(TIMEOUT, st);
    (void)snprintf(says, sizeof says, "%d operations that began under the old phase have not ended", CROWD); /* fits */
    if (!strstr(w.err.message, says)) fail_msg("\"%s\" does not say \"%s\"", w.err.message, says);
    OK(go(&w, SEGUE_PHASE_SEALED));
    world_close(&w);
}

/* ---- waiting, on a clock that nothing but naps moves ---- */

static int64_t nap_clock, longest_nap, first_nap;
static unsigned n_naps;

static int64_t nap_now(void *ctx)
{
    (void)ctx;
    return nap_clock;
}

static void take_nap(void *ctx, int64_t ns)
{
    (void)ctx;
    if (n_naps++ == 0) first_nap = ns;
    if (ns > longest_nap) longest_nap = ns;
    nap_clock += ns;
}

/* Always the same number, which makes the naps longer than half of what they may be. */
static void be_lazy(void *ctx, void *out, size_t size)
{
    static const uint64_t number = UINT64_MAX / 2;
    (void)ctx;
    if (size == sizeof number) memcpy(out, &number, size);
    else memset(out, 1, size);
}

static void must_have_napped(const char *who)
{
    if (n_naps < 100 || n_naps > 500 || first_nap > 20000 || longest_nap > 1000000 || longest_nap < 500000)
        fail_msg("%s naps %u times, %lld ns at first, %lld at most", who, n_naps, (long long)first_nap,
                 (long long)longest_nap);
    n_naps = 0;
    longest_nap = 0;
}

/* Short at first, then up to a millisecond: a phase is seldom long, and one that is costs nothing. */
static void who_waits_sleeps_longer_and_longer(void **state)
{
    (void)state;
    static const segue_env env = {NULL, nap_now, nap_now, take_nap, be_lazy};
    const segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER};
    const int64_t while_ns = 100000000;
    world w = {0};
    nap_clock = 1000000000;
    OK(segue_open("dual:?primary=mem:&fallback=mem:&phase=hold", &options, &w.dual, &w.err));
    segue_call writer = seg_call_new(w.dual, while_ns, &w.err), reader = seg_call_new(w.dual, 0, &w.err);
    IS(TIMEOUT, seg_call_begin(w.dual, true, &writer));
    assert_non_null(strstr(w.err.message, "writes are held while the migration starts; nothing was applied"));
    must_have_napped("a write in hold");
    OK(seg_call_begin(w.dual, false, &reader));
    IS(TIMEOUT, segue_dual_set_phase(w.dual, SEGUE_PHASE_FORWARD, while_ns, &w.err));
    must_have_napped("a change of phase");
    seg_call_end(w.dual, &reader);
    OK(go(&w, SEGUE_PHASE_FORWARD));
    assert_int_equal(n_naps, 0);
    segue_close(w.dual);
}

int main(void)
{
    static int writes;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_steps_of_the_chart_are_allowed),
        cmocka_unit_test(phases_have_names),
        cmocka_unit_test(only_a_dual_store_has_phases),
        cmocka_unit_test(a_dual_store_tells_its_two_sides),
        cmocka_unit_test(beyond_the_last_phase_there_is_none),
        cmocka_unit_test(legacy_uses_the_fallback_only),
        cmocka_unit_test(sealed_and_clean_use_the_primary_only),
        cmocka_unit_test(forward_writes_the_primary_only),
        cmocka_unit_test(hold_reads_both_sides_and_lets_no_write_through),
        cmocka_unit_test(without_the_rule_hold_holds_nothing),
        cmocka_unit_test(hold_goes_back_to_legacy),
        cmocka_unit_test(purge_is_refused_until_clean),
        {"a change waits for a read under the old phase", a_change_waits_for_operations_under_the_old_phase, NULL, NULL,
         NULL},
        {"a change waits for a write under the old phase", a_change_waits_for_operations_under_the_old_phase, NULL,
         NULL, &writes},
        cmocka_unit_test(a_change_waits_for_everybody),
        cmocka_unit_test(who_waits_sleeps_longer_and_longer),
        cmocka_unit_test(an_operation_of_legacy_ends_in_legacy),
        cmocka_unit_test(a_write_that_waits_in_hold_goes_on_after_it),
        cmocka_unit_test(tokens_of_legacy_stay_good_in_forward),
    };
    return cmocka_run_group_tests_name("phases", tests, NULL, NULL);
}
