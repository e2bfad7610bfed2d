/* engine/network/student_t.c beside tables, closed forms and its own inverse. Risk: an interval that is
 * quietly too narrow at few degrees of freedom, or in the tails. */
#include "engine/network/student_t.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

/* Abramowitz and Stegun 1964, table 26.10, and more digits of the same from closed forms. */
static const struct {
    double probability, freedom, x;
} known[] = {
    {0.975, 1, 12.7062047364},
    {0.975, 2, 4.3026527297},
    {0.975, 5, 2.5705818356},
    {0.975, 10, 2.2281388520},
    {0.975, 30, 2.0422724563},
    {0.95, 1, 6.3137515147},
    {0.95, 2, 2.9199855804},
    {0.95, 5, 2.0150483733},
    {0.9, 5, 1.4758840488},
    {0.995, 5, 4.0321429836},
    {0.75, 1, 1},
    {0.9995, 2, 31.5990545764},
};

START_TEST(quantiles_are_those_of_tables)
{
    double x = student_t_quantile(known[_i].probability, known[_i].freedom);
    ck_assert_msg(fabs(x - known[_i].x) < 1e-8 * known[_i].x, "%.10g with %g: %.10f, not %.10f",
                  known[_i].probability, known[_i].freedom, x, known[_i].x);
    ck_assert_double_eq_tol(student_t_probability(known[_i].x, known[_i].freedom), known[_i].probability,
                            1e-9);
}
END_TEST

START_TEST(with_one_and_two_degrees_the_closed_forms_come_out)
{
    for (double x = -20; x <= 20; x += 0.37) {
        ck_assert_double_eq_tol(student_t_probability(x, 1), 0.5 + atan(x) / M_PI, 1e-12);
        ck_assert_double_eq_tol(student_t_probability(x, 2), 0.5 + x / (2 * sqrt(2 + x * x)), 1e-12);
    }
}
END_TEST

START_TEST(with_many_degrees_it_is_the_normal_distribution)
{
    for (double x = -6; x <= 6; x += 0.5)
        ck_assert_double_eq_tol(student_t_probability(x, 1e7), 0.5 * erfc(-x / sqrt(2)), 1e-6);
    ck_assert_double_eq_tol(student_t_quantile(0.975, 1e7), 1.959963985, 1e-5);
}
END_TEST

START_TEST(a_quantile_has_its_probability)
{
    static const double freedoms[] = {0.5, 1, 2.5, 4, 9, 33.3, 250, 5000};
    static const double probabilities[] = {0.001, 0.05, 0.2, 0.5, 0.7, 0.95, 0.999};
    for (size_t i = 0; i < sizeof freedoms / sizeof *freedoms; i++)
        for (size_t j = 0; j < sizeof probabilities / sizeof *probabilities; j++) {
            double x = student_t_quantile(probabilities[j], freedoms[i]);
            ck_assert_double_eq_tol(student_t_probability(x, freedoms[i]), probabilities[j], 1e-10);
            double other = student_t_quantile(1 - probabilities[j], freedoms[i]);
            ck_assert_double_eq_tol(x, -other, 1e-7 * fmax(1, fabs(x)));
        }
}
END_TEST

START_TEST(it_rises_with_the_probability_and_falls_with_the_freedom)
{
    double before = -INFINITY;
    for (double p = 0.02; p < 1; p += 0.02) {
        double x = student_t_quantile(p, 3);
        ck_assert_double_gt(x, before);
        before = x;
    }
    before = INFINITY;
    for (double freedom = 0.7; freedom < 1000; freedom *= 1.5) {
        double x = student_t_quantile(0.95, freedom);
        ck_assert_double_lt(x, before);
        before = x;
    }
}
END_TEST

SUITE("engine/network: student_t", NULL, NULL, {quantiles_are_those_of_tables, sizeof known / sizeof *known},
      {with_one_and_two_degrees_the_closed_forms_come_out}, {with_many_degrees_it_is_the_normal_distribution},
      {a_quantile_has_its_probability}, {it_rises_with_the_probability_and_falls_with_the_freedom})
