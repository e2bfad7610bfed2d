/* task_tables - the tables that a command reads for a model of tasks.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: the tables, as they were read and as the network takes them. */
#ifndef SERVER_CLI_TASK_TABLES_H
#define SERVER_CLI_TASK_TABLES_H

#include "engine/model.h"
#include "server/cli/task_options.h"
#include "server/data/task_dataset.h"

#include <stdbool.h>

struct task_file {
    struct task_rows rows;
    struct task_dataset data;
};

/* Opens a model file that must be one of tasks that read rows. */
enum err_code task_tables_open(const char *path, struct model **out, struct err *e) ERR_MUST_CHECK;

/* Reads a table for it; with_target: rows have the model's target. Columns that the model does not know are
 * told of on standard error. Zero-initialise; task_file_fini frees
 * whatever is returned. */
enum err_code task_file_read(const char *path, struct task_options *o, const struct model *m,
                             bool with_target, bool unknown_is_absent, struct task_file *out,
                             struct err *e) ERR_MUST_CHECK;
void task_file_fini(struct task_file *f);

#endif
