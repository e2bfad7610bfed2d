/* train_tasks - `hypernet train --rows`: a model of tasks from a table.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: the table twice, while it trains. */
#ifndef SERVER_CLI_TRAIN_TASKS_H
#define SERVER_CLI_TRAIN_TASKS_H

#include "base/progress.h"
#include "engine/train/train.h"
#include "server/cli/options.h"
#include "server/cli/task_options.h"

struct train_tasks {
    const char *rows, *out;
    struct task_options columns;
    struct option_list categorical;
    const char *objective;    /* NULL: by the target */
    double gap, horizon;      /* see engine/train/data/training.h */
    const char *loss, *scale; /* NULL: squared, auto */
};

/* Reads the table, tells on standard error what is left out of it, and trains. options->objective is set to
 * what was trained. */
enum err_code train_tasks_run(struct train_tasks *t, struct train_options *options, progress_fn *progress,
                              void *arg, struct train_report *report, struct err *e) ERR_MUST_CHECK;

#endif
