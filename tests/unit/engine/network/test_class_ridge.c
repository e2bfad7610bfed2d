/* engine/network/class_ridge.c beside its equations. Risk: a place in the packed triangle, or the share of
 * lambda. */
#include "engine/network/class_ridge.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { N = 7, F = 5, K = 3 };

static const size_t classes[N] = {2, 0, 1, 0, 2, 2, 0};

START_TEST(the_layer_solves_the_equations_of_ridge_regression)
{
    const double share = 0.3;
    real features[N * F], weight[K * F];
    double workspace[F * (F + 1) / 2 + F], lambda = 0;
    struct rng rng;
    rng_init(&rng, 29, 1);
    ck_assert_uint_eq(class_ridge_workspace_len(F), sizeof workspace / sizeof *workspace);
    for (size_t i = 0; i < N * F; i++) {
        features[i] = (real)rng_normal(&rng);
        lambda += share * (double)(features[i] * features[i]) / N;
    }
    ck_assert(class_ridge(features, classes, N, F, K, share, workspace, weight));
    for (size_t k = 0; k < K; k++)
        for (size_t j = 0; j < F; j++) {
            double left = lambda * (double)weight[k * F + j], right = 0;
            for (size_t i = 0; i < N; i++) {
                const real *x = features + i * F;
                for (size_t l = 0; l < F; l++)
                    left += (double)(x[j] * x[l] * weight[k * F + l]);
                right += classes[i] == k ? (double)x[j] : 0;
            }
            ck_assert_double_eq_tol(left, right, 1e-5);
        }
}
END_TEST

START_TEST(features_that_are_all_zero_have_no_layer)
{
    real features[N * F] = {0}, weight[K * F];
    double workspace[F * (F + 1) / 2 + F];
    ck_assert(!class_ridge(features, classes, N, F, K, 0.3, workspace, weight));
    features[3] = (real)NAN;
    ck_assert(!class_ridge(features, classes, N, F, K, 0.3, workspace, weight));
}
END_TEST

SUITE("class_ridge", NULL, NULL, {the_layer_solves_the_equations_of_ridge_regression},
      {features_that_are_all_zero_have_no_layer})
