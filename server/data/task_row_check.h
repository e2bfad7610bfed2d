/* task_row_check - what no model could take of rows that come before there is one: of a column of which
 * nearly all others are numbers, a word for no number, a number that is written otherwise, and one that is
 * too large to learn from. Elsewhere such a text is one like any other.
 * Layer: server/data
 * Threads: plain values.
 * Memory: two counts a column. */
#ifndef SERVER_DATA_TASK_ROW_CHECK_H
#define SERVER_DATA_TASK_ROW_CHECK_H

#include "base/err.h"
#include "server/data/task_rows.h"

#include <stdbool.h>
#include <stddef.h>

/* How often a column has numbers, and texts that are no word for none. */
struct task_row_kinds {
    size_t n_numbers, n_texts;
};

/* Counts them for each column of the rows; *out is the caller's to free (mem_free), also at an error. */
enum err_code task_row_kinds_count(const struct task_rows *rows, struct task_row_kinds **out,
                                   struct err *e) ERR_MUST_CHECK;

/* False: a row has such a cell, which *why names with file, line and column. */
bool task_row_check(const struct task_rows *rows, const struct task_row_kinds *kinds, size_t row,
                    const char *path, struct err *why);

/* Whether a cell says that there is nothing. */
bool task_cell_is_none(const struct task_cell *cell);

#endif
