/* For tests of the backend sqlite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/file.h"

#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *test_path(const char *name)
{
    static char paths[4][256];
    static unsigned at;
    char *path = paths[at++ % 4];
    assert_in_range(snprintf(path, sizeof paths[0], "%s/%s", test_folder, name), 1, sizeof paths[0] - 1);
    return path;
}

static segue_status open_file(const char *rest, const segue_env *env, unsigned flags, segue_store **ret_store)
{
    char url[300];
    segue_open_options options = {env, flags};
    (void)snprintf(url, sizeof url, "sqlite:%s", test_path(rest)); /* fits */
    return segue_open(url, &options, ret_store, &test_err);
}

segue_store *test_open_file(const char *rest, const segue_env *env, unsigned flags)
{
    segue_store *store = NULL;
    assert_ok(open_file(rest, env, flags, &store));
    return store;
}

segue_store *test_open_in_child(const char *rest, const segue_env *env)
{
    segue_store *store = NULL;
    if (open_file(rest, env, 0, &store) == SEGUE_OK) return store;
    print_message("in a child: %s\n", test_err.message);
    _exit(99);
}

segue_status test_try_file(const char *rest, unsigned flags)
{
    segue_store *store = NULL;
    segue_status st = open_file(rest, NULL, flags, &store);
    segue_close(store);
    return st;
}

sqlite3 *test_file_db(const char *name)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(test_path(name), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        fail_msg("cannot open %s: %s", name, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_busy_timeout(db, 10000), SQLITE_OK);
    return db;
}

const char *test_file_ask(const char *name, const char *sql)
{
    static char answer[256];
    sqlite3 *db = test_file_db(name);
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    bool has_row = sqlite3_step(stmt) == SQLITE_ROW;
    const unsigned char *text = has_row ? sqlite3_column_text(stmt, 0) : NULL;
    (void)snprintf(answer, sizeof answer, "%s", text ? (const char *)text : has_row ? "NULL" : "no row");
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return answer;
}

void test_file_run(const char *name, const char *sql)
{
    sqlite3 *db = test_file_db(name);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void test_file_write(const char *name, const void *data, size_t size, long at)
{
    FILE *file = fopen(test_path(name), at < 0 ? "wb" : "r+b");
    assert_non_null(file);
    if (at > 0) assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void test_mount_small(void)
{
    assert_int_equal(mkdir(test_path("small"), 0755), 0);
    if (mount("tmpfs", test_path("small"), "tmpfs", 0, "size=2m") == 0) return;
    print_message("skipped: may not mount a small file system\n");
    skip();
}

void test_unmount_small(void) { assert_int_equal(umount(test_path("small")), 0); }

int test_in_child(int (*fn)(void))
{
    pid_t child = fork();
    if (child == 0) _exit(fn());
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}
