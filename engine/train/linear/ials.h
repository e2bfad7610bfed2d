/* ials - matrix factorisation by implicit alternating least squares: start of training, baseline and
 * fold-in in one equation.
 * Source: Hu, Koren, Volinsky 2008, eq. 4 and 5; scaling of the regularisation and initialisation as in
 * Rendle, Krichene, Zhang, Koren 2022, "Revisiting the Performance of iALS on Item Recommendation
 * Benchmarks".
 * Cost: an epoch O(n_interactions d^2 + (users + items) d^3 / 3).
 * Layer: engine/train/linear
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: the factors, the transposed interactions, and per thread d^2 + 64 d reals. */
#ifndef ENGINE_TRAIN_LINEAR_IALS_H
#define ENGINE_TRAIN_LINEAR_IALS_H

#include "base/err.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "engine/kernels/real.h"
#include "engine/network/encoder.h"

#include <stddef.h>
#include <stdint.h>

struct ials_options {
    size_t dim;
    int n_epochs;
    double alpha, reg, reg_exponent; /* as in struct encoder_spec */
    uint64_t seed;
};

/* Interactions of the users, those of user u being [start[u], end[u]): a held-out last one is left out by its
 * end. */
struct ials_data {
    size_t n_users, n_items;
    const size_t *start; /* (n_users) */
    const size_t *end;   /* (n_users) */
    const struct encoder_interaction *interactions;
};

/* Writes item factors (n_items, dim) and user factors (n_users, dim); each epoch ends with the items.
 * progress (may be NULL) is told after each of them; false from it stops there. */
enum err_code ials_run(const struct ials_data *data, const struct ials_options *options,
                       struct parallel *team, progress_fn *progress, void *arg, real *item_factors,
                       real *user_factors, struct err *e) ERR_MUST_CHECK;

/* gram (d, d) = alpha V^T V, both triangles. */
void ials_gram(const real *v, size_t n_rows, size_t d, double alpha, real *gram);

#endif
