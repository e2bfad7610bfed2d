/* trained_task - the network of a task that a model learned: generated from its row of encoder.id, and what
 * it says of inputs.
 * Layer: engine/network
 * Threads: any; workspaces and outputs are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_TRAINED_TASK_H
#define ENGINE_NETWORK_TRAINED_TASK_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#include <stddef.h>
#include <stdint.h>

/* Reals of workspace that both need. */
size_t trained_task_workspace_len(const struct model_spec *spec);

/* Writes theta (theta_layout.len) of a trained task. ERR_INVALID: a generated weight is not finite. */
enum err_code trained_task_generate(const struct model_spec *spec, const struct model_params *params,
                                    size_t task, real *workspace, real *theta, struct err *e) ERR_MUST_CHECK;

/* Probabilities of the first K outputs, the task's classes: p (n, K), of rows x (n, D), n at least 1; p has
 * room for (n, O). Returns the first row whose probabilities are not finite, as weights that are too large
 * make them; n: all are. */
size_t trained_task_answer(const struct model_spec *spec, const struct model_params *params,
                           const real *theta, size_t n_classes, const real *x, size_t n, real *workspace,
                           real *p);

/* Of rows with classes y (n), how many are the most probable one. p (n, K) is as above. */
size_t trained_task_n_right(const real *p, const uint32_t *y, size_t n, size_t n_classes);

/* The class of the largest of p (K), and the entropy of p in nats. */
size_t trained_task_best(const real *p, size_t n_classes);
double trained_task_entropy(const real *p, size_t n_classes);

/* The model of one task alone, whose network is the file's own: views of the spec, the parameters and theta,
 * whose chunked layers are then shared ones. Nothing of it is freed. */
void trained_task_alone(const struct model_spec *spec, const struct model_params *params, size_t task,
                        const real *theta, struct model_spec *out, struct model_params *alone);

#endif
