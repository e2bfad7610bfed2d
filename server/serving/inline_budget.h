/* inline_budget - whose weights a thread may make between other answers: users with so few items that
 * encoding and generating take half a millisecond at most, by what they cost here.
 * Layer: server/serving
 * Threads: any.
 * Memory: a user encoder while it measures. */
#ifndef SERVER_SERVING_INLINE_BUDGET_H
#define SERVER_SERVING_INLINE_BUDGET_H

#include "base/err.h"
#include "engine/cache/batcher.h"
#include "engine/model.h"
#include "server/items/item_snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INLINE_MAX_NS = 500 * 1000,
    INLINE_MAX_PROFILE_BYTES =
        4096, /* a longer profile takes 0.1 ms and more to read, which is not measured */
};

struct inline_budget {
    bool any;         /* false: nobody's */
    size_t n_items;   /* of the model's own that it was measured with */
    size_t max_read;  /* interactions of a user whose context is encoded from them */
    size_t max_items; /* items of a user whose context is stored, with a list of them */
};

/* What a user with n items costs, in nanoseconds; past max_ns it need not be exact. */
typedef enum err_code inline_budget_cost_fn(void *arg, size_t n, int64_t max_ns, int64_t *ns, struct err *e);

/* With how many items a user costs max_ns or less: the largest of `most` and its halves, or 0 when one item
 * is too many. */
enum err_code inline_budget_most(inline_budget_cost_fn *cost, void *arg, size_t most, int64_t max_ns,
                                 size_t *out, struct err *e) ERR_MUST_CHECK;

/* Measures makings of made-up users in processor time: some milliseconds, with ratings in many dimensions a
 * few hundred. Nobody's where a generation is long or waits for others (batcher_allows_inline). */
enum err_code inline_budget_measure(const struct model *m, const struct item_snapshot *items,
                                    const struct batcher *g, int64_t max_ns, struct inline_budget *out,
                                    struct err *e) ERR_MUST_CHECK;

#endif
