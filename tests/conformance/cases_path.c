/* Conformance: paths into bodies and xattrs, macros, virtual xattrs, records under a CAS of another store: scenarios 54 to 62,
 * 66 to 69, 86, 91 to 93, 100 and 120, and those beside them that speak of paths. */
#include "conform.h"

#include <stdio.h>

#include "base/base.h"

/* ---- the verbs, short ---- */

enum { ANY_CAS = 0 };

static segue_status subdoc_set(cf *t, const char *key, uint64_t cas, const char *path, const char *json)
{
    t->cas = 0;
    return segue_subdoc_set(t->store, K(key), cas ? SEGUE_EXPECT_CAS : SEGUE_EXPECT_ANY, cas, K(path), K(json), NULL,
                            &t->cas, &t->err);
}

static segue_status subdoc_insert(cf *t, const char *key, uint64_t cas, const char *path, const char *json)
{
    t->cas = 0;
    return segue_subdoc_insert(t->store, K(key), cas ? SEGUE_EXPECT_CAS : SEGUE_EXPECT_ANY, cas, K(path), K(json), NULL,
                               &t->cas, &t->err);
}

static segue_status subdoc_get(cf *t, const char *key, segue_path_in in, const char *path, segue_slice *ret_json)
{
    return segue_subdoc_get(t->store, K(key), in, K(path), NULL, &t->doc, ret_json, &t->err);
}

#define JSON_IS(key, in, path, text) json_is(t, key, in, path, text, __FILE__, __LINE__)
static void json_is(cf *t, const char *key, segue_path_in in, const char *path, const char *text, const char *file,
                    int line)
{
    segue_slice json = {0};
    cf_check_status(t, SEGUE_OK, subdoc_get(t, key, in, path, &json), path, file, line);
    if (!segue_slice_equal(json, K(text))) print_error("%s: <%.*s>\n", path, (int)json.size, json.data);
    cf_check(segue_slice_equal(json, K(text)), text, file, line);
    cf_check(t->doc.rec.cas != 0, "there is a CAS", file, line);
}

/* An xattr that was asked for by this name. */
static segue_slice read_xattr(cf *t, const char *key, const char *name)
{
    IS(OK, do_xattrs_get(t, key, X(name)));
    EQ(1, t->doc.rec.n_xattrs);
    CHECK(segue_slice_equal(t->doc.rec.xattrs[0].name, K(name)));
    return t->doc.rec.xattrs[0].value;
}

#define READS(key, name, text) reads(t, key, name, text, __FILE__, __LINE__)
static void reads(cf *t, const char *key, const char *name, const char *text, const char *file, int line)
{
    segue_slice value = read_xattr(t, key, name);
    if (!segue_slice_equal(value, K(text))) print_error("%s: <%.*s>\n", name, (int)value.size, value.data);
    cf_check(segue_slice_equal(value, K(text)), text, file, line);
}

/* ---- paths into bodies ---- */

static void path_write_and_expiry(cf *t)
{
    fx_doc_expiring(t, "k", "{\"a\":1}", segue_expiry_in(1000), NULL);
    uint32_t expiry = cf_expiry(t, "k");
    IS(OK, subdoc_set(t, "k", ANY_CAS, "a", "2"));
    IS(OK, subdoc_insert(t, "k", ANY_CAS, "b", "3"));
    EQ(expiry, cf_expiry(t, "k"));
    BODY_IS("k", "{\"a\":2,\"b\":3}");
    fx_doc_expiring(t, "gone", "{\"a\":1}", segue_expiry_in(10), X("_s=1", "u=2"));
    cf_advance(10);
    IS(NOT_FOUND, subdoc_insert(t, "gone", ANY_CAS, "b", "3"));
    IS(OK, subdoc_set(t, "gone", ANY_CAS, "b", "3")); /* a new document, with nothing of the old one */
    BODY_IS("gone", "{\"b\":3}");
    EQ(0, t->doc.rec.n_xattrs);
    EQ(0, cf_expiry(t, "gone"));
}

static void path_write_wants_the_cas(cf *t)
{
    uint64_t cas = fx_set(t, "k", "{\"a\":1}");
    cf_state before = cf_state_of(t, "k");
    IS(CAS_MISMATCH, subdoc_set(t, "k", cas + 1, "a", "2"));
    IS(CAS_MISMATCH, subdoc_insert(t, "k", cas + 1, "b", "2"));
    EQ(0, t->cas);
    UNCHANGED("k", before);
    IS(OK, subdoc_set(t, "k", cas, "a", "2"));
    CHECK((t->cas & INT64_MAX) > (cas & INT64_MAX));
    EQ(t->cas, cf_cas(t, "k"));
    EQ(before.revision + 1, cf_revision(t, "k"));
    IS(OK, subdoc_set(t, "k", ANY_CAS, "a", "[3]"));
    BODY_IS("k", "{\"a\":[3]}");
    CHECK(cf_state_of(t, "k").is_json);
}

static void insert_at_a_path(cf *t)
{
    fx_set(t, "k", "{\"a\":{\"b\":\"s\"}}");
    IS(OK, subdoc_insert(t, "k", ANY_CAS, "a.c", "1"));
    cf_state before = cf_state_of(t, "k");
    IS(PATH_EXISTS, subdoc_insert(t, "k", ANY_CAS, "a.c", "2"));
    IS(PATH_MISMATCH, subdoc_insert(t, "k", ANY_CAS, "a.b.x.y", "2"));
    IS(PATH_NOT_FOUND, subdoc_insert(t, "k", ANY_CAS, "x.y", "2"));
    IS(INVALID_JSON, subdoc_insert(t, "k", ANY_CAS, "x", "{"));
    UNCHANGED("k", before);
    BODY_IS("k", "{\"a\":{\"b\":\"s\",\"c\":1}}");
    IS(NOT_FOUND, subdoc_insert(t, "missing", ANY_CAS, "a", "1"));
    NOTHING("missing");
    fx_tombstone(t, "gone", X("_s=1"));
    IS(NOT_FOUND, subdoc_insert(t, "gone", ANY_CAS, "a", "1"));
    TOMBSTONE("gone");
}

static void read_a_path(cf *t)
{
    segue_slice json;
    fx_set(t, "k", "{\"c\":{\"d\":\"e\"}, \"l\":[1, {\"x\":9007199254740993}]}");
    JSON_IS("k", SEGUE_IN_BODY, "c.d", "\"e\"");
    JSON_IS("k", SEGUE_IN_BODY, "l[-1].x", "9007199254740993");
    JSON_IS("k", SEGUE_IN_BODY, "l", "[1, {\"x\":9007199254740993}]");
    IS(PATH_NOT_FOUND, subdoc_get(t, "k", SEGUE_IN_BODY, "c.x", &json));
    IS(PATH_NOT_FOUND, subdoc_get(t, "k", SEGUE_IN_BODY, "l[2]", &json));
    IS(PATH_MISMATCH, subdoc_get(t, "k", SEGUE_IN_BODY, "c.d.e", &json));
    IS(NOT_FOUND, subdoc_get(t, "missing", SEGUE_IN_BODY, "a", &json));
    fx_tombstone(t, "gone", X("_s={\"a\":1}"));
    IS(NOT_FOUND, subdoc_get(t, "gone", SEGUE_IN_BODY, "a", &json));
    JSON_IS("gone", SEGUE_IN_XATTR, "_s.a", "1");
    fx_set(t, "binary", "{no");
    IS(NOT_JSON, subdoc_get(t, "binary", SEGUE_IN_BODY, "a", &json));
    IS(NOT_JSON, subdoc_set(t, "binary", ANY_CAS, "a", "1"));
}

static void null_at_a_path(cf *t)
{
    fx_set(t, "k", "{\"a\":null}");
    JSON_IS("k", SEGUE_IN_BODY, "a", "null");
    IS(PATH_EXISTS, subdoc_insert(t, "k", ANY_CAS, "a", "1"));
    IS(PATH_MISMATCH, subdoc_set(t, "k", ANY_CAS, "a.b", "1"));
    uint64_t cas = cf_cas(t, "k");
    IS(OK, subdoc_set(t, "k", ANY_CAS, "a", "null"));
    NE(cas, t->cas);
    BODY_IS("k", "{\"a\":null}");
}

static void malformed_paths(cf *t)
{
    static const char *const paths[] = {"", "a.", ".a", "a..b", "a[", "a[x]", "`a", "a]"};
    segue_slice json;
    fx_set(t, "k", "{\"a\":[1,{\"x.y\":2}]}");
    cf_state before = cf_state_of(t, "k");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        IS(INVALID_PATH, subdoc_set(t, "k", ANY_CAS, paths[i], "1"));
        IS(INVALID_PATH, subdoc_get(t, "k", SEGUE_IN_BODY, paths[i], &json));
    }
    UNCHANGED("k", before);
    IS(OK, subdoc_set(t, "k", ANY_CAS, "a[0]", "3"));
    IS(OK, subdoc_set(t, "k", ANY_CAS, "a[-1].`x.y`", "4"));
    BODY_IS("k", "{\"a\":[3,{\"x.y\":4}]}");
}

static void the_rest_stays_byte_for_byte(cf *t)
{
    fx_set(t, "k", "{ \"n\":9007199254740993,\n\"f\":1.50, \"a\":1,\"s\":\"<\\u00e9>\" }");
    IS(OK, subdoc_set(t, "k", ANY_CAS, "a", "true"));
    BODY_IS("k", "{ \"n\":9007199254740993,\n\"f\":1.50, \"a\":true,\"s\":\"<\\u00e9>\" }");
    IS(OK, segue_subdoc_delete(t->store, K("k"), SEGUE_EXPECT_ANY, 0, K("a"), NULL, NULL, &t->err));
    IS(OK, subdoc_set(t, "k", ANY_CAS, "z", "[]"));
    IS(OK, segue_subdoc_append(t->store, K("k"), SEGUE_EXPECT_ANY, 0, K("z"), K("7"), NULL, NULL, &t->err));
    BODY_IS("k", "{ \"n\":9007199254740993,\n\"f\":1.50,\"s\":\"<\\u00e9>\",\"z\":[7] }");
}

static void path_write_on_nothing(cf *t)
{
    IS(PATH_NOT_FOUND, subdoc_set(t, "k", ANY_CAS, "a.b", "1"));
    NOTHING("k");
    IS(NOT_FOUND, subdoc_set(t, "k", 1, "a", "1"));
    NOTHING("k");
    IS(OK, subdoc_set(t, "k", ANY_CAS, "a", "1"));
    BODY_IS("k", "{\"a\":1}");
    EQ(1, cf_revision(t, "k"));
    uint64_t cas = fx_tombstone(t, "gone", X("_s=1"));
    uint64_t revision = cf_revision(t, "gone");
    IS(NOT_FOUND, subdoc_set(t, "gone", cas, "a", "1"));
    IS(OK, subdoc_set(t, "gone", ANY_CAS, "a", "1"));
    BODY_IS("gone", "{\"a\":1}");
    EQ(0, t->doc.rec.n_xattrs);
    EQ(revision + 1, cf_revision(t, "gone"));
}

static void path_write_keeps_xattrs(cf *t)
{
    fx_doc(t, "k", "{\"a\":1}", X("_s={\"rev\":1}", "u=2"));
    IS(OK, subdoc_set(t, "k", ANY_CAS, "a", "2"));
    XATTR_IS("k", "_s", "{\"rev\":1}");
    XATTR_IS("k", "u", "2");
}

static void several_paths_or_none(cf *t)
{
    fx_doc(t, "k", "{\"a\":1}", X("_s={\"rev\":1}"));
    cf_state before = cf_state_of(t, "k");
    segue_path_op ops[] = {{SEGUE_PATH_SET, SEGUE_IN_BODY, K("a"), K("2"), 0},
                           {SEGUE_PATH_SET, SEGUE_IN_XATTR, K("_s.rev"), K("2"), 0},
                           {SEGUE_PATH_SET, SEGUE_IN_BODY, K("x.y"), K("3"), 0}};
    segue_mutation m = {.paths = ops, .n_paths = 3};
    IS(PATH_NOT_FOUND, do_mutate(t, "k", &m));
    UNCHANGED("k", before);
    XATTR_IS("k", "_s", "{\"rev\":1}");
    ops[2].options = SEGUE_PATH_PARENTS;
    IS(OK, do_mutate(t, "k", &m));
    BODY_IS("k", "{\"a\":2,\"x\":{\"y\":3}}");
    XATTR_IS("k", "_s", "{\"rev\":2}");
    EQ(before.revision + 1, cf_revision(t, "k"));
}

/* ---- paths into xattrs ---- */

static void read_a_path_in_an_xattr(cf *t)
{
    fx_doc(t, "k", "1", X("_x={\"a\":{\"b\":1},\"n\":null}", "u=5"));
    READS("k", "_x.a", "{\"b\":1}");
    READS("k", "_x.n", "null");
    IS(XATTR_NOT_FOUND, do_xattrs_get(t, "k", X("_x.none", "_none.a")));
    IS(OK, do_get_with_xattrs(t, "k", X("_x.a.b", "u", "_x.none")));
    EQ(2, t->doc.rec.n_xattrs);
    CHECK(segue_slice_equal(t->doc.rec.xattrs[0].name, K("_x.a.b")));
    CHECK(segue_slice_equal(t->doc.rec.body, K("1")));
}

static void read_a_path_through_a_number(cf *t)
{
    fx_doc(t, "k", "1", X("_x={\"a\":1}"));
    IS(PATH_MISMATCH, do_xattrs_get(t, "k", X("_x.a.b")));
    IS(PATH_MISMATCH, do_get_with_xattrs(t, "k", X("_x.a.b")));
}

static void bad_names_of_paths(cf *t)
{
    fx_doc(t, "k", "1", X("_s={\"r\":1}"));
    cf_state before = cf_state_of(t, "k");
    IS(INVALID_XATTR_NAME, do_xattrs_set(t, "k", X("$document=1")));
    IS(INVALID_XATTR_NAME, do_xattrs_set(t, "k", X("a$b=1")));
    IS(INVALID_XATTR_NAME, do_xattrs_drop(t, "k", X("$document.CAS")));
    IS(PATH_NOT_FOUND, do_xattrs_set(t, "k", X("x[0]=1")));
    IS(INVALID_PATH, do_xattrs_set(t, "k", X("x]=1")));
    IS(INVALID_PATH, do_xattrs_set(t, "k", X("_s..r=1")));
    IS(INVALID_PATH, do_xattrs_drop(t, "k", X("_s.")));
    IS(INVALID_PATH, do_write(t, "k", before.cas, "2", X("._s=1"), NULL));
    UNCHANGED("k", before);
    XATTR_IS("k", "_s", "{\"r\":1}");
}

static void drop_paths(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_s={\"rev\":1,\"seq\":2}", "u={\"x\":3}", "v=3"));
    cf_state before = cf_state_of(t, "k");
    IS(PATH_NOT_FOUND, do_write(t, "k", cas, "2", NULL, X("_s.none")));
    IS(PATH_NOT_FOUND, do_write(t, "k", cas, "2", NULL, X("_none.rev")));
    IS(PATH_NOT_FOUND, do_xattrs_remove(t, "k", cas, X("_s.rev", "_s.none")));
    UNCHANGED("k", before);
    IS(OK, do_write(t, "k", cas, "2", X("_s.new=4"), X("_s.rev")));
    XATTR_IS("k", "_s", "{\"seq\":2,\"new\":4}");
    IS(OK, do_xattrs_remove(t, "k", t->cas, X("_s.seq")));
    XATTR_IS("k", "_s", "{\"new\":4}");
    cas = t->cas;
    IS(PATH_MISMATCH, do_write_tombstone(t, "k", cas, true, X("_t=1"), X("v.x")));
    IS(PATH_NOT_FOUND, do_write_tombstone(t, "k", cas, true, X("_t=1"), X("u.y")));
    IS(OK, do_write_tombstone(t, "k", cas, true, X("_t=1", "u.z=1"), X("u.x", "u.x")));
    TOMBSTONE("k"); /* the user xattr went with the body, after what was dropped from it and before what was set */
    XATTR_IS("k", "u", "{\"z\":1}");
}

static void drop_paths_that_may_be_missing(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(1000), X("_x={\"c\":{\"run1\":1,\"run2\":2},\"d\":0}"));
    uint32_t expiry = cf_expiry(t, "k");
    IS(OK, do_xattrs_drop(t, "k", X("_x.c.run1", "_x.c.none")));
    XATTR_IS("k", "_x", "{\"c\":{\"run2\":2},\"d\":0}");
    IS(OK, do_xattrs_drop(t, "k", X("_x.c.run2")));
    XATTR_IS("k", "_x", "{\"c\":{},\"d\":0}");
    IS(PATH_MISMATCH, do_xattrs_drop(t, "k", X("_x.d.e")));
    EQ(expiry, cf_expiry(t, "k"));
    fx_tombstone(t, "gone", X("_x={\"a\":1}"));
    IS(OK, do_xattrs_drop(t, "gone", X("_x.a")));
    TOMBSTONE("gone");
    XATTR_IS("gone", "_x", "{}");
}

static void set_a_path_in_an_xattr(cf *t)
{
    fx_doc(t, "k", "1", NULL);
    IS(OK, do_xattrs_set(t, "k", X("_s.foo=\"bar\"")));
    XATTR_IS("k", "_s", "{\"foo\":\"bar\"}");
    IS(OK, do_xattrs_set(t, "k", X("_c.id.run1={}")));
    IS(OK, do_xattrs_set(t, "k", X("_c.id.run2={}")));
    XATTR_IS("k", "_c", "{\"id\":{\"run1\":{},\"run2\":{}}}");
    IS(PATH_MISMATCH, do_xattrs_set(t, "k", X("_s.foo.x=1")));
    IS(OK, do_xattrs_update(t, "k", t->cas ? t->cas : cf_cas(t, "k"), X("_s.foo=null"), segue_expiry_none()));
    XATTR_IS("k", "_s", "{\"foo\":null}");
    BODY_IS("k", "1");
}

/* ---- virtual xattrs ---- */

static void check_virtual(cf *t, const char *key, const char *revid, const char *exptime, const char *deleted)
{
    char cas[32];
    (void)snprintf(cas, sizeof cas, "\"0x%016llx\"", (unsigned long long)cf_cas(t, key)); /* fits */
    READS(key, "$document.CAS", cas);
    READS(key, "$document.revid", revid);
    READS(key, "$document.exptime", exptime);
    READS(key, "$document.deleted", deleted);
    segue_slice all = read_xattr(t, key, "$document");
    CHECK(all.size > 2 && all.data[0] == '{');
}

static void document_and_its_fields(cf *t)
{
    char revid[32], exptime[16];
    fx_doc(t, "k", "{\"foo\": 1}", X("_s=1"));
    (void)snprintf(revid, sizeof revid, "\"%llu\"", (unsigned long long)cf_revision(t, "k"));
    check_virtual(t, "k", revid, "0", "false");
    IS(XATTR_NOT_FOUND, do_xattrs_get(t, "k", X("$document.none", "$other")));
    IS(OK, do_touch(t, "k", segue_expiry_in(1000)));
    (void)snprintf(exptime, sizeof exptime, "%u", (unsigned)cf_expiry(t, "k"));
    READS("k", "$document.exptime", exptime);
    IS(OK, do_delete(t, "k"));
    (void)snprintf(revid, sizeof revid, "\"%llu\"", (unsigned long long)cf_revision(t, "k"));
    check_virtual(t, "k", revid, "0", "true");
    IS(OK, do_get_with_xattrs(t, "k", X("$document.CAS")));
    IS(NOT_FOUND, do_xattrs_get(t, "missing", X("$document")));
    IS(OK, do_xattrs_get(t, "k", X("_s", "$document.revid"))); /* beside stored ones */
    EQ(2, t->doc.rec.n_xattrs);
}

static void crc_of_the_body(cf *t)
{
    fx_doc(t, "k", "{\"foo\": 1}", NULL);
    READS("k", "$document.value_crc32c", "\"0xe9a4f542\"");
    READS("k", "$document.value_bytes", "10");
    fx_tombstone(t, "gone", NULL);
    READS("gone", "$document.value_crc32c", "\"0x00000000\"");
}

/* ---- macros ---- */

#define CAS_MACRO(text) ((segue_macro){segue_str(text), SEGUE_MACRO_CAS})
#define CRC_MACRO(text) ((segue_macro){segue_str(text), SEGUE_MACRO_BODY_CRC32C})

/* As it must stand in the document: of the stored CAS, without the mark of a token. */
static const char *cas_text(uint64_t cas, char out[32])
{
    unsigned char byte[8];
    for (int i = 0; i < 8; i++) byte[i] = (unsigned char)((cas & INT64_MAX) >> (8 * i));
    (void)snprintf(out, 32, "\"0x%02x%02x%02x%02x%02x%02x%02x%02x\"", byte[0], byte[1], byte[2], byte[3], byte[4],
                   byte[5], byte[6], byte[7]);
    return out;
}

static void macros_of_cas_and_crc(cf *t)
{
    char text[32];
    uint64_t cas = fx_doc(t, "k", "1", X("_u=7"));
    segue_macro macros[] = {CAS_MACRO("_s.cas"), CRC_MACRO("_s.crc")};
    segue_xattr set = {K("_s"), K("{\"cas\":\"to come\"}")};
    segue_xattr_write w = {.body = K("{\"foo\": 1}"), .set = &set, .n_set = 1, .macros = macros, .n_macros = 2};
    IS(OK, segue_write_with_xattrs(t->store, K("k"), cas, &w, NULL, &t->cas, &t->err));
    uint64_t written = t->cas;
    READS("k", "_s.cas", cas_text(written, text));
    READS("k", "_s.crc", "\"0xe9a4f542\"");
    XATTR_IS("k", "_u", "7");
    EQ(written, cf_cas(t, "k"));
    w.body = (segue_slice){0}; /* no body: that of the document */
    IS(OK, segue_write_with_xattrs(t->store, K("k"), written, &w, NULL, &t->cas, &t->err));
    READS("k", "_s.cas", cas_text(t->cas, text));
    READS("k", "_s.crc", "\"0xe9a4f542\"");
    IS(OK, segue_write_tombstone(t->store, K("k"), t->cas, true, &w, NULL, &t->cas, &t->err));
    READS("k", "_s.cas", cas_text(t->cas, text));
    READS("k", "_s.crc", "\"0x00000000\"");
    w.body = K("2");
    IS(OK, segue_write_resurrection(t->store, K("k"), &w, NULL, &t->cas, &t->err));
    READS("k", "_s.cas", cas_text(t->cas, text));
    XATTR_IS("k", "_u", NULL);
}

static void macro_below_nothing(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_s={}"));
    cf_state before = cf_state_of(t, "k");
    segue_macro macro = CAS_MACRO("_s.a.cas");
    segue_xattr set = {K("_s"), K("{\"b\":1}")};
    segue_xattr_write w = {.body = K("2"), .set = &set, .n_set = 1, .macros = &macro, .n_macros = 1};
    IS(PATH_NOT_FOUND, segue_write_with_xattrs(t->store, K("k"), cas, &w, NULL, NULL, &t->err));
    IS(PATH_NOT_FOUND, segue_write_with_xattrs(t->store, K("new"), 0, &w, NULL, NULL, &t->err));
    macro = CAS_MACRO("_s");
    IS(INVALID_PATH, segue_write_with_xattrs(t->store, K("k"), cas, &w, NULL, NULL, &t->err));
    macro = CAS_MACRO("$document.CAS");
    IS(INVALID_XATTR_NAME, segue_write_with_xattrs(t->store, K("k"), cas, &w, NULL, NULL, &t->err));
    UNCHANGED("k", before);
    NOTHING("new");
}

static void macro_beside_another_xattr(cf *t)
{
    char text[32];
    segue_macro macro = CAS_MACRO("_a.cas");
    segue_xattr set[] = {{K("_a"), K("{}")}, {K("_b"), K("5")}};
    segue_xattr_write w = {.body = K("1"), .set = set, .n_set = 2, .macros = &macro, .n_macros = 1};
    IS(OK, segue_write_with_xattrs(t->store, K("k"), 0, &w, NULL, &t->cas, &t->err));
    READS("k", "_a.cas", cas_text(t->cas, text));
    XATTR_IS("k", "_b", "5");
    IS(OK, do_set(t, "k", "2")); /* expanded once: a later write leaves it as it is */
    READS("k", "_a.cas", text);
}

typedef struct again {
    cf *t;
    unsigned calls;
    segue_macro macro;
    segue_xattr set;
} again;

static segue_status write_again(void *ctx, const segue_record *current, segue_updated *updated)
{
    again *a = ctx;
    cf *t = a->t;
    (void)current;
    if (a->calls++ == 0) IS(OK, do_set(t, "k", "\"somebody was faster\""));
    updated->write.body = K("{\"foo\": 1}");
    updated->write.set = &a->set;
    updated->write.n_set = 1;
    updated->write.macros = &a->macro;
    updated->write.n_macros = 1;
    return SEGUE_OK;
}

static void macros_from_a_callback(cf *t)
{
    char text[32], want[96];
    again a = {t, 0, CAS_MACRO("_s.cas"), {K("_s"), K("{}")}};
    fx_doc(t, "k", "1", NULL);
    IS(OK, segue_write_update_with_xattrs(t->store, K("k"), write_again, &a, NULL, &t->outcome, &t->err));
    EQ(2, a.calls);
    (void)snprintf(want, sizeof want, "{\"cas\":%s}", cas_text(t->outcome.cas, text)); /* fits */
    XATTR_IS("k", "_s", want);
    segue_macro of_options = CRC_MACRO("_s.crc");
    segue_update_options options = {.macros = &of_options, .n_macros = 1};
    a.calls = 0;
    IS(OK, segue_write_update_with_xattrs(t->store, K("k"), write_again, &a, &options, &t->outcome, &t->err));
    EQ(2, a.calls);
    (void)snprintf(want, sizeof want, "{\"crc\":\"0xe9a4f542\",\"cas\":%s}", cas_text(t->outcome.cas, text)); /* fits */
    XATTR_IS("k", "_s", want);
}

/* ---- records under a CAS of another store ---- */

static void put_with_meta(cf *t)
{
    segue_xattr x = {K("_a"), K("1")};
    uint64_t cas = fx_doc(t, "k", "1", X("_b=2", "u=3")), revision = cf_revision(t, "k");
    segue_record rec = {.key = K("k"), .body = K("[2]"), .cas = 77, .is_json = true, .xattrs = &x, .n_xattrs = 1};
    IS(CAS_MISMATCH, segue_put_with_meta(t->store, &rec, 0, NULL, &t->err));
    IS(CAS_MISMATCH, segue_put_with_meta(t->store, &rec, cas + 1, NULL, &t->err));
    EQ(cas, cf_cas(t, "k"));
    IS(OK, segue_put_with_meta(t->store, &rec, cas, NULL, &t->err));
    EQ(77, cf_cas(t, "k")); /* even a lower one */
    EQ(revision + 1, cf_revision(t, "k"));
    BODY_IS("k", "[2]");
    XATTR_IS("k", "_a", "1");
    EQ(1, t->doc.rec.n_xattrs);
    rec.is_tombstone = true;
    rec.is_json = false;
    rec.body = (segue_slice){0};
    rec.cas = 78;
    IS(OK, segue_put_with_meta(t->store, &rec, 77, NULL, &t->err));
    TOMBSTONE("k");
    IS(CAS_MISMATCH, segue_put_with_meta(t->store, &rec, 0, NULL, &t->err)); /* a tombstone's CAS counts */
    x.value = K("{");
    IS(INVALID_JSON, segue_put_with_meta(t->store, &rec, 78, NULL, &t->err));
    x.value = K("1");
    rec.cas = UINT64_MAX >> 1; /* a clock at its end could give no more */
    IS(INVALID_ARGUMENT, segue_put_with_meta(t->store, &rec, 78, NULL, &t->err));
    EQ(78, cf_cas(t, "k"));
    IS(OK, do_set(t, "k", "3"));
    CHECK(cf_cas(t, "k") > 78);
}

/* A dual store tells by the CAS what is newer, as long as it looks into two. */
static void put_with_meta_when_clean(cf *t)
{
    uint64_t purged = 0, cas = fx_set(t, "k", "1");
    segue_record rec = {.key = K("k"), .body = K("2"), .cas = 77};
    cf_state before = cf_state_of(t, "k");
    if (t->target->is_dual) {
        IS(REFUSED, segue_put_with_meta(t->store, &rec, cas, NULL, &t->err));
        rec.key = K("new");
        IS(REFUSED, segue_put_with_meta(t->store, &rec, 0, NULL, &t->err));
        rec.key = K("k");
        UNCHANGED("k", before);
        NOTHING("new");
        IS(OK, do_purge(t, &purged)); /* it is clean now */
    }
    bool keeps = segue_store_caps(t->store) & SEGUE_CAP_KEEP_CAS; /* the primary, which was not asked in legacy */
    cf_check_status(t, keeps ? SEGUE_OK : SEGUE_UNSUPPORTED,
                    segue_put_with_meta(t->store, &rec, cf_cas(t, "k"), NULL, &t->err), "put", __FILE__, __LINE__);
    if (keeps) EQ(77, cf_cas(t, "k"));
    else BODY_IS("k", "1");
}

/* ---- B9: what grows by paths ---- */

/* {"b":1,"a":"xxx..."} of this size. */
static segue_slice json_of_size(char *memory, size_t size)
{
    static const char head[] = "{\"b\":1,\"a\":\"";
    memset(memory, 'x', size);
    memcpy(memory, head, sizeof head - 1);
    memcpy(memory + size - 2, "\"}", 2);
    return segue_bytes(memory, size);
}

static void sizes_that_grow_by_paths(cf *t)
{
    size_t most = SEGUE_BODY_MAX;
    char *memory = seg_alloc(most + 1);
    assert_non_null(memory);
    segue_slice one_less = json_of_size(memory, most - 1);
    IS(OK, segue_set(t->store, K("k"), one_less, segue_expiry_none(), NULL, NULL, &t->err));
    IS(OK, subdoc_set(t, "k", ANY_CAS, "b", "10"));
    uint64_t cas = t->cas;
    IS(TOO_BIG, subdoc_set(t, "k", ANY_CAS, "b", "100"));
    IS(TOO_BIG, subdoc_insert(t, "k", ANY_CAS, "c", "1"));
    IS(OK, do_get(t, "k"));
    EQ(cas, t->doc.rec.cas);
    EQ(most, t->doc.rec.body.size);
    IS(OK, subdoc_set(t, "k", ANY_CAS, "b", "99"));
    IS(OK, do_delete(t, "k")); /* the file is other cases', too */

    segue_xattr x = {K("u"), one_less};
    IS(OK, do_set(t, "x", "1"));
    IS(OK, segue_xattrs_set(t->store, K("x"), &x, 1, NULL, NULL, &t->err));
    IS(OK, do_xattrs_set(t, "x", X("u.b=10")));
    cas = t->cas;
    IS(TOO_BIG, do_xattrs_set(t, "x", X("u.b=100")));
    IS(TOO_BIG, do_xattrs_set(t, "x", X("u.c=1")));
    IS(OK, do_get(t, "x"));
    EQ(cas, t->doc.rec.cas);
    EQ(most, t->doc.rec.xattrs[0].value.size);
    IS(OK, do_delete(t, "x"));
    seg_free(memory);
    segue_doc_free(&t->doc);
}

static void values_at_paths(cf *t)
{
    size_t most = SEGUE_BODY_MAX;
    char *memory = seg_alloc(most + 1);
    assert_non_null(memory);
    segue_path_op op = {.action = SEGUE_PATH_SET, .in = SEGUE_IN_XATTR, .path = K("u")};
    segue_mutation m = {.paths = &op, .n_paths = 1};
    IS(OK, do_set(t, "k", "{}"));
    op.value = json_of_size(memory, most);
    IS(OK, do_mutate(t, "k", &m));
    uint64_t cas = t->outcome.cas;
    op.value = json_of_size(memory, most + 1);
    IS(TOO_BIG, do_mutate(t, "k", &m));
    op.in = SEGUE_IN_BODY;
    IS(TOO_BIG, do_mutate(t, "k", &m));
    IS(TOO_BIG, segue_subdoc_set(t->store, K("new"), SEGUE_EXPECT_ANY, 0, K("a"), op.value, NULL, NULL, &t->err));
    IS(OK, do_get(t, "k"));
    EQ(cas, t->doc.rec.cas);
    EQ(most, t->doc.rec.xattrs[0].value.size);
    NOTHING("new");
    IS(OK, do_delete(t, "k"));
    seg_free(memory);
    segue_doc_free(&t->doc);
}

static void xattrs_that_paths_make(cf *t)
{
    char names[SEGUE_XATTRS_MAX][8];
    segue_xattr many[SEGUE_XATTRS_MAX];
    segue_path_op op = {.in = SEGUE_IN_XATTR, .path = K("last.a"), .value = K("1"), .options = SEGUE_PATH_PARENTS};
    segue_mutation m = {.paths = &op, .n_paths = 1};
    for (size_t i = 0; i < SEGUE_XATTRS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "u%zu", i); /* fits */
        many[i] = (segue_xattr){K(names[i]), K("1")};
    }
    fx_set(t, "k", "1");
    IS(OK, segue_xattrs_set(t->store, K("k"), many, SEGUE_XATTRS_MAX - 1, NULL, NULL, &t->err));
    IS(OK, do_mutate(t, "k", &m));
    IS(OK, do_get(t, "k"));
    EQ(SEGUE_XATTRS_MAX, t->doc.rec.n_xattrs);
    cf_state before = cf_state_of(t, "k");
    op.path = K("more.a");
    IS(TOO_BIG, do_mutate(t, "k", &m));
    op.path = K("more");
    IS(TOO_BIG, do_mutate(t, "k", &m));
    IS(TOO_BIG, do_xattrs_set(t, "k", X("more.a=1")));
    UNCHANGED("k", before);
    op.path = K("last.b"); /* in one that is there */
    IS(OK, do_mutate(t, "k", &m));
}

static void most_macros(cf *t)
{
    char paths[SEGUE_MACROS_MAX + 1][8];
    segue_macro macros[SEGUE_MACROS_MAX + 1];
    segue_xattr set = {K("_s"), K("{}")};
    segue_xattr_write w = {.set = &set, .n_set = 1, .macros = macros, .n_macros = SEGUE_MACROS_MAX + 1};
    uint64_t cas = fx_doc(t, "k", "{\"foo\": 1}", NULL);
    for (size_t i = 0; i <= SEGUE_MACROS_MAX; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "_s.m%zu", i); /* fits */
        macros[i] = CRC_MACRO(paths[i]);
    }
    cf_state before = cf_state_of(t, "k");
    IS(TOO_BIG, segue_write_with_xattrs(t->store, K("k"), cas, &w, NULL, NULL, &t->err));
    UNCHANGED("k", before);
    w.n_macros--;
    IS(OK, segue_write_with_xattrs(t->store, K("k"), cas, &w, NULL, &t->cas, &t->err));
    READS("k", "_s.m0", "\"0xe9a4f542\"");
    READS("k", paths[SEGUE_MACROS_MAX - 1], "\"0xe9a4f542\"");
}

const cf_case cf_path_cases[] = {
    {"S54", "a path write keeps the expiry", 0, path_write_and_expiry, NULL},
    {"S55", "a path write wants the CAS", 0, path_write_wants_the_cas, NULL},
    {"S56", "an insert at a path", 0, insert_at_a_path, NULL},
    {"S57", "reading a path", 0, read_a_path, NULL},
    {"S58", "a JSON null at a path is a value", 0, null_at_a_path, NULL},
    {"S59", "malformed paths change nothing; indexes and backticks are paths", 0, malformed_paths, NULL},
    {"S60", "what is beside a path write stays byte for byte", 0, the_rest_stays_byte_for_byte, NULL},
    {"S61", "a path write on nothing makes a document", 0, path_write_on_nothing, NULL},
    {"S62", "a path write keeps xattrs", 0, path_write_keeps_xattrs, NULL},
    {"S62b", "several paths in one mutation, or none of them", 0, several_paths_or_none, NULL},
    {"S66", "reading a path in an xattr", 0, read_a_path_in_an_xattr, NULL},
    {"S67", "reading a path through a number", 0, read_a_path_through_a_number, NULL},
    {"S68", "$document and its fields, on tombstones too", 0, document_and_its_fields, NULL},
    {"S69", "$document.value_crc32c", 0, crc_of_the_body, NULL},
    {"S70b", "bad paths into xattrs are refused, nothing changed", 0, bad_names_of_paths, NULL},
    {"S74b", "dropping a path keeps the fields beside it, or is refused", 0, drop_paths, NULL},
    {"S86", "setting a path in an xattr makes what is missing", 0, set_a_path_in_an_xattr, NULL},
    {"S89b", "dropping paths that may be missing leaves emptied objects", 0, drop_paths_that_may_be_missing, NULL},
    {"S91", "macros of CAS and CRC", 0, macros_of_cas_and_crc, NULL},
    {"S92", "a macro below a missing object is refused", 0, macro_below_nothing, NULL},
    {"S93", "a macro beside another xattr", 0, macro_beside_another_xattr, NULL},
    {"S100", "macros from a callback that is called again are expanded once", 0, macros_from_a_callback, NULL},
    {"S120", "records under a CAS of another store", NEEDS_KEEP_CAS | NEEDS_SINGLE, put_with_meta, NULL},
    {"S120c", "a dual store takes records under a CAS of another store only when it is clean", NEEDS_KEEP_CAS,
     put_with_meta_when_clean, NULL},
    {"B9g", "bodies and xattrs that grow by paths to 20 MiB and no further", RUNS_ONCE, sizes_that_grow_by_paths, NULL},
    {"B9h", "values at paths up to 20 MiB", RUNS_ONCE, values_at_paths, NULL},
    {"B9i", "64 xattrs, and no more, also by paths that make them", 0, xattrs_that_paths_make, NULL},
    {"B9j", "16 macros in one mutation, and no more", 0, most_macros, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
