#include "engine/kernels/small_solve.h"

#include <math.h>
#include <string.h>

static double *row_of(const double *a, size_t i)
{
    return (double *)a + i * (i + 1) / 2;
}

static double dot(size_t n, const double *x, const double *y)
{
    double sums[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++)
            sums[k] += x[i + k] * y[i + k];
    for (; i < n; i++)
        sums[0] += x[i] * y[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

bool small_factor(size_t n, double *a)
{
    for (size_t i = 0; i < n; i++) {
        double *row = row_of(a, i);
        for (size_t j = 0; j < i; j++) {
            const double *other = row_of(a, j);
            row[j] = (row[j] - dot(j, row, other)) / other[j];
        }
        double rest = row[i] - dot(i, row, row);
        if (!(rest > 0) || !isfinite(rest))
            return false;
        row[i] = sqrt(rest);
    }
    return true;
}

void small_forward(size_t n, const double *factor, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - dot(i, row_of(factor, i), x)) / row_of(factor, i)[i];
}

void small_backward(size_t n, const double *factor, double *x)
{
    for (size_t i = n; i-- > 0;) {
        const double *row = row_of(factor, i);
        x[i] /= row[i];
        for (size_t j = 0; j < i; j++)
            x[j] -= row[j] * x[i];
    }
}

void small_inverse(size_t n, const double *factor, double *inverse)
{
    memset(inverse, 0, n * n * sizeof *inverse);
    for (size_t k = 0; k < n; k++) {
        double *column = inverse + k * n; /* symmetric: a row is a column */
        column[k] = 1;
        small_forward(n, factor, column);
        small_backward(n, factor, column);
    }
}
