/* catalogue - scores of a context's target network over the items, and the best of them.
 * Cost: catalogue_top_k is one pass over the catalogue in blocks, scoring and selection together.
 * Order: higher score first; ties by smaller index, so results are reproducible.
 * Layer: engine/rank
 * Threads: a catalogue is immutable; workspace and outputs are the caller's.
 * Memory: what all contexts share is computed once in catalogue_new (I times the width of the first layer
 *   whose weights are generated, or its rank); a request needs catalogue_workspace_len reals, however many
 *   items. */
#ifndef ENGINE_RANK_CATALOGUE_H
#define ENGINE_RANK_CATALOGUE_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/rank/topk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalogue;

/* New: the shared part of a model with items. spec and params are borrowed for the catalogue's life. */
enum err_code catalogue_new(const struct model_spec *spec, const struct model_params *params,
                            struct catalogue **out, struct err *e) ERR_MUST_CHECK;

/* The same for items that follow others: catalogue_top_k and its filter count them from `first`, all else
 * from 0. */
enum err_code catalogue_new_from(const struct model_spec *spec, const struct model_params *params,
                                 size_t first, struct catalogue **out, struct err *e) ERR_MUST_CHECK;
void catalogue_free(struct catalogue *c);

size_t catalogue_workspace_len(const struct catalogue *c);

/* What to leave out. */
struct catalogue_filter {
    const uint32_t *excluded; /* (n_excluded) rising indices; NULL: none */
    size_t n_excluded;
    const uint64_t *allowed; /* (first + I bits) a set bit admits the item; NULL: all */
};

/* Whether an item may be in an answer (NULL: every one may). Asked of rising indices from *next 0 on,
 * which walks along the excluded ones. */
static inline bool catalogue_admits(const struct catalogue_filter *f, size_t *next, uint32_t index)
{
    if (!f)
        return true;
    while (*next < f->n_excluded && f->excluded[*next] < index)
        ++*next;
    if (*next < f->n_excluded && f->excluded[*next] == index)
        return false;
    return !f->allowed || (f->allowed[index / 64] >> (index % 64) & 1);
}

/* Pushes every admitted item into top. */
void catalogue_top_k(const struct catalogue *c, const real *theta, const struct catalogue_filter *filter,
                     real *workspace, struct topk *top);

enum { CATALOGUE_TOGETHER = 16 }; /* contexts of one pass */

/* What one of several contexts asks for. */
struct catalogue_query {
    const real *theta;
    const struct catalogue_filter *filter; /* NULL: none */
    struct topk *top;
};

/* catalogue_top_k of each of n contexts, to the last bit, CATALOGUE_TOGETHER at a time: what is read of the
 * catalogue then serves all of these. workspace: catalogue_each_workspace_len reals. */
void catalogue_top_k_each(const struct catalogue *c, const struct catalogue_query *queries, size_t n,
                          real *workspace);
size_t catalogue_each_workspace_len(const struct catalogue *c);

/* Item `index` (below I) is among the next that catalogue_score is called with: what it reads of the item is
 * asked for, into the second cache, and nothing waits for it. */
void catalogue_fetch(const struct catalogue *c, size_t index);

/* scores (n) of the items at these indices (each below I), in that order; equal to what catalogue_top_k sees
 * to the last bit. */
void catalogue_score(const struct catalogue *c, const real *theta, const uint32_t *indices, size_t n,
                     real *workspace, real *scores);

/* scores (I) of all items. */
void catalogue_score_all(const struct catalogue *c, const real *theta, real *workspace, real *scores);

#endif
