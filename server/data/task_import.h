/* task_import - tables of labelled rows and of profiles into the tasks of the store, whole or not at all.
 *
 * The tables are read as a training of rows reads them (task_rows, task_profiles), so a task has one id in
 * both, and its stored rows the columns that the training saw: also the keys, where a task has several.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: the tables, as task_rows has them, and their rows as JSON; at the store only these. */
#ifndef SERVER_DATA_TASK_IMPORT_H
#define SERVER_DATA_TASK_IMPORT_H

#include "server/data/task_rows.h"
#include "store/store.h"

enum { TASK_IMPORT_LISTED = 5 };

struct task_import_options {
    const char *store;       /* made when it does not exist; gone again when the import fails */
    const char *rows;        /* a table of labelled rows; NULL: none */
    const char *profiles;    /* a table of profiles; NULL: none */
    const char *const *keys; /* (n_keys) the columns that say which task a row is of */
    size_t n_keys;
    struct table_ignored ignored;
    enum table_format format;
    bool replace_rows;     /* the rows of a task that the table has take the place of those it had */
    int64_t skip_bad;      /* bad lines that are left out before the import fails */
    progress_fn *progress; /* told of rows that were read or stored; false ends it, with nothing imported */
    void *progress_arg;
    size_t memory_bytes; /* that it may take; 0: what the machine has */
};

struct task_import_report {
    int64_t n_rows, n_row_tasks; /* imported, and the tasks that they are of */
    int64_t n_profiles;          /* tasks whose profile is that of the table by now */
    int64_t n_profiles_unused;   /* rows of profiles by keys that no task has */
    int64_t n_new;               /* tasks that the store had not */
    int64_t n_added_to, n_had;   /* tasks that had rows and got more, and how many they had */
    int64_t n_replaced;          /* rows that went for those of the table */
    int64_t n_unchanged;         /* tasks that had just the rows of the table, and were left alone */
    int64_t n_bad;
    size_t n_listed;
    struct err listed[TASK_IMPORT_LISTED]; /* the first bad lines */
    struct store_counts total;             /* what the store holds now */
};

/* Imports in one transaction. When it fails the store is as before and the report lists bad lines. A profile
 * joins what is known of the task; one of some of the keys is that of all tasks that have these. ERR_INVALID:
 * bad lines, one of a column of numbers with no finite one, rows for a task that keeps none or would have too
 * many. */
enum err_code task_import_run(const struct task_import_options *o, struct task_import_report *report,
                              struct err *e) ERR_MUST_CHECK;

#endif
