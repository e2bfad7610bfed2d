/* model - a model file, opened: checked, with what all contexts share computed once.
 * Cost: open reads each tensor once (finiteness), those of a small hypernetwork twice, does one matrix
 * product over the catalogue and decomposes the gram of the fold-in.
 * Layer: engine
 * Threads: immutable after open; references are atomic, any thread.
 * Memory: tensors are where the file's bytes are, in a copy or mapped and shared between processes; the heap
 *   holds the id index, the shared part of the catalogue (I times at most a few dozen floats), the basis of
 *   the fold-in and the matrices of a small hypernetwork once more (engine/network/hypernet_panels.h). */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalogue;
struct fold_in_basis;
struct similar_items;

struct model {
    struct model_spec spec;              /* read-only */
    struct model_params params;          /* views into the file */
    const struct catalogue *catalogue;   /* NULL without items; see engine/rank/catalogue.h */
    const struct similar_items *similar; /* NULL without items; see engine/rank/similar_items.h */
    const struct fold_in_basis *fold_in; /* of params.fold_in_gram, for the encoder's input; may be NULL */
    size_t file_bytes;
    /* the rest is private to model.c */
    struct model_private *private;
};

/* Opens a model file. ERR_NOTFOUND, ERR_IO, ERR_CORRUPT or ERR_INVALID with the reason, ERR_NOMEM. The model
 * has one reference. */
enum err_code model_open(const char *path, struct model **out, struct err *e) ERR_MUST_CHECK;

/* The same, but the file is mapped and shared with other processes where that is safe; for a process that
 * takes SIGIO and then calls model_settle for each of its models (file_bytes_open says when, and why). */
enum err_code model_open_shared(const char *path, struct model **out, struct err *e) ERR_MUST_CHECK;
bool model_is_shared(const struct model *m);

/* Whether the files of two models have the same bytes. Cost: reads them, where they are as long. */
bool model_is_same(const struct model *a, const struct model *b);

/* When somebody waits to write to a shared model's file, the model goes on with a copy; *settled: it does so
 * from now. ERR_NOMEM. */
enum err_code model_settle(struct model *m, bool *settled, struct err *e) ERR_MUST_CHECK;
struct model *model_ref(struct model *m);
void model_unref(struct model *m); /* NULL is allowed; the last one unmaps */

/* The id of item `index`, or of a model without items of trained task `index` (below model_spec_n_ids),
 * borrowed, not terminated. */
const char *model_item_id(const struct model *m, size_t index, size_t *len);

/* The index of such an id, or -1. Cost: one hash look-up. */
long model_item_index(const struct model *m, const char *id, size_t len);

/* A score as a prediction, as the model's objective says it. */
double model_prediction(const struct model *m, double score);

#endif
