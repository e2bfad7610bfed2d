/* warnings - what a caller should know of a request that was done: values that no model makes use of, items
 * that no answer has.
 * Cost: a look at the table of items for each interaction, and a read of the store for each whose item is not
 * in answers.
 * Layer: server/api
 * Threads: a thread's own.
 * Memory: none; ids are borrowed. */
#ifndef SERVER_API_WARNINGS_H
#define SERVER_API_WARNINGS_H

#include "base/buf.h"
#include "base/limits.h"
#include "server/api/api.h"
#include "server/serving/user_updates.h"

#include <stdbool.h>
#include <stddef.h>

/* type (urn:hypernet:warning:TYPE) */
#define WARNINGS(X)                                                                                          \
    X(WARNING_RATING_UNUSED, "rating-unused")                                                                \
    X(WARNING_WEIGHT_UNUSED, "weight-unused")                                                                \
    X(WARNING_ITEM_NOT_RANKED, "item-not-ranked")                                                            \
    X(WARNING_ITEM_DELETED, "item-deleted")

enum { WARNINGS_MOST_ITEMS = 100 }; /* that are named */

/* An item that some answers do not have. */
struct warned_item {
    struct text id;
    bool deleted;
    bool unranked[LIMIT_MODELS]; /* by model, as recommender_model numbers them */
};

/* How many of what was stored had values that a model may make no use of, and which items. */
struct warnings {
    size_t n_rated, n_weighted, n_deleted;
    size_t n_unranked[LIMIT_MODELS];               /* by model, as recommender_model numbers them */
    struct warned_item items[WARNINGS_MOST_ITEMS]; /* (n_items) different ones, the first that came */
    size_t n_items;
};

/* Counts what interactions have, once they are stored; their ids must stay until warnings_add. */
void warnings_count(struct warnings *w, struct api_thread *t, const struct update_interaction *interactions,
                    size_t n);

/* The most that warnings_add appends where so many interactions were counted. */
size_t warnings_most_bytes(const struct api_thread *t, size_t n);

/* Appends `,"warnings":[{"type", "detail", "model", "count", "items"}]`, or nothing when there is nothing to
 * say. */
void warnings_add(const struct warnings *w, struct api_thread *t, struct buf *out);

#endif
