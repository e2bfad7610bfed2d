/* task_rows - the rows of a table of many tasks, as a file has them: which task a row is of, what it has in
 * each column, its target and its time.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: 16 bytes a cell that has a value, and each distinct text once. */
#ifndef SERVER_DATA_TASK_ROWS_H
#define SERVER_DATA_TASK_ROWS_H

#include "base/err.h"
#include "base/progress.h"
#include "server/tables/table.h"
#include "store/id_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a number in a row, either way: of larger ones no mean and no deviation can be computed. */
#define TASK_MOST_NUMBER 1e100

/* The columns of a row that is an image with its class. An image is an array of JSON, or the text of a
 * PNG; its class is a text, also where it reads as a number. */
#define TASK_ROWS_IMAGE "image"
#define TASK_ROWS_CLASS "class"

enum { TASK_MOST_KEYS = 4 }; /* columns that say together which task a row is of */

struct task_profiles;

/* Which column is what, by name. */
struct task_rows_options {
    const char *keys[TASK_MOST_KEYS]; /* (n_keys) joined with a slash: s2/b1 */
    size_t n_keys;                    /* 0: all rows are of one task, "all" */
    const char *target;               /* NULL: the rows have none, which is an error for a row that has it */
    const char *time;                 /* NULL: the rows of a task come in their order */
    bool keeps_none;                  /* cells that are null in JSON are there too, as such */
    bool takes_images; /* a row may be an image with its class (TASK_ROWS_IMAGE); no training reads such */
    struct table_ignored ignored;
    enum table_format format;
    const struct task_profiles
        *profiles; /* of tasks, whose columns are those of each of their rows; or NULL */
    /* Told of a bad row of so many lines; true: it is left out, and the reading goes on. NULL: the first one
     * ends it. */
    bool (*bad)(void *arg, const struct err *why, uint64_t n_lines);
    void *arg;
    progress_fn *progress; /* told of the rows now and then; false ends it (ERR_DEADLINE). NULL: nobody is */
    void *progress_arg;
    size_t most_bytes; /* that the rows may take; more is ERR_LIMIT. 0: all that there is */
};

/* What a row has in a column. */
struct task_cell {
    double number;   /* NAN: it is none */
    uint32_t column; /* in columns */
    uint32_t text;   /* in texts; ID_TABLE_NONE: a number and nothing else, or (keeps_none) null */
};

struct task_row {
    uint64_t line;
    uint32_t task; /* in tasks */
    bool is_image; /* the texts of TASK_ROWS_IMAGE, of arrays as JSON, and TASK_ROWS_CLASS are as they are */
    size_t first;  /* its cells are [first, first of the next row) */
    double time;   /* seconds, or any rising number; 0 without a time */
    struct task_cell target;
};

struct task_rows {
    struct id_table tasks;   /* ids, in the order in which they came */
    struct id_table columns; /* names of inputs: neither target nor time, nor a key that is alone */
    struct id_table texts;
    struct task_row *rows; /* (n_rows + 1) in the order of the file; of the last only `first` counts */
    size_t n_rows, rows_capacity;
    struct task_cell *cells; /* (n_cells) */
    size_t n_cells, cells_capacity;
    bool has_nameless;         /* there is a column without a name, which is left out */
    bool has_targets;          /* rows were read with them */
    uint64_t n_without_target; /* rows that were left out because their target is empty */
};

/* Reads a file whole. ERR_INVALID names file, line and column: a row without a key, a target or a time that
 * cannot be read, a column that is not there. Zero-initialise; task_rows_fini frees whatever is returned. */
enum err_code task_rows_read(const char *path, const struct task_rows_options *o, struct task_rows *out,
                             struct err *e) ERR_MUST_CHECK;
void task_rows_fini(struct task_rows *r);

/* Frees the cells and their texts; what is left of a row is its line, task, target and time. */
void task_rows_drop_cells(struct task_rows *r);

/* Refuses a file (ERR_INVALID) for want of a column, or because it is empty; says what separates its fields
 * where that is why. */
enum err_code task_rows_no_column(const char *path, const struct table_columns *columns, const char *name,
                                  struct err *e) ERR_MUST_CHECK;

#endif
