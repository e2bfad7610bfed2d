/* engine/train/search/input_order.c. Risks: a column that tells nothing before one that tells much, one that
 * repeats another before one that adds to it, a column that is named twice or never, and columns of several
 * places taken apart. */
#include "engine/train/search/input_order.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <math.h>

enum { N = 2000, D = 8 };

static real x[N * D];
static double y[N];
static uint32_t at[N];
static const struct search_rows rows = {N, D, at, x, y, NULL};
static struct err e;

/* The target is 2 x1 + x4 with little noise; x2 is x1 nearly; the others are noise, x6 the largest. */
static void set_up(void)
{
    struct rng r;
    rng_init(&r, 7, 1);
    for (size_t i = 0; i < N; i++) {
        real *row = x + i * D;
        at[i] = (uint32_t)i;
        for (size_t j = 0; j < D; j++)
            row[j] = (real)(rng_normal(&r) * (j == 6 ? 3 : 1));
        row[2] = row[1] + (real)(0.1 * rng_normal(&r));
        y[i] = 2 * (double)row[1] + (double)row[4] + 0.1 * rng_normal(&r);
    }
}

static struct model_spec about_of(struct column *list, size_t n, size_t n_classes)
{
    return (struct model_spec){
        .d_item = D,
        .d_output = n_classes ? n_classes : 1,
        .task = {.present = true, .n_classes = n_classes, .columns = {.n = n, .list = list}}};
}

static void check_each_is_named_once(const uint32_t *order, size_t n)
{
    unsigned seen = 0;
    for (size_t k = 0; k < n; k++)
        seen |= 1u << order[k];
    ck_assert_uint_eq(seen, (1u << n) - 1);
}

START_TEST(what_adds_most_comes_first_and_what_repeats_it_late)
{
    struct column list[D] = {{0}};
    struct model_spec about = about_of(list, D, 0);
    uint32_t order[D];
    ck_assert_int_eq(input_order_find(INPUT_ORDER_BY_TARGET, &about, &rows, order, &e), ERR_OK);
    ck_assert(order[0] == 1 || order[0] == 2);
    ck_assert_uint_eq(order[1], 4);
    check_each_is_named_once(order, D);
}
END_TEST

START_TEST(classes_are_told_as_numbers_are)
{
    struct column list[D] = {{0}};
    struct model_spec about = about_of(list, D, 2);
    uint32_t order[D];
    for (size_t i = 0; i < N; i++)
        y[i] = (double)x[i * D + 5] > 0.3;
    ck_assert_int_eq(input_order_find(INPUT_ORDER_BY_TARGET, &about, &rows, order, &e), ERR_OK);
    ck_assert_uint_eq(order[0], 5);
    check_each_is_named_once(order, D);
}
END_TEST

START_TEST(by_variance_the_target_says_nothing_and_what_repeats_comes_late)
{
    struct column list[D] = {{0}};
    struct model_spec about = about_of(list, D, 0);
    uint32_t order[D];
    ck_assert_int_eq(input_order_find(INPUT_ORDER_BY_VARIANCE, &about, &rows, order, &e), ERR_OK);
    ck_assert_uint_eq(order[0], 6);
    size_t one = 0, other = 0;
    for (size_t k = 0; k < D / 2; k++) {
        one += order[k] == 1;
        other += order[k] == 2;
    }
    ck_assert_uint_le(one + other, 1);
    check_each_is_named_once(order, D);
}
END_TEST

/* A category of three values and a number that may be absent, in front of the others. */
START_TEST(columns_of_several_places_stay_whole)
{
    struct column list[] = {{.kind = COLUMN_CATEGORY, .n_values = 3}, {.optional = true}, {0}, {0}, {0}};
    struct model_spec about = about_of(list, 5, 0);
    uint32_t order[5];
    ck_assert_uint_eq(columns_width(&about.task.columns), D);
    ck_assert_int_eq(input_order_find(INPUT_ORDER_BY_TARGET, &about, &rows, order, &e), ERR_OK);
    ck_assert_uint_eq(order[0], 0); /* x1 and x2 are places of it */
    ck_assert_uint_ne(order[1], 1); /* two places more than a half holds */
    check_each_is_named_once(order, 5);
}
END_TEST

SUITE("engine/train/search: order of inputs", set_up, NULL,
      {what_adds_most_comes_first_and_what_repeats_it_late}, {classes_are_told_as_numbers_are},
      {by_variance_the_target_says_nothing_and_what_repeats_comes_late},
      {columns_of_several_places_stay_whole})
