/* ials_baseline - implicit matrix factorisation tuned for an evaluation, beside the models' own factors. A
 * user, of the store or not, is folded in by the equation of engine/network/encoder.h.
 * Layer: engine/train/linear
 * Threads: made with the given team; scores from any.
 * Memory: the factors of items, and while it is fitted those of users. alpha, reg and the width are those of
 *   the best NDCG@10 on a part of the interactions held out (engine/train/data/split.h), among n_rivals drawn
 *   items where that is above 0, as in a test with candidates; then all are fitted. */
#ifndef ENGINE_TRAIN_LINEAR_IALS_BASELINE_H
#define ENGINE_TRAIN_LINEAR_IALS_BASELINE_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/kernels/real.h"
#include "engine/train/data/training.h"
#include "engine/train/linear/ials.h"

#include <stddef.h>
#include <stdint.h>

struct ials_baseline {
    struct ials_options options; /* what was chosen */
    size_t n_items;
    real *items; /* (n_items, dim) */
    real *gram;  /* (dim, dim) alpha V^T V */
};

enum err_code ials_baseline_new(const struct train_data *data, struct parallel *team, size_t n_rivals,
                                uint64_t seed, struct ials_baseline **out, struct err *e) ERR_MUST_CHECK;
void ials_baseline_free(struct ials_baseline *b); /* NULL: nothing */

size_t ials_baseline_workspace_len(const struct ials_baseline *b);

/* scores (n_items) of a user with these interactions (n); ratings and times are not looked at. */
void ials_baseline_scores(const struct ials_baseline *b, const struct encoder_interaction *interactions,
                          size_t n, real *workspace, real *scores);

#endif
