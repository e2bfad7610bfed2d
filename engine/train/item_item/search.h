/* search - whether a model gets item-item weights, and how strong they are beside the rest of it. Ridge and
 * damping are the best of a climb by NDCG@10 of the weights alone on what the split holds out; the scale is
 * the best of the sums of both scores, where that is better than the model alone. Where the catalogue allows
 * both ways of fit.h, one matrix for all items and a system for each, that is done with both: dense data gain
 * by the first, sparse data by the second.
 * Layer: engine/train/item_item
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: that of item_item_fit, while it runs. */
#ifndef ENGINE_TRAIN_ITEM_ITEM_SEARCH_H
#define ENGINE_TRAIN_ITEM_ITEM_SEARCH_H

#include "base/err.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "engine/format/model_spec.h"
#include "engine/train/data/split.h"
#include "engine/train/item_item/fit.h"

struct item_item_choice {
    double ridge, damping; /* as in fit.h */
    bool local;            /* a system for each item, whatever the size of the catalogue */
    double scale;          /* 0: none, the model alone is as good */
    double alone, metric;  /* NDCG@10 of the weights alone, and of the model with them */
};

/* Chooses for a trained model whose own figure is `metric`. progress (may be NULL) is told of each try, as of
 * the stage "neighbours"; false from it stops with what there is. */
enum err_code item_item_choose(const struct split *s, const struct model_spec *spec,
                               const struct model_params *params, double metric, struct parallel *team,
                               progress_fn *progress, void *arg, struct item_item_choice *out,
                               struct err *e) ERR_MUST_CHECK;

/* The chosen weights for a split, scaled; to be freed by item_weights_fini. */
enum err_code item_item_make(const struct split *s, const struct item_item_choice *choice,
                             struct parallel *team, struct item_weights *out, struct err *e) ERR_MUST_CHECK;

#endif
