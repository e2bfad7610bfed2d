/* patches - the 3 x 3 surroundings of each pixel as rows of a matrix (im2col), so that a convolution is one
 * product.
 * Layer: engine/kernels
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_KERNELS_PATCHES_H
#define ENGINE_KERNELS_PATCHES_H

#include "engine/kernels/real.h"

#include <stddef.h>

enum { PATCH_TAPS = 9 };

/* out (height * width, 9 * d) of an image x (height, width, d): row by row, column by column of the
 * surroundings, zeros beyond the border. */
void patches_of(const real *x, size_t height, size_t width, size_t d, real *out);

#endif
