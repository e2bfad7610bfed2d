/* task_grown - a model of tasks that begins as another one, with a network behind its solved layer whose
 * weights are generated (engine/network/task_generated.h) and which adds nothing yet.
 *
 * The hidden layer starts as hyperfan-in has it (Chang et al. 2020): half of the variance of what passes is
 * of weights that all tasks share, half of generated ones, for a code of the prior's variance; the last layer
 * and its head are zero. So the first answers are those of the model it grew from, and whatever is learned
 * must be better in validation.
 * Layer: engine/train/task
 * Threads: any.
 * Memory: the caller's. */
#ifndef ENGINE_TRAIN_TASK_TASK_GROWN_H
#define ENGINE_TRAIN_TASK_TASK_GROWN_H

#include "engine/train/data/run.h"
#include "engine/train/gradient/param_block.h"

/* Adds trunk and layers to a spec that has none. generator: of the hidden layer; GENERATOR_SHARED: the same
 * network for all tasks. */
void task_grown_spec(struct model_spec *spec, enum generator generator);

/* What all tensors of `from` are in `values` (from->n_values) is put into block, and the layers are drawn.
 * scale (M): about how large each number of phi is; they are brought to one. */
void task_grown_values(const struct run *run, const struct model_spec *spec, const struct param_block *from,
                       const real *values, const double *scale, struct param_block *block);

#endif
