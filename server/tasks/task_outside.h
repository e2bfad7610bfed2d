/* task_outside - whether a model of tasks is less sure of rows that are unlike those it is for: how well its
 * uncertainty tells them from others, by its epistemic part and by the whole of it, which is the deviation of
 * numbers and the entropy of classes.
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: a few numbers a row while it sorts. */
#ifndef SERVER_TASKS_TASK_OUTSIDE_H
#define SERVER_TASKS_TASK_OUTSIDE_H

#include "base/err.h"
#include "server/tasks/task_answers.h"

#include <stddef.h>
#include <stdint.h>

enum task_uncertainty { TASK_EPISTEMIC, TASK_WHOLE, TASK_NOVELTY, N_TASK_UNCERTAINTIES };

struct task_outside {
    size_t n_rows; /* that are outside */
    struct {
        double inside, outside; /* means */
        double area, low, high; /* under the ROC curve, with its 95 % interval over tasks; NAN: no rows */
    } by[N_TASK_UNCERTAINTIES];
};

/* Those that answers have: the first two of numbers, all of classes. */
size_t task_uncertainties(const struct model_spec *spec);

/* "epistemic", "deviation" or "entropy", and "novelty", which is the deviation of a logit. */
const char *task_uncertainty_name(enum task_uncertainty u, const struct model_spec *spec);

/* Answered rows of a table, whose tasks have ids. */
struct task_answered {
    const struct task_answers *answers;
    const struct task_dataset *data;
    const struct id_table *ids;
};

/* Tasks of the two tables are the same by their ids. ERR_NOMEM. */
enum err_code task_outside_make(const struct task_answered *inside, const struct task_answered *outside,
                                uint64_t seed, struct task_outside *out, struct err *e) ERR_MUST_CHECK;

#endif
