#include "engine/train/gradient/chunked_backward.h"

#include "engine/kernels/blas.h"
#include "engine/network/chunked.h"
#include "engine/network/hypernet.h"
#include "engine/network/layers.h"

#include <string.h>

size_t chunked_backward_workspace_len(const struct model_spec *spec)
{
    size_t widest = model_spec_d_trunk_in(spec);
    for (size_t i = 0; i < spec->n_trunk; i++)
        widest = spec->trunk[i].d_out > widest ? spec->trunk[i].d_out : widest;
    return 2 * model_spec_n_chunks(spec) * widest;
}

static void add(size_t n, const real *from, real *to)
{
    for (size_t i = 0; to && i < n; i++)
        to[i] += from[i];
}

static void base_backward(const struct model_spec *spec, const real *dtheta, const struct model_params *grads)
{
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        if (l->generator != GENERATOR_CHUNKED)
            continue;
        add(l->d_out * l->d_in, dtheta + layout.layers[i].weight, grads->layers[i].weight);
        if (l->bias == BIAS_FULL)
            add(l->d_out, dtheta + layout.layers[i].bias, grads->layers[i].bias);
    }
}

/* dz (K, Z) is set. */
static void head_backward(const struct model_spec *spec, const struct model_params *params, const real *z,
                          const real *dtheta, real *dz, const struct model_params *grads)
{
    size_t d = model_spec_d_trunk(spec), size = spec->chunks.size, n = model_spec_n_chunked(spec);
    size_t whole = n / size, rest = n - whole * size;
    const real *last = dtheta + whole * size;
    for (size_t at = 0; at < n; at += size)
        add(n - at < size ? n - at : size, dtheta + at, grads->chunk_head_bias);
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, size, d, whole, 1, dtheta, size, z, d, 1, grads->chunk_head, d);
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, whole, d, size, 1, dtheta, size, params->chunk_head, d, 0, dz, d);
    if (rest == 0)
        return;
    blas_ger(rest, d, 1, last, z + whole * d, grads->chunk_head, d);
    blas_gemv(BLAS_TRANSPOSED, rest, d, 1, params->chunk_head, d, last, 0, dz + whole * d);
}

/* From dz to the gradient of what the trunk reads (K, d_in); returns where in work it lies, dz being in the
 * first half of it. */
static const real *trunk_backward(const struct model_spec *spec, const struct model_params *params,
                                  const real *activations, real *work, const struct model_params *grads)
{
    size_t n = model_spec_n_chunks(spec);
    real *dy = work, *dx = work + chunked_backward_workspace_len(spec) / 2;
    real *all = (real *)(uintptr_t)activations; /* read only */
    for (size_t i = spec->n_trunk; i-- > 0;) {
        size_t d_out = spec->trunk[i].d_out,
               d_in = i ? spec->trunk[i - 1].d_out : model_spec_d_trunk_in(spec);
        const real *x = chunked_activations_of(spec, all, i), *y = chunked_activations_of(spec, all, i + 1);
        activation_backward(spec->trunk[i].activation, y, dy, n * d_out);
        blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, d_out, d_in, n, 1, dy, d_out, x, d_in, 1,
                  grads->trunk[i].weight, d_in);
        for (size_t k = 0; k < n; k++)
            add(d_out, dy + k * d_out, grads->trunk[i].bias);
        blas_gemm(BLAS_AS_IS, BLAS_AS_IS, n, d_in, d_out, 1, dy, d_out, params->trunk[i].weight, d_in, 0, dx,
                  d_in);
        real *held = dy;
        dy = dx;
        dx = held;
    }
    return dy;
}

void chunked_backward(const struct model_spec *spec, const struct model_params *params,
                      const real *activations, const real *dtheta, real *workspace, real *dc,
                      const struct model_params *grads)
{
    size_t n = model_spec_n_chunks(spec), d_task = chunked_d_task(spec), d = spec->chunks.d_embedding;
    const real *z = chunked_activations_of(spec, (real *)(uintptr_t)activations, spec->n_trunk);
    base_backward(spec, dtheta, grads);
    head_backward(spec, params, z, dtheta, workspace, grads);
    const real *dx = trunk_backward(spec, params, activations, workspace, grads);
    real *dchunks = spec->chunks.own ? dc + d_task : grads->chunk_embedding;
    memset(dc, 0, model_spec_d_code(spec) * sizeof *dc);
    for (size_t k = 0; k < n; k++, dx += d_task + d) {
        add(d_task, dx, dc);
        add(d, dx + d_task, dchunks + k * d);
    }
}
