/* engine/network/task_quantiles.c: a table of errors in validation beside Student's t. Risks: a row of the
 * table that is another number of known rows', an interval that is narrower for a greater probability. */
#include "engine/network/task_quantiles.h"

#include "engine/network/student_t.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>

static real table[TASK_KNOWN_BUCKETS * TASK_QUANTILES];
static const double normal = 1e7; /* degrees of freedom */

/* Row b: quantiles of the normal distribution, by 1 + b / 2, moved by b. */
static void set_up(void)
{
    for (size_t b = 0; b < TASK_KNOWN_BUCKETS; b++)
        for (size_t k = 0; k < TASK_QUANTILES; k++)
            table[b * TASK_QUANTILES + k] =
                (real)((1 + (double)b / 2) * student_t_quantile(task_quantile_at[k], normal) + (double)b);
}

static void tear_down(void)
{
}

START_TEST(each_number_of_known_rows_has_its_row)
{
    const size_t known[] = {0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 100000};
    const size_t row[] = {0, 1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ck_assert_uint_eq(task_quantile_row(known[i]), row[i]);
        double z = task_quantile(table, known[i], 7, 0.95);
        ck_assert_double_eq(z, (double)table[row[i] * TASK_QUANTILES + 8]);
    }
}
END_TEST

START_TEST(without_a_table_it_is_student_s_t)
{
    ck_assert_double_eq(task_quantile(NULL, 3, 5, 0.9), student_t_quantile(0.9, 5));
}
END_TEST

START_TEST(between_and_beyond_its_probabilities_it_is_linear_in_the_normal_distribution)
{
    for (double p = 0.0007; p < 1; p += 0.0131) {
        ck_assert_double_eq_tol(task_quantile(table, 0, 3, p), student_t_quantile(p, normal), 2e-5);
        ck_assert_double_eq_tol(task_quantile(table, 3, 3, p), 2.5 * student_t_quantile(p, normal) + 3, 2e-5);
    }
}
END_TEST

START_TEST(it_rises_with_the_probability)
{
    double last = -INFINITY;
    table[6 * TASK_QUANTILES + 4] = table[6 * TASK_QUANTILES + 3]; /* rows may be level */
    for (double p = 0.0005; p < 1; p += 0.00613) {
        double z = task_quantile(table, 20, 5, p);
        ck_assert_double_ge(z, last - 1e-9);
        last = z;
    }
}
END_TEST

START_TEST(draws_of_student_s_t_go_where_the_table_has_their_probability)
{
    const double freedoms[] = {2, 3.7, 12, 300};
    struct task_quantile_map map;
    for (size_t i = 0; i < 4; i++) {
        task_quantile_map_make(table, 5, freedoms[i], &map);
        for (double p = 0.0005; p < 0.9999; p += 0.0037) {
            double t = student_t_quantile(p, freedoms[i]), z = task_quantile(table, 5, freedoms[i], p);
            double most = p < 0.005 || p > 0.995 ? 0.1 : 0.02;
            ck_assert_msg(fabs(task_quantile_mapped(&map, t) - z) < most, "%g, freedom %g: %g, not %g", p,
                          freedoms[i], task_quantile_mapped(&map, t), z);
        }
        for (double t = -1e6, last = -INFINITY; t < 2e6; t += 3.1e4) {
            double z = task_quantile_mapped(&map, t);
            ck_assert(isfinite(z) && z >= last); /* also of draws that hardly ever are */
            last = z;
        }
    }
}
END_TEST

SUITE("engine/network: task_quantiles", set_up, tear_down,
      {draws_of_student_s_t_go_where_the_table_has_their_probability},
      {each_number_of_known_rows_has_its_row}, {without_a_table_it_is_student_s_t},
      {between_and_beyond_its_probabilities_it_is_linear_in_the_normal_distribution},
      {it_rises_with_the_probability})
