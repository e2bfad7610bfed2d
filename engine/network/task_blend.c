#include "engine/network/task_blend.h"

#include "engine/kernels/small_solve.h"

#include <math.h>
#include <string.h>

size_t task_blend_room(const struct model_spec *spec)
{
    return spec->task.d_basis * spec->task.d_basis;
}

/* The means of weights, scale and shape. */
static void blend_means(const struct model_spec *spec, const struct task_layer *layers, const double *weights,
                        size_t n, struct task_layer *out)
{
    size_t n_weights = spec->d_output * spec->task.d_basis;
    memset(out->weights, 0, n_weights * sizeof *out->weights);
    out->scale = 0;
    out->shape = INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!(weights[i] > 0))
            continue;
        out->scale += weights[i] * layers[i].scale;
        out->shape = fmin(out->shape, layers[i].shape);
        for (size_t j = 0; j < n_weights; j++)
            out->weights[j] += weights[i] * layers[i].weights[j];
    }
}

/* Adds what one layer has to the covariance (M (M + 1) / 2), which is in out->factor. */
static void add_covariance(const struct model_spec *spec, const struct task_layer *layer, double weight,
                           double *room, struct task_layer *out)
{
    size_t d = spec->task.d_basis, n_out = spec->d_output;
    double *to = out->factor;
    small_inverse(d, layer->factor, room);
    for (size_t j = 0; j < d; j++)
        for (size_t l = 0; l <= j; l++) {
            double apart = 0;
            for (size_t k = 0; k < n_out; k++)
                apart += (layer->weights[k * d + j] - out->weights[k * d + j]) *
                         (layer->weights[k * d + l] - out->weights[k * d + l]);
            *to++ += weight * (layer->scale * room[j * d + l] + apart / (double)n_out);
        }
}

/* The covariance in out->factor becomes the factor of M. */
static bool factor_inverse(size_t d, double *room, struct task_layer *out)
{
    double *to = out->factor;
    for (size_t i = 0; i < model_spec_packed(d); i++)
        out->factor[i] /= out->scale;
    if (!small_factor(d, out->factor))
        return false;
    small_inverse(d, out->factor, room);
    for (size_t j = 0; j < d; j++)
        for (size_t l = 0; l <= j; l++)
            *to++ = room[j * d + l];
    return small_factor(d, out->factor);
}

bool task_blend(const struct model_spec *spec, const struct task_layer *layers, const double *weights,
                size_t n, double *room, struct task_layer *out)
{
    size_t n_packed = model_spec_packed(spec->task.d_basis);
    blend_means(spec, layers, weights, n, out);
    for (size_t i = 0; i < n; i++)
        if (weights[i] >= 1) { /* the others have no say: nothing is to be rounded */
            memcpy(out->factor, layers[i].factor, n_packed * sizeof *out->factor);
            return true;
        }
    memset(out->factor, 0, n_packed * sizeof *out->factor);
    for (size_t i = 0; i < n; i++)
        if (weights[i] > 0)
            add_covariance(spec, &layers[i], weights[i], room, out);
    return factor_inverse(spec->task.d_basis, room, out);
}
