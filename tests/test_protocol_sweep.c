/* The rules of a migration, by name: the sweep, the seal, the clean step and the hand-over of counters against clients and
 * outsiders, whose steps are taken between two store calls. Played like the scenarios of test_protocol.c. */
#include "scenarios.h"

static void change_and_delete_k(world *w)
{
    MUST(set_doc(w, "k", "\"changed\""));
    MUST(delete_doc(w, "k"));
}

/* ---- the sweep against clients ---- */

static bool sweep_k_hooked(world *w, uint64_t *ret_foreign)
{
    segue_status st = sweep_between(w, w->fault_f, w->fault_p, "k", ret_foreign);
    world_heal(w);
    return w->taken && (st == SEGUE_OK || st == SEGUE_NOT_FOUND || st == SEGUE_NOT_FINISHED);
}

static bool change_and_delete_after_the_sweep_read(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, change_and_delete_k);
    return sweep_k_hooked(w, NULL) && is_gone(w, "k") && lists(w, "");
}

static bool change_and_delete_after_the_sweep_looked(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, PRIMARY, SEG_OP_GET | SEG_OP_SCAN, 1, true, change_and_delete_k);
    return sweep_k_hooked(w, NULL) && is_gone(w, "k") && lists(w, "");
}

static void change_k(world *w) { MUST(set_doc(w, "k", "\"changed\"")); }

static bool change_after_the_sweep_looked(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, PRIMARY, SEG_OP_GET | SEG_OP_SCAN, 1, true, change_k);
    return sweep_k_hooked(w, NULL) && shows(w, "k", "\"changed\"");
}

static void foreign_k(world *w) { put_doc(w, w->f, "k", "\"foreign\""); }

/* Somebody writes the fallback after the sweep has read it: seen, counted, and still there to be decided about. */
static bool foreign_write_during_the_sweep(world *w)
{
    uint64_t foreign = 0;
    put_doc(w, w->f, "k", "1");
    world_inject(w, PRIMARY, SEG_OP_PUT | SEG_OP_WRITE_MANY, 1, true, foreign_k);
    if (!sweep_k_hooked(w, &foreign) || foreign != 1) return false;
    return segue_get(w->f, K("k"), NULL, &w->doc, &w->err) == SEGUE_OK &&
           segue_slice_equal(w->doc.rec.body, K("\"foreign\""));
}

static bool sweep_of_a_rich_document(world *w)
{
    uint32_t expiry = put_rich_doc(w, w->f, "k");
    MUST(sweep_between(w, w->fault_f, w->fault_p, "k", NULL));
    return segue_get(w->p, K("k"), NULL, &w->doc, &w->err) == SEGUE_OK && w->doc.rec.n_xattrs == 2 &&
           has_xattr(w, "u", "2") && w->doc.rec.expiry == expiry && w->doc.rec.flags == 9 && w->doc.rec.revision == 5 &&
           w->doc.rec.is_json && (w->doc.rec.cas == 77) == keeps_cas(w);
}

/* ---- sealing and cleaning ---- */

/* The operator asks for the seal after this run, whatever it said. No document may get out of reach. */
static bool nothing_is_sealed_off(world *w, world_side side, unsigned ops, unsigned nth)
{
    segue_phase phase = SEGUE_PHASE_CLEAN;
    put_doc(w, w->f, "a", "1");
    put_doc(w, w->f, "b", "1");
    put_doc(w, w->f, "k", "1");
    segue_migration *m = open_migration(w, w->fault_f, w->fault_p, w->dual, move_all);
    world_fail(w, side, ops, nth, true, false, SEGUE_UNAVAILABLE);
    segue_status run = segue_migration_run(m, &w->err);
    bool fired = seg_fault_fired(side == PRIMARY ? w->fault_p : w->fault_f);
    world_heal(w);
    segue_status seal = segue_migration_seal(m, &w->err);
    close_migration(m);
    MUST(segue_dual_phase(w->dual, &phase));
    return fired && run != SEGUE_OK && seal == SEGUE_REFUSED && phase == SEGUE_PHASE_FORWARD && lists(w, "a b k") &&
           shows(w, "a", "1") && shows(w, "b", "1") && shows(w, "k", "1");
}

static bool seal_after_a_pass_with_errors(world *w) { return nothing_is_sealed_off(w, PRIMARY, SEG_OP_WRITE_MANY, 1); }

/* The first scans are the look for Segue's own records; the next page of the sweep's is never read. */
static bool seal_after_a_cut_pass(world *w) { return nothing_is_sealed_off(w, FALLBACK, SEG_OP_SCAN, 3); }

/* Somebody erases what was moved, out of the primary. */
static void lose_k(world *w)
{
    segue_call call = seg_call_new(w->p, 0, &w->err);
    MUST(segue_get_record(w->p, K("k"), NULL, &w->doc, &w->err));
    MUST(seg_call_erase(w->p, K("k"), w->doc.rec.cas, &call));
}

static bool seal_after_a_difference(world *w)
{
    segue_phase phase = SEGUE_PHASE_CLEAN;
    put_doc(w, w->f, "k", "1");
    segue_migration *m = open_migration(w, w->fault_f, w->fault_p, w->dual, move_all);
    world_inject(w, FALLBACK, SEG_OP_WRITE_MANY, 1, true, lose_k);
    segue_status run = segue_migration_run(m, &w->err);
    world_heal(w);
    segue_status seal = segue_migration_seal(m, &w->err);
    close_migration(m);
    MUST(segue_dual_phase(w->dual, &phase));
    return w->taken && run == SEGUE_DIFFERENT && seal == SEGUE_REFUSED && phase == SEGUE_PHASE_FORWARD;
}

/* The same two stores, opened by another process, whose clients may take so long. */
enum { ELSEWHERE_S = 5 };

static void finish_elsewhere(world *w)
{
    MUST(delete_doc(w, "k"));
    segue_migration *m = open_migration(w, w->stats_f, w->stats_p, w->dual, move_all);
    m->options.fence_ns = INT64_C(1000000000) * (ELSEWHERE_S + 1);
    MUST(segue_migration_run(m, &w->err));
    close_migration(m);
}

static bool clean_during_an_update_elsewhere(world *w)
{
    segue_store *mine = w->dual, *elsewhere = NULL;
    segue_dual_options options = {FORWARD};
    segue_update_options in_time = {.timeout_ns = INT64_C(1000000000) * ELSEWHERE_S};
    put_doc(w, w->f, "k", "1");
    MUST(segue_dual_open(w->fault_p, w->fault_f, &options, &elsewhere, &w->err));
    segue_close(mine);
    MUST(segue_dual_open(w->stats_p, w->stats_f, &options, &w->dual, &w->err));
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, finish_elsewhere);
    segue_status st = segue_update(elsewhere, K("k"), change_if_live, NULL, &in_time, NULL, &w->err);
    segue_close(elsewhere);
    world_heal(w);
    return w->taken && st == SEGUE_TIMEOUT && is_gone(w, "k");
}

static void delete_and_finish(world *w)
{
    MUST(delete_doc(w, "k"));
    segue_migration *m = open_migration(w, w->fault_f, w->fault_p, w->dual, move_all);
    try(segue_migration_run(m, &w->err)); /* it cannot wait for the update to end, which is its caller */
    try(segue_migration_clean(m, &w->err));
    close_migration(m);
}

static bool clean_during_an_update(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, delete_and_finish);
    MUST(update_k(w));
    world_heal(w);
    return w->taken && is_gone(w, "k");
}

/* ---- counters and what is remembered ---- */

static segue_status hand_over(world *w)
{
    segue_migration *m = open_migration(w, w->fault_f, w->fault_p, NULL, move_all);
    seg_swept swept = {0};
    segue_call call = seg_call_new(w->f, 0, &w->err);
    segue_status st = seg_counter_hand_over(m, K("c"), &swept, &call);
    seg_swept_clear(&swept);
    close_migration(m);
    world_heal(w);
    return st;
}

static uint64_t counter(world *w)
{
    uint64_t number = 0;
    MUST(get_doc(w, "c"));
    if (!seg_parse_u64(w->doc.rec.body, &number)) fail_msg("the counter is no number");
    return number;
}

static bool incr_c(world *w, segue_store *store)
{
    return segue_incr(store, K("c"), 1, NULL, segue_expiry_none(), NULL, NULL, &w->err) == SEGUE_OK;
}

static void both_increment(world *w)
{
    w->acked += incr_c(w, w->f); /* an outsider, who must be told if it is lost */
    w->acked += incr_c(w, w->dual);
}

static bool outsider_increments_during_the_hand_over(world *w)
{
    put_doc(w, w->f, "c", "5");
    world_inject(w, PRIMARY, SEG_OP_PUT, 1, true, both_increment);
    w->only_key = "c";
    MUST(hand_over(w));
    return w->taken && counter(w) == 5 + w->acked;
}

static bool counter_is_smaller_in_the_primary(world *w)
{
    put_doc(w, w->p, "c", "3");
    put_doc(w, w->f, "c", "5");
    MUST(hand_over(w));
    return counter(w) == 5;
}

static bool counter_is_greater_in_the_primary(world *w)
{
    put_doc(w, w->p, "c", "8");
    put_doc(w, w->f, "c", "5");
    MUST(hand_over(w));
    return counter(w) == 8;
}

/* What clients see of a counter while it is a pill is the counter, as it was. */
static bool pill_reads_as_the_counter(world *w, bool also_changes)
{
    segue_xattr x = {K("_a"), K("1")};
    segue_record rec = {
        .key = K("c"), .body = K("5"), .xattrs = &x, .n_xattrs = 1, .revision = 7, .cas = 77, .is_json = true};
    MUST(segue_put_record(w->f, &rec, 0, NULL, NULL, &w->err));
    MUST(get_doc(w, "c"));
    uint64_t cas = w->doc.rec.cas;
    seg_fault_plan stops = {.ops = SEG_OP_GET, .nth = 1, .status = SEGUE_UNAVAILABLE};
    seg_fault_set(w->fault_p, &stops); /* after the pill is there, before the primary has the number */
    if (hand_over(w) != SEGUE_UNAVAILABLE) return false;
    if (also_changes) MUST(segue_incr(w->dual, K("c"), 1, NULL, segue_expiry_none(), NULL, NULL, &w->err));
    uint64_t n = counter(w), revision = w->doc.rec.revision;
    return n == (also_changes ? 6 : 5) && revision == (also_changes ? 8 : 7) && w->doc.rec.n_xattrs == 1 &&
           has_xattr(w, "_a", "1") && w->doc.rec.is_json && (also_changes || w->doc.rec.cas == cas);
}

static bool pill_is_read(world *w) { return pill_reads_as_the_counter(w, false); }
static bool pill_is_incremented(world *w) { return pill_reads_as_the_counter(w, true); }

/* A record that was moved and is gone from the primary is missed by the verification. */
static bool moved_and_lost(world *w)
{
    segue_verified verified = {0};
    put_doc(w, w->f, "k", "1");
    segue_migration *m = open_migration(w, w->fault_f, w->fault_p, NULL, move_all);
    seg_swept swept = {0};
    segue_call call = seg_call_new(w->f, 0, &w->err);
    atomic_store(&m->next_manifest, 1); /* as a runner has it */
    MUST(seg_sweep_key(m, K("k"), &swept, &call));
    seg_swept_clear(&swept);
    MUST(segue_get_record(w->p, K("k"), NULL, &w->doc, &w->err));
    MUST(seg_call_erase(w->p, K("k"), w->doc.rec.cas, &call));
    segue_status st = segue_migration_verify(m, 0, NULL, NULL, &verified, &w->err);
    close_migration(m);
    return st == SEGUE_DIFFERENT && verified.differences == 1;
}

/* ---- the table ---- */

static const scenario scenarios[] = {
    {"sweep resurrects",
     "change and delete after the sweep read",
     change_and_delete_after_the_sweep_read,
     FORWARD,
     {"SWEEP_INSERT_ABSENT"}},
    {"sweep resurrects",
     "change and delete after the sweep looked",
     change_and_delete_after_the_sweep_looked,
     FORWARD,
     {"SWEEP_INSERT_ABSENT"}},
    {"sweep overwrites",
     "change after the sweep looked",
     change_after_the_sweep_looked,
     FORWARD,
     {"SWEEP_INSERT_ABSENT", "CLIENTS_SPARE_FALLBACK"}},
    {"lost write to F",
     "foreign write during the sweep",
     foreign_write_during_the_sweep,
     FORWARD,
     {"SWEEP_ERASE_BY_CAS"}},
    {"lost xattrs, TTL, flags, revision",
     "sweep of a rich document",
     sweep_of_a_rich_document,
     FORWARD,
     {"COPY_CARRIES_XATTRS", "COPY_CARRIES_EXPIRY", "COPY_CARRIES_FLAGS", "COPY_CARRIES_REVISION", "MOVE_KEEPS_CAS"}},
    {"seal after a cut pass", "a pass that was cut", seal_after_a_cut_pass, FORWARD, {"SEAL_NEEDS_FULL_PASS"}},
    {"seal after a cut pass", "a pass with errors", seal_after_a_pass_with_errors, FORWARD, {"SEAL_NEEDS_FULL_PASS"}},
    {"seal over a difference", "what was moved is gone", seal_after_a_difference, FORWARD, {"SEAL_NEEDS_VERIFY"}},
    {"purge before the fence",
     "clean during an update in another process",
     clean_during_an_update_elsewhere,
     FORWARD,
     {"FENCE_IS_WAITED"}},
    {"purge before the fence", "clean during an update", clean_during_an_update, FORWARD, {"PURGE_AFTER_FENCE"}},
    {"lost increment",
     "an outsider increments during the hand-over",
     outsider_increments_during_the_hand_over,
     FORWARD,
     {"PILL_FIRST"}},
    {"lost increment",
     "the counter is smaller in the primary",
     counter_is_smaller_in_the_primary,
     FORWARD,
     {"COUNTER_NEVER_LOWER"}},
    {"lost increment", "the counter is greater in the primary", counter_is_greater_in_the_primary, FORWARD, {NULL}},
    {"pill", "reads as the counter", pill_is_read, FORWARD, {NULL}},
    {"pill", "is incremented as the counter", pill_is_incremented, FORWARD, {NULL}},
    {"unnoticed loss", "moved and lost", moved_and_lost, FORWARD, {"MANIFEST_FIRST"}},
};
enum { N_SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static void every_rule_is_missed(void **state)
{
    (void)state;
    must_guard(scenarios, N_SCENARIOS, "SWEEP");
}

int main(void) { return run_scenarios("protocol of the sweep", scenarios, N_SCENARIOS, every_rule_is_missed); }
