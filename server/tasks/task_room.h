/* task_room - where one thread works with tasks of one model: rows as they come become a context, a context
 * becomes a layer, a layer answers rows. All of it some rows at a time.
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: TASK_ROOM_ROWS rows and one context for its life; answers grow to the largest call. */
#ifndef SERVER_TASKS_TASK_ROOM_H
#define SERVER_TASKS_TASK_ROOM_H

#include "engine/model.h"
#include "engine/network/task_epistemic.h"
#include "server/tasks/task_answers.h"
#include "server/tasks/task_draws.h"
#include "server/tasks/task_state.h"

enum { TASK_ROOM_ROWS = 64 }; /* that are worked with at once */

struct task_room {
    const struct model *model;           /* borrowed; outlives the room */
    struct task_solver solver;           /* of TASK_ROOM_ROWS */
    struct task_answers answers;         /* of the last prediction */
    struct task_draws draws;             /* and its draws; n 0: none are asked for */
    struct task_information information; /* of a model of classes, once it was asked for */
    double *context;                     /* (task_context_len) of the rows that were added */
    double mark;                         /* of the model's contexts */
    bool waits;                          /* as in a task_state: whoever finds it so says it, after a start */
    struct task_profile profile;         /* room for one */
    real *x;                             /* (TASK_ROOM_ROWS, D) */
    double *beyond;                      /* (TASK_ROOM_ROWS) what x cannot say of them */
    double *y, *time;                    /* (TASK_ROOM_ROWS) */
    size_t n;                            /* rows in them */
    size_t n_answered;
};

enum err_code task_room_new(const struct model *m, struct task_room **out, struct err *e) ERR_MUST_CHECK;
void task_room_free(struct task_room *r); /* NULL is allowed */

/* Begins a context: that of no row, or from bytes that task_context_is took for one. */
void task_room_start(struct task_room *r, const void *context);

/* Room for the next row (task_row_read), and takes it into the context. */
struct task_row_values task_room_next(struct task_room *r);
void task_room_know(struct task_room *r, const struct task_row_values *row);

/* The context has all rows from here on. */
void task_room_settle(struct task_room *r);

/* Solves for the layer of the context: the state of a task with this profile, which stays as long as the room
 * is not used for another. ERR_INVALID: it cannot be solved for. */
enum err_code task_room_solve(struct task_room *r, const struct task_profile *profile,
                              enum task_source source, struct task_state *out, struct err *e) ERR_MUST_CHECK;

/* Begins answers of n rows; takes each of them (task_room_next) in turn, and leaves them all answered. */
enum err_code task_room_ask(struct task_room *r, size_t n, struct err *e) ERR_MUST_CHECK;
void task_room_take(struct task_room *r, const struct task_state *state);
void task_room_answer(struct task_room *r, const struct task_state *state);

#endif
