/* What must be impossible on a dual store, by name (docs/protocol.md, section 3). Each scenario is played with the other
 * party's step taken between two store calls, on primaries and fallbacks of several capabilities; it must hold with all
 * rules on, and must break somewhere when a rule that guards it is switched off. A rule that no scenario misses fails too. */
#include "world.h"

#include "base/rules.h"
#include "migrate/migration.h"

/* ---- the sweep ---- */

static segue_migration *open_migration(world *w, segue_store *from, segue_store *to, segue_store *dual,
                                       const char *policy)
{
    segue_policy *p = NULL; /* freed by close_migration */
    segue_migration *m = NULL;
    MUST(segue_policy_parse(K(policy), &p, &w->err));
    segue_migration_options options = {
        .policy = p, .dual = dual, .workers = 1, .page_docs = 2, .max_passes = 3, .drain_ns = 5000000};
    MUST(segue_migration_open(from, to, &options, &m, &w->err));
    return m;
}

static void close_migration(segue_migration *m)
{
    union {
        const segue_policy *borrowed;
        segue_policy *mine;
    } policy = {m->policy};
    segue_migration_close(m);
    segue_policy_free(policy.mine);
}

static const char move_all[] = "{\"unmatched\":\"move\",\"rules\":[{\"key\":\"c\",\"action\":\"counter\"}]}";

/* The sweep's own step for one key, between these two stores. Foreign writes that it met are counted. */
static segue_status sweep_between(world *w, segue_store *from, segue_store *to, const char *key, uint64_t *ret_foreign)
{
    segue_migration *m = open_migration(w, from, to, NULL, move_all);
    seg_swept swept = {0};
    segue_call call = seg_call_new(from, 0, &w->err);
    segue_status st = seg_sweep_key(m, K(key), &swept, &call);
    if (ret_foreign) *ret_foreign = swept.counts.foreign_writes;
    seg_swept_clear(&swept);
    close_migration(m);
    return st;
}

/* ---- steps of other parties ---- */

static void sweep_key(world *w, const char *key)
{
    try(sweep_between(w, w->stats_f, w->stats_p, key, NULL)); /* it may be gone from the fallback already */
}

static void sweep_k(world *w) { sweep_key(w, "k"); }
static void sweep_b(world *w) { sweep_key(w, "b"); }
static void delete_k(world *w) { (void)delete_doc(w, "k"); /* whether it could shows at the end */ }

static void change_and_delete_k(world *w)
{
    MUST(set_doc(w, "k", "\"changed\""));
    MUST(delete_doc(w, "k"));
}

static void change_delete_and_purge_k(world *w)
{
    uint64_t n = 0;
    change_and_delete_k(w);
    try(segue_purge_tombstones(w->dual, &n, &w->err)); /* refused, or the scenario breaks */
}

/* ---- clients ---- */

/* Changes a live document, leaves everything else alone. */
static segue_status change_if_live(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx;
    if (!current || current->is_tombstone) return SEGUE_OK;
    m->body_op = SEGUE_BODY_SET;
    m->body = K("\"mine\"");
    return SEGUE_OK;
}

static segue_status update_k(world *w)
{
    return segue_update(w->dual, K("k"), change_if_live, NULL, NULL, NULL, &w->err);
}

static segue_status incr_k(world *w, uint64_t *ret_value)
{
    return segue_incr(w->dual, K("k"), 1, NULL, segue_expiry_none(), NULL, ret_value, &w->err);
}

static segue_status incr_k_in_time(world *w)
{
    segue_options soon = {2000000};
    return segue_incr(w->dual, K("k"), 1, NULL, segue_expiry_none(), &soon, NULL, &w->err);
}

static bool keeps_cas(const world *w) { return segue_store_caps(w->stats_p) & SEGUE_CAP_KEEP_CAS; }

/* ---- false not-found ---- */

static bool get_while_it_moves(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, PRIMARY, SEG_OP_GET, 1, true, sweep_k);
    return shows(w, "k", "1");
}

static bool incr_while_it_moves(world *w)
{
    uint64_t value = 0;
    put_doc(w, w->f, "k", "5");
    world_inject(w, PRIMARY, SEG_OP_GET | SEG_OP_MUTATE, 1, true, sweep_k);
    return incr_k(w, &value) == SEGUE_OK && value == 6;
}

/* ---- resurrected delete, unreachable delete, double create ---- */

static bool delete_after_change(world *w)
{
    put_doc(w, w->f, "k", "1");
    MUST(set_doc(w, "k", "2"));
    MUST(delete_doc(w, "k"));
    return is_gone(w, "k") && lists(w, "");
}

static bool delete_of_the_fallback_only(world *w)
{
    put_doc(w, w->f, "k", "1");
    put_doc(w, w->f, "j", "1");
    MUST(get_doc(w, "j"));
    uint64_t cas = w->doc.rec.cas;
    return delete_doc(w, "k") == SEGUE_OK && is_gone(w, "k") &&
           segue_remove(w->dual, K("j"), cas, NULL, NULL, &w->err) == SEGUE_OK && is_gone(w, "j") && lists(w, "");
}

static bool add_of_the_fallback_only(world *w)
{
    put_doc(w, w->f, "k", "1");
    segue_status st = segue_add(w->dual, K("k"), K("2"), segue_expiry_none(), NULL, NULL, &w->err);
    segue_call call = seg_call_new(w->dual, 0, &w->err);
    segue_put put = {.rec = {.key = K("k"), .body = K("3"), .revision = 1}, .condition = SEGUE_IF_ABSENT};
    MUST(seg_call_begin(w->dual, true, &call));
    segue_status slot = seg_call_put(w->dual, &put, NULL, &call);
    seg_call_end(w->dual, &call);
    return st == SEGUE_EXISTS && slot == SEGUE_EXISTS && shows(w, "k", "1");
}

/* ---- lost delete, ABA insert ---- */

static bool delete_during_an_update(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, delete_k);
    MUST(update_k(w));
    return is_gone(w, "k");
}

static bool delete_during_an_append(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, delete_k);
    return segue_append(w->dual, K("k"), K("2"), NULL, NULL, &w->err) == SEGUE_NOT_FOUND && is_gone(w, "k");
}

static bool change_and_delete_during_an_update(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, change_and_delete_k);
    MUST(update_k(w));
    return is_gone(w, "k");
}

static bool purge_during_an_update(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, change_delete_and_purge_k);
    MUST(update_k(w));
    return is_gone(w, "k");
}

/* A purge in forward would bring the fallback's old value back. */
static bool purge_after_a_delete(world *w)
{
    put_doc(w, w->f, "k", "1");
    change_delete_and_purge_k(w);
    return is_gone(w, "k");
}

/* ---- what a copy carries ---- */

static bool change_of_a_rich_document(world *w)
{
    segue_xattr xattrs[] = {{K("_sync"), K("{\"rev\":1}")}, {K("u"), K("2")}};
    uint32_t expiry = (uint32_t)seg_wall_s(&w->env) + 5000;
    segue_record rec = {.key = K("k"),
                        .body = K("1"),
                        .xattrs = xattrs,
                        .n_xattrs = 2,
                        .revision = 5,
                        .cas = 77,
                        .expiry = expiry,
                        .flags = 9,
                        .is_json = true};
    MUST(segue_put_record(w->f, &rec, 0, NULL, NULL, &w->err));
    MUST(segue_append(w->dual, K("k"), K("2"), NULL, NULL, &w->err));
    return shows(w, "k", "12") && w->doc.rec.n_xattrs == 2 && has_xattr(w, "_sync", "{\"rev\":1}") &&
           has_xattr(w, "u", "2") && w->doc.rec.expiry == expiry && w->doc.rec.flags == 9 && w->doc.rec.revision == 6;
}

/* ---- writes that would ignore the fallback ---- */

static bool touch_of_the_fallback_only(world *w)
{
    put_doc(w, w->f, "k", "1");
    return segue_touch(w->dual, K("k"), segue_expiry_in(500), NULL, NULL, &w->err) == SEGUE_OK && shows(w, "k", "1") &&
           w->doc.rec.expiry != 0;
}

static bool xattrs_of_the_fallback_only(world *w)
{
    segue_xattr x = {K("_a"), K("1")};
    put_doc(w, w->f, "k", "1");
    return segue_xattrs_set(w->dual, K("k"), &x, 1, NULL, NULL, &w->err) == SEGUE_OK && shows(w, "k", "1") &&
           has_xattr(w, "_a", "1");
}

static bool counter_of_the_fallback_only(world *w)
{
    uint64_t value = 0, initial = 100;
    put_doc(w, w->f, "k", "5");
    return segue_incr(w->dual, K("k"), 1, &initial, segue_expiry_none(), NULL, &value, &w->err) == SEGUE_OK &&
           value == 6;
}

/* ---- token confusion ---- */

/* Where the primary cannot keep a CAS, one of its own may by chance equal one that the fallback gave out. */
static bool token_of_the_fallback_on_another_document(world *w)
{
    uint64_t plain = put_doc(w, w->f, "k", "1");
    MUST(get_doc(w, "k"));
    uint64_t token = w->doc.rec.cas;
    if (keeps_cas(w)) return token == plain;
    segue_record other = {.key = K("k"), .body = K("\"theirs\""), .cas = plain, .revision = 2};
    MUST(segue_put_record(w->p, &other, 0, NULL, NULL, &w->err));
    segue_status st = segue_write_cas(w->dual, K("k"), token, K("2"), segue_expiry_none(), 0, NULL, NULL, &w->err);
    return st == SEGUE_CAS_MISMATCH && shows(w, "k", "\"theirs\"");
}

/* A caller that holds a CAS over a move: the same where it can be kept, else a mismatch and never a lost write. */
static bool token_over_a_move(world *w)
{
    put_doc(w, w->f, "k", "1");
    MUST(get_doc(w, "k"));
    uint64_t token = w->doc.rec.cas;
    sweep_k(w);
    MUST(get_doc(w, "k"));
    if (keeps_cas(w) != (w->doc.rec.cas == token)) return false;
    segue_status st = segue_write_cas(w->dual, K("k"), token, K("2"), segue_expiry_none(), 0, NULL, NULL, &w->err);
    return st == (keeps_cas(w) ? SEGUE_OK : SEGUE_CAS_MISMATCH) && shows(w, "k", keeps_cas(w) ? "2" : "1");
}

static bool cas_goes_on_from_the_fallback(world *w)
{
    segue_record ahead = {
        .key = K("k"), .body = K("1"), .cas = (seg_wall_s(&w->env) + 1000) * 1000000000, .revision = 1};
    MUST(segue_put_record(w->f, &ahead, 0, NULL, NULL, &w->err));
    MUST(segue_append(w->dual, K("k"), K("2"), NULL, &w->cas, &w->err));
    return w->cas > ahead.cas && shows(w, "k", "12");
}

/* ---- scan gap ---- */

static bool scan_while_it_moves(world *w)
{
    put_doc(w, w->f, "a", "1");
    put_doc(w, w->f, "b", "1");
    put_doc(w, w->p, "c", "1");
    world_inject(w, EITHER, SEG_OP_SCAN, 1, true, sweep_b);
    return lists(w, "a b c");
}

static bool scan_of_a_deleted_one(world *w)
{
    put_doc(w, w->f, "a", "1");
    put_doc(w, w->f, "b", "1");
    MUST(delete_doc(w, "a"));
    return lists(w, "b");
}

/* ---- dead fallback, dead primary ---- */

static bool fallback_fails_for_a_moment(world *w)
{
    put_doc(w, w->f, "k", "1");
    put_doc(w, w->p, "there", "1");
    world_fail(w, FALLBACK, 0, 1, true, false, SEGUE_UNAVAILABLE);
    bool held = get_doc(w, "k") == SEGUE_UNAVAILABLE && shows(w, "there", "1") && update_k(w) == SEGUE_UNAVAILABLE;
    uint64_t initial = 100;
    held = held &&
           segue_incr(w->dual, K("k"), 1, &initial, segue_expiry_none(), NULL, NULL, &w->err) == SEGUE_UNAVAILABLE;
    world_heal(w);
    return held && shows(w, "k", "1");
}

static bool primary_fails_over_a_stale_fallback(world *w)
{
    static const segue_status failures[] = {SEGUE_UNAVAILABLE, SEGUE_TIMEOUT, SEGUE_IO_ERROR, SEGUE_CORRUPT};
    put_doc(w, w->f, "k", "\"stale\"");
    put_doc(w, w->p, "k", "1");
    bool held = true;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        world_fail(w, PRIMARY, 0, 1, true, false, failures[i]);
        held = held && get_doc(w, "k") == failures[i];
    }
    world_heal(w);
    return held && shows(w, "k", "1");
}

/* A fallback that is gone for good costs nothing once the store is sealed. */
static bool sealed_asks_the_fallback_nothing(world *w)
{
    put_doc(w, w->p, "k", "1");
    MUST(segue_dual_set_phase(w->dual, SEGUE_PHASE_SEALED, 0, &w->err));
    world_fail(w, FALLBACK, 0, 1, true, false, SEGUE_UNAVAILABLE);
    bool held = shows(w, "k", "1") && is_gone(w, "missing") && update_k(w) == SEGUE_OK && lists(w, "k");
    return held && seg_fault_count(w->fault_f) == 0;
}

/* ---- phases ---- */

/* Somebody else starts the migration while an increment is between its read and its write, and writes too if let. */
static void start_and_incr(world *w)
{
    try(segue_dual_set_phase(w->dual, SEGUE_PHASE_FORWARD, 2000000, &w->err)); /* cannot end: the increment goes on */
    w->acked += incr_k_in_time(w) == SEGUE_OK;
}

static bool start_during_an_increment(world *w)
{
    uint64_t value = 0;
    MUST(segue_dual_set_phase(w->dual, SEGUE_PHASE_LEGACY, 0, &w->err));
    put_doc(w, w->f, "k", "5");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, start_and_incr);
    w->acked += incr_k(w, NULL) == SEGUE_OK;
    world_heal(w);
    MUST(segue_dual_set_phase(w->dual, SEGUE_PHASE_FORWARD, 0, &w->err));
    MUST(get_doc(w, "k"));
    return seg_parse_u64(w->doc.rec.body, &value) && value == 5 + w->acked;
}

static void hold_it(world *w)
{
    try(segue_dual_set_phase(w->dual, SEGUE_PHASE_HOLD, 2000000, &w->err)); /* cannot end: the increment goes on */
}

/* The migration is called off again: what was acknowledged meanwhile must be where legacy reads. */
static bool hold_and_back_during_an_increment(world *w)
{
    put_doc(w, w->f, "k", "5");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, hold_it);
    if (incr_k(w, NULL) != SEGUE_OK) return false;
    world_heal(w);
    if (!w->taken) return shows(w, "k", "6"); /* the fallback increments in one call: nothing can come between */
    MUST(segue_dual_set_phase(w->dual, SEGUE_PHASE_LEGACY, 0, &w->err));
    return shows(w, "k", "6");
}

/* Everything is moved, a client deletes, the operator goes on to clean and purges: as far as the gate lets him. */
static void finish_under_its_feet(world *w)
{
    uint64_t n = 0;
    sweep_k(w);
    MUST(delete_doc(w, "k"));
    if (segue_dual_set_phase(w->dual, SEGUE_PHASE_SEALED, 2000000, &w->err) != SEGUE_OK) return;
    if (segue_dual_set_phase(w->dual, SEGUE_PHASE_CLEAN, 2000000, &w->err) != SEGUE_OK) return;
    try(segue_purge_tombstones(w->dual, &n, &w->err)); /* what it did shows at the end */
}

static bool finish_during_an_update(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, finish_under_its_feet);
    MUST(update_k(w));
    return is_gone(w, "k");
}

/* What was read from the fallback is acted on within the deadline or not at all: the fence counts on it. */
static void time_passes(world *w) { w->skew_ns += INT64_C(10) * 1000000000; }

static bool late_insert(world *w)
{
    put_doc(w, w->f, "k", "1");
    MUST(get_doc(w, "k"));
    segue_call call = seg_call_new(w->dual, INT64_C(5) * 1000000000, &w->err);
    segue_put put = {
        .rec = {.key = K("k"), .body = K("2"), .revision = 2}, .condition = SEGUE_IF_CAS, .if_cas = w->doc.rec.cas};
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, time_passes);
    MUST(seg_call_begin(w->dual, true, &call));
    segue_status st = seg_call_put(w->dual, &put, NULL, &call);
    seg_call_end(w->dual, &call);
    return st == SEGUE_TIMEOUT && shows(w, "k", "1");
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
    segue_xattr xattrs[] = {{K("_sync"), K("{\"rev\":1}")}, {K("u"), K("2")}};
    uint32_t expiry = (uint32_t)seg_wall_s(&w->env) + 5000;
    segue_record rec = {.key = K("k"),
                        .body = K("1"),
                        .xattrs = xattrs,
                        .n_xattrs = 2,
                        .revision = 5,
                        .cas = 77,
                        .expiry = expiry,
                        .flags = 9,
                        .is_json = true};
    MUST(segue_put_record(w->f, &rec, 0, NULL, NULL, &w->err));
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
    MUST(seg_sweep_key(m, K("k"), &swept, &call));
    seg_swept_clear(&swept);
    MUST(segue_get_record(w->p, K("k"), NULL, &w->doc, &w->err));
    MUST(seg_call_erase(w->p, K("k"), w->doc.rec.cas, &call));
    segue_status st = segue_migration_verify(m, 0, NULL, NULL, &verified, &w->err);
    close_migration(m);
    return st == SEGUE_DIFFERENT && verified.differences == 1;
}

/* ---- the table ---- */

enum { RULES_MOST = 4 };

typedef struct scenario {
    const char *name; /* as in the protocol */
    const char *what;
    bool (*holds)(world *w);
    segue_phase phase; /* to begin in */
    const char *rules[RULES_MOST];
} scenario;

#define FORWARD SEGUE_PHASE_FORWARD
#define LEGACY SEGUE_PHASE_LEGACY

static const scenario scenarios[] = {
    {"false not-found", "get while the key moves", get_while_it_moves, FORWARD, {"THIRD_READ"}},
    {"false not-found", "incr while the key moves", incr_while_it_moves, FORWARD, {"THIRD_READ"}},
    {"resurrected delete",
     "change, then delete",
     delete_after_change,
     FORWARD,
     {"TOMBSTONE_WINS", "DELETE_LEAVES_TOMBSTONE", "SCAN_TOMBSTONE_HIDES"}},
    {"resurrected delete", "purge after a delete", purge_after_a_delete, FORWARD, {"PURGE_NEEDS_CLEAN"}},
    {"unreachable delete",
     "delete and remove of the fallback only",
     delete_of_the_fallback_only,
     FORWARD,
     {"DELETE_REACHES_FALLBACK"}},
    {"double create", "add of the fallback only", add_of_the_fallback_only, FORWARD, {"ADD_ASKS_FALLBACK"}},
    {"lost delete", "delete during an update", delete_during_an_update, FORWARD, {"INSERT_EXPECTS_ABSENT"}},
    {"lost delete", "delete during an append", delete_during_an_append, FORWARD, {"INSERT_EXPECTS_ABSENT"}},
    {"ABA insert",
     "change and delete during an update",
     change_and_delete_during_an_update,
     FORWARD,
     {"DELETE_LEAVES_TOMBSTONE"}},
    {"ABA insert", "change, delete and purge during an update", purge_during_an_update, FORWARD, {"PURGE_NEEDS_CLEAN"}},
    {"lost xattrs, TTL, flags, revision",
     "change of a rich document",
     change_of_a_rich_document,
     FORWARD,
     {"COPY_CARRIES_ALL"}},
    {"write ignores the fallback", "touch", touch_of_the_fallback_only, FORWARD, {"MUTATE_READS_FALLBACK"}},
    {"write ignores the fallback", "xattrs", xattrs_of_the_fallback_only, FORWARD, {"MUTATE_READS_FALLBACK"}},
    {"write ignores the fallback", "counter", counter_of_the_fallback_only, FORWARD, {"MUTATE_READS_FALLBACK"}},
    {"token confusion",
     "a fallback token on another document",
     token_of_the_fallback_on_another_document,
     FORWARD,
     {"TOKEN_MARK"}},
    {"token confusion", "a token over a move", token_over_a_move, FORWARD, {NULL}},
    {"token confusion",
     "a new CAS is greater than the fallback's",
     cas_goes_on_from_the_fallback,
     FORWARD,
     {"CAS_FLOOR"}},
    {"scan gap", "scan while a key moves", scan_while_it_moves, FORWARD, {"SCAN_FALLBACK_FIRST"}},
    {"scan gap", "scan of a deleted one", scan_of_a_deleted_one, FORWARD, {"SCAN_TOMBSTONE_HIDES"}},
    {"dead fallback",
     "the fallback fails for a moment",
     fallback_fails_for_a_moment,
     FORWARD,
     {"FALLBACK_ERROR_IS_ERROR"}},
    {"dead fallback",
     "the primary fails over a stale fallback",
     primary_fails_over_a_stale_fallback,
     FORWARD,
     {"ONLY_NOT_FOUND_FALLS_THROUGH"}},
    {"dead fallback", "sealed asks it nothing", sealed_asks_the_fallback_nothing, FORWARD, {NULL}},
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
     {"SWEEP_INSERT_ABSENT"}},
    {"lost write to F",
     "foreign write during the sweep",
     foreign_write_during_the_sweep,
     FORWARD,
     {"SWEEP_ERASE_BY_CAS"}},
    {"lost xattrs, TTL, flags, revision",
     "sweep of a rich document",
     sweep_of_a_rich_document,
     FORWARD,
     {"COPY_CARRIES_ALL"}},
    {"seal after a cut pass", "a pass that was cut", seal_after_a_cut_pass, FORWARD, {"SEAL_NEEDS_FULL_PASS"}},
    {"seal after a cut pass", "a pass with errors", seal_after_a_pass_with_errors, FORWARD, {"SEAL_NEEDS_FULL_PASS"}},
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
    {"no hold", "start during an increment", start_during_an_increment, LEGACY, {"HOLD"}},
    {"phase read late", "hold and back during an increment", hold_and_back_during_an_increment, LEGACY, {"PIN_FIRST"}},
    {"no drain", "finish during an update", finish_during_an_update, FORWARD, {"DRAIN"}},
    {"late insert", "the deadline passes after the read of the fallback", late_insert, FORWARD, {"ACT_IN_TIME"}},
};
enum { N_SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

/* Capabilities of primary and fallback. */
static const char *const variants[][2] = {
    {"", ""},          {"-mutate", ""},
    {"-keep_cas", ""}, {"-mutate,-keep_cas,-write_id", ""},
    {"", "-mutate"},   {"-mutate", "-mutate,-keep_cas"},
};
enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

static bool play(const scenario *s, size_t variant)
{
    world w;
    world_open(&w, variants[variant][0], variants[variant][1], s->phase);
    bool held = s->holds(&w);
    world_close(&w);
    return held;
}

typedef struct job {
    const scenario *s;
    const char *rule; /* NULL: all on */
    char name[160];
} job;

static void run_job(void **state)
{
    const job *j = *state;
    size_t broken = 0;
    if (j->rule && !seg_rule_switch(j->rule, false)) fail_msg("there is no rule %s", j->rule);
    for (size_t i = 0; i < N_VARIANTS; i++) {
        if (play(j->s, i)) continue;
        broken++;
        if (!j->rule) fail_msg("broken: primary (%s), fallback (%s)", variants[i][0], variants[i][1]);
    }
    if (j->rule && broken == 0) fail_msg("the scenario does not notice that %s is off", j->rule);
    if (j->rule) print_message("without %s: broken on %zu of %d pairs\n", j->rule, broken, N_VARIANTS);
}

static int switch_on(void **state)
{
    const job *j = *state;
    if (j->rule) (void)seg_rule_switch(j->rule, true); /* it is there: it was switched off */
    return 0;
}

/* ---- every rule has its scenario ---- */

static const char *const all_rules[] = {
#define SEG_RULE_DEF(name, text) #name,
#include "base/rules.def"
#undef SEG_RULE_DEF
};

static void every_rule_is_missed_by_a_scenario(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_rules / sizeof all_rules[0]; i++) {
        bool found = false;
        for (size_t k = 0; k < N_SCENARIOS; k++)
            for (size_t r = 0; r < RULES_MOST && scenarios[k].rules[r]; r++)
                found = found || strcmp(scenarios[k].rules[r], all_rules[i]) == 0;
        if (!found) fail_msg("no scenario guards the rule %s", all_rules[i]);
    }
}

int main(void)
{
    static job jobs[N_SCENARIOS * (RULES_MOST + 1)];
    static struct CMUnitTest tests[N_SCENARIOS * (RULES_MOST + 1) + 1];
    size_t n = 0;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        for (size_t r = 0; r <= RULES_MOST; r++) {
            const scenario *s = &scenarios[i];
            if (r > 0 && !s->rules[r - 1]) break;
            job *j = &jobs[n];
            j->s = s;
            j->rule = r ? s->rules[r - 1] : NULL;
            (void)snprintf(j->name, sizeof j->name, "%s: %s %s%s", s->name, s->what,
                           j->rule ? "breaks without " : "holds", j->rule ? j->rule : ""); /* cut is fine: a label */
            tests[n++] = (struct CMUnitTest){j->name, run_job, NULL, switch_on, j};
        }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_rule_is_missed_by_a_scenario);
    return _cmocka_run_group_tests("protocol", tests, n, NULL, NULL);
}
