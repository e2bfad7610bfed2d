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

/* The member of an object at a place, a list of {"id", "weight"}; *out NULL: there is none. False:
 * refused. */
bool blended_tasks_read(struct request *r, const json_t *object, const struct json_place *at,
                        const json_t **out);

/* What is to be blended, and what becomes of a task that is not known. */
struct blend_asked {
    const json_t *list;          /* that was read */
    const struct json_place *at; /* of the object whose member it is */
    bool cold_start;             /* the prior stands for it */
    bool lets_unknown;           /* there is no blend, and nothing is told */
};

/* Blends the tasks for a model, whose room is used. *ok false: some are unknown, in the answer or among the
 * faults. */
enum err_code blended_tasks_make(struct api_thread *t, struct request *r, struct model_handle *handle,
                                 const struct blend_asked *asked, struct blended_tasks *out,
                                 struct task_state *state, bool *ok, struct err *e) ERR_MUST_CHECK;

/* Appends [{"id", "weight", "context_revision", "known"}]. */
void blended_tasks_write(const struct blended_tasks *b, struct buf *out);

#endif
