/* task_baselines - what is usually done with a table of many tasks, as answers beside a model's: ridge
 * regression, or logistic regression of classes, from the rows that were learned from alone, each with its
 * strength chosen by cross-validation on the rows that it is fitted to.
 *
 * Rows are the model's numbers of them, and a log target is learned as a logarithm and lowered as the
 * model's is. How far they are off is one number for all rows, from the rows that were left out.
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: the answers, and what linear_fit takes. */
#ifndef SERVER_TASKS_TASK_BASELINES_H
#define SERVER_TASKS_TASK_BASELINES_H

#include "server/tasks/task_answers.h"
#include "server/tasks/task_learned.h"

#include <stdint.h>

enum task_baseline {
    TASK_BASELINE_POOLED, /* one for all tasks */
    TASK_BASELINE_LEVELS, /* one for all tasks, with their ids as inputs too */
    TASK_BASELINE_OWN,    /* one for each task from its own rows; of tasks without rows, that for all */
    N_TASK_BASELINES
};

enum { TASK_BASELINE_MOST_WIDTH = 512 /* numbers of a row */ };

/* Answers the rows of `asked`, as task_answers_make. ERR_INVALID: rows are wider than that. */
enum err_code task_baselines_make(const struct model *m, enum task_baseline which,
                                  const struct task_learned *learned, const struct task_source *asked,
                                  uint64_t seed, struct task_answers *out, struct err *e) ERR_MUST_CHECK;

/* Their spread (n), one for all, as if errors were normal with this mean square; NAN: nothing is known of
 * it, and it is 0. */
void task_baselines_set_spread(double mean_square, struct task_answers *out);

#endif
