/* The backend sqlite and its file: what it makes, what it takes for its own, what it refuses and how it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <segue/ops.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/sqlbase/slots.h"
#include "store/call.h"
#include "support/disk.h"
#include "support/file.h"

static segue_slice str(const char *text) { return segue_str(text); }

static segue_status set(segue_store *s, const char *key, const char *body)
{
    return segue_set(s, str(key), str(body), segue_expiry_none(), NULL, NULL, &test_err);
}

static void assert_body(segue_store *s, const char *key, const char *body)
{
    segue_doc doc = {0};
    assert_ok(segue_get(s, str(key), NULL, &doc, &test_err));
    assert_int_equal(doc.rec.body.size, strlen(body));
    assert_memory_equal(doc.rec.body.data, body, strlen(body));
    segue_doc_free(&doc);
}

static segue_status get(segue_store *s, const char *key)
{
    segue_doc doc = {0};
    segue_status st = segue_get(s, str(key), NULL, &doc, &test_err);
    segue_doc_free(&doc);
    return st;
}

#define assert_refused(rest, flags, status, words)                                                                     \
    do {                                                                                                               \
        assert_status(test_try_file(rest, flags), status);                                                             \
        assert_says(words);                                                                                            \
    } while (0)

/* ---- what is made ---- */

static void a_new_file_belongs_to_its_owner_alone(void **state)
{
    static const char *const names[] = {"app.db", "app.db-wal", "app.db-shm"};
    struct stat st;
    (void)state;
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_ok(set(s, "k", "1"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stat(test_path(names[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    segue_close(s);
    assert_int_not_equal(stat(test_path("app.db-wal"), &st), 0); /* nothing is left beside it */
}

static void the_format_is_as_it_is_written_down(void **state)
{
    segue_xattr xattr = {str("_sync"), str("{}")};
    segue_record live = {.key = str("a"),
                         .body = str("{}"),
                         .xattrs = &xattr,
                         .n_xattrs = 1,
                         .cas = 0x10000,
                         .revision = 7,
                         .write_id = 0,
                         .expiry = 4000000000u,
                         .flags = 9,
                         .is_json = true};
    segue_record dead = {.key = str("b"), .cas = 0x20000, .revision = 3, .is_tombstone = true};
    (void)state;
    segue_store *s = test_open_file("app.db?collection=app.users", NULL, 0);
    assert_ok(segue_put_record(s, &live, 0, NULL, NULL, &test_err));
    assert_ok(segue_put_record(s, &dead, 0, NULL, NULL, &test_err));
    segue_close(s);
    assert_string_equal(test_file_ask("app.db", "SELECT printf('%x %d %s', application_id, user_version, journal_mode) "
                                                "FROM pragma_application_id, pragma_user_version, "
                                                "pragma_journal_mode"),
                        "53656775 2 wal");
    assert_string_equal(test_file_ask("app.db", "SELECT id||name FROM collections"), "1app.users");
    assert_string_equal(test_file_ask("app.db", "SELECT id||':'||highest FROM clock"), "1:131072");
    assert_string_equal(
        test_file_ask("app.db",
                      "SELECT printf('%d %s %d %d %d %d %d %d %s %s', collection, key, cas, revision, write_id, "
                      "state, flags, expiry, hex(xattrs), body) FROM records WHERE key=x'61'"),
        "1 a 65536 7 0 2 9 4000000000 000000095F73796E63007B7D00 {}");
    assert_string_equal(
        test_file_ask("app.db",
                      "SELECT printf('%d %d %d', cas, revision, state) FROM records WHERE key=x'62' AND xattrs IS "
                      "NULL AND body IS NULL"),
        "131072 3 1");
}

static void an_empty_file_becomes_a_store_only_where_one_may_be_made(void **state)
{
    (void)state;
    test_file_write("empty.db", "", 0, -1);
    assert_refused("empty.db", SEGUE_OPEN_EXISTING, SEGUE_NO_STORE, "empty.db is an empty file");
    assert_refused("empty.db", SEGUE_OPEN_READ_ONLY, SEGUE_NO_STORE, "empty.db is an empty file");
    test_file_run("empty.db", "PRAGMA journal_mode=WAL");
    assert_status(test_try_file("empty.db", 0), SEGUE_OK);
    assert_status(test_try_file("empty.db", SEGUE_OPEN_EXISTING), SEGUE_OK);
}

/* ---- what is refused ---- */

static void what_is_no_store_is_refused(void **state)
{
    static const char garbage[8192] = "this is no SQLite file, and it is long enough to be looked at as one";
    struct stat before, after;
    (void)state;
    assert_refused("missing.db", SEGUE_OPEN_EXISTING, SEGUE_NO_STORE, "there is no file");
    assert_refused("missing.db", SEGUE_OPEN_READ_ONLY, SEGUE_NO_STORE, "missing.db");
    assert_refused("nowhere/app.db", 0, SEGUE_NO_STORE, "no such folder");
    assert_refused("", 0, SEGUE_WRONG_FORMAT, "is a folder");
    assert_int_equal(mkfifo(test_path("pipe"), 0600), 0);
    assert_refused("pipe", 0, SEGUE_WRONG_FORMAT, "not an ordinary file");
    test_file_write("garbage", garbage, sizeof garbage, -1);
    assert_refused("garbage/app.db", 0, SEGUE_NO_STORE, "no file");
    assert_refused("garbage", 0, SEGUE_WRONG_FORMAT, "not a SQLite file");
    assert_refused("garbage", SEGUE_OPEN_READ_ONLY, SEGUE_WRONG_FORMAT, "not a SQLite file");
    char url[300];
    (void)snprintf(url, sizeof url, "sqlite:%s", test_path("garbage")); /* fits */
    assert_status(segue_open(url, NULL, &(segue_store *){NULL}, NULL), SEGUE_WRONG_FORMAT);
    test_file_run("foreign.db", "CREATE TABLE records (id); INSERT INTO records VALUES (5)");
    assert_int_equal(stat(test_path("foreign.db"), &before), 0);
    assert_refused("foreign.db", 0, SEGUE_WRONG_FORMAT, "not one of Segue's");
    assert_refused("foreign.db", SEGUE_OPEN_READ_ONLY, SEGUE_WRONG_FORMAT, "not one of Segue's");
    assert_int_equal(stat(test_path("foreign.db"), &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_string_equal(
        test_file_ask("foreign.db", "SELECT journal_mode||(SELECT id FROM records) FROM pragma_journal_mode"),
        "delete5");
}

static void a_wrong_url_is_refused_and_makes_nothing(void **state)
{
    struct stat st;
    segue_store *none = NULL;
    (void)state;
    assert_status(segue_open("sqlite:", NULL, &none, &test_err), SEGUE_INVALID_URL);
    assert_says("names no file");
    assert_refused("app.db?sync=maybe", 0, SEGUE_INVALID_URL, "sync=maybe");
    assert_refused("app.db?collektion=a.b", 0, SEGUE_INVALID_URL, "collektion");
    assert_int_not_equal(stat(test_path("app.db"), &st), 0);
    assert_refused("app.db?collection=nodot", 0, SEGUE_INVALID_URL, "nodot");
    assert_refused("app.db?collection=a.b.c", 0, SEGUE_INVALID_URL, "a.b.c");
    assert_refused("app.db?collection=.b", 0, SEGUE_INVALID_URL, "SCOPE.COLLECTION");
    assert_refused("app.db?collection=a%20b.c", 0, SEGUE_INVALID_URL, "a b.c");
    assert_refused("app.db?collection=a.b", SEGUE_OPEN_EXISTING, SEGUE_NO_STORE, "no collection a.b");
    for (int size = 251; size < 253; size++) {
        char url[600];
        segue_open_options existing = {.flags = SEGUE_OPEN_EXISTING};
        (void)snprintf(url, sizeof url, "sqlite:%s?collection=%0*d.b", test_path("app.db"), size, 0); /* fits */
        assert_status(segue_open(url, &existing, &none, &test_err), size > 251 ? SEGUE_INVALID_URL : SEGUE_NO_STORE);
    }
    assert_string_equal(test_file_ask("app.db", "SELECT count(*) FROM collections"), "0");
}

static void another_version_or_layout_is_refused(void **state)
{
    (void)state;
    assert_status(test_try_file("app.db", 0), SEGUE_OK);
    test_file_run("app.db", "PRAGMA user_version=3");
    assert_refused("app.db", 0, SEGUE_WRONG_FORMAT, "newer Segue");
    assert_refused("app.db", SEGUE_OPEN_READ_ONLY, SEGUE_WRONG_FORMAT, "newer Segue");
    test_file_run("app.db", "PRAGMA user_version=0");
    assert_refused("app.db", 0, SEGUE_WRONG_FORMAT, "not one of Segue's");
    test_file_run("app.db", "PRAGMA user_version=2; ALTER TABLE records DROP COLUMN flags");
    assert_refused("app.db", 0, SEGUE_CORRUPT, "flags");
    assert_refused("app.db", SEGUE_OPEN_READ_ONLY, SEGUE_CORRUPT, "flags");
}

/* As version 1 wrote it: bodies in the tree of keys, no index of expiry; with the index of a feed. */
static const char version_1[] =
    "CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), highest INTEGER NOT NULL);"
    "CREATE TABLE records (collection INTEGER NOT NULL, key BLOB NOT NULL, cas INTEGER NOT NULL, revision INTEGER NOT "
    "NULL, write_id INTEGER NOT NULL, state INTEGER NOT NULL, flags INTEGER NOT NULL, expiry INTEGER NOT NULL,"
    "  xattrs BLOB, body BLOB, PRIMARY KEY (collection, key)) WITHOUT ROWID;"
    "CREATE INDEX records_by_cas ON records (collection, cas);"
    "INSERT INTO clock VALUES (1, 400);"
    "INSERT INTO collections VALUES (1, '_default._default');"
    "INSERT INTO records VALUES (1, x'6b', 100, 7, 5, 2, 9, 4000000000, x'000000095F73796E63007B7D00', x'31');"
    "INSERT INTO records VALUES (1, x'676f6e65', 300, 1, 6, 2, 0, 5, NULL, zeroblob(100000));"
    "INSERT INTO records VALUES (1, x'64656164', 200, 2, 6, 1, 0, 0, NULL, NULL);"
    "PRAGMA application_id=0x53656775; PRAGMA user_version=1;";

static void an_older_version_is_brought_up_to_date(void **state)
{
    segue_doc doc = {0};
    uint64_t n = 0;
    (void)state;
    test_file_run("app.db", version_1);
    assert_refused("app.db", SEGUE_OPEN_READ_ONLY, SEGUE_WRONG_FORMAT, "open it once for writing");
    segue_store *s = test_open_file("app.db?reap=off", NULL, SEGUE_OPEN_EXISTING);
    assert_string_equal(test_file_ask("app.db", "SELECT user_version FROM pragma_user_version"), "2");
    assert_string_equal(test_file_ask("app.db", "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE "
                                                "tbl_name='records' ORDER BY name)"),
                        "records,records_by_key,records_expiry");
    assert_ok(segue_get(s, str("k"), NULL, &doc, &test_err));
    assert_int_equal(doc.rec.expiry, 4000000000u);
    assert_int_equal(doc.rec.cas, 100);
    assert_int_equal(doc.rec.revision, 7);
    assert_int_equal(doc.rec.flags, 9);
    assert_true(doc.rec.is_json);
    assert_int_equal(doc.rec.n_xattrs, 1);
    assert_body(s, "k", "1");
    assert_ok(segue_get_record(s, str("dead"), NULL, &doc, &test_err));
    assert_true(doc.rec.is_tombstone);
    assert_ok(segue_reap(s, 0, &n, &test_err));
    assert_int_equal(n, 1);
    segue_close(s);
    segue_doc_free(&doc);
}

/* ---- damage ---- */

static void fill(const char *name, int n)
{
    segue_store *s = test_open_file(name, NULL, 0);
    segue_write writes[200];
    char keys[200][16];
    static const char body[1500] = "body";
    assert_true(n <= 200);
    for (int i = 0; i < n; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%05d", i); /* fits */
        writes[i] = (segue_write){.put = {.rec = {.key = str(keys[i]), .body = {body, sizeof body}, .revision = 1}}};
    }
    segue_call call = seg_call_new(s, 0, &test_err);
    assert_ok(seg_call_write_many(s, writes, (size_t)n, &call));
    segue_close(s);
}

static void damage_is_noticed(void **state)
{
    static char noise[65536];
    size_t n = 0;
    (void)state;
    memset(noise, 0x5a, sizeof noise);
    fill("app.db", 200);
    test_file_write("app.db", noise, sizeof noise, 20 * 4096);
    segue_store *s = test_open_file("app.db", NULL, SEGUE_OPEN_EXISTING);
    segue_status st = test_scan_all(s, &n);
    if (st != SEGUE_CORRUPT) fail_msg("%s after %zu records: %s", segue_status_name(st), n, test_err.message);
    assert_says("app.db: the file is damaged");
    segue_close(s);
    assert_int_equal(truncate(test_path("app.db"), 10 * 4096), 0);
    assert_refused("app.db", 0, SEGUE_CORRUPT, "app.db: the file is damaged");
    assert_int_equal(truncate(test_path("app.db"), 50), 0);
    assert_refused("app.db", 0, SEGUE_CORRUPT, "app.db");
}

static void a_damaged_row_is_named_and_its_neighbours_are_not_touched(void **state)
{
    static const char *const damages[] = {
        "cas=0",    "cas=-5",           "state=4",   "state=1",           "body=NULL",
        "flags=-1", "flags=4294967296", "expiry=-1", "expiry=4294967296", "xattrs=x'0001'"};
    size_t n = 0;
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        char sql[200];
        (void)unlink(test_path("app.db")); /* of the turn before */
        fill("app.db", 3);
        (void)snprintf(sql, sizeof sql, "UPDATE records SET %s WHERE key=CAST('k00001' AS BLOB)",
                       damages[i]); /* fits */
        test_file_run("app.db", sql);
        segue_store *s = test_open_file("app.db", NULL, 0);
        if (get(s, "k00001") != SEGUE_CORRUPT) fail_msg("%s: not noticed", damages[i]);
        assert_says("the record \"k00001\" is damaged");
        assert_status(get(s, "k00000"), SEGUE_OK);
        assert_status(get(s, "k00002"), SEGUE_OK);
        assert_status(test_scan_all(s, &n), SEGUE_CORRUPT);
        segue_close(s);
    }
}

/* A put looks at the CAS of what is there, and at nothing else of it. */
static void a_damaged_cas_is_not_written_over(void **state)
{
    segue_record rec = {.key = str("k00000"), .body = str("2"), .revision = 1, .cas = 5};
    (void)state;
    fill("app.db", 1);
    test_file_run("app.db", "UPDATE records SET cas=-5");
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_status(segue_put_record(s, &rec, SEGUE_PUT_REPLACE, NULL, NULL, &test_err), SEGUE_CORRUPT);
    segue_call call = seg_call_new(s, 0, &test_err);
    segue_put put = {.rec = rec};
    assert_status(seg_call_put(s, &put, NULL, &call), SEGUE_CORRUPT);
    assert_says("the record \"k00000\" is damaged: its CAS is not a positive number");
    segue_close(s);
    assert_string_equal(test_file_ask("app.db", "SELECT cas||length(body) FROM records"), "-51500");
}

/* In the order of keys it would stand before all of them. */
static void a_key_that_is_no_bytes_is_damage(void **state)
{
    uint64_t n = 0;
    (void)state;
    fill("app.db", 1);
    test_file_run("app.db",
                  "INSERT INTO records (collection, key, cas, revision, write_id, state, flags, expiry, body) "
                  "SELECT collection, 'text', 7, 1, 0, 0, 0, 1, body FROM records");
    segue_store *s = test_open_file("app.db", NULL, SEGUE_OPEN_NO_REAPER);
    assert_status(segue_reap(s, 0, &n, &test_err), SEGUE_CORRUPT);
    assert_says("app.db holds a row whose key is no bytes");
    segue_close(s);
}

static void a_store_without_its_clock_is_damaged(void **state)
{
    (void)state;
    fill("app.db", 1);
    test_file_run("app.db", "DELETE FROM clock");
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_status(set(s, "k00000", "2"), SEGUE_CORRUPT);
    assert_says("clock");
    segue_close(s);
}

/* ---- what may not be written ---- */

static void a_store_opened_for_reading_only_refuses_writes(void **state)
{
    struct stat st;
    (void)state;
    fill("app.db", 3);
    segue_store *s = test_open_file("app.db", NULL, SEGUE_OPEN_READ_ONLY);
    assert_status(set(s, "k", "1"), SEGUE_READ_ONLY);
    assert_status(segue_delete(s, str("k00001"), NULL, &test_err), SEGUE_READ_ONLY);
    assert_status(get(s, "k00001"), SEGUE_OK);
    /* A handle that may write shares the file with it. */
    segue_store *writer = test_open_file("app.db", NULL, 0);
    assert_true(seg_store_same(s, writer));
    assert_ok(set(writer, "k", "1"));
    assert_body(s, "k", "1");
    segue_close(writer);
    assert_status(set(s, "k", "2"), SEGUE_READ_ONLY);
    assert_refused("app.db?collection=a.b", SEGUE_OPEN_READ_ONLY, SEGUE_NO_STORE, "no collection a.b");
    segue_close(s);
    assert_int_not_equal(stat(test_path("app.db-wal"), &st), 0);
}

static int as_nobody(void)
{
    if (setgid(65534) != 0 || setuid(65534) != 0) return 9;
    if (test_try_file("unreadable.db", 0) != SEGUE_ACCESS_DENIED || !strstr(test_err.message, "cannot be read"))
        return 1;
    if (test_try_file("unreadable.db", SEGUE_OPEN_READ_ONLY) != SEGUE_ACCESS_DENIED) return 2;
    if (test_try_file("fixed.db", 0) != SEGUE_ACCESS_DENIED || !strstr(test_err.message, "cannot be written")) return 3;
    if (test_try_file("open.db", 0) != SEGUE_ACCESS_DENIED || !strstr(test_err.message, "folder")) return 4;
    if (test_try_file("new.db", 0) != SEGUE_ACCESS_DENIED || !strstr(test_err.message, "cannot be made")) return 5;
    if (test_try_file("locked/app.db", 0) != SEGUE_ACCESS_DENIED) return 6;
    if (test_try_file("fixed.db", SEGUE_OPEN_READ_ONLY) != SEGUE_ACCESS_DENIED) return 7;
    return strstr(test_err.message, "folder must be writable") ? 0 : 8;
}

static void missing_permission_is_said(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root can become a user without permissions\n");
        skip();
    }
    fill("unreadable.db", 1);
    fill("fixed.db", 1);
    fill("open.db", 1);
    assert_int_equal(chmod(test_path("fixed.db"), 0444), 0);
    assert_int_equal(chmod(test_path("open.db"), 0666), 0);
    assert_int_equal(mkdir(test_path("locked"), 0700), 0);
    assert_int_equal(chmod(test_folder, 0755), 0);
    assert_int_equal(test_in_child(as_nobody), 0);
}

static void a_read_only_medium_can_be_read(void **state)
{
    size_t n = 0;
    (void)state;
    test_mount_small();
    fill("small/app.db", 20);
    assert_int_equal(mount("tmpfs", test_path("small"), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=2m"), 0);
    assert_refused("small/app.db", 0, SEGUE_READ_ONLY, "cannot be written");
    assert_refused("small/new.db", 0, SEGUE_READ_ONLY, "cannot be made");
    segue_store *s = test_open_file("small/app.db", NULL, SEGUE_OPEN_READ_ONLY);
    assert_status(test_scan_all(s, &n), SEGUE_END);
    assert_int_equal(n, 20);
    assert_status(set(s, "k", "1"), SEGUE_READ_ONLY);
    segue_close(s);
    test_unmount_small();
}

static void a_full_disk_is_said_and_changes_nothing(void **state)
{
    static char body[6 * 1024 * 1024];
    struct stat st;
    (void)state;
    test_mount_small();
    memset(body, 'x', sizeof body - 1);
    fill("small/app.db", 20);
    segue_store *s = test_open_file("small/app.db", NULL, 0);
    assert_ok(set(s, "k", "1"));
    assert_status(set(s, "k", body), SEGUE_NO_SPACE);
    assert_says("small/app.db: make room");
    assert_body(s, "k", "1");
    assert_ok(set(s, "k", "2"));
    body[2000000] = 0; /* this one fails at another place: in the commit */
    assert_status(set(s, "k", body), SEGUE_NO_SPACE);
    assert_body(s, "k", "2");
    assert_ok(set(s, "k", "3"));
    assert_body(s, "k", "3");
    segue_close(s);
    test_file_write("small/filler", body, 500000, -1);
    FILE *filler = fopen(test_path("small/filler"), "ab");
    while (fwrite(body, 1, 4096, filler) == 4096 && fflush(filler) == 0) {
    }
    (void)fclose(filler); /* the disk is full, as it should be */
    assert_refused("small/new.db", 0, SEGUE_NO_SPACE, "new.db");
    assert_int_not_equal(stat(test_path("small/new.db"), &st), 0);
    test_unmount_small();
}

/* ---- one file, many ways to it ---- */

static void other_paths_to_a_file_are_the_same_store(void **state)
{
    char here[256];
    (void)state;
    segue_store *a = test_open_file("app.db", NULL, 0);
    assert_int_equal(symlink(test_path("app.db"), test_path("link.db")), 0);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(test_folder), 0);
    segue_store *b = NULL;
    assert_ok(segue_open("sqlite:./app.db", NULL, &b, &test_err));
    assert_int_equal(chdir(here), 0); /* the store does not mind */
    segue_store *c = test_open_file("link.db", NULL, 0), *d = test_open_file("link.db?collection=a.b", NULL, 0);
    segue_store *e = test_open_file("other.db", NULL, 0);
    assert_true(seg_store_same(a, b));
    assert_true(seg_store_same(a, c));
    assert_false(seg_store_same(a, d));
    assert_false(seg_store_same(a, e));
    assert_ok(set(b, "k", "1"));
    segue_doc doc = {0};
    assert_ok(segue_get(c, str("k"), NULL, &doc, &test_err));
    segue_move move = {.key = str("k"), .cas = doc.rec.cas};
    segue_call call = seg_call_new(a, 0, &test_err);
    assert_status(seg_call_move(a, e, &move, 1, &call), SEGUE_UNSUPPORTED);
    assert_status(seg_call_move(a, c, &move, 1, &call), SEGUE_INVALID_ARGUMENT); /* to itself: it would vanish */
    assert_body(b, "k", "1");
    assert_ok(seg_call_move(a, d, &move, 1, &call));
    assert_int_equal(move.status, SEGUE_OK);
    assert_true(move.moved);
    assert_status(get(a, "k"), SEGUE_NOT_FOUND);
    assert_body(d, "k", "1");
    segue_doc_free(&doc);
    for (int i = 0; i < 5; i++) segue_close((segue_store *[]){a, b, c, d, e}[i]);
}

static void a_file_that_was_moved_away_is_not_written_any_more(void **state)
{
    (void)state;
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_ok(set(s, "k", "1"));
    assert_int_equal(rename(test_path("app.db"), test_path("gone.db")), 0);
    assert_status(set(s, "k", "2"), SEGUE_NO_STORE);
    assert_says("app.db was moved");
    segue_store *fresh = test_open_file("app.db", NULL, 0);
    assert_false(seg_store_same(s, fresh));
    assert_ok(set(fresh, "k", "3"));
    assert_status(set(s, "k", "2"), SEGUE_NO_STORE);
    assert_body(fresh, "k", "3");
    segue_close(fresh);
    segue_close(s);
}

static segue_store *inherited;

static int use_inherited(void)
{
    segue_doc doc = {0};
    if (segue_get(inherited, str("k"), NULL, &doc, &test_err) != SEGUE_REFUSED || !strstr(test_err.message, "fork"))
        return 1;
    if (set(inherited, "k", "2") != SEGUE_REFUSED) return 2;
    if (test_try_file("app.db", 0) != SEGUE_REFUSED) return 3;
    if (test_try_file("other.db", 0) != SEGUE_OK) return 4;
    segue_close(inherited);
    return test_try_file("app.db", 0) == SEGUE_REFUSED ? 0 : 5;
}

static void a_child_may_not_use_what_its_parent_opened(void **state)
{
    (void)state;
    /* Under a sanitizer the child of a process with threads may start none. */
    inherited = test_open_file("app.db", NULL, SEGUE_OPEN_NO_REAPER);
    assert_ok(set(inherited, "k", "1"));
    assert_int_equal(test_in_child(use_inherited), 0);
    assert_ok(set(inherited, "k", "3"));
    assert_body(inherited, "k", "3");
    segue_close(inherited);
}

static void sync_decides_whether_a_write_waits_for_the_disk(void **state)
{
    (void)state;
    segue_store *off = test_open_file("app.db?sync=off", NULL, 0);
    assert_false(segue_store_caps(off) & SEGUE_CAP_DURABLE);
    assert_ok(set(off, "k", "1"));
    long before = atomic_load(&test_disk.n_syncs);
    assert_ok(set(off, "k", "2"));
    assert_int_equal(atomic_load(&test_disk.n_syncs), before);
    segue_store *full = test_open_file("app.db?collection=a.b", NULL, 0); /* of the same file: the strictest counts */
    assert_true(segue_store_caps(full) & SEGUE_CAP_DURABLE);
    before = atomic_load(&test_disk.n_syncs);
    assert_ok(set(off, "k", "3"));
    assert_ok(set(full, "k", "3"));
    assert_int_equal(atomic_load(&test_disk.n_syncs), before + 2);
    segue_close(off);
    segue_close(full);
}

/* ---- memory ---- */

static atomic_size_t n_allocations;

static void *count_realloc(void *ctx, void *memory, size_t size)
{
    (void)ctx; /* one count for all */
    atomic_fetch_add(&n_allocations, 1);
    return realloc(memory, size);
}

static void just_free(void *ctx, void *memory)
{
    (void)ctx; /* as above */
    free(memory);
}

static void a_hot_get_allocates_nothing(void **state)
{
    segue_xattr xattr = {str("_sync"), str("{}")};
    segue_record rec = {.key = str("k"), .body = str("{\"a\":1}"), .xattrs = &xattr, .n_xattrs = 1, .revision = 1};
    segue_doc doc = {0};
    (void)state;
    segue_store *s = test_open_file("app.db", NULL, 0);
    assert_ok(segue_put_record(s, &rec, 0, NULL, NULL, &test_err));
    assert_ok(segue_get(s, str("k"), NULL, &doc, &test_err));
    size_t before = atomic_load(&n_allocations);
    for (int i = 0; i < 100; i++) assert_ok(segue_get(s, str("k"), NULL, &doc, &test_err));
    assert_status(segue_get(s, str("none"), NULL, &doc, &test_err), SEGUE_NOT_FOUND);
    assert_int_equal(atomic_load(&n_allocations), before);
    segue_doc_free(&doc);
    segue_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_folder, test_remove_folder)

/* A reader more than are kept: the last one that is given back is closed, and none is lost. */
static void more_readers_at_once_than_are_kept_are_closed(void **state)
{
    enum { MANY = SEG_SQL_READERS_MAX + 2 };
    seg_sql_conn *conns[MANY];
    (void)state;
    fill("app.db", 1);
    segue_store *s = test_open_file("app.db", NULL, 0);
    segue_call call = seg_call_new(s, 0, &test_err);
    seg_sql_engine *engine = ((seg_sql_handle *)s->self)->engine;
    for (int i = 0; i < MANY; i++) assert_ok(seg_sql_take(engine, &conns[i], &call));
    for (int i = 0; i < SEG_SQL_READERS_MAX; i++) seg_sql_give(engine, conns[i]);
    sqlite3_int64 before = sqlite3_memory_used();
    for (int i = SEG_SQL_READERS_MAX; i < MANY; i++) seg_sql_give(engine, conns[i]);
    assert_true(sqlite3_memory_used() < before);
    assert_status(get(s, "k00000"), SEGUE_OK);
    segue_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_belongs_to_its_owner_alone),
        TEST(the_format_is_as_it_is_written_down),
        TEST(an_empty_file_becomes_a_store_only_where_one_may_be_made),
        TEST(what_is_no_store_is_refused),
        TEST(a_wrong_url_is_refused_and_makes_nothing),
        TEST(another_version_or_layout_is_refused),
        TEST(an_older_version_is_brought_up_to_date),
        TEST(damage_is_noticed),
        TEST(a_damaged_row_is_named_and_its_neighbours_are_not_touched),
        TEST(a_damaged_cas_is_not_written_over),
        TEST(a_key_that_is_no_bytes_is_damage),
        TEST(a_store_without_its_clock_is_damaged),
        TEST(a_store_opened_for_reading_only_refuses_writes),
        TEST(missing_permission_is_said),
        TEST(a_read_only_medium_can_be_read),
        TEST(a_full_disk_is_said_and_changes_nothing),
        TEST(other_paths_to_a_file_are_the_same_store),
        TEST(a_file_that_was_moved_away_is_not_written_any_more),
        TEST(a_child_may_not_use_what_its_parent_opened),
        TEST(sync_decides_whether_a_write_waits_for_the_disk),
        TEST(a_hot_get_allocates_nothing),
        TEST(more_readers_at_once_than_are_kept_are_closed),
    };
    static const segue_allocator counting = {NULL, count_realloc, just_free};
    segue_set_allocator(&counting);
    test_disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
