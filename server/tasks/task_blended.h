/* task_blended - the state of a blend of tasks: their layers blended (engine/network/task_blend.h), and of
 * their profiles the columns in which all whose weight is above 0 say the same.
 * Layer: server/tasks
 * Threads: confined, as the room is.
 * Memory: a matrix as wide as a layer while it blends. */
#ifndef SERVER_TASKS_TASK_BLENDED_H
#define SERVER_TASKS_TASK_BLENDED_H

#include "base/err.h"
#include "base/limits.h"
#include "server/tasks/task_room.h"

#include <stddef.h>

/* Blends states (n), 1 to LIMIT_TASK_CONTEXTS, by weights (n) with the sum 1. *out views the room; its
 * n_known is the fewest rows that one of them has whose weight is above 0. ERR_INVALID: the blend is not
 * finite. */
enum err_code task_blended_make(struct task_room *r, const struct task_state *states, const double *weights,
                                size_t n, struct task_state *out, struct err *e) ERR_MUST_CHECK;

#endif
