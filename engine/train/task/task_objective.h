/* task_objective - the objectives regression and classification: a model of its own for each task of a table.
 * Layer: engine/train/task
 * Threads: immutable.
 * Memory: static. */
#ifndef ENGINE_TRAIN_TASK_TASK_OBJECTIVE_H
#define ENGINE_TRAIN_TASK_TASK_OBJECTIVE_H

#include "engine/train/data/train_objective.h"

extern const struct train_objective train_regression, train_classification;

#endif
