/* engine/train/task/task_step.c against finite differences, in double precision: through the features, the
 * solved layer, its covariance and the noise, for numbers and classes, with and without forgetting. And
 * beside engine/network/task_head.c, which serves what this trains. Risk: a wrong term, which training
 * would hide by learning a little worse; and a loss that is not that of what is served. */
#include "engine/train/task/task_step.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/task_count.h"
#include "engine/network/task_generated.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/task/special.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 11, D = 3, M = 4, SPLITS = 3 };

static struct setting {
    const char *name;
    size_t n_features, n_classes;
    bool forgets;
    double clip;
    bool counts;
    enum { NOTHING, CORE, LOW_RANK, FULL, ALIKE } generated;
} const settings[] = {
    {"numbers", 2, 0, false},
    {"numbers that are forgotten", 2, 0, true},
    {"numbers, linear", 0, 0, false},
    {"numbers, outliers cut", 1, 0, true, 0.7},
    {"two classes", 1, 2, false},
    {"three classes, forgotten", 2, 3, true},
    {"counts", 2, 0, false, .counts = true},
    {"counts that are forgotten", 1, 0, true, .counts = true},
    {"counts, linear, generated in full", 0, 0, false, .counts = true, .generated = FULL},
    {"counts, a generated core", 1, 0, true, .counts = true, .generated = CORE},
    {"numbers, a generated core", 2, 0, false, .generated = CORE},
    {"numbers, forgotten, generated in low rank", 1, 0, true, 0.7, .generated = LOW_RANK},
    {"numbers, linear, generated in full", 0, 0, false, .generated = FULL},
    {"numbers, a network for all", 0, 0, false, .generated = ALIKE},
    {"three classes, a generated core", 1, 3, true, .generated = CORE},
    {"two classes, generated in full", 0, 2, false, .generated = FULL},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static struct model_spec spec;
static struct param_block block;
static real x[N * D];
static double y[N], support[SPLITS * N], query[SPLITS * N], age[SPLITS * N];
static struct task_draw draw;
static char names[D][2] = {"a", "b", "c"};
static struct column columns[D] = {{.name = names[0], .deviation = 1},
                                   {.name = names[1], .deviation = 1},
                                   {.name = names[2], .deviation = 1}};

/* A hidden layer of five units and the outputs, behind a trunk where weights are generated. */
static void generate(const struct setting *s)
{
    static const enum generator first[] = {0, GENERATOR_CORE, GENERATOR_LOW_RANK, GENERATOR_FULL,
                                           GENERATOR_SHARED};
    bool alike = s->generated == ALIKE;
    if (s->generated == NOTHING)
        return;
    spec.norm = s->generated == LOW_RANK ? NORM_LAYER : NORM_NONE;
    spec.n_trunk = !alike;
    spec.trunk[0] = (struct trunk_layer_spec){3, ACTIVATION_TANH};
    spec.n_layers = 2;
    spec.layers[0] = (struct layer_spec){.d_in = M,
                                         .d_out = 5,
                                         .generator = first[s->generated],
                                         .rank = s->generated == CORE || s->generated == LOW_RANK ? 2 : 0,
                                         .bias = alike ? BIAS_SHARED : BIAS_FULL,
                                         .activation = ACTIVATION_TANH};
    spec.layers[1] = (struct layer_spec){.d_in = 5,
                                         .d_out = spec.d_output,
                                         .generator = alike ? GENERATOR_SHARED : GENERATOR_FULL,
                                         .bias = BIAS_SHARED};
}

static void set_up(const struct setting *s)
{
    struct rng rng;
    struct err e = {0};
    rng_init(&rng, 7, 1);
    spec = (struct model_spec){.name = "t",
                               .version = "1",
                               .objective = s->n_classes ? &objective_classification : &objective_regression,
                               .d_item = D,
                               .d_output = s->n_classes ? s->n_classes : 1,
                               .task = {.present = true,
                                        .columns = {D, columns},
                                        .n_features = s->n_features,
                                        .features = {{5, ACTIVATION_TANH}, {6, ACTIVATION_TANH}},
                                        .d_basis = M,
                                        .forgets = s->forgets,
                                        .time = names[0],
                                        .period = 1,
                                        .n_classes = s->n_classes,
                                        .clip = s->clip,
                                        .scale = s->counts ? SCALE_COUNT : SCALE_IDENTITY,
                                        .target_deviation = 1}};
    spec.d_context = task_spec_d_sums(&spec);
    generate(s);
    ck_assert_msg(model_spec_check(&spec, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(param_block_init(&block, &spec, &e) == ERR_OK, "%s", e.text);
    for (size_t i = 0; i < block.n_values; i++)
        block.values[i] = 0.5 * rng_normal(&rng);
    for (size_t i = 0; i < N * D; i++)
        x[i] = rng_normal(&rng);
    for (size_t i = 0; i < N; i++)
        y[i] = s->n_classes ? (double)rng_below(&rng, s->n_classes)
               : s->counts  ? (double)rng_below(&rng, 9)
                            : rng_normal(&rng);
    for (size_t i = 0; i < SPLITS * N; i++) {
        uint64_t part = rng_below(&rng, 3);
        support[i] = i >= N && part == 0; /* of the first split nothing is known */
        query[i] = part == 1;
        age[i] = 3 * rng_uniform(&rng);
    }
    draw = (struct task_draw){N, x, y, SPLITS, support, query, s->forgets ? age : NULL};
}

static double loss(struct task_step *step, const struct model_params *grads)
{
    return task_step_loss(step, &block.params, &draw, 0.25, grads);
}

START_TEST(the_gradient_is_that_of_finite_differences)
{
    const struct setting *s = &settings[_i];
    struct task_step step;
    struct err e = {0};
    set_up(s);
    ck_assert_msg(task_step_init(&step, &spec, N, &e) == ERR_OK, "%s", e.text);
    (void)loss(&step, &block.grad_params);
    for (size_t i = 0; i < block.n_values; i++) {
        const double h = 1e-5;
        double was = block.values[i];
        block.values[i] = was + h;
        double above = loss(&step, NULL);
        block.values[i] = was - h;
        double below = loss(&step, NULL), slope = (above - below) / (2 * h);
        block.values[i] = was;
        ck_assert_msg(fabs(slope - block.grads[i]) <= 1e-7 + 1e-6 * fabs(slope),
                      "%s, value %zu: %.10g, not %.10g", s->name, i, block.grads[i], slope);
    }
    task_step_fini(&step);
    param_block_fini(&block);
}
END_TEST

/* The loss of what task_head.c answers. */
static double served_loss(size_t split)
{
    double room[M * 3 + M * (M + 1) / 2 + 100], work[M], sums[2 + M * 3 + M * (M + 1) / 2] = {0}, sum = 0;
    double value[N * 3], spread[N], weights[N];
    real *workspace = mem_alloc_array(
        task_features_workspace_len(&spec, N) + task_generated_workspace_len(&spec, N), sizeof *workspace);
    real f0[N * 3], phi[N * M];
    struct task_layer layer;
    ck_assert_ptr_nonnull(workspace);
    task_features(&spec, &block.params, x, N, workspace, NULL, f0, phi);
    double rate = spec.task.forgets ? exp(block.params.task_scales[TASK_SCALES]) : 0;
    for (size_t i = 0; i < N; i++)
        weights[i] = support[split * N + i] * exp(-rate * age[split * N + i]);
    task_sums_add(&spec, &block.params, f0, phi, y, weights, N, 1, sums);
    ck_assert_uint_le(task_layer_len(&spec), sizeof room / sizeof *room);
    task_layer_at(&spec, room, &layer);
    ck_assert(task_layer_solve(&spec, &block.params, sums, &layer));
    ck_assert(task_generated_make(&spec, &block.params, workspace, &layer));
    task_generated_add(&spec, &block.params, &layer, phi, N, workspace, f0, f0);
    task_layer_predict(&spec, &block.params, &layer, f0, phi, N, work, value, spread, NULL);
    for (size_t i = 0; i < N; i++) {
        double a = layer.shape, k = pow(y[i] - value[i], 2) / (2 * a * spread[i]), all = 0;
        if (query[split * N + i] == 0)
            continue;
        if (task_is_of_counts(&spec)) {
            struct task_count_said said = task_count_said(value[i], spread[i]);
            sum += task_count_surprise(&said, y[i]);
            continue;
        }
        for (size_t c = 0; c < spec.task.n_classes; c++)
            all += exp(value[i * spec.d_output + c]);
        sum += spec.task.n_classes
                   ? log(all) - value[i * spec.d_output + (size_t)y[i]]
                   : lgamma(a) - lgamma(a + 0.5) + 0.5 * log(2 * M_PI * a * spread[i]) + (a + 0.5) * log1p(k);
    }
    mem_free(workspace);
    return sum;
}

START_TEST(what_is_served_has_the_loss_that_was_trained)
{
    struct task_step step;
    struct err e = {0};
    set_up(&settings[_i]);
    ck_assert_msg(task_step_init(&step, &spec, N, &e) == ERR_OK, "%s", e.text);
    double served = 0, trained = loss(&step, NULL);
    for (size_t j = 0; j < SPLITS; j++)
        served += 0.25 * served_loss(j);
    ck_assert_msg(fabs(served - trained) < 1e-9 * fabs(trained), "%s: %.12g, not %.12g", settings[_i].name,
                  served, trained);
    task_step_fini(&step);
    param_block_fini(&block);
}
END_TEST

START_TEST(digamma_is_the_slope_of_lgamma)
{
    static const double at[] = {0.01, 0.5, 1, 3.7, 12, 400};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        double h = 1e-6 * at[i], slope = (lgamma(at[i] + h) - lgamma(at[i] - h)) / (2 * h);
        ck_assert_double_eq_tol(special_digamma(at[i]), slope, 1e-6 * (1 + fabs(slope)));
    }
}
END_TEST

SUITE("engine/train/task: step", NULL, NULL, {the_gradient_is_that_of_finite_differences, N_SETTINGS},
      {what_is_served_has_the_loss_that_was_trained, N_SETTINGS}, {digamma_is_the_slope_of_lgamma})
