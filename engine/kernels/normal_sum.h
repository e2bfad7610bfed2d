/* normal_sum - the equation of a weighted least squares, (A + ridge Id) x = b, summed row by row and solved:
 * a row of iALS, the fold-in of a user and of an item.
 * Rows are gathered and added NORMAL_CHUNK_ROWS at a time by one symmetric product, so that a sum of however
 * many rows has a fixed workspace. The order of the rows decides the last bits, nothing else.
 * Layer: engine/kernels
 * Threads: confined.
 * Memory: the caller's: a, b and chunk stay the caller's. */
#ifndef ENGINE_KERNELS_NORMAL_SUM_H
#define ENGINE_KERNELS_NORMAL_SUM_H

#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>

enum { NORMAL_CHUNK_ROWS = 64 };

struct normal_sum {
    size_t d;
    size_t n_waiting; /* rows in chunk that are not in a yet */
    real *a;          /* (d, d) the lower triangle */
    real *b;          /* (d) */
    real *chunk;      /* (NORMAL_CHUNK_ROWS, d) */
};

/* Reals of a and chunk together: the two that are workspace only. */
size_t normal_workspace_len(size_t d);

/* a = gram (d, d), b = 0. workspace: normal_workspace_len(d) reals. */
void normal_start(struct normal_sum *s, size_t d, const real *gram, real *workspace, real *b);

/* a += w v v^T, b += by v. */
void normal_add(struct normal_sum *s, const real *v, real w, real by);

/* a is whole: no row is waiting. */
void normal_end(struct normal_sum *s);

/* Solves it: b becomes x. False where a + ridge Id is not positive definite in floating point; b is then of
 * no use. */
bool normal_solve(struct normal_sum *s, real ridge);

#endif
