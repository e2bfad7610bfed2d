/* small_solve - Cholesky's factor of small positive definite matrices and what is solved with it, in double
 * whatever the engine's scalar: a task's equations join a prior of variance 1 with rows whose noise may be a
 * hundredth of it, which float32 would lose.
 *
 * Matrices are packed lower triangles, row by row: element (i, j), j <= i, is at i (i + 1) / 2 + j.
 * Layer: engine/kernels
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_KERNELS_SMALL_SOLVE_H
#define ENGINE_KERNELS_SMALL_SOLVE_H

#include <stdbool.h>
#include <stddef.h>

/* Factors a = L L^T in place; false when a is not positive definite. Cost: n^3 / 6 multiplications. */
bool small_factor(size_t n, double *a);

/* x becomes L^-1 x; x becomes L^-T x. */
void small_forward(size_t n, const double *factor, double *x);
void small_backward(size_t n, const double *factor, double *x);

/* inverse (n, n), whole: of L L^T. */
void small_inverse(size_t n, const double *factor, double *inverse);

#endif
