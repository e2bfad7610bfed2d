/* engine/kernels/small_solve.c beside a naive twin on whole matrices. Risks: a place in the packed
 * triangle, the rest of a sum that is unrolled by four, a matrix that is not positive definite and passes. */
#include "engine/kernels/small_solve.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 33 };

static double whole[MOST][MOST], packed[MOST * (MOST + 1) / 2];

/* A random positive definite matrix, whole and packed: G G^T + I. */
static void draw_matrix(size_t n)
{
    static double g[MOST][MOST];
    struct rng r;
    rng_init(&r, 5, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            g[i][j] = rng_normal(&r);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            whole[i][j] = i == j;
            for (size_t k = 0; k < n; k++)
                whole[i][j] += g[i][k] * g[j][k];
            if (j <= i)
                packed[i * (i + 1) / 2 + j] = whole[i][j];
        }
}

static double at(size_t i, size_t j)
{
    return j <= i ? packed[i * (i + 1) / 2 + j] : 0;
}

static const size_t sizes[] = {1, 2, 3, 4, 5, 8, 15, 33};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

START_TEST(the_factor_times_itself_is_the_matrix)
{
    size_t n = sizes[_i];
    draw_matrix(n);
    ck_assert(small_factor(n, packed));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += at(i, k) * at(j, k);
            ck_assert_double_eq_tol(sum, whole[i][j], 1e-10 * (double)n);
        }
}
END_TEST

START_TEST(forward_and_backward_together_solve)
{
    size_t n = sizes[_i];
    double x[MOST], b[MOST];
    struct rng r;
    rng_init(&r, 6, n);
    draw_matrix(n);
    for (size_t i = 0; i < n; i++)
        x[i] = b[i] = rng_normal(&r);
    ck_assert(small_factor(n, packed));
    small_forward(n, packed, x);
    for (size_t i = 0; i < n; i++) { /* L x = b */
        double sum = 0;
        for (size_t j = 0; j <= i; j++)
            sum += at(i, j) * x[j];
        ck_assert_double_eq_tol(sum, b[i], 1e-11);
    }
    small_backward(n, packed, x);
    for (size_t i = 0; i < n; i++) { /* a x = b */
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += whole[i][j] * x[j];
        ck_assert_double_eq_tol(sum, b[i], 1e-9);
    }
}
END_TEST

START_TEST(the_inverse_times_the_matrix_is_one)
{
    static double inverse[MOST * MOST];
    size_t n = sizes[_i];
    draw_matrix(n);
    ck_assert(small_factor(n, packed));
    small_inverse(n, packed, inverse);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += inverse[i * n + k] * whole[k][j];
            ck_assert_double_eq_tol(sum, i == j, 1e-9);
        }
}
END_TEST

static const double not_definite[][3] = {{0, 0, 1},   {-1, 0, 1},  {1, 2, 1},        {1, 1, 1},
                                         {NAN, 0, 1}, {1, NAN, 1}, {1, 0, INFINITY}, {INFINITY, 0, 1}};

START_TEST(what_is_not_positive_definite_is_refused)
{
    double a[3];
    memcpy(a, not_definite[_i], sizeof a);
    ck_assert(!small_factor(2, a));
}
END_TEST

START_TEST(nothing_at_all_is_solved)
{
    ck_assert(small_factor(0, packed));
    small_forward(0, packed, packed);
    small_backward(0, packed, packed);
}
END_TEST

SUITE("engine/kernels: small_solve", NULL, NULL, {the_factor_times_itself_is_the_matrix, N_SIZES},
      {forward_and_backward_together_solve, N_SIZES}, {the_inverse_times_the_matrix_is_one, N_SIZES},
      {what_is_not_positive_definite_is_refused, sizeof not_definite / sizeof *not_definite},
      {nothing_at_all_is_solved})
