/* fit - what a trained model can say of items it has not seen: a regression of its items' rows on what the
 * items are.
 *
 * A fifth of the items is held out whole. The strengths of the ridge, one for categories and one for words,
 * are those whose rows give the held-out items scores nearest to the scores of their trained rows, over a
 * sample of users. The bias is then shifted so that the held-out items, with predicted rows, get the share of
 * the softmax that they get with trained ones: together new items are worth what as many trained items are
 * worth, and none of them has the popularity that only interactions can show. Rows count by evidence, n / (n
 * + 10) for n interactions.
 * Layer: engine/train/cold_items
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: a few copies of the rows of the items fitted, at most ITEM_SIDE_FIT_ITEMS of them. */
#ifndef ENGINE_TRAIN_COLD_ITEMS_FIT_H
#define ENGINE_TRAIN_COLD_ITEMS_FIT_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/format/model_spec.h"
#include "engine/train/data/training.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ITEM_SIDE_FIT_ITEMS = 20000 };

struct cold_items_fit {
    struct model_spec spec;     /* the given one, and its item side; names of features are the data's */
    struct model_params params; /* the given ones, and the item side's */
    real *mean, *weight, *follow, *gram;
    double category_ridge, word_ridge; /* chosen */
    double error,
        error_of_mean; /* mean square error of held-out scores, and of those of a row alike for all */
    double shift;      /* of the bias */
};

/* The model must have an item side's blocks (fold_in, no ratings): cold_items_fits tells. ERR_NOMEM. */
bool cold_items_fits(const struct model_spec *spec);
enum err_code cold_items_fit_run(const struct train_data *data, const struct model_spec *spec,
                                 const struct model_params *params, uint64_t seed, struct parallel *team,
                                 struct cold_items_fit *out, struct err *e) ERR_MUST_CHECK;
void cold_items_fit_fini(struct cold_items_fit *f); /* of a zeroed struct as well */

/* Gives the items that nobody took the rows of new ones, in place, and brings fold_in_gram up to date. */
enum err_code cold_items_fill(const struct cold_items_fit *f, const struct train_data *data,
                              struct err *e) ERR_MUST_CHECK;

#endif
