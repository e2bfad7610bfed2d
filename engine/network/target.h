/* target - the target network F(x; theta) on rows of inputs.
 * Layer: engine/network
 * Threads: any; workspace and outputs are the caller's.
 * Memory: none of its own; rows go through in blocks, so the workspace does not grow with their number. */
#ifndef ENGINE_NETWORK_TARGET_H
#define ENGINE_NETWORK_TARGET_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/network/hypernet.h"

#include <stddef.h>

/* Reals that target_forward needs as workspace. */
size_t target_workspace_len(const struct model_spec *spec);

/* y (n_rows, O) = F(x (n_rows, D); theta). For ranking y = p . x + MLP(x), without an item's bias.
 * Classification gives logits; target_softmax makes probabilities of them. */
void target_forward(const struct model_spec *spec, const struct model_params *params, const real *theta,
                    const real *x, size_t n_rows, real *workspace, real *y);

/* In place: rows of logits (n_rows, n_classes) to probabilities, safe for large logits. */
void target_softmax(real *y, size_t n_rows, size_t n_classes);

#endif
