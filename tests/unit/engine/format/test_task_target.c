/* engine/format/task_target.c: a target goes to the scale on which it is learned and comes back, and what is
 * answered is what the loss asks for. Expectations are summed over a normal distribution here. Risks: a mean
 * that is a median, a scale that loses what is small or below 0, a count that may not be. */
#include "engine/format/task_target.h"

#include "tests/support/suite.h"

#include <check.h>
#include <math.h>

enum { N_SCALES = 3, N_LOSSES = 4 };

static struct task_spec target_of(enum target_scale scale, enum target_loss loss)
{
    return (struct task_spec){.scale = scale,
                              .loss = loss,
                              .unit = 2,
                              .target_mean = 0.7,
                              .target_deviation = 0.5,
                              .target_least = -1e9,
                              .target_most = 1e9};
}

START_TEST(a_target_comes_back_as_it_was)
{
    struct task_spec t = target_of((enum target_scale)_i, LOSS_SQUARED);
    for (double size = 1e-6; size < 1e6; size *= 3)
        for (int sign = _i == SCALE_LOG ? 1 : -1; sign <= 1; sign += 2) {
            double target = sign * size, before = task_target(&t, task_learned_target(&t, target) - 1e-3);
            ck_assert_double_eq_tol(task_target(&t, task_learned_target(&t, target)), target,
                                    1e-9 * (1 + size));
            ck_assert_double_lt(before, target); /* it rises */
        }
}
END_TEST

/* E of what is learned being normal about `learned` with a variance of `spread`, by the trapezium rule. */
static double mean(const struct task_spec *t, double learned, double spread)
{
    double sum = 0, all = 0;
    for (double z = -9; z <= 9; z += 1e-3) {
        double p = exp(-z * z / 2);
        sum += p * task_target(t, learned + z * sqrt(spread));
        all += p;
    }
    return sum / all;
}

START_TEST(the_answer_to_squared_error_is_the_mean)
{
    struct task_spec t = target_of((enum target_scale)_i, LOSS_SQUARED);
    for (double learned = -2; learned < 3; learned += 0.5)
        ck_assert_double_eq_tol(task_target_answer(&t, task_target_normal_shrink(&t), learned, 1.3),
                                mean(&t, learned, 1.3), 1e-6);
}
END_TEST

START_TEST(without_a_shrink_the_answer_is_the_median)
{
    struct task_spec t = target_of((enum target_scale)_i, LOSS_ABSOLUTE);
    ck_assert_double_eq(task_target_answer(&t, task_target_normal_shrink(&t), 0.4, 1.3),
                        task_target(&t, 0.4));
}
END_TEST

START_TEST(a_count_is_not_expected_below_zero)
{
    struct task_spec t = target_of(SCALE_ASINH, LOSS_POISSON);
    ck_assert_double_eq(task_target_answer(&t, 0, -5, 1), 0);
    ck_assert_double_lt(task_target(&t, -5), 0);
}
END_TEST

START_TEST(losses_are_what_they_are_called)
{
    ck_assert_double_eq_tol(task_target_loss(LOSS_SQUARED, 1, 3, 5), 4, 1e-12);
    ck_assert_double_eq_tol(task_target_loss(LOSS_ABSOLUTE, 1, 3, 5), 2, 1e-12);
    ck_assert_double_eq_tol(task_target_loss(LOSS_RELATIVE, 1, 3, 5), 0.4, 1e-12);
    ck_assert_double_eq_tol(task_target_loss(LOSS_POISSON, 1, 3, 5), 2 * (3 - 5 + 5 * log(5.0 / 3)), 1e-12);
    ck_assert_double_eq_tol(task_target_loss(LOSS_POISSON, 1, 3, 0), 6, 1e-12);
    ck_assert(isfinite(task_target_loss(LOSS_POISSON, 1, 0, 5))); /* impossible, and yet there */
    for (int loss = 0; loss < N_LOSSES; loss++)
        ck_assert_double_eq_tol(task_target_loss((enum target_loss)loss, 1, 7, 7), 0, 1e-12);
}
END_TEST

START_TEST(targets_that_a_model_cannot_take_are_told)
{
    static const double targets[] = {-1, 0, 1};
    for (int scale = 0; scale < N_SCALES; scale++)
        for (int loss = 0; loss < N_LOSSES; loss++)
            for (size_t i = 0; i < 3; i++) {
                struct task_spec t = target_of((enum target_scale)scale, (enum target_loss)loss);
                bool above = scale == SCALE_LOG || loss == LOSS_RELATIVE;
                bool taken = targets[i] > 0 || (!above && (targets[i] == 0 || loss != LOSS_POISSON));
                ck_assert_int_eq(task_target_fault(&t, targets[i]) == NULL, taken);
            }
}
END_TEST

START_TEST(counts_are_learned_as_they_are_and_answered_by_their_mean)
{
    static const double no_counts[] = {-1, 0.5, 1e10, NAN, INFINITY};
    struct task_spec t = target_of(SCALE_COUNT, LOSS_SQUARED);
    ck_assert_double_eq(task_learned_target(&t, 7), 7);
    ck_assert_double_eq(task_target_known(&t, 7), 7);
    ck_assert_double_eq(task_target_log_slope(&t, 7), 0);
    ck_assert_double_eq_tol(task_target(&t, log(7)), 7, 1e-12);
    ck_assert_double_eq_tol(task_target_answer(&t, -0.5, 1, 0.6), exp(1.3), 1e-12);
    ck_assert(!task_target_fault(&t, 0) && !task_target_fault(&t, 12));
    for (size_t i = 0; i < sizeof no_counts / sizeof *no_counts; i++) {
        ck_assert_ptr_nonnull(task_target_fault(&t, no_counts[i]));
        ck_assert(!task_target_is_count(no_counts[i]));
    }
}
END_TEST

SUITE("engine/format: task_target", NULL, NULL, {a_target_comes_back_as_it_was, N_SCALES},
      {the_answer_to_squared_error_is_the_mean, N_SCALES},
      {without_a_shrink_the_answer_is_the_median, N_SCALES}, {a_count_is_not_expected_below_zero},
      {losses_are_what_they_are_called}, {counts_are_learned_as_they_are_and_answered_by_their_mean},
      {targets_that_a_model_cannot_take_are_told})
