/* One page of the sweep when a call to a store fails, loses its answer, or goes well for some records only: what is tried
 * again, what is named, what ends the run; and when there is no memory. */
#include "sweep_scene.h"

static void stop_the_run(sweep *w) { segue_migration_cancel(w->m); }
static void stop_when_alone(sweep *w)
{
    if (w->seen == 2) segue_migration_cancel(w->m);
}

static const page_case cases[] = {
    {"a look-up fails thrice", "one", "c31", "a10 b20 c30", FAILS("P.get(b", 1, 3, UNAVAILABLE),
     "P.get(a) P.get(b) P.get(a) P.get(b) P.get(a) P.get(b) P.get(a) P.get(b) P.get(c) P.put(manifest) "
     "F.move(a b c)",
     "a10 b20 c31 |  | [a b c!]", "3 scanned, 2 moved, 4 bytes, 1 already, 3 retries; 3 of work, 3 settled"},
    {"a look-up fails always", "two", "c31", "a10 b20 c30", FAILS("P.get(b", 1, 99, UNAVAILABLE),
     "P.get(a) P.get(b) P.get(a) P.get(b) P.get(a) P.get(b) P.get(a) P.get(b) P.get(a) P.put(manifest) "
     "F.move(a) P.write(+manifest +a) F.write(-a) P.get(b) P.get(b) P.get(b) P.get(b) P.get(c) "
     "P.write(+manifest) F.write(-c)",
     "a10 c31 | b20 | [a][c!]",
     "3 scanned, 1 moved, 2 bytes, 1 already, 1 errors, 6 retries; 3 of work, 2 settled; failed b: UNAVAILABLE"},
    {"a look-up cannot go well", "two", "", "a10 b20 c30", FAILS("P.get(b", 1, 99, IO_ERROR),
     "P.get(a) P.get(b) P.get(a) P.put(manifest) F.move(a) P.write(+manifest +a) F.write(-a) P.get(b) P.get(c) "
     "P.write(+manifest +c) F.write(-c)",
     "a10 c30 | b20 | [a][c]", "3 scanned, 2 moved, 4 bytes, 1 errors; 3 of work, 2 settled; failed b: IO_ERROR"},
    {"a scan fails always", "one", "", "a10 b20 c30 d40 e50", FAILS("P.scan", 1, 99, UNAVAILABLE),
     "P.scan(a..e keys) P.scan(a..e keys) P.scan(a..e keys) P.scan(a..e keys) P.get(a) P.put(manifest) "
     "F.move(a) P.get(b) P.put(manifest) F.move(b) P.get(c) P.put(manifest) F.move(c) P.get(d) P.put(manifest) "
     "F.move(d) P.get(e) P.put(manifest) F.move(e)",
     "a10 b20 c30 d40 e50 |  | [a][b][c][d][e]", "5 scanned, 5 moved, 10 bytes, 3 retries; 5 of work, 5 settled"},
    {"stopped while a look-up fails", "one", "", "a10 b20", MEET_AND_FAIL("P.get(b", 1, UNAVAILABLE, stop_the_run),
     "P.get(a) P.get(b)", " | a10 b20 | ", "2 scanned; 0 of work, 0 settled; UNAVAILABLE: P.get(b) was made to fail"},
    {"stopped while a look-up cannot go well", "one", "", "a10 b20",
     MEET_AND_FAIL("P.get(b", 1, IO_ERROR, stop_the_run), "P.get(a) P.get(b)", " | a10 b20 | ",
     "2 scanned; 0 of work, 0 settled; IO_ERROR: P.get(b) was made to fail"},
    {"stopped among single records", "one", "", "a10 b20 c30", MEET_AND_FAIL("P.get(a", 2, IO_ERROR, stop_when_alone),
     "P.get(a) P.get(a)", " | a10 b20 c30 | ",
     "3 scanned, 1 errors; 1 of work, 0 settled; failed a: IO_ERROR; IO_ERROR: P.get(a) was made to fail"},
    {"it cannot be remembered at first", "one", "", "a10 b20", FAILS("P.put(manifest", 1, 1, UNAVAILABLE),
     "P.get(a) P.get(b) P.put(manifest) P.get(a) P.get(b) P.put(manifest) F.move(a b)", "a10 b20 |  | [a b]",
     "2 scanned, 2 moved, 4 bytes, 1 retries; 2 of work, 2 settled"},
    {"it cannot be remembered", "one", "", "a10 b20", FAILS("P.put(manifest", 1, 99, NO_SPACE),
     "P.get(a) P.get(b) P.put(manifest)", " | a10 b20 | ",
     "2 scanned; 0 of work, 0 settled; NO_SPACE: P.put(manifest) was made to fail"},
    {"moves fail always", "one", "", "a10 b20", FAILS("F.move", 1, 99, UNAVAILABLE),
     TRY_AB " P.get(a) P.get(b) P.put(manifest) F.move(a b) P.get(a) "
            "P.get(b) P.put(manifest) F.move(a b) P.get(a) P.get(b) P.put(manifest) F.move(a b) P.get(a) "
            "P.put(manifest) F.move(a) P.get(a) P.put(manifest) F.move(a) P.get(a) P.put(manifest) F.move(a) P.get(a) "
            "P.put(manifest) F.move(a) P.get(b) P.put(manifest) F.move(b) P.get(b) P.put(manifest) F.move(b) P.get(b) "
            "P.put(manifest) F.move(b) P.get(b) P.put(manifest) F.move(b)",
     " | a10 b20 | [a b][a][b]", "2 scanned, 2 errors, 9 retries; 2 of work, 0 settled; failed a,b: UNAVAILABLE"},
    {"moves cannot go well", "one", "b21", "a10 b20", FAILS("F.move", 1, 99, IO_ERROR),
     TRY_AB " P.get(a) P.put(manifest) F.move(a) P.get(b) P.put(manifest) F.move(b)", "b21 | a10 b20 | [a b!][a][b!]",
     "2 scanned, 2 errors; 2 of work, 0 settled; failed a,b: IO_ERROR"},
    {"the answer to a move is lost", "one", "b21=2", "a10 b20", LOST("F.move", MAYBE_APPLIED),
     TRY_AB " P.get(a) P.get(b) P.put(manifest) F.move(a b)", "a10 b21=2 |  | [a b!]",
     "2 scanned, 1 moved, 2 bytes, 1 retries; 2 of work, 1 settled"},
    {"moves are not possible", "one", "", "a10 b20", FAILS("F.move", 1, 1, UNSUPPORTED),
     TRY_AB " P.write(+manifest +a +b) F.write(-a -b)", "a10 b20 |  | [a b]",
     "2 scanned, 2 moved, 4 bytes; 2 of work, 2 settled"},
    {"a move of one fails", "one", "", "a10 b20 c30", ODD("F.move", 1, UNAVAILABLE, 'b'), TRY_ABC,
     "a10 c30 | b20 | [a b c]", "3 scanned, 2 moved, 4 bytes, 1 errors; 3 of work, 2 settled; failed b: UNAVAILABLE"},
    {"a move of one finds nothing, nor does anybody", "one", "", "a10 b20 c30", ODD("F.move", 1, NOT_FOUND, 'b'),
     TRY_ABC " P.get(b) P.put(manifest)", "a10 c30 | b20 | [a c]",
     "3 scanned, 2 moved, 4 bytes, 1 foreign; 3 of work, 2 settled"},
    {"a move of what was copied finds nothing", "one", "b20", "a10 b20 c30", ODD("F.move", 1, NOT_FOUND, 'b'), TRY_ABC,
     "a10 b20 c30 | b20 | [a b c]", "3 scanned, 3 moved, 6 bytes; 3 of work, 3 settled"},
    {"a move of what is there finds nothing", "one", "b21", "a10 b20 c30", ODD("F.move", 1, NOT_FOUND, 'b'), TRY_ABC,
     "a10 b21 c30 | b20 | [a b! c]", "3 scanned, 2 moved, 4 bytes; 3 of work, 2 settled"},
    {"a move of the one behind what is held back fails", "one", "b20", "a10 b50=3 c60",
     ODD("F.move", 1, UNAVAILABLE, 'c'), "P.get(a) P.get(b) P.get(c) P.put(manifest) F.move(a c)",
     "a10 b20 | b50=3 c60 | [a c]",
     "3 scanned, 1 moved, 2 bytes, 1 foreign, 1 errors; 3 of work, 1 settled; failed c: UNAVAILABLE; foreign b"},
    {"whether what is gone was moved cannot be known", "one gone", "", "a10 b20 c30",
     FAILS("P.get(b", 2, 1, UNAVAILABLE),
     TRY_ABC " P.get(b) P.get(a) P.get(b) P.get(c) P.put(manifest) F.move(a b c) P.get(b) P.put(manifest)",
     "a10 c30 |  | [a c]", "3 scanned, 2 moved, 4 bytes, 1 foreign, 1 retries; 3 of work, 2 settled"},
    {"what is gone cannot be forgotten", "one gone", "", "a10 b20 c30", FAILS("P.put(manifest", 2, 1, UNAVAILABLE),
     TRY_ABC " P.get(b) P.put(manifest) P.get(a) P.get(b) "
             "P.get(c) P.put(manifest) F.move(a b c) P.get(b) P.put(manifest)",
     "a10 c30 |  | [a c]", "3 scanned, 2 moved, 4 bytes, 1 foreign, 1 retries; 3 of work, 2 settled"},
    {"copies fail always", "two", "", "a10 b20", FAILS("P.write", 1, 99, UNAVAILABLE),
     TRY_AB " P.write(+manifest +a +b) P.get(a) P.get(b) "
            "P.write(+manifest +a +b) P.get(a) P.get(b) P.write(+manifest +a +b) P.get(a) P.get(b) P.write(+manifest "
            "+a +b) P.get(a) P.write(+manifest +a) P.get(a) P.write(+manifest +a) P.get(a) P.write(+manifest +a) "
            "P.get(a) P.write(+manifest +a) P.get(b) P.write(+manifest +b) P.get(b) P.write(+manifest +b) P.get(b) "
            "P.write(+manifest +b) P.get(b) P.write(+manifest +b)",
     " | a10 b20 | [a b]", "2 scanned, 2 errors, 9 retries; 2 of work, 0 settled; failed a,b: UNAVAILABLE"},
    {"copies cannot go well", "two", "b21", "a10 b20", FAILS("P.write", 1, 99, IO_ERROR),
     TRY_AB " P.write(+manifest +a) P.get(a) P.write(+manifest +a) P.get(b) P.write(+manifest)",
     "b21 | a10 b20 | [a b!]", "2 scanned, 2 errors; 2 of work, 0 settled; failed a,b: IO_ERROR"},
    {"the answer to the copies is lost", "two", "", "a10 b20", LOST("P.write", MAYBE_APPLIED),
     TRY_AB " P.write(+manifest +a +b) P.get(a) P.get(b) P.write(+manifest) F.write(-a -b)", "a10 b20 |  | [a b]",
     "2 scanned, 2 moved, 4 bytes, 1 retries; 2 of work, 2 settled"},
    {"the manifest alone is not written", "two", "", "a10 b20", ODD("P.write", 1, UNAVAILABLE, 'M'),
     TRY_AB " P.write(+manifest +a +b) P.get(a) P.get(b) P.write(+manifest) F.write(-a -b)", "a10 b20 |  | [a b]",
     "2 scanned, 2 moved, 4 bytes, 1 retries; 2 of work, 2 settled"},
    {"erasures cannot go well", "two", "b21", "a10 b20", FAILS("F.write", 1, 99, IO_ERROR),
     TRY_AB " P.write(+manifest +a) F.write(-a -b) P.get(a) "
            "P.write(+manifest) F.write(-a) P.get(b) P.write(+manifest) F.write(-b)",
     "a10 b21 | a10 b20 | [a b!][a][b!]", "2 scanned, 2 errors; 2 of work, 0 settled; failed a,b: IO_ERROR"},
    {"the answer to the erasures is lost", "two", "b21", "a10 b20", LOST("F.write", MAYBE_APPLIED),
     TRY_AB " P.write(+manifest +a) F.write(-a -b) P.get(a) P.get(b) P.write(+manifest) F.write(-a -b)",
     "a10 b21 |  | [a b!]", "2 scanned, 1 moved, 2 bytes, 1 retries; 2 of work, 1 settled"},
    {"the copy of one is UNAVAILABLE", "two", "", "a10 b20 c30", ODD("P.write", 1, UNAVAILABLE, 'b'),
     TRY_ABC " P.write(+manifest +a +b +c) F.write(-a -c)", "a10 c30 | b20 | [a b c]",
     "3 scanned, 2 moved, 4 bytes, 1 errors; 3 of work, 2 settled; failed b: UNAVAILABLE"},
    {"the copy of one is EXISTS", "two", "", "a10 b20 c30", ODD("P.write", 1, EXISTS, 'b'),
     TRY_ABC " P.write(+manifest +a +b +c) F.write(-a -b -c)", "a10 c30 |  | [a b c]",
     "3 scanned, 2 moved, 4 bytes, 1 already; 3 of work, 3 settled"},
    {"the copy of one is TOO_BIG", "two", "", "a10 b20 c30", ODD("P.write", 1, TOO_BIG, 'b'),
     TRY_ABC " P.write(+manifest +a +b +c) F.write(-a -c)", "a10 c30 | b20 | [a b c]",
     "3 scanned, 2 moved, 4 bytes, 1 errors; 3 of work, 2 settled; failed b: TOO_BIG"},
    {"the copy of one of those that stay fails", "two keep", "", "a10 b20 c30", ODD("P.write", 1, UNAVAILABLE, 'b'),
     TRY_ABC " P.write(+manifest +a +b +c)", "a10 c30 | a10 b20 c30 | [a b c]",
     "3 scanned, 2 moved, 4 bytes, 1 errors; 3 of work, 2 settled; failed b: UNAVAILABLE"},
    {"the erasure of one fails", "two", "", "a10 b20 c30", ODD("F.write", 1, UNAVAILABLE, 'b'),
     TRY_ABC " P.write(+manifest +a +b +c) F.write(-a -b -c)", "a10 b20 c30 | b20 | [a b c]",
     "3 scanned, 2 moved, 4 bytes, 1 errors; 3 of work, 2 settled; failed b: UNAVAILABLE"},
    {"the erasure of one finds nothing", "two", "", "a10 b20 c30", ODD("F.write", 1, NOT_FOUND, 'b'),
     TRY_ABC " P.write(+manifest +a +b +c) F.write(-a -b -c)", "a10 b20 c30 | b20 | [a b c]",
     "3 scanned, 3 moved, 6 bytes; 3 of work, 3 settled"},
    {"the erasure of one that is there finds nothing", "two", "b21", "a10 b20 c30", ODD("F.write", 1, NOT_FOUND, 'b'),
     TRY_ABC " P.write(+manifest +a +c) F.write(-a -b -c)", "a10 b21 c30 | b20 | [a b! c]",
     "3 scanned, 2 moved, 4 bytes; 3 of work, 2 settled"},
    {"the erasure of one that was copied finds nothing", "two", "b20", "a10 b20 c30", ODD("F.write", 1, NOT_FOUND, 'b'),
     TRY_ABC " P.write(+manifest +a +c) F.write(-a -b -c)", "a10 b20 c30 | b20 | [a b c]",
     "3 scanned, 3 moved, 6 bytes; 3 of work, 3 settled"},
    {"the erasure of the one behind what is held back fails", "two", "b20", "a10 b50=3 c60",
     ODD("F.write", 1, UNAVAILABLE, 'c'),
     "P.get(a) P.get(b) P.get(c) P.put(manifest) F.move(a c) P.write(+manifest +a +c) F.write(-a -c)",
     "a10 b20 c60 | b50=3 c60 | [a c]",
     "3 scanned, 1 moved, 2 bytes, 1 foreign, 1 errors; 3 of work, 1 settled; failed c: UNAVAILABLE; foreign b"},
    {"a drop that is gone", "one", "", "a10 h20 i30", ODD("F.write(-h", 1, NOT_FOUND, 'h'),
     "P.get(a) P.put(manifest) F.move(a) F.write(-h -i)", "a10 | h20 | [a]",
     "3 scanned, 1 moved, 2 bytes, 1 dropped; 1 of work, 3 settled"},
    {"a drop that fails", "one", "", "a10 h20 i30", ODD("F.write(-h", 1, UNAVAILABLE, 'h'),
     "P.get(a) P.put(manifest) F.move(a) F.write(-h -i)", "a10 | h20 | [a]",
     "3 scanned, 1 moved, 2 bytes, 1 dropped, 1 errors; 1 of work, 2 settled; failed h: UNAVAILABLE"},
    {"drops that fail", "one", "", "a10 h20 i30", FAILS("F.write(-h", 1, 1, UNAVAILABLE),
     "P.get(a) P.put(manifest) F.move(a) F.write(-h -i)", "a10 | h20 i30 | [a]",
     "3 scanned, 1 moved, 2 bytes, 2 errors; 1 of work, 1 settled; failed h,i: UNAVAILABLE"},
    {"drops that cannot go well", "one", "", "a10 h20 i30", FAILS("F.write(-h", 1, 1, READ_ONLY),
     "P.get(a) P.put(manifest) F.move(a) F.write(-h -i)", "a10 | h20 i30 | [a]",
     "3 scanned, 1 moved, 2 bytes, 2 errors; 1 of work, 1 settled; failed h,i: READ_ONLY; READ_ONLY: "
     "F.write(-h -i) was made to fail"},
    {"a counter that fails", "one", "", "a10 h20 n50=7", FAILS("F.get(n", 1, 99, UNAVAILABLE),
     "F.get(n) F.get(n) F.get(n) F.get(n) P.get(a) P.put(manifest) F.move(a) F.write(-h)", "a10 | n50=7 | [a]",
     "3 scanned, 1 moved, 2 bytes, 1 dropped, 1 errors, 3 retries; 2 of work, 2 settled; failed n: UNAVAILABLE"},
    {"a counter that ends it", "one", "", "a10 h20 n50=7", FAILS("F.get(n", 1, 99, READ_ONLY), "F.get(n)",
     " | a10 h20 n50=7 | ",
     "3 scanned, 1 errors; 1 of work, 0 settled; failed n: READ_ONLY; READ_ONLY: F.get(n) was made to fail"},
    {"what changed cannot be read at first", "one behind", "", "a10 b20", FAILS("F.get(b", 1, 1, UNAVAILABLE),
     TRY_AB " F.get(b) P.get(a) P.get(b) P.put(manifest) F.move(a b) F.get(b)", "a10 | b90=3 | [a b]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign, 1 retries; 3 of work, 1 settled; foreign b"},
    {"what changed cannot be read", "one behind", "", "a10 b20", FAILS("F.get(b", 1, 99, IO_ERROR),
     TRY_AB " F.get(b) P.get(a) P.put(manifest) F.move(a) P.get(b) P.put(manifest) F.move(b) F.get(b)",
     "a10 | b90=3 | [a b][a][b]", "2 scanned, 1 moved, 2 bytes, 1 errors; 2 of work, 1 settled; failed b: IO_ERROR"},
    {"what is newer cannot be read at first", "two newer", "b20", "a10 b50=3", FAILS("F.get(b", 1, 1, UNAVAILABLE),
     "P.get(a) P.get(b) F.get(b) P.get(a) P.get(b) F.get(b) P.get(b) P.put(b) F.erase(b) P.put(manifest) "
     "F.move(a) P.write(+manifest +a) F.write(-a)",
     "a10 b51=3 |  | [a]", "2 scanned, 1 moved, 2 bytes, 1 foreign, 1 retries; 2 of work, 2 settled"},
    {"what is newer cannot be replaced", "two newer", "b20", "a10 b50=3", FAILS("P.put(b", 1, 99, IO_ERROR),
     "P.get(a) P.get(b) F.get(b) P.get(b) P.put(b) P.get(a) P.put(manifest) F.move(a) P.write(+manifest +a) "
     "F.write(-a) P.get(b) F.get(b) P.get(b) P.put(b)",
     "a10 b20 | b50=3 | [a]", "2 scanned, 1 moved, 2 bytes, 1 errors; 2 of work, 1 settled; failed b: IO_ERROR"},
    {"nothing is remembered, and the first copy fails", "two forgets", "", "b20 c30",
     ODD("P.write", 1, UNAVAILABLE, 'b'), "P.get(b) P.get(c) F.move(b c) P.write(+b +c) F.write(-c)", "c30 | b20 | ",
     "2 scanned, 1 moved, 2 bytes, 1 errors; 2 of work, 1 settled; failed b: UNAVAILABLE"},
};

static void a_failure_is_tried_again_or_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) play_page(&cases[i]);
}

/* ---- what ends the run ---- */

/* When the store itself is full, closed or damaged, nothing else can go well: no other record is tried. */
static void a_failure_of_the_store_ends_it_at_once(void **state)
{
    (void)state;
#define SEGUE_STATUS(name, number, class, exit_code, text) SEGUE_##name,
    static const segue_status all[] = {
#include <segue/status.def>
    };
#undef SEGUE_STATUS
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
        segue_status st = all[k];
        static const char *const calls[] = {"F.move", "F.write(-h", "F.get(n"};
        bool ends = st == SEGUE_NO_SPACE || st == SEGUE_READ_ONLY || st == SEGUE_ACCESS_DENIED || st == SEGUE_CORRUPT ||
                    st == SEGUE_WRONG_FORMAT || st == SEGUE_NO_STORE;
        if (st == SEGUE_OK || st == SEGUE_UNSUPPORTED)
            continue; /* a move that is not possible is made in another way */
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
            sweep w = {0};
            sweep_open(&w, ONE_ENGINE, "", "", "a10 b20 h30 n40=7");
            sweep_trouble(&w, (trouble){.at = calls[i], .nth = 1, .times = 99, .status = st});
            sweep_page(&w, false);
            segue_status want = ends ? st : SEGUE_OK;
            if (w.swept.status != want)
                fail_msg("%s is %s: the page is %s", calls[i], segue_status_name(st),
                         segue_status_name(w.swept.status));
            sweep_close(&w);
        }
    }
}

/* ---- patience ---- */

static void the_waits_between_attempts_grow(void **state)
{
    (void)state;
    sweep w = {0};
    sweep_open(&w, ONE_ENGINE, "", "", "a10");
    sweep_trouble(&w, (trouble)FAILS("F.move", 1, 3, UNAVAILABLE));
    sweep_page(&w, false);
    assert_int_equal(w.swept.counts.moved, 1);
    assert_int_equal(w.swept.counts.retries, 3);
    assert_in_range(sweep_slept_ns, 16 * 1000 * 1000, 35 * 1000 * 1000); /* up to 5, 10 and 20 ms */
    sweep_close(&w);
}

/* Sixteen that fail in a row are a store that fails, unless one among them goes well. */
static void many_failures_in_a_row_end_it(void **state)
{
    (void)state;
    static const struct {
        unsigned times, calls;
        segue_status st;
    } cases_of[] = {
        {16, 16, SEGUE_IO_ERROR}, /* of twenty */
        {15, 20, SEGUE_OK},
    };
    for (size_t i = 0; i < 2; i++) {
        sweep w = {.policy_text = "{\"unmatched\":\"move\",\"rules\":[]}"};
        sweep_open(&w, ONE_ENGINE, "", "", "a1 b2 c3 d4 e5 f6 g7 h8 i9 j10 k11 l12 m13 n14 o15 p16 q17 r18 s19 t20");
        sweep_trouble(&w, (trouble)FAILS("F.move", 1, 1 + cases_of[i].times, IO_ERROR)); /* one for the page */
        sweep_page(&w, false);
        assert_int_equal(w.swept.status, cases_of[i].st);
        assert_int_equal(w.seen, 1 + cases_of[i].calls);
        assert_int_equal(w.swept.counts.errors, cases_of[i].times);
        sweep_close(&w);
    }
    sweep w = {.policy_text = "{\"unmatched\":\"move\",\"rules\":[]}"};
    sweep_open(&w, ONE_ENGINE, "", "", "a1 b2 c3 d4 e5 f6 g7 h8 i9 j10 k11 l12 m13 n14 o15 p16 q17 r18 s19 t20 u21");
    sweep_trouble(&w, (trouble){.at = "F.move", .nth = 1, .times = 99, .status = SEGUE_IO_ERROR, .but = 11});
    sweep_page(&w, false);
    assert_int_equal(w.swept.status, SEGUE_OK);
    assert_int_equal(w.swept.counts.errors, 20);
    sweep_close(&w);
}

/* ---- no memory ---- */

typedef struct poor_case {
    enum sweep_engines engines;
    const char *p, *f;
    segue_on_foreign how;
    const char *moves;
    bool is_gone;
} poor_case;

static segue_status sweep_poorly(void *ctx)
{
    const poor_case *c = ctx;
    sweep w = {.options = {.on_foreign_write = c->how}, .is_gone = c->is_gone};
    segue_status st = sweep_try_open(&w, c->engines, "");
    if (st == SEGUE_OK) st = scene_try_put(&w.s, P, c->p);
    if (st == SEGUE_OK) st = scene_try_put(&w.s, F, c->f);
    if (st == SEGUE_OK) st = sweep_try_begin(&w);
    if (st == SEGUE_OK) st = sweep_try_page(&w, true);
    bool named = w.swept.counts.errors > 0;
    if (st == SEGUE_OK && named) st = w.swept.why;
    test_fault_heal(&test_memory);
    char remembered[TEXT_SIZE] = "", arrived[TEXT_SIZE] = "";
    if (st == SEGUE_OK) show_manifests(&w, remembered), show_side(&w, P, arrived);
    for (const char *k = c->moves; st == SEGUE_OK && *k; k++)
        if (!strchr(remembered, *k) || !strchr(arrived, *k)) fail_msg("%c: %s in %s", *k, remembered, arrived);
    if (st == SEGUE_OK && w.is_gone && strrchr(remembered, 'b') > strrchr(remembered, '[')) fail_msg("%s", remembered);
    bool all_settled = c->how != SEGUE_FOREIGN_STOP ||
                       w.swept.settled == 6; /* a foreign write may be in a first attempt */
    if (st == SEGUE_OK && !all_settled) fail_msg("%u settled", (unsigned)w.swept.settled);
    if (w.swept.status != SEGUE_OK && !w.swept.err.message[0]) fail_msg("no sentence");
    sweep_close(&w);
    return st;
}

static void without_memory_it_says_so_and_leaks_nothing(void **state)
{
    (void)state;
    static poor_case poor_cases[] = {
        {ONE_ENGINE, "b21", "a10 b20 c30 d40 e50 z60", SEGUE_FOREIGN_STOP, "abcdez", false},
        {TWO_ENGINES, "b21", "a10 b20 c30 d40 e50 h60", SEGUE_FOREIGN_STOP, "abcde", false},
        {TWO_ENGINES, "b15", "a10 b20 c30 -d40 e50 n60=7", SEGUE_FOREIGN_NEWER, "acden", false},
        {ONE_ENGINE, "a11 c31 g32 h33 i34 j35 k36", "a10 c20 d30 e40 f50 z60", SEGUE_FOREIGN_STOP, "acdefz", false},
        {ONE_ENGINE, "", "a10 b20 c30", SEGUE_FOREIGN_NEWER, "ac", true},
    };
    for (size_t i = 0; i < sizeof poor_cases / sizeof poor_cases[0]; i++)
        test_do_without_each_allocation(sweep_poorly, &poor_cases[i]);
}

int main(void)
{
    sweep_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_tried_again_or_named),
        cmocka_unit_test(a_failure_of_the_store_ends_it_at_once),
        cmocka_unit_test(the_waits_between_attempts_grow),
        cmocka_unit_test(many_failures_in_a_row_end_it),
        cmocka_unit_test(without_memory_it_says_so_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
