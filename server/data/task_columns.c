/* One pass over all cells for each column: cells are few beside what a training does with them, and a pass by
 * column needs memory for one column only. */
#include "server/data/task_columns.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/fields/private_field.h"
#include "server/fields/text_form.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is found of one column. */
struct finding {
    const struct task_rows *rows;
    uint32_t column;
    size_t n_cells, n_numbers;
    size_t bad_row;          /* the first whose cell is no number */
    uint32_t bad_text;       /* what it has */
    size_t far_row;          /* the first whose number is too large, */
    double far;              /* which is this; 0: there is none */
    double sum, least, most; /* of the numbers */
    double spread;           /* sum of squares about the mean */
};

/* A row's cell in a column; NULL: it has none. Cost: one look where rows have all columns, else one at
 * each of the row's cells. */
static const struct task_cell *cell_of(const struct task_rows *r, size_t row, uint32_t column)
{
    size_t likely = r->rows[row].first + column;
    if (likely < r->rows[row + 1].first && r->cells[likely].column == column)
        return &r->cells[likely];
    for (size_t i = r->rows[row].first; i < r->rows[row + 1].first; i++)
        if (r->cells[i].column == column)
            return &r->cells[i];
    return NULL;
}

static void look_at(struct finding *f)
{
    f->least = INFINITY;
    f->most = -INFINITY;
    for (size_t row = 0; row < f->rows->n_rows; row++) {
        const struct task_cell *cell = cell_of(f->rows, row, f->column);
        if (!cell)
            continue;
        f->n_cells++;
        if (isnan(cell->number) && f->n_numbers + 1 == f->n_cells) {
            f->bad_row = row;
            f->bad_text = cell->text;
        }
        if (isnan(cell->number))
            continue;
        if (fabs(cell->number) > TASK_MOST_NUMBER && f->far == 0) {
            f->far_row = row;
            f->far = cell->number;
        }
        f->n_numbers++;
        f->sum += cell->number;
        f->least = fmin(f->least, cell->number);
        f->most = fmax(f->most, cell->number);
    }
    double mean = f->sum / (double)f->n_numbers;
    for (size_t row = 0; row < f->rows->n_rows; row++) {
        const struct task_cell *cell = cell_of(f->rows, row, f->column);
        if (cell && !isnan(cell->number))
            f->spread += (cell->number - mean) * (cell->number - mean);
    }
}

/* ---- categories ---- */

/* How often a value occurs, and in which task first. */
struct value {
    uint32_t task;
    bool in_two_tasks;
    size_t n_rows;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A cell as the engine has it. */
static struct cell as_cell(const struct task_rows *r, const struct task_cell *from)
{
    struct cell cell = {.kind = isnan(from->number) ? CELL_TEXT : CELL_NUMBER, .number = from->number};
    if (from->text != ID_TABLE_NONE)
        cell.text = id_table_text(&r->texts, from->text);
    return cell;
}

static enum err_code count_values(const struct finding *f, struct id_table *ids, struct value **out,
                                  struct err *e)
{
    struct value *values = NULL;
    size_t capacity = 0;
    for (size_t row = 0; row < f->rows->n_rows; row++) {
        char room[COLUMN_VALUE_BYTES + 1];
        uint32_t number;
        const struct task_cell *cell = cell_of(f->rows, row, f->column);
        if (!cell)
            continue;
        struct cell as = as_cell(f->rows, cell);
        enum err_code code = id_table_add(ids, cell_value(&as, room), &number, e);
        if (code) {
            mem_free(values);
            return code;
        }
        size_t had = capacity;
        if (!MEM_RESERVE(values, capacity, (size_t)number + 1)) {
            mem_free(values);
            return err_set(e, ERR_NOMEM, "no memory for %zu values of a column", (size_t)number + 1);
        }
        memset(values + had, 0, (capacity - had) * sizeof *values);
        struct value *v = &values[number];
        v->in_two_tasks = v->in_two_tasks || (v->n_rows && v->task != f->rows->rows[row].task);
        v->task = v->n_rows ? v->task : f->rows->rows[row].task;
        v->n_rows++;
    }
    *out = values;
    return ERR_OK;
}

/* A table of one task says of none of its values whose they are. */
static bool is_learned(const struct value *v, size_t n_tasks, size_t len)
{
    return v->n_rows >= COLUMN_LEAST_ROWS && (v->in_two_tasks || n_tasks == 1) && len <= COLUMN_VALUE_BYTES;
}

/* Gives the column the values that are learned, n_learned of them, in order; *n_rows: rows that have one. */
static enum err_code keep_values(struct value *values, const struct id_table *ids, size_t n_tasks,
                                 size_t n_learned, struct column *column, size_t *n_rows, struct err *e)
{
    size_t n = 0;
    column->values = mem_zalloc_array(n_learned, sizeof *column->values);
    if (!column->values)
        return err_set(e, ERR_NOMEM, "no memory for %zu values of a column", n_learned);
    for (size_t i = 0; i < ids->n; i++) {
        struct text text = id_table_text(ids, (uint32_t)i);
        if (!is_learned(&values[i], n_tasks, text.len))
            continue;
        char *copy = mem_alloc(text.len + 1);
        if (!copy)
            return err_set(e, ERR_NOMEM, "no memory for a value of a column");
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        column->values[column->n_values++] = copy;
        n += values[i].n_rows;
    }
    qsort(column->values, column->n_values, sizeof *column->values, by_text);
    *n_rows = n;
    return ERR_OK;
}

/* *reason: why the column is left out, or NULL. */
static enum err_code make_category(const struct finding *f, struct column *column, const char **reason,
                                   struct err *e)
{
    struct id_table ids = {0};
    struct value *values = NULL;
    size_t n_rows = 0, n_learned = 0;
    enum err_code code = count_values(f, &ids, &values, e);
    for (size_t i = 0; !code && i < ids.n; i++)
        n_learned += is_learned(&values[i], f->rows->tasks.n, id_table_text(&ids, (uint32_t)i).len);
    if (!code && n_learned > LIMIT_COLUMN_VALUES)
        *reason = "it has too many values; a number is meant, or an id";
    else if (!code && n_learned == 0)
        *reason = f->rows->tasks.n == 1 ? "no value of it is in five rows"
                                        : "no value of it is in five rows and in two tasks";
    else if (!code)
        code = keep_values(values, &ids, f->rows->tasks.n, n_learned, column, &n_rows, e);
    column->kind = COLUMN_CATEGORY;
    column->optional = n_rows < f->rows->n_rows;
    if (!code && !*reason && column->n_values == 1 && !column->optional)
        *reason = "all rows have the same";
    mem_free(values);
    id_table_fini(&ids);
    return code;
}

/* ---- columns ---- */

static enum err_code refuse_text(const struct finding *f, const char *name, struct err *e)
{
    struct text text = id_table_text(&f->rows->texts, f->bad_text);
    char advice[TEXT_FORM_ADVICE_BYTES];
    return err_set(
        e, ERR_INVALID,
        "line %llu: column '%s' has '%.*s', which is no number as the other %zu are%s; mend it, or "
        "name the column after --categorical",
        (unsigned long long)f->rows->rows[f->bad_row].line, name, text_shown(text), text.data, f->n_numbers,
        text_form_advice(text, false, advice));
}

static enum err_code refuse_far(const struct finding *f, const char *name, struct err *e)
{
    return err_set(e, ERR_INVALID,
                   "line %llu: column '%s' has %g, which is too large to learn from: at most %g; mend it, or "
                   "name the column after --categorical",
                   (unsigned long long)f->rows->rows[f->far_row].line, name, f->far, TASK_MOST_NUMBER);
}

static enum err_code make_number(const struct finding *f, struct column *column, const char **reason)
{
    column->kind = COLUMN_NUMBER;
    column->optional = f->n_cells < f->rows->n_rows;
    column->mean = f->sum / (double)f->n_numbers;
    column->deviation = sqrt(f->spread / (double)f->n_numbers);
    column->least = f->least;
    column->most = f->most;
    if (!(column->deviation > 0) && column->optional)
        column->deviation = 1; /* whether it is there is all that it says */
    else if (!(column->deviation > 0))
        *reason = "all rows have the same";
    return ERR_OK;
}

static enum err_code make_column(const struct task_rows *rows, uint32_t number, bool categorical,
                                 struct column *column, const char **reason, struct err *e)
{
    struct finding f = {.rows = rows, .column = number};
    struct text name = id_table_text(&rows->columns, number);
    column->name = mem_alloc(name.len + 1);
    if (!column->name)
        return err_set(e, ERR_NOMEM, "no memory for the name of a column");
    memcpy(column->name, name.data, name.len);
    column->name[name.len] = '\0';
    if (private_field_is(column->name)) {
        *reason = "by its name it says who somebody is";
        return ERR_OK;
    }
    look_at(&f);
    if (!categorical && f.n_numbers >= f.n_cells - f.n_cells / 20 && f.far != 0)
        return refuse_far(&f, column->name, e);
    if (!categorical && f.n_numbers == f.n_cells)
        return make_number(&f, column, reason);
    if (!categorical && f.n_numbers >= f.n_cells - f.n_cells / 20)
        return refuse_text(&f, column->name, e);
    return make_category(&f, column, reason, e);
}

static bool is_listed(struct text name, const char *const *list, size_t n)
{
    size_t i = 0;
    while (i < n && !text_is(name, list[i]))
        i++;
    return i < n;
}

enum err_code task_columns_find(const struct task_rows *rows, const char *const *categorical,
                                size_t n_categorical, struct columns *out, task_column_fn *tell, void *arg,
                                struct err *e)
{
    enum err_code code = ERR_OK;
    struct columns found = {.list = mem_zalloc_array(rows->columns.n, sizeof *found.list)};
    if (!found.list)
        return err_set(e, ERR_NOMEM, "no memory for %zu columns", rows->columns.n);
    for (size_t i = 0; i < n_categorical && !code; i++)
        if (id_table_find(&rows->columns, (struct text){categorical[i], strlen(categorical[i])}) ==
            ID_TABLE_NONE)
            code = err_set(e, ERR_INVALID, "--categorical: there is no column '%s'", categorical[i]);
    for (uint32_t i = 0; i < rows->columns.n && !code; i++) {
        const char *reason = NULL;
        struct column *column = &found.list[found.n];
        bool listed = is_listed(id_table_text(&rows->columns, i), categorical, n_categorical);
        code = make_column(rows, i, listed, column, &reason, e);
        if (!code && reason && tell)
            tell(arg, column->name, reason);
        if (code || reason)
            column_fini(column);
        else
            found.n++;
    }
    if (!code && !found.n)
        code = err_set(e, ERR_INVALID, "no column is left to learn from");
    if (code)
        columns_fini(&found);
    else
        *out = found;
    return code;
}

/* ---- rows ---- */

enum err_code task_columns_match(const struct task_rows *rows, const struct columns *columns,
                                 uint32_t **column_of, struct err *e)
{
    uint32_t *list = mem_alloc_array(rows->columns.n + 1, sizeof *list);
    if (!list)
        return err_set(e, ERR_NOMEM, "no memory for %zu columns", rows->columns.n);
    for (uint32_t i = 0; i < rows->columns.n; i++)
        list[i] = (uint32_t)columns_find(columns, id_table_text(&rows->columns, i));
    *column_of = list;
    return ERR_OK;
}

void task_columns_cells(const struct task_rows *rows, size_t row, const uint32_t *column_of, size_t n,
                        struct cell *cells)
{
    for (size_t i = 0; i < n; i++)
        cells[i] = (struct cell){.kind = CELL_ABSENT};
    for (size_t i = rows->rows[row].first; i < rows->rows[row + 1].first; i++) {
        const struct task_cell *from = &rows->cells[i];
        if (column_of[from->column] < n)
            cells[column_of[from->column]] = as_cell(rows, from);
    }
}
