#include "server/data/task_rows.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/value_text.h"
#include "server/data/task_profiles.h"
#include "server/fields/field.h"
#include "server/tables/format.h"
#include "server/tables/row_builder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void task_rows_fini(struct task_rows *r)
{
    id_table_fini(&r->tasks);
    id_table_fini(&r->columns);
    id_table_fini(&r->texts);
    mem_free(r->rows);
    mem_free(r->cells);
    *r = (struct task_rows){0};
}

void task_rows_drop_cells(struct task_rows *r)
{
    id_table_fini(&r->texts);
    mem_free(r->cells);
    r->cells = NULL;
    r->n_cells = r->cells_capacity = 0;
    for (size_t i = 0; r->rows && i <= r->n_rows; i++)
        r->rows[i].first = 0;
}

static size_t bytes_of(const struct id_table *t)
{
    return t->texts_capacity + t->capacity * sizeof *t->end + t->n_slots * sizeof *t->slots;
}

/* Now and then: tells how far it is, and looks at how much the rows take. */
static enum err_code look_up(const char *path, const struct task_rows_options *o, const struct task_rows *r,
                             struct err *e)
{
    enum { EVERY = 16384 };
    if (r->n_rows % EVERY)
        return ERR_OK;
    size_t n_bytes = r->rows_capacity * sizeof *r->rows + r->cells_capacity * sizeof *r->cells +
                     bytes_of(&r->tasks) + bytes_of(&r->texts);
    if (o->most_bytes && n_bytes > o->most_bytes)
        return err_set(e, ERR_LIMIT,
                       "%s: its first %zu rows take %zu MB of memory, and there is room for %zu; give the "
                       "table in parts, each with all rows of its tasks",
                       path, r->n_rows, n_bytes >> 20, o->most_bytes >> 20);
    struct progress p = progress_at(path, (double)NAN);
    p.n_rows = (int64_t)r->n_rows;
    return !o->progress || o->progress(o->progress_arg, &p) ? ERR_OK
                                                            : err_set(e, ERR_DEADLINE, "it was stopped");
}

static enum err_code start_row(struct task_rows *r, struct err *e)
{
    if (!MEM_RESERVE(r->rows, r->rows_capacity, r->n_rows + 2))
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", r->n_rows + 2);
    r->rows[r->n_rows].first = r->n_cells;
    return ERR_OK;
}

/* The digits of a whole number of JSON of which a double would lose some, else NULL data. */
static struct text digits_of(const struct table_cell *cell, char scratch[VALUE_TEXT_ROOM])
{
    int n = 0;
    if (value_text_is_long(cell->whole))
        n = snprintf(scratch, VALUE_TEXT_ROOM, "%lld", (long long)cell->whole);
    return n > 0 ? (struct text){scratch, (size_t)n} : (struct text){NULL, 0};
}

/* A cell of a table as one of ours; its text is remembered. */
static enum err_code take_cell(struct task_rows *r, const struct table_cell *cell, uint32_t column,
                               struct task_cell *out, struct err *e)
{
    char scratch[VALUE_TEXT_ROOM];
    struct text text = cell->text.data ? cell->text : digits_of(cell, scratch);
    *out = (struct task_cell){
        .number = cell->is_number ? cell->number : NAN, .column = column, .text = ID_TABLE_NONE};
    return text.data ? id_table_add(&r->texts, text, &out->text, e) : ERR_OK;
}

static enum err_code add_input(struct task_rows *r, struct text name, const struct table_cell *cell,
                               struct err *e)
{
    uint32_t column;
    if (!MEM_RESERVE(r->cells, r->cells_capacity, r->n_cells + 1))
        return err_set(e, ERR_NOMEM, "no memory for %zu cells", r->n_cells + 1);
    enum err_code code = id_table_add(&r->columns, name, &column, e);
    if (!code && r->columns.n > LIMIT_COLUMNS)
        code = err_set(e, ERR_INVALID, "there are more than %d columns", LIMIT_COLUMNS);
    if (!code)
        code = take_cell(r, cell, column, &r->cells[r->n_cells], e);
    r->n_cells += !code;
    return code;
}

static enum err_code set_time(const struct table_cell *cell, double *out, struct err *e)
{
    const struct text text = cell->is_number ? (struct text){NULL, 0} : cell->text;
    enum err_code code = field_time_of_row(text, cell->number, clock_unix_s(), out, e);
    return code ? err_prefix(e, "column '%s'", cell->name) : ERR_OK;
}

/* The text of a key; a number of JSON as it is usually written. */
static struct text key_text(const struct table_cell *cell, char scratch[VALUE_TEXT_ROOM])
{
    if (cell->text.data)
        return cell->text;
    struct text digits = digits_of(cell, scratch);
    if (digits.data)
        return digits;
    value_text_of_number(cell->number, scratch);
    return (struct text){scratch, strlen(scratch)};
}

/* The texts of the row's keys; scratch for numbers of JSON. */
static enum err_code read_keys(const struct task_rows_options *o, const struct table_cell *const *keys,
                               char scratch[][VALUE_TEXT_ROOM], struct text *texts, struct err *e)
{
    for (size_t i = 0; i < o->n_keys; i++) {
        if (!keys[i])
            return err_set(e, ERR_INVALID, "column '%s', which says what task a row is of, is empty",
                           o->keys[i]);
        texts[i] = key_text(keys[i], scratch[i]);
        if (o->n_keys > 1 && memchr(texts[i].data, '/', texts[i].len))
            return err_set(
                e, ERR_INVALID,
                "column '%s' has a slash, by which the keys of a task are joined; write another sign",
                o->keys[i]);
    }
    return ERR_OK;
}

/* The row's task, from its keys (n_keys). */
static enum err_code set_task(struct task_rows *r, const struct text *keys, size_t n_keys, uint32_t *task,
                              struct err *e)
{
    char id[LIMIT_ID_BYTES + 1];
    size_t n = 0;
    if (n_keys == 0)
        return id_table_add(&r->tasks, text_of("all"), task, e);
    for (size_t i = 0; i < n_keys; i++) {
        if (n + keys[i].len + (i > 0) > LIMIT_ID_BYTES)
            return err_set(e, ERR_INVALID, "the id of the task has more than %d bytes", LIMIT_ID_BYTES);
        if (i)
            id[n++] = '/';
        memcpy(id + n, keys[i].data, keys[i].len);
        n += keys[i].len;
    }
    enum err_code code = table_row_check_id((struct text){id, n}, "task", e);
    return code ? code : id_table_add(&r->tasks, (struct text){id, n}, task, e);
}

/* Which of the keys a name is; n_keys: none. */
static size_t key_of(const struct task_rows_options *o, struct text name)
{
    size_t i = 0;
    while (i < o->n_keys && !text_is(name, o->keys[i]))
        i++;
    return i;
}

/* The cells of the task's profile, where it has one, as cells of the row that began at `first`. */
static enum err_code add_profile(struct task_rows *r, const struct task_rows_options *o,
                                 const struct text *keys, size_t first, struct err *e)
{
    const struct task_rows *from = &o->profiles->rows;
    size_t row = task_profiles_find(o->profiles, o->keys, keys, o->n_keys), n_own = r->n_cells;
    enum err_code code = ERR_OK;
    if (row == from->n_rows)
        return ERR_OK;
    for (size_t i = from->rows[row].first; i < from->rows[row + 1].first && !code; i++) {
        const struct task_cell *cell = &from->cells[i];
        struct text name = id_table_text(&from->columns, cell->column);
        if (key_of(o, name) < o->n_keys)
            continue;
        struct table_cell as = {.is_number = !isnan(cell->number), .number = cell->number};
        if (cell->text != ID_TABLE_NONE)
            as.text = id_table_text(&from->texts, cell->text);
        code = add_input(r, name, &as, e);
        for (size_t k = first; k < n_own && !code; k++)
            if (r->cells[k].column == r->cells[r->n_cells - 1].column)
                code = err_set(e, ERR_INVALID, "column '%.*s' is in the rows and in the profiles of tasks",
                               text_shown(name), name.data);
    }
    return code;
}

/* The cells of a row that are no inputs; NULL: it has none. */
struct named_cells {
    const struct table_cell *keys[TASK_MOST_KEYS], *target, *time;
};

/* ---- images ---- */

static const struct table_cell *cell_called(const struct table_row *row, const char *name)
{
    size_t i = 0;
    while (i < row->n_cells && strcmp(row->cells[i].name, name) != 0)
        i++;
    return i < row->n_cells && !row->cells[i].none ? &row->cells[i] : NULL;
}

static bool begins(struct text text, const char *with)
{
    size_t n = strlen(with);
    return text.data && text.len > n && memcmp(text.data, with, n) == 0;
}

/* Whether a text is a PNG: its first six bytes, as base64 writes them. */
static bool is_png(struct text text)
{
    return begins(text, "iVBORw0K") || begins(text, "data:image/png;base64,");
}

/* Whether a row is an image with its class. */
static enum err_code find_image(const struct task_rows_options *o, const struct table_row *row,
                                bool *is_image, struct err *e)
{
    char scratch[VALUE_TEXT_ROOM];
    const struct table_cell *image = cell_called(row, TASK_ROWS_IMAGE),
                            *class = cell_called(row, TASK_ROWS_CLASS);
    *is_image = o->takes_images && image && (image->is_image || (class && is_png(image->text)));
    if (!*is_image)
        return ERR_OK;
    if (!class || key_of(o, text_of(TASK_ROWS_CLASS)) < o->n_keys)
        return err_set(e, ERR_INVALID, "an image has no class; expected a column '%s' beside '%s'",
                       TASK_ROWS_CLASS, TASK_ROWS_IMAGE);
    return key_text(class, scratch).len <= LIMIT_ID_BYTES
               ? ERR_OK
               : err_set(e, ERR_INVALID, "column '%s': the class of an image has more than %d bytes",
                         TASK_ROWS_CLASS, LIMIT_ID_BYTES);
}

/* An input of an image's row: what names its class is a text. */
static enum err_code add_of_image(struct task_rows *r, const struct table_cell *cell, struct err *e)
{
    char scratch[VALUE_TEXT_ROOM];
    struct table_cell as = *cell;
    if (strcmp(cell->name, TASK_ROWS_CLASS) == 0 || strcmp(cell->name, TASK_ROWS_IMAGE) == 0) {
        as.text = key_text(cell, scratch);
        as.is_number = false;
    }
    return add_input(r, text_of(cell->name), &as, e);
}

/* ---- rows ---- */

/* Sorts the cells of a row into those and inputs. */
static enum err_code sort_cells(struct task_rows *r, const struct task_rows_options *o,
                                const struct table_row *row, bool is_image, struct named_cells *out,
                                struct err *e)
{
    enum err_code code = ERR_OK;
    *out = (struct named_cells){0};
    for (size_t i = 0; i < row->n_cells && !code; i++) {
        const struct table_cell *cell = &row->cells[i];
        struct text name = text_of(cell->name);
        size_t key = key_of(o, name);
        if (cell->none && (!o->keeps_none || key < o->n_keys))
            continue;
        if (key < o->n_keys)
            out->keys[key] = cell;
        if (o->target && text_is(name, o->target))
            out->target = cell;
        else if (o->time && text_is(name, o->time))
            out->time = cell;
        else if (key == o->n_keys || o->n_keys > 1) /* s2 of s2/b1 has something to say of another s2/b7 */
            code = is_image ? add_of_image(r, cell, e) : add_input(r, name, cell, e);
    }
    return code;
}

static enum err_code add_row(struct task_rows *r, const struct task_rows_options *o,
                             const struct table_row *row, struct err *e)
{
    struct named_cells named;
    struct text texts[TASK_MOST_KEYS];
    char scratch[TASK_MOST_KEYS][VALUE_TEXT_ROOM];
    size_t first = r->n_cells;
    bool is_image = false;
    enum err_code code = start_row(r, e);
    if (!code)
        code = find_image(o, row, &is_image, e);
    if (!code)
        code = sort_cells(r, o, row, is_image, &named, e);
    if (code)
        return code;
    struct task_row *to = r->rows + r->n_rows;
    if (o->target && !named.target) {
        r->n_without_target++;
        r->n_cells = first;
        return ERR_OK;
    }
    *to = (struct task_row){.line = row->line, .is_image = is_image, .first = first};
    code = read_keys(o, named.keys, scratch, texts, e);
    if (!code)
        code = set_task(r, texts, o->n_keys, &to->task, e);
    if (!code && o->profiles)
        code = add_profile(r, o, texts, first, e);
    if (!code && named.target)
        code = take_cell(r, named.target, 0, &to->target, e);
    if (!code && o->time && !named.time)
        code = err_set(e, ERR_INVALID, "column '%s', the time, is empty", o->time);
    if (!code && named.time)
        code = set_time(named.time, &to->time, e);
    r->n_rows += !code;
    return code;
}

/* The columns that the options name; returns how many. */
static size_t list_named(const struct task_rows_options *o, const char *names[TASK_MOST_KEYS + 2])
{
    size_t n = 0;
    for (size_t i = 0; i < o->n_keys; i++)
        names[n++] = o->keys[i];
    if (o->target)
        names[n++] = o->target;
    if (o->time)
        names[n++] = o->time;
    return n;
}

enum err_code task_rows_no_column(const char *path, const struct table_columns *columns, const char *name,
                                  struct err *e)
{
    const char *separator = table_columns_other_separator(columns);
    if (!columns->n)
        return err_set(e, ERR_INVALID, "%s has no row", path);
    if (separator)
        return err_set(e, ERR_INVALID, "%s: there is no column '%s'; %s", path, name, separator);
    return err_set(e, ERR_INVALID, "%s: there is no column '%s'; its first one is '%.40s'", path, name,
                   columns->list[0].name);
}

/* Keys, target and time must be columns, and each another one; of NDJSON only rows tell. */
static enum err_code check_names(const char *path, const struct table *t, const struct task_rows_options *o,
                                 bool *nameless, struct err *e)
{
    const char *names[TASK_MOST_KEYS + 2];
    size_t n = list_named(o, names);
    struct table_about about;
    table_about(t, &about);
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                return err_set(e, ERR_INVALID,
                               "column '%s' is named twice: a key, the target and the time are columns of "
                               "their own",
                               names[i]);
    for (size_t i = 0; i < n && about.format != TABLE_NDJSON && about.columns->n; i++)
        if (!table_columns_have(about.columns, names[i]))
            return task_rows_no_column(path, about.columns, names[i], e);
    *nameless = table_columns_have(about.columns, "");
    return ERR_OK;
}

enum err_code task_rows_read(const char *path, const struct task_rows_options *o, struct task_rows *out,
                             struct err *e)
{
    struct table *t;
    struct table_row row;
    bool got = true;
    enum err_code code = table_open(path, TABLE_ROWS, o->format, &t, e);
    if (code)
        return code;
    if (o->takes_images)
        table_take_images(t);
    if (o->ignored.n)
        code = table_ignore(t, &o->ignored, e);
    if (!code)
        code = check_names(path, t, o, &out->has_nameless, e);
    out->has_targets = o->target != NULL;
    while (!code && got) {
        struct err why = {0};
        size_t first = out->n_cells;
        code = table_next(t, &row, &got, &why);
        if (!code && got && (code = add_row(out, o, &row, &why)))
            (void)err_prefix(&why, "%s:%llu", path, (unsigned long long)row.line);
        if (!code && got)
            code = look_up(path, o, out, &why);
        if (code == ERR_INVALID && o->bad && o->bad(o->arg, &why, table_lost(t))) {
            out->n_cells = first;
            code = ERR_OK;
            got = true;
        } else if (code) {
            (void)err_copy(e, &why);
        }
    }
    if (!code && out->n_rows)
        out->rows[out->n_rows].first = out->n_cells;
    else if (!code)
        code =
            err_set(e, ERR_INVALID, "%s has no row%s", path, out->n_without_target ? " with a target" : "");
    table_close(t);
    return code;
}
