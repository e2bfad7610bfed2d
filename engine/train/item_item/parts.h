/* parts - what the two ways to fit item-item weights share: private to neighbours_*.c.
 * Layer: engine/train/item_item
 * Threads: as fit.h.
 * Memory: as fit.h. */
#ifndef ENGINE_TRAIN_ITEM_ITEM_PARTS_H
#define ENGINE_TRAIN_ITEM_ITEM_PARTS_H

#include "engine/train/item_item/fit.h"

#include <stdbool.h>

struct topk_entry;

struct item_item_fit {
    const struct split *split; /* until new returns */
    struct parallel *team;
    size_t n_items, k;          /* I, K */
    bool whole;                 /* one matrix for all items, else one of its own for each */
    float *user_weight;         /* (n_users) */
    size_t *user_start;         /* (I + 1) users of item i are user[user_start[i]..) */
    uint32_t *user;             /* (n_training) */
    real *diagonal;             /* (I) of the Gram matrix */
    real mean_diagonal, *ridge; /* (I) added to the diagonal */
    real *gram;     /* whole: (I, I), the lower triangle, else (I, K (K + 1) / 2): of an item's neighbours, by
                   rows */
    real *inverse;  /* whole: (I, I) */
    uint32_t *near; /* (I, K) the neighbours of item i, rising */
    uint32_t *n_near; /* (I) */
    real *products;   /* packed: (I, K) Gram of the item and each neighbour */
    real *solution;   /* (I, K) weight of each neighbour in item i's regression */
    real *workspace;  /* (threads, stride) */
    size_t stride;
};

/* A thread's row of I reals, zero unless its user left something there, and behind it K entries to choose
 * from. */
real *item_item_row(const struct item_item_fit *f, size_t thread);
struct topk_entry *item_item_entries(const struct item_item_fit *f, size_t thread);

/* row (I) = the Gram matrix's. */
void item_item_gram_row(const struct item_item_fit *f, size_t item, real *row);

/* The items of entries (n) become the neighbours of item. */
void item_item_set_near(struct item_item_fit *f, size_t item, const struct topk_entry *entries, size_t n);

bool item_item_all_finite(const real *x, size_t n);

/* Fills gram; then near, n_near and solution for the ridges there are. */
void item_item_whole_gather(struct item_item_fit *f);
void item_item_whole_solve(struct item_item_fit *f);

/* Fills near, n_near, products and gram; then solution. ERR_NOMEM, ERR_LIMIT. */
enum err_code item_item_packed_gather(struct item_item_fit *f, struct err *e) ERR_MUST_CHECK;
void item_item_packed_solve(struct item_item_fit *f);

#endif
