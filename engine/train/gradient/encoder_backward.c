/* The rows of a table are split by item number, not by context: two contexts with an item in common then
 * never write one row from two threads, and the order of the sums is fixed. */
#include "engine/train/gradient/encoder_backward.h"

#include "engine/kernels/blas.h"

#include <math.h>

static real decay_of(const struct model_params *params, size_t j)
{
    return 1 / (1 + (real)exp(-(double)params->decay[j]));
}

static size_t n_recent_of(const struct encoder_spec *n, const struct encoder_input *input)
{
    size_t t = 0;
    while (t < n->n_recent && t < input->n_interactions &&
           input->interactions[input->n_interactions - 1 - t].timestamp != 0)
        t++;
    return t;
}

void encoder_backward_dense(const struct model_spec *spec, const struct model_params *params,
                            const struct encoder_input *input, const real *dc,
                            const struct model_params *grads)
{
    const struct encoder_spec *n = &spec->encoder;
    const real *dr = dc + n->d_fold_in + n->d_history;
    size_t n_recent = n->d_recent ? n_recent_of(n, input) : 0;
    for (size_t j = 0; j < n->n_decays; j++, dr += n->d_recent) {
        /* r = sum g^t v_t with g = sigmoid(decay):  d decay = g (1 - g) sum t g^(t-1) (v_t . dr) */
        real g = decay_of(params, j), power = 1, sum = 0;
        for (size_t t = 1; t < n_recent; t++, power *= g) {
            size_t item = input->interactions[input->n_interactions - 1 - t].item;
            sum += (real)t * power * blas_dot(n->d_recent, params->recent + item * n->d_recent, dr);
        }
        grads->decay[j] += g * (1 - g) * sum;
    }
    for (size_t i = 0; n->d_profile && i < input->n_values; i++)
        blas_axpy(n->d_profile, 1, dr, grads->profile + (size_t)input->values[i] * n->d_profile);
    dr += n->d_profile;
    size_t moment;
    real share;
    if (!encoder_when_place(n, input, &moment, &share))
        return;
    blas_axpy(n->d_when, 1 - share, dr, grads->when + moment * n->d_when);
    blas_axpy(n->d_when, share, dr, grads->when + (moment + 1) * n->d_when);
}

static void disliked_backward(const struct encoder_spec *n, const struct encoder_input *input, const real *dl,
                              size_t part, size_t n_parts, const struct model_params *grads,
                              unsigned char *touched)
{
    if (!n->d_disliked)
        return;
    real mean = encoder_mean_rating(input);
    for (size_t i = 0; i < input->n_interactions; i++) {
        size_t item = input->interactions[i].item;
        if (item % n_parts != part || !((real)input->interactions[i].rating < mean))
            continue;
        blas_axpy(n->d_disliked, 1 / (real)sqrt((double)input->n_interactions), dl,
                  grads->disliked + item * n->d_disliked);
        touched[item] = 1;
    }
}

void encoder_backward_tables(const struct model_spec *spec, const struct model_params *params,
                             const struct encoder_input *input, const real *dc, size_t part, size_t n_parts,
                             const struct model_params *grads, unsigned char *touched)
{
    const struct encoder_spec *n = &spec->encoder;
    const real *dh = dc + n->d_fold_in, *dr = dh + n->d_history;
    real scale = input->n_interactions ? 1 / (real)sqrt((double)input->n_interactions) : 0;
    for (size_t i = 0; n->d_history && i < input->n_interactions; i++) {
        size_t item = input->interactions[i].item;
        if (item % n_parts != part)
            continue;
        blas_axpy(n->d_history, scale, dh, grads->history + item * n->d_history);
        touched[item] = 1;
    }
    disliked_backward(n, input, dr + n->n_decays * n->d_recent + n->d_profile + n->d_when, part, n_parts,
                      grads, touched);
    size_t n_recent = n->d_recent ? n_recent_of(n, input) : 0;
    for (size_t j = 0; j < n->n_decays; j++) {
        real g = decay_of(params, j), power = 1;
        for (size_t t = 0; t < n_recent; t++, power *= g) {
            size_t item = input->interactions[input->n_interactions - 1 - t].item;
            if (item % n_parts != part)
                continue;
            blas_axpy(n->d_recent, power, dr + j * n->d_recent, grads->recent + item * n->d_recent);
            touched[item] = 1;
        }
    }
}
