/* task_columns - what the columns of a table of tasks are, found from its rows: numbers with their scale,
 * or categories with their values; and the rows as a model takes them.
 *
 * A column whose cells are all numbers is one of numbers; where nineteen of twenty are, the others are
 * faults and named. Any other column is one of categories. A value that fewer than COLUMN_LEAST_ROWS rows
 * or only one of several tasks has is none of its values: it may say who somebody is. Left out, and told
 * of: columns that are called a name or an address, columns of which all rows have the same, and
 * categories of more than LIMIT_COLUMN_VALUES values.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: the columns, and one look-up table of texts. */
#ifndef SERVER_DATA_TASK_COLUMNS_H
#define SERVER_DATA_TASK_COLUMNS_H

#include "engine/format/columns.h"
#include "server/data/task_rows.h"

enum { COLUMN_LEAST_ROWS = 5 };

/* Tells of a column that is left out, and why; both texts are borrowed. */
typedef void task_column_fn(void *arg, const char *name, const char *reason);

/* Finds the columns. categorical (n_categorical): names of columns whose numbers are categories. ERR_INVALID:
 * a fault in a column of numbers, a name in `categorical` that is no column, no column that is left. */
enum err_code task_columns_find(const struct task_rows *rows, const char *const *categorical,
                                size_t n_categorical, struct columns *out, task_column_fn *tell, void *arg,
                                struct err *e) ERR_MUST_CHECK;

/* What of a row the columns take: cells (columns->n). column_of (rows->columns.n): the place of each column
 * of the table, columns->n for one that the model has not. */
void task_columns_cells(const struct task_rows *rows, size_t row, const uint32_t *column_of, size_t n,
                        struct cell *cells);

/* That list, for a model's columns and a table's. */
enum err_code task_columns_match(const struct task_rows *rows, const struct columns *columns,
                                 uint32_t **column_of, struct err *e) ERR_MUST_CHECK;

#endif
