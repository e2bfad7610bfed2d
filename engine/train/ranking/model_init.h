/* model_init - the model that is trained for given data: its dimensions and its first values. The first
 * scores are those of the factorisation: the linear part passes the fold-in through, and the last layer of
 * the target network starts at zero.
 * Layer: engine/train/ranking
 * Threads: any.
 * Memory: the copied vocabulary (model_spec_fini frees it). */
#ifndef ENGINE_TRAIN_RANKING_MODEL_INIT_H
#define ENGINE_TRAIN_RANKING_MODEL_INIT_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/train/data/split.h"
#include "engine/train/data/training.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/linear/ials_search.h"

/* Fills spec for the data, the options and the hyperparameters of the factorisation. */
enum err_code model_init_spec(const struct split *split, const struct train_options *options,
                              const struct ials_options *ials, struct model_spec *spec,
                              struct err *e) ERR_MUST_CHECK;

/* First values of a block of this spec. */
void model_init_values(const struct model_spec *spec, const struct ials_start *factors, size_t n_users,
                       uint64_t seed, struct param_block *block);

/* Scales what passes the fold-in through: scores grow by factor / (the last factor), their order stays. */
void model_init_scale_linear(const struct model_spec *spec, struct param_block *block, double factor);

#endif
