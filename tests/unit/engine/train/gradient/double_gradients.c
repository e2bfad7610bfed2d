/* Gradients of engine/train against finite differences, in double precision, for every generator, bias,
 * activation and normalisation, through the whole step: loss, target network, hypernetwork, encoder. Risk: a
 * wrong term in a backward pass, which training would hide by learning a little worse. */
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/ranking/examples.h"
#include "engine/train/ranking/softmax_loss.h"
#include "engine/train/ranking/train_step.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_USERS = 5, N_ITEMS = 23, D = 6, N_SAMPLES = 9 };

struct setting {
    const char *name;
    enum generator first, second;
    enum bias_kind bias;
    enum activation activation;
    enum norm_kind norm;
    size_t n_trunk, n_layers;
    bool linear, linear_head;
    size_t n_negatives;
    size_t rank, width; /* of the hidden layers; 0: 3 or 2, and 4 */
};

static const struct setting settings[] = {
    {"core then full, block norm", GENERATOR_CORE, GENERATOR_FULL, BIAS_FULL, ACTIVATION_TANH, NORM_BLOCK, 2,
     2, true, true, N_ITEMS, 0, 0},
    {"full then core, layer norm", GENERATOR_FULL, GENERATOR_CORE, BIAS_SHARED, ACTIVATION_TANH, NORM_LAYER,
     1, 2, true, true, 7, 0, 0},
    {"low rank then shared, no norm", GENERATOR_LOW_RANK, GENERATOR_SHARED, BIAS_FULL, ACTIVATION_TANH,
     NORM_NONE, 1, 2, true, false, 7, 0, 0},
    {"shared then low rank, no trunk", GENERATOR_SHARED, GENERATOR_LOW_RANK, BIAS_NONE, ACTIVATION_TANH,
     NORM_BLOCK, 0, 2, true, true, N_ITEMS, 0, 0},
    {"core, core, core", GENERATOR_CORE, GENERATOR_CORE, BIAS_FULL, ACTIVATION_TANH, NORM_BLOCK, 2, 3, false,
     false, N_ITEMS, 0, 0},
    {"low rank, low rank, low rank", GENERATOR_LOW_RANK, GENERATOR_LOW_RANK, BIAS_SHARED, ACTIVATION_TANH,
     NORM_LAYER, 2, 3, true, true, 7, 0, 0},
    {"shared only", GENERATOR_SHARED, GENERATOR_SHARED, BIAS_SHARED, ACTIVATION_TANH, NORM_NONE, 0, 2, true,
     false, 7, 0, 0},
    {"linear part alone", GENERATOR_SHARED, GENERATOR_SHARED, BIAS_NONE, ACTIVATION_TANH, NORM_BLOCK, 2, 0,
     true, true, N_ITEMS, 0, 0},
    {"relu", GENERATOR_CORE, GENERATOR_FULL, BIAS_FULL, ACTIVATION_RELU, NORM_BLOCK, 2, 2, true, true,
     N_ITEMS, 0, 0},
    {"core then one full output, fused", GENERATOR_CORE, GENERATOR_FULL, BIAS_NONE, ACTIVATION_RELU,
     NORM_BLOCK, 2, 2, true, true, 7, 16, 32},
    {"the same with biases", GENERATOR_CORE, GENERATOR_FULL, BIAS_FULL, ACTIVATION_RELU, NORM_BLOCK, 2, 2,
     true, true, 7, 32, 16},
    {"the same with shared biases", GENERATOR_CORE, GENERATOR_FULL, BIAS_SHARED, ACTIVATION_RELU, NORM_BLOCK,
     2, 2, true, true, N_ITEMS, 16, 16},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static struct model_spec make_spec(const struct setting *x)
{
    static char a[] = "a", b[] = "b", one[] = "1", two[] = "2";
    static struct profile_value values[4] = {{.field = a, .value = one},
                                             {.field = a, .value = two},
                                             {.field = b, .value = one},
                                             {.field = b, .value = two}};
    struct model_spec s = {.name = "t",
                           .version = "1",
                           .objective = &objective_ranking,
                           .n_items = N_ITEMS,
                           .d_item = D,
                           .d_output = 1,
                           .norm = x->norm,
                           .n_trunk = x->n_trunk,
                           .has_linear = x->linear,
                           .linear_head = x->linear_head,
                           .n_layers = x->n_layers};
    s.encoder = (struct encoder_spec){.present = true,
                                      .d_fold_in = 4,
                                      .alpha = 0.2,
                                      .reg = 0.1,
                                      .reg_exponent = 1,
                                      .d_history = 3,
                                      .d_recent = 2,
                                      .n_decays = 2,
                                      .n_recent = 3,
                                      .d_profile = 2,
                                      .n_values = 4,
                                      .values = values,
                                      .d_when = 2,
                                      .n_moments = 3,
                                      .when_start = 1,
                                      .when_step = 1.25,
                                      .d_disliked = 3};
    s.d_context = 4 + 3 + 4 + 2 + 2 + 3;
    for (size_t i = 0; i < s.n_trunk; i++)
        s.trunk[i] = (struct trunk_layer_spec){5 + i, x->activation};
    for (size_t i = 0; i < s.n_layers; i++) {
        enum generator g = i % 2 ? x->second : x->first;
        size_t width = x->width ? x->width : 4;
        s.layers[i] =
            (struct layer_spec){.d_in = i ? width : D,
                                .d_out = i + 1 == s.n_layers ? 1 : width,
                                .generator = g,
                                .rank = x->rank && i == 0         ? x->rank
                                        : g == GENERATOR_CORE     ? 3
                                        : g == GENERATOR_LOW_RANK ? 2
                                                                  : 0,
                                .bias = x->rank && i + 1 == s.n_layers ? BIAS_NONE : x->bias,
                                .activation = i + 1 == s.n_layers ? ACTIVATION_IDENTITY : x->activation};
    }
    struct err e = {0};
    ck_assert_msg(model_spec_check(&s, &e) == ERR_OK, "%s", e.text);
    return s;
}

struct world {
    struct encoder_interaction interactions[N_USERS * 6];
    size_t start[N_USERS], end[N_USERS];
    struct train_data data;
    struct split split;
    struct sample samples[N_SAMPLES];
    double fold_in[N_SAMPLES][4];
    uint32_t values[N_SAMPLES][2];
    struct model_spec spec;
    struct param_block block;
    struct parallel *team;
    struct train_step *step;
};

static void world_init(struct world *w, const struct setting *x, int n_threads)
{
    struct rng r;
    struct err e = {0};
    memset(w, 0, sizeof *w);
    rng_init(&r, 7, 7);
    w->spec = make_spec(x);
    for (size_t i = 0; i < N_USERS * 6; i++)
        w->interactions[i] = (struct encoder_interaction){.item = (uint32_t)((i * 5 + i / 6) % N_ITEMS),
                                                          .weight = 1,
                                                          .rating = i % 4 ? (float)(1 + i % 5) : NAN,
                                                          .timestamp = i % 6 < 2 ? 0 : (int64_t)(i % 6)};
    for (size_t u = 0; u < N_USERS; u++) {
        w->start[u] = u * 6;
        w->end[u] = u * 6 + 6;
    }
    w->data = (struct train_data){.n_users = N_USERS, .n_items = N_ITEMS};
    w->split =
        (struct split){.data = &w->data, .interactions = w->interactions, .start = w->start, .end = w->end};
    for (size_t k = 0; k < N_SAMPLES; k++) {
        struct sample *s = &w->samples[k];
        s->user = (uint32_t)(k % N_USERS);
        size_t n = 2 + k % 4;
        s->input = (struct encoder_input){.interactions = w->interactions + s->user * 6,
                                          .n_interactions = k == 3 ? 0 : n,
                                          .values = w->values[k],
                                          .n_values = k % 3};
        w->values[k][0] = (uint32_t)(k % 2);
        w->values[k][1] = (uint32_t)(2 + k % 2);
        s->targets[s->n_targets++] = w->interactions[s->user * 6 + n].item;
        if (k % 4 == 0)
            s->targets[s->n_targets++] = (uint32_t)((w->interactions[s->user * 6 + n].item + 11) % N_ITEMS);
        for (size_t j = 0; j < 4; j++)
            w->fold_in[k][j] = rng_normal(&r);
        s->fold_in = w->fold_in[k];
    }
    ck_assert_msg(param_block_init(&w->block, &w->spec, &e) == ERR_OK, "%s", e.text);
    for (size_t i = 0; i < w->block.n_values; i++)
        w->block.values[i] = 0.4 * rng_normal(&r);
    struct step_options options = {
        .batch = N_SAMPLES, .n_negatives = x->n_negatives, .adam = {0.9, 0.999, 1e-8, 0}};
    for (int g = 0; g < N_TENSOR_GROUPS; g++)
        options.rates[g] = 0.01;
    ck_assert_int_eq(parallel_new(n_threads, &w->team, &e), ERR_OK);
    ck_assert_msg(train_step_new(&w->spec, &w->block, &w->split, &options, w->team, &w->step, &e) == ERR_OK,
                  "%s", e.text);
}

static void world_fini(struct world *w)
{
    train_step_free(w->step);
    parallel_free(w->team);
    param_block_fini(&w->block);
}

/* The loss at the present values; candidates are drawn from a fixed seed, so they are the same each time. */
static double loss_at(struct world *w)
{
    struct rng r;
    rng_init(&r, 3, 3);
    train_step_draw(w->step, w->samples, N_SAMPLES, &r);
    return train_step_gradients(w->step, w->samples, N_SAMPLES);
}

static double loss_only(struct world *w)
{
    double loss = loss_at(w);
    memset(w->block.grads, 0, w->block.n_values * sizeof *w->block.grads);
    return loss;
}

START_TEST(test_gradients_of_the_whole_step_equal_finite_differences)
{
    const struct setting *x = &settings[_i];
    struct world w;
    world_init(&w, x, 2);
    (void)loss_at(&w);
    double *grads = malloc(w.block.n_values * sizeof *grads);
    memcpy(grads, w.block.grads, w.block.n_values * sizeof *grads);
    memset(w.block.grads, 0, w.block.n_values * sizeof *w.block.grads);
    for (size_t t = 0; t < w.block.n_tensors; t++) {
        const struct tensor_spec *s = &w.block.tensors[t];
        if (w.block.frozen[t])
            continue;
        size_t n = s->n_rows * s->n_cols, stride = n > 60 ? n / 60 : 1;
        double size = 0;
        for (size_t i = 0; i < n; i += stride) {
            double *value = &w.block.values[w.block.offset[t] + i], held = *value, h = 1e-5;
            *value = held + h;
            double up = loss_only(&w);
            *value = held - h;
            double down = loss_only(&w);
            *value = held;
            double expected = (up - down) / (2 * h), got = grads[w.block.offset[t] + i];
            ck_assert_msg(fabs(expected - got) <= 1e-7 + 1e-5 * fabs(expected),
                          "%s: %s[%zu]: finite difference %.9g, gradient %.9g", x->name, s->name, i, expected,
                          got);
            size += fabs(expected);
        }
        /* a softmax does not see what is added to all scores */
        bool shift = s->n_rows == 1 && strstr(s->name, ".bias") != NULL;
        ck_assert_msg(size > 0 || shift, "%s: %s has no influence on the loss", x->name, s->name);
    }
    free(grads);
    world_fini(&w);
}
END_TEST

START_TEST(test_gradients_do_not_depend_on_the_number_of_threads)
{
    struct world one, three;
    world_init(&one, &settings[_i], 1);
    world_init(&three, &settings[_i], 3);
    double a = loss_at(&one), b = loss_at(&three);
    ck_assert(a == b);
    ck_assert_int_eq(memcmp(one.block.grads, three.block.grads, one.block.n_values * sizeof *one.block.grads),
                     0);
    world_fini(&one);
    world_fini(&three);
}
END_TEST

START_TEST(test_update_lowers_the_loss_and_clears_the_gradients)
{
    struct world w;
    world_init(&w, &settings[_i], 2);
    double first = loss_at(&w), last = first;
    for (long k = 1; k <= 30; k++) {
        double norm = train_step_update(w.step, k, 1);
        ck_assert(isfinite(norm) && norm > 0);
        for (size_t i = 0; i < w.block.n_values; i++)
            ck_assert(w.block.grads[i] == 0);
        last = loss_at(&w);
    }
    ck_assert_msg(last < 0.8 * first, "loss %g -> %g", first, last);
    world_fini(&w);
}
END_TEST

START_TEST(test_update_with_a_gradient_that_is_not_finite_changes_no_value)
{
    struct world w;
    world_init(&w, &settings[0], 2);
    (void)loss_at(&w);
    double *values = malloc(w.block.n_values * sizeof *values);
    memcpy(values, w.block.values, w.block.n_values * sizeof *values);
    w.block.grads[w.block.n_values - 1] = NAN;
    ck_assert(!isfinite(train_step_update(w.step, 1, 1)));
    ck_assert_int_eq(memcmp(values, w.block.values, w.block.n_values * sizeof *values), 0);
    for (size_t i = 0; i < w.block.n_values; i++)
        ck_assert(w.block.grads[i] == 0);
    free(values);
    world_fini(&w);
}
END_TEST

START_TEST(test_softmax_loss_gradient_equals_finite_differences)
{
    enum { N = 9 };
    unsigned char kinds[N] = {1, 0, 2, 1, 1, 2, 0, 1, 1};
    double scores[N], grad[N], tried[N];
    struct rng r;
    rng_init(&r, 5, 5);
    for (int i = 0; i < N; i++)
        grad[i] = scores[i] = 3 * rng_normal(&r);
    (void)softmax_loss(grad, kinds, N, 1.5, 0.25);
    for (int i = 0; i < N; i++) {
        double sides[2];
        for (int k = 0; k < 2; k++) {
            memcpy(tried, scores, sizeof tried);
            tried[i] += k ? -1e-6 : 1e-6;
            sides[k] = softmax_loss(tried, kinds, N, 1.5, 0.25);
        }
        ck_assert_double_eq_tol((sides[0] - sides[1]) / 2e-6, grad[i], 1e-8);
    }
}
END_TEST

START_TEST(test_softmax_loss_survives_scores_that_overflow_exp)
{
    double scores[3] = {1000, -1000, 999};
    unsigned char kinds[3] = {CANDIDATE_TARGET, CANDIDATE_NEGATIVE, CANDIDATE_NEGATIVE};
    double loss = softmax_loss(scores, kinds, 3, 0, 1);
    ck_assert_double_eq_tol(loss, log(1 + exp(-1)), 1e-12);
    for (int i = 0; i < 3; i++)
        ck_assert(isfinite(scores[i]));
}
END_TEST

SUITE("engine gradients", NULL, NULL, {test_gradients_of_the_whole_step_equal_finite_differences, N_SETTINGS},
      {test_gradients_do_not_depend_on_the_number_of_threads, N_SETTINGS},
      {test_update_lowers_the_loss_and_clears_the_gradients, N_SETTINGS},
      {test_update_with_a_gradient_that_is_not_finite_changes_no_value},
      {test_softmax_loss_gradient_equals_finite_differences},
      {test_softmax_loss_survives_scores_that_overflow_exp})
