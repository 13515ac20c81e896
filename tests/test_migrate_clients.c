/* Migrations among others: clients of a dual store in the same process, programs that know nothing of the migration,
 * operators who hold a step, verify and repair; and what is refused. */
#include "migration_scene.h"

#include <pthread.h>

/* ---- foreign writes ---- */

typedef struct outsider {
    mscene *scene;
    unsigned nth, seen, succeeded;
    const char *body;
} outsider;

/* Writes d:00 in the fallback, once, before the nth call. */
static void write_behind(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    outsider *o = ctx;
    (void)op, (void)key;
    if (after || count != o->nth) return;
    assert_ok(segue_set(o->scene->from, K("d:00"), K("\"foreign\""), segue_expiry_none(), NULL, NULL, &test_err));
    o->succeeded++;
}

static const struct {
    segue_on_foreign how;
    size_t which;
    unsigned op;
    const char *expected;
    bool before_the_copy; /* after the page was read */
} foreign_cases[] = {
    /* Inside one engine nothing was done when the write is seen: there is no record of the primary to win. */
    {SEGUE_FOREIGN_NEWER, MEM_ONE, SEG_OP_MOVE, "\"foreign\"", false},
    {SEGUE_FOREIGN_PRIMARY, MEM_ONE, SEG_OP_MOVE, "\"foreign\"", false},
    {SEGUE_FOREIGN_NEWER, MEM_TWO, SEG_OP_WRITE_MANY, "\"foreign\"", false},
    {SEGUE_FOREIGN_PRIMARY, MEM_TWO, SEG_OP_WRITE_MANY, "{\"i\":0}", false},
    {SEGUE_FOREIGN_NEWER, MEM_TWO, SEG_OP_WRITE_MANY, "\"foreign\"", true},
    {SEGUE_FOREIGN_NEWER, MEM_OWN_CAS, SEG_OP_WRITE_MANY, "\"foreign\"", false},
    {SEGUE_FOREIGN_PRIMARY, MEM_OWN_CAS, SEG_OP_WRITE_MANY, "{\"i\":0}", false},
    /* The copy's own CAS is the greater one, and it is the older record all the same. */
    {SEGUE_FOREIGN_NEWER, MEM_OWN_CAS, SEG_OP_WRITE_MANY, "\"foreign\"", true},
};

static void begin_with_outsider(mscene *s, size_t i, outsider *o)
{
    begin_scene(s, foreign_cases[i].which);
    s->options.workers = 1; /* nobody else takes the record first */
    *o = (outsider){.scene = s, .nth = 1};
    seg_fault_plan plan = {.ops = foreign_cases[i].op, .hook = write_behind, .hook_ctx = o};
    seg_fault_set(foreign_cases[i].before_the_copy ? s->fault_to : s->fault_from, &plan);
}

static void foreign_write_is_settled_as_the_operator_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof foreign_cases / sizeof foreign_cases[0]; i++) {
        mscene s;
        outsider o;
        begin_with_outsider(&s, i, &o);
        s.options.on_foreign_write = foreign_cases[i].how;
        assert_ok(run_scene(&s));
        assert_int_equal(o.succeeded, 1);
        assert_body(s.to, "d:00", foreign_cases[i].expected);
        segue_migration_status status = read_status(&s);
        assert_int_equal(status.counts.foreign_writes, 1);
        assert_int_equal(count_records(s.to), N_MOVED);
        assert_int_equal(count_records(s.from), 1);
        segue_migration_status_free(&status);
        end_scene(&s);
    }
}

static void foreign_write_stops_until_it_is_decided(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof foreign_cases / sizeof foreign_cases[0]; i++) {
        mscene s;
        outsider o;
        begin_with_outsider(&s, i, &o);
        for (int n = 0; n < 2; n++) { /* asking again is no answer */
            assert_status(run_scene(&s), SEGUE_NOT_FINISHED);
            assert_non_null(strstr(test_err.message, "d:00"));
            segue_migration_status status = read_status(&s);
            assert_int_equal(status.n_foreign_keys, 1);
            assert_true(status.stage < SEGUE_STAGE_SEALING);
            assert_non_null(strstr(status.last_error, "d:00"));
            segue_migration_status_free(&status);
            assert_body(s.from, "d:00", "\"foreign\"");
            heal(&s);
        }
        s.options.on_foreign_write = foreign_cases[i].how;
        assert_ok(run_scene(&s));
        bool by_the_clocks = foreign_cases[i].which == MEM_OWN_CAS && foreign_cases[i].before_the_copy;
        if (!by_the_clocks) assert_body(s.to, "d:00", foreign_cases[i].expected);
        assert_true(is_at(s.to, "d:00"));
        assert_false(is_at(s.from, "d:00"));
        end_scene(&s);
    }
}

/* The runner was gone when it happened, and the record was in the primary already. */
static void foreign_write_between_two_runs_is_seen(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_TWO);
    segue_record copy = {.key = K("d:05"), .body = K("{\"i\":5}"), .cas = 1, .revision = 6, .is_json = true};
    SEG_AUTO(segue_doc) doc = {0};
    assert_ok(segue_get_record(s.from, copy.key, NULL, &doc, &test_err));
    put_rec(s.to, &doc.rec);
    assert_ok(segue_set(s.from, K("d:05"), K("\"foreign\""), segue_expiry_none(), NULL, NULL, &test_err));
    assert_status(run_scene(&s), SEGUE_NOT_FINISHED);
    assert_body(s.from, "d:05", "\"foreign\"");
    s.options.on_foreign_write = SEGUE_FOREIGN_NEWER;
    assert_ok(run_scene(&s));
    assert_body(s.to, "d:05", "\"foreign\"");
    end_scene(&s);
}

static void erase_behind(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    mscene *s = ctx;
    SEG_AUTO(segue_doc) doc = {0};
    (void)op, (void)key;
    if (after || count != 1) return;
    segue_call call = seg_call_new(s->from, 0, &test_err);
    assert_ok(seg_call_get(s->from, K("d:00"), &doc, &call));
    assert_ok(seg_call_erase(s->from, K("d:00"), doc.rec.cas, &call));
}

/* Not a delete, which leaves a tombstone: the record is not there any more, on neither side, and nothing waits for it. */
static void what_is_erased_outright_by_others_is_not_missed(void **state)
{
    (void)state;
    static const struct {
        size_t which;
        unsigned op;
        bool arrives;
    } cases[] = {{MEM_ONE, SEG_OP_MOVE, false}, {SQLITE_ONE, SEG_OP_MOVE, false}, {MEM_TWO, SEG_OP_WRITE_MANY, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mscene s;
        begin_scene(&s, cases[i].which);
        s.options.workers = 1;
        seg_fault_plan plan = {.ops = cases[i].op, .hook = erase_behind, .hook_ctx = &s};
        seg_fault_set(s.fault_from, &plan);
        assert_ok(run_scene(&s));
        assert_int_equal(is_at(s.to, "d:00"), cases[i].arrives);
        assert_int_equal(count_records(s.to), cases[i].arrives ? N_MOVED : N_MOVED - 1);
        segue_migration_status status = read_status(&s);
        assert_int_equal(status.counts.foreign_writes, !cases[i].arrives);
        segue_migration_status_free(&status);
        end_scene(&s);
    }
}

/* ---- counters that outsiders go on incrementing ---- */

static void increment_outside(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    outsider *o = ctx;
    (void)op, (void)key;
    if (after || count != o->nth) return;
    o->seen++;
    segue_status st = segue_incr(o->scene->from, K("n:counter"), 1, NULL, segue_expiry_none(), NULL, NULL, &test_err);
    if (st == SEGUE_OK) o->succeeded++;
    else if (st != SEGUE_NOT_A_NUMBER && st != SEGUE_NOT_FOUND) fail_msg("%s", test_err.message);
}

/* Before any call to either side, an outsider increments in the fallback: what it was told is in the number, always. */
static void no_increment_of_an_outsider_is_lost(void **state)
{
    (void)state;
    unsigned succeeded = 0, refused = 0;
    for (size_t which = MEM_ONE; which <= MEM_TWO; which++)
        for (int side = 0; side < 2; side++)
            for (unsigned nth = 1;; nth++) {
                mscene s;
                char expected[16];
                begin_scene(&s, which);
                outsider o = {.scene = &s, .nth = nth};
                seg_fault_plan plan = {.hook = increment_outside, .hook_ctx = &o};
                seg_fault_set(side ? s.fault_to : s.fault_from, &plan);
                segue_status st = run_scene(&s);
                heal(&s);
                if (st != SEGUE_OK) fail_msg("call %u of side %d: %s", nth, side, test_err.message);
                (void)snprintf(expected, sizeof expected, "%u", 41 + o.succeeded); /* fits */
                assert_body(s.to, "n:counter", expected);
                assert_false(is_at(s.from, "n:counter"));
                succeeded += o.succeeded;
                refused += o.seen - o.succeeded;
                end_scene(&s);
                if (!o.seen) break;
            }
    assert_true(succeeded > 0 && refused > 0);
}

static void the_greater_number_wins_and_a_deleted_counter_stays_deleted(void **state)
{
    (void)state;
    for (size_t which = 0; which < N_PAIRS; which++) {
        mscene s;
        begin_scene(&s, which);
        assert_ok(segue_set(s.to, K("n:counter"), K("7"), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(run_scene(&s));
        assert_body(s.to, "n:counter", "41");
        end_scene(&s);
        begin_scene(&s, which);
        assert_ok(segue_set(s.to, K("n:counter"), K("7"), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(segue_delete(s.to, K("n:counter"), NULL, &test_err));
        assert_ok(run_scene(&s));
        assert_body(s.to, "n:counter", "(a tombstone)");
        assert_false(is_at(s.from, "n:counter"));
        end_scene(&s);
    }
}

/* ---- clients in the same process ---- */

enum { CLIENTS = 4, ROUNDS = 150 };

typedef struct client {
    segue_store *dual;
    unsigned number, increments, refused;
    bool *stop;
    pthread_mutex_t *lock;
    char wrong[256];
} client;

static bool must_stop(client *c)
{
    pthread_mutex_lock(c->lock);
    bool stop = *c->stop;
    pthread_mutex_unlock(c->lock);
    return stop;
}

static void note(client *c, const char *what, const segue_error *err)
{
    if (!c->wrong[0]) (void)snprintf(c->wrong, sizeof c->wrong, "%.60s: %.180s", what, err->message);
}

/* Increments a counter that all share, and one of its own; writes, deletes and recreates a document of its own. */
static void *be_a_client(void *arg)
{
    client *c = arg;
    segue_error err = {0};
    SEG_AUTO(segue_doc) doc = {0};
    char own[32], mine[32];
    (void)snprintf(own, sizeof own, "d:%02u", c->number);    /* fits */
    (void)snprintf(mine, sizeof mine, "n:own%u", c->number); /* fits */
    uint64_t initial = 1;
    for (unsigned i = 0; i < ROUNDS || !must_stop(c); i++) {
        if (segue_incr(c->dual, K("n:counter"), 1, NULL, segue_expiry_none(), NULL, NULL, &err) == SEGUE_OK)
            c->increments++;
        else note(c, "increment", &err);
        if (segue_incr(c->dual, K(mine), 1, &initial, segue_expiry_none(), NULL, NULL, &err) != SEGUE_OK)
            note(c, "own counter", &err);
        if (segue_delete(c->dual, K(own), NULL, &err) != SEGUE_OK) note(c, "delete", &err);
        if (segue_get(c->dual, K(own), NULL, &doc, &err) != SEGUE_NOT_FOUND) note(c, "resurrected", &err);
        if (segue_add(c->dual, K(own), K("\"again\""), segue_expiry_none(), NULL, NULL, &err) != SEGUE_OK)
            note(c, "add", &err);
        if (segue_get(c->dual, K("d:registry"), NULL, &doc, &err) != SEGUE_OK) note(c, "always there", &err);
    }
    return NULL;
}

static void clients_lose_nothing_while_it_runs(void **state)
{
    (void)state;
    for (size_t which = 0; which < N_PAIRS; which++) {
        mscene s;
        char expected[16];
        pthread_t threads[CLIENTS];
        client clients[CLIENTS];
        bool stop = false;
        pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        segue_store *dual = NULL;
        segue_dual_options legacy = {SEGUE_PHASE_LEGACY};
        begin_scene(&s, which);
        assert_ok(segue_dual_open(s.to, s.from, &legacy, &dual, &test_err));
        s.options.dual = dual;
        for (unsigned i = 0; i < CLIENTS; i++) {
            clients[i] = (client){.dual = dual, .number = i, .stop = &stop, .lock = &lock};
            assert_int_equal(pthread_create(&threads[i], NULL, be_a_client, &clients[i]), 0);
        }
        segue_status st = run_between(&s, NULL, NULL);
        pthread_mutex_lock(&lock);
        stop = true;
        pthread_mutex_unlock(&lock);
        unsigned increments = 0;
        for (unsigned i = 0; i < CLIENTS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            increments += clients[i].increments;
        }
        if (st != SEGUE_OK) fail_msg("%s: %s", pairs[which].name, test_err.message);
        for (unsigned i = 0; i < CLIENTS; i++)
            if (clients[i].wrong[0]) fail_msg("%s: client %u: %s", pairs[which].name, i, clients[i].wrong);
        (void)snprintf(expected, sizeof expected, "%u", 41 + increments); /* fits */
        assert_body(dual, "n:counter", expected);
        for (unsigned i = 0; i < CLIENTS; i++) {
            char own[32];
            (void)snprintf(own, sizeof own, "d:%02u", i); /* fits */
            assert_body(dual, own, "\"again\"");
        }
        segue_phase phase = SEGUE_PHASE_LEGACY;
        assert_ok(segue_dual_phase(dual, &phase));
        assert_int_equal(phase, SEGUE_PHASE_CLEAN);
        assert_int_equal(count_records(s.from), 1);
        segue_close(dual);
        end_scene(&s);
    }
}

/* ---- holding steps ---- */

static void the_operator_holds_the_seal_and_the_cleaning(void **state)
{
    (void)state;
    mscene s;
    segue_migration *m = NULL;
    segue_store *dual = NULL;
    segue_phase phase;
    begin_scene(&s, MEM_TWO);
    assert_ok(segue_dual_open(s.to, s.from, NULL, &dual, &test_err));
    s.options.dual = dual;
    s.options.hold_seal = true;
    assert_ok(segue_migration_open(NULL, NULL, &s.options, &m, &test_err));
    assert_status(segue_migration_seal(m, &test_err), SEGUE_NOT_FOUND);
    assert_ok(segue_migration_run(m, &test_err));
    assert_int_equal(stage_of(&s), SEGUE_STAGE_VERIFIED);
    assert_ok(segue_dual_phase(dual, &phase));
    assert_int_equal(phase, SEGUE_PHASE_FORWARD);
    assert_status(segue_migration_clean(m, &test_err), SEGUE_REFUSED);
    assert_ok(segue_migration_seal(m, &test_err));
    assert_int_equal(stage_of(&s), SEGUE_STAGE_SEALED);
    assert_ok(segue_dual_phase(dual, &phase));
    assert_int_equal(phase, SEGUE_PHASE_SEALED);
    assert_true(count_manifests(&s) > 0);
    assert_ok(segue_migration_seal(m, &test_err)); /* again: its first answer may have been lost */
    assert_int_equal(stage_of(&s), SEGUE_STAGE_SEALED);
    assert_ok(segue_migration_clean(m, &test_err));
    assert_int_equal(stage_of(&s), SEGUE_STAGE_CLEAN);
    assert_status(segue_migration_seal(m, &test_err), SEGUE_REFUSED);
    assert_ok(segue_dual_phase(dual, &phase));
    assert_int_equal(phase, SEGUE_PHASE_CLEAN);
    assert_int_equal(count_manifests(&s), 0);
    segue_migration_close(m);
    segue_close(dual);
    assert_moved(&s, "by hand");
    end_scene(&s);
}

/* Another process knows the primary only. */
static void seal_and_clean_need_only_the_primary(void **state)
{
    (void)state;
    mscene s;
    segue_migration *m = NULL;
    begin_scene(&s, SQLITE_TWO);
    s.options.hold_seal = true;
    assert_ok(run_scene(&s));
    assert_ok(segue_migration_open(NULL, s.to, NULL, &m, &test_err));
    assert_ok(segue_migration_seal(m, &test_err));
    assert_ok(segue_migration_clean(m, &test_err));
    segue_migration_close(m);
    assert_moved(&s, "from elsewhere");
    end_scene(&s);
}

/* The scan ends in an error on its second page; the operator asks for the seal all the same. */
static segue_status seal_after_a_cut_pass(mscene *s)
{
    segue_migration *m = NULL;
    begin_scene(s, MEM_TWO);
    seg_fault_plan plan = {.ops = SEG_OP_SCAN, .nth = 4, .persistent = true, .status = SEGUE_IO_ERROR};
    seg_fault_set(s->fault_from, &plan);
    assert_status(run_scene(s), SEGUE_IO_ERROR);
    assert_true(seg_fault_fired(s->fault_from));
    assert_true(is_at(s->from, "d:11")); /* the pass was cut: there is something left */
    heal(s);
    assert_ok(segue_migration_open(s->from, s->to, &s->options, &m, &test_err));
    segue_status st = segue_migration_seal(m, &test_err);
    segue_migration_close(m);
    return st;
}

static void sealing_is_refused_after_a_cut_pass(void **state)
{
    (void)state;
    mscene s;
    assert_status(seal_after_a_cut_pass(&s), SEGUE_REFUSED);
    end_scene(&s);
    assert_true(seg_rule_switch("SEAL_NEEDS_FULL_PASS", false));
    segue_status without_the_rule = seal_after_a_cut_pass(&s);
    assert_true(seg_rule_switch("SEAL_NEEDS_FULL_PASS", true));
    assert_int_equal(without_the_rule, SEGUE_OK); /* so it is the rule that refuses */
    end_scene(&s);
}

/* ---- verification ---- */

typedef struct told {
    unsigned by_kind[4], repaired;
    char last_key[64];
} told;

static void hear(void *ctx, const segue_difference *d)
{
    told *t = ctx;
    t->by_kind[d->kind]++;
    t->repaired += d->repaired;
    (void)snprintf(t->last_key, sizeof t->last_key, "%.*s", (int)d->key.size, d->key.data);
    assert_true(strlen(d->text) > 10);
}

static void verify(mscene *s, unsigned options, segue_status expected, told *t, segue_verified *v)
{
    segue_migration *m = NULL;
    *t = (told){0};
    *v = (segue_verified){0};
    assert_ok(segue_migration_open(s->from, s->to, &s->options, &m, &test_err));
    segue_status st = segue_migration_verify(m, options, hear, t, v, &test_err);
    if (st != expected) fail_msg("%s: %s", segue_status_name(st), test_err.message);
    segue_migration_close(m);
}

static void begin_verified(mscene *s, size_t which, bool keep)
{
    begin_scene(s, which);
    s->options.hold_seal = true;
    s->options.keep = keep;
    assert_ok(run_scene(s));
}

static void erase_in_primary(mscene *s, const char *key)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_call call = seg_call_new(s->to, 0, &test_err);
    assert_ok(seg_call_get(s->to, K(key), &doc, &call));
    assert_ok(seg_call_erase(s->to, K(key), doc.rec.cas, &call));
}

/* Other bytes under the same CAS: what a bad disk or a bad copy leaves. */
static void damage_in_primary(mscene *s, const char *key)
{
    SEG_AUTO(segue_doc) doc = {0};
    assert_ok(segue_get_record(s->to, K(key), NULL, &doc, &test_err));
    segue_record damaged = doc.rec;
    damaged.body = K("\"damaged\"");
    put_rec(s->to, &damaged);
}

static void verification_finds_what_is_missing_damaged_or_left(void **state)
{
    (void)state;
    static const size_t which[] = {MEM_ONE, MEM_TWO, SQLITE_ONE, SQLITE_TWO, 7};
    for (size_t i = 0; i < sizeof which / sizeof which[0]; i++) {
        mscene s;
        told t;
        segue_verified v;
        begin_verified(&s, which[i], false);
        verify(&s, 0, SEGUE_OK, &t, &v);
        assert_int_equal(v.checked, N_MOVED);
        assert_int_equal(v.same, N_MOVED);
        /* What clients do is no difference. */
        assert_ok(segue_set(s.to, K("d:01"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(segue_delete(s.to, K("d:02"), NULL, &test_err));
        verify(&s, 0, SEGUE_OK, &t, &v);
        assert_int_equal(v.same, N_MOVED - 2);
        assert_int_equal(v.changed, 1);
        assert_int_equal(v.deleted, 1);
        damage_in_primary(&s, "d:04");
        verify(&s, 0, SEGUE_DIFFERENT, &t, &v);
        assert_int_equal(t.by_kind[SEGUE_DIFF_CONTENT], 1);
        assert_string_equal(t.last_key, "d:04");
        erase_in_primary(&s, "d:05");
        verify(&s, 0, SEGUE_DIFFERENT, &t, &v);
        assert_int_equal(v.differences, 2);
        assert_int_equal(t.by_kind[SEGUE_DIFF_MISSING], 1);
        assert_ok(segue_add(s.from, K("d:99"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(segue_add(s.from, K("other2"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
        verify(&s, 0, SEGUE_DIFFERENT, &t, &v);
        assert_int_equal(v.differences, 3);
        assert_int_equal(t.by_kind[SEGUE_DIFF_LEFT], 1);
        assert_string_equal(t.last_key, "d:99");
        /* What is left can be repaired; of the others there is no second copy. */
        verify(&s, SEGUE_VERIFY_REPAIR, SEGUE_DIFFERENT, &t, &v);
        assert_int_equal(v.differences, 3);
        assert_int_equal(v.repaired, 1);
        assert_body(s.to, "d:99", "1");
        assert_false(is_at(s.from, "d:99"));
        assert_int_equal(stage_of(&s), SEGUE_STAGE_VERIFIED);
        end_scene(&s);
    }
}

static void stop_in_the_second_page(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    (void)op, (void)key;
    if (after && count == 4) segue_migration_cancel(ctx);
}

/* What the first of two runs has moved is remembered beside what the second one moves. */
static void verification_knows_of_all_runs(void **state)
{
    (void)state;
    mscene s;
    told t;
    segue_verified v;
    segue_migration *m = NULL;
    begin_scene(&s, MEM_TWO);
    s.options.hold_seal = true;
    assert_ok(segue_migration_open(s.fault_from, s.fault_to, &s.options, &m, &test_err));
    seg_fault_plan plan = {.ops = SEG_OP_WRITE_MANY, .hook = stop_in_the_second_page, .hook_ctx = m};
    plan.ops |= SEG_OP_SCAN;
    seg_fault_set(s.fault_from, &plan);
    assert_status(segue_migration_run(m, &test_err), SEGUE_NOT_FINISHED);
    segue_migration_close(m);
    heal(&s);
    segue_migration_status status = read_status(&s);
    assert_in_range(status.counts.moved, 1, N_MOVED - 2);
    segue_migration_status_free(&status);
    assert_ok(run_scene(&s));
    verify(&s, 0, SEGUE_OK, &t, &v);
    assert_int_equal(v.checked, N_MOVED);
    end_scene(&s);
}

/* Only those that hid something, hold nothing, and are still the same. */
static void cleaning_purges_no_other_tombstones(void **state)
{
    (void)state;
    mscene s;
    segue_store *dual = NULL;
    begin_scene(&s, MEM_TWO);
    s.options.hold_clean = true;
    assert_ok(segue_dual_open(s.to, s.from, NULL, &dual, &test_err));
    assert_ok(segue_delete(dual, K("d:01"), NULL, &test_err)); /* has a system xattr, which stays */
    assert_ok(segue_delete(dual, K("d:02"), NULL, &test_err));
    assert_ok(segue_delete(dual, K("d:03"), NULL, &test_err));
    assert_ok(segue_delete(dual, K("d:05"), NULL, &test_err));
    segue_close(dual);
    assert_ok(run_scene(&s));
    assert_ok(segue_add(s.to, K("d:02"), K("\"alive\""), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(segue_add(s.to, K("d:03"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(segue_delete(s.to, K("d:03"), NULL, &test_err)); /* died anew, and hides nothing */
    assert_ok(segue_delete(s.to, K("d:04"), NULL, &test_err));
    s.options.hold_clean = false;
    assert_ok(run_scene(&s));
    assert_body(s.to, "d:01", "(a tombstone)");
    assert_body(s.to, "d:02", "\"alive\"");
    assert_body(s.to, "d:03", "(a tombstone)");
    assert_body(s.to, "d:04", "(a tombstone)");
    assert_false(is_at(s.to, "d:05"));
    segue_migration_status status = read_status(&s);
    assert_int_equal(status.counts.hidden, 4);
    assert_int_equal(status.counts.purged, 1);
    segue_migration_status_free(&status);
    end_scene(&s);
}

static void a_kept_fallback_repairs_the_primary(void **state)
{
    (void)state;
    for (size_t which = 0; which < N_PAIRS; which++) {
        mscene s;
        told t;
        segue_verified v;
        begin_verified(&s, which, true);
        bool keeps_cas = segue_store_caps(s.to) & SEGUE_CAP_KEEP_CAS;
        verify(&s, 0, SEGUE_OK, &t, &v);
        if (keeps_cas) damage_in_primary(&s, "d:04");
        erase_in_primary(&s, "d:05");
        assert_ok(segue_set(s.to, K("d:01"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
        verify(&s, 0, SEGUE_DIFFERENT, &t, &v);
        verify(&s, SEGUE_VERIFY_REPAIR, SEGUE_OK, &t, &v);
        assert_int_equal(v.repaired, v.differences);
        assert_body(s.to, "d:04", "{\"i\":4}");
        assert_body(s.to, "d:05", "{\"i\":5}");
        assert_body(s.to, "d:01", "1"); /* a client's: no difference, not touched */
        verify(&s, 0, SEGUE_OK, &t, &v);
        end_scene(&s);
    }
}

static void differences_keep_a_run_from_sealing(void **state)
{
    (void)state;
    mscene s;
    begin_verified(&s, MEM_TWO, false);
    erase_in_primary(&s, "d:05");
    s.options.hold_seal = false;
    assert_status(run_scene(&s), SEGUE_DIFFERENT);
    assert_int_equal(stage_of(&s), SEGUE_STAGE_VERIFYING);
    segue_migration *m = NULL;
    assert_ok(segue_migration_open(s.from, s.to, &s.options, &m, &test_err));
    assert_status(segue_migration_seal(m, &test_err), SEGUE_REFUSED);
    segue_migration_close(m);
    end_scene(&s);
}

/* ---- what is refused before anything is changed ---- */

static void a_migration_onto_itself_is_refused(void **state)
{
    (void)state;
    mscene s;
    segue_migration *m = NULL;
    segue_store *again = NULL, *dual = NULL;
    begin_scene(&s, SQLITE_ONE);
    assert_ok(segue_open(s.from_url, &(segue_open_options){NULL, SEGUE_OPEN_NO_REAPER}, &again, &test_err));
    assert_status(segue_migration_open(s.from, again, &s.options, &m, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_status(segue_migration_open(s.from, s.from, &s.options, &m, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_ok(segue_dual_open(s.to, s.from, NULL, &dual, &test_err));
    assert_status(segue_migration_open(dual, s.to, &s.options, &m, &test_err), SEGUE_INVALID_ARGUMENT);
    s.options.dual = dual;
    assert_status(segue_migration_open(s.to, s.from, &s.options, &m, &test_err), SEGUE_INVALID_ARGUMENT);
    s.options.dual = NULL;
    s.options.name = "a/b";
    assert_status(segue_migration_open(s.from, s.to, &s.options, &m, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_null(m);
    segue_close(dual);
    segue_close(again);
    end_scene(&s);
}

/* Nothing is changed, and the sentence holds `word`. */
static void assert_refused(mscene *s, segue_status expected, const char *word)
{
    size_t from = count_records(s->from), to = count_records(s->to);
    assert_status(run_scene(s), expected);
    if (!strstr(test_err.message, word)) fail_msg("no \"%s\" in: %s", word, test_err.message);
    assert_int_equal(count_records(s->from), from);
    assert_int_equal(count_records(s->to), to);
}

static void a_key_that_stops_is_found_before_anything_is_moved(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_TWO);
    segue_policy_free(s.policy);
    static const char text[] = "{\"rules\":[{\"key\":\"d:10\",\"action\":\"stop\"},"
                               "{\"prefix\":\"d:\",\"action\":\"move\"}]}";
    assert_ok(segue_policy_parse(K(text), &s.policy, &test_err));
    s.options.policy = s.policy;
    assert_refused(&s, SEGUE_REFUSED, "d:10");
    end_scene(&s);
}

static void other_migrations_are_in_the_way(void **state)
{
    (void)state;
    mscene s;
    segue_policy *other = NULL;
    begin_scene(&s, MEM_TWO);
    s.options.hold_seal = true;
    s.options.name = "first";
    assert_ok(run_scene(&s));
    s.options.name = "second";
    assert_refused(&s, SEGUE_REFUSED, "first");
    /* The same name, another policy; another direction; another way. */
    s.options.name = "first";
    assert_ok(segue_policy_parse(K("{\"rules\":[{\"prefix\":\"d:\",\"action\":\"move\"}]}"), &other, &test_err));
    s.options.policy = other;
    assert_refused(&s, SEGUE_REFUSED, "policy");
    s.options.new_policy = true;
    assert_ok(run_scene(&s));
    s.options.keep = true;
    assert_refused(&s, SEGUE_REFUSED, "emptying");
    s.options.keep = false;
    assert_status(run_between(&s, s.to, s.from), SEGUE_REFUSED);
    s.options.hold_seal = false;
    assert_ok(run_scene(&s));
    assert_ok(run_between(&s, s.to, s.from)); /* finished: now the way back is free */
    segue_policy_free(other);
    end_scene(&s);
}

static void a_read_only_side_is_refused(void **state)
{
    (void)state;
    mscene s;
    segue_store *read_only = NULL;
    segue_open_options options = {NULL, SEGUE_OPEN_READ_ONLY};
    begin_scene(&s, SQLITE_TWO);
    assert_ok(segue_open(s.from_url, &options, &read_only, &test_err));
    assert_status(run_between(&s, read_only, s.to), SEGUE_READ_ONLY);
    segue_close(read_only);
    assert_ok(segue_open(s.to_url, &options, &read_only, &test_err));
    assert_status(run_between(&s, s.from, read_only), SEGUE_READ_ONLY);
    segue_close(read_only);
    assert_int_equal(count_records(s.to), 0);
    end_scene(&s);
}

static void a_policy_and_both_stores_are_needed(void **state)
{
    (void)state;
    mscene s;
    begin_scene(&s, MEM_TWO);
    s.options.policy = NULL;
    assert_status(run_scene(&s), SEGUE_INVALID_POLICY);
    s.options.policy = s.policy;
    assert_status(run_between(&s, NULL, s.to), SEGUE_INVALID_ARGUMENT);
    segue_migration_status status;
    assert_status(segue_migration_status_read(s.to, NULL, &status, &test_err), SEGUE_NOT_FOUND);
    end_scene(&s);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(foreign_write_is_settled_as_the_operator_says),
        IN_FOLDER(foreign_write_stops_until_it_is_decided),
        IN_FOLDER(foreign_write_between_two_runs_is_seen),
        IN_FOLDER(what_is_erased_outright_by_others_is_not_missed),
        IN_FOLDER(no_increment_of_an_outsider_is_lost),
        IN_FOLDER(clients_lose_nothing_while_it_runs),
        IN_FOLDER(the_operator_holds_the_seal_and_the_cleaning),
        IN_FOLDER(seal_and_clean_need_only_the_primary),
        IN_FOLDER(sealing_is_refused_after_a_cut_pass),
        IN_FOLDER(verification_finds_what_is_missing_damaged_or_left),
        IN_FOLDER(verification_knows_of_all_runs),
        IN_FOLDER(cleaning_purges_no_other_tombstones),
        IN_FOLDER(a_kept_fallback_repairs_the_primary),
        IN_FOLDER(the_greater_number_wins_and_a_deleted_counter_stays_deleted),
        IN_FOLDER(differences_keep_a_run_from_sealing),
        IN_FOLDER(a_migration_onto_itself_is_refused),
        IN_FOLDER(a_key_that_stops_is_found_before_anything_is_moved),
        IN_FOLDER(other_migrations_are_in_the_way),
        IN_FOLDER(a_read_only_side_is_refused),
        IN_FOLDER(a_policy_and_both_stores_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
