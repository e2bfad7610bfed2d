/* One matrix-vector product a head. The heads stay where the file put them, and each is read once; where they
 * are small, what is read are their panels (hypernet_panels.h). */
#include "engine/network/hypernet.h"

#include "engine/kernels/kernel.h"
#include "engine/network/chunked.h"
#include "engine/network/hypernet_parts.h"
#include "engine/network/layers.h"

#include <math.h>
#include <string.h>

void theta_layout_of(const struct model_spec *spec, struct theta_layout *out)
{
    memset(out, 0, sizeof *out);
    size_t at = 0;
    out->linear = at;
    if (spec->has_linear)
        at += model_spec_d_target_in(spec);
    for (size_t i = 0; i < spec->n_layers; i++) {
        out->layers[i].weight = at;
        at += layer_spec_n_generated(&spec->layers[i]);
        out->layers[i].bias = at;
        if (spec->layers[i].bias == BIAS_FULL)
            at += spec->layers[i].d_out;
    }
    out->len = at;
}

size_t hypernet_widest(const struct model_spec *spec)
{
    size_t d = model_spec_d_code(spec);
    for (size_t i = 0; i < spec->n_trunk; i++)
        if (spec->trunk[i].d_out > d)
            d = spec->trunk[i].d_out;
    return d;
}

const real *hypernet_layer_base(const struct model_spec *spec, const struct model_params *params, size_t i)
{
    switch (spec->layers[i].generator) {
    case GENERATOR_SHARED:
    case GENERATOR_CHUNKED: /* not by parts */
        break;
    case GENERATOR_FULL:
        return params->layers[i].weight;
    case GENERATOR_LOW_RANK:
        return params->layers[i].head_bias;
    case GENERATOR_CORE:
        return params->layers[i].core;
    }
    return NULL;
}

size_t hypernet_parts(const struct model_spec *spec, const struct model_params *params,
                      const struct theta_layout *layout, struct hypernet_part out[HYPERNET_MOST_PARTS])
{
    size_t count = 0;
    if (spec->has_linear)
        out[count++] = (struct hypernet_part){layout->linear,
                                              model_spec_d_target_in(spec),
                                              NULL,
                                              params->linear_context,
                                              spec->linear_head ? params->linear_head : NULL,
                                              NULL};
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        size_t n = layer_spec_n_generated(l);
        if (n)
            out[count++] = (struct hypernet_part){layout->layers[i].weight,
                                                  n,
                                                  hypernet_layer_base(spec, params, i),
                                                  NULL,
                                                  params->layers[i].head,
                                                  params->layers[i].head_half};
        if (l->bias == BIAS_FULL)
            out[count++] =
                (struct hypernet_part){layout->layers[i].bias,      l->d_out, params->layers[i].bias, NULL,
                                       params->layers[i].bias_head, NULL};
    }
    return count;
}

bool hypernet_all_finite(const real *x, size_t n)
{
    int bad = 0; /* no way out of the loop, so that it runs on vectors */
    for (size_t i = 0; i < n; i++)
        bad |= !isfinite(x[i]);
    return !bad;
}

enum err_code hypernet_refuse_context(struct err *e)
{
    return err_set(e, ERR_INVALID, "the context embedding has a value that is not finite");
}

enum err_code hypernet_refuse_theta(struct err *e)
{
    return err_set(e, ERR_INVALID, "a generated weight is not finite; the context embedding is too large");
}

size_t hypernet_bytes_read(const struct model_spec *spec, const struct model_params *params)
{
    size_t d_trunk = model_spec_d_trunk(spec), d = model_spec_d_code(spec), n = 0, n_half = 0;
    if (spec->chunks.size)
        return chunked_reals_read(spec) * sizeof(real);
    for (size_t i = 0; i < spec->n_trunk; d = spec->trunk[i++].d_out)
        n += spec->trunk[i].d_out * d;
    if (spec->has_linear)
        n += model_spec_d_target_in(spec) * (model_spec_d_code(spec) + (spec->linear_head ? d_trunk : 0));
    for (size_t i = 0; i < spec->n_layers; i++) {
        size_t n_head = layer_spec_n_generated(&spec->layers[i]) * d_trunk;
        if (params->layers[i].head_half && !params->panels)
            n_half += n_head;
        else
            n += n_head;
        n += (spec->layers[i].bias == BIAS_FULL ? spec->layers[i].d_out : 0) * d_trunk;
    }
    return n * sizeof(real) + n_half * sizeof(uint16_t);
}

size_t hypernet_workspace_len(const struct model_spec *spec)
{
    return spec->chunks.size ? chunked_activations_len(spec) : 2 * hypernet_widest(spec);
}

/* y (d_out) = start + w x, w (d_out, d_in); panels: the same matrix in panels, or NULL. */
static void multiply(const real *w, const real *panels, const real *start, size_t d_out, size_t d_in,
                     const real *x, real *y)
{
    if (panels)
        kernel_best()->panels(panels, start, d_out, d_in, x, y);
    else
        kernel_best()->vector(w, start, d_out, d_in, x, y);
}

/* The next n values of a large matrix are on their way while others are worked on. */
static void fetch_half(const uint16_t *w, size_t n)
{
    enum { LINE = 64 / sizeof *w };
    for (size_t i = 0; i < n; i += LINE)
        __builtin_prefetch(w + i);
}

/* The same for w in bfloat16, widened piece by piece in the nearest cache; the sums run in the same order. */
static void multiply_half(const uint16_t *w, const real *start, size_t d_out, size_t d_in, const real *x,
                          real *y)
{
    enum { ROWS = 32, COLUMNS = 128 };
    const struct kernels *k = kernel_best();
    real wide[ROWS * COLUMNS];
    for (size_t at = 0; at < d_out; at += ROWS) {
        size_t rows = d_out - at < ROWS ? d_out - at : ROWS, left = d_out - at - rows;
        const real *from = start ? start + at : NULL;
        fetch_half(w + (at + rows) * d_in, (left < ROWS ? left : ROWS) * d_in);
        for (size_t i = 0; i < d_in; i += COLUMNS) {
            size_t columns = d_in - i < COLUMNS ? d_in - i : COLUMNS;
            for (size_t r = 0; r < rows; r++)
                k->widen(w + (at + r) * d_in + i, columns, wide + r * columns);
            k->vector(wide, from, rows, columns, x + i, y + at);
            from = y + at;
        }
    }
}

/* z (Z) of c, in one half of the workspace; returned. */
static const real *trunk_forward(const struct model_spec *spec, const struct model_params *params,
                                 const real *c, real *workspace)
{
    real *x = workspace, *y = workspace + hypernet_widest(spec);
    norm_forward(spec, params->norm_weight, params->norm_bias, c, x, NULL);
    size_t d = model_spec_d_code(spec);
    for (size_t i = 0; i < spec->n_trunk; i++) {
        size_t d_out = spec->trunk[i].d_out;
        multiply(params->trunk[i].weight, params->panels ? params->panels->trunk[i] : NULL,
                 params->trunk[i].bias, d_out, d, x, y);
        activation_forward(spec->trunk[i].activation, y, d_out);
        real *held = x;
        x = y;
        y = held;
        d = d_out;
    }
    return x;
}

/* i: which of the parts it is, for panels */
static void generate_part(const struct model_spec *spec, const struct hypernet_part *p,
                          const struct hypernet_panels *panels, size_t i, const real *c, const real *z,
                          real *theta)
{
    const real *start = p->base;
    real *y = theta + p->at;
    if (p->from_context) {
        multiply(p->from_context, panels ? panels->parts[i].from_context : NULL, start, p->n,
                 model_spec_d_code(spec), c, y);
        start = y;
    }
    const real *from_trunk = panels ? panels->parts[i].from_trunk : NULL;
    if (p->from_trunk || from_trunk)
        multiply(p->from_trunk, from_trunk, start, p->n, model_spec_d_trunk(spec), z, y);
    else if (p->from_half)
        multiply_half(p->from_half, start, p->n, model_spec_d_trunk(spec), z, y);
}

/* All of theta but the chunks of such a model. */
static void generate_parts(const struct model_spec *spec, const struct model_params *params,
                           const struct theta_layout *layout, const real *c, real *workspace, real *theta)
{
    struct hypernet_part parts[HYPERNET_MOST_PARTS];
    const real *z = trunk_forward(spec, params, c, workspace);
    size_t n_parts = hypernet_parts(spec, params, layout, parts);
    for (size_t i = 0; i < n_parts; i++)
        generate_part(spec, &parts[i], params->panels, i, c, z, theta);
}

enum err_code hypernet_generate(const struct model_spec *spec, const struct model_params *params,
                                const real *c, real *workspace, real *theta, struct err *e)
{
    if (!hypernet_all_finite(c, model_spec_d_code(spec)))
        return hypernet_refuse_context(e);
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    if (spec->chunks.size)
        chunked_generate(spec, params, c, workspace, theta);
    else
        generate_parts(spec, params, &layout, c, workspace, theta);
    if (spec->n_pairs)
        theta[layout.len] = 0; /* no history, no neighbours */
    return hypernet_all_finite(theta, layout.len) ? ERR_OK : hypernet_refuse_theta(e);
}
