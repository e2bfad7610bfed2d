/* task_trial - one kind of model in a training: on a scale of the target, linear or with features, with
 * outliers cut or not; and from where it begins.
 * Layer: engine/train/task
 * Threads: confined to its thread; what task_fit does uses the run's team.
 * Memory: a model with gradients, moments and a copy of its best values; of one that grew, of what it began
 *   with too. */
#ifndef ENGINE_TRAIN_TASK_TASK_TRIAL_H
#define ENGINE_TRAIN_TASK_TASK_TRIAL_H

#include "engine/train/task/task_fit.h"
#include "engine/train/task/task_mixed.h"

/* What is learned of the target. */
struct task_form {
    enum target_scale scale;
    bool clips; /* outliers are cut */
};

/* Closed forms that a linear model begins with: tasks differ in all coefficients, or in their constants. */
enum task_start_kind { TASK_START_SLOPES, TASK_START_LEVELS, N_TASK_STARTS };

struct task_trial {
    struct run *run;
    const struct task_holdout *holdout;
    struct task_form form;
    bool linear;
    struct model_spec spec; /* its columns, texts and classes are the table's */
    bool has_block;
    struct param_block block;
    struct task_fit fit;
    struct task_mixed about;                /* from what outliers are measured */
    struct task_mixed mixed[N_TASK_STARTS]; /* of a linear one */
    enum task_start_kind start;             /* the better in validation */
    const struct task_trial *from;          /* of one that grows from another; else NULL */
    real *values;                           /* (from->block.n_values) it begins with */
    double *scale;                          /* (M) of phi there */
};

/* run and holdout are borrowed. clip: from where a row is an outlier, of a trial that clips and is not
 * linear; of a linear one it is found. Zero-initialise; task_trial_fini frees whatever is returned. */
enum err_code task_trial_init(struct task_trial *t, struct run *run, const struct task_holdout *holdout,
                              bool linear, struct task_form form, double clip, struct err *e) ERR_MUST_CHECK;
/* The same of a trial that grows from another, as its parameters were in a moment: task_grown.h. They are put
 * into the other's block; it is borrowed. generator NULL: nothing is added, it only goes on. */
enum err_code task_trial_grow(struct task_trial *t, struct task_trial *from, const struct task_moment *moment,
                              const enum generator *generator, struct err *e) ERR_MUST_CHECK;
void task_trial_fini(struct task_trial *t);

/* Finds the closed forms of a linear trial for what is learned from, and keeps the better in validation. */
enum err_code task_trial_solve(struct task_trial *t, struct err *e) ERR_MUST_CHECK;

/* The same, for all rows of all tasks, with the start that was the better. */
enum err_code task_trial_solve_all(struct task_trial *t, struct err *e) ERR_MUST_CHECK;

/* Puts the start into the block; normal: errors are taken for normal. */
void task_trial_start(struct task_trial *t, bool normal);

#endif
