/* The products over rows are BLAS's on the engine's scalar; what is solved is small and in double. */
#include "engine/network/task_head.h"

#include "engine/kernels/small_solve.h"
#include "engine/network/layers.h"
#include "engine/network/task_count.h"
#include "engine/network/task_generated.h"

#include <math.h>
#include <string.h>

/* ---- features ---- */

static size_t widest(const struct model_spec *spec)
{
    size_t d = 0;
    for (size_t i = 0; i < spec->task.n_features; i++)
        if (spec->task.features[i].d_out > d)
            d = spec->task.features[i].d_out;
    return d;
}

size_t task_features_workspace_len(const struct model_spec *spec, size_t n)
{
    return n * (2 * widest(spec) + task_spec_d_features(spec));
}

void task_features_kept(const struct model_spec *spec, const struct model_params *params, const real *x,
                        size_t n, real *const *out, real *z, real *f0, real *phi)
{
    const struct task_spec *t = &spec->task;
    size_t d_in = spec->d_item, d_z = task_spec_d_features(spec);
    size_t d_hidden = t->n_features ? t->features[t->n_features - 1].d_out : 0;
    const real *h = x;
    for (size_t i = 0; i < t->n_features; i++) {
        size_t d_out = t->features[i].d_out;
        dense_forward(h, n, d_in, params->features[i].weight, params->features[i].bias, d_out, out[i]);
        activation_forward(t->features[i].activation, out[i], n * d_out);
        h = out[i];
        d_in = d_out;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(z + i * d_z, h + i * d_hidden, d_hidden * sizeof *z);
        if (!t->features_alone)
            memcpy(z + i * d_z + d_hidden, x + i * spec->d_item, spec->d_item * sizeof *z);
    }
    dense_forward(z, n, d_z, params->shared, params->shared_bias, spec->d_output, f0);
    if (phi)
        dense_forward(z, n, d_z, params->basis, params->basis_bias, t->d_basis, phi);
}

void task_features(const struct model_spec *spec, const struct model_params *params, const real *x, size_t n,
                   real *workspace, real *z, real *f0, real *phi)
{
    size_t d = widest(spec);
    real *out[LIMIT_LAYERS];
    for (size_t i = 0; i < spec->task.n_features; i++)
        out[i] = workspace + i % 2 * n * d; /* a layer needs the one before it alone */
    task_features_kept(spec, params, x, n, out, z ? z : workspace + 2 * n * d, f0, phi);
}

/* ---- sums ---- */

void task_residual(const struct model_spec *spec, const double *f0, double y, double *out)
{
    double most = -INFINITY, sum = 0;
    if (!spec->task.n_classes) {
        out[0] = y - f0[0];
        if (spec->task.clip > 0)
            out[0] = fmax(fmin(out[0], spec->task.clip), -spec->task.clip);
        return;
    }
    for (size_t k = 0; k < spec->d_output; k++)
        most = fmax(most, f0[k]);
    for (size_t k = 0; k < spec->d_output; k++)
        sum += out[k] = exp(f0[k] - most);
    for (size_t k = 0; k < spec->d_output; k++)
        out[k] = ((double)k == y) - out[k] / sum;
}

bool task_is_of_counts(const struct model_spec *spec)
{
    return !spec->task.n_classes && spec->task.scale == SCALE_COUNT;
}

void task_sums_add(const struct model_spec *spec, const struct model_params *params, const real *f0,
                   const real *phi, const double *y, const double *weights, size_t n, double sign,
                   double *sums)
{
    bool counts = task_is_of_counts(spec);
    double noise = counts ? task_noise(params) : 0, prior = counts ? task_count_prior(params) : 0;
    size_t d = spec->task.d_basis, n_out = spec->d_output;
    double *products = sums + TASK_SUM_PRODUCTS, *squares = products + n_out * d;
    double r[LIMIT_COLUMN_VALUES], f[LIMIT_COLUMN_VALUES];
    for (size_t i = 0; i < n; i++, f0 += n_out, phi += d) {
        double v = sign * (weights ? weights[i] : 1);
        double *to = squares;
        for (size_t k = 0; k < n_out; k++)
            f[k] = (double)f0[k];
        sums[TASK_SUM_ROWS] += v;
        if (counts) {
            struct task_count c = task_count_known(f[0], y[i], noise, prior, NULL);
            r[0] = c.residual;
            v *= c.precision;
        } else {
            task_residual(spec, f, y[i], r);
        }
        sums[TASK_SUM_SQUARES] += spec->task.n_classes ? 0 : v * r[0] * r[0];
        for (size_t k = 0; k < n_out; k++)
            for (size_t j = 0; j < d; j++)
                products[k * d + j] += v * r[k] * (double)phi[j];
        for (size_t j = 0; j < d; j++)
            for (size_t l = 0; l <= j; l++)
                *to++ += v * (double)phi[j] * (double)phi[l];
    }
}

/* ---- the task's own layer ---- */

size_t task_layer_len(const struct model_spec *spec)
{
    size_t theta_bytes = task_generated_len(spec) * sizeof(real);
    return spec->d_output * spec->task.d_basis + model_spec_packed(spec->task.d_basis) +
           (theta_bytes + sizeof(double) - 1) / sizeof(double);
}

void task_layer_at(const struct model_spec *spec, double *room, struct task_layer *out)
{
    out->weights = room;
    out->factor = room + spec->d_output * spec->task.d_basis;
    out->theta = (real *)(void *)(out->factor + model_spec_packed(spec->task.d_basis));
}

double task_noise(const struct model_params *params)
{
    return exp((double)params->task_scales[0]) + TASK_LEAST_NOISE;
}

double task_count_prior(const struct model_params *params)
{
    return exp((double)params->task_scales[1]) + TASK_COUNT_LEAST_PRIOR;
}

/* What the rows' sums are multiplied by: 1 / s2, or c; 1 of counts, which have precisions of their own. */
static double precision(const struct model_spec *spec, const struct model_params *params)
{
    if (task_is_of_counts(spec))
        return 1;
    return spec->task.n_classes ? exp((double)params->task_scales[0]) : 1 / task_noise(params);
}

bool task_layer_solve(const struct model_spec *spec, const struct model_params *params, const double *sums,
                      struct task_layer *out)
{
    size_t d = spec->task.d_basis, n_out = spec->d_output, n_packed = model_spec_packed(d);
    const double *products = sums + TASK_SUM_PRODUCTS;
    double p = precision(spec, params), explained = 0;
    for (size_t i = 0; i < n_packed; i++)
        out->factor[i] = p * products[n_out * d + i];
    for (size_t j = 0; j < d; j++)
        out->factor[j * (j + 1) / 2 + j] += 1;
    if (!small_factor(d, out->factor))
        return false;
    for (size_t i = 0; i < n_out * d; i++)
        out->weights[i] = products[i] * (spec->task.n_classes ? 1 : p);
    for (size_t k = 0; k < n_out; k++) {
        small_forward(d, out->factor, out->weights + k * d);
        for (size_t j = 0; j < d; j++)
            explained += out->weights[k * d + j] * out->weights[k * d + j];
        small_backward(d, out->factor, out->weights + k * d);
    }
    out->shape = task_is_of_counts(spec) ? TASK_COUNT_SHAPE : 1;
    out->scale = 1;
    if (!spec->task.n_classes && !task_is_of_counts(spec)) {
        double a0 = exp((double)params->task_scales[1]) + TASK_LEAST_SHAPE;
        out->shape = a0 + sums[TASK_SUM_ROWS] / 2;
        out->scale = (a0 + fmax(p * sums[TASK_SUM_SQUARES] - explained, 0) / 2) / out->shape;
    }
    return isfinite(explained) && isfinite(out->scale);
}

void task_layer_predict(const struct model_spec *spec, const struct model_params *params,
                        const struct task_layer *layer, const real *f0, const real *phi, size_t n,
                        double *workspace, double *value, double *spread, double *own)
{
    size_t d = spec->task.d_basis, n_out = spec->d_output;
    double noise = spec->task.n_classes ? 0 : task_noise(params), kappa = exp((double)params->task_scales[1]);
    for (size_t i = 0; i < n; i++, f0 += n_out, phi += d) {
        double v = 0, t = 1;
        for (size_t j = 0; j < d; j++)
            workspace[j] = (double)phi[j];
        for (size_t k = 0; k < n_out; k++) {
            double sum = (double)f0[k];
            for (size_t j = 0; j < d; j++)
                sum += layer->weights[k * d + j] * workspace[j];
            value[i * n_out + k] = sum;
        }
        small_forward(d, layer->factor, workspace);
        for (size_t j = 0; j < d; j++)
            v += workspace[j] * workspace[j];
        if (spec->task.n_classes)
            t = 1 / sqrt(1 + kappa * v);
        for (size_t k = 0; k < n_out; k++)
            value[i * n_out + k] *= t;
        spread[i] = spec->task.n_classes ? v : layer->scale * (noise + v);
        if (own)
            own[i] = layer->scale * v;
    }
}

double task_head_surprise(const double *f, size_t n_classes, size_t k)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n_classes; i++)
        most = fmax(most, f[i]);
    for (size_t i = 0; i < n_classes; i++)
        sum += exp(f[i] - most);
    return log(sum) - (f[k] - most);
}
