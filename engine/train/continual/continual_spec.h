/* continual_spec - descriptions of models that learn one task after the other: of the first task, and of one
 * more.
 * Layer: engine/train/continual
 * Threads: any.
 * Memory: names of classes are copied; model_spec_fini frees them. */
#ifndef ENGINE_TRAIN_CONTINUAL_CONTINUAL_SPEC_H
#define ENGINE_TRAIN_CONTINUAL_CONTINUAL_SPEC_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#include <stddef.h>

enum { CONTINUAL_CHUNKS = 20 /* by default */ };

/* The network of each task: hidden layers of ReLU; and in how many chunks its weights are generated. The
 * trunk gives so many numbers a chunk, by which all chunks of all tasks are told apart: fewer chunks have
 * more weights of their own, and more tasks that have little in common find room. */
struct continual_sizes {
    size_t n_hidden;
    size_t hidden[LIMIT_LAYERS - 1]; /* (n_hidden) */
    size_t n_chunks;                 /* 1 at least */
};

/* Of the first task, whose inputs and classes `about` says: as many outputs as it has classes. The weights
 * come in chunks from a trunk of two layers, so that the hypernetwork of twenty is some two times as large as
 * the network, and that of fewer larger as they are fewer. ERR_INVALID, ERR_NOMEM: nothing is left to
 * free. */
enum err_code continual_spec_first(struct model_spec *out, const struct continual_sizes *sizes,
                                   const struct trained_spec *about, struct err *e) ERR_MUST_CHECK;

/* Of the same model with one task more, whose classes are those of about's one task. ERR_INVALID: they are
 * more than the model has outputs. */
enum err_code continual_spec_next(struct model_spec *out, const struct model_spec *before,
                                  const struct trained_spec *about, struct err *e) ERR_MUST_CHECK;

#endif
