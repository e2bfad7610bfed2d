/* The generated layers start small around shared values (theta = theta0 + H(c), Ortiz et al. 2023): early in
 * training all users have nearly one network, and differences grow where they help. */
#include "engine/train/ranking/model_init.h"

#include "base/rng.h"
#include "engine/kernels/blas.h"
#include "engine/train/data/train_vocabulary.h"
#include "engine/train/linear/ials.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    D_LEARNED = 64, /* width of history and recent vectors */
    D_PROFILE = 16,
    D_TRUNK_HIDDEN = 128,
    D_TRUNK = 64,
    D_TARGET_HIDDEN = 16,
    CORE_RANK = 16,
    LOW_RANK = 4,
    N_DECAYS = 4,
    N_RECENT = 30,
    D_WHEN = 16,
    D_DISLIKED = 64,
    N_MOMENTS = 32,
    LEAST_CLOCK_TIME = 100000000 /* seconds since 1970: March 1973 */
};

/* Factors of a strong alpha are tiny, those of a weak one are not; Adam's steps are the same for both. All
 * items' embeddings start at this root mean square, so that a learning rate means the same everywhere. */
#define ITEM_RMS 0.1

/* What is wanted changes with the season and what is new; the context knows when it was made. Small numbers
 * are an order and not a time, and say nothing about other users. */
static void choose_when(const struct split *s, struct encoder_spec *n)
{
    if (s->first_time < LEAST_CLOCK_TIME || s->last_time <= s->first_time)
        return;
    n->d_when = D_WHEN;
    n->n_moments = N_MOMENTS;
    n->when_start = (double)s->first_time;
    n->when_step = (double)(s->last_time - s->first_time) / (N_MOMENTS - 1);
}

/* Whether most interactions have a rating, and not all the same. */
static bool has_ratings(const struct split *s)
{
    float least = INFINITY, most = -INFINITY;
    size_t n = 0;
    for (size_t u = 0; u < s->data->n_users; u++)
        for (size_t i = s->start[u]; i < s->end[u]; i++) {
            float rating = s->interactions[i].rating;
            n += isnan(rating) ? 0 : 1;
            least = rating < least ? rating : least;
            most = rating > most ? rating : most;
        }
    return 2 * n > s->n_training && least < most;
}

static void choose_target(struct model_spec *spec, enum generator g)
{
    spec->n_layers = 2;
    spec->layers[0] = (struct layer_spec){.d_in = spec->d_item,
                                          .d_out = D_TARGET_HIDDEN,
                                          .generator = g,
                                          .rank = g == GENERATOR_CORE       ? CORE_RANK
                                                  : g == GENERATOR_LOW_RANK ? LOW_RANK
                                                                            : 0,
                                          .bias = g == GENERATOR_SHARED ? BIAS_SHARED : BIAS_FULL,
                                          .activation = ACTIVATION_RELU};
    spec->layers[1] =
        (struct layer_spec){.d_in = D_TARGET_HIDDEN,
                            .d_out = 1,
                            .generator = g == GENERATOR_SHARED ? GENERATOR_SHARED : GENERATOR_FULL,
                            .bias = BIAS_NONE,
                            .activation = ACTIVATION_IDENTITY};
}

enum err_code model_init_spec(const struct split *split, const struct train_options *options,
                              const struct ials_options *ials, struct model_spec *spec, struct err *e)
{
    memset(spec, 0, sizeof *spec);
    (void)snprintf(spec->name, sizeof spec->name, "%s", options->name);
    (void)snprintf(spec->version, sizeof spec->version, "%s", options->version);
    struct encoder_spec *n = &spec->encoder;
    *n = (struct encoder_spec){.present = true,
                               .d_fold_in = ials->dim,
                               .alpha = ials->alpha,
                               .reg = ials->reg,
                               .reg_exponent = ials->reg_exponent,
                               .d_history = D_LEARNED};
    if (split->timed > 0.05 && !options->ignore_order) {
        n->d_recent = D_LEARNED;
        n->n_decays = N_DECAYS;
        n->n_recent = N_RECENT;
    }
    if (!options->ignore_order)
        choose_when(split, n);
    if (has_ratings(split))
        n->d_disliked = D_DISLIKED;
    enum err_code code = train_vocabulary_copy(split->data, D_PROFILE, n, e);
    spec->objective = &objective_ranking;
    spec->n_items = split->data->n_items;
    spec->d_item = ials->dim;
    spec->d_context =
        n->d_fold_in + n->d_history + n->n_decays * n->d_recent + n->d_profile + n->d_when + n->d_disliked;
    spec->d_output = 1;
    spec->has_linear = true;
    if (options->generator != GENERATOR_SHARED) {
        spec->linear_head = true;
        spec->norm = NORM_BLOCK;
        spec->n_trunk = 2;
        spec->trunk[0] = (struct trunk_layer_spec){D_TRUNK_HIDDEN, ACTIVATION_RELU};
        spec->trunk[1] = (struct trunk_layer_spec){D_TRUNK, ACTIVATION_RELU};
    }
    choose_target(spec, options->generator);
    if (!code)
        code = model_spec_check(spec, e);
    if (code)
        model_spec_fini(spec);
    return code;
}

static void fill_normal(real *x, size_t n, double deviation, struct rng *r)
{
    for (size_t i = 0; x && i < n; i++)
        x[i] = (real)(deviation * rng_normal(r));
}

static void fill_constant(real *x, size_t n, real value)
{
    for (size_t i = 0; x && i < n; i++)
        x[i] = value;
}

static void encoder_values(const struct model_spec *spec, const struct ials_start *factors, size_t n_users,
                           struct rng *r, struct model_params *p)
{
    const struct encoder_spec *n = &spec->encoder;
    size_t d = n->d_fold_in;
    memcpy(p->fold_in_factor, factors->items, spec->n_items * d * sizeof *p->fold_in_factor);
    ials_gram(factors->items, spec->n_items, d, n->alpha, p->fold_in_gram);
    for (size_t u = 0; u < n_users; u++)
        blas_axpy(d, 1 / (real)n_users, factors->users + u * d, p->prior);
    fill_normal(p->history, spec->n_items * n->d_history, 0.1, r);
    fill_normal(p->recent, spec->n_items * n->d_recent, 0.1, r);
    fill_normal(p->profile, n->n_values * n->d_profile, 0.1, r);
    fill_normal(p->when, n->n_moments * n->d_when, 0.1, r);
    static const real decays[] = {-1, (real)0.5, 2, 4}; /* of sigmoid: 0.27, 0.62, 0.88, 0.98 */
    for (size_t j = 0; j < n->n_decays; j++)
        p->decay[j] = decays[j % (sizeof decays / sizeof *decays)];
}

/* The layer's shared tensors keep the variance of what passes (He et al. 2015); generated parts are small
 * beside them. */
static void layer_values(const struct model_spec *spec, size_t i, double input_rms, struct rng *r,
                         struct model_params *p)
{
    const struct layer_spec *l = &spec->layers[i];
    size_t k = l->rank, z = model_spec_d_trunk(spec), n = layer_spec_n_generated(l);
    bool last = i + 1 == spec->n_layers;
    double w = last ? 0 : sqrt(2.0 / (double)l->d_in) / input_rms, small = last ? 0 : 0.1 / sqrt((double)z);
    if (l->generator == GENERATOR_CORE) {
        fill_normal(p->layers[i].v, k * l->d_in, 1 / (sqrt((double)l->d_in) * input_rms), r);
        fill_normal(p->layers[i].u, l->d_out * k, last ? 0 : sqrt(2.0 / (double)k), r);
        for (size_t j = 0; j < k; j++)
            p->layers[i].core[j * k + j] = 1;
        fill_normal(p->layers[i].head, n * z, small / sqrt((double)k), r);
    } else {
        fill_normal(p->layers[i].weight, l->d_out * l->d_in, w, r);
        fill_normal(p->layers[i].head, n * z, small * (l->generator == GENERATOR_FULL ? w : sqrt(w)), r);
        fill_normal(p->layers[i].head_bias, n, 0.3 * sqrt(w), r);
    }
    if (l->bias == BIAS_FULL)
        fill_normal(p->layers[i].bias_head, l->d_out * z, small, r);
}

void model_init_values(const struct model_spec *spec, const struct ials_start *factors, size_t n_users,
                       uint64_t seed, struct param_block *block)
{
    struct rng r;
    rng_init(&r, seed, 3);
    struct model_params *p = &block->params;
    size_t n = spec->n_items * spec->d_item;
    double rms = sqrt((double)blas_dot(n, factors->items, factors->items) / (double)n);
    if (rms > 0)
        blas_axpy(n, (real)(ITEM_RMS / rms), factors->items, p->catalogue_embedding);
    encoder_values(spec, factors, n_users, &r, p);
    fill_constant(p->norm_weight, spec->d_context, 1);
    size_t d = spec->d_context;
    for (size_t i = 0; i < spec->n_trunk; i++) {
        fill_normal(p->trunk[i].weight, spec->trunk[i].d_out * d, sqrt(2.0 / (double)d), &r);
        d = spec->trunk[i].d_out;
    }
    for (size_t i = 0; i < spec->n_layers; i++)
        layer_values(spec, i, i == 0 && rms > 0 ? ITEM_RMS : 1, &r, p);
    model_init_scale_linear(spec, block, 1);
}

void model_init_scale_linear(const struct model_spec *spec, struct param_block *block, double factor)
{
    for (size_t i = 0; i < spec->d_item; i++)
        block->params.linear_context[i * spec->d_context + i] = (real)factor;
}
