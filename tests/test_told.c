/* The keys that a verification has told of: each is there once with what was said of it, whatever else is there, and they take
 * the memory that was promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/base.h"
#include "migrate/told.h"
#include "records.h"
#include "support/memory.h"

static segue_slice name_of(char out[32], unsigned i)
{
    return segue_bytes(out, (size_t)snprintf(out, 32, "key:%u", i)); /* fits */
}

static seg_told_state state_for(unsigned i) { return (seg_told_state)(SEG_TOLD_OPEN + i % 3); }

static void each_key_keeps_what_was_said_of_it(void **state)
{
    (void)state;
    enum { N = 3000 };
    seg_told told = {0};
    char name[32];
    for (unsigned i = 0; i < N; i++) {
        seg_told_state *said = seg_told_find(&told, name_of(name, i));
        assert_non_null(said);
        ASSERT_U64(SEG_TOLD_NOT, *said);
        *said = state_for(i);
        ASSERT_U64(i + 1, told.n);
    }
    for (unsigned i = 0; i < N; i++) ASSERT_U64(state_for(i), *seg_told_find(&told, name_of(name, i)));
    ASSERT_U64(N, told.n); /* looking adds nothing */
    seg_told_free(&told);
    assert_null(told.slots);
    ASSERT_U64(0, told.n + told.capacity);
}

static void it_takes_48_to_96_bytes_for_each(void **state)
{
    (void)state;
    seg_told told = {0};
    char name[32];
    for (unsigned i = 0; i < 700; i++) {
        assert_non_null(seg_told_find(&told, name_of(name, i)));
        size_t bytes = told.capacity * sizeof *told.slots, n = i + 1;
        if (bytes < 48 * n || (n >= 32 && bytes > 96 * n)) fail_msg("%zu bytes for %zu keys", bytes, n);
    }
    seg_told_free(&told);
}

static seg_digest digest_of(segue_slice key)
{
    segue_record only_key = {.key = key, .is_tombstone = true};
    return seg_record_digest(&only_key);
}

/* A set of 64 places, of which some are taken by digests that no key has been found for. */
static seg_told set_of(const seg_told_key *taken, const size_t *at, size_t n)
{
    seg_told told = {.n = n, .capacity = 64};
    told.slots = seg_alloc_zero(told.capacity * sizeof *told.slots);
    assert_non_null(told.slots);
    for (size_t i = 0; i < n; i++) told.slots[at[i] & 63] = taken[i];
    return told;
}

static void half_a_digest_in_common_is_not_the_same_key(void **state)
{
    (void)state;
    seg_digest d = digest_of(segue_str("k"));
    const seg_told_key taken[] = {
        {{d.low, d.high + 1}, SEG_TOLD_OPEN}, {{d.low + 64, d.high}, SEG_TOLD_REPAIRED}, {d, SEG_TOLD_FORGOTTEN}};
    const size_t at[] = {(size_t)d.low, (size_t)d.low + 1, (size_t)d.low + 2};
    seg_told told = set_of(taken, at, 3);
    ASSERT_U64(SEG_TOLD_FORGOTTEN, *seg_told_find(&told, segue_str("k")));
    ASSERT_U64(3, told.n);
    seg_told_free(&told);
}

/* Half of the digest is nothing but zeros; and the last place is followed by the first. */
static void a_place_is_free_only_if_all_of_it_is(void **state)
{
    (void)state;
    char name[32];
    unsigned i = 0;
    while ((digest_of(name_of(name, i)).low & 63) != 63) i++;
    const seg_told_key taken[] = {{{0, 5}, SEG_TOLD_OPEN}, {{64, 0}, SEG_TOLD_REPAIRED}};
    const size_t at[] = {63, 64};
    seg_told told = set_of(taken, at, 2);
    seg_told_state *said = seg_told_find(&told, name_of(name, i));
    ASSERT_U64(SEG_TOLD_NOT, *said);
    assert_ptr_equal(said, &told.slots[1].state);
    ASSERT_U64(5, told.slots[63].key.high);
    ASSERT_U64(64, told.slots[0].key.low);
    ASSERT_U64(3, told.n);
    seg_told_free(&told);
}

static segue_status tell_many(void *ctx)
{
    (void)ctx;
    seg_told told = {0};
    char name[32];
    segue_status st = SEGUE_OK;
    for (unsigned i = 0; i < 200 && st == SEGUE_OK; i++) {
        seg_told_state *said = seg_told_find(&told, name_of(name, i));
        if (said) *said = state_for(i);
        else st = SEGUE_NO_MEMORY;
    }
    size_t n = told.n;
    for (unsigned i = 0; i < n && n < told.capacity / 2; i++) /* the rest is still known */
        if (*seg_told_find(&told, name_of(name, i)) != state_for(i)) st = SEGUE_CORRUPT;
    seg_told_free(&told);
    return st;
}

static void without_memory_it_says_so_and_keeps_what_it_has(void **state)
{
    (void)state;
    test_fail_every_allocation(tell_many, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_keeps_what_was_said_of_it),
        cmocka_unit_test(it_takes_48_to_96_bytes_for_each),
        cmocka_unit_test(half_a_digest_in_common_is_not_the_same_key),
        cmocka_unit_test(a_place_is_free_only_if_all_of_it_is),
        cmocka_unit_test(without_memory_it_says_so_and_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
