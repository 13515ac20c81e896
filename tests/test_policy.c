/* Which rule takes a key: Sync Gateway's families row by row, for the default and for a namespaced database, with
 * siblings, groups and collections; rules from a file; and files that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/migrate.h>
#include <segue/ops.h>

#include "base/base.h"
#include "migrate/policy.h"
#include "support/bucket.h"

#define K(text) segue_str(text)
#define UUID "006a9061-41f0-49f7-a6bc-74c22cb5fb92"

typedef struct expectation {
    const char *key;
    segue_action action;
    const char *name;
} expectation;

#define MOVE SEGUE_ACTION_MOVE
#define LEAVE SEGUE_ACTION_LEAVE
#define DROP SEGUE_ACTION_DROP
#define COUNTER SEGUE_ACTION_COUNTER

static void check_all(const segue_policy *policy, const expectation *rows, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        segue_rule rule = segue_policy_rule(policy, segue_policy_classify(policy, K(rows[i].key)));
        if (rule.action != rows[i].action || strcmp(rule.name, rows[i].name) != 0)
            fail_msg("%s: %s: %s (%s), expected %s (%s)", what, rows[i].key, segue_action_name(rule.action), rule.name,
                     segue_action_name(rows[i].action), rows[i].name);
    }
}
#define CHECK_ALL(policy, rows, what) check_all(policy, rows, sizeof(rows) / sizeof(rows)[0], what)

/* ---- Sync Gateway, the default database ---- */

static const expectation default_rows[] = {
    {"_sync:syncdata", MOVE, "syncdata"},
    {"_sync:syncdata:other", LEAVE, "other syncdata"},
    {"_sync:syncdata_collection:app.products", LEAVE, "other syncdata"},
    {"_sync:user:", MOVE, "user"},
    {"_sync:user:alice", MOVE, "user"},
    {"_sync:user:a:b", MOVE, "user"},
    {"_sync:user:shopkeeper", MOVE, "user"},
    {"_sync:user:shop:bob", LEAVE, "another database"},
    {"_sync:user:mall:bob", LEAVE, "another database"},
    {"_sync:role:admin", MOVE, "role"},
    {"_sync:role:shop:admin", LEAVE, "another database"},
    {"_sync:useremail:a@b", MOVE, "useremail"},
    {"_sync:useremail:shop:a@b", LEAVE, "another database"},
    {"_sync:session:1", MOVE, "session"},
    {"_sync:session:shop:1", LEAVE, "another database"},
    {"_sync:dcp_ck:", MOVE, "dcp_ck"},
    {"_sync:dcp_ck::sg:resync:1", MOVE, "dcp_ck"},
    {"_sync:dcp_ck:12", MOVE, "dcp_ck"},
    {"_sync:dcp_ck:shop::sg:resync:1", LEAVE, "another database"},
    {"_sync:state", MOVE, "state"},
    {"_sync:state2", LEAVE, "unmatched"},
    {"_sync:sgrStatus:sgr2cp:pull:repl0", MOVE, "sgrStatus"},
    {"_sync:cfgcbgt-node", MOVE, "cfg"},
    {"_sync:cfg", MOVE, "cfg"},
    {"_sync:background_process:heartbeat:resync", MOVE, "background_process"},
    {"_sync:background_process:status:resync", MOVE, "background_process"},
    {"_sync:background_process:other", LEAVE, "unmatched"},
    {"_sync:resync_hb:" UUID, MOVE, "resync_hb"},
    {"_sync:resync_cfg:" UUID, MOVE, "resync_cfg"},
    {"_sync:unusedSeq:77", MOVE, "unusedSeq"},
    {"_sync:unusedSeqs:1:2", MOVE, "unusedSeq"},
    {"_sync:heartbeat_timeout:" UUID, DROP, "heartbeat"},
    {"_sync:g2:heartbeat_timeout:" UUID, LEAVE, "another database"},
    {"_sync:seq", COUNTER, "seq"},
    {"_sync:seq2", LEAVE, "unmatched"},
    {"_sync:registry", LEAVE, "registry"},
    {"_sync:registry2", LEAVE, "unmatched"},
    {"_sync:dbconfig:main:default", LEAVE, "dbconfig"},
    {"_sync:syncInfo", LEAVE, "syncInfo"},
    {"_sync:metadata_migration_status", LEAVE, "migration status"},
    {"_sync:att:sha1-x", LEAVE, "att"},
    {"_sync:att2:x:sha1-y", LEAVE, "att2"},
    {"_sync:rev:doc:34:1-abc", LEAVE, "rev"},
    {"_sync:rb:x", LEAVE, "rb"},
    {"_sync:local:x", LEAVE, "local"},
    {"_sync:m_shop:seq", LEAVE, "another database"},
    {"_sync:m_shop:state", LEAVE, "another database"},
    {"_sync:m_shop:hb:heartbeat_timeout:" UUID, LEAVE, "another database"},
    {"_sync:newfeature:0", LEAVE, "unmatched"},
    {"_sync:", LEAVE, "unmatched"},
    {"_sync", LEAVE, "not metadata"},
    {"plain", LEAVE, "not metadata"},
    {"\xff", LEAVE, "not metadata"},
};

static void every_family_of_the_default_database(void **state)
{
    (void)state;
    static const char *const siblings[] = {"shop", "mall"};
    segue_policy *policy = NULL;
    segue_sg_database db = {.sibling_ids = siblings, .n_sibling_ids = 2};
    assert_ok(segue_policy_sync_gateway(&db, &policy, &test_err));
    CHECK_ALL(policy, default_rows, "no id");
    segue_policy_free(policy);
    db.metadata_id = "_default";
    db.group = "default";
    assert_ok(segue_policy_sync_gateway(&db, &policy, &test_err));
    CHECK_ALL(policy, default_rows, "_default");
    segue_policy_free(policy);
}

/* ---- a namespaced database ---- */

static const expectation shop_rows[] = {
    {"_sync:syncdata_collection:app.products", MOVE, "syncdata_collection"},
    {"_sync:syncdata_collection:app.orders", MOVE, "syncdata_collection"},
    {"_sync:syncdata_collection:app.others", LEAVE, "other syncdata"},
    {"_sync:syncdata_collection:app.products:g", LEAVE, "other syncdata"},
    {"_sync:syncdata", LEAVE, "other syncdata"},
    {"_sync:user:shop:", MOVE, "user"},
    {"_sync:user:shop:bob", MOVE, "user"},
    {"_sync:user:shop", LEAVE, "another database"},
    {"_sync:user:bob", LEAVE, "another database"},
    {"_sync:user:shopping:bob", LEAVE, "another database"},
    {"_sync:role:shop:admin", MOVE, "role"},
    {"_sync:useremail:shop:a@b", MOVE, "useremail"},
    {"_sync:session:shop:1", MOVE, "session"},
    {"_sync:dcp_ck:shop::sg:x", MOVE, "dcp_ck"},
    {"_sync:dcp_ck:", LEAVE, "another database"},
    {"_sync:m_shop:state", MOVE, "state"},
    {"_sync:m_shop:state2", LEAVE, "another database"},
    {"_sync:state", LEAVE, "another database"},
    {"_sync:m_shop:sgrStatus:x", MOVE, "sgrStatus"},
    {"_sync:m_shop:cfgcbgt-node", MOVE, "cfg"},
    {"_sync:m_shop:background_process:heartbeat:resync", MOVE, "background_process"},
    {"_sync:m_shop:background_process:status:resync", MOVE, "background_process"},
    {"_sync:m_shop:resync_hb:" UUID, MOVE, "resync_hb"},
    {"_sync:m_shop:resync_cfg:" UUID, MOVE, "resync_cfg"},
    {"_sync:m_shop:unusedSeq:1", MOVE, "unusedSeq"},
    {"_sync:m_shop:unusedSeqs:1:2", MOVE, "unusedSeq"},
    {"_sync:m_shop:hb:heartbeat_timeout:" UUID, DROP, "heartbeat"},
    {"_sync:m_shop:hb:g:heartbeat_timeout:" UUID, LEAVE, "another database"},
    {"_sync:heartbeat_timeout:" UUID, LEAVE, "another database"},
    {"_sync:m_shop:seq", COUNTER, "seq"},
    {"_sync:m_shop:newfeature", LEAVE, "another database"},
    {"_sync:m_mall:seq", LEAVE, "another database"},
    {"_sync:seq", LEAVE, "another database"},
    {"_sync:sgrStatus:x", LEAVE, "another database"},
    {"_sync:cfgcbgt-node", LEAVE, "another database"},
    {"_sync:background_process:status:resync", LEAVE, "another database"},
    {"_sync:resync_hb:" UUID, LEAVE, "another database"},
    {"_sync:resync_cfg:" UUID, LEAVE, "another database"},
    {"_sync:unusedSeq:1", LEAVE, "another database"},
    {"_sync:registry", LEAVE, "registry"},
    {"_sync:dbconfig:shop:default", LEAVE, "dbconfig"},
    {"_sync:att:x", LEAVE, "att"},
    {"_sync:zzz", LEAVE, "unmatched"},
};

static void every_family_of_a_namespaced_database(void **state)
{
    (void)state;
    static const char *const siblings[] = {"_default", "mall"}, *const collections[] = {"app.products", "app.orders"};
    segue_policy *policy = NULL;
    segue_sg_database db = {.metadata_id = "shop",
                            .sibling_ids = siblings,
                            .n_sibling_ids = 2,
                            .collections = collections,
                            .n_collections = 2};
    assert_ok(segue_policy_sync_gateway(&db, &policy, &test_err));
    CHECK_ALL(policy, shop_rows, "shop");
    segue_policy_free(policy);
}

static void a_config_group_is_part_of_the_keys(void **state)
{
    (void)state;
    static const char *const collections[] = {"_default._default", "app.products"};
    static const expectation rows[] = {
        {"_sync:syncdata:g1", MOVE, "syncdata"},
        {"_sync:syncdata", LEAVE, "other syncdata"},
        {"_sync:syncdata_collection:app.products:g1", MOVE, "syncdata_collection"},
        {"_sync:syncdata_collection:app.products", LEAVE, "other syncdata"},
        {"_sync:g1:heartbeat_timeout:" UUID, DROP, "heartbeat"},
        {"_sync:heartbeat_timeout:" UUID, LEAVE, "another database"},
        {"_sync:user:x", MOVE, "user"},
    };
    static const expectation named_rows[] = {
        {"_sync:m_shop:hb:g1:heartbeat_timeout:" UUID, DROP, "heartbeat"},
        {"_sync:m_shop:hb:heartbeat_timeout:" UUID, LEAVE, "another database"},
    };
    segue_policy *policy = NULL;
    segue_sg_database db = {.group = "g1", .collections = collections, .n_collections = 2};
    assert_ok(segue_policy_sync_gateway(&db, &policy, &test_err));
    CHECK_ALL(policy, rows, "group g1");
    segue_policy_free(policy);
    db.metadata_id = "shop";
    assert_ok(segue_policy_sync_gateway(&db, &policy, &test_err));
    CHECK_ALL(policy, named_rows, "shop, group g1");
    segue_policy_free(policy);
}

static void a_database_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"app", ".", "app.", ".products", "a.b.c", ""};
    static const char *const wrong_ids[] = {"", "a:b"};
    segue_policy *policy = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        segue_sg_database db = {.collections = &wrong[i], .n_collections = 1};
        assert_status(segue_policy_sync_gateway(&db, &policy, &test_err), SEGUE_INVALID_POLICY);
    }
    for (size_t i = 0; i < sizeof wrong_ids / sizeof wrong_ids[0]; i++) {
        segue_sg_database db = {.metadata_id = wrong_ids[i]};
        assert_status(segue_policy_sync_gateway(&db, &policy, &test_err), SEGUE_INVALID_POLICY);
        db = (segue_sg_database){.sibling_ids = &wrong_ids[i], .n_sibling_ids = 1};
        assert_status(segue_policy_sync_gateway(&db, &policy, &test_err), SEGUE_INVALID_POLICY);
    }
    assert_null(policy);
}

/* ---- the whole bucket ---- */

static segue_status from_registry(const char *body, segue_policy **policy)
{
    segue_store *store = NULL;
    assert_ok(segue_open("mem:", NULL, &store, &test_err));
    if (body) assert_ok(segue_set(store, K("_sync:registry"), K(body), segue_expiry_none(), NULL, NULL, &test_err));
    segue_status st = segue_policy_sync_gateway_bucket(store, NULL, policy, &test_err);
    segue_close(store);
    return st;
}

static void the_registry_names_databases_groups_and_collections(void **state)
{
    (void)state;
    static const char registry[] =
        "{\"config_groups\":{\"default\":{\"databases\":{"
        "\"main\":{\"metadata_id\":\"_default\",\"scopes\":{\"_default\":{\"collections\":[\"_default\"]}}},"
        "\"gone\":{\"version\":\"0-0\",\"metadata_id\":\"\"}}},"
        "\"g2\":{\"databases\":{\"shop\":{\"metadata_id\":\"shop\",\"scopes\":{\"app\":{\"collections\":[\"x\",\"y\"]}}}}}}}";
    static const expectation rows[] = {
        {"_sync:user:alice", MOVE, "user"},
        {"_sync:user:shop:bob", MOVE, "user"},
        {"_sync:syncdata", MOVE, "syncdata"},
        {"_sync:syncdata_collection:app.x:g2", MOVE, "syncdata_collection"},
        {"_sync:syncdata_collection:app.x", LEAVE, "other syncdata"},
        {"_sync:m_shop:seq", COUNTER, "seq"},
        {"_sync:seq", COUNTER, "seq"},
        {"_sync:m_shop:hb:g2:heartbeat_timeout:" UUID, DROP, "heartbeat"},
        {"_sync:m_elsewhere:seq", LEAVE, "another database"},
        {"_sync:registry", MOVE, "registry"},
        {"_sync:dbconfig:main:default", MOVE, "dbconfig"},
        {"_sync:syncInfo", LEAVE, "syncInfo"},
        {"_sync:zzz", LEAVE, "unmatched"},
    };
    segue_policy *policy = NULL;
    assert_ok(from_registry(registry, &policy));
    CHECK_ALL(policy, rows, "bucket");
    segue_rule user = segue_policy_rule(policy, segue_policy_classify(policy, K("_sync:user:shop:bob")));
    assert_string_equal(user.database, "shop");
    user = segue_policy_rule(policy, segue_policy_classify(policy, K("_sync:user:alice")));
    assert_string_equal(user.database, "_default");
    assert_true(segue_policy_rule(policy, segue_policy_classify(policy, K("_sync:registry"))).last);
    assert_false(user.last);
    segue_policy_free(policy);
}

static void a_registry_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "[]",
        "1",
        "{}",
        "{\"config_groups\":[]}",
        "nonsense",
        "{\"config_groups\":{\"default\":{\"databases\":{\"main\":{\"version\":\"1-a\"}}}}}",
        "{\"config_groups\":{\"default\":{\"databases\":{\"main\":{\"metadata_id\":\"a:b\"}}}}}",
        ("{\"config_groups\":{\"default\":{\"databases\":{\"main\":{\"metadata_id\":\"a\","
         "\"scopes\":{\"s\":{\"collections\":[1]}}}}}}}"),
    };
    segue_policy *policy = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        segue_status st = from_registry(wrong[i], &policy);
        if (st != SEGUE_INVALID_POLICY) fail_msg("%s: %s", wrong[i], segue_status_name(st));
    }
    assert_status(from_registry(NULL, &policy), SEGUE_NOT_FOUND);
    assert_null(policy);
}

/* ---- rules from a file ---- */

static void the_first_rule_that_matches_wins(void **state)
{
    (void)state;
    static const char text[] = "/* a policy */ {\n"
                               "  \"unmatched\": \"move\", // the rest\n"
                               "  \"rules\": [\n"
                               "    {\"key\": \"a//b\", \"action\": \"counter\", \"name\": \"slashes\"},\n"
                               "    {\"prefix\": \"a\", \"action\": \"leave\"},\n"
                               "    {\"glob\": \"*:tmp:?\", \"action\": \"drop\", \"name\": \"tmp\"},\n"
                               "    {\"glob\": \"lit\\\\*eral\", \"action\": \"stop\"},\n"
                               "    {\"prefix\": \"z\", \"action\": \"move\", \"last\": true}\n"
                               "  ]\n}\n/* the end */";
    static const expectation rows[] = {
        {"a//b", COUNTER, "slashes"},
        {"a//bc", LEAVE, "a"},
        {"a", LEAVE, "a"},
        {"a:tmp:1", LEAVE, "a"},
        {"b:tmp:1", DROP, "tmp"},
        {":tmp:1", DROP, "tmp"},
        {"b:tmp:", MOVE, "unmatched"},
        {"b:tmp:12", MOVE, "unmatched"},
        {"b:tmp:x:tmp:1", DROP, "tmp"},
        {"lit*eral", SEGUE_ACTION_STOP, "lit\\*eral"},
        {"litXeral", MOVE, "unmatched"},
        {"z", MOVE, "z"},
        {"y", MOVE, "unmatched"},
    };
    segue_policy *policy = NULL;
    assert_ok(segue_policy_parse(K(text), &policy, &test_err));
    CHECK_ALL(policy, rows, "file");
    assert_int_equal(segue_policy_n_rules(policy), 6);
    assert_string_equal(segue_policy_rule(policy, 1).kind, "prefix");
    assert_string_equal(segue_policy_rule(policy, 5).kind, "unmatched");
    segue_policy_free(policy);
}

static void wrong_files_are_refused_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } wrong[] = {
        {"", "line"},
        {"[", "line 1"},
        {"{\n\"rules\":[}", "line 2"},
        {"[]", "object"},
        {"{}", "rules"},
        {"{\"rules\":{}}", "rules"},
        {"{\"rules\":[],\"extra\":1}", "extra"},
        {"{\"rules\":[],\"rules\":[]}", "line 1"},
        {"{\"rules\":[],\"unmatched\":\"drop\"}", "drop"},
        {"{\"rules\":[],\"unmatched\":\"counter\"}", "counter"},
        {"{\"rules\":[],\"unmatched\":\"nothing\"}", "nothing"},
        {"{\"rules\":[],\"unmatched\":1}", "unmatched"},
        {"{\"rules\":[1]}", "rule 1"},
        {"{\"rules\":[{\"prefix\":\"a\"}]}", "no action"},
        {"{\"rules\":[{\"action\":\"move\"}]}", "no pattern"},
        {"{\"rules\":[{\"prefix\":\"a\",\"action\":\"move\"},{\"prefix\":\"b\",\"key\":\"c\",\"action\":\"move\"}]}",
         "rule 2"},
        {"{\"rules\":[{\"prefix\":\"a\",\"action\":\"mve\"}]}", "mve"},
        {"{\"rules\":[{\"prefix\":1,\"action\":\"move\"}]}", "prefix"},
        {"{\"rules\":[{\"prefix\":\"a\",\"action\":\"move\",\"nme\":\"x\"}]}", "nme"},
        {"{\"rules\":[{\"key\":\"\",\"action\":\"move\"}]}", "0 bytes"},
        {"{\"rules\":[{\"prefix\":\"_segue:x\",\"action\":\"move\"}]}", "Segue's own"},
        {"{\"rules\":[{\"key\":\"a\",\"action\":\"drop\",\"last\":true}]}", "last"},
        {"{\"rules\":[{\"key\":\"a\",\"action\":\"move\",\"last\":1}]}", "last"},
        {"{\"rules\":[{\"key\":\"a\\u0000b\",\"action\":\"move\"}]}", ""},
        {"{\"rules\":[]} more", "line 1"},
        {"{\"rules\":[]} /* open", "not closed"},
        {"{\"rules\":[{\"key\":\"\xff\",\"action\":\"move\"}]}", "line 1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        segue_policy *policy = NULL;
        segue_status st = segue_policy_parse(K(wrong[i].text), &policy, &test_err);
        if (st != SEGUE_INVALID_POLICY || !strstr(test_err.message, wrong[i].word))
            fail_msg("%s: %s: %s", wrong[i].text, segue_status_name(st), test_err.message);
    }
}

static void globs_match_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *key;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"*", "", true},
        {"*", "abc", true},
        {"?", "", false},
        {"?", "a", true},
        {"a*", "a", true},
        {"a*c", "abbc", true},
        {"a*c", "abcb", false},
        {"*a*", "bab", true},
        {"*ab", "aab", true},
        {"**", "x", true},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"\\?", "?", true},
        {"\\?", "x", false},
        {"a\\", "a\\", true},
        {"*a*b*c", "xaxbxc", true},
        {"*a*b*c", "xaxcxb", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (seg_glob_matches(K(rows[i].pattern), K(rows[i].key)) != rows[i].matches)
            fail_msg("%s and %s", rows[i].pattern, rows[i].key);
}

/* ---- what a policy knows of itself ---- */

static void assert_range(const char *text, const char *from, const char *to)
{
    segue_policy *policy = NULL;
    assert_ok(segue_policy_parse(K(text), &policy, &test_err));
    segue_bounds b = seg_policy_bounds(policy);
    if ((b.from.data ? !segue_slice_equal(b.from, K(from)) : *from) ||
        (b.to.data ? !segue_slice_equal(b.to, K(to)) : *to))
        fail_msg("%s: from %.*s to %.*s", text, (int)b.from.size, b.from.data ? b.from.data : "", (int)b.to.size,
                 b.to.data ? b.to.data : "");
    segue_policy_free(policy);
}

static void a_sweep_reads_only_what_a_rule_can_take(void **state)
{
    (void)state;
    assert_range("{\"rules\":[{\"prefix\":\"ab\",\"action\":\"move\"},{\"glob\":\"ac*\",\"action\":\"drop\"}]}", "a",
                 "b");
    assert_range("{\"rules\":[{\"key\":\"abc\",\"action\":\"move\"},{\"prefix\":\"z\",\"action\":\"leave\"}]}", "abc",
                 "abd");
    assert_range("{\"rules\":[{\"key\":\"a\",\"action\":\"move\"}],\"unmatched\":\"move\"}", "", "");
    assert_range("{\"rules\":[{\"key\":\"a\",\"action\":\"move\"},{\"key\":\"b\",\"action\":\"stop\"}]}", "", "");
}

static void the_digest_changes_with_the_rules(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"rules\":[{\"prefix\":\"a\",\"action\":\"move\"}]}",
        "{\"rules\":[{\"prefix\":\"a\",\"action\":\"drop\"}]}",
        "{\"rules\":[{\"key\":\"a\",\"action\":\"move\"}]}",
        "{\"rules\":[{\"prefix\":\"b\",\"action\":\"move\"}]}",
        "{\"rules\":[{\"prefix\":\"a\",\"action\":\"move\",\"last\":true}]}",
        "{\"rules\":[{\"prefix\":\"a\",\"action\":\"move\"}],\"unmatched\":\"stop\"}",
        "// another comment\n{\"rules\":[{\"prefix\":\"a\", \"action\":\"move\"}]}",
    };
    enum { N = sizeof texts / sizeof texts[0] };
    char digests[N][SEGUE_POLICY_DIGEST_SIZE];
    for (size_t i = 0; i < N; i++) {
        segue_policy *policy = NULL;
        assert_ok(segue_policy_parse(K(texts[i]), &policy, &test_err));
        segue_policy_digest(policy, digests[i]);
        segue_policy_free(policy);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(strcmp(digests[i], digests[j]) == 0, i == N - 1 && j == 0); /* but for the comment */
    }
}

/* ---- plans ---- */

static void a_plan_counts_without_changing_anything(void **state)
{
    (void)state;
    segue_store *from = NULL, *to = NULL;
    segue_policy *policy = NULL;
    segue_plan plan;
    char key[64];
    assert_ok(segue_open("mem:", NULL, &from, &test_err));
    assert_ok(segue_open("mem:", NULL, &to, &test_err));
    assert_ok(segue_policy_parse(
        K("{\"rules\":[{\"prefix\":\"a:\",\"action\":\"move\"},{\"key\":\"no\",\"action\":\"stop\"}]}"), &policy,
        &test_err));
    for (int i = 0; i < 2500; i++) {
        (void)snprintf(key, sizeof key, "a:%d", i); /* fits */
        assert_ok(segue_add(from, K(key), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
        if (i % 5 == 0) assert_ok(segue_add(to, K(key), K("2"), segue_expiry_none(), NULL, NULL, &test_err));
        if (i >= 100) continue;
        (void)snprintf(key, sizeof key, "p%02d:x:%d", i, i); /* fits */
        assert_ok(segue_add(from, K(key), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    }
    assert_ok(segue_delete(from, K("a:7"), NULL, &test_err));
    assert_ok(segue_add(from, K("no"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(segue_plan_make(from, to, policy, &plan, &test_err));
    assert_int_equal(plan.by_rule[0].live, 2499);
    assert_int_equal(plan.by_rule[0].tombstones, 1);
    assert_int_equal(plan.by_action[SEGUE_ACTION_STOP].live, 1);
    assert_string_equal(plan.stop_key, "no");
    assert_int_equal(plan.already, 500);
    assert_int_equal(plan.all.live, 2600);
    /* More prefixes than there is room for: the last place counts the rest. */
    assert_int_equal(plan.n_unmatched, SEGUE_PLAN_PREFIXES_MAX);
    uint64_t unmatched = 0;
    for (size_t i = 0; i < plan.n_unmatched; i++) unmatched += plan.unmatched[i].tally.live;
    assert_int_equal(unmatched, 100);
    assert_string_equal(plan.unmatched[0].prefix, "p00:x:");
    assert_string_equal(plan.unmatched[0].example, "p00:x:0");
    assert_string_equal(plan.unmatched[SEGUE_PLAN_PREFIXES_MAX - 1].prefix, "");
    assert_int_equal(plan.unmatched[SEGUE_PLAN_PREFIXES_MAX - 1].tally.live, 100 - (SEGUE_PLAN_PREFIXES_MAX - 1));
    segue_plan_free(&plan);
    assert_status(segue_plan_make(from, from, policy, &plan, &test_err), SEGUE_INVALID_ARGUMENT);
    segue_policy_free(policy);
    segue_close(from);
    segue_close(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_of_the_default_database),
        cmocka_unit_test(every_family_of_a_namespaced_database),
        cmocka_unit_test(a_config_group_is_part_of_the_keys),
        cmocka_unit_test(a_database_that_cannot_be_is_refused),
        cmocka_unit_test(the_registry_names_databases_groups_and_collections),
        cmocka_unit_test(a_registry_that_is_none_is_refused),
        cmocka_unit_test(the_first_rule_that_matches_wins),
        cmocka_unit_test(wrong_files_are_refused_with_the_place),
        cmocka_unit_test(globs_match_bytes),
        cmocka_unit_test(a_sweep_reads_only_what_a_rule_can_take),
        cmocka_unit_test(the_digest_changes_with_the_rules),
        cmocka_unit_test(a_plan_counts_without_changing_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
