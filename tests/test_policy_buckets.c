/* The policy sync-gateway at its edges: ids, groups and collections that are as long as may be, registries of all shapes, which
 * of both stores' registry counts, and memory. The families themselves: test_policy.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <segue/migrate.h>
#include <segue/ops.h>

#include "json_memory.h"
#include "migrate/policy.h"
#include "store/filters.h"
#include "support/bucket.h"
#include "support/file.h"
#include "support/memory.h"

#define K(text) segue_str(text)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static segue_rule rule_of(const segue_policy *policy, const char *key)
{
    return segue_policy_rule(policy, segue_policy_classify(policy, K(key)));
}

static void assert_takes(const segue_policy *policy, const char *key, segue_action action, const char *name)
{
    segue_rule rule = rule_of(policy, key);
    if (rule.action != action || strcmp(rule.name, name) != 0)
        fail_msg("%s: %s (%s), expected %s (%s)", key, segue_action_name(rule.action), rule.name,
                 segue_action_name(action), name);
}

/* ---- one database ---- */

static segue_policy *made(const segue_sg_database *db)
{
    segue_policy *policy = NULL;
    assert_ok(segue_policy_sync_gateway(db, &policy, &test_err));
    return policy;
}

static void assert_refused(const segue_sg_database *db, const char *words)
{
    segue_policy *policy = NULL;
    segue_status st = segue_policy_sync_gateway(db, &policy, &test_err);
    if (st != SEGUE_INVALID_POLICY || test_err.status != st) fail_msg("%s: %s", words, segue_status_name(st));
    assert_says(words);
    assert_null(policy);
}

static const char *letters(char *out, size_t n)
{
    memset(out, 'x', n);
    out[n] = '\0';
    return out;
}

static void an_id_has_at_most_half_of_a_key(void **state)
{
    (void)state;
    char id[SEGUE_KEY_MAX], key[2 * SEGUE_KEY_MAX];
    const char *ids[] = {letters(id, SEGUE_KEY_MAX / 2)};
    segue_sg_database db = {.metadata_id = id}, sibling = {.sibling_ids = ids, .n_sibling_ids = 1};
    segue_policy *policy = made(&db);
    (void)snprintf(key, sizeof key, "_sync:user:%s:a", id); /* fits */
    assert_takes(policy, key, SEGUE_ACTION_MOVE, "user");
    assert_string_equal(rule_of(policy, key).database, id);
    (void)snprintf(key, sizeof key, "_sync:m_%s:background_process:heartbeat:x", id); /* fits */
    assert_takes(policy, key, SEGUE_ACTION_MOVE, "background_process");
    segue_policy_free(policy);
    policy = made(&sibling);
    (void)snprintf(key, sizeof key, "_sync:user:%s:a", id); /* fits */
    assert_takes(policy, key, SEGUE_ACTION_LEAVE, "another database");
    segue_policy_free(policy);
    letters(id, SEGUE_KEY_MAX / 2 + 1);
    assert_refused(&db, "cannot be a metadata id");
    assert_refused(&sibling, "cannot be a metadata id");
    assert_says("sync-gateway: \"xxxx");
}

static void what_no_key_has_room_for_is_refused(void **state)
{
    (void)state;
    char group[2 * SEGUE_KEY_MAX], collection[1100];
    segue_sg_database db = {.group = letters(group, SEGUE_KEY_MAX - 15)}; /* _sync:syncdata:GROUP */
    segue_policy *policy = NULL;
    assert_refused(&db, "no key can match a prefix of"); /* and ...heartbeat_timeout: has no room */
    letters(group, SEGUE_KEY_MAX - 6 - 1 - 18);
    policy = made(&db);
    segue_policy_free(policy);
    letters(group, SEGUE_KEY_MAX);
    assert_refused(&db, "no key can match a key of");
    const char *collections[] = {collection};
    db = (segue_sg_database){.collections = collections, .n_collections = 1};
    for (size_t size = 980; size < 1020; size++) { /* around the room for a pattern in the making */
        letters(collection, size);
        collection[1] = '.';
        assert_refused(&db, size + 26 < 1024 ? "no key can match a key of" : "an id, group or collection is too long");
    }
    letters(collection, SEGUE_KEY_MAX - 26);
    collection[1] = '.';
    policy = made(&db);
    segue_policy_free(policy);
}

static void collections_are_named_with_their_scope(void **state)
{
    (void)state;
    static const char *const wrong[] = {"app", ".", "app.", ".products", "a.b.c", "a.b:c", "a:b.c", ":.c", ""};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char words[96];
        segue_sg_database db = {.collections = &wrong[i], .n_collections = 1};
        (void)snprintf(words, sizeof words, "sync-gateway: \"%s\" is no collection; write scope.collection",
                       wrong[i]); /* fits */
        assert_refused(&db, words);
    }
}

/* A key that ends where a sibling's id does is no sibling's. */
static void a_siblings_key_goes_on_behind_its_id(void **state)
{
    (void)state;
    static const char *const siblings[] = {"mall", "shop"};
    segue_sg_database db = {.sibling_ids = siblings, .n_sibling_ids = 2};
    segue_policy *policy = made(&db);
    segue_slice whole = K("_sync:user:shop:bob");
    for (size_t size = 11; size <= whole.size; size++) {
        segue_rule rule = segue_policy_rule(policy, segue_policy_classify(policy, segue_bytes(whole.data, size)));
        bool is_siblings = size > 15;
        if (rule.action != (is_siblings ? SEGUE_ACTION_LEAVE : SEGUE_ACTION_MOVE))
            fail_msg("%.*s: %s", (int)size, whole.data, rule.name);
    }
    segue_policy_free(policy);
}

static void a_sweep_reads_metadata_only(void **state)
{
    (void)state;
    segue_sg_database db = {.metadata_id = "shop"};
    segue_policy *policy = made(&db);
    segue_bounds b = seg_policy_bounds(policy);
    assert_true(segue_slice_equal(b.from, K("_sync:")) && segue_slice_equal(b.to, K("_sync;")));
    assert_true(policy->tombstones_yield);
    assert_false(policy->has_last || policy->can_stop);
    segue_policy_free(policy);
}

/* ---- the bucket's registry ---- */

static segue_store *store_with(const char *body)
{
    segue_store *store = NULL;
    segue_open_options options = {NULL, SEGUE_OPEN_NO_REAPER};
    assert_ok(segue_open("mem:", &options, &store, &test_err));
    if (body) assert_ok(segue_set(store, K("_sync:registry"), K(body), segue_expiry_none(), NULL, NULL, &test_err));
    return store;
}

static segue_status from_registry(const char *body, segue_policy **policy)
{
    segue_store *store = store_with(body);
    test_err = (segue_error){0};
    segue_status st = segue_policy_sync_gateway_bucket(store, NULL, policy, &test_err);
    segue_close(store);
    return st;
}

#define GROUP(group, databases) "{\"config_groups\":{\"" group "\":{\"databases\":{" databases "}}}}"
#define ONE(database) GROUP("default", "\"main\":" database)

static void a_wrong_registry_is_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *body, *words;
    } rows[] = {
        {"nonsense", "_sync:registry is no JSON: "},
        {"[]", "_sync:registry: it has no config_groups"},
        {"{\"config_groups\":[]}", "_sync:registry: it has no config_groups"},
        {ONE("{}"), "_sync:registry: there is no metadata_id for database main"},
        {ONE("{\"metadata_id\":\"\"}"), "_sync:registry: there is no metadata_id for database main"},
        {ONE("{\"metadata_id\":7}"), "_sync:registry: there is no metadata_id for database main"},
        {ONE("{\"metadata_id\":\"\",\"version\":\"1-0\"}"),
         "_sync:registry: there is no metadata_id for database main"},
        {ONE("{\"metadata_id\":\"a:b\"}"), "sync-gateway: \"a:b\" cannot be a metadata id"},
        {ONE("{\"metadata_id\":\"a\",\"scopes\":{\"s\":{\"collections\":[7]}}}"),
         "_sync:registry: the collections cannot be understood of database main"},
        {ONE("{\"metadata_id\":\"a\",\"scopes\":{\"s\":{\"collections\":[\"x.y\"]}}}"),
         "sync-gateway: \"s.x.y\" is no collection; write scope.collection"},
        {ONE("{\"metadata_id\":\"a\",\"scopes\":{\"s\":{\"collections\":[\"\"]}}}"),
         "sync-gateway: \"s.\" is no collection; write scope.collection"},
        {ONE("{\"metadata_id\":\"a\",\"scopes\":{\"s:t\":{\"collections\":[\"c\"]}}}"),
         "sync-gateway: \"s:t.c\" is no collection; write scope.collection"},
        {GROUP("default", "\"a\":{\"metadata_id\":\"a\"},\"b\":{},\"c\":{\"metadata_id\":\"c:\"}"),
         "sync-gateway: \"c:\" cannot be a metadata id"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        segue_policy *policy = NULL;
        segue_status st = from_registry(rows[i].body, &policy);
        if (st != SEGUE_INVALID_POLICY || test_err.status != st)
            fail_msg("%s: %s, %s", rows[i].body, segue_status_name(st), test_err.message);
        size_t size = strlen(rows[i].words) + (i > 0); /* of what is no JSON the scanner says more */
        if (strncmp(test_err.message, rows[i].words, size) != 0)
            fail_msg("%s: \"%s\", expected \"%s\"", rows[i].body, test_err.message, rows[i].words);
        assert_null(policy);
    }
}

static void what_is_no_database_any_more_is_passed_over(void **state)
{
    (void)state;
    segue_policy *policy = NULL;
    assert_ok(from_registry(ONE("{\"version\":\"0-0\"}"), &policy));
    assert_takes(policy, "_sync:user:a", SEGUE_ACTION_LEAVE, "another database");
    assert_takes(policy, "_sync:registry", SEGUE_ACTION_MOVE, "registry");
    assert_null(rule_of(policy, "_sync:registry").database);
    segue_policy_free(policy);
    assert_ok(from_registry("{\"config_groups\":{\"g\":{},\"h\":7}}", &policy));
    segue_policy_free(policy);
}

/* As whoever writes registries reads them: of two members of one name the last. */
static void of_a_member_that_is_there_twice_the_last_counts(void **state)
{
    (void)state;
    segue_policy *policy = NULL;
    assert_ok(from_registry(ONE("{\"metadata_id\":\"a\",\"metadata_id\":\"b\"}"), &policy));
    assert_takes(policy, "_sync:user:b:x", SEGUE_ACTION_MOVE, "user");
    assert_takes(policy, "_sync:user:a:x", SEGUE_ACTION_LEAVE, "another database");
    assert_string_equal(rule_of(policy, "_sync:m_b:seq").database, "b");
    assert_null(rule_of(policy, "_sync:registry").database); /* the bucket's own */
    segue_policy_free(policy);
}

/* The one that was moved already counts, for the other may be what an interrupted run has left. */
static void the_registry_of_the_new_store_counts(void **state)
{
    (void)state;
    segue_store *old = store_with(ONE("{\"metadata_id\":\"old\"}")),
                *new = store_with(ONE("{\"metadata_id\":\"new\"}"));
    segue_store *empty = store_with(NULL), *fault = NULL;
    segue_policy *policy = NULL;
    assert_ok(segue_policy_sync_gateway_bucket(old, new, &policy, &test_err));
    assert_takes(policy, "_sync:user:new:x", SEGUE_ACTION_MOVE, "user");
    segue_policy_free(policy);
    assert_ok(segue_policy_sync_gateway_bucket(old, empty, &policy, &test_err));
    assert_takes(policy, "_sync:user:old:x", SEGUE_ACTION_MOVE, "user");
    segue_policy_free(policy);
    policy = NULL;
    assert_status(segue_policy_sync_gateway_bucket(empty, empty, &policy, &test_err), SEGUE_NOT_FOUND);
    assert_int_equal(test_err.status, SEGUE_NOT_FOUND);
    assert_says("mem:: there is no _sync:registry; name the database: its metadata id, siblings, collections");
    assert_ok(seg_fault_open(new, &fault, &test_err));
    seg_fault_plan fails = {.nth = 1, .status = SEGUE_IO_ERROR};
    seg_fault_set(fault, &fails);
    assert_status(segue_policy_sync_gateway_bucket(old, fault, &policy, &test_err), SEGUE_IO_ERROR);
    assert_int_equal(test_err.status, SEGUE_IO_ERROR);
    assert_null(policy);
    segue_close(fault);
    segue_close(empty);
    segue_close(new);
    segue_close(old);
}

/* A database whose scope "s" has n collections, each name of `size` letters but the last, which has `last`. */
static char *registry_of(size_t n, size_t size, size_t last)
{
    char *text = malloc(n * (size + 3) + last + 200), name[256];
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "{\"config_groups\":{\"default\":{\"databases\":{\"main\":{\"metadata_id\":\"a\","
                                      "\"scopes\":{\"s\":{\"collections\":[");
    for (size_t i = 0; i < n; i++)
        at += (size_t)sprintf(text + at, "%s\"%s\"", i ? "," : "", letters(name, i + 1 < n ? size : last));
    (void)sprintf(text + at, "]}}}}}}}"); /* fits */
    return text;
}

static segue_status from_many(size_t n, size_t size, size_t last)
{
    segue_policy *policy = NULL;
    char *text = registry_of(n, size, last);
    segue_status st = from_registry(text, &policy);
    free(text);
    segue_policy_free(policy);
    return st;
}

/* 64 KiB for their names, each "s.NAME" with a zero behind it. */
static void a_database_has_a_bounded_number_of_collections(void **state)
{
    (void)state;
    assert_status(from_many(4096, 1, 1), SEGUE_OK);
    assert_status(from_many(4097, 1, 1), SEGUE_INVALID_POLICY);
    assert_says("_sync:registry: the collections cannot be understood of database main");
    size_t each = 2 + 97 + 1, n = (size_t)64 * 1024 / each, rest = (size_t)64 * 1024 - n * each;
    assert_in_range(rest, 10, 90);
    assert_status(from_many(n + 1, 97, rest - 3), SEGUE_OK);
    assert_status(from_many(n + 1, 97, rest - 2), SEGUE_INVALID_POLICY);
    assert_says("_sync:registry: the collections cannot be understood of database main");
    assert_status(from_many(n + 1, 97, rest - 1), SEGUE_INVALID_POLICY);
    assert_status(from_many(n + 1, 97, 97), SEGUE_INVALID_POLICY);
}

/* ---- without memory ---- */

static segue_status make_once(void *ctx)
{
    static const char *const siblings[] = {"mall", "shop"};
    segue_policy *policy = NULL;
    segue_sg_database db = {.sibling_ids = siblings, .n_sibling_ids = 2, .group = "g"};
    test_err = (segue_error){0};
    segue_status st = segue_policy_sync_gateway(&db, &policy, &test_err);
    if (st != SEGUE_OK) return policy || test_err.status != st || !test_err.message[0] ? SEGUE_CORRUPT : st;
    if (strcmp(policy->digest, ctx) != 0 || strcmp(rule_of(policy, "_sync:user:a").database, "_default") != 0)
        st = SEGUE_CORRUPT;
    segue_policy_free(policy);
    return st;
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    static const char *const siblings[] = {"mall", "shop"};
    segue_sg_database db = {.sibling_ids = siblings, .n_sibling_ids = 2, .group = "g"};
    char digest[SEGUE_POLICY_DIGEST_SIZE];
    segue_policy *policy = made(&db);
    segue_policy_digest(policy, digest);
    segue_policy_free(policy);
    test_fail_every_allocation(make_once, digest);
}

/* The registry is read into memory, too; the store has its own. */
static void without_memory_for_a_registry_it_says_so(void **state)
{
    (void)state;
    segue_store *store = store_with(GROUP("g",
                                          "\"main\":{\"metadata_id\":\"_default\"},\"s\":{\"metadata_id\":\"shop\","
                                          "\"scopes\":{\"app\":{\"collections\":[\"x\",\"y\"]}}}"));
    bool fired = true;
    char digest[SEGUE_POLICY_DIGEST_SIZE] = "", again[SEGUE_POLICY_DIGEST_SIZE];
    for (long nth = 0; fired || nth == 1; nth++) { /* 0: none fails */
        segue_policy *policy = NULL;
        json_memory_begin();
        test_memory_begin();
        test_fault_arm(&test_memory, nth, false);
        test_err = (segue_error){0};
        segue_status st = segue_policy_sync_gateway_bucket(store, NULL, &policy, &test_err);
        fired = atomic_load(&test_memory.fired) > 0;
        test_fault_heal(&test_memory);
        if (st == SEGUE_OK) segue_policy_digest(policy, nth ? again : digest);
        if (fired ? st != SEGUE_NO_MEMORY || test_err.status != st || !test_err.message[0] || policy : st != SEGUE_OK)
            fail_msg("number %ld: %s: %s", nth, segue_status_name(st), test_err.message);
        segue_policy_free(policy);
        test_memory_end();
        assert_int_equal(json_memory_end(), 0);
    }
    assert_string_equal(again, digest);
    segue_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_at_most_half_of_a_key),
        cmocka_unit_test(what_no_key_has_room_for_is_refused),
        cmocka_unit_test(collections_are_named_with_their_scope),
        cmocka_unit_test(a_siblings_key_goes_on_behind_its_id),
        cmocka_unit_test(a_sweep_reads_metadata_only),
        cmocka_unit_test(a_wrong_registry_is_refused_in_words),
        cmocka_unit_test(what_is_no_database_any_more_is_passed_over),
        cmocka_unit_test(of_a_member_that_is_there_twice_the_last_counts),
        cmocka_unit_test(the_registry_of_the_new_store_counts),
        cmocka_unit_test(a_database_has_a_bounded_number_of_collections),
        cmocka_unit_test(without_memory_it_says_so),
        cmocka_unit_test(without_memory_for_a_registry_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
