/* First values of a model: whatever generates a layer's weights, what passes through it keeps the variance
 * that He et al. 2015 ask of a layer before a rectifier, for every context. Risk: a generator whose layer
 * starts dead, or louder than the others at one learning rate. */
#include "base/mem.h"
#include "engine/network/hypernet.h"
#include "engine/train/ranking/model_init.h"
#include "tests/support/suite.h"
#include "tests/support/train_world.h"

#include "base/rng.h"

#include <math.h>

enum { DIM = 24, N_CONTEXTS = 40, N_INPUTS = 200 };

static struct train_circle circle;
static struct parallel *team;
static struct split split;

static void setup(void)
{
    struct err e = {0};
    train_circle_make(&circle, false);
    ck_assert_int_eq(parallel_new(1, &team, &e), ERR_OK);
    ck_assert_int_eq(split_init(&split, &circle.data, true, 1, &e), ERR_OK);
}

static void teardown(void)
{
    split_fini(&split);
    parallel_free(team);
}

static void fill(real *x, size_t n, double deviation, struct rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (real)(deviation * rng_normal(r));
}

/* W (d_out, d_in) of the first layer, as a naive reading of hypernet.h makes it. */
static void first_weights(const struct model_spec *spec, const struct model_params *p, const real *theta,
                          double *w)
{
    const struct layer_spec *l = &spec->layers[0];
    struct theta_layout at;
    theta_layout_of(spec, &at);
    const real *g = theta + at.layers[0].weight, *b = g + l->d_out * l->rank;
    for (size_t i = 0; i < l->d_out; i++)
        for (size_t j = 0; j < l->d_in; j++) {
            double *to = &w[i * l->d_in + j];
            *to = l->generator == GENERATOR_FULL   ? (double)g[i * l->d_in + j]
                  : l->generator == GENERATOR_CORE ? 0
                                                   : (double)p->layers[0].weight[i * l->d_in + j];
            for (size_t k = 0; l->generator == GENERATOR_LOW_RANK && k < l->rank; k++)
                *to += (double)g[i * l->rank + k] * (double)b[k * l->d_in + j];
            for (size_t k = 0; l->generator == GENERATOR_CORE && k < l->rank * l->rank; k++)
                *to += (double)p->layers[0].u[i * l->rank + k / l->rank] * (double)g[k] *
                       (double)p->layers[0].v[k % l->rank * l->d_in + j];
        }
}

/* The mean square of what the weights make of inputs of the size that items have. */
static double passed(const struct layer_spec *l, const double *w, double input_rms, struct rng *r)
{
    real x[DIM];
    double sum = 0;
    for (size_t n = 0; n < N_INPUTS; n++) {
        fill(x, l->d_in, input_rms, r);
        for (size_t i = 0; i < l->d_out; i++) {
            double h = 0;
            for (size_t j = 0; j < l->d_in; j++)
                h += w[i * l->d_in + j] * (double)x[j];
            sum += h * h;
        }
    }
    return sum / (double)(N_INPUTS * l->d_out);
}

START_TEST(test_each_generator_starts_with_the_variance_of_a_rectifiers_layer)
{
    static const enum generator generators[] = {GENERATOR_SHARED, GENERATOR_FULL, GENERATOR_LOW_RANK,
                                                GENERATOR_CORE};
    struct ials_options ials = {.dim = DIM, .alpha = 0.3, .reg = 0.01, .reg_exponent = 1, .seed = 1};
    struct train_options options;
    struct ials_start factors;
    struct model_spec spec;
    struct param_block block;
    struct rng r;
    struct err e = {0};
    train_options_default(&options);
    options.generator = generators[_i];
    rng_init(&r, 9, 0);
    ck_assert_int_eq(ials_factorise(&split, &ials, team, NULL, NULL, &factors, &e), ERR_OK);
    ck_assert_int_eq(model_init_spec(&split, &options, &ials, &spec, &e), ERR_OK);
    ck_assert_int_eq(param_block_init(&block, &spec, &e), ERR_OK);
    model_init_values(&spec, &factors, circle.data.n_users, 1, &block);
    const struct layer_spec *l = &spec.layers[0];
    struct theta_layout at;
    theta_layout_of(&spec, &at);
    real *workspace = mem_alloc_array(hypernet_workspace_len(&spec), sizeof *workspace);
    real *theta = mem_alloc_array(at.len + 1, sizeof *theta), *c = mem_alloc_array(spec.d_context, sizeof *c);
    double *w = mem_alloc_array(l->d_out * l->d_in, sizeof *w), all = 0;
    for (size_t n = 0; n < N_CONTEXTS; n++) {
        fill(c, spec.d_context, 1, &r);
        ck_assert_int_eq(hypernet_generate(&spec, &block.params, c, workspace, theta, &e), ERR_OK);
        first_weights(&spec, &block.params, theta, w);
        double one = passed(l, w, 0.1, &r);
        ck_assert_msg(one > 0.8 && one < 5, "context %zu: %g", n, one);
        all += one / N_CONTEXTS;
    }
    ck_assert_msg(all > 1.4 && all < 2.9, "%s: %g", generator_name(generators[_i]), all);
    mem_free(w);
    mem_free(c);
    mem_free(theta);
    mem_free(workspace);
    param_block_fini(&block);
    model_spec_fini(&spec);
    ials_start_fini(&factors);
}
END_TEST

SUITE("train model_init", setup, teardown,
      {test_each_generator_starts_with_the_variance_of_a_rectifiers_layer, 4})
