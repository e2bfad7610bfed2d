/* param_block - all tensors of a model in training: one block of values, one of gradients, Adam's two
 * moments.
 * Tables (an item's or a value's row each) are updated row by row, only where a batch touched them.
 * Layer: engine/train/gradient
 * Threads: confined to its thread, but for reads of values during a step.
 * Memory: four times the parameters; frozen tensors have values only. */
#ifndef ENGINE_TRAIN_GRADIENT_PARAM_BLOCK_H
#define ENGINE_TRAIN_GRADIENT_PARAM_BLOCK_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#include <stdbool.h>
#include <stddef.h>

struct param_block {
    size_t n_tensors;
    struct tensor_spec tensors[MODEL_MAX_TENSORS];
    size_t offset[MODEL_MAX_TENSORS]; /* of a tensor's values in its block */
    bool table[MODEL_MAX_TENSORS];    /* updated by rows */
    bool frozen[MODEL_MAX_TENSORS];
    size_t n_values; /* trained reals: tables first, then the dense rest */
    size_t n_tables; /* reals of tables */
    size_t n_frozen; /* reals of frozen tensors, a block of their own */
    real *values, *frozen_values, *grads, *moment1, *moment2;
    struct model_params params;      /* views of values */
    struct model_params grad_params; /* views of grads; frozen: NULL */
};

enum err_code param_block_init(struct param_block *b, const struct model_spec *spec,
                               struct err *e) ERR_MUST_CHECK;
void param_block_fini(struct param_block *b);

/* Views of the dense tensors at `block`, laid out as b's dense part (n_values - n_tables reals); tables are
 * NULL. */
void param_block_dense_views(const struct param_block *b, real *block, struct model_params *out);

#endif
