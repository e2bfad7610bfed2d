/* image_quality - how good a model is at classes that it was not trained on, by episodes: a few classes are
 * drawn, a few images of each are known, others are asked for.
 * Layer: engine/train/image
 * Threads: any.
 * Memory: features of all images that take part. */
#ifndef ENGINE_TRAIN_IMAGE_IMAGE_QUALITY_H
#define ENGINE_TRAIN_IMAGE_IMAGE_QUALITY_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/network/image_model.h"
#include "engine/train/image/image_set.h"

#include <stddef.h>
#include <stdint.h>

/* What makes an episode's last layer of its known images' features. */
enum image_layer {
    IMAGE_GENERATED,  /* the model's class head */
    IMAGE_PROTOTYPES, /* the nearest class mean */
    IMAGE_RIDGE       /* ridge regression, engine/network/class_ridge.h, with a tenth as its share */
};

struct image_episodes {
    size_t from, to; /* classes of the set that are drawn from */
    size_t ways;     /* classes of an episode */
    size_t shots;    /* known images of each, */
    size_t asked;    /* and asked ones */
    size_t n;        /* episodes */
    uint64_t seed;   /* the same seed draws the same episodes, whatever the model and layer: pairs */
    enum image_layer layer;
};

/* accuracy (n): the share of asked images of each episode whose class is the most likely one. ERR_INVALID:
 * the set has too few classes, or a class too few images, or a layer's answer is not finite. ERR_NOMEM. */
enum err_code image_quality(const struct image_model *m, const struct image_set *set,
                            const struct image_episodes *episodes, struct parallel *team, double *accuracy,
                            struct err *e) ERR_MUST_CHECK;

#endif
