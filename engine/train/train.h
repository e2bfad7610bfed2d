/* train - the trainer: interactions in, a model file out.
 * The result depends on data, options and seed only, not on the number of threads.
 * Layer: engine/train
 * Threads: train_run makes options.n_threads of its own and joins them.
 * Memory: data + about four times the parameters + one batch. */
#ifndef ENGINE_TRAIN_TRAIN_H
#define ENGINE_TRAIN_TRAIN_H

#include "base/err.h"
#include "engine/train/data/train_objective.h"
#include "engine/train/data/training.h"

/* All that can be trained. The list is a file of its own, objectives.c. */
extern const struct train_objective *const train_objectives[];
extern const size_t n_train_objectives;

/* How models of an objective are trained; NULL: they are not. */
const struct train_objective *train_objective_find(const struct objective *objective);
/* Whether they are, as objective_list takes it. */
bool train_is_trained(const struct objective *objective);

/* Trains and writes the model file at path, whole or not at all. An interrupt before the first epoch has
 * ended writes nothing (report->written); a later one writes the best so far. A deadline is kept by all
 * phases together and always leaves a model, be it the first round of the factorisation. progress (may be
 * NULL) is told of the stages "search", "factorise", "start", "choose", "train", "neighbours" and "refit";
 * false from it stops as options->interrupt does. ERR_INVALID: no users, no items, too little data, an
 * objective that is not trained, an option that the objective does not take. */
enum err_code train_run(const struct train_data *data, const struct train_options *options, const char *path,
                        progress_fn *progress, void *arg, struct train_report *report,
                        struct err *e) ERR_MUST_CHECK;

#endif
