/* train_images - `hypernet train --images`: a model that tells classes of images apart from a few of each.
 * Layer: server/cli
 * Threads: confined to the main thread; training has a team of its own.
 * Memory: the images, and what training takes (engine/train/image/image_course.h). */
#ifndef SERVER_CLI_TRAIN_IMAGES_H
#define SERVER_CLI_TRAIN_IMAGES_H

#include "base/err.h"
#include "base/progress.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct train_images {
    const char *images, *classes; /* array files */
    const char *out, *name, *version;
    int64_t episodes; /* 0: as many as the deadline allows, or the default */
    int64_t held_out; /* the last classes, not trained on but measured */
    int64_t seed, threads;
    double deadline_s;
    bool json;
    const atomic_bool *interrupt;
};

/* Trains, writes the model, whole or not at all, and prints what it is worth on held-out classes. An
 * interrupt ends training at what there is; *written false: before there was anything. */
enum err_code train_images_run(const struct train_images *t, progress_fn *progress, void *arg, bool *written,
                               struct err *e) ERR_MUST_CHECK;

#endif
