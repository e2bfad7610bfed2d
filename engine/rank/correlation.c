#include "engine/rank/correlation.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { RESAMPLES = 1000 };

static int sign(double a, double b)
{
    return (a > b) - (a < b);
}

double correlation_kendall(const double *x, const double *y, size_t n)
{
    double agree = 0, of_x = 0, of_y = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            int a = sign(x[i], x[j]), b = sign(y[i], y[j]);
            agree += a * b;
            of_x += a != 0;
            of_y += b != 0;
        }
    return of_x > 0 && of_y > 0 ? agree / sqrt(of_x * of_y) : (double)NAN;
}

/* Where the i-th stands among the others, less the middle; equals share their mean. */
static double rank_of(const double *x, size_t n, size_t i)
{
    double rank = 0;
    for (size_t j = 0; j < n; j++)
        rank += sign(x[i], x[j]);
    return rank / 2;
}

double correlation_spearman(const double *x, const double *y, size_t n)
{
    double xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        double a = rank_of(x, n, i), b = rank_of(y, n, i);
        xx += a * a;
        yy += b * b;
        xy += a * b;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : (double)NAN;
}

static int by_size(const void *a, const void *b)
{
    return sign(*(const double *)a, *(const double *)b);
}

enum err_code correlation_run(double (*of)(const double *x, const double *y, size_t n), const double *x,
                              const double *y, size_t n, uint64_t seed, struct correlation *out,
                              struct err *e)
{
    double figures[RESAMPLES], *drawn = mem_alloc_array(n, 2 * sizeof *drawn);
    size_t n_figures = 0;
    struct rng r;
    if (!drawn)
        return err_set(e, ERR_NOMEM, "no memory for samples of %zu", n);
    rng_init(&r, seed, 9);
    for (size_t k = 0; k < RESAMPLES; k++) {
        for (size_t i = 0; i < n; i++) {
            size_t from = (size_t)rng_below(&r, n);
            drawn[i] = x[from];
            drawn[n + i] = y[from];
        }
        double figure = of(drawn, drawn + n, n);
        if (!isnan(figure))
            figures[n_figures++] = figure;
    }
    mem_free(drawn);
    qsort(figures, n_figures, sizeof *figures, by_size);
    *out = (struct correlation){of(x, y, n), (double)NAN, (double)NAN};
    if (n_figures) {
        out->low = figures[n_figures / 40];
        out->high = figures[n_figures - 1 - n_figures / 40];
    }
    return ERR_OK;
}
