/* The public iterator: what it asks an engine for, page by page, and what it makes of a failure. What must be seen is in
 * tests/conformance/cases_scan.c. */
#include "dual_scene.h"

#define N(array) (sizeof(array) / sizeof *(array))

static segue_slice text_or_none(const char *text) { return text ? K(text) : (segue_slice){NULL, 0}; }

/* "a b c!": keys, tombstones with a mark; an empty body and no xattrs: "a'". */
static segue_status list(scene *s, const segue_range *range)
{
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_status st = segue_scan_open(s->sides[P], range, &scan, &s->err);
    s->text[0] = s->log[0] = 0;
    s->n_calls = 0;
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, &s->err)) == SEGUE_OK)
        if (strlen(s->text) < TEXT_SIZE / 2)
            append(s->text, "%s%.*s%s%s", s->text[0] ? " " : "", (int)rec->key.size, rec->key.data,
                   rec->is_tombstone ? "!" : "", !rec->is_tombstone && rec->body.size == 0 ? "'" : "");
    segue_scan_close(scan);
    return st;
}

static void an_engine_is_asked_for_what_the_range_says(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *prefix;
        unsigned options;
        const char *asked, *seen;
    } rows[] = {
        {NULL, NULL, NULL, 0, "P.scan(, live)", "a c d"},
        {NULL, NULL, NULL, SEGUE_SCAN_KEYS_ONLY, "P.scan(, keys live)", "a' c' d'"},
        {NULL, NULL, NULL, SEGUE_SCAN_TOMBSTONES, "P.scan(,)", "a b! c d"},
        {"a", "c", NULL, 0, "P.scan(>=a,c>= live)", "a c"},
        {"a", "c", NULL, SEGUE_SCAN_FROM_OPEN, "P.scan(>a,c>= live)", "c"},
        {"a", "c", NULL, SEGUE_SCAN_TO_OPEN, "P.scan(>=a,c> live)", "a"},
        {NULL, NULL, "c", 0, "P.scan(>=c,d> live)", "c"},
        {NULL, NULL, "", 0, "P.scan(>=, live)", "a c d"},
        {NULL, NULL, "\xff\xff", 0, "P.scan(>=\xff\xff, live)", ""},
        {NULL, NULL, "c\xff", 0, "P.scan(>=c\xff,d> live)", ""},
        {"a", "z", "c", SEGUE_SCAN_FROM_OPEN, "P.scan(>=c,d> live)", "c"}, /* the prefix begins after `from` */
        {"a", NULL, "a", SEGUE_SCAN_FROM_OPEN, "P.scan(>a,b> live)", ""},
        {"d", NULL, "c", SEGUE_SCAN_FROM_OPEN, "P.scan(>d,d> live)", ""},
        {NULL, "c", "c", SEGUE_SCAN_TO_OPEN, "P.scan(>=c,c> live)", ""},
        {NULL, "c", "c", 0, "P.scan(>=c,c>= live)", "c"},
        {NULL, "d", "c", 0, "P.scan(>=c,d> live)", "c"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        scene s;
        scene_open(&s, true, SEGUE_PHASE_FORWARD, "a1 -b2 c3 d4", "");
        segue_range range = {text_or_none(rows[i].from), text_or_none(rows[i].to), text_or_none(rows[i].prefix),
                             rows[i].options};
        s.err = (segue_error){.status = SEGUE_CORRUPT, .message = "as before"};
        segue_status st = list(&s, &range);
        if (st != SEGUE_END) fail_msg("row %zu: %s", i, segue_status_name(st));
        text_is("what is seen", rows[i].asked, s.text, rows[i].seen);
        text_is("what was asked", rows[i].seen, s.log, rows[i].asked);
        text_is("the sentence", "an end, which is no failure", s.err.message, "as before");
        if (i == 0) {
            st = list(&s, NULL);
            text_is("what is seen", "without a range", s.text, rows[i].seen);
        }
        scene_close(&s);
    }
}

/* The last byte that is not FF is raised, and nothing before the prefix is looked at. */
static void a_prefix_of_nothing_but_ff_has_no_end(void **state)
{
    (void)state;
    static const char bytes[] = "x\xff\xff";
    scene s;
    scene_open(&s, true, SEGUE_PHASE_FORWARD, "a1", "");
    segue_range range = {.prefix = segue_bytes(bytes + 2, 1)};
    assert_int_equal(list(&s, &range), SEGUE_END);
    text_is("what was asked", "FF", s.log, "P.scan(>=\xff, live)");
    scene_close(&s);
}

static void options_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, true, SEGUE_PHASE_FORWARD, "a1", "");
    segue_range range = {.options = 16 | SEGUE_SCAN_KEYS_ONLY};
    assert_int_equal(list(&s, &range), SEGUE_INVALID_ARGUMENT);
    text_is("the sentence", "16", s.err.message, "a scan has no options 0x10");
    text_is("what was asked", "16", s.log, "");
    segue_scan_close(NULL);
    scene_close(&s);
}

/* ---- pages ---- */

static void fill(scene *s, unsigned n, size_t body_size)
{
    static char body[600000];
    memset(body, '1', body_size);
    for (unsigned i = 0; i < n; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%03u", i); /* fits */
        OK(s, segue_set(s->plain[P], K(key), segue_bytes(body, body_size), segue_expiry_none(), NULL, NULL, &s->err));
    }
}

/* 256 records or about a megabyte at a time, each page from the last key of the one before. */
static void what_is_asked_for_is_a_page(void **state)
{
    (void)state;
    static const struct {
        unsigned n;
        size_t body_size;
        const char *asked;
    } rows[] = {{256, 1, "P.scan(, live)"},
                {257, 1, "P.scan(, live) P.scan(>k255, live)"},
                {3, 400000, "P.scan(, live)"},
                {4, 400000, "P.scan(, live) P.scan(>k002, live)"},
                {5, 600000, "P.scan(, live) P.scan(>k001, live) P.scan(>k003, live)"}};
    for (size_t i = 0; i < N(rows); i++) {
        scene s;
        scene_open(&s, true, SEGUE_PHASE_FORWARD, "", "");
        fill(&s, rows[i].n, rows[i].body_size);
        assert_int_equal(list(&s, NULL), SEGUE_END);
        text_is("what was asked", "many", s.log, rows[i].asked);
        scene_close(&s);
    }
}

/* ---- failures ---- */

static void a_failed_scan_says_so_again_and_again(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, true, SEGUE_PHASE_FORWARD, "", "");
    fill(&s, 300, 1);
    for (unsigned page = 1; page <= 2; page++) {
        segue_scan *scan = NULL;
        const segue_record *rec = NULL;
        unsigned n = 0;
        segue_status st;
        OK(&s, segue_scan_open(s.sides[P], NULL, &scan, &s.err));
        s.n_calls = 0;
        s.fail_at = page;
        s.fail_with = SEGUE_UNAVAILABLE;
        while ((st = segue_scan_next(scan, &rec, &s.err)) == SEGUE_OK) n++;
        assert_int_equal(n, page == 1 ? 0 : 256);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(st, SEGUE_UNAVAILABLE);
            assert_int_equal(s.n_calls, page); /* it is not asked again */
            text_is("the sentence", "a failure", s.err.message,
                    page == 1 ? "call 1 was made to fail" : "call 2 was made to fail");
            s.err = (segue_error){0};
            st = segue_scan_next(scan, &rec, i == 1 ? NULL : &s.err); /* who wants no words gets none */
            if (i == 1) st = segue_scan_next(scan, &rec, &s.err);
        }
        segue_scan_close(scan);
    }
    scene_close(&s);
}

typedef struct reading {
    scene *s;
    segue_range range;
    const char *seen;
} reading;

static segue_status read_all(void *ctx)
{
    reading *r = ctx;
    r->s->err = (segue_error){0};
    segue_status st = list(r->s, &r->range);
    if (st == SEGUE_NO_MEMORY && (r->s->err.status != st || !strstr(r->s->err.message, "out of memory")))
        fail_msg("\"%s\" is no sentence for it", r->s->err.message);
    if (st == SEGUE_END) text_is("what is seen", "a whole scan", r->s->text, r->seen);
    return st == SEGUE_END ? SEGUE_OK : st;
}

static void every_allocation_of_a_scan_may_fail(void **state)
{
    (void)state;
    scene s;
    reading all[] = {{&s, {.from = K("k001"), .to = K("k003"), .prefix = K("k")}, "k001 k002 k003"},
                     {&s, {.from = K("k001"), .prefix = K("k")}, "k001 k002 k003 k004"},
                     {&s, {.prefix = K("k")}, "k000 k001 k002 k003 k004"},
                     {&s, {.to = K("k002")}, "a k000 k001 k002"}};
    scene_open(&s, true, SEGUE_PHASE_FORWARD, "a1 z1", "");
    fill(&s, 5, 600000);
    for (size_t i = 0; i < N(all); i++) test_do_without_each_allocation(read_all, &all[i]);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_is_asked_for_what_the_range_says),
        cmocka_unit_test(a_prefix_of_nothing_but_ff_has_no_end),
        cmocka_unit_test(options_that_do_not_exist_are_refused),
        cmocka_unit_test(what_is_asked_for_is_a_page),
        cmocka_unit_test(a_failed_scan_says_so_again_and_again),
        cmocka_unit_test(every_allocation_of_a_scan_may_fail),
    };
    scene_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
