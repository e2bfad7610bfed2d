/* ridge - linear regression of many columns at once on sparse features, with unit ridge, by conjugate
 * gradients.
 * Layer: engine/train/linear
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: four times the weights and one copy of the targets. */
#ifndef ENGINE_TRAIN_LINEAR_RIDGE_H
#define ENGINE_TRAIN_LINEAR_RIDGE_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/kernels/real.h"
#include "engine/train/linear/sparse.h"

#include <stddef.h>

struct ridge {
    const struct sparse *features; /* F (n, p), borrowed */
    struct sparse turned;          /* F^T */
    size_t d;
    real *weights;                        /* W (p, d): least |X - F W|^2 + |W|^2, each column by itself */
    real *residual, *direction, *product; /* (p, d) */
    real *fitted;                         /* (n, d) */
    double *sums;                         /* (4, d) */
};

/* Starts with weights of zero. */
enum err_code ridge_init(struct ridge *r, const struct sparse *features, size_t d,
                         struct err *e) ERR_MUST_CHECK;
void ridge_fini(struct ridge *r);

/* Takes n_steps of conjugate gradients from the weights as they are towards those that fit x (n, d), and
 * writes F W to mean (n, d). */
void ridge_fit(struct ridge *r, struct parallel *team, const real *x, int n_steps, real *mean);

#endif
