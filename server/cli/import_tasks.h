/* import_tasks - tables of tasks, of the command `import`: its options, what it says at its end.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: texts are those of the command line. */
#ifndef SERVER_CLI_IMPORT_TASKS_H
#define SERVER_CLI_IMPORT_TASKS_H

#include "server/cli/commands.h"

#include <stdbool.h>
#include <stdint.h>

struct import_tasks_options {
    const char *profiles, *rows, *task; /* as they were given; NULL: not */
    bool replace_rows;
    const char *store, *format; /* and those that all tables have */
    const struct option_list *ignored;
    int64_t skip_bad;
    bool json;
};

/* Whether there is a table of tasks. */
bool import_tasks_wanted(const struct import_tasks_options *o);

/* Imports; the status of the command. */
int import_tasks_run(const struct command *command, const struct import_tasks_options *o);

#endif
