/* The end of a migration: the cleaning, clients of what is finished, signs of life on the way, and memory. */
#include "steps_scene.h"

#include "support/memory.h"

/* ---- cleaning ---- */

static void fail_one(seg_status *status) { seg_keys_add(&status->failed, K("d:01")); }

/* Two tombstones that hid the fallback. */
static void begin_hidden(mscene *s, bool keep)
{
    segue_store *dual = NULL;
    begin_scene(s, MEM_TWO);
    s->options.page_docs = 100;
    s->options.workers = 1;
    s->options.keep = keep;
    s->options.hold_clean = true;
    assert_ok(segue_dual_open(s->to, s->from, NULL, &dual, &test_err));
    assert_ok(segue_delete(dual, K("d:03"), NULL, &test_err));
    assert_ok(segue_delete(dual, K("d:05"), NULL, &test_err));
    segue_close(dual);
    assert_ok(run_scene(s));
    assert_body(s->to, "d:03", "(a tombstone)");
}

/* By hand, and the options do not say that it is a copy. */
static void what_hides_a_kept_fallback_stays(void **state)
{
    (void)state;
    mscene s;
    SEG_AUTO(segue_doc) doc = {0};
    SEG_AUTO(segue_buf) body = {0};
    begin_hidden(&s, true);
    edit_status(&s, fail_one);
    /* Remembered as such by whatever run. */
    assert_ok(segue_get_record(s.to, K("d:03"), NULL, &doc, &test_err));
    seg_entry entry = {.bits = SEG_ENTRY_THERE | SEG_ENTRY_HIDDEN, .key = K("d:03"), .cas = doc.rec.cas, .revision = 1};
    assert_ok(seg_manifest_add(&body, &entry));
    char key[SEG_MANIFEST_KEY_SIZE];
    segue_put put = seg_manifest_put(seg_manifest_key("default", UINT64_C(99) << 32, key), &body);
    segue_call call = seg_call_new(s.to, 0, &test_err);
    assert_ok(seg_call_put(s.to, &put, NULL, &call));
    s.options.keep = false;
    assert_ok(by_hand(&s, segue_migration_clean));
    assert_body(s.to, "d:03", "(a tombstone)");
    assert_body(s.from, "d:03", "{\"i\":3}");
    assert_int_equal(count_manifests(&s), 0);
    segue_migration_status status = read_status(&s);
    assert_int_equal(status.n_failed_keys, 0); /* all is done */
    assert_int_equal(status.counts.purged, 0);
    segue_migration_status_free(&status);
    end_scene(&s);
}

static void take_d03(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    const mscene *s = ctx;
    SEG_AUTO(segue_doc) doc = {0};
    (void)op, (void)count;
    if (after || !segue_slice_equal(key, K("d:03"))) return;
    segue_call call = seg_call_new(s->to, 0, &test_err);
    assert_ok(seg_call_get(s->to, key, &doc, &call));
    assert_ok(seg_call_erase(s->to, key, doc.rec.cas, &call));
}

static void revive_d03(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    const mscene *s = ctx;
    (void)op, (void)count;
    if (after || !segue_slice_equal(key, K("d:03"))) return;
    assert_ok(segue_set(s->to, key, K("\"again\""), segue_expiry_none(), NULL, NULL, &test_err));
}

static void who_takes_or_revives_a_tombstone_is_not_in_the_way(void **state)
{
    (void)state;
    for (int revives = 0; revives < 2; revives++) {
        mscene s;
        begin_hidden(&s, false);
        seg_fault_plan plan = {.ops = SEG_OP_ERASE, .hook = revives ? revive_d03 : take_d03, .hook_ctx = &s};
        seg_fault_set(s.fault_to, &plan);
        assert_ok(by_hand(&s, segue_migration_clean));
        assert_int_equal(is_at(s.to, "d:03"), revives);
        if (revives) assert_body(s.to, "d:03", "\"again\"");
        assert_false(is_at(s.to, "d:05"));
        segue_migration_status status = read_status(&s);
        assert_int_equal(status.counts.purged, 1);
        segue_migration_status_free(&status);
        end_scene(&s);
    }
}

static void a_manifest_that_cannot_be_understood_is_named(void **state)
{
    (void)state;
    mscene s;
    begin_hidden(&s, false);
    segue_call call = seg_call_new(s.to, 0, &test_err);
    segue_put put = {.rec = {.key = K("_segue:manifest:default:ffffffffffffffff"), .body = K("?"), .revision = 1}};
    assert_ok(seg_call_put(s.to, &put, NULL, &call));
    assert_status(by_hand(&s, segue_migration_clean), SEGUE_CORRUPT);
    says("the manifest \"_segue:manifest:default:ffffffffffffffff\" cannot be understood");
    assert_int_equal(count_manifests(&s), 1);
    assert_int_equal(stage_of(&s), SEGUE_STAGE_CLEANING);
    end_scene(&s);
}

/* ---- clients of what is finished ---- */

static void run_without_clients(held *h)
{
    h->s.options.dual = NULL;
    assert_ok(run_scene(&h->s));
    h->s.options.dual = h->dual;
}

static void add_late(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    held *h = ctx;
    (void)op, (void)key;
    if (!after || count != 2) return; /* the scan of what is in scope is over */
    assert_ok(segue_add(h->dual, K("d:late"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
}

static void what_clients_in_legacy_write_at_the_last_moment_is_moved(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_LEGACY);
    run_without_clients(&h);
    seg_fault_plan plan = {.ops = SEG_OP_SCAN, .hook = add_late, .hook_ctx = &h};
    seg_fault_set(h.s.fault_from, &plan);
    assert_ok(run_scene(&h.s));
    assert_body(h.s.to, "d:late", "1");
    assert_false(is_at(h.s.from, "d:late"));
    phase_is(&h, SEGUE_PHASE_CLEAN);
    end_held(&h);
}

static void clients_of_what_is_finished_are_waited_for(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_LEGACY);
    run_without_clients(&h);
    enter(&h, true);
    assert_status(run_in_vain(&h), SEGUE_TIMEOUT);
    says("has not ended");
    leave(&h);
    assert_ok(run_scene(&h.s));
    phase_is(&h, SEGUE_PHASE_CLEAN);
    assert_ok(run_scene(&h.s));
    end_held(&h);
}

/* Those that are in forward have written the fallback no more, so it is looked at once. */
static void clients_in_forward_cost_no_second_look(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_FORWARD);
    run_without_clients(&h);
    seg_fault_plan plan = {.ops = SEG_OP_SCAN};
    seg_fault_set(h.s.fault_from, &plan);
    assert_ok(run_scene(&h.s));
    assert_int_equal(seg_fault_count(h.s.fault_from), 2); /* for Segue's own records, and what is in scope */
    phase_is(&h, SEGUE_PHASE_CLEAN);
    end_held(&h);
}

/* ---- signs of life, memory ---- */

typedef struct slow {
    unsigned writes, erased;
} slow;

static void count_writes(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    slow *sl = ctx;
    (void)count;
    sl->writes += !after && op == SEG_OP_PUT && segue_slice_starts_with(key, K("_segue:migration:"));
}

/* Each erasure takes longer than a sign of life may take. */
static void take_long(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    slow *sl = ctx;
    count_writes(ctx, op, key, after, count);
    if (after || op != SEG_OP_ERASE || segue_slice_equal(key, K("_segue:probe"))) return;
    sl->erased++;
    pass_time(SECOND / 2);
}

static void between_counters_and_manifests_it_gives_signs_of_life(void **state)
{
    (void)state;
    static const char text[] = "{\"unmatched\":\"leave\",\"rules\":[{\"key\":\"n:counter\",\"action\":\"counter\"},"
                               "{\"key\":\"n:more\",\"action\":\"counter\"}]}";
    mscene s;
    segue_policy *counters = NULL;
    begin_scene(&s, MEM_TWO);
    use_own_time(&s);
    assert_ok(segue_add(s.from, K("n:more"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(segue_policy_parse(K(text), &counters, &test_err));
    s.options.policy = counters;
    unsigned writes[2];
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        slow sl = {0};
        if (is_slow) {
            assert_ok(segue_add(s.from, K("n:counter"), K("50"), segue_expiry_none(), NULL, NULL, &test_err));
            assert_ok(segue_add(s.from, K("n:more"), K("50"), segue_expiry_none(), NULL, NULL, &test_err));
        }
        seg_fault_plan plan = {.hook = is_slow ? take_long : count_writes, .hook_ctx = &sl};
        seg_fault_set(s.fault_from, &plan);
        seg_fault_set(s.fault_to, &plan);
        assert_ok(run_scene(&s));
        if (is_slow) assert_int_equal(sl.erased, 4); /* two pills, two manifests */
        writes[is_slow] = sl.writes;
    }
    if (writes[1] != writes[0] + 4) fail_msg("%u writes of the record, %u if it takes long", writes[0], writes[1]);
    segue_policy_free(counters);
    end_scene(&s);
}

static segue_status run_between_empty_stores(void *ctx)
{
    segue_store *from = NULL, *to = NULL;
    segue_migration *m = NULL;
    segue_policy *policy = NULL;
    segue_error err = {0};
    unsigned *told = ctx;
    segue_status st = segue_open("mem:", NULL, &from, &err);
    if (st == SEGUE_OK) st = segue_open("mem:", NULL, &to, &err);
    if (st == SEGUE_OK) st = segue_policy_parse(K(policy_text), &policy, &err);
    segue_migration_options options = {
        .policy = policy, .hold_seal = true, .workers = 1, .stale_ns = 1, .timeout_ns = 1000000};
    for (int i = 0; i < 2 && st == SEGUE_OK; i++) {
        st = segue_migration_open(from, to, &options, &m, &err);
        if (st == SEGUE_OK) {
            st = segue_migration_run(m, &err);
            if (strcmp(err.message, "out of memory for a migration") == 0) *told += 1000; /* it could not begin */
        }
        segue_migration_close(m);
        m = NULL;
    }
    if (st == SEGUE_OK) { /* from another store it would be another one, and nothing is OK that was not looked at */
        segue_store *third = NULL;
        segue_status other = segue_open("mem:third", NULL, &third, &err);
        if (other == SEGUE_OK) other = segue_migration_open(third, to, &options, &m, &err);
        if (other == SEGUE_OK) other = segue_migration_run(m, &err);
        segue_migration_close(m);
        segue_close(third);
        if (other == SEGUE_OK) fail_msg("it ran from another store");
        test_fault_heal(&test_memory);
        segue_migration_status status = {0};
        assert_ok(segue_migration_status_read(to, NULL, &status, &test_err));
        assert_string_equal(status.from, segue_store_url(from));
        assert_string_equal(status.to, segue_store_url(to));
        segue_migration_status_free(&status);
    }
    if (st != SEGUE_OK && !strstr(err.message, "memory")) fail_msg("%s: %s", segue_status_name(st), err.message);
    *told += st != SEGUE_OK;
    segue_policy_free(policy);
    segue_close(from);
    segue_close(to);
    return st;
}

static void without_memory_a_run_says_so(void **state)
{
    (void)state;
    unsigned told = 0;
    for (int persistent = 0; persistent < 2; persistent++)
        for (long nth = 1, fired = 1; fired; nth++) {
            test_memory_begin();
            test_fault_arm(&test_memory, nth, persistent);
            segue_status st = run_between_empty_stores(&told);
            test_fault_heal(&test_memory);
            fired = atomic_load(&test_memory.fired);
            test_memory_end();
            if (st != SEGUE_OK && !fired) fail_msg("%s without a failure", segue_status_name(st));
        }
    assert_true(told % 1000 > 10 && told > 1000);
}

/* With counters, foreign writes that are settled, another migration's record and a verification. */
static void a_run_gives_all_its_memory_back(void **state)
{
    (void)state;
    mscene s;
    test_memory_begin();
    begin_scene(&s, MEM_TWO);
    s.options.workers = 1;
    s.options.page_docs = 100;
    s.options.name = "first";
    seg_fault_plan fails = {.ops = SEG_OP_ERASE, .nth = 2, .status = SEGUE_IO_ERROR}; /* after the probe: a counter */
    seg_fault_set(s.fault_from, &fails);
    assert_status(run_scene(&s), SEGUE_IO_ERROR);
    heal(&s);
    assert_ok(run_scene(&s));
    s.options.name = "second";
    fill_store(s.from);
    seg_fault_plan behind = {.ops = SEG_OP_WRITE_MANY, .hook = write_two_behind, .hook_ctx = &s};
    seg_fault_set(s.fault_from, &behind);
    assert_status(run_scene(&s), SEGUE_NOT_FINISHED);
    heal(&s);
    s.options.on_foreign_write = SEGUE_FOREIGN_NEWER;
    seg_fault_set(s.fault_from, &fails);
    assert_status(run_scene(&s), SEGUE_IO_ERROR);
    heal(&s);
    assert_ok(run_scene(&s));
    assert_ok(segue_add(s.from, K("d:new"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(run_scene(&s)); /* anew */
    end_scene(&s);
    test_memory_end();
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_hides_a_kept_fallback_stays),
        IN_FOLDER(who_takes_or_revives_a_tombstone_is_not_in_the_way),
        IN_FOLDER(a_manifest_that_cannot_be_understood_is_named),
        IN_FOLDER(what_clients_in_legacy_write_at_the_last_moment_is_moved),
        IN_FOLDER(clients_of_what_is_finished_are_waited_for),
        IN_FOLDER(clients_in_forward_cost_no_second_look),
        IN_FOLDER(between_counters_and_manifests_it_gives_signs_of_life),
        IN_FOLDER(without_memory_a_run_says_so),
        IN_FOLDER(a_run_gives_all_its_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
