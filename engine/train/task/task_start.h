/* task_start - the model of tasks that a training begins with: one model for all, since nothing that tasks
 * share looks at which task it is, and the layer that is a task's own begins at zero.
 * Layer: engine/train/task
 * Threads: any.
 * Memory: the specification's columns, texts and classes are those of the table. */
#ifndef ENGINE_TRAIN_TASK_TASK_START_H
#define ENGINE_TRAIN_TASK_TASK_START_H

#include "engine/train/data/run.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/task/task_mixed.h"

/* What the model is made of: with two layers of features, or linear, with none; and the scale of its target.
 * ERR_NOMEM. */
enum err_code task_start_spec(const struct run *run, bool linear, enum target_scale scale,
                              struct model_spec *out, struct err *e) ERR_MUST_CHECK;

/* Whether a likelihood of counts is tried, or asked for: all targets are whole numbers from 0 on, and what is
 * asked for is their mean. */
bool task_start_counts(const struct run *run);

/* The layers of features of a model that is not linear. */
void task_start_features(struct task_spec *t);

/* Values from the run's seed: features of variance one, shared outputs of zero, a basis of variance one,
 * which is the prior's; Adam's moments of zero. */
void task_start_values(const struct run *run, const struct model_spec *spec, struct param_block *block);

/* Measures the learned target by its median and the median distance from it, so that no outlier says what its
 * unit is. Where more than half of the targets are the same, nothing changes. ERR_NOMEM. */
enum err_code task_start_robust(const struct task_table *table, struct model_spec *spec,
                                struct err *e) ERR_MUST_CHECK;

/* Errors are taken for normal: Student's t with so many degrees of freedom that it is no other. */
void task_start_normal(const struct model_spec *spec, struct param_block *block);

/* The values of a model without features after task_start_values, where a mixed model was found: its first
 * answers are then those of a hierarchical ridge regression. */
void task_start_from_mixed(const struct model_spec *spec, const struct task_mixed *mixed,
                           struct param_block *block);

#endif
