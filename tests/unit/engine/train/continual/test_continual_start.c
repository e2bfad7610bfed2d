/* First values of networks whose weights are generated (continual_init). Hyperfan-in (Chang, Flokas,
 * Lipson 2020) asks that a generated weight has the variance that its layer asks for, however many numbers
 * it is the sum of: Var(H) = c / (d_in d_z Var(z)), c being 2 before a rectifier. Here a weight is W0 + H
 * z; W0 has that variance, and H z is small beside it, so that tasks begin alike. Risk: a generator whose
 * network starts dead or loud, a head whose part grows with the width of the trunk. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/hypernet.h"
#include "engine/network/target.h"
#include "engine/train/continual/continual.h"
#include "tests/support/suite.h"

#include <math.h>

enum { D = 64, HIDDEN = 96, O = 48, RANK = 48, C = 16, ROWS = 64, CONTEXTS = 8 };

static const struct {
    enum generator generator;
    size_t rank;
} generators[] = {{GENERATOR_SHARED, 0},
                  {GENERATOR_FULL, 0},
                  {GENERATOR_LOW_RANK, RANK},
                  {GENERATOR_CORE, RANK},
                  {GENERATOR_CHUNKED, 0}};

static struct model_spec spec_of(enum generator g, size_t rank, size_t d_trunk)
{
    enum bias_kind bias = g == GENERATOR_SHARED ? BIAS_SHARED : BIAS_FULL;
    struct model_spec spec = {.name = "t",
                              .version = "1",
                              .objective = &objective_classification,
                              .d_item = D,
                              .d_output = O,
                              .d_context = C,
                              .n_trunk = 1,
                              .trunk = {{d_trunk, ACTIVATION_RELU}},
                              .n_layers = 3,
                              .layers = {{D, HIDDEN, g, rank, bias, ACTIVATION_RELU},
                                         {HIDDEN, HIDDEN, g, rank, bias, ACTIVATION_RELU},
                                         {HIDDEN, O, g, rank, bias, ACTIVATION_IDENTITY}},
                              .encoder = {.present = true, .d_id = C, .n_tasks = 1}};
    if (g == GENERATOR_CHUNKED) {
        spec.chunks.size = 500;
        spec.chunks.d_embedding = 8;
    }
    return spec;
}

static void fill(real *x, size_t n, struct rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (real)rng_normal(r);
}

static double mean_square(const real *a, const real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)a[i] - (b ? (double)b[i] : 0);
        sum += x * x;
    }
    return sum / (double)n;
}

/* Over contexts: the mean square of outputs for inputs of variance 1, and how far outputs are from those of
 * the first context, as a share of it. */
struct found {
    double output, apart;
};

static struct found start_of(const struct model_spec *spec, uint64_t seed)
{
    struct found found = {0, 0};
    struct param_block block;
    struct theta_layout at;
    struct err e = {0};
    struct rng r;
    rng_init(&r, seed, 7);
    ck_assert_msg(continual_init(&block, spec, NULL, seed, &e) == ERR_OK, "%s", e.text);
    theta_layout_of(spec, &at);
    size_t n_work = hypernet_workspace_len(spec) + target_workspace_len(spec);
    real *workspace = mem_alloc_array(n_work + 1, sizeof *workspace);
    real *theta = mem_alloc_array(at.len + 1, sizeof *theta);
    real c[C], x[ROWS * D], first[ROWS * O], y[ROWS * O];
    fill(x, ROWS * D, &r);
    for (size_t n = 0; n < CONTEXTS; n++) {
        fill(c, C, &r);
        ck_assert_int_eq(hypernet_generate(spec, &block.params, c, workspace, theta, &e), ERR_OK);
        target_forward(spec, &block.params, theta, x, ROWS, workspace, n ? y : first);
        found.output += mean_square(n ? y : first, NULL, ROWS * O) / CONTEXTS;
        found.apart += n ? mean_square(y, first, ROWS * O) / (CONTEXTS - 1) : 0;
    }
    found.apart /= found.output;
    mem_free(workspace);
    mem_free(theta);
    param_block_fini(&block);
    return found;
}

/* Three layers deep the outputs are as large as the inputs. */
START_TEST(what_a_generated_network_makes_is_as_large_as_its_inputs)
{
    struct model_spec spec = spec_of(generators[_i].generator, generators[_i].rank, 32);
    double mean = 0;
    for (uint64_t seed = 1; seed <= 3; seed++)
        mean += start_of(&spec, seed).output / 3;
    ck_assert_msg(mean > 0.5 && mean < 2, "%s: %g", generator_name(generators[_i].generator), mean);
}
END_TEST

/* What contexts differ in is there, small, and no larger with a wider trunk. */
START_TEST(contexts_begin_alike_whatever_the_width_of_the_trunk)
{
    enum { NARROW = 16, WIDE = 256 };
    enum generator g = generators[_i].generator;
    if (g == GENERATOR_SHARED)
        return;
    struct model_spec narrow = spec_of(g, generators[_i].rank, NARROW),
                      wide = spec_of(g, generators[_i].rank, WIDE);
    double a = start_of(&narrow, 5).apart, b = start_of(&wide, 5).apart;
    ck_assert_msg(a > 1e-7 && a < 0.5 && b > 1e-7 && b < 0.5, "%s: %g, %g", generator_name(g), a, b);
    ck_assert_msg(b < 3 * a && a < 3 * b, "%s: %g with %d, %g with %d", generator_name(g), a, NARROW, b,
                  WIDE);
}
END_TEST

SUITE("train continual_start", NULL, NULL,
      {what_a_generated_network_makes_is_as_large_as_its_inputs, sizeof generators / sizeof *generators},
      {contexts_begin_alike_whatever_the_width_of_the_trunk, sizeof generators / sizeof *generators})
