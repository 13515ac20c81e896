/* The handle of a migration: its options and sides, the status record while it runs, progress, waiting, and reading page by
 * page. Time passes only when a test says so. */
#include "migration_scene.h"

#include "base/env.h"
#include "migrate/migration.h"
#include "support/memory.h"

static const int64_t MS = 1000 * 1000, S = 1000 * 1000 * 1000;

static void says(const char *word)
{
    if (!strstr(test_err.message, word)) fail_msg("no \"%s\" in: %s", word, test_err.message);
}

static void pass_time(int64_t ns) { atomic_fetch_add(&scene_ns, ns); }

typedef struct seen {
    segue_progress last;
    unsigned n;
} seen;

static void see(void *ctx, const segue_progress *progress)
{
    seen *s = ctx;
    s->last = *progress;
    s->n++;
}

typedef struct one {
    mscene s;
    seen seen;
    segue_migration *m;
} one;

static void begin_one(one *o)
{
    begin_scene(&o->s, MEM_TWO);
    use_own_time(&o->s);
    o->seen = (seen){0};
    o->s.options.progress = see;
    o->s.options.progress_ctx = &o->seen;
    o->s.options.stale_ns = 15 * S;
    o->s.options.timeout_ns = S;
    assert_ok(segue_migration_open(o->s.fault_from, o->s.fault_to, &o->s.options, &o->m, &test_err));
}

static void end_one(one *o)
{
    scene_sleeps_count = false;
    segue_migration_close(o->m);
    end_scene(&o->s);
}

/* As a run does it, at its begin. */
static void claim(one *o)
{
    seg_status *st = &o->m->status;
    assert_status(seg_migration_look(o->m, &test_err), SEGUE_NOT_FOUND);
    memcpy(st->name, o->m->name, sizeof st->name);
    (void)snprintf(st->run_id, sizeof st->run_id, "r"); /* fits */
    st->stage = SEGUE_STAGE_SWEEPING;
    assert_ok(segue_buf_append(&st->from, "", 1));
    assert_ok(segue_buf_append(&st->to, "", 1));
    st->from.size = st->to.size = 0;
    assert_ok(seg_migration_claim(o->m, &test_err));
}

/* ---- options and sides ---- */

static void what_is_not_said_has_a_default(void **state)
{
    (void)state;
    mscene s;
    segue_migration *m = NULL;
    begin_scene(&s, MEM_TWO);
    assert_ok(segue_migration_open(s.from, s.to, NULL, &m, &test_err));
    const segue_migration_options *o = &m->options;
    assert_string_equal(o->name, "default");
    assert_int_equal(o->workers, 2);
    assert_int_equal(o->page_docs, 1000);
    assert_int_equal(o->page_bytes, 1024 * 1024);
    assert_int_equal(o->max_passes, 20);
    assert_int_equal(o->timeout_ns, 30 * S);
    assert_int_equal(o->drain_ns, 60 * S);
    assert_int_equal(o->stale_ns, 15 * S);
    assert_int_equal(o->fence_ns, 0);
    segue_migration_close(m);
    char name[] = "mine";
    segue_migration_options mine = {.name = name,
                                    .workers = 3,
                                    .page_docs = 4,
                                    .page_bytes = 5,
                                    .max_passes = 6,
                                    .timeout_ns = 7,
                                    .drain_ns = 8,
                                    .stale_ns = 9,
                                    .fence_ns = 10};
    assert_ok(segue_migration_open(s.from, s.to, &mine, &m, &test_err));
    name[0] = '?'; /* it has a copy */
    o = &m->options;
    assert_string_equal(o->name, "mine");
    assert_true(o->workers == 3 && o->page_docs == 4 && o->page_bytes == 5 && o->max_passes == 6 &&
                o->timeout_ns == 7 && o->drain_ns == 8 && o->stale_ns == 9 && o->fence_ns == 10);
    segue_migration_close(m);
    segue_migration_close(NULL);
    end_scene(&s);
}

static void an_option_out_of_bounds_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        segue_migration_options options;
        const char *says; /* NULL: it is in bounds */
    } rows[] = {
        {"a name", {.name = "a/b"}, "a/b"},
        {"no name", {.name = ""}, "name"},
        {"64 workers", {.workers = 64}, NULL},
        {"65 workers", {.workers = 65}, "out of bounds"},
        {"the last way with foreign writes", {.on_foreign_write = SEGUE_FOREIGN_PRIMARY}, NULL},
        {"one behind it", {.on_foreign_write = (segue_on_foreign)(SEGUE_FOREIGN_PRIMARY + 1)}, "out of bounds"},
        {"a time-out", {.timeout_ns = -1}, "out of bounds"},
        {"a drain", {.drain_ns = -1}, "out of bounds"},
        {"a fence", {.fence_ns = -1}, "out of bounds"},
        {"a life", {.stale_ns = -1}, "out of bounds"},
    };
    mscene s;
    begin_scene(&s, MEM_TWO);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        segue_migration *m = NULL;
        test_err = (segue_error){0};
        segue_status st = segue_migration_open(s.from, s.to, &rows[i].options, &m, &test_err);
        if (st != (rows[i].says ? SEGUE_INVALID_ARGUMENT : SEGUE_OK))
            fail_msg("%s: %s", rows[i].name, segue_status_name(st));
        if (rows[i].says) says(rows[i].says);
        assert_int_equal(m != NULL, !rows[i].says);
        segue_migration_close(m);
    }
    end_scene(&s);
}

static void sides_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    mscene s;
    segue_store *dual = NULL, *other = NULL;
    begin_scene(&s, MEM_TWO);
    assert_ok(segue_dual_open(s.to, s.from, NULL, &dual, &test_err));
    assert_ok(segue_open("mem:", NULL, &other, &test_err));
    const struct {
        const char *name;
        segue_store *from, *to, *dual;
        const char *says; /* NULL: they fit */
    } rows[] = {
        {"the dual store is none", NULL, NULL, other, "the dual store of a migration is none"},
        {"nothing to move to", s.from, NULL, NULL, "needs a store to move to"},
        {"from a dual store", dual, other, NULL, "cannot be a dual store"},
        {"to a dual store", other, dual, NULL, "cannot be a dual store"},
        {"to a dual store alone", NULL, dual, NULL, "cannot be a dual store"},
        {"onto itself", s.from, s.fault_from, NULL, "are the same collection"},
        {"another primary", s.from, other, dual, "other sides"},
        {"another primary alone", NULL, other, dual, "other sides"},
        {"another fallback", other, s.to, dual, "other sides"},
        {"from nowhere, for a seal", NULL, s.to, NULL, NULL},
        {"of a dual store", NULL, NULL, dual, NULL},
        {"its sides and the dual store", s.fault_from, s.fault_to, dual, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        segue_migration *m = NULL;
        segue_migration_options options = {.dual = rows[i].dual};
        segue_status st = segue_migration_open(rows[i].from, rows[i].to, &options, &m, &test_err);
        if (st != (rows[i].says ? SEGUE_INVALID_ARGUMENT : SEGUE_OK))
            fail_msg("%s: %s", rows[i].name, segue_status_name(st));
        if (rows[i].says) says(rows[i].says);
        assert_int_equal(m != NULL, !rows[i].says);
        segue_migration_close(m);
    }
    segue_close(other);
    segue_close(dual);
    end_scene(&s);
}

static segue_status open_and_close(void *ctx)
{
    segue_store *from = NULL, *to = NULL, *dual = NULL;
    segue_migration *m = NULL;
    segue_error err = {0};
    bool *told = ctx;
    segue_status st = segue_open("mem:", NULL, &from, &err);
    if (st == SEGUE_OK) st = segue_open("mem:", NULL, &to, &err);
    if (st == SEGUE_OK) st = segue_dual_open(to, from, NULL, &dual, &err);
    segue_migration_options options = {.dual = dual};
    if (st == SEGUE_OK) {
        st = segue_migration_open(NULL, NULL, &options, &m, &err);
        *told |= st == SEGUE_NO_MEMORY && strcmp(err.message, "out of memory for a migration") == 0;
    }
    segue_close(dual); /* it has references of its own */
    segue_close(from);
    segue_close(to);
    segue_migration_close(m);
    return st;
}

static void without_memory_there_is_no_handle(void **state)
{
    (void)state;
    bool told = false;
    test_fail_every_allocation(open_and_close, &told);
    assert_true(told);
}

/* ---- the runner and its record ---- */

static void a_runner_is_alive_to_others_and_not_to_itself(void **state)
{
    (void)state;
    one o;
    segue_migration *other = NULL;
    begin_one(&o);
    claim(&o);
    assert_int_equal(o.m->status.epoch, 1);
    assert_ok(segue_migration_open(o.s.from, o.s.to, &o.s.options, &other, &test_err));
    assert_status(seg_migration_look(other, &test_err), SEGUE_BUSY_ELSEWHERE);
    says("is being run by process");
    assert_ok(seg_migration_look(o.m, &test_err));
    pass_time(15 * S - 1);
    assert_status(seg_migration_look(other, &test_err), SEGUE_BUSY_ELSEWHERE);
    assert_ok(seg_migration_save(o.m, &test_err)); /* a sign of life */
    pass_time(15 * S - 1);
    assert_status(seg_migration_look(other, &test_err), SEGUE_BUSY_ELSEWHERE);
    pass_time(2);
    assert_ok(seg_migration_look(other, &test_err));
    /* Taken over: the new one is the runner, the old one finds out. */
    assert_ok(seg_migration_claim(other, &test_err));
    assert_int_equal(other->status.epoch, 2);
    assert_status(seg_migration_save(o.m, &test_err), SEGUE_BUSY_ELSEWHERE);
    assert_status(seg_migration_look(o.m, &test_err), SEGUE_BUSY_ELSEWHERE);
    assert_status(seg_migration_leave(o.m, SEGUE_BUSY_ELSEWHERE, &test_err), SEGUE_BUSY_ELSEWHERE);
    assert_ok(seg_migration_leave(other, SEGUE_OK, &test_err));
    assert_ok(seg_migration_look(o.m, &test_err));
    assert_string_equal(o.m->status.runner.id, "");
    segue_migration_close(other);
    end_one(&o);
}

static void a_look_at_a_record_that_cannot_be_read_fails(void **state)
{
    (void)state;
    one o;
    begin_one(&o);
    claim(&o);
    seg_fault_plan plan = {.ops = SEG_OP_GET, .nth = 1, .status = SEGUE_IO_ERROR};
    seg_fault_set(o.s.fault_to, &plan);
    assert_status(seg_migration_look(o.m, &test_err), SEGUE_IO_ERROR);
    end_one(&o);
}

/* Times of the record: how long somebody was at work in all, how long this run takes. */
static void the_record_adds_up_the_time_of_all_runs(void **state)
{
    (void)state;
    one o;
    begin_one(&o);
    pass_time(5 * S);
    claim(&o);
    pass_time(3 * S);
    o.m->done = 12;
    assert_ok(seg_migration_save(o.m, &test_err));
    assert_int_equal(o.m->status.active_ns, 3 * S);
    assert_int_equal(o.m->status.run_ns, 3 * S);
    assert_int_equal(o.m->status.done, 12);
    pass_time(2 * S);
    test_err = (segue_error){SEGUE_IO_ERROR, 0, "it broke"};
    assert_status(seg_migration_leave(o.m, SEGUE_IO_ERROR, &test_err), SEGUE_IO_ERROR);
    assert_int_equal(o.m->status.active_ns, 5 * S);
    assert_string_equal(o.m->status.last_error, "it broke");
    pass_time(100 * S); /* nobody is at work */
    assert_ok(seg_migration_look(o.m, &test_err));
    assert_ok(seg_migration_claim(o.m, &test_err));
    assert_string_equal(o.m->status.last_error, "");
    assert_int_equal(o.m->done, 0);
    pass_time(1 * S);
    assert_ok(seg_migration_leave(o.m, SEGUE_OK, &test_err));
    segue_migration_status status = read_status(&o.s);
    assert_int_equal(status.active_ns, 6 * S);
    assert_int_equal(status.run_ns, 1 * S);
    assert_int_equal(status.done, 0);
    assert_int_equal(status.epoch, 2);
    segue_migration_status_free(&status);
    end_one(&o);
}

/* Nobody is the runner whose claim was not written. */
static void a_claim_that_fails_is_none(void **state)
{
    (void)state;
    one o;
    begin_one(&o);
    seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = 1, .status = SEGUE_IO_ERROR};
    claim(&o);
    assert_true(o.m->is_runner);
    assert_int_equal(atomic_load(&o.m->next_manifest), (UINT64_C(1) << 32) | 1);
    seg_fault_set(o.s.fault_to, &plan);
    assert_status(seg_migration_claim(o.m, &test_err), SEGUE_IO_ERROR);
    assert_false(o.m->is_runner);
    heal(&o.s);
    pass_time(S);
    assert_ok(seg_migration_tick(o.m, &test_err)); /* it does not speak for a runner */
    segue_migration_status status = read_status(&o.s);
    assert_int_equal(status.epoch, 1);
    segue_migration_status_free(&status);
    end_one(&o);
}

static int64_t naps[64];
static unsigned n_naps;

static void nap(void *ctx, int64_t ns)
{
    (void)ctx;
    if (n_naps < sizeof naps / sizeof *naps) naps[n_naps] = ns;
    n_naps++;
    pass_time(ns);
}

static void the_greatest_number(void *ctx, void *out, size_t size) { (void)ctx, memset(out, 0xff, size); }

static void note_naps(one *o)
{
    n_naps = 0;
    o->s.fault_to->env.sleep_ns = nap;
    o->s.fault_to->env.random = the_greatest_number;
}

/* They begin small and grow up to a second. */
static void naps_grow(unsigned n)
{
    if (n_naps != n) fail_msg("%u naps, not %u", n_naps, n);
    if (n && (naps[0] <= 0 || naps[0] > 10 * MS)) fail_msg("the first nap takes %lld ns", (long long)naps[0]);
    for (unsigned i = 0; i < n; i++)
        if (naps[i] > S || (i == 3 && naps[i] <= 10 * MS)) fail_msg("nap %u takes %lld ns", i, (long long)naps[i]);
}

static void fail_until(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    one *o = ctx;
    (void)op, (void)key, (void)count;
    seg_fault_plan late = {.ops = SEG_OP_PUT, .nth = 1, .persistent = true, .status = SEGUE_TIMEOUT};
    if (after && count == 3) seg_fault_set(o->s.fault_to, &late);
}

/* It is tried again as long as a call may take; then what was in the way is said, and not that the time is over. */
static void the_record_is_written_with_patience(void **state)
{
    (void)state;
    one o;
    begin_one(&o);
    claim(&o);
    note_naps(&o);
    seg_fault_plan passes = {.ops = SEG_OP_PUT, .nth = 1, .status = SEGUE_UNAVAILABLE};
    seg_fault_set(o.s.fault_to, &passes);
    assert_ok(seg_migration_save(o.m, &test_err));
    naps_grow(1);
    note_naps(&o);
    int64_t began = atomic_load(&scene_ns);
    seg_fault_plan stays = {.ops = SEG_OP_PUT, .nth = 1, .persistent = true, .status = SEGUE_UNAVAILABLE};
    seg_fault_set(o.s.fault_to, &stays);
    assert_status(seg_migration_save(o.m, &test_err), SEGUE_UNAVAILABLE);
    says("injected failure");
    assert_int_equal(atomic_load(&scene_ns) - began, S);
    if (n_naps < 5) fail_msg("%u naps", n_naps);
    naps_grow(n_naps);
    /* The last answers are time-outs. */
    stays.hook = fail_until;
    stays.hook_ctx = &o;
    seg_fault_set(o.s.fault_to, &stays);
    test_err = (segue_error){0};
    segue_status st = seg_migration_save(o.m, &test_err);
    if (st != SEGUE_UNAVAILABLE || test_err.status != SEGUE_UNAVAILABLE)
        fail_msg("%s: %s", segue_status_name(st), test_err.message);
    says("injected failure of call 2");
    /* Nothing but time-outs. */
    seg_fault_plan late = {.ops = SEG_OP_PUT, .nth = 1, .persistent = true, .status = SEGUE_TIMEOUT};
    seg_fault_set(o.s.fault_to, &late);
    assert_status(seg_migration_save(o.m, &test_err), SEGUE_TIMEOUT);
    end_one(&o);
}

/* ---- progress ---- */

static void progress_tells_what_there_is(void **state)
{
    (void)state;
    one o;
    begin_one(&o);
    pass_time(4 * S);
    claim(&o);
    pass_time(2 * S);
    o.m->status.pass = 3;
    o.m->status.total = 50;
    o.m->status.counts.moved = 7;
    o.m->done = 9;
    seg_migration_show(o.m, false);
    const segue_progress *p = &o.seen.last;
    assert_int_equal(p->stage, SEGUE_STAGE_SWEEPING);
    assert_true(p->pass == 3 && p->total == 50 && p->done == 9 && p->counts.moved == 7 && !p->is_last);
    assert_int_equal(p->elapsed_ns, 2 * S);
    segue_verified v = {.checked = 5, .in_scope = 6};
    o.m->verifying = &v;
    seg_migration_show(o.m, false);
    assert_int_equal(p->stage, SEGUE_STAGE_VERIFYING);
    assert_true(p->done == 11 && p->total == 0);
    o.m->verifying = NULL;
    assert_ok(seg_migration_stage(o.m, SEGUE_STAGE_VERIFYING, &test_err));
    assert_int_equal(o.seen.n, 3);
    assert_false(p->is_last);
    assert_int_equal(stage_of(&o.s), SEGUE_STAGE_VERIFYING);
    assert_ok(seg_migration_leave(o.m, SEGUE_OK, &test_err));
    assert_int_equal(o.seen.n, 4);
    assert_true(p->is_last);
    end_one(&o);
}

static void a_tick_shows_progress_and_life_when_it_is_time(void **state)
{
    (void)state;
    one o;
    begin_one(&o);
    claim(&o);
    seg_fault_plan counts = {.ops = SEG_OP_PUT};
    seg_fault_set(o.s.fault_to, &counts);
    seg_migration_show(o.m, false);
    static const struct {
        int64_t ms;
        unsigned shown, saved;
    } steps[] = {{199, 1, 0}, {1, 2, 0}, {199, 2, 0}, {100, 3, 0}, {0, 3, 0}, {1, 3, 1}, {199, 4, 1}, {301, 5, 2}};
    static const int64_t at[] = {199, 200, 399, 499, 499, 500, 699, 1000};
    int64_t now = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        pass_time(steps[i].ms * MS);
        now += steps[i].ms;
        assert_int_equal(now, at[i]);
        assert_ok(seg_migration_tick(o.m, &test_err));
        if (o.seen.n != steps[i].shown || seg_fault_count(o.s.fault_to) != steps[i].saved)
            fail_msg("after %lld ms: shown %u times, saved %u times", (long long)now, o.seen.n,
                     seg_fault_count(o.s.fault_to));
        assert_false(o.seen.last.is_last);
    }
    seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = 1, .status = SEGUE_IO_ERROR};
    seg_fault_set(o.s.fault_to, &plan);
    pass_time(S);
    assert_status(seg_migration_tick(o.m, &test_err), SEGUE_IO_ERROR);
    heal(&o.s);
    assert_ok(seg_migration_leave(o.m, SEGUE_OK, &test_err));
    seg_fault_set(o.s.fault_to, &counts);
    pass_time(S);
    assert_ok(seg_migration_tick(o.m, &test_err)); /* not by one that has left */
    assert_int_equal(seg_fault_count(o.s.fault_to), 0);
    unsigned before = o.seen.n;
    assert_ok(seg_migration_look(o.m, &test_err));
    assert_ok(seg_migration_claim(o.m, &test_err));
    assert_ok(seg_migration_tick(o.m, &test_err)); /* a new run is shown at once */
    assert_int_equal(o.seen.n, before + 1);
    end_one(&o);
}

static void hear_stage(void *ctx, segue_log_level level, const char *line)
{
    (void)level;
    (void)snprintf(ctx, 256, "%s", line); /* cut: fails the test */
}

static void each_stage_is_logged(void **state)
{
    (void)state;
    one o;
    char line[256] = "";
    begin_one(&o);
    claim(&o);
    o.m->status.counts.moved = 7;
    segue_set_log(hear_stage, line, SEGUE_LOG_INFO);
    assert_ok(seg_migration_stage(o.m, SEGUE_STAGE_VERIFIED, &test_err));
    segue_set_log(NULL, NULL, SEGUE_LOG_INFO);
    if (!strstr(line, "migration=default run=r epoch=1 stage=verified moved=7")) fail_msg("%s", line);
    end_one(&o);
}

/* ---- waiting ---- */

static void a_wait_takes_as_long_as_it_should_and_gives_signs_of_life(void **state)
{
    (void)state;
    one o;
    begin_one(&o);
    claim(&o);
    note_naps(&o);
    seg_fault_plan counts = {.ops = SEG_OP_PUT};
    seg_fault_set(o.s.fault_to, &counts);
    int64_t began = atomic_load(&scene_ns);
    assert_ok(seg_migration_wait(o.m, 1120 * MS, &test_err));
    assert_int_equal(atomic_load(&scene_ns) - began, 1120 * MS);
    assert_int_equal(n_naps, 23); /* 22 of 50 ms, and the rest */
    for (unsigned i = 0; i < n_naps; i++) assert_int_equal(naps[i], i < 22 ? 50 * MS : 20 * MS);
    assert_int_equal(seg_fault_count(o.s.fault_to), 2);
    note_naps(&o);
    assert_ok(seg_migration_wait(o.m, 0, &test_err));
    assert_int_equal(n_naps, 0);
    seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = 1, .status = SEGUE_IO_ERROR};
    seg_fault_set(o.s.fault_to, &plan);
    assert_status(seg_migration_wait(o.m, 10 * S, &test_err), SEGUE_IO_ERROR);
    heal(&o.s);
    segue_migration_cancel(o.m);
    assert_status(seg_migration_wait(o.m, 10 * S, &test_err), SEGUE_NOT_FINISHED);
    says("was stopped; its place is kept");
    end_one(&o);
}

/* Clients that do not end: waited for with signs of life, and no longer than that. */
static void a_phase_is_waited_for(void **state)
{
    (void)state;
    one o;
    segue_store *dual = NULL;
    segue_dual_options legacy = {SEGUE_PHASE_LEGACY};
    begin_one(&o);
    segue_migration_close(o.m);
    assert_ok(segue_dual_open(o.s.fault_to, o.s.fault_from, &legacy, &dual, &test_err));
    o.s.options.dual = dual;
    o.s.options.drain_ns = 3 * S;
    assert_ok(segue_migration_open(NULL, NULL, &o.s.options, &o.m, &test_err));
    claim(&o);
    segue_call inside = seg_call_new(dual, 0, &test_err);
    assert_ok(seg_call_begin(dual, true, &inside));
    scene_sleeps_count = true;
    seg_fault_plan counts = {.ops = SEG_OP_PUT};
    seg_fault_set(o.s.fault_to, &counts);
    int64_t began = atomic_load(&scene_ns);
    assert_status(seg_migration_phase(o.m, SEGUE_PHASE_HOLD, &test_err), SEGUE_TIMEOUT);
    says("has not ended");
    assert_int_equal(atomic_load(&scene_ns) - began, 3 * S);
    assert_int_equal(seg_fault_count(o.s.fault_to), 5); /* at the end nobody looks any more */
    seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = 1, .status = SEGUE_IO_ERROR};
    seg_fault_set(o.s.fault_to, &plan);
    assert_status(seg_migration_phase(o.m, SEGUE_PHASE_HOLD, &test_err), SEGUE_IO_ERROR);
    heal(&o.s);
    seg_call_end(dual, &inside);
    assert_ok(seg_migration_phase(o.m, SEGUE_PHASE_HOLD, &test_err));
    assert_status(seg_migration_phase(o.m, SEGUE_PHASE_CLEAN, &test_err), SEGUE_REFUSED);
    segue_close(dual);
    end_one(&o);
}

/* ---- reading ---- */

static void pages_are_read_with_patience(void **state)
{
    (void)state;
    static const struct {
        segue_status status, st;
        bool persistent, cancelled;
        unsigned calls, naps;
    } rows[] = {
        {SEGUE_UNAVAILABLE, SEGUE_OK, false, false, 2, 1},
        {SEGUE_UNAVAILABLE, SEGUE_UNAVAILABLE, true, false, 5, 4},
        {SEGUE_UNAVAILABLE, SEGUE_UNAVAILABLE, true, true, 1, 0},
        {SEGUE_IO_ERROR, SEGUE_IO_ERROR, true, false, 1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        one o;
        uint64_t retries = 0;
        segue_page page = {0};
        segue_bounds all = {0};
        begin_one(&o);
        note_naps(&o);
        if (rows[i].cancelled) segue_migration_cancel(o.m);
        seg_fault_plan plan = {
            .ops = SEG_OP_SCAN, .nth = 1, .persistent = rows[i].persistent, .status = rows[i].status};
        seg_fault_set(o.s.fault_from, &plan);
        segue_status st = seg_read_page(o.m, o.m->from, &all, &page, &retries, &test_err);
        if (st != rows[i].st || seg_fault_count(o.s.fault_from) != rows[i].calls || retries != rows[i].naps)
            fail_msg("row %zu: %s, %u calls, %llu retries", i, segue_status_name(st), seg_fault_count(o.s.fault_from),
                     (unsigned long long)retries);
        naps_grow(rows[i].naps);
        assert_int_equal(page.max_docs, 3);
        assert_int_equal(page.max_bytes, 1024 * 1024);
        segue_page_free(&page);
        end_one(&o);
    }
}

static segue_status note_keys(void *ctx, const segue_page *page, segue_error *err)
{
    char *keys = ctx;
    (void)err;
    assert_true(page->n > 0);
    for (size_t i = 0; i < page->n; i++) {
        size_t n = strlen(keys);
        (void)snprintf(keys + n, 200 - n, "%s%.*s", i ? " " : "|", (int)page->docs[i].rec.key.size,
                       page->docs[i].rec.key.data); /* fits */
    }
    return strstr(keys, "d:08") ? SEGUE_REFUSED : SEGUE_OK;
}

static void every_page_is_told_of_until_one_says_no(void **state)
{
    (void)state;
    one o;
    char keys[200] = "";
    segue_bounds b = {.from = K("d:01"), .to = K("d:06"), .to_open = true};
    begin_one(&o);
    assert_ok(seg_each_page(o.m, o.m->from, &b, note_keys, keys, &test_err));
    assert_string_equal(keys, "|d:01 d:02 d:03|d:04 d:05");
    b.to = K("d:11");
    keys[0] = '\0';
    assert_status(seg_each_page(o.m, o.m->from, &b, note_keys, keys, &test_err), SEGUE_REFUSED);
    assert_string_equal(keys, "|d:01 d:02 d:03|d:04 d:05 d:06|d:07 d:08");
    b.from = K("x"), b.to = K("y");
    assert_ok(seg_each_page(o.m, o.m->from, &b, note_keys, keys, &test_err)); /* an empty page is not told of */
    segue_migration_cancel(o.m);
    assert_status(seg_each_page(o.m, o.m->from, &b, note_keys, keys, &test_err), SEGUE_NOT_FINISHED);
    end_one(&o);
}

static segue_status ignore_page(void *ctx, const segue_page *page, segue_error *err)
{
    (void)ctx, (void)page, (void)err;
    return SEGUE_OK;
}

static void without_memory_a_scan_says_so(void **state)
{
    (void)state;
    bool told = false;
    segue_status st = SEGUE_NO_MEMORY;
    test_memory_begin();
    for (long nth = 1; st != SEGUE_OK; nth++) {
        one o;
        segue_bounds all = {0};
        begin_one(&o);
        test_fault_arm(&test_memory, nth, true);
        test_err = (segue_error){0};
        st = seg_each_page(o.m, o.m->from, &all, ignore_page, NULL, &test_err);
        test_fault_heal(&test_memory);
        if (st != SEGUE_OK && st != SEGUE_NO_MEMORY) fail_msg("%s", segue_status_name(st));
        told |= strcmp(test_err.message, "out of memory in a scan") == 0;
        end_one(&o);
    }
    test_memory_end();
    assert_true(told);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_not_said_has_a_default),
        IN_FOLDER(an_option_out_of_bounds_is_refused),
        IN_FOLDER(sides_that_do_not_fit_are_refused),
        IN_FOLDER(without_memory_there_is_no_handle),
        IN_FOLDER(a_runner_is_alive_to_others_and_not_to_itself),
        IN_FOLDER(a_look_at_a_record_that_cannot_be_read_fails),
        IN_FOLDER(the_record_adds_up_the_time_of_all_runs),
        IN_FOLDER(a_claim_that_fails_is_none),
        IN_FOLDER(the_record_is_written_with_patience),
        IN_FOLDER(progress_tells_what_there_is),
        IN_FOLDER(a_tick_shows_progress_and_life_when_it_is_time),
        IN_FOLDER(each_stage_is_logged),
        IN_FOLDER(a_wait_takes_as_long_as_it_should_and_gives_signs_of_life),
        IN_FOLDER(a_phase_is_waited_for),
        IN_FOLDER(pages_are_read_with_patience),
        IN_FOLDER(without_memory_a_scan_says_so),
        IN_FOLDER(every_page_is_told_of_until_one_says_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
