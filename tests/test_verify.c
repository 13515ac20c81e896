/* Verification: what is told of a copy that differs, what a repair makes of it, what is counted, what is read for it, and what
 * stops it. All on one thread. */
#include "verify_scene.h"

static void show_verified(const segue_verified *v, char out[TEXT_SIZE])
{
    const uint64_t n[] = {v->checked, v->same, v->changed, v->deleted, v->in_scope, v->differences, v->repaired};
    static const char *const names[] = {"checked", "same", "changed", "deleted", "in scope", "differ", "repaired"};
    out[0] = 0;
    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++)
        if (n[i]) append(out, "%s%llu %s", out[0] ? ", " : "", (unsigned long long)n[i], names[i]);
}

static void stop_the_run(sweep *w) { segue_migration_cancel(w->m); }

static void client_loses_b(sweep *w) { erase_plainly(w, P, "b"); }
static void a_second_passes_and_it_fails(sweep *w)
{
    sweep_slept_ns += INT64_C(1000000000);
    w->trouble = (trouble)FAILS("P.put(status", 1, 1, READ_ONLY);
    w->seen = 0;
}

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
    {.name = "lost, and the repair fails",
     .how = "two repair",
     .p = "",
     .f = "a10 b20",
     .p_lost = "b",
     .trouble = FAILS("F.get(b", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 |  | [a b]",
     .said = "77 checked; IO_ERROR: F.get(b) was made to fail"},
    {.name = "a kept one is lost, and the copy fails",
     .how = "two keep repair",
     .p = "",
     .f = "a10 b20",
     .p_lost = "b",
     .trouble = FAILS("P.write", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 | a10 b20 | [a b][b]",
     .said = "77 checked; IO_ERROR: P.write(+manifest +b) was made to fail"},
    {.name = "a kept one is lost, and repaired, newer",
     .how = "two keep repair newer",
     .p = "",
     .f = "a10 b20",
     .p_lost = "b",
     .told = "missing, repaired: \"b\" was moved, and the primary has no record of it",
     .left = "a10 b20 | a10 b20 | [a b][b]",
     .said = "2 checked, 1 same, 2 in scope, 1 differ, 1 repaired; OK"},
    {.name = "damaged, and the repair fails",
     .how = "two keep repair",
     .p = "",
     .f = "a10 b20",
     .p_later = "b20=2",
     .trouble = FAILS("P.put(b", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 b20=2 | a10 b20 | [a b]",
     .said = "77 checked; IO_ERROR: P.put(b) was made to fail"},
    {.name = "newer, and the repair fails",
     .how = "two keep repair newer",
     .p = "",
     .f = "a10 b20",
     .f_later = "b50=3",
     .trouble = FAILS("P.put(b", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 b20 | a10 b50=3 | [a b]",
     .said = "77 checked; IO_ERROR: P.put(b) was made to fail"},
    {.name = "no migration, and the repair fails",
     .how = "two norun keep repair",
     .p = "a10",
     .f = "a10 b20",
     .trouble = FAILS("F.get(b", 1, 1, IO_ERROR),
     .told = "",
     .left = "a10 | a10 b20 | ",
     .said = "77 checked; IO_ERROR: F.get(b) was made to fail"},
    {.name = "taken over before by an equal one",
     .how = "own",
     .p = "b21",
     .f = "a10 b20",
     .told = "",
     .left = "a26 b21 |  | [a b!]",
     .said = "2 checked, 1 same, 1 changed; OK"},
    {.name = "lost again behind a repair",
     .how = "one keep repair",
     .p = "",
     .f = "a10 b20 c30 d40 e50",
     .p_lost = "b",
     .trouble = MEET("P.scan(b..b)", client_loses_b),
     .told = "missing, repaired: \"b\" was moved, and the primary has no record of it",
     .left = "a10 b20 c30 d40 e50 | a10 b20 c30 d40 e50 | [a b][c d][e][b][b]",
     .said = "6 checked, 4 same, 5 in scope, 1 differ, 1 repaired; OK"},
    {.name = "the sign of life cannot be written",
     .how = "two keep repair",
     .p = "",
     .f = "a10 b20",
     .trouble = MEET("F.scan(", a_second_passes_and_it_fails),
     .told = "",
     .left = "a10 b20 | a10 b20 | [a b]",
     .said = "77 checked; READ_ONLY: P.put(status) was made to fail"},
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
        text_is("what was told", c->name, told, c->told);
        text_is("what is left", c->name, left, c->left);
        text_is("what is said", c->name, part, c->said);
        assert_null(w.m->verifying);
        if (c->trouble.step == stop_the_run && !strstr(c->how, "keep"))
            assert_null(strstr(w.s.log, "P.scan(c")); /* at once, not at the end of a page */
        segue_migration_status status = {0};
        if (segue_migration_status_read(w.s.plain[P], NULL, &status, NULL) == SEGUE_OK)
            assert_int_equal(status.is_running, c->trouble.nth == 2); /* that could not be written */
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

int main(void)
{
    sweep_install();
    seg_sched_set(go_on);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verification_says_what_differs),
        cmocka_unit_test(a_cleaning_that_was_cut_has_purged_what_only_hid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
