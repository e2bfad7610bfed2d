/* engine/rank/score_proxy.c: scores fitted to contexts. Risks: a fit of fewer scores than dimensions,
 * contexts that are all alike, a number that is not finite. */
#include "engine/rank/score_proxy.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <math.h>

enum { N = 200, D = 7 };

static real contexts[N * D]; /* (N, D) */
static double scores[N];

/* A linear function of random contexts, far from zero. */
static double truth(const real *c)
{
    double sum = 40;
    for (size_t k = 0; k < D; k++)
        sum += ((double)k - 2) * (double)c[k];
    return sum;
}

static void draw(void)
{
    struct rng rng;
    rng_init(&rng, 11, 0);
    for (size_t i = 0; i < N * D; i++)
        contexts[i] = (real)(3 + rng_normal(&rng));
    for (size_t i = 0; i < N; i++)
        scores[i] = truth(contexts + i * D);
}

START_TEST(a_linear_score_is_found_again)
{
    struct score_proxy p;
    real asked[D] = {1, 2, 3, 4, 5, 6, 7};
    draw();
    ck_assert_int_eq(score_proxy_fit(&p, contexts, scores, N, D, NULL), ERR_OK);
    ck_assert_double_eq_tol(score_proxy_of(&p, asked), truth(asked), 0.05); /* of the ridge */
    score_proxy_fini(&p);
}
END_TEST

/* Of fewer scores than dimensions those are met that were given, nearly. */
START_TEST(few_scores_are_met)
{
    struct score_proxy p;
    real given[3 * D];
    draw();
    for (size_t i = 0; i < 3 * D; i++)
        given[i] = contexts[i];
    ck_assert_int_eq(score_proxy_fit(&p, contexts, scores, 3, D, NULL), ERR_OK);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq_tol(score_proxy_of(&p, given + i * D), scores[i], 0.2);
    score_proxy_fini(&p);
}
END_TEST

START_TEST(contexts_that_are_all_alike_have_the_mean_score)
{
    struct score_proxy p;
    real alike[4 * D];
    double some[4] = {1, 2, 3, 6};
    for (size_t i = 0; i < 4 * D; i++)
        alike[i] = 5;
    ck_assert_int_eq(score_proxy_fit(&p, alike, some, 1 + 3 * (size_t)_i, D, NULL), ERR_OK);
    real asked[D] = {5, 5, 5, 5, 5, 5, 5};
    ck_assert_double_eq_tol(score_proxy_of(&p, asked), _i ? 3 : 1, 1e-4);
    score_proxy_fini(&p);
}
END_TEST

START_TEST(a_score_that_is_not_finite_is_refused)
{
    struct score_proxy p;
    struct err e = {0};
    draw();
    scores[3] = _i ? INFINITY : NAN;
    ck_assert_int_eq(score_proxy_fit(&p, contexts, scores, N, D, &e), ERR_INVALID);
    score_proxy_fini(&p);
}
END_TEST

SUITE("engine/rank/score_proxy", NULL, NULL, {a_linear_score_is_found_again}, {few_scores_are_met},
      {contexts_that_are_all_alike_have_the_mean_score, 2}, {a_score_that_is_not_finite_is_refused, 2})
