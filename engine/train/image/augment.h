/* augment - images as they might have been drawn: turned by quarters, which makes other classes of them, and
 * moved, turned, sheared and stretched a little, which does not.
 * Layer: engine/train/image
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_TRAIN_IMAGE_AUGMENT_H
#define ENGINE_TRAIN_IMAGE_AUGMENT_H

#include "base/rng.h"
#include "engine/kernels/real.h"

#include <stddef.h>

/* How far the small maps go at most. */
struct augment {
    double turn;    /* radians */
    double shear;   /* of the other axis */
    double stretch; /* factor 1 - stretch to 1 + stretch, of each axis */
    double move;    /* share of the side */
};

/* out = x, both (height, width, d), turned by `quarters` of a full turn and by a map drawn from r; what comes
 * from beyond the border is 0. With an odd number of quarters height and width must be the same. */
void augment_image(const struct augment *a, struct rng *r, unsigned quarters, const real *x, size_t height,
                   size_t width, size_t d, real *out);

#endif
