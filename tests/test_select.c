/* What a read asks for of a document in memory: names, places and virtual xattrs, at the limits, on damaged xattrs and without
 * memory. What they mean: test_macros.c. */
#include "records.h"

#include "doc/select.h"
#include "support/memory.h"

static segue_error err;
static segue_call call_ = {.err = &err};

static const char s_value[] = "{\"a\":{\"b\":[1, 2]},\"d\":1,\"d\":2}";

static segue_record a_record(segue_xattr slots[2])
{
    slots[0] = (segue_xattr){K("_s"), K(s_value)};
    slots[1] = (segue_xattr){K("u"), K("[3]")};
    return (segue_record){.key = K("key"),
                          .body = K("{\"b\":2}"),
                          .xattrs = slots,
                          .n_xattrs = 2,
                          .cas = 70,
                          .revision = 3,
                          .is_json = true};
}

static void fill(segue_doc *doc)
{
    segue_xattr slots[2];
    segue_record rec = a_record(slots);
    memset(&err, 0, sizeof err);
    ASSERT_OK(segue_doc_assign(doc, &rec));
}

/* "name=value\n" for each. */
static const char *show_xattrs(const segue_record *rec, char out[SHOWN_MAX])
{
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < rec->n_xattrs && at < SHOWN_MAX; i++)
        at += (size_t)snprintf(out + at, SHOWN_MAX - at, "%.*s=%.*s\n", (int)rec->xattrs[i].name.size,
                               rec->xattrs[i].name.data, (int)rec->xattrs[i].value.size, rec->xattrs[i].value.data);
    return out;
}

static bool is_empty(const segue_doc *doc)
{
    return !doc->rec.key.data && !doc->rec.body.data && !doc->rec.xattrs && doc->rec.n_xattrs == 0 && doc->rec.cas == 0;
}

static void expect_refused(const segue_doc *doc, segue_status want, const char *part, segue_status got,
                           const char *what)
{
    if (got != want || err.status != got || !strstr(err.message, part) || !is_empty(doc))
        fail_msg("%s: %s: \"%s\", expected %s: %s; the document is %s", what, segue_status_name(got), err.message,
                 segue_status_name(want), part, is_empty(doc) ? "empty" : "not empty");
}

/* ---- names ---- */

static void plain_names_are_found_in_place(void **state)
{
    (void)state;
    static const struct {
        const char *names, *want;
    } rows[] = {{"u,none,u", "u=[3]\n"}, {"none", ""}, {"", ""}};
    SEG_AUTO(segue_doc) doc = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        segue_slice names[SEGUE_XATTRS_MAX];
        char shown[SHOWN_MAX];
        fill(&doc);
        memory_begin(1);
        segue_status st = seg_doc_select(&doc, names, names_of(rows[i].names, names), &call_);
        size_t asked = memory_end();
        ASSERT_OK(st);
        assert_int_equal(asked, 0);
        assert_string_equal(show_xattrs(&doc.rec, shown), rows[i].want);
        if (!*rows[i].want) assert_null(doc.rec.xattrs);
    }
}

/* The document's memory must grow for them, and is elsewhere then: all that was read is there, too. */
static void what_was_read_stays_right_when_the_document_moves(void **state)
{
    (void)state;
    segue_slice names[SEGUE_XATTRS_MAX];
    size_t n = names_of("u,$document.CAS,[0],[0].x,_s.a.b,_s.a.b[-1],u,none,_s.a.b", names);
    char shown[SHOWN_MAX];
    moving_begin();
    segue_doc doc = {0};
    fill(&doc);
    segue_status st = seg_doc_select(&doc, names, n, &call_);
    (void)show_xattrs(&doc.rec, shown);
    bool same = segue_slice_equal(doc.rec.key, K("key")) && segue_slice_equal(doc.rec.body, K("{\"b\":2}"));
    segue_doc_free(&doc);
    moving_end();
    ASSERT_OK(st);
    assert_true(same);
    assert_string_equal(shown, "$document.CAS=\"0x0000000000000046\"\n_s.a.b=[1, 2]\n_s.a.b[-1]=2\nu=[3]\n");
}

#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
#define LONGER LONG LONG LONG

static void there_is_room_for_names_of_any_length(void **state)
{
    (void)state;
    segue_xattr slot = {K("_s"), K("{\"" LONGER "\":1}")};
    segue_record rec = {.key = K("k"), .body = K("1"), .xattrs = &slot, .n_xattrs = 1};
    const segue_slice names[] = {K("_s." LONGER), K("_s.`" LONGER "`")};
    SEG_AUTO(segue_doc) doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    ASSERT_OK(seg_doc_select(&doc, names, COUNT(names), &call_));
    assert_int_equal(doc.rec.n_xattrs, 2);
    assert_true(doc.bytes.size <= doc.bytes.capacity);
    ASSERT_SLICE("_s." LONGER, doc.rec.xattrs[0].name);
    ASSERT_SLICE("_s.`" LONGER "`", doc.rec.xattrs[1].name);
    ASSERT_SLICE("1", doc.rec.xattrs[1].value);
}

static void as_many_as_64_names_are_looked_up(void **state)
{
    (void)state;
    segue_slice names[SEGUE_XATTRS_MAX];
    char texts[COUNT(names)][16];
    SEG_AUTO(segue_doc) doc = {0};
    for (size_t i = 0; i < COUNT(names); i++) {
        (void)snprintf(texts[i], sizeof texts[i], "_s.n%zu", i); /* fits */
        names[i] = K(texts[i]);
    }
    names[SEGUE_XATTRS_MAX - 1] = K("$document.revid");
    fill(&doc);
    ASSERT_OK(seg_doc_select(&doc, names, SEGUE_XATTRS_MAX, &call_));
    assert_int_equal(doc.rec.n_xattrs, 1);
    ASSERT_SLICE("\"3\"", doc.rec.xattrs[0].value);
    for (size_t i = 0; i < COUNT(names); i++) names[i] = K("u"); /* those that allocate nothing */
    fill(&doc);
    ASSERT_OK(seg_doc_select(&doc, names, COUNT(names), &call_));
    assert_int_equal(doc.rec.n_xattrs, 1);
}

static void what_leads_nowhere_leaves_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *names;
        segue_status want;
        const char *part;
    } rows[] = {
        {"u,_s.d", SEGUE_PATH_AMBIGUOUS, "path \"_s.d\": component 2, \"d\", stands twice"},
        {"u,u.x", SEGUE_PATH_MISMATCH, "path \"u.x\": component 2, \"x\", leads into what is no object"},
    };
    SEG_AUTO(segue_doc) doc = {0};
    segue_slice names[SEGUE_XATTRS_MAX];
    for (size_t i = 0; i < COUNT(rows); i++) {
        fill(&doc);
        segue_status st = seg_doc_select(&doc, names, names_of(rows[i].names, names), &call_);
        expect_refused(&doc, rows[i].want, rows[i].part, st, rows[i].names);
    }
}

/* What another program has stored. All of it can be read, no place in it. */
static void an_xattr_that_is_no_json_has_no_places(void **state)
{
    (void)state;
    segue_xattr slot = {K("_s"), K("{a:1}")};
    segue_record rec = {.key = K("k"), .body = K("{a:1}"), .xattrs = &slot, .n_xattrs = 1};
    const segue_slice whole[] = {K("_s"), K("$document.revid")}, place = K("_s.a");
    segue_slice json = K("untouched");
    SEG_AUTO(segue_doc) doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    ASSERT_OK(seg_doc_select(&doc, whole, 2, &call_));
    ASSERT_SLICE("{a:1}", doc.rec.xattrs[1].value);
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    segue_status st = seg_doc_select(&doc, &place, 1, &call_);
    expect_refused(&doc, SEGUE_NOT_JSON, "xattr \"_s\" is not valid JSON: error at byte 1", st, "an xattr");
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    st = seg_doc_select_one(&doc, SEGUE_IN_BODY, K("a"), &json, &call_);
    expect_refused(&doc, SEGUE_NOT_JSON, "the body of \"k\" is not valid JSON: error at byte 1", st, "the body");
    ASSERT_SLICE("untouched", json);
}

/* ---- one place ---- */

static void one_place_is_found_or_the_document_is_empty(void **state)
{
    (void)state;
    static const struct {
        segue_path_in in;
        const char *path;
        segue_status want;
        const char *out; /* the value, or a part of the sentence */
    } rows[] = {
        {SEGUE_IN_BODY, "b", SEGUE_OK, "2"},
        {SEGUE_IN_BODY, "c", SEGUE_PATH_NOT_FOUND, "the body of \"key\": path \"c\": component 1"},
        {SEGUE_IN_BODY, "b.", SEGUE_INVALID_PATH, "the path \"b.\" is wrong at byte 2"},
        {SEGUE_IN_XATTR, "_s.a.b[0]", SEGUE_OK, "1"},
        {SEGUE_IN_XATTR, "u", SEGUE_OK, "[3]"},
        {SEGUE_IN_XATTR, "_s.x", SEGUE_PATH_NOT_FOUND, "\"key\" has no xattr with path \"_s.x\""},
        {SEGUE_IN_XATTR, "u.x", SEGUE_PATH_MISMATCH, "path \"u.x\""},
    };
    SEG_AUTO(segue_doc) doc = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        segue_slice json = K("untouched");
        fill(&doc);
        segue_status st = seg_doc_select_one(&doc, rows[i].in, K(rows[i].path), &json, &call_);
        if (rows[i].want == SEGUE_OK) {
            ASSERT_OK(st);
            ASSERT_SLICE(rows[i].out, json);
            ASSERT_SLICE("key", doc.rec.key);
            fill(&doc);
            ASSERT_OK(seg_doc_select_one(&doc, rows[i].in, K(rows[i].path), NULL, &call_)); /* is it there? */
        } else {
            expect_refused(&doc, rows[i].want, rows[i].out, st, rows[i].path);
            ASSERT_SLICE("untouched", json);
        }
    }
}

static void a_path_to_read_is_checked_by_itself(void **state)
{
    (void)state;
    static const struct {
        int in;
        const char *path;
        segue_status want;
        const char *part;
    } rows[] = {
        {SEGUE_IN_BODY, "a.b", SEGUE_OK, ""},
        {SEGUE_IN_BODY, "$x", SEGUE_OK, ""},
        {SEGUE_IN_XATTR, "_s.a", SEGUE_OK, ""},
        {SEGUE_IN_XATTR, "$document.CAS", SEGUE_OK, ""},
        {SEGUE_IN_XATTR, "$document", SEGUE_OK, ""},
        {SEGUE_IN_BODY, "a.", SEGUE_INVALID_PATH, "byte 2"},
        {SEGUE_IN_XATTR, "$document.", SEGUE_INVALID_PATH, "byte 10"},
        {SEGUE_IN_XATTR, "$documents", SEGUE_INVALID_XATTR_NAME, "virtual xattrs"},
        {SEGUE_IN_XATTR, "`_s`", SEGUE_INVALID_PATH, "plain name of an xattr"},
        {2, "a", SEGUE_INVALID_ARGUMENT, "into the body or into an xattr"},
        {-1, "a", SEGUE_INVALID_ARGUMENT, "into the body or into an xattr"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(&err, 0, sizeof err);
        segue_status st = seg_selection_check((segue_path_in)rows[i].in, K(rows[i].path), &call_);
        if (st != rows[i].want || err.status != st || !strstr(err.message, rows[i].part))
            fail_msg("%s: %s: %s", rows[i].path, segue_status_name(st), err.message);
    }
    ASSERT_STATUS(SEGUE_INVALID_PATH, seg_selection_check(SEGUE_IN_XATTR, (segue_slice){NULL, 0}, &call_));
    ASSERT_STATUS(SEGUE_INVALID_PATH, seg_selection_check(SEGUE_IN_BODY, (segue_slice){NULL, 0}, &call_));
}

/* ---- memory ---- */

/* Of a document without xattrs, so that there are no slots for what is chosen. */
static segue_status select_virtual(void *ctx)
{
    (void)ctx;
    const segue_slice names[] = {K("$document.revid"), K("$document.deleted")};
    segue_record rec = {.key = K("key"), .body = K("1"), .cas = 70, .revision = 3};
    SEG_AUTO(segue_doc) doc = {0};
    char shown[SHOWN_MAX];
    segue_status st = segue_doc_assign(&doc, &rec);
    if (st != SEGUE_OK) return st;
    memset(&err, 0, sizeof err);
    st = seg_doc_select(&doc, names, COUNT(names), &call_);
    if (st != SEGUE_OK)
        return is_empty(&doc) && strstr(err.message, "out of memory for the xattrs") ? st : SEGUE_CORRUPT;
    bool right = strcmp(show_xattrs(&doc.rec, shown), "$document.deleted=false\n$document.revid=\"3\"\n") == 0;
    return right ? SEGUE_OK : SEGUE_CORRUPT;
}

static void without_memory_it_says_so_and_holds_nothing(void **state)
{
    (void)state;
    test_fail_every_allocation(select_virtual, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_names_are_found_in_place),
        cmocka_unit_test(what_was_read_stays_right_when_the_document_moves),
        cmocka_unit_test(there_is_room_for_names_of_any_length),
        cmocka_unit_test(as_many_as_64_names_are_looked_up),
        cmocka_unit_test(what_leads_nowhere_leaves_nothing),
        cmocka_unit_test(an_xattr_that_is_no_json_has_no_places),
        cmocka_unit_test(one_place_is_found_or_the_document_is_empty),
        cmocka_unit_test(a_path_to_read_is_checked_by_itself),
        cmocka_unit_test(without_memory_it_says_so_and_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
