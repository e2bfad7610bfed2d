/* minibatch - rows of one task drawn at random, and the loss of a target network on them: the one that all
 * networks of engine/train/continual have in common, whether their weights are generated or not.
 * Layer: engine/train/continual
 * Threads: confined to its thread.
 * Memory: the activations of one batch. */
#ifndef ENGINE_TRAIN_CONTINUAL_MINIBATCH_H
#define ENGINE_TRAIN_CONTINUAL_MINIBATCH_H

#include "base/err.h"
#include "base/rng.h"
#include "engine/format/model_spec.h"
#include "engine/train/gradient/target_backward.h"

#include <stddef.h>
#include <stdint.h>

/* The rows of one task. */
struct labelled_rows {
    size_t n;
    const real *x;     /* (n, D) */
    const uint32_t *y; /* (n) classes, below O */
};

/* ERR_INVALID: none, or one of a class that the model has not. */
enum err_code labelled_rows_check(const struct labelled_rows *rows, const struct model_spec *spec,
                                  struct err *e) ERR_MUST_CHECK;

struct minibatch {
    const struct model_spec *spec; /* borrowed */
    size_t most, n;                /* rows there is room for, and that were drawn */
    real *x;                       /* (most, D) */
    real *logits;                  /* (most, O) */
    uint32_t *y;                   /* (most) */
    struct target_tape tape;
};

/* ERR_INVALID: the model does not tell classes apart. ERR_NOMEM. Zero-initialise; minibatch_fini frees
 * whatever is returned. */
enum err_code minibatch_init(struct minibatch *m, const struct model_spec *spec, size_t most,
                             struct err *e) ERR_MUST_CHECK;
void minibatch_fini(struct minibatch *m);

/* Draws `most` rows, each as likely as any other, whether it was drawn or not. */
void minibatch_draw(struct minibatch *m, const struct labelled_rows *rows, struct rng *r);

/* Takes the rows first .. first + n of them, n at most `most`. */
void minibatch_take(struct minibatch *m, const struct labelled_rows *rows, size_t first, size_t n);

/* The mean over the rows of the negative log likelihood of their classes. dtheta (theta_layout.len) is added
 * to, and of layers that all contexts share grads. */
double minibatch_loss(struct minibatch *m, const struct model_params *params, const real *theta, real *dtheta,
                      const struct model_params *grads);

#endif
