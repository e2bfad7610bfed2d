/* conv_backward - convolutions in training: batch normalisation between each and its ReLU, forward with
 * what the backward needs, and backward.
 *
 * Of a layer with input h over all pixels of a batch, per channel, with mean m and variance v of a:
 *
 *   a = W * h    b = scale (a - m) / sqrt(v + epsilon) + shift    out = the largest of each square of ReLU(b)
 *
 * conv_fold writes W and a bias that give the same of given means and variances without the normalisation.
 * Images are cut into the same shards whatever the threads, and sums of shards are taken in order, so that
 * the result depends on the batch only.
 * Source: Ioffe and Szegedy 2015, algorithms 1 and 2.
 * Layer: engine/train/gradient
 * Threads: a tape belongs to the thread that made it; the team's threads work on parts of it.
 * Memory: all activations of n_max images, before the squares are taken and after: of 28 x 28 and four layers
 *   of 48 channels 0.4 MB an image. */
#ifndef ENGINE_TRAIN_GRADIENT_CONV_BACKWARD_H
#define ENGINE_TRAIN_GRADIENT_CONV_BACKWARD_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/format/image_spec.h"
#include "engine/kernels/real.h"

#include <stddef.h>

#define CONV_NORM_EPSILON 1e-5

/* The parameters of a stack in training, or their gradients. */
struct conv_weights {
    struct {
        real *weight;        /* (d_out, 3, 3, d_in) */
        real *scale, *shift; /* (d_out) */
    } layers[LIMIT_LAYERS];
};

struct conv_tape {
    const struct image_spec *spec;
    size_t n_max, n;
    const real *x; /* (n, image_spec_d_image) borrowed: the images of the last forward */
    real *out;     /* (n_max, F) features, out of the forward */
    real *dout;    /* (n_max, F) into the backward */
    struct conv_tape_private *private;
};

/* Reals of all parameters, and where each lies in one block of them. */
size_t conv_weights_len(const struct image_spec *spec);
void conv_weights_at(const struct image_spec *spec, real *block, struct conv_weights *out);

/* The team is borrowed until conv_tape_fini. ERR_NOMEM. */
enum err_code conv_tape_init(struct conv_tape *t, const struct image_spec *spec, size_t n_max,
                             struct parallel *team, struct err *e) ERR_MUST_CHECK;
void conv_tape_fini(struct conv_tape *t); /* a zeroed tape is allowed */

/* Features of images x (n, height, width, channels), normalised by this batch's own means and variances. */
void conv_tape_forward(struct conv_tape *t, const struct conv_weights *weights, const real *x, size_t n);

/* From dout of the last forward; grads are added to. */
void conv_tape_backward(struct conv_tape *t, const struct conv_weights *weights,
                        const struct conv_weights *grads);

/* Means and variances (d_out) of a layer in the last forward; borrowed until the next. */
const real *conv_tape_mean(const struct conv_tape *t, size_t layer);
const real *conv_tape_variance(const struct conv_tape *t, size_t layer);

/* weight (d_out, 3, 3, d_in) and bias (d_out) of a layer as it is served, with these means and variances. */
void conv_fold(const struct image_spec *spec, const struct conv_weights *weights, size_t layer,
               const real *mean, const real *variance, real *weight, real *bias);

#endif
