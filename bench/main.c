/* The program behind `make bench`: prints the table of docs/performance.md. */
#include "bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *bench_dir;
double bench_scale = 1;

double bench_now_s(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t)) abort();
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void bench_must(segue_status status, const segue_error *err, const char *what)
{
    if (status == SEGUE_OK) return;
    fprintf(stderr, "bench: %s: %s: %s\n", what, segue_status_name(status), err->message);
    exit(1);
}

size_t bench_size(size_t full)
{
    double size = (double)full * bench_scale;
    return size < 16 ? 16 : (size_t)size;
}

segue_store *bench_open(const char *url)
{
    segue_error err = {0};
    segue_store *store = NULL;
    BENCH_MUST(segue_open(url, NULL, &store, &err));
    return store;
}

segue_slice bench_key(size_t i, char out[16])
{
    int n = snprintf(out, 16, "k%08zu", i);
    return segue_bytes(out, (size_t)n);
}

void bench_fill(segue_store *store, size_t n)
{
    segue_error err = {0};
    for (size_t i = 0; i < n; i++) {
        char key[16], body[256];
        int size = snprintf(
            body, sizeof body,
            "{\"name\":\"user%zu\",\"email\":\"user%zu@example.com\",\"channels\":[\"a\",\"b\",\"c%zu\"],"
            "\"sequence\":%zu,\"hash\":\"$2a$10$abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLM\"}",
            i, i, i % 97, i * 3);
        segue_xattr xattr = {segue_str("_sync"), segue_str("{\"rev\":\"1-abc\"}")};
        segue_record rec = {.key = bench_key(i, key),
                            .body = segue_bytes(body, (size_t)size),
                            .xattrs = &xattr,
                            .n_xattrs = 1,
                            .cas = ((uint64_t)i + 1) << 16,
                            .revision = 1,
                            .is_json = true};
        uint64_t cas;
        BENCH_MUST(segue_put_record(store, &rec, 0, NULL, &cas, &err));
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static const char *duration(double seconds, char out[32])
{
    if (seconds < 1e-6) (void)snprintf(out, 32, "%.0f ns", seconds * 1e9);
    else if (seconds < 1e-3) (void)snprintf(out, 32, "%.2f us", seconds * 1e6);
    else (void)snprintf(out, 32, "%.2f ms", seconds * 1e3);
    return out;
}

void bench_compare(const bench_pair *pair, bench_fn ours, bench_fn base, void *ctx)
{
    enum { MOST = 64 };
    double ratio[MOST], our_s[MOST], base_s[MOST];
    int n = pair->n_rounds < MOST ? pair->n_rounds : MOST;
    for (int i = 0; i < n; i++) {
        if (i % 2 == 0) our_s[i] = ours(ctx); /* who goes first changes from round to round */
        base_s[i] = base(ctx);
        if (i % 2 == 1) our_s[i] = ours(ctx);
        ratio[i] = pair->rate ? base_s[i] / our_s[i] : our_s[i] / base_s[i];
    }
    qsort(ratio, (size_t)n, sizeof *ratio, by_value);
    qsort(our_s, (size_t)n, sizeof *our_s, by_value);
    qsort(base_s, (size_t)n, sizeof *base_s, by_value);
    char our_text[32], base_text[32];
    printf("| %s | %s | %s | **%.2f** (%.2f to %.2f) | %s | %s | %s |\n", pair->name, pair->ours, pair->base,
           ratio[n / 2], ratio[0], ratio[n - 1], duration(our_s[n / 2] / pair->n_ops, our_text),
           duration(base_s[n / 2] / pair->n_ops, base_text), pair->aim ? pair->aim : "");
    fflush(stdout);
}

/* What every durable write waits for: without it the rows on durable updates say little. */
static void show_disk(void)
{
    enum { N = 200, SIZE = 8192 };
    static char block[SIZE];
    double took[N];
    char path[300], text[3][32];
    (void)snprintf(path, sizeof path, "%s/disk", bench_dir);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) abort();
    for (int round = 0; round < 2; round++) /* at first the file grows; SQLite's log does not, most of the time */
        for (int i = 0; i < N; i++) {
            double start = bench_now_s();
            if (pwrite(fd, block, SIZE, (off_t)i * SIZE) != SIZE || fdatasync(fd)) abort();
            took[i] = bench_now_s() - start;
        }
    if (close(fd)) abort();
    qsort(took, N, sizeof *took, by_value);
    printf("\nThis disk: a write of 8 KiB and fdatasync take %s (one in ten less than %s, one in ten more than %s).\n",
           duration(took[N / 2], text[0]), duration(took[N / 10], text[1]), duration(took[N - N / 10], text[2]));
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--scale=", 8) == 0) bench_scale = strtod(argv[i] + 8, NULL);
        else if (strncmp(argv[i], "--only=", 7) == 0) only = argv[i] + 7;
        else {
            fprintf(stderr, "usage: segue-bench [--scale=FACTOR] [--only=dual|path|sqlite|counter|feed|sweep]\n");
            return 2;
        }
    }
    char dir[] = "segue-bench-XXXXXX"; /* beside the build, on a real disk: /tmp may be memory */
    if (!mkdtemp(dir)) {
        perror("segue-bench: cannot make a scratch directory");
        return 1;
    }
    bench_dir = dir;
    printf("| what | ours | against | ratio, median (lowest to highest) | ours, each | other, each | aim |\n"
           "|---|---|---|---|---|---|---|\n");
    if (!only || strcmp(only, "dual") == 0) bench_dual();
    if (!only || strcmp(only, "path") == 0) bench_path();
    if (!only || strcmp(only, "sqlite") == 0) bench_sqlite();
    if (!only || strcmp(only, "counter") == 0) bench_counter();
    if (!only || strcmp(only, "feed") == 0) bench_feed();
    if (!only || strcmp(only, "sweep") == 0) bench_sweep();
    show_disk();
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf ./%s", dir);
    return system(command) == 0 ? 0 : 1;
}
