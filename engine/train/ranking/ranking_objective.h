/* ranking_objective - the objective ranking, as train.c trains it: what users take next.
 * Layer: engine/train/ranking
 * Threads: immutable.
 * Memory: static. */
#ifndef ENGINE_TRAIN_RANKING_RANKING_OBJECTIVE_H
#define ENGINE_TRAIN_RANKING_RANKING_OBJECTIVE_H

#include "engine/train/data/train_objective.h"

extern const struct train_objective train_ranking;

#endif
