/* engine/train/gradient/conv_backward.c against finite differences, in double precision; its weights as they
 * are served; and that threads make no difference. Risks: a term of the normalisation's gradient, which
 * training would hide by learning a little worse; taps turned the wrong way; a fold that is off. */
#include "engine/train/gradient/conv_backward.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/conv.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

static const struct setting {
    struct image_spec spec;
    size_t n;
    int n_threads;
} settings[] = {
    {{4, 4, 1, 2, {3, 2}}, 9, 1},    /* more images than shards */
    {{5, 7, 2, 2, {4, 3}}, 3, 2},    /* fewer, and odd sizes */
    {{8, 8, 1, 3, {2, 3, 2}}, 6, 2}, /* three layers */
    {{30, 30, 1, 1, {2}}, 10, 1},    /* an image of more pixels than a group has */
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static struct parallel *team;
static struct conv_tape tape;
static struct conv_weights weights, grads;
static real *values, *gradients, *x, *wanted;
static size_t n_values;

static real *normals(struct rng *rng, size_t n)
{
    real *v = mem_alloc_array(n, sizeof *v);
    ck_assert_ptr_nonnull(v);
    for (size_t i = 0; i < n; i++)
        v[i] = rng_normal(rng);
    return v;
}

static void set_up(const struct setting *s, int n_threads)
{
    struct rng rng;
    struct err e = {0};
    rng_init(&rng, 11, 1);
    ck_assert_msg(image_spec_check(&s->spec, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(parallel_new(n_threads, &team, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(conv_tape_init(&tape, &s->spec, s->n, team, &e) == ERR_OK, "%s", e.text);
    n_values = conv_weights_len(&s->spec);
    values = normals(&rng, n_values);
    gradients = mem_zalloc_array(n_values, sizeof *gradients);
    x = normals(&rng, s->n * image_spec_d_image(&s->spec));
    wanted = normals(&rng, s->n * image_spec_d_features(&s->spec));
    ck_assert_ptr_nonnull(gradients);
    conv_weights_at(&s->spec, values, &weights);
    conv_weights_at(&s->spec, gradients, &grads);
}

static void stop(void)
{
    conv_tape_fini(&tape);
    parallel_free(team);
    real *all[] = {values, gradients, x, wanted};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mem_free(all[i]);
    values = gradients = x = wanted = NULL;
    team = NULL;
}

/* wanted . out */
static double loss(const struct setting *s)
{
    double sum = 0;
    conv_tape_forward(&tape, &weights, x, s->n);
    for (size_t i = 0; i < s->n * image_spec_d_features(&s->spec); i++)
        sum += wanted[i] * tape.out[i];
    return sum;
}

static void gradient(const struct setting *s)
{
    (void)loss(s);
    memcpy(tape.dout, wanted, s->n * image_spec_d_features(&s->spec) * sizeof *wanted);
    conv_tape_backward(&tape, &weights, &grads);
}

/* The largest of a square may change within a step of the difference; such a value is rare and is tried with
 * a smaller step. */
static double slope(const struct setting *s, size_t i, double h)
{
    double was = values[i];
    values[i] = was + h;
    double above = loss(s);
    values[i] = was - h;
    double below = loss(s);
    values[i] = was;
    return (above - below) / (2 * h);
}

START_TEST(the_gradient_is_that_of_finite_differences)
{
    const struct setting *s = &settings[_i];
    set_up(s, s->n_threads);
    gradient(s);
    for (size_t i = 0; i < n_values; i++) {
        double found = 0;
        bool same = false;
        for (double h = 1e-5; !same && h > 1e-8; h /= 10) {
            found = slope(s, i, h);
            same = fabs(found - gradients[i]) <= 1e-7 + 1e-13 / h + 1e-6 * fabs(found);
        }
        ck_assert_msg(same, "value %zu: %.10g, not %.10g", i, gradients[i], found);
    }
}
END_TEST

/* All pixels of a square are equal there, and the slope by the scale is that of the one that is taken. */
START_TEST(a_scale_of_zero_has_finite_gradients)
{
    const struct setting *s = &settings[0];
    set_up(s, 1);
    weights.layers[0].scale[1] = 0;
    weights.layers[0].shift[1] = 0.5;
    gradient(s);
    size_t shift = (size_t)(weights.layers[0].shift + 1 - values);
    for (size_t i = 0; i < n_values; i++)
        ck_assert(isfinite(gradients[i]));
    ck_assert_double_eq_tol(slope(s, shift, 1e-6), gradients[shift], 1e-5);
}
END_TEST

/* Four of them have no finite sum. */
START_TEST(what_is_finite_stays_so_however_large)
{
    const struct setting *s = &settings[3];
    size_t d = s->spec.d_out[0];
    set_up(s, 1);
    for (size_t k = 0; k < d; k++) {
        weights.layers[0].scale[k] = 0;
        weights.layers[0].shift[k] = 8e307;
    }
    (void)loss(s);
    for (size_t i = 0; i < s->n * image_spec_d_features(&s->spec); i++)
        ck_assert_double_eq(tape.out[i], 8e307);
    for (size_t k = 0; k < d; k++)
        weights.layers[0].shift[k] = (real)NAN;
    (void)loss(s);
    ck_assert(isnan(tape.out[0]));
}
END_TEST

START_TEST(threads_make_no_difference)
{
    const struct setting *s = &settings[_i];
    set_up(s, 1);
    gradient(s);
    real *alone = mem_alloc_array(n_values, sizeof *alone);
    ck_assert_ptr_nonnull(alone);
    memcpy(alone, gradients, n_values * sizeof *alone);
    stop();
    set_up(s, 3);
    gradient(s);
    ck_assert_mem_eq(alone, gradients, n_values * sizeof *alone);
    mem_free(alone);
}
END_TEST

START_TEST(folded_weights_give_the_features_of_the_batch)
{
    const struct setting *s = &settings[_i];
    struct conv_params folded = {0};
    struct conv_shape shapes[LIMIT_LAYERS];
    size_t d = image_spec_d_features(&s->spec);
    set_up(s, 1);
    (void)loss(s);
    image_spec_shapes(&s->spec, shapes);
    for (size_t l = 0; l < s->spec.n_layers; l++) {
        real *weight = mem_alloc_array(conv_shape_weight(&shapes[l]), sizeof *weight),
             *bias = mem_alloc_array(shapes[l].d_out, sizeof *bias);
        ck_assert(weight && bias);
        conv_fold(&s->spec, &weights, l, conv_tape_mean(&tape, l), conv_tape_variance(&tape, l), weight,
                  bias);
        folded.weight[l] = weight;
        folded.bias[l] = bias;
    }
    real *workspace = mem_alloc_array(conv_workspace_len(&s->spec), sizeof *workspace),
         *out = mem_alloc_array(s->n * d, sizeof *out);
    ck_assert(workspace && out);
    conv_features(&s->spec, &folded, x, s->n, workspace, out);
    for (size_t i = 0; i < s->n * d; i++)
        ck_assert_double_eq_tol(out[i], tape.out[i], 1e-9);
    for (size_t l = 0; l < s->spec.n_layers; l++) {
        mem_free((real *)folded.weight[l]);
        mem_free((real *)folded.bias[l]);
    }
    mem_free(workspace);
    mem_free(out);
}
END_TEST

SUITE("conv_backward", NULL, stop, {the_gradient_is_that_of_finite_differences, N_SETTINGS},
      {a_scale_of_zero_has_finite_gradients}, {what_is_finite_stays_so_however_large},
      {threads_make_no_difference, N_SETTINGS}, {folded_weights_give_the_features_of_the_batch, N_SETTINGS})
