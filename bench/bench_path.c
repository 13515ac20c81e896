/* Paths: a place in a body of 100 KB beside parsing all of it with jansson; an xattr beside a small and a large body. */
#include "bench.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct path_bench {
    segue_store *store;
    segue_buf text;
    size_t n_ops;
    segue_doc doc;
} path_bench;

static void add(segue_buf *out, const char *text)
{
    segue_error err = {0};
    BENCH_MUST(segue_buf_append(out, text, strlen(text)));
}

/* Users of about 200 bytes, one member each, and the one that is asked for in the middle. */
static void make_text(segue_buf *out, size_t size)
{
    char user[320];
    add(out, "{");
    for (size_t i = 0; out->size < size; i++) {
        (void)snprintf(
            user, sizeof user,
            "%s\"user%zu\":{\"name\":\"user number %zu\",\"email\":\"user%zu@example.com\",\"channels\":[\"a\",\"b\","
            "\"c%zu\"],\"sequence\":%zu,\"hash\":\"$2a$10$abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLM\"}",
            i ? "," : "", i, i, i, i % 97, i * 3); /* it fits */
        add(out, user);
    }
    add(out, "}");
}

static double read_path(void *ctx)
{
    path_bench *b = ctx;
    segue_error err = {0};
    segue_slice json;
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_ops; i++)
        BENCH_MUST(segue_subdoc_get(b->store, segue_str("large"), SEGUE_IN_BODY, segue_str("user200.channels[-1]"),
                                    NULL, &b->doc, &json, &err));
    return bench_now_s() - start;
}

static double read_all_and_parse(void *ctx)
{
    path_bench *b = ctx;
    segue_error err = {0};
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_ops; i++) {
        BENCH_MUST(segue_get(b->store, segue_str("large"), NULL, &b->doc, &err));
        json_t *tree = json_loadb(b->doc.rec.body.data, b->doc.rec.body.size, 0, NULL);
        json_t *channels = json_object_get(json_object_get(tree, "user200"), "channels");
        if (!json_array_get(channels, json_array_size(channels) - 1)) bench_must(SEGUE_CORRUPT, &err, "a parsed body");
        json_decref(tree);
    }
    return bench_now_s() - start;
}

static double write_path(void *ctx)
{
    path_bench *b = ctx;
    segue_error err = {0};
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_ops; i++)
        BENCH_MUST(segue_subdoc_set(b->store, segue_str("large"), SEGUE_EXPECT_ANY, 0, segue_str("user200.sequence"),
                                    segue_str(i % 2 ? "1" : "2"), NULL, NULL, &err));
    return bench_now_s() - start;
}

static double parse_change_and_print(void *ctx)
{
    path_bench *b = ctx;
    segue_error err = {0};
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_ops; i++) {
        BENCH_MUST(segue_get(b->store, segue_str("large"), NULL, &b->doc, &err));
        json_t *tree = json_loadb(b->doc.rec.body.data, b->doc.rec.body.size, 0, NULL);
        if (json_object_set_new(json_object_get(tree, "user200"), "sequence", json_integer(i % 2 ? 1 : 2)))
            bench_must(SEGUE_CORRUPT, &err, "a parsed body");
        char *text = json_dumps(tree, JSON_COMPACT);
        json_decref(tree);
        BENCH_MUST(segue_set(b->store, segue_str("large"), segue_str(text), segue_expiry_none(), NULL, NULL, &err));
        free(text);
    }
    return bench_now_s() - start;
}

static double xattrs_beside(path_bench *b, const char *key)
{
    segue_error err = {0};
    segue_slice name = segue_str("_sync.rev");
    double start = bench_now_s();
    for (size_t i = 0; i < b->n_ops; i++)
        BENCH_MUST(segue_xattrs_get(b->store, segue_str(key), &name, 1, NULL, &b->doc, &err));
    return bench_now_s() - start;
}

static double xattr_beside_large(void *ctx) { return xattrs_beside(ctx, "large"); }
static double xattr_beside_small(void *ctx) { return xattrs_beside(ctx, "small"); }

static void put(path_bench *b, const char *key, segue_slice body)
{
    segue_error err = {0};
    segue_xattr xattr = {segue_str("_sync"), segue_str("{\"rev\":\"1-abc\",\"seq\":17,\"channels\":{}}")};
    segue_xattr_write w = {.body = body, .set = &xattr, .n_set = 1};
    BENCH_MUST(segue_write_with_xattrs(b->store, segue_str(key), 0, &w, NULL, NULL, &err));
}

static void in_store(const char *url, const char *name)
{
    char what[64];
    path_bench b = {.store = bench_open(url)};
    make_text(&b.text, 100 * 1024);
    put(&b, "large", segue_buf_slice(&b.text));
    put(&b, "small", segue_str("{}"));
    b.n_ops = bench_size(300);
    bench_pair pair = {.name = what, .n_ops = (double)b.n_ops, .n_rounds = 15};
    (void)snprintf(what, sizeof what, "read at a path, 100 KB, %s", name); /* it fits */
    pair.ours = "subdoc_get";
    pair.base = "get, jansson";
    bench_compare(&pair, read_path, read_all_and_parse, &b);
    (void)snprintf(what, sizeof what, "write at a path, 100 KB, %s", name); /* it fits */
    pair.ours = "subdoc_set";
    pair.base = "get, jansson twice, set";
    bench_compare(&pair, write_path, parse_change_and_print, &b);
    b.n_ops = bench_size(20000);
    pair.n_ops = (double)b.n_ops;
    (void)snprintf(what, sizeof what, "xattr at a path, %s", name); /* it fits */
    pair.ours = "beside 100 KB";
    pair.base = "beside {}";
    bench_compare(&pair, xattr_beside_large, xattr_beside_small, &b);
    segue_doc_free(&b.doc);
    segue_buf_free(&b.text);
    segue_close(b.store);
}

void bench_path(void)
{
    char url[300];
    in_store("mem:bench-path", "mem");
    (void)snprintf(url, sizeof url, "sqlite:%s/path?sync=off", bench_dir); /* it fits */
    in_store(url, "sqlite");
}
