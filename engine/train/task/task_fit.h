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

enum { TASK_SHARDS = 8, TASK_BATCH = 16 /* tasks a step */ };

struct task_shard {
    struct task_drawing drawing[TASK_BATCH / TASK_SHARDS];
    struct task_step step;
    real *grads; /* (n_values) */
    struct model_params grad_params;
    double loss;
};

struct task_fit {
    struct run *run;
    const struct model_spec *spec;
    const struct task_table *table;
    struct param_block *block;
    uint32_t
        *tasks; /* in a drawn order; [0, n_held) are validated on, the n_learned from first_learned on are
                        learned from: others, or where rows have times the same, by their older rows */
    size_t n_held, first_learned, n_learned;
    double from; /* with times: rows after it are validated on; INFINITY: none are */
    struct task_shard shards[TASK_SHARDS];
    real *best;         /* (n_values) */
    size_t n_validated; /* rows that were asked for in the last validation */
    double best_loss;   /* mean negative log likelihood of an asked row in validation */
    double none_loss; /* the same where nothing of a task is known, for the best parameters; NAN with times */
    long step, n_steps;
    long best_step, best_schedule; /* of so many steps */
    double weight_decay;           /* of this schedule */
};

enum err_code task_fit_init(struct task_fit *f, struct run *run, const struct model_spec *spec,
                            const struct task_table *table, struct param_block *block,
                            struct err *e) ERR_MUST_CHECK;
void task_fit_fini(struct task_fit *f);

/* Takes the steps of a schedule of n_steps from the block's values, or as many as the run's budget allows,
 * and keeps the parameters that are best in validation, over all schedules. last > 0: so many steps of it
 * and no validation. ERR_INVALID: the loss is not finite, and no parameters were good before. */
enum err_code task_fit_run(struct task_fit *f, long n_steps, long last, struct err *e) ERR_MUST_CHECK;

/* Puts the best parameters into the block. */
void task_fit_take_best(struct task_fit *f);

/* From now on all rows are learned from. */
void task_fit_learn_all(struct task_fit *f);

/* Draws rows of the k-th task that is validated on. */
void task_fit_draw_held(const struct task_fit *f, struct task_drawing *d, size_t k, enum task_known known,
                        struct rng *r);

/* Of a log target: by how many variances a prediction is lowered for the least error relative to the
 * target, by the block's parameters in validation. */
enum err_code task_fit_shrink(struct task_fit *f, double *out, struct err *e) ERR_MUST_CHECK;

#endif
