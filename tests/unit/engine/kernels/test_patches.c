/* engine/kernels/patches.c beside a loop over single numbers. Risk: a border that is not zeros, or the
 * copy of a row that reads the next one. */
#include "engine/kernels/patches.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#include <stdlib.h>

static const struct {
    size_t height, width, d;
} sizes[] = {{1, 1, 1}, {1, 1, 3}, {1, 4, 1},  {4, 1, 2},  {2, 2, 1},
             {3, 5, 1}, {3, 5, 4}, {7, 7, 48}, {28, 28, 1}};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

/* The number at (y, x, k), 0 beyond the border. */
static real at(const real *x, size_t i, long row, long column, size_t k)
{
    long height = (long)sizes[i].height, width = (long)sizes[i].width;
    if (row < 0 || row >= height || column < 0 || column >= width)
        return 0;
    return x[((size_t)(row * width + column)) * sizes[i].d + k];
}

START_TEST(each_row_is_a_pixel_with_its_surroundings)
{
    size_t height = sizes[_i].height, width = sizes[_i].width, d = sizes[_i].d, n = height * width * d;
    real *x = malloc(n * sizeof *x), *out = malloc(n * PATCH_TAPS * sizeof *out), *next = out;
    struct rng rng;
    rng_init(&rng, 3, (uint64_t)_i);
    ck_assert(x && out);
    for (size_t i = 0; i < n; i++)
        x[i] = (real)rng_normal(&rng);
    for (size_t i = 0; i < n * PATCH_TAPS; i++)
        out[i] = -1e9;
    patches_of(x, height, width, d, out);
    for (size_t y = 0; y < height; y++)
        for (size_t column = 0; column < width; column++)
            for (size_t tap = 0; tap < PATCH_TAPS; tap++)
                for (size_t k = 0; k < d; k++, next++)
                    ck_assert(*next ==
                              at(x, (size_t)_i, (long)(y + tap / 3) - 1, (long)(column + tap % 3) - 1, k));
    free(x);
    free(out);
}
END_TEST

SUITE("patches", NULL, NULL, {each_row_is_a_pixel_with_its_surroundings, N_SIZES})
