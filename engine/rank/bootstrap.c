/* A mean over resampled users needs no copy of the users: each draw is an index. */
#include "engine/rank/bootstrap.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { RESAMPLES = 1000 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct sums {
    double x, y, rows;
};

static void add(const struct bootstrap *b, const double *x, const double *y, size_t user, struct sums *s)
{
    s->x += x[user];
    s->y += y ? y[user] : 0;
    s->rows += b->rows ? b->rows[user] : 1;
}

static double figure(const struct bootstrap *b, const struct sums *s)
{
    double x = s->x / s->rows, y = s->y / s->rows;
    return b->root ? sqrt(x) - sqrt(y) : x - y;
}

void bootstrap_run(const struct bootstrap *b, const double *x, const double *y, double *mean, double *low,
                   double *high)
{
    double figures[RESAMPLES];
    struct sums all = {0, 0, 0};
    struct rng r;
    rng_init(&r, b->seed, 9);
    for (size_t i = 0; i < b->n; i++)
        add(b, x, y, i, &all);
    *mean = figure(b, &all);
    for (size_t k = 0; k < RESAMPLES; k++) {
        struct sums drawn = {0, 0, 0};
        for (size_t i = 0; i < b->n; i++)
            add(b, x, y, (size_t)(rng_next(&r) % b->n), &drawn);
        figures[k] = figure(b, &drawn);
    }
    qsort(figures, RESAMPLES, sizeof *figures, by_size);
    *low = figures[RESAMPLES / 40];
    *high = figures[RESAMPLES - 1 - RESAMPLES / 40];
}
