/* The hand-over of a counter, from wherever it stands: what both sides have after it, what is counted, and what others may do
 * between any two of its steps. */
#include "migration_scene.h"

#include "doc/pill.h"
#include "migrate/migration.h"
#include "support/memory.h"

enum { CALLS = 100 };
static const uint64_t OLD = UINT64_C(1700000000000000000), AHEAD = UINT64_C(3000000000000000000);
static const char ours[] = "{\"cas\":1699999999999934464,\"revision\":3,\"json\":true}";
#define PILL(number) "{\"last_seq\":" #number ",\"sg_metadata_migration_pill\":true}"

typedef struct cscene {
    mscene s;
    segue_migration *m;
    seg_swept swept;
} cscene;

static void begin(cscene *c, size_t which, bool keep)
{
    memset(c, 0, sizeof *c);
    begin_scene(&c->s, which);
    use_own_time(&c->s);
    scene_sleeps_count = true;
    c->s.options.keep = keep;
    assert_ok(segue_migration_open(c->s.fault_from, c->s.fault_to, &c->s.options, &c->m, &test_err));
    atomic_store(&c->m->next_manifest, 1); /* as a runner has it */
}

static void end(cscene *c)
{
    scene_sleeps_count = false;
    seg_swept_clear(&c->swept);
    segue_migration_close(c->m);
    end_scene(&c->s);
}

static segue_status hand_over(cscene *c)
{
    segue_call call = seg_migration_call(c->m, &test_err);
    return seg_counter_hand_over(c->m, K("c"), &c->swept, &call);
}

/* "41 r3 json u=2", "dead r4", "none". */
static const char *show(segue_store *store, char out[256])
{
    SEG_AUTO(segue_doc) doc = {0};
    const segue_record *rec = &doc.rec;
    segue_status st = segue_get_record(store, K("c"), NULL, &doc, &test_err);
    if (st == SEGUE_NOT_FOUND) return "none";
    assert_ok(st);
    int n = snprintf(out, 256, "%.*s r%llu%s", rec->is_tombstone ? 4 : (int)rec->body.size,
                     rec->is_tombstone ? "dead" : rec->body.data, (unsigned long long)rec->revision,
                     rec->is_json ? " json" : "");
    for (size_t i = 0; i < rec->n_xattrs && n < 200; i++)
        n += snprintf(out + n, 256 - (size_t)n, " %.*s=%.*s", (int)rec->xattrs[i].name.size, rec->xattrs[i].name.data,
                      (int)rec->xattrs[i].value.size, rec->xattrs[i].value.data);
    return out;
}

static uint64_t cas_of(segue_store *store)
{
    SEG_AUTO(segue_doc) doc = {0};
    assert_ok(segue_get_record(store, K("c"), NULL, &doc, &test_err));
    return doc.rec.cas;
}

/* ---- from wherever it stands ---- */

typedef enum what { NOTHING, NUMBER, BYTES, TEXT, DEAD, PILL_OF_OURS, PILL_OF_OTHERS } what;

/* With an xattr of its own, u=2. */
static void put_one(segue_store *store, what is, const char *body, uint64_t cas)
{
    segue_xattr xattrs[] = {{K(SEG_PILL_ORIGIN), K(ours)}, {K("u"), K("2")}};
    bool has_origin = is == PILL_OF_OURS;
    segue_record rec = {.key = K("c"),
                        .body = K(body),
                        .xattrs = has_origin ? xattrs : xattrs + 1,
                        .n_xattrs = has_origin ? 2 : 1,
                        .cas = cas,
                        .revision = 4,
                        .is_json = is != BYTES};
    if (is == DEAD) rec.body = (segue_slice){0}, rec.is_tombstone = true, rec.is_json = false;
    if (is == NOTHING) return;
    segue_put put = {.rec = rec, .condition = SEGUE_IF_ABSENT};
    put.keep_cas = segue_store_caps(store) & SEGUE_CAP_KEEP_CAS;
    segue_call call = seg_call_new(store, 0, &test_err);
    assert_ok(seg_call_put(store, &put, NULL, &call));
}

typedef struct row {
    const char *name;
    bool keep;
    what from;
    const char *from_body;
    what to;
    const char *to_body;
    const char *from_after, *to_after;
    unsigned counters, finished, manifests; /* how many there are then */
} row;

static const row rows[] = {
    {"a number", false, NUMBER, "41", NOTHING, "", "none", "41 r4 json u=2", 1, 0, 1},
    {"a number that is not JSON", false, BYTES, "41", NOTHING, "", "none", "41 r4 u=2", 1, 0, 1},
    {"less in the primary", false, NUMBER, "41", NUMBER, "40", "none", "41 r5 json u=2", 1, 0, 1},
    {"as much in the primary", false, NUMBER, "41", NUMBER, "41", "none", "41 r4 json u=2", 1, 0, 1},
    {"more in the primary", false, NUMBER, "41", NUMBER, "42", "none", "42 r4 json u=2", 1, 0, 1},
    {"deleted in the primary", false, NUMBER, "41", DEAD, "", "none", "dead r4 u=2", 1, 0, 1},
    {"a smaller pill in the primary", false, NUMBER, "41", PILL_OF_OTHERS, PILL(40), "none", "41 r5 json u=2", 1, 0, 1},
    {"a greater pill in the primary", false, NUMBER, "41", PILL_OF_OTHERS, PILL(42), "none", "42 r5 json u=2", 1, 0, 1},
    {"our pill", false, PILL_OF_OURS, PILL(41), NOTHING, "", "none", "41 r3 json u=2", 1, 1, 0},
    {"a pill of others", false, PILL_OF_OTHERS, PILL(41), NOTHING, "", "none", "41 r4 json u=2", 1, 1, 1},
    {"nothing", false, NOTHING, "", NUMBER, "42", "none", "42 r4 json u=2", 0, 0, 0},
    {"no number", false, TEXT, "\"x\"", NOTHING, "", "none", "\"x\" r4 json u=2", 0, 0, 1},
    {"a deleted one", false, DEAD, "", NOTHING, "", "none", "dead r4 u=2", 0, 0, 1},
    {"a copy", true, NUMBER, "41", NOTHING, "", "41 r4 json u=2", "41 r4 json u=2", 0, 0, 1},
    {"a copy over more", true, NUMBER, "41", NUMBER, "42", "41 r4 json u=2", "42 r4 json u=2", 0, 0, 0},
    {"a copied pill", true, PILL_OF_OTHERS, PILL(41), NOTHING, "", PILL(41) " r4 json u=2", "41 r4 json u=2", 1, 1, 1},
    {"a copied pill over less", true, PILL_OF_OTHERS, PILL(41), NUMBER, "40", PILL(41) " r4 json u=2", "40 r4 json u=2",
     0, 0, 0},
};

static void from_wherever_it_stands_it_comes_to_the_primary(void **state)
{
    (void)state;
    for (size_t which = MEM_TWO; which <= MEM_OWN_CAS; which += MEM_OWN_CAS - MEM_TWO)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            const row *r = &rows[i];
            char from[256], to[256];
            cscene c;
            begin(&c, which, r->keep);
            put_one(c.s.from, r->from, r->from_body, OLD);
            put_one(c.s.to, r->to, r->to_body, OLD + 65536); /* newer: no foreign write */
            segue_status st = hand_over(&c);
            if (st != SEGUE_OK) fail_msg("%s: %s", r->name, test_err.message);
            const char *from_is = show(c.s.from, from), *to_is = show(c.s.to, to);
            const segue_counts *n = &c.swept.counts;
            if (strcmp(from_is, r->from_after) != 0 || strcmp(to_is, r->to_after) != 0)
                fail_msg("%s: fallback %s, primary %s, not %s and %s", r->name, from_is, to_is, r->from_after,
                         r->to_after);
            if (n->counters != r->counters || n->pills_finished != r->finished || count_manifests(&c.s) != r->manifests)
                fail_msg("%s: %llu counters, %llu pills, %zu manifests", r->name, (unsigned long long)n->counters,
                         (unsigned long long)n->pills_finished, count_manifests(&c.s));
            bool as_record = !r->counters && (r->to_after[0] == '"' || r->to_after[0] == 'd' || r->manifests);
            if (c.swept.settled != r->counters + as_record || c.swept.work != r->counters + as_record)
                fail_msg("%s: %llu settled, work %llu", r->name, (unsigned long long)c.swept.settled,
                         (unsigned long long)c.swept.work);
            end(&c);
        }
}

/* It has the CAS of the counter where that can be kept; elsewhere one above all that anybody has seen of it, so that it is no
 * older than what it replaces. */
static void its_cas_is_its_own_or_a_greater_one(void **state)
{
    (void)state;
    for (size_t which = MEM_TWO; which <= MEM_OWN_CAS; which += MEM_OWN_CAS - MEM_TWO)
        for (int keep = 0; keep < 2; keep++) {
            cscene c;
            begin(&c, which, keep);
            put_one(c.s.from, keep ? PILL_OF_OURS : NUMBER, keep ? PILL(41) : "41", AHEAD); /* its clock is ahead */
            assert_ok(hand_over(&c));
            uint64_t cas = cas_of(c.s.to);
            bool is_kept = which == MEM_TWO && !keep;
            if (is_kept ? cas != AHEAD : cas <= AHEAD)
                fail_msg("pair %zu, keep %d: CAS %llu, it was %llu", which, keep, (unsigned long long)cas,
                         (unsigned long long)AHEAD);
            end(&c);
        }
}

static void what_is_no_number_in_the_primary_is_said_and_nothing_lost(void **state)
{
    (void)state;
    uint64_t number = 0;
    cscene c;
    begin(&c, MEM_TWO, false);
    put_one(c.s.from, BYTES, "41", OLD);
    put_one(c.s.to, TEXT, "\"x\"", OLD + 65536);
    assert_status(hand_over(&c), SEGUE_NOT_A_NUMBER);
    if (!strstr(test_err.message, "\"c\" is a counter in the fallback and no number in the primary"))
        fail_msg("%s", test_err.message);
    assert_body(c.s.to, "c", "\"x\"");
    assert_ok(segue_get_record(c.s.from, K("c"), NULL, &c.s.doc, &test_err));
    assert_true(seg_pill_read(&c.s.doc.rec, &number));
    assert_true(c.s.doc.rec.is_json); /* whatever the counter was */
    assert_int_equal(number, 41);
    end(&c);
}

/* A record has no more xattrs than that, so the pill may have no room for what the counter was. */
static void its_xattrs_arrive_however_many_there_are(void **state)
{
    (void)state;
    for (size_t n = SEGUE_XATTRS_MAX - 1; n <= SEGUE_XATTRS_MAX; n++) {
        cscene c;
        char names[SEGUE_XATTRS_MAX][8];
        segue_xattr xattrs[SEGUE_XATTRS_MAX];
        begin(&c, MEM_TWO, false);
        for (unsigned i = 0; i < n; i++) {
            (void)snprintf(names[i], sizeof names[i], "x%03u", i); /* fits */
            xattrs[i] = (segue_xattr){K(names[i]), K("1")};
        }
        segue_record rec = {.key = K("c"),
                            .body = K("41"),
                            .xattrs = xattrs,
                            .n_xattrs = n,
                            .cas = OLD,
                            .revision = 3,
                            .is_json = true};
        put_rec(c.s.from, &rec);
        assert_ok(hand_over(&c));
        assert_ok(segue_get_record(c.s.to, K("c"), NULL, &c.s.doc, &test_err));
        assert_int_equal(c.s.doc.rec.n_xattrs, n);
        for (unsigned i = 0; i < n; i++) assert_true(segue_slice_equal(c.s.doc.rec.xattrs[i].name, K(names[i])));
        assert_true(segue_slice_equal(c.s.doc.rec.body, K("41")));
        bool had_room = n < SEGUE_XATTRS_MAX;
        assert_int_equal(c.s.doc.rec.revision, had_room ? 3 : 4);
        assert_int_equal(c.s.doc.rec.cas == OLD, had_room);
        end(&c);
    }
}

/* ---- others at work ---- */

typedef struct other {
    cscene *c;
    seg_store_op op;
    segue_store *store; /* whose record becomes this before the first such call of the migration's */
    what is;
    const char *body;
    unsigned calls;
    bool always, only_erased;
} other;

static void come_between(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    other *o = ctx;
    SEG_AUTO(segue_doc) doc = {0};
    (void)count;
    if (after || op != o->op || !segue_slice_equal(key, K("c"))) return;
    if (++o->calls > 1 && !o->always) return;
    segue_call call = seg_call_new(o->store, 0, &test_err);
    if (seg_call_get(o->store, K("c"), &doc, &call) == SEGUE_OK)
        assert_ok(seg_call_erase(o->store, K("c"), doc.rec.cas, &call));
    put_one(o->store, o->is, o->body, OLD + 65536 * (1 + o->calls));
}

static const struct {
    const char *name;
    bool in_to; /* the call is to the primary, and so is the step; else to the fallback */
    seg_store_op op;
    what before;
    const char *to_before;
    what becomes;
    const char *body;
    const char *to_after;
    unsigned counters;
} meetings[] = {
    {"an increment before the pill", false, SEG_OP_PUT, NOTHING, "", NUMBER, "50", "50 r4 json u=2", 1},
    {"erased before the pill", false, SEG_OP_PUT, NOTHING, "", NOTHING, "", "none", 0},
    {"an increment of the primary before it is raised", true, SEG_OP_PUT, NUMBER, "40", NUMBER, "50", "50 r4 json u=2",
     1},
    {"an erasure in the primary before it is raised", true, SEG_OP_PUT, NUMBER, "40", NOTHING, "", "41 r4 json u=2", 1},
    {"a record in the primary before it is seeded", true, SEG_OP_PUT, NOTHING, "", NUMBER, "30", "41 r5 json u=2", 1},
    {"another pill before it is erased", false, SEG_OP_ERASE, NOTHING, "", PILL_OF_OTHERS, PILL(50), "50 r5 json u=2",
     1},
    {"erased before it is erased", false, SEG_OP_ERASE, NOTHING, "", NOTHING, "", "41 r4 json u=2", 1},
};

static void whoever_comes_between_it_begins_by_looking_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof meetings / sizeof *meetings; i++) {
        char from[256], to[256];
        cscene c;
        begin(&c, MEM_TWO, false);
        other o = {.c = &c, .op = meetings[i].op, .is = meetings[i].becomes, .body = meetings[i].body};
        o.store = meetings[i].in_to ? c.s.to : c.s.from;
        put_one(c.s.from, NUMBER, "41", OLD);
        put_one(c.s.to, meetings[i].before, meetings[i].to_before, OLD);
        seg_fault_plan plan = {.hook = come_between, .hook_ctx = &o};
        seg_fault_set(meetings[i].in_to ? c.s.fault_to : c.s.fault_from, &plan);
        segue_status st = hand_over(&c);
        const char *from_is = show(c.s.from, from), *to_is = show(c.s.to, to);
        if (st != SEGUE_OK || strcmp(to_is, meetings[i].to_after) != 0 || strcmp(from_is, "none") != 0)
            fail_msg("%s: %s: fallback %s, primary %s", meetings[i].name, segue_status_name(st), from_is, to_is);
        assert_int_equal(c.swept.counts.counters, meetings[i].counters);
        end(&c);
    }
}

static void one_that_never_stands_still_is_given_up(void **state)
{
    (void)state;
    cscene c;
    begin(&c, MEM_TWO, false);
    other o = {.c = &c, .op = SEG_OP_PUT, .store = c.s.from, .is = NUMBER, .body = "50", .always = true};
    put_one(c.s.from, NUMBER, "41", OLD);
    seg_fault_plan plan = {.hook = come_between, .hook_ctx = &o};
    seg_fault_set(c.s.fault_from, &plan);
    assert_status(hand_over(&c), SEGUE_UNAVAILABLE);
    if (!strstr(test_err.message, "the counter \"c\" changes faster than it can be handed over"))
        fail_msg("%s", test_err.message);
    assert_int_equal(o.calls, 32);
    assert_body(c.s.from, "c", "50");
    end(&c);
}

/* ---- failures ---- */

/* Each call fails: that is the answer, and after it, it can be finished. */
static void every_failure_is_told(void **state)
{
    (void)state;
    static const what froms[] = {NUMBER, PILL_OF_OTHERS}, tos[] = {NOTHING, NUMBER, PILL_OF_OTHERS};
    for (int from = 0; from < 2; from++)
        for (int to = 0; to < 3; to++)
            for (int keep = 0; keep < 2; keep++)
                for (int side = 0; side < 2; side++)
                    for (unsigned nth = 1, fired = 1; fired && nth < CALLS; nth++) {
                        char text[256];
                        cscene c;
                        begin(&c, MEM_TWO, keep);
                        put_one(c.s.from, froms[from], from ? PILL(41) : "41", OLD + 65536);
                        put_one(c.s.to, tos[to], to == 1 ? "7" : PILL(7), OLD);
                        segue_store *store = side ? c.s.fault_to : c.s.fault_from;
                        seg_fault_plan plan = {.nth = nth, .status = SEGUE_IO_ERROR};
                        c.m->options.on_foreign_write = SEGUE_FOREIGN_PRIMARY;
                        seg_fault_set(store, &plan);
                        segue_status st = hand_over(&c);
                        fired = seg_fault_fired(store);
                        if (st != (fired ? SEGUE_IO_ERROR : SEGUE_OK))
                            fail_msg("%d, %d, keep %d: call %u of side %d: %s", from, to, keep, nth, side,
                                     segue_status_name(st));
                        heal(&c.s);
                        assert_ok(hand_over(&c));
                        if (!keep) assert_body(c.s.to, "c", "41");
                        if (!keep) assert_string_equal(show(c.s.from, text), "none");
                        end(&c);
                    }
}

static segue_status hand_one_over(void *ctx)
{
    segue_store *stores[2] = {0};
    segue_migration *m = NULL;
    seg_swept swept = {0};
    segue_error err = {0};
    unsigned *told = ctx;
    segue_status st = segue_open("mem:", NULL, &stores[0], &err);
    if (st == SEGUE_OK) st = segue_open("mem:", NULL, &stores[1], &err);
    if (st == SEGUE_OK) st = segue_migration_open(stores[0], stores[1], NULL, &m, &err);
    if (st == SEGUE_OK) st = segue_set(stores[0], K("c"), K("41"), segue_expiry_none(), NULL, NULL, &err);
    if (st == SEGUE_OK) {
        segue_call call = seg_migration_call(m, &err);
        atomic_store(&m->next_manifest, 1);
        st = seg_counter_hand_over(m, K("c"), &swept, &call);
        test_fault_heal(&test_memory);
        if (st != SEGUE_OK) *told += strstr(err.message, "out of memory for a counter") != NULL;
        if (st == SEGUE_OK && (swept.counts.counters != 1 || is_at(stores[0], "c") || !is_at(stores[1], "c")))
            st = SEGUE_CORRUPT;
        mscene s = {.to = stores[1]};
        if (st == SEGUE_OK && count_manifests(&s) != 1) st = SEGUE_CORRUPT;
    }
    seg_swept_clear(&swept);
    segue_migration_close(m);
    for (int i = 0; i < 2; i++) segue_close(stores[i]);
    return st;
}

static void without_memory_it_says_so_and_can_be_finished(void **state)
{
    (void)state;
    unsigned told = 0;
    test_fail_every_allocation(hand_one_over, &told);
    assert_true(told >= 2);
}

/* ---- patience ---- */

static int64_t naps[16];
static unsigned n_naps;

static void nap(void *ctx, int64_t ns)
{
    (void)ctx;
    if (n_naps < sizeof naps / sizeof *naps) naps[n_naps] = ns;
    n_naps++;
}

static void the_greatest_number(void *ctx, void *out, size_t size) { (void)ctx, memset(out, 0xff, size); }

static void cancel_it(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    (void)op, (void)key, (void)after, (void)count;
    segue_migration_cancel(ctx);
}

static const struct {
    const char *name;
    segue_status fails, st;
    bool persistent, is_cancelled;
    unsigned calls, naps, errors;
} patience[] = {
    {"a failure that passes", SEGUE_UNAVAILABLE, SEGUE_OK, false, false, 2, 1, 0},
    {"one that does not", SEGUE_UNAVAILABLE, SEGUE_UNAVAILABLE, true, false, 4, 3, 1},
    {"one that is not known", SEGUE_MAYBE_APPLIED, SEGUE_MAYBE_APPLIED, true, false, 4, 3, 1},
    {"one for good", SEGUE_IO_ERROR, SEGUE_IO_ERROR, true, false, 1, 0, 1},
    {"cancelled", SEGUE_UNAVAILABLE, SEGUE_UNAVAILABLE, true, true, 1, 0, 1},
};

/* Tried four times, and what fails then is counted and named. */
static void it_is_tried_again_for_a_while(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof patience / sizeof *patience; i++) {
        cscene c;
        begin(&c, MEM_TWO, false);
        c.s.fault_to->env.sleep_ns = nap;
        c.s.fault_to->env.random = the_greatest_number;
        n_naps = 0;
        put_one(c.s.from, NUMBER, "41", OLD);
        seg_fault_plan plan = {
            .ops = SEG_OP_GET, .nth = 1, .persistent = patience[i].persistent, .status = patience[i].fails};
        if (patience[i].is_cancelled) plan.hook = cancel_it, plan.hook_ctx = c.m;
        seg_fault_set(c.s.fault_to, &plan);
        segue_status st = seg_counter_try(c.m, K("c"), &c.swept);
        const segue_counts *n = &c.swept.counts;
        if (st != patience[i].st || n_naps != patience[i].naps || n->retries != patience[i].naps ||
            n->errors != patience[i].errors || seg_fault_count(c.s.fault_to) != patience[i].calls)
            fail_msg("%s: %s, %u naps, %llu retries, %llu errors, %u calls", patience[i].name, segue_status_name(st),
                     n_naps, (unsigned long long)n->retries, (unsigned long long)n->errors,
                     seg_fault_count(c.s.fault_to));
        for (unsigned k = 1; k < n_naps; k++) /* they grow from 5 ms on */
            if (naps[0] > 5000000 || naps[k] <= 5000000)
                fail_msg("%s: naps of %lld ns", patience[i].name, (long long)naps[k]);
        assert_int_equal(c.swept.failed.n, patience[i].errors);
        if (c.swept.failed.n) assert_true(segue_slice_equal(segue_buf_slice(&c.swept.failed.keys[0]), K("c")));
        assert_int_equal(c.swept.work, 1);
        if (st != SEGUE_OK) assert_non_null(strstr(c.swept.err.message, "injected failure"));
        end(&c);
    }
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(from_wherever_it_stands_it_comes_to_the_primary),
        IN_FOLDER(its_cas_is_its_own_or_a_greater_one),
        IN_FOLDER(what_is_no_number_in_the_primary_is_said_and_nothing_lost),
        IN_FOLDER(its_xattrs_arrive_however_many_there_are),
        IN_FOLDER(whoever_comes_between_it_begins_by_looking_again),
        IN_FOLDER(one_that_never_stands_still_is_given_up),
        IN_FOLDER(every_failure_is_told),
        IN_FOLDER(without_memory_it_says_so_and_can_be_finished),
        IN_FOLDER(it_is_tried_again_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
