/* Whole runs, seen from the passes: which pages are read, what makes another pass, what is a proof, when it gives up, and from
 * where it goes on. All on one thread, so that the order is the same each time. */
#include "sweep_scene.h"

static seg_sched_strike go_on(seg_sched_kind kind, const void *object, uint64_t part, bool may_fail)
{
    (void)kind, (void)object, (void)part, (void)may_fail;
    return SEG_SCHED_GO;
}

/* ---- playing ---- */

typedef struct run_case {
    const char *name, *how; /* as of a page; "keep", "newer", "primary", "one", "own", "moves" all */
    const char *p, *f;
    unsigned max_passes;
    trouble trouble;
    const char *pages; /* read from the fallback by the passes, a pass after a pass */
    const char *left;  /* "primary | fallback" */
    const char *said;
} run_case;

static void open_run(sweep *w, const run_case *c)
{
    *w = (sweep){.options = {.keep = strstr(c->how, "keep"), .page_docs = 2, .stale_ns = 1, .hold_seal = true}};
    if (strstr(c->how, "newer")) w->options.on_foreign_write = SEGUE_FOREIGN_NEWER;
    if (strstr(c->how, "primary")) w->options.on_foreign_write = SEGUE_FOREIGN_PRIMARY;
    if (strstr(c->how, "moves")) w->policy_text = moves_all;
    w->options.max_passes = c->max_passes;
    sweep_open(w, strstr(c->how, "one") ? ONE_ENGINE : TWO_ENGINES, strstr(c->how, "own") ? "-keep_cas" : "", c->p,
               c->f);
    sweep_trouble(w, c->trouble);
}

/* The pages that passes have read. */
static void pages_of(const sweep *w, char out[TEXT_SIZE])
{
    out[0] = 0;
    for (const char *at = w->s.log; (at = strstr(at, "F.scan(")); at++)
        if (at[7 + strcspn(at + 7, ") ")] == ')') /* the others are of keys only */
            append(out, "%s%.*s", out[0] ? " " : "", (int)strcspn(at + 7, ")"), at + 7);
}

static void said_of(const sweep *w, segue_status st, char out[TEXT_SIZE])
{
    segue_migration_status status = {0};
    OK(&w->s, segue_migration_status_read(w->s.plain[P], NULL, &status, NULL));
    out[0] = 0;
    show_counts(out, &status.counts);
    append(out, "; %s, pass %llu", segue_stage_name(status.stage), (unsigned long long)status.pass);
    if (status.cursor[0]) append(out, ", behind %s", status.cursor);
    for (size_t i = 0; i < status.n_failed_keys; i++) append(out, "%s%s", i ? "," : "; failed ", status.failed_keys[i]);
    for (size_t i = 0; i < status.n_foreign_keys; i++)
        append(out, "%s%s", i ? "," : "; foreign ", status.foreign_keys[i]);
    append(out, "; %s", segue_status_name(st));
    if (st != SEGUE_OK) append(out, ": %s", w->s.err.message);
    segue_migration_status_free(&status);
}

static void outsider_adds_more(sweep *w)
{
    static const char *const more[] = {"b20", "c30", "d40", "e50"};
    put(&w->s, F, more[w->seen % 4]);
}
static void stop_the_run(sweep *w) { segue_migration_cancel(w->m); }

static const run_case cases[] = {
    {"nothing to do", "one", "", "", 0, {0}, "..< ..<", " | ", "2 passes; verified, pass 2; OK"},
    {"two pages and more",
     "one",
     "",
     "a10 b20 c30 d40 l50 u60",
     0,
     {0},
     "..< >b..< >d..< ..<",
     "a10 b20 c30 d40 | l50 u60",
     "8 scanned, 4 moved, 8 bytes, 2 left, 1 unmatched, 2 passes; verified, pass 2; OK"},
    {"the last comes last",
     "one",
     "",
     "a10 z20",
     0,
     {0},
     "..< ..< ..<",
     "a10 z20 | ",
     "3 scanned, 2 moved, 4 bytes, 3 passes; verified, pass 3; OK"},
    {"copies",
     "one keep",
     "",
     "a10 b20 c30 h40",
     0,
     {0},
     "..< >b..< ..< >b..<",
     "a10 b20 c30 | a10 b20 c30 h40",
     "8 scanned, 3 moved, 6 bytes, 2 passes; verified, pass 2; OK"},
    {"own CAS",
     "own",
     "",
     "a10 b20",
     0,
     {0},
     "..< ..<",
     "a22 b23 | ",
     "2 scanned, 2 moved, 4 bytes, 2 passes; verified, pass 2; OK"},
    {"a kept record that is newer, and the primary wins",
     "two keep primary",
     "b20",
     "a10 b50=3",
     0,
     {0},
     "..< ..<",
     "a10 b20 | a10 b50=3",
     "4 scanned, 1 moved, 2 bytes, 2 passes; verified, pass 2; OK"},
    {"a kept record that is newer, and wins",
     "two keep newer",
     "b20",
     "a10 b50=3",
     0,
     {0},
     "..< ..<",
     "a10 b51=3 | a10 b50=3",
     "4 scanned, 1 moved, 2 bytes, 1 foreign, 2 passes; verified, pass 2; OK"},
    {"a foreign write",
     "one",
     "d40",
     "a10 b20 c30 d50=3 e60",
     0,
     {0},
     "..< >b..<",
     "a10 b20 c30 d40 | d50=3 e60",
     "4 scanned, 3 moved, 6 bytes, 1 foreign; sweeping, pass 1, behind \"d\"; foreign \"d\"; NOT_FINISHED: \"d\" was "
     "written in the fallback by somebody who does not know of the migration; stop that program, then run "
     "again and say whether the newer record or the primary's wins"},
    {"a foreign write beside one that is moved last",
     "one",
     "b40",
     "a10 b50=3 z60",
     0,
     {0},
     "..<",
     "a10 b40 | b50=3 z60",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; sweeping, pass 1, behind \"b\"; foreign \"b\"; NOT_FINISHED: \"b\" was "
     "written in the fallback by somebody who does not know of the migration; stop that program, then run "
     "again and say whether the newer record or the primary's wins"},
    {"a record that can never be moved", "one", "", "a10 b20 c30 z40", 0, ODD("F.move", 999, IO_ERROR, 'b'),
     "..< >b..< ..< ..< ..<", "a10 c30 | b20 z40",
     "10 scanned, 2 moved, 4 bytes, 4 errors, 4 passes; sweeping, pass 4; failed \"b\"; NOT_FINISHED: gave up "
     "after 4 passes: 1 record fails, among them \"b\" (input/output error); the place is kept, run again"},
    {"only a record that can never be moved", "one", "", "b20", 0, ODD("F.move", 999, IO_ERROR, 'b'), "..< ..< ..<",
     " | b20",
     "3 scanned, 3 errors, 3 passes; sweeping, pass 3; failed \"b\"; NOT_FINISHED: gave up after 3 passes: 1 "
     "record fails, among them \"b\" (input/output error); the place is kept, run again"},
    {"a record that may be moved some time", "one", "", "a10 b20 z40", 6, ODD("F.move", 999, UNAVAILABLE, 'b'),
     "..< >b..< ..< ..< ..< ..< ..<", "a10 | b20 z40",
     "13 scanned, 1 moved, 2 bytes, 6 errors, 6 passes; sweeping, pass 6; failed \"b\"; NOT_FINISHED: gave up "
     "after 6 passes: 1 record fails, among them \"b\" (the store cannot be reached or is busy; nothing was "
     "applied); the place is kept, run again"},
    {"a record that fails for a while", "one", "", "a10 b20 z40", 0, ODD("F.move", 2, IO_ERROR, 'b'),
     "..< >b..< ..< ..< ..< ..<", "a10 b20 z40 | ",
     "8 scanned, 3 moved, 6 bytes, 2 errors, 5 passes; verified, pass 5; OK"},
    {"new records all the time", "one moves", "", "a10", 3, MEET_AND_FAIL("P.put(manifest", 99, OK, outsider_adds_more),
     "..< ..< ..<", "a10 c30 d40 | e50",
     "3 scanned, 3 moved, 6 bytes, 3 passes; sweeping, pass 3; NOT_FINISHED: gave up after 3 passes: the "
     "fallback still gets new records; the place is kept, run again"},
    {"a store that is full", "one", "", "a10 b20 c30 d40 e50 f60", 0, FAILS("F.move(c", 1, 999, NO_SPACE), "..< >b..<",
     "a10 b20 | c30 d40 e50 f60",
     "4 scanned, 2 moved, 4 bytes; sweeping, pass 1, behind \"b\"; NO_SPACE: F.move(c d) was made to fail"},
    {"a scan that fails", "one", "", "a10 b20 c30 d40 e50 f60", 0, FAILS("F.scan(>b..<)", 1, 1, IO_ERROR), "..< >b..<",
     "a10 b20 | c30 d40 e50 f60",
     "2 scanned, 2 moved, 4 bytes; sweeping, pass 1, behind \"b\"; IO_ERROR: F.scan(>b..<) was made to fail"},
    {"a scan that fails for a while", "one", "", "a10 b20 c30 d40 e50 f60", 0,
     FAILS("F.scan(>b..<)", 1, 2, UNAVAILABLE), "..< >b..< >b..< >b..< >d..< ..<", "a10 b20 c30 d40 e50 f60 | ",
     "6 scanned, 6 moved, 12 bytes, 2 retries, 2 passes; verified, pass 2; OK"},
    {"stopped", "one", "", "a10 b20 c30 d40 e50 f60", 0, MEET("F.move(c", stop_the_run), "..< >b..<",
     "a10 b20 c30 d40 | e50 f60",
     "4 scanned, 4 moved, 8 bytes; sweeping, pass 1, behind \"d\"; NOT_FINISHED: migration \"default\" was "
     "stopped; its place is kept, run it again"},
    {"the end of a pass cannot be written", "one", "", "a10 b20", 0, FAILS("P.put(status", 4, 1, READ_ONLY), "..<",
     "a10 b20 | ",
     "2 scanned, 2 moved, 4 bytes, 1 passes; sweeping, pass 1; READ_ONLY: P.put(status) was made to fail"},
    {"stopped by a failure to save", "one", "", "a10 b20", 0, FAILS("P.put(status", 3, 1, READ_ONLY), "", " | a10 b20",
     "; sweeping, pass 0; READ_ONLY: P.put(status) was made to fail"},
    {"the clock of the old store cannot be read", "own", "", "a10 b20", 0, FAILS("F.highest", 1, 1, IO_ERROR), "",
     " | a10 b20", "; sweeping, pass 1; IO_ERROR: F.highest(0) was made to fail"},
    {"the clock of the new store cannot be raised", "own", "", "a10 b20", 0, FAILS("P.highest", 1, 1, IO_ERROR), "",
     " | a10 b20", "; sweeping, pass 1; IO_ERROR: P.highest(20) was made to fail"},
};

static void a_run_takes_the_passes_that_it_needs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const run_case *c = &cases[i];
        sweep w;
        char pages[TEXT_SIZE], left[TEXT_SIZE], part[TEXT_SIZE];
        open_run(&w, c);
        segue_status st = segue_migration_run(w.m, &w.s.err);
        pages_of(&w, pages);
        show_side(&w, P, left);
        show_side(&w, F, part);
        append(left, " | %s", part);
        said_of(&w, st, part);
        text_is("what was read", c->name, pages, c->pages);
        text_is("what is left", c->name, left, c->left);
        text_is("what is said", c->name, part, c->said);
        sweep_close(&w);
    }
}

/* Half a pass is no proof: what lies before the place where it was kept is looked at once more. */
static void it_goes_on_where_it_was_stopped(void **state)
{
    (void)state;
    sweep w;
    char pages[TEXT_SIZE], sides[TEXT_SIZE];
    static const run_case c = {
        .how = "one", .p = "", .f = "a10 b20 c30 d40 e50 l60 u65", .trouble = MEET("F.move(c", stop_the_run)};
    open_run(&w, &c);
    assert_int_equal(segue_migration_run(w.m, &w.s.err), SEGUE_NOT_FINISHED);
    segue_migration_close(w.m);
    put(&w.s, F, "a70"); /* by somebody who does not know of it */
    w.m = NULL;
    OK(&w.s, segue_migration_open(w.s.sides[F], w.s.sides[P], &w.options, &w.m, &w.s.err));
    sweep_trouble(&w, (trouble){0});
    assert_int_equal(segue_migration_run(w.m, &w.s.err), SEGUE_NOT_FINISHED);
    pages_of(&w, pages);
    assert_string_equal(pages, ">d..< >l..< ..<");
    show_side(&w, F, sides);
    assert_string_equal(sides, "a70 l60 u65");
    said_of(&w, SEGUE_OK, sides);
    assert_non_null(strstr(sides, "; foreign \"a\""));
    assert_null(strstr(sides, "left")); /* counted in full passes */
    assert_null(strstr(sides, "unmatched"));
    assert_null(strstr(sides, "passes")); /* neither was a full one that came to its end */
    sweep_close(&w);
}

static void a_second_passes(sweep *w)
{
    (void)w;
    sweep_slept_ns += INT64_C(1000000000);
}

/* At every page that took its time. */
static void a_slow_pass_shows_signs_of_life(void **state)
{
    (void)state;
    sweep w;
    static const run_case c = {.how = "one", .p = "", .f = "a10 b20 c30 d40"};
    open_run(&w, &c);
    sweep_trouble(&w, (trouble){.at = "F.move(", .nth = 1, .times = 99, .step = a_second_passes});
    OK(&w.s, segue_migration_run(w.m, &w.s.err));
    if (!strstr(w.s.log, "F.move(a b) P.put(status) F.scan(>b..<)")) fail_msg("%s", w.s.log);
    sweep_close(&w);
}

static void the_waits_between_passes_grow(void **state)
{
    (void)state;
    sweep w;
    static const run_case c = {
        .how = "one", .p = "", .f = "b20", .max_passes = 6, .trouble = ODD("F.move", 99, UNAVAILABLE, 'b')};
    open_run(&w, &c);
    assert_int_equal(segue_migration_run(w.m, &w.s.err), SEGUE_NOT_FINISHED);
    assert_in_range(sweep_slept_ns, 200 * 1000 * 1000, 1550 * 1000 * 1000); /* up to 50, 100, 200, 400 and 800 ms */
    sweep_close(&w);
}

/* A feed may have told of all that the old store has, and follows the new one from there. */
static void a_primary_with_CASes_of_its_own_is_raised_before_each_pass(void **state)
{
    (void)state;
    sweep w;
    static const run_case c = {.how = "own", .p = "", .f = "a10 b20"};
    open_run(&w, &c);
    OK(&w.s, segue_migration_run(w.m, &w.s.err));
    const char *first = strstr(w.s.log, "F.highest(0) P.highest(20) F.scan(..<)");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "F.highest(0) P.highest(20) F.scan(..<)"));
    sweep_close(&w);
    static const run_case keeps = {.how = "two", .p = "", .f = "a10 b20"};
    open_run(&w, &keeps);
    OK(&w.s, segue_migration_run(w.m, &w.s.err));
    assert_null(strstr(w.s.log, "highest"));
    sweep_close(&w);
}

/* ---- no memory ---- */

static segue_status run_poorly(void *ctx)
{
    const run_case *c = ctx;
    sweep w = {.options = {.page_docs = 2, .stale_ns = 1, .hold_seal = true}};
    segue_status st = sweep_try_open(&w, strstr(c->how, "one") ? ONE_ENGINE : TWO_ENGINES, "");
    if (st == SEGUE_OK) st = scene_try_put(&w.s, F, c->f);
    if (st == SEGUE_OK) st = sweep_try_begin(&w);
    if (st == SEGUE_OK) st = segue_migration_run(w.m, &w.s.err);
    if (st == SEGUE_NOT_FINISHED && strstr(w.s.err.message, segue_status_text(SEGUE_NO_MEMORY))) st = SEGUE_NO_MEMORY;
    if (st == SEGUE_NO_MEMORY && w.m && !w.s.err.message[0]) fail_msg("no sentence");
    sweep_close(&w);
    return st;
}

static void a_run_without_memory_says_so_and_leaks_nothing(void **state)
{
    (void)state;
    static run_case poor[] = {{.how = "one", .f = "a10 b20 c30 h40 z50"}, {.how = "two", .f = "a10 b20 n30=7 z50"}};
    for (size_t i = 0; i < 2; i++) test_do_without_each_allocation(run_poorly, &poor[i]);
}

int main(void)
{
    sweep_install();
    seg_sched_set(go_on);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_takes_the_passes_that_it_needs),
        cmocka_unit_test(it_goes_on_where_it_was_stopped),
        cmocka_unit_test(a_slow_pass_shows_signs_of_life),
        cmocka_unit_test(the_waits_between_passes_grow),
        cmocka_unit_test(a_primary_with_CASes_of_its_own_is_raised_before_each_pass),
        cmocka_unit_test(a_run_without_memory_says_so_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
