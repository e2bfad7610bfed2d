/* correlation - how far two rankings of the same things agree, and how sure that is.
 * Source: Kendall 1945 (tau-b, for ties); Spearman's rho is Pearson's correlation of mean ranks.
 * Layer: engine/rank
 * Threads: any.
 * Memory: none that stays. */
#ifndef ENGINE_RANK_CORRELATION_H
#define ENGINE_RANK_CORRELATION_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* NAN where all of x or all of y are the same. Cost: n^2. */
double correlation_kendall(const double *x, const double *y, size_t n);
double correlation_spearman(const double *x, const double *y, size_t n);

struct correlation {
    double value, low, high; /* the 95 % interval over samples of the n things */
};

/* The coefficient `of` of x and y, and of 1,000 samples of them; samples in which it is NAN do not count. One
 * seed and n draw the same samples. Cost: 1,000 n^2. ERR_NOMEM. */
enum err_code correlation_run(double (*of)(const double *x, const double *y, size_t n), const double *x,
                              const double *y, size_t n, uint64_t seed, struct correlation *out,
                              struct err *e) ERR_MUST_CHECK;

#endif
