/* task_loss - what a task's rows are worth to a model: its loss on them before it knows them, after, and on
 * each when it knows the others.
 * Cost: an answer a row twice, and for left_out a solution a row, of TASK_LOSS_ROWS rows at most.
 * Layer: server/serving
 * Threads: confined, as the room is.
 * Memory: one context. */
#ifndef SERVER_SERVING_TASK_LOSS_H
#define SERVER_SERVING_TASK_LOSS_H

#include "base/err.h"
#include "server/tasks/task_room.h"

#include <jansson.h>
#include <stddef.h>

enum { TASK_LOSS_ROWS = 256 }; /* of more rows, so many of them, evenly */

/* Of numbers the root mean squared error, in the target's unit; of classes the mean negative log probability.
 * NAN: there is no row that the model can read. */
struct task_loss {
    double before, after, left_out;
};

/* Of the labelled rows (n), objects, of a task with this profile (NULL: none). ERR_INVALID: they cannot be
 * solved for. */
enum err_code task_loss_make(struct task_room *room, const json_t *profile, json_t *const *rows, size_t n,
                             struct task_loss *out, struct err *e) ERR_MUST_CHECK;

#endif
