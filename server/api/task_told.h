/* task_told - what calls that change tasks answer: what became of a registration, what its rows are worth,
 * what a caller should know of them, and why an update was refused.
 * Layer: server/api
 * Threads: confined to its thread.
 * Memory: none. */
#ifndef SERVER_API_TASK_TOLD_H
#define SERVER_API_TASK_TOLD_H

#include "base/buf.h"
#include "server/api/task_known.h"
#include "server/serving/task_loss.h"
#include "server/serving/task_updates.h"

#include <stdbool.h>

/* A task of a body. */
struct known_task {
    struct task_registration g;
    struct task_known known;
    bool wants_rows; /* keep_rows was said to be true */
    bool patch;      /* what is not said stays */
    json_t *stored;  /* of a patch, the profile that the task has; NULL: none */
    json_t *merged;  /* and what becomes of it, in g */
};

/* Appends the beginning of an object: id, result, revision, source, known, rows. It is left open. */
void task_told_registered(const struct known_task *part, struct buf *out);

/* Appends ,"loss":{...} and ,"warnings":[...], where there are any. */
void task_told_loss(const struct task_registration *g, const struct task_loss *loss, struct buf *out);
void task_told_warnings(const struct known_task *part, struct buf *out);

/* The same of rows that were added. */
void task_told_added(const struct task_registration *g, struct buf *out);

/* The same of a task that is asked for, where it waits for rows. */
void task_told_waiting(bool waits, struct buf *out);

/* Answers with the faults of a body, or with what an update failed of. hint: what makes a task that is not
 * there; NULL: nothing does. */
void task_told_refusal(struct api_thread *t, struct request *r, struct batch *b, const char *hint,
                       const struct err *e);

#endif
