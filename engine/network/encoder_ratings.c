/* The data's part of the matrix is gathered first and alone, because it is needed twice: in the equation and
 * in what the mean already explains. Factors are gathered in chunks, a symmetric product each; the packed
 * covariances are summed as they lie and unfolded once. */
#include "engine/network/encoder_ratings.h"

#include "engine/format/model_spec.h"
#include "engine/kernels/blas.h"

#include <math.h>
#include <string.h>

enum { CHUNK_ROWS = 64 };

/* Lower triangle a (d, d), mean (d), a product (d), a packed sum and a chunk of factors. */
size_t encoder_ratings_workspace_len(size_t d)
{
    return d * d + 2 * d + model_spec_packed(d) + CHUNK_ROWS * d;
}

/* a += S', b -= s, from the packed sum; both triangles of a are filled. */
static void unfold(size_t d, const real *sum, real *a, real *b)
{
    const real *row = sum;
    for (size_t i = 0; i < d; row += ++i)
        for (size_t j = 0; j <= i; j++) {
            if (j > 0)
                a[i * d + j] += row[j];
            else if (i > 0)
                b[i] -= row[0];
            a[j * d + i] = a[i * d + j];
        }
}

size_t encoder_ratings_gather(const struct encoder_ratings *r, const struct encoder_interaction *x, size_t n,
                              real *workspace, real *a, real *b, real *packed)
{
    size_t d = r->d, len = model_spec_packed(d), rows = 0, count = 0;
    memset(a, 0, d * d * sizeof *a);
    memset(b, 0, d * sizeof *b);
    memset(packed, 0, len * sizeof *packed);
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i].rating))
            continue;
        const real *v = r->factor + x[i].item * d;
        memcpy(workspace + rows * d, v, d * sizeof *v);
        blas_axpy(d, (real)x[i].rating - r->offset[x[i].item], v, b);
        blas_axpy(len, 1, r->covariance + x[i].item * len, packed);
        count++;
        if (++rows == CHUNK_ROWS) {
            blas_syrk(d, rows, 1, workspace, d, a, d);
            rows = 0;
        }
    }
    if (rows)
        blas_syrk(d, rows, 1, workspace, d, a, d);
    unfold(d, packed, a, b);
    return count;
}

bool encoder_ratings_solve(const struct encoder_ratings *r, const struct encoder_interaction *interactions,
                           size_t n, const real *mean1, const real *mean2, real *workspace, real *g)
{
    size_t d = r->d;
    real *a = workspace, *mean = a + d * d, *product = mean + d, *packed = product + d,
         *chunk = packed + model_spec_packed(d);
    (void)encoder_ratings_gather(r, interactions, n, chunk, a, g, packed);
    memset(mean, 0, d * sizeof *mean);
    if (mean1)
        blas_axpy(d, 1, mean1, mean);
    if (mean2)
        blas_axpy(d, 1, mean2, mean);
    blas_gemv(BLAS_AS_IS, d, d, 1, a, d, mean, 0, product);
    blas_axpy(d, -1, product, g);
    for (size_t i = 0; i < d; i++)
        a[i * d + i] += r->precision[i];
    if (!blas_cholesky(d, a, d))
        return false;
    blas_cholesky_solve(d, a, d, 1, g, d);
    return true;
}
