/* Conformance: tombstones, resurrection, purge and revisions: scenarios 77 to 90, 101 to 103. */
#include "conform.h"

#include "base/base.h"

static void insert_with_xattrs_over_tombstone(cf *t)
{
    fx_tombstone(t, "k", X("_old=1"));
    IS(OK, do_write(t, "k", 0, "2", X("_new=1", "u=1"), NULL));
    BODY_IS("k", "2");
    EQ(2, t->doc.rec.n_xattrs);
    XATTR_IS("k", "_old", NULL);
    XATTR_IS("k", "_new", "1");
    EQ(3, t->doc.rec.revision);
}

static void body_by_cas_over_tombstone(cf *t)
{
    uint64_t cas = fx_tombstone(t, "k", X("_a=1"));
    cf_state before = cf_state_of(t, "k");
    IS(NOT_FOUND, do_write(t, "k", cas, "2", X("_a=2"), NULL));
    IS(NOT_FOUND, do_write(t, "k", cas + 1, "2", X("_a=2"), NULL));
    UNCHANGED("k", before);
}

static void xattrs_by_cas_on_tombstone(cf *t)
{
    uint64_t cas = fx_tombstone(t, "k", X("_a=1", "_b=2"));
    IS(CAS_MISMATCH, do_write(t, "k", cas + 1, NULL, X("_a=2"), NULL));
    IS(OK, do_write(t, "k", cas, NULL, X("_a=2"), NULL));
    TOMBSTONE("k");
    EQ(3, t->doc.rec.revision);
    XATTR_IS("k", "_a", "2");
    XATTR_IS("k", "_b", "2");
}

static void any_xattr_write_leaves_a_tombstone(cf *t)
{
    fx_tombstone(t, "k", X("_a=1"));
    IS(OK, do_xattrs_set(t, "k", X("_b=1")));
    TOMBSTONE("k");
    IS(OK, do_xattrs_update(t, "k", t->cas, X("_b=2"), segue_expiry_none()));
    TOMBSTONE("k");
    IS(OK, do_xattrs_remove(t, "k", t->cas, X("_a")));
    TOMBSTONE("k");
    XATTR_IS("k", "_a", NULL);
    XATTR_IS("k", "_b", "2");
    CHECK(!do_exists(t, "k"));
    EQ(5, t->doc.rec.revision);
}

/* The matrix: nothing, live, tombstone x CAS 0, equal, another x with and without deleting the body. */

static void tombstone_of_nothing(cf *t)
{
    IS(NOT_FOUND, do_write_tombstone(t, "k", 0, true, X("_a=1"), NULL));
    IS(NOT_FOUND, do_write_tombstone(t, "k", 12345, true, X("_a=1"), NULL));
    IS(NOT_FOUND, do_write_tombstone(t, "k", 12345, false, X("_a=1"), NULL));
    NOTHING("k");
    SEG_AUTO(segue_buf) keys = {0};
    IS(OK, do_write_tombstone(t, "k", 0, false, X("_a=1"), NULL));
    TOMBSTONE("k");
    EQ(t->cas, t->doc.rec.cas);
    EQ(1, t->doc.rec.revision);
    GONE("k");
    IS(OK, do_get_with_xattrs(t, "k", X("_a")));
    CHECK(!t->doc.rec.body.data);
    assert_string_equal(do_scan(t, NULL, &keys), "");
}

static void tombstone_of_live(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1", "_b=2", "u=3"));
    cf_state before = cf_state_of(t, "k");
    IS(EXISTS, do_write_tombstone(t, "k", 0, true, X("_a=2"), NULL));
    IS(EXISTS, do_write_tombstone(t, "k", 0, false, X("_a=2"), NULL));
    IS(CAS_MISMATCH, do_write_tombstone(t, "k", cas + 1, true, X("_a=2"), NULL));
    IS(CAS_MISMATCH, do_write_tombstone(t, "k", cas + 1, false, X("_a=2"), NULL));
    UNCHANGED("k", before);
    IS(OK, do_write_tombstone(t, "k", cas, false, X("_a=2"), NULL));
    BODY_IS("k", "1");
    XATTR_IS("k", "_a", "2");
    XATTR_IS("k", "u", "3");
}

static void tombstone_that_deletes_the_body(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1", "_b=2", "u=3"));
    IS(OK, do_write_tombstone(t, "k", cas, true, X("_a=2"), NULL));
    TOMBSTONE("k");
    EQ(t->cas, t->doc.rec.cas);
    EQ(2, t->doc.rec.revision);
    CHECK(!t->doc.rec.is_json);
    XATTR_IS("k", "_a", "2");
    XATTR_IS("k", "_b", "2");
    XATTR_IS("k", "u", NULL);
}

static void tombstone_that_drops(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1", "_b=2", "u=3"));
    IS(OK, do_write_tombstone(t, "k", cas, true, X("_a=2"), X("u", "_b")));
    TOMBSTONE("k");
    XATTR_IS("k", "_a", "2");
    XATTR_IS("k", "_b", NULL);
    XATTR_IS("k", "u", NULL);
}

static void tombstone_of_tombstone(cf *t)
{
    uint64_t cas = fx_tombstone(t, "k", X("_a=1", "_b=2"));
    cf_state before = cf_state_of(t, "k");
    IS(NOT_FOUND, do_write_tombstone(t, "k", 0, true, X("_a=2"), NULL));
    IS(NOT_FOUND, do_write_tombstone(t, "k", cas, true, X("_a=2"), NULL));
    IS(NOT_FOUND, do_write_tombstone(t, "k", cas + 1, true, X("_a=2"), NULL));
    IS(EXISTS, do_write_tombstone(t, "k", 0, false, X("_a=2"), NULL));
    IS(CAS_MISMATCH, do_write_tombstone(t, "k", cas + 1, false, X("_a=2"), NULL));
    UNCHANGED("k", before);
    IS(OK, do_write_tombstone(t, "k", cas, false, X("_a=2"), NULL));
    TOMBSTONE("k");
    XATTR_IS("k", "_a", "2");
    XATTR_IS("k", "_b", "2");
}

static void arguments_of_a_tombstone(cf *t)
{
    IS(XATTRS_REQUIRED, do_write_tombstone(t, "k", 0, false, NULL, NULL));
    IS(XATTRS_REQUIRED, do_write_tombstone(t, "k", 12345, true, NULL, X("_a")));
    IS(XATTR_DROP_ON_INSERT, do_write_tombstone(t, "k", 0, false, X("_a=1"), X("_b")));
    IS(XATTR_VALUE_REQUIRED, do_write_tombstone(t, "k", 12345, true, X("_a="), NULL));
    segue_xattr x = {K("_a"), K("1")};
    segue_xattr_write w = {.body = K("1"), .set = &x, .n_set = 1};
    IS(INVALID_ARGUMENT, segue_write_tombstone(t->store, K("k"), 0, false, &w, NULL, NULL, &t->err));
    NOTHING("k");
}

static void resurrection(cf *t)
{
    IS(BODY_REQUIRED, do_resurrect(t, "new", NULL, X("_a=1")));
    NOTHING("new");
    IS(OK, do_resurrect(t, "new", "1", X("_a=1")));
    BODY_IS("new", "1");
    EQ(1, t->doc.rec.revision);
    fx_tombstone(t, "k", X("_a=1"));
    IS(OK, do_resurrect(t, "k", "2", NULL));
    BODY_IS("k", "2");
    EQ(0, t->doc.rec.n_xattrs);
    EQ(3, t->doc.rec.revision);
    fx_set(t, "live", "1");
    IS(EXISTS, do_resurrect(t, "live", "2", NULL));
    BODY_IS("live", "1");
}

static void delete_keeps_system_xattrs(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(1000), X("_a=1", "_b=2", "u=3", "v=4"));
    IS(OK, do_delete(t, "k"));
    TOMBSTONE("k");
    CHECK(!t->doc.rec.is_json);
    EQ(2, t->doc.rec.n_xattrs);
    EQ(2, t->doc.rec.revision);
    XATTR_IS("k", "_a", "1");
    XATTR_IS("k", "_b", "2");
}

static void delete_with_xattrs(cf *t)
{
    SEG_AUTO(segue_buf) keys = {0};
    fx_doc(t, "with", "1", X("_a=1", "u=2"));
    fx_doc(t, "without", "1", X("u=2"));
    fx_tombstone(t, "gone", X("_a=1"));
    const char *const all[] = {"with", "without", "gone"};
    for (size_t i = 0; i < 3; i++) {
        IS(OK, do_delete_with_xattrs(t, all[i], X("_a")));
        TOMBSTONE(all[i]);
        EQ(0, t->doc.rec.n_xattrs);
        IS(NOT_FOUND, do_get_with_xattrs(t, all[i], X("_a", "u")));
        IS(NOT_FOUND, do_delete_with_xattrs(t, all[i], X("_a")));
    }
    assert_string_equal(do_scan(t, NULL, &keys), "");
    IS(NOT_FOUND, do_delete_with_xattrs(t, "missing", X("_a")));
    NOTHING("missing");
}

static void delete_with_some_xattrs(cf *t)
{
    fx_doc(t, "k", "1", X("_a=1", "_b=2", "u=3"));
    IS(OK, do_delete_with_xattrs(t, "k", X("_a", "none")));
    TOMBSTONE("k");
    XATTR_IS("k", "_a", NULL);
    XATTR_IS("k", "_b", "2");
    XATTR_IS("k", "u", NULL);
}

static void revisions_go_on(cf *t)
{
    fx_set(t, "k", "1");
    EQ(1, cf_revision(t, "k"));
    IS(OK, do_set(t, "k", "2"));
    EQ(2, cf_revision(t, "k"));
    IS(OK, do_delete(t, "k"));
    EQ(3, cf_revision(t, "k"));
    IS(OK, do_set(t, "k", "3"));
    EQ(4, cf_revision(t, "k"));
    IS(OK, do_delete(t, "k"));
    IS(OK, do_write_cas(t, "k", 0, "4", 0));
    EQ(6, cf_revision(t, "k"));
    IS(OK, do_delete(t, "k"));
    IS(OK, do_add(t, "k", "5"));
    EQ(8, cf_revision(t, "k"));
    fx_tombstone(t, "gone", NULL);
    IS(OK, do_add(t, "gone", "1"));
    EQ(3, cf_revision(t, "gone"));
    IS(OK, do_incr_from(t, "gone", 1, 1));
    EQ(4, cf_revision(t, "gone"));
}

static void purge_takes_tombstones_only(cf *t)
{
    uint64_t purged = 77;
    fx_set(t, "live", "1");
    fx_tombstone(t, "gone", X("_a=1"));
    fx_set(t, "deleted", "1");
    IS(OK, do_delete(t, "deleted"));
    IS(OK, do_purge(t, &purged));
    EQ(2, purged);
    NOTHING("gone");
    NOTHING("deleted");
    BODY_IS("live", "1");
    IS(OK, do_add(t, "gone", "2"));
    EQ(1, cf_revision(t, "gone"));
    IS(OK, segue_purge_tombstones(t->store, &purged, &t->err));
    EQ(0, purged);
}

static void two_handles_never_share_a_cas(cf *t)
{
    cf_open_other(t, "s.clock");
    uint64_t last = 0;
    for (int i = 0; i < 20; i++) {
        uint64_t a = 0, b = 0;
        IS(OK, segue_set(t->store, K("k"), K("1"), segue_expiry_none(), NULL, &a, &t->err));
        IS(OK, segue_set(t->other, K("k"), K("1"), segue_expiry_none(), NULL, &b, &t->err));
        CHECK(a > last);
        last = a;
        if (!t->target->is_dual) NE(a, b);
    }
}

const cf_case cf_tombstone_cases[] = {
    {"S77", "an insert over a tombstone has only the xattrs given", 0, insert_with_xattrs_over_tombstone, NULL},
    {"S78", "a body cannot be written over a tombstone by CAS", 0, body_by_cas_over_tombstone, NULL},
    {"S79", "xattrs of a tombstone are written by CAS", 0, xattrs_by_cas_on_tombstone, NULL},
    {"S80", "a tombstone is made of nothing by CAS 0 without deleting", 0, tombstone_of_nothing, NULL},
    {"S81", "a tombstone write that deletes nothing keeps the body", 0, tombstone_of_live, NULL},
    {"S82", "a tombstone write that deletes keeps other system xattrs", 0, tombstone_that_deletes_the_body, NULL},
    {"S83", "a tombstone write drops the xattrs named, user ones too", 0, tombstone_that_drops, NULL},
    {"S84", "a tombstone write over a tombstone", 0, tombstone_of_tombstone, NULL},
    {"S84b", "the arguments of a tombstone write are checked", 0, arguments_of_a_tombstone, NULL},
    {"S85", "a resurrection has exactly the xattrs given, EXISTS over live", 0, resurrection, NULL},
    {"S86a", "delete keeps system xattrs, drops user xattrs and expiry", 0, delete_keeps_system_xattrs, NULL},
    {"S87", "an xattr write on a tombstone leaves a tombstone", 0, any_xattr_write_leaves_a_tombstone, NULL},
    {"S90", "delete with xattrs leaves neither body nor them", 0, delete_with_xattrs, NULL},
    {"S90b", "delete with xattrs keeps other system xattrs", 0, delete_with_some_xattrs, NULL},
    {"S101", "revisions go on through deletion and resurrection", 0, revisions_go_on, NULL},
    {"S102", "purge takes tombstones only, and a dual store refuses it until clean", 0, purge_takes_tombstones_only,
     NULL},
    {"S103", "CAS grow, and two collections of an engine share none", 0, two_handles_never_share_a_cas, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
