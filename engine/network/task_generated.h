/* task_generated - what a model of tasks adds to a task's solved layer: a network on phi whose weights are
 * generated from that layer.
 *
 *   y = f0 + w . phi + MLP(phi; theta),   theta = H(mu)
 *
 * with f0, phi and the layer's weights mu of task_head.h, and H and MLP the hypernetwork and the target
 * network of every other model (hypernet.h, target.h): mu stands where a user's context does, phi where an
 * item's embedding does. mu needs no scale of its own: the prior's variance of each of its numbers is one.
 *
 * A task's rows are still kept as the sums of its layer: theta is made of what is solved from them, so rows
 * may come and go in any order. The variance of an answer is that of the solved layer alone.
 * Layer: engine/network
 * Threads: any; workspaces and outputs are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_TASK_GENERATED_H
#define ENGINE_NETWORK_TASK_GENERATED_H

#include "engine/network/task_head.h"

#include <stdbool.h>
#include <stddef.h>

/* Reals of a task's theta; 0: the model adds nothing, or the same network for all tasks. */
size_t task_generated_len(const struct model_spec *spec);

/* Reals that the two functions below need for n rows. */
size_t task_generated_workspace_len(const struct model_spec *spec, size_t n);

/* Makes layer->theta from layer->weights. False: it is not finite. */
bool task_generated_make(const struct model_spec *spec, const struct model_params *params, real *workspace,
                         struct task_layer *layer);

/* f (n, O) = f0 (n, O) and what the network says of phi (n, M); f may be f0. */
void task_generated_add(const struct model_spec *spec, const struct model_params *params,
                        const struct task_layer *layer, const real *phi, size_t n, real *workspace,
                        const real *f0, real *f);

#endif
