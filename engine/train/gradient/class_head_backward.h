/* class_head_backward - backward of a last layer that is generated from class means
 * (engine/network/class_head.h).
 * Layer: engine/train/gradient
 * Threads: any; gradients are added to, so each thread has its own.
 * Memory: the caller's workspace. */
#ifndef ENGINE_TRAIN_GRADIENT_CLASS_HEAD_BACKWARD_H
#define ENGINE_TRAIN_GRADIENT_CLASS_HEAD_BACKWARD_H

#include "engine/network/class_head.h"

#include <stddef.h>

/* Reals of the workspace for n classes. */
size_t class_head_backward_len(const struct class_head_spec *spec, size_t n);

/* From dweight (K, F) and dbias (K): grads are added to, dmeans (K, F) is set. means and tape are those of
 * the forward. */
void class_head_backward(const struct class_head_spec *spec, const struct class_head_params *params,
                         const real *means, const struct class_head_tape *tape, const real *dweight,
                         const real *dbias, real *workspace, const struct class_head_params *grads,
                         real *dmeans);

#endif
