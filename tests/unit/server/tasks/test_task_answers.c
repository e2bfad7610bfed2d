/* server/tasks/task_answers.c: the interval about a prediction, and what parts its width has. Risks:
 * errors in validation that all lie on one side, a value that is lowered out of its interval, a row beyond
 * what its inputs can say that is answered as one within. */
#include "server/tasks/task_answers.h"

#include "engine/network/task_quantiles.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>

enum { N = 4 };

static struct model_spec spec;
static struct task_answers a;
static double value[N] = {-0.5, 0, 0.1, 2}, spread[N] = {1, 0.3, 1e-3, 2}, own[N] = {0.6, 0, 1e-3, 1.5};
static double freedom[N] = {2, 5, 30, 4}, beyond[N];
static size_t n_known[N];
static real table[TASK_KNOWN_BUCKETS * TASK_QUANTILES];

static void set_up(void)
{
    spec = (struct model_spec){
        .d_output = 1,
        .task = {
            .present = true, .target_mean = 1, .target_deviation = 3, .target_least = 0.5, .target_most = 4}};
    a = (struct task_answers){.spec = &spec,
                              .n = N,
                              .value = value,
                              .spread = spread,
                              .freedom = freedom,
                              .n_known = n_known,
                              .own = own,
                              .beyond = beyond};
    for (size_t i = 0; i < N; i++)
        beyond[i] = 0;
}

static void tear_down(void)
{
}

/* Of each probability, of each row, cut and not. */
static void check_inside(void)
{
    const double probabilities[] = {0.01, 0.1, 0.5, 0.9, 0.999};
    for (size_t p = 0; p < 5; p++)
        for (size_t i = 0; i < N; i++)
            for (int clamp = 0; clamp < 2; clamp++) {
                double low, high, found = task_answers_value(&a, i, clamp);
                task_answers_interval(&a, i, probabilities[p], clamp, &low, &high);
                ck_assert_msg(low <= found && found <= high, "row %zu, %g: %g is not in [%g, %g]", i,
                              probabilities[p], found, low, high);
            }
}

static void use_errors(double from)
{
    for (size_t i = 0; i < TASK_KNOWN_BUCKETS * TASK_QUANTILES; i++)
        table[i] = (real)(from + 0.2 * (double)(i % TASK_QUANTILES));
    a.quantiles = table;
}

START_TEST(an_interval_always_has_the_value)
{
    check_inside();
    use_errors(0.5); /* all targets in validation were above their predictions */
    check_inside();
    use_errors(-3); /* all below */
    check_inside();
}
END_TEST

START_TEST(an_interval_has_a_value_that_was_lowered)
{
    spec.task.scale = SCALE_LOG;
    spec.task.shrink = a.shrink = 2.5;
    check_inside();
    use_errors(0.1);
    check_inside();
    for (size_t i = 0; i < N; i++)
        beyond[i] = 3;
    check_inside();
}
END_TEST

static double noise_of(size_t i)
{
    return sqrt(spread[i] * spread[i] - own[i] * own[i]) / spread[i];
}

START_TEST(noise_and_the_epistemic_part_add_up_to_the_deviation)
{
    for (size_t i = 0; i < N; i++) {
        double deviation, epistemic, low, high;
        struct task_bounds bounds = task_answers_bounds(&a, i, TASK_ONE_DEVIATION);
        task_answers_deviations(&a, i, bounds, false, &deviation, &epistemic);
        task_answers_within(&a, i, bounds, false, &low, &high);
        ck_assert_double_eq_tol(deviation, (high - low) / 2, 1e-9);
        ck_assert_double_eq_tol(hypot(epistemic, deviation * noise_of(i)), deviation, 1e-9);
        ck_assert_double_eq_tol(epistemic, deviation * own[i] / spread[i], 1e-9);
    }
}
END_TEST

/* Learned as a logarithm, bounds of a row that is far off are past all numbers. */
START_TEST(a_deviation_is_at_most_the_range_where_answers_are_cut)
{
    double deviation, epistemic, range = a.spec->task.target_most - a.spec->task.target_least;
    spec.task.scale = SCALE_LOG;
    spread[0] = own[0] = 1e4;
    struct task_bounds bounds = task_answers_bounds(&a, 0, TASK_ONE_DEVIATION);
    task_answers_deviations(&a, 0, bounds, true, &deviation, &epistemic);
    ck_assert_double_eq(deviation, range);
    ck_assert_double_eq(epistemic, range);
    task_answers_deviations(&a, 0, bounds, false, &deviation, &epistemic);
    ck_assert_double_gt(deviation, 1e200);
    ck_assert(isfinite(deviation) && isfinite(epistemic));
}
END_TEST

START_TEST(what_lies_beyond_the_inputs_widens_the_interval_and_is_epistemic)
{
    for (size_t i = 0; i < N; i++) {
        double within[2], outside[2], low[2], high[2];
        struct task_bounds bounds = task_answers_bounds(&a, i, TASK_ONE_DEVIATION);
        double predicted = task_answers_value(&a, i, false);
        task_answers_deviations(&a, i, bounds, false, &within[0], &within[1]);
        task_answers_interval(&a, i, 0.9, false, &low[0], &high[0]);
        beyond[i] = 3;
        task_answers_deviations(&a, i, bounds, false, &outside[0], &outside[1]);
        task_answers_interval(&a, i, 0.9, false, &low[1], &high[1]);
        ck_assert_double_eq_tol(outside[0], 2 * within[0], 1e-9); /* the variance is 1 + 3 times as large */
        ck_assert_double_eq_tol(high[1] - low[1], 2 * (high[0] - low[0]), 1e-9);
        ck_assert_double_eq_tol(outside[0] * outside[0] - outside[1] * outside[1],
                                within[0] * within[0] - within[1] * within[1], 1e-9); /* the noise */
        ck_assert_double_eq(task_answers_value(&a, i, false), predicted);
    }
}
END_TEST

SUITE("server: task_answers", set_up, tear_down, {an_interval_always_has_the_value},
      {an_interval_has_a_value_that_was_lowered}, {noise_and_the_epistemic_part_add_up_to_the_deviation},
      {a_deviation_is_at_most_the_range_where_answers_are_cut},
      {what_lies_beyond_the_inputs_widens_the_interval_and_is_epistemic})
