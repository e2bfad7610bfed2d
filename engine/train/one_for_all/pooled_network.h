/* pooled_network - one network for the rows of all tasks, with no part of its own for any of them: what a
 * model of tasks is compared with.
 *
 * Its layers are those that all tasks of such a model share, f0 = shared [features(x) | x], trained as they
 * are. It may read, beside a row, a learned vector of the row's task; a task that it has not seen has the
 * mean of all. The loss of a row is the squared error, or of classes the negative log probability.
 * Layer: engine/train/one_for_all
 * Threads: confined to its thread.
 * Memory: four times the parameters, and a pass has the activations of n_max rows. */
#ifndef ENGINE_TRAIN_ONE_FOR_ALL_POOLED_NETWORK_H
#define ENGINE_TRAIN_ONE_FOR_ALL_POOLED_NETWORK_H

#include "base/err.h"
#include "engine/train/gradient/features_backward.h"
#include "engine/train/gradient/param_block.h"

#include <stddef.h>
#include <stdint.h>

enum { POOLED_ID_WIDTH = 8 };

struct pooled_network {
    struct model_spec spec; /* of [row | vector]; what it has on the heap is borrowed */
    size_t d_row, d_id;     /* widths of the two; d_id 0: it reads rows alone */
    size_t n_tasks;
    struct param_block block;
    real *ids;                                /* (n_tasks + 1, d_id) the last one is the mean */
    real *id_grads, *id_moment1, *id_moment2; /* (n_tasks, d_id) */
};

/* As the shared layers of `like`, or as a training begins where these are none. n_tasks: it has vectors of
 * so many; 0: none. Zero-initialise; pooled_network_fini frees whatever is there after a failure.
 * ERR_NOMEM. */
enum err_code pooled_network_init(struct pooled_network *net, const struct model_spec *like, size_t n_tasks,
                                  struct err *e) ERR_MUST_CHECK;
void pooled_network_fini(struct pooled_network *net);

/* Values to begin with: features and vectors are drawn, outputs are 0. Adam's moments are 0. */
void pooled_network_start(struct pooled_network *net, uint64_t seed);

/* Makes the last vector the mean of the others. */
void pooled_network_set_mean_id(struct pooled_network *net);

/* Rows on their way through. */
struct pooled_pass {
    struct pooled_network *net;
    size_t n_max, n;
    struct features_tape tape;
    real *x, *dx;   /* (n_max, d_row + d_id) */
    real *f, *df;   /* (n_max, O) numbers as they are learned, or logits */
    double *y;      /* (n_max) */
    uint32_t *task; /* (n_max) */
};

enum err_code pooled_pass_init(struct pooled_pass *p, struct pooled_network *net, size_t n_max,
                               struct err *e) ERR_MUST_CHECK;
void pooled_pass_fini(struct pooled_pass *p);

/* One more row x (d_row) with target y as it is learned, or a class; task n_tasks: none that it knows. */
void pooled_pass_add(struct pooled_pass *p, const real *x, double y, uint32_t task);

/* The outputs of the rows that were added, in p->f. */
void pooled_pass_forward(struct pooled_pass *p);

/* The same, and the sum of their losses. */
double pooled_pass_loss(struct pooled_pass *p);

/* The same, and `weight` times its gradient is added to those of the network. */
double pooled_pass_gradient(struct pooled_pass *p, double weight);

#endif
