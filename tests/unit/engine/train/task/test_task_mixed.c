/* The linear mixed model of a table: tasks of which the truth is known, and tables that are awkward. */
#include "engine/network/task_solver.h"
#include "engine/train/task/task_mixed.h"
#include "engine/train/task/task_start.h"
#include "tests/support/suite.h"

#include "base/rng.h"

#include <math.h>

enum { TASKS = 200, ROWS = 20, D = 3, N = TASKS * ROWS };
static size_t row_start[TASKS + 1];
static real x[N * D];
static double y[N];
static struct task_table table;
static struct task_spec about;
static struct model_spec spec;
static struct task_holdout holdout;
static uint32_t tasks[TASKS];
static struct task_mixed found;
static struct err e;

/* Slopes of 1, -2 and 0 for all, of which tasks differ by 0.5, 0.1 and 0, a level of 0.3 that differs by
 * 1; noise 0.2. */
static void start(void)
{
    static const double mean[] = {1, -2, 0, 0.3}, deviation[] = {0.5, 0.1, 0, 1};
    struct rng r;
    rng_init(&r, 3, 0);
    for (size_t t = 0; t < TASKS; t++) {
        double w[D + 1];
        for (size_t j = 0; j <= D; j++)
            w[j] = mean[j] + deviation[j] * rng_normal(&r);
        for (size_t i = t * ROWS; i < (t + 1) * ROWS; i++) {
            y[i] = w[D] + 0.2 * rng_normal(&r);
            for (size_t j = 0; j < D; j++) {
                x[i * D + j] = (real)rng_normal(&r);
                y[i] += w[j] * (double)x[i * D + j];
            }
        }
        row_start[t + 1] = (t + 1) * ROWS;
        tasks[t] = (uint32_t)t;
    }
    about = (struct task_spec){.present = true, .target_deviation = 1};
    spec = (struct model_spec){.d_item = D, .d_output = 1, .task = about};
    table = (struct task_table){TASKS, row_start, x, y, NULL, &about};
    holdout = (struct task_holdout){.tasks = tasks, .n_learned = TASKS, .from = INFINITY};
    found = (struct task_mixed){0};
    err_clear(&e);
}

static void stop(void)
{
    task_mixed_fini(&found);
}

static void find(void)
{
    ck_assert_int_eq(
        task_mixed_find(&spec, &table, &holdout, &(struct task_mixed_wanted){0}, NULL, &found, &e), ERR_OK);
}

/* An entry of L L^T. */
static double covariance(size_t i, size_t j)
{
    double sum = 0;
    for (size_t k = 0; k < found.d; k++)
        sum += found.directions[k * found.d + i] * found.directions[k * found.d + j];
    return sum;
}

START_TEST(test_slopes_their_spread_and_the_noise_are_found)
{
    find();
    ck_assert(found.present);
    ck_assert_double_eq_tol(found.shared[0], 1, 0.1);
    ck_assert_double_eq_tol(found.shared[1], -2, 0.03);
    ck_assert_double_eq_tol(found.shared[2], 0, 0.03);
    ck_assert_double_eq_tol(found.shared[3], 0.3, 0.2);
    ck_assert_double_eq_tol(covariance(0, 0), 0.25, 0.05);
    ck_assert_double_eq_tol(covariance(1, 1), 0.01, 0.01);
    ck_assert_double_eq_tol(covariance(2, 2), 0, 0.01);
    ck_assert_double_eq_tol(covariance(3, 3), 1, 0.2);
    ck_assert_double_eq_tol(covariance(0, 3), 0, 0.1);
    ck_assert_double_eq_tol(found.noise, 0.04, 0.006);
    ck_assert_double_eq_tol(found.directions[3] * found.directions[3], 1, 0.2); /* the longest: the level */
}
END_TEST

START_TEST(test_inputs_that_say_the_same_or_nothing_are_no_obstacle)
{
    for (size_t i = 0; i < N; i++) {
        x[i * D + 1] = x[i * D];
        x[i * D + 2] = 0;
    }
    find();
    ck_assert(found.present);
    ck_assert(isfinite(found.noise));
    ck_assert_double_eq_tol(found.shared[0] + found.shared[1], 1, 0.1);
    ck_assert_double_gt(found.noise, 0.04);
}
END_TEST

START_TEST(test_targets_without_noise_are_no_obstacle)
{
    for (size_t i = 0; i < N; i++)
        y[i] = 3 + 2 * (double)x[i * D];
    find();
    ck_assert(found.present);
    ck_assert_double_eq_tol(found.shared[0], 2, 0.01);
    ck_assert_double_lt(found.noise, 0.01);
}
END_TEST

START_TEST(test_classes_are_shares)
{
    about.n_classes = spec.task.n_classes = 2;
    spec.d_output = 2;
    for (size_t i = 0; i < N; i++)
        y[i] = y[i] > 1;
    find();
    ck_assert(found.present);
    ck_assert_uint_eq(found.n_outputs, 2);
    for (size_t j = 0; j < D; j++) /* what one class gains the other loses */
        ck_assert_double_eq_tol(found.shared[j], -found.shared[found.d + j], 1e-3);
    ck_assert_double_gt(found.shared[found.d], 0.05);
    ck_assert_double_eq_tol(found.shared[D] + found.shared[found.d + D], 1, 1e-3);
    ck_assert(found.noise > 0.05 && found.noise < 0.25);
}
END_TEST

static void find_wanted(const struct task_mixed_wanted *wanted)
{
    task_mixed_fini(&found);
    ck_assert_int_eq(task_mixed_find(&spec, &table, &holdout, wanted, NULL, &found, &e), ERR_OK);
    ck_assert(found.present);
}

START_TEST(test_levels_alone_differ_where_that_is_wanted)
{
    find_wanted(&(struct task_mixed_wanted){.levels = true});
    ck_assert_double_eq_tol(found.shared[1], -2, 0.1);
    ck_assert_double_eq_tol(covariance(3, 3), 1, 0.25);
    for (size_t j = 0; j < D; j++)
        ck_assert_double_eq_tol(covariance(j, j), 0, 1e-9);
    ck_assert_double_gt(found.noise, 0.2); /* slopes that differ are noise then */
}
END_TEST

START_TEST(test_inputs_that_say_nothing_have_slopes_of_nothing)
{
    struct rng r;
    rng_init(&r, 4, 0);
    for (size_t i = 0; i < N; i++)
        y[i] = rng_normal(&r);
    find();
    double all = 0;
    for (size_t j = 0; j < D; j++)
        all += found.shared[j] * found.shared[j];
    ck_assert_double_lt(sqrt(all), 0.5 / sqrt(N)); /* least squares has sqrt(D / N) */
}
END_TEST

/* One row in fifty is a thousand off. */
START_TEST(test_outliers_are_found_and_cut)
{
    struct task_mixed clean, first;
    double clip;
    find();
    clean = found;
    found = (struct task_mixed){0};
    ck_assert(task_mixed_clip(&spec, &table, &holdout, &clean, &clip, &e) == ERR_OK);
    double none = clip;
    for (size_t i = 0; i < N; i += 50)
        y[i] += i % 100 ? 1000 : -1000;
    find_wanted(&(struct task_mixed_wanted){.levels = true});
    first = found;
    found = (struct task_mixed){0};
    for (int i = 0; i < 2; i++) {
        ck_assert(task_mixed_clip(&spec, &table, &holdout, &first, &clip, &e) == ERR_OK);
        spec.task.clip = clip;
        find_wanted(&(struct task_mixed_wanted){.about = &first});
        task_mixed_fini(&first);
        first = found;
        found = (struct task_mixed){0};
    }
    ck_assert(none == 0 || none > 3); /* of normal errors hardly any */
    ck_assert_double_gt(clip, 3);
    ck_assert_double_lt(clip, 20);
    for (size_t j = 0; j <= D; j++)
        ck_assert_double_eq_tol(first.shared[j], clean.shared[j], 0.3);
    task_mixed_fini(&first);
    task_mixed_fini(&clean);
}
END_TEST

START_TEST(test_what_is_validated_on_is_not_looked_at)
{
    static uint8_t held[N];
    static double time[N];
    find();
    struct task_mixed clean = found;
    found = (struct task_mixed){0};
    holdout.held = held;
    holdout.first_learned = 0;
    for (size_t i = 0; i < N; i += 4)
        held[i] = 1;
    find();
    double noise = found.noise;
    ck_assert_double_ne(noise, clean.noise);
    for (size_t i = 0; i < N; i += 4)
        y[i] = 1e6;
    task_mixed_fini(&found);
    find();
    ck_assert_double_eq(found.noise, noise);
    task_mixed_fini(&found);
    holdout.held = NULL;
    table.time = time;
    holdout.from = 0.5;
    for (size_t i = 0; i < N; i++)
        time[i] = i % 4 == 0;
    find();
    ck_assert_double_eq(found.noise, noise);
    task_mixed_fini(&clean);
}
END_TEST

/* Solves a (n, n) z = b in place, by Gauss. */
static void solve(size_t n, double a[][D + 1], double *b)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++) {
            double f = a[k][i] / a[i][i];
            for (size_t j = i; j < n; j++)
                a[k][j] -= f * a[i][j];
            b[k] -= f * b[i];
        }
    for (size_t i = n; i-- > 0;) {
        for (size_t j = i + 1; j < n; j++)
            b[i] -= a[i][j] * b[j];
        b[i] /= a[i][i];
    }
}

/* What the hierarchical ridge regression says of a task's row: z of (S^-1 + X^T X / s2) z = X^T (y - X b)
 * / s2, as (I + S X^T X / s2) z = S X^T (y - X b) / s2. */
static double ridge(size_t first, size_t n_known, size_t asked)
{
    double xx[D + 1][D + 1] = {{0}}, xr[D + 1] = {0}, a[D + 1][D + 1], z[D + 1], value = 0;
    for (size_t i = first; i < first + n_known; i++) {
        double row[D + 1] = {[D] = 1}, left = y[i];
        for (size_t j = 0; j < D; j++)
            row[j] = (double)x[i * D + j];
        for (size_t j = 0; j <= D; j++)
            left -= row[j] * found.shared[j];
        for (size_t j = 0; j <= D; j++) {
            xr[j] += row[j] * left / found.noise;
            for (size_t k = 0; k <= D; k++)
                xx[j][k] += row[j] * row[k] / found.noise;
        }
    }
    for (size_t j = 0; j <= D; j++) {
        z[j] = 0;
        for (size_t k = 0; k <= D; k++) {
            a[j][k] = j == k;
            z[j] += covariance(j, k) * xr[k];
            for (size_t l = 0; l <= D; l++)
                a[j][k] += covariance(j, l) * xx[l][k];
        }
    }
    solve(D + 1, a, z);
    for (size_t j = 0; j <= D; j++)
        value += (found.shared[j] + z[j]) * (j < D ? (double)x[asked * D + j] : 1);
    return value;
}

START_TEST(test_a_model_that_starts_from_it_answers_as_a_hierarchical_ridge_regression)
{
    struct param_block block;
    struct task_solver solver;
    spec.task.d_basis = 6;
    spec.d_context = task_spec_d_sums(&spec);
    find();
    ck_assert_int_eq(param_block_init(&block, &spec, &e), ERR_OK);
    task_start_from_mixed(&spec, &found, &block);
    ck_assert_int_eq(task_solver_init(&solver, &spec, &block.params, ROWS, &e), ERR_OK);
    for (size_t t = 0; t < 20; t++) {
        size_t first = t * ROWS, n_known = t % 8;
        task_solver_start(&solver);
        task_solver_rows(&solver, x + first * D, n_known);
        for (size_t i = 0; i < n_known; i++) {
            solver.y[i] = y[first + i];
            solver.weights[i] = 1;
        }
        task_solver_know(&solver, n_known);
        ck_assert(task_solver_solve(&solver));
        task_solver_rows(&solver, x + (first + 10) * D, 1);
        task_solver_predict(&solver, 1);
        ck_assert_double_eq_tol(solver.value[0], ridge(first, n_known, first + 10), 1e-3);
    }
    task_solver_fini(&solver);
    param_block_fini(&block);
}
END_TEST

START_TEST(test_a_table_too_wide_has_none)
{
    spec.d_item = TASK_MIXED_WIDTH + 1;
    find();
    ck_assert(!found.present);
}
END_TEST

SUITE("train task_mixed", start, stop, {test_slopes_their_spread_and_the_noise_are_found},
      {test_inputs_that_say_the_same_or_nothing_are_no_obstacle},
      {test_targets_without_noise_are_no_obstacle}, {test_classes_are_shares},
      {test_levels_alone_differ_where_that_is_wanted}, {test_inputs_that_say_nothing_have_slopes_of_nothing},
      {test_outliers_are_found_and_cut}, {test_what_is_validated_on_is_not_looked_at},
      {test_a_model_that_starts_from_it_answers_as_a_hierarchical_ridge_regression},
      {test_a_table_too_wide_has_none})
