/* features_backward - the layers that all tasks of a model share, on many rows, forward and backward:
 * task_features_kept of engine/network/task_head.h with what its backward needs.
 * Layer: engine/train/gradient
 * Threads: a tape is confined to its thread.
 * Memory: the activations of n_max rows. */
#ifndef ENGINE_TRAIN_GRADIENT_FEATURES_BACKWARD_H
#define ENGINE_TRAIN_GRADIENT_FEATURES_BACKWARD_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#include <stddef.h>

struct features_tape {
    const struct model_spec *spec; /* borrowed */
    real *out[LIMIT_LAYERS];       /* (n_max, d_out) of each layer */
    real *z, *dz;                  /* (n_max, F) */
    real *d[2];                    /* (n_max, widest) gradients on their way back */
};

/* Zero-initialise; features_tape_fini frees whatever is there after a failure. ERR_NOMEM. */
enum err_code features_tape_init(struct features_tape *t, const struct model_spec *spec, size_t n_max,
                                 struct err *e) ERR_MUST_CHECK;
void features_tape_fini(struct features_tape *t);

/* f0 (n, O) and phi (n, M) of rows x (n, D); phi NULL: of a model without a basis. */
void features_tape_forward(struct features_tape *t, const struct model_params *params, const real *x,
                           size_t n, real *f0, real *phi);

/* From df0 (n, O) and dphi (n, M; NULL as above) of the last forward: what is added to grads; and dx (n, D)
 * is set, NULL: not wanted. */
void features_tape_backward(struct features_tape *t, const struct model_params *params, const real *x,
                            size_t n, const real *df0, const real *dphi, const struct model_params *grads,
                            real *dx);

#endif
