/* server/evaluate/evaluation_groups.c: figures by what is known of the users; risks: a bound that falls in
 * two groups or none, a difference against another metric's first row, an empty group. */
#include "server/evaluate/evaluation_groups.h"

#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>

enum { N_SYSTEMS = 2, N_METRICS = 2, N_USERS = 7 };

START_TEST(users_fall_into_their_groups)
{
    const uint32_t known[N_USERS] = {1, 2, 20, 19, 10, 4000000000u, 2};
    const double values[N_SYSTEMS * N_METRICS * N_USERS] = {
        0.1, 0.2, 1, 0.4, 0.6, 0, 0.6, /* first system, first metric */
        1,   1,   1, 1,   1,   1, 1,   /* second metric */
        0.2, 0.4, 0, 0.4, 0.8, 1, 0.9, /* second system */
        0,   1,   0, 1,   0,   1, 0,
    };
    struct evaluation_group groups[EVALUATION_GROUPS];
    struct evaluation_group_figure f[EVALUATION_GROUPS * N_SYSTEMS * N_METRICS];
    struct err e = {0};
    static const double rows[N_USERS] = {1, 1, 1, 1, 1, 1, 1};
    static const struct metric metrics[N_METRICS] = {{METRIC_NDCG, 10}, {METRIC_HR, 10}};
    const struct evaluation_group_input in = {values, rows, known, metrics, N_SYSTEMS, N_METRICS, N_USERS, 1};
    ck_assert_int_eq(evaluation_groups(&in, groups, f, &e), ERR_OK);
    static const size_t users[EVALUATION_GROUPS] = {0, 3, 0, 0, 2, 2}, least[] = {0, 1, 3, 5, 10, 20};
    for (size_t g = 0; g < EVALUATION_GROUPS; g++) {
        ck_assert_uint_eq(groups[g].least, least[g]);
        ck_assert_uint_eq(groups[g].most, g + 1 < EVALUATION_GROUPS ? least[g + 1] - 1 : SIZE_MAX);
        ck_assert_uint_eq(groups[g].n_users, users[g]);
        for (size_t i = 0; i < N_SYSTEMS * N_METRICS; i++)
            ck_assert(users[g] ? isfinite(f[g * 4 + i].mean) : isnan(f[g * 4 + i].mean));
    }
    const struct evaluation_group_figure *few = f + 1 * 4, *many = f + 5 * 4;
    ck_assert_double_eq_tol(few[0].mean, 0.3, 1e-12);
    ck_assert_double_eq_tol(few[0].difference, 0, 1e-12);
    ck_assert_double_eq_tol(few[2].mean, 0.5, 1e-12);
    ck_assert_double_eq_tol(few[2].difference, 0.2, 1e-12);
    ck_assert(few[2].low >= 0.1 && few[2].low < 0.2 && few[2].high > 0.2 && few[2].high <= 0.3 + 1e-12);
    ck_assert_double_eq_tol(few[3].mean, 1.0 / 3, 1e-12);
    ck_assert_double_eq_tol(few[3].difference, -2.0 / 3, 1e-12);
    ck_assert_double_eq_tol(many[0].mean, 0.5, 1e-12);
    ck_assert_double_eq_tol(many[2].difference, 0, 1e-12);
}
END_TEST

START_TEST(an_error_of_ratings_is_over_the_rows_of_the_group_and_coverage_has_no_groups)
{
    enum { USERS = 3 };
    const uint32_t known[USERS] = {5, 30, 7};
    const double rows[USERS] = {1, 2, 3};
    const double values[2 * 2 * USERS] = {
        4, 9, 12, /* squared errors of the first system, added up */
        0, 0, 0,  /* coverage is not of users */
        1, 9, 3,  /* of the second system */
        0, 0, 0,
    };
    static const struct metric metrics[2] = {{METRIC_RMSE, SIZE_MAX}, {METRIC_COVERAGE, 10}};
    const struct evaluation_group_input in = {values, rows, known, metrics, 2, 2, USERS, 1};
    struct evaluation_group groups[EVALUATION_GROUPS];
    struct evaluation_group_figure f[EVALUATION_GROUPS * 4];
    struct err e = {0};
    ck_assert_int_eq(evaluation_groups(&in, groups, f, &e), ERR_OK);
    const struct evaluation_group_figure *some = f + 3 * 4; /* 5 to 9 known: the first and the last user */
    ck_assert_double_eq_tol(some[0].mean, sqrt((4 + 12) / 4.0), 1e-12);
    ck_assert_double_eq_tol(some[2].difference, sqrt((1 + 3) / 4.0) - 2, 1e-12);
    ck_assert(isnan(some[1].mean) && isnan(some[3].difference));
}
END_TEST

SUITE("evaluation_groups", NULL, NULL, {users_fall_into_their_groups},
      {an_error_of_ratings_is_over_the_rows_of_the_group_and_coverage_has_no_groups})
