/* task_learned - the rows that others than the model learn from: those that it was trained from and those
 * that are known, as one table.
 *
 * Of a task that both tables have, the known rows are all that there is of it: they are what has become of
 * it since.
 * Layer: server/tasks
 * Threads: immutable once made.
 * Memory: all rows once more; of tables without such a second one, a few numbers a row. */
#ifndef SERVER_TASKS_TASK_LEARNED_H
#define SERVER_TASKS_TASK_LEARNED_H

#include "base/err.h"
#include "server/data/task_dataset.h"

#include <stddef.h>
#include <stdint.h>

/* A table as it was read and as the model takes it; borrowed. */
struct task_source {
    const struct task_rows *rows;
    const struct task_dataset *data; /* NULL: there is no such table */
};

struct task_learned {
    size_t n_tasks, n_rows, d; /* the known tasks first */
    size_t *row_start;         /* (n_tasks + 1) */
    real *x;                   /* (n_rows, d) */
    double *y;                 /* (n_rows) as the model learns them, or classes */
    double *time;              /* (n_rows); NULL: rows have no times */
    uint32_t *task;            /* (n_rows) */
    struct task_source known, trained;
    uint32_t *place; /* (trained tasks) which task of this table it is */
};

/* At least one of the two is there. Zero-initialise; task_learned_fini frees whatever is there.
 * ERR_INVALID: there is no row; ERR_NOMEM. */
enum err_code task_learned_make(struct task_learned *l, const struct model_spec *spec,
                                const struct task_source *known, const struct task_source *trained,
                                struct err *e) ERR_MUST_CHECK;
void task_learned_fini(struct task_learned *l);

/* Which task of the table has this id; n_tasks: none. */
uint32_t task_learned_find(const struct task_learned *l, struct text id);

/* Whether the model was trained from rows of it, as far as is known: where nothing was said of that, from
 * the known ones. */
bool task_learned_is_trained(const struct task_learned *l, struct text id);

#endif
