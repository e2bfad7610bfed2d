/* png_image - a PNG as pixels from 0 to 1. Its size is held against what is expected before it is decoded,
 * and nothing is inflated but its pixels, so that no file, however small, takes more memory or time than
 * an image of the expected size.
 * Layer: server/images
 * Threads: any.
 * Memory: one image and a copy of the file, while it is decoded, and what libpng takes. */
#ifndef SERVER_IMAGES_PNG_IMAGE_H
#define SERVER_IMAGES_PNG_IMAGE_H

#include "base/err.h"
#include "engine/format/image_spec.h"
#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether bytes begin as a PNG does. */
bool png_image_is(const unsigned char *bytes, size_t n);

/* out (height, width, channels) of the spec: grey, grey and alpha, red-green-blue, or that and alpha;
 * colours are made grey for one channel, palettes and 1 to 16 bits are understood. What is transparent is
 * black where there is no channel for it. ERR_INVALID: no PNG, one of another size, with more bytes than
 * one of that size may have, in the file or of pixels, or a damaged one; ERR_NOMEM. */
enum err_code png_image_read(const struct image_spec *spec, const unsigned char *bytes, size_t n, real *out,
                             struct err *e) ERR_MUST_CHECK;

#endif
