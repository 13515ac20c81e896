/* Writes to the fallback behind the migration's back: how one is told from what is none, and how it is settled when somebody
 * else acts in between or a call fails. */
#include "sweep_scene.h"

static void client_loses_b(sweep *w) { erase_plainly(w, P, "b"); }
static void outsider_goes_on(sweep *w)
{
    char text[32];
    (void)snprintf(text, sizeof text, "b%u=3", 100 + w->seen); /* fits */
    put(&w->s, F, text);
}

/* ---- settling ---- */

typedef struct settle_case {
    const char *name;
    segue_on_foreign how;
    bool keep;
    const char *p, *f;
    trouble trouble;
    const char *calls, *left; /* "primary | fallback" */
    uint64_t settled;
    segue_status st;
} settle_case;

static const settle_case cases[] = {
    {"nothing is there", SEGUE_FOREIGN_NEWER, false, "b20", "", {0}, "F.get(b)", "b20 | ", 0, SEGUE_OK},
    {"the fallback cannot be read", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", FAILS("F.get(b", 1, 1, IO_ERROR),
     "F.get(b)", "b20 | b50=3", 0, SEGUE_IO_ERROR},
    {"the primary has none",
     SEGUE_FOREIGN_NEWER,
     false,
     "",
     "b50=3",
     {0},
     "F.get(b) P.get(b) F.get(b) P.get(b) P.put(manifest) F.move(b)",
     "b50=3 | ",
     1,
     SEGUE_OK},
    {"the primary has none, and then nobody has", SEGUE_FOREIGN_NEWER, false, "", "b50=3",
     MEET("P.get(b", outsider_erases_b), "F.get(b) P.get(b) F.get(b)", " | ", 0, SEGUE_OK},
    {"the primary has none, and it cannot be moved", SEGUE_FOREIGN_NEWER, false, "", "b50=3",
     FAILS("F.move", 1, 1, IO_ERROR), "F.get(b) P.get(b) F.get(b) P.get(b) P.put(manifest) F.move(b)", " | b50=3", 0,
     SEGUE_IO_ERROR},
    {"the primary cannot be read", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", FAILS("P.get(b", 1, 1, IO_ERROR),
     "F.get(b) P.get(b)", "b20 | b50=3", 0, SEGUE_IO_ERROR},
    {"newer",
     SEGUE_FOREIGN_NEWER,
     false,
     "b20",
     "b50=3",
     {0},
     "F.get(b) P.get(b) P.put(b) F.erase(b)",
     "b51=3 | ",
     1,
     SEGUE_OK},
    {"newer, and kept",
     SEGUE_FOREIGN_NEWER,
     true,
     "b20",
     "b50=3",
     {0},
     "F.get(b) P.get(b) P.put(b)",
     "b51=3 | b50=3",
     0,
     SEGUE_OK},
    {"newer, and the primary wins",
     SEGUE_FOREIGN_PRIMARY,
     false,
     "b20",
     "b50=3",
     {0},
     "F.get(b) P.get(b) F.erase(b)",
     "b20 | ",
     1,
     SEGUE_OK},
    {"newer, and kept, and the primary wins",
     SEGUE_FOREIGN_PRIMARY,
     true,
     "b20",
     "b50=3",
     {0},
     "F.get(b) P.get(b)",
     "b20 | b50=3",
     0,
     SEGUE_OK},
    {"the same", SEGUE_FOREIGN_NEWER, false, "b20", "b20", {0}, "F.get(b) P.get(b) F.erase(b)", "b20 | ", 1, SEGUE_OK},
    {"older", SEGUE_FOREIGN_NEWER, false, "b50=3", "b20", {0}, "F.get(b) P.get(b) F.erase(b)", "b50=3 | ", 1, SEGUE_OK},
    {"a client is faster", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", MEET("P.put(b", client_has_b),
     "F.get(b) P.get(b) P.put(b) F.get(b) P.get(b) F.erase(b)", "b90=2 | ", 1, SEGUE_OK},
    {"the primary's is gone meanwhile", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", MEET("P.put(b", client_loses_b),
     "F.get(b) P.get(b) P.put(b) F.get(b) P.get(b) F.get(b) P.get(b) P.put(manifest) F.move(b)", "b50=3 | ", 1,
     SEGUE_OK},
    {"the answer to the copy is lost", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", LOST("P.put(b", MAYBE_APPLIED),
     "F.get(b) P.get(b) P.put(b) F.get(b) P.get(b) F.erase(b)", "b51=3 | ", 1, SEGUE_OK},
    {"the copy fails", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", FAILS("P.put(b", 1, 1, IO_ERROR),
     "F.get(b) P.get(b) P.put(b)", "b20 | b50=3", 0, SEGUE_IO_ERROR},
    {"written again", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", MEET("F.erase(b", outsider_has_b),
     "F.get(b) P.get(b) P.put(b) F.erase(b) F.get(b) P.get(b) P.put(b) F.erase(b)", "b91=3 | ", 1, SEGUE_OK},
    {"written again and again", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3",
     MEET_AND_FAIL("F.erase(b", 99, OK, outsider_goes_on),
     "F.get(b) P.get(b) P.put(b) F.erase(b) F.get(b) P.get(b) P.put(b) F.erase(b) F.get(b) P.get(b) F.erase(b) "
     "F.get(b) P.get(b) P.put(b) F.erase(b) F.get(b) P.get(b) F.erase(b) F.get(b) P.get(b) P.put(b) F.erase(b) "
     "F.get(b) P.get(b) F.erase(b) F.get(b) P.get(b) P.put(b) F.erase(b)",
     "b108=3 | b108=3", 0, SEGUE_UNAVAILABLE},
    {"erased by others", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", MEET("F.erase(b", outsider_erases_b),
     "F.get(b) P.get(b) P.put(b) F.erase(b)", "b51=3 | ", 0, SEGUE_OK},
    {"the answer to the erasure is lost", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", LOST("F.erase(b", MAYBE_APPLIED),
     "F.get(b) P.get(b) P.put(b) F.erase(b) F.get(b)", "b51=3 | ", 0, SEGUE_OK},
    {"whether it was erased is not known", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3",
     FAILS("F.erase(b", 1, 1, MAYBE_APPLIED), "F.get(b) P.get(b) P.put(b) F.erase(b) F.get(b) P.get(b) F.erase(b)",
     "b51=3 | ", 1, SEGUE_OK},
    {"the erasure fails", SEGUE_FOREIGN_NEWER, false, "b20", "b50=3", FAILS("F.erase(b", 1, 1, IO_ERROR),
     "F.get(b) P.get(b) P.put(b) F.erase(b)", "b51=3 | b50=3", 0, SEGUE_IO_ERROR},
};

static void a_foreign_write_is_settled_whatever_happens_meanwhile(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const settle_case *c = &cases[i];
        sweep w = {.options = {.keep = c->keep, .on_foreign_write = c->how}};
        segue_error err = {0};
        char left[TEXT_SIZE], part[TEXT_SIZE];
        sweep_open(&w, ONE_ENGINE, "", c->p, c->f);
        sweep_trouble(&w, c->trouble);
        segue_call call = seg_call_new(w.s.sides[P], 0, &err);
        segue_status st = seg_foreign_settle(w.m, K("b"), c->how, &w.swept, &call);
        show_side(&w, P, left);
        show_side(&w, F, part);
        append(left, " | %s", part);
        text_is("what was asked", c->name, w.s.log, c->calls);
        text_is("what is left", c->name, left, c->left);
        if (st != c->st || w.swept.settled != c->settled)
            fail_msg("%s: %s, %u settled", c->name, segue_status_name(st), (unsigned)w.swept.settled);
        if (st == SEGUE_UNAVAILABLE)
            assert_string_equal(err.message, "\"b\" is written in the fallback faster than it can be settled");
        sweep_close(&w);
    }
}

/* What replaces the primary's record is a change of both. */
static void the_greater_revision_goes_on(void **state)
{
    (void)state;
    static const struct {
        uint64_t newer, old, then;
    } revisions[] = {{5, 9, 10}, {9, 5, 10}, {5, 5, 6}};
    for (size_t i = 0; i < sizeof revisions / sizeof revisions[0]; i++) {
        sweep w = {0};
        SEG_AUTO(segue_doc) doc = {0};
        segue_record old = {.key = K("b"), .body = K("1"), .cas = 20, .revision = revisions[i].old, .is_json = true};
        segue_record newer = {
            .key = K("b"), .body = K("3"), .cas = 50, .revision = revisions[i].newer, .is_json = true};
        sweep_open(&w, TWO_ENGINES, "", "", "");
        OK(&w.s, segue_put_record(w.s.plain[P], &old, 0, NULL, NULL, &w.s.err));
        OK(&w.s, segue_put_record(w.s.plain[F], &newer, 0, NULL, NULL, &w.s.err));
        segue_call call = seg_call_new(w.s.sides[P], 0, &w.s.err);
        OK(&w.s, seg_foreign_settle(w.m, K("b"), SEGUE_FOREIGN_NEWER, &w.swept, &call));
        OK(&w.s, segue_get_record(w.s.plain[P], K("b"), NULL, &doc, &w.s.err));
        assert_int_equal(doc.rec.revision, revisions[i].then);
        assert_true(segue_slice_equal(doc.rec.body, K("3")));
        segue_doc_free(&doc);
        sweep_close(&w);
    }
}

/* ---- what is none ---- */

enum { EXPIRY = 100 };

typedef struct changed_case {
    const char *name;
    uint32_t expiry; /* of the record that was read */
    uint64_t cas;    /* of what is there now; 0: nothing */
    bool is_dead;
    uint64_t write_id;
    segue_status fails, st;
    uint64_t foreign;
} changed_case;

static const changed_case changed_cases[] = {
    {.name = "gone"},
    {.name = "as it was", .cas = 20},
    {.name = "written", .cas = 50, .foreign = 1},
    {.name = "deleted", .cas = 50, .is_dead = true, .foreign = 1},
    {.name = "reaped elsewhere", .cas = 50, .is_dead = true, .write_id = SEG_REAPED},
    {.name = "written by one who bears that mark", .cas = 50, .write_id = SEG_REAPED, .foreign = 1},
    {.name = "dead as it has just expired", .cas = 50, .is_dead = true, .expiry = EXPIRY},
    {.name = "dead before it expires", .cas = 50, .is_dead = true, .expiry = EXPIRY + 1, .foreign = 1},
    {.name = "written though it has expired", .cas = 50, .expiry = EXPIRY, .foreign = 1},
    {.name = "not to be read", .cas = 50, .fails = SEGUE_IO_ERROR, .st = SEGUE_IO_ERROR},
};

static void what_changed_may_be_no_foreign_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changed_cases / sizeof changed_cases[0]; i++) {
        const changed_case *c = &changed_cases[i];
        sweep w = {0};
        sweep_open(&w, TWO_ENGINES, "", "", "");
        sweep_now_s = EXPIRY;
        segue_record before = {
            .key = K("b"), .body = K("1"), .cas = 20, .revision = 1, .expiry = c->expiry, .is_json = true};
        segue_record now = before;
        segue_call call = seg_call_new(w.s.plain[F], 0, &w.s.err);
        if (c->is_dead) now.body = (segue_slice){NULL, 0}, now.is_json = false, now.is_tombstone = true;
        now.expiry = 0;
        now.cas = c->cas;
        now.write_id = c->write_id;
        segue_put put = {.rec = now, .condition = SEGUE_IF_ABSENT, .keep_cas = true};
        if (c->cas) OK(&w.s, seg_call_put(w.s.plain[F], &put, NULL, &call));
        sweep_trouble(&w, (trouble){.at = "F.get(b", .nth = 1, .status = c->fails});
        segue_status st = seg_foreign_changed(w.m, &before, &w.swept, &call);
        if (st != c->st || w.swept.counts.foreign_writes != c->foreign || w.swept.foreign.n != c->foreign)
            fail_msg("%s: %s, %u foreign", c->name, segue_status_name(st), (unsigned)w.swept.counts.foreign_writes);
        assert_int_equal(w.swept.work, 1); /* whatever it is, another pass looks */
        sweep_close(&w);
    }
}

/* Where it cannot be settled, that is told. */
static void a_failure_to_settle_what_changed_is_told(void **state)
{
    (void)state;
    sweep w = {.options = {.on_foreign_write = SEGUE_FOREIGN_PRIMARY}};
    sweep_open(&w, TWO_ENGINES, "", "b60", "b50=3");
    segue_record before = {.key = K("b"), .body = K("1"), .cas = 20, .revision = 1, .is_json = true};
    segue_call call = seg_call_new(w.s.plain[F], 0, &w.s.err);
    sweep_trouble(&w, (trouble)FAILS("F.erase(b", 1, 1, READ_ONLY));
    assert_int_equal(seg_foreign_changed(w.m, &before, &w.swept, &call), SEGUE_READ_ONLY);
    assert_true(w.swept.counts.foreign_writes == 1 && w.swept.settled == 0);
    sweep_close(&w);
}

int main(void)
{
    sweep_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_foreign_write_is_settled_whatever_happens_meanwhile),
        cmocka_unit_test(the_greater_revision_goes_on),
        cmocka_unit_test(what_changed_may_be_no_foreign_write),
        cmocka_unit_test(a_failure_to_settle_what_changed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
