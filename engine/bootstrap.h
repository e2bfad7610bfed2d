/* bootstrap - how sure a mean over users is.
 * Layer: engine.       Threads: any.       Memory: a fixed 8 kB of the stack.
 * Source: Efron 1979, "Bootstrap Methods"; the percentile interval. */
#ifndef ENGINE_BOOTSTRAP_H
#define ENGINE_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

/* Mean and 95 % interval of x (n), or of x - y when y is not NULL, over 1,000 samples of the users. All calls
 * with one seed draw the same users, so that differences are paired. Cost: 1,000 n. */
void bootstrap_mean(const double *x, const double *y, size_t n, uint64_t seed, double *mean, double *low,
                    double *high);

#endif
