/* task_query - what is asked of a task: rows in JSON, with what is known of it, to answers in JSON.
 * Layer: server/tasks
 * Threads: confined, as the room is.
 * Memory: the room's; places of columns of rows that are arrays. */
#ifndef SERVER_TASKS_TASK_QUERY_H
#define SERVER_TASKS_TASK_QUERY_H

#include "base/buf.h"
#include "server/tasks/task_room.h"

#include <jansson.h>
#include <stdbool.h>

/* A list of rows: objects, or arrays of the columns. */
struct task_list {
    const json_t *rows;    /* an array; NULL: there is none */
    const json_t *columns; /* an array of names; NULL: rows are objects */
};

/* Which part of what is asked something is wrong with. */
enum task_part { TASK_PART_ROWS, TASK_PART_SUPPORT, TASK_PART_PROFILE };

/* Told of a fault. row: of the part, SIZE_MAX: of its columns. column: its name, NULL: of the row as a
 * whole. */
typedef void task_fault_fn(void *arg, enum task_part part, size_t row, const char *column, const char *text);

struct task_query {
    struct task_list asked;                 /* NULL rows: nothing is asked, it is only solved */
    struct task_list support;               /* rows with the target, from which the task's layer is solved */
    const json_t *profile;                  /* an object: columns of rows that do not have them; NULL: none */
    bool unknown_is_absent;                 /* as of struct task_row_form */
    bool clamp;                             /* predictions are cut to the range of training */
    double interval;                        /* probability that an interval has the target */
    size_t n_samples;                       /* draws of each row; of numbers only */
    bool uncertainty;                       /* of classes: also the epistemic part of the entropy */
    uint64_t seed;                          /* of draws */
    const struct model_spec *const *others; /* (n_others) whose columns support may have too */
    size_t n_others;
    task_fault_fn *fault;
    void *arg;
};

/* Reads the profile and the support into the room, and solves: *out views the room. *ok: nothing was wrong.
 * ERR_INVALID: it cannot be solved for. */
enum err_code task_query_solve(struct task_room *r, const struct task_query *q, struct task_state *out,
                               bool *ok, struct err *e) ERR_MUST_CHECK;

/* A cached task's state with the query's profile over its own. */
void task_query_state(struct task_room *r, const struct task_query *q, struct task_state *state, bool *ok);

/* Answers what is asked into the room. *ok as above. state NULL: only looks for what is wrong, with the
 * profile that the room has. */
enum err_code task_query_run(struct task_room *r, const struct task_query *q, const struct task_state *state,
                             bool *ok, struct err *e) ERR_MUST_CHECK;

/* Appends the answers as an array of JSON. */
void task_query_write(const struct task_room *r, const struct task_query *q, struct buf *out);

#endif
