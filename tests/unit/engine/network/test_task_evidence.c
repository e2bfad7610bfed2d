/* engine/network/task_evidence.c: the likelihood of rows together is that of the first, of the second when
 * the first is known, and so on. Risks: rows taken for independent, a scale for a variance, a determinant
 * for its root. */
#include "engine/network/task_evidence.h"

#include "engine/model.h"
#include "engine/network/task_solver.h"
#include "tests/support/sample_tasks.h"
#include "tests/support/suite.h"

#include <math.h>
#include <unistd.h>

enum { N = 6, KNOWN = 3, D_MOST = 16, ROOM = 256 };

static char path[] = "/tmp/test_task_evidence_XXXXXX";
static struct model *m;
static struct task_solver s;
static double room[ROOM], y[N];
static real x[N * D_MOST];

static void open_model(bool classes)
{
    struct err e = {0};
    unsigned seed = 11;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    sample_tasks_write(path, "m", classes);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_le(task_evidence_room(&m->spec, N), ROOM);
    for (size_t i = 0; i < N * m->spec.d_item; i++)
        x[i] = (real)(rand_r(&seed) % 200) / 100 - 1;
    for (size_t i = 0; i < N; i++)
        y[i] = classes ? (double)(i % 2) : (double)(rand_r(&seed) % 200) / 100 - 1;
    ck_assert_int_eq(task_solver_init(&s, &m->spec, &m->params, N, &e), ERR_OK);
}

static void stop(void)
{
    task_solver_fini(&s);
    model_unref(m);
    (void)unlink(path);
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
}

/* The first n rows are known. */
static void know(size_t n)
{
    task_solver_start(&s);
    task_solver_rows(&s, x, n);
    for (size_t i = 0; i < n; i++) {
        s.y[i] = y[i];
        s.weights[i] = 1;
    }
    task_solver_know(&s, n);
    ck_assert(task_solver_solve(&s));
}

/* log of Student's t at z = (y - value) / root of the spread. */
static double log_density(double z2, double freedom, double spread)
{
    return lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - log(freedom * M_PI * spread) / 2 -
           (freedom + 1) / 2 * log1p(z2 / freedom);
}

START_TEST(rows_together_are_as_likely_as_one_after_the_other)
{
    double sum = 0;
    open_model(false);
    for (size_t i = KNOWN; i < N; i++) {
        know(i);
        task_solver_rows(&s, x + i * m->spec.d_item, 1);
        task_solver_predict(&s, 1);
        double rest = y[i] - s.value[0];
        sum += log_density(rest * rest / s.spread[0], 2 * s.layer.shape, s.spread[0]);
    }
    know(KNOWN);
    task_solver_rows(&s, x + KNOWN * m->spec.d_item, N - KNOWN);
    double together = task_evidence(&m->spec, &m->params, &s.layer, s.f0, s.phi, y + KNOWN, N - KNOWN, room);
    ck_assert_double_eq_tol(together, sum, 1e-4 * fabs(sum));
}
END_TEST

START_TEST(classes_count_by_their_probabilities)
{
    double sum = 0, entropy = 0;
    open_model(true);
    know(KNOWN);
    task_solver_rows(&s, x, N);
    task_solver_predict(&s, N);
    for (size_t i = 0; i < N; i++) {
        double p = 1 / (1 + exp(s.value[2 * i] - s.value[2 * i + 1])); /* of the second */
        sum += log(y[i] > 0 ? p : 1 - p);
        entropy -= p * log(p) + (1 - p) * log(1 - p);
    }
    ck_assert_double_eq_tol(task_evidence(&m->spec, &m->params, &s.layer, s.f0, s.phi, y, N, room), sum,
                            1e-9);
    ck_assert_double_eq_tol(task_mean_entropy(&m->spec, &m->params, &s.layer, s.f0, s.phi, N, room),
                            entropy / N, 1e-9);
}
END_TEST

SUITE("engine/network/task_evidence", NULL, stop, {rows_together_are_as_likely_as_one_after_the_other, 1},
      {classes_count_by_their_probabilities, 1})
