/* One matrix-vector product a head: the heads stay where the file put them, and each is read once. */
#include "engine/hypernet.h"

#include "engine/blas.h"
#include "engine/layers.h"

#include <math.h>
#include <string.h>

void theta_layout_of(const struct model_spec *spec, struct theta_layout *out)
{
    memset(out, 0, sizeof *out);
    size_t at = 0;
    out->linear = at;
    if (spec->has_linear)
        at += spec->d_item;
    for (size_t i = 0; i < spec->n_layers; i++) {
        out->layers[i].weight = at;
        at += layer_spec_n_generated(&spec->layers[i]);
        out->layers[i].bias = at;
        if (spec->layers[i].bias == BIAS_FULL)
            at += spec->layers[i].d_out;
    }
    out->len = at;
}

static size_t widest_trunk(const struct model_spec *spec)
{
    size_t d = spec->d_context;
    for (size_t i = 0; i < spec->n_trunk; i++)
        if (spec->trunk[i].d_out > d)
            d = spec->trunk[i].d_out;
    return d;
}

size_t hypernet_workspace_len(const struct model_spec *spec)
{
    return 2 * widest_trunk(spec);
}

/* z (Z) of c, in one half of the workspace; returned. */
static const real *trunk_forward(const struct model_spec *spec, const struct model_params *params,
                                 const real *c, real *workspace)
{
    real *x = workspace, *y = workspace + widest_trunk(spec);
    norm_forward(spec, params->norm_weight, params->norm_bias, c, x, NULL);
    size_t d = spec->d_context;
    for (size_t i = 0; i < spec->n_trunk; i++) {
        size_t d_out = spec->trunk[i].d_out;
        memcpy(y, params->trunk[i].bias, d_out * sizeof *y);
        blas_gemv(BLAS_AS_IS, d_out, d, 1, params->trunk[i].weight, d, x, 1, y);
        activation_forward(spec->trunk[i].activation, y, d_out);
        real *held = x;
        x = y;
        y = held;
        d = d_out;
    }
    return x;
}

static void layer_generate(const struct model_spec *spec, const struct model_params *params, size_t i,
                           const real *z, const struct theta_layout *layout, real *theta)
{
    const struct layer_spec *l = &spec->layers[i];
    size_t d_trunk = model_spec_d_trunk(spec), n = layer_spec_n_generated(l);
    real *w = theta + layout->layers[i].weight, *b = theta + layout->layers[i].bias;
    if (l->generator == GENERATOR_FULL)
        memcpy(w, params->layers[i].weight, n * sizeof *w);
    else if (l->generator == GENERATOR_LOW_RANK)
        memcpy(w, params->layers[i].head_bias, n * sizeof *w);
    else if (l->generator == GENERATOR_CORE)
        memcpy(w, params->layers[i].core, n * sizeof *w);
    if (n)
        blas_gemv(BLAS_AS_IS, n, d_trunk, 1, params->layers[i].head, d_trunk, z, 1, w);
    if (l->bias == BIAS_FULL) {
        memcpy(b, params->layers[i].bias, l->d_out * sizeof *b);
        blas_gemv(BLAS_AS_IS, l->d_out, d_trunk, 1, params->layers[i].bias_head, d_trunk, z, 1, b);
    }
}

static bool all_finite(const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

enum err_code hypernet_generate(const struct model_spec *spec, const struct model_params *params,
                                const real *c, real *workspace, real *theta, struct err *e)
{
    if (!all_finite(c, spec->d_context))
        return err_set(e, ERR_INVALID, "the context embedding has a value that is not finite");
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    const real *z = trunk_forward(spec, params, c, workspace);
    if (spec->has_linear) {
        real *p = theta + layout.linear;
        blas_gemv(BLAS_AS_IS, spec->d_item, spec->d_context, 1, params->linear_context, spec->d_context, c, 0,
                  p);
        if (spec->linear_head) {
            size_t d_trunk = model_spec_d_trunk(spec);
            blas_gemv(BLAS_AS_IS, spec->d_item, d_trunk, 1, params->linear_head, d_trunk, z, 1, p);
        }
    }
    for (size_t i = 0; i < spec->n_layers; i++)
        layer_generate(spec, params, i, z, &layout, theta);
    if (spec->n_pairs)
        memset(theta + layout.len, 0, sizeof *theta); /* no history, no neighbours */
    if (!all_finite(theta, layout.len))
        return err_set(e, ERR_INVALID,
                       "a generated weight is not finite; the context embedding is too large");
    return ERR_OK;
}
