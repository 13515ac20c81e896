/* Conformance: bodies, scenarios 1 to 25 of the reference. */
#include "conform.h"

#include "base/base.h"

static void nothing_there(cf *t)
{
    uint32_t expiry = 7;
    IS(NOT_FOUND, do_get(t, "k"));
    IS(NOT_FOUND, do_get_record(t, "k"));
    IS(NOT_FOUND, do_touch(t, "k", segue_expiry_in(60)));
    IS(NOT_FOUND, segue_get_and_touch(t->store, K("k"), segue_expiry_in(60), NULL, &t->doc, &t->err));
    IS(NOT_FOUND, segue_get_expiry(t->store, K("k"), NULL, &expiry, &t->err));
    EQ(7, expiry);
    IS(NOT_FOUND, do_delete(t, "k"));
    IS(NOT_FOUND, do_remove(t, "k", 12345));
    EQ(0, t->cas);
    CHECK(!do_exists(t, "k"));
    NOTHING("k");
}

static void set_then_get(cf *t)
{
    IS(OK, do_set(t, "k", "{\"a\":1}"));
    NE(0, t->cas);
    EQ(t->cas, cf_cas(t, "k"));
    BODY_IS("k", "{\"a\":1}");
    CHECK(do_exists(t, "k"));
}

static void get_what_was_prepared(cf *t)
{
    uint64_t cas = fx_set(t, "k", "{\"a\":1}");
    BODY_IS("k", "{\"a\":1}");
    EQ(cas, t->doc.rec.cas);
    EQ(1, t->doc.rec.revision);
    CHECK(do_exists(t, "k"));
}

static void add_twice(cf *t)
{
    IS(OK, do_add(t, "new", "1"));
    EQ(t->cas, cf_cas(t, "new"));
    fx_set(t, "k", "{\"a\":1}");
    cf_state before = cf_state_of(t, "k");
    IS(EXISTS, do_add(t, "k", "{\"a\":2}"));
    EQ(0, t->cas);
    UNCHANGED("k", before);
}

static void add_delete_add(cf *t)
{
    fx_set(t, "k", "1");
    IS(OK, do_delete(t, "k"));
    GONE("k");
    IS(OK, do_add(t, "k", "2"));
    BODY_IS("k", "2");
}

static void delete_add_add(cf *t)
{
    fx_tombstone(t, "k", NULL);
    IS(OK, do_add(t, "k", "1"));
    IS(EXISTS, do_add(t, "k", "2"));
    BODY_IS("k", "1");
}

static void delete_set_insert(cf *t)
{
    fx_tombstone(t, "k", NULL);
    IS(OK, do_set(t, "k", "1"));
    IS(EXISTS, do_write_cas(t, "k", 0, "2", 0));
    BODY_IS("k", "1");
}

static void deleted_and_set_is_listed(cf *t)
{
    SEG_AUTO(segue_buf) keys = {0};
    fx_tombstone(t, "k", NULL);
    fx_tombstone(t, "z", NULL);
    IS(OK, do_set(t, "k", "1"));
    assert_string_equal(do_scan(t, NULL, &keys), "k");
}

static void insert_twice(cf *t)
{
    IS(OK, do_write_cas(t, "k", 0, "1", 0));
    NE(0, t->cas);
    IS(EXISTS, do_write_cas(t, "k", 0, "2", 0));
    EQ(0, t->cas);
    fx_set(t, "old", "1");
    IS(EXISTS, do_write_cas(t, "old", 0, "2", SEGUE_WRITE_RAW));
    BODY_IS("old", "1");
}

static void replace_by_cas(cf *t)
{
    uint64_t first = fx_set(t, "k", "1");
    IS(OK, do_write_cas(t, "k", first, "2", 0));
    NE(first, t->cas);
    EQ(t->cas, cf_cas(t, "k"));
    IS(CAS_MISMATCH, do_write_cas(t, "k", first, "3", 0));
    EQ(0, t->cas);
    BODY_IS("k", "2");
}

static void insert_over_tombstone(cf *t)
{
    fx_tombstone(t, "k", X("_a=1"));
    IS(OK, do_write_cas(t, "k", 0, "raw", SEGUE_WRITE_RAW));
    BODY_IS("k", "raw");
    CHECK(!t->doc.rec.is_json);
    XATTR_IS("k", "_a", NULL);
}

static void add_only_ignores_cas(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1");
    IS(OK, do_delete(t, "k"));
    IS(OK, do_write_cas(t, "k", cas, "2", SEGUE_WRITE_ADD_ONLY));
    BODY_IS("k", "2");
}

static void add_only_over_live(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1");
    IS(EXISTS, do_write_cas(t, "k", cas, "2", SEGUE_WRITE_ADD_ONLY));
    BODY_IS("k", "1");
}

static void write_cas_of_nothing(cf *t)
{
    IS(NOT_FOUND, do_write_cas(t, "k", 12345, "1", 0));
    NOTHING("k");
    uint64_t tombstone = fx_tombstone(t, "gone", NULL);
    IS(NOT_FOUND, do_write_cas(t, "gone", tombstone + 1, "1", 0));
    IS(NOT_FOUND, do_write_cas(t, "gone", tombstone, "1", 0));
    TOMBSTONE("gone");
    EQ(tombstone, t->doc.rec.cas);
}

static void append_to_bodies(cf *t)
{
    IS(NOT_FOUND, do_write_cas(t, "k", 12345, " World", SEGUE_WRITE_APPEND));
    IS(NOT_FOUND, do_append(t, "k", " World"));
    NOTHING("k");
    uint64_t cas = fx_doc(t, "hello", "Hello", X("_a=1", "u=2"));
    IS(OK, do_write_cas(t, "hello", cas, " World", SEGUE_WRITE_APPEND));
    NE(cas, t->cas);
    BODY_IS("hello", "Hello World");
    IS(CAS_MISMATCH, do_write_cas(t, "hello", cas, "!", SEGUE_WRITE_APPEND));
    IS(OK, do_append(t, "hello", "!"));
    BODY_IS("hello", "Hello World!");
    XATTR_IS("hello", "_a", "1");
    XATTR_IS("hello", "u", "2");
    fx_tombstone(t, "gone", NULL);
    IS(NOT_FOUND, do_append(t, "gone", "x"));
    TOMBSTONE("gone");
}

static void append_knows_json_of_the_whole(cf *t)
{
    fx_set(t, "k", "[1,2");
    IS(OK, do_append(t, "k", ",3]"));
    BODY_IS("k", "[1,2,3]");
    CHECK(t->doc.rec.is_json);
    IS(OK, do_append(t, "k", "]"));
    IS(OK, do_get(t, "k"));
    CHECK(!t->doc.rec.is_json);
}

static void no_body_is_no_write(cf *t)
{
    IS(BODY_REQUIRED, do_write_cas(t, "k", 0, NULL, SEGUE_WRITE_RAW));
    IS(BODY_REQUIRED, do_set(t, "k", NULL));
    IS(BODY_REQUIRED, do_add(t, "k", NULL));
    NOTHING("k");
}

static void bodies_stay_byte_for_byte(cf *t)
{
    static const char body[] = "{ \"b\":1.10, \"a\":9007199254740993,\t\"c\":\"\\u00e9<&>\" }";
    IS(OK, do_add(t, "added", body));
    IS(OK, do_set(t, "set", body));
    IS(OK, do_write_cas(t, "inserted", 0, body, 0));
    fx_set(t, "old", body);
    const char *const keys[] = {"added", "set", "inserted", "old"};
    for (size_t i = 0; i < 4; i++) {
        BODY_IS(keys[i], body);
        CHECK(t->doc.rec.is_json);
    }
}

static void json_is_taken_on_trust_or_looked_at(cf *t)
{
    IS(OK, do_set(t, "trusted", "{\"cut\":"));
    BODY_IS("trusted", "{\"cut\":");
    CHECK(t->doc.rec.is_json);
    IS(OK, segue_set_raw(t->store, K("cut"), K("{\"cut\":"), segue_expiry_none(), NULL, NULL, &t->err));
    IS(OK, do_get(t, "cut"));
    CHECK(!t->doc.rec.is_json);
    IS(OK, segue_add_raw(t->store, K("ok"), K("[1, \"a\", null]"), segue_expiry_none(), NULL, NULL, &t->err));
    IS(OK, do_get(t, "ok"));
    CHECK(t->doc.rec.is_json);
    IS(OK, do_write_cas(t, "number", 0, "-1.5e3", SEGUE_WRITE_RAW));
    IS(OK, do_get(t, "number"));
    CHECK(t->doc.rec.is_json);
}

static void largest_body(cf *t)
{
    size_t size = SEGUE_BODY_MAX;
    char *body = seg_alloc(size + 1);
    assert_non_null(body);
    memset(body, 'x', size + 1);
    IS(OK, segue_set_raw(t->store, K("k"), segue_bytes(body, size), segue_expiry_none(), NULL, &t->cas, &t->err));
    uint64_t cas = t->cas;
    IS(TOO_BIG, segue_set_raw(t->store, K("k"), segue_bytes(body, size + 1), segue_expiry_none(), NULL, NULL, &t->err));
    IS(TOO_BIG, do_append(t, "k", "x"));
    IS(OK, do_get(t, "k"));
    EQ(size, t->doc.rec.body.size);
    EQ(cas, t->doc.rec.cas);
    CHECK(memcmp(t->doc.rec.body.data, body, size) == 0);
    IS(TOO_BIG, segue_add_raw(t->store, K("n"), segue_bytes(body, size + 1), segue_expiry_none(), NULL, NULL, &t->err));
    NOTHING("n");
    IS(OK, do_delete(t, "k")); /* the file is other cases', too, and this row can stand in the way of every search in it */
    seg_free(body);
    segue_doc_free(&t->doc);
}

static segue_status set_to_ctx(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)current;
    m->body_op = SEGUE_BODY_SET;
    m->body = *(const segue_slice *)ctx;
    return SEGUE_OK;
}

static void body_limit_of_every_verb(cf *t)
{
    size_t size = SEGUE_BODY_MAX;
    char *bytes = seg_alloc(size + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', size + 1);
    segue_slice over = segue_bytes(bytes, size + 1), one_less = segue_bytes(bytes, size - 1);
    segue_xattr x = {K("_x"), K("1")};
    segue_xattr_write w = {.body = over, .set = &x, .n_set = 1};
    segue_record rec = {.key = K("new"), .body = over, .revision = 1};
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1"));
    cf_state before = cf_state_of(t, "k");
    IS(TOO_BIG, segue_set(t->store, K("k"), over, segue_expiry_none(), NULL, NULL, &t->err));
    IS(TOO_BIG, segue_write_cas(t->store, K("k"), cas, over, segue_expiry_none(), SEGUE_WRITE_RAW, NULL, NULL, &t->err));
    IS(TOO_BIG, do_update(t, "k", set_to_ctx, &over, NULL));
    IS(TOO_BIG, segue_write_with_xattrs(t->store, K("k"), cas, &w, NULL, NULL, &t->err));
    UNCHANGED("k", before);
    IS(TOO_BIG, segue_add(t->store, K("new"), over, segue_expiry_none(), NULL, NULL, &t->err));
    IS(TOO_BIG, segue_write_resurrection(t->store, K("new"), &w, NULL, NULL, &t->err));
    IS(TOO_BIG, do_update(t, "new", set_to_ctx, &over, NULL));
    IS(TOO_BIG, segue_put_record(t->store, &rec, 0, NULL, NULL, &t->err));
    NOTHING("new");
    IS(OK, do_update(t, "k", set_to_ctx, &one_less, NULL));
    IS(OK, do_append(t, "k", "x"));
    before = cf_state_of(t, "k");
    EQ(size, t->doc.rec.body.size);
    IS(TOO_BIG, do_append(t, "k", "x"));
    UNCHANGED("k", before);
    IS(OK, do_delete(t, "k")); /* as above */
    seg_free(bytes);
    segue_doc_free(&t->doc);
}

static void empty_body_is_live(cf *t)
{
    IS(OK, segue_set_raw(t->store, K("k"), segue_bytes("", 0), segue_expiry_none(), NULL, NULL, &t->err));
    fx_doc(t, "old", "", X("_a=1"));
    const char *const keys[] = {"k", "old"};
    for (size_t i = 0; i < 2; i++) {
        IS(OK, do_get_with_xattrs(t, keys[i], X("_a")));
        CHECK(t->doc.rec.body.data && t->doc.rec.body.size == 0);
        CHECK(!t->doc.rec.is_tombstone);
        IS(EXISTS, do_add(t, keys[i], "1"));
    }
    IS(OK, do_get(t, "k"));
    CHECK(!t->doc.rec.is_json);
}

static void remove_by_cas(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1");
    IS(CAS_MISMATCH, do_remove(t, "k", cas + 1));
    EQ(0, t->cas);
    IS(EXISTS, do_remove(t, "k", 0));
    BODY_IS("k", "1");
    IS(OK, do_remove(t, "k", cas));
    uint64_t removed = t->cas;
    NE(0, removed);
    NE(cas, removed);
    TOMBSTONE("k");
    EQ(removed, t->doc.rec.cas);
}

static void delete_twice(cf *t)
{
    fx_set(t, "k", "1");
    IS(OK, do_delete(t, "k"));
    cf_state before = cf_state_of(t, "k");
    IS(NOT_FOUND, do_delete(t, "k"));
    IS(NOT_FOUND, do_remove(t, "k", before.cas));
    IS(NOT_FOUND, do_remove(t, "k", before.cas + 1));
    IS(NOT_FOUND, do_remove(t, "k", 0));
    UNCHANGED("k", before);
}

static void two_collections(cf *t)
{
    cf_open_other(t, "s.second");
    uint64_t cas = fx_set(t, "k", "1");
    uint64_t other = 0;
    IS(OK, segue_add(t->other, K("k"), K("2"), segue_expiry_none(), NULL, &other, &t->err));
    if (!t->target->is_dual) NE(cas, other); /* two engines have a clock each */
    IS(OK, do_delete(t, "k"));
    GONE("k");
    IS(OK, segue_get(t->other, K("k"), NULL, &t->doc, &t->err));
    EQ(other, t->doc.rec.cas);
    CHECK(segue_slice_equal(t->doc.rec.body, K("2")));
    IS(OK, segue_delete(t->other, K("k"), NULL, &t->err));
}

static void set_keeps_xattrs(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_sync={\"rev\":\"1-a\"}", "u=[1]"));
    IS(OK, do_set(t, "k", "2"));
    NE(cas, t->cas);
    BODY_IS("k", "2");
    XATTR_IS("k", "_sync", "{\"rev\":\"1-a\"}");
    XATTR_IS("k", "u", "[1]");
    EQ(2, t->doc.rec.revision);
}

static void set_keeps_flags(cf *t)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("1"), .has_flags = true, .flags = 0x2000006};
    IS(OK, do_mutate(t, "k", &m));
    IS(OK, do_set(t, "k", "2"));
    IS(OK, do_get(t, "k"));
    EQ(0x2000006, t->doc.rec.flags);
    m.options = SEGUE_M_REPLACE_ALL;
    m.has_flags = false;
    IS(OK, do_mutate(t, "k", &m));
    IS(OK, do_get(t, "k"));
    EQ(0, t->doc.rec.flags);
}

static void replacing_all_starts_anew(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(1000), X("_a=1", "u=2"));
    uint64_t before = cf_cas(t, "k");
    cf_advance(1); /* it reads nothing, so over two engines only time tells its CAS from the fallback's */
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("2"), .options = SEGUE_M_REPLACE_ALL};
    IS(OK, do_mutate(t, "k", &m));
    NE(before, t->outcome.cas);
    BODY_IS("k", "2");
    EQ(0, t->doc.rec.n_xattrs);
    EQ(0, t->doc.rec.expiry);
}

const cf_case cf_body_cases[] = {
    {"S1", "a missing key is NOT_FOUND to every verb and exists is false", 0, nothing_there, NULL},
    {"S2", "get gives the CAS that set gave", 0, set_then_get, NULL},
    {"S2b", "get finds what was there before, at revision 1", 0, get_what_was_prepared, NULL},
    {"S3", "a second add is EXISTS and changes nothing", 0, add_twice, NULL},
    {"S5", "a deleted document is gone and can be added again", 0, add_delete_add, NULL},
    {"S6", "after delete and add a second add is EXISTS", 0, delete_add_add, NULL},
    {"S7", "after delete and set an insert is EXISTS", 0, delete_set_insert, NULL},
    {"S8", "a document that was deleted and set is listed", 0, deleted_and_set_is_listed, NULL},
    {"S9", "an insert over a live document is EXISTS", 0, insert_twice, NULL},
    {"S10", "a write by CAS takes the current one and refuses the last", 0, replace_by_cas, NULL},
    {"S11", "an insert over a tombstone drops its xattrs", 0, insert_over_tombstone, NULL},
    {"S12", "add-only over a tombstone looks at no CAS", 0, add_only_ignores_cas, NULL},
    {"S13", "add-only over a live document is EXISTS under any CAS", 0, add_only_over_live, NULL},
    {"S14", "a write by CAS of nothing live is NOT_FOUND", 0, write_cas_of_nothing, NULL},
    {"S15", "append adds to live bodies only and keeps xattrs", 0, append_to_bodies, NULL},
    {"S15b", "append looks at the whole body to see whether it is JSON", 0, append_knows_json_of_the_whole, NULL},
    {"S17", "a write without a body stores nothing", 0, no_body_is_no_write, NULL},
    {"S18", "bodies stay byte for byte by every way in", 0, bodies_stay_byte_for_byte, NULL},
    {"S19", "malformed JSON is taken on trust by set, found out by set_raw", 0, json_is_taken_on_trust_or_looked_at,
     NULL},
    {"S20", "20 MiB fit, one byte more is TOO_BIG and changes nothing", RUNS_ONCE, largest_body, NULL},
    {"S20b", "every verb that writes a body knows its limit", 0, body_limit_of_every_verb, NULL},
    {"S21", "an empty body is live and not absent", 0, empty_body_is_live, NULL},
    {"S22", "remove wants the current CAS and gives the tombstone's", 0, remove_by_cas, NULL},
    {"S23", "a second delete is NOT_FOUND and no mutation", 0, delete_twice, NULL},
    {"S24", "one key in two collections is two documents", 0, two_collections, NULL},
    {"S25", "set keeps all xattrs", 0, set_keeps_xattrs, NULL},
    {"S25b", "set keeps user flags, replacing all does not", NEEDS_FLAGS, set_keeps_flags, NULL},
    {"S25c", "replacing all drops xattrs and expiry", 0, replacing_all_starts_anew, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
