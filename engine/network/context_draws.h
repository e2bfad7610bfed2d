/* context_draws - what else a user's context may be, by what is known of the user: draws of its fold-in.
 *
 * The fold-in f of engine/network/encoder.h is the mean of a normal posterior, that of a linear model of
 * interactions with noise variance 1, whose covariance is the inverse of the matrix of the same equation,
 *
 * A = alpha V^T V + sum_n w v v^T + reg (n + alpha I)^nu Id
 *
 * so that directions in which no interaction of the user lies are the least known, and each interaction makes
 * what is known more. The other blocks of the context are as they are.
 * Source: draws about a ridge regression as in Agrawal and Goyal 2013 (Thompson sampling); the matrix is that
 * of Hu, Koren, Volinsky 2008, eq. 4.
 * Layer: engine/network
 * Threads: any.
 * Memory: the caller's. */
#ifndef ENGINE_NETWORK_CONTEXT_DRAWS_H
#define ENGINE_NETWORK_CONTEXT_DRAWS_H

#include "base/rng.h"
#include "engine/network/encoder.h"

#include <stdbool.h>
#include <stddef.h>

/* Doubles of the factor of A and of a draw; 0: the model's contexts have no fold-in. */
size_t context_draws_len(const struct model_spec *spec);

/* Writes the factor of A, into room (context_draws_len), of an input that encoder_encode took. False: A is
 * not positive definite, since weights are too large. Cost: n d^2 / 2 + d^3 / 6. */
bool context_draws_factor(const struct model_spec *spec, const struct model_params *params,
                          const struct encoder_input *input, double *room);

/* Writes a draw (C) about the context c (C). */
void context_draws_next(const struct model_spec *spec, double *room, const real *c, struct rng *rng,
                        real *out);

#endif
