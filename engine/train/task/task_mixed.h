/* task_mixed - what straight lines say of a table of tasks: a linear model for all, how far the tasks' own
 * coefficients lie from it, and the noise that is left. It is the start of a training: with it the model
 * of tasks is a hierarchical ridge regression before its first step, and whatever is learned must be
 * better in validation.
 *
 * y = (b + w) . [x | 1] + noise,   w ~ N(0, L L^T) a task,   noise ~ N(0, s2)
 *
 * b, L and s2 are those of the greatest likelihood, by expectation and maximisation over tasks; b, given
 * the others, in closed form (generalised least squares). Of classes y is 1 for the row's class and 0 for
 * the others, and the outputs share L and s2. Source: Laird and Ware 1982.
 * Layer: engine/train/task
 * Threads: confined to its thread.
 * Memory: the sums of TASK_MIXED_TASKS tasks while it runs: (D + 1)^2 numbers each. */
#ifndef ENGINE_TRAIN_TASK_TASK_MIXED_H
#define ENGINE_TRAIN_TASK_TASK_MIXED_H

#include "base/err.h"
#include "engine/train/data/budget.h"
#include "engine/train/task/task_holdout.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    TASK_MIXED_TASKS = 256,       /* at most so many are looked at of the widest tables ... */
    TASK_MIXED_MOST_TASKS = 4096, /* ... and so many of others */
    TASK_MIXED_ROWS = 512,        /* and so many rows of each */
    TASK_MIXED_WIDTH = 128        /* inputs: of wider tables there is none */
};

struct task_mixed {
    bool present;       /* it was found; else there is nothing in it */
    size_t d;           /* inputs and one */
    size_t n_outputs;   /* 1, or the classes */
    double *shared;     /* (n_outputs, d) b, the last of each for the constant */
    double *directions; /* (d, d) rows v_i with L L^T = sum v_i v_i^T, the longest first */
    double noise;       /* s2 */
};

/* What is looked for. */
struct task_mixed_wanted {
    bool levels; /* only the constants of tasks differ: a ridge regression with their ids as inputs */
    const struct task_mixed *about; /* of a spec with a clip: from what outliers are measured; NULL: from 0 */
};

/* Finds it for the tasks that are learned from, without the rows that are validated on. Targets as they
 * are learned. Where a table is too wide, or the sums are not those of finite rows, it is not present.
 * Where the budget is over (NULL: there is none), it is as good as it was then. Zero-initialise;
 * task_mixed_fini frees whatever is returned. ERR_NOMEM. */
enum err_code task_mixed_find(const struct model_spec *spec, const struct task_table *table,
                              const struct task_holdout *holdout, const struct task_mixed_wanted *wanted,
                              const struct budget *budget, struct task_mixed *out,
                              struct err *e) ERR_MUST_CHECK;

/* From where on a row is an outlier: five deviations of normal errors that have the median size of these,
 * about what all tasks have, on the scale that is learned. 0: no row is. ERR_NOMEM. */
enum err_code task_mixed_clip(const struct model_spec *spec, const struct task_table *table,
                              const struct task_holdout *holdout, const struct task_mixed *about, double *out,
                              struct err *e) ERR_MUST_CHECK;
void task_mixed_fini(struct task_mixed *m);

#endif
