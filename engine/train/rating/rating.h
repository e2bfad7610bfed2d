/* rating - the course of training for the objective rating: predicted ratings instead of a ranking.
 * Layer: engine.       Threads, memory and result: as engine/train/data/ranking.h.
 * Called by train_run. Checkpoints are not taken: training takes seconds to minutes. */
#ifndef ENGINE_TRAIN_RATING_RATING_H
#define ENGINE_TRAIN_RATING_RATING_H

#include "base/err.h"
#include "engine/train/data/training.h"

/* As train_run. ERR_INVALID: too few ratings, or all are equal. */
enum err_code rating_train_run(const struct train_data *data, const struct train_options *options,
                               const char *path, train_progress_fn *progress, void *arg,
                               struct train_report *report, struct err *e) ERR_MUST_CHECK;

#endif
