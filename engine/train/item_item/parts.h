/* neighbours_parts - what the two ways to fit item-item weights share: private to neighbours_*.c.
 * Layer: engine.       Threads: as neighbours_fit.h.     Memory: as neighbours_fit.h. */
#ifndef ENGINE_TRAIN_ITEM_ITEM_PARTS_H
#define ENGINE_TRAIN_ITEM_ITEM_PARTS_H

#include "engine/train/item_item/fit.h"

#include <stdbool.h>

struct topk_entry;

struct neighbours_fit {
    const struct split *split; /* until new returns */
    struct parallel *team;
    size_t n_items, k;          /* I, K */
    bool whole;                 /* one matrix for all items, else one of its own for each */
    float *user_weight;         /* (n_users) */
    size_t *user_start;         /* (I + 1) users of item i are user[user_start[i]..) */
    uint32_t *user;             /* (n_training) */
    real *diagonal;             /* (I) of the Gram matrix */
    real mean_diagonal, *ridge; /* (I) added to the diagonal */
    real *
        gram; /* whole: (I, I), the lower triangle, else (I, K (K + 1) / 2): of an item's neighbours, by rows */
    real *inverse;    /* whole: (I, I) */
    uint32_t *near;   /* (I, K) the neighbours of item i, rising */
    uint32_t *n_near; /* (I) */
    real *products;   /* packed: (I, K) Gram of the item and each neighbour */
    real *solution;   /* (I, K) weight of each neighbour in item i's regression */
    real *workspace;  /* (threads, stride) */
    size_t stride;
};

/* A thread's row of I reals, zero unless its user left something there, and behind it K entries to choose from. */
real *neighbours_row(const struct neighbours_fit *f, size_t thread);
struct topk_entry *neighbours_entries(const struct neighbours_fit *f, size_t thread);

/* row (I) = the Gram matrix's. */
void neighbours_gram_row(const struct neighbours_fit *f, size_t item, real *row);

/* The items of entries (n) become the neighbours of item. */
void neighbours_set_near(struct neighbours_fit *f, size_t item, const struct topk_entry *entries, size_t n);

bool neighbours_all_finite(const real *x, size_t n);

/* Fills gram; then near, n_near and solution for the ridges there are. */
void neighbours_whole_gather(struct neighbours_fit *f);
void neighbours_whole_solve(struct neighbours_fit *f);

/* Fills near, n_near, products and gram; then solution. ERR_NOMEM, ERR_LIMIT. */
enum err_code neighbours_packed_gather(struct neighbours_fit *f, struct err *e) ERR_MUST_CHECK;
void neighbours_packed_solve(struct neighbours_fit *f);

#endif
