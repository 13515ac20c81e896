/* Pages of a dual store's scan: what is on them, what is asked of which side for them, and that a failure of any call is
 * told. */
#include "dual_scene.h"

#include "base/rules.h"

/* ---- reading ---- */

static segue_status try_page(scene *s, const segue_bounds *bounds, size_t max_docs, segue_error *err)
{
    segue_call call = scene_begin_call(s, err);
    s->page.max_docs = max_docs;
    segue_status st = seg_call_scan(s->dual, bounds, &s->page, &call);
    seg_call_end(s->dual, &call);
    for (size_t i = 0; i < s->page.n; i++) show_record(s->text, &s->page.docs[i].rec);
    if (s->page.more) append(s->text, " ...");
    return st;
}

/* Page after page, each of so many documents. */
static void walk(scene *s, size_t max_docs, char out[TEXT_SIZE])
{
    segue_bounds bounds = {.tombstones = true, .from_open = true};
    char last[2] = "";
    out[0] = 0;
    do {
        OK(s, try_page(s, &bounds, max_docs, &s->err));
        const segue_record *rec = show_page(s, out);
        if (rec) last[0] = rec->key.data[0];
        if (rec) bounds.from = K(last);
    } while (s->page.more);
}

/* What a client sees of it: "a10 b20". */
static void list(scene *s, const segue_range *range, char out[TEXT_SIZE])
{
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_status st;
    out[0] = s->log[0] = 0;
    OK(s, segue_scan_open(s->dual, range, &scan, &s->err));
    while ((st = segue_scan_next(scan, &rec, &s->err)) == SEGUE_OK) show_record(out, rec);
    segue_scan_close(scan);
    assert_int_equal(st, SEGUE_END);
}

/* ---- what is listed, whatever fits on a page ---- */

static const showing listings[] = {
    {"nothing", "", "", "", ""},
    {"one side only", "", "a10 b20 c30", "", "a10 b20 c30"},
    {"the other only", "a10 b20 -c30", "", "", "a10 b20 -c30"},
    {"in turns", "b20 d21", "a30 c31 e32", "", "a30 b20 c31 d21 e32"},
    {"one after the other", "c20 d21", "a30 b31", "", "a30 b31 c20 d21"},
    {"the other way", "a20 b21", "c30 d31 e32", "", "a20 b21 c30 d31 e32"},
    {"the primary wins", "b50=2 -c51 d52=2", "a10 b20 c30 d40 e45", "", "a10 b50=2 -c51 d52=2 e45"},
    {"in both with the same CAS", "b20=8", "a10 b20=7", "", "a10 b20=8"},
    {"all in both", "a50=2 -b51 c52=2", "a10 b20 c30", "", "a50=2 -b51 c52=2"},
    {"tombstones of the fallback", "b20", "-a10 -b12 c30", "", "-a10 b20 c30"},
    {"a counter that became a pill", "", "a10 c20=7 d30", "c50>20=7", "a10 c20=7 d30"},
    {"a pill that the primary hides", "c60=8", "a10 c20=7 d30", "c50>20=7", "a10 c60=8 d30"},
};

static void each_is_listed_once_whatever_fits_on_a_page(void **state)
{
    (void)state;
    each_is_shown_once(listings, sizeof listings / sizeof listings[0], 6, walk);
}

/* An engine may end a page before it is full. */
static void each_is_listed_once_where_one_side_gives_little(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof listings / sizeof listings[0]; i++)
        for (int side = 0; side < SIDES; side++) {
            char listed[TEXT_SIZE];
            scene s;
            scene_open(&s, true, SEGUE_PHASE_FORWARD, listings[i].p, listings[i].f);
            put(&s, F, listings[i].f_later);
            s.most[side] = 1;
            walk(&s, 9, listed);
            text_is("what is listed", listings[i].name, listed, listings[i].shown);
            scene_close(&s);
        }
}

/* ---- pages, and what is asked for them ---- */

typedef struct asking {
    const char *name;
    segue_phase phase;
    const char *p, *f;
    segue_bounds bounds;
    size_t max_docs;
    const char *page, *log;
} asking;

#define FROM(text) .from = {text, 1}
#define TO(text) .to = {text, 1}

static const asking askings[] = {
    {"the fallback, then the primary",
     FORWARD,
     "b20",
     "a10 c30",
     {.tombstones = true},
     9,
     "a10 b20 c30",
     "F.scan(,) P.scan(,)"},
    {"tombstones hide also where they are not asked for",
     FORWARD,
     "-b20",
     "a10 b11",
     {.from_open = false},
     9,
     "a10 -b20",
     "F.scan(,) P.scan(,)"},
    {"just full of the fallback's", FORWARD, "", "a10 b11", {.tombstones = true}, 2, "a10 b11", "F.scan(,) P.scan(,)"},
    {"just full of the primary's", FORWARD, "a10 b11", "", {.tombstones = true}, 2, "a10 b11", "F.scan(,) P.scan(,)"},
    {"just full of both", FORWARD, "a10", "b11", {.tombstones = true}, 2, "a10 b11", "F.scan(,) P.scan(,)"},
    {"one of the fallback's is left",
     FORWARD,
     "a10",
     "b11 c12",
     {.tombstones = true},
     2,
     "a10 b11 ...",
     "F.scan(,) P.scan(,)"},
    {"one of the primary's is left",
     FORWARD,
     "b11 c12",
     "a10",
     {.tombstones = true},
     2,
     "a10 b11 ...",
     "F.scan(,) P.scan(,)"},
    {"the primary is asked up to where the fallback's page ends",
     FORWARD,
     "a20 c30",
     "a10 b11 c12 d13",
     {.tombstones = true},
     2,
     "a20 b11 ...",
     "F.scan(,) P.scan(,b>=)"},
    {"with that key, though the bounds are without theirs",
     FORWARD,
     "b20=2",
     "a10 b11 c12",
     {TO("z"), .to_open = true},
     2,
     "a10 b20=2 ...",
     "F.scan(,z>) P.scan(,b>=)"},
    {"the primary's page ends first",
     FORWARD,
     "a10 b11 c12 d13",
     "a20 d21 e22",
     {.tombstones = true},
     2,
     "a10 b11 ...",
     "F.scan(,) P.scan(,d>=)"},
    {"bounds",
     FORWARD,
     "a10 c12 e14",
     "b21 d23",
     {FROM("b"), TO("e"), .from_open = true, .to_open = true},
     9,
     "c12 d23",
     "F.scan(>b,e>) P.scan(>b,e>)"},
    {"hold: both, too", HOLD, "b20", "a10", {.tombstones = true}, 9, "a10 b20", "F.scan(,) P.scan(,)"},
    {"legacy: the fallback", LEGACY, "b20", "a10 c30>20=7", {.tombstones = true}, 9, "a10 c30=7", "F.scan(,)"},
    {"forward: a pill has the counter's CAS",
     FORWARD,
     "b20",
     "a10 c30>20=7",
     {.tombstones = true},
     9,
     "a10 b20 c20=7",
     "F.scan(,) P.scan(,)"},
    {"sealed: the primary", SEALED, "b20", "a10", {.tombstones = true}, 9, "b20", "P.scan(,)"},
    {"clean: the primary", CLEAN, "b20", "a10", {.tombstones = true, FROM("a")}, 9, "b20", "P.scan(>=a,)"},
    {"keys: pills are known by their bodies",
     FORWARD,
     "b20=2",
     "a10 c30>20=7",
     {.keys_only = true, .tombstones = true},
     9,
     "a10= b20= c20=",
     "F.scan(,) P.scan(, keys)"},
    {"keys, legacy", LEGACY, "", "a10 c30>20=7", {.keys_only = true, .tombstones = true}, 9, "a10= c30=", "F.scan(,)"},
    {"keys, sealed", SEALED, "a10", "", {.keys_only = true, .tombstones = true}, 9, "a10=", "P.scan(, keys)"},
};

static void what_is_asked_for_a_page(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof askings / sizeof askings[0]; i++) {
        const asking *a = &askings[i];
        scene s;
        scene_open(&s, true, a->phase, a->p, a->f);
        OK(&s, try_page(&s, &a->bounds, a->max_docs, &s.err));
        text_is("the page", a->name, s.text, a->page);
        text_is("the log", a->name, s.log, a->log);
        scene_close(&s);
    }
}

/* A page ends after the record that reaches its bytes, on each side as well. */
static void bytes_end_a_page(void **state)
{
    (void)state;
    segue_bounds bounds = {.tombstones = true};
    scene s;
    scene_open(&s, true, FORWARD, "b20 d21", "a10 c11 e12");
    s.page.max_bytes = 1;
    OK(&s, try_page(&s, &bounds, 9, &s.err));
    text_is("the page", "one byte", s.text, "a10 ...");
    text_is("the log", "one byte", s.log, "F.scan(,) P.scan(,a>=)");
    s.page.max_bytes = 1000;
    OK(&s, try_page(&s, &bounds, 9, &s.err));
    text_is("the page", "many bytes", s.text, "a10 b20 c11 d21 e12");
    text_is("the log", "many bytes", s.log, "F.scan(,) P.scan(,)");
    scene_close(&s);
}

/* ---- what a record shows ---- */

/* CAS, revision, expiry and state are those of a get, marks and pills included, with bodies and for keys only. */
static void a_record_is_as_in_a_get(void **state)
{
    (void)state;
    for (int n = 0; n < 2 * 2 * 3; n++) {
        bool keeps_cas = n & 1, keys_only = n & 2;
        segue_phase phase = (segue_phase)(n / 4);
        segue_bounds bounds = {.keys_only = keys_only, .tombstones = true};
        segue_doc doc = {0};
        scene s;
        scene_open(&s, keeps_cas, phase, "c15=2", "a10 b20=8 d30=7 -e35");
        put(&s, F, "d40>30=7");
        OK(&s, try_page(&s, &bounds, 9, &s.err));
        assert_int_equal(s.page.n, phase == LEGACY ? 4 : 5);
        for (size_t i = 0; i < s.page.n; i++) {
            const segue_record *rec = &s.page.docs[i].rec;
            OK(&s, segue_get_record(s.dual, rec->key, NULL, &doc, &s.err));
            if (doc.rec.cas != rec->cas || doc.rec.revision != rec->revision ||
                doc.rec.is_tombstone != rec->is_tombstone)
                fail_msg("%s, %.*s has CAS %llx and revision %llu in a get, %llx and %llu in a scan",
                         segue_phase_name(phase), (int)rec->key.size, rec->key.data, (long long)doc.rec.cas,
                         (long long)doc.rec.revision, (long long)rec->cas, (long long)rec->revision);
            assert_int_equal(rec->n_xattrs, 0);
            if (keys_only) assert_int_equal(rec->body.size, 0);
            else assert_true(segue_slice_equal(rec->body, doc.rec.body));
            assert_int_equal(rec->cas >> 63, !keeps_cas && rec->key.data[0] != 'c');
        }
        segue_doc_free(&doc);
        scene_close(&s);
    }
}

/* A client gets no tombstones that it did not ask for, however many there are between two documents. */
static void tombstones_are_for_who_asks(void **state)
{
    (void)state;
    segue_range all = {.options = SEGUE_SCAN_TOMBSTONES};
    char listed[TEXT_SIZE];
    scene s;
    scene_open(&s, true, FORWARD, "-b50 -c51 -d52 e53=2", "a10 b11 c12 d13 e14 f15 -g16");
    list(&s, NULL, listed);
    text_is("the list", "live", listed, "a10 e53=2 f15");
    list(&s, &all, listed);
    text_is("the list", "all", listed, "a10 -b50 -c51 -d52 e53=2 f15 -g16");
    scene_close(&s);
}

/* Switched off, a rule changes what happens to a key in both, or under a step of somebody else, and nothing else. */
static void rules_make_no_difference_to_what_is_in_one(void **state)
{
    (void)state;
    static const char *const rules[] = {"SCAN_FALLBACK_FIRST", "SCAN_PRIMARY_WINS", "SCAN_TOMBSTONE_HIDES"};
    char listed[TEXT_SIZE];
    for (int i = 0; i < 3; i++) {
        assert_true(seg_rule_switch(rules[i], false));
        for (size_t max_docs = 1; max_docs < 5; max_docs++) {
            scene s;
            scene_open(&s, true, FORWARD, "a20 c22 -d23 g24 h25", "b11 e14 f15");
            walk(&s, max_docs, listed);
            scene_close(&s);
            if (strcmp(listed, "a20 b11 c22 -d23 e14 f15 g24 h25") != 0) break;
        }
        assert_true(seg_rule_switch(rules[i], true));
        text_is("the list", rules[i], listed, "a20 b11 c22 -d23 e14 f15 g24 h25");
    }
}

/* ---- failures ---- */

static void a_failure_of_any_call_is_told(void **state)
{
    (void)state;
    static const unsigned n_calls[] = {1, 2, 2, 1, 1};
    static const char *const pages[] = {"a10* c11* ...", "a10* b20 ...", "a10* b20 ...", "b20 d21", "b20 d21"};
    segue_bounds bounds = {.tombstones = true};
    for (segue_phase phase = LEGACY; phase <= CLEAN; phase++)
        for (unsigned nth = 1; nth <= n_calls[phase]; nth++) {
            char want[64];
            scene s;
            scene_open(&s, false, phase, "b20 d21", "a10 c11 e12");
            (void)snprintf(want, sizeof want, "call %u was made to fail", nth); /* fits */
            s.fail_with = SEGUE_UNAVAILABLE;
            s.fail_at = nth;
            assert_int_equal(try_page(&s, &bounds, 2, &s.err), SEGUE_UNAVAILABLE);
            text_is("the sentence", segue_phase_name(phase), s.err.message, want);
            assert_int_equal(s.page.n, 0);
            assert_int_equal(s.n_calls, nth); /* nothing more is asked */
            assert_int_equal(try_page(&s, &bounds, 2, NULL), SEGUE_UNAVAILABLE);
            s.fail_at = 0;
            OK(&s, try_page(&s, &bounds, 2, &s.err));
            text_is("the page", segue_phase_name(phase), s.text, pages[phase]);
            assert_int_equal(s.n_calls, n_calls[phase]);
            scene_close(&s);
        }
}

/* ---- memory ---- */

typedef struct memory_job {
    segue_phase phase;
    const char *page;
    unsigned n_told; /* failures of the scan's own */
} memory_job;

static segue_status scan_with_little(void *ctx)
{
    memory_job *job = ctx;
    segue_bounds bounds = {.tombstones = true};
    scene s;
    segue_status st = scene_try_open(&s, "", "");
    if (st == SEGUE_OK) st = scene_try_put(&s, P, "b50=2 -d51");
    if (st == SEGUE_OK) st = scene_try_put(&s, F, "a10 b11 c30>20=7 d14 e15");
    if (st == SEGUE_OK) st = scene_try_begin(&s, job->phase);
    if (st == SEGUE_OK) {
        st = try_page(&s, &bounds, 4, &s.err);
        if (st != SEGUE_OK) {
            assert_int_equal(st, SEGUE_NO_MEMORY);
            assert_int_equal(s.page.n, 0);
            if (strstr(s.err.message, "out of memory in a scan")) job->n_told++;
            else if (!strstr(s.err.message, "mem: the scan was cut: "))
                fail_msg("nobody says where: \"%s\"", s.err.message);
        } else if (strcmp(s.text, job->page) != 0) st = SEGUE_CORRUPT;
    }
    scene_close(&s);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    memory_job jobs[] = {{LEGACY, "a10 b11 c30=7 d14 ...", 0}, {FORWARD, "a10 b50=2 c20=7 -d51 ...", 0}};
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        test_do_without_each_allocation(scan_with_little, &jobs[i]);
        assert_in_range(jobs[i].n_told, 1, 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_listed_once_whatever_fits_on_a_page),
        cmocka_unit_test(each_is_listed_once_where_one_side_gives_little),
        cmocka_unit_test(what_is_asked_for_a_page),
        cmocka_unit_test(bytes_end_a_page),
        cmocka_unit_test(a_record_is_as_in_a_get),
        cmocka_unit_test(tombstones_are_for_who_asks),
        cmocka_unit_test(rules_make_no_difference_to_what_is_in_one),
        cmocka_unit_test(a_failure_of_any_call_is_told),
        cmocka_unit_test(every_allocation_may_fail),
    };
    scene_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
