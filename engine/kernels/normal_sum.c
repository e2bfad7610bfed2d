#include "engine/kernels/normal_sum.h"

#include "engine/kernels/blas.h"

#include <math.h>
#include <string.h>

size_t normal_workspace_len(size_t d)
{
    return d * d + NORMAL_CHUNK_ROWS * d;
}

void normal_start(struct normal_sum *s, size_t d, const real *gram, real *workspace, real *b)
{
    *s = (struct normal_sum){.d = d, .a = workspace, .b = b, .chunk = workspace + d * d};
    memcpy(s->a, gram, d * d * sizeof *gram);
    memset(b, 0, d * sizeof *b);
}

void normal_add(struct normal_sum *s, const real *v, real w, real by)
{
    real *row = s->chunk + s->n_waiting * s->d, root = (real)sqrt((double)w);
    for (size_t j = 0; j < s->d; j++)
        row[j] = root * v[j];
    blas_axpy(s->d, by, v, s->b);
    if (++s->n_waiting == NORMAL_CHUNK_ROWS)
        normal_end(s);
}

void normal_end(struct normal_sum *s)
{
    if (s->n_waiting)
        blas_syrk(s->d, s->n_waiting, 1, s->chunk, s->d, s->a, s->d);
    s->n_waiting = 0;
}

bool normal_solve(struct normal_sum *s, real ridge)
{
    size_t d = s->d;
    normal_end(s);
    for (size_t i = 0; i < d; i++)
        s->a[i * d + i] += ridge;
    if (!blas_cholesky(d, s->a, d))
        return false;
    blas_cholesky_solve(d, s->a, d, 1, s->b, d);
    return true;
}
