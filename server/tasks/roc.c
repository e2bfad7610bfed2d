#include "server/tasks/roc.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 1000 };

static int by_score(const void *a, const void *b)
{
    double x = ((const struct roc_row *)a)->score, y = ((const struct roc_row *)b)->score;
    return isnan(x) || isnan(y) ? isnan(y) - isnan(x) : (x > y) - (x < y); /* what is none comes first */
}

void roc_sort(struct roc_row *rows, size_t n)
{
    qsort(rows, n, sizeof *rows, by_score);
}

double roc_area(const struct roc_row *rows, size_t n, const double *weights)
{
    double first = 0, second = 0, pairs = 0; /* of the rows so far */
    for (size_t from = 0, end; from < n; from = end) {
        double here[2] = {0, 0};
        if (!isfinite(rows[from].score))
            return NAN;
        for (end = from; end < n && rows[end].score == rows[from].score; end++)
            here[rows[end].is_second] += weights ? weights[rows[end].task] : 1;
        pairs += here[1] * (first + here[0] / 2);
        first += here[0];
        second += here[1];
    }
    return first > 0 && second > 0 ? pairs / (first * second) : NAN;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void roc_interval(const struct roc_row *rows, size_t n, size_t n_tasks, uint64_t seed, double *weights,
                  double *low, double *high)
{
    double areas[RESAMPLES];
    size_t n_areas = 0;
    struct rng r;
    rng_init(&r, seed, 9);
    for (size_t k = 0; k < RESAMPLES; k++) {
        memset(weights, 0, n_tasks * sizeof *weights);
        for (size_t i = 0; i < n_tasks; i++)
            weights[rng_below(&r, n_tasks)]++;
        areas[n_areas] = roc_area(rows, n, weights);
        n_areas += isfinite(areas[n_areas]) != 0;
    }
    qsort(areas, n_areas, sizeof *areas, by_size);
    *low = n_areas ? areas[n_areas / 40] : NAN;
    *high = n_areas ? areas[n_areas - 1 - n_areas / 40] : NAN;
}
