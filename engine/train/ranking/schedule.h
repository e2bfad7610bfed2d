/* schedule - decides after each epoch of training: whether its model is the best so far, whether the learning
 * rates fall, and whether training ends.
 * Layer: engine/train/ranking
 * Threads: none.
 * Memory: the caller's state. */
#ifndef ENGINE_TRAIN_RANKING_SCHEDULE_H
#define ENGINE_TRAIN_RANKING_SCHEDULE_H

#include "engine/train/ranking/checkpoint.h"

#include <stdbool.h>

/* Takes the metric of the epoch after s->epoch. True: this is the best model so far. An epoch that is no
 * better than the best epoch before it lowers the learning rates; the fourth such epoch ends training. The
 * factorisation does not count as an epoch here, because the first epochs are often worse. timed:
 * interactions have times. Without times, training also ends after the second epoch of many steps whose
 * metric is too far below the factorisation for the epochs that are left to reach it. */
bool schedule_judge(struct training_state *s, double metric, int n_epochs, bool timed);

/* What the learning rates of an epoch are multiplied by. */
double schedule_rate(const struct training_state *s, int epoch);

/* Whether the last epoch is done: the metric said so, or there were n_epochs. */
bool schedule_ended(const struct training_state *s, int n_epochs);

#endif
