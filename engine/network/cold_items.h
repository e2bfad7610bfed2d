/* cold_items - rows for items that came after training: from what they are, then from who takes them.
 *
 * The row of an item (R reals) is its rows in all tables of items, one after the other:
 *   factor (d_fold_in) | embedding (D) | bias (1) | history (d_history) | recent (d_recent)
 *
 * Before anybody took it:  prior = item.mean + sum over its features of item.weight's rows; the features are
 *                          its categories and the words of its title. The weights are a ridge regression of
 *                          the trained items' rows.
 *
 * With takers, whose contexts begin with f_u (the fold-in), the factor moves to v = v0 + delta,
 *   (item.gram + sum w f f^T + reg (n + alpha U)^nu Id) delta = sum w (1 - f . v0) f
 * which is the item's step of iALS (Hu, Koren, Volinsky 2008, eq. 5, regularisation as in Rendle et al. 2022)
 * with v0 as the mean of its prior, as in factorisation with side information (Agarwal and Chen 2009,
 * "Regression-based latent factor models"). Who has not taken it counts as having been scored rightly by the
 * prior and not as having declined: most have not met a new item. The rest of the row moves by delta^T
 * item.follow, the regression of what features do not explain of it on what they do not explain of the
 * factor.
 * Cost: a prior O(features R); a fold-in O(n d^2 + d^3 / 3) for n takers, d = d_fold_in.
 * Layer: engine/network
 * Threads: any; workspace and outputs are the caller's.
 * Memory: none. */
#ifndef ENGINE_NETWORK_COLD_ITEMS_H
#define ENGINE_NETWORK_COLD_ITEMS_H

#include "engine/format/model_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the parts of a row begin. */
struct item_row {
    size_t embedding, bias, history, recent; /* the factor begins it */
    size_t len;                              /* R */
};
void item_row_of(const struct model_spec *spec, struct item_row *out);

/* The number of a feature ("category" or "word" and a text), or -1. Cost: O(log n_features). */
long cold_items_feature(const struct model_spec *spec, const char *field, const char *value);

/* row (R) of an item with these features (each below n_features and once). */
void cold_items_prior(const struct model_spec *spec, const struct model_params *params,
                      const uint32_t *features, size_t n, real *row);

/* Reals that cold_items_fold needs as workspace. */
size_t cold_items_workspace_len(const struct model_spec *spec);

/* Moves a row (R) from its prior by n takers: f (n, d_fold_in), weights (n) above 0. False when the equation
 * has no solution (weights too large); the row then stays. */
bool cold_items_fold(const struct model_spec *spec, const struct model_params *params, const real *f,
                     const real *weights, size_t n, real *workspace, real *row);

#endif
