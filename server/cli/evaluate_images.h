/* evaluate_images - `hypernet evaluate --images`: how well a model of images tells classes apart that it was
 * not trained on.
 * Layer: server/cli
 * Threads: confined to the main thread; features are made by a team.
 * Memory: the images and their features. */
#ifndef SERVER_CLI_EVALUATE_IMAGES_H
#define SERVER_CLI_EVALUATE_IMAGES_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct evaluate_images {
    const char *model, *images, *classes;
    const char *outside;      /* images of no class of these; NULL: none */
    const char *ways, *shots; /* lists of numbers with commas between; NULL: the usual */
    int64_t episodes;         /* 0: 1,000 */
    int64_t seed, threads;
    bool json;
};

/* Measures and prints: the model's generated layer beside prototypes and ridge regression on the same
 * features and episodes. */
enum err_code evaluate_images_run(const struct evaluate_images *t, struct err *e) ERR_MUST_CHECK;

#endif
