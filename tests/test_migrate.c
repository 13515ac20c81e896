/* Whole migrations, over all kinds of stores: what they leave, what stops them, and that they can be taken up again after a
 * failure or a kill at any of their store calls. */
#include "migration_scene.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- undisturbed ---- */

static void every_kind_of_record_arrives_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PAIRS; i++) {
        mscene s;
        begin_scene(&s, i);
        segue_status st = run_scene(&s);
        if (st != SEGUE_OK) fail_msg("%s: %s", pairs[i].name, test_err.message);
        assert_moved(&s, pairs[i].name);
        segue_migration_status status = read_status(&s);
        assert_int_equal(status.stage, SEGUE_STAGE_CLEAN);
        assert_int_equal(status.counts.moved, N_MOVED - 1);
        assert_int_equal(status.counts.counters, 1);
        assert_int_equal(status.counts.dropped, N_DROPPED);
        assert_int_equal(status.counts.left, 1);
        assert_int_equal(status.counts.unmatched, 1);
        assert_int_equal(status.counts.errors + status.counts.foreign_writes + status.counts.already, 0);
        assert_false(status.is_running);
        assert_true(status.finished_s > 0);
        assert_int_equal(count_manifests(&s), 0);
        segue_migration_status_free(&status);
        end_scene(&s);
    }
}

static void a_finished_migration_is_finished(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, SQLITE_ONE);
    assert_ok(run_scene(&s));
    segue_migration_status first = read_status(&s);
    assert_ok(run_scene(&s));
    segue_migration_status second = read_status(&s);
    assert_string_equal(first.run_id, second.run_id);
    assert_int_equal(first.epoch, second.epoch);
    segue_migration_status_free(&first);
    segue_migration_status_free(&second);
    /* Something new in scope: a migration of its own. */
    assert_ok(segue_add(s.from, K("d:new"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(run_scene(&s));
    assert_body(s.to, "d:new", "1");
    assert_false(is_at(s.from, "d:new"));
    end_scene(&s);
}

static void keeping_copies_and_leaves_the_fallback_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PAIRS; i++) {
        mscene s;
        begin_scene(&s, i);
        size_t before = count_records(s.from);
        s.options.keep = true;
        assert_ok(run_scene(&s));
        assert_int_equal(count_records(s.from), before);
        assert_int_equal(count_records(s.to), N_MOVED);
        assert_body(s.from, "n:counter", "41");
        assert_body(s.to, "n:counter", "41");
        assert_false(is_at(s.to, "hb:1"));
        end_scene(&s);
    }
}

static void what_the_primary_has_wins(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PAIRS; i++) {
        mscene s;
        begin_scene(&s, i);
        /* As clients of a dual store leave it: changed, deleted, and the counter gone on. */
        segue_store *dual = NULL;
        assert_ok(segue_dual_open(s.to, s.from, NULL, &dual, &test_err));
        assert_ok(segue_set(dual, K("d:00"), K("\"client\""), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(segue_delete(dual, K("d:03"), NULL, &test_err));
        assert_ok(segue_incr(dual, K("n:counter"), 5, NULL, segue_expiry_none(), NULL, NULL, &test_err));
        segue_close(dual);
        assert_ok(run_scene(&s));
        assert_body(s.to, "d:00", "\"client\"");
        assert_body(s.to, "n:counter", "46");
        assert_false(is_at(s.to, "d:03")); /* its tombstone only hid the fallback */
        assert_true(is_at(s.to, "d:09"));  /* this one came from there */
        assert_true(is_at(s.to, "d:10"));
        segue_migration_status status = read_status(&s);
        assert_int_equal(status.counts.already, 2);
        assert_int_equal(status.counts.hidden, 1);
        assert_int_equal(status.counts.purged, 1);
        segue_migration_status_free(&status);
        end_scene(&s);
    }
}

/* ---- last comes last ---- */

static mscene *watched;
static bool came_last;

static void watch_registry(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    (void)ctx, (void)op, (void)count;
    if (after || !segue_slice_equal(key, K("d:registry"))) return;
    came_last = !is_at(watched->from, "d:00") && !is_at(watched->from, "n:counter");
}

static void the_last_is_moved_when_all_else_is(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_ONE);
    seg_fault_plan plan = {.ops = SEG_OP_MOVE, .hook = watch_registry};
    watched = &s;
    came_last = false;
    seg_fault_set(s.fault_from, &plan);
    assert_ok(run_scene(&s));
    assert_true(came_last);
    end_scene(&s);
}

/* ---- failures of a store, at every call ---- */

static unsigned calls_of(size_t which, bool to_side)
{
    mscene s;
    begin_scene(&s, which);
    heal(&s);
    assert_ok(run_scene(&s));
    unsigned n = seg_fault_count(to_side ? s.fault_to : s.fault_from);
    end_scene(&s);
    assert_true(n > 5);
    return n;
}

/* Fails at the nth call of one side; whatever the run says, the next one finishes it. */
static void fail_and_run_again(size_t which, bool to_side, seg_fault_plan plan)
{
    char what[160];
    mscene s;
    begin_scene(&s, which);
    s.options.timeout_ns = 20 * 1000 * 1000;
    (void)snprintf(what, sizeof what, "%s: call %u of the %s, %s%s, %s", pairs[which].name, plan.nth,
                   to_side ? "primary" : "fallback", plan.persistent ? "from then on " : "",
                   plan.after ? "after" : "before", segue_status_name(plan.status));
    seg_fault_set(to_side ? s.fault_to : s.fault_from, &plan);
    segue_status first = run_scene(&s);
    bool fired = seg_fault_fired(to_side ? s.fault_to : s.fault_from);
    heal(&s);
    if (first != SEGUE_OK && !fired) fail_msg("%s: did not fire, and %s", what, test_err.message);
    segue_status st = run_scene(&s);
    if (st != SEGUE_OK) fail_msg("%s: then %s", what, test_err.message);
    assert_moved(&s, what);
    end_scene(&s);
}

static const seg_fault_plan faults[] = {
    {.status = SEGUE_UNAVAILABLE},
    {.status = SEGUE_IO_ERROR},
    {.status = SEGUE_MAYBE_APPLIED},
    {.status = SEGUE_MAYBE_APPLIED, .after = true},
    {.status = SEGUE_IO_ERROR, .persistent = true},
    {.status = SEGUE_MAYBE_APPLIED, .after = true, .persistent = true},
};

static void every_store_call_may_fail(void **state)
{
    (void)state;
    static const size_t which[] = {MEM_ONE, MEM_TWO, 2, 3};
    /* Where there are many calls of a kind, or each failure takes long, not every one. */
    static const unsigned steps[] = {1, 1, 5, 3};
    for (size_t w = 0; w < sizeof which / sizeof which[0]; w++)
        for (int side = 0; side < 2; side++) {
            unsigned n = calls_of(which[w], side);
            for (unsigned f = 0; f < sizeof faults / sizeof faults[0]; f++) {
                unsigned step = steps[w] * (faults[f].persistent ? 4 : 1);
                for (unsigned nth = 1 + f % step; nth <= n; nth += step) {
                    seg_fault_plan plan = faults[f];
                    plan.nth = nth;
                    fail_and_run_again(which[w], side, plan);
                }
            }
        }
}

/* A record that the primary can never take stops nobody else, has a name, and is not tried for ever. */
static void a_record_that_cannot_be_moved_is_named(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_TWO);
    segue_close(s.fault_to);
    segue_close(s.to);
    (void)snprintf(s.to_url, sizeof s.to_url, "mem:?caps=-flags"); /* fits */
    assert_ok(segue_open(s.to_url, &(segue_open_options){NULL, SEGUE_OPEN_NO_REAPER}, &s.to, &test_err));
    assert_ok(seg_fault_open(s.to, &s.fault_to, &test_err));
    assert_status(run_scene(&s), SEGUE_NOT_FINISHED);
    if (!strstr(test_err.message, "d:03") || !strstr(test_err.message, segue_status_text(SEGUE_UNSUPPORTED)))
        fail_msg("%s", test_err.message);
    assert_true(is_at(s.from, "d:03")); /* these two have user flags */
    assert_true(is_at(s.from, "d:08"));
    assert_int_equal(count_records(s.from), 1 + 3); /* and what is moved last */
    segue_migration_status status = read_status(&s);
    assert_int_equal(status.n_failed_keys, 2);
    assert_true(status.counts.errors >= 2 && status.counts.passes <= 4);
    assert_int_equal(status.counts.moved, N_MOVED - 1 - 3);
    segue_migration_status_free(&status);
    end_scene(&s);
}

/* ---- a kill at every call ---- */

static void die(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    const seg_fault_plan *plan = ctx;
    (void)op, (void)key;
    if (count == plan->nth && after == plan->after) (void)kill(getpid(), SIGKILL); /* does not come back */
}

/* In a process of its own, which dies at the nth call. False: it came to its end. */
static bool run_and_die(mscene *s, bool to_side, const seg_fault_plan *when)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        open_stores(s);
        seg_fault_plan plan = {.hook = die, .hook_ctx = (void *)when};
        seg_fault_set(to_side ? s->fault_to : s->fault_from, &plan);
        _exit(run_scene(s) == SEGUE_OK ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static void killed_at_every_call_it_goes_on(void **state)
{
    (void)state;
    static const size_t which[] = {SQLITE_ONE, SQLITE_TWO};
    for (size_t w = 0; w < 2; w++)
        for (int side = 0; side < 2; side++)
            for (unsigned nth = 1, died = true; died; nth += 1 + (unsigned)w) {
                char what[160];
                mscene s;
                seg_fault_plan when = {.nth = nth, .after = nth / 2 % 2};
                (void)snprintf(what, sizeof what, "%s, killed at call %u of side %d", pairs[which[w]].name, nth, side);
                begin_scene(&s, which[w]);
                s.options.stale_ns = 0; /* the default: that the process is gone must show */
                s.options.page_docs = 5;
                close_stores(&s);
                died = run_and_die(&s, side, &when);
                open_stores(&s);
                segue_status st = run_scene(&s);
                if (st != SEGUE_OK) fail_msg("%s: then %s", what, test_err.message);
                assert_moved(&s, what);
                end_scene(&s);
            }
}

/* ---- stopping and going on ---- */

typedef struct stopper {
    segue_migration *migration;
    unsigned calls;
    segue_stage at;
} stopper;

static void stop_at_stage(void *ctx, const segue_progress *progress)
{
    stopper *st = ctx;
    st->calls++;
    if (progress->stage == st->at) segue_migration_cancel(st->migration);
}

static void cancelled_at_every_stage_it_goes_on(void **state)
{
    (void)state;
    for (unsigned at = SEGUE_STAGE_STARTING; at < SEGUE_STAGE_CLEAN; at++) {
        mscene s;
        stopper stop = {.at = (segue_stage)at};
        begin_scene(&s, MEM_TWO);
        s.options.progress = stop_at_stage;
        s.options.progress_ctx = &stop;
        assert_ok(segue_migration_open(s.fault_from, s.fault_to, &s.options, &stop.migration, &test_err));
        segue_status st = segue_migration_run(stop.migration, &test_err);
        segue_migration_close(stop.migration);
        /* Verified, sealing and sealed are moments: nothing asks in between. */
        if (st != SEGUE_NOT_FINISHED && st != SEGUE_OK) fail_msg("%s: %s", segue_stage_name(at), test_err.message);
        if (at == SEGUE_STAGE_SWEEPING || at == SEGUE_STAGE_STARTING) assert_int_equal(st, SEGUE_NOT_FINISHED);
        assert_true(stop.calls > 0);
        s.options.progress = NULL;
        assert_ok(run_scene(&s));
        assert_moved(&s, segue_stage_name((segue_stage)at));
        end_scene(&s);
    }
}

typedef struct rival {
    mscene *scene;
    int64_t stale_ns;
    segue_status status;
    bool asked;
} rival;

static void start_a_rival(void *ctx, const segue_progress *progress)
{
    rival *r = ctx;
    if (progress->stage != SEGUE_STAGE_SWEEPING || r->asked) return;
    r->asked = true;
    segue_migration_options options = r->scene->options;
    options.progress = NULL;
    options.stale_ns = r->stale_ns;
    segue_migration *m = NULL;
    assert_ok(segue_migration_open(r->scene->from, r->scene->to, &options, &m, &test_err));
    r->status = segue_migration_run(m, &test_err);
    segue_migration_close(m);
    segue_migration_status status = read_status(r->scene);
    assert_int_equal(status.is_running, r->status != SEGUE_OK);
    segue_migration_status_free(&status);
}

static void a_second_runner_is_refused(void **state)
{
    (void)state;
    mscene s;
    rival r = {.scene = &s};
    begin_scene(&s, MEM_TWO);
    s.options.progress = start_a_rival;
    s.options.progress_ctx = &r;
    assert_ok(run_scene(&s));
    assert_true(r.asked);
    assert_int_equal(r.status, SEGUE_BUSY_ELSEWHERE);
    assert_moved(&s, "with a rival");
    end_scene(&s);
}

/* With a limit of a nanosecond the rival takes the runner for dead, and it is the runner that finds out and stops. */
static void a_runner_that_was_taken_for_dead_stops(void **state)
{
    (void)state;
    mscene s;
    rival r = {.scene = &s, .stale_ns = 1};
    begin_scene(&s, MEM_TWO);
    s.options.progress = start_a_rival;
    s.options.progress_ctx = &r;
    assert_status(run_scene(&s), SEGUE_BUSY_ELSEWHERE);
    assert_true(r.asked);
    assert_int_equal(r.status, SEGUE_OK);
    assert_int_equal(stage_of(&s), SEGUE_STAGE_CLEAN);
    assert_moved(&s, "taken over");
    end_scene(&s);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(every_kind_of_record_arrives_as_it_was),
        IN_FOLDER(a_finished_migration_is_finished),
        IN_FOLDER(keeping_copies_and_leaves_the_fallback_as_it_was),
        IN_FOLDER(what_the_primary_has_wins),
        IN_FOLDER(the_last_is_moved_when_all_else_is),
        IN_FOLDER(cancelled_at_every_stage_it_goes_on),
        IN_FOLDER(a_second_runner_is_refused),
        IN_FOLDER(a_runner_that_was_taken_for_dead_stops),
        IN_FOLDER(a_record_that_cannot_be_moved_is_named),
        IN_FOLDER(every_store_call_may_fail),
        IN_FOLDER(killed_at_every_call_it_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
