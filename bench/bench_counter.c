/* Durable increments by many threads, of one counter and of a hundred, against the same by hand: an UPDATE in a transaction of
 * its own, by as many connections of SQLite, and by one. */
#include "bench.h"
#include "raw.h"

#include <pthread.h>
#include <stdlib.h>

enum { N_THREADS = 16, N_KEYS = 100 };

typedef struct counter_bench {
    segue_store *store;
    sqlite3 *raw[N_THREADS];
    size_t n_keys;
    size_t n_incrs; /* in all */
} counter_bench;

typedef struct adder {
    const counter_bench *bench;
    size_t number, n;
} adder;

static void *add_ours(void *ctx)
{
    const adder *a = ctx;
    segue_error err = {0};
    uint64_t zero = 0;
    for (size_t i = 0; i < a->n; i++) {
        char key[16];
        segue_slice k = bench_key((a->number * 37 + i) % a->bench->n_keys, key);
        BENCH_MUST(segue_incr(a->bench->store, k, 1, &zero, segue_expiry_none(), NULL, NULL, &err));
    }
    return NULL;
}

static void *add_raw(void *ctx)
{
    const adder *a = ctx;
    sqlite3 *db = a->bench->raw[a->number];
    sqlite3_stmt *update = raw_prepare(db, "UPDATE docs SET body=body+1,cas=cas+65536,revision=revision+1 "
                                           "WHERE collection=2 AND key=?1 RETURNING body");
    for (size_t i = 0; i < a->n; i++) {
        char key[16];
        segue_slice k = bench_key((a->number * 37 + i) % a->bench->n_keys, key);
        raw_must(db, sqlite3_bind_blob(update, 1, k.data, (int)k.size, SQLITE_STATIC), "bind");
        if (sqlite3_step(update) != SQLITE_ROW) raw_must(db, sqlite3_errcode(db), "a counter that must be there");
        if (sqlite3_column_int64(update, 0) < 1) abort();
        raw_must(db, sqlite3_step(update), "update"); /* to its end: the commit */
        raw_must(db, sqlite3_reset(update), "reset");
    }
    raw_must(db, sqlite3_finalize(update), "finalize");
    return NULL;
}

static double add_by(counter_bench *b, size_t n_threads, void *(*run)(void *ctx))
{
    pthread_t threads[N_THREADS];
    adder adders[N_THREADS];
    double start = bench_now_s();
    for (size_t i = 0; i < n_threads; i++) {
        adders[i] = (adder){b, i, b->n_incrs / n_threads};
        if (pthread_create(&threads[i], NULL, run, &adders[i])) abort();
    }
    for (size_t i = 0; i < n_threads; i++)
        if (pthread_join(threads[i], NULL)) abort();
    return bench_now_s() - start;
}

static double ours_16(void *ctx) { return add_by(ctx, N_THREADS, add_ours); }
static double raw_16(void *ctx) { return add_by(ctx, N_THREADS, add_raw); }
static double raw_1(void *ctx) { return add_by(ctx, 1, add_raw); }

static void make_counters(sqlite3 *db)
{
    sqlite3_stmt *insert = raw_prepare(db, "INSERT INTO docs(" RAW_COLUMNS ") VALUES(2,?1,0,NULL,3,0,0,65536,1,7)");
    for (size_t i = 0; i < N_KEYS; i++) {
        char key[16];
        segue_slice k = bench_key(i, key);
        raw_must(db, sqlite3_bind_blob(insert, 1, k.data, (int)k.size, SQLITE_STATIC), "bind");
        raw_must(db, sqlite3_step(insert), "insert");
        raw_must(db, sqlite3_reset(insert), "reset");
    }
    raw_must(db, sqlite3_finalize(insert), "finalize");
}

static void compare(counter_bench *b, const char *name, size_t n_keys)
{
    bench_pair pair = {.name = name,
                       .ours = "sqlite, 16 threads",
                       .base = "raw UPDATE, 16 connections",
                       .rate = true,
                       .n_ops = (double)b->n_incrs,
                       .n_rounds = 7};
    b->n_keys = n_keys;
    bench_compare(&pair, ours_16, raw_16, b);
    pair.base = "raw UPDATE, 1 connection";
    bench_compare(&pair, ours_16, raw_1, b);
}

void bench_counter(void)
{
    char url[300];
    (void)snprintf(url, sizeof url, "sqlite:%s/counters.segue", bench_dir); /* it fits */
    counter_bench b = {.n_incrs = bench_size(1600)};
    b.store = bench_open(url);
    for (size_t i = 0; i < N_THREADS; i++) b.raw[i] = raw_open("counters.raw");
    make_counters(b.raw[0]);
    compare(&b, "durable incr of one counter: how many times as many", 1);
    compare(&b, "durable incr of 100 counters: how many times as many", N_KEYS);
    segue_close(b.store);
    for (size_t i = 0; i < N_THREADS; i++)
        if (sqlite3_close(b.raw[i])) abort();
}
