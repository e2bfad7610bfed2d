/* task_guess - which of the tasks that are known rows may be of.
 *
 * Rows with their targets are of the task by which these are likeliest, all together; of classes, rows
 * without are of the task that is surest of them, which is a weaker word. Tasks of which the model knows
 * no row are no candidates. What is read is of one moment, and weights that are cached are neither used
 * nor moved.
 * Cost: of each candidate a read of its context, its solution, and the likelihood of the rows.
 * Layer: server/serving
 * Threads: confined, as the session is.
 * Memory: the ids of the candidates, the features of the rows. */
#ifndef SERVER_SERVING_TASK_GUESS_H
#define SERVER_SERVING_TASK_GUESS_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/guess_candidates.h"
#include "server/serving/session.h"
#include "server/tasks/task_query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A task that rows may be of. */
struct task_guessed {
    struct text id;
    int64_t revision;
    double score;       /* greater is likelier: the logarithm of the likelihood, or less the mean entropy */
    double probability; /* of likelihoods: its share of all that were compared */
};

/* What is asked. Of the query the rows, of which the first LIMIT_TASK_GUESS_ROWS count, and how they are
 * read; it has no profile: what rows leave out the profile of each candidate says. */
struct task_guess {
    const struct task_query *query;
    struct guess_candidates among; /* whom it is asked of, and how many were compared */
    /* Told of each task that is named, the likeliest first, with its state in the room; false: it ends. */
    bool (*found)(void *arg, const struct task_guessed *task, struct task_room *room,
                  const struct task_state *state);
    void *arg;
    /* results */
    bool by_targets; /* rows had them */
    double prior;    /* the score of what all tasks have in common; NAN: it has none */
};

/* *ok false: something is wrong with the rows, which was told to the query, or with candidates.
 * ERR_INVALID: the rows leave out what no candidate says. */
enum err_code task_guess_run(struct session *t, struct model_handle *handle, struct task_guess *g, bool *ok,
                             struct err *e) ERR_MUST_CHECK;

#endif
