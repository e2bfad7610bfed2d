/* trained_room - where one thread works with trained tasks of one model: inputs as JSON has them become rows,
 * and rows are answered by the network of a task.
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: workspaces for its life; rows and answers grow with what a call brings. */
#ifndef SERVER_TASKS_TRAINED_ROOM_H
#define SERVER_TASKS_TRAINED_ROOM_H

#include "base/buf.h"
#include "engine/model.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct trained_room {
    const struct model *model; /* borrowed; outlives the room */
    real *work;                /* of generation and of answers */
    size_t n;                  /* inputs of the call; 0: one was wrong */
    size_t n_max, n_answers;   /* inputs and answers that there is room for */
    real *x;                   /* (n_max, D) */
    real *p;                   /* (n_answers, O) the last answer: (n, K), K the classes of the task */
};

enum err_code trained_room_new(const struct model *m, struct trained_room **out,
                               struct err *e) ERR_MUST_CHECK;
void trained_room_free(struct trained_room *r); /* NULL is allowed */

/* Told of an input that is no row of the model, with its place among them. */
typedef void trained_fault_fn(void *arg, size_t input, const char *text);

/* Reads inputs, an array: each the numbers of a row one after the other, or nested as the model's inputs are.
 * *ok: nothing was wrong. ERR_NOMEM. */
enum err_code trained_room_read(struct trained_room *r, const json_t *inputs, trained_fault_fn *fault,
                                void *arg, bool *ok, struct err *e) ERR_MUST_CHECK;

/* Answers the inputs by the network of a task. Returns the first whose answer is not finite, as weights that
 * are too large make it; r->n: all are. */
size_t trained_room_answer(struct trained_room *r, size_t task, const real *theta);

/* Scores of the inputs by the rows that the file has of each task (engine/network/stored_rows.h), the mean
 * over them: scores (T). The model has such rows (trained_spec_guesses). ERR_NOMEM. */
enum err_code trained_room_guess(const struct trained_room *r, double *scores, struct err *e) ERR_MUST_CHECK;

/* The call is over: room that is large is given back. */
void trained_room_rest(struct trained_room *r);

/* The mean over the inputs of the last answer's entropy, as a share of what it could be. */
double trained_room_entropy(const struct trained_room *r, size_t task);

/* Appends the last answer as an array of JSON. */
void trained_room_write(const struct trained_room *r, size_t task, struct buf *out);

#endif
