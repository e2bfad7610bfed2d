/* engine/train/one_for_all: what is held out, the course, and fine-tuning. Risks: rows that are validated on
 * and learned from, a course that differs from run to run, ids that say nothing, a network that stays the
 * task's after its turn, and fine-tuning where it only does harm. */
#include "engine/train/one_for_all/fine_tune.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <math.h>

enum { TASKS = 12, EACH = 20, N = TASKS * EACH, D = 2 };

static real x[N * D];
static double y[N], times[N], level[TASKS];
static uint32_t task[N];
static size_t row_start[TASKS + 1];
static struct pooled_rows rows;
static struct pooled_holdout holdout;
static struct pooled_network net;
static const struct pooled_options options = {.seed = 3, .most_steps = 400};
static const struct model_spec like = {
    .d_item = D,
    .d_output = 1,
    .task = {.present = true, .n_features = 1, .features = {{8, ACTIVATION_TANH}}, .d_basis = 2}};
static struct err e;

/* Tasks whose levels differ by so much. */
static void make_rows(double differ)
{
    struct rng r;
    rng_init(&r, 5, 1);
    for (size_t t = 0; t < TASKS; t++) {
        level[t] = differ * rng_normal(&r);
        row_start[t + 1] = (t + 1) * EACH;
    }
    for (size_t i = 0; i < N; i++) {
        task[i] = (uint32_t)(i / EACH);
        times[i] = (double)(i % EACH);
        x[i * D] = (real)rng_normal(&r);
        x[i * D + 1] = (real)rng_normal(&r);
        y[i] = level[task[i]] + (double)x[i * D] + 0.1 * rng_normal(&r);
    }
    rows = (struct pooled_rows){TASKS, row_start, x, y, task, NULL};
}

static void set_up(void)
{
    e = (struct err){0};
    make_rows(1);
}

static void tear_down(void)
{
    pooled_holdout_fini(&holdout);
    pooled_network_fini(&net);
}

static struct pooled_course train(size_t n_tasks, bool of_tasks)
{
    struct pooled_course course;
    tear_down();
    ck_assert_int_eq(pooled_network_init(&net, &like, n_tasks, &e), ERR_OK);
    ck_assert_int_eq(pooled_holdout_make(&holdout, &rows, of_tasks, 1, &e), ERR_OK);
    ck_assert_int_eq(pooled_fit_validated(&net, &rows, &holdout, &options, &course, &e), ERR_OK);
    return course;
}

static double answer_of(size_t i, uint32_t of_task)
{
    struct pooled_pass pass;
    ck_assert_int_eq(pooled_pass_init(&pass, &net, 1, &e), ERR_OK);
    pooled_pass_add(&pass, x + i * D, 0, of_task);
    pooled_pass_forward(&pass);
    double f = (double)pass.f[0];
    pooled_pass_fini(&pass);
    return f;
}

START_TEST(tasks_are_held_whole_rows_of_each_or_the_newest)
{
    size_t whole = 0;
    ck_assert_int_eq(pooled_holdout_make(&holdout, &rows, true, 1, &e), ERR_OK);
    for (size_t t = 0; t < TASKS; t++) {
        for (size_t i = 1; i < EACH; i++)
            ck_assert_uint_eq(holdout.held[t * EACH + i], holdout.held[t * EACH]);
        whole += holdout.held[t * EACH];
    }
    ck_assert_uint_eq(whole, 2);
    pooled_holdout_fini(&holdout);
    ck_assert_int_eq(pooled_holdout_make(&holdout, &rows, false, 1, &e), ERR_OK);
    for (size_t t = 0; t < TASKS; t++) {
        size_t n = 0;
        for (size_t i = 0; i < EACH; i++)
            n += holdout.held[t * EACH + i];
        ck_assert_uint_eq(n, 3);
    }
    pooled_holdout_fini(&holdout);
    rows.time = times;
    ck_assert_int_eq(pooled_holdout_make(&holdout, &rows, true, 1, &e), ERR_OK);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(holdout.held[i], times[i] > 19 - 0.15 * 19);
    ck_assert(!holdout.of_tasks);
}
END_TEST

START_TEST(one_row_is_learned_from_and_nothing_is_held)
{
    static size_t start[] = {0, 1};
    rows.n_tasks = 1;
    rows.row_start = start;
    struct pooled_course course = train(0, true);
    ck_assert_uint_eq(holdout.n_held, 0);
    ck_assert(isnan(course.error));
    ck_assert_double_eq_tol(answer_of(0, 0), y[0], 0.1);
}
END_TEST

START_TEST(what_is_held_is_not_learned_from)
{
    (void)train(TASKS, false);
    double before = answer_of(0, 0);
    for (size_t i = 0; i < N; i++)
        y[i] += holdout.held[i] ? 1e-9 : 0; /* too little to change which step is best */
    (void)train(TASKS, false);
    ck_assert_double_eq(answer_of(0, 0), before);
    for (size_t i = 0; i < N; i++)
        y[i] += holdout.held[i] ? 0 : 0.1;
    (void)train(TASKS, false);
    ck_assert_double_ne(answer_of(0, 0), before);
}
END_TEST

START_TEST(ids_tell_tasks_apart_and_one_that_was_not_seen_is_their_mean)
{
    double pooled = train(0, false).error;
    struct pooled_course course = train(TASKS, false);
    ck_assert_double_lt(course.error, 0.2 * pooled);
    ck_assert_int_eq(pooled_fit_all(&net, &rows, &options, &course, &e), ERR_OK);
    double first = answer_of(0, 0), mean = 0, levels = 0;
    for (size_t t = 0; t < TASKS; t++) {
        levels += level[t] / TASKS;
        mean += (double)net.ids[t * net.d_id] / TASKS;
    }
    ck_assert_double_eq_tol((double)net.ids[TASKS * net.d_id], mean, 1e-6);
    ck_assert_double_eq_tol(first, level[0] + (double)x[0], 0.5);
    ck_assert_double_eq_tol(answer_of(0, TASKS), levels + (double)x[0], 0.6);
}
END_TEST

START_TEST(the_same_seed_trains_the_same_network)
{
    struct pooled_course a = train(TASKS, false);
    double first = answer_of(3, 0);
    struct pooled_course b = train(TASKS, false);
    ck_assert_int_eq(a.best_step, b.best_step);
    ck_assert_double_eq(a.error, b.error);
    ck_assert_double_eq(first, answer_of(3, 0));
}
END_TEST

START_TEST(fine_tuning_helps_where_tasks_differ_and_is_not_done_where_they_do_not)
{
    struct fine_tuner tuner;
    struct fine_tuning how;
    for (int differ = 0; differ < 2; differ++) {
        make_rows(differ ? 2 : 0);
        struct pooled_course course = train(0, _i == 1);
        ck_assert_int_eq(fine_tuner_init(&tuner, &net, &rows, 2, &e), ERR_OK);
        fine_tuner_choose(&tuner, &holdout, 10, &how);
        if (differ) {
            double before = answer_of(0, 0), best = level[0] + (double)x[0];
            ck_assert_int_gt(how.n_steps, 0);
            ck_assert_double_lt(how.error, 0.5 * course.error);
            fine_tuner_start(&tuner, 0, &how);
            ck_assert_double_lt(fabs(answer_of(0, 0) - best), 0.7 * fabs(before - best));
            fine_tuner_end(&tuner);
            ck_assert_double_eq(answer_of(0, 0), before);
        } else {
            ck_assert_double_lt(how.error, 1.2 * course.error + 0.01);
        }
        fine_tuner_fini(&tuner);
    }
}
END_TEST

SUITE("engine/train/one_for_all: fit", set_up, tear_down, {tasks_are_held_whole_rows_of_each_or_the_newest},
      {one_row_is_learned_from_and_nothing_is_held}, {what_is_held_is_not_learned_from},
      {ids_tell_tasks_apart_and_one_that_was_not_seen_is_their_mean}, {the_same_seed_trains_the_same_network},
      {fine_tuning_helps_where_tasks_differ_and_is_not_done_where_they_do_not, 2})
