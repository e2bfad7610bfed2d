/* pooled_fit - the course of one network for all tasks: steps over drawn rows, stopped where rows that are
 * held out are predicted best, and then as many steps again from all rows.
 *
 * A schedule of a few steps and one of many are tried, since some tables are learned by heart in more than a
 * few; how long that takes does not depend on how many rows there are.
 * Layer: engine/train/one_for_all
 * Threads: confined to its thread.
 * Memory: the parameters once more, and numbers of the rows. */
#ifndef ENGINE_TRAIN_ONE_FOR_ALL_POOLED_FIT_H
#define ENGINE_TRAIN_ONE_FOR_ALL_POOLED_FIT_H

#include "base/progress.h"
#include "engine/train/one_for_all/pooled_network.h"

#include <stdbool.h>

/* Rows, task by task. */
struct pooled_rows {
    size_t n_tasks;
    const size_t *row_start; /* (n_tasks + 1) */
    const real *x;           /* (n, D) */
    const double *y;         /* (n) as they are learned, or classes */
    const uint32_t *task;    /* (n) */
    const double *time;      /* (n); NULL: rows have no times */
};

/* What is validated on: 1 where a row is. With times the newest rows; or whole tasks; or rows of each. */
struct pooled_holdout {
    uint8_t *held; /* (n) */
    size_t n_held; /* rows */
    bool of_tasks;
};

/* Zero-initialise; pooled_holdout_fini frees whatever is there. ERR_NOMEM. */
enum err_code pooled_holdout_make(struct pooled_holdout *h, const struct pooled_rows *rows, bool of_tasks,
                                  uint64_t seed, struct err *e) ERR_MUST_CHECK;
void pooled_holdout_fini(struct pooled_holdout *h);

enum { POOLED_MOST_STEPS = 8000 };

struct pooled_options {
    uint64_t seed;
    long most_steps;       /* of a schedule; 0: POOLED_MOST_STEPS */
    progress_fn *progress; /* told of steps; false ends them. NULL: nobody is */
    void *arg;
    const char *stage; /* as progress names it */
};

/* What was found on the rows that were held out. */
struct pooled_course {
    long best_schedule, best_step;
    double error; /* mean loss of a row; NAN: none was held out */
};

/* Trains from the rows that are not held, and ends with the parameters that are best for those that are.
 * ERR_NOMEM. */
enum err_code pooled_fit_validated(struct pooled_network *net, const struct pooled_rows *rows,
                                   const struct pooled_holdout *holdout, const struct pooled_options *o,
                                   struct pooled_course *out, struct err *e) ERR_MUST_CHECK;

/* Trains from all rows, as long as that course was. */
enum err_code pooled_fit_all(struct pooled_network *net, const struct pooled_rows *rows,
                             const struct pooled_options *o, const struct pooled_course *course,
                             struct err *e) ERR_MUST_CHECK;

#endif
