/* The sweep: inside one SQLite file against a raw move in SQL, across two files against a raw batched copy; and how much
 * memory a long one takes. */
#include "bench.h"
#include "raw.h"

#include <segue/migrate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct sweep_bench {
    size_t n_docs;
    int round; /* every run has files of its own */
} sweep_bench;

static const char policy_text[] = "{\"rules\":[{\"prefix\":\"k\",\"action\":\"move\"}]}";

/* ---- ours ---- */

static void fill_file(const char *path, size_t n)
{
    char url[400];
    (void)snprintf(url, sizeof url, "sqlite:%s?collection=_default._default&sync=off", path);
    segue_store *store = bench_open(url);
    bench_fill(store, n);
    segue_close(store);
}

/* Hold, forward, sweep, verify: all that stands between the first record and the proof that the last one is over there. */
static double migrate(const char *from_path, const char *to_path, bool verify_too)
{
    segue_error err = {0};
    char from_url[400], to_url[400];
    (void)snprintf(from_url, sizeof from_url, "sqlite:%s?collection=_default._default", from_path);
    (void)snprintf(to_url, sizeof to_url, "sqlite:%s?collection=_system._mobile", to_path);
    segue_store *from = bench_open(from_url), *to = bench_open(to_url);
    segue_policy *policy = NULL;
    segue_migration *migration = NULL;
    BENCH_MUST(segue_policy_parse(segue_str(policy_text), &policy, &err));
    segue_migration_options options = {.policy = policy, .hold_seal = true};
    BENCH_MUST(segue_migration_open(from, to, &options, &migration, &err));
    double start = bench_now_s();
    BENCH_MUST(segue_migration_run(migration, &err));
    if (verify_too) BENCH_MUST(segue_migration_seal(migration, &err));
    double took = bench_now_s() - start;
    segue_migration_close(migration);
    segue_policy_free(policy);
    segue_close(to);
    segue_close(from);
    return took;
}

static double sweep_one_file(void *ctx)
{
    sweep_bench *b = ctx;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/one-%d.segue", bench_dir, b->round++);
    fill_file(path, b->n_docs);
    return migrate(path, path, false);
}

static double sweep_two_files(void *ctx)
{
    sweep_bench *b = ctx;
    char from[256], to[256];
    (void)snprintf(from, sizeof from, "%s/from-%d.segue", bench_dir, b->round);
    (void)snprintf(to, sizeof to, "%s/to-%d.segue", bench_dir, b->round++);
    fill_file(from, b->n_docs);
    return migrate(from, to, false);
}

/* ---- raw ---- */

static double raw_one_file(void *ctx)
{
    sweep_bench *b = ctx;
    char name[64];
    (void)snprintf(name, sizeof name, "one-%d.raw", b->round++);
    sqlite3 *db = raw_open(name);
    raw_fill(db, 1, b->n_docs);
    double start = bench_now_s();
    raw_exec(db, "BEGIN IMMEDIATE;"
                 "INSERT OR IGNORE INTO docs(" RAW_COLUMNS ") SELECT 2,key,body,xattrs,state,flags,expiry,cas,revision,"
                 "write_id FROM docs WHERE collection=1;"
                 "DELETE FROM docs WHERE collection=1;"
                 "COMMIT");
    double took = bench_now_s() - start;
    if (sqlite3_close(db)) abort();
    return took;
}

enum { RAW_BATCH = 1000 };

/* One batch: rows after `last` into the other file, then out of this one; the transaction of the target ends first. */
static int raw_batch(sqlite3 *from, sqlite3 *to, sqlite3_stmt *select, sqlite3_stmt *insert, sqlite3_stmt *erase)
{
    int n = 0;
    char keys[RAW_BATCH][16];
    raw_exec(to, "BEGIN IMMEDIATE");
    while (sqlite3_step(select) == SQLITE_ROW) {
        (void)snprintf(keys[n++], 16, "%.*s", sqlite3_column_bytes(select, 1),
                       (const char *)sqlite3_column_blob(select, 1));
        for (int i = 0; i < 10; i++)
            raw_must(to, sqlite3_bind_value(insert, i + 1, sqlite3_column_value(select, i)), "bind");
        raw_must(to, sqlite3_step(insert), "insert");
        raw_must(to, sqlite3_reset(insert), "reset");
    }
    raw_must(from, sqlite3_reset(select), "reset");
    raw_exec(to, "COMMIT");
    raw_exec(from, "BEGIN IMMEDIATE");
    for (int i = 0; i < n; i++) {
        raw_must(from, sqlite3_bind_blob(erase, 1, keys[i], (int)strlen(keys[i]), SQLITE_STATIC), "bind");
        raw_must(from, sqlite3_step(erase), "erase");
        raw_must(from, sqlite3_reset(erase), "reset");
    }
    raw_exec(from, "COMMIT");
    return n;
}

static double raw_two_files(void *ctx)
{
    sweep_bench *b = ctx;
    char name[64];
    (void)snprintf(name, sizeof name, "from-%d.raw", b->round);
    sqlite3 *from = raw_open(name);
    (void)snprintf(name, sizeof name, "to-%d.raw", b->round++);
    sqlite3 *to = raw_open(name);
    raw_fill(from, 1, b->n_docs);
    sqlite3_stmt *select = raw_prepare(from,
                                       "SELECT " RAW_COLUMNS " FROM docs WHERE collection=1 ORDER BY key LIMIT 1000");
    sqlite3_stmt *insert = raw_prepare(to, "INSERT OR IGNORE INTO docs(" RAW_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?)");
    sqlite3_stmt *erase = raw_prepare(from, "DELETE FROM docs WHERE collection=1 AND key=?1");
    double start = bench_now_s();
    while (raw_batch(from, to, select, insert, erase) > 0) {
    }
    double took = bench_now_s() - start;
    raw_must(from, sqlite3_finalize(select), "finalize");
    raw_must(to, sqlite3_finalize(insert), "finalize");
    raw_must(from, sqlite3_finalize(erase), "finalize");
    if (sqlite3_close(from) || sqlite3_close(to)) abort();
    return took;
}

/* ---- memory ---- */

/* Resident memory at its highest, in MiB, of a process that sweeps n documents from one file to another. */
static double sweep_memory_mib(size_t n)
{
    char from[256], to[256];
    (void)snprintf(from, sizeof from, "%s/memory-from-%zu.segue", bench_dir, n);
    (void)snprintf(to, sizeof to, "%s/memory-to-%zu.segue", bench_dir, n);
    pid_t filler = fork();
    if (filler == 0) {
        fill_file(from, n);
        _exit(0);
    }
    int status = 0;
    if (filler < 0 || waitpid(filler, &status, 0) < 0 || status != 0) abort();
    pid_t sweeper = fork();
    if (sweeper == 0) {
        (void)migrate(from, to, true);
        _exit(0);
    }
    struct rusage usage;
    if (sweeper < 0 || wait4(sweeper, &status, 0, &usage) < 0 || status != 0) abort();
    return (double)usage.ru_maxrss / 1024;
}

void bench_sweep(void)
{
    sweep_bench b = {.n_docs = bench_size(100000)};
    /* Before anything else grows this process, which its children are copies of. */
    size_t few = bench_size(10000), many = bench_size(1000000);
    double few_mib = sweep_memory_mib(few), many_mib = sweep_memory_mib(many);
    printf(
        "| resident memory of a sweep | %zu documents | %zu documents | **%.2f** | %.1f MiB | %.1f MiB | flat, at most "
        "64 MiB |\n",
        many, few, many_mib / few_mib, many_mib, few_mib);
    bench_pair one = {.name = "sweep inside one file",
                      .ours = "segue, with verification",
                      .base = "raw INSERT..SELECT, DELETE",
                      .aim = "at most 2",
                      .n_ops = (double)b.n_docs,
                      .n_rounds = 5};
    bench_compare(&one, sweep_one_file, raw_one_file, &b);
    bench_pair two = {.name = "sweep across two files",
                      .ours = "segue, with verification",
                      .base = "raw batches of 1000",
                      .aim = "at most 2",
                      .n_ops = (double)b.n_docs,
                      .n_rounds = 5};
    bench_compare(&two, sweep_two_files, raw_two_files, &b);
}
