/* Benchmarks: two ways to do the same work, run in turns in one process, compared as a ratio. Machines are noisy; a ratio of
 * neighbours in time is not. Nothing here is a test: a number is reported, never required. */
#ifndef BENCH_H
#define BENCH_H

#include <segue/dual.h>
#include <segue/ops.h>
#include <stdio.h>

/* Does its work and returns the seconds it took; what it sets up is not counted. */
typedef double (*bench_fn)(void *ctx);

typedef struct bench_pair {
    const char *name; /* what is compared */
    const char *ours;
    const char *base;
    const char *aim; /* "at most 1.15", for the table; NULL none */
    bool rate;       /* report base time / our time (how many times as many) instead of our time / base time */
    double n_ops;    /* operations in one call of each function */
    int n_rounds;    /* pairs of runs */
} bench_pair;

/* Run both in turns, print a row of the table: median ratio, lowest and highest, time per operation of both. */
void bench_compare(const bench_pair *pair, bench_fn ours, bench_fn base, void *ctx);

double bench_now_s(void);
/* Stop with a sentence: a benchmark whose setup failed has no number. */
void bench_must(segue_status status, const segue_error *err, const char *what);
#define BENCH_MUST(call) bench_must((call), &err, #call)

/* The scratch directory of this run, removed at its end. */
extern const char *bench_dir;
/* 1 by default; smaller for a quick look. Sizes are multiplied with it. */
extern double bench_scale;
size_t bench_size(size_t full);

segue_store *bench_open(const char *url);
/* n documents k00000000.. of about 200 bytes JSON, with one system xattr each. */
void bench_fill(segue_store *store, size_t n);
segue_slice bench_key(size_t i, char out[16]);

void bench_counter(void);
void bench_dual(void);
void bench_path(void);
void bench_feed(void);
void bench_sqlite(void);
void bench_sweep(void);

#endif
