/* src/doc/clock.c: the CAS clock. A wall clock that is told what to say, and many threads at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "doc/clock.h"

#define N(array) (sizeof(array) / sizeof *(array))

static int64_t told(void *ctx) { return *(int64_t *)ctx; }

static segue_env env_at(int64_t *wall)
{
    segue_env env = *segue_env_default();
    env.ctx = wall;
    env.wall_ns = told;
    return env;
}

static void is_cas(uint64_t got, uint64_t expected)
{
    if (got != expected) fail_msg("0x%llx, expected 0x%llx", (unsigned long long)got, (unsigned long long)expected);
}

static void it_follows_the_wall_clock_and_never_goes_back(void **state)
{
    (void)state;
    static const struct {
        int64_t wall;
        uint64_t cas;
    } rows[] = {
        {1000000, 0xF0000}, {1000000, 0xF0001},  {0, 0xF0002},        {1000000, 0xF0003},
        {1, 0xF0004},       {2000000, 0x1E0000}, {2000000, 0x1E0001}, {4000000, 0x3D0000},
    };
    int64_t wall = 0;
    segue_env env = env_at(&wall);
    seg_clock clock = {0};
    for (size_t i = 0; i < N(rows); i++) {
        wall = rows[i].wall;
        is_cas(seg_clock_next(&clock, &env, 0), rows[i].cas);
    }
}

static void it_is_above_the_floor_and_above_what_it_was_raised_to(void **state)
{
    (void)state;
    int64_t wall = 1000000;
    segue_env env = env_at(&wall);
    seg_clock clock = {0};
    is_cas(seg_clock_next(&clock, &env, 0x10), 0xF0000); /* a floor below changes nothing */
    is_cas(seg_clock_next(&clock, &env, 0xF0000), 0xF0001);
    is_cas(seg_clock_next(&clock, &env, 0x200000), 0x200001);
    is_cas(seg_clock_next(&clock, &env, 0), 0x200002); /* and stays above it */
    seg_clock_raise(&clock, 0x300000);
    is_cas(seg_clock_next(&clock, &env, 0), 0x300001);
    seg_clock_raise(&clock, 0x10); /* down is nowhere */
    is_cas(seg_clock_next(&clock, &env, 0), 0x300002);
    wall = 0x400000;
    is_cas(seg_clock_next(&clock, &env, 0), 0x400000);
}

static void the_counter_may_run_over_into_the_time(void **state)
{
    (void)state;
    int64_t wall = 0x10000;
    segue_env env = env_at(&wall);
    seg_clock clock = {0};
    is_cas(seg_clock_next(&clock, &env, 0), 0x10000);
    for (uint64_t i = 1; i <= 0x10000; i++) is_cas(seg_clock_next(&clock, &env, 0), 0x10000 + i);
    wall = 0x20000; /* the time was given already */
    is_cas(seg_clock_next(&clock, &env, 0), 0x20001);
}

static void odd_times_give_no_odd_values(void **state)
{
    (void)state;
    int64_t wall = -1000000;
    segue_env env = env_at(&wall);
    seg_clock clock = {0};
    is_cas(seg_clock_next(&clock, &env, 0), 1); /* never 0: that is no CAS */
    wall = INT64_MIN;
    is_cas(seg_clock_next(&clock, &env, 0), 2);
    wall = INT64_MAX;
    is_cas(seg_clock_next(&clock, &env, 0), UINT64_C(0x7FFFFFFFFFFF0000)); /* bit 63 is clear */
}

/* ---- threads ---- */

enum { THREADS = 4, EACH = 20000 };
static seg_clock shared;
static uint64_t given[THREADS][EACH];

static void *take(void *arg)
{
    uint64_t *out = arg;
    for (size_t i = 0; i < EACH; i++) {
        if (i % 64 == 0) seg_clock_raise(&shared, i ? out[i - 1] + 5 : 0);
        out[i] = seg_clock_next(&shared, segue_env_default(), i % 16 == 1 ? out[i - 1] + 3 : 0);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void threads_never_get_the_same_and_each_sees_it_grow(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, take, given[i]), 0);
    for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t j = 1; j < EACH; j++) {
            uint64_t least = given[i][j - 1] + (j % 64 == 0 ? 5 : j % 16 == 1 ? 3 : 0);
            if (given[i][j] <= least) fail_msg("thread %zu: value %zu is not above what came before", i, j);
        }
    uint64_t *all = &given[0][0];
    qsort(all, (size_t)THREADS * EACH, sizeof *all, by_value);
    for (size_t i = 1; i < (size_t)THREADS * EACH; i++)
        if (all[i] == all[i - 1]) fail_msg("0x%llx was given twice", (unsigned long long)all[i]);
    assert_true(all[(size_t)THREADS * EACH - 1] >> 63 == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_the_wall_clock_and_never_goes_back),
        cmocka_unit_test(it_is_above_the_floor_and_above_what_it_was_raised_to),
        cmocka_unit_test(the_counter_may_run_over_into_the_time),
        cmocka_unit_test(odd_times_give_no_odd_values),
        cmocka_unit_test(threads_never_get_the_same_and_each_sees_it_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
