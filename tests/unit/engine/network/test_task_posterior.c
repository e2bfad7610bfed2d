/* engine/network/task_posterior.c: the model that is made of a task says of every row what its layer says,
 * and learns rows that come later as if it had those before. Risks: a scale that is counted twice, a factor
 * that is applied from the wrong side. */
#include "engine/network/task_posterior.h"

#include "engine/model.h"
#include "engine/network/task_generated.h"
#include "engine/network/task_solver.h"
#include "tests/support/sample_tasks.h"
#include "tests/support/suite.h"

#include <math.h>
#include <unistd.h>

enum { N = 24, D_MOST = 16, ROOM = 4096 };

static char path[] = "/tmp/test_task_posterior_XXXXXX";
static struct model *m;
static struct task_solver before, after;
static struct model_spec own_spec;
static struct model_params own;
static real x[N * D_MOST], room[ROOM];
static double y[N];

static const enum generator generators[] = {GENERATOR_CORE, GENERATOR_LOW_RANK, GENERATOR_FULL,
                                            GENERATOR_SHARED};

/* generated below 0: nothing is. */
static void open_generated(bool classes, int generated)
{
    struct err e = {0};
    unsigned seed = 3;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    if (generated < 0)
        sample_tasks_write(path, "m", classes);
    else
        sample_tasks_generated_write(path, "m", classes, generators[generated]);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_le(task_posterior_len(&m->spec), ROOM);
    ck_assert_uint_le(m->spec.d_item, D_MOST);
    for (size_t i = 0; i < N * m->spec.d_item; i++)
        x[i] = (real)(rand_r(&seed) % 200) / 100 - 1;
    for (size_t i = 0; i < N; i++)
        y[i] = classes ? (double)(rand_r(&seed) % 2) : (double)(rand_r(&seed) % 200) / 100 - 1;
}

static void open_model(bool classes)
{
    open_generated(classes, -1);
}

static void stop(void)
{
    task_solver_fini(&before);
    task_solver_fini(&after);
    model_unref(m);
    (void)unlink(path);
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
}

static void know(struct task_solver *s, size_t from, size_t n)
{
    task_solver_rows(s, x + from * m->spec.d_item, n);
    for (size_t i = 0; i < n; i++) {
        s->y[i] = y[from + i];
        s->weights[i] = 1;
    }
    task_solver_know(s, n);
    ck_assert(task_solver_solve(s));
}

/* The model of the task of which the first n rows are known. */
static void make(size_t n)
{
    struct err e = {0};
    ck_assert_int_eq(task_solver_init(&before, &m->spec, &m->params, N, &e), ERR_OK);
    know(&before, 0, n);
    task_posterior_spec(&m->spec, &own_spec);
    ck_assert_msg(model_spec_check(&own_spec, &e) == ERR_OK, "%s", e.text);
    task_posterior(&m->spec, &m->params, &before.layer, n, room, &own);
    ck_assert_int_eq(task_solver_init(&after, &own_spec, &own, N, &e), ERR_OK);
    ck_assert(task_solver_solve(&after));
}

static void same_answers(double tolerance)
{
    for (struct task_solver *s = &before; s; s = s == &before ? &after : NULL) {
        task_solver_rows(s, x, N);
        task_solver_predict(s, N);
    }
    for (size_t i = 0; i < N * m->spec.d_output; i++)
        ck_assert_double_eq_tol(before.value[i], after.value[i], tolerance * (1 + fabs(before.value[i])));
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(before.spread[i], after.spread[i], tolerance * (1 + before.spread[i]));
    ck_assert_double_eq_tol(before.layer.shape, after.layer.shape, 1e-4 * before.layer.shape);
}

START_TEST(test_it_says_what_the_layer_of_the_task_says)
{
    open_model(_i % 2);
    make(_i < 2 ? 0 : 12);
    same_answers(1e-4);
}
END_TEST

/* Of numbers and of classes, by each generator: the network is the same for all rows from then on. */
START_TEST(a_generated_network_becomes_a_shared_one)
{
    struct tensor_spec tensors[MODEL_MAX_TENSORS];
    open_generated(_i % 2, _i / 2);
    make(12);
    same_answers(1e-4);
    size_t n = model_spec_tensors(&own_spec, tensors);
    for (size_t i = 0; i < n; i++) {
        ck_assert_ptr_null(strstr(tensors[i].name, "head"));
        ck_assert_ptr_nonnull(*model_params_slot(&own, &tensors[i]));
    }
    know(&after, 12, 12); /* later rows move the solved layer alone */
    ck_assert_uint_eq(task_generated_len(&own_spec), 0);
}
END_TEST

START_TEST(test_it_learns_later_rows_beside_those_before)
{
    open_model(false);
    make(12);
    know(&before, 12, 12);
    know(&after, 12, 12);
    same_answers(1e-3);
}
END_TEST

/* A task of 4 known rows: without another one the errors are those of 3 to 4, with 1 those of 5 to 8. */
START_TEST(errors_are_those_of_as_many_rows_as_are_known_together)
{
    static real table[TASK_KNOWN_BUCKETS * TASK_QUANTILES];
    for (size_t i = 0; i < TASK_KNOWN_BUCKETS * TASK_QUANTILES; i++)
        table[i] = (real)(i / TASK_QUANTILES); /* its row */
    open_model(false);
    struct model_spec spec = m->spec;
    struct model_params params = m->params;
    spec.task.calibrated = true;
    params.task_calibration = table;
    ck_assert_uint_le(task_posterior_len(&spec), ROOM);
    ck_assert_int_eq(task_solver_init(&before, &m->spec, &m->params, N, NULL), ERR_OK);
    know(&before, 0, 4);
    task_posterior(&spec, &params, &before.layer, 4, room, &own);
    const double expected[TASK_KNOWN_BUCKETS] = {3, 4, 4, 4, 5, 5, 6, 7};
    for (size_t row = 0; row < TASK_KNOWN_BUCKETS; row++)
        ck_assert_double_eq((double)own.task_calibration[row * TASK_QUANTILES + 10], expected[row]);
}
END_TEST

SUITE("engine task_posterior", NULL, stop, {test_it_says_what_the_layer_of_the_task_says, 4},
      {a_generated_network_becomes_a_shared_one, 8}, {test_it_learns_later_rows_beside_those_before},
      {errors_are_those_of_as_many_rows_as_are_known_together})
