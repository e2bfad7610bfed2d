#include "engine/network/task_posterior.h"

#include "engine/kernels/small_solve.h"
#include "engine/network/hypernet.h"
#include "engine/network/task_quantiles.h"

#include <math.h>
#include <string.h>

#define LEAST_LOG -30.0 /* of what is next to nothing, as a logarithm */

static size_t n_scales(const struct model_spec *spec)
{
    return TASK_SCALES + spec->task.forgets;
}

void task_posterior_spec(const struct model_spec *spec, struct model_spec *out)
{
    *out = *spec;
    out->n_trunk = 0;
    out->norm = NORM_NONE;
    for (size_t i = 0; i < out->n_layers; i++) {
        struct layer_spec *l = &out->layers[i];
        l->generator = GENERATOR_SHARED;
        l->rank = 0;
        l->bias = l->bias == BIAS_NONE ? BIAS_NONE : BIAS_SHARED;
    }
}

/* Weights and biases of the network, and what a product of three matrices passes through. */
static size_t network_len(const struct model_spec *spec)
{
    size_t n = 0, between = 0;
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        n += l->d_out * (l->d_in + 1);
        between = l->rank * l->d_in > between ? l->rank * l->d_in : between;
    }
    return n + between;
}

size_t task_posterior_len(const struct model_spec *spec)
{
    return network_len(spec) + (spec->d_output + spec->task.d_basis) * (task_spec_d_features(spec) + 1) +
           n_scales(spec) + (spec->task.calibrated ? TASK_KNOWN_BUCKETS * TASK_QUANTILES : 0);
}

static double log_of(double x)
{
    return x > 0 ? fmax(log(x), LEAST_LOG) : LEAST_LOG;
}

/* One column of the matrices, or their biases: stride between rows. */
static void turn(const struct model_spec *spec, const struct task_layer *layer, const real *shared,
                 const real *basis, size_t stride, real *new_shared, real *new_basis)
{
    size_t d = spec->task.d_basis;
    double column[LIMIT_BASIS], root = sqrt(layer->scale);
    for (size_t j = 0; j < d; j++)
        column[j] = (double)basis[j * stride];
    for (size_t k = 0; k < spec->d_output; k++) {
        double sum = (double)shared[k * stride];
        for (size_t j = 0; j < d; j++)
            sum += layer->weights[k * d + j] * column[j];
        new_shared[k * stride] = (real)sum;
    }
    small_forward(d, layer->factor, column);
    for (size_t j = 0; j < d; j++)
        new_basis[j * stride] = (real)(root * column[j]);
}

/* What is known of the new model's task comes on top of n_known rows. */
static void shift_quantiles(const real *table, size_t n_known, real *out)
{
    for (size_t row = 0; row < TASK_KNOWN_BUCKETS; row++) {
        size_t from = task_quantile_row(n_known + task_quantile_least[row]);
        for (size_t k = 0; k < TASK_QUANTILES; k++)
            out[row * TASK_QUANTILES + k] = table[from * TASK_QUANTILES + k];
    }
}

/* ---- the network ---- */

/* out (n, d_in) = a (n, k) b (k, d_in) */
static void product(const real *a, const real *b, size_t n, size_t k, size_t d_in, real *out)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d_in; j++) {
            double sum = 0;
            for (size_t m = 0; m < k; m++)
                sum += (double)a[i * k + m] * (double)b[m * d_in + j];
            out[i * d_in + j] = (real)sum;
        }
}

/* The weights (d_out, d_in) of layer i, as they are for the task. between: (rank, d_in) */
static void layer_weights(const struct model_spec *spec, const struct model_params *params, size_t i,
                          const real *generated, real *between, real *out)
{
    const struct layer_spec *l = &spec->layers[i];
    size_t n = l->d_out * l->d_in;
    switch (l->generator) {
    case GENERATOR_FULL:
    case GENERATOR_CHUNKED:
        memcpy(out, generated, n * sizeof *out);
        break;
    case GENERATOR_SHARED:
        memcpy(out, params->layers[i].weight, n * sizeof *out);
        break;
    case GENERATOR_LOW_RANK:
        product(generated, generated + l->d_out * l->rank, l->d_out, l->rank, l->d_in, out);
        for (size_t k = 0; k < n; k++)
            out[k] += params->layers[i].weight[k];
        break;
    case GENERATOR_CORE:
        product(generated, params->layers[i].v, l->rank, l->rank, l->d_in, between);
        product(params->layers[i].u, between, l->d_out, l->rank, l->d_in, out);
        break;
    }
}

/* w (n, M) that reads phi becomes what reads phi' = sqrt(tau) L^-1 phi: w L / sqrt(tau). */
static void read_new_basis(const struct task_layer *layer, size_t n, size_t d, real *w)
{
    double root = sqrt(layer->scale);
    for (size_t i = 0; i < n; i++, w += d)
        for (size_t j = 0; j < d; j++) {
            double sum = 0;
            for (size_t k = j; k < d; k++) /* of L only k >= j; w[k] is still the old one */
                sum += (double)w[k] * layer->factor[k * (k + 1) / 2 + j];
            w[j] = (real)(sum / root);
        }
}

static void fix_network(const struct model_spec *spec, const struct model_params *params,
                        const struct task_layer *layer, real *room, struct model_params *out)
{
    struct theta_layout layout;
    real *between = room;
    theta_layout_of(spec, &layout);
    out->panels = NULL;
    for (size_t i = 0; i < spec->n_layers; i++)
        between += spec->layers[i].d_out * (spec->layers[i].d_in + 1);
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        out->layers[i].weight = room;
        layer_weights(spec, params, i, layer->theta + layout.layers[i].weight, between, room);
        if (i == 0)
            read_new_basis(layer, l->d_out, l->d_in, room);
        room += l->d_out * l->d_in;
        out->layers[i].bias = room;
        if (l->bias != BIAS_NONE)
            memcpy(room, l->bias == BIAS_FULL ? layer->theta + layout.layers[i].bias : params->layers[i].bias,
                   l->d_out * sizeof *room);
        room += l->d_out;
    }
}

void task_posterior(const struct model_spec *spec, const struct model_params *params,
                    const struct task_layer *layer, size_t n_known, real *room, struct model_params *out)
{
    size_t n_z = task_spec_d_features(spec), d = spec->task.d_basis;
    *out = *params;
    out->shared = room;
    out->shared_bias = out->shared + spec->d_output * n_z;
    out->basis = out->shared_bias + spec->d_output;
    out->basis_bias = out->basis + d * n_z;
    out->task_scales = out->basis_bias + d;
    real *after = out->task_scales + n_scales(spec);
    for (size_t f = 0; f < n_z; f++)
        turn(spec, layer, params->shared + f, params->basis + f, n_z, out->shared + f, out->basis + f);
    turn(spec, layer, params->shared_bias, params->basis_bias, 1, out->shared_bias, out->basis_bias);
    for (size_t i = 0; i < n_scales(spec); i++)
        out->task_scales[i] = params->task_scales[i];
    if (spec->task.calibrated)
        shift_quantiles(params->task_calibration, n_known, out->task_calibration = after);
    fix_network(spec, params, layer,
                after + (spec->task.calibrated ? TASK_KNOWN_BUCKETS * TASK_QUANTILES : 0), out);
    if (spec->task.n_classes || task_is_of_counts(spec))
        return;
    double noise = exp((double)params->task_scales[0]) + TASK_LEAST_NOISE;
    out->task_scales[0] = (real)log_of(layer->scale * noise - TASK_LEAST_NOISE);
    out->task_scales[1] = (real)log_of(layer->shape - TASK_LEAST_SHAPE);
}
