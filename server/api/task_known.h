/* task_known - labelled rows and profiles of tasks in bodies: checked for the model that was asked, and
 * made what the store keeps.
 * Layer: server/api
 * Threads: confined to its thread.
 * Memory: objects of rows, until task_known_fini; texts are the batch's. */
#ifndef SERVER_API_TASK_KNOWN_H
#define SERVER_API_TASK_KNOWN_H

#include "server/api/api.h"
#include "server/api/batch.h"
#include "server/serving/task_updates.h"
#include "server/tasks/task_query.h"

#include <stdbool.h>
#include <stddef.h>

/* Rows of one task. */
struct task_known {
    json_t **rows; /* (n) objects, each a reference */
    struct text *texts;
    size_t n;
    bool whole; /* nothing is wrong but with rows that are left out here */
};

/* How they are checked: for a model, whose room is used; columns of the other models are let through. */
struct task_known_reader {
    struct request *r;
    struct batch *b;
    struct model_handle *handle;
    struct task_room *room;
    const struct model_spec *others[LIMIT_MODELS]; /* (n_others) */
    size_t n_others;
    bool unknown_is_absent; /* by ?unknown_category=ignore */
    bool parts_are_rows;    /* of the body, as faults count them */
};

/* False: answered. */
bool task_known_reader_init(struct task_known_reader *k, struct api_thread *t, struct request *r,
                            struct batch *b);

/* A profile at a place: checked, and as text. False: refused, in the answer or among the faults. */
bool task_known_profile(struct task_known_reader *k, const json_t *profile, const struct json_place *at,
                        struct text *out);

/* Rows at a place, {"rows": [...], "columns": [...]}, of a task with that profile (NULL: none). False as
 * above. */
bool task_known_rows(struct task_known_reader *k, const json_t *value, const struct json_place *at,
                     const json_t *profile, struct task_known *out);
void task_known_fini(struct task_known *known); /* zeroed is allowed */

/* The stored profile of a task, as a new reference and as text; NULL: it has none, or there is no such
 * task. What is made of it is tried again while somebody else changes it, TASK_KNOWN_TRIES times. False:
 * answered. */
enum { TASK_KNOWN_TRIES = 10 };
bool task_known_stored(struct task_known_reader *k, struct api_thread *t, struct text id, json_t **profile,
                       struct text *text);

/* Whether there are two rows or more, and all have one target. */
bool task_known_is_constant(const struct task_known *known, const struct model_spec *spec);

#endif
