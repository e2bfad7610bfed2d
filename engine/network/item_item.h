/* item_item - the generated bias of the items: what each item of a history says of the items near it.
 *
 * A model may have a sparse matrix S (I, I) of item-item weights (struct item_pairs). A context then also
 * generates beta (I), beta_i = sum over the history's items j of S_ji, which is added to the items' biases.
 * It is kept as its largest entries behind the generated weights of the layers, so that theta is still all
 * that a context generates:
 *
 *     theta = [ theta_layout.len reals | n | n item indices, rising | n values ]
 *
 * Source of the idea: the sparse linear item models, Ning and Karypis 2011 (SLIM), Steck 2019
 * ("Embarrassingly Shallow Autoencoders for Sparse Data"); here they are one part of a target network.
 * Cost: one addition a pair of the history's rows, and one pass over the catalogue.
 * Layer: engine/network
 * Threads: any; workspace and outputs are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_ITEM_ITEM_H
#define ENGINE_NETWORK_ITEM_ITEM_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/network/encoder.h"
#include "engine/network/hypernet.h"

#include <stddef.h>
#include <stdint.h>

/* Entries of beta that are kept, the largest by size. */
enum { ITEM_ITEM_MOST = 4096 };

/* An item's index where theta has a real. */
typedef uint32_t __attribute__((may_alias)) item_item_index;

struct item_item {
    size_t n;
    const item_item_index *items; /* (n) rising */
    const real *values;           /* (n) */
};

/* The most reals that a context's theta takes: theta_layout.len and what is behind it. */
size_t item_item_theta_most(const struct model_spec *spec);

/* Reals that item_item_generate needs as workspace. */
size_t item_item_workspace_len(const struct model_spec *spec);

/* Writes what is behind the layers' weights in theta (item_item_theta_most), and the length of theta to *len.
 * Of a model without pairs: theta_layout.len. Items past spec->n_items say nothing of others. ERR_INVALID
 * when an entry of beta is not finite: weights are, but their sums may not be. */
enum err_code item_item_generate(const struct model_spec *spec, const struct model_params *params,
                                 const struct encoder_interaction *history, size_t n_history, real *workspace,
                                 real *theta, size_t *len, struct err *e) ERR_MUST_CHECK;

/* The same of items (n) that speak with a share each, for several histories at once: beta_i is then the sum
 * of share * S_ji. Of shares that are 1 it is item_item_generate. */
enum err_code item_item_blend(const struct model_spec *spec, const struct model_params *params,
                              const uint32_t *items, const real *shares, size_t n, real *workspace,
                              real *theta, size_t *len, struct err *e) ERR_MUST_CHECK;

/* beta (I) itself, all of it. */
void item_item_bias(const struct item_pairs *pairs, size_t n_items, const struct encoder_interaction *history,
                    size_t n_history, real *beta);

/* What is behind the weights of the layers; n is 0 for a model without pairs. Views into theta. */
struct item_item item_item_of(const struct model_spec *spec, const struct theta_layout *layout,
                              const real *theta);

/* The value of an item, 0 when it is not kept. Cost: O(log n). */
real item_item_value(const struct item_item *b, uint32_t item);

#endif
