/* engine/rank/bootstrap.c: figures and intervals against a second implementation that copies the drawn users;
 * risks: a difference that is not paired, a root taken of a difference, rows that are not resampled with
 * their users. */
#include "engine/rank/bootstrap.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>

enum { N = 40, RESAMPLES = 1000 };

static double x[N], y[N], rows[N];

static void make(void)
{
    uint64_t state = 11;
    for (size_t i = 0; i < N; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        rows[i] = (double)(1 + (state >> 40) % 5);
        x[i] = rows[i] * (double)((state >> 20) % 1000) / 1000;
        y[i] = rows[i] * (double)((state >> 33) % 1000) / 1000;
    }
}

static double naive_figure(const size_t *users, const double *values, bool with_rows, bool root)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < N; i++) {
        sum += values[users[i]];
        n += with_rows ? rows[users[i]] : 1;
    }
    return root ? sqrt(sum / n) : sum / n;
}

static int by_size(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

/* _i: bit 0 a difference, bit 1 rows, bit 2 the root. */
START_TEST(test_bootstrap_equals_copying_the_drawn_users)
{
    bool difference = _i & 1, with_rows = _i & 2, root = _i & 4;
    const struct bootstrap b = {.rows = with_rows ? rows : NULL, .n = N, .root = root, .seed = 3};
    double mean, low, high, naive[RESAMPLES];
    size_t users[N];
    struct rng r;
    make();
    bootstrap_run(&b, x, difference ? y : NULL, &mean, &low, &high);
    for (size_t i = 0; i < N; i++)
        users[i] = i;
    double expected = naive_figure(users, x, with_rows, root);
    ck_assert_double_eq_tol(mean, expected - (difference ? naive_figure(users, y, with_rows, root) : 0),
                            1e-12);
    rng_init(&r, 3, 9);
    for (size_t k = 0; k < RESAMPLES; k++) {
        for (size_t i = 0; i < N; i++)
            users[i] = (size_t)(rng_next(&r) % N);
        naive[k] = naive_figure(users, x, with_rows, root);
        naive[k] -= difference ? naive_figure(users, y, with_rows, root) : 0;
    }
    qsort(naive, RESAMPLES, sizeof *naive, by_size);
    ck_assert_double_eq_tol(low, naive[25], 1e-12);
    ck_assert_double_eq_tol(high, naive[974], 1e-12);
}
END_TEST

START_TEST(test_bootstrap_of_a_thing_with_itself_is_nothing)
{
    const struct bootstrap b = {.rows = rows, .n = N, .root = true, .seed = 1};
    double mean, low, high;
    make();
    bootstrap_run(&b, x, x, &mean, &low, &high);
    ck_assert(mean == 0 && low == 0 && high == 0);
}
END_TEST

SUITE("engine/bootstrap", NULL, NULL, {test_bootstrap_equals_copying_the_drawn_users, 8},
      {test_bootstrap_of_a_thing_with_itself_is_nothing})
