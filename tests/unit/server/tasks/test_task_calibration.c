/* Whether answers are as sure as they are right. */
#include "server/tasks/task_calibration.h"
#include "tests/support/suite.h"

#include "base/rng.h"

#include <math.h>

enum { N = 4000 };
static double value[2 * N], spread[N], freedom[N], y[N];
static size_t n_known[N];
static struct model_spec spec;
static struct task_answers answers;
static struct task_calibration found;

static void start(void)
{
    spec = (struct model_spec){.d_output = 1, .task = {.present = true, .target_deviation = 1}};
    answers = (struct task_answers){&spec, N, value, spread, freedom, n_known};
}

/* Normal errors, about which the answers are sure by this much too little. */
static void draw(double too_wide)
{
    struct rng r;
    rng_init(&r, 5, 0);
    for (size_t i = 0; i < N; i++) {
        value[i] = 3;
        y[i] = 3 + rng_normal(&r);
        spread[i] = too_wide;
        freedom[i] = 1e6;
    }
}

START_TEST(test_intervals_as_wide_as_the_errors_are_right)
{
    draw(1);
    task_calibration_make(&answers, y, &found);
    ck_assert_uint_eq(found.n, TASK_CALIBRATION_POINTS);
    for (size_t i = 0; i < found.n; i++)
        ck_assert_msg(fabs(found.found[i] - found.expected[i]) < 0.03, "%g: %g", found.expected[i],
                      found.found[i]);
    ck_assert_double_lt(found.error, 0.02);
}
END_TEST

START_TEST(test_intervals_that_are_too_wide_have_more_than_they_should)
{
    draw(2);
    task_calibration_make(&answers, y, &found);
    for (size_t i = 0; i < found.n; i++)
        ck_assert(found.found[i] > found.expected[i]);
    ck_assert_double_eq_tol(found.found[4], 0.823,
                            0.03); /* 50 % of twice the width: within 1.349 deviations */
}
END_TEST

START_TEST(test_probabilities_are_held_to_the_share_that_is_right)
{
    spec.d_output = spec.task.n_classes = 2;
    for (size_t i = 0; i < N; i++) {
        double p = i % 2 ? 0.95 : 0.65;
        value[2 * i] = 1 - p;
        value[2 * i + 1] = p;
        y[i] = i % 2 ? 1 : i % 4 == 0; /* all right where it is sure, half where it says 0.65 */
    }
    task_calibration_make(&answers, y, &found);
    ck_assert_uint_eq(found.n, 2);
    ck_assert_double_eq_tol(found.expected[0], 0.65, 1e-9);
    ck_assert_double_eq_tol(found.found[0], 0.5, 1e-9);
    ck_assert_double_eq_tol(found.found[1], 1, 1e-9);
    ck_assert_double_eq_tol(found.error, (0.15 + 0.05) / 2, 1e-9);
}
END_TEST

START_TEST(test_no_row_has_no_error)
{
    answers.n = 0;
    task_calibration_make(&answers, y, &found);
    ck_assert_uint_eq(found.n, 0);
    ck_assert(isnan(found.error));
}
END_TEST

SUITE("server task_calibration", start, NULL, {test_intervals_as_wide_as_the_errors_are_right},
      {test_intervals_that_are_too_wide_have_more_than_they_should},
      {test_probabilities_are_held_to_the_share_that_is_right}, {test_no_row_has_no_error})
