/* The data's part of the matrix is gathered first and alone, because it is needed twice: in the equation and in
 * what the mean already explains. Factors are gathered in chunks, a symmetric product each; the packed
 * covariances are summed as they lie and unfolded once. */
#include "engine/encoder_ratings.h"

#include "engine/blas.h"
#include "engine/model_spec.h"

#include <math.h>
#include <string.h>

enum { CHUNK_ROWS = 64 };

/* Lower triangle a (d, d), mean (d), a product (d), a packed sum and a chunk of factors. */
size_t encoder_ratings_workspace_len(size_t d)
{
    return d * d + 2 * d + model_spec_packed(d) + CHUNK_ROWS * d;
}

/* a += sum v v^T (lower), sum += packed covariances, b += sum (r - offset) v. */
static void add_ratings(const struct encoder_ratings *r, const struct encoder_interaction *x, size_t n,
                        real *a, real *sum, real *chunk, real *b)
{
    size_t d = r->d, packed = model_spec_packed(d), rows = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i].rating))
            continue;
        const real *v = r->factor + x[i].item * d;
        memcpy(chunk + rows * d, v, d * sizeof *v);
        blas_axpy(d, (real)x[i].rating - r->offset[x[i].item], v, b);
        blas_axpy(packed, 1, r->covariance + x[i].item * packed, sum);
        if (++rows == CHUNK_ROWS) {
            blas_syrk(d, rows, 1, chunk, d, a, d);
            rows = 0;
        }
    }
    if (rows)
        blas_syrk(d, rows, 1, chunk, d, a, d);
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

bool encoder_ratings_solve(const struct encoder_ratings *r, const struct encoder_interaction *interactions,
                           size_t n, const real *mean1, const real *mean2, real *workspace, real *g)
{
    size_t d = r->d;
    real *a = workspace, *mean = a + d * d, *product = mean + d, *sum = product + d,
         *chunk = sum + model_spec_packed(d);
    memset(workspace, 0, (size_t)(chunk - workspace) * sizeof *workspace);
    memset(g, 0, d * sizeof *g);
    add_ratings(r, interactions, n, a, sum, chunk, g);
    unfold(d, sum, a, g);
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
