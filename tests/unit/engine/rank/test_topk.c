/* engine/rank/topk.c: the selection against a full sort; risks: ties, infinities, NaN, k of 0 and past n. */
#include "engine/rank/topk.h"

#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_N = 600 };

static uint64_t rng_state;

static uint32_t next_random(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng_state >> 33);
}

static int by_rank(const void *a, const void *b)
{
    const struct topk_entry *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Offers the pairs in their order and compares with the first k of a sort of those that are not NaN. */
static void check_against_sort(const struct topk_entry *pairs, size_t n, size_t k)
{
    struct topk_entry *sorted = malloc((n + 1) * sizeof *sorted), *kept = malloc((k + 1) * sizeof *kept);
    struct topk t;
    size_t n_sorted = 0;
    ck_assert_ptr_nonnull(sorted);
    ck_assert_ptr_nonnull(kept);
    memset(&kept[k], 0x5A, sizeof kept[k]);
    topk_init(&t, kept, k);
    for (size_t i = 0; i < n; i++) {
        real threshold = topk_threshold(&t);
        size_t before = t.n;
        if (t.n < k)
            ck_assert(isinf(threshold) && threshold < 0);
        topk_push(&t, pairs[i].score, pairs[i].index);
        if (pairs[i].score < threshold)
            ck_assert_uint_eq(t.n, before);
        if (!isnan(pairs[i].score))
            sorted[n_sorted++] = pairs[i];
    }
    qsort(sorted, n_sorted, sizeof *sorted, by_rank);
    size_t got = topk_finish(&t), want = n_sorted < k ? n_sorted : k;
    ck_assert_uint_eq(got, want);
    for (size_t i = 0; i < want; i++) {
        ck_assert_uint_eq(kept[i].index, sorted[i].index);
        ck_assert(kept[i].score == sorted[i].score);
    }
    struct topk_entry guard;
    memset(&guard, 0x5A, sizeof guard);
    ck_assert_mem_eq(&kept[k], &guard, sizeof guard);
    free(sorted);
    free(kept);
}

START_TEST(equals_a_sort_with_many_ties)
{
    struct topk_entry pairs[MAX_N];
    rng_state = (uint64_t)_i + 1;
    size_t n = next_random() % MAX_N, n_values = 1 + next_random() % 20;
    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct topk_entry){.score = (real)(next_random() % n_values) - 3, .index = (uint32_t)i};
    for (size_t i = n; i > 1; i--) {
        size_t j = next_random() % i;
        struct topk_entry swap = pairs[i - 1];
        pairs[i - 1] = pairs[j];
        pairs[j] = swap;
    }
    const size_t ks[] = {0, 1, 2, 3, 10, n / 2, n, n + 1, 1000};
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
        check_against_sort(pairs, n, ks[i]);
}
END_TEST

START_TEST(ranks_infinities_and_never_keeps_nan)
{
    struct topk_entry pairs[] = {
        {NAN, 0},       {-INFINITY, 1}, {1, 2},    {INFINITY, 3}, {-NAN, 4},
        {-INFINITY, 5}, {0, 6},         {-0.0, 7}, {INFINITY, 8},
    };
    for (size_t k = 0; k <= 10; k++)
        check_against_sort(pairs, sizeof pairs / sizeof *pairs, k);
}
END_TEST

START_TEST(ties_prefer_the_smaller_index_in_any_order_of_arrival)
{
    struct topk_entry kept[2];
    const uint32_t orders[][3] = {{5, 7, 9}, {9, 7, 5}, {7, 9, 5}, {5, 9, 7}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct topk t;
        topk_init(&t, kept, 2);
        for (size_t j = 0; j < 3; j++)
            topk_push(&t, (real)1.5, orders[i][j]);
        ck_assert_uint_eq(topk_finish(&t), 2);
        ck_assert_uint_eq(kept[0].index, 5);
        ck_assert_uint_eq(kept[1].index, 7);
    }
}
END_TEST

START_TEST(the_threshold_rises_to_the_worst_kept_score)
{
    struct topk_entry kept[3];
    struct topk t;
    topk_init(&t, kept, 3);
    topk_push(&t, 1, 0);
    topk_push(&t, 2, 1);
    ck_assert(topk_threshold(&t) == -INFINITY);
    topk_push(&t, 3, 2);
    ck_assert(topk_threshold(&t) == 1);
    topk_push(&t, 5, 3);
    ck_assert(topk_threshold(&t) == 2);
    topk_init(&t, NULL, 0);
    ck_assert(topk_threshold(&t) == INFINITY);
    topk_push(&t, INFINITY, 1);
    ck_assert_uint_eq(topk_finish(&t), 0);
}
END_TEST

SUITE("engine/topk", NULL, NULL, {equals_a_sort_with_many_ties, 60}, {ranks_infinities_and_never_keeps_nan},
      {ties_prefer_the_smaller_index_in_any_order_of_arrival}, {the_threshold_rises_to_the_worst_kept_score})
