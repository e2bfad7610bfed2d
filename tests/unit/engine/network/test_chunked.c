/* Weights in chunks (engine/network/chunked.h) against a naive twin written from the formula, in double, for
 * embeddings that all contexts share and a context's own, chunks that fit and that do not, with and without a
 * trunk; and that serving, a batch and training get the same bits. Risk: a chunk that lands a place off, or a
 * last one that is written past the end. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/chunked.h"
#include "engine/network/encoder.h"
#include "engine/network/hypernet.h"
#include "engine/network/hypernet_panels.h"
#include "engine/network/target.h"
#include "engine/train/gradient/hypernet_backward.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/gradient/target_backward.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { D = 5, O = 3, D_TASK = 4, E = 6, N_ROWS = 19, MOST = 40, N_TASKS = 3 };

#define GUARD 12345.0f

static const struct setting {
    size_t size, n_trunk;
    bool own, shared_between;
} settings[] = {
    {10, 2, false, false}, /* 63 weights: six chunks and three weights of a seventh */
    {9, 1, true, false},   /* seven chunks that fit */
    {63, 2, false, false}, /* one */
    {62, 0, true, false},  /* a last one of one weight */
    {1, 2, false, false},  /* a weight each */
    {7, 2, true, true},    /* with a layer between that all contexts share */
    {11, 1, false, true},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static struct model_spec make_spec(const struct setting *x)
{
    struct model_spec s = {.name = "t",
                           .version = "1",
                           .objective = &objective_classification,
                           .d_item = D,
                           .d_output = O,
                           .d_context = D_TASK,
                           .n_trunk = x->n_trunk,
                           .trunk = {{9, ACTIVATION_RELU}, {8, ACTIVATION_TANH}},
                           .chunks = {.size = x->size, .d_embedding = E, .own = x->own}};
    if (x->shared_between) {
        s.n_layers = 3;
        s.layers[0] = (struct layer_spec){D, 4, GENERATOR_CHUNKED, 0, BIAS_NONE, ACTIVATION_TANH};
        s.layers[1] = (struct layer_spec){4, 5, GENERATOR_SHARED, 0, BIAS_SHARED, ACTIVATION_TANH};
        s.layers[2] = (struct layer_spec){5, O, GENERATOR_CHUNKED, 0, BIAS_FULL, ACTIVATION_IDENTITY};
    } else {
        s.n_layers = 2;
        s.layers[0] = (struct layer_spec){D, 7, GENERATOR_CHUNKED, 0, BIAS_FULL, ACTIVATION_RELU};
        s.layers[1] = (struct layer_spec){7, O, GENERATOR_CHUNKED, 0, BIAS_SHARED, ACTIVATION_IDENTITY};
    }
    if (x->own)
        s.d_context += model_spec_n_chunks(&s) * E;
    s.encoder = (struct encoder_spec){.present = true, .d_id = s.d_context, .n_tasks = N_TASKS};
    struct err e = {0};
    ck_assert_msg(model_spec_check(&s, &e) == ERR_OK, "%s", e.text);
    return s;
}

struct world {
    struct model_spec spec;
    struct param_block block;
    struct theta_layout layout;
    size_t n_theta;
    float *contexts; /* (MOST, C) */
    float *theta;    /* (MOST, n_theta + 1) */
    float *work;     /* of one generation, a guard behind it */
};

static float *normal(struct rng *r, size_t n)
{
    float *x = mem_alloc_aligned(n, sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(r);
    return x;
}

static void world_init(struct world *w, const struct setting *x)
{
    struct err e = {0};
    struct rng r;
    rng_init(&r, 17, 3);
    w->spec = make_spec(x);
    ck_assert_int_eq(param_block_init(&w->block, &w->spec, &e), ERR_OK);
    for (size_t i = 0; i < w->block.n_values; i++)
        w->block.values[i] = (float)(0.5 * rng_normal(&r));
    theta_layout_of(&w->spec, &w->layout);
    w->n_theta = w->layout.len;
    ck_assert_uint_eq(w->n_theta, model_spec_n_chunked(&w->spec));
    w->contexts = normal(&r, MOST * w->spec.d_context);
    w->theta = normal(&r, MOST * (w->n_theta + 1));
    w->work = normal(&r, hypernet_batch_workspace_len(&w->spec) + 1);
    w->work[hypernet_batch_workspace_len(&w->spec)] = GUARD;
    for (size_t k = 0; k < MOST; k++)
        w->theta[k * (w->n_theta + 1) + w->n_theta] = GUARD;
}

static void world_fini(struct world *w)
{
    param_block_fini(&w->block);
    mem_free(w->contexts);
    mem_free(w->theta);
    mem_free(w->work);
}

static void generate(struct world *w, const float *c, float *theta)
{
    struct err e = {0};
    ck_assert_msg(hypernet_generate(&w->spec, &w->block.params, c, w->work, theta, &e) == ERR_OK, "%s",
                  e.text);
    ck_assert(w->work[hypernet_batch_workspace_len(&w->spec)] == GUARD);
    ck_assert(theta[w->n_theta] == GUARD);
}

/* ---- the naive twin ---- */

static double activate(enum activation a, double x)
{
    return a == ACTIVATION_RELU ? (x > 0 ? x : 0) : a == ACTIVATION_TANH ? tanh(x) : x;
}

/* z of chunk k. */
static void naive_trunk(const struct world *w, const float *c, size_t k, double *z)
{
    const struct model_params *p = &w->block.params;
    const float *own = w->spec.chunks.own ? c + D_TASK + k * E : p->chunk_embedding + k * E;
    size_t d = D_TASK + E;
    double next[32];
    for (size_t j = 0; j < d; j++)
        z[j] = (double)(j < D_TASK ? c[j] : own[j - D_TASK]);
    for (size_t i = 0; i < w->spec.n_trunk; d = w->spec.trunk[i++].d_out) {
        for (size_t o = 0; o < w->spec.trunk[i].d_out; o++) {
            next[o] = (double)p->trunk[i].bias[o];
            for (size_t j = 0; j < d; j++)
                next[o] += (double)p->trunk[i].weight[o * d + j] * z[j];
            next[o] = activate(w->spec.trunk[i].activation, next[o]);
        }
        memcpy(z, next, sizeof next);
    }
}

/* theta0 at place i of theta. */
static double naive_base(const struct world *w, size_t i)
{
    for (size_t l = w->spec.n_layers; l-- > 0;) {
        const struct layer_spec *s = &w->spec.layers[l];
        if (s->generator != GENERATOR_CHUNKED || i < w->layout.layers[l].weight)
            continue;
        size_t at = i - w->layout.layers[l].weight, n = s->d_in * s->d_out;
        return (double)(at < n ? w->block.params.layers[l].weight[at]
                               : w->block.params.layers[l].bias[at - n]);
    }
    return NAN;
}

static double naive_theta(const struct world *w, const float *c, size_t i)
{
    const struct model_params *p = &w->block.params;
    size_t size = w->spec.chunks.size, j = i % size, d = model_spec_d_trunk(&w->spec);
    double z[32], sum = naive_base(w, i) + (double)p->chunk_head_bias[j];
    naive_trunk(w, c, i / size, z);
    for (size_t m = 0; m < d; m++)
        sum += (double)p->chunk_head[j * d + m] * z[m];
    return sum;
}

/* ---- tests ---- */

START_TEST(test_chunks_equal_the_formula)
{
    struct world w;
    world_init(&w, &settings[_i]);
    for (size_t k = 0; k < 3; k++) {
        const float *c = w.contexts + k * w.spec.d_context;
        generate(&w, c, w.theta);
        for (size_t i = 0; i < w.n_theta; i++)
            ck_assert_msg(fabs((double)w.theta[i] - naive_theta(&w, c, i)) < 1e-5, "weight %zu: %g for %g", i,
                          (double)w.theta[i], naive_theta(&w, c, i));
    }
    world_fini(&w);
}
END_TEST

START_TEST(test_a_batch_gives_the_bits_of_single_generations)
{
    struct world w;
    struct hypernet_job jobs[MOST], *listed[MOST];
    float alone[128];
    world_init(&w, &settings[_i]);
    w.contexts[7 * w.spec.d_context + 1] = NAN; /* spoils no other */
    for (size_t k = 0; k < MOST; k++) {
        jobs[k] = (struct hypernet_job){w.contexts + k * w.spec.d_context, w.theta + k * (w.n_theta + 1),
                                        .err = {ERR_BUSY, "left over"}};
        listed[k] = &jobs[k];
    }
    hypernet_generate_batch(&w.spec, &w.block.params, listed, MOST, w.work);
    alone[w.n_theta] = GUARD;
    for (size_t k = 0; k < MOST; k++) {
        ck_assert_int_eq(jobs[k].err.code, k == 7 ? ERR_INVALID : ERR_OK);
        if (k == 7)
            continue;
        generate(&w, jobs[k].c, alone);
        ck_assert_msg(!memcmp(alone, jobs[k].theta, (w.n_theta + 1) * sizeof *alone), "context %zu", k);
    }
    world_fini(&w);
}
END_TEST

/* The tapes of training and the lane blocks of serving answer rows alike. */
START_TEST(test_training_gets_the_weights_of_serving)
{
    struct world w;
    struct hypernet_tape tape;
    struct target_tape target;
    struct err e = {0};
    struct rng r;
    rng_init(&r, 2, 2);
    world_init(&w, &settings[_i]);
    float *x = normal(&r, N_ROWS * D), *work = normal(&r, target_workspace_len(&w.spec)), y[N_ROWS * O];
    float trained[N_ROWS * O] = {0};
    ck_assert_int_eq(hypernet_tape_init(&tape, &w.spec, 2, &e), ERR_OK);
    ck_assert_int_eq(target_tape_init(&target, &w.spec, N_ROWS, &e), ERR_OK);
    memcpy(tape.c, w.contexts, 2 * w.spec.d_context * sizeof *tape.c);
    hypernet_batch_forward(&w.spec, &w.block.params, &tape, 2);
    for (size_t k = 0; k < 2; k++) {
        generate(&w, w.contexts + k * w.spec.d_context, w.theta);
        ck_assert(!memcmp(tape.theta + k * w.n_theta, w.theta, w.n_theta * sizeof *w.theta));
    }
    target_tape_start(&w.spec, &w.block.params, &target, x, N_ROWS);
    target_tape_forward(&w.spec, &w.block.params, &target, w.theta, trained);
    target_forward(&w.spec, &w.block.params, w.theta, x, N_ROWS, work, y);
    for (size_t i = 0; i < (size_t)N_ROWS * O; i++)
        ck_assert(fabs((double)y[i] - (double)trained[i]) < 1e-5);
    hypernet_tape_fini(&tape);
    target_tape_fini(&target);
    mem_free(x);
    mem_free(work);
    world_fini(&w);
}
END_TEST

START_TEST(test_weights_that_are_not_finite_are_refused)
{
    struct world w;
    struct err e = {0};
    world_init(&w, &settings[0]);
    for (size_t j = 0; j < w.spec.d_context; j++)
        w.contexts[j] = j % 2 ? 3e38f : -3e38f;
    for (size_t j = 0; j < w.spec.chunks.size; j++)
        w.block.params.chunk_head[j] = 3e38f;
    ck_assert_int_eq(hypernet_generate(&w.spec, &w.block.params, w.contexts, w.work, w.theta, &e),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "not finite"));
    world_fini(&w);
}
END_TEST

START_TEST(test_a_chunked_model_reads_its_head_once_and_has_no_panels)
{
    struct world w;
    struct hypernet_panels *panels;
    world_init(&w, &settings[0]);
    size_t n = 0; /* all that was trained but the tasks' own rows and the bias that is shared */
    for (size_t i = 0; i < w.block.n_tensors; i++)
        n += w.block.tensors[i].n_rows * w.block.tensors[i].n_cols;
    n -= N_TASKS * w.spec.d_context + O;
    ck_assert_uint_eq(hypernet_bytes_read(&w.spec, &w.block.params), n * sizeof(float));
    ck_assert_int_eq(hypernet_panels_new(&w.spec, &w.block.params, &panels, NULL), ERR_OK);
    ck_assert_ptr_null(panels);
    world_fini(&w);
}
END_TEST

START_TEST(test_a_trained_task_is_its_row)
{
    struct world w;
    struct err e = {0};
    world_init(&w, &settings[_i]);
    float *c = mem_alloc_array(w.spec.d_context, sizeof *c);
    for (uint32_t task = 0; task < N_TASKS; task++) {
        struct encoder_input input = {.task = &task};
        ck_assert_int_eq(encoder_encode(&w.spec, &w.block.params, &input, w.work, c, &e), ERR_OK);
        ck_assert(!memcmp(c, w.block.params.task_id + task * w.spec.d_context, w.spec.d_context * sizeof *c));
    }
    struct encoder_input another = {0};
    ck_assert_int_eq(encoder_encode(&w.spec, &w.block.params, &another, w.work, c, &e), ERR_OK);
    for (size_t j = 0; j < w.spec.d_context; j++)
        ck_assert(c[j] == 0);
    another.task = (const uint32_t[]){N_TASKS};
    ck_assert_int_eq(encoder_encode(&w.spec, &w.block.params, &another, w.work, c, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "trained task 3 of 3");
    mem_free(c);
    world_fini(&w);
}
END_TEST

SUITE("engine chunked", NULL, NULL, {test_chunks_equal_the_formula, N_SETTINGS},
      {test_a_batch_gives_the_bits_of_single_generations, N_SETTINGS},
      {test_training_gets_the_weights_of_serving, N_SETTINGS}, {test_weights_that_are_not_finite_are_refused},
      {test_a_chunked_model_reads_its_head_once_and_has_no_panels},
      {test_a_trained_task_is_its_row, N_SETTINGS})
