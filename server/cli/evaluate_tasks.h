/* evaluate_tasks - `hypernet evaluate --rows`: how good a model of tasks is on rows whose targets are there.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: the tables, and the answers of all systems. */
#ifndef SERVER_CLI_EVALUATE_TASKS_H
#define SERVER_CLI_EVALUATE_TASKS_H

#include "base/err.h"
#include "server/cli/task_options.h"

#include <stddef.h>
#include <stdint.h>

struct evaluate_tasks {
    const char *model, *rows, *known, *trained; /* trained: what the model was trained from; or NULL */
    const char *outside; /* rows unlike these, which uncertainty is to tell from them; NULL: none */
    struct task_options columns;
    double interval;
    bool unknown_is_absent, json;
    unsigned baselines;   /* bits of evaluate_tasks_baseline */
    const size_t *counts; /* (n_counts) so many known rows of each task; measured beside all of them */
    size_t n_counts;
    uint64_t seed; /* of the bootstrap, and of which rows are known */
};

/* The bit of a baseline by its name on the command line; 0: there is none of this name. And all of them. */
unsigned evaluate_tasks_baseline(const char *name);
unsigned evaluate_tasks_baselines(void);

/* Measures and prints: the model, beside it the same without a known row, which is one model for all, and
 * baselines, which need rows that are known or were trained from. */
enum err_code evaluate_tasks_run(struct evaluate_tasks *t, struct err *e) ERR_MUST_CHECK;

#endif
