/* diversity - an order of the best items in which like ones do not follow each other: maximal marginal
 * relevance (Carbonell and Goldstein 1998). Next is always the item of the window, the best that are left,
 * with the largest (1 - d) relevance - d likeness: relevance is 1 of the best score and 0 of the last one
 * in the first window, likeness the largest cosine of its embedding and of one that was taken. Cost: a
 * pass over the window for each item taken.
 * Layer: engine/rank
 * Threads: confined.
 * Memory: the embeddings of the entries once more; diversity_fini frees. */
#ifndef ENGINE_RANK_DIVERSITY_H
#define ENGINE_RANK_DIVERSITY_H

#include "base/err.h"
#include "engine/rank/topk.h"

#include <stdbool.h>
#include <stddef.h>

struct diversity {
    const struct topk_entry *entries; /* (n) best first */
    size_t n, d, window;
    double share;      /* d above, 0 to 1 */
    double best, span; /* of scores, for relevance */
    real *units;       /* (n, d) embeddings of length 1, or 0 */
    double *nearest;   /* (n) likeness to what was taken */
    bool *taken;       /* (n) */
    bool any;          /* something was taken */
};

/* Begins with n entries whose embeddings are rows (n, d); window: at least 1. entries are borrowed.
 * ERR_NOMEM. diversity_fini is to be called in any case. */
enum err_code diversity_init(struct diversity *v, const struct topk_entry *entries, size_t n,
                             const real *const *rows, size_t d, size_t window, double share,
                             struct err *e) ERR_MUST_CHECK;
void diversity_fini(struct diversity *v);

/* Which entry is next; n: none is left. Taking one, which may be another, leaves the window to the others. */
size_t diversity_next(const struct diversity *v);
void diversity_take(struct diversity *v, size_t i);

/* Leaves an entry out: nothing is to be unlike it. */
void diversity_skip(struct diversity *v, size_t i);

#endif
