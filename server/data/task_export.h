/* task_export - the tasks of a store as tables that import takes: profiles, and labelled rows in their
 * order.
 *
 * Tables are NDJSON, so that a value is what it was: a number, a text that looks like one, or absent. The
 * columns that say the task are those of the import; an id of several is taken apart at its slashes.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: a line. */
#ifndef SERVER_DATA_TASK_EXPORT_H
#define SERVER_DATA_TASK_EXPORT_H

#include "server/data/task_rows.h"
#include "store/store.h"

#include <stdio.h>

struct task_export_options {
    const char *const *keys; /* (n_keys) the columns that say the task */
    size_t n_keys;
    FILE *rows, *profiles; /* where to; NULL: not wanted */
};

struct task_export_report {
    int64_t n_tasks, n_rows;
    int64_t n_without_rows; /* tasks that keep none: what models made of theirs is not in a table */
};

/* Writes the tasks as they are at one moment. A task without a profile is a line of profiles too, so that
 * it comes back. ERR_INVALID: an id that is not of so many columns, or a row that says another task in one
 * of them; errors of the store; ERR_IO, ERR_FULL. */
enum err_code task_export_run(struct store_conn *c, const struct task_export_options *o,
                              struct task_export_report *report, struct err *e) ERR_MUST_CHECK;

#endif
