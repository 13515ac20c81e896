/* The slots of a dual store one by one: what each answers and says, which calls to the two sides it takes, and that a failing
 * call is told and leaves both sides alone (docs/protocol.md, sections 1, 2 and 4). */
#include "world.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint64_t trips(segue_store *side)
{
    segue_stats s = {0};
    assert_int_equal(segue_store_stats(side, &s), SEGUE_OK);
    return s.get + s.put + s.erase + s.scan + s.mutate + s.move + s.write_many + s.expired;
}

/* ---- put ---- */

/* Where there is a record of the key. All have CASes of their own; a moved one has that of the fallback. */
typedef enum where { NOWHERE, IN_P, IN_F, IN_BOTH, MOVED, DELETED } where;
enum { CAS_P = 2000, CAS_F = 1000, CAS_OTHER = 3000 };
#define MARK (UINT64_C(1) << 63)

#define ANY SEGUE_IF_ANY
#define ABSENT SEGUE_IF_ABSENT
#define CAS SEGUE_IF_CAS
#define KEEPS ""
#define LOSES "-keep_cas"

typedef struct ask {
    segue_phase phase;
    const char *caps; /* of the primary */
    where place;
    segue_if condition;
    uint64_t token;
    segue_source source;
    segue_status answer;
    unsigned p, f; /* trips */
    const char *says;
} ask;

static const ask asks[] = {
    /* An insert: the fallback decides, unless its record is known not to be there. */
    {SEGUE_PHASE_FORWARD, KEEPS, NOWHERE, ABSENT, 0, 0, SEGUE_OK, 1, 1, NULL},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_F, ABSENT, 0, 0, SEGUE_EXISTS, 0, 1, "there is a record \"k\" already"},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_P, ABSENT, 0, 0, SEGUE_EXISTS, 1, 1, "there is a record \"k\" already"},
    {SEGUE_PHASE_FORWARD, KEEPS, DELETED, ABSENT, 0, 0, SEGUE_EXISTS, 0, 1, "there is a record \"k\" already"},
    {SEGUE_PHASE_FORWARD, KEEPS, NOWHERE, ABSENT, 0, SEGUE_FROM_NEITHER, SEGUE_OK, 1, 0, NULL},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_P, ABSENT, 0, SEGUE_FROM_NEITHER, SEGUE_EXISTS, 1, 0, "already"},

    /* By a CAS, where the primary keeps them: it may be the fallback's, and a move does not change it. */
    {SEGUE_PHASE_FORWARD, KEEPS, IN_P, CAS, CAS_P, 0, SEGUE_OK, 1, 0, NULL},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_P, CAS, CAS_P, SEGUE_FROM_PRIMARY, SEGUE_OK, 1, 0, NULL},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_P, CAS, CAS_OTHER, 0, SEGUE_CAS_MISMATCH, 1, 0, "\"k\" has another CAS"},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_BOTH, CAS, CAS_F, 0, SEGUE_CAS_MISMATCH, 1, 0, "\"k\" has another CAS"},
    {SEGUE_PHASE_FORWARD, KEEPS, MOVED, CAS, CAS_F, 0, SEGUE_OK, 1, 0, NULL},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_F, CAS, CAS_F, 0, SEGUE_OK, 2, 1, NULL},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_F, CAS, CAS_OTHER, 0, SEGUE_CAS_MISMATCH, 2, 1, "\"k\" has another CAS"},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_F, CAS, CAS_F | MARK, 0, SEGUE_CAS_MISMATCH, 0, 1, "\"k\" has another CAS"},
    {SEGUE_PHASE_FORWARD, KEEPS, NOWHERE, CAS, CAS_F, 0, SEGUE_NOT_FOUND, 2, 1, "there is no record \"k\""},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_F, CAS, CAS_F, SEGUE_FROM_FALLBACK, SEGUE_OK, 1, 0, NULL},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_BOTH, CAS, CAS_F, SEGUE_FROM_FALLBACK, SEGUE_CAS_MISMATCH, 1, 0, "another CAS"},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_F, CAS, CAS_F, SEGUE_FROM_PRIMARY, SEGUE_NOT_FOUND, 1, 0, "there is no record"},

    /* Where it does not, the fallback's are marked. */
    {SEGUE_PHASE_FORWARD, LOSES, IN_F, CAS, CAS_F | MARK, 0, SEGUE_OK, 1, 1, NULL},
    {SEGUE_PHASE_FORWARD, LOSES, IN_F, CAS, CAS_OTHER | MARK, 0, SEGUE_CAS_MISMATCH, 0, 1, "\"k\" has another CAS"},
    {SEGUE_PHASE_FORWARD, LOSES, IN_BOTH, CAS, CAS_F | MARK, 0, SEGUE_CAS_MISMATCH, 1, 1, "\"k\" has another CAS"},
    {SEGUE_PHASE_FORWARD, LOSES, NOWHERE, CAS, CAS_F | MARK, 0, SEGUE_CAS_MISMATCH, 0, 1, "\"k\" has another CAS"},
    {SEGUE_PHASE_FORWARD, LOSES, IN_F, CAS, CAS_F, 0, SEGUE_NOT_FOUND, 1, 0, "there is no record \"k\""},
    {SEGUE_PHASE_FORWARD, LOSES, IN_P, CAS, CAS_P, 0, SEGUE_OK, 1, 0, NULL},
    {SEGUE_PHASE_FORWARD, LOSES, IN_P, CAS, CAS_OTHER, 0, SEGUE_CAS_MISMATCH, 1, 0, "another CAS"},
    {SEGUE_PHASE_FORWARD, LOSES, IN_F, CAS, CAS_F | MARK, SEGUE_FROM_FALLBACK, SEGUE_OK, 1, 0, NULL},

    {SEGUE_PHASE_FORWARD, KEEPS, NOWHERE, ANY, 0, 0, SEGUE_OK, 1, 0, NULL},
    {SEGUE_PHASE_FORWARD, KEEPS, IN_BOTH, ANY, 0, 0, SEGUE_OK, 1, 0, NULL},

    {SEGUE_PHASE_LEGACY, KEEPS, IN_P, ABSENT, 0, 0, SEGUE_OK, 0, 1, NULL},
    {SEGUE_PHASE_LEGACY, KEEPS, IN_F, ABSENT, 0, 0, SEGUE_EXISTS, 0, 1, "there is a record \"k\" already"},
    {SEGUE_PHASE_LEGACY, KEEPS, IN_BOTH, CAS, CAS_F, 0, SEGUE_OK, 0, 1, NULL},
    {SEGUE_PHASE_LEGACY, KEEPS, IN_F, CAS, CAS_F | MARK, 0, SEGUE_CAS_MISMATCH, 0, 0, "\"k\" has another CAS"},
    {SEGUE_PHASE_LEGACY, KEEPS, IN_F, ANY, 0, 0, SEGUE_OK, 0, 1, NULL},
    {SEGUE_PHASE_LEGACY, LOSES, NOWHERE, ABSENT, 0, 0, SEGUE_OK, 0, 1, NULL},
    {SEGUE_PHASE_LEGACY, LOSES, IN_F, CAS, CAS_F | MARK, 0, SEGUE_OK, 0, 1, NULL},
    {SEGUE_PHASE_LEGACY, LOSES, IN_F, CAS, CAS_F, 0, SEGUE_CAS_MISMATCH, 0, 0, "\"k\" has another CAS"},
    {SEGUE_PHASE_LEGACY, LOSES, IN_F, CAS, CAS_OTHER | MARK, 0, SEGUE_CAS_MISMATCH, 0, 1, "\"k\" has another CAS"},
    {SEGUE_PHASE_LEGACY, LOSES, NOWHERE, CAS, CAS_F | MARK, 0, SEGUE_NOT_FOUND, 0, 1, "there is no record \"k\""},
    {SEGUE_PHASE_LEGACY, LOSES, IN_P, ANY, 0, 0, SEGUE_OK, 0, 1, NULL},

    {SEGUE_PHASE_SEALED, KEEPS, IN_F, ABSENT, 0, 0, SEGUE_OK, 1, 0, NULL},
    {SEGUE_PHASE_SEALED, KEEPS, IN_BOTH, CAS, CAS_P, 0, SEGUE_OK, 1, 0, NULL},
    {SEGUE_PHASE_SEALED, KEEPS, IN_F, CAS, CAS_F, 0, SEGUE_NOT_FOUND, 1, 0, "there is no record \"k\""},
    {SEGUE_PHASE_SEALED, LOSES, IN_F, CAS, CAS_F | MARK, 0, SEGUE_CAS_MISMATCH, 0, 0, "\"k\" has another CAS"},
    {SEGUE_PHASE_SEALED, LOSES, IN_BOTH, CAS, CAS_F | MARK, 0, SEGUE_CAS_MISMATCH, 0, 0, "\"k\" has another CAS"},
    {SEGUE_PHASE_CLEAN, LOSES, NOWHERE, CAS, CAS_F | MARK, 0, SEGUE_CAS_MISMATCH, 0, 0, "\"k\" has another CAS"},
    {SEGUE_PHASE_CLEAN, KEEPS, IN_F, ABSENT, 0, 0, SEGUE_OK, 1, 0, NULL},
};

static void store_record(world *w, segue_store *store, bool is_tombstone, uint64_t cas)
{
    segue_record rec = {.key = K("k"), .body = K("\"old\""), .cas = cas, .revision = 1, .is_tombstone = is_tombstone};
    if (is_tombstone) rec.body = (segue_slice){NULL, 0};
    MUST(segue_put_record(store, &rec, 0, NULL, NULL, &w->err));
}

static void open_for(world *w, const ask *a)
{
    world_open(w, a->caps, "", a->phase);
    if (a->place == IN_F || a->place == IN_BOTH || a->place == DELETED) store_record(w, w->f, false, CAS_F);
    if (a->place == IN_P || a->place == IN_BOTH || a->place == DELETED)
        store_record(w, w->p, a->place == DELETED, CAS_P);
    if (a->place == MOVED) store_record(w, w->p, false, CAS_F);
}

static segue_status run(world *w, const ask *a, uint64_t *ret_cas)
{
    segue_put put = {.rec = {.key = K("k"), .body = K("\"new\""), .revision = 7},
                     .condition = a->condition,
                     .if_cas = a->token,
                     .source = a->source};
    segue_call call = seg_call_new(w->dual, 0, &w->err);
    seg_stats_reset(w->stats_p);
    seg_stats_reset(w->stats_f);
    w->err = (segue_error){0};
    MUST(seg_call_begin(w->dual, true, &call));
    segue_status st = seg_call_put(w->dual, &put, ret_cas, &call);
    seg_call_end(w->dual, &call);
    assert_int_equal(call.pin, 0); /* nothing can be asked for any more without entering again */
    return st;
}

/* The CAS of the key's record, 0 if there is none. */
static uint64_t cas_in(world *w, segue_store *store, bool *ret_is_new)
{
    segue_status st = segue_get_record(store, K("k"), NULL, &w->doc, &w->err);
    if (ret_is_new) *ret_is_new = st == SEGUE_OK && segue_slice_equal(w->doc.rec.body, K("\"new\""));
    return st == SEGUE_OK ? w->doc.rec.cas : 0;
}

/* What is stored afterwards: one more record in the side that is written, or nothing else than before. */
static void check_stored(world *w, const ask *a, size_t i, segue_status st, uint64_t told)
{
    bool is_legacy = a->phase == SEGUE_PHASE_LEGACY, is_new = false;
    uint64_t had_p = a->place == MOVED ? CAS_F : a->place == IN_F || a->place == NOWHERE ? 0 : CAS_P;
    uint64_t had_f = a->place == IN_F || a->place == IN_BOTH || a->place == DELETED ? CAS_F : 0;
    uint64_t written = cas_in(w, is_legacy ? w->f : w->p, &is_new), other = cas_in(w, is_legacy ? w->p : w->f, NULL);
    if (other != (is_legacy ? had_p : had_f)) fail_msg("put %zu: the other side has changed", i);
    if (is_new != (st == SEGUE_OK)) fail_msg("put %zu is %s, written: %d", i, segue_status_name(st), is_new);
    if (!is_new && written != (is_legacy ? had_f : had_p)) fail_msg("put %zu failed, and there is another CAS", i);
    if (is_new && is_legacy && *a->caps) written |= MARK;
    if (told != (is_new ? written : 77))
        fail_msg("put %zu: told CAS %llu, not %llu", i, (unsigned long long)told, (unsigned long long)written);
}

static void a_put_is_judged_and_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(asks); i++) {
        const ask *a = &asks[i];
        world w;
        uint64_t told = 77;
        open_for(&w, a);
        segue_status st = run(&w, a, &told);
        uint64_t p = trips(w.stats_p), f = trips(w.stats_f);
        if (st != a->answer || p != a->p || f != a->f)
            fail_msg("put %zu: %s after %u trips to the primary and %u to the fallback; %s after %u and %u expected", i,
                     segue_status_name(st), (unsigned)p, (unsigned)f, segue_status_name(a->answer), a->p, a->f);
        if (a->says && !strstr(w.err.message, a->says))
            fail_msg("put %zu: \"%s\" does not say \"%s\"", i, w.err.message, a->says);
        check_stored(&w, a, i, st, told);
        world_close(&w);
    }
}

/* Whatever call to whichever side it is: its failure is the answer, nothing is asked after it, and nothing was written. */
/* Above the token that it names and above what it was asked to be, whichever is greater. */
static void a_cas_is_above_the_token_and_the_floor(void **state)
{
    (void)state;
    const uint64_t far = UINT64_C(1) << 62; /* where no clock is yet */
    for (int i = 0; i < 2; i++) {
        world w;
        world_open(&w, KEEPS, "", SEGUE_PHASE_FORWARD);
        segue_put put = {.rec = {.key = K("k"), .body = K("1"), .revision = 1},
                         .condition = CAS,
                         .if_cas = i ? far : CAS_F,
                         .source = SEGUE_FROM_FALLBACK,
                         .cas_floor = i ? CAS_F : far};
        segue_call call = seg_call_new(w.dual, 0, &w.err);
        must(&w, seg_call_begin(w.dual, true, &call), "begin", __LINE__);
        must(&w, seg_call_put(w.dual, &put, &w.cas, &call), "put", __LINE__);
        seg_call_end(w.dual, &call);
        assert_true(w.cas > far);
        world_close(&w);
    }
}

static void a_call_that_fails_is_the_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(asks); i++)
        for (unsigned nth = 1; nth <= asks[i].p + asks[i].f; nth++) {
            const ask *a = &asks[i];
            world w;
            world_side side = nth <= a->p ? PRIMARY : FALLBACK;
            uint64_t told = 77;
            open_for(&w, a);
            world_fail(&w, side, 0, side == PRIMARY ? nth : nth - a->p, false, false, SEGUE_UNAVAILABLE);
            segue_status st = run(&w, a, &told);
            unsigned count = seg_fault_count(side == PRIMARY ? w.fault_p : w.fault_f);
            if (st != SEGUE_UNAVAILABLE || !strstr(w.err.message, "injected failure") ||
                count != (side == PRIMARY ? nth : nth - a->p))
                fail_msg("put %zu, failing call %u of %s: %s (%s) after %u calls", i, nth,
                         side == PRIMARY ? "the primary" : "the fallback", segue_status_name(st), w.err.message, count);
            check_stored(&w, a, i, st, told);
            world_close(&w);
        }
}

static void move_k(world *w)
{
    segue_call call = seg_call_new(w->f, 0, &w->err);
    store_record(w, w->p, false, CAS_F);
    MUST(seg_call_erase(w->f, K("k"), CAS_F, &call));
}

/* The sweep brings the record between the look into the primary and that into the fallback, and after that. */
static void a_token_finds_what_has_just_moved(void **state)
{
    (void)state;
    const ask a = {SEGUE_PHASE_FORWARD, KEEPS, IN_F, CAS, CAS_F, 0, SEGUE_OK, 0, 0, NULL};
    for (int i = 0; i < 2; i++) {
        world w;
        uint64_t told = 0;
        open_for(&w, &a);
        world_inject(&w, FALLBACK, SEG_OP_GET, 1, i, move_k);
        segue_status st = run(&w, &a, &told);
        world_heal(&w);
        bool is_new = false;
        if (st != SEGUE_OK || cas_in(&w, w.p, &is_new) != told || !is_new)
            fail_msg("moved %s the fallback was read: %s (%s)", i ? "after" : "before", segue_status_name(st),
                     w.err.message);
        world_close(&w);
    }
}

/* ---- get ---- */

/* A counter that is being handed over is known by its body, which is read even where only xattrs are asked for. */
static void a_counter_is_itself_where_no_body_is_asked_for(void **state)
{
    (void)state;
    world w;
    bool exists = false;
    segue_xattr xattrs[] = {{K("_segue"), K("{\"cas\":1000,\"revision\":5,\"json\":true}")}, {K("_u"), K("1")}};
    segue_record pill = {.key = K("k"),
                         .body = K("{\"last_seq\":7,\"sg_metadata_migration_pill\":true}"),
                         .xattrs = xattrs,
                         .n_xattrs = 2,
                         .cas = CAS_OTHER,
                         .revision = 6,
                         .is_json = true};
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    must(&w, segue_put_record(w.f, &pill, 0, NULL, NULL, &w.err), "pill", __LINE__);
    segue_call call = seg_call_new(w.dual, 0, &w.err);
    call.no_body = true;
    must(&w, seg_call_begin(w.dual, false, &call), "begin", __LINE__);
    must(&w, seg_call_get(w.dual, K("k"), &w.doc, &call), "get", __LINE__);
    assert_true(call.no_body); /* for what the operation asks next */
    seg_call_end(w.dual, &call);
    assert_int_equal(w.doc.rec.cas, CAS_F);
    assert_int_equal(w.doc.rec.revision, 5);
    assert_int_equal(w.doc.rec.n_xattrs, 1);
    must(&w, segue_exists(w.dual, K("k"), NULL, &exists, &w.err), "exists", __LINE__);
    assert_true(exists);
    world_close(&w);
}

/* ---- mutate ---- */

static void set_k(world *w) { MUST(set_doc(w, "k", "\"theirs\"")); }

/* It was decided on the fallback's document, somebody was faster, and the second attempt fails: nothing was deleted. */
static void a_delete_that_lost_a_race_and_fails_is_a_failure(void **state)
{
    (void)state;
    world w;
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    put_doc(&w, w.f, "k", "1");
    world_inject(&w, FALLBACK, SEG_OP_GET, 1, true, set_k);
    seg_fault_plan plan = {.ops = SEG_OP_MUTATE, .nth = 2, .status = SEGUE_UNAVAILABLE};
    seg_fault_set(w.fault_p, &plan);
    segue_status st = delete_doc(&w, "k");
    bool fired = seg_fault_fired(w.fault_p);
    world_heal(&w);
    assert_true(w.taken && fired);
    if (st != SEGUE_UNAVAILABLE) fail_msg("told %s", segue_status_name(st));
    assert_true(shows(&w, "k", "\"theirs\""));
    world_close(&w);
}

/* In legacy the document that comes back has the CAS that the next write must name, as the outcome has. */
static void a_mutation_in_legacy_gives_the_token_that_a_get_gives(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        world w;
        segue_outcome out = {0};
        segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("1")};
        world_open(&w, i & 1 ? KEEPS : LOSES, i & 2 ? "" : "-mutate", SEGUE_PHASE_LEGACY);
        must(&w, segue_mutate(w.dual, K("k"), &m, NULL, &out, &w.doc, &w.err), "mutate", __LINE__);
        uint64_t told = w.doc.rec.cas, token = cas_in(&w, w.f, NULL) | (i & 1 ? 0 : MARK);
        must(&w, get_doc(&w, "k"), "get", __LINE__);
        if (out.cas != token || told != token || w.doc.rec.cas != token)
            fail_msg("outcome %llx, document %llx, get %llx, not %llx", (unsigned long long)out.cas,
                     (unsigned long long)told, (unsigned long long)w.doc.rec.cas, (unsigned long long)token);
        world_close(&w);
    }
}

/* ---- erase, scan ---- */

static segue_status erase(world *w, const char *key, uint64_t cas)
{
    segue_call call = seg_call_new(w->dual, 0, &w->err);
    w->err = (segue_error){0};
    MUST(seg_call_begin(w->dual, false, &call));
    segue_status st = seg_call_erase(w->dual, K(key), cas, &call);
    seg_call_end(w->dual, &call);
    return st;
}

static void nothing_is_erased_before_it_is_clean(void **state)
{
    (void)state;
    for (segue_phase phase = SEGUE_PHASE_LEGACY; phase <= SEGUE_PHASE_CLEAN; phase++) {
        const ask a = {.phase = phase, .caps = KEEPS, .place = IN_BOTH};
        world w;
        open_for(&w, &a);
        bool clean = phase == SEGUE_PHASE_CLEAN;
        segue_status other = erase(&w, "k", CAS_OTHER), none = erase(&w, "none", CAS_P), st = erase(&w, "k", CAS_P);
        if (st != (clean ? SEGUE_OK : SEGUE_REFUSED) || other != (clean ? SEGUE_CAS_MISMATCH : SEGUE_REFUSED) ||
            none != (clean ? SEGUE_NOT_FOUND : SEGUE_REFUSED))
            fail_msg("%s: %s, by another CAS %s, of none %s", segue_phase_name(phase), segue_status_name(st),
                     segue_status_name(other), segue_status_name(none));
        if (!clean && !strstr(w.err.message, "erases nothing before it is clean")) fail_msg("\"%s\"", w.err.message);
        assert_int_equal(cas_in(&w, w.p, NULL), clean ? 0 : CAS_P);
        assert_int_equal(cas_in(&w, w.f, NULL), CAS_F);
        world_close(&w);
    }
}

static segue_status scan_all(world *w)
{
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_status st = segue_scan_open(w->dual, NULL, &scan, &w->err);
    while (st == SEGUE_OK) st = segue_scan_next(scan, &rec, &w->err);
    segue_scan_close(scan);
    return st;
}

static void a_scan_that_is_cut_is_never_an_end(void **state)
{
    (void)state;
    for (segue_phase phase = SEGUE_PHASE_LEGACY; phase <= SEGUE_PHASE_CLEAN; phase++)
        for (int i = 0; i < 2; i++) {
            const ask a = {.phase = phase, .caps = KEEPS, .place = IN_BOTH};
            world w;
            open_for(&w, &a);
            bool asked = i ? phase < SEGUE_PHASE_SEALED : phase != SEGUE_PHASE_LEGACY;
            world_fail(&w, i ? FALLBACK : PRIMARY, SEG_OP_SCAN, 1, false, false, SEGUE_UNAVAILABLE);
            segue_status st = scan_all(&w);
            if (st != (asked ? SEGUE_UNAVAILABLE : SEGUE_END))
                fail_msg("%s, %s cut: %s", segue_phase_name(phase), i ? "fallback" : "primary", segue_status_name(st));
            world_close(&w);
        }
}

/* ---- expired ---- */

enum { N_EXPIRED = 16 };

static void expire_some(world *w, segue_store *store)
{
    for (int i = 0; i < N_EXPIRED; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%02d", i); /* fits */
        MUST(segue_set(store, K(key), K("1"), segue_expiry_in(10), NULL, NULL, &w->err));
    }
}

static segue_status expired(world *w, segue_page *page)
{
    segue_call call = seg_call_new(w->dual, 0, &w->err);
    uint32_t next = 0;
    MUST(seg_call_begin(w->dual, false, &call));
    segue_status st = seg_call_expired(w->dual, seg_wall_s(&w->env) + 20, page, &next, &call);
    seg_call_end(w->dual, &call);
    return st;
}

/* It comes with the source and the token that a put over it needs. */
static void what_has_expired_is_found_where_writes_go(void **state)
{
    (void)state;
    for (segue_phase phase = SEGUE_PHASE_LEGACY; phase <= SEGUE_PHASE_CLEAN; phase++)
        for (int keeps = 0; keeps < 2; keeps++) {
            world w;
            segue_page page = {.max_docs = N_EXPIRED, .max_bytes = SIZE_MAX};
            bool is_legacy = phase == SEGUE_PHASE_LEGACY;
            world_open(&w, keeps ? KEEPS : LOSES, "", phase);
            expire_some(&w, is_legacy ? w.f : w.p);
            must(&w, expired(&w, &page), "expired", __LINE__);
            assert_int_equal(page.n, N_EXPIRED);
            for (size_t i = 0; i < page.n; i++) {
                bool marked = page.docs[i].rec.cas & MARK;
                if (marked != (is_legacy && !keeps) ||
                    page.docs[i].source != (is_legacy ? SEGUE_FROM_FALLBACK : SEGUE_FROM_PRIMARY))
                    fail_msg("%s: source %d, marked: %d", segue_phase_name(phase), page.docs[i].source, marked);
            }
            segue_page_free(&page);
            world_close(&w);
        }
}

static void a_side_that_cannot_say_what_has_expired_is_no_empty_one(void **state)
{
    (void)state;
    for (int is_legacy = 0; is_legacy < 2; is_legacy++) {
        world w;
        uint64_t n = 77;
        world_open(&w, LOSES, "", is_legacy ? SEGUE_PHASE_LEGACY : SEGUE_PHASE_FORWARD);
        segue_store *side = is_legacy ? w.f : w.p;
        expire_some(&w, side);
        w.skew_ns += INT64_C(20) * 1000000000;
        world_fail(&w, is_legacy ? FALLBACK : PRIMARY, SEG_OP_EXPIRED, 1, false, false, SEGUE_UNAVAILABLE);
        segue_status st = segue_reap(w.dual, 0, &n, &w.err);
        if (st != SEGUE_UNAVAILABLE || n != 0 || !strstr(w.err.message, "injected failure"))
            fail_msg("%s (%s), %u reaped", segue_status_name(st), w.err.message, (unsigned)n);
        world_heal(&w);
        must(&w, segue_reap(w.dual, 0, &n, &w.err), "reap", __LINE__);
        assert_int_equal(n, N_EXPIRED);
        must(&w, segue_get_record(side, K("k00"), NULL, &w.doc, &w.err), "the tombstone", __LINE__);
        assert_int_equal(w.doc.rec.revision, 2);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_judged_and_counted),
        cmocka_unit_test(a_cas_is_above_the_token_and_the_floor),
        cmocka_unit_test(a_call_that_fails_is_the_answer),
        cmocka_unit_test(a_token_finds_what_has_just_moved),
        cmocka_unit_test(a_counter_is_itself_where_no_body_is_asked_for),
        cmocka_unit_test(a_delete_that_lost_a_race_and_fails_is_a_failure),
        cmocka_unit_test(a_mutation_in_legacy_gives_the_token_that_a_get_gives),
        cmocka_unit_test(nothing_is_erased_before_it_is_clean),
        cmocka_unit_test(a_scan_that_is_cut_is_never_an_end),
        cmocka_unit_test(what_has_expired_is_found_where_writes_go),
        cmocka_unit_test(a_side_that_cannot_say_what_has_expired_is_no_empty_one),
    };
    return cmocka_run_group_tests_name("dual", tests, NULL, NULL);
}
