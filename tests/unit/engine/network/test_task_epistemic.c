/* engine/network/task_epistemic.c: the part of an entropy that more rows would take away, beside the same
 * from many draws of the layer itself. Risks: a part that is larger than the whole or below nothing, draws
 * that differ from row to row, probabilities of 0. */
#include "engine/network/task_epistemic.h"

#include "base/rng.h"
#include "engine/kernels/small_solve.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { M = 4, K = 4, PACKED = M * (M + 1) / 2, NAIVE = 20000 };

static struct model_spec spec;
static struct model_params params;
static real scales[2];
static struct task_information information;
static double weights[K * M], factor[PACKED], phi[M], f[K], v;
static struct rng rng;

static void set_up(void)
{
    information = (struct task_information){0};
    spec = (struct model_spec){.d_output = K, .task = {.n_classes = K, .d_basis = M}};
    params = (struct model_params){.task_scales = scales};
    rng_init(&rng, 11, 0);
}

static void tear_down(void)
{
    task_information_fini(&information);
}

static void begin(size_t n_classes, uint64_t seed)
{
    ck_assert_int_eq(task_information_init(&information, n_classes, seed, NULL), ERR_OK);
}

/* A layer, and a row's features so far from what the layer knows that v is `spread`. */
static void draw_row(size_t n_classes, double spread)
{
    double x[M];
    spec.d_output = spec.task.n_classes = n_classes;
    for (size_t i = 0, at = 0; i < M; i++)
        for (size_t j = 0; j <= i; j++)
            factor[at++] = i == j ? 1 + rng_uniform(&rng) : 0.3 * rng_normal(&rng);
    for (size_t j = 0; j < M; j++)
        x[j] = phi[j] = rng_normal(&rng);
    small_forward(M, factor, x);
    v = 0;
    for (size_t j = 0; j < M; j++)
        v += x[j] * x[j];
    for (size_t j = 0; j < M; j++)
        phi[j] *= sqrt(spread / v);
    v = spread;
    for (size_t k = 0; k < n_classes; k++) {
        f[k] = 0;
        for (size_t j = 0; j < M; j++)
            f[k] += (weights[k * M + j] = rng_normal(&rng)) * phi[j];
    }
}

static double softmax(const double *logits, size_t n, double by, double *p)
{
    double most = -INFINITY, sum = 0, entropy = 0;
    for (size_t k = 0; k < n; k++)
        most = fmax(most, by * logits[k]);
    for (size_t k = 0; k < n; k++)
        sum += p[k] = exp(by * logits[k] - most);
    for (size_t k = 0; k < n; k++) {
        p[k] /= sum;
        entropy -= p[k] > 0 ? p[k] * log(p[k]) : 0;
    }
    return entropy;
}

/* The mutual information by many free draws of the layer: W ~ N(mu, by M^-1). */
static double naive(size_t n, double by, double *mean)
{
    double within = 0, all = 0, drawn[K], p[K];
    memset(mean, 0, n * sizeof *mean);
    for (size_t i = 0; i < NAIVE; i++) {
        for (size_t k = 0; k < n; k++) {
            double w[M];
            for (size_t j = 0; j < M; j++)
                w[j] = rng_normal(&rng);
            small_backward(M, factor, w);
            drawn[k] = 0;
            for (size_t j = 0; j < M; j++)
                drawn[k] += (weights[k * M + j] + sqrt(by) * w[j]) * phi[j];
        }
        within += softmax(drawn, n, 1, p) / NAIVE;
        for (size_t k = 0; k < n; k++)
            mean[k] += p[k] / NAIVE;
    }
    for (size_t k = 0; k < n; k++)
        all -= mean[k] > 0 ? mean[k] * log(mean[k]) : 0;
    return all - within;
}

START_TEST(it_is_what_many_draws_of_the_layer_say)
{
    const double spreads[] = {0.05, 0.5, 3}, kappa = 0.7, pi = 3.14159265358979;
    for (size_t n = 2; n <= K; n++)
        for (size_t i = 0; i < 3; i++) {
            double p[K], mean[K];
            draw_row(n, spreads[i]);
            scales[1] = (real)log(kappa);
            double expected = naive(n, 4 / pi * kappa, mean);
            double deviation = task_epistemic_logit(&spec, &params, v, 0, f);
            (void)softmax(f, n, 1 / sqrt(1 + kappa * v), p); /* what is answered */
            begin(n, 0);
            double found = task_information(&information, p, deviation);
            ck_assert_msg(fabs(found - expected) < 0.005 + 0.06 * expected,
                          "%zu classes, spread %g: %g, not %g", n, spreads[i], found, expected);
            for (size_t k = 0; k < n; k++) /* and what is answered is what the draws are on the mean */
                ck_assert_msg(fabs(p[k] - mean[k]) < 0.03, "%g, not %g", p[k], mean[k]);
        }
}
END_TEST

START_TEST(where_draws_agree_there_is_none)
{
    const double p[K] = {0.1, 0.2, 0.3, 0.4};
    begin(K, 3);
    ck_assert_double_eq_tol(task_information(&information, p, 0), 0, 1e-12);
    ck_assert_double_lt(task_information(&information, p, 1e-4), 1e-6);
}
END_TEST

START_TEST(it_is_never_more_than_the_entropy_nor_less_than_nothing)
{
    const double rows[][K] = {
        {1, 0, 0, 0}, {0.5, 0.5, 0, 0}, {1 - 3e-300, 1e-300, 1e-300, 1e-300}, {0.25, 0.25, 0.25, 0.25}};
    const double deviations[] = {0, 1e-9, 1, 30, 1e4, 1e150};
    begin(K, 0);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 6; j++) {
            double entropy = 0, found = task_information(&information, rows[i], deviations[j]);
            for (size_t k = 0; k < K; k++)
                entropy -= rows[i][k] > 0 ? rows[i][k] * log(rows[i][k]) : 0;
            ck_assert_msg(found >= 0 && found <= entropy, "row %zu, %g: %g of %g", i, deviations[j], found,
                          entropy);
        }
    ck_assert_double_gt(task_information(&information, rows[3], 30),
                        1); /* each draw is sure, and of another class */
}
END_TEST

START_TEST(the_same_seed_gives_the_same_and_another_nearly)
{
    const double p[3] = {0.6, 0.3, 0.1};
    begin(3, 5);
    double one = task_information(&information, p, 1.5);
    begin(2, 5);
    begin(3, 6);
    double other = task_information(&information, p, 1.5);
    begin(3, 5);
    ck_assert_double_eq(task_information(&information, p, 1.5), one);
    ck_assert_double_ne(other, one);
    ck_assert_double_eq_tol(other, one, 0.1 * one);
}
END_TEST

START_TEST(a_row_that_lies_beyond_its_inputs_is_answered_less_surely)
{
    double within[K], beyond[K];
    draw_row(K, 0.2);
    scales[1] = 0;
    memcpy(within, f, sizeof f);
    memcpy(beyond, f, sizeof f);
    double deviation = task_epistemic_logit(&spec, &params, v, 0, within);
    double larger = task_epistemic_logit(&spec, &params, v, 2, beyond);
    for (size_t k = 0; k < K; k++) {
        ck_assert(within[k] == f[k]);
        ck_assert_double_eq_tol(beyond[k], f[k] * sqrt(1.2 / 3.6), 1e-12); /* 1 + v is three times as large */
    }
    ck_assert_double_eq_tol(larger / deviation, sqrt(2.6 / 0.2), 1e-9);
}
END_TEST

SUITE("engine/network: task_epistemic", set_up, tear_down, {it_is_what_many_draws_of_the_layer_say},
      {where_draws_agree_there_is_none}, {it_is_never_more_than_the_entropy_nor_less_than_nothing},
      {the_same_seed_gives_the_same_and_another_nearly},
      {a_row_that_lies_beyond_its_inputs_is_answered_less_surely})
