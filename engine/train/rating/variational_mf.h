/* variational_mf - matrix factorisation of ratings that knows how sure it is of each factor.
 *
 *   r = centre + a_u + b_i + f_u . v_i + noise      x_u = (a_u, f_u), y_i = (b_i, v_i), d values each
 *   x_u ~ N(W^T phi_u, 1 / precision), y_i ~ N(V^T psi_i, 1 / precision'): means linear in what else is
 *   known:
 *   phi_u: profile and which items (1 / sqrt(n) each, SVD++, Koren 2008); psi_i: categories and which users
 * Mean-field variational Bayes (Lim and Teh 2007): users and items in turn get the posterior mean and
 * covariance given the others' means and covariances; then W, V by ridge regression; then precisions and
 * noise by their expectations. A row's step is the equation of engine/network/encoder_ratings.h: the server
 * makes a user's factors as training did.
 * Cost: an iteration O(n_ratings d^2 + (users + items) d^3).
 * Layer: engine/train/rating
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: for each user and item d (d + 9) / 2 reals; the interactions and features twice. */
#ifndef ENGINE_TRAIN_RATING_VARIATIONAL_MF_H
#define ENGINE_TRAIN_RATING_VARIATIONAL_MF_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/kernels/real.h"
#include "engine/train/data/training.h"

#include <stddef.h>
#include <stdint.h>

struct rating_options {
    size_t dim;      /* d, the level's place included; at least 2 */
    double history;  /* variance of a row of W for an item, or of V for a user, in units of the factor's own;
                        0: none */
    double profile;  /* ... for a profile value */
    double category; /* ... for a category */
    uint64_t seed;
};

/* One side: users, or items. */
struct rating_side;

struct variational_mf {
    size_t d;
    double centre;    /* mean rating */
    double precision; /* of the noise */
    struct rating_side *users, *items;
    double *errors; /* (n_users) expected squared errors */
};

/* held (user_start[n_users]): interactions that training must not see; NULL: none. Interactions without a
 * rating count as which items a user has. */
enum err_code variational_mf_new(const struct train_data *data, const unsigned char *held,
                                 const struct rating_options *options, struct variational_mf **out,
                                 struct err *e) ERR_MUST_CHECK;
void variational_mf_free(struct variational_mf *f);

/* One iteration. ERR_INVALID when an equation has no solution: ratings too large for single precision. */
enum err_code variational_mf_step(struct variational_mf *f, struct parallel *team,
                                  struct err *e) ERR_MUST_CHECK;

double variational_mf_predict(const struct variational_mf *f, size_t user, size_t item);

/* The model's tensors; spec has a ratings block of width d, and history and profile where the options have
 * them. */
void variational_mf_values(const struct variational_mf *f, const struct model_spec *spec,
                           struct model_params *out);

#endif
