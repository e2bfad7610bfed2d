/* task_table - the training set of models of tasks: rows as the network takes them, task by task.
 * Layer: engine/train/data
 * Threads: immutable.
 * Memory: all arrays are borrowed. */
#ifndef ENGINE_TRAIN_DATA_TASK_TABLE_H
#define ENGINE_TRAIN_DATA_TASK_TABLE_H

#include "engine/format/model_spec.h"

#include <stddef.h>

struct task_table {
    size_t n_tasks;
    const size_t
        *row_start;     /* (n_tasks + 1) a task's rows are [row_start[t], row_start[t + 1]), oldest first */
    const real *x;      /* (rows, width of the columns) */
    const double *y;    /* (rows) the target, or the place of its class */
    const double *time; /* (rows) rising within a task; NULL: rows have no times */
    /* The columns, the target's name, classes and range; the objective decides the rest. Borrowed. */
    const struct task_spec *about;
};

#endif
