/* conv - features of images: 3 x 3 convolutions with ReLU and the largest of each square (engine/format/
 * image_spec.h), as they are served. What normalised them in training is in weight and bias.
 * An image's features do not depend on the images beside it, to the last bit.
 * Layer: engine/network
 * Threads: any; workspaces are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_CONV_H
#define ENGINE_NETWORK_CONV_H

#include "engine/format/image_spec.h"
#include "engine/kernels/real.h"

#include <stddef.h>

struct conv_params {
    const real *weight[LIMIT_LAYERS]; /* (d_out, 3, 3, d_in) */
    const real *bias[LIMIT_LAYERS];   /* (d_out) */
};

/* Reals that conv_features needs. */
size_t conv_workspace_len(const struct image_spec *spec);

/* out (n, image_spec_d_features) of images x (n, height, width, channels). */
void conv_features(const struct image_spec *spec, const struct conv_params *params, const real *x, size_t n,
                   real *workspace, real *out);

#endif
