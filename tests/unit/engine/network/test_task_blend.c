/* engine/network/task_blend.c: an output of a blend is the weighted mean of the outputs, and its scale
 * that of a task that is one of them with such a probability. Risks: a scale that is counted twice,
 * differences that are left out, a factor where an inverse is meant. */
#include "engine/network/task_blend.h"

#include "engine/model.h"
#include "engine/network/task_solver.h"
#include "tests/support/sample_tasks.h"
#include "tests/support/suite.h"

#include <math.h>
#include <unistd.h>

enum { N = 12, TASKS = 3, D_MOST = 16, ROOM = 256 };

static char path[] = "/tmp/test_task_blend_XXXXXX";
static struct model *m;
static struct task_solver s;
static struct task_layer layers[TASKS], blend;
static double blocks[TASKS + 1][ROOM], room[ROOM];
static double value[TASKS + 1][N * 2], spread[TASKS + 1][N]; /* last those of the blend */
static real x[N * D_MOST];

static void open_model(bool classes)
{
    struct err e = {0};
    unsigned seed = 7;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    sample_tasks_write(path, "m", classes);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_le(task_layer_len(&m->spec), ROOM);
    ck_assert_uint_le(task_blend_room(&m->spec), ROOM);
    for (size_t i = 0; i < N * m->spec.d_item; i++)
        x[i] = (real)(rand_r(&seed) % 200) / 100 - 1;
    ck_assert_int_eq(task_solver_init(&s, &m->spec, &m->params, N, &e), ERR_OK);
    task_layer_at(&m->spec, blocks[TASKS], &blend);
}

static void stop(void)
{
    task_solver_fini(&s);
    model_unref(m);
    (void)unlink(path);
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
}

static void predict(const struct task_layer *layer, size_t as)
{
    struct task_layer own = s.layer;
    s.layer = *layer;
    task_solver_rows(&s, x, N);
    task_solver_predict(&s, N);
    memcpy(value[as], s.value, N * m->spec.d_output * sizeof *s.value);
    memcpy(spread[as], s.spread, N * sizeof *s.spread);
    s.layer = own;
}

/* Tasks that know 2, 5 and 8 rows, each of a world of its own. */
static void make_tasks(void)
{
    for (size_t t = 0; t < TASKS; t++) {
        task_solver_start(&s);
        task_solver_rows(&s, x, 2 + 3 * t);
        for (size_t i = 0; i < 2 + 3 * t; i++) {
            s.y[i] = m->spec.task.n_classes ? (double)((i + t) % 2) : (double)t - 1 + 0.1 * (double)i;
            s.weights[i] = 1;
        }
        task_solver_know(&s, 2 + 3 * t);
        ck_assert(task_solver_solve(&s));
        task_layer_at(&m->spec, blocks[t], &layers[t]);
        memcpy(layers[t].weights, s.layer.weights,
               m->spec.d_output * m->spec.task.d_basis * sizeof *s.layer.weights);
        memcpy(layers[t].factor, s.layer.factor,
               model_spec_packed(m->spec.task.d_basis) * sizeof *s.layer.factor);
        layers[t].shape = s.layer.shape;
        layers[t].scale = s.layer.scale;
        predict(&layers[t], t);
    }
}

START_TEST(an_output_and_its_scale_are_those_of_a_task_that_is_one_of_them)
{
    const double weights[TASKS] = {0.5, 0.2, 0.3};
    open_model(false);
    make_tasks();
    ck_assert(task_blend(&m->spec, layers, weights, TASKS, room, &blend));
    predict(&blend, TASKS);
    for (size_t i = 0; i < N; i++) {
        double mean = 0, scale = 0;
        for (size_t t = 0; t < TASKS; t++)
            mean += weights[t] * value[t][i];
        for (size_t t = 0; t < TASKS; t++)
            scale += weights[t] * (spread[t][i] + (value[t][i] - mean) * (value[t][i] - mean));
        ck_assert_double_eq_tol(value[TASKS][i], mean, 1e-5 * (1 + fabs(mean)));
        ck_assert_double_eq_tol(spread[TASKS][i], scale, 1e-5 * scale);
    }
    ck_assert_double_eq(blend.shape, layers[0].shape); /* of the fewest rows */
}
END_TEST

START_TEST(classes_are_blended_as_logits_and_less_sure_where_tasks_differ)
{
    const double half[2] = {0.5, 0.5};
    open_model(true);
    make_tasks();
    ck_assert(task_blend(&m->spec, layers, half, 2, room, &blend));
    for (size_t j = 0; j < m->spec.d_output * m->spec.task.d_basis; j++)
        ck_assert_double_eq_tol(blend.weights[j], (layers[0].weights[j] + layers[1].weights[j]) / 2, 1e-12);
    predict(&blend, TASKS);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_ge(spread[TASKS][i], (spread[0][i] + spread[1][i]) / 2 * (1 - 1e-9));
}
END_TEST

START_TEST(a_task_that_is_blended_with_itself_is_itself)
{
    const double alone[TASKS] = {0, 1, 0}, thirds[TASKS] = {1.0 / 3, 1.0 / 3, 1.0 / 3};
    open_model(_i == 1);
    make_tasks();
    ck_assert(task_blend(&m->spec, layers, alone, TASKS, room, &blend));
    predict(&blend, TASKS);
    ck_assert_mem_eq(value[TASKS], value[1], N * m->spec.d_output * sizeof(double));
    ck_assert_mem_eq(spread[TASKS], spread[1], N * sizeof(double));
    layers[0] = layers[2] = layers[1];
    ck_assert(task_blend(&m->spec, layers, thirds, TASKS, room, &blend));
    predict(&blend, TASKS);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(spread[TASKS][i], spread[1][i], 1e-9 * (1 + spread[1][i]));
}
END_TEST

START_TEST(what_is_not_finite_is_no_blend)
{
    const double half[2] = {0.5, 0.5};
    open_model(false);
    make_tasks();
    layers[1].weights[0] = INFINITY;
    ck_assert(!task_blend(&m->spec, layers, half, 2, room, &blend));
}
END_TEST

SUITE("engine/network/task_blend", NULL, stop,
      {an_output_and_its_scale_are_those_of_a_task_that_is_one_of_them, 1},
      {classes_are_blended_as_logits_and_less_sure_where_tasks_differ, 1},
      {a_task_that_is_blended_with_itself_is_itself, 2}, {what_is_not_finite_is_no_blend, 1})
