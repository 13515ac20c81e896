/* Conformance: xattrs of live documents, scenarios 63 to 79 and 86 to 94 but for paths and macros (cases_path.c). */
#include "conform.h"

#include "base/base.h"

static void read_some_xattrs(cf *t)
{
    fx_doc(t, "k", "1", X("_a=1", "_b={\"x\":[1,2]}", "u=\"v\""));
    IS(OK, do_xattrs_get(t, "k", X("_b", "none", "u")));
    EQ(2, t->doc.rec.n_xattrs);
    CHECK(segue_slice_equal(segue_record_xattr(&t->doc.rec, K("_b"))->value, K("{\"x\":[1,2]}")));
    CHECK(segue_slice_equal(segue_record_xattr(&t->doc.rec, K("u"))->value, K("\"v\"")));
    CHECK(!t->doc.rec.body.data);
    NE(0, t->doc.rec.cas);
    IS(XATTR_NOT_FOUND, do_xattrs_get(t, "k", X("none", "_none")));
    IS(XATTRS_REQUIRED, do_xattrs_get(t, "k", NULL));
    IS(NOT_FOUND, do_xattrs_get(t, "missing", X("_a")));
}

static void read_xattrs_of_a_tombstone(cf *t)
{
    uint64_t cas = fx_tombstone(t, "k", X("_a=1", "u=2"));
    IS(OK, do_xattrs_get(t, "k", X("_a", "u")));
    EQ(1, t->doc.rec.n_xattrs);
    IS(XATTR_NOT_FOUND, do_xattrs_get(t, "k", X("u")));
    IS(OK, do_get_with_xattrs(t, "k", X("_a")));
    CHECK(t->doc.rec.is_tombstone && !t->doc.rec.body.data);
    IS(NOT_FOUND, do_get_with_xattrs(t, "k", X("none")));
    EQ(cas, t->doc.rec.cas);
    IS(NOT_FOUND, do_get_with_xattrs(t, "missing", X("_a")));
    EQ(0, t->doc.rec.cas);
}

static void read_body_and_xattrs(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "{\"a\":1}", X("_a=1"));
    IS(OK, do_get_with_xattrs(t, "k", X("none")));
    EQ(0, t->doc.rec.n_xattrs);
    EQ(cas, t->doc.rec.cas);
    CHECK(segue_slice_equal(t->doc.rec.body, K("{\"a\":1}")));
    IS(OK, do_get_with_xattrs(t, "k", X("_a", "none")));
    EQ(1, t->doc.rec.n_xattrs);
}

static void bad_names_and_values(cf *t)
{
    fx_doc(t, "k", "1", X("_a=1"));
    cf_state before = cf_state_of(t, "k");
    IS(INVALID_XATTR_NAME, do_xattrs_set(t, "k", X("=1")));
    IS(INVALID_XATTR_NAME, do_xattrs_set(t, "k", X("sixteen_bytes_xx=1")));
    IS(INVALID_XATTR_NAME, do_xattrs_set(t, "k", X("\xff\xfe=1")));
    IS(INVALID_JSON, do_xattrs_set(t, "k", X("_b={")));
    IS(INVALID_JSON, do_xattrs_set(t, "k", X("_b=1 2")));
    IS(INVALID_JSON, do_write(t, "k", before.cas, "2", X("_b=nul"), NULL));
    IS(INVALID_ARGUMENT, do_xattrs_set(t, "k", X("_b=1", "_b=2")));
    UNCHANGED("k", before);
    IS(OK, do_xattrs_set(t, "k", X("fifteen_bytes_x=1")));
    XATTR_IS("k", "fifteen_bytes_x", "1");
}

static void insert_with_xattrs(cf *t)
{
    IS(OK, do_write(t, "new", 0, "{\"a\":1}", X("_a=1", "_b={}", "u=[true]"), NULL));
    EQ(t->cas, cf_cas(t, "new"));
    BODY_IS("new", "{\"a\":1}");
    EQ(1, t->doc.rec.revision);
    XATTR_IS("new", "_a", "1");
    XATTR_IS("new", "_b", "{}");
    XATTR_IS("new", "u", "[true]");
    IS(EXISTS, do_write(t, "new", 0, "{\"a\":2}", X("_a=2"), NULL));
    EQ(0, t->cas);
    fx_doc(t, "k", "1", X("_a=1"));
    IS(EXISTS, do_write(t, "k", 0, "2", X("_a=2"), NULL));
    XATTR_IS("k", "_a", "1");
}

static void write_xattrs_only(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "raw \x01", X("_sync=1", "u=2"));
    IS(OK, do_write(t, "k", cas, NULL, X("_sync=2"), NULL));
    uint64_t after = t->cas;
    BODY_IS("k", "raw \x01");
    XATTR_IS("k", "_sync", "2");
    XATTR_IS("k", "u", "2");
    IS(OK, do_set(t, "k", "2"));
    IS(CAS_MISMATCH, do_write(t, "k", after, NULL, X("_sync=3"), NULL));
    XATTR_IS("k", "_sync", "2");
}

static void write_body_and_xattrs(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1", "_b=2", "u=3"));
    IS(OK, do_write(t, "k", cas, "2", X("_a=10", "v=4"), NULL));
    BODY_IS("k", "2");
    XATTR_IS("k", "_a", "10");
    XATTR_IS("k", "_b", "2");
    XATTR_IS("k", "u", "3");
    XATTR_IS("k", "v", "4");
    EQ(2, t->doc.rec.revision);
}

static void drop_some_xattrs(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1", "u1=1", "u2=2"));
    IS(OK, do_write(t, "k", cas, "2", NULL, X("u1")));
    BODY_IS("k", "2");
    XATTR_IS("k", "u1", NULL);
    XATTR_IS("k", "u2", "2");
    IS(OK, do_write(t, "k", t->cas, NULL, X("u2=20"), X("_a")));
    XATTR_IS("k", "u2", "20");
    XATTR_IS("k", "_a", NULL);
    BODY_IS("k", "2");
}

static void drop_what_is_not_there(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1"));
    cf_state before = cf_state_of(t, "k");
    IS(PATH_NOT_FOUND, do_write(t, "k", cas, "2", X("_b=1"), X("none")));
    IS(PATH_NOT_FOUND, do_xattrs_remove(t, "k", cas, X("_a", "none")));
    EQ(0, t->cas);
    UNCHANGED("k", before);
}

static void arguments_of_a_write(cf *t)
{
    IS(XATTR_DROP_ON_INSERT, do_write(t, "k", 0, "1", X("_a=1"), X("u")));
    IS(XATTR_DROP_ON_INSERT, do_write(t, "k", 0, "1", X("u=1"), X("u")));
    IS(XATTR_SET_AND_DROPPED, do_write(t, "k", 12345, "1", X("u=1"), X("u")));
    IS(XATTR_VALUE_REQUIRED, do_write(t, "k", 0, "1", X("u="), NULL));
    IS(XATTRS_REQUIRED, do_write(t, "k", 12345, NULL, NULL, NULL));
    IS(BODY_REQUIRED, do_write(t, "k", 0, NULL, X("u=1"), NULL));
    NOTHING("k");
    uint64_t cas = fx_doc(t, "there", "1", X("u=1"));
    cf_state before = cf_state_of(t, "there");
    IS(XATTR_SET_AND_DROPPED, do_write(t, "there", cas, "2", X("u=2"), X("u")));
    IS(XATTRS_REQUIRED, do_write(t, "there", cas, NULL, NULL, NULL));
    UNCHANGED("there", before);
}

static void write_by_cas_of_nothing(cf *t)
{
    IS(NOT_FOUND, do_write(t, "k", 12345, "1", X("_a=1"), NULL));
    IS(NOT_FOUND, do_write(t, "k", 12345, NULL, X("_a=1"), NULL));
    IS(NOT_FOUND, do_xattrs_update(t, "k", 12345, X("_a=1"), segue_expiry_none()));
    IS(NOT_FOUND, do_xattrs_update(t, "k", 0, X("_a=1"), segue_expiry_none()));
    IS(NOT_FOUND, do_xattrs_set(t, "k", X("_a=1")));
    IS(NOT_FOUND, do_xattrs_remove(t, "k", 12345, X("_a")));
    IS(NOT_FOUND, do_xattrs_drop(t, "k", X("_a")));
    NOTHING("k");
}

static void set_xattrs(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "{\"a\":1}", X("_a=1", "u=2"));
    IS(OK, do_xattrs_set(t, "k", X("_a=10", "v=3")));
    NE(cas, t->cas);
    BODY_IS("k", "{\"a\":1}");
    CHECK(t->doc.rec.is_json);
    EQ(2, t->doc.rec.revision);
    XATTR_IS("k", "_a", "10");
    XATTR_IS("k", "u", "2");
    XATTR_IS("k", "v", "3");
    IS(OK, do_xattrs_set(t, "k", X("u=", "_c=null")));
    XATTR_IS("k", "u", NULL);
    XATTR_IS("k", "_c", "null");
    cf_state before = cf_state_of(t, "k");
    IS(PATH_NOT_FOUND, do_xattrs_set(t, "k", X("none=", "_a=11")));
    UNCHANGED("k", before);
}

static void update_xattrs_by_cas(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1"));
    IS(EXISTS, do_xattrs_update(t, "k", 0, X("_a=2"), segue_expiry_none()));
    IS(CAS_MISMATCH, do_xattrs_update(t, "k", cas + 1, X("_a=2"), segue_expiry_none()));
    IS(XATTR_VALUE_REQUIRED, do_xattrs_update(t, "k", cas, X("_a="), segue_expiry_none()));
    EQ(cas, cf_cas(t, "k"));
    IS(OK, do_xattrs_update(t, "k", cas, X("_a=2"), segue_expiry_none()));
    XATTR_IS("k", "_a", "2");
    BODY_IS("k", "1");
}

static void remove_xattrs_by_cas(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1", "_b=2", "u=3"));
    IS(CAS_MISMATCH, do_xattrs_remove(t, "k", cas + 1, X("_a")));
    IS(OK, do_xattrs_remove(t, "k", cas, X("_a", "u")));
    EQ(t->cas, cf_cas(t, "k"));
    XATTR_IS("k", "_a", NULL);
    XATTR_IS("k", "_b", "2");
    XATTR_IS("k", "u", NULL);
    BODY_IS("k", "1");
    IS(OK, do_xattrs_remove(t, "k", t->cas, X("_b")));
    IS(OK, do_get(t, "k"));
    EQ(0, t->doc.rec.n_xattrs);
}

static void drop_xattrs(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(1000), X("_a=1", "_b=2"));
    uint32_t expiry = cf_expiry(t, "k");
    IS(OK, do_xattrs_drop(t, "k", X("_a", "none")));
    XATTR_IS("k", "_a", NULL);
    XATTR_IS("k", "_b", "2");
    EQ(expiry, cf_expiry(t, "k"));
    cf_state before = cf_state_of(t, "k");
    IS(OK, do_xattrs_drop(t, "k", X("none")));
    EQ(before.cas, t->cas);
    UNCHANGED("k", before);
    fx_tombstone(t, "gone", X("_a=1", "_b=2"));
    IS(OK, do_xattrs_drop(t, "gone", X("_a")));
    TOMBSTONE("gone");
    XATTR_IS("gone", "_a", NULL);
    XATTR_IS("gone", "_b", "2");
}

static void xattr_values_stay_byte_for_byte(cf *t)
{
    static const char value[] = "{ \"seq\":9223372036854775808, \"z\":0.10,\"a\":\"<\\u00e9>\" }";
    char spec[128] = "_a=";
    memcpy(spec + 3, value, sizeof value);
    fx_doc(t, "k", "1", X(spec));
    XATTR_IS("k", "_a", value);
    IS(OK, do_set(t, "k", "2"));
    XATTR_IS("k", "_a", value);
    IS(OK, do_write(t, "new", 0, "1", X(spec), NULL));
    XATTR_IS("new", "_a", value);
    IS(OK, do_delete(t, "new"));
    XATTR_IS("new", "_a", value);
}

const cf_case cf_xattr_cases[] = {
    {"S63", "reading xattrs finds those that are there", 0, read_some_xattrs, NULL},
    {"S64", "a tombstone shows its system xattrs and its CAS", 0, read_xattrs_of_a_tombstone, NULL},
    {"S65", "a live document without the xattr is no error", 0, read_body_and_xattrs, NULL},
    {"S70", "bad xattr names and values are refused, nothing changed", 0, bad_names_and_values, NULL},
    {"S71", "an insert with xattrs takes all of them, a second is EXISTS", 0, insert_with_xattrs, NULL},
    {"S72", "a write of xattrs keeps the body and wants the CAS", 0, write_xattrs_only, NULL},
    {"S72b", "a write of body and xattrs keeps the other xattrs", 0, write_body_and_xattrs, NULL},
    {"S73", "xattrs are dropped with a body, with others set, and alone", 0, drop_some_xattrs, NULL},
    {"S74", "dropping an xattr that is not there refuses the whole write", 0, drop_what_is_not_there, NULL},
    {"S75", "the arguments of a write are checked before anything", 0, arguments_of_a_write, NULL},
    {"S76", "a write by CAS of nothing is NOT_FOUND", 0, write_by_cas_of_nothing, NULL},
    {"S87a", "setting xattrs keeps body, JSON and the other xattrs", 0, set_xattrs, NULL},
    {"S88a", "updating xattrs wants the CAS", 0, update_xattrs_by_cas, NULL},
    {"S88", "removing xattrs wants the CAS and all of them there", 0, remove_xattrs_by_cas, NULL},
    {"S89", "dropping xattrs keeps siblings, expiry and state", 0, drop_xattrs, NULL},
    {"S94", "xattr values stay byte for byte", 0, xattr_values_stay_byte_for_byte, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
