/* schedule - what becomes of a course of training after each epoch: its best, its learning rates, its end.
 * Layer: engine/train/ranking
 * Threads: none.
 * Memory: the caller's state. */
#ifndef ENGINE_TRAIN_RANKING_SCHEDULE_H
#define ENGINE_TRAIN_RANKING_SCHEDULE_H

#include "engine/train/ranking/checkpoint.h"

#include <stdbool.h>

/* Takes the figure of the epoch after s->epoch, of n_epochs; true: it is the best so far. One that is no
 * better than an epoch before lowers the rates; the warm start is no such epoch, the first ones are often
 * below it. The fourth ends the course. So does, where times are not known and an epoch had many steps, the
 * second that is too far below the warm start to reach it. */
bool schedule_judge(struct training_state *s, double metric, int n_epochs, bool timed);

/* Learning rates of an epoch, as a factor. */
double schedule_rate(const struct training_state *s, int epoch);

bool schedule_ended(const struct training_state *s, int n_epochs);

#endif
