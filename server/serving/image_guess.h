/* image_guess - which of the tasks that are known images may be of: of the one whose class means they are
 * nearest to, all together. The same distance says that an image is of none of a task's classes
 * (server/images/image_layer.h, `novelty`); how torn an answer is says less.
 *
 * Tasks of which the model knows images of fewer than two classes are no candidates, nor are those whose
 * stored context it cannot read. What is read is of one moment, and weights that are cached are neither used
 * nor moved.
 * Cost: of each candidate a read of its context, and a distance for each image and class; convolutions of its
 * images where no context of use is stored.
 * Layer: server/serving
 * Threads: confined, as the session is.
 * Memory: the ids of the candidates. */
#ifndef SERVER_SERVING_IMAGE_GUESS_H
#define SERVER_SERVING_IMAGE_GUESS_H

#include "base/err.h"
#include "server/serving/guess_candidates.h"
#include "server/serving/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A task that images may be of. */
struct image_guessed {
    struct text id;
    int64_t revision;
    double score; /* greater is likelier: less the mean novelty of the images */
    const struct image_layer *layer;
};

struct image_guess {
    const real *features; /* (n, F) of the images, n 1 at least */
    size_t n;
    struct guess_candidates among;
    /* Told of each task that is named, the likeliest first; false: it ends. */
    bool (*found)(void *arg, const struct image_guessed *task);
    void *arg;
};

/* *ok false: something is wrong with the candidates, which they were told. */
enum err_code image_guess_run(struct session *t, struct model_handle *handle, struct image_guess *g, bool *ok,
                              struct err *e) ERR_MUST_CHECK;

#endif
