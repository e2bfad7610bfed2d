/* image_pixels - one image as JSON has it, as the pixels that a model takes: an array of rows of numbers (of
 * arrays of channels where there are several), or the base64 text of a PNG.
 * Layer: server/images
 * Threads: any.
 * Memory: of a PNG its bytes and pixels once, while it is read. */
#ifndef SERVER_IMAGES_IMAGE_PIXELS_H
#define SERVER_IMAGES_IMAGE_PIXELS_H

#include "base/err.h"
#include "engine/format/image_spec.h"
#include "engine/kernels/real.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Where in an image something is wrong: a row, a column of it, a channel of that; -1: not so deep. */
struct image_place {
    long at[3];
};

/* out (height, width, channels): least of the model's training is 0, most is 1. ERR_INVALID says what was
 * expected; ERR_NOMEM. */
enum err_code image_pixels_read(const struct image_model_spec *m, const json_t *value, real *out,
                                struct image_place *where, struct err *e) ERR_MUST_CHECK;

#endif
