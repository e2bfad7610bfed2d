/* train_vocabulary - the data's profile vocabulary as a model's.
 * Layer: engine/train/data
 * Threads: any.
 * Memory: a copy, which model_spec_fini frees. */
#ifndef ENGINE_TRAIN_DATA_TRAIN_VOCABULARY_H
#define ENGINE_TRAIN_DATA_TRAIN_VOCABULARY_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/train/data/train_data.h"

/* Copies the vocabulary into the encoder, as a block of this width; none when there is none. Whoever calls
 * frees it with model_spec_fini, also on failure. ERR_NOMEM. */
enum err_code train_vocabulary_copy(const struct train_data *data, size_t dim, struct encoder_spec *n,
                                    struct err *e) ERR_MUST_CHECK;

#endif
