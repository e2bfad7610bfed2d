/* ease - scores of items as a linear function of which items a user has, in closed form: a strong baseline.
 * Source: Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", eq. 8: with X the users' items
 * as zeros and ones and P = (X^T X + lambda 1)^-1, B = 1 - P diag(1 / P_jj), whose diagonal is zero.
 * Cost: n_items^3 operations a fit.
 * Layer: engine/train/linear
 * Threads: ease_choose uses the given team; the others are confined to their thread.
 * Memory: one (n_items, n_items) matrix, the caller's. */
#ifndef ENGINE_TRAIN_LINEAR_EASE_H
#define ENGINE_TRAIN_LINEAR_EASE_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/kernels/real.h"
#include "engine/train/data/split.h"
#include "engine/train/linear/ials.h"

#include <stddef.h>
#include <stdint.h>

/* The matrix of so many items takes 1.6 GB. */
enum { EASE_MOST_ITEMS = 20000 };

/* Fills b (n_items, n_items). ERR_INVALID: more than EASE_MOST_ITEMS. Weights are not looked at. */
enum err_code ease_fit(const struct ials_data *data, double lambda, real *b, struct err *e) ERR_MUST_CHECK;

/* scores (n_items) = the sum of b's rows of the known items. */
void ease_scores(const real *b, size_t n_items, const struct encoder_interaction *known, size_t n_known,
                 real *scores);

/* The lambda with the best NDCG@10 on the split's held-out items; b is overwritten. */
enum err_code ease_choose(const struct split *split, struct parallel *team, real *b, double *lambda,
                          struct err *e) ERR_MUST_CHECK;

#endif
