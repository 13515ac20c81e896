/* One page of the sweep: what is asked of which side for it, what it leaves there, what it remembers, and what it says of it;
 * alone, and with somebody who is faster. */
#include "sweep_scene.h"

static void outsider_drops_h(sweep *w) { put(&w->s, F, "h90=3"); }

static void rival_moves_b_while_c_goes(sweep *w)
{
    rival_moves_b(w);
    erase_plainly(w, F, "c");
}

static const page_case cases[] = {
    {"nothing", "one", "", "", {0}, "", " |  | ", "; 0 of work, 0 settled"},
    {"one engine, few",
     "one",
     "b21",
     "a10 b20 -c30",
     {0},
     TRY_ABC,
     "a10 b21 -c30 |  | [a b! c]",
     "3 scanned, 2 moved, 3 bytes, 1 already; 3 of work, 3 settled"},
    {"one engine, as many as are looked up one by one",
     "one",
     "c41 -d42",
     "a10 b20 c30 d40",
     {0},
     "P.get(a) P.get(b) P.get(c) P.get(d) P.put(manifest) F.move(a b c d)",
     "a10 b20 c41 -d42 |  | [a b c! d?]",
     "4 scanned, 2 moved, 4 bytes, 2 already, 1 hidden; 4 of work, 4 settled"},
    {"one engine, many",
     "one",
     "b21=2 -c31 e51 z99",
     "a10 b20 c30 d40 -e50 f60",
     {0},
     "P.scan(a..f keys) P.put(manifest) F.move(a b c d e f)",
     "a10 b21=2 -c31 d40 e51 f60 z99 |  | [a b! c? d e! f]",
     "6 scanned, 3 moved, 6 bytes, 3 already, 1 hidden; 6 of work, 6 settled"},
    {"one engine, copied by an earlier attempt",
     "one",
     "b20",
     "a10 b20",
     {0},
     TRY_AB,
     "a10 b20 |  | [a b]",
     "2 scanned, 2 moved, 4 bytes; 2 of work, 2 settled"},
    {"one engine, by rule",
     "one",
     "",
     "a10 h20 i25 l40 n50=7 z60",
     {0},
     "F.get(n) P.put(manifest) F.put(n) F.get(n) P.get(n) P.put(n) F.erase(n) P.get(a) P.put(manifest) "
     "F.move(a) F.write(-h -i)",
     "a10 n50=7 | l40 z60 | [n][a]",
     "6 scanned, 1 moved, 2 bytes, 2 dropped, 1 left, 1 counters; 2 of work, 4 settled"},
    {"one engine, the last too",
     "one tail",
     "",
     "a10 h20 z60",
     {0},
     "P.get(a) P.get(z) P.put(manifest) F.move(a z) F.write(-h)",
     "a10 z60 |  | [a z]",
     "3 scanned, 2 moved, 4 bytes, 1 dropped; 2 of work, 3 settled"},
    {"one engine, copies",
     "one keep",
     "b21",
     "a10 b20 h30 -c40",
     {0},
     "P.get(a) P.get(b) P.get(c) P.put(manifest) F.move(a c)",
     "a10 b21 -c40 | a10 b20 -c40 h30 | [a c]",
     "4 scanned, 2 moved, 3 bytes; 2 of work, 2 settled"},
    {"two engines, few",
     "two",
     "b21",
     "a10 b20 -c30",
     {0},
     TRY_ABC " F.get(c) P.write(+manifest +a +c) F.write(-a -b -c)",
     "a10 b21 -c30 |  | [a b! c]",
     "3 scanned, 2 moved, 3 bytes, 1 already; 3 of work, 3 settled"},
    {"two engines, as many as are looked up one by one",
     "two",
     "c41 -d42",
     "a10 b20 c30 d40",
     {0},
     "P.get(a) P.get(b) P.get(c) P.get(d) P.put(manifest) F.move(a b c d) P.write(+manifest +a +b) F.write(-a "
     "-b -c -d)",
     "a10 b20 c41 -d42 |  | [a b c! d?]",
     "4 scanned, 2 moved, 4 bytes, 2 already, 1 hidden; 4 of work, 4 settled"},
    {"two engines, many",
     "two",
     "b21=2 -c31 e51 z99",
     "a10 b20 c30 d40 -e50 f60",
     {0},
     "P.scan(a..f keys) P.put(manifest) F.move(a b c d e f) P.write(+manifest +a +d +f) F.write(-a -b -c -d -e "
     "-f)",
     "a10 b21=2 -c31 d40 e51 f60 z99 |  | [a b! c? d e! f]",
     "6 scanned, 3 moved, 6 bytes, 3 already, 1 hidden; 6 of work, 6 settled"},
    {"two engines, copied by an earlier attempt",
     "two",
     "b20",
     "a10 b20",
     {0},
     TRY_AB " P.write(+manifest +a) F.write(-a -b)",
     "a10 b20 |  | [a b]",
     "2 scanned, 2 moved, 4 bytes; 2 of work, 2 settled"},
    {"two engines, by rule",
     "two",
     "",
     "a10 h20 i25 l40 n50=7 z60",
     {0},
     "F.get(n) P.put(manifest) F.put(n) F.get(n) P.get(n) P.put(n) F.erase(n) P.get(a) P.put(manifest) "
     "F.move(a) P.write(+manifest +a) F.write(-a) F.write(-h -i)",
     "a10 n50=7 | l40 z60 | [n][a]",
     "6 scanned, 1 moved, 2 bytes, 2 dropped, 1 left, 1 counters; 2 of work, 4 settled"},
    {"two engines, the last too",
     "two tail",
     "",
     "a10 h20 z60",
     {0},
     "P.get(a) P.get(z) P.put(manifest) F.move(a z) P.write(+manifest +a +z) F.write(-a -z) F.write(-h)",
     "a10 z60 |  | [a z]",
     "3 scanned, 2 moved, 4 bytes, 1 dropped; 2 of work, 3 settled"},
    {"two engines, copies",
     "two keep",
     "b21",
     "a10 b20 h30 -c40",
     {0},
     "P.get(a) P.get(b) P.get(c) P.put(manifest) F.move(a c) F.get(c) P.write(+manifest +a +c)",
     "a10 b21 -c40 | a10 b20 -c40 h30 | [a c]",
     "4 scanned, 2 moved, 3 bytes; 2 of work, 2 settled"},
    {"CAS of its own, few",
     "own",
     "b21",
     "a10 b20 -c30",
     {0},
     "P.get(a) P.get(b) P.get(c) F.get(c) P.write(+manifest +a +c) F.write(-a -b -c)",
     "a23 b21 -c31 |  | [a b! c]",
     "3 scanned, 2 moved, 3 bytes, 1 already; 3 of work, 3 settled"},
    {"CAS of its own, as many as are looked up one by one",
     "own",
     "c41 -d42",
     "a10 b20 c30 d40",
     {0},
     "P.get(a) P.get(b) P.get(c) P.get(d) P.write(+manifest +a +b) F.write(-a -b -c -d)",
     "a44 b45 c41 -d42 |  | [a b c! d?]",
     "4 scanned, 2 moved, 4 bytes, 2 already, 1 hidden; 4 of work, 4 settled"},
    {"CAS of its own, many",
     "own",
     "b21=2 -c31 e51 z99",
     "a10 b20 c30 d40 -e50 f60",
     {0},
     "P.scan(a..f keys) P.write(+manifest +a +d +f) F.write(-a -b -c -d -e -f)",
     "a101 b21=2 -c31 d102 e51 f103 z99 |  | [a b! c? d e! f]",
     "6 scanned, 3 moved, 6 bytes, 3 already, 1 hidden; 6 of work, 6 settled"},
    {"CAS of its own, copied by an earlier attempt",
     "own",
     "b20",
     "a10 b20",
     {0},
     "P.get(a) P.get(b) P.write(+manifest +a) F.write(-a -b)",
     "a22 b20 |  | [a b]",
     "2 scanned, 2 moved, 4 bytes; 2 of work, 2 settled"},
    {"CAS of its own, by rule",
     "own",
     "",
     "a10 h20 i25 l40 n50=7 z60",
     {0},
     "F.get(n) P.put(manifest) F.put(n) F.get(n) P.get(n) P.put(n) F.erase(n) P.get(a) P.write(+manifest +a) "
     "F.write(-a) F.write(-h -i)",
     "a64 n62=7 | l40 z60 | [n][a]",
     "6 scanned, 1 moved, 2 bytes, 2 dropped, 1 left, 1 counters; 2 of work, 4 settled"},
    {"CAS of its own, the last too",
     "own tail",
     "",
     "a10 h20 z60",
     {0},
     "P.get(a) P.get(z) P.write(+manifest +a +z) F.write(-a -z) F.write(-h)",
     "a11 z61 |  | [a z]",
     "3 scanned, 2 moved, 4 bytes, 1 dropped; 2 of work, 3 settled"},
    {"CAS of its own, copies",
     "own keep",
     "b21",
     "a10 b20 h30 -c40",
     {0},
     "P.get(a) P.get(b) P.get(c) F.get(c) P.write(+manifest +a +c)",
     "a23 b21 -c41 | a10 b20 -c40 h30 | [a c]",
     "4 scanned, 2 moved, 3 bytes; 2 of work, 2 settled"},
    {"what must not be there",
     "one",
     "",
     "a10 h20 n50=7 s30",
     {0},
     "",
     " | a10 h20 n50=7 s30 | ",
     "4 scanned; 0 of work, 0 settled; REFUSED: \"s\" must not be there (rule \"never\")"},
    {"what must not be there, behind others",
     "two",
     "",
     "a10 b20 s30 z40",
     {0},
     "",
     " | a10 b20 s30 z40 | ",
     "4 scanned; 0 of work, 0 settled; REFUSED: \"s\" must not be there (rule \"never\")"},
    {"one engine, newer in the fallback, stop",
     "one stop",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) P.put(manifest) F.move(a)",
     "a10 b20 | b50=3 | [a]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 2 of work, 1 settled; foreign b"},
    {"one engine, newer in the fallback and kept, stop",
     "one keep stop",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) P.put(manifest) F.move(a)",
     "a10 b20 | a10 b50=3 | [a]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 2 of work, 1 settled; foreign b"},
    {"one engine, written meanwhile, stop", "one stop", "", "a10 b20", MEET("P.get(b", outsider_has_b),
     TRY_AB " F.get(b)", "a10 | b90=3 | [a b]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 3 of work, 1 settled; foreign b"},
    {"one engine, deleted meanwhile, stop", "one stop", "", "a10 b20", MEET("P.get(b", outsider_deletes_b),
     TRY_AB " F.get(b)", "a10 | -b90 | [a b]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 3 of work, 1 settled; foreign b"},
    {"one engine, newer in the fallback, newer",
     "one newer",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) F.get(b) P.get(b) P.put(b) F.erase(b) P.put(manifest) F.move(a)",
     "a10 b51=3 |  | [a]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 2 of work, 2 settled"},
    {"one engine, newer in the fallback and kept, newer",
     "one keep newer",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) F.get(b) P.get(b) P.put(b) P.put(manifest) F.move(a)",
     "a10 b51=3 | a10 b50=3 | [a]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 2 of work, 1 settled"},
    {"one engine, written meanwhile, newer", "one newer", "", "a10 b20", MEET("P.get(b", outsider_has_b),
     TRY_AB " F.get(b) F.get(b) P.get(b) F.get(b) P.get(b) P.put(manifest) F.move(b)", "a10 b90=3 |  | [a b][b]",
     "2 scanned, 2 moved, 4 bytes, 1 foreign; 4 of work, 2 settled"},
    {"one engine, deleted meanwhile, newer", "one newer", "", "a10 b20", MEET("P.get(b", outsider_deletes_b),
     TRY_AB " F.get(b) F.get(b) P.get(b) F.get(b) P.get(b) P.put(manifest) F.move(b)", "a10 -b90 |  | [a b][b]",
     "2 scanned, 2 moved, 3 bytes, 1 foreign; 4 of work, 2 settled"},
    {"one engine, newer in the fallback, primary",
     "one primary",
     "b20",
     "a10 b50=3",
     {0},
     TRY_AB,
     "a10 b20 |  | [a b!]",
     "2 scanned, 1 moved, 2 bytes, 1 already, 1 foreign; 3 of work, 2 settled"},
    {"one engine, newer in the fallback and kept, primary",
     "one keep primary",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) P.put(manifest) F.move(a)",
     "a10 b20 | a10 b50=3 | [a]",
     "2 scanned, 1 moved, 2 bytes; 1 of work, 1 settled"},
    {"one engine, written meanwhile, primary", "one primary", "", "a10 b20", MEET("P.get(b", outsider_has_b),
     TRY_AB " F.get(b) F.get(b) P.get(b) F.get(b) P.get(b) P.put(manifest) F.move(b)", "a10 b90=3 |  | [a b][b]",
     "2 scanned, 2 moved, 4 bytes, 1 foreign; 4 of work, 2 settled"},
    {"one engine, deleted meanwhile, primary", "one primary", "", "a10 b20", MEET("P.get(b", outsider_deletes_b),
     TRY_AB " F.get(b) F.get(b) P.get(b) F.get(b) P.get(b) P.put(manifest) F.move(b)", "a10 -b90 |  | [a b][b]",
     "2 scanned, 2 moved, 3 bytes, 1 foreign; 4 of work, 2 settled"},
    {"one engine, erased outright meanwhile", "one", "", "a10 b20 c30", MEET("P.get(b", outsider_erases_b),
     TRY_ABC " P.get(b) P.put(manifest)", "a10 c30 |  | [a c]",
     "3 scanned, 2 moved, 4 bytes, 1 foreign; 3 of work, 2 settled"},
    {"one engine, moved by a rival meanwhile", "one", "", "a10 b20 c30", MEET("P.get(b", rival_moves_b), TRY_ABC,
     "a10 b20 c30 |  | [a b c]", "3 scanned, 3 moved, 6 bytes; 3 of work, 3 settled"},
    {"one engine, taken over meanwhile", "one", "", "a10 b20 c30", MEET("P.get(b", client_has_b), TRY_ABC,
     "a10 b90=2 c30 |  | [a b! c]", "3 scanned, 2 moved, 4 bytes, 1 already; 3 of work, 3 settled"},
    {"one engine, deleted by a client meanwhile", "one", "", "a10 b20 c30", MEET("P.get(b", client_deletes_b), TRY_ABC,
     "a10 -b90 c30 |  | [a b? c]", "3 scanned, 2 moved, 4 bytes, 1 already, 1 hidden; 3 of work, 3 settled"},
    {"two engines, newer in the fallback, stop",
     "two stop",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) P.put(manifest) F.move(a) P.write(+manifest +a) F.write(-a)",
     "a10 b20 | b50=3 | [a]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 2 of work, 1 settled; foreign b"},
    {"two engines, newer in the fallback and kept, stop",
     "two keep stop",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) P.put(manifest) F.move(a) P.write(+manifest +a)",
     "a10 b20 | a10 b50=3 | [a]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 2 of work, 1 settled; foreign b"},
    {"two engines, written meanwhile, stop", "two stop", "", "a10 b20", MEET("P.get(b", outsider_has_b),
     TRY_AB " P.write(+manifest +a +b) F.write(-a -b) F.get(b)", "a10 b20 | b90=3 | [a b]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 3 of work, 1 settled; foreign b"},
    {"two engines, deleted meanwhile, stop", "two stop", "", "a10 b20", MEET("P.get(b", outsider_deletes_b),
     TRY_AB " P.write(+manifest +a +b) F.write(-a -b) F.get(b)", "a10 b20 | -b90 | [a b]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 3 of work, 1 settled; foreign b"},
    {"two engines, newer in the fallback, newer",
     "two newer",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) F.get(b) P.get(b) P.put(b) F.erase(b) P.put(manifest) F.move(a) P.write(+manifest +a) "
     "F.write(-a)",
     "a10 b51=3 |  | [a]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 2 of work, 2 settled"},
    {"two engines, newer in the fallback and kept, newer",
     "two keep newer",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) F.get(b) P.get(b) P.put(b) P.put(manifest) F.move(a) P.write(+manifest +a)",
     "a10 b51=3 | a10 b50=3 | [a]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 2 of work, 1 settled"},
    {"two engines, written meanwhile, newer", "two newer", "", "a10 b20", MEET("P.get(b", outsider_has_b),
     TRY_AB " P.write(+manifest +a +b) F.write(-a -b) F.get(b) F.get(b) P.get(b) P.put(b) F.erase(b)",
     "a10 b91=3 |  | [a b]", "2 scanned, 1 moved, 2 bytes, 1 foreign; 3 of work, 2 settled"},
    {"two engines, deleted meanwhile, newer", "two newer", "", "a10 b20", MEET("P.get(b", outsider_deletes_b),
     TRY_AB " P.write(+manifest +a +b) F.write(-a -b) F.get(b) F.get(b) P.get(b) P.put(b) F.erase(b)",
     "a10 -b91 |  | [a b]", "2 scanned, 1 moved, 2 bytes, 1 foreign; 3 of work, 2 settled"},
    {"two engines, newer in the fallback, primary",
     "two primary",
     "b20",
     "a10 b50=3",
     {0},
     TRY_AB " P.write(+manifest +a) F.write(-a -b)",
     "a10 b20 |  | [a b!]",
     "2 scanned, 1 moved, 2 bytes, 1 already, 1 foreign; 3 of work, 2 settled"},
    {"two engines, newer in the fallback and kept, primary",
     "two keep primary",
     "b20",
     "a10 b50=3",
     {0},
     "P.get(a) P.get(b) P.put(manifest) F.move(a) P.write(+manifest +a)",
     "a10 b20 | a10 b50=3 | [a]",
     "2 scanned, 1 moved, 2 bytes; 1 of work, 1 settled"},
    {"two engines, written meanwhile, primary", "two primary", "", "a10 b20", MEET("P.get(b", outsider_has_b),
     TRY_AB " P.write(+manifest +a +b) F.write(-a -b) F.get(b) F.get(b) P.get(b) F.erase(b)", "a10 b20 |  | [a b]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 3 of work, 2 settled"},
    {"two engines, deleted meanwhile, primary", "two primary", "", "a10 b20", MEET("P.get(b", outsider_deletes_b),
     TRY_AB " P.write(+manifest +a +b) F.write(-a -b) F.get(b) F.get(b) P.get(b) F.erase(b)", "a10 b20 |  | [a b]",
     "2 scanned, 1 moved, 2 bytes, 1 foreign; 3 of work, 2 settled"},
    {"two engines, erased outright meanwhile", "two", "", "a10 b20 c30", MEET("P.get(b", outsider_erases_b),
     TRY_ABC " P.write(+manifest +a +b +c) F.write(-a -b -c)", "a10 b20 c30 |  | [a b c]",
     "3 scanned, 3 moved, 6 bytes; 3 of work, 3 settled"},
    {"two engines, moved by a rival meanwhile", "two", "", "a10 b20 c30", MEET("P.get(b", rival_moves_b),
     TRY_ABC " P.write(+manifest +a +c) F.write(-a -b -c)", "a10 b20 c30 |  | [a b c]",
     "3 scanned, 3 moved, 6 bytes; 3 of work, 3 settled"},
    {"two engines, taken over meanwhile", "two", "", "a10 b20 c30", MEET("P.get(b", client_has_b),
     TRY_ABC " P.write(+manifest +a +c) F.write(-a -b -c)", "a10 b90=2 c30 |  | [a b! c]",
     "3 scanned, 2 moved, 4 bytes, 1 already; 3 of work, 3 settled"},
    {"two engines, deleted by a client meanwhile", "two", "", "a10 b20 c30", MEET("P.get(b", client_deletes_b),
     TRY_ABC " P.write(+manifest +a +c) F.write(-a -b -c)", "a10 -b90 c30 |  | [a b? c]",
     "3 scanned, 2 moved, 4 bytes, 1 already, 1 hidden; 3 of work, 3 settled"},
    {"moved by a rival at the last moment", "one", "", "a10 b20 c30", MEET("F.move", rival_moves_b),
     TRY_ABC " P.get(b)", "a10 b20 c30 |  | [a b c]", "3 scanned, 2 moved, 4 bytes; 3 of work, 2 settled"},
    {"written at the last moment", "one", "", "a10 b20 c30", MEET("F.move", outsider_has_b), TRY_ABC " F.get(b)",
     "a10 c30 | b90=3 | [a b c]", "3 scanned, 2 moved, 4 bytes, 1 foreign; 4 of work, 2 settled; foreign b"},
    {"taken over before it is copied", "two", "", "a10 b20 c30", MEET("P.write", client_has_b),
     TRY_ABC " P.write(+manifest +a +b +c) F.write(-a -b -c)", "a10 b90=2 c30 |  | [a b c]",
     "3 scanned, 2 moved, 4 bytes, 1 already; 3 of work, 3 settled"},
    {"written after it was copied", "two newer", "", "a10 b20 c30", MEET("F.write", outsider_has_b),
     TRY_ABC " P.write(+manifest +a +b +c) F.write(-a -b -c) F.get(b) F.get(b) P.get(b) P.put(b) F.erase(b)",
     "a10 b91=3 c30 |  | [a b c]", "3 scanned, 2 moved, 4 bytes, 1 foreign; 4 of work, 3 settled"},
    {"held back beside another that is there",
     "two",
     "b20 c61",
     "a10 b50=3 c60",
     {0},
     "P.get(a) P.get(b) P.get(c) P.put(manifest) F.move(a c) P.write(+manifest +a) F.write(-a -c)",
     "a10 b20 c61 | b50=3 | [a c!]",
     "3 scanned, 1 moved, 2 bytes, 1 already, 1 foreign; 3 of work, 2 settled; foreign b"},
    {"many, and many others there",
     "one moves",
     "b21 c5 e6 g7 h61 i8 j71 k9 -a11",
     "a10 b20 d40 f50 h60 j70",
     {0},
     "P.scan(a..j keys) P.scan(>h..j keys) P.put(manifest) F.move(a b d f h j)",
     "-a11 b21 c5 d40 e6 f50 g7 h61 i8 j71 k9 |  | [a? b! d f h! j!]",
     "6 scanned, 2 moved, 4 bytes, 4 already, 1 hidden; 6 of work, 6 settled"},
    {"many, and very many others there",
     "one moves",
     "f1 g2 h3 i4 j5 k6 l7 m8 n9 o11 p12 q13 r14 z61",
     "a10 b20 c30 d40 e50 z60",
     {0},
     "P.scan(a..z keys) P.scan(>k..z keys) P.scan(>q..z keys) P.put(manifest) F.move(a b c d e z)",
     "a10 b20 c30 d40 e50 f1 g2 h3 i4 j5 k6 l7 m8 n9 o11 p12 q13 r14 z61 |  | [a b c d e z!]",
     "6 scanned, 5 moved, 10 bytes, 1 already; 6 of work, 6 settled"},
    {"many, and the last is there",
     "two moves",
     "j71 k72",
     "a10 b20 d40 f50 h60 j70",
     {0},
     "P.scan(a..j keys) P.put(manifest) F.move(a b d f h j) P.write(+manifest +a +b +d +f +h) F.write(-a -b -d "
     "-f -h -j)",
     "a10 b20 d40 f50 h60 j71 k72 |  | [a b d f h j!]",
     "6 scanned, 5 moved, 10 bytes, 1 already; 6 of work, 6 settled"},
    {"two that are newer",
     "one newer",
     "a20 b30",
     "a50=3 b60=3 c70",
     {0},
     "P.get(a) P.get(b) P.get(c) F.get(a) P.get(a) P.put(a) F.erase(a) F.get(b) P.get(b) P.put(b) F.erase(b) "
     "P.put(manifest) F.move(c)",
     "a71=3 b72=3 c70 |  | [c]",
     "3 scanned, 1 moved, 2 bytes, 2 foreign; 3 of work, 3 settled"},
    {"moved by a rival, and the next one erased outright", "one", "", "a10 b20 c30",
     MEET("F.move", rival_moves_b_while_c_goes), TRY_ABC " P.get(b) P.get(c) P.put(manifest)", "a10 b20 |  | [a b]",
     "3 scanned, 1 moved, 2 bytes, 1 foreign; 3 of work, 1 settled"},
    {"a drop that was written again", "one", "", "a10 h20 i30", MEET("F.write(-h", outsider_drops_h),
     "P.get(a) P.put(manifest) F.move(a) F.write(-h -i)", "a10 | h90=3 | [a]",
     "3 scanned, 1 moved, 2 bytes, 1 dropped; 1 of work, 2 settled"},
};

static void a_page_goes_as_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) play_page(&cases[i]);
}

/* ---- what has expired ---- */

enum { LONG_AGO = 50, NOW = 100 };

typedef struct expired_case {
    const char *name;
    uint32_t flags;
    uint64_t became; /* not 0: it is stored so when the sweep comes back for it */
    bool is_dead, is_gone;
    segue_status fails;
    segue_status st;
    const char *stored; /* in the primary */
} expired_case;

static const expired_case *played;

static void store_again(sweep *w)
{
    segue_record rec = {.key = K("b"), .body = K("2"), .cas = played->became, .revision = 9, .is_json = true};
    rec.expiry = LONG_AGO;
    if (played->is_dead) rec = (segue_record){.key = K("b"), .cas = 20, .revision = 9, .is_tombstone = true};
    if (played->is_gone) erase_plainly(w, F, "b");
    else if (played->became || played->is_dead)
        OK(&w->s, segue_put_record(w->s.plain[F], &rec, SEGUE_PUT_REPLACE, NULL, NULL, NULL));
}

static const expired_case expired_cases[] = {
    {.name = "as it is stored", .stored = "live 20"},
    {.name = "with flags that the primary cannot keep", .flags = 7, .stored = "dead 20"},
    {.name = "changed meanwhile", .became = 30, .stored = "dead 20"},
    {.name = "reaped meanwhile", .is_dead = true, .stored = "dead 20"},
    {.name = "gone meanwhile", .is_gone = true, .stored = "dead 20"},
    {.name = "not to be read", .fails = SEGUE_IO_ERROR, .st = SEGUE_IO_ERROR, .stored = "none"},
};

/* Moved as it is stored, so that whoever reaps it in the primary gives the tombstone a CAS that feeds are not past. Where that
 * cannot be, as the tombstone that it reads as. */
static void what_has_expired_comes_as_it_is_stored(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof expired_cases / sizeof expired_cases[0]; i++) {
        const expired_case *c = &expired_cases[i];
        sweep w = {0};
        char got[TEXT_SIZE] = "none";
        segue_doc doc = {0};
        segue_record rec = {
            .key = K("b"), .body = K("1"), .cas = 20, .revision = 4, .is_json = true, .expiry = LONG_AGO};
        played = c;
        rec.flags = c->flags;
        sweep_open(&w, TWO_ENGINES, "-flags", "", "a10");
        OK(&w.s, segue_put_record(w.s.plain[F], &rec, 0, NULL, NULL, NULL));
        sweep_now_s = NOW;
        sweep_trouble(
            &w,
            (trouble){.at = "F.get(b", .nth = 1, .times = c->fails ? 99 : 1, .status = c->fails, .step = store_again});
        sweep_page(&w, false);
        segue_call call = seg_call_new(w.s.plain[P], 0, &w.s.err);
        segue_status st = seg_call_get_stored(w.s.plain[P], K("b"), &doc, &call);
        if (st == SEGUE_OK)
            (void)snprintf(got, sizeof got, "%s %llu", doc.rec.is_tombstone ? "dead" : "live",
                           (unsigned long long)doc.rec.cas); /* fits */
        text_is("what is stored", c->name, got, c->stored);
        assert_int_equal(w.swept.why, c->st);
        if (st == SEGUE_OK && !doc.rec.is_tombstone)
            assert_true(doc.rec.revision == 4 && doc.rec.expiry == LONG_AGO && segue_slice_equal(doc.rec.body, K("1")));
        segue_doc_free(&doc);
        sweep_close(&w);
    }
}

/* ---- what is too big ---- */

/* Another program need not keep the limits of keys (B9): its record stays where it is, and is named. */
static void a_key_that_is_too_long_is_held_back_and_named(void **state)
{
    (void)state;
    char key[SEGUE_KEY_MAX + 1], sides[TEXT_SIZE];
    segue_error err = {0};
    sweep w = {0};
    memset(key, 'k', sizeof key);
    sweep_open(&w, ONE_ENGINE, "", "", "a10");
    segue_record big = {.key = segue_bytes(key, sizeof key), .body = K("1"), .cas = 5, .revision = 1, .is_json = true};
    segue_record small = {.key = K("a"), .body = K("1"), .cas = 10, .revision = 1, .is_json = true};
    const segue_record *recs[] = {&small, &big};
    segue_call call = seg_call_new(w.s.sides[P], 0, &err);
    assert_int_equal(seg_sweep_records(w.m, recs, 2, 1, &w.swept, &call), SEGUE_OK);
    show_side(&w, P, sides);
    assert_string_equal(sides, "a10");
    assert_null(strstr(err.message, "is the most")); /* it is no failure of the call */
    assert_int_equal(w.swept.failed.n, 1);
    assert_int_equal(w.swept.failed.keys[0].size, sizeof key);
    assert_int_equal(w.swept.why, SEGUE_INVALID_KEY);
    assert_true(w.swept.counts.errors == 1 && w.swept.counts.moved == 1 && w.swept.work == 1);
    sweep_close(&w);
}

/* A rule may take it, but Segue's own records are nobody's to move. */
static void what_is_no_key_of_a_client_stays(void **state)
{
    (void)state;
    char key[SEGUE_KEY_MAX + 1], part[TEXT_SIZE];
    memset(key, 'k', sizeof key);
    sweep w = {.policy_text = "{\"unmatched\":\"move\",\"rules\":[{\"prefix\":\"k\",\"action\":\"counter\"}]}"};
    sweep_open(&w, ONE_ENGINE, "", "", "");
    segue_doc docs[] = {
        {.rec = {.key = K("_segue:x"), .body = K("1"), .cas = 5, .revision = 1, .is_json = true}},
        {.rec = {.key = segue_bytes(key, sizeof key), .body = K("1"), .cas = 6, .revision = 1, .is_json = true}}};
    segue_page page = {.docs = docs, .n = 2};
    seg_sweep_page(w.m, &page, true, &w.swept);
    assert_string_equal(w.s.log, "");
    assert_true(w.swept.failed.n == 1 && w.swept.failed.keys[0].size == sizeof key);
    seg_keys_clear(&w.swept.failed);
    show_swept(&w.swept, part);
    assert_string_equal(part, "1 scanned, 1 errors; 0 of work, 0 settled: INVALID_KEY");
    sweep_close(&w);
}

int main(void)
{
    sweep_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_goes_as_it_should),
        cmocka_unit_test(what_has_expired_comes_as_it_is_stored),
        cmocka_unit_test(what_is_no_key_of_a_client_stays),
        cmocka_unit_test(a_key_that_is_too_long_is_held_back_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
