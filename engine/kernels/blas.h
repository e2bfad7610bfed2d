/* blas - the one door to OpenBLAS: the few products the engine needs, row-major, on its scalar. Sizes: every
 * dimension fits an int (LIMIT_DIM is far below).
 * Layer: engine/kernels
 * Threads: any; each product runs in the calling thread (blas_use_one_thread), parallelism is the caller's.
 * Memory: none of ours. */
#ifndef ENGINE_KERNELS_BLAS_H
#define ENGINE_KERNELS_BLAS_H

#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>

enum blas_op { BLAS_AS_IS, BLAS_TRANSPOSED };

/* OpenBLAS 0.3.21 does not know newer CPUs and then picks kernels for older ones, at half the speed. Returns
 * the value of OPENBLAS_CORETYPE that suits this CPU better than what was picked, or NULL. The library reads
 * the variable when it is loaded, so a program that wants it sets it and executes itself again. */
const char *blas_better_coretype(void);

/* One thread a product, whatever the flavour of the library or the environment says. Call once at start. */
void blas_use_one_thread(void);

/* Name of the kernels in use and the build's configuration; static storage. */
const char *blas_corename(void);
const char *blas_config(void);

/* c (m, n) = alpha op(a) op(b) + beta c, op(a) is (m, k), op(b) is (k, n); ld*: elements from row to row. */
void blas_gemm(enum blas_op op_a, enum blas_op op_b, size_t m, size_t n, size_t k, real alpha, const real *a,
               size_t lda, const real *b, size_t ldb, real beta, real *c, size_t ldc);

/* y = alpha op(a) x + beta y for a (m, n). */
void blas_gemv(enum blas_op op_a, size_t m, size_t n, real alpha, const real *a, size_t lda, const real *x,
               real beta, real *y);

/* a (m, n) += alpha x y^T */
void blas_ger(size_t m, size_t n, real alpha, const real *x, const real *y, real *a, size_t lda);

real blas_dot(size_t n, const real *x, const real *y);
void blas_axpy(size_t n, real alpha, const real *x, real *y);
void blas_scale(size_t n, real alpha, real *x);

/* Lower triangle of a (n, n) += alpha x^T x for x (k, n). */
void blas_syrk(size_t n, size_t k, real alpha, const real *x, size_t ldx, real *a, size_t lda);

/* Factors the symmetric positive definite a (n, n), of which the lower triangle is given, in place (a = L
 * L^T); false when it is not positive definite. */
bool blas_cholesky(size_t n, real *a, size_t lda);

/* From that factor to the lower triangle of the inverse of a, in place; false when a is singular. */
bool blas_cholesky_inverse(size_t n, real *factor, size_t lda);

/* Eigenvalues of the symmetric a (n, n), of which the lower triangle is given, in rising order; the rows of a
 * become the eigenvectors. In double whatever the scalar. work and integers have the lengths that follow.
 * False where LAPACK gives up. */
bool blas_eigen(size_t n, double *a, double *values, double *work, int *integers);
size_t blas_eigen_work_len(size_t n);
size_t blas_eigen_integers_len(size_t n);

/* The rows of b (m, n) become those of the solutions y of op(L) y = b, L (n, n) being a factor as above; in
 * place. */
void blas_lower_solve(enum blas_op op_l, size_t n, const real *factor, size_t lda, size_t m, real *b,
                      size_t ldb);

/* b (n, m) becomes L^-1 b, in place. */
void blas_lower_solve_columns(size_t n, const real *factor, size_t lda, size_t m, real *b, size_t ldb);

/* Solves for m right-hand sides, the rows of b (m, n), in place, with the factor above. */
void blas_cholesky_solve(size_t n, const real *factor, size_t lda, size_t m, real *b, size_t ldb);

#endif
