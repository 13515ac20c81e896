/* L1: the real world, and where log lines go. */
#include "base/env.h"
#include "base/base.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    int failed = clock_gettime(id, &t);
    seg_assert(!failed);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t real_wall_ns(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_REALTIME);
}

static int64_t real_mono_ns(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_MONOTONIC);
}

static void real_sleep_ns(void *ctx, int64_t ns)
{
    (void)ctx;
    if (ns <= 0) return;
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    (void)nanosleep(&t, NULL); /* a signal may end it early: allowed */
}

static void real_random(void *ctx, void *out, size_t size)
{
    (void)ctx;
    char *at = out;
    while (size) {
        ssize_t n = getrandom(at, size, 0);
        seg_assert(n > 0 || errno == EINTR);
        if (n <= 0) continue;
        at += n;
        size -= (size_t)n;
    }
}

const segue_env *segue_env_default(void)
{
    static const segue_env real = {NULL, real_wall_ns, real_mono_ns, real_sleep_ns, real_random};
    return &real;
}

uint64_t seg_random_u64(const segue_env *env)
{
    uint64_t value = 0;
    while (value == 0) env->random(env->ctx, &value, sizeof value);
    return value;
}

/* ---- log ---- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static segue_log_fn log_fn;
static void *log_ctx;
static _Atomic int log_most = -1; /* the highest level that somebody listens to; -1 none */

void segue_set_log(segue_log_fn fn, void *ctx, segue_log_level level)
{
    pthread_mutex_lock(&log_lock);
    log_fn = fn;
    log_ctx = ctx;
    atomic_store_explicit(&log_most, fn ? (int)level : -1, memory_order_relaxed);
    pthread_mutex_unlock(&log_lock);
}

void seg_log(segue_log_level level, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&log_most, memory_order_relaxed)) return;
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0) return;
    pthread_mutex_lock(&log_lock);
    if (log_fn) log_fn(log_ctx, level, line);
    pthread_mutex_unlock(&log_lock);
}
