/* task_posterior - what is known of one task as a model of its own: its posterior is the new model's prior.
 *
 * With mu and M = L L^T of the task's layer (task_head.h) and its scale tau,
 *
 *   shared' = shared + mu basis,   basis' = sqrt(tau) L^-1 basis,   s2' = tau s2,   a0' = a
 *
 * gives for every row the same Student's t as the layer, without a row of the task; and rows that come later
 * are learned as they would be beside those that are known. With classes basis' = L^-1 basis, and the scales
 * stay.
 *
 * Where weights are generated from the layer (task_generated.h), they are the new model's for good: its
 * network is the same whatever comes later. It reads phi = L phi' / sqrt(tau), so that this is in the weights
 * of its first layer.
 * Layer: engine/network
 * Threads: any.
 * Memory: the caller's. */
#ifndef ENGINE_NETWORK_TASK_POSTERIOR_H
#define ENGINE_NETWORK_TASK_POSTERIOR_H

#include "engine/network/task_head.h"

#include <stddef.h>

/* What the task's own model is made of: as the model, but for a network whose weights are generated, which
 * is a shared one. Texts stay the model's. */
void task_posterior_spec(const struct model_spec *spec, struct model_spec *out);

/* Reals that the changed tensors take. */
size_t task_posterior_len(const struct model_spec *spec);

/* *out: the params of the task's own model, of task_posterior_spec; what changed is in room, the rest views
 * that of the model. The layer is solved from n_known rows, so that with as many more the quantiles of errors
 * are those of more. */
void task_posterior(const struct model_spec *spec, const struct model_params *params,
                    const struct task_layer *layer, size_t n_known, real *room, struct model_params *out);

#endif
