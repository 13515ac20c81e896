/* The steps of a migration and what must hold before each: clients that are led from phase to phase and waited for, proofs,
 * other migrations in the way, and damaged records. */
#include "steps_scene.h"

/* ---- clients that are waited for ---- */

static segue_status repair(const held *h)
{
    segue_migration *m = NULL;
    assert_ok(segue_migration_open(NULL, NULL, &h->s.options, &m, &test_err));
    segue_status st = segue_migration_verify(m, SEGUE_VERIFY_REPAIR, NULL, NULL, NULL, &test_err);
    segue_migration_close(m);
    return st;
}

static void a_hold_that_does_not_drain_lets_the_clients_go_on(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_LEGACY);
    enter(&h, true);
    assert_status(run_in_vain(&h), SEGUE_TIMEOUT);
    says("has not ended");
    phase_is(&h, SEGUE_PHASE_LEGACY);
    assert_int_equal(stage_of(&h.s), SEGUE_STAGE_STARTING);
    assert_body(h.s.from, "n:counter", "41");
    assert_status(repair(&h), SEGUE_REFUSED); /* clients are in legacy */
    says("not begun to move");
    leave(&h);
    assert_ok(segue_set(h.dual, K("d:00"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_body(h.s.from, "d:00", "1");
    assert_ok(run_scene(&h.s));
    assert_body(h.s.to, "d:00", "1");
    phase_is(&h, SEGUE_PHASE_CLEAN);
    end_held(&h);
}

static held *sleeping;
static segue_call reading;

/* While the run waits, somebody begins to read. */
static void enter_and_sleep(void *ctx, int64_t ns)
{
    if (!reading.env) {
        reading = seg_call_new(sleeping->dual, 0, &test_err);
        assert_ok(seg_call_begin(sleeping->dual, false, &reading));
    }
    scene_sleep_ns(ctx, ns);
}

static void who_reads_during_a_hold_does_not_keep_it_from_being_given_up(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_LEGACY);
    sleeping = &h;
    reading = (segue_call){0};
    enter(&h, true);
    h.dual->env.sleep_ns = enter_and_sleep;
    assert_status(run_in_vain(&h), SEGUE_TIMEOUT);
    phase_is(&h, SEGUE_PHASE_LEGACY);
    leave(&h);
    seg_call_end(h.dual, &reading);
    assert_ok(run_scene(&h.s));
    end_held(&h);
}

static void enter_during_hold(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    held *h = ctx;
    (void)op;
    if (after || count != 1) return;
    assert_true(segue_slice_equal(key, K("n:counter")));
    phase_is(h, SEGUE_PHASE_HOLD); /* while counters are handed over nobody writes */
    atomic_fetch_add(&scene_ns, 7);
    enter(h, false);
}

static void forward_waits_for_who_is_inside(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_LEGACY);
    seg_fault_plan plan = {.ops = SEG_OP_GET, .hook = enter_during_hold, .hook_ctx = &h};
    seg_fault_set(h.s.fault_from, &plan);
    int64_t began = atomic_load(&scene_ns);
    assert_status(run_in_vain(&h), SEGUE_TIMEOUT);
    says("has not ended");
    assert_int_equal(stage_of(&h.s), SEGUE_STAGE_STARTING);
    phase_is(&h, SEGUE_PHASE_FORWARD);
    segue_migration_status status = read_status(&h.s);
    assert_int_equal(status.hold_ns, atomic_load(&scene_ns) - began);
    assert_non_null(strstr(status.last_error, "has not ended"));
    segue_migration_status_free(&status);
    heal(&h.s);
    leave(&h);
    assert_ok(run_scene(&h.s));
    end_held(&h);
}

/* Two things go wrong: the first is said, the clients are led on all the same. */
static void what_failed_first_is_said(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_LEGACY);
    seg_fault_plan plan = {
        .ops = SEG_OP_GET, .nth = 1, .status = SEGUE_IO_ERROR, .hook = enter_during_hold, .hook_ctx = &h};
    seg_fault_set(h.s.fault_from, &plan);
    assert_status(run_in_vain(&h), SEGUE_IO_ERROR);
    says("injected failure");
    phase_is(&h, SEGUE_PHASE_FORWARD);
    heal(&h.s);
    leave(&h);
    test_err = (segue_error){0};
    assert_ok(run_scene(&h.s));
    assert_string_equal(test_err.message, ""); /* written on failure only */
    end_held(&h);
}

/* Nobody has to listen. */
static void a_failure_needs_no_listener(void **state)
{
    (void)state;
    mscene s;
    segue_migration *m = NULL;
    begin_scene(&s, MEM_TWO);
    assert_ok(segue_migration_open(s.from, s.to, &s.options, &m, &test_err));
    assert_status(segue_migration_seal(m, NULL), SEGUE_NOT_FOUND);
    assert_status(segue_migration_clean(m, NULL), SEGUE_NOT_FOUND);
    segue_migration_cancel(m);
    assert_status(segue_migration_run(m, NULL), SEGUE_NOT_FINISHED);
    segue_migration_close(m);
    end_scene(&s);
}

static void without_clients_nothing_is_held(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_TWO);
    assert_ok(run_scene(&s));
    segue_migration_status status = read_status(&s);
    assert_int_equal(status.hold_ns, 0);
    segue_migration_status_free(&status);
    end_scene(&s);
}

/* An operation from before the seal may still insert what it has read in the fallback: the tombstone that would keep it from
 * that must be there until it has ended, however often the run is begun again. */
static void nothing_is_purged_while_an_operation_from_before_the_seal_is_inside(void **state)
{
    (void)state;
    for (int by = 0; by < 2; by++) {
        held h;
        begin_held(&h, SEGUE_PHASE_FORWARD);
        assert_ok(segue_delete(h.dual, K("d:03"), NULL, &test_err));
        h.s.options.hold_seal = true;
        assert_ok(run_scene(&h.s));
        h.s.options.hold_seal = false;
        enter(&h, true);
        for (int i = 0; i < 3; i++) {
            scene_sleeps_count = true;
            segue_status st = by ? by_hand(&h.s, segue_migration_seal) : run_scene(&h.s);
            scene_sleeps_count = false;
            if (st != SEGUE_TIMEOUT) fail_msg("round %d: %s", i, segue_status_name(st));
            says("has not ended");
            assert_true(stage_of(&h.s) < SEGUE_STAGE_SEALED);
            assert_body(h.s.to, "d:03", "(a tombstone)");
            assert_true(count_manifests(&h.s) > 0);
        }
        leave(&h);
        assert_ok(run_scene(&h.s));
        assert_false(is_at(h.s.to, "d:03"));
        phase_is(&h, SEGUE_PHASE_CLEAN);
        end_held(&h);
    }
}

/* Sealed by another process: the clients of this one have to follow, and end, before anything is erased. */
static void who_seals_or_cleans_what_is_sealed_waits_for_its_clients(void **state)
{
    (void)state;
    for (int cleans = 0; cleans < 2; cleans++) {
        held h;
        begin_held(&h, SEGUE_PHASE_FORWARD);
        h.s.options.dual = NULL;
        h.s.options.hold_clean = true;
        assert_ok(run_scene(&h.s));
        h.s.options.dual = h.dual;
        enter(&h, true);
        scene_sleeps_count = true;
        for (int i = 0; i < 2; i++)
            assert_status(by_hand(&h.s, cleans ? segue_migration_clean : segue_migration_seal), SEGUE_TIMEOUT);
        scene_sleeps_count = false;
        assert_true(count_manifests(&h.s) > 0);
        leave(&h);
        assert_ok(by_hand(&h.s, cleans ? segue_migration_clean : segue_migration_seal));
        phase_is(&h, cleans ? SEGUE_PHASE_CLEAN : SEGUE_PHASE_SEALED);
        end_held(&h);
    }
}

/* ---- what a run may go on with ---- */

/* Refused with such a sentence, and nothing is changed. */
static void is_refused(mscene *s, segue_store *from, segue_store *to, const char *word, const char *second_word)
{
    size_t before = count_records(s->from);
    assert_status(run_between(s, from, to), SEGUE_REFUSED);
    says(word);
    says(second_word);
    assert_int_equal(count_records(s->from), before);
}

static void forget_urls(seg_status *status) { status->from.size = status->to.size = 0; }

static void one_side_that_differs_is_another_migration(void **state)
{
    (void)state;
    mscene s;
    segue_store *other = NULL;
    begin_scene(&s, MEM_TWO);
    assert_ok(segue_open("mem:other", NULL, &other, &test_err));
    s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    is_refused(&s, other, s.to, s.from_url, s.to_url);
    says("go on with it under the same URLs");
    assert_ok(run_scene(&s));
    /* Where the record lies does not say where it was: its copy names the other primary. */
    SEG_AUTO(segue_doc) doc = {0};
    segue_call call = seg_call_new(s.to, 0, &test_err);
    assert_ok(seg_call_get(s.to, K("_segue:migration:default"), &doc, &call));
    segue_put put = {.rec = doc.rec, .condition = SEGUE_IF_ABSENT};
    assert_ok(seg_call_put(other, &put, NULL, &call));
    is_refused(&s, s.from, other, s.from_url, s.to_url);
    edit_status(&s, forget_urls);
    is_refused(&s, s.from, s.to, "from ? to ?", "not finished");
    segue_close(other);
    end_scene(&s);
}

/* Sealed in this process, and the record could not be written any more: it can only go on, under whatever policy, and without
 * another sweep. */
static void a_seal_that_was_begun_is_gone_on_with(void **state)
{
    (void)state;
    held h;
    segue_policy *other = NULL;
    begin_held(&h, SEGUE_PHASE_FORWARD);
    h.s.options.hold_seal = true;
    assert_ok(run_scene(&h.s));
    h.s.options.hold_seal = false;
    assert_ok(segue_policy_parse(K("{\"unmatched\":\"move\",\"rules\":[]}"), &other, &test_err));
    h.s.options.policy = other;
    is_refused(&h.s, h.s.fault_from, h.s.fault_to, "another policy", "default");
    h.s.options.policy = h.s.policy;
    seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = 3, .persistent = true, .status = SEGUE_IO_ERROR};
    seg_fault_set(h.s.fault_to, &plan); /* after the claim and "sealing" */
    assert_status(by_hand(&h.s, segue_migration_seal), SEGUE_IO_ERROR);
    heal(&h.s);
    pass_time(20 * SECOND);
    assert_int_equal(stage_of(&h.s), SEGUE_STAGE_SEALING);
    phase_is(&h, SEGUE_PHASE_SEALED);
    h.s.options.policy = other;
    h.s.options.hold_clean = true;
    seg_fault_plan scans = {.ops = SEG_OP_SCAN};
    seg_fault_set(h.s.fault_from, &scans);
    assert_ok(run_scene(&h.s));
    assert_int_equal(seg_fault_count(h.s.fault_from), 1); /* for Segue's own records */
    assert_true(is_at(h.s.from, "other"));
    assert_int_equal(stage_of(&h.s), SEGUE_STAGE_SEALED);
    segue_policy_free(other);
    end_held(&h);
}

static void clients_that_are_ahead_are_not_led_back(void **state)
{
    (void)state;
    held h;
    begin_held(&h, SEGUE_PHASE_SEALED);
    assert_status(run_scene(&h.s), SEGUE_REFUSED);
    says("the dual store is sealed already");
    assert_int_equal(count_records(h.s.to), 0);
    phase_is(&h, SEGUE_PHASE_SEALED);
    end_held(&h);
}

static void one_that_is_cancelled_before_it_begins_holds_nobody(void **state)
{
    (void)state;
    held h;
    segue_migration *m = NULL;
    begin_held(&h, SEGUE_PHASE_LEGACY);
    h.s.options.stale_ns = 0;
    assert_ok(segue_migration_open(NULL, NULL, &h.s.options, &m, &test_err));
    /* The looks before it can be stopped, too; here the last call of them is over. */
    seg_fault_plan plan = {.ops = SEG_OP_PUT, .hook = cancel_it, .hook_ctx = m};
    seg_fault_set(h.s.fault_to, &plan);
    assert_status(segue_migration_run(m, &test_err), SEGUE_NOT_FINISHED);
    says("was stopped");
    heal(&h.s);
    phase_is(&h, SEGUE_PHASE_LEGACY);
    assert_int_equal(stage_of(&h.s), SEGUE_STAGE_STARTING);
    assert_body(h.s.from, "n:counter", "41");
    segue_migration_close(m);
    end_held(&h);
}

/* Other migrations' records: one that goes while it is looked at, one that is damaged. */
static void erase_the_other(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    const mscene *s = ctx;
    SEG_AUTO(segue_doc) doc = {0};
    (void)op, (void)key;
    segue_call call = seg_call_new(s->to, 0, &test_err);
    if (!after || count != 1) return;
    assert_ok(seg_call_get(s->to, K("_segue:migration:other"), &doc, &call));
    assert_ok(seg_call_erase(s->to, K("_segue:migration:other"), doc.rec.cas, &call));
}

static void another_migration_that_cannot_be_understood_is_in_the_way(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_TWO);
    segue_call call = seg_call_new(s.to, 0, &test_err);
    segue_put put = {.rec = {.key = K("_segue:migration:other"), .body = K("{}"), .is_json = true, .revision = 1}};
    assert_ok(seg_call_put(s.to, &put, NULL, &call));
    assert_status(run_scene(&s), SEGUE_CORRUPT);
    says("_segue:migration:other");
    assert_int_equal(count_records(s.to), 0);
    seg_fault_plan plan = {.ops = SEG_OP_SCAN, .hook = erase_the_other, .hook_ctx = &s};
    seg_fault_set(s.fault_to, &plan);
    assert_ok(run_scene(&s)); /* it is gone before it is read */
    end_scene(&s);
}

/* Segue's own record of the way here is no record of the way back. */
static void what_is_counted_before_is_what_is_moved(void **state)
{
    (void)state;
    mscene s;
    segue_policy *all = NULL;
    begin_scene(&s, MEM_TWO);
    use_own_time(&s);
    s.options.count_first = true;
    assert_ok(run_scene(&s));
    segue_migration_status status = read_status(&s);
    assert_int_equal(status.total, N_MOVED + N_DROPPED);
    assert_int_equal(status.started_s, 1800000000 + atomic_load(&scene_ns) / SECOND);
    assert_int_equal(status.finished_s, status.started_s);
    segue_migration_status_free(&status);
    assert_ok(segue_policy_parse(K("{\"unmatched\":\"move\",\"rules\":[]}"), &all, &test_err));
    s.options.policy = all;
    assert_ok(run_between(&s, s.fault_to, s.fault_from));
    assert_ok(segue_migration_status_read(s.from, NULL, &status, &test_err));
    assert_int_equal(status.total, N_MOVED);
    assert_int_equal(status.counts.moved, N_MOVED);
    segue_migration_status_free(&status);
    segue_policy_free(all);
    end_scene(&s);
}

/* What is counted before costs keys, and no bodies. */
static void counting_before_reads_keys_only(void **state)
{
    (void)state;
    unsigned scans[2];
    static char body[1000];
    memset(body, '1', sizeof body);
    for (int counts = 0; counts < 2; counts++) {
        mscene s;
        char key[16];
        begin_scene(&s, MEM_TWO);
        for (unsigned i = 0; i < 10; i++) {
            (void)snprintf(key, sizeof key, "d:x%u", i); /* fits */
            assert_ok(
                segue_add(s.from, K(key), segue_bytes(body, sizeof body), segue_expiry_none(), NULL, NULL, &test_err));
        }
        s.options.workers = 1;
        s.options.page_docs = 1000;
        s.options.page_bytes = 2500;
        s.options.count_first = counts;
        seg_fault_plan plan = {.ops = SEG_OP_SCAN};
        seg_fault_set(s.fault_from, &plan);
        assert_ok(run_scene(&s));
        scans[counts] = seg_fault_count(s.fault_from);
        end_scene(&s);
    }
    if (scans[1] != scans[0] + 1) fail_msg("%u scans, %u with counting", scans[0], scans[1]);
}

static void a_run_repairs_nothing(void **state)
{
    (void)state;
    mscene s;
    SEG_AUTO(segue_doc) doc = {0};
    begin_scene(&s, MEM_TWO);
    s.options.keep = s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    s.options.hold_seal = false;
    assert_ok(segue_get_record(s.to, K("d:04"), NULL, &doc, &test_err));
    doc.rec.body = K("\"damaged\"");
    put_rec(s.to, &doc.rec); /* under the same CAS */
    assert_status(run_scene(&s), SEGUE_DIFFERENT);
    says("found 1 difference, so nothing is sealed");
    assert_body(s.to, "d:04", "\"damaged\"");
    assert_int_equal(stage_of(&s), SEGUE_STAGE_VERIFYING);
    end_scene(&s);
}

/* What is to become of foreign writes is settled for all of them or asked for again. */
static void foreign_writes_are_forgotten_when_all_are_settled(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_TWO);
    s.options.workers = 1;
    s.options.page_docs = 100;
    s.options.hold_seal = true;
    seg_fault_plan behind = {.ops = SEG_OP_WRITE_MANY, .hook = write_two_behind, .hook_ctx = &s};
    seg_fault_set(s.fault_from, &behind);
    assert_status(run_scene(&s), SEGUE_NOT_FINISHED);
    heal(&s);
    s.options.on_foreign_write = SEGUE_FOREIGN_NEWER;
    seg_fault_plan second = {.ops = SEG_OP_ERASE, .nth = 3, .status = SEGUE_IO_ERROR}; /* after the probe and d:00's */
    seg_fault_set(s.fault_from, &second);
    assert_status(run_scene(&s), SEGUE_IO_ERROR);
    segue_migration_status status = read_status(&s);
    assert_int_equal(status.n_foreign_keys, 2);
    assert_int_equal(status.done, 1);
    segue_migration_status_free(&status);
    heal(&s);
    assert_ok(run_scene(&s));
    status = read_status(&s);
    assert_int_equal(status.n_foreign_keys, 0);
    segue_migration_status_free(&status);
    assert_body(s.to, "d:01", "1");
    end_scene(&s);
}

/* ---- proofs ---- */

static void forget_the_proof(seg_status *status) { status->proof[0] = '\0'; }
static void proof_of_another(seg_status *status) { status->proof[0] ^= 1; }
static void nobodys_proof(seg_status *status) { status->proof[0] = status->run_id[0] = '\0'; }
static void too_early(seg_status *status) { status->stage = SEGUE_STAGE_VERIFYING; }

static void a_seal_needs_the_proof_of_this_very_run(void **state)
{
    (void)state;
    static void (*const edits[])(seg_status *) = {forget_the_proof, proof_of_another, nobodys_proof, too_early};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        mscene s;
        begin_scene(&s, MEM_TWO);
        s.options.hold_seal = true;
        assert_ok(run_scene(&s));
        edit_status(&s, edits[i]);
        segue_stage before = stage_of(&s);
        segue_status st = by_hand(&s, segue_migration_seal);
        if (st != SEGUE_REFUSED) fail_msg("edit %zu: %s", i, segue_status_name(st));
        says("it takes a full sweep without errors");
        assert_int_equal(stage_of(&s), before);
        end_scene(&s);
    }
}

/* A proof says nothing any more when the next sweep has begun. */
static void a_new_sweep_voids_the_proof(void **state)
{
    (void)state;
    mscene s;
    seg_status status = {0};
    begin_scene(&s, MEM_OWN_CAS);
    s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    segue_call call = seg_call_new(s.to, 0, &test_err);
    assert_ok(seg_status_load(s.to, "default", &status, &call));
    assert_string_equal(status.proof, status.run_id);
    assert_false(status.keep_cas);
    seg_status_free(&status);
    seg_fault_plan plan = {.ops = SEG_OP_SCAN, .nth = 2, .status = SEGUE_IO_ERROR};
    seg_fault_set(s.fault_from, &plan);
    assert_status(run_scene(&s), SEGUE_IO_ERROR);
    assert_ok(seg_status_load(s.to, "default", &status, &call));
    assert_string_equal(status.proof, "");
    seg_status_free(&status);
    end_scene(&s);
}

static void the_record_says_whether_the_primary_keeps_a_cas(void **state)
{
    (void)state;
    mscene s;
    seg_status status = {0};
    begin_scene(&s, MEM_TWO);
    s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    segue_call call = seg_call_new(s.to, 0, &test_err);
    assert_ok(seg_status_load(s.to, "default", &status, &call));
    assert_true(status.keep_cas);
    seg_status_free(&status);
    end_scene(&s);
}

static void a_step_by_hand_needs_a_migration_that_is_so_far(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_TWO);
    assert_status(by_hand(&s, segue_migration_seal), SEGUE_NOT_FOUND);
    says("knows of no migration \"default\"");
    says(s.to_url);
    s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    assert_status(by_hand(&s, segue_migration_clean), SEGUE_REFUSED);
    says("is verified; it must be sealed before it is cleaned");
    assert_int_equal(stage_of(&s), SEGUE_STAGE_VERIFIED);
    assert_ok(by_hand(&s, segue_migration_seal));
    assert_ok(by_hand(&s, segue_migration_clean));
    assert_ok(by_hand(&s, segue_migration_clean));
    assert_status(by_hand(&s, segue_migration_seal), SEGUE_REFUSED);
    says("is clean already");
    end_scene(&s);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_hold_that_does_not_drain_lets_the_clients_go_on),
        IN_FOLDER(who_reads_during_a_hold_does_not_keep_it_from_being_given_up),
        IN_FOLDER(forward_waits_for_who_is_inside),
        IN_FOLDER(what_failed_first_is_said),
        IN_FOLDER(a_failure_needs_no_listener),
        IN_FOLDER(without_clients_nothing_is_held),
        IN_FOLDER(nothing_is_purged_while_an_operation_from_before_the_seal_is_inside),
        IN_FOLDER(who_seals_or_cleans_what_is_sealed_waits_for_its_clients),
        IN_FOLDER(one_side_that_differs_is_another_migration),
        IN_FOLDER(a_seal_that_was_begun_is_gone_on_with),
        IN_FOLDER(clients_that_are_ahead_are_not_led_back),
        IN_FOLDER(one_that_is_cancelled_before_it_begins_holds_nobody),
        IN_FOLDER(another_migration_that_cannot_be_understood_is_in_the_way),
        IN_FOLDER(what_is_counted_before_is_what_is_moved),
        IN_FOLDER(counting_before_reads_keys_only),
        IN_FOLDER(a_run_repairs_nothing),
        IN_FOLDER(foreign_writes_are_forgotten_when_all_are_settled),
        IN_FOLDER(a_seal_needs_the_proof_of_this_very_run),
        IN_FOLDER(a_new_sweep_voids_the_proof),
        IN_FOLDER(the_record_says_whether_the_primary_keeps_a_cas),
        IN_FOLDER(a_step_by_hand_needs_a_migration_that_is_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
