/* rating - the objective rating, as train.c trains it: predicted ratings instead of a ranking. Checkpoints
 * are not taken: training takes seconds to minutes.
 * Layer: engine/train/rating
 * Threads: immutable.
 * Memory: static. */
#ifndef ENGINE_TRAIN_RATING_RATING_H
#define ENGINE_TRAIN_RATING_RATING_H

#include "engine/train/data/train_objective.h"

extern const struct train_objective train_rating;

#endif
