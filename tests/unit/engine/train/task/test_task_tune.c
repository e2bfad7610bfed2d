/* engine/train/task/task_tune.c and task_calibrate.c: what validation chooses after the steps. Tasks whose
 * targets are noise, and tasks with a level of their own, are met by a model that is set by hand. Risks: a
 * part of its own that is kept where rows of a task say nothing, or taken away where they do; quantiles that
 * are not those of the errors; a wrong number of variances for errors relative to the target. */
#include "engine/train/task/task_tune.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/student_t.h"
#include "engine/network/task_quantiles.h"
#include "engine/train/task/task_start.h"
#include "engine/train/train.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TASKS = 300, ROWS = 40 };

static char column_name[] = "x", target[] = "y";
static struct column column;
static struct task_spec about;
static struct task_table table;
static struct train_data data;
static size_t row_start[MOST_TASKS + 1];
static real x[MOST_TASKS * ROWS];
static double y[MOST_TASKS * ROWS];
static struct run run;
static struct task_holdout holdout;
static struct model_spec spec;
static struct param_block block;
static struct task_fit fit;
static struct err e;

/* y = level of the task + noise of variance one; log: the exponential of that. A linear model of a basis of
 * one: phi = `basis`, and noise of `s2` beside it. */
static void make_by(enum target_loss loss, size_t n_tasks, double level, bool log_target, double basis,
                    double s2)
{
    struct rng r;
    struct train_options o;
    rng_init(&r, 5, 1);
    for (size_t t = 0; t < n_tasks; t++) {
        double own = level * rng_normal(&r);
        row_start[t + 1] = row_start[t] + ROWS;
        for (size_t i = row_start[t]; i < row_start[t + 1]; i++) {
            x[i] = (real)rng_normal(&r);
            y[i] = own + rng_normal(&r);
            y[i] = log_target ? exp(y[i]) : y[i];
        }
    }
    table = (struct task_table){.n_tasks = n_tasks, .row_start = row_start, .x = x, .y = y, .about = &about};
    train_options_default(&o);
    o.objective = &objective_regression;
    o.loss = loss;
    o.n_threads = 1;
    o.dim = 1;
    ck_assert_msg(run_init(&run, &data, &o, "nowhere", NULL, NULL, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(task_holdout_make(&holdout, &table, 1, &e) == ERR_OK, "%s", e.text);
    ck_assert(task_start_spec(&run, true, log_target ? SCALE_LOG : SCALE_IDENTITY, &spec, &e) == ERR_OK);
    spec.task.target_mean = 0;
    spec.task.target_deviation = 1;
    ck_assert_msg(param_block_init(&block, &spec, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(task_fit_init(&fit, &run, &spec, &table, &holdout, &block, &e) == ERR_OK, "%s", e.text);
    memset(block.values, 0, block.n_values * sizeof *block.values);
    block.params.basis_bias[0] = (real)basis;
    block.params.task_scales[0] = (real)log(s2);
    block.params.task_scales[1] = (real)log(30);
    memcpy(fit.best.values, block.values, block.n_values * sizeof *block.values);
}

static void make(size_t n_tasks, double level, bool log_target, double basis, double s2)
{
    make_by(LOSS_SQUARED, n_tasks, level, log_target, basis, s2);
}

static void set_up(void)
{
    e = (struct err){0};
    column = (struct column){.name = column_name, .deviation = 1, .least = -3, .most = 3};
    about = (struct task_spec){.present = true,
                               .columns = {1, &column},
                               .target = target,
                               .target_deviation = 1,
                               .target_least = 1e-9,
                               .target_most = 1e9};
    data = (struct train_data){.tasks = &table};
}

static void tear_down(void)
{
    task_fit_fini(&fit);
    param_block_fini(&block);
    task_holdout_fini(&holdout);
    run_fini(&run);
}

START_TEST(of_noise_nothing_is_left_that_is_a_task_s_own)
{
    struct task_own_part own;
    make(MOST_TASKS, 0, false, 0.7, 0.5); /* the variance is right: 0.5 + 0.7^2 */
    task_tune_own_part(&fit, &own);
    ck_assert_double_le(own.scale, 0.2);
    ck_assert_double_lt(own.loss, own.loss_as_learned);
    ck_assert_double_gt(own.noise, 1.3); /* what was the basis' is noise now */
    ck_assert_double_lt(own.noise, 3);
    ck_assert_double_eq_tol((double)block.params.basis_bias[0], 0.7 * own.scale, 1e-6);
    ck_assert_double_eq_tol((double)block.params.task_scales[0], log(0.5 * own.noise), 1e-6);
    ck_assert_double_eq(task_fit_loss(&fit), own.loss); /* the block has what was chosen */
}
END_TEST

START_TEST(what_rows_of_a_task_say_is_left)
{
    struct task_own_part own;
    make(MOST_TASKS, 2, false, 2, 1);
    task_tune_own_part(&fit, &own);
    ck_assert_double_ge(own.scale, 0.7);
    ck_assert_double_gt(own.loss_for_all, own.loss + 0.2);
    block.params.basis_bias[0] = 3; /* of another course */
    task_tune_apply(&fit, &(struct task_own_part){.scale = 0.5, .noise = 1});
    ck_assert_double_eq((double)block.params.basis_bias[0], 1.5);
}
END_TEST

/* What is said to be of variance 4 is of 1. */
START_TEST(quantiles_are_those_of_the_errors_in_validation)
{
    real found[TASK_KNOWN_BUCKETS * TASK_QUANTILES];
    bool is_found;
    make(MOST_TASKS, 0, false, 0, 4);
    ck_assert(task_tune_calibrate(&fit, found, &is_found, &e) == ERR_OK && is_found);
    for (size_t k = 0; k < TASK_QUANTILES; k++) /* of nothing known: errors by twice their size */
        ck_assert_double_eq_tol((double)found[k], student_t_quantile(task_quantile_at[k], 1e6) / 2, 0.15);
    for (size_t i = 0; i < TASK_KNOWN_BUCKETS * TASK_QUANTILES; i++)
        ck_assert(i % TASK_QUANTILES == 0 || found[i] >= found[i - 1]);
    double most = (double)found[(TASK_KNOWN_BUCKETS - 1) * TASK_QUANTILES + 8];
    ck_assert_double_gt(most, 0.9); /* many rows say how much noise there is: tau falls, and z rises */
}
END_TEST

START_TEST(few_errors_say_nothing)
{
    real found[TASK_KNOWN_BUCKETS * TASK_QUANTILES];
    bool is_found = true;
    make(2, 0, false, 0, 1);
    for (size_t i = 0; i < 2 * ROWS; i++)
        holdout.held[i] = i == 0 || i == ROWS;
    ck_assert(task_tune_calibrate(&fit, found, &is_found, &e) == ERR_OK);
    ck_assert(!is_found);
}
END_TEST

/* Of few tasks the other rows are learned from, which makes errors small. */
START_TEST(of_few_tasks_no_interval_is_narrower_than_student_s)
{
    real found[TASK_KNOWN_BUCKETS * TASK_QUANTILES];
    bool is_found;
    make(10, 0, false, 0, 4);
    ck_assert_ptr_nonnull(holdout.held);
    ck_assert(task_tune_calibrate(&fit, found, &is_found, &e) == ERR_OK && is_found);
    ck_assert_double_ge((double)found[8], student_t_quantile(0.95, 2 * 31) - 1e-4);
    ck_assert_double_le((double)found[2], student_t_quantile(0.05, 2 * 31) + 1e-4);
}
END_TEST

/* E |exp(e - k) - 1| of normal errors of variance one is least at k = 1. */
START_TEST(errors_relative_to_the_target_ask_for_one_variance_less_where_errors_are_normal)
{
    make_by(LOSS_RELATIVE, MOST_TASKS, 0, true, 0, 1);
    double shrink = task_fit_shrink(&fit);
    ck_assert_double_ge(shrink, 0.85);
    ck_assert_double_le(shrink, 1.15);
}
END_TEST

/* The mean of exp(e) is exp(1 / 2) then, and that of a count's logarithm too. */
START_TEST(means_of_a_logarithm_are_above_its_median_by_half_a_variance)
{
    make_by(_i ? LOSS_POISSON : LOSS_SQUARED, MOST_TASKS, 0, true, 0, 1);
    double shrink = task_fit_shrink(&fit);
    ck_assert_double_ge(shrink, -0.75);
    ck_assert_double_le(shrink, -0.25);
}
END_TEST

START_TEST(medians_are_medians_on_any_scale)
{
    make_by(LOSS_ABSOLUTE, MOST_TASKS, 0, true, 0, 1);
    ck_assert_double_eq(task_fit_shrink(&fit), 0);
    /* E |exp(e) - 1|, known and unknown alike: nothing is a task's own */
    ck_assert_double_eq_tol(task_fit_loss(&fit), 1.1226, 0.15);
}
END_TEST

/* What is validated is what is asked for: errors of the target, not of its logarithm. */
START_TEST(the_loss_is_in_the_target_s_own_unit)
{
    make(MOST_TASKS, 0, false, 0, 1);
    ck_assert_double_eq_tol(task_fit_loss(&fit), 1, 0.05);
    ck_assert_double_eq_tol(task_fit_likelihood(&fit), 0.5 * log(2 * M_PI * M_E), 0.1);
}
END_TEST

SUITE("engine/train/task: tune", set_up, tear_down, {of_noise_nothing_is_left_that_is_a_task_s_own},
      {what_rows_of_a_task_say_is_left}, {quantiles_are_those_of_the_errors_in_validation},
      {few_errors_say_nothing}, {of_few_tasks_no_interval_is_narrower_than_student_s},
      {errors_relative_to_the_target_ask_for_one_variance_less_where_errors_are_normal},
      {means_of_a_logarithm_are_above_its_median_by_half_a_variance, 2}, {medians_are_medians_on_any_scale},
      {the_loss_is_in_the_target_s_own_unit})
