/* probe_users - a sample of users with their contexts. Items are scored for these users twice, with trained
 * rows and with predicted rows; the difference of the scores says how good the prediction is.
 * Layer: engine/train/cold_items
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: the contexts of the sample, and theta of its first LISTENERS_MOST users. */
#ifndef ENGINE_TRAIN_COLD_ITEMS_PROBE_USERS_H
#define ENGINE_TRAIN_COLD_ITEMS_PROBE_USERS_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/format/model_spec.h"
#include "engine/train/data/training.h"

#include <stddef.h>
#include <stdint.h>

enum { LISTENERS_SAMPLE = 4096, LISTENERS_MOST = 256 };

struct probe_users {
    const struct train_data *data;
    const struct model_spec *spec;
    const struct model_params *params;
    struct parallel *team;
    uint32_t *users; /* (n_users) drawn by seed; the first n are the listeners */
    real *contexts;  /* (n_users, C) */
    size_t n_users, n;
    size_t theta_len;
    real *theta; /* (n, theta_len) */
    real *workspaces;
    size_t stride;
    enum err_code *codes; /* (n_users) */
};

/* Draws and encodes the sample. Users whose context is not finite are left out; ERR_INVALID: no user is left.
 * l borrows the other arguments. */
enum err_code probe_users_init(struct probe_users *l, const struct train_data *data,
                               const struct model_spec *spec, const struct model_params *params,
                               uint64_t seed, struct parallel *team, struct err *e) ERR_MUST_CHECK;
void probe_users_fini(struct probe_users *l); /* of a zeroed struct as well */

/* gram (d, d) = alpha times the sum of f f^T over all users, as the sample tells; f is the fold-in of a
 * context. */
void probe_users_gram(const struct probe_users *l, real *gram);

/* scores (l->n, n) of n items with these rows (n, R; see engine/network/cold_items.h). */
enum err_code probe_users_score(struct probe_users *l, const real *rows, size_t n, real *scores,
                                struct err *e) ERR_MUST_CHECK;

/* Mean square of the difference of scores to guesses (both (l->n, n)), items weighted, and without each
 * listener's mean: a constant changes no order. */
double probe_users_error(const struct probe_users *l, const real *scores, const real *guesses,
                         const double *weights, size_t n);

/* What the guesses (l->n, n) of these items must be raised by so that the items' mean share of the softmax
 * over what a listener has not seen is that of their trained rows. Seen items' guesses become minus
 * infinity. */
enum err_code probe_users_shift(struct probe_users *l, const uint32_t *items, size_t n, real *guesses,
                                double *shift, struct err *e) ERR_MUST_CHECK;

#endif
