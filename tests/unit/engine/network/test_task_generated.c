/* engine/network/task_generated.c: what is generated from a task's solved layer, beside loops in double that
 * share nothing with it. Risks: a context or an input of the wrong width, weights of another task, rows
 * whose order makes a difference. */
#include "engine/network/task_generated.h"

#include "engine/model.h"
#include "engine/network/task_solver.h"
#include "tests/support/sample_tasks.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { N = 21, D_MOST = 16, MOST = 64 };

static const enum generator generators[] = {GENERATOR_CORE, GENERATOR_LOW_RANK, GENERATOR_FULL,
                                            GENERATOR_SHARED};
enum { N_KINDS = 8 }; /* of numbers and of classes, each */

static char path[] = "/tmp/test_task_generated_XXXXXX";
static struct model *m;
static struct task_solver s;
static real x[N * D_MOST];

static void open_model(int kind)
{
    struct err e = {0};
    unsigned seed = 3;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    sample_tasks_generated_write(path, "m", kind % 2, generators[kind / 2]);
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(task_solver_init(&s, &m->spec, &m->params, N, &e) == ERR_OK, "%s", e.text);
    for (size_t i = 0; i < N * m->spec.d_item; i++)
        x[i] = (real)(rand_r(&seed) % 200) / 100 - 1;
}

static void stop(void)
{
    task_solver_fini(&s);
    model_unref(m);
    m = NULL;
    (void)unlink(path);
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
}

static void know(size_t from, size_t n)
{
    task_solver_rows(&s, x + from * m->spec.d_item, n);
    for (size_t i = 0; i < n; i++) {
        s.y[i] = m->spec.task.n_classes ? (double)((from + i) % 2) : sin((double)(from + i));
        s.weights[i] = 1;
    }
    task_solver_know(&s, n);
}

/* out (n) = w (n, d) v + b (n), b NULL: 0 */
static void times(const real *w, const real *b, size_t n, size_t d, const double *v, double *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = b ? (double)b[i] : 0;
        for (size_t j = 0; j < d; j++)
            out[i] += (double)w[i * d + j] * v[j];
    }
}

/* What schema/model.md says of one row's phi, a product after the other; returns through value (O). */
static void by_hand(const real *phi, double *value)
{
    const struct model_params *p = &m->params;
    const struct layer_spec *l = m->spec.layers;
    double z[MOST] = {0}, g[MOST] = {0}, g2[MOST] = {0}, b[MOST] = {0}, h[MOST], in[MOST], t[MOST], u[MOST];
    size_t d = l->d_in, k = l->rank, n_z = m->spec.trunk[0].d_out;
    for (size_t j = 0; j < d; j++)
        in[j] = (double)phi[j];
    if (m->spec.n_trunk) {
        times(p->trunk[0].weight, p->trunk[0].bias, n_z, m->spec.d_output * d, s.layer.weights, z);
        for (size_t i = 0; i < n_z; i++)
            z[i] = tanh(z[i]);
        const real *base = l->generator == GENERATOR_CORE       ? p->layers[0].core
                           : l->generator == GENERATOR_LOW_RANK ? p->layers[0].head_bias
                                                                : p->layers[0].weight;
        times(p->layers[0].head, base, layer_spec_n_generated(l), n_z, z, g);
        times(p->layers[0].bias_head, p->layers[0].bias, l->d_out, n_z, z, b);
        times(p->layers[1].head, p->layers[1].weight, layer_spec_n_generated(l + 1), n_z, z, g2);
    }
    for (size_t i = 0; i < l->d_out; i++) {
        h[i] = l->bias == BIAS_SHARED ? (double)p->layers[0].bias[i] : b[i];
        for (size_t j = 0; j < d && l->generator != GENERATOR_CORE; j++)
            h[i] += (l->generator == GENERATOR_FULL ? g[i * d + j] : (double)p->layers[0].weight[i * d + j]) *
                    in[j];
    }
    for (size_t a = 0; a < k; a++) {
        t[a] = 0;
        for (size_t j = 0; j < d; j++)
            t[a] += (l->generator == GENERATOR_CORE ? (double)p->layers[0].v[a * d + j]
                                                    : g[l->d_out * k + a * d + j]) *
                    in[j];
    }
    for (size_t a = 0; a < k; a++) {
        u[a] = l->generator == GENERATOR_CORE ? 0 : t[a];
        for (size_t c = 0; c < k && l->generator == GENERATOR_CORE; c++)
            u[a] += g[a * k + c] * t[c];
    }
    for (size_t i = 0; i < l->d_out; i++) {
        for (size_t a = 0; a < k; a++)
            h[i] +=
                (l->generator == GENERATOR_CORE ? (double)p->layers[0].u[i * k + a] : g[i * k + a]) * u[a];
        h[i] = tanh(h[i]);
    }
    for (size_t o = 0; o < m->spec.d_output; o++) {
        value[o] = 0;
        for (size_t i = 0; i < l->d_out; i++)
            value[o] +=
                (m->spec.n_trunk ? g2[o * l->d_out + i] : (double)p->layers[1].weight[o * l->d_out + i]) *
                h[i];
    }
}

START_TEST(it_is_the_network_of_the_file)
{
    open_model(_i);
    know(0, 9);
    ck_assert(task_solver_solve(&s));
    task_solver_rows(&s, x, N);
    task_solver_predict(&s, N);
    for (size_t i = 0; i < N; i++) {
        double more[2];
        by_hand(s.phi + i * m->spec.task.d_basis, more);
        for (size_t o = 0; o < m->spec.d_output; o++) {
            size_t at = i * m->spec.d_output + o;
            ck_assert_double_eq_tol((double)(s.f[at] - s.f0[at]), more[o], 1e-5 * (1 + fabs(more[o])));
            ck_assert(fabs(more[o]) > 1e-4); /* there is something to compare */
        }
    }
}
END_TEST

/* Whether there are rows that were known and are no longer, and in which order the others came. */
START_TEST(it_does_not_depend_on_the_order_of_rows)
{
    double first[N * 2];
    open_model(_i);
    know(0, 9);
    ck_assert(task_solver_solve(&s));
    task_solver_rows(&s, x, N);
    task_solver_predict(&s, N);
    memcpy(first, s.value, N * m->spec.d_output * sizeof *first);
    task_solver_start(&s);
    know(5, 6);
    know(0, 5);
    for (size_t i = 9; i < 11; i++) {
        double one = 1, y = m->spec.task.n_classes ? (double)(i % 2) : sin((double)i);
        task_solver_rows(&s, x + i * m->spec.d_item, 1);
        task_sums_add(&m->spec, &m->params, s.f0, s.phi, &y, &one, 1, -1, s.sums);
    }
    ck_assert(task_solver_solve(&s));
    task_solver_rows(&s, x, N);
    task_solver_predict(&s, N);
    for (size_t i = 0; i < N * m->spec.d_output; i++)
        ck_assert_double_eq_tol(s.value[i], first[i], 1e-5 * (1 + fabs(first[i])));
}
END_TEST

START_TEST(two_tasks_have_weights_of_their_own)
{
    real theta[256];
    open_model(_i);
    know(0, 9);
    ck_assert(task_solver_solve(&s));
    size_t n = task_generated_len(&m->spec);
    ck_assert_uint_le(n, sizeof theta / sizeof *theta);
    memcpy(theta, s.layer.theta, n * sizeof *theta);
    task_solver_start(&s);
    know(9, 12);
    ck_assert(task_solver_solve(&s));
    ck_assert_int_eq(n > 0, m->spec.n_trunk > 0);
    ck_assert(n == 0 || memcmp(theta, s.layer.theta, n * sizeof *theta) != 0);
}
END_TEST

SUITE("engine/network: task_generated", NULL, stop, {it_is_the_network_of_the_file, N_KINDS},
      {it_does_not_depend_on_the_order_of_rows, N_KINDS}, {two_tasks_have_weights_of_their_own, N_KINDS})
