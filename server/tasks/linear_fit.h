/* linear_fit - ridge and logistic regression on rows of a table, with a level for each task if it is asked
 * for: what a model of tasks is compared with.
 *
 * The strength of the penalty is chosen by cross-validation on the rows themselves. Levels are the weights of
 * the tasks' ids, one place each, under the same penalty: they are eliminated from the equations, so that
 * tasks cost no more than rows. Classes: Newton's method with a bound in place of the Hessian, one factor for
 * all steps (Boehning 1992, "Multinomial logistic regression algorithm").
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: a number for each place of each task, and a few squares of the width. */
#ifndef SERVER_TASKS_LINEAR_FIT_H
#define SERVER_TASKS_LINEAR_FIT_H

#include "base/err.h"
#include "engine/kernels/real.h"

#include <stddef.h>
#include <stdint.h>

struct linear_rows {
    const real *x;        /* (n, d) */
    const double *y;      /* (n) numbers, or classes below n_classes */
    const uint32_t *task; /* (n) below n_tasks; NULL: there are no levels */
    size_t n, d;
    size_t n_tasks;   /* 0 without levels */
    size_t n_classes; /* 0: of numbers */
};

struct linear_fit {
    size_t d, n_out, n_tasks;
    double *weights; /* (n_out, 1 + d) the intercept first */
    double *levels;  /* (n_out, n_tasks) */
    double strength; /* of the penalty */
    double error;    /* of rows that were left out: the mean squared error, or negative log probability */
    size_t n_errors; /* rows that were left out once; 0: there was but one row */
};

/* Fits n > 0 rows. The seed says which rows are left out together. Zero-initialise; linear_fit_fini frees
 * whatever is returned. ERR_NOMEM. */
enum err_code linear_fit_make(const struct linear_rows *rows, uint64_t seed, struct linear_fit *out,
                              struct err *e) ERR_MUST_CHECK;
void linear_fit_fini(struct linear_fit *f);

/* out (n_out) of a row x (d): a number, or logits. task n_tasks: of no task that it knows. */
void linear_fit_predict(const struct linear_fit *f, const real *x, size_t task, double *out);

#endif
