/* Records past the limits of a record (B9), which another program has put into a bucket: none is moved, none is lost, and the
 * reason has the key's name; at the limit they are moved. */
#include "migration_scene.h"

#include <segue/feed.h>

#define BUCKET "sg-bucket"
#define FROM "new.from"

/* ---- rows that only another program writes ---- */

typedef enum limit { BODY, XATTR_NAME, SYSTEM_XATTRS, N_XATTRS } limit;
enum { N_LIMITS = 4 };

/* The row of `key`, as large as it may be, or by `past` larger. */
static void make_row(const char *key, limit what, unsigned past)
{
    static char sql[8192];
    char name[32];
    size_t n = (size_t)snprintf(sql, sizeof sql, "UPDATE documents SET "); /* all of it fits */
    switch (what) {
    case BODY: n += (size_t)snprintf(sql + n, sizeof sql - n, "value=zeroblob(%u)", SEGUE_BODY_MAX + past); break;
    case XATTR_NAME:
        (void)snprintf(name, sizeof name, "_%0*d", SEGUE_XATTR_NAME_MAX - 1 + (int)past, 0);
        n += (size_t)snprintf(sql + n, sizeof sql - n, "xattrs='{\"%s\":1}'", name);
        break;
    case SYSTEM_XATTRS: /* name, quotes and what stands between them */
        n += (size_t)snprintf(sql + n, sizeof sql - n, "xattrs='{\"_a\":\"'||hex(zeroblob(%u))||'%s\"}'",
                              (SEGUE_SYSTEM_XATTRS_MAX - 4) / 2, past ? "x" : "");
        break;
    case N_XATTRS:
        n += (size_t)snprintf(sql + n, sizeof sql - n, "xattrs='{");
        for (unsigned i = 0; i < SEGUE_XATTRS_MAX + past; i++)
            n += (size_t)snprintf(sql + n, sizeof sql - n, "%s\"u%u\":1", i ? "," : "", i);
        n += (size_t)snprintf(sql + n, sizeof sql - n, "}'");
    }
    (void)snprintf(sql + n, sizeof sql - n, " WHERE key='%s'", key);
    test_sql_run(BUCKET, sql);
}

static const char *const at_limit[N_LIMITS] = {"at:body", "at:name", "at:size", "at:count"};
static const char *const past_limit[N_LIMITS] = {"past:body", "past:name", "past:size", "past:count"};

static segue_store *fill_bucket(void)
{
    test_copy_here(BUCKET);
    segue_store *from = test_open_bucket(BUCKET, FROM, 0);
    for (unsigned i = 0; i < N_LIMITS; i++) {
        assert_ok(segue_set(from, K(at_limit[i]), K("{}"), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(segue_set(from, K(past_limit[i]), K("{}"), segue_expiry_none(), NULL, NULL, &test_err));
    }
    segue_close(from);
    for (unsigned i = 0; i < N_LIMITS; i++) {
        make_row(at_limit[i], (limit)i, 0);
        make_row(past_limit[i], (limit)i, 1);
    }
    return test_open_bucket(BUCKET, FROM, 0);
}

/* ---- the sweep ---- */

static segue_store *open_to(const char *url)
{
    char text[256];
    segue_store *store = NULL;
    fill_url(text, url, 0);
    assert_ok(segue_open(text, NULL, &store, &test_err));
    return store;
}

static segue_status run_migration(segue_store *from, segue_store *to)
{
    segue_policy *policy = NULL;
    segue_migration *m = NULL;
    assert_ok(segue_policy_parse(K("{\"unmatched\":\"move\",\"rules\":[]}"), &policy, &test_err));
    segue_migration_options options = {.policy = policy, .max_passes = 3};
    assert_ok(segue_migration_open(from, to, &options, &m, &test_err));
    segue_status st = segue_migration_run(m, &test_err);
    segue_migration_close(m);
    segue_policy_free(policy);
    return st;
}

static void check_moved(segue_store *from, segue_store *to, limit i)
{
    SEG_AUTO(segue_doc) doc = {0};
    assert_ok(segue_get(to, K(at_limit[i]), NULL, &doc, &test_err));
    assert_status(segue_get_record(from, K(at_limit[i]), NULL, &doc, &test_err), SEGUE_NOT_FOUND);
    assert_ok(segue_get(from, K(past_limit[i]), NULL, &doc, &test_err));
    if (i == BODY) assert_int_equal(doc.rec.body.size, SEGUE_BODY_MAX + 1);
    if (i == N_XATTRS) assert_int_equal(doc.rec.n_xattrs, SEGUE_XATTRS_MAX + 1);
    assert_int_equal(doc.rec.revision, 1);
    assert_status(segue_get_record(to, K(past_limit[i]), NULL, &doc, &test_err), SEGUE_NOT_FOUND);
}

static void check_sweep(const char *to_url)
{
    segue_store *from = fill_bucket(), *to = open_to(to_url);
    assert_status(run_migration(from, to), SEGUE_NOT_FINISHED);
    if (!strstr(test_err.message, "4 records fail") || !strstr(test_err.message, "\"past:"))
        fail_msg("it does not say what fails: %s", test_err.message);
    for (unsigned i = 0; i < N_LIMITS; i++) check_moved(from, to, (limit)i);
    for (unsigned i = 0; i < N_LIMITS; i++) assert_ok(segue_delete(from, K(past_limit[i]), NULL, &test_err));
    test_sql_run(BUCKET, "UPDATE documents SET xattrs=NULL WHERE key LIKE 'past:%'"); /* of tombstones they stay */
    assert_ok(run_migration(from, to));
    segue_close(from);
    segue_close(to);
}

static void a_sweep_inside_a_bucket_holds_back_what_is_too_big(void **state)
{
    (void)state;
    check_sweep("rosmar:{}/" BUCKET "?collection=new.to");
}

static void a_sweep_to_another_engine_holds_back_what_is_too_big(void **state)
{
    (void)state;
    check_sweep("sqlite:{}/to.db");
}

/* ---- keys ---- */

/* Events of a whole feed. */
static size_t count_events(segue_store *store)
{
    segue_feed *feed = NULL;
    segue_feed_event e;
    segue_feed_options o = {.flags = SEGUE_FEED_STOP_AT_END};
    segue_status st;
    size_t n = 0;
    assert_ok(segue_feed_open(&store, 1, &o, &feed, &test_err));
    while ((st = segue_feed_next(feed, 0, &e, &test_err)) == SEGUE_OK) n++;
    assert_status(st, SEGUE_END);
    segue_feed_close(feed);
    return n;
}

static void check_plan(segue_store *from, segue_store *to, const char *text, unsigned n)
{
    segue_policy *policy = NULL;
    segue_plan plan;
    assert_ok(segue_policy_parse(K(text), &policy, &test_err));
    segue_status st = segue_plan_make(from, to, policy, &plan, &test_err);
    if (st != SEGUE_OK) fail_msg("plan: %s: %s", segue_status_name(st), test_err.message);
    assert_int_equal(plan.all.live, n);
    for (size_t i = 0; i < plan.n_unmatched; i++) {
        assert_in_range(strlen(plan.unmatched[i].prefix), 0, SEGUE_KEY_MAX);
        assert_in_range(strlen(plan.unmatched[i].example), 0, SEGUE_KEY_MAX);
    }
    segue_plan_free(&plan);
    segue_policy_free(policy);
}

/* The original sets no bounds to keys: such a record is shown, counted and told of, and stays where it is. */
static void keys_that_are_none_stay_where_they_are(void **state)
{
    (void)state;
    SEG_AUTO(segue_doc) doc = {0};
    test_copy_here(BUCKET);
    segue_store *from = test_open_bucket(BUCKET, FROM, 0), *to = open_to("sqlite:{}/to.db");
    static const char *const keys[] = {"a", "long", "nul", "z"};
    for (unsigned i = 0; i < 4; i++)
        assert_ok(segue_set(from, K(keys[i]), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    test_sql_run(BUCKET, "UPDATE documents SET key=printf('%.*c', 300, 'k') WHERE key='long'");
    test_sql_run(BUCKET, "UPDATE documents SET key='n'||char(0)||'l' WHERE key='nul'");
    assert_int_equal(count_events(from), 4);
    check_plan(from, to, "{\"unmatched\":\"leave\",\"rules\":[{\"key\":\"a\",\"action\":\"move\"}]}", 4);
    check_plan(from, to, "{\"unmatched\":\"stop\",\"rules\":[]}", 4);
    check_plan(from, to, "{\"unmatched\":\"move\",\"rules\":[]}", 4);
    assert_status(run_migration(from, to), SEGUE_NOT_FINISHED);
    assert_non_null(strstr(test_err.message, "2 records fail"));
    assert_int_equal(count_events(from), 2);
    assert_ok(segue_get(to, K("a"), NULL, &doc, &test_err));
    assert_ok(segue_get(to, K("z"), NULL, &doc, &test_err));
    test_sql_run(BUCKET, "DELETE FROM documents WHERE key LIKE 'k%' OR key LIKE 'n%'");
    assert_ok(run_migration(from, to));
    segue_close(from);
    segue_close(to);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        FRESH(a_sweep_inside_a_bucket_holds_back_what_is_too_big),
        FRESH(a_sweep_to_another_engine_holds_back_what_is_too_big),
        FRESH(keys_that_are_none_stay_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
