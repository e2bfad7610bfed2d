/* hypernet_backward - the hypernetwork on a batch of contexts, forward with what the backward needs, and
 * backward.
 * Layer: engine/train/gradient
 * Threads: a tape is confined to its thread; gradients are added to, so each thread has its own.
 * Memory: a tape holds its batch's activations. */
#ifndef ENGINE_TRAIN_GRADIENT_HYPERNET_BACKWARD_H
#define ENGINE_TRAIN_GRADIENT_HYPERNET_BACKWARD_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/network/hypernet.h"

#include <stddef.h>

struct hypernet_tape {
    size_t n_max; /* contexts it has room for */
    size_t n;     /* contexts of the batch */
    struct theta_layout layout;
    real *c;                    /* (n_max, C) in */
    real *dc;                   /* (n_max, C) out of the backward */
    real *theta;                /* (n_max, layout.len) out of the forward */
    real *dtheta;               /* (n_max, layout.len) into the backward */
    real *normal;               /* (n_max, C) normalised c */
    real *saved;                /* (n_max, 2 * NORM_MAX_BLOCKS) */
    real *hidden[LIMIT_LAYERS]; /* (n_max, d_out) outputs of the trunk's layers */
    real *d[2];                 /* (n_max, widest) gradients on their way back */
    real *ones;                 /* (n_max) for sums over the batch */
    real *chunks; /* (n_max, chunked_activations_len) of a chunked model, which has none of the four above */
    real *for_chunks; /* (chunked_backward_workspace_len) */
    real *block;      /* all of the above */
};

enum err_code hypernet_tape_init(struct hypernet_tape *t, const struct model_spec *spec, size_t n_max,
                                 struct err *e) ERR_MUST_CHECK;
void hypernet_tape_fini(struct hypernet_tape *t);

/* theta of the first n contexts of c. */
void hypernet_batch_forward(const struct model_spec *spec, const struct model_params *params,
                            struct hypernet_tape *t, size_t n);

/* dc is set and grads are added to, from dtheta. Runs once a batch: dtheta holds a context's sum over its
 * examples. */
void hypernet_batch_backward(const struct model_spec *spec, const struct model_params *params,
                             struct hypernet_tape *t, const struct model_params *grads);

#endif
