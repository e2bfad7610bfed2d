/* In its dual form, (X X^T + lambda I) a = y and then X^T a, so that a wide context costs no square of its
 * width. Both sides are centred; lambda is a hundredth of the mean square of a context's distance from the
 * mean, which is little beside what a hundred scores say and enough where there are fewer than dimensions. */
#include "engine/rank/score_proxy.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"

#include <math.h>
#include <string.h>

#define RIDGE 1e-2

/* Takes the mean (d) out of x (n, d). */
static void centre(real *x, size_t n, size_t d, real *mean)
{
    memset(mean, 0, d * sizeof *mean);
    for (size_t i = 0; i < n; i++)
        blas_axpy(d, (real)(1.0 / (double)n), x + i * d, mean);
    for (size_t i = 0; i < n; i++)
        blas_axpy(d, -1, mean, x + i * d);
}

/* a (n) of the centred x and y; false: it is not to be had. */
static bool solve(const real *x, size_t n, size_t d, real *square, real *a)
{
    double trace = 0;
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, n, d, 1, x, d, x, d, 0, square, n);
    for (size_t i = 0; i < n; i++)
        trace += (double)square[i * n + i];
    if (!isfinite(trace))
        return false;
    real ridge = (real)(RIDGE * trace / (double)n + 1e-30);
    for (size_t i = 0; i < n; i++)
        square[i * n + i] += ridge;
    if (!blas_cholesky(n, square, n))
        return false;
    blas_cholesky_solve(n, square, n, 1, a, n);
    return true;
}

enum err_code score_proxy_fit(struct score_proxy *p, real *contexts, const double *scores, size_t n, size_t d,
                              struct err *e)
{
    double mean_score = 0;
    *p = (struct score_proxy){.slopes = mem_zalloc_array(d, sizeof *p->slopes), .d = d};
    real *mean = mem_alloc_array(d, sizeof *mean);         /* (d) */
    real *a = mem_alloc_array(n, sizeof *a);               /* (n) */
    real *square = mem_alloc_array(n, n * sizeof *square); /* (n, n) */
    enum err_code code = ERR_OK;
    if (!p->slopes || !mean || !a || !square)
        code = err_set(e, ERR_NOMEM, "no memory for a fit to %zu scores", n);
    for (size_t i = 0; i < n; i++)
        mean_score += scores[i] / (double)n;
    if (!code && !isfinite(mean_score))
        code = err_set(e, ERR_INVALID, "a score is not finite");
    if (!code) {
        centre(contexts, n, d, mean);
        for (size_t i = 0; i < n; i++)
            a[i] = (real)(scores[i] - mean_score);
        if (solve(contexts, n, d, square, a))
            blas_gemv(BLAS_TRANSPOSED, n, d, 1, contexts, d, a, 0,
                      p->slopes); /* else all are like the mean */
        p->at_zero = mean_score - (double)blas_dot(d, p->slopes, mean);
    }
    mem_free(square);
    mem_free(a);
    mem_free(mean);
    return code;
}

void score_proxy_fini(struct score_proxy *p)
{
    mem_free(p->slopes);
    p->slopes = NULL;
}

double score_proxy_of(const struct score_proxy *p, const real *c)
{
    return p->at_zero + (double)blas_dot(p->d, p->slopes, c);
}
