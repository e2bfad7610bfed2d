/* Rows go through the layers KERNEL_LANES at a time, each lane a row: the same kernel serves the catalogue
 * and a caller's rows, so both give the same bits, and a row's result does not depend on its neighbours. */
#include "engine/network/target.h"

#include "engine/network/layers.h"
#include "engine/network/target_block.h"

#include <math.h>
#include <string.h>

/* A core layer whose U K takes no longer to make than K to apply to a few blocks: K is then a lane block
 * itself. It depends on the layer alone, so that a row's bits do not depend on how many are asked for. */
static bool has_product(const struct layer_spec *l)
{
    enum { MAX_OUTPUTS = 64 };
    return l->generator == GENERATOR_CORE && l->rank == KERNEL_LANES && l->d_out <= MAX_OUTPUTS;
}

size_t target_pass_workspace_len(const struct model_spec *spec)
{
    size_t n = 0;
    for (size_t i = 0; i < spec->n_layers; i++)
        n += has_product(&spec->layers[i]) ? spec->layers[i].d_out * KERNEL_LANES : 0;
    return n;
}

void target_pass_init(struct target_pass *pass, const struct model_spec *spec,
                      const struct model_params *params, const real *theta, real *workspace)
{
    *pass = (struct target_pass){.spec = spec, .params = params, .kernels = kernel_best(), .theta = theta};
    theta_layout_of(spec, &pass->layout);
    for (size_t i = 0; theta && i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        if (!has_product(l))
            continue;
        pass->kernels->layer(params->layers[i].u, NULL, NULL, l->d_out, l->rank,
                             theta + pass->layout.layers[i].weight, workspace);
        pass->product[i] = workspace;
        workspace += l->d_out * KERNEL_LANES;
    }
}

size_t target_block_buffer_len(const struct model_spec *spec)
{
    size_t d = model_spec_d_target_in(spec);
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        d = l->d_out > d ? l->d_out : d;
        d = l->rank > d ? l->rank : d;
    }
    return d * KERNEL_LANES;
}

void target_block_load(const real *rows, size_t n_rows, size_t d, real *x)
{
    if (n_rows < KERNEL_LANES)
        memset(x, 0, d * KERNEL_LANES * sizeof *x);
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < d; j++)
            x[j * KERNEL_LANES + r] = rows[r * d + j];
}

size_t target_block_shared_len(const struct layer_spec *l)
{
    return l->generator == GENERATOR_CORE ? l->rank : l->generator == GENERATOR_LOW_RANK ? l->d_out : 0;
}

void target_block_shared(const struct target_pass *pass, size_t i, const real *x, real *shared)
{
    const struct layer_spec *l = &pass->spec->layers[i];
    if (l->generator == GENERATOR_CORE)
        pass->kernels->layer(pass->params->layers[i].v, NULL, NULL, l->rank, l->d_in, x, shared);
    else
        pass->kernels->layer(pass->params->layers[i].weight, NULL, NULL, l->d_out, l->d_in, x, shared);
}

/* The bias that goes with layer i of this context; NULL: none. */
static const real *layer_bias(const struct target_pass *pass, size_t i)
{
    switch (pass->spec->layers[i].bias) {
    case BIAS_NONE:
        return NULL;
    case BIAS_SHARED:
        return pass->params->layers[i].bias;
    case BIAS_FULL:
        return pass->theta + pass->layout.layers[i].bias;
    }
    return NULL;
}

void target_block_layer(const struct target_pass *pass, size_t i, const real *x, const real *shared,
                        real *scratch, real *out)
{
    const struct layer_spec *l = &pass->spec->layers[i];
    /* Without theta (catalogue_new) only shared layers come here. */
    const real *generated = pass->theta ? pass->theta + pass->layout.layers[i].weight : NULL;
    const real *bias = layer_bias(pass, i);
    const struct kernels *k = pass->kernels;
    switch (l->generator) {
    case GENERATOR_SHARED:
        k->layer(pass->params->layers[i].weight, bias, NULL, l->d_out, l->d_in, x, out);
        break;
    case GENERATOR_FULL:
    case GENERATOR_CHUNKED:
        k->layer(generated, bias, NULL, l->d_out, l->d_in, x, out);
        break;
    case GENERATOR_LOW_RANK: /* (W0 x) + A (B x) + b */
        if (!shared) {
            target_block_shared(pass, i, x, out);
            shared = out;
        }
        k->layer(generated + l->d_out * l->rank, NULL, NULL, l->rank, l->d_in, x, scratch);
        k->layer(generated, bias, shared, l->d_out, l->rank, scratch, out);
        break;
    case GENERATOR_CORE: /* (U K) (V x) + b, or U (K (V x)) + b with V x in out, which is written last */
        if (!shared) {
            real *own = pass->product[i] ? scratch : out;
            target_block_shared(pass, i, x, own);
            shared = own;
        }
        if (pass->product[i]) {
            k->layer(pass->product[i], bias, NULL, l->d_out, l->rank, shared, out);
            break;
        }
        k->layer(generated, NULL, NULL, l->rank, l->rank, shared, scratch);
        k->layer(pass->params->layers[i].u, bias, NULL, l->d_out, l->rank, scratch, out);
        break;
    }
    activation_forward(l->activation, out, l->d_out * KERNEL_LANES);
}

const real *target_block_layers(const struct target_pass *pass, size_t first, const real *x,
                                const real *shared, real *buffers)
{
    size_t len = target_block_buffer_len(pass->spec);
    real *scratch = buffers + 2 * len;
    for (size_t i = first; i < pass->spec->n_layers; i++) {
        real *out = x == buffers ? buffers + len : buffers;
        target_block_layer(pass, i, x, i == first ? shared : NULL, scratch, out);
        x = out;
    }
    return x;
}

size_t target_workspace_len(const struct model_spec *spec)
{
    return 3 * target_block_buffer_len(spec) + KERNEL_LANES + target_pass_workspace_len(spec);
}

void target_forward(const struct model_spec *spec, const struct model_params *params, const real *theta,
                    const real *x, size_t n_rows, real *workspace, real *y)
{
    struct target_pass pass;
    real *linear = workspace, *own = workspace + KERNEL_LANES,
         *buffers = own + target_pass_workspace_len(spec);
    target_pass_init(&pass, spec, params, theta, own);
    for (size_t start = 0; start < n_rows; start += KERNEL_LANES) {
        size_t n = n_rows - start < KERNEL_LANES ? n_rows - start : KERNEL_LANES;
        const real *first = x + start * model_spec_d_target_in(spec), *rows[KERNEL_LANES];
        for (size_t r = 0; r < n; r++)
            rows[r] = first + r * model_spec_d_target_in(spec);
        if (spec->has_linear)
            pass.kernels->dot_rows(rows, n, model_spec_d_target_in(spec), theta + pass.layout.linear, linear);
        const real *out = NULL;
        if (spec->n_layers) {
            target_block_load(first, n, model_spec_d_target_in(spec), buffers);
            out = target_block_layers(&pass, 0, buffers, NULL, buffers);
        }
        for (size_t r = 0; r < n; r++)
            for (size_t o = 0; o < spec->d_output; o++)
                y[(start + r) * spec->d_output + o] =
                    (spec->has_linear ? linear[r] : 0) + (out ? out[o * KERNEL_LANES + r] : 0);
    }
}

void target_softmax(real *y, size_t n_rows, size_t n_classes)
{
    for (size_t r = 0; r < n_rows; r++, y += n_classes) {
        real most = y[0], sum = 0;
        for (size_t i = 1; i < n_classes; i++)
            most = y[i] > most ? y[i] : most;
        for (size_t i = 0; i < n_classes; i++)
            sum += y[i] = (real)exp((double)(y[i] - most));
        for (size_t i = 0; i < n_classes; i++)
            y[i] /= sum;
    }
}
