/* task_context - what a model keeps of the rows that are known of a task: sums, to which rows are added as
 * they come (engine/network/task_head.h).
 *
 * A context is doubles, also where it is stored: the sums of many rows are told from each other by digits
 * that a float does not have. Rows that age are weighted against the newest of the task; one that is newer
 * still makes all sums smaller.
 * Layer: server/tasks
 * Threads: any; the solver is the thread's.
 * Memory: the caller's. */
#ifndef SERVER_TASKS_TASK_CONTEXT_H
#define SERVER_TASKS_TASK_CONTEXT_H

#include "engine/network/task_solver.h"

#include <stdbool.h>
#include <stddef.h>

/* Places in a context; the sums are task_spec_d_sums. */
enum { TASK_CONTEXT_MARK, TASK_CONTEXT_ROWS, TASK_CONTEXT_NEWEST, TASK_CONTEXT_SUMS };

/* What tells the features of one model from those of another, also of one that has its name and version:
 * the CRC-32 of the tensors that sums depend on. Cost: reads them once. */
double task_context_mark(const struct model_spec *spec, const struct model_params *params);

/* Doubles of a context, and a context of no row. */
size_t task_context_len(const struct model_spec *spec);
void task_context_start(const struct model_spec *spec, double mark, double *context);

/* Whether bytes may be a context of the model with this mark: as long as one, and of finite numbers. They
 * need not be aligned. */
bool task_context_is(const struct model_spec *spec, double mark, const void *bytes, size_t n_bytes);

/* Adds rows x (n, D) with targets y (n) as they are learned and times (n); n_max: rows that the solver has
 * room for. */
void task_context_add(struct task_solver *s, size_t n_max, const real *x, const double *y, const double *time,
                      size_t n, double *context);

/* Takes a row out again, which is among those that were added. */
void task_context_remove(struct task_solver *s, const real *x, double y, double time, double *context);

/* Solves for the layer of a context, into the solver's. False: its rows cannot be solved for. */
bool task_context_solve(struct task_solver *s, const double *context);

#endif
