/* image_course - trains a model of images on episodes drawn from a set: convolutions and class head together.
 *
 * A step draws classes, each turned by some quarters (which makes it another class), and some images of each,
 * moved a little; makes their features; and splits them into known and asked ones several times. Adam follows
 * the gradient, its rate rising over the first fiftieth of the course and falling along a cosine to 0. The
 * model is the running average of the parameters; means and variances of the normalisation are taken of it
 * once more at the end, over fresh batches, and folded into its weights.
 * Layer: engine/train/image
 * Threads: the caller's, with a team; the same set, options and pace give the same bits whatever the team.
 * Memory: activations of an episode (engine/train/gradient/conv_backward.h) and five times the parameters. */
#ifndef ENGINE_TRAIN_IMAGE_IMAGE_COURSE_H
#define ENGINE_TRAIN_IMAGE_IMAGE_COURSE_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/network/image_model.h"
#include "engine/train/image/augment.h"
#include "engine/train/image/image_set.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The share of the course that is over before a step, from 0; 1 or more ends it. Whoever wants a deadline
 * tells by the clock, whoever wants the same bits by the number of the step. loss: the mean of the step
 * before, NAN before the first. */
typedef double image_pace_fn(void *arg, size_t step, double loss);

struct image_course_options {
    size_t n_layers;
    size_t d_out[LIMIT_LAYERS]; /* channels of each */
    size_t d_hidden;            /* of the class head */
    bool prototypes;            /* nothing is generated: a prototypical network */
    bool quarters;              /* turned images are other classes */
    struct augment augment;
    size_t n_trained; /* the first classes of the set; each has n_images at least */
    size_t ways;      /* classes of an episode */
    size_t n_images;  /* of a class, 2 at least */
    double rate;
    uint64_t seed;
    image_pace_fn *pace;
    void *pace_arg;
};

/* Four layers of 48 channels, episodes of 20 classes with 10 images each, and all that was found good beside
 * them; to be given a set's n_trained, a seed and a pace. */
struct image_course_options image_course_defaults(void);

/* The model of a whole course; image_model_fini frees it. ERR_INVALID: sizes that do not fit the set, or
 * numbers that left what can be computed; ERR_NOMEM. */
enum err_code image_course_run(const struct image_course_options *options, const struct image_set *set,
                               struct parallel *team, struct image_model *out, struct err *e) ERR_MUST_CHECK;

#endif
