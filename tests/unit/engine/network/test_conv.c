/* engine/network/conv.c beside loops over single numbers, and engine/format/image_spec.c. Risks: taps or
 * channels in another order than the file's; odd rows and columns; an image that others in the batch
 * change. */
#include "engine/network/conv.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/layers.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct image_spec specs[] = {
    {28, 28, 1, 4, {8, 8, 8, 8}}, {2, 2, 1, 1, {1}}, {5, 7, 3, 2, {4, 6}},
    {9, 4, 4, 2, {16, 3}},        {3, 3, 2, 1, {5}}, {16, 16, 1, 3, {48, 17, 2}},
};
enum { N_SPECS = sizeof specs / sizeof *specs, N = 5 };

static real *weights[LIMIT_LAYERS], *biases[LIMIT_LAYERS], *x, *out;
static struct conv_params params;

static real *normals(struct rng *rng, size_t n, double scale)
{
    real *v = mem_alloc_array(n, sizeof *v);
    ck_assert_ptr_nonnull(v);
    for (size_t i = 0; i < n; i++)
        v[i] = (real)(scale * rng_normal(rng));
    return v;
}

static void make(const struct image_spec *spec)
{
    struct rng rng;
    struct err e = {0};
    struct conv_shape shapes[LIMIT_LAYERS];
    ck_assert_msg(image_spec_check(spec, &e) == ERR_OK, "%s", e.text);
    image_spec_shapes(spec, shapes);
    rng_init(&rng, 5, spec->height);
    for (size_t i = 0; i < spec->n_layers; i++) {
        params.weight[i] = weights[i] =
            normals(&rng, conv_shape_weight(&shapes[i]), 1 / sqrt(9 * (double)shapes[i].d_in));
        params.bias[i] = biases[i] = normals(&rng, shapes[i].d_out, 0.3);
    }
    x = normals(&rng, N * image_spec_d_image(spec), 1);
    out = normals(&rng, N * image_spec_d_features(spec), 1);
}

static void stop(void)
{
    for (size_t i = 0; i < LIMIT_LAYERS; i++) {
        mem_free(weights[i]);
        mem_free(biases[i]);
        weights[i] = biases[i] = NULL;
    }
    mem_free(x);
    mem_free(out);
    x = out = NULL;
}

static void features(const struct image_spec *spec, const real *images, size_t n, real *to)
{
    real *workspace = mem_alloc_array(conv_workspace_len(spec), sizeof *workspace);
    ck_assert_ptr_nonnull(workspace);
    conv_features(spec, &params, images, n, workspace, to);
    mem_free(workspace);
}

/* One number of a layer's output before the squares. */
static double convolved(const struct conv_shape *s, const double *in, size_t layer, long y, long column,
                        size_t k)
{
    double sum = (double)params.bias[layer][k];
    for (long ty = 0; ty < 3; ty++)
        for (long tx = 0; tx < 3; tx++)
            for (size_t c = 0; c < s->d_in; c++) {
                long row = y + ty - 1, col = column + tx - 1;
                if (row >= 0 && row < (long)s->height && col >= 0 && col < (long)s->width)
                    sum +=
                        (double)params.weight[layer][((k * 3 + (size_t)ty) * 3 + (size_t)tx) * s->d_in + c] *
                        in[((size_t)row * s->width + (size_t)col) * s->d_in + c];
            }
    return sum;
}

/* to: room for the largest layer; the features of one image. */
static void naive(const struct image_spec *spec, const real *image, double *in, double *to)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    image_spec_shapes(spec, shapes);
    for (size_t i = 0; i < image_spec_d_image(spec); i++)
        in[i] = (double)image[i];
    for (size_t l = 0; l < spec->n_layers; l++) {
        const struct conv_shape *s = &shapes[l];
        double *next = to;
        for (size_t y = 0; y < s->height / 2; y++)
            for (size_t column = 0; column < s->width / 2; column++)
                for (size_t k = 0; k < s->d_out; k++) {
                    double most = 0;
                    for (size_t q = 0; q < 4; q++)
                        most = fmax(
                            most, convolved(s, in, l, (long)(2 * y + q / 2), (long)(2 * column + q % 2), k));
                    *next++ = most;
                }
        memcpy(in, to, conv_shape_pooled(s) * sizeof *in);
    }
}

START_TEST(features_are_those_of_a_loop_over_single_numbers)
{
    const struct image_spec *spec = &specs[_i];
    enum { ROOM = 28 * 28 * 48 };
    double *in = malloc(ROOM * sizeof *in), *to = malloc(ROOM * sizeof *to);
    ck_assert(in && to);
    make(spec);
    features(spec, x, N, out);
    for (size_t i = 0; i < N; i++) {
        size_t d = image_spec_d_features(spec);
        naive(spec, x + i * image_spec_d_image(spec), in, to);
        for (size_t k = 0; k < d; k++)
            ck_assert_double_eq_tol((double)out[i * d + k], to[k], 1e-4 * (1 + to[k]));
    }
    free(in);
    free(to);
}
END_TEST

START_TEST(an_image_has_the_same_bits_whatever_is_beside_it)
{
    const struct image_spec *spec = &specs[_i];
    size_t d = image_spec_d_features(spec), d_image = image_spec_d_image(spec);
    make(spec);
    features(spec, x, N, out);
    real *alone = mem_alloc_array(d, sizeof *alone);
    ck_assert_ptr_nonnull(alone);
    for (size_t i = 0; i < N; i++) {
        features(spec, x + i * d_image, 1, alone);
        ck_assert_mem_eq(alone, out + i * d, d * sizeof *alone);
    }
    mem_free(alone);
}
END_TEST

/* Finite weights of which products are not: a comparison is false of NAN, and would make 0 of it. */
START_TEST(what_is_not_finite_stays_so)
{
    const struct image_spec *spec = &specs[_i];
    size_t d = image_spec_d_features(spec), n_bad = 0;
    make(spec);
    real *weight = (real *)(uintptr_t)params.weight[0];
    for (size_t k = 0; k < CONV_TAPS * spec->n_channels; k++)
        weight[k] = k % 2 ? (real)3e38 : (real)-3e38;
    for (size_t i = 0; i < image_spec_d_image(spec); i++)
        x[i] = 3;
    features(spec, x, 1, out);
    for (size_t k = 0; k < d; k++)
        n_bad += !isfinite(out[k]);
    ck_assert_uint_gt(n_bad, 0);
}
END_TEST

/* Four of them have no finite sum. */
START_TEST(what_is_finite_stays_so_however_large)
{
    const struct image_spec *spec = &specs[_i];
    const struct image_spec one = {spec->height, spec->width, spec->n_channels, 1, {spec->d_out[0]}};
    make(&one);
    real *weight = (real *)(uintptr_t)params.weight[0], *bias = (real *)(uintptr_t)params.bias[0];
    memset(weight, 0, one.d_out[0] * CONV_TAPS * one.n_channels * sizeof *weight);
    for (size_t k = 0; k < one.d_out[0]; k++) {
        weight[(k * CONV_TAPS + CONV_TAPS / 2) * one.n_channels] = (real)1.5e38; /* the pixel itself */
        bias[k] = 0;
    }
    for (size_t i = 0; i < image_spec_d_image(&one); i++)
        x[i] = 1;
    features(&one, x, 1, out);
    for (size_t k = 0; k < image_spec_d_features(&one); k++)
        ck_assert_double_eq((double)out[k], (double)(real)1.5e38);
}
END_TEST

START_TEST(an_activation_makes_no_number_of_what_is_none)
{
    real values[] = {(real)NAN, -1, -(real)0.0, 2, (real)NAN};
    activation_forward((enum activation)_i, values, 5);
    ck_assert(isnan(values[0]) && isnan(values[4]) && isfinite(values[1]) && isfinite(values[3]));
    ck_assert(_i != ACTIVATION_RELU ||
              (values[1] == 0 && values[2] == 0 && !signbit(values[2]) && values[3] == 2));
}
END_TEST

static const struct {
    struct image_spec spec;
    const char *expected;
} refused[] = {
    {{0, 28, 1, 1, {8}}, "the height is 0"},
    {{28, LIMIT_IMAGE_SIDE + 1, 1, 1, {8}}, "the width is 1025"},
    {{28, 28, 5, 1, {8}}, "the number of channels is 5"},
    {{28, 28, 1, 0, {0}}, "the number of layers is 0"},
    {{28, 28, 1, LIMIT_LAYERS + 1, {8}}, "the number of layers is 17"},
    {{28, 28, 1, 2, {8, 0}}, "d_out of a layer is 0"},
    {{28, 28, 1, 5, {8, 8, 8, 8, 8}},
     "images of 28 x 28 are too small for 5 layers that halve them: 4 at most"},
    {{28, 1, 1, 1, {8}}, "images of 28 x 1 are too small"},
};

START_TEST(a_stack_that_cannot_be_is_refused_by_its_reason)
{
    struct err e = {0};
    ck_assert_int_eq(image_spec_check(&refused[_i].spec, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, refused[_i].expected) != NULL, "%s", e.text);
}
END_TEST

SUITE("conv", NULL, stop, {features_are_those_of_a_loop_over_single_numbers, N_SPECS},
      {an_image_has_the_same_bits_whatever_is_beside_it, N_SPECS}, {what_is_not_finite_stays_so, N_SPECS},
      {what_is_finite_stays_so_however_large, N_SPECS}, {an_activation_makes_no_number_of_what_is_none, 4},
      {a_stack_that_cannot_be_is_refused_by_its_reason, sizeof refused / sizeof *refused})
