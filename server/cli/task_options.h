/* task_options - what commands are told of a table of tasks: which columns say the task, the target, the
 * time.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: texts are those of the command line, but for the list of keys. */
#ifndef SERVER_CLI_TASK_OPTIONS_H
#define SERVER_CLI_TASK_OPTIONS_H

#include "base/err.h"
#include "server/data/task_profiles.h"
#include "server/data/task_rows.h"

#include <stdbool.h>
#include <stdio.h>

enum { TASK_KEYS_BYTES = 512 };

struct task_options {
    const char *task, *target, *time, *profiles; /* as they were given; NULL: not */
    bool without_task;                           /* --task may be left out: all rows are then of one task */
    char keys[TASK_KEYS_BYTES];                  /* the names of `task`, each with an end */
    struct task_profiles table;                  /* of `profiles` */
};

/* As the reader of tables takes them, views of o, with the profiles read. ERR_INVALID: no key, or too
 * many, or a fault in the profiles. */
enum err_code task_options_read(struct task_options *o, struct task_rows_options *out,
                                struct err *e) ERR_MUST_CHECK;

/* Frees the profiles. */
void task_options_fini(struct task_options *o);

#endif
