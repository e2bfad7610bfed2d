#include "engine/network/stored_rows.h"

#include "engine/kernels/blas.h"

#include <math.h>

enum { BLOCK = 64 }; /* rows at a time */

void stored_rows_distances(const real *x, size_t n, const real *y, size_t m, size_t d, real *out)
{
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, m, d, -2, x, d, y, d, 0, out, m);
    for (size_t j = 0; j < m; j++) {
        real norm = blas_dot(d, y + j * d, y + j * d);
        for (size_t i = 0; i < n; i++)
            out[i * m + j] += norm;
    }
    for (size_t i = 0; i < n; i++) {
        real norm = blas_dot(d, x + i * d, x + i * d), *row = out + i * m;
        for (size_t j = 0; j < m; j++)
            row[j] = row[j] + norm > 0 ? row[j] + norm : 0; /* what is cancelled may be below it */
    }
}

size_t stored_rows_workspace_len(const struct model_spec *spec)
{
    return BLOCK * (trained_spec_n_rows(&spec->trained) + trained_spec_n_classes(&spec->trained));
}

/* The best of each task's classes: p (n, C), scores (n, T). */
static void best_of_tasks(const struct trained_spec *t, const real *p, size_t n, real *scores)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t->n_tasks; k++) {
            real best = *p++;
            for (size_t c = 1; c < t->tasks[k].n; c++, p++)
                best = *p > best ? *p : best;
            *scores++ = best;
        }
}

void stored_rows_scores(const struct model_spec *spec, const struct model_params *params, const real *x,
                        size_t n, real *workspace, real *scores)
{
    const struct trained_spec *t = &spec->trained;
    size_t d = spec->d_item, n_rows = trained_spec_n_rows(t), n_classes = trained_spec_n_classes(t);
    real *kernel = workspace, *p = workspace + BLOCK * n_rows, width = (real)t->width;
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        stored_rows_distances(x + at * d, m, params->stored_rows, n_rows, d, kernel);
        for (size_t i = 0; i < m * n_rows; i++)
            kernel[i] = (real)exp((double)(-width * kernel[i]));
        blas_gemm(BLAS_AS_IS, BLAS_AS_IS, m, n_classes, n_rows, 1, kernel, n_rows, params->stored_weights,
                  n_classes, 0, p, n_classes);
        best_of_tasks(t, p, m, scores + at * t->n_tasks);
    }
}
