/* What must be impossible on a dual store, by name (docs/protocol.md, section 3). Each scenario is played with the other
 * party's step taken between two store calls, on primaries and fallbacks of several capabilities; it must hold with all
 * rules on, and must break somewhere when a rule that guards it is switched off. A rule that no scenario misses fails too. */
#include "scenarios.h"

#include "base/sched.h"

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
    uint32_t expiry = put_rich_doc(w, w->f, "k");
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

/* One put of a record under a CAS that the caller got some time ago, past the loop. */
static segue_status put_under(world *w, const char *key, uint64_t token)
{
    segue_call call = seg_call_new(w->dual, 0, &w->err);
    segue_put put = {.rec = {.key = K(key), .body = K("3"), .revision = 3}, .condition = SEGUE_IF_CAS, .if_cas = token};
    MUST(seg_call_begin(w->dual, true, &call));
    segue_status st = seg_call_put(w->dual, &put, NULL, &call);
    seg_call_end(w->dual, &call);
    return st;
}

/* Got in legacy, where the document was changed afterwards. */
static bool stale_token_of_the_fallback(world *w)
{
    put_doc(w, w->f, "k", "1");
    MUST(get_doc(w, "k"));
    uint64_t stale = w->doc.rec.cas;
    MUST(set_doc(w, "k", "2"));
    MUST(segue_dual_set_phase(w->dual, FORWARD, 0, &w->err));
    return put_under(w, "k", stale) == SEGUE_CAS_MISMATCH && shows(w, "k", "2");
}

/* A CAS is given by one side, and a number that differs from it by the mark by nobody. */
static bool token_that_legacy_did_not_give(world *w)
{
    put_doc(w, w->f, "k", "1");
    MUST(get_doc(w, "k"));
    uint64_t other = w->doc.rec.cas ^ (UINT64_C(1) << 63);
    segue_status st = segue_write_cas(w->dual, K("k"), other, K("2"), segue_expiry_none(), 0, NULL, NULL, &w->err);
    return st == SEGUE_CAS_MISMATCH && put_under(w, "k", other) == SEGUE_CAS_MISMATCH && shows(w, "k", "1");
}

static bool token_of_the_fallback_when_sealed(world *w)
{
    put_doc(w, w->f, "k", "1");
    MUST(get_doc(w, "k"));
    uint64_t token = w->doc.rec.cas | (UINT64_C(1) << 63);
    sweep_k(w);
    MUST(segue_dual_set_phase(w->dual, SEGUE_PHASE_SEALED, 0, &w->err));
    return put_under(w, "k", token) == SEGUE_CAS_MISMATCH && shows(w, "k", "1") &&
           put_under(w, "gone", token) == SEGUE_CAS_MISMATCH && is_gone(w, "gone");
}

static bool cas_goes_on_from_the_fallback(world *w)
{
    segue_record ahead = {
        .key = K("k"), .body = K("1"), .cas = (seg_wall_s(&w->env) + 1000) * 1000000000, .revision = 1};
    MUST(segue_put_record(w->f, &ahead, 0, NULL, NULL, &w->err));
    MUST(segue_append(w->dual, K("k"), K("2"), NULL, &w->cas, &w->err));
    return w->cas > ahead.cas && shows(w, "k", "12");
}

/* It reads nothing, so it cannot know this document's CAS. A smaller one would make the old value look like the newer. */
static bool cas_goes_on_without_a_read(world *w)
{
    segue_record ahead = {
        .key = K("k"), .body = K("1"), .cas = (seg_wall_s(&w->env) + 1000) * 1000000000, .revision = 1};
    segue_mutation replace = {.body_op = SEGUE_BODY_SET, .body = K("2"), .options = SEGUE_M_REPLACE_ALL};
    segue_outcome out = {0};
    MUST(segue_put_record(w->f, &ahead, 0, NULL, NULL, &w->err));
    MUST(segue_dual_set_phase(w->dual, FORWARD, 0, &w->err));
    MUST(segue_mutate(w->dual, K("k"), &replace, NULL, &out, NULL, &w->err));
    return out.cas > ahead.cas && shows(w, "k", "2");
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

/* The primary's page is full of tombstones, and says nothing yet about the last key of the fallback's, which is deleted. */
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

/* The whole start takes place, and an increment after it, while this one is between reading the phase and being counted in. */
static world *entering;

static seg_sched_strike start_at_the_gate(seg_sched_kind kind, const void *object, uint64_t part, bool may_fail)
{
    (void)object, (void)part, (void)may_fail;
    if (kind != SEG_SCHED_DETAIL_READ) return SEG_SCHED_GO;
    world *w = entering;
    seg_sched_set(NULL);
    MUST(segue_dual_set_phase(w->dual, FORWARD, 0, &w->err));
    w->acked += incr_k(w, NULL) == SEGUE_OK;
    return SEG_SCHED_GO;
}

static bool start_while_an_increment_enters(world *w)
{
    uint64_t value = 0;
    put_doc(w, w->f, "k", "5");
    entering = w;
    seg_sched_set(start_at_the_gate);
    w->acked += incr_k(w, NULL) == SEGUE_OK;
    MUST(get_doc(w, "k"));
    return w->acked == 2 && seg_parse_u64(w->doc.rec.body, &value) && value == 7;
}

static bool steps_that_are_left_out(world *w)
{
    put_doc(w, w->f, "k", "1");
    bool held = segue_dual_set_phase(w->dual, SEGUE_PHASE_SEALED, 0, &w->err) == SEGUE_REFUSED && shows(w, "k", "1");
    MUST(segue_dual_set_phase(w->dual, FORWARD, 0, &w->err));
    MUST(set_doc(w, "j", "1"));
    return held && segue_dual_set_phase(w->dual, LEGACY, 0, &w->err) == SEGUE_REFUSED && shows(w, "j", "1");
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

/* The same, but the operator goes on although it was said that the update has not ended. */
static void finish_regardless(world *w)
{
    uint64_t n = 0;
    sweep_k(w);
    MUST(delete_doc(w, "k"));
    try(segue_dual_set_phase(w->dual, SEGUE_PHASE_SEALED, 2000000, &w->err));
    try(segue_dual_set_phase(w->dual, SEGUE_PHASE_CLEAN, 2000000, &w->err));
    try(segue_purge_tombstones(w->dual, &n, &w->err));
}

static bool finish_regardless_of_an_update(world *w)
{
    put_doc(w, w->f, "k", "1");
    world_inject(w, FALLBACK, SEG_OP_GET, 1, true, finish_regardless);
    MUST(update_k(w));
    return is_gone(w, "k");
}

/* It must see that nothing is there any more, and decide anew. */
static bool purge_during_an_update_when_clean(world *w)
{
    put_doc(w, w->p, "k", "1");
    world_inject(w, PRIMARY, SEG_OP_GET, 1, true, change_delete_and_purge_k);
    return update_k(w) == SEGUE_OK && w->taken && is_gone(w, "k");
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

static void move_and_time_passes(world *w)
{
    sweep_k(w);
    time_passes(w);
}

/* A write by a token; `step` is taken at its read of the fallback. */
static segue_status write_late(world *w, bool after, world_step step)
{
    put_doc(w, w->f, "k", "1");
    MUST(get_doc(w, "k"));
    segue_call call = seg_call_new(w->dual, INT64_C(5) * 1000000000, &w->err);
    segue_put put = {
        .rec = {.key = K("k"), .body = K("2"), .revision = 2}, .condition = SEGUE_IF_CAS, .if_cas = w->doc.rec.cas};
    world_inject(w, FALLBACK, SEG_OP_GET, 1, after, step);
    MUST(seg_call_begin(w->dual, true, &call));
    segue_status st = seg_call_put(w->dual, &put, NULL, &call);
    seg_call_end(w->dual, &call);
    return w->taken ? st : SEGUE_OK;
}

static bool late_insert(world *w) { return write_late(w, true, time_passes) == SEGUE_TIMEOUT && shows(w, "k", "1"); }

/* Where the move has made another CAS of it, that is the answer. */
static bool late_after_a_move(world *w)
{
    segue_status st = write_late(w, false, move_and_time_passes);
    return (st == SEGUE_TIMEOUT || st == SEGUE_CAS_MISMATCH) && shows(w, "k", "1");
}

/* ---- the table ---- */

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
     {"COPY_CARRIES_XATTRS", "COPY_CARRIES_EXPIRY", "COPY_CARRIES_FLAGS", "COPY_CARRIES_REVISION"}},
    {"write ignores the fallback", "touch", touch_of_the_fallback_only, FORWARD, {"MUTATE_READS_FALLBACK"}},
    {"write ignores the fallback", "xattrs", xattrs_of_the_fallback_only, FORWARD, {"MUTATE_READS_FALLBACK"}},
    {"write ignores the fallback", "counter", counter_of_the_fallback_only, FORWARD, {"MUTATE_READS_FALLBACK"}},
    {"token confusion",
     "a fallback token on another document",
     token_of_the_fallback_on_another_document,
     FORWARD,
     {"TOKEN_MARK"}},
    {"token confusion", "a token over a move", token_over_a_move, FORWARD, {"MOVE_KEEPS_CAS"}},
    {"token confusion", "a stale token of the fallback", stale_token_of_the_fallback, LEGACY, {"OLD_TOKEN_MATCHES"}},
    {"token confusion", "one that legacy did not give", token_that_legacy_did_not_give, LEGACY, {"LEGACY_TOKEN"}},
    {"token confusion", "one of the fallback when sealed", token_of_the_fallback_when_sealed, FORWARD, {"STALE_MARK"}},
    {"token confusion",
     "a new CAS is greater than the fallback's",
     cas_goes_on_from_the_fallback,
     FORWARD,
     {"CAS_FLOOR"}},
    {"token confusion", "nor is one that was given blindly smaller", cas_goes_on_without_a_read, LEGACY, {"CAS_FLOOR"}},
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
    {"dead fallback",
     "gone for good: sealed asks it nothing",
     sealed_asks_the_fallback_nothing,
     FORWARD,
     {"SEALED_ASKS_PRIMARY"}},
    {"no hold", "start during an increment", start_during_an_increment, LEGACY, {"HOLD"}},
    {"phase read late", "hold and back during an increment", hold_and_back_during_an_increment, LEGACY, {"PIN_FIRST"}},
    {"no drain", "finish during an update", finish_during_an_update, FORWARD, {"DRAIN"}},
    {"no drain", "finish regardless of an update", finish_regardless_of_an_update, FORWARD, {"DRAIN_BEFORE_STEP"}},
    {"phase read early",
     "start while an increment enters",
     start_while_an_increment_enters,
     LEGACY,
     {"GATE_LOOKS_AGAIN"}},
    {"skipped phase", "steps that are left out", steps_that_are_left_out, LEGACY, {"ONE_STEP"}},
    {"gone meanwhile",
     "purge during an update when clean",
     purge_during_an_update_when_clean,
     SEGUE_PHASE_CLEAN,
     {"DELETED_IS_RETRY"}},
    {"late insert", "the deadline passes after the read of the fallback", late_insert, FORWARD, {"ACT_IN_TIME"}},
    {"late insert", "it moves, and the deadline passes", late_after_a_move, FORWARD, {"ACT_IN_TIME"}},
};
enum { N_SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static void every_rule_is_missed(void **state)
{
    (void)state;
    must_guard(scenarios, N_SCENARIOS, "DUAL");
}

int main(void) { return run_scenarios("protocol", scenarios, N_SCENARIOS, every_rule_is_missed); }
