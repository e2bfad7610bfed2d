/* task_draws - draws of what a task's rows may turn out to be, by what is known of it: each draw has one
 * scale and one layer for all rows, and a noise of its own for each. Of numbers only.
 *
 * 1 / tau ~ Gamma(a, a tau'), w ~ N(mu, tau M^-1), y = f0 + w phi + N(0, tau s2), with a, tau', mu and M of
 * the layer (engine/network/task_head.h), and f0 with what is generated from mu. So they are spread as
 * its Student's t; where intervals are those of the errors in validation, each draw goes where its own
 * probability lies among these (engine/network/task_quantiles.h), so that quantiles of many draws are the
 * bounds of intervals.
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: a layer a draw and a number a draw and row, which grow to the largest call. */
#ifndef SERVER_TASKS_TASK_DRAWS_H
#define SERVER_TASKS_TASK_DRAWS_H

#include "base/err.h"
#include "base/rng.h"
#include "engine/network/task_quantiles.h"
#include "server/tasks/task_answers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct task_draws {
    size_t n, n_rows;
    double *weights;                          /* (n, M) */
    double *scales;                           /* (n) the square roots of tau */
    double *values;                           /* (n_rows, n) as they are learned */
    size_t weights_capacity, values_capacity; /* of scales as of weights / M */
    double noise;                             /* the square root of s2 */
    bool calibrated;                          /* by errors */
    struct task_quantile_map errors;
    struct rng rng;
};

/* Begins n draws for n_rows rows, of a layer that is solved from n_known rows. The same seed gives the same
 * draws. */
enum err_code task_draws_start(struct task_draws *d, const struct model_spec *spec,
                               const struct model_params *params, const struct task_layer *layer,
                               size_t n_known, size_t n, size_t n_rows, uint64_t seed,
                               struct err *e) ERR_MUST_CHECK;

/* Draws for the rows that the solver answered last (n_rows of them), which are answered in place `from` and
 * on; in their order. */
void task_draws_rows(struct task_draws *d, const struct task_solver *s, const struct task_answers *answers,
                     size_t n_rows, size_t from);
void task_draws_fini(struct task_draws *d); /* zeroed is allowed */

#endif
