/* task_fit - the parameters that all tasks share, by stochastic gradient steps over drawn tasks, as good
 * as they ever were on tasks that were held out.
 * Layer: engine/train/task
 * Threads: uses the run's team; the result does not depend on its size.
 * Memory: TASK_SHARDS gradients and drawings. */
#ifndef ENGINE_TRAIN_TASK_TASK_FIT_H
#define ENGINE_TRAIN_TASK_TASK_FIT_H

#include "base/err.h"
#include "engine/network/task_solver.h"
#include "engine/train/data/run.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/task/task_choice.h"
#include "engine/train/task/task_draw.h"
#include "engine/train/task/task_holdout.h"
#include "engine/train/task/task_score.h"

/* Ways of knowing that are validated: all other rows of a task, and a drawn number of them; with times the
 * first alone. */
enum { TASK_WAYS = 2 };

enum { TASK_SHARDS = 8, TASK_BATCH = 16 /* tasks a step */ };

struct task_shard {
    struct task_drawing drawing[TASK_BATCH / TASK_SHARDS];
    struct task_step step;
    struct task_solver solver; /* what is validated is answered as it will be served */
    real *grads;               /* (n_values) */
    struct model_params grad_params;
    double loss;
};

/* Steps of all courses of a training together, for whoever is told how far it is. */
struct task_course {
    long before, of; /* before this course, and of all */
};

/* The parameters at a step of a course, and what they said of what is validated on. */
struct task_moment {
    real *values;       /* (n_values) */
    double *losses;     /* (TASK_WAYS, n_held) sums of the loss at the best shrink ... */
    double *surprises;  /* ... and of the negative log likelihood, which is the loss of classes */
    double loss;        /* task_fit_loss; INFINITY: there are none */
    double cost;        /* by which moments of a course are compared: see task_fit_keep */
    long step, n_steps; /* of a schedule of so many */
    bool normal;        /* errors were taken for normal */
};

struct task_fit {
    struct run *run;
    const struct model_spec *spec;
    const struct task_table *table;
    const struct task_holdout *holdout;
    struct param_block *block;
    struct task_course course; /* the caller's to set */
    struct task_shard shards[TASK_SHARDS];
    struct task_moment best;    /* of the course */
    double least_before;        /* cost of earlier courses: a course that does not reach it has no hope */
    struct task_score *scores;  /* (TASK_WAYS, n_held) of the last validation, of numbers */
    double *losses, *surprises; /* (TASK_WAYS, n_held) of the last validation, as in a moment */
    size_t n_validated;         /* rows that were asked for in the last validation, of one way */
    size_t n_said;              /* rows that losses and surprises are of, all ways together */
    bool normal;                /* errors are taken for normal: the spread of Student's t is not learned */
    bool of_counts;             /* models of densities are compared with models of counts */
    long step, n_steps;
    double weight_decay; /* of this schedule */
};

/* run, spec, table, holdout and block are borrowed. */
enum err_code task_fit_init(struct task_fit *f, struct run *run, const struct model_spec *spec,
                            const struct task_table *table, const struct task_holdout *holdout,
                            struct param_block *block, struct err *e) ERR_MUST_CHECK;
void task_fit_fini(struct task_fit *f);

/* Takes the steps of a schedule of n_steps from the block's values, or as many as the run's budget allows,
 * and keeps the parameters that are best in validation. last > 0: so many steps of it
 * and no validation. ERR_INVALID: the loss is not finite, and no parameters were good before. */
enum err_code task_fit_run(struct task_fit *f, long n_steps, long last, struct err *e) ERR_MUST_CHECK;

/* Moves the best of a course to `out`, zeroed before, so that another course can begin; task_moment_fini
 * frees it, and task_fit_restore moves it back. ERR_NOMEM: there is no memory for another. */
enum err_code task_fit_set_aside(struct task_fit *f, struct task_moment *out, struct err *e) ERR_MUST_CHECK;
void task_fit_restore(struct task_fit *f, struct task_moment *m);
void task_moment_fini(struct task_moment *m);

/* Puts the best parameters into the block. */
void task_fit_take_best(struct task_fit *f);

/* Looks at the block's parameters as they are, and keeps them if they are the best in validation so far:
 * those of the least sum of the loss's logarithm and the negative log likelihood of a row, which would be
 * the same of errors as large as they are said to be; of classes the second alone. */
void task_fit_keep(struct task_fit *f);

/* The loss of the block's parameters in validation, by which models are chosen: with all other rows of a task
 * known and with a drawn number of them; with times, ahead of what is known. Of classes the mean of the two
 * negative log likelihoods of a row; of numbers the geometric mean of the two losses that were asked for, of
 * squared errors the root of it, whatever the scale on which they are learned. The second: with what is known
 * as it says. */
double task_fit_loss(struct task_fit *f);
double task_fit_validate(struct task_fit *f, enum task_known known);

/* What the losses and surprises of a fit are of. */
struct task_said_shape task_fit_shape(const struct task_fit *f);

/* By how many variances answers are lowered for the least loss: see engine/format/task_target.h. */
double task_fit_shrink(struct task_fit *f);

/* The mean negative log likelihood of a row on the scale that is learned, both ways of knowing together. */
double task_fit_likelihood(struct task_fit *f);

/* Answers one split after the other of a draw by the solver's parameters; those that cannot be solved for are
 * left out. */
typedef enum err_code task_held_fn(void *arg, const struct task_solver *solver, const struct task_draw *draw,
                                   size_t j, struct err *e);
enum err_code task_fit_answer(struct task_solver *solver, const struct task_draw *d, task_held_fn *fn,
                              void *arg, struct err *e);

/* Draws rows of the k-th task that is validated on; each turn draws others, and a turn always the same. */
void task_fit_draw_held(const struct task_fit *f, struct task_drawing *d, size_t k, enum task_known known,
                        uint64_t turn);

/* From now on all rows of the learned tasks are learned from, and nothing is left to validate on. */
void task_fit_learn_all(struct task_fit *f);

#endif
