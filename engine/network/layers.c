/* Forward and backward side by side, so that a change of one is seen beside the other. */
#include "engine/network/layers.h"

#include "engine/kernels/blas.h"

#include <math.h>
#include <string.h>

size_t norm_blocks(const struct model_spec *spec, size_t widths[NORM_MAX_BLOCKS])
{
    const struct encoder_spec *n = &spec->encoder;
    if (spec->norm == NORM_LAYER || !n->present) {
        widths[0] = model_spec_d_code(spec);
        return 1;
    }
    size_t all[NORM_MAX_BLOCKS] = {n->d_id,      n->d_fold_in, n->d_history,  n->n_decays * n->d_recent,
                                   n->d_profile, n->d_when,    n->d_disliked, n->d_ratings},
           count = 0;
    for (size_t i = 0; i < NORM_MAX_BLOCKS; i++)
        if (all[i])
            widths[count++] = all[i];
    return count;
}

void norm_forward(const struct model_spec *spec, const real *weight, const real *bias, const real *x, real *y,
                  real *saved)
{
    if (spec->norm == NORM_NONE) {
        if (x != y)
            memcpy(y, x, model_spec_d_code(spec) * sizeof *y);
        return;
    }
    size_t widths[NORM_MAX_BLOCKS], n_blocks = norm_blocks(spec, widths), at = 0;
    for (size_t k = 0; k < n_blocks; at += widths[k++]) {
        real mean = 0, variance = 0;
        for (size_t i = at; i < at + widths[k]; i++)
            mean += x[i];
        mean /= (real)widths[k];
        for (size_t i = at; i < at + widths[k]; i++)
            variance += (x[i] - mean) * (x[i] - mean);
        real scale = 1 / (real)sqrt((double)(variance / (real)widths[k] + NORM_EPSILON));
        for (size_t i = at; i < at + widths[k]; i++)
            y[i] = weight[i] * ((x[i] - mean) * scale) + bias[i];
        if (saved) {
            saved[2 * k] = mean;
            saved[2 * k + 1] = scale;
        }
    }
}

typedef real lane_block
    __attribute__((vector_size(KERNEL_LANES * sizeof(real)), aligned(sizeof(real)), may_alias));

/* One block of widths, on rows at .. at + d of x and y. */
static void norm_block_lanes(size_t at, size_t d, const real *weight, const real *bias, const real *x,
                             real *y)
{
    const lane_block *in = (const lane_block *)(const void *)x + at;
    lane_block *out = (lane_block *)(void *)y + at, mean = {0}, variance = {0}, scale;
    for (size_t i = 0; i < d; i++)
        mean += in[i];
    mean /= (real)d;
    for (size_t i = 0; i < d; i++)
        variance += (in[i] - mean) * (in[i] - mean);
    for (size_t lane = 0; lane < KERNEL_LANES; lane++)
        scale[lane] = 1 / (real)sqrt((double)(variance[lane] / (real)d + NORM_EPSILON));
    for (size_t i = 0; i < d; i++)
        out[i] = weight[at + i] * ((in[i] - mean) * scale) + bias[at + i];
}

void norm_lanes(const struct model_spec *spec, const real *weight, const real *bias, const real *x, real *y)
{
    size_t widths[NORM_MAX_BLOCKS], n_blocks, at = 0;
    if (spec->norm == NORM_NONE) {
        memcpy(y, x, model_spec_d_code(spec) * KERNEL_LANES * sizeof *y);
        return;
    }
    n_blocks = norm_blocks(spec, widths);
    for (size_t k = 0; k < n_blocks; at += widths[k++])
        norm_block_lanes(at, widths[k], weight, bias, x, y);
}

void norm_backward(const struct model_spec *spec, const real *weight, const real *x, const real *saved,
                   const real *dy, real *dx, real *dweight, real *dbias)
{
    if (spec->norm == NORM_NONE) {
        memcpy(dx, dy, model_spec_d_code(spec) * sizeof *dx);
        return;
    }
    size_t widths[NORM_MAX_BLOCKS], n_blocks = norm_blocks(spec, widths), at = 0;
    for (size_t k = 0; k < n_blocks; at += widths[k++]) {
        real mean = saved[2 * k], scale = saved[2 * k + 1], sum = 0, dot = 0;
        for (size_t i = at; i < at + widths[k]; i++) {
            real normal = (x[i] - mean) * scale, dnormal = dy[i] * weight[i];
            dweight[i] += dy[i] * normal;
            dbias[i] += dy[i];
            sum += dnormal;
            dot += dnormal * normal;
        }
        sum /= (real)widths[k];
        dot /= (real)widths[k];
        for (size_t i = at; i < at + widths[k]; i++)
            dx[i] = scale * (dy[i] * weight[i] - sum - (x[i] - mean) * scale * dot);
    }
}

void dense_forward(const real *x, size_t n, size_t d_in, const real *w, const real *bias, size_t d_out,
                   real *y)
{
    for (size_t i = 0; i < n; i++)
        memcpy(y + i * d_out, bias, d_out * sizeof *y);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, d_out, d_in, 1, x, d_in, w, d_in, 1, y, d_out);
}

void dense_backward(const real *x, size_t n, size_t d_in, const real *w, size_t d_out, const real *dy,
                    real beta, real *dx, real *dw, real *dbias)
{
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, d_out, d_in, n, 1, dy, d_out, x, d_in, 1, dw, d_in);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d_out; j++)
            dbias[j] += dy[i * d_out + j];
    if (dx)
        blas_gemm(BLAS_AS_IS, BLAS_AS_IS, n, d_in, d_out, 1, dy, d_out, w, d_in, beta, dx, d_in);
}

void activation_forward(enum activation a, real *x, size_t n)
{
    if (a == ACTIVATION_RELU)
        for (size_t i = 0; i < n; i++)
            x[i] = x[i] <= 0 ? 0 : x[i]; /* NAN stays, for who looks at the answer */
    else if (a == ACTIVATION_TANH)
        for (size_t i = 0; i < n; i++)
            x[i] = (real)tanh((double)x[i]);
    else if (a == ACTIVATION_SIGMOID)
        for (size_t i = 0; i < n; i++)
            x[i] = (real)(1 / (1 + exp(-(double)x[i])));
}

void activation_backward(enum activation a, const real *y, real *dy, size_t n)
{
    if (a == ACTIVATION_RELU)
        for (size_t i = 0; i < n; i++)
            dy[i] = y[i] > 0 ? dy[i] : 0;
    else if (a == ACTIVATION_TANH)
        for (size_t i = 0; i < n; i++)
            dy[i] *= 1 - y[i] * y[i];
    else if (a == ACTIVATION_SIGMOID)
        for (size_t i = 0; i < n; i++)
            dy[i] *= y[i] * (1 - y[i]);
}
