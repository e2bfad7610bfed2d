/* server/tasks/task_draws.c: what rows may turn out to be. Risks: draws that are spread as the layer says
 * where the interval beside them is that of the errors in validation, draws of rows that have nothing in
 * common, a row beyond its inputs that is drawn as one within. */
#include "server/tasks/task_draws.h"

#include "engine/kernels/small_solve.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

enum { M = 2, ROWS = 3, DRAWS = 20000 };

static struct model_spec spec;
static struct model_params params;
static real scales[2], table[TASK_KNOWN_BUCKETS * TASK_QUANTILES], f0[ROWS] = {1, -2, 0.5};
static real phi[ROWS * M] = {1, 0.5F, 1.1F, 0.5F, -0.2F, 3};
static double weights[M] = {0.7, -0.3}, factor[3] = {1.5, 0.2, 2}, value[ROWS], spread[ROWS], freedom[ROWS],
              own[ROWS], beyond[ROWS];
static size_t n_known[ROWS];
static struct task_layer layer;
static struct task_solver solver;
static struct task_answers answers;
static struct task_draws draws;

static void set_up(void)
{
    spec = (struct model_spec){.d_output = 1, .task = {.present = true, .d_basis = M, .target_deviation = 1}};
    scales[0] = (real)log(0.3);
    params = (struct model_params){.task_scales = scales};
    layer = (struct task_layer){.shape = 4, .scale = 0.8, .weights = weights, .factor = factor};
    solver = (struct task_solver){.spec = &spec, .params = &params, .f = f0, .phi = phi};
    double work[M];
    task_layer_predict(&spec, &params, &layer, f0, phi, ROWS, work, value, spread, own);
    for (size_t i = 0; i < ROWS; i++) {
        spread[i] = sqrt(spread[i]);
        freedom[i] = 2 * layer.shape;
        beyond[i] = 0;
        n_known[i] = 6;
    }
    answers = (struct task_answers){.spec = &spec,
                                    .n = ROWS,
                                    .value = value,
                                    .spread = spread,
                                    .freedom = freedom,
                                    .n_known = n_known,
                                    .own = own,
                                    .beyond = beyond};
    draws = (struct task_draws){0};
}

static void tear_down(void)
{
    task_draws_fini(&draws);
}

/* Errors that are skewed, and on the mean above the prediction. */
static void use_errors(void)
{
    for (size_t i = 0; i < TASK_KNOWN_BUCKETS * TASK_QUANTILES; i++) {
        double p = task_quantile_at[i % TASK_QUANTILES];
        table[i] = (real)(exp(0.8 * task_normal_quantile(p)) - 0.6);
    }
    params.task_calibration = table;
    answers.quantiles = table;
}

static void draw(uint64_t seed)
{
    ck_assert_int_eq(task_draws_start(&draws, &spec, &params, &layer, n_known[0], DRAWS, ROWS, seed, NULL),
                     ERR_OK);
    task_draws_rows(&draws, &solver, &answers, ROWS, 0);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The shares of draws below the two bounds of intervals are those that the bounds are for. */
static void check_intervals(void)
{
    const double probabilities[] = {0.1, 0.3, 0.5, 0.8, 0.9, 0.97};
    for (size_t row = 0; row < ROWS; row++) {
        double *sorted = draws.values + row * DRAWS;
        qsort(sorted, DRAWS, sizeof *sorted, by_size);
        for (size_t k = 0; k < 6; k++) {
            struct task_bounds z = task_answers_bounds(&answers, row, probabilities[k]);
            double bounds[2] = {z.below, z.above};
            for (int side = 0; side < 2; side++) {
                double at = value[row] + bounds[side] * task_answers_scale(&answers, row),
                       expected = (1 + (side ? 1 : -1) * probabilities[k]) / 2;
                size_t below = 0;
                while (below < DRAWS && sorted[below] < at)
                    below++;
                ck_assert_msg(fabs((double)below / DRAWS - expected) < 0.012,
                              "row %zu: %g of the draws, not %g", row, (double)below / DRAWS, expected);
            }
        }
    }
}

START_TEST(quantiles_of_draws_are_the_bounds_of_intervals)
{
    draw(1);
    check_intervals();
}
END_TEST

START_TEST(quantiles_of_draws_are_the_bounds_of_intervals_from_errors_in_validation)
{
    use_errors();
    draw(1);
    check_intervals();
}
END_TEST

START_TEST(draws_of_a_row_beyond_its_inputs_are_as_wide_as_its_interval)
{
    use_errors();
    for (size_t i = 0; i < ROWS; i++)
        beyond[i] = (double)i;
    draw(2);
    check_intervals();
}
END_TEST

START_TEST(rows_that_are_alike_are_drawn_alike)
{
    double mean[ROWS] = {0}, products[ROWS] = {0}, squares[ROWS] = {0};
    use_errors();
    draw(3);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < DRAWS; i++)
            mean[row] += draws.values[row * DRAWS + i] / DRAWS;
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < DRAWS; i++) {
            double first = draws.values[i] - mean[0], here = draws.values[row * DRAWS + i] - mean[row];
            products[row] += first * here;
            squares[row] += here * here;
        }
    ck_assert_double_gt(products[1] / sqrt(squares[0] * squares[1]), 0.4);
    ck_assert_double_gt(products[1] / sqrt(squares[0] * squares[1]),
                        products[2] / sqrt(squares[0] * squares[2]));
}
END_TEST

/* Of the negative binomial that is said of each row. */
START_TEST(draws_of_counts_have_the_mean_the_deviation_and_the_bounds_that_are_answered)
{
    spec.task.scale = SCALE_COUNT;
    layer.shape = TASK_COUNT_SHAPE;
    layer.scale = 1;
    answers.shrink = -0.5;
    double work[M];
    task_layer_predict(&spec, &params, &layer, f0, phi, ROWS, work, value, spread, own);
    for (size_t i = 0; i < ROWS; i++) {
        spread[i] = sqrt(spread[i]);
        own[i] = sqrt(own[i]);
        freedom[i] = 2 * layer.shape;
    }
    draw(4);
    for (size_t row = 0; row < ROWS; row++) {
        double mean = 0, squares = 0, inside = 0, low, high, deviation, epistemic;
        struct task_bounds one = task_answers_bounds(&answers, row, TASK_ONE_DEVIATION);
        task_answers_interval(&answers, row, 0.9, false, &low, &high);
        task_answers_deviations(&answers, row, one, false, &deviation, &epistemic);
        for (size_t i = 0; i < DRAWS; i++) {
            double y = draws.values[row * DRAWS + i];
            ck_assert(y >= 0 && y == floor(y));
            mean += y / DRAWS;
            squares += y * y / DRAWS;
            inside += low <= y && y <= high;
        }
        double expected = task_answers_value(&answers, row, false);
        ck_assert_double_eq_tol(mean, expected, 5 * deviation / sqrt(DRAWS));
        ck_assert_double_eq_tol(sqrt(squares - mean * mean), deviation, 0.1 * deviation);
        ck_assert_double_ge(inside / DRAWS, 0.9 - 0.01); /* whole numbers: never fewer */
        ck_assert_double_lt(epistemic, deviation);
    }
}
END_TEST

SUITE("server: task_draws", set_up, tear_down, {quantiles_of_draws_are_the_bounds_of_intervals},
      {quantiles_of_draws_are_the_bounds_of_intervals_from_errors_in_validation},
      {draws_of_a_row_beyond_its_inputs_are_as_wide_as_its_interval}, {rows_that_are_alike_are_drawn_alike},
      {draws_of_counts_have_the_mean_the_deviation_and_the_bounds_that_are_answered})
