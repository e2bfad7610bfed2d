/* server/tasks/task_outside.c, roc.c: whether uncertainty tells rows of one table from those of another.
 * Risks: ties, a curve the wrong way round, tasks of two tables that are taken for the same by their
 * numbers. */
#include "server/tasks/task_outside.h"

#include "base/rng.h"
#include "server/tasks/roc.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>

enum { N = 60, TASKS = 3 };

static struct model_spec spec;
static double value[2][2 * N], spread[2][N], own[2][N], freedom[N];
static size_t known[N], row_start[TASKS + 1] = {0, N / 3, 2 * N / 3, N};
static struct task_answers answers[2];
static struct task_dataset data = {.table = {.n_tasks = TASKS}, .row_start = row_start};
static struct id_table ids[2];
static struct task_outside found;

static void set_up(void)
{
    static const char *const names[2][TASKS] = {{"a", "b", "c"}, {"c", "d", "a"}};
    struct rng r;
    rng_init(&r, 4, 0);
    spec = (struct model_spec){
        .d_output = 1,
        .task = {.present = true, .target_deviation = 1, .target_least = -9, .target_most = 9}};
    for (size_t s = 0; s < 2; s++) {
        ids[s] = (struct id_table){0};
        for (size_t i = 0; i < TASKS; i++) {
            uint32_t number;
            ck_assert_int_eq(id_table_add(&ids[s], text_of(names[s][i]), &number, NULL), ERR_OK);
        }
        for (size_t i = 0; i < N; i++) {
            spread[s][i] = 1 + 0.1 * rng_uniform(&r);
            own[s][i] = (s ? 0.5 : 0.3) + 0.3 * rng_uniform(&r);
            freedom[i] = 10;
        }
        answers[s] = (struct task_answers){.spec = &spec,
                                           .n = N,
                                           .value = value[s],
                                           .spread = spread[s],
                                           .freedom = freedom,
                                           .n_known = known,
                                           .own = own[s]};
    }
}

static void tear_down(void)
{
    id_table_fini(&ids[0]);
    id_table_fini(&ids[1]);
}

static void measure(void)
{
    const struct task_answered inside = {&answers[0], &data, &ids[0]},
                               outside = {&answers[1], &data, &ids[1]};
    ck_assert_int_eq(task_outside_make(&inside, &outside, 1, &found, NULL), ERR_OK);
}

/* By looking at all pairs. */
static double naive(const double *inside, const double *outside)
{
    double pairs = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            pairs += outside[j] > inside[i] ? 1 : outside[j] == inside[i] ? 0.5 : 0;
    return pairs / (N * N);
}

START_TEST(rows_outside_are_told_by_what_is_larger_there)
{
    measure();
    ck_assert_uint_eq(found.n_rows, N);
    ck_assert_double_eq_tol(found.by[TASK_EPISTEMIC].area, naive(own[0], own[1]), 1e-12);
    ck_assert_double_eq_tol(found.by[TASK_WHOLE].area, naive(spread[0], spread[1]), 1e-12);
    ck_assert_double_gt(found.by[TASK_EPISTEMIC].area, 0.7);
    ck_assert_double_gt(found.by[TASK_EPISTEMIC].outside, found.by[TASK_EPISTEMIC].inside);
    ck_assert_uint_eq(task_uncertainties(&spec), 2); /* of numbers */
    for (size_t u = 0; u < task_uncertainties(&spec); u++) {
        ck_assert_double_le(found.by[u].low, found.by[u].area);
        ck_assert_double_ge(found.by[u].high, found.by[u].area);
        ck_assert_double_lt(found.by[u].low, found.by[u].high);
    }
}
END_TEST

START_TEST(what_is_the_same_everywhere_tells_nothing)
{
    for (size_t i = 0; i < N; i++)
        own[0][i] = own[1][i] = 0;
    measure();
    ck_assert_double_eq(found.by[TASK_EPISTEMIC].area, 0.5);
    ck_assert_double_eq(found.by[TASK_EPISTEMIC].low, 0.5);
    ck_assert_double_eq(found.by[TASK_EPISTEMIC].high, 0.5);
}
END_TEST

START_TEST(of_classes_it_is_the_entropy_and_its_epistemic_part)
{
    spec.d_output = spec.task.n_classes = 2;
    for (size_t i = 0; i < N; i++) {
        value[0][2 * i] = 0.9;
        value[1][2 * i] = 0.8;
        value[0][2 * i + 1] = 0.1;
        value[1][2 * i + 1] = 0.2;
        spread[0][i] = 0.325;
        spread[1][i] = 0.5;
        own[0][i] = 0.1;
        own[1][i] = 2;
    }
    measure();
    ck_assert_double_eq(found.by[TASK_EPISTEMIC].area, 1);
    ck_assert_double_eq(found.by[TASK_WHOLE].area, 1);
    ck_assert_double_gt(found.by[TASK_EPISTEMIC].outside, 5 * found.by[TASK_EPISTEMIC].inside);
    ck_assert_double_eq_tol(found.by[TASK_WHOLE].outside, 0.5, 1e-12);
    ck_assert_double_eq(found.by[TASK_NOVELTY].area, 1);
    ck_assert_double_eq_tol(found.by[TASK_NOVELTY].outside, 2, 1e-12);
    ck_assert_str_eq(task_uncertainty_name(TASK_WHOLE, &spec), "entropy");
    ck_assert_str_eq(task_uncertainty_name(TASK_NOVELTY, &spec), "novelty");
}
END_TEST

START_TEST(rows_count_as_often_as_their_task_and_rows_of_one_kind_have_no_area)
{
    struct roc_row rows[] = {{1, 0, false}, {2, 1, true}, {2, 0, false}, {3, 1, false}, {4, 0, true}};
    const double weights[] = {2, 1}, none[] = {0, 1}, only_second[] = {1, 0};
    roc_sort(rows, 5);
    ck_assert_double_eq_tol(roc_area(rows, 5, NULL), (1.5 + 3) / 6, 1e-12);
    ck_assert_double_eq_tol(roc_area(rows, 5, weights), (2 + 1 + 2 * 5) / 15.0, 1e-12);
    ck_assert_double_eq(roc_area(rows, 5, none), 0); /* of task 1: 2 before 3 */
    ck_assert_double_eq(roc_area(rows, 5, only_second), 1);
    ck_assert(isnan(roc_area(rows, 1, NULL)));
    ck_assert(isnan(roc_area(rows, 0, NULL)));
}
END_TEST

START_TEST(scores_that_are_no_numbers_have_no_area)
{
    struct roc_row rows[] = {{1, 0, false}, {NAN, 0, true}, {2, 0, false}, {_i ? INFINITY : NAN, 0, false}};
    roc_sort(rows, 4);
    ck_assert(isnan(roc_area(rows, 4, NULL)));
}
END_TEST

SUITE("server: task_outside", set_up, tear_down, {rows_outside_are_told_by_what_is_larger_there},
      {what_is_the_same_everywhere_tells_nothing}, {of_classes_it_is_the_entropy_and_its_epistemic_part},
      {rows_count_as_often_as_their_task_and_rows_of_one_kind_have_no_area},
      {scores_that_are_no_numbers_have_no_area, 2})
