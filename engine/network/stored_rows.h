/* stored_rows - of which trained task may a row be? By a few rows of each that the model file has: kernel
 * ridge regression of their classes, one against all others of all tasks,
 *
 * score(x, c) = sum over stored rows r of weight(r, c) exp(-width |x - r|^2)
 *
 * and a task's score is that of its likeliest class: near 1 close to rows of it, 0 far from all. It reads
 * rows alone, so that tasks which are learned later move nothing of it but by what rows they bring.
 * engine/train/continual/stored_rows_fit.h makes weight and width.
 * Layer: engine/network
 * Threads: any; workspaces and outputs are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_STORED_ROWS_H
#define ENGINE_NETWORK_STORED_ROWS_H

#include "engine/format/model_spec.h"

#include <stddef.h>

/* Squared distances (n, m) of the rows of x (n, D) from those of y (m, D); 0 at least. */
void stored_rows_distances(const real *x, size_t n, const real *y, size_t m, size_t d, real *out);

/* Reals of workspace. */
size_t stored_rows_workspace_len(const struct model_spec *spec);

/* Writes scores (n, T) of rows x (n, D), T the trained tasks. The model has rows of each of them
 * (trained_spec_guesses). */
void stored_rows_scores(const struct model_spec *spec, const struct model_params *params, const real *x,
                        size_t n, real *workspace, real *scores);

#endif
