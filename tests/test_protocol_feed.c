/* What must be impossible for a feed of a dual store: a gap while records move, a stale value, a change that comes before what
 * was told already. Scenarios as in test_protocol.c. */
#include "scenarios.h"

#include <segue/feed.h>

/* ---- a feed, and what it told ---- */

typedef struct told {
    segue_feed *feed;
    segue_buf
        keys; /* "a b -c", in order; a deletion with a minus, a counter or a changed body with what it holds: "a=2" */
    segue_status last;
} told;

static told open_feed(world *w, unsigned flags)
{
    told t = {0};
    segue_feed_options o = {.flags = flags};
    MUST(segue_feed_open(&w->dual, 1, &o, &t.feed, &w->err));
    return t;
}

static void append(world *w, told *t, const char *text, size_t size) { MUST(segue_buf_append(&t->keys, text, size)); }

/* Up to n events, or until there are no more. */
static void read_some(world *w, told *t, unsigned n)
{
    segue_feed_event e;
    t->last = SEGUE_OK;
    for (unsigned i = 0; i < n && (t->last = segue_feed_next(t->feed, 0, &e, &w->err)) == SEGUE_OK; i++) {
        if (e.rec.key.data[0] == 'x') continue; /* filling */
        if (t->keys.size) append(w, t, " ", 1);
        if (e.rec.is_tombstone) append(w, t, "-", 1);
        append(w, t, e.rec.key.data, e.rec.key.size);
        if (!segue_slice_equal(e.rec.body, K("1")) && !e.rec.is_tombstone) {
            append(w, t, "=", 1);
            append(w, t, e.rec.body.data, e.rec.body.size);
        }
    }
}

static void read_rest(world *w, told *t) { read_some(w, t, 100000); }

static bool told_is(told *t, const char *want)
{
    bool same = segue_slice_equal(segue_buf_slice(&t->keys), K(want));
    if (!same) print_message("told: %.*s, not %s\n", (int)t->keys.size, t->keys.data, want);
    segue_feed_close(t->feed);
    segue_buf_free(&t->keys);
    return same && (t->last == SEGUE_END || t->last == SEGUE_TIMEOUT);
}

/* Everything there is. */
static told read_all(world *w)
{
    told t = open_feed(w, SEGUE_FEED_STOP_AT_END);
    read_rest(w, &t);
    return t;
}

/* ---- steps of other parties ---- */

static void sweep_key(world *w, const char *key) { try(sweep_between(w, w->stats_f, w->stats_p, key, NULL)); }
static void sweep_k(world *w) { sweep_key(w, "k"); }
static void change_k(world *w) { MUST(set_doc(w, "k", "2")); }
static void sweep_and_change_k(world *w)
{
    sweep_k(w);
    change_k(w);
}

/* So many documents that the fallback's come in several pages. */
static void fill(world *w, unsigned n)
{
    char key[16];
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "x%05u", i); /* fits */
        put_doc(w, w->f, key, "1");
    }
}

enum { FEED_PAGE = 256 }; /* records of a page, as feeds read them */

/* A record that comes from a clock an hour ahead. */
static void put_ahead(world *w, segue_store *store, const char *key)
{
    segue_record rec = {.key = K(key), .body = K("1"), .revision = 1, .is_json = true};
    rec.cas = ((uint64_t)seg_wall_ns(&w->env) + UINT64_C(3600000000000)) & ~UINT64_C(0xFFFF);
    MUST(segue_put_record(store, &rec, 0, NULL, NULL, &w->err));
}

/* ---- gap ---- */

static bool a_key_moves_between_the_sides(world *w)
{
    put_doc(w, w->f, "k", "1");
    told t = open_feed(w, SEGUE_FEED_STOP_AT_END);
    world_inject(w, EITHER, SEG_OP_CHANGES, 1, true, sweep_k);
    read_rest(w, &t);
    return told_is(&t, "k");
}

static bool a_key_moves_after_both_were_read(world *w)
{
    put_doc(w, w->f, "k", "1");
    told t = open_feed(w, SEGUE_FEED_STOP_AT_END);
    world_inject(w, PRIMARY, SEG_OP_CHANGES, 1, true, sweep_k);
    read_rest(w, &t);
    return told_is(&t, "k");
}

static bool a_key_moves_and_changes_after_both_were_read(world *w)
{
    put_doc(w, w->f, "k", "1");
    told t = open_feed(w, SEGUE_FEED_STOP_AT_END);
    world_inject(w, PRIMARY, SEG_OP_CHANGES, 1, true, sweep_and_change_k);
    read_rest(w, &t);
    return told_is(&t, "k=2");
}

static bool a_key_changes_while_it_is_looked_up(world *w)
{
    put_doc(w, w->f, "k", "1");
    told t = open_feed(w, 0);
    world_inject(w, PRIMARY, SEG_OP_GET, 1, true, change_k);
    read_rest(w, &t);
    read_rest(w, &t);
    return told_is(&t, "k k=2");
}

static bool moves_under_a_feed(world *w)
{
    fill(w, 300);
    put_doc(w, w->f, "k", "1");
    told t = open_feed(w, 0);
    read_some(w, &t, 10);
    sweep_k(w);
    sweep_key(w, "x00000"); /* told */
    sweep_key(w, "x00299"); /* not yet */
    read_rest(w, &t);
    return told_is(&t, "k");
}

static bool a_move_is_no_event(world *w)
{
    put_doc(w, w->f, "k", "1");
    told t = open_feed(w, 0);
    read_rest(w, &t);
    sweep_k(w);
    read_rest(w, &t);
    /* A primary that cannot keep its CAS tells of it as a change. */
    return told_is(&t, keeps_cas(w) ? "k" : "k k");
}

/* It has expired, nobody has reaped it, and the feed is past it. Reaped where it arrives, it gets a CAS that is news. */
static bool an_expired_one_moves(world *w)
{
    uint64_t n = 0;
    MUST(segue_set(w->f, K("k"), K("1"), segue_expiry_in(10), NULL, NULL, &w->err));
    told t = open_feed(w, 0);
    read_rest(w, &t);
    w->skew_ns += INT64_C(20) * 1000000000;
    sweep_k(w);
    MUST(segue_reap(w->p, 0, &n, &w->err));
    read_rest(w, &t);
    return told_is(&t, "k -k");
}

/* All that the fallback's first page tells was changed since, which the primary's page tells; "k" is in between. */
static bool a_page_of_hidden_ones(world *w)
{
    char key[16];
    fill(w, FEED_PAGE);
    put_doc(w, w->f, "k", "1");
    for (unsigned i = 0; i < FEED_PAGE; i++) {
        (void)snprintf(key, sizeof key, "x%05u", i); /* fits */
        MUST(set_doc(w, key, "2"));
    }
    told t = read_all(w);
    return told_is(&t, "k");
}

/* ---- stale value ---- */

static bool changed_and_deleted_over_the_fallback(world *w)
{
    put_doc(w, w->f, "a", "1");
    put_doc(w, w->f, "k", "1");
    put_doc(w, w->f, "l", "1");
    MUST(set_doc(w, "k", "2"));
    MUST(delete_doc(w, "l"));
    told t = read_all(w);
    return told_is(&t, "a k=2 -l");
}

/* Hidden ones are no news, and are not looked up again and again. */
static bool hidden_ones_are_asked_for_once(world *w)
{
    put_doc(w, w->f, "k", "1");
    MUST(set_doc(w, "k", "2"));
    told t = open_feed(w, 0);
    read_rest(w, &t);
    seg_stats_reset(w->stats_p);
    seg_stats_reset(w->stats_f);
    for (int i = 0; i < 5; i++) read_rest(w, &t);
    segue_stats p, f;
    MUST(segue_store_stats(w->stats_p, &p));
    MUST(segue_store_stats(w->stats_f, &f));
    return told_is(&t, "k=2") && p.changes == 5 && f.changes == 5 && p.get == 0 && f.get == 0;
}

/* ---- order ---- */

static bool the_fallbacks_clock_is_ahead(world *w)
{
    put_ahead(w, w->f, "k");
    told t = open_feed(w, 0);
    read_rest(w, &t);
    MUST(set_doc(w, "l", "1"));
    read_rest(w, &t);
    return told_is(&t, "k l");
}

static bool from_now_on_over_a_fallback_ahead(world *w)
{
    put_ahead(w, w->f, "k");
    told t = {0};
    uint64_t now = SEGUE_FEED_NOW;
    segue_feed_options o = {.since = &now};
    MUST(segue_feed_open(&w->dual, 1, &o, &t.feed, &w->err));
    MUST(set_doc(w, "l", "1"));
    read_rest(w, &t);
    return told_is(&t, "l");
}

/* Read in legacy, and gone on with in forward. */
static bool over_the_start_of_a_migration(world *w)
{
    put_ahead(w, w->f, "k");
    told t = open_feed(w, 0);
    read_rest(w, &t);
    MUST(set_doc(w, "l", "1"));
    MUST(segue_dual_set_phase(w->dual, SEGUE_PHASE_FORWARD, 0, &w->err));
    MUST(set_doc(w, "m", "1"));
    read_rest(w, &t);
    return told_is(&t, "k l m");
}

/* ---- phases ---- */

static bool over_a_whole_migration(world *w)
{
    static const segue_phase phases[] = {SEGUE_PHASE_HOLD, SEGUE_PHASE_FORWARD, SEGUE_PHASE_SEALED, SEGUE_PHASE_CLEAN};
    static const char *const keys[] = {"a", "b", "c1", "d", "e"};
    told t = open_feed(w, 0);
    MUST(set_doc(w, "a", "1"));
    read_rest(w, &t);
    MUST(set_doc(w, "b", "1"));
    for (size_t i = 0; i < 4; i++) {
        MUST(segue_dual_set_phase(w->dual, phases[i], 0, &w->err));
        read_rest(w, &t);
        if (phases[i] == SEGUE_PHASE_HOLD) continue;
        MUST(set_doc(w, keys[i + 1], "1"));
        if (phases[i] != SEGUE_PHASE_FORWARD) continue;
        sweep_key(w, "a");
        sweep_key(w, "b");
    }
    read_rest(w, &t);
    return told_is(&t, keeps_cas(w) ? "a b c1 d e" : "a b c1 a b d e");
}

/* The write begins in legacy and is at the fallback's door when a feed is read in hold, over a primary that is ahead. */
static told in_hold;

static void hold_and_read(world *w)
{
    try(segue_dual_set_phase(w->dual, SEGUE_PHASE_HOLD, 1, &w->err)); /* it cannot wait for that write */
    read_rest(w, &in_hold);
}

static bool a_late_write_in_hold(world *w)
{
    put_ahead(w, w->p, "p");
    in_hold = open_feed(w, 0);
    world_inject(w, FALLBACK, SEG_OP_MUTATE | SEG_OP_PUT, 1, false, hold_and_read);
    MUST(set_doc(w, "k", "1"));
    world_heal(w);
    read_rest(w, &in_hold);
    MUST(segue_dual_set_phase(w->dual, SEGUE_PHASE_FORWARD, 0, &w->err));
    MUST(set_doc(w, "l", "1"));
    read_rest(w, &in_hold);
    return told_is(&in_hold, "p k l");
}

/* ---- a counter that is handed over ---- */

static void hand_over(world *w, segue_store *to)
{
    segue_migration *m = open_migration(w, w->stats_f, to, NULL, move_all);
    seg_swept swept = {0};
    segue_call call = seg_call_new(w->f, 0, &w->err);
    atomic_store(&m->next_manifest, 1); /* as a runner has it */
    try(seg_counter_hand_over(m, K("c"), &swept, &call));
    seg_swept_clear(&swept);
    close_migration(m);
}

/* Made a pill, and no further: what comes after the manifest fails. */
static void half_hand_over(world *w)
{
    segue_store *failing = NULL;
    seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = 2, .persistent = true, .status = SEGUE_IO_ERROR};
    MUST(seg_fault_open(w->stats_p, &failing, &w->err));
    seg_fault_set(failing, &plan);
    hand_over(w, failing);
    segue_close(failing);
}

/* It becomes a pill before its place in the order is read, and arrives before the pill's place is. */
static bool a_counter_is_handed_over_meanwhile(world *w)
{
    put_doc(w, w->f, "c", "7");
    fill(w, 300);
    MUST(segue_dual_set_phase(w->dual, SEGUE_PHASE_FORWARD, 0, &w->err));
    half_hand_over(w);
    if (!shows(w, "c", "7")) return false;
    told t = open_feed(w, SEGUE_FEED_STOP_AT_END);
    read_some(w, &t, 200); /* of the first page */
    hand_over(w, w->stats_p);
    read_rest(w, &t);
    bool once = keeps_cas(w);
    return told_is(&t, once ? "c=7" : "c=7 c=7");
}

static bool a_counter_that_waits_as_a_pill(world *w)
{
    put_doc(w, w->f, "a", "1");
    put_doc(w, w->f, "c", "7");
    put_doc(w, w->f, "d", "1");
    MUST(segue_dual_set_phase(w->dual, SEGUE_PHASE_FORWARD, 0, &w->err));
    told live = open_feed(w, 0);
    read_rest(w, &live);
    half_hand_over(w);
    told t = read_all(w);
    read_rest(w, &live);
    bool whole = told_is(&t, "a c=7 d");
    return told_is(&live, "a c=7 d") && whole;
}

/* ---- the table ---- */

static const scenario scenarios[] = {
    {"gap", "a key moves between the two reads", a_key_moves_between_the_sides, FORWARD, {"FEED_FALLBACK_FIRST"}},
    {"gap", "a key moves after both reads", a_key_moves_after_both_were_read, FORWARD, {NULL}},
    {"gap",
     "a key moves and changes after both reads",
     a_key_moves_and_changes_after_both_were_read,
     FORWARD,
     {"FEED_ASKS_PRIMARY"}},
    {"gap", "a key changes while it is looked up", a_key_changes_while_it_is_looked_up, FORWARD, {NULL}},
    {"gap", "keys move that were told, and others", moves_under_a_feed, FORWARD, {NULL}},
    {"gap", "a page of hidden ones", a_page_of_hidden_ones, FORWARD, {"FEED_CUT"}},
    {"a move is told", "unless its CAS is kept", a_move_is_no_event, FORWARD, {"MOVE_KEEPS_CAS"}},
    {"lost deletion", "an expired one moves", an_expired_one_moves, FORWARD, {"EXPIRED_MOVES_AS_STORED"}},
    {"stale value",
     "changed and deleted over the fallback",
     changed_and_deleted_over_the_fallback,
     FORWARD,
     {"FEED_ASKS_PRIMARY"}},
    {"stale value", "hidden ones are asked for once", hidden_ones_are_asked_for_once, FORWARD, {NULL}},
    {"late before early",
     "the fallback's clock is ahead",
     the_fallbacks_clock_is_ahead,
     FORWARD,
     {"FEED_RAISES_CLOCK"}},
    {"late before early", "from now on", from_now_on_over_a_fallback_ahead, FORWARD, {"FEED_RAISES_CLOCK"}},
    {"late before early", "over the start of a migration", over_the_start_of_a_migration, LEGACY, {"CAS_FLOOR"}},
    {"late before early", "a late write in hold", a_late_write_in_hold, LEGACY, {"FEED_RAISES_FALLBACK"}},
    {"phases", "over a whole migration", over_a_whole_migration, LEGACY, {NULL}},
    {"lost counter", "handed over meanwhile", a_counter_is_handed_over_meanwhile, LEGACY, {"FEED_SEES_PILLS"}},
    {"lost counter", "waits as a pill", a_counter_that_waits_as_a_pill, LEGACY, {NULL}},
};
enum { N_SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static void every_rule_is_missed(void **state)
{
    (void)state;
    must_guard(scenarios, N_SCENARIOS, "FEED");
}

int main(void) { return run_scenarios("protocol of feeds", scenarios, N_SCENARIOS, every_rule_is_missed); }
