/* score_spread - how far the scores of items may be from what they would be if more were known of the
 * user: the deviation of each over draws of the user's context.
 *
 * Each draw goes the whole way, through the hypernetwork and the target network. Cost: a generation a
 * draw, and the scores of the items with it.
 * Layer: server/serving
 * Threads: any.
 * Memory: one theta, and the factor of a matrix as wide as the fold-in. */
#ifndef SERVER_SERVING_SCORE_SPREAD_H
#define SERVER_SERVING_SCORE_SPREAD_H

#include "base/err.h"
#include "server/items/item_snapshot.h"
#include "server/serving/user_weights.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct score_spread_query {
    struct user_encoder *encoder;
    const struct model *model;
    const struct item_snapshot *items;
    const struct store_user *user;
    const uint32_t *indices; /* (n) catalogue indices of the items */
    size_t n;
    size_t n_samples; /* at least 2 */
    uint64_t seed;    /* the same gives the same draws */
    real *workspace;  /* of the catalogue */
};

/* Writes the deviations (n). *known false: nothing is written, since the user's embedding was given, or the
 * model's contexts have no fold-in. */
enum err_code score_spread_make(const struct score_spread_query *q, float *deviations, bool *known,
                                struct err *e) ERR_MUST_CHECK;

#endif
