/* bootstrap - how sure a mean over users is.
 * Source: Efron 1979, "Bootstrap Methods"; the percentile interval.
 * Layer: engine/rank
 * Threads: any.
 * Memory: a fixed 8 kB of the stack. */
#ifndef ENGINE_RANK_BOOTSTRAP_H
#define ENGINE_RANK_BOOTSTRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is resampled: n users, each with a sum over so many rows. */
struct bootstrap {
    const double *rows; /* (n) rows of a user; NULL: one each */
    size_t n;
    bool root; /* the figure is the root of the mean: RMSE of squared errors */
    uint64_t seed;
};

/* The figure of x (n) is sum x / sum rows, or its root; mean is that of x, or when y is not NULL that of x
 * less that of y, and low and high its 95 % interval over 1,000 samples of the users. All calls with one seed
 * and n draw the same users, so that differences are paired. Cost: 1,000 n. */
void bootstrap_run(const struct bootstrap *b, const double *x, const double *y, double *mean, double *low,
                   double *high);

#endif
