/* image_spec - images as they are read, and the convolutions that make features of them.
 *
 * An image is (height, width, channels), row by row, the channels of a pixel side by side. A layer is a 3 x 3
 * convolution with a border of zeros, then ReLU, then the largest of each 2 x 2 square; an odd last row or
 * column falls away. Its weight is (d_out, 3, 3, d_in): row, column, channel.
 * Layer: engine/format
 * Threads: immutable once filled.
 * Memory: plain structs. */
#ifndef ENGINE_FORMAT_IMAGE_SPEC_H
#define ENGINE_FORMAT_IMAGE_SPEC_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

enum { CONV_SIDE = 3, CONV_TAPS = CONV_SIDE * CONV_SIDE };

struct image_spec {
    size_t height, width, n_channels;
    size_t n_layers;
    size_t d_out[LIMIT_LAYERS]; /* channels that each layer gives */
};

/* A model that tells classes apart which each task names itself; see engine/network/image_model.h. */
struct image_model_spec {
    bool present;
    struct image_spec images;
    size_t d_hidden;    /* of the class head */
    double least, most; /* of a pixel in training: a value v is read as (v - least) / (most - least) */
};

/* What one layer reads and gives. */
struct conv_shape {
    size_t height, width, d_in, d_out; /* of its input; it gives (height / 2, width / 2, d_out) */
};

/* ERR_INVALID names the first fault: a size that is 0 or over its limit, or an image that is smaller than its
 * layers halve it. */
enum err_code image_spec_check(const struct image_spec *spec, struct err *e) ERR_MUST_CHECK;

#define IMAGE_PIXEL_MOST 1e30 /* that a file of images has, up to its sign */

/* Whether a pixel may be shown to a model: it is beyond the range of training by no more than its width, or
 * the image is on another scale. model NULL: it is to be trained, and takes what it can hold. */
bool image_pixel_possible(const struct image_model_spec *model, double value);

/* The layers' shapes, of a checked spec. */
void image_spec_shapes(const struct image_spec *spec, struct conv_shape out[LIMIT_LAYERS]);

/* Numbers of an image, and of its features. */
size_t image_spec_d_image(const struct image_spec *spec);
size_t image_spec_d_features(const struct image_spec *spec);

/* Numbers of a layer's weight, (d_out, 3, 3, d_in), and of what it gives of an image before and after the
 * squares are taken. */
size_t conv_shape_weight(const struct conv_shape *s);
size_t conv_shape_whole(const struct conv_shape *s);
size_t conv_shape_pooled(const struct conv_shape *s);

#endif
