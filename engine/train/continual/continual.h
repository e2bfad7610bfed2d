/* continual - one more task learned without the rows of those before, which answer as they did: a
 * hypernetwork with an embedding a task, and a penalty on what it generates for the old ones (von Oswald
 * et al. 2020, "Continual learning with hypernetworks").
 *
 * A step's loss is the mean negative log likelihood of a minibatch of the new task, and
 *
 *     beta / n * sum over n old tasks t, drawn anew each step, of |H(c_t) - H_before(c_t)|^2
 *
 * the SUM over all generated weights, not their mean: a mean divides beta by their number, and old tasks
 * are forgotten. Everything an old task's answer depends on is either in that penalty (trunk, heads,
 * chunks' embeddings) or stays, bit by bit: the old tasks' embeddings and theta0 always, layers that all
 * tasks share once the first task is learned. Adam, with a cosine from the full rate to none in each task.
 * Layer: engine/train/continual
 * Threads: the calling one.
 * Memory: four times the parameters, and their values before; the activations of a minibatch; two theta a
 *   task of a step. Does not grow with the number of tasks but by their embeddings. */
#ifndef ENGINE_TRAIN_CONTINUAL_CONTINUAL_H
#define ENGINE_TRAIN_CONTINUAL_CONTINUAL_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/train/continual/minibatch.h"
#include "engine/train/gradient/hypernet_backward.h"
#include "engine/train/gradient/param_block.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct continual_options {
    double beta;  /* of the penalty; 0: there is none, and old tasks are forgotten */
    size_t n_old; /* old tasks a step */
    size_t batch; /* rows a step */
    long n_steps;
    double rate; /* of the first step */
    uint64_t seed;
    const atomic_bool *interrupt; /* true: stop soon; NULL: never */
    progress_fn *progress;        /* told of the stage "learn" now and then; NULL: nobody */
    void *progress_arg;
};

/* The model that task n_tasks - 1 of spec is learned from: that which learned the others, whose parameters
 * `from` are, with an embedding drawn for the new task; or with from NULL, which is for the first task, one
 * drawn at random: theta0 as a network of its own would start, heads so small that it is what is generated.
 * ERR_INVALID: the model has no encoder of trained tasks alone, or spec does not fit. ERR_NOMEM. from is of a
 * spec that differs in encoder.n_tasks alone. param_block_fini frees the block. */
enum err_code continual_init(struct param_block *block, const struct model_spec *spec,
                             const struct model_params *from, uint64_t seed, struct err *e) ERR_MUST_CHECK;

/* Learns the last task of spec from its rows. ERR_INVALID: no rows, a class that there is not, or a loss that
 * is no longer finite; ERR_NOMEM. *stopped (may be NULL): an interrupt came, or progress said to stop. */
enum err_code continual_learn(const struct model_spec *spec, struct param_block *block,
                              const struct labelled_rows *rows, const struct continual_options *options,
                              bool *stopped, struct err *e) ERR_MUST_CHECK;

/* What one step is made of, for tests of its gradient. */
struct continual_step {
    const struct model_spec *spec;
    struct param_block *block;
    struct model_params grads;  /* block's, without theta0 */
    real *before_values;        /* (n_values) when the task was begun */
    struct model_params before; /* views of them */
    struct minibatch batch;
    struct hypernet_tape tape; /* the new task, then old ones */
    real *theta_before;        /* of one old task */
    real *work;                /* for generating it */
};

enum err_code continual_step_init(struct continual_step *s, const struct model_spec *spec,
                                  struct param_block *block, size_t n_rows, size_t n_old,
                                  struct err *e) ERR_MUST_CHECK;
void continual_step_fini(struct continual_step *s);

/* The loss of the drawn minibatch and n_old old tasks, and its gradient, which is added to the block's. */
double continual_step_loss(struct continual_step *s, const uint32_t *old, size_t n_old, double beta);

/* How far a training moved what was learned before. */
struct continual_drift {
    bool frozen_same;  /* the old tasks' embeddings and all that stays have the same bits */
    double theta_most; /* the largest change of a generated weight, over the old tasks */
};

/* Compares the old tasks of a model with the same in one that has learned more. ERR_NOMEM; ERR_INVALID: what
 * is generated is not finite. */
enum err_code continual_audit(const struct model_spec *before_spec, const struct model_params *before,
                              const struct model_spec *spec, const struct model_params *params,
                              struct continual_drift *out, struct err *e) ERR_MUST_CHECK;

#endif
