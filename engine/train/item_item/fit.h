/* fit - the item-item weights of a model: for each item, a ridge regression on the items nearest to it.
 *
 * For item i, over the users u with x_ui = 1 where u took i, w_u = n_u^-1/2, d_j = sum_u w_u x_uj, m its
 * mean:
 *     least over s of  sum_u w_u (x_ui - sum_{j != i} x_uj s_j)^2 + ridge sum_j sqrt(m (d_j + m / 20)) s_j^2
 * Of one matrix for all items, j is any item, and the K with the largest |s_j| sqrt(d_j) are kept; of a
 * system for each, j is one of the K items of largest cosine with i.
 * Source: EASE (Steck 2019, eq. 3 to 8), on the nearest items as in fsSLIM (Ning and Karypis 2011, section
 * 4.3). The weights of the users keep long histories from being all there is; the root in the ridge lies
 * between EASE's, the same for all items, and the one of normalised columns, that grows with the number of an
 * item's users. While the packed ones are made, each thread has 4 bytes a user and 8 for each taker of an
 * item's neighbours.
 * Cost: new: sum over users of n_u^2; for the packed ones also, for each item, its neighbours' takers and the
 * square of how many of the neighbours each of them took. solve: I^3, or I K^3 / 3.
 * Layer: engine/train/item_item
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: with K neighbours an item, 8 I K bytes, and either the Gram matrix and its inverse (8 I^2) or a
 *   packed matrix for each item (2 I K^2, for which K falls from 200 where that would be over 3 GB: at 91,000
 *   items to 133), as the caller wants it. */
#ifndef ENGINE_TRAIN_ITEM_ITEM_FIT_H
#define ENGINE_TRAIN_ITEM_ITEM_FIT_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/format/model_spec.h"
#include "engine/train/data/split.h"

#include <stddef.h>
#include <stdint.h>

enum {
    ITEM_ITEM_WHOLE_ITEMS = 12000,
    ITEM_ITEM_LOCAL_ITEMS = 400 /* up to so many, the nearest items are half of all or more, and a system for
                                   each is much the same */
};

/* Weights on the heap; pairs are views of it. */
struct item_weights {
    size_t n_pairs;
    int64_t *start; /* (I + 1) */
    uint32_t *item; /* (n_pairs) */
    real *weight;   /* (n_pairs) */
};

struct item_item_fit;

/* New: neighbours and Gram matrices of the split's training interactions, which are not needed after.
 * max_whole: items up to which the whole matrix is inverted, ITEM_ITEM_WHOLE_ITEMS. ERR_NOMEM, ERR_LIMIT. */
enum err_code item_item_fit_new(const struct split *s, size_t max_whole, struct parallel *team,
                                struct item_item_fit **out, struct err *e) ERR_MUST_CHECK;
void item_item_fit_free(struct item_item_fit *f);

/* The weights for this ridge (above 0), to be freed by item_weights_fini. ERR_NOMEM. */
enum err_code item_item_fit_solve(struct item_item_fit *f, double ridge, struct item_weights *out,
                                  struct err *e) ERR_MUST_CHECK;

/* Divides what speaks for item i by (d_i / m + 1 / 20)^damping: popular items come first as they are. */
void item_item_fit_damp(const struct item_item_fit *f, double damping, struct item_weights *w);

void item_weights_scale(struct item_weights *w, double factor);
struct item_pairs item_weights_view(const struct item_weights *w);
void item_weights_fini(struct item_weights *w);

#endif
