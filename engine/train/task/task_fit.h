/* task_fit - the parameters that all tasks share, by stochastic gradient steps over drawn tasks, as good
 * as they ever were on tasks that were held out.
 * Layer: engine/train/task
 * Threads: uses the run's team; the result does not depend on its size.
 * Memory: TASK_SHARDS gradients and drawings. */
#ifndef ENGINE_TRAIN_TASK_TASK_FIT_H
#define ENGINE_TRAIN_TASK_TASK_FIT_H

#include "base/err.h"
#include "engine/train/data/run.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/task/task_draw.h"
#include "engine/train/task/task_holdout.h"

enum { TASK_SHARDS = 8, TASK_BATCH = 16 /* tasks a step */ };

struct task_shard {
    struct task_drawing drawing[TASK_BATCH / TASK_SHARDS];
    struct task_step step;
    real *grads; /* (n_values) */
    struct model_params grad_params;
    double loss;
};

/* Steps of all courses of a training together, for whoever is told how far it is. */
struct task_course {
    long before, of; /* before this course, and of all */
};

struct task_fit {
    struct run *run;
    const struct model_spec *spec;
    const struct task_table *table;
    const struct task_holdout *holdout;
    struct param_block *block;
    struct task_course course; /* the caller's to set */
    struct task_shard shards[TASK_SHARDS];
    real *best;         /* (n_values) */
    size_t n_validated; /* rows that were asked for in the last validation */
    double best_loss;   /* mean negative log likelihood of an asked row in validation */
    long step, n_steps;
    long best_step, best_schedule; /* of so many steps */
    double weight_decay;           /* of this schedule */
};

/* run, spec, table, holdout and block are borrowed. */
enum err_code task_fit_init(struct task_fit *f, struct run *run, const struct model_spec *spec,
                            const struct task_table *table, const struct task_holdout *holdout,
                            struct param_block *block, struct err *e) ERR_MUST_CHECK;
void task_fit_fini(struct task_fit *f);

/* Takes the steps of a schedule of n_steps from the block's values, or as many as the run's budget allows,
 * and keeps the parameters that are best in validation, over all schedules. last > 0: so many steps of it
 * and no validation. ERR_INVALID: the loss is not finite, and no parameters were good before. */
enum err_code task_fit_run(struct task_fit *f, long n_steps, long last, struct err *e) ERR_MUST_CHECK;

/* Puts the best parameters into the block. */
void task_fit_take_best(struct task_fit *f);

/* The loss of the block's parameters in validation, by which models are chosen: the mean of that with all
 * other rows of a task known, and that with a drawn number of them; with times, ahead of what is known. The
 * second: with what is known as it says. */
double task_fit_loss(struct task_fit *f);
double task_fit_validate(struct task_fit *f, enum task_known known);

/* Draws rows of the k-th task that is validated on; each turn draws others, and a turn always the same. */
void task_fit_draw_held(const struct task_fit *f, struct task_drawing *d, size_t k, enum task_known known,
                        uint64_t turn);

/* From now on all rows of the learned tasks are learned from, and nothing is left to validate on. */
void task_fit_learn_all(struct task_fit *f);

#endif
