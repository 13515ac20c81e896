/* For tests of the backend sqlite: stores in the files of a temporary folder (bucket.h makes it), and a look at their tables.
 * What cannot be done fails the running test. */
#ifndef SEG_TESTS_FILE_H
#define SEG_TESTS_FILE_H

#include "support/bucket.h"

/* FOLDER/name, valid until the fourth call from now. Any thread, but one at a time. */
const char *test_path(const char *name);
/* The store sqlite:FOLDER/`rest`. env may be NULL. */
segue_store *test_open_file(const char *rest, const segue_env *env, unsigned flags);
/* The same in a child process, which ends with 99 if that fails: a failed test is the parent's to report. */
segue_store *test_open_in_child(const char *rest, const segue_env *env);
/* The status of opening it, and test_err; closed again if it does open. */
segue_status test_try_file(const char *rest, unsigned flags);
/* The file of tables by itself; what a query yields first, as text ("NULL", "no row"), valid until the next question; run. */
sqlite3 *test_file_db(const char *name);
const char *test_file_ask(const char *name, const char *sql);
void test_file_run(const char *name, const char *sql);

/* Over a file: from the offset on, from the beginning of a new one if it is -1. */
void test_file_write(const char *name, const void *data, size_t size, long at);

/* A small file system of its own over FOLDER/small, without which the test is skipped; unmount it at the end. */
void test_mount_small(void);
void test_unmount_small(void);

/* Run in a child; it ends with what the function returns. */
int test_in_child(int (*fn)(void));

#define assert_says(words)                                                                                             \
    do {                                                                                                               \
        if (!strstr(test_err.message, words)) fail_msg("\"%s\" does not say \"%s\"", test_err.message, words);         \
    } while (0)

#endif
