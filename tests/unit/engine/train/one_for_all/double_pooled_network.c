/* engine/train/one_for_all/pooled_network.c against finite differences, in double precision: through the
 * features to the weights and to the vectors of tasks. Risk: a wrong term, which makes a baseline worse than
 * it is, and a model look better. */
#include "engine/train/one_for_all/pooled_network.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <math.h>

enum { N = 7, D = 3, TASKS = 3 };

static const struct setting {
    const char *name;
    size_t n_classes, n_tasks;
} settings[] = {{"numbers", 0, 0}, {"numbers with ids", 0, TASKS}, {"classes with ids", 3, TASKS}};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static struct pooled_network net;
static struct pooled_pass pass;
static real x[N * D];
static double y[N];

static void set_up(const struct setting *s)
{
    struct rng r;
    struct err e = {0};
    struct model_spec like = {.d_item = D,
                              .d_output = s->n_classes ? s->n_classes : 1,
                              .task = {.present = true,
                                       .n_features = 2,
                                       .features = {{5, ACTIVATION_TANH}, {4, ACTIVATION_TANH}},
                                       .d_basis = 2,
                                       .n_classes = s->n_classes}};
    rng_init(&r, 3, 1);
    ck_assert_int_eq(pooled_network_init(&net, &like, s->n_tasks, &e), ERR_OK);
    ck_assert_int_eq(pooled_pass_init(&pass, &net, N, &e), ERR_OK);
    pooled_network_start(&net, 1);
    for (size_t i = 0; i < net.block.n_values; i++)
        net.block.values[i] = 0.5 * rng_normal(&r);
    for (size_t i = 0; i < N * D; i++)
        x[i] = rng_normal(&r);
    for (size_t i = 0; i < N; i++)
        y[i] = s->n_classes ? (double)rng_below(&r, s->n_classes) : rng_normal(&r);
}

static void tear_down(void)
{
    pooled_pass_fini(&pass);
    pooled_network_fini(&net);
}

/* The last rows are of a task that was not seen, whose vector is not learned. */
static void add_rows(void)
{
    pass.n = 0;
    for (size_t i = 0; i < N; i++)
        pooled_pass_add(&pass, x + i * D, y[i], net.n_tasks ? (uint32_t)(i % (net.n_tasks + 1)) : 0);
}

static void check(const struct setting *s, const char *what, real *values, const real *grads, size_t n)
{
    const double h = 1e-5;
    for (size_t i = 0; i < n; i++) {
        double was = values[i];
        values[i] = was + h;
        add_rows();
        double above = pooled_pass_loss(&pass);
        values[i] = was - h;
        add_rows();
        double slope = 0.3 * (above - pooled_pass_loss(&pass)) / (2 * h);
        values[i] = was;
        ck_assert_msg(fabs(slope - grads[i]) <= 1e-7 + 1e-6 * fabs(slope), "%s, %s %zu: %.10g, not %.10g",
                      s->name, what, i, grads[i], slope);
    }
}

START_TEST(the_gradient_is_that_of_finite_differences)
{
    const struct setting *s = &settings[_i];
    set_up(s);
    add_rows();
    double loss = pooled_pass_gradient(&pass, 0.3);
    add_rows();
    ck_assert_double_eq_tol(loss, pooled_pass_loss(&pass), 1e-12);
    check(s, "value", net.block.values, net.block.grads, net.block.n_values);
    check(s, "of a vector", net.ids, net.id_grads, net.n_tasks * net.d_id);
}
END_TEST

/* Less than 1e-16 likely: 1 - p is 1 there, and NAN is no loss of 690. */
START_TEST(the_loss_of_a_class_that_is_hardly_likely_keeps_its_digits)
{
    const struct model_params *p = &net.block.params;
    set_up(&settings[2]);
    for (size_t i = 0; i < net.block.n_values; i++)
        net.block.values[i] = 0;
    real *bias = p->shared_bias;
    bias[0] = 60.25;
    y[0] = 1;
    pass.n = 0;
    pooled_pass_add(&pass, x, y[0], 0);
    ck_assert_double_eq_tol(pooled_pass_loss(&pass), 60.25, 1e-9);
    bias[0] = NAN;
    pass.n = 0;
    pooled_pass_add(&pass, x, y[0], 0);
    ck_assert(!isfinite(pooled_pass_loss(&pass)));
}
END_TEST

SUITE("engine/train/one_for_all: network", NULL, tear_down,
      {the_gradient_is_that_of_finite_differences, N_SETTINGS},
      {the_loss_of_a_class_that_is_hardly_likely_keeps_its_digits})
