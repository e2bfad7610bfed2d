/* engine/network/context_draws.c: draws of a fold-in, whose covariance is the inverse of a matrix that is
 * inverted here by itself. Risks: an interaction that counts twice or not at all, items that came after
 * training, a block of the context that moves and is no fold-in. */
#include "engine/network/context_draws.h"

#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { D = 3, C = 5, OWN = 4, EXTRA = 2, DRAWS = 40000, MOST = 5, PACKED = D * (D + 1) / 2 };

static struct model_spec spec;
static struct model_params params, extra;
static real factors[OWN * D], extra_factors[EXTRA * D], gram[D * D];
static const real c[C] = {1, -2, 0.5F, 7, -7};
static const struct encoder_interaction history[MOST] = {
    {0, 1, NAN, 0}, {2, 2.5F, NAN, 0}, {5, 1, NAN, 0}, {3, 0.5F, NAN, 0}, {1, 1, NAN, 0}};

static void set_up(void)
{
    struct rng r;
    rng_init(&r, 2, 0);
    spec = (struct model_spec){.n_items = OWN,
                               .d_context = C,
                               .encoder = {.present = true,
                                           .d_fold_in = D,
                                           .d_history = C - D,
                                           .alpha = 0.5,
                                           .reg = 0.1,
                                           .reg_exponent = 1}};
    for (size_t i = 0; i < OWN * D; i++)
        factors[i] = (real)rng_normal(&r);
    for (size_t i = 0; i < EXTRA * D; i++)
        extra_factors[i] = (real)rng_normal(&r);
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++) {
            gram[i * D + j] = 0;
            for (size_t k = 0; k < OWN; k++)
                gram[i * D + j] += (real)0.5 * factors[k * D + i] * factors[k * D + j];
        }
    params = (struct model_params){.fold_in_factor = factors, .fold_in_gram = gram};
    extra = (struct model_params){.fold_in_factor = extra_factors};
}

static void tear_down(void)
{
}

/* The inverse of the matrix, by Gauss and Jordan. */
static void naive(size_t n, double inverse[D][D])
{
    double a[D][2 * D] = {{0}};
    for (size_t i = 0; i < D; i++) {
        for (size_t j = 0; j < D; j++)
            a[i][j] = (double)gram[i * D + j] + (i == j ? encoder_fold_in_ridge(&spec, n) : 0);
        for (size_t k = 0; k < n; k++) {
            size_t item = history[k].item;
            const real *v = item < OWN ? factors + item * D : extra_factors + (item - OWN) * D;
            for (size_t j = 0; j < D; j++)
                a[i][j] += (double)history[k].weight * (double)v[i] * (double)v[j];
        }
        a[i][D + i] = 1;
    }
    for (size_t i = 0; i < D; i++) {
        double pivot = a[i][i];
        for (size_t j = 0; j < 2 * D; j++)
            a[i][j] /= pivot;
        for (size_t k = 0; k < D; k++)
            for (size_t j = 2 * D; k != i && j-- > i;)
                a[k][j] -= a[k][i] * a[i][j];
    }
    for (size_t i = 0; i < D; i++)
        memcpy(inverse[i], a[i] + D, sizeof inverse[i]);
}

/* Of the first _i interactions. */
START_TEST(draws_have_the_mean_and_the_covariance_of_the_fold_in)
{
    double room[PACKED + D], covariance[D][D], sum[D] = {0}, products[D][D] = {{0}};
    struct encoder_input input = {
        .interactions = history, .n_interactions = (size_t)_i, .extra = &extra, .n_extra = EXTRA};
    struct rng rng;
    rng_init(&rng, 3, 0);
    ck_assert_uint_eq(context_draws_len(&spec), PACKED + D);
    ck_assert(context_draws_factor(&spec, &params, &input, room));
    naive((size_t)_i, covariance);
    for (size_t k = 0; k < DRAWS; k++) {
        real drawn[C];
        context_draws_next(&spec, room, c, &rng, drawn);
        ck_assert(drawn[3] == c[3] && drawn[4] == c[4]); /* the other block */
        for (size_t i = 0; i < D; i++) {
            sum[i] += (double)(drawn[i] - c[i]) / DRAWS;
            for (size_t j = 0; j < D; j++)
                products[i][j] += (double)(drawn[i] - c[i]) * (double)(drawn[j] - c[j]) / DRAWS;
        }
    }
    for (size_t i = 0; i < D; i++) {
        ck_assert_double_lt(fabs(sum[i]), 0.03 * sqrt(covariance[i][i]));
        for (size_t j = 0; j < D; j++)
            ck_assert_double_lt(fabs(products[i][j] - covariance[i][j]),
                                0.04 * sqrt(covariance[i][i] * covariance[j][j]));
    }
}
END_TEST

START_TEST(a_model_without_a_fold_in_has_no_draws)
{
    spec.encoder.d_fold_in = 0;
    ck_assert_uint_eq(context_draws_len(&spec), 0);
    spec.encoder = (struct encoder_spec){.present = false, .d_fold_in = D};
    ck_assert_uint_eq(context_draws_len(&spec), 0);
}
END_TEST

SUITE("engine/network: context_draws", set_up, tear_down,
      {draws_have_the_mean_and_the_covariance_of_the_fold_in, MOST + 1},
      {a_model_without_a_fold_in_has_no_draws})
