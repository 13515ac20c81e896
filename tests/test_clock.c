/* The CAS clock: the vectors of a hybrid logical clock, floors and raises, clocks that step back, and threads. */
#include "records.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "doc/clock.h"

static int64_t wall;

static int64_t given_wall_ns(void *ctx)
{
    (void)ctx;
    return wall;
}

static segue_env env_with_given_wall(void)
{
    segue_env env = *segue_env_default();
    env.wall_ns = given_wall_ns;
    return env;
}

static uint64_t next_at(seg_clock *clock, int64_t at, uint64_t floor)
{
    segue_env env = env_with_given_wall();
    wall = at;
    return seg_clock_next(clock, &env, floor);
}

static void it_gives_the_values_of_a_hybrid_logical_clock(void **state)
{
    (void)state;
    static const struct {
        int64_t wall;
        uint64_t next;
    } rows[] = {{1000000, 0xF0000}, {1000000, 0xF0001},  {0, 0xF0002},        {1000000, 0xF0003},
                {1, 0xF0004},       {2000000, 0x1E0000}, {2000000, 0x1E0001}, {4000000, 0x3D0000}};
    seg_clock clock = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t next = next_at(&clock, rows[i].wall, 0);
        if (next != rows[i].next)
            fail_msg("value %zu, at %lld ns, is 0x%llx, expected 0x%llx", i, (long long)rows[i].wall,
                     (unsigned long long)next, (unsigned long long)rows[i].next);
    }
}

static void a_value_is_greater_than_the_floor(void **state)
{
    (void)state;
    seg_clock clock = {0};
    ASSERT_U64(0x500001, next_at(&clock, 1000000, 0x500000));
    /* A floor above the wall clock stays in force, one below it changes nothing. */
    ASSERT_U64(0x500002, next_at(&clock, 1000000, 0));
    ASSERT_U64(0x500003, next_at(&clock, 1000000, 0x400000));
    ASSERT_U64(0x3B9A0000, next_at(&clock, 1000000000, 0x500000));
}

static void a_raise_gives_no_value_and_holds_from_then_on(void **state)
{
    (void)state;
    seg_clock clock = {0};
    seg_clock_raise(&clock, 0x900000);
    seg_clock_raise(&clock, 0x800000); /* never down */
    ASSERT_U64(0x900001, next_at(&clock, 1000000, 0));
    seg_clock_raise(&clock, 0x900001);
    ASSERT_U64(0x900002, next_at(&clock, 1000000, 0));
}

/* Somebody else is faster, between the look at the clock and the value. */
static int64_t wall_ns_during_a_raise(void *ctx)
{
    seg_clock *clock = ctx;
    seg_clock_raise(clock, atomic_load(&clock->highest) + 0x900000);
    return 1000000;
}

static void a_raise_meanwhile_holds_too(void **state)
{
    (void)state;
    seg_clock clock = {0};
    segue_env env = *segue_env_default();
    env.ctx = &clock;
    env.wall_ns = wall_ns_during_a_raise;
    ASSERT_U64(0x900001, seg_clock_next(&clock, &env, 0));
    ASSERT_U64(0x1200002, seg_clock_next(&clock, &env, 0));
    ASSERT_U64(0x2000001, seg_clock_next(&clock, &env, 0x2000000));
    ASSERT_U64(0x2000002, next_at(&clock, 1000000, 0));
}

static void the_counter_runs_over_into_the_time(void **state)
{
    (void)state;
    seg_clock clock = {0};
    ASSERT_U64(0xF0000, next_at(&clock, 1000000, 0));
    seg_clock_raise(&clock, 0xFFFFF);
    ASSERT_U64(0x100000, next_at(&clock, 1000000, 0));
    ASSERT_U64(0x100001, next_at(&clock, 0x100000, 0)); /* the time is there, the value was given */
    ASSERT_U64(0x110000, next_at(&clock, 0x11FFFF, 0));
}

static void it_is_never_0_and_bit_63_stays_clear(void **state)
{
    (void)state;
    static const int64_t walls[] = {0, 1, -1, INT64_MIN, INT64_MAX, INT64_C(1795392000123456789)};
    for (size_t i = 0; i < COUNT(walls); i++) {
        seg_clock clock = {0};
        uint64_t next = next_at(&clock, walls[i], 0);
        if (next == 0 || next >> 63) fail_msg("at %lld ns: 0x%llx", (long long)walls[i], (unsigned long long)next);
    }
    seg_clock clock = {0};
    ASSERT_U64(1, next_at(&clock, -5, 0));
    ASSERT_U64(2, next_at(&clock, 0, 0));
}

static void a_cas_that_leaves_no_room_behind_it_cannot_be_kept(void **state)
{
    (void)state;
    assert_false(seg_cas_can_be_kept(0));
    assert_true(seg_cas_can_be_kept(1));
    assert_true(seg_cas_can_be_kept(SEG_CAS_END - 1));
    assert_false(seg_cas_can_be_kept(SEG_CAS_END));
    assert_false(seg_cas_can_be_kept(UINT64_MAX));
}

enum { THREADS = 4, EACH = 30000 };

static seg_clock shared;
static atomic_bool was_lost;
static uint64_t given[THREADS][EACH];
static pthread_barrier_t start;

/* Each with its line of `given`, in which its number stands first. */
static void run_threads(void *(*work)(void *ctx))
{
    pthread_t threads[THREADS];
    atomic_store(&shared.highest, 0);
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++) {
        given[i][0] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, given[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    (void)pthread_barrier_destroy(&start);
}

/* The time stands still, so that every value is one more than the last one that anybody was given. */
static void *take_values(void *ctx)
{
    uint64_t *mine = ctx;
    segue_env env = env_with_given_wall();
    (void)pthread_barrier_wait(&start); /* all at once */
    for (size_t i = 0; i < EACH; i++) mine[i] = seg_clock_next(&shared, &env, 0);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void threads_never_get_the_same_value_and_each_sees_it_grow(void **state)
{
    (void)state;
    wall = 1000000;
    run_threads(take_values);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t j = 1; j < EACH; j++)
            if (given[i][j] <= given[i][j - 1]) fail_msg("thread %zu: value %zu did not grow", i, j);
    static uint64_t all[THREADS * EACH];
    memcpy(all, given, sizeof given);
    qsort(all, THREADS * EACH, sizeof all[0], by_value);
    for (size_t i = 1; i < THREADS * EACH; i++)
        if (all[i] == all[i - 1]) fail_msg("0x%llx was given twice", (unsigned long long)all[i]);
    ASSERT_U64(0xF0000, all[0]);
    ASSERT_U64(0xF0000 + THREADS * EACH - 1, all[THREADS * EACH - 1]); /* and none is left out */
}

/* Each raises to every THREADSth value, so that a raise is met by others that are higher and lower. */
static void *raise_values(void *ctx)
{
    uint64_t mine = *(const uint64_t *)ctx;
    (void)pthread_barrier_wait(&start);
    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t value = i * THREADS + mine;
        seg_clock_raise(&shared, value);
        if (atomic_load(&shared.highest) < value) atomic_store(&was_lost, true);
    }
    return NULL;
}

static void no_raise_is_lost_among_threads(void **state)
{
    (void)state;
    run_threads(raise_values);
    assert_false(atomic_load(&was_lost));
    ASSERT_U64((uint64_t)THREADS * EACH - 1, atomic_load(&shared.highest));
}

/* A signal comes between any two instructions, so also between the look at the clock and the raise. */
static atomic_uint n_signals;
static void raise_in_a_signal(int number)
{
    (void)number;
    atomic_fetch_add(&n_signals, 1);
    seg_clock_raise(&shared, atomic_load(&shared.highest) + 1);
}

static void a_raise_that_is_met_is_made_again(void **state)
{
    (void)state;
    enum { SIGNALS = 3000, MOST = 100000000 };
    struct sigaction old, act = {.sa_handler = raise_in_a_signal, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 20}, {0, 20}}, never = {{0, 0}, {0, 0}};
    atomic_store(&shared.highest, 0);
    assert_int_equal(sigaction(SIGALRM, &act, &old), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    bool is_lost = false;
    for (long i = 0; i < MOST && atomic_load(&n_signals) < SIGNALS && !is_lost; i++) {
        uint64_t value = atomic_load(&shared.highest) + 2;
        seg_clock_raise(&shared, value);
        is_lost = atomic_load(&shared.highest) < value;
    }
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
    assert_false(is_lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_the_values_of_a_hybrid_logical_clock),
        cmocka_unit_test(a_value_is_greater_than_the_floor),
        cmocka_unit_test(a_raise_gives_no_value_and_holds_from_then_on),
        cmocka_unit_test(a_raise_meanwhile_holds_too),
        cmocka_unit_test(the_counter_runs_over_into_the_time),
        cmocka_unit_test(it_is_never_0_and_bit_63_stays_clear),
        cmocka_unit_test(a_cas_that_leaves_no_room_behind_it_cannot_be_kept),
        cmocka_unit_test(threads_never_get_the_same_value_and_each_sees_it_grow),
        cmocka_unit_test(no_raise_is_lost_among_threads),
        cmocka_unit_test(a_raise_that_is_met_is_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
