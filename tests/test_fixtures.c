/* Real buckets of Sync Gateway move as a whole: every record arrives as it was, what stays stays, and what Sync Gateway's own
 * mover left half done is finished. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/migrate.h>

#include "base/base.h"
#include "doc/doc.h"
#include "support/bucket.h"

#define DEFAULT "_default._default"
#define MOBILE "_system._mobile"

/* A bucket to be migrated, and a copy that stays as it was. */
typedef struct scene {
    segue_store *from, *to;
    segue_store *old_from, *old_to; /* old_to NULL: the bucket has no such collection */
    segue_policy *policy;
    segue_migration *migration;
} scene;

static char before_name[] = "before";

static void open_scene(scene *s, const char *bucket, segue_migration_options *options)
{
    char directory[256];
    test_copy_here(bucket);
    (void)snprintf(directory, sizeof directory, "%s/%s", test_folder, before_name); /* fits */
    test_copy_bucket(bucket, directory);
    s->from = test_open_bucket(bucket, DEFAULT, 0);
    s->to = test_open_bucket(bucket, MOBILE, 0);
    s->old_from = test_open_bucket(before_name, DEFAULT, 0);
    s->old_to = test_open_bucket(before_name, MOBILE, 0);
    assert_ok(segue_policy_sync_gateway_bucket(s->from, s->to, &s->policy, &test_err));
    options->policy = s->policy;
    assert_ok(segue_migration_open(s->from, s->to, options, &s->migration, &test_err));
}

static void close_scene(scene *s)
{
    segue_migration_close(s->migration);
    segue_policy_free(s->policy);
    segue_store *const stores[] = {s->from, s->to, s->old_from, s->old_to};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) segue_close(stores[i]);
}

/* Call fn for each record, tombstones too. Returns how many there are. */
static size_t each(segue_store *store, void (*fn)(const scene *, const segue_record *), const scene *s)
{
    segue_range all = {.options = SEGUE_SCAN_TOMBSTONES};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    size_t n = 0;
    assert_ok(segue_scan_open(store, &all, &scan, &test_err));
    segue_status st;
    for (; (st = segue_scan_next(scan, &rec, &test_err)) == SEGUE_OK; n++)
        if (fn) fn(s, rec);
    if (st != SEGUE_END) fail_msg("%s", test_err.message);
    segue_scan_close(scan);
    return n;
}

static segue_rule rule_of(const scene *s, segue_slice key)
{
    return segue_policy_rule(s->policy, segue_policy_classify(s->policy, key));
}

static void assert_same(segue_store *store, const segue_record *expected)
{
    char quoted[SEG_QUOTED_MAX];
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = segue_get_record(store, expected->key, NULL, &doc, &test_err);
    if (st != SEGUE_OK) fail_msg("%s: %s", seg_quote(expected->key, quoted), test_err.message);
    if (!seg_record_same(&doc.rec, expected))
        fail_msg(
            "%s is not as it was: CAS %llu, was %llu; revision %llu, was %llu; %zu bytes, was %zu; %zu xattrs, was %zu",
            seg_quote(expected->key, quoted), (unsigned long long)doc.rec.cas, (unsigned long long)expected->cas,
            (unsigned long long)doc.rec.revision, (unsigned long long)expected->revision, doc.rec.body.size,
            expected->body.size, doc.rec.n_xattrs, expected->n_xattrs);
}

static void assert_nothing(segue_store *store, segue_slice key)
{
    char quoted[SEG_QUOTED_MAX];
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = segue_get_record(store, key, NULL, &doc, &test_err);
    if (st != SEGUE_NOT_FOUND) fail_msg("%s is there: %s", seg_quote(key, quoted), segue_status_name(st));
}

/* ---- the bucket that nobody has touched ---- */

static void assert_moved_whole(const scene *s, const segue_record *rec)
{
    switch (rule_of(s, rec->key).action) {
    case SEGUE_ACTION_MOVE:
    case SEGUE_ACTION_COUNTER:
        assert_same(s->to, rec);
        assert_nothing(s->from, rec->key);
        break;
    case SEGUE_ACTION_DROP:
        assert_nothing(s->to, rec->key);
        assert_nothing(s->from, rec->key);
        break;
    case SEGUE_ACTION_LEAVE:
        assert_nothing(s->to, rec->key);
        assert_same(s->from, rec);
        break;
    case SEGUE_ACTION_STOP: fail_msg("a rule that stops");
    }
}

static void whole_bucket_moves_with_everything_equal(void **state)
{
    (void)state;
    scene s = {0};
    segue_migration_options options = {.count_first = true};
    open_scene(&s, "sg-bucket", &options);
    segue_plan plan;
    assert_ok(segue_plan_make(s.from, s.to, s.policy, &plan, &test_err));
    assert_ok(segue_migration_run(s.migration, &test_err));
    size_t n = each(s.old_from, assert_moved_whole, &s);
    assert_int_equal(n, plan.all.live + plan.all.tombstones);
    uint64_t moved = plan.by_action[SEGUE_ACTION_MOVE].live + plan.by_action[SEGUE_ACTION_MOVE].tombstones +
                     plan.by_action[SEGUE_ACTION_COUNTER].live;
    assert_int_equal(each(s.to, NULL, NULL), moved);
    segue_migration_status status;
    assert_ok(segue_migration_status_read(s.to, NULL, &status, &test_err));
    assert_int_equal(status.stage, SEGUE_STAGE_CLEAN);
    assert_int_equal(status.counts.moved + status.counts.counters, moved);
    assert_int_equal(status.counts.dropped, 5);
    assert_int_equal(status.counts.counters, 2);
    assert_int_equal(status.counts.errors, 0);
    assert_int_equal(status.counts.unmatched, 5);
    segue_migration_status_free(&status);
    segue_plan_free(&plan);
    close_scene(&s);
}

static void the_way_back_brings_every_record_home(void **state)
{
    (void)state;
    scene s = {0};
    segue_migration_options options = {0};
    open_scene(&s, "sg-bucket", &options);
    assert_ok(segue_migration_run(s.migration, &test_err));
    segue_migration *back = NULL;
    segue_policy *policy = NULL;
    assert_ok(segue_policy_sync_gateway_bucket(s.to, s.from, &policy, &test_err));
    options.policy = policy;
    assert_ok(segue_migration_open(s.to, s.from, &options, &back, &test_err));
    assert_ok(segue_migration_run(back, &test_err));
    segue_migration_close(back);
    segue_policy_free(policy);
    assert_int_equal(each(s.to, NULL, NULL), 0);
    size_t n = 0, dropped = 5;
    segue_range all = {.options = SEGUE_SCAN_TOMBSTONES};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    assert_ok(segue_scan_open(s.old_from, &all, &scan, &test_err));
    for (; segue_scan_next(scan, &rec, &test_err) == SEGUE_OK; n++)
        if (rule_of(&s, rec->key).action != SEGUE_ACTION_DROP) assert_same(s.from, rec);
    segue_scan_close(scan);
    assert_int_equal(each(s.from, NULL, NULL), n - dropped);
    close_scene(&s);
}

/* ---- families ---- */

typedef struct family {
    const char *name, *database;
    segue_action action;
    uint64_t live, tombstones;
} family;

/* Of the bucket that nobody has touched. */
static const family families[] = {
    {"not metadata", NULL, SEGUE_ACTION_LEAVE, 187, 22},
    {"att2", NULL, SEGUE_ACTION_LEAVE, 6, 0},
    {"background_process", "_default", SEGUE_ACTION_MOVE, 3, 3},
    {"cfg", "_default", SEGUE_ACTION_MOVE, 2, 0},
    {"dbconfig", NULL, SEGUE_ACTION_MOVE, 2, 0},
    {"dcp_ck", "_default", SEGUE_ACTION_MOVE, 6, 0},
    {"dcp_ck", "shop", SEGUE_ACTION_MOVE, 5, 0},
    {"heartbeat", "_default", SEGUE_ACTION_DROP, 3, 0},
    {"local", NULL, SEGUE_ACTION_LEAVE, 8, 0},
    {"another database", NULL, SEGUE_ACTION_LEAVE, 2, 0},
    {"background_process", "shop", SEGUE_ACTION_MOVE, 3, 3},
    {"cfg", "shop", SEGUE_ACTION_MOVE, 1, 0},
    {"heartbeat", "shop", SEGUE_ACTION_DROP, 2, 0},
    {"resync_hb", "shop", SEGUE_ACTION_MOVE, 1, 0},
    {"seq", "shop", SEGUE_ACTION_COUNTER, 1, 0},
    {"sgrStatus", "shop", SEGUE_ACTION_MOVE, 3, 0},
    {"state", "shop", SEGUE_ACTION_MOVE, 1, 0},
    {"unusedSeq", "shop", SEGUE_ACTION_MOVE, 1, 1},
    {"unmatched", NULL, SEGUE_ACTION_LEAVE, 5, 0},
    {"rb", NULL, SEGUE_ACTION_LEAVE, 1, 0},
    {"registry", NULL, SEGUE_ACTION_MOVE, 1, 0},
    {"resync_hb", "_default", SEGUE_ACTION_MOVE, 1, 0},
    {"resync_cfg", "_default", SEGUE_ACTION_MOVE, 1, 0},
    {"rev", NULL, SEGUE_ACTION_LEAVE, 0, 88},
    {"role", "_default", SEGUE_ACTION_MOVE, 31, 0},
    {"role", "shop", SEGUE_ACTION_MOVE, 10, 0},
    {"seq", "_default", SEGUE_ACTION_COUNTER, 1, 0},
    {"session", "_default", SEGUE_ACTION_MOVE, 121, 3},
    {"session", "shop", SEGUE_ACTION_MOVE, 60, 3},
    {"sgrStatus", "_default", SEGUE_ACTION_MOVE, 3, 0},
    {"state", "_default", SEGUE_ACTION_MOVE, 1, 0},
    {"syncInfo", NULL, SEGUE_ACTION_LEAVE, 1, 0},
    {"syncdata", "_default", SEGUE_ACTION_MOVE, 1, 0},
    {"syncdata_collection", "shop", SEGUE_ACTION_MOVE, 1, 0},
    {"unusedSeq", "_default", SEGUE_ACTION_MOVE, 6, 1},
    {"user", "_default", SEGUE_ACTION_MOVE, 403, 15},
    {"user", "shop", SEGUE_ACTION_MOVE, 140, 10},
    {"useremail", "_default", SEGUE_ACTION_MOVE, 258, 9},
    {"useremail", "shop", SEGUE_ACTION_MOVE, 91, 7},
};

static void families_are_counted_as_the_table_says(void **state)
{
    (void)state;
    enum { N = sizeof families / sizeof families[0] };
    scene s = {0};
    segue_migration_options options = {0};
    uint64_t live[N] = {0}, tombstones[N] = {0};
    open_scene(&s, "sg-bucket", &options);
    segue_plan plan;
    assert_ok(segue_plan_make(s.from, s.to, s.policy, &plan, &test_err));
    for (size_t r = 0; r < plan.n_rules; r++) {
        segue_rule rule = segue_policy_rule(s.policy, r);
        size_t f = 0;
        while (f < N &&
               !(strcmp(families[f].name, rule.name) == 0 && families[f].action == rule.action &&
                 strcmp(families[f].database ? families[f].database : "", rule.database ? rule.database : "") == 0))
            f++;
        uint64_t all = plan.by_rule[r].live + plan.by_rule[r].tombstones;
        if (f == N && all) fail_msg("%llu records of %s, which is in no family", (unsigned long long)all, rule.name);
        if (f == N) continue;
        live[f] += plan.by_rule[r].live;
        tombstones[f] += plan.by_rule[r].tombstones;
    }
    for (size_t f = 0; f < N; f++)
        if (live[f] != families[f].live || tombstones[f] != families[f].tombstones)
            fail_msg("%s of %s: %llu live, %llu tombstones; expected %llu and %llu", families[f].name,
                     families[f].database ? families[f].database : "the bucket", (unsigned long long)live[f],
                     (unsigned long long)tombstones[f], (unsigned long long)families[f].live,
                     (unsigned long long)families[f].tombstones);
    assert_int_equal(plan.all.live + plan.all.tombstones, 1539);
    assert_int_equal(plan.n_unmatched, 2);
    assert_string_equal(plan.unmatched[0].prefix, "_sync:");
    assert_string_equal(plan.unmatched[0].example, "_sync:zzz");
    assert_int_equal(plan.unmatched[0].tally.live, 1);
    assert_string_equal(plan.unmatched[1].prefix, "_sync:newfeature:");
    assert_int_equal(plan.unmatched[1].tally.live, 4);
    segue_plan_free(&plan);
    close_scene(&s);
}

/* ---- the bucket that Sync Gateway's mover left half way ---- */

static size_t hidden_users, both_live;

/* What a dual store showed before is what the primary has afterwards. */
static void assert_finished(const scene *s, const segue_record *rec)
{
    SEG_AUTO(segue_doc) old = {0};
    segue_action action = rule_of(s, rec->key).action;
    if (action == SEGUE_ACTION_LEAVE) {
        assert_same(s->from, rec);
        return;
    }
    assert_nothing(s->from, rec->key);
    if (action == SEGUE_ACTION_DROP || action == SEGUE_ACTION_COUNTER) return;
    segue_status st = segue_get_record(s->old_to, rec->key, NULL, &old, &test_err);
    if (st == SEGUE_NOT_FOUND) {
        assert_same(s->to, rec);
    } else if (old.rec.is_tombstone && !rec->is_tombstone && old.rec.n_xattrs == 0) {
        hidden_users++;
        assert_nothing(s->to, rec->key); /* it only hid the old value, and that is gone */
    } else {
        both_live += !old.rec.is_tombstone && !rec->is_tombstone;
        assert_same(s->to, &old.rec);
    }
}

static void assert_kept(const scene *s, const segue_record *rec)
{
    SEG_AUTO(segue_doc) old = {0};
    segue_status st = segue_get_record(s->old_from, rec->key, NULL, &old, &test_err);
    bool hid = st == SEGUE_OK && !old.rec.is_tombstone && rec->is_tombstone && rec->n_xattrs == 0;
    if (!hid) assert_same(s->to, rec);
}

static void half_way_bucket_is_finished(void **state)
{
    (void)state;
    scene s = {0};
    SEG_AUTO(segue_doc) doc = {0};
    segue_migration_options options = {0};
    hidden_users = both_live = 0;
    open_scene(&s, "sg-bucket-halfway", &options);
    assert_ok(segue_migration_run(s.migration, &test_err));
    assert_int_equal(each(s.old_from, assert_finished, &s), 1539);
    assert_int_equal(each(s.old_to, assert_kept, &s), 409);
    assert_int_equal(hidden_users, 9);
    assert_int_equal(both_live, 19);
    /* The pill that nobody had handed over. */
    assert_ok(segue_get(s.to, segue_str("_sync:seq"), NULL, &doc, &test_err));
    assert_true(segue_slice_equal(doc.rec.body, segue_str("735")));
    assert_true(doc.rec.is_json);
    segue_migration_status status;
    assert_ok(segue_migration_status_read(s.to, NULL, &status, &test_err));
    assert_int_equal(status.counts.pills_finished, 1);
    assert_int_equal(status.counts.counters, 2);
    assert_int_equal(status.counts.purged, 9);
    assert_int_equal(status.counts.foreign_writes, 0);
    segue_migration_status_free(&status);
    close_scene(&s);
}

static void migrated_bucket_needs_nothing_but_its_tombstones_cleared(void **state)
{
    (void)state;
    scene s = {0};
    segue_migration_options options = {0};
    open_scene(&s, "sg-bucket-migrated", &options);
    assert_ok(segue_migration_run(s.migration, &test_err));
    assert_true(each(s.old_to, assert_kept, &s) >= 1164);
    segue_migration_status status;
    assert_ok(segue_migration_status_read(s.to, NULL, &status, &test_err));
    assert_int_equal(status.counts.foreign_writes, 0);
    assert_int_equal(status.counts.hidden, 0);
    segue_migration_status_free(&status);
    close_scene(&s);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(families_are_counted_as_the_table_says),
        IN_FOLDER(whole_bucket_moves_with_everything_equal),
        IN_FOLDER(the_way_back_brings_every_record_home),
        IN_FOLDER(half_way_bucket_is_finished),
        IN_FOLDER(migrated_bucket_needs_nothing_but_its_tombstones_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
