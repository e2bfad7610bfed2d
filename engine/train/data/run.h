/* run - one training while it lasts, whatever its objective: what was asked, the threads, the time, whom to
 * tell.
 * Layer: engine/train/data
 * Threads: confined to the thread of the team.
 * Memory: run_fini frees the team; data, path and texts of options are borrowed. */
#ifndef ENGINE_TRAIN_DATA_RUN_H
#define ENGINE_TRAIN_DATA_RUN_H

#include "base/err.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "engine/train/data/budget.h"
#include "engine/train/data/training.h"

struct run {
    const struct train_data *data;
    struct train_options options; /* an objective fills in what was left to it */
    const char *path;             /* of the model file to write */
    progress_fn *progress;        /* may be NULL; false from it is an interrupt */
    void *arg;
    struct budget budget;
    bool cut;     /* the deadline ended a phase, or left one out */
    bool written; /* there is a model file of this run */
    struct parallel *team;
};

/* Starts the clock and the threads. ERR_NOMEM. */
enum err_code run_init(struct run *r, const struct train_data *data, const struct train_options *options,
                       const char *path, progress_fn *progress, void *arg, struct err *e) ERR_MUST_CHECK;
void run_fini(struct run *r); /* zeroed is allowed */

/* Tells the caller, with the seconds that have gone; who refuses to go on is an interrupt
 * (budget_interrupted). */
void run_tell(struct run *r, struct progress p);

#endif
