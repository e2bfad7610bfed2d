#include "engine/network/task_posterior.h"

#include "engine/kernels/small_solve.h"
#include "engine/network/task_quantiles.h"

#include <math.h>

#define LEAST_LOG -30.0 /* of what is next to nothing, as a logarithm */

static size_t n_scales(const struct model_spec *spec)
{
    return TASK_SCALES + spec->task.forgets;
}

size_t task_posterior_len(const struct model_spec *spec)
{
    return (spec->d_output + spec->task.d_basis) * (task_spec_d_features(spec) + 1) + n_scales(spec) +
           (spec->task.calibrated ? TASK_KNOWN_BUCKETS * TASK_QUANTILES : 0);
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
    for (size_t f = 0; f < n_z; f++)
        turn(spec, layer, params->shared + f, params->basis + f, n_z, out->shared + f, out->basis + f);
    turn(spec, layer, params->shared_bias, params->basis_bias, 1, out->shared_bias, out->basis_bias);
    for (size_t i = 0; i < n_scales(spec); i++)
        out->task_scales[i] = params->task_scales[i];
    if (spec->task.calibrated)
        shift_quantiles(params->task_calibration, n_known,
                        out->task_calibration = out->task_scales + n_scales(spec));
    if (spec->task.n_classes)
        return;
    double noise = exp((double)params->task_scales[0]) + TASK_LEAST_NOISE;
    out->task_scales[0] = (real)log_of(layer->scale * noise - TASK_LEAST_NOISE);
    out->task_scales[1] = (real)log_of(layer->shape - TASK_LEAST_SHAPE);
}
