#include "engine/network/task_evidence.h"

#include "engine/kernels/small_solve.h"
#include "engine/network/task_count.h"

#include <math.h>

static const double log_two_pi = 1.8378770664093453;

size_t task_evidence_room(const struct model_spec *spec, size_t n)
{
    size_t d = spec->task.d_basis, of_numbers = n * (d + 1) + model_spec_packed(n),
           of_classes = d + n * (spec->d_output + 1);
    return of_numbers > of_classes ? of_numbers : of_classes;
}

/* ---- numbers ---- */

/* What is left of the targets (n), and L^-1 phi of each row (n, M). */
static void whiten(const struct model_spec *spec, const struct task_layer *layer, const real *f0,
                   const real *phi, const double *y, size_t n, double *rest, double *white)
{
    size_t d = spec->task.d_basis;
    for (size_t i = 0; i < n; i++) {
        double *to = white + i * d;
        rest[i] = y[i] - (double)f0[i];
        for (size_t j = 0; j < d; j++) {
            to[j] = (double)phi[i * d + j];
            rest[i] -= layer->weights[j] * to[j];
        }
        small_forward(d, layer->factor, to);
    }
}

static double evidence_of_numbers(const struct model_spec *spec, const struct model_params *params,
                                  const struct task_layer *layer, const real *f0, const real *phi,
                                  const double *y, size_t n, double *room)
{
    size_t d = spec->task.d_basis;
    double *rest = room, *white = rest + n, *scale = white + n * d, *to = scale;
    double noise = task_noise(params), a = layer->shape, half = (double)n / 2, log_det = 0, squares = 0;
    whiten(spec, layer, f0, phi, y, n, rest, white);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++, to++) {
            *to = i == k ? noise : 0;
            for (size_t j = 0; j < d; j++)
                *to += white[i * d + j] * white[k * d + j];
            *to *= layer->scale;
        }
    if (!small_factor(n, scale))
        return NAN;
    small_forward(n, scale, rest);
    for (size_t i = 0; i < n; i++) {
        log_det += log(scale[i * (i + 1) / 2 + i]);
        squares += rest[i] * rest[i];
    }
    return lgamma(a + half) - lgamma(a) - half * (log_two_pi + log(a)) - log_det -
           (a + half) * log1p(squares / (2 * a));
}

/* ---- counts ---- */

static double evidence_of_counts(const struct model_spec *spec, const struct model_params *params,
                                 const struct task_layer *layer, const real *f0, const real *phi,
                                 const double *y, size_t n, double *room)
{
    double *value = room + spec->task.d_basis, *spread = value + n, sum = 0;
    task_layer_predict(spec, params, layer, f0, phi, n, room, value, spread, NULL);
    for (size_t i = 0; i < n; i++) {
        struct task_count_said said = task_count_said(value[i], spread[i]);
        sum -= task_count_surprise(&said, y[i]);
    }
    return sum;
}

/* ---- classes ---- */

/* Logits of row i of value (n, K) to logarithms of probabilities; returns their entropy. */
static double log_probabilities(double *f, size_t n_classes)
{
    double most = -INFINITY, sum = 0, entropy = 0;
    for (size_t k = 0; k < n_classes; k++)
        most = fmax(most, f[k]);
    for (size_t k = 0; k < n_classes; k++)
        sum += exp(f[k] - most);
    for (size_t k = 0; k < n_classes; k++) {
        f[k] -= most + log(sum);
        entropy -= exp(f[k]) * f[k];
    }
    return entropy;
}

/* The logits (n, K), which are in room. */
static double *logits(const struct model_spec *spec, const struct model_params *params,
                      const struct task_layer *layer, const real *f0, const real *phi, size_t n, double *room)
{
    double *value = room + spec->task.d_basis;
    task_layer_predict(spec, params, layer, f0, phi, n, room, value, value + n * spec->d_output, NULL);
    return value;
}

double task_evidence(const struct model_spec *spec, const struct model_params *params,
                     const struct task_layer *layer, const real *f0, const real *phi, const double *y,
                     size_t n, double *room)
{
    if (task_is_of_counts(spec))
        return evidence_of_counts(spec, params, layer, f0, phi, y, n, room);
    if (!spec->task.n_classes)
        return evidence_of_numbers(spec, params, layer, f0, phi, y, n, room);
    double *value = logits(spec, params, layer, f0, phi, n, room), sum = 0;
    for (size_t i = 0; i < n; i++) {
        (void)log_probabilities(value + i * spec->d_output, spec->d_output);
        sum += value[i * spec->d_output + (size_t)y[i]];
    }
    return sum;
}

double task_mean_entropy(const struct model_spec *spec, const struct model_params *params,
                         const struct task_layer *layer, const real *f0, const real *phi, size_t n,
                         double *room)
{
    double *value = logits(spec, params, layer, f0, phi, n, room), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += log_probabilities(value + i * spec->d_output, spec->d_output);
    return n ? sum / (double)n : 0;
}
