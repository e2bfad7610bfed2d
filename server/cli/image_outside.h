/* image_outside - whether a model of images is less sure of images that belong to none of a task's classes.
 * Layer: server/cli
 * Threads: confined to the main thread; features are made by a team.
 * Memory: features of all images. */
#ifndef SERVER_CLI_IMAGE_OUTSIDE_H
#define SERVER_CLI_IMAGE_OUTSIDE_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/network/image_model.h"
#include "engine/train/image/image_set.h"

#include <stddef.h>
#include <stdint.h>

enum image_doubt { IMAGE_ENTROPY, IMAGE_NOVELTY, IMAGE_DOUBTS };

/* Areas under the ROC curve, with 95 % intervals over episodes. */
struct image_outside {
    size_t ways, shots, n_images; /* of the others */
    struct {
        double area, low, high;
    } by[IMAGE_DOUBTS];
};

const char *image_doubt_name(enum image_doubt doubt);

/* Episodes of `ways` classes of the set with `shots` known images of each; as many of the others as there are
 * asked ones are drawn for each. out has ways and shots. ERR_INVALID: too few classes or images, or others of
 * another size; ERR_NOMEM. */
enum err_code image_outside_measure(const struct image_model *m, const struct image_set *set,
                                    const struct image_set *others, uint64_t seed, struct parallel *team,
                                    struct image_outside *out, struct err *e) ERR_MUST_CHECK;

#endif
