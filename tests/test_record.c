/* Records and documents: copies that own their bytes, pages, expiry at reading (B4), limits (B9), sameness and digests. */
#include "records.h"

enum { NOW = 1000 };

/* ---- documents ---- */

static segue_xattr some_xattrs[2];

static segue_record some_record(void)
{
    some_xattrs[0] = (segue_xattr){K("_s"), K("{\"a\":1}")};
    some_xattrs[1] = (segue_xattr){K("u"), K("2")};
    return (segue_record){.key = K("key"),
                          .body = K("{\"b\":2}"),
                          .xattrs = some_xattrs,
                          .n_xattrs = 2,
                          .cas = 70,
                          .revision = 3,
                          .write_id = 9,
                          .expiry = 2000,
                          .flags = 5,
                          .is_json = true};
}

static bool is_in(const segue_doc *doc, segue_slice slice)
{
    return slice.data >= doc->bytes.data && slice.data + slice.size <= doc->bytes.data + doc->bytes.size;
}

static void assert_equal_records(const segue_record *want, const segue_record *got, int line)
{
    char a[SHOWN_MAX], b[SHOWN_MAX];
    if (!seg_record_same(want, got) || want->write_id != got->write_id || !segue_slice_equal(want->key, got->key))
        fail_msg("line %d: %s, expected %s", line, show_record(got, b), show_record(want, a));
}
#define ASSERT_RECORD(want, got) assert_equal_records((want), (got), __LINE__)

static void a_document_owns_a_copy_of_everything(void **state)
{
    (void)state;
    segue_record rec = some_record();
    SEG_AUTO(segue_doc) doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    ASSERT_RECORD(&rec, &doc.rec);
    assert_true(is_in(&doc, doc.rec.key) && is_in(&doc, doc.rec.body));
    for (size_t i = 0; i < 2; i++)
        assert_true(is_in(&doc, doc.rec.xattrs[i].name) && is_in(&doc, doc.rec.xattrs[i].value));
    assert_ptr_equal(doc.rec.xattrs, doc.slots);
}

static void an_empty_body_is_not_no_body(void **state)
{
    (void)state;
    segue_record empty = {.key = K("k"), .body = segue_bytes("", 0)}, none = {.key = K("k"), .is_tombstone = true};
    SEG_AUTO(segue_doc) doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &empty));
    assert_non_null(doc.rec.body.data);
    assert_int_equal(doc.rec.body.size, 0);
    ASSERT_OK(segue_doc_assign(&doc, &none));
    assert_null(doc.rec.body.data);
    segue_record nothing = {.body = segue_bytes("", 0)}; /* not a byte in it, into memory that was never allocated */
    SEG_AUTO(segue_doc) fresh = {0};
    ASSERT_OK(segue_doc_assign(&fresh, &nothing));
    assert_non_null(fresh.rec.body.data);
}

static void reading_into_a_used_document_allocates_nothing(void **state)
{
    (void)state;
    segue_record large = some_record(), small = {.key = K("k"), .body = K("1"), .cas = 1},
                 bare = {.is_tombstone = true};
    const segue_record *rows[] = {&small, &large, &bare, &large};
    segue_doc doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &large));
    memory_begin(1);
    segue_status st = SEGUE_OK;
    bool same = true;
    for (size_t i = 0; i < 400 && st == SEGUE_OK; i++) {
        if (i % 3 == 0) segue_doc_clear(&doc);
        st = segue_doc_assign(&doc, rows[i % COUNT(rows)]);
        same = same && seg_record_same(rows[i % COUNT(rows)], &doc.rec);
    }
    size_t asked = memory_end();
    segue_doc_free(&doc);
    ASSERT_OK(st);
    assert_true(same);
    assert_int_equal(asked, 0);
}

/* Any part of the record may lie in the document that it is copied to. */
static void a_record_may_be_part_of_the_document(void **state)
{
    (void)state;
    segue_record rec = some_record();
    for (unsigned part = 0; part < 5; part++) {
        SEG_AUTO(segue_doc) doc = {0};
        ASSERT_OK(segue_doc_assign(&doc, &rec));
        doc.source = SEGUE_FROM_PRIMARY;
        segue_record mine = rec;
        segue_xattr mixed[2] = {rec.xattrs[0], rec.xattrs[1]};
        mine.xattrs = mixed;
        if (part == 0) mine = doc.rec;
        if (part == 1) mine.key = doc.rec.key;
        if (part == 2) mine.body = doc.rec.body;
        if (part == 3) mine.xattrs = doc.rec.xattrs;
        if (part == 4) mixed[1].value = doc.rec.xattrs[1].value;
        mine.cas = 71;
        ASSERT_OK(segue_doc_assign(&doc, &mine));
        rec.cas = 71;
        ASSERT_RECORD(&rec, &doc.rec);
        rec.cas = 70;
        assert_int_equal(doc.source, SEGUE_FROM_PRIMARY);
    }
    /* A piece of its own body, at another place. */
    SEG_AUTO(segue_doc) doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    segue_record piece = {.key = K("longer than the old key"), .body = {doc.rec.body.data + 1, 3}};
    ASSERT_OK(segue_doc_assign(&doc, &piece));
    ASSERT_SLICE("\"b\"", doc.rec.body);
    ASSERT_SLICE("longer than the old key", doc.rec.key);
}

/* One part of the document goes on in a record that is too large for it, so that its memory must move. */
static void a_part_of_the_document_survives_its_growth(void **state)
{
    (void)state;
    char more[300];
    memset(more, 'm', sizeof more);
    moving_begin();
    for (unsigned part = 0; part < 5; part++) {
        SEG_AUTO(segue_doc) doc = {0};
        segue_record rec = some_record(), want = rec;
        ASSERT_OK(segue_doc_assign(&doc, &rec));
        segue_xattr mixed[2] = {rec.xattrs[0], rec.xattrs[1]};
        if (part) want.key = segue_bytes(more, 200);
        else want.body = segue_bytes(more, sizeof more);
        segue_record mine = want;
        mine.xattrs = mixed;
        if (part == 0) mine.key = doc.rec.key;
        if (part == 1) mine.body = doc.rec.body;
        if (part == 2) mixed[0].name = doc.rec.xattrs[0].name;
        if (part == 3) mixed[0].value = doc.rec.xattrs[0].value;
        if (part == 4) mine.xattrs = doc.rec.xattrs;
        ASSERT_OK(segue_doc_assign(&doc, &mine));
        ASSERT_RECORD(&want, &doc.rec);
    }
    moving_end();
}

static void a_copy_that_fails_leaves_an_empty_document(void **state)
{
    (void)state;
    segue_record rec = some_record(), small = {.key = K("k"), .body = K("1"), .cas = 1};
    char body[500] = {0};
    size_t asked = 2; /* its bytes and its xattrs */
    rec.body = segue_bytes(body, sizeof body);
    for (size_t nth = 1; nth <= asked; nth++) {
        segue_doc doc = {0};
        ASSERT_OK(segue_doc_assign(&doc, &small));
        memory_begin(nth);
        segue_status st = segue_doc_assign(&doc, &rec);
        (void)memory_end();
        bool empty = !doc.rec.key.data && !doc.rec.body.data && doc.rec.cas == 0 && doc.rec.n_xattrs == 0;
        segue_status again = segue_doc_assign(&doc, &rec); /* it is as usable as before */
        bool right = seg_record_same(&doc.rec, &rec);
        segue_doc_free(&doc);
        if (st != SEGUE_NO_MEMORY || !empty) fail_msg("allocation %zu: %s", nth, segue_status_name(st));
        ASSERT_OK(again);
        assert_true(right);
    }
    /* And when it is copied from itself, which needs memory of its own. */
    for (size_t nth = 1; nth <= asked; nth++) {
        segue_doc doc = {0};
        ASSERT_OK(segue_doc_assign(&doc, &rec));
        memory_begin(nth);
        segue_status st = segue_doc_assign(&doc, &doc.rec);
        (void)memory_end();
        bool empty = !doc.rec.key.data && !doc.rec.body.data && doc.rec.cas == 0 && doc.rec.n_xattrs == 0;
        segue_doc_free(&doc);
        if (st != SEGUE_NO_MEMORY || !empty) fail_msg("from itself, allocation %zu: %s", nth, segue_status_name(st));
    }
}

static void clear_forgets_and_free_is_legal_on_nothing(void **state)
{
    (void)state;
    segue_record rec = some_record();
    segue_doc doc = {0}, never = {0};
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    doc.source = SEGUE_FROM_FALLBACK;
    segue_doc_clear(&doc);
    assert_null(doc.rec.key.data);
    ASSERT_U64(0, doc.rec.cas);
    assert_int_equal(doc.source, SEGUE_FROM_UNKNOWN);
    assert_non_null(doc.bytes.data); /* the memory is kept */
    assert_int_equal(doc.bytes.size, 0);
    segue_doc_free(&doc);
    assert_null(doc.bytes.data);
    assert_null(doc.slots);
    segue_doc_free(&doc);
    segue_doc_clear(&never);
    segue_doc_free(&never);
}

static void an_xattr_is_found_by_its_whole_name(void **state)
{
    (void)state;
    segue_record rec = some_record(), bare = {0};
    ASSERT_SLICE("2", segue_record_xattr(&rec, K("u"))->value);
    ASSERT_SLICE("{\"a\":1}", segue_record_xattr(&rec, K("_s"))->value);
    assert_null(segue_record_xattr(&rec, K("_")));
    assert_null(segue_record_xattr(&rec, K("_sy")));
    assert_null(segue_record_xattr(&rec, K("U")));
    assert_null(segue_record_xattr(&bare, K("u")));
}

/* ---- pages ---- */

static void a_page_is_full_by_number_or_by_bytes(void **state)
{
    (void)state;
    segue_record rec = {.key = K("k"), .body = K("123456789"), .cas = 1}; /* 10 bytes */
    bool full = true;
    segue_page page = {.max_docs = 3, .max_bytes = 1000};
    for (size_t i = 1; i <= 3; i++) {
        ASSERT_OK(segue_page_add(&page, &rec, &full));
        if (full != (i == 3)) fail_msg("full after %zu of 3 records: %d", i, full);
    }
    assert_int_equal(page.n, 3);
    assert_int_equal(page.n_bytes, 30);
    assert_int_equal(page.capacity, 3); /* no room for what can never come */
    page.max_bytes = 20;
    page.more = true;
    page.through = 70;
    segue_page_clear(&page);
    assert_int_equal(page.n, 0);
    assert_false(page.more);
    ASSERT_U64(0, page.through);
    ASSERT_OK(segue_page_add(&page, &rec, &full));
    assert_false(full);
    ASSERT_OK(segue_page_add(&page, &rec, &full));
    assert_true(full);
    segue_page_free(&page);
    assert_null(page.docs);
    assert_int_equal(page.max_docs, 3); /* what the caller set stays */
    segue_page_free(&page);
}

static void a_record_larger_than_a_page_fills_it(void **state)
{
    (void)state;
    segue_record rec = some_record();
    bool full = false;
    segue_page page = {.max_docs = 10, .max_bytes = 1};
    ASSERT_OK(segue_page_add(&page, &rec, &full));
    assert_true(full);
    ASSERT_RECORD(&rec, &page.docs[0].rec);
    segue_page_free(&page);
}

static segue_status fill(segue_page *page, size_t n)
{
    static const char *const keys[] = {"a", "bb", "ccc"};
    segue_page_clear(page);
    for (size_t i = 0; i < n; i++) {
        segue_record rec = some_record();
        bool full = false;
        rec.key = segue_str(keys[i % 3]);
        rec.cas = i + 1;
        segue_status st = segue_page_add(page, &rec, &full);
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

static void a_page_grows_and_is_used_again_without_allocating(void **state)
{
    (void)state;
    enum { MANY = 100 };
    segue_page page = {.max_docs = MANY, .max_bytes = 1 << 20};
    ASSERT_OK(fill(&page, MANY));
    for (size_t i = 0; i < MANY; i++) ASSERT_U64(i + 1, page.docs[i].rec.cas);
    memory_begin(1);
    segue_status st = fill(&page, MANY);
    size_t asked = memory_end();
    segue_page_free(&page);
    ASSERT_OK(st);
    assert_int_equal(asked, 0);
}

/* As much for each as its share of the bytes, and no division where there is none. */
static void a_page_keeps_the_memory_of_a_document_of_its_share(void **state)
{
    (void)state;
    static char large[100000];
    bool full = false;
    segue_page page = {.max_docs = 4, .max_bytes = 1 << 20};
    segue_record rec = some_record();
    rec.body = segue_bytes(large, sizeof large);
    ASSERT_OK(segue_page_add(&page, &rec, &full));
    segue_page_clear(&page);
    memory_begin(1);
    segue_status st = segue_page_add(&page, &rec, &full);
    size_t asked = memory_end();
    ASSERT_OK(st);
    assert_int_equal(asked, 0);
    page.max_docs = 0;
    segue_page_clear(&page);
    assert_int_equal(page.n, 0);
    assert_null(page.docs[0].bytes.data);
    segue_page_free(&page);
}

static void a_page_without_memory_keeps_what_it_has(void **state)
{
    (void)state;
    enum { SOME = 40 };
    segue_page page = {.max_docs = SOME, .max_bytes = 1 << 20};
    memory_begin(0);
    segue_status st = fill(&page, SOME);
    size_t asked = memory_end();
    segue_page_free(&page);
    ASSERT_OK(st);
    for (size_t nth = 1; nth <= asked; nth++) {
        memory_begin(nth);
        st = fill(&page, SOME);
        (void)memory_end();
        if (st != SEGUE_NO_MEMORY) fail_msg("allocation %zu of %zu: %s", nth, asked, segue_status_name(st));
        for (size_t i = 0; i < page.n; i++) ASSERT_U64(i + 1, page.docs[i].rec.cas);
        assert_true(page.n < SOME);
        segue_page_free(&page);
    }
}

/* ---- conditions (B1, B3) ---- */

static void a_condition_is_judged_by_the_cas_that_is_there(void **state)
{
    (void)state;
    static const struct {
        segue_if condition;
        segue_status none, same, other; /* where no record is; where its CAS is 70; another */
    } rows[] = {
        {SEGUE_IF_ANY, SEGUE_OK, SEGUE_OK, SEGUE_OK},
        {SEGUE_IF_ABSENT, SEGUE_OK, SEGUE_EXISTS, SEGUE_EXISTS},
        {SEGUE_IF_CAS, SEGUE_NOT_FOUND, SEGUE_OK, SEGUE_CAS_MISMATCH},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const segue_put put = {.condition = rows[i].condition, .if_cas = 70};
        segue_status none = seg_put_judge(&put, 0), same = seg_put_judge(&put, 70), other = seg_put_judge(&put, 71);
        if (none != rows[i].none || same != rows[i].same || other != rows[i].other)
            fail_msg("condition %zu: %s, %s, %s", i, segue_status_name(none), segue_status_name(same),
                     segue_status_name(other));
    }
    ASSERT_STATUS(SEGUE_NOT_FOUND, seg_erase_judge(70, 0));
    ASSERT_OK(seg_erase_judge(70, 70));
    ASSERT_STATUS(SEGUE_CAS_MISMATCH, seg_erase_judge(70, 71));
}

/* ---- expiry (B4) ---- */

static void it_expires_in_the_second_of_its_expiry(void **state)
{
    (void)state;
    segue_record rec = some_record();
    static const struct {
        uint32_t expiry;
        bool live;
    } rows[] = {{0, true}, {1, false}, {NOW - 1, false}, {NOW, false}, {NOW + 1, true}, {UINT32_MAX, true}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        rec.expiry = rows[i].expiry;
        if (seg_record_is_live(&rec, NOW) != rows[i].live) fail_msg("an expiry of %u at %d", rows[i].expiry, NOW);
    }
    segue_record tombstone = {.is_tombstone = true};
    assert_false(seg_record_is_live(&tombstone, NOW));
    rec.expiry = UINT32_MAX;
    assert_false(seg_record_is_live(&rec, UINT64_C(1) << 32));
}

static void an_expired_document_reads_as_its_tombstone(void **state)
{
    (void)state;
    segue_record rec = some_record();
    SEG_AUTO(segue_doc) doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    seg_doc_expire(&doc, 2000 - 1);
    ASSERT_RECORD(&rec, &doc.rec);
    seg_doc_expire(&doc, 2000);
    segue_record tombstone = {.key = rec.key,
                              .xattrs = rec.xattrs,
                              .n_xattrs = 1,
                              .is_tombstone = true,
                              .cas = rec.cas,
                              .revision = rec.revision,
                              .write_id = rec.write_id};
    ASSERT_RECORD(&tombstone, &doc.rec);
    assert_null(doc.rec.body.data);
    ASSERT_OK(seg_record_check(&doc.rec, NULL));
    seg_doc_expire(&doc, 3000); /* once is enough */
    ASSERT_RECORD(&tombstone, &doc.rec);
}

static void what_does_not_expire_stays(void **state)
{
    (void)state;
    segue_record rec = some_record(), tombstone = {.key = K("k"), .is_tombstone = true, .cas = 1};
    SEG_AUTO(segue_doc) doc = {0};
    rec.expiry = 0;
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    seg_doc_expire(&doc, UINT64_MAX);
    ASSERT_RECORD(&rec, &doc.rec);
    ASSERT_OK(segue_doc_assign(&doc, &tombstone));
    seg_doc_expire(&doc, UINT64_MAX);
    ASSERT_RECORD(&tombstone, &doc.rec);
}

static void no_user_xattr_outlives_its_document(void **state)
{
    (void)state;
    segue_record rec = some_record();
    SEG_AUTO(segue_doc) doc = {0};
    rec.xattrs = &some_xattrs[1];
    rec.n_xattrs = 1;
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    seg_doc_expire(&doc, 2000);
    assert_int_equal(doc.rec.n_xattrs, 0);
    assert_null(doc.rec.xattrs);
}

static void only_what_has_expired_is_reaped(void **state)
{
    (void)state;
    segue_record rec = some_record(), tombstone = {.key = K("k"), .is_tombstone = true, .cas = 1, .revision = 2};
    SEG_AUTO(segue_doc) doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    assert_false(seg_doc_reap(&doc, 2000 - 1));
    ASSERT_RECORD(&rec, &doc.rec);
    assert_true(seg_doc_reap(&doc, 2000));
    segue_record reaped = {.key = rec.key,
                           .xattrs = rec.xattrs,
                           .n_xattrs = 1,
                           .is_tombstone = true,
                           .cas = rec.cas,
                           .revision = rec.revision + 1,
                           .write_id = SEG_REAPED};
    ASSERT_RECORD(&reaped, &doc.rec);
    assert_false(seg_doc_reap(&doc, 3000)); /* once is enough */
    ASSERT_RECORD(&reaped, &doc.rec);
    ASSERT_OK(segue_doc_assign(&doc, &tombstone));
    assert_false(seg_doc_reap(&doc, UINT64_MAX));
    ASSERT_RECORD(&tombstone, &doc.rec);
}

/* ---- limits (B9) ---- */

static char large[SEGUE_BODY_MAX + 1];

/* Names the status and says why. */
static void assert_check(segue_status want, const segue_record *rec, const char *what)
{
    segue_error err = {0};
    segue_call call = {.err = &err, .env = segue_env_default()};
    segue_status st = seg_record_check(rec, &call);
    if (st != want) fail_msg("%s: %s, expected %s", what, segue_status_name(st), segue_status_name(want));
    if (st != SEGUE_OK && (err.status != st || !err.message[0])) fail_msg("%s: no sentence", what);
}

static void keys_have_1_to_250_bytes_and_no_nul(void **state)
{
    (void)state;
    segue_record rec = some_record();
    static const struct {
        segue_slice key;
        segue_status want;
    } rows[] = {
        {{large, 1}, SEGUE_OK},           {{large, 250}, SEGUE_OK},          {{"\xff\xfe", 2}, SEGUE_OK},
        {{large, 0}, SEGUE_INVALID_KEY},  {{large, 251}, SEGUE_INVALID_KEY}, {{NULL, 0}, SEGUE_INVALID_KEY},
        {{"a\0b", 3}, SEGUE_INVALID_KEY}, {{"\0", 1}, SEGUE_INVALID_KEY},
    };
    memset(large, 'x', sizeof large);
    for (size_t i = 0; i < COUNT(rows); i++) {
        segue_status st = seg_key_check(rows[i].key, NULL);
        if (st != rows[i].want) fail_msg("key %zu of %zu bytes: %s", i, rows[i].key.size, segue_status_name(st));
        rec.key = rows[i].key;
        assert_check(rows[i].want, &rec, "a record with such a key");
    }
}

static void xattr_names_have_1_to_15_bytes_of_utf8(void **state)
{
    (void)state;
    static const struct {
        segue_slice name;
        bool right;
    } rows[] = {
        {{"_", 1}, true},
        {{"_sync", 5}, true},
        {{"123456789012345", 15}, true},
        {{"\xc3\xa9", 2}, true},
        {{"", 0}, false},
        {{NULL, 0}, false},
        {{"a\0b", 3}, false},
        {{"\xc3", 1}, false},
        {{"\xff", 1}, false},
        {{"1234567890123456", 16}, false},
        {{"12345678901234\xc3\xa9", 16}, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        segue_status st = seg_xattr_name_check(rows[i].name, NULL), want = SEGUE_INVALID_XATTR_NAME;
        if (st != (rows[i].right ? SEGUE_OK : want)) fail_msg("name %zu: %s", i, segue_status_name(st));
        segue_xattr x = {rows[i].name, K("1")};
        segue_record rec = {.key = K("k"), .body = K("1"), .xattrs = &x, .n_xattrs = 1};
        assert_check(rows[i].right ? SEGUE_OK : want, &rec, "a record with such a name");
    }
    static const char *const paths[] = {"a.b", ".", "a[0]", "a]", "`a`", "a`"};
    segue_error err;
    segue_call call = {.err = &err, .env = segue_env_default()};
    for (size_t i = 0; i < COUNT(paths); i++) {
        memset(&err, 0, sizeof err);
        segue_status st = seg_xattr_name_check(K(paths[i]), &call);
        if (st != SEGUE_INVALID_XATTR_NAME || err.status != st || !strstr(err.message, "which make paths"))
            fail_msg("%s: %s: %s", paths[i], segue_status_name(st), err.message);
    }
    ASSERT_STATUS(SEGUE_INVALID_XATTR_NAME, seg_xattr_name_check(K("$document"), &call));
    assert_non_null(strstr(err.message, "virtual xattrs"));
    assert_true(seg_xattr_is_system(K("_a")) && seg_xattr_is_system(K("_")));
    assert_false(seg_xattr_is_system(K("a_")) || seg_xattr_is_system(K("")));
}

static void bodies_and_xattrs_end_at_their_limits(void **state)
{
    (void)state;
    segue_xattr xattrs[2] = {{K("_a"), K("1")}, {K("_b"), K("1")}};
    segue_record rec = {.key = K("k"), .body = {large, SEGUE_BODY_MAX}, .xattrs = xattrs, .n_xattrs = 2};
    memset(large, '1', sizeof large);
    assert_check(SEGUE_OK, &rec, "20 MiB");
    rec.body.size++;
    assert_check(SEGUE_TOO_BIG, &rec, "20 MiB and a byte");
    rec.body.size = 1;
    xattrs[1].value = segue_bytes(large, SEGUE_SYSTEM_XATTRS_MAX - 5);
    assert_check(SEGUE_OK, &rec, "1 MiB of system xattrs, names included");
    xattrs[1].value.size++;
    assert_check(SEGUE_TOO_BIG, &rec, "1 MiB and a byte of system xattrs");
    xattrs[1].name = K("u");
    assert_check(SEGUE_OK, &rec, "user xattrs do not count for that");
    xattrs[1].value = segue_bytes(large, SEGUE_BODY_MAX);
    assert_check(SEGUE_OK, &rec, "20 MiB of a user xattr");
    xattrs[1].value.size++;
    assert_check(SEGUE_TOO_BIG, &rec, "20 MiB and a byte of a user xattr");
}

static void a_record_has_at_most_64_xattrs(void **state)
{
    (void)state;
    char names[SEGUE_XATTRS_MAX + 1][4];
    segue_xattr xattrs[SEGUE_XATTRS_MAX + 1];
    for (size_t i = 0; i <= SEGUE_XATTRS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "x%02zu", i); /* fits */
        xattrs[i] = (segue_xattr){segue_str(names[i]), K("1")};
    }
    segue_record rec = {.key = K("k"), .body = K("1"), .xattrs = xattrs, .n_xattrs = SEGUE_XATTRS_MAX};
    assert_check(SEGUE_OK, &rec, "64 xattrs");
    rec.n_xattrs++;
    assert_check(SEGUE_TOO_BIG, &rec, "65 xattrs");
}

static void a_record_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    segue_xattr wrong_order[] = {{K("b"), K("1")}, {K("a"), K("1")}}, twice[] = {{K("a"), K("1")}, {K("a"), K("1")}};
    segue_xattr no_value[] = {{K("a"), {NULL, 0}}};
    segue_record rows[] = {
        {.key = K("k")},
        {.key = K("k"), .body = K("1"), .is_tombstone = true},
        {.key = K("k"), .body = K("1"), .xattrs = wrong_order, .n_xattrs = 2},
        {.key = K("k"), .body = K("1"), .xattrs = twice, .n_xattrs = 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++) assert_check(SEGUE_INVALID_ARGUMENT, &rows[i], "contradiction");
    static const char *const not_json[] = {"", "{", "1 2", "nul", "{\"a\":}"};
    for (size_t i = 0; i < COUNT(not_json); i++) {
        segue_xattr x = {K("_s"), K(not_json[i])};
        segue_record rec = {.key = K("k"), .body = K("1"), .xattrs = &x, .n_xattrs = 1};
        assert_check(SEGUE_INVALID_JSON, &rec, not_json[i]);
    }
    segue_record valueless = {.key = K("k"), .body = K("1"), .xattrs = no_value, .n_xattrs = 1};
    assert_check(SEGUE_XATTR_VALUE_REQUIRED, &valueless, "no value");
}

static void xattrs_are_sorted_by_bytes_and_a_name_twice_is_seen(void **state)
{
    (void)state;
    segue_xattr slots[SEGUE_XATTRS_MAX];
    char shown[SHOWN_MAX];
    size_t n = xattrs_of("u=1,_b=2,\xc3\xa9=3,ua=4,U=5,_=6", slots);
    assert_true(seg_xattrs_sort(slots, n));
    segue_record rec = {.xattrs = slots, .n_xattrs = n, .is_tombstone = true};
    assert_string_equal("T{U=5,_=6,_b=2,u=1,ua=4,\xc3\xa9=3}", show_record(&rec, shown));
    assert_true(seg_xattrs_sort(slots, 1));
    assert_true(seg_xattrs_sort(NULL, 0));
    n = xattrs_of("b=1,a=2,b=3", slots);
    assert_false(seg_xattrs_sort(slots, n));
}

/* ---- sameness and digests ---- */

typedef struct change {
    const char *what;
    void (*make)(segue_record *rec);
    bool content; /* it is seen by seg_record_same_content too */
} change;

static segue_xattr other_xattrs[2];

static void other_key(segue_record *r) { r->key = K("kez"); }
static void other_body(segue_record *r) { r->body = K("{\"b\":3}"); }
static void longer_body(segue_record *r) { r->body = K("{\"b\":2} "); }
static void other_cas(segue_record *r) { r->cas++; }
static void other_revision(segue_record *r) { r->revision++; }
static void other_expiry(segue_record *r) { r->expiry++; }
static void other_flags(segue_record *r) { r->flags++; }
static void other_json(segue_record *r) { r->is_json = !r->is_json; }
static void no_xattrs(segue_record *r) { r->n_xattrs = 0; }
static void one_xattr(segue_record *r) { r->n_xattrs = 1; }
static void swap_flags_and_expiry(segue_record *r)
{
    uint32_t flags = r->flags;
    r->flags = r->expiry;
    r->expiry = flags;
}
static void other_value(segue_record *r)
{
    memcpy(other_xattrs, r->xattrs, sizeof other_xattrs);
    other_xattrs[1].value = K("3");
    r->xattrs = other_xattrs;
}
static void other_name(segue_record *r)
{
    memcpy(other_xattrs, r->xattrs, sizeof other_xattrs);
    other_xattrs[1].name = K("v");
    r->xattrs = other_xattrs;
}
/* The same bytes one after the other, with the border elsewhere. */
static void other_border(segue_record *r)
{
    memcpy(other_xattrs, r->xattrs, sizeof other_xattrs);
    other_xattrs[1] = (segue_xattr){K("u2"), segue_bytes("", 0)};
    r->xattrs = other_xattrs;
}
static void a_tombstone(segue_record *r)
{
    r->is_tombstone = true;
    r->body = (segue_slice){NULL, 0};
}
static void an_empty_body(segue_record *r) { r->body = segue_bytes("", 0); }

static const change changes[] = {
    {"key", other_key, false},
    {"body", other_body, true},
    {"longer body", longer_body, true},
    {"CAS", other_cas, false},
    {"revision", other_revision, false},
    {"expiry", other_expiry, true},
    {"flags", other_flags, true},
    {"is-JSON", other_json, true},
    {"no xattrs", no_xattrs, true},
    {"one xattr", one_xattr, true},
    {"flags for expiry", swap_flags_and_expiry, true},
    {"xattr value", other_value, true},
    {"xattr name", other_name, true},
    {"border of an xattr", other_border, true},
    {"a tombstone", a_tombstone, true},
    {"an empty body", an_empty_body, true},
};

static bool same_digest(const segue_record *a, const segue_record *b)
{
    seg_digest x = seg_record_digest(a), y = seg_record_digest(b);
    return x.low == y.low && x.high == y.high;
}

static void every_difference_is_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        segue_record a = some_record(), b = a;
        changes[i].make(&b);
        bool key_only = changes[i].make == other_key;
        if (seg_record_same_content(&a, &b) == changes[i].content) fail_msg("content: %s", changes[i].what);
        if (seg_record_same(&a, &b) != key_only) fail_msg("same: %s", changes[i].what); /* keys are the caller's */
        if (same_digest(&a, &b)) fail_msg("digest: %s", changes[i].what);
    }
    segue_record empty = some_record(), tombstone = some_record();
    an_empty_body(&empty);
    a_tombstone(&tombstone);
    assert_false(seg_record_same_content(&empty, &tombstone) || same_digest(&empty, &tombstone));
}

static void where_the_bytes_lie_and_the_write_id_make_no_difference(void **state)
{
    (void)state;
    segue_record rec = some_record();
    SEG_AUTO(segue_doc) doc = {0};
    ASSERT_OK(segue_doc_assign(&doc, &rec));
    doc.rec.write_id++;
    assert_true(seg_record_same(&rec, &doc.rec));
    assert_true(same_digest(&rec, &doc.rec));
}

/* Digests are stored and read by other builds and machines: this one must never change. */
static void a_digest_is_the_same_for_ever(void **state)
{
    (void)state;
    segue_record rec = some_record();
    seg_digest digest = seg_record_digest(&rec);
    ASSERT_U64(UINT64_C(0xB7C6C61CBF796E3D), digest.low);
    ASSERT_U64(UINT64_C(0xB4A191FD182B8E51), digest.high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_owns_a_copy_of_everything),
        cmocka_unit_test(an_empty_body_is_not_no_body),
        cmocka_unit_test(reading_into_a_used_document_allocates_nothing),
        cmocka_unit_test(a_record_may_be_part_of_the_document),
        cmocka_unit_test(a_part_of_the_document_survives_its_growth),
        cmocka_unit_test(a_copy_that_fails_leaves_an_empty_document),
        cmocka_unit_test(clear_forgets_and_free_is_legal_on_nothing),
        cmocka_unit_test(an_xattr_is_found_by_its_whole_name),
        cmocka_unit_test(a_page_is_full_by_number_or_by_bytes),
        cmocka_unit_test(a_record_larger_than_a_page_fills_it),
        cmocka_unit_test(a_page_grows_and_is_used_again_without_allocating),
        cmocka_unit_test(a_page_keeps_the_memory_of_a_document_of_its_share),
        cmocka_unit_test(a_page_without_memory_keeps_what_it_has),
        cmocka_unit_test(a_condition_is_judged_by_the_cas_that_is_there),
        cmocka_unit_test(it_expires_in_the_second_of_its_expiry),
        cmocka_unit_test(an_expired_document_reads_as_its_tombstone),
        cmocka_unit_test(what_does_not_expire_stays),
        cmocka_unit_test(no_user_xattr_outlives_its_document),
        cmocka_unit_test(only_what_has_expired_is_reaped),
        cmocka_unit_test(keys_have_1_to_250_bytes_and_no_nul),
        cmocka_unit_test(xattr_names_have_1_to_15_bytes_of_utf8),
        cmocka_unit_test(bodies_and_xattrs_end_at_their_limits),
        cmocka_unit_test(a_record_has_at_most_64_xattrs),
        cmocka_unit_test(a_record_that_contradicts_itself_is_refused),
        cmocka_unit_test(xattrs_are_sorted_by_bytes_and_a_name_twice_is_seen),
        cmocka_unit_test(every_difference_is_seen),
        cmocka_unit_test(where_the_bytes_lie_and_the_write_id_make_no_difference),
        cmocka_unit_test(a_digest_is_the_same_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
