/* task_evidence - how likely the targets of rows are by a task's layer, all together: what tells which task
 * rows are of.
 *
 * Of numbers the density of a multivariate Student's t with 2 a degrees of freedom, of the mean f0 + mu . phi
 * and the scale tau (s2 I + Phi M^-1 Phi^T) (task_head.h): rows are of one task, whose layer is not known
 * surely, so they are not independent. Of classes and counts the product of their probabilities.
 * Source: Bishop 2006, 2.3.7.
 * Layer: engine/network
 * Threads: any.
 * Memory: the caller's. */
#ifndef ENGINE_NETWORK_TASK_EVIDENCE_H
#define ENGINE_NETWORK_TASK_EVIDENCE_H

#include "engine/network/task_head.h"

#include <stddef.h>

/* Doubles of room for n rows. */
size_t task_evidence_room(const struct model_spec *spec, size_t n);

/* The logarithm, in nats, of what a layer makes of targets y (n), as they are learned or classes, of rows
 * with f0 (n, O), in it what is generated for the task, and phi (n, M). Cost of numbers: n^3 / 6 +
 * n M^2 / 2. Not finite: it cannot be said. */
double task_evidence(const struct model_spec *spec, const struct model_params *params,
                     const struct task_layer *layer, const real *f0, const real *phi, const double *y,
                     size_t n, double *room);

/* The mean entropy of the classes of the rows, in nats. */
double task_mean_entropy(const struct model_spec *spec, const struct model_params *params,
                         const struct task_layer *layer, const real *f0, const real *phi, size_t n,
                         double *room);

#endif
