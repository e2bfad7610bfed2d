/* theta_fit - a target network whose weights are learned themselves, without a hypernetwork: what a model of
 * engine/train/continual is compared with. From theta0 for each task it is a network of the task's own, the
 * bound that nothing shared reaches; from the task before it is plain learning in sequence; with a penalty on
 * the weights that mattered to the tasks before it is elastic weight consolidation.
 *
 *     EWC: loss + lambda / 2 sum over i of F_i (theta_i - mean_i)^2
 *
 * F is the sum over old tasks of the diagonal of their Fisher information, mean the average of their weights
 * with it: the sum of one penalty a task, put together. Source: Kirkpatrick et al. 2017, eq. 3.
 * Layer: engine/train/continual
 * Threads: the calling one.
 * Memory: three theta, a penalty two more; the activations of a minibatch. */
#ifndef ENGINE_TRAIN_CONTINUAL_THETA_FIT_H
#define ENGINE_TRAIN_CONTINUAL_THETA_FIT_H

#include "base/err.h"
#include "engine/train/continual/continual.h"

#include <stddef.h>

/* Only chunked layers have all their weights in theta: of others there would be more to learn.
 * ERR_INVALID. */
enum err_code theta_fit_check(const struct model_spec *spec, struct err *e) ERR_MUST_CHECK;

/* What old tasks hold a network by. */
struct ewc {
    double lambda;
    size_t n;         /* the first so many weights: what all tasks have; a head behind them is a task's own */
    real *importance; /* (n) F */
    real *weighted;   /* (n) the sum of F theta over the old tasks */
};

/* ERR_NOMEM. Zero-initialise; ewc_fini frees whatever is returned. */
enum err_code ewc_init(struct ewc *w, size_t n, double lambda, struct err *e) ERR_MUST_CHECK;
void ewc_fini(struct ewc *w);

/* Adds a learned task: the mean over its first n_rows rows of the squared gradient of their log
 * likelihood. */
enum err_code ewc_add(struct ewc *w, const struct model_spec *spec, const struct model_params *params,
                      const real *theta, const struct labelled_rows *rows, size_t n_rows,
                      struct err *e) ERR_MUST_CHECK;

/* Learns theta (theta_layout.len) from where it is, with the steps, batch, rate and cosine of options, whose
 * beta and n_old are not read. stream: which random numbers of the seed. hold may be NULL. Errors as
 * continual_learn. */
enum err_code theta_fit(const struct model_spec *spec, const struct model_params *params, real *theta,
                        const struct labelled_rows *rows, const struct continual_options *options,
                        uint64_t stream, const struct ewc *hold, struct err *e) ERR_MUST_CHECK;

#endif
