#include "server/data/task_dataset.h"

#include "base/limits.h"
#include "base/mem.h"
#include "engine/format/task_target.h"
#include "server/fields/field.h"
#include "server/fields/text_form.h"
#include "server/tables/row_builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void task_dataset_fini(struct task_dataset *d)
{
    struct model_spec owner = {.task = d->about};
    model_spec_fini(&owner);
    mem_free(d->row_start);
    mem_free(d->order);
    mem_free(d->x);
    mem_free(d->beyond);
    mem_free(d->y);
    mem_free(d->time);
    *d = (struct task_dataset){0};
}

/* ---- the target ---- */

static struct cell target_cell(const struct task_rows *r, const struct task_row *row)
{
    struct cell cell = {.kind = isnan(row->target.number) ? CELL_TEXT : CELL_NUMBER,
                        .number = row->target.number};
    if (row->target.text != ID_TABLE_NONE)
        cell.text = id_table_text(&r->texts, row->target.text);
    return cell;
}

static enum err_code refuse_target(const struct task_rows *r, const struct task_row *row, const char *target,
                                   const char *what, struct err *e)
{
    struct cell cell = target_cell(r, row);
    char room[COLUMN_VALUE_BYTES + 1];
    struct text value = cell_value(&cell, room);
    char advice[TEXT_FORM_ADVICE_BYTES];
    return err_set(e, ERR_INVALID, "line %llu: the target '%s' has '%.*s', which is %s%s",
                   (unsigned long long)row->line, target, text_shown(value), value.data, what,
                   text_form_advice(value, false, advice));
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The classes in order: every value of the target. */
static enum err_code find_classes(const struct task_rows *r, struct task_spec *about, struct err *e)
{
    struct id_table ids = {0};
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < r->n_rows && !code; i++) {
        char room[COLUMN_VALUE_BYTES + 1];
        uint32_t number;
        struct cell cell = target_cell(r, &r->rows[i]);
        struct text value = cell_value(&cell, room);
        if (value.len > COLUMN_VALUE_BYTES)
            code = refuse_target(r, &r->rows[i], about->target, "too long for a class", e);
        else if ((code = field_check_plain(value, "name of a class", e)))
            (void)err_prefix(e, "line %llu: the target '%s'", (unsigned long long)r->rows[i].line,
                             about->target);
        if (!code)
            code = id_table_add(&ids, value, &number, e);
    }
    if (!code && (ids.n < 2 || ids.n > LIMIT_COLUMN_VALUES))
        code = err_set(e, ERR_INVALID, "the target '%s' has %zu classes; it must have 2 to %d", about->target,
                       ids.n, LIMIT_COLUMN_VALUES);
    if (!code && !(about->classes = mem_zalloc_array(ids.n, sizeof *about->classes)))
        code = err_set(e, ERR_NOMEM, "no memory for %zu classes", ids.n);
    for (size_t i = 0; i < ids.n && !code; i++) {
        struct text text = id_table_text(&ids, (uint32_t)i);
        char *copy = mem_alloc(text.len + 1);
        if (!copy) {
            code = err_set(e, ERR_NOMEM, "no memory for the name of a class");
            break;
        }
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        about->classes[about->n_classes++] = copy;
    }
    if (!code)
        qsort(about->classes, about->n_classes, sizeof *about->classes, by_bytes);
    id_table_fini(&ids);
    return code;
}

/* By the target's values: classes where one in twenty or more is a text, or all are 0 and 1. Of fewer texts
 * each is a fault in a column of numbers. */
static bool has_classes(const struct task_rows *r)
{
    size_t n_texts = 0, n_flags = 0;
    for (size_t i = 0; i < r->n_rows; i++) {
        double y = r->rows[i].target.number;
        n_texts += isnan(y) != 0;
        n_flags += y == 0 || y == 1;
    }
    return n_texts > r->n_rows / 20 || n_texts + n_flags == r->n_rows;
}

static enum err_code find_target(const struct task_rows *r, const struct task_rows_options *o,
                                 const struct objective *objective, struct task_spec *about, struct err *e)
{
    about->target = mem_strdup(o->target);
    if (!about->target)
        return err_set(e, ERR_NOMEM, "no memory for the name of the target");
    about->target_deviation = 1;
    if (objective ? objective == &objective_classification : has_classes(r))
        return find_classes(r, about, e);
    about->target_least = INFINITY;
    about->target_most = -INFINITY;
    for (size_t i = 0; i < r->n_rows; i++) {
        double y = r->rows[i].target.number;
        if (isnan(y))
            return refuse_target(r, &r->rows[i], o->target,
                                 objective ? "no number"
                                           : "no number, as nearly all others are; mend it, or give "
                                             "--objective classification",
                                 e);
        if (fabs(y) > TASK_MOST_NUMBER)
            return refuse_target(r, &r->rows[i], o->target, "too large to learn from: at most 1e100", e);
        about->target_least = fmin(about->target_least, y);
        about->target_most = fmax(about->target_most, y);
    }
    if (about->target_least == about->target_most)
        return err_set(e, ERR_INVALID, "the target '%s' is %g in all rows: there is nothing to learn",
                       o->target, about->target_least);
    return ERR_OK;
}

/* ---- rows, task by task ---- */

struct dated {
    double time;
    uint32_t row;
};

static int by_time(const void *a, const void *b)
{
    const struct dated *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Sorts the rows of each task, which come in the order of the file, by their times. */
static enum err_code order_by_time(struct task_dataset *d, const struct task_rows *r, struct err *e)
{
    struct dated *dated = mem_alloc_array(r->n_rows, sizeof *dated);
    if (!dated)
        return err_set(e, ERR_NOMEM, "no memory for %zu times", r->n_rows);
    for (size_t i = 0; i < r->n_rows; i++)
        dated[i] = (struct dated){r->rows[d->order[i]].time, d->order[i]};
    for (size_t t = 0; t < r->tasks.n; t++)
        qsort(dated + d->row_start[t], d->row_start[t + 1] - d->row_start[t], sizeof *dated, by_time);
    for (size_t i = 0; i < r->n_rows; i++)
        d->order[i] = dated[i].row;
    mem_free(dated);
    return ERR_OK;
}

static enum err_code order_rows(struct task_dataset *d, const struct task_rows *r, struct err *e)
{
    d->row_start = mem_zalloc_array(r->tasks.n + 2, sizeof *d->row_start);
    d->order = mem_alloc_array(r->n_rows, sizeof *d->order);
    if (!d->row_start || !d->order)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", r->n_rows);
    for (size_t i = 0; i < r->n_rows; i++)
        d->row_start[r->rows[i].task + 2]++;
    for (size_t t = 0; t < r->tasks.n; t++)
        d->row_start[t + 2] += d->row_start[t + 1];
    for (size_t i = 0; i < r->n_rows; i++) /* counts of what is placed end as the starts */
        d->order[d->row_start[r->rows[i].task + 1]++] = (uint32_t)i;
    return order_by_time(d, r, e);
}

/* The place of a row's class; n_classes: there is none such. */
static size_t class_of(const struct task_rows *r, const struct task_row *row, const struct task_spec *about)
{
    char room[COLUMN_VALUE_BYTES + 1];
    struct cell cell = target_cell(r, row);
    struct column classes = {.kind = COLUMN_CATEGORY, .n_values = about->n_classes, .values = about->classes};
    return column_value(&classes, cell_value(&cell, room));
}

static enum err_code set_y(const struct task_rows *r, const struct task_row *row,
                           const struct task_spec *about, double *y, struct err *e)
{
    *y = row->target.number;
    if (about->n_classes) {
        size_t k = class_of(r, row, about);
        *y = (double)k;
        return k < about->n_classes ? ERR_OK
                                    : refuse_target(r, row, about->target, "no class of the model", e);
    }
    if (isnan(*y))
        return refuse_target(r, row, about->target, "no number", e);
    const char *fault = task_target_fault(about, *y);
    return fault ? refuse_target(r, row, about->target, fault, e) : ERR_OK;
}

enum err_code task_dataset_check_targets(const struct task_dataset *d, const struct task_rows *r,
                                         const struct task_spec *about, struct err *e)
{
    for (size_t i = 0; i < d->row_start[d->table.n_tasks]; i++) {
        const char *fault = task_target_fault(about, d->y[i]);
        if (fault)
            return refuse_target(r, &r->rows[d->order[i]], about->target, fault, e);
    }
    return ERR_OK;
}

static enum err_code encode_rows(struct task_dataset *d, const struct task_rows *r,
                                 const struct task_spec *about, bool with_target, bool unknown_is_absent,
                                 struct err *e)
{
    size_t width = columns_width(&about->columns), n = about->columns.n;
    uint32_t *column_of = NULL;
    struct cell *cells = mem_alloc_array(n, sizeof *cells);
    d->x = mem_alloc_array(r->n_rows, width * sizeof *d->x);
    d->beyond = mem_alloc_array(r->n_rows, sizeof *d->beyond);
    d->y = mem_zalloc_array(r->n_rows, sizeof *d->y);
    enum err_code code =
        cells && d->x && d->beyond && d->y
            ? task_columns_match(r, &about->columns, &column_of, e)
            : err_set(e, ERR_NOMEM, "no memory for %zu rows of %zu numbers", r->n_rows, width);
    for (size_t i = 0; i < r->n_rows && !code; i++) {
        task_columns_cells(r, d->order[i], column_of, n, cells);
        code = columns_encode(&about->columns, cells, unknown_is_absent, d->x + i * width, &d->beyond[i], e);
        if (code)
            (void)err_prefix(e, "line %llu", (unsigned long long)r->rows[d->order[i]].line);
        if (!code && with_target)
            code = set_y(r, &r->rows[d->order[i]], about, &d->y[i], e);
    }
    mem_free(cells);
    mem_free(column_of);
    return code;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The usual distance between a task's rows: the median of those that are not 0; 1 without any. */
static enum err_code find_period(struct task_dataset *d, size_t n_rows, struct err *e)
{
    size_t n = 0;
    double *gaps = mem_alloc_array(n_rows, sizeof *gaps);
    if (!gaps)
        return err_set(e, ERR_NOMEM, "no memory for %zu times", n_rows);
    for (size_t t = 0; t < d->table.n_tasks; t++)
        for (size_t i = d->row_start[t] + 1; i < d->row_start[t + 1]; i++)
            if (d->time[i] > d->time[i - 1])
                gaps[n++] = d->time[i] - d->time[i - 1];
    if (n)
        qsort(gaps, n, sizeof *gaps, by_size);
    d->about.period = n ? gaps[n / 2] : 1;
    mem_free(gaps);
    return ERR_OK;
}

static enum err_code make_table(struct task_dataset *d, const struct task_rows *r, bool timed, struct err *e)
{
    d->time = timed ? mem_alloc_array(r->n_rows, sizeof *d->time) : NULL;
    if (timed && !d->time)
        return err_set(e, ERR_NOMEM, "no memory for %zu times", r->n_rows);
    for (size_t i = 0; timed && i < r->n_rows; i++)
        d->time[i] = r->rows[d->order[i]].time;
    d->table = (struct task_table){.n_tasks = r->tasks.n,
                                   .row_start = d->row_start,
                                   .x = d->x,
                                   .y = d->y,
                                   .time = d->time,
                                   .about = &d->about};
    return ERR_OK;
}

enum err_code task_dataset_make(const struct task_rows *rows, const struct task_rows_options *o,
                                const struct objective *objective, const char *const *categorical,
                                size_t n_categorical, struct task_dataset *out, task_column_fn *tell,
                                void *arg, struct err *e)
{
    enum err_code code = find_target(rows, o, objective, &out->about, e);
    if (!code)
        code = task_columns_find(rows, categorical, n_categorical, &out->about.columns, tell, arg, e);
    if (!code)
        code = order_rows(out, rows, e);
    if (!code) /* values that are not learned are in the rows, too */
        code = encode_rows(out, rows, &out->about, true, true, e);
    if (!code)
        code = make_table(out, rows, o->time != NULL, e);
    if (code || !o->time)
        return code;
    out->about.time = mem_strdup(o->time);
    return out->about.time ? find_period(out, rows->n_rows, e)
                           : err_set(e, ERR_NOMEM, "no memory for a name");
}

enum err_code task_dataset_for(const struct task_rows *rows, const struct model_spec *spec,
                               bool unknown_is_absent, struct task_dataset *out, struct err *e)
{
    enum err_code code = order_rows(out, rows, e);
    if (!code)
        code = encode_rows(out, rows, &spec->task, rows->has_targets, unknown_is_absent, e);
    return code ? code : make_table(out, rows, true, e);
}
