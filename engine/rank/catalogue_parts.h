/* catalogue_parts - a catalogue and a context's way to exact scores in it, for the files that share them:
 * catalogue.c makes it and scores items, catalogue_top_k.c finds the best.
 * Layer: engine/rank
 * Threads: a catalogue is immutable; a pass is confined to its thread.
 * Memory: the caller's. */
#ifndef ENGINE_RANK_CATALOGUE_PARTS_H
#define ENGINE_RANK_CATALOGUE_PARTS_H

#include "engine/network/item_item.h"
#include "engine/network/target_block.h"
#include "engine/rank/catalogue.h"
#include "engine/rank/int8_bounds.h"

struct catalogue {
    const struct model_spec *spec;
    const struct model_params *params;
    size_t first_index; /* of the items, as catalogue_top_k counts them */
    size_t first;       /* L */
    size_t n_blocks;
    bool keeps_input;           /* the input of L is kept */
    bool needs_input;           /* layer L reads its input although its shared part is kept */
    size_t input_len;           /* reals of an item's kept input */
    size_t shared_len;          /* reals of an item's kept shared part */
    real *kept;                 /* (I, input_len + shared_len) */
    struct int8_bounds *screen; /* NULL: every item is scored exactly */
};

enum { CATALOGUE_CHUNK = INT8_CHUNK_BLOCKS * KERNEL_LANES }; /* items between two thresholds */

static inline size_t catalogue_kept_len(const struct catalogue *c)
{
    return c->input_len + c->shared_len;
}

static inline size_t catalogue_block_rows(const struct catalogue *c, size_t block)
{
    size_t start = block * KERNEL_LANES, n = c->spec->n_items - start;
    return n < KERNEL_LANES ? n : KERNEL_LANES;
}

/* A workspace begins with what contexts use in turn: a block of kept parts in lanes and three buffers, then,
 * with a screen, the bounds of a chunk (2, CHUNK). What each context keeps for its pass follows: the target's
 * products, then, with a screen, its bytes. */
static inline size_t catalogue_scratch_len(const struct catalogue *c)
{
    return catalogue_kept_len(c) * KERNEL_LANES + 3 * target_block_buffer_len(c->spec);
}

static inline size_t catalogue_own_at(const struct catalogue *c)
{
    return catalogue_scratch_len(c) + (c->screen ? 2 * CATALOGUE_CHUNK : 0);
}

static inline size_t catalogue_own_len(const struct catalogue *c)
{
    size_t n = target_pass_workspace_len(c->spec) + (c->screen ? int8_bounds_workspace_len(c->screen) : 0);
    return (n + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
}

/* One context's exact scores. */
struct catalogue_pass {
    const struct catalogue *c;
    struct target_pass target;
    struct item_item near;
    real *scratch;
};

/* own: this context's part of the workspace, for as long as the pass. */
void catalogue_pass_init(struct catalogue_pass *p, const struct catalogue *c, const real *theta,
                         real *workspace, real *own);

/* scores of one block of consecutive items, without what the context's history says of them; what follows is
 * asked for. */
void catalogue_pass_block(const struct catalogue_pass *p, size_t block, real *scores);

/* Adds what the history says of items [first, first + n); *at walks along the rising entries. */
void catalogue_pass_add_near(const struct catalogue_pass *p, size_t *at, size_t first, size_t n,
                             real *scores);

/* scores (m) of the first m <= LANES of n listed items; the rows of those that follow are fetched. */
void catalogue_pass_listed(const struct catalogue_pass *p, const uint32_t *indices, size_t m, size_t n,
                           real *scores);

/* Asks for n reals, into the cache nearest to the core or into the second: a constant of the instruction. */
static inline __attribute__((always_inline)) void catalogue_fetch_reals(const real *x, size_t n, bool near)
{
    enum { LINE = 64 / sizeof(real) };
    for (size_t i = 0; i < n; i += LINE)
        if (near)
            __builtin_prefetch(x + i, 0, 3);
        else
            __builtin_prefetch(x + i, 0, 2);
}

static inline __attribute__((always_inline)) void catalogue_fetch_item(const struct catalogue *c,
                                                                       size_t index, bool near)
{
    size_t d = c->spec->d_item, len = catalogue_kept_len(c);
    catalogue_fetch_reals(c->params->catalogue_embedding + index * d, d, near);
    if (c->kept)
        catalogue_fetch_reals(c->kept + index * len, len, near);
}

#endif
