/* A row is asked for the model's columns, each once; only where it has more members than were found are its
 * own names looked at. */
#include "server/tasks/task_row.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "base/value_text.h"
#include "engine/network/task_head.h"
#include "server/fields/field.h"
#include "server/fields/field_value.h"
#include "server/fields/text_form.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A target further away than so many deviations of training is a mistake, and its square would drown all. */
#define LEARNED_MOST 1e9

static bool refuse(const struct task_row_form *f, const char *column, const char *text)
{
    if (f->fault)
        f->fault(f->arg, column, text);
    return false;
}

/* ---- cells ---- */

/* Of a text that is not empty. */
static struct cell cell_of_text(const struct task_row_form *f, struct text text)
{
    struct cell cell = {.kind = CELL_TEXT, .text = text};
    if (f->as_table && !value_text_is_code(text.data) && field_value_number(text, &cell.number))
        cell.kind = CELL_NUMBER;
    return cell;
}

/* Of a number; its digits are the text where a double does not keep them all. */
static struct cell cell_of_number(const json_t *value, char room[VALUE_TEXT_ROOM])
{
    struct cell cell = {.kind = CELL_NUMBER, .number = json_number_value(value)};
    int n = 0;
    if (value_text_is_long(json_integer_value(value)))
        n = snprintf(room, VALUE_TEXT_ROOM, "%lld", (long long)json_integer_value(value));
    if (n > 0)
        cell.text = (struct text){room, (size_t)n};
    return cell;
}

/* What a value says; room: for a text of it. False: it is an object or array. */
static bool cell_of(const struct task_row_form *f, const json_t *value, char room[VALUE_TEXT_ROOM],
                    struct cell *out)
{
    *out = (struct cell){.kind = CELL_ABSENT};
    if (!value || json_is_null(value))
        return true;
    if (json_is_string(value) && json_string_length(value))
        *out = cell_of_text(f, (struct text){json_string_value(value), json_string_length(value)});
    else if (json_is_boolean(value))
        *out = (struct cell){.kind = CELL_NUMBER,
                             .number = json_is_true(value),
                             .text = {json_is_true(value) ? "true" : "false", json_is_true(value) ? 4 : 5}};
    else if (json_is_number(value))
        *out = cell_of_number(value, room);
    return !json_is_object(value) && !json_is_array(value);
}

/* The value of the i-th column: of the target and the time behind those of the model. */
static const json_t *value_of(const struct task_row_form *f, const json_t *row, size_t i, const char *name)
{
    if (!f->layout)
        return json_object_get(row, name);
    return f->layout->at[i] == UINT32_MAX ? NULL : json_array_get(row, f->layout->at[i]);
}

static bool refuse_nested(const struct task_row_form *f, const char *name)
{
    return refuse(f, name, "expected a number, a text, true, false or null");
}

/* Of a text that stands where a number is to be. */
static const char *advice_of(const struct cell *cell, char out[TEXT_FORM_ADVICE_BYTES])
{
    out[0] = '\0';
    return cell->kind == CELL_TEXT ? text_form_advice(cell->text, true, out) : out;
}

/* A category's value that training had not, with the one that may have been meant. */
static bool refuse_value(const struct task_row_form *f, const struct column *column, const struct cell *cell,
                         const struct err *why)
{
    char room[COLUMN_VALUE_BYTES + 1], text[ERR_TEXT_BYTES + 2 * COLUMN_VALUE_BYTES];
    if (column->kind != COLUMN_CATEGORY || cell->kind == CELL_ABSENT) {
        (void)snprintf(text, sizeof text, "%s%s", why->text, advice_of(cell, room));
        return refuse(f, column->name, text);
    }
    struct text value = cell_value(cell, room);
    struct suggestion s = suggest_for(value.data, value.len);
    for (size_t k = 0; k < column->n_values; k++)
        suggest_consider(&s, column->values[k]);
    if (!s.best && column->n_values > 4)
        return refuse(f, column->name, why->text);
    size_t n = (size_t)snprintf(text, sizeof text, "%s; %s", why->text, s.best ? "did you mean" : "it knows");
    for (size_t k = 0; k < (s.best ? 1 : column->n_values); k++) {
        struct text known = text_of(s.best ? s.best : column->values[k]);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s \"%.*s\"%s", k ? "," : "", text_shown(known),
                              known.data, s.best ? "?" : "");
    }
    return refuse(f, column->name, text);
}

/* One column of a row: what it says itself, or its task's profile. */
static bool read_column(const struct task_row_form *f, const json_t *value, size_t i, size_t at, real *x,
                        double *beyond)
{
    const struct column *column = &f->spec->task.columns.list[i];
    struct err e = {0};
    char digits[VALUE_TEXT_ROOM];
    struct cell cell;
    if (!cell_of(f, value, digits, &cell))
        return refuse_nested(f, column->name);
    if (cell.kind == CELL_ABSENT && f->profile && f->profile->has[i]) {
        memcpy(x + at, f->profile->x + at, column_width(column) * sizeof *x);
        *beyond += f->profile->beyond[i];
        return true;
    }
    return !column_encode(column, &cell, f->unknown_is_absent, x + at, beyond, &e) ||
           refuse_value(f, column, &cell, &e);
}

/* ---- target and time ---- */

static bool read_class(const struct task_row_form *f, const struct cell *cell, double *y)
{
    const struct task_spec *t = &f->spec->task;
    struct column classes = {
        .name = t->target, .kind = COLUMN_CATEGORY, .n_values = t->n_classes, .values = t->classes};
    char room[COLUMN_VALUE_BYTES + 1];
    struct text value = cell_value(cell, room);
    size_t k = column_value(&classes, value);
    *y = (double)k;
    if (k < t->n_classes)
        return true;
    struct err e = {0};
    (void)err_set(&e, ERR_INVALID, "the target \"%s\": \"%.*s\" is no class of the model", t->target,
                  text_shown(value), value.data);
    return refuse_value(f, &classes, cell, &e);
}

static bool read_target(const struct task_row_form *f, const json_t *value, double *y)
{
    const struct task_spec *t = &f->spec->task;
    char text[ERR_TEXT_BYTES + TEXT_FORM_ADVICE_BYTES], advice[TEXT_FORM_ADVICE_BYTES];
    char digits[VALUE_TEXT_ROOM];
    struct cell cell;
    if (!cell_of(f, value, digits, &cell))
        return refuse_nested(f, t->target);
    if (cell.kind == CELL_ABSENT) {
        (void)snprintf(text, sizeof text, "the target \"%s\" is missing", t->target);
        return refuse(f, t->target, text);
    }
    if (t->n_classes)
        return read_class(f, &cell, y);
    const char *fault = cell.kind == CELL_TEXT ? NULL : task_target_fault(t, cell.number);
    const char *what = cell.kind == CELL_TEXT   ? "is no number"
                       : !isfinite(cell.number) ? "is not finite"
                       : fault                  ? ""
                       : t->scale != SCALE_COUNT && fabs(task_learned_target(t, cell.number)) > LEARNED_MOST
                           ? "is far beyond anything that the model learned"
                           : NULL;
    if (what) {
        (void)snprintf(text, sizeof text, "the target \"%s\" %s%s%s", t->target, fault ? "is " : what,
                       fault ? fault : "", advice_of(&cell, advice));
        return refuse(f, t->target, text);
    }
    *y = task_learned_target(t, cell.number);
    return true;
}

/* A number, or a time as text: as in a table. */
static bool read_time(const struct task_row_form *f, const json_t *value, double *time)
{
    const char *name = f->spec->task.time;
    char text[2 * ERR_TEXT_BYTES], digits[VALUE_TEXT_ROOM];
    struct cell cell;
    struct err e = {0};
    if (!cell_of(f, value, digits, &cell))
        return refuse_nested(f, name);
    if (cell.kind == CELL_ABSENT) {
        (void)snprintf(text, sizeof text, "the time \"%s\" is missing", name);
        return refuse(f, name, text);
    }
    const struct text written = cell.kind == CELL_TEXT ? cell.text : (struct text){NULL, 0};
    if (!field_time_of_row(written, cell.number, clock_unix_s(), time, &e))
        return true;
    (void)snprintf(text, sizeof text, "the time \"%s\": %s", name, e.text);
    return refuse(f, name, text);
}

/* ---- names ---- */

static bool spec_has(const struct model_spec *spec, const char *name)
{
    const struct task_spec *t = &spec->task;
    return columns_find(&t->columns, text_of(name)) < t->columns.n || strcmp(name, t->target) == 0 ||
           (t->time && strcmp(name, t->time) == 0);
}

static bool is_column(const struct task_row_form *f, const char *name)
{
    bool has = f->others_pass || spec_has(f->spec, name);
    for (size_t i = 0; i < f->n_others && !has; i++)
        has = spec_has(f->others[i], name);
    return has;
}

static bool refuse_name(const struct task_row_form *f, const char *name)
{
    const struct columns *c = &f->spec->task.columns;
    char text[ERR_TEXT_BYTES];
    struct suggestion s = suggest_for(name, strlen(name));
    for (size_t i = 0; i < c->n; i++)
        suggest_consider(&s, c->list[i].name);
    (void)snprintf(text, sizeof text, "the model has no such column%s%.128s%s",
                   s.best ? "; did you mean \"" : "", s.best ? s.best : "", s.best ? "\"?" : "");
    return refuse(f, name, text);
}

static bool check_names(const struct task_row_form *f, const json_t *row)
{
    const char *name;
    json_t *value;
    bool ok = true;
    json_object_foreach((json_t *)(uintptr_t)row, name, value)
    {
        if (!is_column(f, name))
            ok = refuse_name(f, name);
    }
    return ok;
}

/* ---- rows ---- */

static bool check_form(const struct task_row_form *f, const json_t *row)
{
    char text[ERR_TEXT_BYTES];
    if (!f->layout)
        return json_is_object(row) || refuse(f, NULL, "expected an object of columns");
    if (json_is_array(row) && json_array_size(row) == f->layout->n)
        return true;
    (void)snprintf(text, sizeof text, "expected an array of %zu values, one for each of the columns",
                   f->layout->n);
    return refuse(f, NULL, text);
}

bool task_row_read(const struct task_row_form *f, const json_t *row, struct task_row_values *out)
{
    const struct task_spec *t = &f->spec->task;
    size_t at = 0, n = t->columns.n, n_found = 0;
    out->y = out->time = 0;
    if (!check_form(f, row))
        return false;
    bool ok = true;
    double beyond = 0;
    memset(out->x, 0, f->spec->d_item * sizeof *out->x);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = value_of(f, row, i, t->columns.list[i].name);
        n_found += value != NULL;
        ok = read_column(f, value, i, at, out->x, &beyond) && ok;
        at += column_width(&t->columns.list[i]);
    }
    if (out->beyond)
        *out->beyond = beyond;
    if (f->known)
        ok = read_target(f, value_of(f, row, n, t->target), &out->y) && ok;
    if (f->known && t->forgets && !f->timeless)
        ok = read_time(f, value_of(f, row, n + 1, t->time), &out->time) && ok;
    if (!f->layout && n_found < json_object_size(row))
        ok = check_names(f, row) && ok;
    return ok;
}

void task_row_lacks(const struct task_row_form *f, const json_t *row, unsigned char *lacks)
{
    const struct task_spec *t = &f->spec->task;
    for (size_t i = 0; i <= t->columns.n; i++) {
        char digits[VALUE_TEXT_ROOM];
        struct cell cell;
        const json_t *value = value_of(f, row, i, i < t->columns.n ? t->columns.list[i].name : t->target);
        lacks[i] |= cell_of(f, value, digits, &cell) && cell.kind == CELL_ABSENT;
    }
}

bool task_profile_read(const struct task_row_form *f, const json_t *profile, struct task_profile *out)
{
    const struct columns *c = &f->spec->task.columns;
    struct task_row_form form = *f;
    bool ok = true;
    form.profile = NULL;
    form.layout = NULL;
    memset(out->x, 0, f->spec->d_item * sizeof *out->x);
    memset(out->has, 0, c->n);
    for (size_t i = 0, at = 0; i < c->n; at += column_width(&c->list[i]), i++) {
        const json_t *value = json_object_get(profile, c->list[i].name);
        char digits[VALUE_TEXT_ROOM];
        struct cell cell;
        if (cell_of(f, value, digits, &cell) && cell.kind == CELL_ABSENT)
            continue;
        double beyond = 0;
        bool read = read_column(&form, value, i, at, out->x, &beyond);
        if (!read)
            memset(out->x + at, 0, column_width(&c->list[i]) * sizeof *out->x);
        out->beyond[i] = beyond;
        out->has[i] = read;
        ok = read && ok;
    }
    return ok;
}

/* ---- arrays ---- */

void task_row_layout_fini(struct task_row_layout *l)
{
    mem_free(l->at);
    *l = (struct task_row_layout){0};
}

/* The number of a name among the columns, the target and the time; columns + 2: none of them. */
static size_t number_of(const struct task_spec *t, const char *name)
{
    size_t i = columns_find(&t->columns, text_of(name));
    if (i < t->columns.n)
        return i;
    return strcmp(name, t->target) == 0 ? t->columns.n
                                        : t->columns.n + 1 + !(t->time && !strcmp(name, t->time));
}

static bool place(const struct task_row_form *f, const char *name, uint32_t at, struct task_row_layout *out)
{
    size_t i = number_of(&f->spec->task, name);
    if (i == f->spec->task.columns.n + 2)
        return is_column(f, name) || refuse_name(f, name);
    if (out->at[i] != UINT32_MAX)
        return refuse(f, name, "the column is named twice");
    out->at[i] = at;
    return true;
}

enum err_code task_row_layout_make(const struct task_row_form *f, const json_t *names,
                                   struct task_row_layout *out, bool *ok, struct err *e)
{
    size_t n = f->spec->task.columns.n + 2;
    out->n = json_array_size(names);
    out->at = mem_alloc_array(n, sizeof *out->at);
    if (!out->at)
        return err_set(e, ERR_NOMEM, "no memory for the places of %zu columns", n);
    memset(out->at, 0xff, n * sizeof *out->at);
    *ok = true;
    for (size_t i = 0; i < out->n; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        *ok = (name ? place(f, name, (uint32_t)i, out) : refuse(f, NULL, "a name of a column is a text")) &&
              *ok;
    }
    return ERR_OK;
}
