/* engine/network/task_count.c: what a count says, and what is said of one. Risks: probabilities that are
 * those of another distribution than the mean and the intervals have; a step that is too far where a
 * task's rate is not the usual; numbers that are no longer finite. */
#include "engine/network/task_count.h"

#include "engine/network/task_quantiles.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stddef.h>

static const struct row {
    double value, spread;
} rows[] = {{-3, 0.02}, {-1, 1.5}, {0.5, 1e-5}, {1, 0.3}, {2.5, 0.05}, {4, 0.6}, {5, 2}};
enum { N_ROWS = sizeof rows / sizeof *rows };

START_TEST(probabilities_have_the_moments_of_a_rate_with_a_normal_logarithm)
{
    const struct row *r = &rows[_i];
    struct task_count_said said = task_count_said(r->value, r->spread);
    double all = 0, mean = 0, squares = 0, expected = exp(r->value + r->spread / 2);
    for (int y = 0; y < 300000; y++) {
        double p = exp(-task_count_surprise(&said, y));
        all += p;
        mean += p * y;
        squares += p * y * y;
    }
    double variance = expected + expected * expected * expm1(r->spread);
    ck_assert_double_eq_tol(all, 1, 1e-8);
    ck_assert_double_eq_tol(mean, expected, 1e-6 * expected);
    ck_assert_double_eq_tol(squares - mean * mean, variance, 1e-4 * variance);
    ck_assert_double_eq_tol(task_count_deviation(r->value, r->spread, 1), sqrt(variance),
                            1e-9 * sqrt(variance));
}
END_TEST

START_TEST(a_quantile_is_the_least_count_with_its_probability)
{
    static const double z[] = {-3, -1.6449, -0.5, 0, 0.5, 1.6449, 3};
    const struct row *r = &rows[_i];
    for (size_t i = 0; i < sizeof z / sizeof *z; i++) {
        struct task_count_said said = task_count_said(r->value, r->spread);
        double wanted = erfc(-z[i] * M_SQRT1_2) / 2, below = 0, y = -1;
        double found = task_count_quantile(r->value, r->spread, 1, z[i]);
        while (below < wanted) {
            y++;
            below += exp(-task_count_surprise(&said, y));
        }
        ck_assert_msg(found == y, "%g and %g: at %g %g, not %g; %.17g %.17g", r->value, r->spread, z[i],
                      found, y, task_count_probability(&said, found), wanted);
        ck_assert_double_eq_tol(task_count_probability(&said, y), below, 1e-8);
    }
}
END_TEST

START_TEST(many_are_counted_by_their_rate)
{
    double few = log(TASK_COUNT_MANY) - 0.01, many = log(TASK_COUNT_MANY) + 0.01;
    for (double z = -2; z <= 2; z++) {
        double a = task_count_quantile(few, 0.01, 1, z), b = task_count_quantile(many, 0.01, 1, z);
        ck_assert_double_eq_tol(log(b / a), 0.02, 0.01); /* a tenth of a deviation */
    }
    struct task_count_said said = task_count_said(many, 0.01);
    double y = task_count_quantile(many, 0.01, 1, 1);
    ck_assert_double_eq_tol(task_normal_quantile(task_count_probability(&said, y)), 1, 0.01);
}
END_TEST

START_TEST(what_is_beyond_its_inputs_is_wider_about_the_same_mean)
{
    ck_assert_double_lt(task_count_quantile(3, 0.2, 4, -1), task_count_quantile(3, 0.2, 1, -1));
    ck_assert_double_gt(task_count_quantile(3, 0.2, 4, 1), task_count_quantile(3, 0.2, 1, 1));
    ck_assert_double_gt(task_count_deviation(3, 0.2, 4), task_count_deviation(3, 0.2, 1));
}
END_TEST

START_TEST(a_known_count_says_what_the_derivatives_of_its_likelihood_do)
{
    const double f = 0.7, y = 3, s2 = 0.2, never = 1e12, l = exp(f + s2 / 2), q = expm1(s2);
    struct task_count newton = task_count_known(f, y, s2, never, NULL);
    double slope = (y - l) / (1 + q * l); /* of the negative binomial by f */
    ck_assert_double_eq_tol(newton.precision, l / (1 + q * l), 1e-9);
    ck_assert_double_eq_tol(newton.precision * newton.residual, slope, 1e-9);
    for (double far = 50; far < 1e6; far *= 10) { /* of 2 expected: Newton's step would be far / 2 */
        double r = task_count_known(log(2), far, 0.1, 1, NULL).residual;
        ck_assert_double_gt(r, 0.5 * log(far / 2));
        ck_assert_double_lt(r, 1.5 * log(far / 2) + 2);
    }
    ck_assert_double_lt(task_count_known(log(20), 0, 0.1, 1, NULL).residual, -1.0); /* none of 20 */
}
END_TEST

START_TEST(its_slopes_are_those_of_finite_differences)
{
    static const double at[][4] = {{0.3, 0, 0.1, 0.5}, {-2, 4, 0.4, 2}, {3, 7, 1e-4, 0.02}, {1, 1, 0.9, 30}};
    const double h = 1e-6, *a = at[_i];
    struct task_count_slopes s;
    (void)task_count_known(a[0], a[1], a[2], a[3], &s);
    const struct task_count *slopes[] = {&s.by_f, &s.by_noise, &s.by_prior};
    for (int k = 0; k < 3; k++) {
        double d[3] = {0};
        d[k] = h;
        struct task_count above = task_count_known(a[0] + d[0], a[1], a[2] + d[1], a[3] + d[2], NULL);
        struct task_count below = task_count_known(a[0] - d[0], a[1], a[2] - d[1], a[3] - d[2], NULL);
        double precision = (above.precision - below.precision) / (2 * h),
               residual = (above.residual - below.residual) / (2 * h);
        ck_assert_double_eq_tol(slopes[k]->precision, precision, 1e-6 * (1 + fabs(precision)));
        ck_assert_double_eq_tol(slopes[k]->residual, residual, 1e-6 * (1 + fabs(residual)));
    }
}
END_TEST

START_TEST(whatever_the_numbers_what_is_said_is_finite)
{
    static const double values[] = {-1e6, -40, 0, 40, 1e6}, spreads[] = {1e-5, 1, 1e6},
                        counts[] = {0, 1, 1e9};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 3; j++)
            for (size_t k = 0; k < 3; k++) {
                struct task_count_said said = task_count_said(values[i], spreads[j]);
                struct task_count c = task_count_known(values[i], counts[k], spreads[j] / 1e6, 1, NULL);
                ck_assert(isfinite(task_count_surprise(&said, counts[k])));
                ck_assert(task_count_probability(&said, counts[k]) >= 0);
                ck_assert(isfinite(c.precision) && c.precision > 0 && isfinite(c.residual));
                for (double z = -8; z <= 8; z += 4) {
                    double y = task_count_quantile(values[i], spreads[j], 1 + 10 * (double)k, z);
                    ck_assert(y >= 0 && y <= TASK_COUNT_MOST && y == floor(y));
                }
                ck_assert(isfinite(task_count_deviation(values[i], spreads[j], 3)));
                ck_assert(isfinite(task_count_mean_deviation(values[i], spreads[j], spreads[j])));
            }
}
END_TEST

SUITE("engine/network: task_count", NULL, NULL,
      {probabilities_have_the_moments_of_a_rate_with_a_normal_logarithm, N_ROWS},
      {a_quantile_is_the_least_count_with_its_probability, N_ROWS}, {many_are_counted_by_their_rate},
      {what_is_beyond_its_inputs_is_wider_about_the_same_mean},
      {a_known_count_says_what_the_derivatives_of_its_likelihood_do},
      {its_slopes_are_those_of_finite_differences, 4}, {whatever_the_numbers_what_is_said_is_finite})
