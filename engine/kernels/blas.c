/* Thin wrappers rather than cblas calls all over: one place casts sizes to int, and one place chooses between
 * the float and the double routines. LAPACK is column-major: the lower triangle of our row-major matrix is
 * its upper one, and the rows of b are its columns, so nothing is copied. */
#include "engine/kernels/blas.h"

#include "engine/kernels/blas_memory.h"

#include <cblas.h>
#include <stdlib.h>
#include <strings.h>

#ifdef ENGINE_DOUBLE
#define BLAS(name)   cblas_d##name
#define LAPACK(name) d##name##_
#else
#define BLAS(name)   cblas_s##name
#define LAPACK(name) s##name##_
#endif

/* Fortran's LAPACK, as OpenBLAS carries it. */
void LAPACK(potrf)(const char *uplo, const int *n, real *a, const int *lda, int *info);
void LAPACK(potri)(const char *uplo, const int *n, real *a, const int *lda, int *info);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info);

const char *blas_better_coretype(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    const char *core = openblas_get_corename();
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    bool picked = !strcasecmp(core, "SkylakeX") || !strcasecmp(core, "Cooperlake") ||
                  !strcasecmp(core, "SapphireRapids");
    if (avx512 && !picked)
        return "SkylakeX";
#endif
    return NULL;
}

void blas_use_one_thread(void)
{
    /* The OpenMP flavour ignores openblas_set_num_threads and reads the variable at its first parallel
     * region. */
    (void)setenv("OMP_NUM_THREADS", "1", 0);
    openblas_set_num_threads(1);
}

const char *blas_corename(void)
{
    return openblas_get_corename();
}

const char *blas_config(void)
{
    return openblas_get_config();
}

static CBLAS_TRANSPOSE op(enum blas_op o)
{
    return o == BLAS_TRANSPOSED ? CblasTrans : CblasNoTrans;
}

void blas_gemm(enum blas_op op_a, enum blas_op op_b, size_t m, size_t n, size_t k, real alpha, const real *a,
               size_t lda, const real *b, size_t ldb, real beta, real *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    blas_memory_enter();
    BLAS(gemm)
    (CblasRowMajor, op(op_a), op(op_b), (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c,
     (int)ldc);
    blas_memory_leave();
}

void blas_gemv(enum blas_op op_a, size_t m, size_t n, real alpha, const real *a, size_t lda, const real *x,
               real beta, real *y)
{
    if (m == 0 || n == 0)
        return;
    blas_memory_enter();
    BLAS(gemv)(CblasRowMajor, op(op_a), (int)m, (int)n, alpha, a, (int)lda, x, 1, beta, y, 1);
    blas_memory_leave();
}

void blas_ger(size_t m, size_t n, real alpha, const real *x, const real *y, real *a, size_t lda)
{
    blas_memory_enter();
    BLAS(ger)(CblasRowMajor, (int)m, (int)n, alpha, x, 1, y, 1, a, (int)lda);
    blas_memory_leave();
}

real blas_dot(size_t n, const real *x, const real *y)
{
    return BLAS(dot)((int)n, x, 1, y, 1);
}

void blas_axpy(size_t n, real alpha, const real *x, real *y)
{
    BLAS(axpy)((int)n, alpha, x, 1, y, 1);
}

void blas_scale(size_t n, real alpha, real *x)
{
    BLAS(scal)((int)n, alpha, x, 1);
}

void blas_syrk(size_t n, size_t k, real alpha, const real *x, size_t ldx, real *a, size_t lda)
{
    if (n == 0 || k == 0)
        return;
    blas_memory_enter();
    BLAS(syrk)(CblasRowMajor, CblasLower, CblasTrans, (int)n, (int)k, alpha, x, (int)ldx, 1, a, (int)lda);
    blas_memory_leave();
}

bool blas_cholesky(size_t n, real *a, size_t lda)
{
    int order = (int)n, stride = (int)lda, info = 0;
    blas_memory_enter();
    LAPACK(potrf)("U", &order, a, &stride, &info);
    blas_memory_leave();
    return info == 0;
}

bool blas_cholesky_inverse(size_t n, real *factor, size_t lda)
{
    int order = (int)n, stride = (int)lda, info = 0;
    blas_memory_enter();
    LAPACK(potri)("U", &order, factor, &stride, &info);
    blas_memory_leave();
    return info == 0;
}

/* The lengths that LAPACK asks for (dsyevd, jobz V). */
size_t blas_eigen_work_len(size_t n)
{
    return 1 + 6 * n + 2 * n * n;
}

size_t blas_eigen_integers_len(size_t n)
{
    return 3 + 5 * n;
}

bool blas_eigen(size_t n, double *a, double *values, double *work, int *integers)
{
    int order = (int)n, n_work = (int)blas_eigen_work_len(n), n_integers = (int)blas_eigen_integers_len(n),
        info = 0;
    blas_memory_enter();
    dsyevd_("V", "U", &order, a, &order, values, work, &n_work, integers, &n_integers, &info);
    blas_memory_leave();
    return info == 0;
}

void blas_lower_solve(enum blas_op op_l, size_t n, const real *factor, size_t lda, size_t m, real *b,
                      size_t ldb)
{
    if (m == 0)
        return;
    blas_memory_enter();
    if (m ==
        1) /* the product for many sides packs the whole factor first, which costs more than the solution */
        BLAS(trsv)(CblasRowMajor, CblasLower, op(op_l), CblasNonUnit, (int)n, factor, (int)lda, b, 1);
    else
        BLAS(trsm)
    (CblasRowMajor, CblasRight, CblasLower, op(op_l) == CblasTrans ? CblasNoTrans : CblasTrans, CblasNonUnit,
     (int)m, (int)n, 1, factor, (int)lda, b, (int)ldb);
    blas_memory_leave();
}

void blas_lower_solve_columns(size_t n, const real *factor, size_t lda, size_t m, real *b, size_t ldb)
{
    if (n == 0 || m == 0)
        return;
    blas_memory_enter();
    BLAS(trsm)
    (CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)n, (int)m, 1, factor, (int)lda, b,
     (int)ldb);
    blas_memory_leave();
}

void blas_cholesky_solve(size_t n, const real *factor, size_t lda, size_t m, real *b, size_t ldb)
{
    blas_lower_solve(BLAS_AS_IS, n, factor, lda, m, b, ldb);
    blas_lower_solve(BLAS_TRANSPOSED, n, factor, lda, m, b, ldb);
}
