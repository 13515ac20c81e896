/* Pages of a dual store's feed: what is on them, what is asked of which side for them and in which order, what they are when
 * somebody else takes a step between two calls, and that a failure of any call is told and loses nothing. */
#include "dual_scene.h"

#include "base/rules.h"

/* ---- reading ---- */

static segue_status try_page(scene *s, const segue_since *since, size_t max_docs, segue_error *err)
{
    segue_call call = scene_begin_call(s, err);
    s->page.max_docs = max_docs;
    segue_status st = seg_call_changes(s->dual, since, &s->page, &call);
    seg_call_end(s->dual, &call);
    for (size_t i = 0; i < s->page.n; i++) show_record(s->text, &s->page.docs[i].rec);
    if (s->page.more) append(s->text, " ...");
    if (s->page.through) append(s->text, "%s(%llu)", s->text[0] ? " " : "", (unsigned long long)s->page.through);
    return st;
}

/* A page after this CAS (and key): "a10 b20 ..." if there may be more; "a10 (30)" if all up to CAS 30 were read. */
static const char *page_after(scene *s, uint64_t cas, const char *key, size_t max_docs)
{
    segue_since since = {.cas = cas, .key = segue_str(key)};
    OK(s, try_page(s, &since, max_docs, &s->err));
    if (s->err.message[0]) fail_msg("a sentence although it went well: %s", s->err.message);
    return s->text;
}

/* Page after page, each of so many documents, as a feed asks for them. Marks of tokens are left out. */
static void walk(scene *s, size_t max_docs, char out[TEXT_SIZE])
{
    seg_position at = {0};
    out[0] = 0;
    do {
        segue_since since = {.cas = at.cas, .key = seg_position_key(&at)};
        OK(s, try_page(s, &since, max_docs, &s->err));
        const segue_record *last = show_page(s, out);
        if (last) seg_position_set(&at, seg_feed_cas(last->cas), last->key);
    } while (s->page.more);
}

/* ---- what is told, whatever fits on a page ---- */

static const showing tellings[] = {
    {"nothing", "", "", "", ""},
    {"one side only", "", "a10 b20 c30", "", "a10 b20 c30"},
    {"the other only", "a10 b20 -c30", "", "", "a10 b20 -c30"},
    {"both, in one order", "b20 -d40", "a10 c30 e50", "", "a10 b20 c30 -d40 e50"},
    {"one after the other", "d40 e50", "a10 b20", "", "a10 b20 d40 e50"},
    {"the other way", "a10 b20", "c30 d40 e50", "", "a10 b20 c30 d40 e50"},
    {"changed and deleted", "b40=2 -c50", "a10 b20 c30 d60", "", "a10 b40=2 -c50 d60"},
    {"changed before", "c5=2 d6=3 x70", "a10 b20 c30 d40 e50", "", "c5=2 d6=3 a10 b20 e50 x70"},
    {"all changed", "c20 b21 a22", "a10 b11 c12", "", "c20 b21 a22"},
    {"moved, and there still", "a10=8 c30=9", "a10=7 b20 c30=7", "", "a10=8 b20 c30=9"},
    {"equal CASes", "b10 d10 f10", "a10 c10 e10 g10", "", "a10 b10 c10 d10 e10 f10 g10"},
    {"equal CASes, some moved", "b10 c10", "a10 b10 c10 d10", "", "a10 b10 c10 d10"},
    {"a counter that became a pill", "", "a10 c20=7 d30 e40", "c50>20=7", "a10 c20=7 d30 e40"},
    {"a pill in the middle", "", "a10 c20=7 d30 e40", "c50>20=7 f60 g70", "a10 c20=7 d30 e40 f60 g70"},
    {"a pill that stays last", "", "a10 b20=7", "b50>20=7", "a10 b20=7"},
    {"pills of all", "c25", "a10 b11 d12 e13 g14", "b50>11=2 e51>13=5 a52>10=1 d53>12=4 g54>14=7",
     "a10 b11=2 d12=4 e13=5 g14=7 c25"},
    {"pills with one CAS", "", "a10 b11 d12", "b50>11=2 d50>12=4 a50>10=1", "a10 b11=2 d12=4"},
    {"a pill whose counter changed", "b60=8", "a10 b20=7 c30", "b50>20=7", "a10 c30 b60=8"},
    {"a pill whose counter arrived", "b20=7", "a10 b20=7 c30", "b50>20=7", "a10 b20=7 c30"},
    {"a pill from before stays in its place", "", "a10 c30 b40>20=7", "d50", "a10 c30 b40=7 d50"},
};

/* Where a move gives a CAS of its own, what stands in both is two records, but for equal CASes by chance. */
static void each_is_told_once_whatever_fits_on_a_page(void **state)
{
    (void)state;
    each_is_shown_once(tellings, sizeof tellings / sizeof tellings[0], 7, walk);
}

/* ---- pages, and what is asked for them ---- */

typedef struct asking {
    const char *name;
    segue_phase phase;
    const char *p, *f, *f_later;
    uint64_t cas;
    const char *key;
    size_t max_docs;
    const char *page, *log;
} asking;

static const asking askings[] = {
    {"the fallback, the clock, the primary, the look-ups", FORWARD, "c30", "a10 b20", "", 0, NULL, 4,
     "a10 b20 c30 (20)", "F.changes(0) P.highest(20) P.changes(0) P.get(a) P.get(b)"},
    {"nothing there", FORWARD, "", "", "", 0, NULL, 1, "", "F.changes(0) P.changes(0)"},
    {"just full of the fallback's", FORWARD, "", "a10 b20", "", 0, NULL, 2, "a10 b20 (20)",
     "F.changes(0) P.highest(20) P.changes(0) P.get(a) P.get(b)"},
    {"just full of the primary's", FORWARD, "a10 b20", "", "", 0, NULL, 2, "a10 b20", "F.changes(0) P.changes(0)"},
    {"just full of both", FORWARD, "b20", "a10", "", 0, NULL, 2, "a10 b20 (10)",
     "F.changes(0) P.highest(10) P.changes(0) P.get(a)"},
    {"one of the fallback's is left", FORWARD, "a10", "b20 c30", "", 0, NULL, 2, "a10 b20 ...",
     "F.changes(0) P.highest(30) P.changes(0) P.get(b)"},
    {"one of the primary's is left", FORWARD, "b20 c30", "a10", "", 0, NULL, 2, "a10 b20 ...",
     "F.changes(0) P.highest(10) P.changes(0) P.get(a)"},
    {"the fallback has more, and no pill behind it", FORWARD, "", "a10 b20 c30", "", 0, NULL, 2, "a10 b20 ...",
     "F.changes(0) F.changes(30) P.highest(20) P.changes(0) P.get(a) P.get(b)"},
    {"the primary has more", FORWARD, "a10 b20 c30", "d40", "", 0, NULL, 2, "a10 b20 ...",
     "F.changes(0) P.highest(40) P.changes(0)"},
    {"pills are looked for page by page", FORWARD, "", "a10 b20 c30 d40", "c50>30 d60>40 e70", 0, NULL, 2,
     "a10 b20 ...", "F.changes(0) F.changes(40) F.changes(60 d) P.highest(20) P.changes(0) P.get(a) P.get(b)"},
    {"a pill is told in its counter's place, and one page more", FORWARD, "", "a10 b20 c30", "b50>20=7", 0, NULL, 1,
     "a10 ...", "F.changes(0) F.changes(30) P.highest(10) P.changes(0) P.get(a)"},
    {"a pill whose counter was told", FORWARD, "", "a10 b20 c30 d40", "b50>20=7 e60", 25, NULL, 1, "c30 ...",
     "F.changes(25) F.changes(40) F.changes(50 b) P.highest(30) P.changes(25) P.get(c)"},
    {"hidden ones behind the last", FORWARD, "b20", "b40", "", 30, NULL, 2, "(40)",
     "F.changes(30) P.highest(40) P.changes(30) P.get(b)"},
    {"a hidden one, where the other was told last", FORWARD, "b30", "b40", "", 30, NULL, 2, "(40)",
     "F.changes(30) P.highest(40) P.changes(30) P.get(b)"},
    {"a hidden one, where the other is the last", FORWARD, "b30", "b40", "", 0, NULL, 2, "b30 (40)",
     "F.changes(0) P.highest(40) P.changes(0) P.get(b)"},
    {"hidden ones, page after page", FORWARD, "b20 c21", "b40 c41", "", 30, NULL, 1, "(41)",
     "F.changes(30) F.changes(41) P.highest(40) P.changes(30) P.get(b) "
     "F.changes(40 b) P.highest(41) P.changes(40 b) P.get(c)"},
    {"hidden ones, then others", FORWARD, "a20 b21 c22", "a10 b11 c12", "", 0, NULL, 2, "a20 b21 ...",
     "F.changes(0) F.changes(12) P.highest(11) P.changes(0) P.get(a) P.get(b) "
     "F.changes(11 b) P.highest(12) P.changes(11 b) P.get(c)"},
    {"what is in both is not looked up", FORWARD, "a10=8", "a10=7", "", 0, NULL, 2, "a10=8 (10)",
     "F.changes(0) P.highest(10) P.changes(0)"},
    {"hold: the fallback's clock first", HOLD, "b20", "a10", "", 0, NULL, 4, "a10 b20 (10)",
     "P.highest(0) F.highest(20) F.changes(0) P.highest(10) P.changes(0) P.get(a)"},
    {"hold, behind all of the primary", HOLD, "c20", "b40", "", 30, NULL, 4, "b40 (40)",
     "P.highest(0) F.highest(20) F.changes(30) P.highest(40) P.changes(30) P.get(b)"},
    {"legacy: the fallback", LEGACY, "b20", "a10 c30>20=7", "", 0, NULL, 4, "a10 c30=7", "F.changes(0)"},
    {"sealed: the primary", SEALED, "b20", "a10", "", 0, NULL, 4, "b20", "P.changes(0)"},
    {"clean: the primary", CLEAN, "b20", "a10", "", 5, "x", 4, "b20", "P.changes(5 x)"},
};

static void what_is_asked_for_a_page(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof askings / sizeof askings[0]; i++) {
        const asking *a = &askings[i];
        scene s;
        scene_open(&s, true, a->phase, a->p, a->f);
        put(&s, F, a->f_later);
        text_is("the page", a->name, page_after(&s, a->cas, a->key, a->max_docs), a->page);
        text_is("the log", a->name, s.log, a->log);
        scene_close(&s);
    }
}

/* What a side's clock is raised to is remembered: asked once, and again only for more. */
static void a_clock_is_raised_once(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, true, FORWARD, "", "a10 b20");
    (void)page_after(&s, 0, NULL, 4);
    text_is("the page", "again", page_after(&s, 0, NULL, 4), "a10 b20 (20)");
    text_is("the log", "again", s.log, "F.changes(0) P.changes(0) P.get(a) P.get(b)");
    put(&s, F, "c30");
    text_is("the page", "later", page_after(&s, 20, NULL, 4), "c30 (30)");
    text_is("the log", "later", s.log, "F.changes(20) P.highest(30) P.changes(20) P.get(c)");
    scene_close(&s);
}

/* Another feed's page, of so many at most. */
static void tell_meanwhile(const scene *s, size_t max_docs)
{
    segue_error err = {0};
    segue_since since = {0};
    segue_page page = {.max_docs = max_docs, .max_bytes = SIZE_MAX};
    segue_call call = seg_call_new(s->dual, 0, &err);
    OK(s, seg_call_begin(s->dual, false, &call));
    OK(s, seg_call_changes(s->dual, &since, &page, &call));
    seg_call_end(s->dual, &call);
    segue_page_free(&page);
}

static void tell_less(scene *s) { tell_meanwhile(s, 1); }
static void tell_more(scene *s)
{
    put(s, F, "c30");
    tell_meanwhile(s, 4);
}

/* Two feeds raise a clock at once: what is remembered is the higher one. */
static void a_clock_that_is_raised_meanwhile_is_not_raised_again(void **state)
{
    (void)state;
    const scene_step steps[] = {tell_less, tell_more};
    for (int i = 0; i < 2; i++) {
        scene s;
        scene_open(&s, true, FORWARD, "", "a10 b20");
        s.step = steps[i];
        s.step_after = 2; /* its P.highest(20) */
        text_is("the page", "meanwhile", page_after(&s, 0, NULL, 4), "a10 b20 (20)");
        s.step_after = 0;
        const char *later = page_after(&s, 10, NULL, 4);
        text_is("the page", "later", later, i ? "b20 c30 (30)" : "b20 (20)");
        text_is("the log", "later", s.log,
                i ? "F.changes(10) P.changes(10) P.get(b) P.get(c)" : "F.changes(10) P.changes(10) P.get(b)");
        scene_close(&s);
    }
}

/* Where the primary cannot keep a CAS, the fallback's go out marked, as a get gives them. */
static void a_token_is_marked_as_in_a_get(void **state)
{
    (void)state;
    static const segue_phase phases[] = {LEGACY, HOLD, FORWARD};
    static const char *const pages[2][3] = {
        {"a10* b20*=8 d40*=7", "a10* c15 b20*=8 d30*=7 (40)", "a10* c15 b20*=8 d30*=7 (40)"},
        {"a10 b20=8 d40=7", "a10 c15 b20=8 d30=7 (40)", "a10 c15 b20=8 d30=7 (40)"}};
    for (int keeps_cas = 0; keeps_cas < 2; keeps_cas++)
        for (int i = 0; i < 3; i++) {
            scene s;
            segue_doc doc = {0};
            scene_open(&s, keeps_cas, phases[i], "c15", "a10 b20=8 d30=7");
            put(&s, F, "d40>30=7");
            text_is("the page", segue_phase_name(phases[i]), page_after(&s, 0, NULL, 9), pages[keeps_cas][i]);
            for (size_t k = 0; k < s.page.n; k++) {
                const segue_record *rec = &s.page.docs[k].rec;
                OK(&s, segue_get(s.dual, rec->key, NULL, &doc, &s.err));
                if (doc.rec.cas != rec->cas || doc.rec.revision != rec->revision)
                    fail_msg("%.*s has CAS %llx and revision %llu in a get, %llx and %llu in a feed",
                             (int)rec->key.size, rec->key.data, (long long)doc.rec.cas, (long long)doc.rec.revision,
                             (long long)rec->cas, (long long)rec->revision);
            }
            segue_doc_free(&doc);
            scene_close(&s);
        }
}

/* A pill is known by its body, so the fallback's are read for a feed of keys, too; the primary's are not. */
static void a_feed_of_keys_knows_pills(void **state)
{
    (void)state;
    static const segue_phase phases[] = {LEGACY, FORWARD};
    static const char *const logs[] = {"F.changes(0)",
                                       "F.changes(0) P.highest(40) P.changes(0 keys) P.get(a) P.get(c)"};
    static const char *const pages[] = {"a10 c40=7", "a10 c20=7 b30= (40)"};
    segue_since since = {.keys_only = true};
    for (int i = 0; i < 2; i++) {
        scene s;
        scene_open(&s, true, phases[i], "b30", "a10 c20=7");
        put(&s, F, "c40>20=7");
        OK(&s, try_page(&s, &since, 4, &s.err));
        text_is("the page", segue_phase_name(phases[i]), s.text, pages[i]);
        text_is("the log", segue_phase_name(phases[i]), s.log, logs[i]);
        scene_close(&s);
    }
}

/* ---- somebody else's step, right after a call ---- */

static void move_a(scene *s)
{
    segue_call call = seg_call_new(s->plain[F], 0, &s->err);
    put(s, P, "a10");
    OK(s, seg_call_erase(s->plain[F], K("a"), 10, &call));
}

static void change_a(scene *s) { put(s, P, "a50=2"); }
static void change_a_by_chance(scene *s) { put(s, P, "a10=2"); }
static void write_c_and_d(scene *s) { put(s, P, "c50 d50"); }
static void make_b_a_pill(scene *s) { put(s, F, "b50>20=7"); }

typedef struct meeting {
    const char *name;
    segue_phase phase;
    bool keeps_cas;
    const char *p, *f;
    uint64_t p_clock; /* the primary's clock is there, at least */
    scene_step step;
    unsigned after; /* which call, from 1 */
    uint64_t cas;
    const char *key;
    size_t max_docs;
    const char *page, *log;
} meeting;

static const meeting meetings[] = {
    {"a record moves after both were read", FORWARD, true, "", "a10", 0, move_a, 3, 0, NULL, 4, "a10 (10)",
     "F.changes(0) P.highest(10) P.changes(0) P.get(a)"},
    {"a record changes after both were read", FORWARD, true, "", "a10", 0, change_a, 3, 5, NULL, 4, "a50=2 (10)",
     "F.changes(5) P.highest(10) P.changes(5) P.get(a) F.changes(5) P.changes(5) P.get(a)"},
    {"so does one, and others are told first", FORWARD, true, "c30", "a10 b20", 0, change_a, 3, 0, NULL, 4,
     "b20 c30 ...", "F.changes(0) P.highest(20) P.changes(0) P.get(a) P.get(b)"},
    {"one changes, behind a page that is not the last", FORWARD, true, "", "a10 b20", 0, change_a, 4, 0, NULL, 1,
     "b20 ...",
     "F.changes(0) F.changes(20) P.highest(10) P.changes(0) P.get(a) F.changes(10 a) P.highest(20) P.changes(10 a) P.get(b)"},
    {"it moves, and its new CAS is the old one by chance", FORWARD, false, "", "a10", 0, change_a_by_chance, 3, 0, NULL,
     4, "a10=2 (10)", "F.changes(0) P.highest(10) P.changes(0) P.get(a) F.changes(0) P.changes(0)"},
    {"hold: news in the primary wait", HOLD, true, "b20", "a10 e30", 0, write_c_and_d, 1, 0, NULL, 4, "a10 b20 ...",
     "P.highest(0) F.highest(20) F.changes(0) P.highest(30) P.changes(0) P.get(a)"},
    {"hold: and what the fallback has behind them", HOLD, true, "b20", "a10 e60 f70 g80", 0, write_c_and_d, 1, 0, NULL,
     3, "a10 b20 ...", "P.highest(0) F.highest(20) F.changes(0) F.changes(80) P.highest(70) P.changes(0) P.get(a)"},
    {"hold: where the fallback's page ends before them", HOLD, true, "b20", "a10 e15 f18 g80", 0, write_c_and_d, 1, 0,
     NULL, 2, "a10 e15 ...",
     "P.highest(0) F.highest(20) F.changes(0) F.changes(80) P.highest(15) P.changes(0) P.get(a) P.get(e)"},
    {"hold: news behind what was told already", HOLD, true, "b20", "a10 e60", 0, write_c_and_d, 1, 40, NULL, 4,
     "c50 d50 e60 (60)",
     "P.highest(0) F.highest(20) F.changes(40) P.highest(60) P.changes(40) "
     "P.highest(0) F.highest(60) F.changes(40) P.changes(40) P.get(e)"},
    {"hold: the rest of one CAS, then news", HOLD, true, "b20 e20", "", 0, write_c_and_d, 1, 20, "b", 4, "e20 ...",
     "P.highest(0) F.highest(20) F.changes(20 b) P.changes(20 b)"},
    {"hold: a page that ends at the limit, in one CAS", HOLD, true, "", "a20 b20", 20, change_a, 1, 19, NULL, 1,
     "b20 ...",
     "P.highest(0) F.highest(20) F.changes(19) F.changes(20 a) P.highest(20) P.changes(19) P.get(a) "
     "P.highest(0) F.highest(50) F.changes(20 a) P.changes(20 a) P.get(b)"},
    {"a counter becomes a pill after its page was read", FORWARD, true, "", "a10 b20=7 c30", 0, make_b_a_pill, 1, 0,
     NULL, 2, "a10 b20=7 ...", "F.changes(0) F.changes(30) P.highest(20) P.changes(0) P.get(a) P.get(b)"},
    {"and others of that page behind it", FORWARD, true, "", "a10 b20=7 c30 d40 e45", 0, make_b_a_pill, 1, 0, NULL, 4,
     "a10 b20=7 c30 d40 ...",
     "F.changes(0) F.changes(45) P.highest(40) P.changes(0) P.get(a) P.get(b) P.get(c) P.get(d)"},
    {"a counter becomes a pill before its page is read", HOLD, true, "", "a10 b20=7 c30", 0, make_b_a_pill, 1, 0, NULL,
     1, "a10 ...", "P.highest(0) F.highest(0) F.changes(0) F.changes(30) P.highest(10) P.changes(0) P.get(a)"},
};

static void a_step_between_two_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof meetings / sizeof meetings[0]; i++) {
        const meeting *m = &meetings[i];
        scene s;
        scene_open(&s, m->keeps_cas, m->phase, m->p, m->f);
        segue_call call = seg_call_new(s.plain[P], 0, &s.err);
        uint64_t now = 0;
        OK(&s, seg_call_highest(s.plain[P], m->p_clock, &now, &call));
        s.step = m->step;
        s.step_after = m->after;
        text_is("the page", m->name, page_after(&s, m->cas, m->key, m->max_docs), m->page);
        text_is("the log", m->name, s.log, m->log);
        scene_close(&s);
    }
}

/* What another program put there above the primary's clock is told, though it lies behind what counts as told safely. */
static void a_record_above_the_clock_is_told_in_hold(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, true, HOLD, "b30", "a10 c40");
    s.says = 20;
    text_is("the page", "first", page_after(&s, 0, NULL, 4), "a10 ...");
    text_is("the log", "first", s.log, "P.highest(0) F.highest(20) F.changes(0) P.highest(40) P.changes(0) P.get(a)");
    text_is("the page", "next", page_after(&s, 10, NULL, 4), "b30 c40 (40)");
    text_is("the log", "next", s.log,
            "P.highest(0) F.highest(20) F.changes(10) P.changes(10) "
            "P.highest(0) F.highest(30) F.changes(20) P.changes(20) P.get(c)");
    scene_close(&s);
}

/* Switched off, a rule changes what happens under a step of somebody else, and nothing else. */
static void who_is_asked_first_makes_no_difference_when_nothing_moves(void **state)
{
    (void)state;
    scene s;
    char told[TEXT_SIZE];
    assert_true(seg_rule_switch("FEED_FALLBACK_FIRST", false));
    for (size_t max_docs = 1; max_docs < 5; max_docs++) {
        scene_open(&s, true, FORWARD, "b20 d40", "a10 c30 e50");
        walk(&s, max_docs, told);
        scene_close(&s);
        if (strcmp(told, "a10 b20 c30 d40 e50") != 0) break;
    }
    assert_true(seg_rule_switch("FEED_FALLBACK_FIRST", true));
    assert_string_equal(told, "a10 b20 c30 d40 e50");
}

/* ---- failures ---- */

typedef struct failing {
    const char *name;
    segue_phase phase;
    const char *page;
} failing;

static const failing failings[] = {{"legacy", LEGACY, "a10 b20=7 c30 ..."},
                                   {"hold", HOLD, "b20=7 c30 d40=2 ..."},
                                   {"forward", FORWARD, "b20=7 c30 d40=2 ..."},
                                   {"sealed", SEALED, "d40=2 a60=2"},
                                   {"clean", CLEAN, "d40=2 a60=2"}};

static void open_failing(scene *s, const failing *f)
{
    scene_open(s, true, f->phase, "d40=2 a60=2", "a10 b20=7 c30 e45");
    if (f->phase != LEGACY) put(s, F, "b50>20=7");
}

static const char *page_of(scene *s) { return page_after(s, 0, NULL, 3); }

/* The nth call fails, with or without somebody who wants to know why. How many calls there are. */
static unsigned fail_one(const failing *f, unsigned nth, bool wants_words)
{
    segue_since since = {.cas = 0};
    char want[64];
    scene s;
    open_failing(&s, f);
    (void)snprintf(want, sizeof want, "call %u was made to fail", nth); /* fits */
    s.fail_with = SEGUE_UNAVAILABLE;
    s.fail_at = nth;
    assert_int_equal(try_page(&s, &since, 3, wants_words ? &s.err : NULL), SEGUE_UNAVAILABLE);
    if (wants_words) text_is("the sentence", f->name, s.err.message, want);
    assert_int_equal(s.page.n, 0);
    assert_int_equal(s.n_calls, nth); /* nothing more is asked */
    s.fail_at = 0;
    text_is("the page", f->name, page_of(&s), f->page);
    scene_close(&s);
    open_failing(&s, f);
    text_is("the page", f->name, page_of(&s), f->page);
    unsigned n_calls = s.n_calls;
    scene_close(&s);
    return n_calls;
}

/* Each call fails, one after the other: its status, its sentence, an empty page; and the next time all is as it should be. */
static void a_failure_of_any_call_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof failings / sizeof failings[0]; i++)
        for (unsigned nth = 1, n_calls = 1; nth <= n_calls; nth++) {
            (void)fail_one(&failings[i], nth, false); /* as many */
            n_calls = fail_one(&failings[i], nth, true);
        }
}

/* Who may not write a side gives no CAS there: that its clock cannot be raised is no failure, and leaves no sentence. */
static void a_side_that_cannot_be_written_is_not_raised(void **state)
{
    (void)state;
    static const struct {
        segue_phase phase;
        unsigned nth;
        segue_status want;
    } cases[] = {{FORWARD, 1, SEGUE_READ_ONLY}, {FORWARD, 2, SEGUE_OK},       {FORWARD, 3, SEGUE_READ_ONLY},
                 {HOLD, 1, SEGUE_READ_ONLY},    {HOLD, 2, SEGUE_OK},          {HOLD, 3, SEGUE_READ_ONLY},
                 {HOLD, 4, SEGUE_OK},           {FORWARD, 4, SEGUE_READ_ONLY}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        segue_since since = {.cas = 0};
        scene s;
        scene_open(&s, true, cases[i].phase, "b20", "a10");
        s.fail_with = SEGUE_READ_ONLY;
        s.fail_at = cases[i].nth;
        segue_status st = try_page(&s, &since, 3, &s.err);
        if (st != cases[i].want) fail_msg("%s after %s", segue_status_name(st), s.log);
        text_is("the page", s.log, s.text, st == SEGUE_OK ? "a10 b20 (10)" : "");
        assert_int_equal(s.err.message[0] != 0, st != SEGUE_OK);
        scene_close(&s);
    }
}

/* A clock that could not be raised is raised the next time, and not thought to be there. */
static void a_clock_that_was_not_raised_is_raised_later(void **state)
{
    (void)state;
    segue_since since = {.cas = 0};
    uint64_t now = 0;
    scene s;
    scene_open(&s, true, FORWARD, "", "a10");
    s.fail_with = SEGUE_UNAVAILABLE;
    s.fail_at = 2;
    assert_int_equal(try_page(&s, &since, 3, NULL), SEGUE_UNAVAILABLE);
    text_is("the log", "first", s.log, "F.changes(0) P.highest(10)");
    s.fail_at = 0;
    OK(&s, try_page(&s, &since, 3, NULL));
    text_is("the log", "next", s.log, "F.changes(0) P.highest(10) P.changes(0) P.get(a)");
    segue_call call = seg_call_new(s.plain[P], 0, &s.err);
    OK(&s, seg_call_highest(s.plain[P], 0, &now, &call));
    assert_int_equal(now, 10);
    scene_close(&s);
}

/* ---- memory ---- */

typedef struct memory_job {
    segue_phase phase;
    size_t max_docs;
    const char *page;
    unsigned n_told; /* failures of the feed's own */
} memory_job;

static segue_status read_with_little(void *ctx)
{
    memory_job *job = ctx;
    segue_since since = {.cas = 5};
    scene s;
    bool is_legacy = job->phase == LEGACY;
    segue_status st = scene_try_open(&s, "", "");
    if (st == SEGUE_OK) st = scene_try_put(&s, P, "d40=2 a60=2");
    if (st == SEGUE_OK) st = scene_try_put(&s, F, "a10 b20=7 c30 e45");
    if (st == SEGUE_OK && !is_legacy) st = scene_try_begin(&s, job->phase);
    if (st == SEGUE_OK) st = scene_try_put(&s, F, "b50>20=7");
    if (st == SEGUE_OK && is_legacy) st = scene_try_begin(&s, job->phase);
    if (st == SEGUE_OK) {
        st = try_page(&s, &since, job->max_docs, &s.err);
        if (st != SEGUE_OK) {
            assert_int_equal(st, SEGUE_NO_MEMORY);
            assert_int_equal(s.page.n, 0);
            if (strstr(s.err.message, "out of memory in a feed")) job->n_told++;
            else if (!strstr(s.err.message, "mem: the changes cannot be read: ") && !strstr(s.err.message, "spy:"))
                fail_msg("nobody says where: \"%s\"", s.err.message);
        } else if (strcmp(s.text, job->page) != 0) st = SEGUE_CORRUPT;
    }
    scene_close(&s);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    memory_job jobs[] = {{LEGACY, 9, "a10 c30 e45 b50=7", 0},
                         {HOLD, 9, "b20=7 c30 d40=2 e45 a60=2 (50)", 0},
                         {FORWARD, 9, "b20=7 c30 d40=2 e45 a60=2 (50)", 0},
                         {FORWARD, 2, "b20=7 c30 ...", 0}};
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        test_do_without_each_allocation(read_with_little, &jobs[i]);
        assert_in_range(jobs[i].n_told, 1, 100);
    }
}

/* ---- from now on ---- */

typedef struct topmost {
    const char *name;
    segue_phase phase;
    const char *p, *f;
    uint64_t at_least, want;
    const char *log;
} topmost;

static const topmost topmosts[] = {
    {"legacy", LEGACY, "a30", "b20", 0, 20, "F.highest(0)"},
    {"legacy, raised", LEGACY, "a30", "b20", 50, 50, "F.highest(50)"},
    {"hold, the primary is ahead", HOLD, "a30", "b20", 0, 30, "P.highest(0) F.highest(30) F.highest(0) P.highest(30)"},
    {"hold, the fallback is ahead", HOLD, "a30", "b40", 0, 40, "P.highest(0) F.highest(30) F.highest(0) P.highest(40)"},
    {"hold, raised", HOLD, "a30", "b20", 50, 50, "P.highest(50) F.highest(50) F.highest(0) P.highest(50)"},
    {"hold, raised to what it is", HOLD, "a30", "b20", 30, 30,
     "P.highest(30) F.highest(30) F.highest(0) P.highest(30)"},
    {"forward, the primary is ahead", FORWARD, "a30", "b20", 0, 30, "F.highest(0) P.highest(20) P.highest(0)"},
    {"forward, the fallback is ahead", FORWARD, "a30", "b40", 0, 40, "F.highest(0) P.highest(40) P.highest(0)"},
    {"forward, raised", FORWARD, "a30", "b20", 50, 50, "F.highest(0) P.highest(20) P.highest(50)"},
    {"sealed", SEALED, "a30", "b40", 0, 30, "P.highest(0)"},
    {"clean, raised", CLEAN, "a30", "b40", 50, 50, "P.highest(50)"},
};

static segue_status try_highest(scene *s, uint64_t at_least, uint64_t *ret_cas, segue_error *err)
{
    segue_call call = scene_begin_call(s, err);
    segue_status st = seg_call_highest(s->dual, at_least, ret_cas, &call);
    seg_call_end(s->dual, &call);
    return st;
}

static uint64_t clock_of(scene *s, int side)
{
    uint64_t now = 0;
    segue_call call = seg_call_new(s->plain[side], 0, &s->err);
    OK(s, seg_call_highest(s->plain[side], 0, &now, &call));
    return now;
}

static void the_highest_of_both(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof topmosts / sizeof topmosts[0]; i++) {
        const topmost *t = &topmosts[i];
        uint64_t got = 7;
        scene s;
        scene_open(&s, true, t->phase, t->p, t->f);
        OK(&s, try_highest(&s, t->at_least, &got, &s.err));
        if (got != t->want) fail_msg("%s: %llu, not %llu", t->name, (long long)got, (long long)t->want);
        text_is("the log", t->name, s.log, t->log);
        /* Whoever may be written to gives no CAS below it. */
        if (t->phase < FORWARD) assert_in_range(clock_of(&s, F), t->phase == HOLD ? t->at_least : t->want, 50);
        if (t->phase > LEGACY) assert_in_range(clock_of(&s, P), t->want, 50);
        for (unsigned nth = 1, n_calls = s.n_calls; nth <= n_calls; nth++) {
            scene_close(&s);
            scene_open(&s, true, t->phase, t->p, t->f);
            s.fail_with = SEGUE_UNAVAILABLE;
            s.fail_at = nth;
            got = 7;
            assert_int_equal(try_highest(&s, t->at_least, &got, &s.err), SEGUE_UNAVAILABLE);
            assert_int_equal(s.n_calls, nth);
            assert_int_equal(got, 7);
            assert_non_null(strstr(s.err.message, "was made to fail"));
        }
        scene_close(&s);
    }
}

/* A primary that is not written may stay behind the fallback. */
static void the_highest_of_a_primary_that_cannot_be_raised(void **state)
{
    (void)state;
    uint64_t got = 7;
    scene s;
    scene_open(&s, true, FORWARD, "a30", "b40");
    s.fail_with = SEGUE_READ_ONLY;
    s.fail_at = 2;
    OK(&s, try_highest(&s, 0, &got, &s.err));
    assert_int_equal(got, 40);
    assert_int_equal(clock_of(&s, P), 30);
    scene_close(&s);
}

/* A feed of now that begins in hold: what the primary gets meanwhile is not part of it, or a late write of the fallback could
 * come before it. */
static void news_while_the_highest_is_asked_for(void **state)
{
    (void)state;
    uint64_t got = 7;
    scene s;
    scene_open(&s, true, HOLD, "a30", "b20");
    s.step = write_c_and_d;
    s.step_after = 1;
    OK(&s, try_highest(&s, 0, &got, &s.err));
    assert_int_equal(got, 30);
    assert_int_equal(clock_of(&s, F), 30);
    scene_close(&s);
}

/* ---- who cannot ---- */

static void a_side_without_changes_is_named_by_each_call(void **state)
{
    (void)state;
    segue_since since = {.cas = 0};
    for (int side = 0; side < SIDES; side++)
        for (segue_phase phase = LEGACY; phase <= CLEAN; phase++) {
            bool can = side == F && phase >= SEALED;
            uint64_t got = 7;
            scene s;
            OK(&s, scene_try_open(&s, side == P ? "-changes" : "", side == F ? "-changes" : ""));
            OK(&s, scene_try_begin(&s, phase));
            assert_int_equal(try_page(&s, &since, 3, &s.err), can ? SEGUE_OK : SEGUE_UNSUPPORTED);
            if (!can) assert_non_null(strstr(s.err.message, side == P ? "spy:p" : "spy:f"));
            assert_int_equal(try_highest(&s, 0, &got, &s.err), can ? SEGUE_OK : SEGUE_UNSUPPORTED);
            if (!can)
                assert_non_null(strstr(s.err.message, "cannot tell its changes, so a dual store of it has no feed"));
            if (!can) assert_int_equal(got, 7);
            assert_int_equal(s.n_calls, can);
            scene_close(&s);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_told_once_whatever_fits_on_a_page),
        cmocka_unit_test(what_is_asked_for_a_page),
        cmocka_unit_test(a_clock_is_raised_once),
        cmocka_unit_test(a_clock_that_is_raised_meanwhile_is_not_raised_again),
        cmocka_unit_test(a_token_is_marked_as_in_a_get),
        cmocka_unit_test(a_feed_of_keys_knows_pills),
        cmocka_unit_test(a_step_between_two_calls),
        cmocka_unit_test(a_record_above_the_clock_is_told_in_hold),
        cmocka_unit_test(who_is_asked_first_makes_no_difference_when_nothing_moves),
        cmocka_unit_test(a_failure_of_any_call_is_told),
        cmocka_unit_test(a_side_that_cannot_be_written_is_not_raised),
        cmocka_unit_test(a_clock_that_was_not_raised_is_raised_later),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_highest_of_both),
        cmocka_unit_test(the_highest_of_a_primary_that_cannot_be_raised),
        cmocka_unit_test(news_while_the_highest_is_asked_for),
        cmocka_unit_test(a_side_without_changes_is_named_by_each_call),
    };
    scene_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
