/* encoder_ratings - what a user's ratings say of him: the encoder's block `ratings`.
 *
 * A rating is offset_i + v_i . x + noise, x the user's vector, the noise's variance 1. Before any rating x is
 * normal with mean m (history + profile) and the given precisions; offset_i and v_i (whose first value is 1:
 * it takes the user's own level) are known up to a normal error of covariance S_i. The most likely x = m + g
 * solves
 *   (precision + sum (v v^T + S')) g = sum ((r - offset) v - s) - sum (v v^T + S') m
 * over the items with a rating; S' is S without its row and column of the offset, s that column (its own
 * place being 0). An item of few raters has a large S, and so says less: mean-field variational Bayes (Lim
 * and Teh 2007), with side information as a linear mean (Simm et al. 2017, "Macau").
 * Cost: O(n d^2 + d^3 / 3).
 * Layer: engine/network
 * Threads: any; the workspace is the caller's.
 * Memory: none; encoder_ratings_workspace_len reals are lent. */
#ifndef ENGINE_NETWORK_ENCODER_RATINGS_H
#define ENGINE_NETWORK_ENCODER_RATINGS_H

#include "engine/kernels/real.h"
#include "engine/network/encoder.h"

#include <stdbool.h>
#include <stddef.h>

struct encoder_ratings {
    size_t d;
    const real *offset;     /* (I) */
    const real *factor;     /* (I, d) */
    const real *covariance; /* (I, d (d + 1) / 2): S, lower triangle row by row; row 0 is the offset's */
    const real *precision;  /* (d) */
};

size_t encoder_ratings_workspace_len(size_t d);

/* What the ratings add to the equation: a (d, d) = sum (v v^T + S'), both triangles; b (d) = sum ((r -
 * offset) v - s); packed (d (d + 1) / 2) = sum S as it lies in covariance. The workspace is of the same
 * length. Returns how many had a rating. */
size_t encoder_ratings_gather(const struct encoder_ratings *r, const struct encoder_interaction *interactions,
                              size_t n, real *workspace, real *a, real *b, real *packed);

/* Writes g (d). mean1, mean2 (d) add up to m; NULL: zero. Interactions without a rating are passed over.
 * False when the numbers are too large for a solution. */
bool encoder_ratings_solve(const struct encoder_ratings *r, const struct encoder_interaction *interactions,
                           size_t n, const real *mean1, const real *mean2, real *workspace, real *g);

#endif
