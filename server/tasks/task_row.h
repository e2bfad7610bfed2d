/* task_row - one row of a task as JSON has it, as the numbers that a model of tasks takes.
 *
 * A row is an object of columns, or an array whose columns are named beside it. A value is a number, a text,
 * true or false; null and "" say nothing. What a row does not say its task's profile may say for it.
 * Layer: server/tasks
 * Threads: any; a layout is confined while it is made.
 * Memory: a layout holds a place for each column. */
#ifndef SERVER_TASKS_TASK_ROW_H
#define SERVER_TASKS_TASK_ROW_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Told of what is wrong with a row: in the column of this name; NULL: with the row as a whole. */
typedef void task_row_fault_fn(void *arg, const char *column, const char *text);

/* The columns that a task's profile has, for each of its rows. */
struct task_profile {
    real *x;            /* (D) the places of those columns; the others are zeros */
    double *beyond;     /* (columns) what x cannot say of it (engine/format/columns.h) */
    unsigned char *has; /* (columns) 1: the profile says it */
};

/* Where the columns of a model stand in a row that is an array. */
struct task_row_layout {
    size_t n;     /* cells of a row */
    uint32_t *at; /* (columns + 2): of each column, of the target and of the time; UINT32_MAX: nowhere */
};

/* How rows are read. */
struct task_row_form {
    const struct model_spec *spec;
    const struct task_profile *profile;   /* NULL: none */
    const struct task_row_layout *layout; /* NULL: rows are objects */
    bool known;    /* rows have the target, and their time where they age; else both are passed over */
    bool timeless; /* known rows need no time */
    bool unknown_is_absent; /* a value of a category that training had not (columns_encode) */
    bool others_pass;       /* columns that the model has not are no fault */
    /* In a column of numbers a text counts that a table's cell would be a number by, as +49 does. */
    bool as_table;
    const struct model_spec *const *others; /* (n_others) models whose columns may be there too */
    size_t n_others;
    task_row_fault_fn *fault; /* NULL: nobody is told */
    void *arg;
};

/* What a row is to a model. */
struct task_row_values {
    real *x;        /* (D) the caller's room */
    double *beyond; /* the caller's: what x cannot say of it; NULL: nobody asks */
    double y;       /* of known rows: the target as it is learned, or the number of the class */
    double time;    /* of known rows that age; else 0 */
};

/* Reads a row. False: something is wrong with it, and all of that was told. */
bool task_row_read(const struct task_row_form *f, const json_t *row, struct task_row_values *out);

/* Marks in lacks (columns + 1) the columns in which a row of the right form says nothing, and last the
 * target. */
void task_row_lacks(const struct task_row_form *f, const json_t *row, unsigned char *lacks);

/* Reads a profile, by whose names that the model has not nobody is disturbed, into the caller's room. False
 * as above; what is right of it is there. */
bool task_profile_read(const struct task_row_form *f, const json_t *profile, struct task_profile *out);

/* Finds the places of a model's columns among names, an array of texts. Faults are told of to f, with the
 * name as the column. *ok: there was none. ERR_NOMEM. Zero-initialise; task_row_layout_fini frees. */
enum err_code task_row_layout_make(const struct task_row_form *f, const json_t *names,
                                   struct task_row_layout *out, bool *ok, struct err *e) ERR_MUST_CHECK;
void task_row_layout_fini(struct task_row_layout *l);

#endif
