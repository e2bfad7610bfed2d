/* engine/network/fold_in.c: both ways against the equation solved in double. Risks: a wrong way for a length,
 * weights and ridges far from one, items beyond the model's own, a gram that is nearly or fully singular. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/encoder.h"
#include "engine/network/fold_in.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_OWN = 250, N_EXTRA = 20, N_ITEMS = N_OWN + N_EXTRA, MAX_D = 96, MAX_N = 120 };

static const struct setting {
    size_t d, n_in_gram; /* fewer items than dimensions: a singular gram */
    double alpha, ridge, weight;
} settings[] = {{1, N_OWN, 0.3, 0.5, 1},   {8, N_OWN, 0.3, 2, 1},       {MAX_D, N_OWN, 0.3, 0.6, 1},
                {MAX_D, 40, 0.3, 0.6, 1},  {MAX_D, N_OWN, 3, 0.05, 40}, {MAX_D, N_OWN, 0.001, 20, 0.01},
                {MAX_D, N_OWN, 0, 0.1, 1}, {MAX_D, 40, 0.3, 1e-12, 1}};
enum { N_SETTINGS = sizeof settings / sizeof *settings, WITH_BASIS = N_SETTINGS - 1 };

struct world {
    const struct setting *s;
    real own[N_OWN * MAX_D], extra[N_EXTRA * MAX_D], gram[MAX_D * MAX_D];
    struct encoder_interaction x[MAX_N];
    struct fold_in_factors factors;
    struct fold_in_basis *basis;
    real *workspace;
};

static void make_gram(struct world *w)
{
    size_t d = w->s->d;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double sum = 0;
            for (size_t k = 0; k < w->s->n_in_gram; k++)
                sum += (double)w->own[k * d + i] * (double)w->own[k * d + j];
            /* Above the diagonal is what nobody may read. */
            w->gram[i * d + j] = j <= i ? (real)(w->s->alpha * sum) : (real)NAN;
        }
}

static void world_init(struct world *w, const struct setting *s)
{
    struct rng r;
    struct err e = {0};
    rng_init(&r, 5, 1);
    memset(w, 0, sizeof *w);
    w->s = s;
    for (size_t i = 0; i < N_OWN * s->d; i++)
        w->own[i] = (real)(0.3 * rng_normal(&r));
    for (size_t i = 0; i < N_EXTRA * s->d; i++)
        w->extra[i] = (real)(0.3 * rng_normal(&r));
    for (size_t i = 0; i < MAX_N; i++)
        w->x[i] = (struct encoder_interaction){.item = (uint32_t)((i * 97 + 3) % N_ITEMS),
                                               .weight = (float)(s->weight * (0.5 + rng_uniform(&r)))};
    make_gram(w);
    w->factors = (struct fold_in_factors){w->own, w->extra, N_OWN, s->d};
    w->workspace = mem_alloc_aligned(fold_in_workspace_len(s->d), sizeof *w->workspace);
    ck_assert_int_eq(fold_in_basis_new(w->gram, s->d, &w->basis, &e), ERR_OK);
    ck_assert_ptr_nonnull(w->basis);
}

static void world_fini(struct world *w)
{
    fold_in_basis_free(w->basis);
    mem_free(w->workspace);
}

/* The naive twin: Gauss in double. */
static void solve_in_double(const struct world *w, size_t n, size_t n_negative, double *f)
{
    static double a[MAX_D][MAX_D];
    size_t d = w->s->d;
    for (size_t i = 0; i < d; i++) {
        f[i] = 0;
        for (size_t j = 0; j < d; j++)
            a[i][j] = (double)(j <= i ? w->gram[i * d + j] : w->gram[j * d + i]) + (i == j ? w->s->ridge : 0);
    }
    for (size_t k = 0; k < n; k++) {
        const real *v =
            w->x[k].item < N_OWN ? w->own + w->x[k].item * d : w->extra + (w->x[k].item - N_OWN) * d;
        for (size_t i = 0; i < d; i++) {
            f[i] += (k < n - n_negative ? 1 : FOLD_IN_DISLIKED) * (double)w->x[k].weight * (double)v[i];
            for (size_t j = 0; j < d; j++)
                a[i][j] += (double)w->x[k].weight * (double)v[i] * (double)v[j];
        }
    }
    for (size_t k = 0; k < d; k++)
        for (size_t i = k + 1; i < d; i++) {
            double factor = a[i][k] / a[k][k];
            for (size_t j = k; j < d; j++)
                a[i][j] -= factor * a[k][j];
            f[i] -= factor * f[k];
        }
    for (size_t i = d; i-- > 0;) {
        for (size_t j = i + 1; j < d; j++)
            f[i] -= a[i][j] * f[j];
        f[i] /= a[i][i];
    }
}

/* Rounding in float, of entries up to the largest, times the condition of these equations. */
static void assert_solution(struct world *w, size_t n, size_t n_negative, const struct fold_in_basis *basis)
{
    real f[MAX_D], again[MAX_D];
    double expected[MAX_D], most = 0;
    ck_assert(fold_in_solve(&w->factors, w->gram, basis, w->s->ridge, w->x, n - n_negative, n_negative,
                            w->workspace, f));
    ck_assert(fold_in_solve(&w->factors, w->gram, basis, w->s->ridge, w->x, n - n_negative, n_negative,
                            w->workspace, again));
    ck_assert_mem_eq(f, again, w->s->d * sizeof *f);
    solve_in_double(w, n, n_negative, expected);
    for (size_t i = 0; i < w->s->d; i++)
        most = fmax(most, fabs(expected[i]));
    for (size_t i = 0; i < w->s->d; i++)
        ck_assert_msg(fabs((double)f[i] - expected[i]) <= 1e-4 * most,
                      "%zu interactions%s: [%zu] is %g, not %g", n, basis ? " in the basis" : "", i,
                      (double)f[i], expected[i]);
}

START_TEST(test_fold_in_of_every_length_equals_the_equation_in_double)
{
    struct world *w = mem_alloc(sizeof *w);
    world_init(w, &settings[_i]);
    size_t most = fold_in_most_short(w->s->d);
    const size_t counts[] = {1, 2, 3, 7, most, most + 1, MAX_N};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        if (counts[k] && counts[k] <= MAX_N) {
            for (size_t n_negative = 0; n_negative <= counts[k]; n_negative += 1 + counts[k] / 3) {
                assert_solution(w, counts[k], n_negative, NULL);
                assert_solution(w, counts[k], n_negative, w->basis);
            }
        }
    world_fini(w);
    mem_free(w);
}
END_TEST

START_TEST(test_fold_in_of_a_long_history_is_the_same_with_and_without_a_basis)
{
    struct world *w = mem_alloc(sizeof *w);
    world_init(w, &settings[2]);
    size_t n = fold_in_most_short(w->s->d) + 1;
    real f[MAX_D], other[MAX_D];
    ck_assert(fold_in_solve(&w->factors, w->gram, w->basis, w->s->ridge, w->x, n, 0, w->workspace, f));
    ck_assert(fold_in_solve(&w->factors, w->gram, NULL, w->s->ridge, w->x, n, 0, w->workspace, other));
    ck_assert_mem_eq(f, other, w->s->d * sizeof *f);
    world_fini(w);
    mem_free(w);
}
END_TEST

/* With a basis an equation that float cannot tell from a singular one goes the way it goes without. */
START_TEST(test_fold_in_nearly_singular_is_solved_directly)
{
    struct world *w = mem_alloc(sizeof *w);
    world_init(w, &settings[N_SETTINGS - 1]);
    real f[MAX_D] = {0}, other[MAX_D] = {0};
    bool solved = fold_in_solve(&w->factors, w->gram, w->basis, w->s->ridge, w->x, 3, 0, w->workspace, f);
    ck_assert_int_eq(solved,
                     fold_in_solve(&w->factors, w->gram, NULL, w->s->ridge, w->x, 3, 0, w->workspace, other));
    ck_assert_mem_eq(f, other, sizeof f);
    world_fini(w);
    mem_free(w);
}
END_TEST

/* Weights from one end of what is allowed to the other, in one history of any length. */
START_TEST(test_fold_in_with_weights_at_their_limits_is_solved)
{
    struct world *w = mem_alloc(sizeof *w);
    world_init(w, &settings[_i]);
    for (size_t lights = 0; lights < 3; lights++) {
        for (size_t k = 0; k < MAX_N; k++)
            w->x[k].weight = k % 3 < lights ? 1e-6F : 1e6F;
        for (size_t n = 1; n <= MAX_N; n++) {
            real f[MAX_D];
            ck_assert(fold_in_solve(&w->factors, w->gram, n % 2 ? w->basis : NULL, w->s->ridge, w->x, n, 0,
                                    w->workspace, f));
            for (size_t j = 0; j < w->s->d; j++)
                ck_assert(isfinite(f[j]));
        }
    }
    world_fini(w);
    mem_free(w);
}
END_TEST

START_TEST(test_fold_in_too_wide_a_gram_has_no_basis)
{
    struct fold_in_basis *basis;
    struct err e = {0};
    ck_assert_int_eq(fold_in_basis_new(NULL, FOLD_IN_BASIS_MOST + 1, &basis, &e), ERR_OK);
    ck_assert_ptr_null(basis);
}
END_TEST

START_TEST(test_fold_in_without_memory_has_no_basis)
{
    const real gram[] = {2, 0, 1, 2};
    struct fold_in_basis *basis;
    enum err_code code = ERR_NOMEM;
    for (long n = 1; code; n++) {
        struct err e = {0};
        mem_fail_at(n, 0);
        code = fold_in_basis_new(gram, 2, &basis, &e);
        mem_fail_at(0, 0);
        ck_assert(code == ERR_OK || (code == ERR_NOMEM && !basis));
        ck_assert_int_lt(n, 20);
    }
    ck_assert_ptr_nonnull(basis);
    fold_in_basis_free(basis);
}
END_TEST

SUITE("engine/fold_in", NULL, NULL, {test_fold_in_of_every_length_equals_the_equation_in_double, WITH_BASIS},
      {test_fold_in_of_a_long_history_is_the_same_with_and_without_a_basis},
      {test_fold_in_nearly_singular_is_solved_directly},
      {test_fold_in_with_weights_at_their_limits_is_solved, N_SETTINGS},
      {test_fold_in_too_wide_a_gram_has_no_basis}, {test_fold_in_without_memory_has_no_basis})
