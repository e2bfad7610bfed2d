#include "engine/network/chunked.h"

#include "engine/kernels/blas.h"
#include "engine/network/hypernet.h"
#include "engine/network/layers.h"

#include <string.h>

size_t chunked_d_task(const struct model_spec *spec)
{
    return model_spec_d_trunk_in(spec) - spec->chunks.d_embedding;
}

size_t chunked_activations_len(const struct model_spec *spec)
{
    size_t width = model_spec_d_trunk_in(spec);
    for (size_t i = 0; i < spec->n_trunk; i++)
        width += spec->trunk[i].d_out;
    return model_spec_n_chunks(spec) * width;
}

real *chunked_activations_of(const struct model_spec *spec, real *activations, size_t layer)
{
    size_t width = layer ? model_spec_d_trunk_in(spec) : 0;
    for (size_t i = 0; i + 1 < layer; i++)
        width += spec->trunk[i].d_out;
    return activations + model_spec_n_chunks(spec) * width;
}

size_t chunked_reals_read(const struct model_spec *spec)
{
    size_t d = model_spec_d_trunk_in(spec), n = model_spec_n_chunked(spec) + spec->chunks.size;
    if (!spec->chunks.own)
        n += model_spec_n_chunks(spec) * spec->chunks.d_embedding;
    for (size_t i = 0; i < spec->n_trunk; d = spec->trunk[i++].d_out)
        n += spec->trunk[i].d_out * (d + 1);
    return n + spec->chunks.size * d;
}

/* x (K, d_task + E): the task's numbers in each row, and behind them those of its chunk. */
static void join(const struct model_spec *spec, const struct model_params *params, const real *c, real *x)
{
    size_t d_task = chunked_d_task(spec), d = spec->chunks.d_embedding, n = model_spec_n_chunks(spec);
    const real *embedding = spec->chunks.own ? c + d_task : params->chunk_embedding;
    for (size_t k = 0; k < n; k++, x += d_task + d) {
        memcpy(x, c, d_task * sizeof *x);
        memcpy(x + d_task, embedding + k * d, d * sizeof *x);
    }
}

/* theta0, and the head's bias in each chunk. */
static void start_theta(const struct model_spec *spec, const struct model_params *params, real *theta)
{
    struct theta_layout layout;
    size_t size = spec->chunks.size;
    theta_layout_of(spec, &layout);
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        if (l->generator != GENERATOR_CHUNKED)
            continue;
        memcpy(theta + layout.layers[i].weight, params->layers[i].weight, l->d_out * l->d_in * sizeof *theta);
        if (l->bias == BIAS_FULL)
            memcpy(theta + layout.layers[i].bias, params->layers[i].bias, l->d_out * sizeof *theta);
    }
    for (size_t at = 0; at < layout.len; at += size) {
        size_t n = layout.len - at < size ? layout.len - at : size;
        for (size_t j = 0; j < n; j++)
            theta[at + j] += params->chunk_head_bias[j];
    }
}

void chunked_generate(const struct model_spec *spec, const struct model_params *params, const real *c,
                      real *activations, real *theta)
{
    size_t n = model_spec_n_chunks(spec), d = model_spec_d_trunk_in(spec), size = spec->chunks.size;
    real *x = activations, *y = x + n * d;
    join(spec, params, c, x);
    for (size_t i = 0; i < spec->n_trunk; i++) {
        size_t d_out = spec->trunk[i].d_out;
        for (size_t k = 0; k < n; k++)
            memcpy(y + k * d_out, params->trunk[i].bias, d_out * sizeof *y);
        blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, d_out, d, 1, x, d, params->trunk[i].weight, d, 1, y, d_out);
        activation_forward(spec->trunk[i].activation, y, n * d_out);
        x = y;
        y += n * d_out;
        d = d_out;
    }
    start_theta(spec, params, theta);
    /* The whole chunks lie one after the other in theta, as rows of the product do; then the last. */
    size_t whole = model_spec_n_chunked(spec) / size, rest = model_spec_n_chunked(spec) - whole * size;
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, whole, size, d, 1, x, d, params->chunk_head, d, 1, theta, size);
    if (rest)
        blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, 1, rest, d, 1, x + whole * d, d, params->chunk_head, d, 1,
                  theta + whole * size, rest);
}
