/* episode - the loss of an episode: some images of each of a few classes, of which some are known and the
 * others are asked for; and its gradient.
 *
 * Features of the images are made once. The images of a class are then split several times over, each time
 * into other known and asked ones: what a split costs is small beside the features.
 * Layer: engine/train/image
 * Threads: a struct episode is confined to its thread.
 * Memory: a few matrices of the classes and of the images that are asked for. */
#ifndef ENGINE_TRAIN_IMAGE_EPISODE_H
#define ENGINE_TRAIN_IMAGE_EPISODE_H

#include "base/err.h"
#include "engine/network/class_head.h"

#include <stddef.h>
#include <stdint.h>

/* How the images of each class are split: the first `shots` of its order are known. */
struct episode_split {
    size_t shots;          /* 1 to n_images - 1 */
    const uint32_t *order; /* (K, n_images) of each class a permutation of its images */
};

struct episode {
    const struct class_head_spec *spec;
    size_t n_classes; /* K */
    size_t n_images;  /* of a class */
    struct episode_private *private;
};

enum err_code episode_init(struct episode *ep, const struct class_head_spec *spec, size_t n_classes,
                           size_t n_images, struct err *e) ERR_MUST_CHECK;
void episode_fini(struct episode *ep); /* a zeroed one is allowed */

/* The mean over the asked images of a split of -log p(class), from features (K, n_images, F). grads NULL:
 * nothing else. Otherwise `weight` times the gradient is added to grads and to dfeatures, of the features'
 * shape. *n_right, may be NULL: of how many asked images the class is the most likely one. */
double episode_loss(struct episode *ep, const struct class_head_params *params, const real *features,
                    const struct episode_split *split, double weight, const struct class_head_params *grads,
                    real *dfeatures, size_t *n_right);

#endif
