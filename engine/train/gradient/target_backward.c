/* Rows are kept row-major here, unlike the serving path's lane blocks: the backward is made of products over
 * rows.
 *
 * The network that the recipe makes - a `core` layer with ReLU, then one `full` output - is most of a step's
 * work. It is fused: W = U K is multiplied out for the context, which is cheaper than two products for every
 * row, and one kernel computes hidden units and output of a row while they are in registers. */
#include "engine/train/gradient/target_backward.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/network/layers.h"

#include <string.h>

static size_t first_width(const struct layer_spec *l)
{
    switch (l->generator) {
    case GENERATOR_CORE:
        return l->rank;
    case GENERATOR_LOW_RANK:
    case GENERATOR_SHARED:
        return l->d_out;
    case GENERATOR_FULL:
    case GENERATOR_CHUNKED:
        break;
    }
    return 0;
}

static bool is_fused(const struct model_spec *spec)
{
    const struct layer_spec *a = &spec->layers[0], *b = &spec->layers[1];
    return spec->n_layers == 2 && a->generator == GENERATOR_CORE && a->activation == ACTIVATION_RELU &&
           a->rank % KERNEL_LANES == 0 && a->d_out % KERNEL_LANES == 0 && a->d_out <= KERNEL_MOST_HIDDEN &&
           b->generator == GENERATOR_FULL && b->bias == BIAS_NONE && b->activation == ACTIVATION_IDENTITY &&
           b->d_out == 1;
}

enum err_code target_tape_init(struct target_tape *t, const struct model_spec *spec, size_t n_max,
                               struct err *e)
{
    memset(t, 0, sizeof *t);
    t->n_max = n_max;
    theta_layout_of(spec, &t->layout);
    size_t row = model_spec_d_target_in(spec) + 1, wide = 1;
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        row += l->d_out + first_width(l) + l->rank;
        wide = l->d_out > wide ? l->d_out : wide;
        wide = l->d_in > wide ? l->d_in : wide;
        wide = l->rank > wide ? l->rank : wide;
    }
    row += 3 * wide + (spec->n_layers ? first_width(&spec->layers[0]) : 0);
    t->fused = is_fused(spec) ? kernel_best() : NULL;
    size_t n, w_len = t->fused ? spec->layers[0].d_out * spec->layers[0].rank : 0;
    if (__builtin_mul_overflow(n_max, row, &n) || __builtin_add_overflow(n, 3 * w_len, &n) ||
        !(t->block = mem_alloc_aligned(n, sizeof(real))))
        return err_set(e, ERR_NOMEM, "no memory for the activations of %zu rows", n_max);
    real *at = t->block;
#define TAKE(field, width) (t->field = at, at += n_max * (width))
    TAKE(dx, model_spec_d_target_in(spec));
    TAKE(ones, 1);
    for (size_t i = 0; i < 3; i++)
        TAKE(d[i], wide);
    if (spec->n_layers)
        TAKE(dfirst, first_width(&spec->layers[0]));
    for (size_t i = 0; i < spec->n_layers; i++) {
        TAKE(layers[i].out, spec->layers[i].d_out);
        TAKE(layers[i].first, first_width(&spec->layers[i]));
        TAKE(layers[i].second, spec->layers[i].rank);
    }
#undef TAKE
    t->w = at;
    t->wt = t->w + w_len;
    t->dwt = t->wt + w_len;
    for (size_t i = 0; i < n_max; i++)
        t->ones[i] = 1;
    return ERR_OK;
}

void target_tape_fini(struct target_tape *t)
{
    mem_free(t->block);
    memset(t, 0, sizeof *t);
}

/* y (n, d_out) = x (n, d_in) w^T + beta y */
static void times(size_t n, size_t d_out, size_t d_in, const real *x, const real *w, real beta, real *y)
{
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, d_out, d_in, 1, x, d_in, w, d_in, beta, y, d_out);
}

/* dx (n, d_in) = dy (n, d_out) w + beta dx */
static void times_back(size_t n, size_t d_out, size_t d_in, const real *dy, const real *w, real beta,
                       real *dx)
{
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, n, d_in, d_out, 1, dy, d_out, w, d_in, beta, dx, d_in);
}

/* dw (d_out, d_in) += dy^T x */
static void outer(size_t n, size_t d_out, size_t d_in, const real *dy, const real *x, real *dw)
{
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, d_out, d_in, n, 1, dy, d_out, x, d_in, 1, dw, d_in);
}

static void forward_first(const struct model_spec *spec, const struct model_params *params,
                          struct target_tape *t, size_t i, const real *x)
{
    const struct layer_spec *l = &spec->layers[i];
    if (l->generator == GENERATOR_CORE)
        times(t->n, l->rank, l->d_in, x, params->layers[i].v, 0, t->layers[i].first);
    else if (first_width(l))
        times(t->n, l->d_out, l->d_in, x, params->layers[i].weight, 0, t->layers[i].first);
}

void target_tape_start(const struct model_spec *spec, const struct model_params *params,
                       struct target_tape *t, const real *x, size_t n)
{
    t->n = n;
    t->x = x;
    memset(t->dx, 0, n * model_spec_d_target_in(spec) * sizeof *t->dx);
    if (spec->n_layers == 0)
        return;
    memset(t->dfirst, 0, n * first_width(&spec->layers[0]) * sizeof *t->dfirst);
    forward_first(spec, params, t, 0, x);
}

static void forward_layer(const struct model_spec *spec, const struct model_params *params,
                          struct target_tape *t, size_t i, const real *x, const real *theta)
{
    const struct layer_spec *l = &spec->layers[i];
    const real *w = theta + t->layout.layers[i].weight;
    struct target_layer_tape *tape = &t->layers[i];
    size_t n_out = t->n * l->d_out;
    if (i > 0)
        forward_first(spec, params, t, i, x);
    switch (l->generator) {
    case GENERATOR_SHARED:
        memcpy(tape->out, tape->first, n_out * sizeof *tape->out);
        break;
    case GENERATOR_FULL:
    case GENERATOR_CHUNKED:
        times(t->n, l->d_out, l->d_in, x, w, 0, tape->out);
        break;
    case GENERATOR_LOW_RANK:
        memcpy(tape->out, tape->first, n_out * sizeof *tape->out);
        times(t->n, l->rank, l->d_in, x, w + l->d_out * l->rank, 0, tape->second);
        times(t->n, l->d_out, l->rank, tape->second, w, 1, tape->out);
        break;
    case GENERATOR_CORE:
        times(t->n, l->rank, l->rank, tape->first, w, 0, tape->second);
        times(t->n, l->d_out, l->rank, tape->second, params->layers[i].u, 0, tape->out);
        break;
    }
    if (l->bias != BIAS_NONE) {
        const real *b = l->bias == BIAS_FULL ? theta + t->layout.layers[i].bias : params->layers[i].bias;
        blas_ger(t->n, l->d_out, 1, t->ones, b, tape->out, l->d_out);
    }
    activation_forward(l->activation, tape->out, n_out);
}

/* ---- the fused form ---- */

static struct kernel_hidden fused_pass(const struct model_spec *spec, const struct model_params *params,
                                       const struct target_tape *t, const real *theta)
{
    const struct layer_spec *l = &spec->layers[0];
    return (struct kernel_hidden){.n = t->n,
                                  .k = l->rank,
                                  .h = l->d_out,
                                  .f = t->layers[0].first,
                                  .w = t->w,
                                  .wt = t->wt,
                                  .b = l->bias == BIAS_FULL     ? theta + t->layout.layers[0].bias
                                       : l->bias == BIAS_SHARED ? params->layers[0].bias
                                                                : NULL,
                                  .v = theta + t->layout.layers[1].weight,
                                  .hidden = t->layers[0].out};
}

static void fused_forward(const struct model_spec *spec, const struct model_params *params,
                          struct target_tape *t, const real *theta, real *y)
{
    size_t h = spec->layers[0].d_out, k = spec->layers[0].rank;
    const real *u = params->layers[0].u, *core = theta + t->layout.layers[0].weight;
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, h, k, k, 1, u, k, core, k, 0, t->w, k);
    for (size_t o = 0; o < h; o++)
        for (size_t j = 0; j < k; j++)
            t->wt[j * h + o] = t->w[o * k + j];
    struct kernel_hidden p = fused_pass(spec, params, t, theta);
    t->fused->hidden_forward(&p, y);
}

static void fused_backward(const struct model_spec *spec, const struct model_params *params,
                           struct target_tape *t, const real *theta, const real *dy, real *dtheta,
                           const struct model_params *grads)
{
    const struct layer_spec *l = &spec->layers[0];
    size_t h = l->d_out, k = l->rank;
    const real *u = params->layers[0].u, *core = theta + t->layout.layers[0].weight;
    struct kernel_hidden p = fused_pass(spec, params, t, theta);
    struct kernel_hidden_grads g = {.df = t->dfirst,
                                    .dwt = t->dwt,
                                    .db = l->bias == BIAS_FULL     ? dtheta + t->layout.layers[0].bias
                                          : l->bias == BIAS_SHARED ? grads->layers[0].bias
                                                                   : NULL,
                                    .dv = dtheta + t->layout.layers[1].weight};
    memset(t->dwt, 0, k * h * sizeof *t->dwt);
    t->fused->hidden_backward(&p, dy, &g);
    /* W = U K: dU += dW K^T, dK += U^T dW */
    blas_gemm(BLAS_TRANSPOSED, BLAS_TRANSPOSED, h, k, k, 1, t->dwt, h, core, k, 1, grads->layers[0].u, k);
    blas_gemm(BLAS_TRANSPOSED, BLAS_TRANSPOSED, k, k, h, 1, u, k, t->dwt, h, 1,
              dtheta + t->layout.layers[0].weight, k);
}

/* ---- any form ---- */

void target_tape_forward(const struct model_spec *spec, const struct model_params *params,
                         struct target_tape *t, const real *theta, real *y)
{
    if (t->fused) {
        fused_forward(spec, params, t, theta, y);
        return;
    }
    const real *x = t->x;
    for (size_t i = 0; i < spec->n_layers; i++) {
        forward_layer(spec, params, t, i, x, theta);
        x = t->layers[i].out;
    }
    if (spec->n_layers)
        blas_axpy(t->n * spec->d_output, 1, x, y);
}

/* The gradient of layer i's common part: gathered for layer 0, taken back at once for others. dx is added to.
 */
static void backward_first(const struct model_spec *spec, const struct model_params *params,
                           struct target_tape *t, size_t i, const real *x, const real *dfirst, real *dx,
                           const struct model_params *grads)
{
    const struct layer_spec *l = &spec->layers[i];
    size_t width = first_width(l);
    if (i == 0) {
        blas_axpy(t->n * width, 1, dfirst, t->dfirst);
        return;
    }
    bool core = l->generator == GENERATOR_CORE;
    outer(t->n, width, l->d_in, dfirst, x, core ? grads->layers[i].v : grads->layers[i].weight);
    times_back(t->n, width, l->d_in, dfirst, core ? params->layers[i].v : params->layers[i].weight, 1, dx);
}

/* From dout (n, d_out), which is before the activation by now, to dx (n, d_in), which is added to. */
static void backward_weights(const struct model_spec *spec, const struct model_params *params,
                             struct target_tape *t, size_t i, const real *x, const real *theta,
                             const real *dout, real *dx, real *scratch[2], real *dtheta,
                             const struct model_params *grads)
{
    const struct layer_spec *l = &spec->layers[i];
    const real *w = theta + t->layout.layers[i].weight;
    real *dw = dtheta + t->layout.layers[i].weight;
    struct target_layer_tape *tape = &t->layers[i];
    size_t n = t->n, k = l->rank;
    switch (l->generator) {
    case GENERATOR_SHARED:
        backward_first(spec, params, t, i, x, dout, dx, grads);
        break;
    case GENERATOR_FULL:
    case GENERATOR_CHUNKED:
        outer(n, l->d_out, l->d_in, dout, x, dw);
        times_back(n, l->d_out, l->d_in, dout, w, 1, dx);
        break;
    case GENERATOR_LOW_RANK: /* out = first + (x B^T) A^T */
        outer(n, l->d_out, k, dout, tape->second, dw);
        times_back(n, l->d_out, k, dout, w, 0, scratch[0]);
        outer(n, k, l->d_in, scratch[0], x, dw + l->d_out * k);
        times_back(n, k, l->d_in, scratch[0], w + l->d_out * k, 1, dx);
        backward_first(spec, params, t, i, x, dout, dx, grads);
        break;
    case GENERATOR_CORE:
        outer(n, l->d_out, k, dout, tape->second, grads->layers[i].u);
        times_back(n, l->d_out, k, dout, params->layers[i].u, 0, scratch[0]);
        outer(n, k, k, scratch[0], tape->first, dw);
        times_back(n, k, k, scratch[0], w, 0, scratch[1]);
        backward_first(spec, params, t, i, x, scratch[1], dx, grads);
        break;
    }
}

void target_tape_backward(const struct model_spec *spec, const struct model_params *params,
                          struct target_tape *t, const real *theta, const real *dy, real *dtheta,
                          const struct model_params *grads)
{
    if (t->fused) {
        fused_backward(spec, params, t, theta, dy, dtheta, grads);
        return;
    }
    /* Three buffers: the gradient that arrives, the one that leaves, and scratch. */
    real *in = t->d[0], *out = t->d[1];
    memcpy(in, dy, t->n * spec->d_output * sizeof *in);
    for (size_t i = spec->n_layers; i-- > 0;) {
        const struct layer_spec *l = &spec->layers[i];
        const real *x = i ? t->layers[i - 1].out : t->x;
        real *dx = i ? out : t->dx;
        if (i)
            memset(dx, 0, t->n * l->d_in * sizeof *dx);
        activation_backward(l->activation, t->layers[i].out, in, t->n * l->d_out);
        if (l->bias != BIAS_NONE)
            blas_gemv(BLAS_TRANSPOSED, t->n, l->d_out, 1, in, l->d_out, t->ones, 1,
                      l->bias == BIAS_FULL ? dtheta + t->layout.layers[i].bias : grads->layers[i].bias);
        /* core reads `in` no more once scratch[0] is filled, so its second scratch is `in` itself */
        real *scratch[2] = {t->d[2], in};
        backward_weights(spec, params, t, i, x, theta, in, dx, scratch, dtheta, grads);
        out = in;
        in = dx;
    }
}

void target_tape_finish(const struct model_spec *spec, const struct model_params *params,
                        struct target_tape *t, const struct model_params *grads)
{
    if (spec->n_layers == 0)
        return;
    const struct layer_spec *l = &spec->layers[0];
    size_t width = first_width(l);
    if (width == 0)
        return;
    bool core = l->generator == GENERATOR_CORE;
    outer(t->n, width, l->d_in, t->dfirst, t->x, core ? grads->layers[0].v : grads->layers[0].weight);
    times_back(t->n, width, l->d_in, t->dfirst, core ? params->layers[0].v : params->layers[0].weight, 1,
               t->dx);
}
