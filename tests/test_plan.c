/* Plans: what is counted where, at the edges of ranges, prefixes and pages; keys that only other programs write; and
 * failures of both stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/migrate.h>
#include <segue/ops.h>

#include "records.h"
#include "store/filters.h"
#include "support/bucket.h"
#include "support/file.h"
#include "support/memory.h"

static segue_store *from, *to, *fault_from, *fault_to;
static segue_policy *policy;

#define RULES(rules) "{\"rules\":[" rules "]}"
#define MOVE_A "{\"prefix\":\"a:\",\"action\":\"move\"}"

static void set_policy(const char *text)
{
    segue_policy_free(policy);
    policy = NULL;
    assert_ok(segue_policy_parse(K(text), &policy, &test_err));
}

static int begin(void **state)
{
    (void)state;
    segue_open_options options = {NULL, SEGUE_OPEN_NO_REAPER};
    assert_ok(segue_open("mem:", &options, &from, &test_err));
    assert_ok(segue_open("mem:", &options, &to, &test_err));
    assert_ok(seg_fault_open(from, &fault_from, &test_err));
    assert_ok(seg_fault_open(to, &fault_to, &test_err));
    set_policy(RULES(MOVE_A));
    return 0;
}

static int end(void **state)
{
    (void)state;
    segue_close(fault_from);
    segue_close(fault_to);
    segue_close(from);
    segue_close(to);
    segue_policy_free(policy);
    policy = NULL;
    return 0;
}

static void put(segue_store *store, const char *key)
{
    segue_record rec = {.key = K(key), .body = K("[1,2]"), .is_json = true, .cas = 1 << 20, .revision = 1};
    assert_ok(segue_put_record(store, &rec, SEGUE_PUT_REPLACE, NULL, NULL, &test_err));
}

static void put_tombstone(segue_store *store, const char *key)
{
    segue_record rec = {.key = K(key), .is_tombstone = true, .cas = 1 << 20, .revision = 1};
    assert_ok(segue_put_record(store, &rec, SEGUE_PUT_REPLACE, NULL, NULL, &test_err));
}

/* Below the verbs, which refuse such keys. */
static void put_reserved(segue_store *store, const char *key)
{
    segue_call call = seg_call_new(store, 0, &test_err);
    segue_put what = {.condition = SEGUE_IF_ANY, .rec = {.key = K(key), .body = K("1"), .is_json = true}};
    assert_ok(seg_call_put(store, &what, NULL, &call));
}

static segue_plan planned(void)
{
    segue_plan plan = {0};
    assert_ok(segue_plan_make(fault_from, fault_to, policy, &plan, &test_err));
    return plan;
}

static void assert_tally(const segue_tally *t, uint64_t live, uint64_t tombstones, uint64_t bytes, const char *what)
{
    if (t->live != live || t->tombstones != tombstones || t->bytes != bytes)
        fail_msg("%s: %llu live, %llu tombstones, %llu bytes", what, (unsigned long long)t->live,
                 (unsigned long long)t->tombstones, (unsigned long long)t->bytes);
}

/* ---- tallies ---- */

static void each_record_is_counted_where_it_belongs(void **state)
{
    (void)state;
    set_policy(RULES("{\"prefix\":\"a:\",\"action\":\"move\"},{\"key\":\"n\",\"action\":\"counter\"},"
                     "{\"prefix\":\"h:\",\"action\":\"drop\"},{\"key\":\"z\",\"action\":\"leave\"}"));
    segue_xattr x = {K("xx"), K("[1]")};
    segue_record rec = {
        .key = K("a:1"), .body = K("{}"), .xattrs = &x, .n_xattrs = 1, .is_json = true, .cas = 1 << 20, .revision = 1};
    assert_ok(segue_put_record(from, &rec, 0, NULL, NULL, &test_err));
    put(from, "a:2");
    put_tombstone(from, "a:3");
    put(from, "n");
    put(from, "h:1");
    put(from, "z");
    put(from, "q");
    put_reserved(from, "_segue:x:1");
    put_reserved(from, "_segue:x:2");
    segue_plan plan = planned();
    ASSERT_U64(5, plan.n_rules);
    assert_tally(&plan.by_rule[0], 2, 1, 3 + 2 + 2 + 3 + 3 + 5 + 3, "a:");
    assert_tally(&plan.by_rule[1], 1, 0, 6, "n");
    assert_tally(&plan.by_rule[2], 1, 0, 8, "h:");
    assert_tally(&plan.by_rule[3], 1, 0, 6, "z");
    assert_tally(&plan.by_rule[4], 1, 0, 6, "the rest");
    assert_tally(&plan.by_action[SEGUE_ACTION_MOVE], 2, 1, 21, "move");
    assert_tally(&plan.by_action[SEGUE_ACTION_LEAVE], 2, 0, 12, "leave");
    assert_tally(&plan.by_action[SEGUE_ACTION_STOP], 0, 0, 0, "stop");
    assert_tally(&plan.all, 6, 1, 47, "all");
    ASSERT_U64(2, plan.reserved); /* and nowhere else */
    ASSERT_U64(1, plan.n_unmatched);
    assert_string_equal(plan.unmatched[0].prefix, "q");
    assert_string_equal(plan.stop_key, "");
    segue_plan_free(&plan);
    static const segue_plan empty;
    assert_memory_equal(&plan, &empty, sizeof plan);
    segue_plan_free(&plan); /* of nothing */
}

/* What a migration will not look at: what lies before the range of its rules, or behind it. */
static void what_lies_outside_the_range_is_told(void **state)
{
    (void)state;
    static const char *const inside[] = {"ab", "aba", "ab\x7f", "ab\xc3\xbf"}, *const outside[] = {"a",  "aa",  "aazz",
                                                                                                   "ac", "aca", "b"};
    set_policy(RULES("{\"prefix\":\"abc\",\"action\":\"move\"},{\"key\":\"ab\",\"action\":\"drop\"}"));
    for (size_t i = 0; i < COUNT(inside); i++) put(from, inside[i]);
    for (size_t i = 0; i < COUNT(outside); i++) put(from, outside[i]);
    segue_plan plan = planned();
    ASSERT_U64(COUNT(outside), plan.outside.live);
    ASSERT_U64(COUNT(outside) + COUNT(inside) - 1, plan.by_action[SEGUE_ACTION_LEAVE].live);
    segue_plan_free(&plan);
    set_policy("{\"rules\":[],\"unmatched\":\"move\"}");
    plan = planned();
    ASSERT_U64(0, plan.outside.live);
    segue_plan_free(&plan);
}

static void the_first_key_that_must_not_be_there_is_named(void **state)
{
    (void)state;
    set_policy(RULES("{\"prefix\":\"s\",\"action\":\"stop\"}"));
    put(from, "a");
    put(from, "s2");
    put(from, "s1");
    put(from, "t");
    segue_plan plan = planned();
    assert_string_equal(plan.stop_key, "s1");
    ASSERT_U64(2, plan.by_action[SEGUE_ACTION_STOP].live);
    segue_plan_free(&plan);
}

/* ---- what the primary has already ---- */

static void keys_that_the_primary_has_are_counted(void **state)
{
    (void)state;
    static const char *const in_from[] = {"a:b", "a:d", "a:f", "a:h", "a:j", "h", "n", "q"};
    static const char *const in_to[] = {"a:", "a:a", "a:b", "a:c", "a:e", "a:f", "a:g", "a:z", "h", "n", "q", "z"};
    set_policy(RULES(MOVE_A ",{\"key\":\"n\",\"action\":\"counter\"},{\"key\":\"h\",\"action\":\"drop\"}"));
    for (size_t i = 0; i < COUNT(in_from); i++) put(from, in_from[i]);
    for (size_t i = 0; i < COUNT(in_to); i++) put(to, in_to[i]);
    put_tombstone(to, "a:h"); /* one that hides it counts, too */
    segue_plan plan = planned();
    ASSERT_U64(4, plan.already); /* a:b, a:f, a:h, n; not those that are dropped or left */
    segue_plan_free(&plan);
    assert_ok(segue_plan_make(from, NULL, policy, &plan, &test_err));
    ASSERT_U64(0, plan.already);
    ASSERT_U64(8, plan.all.live);
    segue_plan_free(&plan);
    /* Only what the primary has, and in between. */
    set_policy(RULES("{\"key\":\"a:d\",\"action\":\"move\"}"));
    plan = planned();
    ASSERT_U64(0, plan.already);
    segue_plan_free(&plan);
}

/* Each page of the fallback is looked for in the primary by itself. */
static void more_than_a_page_is_counted_once(void **state)
{
    (void)state;
    enum { N = 2001 };
    char key[32];
    for (int i = 0; i < N; i++) {
        (void)snprintf(key, sizeof key, "a:%04d", i); /* fits */
        put(from, key);
        if (i % 1000 == 0 || i % 1000 == 999) put(to, key);
    }
    seg_fault_plan scans = {.ops = SEG_OP_SCAN};
    seg_fault_set(fault_from, &scans);
    segue_plan plan = planned();
    ASSERT_U64(3, seg_fault_count(fault_from));
    ASSERT_U64(N, plan.all.live);
    ASSERT_U64(5, plan.already);
    segue_plan_free(&plan);
}

static void a_key_of_the_greatest_size_is_looked_for(void **state)
{
    (void)state;
    char key[SEGUE_KEY_MAX + 1] = "a:";
    memset(key + 2, 'k', SEGUE_KEY_MAX - 2);
    put(from, key);
    put(to, key);
    segue_plan plan = planned();
    ASSERT_U64(1, plan.already);
    segue_plan_free(&plan);
    set_policy(RULES("{\"prefix\":\"x\",\"action\":\"move\"}"));
    plan = planned();
    ASSERT_U64(1, plan.n_unmatched);
    assert_string_equal(plan.unmatched[0].example, key);
    segue_plan_free(&plan);
}

/* ---- unmatched keys by prefix ---- */

static void a_prefix_ends_where_the_header_says(void **state)
{
    (void)state;
    static const struct {
        const char *key, *prefix;
    } rows[] = {
        {":", ":"},        {"::x", "::"},  {"b:c:d:e", "b:c:"}, {"b:x", "b:"},           {"c-d.e", "c-"}, {"d.", "d."},
        {"e_f:g", "e_f:"}, {"f9Z", "f9Z"}, {"g h", "g "},       {"h\xc3\xa4x", "h\xc3"}, {"-", "-"},
    };
    set_policy(RULES(""));
    for (size_t i = 0; i < COUNT(rows); i++) {
        put(from, rows[i].key);
        segue_plan plan = planned();
        ASSERT_U64(1, plan.n_unmatched);
        if (strcmp(plan.unmatched[0].prefix, rows[i].prefix) != 0 ||
            strcmp(plan.unmatched[0].example, rows[i].key) != 0)
            fail_msg("%s: %s", rows[i].key, plan.unmatched[0].prefix);
        segue_plan_free(&plan);
        segue_call call = seg_call_new(from, 0, &test_err);
        segue_doc doc = {0};
        assert_ok(seg_call_get(from, K(rows[i].key), &doc, &call));
        assert_ok(seg_call_erase(from, K(rows[i].key), doc.rec.cas, &call));
        segue_doc_free(&doc);
    }
}

/* "p5" comes behind all that begin with "p5:" or "p5-", and is a prefix by itself. */
static void prefixes_are_in_order_and_each_is_there_once(void **state)
{
    (void)state;
    static const char *const keys[] = {"b:1", "b:2", "b-1", "b", "a:1", "b:1:1", "b:1:2", "c", "b9"};
    static const char *const prefixes[] = {"a:", "b", "b-", "b9", "b:", "b:1:", "c"};
    set_policy(RULES(""));
    for (size_t i = 0; i < COUNT(keys); i++) put(from, keys[i]);
    put_tombstone(from, "b:3");
    segue_plan plan = planned();
    ASSERT_U64(COUNT(prefixes), plan.n_unmatched);
    for (size_t i = 0; i < COUNT(prefixes); i++) assert_string_equal(plan.unmatched[i].prefix, prefixes[i]);
    assert_tally(&plan.unmatched[4].tally, 2, 1, 3 * 3 + 2 * 5, "b:");
    assert_string_equal(plan.unmatched[4].example, "b:1");
    assert_tally(&plan.unmatched[5].tally, 2, 0, 2 * 5 + 2 * 5, "b:1:");
    segue_plan_free(&plan);
}

static void put_prefixes(unsigned n)
{
    char key[32];
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "p%03u:x", i); /* fits */
        put(from, key);
    }
}

/* Of 63 each has its place; of 64 the last one is the place for the rest. */
static void the_last_place_of_a_full_table_is_for_the_rest(void **state)
{
    (void)state;
    enum { MOST = SEGUE_PLAN_PREFIXES_MAX };
    set_policy(RULES(""));
    put_prefixes(MOST - 1);
    segue_plan plan = planned();
    ASSERT_U64(MOST - 1, plan.n_unmatched);
    assert_string_equal(plan.unmatched[MOST - 2].prefix, "p062:");
    segue_plan_free(&plan);
    put(from, "p010"); /* in byte order it is one of the first, and met when the table is not full yet */
    plan = planned();
    ASSERT_U64(MOST, plan.n_unmatched);
    assert_string_equal(plan.unmatched[10].prefix, "p010");
    assert_string_equal(plan.unmatched[11].prefix, "p010:");
    assert_string_equal(plan.unmatched[MOST - 2].prefix, "p061:");
    assert_string_equal(plan.unmatched[MOST - 1].prefix, "");
    assert_string_equal(plan.unmatched[MOST - 1].example, "p062:x");
    ASSERT_U64(1, plan.unmatched[MOST - 1].tally.live);
    segue_plan_free(&plan);
    put_prefixes(MOST + 2);
    put(from, "p999:y");
    plan = planned();
    ASSERT_U64(MOST, plan.n_unmatched);
    ASSERT_U64(5, plan.unmatched[MOST - 1].tally.live);
    assert_string_equal(plan.unmatched[MOST - 1].example, "p062:x");
    segue_plan_free(&plan);
}

/* Keys come in byte order, prefixes need not: what is met last may belong before the others. */
static void a_late_prefix_that_belongs_first_is_one_of_the_rest(void **state)
{
    (void)state;
    enum { MOST = SEGUE_PLAN_PREFIXES_MAX };
    char key[32];
    set_policy(RULES(""));
    for (unsigned i = 0; i < MOST - 1; i++) {
        (void)snprintf(key, sizeof key, "b-%c:x", ' ' + (int)i); /* fits */
        put(from, key);
    }
    put(from, "b-z"); /* its prefix is "b-" */
    put(from, "b- :y");
    segue_plan plan = planned();
    ASSERT_U64(MOST, plan.n_unmatched);
    assert_string_equal(plan.unmatched[0].prefix, "b- :");
    ASSERT_U64(2, plan.unmatched[0].tally.live);
    assert_string_equal(plan.unmatched[MOST - 1].prefix, "");
    assert_string_equal(plan.unmatched[MOST - 1].example, "b-z");
    segue_plan_free(&plan);
}

/* ---- what only another program writes ---- */

static void keys_longer_than_any_of_ours_are_cut(void **state)
{
    (void)state;
    assert_int_equal(test_make_folder(NULL), 0);
    test_copy_here("sg-bucket");
    segue_store *bucket = test_open_bucket("sg-bucket", "_default._default", 0);
    set_policy(RULES("{\"glob\":\"zz*\",\"action\":\"stop\"},{\"prefix\":\"yy\",\"action\":\"move\"}"));
    segue_plan plan = {0};
    assert_ok(segue_plan_make(bucket, to, policy, &plan, &test_err));
    uint64_t live = plan.all.live;
    segue_plan_free(&plan);
    static const char *const beginnings[] = {"xx", "yy", "zz"};
    for (size_t i = 0; i < COUNT(beginnings); i++) {
        char sql[1024];
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO documents (collection, key, value, cas, isJSON) SELECT id, '%s' || "
                       "replace(hex(zeroblob(150)), '0', 'k'), '1', %zu, 1 FROM collections WHERE scope='_default' AND "
                       "name='_default'",
                       beginnings[i], (size_t)1 << (20 + i)); /* fits */
        test_sql_run("sg-bucket", sql);
    }
    assert_ok(segue_plan_make(bucket, to, policy, &plan, &test_err));
    ASSERT_U64(live + 3, plan.all.live);
    ASSERT_U64(SEGUE_KEY_MAX, strlen(plan.stop_key));
    assert_int_equal(strncmp(plan.stop_key, "zzkkk", 5), 0);
    const segue_plan_prefix *last = &plan.unmatched[plan.n_unmatched - 1];
    ASSERT_U64(SEGUE_KEY_MAX, strlen(last->prefix));
    ASSERT_U64(SEGUE_KEY_MAX, strlen(last->example));
    assert_int_equal(strncmp(last->example, "xxkkk", 5), 0);
    ASSERT_U64(1, plan.by_rule[1].live); /* moved it cannot be, and the primary is not asked for it */
    ASSERT_U64(0, plan.already);
    segue_plan_free(&plan);
    segue_close(bucket);
    assert_int_equal(test_remove_folder(NULL), 0);
}

/* ---- what cannot be planned ---- */

static void of_nothing_there_is_a_plan(void **state)
{
    (void)state;
    seg_fault_plan counting = {0};
    seg_fault_set(fault_to, &counting);
    segue_plan plan = planned();
    assert_tally(&plan.all, 0, 0, 0, "all");
    ASSERT_U64(0, plan.n_unmatched + plan.reserved + plan.already);
    segue_plan_free(&plan);
    put(from, "z"); /* nor is the primary asked for nothing */
    plan = planned();
    ASSERT_U64(0, seg_fault_count(fault_to));
    segue_plan_free(&plan);
}

static int64_t deadline_ns = -1;

static segue_status refuse(void *self, const segue_bounds *bounds, segue_page *page, segue_call *call)
{
    (void)self, (void)bounds, (void)page;
    deadline_ns = call->deadline_ns;
    return SEGUE_UNAVAILABLE; /* without a word */
}

static unsigned no_caps(const void *self)
{
    (void)self;
    return 0;
}

/* It takes the time it takes; and a store that fails without a word is named. */
static void a_store_is_given_all_the_time_it_needs(void **state)
{
    (void)state;
    static const segue_backend slow = {.scheme = "slow", .self_size = 1, .scan = refuse, .caps = no_caps};
    segue_store *store = NULL;
    segue_plan plan = {0};
    void *self = NULL;
    assert_ok(seg_store_make(&slow, segue_env_default(), "slow:one", &store, &self, &test_err));
    assert_status(segue_plan_make(store, NULL, policy, &plan, &test_err), SEGUE_UNAVAILABLE);
    assert_int_equal(test_err.status, SEGUE_UNAVAILABLE);
    assert_says("slow:one");
    ASSERT_U64(0, (uint64_t)deadline_ns);
    seg_store_unmake(store);
}

static void a_plan_that_cannot_be_made_says_why(void **state)
{
    (void)state;
    segue_store *dual = NULL;
    segue_plan plan = {.reserved = 77};
    assert_status(segue_plan_make(NULL, to, policy, &plan, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_int_equal(test_err.status, SEGUE_INVALID_ARGUMENT);
    assert_says("a plan needs a store and a policy");
    test_err = (segue_error){0};
    assert_status(segue_plan_make(from, to, NULL, &plan, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_says("a plan needs a store and a policy");
    assert_status(segue_plan_make(from, from, policy, &plan, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_says("mem: and mem: are the same collection");
    assert_status(segue_plan_make(from, fault_from, policy, &plan, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_ok(segue_dual_open(to, from, NULL, &dual, &test_err));
    assert_status(segue_plan_make(dual, NULL, policy, &plan, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_int_equal(test_err.status, SEGUE_INVALID_ARGUMENT);
    assert_says("a plan is made of the fallback, not of a dual store");
    segue_close(dual);
    ASSERT_U64(77, plan.reserved); /* on success only */
}

static void a_failure_of_either_store_is_one_of_the_plan(void **state)
{
    (void)state;
    put(from, "a:1");
    put(from, "z");
    put(to, "a:1");
    segue_store *const sides[] = {fault_from, fault_to};
    for (size_t i = 0; i < COUNT(sides); i++) {
        segue_plan plan = {.reserved = 77};
        seg_fault_plan fails = {.nth = 1, .status = SEGUE_IO_ERROR}, none = {0};
        seg_fault_set(sides[i], &fails);
        assert_status(segue_plan_make(fault_from, fault_to, policy, &plan, &test_err), SEGUE_IO_ERROR);
        assert_int_equal(test_err.status, SEGUE_IO_ERROR);
        assert_says("injected failure");
        ASSERT_U64(77, plan.reserved);
        seg_fault_set(sides[i], &none);
    }
}

/* The second page fails: what the first one gave is given back, and no plan is made of half of it. */
static void a_failure_in_the_middle_is_no_plan(void **state)
{
    (void)state;
    char key[32];
    for (int i = 0; i < 1001; i++) {
        (void)snprintf(key, sizeof key, "a:%04d", i); /* fits */
        put(from, key);
    }
    segue_plan plan = {0};
    seg_fault_plan fails = {.nth = 2, .status = SEGUE_IO_ERROR};
    seg_fault_set(fault_from, &fails);
    assert_status(segue_plan_make(fault_from, fault_to, policy, &plan, &test_err), SEGUE_IO_ERROR);
    assert_null(plan.by_rule);
}

/* ---- without memory ---- */

static segue_status plan_once(void *ctx)
{
    (void)ctx;
    segue_store *a = NULL, *b = NULL;
    segue_open_options options = {NULL, SEGUE_OPEN_NO_REAPER};
    segue_plan plan = {0};
    segue_status st = segue_open("mem:", &options, &a, &test_err);
    if (st == SEGUE_OK) st = segue_open("mem:", &options, &b, &test_err);
    static const char *const keys[] = {"a:1", "a:22", "z"};
    for (size_t i = 0; i < COUNT(keys) && st == SEGUE_OK; i++) {
        st = segue_add(a, K(keys[i]), K("1"), segue_expiry_none(), NULL, NULL, &test_err);
        if (st == SEGUE_OK) st = segue_add(b, K(keys[i]), K("1"), segue_expiry_none(), NULL, NULL, &test_err);
    }
    test_err = (segue_error){0};
    bool is_made = st == SEGUE_OK;
    if (is_made) st = segue_plan_make(a, b, policy, &plan, &test_err);
    if (is_made && st != SEGUE_OK && (test_err.status != st || !test_err.message[0] || plan.by_rule))
        st = SEGUE_CORRUPT;
    if (st == SEGUE_OK && (plan.already != 2 || plan.all.live != 3)) st = SEGUE_CORRUPT;
    segue_plan_free(&plan);
    segue_close(a);
    segue_close(b);
    return st;
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    set_policy(RULES(MOVE_A));
    test_fail_every_allocation(plan_once, NULL);
    segue_policy_free(policy);
    policy = NULL;
}

/* In pages of one or two records each. */
static void whatever_fails_while_pages_are_read_the_count_is_whole(void **state)
{
    (void)state;
    static const char *const keys[] = {"a:1", "a:2", "a:3", "a:4"};
    size_t size = 600000;
    char *body = seg_alloc(size);
    assert_non_null(body);
    memset(body, '1', size);
    for (size_t i = 0; i < COUNT(keys); i++) {
        segue_slice bytes = segue_bytes(body, size);
        assert_ok(segue_add(from, K(keys[i]), bytes, segue_expiry_none(), NULL, NULL, &test_err));
        put(to, keys[i]);
    }
    seg_free(body);
    bool fired = true;
    for (long nth = 1; fired; nth++) {
        segue_plan plan = {0};
        test_memory_begin();
        test_fault_arm(&test_memory, nth, false);
        test_err = (segue_error){0};
        segue_status st = segue_plan_make(from, to, policy, &plan, &test_err);
        fired = atomic_load(&test_memory.fired) > 0;
        test_fault_heal(&test_memory);
        bool is_whole = plan.already == COUNT(keys) && plan.all.live == COUNT(keys);
        if (fired ? st != SEGUE_NO_MEMORY || test_err.status != st : st != SEGUE_OK || !is_whole)
            fail_msg("number %ld: %s, %llu", nth, segue_status_name(st), (unsigned long long)plan.already);
        segue_plan_free(&plan);
        test_memory_end();
    }
}

int main(void)
{
#define IN_STORES(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_STORES(each_record_is_counted_where_it_belongs),
        IN_STORES(what_lies_outside_the_range_is_told),
        IN_STORES(the_first_key_that_must_not_be_there_is_named),
        IN_STORES(keys_that_the_primary_has_are_counted),
        IN_STORES(more_than_a_page_is_counted_once),
        IN_STORES(a_key_of_the_greatest_size_is_looked_for),
        IN_STORES(a_prefix_ends_where_the_header_says),
        IN_STORES(prefixes_are_in_order_and_each_is_there_once),
        IN_STORES(the_last_place_of_a_full_table_is_for_the_rest),
        IN_STORES(a_late_prefix_that_belongs_first_is_one_of_the_rest),
        IN_STORES(keys_longer_than_any_of_ours_are_cut),
        IN_STORES(of_nothing_there_is_a_plan),
        IN_STORES(a_store_is_given_all_the_time_it_needs),
        IN_STORES(a_plan_that_cannot_be_made_says_why),
        IN_STORES(a_failure_of_either_store_is_one_of_the_plan),
        IN_STORES(a_failure_in_the_middle_is_no_plan),
        cmocka_unit_test(without_memory_it_says_so),
        IN_STORES(whatever_fails_while_pages_are_read_the_count_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
