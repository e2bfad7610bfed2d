/* Columns are few (at most LIMIT_COLUMNS) and their values many, so that names are compared one by one and
 * values bisected. */
#include "engine/format/columns.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/value_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void column_fini(struct column *column)
{
    for (size_t k = 0; k < column->n_values; k++)
        mem_free(column->values[k]);
    mem_free(column->values);
    mem_free(column->name);
    *column = (struct column){0};
}

void columns_fini(struct columns *c)
{
    for (size_t i = 0; i < c->n; i++)
        column_fini(&c->list[i]);
    mem_free(c->list);
    *c = (struct columns){0};
}

static enum err_code check_number(const struct column *column, struct err *e)
{
    if (!isfinite(column->mean) || !isfinite(column->deviation) || column->deviation <= 0)
        return err_set(e, ERR_INVALID, "column \"%s\" needs a finite mean and a finite deviation above 0",
                       column->name);
    if (!isfinite(column->least) || !isfinite(column->most) || column->least > column->most)
        return err_set(e, ERR_INVALID, "column \"%s\" needs a finite least that is not above a finite most",
                       column->name);
    return ERR_OK;
}

static enum err_code check_values(const struct column *column, struct err *e)
{
    if (column->n_values < 1 || column->n_values > LIMIT_COLUMN_VALUES)
        return err_set(e, ERR_INVALID, "column \"%s\" has %zu values; it must have 1 to %d", column->name,
                       column->n_values, LIMIT_COLUMN_VALUES);
    for (size_t k = 1; k < column->n_values; k++)
        if (strcmp(column->values[k - 1], column->values[k]) >= 0)
            return err_set(e, ERR_INVALID, "value %zu of column \"%s\" does not come after the one before it",
                           k, column->name);
    return ERR_OK;
}

enum err_code columns_check(const struct columns *c, struct err *e)
{
    if (c->n > LIMIT_COLUMNS)
        return err_set(e, ERR_INVALID, "there are %zu columns; at most %d", c->n, LIMIT_COLUMNS);
    for (size_t i = 0; i < c->n; i++) {
        const struct column *column = &c->list[i];
        size_t len = strlen(column->name);
        if (len < 1 || len > LIMIT_NAME_BYTES)
            return err_set(e, ERR_INVALID, "the name of column %zu has %zu bytes; it must have 1 to %d", i,
                           len, LIMIT_NAME_BYTES);
        if (columns_find(c, (struct text){column->name, len}) != i)
            return err_set(e, ERR_INVALID, "column \"%s\" stands twice", column->name);
        enum err_code code =
            column->kind == COLUMN_NUMBER ? check_number(column, e) : check_values(column, e);
        if (code)
            return code;
    }
    return ERR_OK;
}

size_t column_width(const struct column *column)
{
    return (column->kind == COLUMN_NUMBER ? 1 : column->n_values) + column->optional;
}

size_t columns_width(const struct columns *c)
{
    size_t width = 0;
    for (size_t i = 0; i < c->n; i++)
        width += column_width(&c->list[i]);
    return width;
}

size_t columns_within(const struct columns *c, size_t d)
{
    size_t n = 0;
    for (size_t at = 0; n < c->n && at < d; n++)
        at += column_width(&c->list[n]);
    return n;
}

size_t columns_find(const struct columns *c, struct text name)
{
    size_t i = 0;
    while (i < c->n && !text_is(name, c->list[i].name))
        i++;
    return i;
}

/* As strcmp, of a text that is not terminated. */
static int compare(const void *text, const void *value)
{
    const struct text *a = text;
    const char *b = *(const char *const *)value;
    int order = strncmp(a->data, b, a->len);
    return order ? order : -(b[a->len] != '\0');
}

size_t column_value(const struct column *column, struct text value)
{
    char **found = column->n_values
                       ? bsearch(&value, column->values, column->n_values, sizeof *column->values, compare)
                       : NULL;
    return found ? (size_t)(found - column->values) : column->n_values;
}

static enum err_code encode_number(const struct column *column, double number, real *x, double *beyond,
                                   struct err *e)
{
    double slack = COLUMN_SLACK * column->deviation;
    if (!isfinite(number))
        return err_set(e, ERR_INVALID, "column \"%s\": the number is not finite", column->name);
    double kept = fmax(fmin(number, column->most + slack), column->least - slack);
    double cut = fmin(fabs(number - kept) / slack, COLUMN_BEYOND_MOST);
    x[0] = (real)((kept - column->mean) / column->deviation);
    *beyond += cut * cut;
    return ERR_OK;
}

struct text cell_value(const struct cell *cell, char room[COLUMN_VALUE_BYTES + 1])
{
    _Static_assert((int)COLUMN_VALUE_BYTES >= (int)VALUE_TEXT_ROOM, "a number fits");
    char form[VALUE_TEXT_ROOM];
    if (!cell->text.data) {
        value_text_of_number(cell->number, room);
        return text_of(room);
    }
    if (cell->text.len > COLUMN_VALUE_BYTES)
        return cell->text;
    memcpy(room, cell->text.data, cell->text.len);
    room[cell->text.len] = '\0';
    const char *own = value_text(room, form);
    if (own != room)
        memmove(room, own, strlen(own) + 1);
    return text_of(room);
}

static enum err_code encode_category(const struct column *column, const struct cell *cell,
                                     bool unknown_is_absent, real *x, double *beyond, struct err *e)
{
    char room[COLUMN_VALUE_BYTES + 1];
    struct text value = cell_value(cell, room);
    size_t k = column_value(column, value);
    if (k < column->n_values) {
        x[k] = 1;
        return ERR_OK;
    }
    if (!unknown_is_absent)
        return err_set(e, ERR_INVALID, "column \"%s\": the model does not know the value \"%.*s\"",
                       column->name, text_shown(value), value.data);
    if (column->optional)
        x[column->n_values] = 1;
    *beyond += 1;
    return ERR_OK;
}

enum err_code column_encode(const struct column *column, const struct cell *cell, bool unknown_is_absent,
                            real *x, double *beyond, struct err *e)
{
    double nobody_asks = 0;
    if (!beyond)
        beyond = &nobody_asks;
    if (cell->kind == CELL_ABSENT && column->optional) {
        x[column_width(column) - 1] = 1;
        return ERR_OK;
    }
    if (cell->kind == CELL_ABSENT)
        return err_set(e, ERR_INVALID, "column \"%s\" is missing, and the model never learned without it",
                       column->name);
    if (column->kind == COLUMN_CATEGORY)
        return encode_category(column, cell, unknown_is_absent, x, beyond, e);
    if (cell->kind == CELL_TEXT)
        return err_set(e, ERR_INVALID, "column \"%s\": \"%.*s\" is no number", column->name,
                       text_shown(cell->text), cell->text.data);
    return encode_number(column, cell->number, x, beyond, e);
}

enum err_code columns_encode(const struct columns *c, const struct cell *cells, bool unknown_is_absent,
                             real *x, double *beyond, struct err *e)
{
    enum err_code code = ERR_OK;
    memset(x, 0, columns_width(c) * sizeof *x);
    if (beyond)
        *beyond = 0;
    for (size_t i = 0; i < c->n && code == ERR_OK; i++) {
        code = column_encode(&c->list[i], &cells[i], unknown_is_absent, x, beyond, e);
        x += column_width(&c->list[i]);
    }
    return code;
}
