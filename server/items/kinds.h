/* kinds - what a user's interactions say of each item, over all kinds of events. Whatever counts with
 * interactions takes them from here: contexts, training, evaluation, baselines, explanations.
 *
 * An item's weight is the sum over its kinds of the kind's weight times the event's. Above 0 the user took
 * the item; below 0 it pushes down, with the sum without its sign as its weight; at 0 it says nothing. Time
 * and place in the order are those of its newest event that says something, the rating is the newest one's
 * that has one. Interactions without a kind stay as they are, bit for bit.
 * Layer: server/items
 * Threads: confined, as the caller's memory is.
 * Memory: two blocks that stay with the caller's struct; none where all are without a kind. */
#ifndef SERVER_ITEMS_KINDS_H
#define SERVER_ITEMS_KINDS_H

#include "base/err.h"
#include "store/store.h"

#include <stddef.h>

struct kinds_place;

/* Zero-initialise; kinds_merged_fini frees. */
struct kinds_merged {
    const struct store_interaction *at; /* (n + n_negative) each item once: the n that were taken in order of
                                           time, then those that push down */
    size_t n, n_negative;
    struct store_interaction *rows; /* (row_capacity) at, where it is not the caller's list */
    struct kinds_place *places;     /* (place_capacity) scratch */
    size_t row_capacity, place_capacity;
};

void kinds_merged_fini(struct kinds_merged *m);

/* Merges the n interactions of a user, in order of time; m->at is these where all are without a kind. */
enum err_code kinds_merge(struct kinds_merged *m, const struct store_interaction *x, size_t n,
                          struct err *e) ERR_MUST_CHECK;

/* Fills in what the kinds of interactions say now, of some that are not of the store. */
enum err_code kinds_tell(struct store_conn *c, struct store_interaction *x, size_t n,
                         struct err *e) ERR_MUST_CHECK;

/* store_each_interaction of the items that users took, each once. */
enum err_code kinds_each_taken(struct store_conn *c, store_interaction_fn *fn, void *arg,
                               struct err *e) ERR_MUST_CHECK;

#endif
