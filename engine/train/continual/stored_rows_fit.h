/* stored_rows_fit - the weights by which engine/network/stored_rows.h tells tasks apart, in closed form. The
 * kernel's width and the ridge are those with which most stored rows are of their own task by the others:
 * each is left out in turn, without a fit of its own (Rifkin and Lippert 2007).
 * Layer: engine/train/continual
 * Threads: the calling one.
 * Memory: three times the square of the rows, LIMIT_STORED_ROWS at most, while it runs. */
#ifndef ENGINE_TRAIN_CONTINUAL_STORED_ROWS_FIT_H
#define ENGINE_TRAIN_CONTINUAL_STORED_ROWS_FIT_H

#include "base/err.h"
#include "engine/format/trained_spec.h"
#include "engine/kernels/real.h"

#include <stddef.h>

/* Sets t->width, and weights (R, C) of rows (R, d), which are those of t's tasks and classes in their
 * order, R 1 at least. right: the share of rows that are of their task when left out. ERR_NOMEM.
 * ERR_INVALID: the fit is singular, as rows that are beyond all reason make it. */
enum err_code stored_rows_fit(struct trained_spec *t, const real *rows, size_t d, real *weights,
                              double *right, struct err *e) ERR_MUST_CHECK;

#endif
