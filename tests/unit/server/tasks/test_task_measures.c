/* server/tasks/task_measures.c: how good answers are, and one system beside another. Risks: rows of another
 * group, a target of 0 that a relative error is divided by, ties in the ROC curve, a difference of another
 * sign or of another measure than the model is for. */
#include "server/tasks/task_measures.h"

#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 8, TASKS = 4 };

static struct model_spec spec;
static double value[2 * N], other_value[2 * N], spread[N], freedom[N], y[N];
static size_t known[N], row_start[TASKS + 1] = {0, 2, 4, 6, 8};
static struct task_answers a, b;
static struct task_dataset data;
static struct task_measures m;
static struct err e;

static void set_up(void)
{
    spec = (struct model_spec){
        .d_output = 1,
        .task = {.present = true, .target_deviation = 1, .target_least = -100, .target_most = 100}};
    for (size_t i = 0; i < N; i++) {
        y[i] = (double)i;
        value[i] = y[i] + (i % 2 ? 1 : -1);
        other_value[i] = y[i] + (i % 2 ? 3 : -3);
        spread[i] = 1;
        freedom[i] = 1e6;
        known[i] = i; /* 0, 1-4, 5-7 */
    }
    a = (struct task_answers){
        .spec = &spec, .n = N, .value = value, .spread = spread, .freedom = freedom, .n_known = known};
    b = a;
    b.value = other_value;
    data = (struct task_dataset){.table = {.n_tasks = TASKS}, .row_start = row_start, .y = y};
    e = (struct err){0};
}

static void tear_down(void)
{
}

static void use_classes(const double *probability_of_second, const double *classes)
{
    spec.d_output = spec.task.n_classes = 2;
    for (size_t i = 0; i < N; i++) {
        value[2 * i] = 1 - probability_of_second[i];
        value[2 * i + 1] = probability_of_second[i];
        y[i] = classes[i];
    }
}

static void measure(double interval, const size_t *n_known, size_t least, size_t most)
{
    ck_assert_msg(task_measures_make(&a, y, interval, n_known, least, most, &m, &e) == ERR_OK, "%s", e.text);
}

START_TEST(of_numbers_all_measures_are_those_by_hand)
{
    measure(0.9, NULL, 0, 0);
    ck_assert_uint_eq(m.n_rows, N);
    ck_assert_double_eq_tol(m.value[TASK_RMSE], 1, 1e-12);
    ck_assert_double_eq_tol(m.value[TASK_MAE], 1, 1e-12);
    double relative = 0; /* of the seven that are not 0 */
    for (size_t i = 1; i < N; i++)
        relative += 1 / (double)i / 7;
    ck_assert_double_eq_tol(m.value[TASK_MAPE], relative, 1e-12);
    ck_assert_double_eq_tol(m.value[TASK_EXPLAINED], 1 - 8.0 / 42, 1e-12);
    ck_assert_double_eq_tol(m.value[TASK_COVERAGE], 1, 1e-12);
    ck_assert_double_eq_tol(m.value[TASK_WIDTH], 2 * 1.6448536, 1e-4);
    ck_assert(isnan(m.value[TASK_ACCURACY]) && isnan(m.value[TASK_LOG_LOSS]) && isnan(m.value[TASK_AUC]));
    measure(0.5, NULL, 0, 0); /* 0.67 to each side is less than the error */
    ck_assert_double_eq(m.value[TASK_COVERAGE], 0);
}
END_TEST

START_TEST(a_table_of_errors_moves_the_intervals)
{
    real table[TASK_KNOWN_BUCKETS * TASK_QUANTILES];
    for (size_t i = 0; i < TASK_KNOWN_BUCKETS * TASK_QUANTILES; i++)
        table[i] = (real)(i % TASK_QUANTILES) - 6; /* at 0.05 -4, at 0.95 2 */
    a.quantiles = table;
    measure(0.9, NULL, 0, 0);
    ck_assert_double_eq_tol(m.value[TASK_WIDTH], 6, 1e-6);
}
END_TEST

START_TEST(groups_have_the_rows_of_so_many_known_and_no_others)
{
    size_t of_another[N] = {5, 5, 5, 0, 0, 0, 0, 0};
    measure(0.9, known, 1, 4);
    ck_assert_uint_eq(m.n_rows, 4);
    measure(0.9, known, 0, 0);
    ck_assert_uint_eq(m.n_rows, 1);
    ck_assert(isnan(m.value[TASK_MAPE])); /* its only target is 0 */
    measure(0.9, of_another, 5, 24);
    ck_assert_uint_eq(m.n_rows, 3);
    measure(0.9, known, 100, 200);
    ck_assert_uint_eq(m.n_rows, 0);
    ck_assert(isnan(m.value[TASK_RMSE]));
}
END_TEST

START_TEST(of_classes_ties_count_half_in_the_roc_curve)
{
    const double p[N] = {0.1, 0.9, 0.5, 0.5, 0.5, 0.8, 0.3, 0.7};
    const double classes[N] = {0, 1, 0, 1, 1, 1, 0, 0};
    double loss = 0, above = 0;
    use_classes(p, classes);
    for (size_t i = 0; i < N; i++) {
        loss -= log(classes[i] > 0 ? p[i] : 1 - p[i]) / N;
        for (size_t k = 0; k < N; k++)
            if (classes[i] > 0 && classes[k] == 0)
                above += p[i] > p[k] ? 1 : p[i] == p[k] ? 0.5 : 0;
    }
    measure(0.9, NULL, 0, 0);
    ck_assert_double_eq_tol(m.value[TASK_LOG_LOSS], loss, 1e-12);
    ck_assert_double_eq_tol(m.value[TASK_AUC], above / 16, 1e-12);
    ck_assert_double_eq_tol(m.value[TASK_ACCURACY], 5.0 / 8, 1e-12); /* of equal ones the first class */
    ck_assert(isnan(m.value[TASK_RMSE]));
}
END_TEST

START_TEST(of_one_class_there_is_no_roc_curve)
{
    const double p[N] = {0.1, 0.9, 0.5, 0.5, 0.5, 0.8, 0.3, 0.7}, classes[N] = {0};
    use_classes(p, classes);
    measure(0.9, NULL, 0, 0);
    ck_assert(isnan(m.value[TASK_AUC]) && m.value[TASK_ACCURACY] > 0);
}
END_TEST

static struct task_difference compare(void)
{
    struct task_difference d;
    ck_assert_msg(task_measures_compare(&a, &b, &data, 1, &d, &e) == ERR_OK, "%s", e.text);
    return d;
}

START_TEST(the_difference_is_below_zero_where_the_first_is_better)
{
    ck_assert_int_eq(task_measures_compared(&spec), TASK_RMSE);
    struct task_difference d = compare();
    ck_assert_double_eq_tol(d.mean, -2, 1e-12);
    ck_assert_double_eq_tol(d.low, -2, 1e-12); /* all tasks differ by the same */
    ck_assert_double_eq_tol(d.high, -2, 1e-12);
    other_value[7] = 7; /* of one task the other has one error less */
    d = compare();
    ck_assert(d.low < d.mean && d.mean < d.high);
    b = a;
    d = compare();
    ck_assert(d.mean == 0 && d.low == 0 && d.high == 0);
}
END_TEST

START_TEST(models_of_relative_errors_are_compared_by_them)
{
    double sum = 0;
    spec.task.scale = SCALE_LOG;
    spec.task.loss = LOSS_RELATIVE;
    spec.task.target_least = 1e-6;
    for (size_t i = 0; i < N; i++) {
        y[i] = (double)i + 1;
        value[i] = log(y[i] * 1.1);
        other_value[i] = log(y[i] * (i == 0 ? 1.5 : 1));
        sum += 0.1 - (i == 0 ? 0.5 : 0);
    }
    ck_assert_int_eq(task_measures_compared(&spec), TASK_MAPE);
    ck_assert_double_eq_tol(compare().mean, sum / N, 1e-9);
}
END_TEST

/* Deviances of Poisson's distribution: 2 (m - y + y log(y / m)). */
START_TEST(models_of_counts_are_compared_by_the_deviance)
{
    double sum = 0;
    spec.task.loss = LOSS_POISSON;
    spec.task.unit = 1;
    spec.task.target_least = 0;
    spec.task.target_most = 1e6;
    for (size_t i = 0; i < N; i++) {
        y[i] = (double)i;
        value[i] = 2;
        other_value[i] = i ? y[i] : 1e-300; /* as good as can be */
        sum += 2 * (2 - y[i] + (i ? y[i] * log(y[i] / 2) : 0));
    }
    ck_assert_int_eq(task_measures_compared(&spec), TASK_DEVIANCE);
    ck_assert_double_eq_tol(compare().mean, sum / N, 1e-3);
}
END_TEST

START_TEST(models_of_classes_are_compared_by_their_probabilities)
{
    const double p[N] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}, classes[N] = {0, 1, 0, 1, 1, 1, 0, 0};
    use_classes(p, classes);
    for (size_t i = 0; i < N; i++) {
        other_value[2 * i] = classes[i] > 0 ? 0.2 : 0.8;
        other_value[2 * i + 1] = 1 - other_value[2 * i];
    }
    ck_assert_int_eq(task_measures_compared(&spec), TASK_LOG_LOSS);
    ck_assert_double_eq_tol(compare().mean, log(2) + log(0.8), 1e-12);
    value[0] = 0; /* impossible, and yet there: no infinity */
    ck_assert(isfinite(compare().mean));
}
END_TEST

SUITE("server/tasks: task_measures", set_up, tear_down, {of_numbers_all_measures_are_those_by_hand},
      {a_table_of_errors_moves_the_intervals}, {groups_have_the_rows_of_so_many_known_and_no_others},
      {of_classes_ties_count_half_in_the_roc_curve}, {of_one_class_there_is_no_roc_curve},
      {the_difference_is_below_zero_where_the_first_is_better},
      {models_of_relative_errors_are_compared_by_them}, {models_of_counts_are_compared_by_the_deviance},
      {models_of_classes_are_compared_by_their_probabilities})
