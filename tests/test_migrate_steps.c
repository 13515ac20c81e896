/* The steps of a migration and what must hold before each: clients that are led from phase to phase and waited for, proofs, other
 * migrations in the way, damaged records, and who else is at work. */
#include "migration_scene.h"

#include "migrate/migration.h"

static const int64_t SECOND = 1000000000;

typedef struct held {
    mscene s;
    segue_store *dual;
    segue_call inside; /* an operation of a client that does not end */
} held;

static void begin_held(held *h, segue_phase phase)
{
    segue_dual_options options = {phase};
    begin_scene(&h->s, MEM_TWO);
    use_own_time(&h->s);
    assert_ok(segue_dual_open(h->s.fault_to, h->s.fault_from, &options, &h->dual, &test_err));
    h->s.options.dual = h->dual;
    h->s.options.workers = 1;
    h->s.options.page_docs = 100;
    h->s.options.drain_ns = SECOND;
}

static void end_held(held *h)
{
    scene_sleeps_count = false;
    segue_close(h->dual);
    end_scene(&h->s);
}

static void enter(held *h, bool write)
{
    h->inside = seg_call_new(h->dual, 0, &test_err);
    assert_ok(seg_call_begin(h->dual, write, &h->inside));
}

static void leave(held *h) { seg_call_end(h->dual, &h->inside); }

static void phase_is(const held *h, segue_phase want)
{
    segue_phase phase = SEGUE_PHASE_LEGACY;
    assert_ok(segue_dual_phase(h->dual, &phase));
    if (phase != want) fail_msg("%s, not %s", segue_phase_name(phase), segue_phase_name(want));
}

static void says(const char *word)
{
    if (!strstr(test_err.message, word)) fail_msg("no \"%s\" in: %s", word, test_err.message);
}

static segue_status by_hand(mscene *s, segue_status (*step)(segue_migration *, segue_error *))
{
    segue_migration *m = NULL;
    assert_ok(segue_migration_open(s->fault_from, s->fault_to, &s->options, &m, &test_err));
    segue_status st = step(m, &test_err);
    segue_migration_close(m);
    return st;
}

/* A run that waits in vain for as long as it may. */
static segue_status run_in_vain(held *h)
{
    int64_t began = atomic_load(&scene_ns);
    scene_sleeps_count = true;
    segue_status st = run_scene(&h->s);
    scene_sleeps_count = false;
    int64_t took = atomic_load(&scene_ns) - began;
    if (took < SECOND || took > 2 * SECOND) fail_msg("it has waited for %lld ns", (long long)took);
    return st;
}

/* ---- clients that are waited for ---- */

static void a_hold_that_does_not_drain_lets_the_clients_go_on(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_LEGACY);
    enter(&h, true);
    assert_status(run_in_vain(&h), SEGUE_TIMEOUT);
    says("have not ended");
    phase_is(&h, SEGUE_PHASE_LEGACY);
    assert_int_equal(stage_of(&h.s), SEGUE_STAGE_STARTING);
    assert_body(h.s.from, "n:counter", "41");
    leave(&h);
    assert_ok(segue_set(h.dual, K("d:00"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_body(h.s.from, "d:00", "1");
    assert_ok(run_scene(&h.s));
    assert_body(h.s.to, "d:00", "1");
    phase_is(&h, SEGUE_PHASE_CLEAN);
    end_held(&h);
}

static void enter_during_hold(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    held *h = ctx;
    (void)op;
    if (after || count != 1) return;
    assert_true(segue_slice_equal(key, K("n:counter")));
    phase_is(h, SEGUE_PHASE_HOLD); /* while counters are handed over nobody writes */
    atomic_fetch_add(&scene_ns, 7);
    enter(h, false);
}

static void forward_waits_for_who_is_inside(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_LEGACY);
    seg_fault_plan plan = {.ops = SEG_OP_GET, .hook = enter_during_hold, .hook_ctx = &h};
    seg_fault_set(h.s.fault_from, &plan);
    int64_t began = atomic_load(&scene_ns);
    assert_status(run_in_vain(&h), SEGUE_TIMEOUT);
    says("have not ended");
    assert_int_equal(stage_of(&h.s), SEGUE_STAGE_STARTING);
    phase_is(&h, SEGUE_PHASE_FORWARD);
    segue_migration_status status = read_status(&h.s);
    assert_int_equal(status.hold_ns, atomic_load(&scene_ns) - began);
    assert_non_null(strstr(status.last_error, "have not ended"));
    segue_migration_status_free(&status);
    heal(&h.s);
    leave(&h);
    assert_ok(run_scene(&h.s));
    end_held(&h);
}

static void without_clients_nothing_is_held(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_TWO);
    assert_ok(run_scene(&s));
    segue_migration_status status = read_status(&s);
    assert_int_equal(status.hold_ns, 0);
    segue_migration_status_free(&status);
    end_scene(&s);
}

/* An operation from before the seal may still insert what it has read in the fallback: the tombstone that would keep it from
 * that must be there until it has ended, however often the run is begun again. */
static void nothing_is_purged_while_an_operation_from_before_the_seal_is_inside(void **state)
{
    (void)state;
    for (int by = 0; by < 2; by++) {
        held h;
        begin_held(&h, SEGUE_PHASE_FORWARD);
        assert_ok(segue_delete(h.dual, K("d:03"), NULL, &test_err));
        h.s.options.hold_seal = true;
        assert_ok(run_scene(&h.s));
        h.s.options.hold_seal = false;
        enter(&h, true);
        for (int i = 0; i < 3; i++) {
            scene_sleeps_count = true;
            segue_status st = by ? by_hand(&h.s, segue_migration_seal) : run_scene(&h.s);
            scene_sleeps_count = false;
            if (st != SEGUE_TIMEOUT) fail_msg("round %d: %s", i, segue_status_name(st));
            says("have not ended");
            assert_true(stage_of(&h.s) < SEGUE_STAGE_SEALED);
            assert_body(h.s.to, "d:03", "(a tombstone)");
            assert_true(count_manifests(&h.s) > 0);
        }
        leave(&h);
        assert_ok(run_scene(&h.s));
        assert_false(is_at(h.s.to, "d:03"));
        phase_is(&h, SEGUE_PHASE_CLEAN);
        end_held(&h);
    }
}

/* Sealed by another process: the clients of this one have to follow, and end, before anything is erased. */
static void who_seals_or_cleans_what_is_sealed_waits_for_its_clients(void **state)
{
    (void)state;
    for (int cleans = 0; cleans < 2; cleans++) {
        held h;
        begin_held(&h, SEGUE_PHASE_FORWARD);
        h.s.options.dual = NULL;
        h.s.options.hold_clean = true;
        assert_ok(run_scene(&h.s));
        h.s.options.dual = h.dual;
        enter(&h, true);
        scene_sleeps_count = true;
        for (int i = 0; i < 2; i++)
            assert_status(by_hand(&h.s, cleans ? segue_migration_clean : segue_migration_seal), SEGUE_TIMEOUT);
        scene_sleeps_count = false;
        assert_true(count_manifests(&h.s) > 0);
        leave(&h);
        assert_ok(by_hand(&h.s, cleans ? segue_migration_clean : segue_migration_seal));
        phase_is(&h, cleans ? SEGUE_PHASE_CLEAN : SEGUE_PHASE_SEALED);
        end_held(&h);
    }
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_hold_that_does_not_drain_lets_the_clients_go_on),
        IN_FOLDER(forward_waits_for_who_is_inside),
        IN_FOLDER(without_clients_nothing_is_held),
        IN_FOLDER(nothing_is_purged_while_an_operation_from_before_the_seal_is_inside),
        IN_FOLDER(who_seals_or_cleans_what_is_sealed_waits_for_its_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
