/* Outcomes that are not known, and failures of every store call (docs/protocol.md, section 5): for each verb, each place
 * that the document may be in, each side and each N, the Nth call to that side fails before it is applied, or is applied
 * and reported lost, or is not applied and reported as unknown. Then what the caller was told must be true: how often the
 * verb was applied is read from the revision. Nothing is ever lost, nothing applied twice, and a retry succeeds. */
#include "world.h"

typedef enum where { IN_PRIMARY, IN_FALLBACK, IN_NEITHER, PLACES } where;
static const char *const place_names[PLACES] = {"in the primary", "in the fallback", "absent"};

static const segue_xattr old_xattr = {{"_a", 2}, {"1", 1}};

/* ---- verbs ---- */

static segue_status set(world *w) { return set_doc(w, "k", "6"); }
static segue_status delete (world *w) { return delete_doc(w, "k"); }

static segue_status add(world *w)
{
    return segue_add(w->dual, K("k"), K("6"), segue_expiry_none(), NULL, NULL, &w->err);
}

static segue_status incr(world *w)
{
    uint64_t initial = 6, value = 0;
    segue_status st = segue_incr(w->dual, K("k"), 1, &initial, segue_expiry_none(), NULL, &value, &w->err);
    if (st == SEGUE_OK && value != 6) fail_msg("incr gave %llu", (unsigned long long)value);
    return st;
}

static segue_status append(world *w) { return segue_append(w->dual, K("k"), K("6"), NULL, NULL, &w->err); }

static segue_status touch(world *w)
{
    return segue_touch(w->dual, K("k"), segue_expiry_at((uint32_t)seg_wall_s(&w->env) + 999999), NULL, NULL, &w->err);
}

static segue_status write_6(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current;
    m->body_op = SEGUE_BODY_SET;
    m->body = K("6");
    return SEGUE_OK;
}

static segue_status update(world *w) { return segue_update(w->dual, K("k"), write_6, NULL, NULL, NULL, &w->err); }

static segue_status set_xattrs(world *w)
{
    segue_xattr x = {K("_b"), K("6")};
    return segue_xattrs_set(w->dual, K("k"), &x, 1, NULL, NULL, &w->err);
}

/* By the CAS that the client read before: w->cas. */
static segue_status write_cas(world *w)
{
    return segue_write_cas(w->dual, K("k"), w->cas, K("6"), segue_expiry_none(), 0, NULL, NULL, &w->err);
}

static segue_status get_and_touch(world *w)
{
    segue_expiry expiry = segue_expiry_at((uint32_t)seg_wall_s(&w->env) + 999999);
    segue_status st = segue_get_and_touch(w->dual, K("k"), expiry, NULL, &w->doc, &w->err);
    if (st == SEGUE_OK) assert_true(segue_slice_equal(w->doc.rec.body, K("5")));
    return st;
}

/* One write without a read: over the fallback's document its revision starts anew, so the body is what shows it. */
static segue_status replace_all(world *w)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET,
                        .body = K("6"),
                        .set_xattrs = &old_xattr,
                        .n_set_xattrs = 1,
                        .options = SEGUE_M_REPLACE_ALL};
    return segue_mutate(w->dual, K("k"), &m, NULL, NULL, NULL, &w->err);
}

typedef struct verb {
    const char *name;
    segue_status (*run)(world *w);
    segue_status answers[PLACES]; /* on a healthy store */
    const char *body;             /* afterwards, where it answers OK; NULL: none */
} verb;

static const verb verbs[] = {
    {"set", set, {SEGUE_OK, SEGUE_OK, SEGUE_OK}, "6"},
    {"replace all", replace_all, {SEGUE_OK, SEGUE_OK, SEGUE_OK}, "6"},
    {"delete", delete, {SEGUE_OK, SEGUE_OK, SEGUE_NOT_FOUND}, NULL},
    {"add", add, {SEGUE_EXISTS, SEGUE_EXISTS, SEGUE_OK}, "6"},
    {"incr", incr, {SEGUE_OK, SEGUE_OK, SEGUE_OK}, "6"},
    {"append", append, {SEGUE_OK, SEGUE_OK, SEGUE_NOT_FOUND}, "56"},
    {"touch", touch, {SEGUE_OK, SEGUE_OK, SEGUE_NOT_FOUND}, "5"},
    {"update", update, {SEGUE_OK, SEGUE_OK, SEGUE_OK}, "6"},
    {"set xattrs", set_xattrs, {SEGUE_OK, SEGUE_OK, SEGUE_NOT_FOUND}, "5"},
    {"write by CAS", write_cas, {SEGUE_OK, SEGUE_OK, SEGUE_OK}, "6"},
    {"get and touch", get_and_touch, {SEGUE_OK, SEGUE_OK, SEGUE_NOT_FOUND}, "5"},
};
enum { N_VERBS = sizeof verbs / sizeof verbs[0] };

/* ---- one play ---- */

typedef struct fault_kind {
    const char *name;
    unsigned ops; /* 0: all */
    bool after;
    segue_status status;
} fault_kind;

enum { WRITES = SEG_OP_PUT | SEG_OP_MUTATE | SEG_OP_ERASE };
static const fault_kind kinds[] = {
    {"fails before it is applied", 0, false, SEGUE_UNAVAILABLE},
    {"runs out of space", WRITES, false, SEGUE_NO_SPACE},
    {"is applied and reported lost", WRITES, true, SEGUE_MAYBE_APPLIED},
    {"is not applied and reported as unknown", WRITES, false, SEGUE_MAYBE_APPLIED},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

typedef struct play {
    const verb *verb;
    where place;
    const char *caps;
    world_side side;
    const fault_kind *kind;
    unsigned nth;
    bool persistent;
} play;

static void complain(const play *p, segue_status st, uint64_t applied, const char *what)
{
    fail_msg("%s of a document %s (primary %s): call %u%s to the %s %s: told %s, applied %llu times: %s", p->verb->name,
             place_names[p->place], *p->caps ? p->caps : "native", p->nth, p->persistent ? " and all later ones" : "",
             p->side == PRIMARY ? "primary" : "fallback", p->kind->name, segue_status_name(st),
             (unsigned long long)applied, what);
}

static void prepare(world *w, where place)
{
    if (place == IN_NEITHER) return;
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("5"), .set_xattrs = &old_xattr, .n_set_xattrs = 1};
    MUST(segue_mutate(place == IN_PRIMARY ? w->p : w->f, K("k"), &m, NULL, NULL, NULL, &w->err));
    MUST(get_doc(w, "k"));
    w->cas = w->doc.rec.cas;
}

static uint64_t revision_of(world *w)
{
    segue_status st = segue_get_record(w->dual, K("k"), NULL, &w->doc, &w->err);
    if (st == SEGUE_NOT_FOUND) return 0;
    MUST(st);
    return w->doc.rec.revision;
}

/* How often the verb was applied. */
static uint64_t times(world *w, const play *p, uint64_t before)
{
    if (p->verb->run == replace_all && p->place == IN_FALLBACK) return shows(w, "k", "6");
    return revision_of(w) - before;
}

/* The document after exactly one application, nothing of the old one lost; or as it was. */
static bool is_right(world *w, const play *p, uint64_t applied)
{
    const char *body = applied ? p->verb->body : p->place == IN_NEITHER ? NULL : "5";
    bool there = get_doc(w, "k") == SEGUE_OK;
    if (!body) return !there;
    if (!there || !segue_slice_equal(w->doc.rec.body, K(body))) return false;
    return p->place == IN_NEITHER || has_xattr(w, "_a", "1");
}

/* What was told against what is so. */
static void judge(world *w, const play *p, segue_status st, uint64_t before)
{
    uint64_t applied = times(w, p, before);
    bool ids = segue_store_caps(w->dual) & SEGUE_CAP_WRITE_ID;
    if (applied > 1) complain(p, st, applied, "applied twice");
    if (!is_right(w, p, applied)) complain(p, st, applied, "the document is neither as before nor as it should be");
    if (st == SEGUE_OK && !applied) complain(p, st, applied, "a success that was not");
    if (st != SEGUE_OK && st != SEGUE_MAYBE_APPLIED && applied) complain(p, st, applied, "a failure that was none");
    if (p->kind->status != SEGUE_MAYBE_APPLIED && st == SEGUE_MAYBE_APPLIED)
        complain(p, st, applied, "a known failure told as unknown");
    if (p->kind->after && applied && ids && st != SEGUE_OK)
        complain(p, st, applied, "an applied write was not found by its id");
}

/* Whether the fault was reached. */
static bool run_play(const play *p)
{
    world w;
    world_open(&w, p->caps, "", SEGUE_PHASE_FORWARD);
    prepare(&w, p->place);
    uint64_t before = revision_of(&w);
    world_fail(&w, p->side, p->kind->ops, p->nth, p->persistent, p->kind->after, p->kind->status);
    segue_status st = p->verb->run(&w);
    bool fired = seg_fault_fired(p->side == PRIMARY ? w.fault_p : w.fault_f);
    world_heal(&w);
    uint64_t applied = times(&w, p, before);
    if (fired) {
        judge(&w, p, st, before);
        if (st == SEGUE_OK && p->verb->answers[p->place] != SEGUE_OK) complain(p, st, applied, "an unexpected success");
        if (applied == 0 && p->verb->run(&w) != p->verb->answers[p->place])
            complain(p, st, applied, "and a retry does not succeed");
        if (!is_right(&w, p, p->verb->answers[p->place] == SEGUE_OK)) complain(p, st, applied, "wrong after the retry");
    } else if (st != p->verb->answers[p->place]) {
        complain(p, st, applied, "another answer without any fault");
    }
    world_close(&w);
    return fired;
}

/* For every N until a run in which nothing was injected. */
static unsigned run_all_n(play p)
{
    unsigned n = 0;
    for (p.nth = 1; p.nth < 20 && run_play(&p); p.nth++) n++;
    assert_true(p.nth < 20);
    return n;
}

static void every_call_fails_once(void **state)
{
    static const char *const caps[] = {"",          "-mutate",          "-write_id", "-mutate,-write_id",
                                       "-keep_cas", "-mutate,-keep_cas"};
    const verb *v = *state;
    unsigned n = 0;
    for (size_t c = 0; c < sizeof caps / sizeof caps[0]; c++)
        for (where place = 0; place < PLACES; place++)
            for (size_t kind = 0; kind < N_KINDS; kind++)
                for (int i = 0; i < 4; i++) {
                    play p = {v, place, caps[c], i & 1 ? FALLBACK : PRIMARY, &kinds[kind], 1, i & 2};
                    n += run_all_n(p);
                }
    print_message("%s: %u faults injected\n", v->name, n);
    assert_true(n > 50);
}

/* ---- reading ---- */

static void a_read_is_right_or_an_error(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        for (where place = 0; place < PLACES; place++)
            for (unsigned nth = 1; nth < 6; nth++) {
                world w;
                world_open(&w, "", "", SEGUE_PHASE_FORWARD);
                prepare(&w, place);
                bool exists = false;
                world_fail(&w, i ? FALLBACK : PRIMARY, 0, nth, false, false, SEGUE_UNAVAILABLE);
                segue_status st = get_doc(&w, "k");
                bool right = st == SEGUE_UNAVAILABLE || st == (place == IN_NEITHER ? SEGUE_NOT_FOUND : SEGUE_OK);
                world_fail(&w, i ? FALLBACK : PRIMARY, 0, nth, false, false, SEGUE_UNAVAILABLE);
                st = segue_exists(w.dual, K("k"), NULL, &exists, &w.err);
                right = right && (st == SEGUE_UNAVAILABLE || (st == SEGUE_OK && exists == (place != IN_NEITHER)));
                world_fail(&w, i ? FALLBACK : PRIMARY, 0, nth, false, false, SEGUE_UNAVAILABLE);
                bool listed = lists(&w, place == IN_NEITHER ? "" : "k");
                right = right && (listed || seg_fault_fired(i ? w.fault_f : w.fault_p));
                world_close(&w);
                if (!right) fail_msg("side %d, call %u, document %s", i, nth, place_names[place]);
            }
}

/* ---- somebody else writes while it is not known ---- */

/* By the primary's own slot, and by the loop. */
static const char *const ways[] = {"", "-mutate"};

static void somebody_increments(world *w)
{
    MUST(segue_incr(w->dual, K("k"), 1, NULL, segue_expiry_none(), NULL, NULL, &w->err));
}

/* The hook's plan also fails the call, so both are set by hand. */
static void fail_and(world *w, bool applied, world_step step)
{
    seg_fault_plan plan = {
        .ops = WRITES, .nth = 1, .after = applied, .status = SEGUE_MAYBE_APPLIED, .hook = world_hook, .hook_ctx = w};
    w->step = step;
    w->nth = 1;
    w->after = true;
    w->taken = false;
    seg_fault_set(w->fault_p, &plan);
}

static void fail_and_step(world *w, bool applied) { fail_and(w, applied, somebody_increments); }

/* Two clients add 1 to the same 5. Mine did not arrive; the 6 that is there is the other's and proves nothing. */
static void an_equal_write_by_somebody_else_is_no_proof(void **state)
{
    (void)state;
    for (where place = 0; place < IN_NEITHER; place++) {
        world w;
        world_open(&w, "-mutate", "", SEGUE_PHASE_FORWARD);
        prepare(&w, place);
        fail_and_step(&w, false);
        segue_status st = segue_incr(w.dual, K("k"), 1, NULL, segue_expiry_none(), NULL, NULL, &w.err);
        world_heal(&w);
        assert_true(w.taken);
        assert_true(shows(&w, "k", "6"));
        if (st != SEGUE_MAYBE_APPLIED) fail_msg("told %s", segue_status_name(st));
        world_close(&w);
    }
}

/* Mine arrived, was reported lost, and was written over: that cannot be found out. */
static void a_write_that_was_written_over_stays_unknown(void **state)
{
    (void)state;
    for (where place = 0; place < IN_NEITHER; place++) {
        world w;
        world_open(&w, "-mutate", "", SEGUE_PHASE_FORWARD);
        prepare(&w, place);
        fail_and_step(&w, true);
        segue_status st = segue_incr(w.dual, K("k"), 1, NULL, segue_expiry_none(), NULL, NULL, &w.err);
        world_heal(&w);
        assert_true(w.taken);
        assert_true(shows(&w, "k", "7"));
        if (st != SEGUE_MAYBE_APPLIED) fail_msg("told %s", segue_status_name(st));
        if (!w.err.message[0]) fail_msg("without a sentence");
        world_close(&w);
    }
}

static void time_passes(world *w) { w->skew_ns += INT64_C(60) * 1000000000; }

/* Mine arrived, and what it left has expired when it is looked for: the answer is what it left. */
static void a_write_that_has_expired_is_answered_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        world w;
        uint64_t initial = 5, value = 77;
        world_open(&w, ways[i], "", SEGUE_PHASE_FORWARD);
        must(&w, segue_incr(w.dual, K("k"), 1, &initial, segue_expiry_in(30), NULL, NULL, &w.err), "incr", __LINE__);
        fail_and(&w, true, time_passes);
        must(&w, segue_incr(w.dual, K("k"), 1, &initial, segue_expiry_in(30), NULL, &value, &w.err), "incr", __LINE__);
        world_heal(&w);
        assert_true(w.taken);
        assert_int_equal(value, 6);
        assert_true(is_gone(&w, "k"));
        world_close(&w);
    }
}

static void what_was_touched_and_has_expired_is_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        world w;
        world_open(&w, ways[i], "", SEGUE_PHASE_FORWARD);
        prepare(&w, IN_PRIMARY);
        fail_and(&w, true, time_passes);
        must(&w, segue_get_and_touch(w.dual, K("k"), segue_expiry_in(30), NULL, &w.doc, &w.err), "touch", __LINE__);
        world_heal(&w);
        assert_true(w.taken);
        if (w.doc.rec.is_tombstone || !segue_slice_equal(w.doc.rec.body, K("5"))) fail_msg("it is shown as deleted");
        assert_non_null(segue_record_xattr(&w.doc.rec, K("_a")));
        assert_int_equal(w.doc.rec.n_xattrs, 1);
        assert_true(is_gone(&w, "k"));
        world_close(&w);
    }
}

static void somebody_deletes_and_purges(world *w)
{
    uint64_t n = 0;
    MUST(segue_delete(w->dual, K("k"), NULL, &w->err));
    MUST(segue_purge_tombstones(w->dual, &n, &w->err));
}

/* Mine arrived, was deleted by somebody else, and the tombstone was purged: there is nothing, as in the beginning. */
static void what_was_purged_meanwhile_does_not_come_back(void **state)
{
    (void)state;
    world w;
    world_open(&w, "-mutate", "-mutate", SEGUE_PHASE_CLEAN);
    fail_and(&w, true, somebody_deletes_and_purges);
    segue_status st = segue_add(w.dual, K("k"), K("1"), segue_expiry_none(), NULL, NULL, &w.err);
    world_heal(&w);
    assert_true(w.taken);
    assert_true(is_gone(&w, "k"));
    if (st != SEGUE_MAYBE_APPLIED) fail_msg("told %s", segue_status_name(st));
    world_close(&w);
}

static void erase_in(world *w, segue_store *store)
{
    segue_call call = seg_call_new(store, 0, &w->err);
    MUST(segue_get_record(store, K("k"), NULL, &w->doc, &w->err));
    MUST(seg_call_erase(store, K("k"), w->doc.rec.cas, &call));
}
static void the_record_vanishes(world *w) { erase_in(w, w->p); }
static void the_fallbacks_vanishes(world *w) { erase_in(w, w->f); }

/* As if another process had purged it. What was read before is forgotten. */
static void what_vanished_meanwhile_is_made_anew(void **state)
{
    (void)state;
    for (where place = 0; place < IN_NEITHER; place++) {
        world w;
        uint64_t initial = 100, value = 0;
        segue_options options = {.timeout_ns = INT64_C(1000000000)};
        seg_fault_plan plan = {.ops = SEG_OP_PUT, .hook = world_hook, .hook_ctx = &w};
        world_open(&w, place == IN_PRIMARY ? "-mutate" : "", "", SEGUE_PHASE_FORWARD);
        prepare(&w, place);
        w.step = place == IN_PRIMARY ? the_record_vanishes : the_fallbacks_vanishes;
        w.nth = 1;
        plan.nth = place == IN_PRIMARY ? 0 : 1;
        plan.status = SEGUE_EXISTS;
        seg_fault_set(w.fault_p, &plan);
        must(&w, segue_incr(w.dual, K("k"), 1, &initial, segue_expiry_none(), &options, &value, &w.err), "incr",
             __LINE__);
        assert_true(w.taken);
        assert_int_equal(value, 100);
        assert_int_equal(revision_of(&w), 1);
        world_close(&w);
    }
}

/* Others are always faster. */
static void an_update_that_never_wins_times_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        world w;
        world_open(&w, ways[i], "", SEGUE_PHASE_FORWARD);
        prepare(&w, IN_PRIMARY);
        seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = 1, .persistent = true, .status = SEGUE_CAS_MISMATCH};
        seg_fault_set(w.fault_p, &plan);
        segue_update_options options = {.timeout_ns = 3000000};
        segue_status st = segue_update(w.dual, K("k"), write_6, NULL, &options, NULL, &w.err);
        world_heal(&w);
        if (st != SEGUE_TIMEOUT) fail_msg("told %s", segue_status_name(st));
        assert_true(shows(&w, "k", "5"));
        world_close(&w);
    }
}

int main(void)
{
    struct CMUnitTest tests[N_VERBS + 8];
    size_t n = 0;
    for (size_t i = 0; i < N_VERBS; i++) {
        union {
            const verb *v;
            void *state;
        } u = {&verbs[i]};
        tests[n++] = (struct CMUnitTest){verbs[i].name, every_call_fails_once, NULL, NULL, u.state};
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_read_is_right_or_an_error);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(an_equal_write_by_somebody_else_is_no_proof);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_write_that_was_written_over_stays_unknown);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_write_that_has_expired_is_answered_as_it_was);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(what_was_touched_and_has_expired_is_shown);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(what_was_purged_meanwhile_does_not_come_back);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(what_vanished_meanwhile_is_made_anew);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(an_update_that_never_wins_times_out);
    return _cmocka_run_group_tests("outcomes", tests, n, NULL, NULL);
}
