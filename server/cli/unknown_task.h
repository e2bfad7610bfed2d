/* unknown_task - how often rows are answered right when nobody says of which task they are: each row is given
 * to a task of the model by a guess, as POST /v1/tasks/predictions makes it, and answered by its network.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: a few numbers a row, and a task's network. */
#ifndef SERVER_CLI_UNKNOWN_TASK_H
#define SERVER_CLI_UNKNOWN_TASK_H

#include "base/err.h"
#include "engine/model.h"
#include "server/data/class_rows.h"

#include <stdbool.h>
#include <stddef.h>

/* Rows of a task of the model. */
struct unknown_rows {
    size_t task;
    const struct class_rows *rows;
};

/* Shares of all rows: whose task is the right one, and whose class is called as the right one is. */
struct unknown_shares {
    double task, class;
};

struct unknown_result {
    struct unknown_shares entropy;
    bool has_rows; /* the model has rows of each task */
    struct unknown_shares rows;
};

/* ERR_NOMEM; ERR_INVALID: an answer is not finite. */
enum err_code unknown_task_measure(const struct model *m, const struct unknown_rows *asked, size_t n_asked,
                                   struct unknown_result *out, struct err *e) ERR_MUST_CHECK;

#endif
