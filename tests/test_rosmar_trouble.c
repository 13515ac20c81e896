/* The backend rosmar on bad days: what is no bucket, damage, missing permission, full and read-only media, and several
 * threads and processes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <segue/ops.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/bucket.h"

static segue_slice str(const char *text) { return segue_str(text); }

/* Opening rosmar:FOLDER/`rest`: its status, and test_err. A store that does open is closed again. */
static segue_status try_open(const char *rest, unsigned flags)
{
    char url[1024];
    segue_open_options options = {NULL, flags};
    segue_store *store = NULL;
    (void)snprintf(url, sizeof url, "rosmar:%s/%s", test_folder, rest); /* fits */
    segue_status st = segue_open(url, &options, &store, &test_err);
    if (st == SEGUE_OK) segue_close(store);
    return st;
}

#define assert_refused(rest, flags, status, words)                                                                     \
    do {                                                                                                               \
        assert_status(try_open(rest, flags), status);                                                                  \
        if (!strstr(test_err.message, words))                                                                          \
            fail_msg("%s: \"%s\" does not say \"%s\"", rest, test_err.message, words);                                 \
    } while (0)

static void write_file(const char *name, const void *data, size_t size, long at)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", test_folder, name); /* fits */
    FILE *file = fopen(path, at < 0 ? "wb" : "r+b");
    assert_non_null(file);
    if (at > 0) assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void make_directory(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", test_folder, name); /* fits */
    assert_int_equal(mkdir(path, 0755), 0);
}

/* ---- opening ---- */

static void what_is_no_bucket_is_refused(void **state)
{
    static const char garbage[8192] = "this is no SQLite file, and it is long enough to be looked at as one";
    (void)state;
    test_copy_here("sg-bucket");
    make_directory("empty");
    make_directory("folder");
    make_directory("folder/rosmar.sqlite3");
    make_directory("garbage");
    make_directory("foreign");
    write_file("garbage/rosmar.sqlite3", garbage, sizeof garbage, -1);
    write_file("foreign/rosmar.sqlite3", "", 0, -1);
    assert_refused("nowhere", 0, SEGUE_NO_STORE, "no bucket");
    assert_refused("empty", 0, SEGUE_NO_STORE, "no bucket");
    assert_refused("sg-bucket/rosmar.sqlite3", 0, SEGUE_NO_STORE, "no bucket");
    assert_refused("folder", 0, SEGUE_WRONG_FORMAT, "not a file");
    assert_refused("garbage", 0, SEGUE_WRONG_FORMAT, "garbage/rosmar.sqlite3");
    assert_refused("foreign", 0, SEGUE_WRONG_FORMAT, "not a bucket");
    test_sql_run("foreign", "CREATE TABLE documents (id); PRAGMA user_version=1");
    assert_refused("foreign", 0, SEGUE_WRONG_FORMAT, "not a bucket");
    make_directory("wide");
    write_file("wide/rosmar.sqlite3", "", 0, -1);
    test_sql_run("wide", "PRAGMA encoding='UTF-16'; PRAGMA user_version=1; CREATE TABLE bucket (a); CREATE TABLE "
                         "collections (a); CREATE TABLE documents (a); CREATE TABLE designDocs (a); CREATE TABLE views "
                         "(a); CREATE TABLE mapped (a)");
    assert_refused("wide", 0, SEGUE_WRONG_FORMAT, "not a bucket");
    assert_status(segue_open("rosmar:", NULL, &(segue_store *){NULL}, &test_err), SEGUE_INVALID_URL);
}

static void a_bucket_of_another_version_or_layout_is_refused(void **state)
{
    (void)state;
    test_copy_here("sg-bucket");
    test_sql_run("sg-bucket", "PRAGMA user_version=2");
    assert_refused("sg-bucket", 0, SEGUE_WRONG_FORMAT, "schema version 2");
    assert_refused("sg-bucket", SEGUE_OPEN_READ_ONLY, SEGUE_WRONG_FORMAT, "schema version 2");
    test_sql_run("sg-bucket",
                 "PRAGMA user_version=1; DROP INDEX mapped_key; ALTER TABLE documents DROP COLUMN revSeqNo");
    assert_refused("sg-bucket", 0, SEGUE_WRONG_FORMAT, "revSeqNo");
    assert_refused("sg-bucket", SEGUE_OPEN_READ_ONLY, SEGUE_WRONG_FORMAT, "revSeqNo");
}

static void a_collection_is_made_only_when_it_may_be(void **state)
{
    (void)state;
    test_copy_here("sg-bucket");
    assert_refused("sg-bucket?collection=test.new", SEGUE_OPEN_EXISTING, SEGUE_NO_STORE, "test.new");
    assert_refused("sg-bucket?collection=test.new", SEGUE_OPEN_READ_ONLY, SEGUE_NO_STORE, "test.new");
    assert_refused("sg-bucket?collection=_system.other", 0, SEGUE_INVALID_URL, "_system.other");
    assert_refused("sg-bucket?collection=_default._mine", 0, SEGUE_INVALID_URL, "_default._mine");
    assert_refused("sg-bucket?collection=a b.c", 0, SEGUE_INVALID_URL, "a b.c");
    assert_refused("sg-bucket?collection=nodot", 0, SEGUE_INVALID_URL, "nodot");
    assert_refused("sg-bucket?collection=.b", 0, SEGUE_INVALID_URL, "collection=.b");
    assert_refused("sg-bucket?collection=%25a.b", 0, SEGUE_INVALID_URL, "%a.b");
    assert_refused("sg-bucket?collection=a._b", 0, SEGUE_INVALID_URL, "a._b");
    for (int size = 251; size < 253; size++) {
        char rest[600];
        (void)snprintf(rest, sizeof rest, "sg-bucket?collection=%0*d.long", size, 0); /* fits */
        assert_status(try_open(rest, SEGUE_OPEN_EXISTING), SEGUE_NO_STORE);
        if (size > 251) assert_refused(rest, 0, SEGUE_INVALID_URL, "not a name that a bucket allows");
        (void)snprintf(rest, sizeof rest, "sg-bucket?collection=%0*d.%0251d", size, 0, 0); /* fits */
        assert_status(try_open(rest, SEGUE_OPEN_EXISTING), size > 251 ? SEGUE_INVALID_URL : SEGUE_NO_STORE);
    }
    assert_refused("sg-bucket?collektion=a.b", 0, SEGUE_INVALID_URL, "collektion");
    assert_string_equal(test_sql_ask("sg-bucket", "SELECT count(*) FROM collections"), "4");
    assert_status(try_open("sg-bucket?collection=test.new", 0), SEGUE_OK);
    assert_status(try_open("sg-bucket?collection=test.new", SEGUE_OPEN_EXISTING), SEGUE_OK);
    assert_string_equal(test_sql_ask("sg-bucket", "SELECT id||scope||name||lastCas FROM collections WHERE id>4"),
                        "5testnew0");
    test_sql_run("sg-bucket", "DELETE FROM collections WHERE name='_default'");
    assert_status(try_open("sg-bucket", SEGUE_OPEN_EXISTING), SEGUE_NO_STORE);
    assert_status(try_open("sg-bucket", 0), SEGUE_OK);
}

/* ---- damage ---- */

static void a_damaged_page_cuts_a_scan_and_never_ends_it(void **state)
{
    static char noise[65536];
    size_t n = 0;
    (void)state;
    memset(noise, 0x5a, sizeof noise);
    test_copy_here("sg-bucket");
    write_file("sg-bucket/rosmar.sqlite3", noise, sizeof noise, 40 * 4096);
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", SEGUE_OPEN_EXISTING);
    segue_status st = test_scan_all(s, &n);
    if (st != SEGUE_CORRUPT) fail_msg("%s after %zu records: %s", segue_status_name(st), n, test_err.message);
    assert_non_null(strstr(test_err.message, "rosmar.sqlite3"));
    segue_close(s);
}

static void a_damaged_row_is_named_and_its_neighbours_are_not_touched(void **state)
{
    static const char *const damages[] = {
        "xattrs=x'5b315d'",
        "xattrs=CAST('{\"a\":1' AS BLOB)",
        "xattrs=x'7b22ff223a317d'",
        "xattrs='{\"\\ud83d\":1}'",
        "cas=0",
        "cas=-5",
        "exp=-1",
        "exp=4294967296",
        "revSeqNo=-1",
    };
    segue_doc doc = {0};
    size_t n = 0;
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        char sql[200];
        test_copy_here("sg-bucket");
        (void)snprintf(sql, sizeof sql, "UPDATE documents SET %s WHERE collection=1 AND key='doc:00067'", damages[i]);
        test_sql_run("sg-bucket", sql);
        segue_store *s = test_open_bucket("sg-bucket", "_default._default", SEGUE_OPEN_READ_ONLY);
        if (segue_get(s, str("doc:00067"), NULL, &doc, &test_err) != SEGUE_CORRUPT)
            fail_msg("%s: not noticed", damages[i]);
        if (!strstr(test_err.message, "doc:00067")) fail_msg("%s: %s", damages[i], test_err.message);
        assert_ok(segue_get(s, str("doc:00066"), NULL, &doc, &test_err));
        assert_status(test_scan_all(s, &n), SEGUE_CORRUPT);
        segue_close(s);
    }
    segue_doc_free(&doc);
}

static void white_space_around_xattrs_is_none_of_theirs(void **state)
{
    segue_doc doc = {0};
    (void)state;
    test_copy_here("sg-bucket");
    test_sql_run("sg-bucket", "UPDATE documents SET xattrs=' '||char(9,13,10)||'{\"_a\" : 1 }'||char(10,13,9) WHERE "
                              "collection=1 AND key='doc:00067'");
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", SEGUE_OPEN_READ_ONLY);
    assert_ok(segue_get(s, str("doc:00067"), NULL, &doc, &test_err));
    assert_int_equal(doc.rec.n_xattrs, 1);
    const segue_xattr *x = segue_record_xattr(&doc.rec, str("_a"));
    assert_true(x && segue_slice_equal(x->value, str("1")));
    segue_doc_free(&doc);
    segue_close(s);
}

/* The original sets no bounds to keys: such a record is shown, and whatever cannot take it says so. */
static void a_key_past_our_bounds_is_shown_and_no_other_is_hidden(void **state)
{
    size_t n = 0, with_odd = 0;
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "app.orders", SEGUE_OPEN_READ_ONLY);
    assert_status(test_scan_all(s, &n), SEGUE_END);
    test_sql_run("sg-bucket",
                 "INSERT INTO documents (collection, key, cas, value, revSeqNo) VALUES (3, '', 5, x'31', 1), "
                 "(3, printf('%.*c', 300, 'k'), 6, x'31', 1), (3, 'a'||char(0)||'b', 7, x'31', 1)");
    assert_status(test_scan_all(s, &with_odd), SEGUE_END);
    assert_int_equal(with_odd, n + 3);
    test_sql_run("sg-bucket", "INSERT INTO documents (collection, key, cas, value) VALUES (3, x'616263', 8, x'31')");
    assert_status(test_scan_all(s, &with_odd), SEGUE_CORRUPT);
    segue_close(s);
}

/* ---- what may not be written ---- */

static void a_store_opened_for_reading_only_refuses_writes(void **state)
{
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", SEGUE_OPEN_READ_ONLY);
    assert_status(segue_set(s, str("k"), str("1"), segue_expiry_none(), NULL, NULL, &test_err), SEGUE_READ_ONLY);
    assert_status(segue_delete(s, str("doc:00066"), NULL, &test_err), SEGUE_READ_ONLY);
    segue_doc doc = {0};
    assert_ok(segue_get(s, str("doc:00066"), NULL, &doc, &test_err));
    segue_doc_free(&doc);
    segue_close(s);
}

static void what_a_bucket_cannot_hold_is_refused(void **state)
{
    segue_record rec = {.key = str("k"), .body = str("1"), .revision = 1, .cas = 5};
    segue_xattr broken = {str("_x"), str("{")};
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", 0);
    rec.flags = 7;
    assert_status(segue_put_record(s, &rec, 0, NULL, NULL, &test_err), SEGUE_UNSUPPORTED);
    rec.flags = 0;
    rec.revision = UINT64_MAX;
    assert_status(segue_put_record(s, &rec, 0, NULL, NULL, &test_err), SEGUE_UNSUPPORTED);
    rec.revision = 1;
    rec.xattrs = &broken;
    rec.n_xattrs = 1;
    assert_int_not_equal(segue_put_record(s, &rec, 0, NULL, NULL, &test_err), SEGUE_OK);
    assert_string_equal(test_sql_ask("sg-bucket", "SELECT count(*) FROM documents WHERE key='k'"), "0");
    segue_close(s);
}

/* Run in a child as a user who owns nothing; it ends with 0, or with the number of the step that was wrong. */
static int as_nobody(void)
{
    if (setgid(65534) != 0 || setuid(65534) != 0) return 9;
    if (try_open("locked", 0) != SEGUE_ACCESS_DENIED) return 1;
    if (try_open("sg-bucket", 0) != SEGUE_ACCESS_DENIED || !strstr(test_err.message, "cannot be written")) return 2;
    return try_open("unreadable", SEGUE_OPEN_READ_ONLY) == SEGUE_ACCESS_DENIED ? 0 : 3;
}

static void missing_permission_is_said(void **state)
{
    char path[256];
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root can become a user without permissions\n");
        skip();
    }
    assert_int_equal(chmod(test_folder, 0755), 0);
    test_copy_here("sg-bucket");
    make_directory("locked");
    make_directory("unreadable");
    write_file("unreadable/rosmar.sqlite3", "", 0, -1);
    (void)snprintf(path, sizeof path, "%s/unreadable/rosmar.sqlite3", test_folder); /* fits */
    assert_int_equal(chmod(path, 0), 0);
    (void)snprintf(path, sizeof path, "%s/locked", test_folder); /* fits */
    assert_int_equal(chmod(path, 0), 0);
    pid_t child = fork();
    if (child == 0) _exit(as_nobody());
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
}

/* A small file system of our own over FOLDER/small; false where we may not mount. */
static bool mount_small(void)
{
    char path[256];
    make_directory("small");
    (void)snprintf(path, sizeof path, "%s/small", test_folder); /* fits */
    return mount("tmpfs", path, "tmpfs", 0, "size=4m") == 0;
}

static void unmount_small(void)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/small", test_folder); /* fits */
    assert_int_equal(umount(path), 0);
}

static void a_full_disk_is_said_and_changes_nothing(void **state)
{
    static char body[6 * 1024 * 1024];
    uint64_t before, cas = 0;
    (void)state;
    if (!mount_small()) {
        print_message("skipped: may not mount a small file system\n");
        skip();
    }
    memset(body, 'x', sizeof body);
    char directory[256];
    (void)snprintf(directory, sizeof directory, "%s/small", test_folder); /* fits */
    test_copy_bucket("sg-bucket", directory);
    segue_store *s = test_open_bucket("small", "_default._default", 0);
    before = test_sql_number("small", "SELECT lastCas FROM bucket");
    assert_status(segue_set(s, str("big"), segue_bytes(body, sizeof body), segue_expiry_none(), NULL, NULL, &test_err),
                  SEGUE_NO_SPACE);
    assert_int_equal(test_sql_number("small", "SELECT lastCas FROM bucket"), before);
    assert_string_equal(test_sql_ask("small", "SELECT count(*) FROM documents WHERE key='big'"), "0");
    assert_ok(segue_set(s, str("small"), str("1"), segue_expiry_none(), NULL, &cas, &test_err));
    segue_close(s);
    unmount_small();
}

static void a_read_only_medium_can_be_read(void **state)
{
    char path[256];
    size_t n = 0;
    (void)state;
    if (!mount_small()) {
        print_message("skipped: may not mount a small file system\n");
        skip();
    }
    (void)snprintf(path, sizeof path, "%s/small", test_folder); /* fits */
    test_copy_bucket("sg-bucket", path);
    assert_int_equal(mount("tmpfs", path, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=4m"), 0);
    assert_refused("small", 0, SEGUE_READ_ONLY, "cannot be written");
    segue_store *s = test_open_bucket("small", "_default._default", SEGUE_OPEN_READ_ONLY);
    assert_status(test_scan_all(s, &n), SEGUE_END);
    assert_int_equal(n, 1539);
    segue_close(s);
    unmount_small();
}

/* ---- others at the same time ---- */

static void a_write_waits_for_others_until_its_deadline(void **state)
{
    segue_options soon = {50000000};
    (void)state;
    test_copy_here("sg-bucket");
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", 0);
    sqlite3 *other = test_sql_open("sg-bucket");
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_status(segue_set(s, str("k"), str("1"), segue_expiry_none(), &soon, NULL, &test_err), SEGUE_TIMEOUT);
    assert_status(segue_get(s, str("k"), &soon, &(segue_doc){0}, &test_err), SEGUE_NOT_FOUND);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(segue_set(s, str("k"), str("1"), segue_expiry_none(), &soon, NULL, &test_err));
    sqlite3_close(other);
    segue_close(s);
}

enum { N_THREADS = 8, N_STEPS = 60 };

/* Adds to the counter; every third step is a conflict, which must not spoil the steps it is committed with. */
static void *count_up(void *arg)
{
    segue_store *s = arg;
    uint64_t zero = 0;
    size_t wrong = 0;
    for (unsigned i = 0; i < N_STEPS; i++) {
        if (segue_incr(s, segue_str("counter"), 1, &zero, segue_expiry_none(), NULL, NULL, NULL) != SEGUE_OK) wrong++;
        if (i % 3 == 0 &&
            segue_add(s, segue_str("doc:00066"), segue_str("1"), segue_expiry_none(), NULL, NULL, NULL) != SEGUE_EXISTS)
            wrong++;
    }
    return (void *)(uintptr_t)wrong;
}

static void count_in_threads(segue_store *s, size_t *ret_wrong)
{
    pthread_t threads[N_THREADS];
    for (size_t i = 0; i < N_THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, count_up, s), 0);
    for (size_t i = 0; i < N_THREADS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        *ret_wrong += (size_t)(uintptr_t)wrong;
    }
}

static void threads_and_processes_lose_no_write(void **state)
{
    segue_doc doc = {0};
    size_t wrong = 0;
    int how = 0;
    (void)state;
    test_copy_here("sg-bucket");
    pid_t child = fork();
    segue_store *s = test_open_bucket("sg-bucket", "_default._default", 0);
    if (child == 0) {
        wrong = (size_t)(uintptr_t)count_up(s);
        segue_close(s);
        _exit(wrong != 0);
    }
    count_in_threads(s, &wrong);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    assert_int_equal(wrong, 0);
    assert_ok(segue_get(s, str("counter"), NULL, &doc, &test_err));
    assert_int_equal(doc.rec.revision, (N_THREADS + 1) * N_STEPS);
    assert_int_equal(strtoull(doc.rec.body.data, NULL, 10), (N_THREADS + 1) * N_STEPS - 1);
    segue_doc_free(&doc);
    segue_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_folder, test_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_bucket_is_refused),
        TEST(a_bucket_of_another_version_or_layout_is_refused),
        TEST(a_collection_is_made_only_when_it_may_be),
        TEST(a_damaged_page_cuts_a_scan_and_never_ends_it),
        TEST(a_damaged_row_is_named_and_its_neighbours_are_not_touched),
        TEST(white_space_around_xattrs_is_none_of_theirs),
        TEST(a_key_past_our_bounds_is_shown_and_no_other_is_hidden),
        TEST(a_store_opened_for_reading_only_refuses_writes),
        TEST(what_a_bucket_cannot_hold_is_refused),
        TEST(missing_permission_is_said),
        TEST(a_full_disk_is_said_and_changes_nothing),
        TEST(a_read_only_medium_can_be_read),
        TEST(a_write_waits_for_others_until_its_deadline),
        TEST(threads_and_processes_lose_no_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
