/* For tests: a temporary folder with private copies of the buckets in tests/data, and a look at their tables. What cannot be
 * done fails the running test. One thread. */
#ifndef SEG_TESTS_BUCKET_H
#define SEG_TESTS_BUCKET_H

#include <segue/store.h>
#include <sqlite3.h>

/* A new folder, by its absolute path: set-up and tear-down of a test. */
extern char test_folder[64];
int test_make_folder(void **state);
int test_remove_folder(void **state);

/* Make the directory, if it is not there, and copy the bucket `name` of tests/data into it. */
void test_copy_bucket(const char *name, const char *directory);
/* The same into the folder, under its own name. */
void test_copy_here(const char *name);

/* The store rosmar:FOLDER/BUCKET?collection=COLLECTION. */
segue_store *test_open_bucket(const char *bucket, const char *collection, unsigned flags);

/* How many records a store has, tombstones among them, until the scan ends with what is the result: END, if it is right. */
segue_status test_scan_all(segue_store *store, size_t *ret_n);
/* The same of a store that has no trouble. */
size_t test_n_records(segue_store *store);

/* The tables of the folder's bucket: open; what a query yields first, as text ("NULL", "no row"), valid until the next
 * question; as a number; run. */
sqlite3 *test_sql_open(const char *bucket);
const char *test_sql_ask(const char *bucket, const char *sql);
uint64_t test_sql_number(const char *bucket, const char *sql);
void test_sql_run(const char *bucket, const char *sql);

#define assert_status(call, expected)                                                                                  \
    do {                                                                                                               \
        segue_status st_ = (call);                                                                                     \
        if (st_ != (expected)) fail_msg("%s: %s, expected %s", #call, segue_status_name(st_), #expected);              \
    } while (0)

/* For calls that are given &test_err. */
extern segue_error test_err;
#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        segue_status st_ = (call);                                                                                     \
        if (st_ != SEGUE_OK) fail_msg("%s: %s: %s", #call, segue_status_name(st_), test_err.message);                  \
    } while (0)

#endif
