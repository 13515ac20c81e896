/* Verification from below: how little is read for it, what it does with what cannot be understood, signs of life while it is
 * slow, what it needs, and when there is no memory. */
#include "verify_scene.h"

/* ---- what is read ---- */

typedef struct reading_case {
    verify_case scene;
    const char *calls;
    unsigned p_read;
} reading_case;

static void as_little_as_needed_is_read_in_order_of_key(void **state)
{
    (void)state;
    static const reading_case readings[] = {
        {{.how = "one wide", .p = "", .f = "a10 d30 f50", .p_later = "b60 c61 e62"},
         "P.get(status) P.scan(manifest..<manifest) P.scan(a..f) P.scan(d..f) P.scan(f..f) F.scan(..< keys)",
         1 + 3 + 2 + 1},
        {{.how = "one wide keep", .p = "", .f = "a10 d30 f50", .p_later = "b60 c61 e62"},
         "P.get(status) P.scan(manifest..<manifest) P.scan(a..f) P.scan(d..f) P.scan(f..f) F.scan(..< keys) "
         "P.scan(a..f keys) P.scan(d..f keys) P.scan(f..f keys)",
         1 + 3 + 2 + 1 + 3 + 2 + 1},
    };
    for (size_t i = 0; i < sizeof readings / sizeof readings[0]; i++) {
        sweep w;
        segue_verified v;
        open_run(&w, &readings[i].scene);
        verify_later(&w, &readings[i].scene);
        memset(w.n_read, 0, sizeof w.n_read);
        OK(&w.s, segue_migration_verify(w.m, 0, NULL, NULL, &v, &w.s.err));
        text_is("what was asked", readings[i].scene.how, w.s.log, readings[i].calls);
        assert_int_equal(w.n_read[P], readings[i].p_read);
        sweep_close(&w);
    }
}

/* ---- what cannot be understood ---- */

static void put_manifest(sweep *w, segue_slice body, bool is_tombstone)
{
    char key[SEG_MANIFEST_KEY_SIZE];
    segue_call call = seg_call_new(w->s.plain[P], 0, &w->s.err);
    segue_put put = {.condition = SEGUE_IF_ANY};
    put.rec = (segue_record){.key = seg_manifest_key("default", 1, key), .body = body, .revision = 1};
    if (is_tombstone) put.rec.body = (segue_slice){NULL, 0}, put.rec.is_tombstone = true;
    OK(&w->s, seg_call_put(w->s.plain[P], &put, NULL, &call));
}

static void a_damaged_manifest_is_named(void **state)
{
    (void)state;
    static const struct {
        segue_slice body;
        bool is_tombstone;
    } damages[] = {
        {{"\x09\0\1a", 4}, false}, /* another version */
        {{"\1\0\1a", 4}, false},   /* cut */
        {{NULL, 0}, true},
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        sweep w = {0};
        segue_verified v = {.checked = 77};
        sweep_open(&w, TWO_ENGINES, "", "a10", "");
        put_manifest(&w, damages[i].body, damages[i].is_tombstone);
        assert_int_equal(segue_migration_verify(w.m, 0, NULL, NULL, &v, &w.s.err), SEGUE_CORRUPT);
        if (!strstr(w.s.err.message, "the manifest \"_segue:manifest:default:0000000000000001\" cannot be understood"))
            fail_msg("%s", w.s.err.message);
        assert_int_equal(v.checked, 77);
        sweep_close(&w);
    }
}

/* ---- another runner, and signs of life ---- */

static const segue_record *manifest_again;
static void rewrite_manifests(sweep *w)
{
    segue_call call = seg_call_new(w->s.plain[P], 0, &w->s.err);
    segue_put put = {.rec = *manifest_again, .condition = SEGUE_IF_ANY};
    OK(&w->s, seg_call_put(w->s.plain[P], &put, NULL, &call));
}

/* What a repair lets go of leaves its manifest under the condition that nobody has written it since. */
static void a_manifest_that_changed_meanwhile_is_not_overwritten(void **state)
{
    (void)state;
    sweep w;
    char told[TEXT_SIZE] = "";
    static const verify_case c = {.how = "one primary", .p = "", .f = "a10 b20", .p_lost = "b"};
    open_run(&w, &c);
    verify_later(&w, &c);
    segue_status st = segue_migration_verify(w.m, SEGUE_VERIFY_REPAIR, tell, told, NULL, &w.s.err);
    assert_int_equal(st, SEGUE_OK);
    show_manifests(&w, told);
    assert_string_equal(told, "[a]"); /* this is how it is undisturbed */
    sweep_close(&w);
    open_run(&w, &c);
    verify_later(&w, &c);
    char bounds[2 * SEG_MANIFEST_KEY_SIZE];
    segue_bounds all = seg_manifest_bounds("default", bounds);
    segue_call call = seg_call_new(w.s.plain[P], 0, &w.s.err);
    w.s.page.max_docs = 1;
    OK(&w.s, seg_call_scan(w.s.plain[P], &all, &w.s.page, &call));
    manifest_again = &w.s.page.docs[0].rec;
    sweep_trouble(&w, (trouble)MEET("P.put(manifest", rewrite_manifests));
    st = segue_migration_verify(w.m, SEGUE_VERIFY_REPAIR, NULL, NULL, NULL, &w.s.err);
    assert_int_equal(st, SEGUE_CAS_MISMATCH);
    sweep_close(&w);
}

static void a_second_passes(sweep *w)
{
    (void)w;
    sweep_slept_ns += INT64_C(1000000000);
}

static unsigned shown, shown_last;
static int64_t shown_elapsed_ns;
static void count_shows(void *ctx, const segue_progress *progress)
{
    (void)ctx;
    if (shown++ == 0) shown_elapsed_ns = progress->elapsed_ns;
    shown_last += progress->is_last;
    assert_int_equal(progress->stage, SEGUE_STAGE_VERIFYING);
}

static void a_slow_verification_shows_signs_of_life(void **state)
{
    (void)state;
    for (int repairs = 0; repairs < 2; repairs++) {
        sweep w;
        static const verify_case c = {.how = "one keep", .p = "", .f = "a10 b20 c30 d40 e50", .p_lost = "a"};
        open_run(&w, &c);
        w.options.progress = count_shows;
        shown = shown_last = 0;
        sweep_slept_ns = INT64_C(5000000000);
        verify_later(&w, &c);
        sweep_trouble(&w, (trouble){.at = "P.scan(", .nth = 1, .times = 99, .step = a_second_passes});
        segue_status st = segue_migration_verify(w.m, repairs ? SEGUE_VERIFY_REPAIR : 0, NULL, NULL, NULL, &w.s.err);
        assert_int_equal(st, repairs ? SEGUE_OK : SEGUE_DIFFERENT);
        assert_int_equal(shown_elapsed_ns, 0);
        assert_true(shown >= 6);
        assert_int_equal(shown_last, repairs);
        unsigned saves = 0;
        for (const char *at = w.s.log; (at = strstr(at, "P.put(status)")); at++) saves++;
        assert_true(repairs ? saves >= 5 : saves == 0);
        sweep_close(&w);
    }
}

/* ---- what a repair is ---- */

static void a_repaired_copy_is_a_change_of_it(void **state)
{
    (void)state;
    sweep w;
    SEG_AUTO(segue_doc) doc = {0};
    static const verify_case c = {.how = "two keep", .p = "", .f = "a10 b20", .p_later = "b20=2"};
    open_run(&w, &c);
    verify_later(&w, &c);
    OK(&w.s, segue_migration_verify(w.m, SEGUE_VERIFY_REPAIR, NULL, NULL, NULL, &w.s.err));
    OK(&w.s, segue_get_record(w.s.plain[P], K("b"), NULL, &doc, &w.s.err));
    assert_true(segue_slice_equal(doc.rec.body, K("1")) && doc.rec.revision == 2 && doc.rec.cas > 20);
    segue_doc_free(&doc);
    sweep_close(&w);
}

/* ---- what it needs ---- */

static void it_needs_a_policy_and_the_old_store(void **state)
{
    (void)state;
    sweep w = {0};
    sweep_open(&w, TWO_ENGINES, "", "", "");
    segue_migration *m = NULL;
    segue_migration_options options = w.options;
    options.policy = NULL;
    OK(&w.s, segue_migration_open(w.s.sides[F], w.s.sides[P], &options, &m, &w.s.err));
    assert_int_equal(segue_migration_verify(m, 0, NULL, NULL, NULL, &w.s.err), SEGUE_INVALID_POLICY);
    assert_string_equal(w.s.err.message, "a verification needs a policy");
    segue_migration_close(m);
    OK(&w.s, segue_migration_open(NULL, w.s.sides[P], &w.options, &m, &w.s.err));
    assert_int_equal(segue_migration_verify(m, 0, NULL, NULL, NULL, &w.s.err), SEGUE_INVALID_ARGUMENT);
    assert_string_equal(w.s.err.message, "a verification needs the store that was moved from");
    segue_migration_close(m);
    assert_int_equal(w.s.n_calls, 0);
    sweep_close(&w);
}

static void each_kind_of_difference_has_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {"missing", "content", "left", "newer", "?", "?"};
    for (unsigned i = 0; i < 6; i++) assert_string_equal(segue_difference_name((segue_difference_kind)i), names[i]);
}

/* ---- no memory ---- */

static segue_status verify_poorly(void *ctx)
{
    const verify_case *c = ctx;
    sweep w = {.options = {.page_docs = 2, .keep = true, .on_foreign_write = SEGUE_FOREIGN_NEWER}};
    segue_verified v = {0};
    segue_status st = sweep_try_open(&w, TWO_ENGINES, "");
    if (st == SEGUE_OK) st = scene_try_put(&w.s, P, c->p);
    if (st == SEGUE_OK) st = scene_try_put(&w.s, F, c->f);
    if (st == SEGUE_OK) st = sweep_try_begin(&w);
    if (st == SEGUE_OK) st = segue_migration_verify(w.m, 0, NULL, NULL, &v, &w.s.err);
    if (st == SEGUE_OK || (st == SEGUE_DIFFERENT && v.differences != 3)) fail_msg("%u differ", (unsigned)v.differences);
    if (st == SEGUE_DIFFERENT) st = SEGUE_OK;
    if (st == SEGUE_NO_MEMORY && w.m && !w.s.err.message[0]) fail_msg("no sentence");
    sweep_close(&w);
    return st;
}

/* What a repair keeps of a manifest is all there but for what it lets go. */
static segue_status repair_poorly(void *ctx)
{
    sweep w = {.options = {.hold_seal = true, .stale_ns = 1}};
    char remembered[TEXT_SIZE] = "[a c]";
    (void)ctx;
    segue_status st = sweep_try_open(&w, ONE_ENGINE, "");
    if (st == SEGUE_OK) st = scene_try_put(&w.s, F, "a10 b20 c30");
    if (st == SEGUE_OK) st = sweep_try_begin(&w);
    if (st == SEGUE_OK) st = segue_migration_run(w.m, &w.s.err);
    if (st == SEGUE_OK) st = try_erase_plainly(&w, P, "b");
    if (w.m) w.m->options.on_foreign_write = SEGUE_FOREIGN_PRIMARY;
    sweep_slept_ns += 2;
    if (st == SEGUE_OK) st = segue_migration_verify(w.m, SEGUE_VERIFY_REPAIR, NULL, NULL, NULL, &w.s.err);
    test_fault_heal(&test_memory);
    if (st == SEGUE_OK) show_manifests(&w, remembered);
    if (!strchr(remembered, 'a') || strchr(remembered, 'b') || !strchr(remembered, 'c')) fail_msg("%s", remembered);
    bool is_poor = st == SEGUE_NOT_FINISHED || (st != SEGUE_OK && strstr(w.s.err.message, "out of memory"));
    sweep_close(&w);
    return is_poor ? SEGUE_NO_MEMORY : st;
}

static void without_memory_it_says_so_and_leaks_nothing(void **state)
{
    (void)state;
    static verify_case poor[] = {{.p = "b15 c16", .f = "a10 b20 c30"}};
    test_do_without_each_allocation(verify_poorly, &poor[0]);
    test_do_without_each_allocation(repair_poorly, NULL);
}

int main(void)
{
    sweep_install();
    seg_sched_set(go_on);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_little_as_needed_is_read_in_order_of_key),
        cmocka_unit_test(a_damaged_manifest_is_named),
        cmocka_unit_test(a_manifest_that_changed_meanwhile_is_not_overwritten),
        cmocka_unit_test(a_slow_verification_shows_signs_of_life),
        cmocka_unit_test(a_repaired_copy_is_a_change_of_it),
        cmocka_unit_test(it_needs_a_policy_and_the_old_store),
        cmocka_unit_test(each_kind_of_difference_has_a_name),
        cmocka_unit_test(without_memory_it_says_so_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
