/* Verification: what is told of a copy that differs, what a repair makes of it, what is counted, what is read for it, and what
 * stops it. All on one thread. */
#include "sweep_scene.h"

static seg_sched_strike go_on(seg_sched_kind kind, const void *object, uint64_t part, bool may_fail)
{
    (void)kind, (void)object, (void)part, (void)may_fail;
    return SEG_SCHED_GO;
}

typedef struct verify_case {
    const char *name,
        *how; /* as of a page; "sealed", "clean" or only verified; "wide" pages; "repair"; "norun": there was no migration */
    const char *p, *f;
    const char *p_later, *f_later, *p_lost, *f_lost; /* after the run; keys that are erased */
    trouble trouble;
    const char *told, *left, *said;
} verify_case;

static void tell(void *ctx, const segue_difference *d)
{
    char *out = ctx;
    append(out, "%s%s%s: %s", out[0] ? "; " : "", segue_difference_name(d->kind), d->repaired ? ", repaired" : "",
           d->text);
}

static void open_run(sweep *w, const verify_case *c)
{
    const char *how = c->how;
    *w = (sweep){.options = {.keep = strstr(how, "keep"), .page_docs = 2, .stale_ns = 1, .hold_clean = true}};
    if (strstr(how, "wide")) w->options.page_docs = 100;
    w->options.hold_seal = !strstr(how, "sealed") && !strstr(how, "clean");
    w->options.hold_clean = !strstr(how, "clean");
    sweep_open(w, strstr(how, "one") ? ONE_ENGINE : TWO_ENGINES, strstr(how, "own") ? "-keep_cas" : "", c->p, c->f);
    if (!strstr(how, "norun")) OK(&w->s, segue_migration_run(w->m, &w->s.err));
}

static void verify_later(sweep *w, const verify_case *c)
{
    put(&w->s, P, c->p_later);
    put(&w->s, F, c->f_later);
    for (const char *k = c->p_lost; k && *k; k++) erase_plainly(w, P, (char[]){*k, 0});
    for (const char *k = c->f_lost; k && *k; k++) erase_plainly(w, F, (char[]){*k, 0});
    if (strstr(c->how, "newer")) w->options.on_foreign_write = SEGUE_FOREIGN_NEWER;
    if (strstr(c->how, "primary")) w->options.on_foreign_write = SEGUE_FOREIGN_PRIMARY;
    if (!strstr(c->how, "norun")) w->options.keep = false; /* the migration knows */
    segue_migration_close(w->m);
    w->m = NULL;
    OK(&w->s, segue_migration_open(w->s.sides[F], w->s.sides[P], &w->options, &w->m, &w->s.err));
    sweep_trouble(w, c->trouble);
}

static void show_verified(const segue_verified *v, char out[TEXT_SIZE])
{
    const uint64_t n[] = {v->checked, v->same, v->changed, v->deleted, v->in_scope, v->differences, v->repaired};
    static const char *const names[] = {"checked", "same", "changed", "deleted", "in scope", "differ", "repaired"};
    out[0] = 0;
    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++)
        if (n[i]) append(out, "%s%llu %s", out[0] ? ", " : "", (unsigned long long)n[i], names[i]);
}

static void stop_the_run(sweep *w) { segue_migration_cancel(w->m); }

static const verify_case cases[] = {
    {.name = "all is well",
     .how = "one",
     .p = "",
     .f = "a10 b20 -c30 n40=7 z50 l60 h70",
     .told = "",
     .left = "a10 b20 -c30 n40=7 z50 | l60 | [n][a b][c][z]",
     .said = "5 checked, 5 same; OK"},
    {.name = "changed and deleted since",
     .how = "one",
     .p = "c31",
     .f = "a10 b20 c30",
     .p_later = "a90=2 -b91",
     .told = "",
     .left = "a90=2 -b91 c31 |  | [a b][c!]",
     .said = "3 checked, 2 changed, 1 deleted; OK"},
    {.name = "taken over before, and changed since",
     .how = "two",
     .p = "a11 -b21",
     .f = "a10 b20 c30",
     .p_later = "a90=2",
     .told = "",
     .left = "a90=2 -b21 c30 |  | [a! b?][c]",
     .said = "3 checked, 1 same, 1 changed, 1 deleted; OK"},
    {.name = "CAS of its own",
     .how = "own",
     .p = "",
     .f = "a10 b20 -c30",
     .told = "",
     .left = "a32 b33 -c35 |  | [a b][c]",
     .said = "3 checked, 3 same; OK"},
    {.name = "CAS of its own, damaged",
     .how = "own keep repair",
     .p = "",
     .f = "a10 b20",
     .p_later = "b33=2",
     .told = "content, repaired: \"b\" has the CAS that it was moved with, but another content in the primary",
     .left = "a22 b35 | a10 b20 | [a b]",
     .said = "2 checked, 1 same, 2 in scope, 1 differ, 1 repaired; OK"},
    {.name = "lost",
     .how = "one",
     .p = "",
     .f = "a10 b20 c30",
     .p_lost = "b",
     .told = "missing: \"b\" was moved, and the primary has no record of it",
     .left = "a10 c30 |  | [a b][c]",
     .said =
         "3 checked, 2 same, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
    {.name = "lost, and asked to be repaired",
     .how = "one repair",
     .p = "",
     .f = "a10 b20 c30",
     .p_lost = "b",
     .told = "missing: \"b\" was moved, and the primary has no record of it",
     .left = "a10 c30 |  | [a b][c]",
     .said =
         "3 checked, 2 same, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
    {.name = "lost, and let go",
     .how = "one repair newer",
     .p = "",
     .f = "a10 b20 c30",
     .p_lost = "b",
     .told = "missing, repaired: \"b\" was moved, and the primary has no record of it, nor has the fallback: taken for "
             "erased by somebody else",
     .left = "a10 c30 |  | [a][c]",
     .said = "3 checked, 2 same, 1 differ, 1 repaired; OK"},
    {.name = "lost after the seal",
     .how = "one sealed repair newer",
     .p = "",
     .f = "a10 b20 c30",
     .p_lost = "b",
     .told = "missing: \"b\" was moved, and the primary has no record of it",
     .left = "a10 c30 |  | [a b][c]",
     .said =
         "3 checked, 2 same, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
    {.name = "a counter is lost",
     .how = "one repair",
     .p = "",
     .f = "a10 n40=7",
     .p_lost = "n",
     .told = "missing: \"n\" was moved, and the primary has no record of it",
     .left = "a10 |  | [n][a]",
     .said =
         "2 checked, 1 same, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
    {.name = "a kept one is lost",
     .how = "one keep",
     .p = "",
     .f = "a10 b20 c30",
     .p_lost = "b",
     .told = "missing: \"b\" was moved, and the primary has no record of it",
     .left = "a10 c30 | a10 b20 c30 | [a b][c]",
     .said =
         "3 checked, 2 same, 3 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of "
         "them repaired"},
    {.name = "a kept one is lost, and repaired",
     .how = "one keep repair",
     .p = "",
     .f = "a10 b20 c30",
     .p_lost = "b",
     .told = "missing, repaired: \"b\" was moved, and the primary has no record of it",
     .left = "a10 b20 c30 | a10 b20 c30 | [a b][c][b]",
     .said = "3 checked, 2 same, 3 in scope, 1 differ, 1 repaired; OK"},
    {.name = "a kept one is lost after the end",
     .how = "one keep clean",
     .p = "",
     .f = "a10 b20 c30",
     .p_lost = "b",
     .told = "",
     .left = "a10 c30 | a10 b20 c30 | ",
     .said = "3 in scope; OK"},
    {.name = "damaged",
     .how = "one",
     .p = "",
     .f = "a10 b20",
     .p_later = "b20=2",
     .told = "content: \"b\" has the CAS that it was moved with, but another content in the primary",
     .left = "a10 b20=2 |  | [a b]",
     .said =
         "2 checked, 1 same, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
    {.name = "damaged, nothing to repair it from",
     .how = "one repair",
     .p = "",
     .f = "a10 b20",
     .p_later = "b20=2",
     .told = "content: \"b\" has the CAS that it was moved with, but another content in the primary",
     .left = "a10 b20=2 |  | [a b]",
     .said =
         "2 checked, 1 same, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
    {.name = "damaged, and repaired",
     .how = "one keep repair",
     .p = "",
     .f = "a10 b20",
     .p_later = "b20=2",
     .told = "content, repaired: \"b\" has the CAS that it was moved with, but another content in the primary",
     .left = "a10 b31 | a10 b20 | [a b]",
     .said = "2 checked, 1 same, 2 in scope, 1 differ, 1 repaired; OK"},
    {.name = "damaged, and changed behind",
     .how = "one keep repair",
     .p = "",
     .f = "a10 b20",
     .p_later = "b20=2",
     .f_later = "b50=3",
     .told = "content: \"b\" has the CAS that it was moved with, but another content in the primary",
     .left = "a10 b20=2 | a10 b50=3 | [a b]",
     .said =
         "2 checked, 1 same, 2 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of "
         "them repaired"},
    {.name = "damaged, and changed behind, newer",
     .how = "one keep repair newer",
     .p = "",
     .f = "a10 b20",
     .p_later = "b20=2",
     .f_later = "b50=3",
     .told = "content: \"b\" has the CAS that it was moved with, but another content in the primary; newer, repaired: "
             "\"b\" is newer in the fallback than in the primary: somebody wrote it behind the migration's back",
     .left = "a10 b52=3 | a10 b50=3 | [a b]",
     .said = "2 checked, 1 same, 2 in scope, 1 differ, 1 repaired; OK"},
    {.name = "damaged, and changed behind, primary",
     .how = "one keep repair primary",
     .p = "",
     .f = "a10 b20",
     .p_later = "b20=2",
     .f_later = "b50=3",
     .told = "content: \"b\" has the CAS that it was moved with, but another content in the primary",
     .left = "a10 b20=2 | a10 b50=3 | [a b]",
     .said =
         "2 checked, 1 same, 2 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of "
         "them repaired"},
    {.name = "left",
     .how = "two",
     .p = "",
     .f = "a10",
     .f_later = "b20 h30 l40 s45 n50=7",
     .told =
         "left: \"b\" is in scope and still in the fallback; left: \"n\" is in scope and still in the fallback; left: "
         "\"s\" is in scope and still in the fallback",
     .left = "a10 | b20 h30 l40 n50=7 s45 | [a]",
     .said =
         "1 checked, 1 same, 3 in scope, 3 differ; DIFFERENT: verification of \"default\" found 3 differences, 0 of "
         "them repaired"},
    {.name = "left, and repaired",
     .how = "two repair",
     .p = "",
     .f = "a10",
     .f_later = "b20 n50=7",
     .told =
         "left, repaired: \"b\" is in scope and still in the fallback; left, repaired: \"n\" is in scope and still in "
         "the fallback",
     .left = "a10 b20 n50=7 |  | [a][b][n]",
     .said = "1 checked, 1 same, 2 in scope, 2 differ, 2 repaired; OK"},
    {.name = "left, and newer than what is there",
     .how = "two repair",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3",
     .told = "left: \"b\" is in scope and still in the fallback",
     .left = "a10 b20 | b50=3 | [a b]",
     .said =
         "2 checked, 2 same, 1 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of "
         "them repaired"},
    {.name = "left, and newer than what is there, newer",
     .how = "two repair newer",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3",
     .told = "left, repaired: \"b\" is in scope and still in the fallback",
     .left = "a10 b51=3 |  | [a b]",
     .said = "2 checked, 2 same, 1 in scope, 1 differ, 1 repaired; OK"},
    {.name = "left, and older than what is there",
     .how = "two repair",
     .p = "b90=2",
     .f = "a10",
     .f_later = "b20",
     .told = "left, repaired: \"b\" is in scope and still in the fallback",
     .left = "a10 b90=2 |  | [a][b!]",
     .said = "1 checked, 1 same, 1 in scope, 1 differ, 1 repaired; OK"},
    {.name = "left, and cannot be copied",
     .how = "two repair",
     .p = "",
     .f = "a10",
     .f_later = "b20",
     .trouble = ODD("P.write", 1, UNAVAILABLE, 'b'),
     .told = "left: \"b\" is in scope and still in the fallback",
     .left = "a10 | b20 | [a][b]",
     .said =
         "1 checked, 1 same, 1 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of "
         "them repaired"},
    {.name = "left, and no number",
     .how = "two repair",
     .p = "",
     .f = "a10",
     .p_later = "n20=\"x\"",
     .f_later = "n50=7",
     .told = "left: \"n\" is in scope and still in the fallback",
     .left =
         "a10 n20=\"x\" | n51={\"pilled_at\":\"1970-01-01T00:00:00Z\",\"last_seq\":7,\"sg_metadata_migration_pill\":true} | "
         "[a][n]",
     .said =
         "1 checked, 1 same, 1 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of "
         "them repaired"},
    {.name = "left, and no number on either side",
     .how = "two repair",
     .p = "",
     .f = "a10",
     .f_later = "n50=\"x\"",
     .told = "left, repaired: \"n\" is in scope and still in the fallback",
     .left = "a10 n50=\"x\" |  | [a][n]",
     .said = "1 checked, 1 same, 1 in scope, 1 differ, 1 repaired; OK"},
    {.name = "left, and the repair fails",
     .how = "two repair",
     .p = "",
     .f = "a10",
     .f_later = "b20",
     .trouble = FAILS("F.get(b", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 | b20 | [a]",
     .said = "77 checked; IO_ERROR: F.get(b) was made to fail"},
    {.name = "a kept one is newer",
     .how = "two keep",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3",
     .told = "newer: \"b\" is newer in the fallback than in the primary: somebody wrote it behind the migration's back",
     .left = "a10 b20 | a10 b50=3 | [a b]",
     .said =
         "2 checked, 2 same, 2 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of "
         "them repaired"},
    {.name = "a kept one is newer, asked to be repaired",
     .how = "two keep repair",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3",
     .told = "newer: \"b\" is newer in the fallback than in the primary: somebody wrote it behind the migration's back",
     .left = "a10 b20 | a10 b50=3 | [a b]",
     .said =
         "2 checked, 2 same, 2 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of "
         "them repaired"},
    {.name = "a kept one is newer, newer",
     .how = "two keep repair newer",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3",
     .told = "newer, repaired: \"b\" is newer in the fallback than in the primary: somebody wrote it behind the "
             "migration's back",
     .left = "a10 b51=3 | a10 b50=3 | [a b]",
     .said = "2 checked, 2 same, 2 in scope, 1 differ, 1 repaired; OK"},
    {.name = "a kept one is newer, primary",
     .how = "two keep primary",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3",
     .told = "",
     .left = "a10 b20 | a10 b50=3 | [a b]",
     .said = "2 checked, 2 same, 2 in scope; OK"},
    {.name = "no migration",
     .how = "two norun",
     .p = "a10",
     .f = "a10 b20",
     .told = "left: \"a\" is in scope and still in the fallback; left: \"b\" is in scope and still in the fallback",
     .left = "a10 | a10 b20 | ",
     .said = "2 in scope, 2 differ; DIFFERENT: verification of \"default\" found 2 differences, 0 of them repaired"},
    {.name = "no migration, but kept",
     .how = "two norun keep",
     .p = "a10 b21",
     .f = "a10 b20",
     .told = "",
     .left = "a10 b21 | a10 b20 | ",
     .said = "2 in scope; OK"},
    {.name = "after the end",
     .how = "two clean",
     .p = "",
     .f = "a10 b20",
     .p_lost = "b",
     .told = "",
     .left = "a10 |  | ",
     .said = "; OK"},
    {.name = "left after the end",
     .how = "two clean repair",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3 c60",
     .told = "left: \"b\" is in scope and still in the fallback; left, repaired: \"c\" is in scope and still in the "
             "fallback",
     .left = "a10 b20 c60 | b50=3 | ",
     .said = "2 in scope, 2 differ, 1 repaired; DIFFERENT: verification of \"default\" found 2 differences, 1 of them "
             "repaired"},
    {.name = "the manifests cannot be read",
     .how = "two",
     .p = "",
     .f = "a10",
     .trouble = FAILS("P.scan(manifest", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 |  | [a]",
     .said = "77 checked; IO_ERROR: P.scan(manifest..<manifest) was made to fail"},
    {.name = "the primary cannot be read",
     .how = "two",
     .p = "",
     .f = "a10",
     .trouble = FAILS("P.scan(a", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 |  | [a]",
     .said = "77 checked; IO_ERROR: P.scan(a..a) was made to fail"},
    {.name = "the kept one's primary cannot be read",
     .how = "two keep",
     .p = "",
     .f = "a10",
     .trouble = FAILS("P.scan(a..a keys", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 | a10 | [a]",
     .said = "77 checked; IO_ERROR: P.scan(a..a keys) was made to fail"},
    {.name = "the fallback cannot be read",
     .how = "two",
     .p = "",
     .f = "a10",
     .trouble = FAILS("F.scan", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 |  | [a]",
     .said = "77 checked; IO_ERROR: F.scan(..< keys) was made to fail"},
    {.name = "stopped among manifests",
     .how = "two",
     .p = "",
     .f = "a10 b20 c30 d40",
     .trouble = MEET("P.scan(a", stop_the_run),
     .told = "",
     .left = "a10 b20 c30 d40 |  | [a b][c d]",
     .said = "77 checked; NOT_FINISHED: migration \"default\" was stopped; its place is kept, run it again"},
    {.name = "stopped in the fallback",
     .how = "two keep",
     .p = "",
     .f = "a10 b20 c30 d40",
     .trouble = MEET("F.scan", stop_the_run),
     .told = "",
     .left = "a10 b20 c30 d40 | a10 b20 c30 d40 | [a b][c d]",
     .said = "77 checked; NOT_FINISHED: migration \"default\" was stopped; its place is kept, run it again"},
    {.name = "nobody can be the runner",
     .how = "two repair",
     .p = "",
     .f = "a10",
     .trouble = FAILS("P.put(status", 1, 1, READ_ONLY),
     .told = "",
     .left = "a10 |  | [a]",
     .said = "77 checked; READ_ONLY: P.put(status) was made to fail"},
    {.name = "nobody can say that it is over",
     .how = "two repair",
     .p = "",
     .f = "a10",
     .trouble = FAILS("P.put(status", 2, 1, READ_ONLY),
     .told = "",
     .left = "a10 |  | [a]",
     .said = "77 checked; READ_ONLY: P.put(status) was made to fail"},
    {.name = "the status cannot be read",
     .how = "two",
     .p = "",
     .f = "a10",
     .trouble = FAILS("P.get(status", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 |  | [a]",
     .said = "77 checked; IO_ERROR: P.get(status) was made to fail"},
    {.name = "deleted under its CAS",
     .how = "one",
     .p = "",
     .f = "a10 b20",
     .p_later = "-b20",
     .told = "content: \"b\" has the CAS that it was moved with, but another content in the primary",
     .left = "a10 -b20 |  | [a b]",
     .said =
         "2 checked, 1 same, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
    {.name = "no migration, but kept, and not there",
     .how = "two norun keep",
     .p = "a10",
     .f = "a10 b20",
     .told = "missing: \"b\" was moved, and the primary has no record of it",
     .left = "a10 | a10 b20 | ",
     .said = "2 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
    {.name = "a kept one is newer after the end",
     .how = "two keep clean",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3",
     .told = "newer: \"b\" is newer in the fallback than in the primary: somebody wrote it behind the migration's back",
     .left = "a10 b20 | a10 b50=3 | ",
     .said = "2 in scope, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
    {.name = "a kept one is newer after the end, and repaired",
     .how = "two keep clean repair newer",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3",
     .told = "newer, repaired: \"b\" is newer in the fallback than in the primary: somebody wrote it behind the "
             "migration's back",
     .left = "a10 b51=3 | a10 b50=3 | ",
     .said = "2 in scope, 1 differ, 1 repaired; OK"},
    {.name = "what hides a left one is lost",
     .how = "one sealed",
     .p = "-b21",
     .f = "a10 b20 c30",
     .p_lost = "b",
     .told = "missing: \"b\" was moved, and the primary has no record of it",
     .left = "a10 c30 |  | [a b?][c]",
     .said =
         "3 checked, 2 same, 1 differ; DIFFERENT: verification of \"default\" found 1 differences, 0 of them repaired"},
};

static void a_verification_says_what_differs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const verify_case *c = &cases[i];
        sweep w;
        segue_verified v = {.checked = 77};
        char told[TEXT_SIZE] = "", left[TEXT_SIZE], part[TEXT_SIZE];
        open_run(&w, c);
        verify_later(&w, c);
        segue_status st = segue_migration_verify(w.m, strstr(c->how, "repair") ? SEGUE_VERIFY_REPAIR : 0, tell, told,
                                                 &v, &w.s.err);
        show_side(&w, P, left);
        show_side(&w, F, part);
        append(left, " | %s | ", part);
        show_manifests(&w, part);
        append(left, "%s", part);
        show_verified(&v, part);
        append(part, "; %s", segue_status_name(st));
        if (st != SEGUE_OK) append(part, ": %s", w.s.err.message);
        if (getenv("DUMP")) printf("@%s\n%s\n%s\n%s\n", c->name, told, left, part);
        else {
            text_is("what was told", c->name, told, c->told);
            text_is("what is left", c->name, left, c->left);
            text_is("what is said", c->name, part, c->said);
        }
        assert_null(w.m->verifying);
        segue_migration_status status = {0};
        if (segue_migration_status_read(w.s.plain[P], NULL, &status, NULL) == SEGUE_OK)
            assert_int_equal(status.is_running, st == SEGUE_READ_ONLY && w.seen > 1); /* that could not be written */
        segue_migration_status_free(&status);
        sweep_close(&w);
    }
}

/* ---- a cleaning that was cut ---- */

/* What only hid the fallback may be purged by then; nothing else may be lost, but what is deleted of a copy. */
static void a_cleaning_that_was_cut_has_purged_what_only_hid(void **state)
{
    (void)state;
    static const verify_case cut[] = {
        {.how = "one sealed",
         .p = "-b21",
         .f = "a10 b20 c30",
         .p_lost = "c",
         .told = "missing: \"c\" was moved, and the primary has no record of it"},
        {.how = "one sealed keep", .p = "", .f = "a10 b20 c30", .p_lost = "b", .told = ""},
    };
    for (size_t i = 0; i < 2; i++) {
        sweep w;
        char told[TEXT_SIZE] = "";
        segue_verified v = {0};
        open_run(&w, &cut[i]);
        sweep_trouble(&w, (trouble)FAILS("P.erase(manifest", 1 + (unsigned)i, 1, READ_ONLY));
        assert_int_equal(segue_migration_clean(w.m, &w.s.err), SEGUE_READ_ONLY);
        verify_later(&w, &cut[i]);
        segue_status st = segue_migration_verify(w.m, 0, tell, told, &v, &w.s.err);
        text_is("what was told", cut[i].how, told, cut[i].told);
        assert_int_equal(st, *told ? SEGUE_DIFFERENT : SEGUE_OK);
        sweep_close(&w);
    }
}

/* ---- what is read ---- */

typedef struct reading_case {
    verify_case scene;
    const char *calls;
    unsigned p_read;
} reading_case;

static void as_little_as_needed_is_read_in_order_of_key(void **state)
{
    (void)state;
    static const reading_case readings[] = {
        {{.how = "one wide", .p = "", .f = "a10 d30 f50", .p_later = "b60 c61 e62"},
         "P.get(status) P.scan(manifest..<manifest) P.scan(a..f) P.scan(d..f) P.scan(f..f) F.scan(..< keys)",
         1 + 3 + 2 + 1},
        {{.how = "one wide keep", .p = "", .f = "a10 d30 f50", .p_later = "b60 c61 e62"},
         "P.get(status) P.scan(manifest..<manifest) P.scan(a..f) P.scan(d..f) P.scan(f..f) F.scan(..< keys) "
         "P.scan(a..f keys) P.scan(d..f keys) P.scan(f..f keys)",
         1 + 3 + 2 + 1 + 3 + 2 + 1},
    };
    for (size_t i = 0; i < sizeof readings / sizeof readings[0]; i++) {
        sweep w;
        segue_verified v;
        open_run(&w, &readings[i].scene);
        verify_later(&w, &readings[i].scene);
        memset(w.n_read, 0, sizeof w.n_read);
        OK(&w.s, segue_migration_verify(w.m, 0, NULL, NULL, &v, &w.s.err));
        if (getenv("DUMP")) printf("%s %u\n", w.s.log, w.n_read[P]);
        text_is("what was asked", readings[i].scene.how, w.s.log, readings[i].calls);
        assert_int_equal(w.n_read[P], readings[i].p_read);
        sweep_close(&w);
    }
}

/* ---- what cannot be understood ---- */

static void put_manifest(sweep *w, segue_slice body, bool is_tombstone)
{
    char key[SEG_MANIFEST_KEY_SIZE];
    segue_call call = seg_call_new(w->s.plain[P], 0, &w->s.err);
    segue_put put = {.condition = SEGUE_IF_ANY};
    put.rec = (segue_record){.key = seg_manifest_key("default", 1, key), .body = body, .revision = 1};
    if (is_tombstone) put.rec.body = (segue_slice){NULL, 0}, put.rec.is_tombstone = true;
    OK(&w->s, seg_call_put(w->s.plain[P], &put, NULL, &call));
}

static void a_damaged_manifest_is_named(void **state)
{
    (void)state;
    static const struct {
        segue_slice body;
        bool is_tombstone;
    } damages[] = {
        {{"\x09\0\1a", 4}, false}, /* another version */
        {{"\1\0\1a", 4}, false},   /* cut */
        {{NULL, 0}, true},
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        sweep w = {0};
        segue_verified v = {.checked = 77};
        sweep_open(&w, TWO_ENGINES, "", "a10", "");
        put_manifest(&w, damages[i].body, damages[i].is_tombstone);
        assert_int_equal(segue_migration_verify(w.m, 0, NULL, NULL, &v, &w.s.err), SEGUE_CORRUPT);
        if (!strstr(w.s.err.message, "the manifest \"_segue:manifest:default:0000000000000001\" cannot be understood"))
            fail_msg("%s", w.s.err.message);
        assert_int_equal(v.checked, 77);
        sweep_close(&w);
    }
}

/* ---- another runner, and signs of life ---- */

static const segue_record *manifest_again;
static void rewrite_manifests(sweep *w)
{
    segue_call call = seg_call_new(w->s.plain[P], 0, &w->s.err);
    segue_put put = {.rec = *manifest_again, .condition = SEGUE_IF_ANY};
    OK(&w->s, seg_call_put(w->s.plain[P], &put, NULL, &call));
}

/* What a repair lets go of leaves its manifest under the condition that nobody has written it since. */
static void a_manifest_that_changed_meanwhile_is_not_overwritten(void **state)
{
    (void)state;
    sweep w;
    char told[TEXT_SIZE] = "";
    static const verify_case c = {.how = "one primary", .p = "", .f = "a10 b20", .p_lost = "b"};
    open_run(&w, &c);
    verify_later(&w, &c);
    segue_status st = segue_migration_verify(w.m, SEGUE_VERIFY_REPAIR, tell, told, NULL, &w.s.err);
    assert_int_equal(st, SEGUE_OK);
    show_manifests(&w, told);
    assert_string_equal(told, "[a]"); /* this is how it is undisturbed */
    sweep_close(&w);
    open_run(&w, &c);
    verify_later(&w, &c);
    char bounds[2 * SEG_MANIFEST_KEY_SIZE];
    segue_bounds all = seg_manifest_bounds("default", bounds);
    segue_call call = seg_call_new(w.s.plain[P], 0, &w.s.err);
    w.s.page.max_docs = 1;
    OK(&w.s, seg_call_scan(w.s.plain[P], &all, &w.s.page, &call));
    manifest_again = &w.s.page.docs[0].rec;
    sweep_trouble(&w, (trouble)MEET("P.put(manifest", rewrite_manifests));
    st = segue_migration_verify(w.m, SEGUE_VERIFY_REPAIR, NULL, NULL, NULL, &w.s.err);
    assert_int_equal(st, SEGUE_CAS_MISMATCH);
    sweep_close(&w);
}

static void a_second_passes(sweep *w)
{
    (void)w;
    sweep_slept_ns += INT64_C(1000000000);
}

static unsigned shown, shown_last;
static int64_t shown_elapsed_ns;
static void count_shows(void *ctx, const segue_progress *progress)
{
    (void)ctx;
    if (shown++ == 0) shown_elapsed_ns = progress->elapsed_ns;
    shown_last += progress->is_last;
    assert_int_equal(progress->stage, SEGUE_STAGE_VERIFYING);
}

static void a_slow_verification_shows_signs_of_life(void **state)
{
    (void)state;
    for (int repairs = 0; repairs < 2; repairs++) {
        sweep w;
        static const verify_case c = {.how = "one keep", .p = "", .f = "a10 b20 c30 d40 e50", .p_lost = "a"};
        open_run(&w, &c);
        w.options.progress = count_shows;
        shown = shown_last = 0;
        sweep_slept_ns = INT64_C(5000000000);
        verify_later(&w, &c);
        sweep_trouble(&w, (trouble){.at = "P.scan(", .nth = 1, .times = 99, .step = a_second_passes});
        segue_status st = segue_migration_verify(w.m, repairs ? SEGUE_VERIFY_REPAIR : 0, NULL, NULL, NULL, &w.s.err);
        assert_int_equal(st, repairs ? SEGUE_OK : SEGUE_DIFFERENT);
        assert_int_equal(shown_elapsed_ns, 0);
        assert_true(shown >= 6);
        assert_int_equal(shown_last, repairs);
        unsigned saves = 0;
        for (const char *at = w.s.log; (at = strstr(at, "P.put(status)")); at++) saves++;
        assert_true(repairs ? saves >= 5 : saves == 0);
        sweep_close(&w);
    }
}

/* ---- what it needs ---- */

static void it_needs_a_policy_and_the_old_store(void **state)
{
    (void)state;
    sweep w = {0};
    sweep_open(&w, TWO_ENGINES, "", "", "");
    segue_migration *m = NULL;
    segue_migration_options options = w.options;
    options.policy = NULL;
    OK(&w.s, segue_migration_open(w.s.sides[F], w.s.sides[P], &options, &m, &w.s.err));
    assert_int_equal(segue_migration_verify(m, 0, NULL, NULL, NULL, &w.s.err), SEGUE_INVALID_POLICY);
    assert_string_equal(w.s.err.message, "a verification needs a policy");
    segue_migration_close(m);
    OK(&w.s, segue_migration_open(NULL, w.s.sides[P], &w.options, &m, &w.s.err));
    assert_int_equal(segue_migration_verify(m, 0, NULL, NULL, NULL, &w.s.err), SEGUE_INVALID_ARGUMENT);
    assert_string_equal(w.s.err.message, "a verification needs the store that was moved from");
    segue_migration_close(m);
    assert_int_equal(w.s.n_calls, 0);
    sweep_close(&w);
}

static void each_kind_of_difference_has_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {"missing", "content", "left", "newer", "?", "?"};
    for (unsigned i = 0; i < 6; i++) assert_string_equal(segue_difference_name((segue_difference_kind)i), names[i]);
}

/* ---- no memory ---- */

static segue_status verify_poorly(void *ctx)
{
    const verify_case *c = ctx;
    sweep w = {.options = {.page_docs = 2, .keep = true, .on_foreign_write = SEGUE_FOREIGN_NEWER}};
    segue_status st = sweep_try_open(&w, TWO_ENGINES, "");
    if (st == SEGUE_OK) st = scene_try_put(&w.s, P, c->p);
    if (st == SEGUE_OK) st = scene_try_put(&w.s, F, c->f);
    if (st == SEGUE_OK) st = sweep_try_begin(&w);
    if (st == SEGUE_OK) st = segue_migration_verify(w.m, 0, NULL, NULL, NULL, &w.s.err);
    if (st == SEGUE_DIFFERENT) st = SEGUE_OK;
    if (st == SEGUE_NO_MEMORY && w.m && !w.s.err.message[0]) fail_msg("no sentence");
    sweep_close(&w);
    return st;
}

static void without_memory_it_says_so_and_leaks_nothing(void **state)
{
    (void)state;
    static verify_case poor[] = {{.p = "b15 c16", .f = "a10 b20 c30"}};
    fail_each_allocation(verify_poorly, &poor[0]);
}

int main(void)
{
    sweep_install();
    seg_sched_set(go_on);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verification_says_what_differs),
        cmocka_unit_test(a_cleaning_that_was_cut_has_purged_what_only_hid),
        cmocka_unit_test(as_little_as_needed_is_read_in_order_of_key),
        cmocka_unit_test(a_damaged_manifest_is_named),
        cmocka_unit_test(a_manifest_that_changed_meanwhile_is_not_overwritten),
        cmocka_unit_test(a_slow_verification_shows_signs_of_life),
        cmocka_unit_test(it_needs_a_policy_and_the_old_store),
        cmocka_unit_test(each_kind_of_difference_has_a_name),
        cmocka_unit_test(without_memory_it_says_so_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
