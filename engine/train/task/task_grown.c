#include "engine/train/task/task_grown.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { HIDDEN = 32, TRUNK = 32, CORE_RANK = 16, LOW_RANK = 4 };

void task_grown_spec(struct model_spec *spec, enum generator generator)
{
    bool shared = generator == GENERATOR_SHARED;
    spec->n_trunk = !shared;
    spec->trunk[0] = (struct trunk_layer_spec){TRUNK, ACTIVATION_TANH};
    spec->n_layers = 2;
    spec->layers[0] = (struct layer_spec){.d_in = model_spec_d_target_in(spec),
                                          .d_out = HIDDEN,
                                          .generator = generator,
                                          .rank = generator == GENERATOR_CORE       ? CORE_RANK
                                                  : generator == GENERATOR_LOW_RANK ? LOW_RANK
                                                                                    : 0,
                                          .bias = shared ? BIAS_SHARED : BIAS_FULL,
                                          .activation = ACTIVATION_RELU};
    spec->layers[1] = (struct layer_spec){.d_in = HIDDEN,
                                          .d_out = spec->d_output,
                                          .generator = shared ? GENERATOR_SHARED : GENERATOR_FULL,
                                          .bias = BIAS_NONE,
                                          .activation = ACTIVATION_IDENTITY};
}

static void fill(struct rng *r, real *values, size_t n, double variance)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (real)(sqrt(variance) * rng_normal(r));
}

/* Rows of w (n, d, z) read phi, which is so large: what comes of it has the size of what was drawn. */
static void divide(real *w, size_t n, size_t d, size_t z, const double *scale)
{
    for (size_t i = 0; i < n * d * z; i++)
        w[i] = (real)((double)w[i] / scale[i / z % d]);
}

static void core_values(const struct layer_spec *l, size_t z, const double *scale, struct rng *r,
                        struct model_params *p)
{
    size_t k = l->rank;
    fill(r, p->layers[0].v, k * l->d_in, 1 / (double)l->d_in);
    divide(p->layers[0].v, k, l->d_in, 1, scale);
    fill(r, p->layers[0].u, l->d_out * k, 2 / (double)k);
    for (size_t j = 0; j < k; j++)
        p->layers[0].core[j * k + j] = (real)sqrt(0.5);
    fill(r, p->layers[0].head, k * k * z, 0.5 / (double)(k * z));
}

/* A B with A and B of one size: the variance of the product is k times the square of theirs, half of which is
 * their biases' and half the heads'. */
static void low_rank_values(const struct layer_spec *l, size_t z, double half, const double *scale,
                            struct rng *r, struct model_params *p)
{
    size_t k = l->rank, n = k * (l->d_out + l->d_in), b = k * l->d_out;
    double variance = sqrt(half / (double)k);
    fill(r, p->layers[0].weight, l->d_out * l->d_in, half);
    divide(p->layers[0].weight, l->d_out, l->d_in, 1, scale);
    fill(r, p->layers[0].head, n * z, variance / 2 / (double)z);
    divide(p->layers[0].head + b * z, k, l->d_in, z, scale);
    fill(r, p->layers[0].head_bias, n, variance / 2);
    divide(p->layers[0].head_bias + b, k, l->d_in, 1, scale);
}

/* The hidden layer; both parts of a weight have half of what He et al. 2015 give to the whole. */
static void hidden_values(const struct model_spec *spec, const double *scale, struct rng *r,
                          struct model_params *p)
{
    const struct layer_spec *l = &spec->layers[0];
    size_t d = l->d_in, z = model_spec_d_trunk(spec);
    double half = 1 / (double)d;
    switch (l->generator) {
    case GENERATOR_CORE:
        core_values(l, z, scale, r, p);
        break;
    case GENERATOR_LOW_RANK:
        low_rank_values(l, z, half, scale, r, p);
        break;
    case GENERATOR_FULL:
        fill(r, p->layers[0].weight, l->d_out * d, half);
        divide(p->layers[0].weight, l->d_out, d, 1, scale);
        fill(r, p->layers[0].head, l->d_out * d * z, half / (double)z);
        divide(p->layers[0].head, l->d_out, d, z, scale);
        break;
    case GENERATOR_SHARED:
    case GENERATOR_CHUNKED: /* not with other layers */
        fill(r, p->layers[0].weight, l->d_out * d, 2 * half);
        divide(p->layers[0].weight, l->d_out, d, 1, scale);
        break;
    }
    if (l->bias == BIAS_FULL)
        fill(r, p->layers[0].bias_head, l->d_out * z, 0.25 / (double)z);
    fill(r, p->layers[0].bias, l->d_out, 0.25);
}

void task_grown_values(const struct run *run, const struct model_spec *spec, const struct param_block *from,
                       const real *values, const double *scale, struct param_block *block)
{
    struct rng r;
    rng_init(&r, run->options.seed, 7);
    memset(block->values, 0, block->n_values * sizeof *block->values);
    memset(block->moment1, 0, block->n_values * sizeof(real));
    memset(block->moment2, 0, block->n_values * sizeof(real));
    for (size_t i = 0; i < block->n_tensors; i++)
        for (size_t k = 0; k < from->n_tensors; k++)
            if (strcmp(block->tensors[i].name, from->tensors[k].name) == 0)
                memcpy(block->values + block->offset[i], values + from->offset[k],
                       block->tensors[i].n_rows * block->tensors[i].n_cols * sizeof *values);
    if (spec->n_trunk)
        fill(&r, block->params.trunk[0].weight, spec->trunk[0].d_out * model_spec_d_code(spec),
             1 / (double)model_spec_d_code(spec));
    hidden_values(spec, scale, &r, &block->params);
}
