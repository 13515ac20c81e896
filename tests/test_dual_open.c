/* Opening a dual store, by URL and from two handles, and what it learns of its fallback's clock: from an engine that counts who
 * asks for its highest CAS, can fail to say it, and is there without that slot, too. */
#include "world.h"

#include <pthread.h>
#include <stdlib.h>

#include "store/registry.h"
#include "support/memory.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- engines ---- */

static segue_backend told_engine, mute_engine; /* mem with a scripted `highest`, and without that slot */
static unsigned n_asked;
static int64_t last_deadline;
static segue_status answer;
static uint64_t answer_cas; /* 0: the real one */
static void (*while_asked)(void);

static segue_status scripted_highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    n_asked++;
    last_deadline = call->deadline_ns;
    if (answer != SEGUE_OK) return segue_fail(call, answer, "told: the clock has stopped");
    segue_status st = seg_backend_find("mem")->highest(self, at_least, ret_cas, call);
    if (answer_cas) *ret_cas = answer_cas;
    if (while_asked) while_asked();
    return st;
}

static unsigned mute_caps(const void *self)
{
    return seg_backend_find("mem")->caps(self) & ~(unsigned)SEGUE_CAP_CHANGES;
}

static int register_engines(void **state)
{
    (void)state;
    told_engine = mute_engine = *seg_backend_find("mem");
    told_engine.scheme = "told";
    told_engine.highest = scripted_highest;
    mute_engine.scheme = "mute";
    mute_engine.highest = NULL;
    mute_engine.changes = NULL;
    mute_engine.caps = mute_caps;
    return segue_register_backend(&told_engine) == SEGUE_OK && segue_register_backend(&mute_engine) == SEGUE_OK ? 0 : 1;
}

static segue_error err;

static int be_friendly(void **state)
{
    (void)state;
    n_asked = 0;
    last_deadline = 0;
    answer = SEGUE_OK;
    answer_cas = 0;
    while_asked = NULL;
    err = (segue_error){0};
    return 0;
}

static void must_be(segue_status want, segue_status got, const char *what, int line)
{
    if (got != want)
        fail_msg("line %d: %s is %s, not %s: %s", line, what, segue_status_name(got), segue_status_name(want),
                 err.message);
}
#define IS(status, call) must_be(SEGUE_##status, (call), #call, __LINE__)
#define OK(call) IS(OK, call)
#define SAYS(words)                                                                                                    \
    do {                                                                                                               \
        if (!strstr(err.message, words)) fail_msg("\"%s\" does not say \"%s\"", err.message, words);                   \
    } while (0)

static segue_store *open_url(const char *url)
{
    segue_store *store = NULL;
    segue_open_options options = {NULL, SEGUE_OPEN_NO_REAPER};
    must_be(SEGUE_OK, segue_open(url, &options, &store, &err), url, __LINE__);
    return store;
}

typedef struct sides {
    segue_store *p, *f, *dual;
} sides;

/* Each side with data of its own: "mem:", "told:", "mute:". */
static segue_status try_sides(sides *s, const char *p_url, const char *f_url, segue_phase phase)
{
    segue_dual_options options = {phase};
    *s = (sides){open_url(p_url), open_url(f_url), NULL};
    return segue_dual_open(s->p, s->f, &options, &s->dual, &err);
}

static void close_sides(sides *s)
{
    segue_close(s->dual);
    segue_close(s->p);
    segue_close(s->f);
}

/* A CAS that a clock far ahead of ours gives; later ones for greater n. */
static uint64_t ahead(uint64_t n) { return (seg_wall_s(segue_env_default()) + n * 1000) * 1000000000; }

static void put_ahead(segue_store *store, const char *key, uint64_t cas)
{
    segue_record rec = {.key = K(key), .body = K("1"), .cas = cas, .revision = 1};
    OK(segue_put_record(store, &rec, SEGUE_PUT_REPLACE, NULL, NULL, &err));
}

/* The CAS of a write that reads nothing. */
static uint64_t replace(segue_store *store, const char *key)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("2"), .options = SEGUE_M_REPLACE_ALL};
    segue_outcome out = {0};
    OK(segue_mutate(store, K(key), &m, NULL, &out, NULL, &err));
    return out.cas;
}

#define LATER(a, b)                                                                                                    \
    do {                                                                                                               \
        uint64_t a_ = (a), b_ = (b);                                                                                   \
        if (a_ <= b_) fail_msg("%s is %llu, not later than %llu", #a, (unsigned long long)a_, (unsigned long long)b_); \
    } while (0)

/* ---- by URL ---- */

static void a_url_that_is_wrong_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        segue_status status;
        const char *says;
    } cases[] = {
        {"dual:", SEGUE_INVALID_URL, "primary is missing"},
        {"dual:?fallback=mem:f", SEGUE_INVALID_URL, "primary is missing"},
        {"dual:?primary=mem:p", SEGUE_INVALID_URL, "needs primary=URL and fallback=URL; fallback is missing"},
        {"dual:?primary=mem:p&fallback=mem:f&phase=closed", SEGUE_INVALID_URL, "there is no phase \"closed\""},
        {"dual:?primary=mem:p&fallback=mem:f&fence=1", SEGUE_INVALID_URL, "no parameter \"fence\""},
        {"dual:?primary=mem:p&fallback=mem:f&fence=1&phase=legacy", SEGUE_INVALID_URL, "no parameter \"fence\""},
        {"dual:?primary=mem:p?x=1&fallback=mem:f", SEGUE_INVALID_URL, "no parameter \"x\""},
        {"dual:?primary=mem:p&fallback=nothing:f", SEGUE_INVALID_URL, "\"nothing\""},
        {"dual:?primary=nothing:p&fallback=mem:f", SEGUE_INVALID_URL, "\"nothing\""},
        {"dual:?primary=mem:p&fallback=mem:p", SEGUE_INVALID_ARGUMENT, "mem:p is both primary and fallback"},
        {"dual:?primary=mem:p&fallback=dual:?primary=mem:a%26fallback=mem:b", SEGUE_INVALID_ARGUMENT,
         "cannot be a dual store itself"},
        {"dual:?primary=dual:?primary=mem:a%26fallback=mem:b&fallback=mem:f", SEGUE_INVALID_ARGUMENT,
         "cannot be a dual store itself"},
        {"dual:?primary=mem:p&fallback=told:f", SEGUE_UNAVAILABLE, "the clock has stopped"},
    };
    answer = SEGUE_UNAVAILABLE;
    for (size_t i = 0; i < COUNT(cases); i++) {
        segue_store *store = NULL;
        segue_status st = segue_open(cases[i].url, NULL, &store, &err);
        if (st != cases[i].status || store || !strstr(err.message, cases[i].says))
            fail_msg("%s: %s (%s), expected %s (%s)", cases[i].url, segue_status_name(st), err.message,
                     segue_status_name(cases[i].status), cases[i].says);
    }
}

static void a_url_names_the_phase_to_begin_in(void **state)
{
    (void)state;
    static const struct {
        const char *rest;
        segue_phase phase;
    } cases[] = {{"", SEGUE_PHASE_FORWARD},
                 {"&phase=legacy", SEGUE_PHASE_LEGACY},
                 {"&phase=hold", SEGUE_PHASE_HOLD},
                 {"&phase=forward", SEGUE_PHASE_FORWARD},
                 {"&phase=sealed", SEGUE_PHASE_SEALED},
                 {"&phase=clean", SEGUE_PHASE_CLEAN}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char url[100];
        segue_phase phase = SEGUE_PHASE_LEGACY;
        (void)snprintf(url, sizeof url, "dual:?primary=mem:p&fallback=mem:f%s", cases[i].rest); /* fits */
        segue_store *store = open_url(url), *p = NULL, *f = NULL;
        OK(segue_dual_phase(store, &phase));
        OK(segue_dual_sides(store, &p, &f));
        if (phase != cases[i].phase) fail_msg("%s is in %s", url, segue_phase_name(phase));
        assert_string_equal(segue_store_url(p), "mem:p");
        assert_string_equal(segue_store_url(f), "mem:f");
        segue_close(store);
    }
}

static void a_side_is_opened_as_the_whole_is(void **state)
{
    (void)state;
    segue_store *store = NULL;
    segue_open_options existing = {NULL, SEGUE_OPEN_EXISTING};
    IS(NO_STORE, segue_open("dual:?primary=mem:&fallback=sqlite:/nonexistent/old.db", &existing, &store, &err));
    SAYS("/nonexistent/old.db");
    assert_null(store);
}

/* ---- from two handles ---- */

static void two_handles_are_needed(void **state)
{
    (void)state;
    sides s = {open_url("mem:p"), open_url("mem:f"), NULL};
    segue_dual_options beyond = {(segue_phase)(SEGUE_PHASE_CLEAN + 1)};
    const char *needs = "needs a primary and a fallback";
    IS(INVALID_ARGUMENT, segue_dual_open(NULL, s.f, NULL, &s.dual, &err));
    SAYS(needs);
    IS(INVALID_ARGUMENT, segue_dual_open(s.p, NULL, NULL, &s.dual, &err));
    SAYS(needs);
    IS(INVALID_ARGUMENT, segue_dual_open(s.p, s.f, NULL, NULL, &err));
    SAYS(needs);
    IS(INVALID_ARGUMENT, segue_dual_open(s.p, s.f, &beyond, &s.dual, &err));
    SAYS("no such phase");
    IS(INVALID_ARGUMENT, segue_dual_open(s.p, s.p, NULL, &s.dual, &err));
    SAYS("mem:p is both primary and fallback");
    assert_null(s.dual);
    assert_int_equal(atomic_load(&s.p->refs), 1);
    assert_int_equal(atomic_load(&s.f->refs), 1);
    IS(INVALID_ARGUMENT, segue_dual_sides(s.p, NULL, NULL));
    IS(INVALID_ARGUMENT, segue_dual_sides(NULL, NULL, NULL));
    IS(INVALID_ARGUMENT, segue_dual_phase(NULL, NULL));
    OK(segue_dual_open(s.p, s.f, NULL, &s.dual, &err));
    OK(segue_dual_phase(s.dual, NULL)); /* whether it is one */
    OK(segue_dual_sides(s.dual, NULL, NULL));
    close_sides(&s);
}

static void it_keeps_its_sides_open_until_it_is_closed(void **state)
{
    (void)state;
    sides s;
    OK(try_sides(&s, "mem:", "mem:", SEGUE_PHASE_FORWARD));
    assert_int_equal(atomic_load(&s.p->refs), 2);
    assert_int_equal(atomic_load(&s.f->refs), 2);
    segue_close(s.dual);
    assert_int_equal(atomic_load(&s.p->refs), 1);
    assert_int_equal(atomic_load(&s.f->refs), 1);
    s.dual = NULL;
    close_sides(&s);
}

/* Memory comes full of rubbish, so that what is read without having been written shows. */
typedef union block {
    size_t size;
    max_align_t start;
} block;

static void dirty_free(void *ctx, void *old)
{
    (void)ctx;
    if (old) free((block *)old - 1);
}

static void *dirty_realloc(void *ctx, void *old, size_t size)
{
    block *fresh = malloc(sizeof *fresh + size);
    if (!fresh) return NULL;
    fresh->size = size;
    memset(fresh + 1, 'x', size);
    size_t had = old ? ((block *)old - 1)->size : 0;
    if (had) memcpy(fresh + 1, old, had < size ? had : size);
    dirty_free(ctx, old);
    return fresh + 1;
}

static void its_url_names_both(void **state)
{
    (void)state;
    static const segue_allocator dirty = {NULL, dirty_realloc, dirty_free};
    sides s;
    segue_set_allocator(&dirty);
    OK(try_sides(&s, "mem:?caps=-flags&reap=off", "mem:?collection=%73.c", SEGUE_PHASE_FORWARD));
    assert_string_equal(segue_store_url(s.dual),
                        "dual:?primary=mem:%3Fcaps=-flags%26reap=off&fallback=mem:%3Fcollection=%2573.c");
    segue_store *again = open_url(segue_store_url(s.dual)), *p = NULL, *f = NULL;
    OK(segue_dual_sides(again, &p, &f));
    assert_string_equal(segue_store_url(p), segue_store_url(s.p));
    assert_string_equal(segue_store_url(f), segue_store_url(s.f));
    segue_close(again);
    close_sides(&s);
    segue_set_allocator(NULL);
}

/* ---- memory ---- */

/* An allocator of somebody else's promises no more than that any type of C's own may stand there. */
static void it_asks_for_no_special_alignment(void **state)
{
    (void)state;
    static const segue_allocator dirty = {NULL, dirty_realloc, dirty_free};
    segue_doc doc = {0};
    segue_set_allocator(&dirty);
    for (int i = 0; i < 8; i++) { /* at some addresses */
        sides s;
        OK(try_sides(&s, "mem:", "mem:", SEGUE_PHASE_LEGACY));
        OK(segue_set(s.dual, K("k"), K("1"), segue_expiry_none(), NULL, NULL, &err));
        OK(segue_dual_set_phase(s.dual, SEGUE_PHASE_FORWARD, 0, &err));
        OK(segue_get(s.dual, K("k"), NULL, &doc, &err));
        assert_true(segue_slice_equal(doc.rec.body, K("1")));
        segue_doc_free(&doc);
        close_sides(&s);
    }
    segue_set_allocator(NULL);
}

static segue_status open_by_url(void *url)
{
    segue_store *store = NULL;
    segue_open_options options = {NULL, SEGUE_OPEN_NO_REAPER};
    segue_status st = segue_open(url, &options, &store, &err);
    if (st == SEGUE_NO_MEMORY && !strstr(err.message, "memory")) return SEGUE_CORRUPT;
    segue_close(store);
    return st;
}

/* Refused: OK when it is refused for the right reason and nothing is kept of it. */
static segue_status be_refused(void *url)
{
    segue_status st = open_by_url(url);
    return st == SEGUE_INVALID_URL || st == SEGUE_INVALID_ARGUMENT || st == SEGUE_UNAVAILABLE ? SEGUE_OK : st;
}

static segue_status open_from_handles(void *ctx)
{
    sides s = {0};
    segue_open_options options = {NULL, SEGUE_OPEN_NO_REAPER};
    (void)ctx;
    segue_status st = segue_open("mem:", &options, &s.p, &err);
    if (st == SEGUE_OK) st = segue_open("mem:", &options, &s.f, &err);
    if (st == SEGUE_OK) {
        st = segue_dual_open(s.p, s.f, NULL, &s.dual, &err);
        if (st == SEGUE_NO_MEMORY && !strstr(err.message, "memory")) st = SEGUE_CORRUPT;
    }
    close_sides(&s);
    return st;
}

static segue_status be_refused_from_handles(void *ctx)
{
    sides s = {0};
    segue_open_options options = {NULL, SEGUE_OPEN_NO_REAPER};
    (void)ctx;
    segue_status st = segue_open("mem:", &options, &s.p, &err);
    if (st == SEGUE_OK) st = segue_open("told:", &options, &s.f, &err);
    if (st == SEGUE_OK) st = segue_dual_open(s.p, s.f, NULL, &s.dual, &err);
    close_sides(&s);
    return st == SEGUE_UNAVAILABLE ? SEGUE_OK : st;
}

static void what_cannot_be_opened_gives_everything_back(void **state)
{
    (void)state;
    static char whole[] = "dual:?primary=mem:&fallback=mem:", same[] = "dual:?primary=mem:p&fallback=mem:p";
    static char half[] = "dual:?primary=mem:&fallback=nothing:f", stopped[] = "dual:?primary=mem:&fallback=told:";
    segue_close(open_url("mem:p")); /* what has a name stays */
    answer = SEGUE_UNAVAILABLE;
    test_fail_every_allocation(open_by_url, whole);
    test_fail_every_allocation(be_refused, same);
    test_fail_every_allocation(be_refused, half);
    test_fail_every_allocation(be_refused, stopped);
    test_fail_every_allocation(open_from_handles, NULL);
    test_fail_every_allocation(be_refused_from_handles, NULL);
}

/* ---- the fallback's clock ---- */

static void an_open_asks_for_the_clock_only_where_it_counts(void **state)
{
    (void)state;
    for (segue_phase phase = SEGUE_PHASE_LEGACY; phase <= SEGUE_PHASE_CLEAN; phase++) {
        sides s;
        bool counts = phase < SEGUE_PHASE_SEALED;
        answer = SEGUE_UNAVAILABLE;
        last_deadline = 77;
        segue_status st = try_sides(&s, "mem:", "told:", phase);
        if (st != (counts ? SEGUE_UNAVAILABLE : SEGUE_OK) || (s.dual != NULL) == counts)
            fail_msg("%s: %s (%s)", segue_phase_name(phase), segue_status_name(st), err.message);
        if (counts) SAYS("the clock has stopped");
        assert_int_equal(last_deadline, counts ? 0 : 77); /* it may take as long as it takes */
        close_sides(&s);
    }
}

/* Where the step into forward cannot learn it, the phase stays hold, and the step can be asked for again. */
static void a_clock_that_cannot_be_read_keeps_it_in_hold(void **state)
{
    (void)state;
    sides s;
    segue_phase phase = SEGUE_PHASE_CLEAN;
    OK(try_sides(&s, "mem:", "told:", SEGUE_PHASE_LEGACY));
    answer = SEGUE_UNAVAILABLE;
    IS(UNAVAILABLE, segue_dual_set_phase(s.dual, SEGUE_PHASE_FORWARD, 0, &err));
    SAYS("the clock has stopped");
    OK(segue_dual_phase(s.dual, &phase));
    assert_int_equal(phase, SEGUE_PHASE_HOLD);
    IS(UNAVAILABLE, segue_dual_set_phase(s.dual, SEGUE_PHASE_FORWARD, 0, &err));
    answer = SEGUE_OK;
    put_ahead(s.f, "k", ahead(1));
    OK(segue_dual_set_phase(s.dual, SEGUE_PHASE_FORWARD, 0, &err));
    LATER(replace(s.dual, "k"), ahead(1));
    unsigned asked = n_asked;
    answer = SEGUE_UNAVAILABLE;
    OK(segue_dual_set_phase(s.dual, SEGUE_PHASE_FORWARD, 0, &err)); /* it is there: nothing is to be learnt */
    OK(segue_dual_set_phase(s.dual, SEGUE_PHASE_SEALED, 0, &err));
    assert_int_equal(n_asked, asked);
    close_sides(&s);
}

static void what_was_above_stays_above(void **state)
{
    (void)state;
    sides s;
    answer_cas = ahead(2);
    OK(try_sides(&s, "mem:", "told:", SEGUE_PHASE_LEGACY));
    answer_cas = ahead(1); /* such an engine forgets; what it gave before may still be in somebody's hands */
    OK(segue_dual_set_phase(s.dual, SEGUE_PHASE_FORWARD, 0, &err));
    LATER(replace(s.dual, "k"), ahead(2) - 1);
    close_sides(&s);
}

/* A write of legacy is still under way when hold is over its time: its CAS counts, too, so forward waits for it first. */
static void the_clock_is_read_when_legacy_is_over(void **state)
{
    (void)state;
    sides s;
    OK(try_sides(&s, "mem:", "told:", SEGUE_PHASE_LEGACY));
    segue_put put = {.rec = {.key = K("k"), .body = K("1"), .revision = 1}, .cas_floor = ahead(1)};
    segue_call call = seg_call_new(s.dual, 0, &err);
    uint64_t cas = 0;
    OK(seg_call_begin(s.dual, true, &call));
    IS(TIMEOUT, segue_dual_set_phase(s.dual, SEGUE_PHASE_HOLD, 1, &err));
    SAYS("1 operation that began under the old phase has not ended; call again to wait on");
    unsigned asked = n_asked;
    IS(TIMEOUT, segue_dual_set_phase(s.dual, SEGUE_PHASE_FORWARD, 1, &err));
    assert_int_equal(n_asked, asked);
    OK(seg_call_put(s.dual, &put, &cas, &call));
    seg_call_end(s.dual, &call);
    OK(segue_dual_set_phase(s.dual, SEGUE_PHASE_FORWARD, 0, &err));
    LATER(replace(s.dual, "k"), cas);
    close_sides(&s);
}

static sides contested;
static pthread_t rival;
static segue_status rivals_answer;

static void *call_it_off(void *arg)
{
    segue_error mine;
    (void)arg;
    rivals_answer = segue_dual_set_phase(contested.dual, SEGUE_PHASE_LEGACY, 0, &mine);
    return NULL;
}

static void start_rival(void)
{
    while_asked = NULL;
    assert_int_equal(pthread_create(&rival, NULL, call_it_off, NULL), 0);
    seg_sleep_ns(segue_env_default(), 5000000); /* long enough for it, if it were let */
}

/* One goes into forward while another wants to go back: who comes second is refused, and nothing is written to the fallback
 * after its clock was read. */
static void nobody_calls_it_off_while_the_clock_is_read(void **state)
{
    (void)state;
    segue_phase phase = SEGUE_PHASE_CLEAN;
    OK(try_sides(&contested, "mem:", "told:", SEGUE_PHASE_LEGACY));
    while_asked = start_rival;
    OK(segue_dual_set_phase(contested.dual, SEGUE_PHASE_FORWARD, 0, &err));
    assert_int_equal(pthread_join(rival, NULL), 0);
    IS(REFUSED, rivals_answer);
    OK(segue_dual_phase(contested.dual, &phase));
    assert_int_equal(phase, SEGUE_PHASE_FORWARD);
    close_sides(&contested);
}

/* ---- a fallback that does not tell its clock ---- */

static segue_status put_any(segue_store *store, uint64_t floor, uint64_t *ret_cas)
{
    segue_put put = {.rec = {.key = K("k"), .body = K("2"), .revision = 1}, .cas_floor = floor};
    segue_call call = seg_call_new(store, 0, &err);
    OK(seg_call_begin(store, true, &call));
    segue_status st = seg_call_put(store, &put, ret_cas, &call);
    seg_call_end(store, &call);
    return st;
}

static void without_its_clock_the_fallback_is_asked_for_the_record(void **state)
{
    (void)state;
    sides s;
    uint64_t cas = 0;
    OK(try_sides(&s, "mem:", "mute:", SEGUE_PHASE_FORWARD));
    OK(put_any(s.dual, 0, &cas)); /* of a key that neither has */
    LATER(ahead(1), cas);
    close_sides(&s);
    for (int i = 0; i < 3; i++) {
        OK(try_sides(&s, "mem:", "mute:", SEGUE_PHASE_FORWARD));
        put_ahead(s.f, "k", ahead(1));
        cas = i ? 0 : replace(s.dual, "k");
        if (i) OK(put_any(s.dual, i > 1 ? ahead(2) : 0, &cas));
        LATER(cas, i > 1 ? ahead(2) : ahead(1));
        close_sides(&s);
    }
}

static void without_its_clock_a_failure_of_the_fallback_is_one(void **state)
{
    (void)state;
    sides s;
    uint64_t cas = 77;
    segue_store *f = open_url("mute:"), *fault = NULL, *p = open_url("mem:");
    OK(seg_fault_open(f, &fault, &err));
    OK(segue_dual_open(p, fault, NULL, &s.dual, &err));
    s.p = p;
    s.f = fault;
    seg_fault_plan plan = {.nth = 1, .persistent = true, .status = SEGUE_UNAVAILABLE}, none = {0};
    seg_fault_set(fault, &plan);
    IS(UNAVAILABLE, put_any(s.dual, 0, &cas));
    SAYS("injected failure of call 1");
    assert_int_equal(cas, 77);
    segue_doc doc = {0};
    IS(NOT_FOUND, segue_get_record(p, K("k"), NULL, &doc, &err));
    seg_fault_set(fault, &none);
    seg_fault_plan full = {.nth = 1, .status = SEGUE_NO_SPACE};
    close_sides(&s);
    s = (sides){open_url("mem:"), f, NULL};
    OK(seg_fault_open(s.p, &fault, &err));
    OK(segue_dual_open(fault, s.f, NULL, &s.dual, &err));
    seg_fault_set(fault, &full);
    IS(NO_SPACE, put_any(s.dual, 0, &cas));
    assert_int_equal(cas, 77);
    segue_close(fault);
    close_sides(&s);
}

/* What a feed is told of the clocks is a failure, too, when one of them fails. */
static void the_clock_of_both_fails_with_one(void **state)
{
    (void)state;
    for (segue_phase phase = SEGUE_PHASE_LEGACY; phase <= SEGUE_PHASE_CLEAN; phase++)
        for (int i = 0; i < 2; i++) {
            sides s;
            uint64_t cas = 77;
            OK(try_sides(&s, i ? "mem:" : "told:", i ? "told:" : "mem:", phase));
            bool asked = i ? phase < SEGUE_PHASE_SEALED : phase != SEGUE_PHASE_LEGACY;
            answer = SEGUE_UNAVAILABLE;
            segue_call call = seg_call_new(s.dual, 0, &err);
            OK(seg_call_begin(s.dual, false, &call));
            segue_status st = seg_call_highest(s.dual, 0, &cas, &call);
            seg_call_end(s.dual, &call);
            answer = SEGUE_OK;
            if (st != (asked ? SEGUE_UNAVAILABLE : SEGUE_OK) || (cas == 77) != asked)
                fail_msg("%s, %s fails: %s", segue_phase_name(phase), i ? "fallback" : "primary",
                         segue_status_name(st));
            close_sides(&s);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_url_that_is_wrong_says_where, be_friendly),
        cmocka_unit_test_setup(a_url_names_the_phase_to_begin_in, be_friendly),
        cmocka_unit_test_setup(a_side_is_opened_as_the_whole_is, be_friendly),
        cmocka_unit_test_setup(two_handles_are_needed, be_friendly),
        cmocka_unit_test_setup(it_keeps_its_sides_open_until_it_is_closed, be_friendly),
        cmocka_unit_test_setup(its_url_names_both, be_friendly),
        cmocka_unit_test_setup(it_asks_for_no_special_alignment, be_friendly),
        cmocka_unit_test_setup(what_cannot_be_opened_gives_everything_back, be_friendly),
        cmocka_unit_test_setup(an_open_asks_for_the_clock_only_where_it_counts, be_friendly),
        cmocka_unit_test_setup(a_clock_that_cannot_be_read_keeps_it_in_hold, be_friendly),
        cmocka_unit_test_setup(what_was_above_stays_above, be_friendly),
        cmocka_unit_test_setup(the_clock_is_read_when_legacy_is_over, be_friendly),
        cmocka_unit_test_setup(nobody_calls_it_off_while_the_clock_is_read, be_friendly),
        cmocka_unit_test_setup(without_its_clock_the_fallback_is_asked_for_the_record, be_friendly),
        cmocka_unit_test_setup(without_its_clock_a_failure_of_the_fallback_is_one, be_friendly),
        cmocka_unit_test_setup(the_clock_of_both_fails_with_one, be_friendly),
    };
    return cmocka_run_group_tests_name("dual_open", tests, register_engines, NULL);
}
