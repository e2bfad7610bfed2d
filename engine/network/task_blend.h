/* task_blend - the layers of several tasks blended into one: what is said of a task that is so much like
 * one and so much like another.
 *
 * The blend has the first two moments of a task that is the i-th with probability v_i (sum v_i = 1). With
 * mu_i, M_i and tau_i of each layer (task_head.h)
 *
 * mu = sum v_i mu_i,   tau = sum v_i tau_i,   a = min a_i tau M^-1 = sum v_i (tau_i M_i^-1 + (mu_i - mu)
 * (mu_i - mu)^T)
 *
 * so that an output is sum v_i times that of each, and its scale holds both what is not known of each and
 * how far they differ. Where weights are generated (task_generated.h), they are made of the blend's mu.
 * The sums of rows are not blended: of those a task of a thousand rows would outvote
 * one of ten, whatever the weights. With classes the logits are blended, and differences are the mean over
 * classes.
 * Layer: engine/network
 * Threads: any.
 * Memory: the caller's. */
#ifndef ENGINE_NETWORK_TASK_BLEND_H
#define ENGINE_NETWORK_TASK_BLEND_H

#include "engine/network/task_head.h"

#include <stdbool.h>
#include <stddef.h>

/* Doubles of room that a blend takes. */
size_t task_blend_room(const struct model_spec *spec);

/* Blends layers (n), n at least 1, by weights (n), at least 0 each with the sum 1, into *out, whose arrays
 * are there (task_layer_at) and none of those that are blended. False: it is not finite. Cost: n inverses. */
bool task_blend(const struct model_spec *spec, const struct task_layer *layers, const double *weights,
                size_t n, double *room, struct task_layer *out);

#endif
