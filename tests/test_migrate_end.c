/* Verification, sealing, cleaning, and what comes after: by hand, after a kill, with two runners, with clients, for
 * copies. */
#include "migration_scene.h"

#include "base/env.h"
#include "migrate/record.h"
#include "doc/pill.h"

typedef struct heard {
    unsigned n;
    char keys[512]; /* each with a blank before and after */
} heard;

static void hear(void *ctx, const segue_difference *d)
{
    heard *h = ctx;
    size_t used = strlen(h->keys);
    h->n++;
    (void)snprintf(h->keys + used, sizeof h->keys - used, " %s:%.*s ", segue_difference_name(d->kind), (int)d->key.size,
                   d->key.data); /* cut: fails the test */
}

static segue_status verify_between(mscene *s, segue_store *from, segue_store *to, unsigned options, heard *h,
                                   segue_verified *v)
{
    segue_migration *m = NULL;
    *h = (heard){0};
    *v = (segue_verified){0};
    assert_ok(segue_migration_open(from, to, &s->options, &m, &test_err));
    segue_status st = segue_migration_verify(m, options, hear, h, v, &test_err);
    segue_migration_close(m);
    return st;
}

static void erase_record(segue_store *store, const char *key)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_call call = seg_call_new(store, 0, &test_err);
    assert_ok(seg_call_get(store, K(key), &doc, &call));
    assert_ok(seg_call_erase(store, K(key), doc.rec.cas, &call));
}

/* ---- what is said before and after ---- */

/* A plan reads everything, a migration only the range in which a rule can take something. */
static void plan_and_migration_agree_on_what_is_left(void **state)
{
    (void)state;
    mscene s;
    segue_plan plan = {0};
    segue_policy *scene_policy, *narrow = NULL;
    begin_scene(&s, MEM_TWO);
    static const char text[] =
        "{\"rules\":[{\"key\":\"d:01\",\"action\":\"leave\"},{\"prefix\":\"d:\",\"action\":\"move\"}]}";
    assert_ok(segue_policy_parse(K(text), &narrow, &test_err));
    scene_policy = s.policy;
    s.options.policy = narrow;
    s.options.count_first = true;
    assert_ok(segue_plan_make(s.from, s.to, narrow, &plan, &test_err));
    assert_ok(run_scene(&s));
    segue_migration_status status = read_status(&s);
    const segue_tally *left = &plan.by_action[SEGUE_ACTION_LEAVE];
    assert_int_equal(plan.outside.live, 4); /* hb:1, hb:2, n:counter, other */
    assert_int_equal(status.counts.left, left->live + left->tombstones - plan.outside.live - plan.outside.tombstones);
    assert_int_equal(status.counts.left, 1);
    assert_int_equal(status.total, status.counts.moved);
    assert_int_equal(status.done, status.total);
    assert_true(status.run_ns > 0);
    segue_migration_status_free(&status);
    segue_plan_free(&plan);
    segue_policy_free(narrow);
    s.policy = scene_policy;
    end_scene(&s);
}

/* ---- the fence ---- */

static void cleaning_by_hand_waits_for_the_fence(void **state)
{
    (void)state;
    mscene s;
    segue_migration *m = NULL;
    static const int64_t fence_ns = 60 * 1000 * 1000;
    begin_scene(&s, MEM_TWO);
    s.options.hold_clean = true;
    assert_ok(run_scene(&s));
    s.options.fence_ns = fence_ns;
    assert_ok(segue_migration_open(NULL, s.to, &s.options, &m, &test_err));
    int64_t began = seg_mono_ns(segue_env_default());
    assert_ok(segue_migration_clean(m, &test_err));
    int64_t took = seg_mono_ns(segue_env_default()) - began;
    if (took < fence_ns) fail_msg("cleaned after %lld ns, the fence is %lld ns", (long long)took, (long long)fence_ns);
    segue_migration_close(m);
    end_scene(&s);
}

/* A runner elsewhere, which may have looked at the record just before it fell asleep. */
static void leave_to_a_sleeper(mscene *s)
{
    seg_status status = {0};
    segue_call call = seg_call_new(s->to, 0, &test_err);
    assert_ok(seg_status_load(s->to, "default", &status, &call));
    seg_runner_here(call.env, &status.runner);
    (void)snprintf(status.runner.place, sizeof status.runner.place, "elsewhere/boot/1"); /* fits */
    status.runner.beat_ns -= 1000000;
    assert_ok(seg_status_save(s->to, &status, &call));
    seg_status_free(&status);
}

/* Also by a run that comes later than the one that has taken over, as long as the sleeper's call may take. */
static void cleaning_waits_for_a_runner_that_was_overtaken(void **state)
{
    (void)state;
    static const int64_t call_ns = 200 * 1000 * 1000;
    for (int sealed = 0; sealed < 2; sealed++) {
        mscene s;
        begin_scene(&s, MEM_TWO);
        s.options.hold_seal = !sealed;
        s.options.hold_clean = sealed;
        assert_ok(run_scene(&s));
        leave_to_a_sleeper(&s);
        s.options.hold_seal = false;
        s.options.hold_clean = true;
        s.options.timeout_ns = call_ns;
        int64_t began = seg_mono_ns(segue_env_default());
        assert_ok(run_scene(&s));
        s.options.hold_clean = false;
        assert_ok(run_scene(&s));
        int64_t took = seg_mono_ns(segue_env_default()) - began;
        assert_int_equal(stage_of(&s), SEGUE_STAGE_CLEAN);
        if (took < call_ns) fail_msg("cleaned %lld ns after a runner was overtaken", (long long)took);
        end_scene(&s);
    }
}

static void say_when_one_was_overtaken(mscene *s, int64_t ago_ns)
{
    seg_status status = {0};
    segue_call call = seg_call_new(s->to, 0, &test_err);
    assert_ok(seg_status_load(s->to, "default", &status, &call));
    status.overtaken_ns = seg_wall_ns(call.env) - ago_ns;
    assert_ok(seg_status_save(s->to, &status, &call));
    seg_status_free(&status);
}

/* What has passed since is not waited for again; and no clock that is ahead makes anybody wait longer than a call may take. */
static void how_long_ago_a_runner_was_overtaken_counts(void **state)
{
    (void)state;
    static const int64_t hour_ns = INT64_C(3600) * 1000000000, second_ns = 1000000000;
    for (int ahead = 0; ahead < 2; ahead++) {
        int64_t call_ns = ahead ? second_ns / 5 : hour_ns / 2;
        mscene s;
        begin_scene(&s, MEM_TWO);
        s.options.hold_clean = true;
        assert_ok(run_scene(&s));
        say_when_one_was_overtaken(&s, ahead ? -hour_ns : hour_ns);
        s.options.hold_clean = false;
        s.options.timeout_ns = call_ns;
        int64_t began = seg_mono_ns(segue_env_default());
        assert_ok(run_scene(&s));
        int64_t took = seg_mono_ns(segue_env_default()) - began;
        assert_int_equal(stage_of(&s), SEGUE_STAGE_CLEAN);
        if (ahead && took < call_ns) fail_msg("cleaned after %lld ns", (long long)took);
        end_scene(&s);
    }
}

/* ---- verification beside other things ---- */

enum { OPS_WRITE = SEG_OP_PUT | SEG_OP_ERASE | SEG_OP_WRITE_MANY | SEG_OP_MOVE | SEG_OP_MUTATE };

/* The status record still names the runner that was killed; who only looks must not write in its name. */
static void verification_after_a_kill_writes_nothing(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    begin_scene(&s, MEM_TWO);
    seg_fault_plan dead = {.ops = OPS_WRITE, .nth = 4, .persistent = true, .status = SEGUE_NO_SPACE};
    seg_fault_set(s.fault_to, &dead);
    assert_status(run_scene(&s), SEGUE_NO_SPACE);
    segue_migration_status before = read_status(&s);
    seg_fault_plan read_only = {.ops = OPS_WRITE, .nth = 1, .persistent = true, .status = SEGUE_READ_ONLY};
    seg_fault_set(s.fault_to, &read_only);
    seg_fault_set(s.fault_from, &read_only);
    segue_status st = verify_between(&s, s.fault_from, s.fault_to, 0, &h, &v);
    if (st != SEGUE_DIFFERENT) fail_msg("%s: %s", segue_status_name(st), test_err.message);
    assert_int_equal(seg_fault_count(s.fault_to), 0);
    segue_migration_status after = read_status(&s);
    assert_int_equal(after.active_ns, before.active_ns);
    segue_migration_status_free(&before);
    segue_migration_status_free(&after);
    heal(&s);
    assert_ok(run_scene(&s));
    assert_moved(&s, "after all");
    end_scene(&s);
}

typedef struct watcher {
    segue_migration *migration;
    unsigned calls;
    segue_stage stage;
} watcher;

static void stop_it(void *ctx, const segue_progress *progress)
{
    watcher *w = ctx;
    w->calls++;
    w->stage = progress->stage;
    segue_migration_cancel(w->migration);
}

static void a_verification_shows_progress_and_can_be_stopped(void **state)
{
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        mscene s;
        watcher w = {0};
        segue_verified v;
        begin_scene(&s, MEM_TWO);
        s.options.hold_seal = !clean;
        assert_ok(run_scene(&s));
        s.options.progress = stop_it;
        s.options.progress_ctx = &w;
        assert_ok(segue_migration_open(s.from, s.to, &s.options, &w.migration, &test_err));
        assert_status(segue_migration_verify(w.migration, 0, NULL, NULL, &v, &test_err), SEGUE_NOT_FINISHED);
        assert_true(w.calls > 0);
        assert_int_equal(w.stage, SEGUE_STAGE_VERIFYING);
        segue_migration_close(w.migration);
        end_scene(&s);
    }
}

/* ---- repairs ---- */

/* A repair when everything is over leaves nothing behind that would be in the way of the next migration. */
static void a_repair_after_the_cleaning_leaves_no_manifest(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    begin_scene(&s, MEM_TWO);
    assert_ok(run_scene(&s));
    assert_ok(segue_add(s.from, K("d:late"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(segue_add(s.from, K("n:counter"), K("50"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v));
    assert_int_equal(v.repaired, 2);
    assert_body(s.to, "d:late", "1");
    assert_body(s.to, "n:counter", "50");
    assert_int_equal(count_manifests(&s), 0);
    assert_ok(run_between(&s, s.to, s.from)); /* the way back */
    assert_body(s.from, "d:late", "1");
    end_scene(&s);
}

/* Another policy would move other records than the migration did. */
static void a_repair_under_another_policy_is_refused(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    segue_policy *mine, *other = NULL;
    begin_scene(&s, MEM_TWO);
    s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    assert_ok(segue_policy_parse(K("{\"unmatched\":\"move\",\"rules\":[]}"), &other, &test_err));
    mine = s.policy;
    s.options.policy = other;
    assert_status(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v), SEGUE_REFUSED);
    assert_true(is_at(s.from, "other"));
    assert_false(is_at(s.to, "other"));
    s.options.policy = mine;
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v));
    segue_policy_free(other);
    end_scene(&s);
}

static void damage_a_copy(mscene *s, const char *key)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_call call = seg_call_new(s->to, 0, &test_err);
    assert_ok(seg_call_get(s->to, K(key), &doc, &call));
    segue_put put = {.rec = doc.rec, .condition = SEGUE_IF_CAS, .if_cas = doc.rec.cas}; /* under the same revision */
    put.rec.body = K("\"damaged\"");
    assert_ok(seg_call_put(s->to, &put, NULL, &call));
}

/* Where the primary gives CASes of its own, the copy is known by its revision. */
static void a_damaged_copy_with_its_own_cas_is_repaired(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    begin_scene(&s, MEM_OWN_CAS);
    s.options.keep = s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    damage_a_copy(&s, "d:04");
    assert_status(verify_between(&s, s.from, s.to, 0, &h, &v), SEGUE_DIFFERENT);
    assert_string_equal(h.keys, " content:d:04 ");
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v));
    assert_body(s.to, "d:04", "{\"i\":4}");
    end_scene(&s);
}

/* Deletes are real when a migration is clean; a copy that was kept is a backup and not the truth. */
static void what_was_purged_since_is_not_missing_from_a_copy(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    begin_scene(&s, MEM_TWO);
    s.options.keep = true;
    assert_ok(run_scene(&s));
    erase_record(s.to, "d:04");
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v));
    assert_string_equal(h.keys, "");
    assert_false(is_at(s.to, "d:04"));
    end_scene(&s);
}

/* A run is killed after it has remembered a page and before it moves it; then somebody erases one of its records. */
static void what_was_erased_behind_a_killed_run_can_be_let_go(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    begin_scene(&s, MEM_ONE);
    s.options.hold_seal = true;
    seg_fault_plan stops = {.ops = SEG_OP_MOVE, .nth = 1, .persistent = true, .status = SEGUE_IO_ERROR};
    seg_fault_set(s.fault_from, &stops);
    assert_true(run_scene(&s) != SEGUE_OK);
    heal(&s);
    erase_record(s.from, "d:01");
    assert_status(run_scene(&s), SEGUE_DIFFERENT);
    assert_status(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v), SEGUE_DIFFERENT);
    assert_non_null(strstr(h.keys, "missing:d:01")); /* it may also be lost: nobody has said that others write */
    s.options.on_foreign_write = SEGUE_FOREIGN_PRIMARY;
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v));
    assert_int_equal(v.repaired, v.differences);
    assert_ok(run_scene(&s));
    assert_ok(verify_between(&s, s.from, s.to, 0, &h, &v));
    assert_false(is_at(s.to, "d:01"));
    end_scene(&s);
}

/* ---- each key once ---- */

static void a_key_that_a_copy_has_lost_is_told_of_once(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    begin_scene(&s, MEM_TWO);
    s.options.keep = s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    erase_record(s.to, "d:04"); /* the manifest knows of it, and the fallback has it */
    assert_status(verify_between(&s, s.from, s.to, 0, &h, &v), SEGUE_DIFFERENT);
    assert_string_equal(h.keys, " missing:d:04 ");
    assert_int_equal(v.differences, 1);
    assert_non_null(strstr(test_err.message, "found 1 difference, 0 repaired"));
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v));
    assert_string_equal(h.keys, " missing:d:04 ");
    assert_true(v.differences == 1 && v.repaired == 1);
    assert_body(s.to, "d:04", "{\"i\":4}");
    end_scene(&s);
}

/* A run is killed after it has remembered a page, so the next one remembers the same records again. */
static void a_key_in_two_manifests_is_told_of_once(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    begin_scene(&s, MEM_ONE);
    s.options.hold_seal = true;
    s.options.workers = 1;
    s.options.page_docs = 100;
    seg_fault_plan stops = {.ops = SEG_OP_MOVE, .nth = 1, .persistent = true, .status = SEGUE_IO_ERROR};
    seg_fault_set(s.fault_from, &stops);
    assert_true(run_scene(&s) != SEGUE_OK);
    heal(&s);
    assert_status(verify_between(&s, s.from, s.to, 0, &h, &v), SEGUE_DIFFERENT);
    assert_null(strstr(h.keys, "left:d:0"));      /* they are told of as missing */
    assert_int_equal(v.differences, N_MOVED - 1); /* without d:registry, whose turn has not come */
    assert_ok(run_scene(&s));
    erase_record(s.to, "d:01");
    assert_status(verify_between(&s, s.from, s.to, 0, &h, &v), SEGUE_DIFFERENT);
    assert_true(v.checked > N_MOVED); /* some of them twice */
    assert_string_equal(h.keys, " missing:d:01 ");
    s.options.on_foreign_write = SEGUE_FOREIGN_PRIMARY;
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v)); /* all manifests let go of it */
    assert_string_equal(h.keys, " missing:d:01 ");
    assert_true(v.differences == 1 && v.repaired == 1);
    assert_ok(verify_between(&s, s.from, s.to, 0, &h, &v));
    end_scene(&s);
}

/* Damage in the copy of a record that somebody has changed in the old store since: the manifest's copy is no help, the changed
 * one is. */
static void what_can_be_repaired_only_later_is_counted_once(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    SEG_AUTO(segue_doc) doc = {0};
    begin_scene(&s, MEM_TWO);
    s.options.keep = s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    assert_ok(segue_get_record(s.to, K("d:04"), NULL, &doc, &test_err));
    doc.rec.body = K("\"damaged\"");
    put_rec(s.to, &doc.rec); /* under the same CAS */
    assert_ok(segue_set(s.from, K("d:04"), K("\"newer\""), segue_expiry_none(), NULL, NULL, &test_err));
    assert_status(verify_between(&s, s.from, s.to, 0, &h, &v), SEGUE_DIFFERENT);
    assert_string_equal(h.keys, " content:d:04 ");
    s.options.on_foreign_write = SEGUE_FOREIGN_NEWER;
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v));
    assert_string_equal(h.keys, " content:d:04  newer:d:04 ");
    assert_true(v.differences == 1 && v.repaired == 1);
    assert_body(s.to, "d:04", "\"newer\"");
    end_scene(&s);
}

static void many_keys_that_differ_are_counted_rightly(void **state)
{
    enum { MANY = 1000 };
    char key[16];
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    begin_scene(&s, MEM_TWO);
    s.options.keep = s.options.hold_seal = true;
    s.options.page_docs = 100;
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "d:m%03u", i); /* fits */
        assert_ok(segue_add(s.from, K(key), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    }
    assert_ok(run_scene(&s));
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "d:m%03u", i); /* fits */
        erase_record(s.to, key);
    }
    assert_status(verify_between(&s, s.from, s.to, 0, &h, &v), SEGUE_DIFFERENT);
    assert_true(v.differences == MANY && h.n == MANY);
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v));
    assert_true(v.differences == MANY && v.repaired == MANY && h.n == MANY);
    end_scene(&s);
}

/* ---- two runners ---- */

typedef struct sleeper {
    mscene *scene;
    bool asked;
} sleeper;

/* The rival comes while this runner is about to write its first manifest, and gets as far as the seal. */
static void overtake(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    sleeper *sl = ctx;
    segue_migration *m = NULL;
    (void)op, (void)count;
    bool is_manifest = key.size == 0 || segue_slice_starts_with(key, K("_segue:manifest:default:"));
    if (after || sl->asked || !is_manifest || stage_of(sl->scene) != SEGUE_STAGE_SWEEPING) return;
    sl->asked = true;
    segue_migration_options options = sl->scene->options;
    options.page_docs = 100;
    assert_ok(segue_migration_open(sl->scene->from, sl->scene->to, &options, &m, &test_err));
    assert_ok(segue_migration_run(m, &test_err));
    segue_migration_close(m);
}

static void a_runner_that_slept_overwrites_no_manifest(void **state)
{
    (void)state;
    static const size_t which[] = {MEM_ONE, MEM_TWO};
    for (size_t i = 0; i < 2; i++) {
        mscene s;
        heard h;
        segue_verified v;
        sleeper sl = {.scene = &s};
        begin_scene(&s, which[i]);
        s.options.hold_seal = true;
        s.options.workers = 1;
        seg_fault_plan plan = {.ops = SEG_OP_PUT | SEG_OP_WRITE_MANY, .hook = overtake, .hook_ctx = &sl};
        seg_fault_set(s.fault_to, &plan);
        assert_status(run_scene(&s), SEGUE_BUSY_ELSEWHERE);
        assert_true(sl.asked);
        erase_record(s.to, "d:10"); /* only the rival's manifest knows of it */
        segue_status st = verify_between(&s, s.from, s.to, 0, &h, &v);
        if (st != SEGUE_DIFFERENT || strcmp(h.keys, " missing:d:10 ") != 0)
            fail_msg("%s: %s, of %u records: %s", pairs[which[i]].name, segue_status_name(st), (unsigned)v.checked,
                     h.keys);
        end_scene(&s);
    }
}

/* The answer to a write of the status record is lost, and so is the first look for it. */
static void lose_the_look(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    segue_store *below = ctx;
    (void)op, (void)key, (void)count;
    seg_fault_plan plan = {.ops = SEG_OP_GET, .nth = 1, .status = SEGUE_UNAVAILABLE};
    if (after && !seg_fault_fired(below)) seg_fault_set(below, &plan);
}

static void its_own_write_is_nobody_elses(void **state)
{
    (void)state;
    for (unsigned nth = 1;; nth++) {
        mscene s;
        segue_store *outer = NULL;
        begin_scene(&s, MEM_ONE);
        assert_ok(seg_fault_open(s.fault_to, &outer, &test_err));
        seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = nth, .after = true, .status = SEGUE_MAYBE_APPLIED};
        plan.hook = lose_the_look;
        plan.hook_ctx = s.fault_to;
        seg_fault_set(outer, &plan);
        segue_status st = run_between(&s, s.fault_from, outer);
        bool fired = seg_fault_fired(outer);
        if (st != SEGUE_OK) fail_msg("put %u: %s: %s", nth, segue_status_name(st), test_err.message);
        assert_moved(&s, "with lost answers");
        segue_close(outer);
        end_scene(&s);
        if (!fired) break;
    }
}

enum { SHORT_CALL_NS = 5 * 1000 * 1000 };

/* The rival comes between this runner's reads and its write, and gets to the end; then a client deletes, and what is dead is
 * purged. */
static void finish_meanwhile(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    sleeper *sl = ctx;
    mscene *s = sl->scene;
    (void)op, (void)count;
    if (!after || !segue_slice_equal(key, K("d:00")) || sl->asked) return;
    sl->asked = true;
    assert_ok(run_between(s, s->from, s->to));
    assert_ok(segue_delete(s->to, K("d:00"), NULL, &test_err));
    assert_ok(segue_purge_tombstones(s->to, NULL, &test_err));
    assert_false(is_at(s->to, "d:00"));
}

static void a_runner_that_slept_inserts_nothing(void **state)
{
    (void)state;
    mscene s;
    sleeper sl = {.scene = &s};
    begin_scene(&s, MEM_TWO);
    s.options.workers = 1; /* what meets the hook */
    seg_fault_plan plan = {.ops = SEG_OP_GET, .hook = finish_meanwhile, .hook_ctx = &sl};
    seg_fault_set(s.fault_to, &plan);
    assert_status(run_scene(&s), SEGUE_BUSY_ELSEWHERE);
    assert_non_null(strstr(test_err.message, "taken over"));
    assert_true(sl.asked);
    assert_int_equal(stage_of(&s), SEGUE_STAGE_CLEAN);
    assert_false(is_at(s.to, "d:00"));
    end_scene(&s);
}

/* The look at the status record after one at a document takes longer than a call may. */
static void look_for_long(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    sleeper *sl = ctx;
    (void)op, (void)count;
    bool is_own = segue_slice_equal(key, segue_str("_segue:migration:default"));
    if (!after) return;
    if (sl->asked && is_own) seg_sleep_ns(segue_env_default(), 2 * SHORT_CALL_NS);
    sl->asked = !is_own;
}

static void a_runner_that_took_too_long_inserts_nothing(void **state)
{
    (void)state;
    mscene s;
    sleeper sl = {.scene = &s};
    begin_scene(&s, MEM_TWO);
    s.options.workers = 1;
    s.options.timeout_ns = SHORT_CALL_NS;
    seg_fault_plan plan = {.ops = SEG_OP_GET, .hook = look_for_long, .hook_ctx = &sl};
    seg_fault_set(s.fault_to, &plan);
    assert_status(run_scene(&s), SEGUE_TIMEOUT);
    assert_false(is_at(s.to, "d:00"));
    end_scene(&s);
}

static void cancel_the_sweep(void *ctx, const segue_progress *progress)
{
    watcher *w = ctx;
    if (progress->stage == SEGUE_STAGE_SWEEPING) segue_migration_cancel(w->migration);
}

static void stop_in_the_sweep(mscene *s)
{
    watcher w = {0};
    s->options.progress = cancel_the_sweep;
    s->options.progress_ctx = &w;
    assert_ok(segue_migration_open(s->from, s->to, &s->options, &w.migration, &test_err));
    assert_status(segue_migration_run(w.migration, &test_err), SEGUE_NOT_FINISHED);
    segue_migration_close(w.migration);
    s->options.progress = NULL;
}

static void what_a_stopped_sweep_has_left_can_be_repaired(void **state)
{
    (void)state;
    mscene s;
    heard h;
    segue_verified v;
    begin_scene(&s, MEM_TWO);
    stop_in_the_sweep(&s);
    assert_int_equal(stage_of(&s), SEGUE_STAGE_SWEEPING);
    assert_ok(verify_between(&s, s.from, s.to, SEGUE_VERIFY_REPAIR, &h, &v));
    assert_true(v.repaired > 0 && v.repaired == v.differences);
    assert_true(is_at(s.to, "d:00"));
    end_scene(&s);
}

/* A folder's name may be any bytes, the status record is JSON. */
static void a_path_that_is_not_utf8_can_be_gone_on_with(void **state)
{
    (void)state;
    mscene s = {0};
    fill_url(s.from_url, "sqlite:{}/f\xff\x22.db", 0);
    fill_url(s.to_url, "sqlite:{}/t\xc3.db", 0);
    assert_ok(segue_policy_parse(K(policy_text), &s.policy, &test_err));
    s.options = (segue_migration_options){.policy = s.policy, .page_docs = 3, .stale_ns = 1};
    open_stores(&s);
    fill_store(s.from);
    stop_in_the_sweep(&s);
    segue_migration_status status = read_status(&s);
    assert_non_null(strstr(status.from, "f\\xff\".db"));
    assert_non_null(strstr(status.to, "t\\xc3.db"));
    segue_migration_status_free(&status);
    assert_ok(run_scene(&s));
    assert_moved(&s, "odd paths");
    assert_ok(run_scene(&s)); /* and is known to be done */
    end_scene(&s);
}

/* A sentence may quote anything, and be cut anywhere. */
static void no_last_error_spoils_the_status_record(void **state)
{
    (void)state;
    segue_store *store = NULL;
    seg_status written = {.name = "default", .run_id = "r", .stage = SEGUE_STAGE_SWEEPING}, read = {0};
    assert_ok(segue_open("mem:", NULL, &store, &test_err));
    segue_call call = seg_call_new(store, 0, &test_err);
    memset(written.last_error, 0xff, sizeof written.last_error - 1);
    assert_ok(seg_status_save(store, &written, &call));
    assert_ok(seg_status_load(store, "default", &read, &call));
    assert_int_equal(strncmp(read.last_error, "\\xff\\xff", 8), 0);
    seg_status_free(&read);
    seg_status_free(&written);
    segue_close(store);
}

/* ---- clients ---- */

/* A process that begins in legacy each time and runs its migration: the second time that is over already. */
static void clients_of_a_finished_migration_are_led_to_its_end(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++)
        for (int late = 0; late < 2; late++) {
            mscene s;
            segue_store *dual = NULL;
            segue_phase phase;
            segue_dual_options legacy = {SEGUE_PHASE_LEGACY};
            begin_scene(&s, MEM_TWO);
            s.options.keep = keep;
            assert_ok(run_scene(&s));
            assert_ok(segue_dual_open(s.to, s.from, &legacy, &dual, &test_err));
            if (late && !keep)
                assert_ok(segue_add(dual, K("d:late"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
            s.options.dual = dual;
            assert_ok(run_between(&s, s.from, s.to));
            assert_ok(segue_dual_phase(dual, &phase));
            assert_int_equal(phase, SEGUE_PHASE_CLEAN);
            assert_body(dual, "d:00", "{\"i\":0}");
            if (late && !keep) assert_body(dual, "d:late", "1");
            segue_close(dual);
            end_scene(&s);
        }
}

/* ---- counters of copies ---- */

/* Sync Gateway's own hand-over was begun, and then somebody makes a copy: clients of the primary alone must find a number. */
static void a_pill_is_copied_as_the_number_that_it_holds(void **state)
{
    (void)state;
    for (size_t which = 0; which < N_PAIRS; which++) {
        mscene s;
        heard h;
        segue_verified v;
        uint64_t number = 0;
        begin_scene(&s, which);
        static const char pill[] =
            "{\"pilled_at\":\"2026-01-02T03:04:05Z\",\"last_seq\":41,\"sg_metadata_migration_pill\":true}";
        assert_ok(segue_set(s.from, K("n:counter"), K(pill), segue_expiry_none(), NULL, NULL, &test_err));
        s.options.keep = s.options.hold_clean = true;
        segue_status st = run_scene(&s);
        if (st != SEGUE_OK) fail_msg("%s: %s", pairs[which].name, test_err.message);
        assert_body(s.to, "n:counter", "41");
        assert_body(s.from, "n:counter", pill);
        assert_ok(segue_incr(s.to, K("n:counter"), 1, NULL, segue_expiry_none(), NULL, &number, &test_err));
        assert_int_equal(number, 42);
        st = verify_between(&s, s.from, s.to, 0, &h, &v);
        if (st != SEGUE_OK) fail_msg("%s: %s: %s", pairs[which].name, test_err.message, h.keys);
        end_scene(&s);
    }
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(plan_and_migration_agree_on_what_is_left),
        IN_FOLDER(cleaning_by_hand_waits_for_the_fence),
        IN_FOLDER(verification_after_a_kill_writes_nothing),
        IN_FOLDER(a_verification_shows_progress_and_can_be_stopped),
        IN_FOLDER(a_repair_after_the_cleaning_leaves_no_manifest),
        IN_FOLDER(a_repair_under_another_policy_is_refused),
        IN_FOLDER(a_damaged_copy_with_its_own_cas_is_repaired),
        IN_FOLDER(what_was_erased_behind_a_killed_run_can_be_let_go),
        IN_FOLDER(what_was_purged_since_is_not_missing_from_a_copy),
        IN_FOLDER(a_key_that_a_copy_has_lost_is_told_of_once),
        IN_FOLDER(a_key_in_two_manifests_is_told_of_once),
        IN_FOLDER(what_can_be_repaired_only_later_is_counted_once),
        IN_FOLDER(many_keys_that_differ_are_counted_rightly),
        IN_FOLDER(a_runner_that_slept_overwrites_no_manifest),
        IN_FOLDER(its_own_write_is_nobody_elses),
        IN_FOLDER(what_a_stopped_sweep_has_left_can_be_repaired),
        IN_FOLDER(a_path_that_is_not_utf8_can_be_gone_on_with),
        IN_FOLDER(a_runner_that_slept_inserts_nothing),
        IN_FOLDER(a_runner_that_took_too_long_inserts_nothing),
        IN_FOLDER(cleaning_waits_for_a_runner_that_was_overtaken),
        IN_FOLDER(how_long_ago_a_runner_was_overtaken_counts),
        IN_FOLDER(no_last_error_spoils_the_status_record),
        IN_FOLDER(clients_of_a_finished_migration_are_led_to_its_end),
        IN_FOLDER(a_pill_is_copied_as_the_number_that_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
