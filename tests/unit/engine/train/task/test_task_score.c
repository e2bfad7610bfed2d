/* engine/train/task/task_score.c: how far answers are off, and how much they surprise. Risks: a model without
 * numbers that is taken for the best; likelihoods on different scales of the target that cannot be
 * compared. */
#include "engine/train/task/task_score.h"

#include "engine/format/task_target.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>

START_TEST(a_loss_that_is_no_number_is_the_worst)
{
    struct task_spec t = {.loss = LOSS_POISSON};
    struct task_score scores[2] = {{.loss = {1}, .n = 1}, {.loss = {_i ? -INFINITY : NAN}, .n = 1}};
    ck_assert_double_eq(task_score_loss(scores, 1, &t, NULL), 1);
    ck_assert(isinf(task_score_loss(scores, 2, &t, NULL)));
}
END_TEST

/* What is said of one row whose target is y, where the learned target is expected at `value`. */
static double surprise_at(const struct task_spec *t, double y, double value, double spread, double shape)
{
    struct model_spec spec = {.task = *t};
    double support = 0, query = 1;
    struct task_draw draw = {.n = 1, .y = &y, .n_splits = 1, .support = &support, .query = &query};
    struct task_solver solver = {.spec = &spec, .value = &value, .spread = &spread};
    struct task_score score = {0};
    solver.layer.shape = shape;
    y = task_learned_target(t, y);
    task_score_add(&score, &solver, &draw, 0);
    ck_assert_uint_eq(score.n, 1);
    return score.surprise;
}

/* The density of the target in its own unit is one, on whatever scale it is learned. */
START_TEST(densities_are_of_the_target_in_its_own_unit)
{
    static const enum target_scale scales[] = {SCALE_IDENTITY, SCALE_LOG, SCALE_ASINH};
    struct task_spec t = {.scale = scales[_i],
                          .unit = 3,
                          .target_mean = 0.7,
                          .target_deviation = 0.4,
                          .target_least = -1e9,
                          .target_most = 1e9};
    double sum = 0, step = 1e-3, first = scales[_i] == SCALE_LOG ? step : -400;
    for (double y = first; y < 400; y += step)
        sum += step * exp(-surprise_at(&t, y, 0.5, 0.6, 4));
    ck_assert_double_eq_tol(sum, 1, 2e-3);
}
END_TEST

START_TEST(many_degrees_of_freedom_are_a_normal_distribution)
{
    struct task_spec t = {.target_deviation = 2, .target_least = -1e9, .target_most = 1e9};
    double error = 1.3, spread = 0.5, deviation = 2 * sqrt(spread);
    double normal = 0.5 * log(2 * M_PI) + log(deviation) + 0.5 * pow(error / deviation, 2);
    ck_assert_double_eq_tol(surprise_at(&t, error, 0, spread, 1e6), normal, 1e-5);
}
END_TEST

SUITE("engine/train/task: score", NULL, NULL, {a_loss_that_is_no_number_is_the_worst, 2},
      {densities_are_of_the_target_in_its_own_unit, 3}, {many_degrees_of_freedom_are_a_normal_distribution})
