/* context_blend - several contexts as one: a household before one screen. The context is their mean by
 * weights, and so is what their items say of others; what any of them took is hidden.
 * Layer: server/serving
 * Threads: confined to its thread.
 * Memory: a number and a bit for each item, until context_blend_fini; ERR_NOMEM where there is none. */
#ifndef SERVER_SERVING_CONTEXT_BLEND_H
#define SERVER_SERVING_CONTEXT_BLEND_H

#include "base/err.h"
#include "server/serving/user_weights.h"

#include <stddef.h>
#include <stdint.h>

struct context_blend {
    const struct item_snapshot *items;
    size_t d_context, n_items;
    double *c;      /* (d_context) */
    double *shares; /* (n_items) the weights of those who took an item and whose items speak of others */
    uint64_t *seen; /* (words of n_items bits) hidden */
};

/* Begins with nothing; the items are borrowed. To be given to context_blend_fini in any case. */
enum err_code context_blend_init(struct context_blend *b, const struct model *m,
                                 const struct item_snapshot *items, struct err *e) ERR_MUST_CHECK;
void context_blend_fini(struct context_blend *b);

/* Adds a context c (d_context) with a weight; the weights of all that are added have the sum 1. */
void context_blend_add(struct context_blend *b, const float *c, double weight);

/* Adds the items of somebody of that weight; of weight 0 they are hidden and say nothing. */
void context_blend_take(struct context_blend *b, const struct context_items *items, double weight);

/* The weights of all that was added. Of one context of weight 1 they are those of its user, bit by bit. */
enum err_code context_blend_weights(const struct context_blend *b, struct user_encoder *k,
                                    struct weights **out, struct err *e) ERR_MUST_CHECK;

#endif
