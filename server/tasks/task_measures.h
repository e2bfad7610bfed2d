/* task_measures - how good the answers of a model of tasks are, over all rows and by how many rows were known
 * of the task.
 *
 * Of numbers: root mean squared error, mean absolute error, mean absolute error relative to the target (of
 * targets that are not 0), the share of the variance about the mean that is explained, and of intervals the
 * share that has the target and their mean width. Of classes: accuracy, mean negative log probability of the
 * class in nats, and with two classes the area under the ROC curve of all rows.
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: a number a row while it sorts. */
#ifndef SERVER_TASKS_TASK_MEASURES_H
#define SERVER_TASKS_TASK_MEASURES_H

#include "base/err.h"
#include "server/tasks/task_answers.h"

#include <stddef.h>
#include <stdint.h>

enum task_measure {
    TASK_RMSE,
    TASK_MAE,
    TASK_MAPE,
    TASK_EXPLAINED,
    TASK_COVERAGE,
    TASK_WIDTH,
    TASK_ACCURACY,
    TASK_LOG_LOSS,
    TASK_AUC,
    TASK_DEVIANCE, /* of models of counts: the mean of Poisson's */
    N_TASK_MEASURES
};

/* Rows of tasks of which so many rows are known. */
struct task_known_range {
    size_t least, most; /* both included */
    const char *name;
};
enum { N_TASK_KNOWN_RANGES = 5 };
extern const struct task_known_range task_known_ranges[N_TASK_KNOWN_RANGES];

struct task_measures {
    size_t n_rows;
    double value[N_TASK_MEASURES]; /* NAN: it has none */
};

const char *task_measure_name(enum task_measure m);

/* Measures answers for rows whose targets are y (n). Rows of tasks with fewer than least or more than most
 * known rows are left out, by n_known (n), which may be what is known to another system that a is compared
 * with; NULL: all are measured. */
enum err_code task_measures_make(const struct task_answers *a, const double *y, double interval,
                                 const size_t *n_known, size_t least, size_t most, struct task_measures *out,
                                 struct err *e) ERR_MUST_CHECK;

/* By how much one system's figure is another's, with its 95 % interval over tasks. */
struct task_difference {
    double mean, low, high;
};

/* By what systems are compared, of models with this spec: the mean of its loss, of squared error the root of
 * it, of classes the mean negative log probability. */
enum task_measure task_measures_compared(const struct model_spec *spec);

/* That of a less that of b for the rows of d, paired by task. */
enum err_code task_measures_compare(const struct task_answers *a, const struct task_answers *b,
                                    const struct task_dataset *d, uint64_t seed, struct task_difference *out,
                                    struct err *e) ERR_MUST_CHECK;

/* The negative logarithm of a class's probability; of what is no number none. */
double task_measures_surprise(double p);

/* What one answer adds to the mean by which systems are compared. */
double task_measures_loss(const struct task_answers *a, size_t i, double y);

#endif
