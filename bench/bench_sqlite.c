/* The sqlite backend against a raw loop of prepared statements. */
#include "bench.h"
#include "raw.h"

#include <pthread.h>
#include <stdlib.h>

enum { N_WRITERS = 16 };

typedef struct sqlite_bench {
    segue_store *store;
    segue_store *large; /* the same, and large bodies */
    sqlite3 *raw;
    size_t n_docs;
    size_t n_gets;
    size_t n_updates;
} sqlite_bench;

/* ---- get ---- */

static double get_of(const sqlite_bench *b, segue_store *store)
{
    segue_error err = {0};
    segue_doc doc = {0};
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_gets; i++) {
        char key[16];
        BENCH_MUST(segue_get(store, bench_key(i * 7919 % b->n_docs, key), NULL, &doc, &err));
    }
    double took = bench_now_s() - start;
    segue_doc_free(&doc);
    return took;
}

static double get_ours(void *ctx)
{
    sqlite_bench *b = ctx;
    return get_of(b, b->store);
}

static double get_beside_large(void *ctx)
{
    sqlite_bench *b = ctx;
    return get_of(b, b->large);
}

/* One document of 20 MiB in the middle, ten of 200 KB. */
static void fill_large(segue_store *store, size_t n_docs)
{
    enum { LARGEST = 20 * 1024 * 1024, LARGE = 200 * 1024 };
    segue_error err = {0};
    char *body = calloc(1, LARGEST), key[20];
    if (!body) abort();
    bench_fill(store, n_docs);
    for (size_t i = 0; i <= 10; i++) {
        segue_slice k = bench_key(i * n_docs / 10, key);
        key[k.size] = 'x'; /* right behind that one */
        k.size++;
        BENCH_MUST(segue_set_raw(store, k, segue_bytes(body, i == 5 ? LARGEST : LARGE), segue_expiry_none(), NULL, NULL,
                                 &err));
    }
    free(body);
}

/* The columns of a row, copied out as any caller must who goes on after the reset. */
static size_t copy_row(sqlite3_stmt *select, char *out)
{
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        const void *data = sqlite3_column_blob(select, i);
        size_t size = (size_t)sqlite3_column_bytes(select, i);
        if (size) memcpy(out + n, data, size);
        n += size;
    }
    for (int i = 2; i < 8; i++) n += (size_t)(sqlite3_column_int64(select, i) != 0);
    return n;
}

static double get_raw(void *ctx)
{
    sqlite_bench *b = ctx;
    sqlite3_stmt *select = raw_prepare(b->raw, "SELECT body,xattrs,state,flags,expiry,cas,revision,write_id FROM docs "
                                               "WHERE collection=?1 AND key=?2");
    char row[1024];
    size_t bytes = 0;
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_gets; i++) {
        char key[16];
        segue_slice k = bench_key(i * 7919 % b->n_docs, key);
        raw_must(b->raw, sqlite3_bind_int(select, 1, 1), "bind");
        raw_must(b->raw, sqlite3_bind_blob(select, 2, k.data, (int)k.size, SQLITE_STATIC), "bind");
        int code = sqlite3_step(select);
        if (code != SQLITE_ROW) raw_must(b->raw, SQLITE_ERROR, "a row that must be there");
        bytes += copy_row(select, row);
        raw_must(b->raw, sqlite3_reset(select), "reset");
    }
    double took = bench_now_s() - start;
    raw_must(b->raw, sqlite3_finalize(select), "finalize");
    return bytes ? took : 0;
}

/* ---- durable updates ---- */

static segue_status set_body(void *ctx, const segue_record *current, segue_mutation *mutation)
{
    (void)ctx;
    mutation->body_op = SEGUE_BODY_SET;
    mutation->body = current->body;
    mutation->json = SEGUE_JSON_YES;
    return SEGUE_OK;
}

typedef struct writer {
    sqlite_bench *bench;
    size_t first, n;
} writer;

static void *write_some(void *ctx)
{
    writer *w = ctx;
    segue_error err = {0};
    for (size_t i = 0; i < w->n; i++) {
        char key[16];
        segue_slice k = bench_key((w->first + i * 31) % w->bench->n_docs, key);
        BENCH_MUST(segue_update(w->bench->store, k, set_body, NULL, NULL, NULL, &err));
    }
    return NULL;
}

static double update_by(sqlite_bench *b, size_t n_threads)
{
    pthread_t threads[N_WRITERS];
    writer writers[N_WRITERS];
    double start = bench_now_s();
    for (size_t i = 0; i < n_threads; i++) {
        writers[i] = (writer){b, i * 1009, b->n_updates / n_threads};
        if (pthread_create(&threads[i], NULL, write_some, &writers[i])) abort();
    }
    for (size_t i = 0; i < n_threads; i++)
        if (pthread_join(threads[i], NULL)) abort();
    return bench_now_s() - start;
}

static double update_ours_1(void *ctx) { return update_by(ctx, 1); }
static double update_ours_16(void *ctx) { return update_by(ctx, N_WRITERS); }

/* One by one: read, then write where the CAS is still the same, each statement its own transaction. */
static double update_raw(void *ctx)
{
    sqlite_bench *b = ctx;
    sqlite3_stmt *select = raw_prepare(b->raw, "SELECT body,xattrs,state,flags,expiry,cas,revision,write_id FROM docs "
                                               "WHERE collection=?1 AND key=?2");
    sqlite3_stmt *update = raw_prepare(b->raw, "UPDATE docs SET body=?3,cas=cas+65536,revision=revision+1 "
                                               "WHERE collection=?1 AND key=?2 AND cas=?4");
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_updates; i++) {
        char key[16];
        segue_slice k = bench_key(i * 31 % b->n_docs, key);
        sqlite3_stmt *both[] = {select, update};
        for (int s = 0; s < 2; s++) {
            raw_must(b->raw, sqlite3_bind_int(both[s], 1, 1), "bind");
            raw_must(b->raw, sqlite3_bind_blob(both[s], 2, k.data, (int)k.size, SQLITE_STATIC), "bind");
        }
        char row[1024];
        raw_must(b->raw, sqlite3_step(select), "select");
        int body_size = sqlite3_column_bytes(select, 0);
        (void)copy_row(select, row); /* the body lies first in it */
        raw_must(b->raw, sqlite3_bind_int64(update, 4, sqlite3_column_int64(select, 5)), "bind");
        raw_must(b->raw, sqlite3_reset(select), "reset");
        raw_must(b->raw, sqlite3_bind_blob(update, 3, row, body_size, SQLITE_STATIC), "bind");
        raw_must(b->raw, sqlite3_step(update), "update");
        raw_must(b->raw, sqlite3_reset(update), "reset");
    }
    double took = bench_now_s() - start;
    raw_must(b->raw, sqlite3_finalize(select), "finalize");
    raw_must(b->raw, sqlite3_finalize(update), "finalize");
    return took;
}

void bench_sqlite(void)
{
    char url[300];
    (void)snprintf(url, sizeof url, "sqlite:%s/docs.segue", bench_dir);
    sqlite_bench b = {.n_docs = bench_size(10000), .n_gets = bench_size(100000), .n_updates = bench_size(1600)};
    b.store = bench_open(url);
    b.raw = raw_open("docs.raw");
    bench_fill(b.store, b.n_docs);
    raw_fill(b.raw, 1, b.n_docs);
    bench_pair get = {.name = "get",
                      .ours = "sqlite",
                      .base = "raw prepared SELECT",
                      .aim = "at most 1.15",
                      .n_ops = (double)b.n_gets,
                      .n_rounds = 15};
    bench_compare(&get, get_ours, get_raw, &b);
    (void)snprintf(url, sizeof url, "sqlite:%s/large.segue?sync=off", bench_dir);
    b.large = bench_open(url);
    fill_large(b.large, b.n_docs);
    bench_pair large = get;
    large.name = "get of small documents, sqlite";
    large.ours = "beside 20 MiB";
    large.base = "alone";
    large.aim = NULL;
    bench_compare(&large, get_beside_large, get_ours, &b);
    segue_close(b.large);
    bench_pair one = {.name = "durable updates, 1 thread",
                      .ours = "sqlite",
                      .base = "raw SELECT + UPDATE, autocommit",
                      .aim = "at most 1.2",
                      .n_ops = (double)b.n_updates,
                      .n_rounds = 7};
    bench_compare(&one, update_ours_1, update_raw, &b);
    bench_pair many = one;
    many.name = "durable updates, 16 threads: how many times as many";
    many.aim = "at least 8";
    many.rate = true;
    bench_compare(&many, update_ours_16, update_raw, &b);
    segue_close(b.store);
    if (sqlite3_close(b.raw)) abort();
}
