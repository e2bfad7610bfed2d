/* The same function as engine/network/hypernet.c, as matrix products over the batch; a test holds the two
 * equal. */
#include "engine/train/gradient/hypernet_backward.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/network/chunked.h"
#include "engine/network/hypernet_parts.h"
#include "engine/network/layers.h"
#include "engine/train/gradient/chunked_backward.h"

#include <string.h>

static size_t widest(const struct model_spec *spec)
{
    size_t d = model_spec_d_code(spec);
    for (size_t i = 0; i < spec->n_trunk; i++)
        d = spec->trunk[i].d_out > d ? spec->trunk[i].d_out : d;
    return d;
}

enum err_code hypernet_tape_init(struct hypernet_tape *t, const struct model_spec *spec, size_t n_max,
                                 struct err *e)
{
    memset(t, 0, sizeof *t);
    t->n_max = n_max;
    theta_layout_of(spec, &t->layout);
    size_t row = 3 * model_spec_d_code(spec) + 2 * t->layout.len + 2 * NORM_MAX_BLOCKS + 2 * widest(spec) + 1;
    for (size_t i = 0; i < spec->n_trunk; i++)
        row += spec->trunk[i].d_out;
    size_t n, n_chunked = spec->chunks.size ? chunked_activations_len(spec) : 0;
    size_t n_work = spec->chunks.size ? chunked_backward_workspace_len(spec) : 0;
    if (__builtin_mul_overflow(n_max, row + n_chunked, &n) || __builtin_add_overflow(n, n_work, &n) ||
        !(t->block = mem_alloc_aligned(n, sizeof(real))))
        return err_set(e, ERR_NOMEM, "no memory for a batch of %zu contexts", n_max);
    real *at = t->block;
#define TAKE(field, width) (t->field = at, at += n_max * (width))
    TAKE(c, model_spec_d_code(spec));
    TAKE(dc, model_spec_d_code(spec));
    TAKE(normal, model_spec_d_code(spec));
    TAKE(theta, t->layout.len);
    TAKE(dtheta, t->layout.len);
    TAKE(saved, 2 * NORM_MAX_BLOCKS);
    TAKE(d[0], widest(spec));
    TAKE(d[1], widest(spec));
    TAKE(ones, 1);
    for (size_t i = 0; i < spec->n_trunk; i++)
        TAKE(hidden[i], spec->trunk[i].d_out);
    TAKE(chunks, n_chunked);
    t->for_chunks = at;
#undef TAKE
    for (size_t i = 0; i < n_max; i++)
        t->ones[i] = 1;
    return ERR_OK;
}

void hypernet_tape_fini(struct hypernet_tape *t)
{
    mem_free(t->block);
    memset(t, 0, sizeof *t);
}

/* Rows of y (n, ldy) start as a copy of base (d), or zero. */
static void start_rows(real *y, size_t ldy, size_t n, size_t d, const real *base)
{
    for (size_t r = 0; r < n; r++)
        if (base)
            memcpy(y + r * ldy, base, d * sizeof *y);
        else
            memset(y + r * ldy, 0, d * sizeof *y);
}

static void trunk_forward(const struct model_spec *spec, const struct model_params *params,
                          struct hypernet_tape *t)
{
    size_t d = model_spec_d_code(spec);
    for (size_t r = 0; r < t->n; r++)
        norm_forward(spec, params->norm_weight, params->norm_bias, t->c + r * d, t->normal + r * d,
                     t->saved + r * 2 * NORM_MAX_BLOCKS);
    const real *x = t->normal;
    for (size_t i = 0; i < spec->n_trunk; i++) {
        size_t d_out = spec->trunk[i].d_out;
        start_rows(t->hidden[i], d_out, t->n, d_out, params->trunk[i].bias);
        blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, t->n, d_out, d, 1, x, d, params->trunk[i].weight, d, 1,
                  t->hidden[i], d_out);
        activation_forward(spec->trunk[i].activation, t->hidden[i], t->n * d_out);
        x = t->hidden[i];
        d = d_out;
    }
}

void hypernet_batch_forward(const struct model_spec *spec, const struct model_params *params,
                            struct hypernet_tape *t, size_t n)
{
    size_t d_trunk = model_spec_d_trunk(spec), len = t->layout.len;
    t->n = n;
    if (spec->chunks.size) {
        for (size_t r = 0; r < n; r++)
            chunked_generate(spec, params, t->c + r * model_spec_d_code(spec),
                             t->chunks + r * chunked_activations_len(spec), t->theta + r * len);
        return;
    }
    trunk_forward(spec, params, t);
    const real *z = spec->n_trunk ? t->hidden[spec->n_trunk - 1] : t->normal;
    if (spec->has_linear) {
        real *p = t->theta + t->layout.linear;
        blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, model_spec_d_target_in(spec), model_spec_d_code(spec), 1,
                  t->c, model_spec_d_code(spec), params->linear_context, model_spec_d_code(spec), 0, p, len);
        if (spec->linear_head)
            blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, model_spec_d_target_in(spec), d_trunk, 1, z, d_trunk,
                      params->linear_head, d_trunk, 1, p, len);
    }
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        size_t n_generated = layer_spec_n_generated(l);
        if (n_generated) {
            real *w = t->theta + t->layout.layers[i].weight;
            start_rows(w, len, n, n_generated, hypernet_layer_base(spec, params, i));
            blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, n_generated, d_trunk, 1, z, d_trunk,
                      params->layers[i].head, d_trunk, 1, w, len);
        }
        if (l->bias == BIAS_FULL) {
            real *b = t->theta + t->layout.layers[i].bias;
            start_rows(b, len, n, l->d_out, params->layers[i].bias);
            blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, l->d_out, d_trunk, 1, z, d_trunk,
                      params->layers[i].bias_head, d_trunk, 1, b, len);
        }
    }
}

/* Backward of w = base + z head^T for the columns [dw, dw + n_out) of dtheta. */
static void head_backward(struct hypernet_tape *t, const real *dw, size_t n_out, const real *z,
                          size_t d_trunk, const real *head, real *dhead, real *dbase, real *dz)
{
    size_t len = t->layout.len;
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, n_out, d_trunk, t->n, 1, dw, len, z, d_trunk, 1, dhead, d_trunk);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, t->n, d_trunk, n_out, 1, dw, len, head, d_trunk, 1, dz, d_trunk);
    if (dbase)
        blas_gemv(BLAS_TRANSPOSED, t->n, n_out, 1, dw, len, t->ones, 1, dbase);
}

static void heads_backward(const struct model_spec *spec, const struct model_params *params,
                           struct hypernet_tape *t, const struct model_params *grads, const real *z, real *dz)
{
    size_t d_trunk = model_spec_d_trunk(spec);
    if (spec->linear_head)
        head_backward(t, t->dtheta + t->layout.linear, model_spec_d_target_in(spec), z, d_trunk,
                      params->linear_head, grads->linear_head, NULL, dz);
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        if (layer_spec_n_generated(l))
            head_backward(t, t->dtheta + t->layout.layers[i].weight, layer_spec_n_generated(l), z, d_trunk,
                          params->layers[i].head, grads->layers[i].head,
                          (real *)hypernet_layer_base(spec, grads, i), dz);
        if (l->bias == BIAS_FULL)
            head_backward(t, t->dtheta + t->layout.layers[i].bias, l->d_out, z, d_trunk,
                          params->layers[i].bias_head, grads->layers[i].bias_head, grads->layers[i].bias, dz);
    }
}

/* From dz in t->d[0] to the gradient of the normalised context; returns where it lies. */
static const real *trunk_backward(const struct model_spec *spec, const struct model_params *params,
                                  struct hypernet_tape *t, const struct model_params *grads)
{
    real *dy = t->d[0], *dx = t->d[1];
    for (size_t i = spec->n_trunk; i-- > 0;) {
        size_t d_out = spec->trunk[i].d_out, d_in = i ? spec->trunk[i - 1].d_out : model_spec_d_code(spec);
        const real *x = i ? t->hidden[i - 1] : t->normal;
        activation_backward(spec->trunk[i].activation, t->hidden[i], dy, t->n * d_out);
        blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, d_out, d_in, t->n, 1, dy, d_out, x, d_in, 1,
                  grads->trunk[i].weight, d_in);
        blas_gemv(BLAS_TRANSPOSED, t->n, d_out, 1, dy, d_out, t->ones, 1, grads->trunk[i].bias);
        blas_gemm(BLAS_AS_IS, BLAS_AS_IS, t->n, d_in, d_out, 1, dy, d_out, params->trunk[i].weight, d_in, 0,
                  dx, d_in);
        real *held = dy;
        dy = dx;
        dx = held;
    }
    return dy;
}

void hypernet_batch_backward(const struct model_spec *spec, const struct model_params *params,
                             struct hypernet_tape *t, const struct model_params *grads)
{
    size_t d_trunk = model_spec_d_trunk(spec), d = model_spec_d_code(spec);
    for (size_t r = 0; spec->chunks.size && r < t->n; r++)
        chunked_backward(spec, params, t->chunks + r * chunked_activations_len(spec),
                         t->dtheta + r * t->layout.len, t->for_chunks, t->dc + r * d, grads);
    if (spec->chunks.size)
        return;
    const real *z = spec->n_trunk ? t->hidden[spec->n_trunk - 1] : t->normal;
    memset(t->d[0], 0, t->n * d_trunk * sizeof *t->d[0]);
    heads_backward(spec, params, t, grads, z, t->d[0]);
    const real *dnormal = trunk_backward(spec, params, t, grads);
    for (size_t r = 0; r < t->n; r++)
        norm_backward(spec, params->norm_weight, t->c + r * d, t->saved + r * 2 * NORM_MAX_BLOCKS,
                      dnormal + r * d, t->dc + r * d, grads->norm_weight, grads->norm_bias);
    if (spec->has_linear) {
        const real *dp = t->dtheta + t->layout.linear;
        blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, model_spec_d_target_in(spec), d, t->n, 1, dp, t->layout.len,
                  t->c, d, 1, grads->linear_context, d);
        blas_gemm(BLAS_AS_IS, BLAS_AS_IS, t->n, d, model_spec_d_target_in(spec), 1, dp, t->layout.len,
                  params->linear_context, d, 1, t->dc, d);
    }
}
