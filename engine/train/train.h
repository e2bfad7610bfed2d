/* train - the trainer: interactions in, a model file out.
 * Layer: engine; depends on base.          Threads: train_run makes options.n_threads of its own and joins
 * them. Memory: data + about four times the parameters + one batch. The result depends on data, options and
 * seed only, not on the number of threads. */
#ifndef ENGINE_TRAIN_TRAIN_H
#define ENGINE_TRAIN_TRAIN_H

#include "base/err.h"
#include "engine/train/data/training.h"

/* Trains and writes the model file at path, whole or not at all. An interrupt before the first epoch has ended writes nothing
 * (report->written); a later one writes the best so far. A deadline is kept by all phases together and always leaves a
 * model, be it the first round of the factorisation. ERR_INVALID: no users, no items, too little data. */
enum err_code train_run(const struct train_data *data, const struct train_options *options, const char *path,
                        train_progress_fn *progress, void *arg, struct train_report *report,
                        struct err *e) ERR_MUST_CHECK;

#endif
