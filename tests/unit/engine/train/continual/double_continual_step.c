/* The loss of a step of continual learning against finite differences, in double precision: through
 * minibatch, target network, chunks and trunk to every tensor, with old tasks whose answers are held, for
 * chunks' embeddings of all contexts and of each, and for heads without chunks. Risk: a wrong term, which
 * training would hide by learning a little worse; and an old task's embedding that moves. */
#include "base/rng.h"
#include "engine/train/continual/continual.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 13, D = 5, O = 3, C = 4, N_TASKS = 3 };

static const struct setting {
    const char *name;
    enum generator first, last;
    size_t size, n_trunk;
    bool own;
    enum bias_kind bias;
} settings[] = {
    {"chunks of all contexts", GENERATOR_CHUNKED, GENERATOR_CHUNKED, 10, 2, false, BIAS_FULL},
    {"chunks of each context", GENERATOR_CHUNKED, GENERATOR_CHUNKED, 9, 1, true, BIAS_FULL},
    {"chunks without a trunk", GENERATOR_CHUNKED, GENERATOR_CHUNKED, 17, 0, false, BIAS_SHARED},
    {"after a layer of all", GENERATOR_SHARED, GENERATOR_CHUNKED, 4, 2, false, BIAS_SHARED},
    {"heads without chunks", GENERATOR_FULL, GENERATOR_LOW_RANK, 0, 1, false, BIAS_FULL},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static struct model_spec spec_of(const struct setting *x)
{
    struct model_spec s = {
        .name = "t",
        .version = "1",
        .objective = &objective_classification,
        .d_item = D,
        .d_output = O,
        .d_context = C,
        .n_trunk = x->n_trunk,
        .trunk = {{6, ACTIVATION_TANH}, {7, ACTIVATION_TANH}},
        .n_layers = 2,
        .layers = {{D, 6, x->first, 0, x->bias, ACTIVATION_TANH},
                   {6, O, x->last, x->last == GENERATOR_LOW_RANK ? 2 : 0, x->bias, ACTIVATION_IDENTITY}},
        .chunks = {.size = x->size, .d_embedding = x->size ? 3 : 0, .own = x->own}};
    if (x->own)
        s.d_context += 3 * model_spec_n_chunks(&s);
    s.encoder = (struct encoder_spec){.present = true, .d_id = s.d_context, .n_tasks = N_TASKS};
    return s;
}

struct world {
    struct model_spec spec;
    struct param_block block;
    struct continual_step step;
    struct rng rng;
    real x[N * D];
    uint32_t y[N];
};

static const uint32_t old_tasks[] = {1, 0};

/* A model of two tasks and one more to learn, away from where it was begun. */
static void world_init(struct world *w, const struct setting *x)
{
    struct err e = {0};
    rng_init(&w->rng, 5, 5);
    w->spec = spec_of(x);
    ck_assert_msg(model_spec_check(&w->spec, &e) == ERR_OK, "%s", e.text);
    ck_assert_int_eq(param_block_init(&w->block, &w->spec, &e), ERR_OK);
    for (size_t i = 0; i < w->block.n_values; i++)
        w->block.values[i] = 0.5 * rng_normal(&w->rng);
    ck_assert_msg(continual_step_init(&w->step, &w->spec, &w->block, N, 2, &e) == ERR_OK, "%s", e.text);
    for (size_t i = 0; i < w->block.n_values; i++)
        w->block.values[i] += 0.1 * rng_normal(&w->rng);
    for (size_t i = 0; i < N * D; i++)
        w->x[i] = rng_normal(&w->rng);
    for (size_t i = 0; i < N; i++)
        w->y[i] = (uint32_t)rng_below(&w->rng, O);
    minibatch_take(&w->step.batch, &(struct labelled_rows){N, w->x, w->y}, 0, N);
}

static void world_fini(struct world *w)
{
    continual_step_fini(&w->step);
    param_block_fini(&w->block);
}

static double loss_only(struct world *w)
{
    double loss = continual_step_loss(&w->step, old_tasks, 2, 0.7);
    memset(w->block.grads, 0, w->block.n_values * sizeof *w->block.grads);
    return loss;
}

/* Whether the step says nothing of this value: an old task's embedding, or theta0. */
static bool stays(const struct world *w, const struct tensor_spec *t, size_t i)
{
    struct model_params grads = w->step.grads;
    if (strcmp(t->name, "encoder.id") == 0)
        return i < (N_TASKS - 1) * w->spec.d_context;
    return !*model_params_slot(&grads, t);
}

START_TEST(test_gradients_of_a_step_equal_finite_differences)
{
    struct world w;
    world_init(&w, &settings[_i]);
    (void)continual_step_loss(&w.step, old_tasks, 2, 0.7);
    double *grads = malloc(w.block.n_values * sizeof *grads);
    memcpy(grads, w.block.grads, w.block.n_values * sizeof *grads);
    for (size_t t = 0; t < w.block.n_tensors; t++) {
        const struct tensor_spec *s = &w.block.tensors[t];
        double size = 0;
        for (size_t i = 0; i < s->n_rows * s->n_cols; i++) {
            size_t at = w.block.offset[t] + i;
            double held = w.block.values[at], h = 1e-5;
            if (stays(&w, s, i)) {
                ck_assert(grads[at] == 0);
                continue;
            }
            w.block.values[at] = held + h;
            double up = loss_only(&w);
            w.block.values[at] = held - h;
            double down = loss_only(&w);
            w.block.values[at] = held;
            double expected = (up - down) / (2 * h);
            ck_assert_msg(fabs(expected - grads[at]) <= 1e-7 + 1e-5 * fabs(expected),
                          "%s: %s[%zu]: finite difference %.9g, gradient %.9g", settings[_i].name, s->name, i,
                          expected, grads[at]);
            size += fabs(expected);
        }
        ck_assert_msg(size > 0 || stays(&w, s, 0), "%s: %s has no influence on the loss", settings[_i].name,
                      s->name);
    }
    free(grads);
    world_fini(&w);
}
END_TEST

/* The sum over generated weights, not their mean; the mean over the tasks of a step. */
START_TEST(test_the_penalty_is_a_sum_over_weights)
{
    struct world w;
    world_init(&w, &settings[_i]);
    size_t len = w.step.tape.layout.len, d = w.spec.d_context;
    double without = continual_step_loss(&w.step, old_tasks, 0, 0.7), sum = 0;
    real *theta = malloc(2 * len * sizeof *theta);
    for (size_t k = 0; k < 2; k++) {
        const real *c = w.block.params.task_id + old_tasks[k] * d;
        ck_assert_int_eq(hypernet_generate(&w.spec, &w.step.before, c, w.step.work, theta, NULL), ERR_OK);
        ck_assert_int_eq(hypernet_generate(&w.spec, &w.block.params, c, w.step.work, theta + len, NULL),
                         ERR_OK);
        for (size_t i = 0; i < len; i++)
            sum += (theta[i] - theta[len + i]) * (theta[i] - theta[len + i]);
    }
    ck_assert_double_eq_tol(continual_step_loss(&w.step, old_tasks, 2, 0.7), without + 0.7 * sum / 2, 1e-9);
    free(theta);
    world_fini(&w);
}
END_TEST

SUITE("engine continual step", NULL, NULL, {test_gradients_of_a_step_equal_finite_differences, N_SETTINGS},
      {test_the_penalty_is_a_sum_over_weights, N_SETTINGS})
