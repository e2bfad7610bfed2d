/* engine/network/task_head.c: what the layer of one task makes of the task's rows. Risks: an answer that
 * depends on the order of rows, a row that cannot be taken out again, a task without rows that is not the
 * model for all, many rows that are not believed. The gradient and the loss are held by
 * double_task_step.c. */
#include "engine/network/task_head.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/small_solve.h"
#include "engine/train/gradient/param_block.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { D = 3, M = 5, N = 40, MOST_CLASSES = 4, SUMS = 2 + MOST_CLASSES * M + M * (M + 1) / 2 };

static struct model_spec spec;
static struct param_block block;
static char column_names[D][2] = {"a", "b", "c"}, class_names[MOST_CLASSES][2] = {"a", "b", "c", "d"};
static char *classes[MOST_CLASSES] = {class_names[0], class_names[1], class_names[2], class_names[3]};
static struct column columns[D] = {{.name = column_names[0], .deviation = 1},
                                   {.name = column_names[1], .deviation = 1},
                                   {.name = column_names[2], .deviation = 1}};
static real x[N * D], f0[N * MOST_CLASSES], phi[N * M];
static double y[N];

static void set_up(size_t n_classes)
{
    struct rng r;
    struct err e = {0};
    rng_init(&r, 3, n_classes);
    spec = (struct model_spec){.name = "t",
                               .version = "1",
                               .objective = n_classes ? &objective_classification : &objective_regression,
                               .d_item = D,
                               .d_output = n_classes ? n_classes : 1,
                               .task = {.present = true,
                                        .columns = {D, columns},
                                        .n_features = 2,
                                        .features = {{7, ACTIVATION_TANH}, {6, ACTIVATION_RELU}},
                                        .d_basis = M,
                                        .classes = classes,
                                        .n_classes = n_classes,
                                        .target_deviation = 1}};
    spec.d_context = task_spec_d_sums(&spec);
    ck_assert_msg(model_spec_check(&spec, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(param_block_init(&block, &spec, &e) == ERR_OK, "%s", e.text);
    for (size_t i = 0; i < block.n_values; i++)
        block.values[i] = (real)(0.5 * rng_normal(&r));
    for (size_t i = 0; i < N * D; i++)
        x[i] = (real)rng_normal(&r);
    for (size_t i = 0; i < N; i++)
        y[i] = n_classes ? (double)rng_below(&r, n_classes) : rng_normal(&r);
    real *workspace = mem_alloc_array(task_features_workspace_len(&spec, N), sizeof *workspace);
    ck_assert_ptr_nonnull(workspace);
    task_features(&spec, &block.params, x, N, workspace, NULL, f0, phi);
    mem_free(workspace);
}

static void tear_down(void)
{
    param_block_fini(&block);
}

static void add(const size_t *rows, size_t n, double sign, double *sums)
{
    for (size_t i = 0; i < n; i++)
        task_sums_add(&spec, &block.params, f0 + rows[i] * spec.d_output, phi + rows[i] * M, y + rows[i],
                      NULL, 1, sign, sums);
}

struct answer {
    double value[N * MOST_CLASSES], spread[N], own[N], shape;
};

static void answer(const double *sums, struct answer *out)
{
    double room[MOST_CLASSES * M + M * (M + 1) / 2], work[M];
    struct task_layer layer;
    task_layer_at(&spec, room, &layer);
    ck_assert(task_layer_solve(&spec, &block.params, sums, &layer));
    task_layer_predict(&spec, &block.params, &layer, f0, phi, N, work, out->value, out->spread, out->own);
    out->shape = layer.shape;
}

static void check_same(const struct answer *a, const struct answer *b, double tolerance)
{
    for (size_t i = 0; i < N * spec.d_output; i++)
        ck_assert_double_eq_tol(a->value[i], b->value[i], tolerance);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(a->spread[i], b->spread[i], tolerance);
}

static const size_t numbers_and_classes[] = {0, 2, 4};
enum { N_KINDS = 3 };

START_TEST(rows_that_are_computed_alone_are_those_computed_together)
{
    set_up(numbers_and_classes[_i]);
    real *workspace = mem_alloc_array(task_features_workspace_len(&spec, 1), sizeof *workspace);
    real own_f0[MOST_CLASSES], own_phi[M], z[6 + D];
    ck_assert_ptr_nonnull(workspace);
    for (size_t i = 0; i < N; i++) {
        task_features(&spec, &block.params, x + i * D, 1, workspace, z, own_f0, own_phi);
        for (size_t k = 0; k < spec.d_output; k++)
            ck_assert_double_eq_tol((double)own_f0[k], (double)f0[i * spec.d_output + k], 1e-5);
        for (size_t k = 0; k < M; k++)
            ck_assert_double_eq_tol((double)own_phi[k], (double)phi[i * M + k], 1e-5);
        for (size_t k = 0; k < D; k++) /* the inputs stand behind the features */
            ck_assert(z[6 + k] == x[i * D + k]);
    }
    mem_free(workspace);
    tear_down();
}
END_TEST

START_TEST(the_order_of_rows_makes_no_difference)
{
    static struct answer forwards, backwards;
    double a[SUMS] = {0}, b[SUMS] = {0};
    size_t rows[12], reversed[12];
    set_up(numbers_and_classes[_i]);
    for (size_t i = 0; i < 12; i++)
        rows[i] = reversed[11 - i] = 3 * i;
    add(rows, 12, 1, a);
    add(reversed, 12, 1, b);
    answer(a, &forwards);
    answer(b, &backwards);
    check_same(&forwards, &backwards, 1e-12);
    tear_down();
}
END_TEST

START_TEST(a_row_that_is_taken_out_again_was_never_there)
{
    static struct answer without, again;
    double a[SUMS] = {0}, b[SUMS] = {0};
    static const size_t rows[] = {0, 5, 9, 17, 30}, others[] = {2, 3, 31};
    set_up(numbers_and_classes[_i]);
    add(rows, 5, 1, a);
    answer(a, &without);
    add(others, 3, 1, b);
    add(rows, 5, 1, b);
    answer(b, &again);
    bool differs = false;
    for (size_t i = 0; i < N; i++)
        differs = differs || fabs(again.value[i * spec.d_output] - without.value[i * spec.d_output]) > 1e-3;
    ck_assert(differs); /* the rows mattered while they were there */
    add(others, 3, -1, b);
    answer(b, &again);
    check_same(&without, &again, 1e-11);
    add(rows, 5, -1, b);
    for (size_t i = 0; i < task_spec_d_sums(&spec); i++)
        ck_assert_double_eq_tol(b[i], 0, 1e-12);
    tear_down();
}
END_TEST

START_TEST(a_row_of_weight_two_is_the_row_twice)
{
    double once[SUMS] = {0}, twice[SUMS] = {0}, weights[N];
    set_up(numbers_and_classes[_i]);
    for (size_t i = 0; i < N; i++)
        weights[i] = i % 3 == 0 ? 2 : 0;
    task_sums_add(&spec, &block.params, f0, phi, y, weights, N, 1, once);
    for (size_t i = 0; i < N; i += 3)
        add((size_t[]){i, i}, 2, 1, twice);
    for (size_t i = 0; i < task_spec_d_sums(&spec); i++)
        ck_assert_double_eq_tol(once[i], twice[i], 1e-10);
    tear_down();
}
END_TEST

START_TEST(without_rows_the_answer_is_what_all_tasks_share)
{
    static struct answer a;
    double sums[SUMS] = {0};
    set_up(numbers_and_classes[_i]);
    answer(sums, &a);
    for (size_t i = 0; i < N; i++) {
        double v = 0, noise = exp((double)block.params.task_scales[0]) + TASK_LEAST_NOISE;
        double kappa = exp((double)block.params.task_scales[1]);
        for (size_t j = 0; j < M; j++)
            v += (double)phi[i * M + j] * (double)phi[i * M + j];
        double shrink = spec.task.n_classes ? 1 / sqrt(1 + kappa * v) : 1;
        for (size_t k = 0; k < spec.d_output; k++)
            ck_assert_double_eq_tol(a.value[i * spec.d_output + k],
                                    shrink * (double)f0[i * spec.d_output + k], 1e-9);
        ck_assert_double_eq_tol(a.own[i], v, 1e-9);
        ck_assert_double_eq_tol(a.spread[i], spec.task.n_classes ? v : noise + v, 1e-9);
    }
    if (!spec.task.n_classes)
        ck_assert_double_eq_tol(a.shape, exp((double)block.params.task_scales[1]) + TASK_LEAST_SHAPE, 1e-12);
    tear_down();
}
END_TEST

START_TEST(many_rows_are_believed_as_least_squares_believes_them)
{
    static struct answer a;
    double sums[SUMS] = {0}, w[M] = {0.7, -1.2, 0.3, 2, -0.4};
    set_up(0);
    for (size_t i = 0; i < N; i++) {
        y[i] = (double)f0[i];
        for (size_t j = 0; j < M; j++)
            y[i] += w[j] * (double)phi[i * M + j];
    }
    for (size_t i = 0; i < 1000; i++)
        task_sums_add(&spec, &block.params, f0, phi, y, NULL, N, 1, sums);
    answer(sums, &a);
    for (size_t i = 0; i < N; i++) {
        ck_assert_double_eq_tol(a.value[i], y[i], 2e-3);
        ck_assert_double_lt(a.own[i], 1e-3); /* more rows would tell nothing more */
    }
    ck_assert_double_gt(a.shape, 1000.0 * N / 2);
    tear_down();
}
END_TEST

START_TEST(each_row_makes_the_task_surer)
{
    static struct answer before, after;
    double sums[SUMS] = {0};
    set_up(numbers_and_classes[_i]);
    answer(sums, &before);
    for (size_t row = 0; row < 10; row++) {
        double room[MOST_CLASSES * M + M * (M + 1) / 2], scale;
        struct task_layer layer;
        add(&row, 1, 1, sums);
        answer(sums, &after);
        task_layer_at(&spec, room, &layer);
        ck_assert(task_layer_solve(&spec, &block.params, sums, &layer));
        scale = layer.scale;
        for (size_t i = 0; i < N; i++)
            ck_assert_double_le(after.own[i] / scale, before.own[i] + 1e-12);
        for (size_t i = 0; i < N; i++)
            before.own[i] = after.own[i] / scale;
    }
    tear_down();
}
END_TEST

START_TEST(rows_of_one_class_make_it_likelier)
{
    static struct answer none, some;
    double sums[SUMS] = {0};
    set_up(4);
    block.params.task_scales[0] = (real)log(0.25);
    answer(sums, &none);
    y[8] = 2;
    for (size_t i = 0; i < 20; i++)
        add((size_t[]){8}, 1, 1, sums);
    answer(sums, &some);
    double before[2] = {0}, after[2] = {0};
    for (size_t k = 0; k < 4; k++) {
        before[k == 2] += exp(none.value[8 * 4 + k]);
        after[k == 2] += exp(some.value[8 * 4 + k]);
    }
    ck_assert_double_gt(after[1] / (after[0] + after[1]), before[1] / (before[0] + before[1]) + 0.2);
    tear_down();
}
END_TEST

START_TEST(sums_that_are_no_rows_are_refused)
{
    static const double bad[] = {NAN, INFINITY, -1e30};
    double room[MOST_CLASSES * M + M * (M + 1) / 2];
    struct task_layer layer;
    set_up(0);
    task_layer_at(&spec, room, &layer);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double sums[SUMS] = {0};
        sums[TASK_SUM_PRODUCTS + M] = bad[i];
        ck_assert(!task_layer_solve(&spec, &block.params, sums, &layer));
    }
    double sums[SUMS] = {0};
    sums[TASK_SUM_PRODUCTS] = INFINITY;
    ck_assert(!task_layer_solve(&spec, &block.params, sums, &layer));
    tear_down();
}
END_TEST

/* An outlier among the known rows says no more than a row at the clip. */
START_TEST(an_outlier_counts_as_if_no_further_than_the_clip)
{
    double sums[SUMS] = {0}, cut[SUMS] = {0}, far[] = {1e9, -1e9, 0.25};
    set_up(0);
    spec.task.clip = 0.5;
    task_sums_add(&spec, &block.params, f0, phi, far, NULL, 3, 1, sums);
    spec.task.clip = 0;
    for (size_t i = 0; i < 3; i++)
        far[i] = (double)f0[i] + fmax(fmin(far[i] - (double)f0[i], 0.5), -0.5);
    task_sums_add(&spec, &block.params, f0, phi, far, NULL, 3, 1, cut);
    for (size_t i = 0; i < task_spec_d_sums(&spec); i++)
        ck_assert_double_eq_tol(sums[i], cut[i], 1e-6);
    tear_down();
}
END_TEST

SUITE("engine/network: task_head", NULL, NULL,
      {rows_that_are_computed_alone_are_those_computed_together, N_KINDS},
      {the_order_of_rows_makes_no_difference, N_KINDS},
      {a_row_that_is_taken_out_again_was_never_there, N_KINDS},
      {a_row_of_weight_two_is_the_row_twice, N_KINDS},
      {without_rows_the_answer_is_what_all_tasks_share, N_KINDS},
      {many_rows_are_believed_as_least_squares_believes_them}, {each_row_makes_the_task_surer, N_KINDS},
      {rows_of_one_class_make_it_likelier}, {sums_that_are_no_rows_are_refused},
      {an_outlier_counts_as_if_no_further_than_the_clip})
