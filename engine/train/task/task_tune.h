/* task_tune - what is chosen after the steps, by validation: how much of a task's own layer is left,
 * and how far predictions are off.
 * Layer: engine/train/task
 * Threads: as task_fit; the result does not depend on the size of the team.
 * Memory: task_tune_calibrate one number a validated row and split, at most a few megabytes. */
#ifndef ENGINE_TRAIN_TASK_TASK_TUNE_H
#define ENGINE_TRAIN_TASK_TASK_TUNE_H

#include "engine/network/task_solver.h"
#include "engine/train/task/task_fit.h"

#include <stdbool.h>

/* How much of the task's own part is left, and what validation says. */
struct task_own_part {
    double scale; /* of the basis: 1 as it was learned, 0 one model for all */
    double noise; /* what the variance of the noise is multiplied by, since there is more of it then */
    double loss;  /* in validation, with this scale ... */
    double loss_as_learned, loss_for_all; /* ... with 1, and with 0 */
};

/* Puts the best parameters into the block, with the basis, and so the part of a prediction that is a task's
 * own, multiplied by one of 1, 0.7, 0.5, 0.35, 0.2 and 0: what rows of a task do not say is not learned from
 * them. Of numbers by task_choose, to which none is the simplest and all that was learned the next; of
 * classes by the least loss. */
void task_tune_own_part(struct task_fit *f, struct task_own_part *out);

/* Does the same to the block's parameters, as they are, of another course. */
void task_tune_apply(struct task_fit *f, const struct task_own_part *own);

/* Quantiles of the errors in validation, as engine/network/task_quantiles.h has them: table
 * (TASK_KNOWN_BUCKETS, TASK_QUANTILES). A row for which there are few errors has those of its neighbours
 * too; *found false: there are few of all. */
enum err_code task_tune_calibrate(struct task_fit *f, real *table, bool *found, struct err *e) ERR_MUST_CHECK;

/* Calls fn for each split of each task that is validated on; those that cannot be solved for are left out. */
enum err_code task_tune_each(struct task_fit *f, enum task_known known, uint64_t turn, task_held_fn *fn,
                             void *arg, struct err *e) ERR_MUST_CHECK;

#endif
