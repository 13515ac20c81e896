/* src/doc/record.c: what has expired, limits, sameness and digest, and documents that own what they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"
#include "doc/doc.h"
#include "support/memory.h"
#include "support/show.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

static segue_error err;
static segue_call call_ = {.err = &err};

static const segue_xattr xattrs[] = {{TEXT("_s"), TEXT("1")}, {TEXT("a"), TEXT("\"x\"")}, {TEXT("u"), TEXT("[2]")}};
static const segue_record whole = {.key = TEXT("key"),
                                   .body = TEXT("{}"),
                                   .xattrs = xattrs,
                                   .n_xattrs = 3,
                                   .cas = 7,
                                   .revision = 3,
                                   .write_id = 11,
                                   .expiry = 100,
                                   .flags = 5,
                                   .is_json = true};

static void is_shown(const segue_record *rec, const char *expected)
{
    char line[TEST_LINE];
    test_show(rec, line);
    if (strcmp(line, expected) != 0) fail_msg("\"%s\", expected \"%s\"", line, expected);
}

static void assigned(segue_doc *doc, const segue_record *rec)
{
    assert_int_equal(segue_doc_assign(doc, rec), SEGUE_OK);
}

/* ---- expiry ---- */

static void a_document_expires_in_its_second(void **state)
{
    (void)state;
    assert_true(seg_record_is_live(&whole, 99));
    assert_false(seg_record_is_live(&whole, 100));
    assert_false(seg_record_is_live(&whole, 101));
    segue_record rec = whole;
    rec.expiry = 0;
    assert_true(seg_record_is_live(&rec, UINT64_MAX));
    rec.expiry = UINT32_MAX;
    assert_true(seg_record_is_live(&rec, UINT32_MAX - UINT64_C(1)));
    assert_false(seg_record_is_live(&rec, UINT64_C(1) << 32));
    segue_record tombstone = {.key = TEXT("k"), .is_tombstone = true};
    assert_false(seg_record_is_live(&tombstone, 0));
}

static void an_expired_document_reads_as_its_tombstone(void **state)
{
    (void)state;
    segue_doc doc = {0};
    assigned(&doc, &whole);
    seg_doc_expire(&doc, 99);
    assert_true(seg_record_same(&doc.rec, &whole));
    seg_doc_expire(&doc, 100);
    assert_true(doc.rec.is_tombstone && !doc.rec.body.data && !doc.rec.is_json && doc.rec.expiry == 0);
    assert_true(doc.rec.cas == whole.cas && doc.rec.revision == whole.revision);
    assert_true(doc.rec.n_xattrs == 1 && segue_slice_equal(doc.rec.xattrs[0].name, xattrs[0].name));
    assert_int_equal(seg_record_check(&doc.rec, &call_), SEGUE_OK);
    seg_doc_expire(&doc, 100); /* again: it is one */
    assert_int_equal(doc.rec.n_xattrs, 1);
    segue_record no_system = whole;
    no_system.xattrs++;
    no_system.n_xattrs--;
    assigned(&doc, &no_system);
    seg_doc_expire(&doc, 100);
    assert_true(doc.rec.n_xattrs == 0 && !doc.rec.xattrs);
    segue_doc_free(&doc);
}

static void a_tombstone_of_an_expired_document_has_no_flags(void **state)
{
    (void)state; /* as one that was deleted */
    segue_doc doc = {0};
    assigned(&doc, &whole);
    seg_doc_expire(&doc, 100);
    is_shown(&doc.rec, "T _s=1");
    segue_doc_free(&doc);
}

/* ---- limits ---- */

static void keys_have_limits(void **state)
{
    (void)state;
    char big[SEGUE_KEY_MAX + 1];
    memset(big, '\xff', sizeof big); /* any bytes but NUL */
    assert_int_equal(seg_key_check(segue_bytes(big, SEGUE_KEY_MAX), &call_), SEGUE_OK);
    assert_int_equal(seg_key_check(segue_bytes(big, 1), &call_), SEGUE_OK);
    assert_int_equal(seg_key_check(segue_bytes(big, SEGUE_KEY_MAX + 1), &call_), SEGUE_INVALID_KEY);
    assert_int_equal(seg_key_check(segue_bytes(big, 0), &call_), SEGUE_INVALID_KEY);
    assert_int_equal(seg_key_check((segue_slice){NULL, 0}, &call_), SEGUE_INVALID_KEY);
    big[3] = 0;
    assert_int_equal(seg_key_check(segue_bytes(big, 5), &call_), SEGUE_INVALID_KEY);
    assert_int_equal(seg_key_check(segue_bytes(big, 3), &call_), SEGUE_OK);
}

static void xattr_names_have_limits(void **state)
{
    (void)state;
    static const struct {
        segue_slice name;
        segue_status status;
    } rows[] = {
        {TEXT("a"), SEGUE_OK},
        {TEXT("_"), SEGUE_OK},
        {TEXT("123456789012345"), SEGUE_OK},
        {TEXT("\xc3\xa9"), SEGUE_OK},
        {TEXT(""), SEGUE_INVALID_XATTR_NAME},
        {TEXT("1234567890123456"), SEGUE_INVALID_XATTR_NAME},
        {TEXT("a\0b"), SEGUE_INVALID_XATTR_NAME},
        {TEXT("\xc3"), SEGUE_INVALID_XATTR_NAME},
        {{NULL, 0}, SEGUE_INVALID_XATTR_NAME},
    };
    for (size_t i = 0; i < N(rows); i++) {
        segue_status st = seg_xattr_name_check(rows[i].name, &call_);
        if (st != rows[i].status) fail_msg("row %zu: %s", i, segue_status_name(st));
    }
    assert_true(seg_xattr_is_system((segue_slice)TEXT("_a")));
    assert_false(seg_xattr_is_system((segue_slice)TEXT("a_")));
    assert_false(seg_xattr_is_system((segue_slice)TEXT("")));
}

static void is_checked(const char *what, const segue_record *rec, segue_status expected)
{
    segue_status st = seg_record_check(rec, &call_);
    if (st != expected) fail_msg("%s: %s, expected %s", what, segue_status_name(st), segue_status_name(expected));
}

static void records_have_limits(void **state)
{
    (void)state;
    char *big = calloc(SEGUE_BODY_MAX + 1, 1);
    assert_non_null(big);
    segue_record rec = whole;
    is_checked("as it is", &rec, SEGUE_OK);
    rec.body = segue_bytes(big, SEGUE_BODY_MAX);
    is_checked("largest body", &rec, SEGUE_OK);
    rec.body.size++;
    is_checked("larger body", &rec, SEGUE_TOO_BIG);
    rec.body.data = NULL;
    rec.body.size = 0;
    is_checked("live without body", &rec, SEGUE_INVALID_ARGUMENT);
    rec.is_tombstone = true;
    is_checked("tombstone", &rec, SEGUE_OK);
    rec.body = whole.body;
    is_checked("tombstone with body", &rec, SEGUE_INVALID_ARGUMENT);
    rec = whole;
    rec.key.size = 0;
    is_checked("no key", &rec, SEGUE_INVALID_KEY);

    rec = whole;
    segue_xattr some[] = {{TEXT("_a"), {big, SEGUE_SYSTEM_XATTRS_MAX - 2}}, {TEXT("u"), TEXT("1")}};
    rec.xattrs = some;
    rec.n_xattrs = 2;
    is_checked("largest system xattr", &rec, SEGUE_OK);
    some[1].name = (segue_slice)TEXT("_b");
    is_checked("too large together", &rec, SEGUE_TOO_BIG);
    some[1] = (segue_xattr){TEXT("_a"), TEXT("1")};
    is_checked("a name twice", &rec, SEGUE_INVALID_ARGUMENT);
    some[1].name = (segue_slice)TEXT("A");
    is_checked("out of order", &rec, SEGUE_INVALID_ARGUMENT);
    some[1] = (segue_xattr){TEXT("u"), {NULL, 0}};
    is_checked("no value", &rec, SEGUE_XATTR_VALUE_REQUIRED);
    some[1].value = segue_bytes(big, SEGUE_BODY_MAX + 1);
    is_checked("user xattr too large", &rec, SEGUE_TOO_BIG);
    some[1].value.size--;
    is_checked("largest user xattr", &rec, SEGUE_OK);
    some[1].name.size = 0;
    is_checked("no name", &rec, SEGUE_INVALID_XATTR_NAME);
    free(big);
}

/* ---- order, sameness, digest ---- */

static void xattrs_are_sorted_as_bytes(void **state)
{
    (void)state;
    segue_xattr some[] = {{TEXT("b"), TEXT("1")}, {TEXT("\xc3\xa9"), TEXT("2")}, {TEXT("a"), TEXT("3")},
                          {TEXT("_"), TEXT("4")}, {TEXT("aa"), TEXT("5")},       {TEXT("Z"), TEXT("6")}};
    assert_true(seg_xattrs_sort(some, N(some)));
    segue_record rec = {.xattrs = some, .n_xattrs = N(some), .is_tombstone = true};
    is_shown(&rec, "T Z=6,_=4,a=3,aa=5,b=1,\xc3\xa9=2");
    some[5].name = some[2].name;
    assert_false(seg_xattrs_sort(some, N(some)));
    assert_true(seg_xattrs_sort(NULL, 0));
}

/* Each change makes another record; `content`: a client can see it; `digest`: the digest shows it. */
typedef struct change {
    const char *what;
    segue_record rec;
    bool content, digest;
} change;

static size_t make_changes(change *out, segue_xattr other[3])
{
    size_t n = 0;
    memcpy(other, xattrs, sizeof xattrs);
    other[1].value = (segue_slice)TEXT("\"y\"");
#define CHANGE(name, is_content, field, value)                                                                         \
    do {                                                                                                               \
        out[n] = (change){name, whole, is_content, true};                                                              \
        out[n].rec.field = value;                                                                                      \
        n++;                                                                                                           \
    } while (0)
    CHANGE("cas", false, cas, 8);
    CHANGE("revision", false, revision, 4);
    CHANGE("body", true, body, ((segue_slice)TEXT("{ }")));
    CHANGE("expiry", true, expiry, 101);
    CHANGE("no expiry", true, expiry, 0);
    CHANGE("flags", true, flags, 4);
    CHANGE("json", true, is_json, false);
    CHANGE("tombstone", true, is_tombstone, true);
    CHANGE("fewer xattrs", true, n_xattrs, 2);
    CHANGE("xattr value", true, xattrs, other);
#undef CHANGE
    return n;
}

static void what_differs_is_not_the_same(void **state)
{
    (void)state;
    change changes[16];
    segue_xattr other[3];
    size_t n = make_changes(changes, other);
    seg_digest of_whole = seg_record_digest(&whole);
    segue_record copy = whole;
    copy.write_id = 12; /* Segue's own, no part of what is kept */
    assert_true(seg_record_same(&whole, &copy));
    seg_digest again = seg_record_digest(&copy);
    assert_true(again.low == of_whole.low && again.high == of_whole.high);
    for (size_t i = 0; i < n; i++) {
        seg_digest d = seg_record_digest(&changes[i].rec);
        if (seg_record_same(&whole, &changes[i].rec)) fail_msg("another %s is the same", changes[i].what);
        if (seg_record_same_content(&whole, &changes[i].rec) == changes[i].content)
            fail_msg("another %s: wrong about the content", changes[i].what);
        if (d.low == of_whole.low || d.high == of_whole.high)
            fail_msg("another %s has the same digest", changes[i].what);
    }
    copy.key = (segue_slice)TEXT("kez");
    seg_digest other_key = seg_record_digest(&copy);
    assert_true(other_key.low != of_whole.low);
}

static void the_digest_knows_where_one_field_ends(void **state)
{
    (void)state;
    segue_xattr ab[] = {{TEXT("a"), TEXT("bc")}}, abc[] = {{TEXT("ab"), TEXT("c")}};
    segue_record a = {.key = TEXT("k"), .body = TEXT("x"), .xattrs = ab, .n_xattrs = 1}, b = a;
    b.xattrs = abc;
    assert_true(seg_record_digest(&a).low != seg_record_digest(&b).low);
    b = a;
    b.key = (segue_slice)TEXT("kx");
    b.body = (segue_slice)TEXT("");
    assert_true(seg_record_digest(&a).low != seg_record_digest(&b).low);
}

/* ---- documents ---- */

static void a_document_owns_what_it_holds(void **state)
{
    (void)state;
    char body[] = "body", name[] = "n", value[] = "1", key[] = "k";
    segue_xattr x = {segue_str(name), segue_str(value)};
    segue_record rec = {.key = segue_str(key), .body = segue_str(body), .xattrs = &x, .n_xattrs = 1, .cas = 1};
    segue_doc doc = {0};
    assigned(&doc, &rec);
    memset(body, '?', 4);
    name[0] = value[0] = key[0] = '?';
    x = (segue_xattr){0};
    is_shown(&doc.rec, "Lbody n=1");
    assert_true(doc.rec.key.data[0] == 'k');
    segue_record empty = {.key = TEXT("k"), .body = TEXT("")}, tombstone = {.key = TEXT("k"), .is_tombstone = true};
    assigned(&doc, &empty);
    assert_true(doc.rec.body.data && doc.rec.body.size == 0 && doc.rec.n_xattrs == 0);
    assigned(&doc, &tombstone);
    assert_null(doc.rec.body.data);
    segue_doc_clear(&doc);
    assert_true(!doc.rec.key.data && doc.rec.cas == 0);
    segue_doc_free(&doc);
    segue_doc_free(&doc); /* legal */
    assert_null(doc.bytes.data);
}

static void a_document_may_be_assigned_from_itself(void **state)
{
    (void)state;
    segue_doc doc = {0};
    assigned(&doc, &whole);
    assigned(&doc, &doc.rec);
    assert_true(seg_record_same(&doc.rec, &whole));

    segue_record part = doc.rec; /* key, body and xattrs change places inside it */
    part.key = doc.rec.xattrs[2].value;
    part.body = doc.rec.key;
    part.xattrs = doc.rec.xattrs + 1;
    part.n_xattrs = 2;
    assigned(&doc, &part);
    is_shown(&doc.rec, "Lkey json a=\"x\",u=[2] exp=100 flags=5");
    assert_true(segue_slice_equal(doc.rec.key, (segue_slice)TEXT("[2]")));

    segue_xattr mine = {TEXT("m"), doc.rec.body}; /* only a value lies inside */
    segue_record larger = {.key = TEXT("larger"),
                           .body = TEXT("0123456789012345678901234567890123456789"),
                           .xattrs = &mine,
                           .n_xattrs = 1};
    doc.source = SEGUE_FROM_FALLBACK;
    assigned(&doc, &larger);
    is_shown(&doc.rec, "L0123456789012345678901234567890123456789 m=key");
    assert_int_equal(doc.source, SEGUE_FROM_FALLBACK);
    segue_doc_free(&doc);
}

/* ---- memory ---- */

static segue_status assign_again(void *doc)
{
    segue_record smaller = whole;
    smaller.n_xattrs = 1;
    segue_status st = segue_doc_assign(doc, &smaller);
    for (int i = 0; i < 10 && st == SEGUE_OK; i++) st = segue_doc_assign(doc, &whole);
    segue_doc_clear(doc);
    if (st == SEGUE_OK) st = segue_doc_assign(doc, &whole);
    return st;
}

static void a_document_that_is_large_enough_allocates_nothing(void **state)
{
    (void)state;
    segue_doc doc = {0};
    assigned(&doc, &whole);
    assert_int_equal(test_count_allocations(assign_again, &doc), 0);
    assert_true(seg_record_same(&doc.rec, &whole));
    segue_doc_free(&doc);
}

static segue_status assign_new(void *ctx)
{
    (void)ctx;
    segue_doc doc = {0};
    segue_status st = segue_doc_assign(&doc, &whole);
    if (st != SEGUE_OK && (doc.rec.key.data || doc.rec.n_xattrs || doc.rec.cas)) st = SEGUE_CORRUPT; /* half of it */
    if (st == SEGUE_OK) st = segue_doc_assign(&doc, &doc.rec);
    if (st != SEGUE_OK && (doc.rec.key.data || doc.rec.n_xattrs || doc.rec.cas)) st = SEGUE_CORRUPT;
    segue_doc_free(&doc);
    return st;
}

static segue_status fill_page(void *ctx)
{
    (void)ctx;
    segue_page page = {.max_docs = 20, .max_bytes = SIZE_MAX};
    segue_status st = SEGUE_OK;
    bool full = false;
    for (size_t i = 0; i < 20 && st == SEGUE_OK; i++) {
        size_t before = page.n;
        st = segue_page_add(&page, &whole, &full);
        if (st != SEGUE_OK && page.n != before) st = SEGUE_CORRUPT;
    }
    if (st == SEGUE_OK && (!full || page.n != 20 || !seg_record_same(&page.docs[19].rec, &whole))) st = SEGUE_CORRUPT;
    segue_page_free(&page);
    return st;
}

static void running_out_of_memory_leaves_an_empty_document(void **state)
{
    (void)state;
    test_fail_every_allocation(assign_new, NULL);
    test_fail_every_allocation(fill_page, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_expires_in_its_second),
        cmocka_unit_test(an_expired_document_reads_as_its_tombstone),
        cmocka_unit_test(a_tombstone_of_an_expired_document_has_no_flags),
        cmocka_unit_test(keys_have_limits),
        cmocka_unit_test(xattr_names_have_limits),
        cmocka_unit_test(records_have_limits),
        cmocka_unit_test(xattrs_are_sorted_as_bytes),
        cmocka_unit_test(what_differs_is_not_the_same),
        cmocka_unit_test(the_digest_knows_where_one_field_ends),
        cmocka_unit_test(a_document_owns_what_it_holds),
        cmocka_unit_test(a_document_may_be_assigned_from_itself),
        cmocka_unit_test(a_document_that_is_large_enough_allocates_nothing),
        cmocka_unit_test(running_out_of_memory_leaves_an_empty_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
