/* blended_tasks - the member "contexts" of a call for predictions: tasks, and how much a blend has of each.
 * Layer: server/api
 * Threads: confined to its thread.
 * Memory: none; ids are the body's. */
#ifndef SERVER_API_BLENDED_TASKS_H
#define SERVER_API_BLENDED_TASKS_H

#include "base/buf.h"
#include "base/limits.h"
#include "server/api/api.h"
#include "server/api/json_body.h"
#include "server/tasks/task_blended.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blended_tasks {
    size_t n;
    struct text ids[LIMIT_TASK_CONTEXTS];
    double weights[LIMIT_TASK_CONTEXTS];    /* their sum is 1 */
    int64_t revisions[LIMIT_TASK_CONTEXTS]; /* 0: there is no such task, and the prior stands for it */
    size_t n_known[LIMIT_TASK_CONTEXTS];
};

/* The member of a body, a list of {"id", "weight"}; *out NULL: there is none. False: refused. */
bool blended_tasks_read(struct request *r, const json_t *root, const json_t **out);

/* Blends the tasks of such a list for a model, whose room is used; cold_start: the prior stands for those
 * that there are not. *ok false: some are unknown, in the answer or among the faults. */
enum err_code blended_tasks_make(struct api_thread *t, struct request *r, struct model_handle *handle,
                                 const json_t *list, bool cold_start, struct blended_tasks *out,
                                 struct task_state *state, bool *ok, struct err *e) ERR_MUST_CHECK;

/* Appends [{"id", "weight", "context_revision", "known"}]. */
void blended_tasks_write(const struct blended_tasks *b, struct buf *out);

#endif
