/* image_set - images by classes, as training and evaluation read them.
 * Layer: engine/train/image
 * Threads: immutable once filled.
 * Memory: the caller's. */
#ifndef ENGINE_TRAIN_IMAGE_IMAGE_SET_H
#define ENGINE_TRAIN_IMAGE_IMAGE_SET_H

#include "engine/kernels/real.h"

#include <stddef.h>

struct image_set {
    size_t height, width, n_channels;
    size_t n_classes;
    const real *pixels;  /* (images, height, width, channels), class after class */
    const size_t *start; /* (n_classes + 1) the images of class k are [start[k], start[k + 1]) */
};

#endif
