/* The backend rosmar on real buckets: what it reads is what the original's own dumps say, and what it writes lies in the
 * tables as the original would have put it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <segue/ops.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "store/call.h"
#include "support/bucket.h"

static segue_slice str(const char *text) { return segue_str(text); }

/* ---- reading: the dumps ---- */

static segue_slice decode_base64(const char *text, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    unsigned bits = 0, held = 0;
    for (const char *at = text; *at && *at != '='; at++) {
        bits = bits << 6 | (unsigned)(strchr(digits, *at) - digits);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out[n++] = (char)(bits >> held & 0xff);
    }
    return segue_bytes(out, n);
}

static void assert_xattrs(const json_t *expected, const segue_record *rec, const char *where)
{
    if (json_object_size(expected) != rec->n_xattrs)
        fail_msg("%s: %zu xattrs, expected %zu", where, rec->n_xattrs, json_object_size(expected));
    for (size_t i = 0; i < rec->n_xattrs; i++) {
        const segue_xattr *x = &rec->xattrs[i];
        const json_t *value = json_object_getn(expected, x->name.data, x->name.size);
        if (!value || !segue_slice_equal(segue_bytes(json_string_value(value), json_string_length(value)), x->value))
            fail_msg("%s: xattr %.*s is %.*s", where, (int)x->name.size, x->name.data, (int)x->value.size,
                     x->value.data);
    }
}

static void assert_record(const json_t *line, const segue_record *rec)
{
    static char body[SEGUE_BODY_MAX];
    char where[400], quoted[SEG_QUOTED_MAX], number[32];
    const json_t *key = json_object_get(line, "key"), *text = json_object_get(line, "body");
    (void)snprintf(where, sizeof where, "%s, expected %s", seg_quote(rec->key, quoted), json_string_value(key));
    if (!segue_slice_equal(segue_bytes(json_string_value(key), json_string_length(key)), rec->key))
        fail_msg("%s", where);
    (void)snprintf(number, sizeof number, "%" PRIu64, rec->cas); /* fits */
    assert_string_equal(json_string_value(json_object_get(line, "cas")), number);
    (void)snprintf(number, sizeof number, "%" PRIu64, rec->revision); /* fits */
    assert_string_equal(json_string_value(json_object_get(line, "rev")), number);
    assert_int_equal(json_integer_value(json_object_get(line, "exp")), rec->expiry);
    assert_int_equal(json_is_true(json_object_get(line, "is_json")), rec->is_json);
    assert_int_equal(json_is_true(json_object_get(line, "deleted")), rec->is_tombstone);
    assert_int_equal(json_is_null(text), rec->body.data == NULL);
    if (rec->body.data && !segue_slice_equal(decode_base64(json_string_value(text), body), rec->body))
        fail_msg("%s: another body: %.*s", where, (int)rec->body.size, rec->body.data);
    assert_xattrs(json_object_get(line, "xattrs"), rec, where);
}

static size_t compare_with_dump(const char *bucket, const char *collection)
{
    char path[512];
    segue_range everything = {.options = SEGUE_SCAN_TOMBSTONES};
    segue_store *store = test_open_bucket(bucket, collection, SEGUE_OPEN_READ_ONLY);
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    (void)snprintf(path, sizeof path, TEST_DATA_DIR "/expected/%s/%s.jsonl", bucket, collection); /* fits */
    FILE *dump = fopen(path, "rb");
    assert_non_null(dump);
    assert_ok(segue_scan_open(store, &everything, &scan, &test_err));
    char *line = NULL;
    size_t n = 0, capacity = 0;
    for (; getline(&line, &capacity, dump) > 0; n++) {
        json_error_t error;
        json_t *expected = json_loads(line, JSON_ALLOW_NUL, &error);
        if (!expected) fail_msg("%s:%zu: %s", path, n + 1, error.text);
        assert_ok(segue_scan_next(scan, &rec, &test_err));
        assert_record(expected, rec);
        json_decref(expected);
    }
    assert_status(segue_scan_next(scan, &rec, NULL), SEGUE_END);
    segue_scan_close(scan);
    segue_close(store);
    free(line);
    fclose(dump);
    return n;
}

static void every_record_equals_the_dump_made_by_the_original(void **state)
{
    static const struct {
        const char *bucket, *collection;
        size_t n;
    } dumps[] = {
        {"sg-bucket", "_default._default", 1539},
        {"sg-bucket", "app.products", 199},
        {"sg-bucket", "app.orders", 192},
        {"sg-bucket-halfway", "_default._default", 1539},
        {"sg-bucket-halfway", "_system._mobile", 409},
        {"sg-bucket-halfway", "app.products", 199},
        {"sg-bucket-halfway", "app.orders", 192},
        {"sg-bucket-migrated", "_default._default", 1539},
        {"sg-bucket-migrated", "_system._mobile", 1164},
        {"sg-bucket-migrated", "app.products", 199},
        {"sg-bucket-migrated", "app.orders", 192},
    };
    (void)state;
    for (size_t i = 0; i < sizeof dumps / sizeof dumps[0]; i++) {
        test_copy_here(dumps[i].bucket);
        assert_int_equal(compare_with_dump(dumps[i].bucket, dumps[i].collection), dumps[i].n);
    }
}

static void reading_changes_no_byte_and_leaves_no_file(void **state)
{
    char command[512];
    (void)state;
    test_copy_here("sg-bucket");
    (void)compare_with_dump("sg-bucket", "app.orders"); /* counted above */
    (void)snprintf(command, sizeof command,
                   "cmp " TEST_DATA_DIR "/sg-bucket/rosmar.sqlite3 %s/sg-bucket/rosmar.sqlite3 && "
                   "test \"$(ls %s/sg-bucket)\" = rosmar.sqlite3",
                   test_folder, test_folder); /* fits */
    assert_int_equal(system(command), 0);
}

/* ---- writing: the tables ---- */

/* Every record of one collection, given to another one of the same bucket as import would. */
static void put_all(segue_store *from, segue_store *to)
{
    segue_range everything = {.options = SEGUE_SCAN_TOMBSTONES};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_status st;
    assert_ok(segue_scan_open(from, &everything, &scan, &test_err));
    while ((st = segue_scan_next(scan, &rec, NULL)) == SEGUE_OK) {
        uint64_t cas = 0;
        assert_ok(segue_put_record(to, rec, 0, NULL, &cas, &test_err));
        assert_int_equal(cas, rec->cas);
    }
    assert_status(st, SEGUE_END);
    segue_scan_close(scan);
}

/* Rows of the collection `name` that are not, column for column, the row of the same key in _default._default. */
static const char *count_others(const char *name)
{
    char sql[512];
    (void)snprintf(
        sql, sizeof sql,
        "SELECT count(*) FROM documents b LEFT JOIN documents a ON a.collection=1 AND a.key=b.key WHERE "
        "b.collection=(SELECT id FROM collections WHERE name='%s') AND NOT (a.cas IS b.cas AND a.exp IS b.exp "
        "AND a.xattrs IS b.xattrs AND a.isJSON IS b.isJSON AND a.value IS b.value AND a.tombstone IS "
        "b.tombstone AND a.revSeqNo IS b.revSeqNo AND typeof(a.xattrs) IS typeof(b.xattrs) AND "
        "typeof(a.value) IS typeof(b.value) AND typeof(a.key) IS typeof(b.key))",
        name); /* fits */
    return test_sql_ask("sg-bucket", sql);
}

static void a_record_written_again_is_the_same_row_byte_for_byte(void **state)
{
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *from = test_open_bucket("sg-bucket", "_default._default", 0);
    segue_store *to = test_open_bucket("sg-bucket", "test.again", 0);
    put_all(from, to);
    segue_close(from);
    segue_close(to);
    assert_string_equal(test_sql_ask("sg-bucket",
                                     "SELECT count(*) FROM documents d JOIN collections c ON c.id=d.collection "
                                     "WHERE c.scope='test' AND c.name='again'"),
                        "1539");
    assert_string_equal(count_others("again"), "0");
}

static void a_write_keeps_the_books_of_bucket_and_collection(void **state)
{
    uint64_t cas = 0, before;
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "app.orders", 0);
    before = test_sql_number("sg-bucket", "SELECT lastCas FROM bucket");
    assert_ok(segue_set(s, str("k"), str("{\"a\":1}"), segue_expiry_at(4000000000u), NULL, &cas, &test_err));
    assert_true(cas > before);
    assert_int_equal(test_sql_number("sg-bucket", "SELECT lastCas FROM bucket"), cas);
    assert_int_equal(test_sql_number("sg-bucket", "SELECT lastCas FROM collections WHERE name='orders'"), cas);
    assert_int_equal(test_sql_number("sg-bucket", "SELECT lastCas FROM collections WHERE name='products'"),
                     1795444169306800128u);
    assert_string_equal(
        test_sql_ask("sg-bucket",
                     "SELECT quote(value)||typeof(xattrs)||exp||' '||isJSON||tombstone||revSeqNo||typeof(key) "
                     "FROM documents WHERE key='k'"),
        "X'7B2261223A317D'null4000000000 101text");
    assert_int_equal(test_sql_number("sg-bucket", "SELECT cas FROM documents WHERE key='k'"), cas);
    segue_close(s);
}

static void a_tombstone_is_written_as_the_original_writes_it(void **state)
{
    segue_xattr xattrs[] = {{str("user"), str("1")}, {str("_sys"), str("{\"n\":12345678901234567890,\"h\":\"<&>\"}")}};
    segue_mutation m = {.body_op = SEGUE_BODY_SET,
                        .body = str("[1]"),
                        .set_xattrs = xattrs,
                        .n_set_xattrs = 2,
                        .expiry = segue_expiry_in(1000)};
    static const char row[] = "SELECT quote(value)||'|'||ifnull(cast(xattrs AS text),'none')||'|'||(exp>0)||isJSON||"
                              "tombstone||revSeqNo FROM documents WHERE collection=1 AND key='t'";
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", 0);
    assert_ok(segue_mutate(s, str("t"), &m, NULL, NULL, NULL, &test_err));
    assert_string_equal(test_sql_ask("sg-bucket", row),
                        "X'5B315D'|{\"_sys\":{\"n\":12345678901234567890,\"h\":\"<&>\"},\"user\":1}|1101");
    assert_ok(segue_delete(s, str("t"), NULL, &test_err));
    assert_string_equal(test_sql_ask("sg-bucket", row),
                        "NULL|{\"_sys\":{\"n\":12345678901234567890,\"h\":\"<&>\"}}|0012");
    assert_ok(segue_set(s, str("t"), segue_bytes("", 0), segue_expiry_none(), NULL, NULL, &test_err));
    assert_string_equal(test_sql_ask("sg-bucket", row), "X''|none|0103");
    segue_doc doc = {0};
    assert_ok(segue_get(s, str("t"), NULL, &doc, &test_err));
    assert_non_null(doc.rec.body.data);
    assert_int_equal(doc.rec.body.size, 0);
    segue_doc_free(&doc);
    segue_close(s);
}

static void names_of_xattrs_are_escaped_and_values_are_not_touched(void **state)
{
    segue_xattr xattrs[] = {{str("a\"b\\c\n"), str("{ \"x\" : 1.10 , \"y\":\"\\u00e9\" }")}, {str("é"), str("null")}};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = str("1"), .set_xattrs = xattrs, .n_set_xattrs = 2};
    segue_doc doc = {0};
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", 0);
    assert_ok(segue_mutate(s, str("x"), &m, NULL, NULL, NULL, &test_err));
    assert_ok(segue_get(s, str("x"), NULL, &doc, &test_err));
    assert_int_equal(doc.rec.n_xattrs, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(segue_slice_equal(doc.rec.xattrs[i].name, xattrs[i].name));
        assert_true(segue_slice_equal(doc.rec.xattrs[i].value, xattrs[i].value));
    }
    assert_string_equal(
        test_sql_ask("sg-bucket", "SELECT json_valid(cast(xattrs AS text)) FROM documents WHERE key='x'"), "1");
    segue_doc_free(&doc);
    segue_close(s);
}

/* SQLite keeps the bytes of a text as they are given and compares them as bytes: keys need not be UTF-8. */
static void keys_of_any_bytes_are_kept_and_sorted_as_bytes(void **state)
{
    static const char *const keys[] = {"~\x01", "~a", "~\x7f", "~\x80\xff", "~\xc3", "~\xc3\xa9", "~\xf0\x9f\x98\x80",
                                       "~\xff"};
    enum { N = sizeof keys / sizeof keys[0] };
    segue_range range = {.prefix = str("~")};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_doc doc = {0};
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", 0);
    for (size_t i = N; i-- > 0;)
        assert_ok(segue_add(s, str(keys[i]), str(keys[i]), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(segue_scan_open(s, &range, &scan, &test_err));
    for (size_t i = 0; i < N; i++) {
        assert_ok(segue_scan_next(scan, &rec, &test_err));
        if (!segue_slice_equal(rec->key, str(keys[i])))
            fail_msg("key %zu is %.*s", i, (int)rec->key.size, rec->key.data);
        assert_ok(segue_get(s, str(keys[i]), NULL, &doc, &test_err));
        assert_true(segue_slice_equal(doc.rec.body, str(keys[i])));
    }
    assert_status(segue_scan_next(scan, &rec, NULL), SEGUE_END);
    segue_scan_close(scan);
    segue_doc_free(&doc);
    segue_close(s);
}

static void a_purge_deletes_the_rows_of_tombstones_only(void **state)
{
    uint64_t count = 0;
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", 0);
    assert_ok(segue_purge_tombstones(s, &count, &test_err));
    assert_int_equal(count, 165);
    assert_int_equal(test_sql_number("sg-bucket", "SELECT count(*) FROM documents WHERE collection=1"), 1539 - 165);
    assert_int_equal(test_sql_number("sg-bucket", "SELECT count(*) FROM documents WHERE value IS NULL"), 295 - 165);
    segue_close(s);
}

/* ---- moving ---- */

static segue_status move_one(segue_store *from, segue_store *to, const char *key, uint64_t cas, bool keep, bool *moved)
{
    segue_call call = seg_call_new(from, 0, &test_err);
    segue_move m = {.key = segue_str(key), .cas = cas, .keep = keep};
    segue_status st = seg_call_move(from, to, &m, 1, &call);
    if (st != SEGUE_OK) fail_msg("move: %s: %s", segue_status_name(st), test_err.message);
    *moved = m.moved;
    return m.status;
}

static void a_move_carries_the_row_and_keeps_the_books(void **state)
{
    static const char key[] = "_sync:user:xattrs.only";
    segue_doc before = {0}, after = {0};
    bool moved = false;
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *from = test_open_bucket("sg-bucket", "_default._default", 0);
    segue_store *to = test_open_bucket("sg-bucket", "_system._mobile", 0);
    assert_ok(segue_get_record(from, str(key), NULL, &before, &test_err));
    assert_status(move_one(from, to, key, before.rec.cas + 1, false, &moved), SEGUE_CAS_MISMATCH);
    assert_status(move_one(from, to, "nothing", 1, false, &moved), SEGUE_NOT_FOUND);
    assert_status(move_one(from, to, key, before.rec.cas, true, &moved), SEGUE_OK);
    assert_true(moved);
    assert_string_equal(count_others("_mobile"), "0");
    assert_status(move_one(from, to, key, before.rec.cas, false, &moved), SEGUE_OK);
    assert_false(moved);
    assert_status(segue_get_record(from, str(key), NULL, &after, NULL), SEGUE_NOT_FOUND);
    assert_ok(segue_get_record(to, str(key), NULL, &after, &test_err));
    assert_int_equal(after.rec.cas, before.rec.cas);
    assert_int_equal(after.rec.revision, before.rec.revision);
    assert_int_equal(after.rec.n_xattrs, before.rec.n_xattrs);
    assert_int_equal(test_sql_number("sg-bucket", "SELECT lastCas FROM collections WHERE name='_mobile'"),
                     before.rec.cas);
    assert_int_equal(test_sql_number("sg-bucket", "SELECT lastCas FROM bucket"), 1795444169310208000u);
    segue_doc_free(&before);
    segue_doc_free(&after);
    segue_close(from);
    segue_close(to);
}

/* The original indexes for its views what is above the CAS that a view has reached. A record that comes back with its old
 * CAS must be above it too, and a row of an index that belonged to a moved record must not show another one. */
static void a_record_that_moves_back_is_indexed_again(void **state)
{
    static const char key[] = "doc:00066";
    segue_doc doc = {0};
    bool moved = false;
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *a = test_open_bucket("sg-bucket", "_default._default", 0);
    segue_store *b = test_open_bucket("sg-bucket", "test.aside", 0);
    assert_ok(segue_get_record(a, str(key), NULL, &doc, &test_err));
    assert_int_not_equal(test_sql_number("sg-bucket",
                                         "SELECT count(*) FROM mapped m JOIN documents d ON d.id=m.doc WHERE "
                                         "d.key='doc:00066' AND d.collection=1"),
                         0);
    assert_status(move_one(a, b, key, doc.rec.cas, false, &moved), SEGUE_OK);
    assert_int_equal(test_sql_number("sg-bucket", "SELECT count(*) FROM mapped m JOIN documents d ON d.id=m.doc JOIN "
                                                  "collections c ON c.id=d.collection WHERE d.key='doc:00066' AND "
                                                  "(d.collection=1 OR c.name='aside')"),
                     0);
    assert_status(move_one(b, a, key, doc.rec.cas, false, &moved), SEGUE_OK);
    assert_int_equal(test_sql_number("sg-bucket",
                                     "SELECT max(v.lastCas) FROM views v JOIN designDocs d ON d.id=v.designDoc "
                                     "WHERE d.collection=1"),
                     doc.rec.cas - 1);
    assert_int_not_equal(test_sql_number("sg-bucket", "SELECT max(v.lastCas) FROM views v JOIN designDocs d ON "
                                                      "d.id=v.designDoc WHERE d.collection=2"),
                         doc.rec.cas - 1);
    segue_doc_free(&doc);
    segue_close(a);
    segue_close(b);
}

/* ---- beside the original ---- */

static void a_new_cas_is_above_what_another_process_gave(void **state)
{
    static const uint64_t future = 4000000000000000000u;
    uint64_t cas = 0;
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "app.orders", 0);
    assert_ok(segue_set(s, str("k"), str("1"), segue_expiry_none(), NULL, &cas, &test_err));
    assert_true(cas < future);
    test_sql_run("sg-bucket", "UPDATE bucket SET lastCas=4000000000000000000");
    assert_ok(segue_set(s, str("k"), str("2"), segue_expiry_none(), NULL, &cas, &test_err));
    assert_true(cas > future);
    test_sql_run("sg-bucket",
                 "UPDATE bucket SET lastCas=5; UPDATE documents SET cas=4500000000000000000 WHERE key='k'");
    assert_ok(segue_set(s, str("k"), str("3"), segue_expiry_none(), NULL, &cas, &test_err));
    assert_true(cas > 4500000000000000000u);
    assert_int_equal(test_sql_number("sg-bucket", "SELECT lastCas FROM bucket"), cas);
    segue_close(s);
}

/* The original has left rows with a value under the mark of a tombstone, and rows with neither. */
static void a_row_is_a_tombstone_if_its_mark_or_its_missing_value_says_so(void **state)
{
    static const char *const keys[] = {"marked", "no value"};
    segue_doc doc = {0};
    (void)state;
    test_copy_here("sg-bucket");
    test_sql_run("sg-bucket", "INSERT INTO documents (collection, key, cas, value, tombstone, revSeqNo) VALUES "
                              "(3, 'marked', 7, x'31', 1, 2), (3, 'no value', 8, NULL, 0, 2)");
    segue_store *s = test_open_bucket("sg-bucket", "app.orders", 0);
    for (size_t i = 0; i < 2; i++) {
        assert_status(segue_get(s, str(keys[i]), NULL, &doc, NULL), SEGUE_NOT_FOUND);
        assert_ok(segue_get_record(s, str(keys[i]), NULL, &doc, &test_err));
        assert_true(doc.rec.is_tombstone);
        assert_null(doc.rec.body.data);
        assert_ok(segue_add(s, str(keys[i]), str("2"), segue_expiry_none(), NULL, NULL, &test_err));
        assert_ok(segue_get(s, str(keys[i]), NULL, &doc, &test_err));
        assert_int_equal(doc.rec.revision, 3);
    }
    assert_string_equal(test_sql_ask("sg-bucket",
                                     "SELECT group_concat(tombstone||quote(value)) FROM documents WHERE key IN "
                                     "('marked', 'no value')"),
                        "0X'32',0X'32'");
    segue_doc_free(&doc);
    segue_close(s);
}

static void a_write_into_a_dropped_collection_is_refused(void **state)
{
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "test.dropped", 0);
    test_sql_run("sg-bucket", "DELETE FROM collections WHERE name='dropped'");
    assert_status(segue_set(s, str("k"), str("1"), segue_expiry_none(), NULL, NULL, &test_err), SEGUE_NO_STORE);
    assert_non_null(strstr(test_err.message, "dropped"));
    assert_string_equal(test_sql_ask("sg-bucket", "SELECT count(*) FROM documents WHERE key='k'"), "0");
    segue_close(s);
}

static void handles_of_one_collection_are_known_to_be_the_same(void **state)
{
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *a = test_open_bucket("sg-bucket", "app.orders", 0),
                *b = test_open_bucket("sg-bucket", "app.orders", 0),
                *c = test_open_bucket("sg-bucket", "app.products", 0),
                *d = test_open_bucket("sg-bucket", "app.orders", SEGUE_OPEN_READ_ONLY);
    assert_true(seg_store_same(a, b));
    assert_true(seg_store_same(a, d));
    assert_false(seg_store_same(a, c));
    segue_close(a);
    segue_close(b);
    segue_close(c);
    segue_close(d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_folder, test_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_record_equals_the_dump_made_by_the_original),
        TEST(reading_changes_no_byte_and_leaves_no_file),
        TEST(a_record_written_again_is_the_same_row_byte_for_byte),
        TEST(a_write_keeps_the_books_of_bucket_and_collection),
        TEST(a_tombstone_is_written_as_the_original_writes_it),
        TEST(names_of_xattrs_are_escaped_and_values_are_not_touched),
        TEST(keys_of_any_bytes_are_kept_and_sorted_as_bytes),
        TEST(a_purge_deletes_the_rows_of_tombstones_only),
        TEST(a_move_carries_the_row_and_keeps_the_books),
        TEST(a_record_that_moves_back_is_indexed_again),
        TEST(a_new_cas_is_above_what_another_process_gave),
        TEST(a_row_is_a_tombstone_if_its_mark_or_its_missing_value_says_so),
        TEST(a_write_into_a_dropped_collection_is_refused),
        TEST(handles_of_one_collection_are_known_to_be_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
