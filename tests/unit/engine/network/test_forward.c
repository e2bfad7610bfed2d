/* The serving path (encoder, hypernet, target, catalogue) against naive twins written from the
 * formulas, in double, for every generator and every place of it. Risk: a tuned loop that drops a row, a lane
 * or a bias. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/encoder.h"
#include "engine/network/hypernet.h"
#include "engine/network/target.h"
#include "engine/rank/catalogue.h"
#include "engine/rank/topk.h"
#include "engine/train/gradient/hypernet_backward.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/gradient/target_backward.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_ITEMS = 37, D = 19, N_CASES = 4 * 4 * 3 * 2 };

static struct model_spec make_spec(int number)
{
    enum generator first = (enum generator)(number % 4), second = (enum generator)(number / 4 % 4);
    enum bias_kind bias = (enum bias_kind)(number / 16 % 3);
    size_t core_rank = number / 48 ? KERNEL_LANES : 6; /* of the one U K is made, of the other not */
    static char field[] = "f", value[] = "v";
    static struct profile_value values[3] = {
        {.field = field, .value = value}, {.field = field, .value = value}, {.field = field, .value = value}};
    struct model_spec s = {.name = "t",
                           .version = "1",
                           .objective = &objective_ranking,
                           .n_items = N_ITEMS,
                           .d_item = D,
                           .d_output = 1,
                           .norm = (enum norm_kind)(number % 3),
                           .n_trunk = (size_t)(number % 3),
                           .has_linear = number % 5 != 0,
                           .linear_head = number % 5 > 1,
                           .n_layers = 3};
    s.encoder = (struct encoder_spec){.present = true,
                                      .d_fold_in = 5,
                                      .alpha = 0.3,
                                      .reg = 0.05,
                                      .reg_exponent = 0.9,
                                      .d_history = 4,
                                      .d_recent = 3,
                                      .n_decays = 2,
                                      .n_recent = 4,
                                      .d_profile = 2,
                                      .n_values = 3,
                                      .values = values,
                                      .d_when = 3,
                                      .n_moments = 4,
                                      .when_start = 2,
                                      .when_step = 1.5,
                                      .d_disliked = 3};
    s.d_context = 5 + 4 + 6 + 2 + 3 + 3;
    s.trunk[0] = (struct trunk_layer_spec){11, ACTIVATION_RELU};
    s.trunk[1] = (struct trunk_layer_spec){7, ACTIVATION_TANH};
    size_t widths[] = {D, 21, 10, 1};
    for (size_t i = 0; i < 3; i++) {
        enum generator g = i == 1 ? second : first;
        s.layers[i] = (struct layer_spec){.d_in = widths[i],
                                          .d_out = widths[i + 1],
                                          .generator = g,
                                          .rank = g == GENERATOR_CORE       ? core_rank
                                                  : g == GENERATOR_LOW_RANK ? 3
                                                                            : 0,
                                          .bias = bias,
                                          .activation = i == 2   ? ACTIVATION_IDENTITY
                                                        : i == 1 ? ACTIVATION_TANH
                                                                 : ACTIVATION_RELU};
    }
    struct err e = {0};
    ck_assert_msg(model_spec_check(&s, &e) == ERR_OK, "%s", e.text);
    return s;
}

static void make_params(const struct model_spec *spec, struct param_block *block)
{
    struct err e = {0};
    struct rng r;
    rng_init(&r, 11, 1);
    double size = 0.4; /* smaller where larger cores would add up to sums that cancel each other */
    for (size_t i = 0; i < spec->n_layers; i++)
        size = spec->layers[i].rank == KERNEL_LANES ? 0.25 : size;
    ck_assert_int_eq(param_block_init(block, spec, &e), ERR_OK);
    for (size_t i = 0; i < block->n_values; i++)
        block->values[i] = (float)(size * rng_normal(&r));
    for (size_t i = 0; i < block->n_frozen; i++)
        block->frozen_values[i] = (float)(size * rng_normal(&r));
    size_t d = spec->encoder.d_fold_in; /* the gram is a gram */
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double sum = 0;
            for (size_t k = 0; k < spec->n_items; k++)
                sum +=
                    block->params.fold_in_factor[k * d + i] * (double)block->params.fold_in_factor[k * d + j];
            block->params.fold_in_gram[i * d + j] = (float)(spec->encoder.alpha * sum);
        }
}

/* ---- naive twins ---- */

static void naive_solve(size_t n, double a[8][8], double *b)
{
    for (size_t k = 0; k < n; k++)
        for (size_t i = k + 1; i < n; i++) {
            double f = a[i][k] / a[k][k];
            for (size_t j = k; j < n; j++)
                a[i][j] -= f * a[k][j];
            b[i] -= f * b[k];
        }
    for (size_t i = n; i-- > 0;) {
        for (size_t j = i + 1; j < n; j++)
            b[i] -= a[i][j] * b[j];
        b[i] /= a[i][i];
    }
}

/* The sum over what is rated below the mean of the ratings there are. */
static void naive_disliked(const struct encoder_spec *n, const struct model_params *p,
                           const struct encoder_input *in, double *l)
{
    double sum = 0, rated = 0;
    for (size_t k = 0; k < in->n_interactions; k++)
        if (!isnan(in->interactions[k].rating)) {
            sum += (double)in->interactions[k].rating;
            rated++;
        }
    for (size_t k = 0; k < in->n_interactions && rated > 0; k++)
        for (size_t j = 0; (double)in->interactions[k].rating < sum / rated && j < n->d_disliked; j++)
            l[j] +=
                p->disliked[in->interactions[k].item * n->d_disliked + j] / sqrt((double)in->n_interactions);
}

static void naive_encode(const struct model_spec *spec, const struct model_params *p,
                         const struct encoder_input *in, double *c)
{
    const struct encoder_spec *n = &spec->encoder;
    size_t d = n->d_fold_in;
    double a[8][8] = {{0}};
    memset(c, 0, spec->d_context * sizeof *c);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            a[i][j] = p->fold_in_gram[i * d + j];
    for (size_t k = 0; k < in->n_interactions; k++) {
        const float *v = p->fold_in_factor + in->interactions[k].item * d;
        double w = in->interactions[k].weight;
        for (size_t i = 0; i < d; i++) {
            c[i] += w * v[i];
            for (size_t j = 0; j < d; j++)
                a[i][j] += w * v[i] * v[j];
        }
    }
    for (size_t i = 0; i < d; i++)
        a[i][i] +=
            n->reg * pow((double)in->n_interactions + n->alpha * (double)spec->n_items, n->reg_exponent);
    if (in->n_interactions)
        naive_solve(d, a, c);
    else
        for (size_t i = 0; i < d; i++)
            c[i] = p->prior[i];
    double *h = c + d, *r = h + n->d_history, *q = r + n->n_decays * n->d_recent;
    for (size_t k = 0; k < in->n_interactions; k++)
        for (size_t j = 0; j < n->d_history; j++)
            h[j] +=
                p->history[in->interactions[k].item * n->d_history + j] / sqrt((double)in->n_interactions);
    for (size_t decay = 0; decay < n->n_decays; decay++)
        for (size_t t = 0; t < n->n_recent && t < in->n_interactions; t++) {
            const struct encoder_interaction *x = &in->interactions[in->n_interactions - 1 - t];
            for (size_t j = 0; x->timestamp && j < n->d_recent; j++)
                r[decay * n->d_recent + j] += pow(1 / (1 + exp(-(double)p->decay[decay])), (double)t) *
                                              p->recent[x->item * n->d_recent + j];
        }
    for (size_t k = 0; k < in->n_values; k++)
        for (size_t j = 0; j < n->d_profile; j++)
            q[j] += p->profile[in->values[k] * n->d_profile + j];
    int64_t time = in->n_interactions ? in->interactions[in->n_interactions - 1].timestamp : 0;
    double place = fmin(fmax(((double)time - n->when_start) / n->when_step, 0), (double)n->n_moments - 1);
    for (size_t k = 0; time && k < n->n_moments; k++) /* a hat function at each moment */
        for (size_t j = 0; j < n->d_when; j++)
            q[n->d_profile + j] += fmax(0, 1 - fabs(place - (double)k)) * p->when[k * n->d_when + j];
    naive_disliked(n, p, in, q + n->d_profile + n->d_when);
}

static double activate(enum activation a, double x)
{
    return a == ACTIVATION_RELU ? (x > 0 ? x : 0) : a == ACTIVATION_TANH ? tanh(x) : x;
}

static void naive_norm(const struct model_spec *spec, const struct model_params *p, const double *c,
                       double *y)
{
    const struct encoder_spec *n = &spec->encoder;
    size_t all[] = {n->d_fold_in, n->d_history, n->n_decays * n->d_recent,
                    n->d_profile, n->d_when,    n->d_disliked},
           whole[] = {spec->d_context};
    const size_t *widths = spec->norm == NORM_BLOCK ? all : whole;
    size_t blocks = spec->norm == NORM_BLOCK ? 6 : 1, at = 0;
    for (size_t k = 0; k < blocks; at += widths[k++]) {
        double mean = 0, variance = 0;
        for (size_t i = at; i < at + widths[k]; i++)
            mean += c[i] / (double)widths[k];
        for (size_t i = at; i < at + widths[k]; i++)
            variance += (c[i] - mean) * (c[i] - mean) / (double)widths[k];
        for (size_t i = at; i < at + widths[k]; i++)
            y[i] = spec->norm == NORM_NONE
                       ? c[i]
                       : (c[i] - mean) / sqrt(variance + 1e-5) * p->norm_weight[i] + p->norm_bias[i];
    }
}

/* W (d_out, d_in) and b (d_out) of target layer i for the trunk's output z, built in full. */
static void naive_layer(const struct model_spec *spec, const struct model_params *p, size_t i,
                        const double *z, double *w, double *b)
{
    const struct layer_spec *l = &spec->layers[i];
    size_t d_z = model_spec_d_trunk(spec), n = layer_spec_n_generated(l), k = l->rank;
    double g[2000];
    for (size_t j = 0; j < n; j++) {
        g[j] = l->generator == GENERATOR_LOW_RANK ? p->layers[i].head_bias[j]
               : l->generator == GENERATOR_CORE   ? p->layers[i].core[j]
                                                  : p->layers[i].weight[j];
        for (size_t m = 0; m < d_z; m++)
            g[j] += p->layers[i].head[j * d_z + m] * z[m];
    }
    for (size_t o = 0; o < l->d_out; o++) {
        b[o] = l->bias == BIAS_NONE ? 0 : p->layers[i].bias[o];
        for (size_t m = 0; l->bias == BIAS_FULL && m < d_z; m++)
            b[o] += p->layers[i].bias_head[o * d_z + m] * z[m];
        for (size_t c = 0; c < l->d_in; c++) {
            double sum = 0;
            if (l->generator == GENERATOR_SHARED)
                sum = p->layers[i].weight[o * l->d_in + c];
            else if (l->generator == GENERATOR_FULL)
                sum = g[o * l->d_in + c];
            else if (l->generator == GENERATOR_LOW_RANK) {
                sum = p->layers[i].weight[o * l->d_in + c];
                for (size_t m = 0; m < k; m++)
                    sum += g[o * k + m] * g[l->d_out * k + m * l->d_in + c];
            } else
                for (size_t m = 0; m < k; m++)
                    for (size_t q = 0; q < k; q++)
                        sum += p->layers[i].u[o * k + m] * g[m * k + q] *
                               (double)p->layers[i].v[q * l->d_in + c];
            w[o * l->d_in + c] = sum;
        }
    }
}

/* Scores of all items for a context, from the formulas. */
static void naive_scores(const struct model_spec *spec, const struct model_params *p, const double *c,
                         bool with_bias, double *scores)
{
    double z[32], next[32], w[2000], b[64];
    naive_norm(spec, p, c, z);
    size_t d = spec->d_context;
    for (size_t i = 0; i < spec->n_trunk; i++) {
        for (size_t o = 0; o < spec->trunk[i].d_out; o++) {
            next[o] = p->trunk[i].bias[o];
            for (size_t j = 0; j < d; j++)
                next[o] += p->trunk[i].weight[o * d + j] * z[j];
            next[o] = activate(spec->trunk[i].activation, next[o]);
        }
        d = spec->trunk[i].d_out;
        memcpy(z, next, sizeof z);
    }
    double x[N_ITEMS][64], y[64];
    for (size_t item = 0; item < N_ITEMS; item++) {
        scores[item] = with_bias ? p->catalogue_bias[item] : 0;
        for (size_t j = 0; j < D; j++) {
            x[item][j] = p->catalogue_embedding[item * D + j];
            double linear = 0;
            for (size_t m = 0; m < spec->d_context; m++)
                linear += p->linear_context ? p->linear_context[j * spec->d_context + m] * c[m] : 0;
            for (size_t m = 0; spec->linear_head && m < d; m++)
                linear += p->linear_head[j * d + m] * z[m];
            scores[item] += linear * x[item][j];
        }
    }
    for (size_t i = 0; i < spec->n_layers; i++) {
        const struct layer_spec *l = &spec->layers[i];
        naive_layer(spec, p, i, z, w, b);
        for (size_t item = 0; item < N_ITEMS; item++) {
            for (size_t o = 0; o < l->d_out; o++) {
                y[o] = b[o];
                for (size_t j = 0; j < l->d_in; j++)
                    y[o] += w[o * l->d_in + j] * x[item][j];
                y[o] = activate(l->activation, y[o]);
            }
            memcpy(x[item], y, l->d_out * sizeof *y);
        }
    }
    for (size_t item = 0; item < N_ITEMS; item++)
        scores[item] += x[item][0];
}

/* ---- fixtures ---- */

static const struct encoder_interaction history[] = {{3, 1, 4, 0},    {8, 2, 2, 0},  {36, 1, NAN, 5},
                                                     {0, 0.5f, 5, 6}, {17, 1, 1, 7}, {21, 1, NAN, 8},
                                                     {11, 3, 3, 9}};
static const uint32_t profile[] = {0, 2};
static const struct encoder_input inputs[] = {
    {.interactions = history, .n_interactions = 7, .values = profile, .n_values = 2},
    {.interactions = history, .n_interactions = 2, .values = profile},
    {.interactions = history + 3, .n_interactions = 1, .values = profile, .n_values = 1},
    {0}};

static float *new_reals(size_t n)
{
    float *p = mem_alloc_aligned(n ? n : 1, sizeof *p);
    ck_assert_ptr_nonnull(p);
    return p;
}

struct made {
    struct model_spec spec;
    struct param_block block;
    struct catalogue *catalogue;
    struct theta_layout layout;
    /* Workspaces, none larger than it has to be. */
    float *for_encoder, *for_hypernet, *for_catalogue, *for_target;
    float *c, *theta;
};

/* What reads of it before it wrote there finds no number. */
static float *new_workspace(size_t n)
{
    float *x = new_reals(n);
    for (size_t i = 0; i < n; i++)
        x[i] = NAN;
    return x;
}

static void made_init(struct made *m, int number)
{
    struct err e = {0};
    m->spec = make_spec(number);
    make_params(&m->spec, &m->block);
    ck_assert_int_eq(catalogue_new(&m->spec, &m->block.params, &m->catalogue, &e), ERR_OK);
    theta_layout_of(&m->spec, &m->layout);
    m->for_encoder = new_workspace(encoder_workspace_len(&m->spec, 7));
    m->for_hypernet = new_workspace(hypernet_workspace_len(&m->spec));
    m->for_catalogue = new_workspace(catalogue_workspace_len(m->catalogue));
    m->for_target = new_workspace(target_workspace_len(&m->spec));
    m->c = new_reals(m->spec.d_context);
    m->theta = new_reals(m->layout.len);
}

static void made_context(struct made *m, const struct encoder_input *input)
{
    struct err e = {0};
    ck_assert_msg(encoder_encode(&m->spec, &m->block.params, input, m->for_encoder, m->c, &e) == ERR_OK, "%s",
                  e.text);
    ck_assert_msg(hypernet_generate(&m->spec, &m->block.params, m->c, m->for_hypernet, m->theta, &e) ==
                      ERR_OK,
                  "%s", e.text);
}

static void made_fini(struct made *m)
{
    catalogue_free(m->catalogue);
    param_block_fini(&m->block);
    mem_free(m->for_encoder);
    mem_free(m->for_hypernet);
    mem_free(m->for_catalogue);
    mem_free(m->for_target);
    mem_free(m->c);
    mem_free(m->theta);
}

static void assert_close(double got, double expected, const char *what, size_t i)
{
    ck_assert_msg(fabs(got - expected) <= 3e-5 * (1 + fabs(expected)), "case %s %zu: got %.9g, expected %.9g",
                  what, i, got, expected);
}

/* ---- tests ---- */

START_TEST(test_encoder_equals_its_formulas)
{
    struct made m;
    made_init(&m, 21);
    for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++) {
        double expected[32];
        made_context(&m, &inputs[k]);
        naive_encode(&m.spec, &m.block.params, &inputs[k], expected);
        for (size_t i = 0; i < m.spec.d_context; i++)
            assert_close(m.c[i], expected[i], "encoder", i);
    }
    made_fini(&m);
}
END_TEST

START_TEST(test_encoder_refuses_items_weights_and_values_out_of_range)
{
    struct made m;
    made_init(&m, 1);
    struct encoder_interaction bad[] = {
        {N_ITEMS, 1, NAN, 0}, {0, 0, NAN, 0}, {0, INFINITY, NAN, 0}, {0, NAN, NAN, 0}};
    uint32_t value = 3;
    for (size_t k = 0; k < 4; k++) {
        struct encoder_input input = {.interactions = &bad[k], .n_interactions = 1};
        struct err e = {0};
        ck_assert_int_eq(encoder_encode(&m.spec, &m.block.params, &input, m.for_encoder, m.c, &e),
                         ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(e.text, "interaction 0"));
    }
    struct encoder_input input = {.values = &value, .n_values = 1};
    ck_assert_int_eq(encoder_encode(&m.spec, &m.block.params, &input, m.for_encoder, m.c, NULL), ERR_INVALID);
    made_fini(&m);
}
END_TEST

START_TEST(test_scores_of_the_catalogue_equal_the_formulas)
{
    struct made m;
    made_init(&m, _i);
    for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++) {
        double c[32], expected[N_ITEMS];
        float scores[N_ITEMS];
        made_context(&m, &inputs[k]);
        for (size_t i = 0; i < m.spec.d_context; i++)
            c[i] = m.c[i];
        naive_scores(&m.spec, &m.block.params, c, true, expected);
        catalogue_score_all(m.catalogue, m.theta, m.for_catalogue, scores);
        for (size_t i = 0; i < N_ITEMS; i++)
            assert_close(scores[i], expected[i], "catalogue", i);
    }
    made_fini(&m);
}
END_TEST

START_TEST(test_rows_through_the_target_equal_the_formulas)
{
    struct made m;
    made_init(&m, _i);
    double c[32], expected[N_ITEMS];
    float y[N_ITEMS], one;
    made_context(&m, &inputs[0]);
    for (size_t i = 0; i < m.spec.d_context; i++)
        c[i] = m.c[i];
    naive_scores(&m.spec, &m.block.params, c, false, expected);
    target_forward(&m.spec, &m.block.params, m.theta, m.block.params.catalogue_embedding, N_ITEMS,
                   m.for_target, y);
    for (size_t i = 0; i < N_ITEMS; i++) {
        assert_close(y[i], expected[i], "target", i);
        target_forward(&m.spec, &m.block.params, m.theta, m.block.params.catalogue_embedding + i * D, 1,
                       m.for_target, &one);
        ck_assert_msg(memcmp(&one, &y[i], sizeof one) == 0, "row %zu alone differs from the row among others",
                      i);
    }
    made_fini(&m);
}
END_TEST

START_TEST(test_chosen_items_score_the_same_bits_as_the_whole_catalogue)
{
    struct made m;
    made_init(&m, _i);
    float all[N_ITEMS], some[N_ITEMS];
    uint32_t order[N_ITEMS];
    struct rng r;
    rng_init(&r, 2, 2);
    made_context(&m, &inputs[0]);
    catalogue_score_all(m.catalogue, m.theta, m.for_catalogue, all);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        order[i] = i;
    rng_shuffle(&r, order, N_ITEMS);
    for (size_t n = 1; n <= N_ITEMS; n += 9) {
        catalogue_score(m.catalogue, m.theta, order, n, m.for_catalogue, some);
        for (size_t i = 0; i < n; i++)
            ck_assert_msg(memcmp(&some[i], &all[order[i]], sizeof(float)) == 0, "item %u of %zu", order[i],
                          n);
    }
    made_fini(&m);
}
END_TEST

START_TEST(test_top_k_is_the_sorted_catalogue_without_what_is_left_out)
{
    struct made m;
    made_init(&m, _i);
    float all[N_ITEMS];
    uint32_t excluded[] = {0, 5, 6, 16, 36};
    uint64_t allowed[1] = {~(uint64_t)0xF00};
    struct catalogue_filter filters[] = {{NULL, 0, NULL}, {excluded, 5, NULL}, {excluded, 5, allowed}};
    made_context(&m, &inputs[0]);
    catalogue_score_all(m.catalogue, m.theta, m.for_catalogue, all);
    for (size_t f = 0; f < 3; f++)
        for (size_t k = 0; k <= N_ITEMS; k += 12) {
            struct topk_entry got[N_ITEMS], expected[N_ITEMS];
            struct topk top, naive;
            topk_init(&top, got, k);
            topk_init(&naive, expected, k);
            catalogue_top_k(m.catalogue, m.theta, f ? &filters[f] : NULL, m.for_catalogue, &top);
            for (uint32_t i = 0; i < N_ITEMS; i++) {
                bool out = f >= 1 && (i == 0 || i == 5 || i == 6 || i == 16 || i == 36);
                if (!out && !(f == 2 && i >= 8 && i < 12))
                    topk_push(&naive, all[i], i);
            }
            size_t n = topk_finish(&top);
            ck_assert_uint_eq(n, topk_finish(&naive));
            for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(got[i].index, expected[i].index);
        }
    made_fini(&m);
}
END_TEST

START_TEST(test_training_forward_equals_the_serving_path)
{
    struct made m;
    made_init(&m, _i);
    struct hypernet_tape hypernet;
    struct target_tape target;
    struct err e = {0};
    float y[N_ITEMS];
    ck_assert_int_eq(hypernet_tape_init(&hypernet, &m.spec, 4, &e), ERR_OK);
    ck_assert_int_eq(target_tape_init(&target, &m.spec, N_ITEMS, &e), ERR_OK);
    for (size_t k = 0; k < 4; k++) {
        made_context(&m, &inputs[k]);
        memcpy(hypernet.c + k * m.spec.d_context, m.c, m.spec.d_context * sizeof *m.c);
    }
    hypernet_batch_forward(&m.spec, &m.block.params, &hypernet, 4);
    target_tape_start(&m.spec, &m.block.params, &target, m.block.params.catalogue_embedding, N_ITEMS);
    for (size_t k = 0; k < 4; k++) {
        made_context(&m, &inputs[k]);
        const float *theta = hypernet.theta + k * m.layout.len;
        for (size_t i = 0; i < m.layout.len; i++)
            assert_close(theta[i], m.theta[i], "theta", i);
        float mlp[N_ITEMS] = {0};
        target_tape_forward(&m.spec, &m.block.params, &target, theta, mlp);
        target_forward(&m.spec, &m.block.params, m.theta, m.block.params.catalogue_embedding, N_ITEMS,
                       m.for_target, y);
        for (size_t i = 0; i < N_ITEMS; i++) {
            double linear = 0;
            for (size_t j = 0; m.spec.has_linear && j < D; j++)
                linear +=
                    (double)m.theta[m.layout.linear + j] * m.block.params.catalogue_embedding[i * D + j];
            assert_close(mlp[i] + linear, y[i], "training forward", i);
        }
    }
    hypernet_tape_fini(&hypernet);
    target_tape_fini(&target);
    made_fini(&m);
}
END_TEST

START_TEST(test_hypernet_refuses_contexts_and_weights_that_are_not_finite)
{
    struct made m;
    made_init(&m, 22);
    struct err e = {0};
    made_context(&m, &inputs[0]);
    m.c[3] = NAN;
    ck_assert_int_eq(hypernet_generate(&m.spec, &m.block.params, m.c, m.for_hypernet, m.theta, &e),
                     ERR_INVALID);
    err_clear(&e);
    for (size_t i = 0; i < m.spec.d_context; i++)
        m.c[i] = 3e38f;
    ck_assert_int_eq(hypernet_generate(&m.spec, &m.block.params, m.c, m.for_hypernet, m.theta, &e),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "not finite"));
    made_fini(&m);
}
END_TEST

START_TEST(test_softmax_of_large_logits_sums_to_one)
{
    float y[] = {1000, 1001, 999, -5, 0, 3};
    target_softmax(y, 2, 3);
    ck_assert_float_eq_tol(y[0] + y[1] + y[2], 1, 1e-6);
    ck_assert_float_eq_tol(y[1] / y[0], (float)exp(1), 1e-5);
    ck_assert_float_eq_tol(y[3] + y[4] + y[5], 1, 1e-6);
}
END_TEST

SUITE("engine forward", NULL, NULL, {test_encoder_equals_its_formulas},
      {test_encoder_refuses_items_weights_and_values_out_of_range},
      {test_scores_of_the_catalogue_equal_the_formulas, N_CASES},
      {test_rows_through_the_target_equal_the_formulas, N_CASES},
      {test_chosen_items_score_the_same_bits_as_the_whole_catalogue, N_CASES},
      {test_top_k_is_the_sorted_catalogue_without_what_is_left_out, N_CASES},
      {test_training_forward_equals_the_serving_path, N_CASES},
      {test_hypernet_refuses_contexts_and_weights_that_are_not_finite},
      {test_softmax_of_large_logits_sums_to_one})
