/* explain - which of a user's interactions and profile entries raised given items most.
 *
 * An entry's effect on an item is the item's score minus its score for the same user without the entry, whose
 * context is encoded anew. It is what would happen, not an attribution: effects of several entries do not add
 * up.
 * Cost: one encoding and one generation for each entry that is tried, and the scores of the items with it.
 * Layer: server/serving
 * Threads: any; a struct explanation belongs to its caller.
 * Memory: one block of reasons, one theta, one copy of the user's interactions; freed by explain_free. */
#ifndef SERVER_SERVING_EXPLAIN_H
#define SERVER_SERVING_EXPLAIN_H

#include "base/buf.h"
#include "base/err.h"
#include "server/items/item_snapshot.h"
#include "server/serving/user_weights.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

struct explanation;

/* What is explained. encoder, indices, scores and workspace are borrowed for explain_new, the rest for the
 * life of the explanation. */
struct explain_query {
    struct user_encoder *encoder;
    const struct model *model;
    const struct item_snapshot *items;
    const struct store_user *user;
    const uint32_t *indices; /* (n) catalogue indices of the items */
    const float *scores;     /* (n) the items' scores for the user as he is */
    size_t n;
    size_t most;     /* reasons an item, 1 to LIMIT_EXPLAIN_REASONS */
    real *workspace; /* of the catalogue */
};

/* New: the reasons of each item, the largest effect first; the LIMIT_EXPLAIN_INTERACTIONS newest interactions
 * are tried. A user whose embedding was given has none. */
enum err_code explain_new(const struct explain_query *q, struct explanation **out,
                          struct err *e) ERR_MUST_CHECK;
void explain_free(struct explanation *x);

/* Appends the reasons of item i of the query as a JSON array. */
void explain_add(const struct explanation *x, size_t i, struct buf *out);

#endif
