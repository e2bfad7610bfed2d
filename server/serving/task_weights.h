/* task_weights - the bridge between store and models of tasks: a stored task to its layer, solved and
 * cached as weights.
 * Layer: server/serving
 * Threads: uses the session's connection and workspaces.
 * Memory: a cached task takes a few kilobytes (task_state_bytes). */
#ifndef SERVER_SERVING_TASK_WEIGHTS_H
#define SERVER_SERVING_TASK_WEIGHTS_H

#include "base/err.h"
#include "server/serving/session.h"
#include "server/tasks/task_state.h"

/* A reference to a task's weights under a model of tasks, or to those of the prior: cached, or made. *hit:
 * the former. Those of a trained task are the network itself. ERR_NOTFOUND: there is no such task; or a prior
 * is asked for of a model of trained tasks, which has none. */
enum err_code task_weights_acquire(struct session *t, struct model_handle *handle, enum weights_kind kind,
                                   struct text task, struct weights **out, bool *hit,
                                   struct err *e) ERR_MUST_CHECK;

/* What such weights say; views of them. */
void task_weights_state(const struct model *m, const struct weights *w, struct task_state *out);

#endif
