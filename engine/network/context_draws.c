#include "engine/network/context_draws.h"

#include "engine/kernels/small_solve.h"

#include <string.h>

size_t context_draws_len(const struct model_spec *spec)
{
    size_t d = spec->encoder.present ? spec->encoder.d_fold_in : 0;
    return d ? model_spec_packed(d) + d : 0;
}

bool context_draws_factor(const struct model_spec *spec, const struct model_params *params,
                          const struct encoder_input *input, double *room)
{
    size_t d = spec->encoder.d_fold_in;
    double ridge = encoder_fold_in_ridge(spec, input->n_interactions), *to = room;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++)
            *to++ = (double)params->fold_in_gram[i * d + j] + (i == j ? ridge : 0);
    for (size_t n = 0; n < input->n_interactions; n++) {
        const struct encoder_interaction *x = &input->interactions[n];
        const real *v = x->item < spec->n_items
                            ? params->fold_in_factor + (size_t)x->item * d
                            : input->extra->fold_in_factor + (x->item - spec->n_items) * d;
        to = room;
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j <= i; j++)
                *to++ += (double)x->weight * (double)v[i] * (double)v[j];
    }
    return small_factor(d, room);
}

void context_draws_next(const struct model_spec *spec, double *room, const real *c, struct rng *rng,
                        real *out)
{
    size_t d = spec->encoder.d_fold_in;
    double *noise = room + model_spec_packed(d);
    for (size_t i = 0; i < d; i++)
        noise[i] = rng_normal(rng);
    small_backward(d, room, noise);
    memcpy(out, c, spec->d_context * sizeof *out);
    for (size_t i = 0; i < d; i++)
        out[i] = (real)((double)c[i] + noise[i]);
}
