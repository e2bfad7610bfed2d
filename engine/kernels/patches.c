/* Channels lie side by side, so that three pixels of a row are one run of 3 d numbers: but for the border a
 * patch is three copies. */
#include "engine/kernels/patches.h"

#include <string.h>

/* One row of the surroundings of all pixels of a row of the image: row (width, d), to (width, 9 d) with
 * its 3 d in each. */
static void row_of_three(const real *row, size_t width, size_t d, real *to)
{
    size_t stride = PATCH_TAPS * d;
    for (size_t x = 0; x < width; x++, to += stride) {
        size_t from = x ? x - 1 : 0, end = x + 2 < width ? x + 2 : width;
        if (x == 0)
            memset(to, 0, d * sizeof *to);
        memcpy(to + (x ? 0 : d), row + from * d, (end - from) * d * sizeof *to);
        if (x + 1 == width)
            memset(to + 2 * d, 0, d * sizeof *to);
    }
}

/* The same of an image of one channel, where a copy of three numbers is a call too many. */
static void row_of_three_single(const real *row, size_t width, real *to)
{
    real left = 0, middle = row[0];
    for (size_t x = 0; x < width; x++, to += PATCH_TAPS) {
        real right = x + 1 < width ? row[x + 1] : 0;
        to[0] = left;
        to[1] = middle;
        to[2] = right;
        left = middle;
        middle = right;
    }
}

static void row_of_zeros(size_t width, size_t d, real *to)
{
    for (size_t x = 0; x < width; x++, to += PATCH_TAPS * d)
        memset(to, 0, 3 * d * sizeof *to);
}

void patches_of(const real *x, size_t height, size_t width, size_t d, real *out)
{
    for (size_t y = 0; y < height; y++, out += width * PATCH_TAPS * d)
        for (size_t tap = 0; tap < 3; tap++) {
            real *to = out + tap * 3 * d;
            if (y + tap < 1 || y + tap > height)
                row_of_zeros(width, d, to);
            else if (d == 1)
                row_of_three_single(x + (y + tap - 1) * width, width, to);
            else
                row_of_three(x + (y + tap - 1) * width * d, width, d, to);
        }
}
