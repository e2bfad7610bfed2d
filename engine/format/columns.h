/* columns - the columns of a table of rows, as a model of tasks knows them: names, kinds, scales, values;
 * and a row of them as the numbers x that the network takes.
 *
 * A number becomes (value - mean) / deviation, cut to what training had, +- COLUMN_SLACK deviations. A
 * category becomes a 1 in the place of its value and zeros in the others. A column that training saw rows
 * without has one place more, the last: 1 where a row lacks it, and all its other places are then 0.
 *
 * What x cannot say of a row is told beside it, so that nobody takes its answer for one of a row like
 * those of training: `beyond` is a sum over columns, of a number the square of how far it was cut, in
 * units of COLUMN_SLACK deviations, and of a value of a category that training had not 1.
 * Layer: engine/format
 * Threads: immutable once filled.
 * Memory: names and values on the heap (columns_fini). */
#ifndef ENGINE_FORMAT_COLUMNS_H
#define ENGINE_FORMAT_COLUMNS_H

#include "base/err.h"
#include "base/text.h"
#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>

#define COLUMN_SLACK       3.0 /* deviations that a number may lie beyond the range of training */
#define COLUMN_BEYOND_MOST 1e6 /* of them that a number is said to be cut by: squares stay finite */

enum column_kind { COLUMN_NUMBER, COLUMN_CATEGORY };

struct column {
    char *name;
    enum column_kind kind;
    bool optional;          /* training had rows without it; else such a row is refused */
    double mean, deviation; /* of a number; the deviation is above 0 */
    double least, most;     /* of a number: the range of training */
    size_t n_values;        /* of a category */
    char **values;          /* (n_values) in rising order of their bytes */
};

struct columns {
    size_t n;
    struct column *list; /* (n) */
};

/* What a row has in a column. Texts are borrowed. */
enum { COLUMN_VALUE_BYTES = 256 }; /* of a value of a category */

enum cell_kind { CELL_ABSENT, CELL_NUMBER, CELL_TEXT };
struct cell {
    enum cell_kind kind;
    double number;    /* of CELL_NUMBER */
    struct text text; /* of CELL_TEXT; of a number as it was written, or NULL data */
};

/* Frees names and values; zeroed is allowed. */
void column_fini(struct column *column);
void columns_fini(struct columns *c);

/* Checks names, ranges and orders, as a file may have them; ERR_INVALID names the first fault. */
enum err_code columns_check(const struct columns *c, struct err *e) ERR_MUST_CHECK;

/* Places of x that all columns take, and one of them. */
size_t columns_width(const struct columns *c);
size_t column_width(const struct column *column);

/* How many of the first columns take the first d places of x, where these end with one. */
size_t columns_within(const struct columns *c, size_t d);

/* The column of this name; n when there is none. Cost: a look at each. */
size_t columns_find(const struct columns *c, struct text name);

/* The number of a category's value; n_values when training had no such value. Cost: bisection. */
size_t column_value(const struct column *column, struct text value);

/* What a cell that is there says as a category: the one form of base/value_text.h, so that 2, 2.0 and "2" are
 * one value. A view of the cell's text or of room; a text that is longer than any value comes as it is. */
struct text cell_value(const struct cell *cell, char room[COLUMN_VALUE_BYTES + 1]);

/* Writes x (columns_width) of the row cells (n), and what is beyond it; NULL: nobody asks. Refused
 * (ERR_INVALID, the text names the column): a number that is not finite, a text for a number, a value of a
 * category that training had not (with unknown_is_absent it counts as absent, where the column is
 * optional, and as none of the values, where it is not), and nothing where training always had something. */
enum err_code columns_encode(const struct columns *c, const struct cell *cells, bool unknown_is_absent,
                             real *x, double *beyond, struct err *e) ERR_MUST_CHECK;

/* The same of one column: x (column_width), which is zeros; what is beyond it is added. */
enum err_code column_encode(const struct column *column, const struct cell *cell, bool unknown_is_absent,
                            real *x, double *beyond, struct err *e) ERR_MUST_CHECK;

#endif
