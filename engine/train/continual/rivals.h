/* rivals - accuracies, task by time, of what a hypernetwork that holds old tasks is compared with: a network
 * of each task's own, one network in sequence, and the same with elastic weight consolidation, which have a
 * last layer for each task; and the hypernetwork without its penalty.
 * Layer: engine/train/continual
 * Threads: the calling one.
 * Memory: the last layer of each task, and what engine/train/continual/theta_fit.h takes; two hypernetworks
 *   in training. */
#ifndef ENGINE_TRAIN_CONTINUAL_RIVALS_H
#define ENGINE_TRAIN_CONTINUAL_RIVALS_H

#include "base/err.h"
#include "engine/train/continual/continual.h"

#include <stddef.h>

enum rival { RIVAL_OWN, RIVAL_SEQUENCE, RIVAL_EWC, RIVAL_UNHELD, RIVALS };

/* One task: what it is learned from, and what it is measured on. */
struct rival_task {
    struct labelled_rows learned, asked;
    size_t n_classes;
};

/* The share of rows whose class is the most probable of the first K outputs. ERR_NOMEM; ERR_INVALID:
 * these are not finite. */
enum err_code continual_accuracy(const struct model_spec *spec, const struct model_params *params,
                                 const real *theta, size_t n_classes, const struct labelled_rows *rows,
                                 double *out, struct err *e) ERR_MUST_CHECK;

/* Networks of the form of a model's target, whose layers are all chunked, or the model's own hypernetwork
 * (RIVAL_UNHELD). accuracy (n, n): [after][of], of a task that was not learned yet 0. lambda: of elastic
 * weight consolidation. Of the options beta and n_old are not read. Errors as theta_fit. */
enum err_code rivals_measure(const struct model_spec *spec, enum rival rival, const struct rival_task *tasks,
                             size_t n, const struct continual_options *options, double lambda,
                             double *accuracy, struct err *e) ERR_MUST_CHECK;

#endif
