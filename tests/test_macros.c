/* Macros, virtual xattrs and paths into xattrs, through stores: with and without a native slot for mutations, over files, and
 * through a dual store. */
#include "records.h"

#include <segue/ops.h>

#include "support/bucket.h"
#include "support/memory.h"
#include "support/show.h"

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

static segue_error err;
static const segue_slice k = TEXT("k"), body = TEXT("{\"foo\": 1}");

static void must(segue_status want, segue_status got, const char *what, int line)
{
    if (got != want)
        fail_msg("line %d: %s: %s (%s), expected %s", line, what, segue_status_name(got), err.message,
                 segue_status_name(want));
}
#define IS(status, call) must(SEGUE_##status, (call), #call, __LINE__)

static segue_store *open_store(const char *url)
{
    segue_store *s = NULL;
    if (segue_open(url, NULL, &s, &err) != SEGUE_OK) fail_msg("%s: %s", url, err.message);
    return s;
}

static void shows(segue_store *s, const char *want, int line)
{
    segue_doc doc = {0};
    char shown[TEST_LINE];
    segue_status st = segue_get_record(s, k, NULL, &doc, &err);
    test_show(st == SEGUE_OK ? &doc.rec : NULL, shown);
    segue_doc_free(&doc);
    if (strcmp(shown, want) != 0)
        fail_msg("line %d: %s: \"%s\", expected \"%s\"", line, segue_store_url(s), shown, want);
}
#define SHOWS(want) shows(s, want, __LINE__)

/* ---- the vectors ---- */

static void the_cas_is_written_byte_by_byte_from_the_lowest(void **state)
{
    (void)state;
    char text[] = "{\"c\":\"0x0000000000000000\"}";
    segue_xattr x = {K("_s"), segue_bytes(text, sizeof text - 1)};
    segue_record rec = {.xattrs = &x, .n_xattrs = 1};
    segue_cas_place place = {0, 8};
    segue_expand_cas(&rec, &place, 1, 0x17f2a3b4c5d6e7f8);
    assert_string_equal(text, "{\"c\":\"0xf8e7d6c5b4a3f217\"}");
    segue_expand_cas(&rec, &place, 1, 0x97f2a3b4c5d6e7f8); /* bit 63 is the mark of a token, and not stored */
    assert_string_equal(text, "{\"c\":\"0xf8e7d6c5b4a3f217\"}");
    segue_expand_cas(&rec, &place, 1, 1);
    assert_string_equal(text, "{\"c\":\"0x0100000000000000\"}");
}

static void the_crc_is_that_of_the_reference(void **state)
{
    (void)state;
    assert_int_equal(seg_crc32c(body), 0xe9a4f542);
    assert_int_equal(seg_crc32c(K("123456789")), 0xe3069283);
    assert_int_equal(seg_crc32c(K("")), 0);
}

/* ---- macros ---- */

static const char *expanded(uint64_t cas, char out[32])
{
    size_t n = 0;
    out[n++] = '0', out[n++] = 'x';
    for (int i = 0; i < 8; i++) n += (size_t)snprintf(out + n, 32 - n, "%02x", (unsigned)(cas >> (8 * i) & 0xff));
    return out;
}

#define CAS(text)                                                                                                      \
    {                                                                                                                  \
        TEXT(text), SEGUE_MACRO_CAS                                                                                    \
    }
#define CRC(text)                                                                                                      \
    {                                                                                                                  \
        TEXT(text), SEGUE_MACRO_BODY_CRC32C                                                                            \
    }

static void macros_show_what_was_stored(segue_store *s)
{
    static const segue_xattr set[] = {{TEXT("_b"), TEXT("5")}, {TEXT("_s"), TEXT("{\"cas\":\"\",\"n\":1}")}};
    static const segue_macro macros[] = {CAS("_s.cas"), CRC("_s.crc"), CAS("_s.more")};
    segue_mutation m = {
        .body_op = SEGUE_BODY_SET, .body = body, .set_xattrs = set, .n_set_xattrs = 2, .macros = macros, .n_macros = 3};
    segue_doc doc = {0};
    segue_outcome out;
    char want[TEST_LINE], cas[32];
    for (int i = 0; i < 3; i++) {
        IS(OK, segue_mutate(s, k, &m, NULL, &out, &doc, &err));
        (void)snprintf(want, sizeof want,
                       "L{\"foo\": 1} _b=5,_s={\"cas\":\"%s\",\"n\":1,\"crc\":\"0xe9a4f542\",\"more\":\"%s\"}",
                       expanded(out.cas & INT64_MAX, cas), cas);
        char shown[TEST_LINE];
        test_show(&doc.rec, shown);
        char *json = strstr(shown, " json"); /* found out by itself */
        assert_non_null(json);
        memmove(json, json + 5, strlen(json + 5) + 1);
        assert_string_equal(shown, want);
        ASSERT_U64(out.cas, doc.rec.cas);
        segue_doc stored = {0};
        IS(OK, segue_get(s, k, NULL, &stored, &err));
        assert_true(seg_record_same(&stored.rec, &doc.rec));
        segue_doc_free(&stored);
    }
    /* In an xattr that the write does not name; a deletion has no body. */
    static const segue_macro crc[] = {CRC("_s.crc")};
    segue_mutation gone = {.body_op = SEGUE_BODY_DELETE, .macros = crc, .n_macros = 1};
    IS(OK, segue_mutate(s, k, &gone, NULL, &out, &doc, &err));
    assert_non_null(strstr(doc.rec.xattrs[1].value.data, "\"crc\":\"0x00000000\""));
    segue_doc_free(&doc);
}

static void a_macro_that_has_no_place_changes_nothing(segue_store *s)
{
    static const segue_xattr set[] = {{TEXT("_s"), TEXT("{\"a\":1,\"o\":{}}")}};
    static const struct {
        segue_macro macros[2];
        size_t n;
        segue_status want;
    } rows[] = {
        {{CAS("_s.x.y")}, 1, SEGUE_PATH_NOT_FOUND},
        {{CAS("_none.x")}, 1, SEGUE_PATH_NOT_FOUND},
        {{CAS("_s.a.y")}, 1, SEGUE_PATH_MISMATCH},
        {{CAS("_s")}, 1, SEGUE_INVALID_PATH},
        {{CAS("_s.")}, 1, SEGUE_INVALID_PATH},
        {{CAS("$document.CAS")}, 1, SEGUE_INVALID_XATTR_NAME},
        {{CAS("_s.x"), CRC("_s.x")}, 2, SEGUE_INVALID_ARGUMENT},
        {{CAS("_s.x"), CRC("_s.`x`")}, 2, SEGUE_INVALID_ARGUMENT},
        {{CAS("_s.o"), CAS("_s.o.p")}, 2, SEGUE_PATH_MISMATCH},
        {{CAS("_s.o.p"), CRC("_s.o")}, 2, SEGUE_INVALID_ARGUMENT},
        {{CRC("_s.o.p"), CAS("_s.o")}, 2, SEGUE_INVALID_ARGUMENT},
        {{CAS("_s.o.p"), CAS("_s.o")}, 2, SEGUE_INVALID_ARGUMENT},
        {{CRC("_s.x"), CAS("_s.`x`")}, 2, SEGUE_INVALID_ARGUMENT},
        {{{TEXT("_s.x"), (segue_macro_kind)7}}, 1, SEGUE_INVALID_ARGUMENT},
    };
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = body, .set_xattrs = set, .n_set_xattrs = 1};
    segue_doc before = {0}, after = {0};
    IS(OK, segue_mutate(s, k, &m, NULL, NULL, NULL, &err));
    IS(OK, segue_get(s, k, NULL, &before, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        m.macros = rows[i].macros;
        m.n_macros = rows[i].n;
        m.body = K("2");
        segue_status st = segue_mutate(s, k, &m, NULL, NULL, NULL, &err);
        if (st != rows[i].want) fail_msg("row %zu: %s: %s", i, segue_status_name(st), err.message);
        IS(OK, segue_get(s, k, NULL, &after, &err));
        if (!seg_record_same(&before.rec, &after.rec)) fail_msg("row %zu: it changed", i);
    }
    segue_doc_free(&before);
    segue_doc_free(&after);
}

/* A callback that is called again, because somebody is faster once; options and callback both ask for a macro. */
typedef struct racing {
    segue_store *store;
    unsigned calls;
} racing;

static const segue_xattr racing_set[] = {{TEXT("_s"), TEXT("{\"n\":1}")}};
static const segue_macro of_callback[] = {CRC("_s.crc")};

static segue_status race(void *ctx, const segue_record *current, segue_updated *updated)
{
    racing *r = ctx;
    (void)current;
    if (r->calls++ == 0) IS(OK, segue_set(r->store, k, K("3"), segue_expiry_none(), NULL, NULL, &err));
    updated->write.body = body;
    updated->write.set = racing_set;
    updated->write.n_set = 1;
    updated->write.macros = of_callback;
    updated->write.n_macros = 1;
    return SEGUE_OK;
}

static void macros_of_options_and_callback_are_expanded_once(segue_store *s)
{
    static const segue_macro of_options[] = {CAS("_s.cas")};
    segue_update_options options = {.macros = of_options, .n_macros = 1};
    racing r = {s, 0};
    segue_outcome out;
    char want[TEST_LINE], cas[32];
    IS(OK, segue_set(s, k, K("1"), segue_expiry_none(), NULL, NULL, &err));
    IS(OK, segue_write_update_with_xattrs(s, k, race, &r, &options, &out, &err));
    ASSERT_U64(2, r.calls);
    (void)snprintf(want, sizeof want, "L{\"foo\": 1} json _s={\"n\":1,\"cas\":\"%s\",\"crc\":\"0xe9a4f542\"}",
                   expanded(out.cas & INT64_MAX, cas));
    SHOWS(want);
}

static segue_status asks_nothing(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current, (void)m;
    return SEGUE_OK;
}

static void macros_alone_of_options_write_nothing(segue_store *s)
{
    static const segue_macro of_options[] = {CAS("_s.cas")};
    segue_update_options options = {.macros = of_options, .n_macros = 1};
    segue_outcome out = {.written = true};
    IS(OK, segue_set(s, k, K("1"), segue_expiry_none(), NULL, NULL, &err));
    IS(OK, segue_update(s, k, asks_nothing, NULL, &options, &out, &err));
    assert_false(out.written);
    SHOWS("L1 json");
}

/* ---- paths into xattrs ---- */

static void names_of_xattrs_may_be_paths(segue_store *s)
{
    static const segue_xattr one[] = {{TEXT("_s.a.run1"), TEXT("1")}}, two[] = {{TEXT("_s.a.run2"), TEXT("[2]")}};
    static const segue_slice gone[] = {TEXT("_s.a.run1"), TEXT("_s.a.none"), TEXT("_none.x")};
    uint64_t cas = 0, again = 0;
    IS(OK, segue_set(s, k, body, segue_expiry_none(), NULL, NULL, &err));
    IS(OK, segue_xattrs_set(s, k, one, 1, NULL, NULL, &err));
    IS(OK, segue_xattrs_set(s, k, two, 1, NULL, &cas, &err));
    SHOWS("L{\"foo\": 1} json _s={\"a\":{\"run1\":1,\"run2\":[2]}}");
    IS(PATH_NOT_FOUND, segue_xattrs_remove(s, k, cas, gone, 3, NULL, NULL, &err));
    IS(OK, segue_xattrs_drop(s, k, gone, 3, NULL, &cas, &err));
    SHOWS("L{\"foo\": 1} json _s={\"a\":{\"run2\":[2]}}");
    IS(OK, segue_xattrs_drop(s, k, gone, 3, NULL, &again, &err));
    ASSERT_U64(cas, again); /* nothing to drop is no write */
    IS(OK, segue_xattrs_remove(s, k, cas, &two[0].name, 1, NULL, NULL, &err));
    SHOWS("L{\"foo\": 1} json _s={\"a\":{}}");
    segue_xattr drop = {TEXT("_s.a"), {NULL, 0}};
    IS(OK, segue_xattrs_set(s, k, &drop, 1, NULL, NULL, &err));
    IS(PATH_NOT_FOUND, segue_xattrs_set(s, k, &drop, 1, NULL, NULL, &err));
    SHOWS("L{\"foo\": 1} json _s={}");
    IS(OK, segue_delete(s, k, NULL, &err));
    IS(OK, segue_xattrs_set(s, k, one, 1, NULL, NULL, &err));
    SHOWS("T _s={\"a\":{\"run1\":1}}");
}

static void bad_names_are_refused(segue_store *s)
{
    static const struct {
        const char *name;
        segue_status want;
    } rows[] = {
        {"$document", SEGUE_INVALID_XATTR_NAME},
        {"$document.CAS", SEGUE_INVALID_XATTR_NAME},
        {"a$b", SEGUE_INVALID_XATTR_NAME},
        {"x[0]", SEGUE_PATH_NOT_FOUND},
        {"x]", SEGUE_INVALID_PATH},
        {"_s..r", SEGUE_INVALID_PATH},
        {"_s.", SEGUE_INVALID_PATH},
        {"._s", SEGUE_INVALID_PATH},
        {"", SEGUE_INVALID_XATTR_NAME},
        {"_s.a.b", SEGUE_PATH_MISMATCH},
        {"`_s`", SEGUE_INVALID_PATH},
    };
    segue_doc before = {0}, after = {0};
    segue_xattr x = {K("_s"), K("{\"a\":1}")};
    IS(OK, segue_set(s, k, body, segue_expiry_none(), NULL, NULL, &err));
    IS(OK, segue_xattrs_set(s, k, &x, 1, NULL, NULL, &err));
    IS(OK, segue_get(s, k, NULL, &before, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        x = (segue_xattr){K(rows[i].name), K("1")};
        segue_status st = segue_xattrs_set(s, k, &x, 1, NULL, NULL, &err);
        if (st != rows[i].want) fail_msg("<%s>: %s: %s", rows[i].name, segue_status_name(st), err.message);
        IS(OK, segue_get(s, k, NULL, &after, &err));
        assert_true(seg_record_same(&before.rec, &after.rec));
    }
    segue_doc_free(&before);
    segue_doc_free(&after);
}

/* ---- reading ---- */

/* Reads these names ("a,b"), and compares with "name=value" lines. */
static void reads(segue_store *s, const char *names, segue_status want_status, const char *want, int line)
{
    segue_slice slots[SEGUE_XATTRS_MAX];
    segue_doc doc = {0};
    char shown[1024] = "";
    size_t at = 0;
    for (int again = 0; again < 2; again++) { /* into a document that is used again, too */
        shown[at = 0] = 0;
        segue_status st = segue_xattrs_get(s, k, slots, names_of(names, slots), NULL, &doc, &err);
        if (st != want_status) fail_msg("line %d: %s: %s (%s)", line, names, segue_status_name(st), err.message);
        for (size_t i = 0; st == SEGUE_OK && i < doc.rec.n_xattrs; i++)
            at += (size_t)snprintf(shown + at, sizeof shown - at, "%.*s=%.*s\n", (int)doc.rec.xattrs[i].name.size,
                                   doc.rec.xattrs[i].name.data, (int)doc.rec.xattrs[i].value.size,
                                   doc.rec.xattrs[i].value.data);
        if (st == SEGUE_OK && strcmp(shown, want) != 0)
            fail_msg("line %d: %s: <%s>, expected <%s>", line, names, shown, want);
    }
    segue_doc_free(&doc);
}
#define READS(names, want) reads(s, names, SEGUE_OK, want, __LINE__)
#define READS_NOT(names, status) reads(s, names, SEGUE_##status, NULL, __LINE__)

static void places_in_xattrs_can_be_read(segue_store *s)
{
    static const segue_xattr set[] = {{TEXT("_s"), TEXT("{\"a\":{\"b\":[1, 2]},\"n\":null,\"d\":1,\"d\":2}")},
                                      {TEXT("u"), TEXT("9223372036854775808")}};
    segue_xattr_write w = {.body = body, .set = set, .n_set = 2};
    IS(OK, segue_write_with_xattrs(s, k, 0, &w, NULL, NULL, &err));
    READS("_s.a.b", "_s.a.b=[1, 2]\n");
    READS("u,_s.n,_s.a.b[-1],_s.n", "_s.a.b[-1]=2\n_s.n=null\nu=9223372036854775808\n");
    READS("u,_s.none,_none.x,_s..,x]", "u=9223372036854775808\n");
    READS_NOT("_s.none,_none.x", XATTR_NOT_FOUND);
    READS_NOT("u.x", PATH_MISMATCH);
    READS_NOT("_s.d", PATH_AMBIGUOUS);
    segue_doc doc = {0};
    segue_slice json, many[SEGUE_XATTRS_MAX + 1];
    IS(OK, segue_subdoc_get(s, k, SEGUE_IN_XATTR, K("_s.a.b[0]"), NULL, &doc, &json, &err));
    ASSERT_SLICE("1", json);
    IS(OK, segue_subdoc_get(s, k, SEGUE_IN_XATTR, K("u"), NULL, &doc, &json, &err));
    ASSERT_SLICE("9223372036854775808", json);
    IS(PATH_NOT_FOUND, segue_subdoc_get(s, k, SEGUE_IN_XATTR, K("_s.x"), NULL, &doc, &json, &err));
    IS(INVALID_PATH, segue_subdoc_get(s, k, SEGUE_IN_XATTR, K("_s."), NULL, &doc, &json, &err));
    IS(INVALID_XATTR_NAME, segue_subdoc_get(s, k, SEGUE_IN_XATTR, K("a$.b"), NULL, &doc, &json, &err));
    for (size_t i = 0; i < COUNT(many); i++) many[i] = K("$document");
    IS(TOO_BIG, segue_xattrs_get(s, k, many, COUNT(many), NULL, &doc, &err));
    segue_doc_free(&doc);
}

static void the_document_can_be_read_as_an_xattr(segue_store *s)
{
    segue_doc doc = {0};
    segue_slice json, name = K("$document.none");
    char want[512];
    bool flags = segue_store_caps(s) & SEGUE_CAP_FLAGS;
    segue_mutation m = {.body_op = SEGUE_BODY_SET,
                        .body = body,
                        .expiry = segue_expiry_at(4000000000u),
                        .flags = 7,
                        .has_flags = flags};
    segue_outcome out;
    IS(OK, segue_mutate(s, k, &m, NULL, &out, NULL, &err));
    unsigned long long cas = out.cas, seconds = (out.cas & INT64_MAX) / 1000000000u;
    (void)snprintf(want, sizeof want,
                   "$document={\"CAS\":\"0x%016llx\",\"datatype\":[\"json\"],\"deleted\":false,\"exptime\":4000000000,"
                   "\"flags\":%d,\"last_modified\":\"%llu\",\"revid\":\"1\",\"value_bytes\":10,"
                   "\"value_crc32c\":\"0xe9a4f542\"}\n",
                   cas, flags ? 7 : 0, seconds);
    READS("$document", want);
    READS("$document.exptime,$document.none", "$document.exptime=4000000000\n");
    READS("$document.value_crc32c,$document.revid", "$document.revid=\"1\"\n$document.value_crc32c=\"0xe9a4f542\"\n");
    READS_NOT("$document.none,$vbucket,$documents,$", XATTR_NOT_FOUND);
    READS_NOT("$document.CAS.x", PATH_MISMATCH);
    IS(OK, segue_subdoc_get(s, k, SEGUE_IN_XATTR, K("$document.deleted"), NULL, &doc, &json, &err));
    ASSERT_SLICE("false", json);
    IS(OK, segue_get_with_xattrs(s, k, &name, 1, NULL, &doc, &err)); /* a live one needs none of them */
    ASSERT_SLICE("{\"foo\": 1}", doc.rec.body);
    IS(OK, segue_delete(s, k, NULL, &err));
    READS("$document.deleted,$document.value_crc32c,$document.exptime,$document.revid,$document.datatype",
          "$document.datatype=[\"raw\"]\n$document.deleted=true\n$document.exptime=0\n$document.revid=\"2\"\n"
          "$document.value_crc32c=\"0x00000000\"\n");
    IS(NOT_FOUND, segue_get_with_xattrs(s, k, &name, 1, NULL, &doc, &err));
    name = K("$document.CAS");
    IS(OK, segue_get_with_xattrs(s, k, &name, 1, NULL, &doc, &err));
    (void)snprintf(want, sizeof want, "\"0x%016llx\"", (unsigned long long)doc.rec.cas);
    ASSERT_SLICE(want, doc.rec.xattrs[0].value);
    IS(NOT_FOUND, segue_xattrs_get(s, K("missing"), &name, 1, NULL, &doc, &err));
    segue_doc_free(&doc);
}

/* Who asks for xattrs does not pay for the body; but a fallback's may be a pill, which is told by it. */
static void a_read_of_xattrs_leaves_the_body_alone(segue_store *s)
{
    enum { LARGE = 1 << 20 };
    static char large[LARGE];
    static const segue_xattr set[] = {{TEXT("_s"), TEXT("{\"a\":1}")}};
    static const segue_slice names[] = {TEXT("_s.a"), TEXT("$document.revid")}, size = TEXT("$document.value_bytes");
    segue_doc doc = {0};
    bool there = false, legacy = strstr(segue_store_url(s), "legacy") != NULL;
    memset(large, '1', LARGE);
    segue_xattr_write w = {.body = {large, LARGE}, .set = set, .n_set = 1};
    IS(OK, segue_write_with_xattrs(s, k, 0, &w, NULL, NULL, &err));
    IS(OK, segue_xattrs_get(s, k, names, 2, NULL, &doc, &err));
    ASSERT_U64(2, doc.rec.n_xattrs);
    if (!legacy && doc.bytes.capacity >= LARGE) fail_msg("%s: the body was copied", segue_store_url(s));
    IS(OK, segue_exists(s, k, NULL, &there, &err));
    assert_true(there);
    IS(OK, segue_xattrs_get(s, k, &size, 1, NULL, &doc, &err));
    ASSERT_SLICE("1048576", doc.rec.xattrs[0].value);
    segue_doc_free(&doc);
    IS(OK, segue_delete(s, k, NULL, &err));
    IS(OK, segue_exists(s, k, NULL, &there, &err));
    assert_false(there);
}

/* A document that is used again costs no memory, whatever is read into it. */
static segue_status read_everything(void *ctx)
{
    static segue_doc doc;
    static const segue_slice names[] = {TEXT("_s.a.b"), TEXT("u"), TEXT("$document.value_crc32c"), TEXT("$document")};
    segue_store *s = ctx;
    segue_slice json;
    if (!s) {
        segue_doc_free(&doc);
        return SEGUE_OK;
    }
    IS(OK, segue_subdoc_get(s, k, SEGUE_IN_BODY, K("foo"), NULL, &doc, &json, &err));
    ASSERT_SLICE("1", json);
    IS(OK, segue_subdoc_get(s, k, SEGUE_IN_XATTR, K("_s.a"), NULL, &doc, &json, &err));
    IS(OK, segue_xattrs_get(s, k, names, COUNT(names), NULL, &doc, &err));
    ASSERT_U64(COUNT(names), doc.rec.n_xattrs);
    IS(OK, segue_get_with_xattrs(s, k, names + 1, 1, NULL, &doc, &err));
    return SEGUE_OK;
}

static void a_hot_read_allocates_nothing(void **state)
{
    (void)state;
    static const char *const urls[] = {"mem:", "stats+mem:", "dual:?primary=mem:&fallback=mem:"};
    static const segue_xattr set[] = {{TEXT("_s"), TEXT("{\"a\":{\"b\":1}}")}, {TEXT("u"), TEXT("2")}};
    for (size_t i = 0; i < COUNT(urls); i++) {
        segue_store *s = open_store(urls[i]);
        segue_xattr_write w = {.body = body, .set = set, .n_set = 2};
        IS(OK, segue_write_with_xattrs(s, k, 0, &w, NULL, NULL, &err));
        IS(OK, read_everything(s));
        int n = test_count_allocations(read_everything, s);
        if (n) fail_msg("%s: %d allocations", urls[i], n);
        (void)read_everything(NULL); /* gives the memory back */
        segue_close(s);
    }
}

/* ---- the stores ---- */

static void everywhere(void (*run)(segue_store *s))
{
    static const char *const urls[] = {
        "mem:",
        "mem:?caps=-mutate",
        "mem:?caps=-mutate,-write_id",
        "stats+mem:",
        "dual:?primary=mem:&fallback=mem:",
        "dual:?primary=mem:&fallback=mem:&phase=legacy",
        "dual:?primary=mem:%3Fcaps%3D-mutate&fallback=mem:",
        "dual:?primary=mem:%3Fcaps%3D-keep_cas&fallback=mem:&phase=legacy",
    };
    char url[256];
    for (size_t i = 0; i < COUNT(urls); i++) {
        segue_store *s = open_store(urls[i]);
        run(s);
        segue_close(s);
    }
    static unsigned n;
    char collection[32];
    (void)snprintf(url, sizeof url, "sqlite:%s/db?collection=s.c%u", test_folder, n);
    segue_store *s = open_store(url);
    run(s);
    segue_close(s);
    if (n == 0) test_copy_here("sg-bucket");
    (void)snprintf(collection, sizeof collection, "s.c%u", n++);
    s = test_open_bucket("sg-bucket", collection, 0);
    run(s);
    segue_close(s);
}

#define EVERYWHERE(name)                                                                                               \
    static void everywhere_##name(void **state)                                                                        \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        everywhere(name);                                                                                              \
    }
EVERYWHERE(macros_show_what_was_stored)
EVERYWHERE(a_macro_that_has_no_place_changes_nothing)
EVERYWHERE(macros_of_options_and_callback_are_expanded_once)
EVERYWHERE(macros_alone_of_options_write_nothing)
EVERYWHERE(names_of_xattrs_may_be_paths)
EVERYWHERE(bad_names_are_refused)
EVERYWHERE(places_in_xattrs_can_be_read)
EVERYWHERE(the_document_can_be_read_as_an_xattr)
EVERYWHERE(a_read_of_xattrs_leaves_the_body_alone)

static void a_store_that_learns_the_cas_too_late_refuses(void **state)
{
    (void)state;
    static const char *const urls[] = {"mem:?caps=-cas_macros", "mem:?caps=-cas_macros,-mutate",
                                       "dual:?primary=mem:%3Fcaps%3D-cas_macros&fallback=mem:"};
    static const segue_xattr set[] = {{TEXT("_s"), TEXT("{}")}};
    static const segue_macro cas[] = {CAS("_s.cas")}, crc[] = {CRC("_s.crc")};
    for (size_t i = 0; i < COUNT(urls); i++) {
        segue_store *s = open_store(urls[i]);
        segue_xattr_write w = {.body = body, .set = set, .n_set = 1, .macros = cas, .n_macros = 1};
        IS(UNSUPPORTED, segue_write_with_xattrs(s, k, 0, &w, NULL, NULL, &err));
        SHOWS("none");
        w.macros = crc;
        IS(OK, segue_write_with_xattrs(s, k, 0, &w, NULL, NULL, &err));
        SHOWS("L{\"foo\": 1} json _s={\"crc\":\"0xe9a4f542\"}");
        segue_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cas_is_written_byte_by_byte_from_the_lowest),
        cmocka_unit_test(the_crc_is_that_of_the_reference),
        cmocka_unit_test(everywhere_macros_show_what_was_stored),
        cmocka_unit_test(everywhere_a_macro_that_has_no_place_changes_nothing),
        cmocka_unit_test(everywhere_macros_of_options_and_callback_are_expanded_once),
        cmocka_unit_test(everywhere_macros_alone_of_options_write_nothing),
        cmocka_unit_test(a_store_that_learns_the_cas_too_late_refuses),
        cmocka_unit_test(everywhere_names_of_xattrs_may_be_paths),
        cmocka_unit_test(everywhere_bad_names_are_refused),
        cmocka_unit_test(everywhere_places_in_xattrs_can_be_read),
        cmocka_unit_test(everywhere_the_document_can_be_read_as_an_xattr),
        cmocka_unit_test(everywhere_a_read_of_xattrs_leaves_the_body_alone),
        cmocka_unit_test(a_hot_read_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, test_make_folder, test_remove_folder);
}
