/* estimate - what training will take, from the sizes of the data: said before it begins. Seconds are of an
 * idle processor of today with AVX2; how many epochs there will be is not known before, so a usual number of
 * them is taken. Memory is the most that is taken at once.
 * Layer: engine/train/ranking
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_TRAIN_RANKING_ESTIMATE_H
#define ENGINE_TRAIN_RANKING_ESTIMATE_H

#include "engine/train/data/split.h"
#include "engine/train/data/training.h"

#include <stddef.h>

struct estimate {
    double seconds;
    double bytes;
};

/* options.n_epochs is above 0. */
struct estimate estimate_training(const struct split *s, const struct train_options *options,
                                  size_t n_threads);

/* "about 3 minutes on 2 threads, 190 MB of memory"; text has room for 64 bytes. */
void estimate_text(const struct estimate *x, size_t n_threads, char *text, size_t size);

#endif
