/* A feed against a scan of the same store; durable updates of a file that keeps the feed's index against one that has none; and
 * what a look for news costs that finds none. */
#include "bench.h"

#include <segue/feed.h>

typedef struct feed_bench {
    segue_store *store;
    segue_store *plain; /* without feeds */
    segue_feed *idle;
    size_t n_docs;
    size_t n_looks, n_updates;
} feed_bench;

static double feed_all(void *ctx)
{
    feed_bench *b = ctx;
    segue_error err = {0};
    segue_feed *feed = NULL;
    segue_feed_event e;
    segue_feed_options o = {.flags = SEGUE_FEED_STOP_AT_END};
    size_t n = 0;
    double start = bench_now_s();
    BENCH_MUST(segue_feed_open(&b->store, 1, &o, &feed, &err));
    for (segue_status st; (st = segue_feed_next(feed, 0, &e, &err)) != SEGUE_END; n++) BENCH_MUST(st);
    double took = bench_now_s() - start;
    segue_feed_close(feed);
    return n == b->n_docs ? took : 0;
}

static double scan_all(void *ctx)
{
    feed_bench *b = ctx;
    segue_error err = {0};
    segue_scan *scan = NULL;
    const segue_record *rec;
    segue_range range = {.options = SEGUE_SCAN_TOMBSTONES};
    size_t n = 0;
    double start = bench_now_s();
    BENCH_MUST(segue_scan_open(b->store, &range, &scan, &err));
    for (segue_status st; (st = segue_scan_next(scan, &rec, &err)) != SEGUE_END; n++) BENCH_MUST(st);
    double took = bench_now_s() - start;
    segue_scan_close(scan);
    return n == b->n_docs ? took : 0;
}

static double updates(segue_store *store, const feed_bench *b)
{
    segue_error err = {0};
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_updates; i++) {
        char key[16];
        BENCH_MUST(segue_set(store, bench_key(i * 7919 % b->n_docs, key), segue_str("{\"a\":1}"), segue_expiry_none(),
                             NULL, NULL, &err));
    }
    return bench_now_s() - start;
}

static double update_indexed(void *ctx) { return updates(((feed_bench *)ctx)->store, ctx); }
static double update_plain(void *ctx) { return updates(((feed_bench *)ctx)->plain, ctx); }

static double poll_nothing(void *ctx)
{
    feed_bench *b = ctx;
    segue_feed_event e;
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_looks; i++)
        if (segue_feed_next(b->idle, 0, &e, NULL) != SEGUE_TIMEOUT) return 0;
    return bench_now_s() - start;
}

static double get_one(void *ctx)
{
    feed_bench *b = ctx;
    segue_error err = {0};
    segue_doc doc = {0};
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_looks; i++) {
        char key[16];
        BENCH_MUST(segue_get(b->store, bench_key(i * 7919 % b->n_docs, key), NULL, &doc, &err));
    }
    double took = bench_now_s() - start;
    segue_doc_free(&doc);
    return took;
}

static void bench_kind(const char *kind, const char *url, const char *plain_url)
{
    char name[3][80];
    segue_error err = {0};
    feed_bench b = {.n_docs = bench_size(50000), .n_looks = bench_size(20000), .n_updates = bench_size(400)};
    uint64_t now = SEGUE_FEED_NOW;
    segue_feed_options o = {.since = &now};
    b.store = bench_open(url);
    b.plain = bench_open(plain_url);
    bench_fill(b.store, b.n_docs);
    bench_fill(b.plain, b.n_docs);
    (void)snprintf(name[0], sizeof name[0], "every record of %s", kind); /* fits */
    bench_compare(&(bench_pair){name[0], "feed", "scan", NULL, false, (double)b.n_docs, 5}, feed_all, scan_all, &b);
    BENCH_MUST(segue_feed_open(&b.store, 1, &o, &b.idle, &err));
    (void)snprintf(name[1], sizeof name[1], "look for news, %s", kind); /* fits */
    bench_compare(&(bench_pair){name[1], "feed", "get", NULL, false, (double)b.n_looks, 5}, poll_nothing, get_one, &b);
    segue_feed_close(b.idle);
    (void)snprintf(name[2], sizeof name[2], "set, %s", kind); /* fits */
    bench_compare(&(bench_pair){name[2], "with the feed's index", "without", NULL, false, (double)b.n_updates, 5},
                  update_indexed, update_plain, &b);
    segue_close(b.store);
    segue_close(b.plain);
}

void bench_feed(void)
{
    char url[256], plain[256];
    bench_kind("mem", "mem:bench-feed", "mem:bench-no-feed");
    (void)snprintf(url, sizeof url, "sqlite:%s/feed.db", bench_dir); /* fits */
    (void)snprintf(plain, sizeof plain, "sqlite:%s/no-feed.db", bench_dir);
    bench_kind("sqlite", url, plain);
}
