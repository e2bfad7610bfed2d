/* server/tasks/linear_fit.c: ridge and logistic regression. Risks: levels that are not what the ids as inputs
 * would be, an optimum of classes that is none, rows that are left out and yet fitted, one row alone. */
#include "server/tasks/linear_fit.h"

#include "base/rng.h"
#include "engine/kernels/small_solve.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 60, D = 3, TASKS = 5, WIDTH = 1 + D + TASKS, CLASSES = 3 };

static real x[N * D];
static double y[N];
static uint32_t task[N];
static struct linear_rows rows;
static struct linear_fit fit;
static struct err e;

static void set_up(void)
{
    static const double level[TASKS] = {3, -2, 0.5, 7, -4}, slope[D] = {1, -2, 0};
    struct rng r;
    rng_init(&r, 2, 1);
    e = (struct err){0};
    for (size_t i = 0; i < N; i++) {
        task[i] = (uint32_t)(i % TASKS);
        y[i] = level[task[i]] + 0.3 * rng_normal(&r);
        for (size_t j = 0; j < D; j++) {
            x[i * D + j] = (real)rng_normal(&r);
            y[i] += slope[j] * (double)x[i * D + j];
        }
    }
    rows = (struct linear_rows){.x = x, .y = y, .task = task, .n = N, .d = D, .n_tasks = TASKS};
}

static void use_classes(void)
{
    for (size_t i = 0; i < N; i++)
        y[i] = y[i] < -1 ? 0 : y[i] < 2 ? 1 : 2;
    rows.n_classes = CLASSES;
}

static void tear_down(void)
{
    linear_fit_fini(&fit);
}

static void make(void)
{
    ck_assert_msg(linear_fit_make(&rows, 1, &fit, &e) == ERR_OK, "%s", e.text);
}

/* A row as all its inputs: 1, x, and a 1 in the place of its task. */
static void spread_out(size_t i, double z[WIDTH])
{
    memset(z, 0, WIDTH * sizeof *z);
    z[0] = 1;
    for (size_t j = 0; j < D; j++)
        z[1 + j] = (double)x[i * D + j];
    z[1 + D + task[i]] = 1;
}

/* The whole system with the strength that was chosen, solved without elimination. */
START_TEST(levels_are_the_weights_of_ids_as_inputs)
{
    double a[WIDTH * (WIDTH + 1) / 2] = {0}, b[WIDTH] = {0}, z[WIDTH], value;
    make();
    for (size_t i = 0; i < N; i++) {
        spread_out(i, z);
        for (size_t j = 0; j < WIDTH; j++) {
            b[j] += y[i] * z[j];
            for (size_t k = 0; k <= j; k++)
                a[j * (j + 1) / 2 + k] += z[j] * z[k];
        }
    }
    for (size_t j = 0; j < WIDTH; j++)
        a[j * (j + 1) / 2 + j] += j ? fit.strength : 1e-6;
    ck_assert(small_factor(WIDTH, a));
    small_forward(WIDTH, a, b);
    small_backward(WIDTH, a, b);
    for (size_t i = 0; i < N; i++) {
        double expected = 0;
        spread_out(i, z);
        for (size_t j = 0; j < WIDTH; j++)
            expected += b[j] * z[j];
        linear_fit_predict(&fit, x + i * D, task[i], &value);
        ck_assert_double_eq_tol(value, expected, 1e-7);
    }
}
END_TEST

START_TEST(the_error_is_that_of_rows_that_were_left_out)
{
    make();
    ck_assert_uint_eq(fit.n_errors, N);
    ck_assert_double_gt(fit.error, 0.05); /* of a variance of 0.09 */
    ck_assert_double_lt(fit.error, 0.2);
    double with_levels = fit.error;
    linear_fit_fini(&fit);
    rows.n_tasks = 0;
    rows.task = NULL;
    make();
    ck_assert_double_gt(fit.error, 20 * with_levels); /* levels of variance 15 are noise then */
    for (size_t i = 0; i < N; i++) /* what cannot be known of a row is not known of one that is left out */
        y[i] = i % 2 ? 1 : -1;
    for (size_t i = 0; i < N * D; i++)
        x[i] = (real)(i % D == 0 ? (i / D * 7919) % 31 : 0);
    linear_fit_fini(&fit);
    make();
    ck_assert_double_gt(fit.error, 0.9);
}
END_TEST

/* Where the penalised likelihood is greatest its slope is zero. */
START_TEST(weights_of_classes_are_those_of_the_greatest_likelihood)
{
    double slope[CLASSES][WIDTH] = {{0}}, f[CLASSES], z[WIDTH];
    use_classes();
    make();
    size_t n_right = 0;
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        linear_fit_predict(&fit, x + i * D, task[i], f);
        size_t best = f[1] > f[0] ? 1 : 0;
        n_right += (double)(f[2] > f[best] ? 2 : best) == y[i];
        for (size_t k = 0; k < CLASSES; k++)
            sum += exp(f[k]);
        spread_out(i, z);
        for (size_t k = 0; k < CLASSES; k++)
            for (size_t j = 0; j < WIDTH; j++)
                slope[k][j] += ((double)((double)k == y[i]) - exp(f[k]) / sum) * z[j];
    }
    ck_assert_uint_gt(n_right, N * 8 / 10);
    for (size_t k = 0; k < CLASSES; k++)
        for (size_t j = 0; j < WIDTH; j++) {
            double weight = j <= D ? fit.weights[k * (1 + D) + j] : fit.levels[k * TASKS + j - 1 - D];
            ck_assert_double_eq_tol(slope[k][j] - (j ? fit.strength : 0.1) * weight, 0, 0.5);
        }
    ck_assert_double_gt(fit.error, 0);
    ck_assert_double_lt(fit.error, log(CLASSES));
}
END_TEST

START_TEST(a_task_that_it_does_not_know_has_no_level)
{
    double known, unknown;
    make();
    linear_fit_predict(&fit, x, 3, &known);
    linear_fit_predict(&fit, x, TASKS, &unknown);
    ck_assert_double_eq_tol(known - unknown, fit.levels[3], 1e-12);
    linear_fit_predict(&fit, x, UINT32_MAX, &unknown);
    ck_assert(isfinite(unknown));
}
END_TEST

START_TEST(one_row_is_answered_by_its_target_and_one_class_by_itself)
{
    double value[CLASSES];
    rows.n = 1;
    rows.n_tasks = 0;
    rows.task = NULL;
    make();
    ck_assert_uint_eq(fit.n_errors, 0);
    linear_fit_predict(&fit, x, 0, value);
    ck_assert_double_eq_tol(value[0], y[0], 1e-3);
    linear_fit_fini(&fit);
    rows.n = 4;
    rows.n_classes = CLASSES;
    y[0] = y[1] = y[2] = y[3] = 2;
    make();
    linear_fit_predict(&fit, x, 0, value);
    ck_assert(value[2] > value[0] && value[2] > value[1] && isfinite(value[2]));
}
END_TEST

SUITE("server/tasks: linear_fit", set_up, tear_down, {levels_are_the_weights_of_ids_as_inputs},
      {the_error_is_that_of_rows_that_were_left_out},
      {weights_of_classes_are_those_of_the_greatest_likelihood}, {a_task_that_it_does_not_know_has_no_level},
      {one_row_is_answered_by_its_target_and_one_class_by_itself})
