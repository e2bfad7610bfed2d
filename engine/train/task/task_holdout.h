/* task_holdout - which tasks are learned from and what is validated on: the one choice that all models of a
 * training share, so that their losses can be compared.
 *
 * Where rows have times, the newest of them. Otherwise tasks as a whole, which come new as tasks will; or
 * where there are few, of which one or two would say nothing, a quarter of the rows of each.
 * Layer: engine/train/task
 * Threads: immutable once made.
 * Memory: a number a task, and a byte a row. */
#ifndef ENGINE_TRAIN_TASK_TASK_HOLDOUT_H
#define ENGINE_TRAIN_TASK_TASK_HOLDOUT_H

#include "base/err.h"
#include "engine/train/data/task_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TASK_HELD_PERCENT = 15 /* of the tasks, or of the time */, TASK_FEW = 20 /* tasks */ };

struct task_holdout {
    uint32_t *tasks;                 /* with at least two rows, in a drawn order */
    size_t n_held;                   /* the first of them are validated on ... */
    size_t first_learned, n_learned; /* ... and these learned from: others, or the same by other rows */
    double from;                     /* with times: rows after it are validated on; else INFINITY */
    uint8_t *held;                   /* (rows) of few tasks: 1 where a row is validated on; else NULL */
};

/* ERR_INVALID: fewer than two tasks have two rows. Zero-initialise; task_holdout_fini frees whatever is
 * returned. */
enum err_code task_holdout_make(struct task_holdout *h, const struct task_table *table, uint64_t seed,
                                struct err *e) ERR_MUST_CHECK;
void task_holdout_fini(struct task_holdout *h);

/* Whether what is validated on is of tasks that are learned from: a last course can then learn from it. */
bool task_holdout_of_learned(const struct task_holdout *h);

#endif
