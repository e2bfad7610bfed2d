/* task_body - bodies of calls for tasks: what is asked of a task, with the place of every fault.
 * Layer: server/api
 * Threads: confined to its thread.
 * Memory: the parsed body, which the query views, until task_body_fini. */
#ifndef SERVER_API_TASK_BODY_H
#define SERVER_API_TASK_BODY_H

#include "server/api/json_body.h"
#include "server/http/request.h"
#include "server/tasks/task_query.h"

#include <jansson.h>
#include <stdbool.h>

struct task_body {
    json_t *document;
    struct task_query query; /* faults are told to the request, by the body's place */
    const json_t *contexts;  /* tasks that are to be blended (blended_tasks.h); NULL: none */
    struct request *r;
};

/* Reads the body and the parameter unknown_category; what is wrong with a row is found when it is read.
 * False: answered. */
bool task_body_read(struct request *r, struct task_body *out);
void task_body_fini(struct task_body *b); /* zeroed is allowed */

/* The id of a task that may be made: a plain one, as in tables, into which it is exported. Others that a
 * store has are read and deleted. at: NULL, in the path. False: refused. */
bool task_body_new_id(struct request *r, struct text id, const struct json_place *at);

/* The parameter alone; false: answered. */
bool task_body_unknown_param(struct request *r, bool *ignored);

/* The member adapt_steps. False: refused. No model of today has a context that could be adapted. */
bool task_body_adapt_steps(struct request *r, const json_t *value, const struct json_place *at);

/* The members interval, clamp, uncertainty and unknown_category; what is absent stays. False: refused. */
bool task_body_options(struct request *r, const json_t *root, struct task_query *q);

/* The members rows and columns of an object at a place; more rows than `most` are answered with 413. False:
 * refused. */
bool task_body_rows(struct request *r, const json_t *value, const struct json_place *at, size_t most,
                    struct task_list *out);

/* A list of rows that is the value at a place: {"rows": [...], "columns": [...]}, as a whole body also with
 * adapt_steps; at most so many, past which
 * the answer is 413. False: refused. */
bool task_body_list(struct request *r, const json_t *value, const struct json_place *at, size_t most,
                    struct task_list *out);

/* The place of a fault: in a list at `at`, or a profile. */
struct json_place task_body_place(const struct json_place *at, const struct task_list *list, size_t row,
                                  const char *column);

#endif
