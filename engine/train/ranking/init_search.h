/* init_search - the factorisation that joint training does best from, by an epoch from each of several.
 * Cost: a factorisation and an epoch a try, two to four tries.
 * Layer: engine/train/ranking
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: one more model in training, while it runs. */
#ifndef ENGINE_TRAIN_RANKING_INIT_SEARCH_H
#define ENGINE_TRAIN_RANKING_INIT_SEARCH_H

#include "base/err.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "engine/train/data/split.h"
#include "engine/train/linear/ials_search.h"

/* Comes with the factorisation of the search's choice; leaves with that of the same or a weaker alpha: each
 * step weaker gains 3 % or more in NDCG@10 of what the split holds out, after an epoch. Once progress
 * (may be NULL) returns false, what there is stays. */
enum err_code init_search_choose(const struct split *s, const struct train_options *options,
                                 struct parallel *team, progress_fn *progress, void *arg,
                                 struct ials_start *factors, struct err *e) ERR_MUST_CHECK;

#endif
