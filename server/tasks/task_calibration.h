/* task_calibration - whether a model of tasks is as sure as it is right.
 *
 * Of numbers: of intervals of ten probabilities the share that has the target; the error is the mean of the
 * distances between share and probability. Of classes: the rows in ten bins of the probability of the class
 * that is named, in each the mean of that probability and the share that is right; the error is the mean of
 * their distances over rows (expected calibration error: Naeini, Cooper, Hauskrecht 2015).
 * Layer: server/tasks
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_TASKS_TASK_CALIBRATION_H
#define SERVER_TASKS_TASK_CALIBRATION_H

#include "server/tasks/task_answers.h"

#include <stddef.h>

enum { TASK_CALIBRATION_POINTS = 10 };

struct task_calibration {
    size_t n;                                 /* points that have rows */
    double expected[TASK_CALIBRATION_POINTS]; /* (n) rising, from 0 to 1 */
    double found[TASK_CALIBRATION_POINTS];    /* (n) */
    size_t n_rows[TASK_CALIBRATION_POINTS];   /* (n) */
    double error;                             /* NAN: there is no row */
};

/* Of answers for rows whose targets, or classes, are y (n). Cost: of numbers ten intervals a row. */
void task_calibration_make(const struct task_answers *a, const double *y, struct task_calibration *out);

#endif
