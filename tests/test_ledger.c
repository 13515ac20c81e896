/* The ledger of a rehearsal: it knows what each write must leave, and notices when a rule of the protocol is not kept. The
 * clients of a rehearsal run over a dual store of two `mem` stores while a sweep of this test moves every key. */
/* The program's own files: it is no library. Before cmocka, which defines short words as macros. */
#include "cli/clients.c"
#include "cli/history.c"
#include "cli/history_judge.c"
#include "cli/json_in.c"
#include "cli/ledger.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/env.h"
#include "base/rules.h"
#include "store/filters.h"
#include <segue/dual.h>
#include <segue/ops.h>

#define ASSERT_OK(call)                                                                                                \
    do {                                                                                                               \
        segue_status got_ = (call);                                                                                    \
        if (got_ != SEGUE_OK) fail_msg("%s: %s", #call, segue_status_name(got_));                                      \
    } while (0)

enum { DOCS = 400, CLIENTS = 4 };

/* ---- the ledger alone ---- */

static const segue_xattr xattrs[] = {{{"_sync", 5}, {"{\"a\":1}", 7}}, {{"user", 4}, {"2", 1}}};

static seg_entry *one_entry(seg_ledger *ledger, const segue_record *rec)
{
    seg_entry *entry = NULL;
    seg_ledger_init(ledger, true);
    ASSERT_OK(seg_ledger_add(ledger, SEG_ENTRY_OWNED, 0, segue_str("k"), rec, &entry));
    seg_ledger_sort(ledger);
    return entry;
}

static segue_record live_record(void)
{
    segue_record rec = {.key = segue_str("k"),
                        .body = segue_str("{}"),
                        .xattrs = xattrs,
                        .n_xattrs = 2,
                        .cas = 10,
                        .revision = 3,
                        .flags = 7,
                        .expiry = 4000000000u,
                        .is_json = true};
    return rec;
}

static void test_ledger_accepts_what_a_delete_leaves(void **state)
{
    (void)state;
    seg_ledger ledger;
    segue_record before = live_record();
    seg_entry *entry = one_entry(&ledger, &before);
    segue_mutation m = {.body_op = SEGUE_BODY_DELETE, .expect = SEGUE_EXPECT_LIVE};
    segue_outcome outcome = {.cas = 11, .revision = 4, .written = true};
    ASSERT_OK(seg_ledger_settle(&ledger, entry, &m, SEGUE_OK, &outcome));
    segue_record after = {
        .key = before.key, .xattrs = xattrs, .n_xattrs = 1, .cas = 11, .revision = 4, .flags = 7, .is_tombstone = true};
    seg_ledger_check(&ledger, entry, &after);
    assert_int_equal(ledger.differences, 0);
    assert_true(seg_ledger_saw(&ledger, entry, NULL));
    seg_ledger_check(&ledger, entry, NULL); /* purged */
    assert_int_equal(ledger.differences, 0);
    seg_ledger_free(&ledger);
}

static void test_ledger_notices_a_document_that_came_back(void **state)
{
    (void)state;
    seg_ledger ledger;
    segue_record before = live_record();
    seg_entry *entry = one_entry(&ledger, &before);
    segue_mutation m = {.body_op = SEGUE_BODY_DELETE, .expect = SEGUE_EXPECT_LIVE};
    segue_outcome outcome = {.cas = 11, .revision = 4, .written = true};
    ASSERT_OK(seg_ledger_settle(&ledger, entry, &m, SEGUE_OK, &outcome));
    assert_false(seg_ledger_saw(&ledger, entry, &before));
    assert_int_equal(ledger.differences, 1);
    seg_ledger_check(&ledger, entry, &before);
    assert_int_equal(ledger.differences, 2);
    assert_non_null(strstr(ledger.texts[0], "came back from the dead"));
    seg_ledger_free(&ledger);
}

static void test_ledger_notices_each_field(void **state)
{
    (void)state;
    segue_record right = live_record();
    const segue_xattr other_value[] = {xattrs[0], {xattrs[1].name, segue_str("3")}};
    const segue_xattr other_name[] = {xattrs[0], {segue_str("uses"), xattrs[1].value}};
    for (int field = 0; field < 11; field++) {
        seg_ledger ledger;
        segue_record wrong = right;
        seg_entry *entry = one_entry(&ledger, &right);
        entry->touched = true;
        seg_ledger_check(&ledger, entry, &wrong);
        assert_int_equal(ledger.differences, 0);
        if (field == 0) wrong.body = segue_str("[]");
        if (field == 1) wrong.n_xattrs = 1;
        if (field == 2) wrong.expiry = 0;
        if (field == 3) wrong.flags = 0;
        if (field == 4) wrong.is_json = false;
        if (field == 5) wrong.cas = 9;
        if (field == 6) wrong.revision = 1;
        if (field == 8) wrong.xattrs = other_value;
        if (field == 9) wrong.xattrs = other_name;
        if (field == 10) wrong = (segue_record){.key = right.key, .cas = 10, .revision = 3, .is_tombstone = true};
        assert_int_equal(seg_ledger_saw(&ledger, entry, &right), true);
        assert_int_equal(seg_ledger_saw(&ledger, entry, field == 7 ? NULL : &wrong), false);
        assert_int_equal(ledger.differences, 1);
        ledger.differences = 0;
        seg_ledger_check(&ledger, entry, field == 7 ? NULL : &wrong);
        if (ledger.differences != 1) fail_msg("field %d: %d differences", field, (int)ledger.differences);
        seg_ledger_free(&ledger);
    }
}

static void test_ledger_notices_a_wrong_outcome(void **state)
{
    (void)state;
    seg_ledger ledger;
    segue_record before = live_record();
    seg_entry *entry = one_entry(&ledger, &before);
    segue_mutation add = {.body_op = SEGUE_BODY_SET, .expect = SEGUE_EXPECT_NOT_LIVE, .body = segue_str("1")};
    segue_outcome outcome = {.cas = 11, .revision = 4, .written = true};
    assert_int_equal(seg_ledger_expects(entry, &add), SEGUE_EXISTS);
    ASSERT_OK(seg_ledger_settle(&ledger, entry, &add, SEGUE_EXISTS, &outcome));
    assert_int_equal(ledger.differences, 0);
    ASSERT_OK(seg_ledger_settle(&ledger, entry, &add, SEGUE_OK, &outcome)); /* a double create */
    assert_int_equal(ledger.differences, 1);
    seg_ledger_free(&ledger);
}

static void test_ledger_knows_what_each_write_must_answer(void **state)
{
    (void)state;
    static const struct {
        segue_mutation m;
        segue_status live, dead;
    } rows[] = {
        {{.body_op = SEGUE_BODY_SET, .expect = SEGUE_EXPECT_NOT_LIVE}, SEGUE_EXISTS, SEGUE_OK},
        {{.body_op = SEGUE_BODY_SET, .expect = SEGUE_EXPECT_LIVE}, SEGUE_OK, SEGUE_NOT_FOUND},
        {{.body_op = SEGUE_BODY_SET, .expect = SEGUE_EXPECT_CAS, .cas = 10}, SEGUE_OK, SEGUE_NOT_FOUND},
        {{.body_op = SEGUE_BODY_SET, .expect = SEGUE_EXPECT_CAS, .cas = 9}, SEGUE_CAS_MISMATCH, SEGUE_NOT_FOUND},
        {{.body_op = SEGUE_BODY_DELETE}, SEGUE_OK, SEGUE_NOT_FOUND},
        {{.body_op = SEGUE_BODY_KEEP}, SEGUE_OK, SEGUE_NOT_FOUND},
        {{.body_op = SEGUE_BODY_ADD}, SEGUE_NOT_A_NUMBER, SEGUE_NOT_FOUND},
        {{.body_op = SEGUE_BODY_ADD, .has_initial = true}, SEGUE_NOT_A_NUMBER, SEGUE_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        seg_ledger ledger;
        segue_record rec = live_record();
        seg_entry *live = one_entry(&ledger, &rec), *dead = NULL;
        ASSERT_OK(seg_ledger_add(&ledger, SEG_ENTRY_OWNED, 0, segue_str("gone"), NULL, &dead));
        segue_status a = seg_ledger_expects(live, &rows[i].m), b = seg_ledger_expects(dead, &rows[i].m);
        if (a != rows[i].live || b != rows[i].dead)
            fail_msg("row %zu: %s and %s", i, segue_status_name(a), segue_status_name(b));
        seg_ledger_free(&ledger);
    }
}

static void test_ledger_notices_what_a_success_must_not_tell(void **state)
{
    (void)state;
    static const struct {
        segue_body_op op;
        segue_outcome outcome;
        const char *says;
    } rows[] = {
        {SEGUE_BODY_DELETE, {.cas = 11, .revision = 4, .written = true}, NULL},
        {SEGUE_BODY_DELETE, {.cas = 10, .revision = 4, .written = true}, "not greater"},
        {SEGUE_BODY_DELETE, {.cas = 11, .revision = 5, .written = true}, "went from revision 3 to 5"},
        {SEGUE_BODY_KEEP, {.cas = 10, .revision = 3}, NULL},
        {SEGUE_BODY_KEEP, {.cas = 11, .revision = 4, .written = true}, "a mutation that changes nothing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        seg_ledger ledger;
        segue_record rec = live_record();
        seg_entry *entry = one_entry(&ledger, &rec);
        segue_mutation m = {.body_op = rows[i].op, .expiry = segue_expiry_keep()};
        ASSERT_OK(seg_ledger_settle(&ledger, entry, &m, SEGUE_OK, &rows[i].outcome));
        if (rows[i].says ? ledger.differences != 1 || !strstr(ledger.texts[0], rows[i].says) : ledger.differences != 0)
            fail_msg("row %zu: %d differences, %s", i, (int)ledger.differences, ledger.texts[0]);
        seg_ledger_free(&ledger);
    }
}

/* What nobody could find out is not held against the store, until a write makes everything anew. */
static void test_ledger_judges_nothing_that_is_vague(void **state)
{
    (void)state;
    seg_ledger ledger;
    segue_record before = live_record();
    seg_entry *entry = one_entry(&ledger, &before);
    segue_mutation set = {.body_op = SEGUE_BODY_SET, .body = segue_str("1")}, keep = {.expiry = segue_expiry_keep()};
    segue_mutation delete = {.body_op = SEGUE_BODY_DELETE};
    segue_outcome first = {.cas = 11, .revision = 9, .written = true},
                  second = {.cas = 12, .revision = 10, .written = true};
    ASSERT_OK(seg_ledger_resolve(&ledger, entry, &keep, NULL));
    assert_int_equal(ledger.differences, 1); /* it is not there, which neither of both explains */
    assert_true(entry->is_vague);
    assert_true(seg_ledger_saw(&ledger, entry, NULL));
    seg_ledger_check(&ledger, entry, NULL);
    ASSERT_OK(seg_ledger_settle(&ledger, entry, &keep, SEGUE_NOT_FOUND, &first));
    ASSERT_OK(seg_ledger_settle(&ledger, entry, &set, SEGUE_UNAVAILABLE, &first));
    assert_true(entry->is_vague);
    ASSERT_OK(seg_ledger_settle(&ledger, entry, &delete, SEGUE_OK, &first));
    ASSERT_OK(seg_ledger_settle(&ledger, entry, &set, SEGUE_OK, &second));
    assert_false(entry->is_vague);
    assert_int_equal(ledger.differences, 1);
    assert_false(seg_ledger_saw(&ledger, entry, NULL));
    seg_ledger_free(&ledger);
}

static void test_ledger_notices_what_should_not_be_there(void **state)
{
    (void)state;
    seg_ledger ledger;
    segue_record rec = live_record();
    seg_entry *entry = one_entry(&ledger, NULL);
    seg_ledger_check(&ledger, entry, NULL);
    assert_int_equal(ledger.differences, 0);
    for (uint64_t i = 0; i < SEG_LEDGER_TEXTS_MAX + 2; i++) seg_ledger_check(&ledger, entry, &rec);
    assert_int_equal(ledger.differences, SEG_LEDGER_TEXTS_MAX + 2); /* all are counted, the first ones are kept */
    assert_non_null(strstr(ledger.texts[0], "is there in the end, although it was deleted"));
    rec = (segue_record){.key = rec.key, .is_tombstone = true};
    seg_ledger_check(&ledger, entry, &rec);
    assert_int_equal(ledger.differences, SEG_LEDGER_TEXTS_MAX + 3); /* a tombstone of what never was */
    seg_ledger_free(&ledger);
}

static void test_ledger_reads_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int number; /* negative: none */
    } rows[] = {{"15", 15},
                {"", -1},
                {"x", -1},
                {"111111111111111111111", -1},
                {"{\"rehearsed\":7}", 7},
                {"{\"last_seq\":8,\"sg_metadata_migration_pill\":true}", 8},
                {"{\"last_seq\":8,\"sg_metadata_migration_pill\":2}", -1},
                {"{\"last_seq\":8}", -1}};
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        segue_record rec = {.body = segue_str(rows[i].body)};
        bool is_one = seg_ledger_number(&rec, &number);
        if (is_one != (rows[i].number >= 0) || (is_one && number != (uint64_t)rows[i].number))
            fail_msg("%s: %d, %d", rows[i].body, is_one, (int)number);
        rec.is_tombstone = true;
        assert_false(seg_ledger_number(&rec, &number));
    }
    assert_false(seg_ledger_number(NULL, &number));
}

static void test_ledger_has_each_key_once(void **state)
{
    (void)state;
    seg_ledger ledger;
    seg_ledger_init(&ledger, true);
    for (const char *key = "bacab"; *key; key++)
        ASSERT_OK(seg_ledger_add(&ledger, SEG_ENTRY_OWNED, 0, segue_bytes(key, 1), NULL, NULL));
    seg_ledger_sort(&ledger);
    assert_int_equal(ledger.n, 3);
    for (const char *key = "abc"; *key; key++) assert_non_null(seg_ledger_find(&ledger, segue_bytes(key, 1)));
    assert_null(seg_ledger_find(&ledger, segue_str("d")));
    seg_ledger_free(&ledger);
}

static void test_ledger_settles_an_unknown_outcome_by_what_is_read(void **state)
{
    (void)state;
    seg_ledger ledger;
    segue_record before = live_record(), after = before, neither = before;
    segue_mutation m = {
        .body_op = SEGUE_BODY_SET, .body = segue_str("[1]"), .json = SEGUE_JSON_YES, .expiry = segue_expiry_keep()};
    after.body = m.body;
    after.cas = 11;
    after.revision = 4;
    neither.body = segue_str("[2]");
    seg_entry *entry = one_entry(&ledger, &before);
    ASSERT_OK(seg_ledger_resolve(&ledger, entry, &m, &before));
    assert_false(entry->touched);
    ASSERT_OK(seg_ledger_resolve(&ledger, entry, &m, &after));
    assert_true(entry->touched);
    seg_ledger_check(&ledger, entry, &after);
    assert_int_equal(ledger.differences, 0);
    ASSERT_OK(seg_ledger_resolve(&ledger, entry, &m, &neither));
    assert_int_equal(ledger.differences, 1);
    seg_ledger_free(&ledger);
}

static void test_ledger_adds_up_counters(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int differences;
    } cases[] = {{"15", 0}, {"17", 0}, {"14", 1}, {"18", 1}, {"no", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        seg_ledger ledger;
        seg_entry *entry = NULL;
        segue_record rec = {.key = segue_str("n"), .body = segue_str(cases[i].body)};
        seg_ledger_init(&ledger, true);
        ASSERT_OK(seg_ledger_add(&ledger, SEG_ENTRY_COUNTER, 0, rec.key, &rec, &entry));
        entry->initial = 10;
        atomic_store(&entry->acknowledged, 5);
        atomic_store(&entry->unknown, 2);
        seg_ledger_check(&ledger, entry, &rec);
        if ((int)ledger.differences != cases[i].differences)
            fail_msg("%s: %d differences", cases[i].body, (int)ledger.differences);
        seg_ledger_free(&ledger);
    }
}

/* One that nobody is known to have added to may be as it was, but it must be there. */
static void test_ledger_takes_a_shared_document_as_it_was(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        seg_ledger ledger;
        seg_entry *entry = NULL;
        segue_record rec = {.key = segue_str("s"), .body = segue_str("{}"), .is_tombstone = i == 1};
        seg_ledger_init(&ledger, true);
        ASSERT_OK(seg_ledger_add(&ledger, SEG_ENTRY_SHARED, 0, rec.key, &rec, &entry));
        atomic_store(&entry->unknown, 3);
        seg_ledger_check(&ledger, entry, i == 2 ? NULL : &rec);
        assert_int_equal(ledger.differences, i > 0);
        atomic_store(&entry->acknowledged, 1);
        seg_ledger_check(&ledger, entry, &rec);
        assert_int_equal(ledger.differences, 1 + (i > 0));
        seg_ledger_free(&ledger);
    }
}

/* Two clients update a shared document: the sum is right, but what one was shown in between is not. */
static uint64_t judge_stale_read(uint64_t cut, bool keeps_cas, uint64_t *ret_judged)
{
    static const seg_op ops[] = {
        {.kind = SEG_ASK_UPDATE, .client = 1, .begin = 1, .end = 2, .body = 1, .given = 10, .cas = 11},
        {.kind = SEG_ASK_UPDATE, .client = 2, .begin = 3, .end = 4, .body = 2, .given = 11, .cas = 12},
        {.kind = SEG_ASK_GET, .client = 1, .begin = 5, .end = 6, .saw_body = 1, .cas = 11},
    };
    seg_ledger ledger;
    seg_entry *entry = NULL;
    segue_record rec = {.key = segue_str("s"), .body = segue_str("{\"a\":1}"), .cas = 10};
    segue_record end = {.key = segue_str("s"), .body = segue_str("{\"rehearsed\":2}"), .cas = 12};
    seg_ledger_init(&ledger, keeps_cas);
    ledger.cut = cut;
    ASSERT_OK(seg_ledger_add(&ledger, SEG_ENTRY_SHARED, 0, rec.key, &rec, &entry));
    atomic_store(&entry->acknowledged, 2);
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) ASSERT_OK(seg_history_add(&entry->history, &ops[i]));
    seg_ledger_check(&ledger, entry, &end);
    uint64_t differences = ledger.differences;
    if (differences) assert_non_null(strstr(ledger.texts[0], "a stale read: client 1's get"));
    *ret_judged = ledger.judged;
    seg_ledger_free(&ledger);
    return differences;
}

static void test_ledger_judges_the_history_of_what_all_write(void **state)
{
    (void)state;
    uint64_t judged;
    assert_int_equal(judge_stale_read(0, true, &judged), 1);
    assert_int_equal(judged, 3);
    assert_int_equal(judge_stale_read(4, true, &judged), 0); /* cut before the read: nothing can be said of it */
    assert_int_equal(judged, 2);
    assert_int_equal(judge_stale_read(1, true, &judged), 0);
    assert_int_equal(judged, 0);
    assert_int_equal(judge_stale_read(0, false, &judged), 0); /* a move may change a CAS: not judged */
    assert_int_equal(judged, 0);
}

/* ---- clients over a dual store, while a sweep moves every key ---- */

typedef struct world {
    segue_store *primary, *fallback, *dual;
    segue_store *slow_primary, *slow_fallback; /* what the dual store is made of: the same, with a delay */
    seg_ledger ledger;
    int failed;
} world;

static void fill(world *w, int i)
{
    char key[16], body[32];
    (void)snprintf(key, sizeof key, "k%03d", i);
    (void)snprintf(body, sizeof body, i % 50 == 0 ? "%d" : "{\"n\":%d}", i);
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = segue_str(body), .set_xattrs = xattrs, .n_set_xattrs = 2};
    ASSERT_OK(segue_mutate(w->fallback, segue_str(key), &m, NULL, NULL, NULL, NULL));
    if (i % 7 == 0) ASSERT_OK(segue_delete(w->fallback, segue_str(key), NULL, NULL));
}

/* The same store through a filter that waits before each of these calls, so that others get in between. */
static segue_store *slow(segue_store *store, unsigned ops)
{
    segue_store *filter = NULL;
    seg_fault_plan plan = {.ops = ops, .nth = ops ? 1 : 0, .persistent = true, .status = SEGUE_OK, .delay_ns = 300000};
    ASSERT_OK(seg_fault_open(store, &filter, NULL));
    seg_fault_set(filter, &plan);
    return filter;
}

static void begin(world *w, unsigned slow_in_primary, unsigned slow_in_fallback)
{
    SEG_AUTO(segue_doc) doc = {0};
    *w = (world){0};
    ASSERT_OK(segue_open("mem:", NULL, &w->primary, NULL));
    ASSERT_OK(segue_open("mem:", NULL, &w->fallback, NULL));
    for (int i = 0; i < DOCS; i++) fill(w, i);
    w->slow_primary = slow_in_primary ? slow(w->primary, slow_in_primary) : NULL;
    w->slow_fallback = slow_in_fallback ? slow(w->fallback, slow_in_fallback) : NULL;
    ASSERT_OK(segue_dual_open(w->slow_primary ? w->slow_primary : w->primary,
                              w->slow_fallback ? w->slow_fallback : w->fallback, NULL, &w->dual, NULL));
    seg_ledger_init(&w->ledger, true);
    for (int i = 0; i < DOCS; i += 2) {
        char key[16];
        uint64_t number;
        seg_entry *entry;
        (void)snprintf(key, sizeof key, "k%03d", i);
        ASSERT_OK(segue_get_record(w->dual, segue_str(key), NULL, &doc, NULL));
        seg_entry_kind kind = seg_ledger_number(&doc.rec, &number) ? SEG_ENTRY_COUNTER
                              : i % 100 == 4                       ? SEG_ENTRY_SHARED
                                                                   : SEG_ENTRY_OWNED;
        ASSERT_OK(seg_ledger_add(&w->ledger, kind, (unsigned)i / 2 % CLIENTS, segue_str(key), &doc.rec, &entry));
        if (kind == SEG_ENTRY_COUNTER) entry->initial = number;
    }
    for (int i = 0; i < 40; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "new%d", i);
        ASSERT_OK(seg_ledger_add(&w->ledger, SEG_ENTRY_OWNED, (unsigned)i % CLIENTS, segue_str(key), NULL, NULL));
    }
    seg_ledger_sort(&w->ledger);
}

/* Move what is in the fallback, slowly, as the sweep does: insert where nothing is, erase by CAS. */
static void *sweep(void *arg)
{
    world *w = arg;
    for (int i = 0; i < DOCS; i++) {
        char key[16];
        SEG_AUTO(segue_doc) doc = {0};
        segue_call call = seg_call_new(w->fallback, 0, NULL);
        (void)snprintf(key, sizeof key, "k%03d", i);
        seg_sleep_ns(segue_env_default(), 200000);
        if (segue_get_record(w->fallback, segue_str(key), NULL, &doc, NULL) != SEGUE_OK) continue;
        segue_status st = segue_put_record(w->primary, &doc.rec, 0, NULL, NULL, NULL);
        if (st == SEGUE_OK || st == SEGUE_EXISTS) st = seg_call_erase(w->fallback, doc.rec.key, doc.rec.cas, &call);
        if (st != SEGUE_OK) w->failed++;
    }
    return NULL;
}

/* Run clients and the sweep; the differences that the ledger has found. */
static uint64_t rehearse(const char *rule_off, uint64_t seed, unsigned slow_in_primary, unsigned slow_in_fallback)
{
    world w;
    pthread_t thread;
    seg_clients *clients = NULL;
    static seg_client_counts counts;
    begin(&w, slow_in_primary, slow_in_fallback);
    if (rule_off && !seg_rule_switch(rule_off, false)) fail_msg("there is no rule %s", rule_off);
    ASSERT_OK(seg_clients_start(w.dual, &w.ledger, CLIENTS, seed, &clients, NULL));
    seg_sleep_ns(segue_env_default(), 50000000);
    seg_clients_period(clients, 1);
    assert_int_equal(pthread_create(&thread, NULL, sweep, &w), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(w.failed, 0);
    seg_clients_stop(clients, &counts);
    if (rule_off) assert_true(seg_rule_switch(rule_off, true));
    for (size_t i = 0; i < w.ledger.n; i++) {
        SEG_AUTO(segue_doc) doc = {0};
        segue_status st = segue_get_record(w.primary, w.ledger.entries[i]->now.rec.key, NULL, &doc, NULL);
        if (seg_entry_is_touched(w.ledger.entries[i]))
            seg_ledger_check(&w.ledger, w.ledger.entries[i], st == SEGUE_OK ? &doc.rec : NULL);
    }
    uint64_t found = w.ledger.differences;
    assert_true(w.ledger.judged_keys > 0 && w.ledger.judged > 0 && w.ledger.cut == 0);
    for (uint64_t i = 0; i < found && i < 3; i++) print_message("  %s\n", w.ledger.texts[i]);
    for (int op = 0; op < SEG_N_DOS; op++)
        if (counts.acknowledged[op] == 0) fail_msg("seed %d: no client did %s", (int)seed, seg_do_name((seg_do)op));
    /* Not in each period: a machine that does much else may let nobody on in the first one. */
    assert_true(counts.reads[0].n + counts.reads[1].n > 0 && counts.writes[0].n + counts.writes[1].n > 0);
    seg_ledger_free(&w.ledger);
    segue_close(w.dual);
    segue_close(w.slow_fallback);
    segue_close(w.slow_primary);
    segue_close(w.fallback);
    segue_close(w.primary);
    return found;
}

static void test_clients_and_sweep_leave_no_difference(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t found = rehearse(NULL, seed, seed == 3 ? SEG_OP_PUT : 0, seed == 2 ? SEG_OP_GET : 0);
        if (found) fail_msg("seed %d: %d differences", (int)seed, (int)found);
    }
}

static void notices(const char *rule)
{
    uint64_t found = rehearse(rule, 1, 0, 0);
    if (!found) fail_msg("the ledger does not notice that %s is switched off", rule);
    print_message("%s: %d differences\n", rule, (int)found);
}

static void test_ledger_notices_deletes_that_leave_no_tombstone(void **state)
{
    (void)state;
    notices("DELETE_LEAVES_TOMBSTONE");
}
static void test_ledger_notices_adds_that_do_not_ask_the_fallback(void **state)
{
    (void)state;
    notices("ADD_ASKS_FALLBACK");
}
static void test_ledger_notices_deletes_that_do_not_reach_the_fallback(void **state)
{
    (void)state;
    notices("DELETE_REACHES_FALLBACK");
}
static void test_ledger_notices_copies_that_carry_the_body_only(void **state)
{
    (void)state;
    notices("COPY_CARRIES_XATTRS");
}
static void test_ledger_notices_tombstones_that_do_not_hide(void **state)
{
    (void)state;
    notices("TOMBSTONE_WINS");
}
static void test_ledger_notices_mutations_that_ignore_the_fallback(void **state)
{
    (void)state;
    notices("MUTATE_READS_FALLBACK");
}

/* What only shows when a step of the sweep falls between two calls of a client: some seeds, and delays there. */
static void notices_in_time(const char *rule, unsigned slow_in_primary, unsigned slow_in_fallback)
{
    uint64_t found = 0, seed = 0;
    while (!found && seed < 100) found = rehearse(rule, ++seed, slow_in_primary, slow_in_fallback);
    if (!found) fail_msg("the ledger does not notice that %s is switched off", rule);
    print_message("%s: %d differences with seed %d\n", rule, (int)found, (int)seed);
}
static void test_ledger_notices_false_misses(void **state)
{
    (void)state;
    notices_in_time("THIRD_READ", 0, SEG_OP_GET);
}
static void test_ledger_notices_blind_inserts(void **state)
{
    (void)state;
    notices_in_time("INSERT_EXPECTS_ABSENT", SEG_OP_PUT, 0);
}

/* ---- clients of a store that fails ---- */

/* Clients over one store of which calls fail like this, all from the first; none of it is a difference. */
static void serve_badly(unsigned ops, bool after, segue_status status, seg_client_counts *counts)
{
    segue_store *below = NULL, *fault = NULL;
    seg_ledger ledger;
    seg_clients *clients = NULL;
    seg_fault_plan plan = {.ops = ops, .nth = 1, .persistent = true, .after = after, .status = status};
    seg_ledger_init(&ledger, true);
    ASSERT_OK(segue_open("mem:?caps=-write_id", NULL, &below, NULL));
    ASSERT_OK(seg_fault_open(below, &fault, NULL));
    for (int i = 0; i < 40; i++) {
        SEG_AUTO(segue_doc) doc = {0};
        char key[16];
        seg_entry *entry = NULL;
        seg_entry_kind kind = i % 10 == 0 ? SEG_ENTRY_COUNTER : i % 10 == 1 ? SEG_ENTRY_SHARED : SEG_ENTRY_OWNED;
        (void)snprintf(key, sizeof key, "k%02d", i); /* fits */
        ASSERT_OK(segue_set(below, segue_str(key), segue_str(kind == SEG_ENTRY_COUNTER ? "0" : "{}"),
                            segue_expiry_none(), NULL, NULL, NULL));
        ASSERT_OK(segue_get_record(below, segue_str(key), NULL, &doc, NULL));
        ASSERT_OK(seg_ledger_add(&ledger, kind, (unsigned)i % CLIENTS, segue_str(key), &doc.rec, &entry));
    }
    seg_ledger_sort(&ledger);
    seg_fault_set(fault, &plan);
    ASSERT_OK(seg_clients_start(fault, &ledger, CLIENTS, 1, &clients, NULL));
    for (int i = 0; i < 5000 && seg_clients_operations(clients) < 500; i++) seg_sleep_ns(segue_env_default(), 2000000);
    seg_clients_stop(clients, counts);
    for (size_t i = 0; i < ledger.n; i++) {
        SEG_AUTO(segue_doc) doc = {0};
        segue_status st = segue_get_record(below, ledger.entries[i]->now.rec.key, NULL, &doc, NULL);
        if (seg_entry_is_touched(ledger.entries[i]))
            seg_ledger_check(&ledger, ledger.entries[i], st == SEGUE_OK ? &doc.rec : NULL);
    }
    if (ledger.differences) fail_msg("%d differences: %s", (int)ledger.differences, ledger.texts[0]);
    seg_ledger_free(&ledger);
    segue_close(fault);
    segue_close(below);
}

static void test_clients_find_out_what_became_of_writes_whose_answer_is_lost(void **state)
{
    (void)state;
    static seg_client_counts counts;
    serve_badly(SEG_OP_MUTATE | SEG_OP_PUT, true, SEGUE_MAYBE_APPLIED, &counts);
    assert_true(counts.unknown > 0);
    serve_badly(SEG_OP_MUTATE | SEG_OP_PUT, false, SEGUE_MAYBE_APPLIED, &counts);
    assert_true(counts.unknown > 0);
}

static void test_clients_hold_no_failure_against_a_store(void **state)
{
    (void)state;
    static seg_client_counts counts;
    serve_badly(SEG_OP_MUTATE | SEG_OP_PUT, false, SEGUE_UNAVAILABLE, &counts);
    assert_true(counts.retryable > 0 && counts.unknown == 0);
    serve_badly(0, false, SEGUE_UNAVAILABLE, &counts);
    assert_true(counts.retryable > 0);
    for (int op = 0; op < SEG_N_DOS; op++) assert_int_equal(counts.acknowledged[op], 0);
}

static void test_clients_are_some(void **state)
{
    (void)state;
    segue_error err;
    seg_clients *clients = NULL;
    seg_ledger ledger;
    seg_ledger_init(&ledger, true);
    assert_int_equal(seg_clients_start(NULL, &ledger, 0, 1, &clients, &err), SEGUE_INVALID_ARGUMENT);
    assert_int_equal(seg_clients_start(NULL, &ledger, SEG_CLIENTS_MAX + 1, 1, &clients, &err), SEGUE_INVALID_ARGUMENT);
    seg_clients_stop(clients, NULL); /* none */
    assert_string_equal(seg_do_name(SEG_N_DOS), "?");
    seg_ledger_free(&ledger);
}

static void test_latency_is_within_a_bucket(void **state)
{
    (void)state;
    static seg_latency latency;
    for (int64_t ns = 1; ns <= 100000; ns++) seg_latency_note(&latency, ns * 1000);
    assert_int_equal(latency.n, 100000);
    assert_int_equal(latency.max_ns, 100000000);
    assert_in_range(seg_latency_at(&latency, 0.5), 46000000, 50100000);
    assert_in_range(seg_latency_at(&latency, 0.99), 92000000, 99100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_accepts_what_a_delete_leaves),
        cmocka_unit_test(test_ledger_notices_a_document_that_came_back),
        cmocka_unit_test(test_ledger_notices_each_field),
        cmocka_unit_test(test_ledger_notices_a_wrong_outcome),
        cmocka_unit_test(test_ledger_knows_what_each_write_must_answer),
        cmocka_unit_test(test_ledger_notices_what_a_success_must_not_tell),
        cmocka_unit_test(test_ledger_judges_nothing_that_is_vague),
        cmocka_unit_test(test_ledger_notices_what_should_not_be_there),
        cmocka_unit_test(test_ledger_reads_numbers),
        cmocka_unit_test(test_ledger_has_each_key_once),
        cmocka_unit_test(test_ledger_settles_an_unknown_outcome_by_what_is_read),
        cmocka_unit_test(test_ledger_adds_up_counters),
        cmocka_unit_test(test_ledger_takes_a_shared_document_as_it_was),
        cmocka_unit_test(test_ledger_judges_the_history_of_what_all_write),
        cmocka_unit_test(test_latency_is_within_a_bucket),
        cmocka_unit_test(test_clients_find_out_what_became_of_writes_whose_answer_is_lost),
        cmocka_unit_test(test_clients_hold_no_failure_against_a_store),
        cmocka_unit_test(test_clients_are_some),
        cmocka_unit_test(test_clients_and_sweep_leave_no_difference),
        cmocka_unit_test(test_ledger_notices_deletes_that_leave_no_tombstone),
        cmocka_unit_test(test_ledger_notices_adds_that_do_not_ask_the_fallback),
        cmocka_unit_test(test_ledger_notices_deletes_that_do_not_reach_the_fallback),
        cmocka_unit_test(test_ledger_notices_copies_that_carry_the_body_only),
        cmocka_unit_test(test_ledger_notices_tombstones_that_do_not_hide),
        cmocka_unit_test(test_ledger_notices_mutations_that_ignore_the_fallback),
        cmocka_unit_test(test_ledger_notices_false_misses),
        cmocka_unit_test(test_ledger_notices_blind_inserts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
