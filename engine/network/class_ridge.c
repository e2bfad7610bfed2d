#include "engine/network/class_ridge.h"

#include "engine/kernels/small_solve.h"

#include <string.h>

size_t class_ridge_workspace_len(size_t d_features)
{
    return d_features * (d_features + 1) / 2 + d_features;
}

/* The lower triangle of phi^T phi + lambda 1; false: lambda is not above 0. */
static bool add_squares(const real *features, size_t n, size_t f, double share, double *triangle)
{
    double trace = 0;
    memset(triangle, 0, f * (f + 1) / 2 * sizeof *triangle);
    for (size_t i = 0; i < n; i++, features += f)
        for (size_t j = 0, at = 0; j < f; j++)
            for (size_t k = 0; k <= j; k++)
                triangle[at++] += (double)features[j] * (double)features[k];
    for (size_t j = 0; j < f; j++)
        trace += triangle[j * (j + 1) / 2 + j];
    for (size_t j = 0; j < f; j++)
        triangle[j * (j + 1) / 2 + j] += share * trace / (double)n;
    return trace > 0;
}

bool class_ridge(const real *features, const size_t *classes, size_t n, size_t d_features, size_t n_classes,
                 double share, double *workspace, real *weight)
{
    size_t f = d_features;
    double *triangle = workspace, *row = triangle + f * (f + 1) / 2;
    if (!add_squares(features, n, f, share, triangle) || !small_factor(f, triangle))
        return false;
    for (size_t k = 0; k < n_classes; k++) {
        memset(row, 0, f * sizeof *row);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; classes[i] == k && j < f; j++)
                row[j] += (double)features[i * f + j];
        small_forward(f, triangle, row);
        small_backward(f, triangle, row);
        for (size_t j = 0; j < f; j++)
            weight[k * f + j] = (real)row[j];
    }
    return true;
}
