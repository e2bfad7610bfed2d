/* encoder_backward - backward of the encoder's learned blocks.
 * The fold-in block has no parameters that are trained: its factors are those of the factorisation.
 * Layer: engine/train/gradient
 * Threads: each part may run in its own thread on its own destinations.
 * Memory: the caller's workspace. */
#ifndef ENGINE_TRAIN_GRADIENT_ENCODER_BACKWARD_H
#define ENGINE_TRAIN_GRADIENT_ENCODER_BACKWARD_H

#include "engine/format/model_spec.h"
#include "engine/network/encoder.h"

#include <stddef.h>

/* From dc (C) of one context: adds to the gradients of decay and profile. */
void encoder_backward_dense(const struct model_spec *spec, const struct model_params *params,
                            const struct encoder_input *input, const real *dc,
                            const struct model_params *grads);

/* From dc (C) of one context: adds to the gradient rows (in grads->history and grads->recent) of those items
 * whose number modulo n_parts is part, and sets touched[item] for them. Parts may run at the same time. */
void encoder_backward_tables(const struct model_spec *spec, const struct model_params *params,
                             const struct encoder_input *input, const real *dc, size_t part, size_t n_parts,
                             const struct model_params *grads, unsigned char *touched);

#endif
