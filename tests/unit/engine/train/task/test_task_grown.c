/* engine/train/task/task_grown.c: what a model begins with that grows from another. Risks: first answers that
 * are not those of the other, hidden units that are nothing or far too large, a tensor in the wrong place. */
#include "engine/train/task/task_grown.h"

#include "base/rng.h"
#include "engine/network/hypernet.h"
#include "engine/network/layers.h"
#include "engine/network/target.h"
#include "engine/network/task_generated.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { D = 3, M = 24, PAIRS = 400, ROWS = 8 };

static const enum generator generators[] = {GENERATOR_CORE, GENERATOR_LOW_RANK, GENERATOR_FULL,
                                            GENERATOR_SHARED};
static struct run run = {.options = {.seed = 5}};
static struct model_spec small, spec;
static struct param_block from, block;
static struct column columns[D] = {{.deviation = 1}, {.deviation = 1}, {.deviation = 1}};
static char names[D][2] = {"a", "b", "c"};
static double scale[M];

static void grow(enum generator generator)
{
    struct err e = {0};
    struct rng r;
    rng_init(&r, 3, 1);
    for (size_t j = 0; j < D; j++)
        columns[j].name = names[j];
    small = (struct model_spec){
        .name = "t",
        .version = "1",
        .objective = &objective_regression,
        .d_item = D,
        .d_output = 1,
        .task = {.present = true, .columns = {D, columns}, .d_basis = M, .target_deviation = 1}};
    small.d_context = task_spec_d_sums(&small);
    spec = small;
    task_grown_spec(&spec, generator);
    ck_assert_msg(model_spec_check(&spec, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(param_block_init(&from, &small, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(param_block_init(&block, &spec, &e) == ERR_OK, "%s", e.text);
    for (size_t i = 0; i < from.n_values; i++)
        from.values[i] = (real)rng_normal(&r);
    for (size_t j = 0; j < M; j++)
        scale[j] = j % 2 ? 0.05 : 2;
    task_grown_values(&run, &spec, &from, from.values, scale, &block);
}

static void stop(void)
{
    param_block_fini(&from);
    param_block_fini(&block);
}

START_TEST(it_begins_as_the_model_it_grows_from)
{
    grow(generators[_i]);
    ck_assert_mem_eq(block.params.basis, from.params.basis, M * D * sizeof(real));
    ck_assert_mem_eq(block.params.shared, from.params.shared, D * sizeof(real));
    ck_assert_mem_eq(block.params.task_scales, from.params.task_scales, TASK_SCALES * sizeof(real));
    double room[M + M * (M + 1) / 2 + 1024];
    real phi[ROWS * M], f0[ROWS], f[ROWS], workspace[4096];
    struct task_layer layer;
    struct rng r;
    rng_init(&r, 4, 1);
    ck_assert_uint_le(task_layer_len(&spec), sizeof room / sizeof *room);
    ck_assert_uint_le(task_generated_workspace_len(&spec, ROWS), sizeof workspace / sizeof *workspace);
    task_layer_at(&spec, room, &layer);
    for (size_t j = 0; j < M; j++)
        layer.weights[j] = rng_normal(&r);
    for (size_t i = 0; i < ROWS * M; i++)
        phi[i] = (real)rng_normal(&r);
    for (size_t i = 0; i < ROWS; i++)
        f0[i] = (real)rng_normal(&r);
    ck_assert(task_generated_make(&spec, &block.params, workspace, &layer));
    task_generated_add(&spec, &block.params, &layer, phi, ROWS, workspace, f0, f);
    ck_assert_mem_eq(f, f0, sizeof f);
}
END_TEST

/* Of codes of the prior's variance and rows as large as they are: before the activation hidden units have the
 * variance of a layer of He et al. 2015, about 2, of which the generated part is some. */
START_TEST(hidden_units_have_the_variance_that_hyperfan_in_gives)
{
    grow(generators[_i]);
    struct model_spec first = spec; /* the hidden layer alone, as it is before the activation */
    struct err e = {0};
    struct rng r;
    struct theta_layout layout;
    size_t h = spec.layers[0].d_out;
    double squares = 0, apart = 0;
    real code[M], x[M], theta[8192], workspace[16384], y[2][64];
    first.n_layers = 1;
    first.d_output = 1;
    first.layers[0].activation = ACTIVATION_IDENTITY;
    first.layers[0].bias = BIAS_NONE;
    theta_layout_of(&first, &layout);
    ck_assert_uint_le(layout.len, sizeof theta / sizeof *theta);
    rng_init(&r, 9, 1);
    for (size_t n = 0; n < PAIRS; n++) {
        for (size_t j = 0; j < M; j++)
            x[j] = (real)(scale[j] * rng_normal(&r));
        for (size_t i = 0; i < 2; i++) { /* two codes for each row */
            for (size_t j = 0; j < M; j++)
                code[j] = (real)rng_normal(&r);
            ck_assert_int_eq(hypernet_generate(&first, &block.params, code, workspace, theta, &e), ERR_OK);
            first.d_output = h; /* the code stays one layer's weights, the outputs are the units */
            target_forward(&first, &block.params, theta, x, 1, workspace, y[i]);
            first.d_output = 1;
        }
        for (size_t k = 0; k < h; k++) {
            squares += (double)(y[0][k] * y[0][k]) / (double)(PAIRS * h);
            apart += pow((double)(y[0][k] - y[1][k]), 2) / (double)(2 * PAIRS * h);
        }
    }
    if (generators[_i] == GENERATOR_SHARED)
        ck_assert_double_lt(apart, 1e-6);
    else
        ck_assert_msg(apart > 0.2 && apart < 1.5, "%s: of codes %g", generator_name(generators[_i]), apart);
}
END_TEST

SUITE("engine/train/task: grown", NULL, stop, {it_begins_as_the_model_it_grows_from, 4},
      {hidden_units_have_the_variance_that_hyperfan_in_gives, 4})
