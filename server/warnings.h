/* warnings - what a caller should know of a request that was done: values that no model makes use of.
 * Layer: server; depends on base and engine.      Threads: any.      Memory: none. */
#ifndef SERVER_WARNINGS_H
#define SERVER_WARNINGS_H

#include "base/buf.h"
#include "server/serving.h"
#include "server/update.h"

#include <stddef.h>

/* type (urn:hypernet:warning:TYPE) */
#define WARNINGS(X)                                                                                          \
    X(WARNING_RATING_UNUSED, "rating-unused")                                                                \
    X(WARNING_WEIGHT_UNUSED, "weight-unused")

/* How many of what was stored had values that a model may make no use of. */
struct warnings {
    size_t n_rated, n_weighted;
};

/* Counts what interactions have. */
void warnings_count(struct warnings *w, const struct update_interaction *interactions, size_t n);

/* Appends `,"warnings":[{"type", "detail", "model", "count"}]`, or nothing when there is nothing to say. */
void warnings_add(const struct warnings *w, const struct serving *serving, struct buf *out);

#endif
