/* What the dual store adds to a store in memory: documents in the primary, phase forward. */
#include "bench.h"

#include <stdlib.h>

typedef struct dual_bench {
    segue_store *plain;
    segue_store *dual;
    size_t n_docs;
    size_t n_ops;
} dual_bench;

static double gets(segue_store *store, const dual_bench *b)
{
    segue_error err = {0};
    segue_doc doc = {0};
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_ops; i++) {
        char key[16];
        BENCH_MUST(segue_get(store, bench_key(i * 7919 % b->n_docs, key), NULL, &doc, &err));
    }
    double took = bench_now_s() - start;
    segue_doc_free(&doc);
    return took;
}

static segue_status set_body(void *ctx, const segue_record *current, segue_mutation *mutation)
{
    (void)ctx;
    mutation->body_op = SEGUE_BODY_SET;
    mutation->body = current->body;
    mutation->json = SEGUE_JSON_YES;
    return SEGUE_OK;
}

static double updates(segue_store *store, const dual_bench *b)
{
    segue_error err = {0};
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_ops; i++) {
        char key[16];
        BENCH_MUST(segue_update(store, bench_key(i * 7919 % b->n_docs, key), set_body, NULL, NULL, NULL, &err));
    }
    return bench_now_s() - start;
}

static double get_dual(void *ctx) { return gets(((dual_bench *)ctx)->dual, ctx); }
static double get_plain(void *ctx) { return gets(((dual_bench *)ctx)->plain, ctx); }
static double update_dual(void *ctx) { return updates(((dual_bench *)ctx)->dual, ctx); }
static double update_plain(void *ctx) { return updates(((dual_bench *)ctx)->plain, ctx); }

void bench_dual(void)
{
    segue_error err = {0};
    dual_bench b = {.n_docs = bench_size(10000), .n_ops = bench_size(200000)};
    b.plain = bench_open("mem:bench-plain");
    segue_store *primary = bench_open("mem:bench-primary");
    segue_store *fallback = bench_open("mem:bench-fallback");
    segue_dual_options options = {.phase = SEGUE_PHASE_FORWARD};
    BENCH_MUST(segue_dual_open(primary, fallback, &options, &b.dual, &err));
    bench_fill(b.plain, b.n_docs);
    bench_fill(primary, b.n_docs);
    bench_pair pair = {.name = "get", .ours = "dual over mem", .base = "mem", .n_ops = (double)b.n_ops, .n_rounds = 15};
    bench_compare(&pair, get_dual, get_plain, &b);
    pair.name = "update";
    bench_compare(&pair, update_dual, update_plain, &b);
    segue_close(b.dual);
    segue_close(fallback);
    segue_close(primary);
    segue_close(b.plain);
}
