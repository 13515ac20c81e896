/* For tests: copies of the buckets in tests/data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/bucket.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

char test_folder[64];
segue_error test_err;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw; /* the order of the walk is all that is needed */
    return remove(path);
}

int test_make_folder(void **state)
{
    (void)state;
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";        /* thousands of durable writes */
    (void)snprintf(test_folder, sizeof test_folder, "%s/segue-test-XXXXXX", base); /* fits */
    return mkdtemp(test_folder) ? 0 : -1;
}

int test_remove_folder(void **state)
{
    (void)state;
    return nftw(test_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void copy_file(const char *from, const char *to)
{
    static char block[65536];
    FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
    if (!in || !out) fail_msg("cannot copy %s to %s: %d", from, to, errno);
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;) assert_int_equal(fwrite(block, 1, n, out), n);
    assert_false(ferror(in));
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

void test_copy_bucket(const char *name, const char *directory)
{
    char from[512], to[512];
    if (mkdir(directory, 0755) != 0 && errno != EEXIST) fail_msg("cannot make %s: %d", directory, errno);
    assert_in_range(snprintf(from, sizeof from, TEST_DATA_DIR "/%s/rosmar.sqlite3", name), 1, sizeof from - 1);
    assert_in_range(snprintf(to, sizeof to, "%s/rosmar.sqlite3", directory), 1, sizeof to - 1);
    copy_file(from, to);
}

void test_copy_here(const char *name)
{
    char directory[256];
    (void)snprintf(directory, sizeof directory, "%s/%s", test_folder, name); /* fits */
    test_copy_bucket(name, directory);
}

segue_store *test_open_bucket(const char *bucket, const char *collection, unsigned flags)
{
    char url[256];
    segue_open_options options = {NULL, flags};
    segue_error err = {0};
    segue_store *store = NULL;
    (void)snprintf(url, sizeof url, "rosmar:%s/%s?collection=%s", test_folder, bucket, collection); /* fits */
    if (segue_open(url, &options, &store, &err) != SEGUE_OK) fail_msg("%s: %s", url, err.message);
    return store;
}

segue_status test_scan_all(segue_store *store, size_t *ret_n)
{
    segue_range everything = {.options = SEGUE_SCAN_TOMBSTONES};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    *ret_n = 0;
    segue_status st = segue_scan_open(store, &everything, &scan, &test_err);
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, &test_err)) == SEGUE_OK) ++*ret_n;
    segue_scan_close(scan);
    return st;
}

size_t test_n_records(segue_store *store)
{
    size_t n = 0;
    assert_status(test_scan_all(store, &n), SEGUE_END);
    return n;
}

sqlite3 *test_sql_open(const char *bucket)
{
    char path[256];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%s/%s/rosmar.sqlite3", test_folder, bucket); /* fits */
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) fail_msg("cannot open %s", path);
    return db;
}

const char *test_sql_ask(const char *bucket, const char *sql)
{
    static char answer[4096];
    sqlite3 *db = test_sql_open(bucket);
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int code = sqlite3_step(stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : "no row";
    (void)snprintf(answer, sizeof answer, "%s", text ? text : "NULL"); /* compared with shorter ones */
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return answer;
}

uint64_t test_sql_number(const char *bucket, const char *sql) { return strtoull(test_sql_ask(bucket, sql), NULL, 10); }

void test_sql_run(const char *bucket, const char *sql)
{
    char *why = NULL;
    sqlite3 *db = test_sql_open(bucket);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}
