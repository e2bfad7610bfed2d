/* task_dataset - a table of tasks as arrays for the trainer: what its columns are, its classes, and its
 * rows task by task, oldest first.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: the rows twice: as they were read, and as the network takes them. */
#ifndef SERVER_DATA_TASK_DATASET_H
#define SERVER_DATA_TASK_DATASET_H

#include "base/err.h"
#include "engine/format/objective.h"
#include "engine/train/data/task_table.h"
#include "server/data/task_columns.h"
#include "server/data/task_rows.h"

struct task_dataset {
    struct task_table table; /* views of what follows */
    struct task_spec about;  /* owned: columns, target, classes */
    size_t *row_start;       /* (n_tasks + 1) */
    uint32_t *order;         /* (n_rows) the row of the file that each row is */
    real *x;                 /* (n_rows, width) */
    double *beyond;          /* (n_rows) what x cannot say, see engine/format/columns.h; NULL: nothing */
    double *y, *time;        /* (n_rows); time NULL without one */
};

/* Finds out what a table of rows is: its columns, and by the target whether it is of numbers or classes,
 * where objective is NULL. ERR_INVALID names the fault. Zero-initialise; task_dataset_fini frees whatever
 * is returned. */
enum err_code task_dataset_make(const struct task_rows *rows, const struct task_rows_options *o,
                                const struct objective *objective, const char *const *categorical,
                                size_t n_categorical, struct task_dataset *out, task_column_fn *tell,
                                void *arg, struct err *e) ERR_MUST_CHECK;

/* Refuses the first row whose target is none for the scale and the loss that `about` has. ERR_INVALID
 * names it. */
enum err_code task_dataset_check_targets(const struct task_dataset *d, const struct task_rows *rows,
                                         const struct task_spec *about, struct err *e) ERR_MUST_CHECK;

/* The same rows for a model that there is: the columns, classes and scales are the model's. */
enum err_code task_dataset_for(const struct task_rows *rows, const struct model_spec *spec,
                               bool unknown_is_absent, struct task_dataset *out,
                               struct err *e) ERR_MUST_CHECK;

void task_dataset_fini(struct task_dataset *d);

#endif
