/* engine/kernels/normal_sum.c against the equation written out. Risks: rows lost or counted twice where a
 * chunk is full; the last rows are not added; an equation that is not positive definite is answered. */
#include "engine/kernels/normal_sum.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { D = 5, MAX_ROWS = 3 * NORMAL_CHUNK_ROWS };

static real rows[MAX_ROWS][D], weights[MAX_ROWS], by[MAX_ROWS], gram[D * D];

static void fill(void)
{
    struct rng r;
    rng_init(&r, 1, 1);
    memset(gram, 0, sizeof gram);
    for (size_t i = 0; i < MAX_ROWS; i++) {
        for (size_t j = 0; j < D; j++)
            rows[i][j] = (real)rng_normal(&r);
        weights[i] = (real)(0.1 + 0.01 * (double)i);
        by[i] = (real)rng_normal(&r);
    }
    for (size_t i = 0; i < D; i++)
        gram[i * D + i] = 2;
}

/* The numbers of rows around whole chunks. */
static const size_t counts[] = {0,       1, NORMAL_CHUNK_ROWS - 1, NORMAL_CHUNK_ROWS, NORMAL_CHUNK_ROWS + 1,
                                MAX_ROWS};

START_TEST(the_solution_solves_the_equation_whatever_the_number_of_rows)
{
    size_t n = counts[_i];
    real x[D], *workspace = malloc(normal_workspace_len(D) * sizeof *workspace);
    double ridge = 0.5, left[D], a[D][D] = {{0}}, b[D] = {0};
    struct normal_sum sum;
    fill();
    normal_start(&sum, D, gram, workspace, x);
    for (size_t i = 0; i < n; i++)
        normal_add(&sum, rows[i], weights[i], by[i]);
    ck_assert(normal_solve(&sum, (real)ridge));
    for (size_t j = 0; j < D; j++) {
        a[j][j] = 2 + ridge;
        for (size_t i = 0; i < n; i++) {
            b[j] += (double)by[i] * (double)rows[i][j];
            for (size_t k = 0; k < D; k++)
                a[j][k] += (double)weights[i] * (double)rows[i][j] * (double)rows[i][k];
        }
    }
    for (size_t j = 0; j < D; j++) {
        left[j] = 0;
        for (size_t k = 0; k < D; k++)
            left[j] += a[j][k] * (double)x[k];
        ck_assert_double_lt(fabs(left[j] - b[j]), 1e-4 * (1 + (double)n));
    }
    free(workspace);
}
END_TEST

START_TEST(an_equation_without_a_solution_is_said_to_have_none)
{
    real x[D], *workspace = malloc(normal_workspace_len(D) * sizeof *workspace);
    struct normal_sum sum;
    fill();
    normal_start(&sum, D, gram, workspace, x);
    ck_assert(!normal_solve(&sum, -3));
    free(workspace);
}
END_TEST

SUITE("engine/kernels/normal_sum", NULL, NULL,
      {the_solution_solves_the_equation_whatever_the_number_of_rows, sizeof counts / sizeof *counts},
      {an_equation_without_a_solution_is_said_to_have_none})
