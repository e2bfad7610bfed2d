/* chunked_backward - the backward of engine/network/chunked.h for one context.
 * Layer: engine/train/gradient
 * Threads: any; gradients are added to, so each thread has its own.
 * Memory: the caller's. */
#ifndef ENGINE_TRAIN_GRADIENT_CHUNKED_BACKWARD_H
#define ENGINE_TRAIN_GRADIENT_CHUNKED_BACKWARD_H

#include "engine/format/model_spec.h"

#include <stddef.h>

/* Reals that chunked_backward needs as workspace. */
size_t chunked_backward_workspace_len(const struct model_spec *spec);

/* From dtheta and the activations of chunked_generate to dc (C), which is set, and the gradients of trunk,
 * head and chunks' embeddings, which are added to. Those of W0 and b0 are too where grads has them: NULL
 * there is a theta0 that stays. */
void chunked_backward(const struct model_spec *spec, const struct model_params *params,
                      const real *activations, const real *dtheta, real *workspace, real *dc,
                      const struct model_params *grads);

#endif
