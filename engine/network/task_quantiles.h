/* task_quantiles - how far the predictions of a model of tasks are off, as it was found in validation.
 *
 * Student's t of a task's layer says how its errors are spread if all that the model assumes holds. Beside it
 * a model file may have quantiles of z = (target - value) / sqrt(spread) of rows that no training saw, for
 * tasks of which 0, 1, 2, 3 to 4, 5 to 8, 9 to 16, 17 to 32 and more rows were known: its table
 * task.calibration, at the probabilities task_quantile_at. Between two of them, and beyond the first and the
 * last, z is linear in the quantile of the normal distribution.
 * Source: split conformal prediction by groups (Vovk 2012), with the table in place of the scores.
 * Layer: engine/network
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_NETWORK_TASK_QUANTILES_H
#define ENGINE_NETWORK_TASK_QUANTILES_H

#include "engine/format/model_spec.h"

extern const double task_quantile_at[TASK_QUANTILES]; /* rising, about one half */

/* The row of the table for a task of which so many rows are known, and the fewest of each row. */
size_t task_quantile_row(size_t n_known);
extern const size_t task_quantile_least[TASK_KNOWN_BUCKETS];

double task_normal_quantile(double probability); /* of the normal distribution, in (0, 1), to 12 digits */

/* z with this probability in (0, 1). table (TASK_KNOWN_BUCKETS, TASK_QUANTILES): params.task_calibration of a
 * model; NULL: of Student's t with so many degrees of freedom. */
double task_quantile(const real *table, size_t n_known, double freedom, double probability);

/* Draws of Student's t as draws of the errors in validation: each goes where its own probability lies in the
 * table. Piecewise linear between nodes, of which the table's own probabilities are some. */
enum {
    TASK_QUANTILE_STEPS = 4,
    TASK_QUANTILE_BEYOND = 6,
    TASK_QUANTILE_NODES = (TASK_QUANTILES - 1) * TASK_QUANTILE_STEPS + 2 * TASK_QUANTILE_BEYOND + 1
};
struct task_quantile_map {
    double t[TASK_QUANTILE_NODES], z[TASK_QUANTILE_NODES]; /* rising */
};
void task_quantile_map_make(const real *table, size_t n_known, double freedom, struct task_quantile_map *out);
double task_quantile_mapped(const struct task_quantile_map *m, double t);

#endif
