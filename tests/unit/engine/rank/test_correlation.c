/* engine/rank/correlation: how far rankings agree. Risks: ties that count as agreement, an interval that does
 * not hold the figure, a division by nothing. */
#include "engine/rank/correlation.h"

#include "tests/support/suite.h"

#include <math.h>

enum { N = 8 };

/* Values as scipy.stats has them (kendalltau is tau-b, spearmanr). */
static const struct setting {
    double x[N], y[N], kendall, spearman;
} settings[] = {
    {{1, 2, 3, 4, 5, 6, 7, 8}, {10, 20, 30, 40, 50, 60, 70, 80}, 1, 1},
    {{1, 2, 3, 4, 5, 6, 7, 8}, {8, 7, 6, 5, 4, 3, 2, 1}, -1, -1},
    {{1, 2, 3, 4, 5, 6, 7, 8}, {2, 1, 4, 3, 6, 5, 8, 7}, 20.0 / 28, 1 - 6.0 * 8 / (8 * 63)},
    {{1, 1, 2, 2, 3, 3, 4, 4}, {1, 1, 2, 2, 3, 3, 4, 4}, 1, 1},
    {{1, 1, 1, 1, 2, 2, 2, 2}, {1, 2, 1, 2, 1, 2, 1, 2}, 0, 0},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

START_TEST(coefficients_are_those_of_the_definition_ties_included)
{
    const struct setting *s = &settings[_i];
    ck_assert_double_eq_tol(correlation_kendall(s->x, s->y, N), s->kendall, 1e-12);
    ck_assert_double_eq_tol(correlation_spearman(s->x, s->y, N), s->spearman, 1e-12);
    ck_assert_double_eq_tol(correlation_kendall(s->y, s->x, N), s->kendall, 1e-12);
}
END_TEST

START_TEST(half_ties_make_less_of_an_agreement)
{
    static const double x[] = {1, 2, 3, 4}, y[] = {1, 1, 2, 2};
    ck_assert_double_eq_tol(correlation_kendall(x, y, 4), 4 / sqrt(6.0 * 4), 1e-12);
}
END_TEST

START_TEST(nothing_to_rank_is_no_number)
{
    static const double x[] = {1, 2, 3}, y[] = {5, 5, 5};
    struct correlation c;
    struct err e = {0};
    ck_assert(isnan(correlation_kendall(x, y, 3)) && isnan(correlation_spearman(x, y, 3)));
    ck_assert_int_eq(correlation_run(correlation_kendall, x, y, 3, 1, &c, &e), ERR_OK);
    ck_assert(isnan(c.value) && isnan(c.low) && isnan(c.high));
}
END_TEST

START_TEST(the_interval_holds_the_figure_and_is_the_same_again)
{
    const struct setting *s = &settings[2];
    struct correlation c, again;
    struct err e = {0};
    ck_assert_int_eq(correlation_run(correlation_kendall, s->x, s->y, N, 1, &c, &e), ERR_OK);
    ck_assert_int_eq(correlation_run(correlation_kendall, s->x, s->y, N, 1, &again, &e), ERR_OK);
    ck_assert(c.low < c.value && c.value < c.high && c.low > 0 && c.high <= 1);
    ck_assert(c.low == again.low && c.high == again.high);
}
END_TEST

SUITE("engine/rank/correlation", NULL, NULL,
      {coefficients_are_those_of_the_definition_ties_included, N_SETTINGS},
      {half_ties_make_less_of_an_agreement}, {nothing_to_rank_is_no_number},
      {the_interval_holds_the_figure_and_is_the_same_again})
