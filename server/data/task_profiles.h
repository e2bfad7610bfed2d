/* task_profiles - what is known of tasks as such, from a table of them: each row of a task is read as if
 * it had these columns too. A table of stores is one of tasks of stores and brands too: its keys are those
 * of the task's that it has as columns.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: the table, as task_rows has it. */
#ifndef SERVER_DATA_TASK_PROFILES_H
#define SERVER_DATA_TASK_PROFILES_H

#include "server/data/task_rows.h"

struct task_profiles {
    struct task_rows rows;            /* a row a key */
    const char *keys[TASK_MOST_KEYS]; /* (n_keys) some of the task's, in their order */
    size_t n_keys;
};

/* Reads a table of profiles for tasks of these keys; target, time and profiles of the options do not count.
 * ERR_INVALID: it has none of the keys as a column, or two
 * rows of one key. Zero-initialise; task_profiles_fini frees whatever is returned. */
enum err_code task_profiles_read(const char *path, const struct task_rows_options *o,
                                 struct task_profiles *out, struct err *e) ERR_MUST_CHECK;
void task_profiles_fini(struct task_profiles *p);

/* The profile's row of a task with these key texts (o->n_keys of them, in the order of the task's keys);
 * rows.n_rows when there is none. */
size_t task_profiles_find(const struct task_profiles *p, const char *const *keys, const struct text *texts,
                          size_t n_keys);

#endif
