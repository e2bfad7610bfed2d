/* engine/train/task as a whole, through train_run: tasks that are drawn, a model file that is better than
 * its start. Risks: a result that depends on the number of threads or is not the seed's, tasks that are
 * not learned at all, a training that cannot go on and writes. */
#include "engine/train/train.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/model.h"
#include "engine/network/task_generated.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_TASKS = 60, ROWS = 16, N = N_TASKS * ROWS, MOST_BYTES = 1 << 20 };

static char folder[] = "/tmp/test_task_training_XXXXXX", path[128];
static char column_name[] = "x", target[] = "y", low[] = "low", high[] = "high";
static char *classes[] = {high, low};
static struct column column;
static struct task_spec about;
static struct task_table table;
static struct train_data data;
static bool chosen;              /* whether weights are generated is left to validation */
static enum generator generator; /* else by this */
static size_t row_start[N_TASKS + 1];
static real x[N];
static double y[N];

/* Each task a sine with an amplitude and a phase of its own; as classes, its sign. */
static void set_up(void)
{
    struct rng r;
    rng_init(&r, 11, 1);
    chosen = true;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/m", folder);
    column = (struct column){.name = column_name, .deviation = 1, .least = -3, .most = 3};
    about = (struct task_spec){.present = true,
                               .columns = {1, &column},
                               .target = target,
                               .target_deviation = 1,
                               .target_least = -5,
                               .target_most = 5};
    for (size_t t = 0; t < N_TASKS; t++) {
        double amplitude = 0.5 + 3 * rng_uniform(&r), phase = 3 * rng_uniform(&r);
        row_start[t + 1] = row_start[t] + ROWS;
        for (size_t i = row_start[t]; i < row_start[t + 1]; i++) {
            x[i] = (real)(6 * rng_uniform(&r) - 3);
            y[i] = amplitude * sin((double)x[i] + phase) + 0.05 * rng_normal(&r);
        }
    }
    table = (struct task_table){.n_tasks = N_TASKS, .row_start = row_start, .x = x, .y = y, .about = &about};
    data = (struct train_data){.tasks = &table};
}

static void use_classes(void)
{
    about.classes = classes;
    about.n_classes = 2;
    for (size_t i = 0; i < N; i++)
        y[i] = y[i] <= 0;
}

static void tear_down(void)
{
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static enum err_code train(int n_threads, uint64_t seed, int n_epochs, struct train_report *report,
                           struct err *e)
{
    struct train_options o;
    train_options_default(&o);
    o.objective = about.n_classes ? &objective_classification : &objective_regression;
    o.n_threads = n_threads;
    o.seed = seed;
    o.n_epochs = n_epochs;
    o.dim = 8;
    o.choose_generator = chosen;
    o.generator = generator;
    return train_run(&data, &o, path, NULL, NULL, report, e);
}

static void must_train(int n_threads, uint64_t seed, int n_epochs)
{
    struct train_report report;
    struct err e = {0};
    ck_assert_msg(train(n_threads, seed, n_epochs, &report, &e) == ERR_OK, "%s", e.text);
    ck_assert(report.written);
    ck_assert_int_eq(report.end, TRAIN_COMPLETE);
}

static size_t read_file(char *out)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(out, 1, MOST_BYTES, f);
    ck_assert(n < MOST_BYTES);
    ck_assert_int_eq(fclose(f), 0);
    return n;
}

START_TEST(the_file_is_that_of_the_seed_whatever_the_threads)
{
    static char one[MOST_BYTES], other[MOST_BYTES];
    chosen = _i < 2;
    generator = _i < 4 ? GENERATOR_CORE : GENERATOR_LOW_RANK;
    if (_i % 2)
        use_classes();
    must_train(1, 1, 1);
    size_t n = read_file(one);
    must_train(2, 1, 1);
    ck_assert_uint_eq(read_file(other), n);
    ck_assert_mem_eq(one, other, n);
    must_train(1, 1, 1);
    ck_assert_uint_eq(read_file(other), n);
    ck_assert_mem_eq(one, other, n);
    must_train(1, 2, 1);
    ck_assert_uint_eq(read_file(other), n);
    ck_assert(memcmp(one, other, n) != 0);
}
END_TEST

/* Of task t, of which the first `known` rows are known: the mean error of the rest, or the share of classes
 * that is wrong. */
static double error_of(const struct model *m, size_t t, size_t known)
{
    const struct model_spec *spec = &m->spec;
    size_t o = spec->d_output, d = spec->task.d_basis, from = row_start[t];
    real workspace[4096], f0[ROWS * 2], phi[ROWS * 8];
    double sums[2 + 2 * 8 + 36] = {0}, room[2 * 8 + 36 + 2048], work[8], value[ROWS * 2], spread[ROWS],
                            learned[ROWS];
    double error = 0;
    struct task_layer layer;
    ck_assert_uint_le(task_features_workspace_len(spec, ROWS), 4096);
    ck_assert_uint_le(task_generated_workspace_len(spec, ROWS), 4096);
    ck_assert_uint_le(task_layer_len(spec), sizeof room / sizeof *room);
    ck_assert_uint_eq(d, 8);
    task_features(spec, &m->params, x + from, ROWS, workspace, NULL, f0, phi);
    for (size_t i = 0; i < ROWS; i++)
        learned[i] = spec->task.n_classes ? y[from + i] : task_learned_target(&spec->task, y[from + i]);
    task_sums_add(spec, &m->params, f0, phi, learned, NULL, known, 1, sums);
    task_layer_at(spec, room, &layer);
    ck_assert(task_layer_solve(spec, &m->params, sums, &layer));
    ck_assert(task_generated_make(spec, &m->params, workspace, &layer));
    task_generated_add(spec, &m->params, &layer, phi, ROWS, workspace, f0, f0);
    task_layer_predict(spec, &m->params, &layer, f0, phi, ROWS, work, value, spread, NULL);
    for (size_t i = known; i < ROWS; i++)
        error += o == 1 ? fabs(task_target(&spec->task, value[i]) - y[from + i])
                        : (value[i * 2 + 1] > value[i * 2]) != (y[from + i] == 1);
    return error / (double)(ROWS - known);
}

static double mean_error(size_t known)
{
    struct model *m;
    struct err e = {0};
    double sum = 0;
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    for (size_t t = 0; t < N_TASKS; t++)
        sum += error_of(m, t, known);
    model_unref(m);
    return sum / N_TASKS;
}

START_TEST(training_makes_tasks_of_few_rows_predictable)
{
    if (_i)
        use_classes();
    must_train(1, 1, 1);
    double begun = mean_error(8);
    must_train(1, 1, 12);
    double none = mean_error(0), some = mean_error(8);
    ck_assert_msg(some < 0.7 * begun, "with 8 rows %g after much training and %g after little", some, begun);
    ck_assert_msg(some < 0.4 * none, "with 8 rows %g, with none %g", some, none);
    ck_assert_msg(some < (_i ? 0.12 : 0.35), "%g", some);
}
END_TEST

/* Asked for, they are in the file whatever validation says; and no worse than without. */
START_TEST(generated_weights_are_trained_on_top_of_the_solved_layer)
{
    struct train_report report;
    struct err e = {0};
    struct model *m;
    must_train(1, 1, 6);
    double without = mean_error(8);
    chosen = false;
    generator = _i ? GENERATOR_FULL : GENERATOR_CORE;
    ck_assert_msg(train(1, 1, 6, &report, &e) == ERR_OK, "%s", e.text);
    ck_assert_str_eq(report_find(&report, "generator")->text, generator_name(generator));
    ck_assert_ptr_nonnull(strstr(report.summary, "a network and one with generated weights behind it"));
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_gt(task_generated_len(&m->spec), 0);
    model_unref(m);
    ck_assert_double_le(mean_error(8), without);
    generator = GENERATOR_SHARED; /* nothing is generated */
    ck_assert_msg(train(1, 1, 1, &report, &e) == ERR_OK, "%s", e.text);
    ck_assert_str_eq(report_find(&report, "generator")->text, "none");
}
END_TEST

START_TEST(the_report_says_what_rows_of_a_task_are_worth)
{
    struct train_report report;
    struct err e = {0};
    ck_assert_msg(train(1, 1, 2, &report, &e) == ERR_OK, "%s", e.text);
    ck_assert_ptr_nonnull(strstr(report.summary, "60 tasks; a network, "));
    ck_assert_ptr_nonnull(strstr(report.summary, "steps; root mean squared error of a row in validation"));
    ck_assert_ptr_nonnull(strstr(report.summary, "a task's own part counts "));
}
END_TEST

/* Six tasks of planes in four numbers. */
static void use_planes(void)
{
    enum { FEW = 6, EACH = 40, WIDTH = 4 };
    static struct column columns[WIDTH];
    static char names[WIDTH][2] = {"a", "b", "c", "d"};
    struct rng r;
    rng_init(&r, 3, 1);
    for (size_t j = 0; j < WIDTH; j++) {
        columns[j] = column;
        columns[j].name = names[j];
    }
    about.columns = (struct columns){WIDTH, columns};
    table.n_tasks = FEW;
    for (size_t t = 0; t < FEW; t++) {
        double slope[WIDTH], level = 3 * rng_normal(&r);
        for (size_t j = 0; j < WIDTH; j++)
            slope[j] = 1 + 0.5 * rng_normal(&r);
        row_start[t + 1] = row_start[t] + EACH;
        for (size_t i = row_start[t]; i < row_start[t + 1]; i++) {
            y[i] = level + 0.3 * rng_normal(&r);
            for (size_t j = 0; j < WIDTH; j++)
                y[i] += slope[j] * (double)(x[i * WIDTH + j] = (real)rng_normal(&r));
        }
    }
}

START_TEST(a_linear_model_is_chosen_where_nothing_is_curved_and_a_network_where_it_is)
{
    struct train_report report;
    struct err e = {0};
    if (!_i)
        use_planes();
    ck_assert_msg(train(1, 1, 0, &report, &e) == ERR_OK, "%s", e.text);
    ck_assert_str_eq(report_find(&report, "chosen")->text, _i ? "net" : "linear");
    ck_assert_double_eq(report_find(&report, "validation_tasks")->value, _i ? 9 : 6);
}
END_TEST

/* Of noise there is nothing to learn, whatever one of the candidates has by chance. Of nine held-out tasks of
 * classes that may still be much. */
START_TEST(of_noise_the_closed_form_is_taken)
{
    static const uint64_t seeds[] = {1, 4, 1, 2, 3, 4};
    struct train_report report;
    struct err e = {0};
    struct rng r;
    uint64_t seed = seeds[_i];
    rng_init(&r, seed, 7);
    for (size_t i = 0; i < N; i++)
        y[i] = rng_normal(&r);
    if (_i < 2)
        use_classes();
    ck_assert_msg(train(1, seed, 0, &report, &e) == ERR_OK, "%s", e.text);
    ck_assert_str_eq(report_find(&report, "chosen")->text, "linear");
    ck_assert_double_eq(report_find(&report, "best_step")->value, 0);
}
END_TEST

START_TEST(what_cannot_be_trained_is_refused_and_writes_nothing)
{
    struct train_report report;
    struct err e = {0};
    size_t n_rows = row_start[N_TASKS];
    table.n_tasks = 1;
    ck_assert_int_eq(train(1, 1, 1, &report, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "at least two tasks with two rows; there are 1"));
    table.n_tasks = 2; /* one row each */
    row_start[1] = 1;
    row_start[2] = 2;
    err_clear(&e);
    ck_assert_int_eq(train(1, 1, 1, &report, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "there are 0"));
    row_start[1] = ROWS;
    row_start[2] = 2 * ROWS;
    table.n_tasks = N_TASKS;
    row_start[N_TASKS] = n_rows;
    y[5] = 1e308; /* the mean of squares leaves the range of numbers */
    y[6] = -1e308;
    err_clear(&e);
    ck_assert_int_eq(train(1, 1, 1, &report, &e), ERR_INVALID);
    ck_assert_int_ne(access(path, F_OK), 0);
    data.tasks = NULL;
    err_clear(&e);
    ck_assert_int_eq(train(1, 1, 1, &report, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "are trained from rows of tasks"));
}
END_TEST

START_TEST(an_objective_that_is_not_the_target_s_is_refused)
{
    struct train_report report;
    struct train_options o;
    struct err e = {0};
    train_options_default(&o);
    o.objective = &objective_classification;
    ck_assert_int_eq(train_run(&data, &o, path, NULL, NULL, &report, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "the target has numbers, which is not what classification is for"));
    o.objective = &objective_ranking;
    err_clear(&e);
    ck_assert_int_eq(train_run(&data, &o, path, NULL, NULL, &report, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "are trained from users and items"));
    o.objective = &objective_regression;
    o.checkpoint = path;
    err_clear(&e);
    ck_assert_int_eq(train_run(&data, &o, path, NULL, NULL, &report, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "takes no checkpoint"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/train/task: training");
    TCase *threads = tcase_create("threads"), *t = tcase_create("training");
    tcase_set_timeout(threads, 60);
    tcase_add_checked_fixture(threads, set_up, tear_down);
    tcase_add_loop_test(threads, the_file_is_that_of_the_seed_whatever_the_threads, 0, 6);
    suite_add_tcase(s, threads);
    tcase_set_tags(t, "one_thread"); /* tests/one_thread */
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, generated_weights_are_trained_on_top_of_the_solved_layer, 0, 2);
    tcase_add_loop_test(t, training_makes_tasks_of_few_rows_predictable, 0, 2);
    tcase_add_test(t, the_report_says_what_rows_of_a_task_are_worth);
    tcase_add_loop_test(t, a_linear_model_is_chosen_where_nothing_is_curved_and_a_network_where_it_is, 0, 2);
    tcase_add_loop_test(t, of_noise_the_closed_form_is_taken, 0, 6);
    tcase_add_test(t, what_cannot_be_trained_is_refused_and_writes_nothing);
    tcase_add_test(t, an_objective_that_is_not_the_target_s_is_refused);
    suite_add_tcase(s, t);
    return suite_run(s);
}
