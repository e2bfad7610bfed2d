/* A mean over resampled users needs no copy of the users: each draw is an index. */
#include "engine/bootstrap.h"

#include "engine/rng.h"

#include <stdlib.h>

enum { RESAMPLES = 1000 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bootstrap_mean(const double *x, const double *y, size_t n, uint64_t seed, double *mean, double *low,
                    double *high)
{
    double means[RESAMPLES], sum = 0;
    struct rng r;
    rng_init(&r, seed, 9);
    for (size_t i = 0; i < n; i++)
        sum += x[i] - (y ? y[i] : 0);
    *mean = sum / (double)n;
    for (size_t k = 0; k < RESAMPLES; k++) {
        double total = 0;
        for (size_t i = 0; i < n; i++) {
            size_t drawn = (size_t)(rng_next(&r) % n);
            total += x[drawn] - (y ? y[drawn] : 0);
        }
        means[k] = total / (double)n;
    }
    qsort(means, RESAMPLES, sizeof *means, by_size);
    *low = means[RESAMPLES / 40];
    *high = means[RESAMPLES - 1 - RESAMPLES / 40];
}
