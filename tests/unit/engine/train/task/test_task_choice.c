/* engine/train/task/task_choice.c: which of several models is taken. Risks: one that is better by chance; one
 * whose errors are less but for a single row; one that is likely, but surely wrong by the loss that was asked
 * for; numbers that are none. */
#include "engine/train/task/task_choice.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>

enum { WAYS = 2, TASKS = 40, MODELS = 3 };

enum { ROWS = 10 * WAYS * TASKS };
static const struct task_said_shape shape = {WAYS, TASKS, ROWS, false};
static double losses[MODELS][WAYS * TASKS], surprises[MODELS][WAYS * TASKS];
static struct task_said models[MODELS];
static struct rng draws;

/* Model i's losses and surprises are lower than about one a task by as much, more or less by `noise`. */
static void says(size_t i, double less_loss, double less_surprise, double noise)
{
    for (size_t t = 0; t < WAYS * TASKS; t++) {
        losses[i][t] = 1 - less_loss + noise * rng_normal(&draws);
        surprises[i][t] = 1 - less_surprise + noise * rng_normal(&draws);
    }
}

static void set_up(void)
{
    rng_init(&draws, 3, 1);
    for (size_t i = 0; i < MODELS; i++) {
        models[i] = (struct task_said){losses[i], surprises[i]};
        says(i, 0, 0, 0.05);
    }
}

static void tear_down(void)
{
}

START_TEST(of_models_that_are_alike_the_simplest_is_taken)
{
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 0);
    says(2, 0.002, 0.002, 0.05);
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 0);
    says(2, 0, 0, 0);
    says(1, 0, 0, 0);
    says(0, 0, 0, 0);
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 0);
}
END_TEST

START_TEST(the_likelihood_decides_where_losses_do_not)
{
    says(1, 0, 0.1, 0.05);
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 1);
    says(2, 0, 0.2, 0.05);
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 2);
}
END_TEST

/* 0.1 a task is 0.01 a row. */
START_TEST(what_is_likelier_by_less_than_the_least_gain_is_not_taken)
{
    says(1, 0, 0.1, 0.01);
    says(2, 0, 0.15, 0.01);
    for (size_t m = 0; m < MODELS; m++)
        for (size_t i = 0; i < WAYS * TASKS; i++)
            losses[m][i] = 1;
    ck_assert_uint_eq(task_choose(models, 2, shape, 0.008), 1);
    ck_assert_uint_eq(task_choose(models, 2, shape, 0.012), 0);
    /* from the first, not from the second that was not taken */
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0.012), 2);
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0.008), 1);
    for (size_t i = 0; i < WAYS * TASKS; i++)
        losses[1][i] = 1 - 0.003; /* counts too */
    ck_assert_uint_eq(task_choose(models, 2, shape, 0.012), 1);
}
END_TEST

/* However surely: of ten candidates one is so by chance. Squared errors are twice as far apart. */
START_TEST(a_loss_that_is_higher_by_less_than_half_a_percent_does_not_decide)
{
    struct task_said_shape squared = shape;
    squared.squared = true;
    for (size_t i = 0; i < WAYS * TASKS; i++) {
        losses[0][i] = 1;
        losses[1][i] = 1 - 0.008;
    }
    ck_assert_uint_eq(task_choose(models, 2, squared, 0.01), 0);
    ck_assert_uint_eq(task_choose(models, 2, shape, 0.01), 1);
}
END_TEST

/* A model whose likelihood is hardly known may be as likely as the best, but so is one that is surely
 * worse. */
START_TEST(what_is_not_likelier_than_a_simpler_one_is_not_taken)
{
    says(0, 0, 0.1, 0.01);
    says(1, 0, 0.05, 0.01);
    for (size_t t = 0; t < WAYS * TASKS; t++)
        surprises[1][t] += t % 2 ? 2 : -2;
    says(2, 0, 0.2, 0.01);
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 2);
    says(1, 0, 0.05, 0.01);
    ck_assert_uint_eq(task_choose(models, 2, shape, 0), 0);
}
END_TEST

START_TEST(an_error_that_is_most_of_the_loss_does_not_decide)
{
    says(1, 0, 0.1, 0.05);
    losses[1][7] += 50; /* one row, of one task */
    losses[1][TASKS + 7] += 50;
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 1);
}
END_TEST

START_TEST(a_loss_that_is_surely_higher_does)
{
    says(1, -0.3, 0.5, 0.05);
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 0);
    says(2, 0.3, -0.5, 0.05);
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 2);
}
END_TEST

START_TEST(what_has_no_numbers_is_not_taken)
{
    says(1, 0.5, 0.5, 0.05);
    surprises[1][3] = _i ? INFINITY : NAN;
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), 0);
    losses[0][0] = losses[2][0] = _i ? NAN : INFINITY;
    ck_assert_uint_eq(task_choose(models, MODELS, shape, 0), MODELS);
    ck_assert_uint_eq(task_choose(models, 0, shape, 0), 0);
}
END_TEST

START_TEST(a_gap_is_what_one_is_lower_than_the_other)
{
    for (size_t t = 0; t < WAYS * TASKS; t++) {
        losses[0][t] = surprises[0][t] = 1;
        losses[1][t] = surprises[1][t] = 2;
    }
    struct task_gap loss = task_loss_gap(losses[0], losses[1], shape);
    struct task_gap surprise = task_surprise_gap(surprises[0], surprises[1], shape);
    ck_assert_double_eq_tol(loss.mean, WAYS * log(2), 1e-12);
    ck_assert_double_le(loss.error, 1e-6);
    ck_assert_double_eq_tol(surprise.mean, WAYS * TASKS, 1e-9);
    ck_assert_double_le(surprise.error, 1e-6);
    surprises[1][0] = 2 + WAYS * TASKS; /* of independent tasks: sqrt(n / (n - 1)) of what one adds, nearly */
    ck_assert_double_eq_tol(task_surprise_gap(surprises[0], surprises[1], shape).error, WAYS * TASKS, 1e-6);
}
END_TEST

SUITE("engine/train/task: choice", set_up, tear_down, {of_models_that_are_alike_the_simplest_is_taken},
      {the_likelihood_decides_where_losses_do_not}, {an_error_that_is_most_of_the_loss_does_not_decide},
      {what_is_not_likelier_than_a_simpler_one_is_not_taken}, {a_loss_that_is_surely_higher_does},
      {what_is_likelier_by_less_than_the_least_gain_is_not_taken},
      {a_loss_that_is_higher_by_less_than_half_a_percent_does_not_decide},
      {what_has_no_numbers_is_not_taken, 2}, {a_gap_is_what_one_is_lower_than_the_other})
