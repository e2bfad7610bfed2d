#include "server/search/search_data.h"

#include "base/mem.h"
#include "engine/format/columns.h"
#include "server/data/task_dataset.h"

#include <math.h>
#include <string.h>

enum { HELD_PERCENT = 15 /* of rows, for each of two parts */, LEAST_ROWS = 40, LEAST_TASKS = 3 };

static void fini_table(struct search_table *t)
{
    mem_free(t->x);
    mem_free(t->y);
    mem_free(t->at);
    mem_free(t->task);
}

void search_data_fini(struct search_data *d)
{
    model_spec_fini(&d->about);
    fini_table(&d->all);
    fini_table(&d->apart);
    *d = (struct search_data){0};
}

/* ---- tables ---- */

/* What of a data set stays: its numbers, and with tasks whose rows they are. */
static enum err_code take_numbers(struct task_dataset *from, bool tasks, struct search_table *to,
                                  struct err *e)
{
    to->n = from->row_start[from->table.n_tasks];
    to->x = from->x;
    to->y = from->y;
    from->x = NULL;
    from->y = NULL;
    to->task = tasks ? mem_alloc_array(to->n, sizeof *to->task) : NULL;
    if (tasks && !to->task)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", to->n);
    for (size_t t = 0; t < from->table.n_tasks && tasks; t++)
        for (size_t i = from->row_start[t]; i < from->row_start[t + 1]; i++)
            to->task[i] = (uint32_t)t;
    return ERR_OK;
}

static enum err_code number_rows(struct search_table *t, struct err *e)
{
    t->at = mem_alloc_array(t->n, sizeof *t->at);
    if (!t->at)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", t->n);
    for (size_t i = 0; i < t->n; i++)
        t->at[i] = (uint32_t)i;
    return ERR_OK;
}

static size_t n_rows_of(const size_t *row_start, uint32_t task)
{
    return row_start[task + 1] - row_start[task];
}

/* The last ones are learned from: a task with most of the rows is no part to measure on. */
static void last_is_largest(const size_t *row_start, uint32_t *tasks, size_t n_tasks)
{
    size_t largest = 0;
    for (size_t i = 1; i < n_tasks; i++)
        if (n_rows_of(row_start, tasks[i]) > n_rows_of(row_start, tasks[largest]))
            largest = i;
    uint32_t last = tasks[n_tasks - 1];
    tasks[n_tasks - 1] = tasks[largest];
    tasks[largest] = last;
}

/* Tasks in random order, the largest last, so that parts which are cut at tasks' ends are of whole tasks.
 * ends (n_tasks): where each one's rows end. */
static enum err_code order_tasks(const size_t *row_start, size_t n_tasks, struct rng *r,
                                 struct search_table *t, size_t *ends, struct err *e)
{
    uint32_t *tasks = mem_alloc_array(n_tasks, sizeof *tasks);
    if (!tasks)
        return err_set(e, ERR_NOMEM, "no memory for %zu tasks", n_tasks);
    for (size_t i = 0; i < n_tasks; i++)
        tasks[i] = (uint32_t)i;
    rng_shuffle(r, tasks, n_tasks);
    last_is_largest(row_start, tasks, n_tasks);
    size_t n = 0;
    for (size_t i = 0; i < n_tasks; i++) {
        for (size_t k = row_start[tasks[i]]; k < row_start[tasks[i] + 1]; k++)
            t->at[n++] = (uint32_t)k;
        ends[i] = n;
    }
    mem_free(tasks);
    return ERR_OK;
}

static void cut_at(struct search_data *d, size_t test, size_t valid)
{
    const struct search_table *t = &d->all;
    const size_t d_row = d->about.d_item, left = t->n - test - valid;
    d->test = (struct search_rows){test, d_row, t->at, t->x, t->y, t->task};
    d->valid = (struct search_rows){valid, d_row, t->at + test, t->x, t->y, t->task};
    d->train = (struct search_rows){left, d_row, t->at + test + valid, t->x, t->y, t->task};
}

/* The fewest rows of whole tasks, from one that ends at or behind `from`, that are a part of n rows; where
 * the largest task leaves few others, a third of theirs. */
static size_t end_of_part(const size_t *ends, size_t *task, size_t from, size_t n, size_t n_others)
{
    size_t want = (n * HELD_PERCENT + 99) / 100, most = (n_others + 2) / 3;
    want = want < most ? want : most;
    while (ends[*task] < from + want)
        ++*task;
    return ends[(*task)++] - from;
}

static enum err_code cut_tasks(struct search_data *d, const struct task_dataset *rows, struct rng *r,
                               bool apart, struct err *e)
{
    size_t n_tasks = rows->table.n_tasks, task = 0, test = 0;
    if (n_tasks < LEAST_TASKS)
        return err_set(e, ERR_INVALID,
                       "there are %zu tasks; at least %d are needed, since whole ones are held out; without "
                       "--task rows are",
                       n_tasks, LEAST_TASKS);
    size_t *ends = mem_alloc_array(n_tasks, sizeof *ends);
    if (!ends)
        return err_set(e, ERR_NOMEM, "no memory for %zu tasks", n_tasks);
    enum err_code code = order_tasks(rows->row_start, n_tasks, r, &d->all, ends, e);
    if (!code && !apart)
        test = end_of_part(ends, &task, 0, d->all.n, ends[n_tasks - 2]);
    if (!code && task < n_tasks)
        cut_at(d, test, end_of_part(ends, &task, test, d->all.n - test, ends[n_tasks - 2]));
    if (!code && (task >= n_tasks || !d->train.n))
        code = err_set(e, ERR_INVALID,
                       "a few tasks have nearly all rows, so that no tasks are left to learn from; without "
                       "--task rows are held out");
    mem_free(ends);
    return code;
}

static void cut_rows(struct search_data *d, struct rng *r, bool apart)
{
    size_t held = d->all.n * HELD_PERCENT / 100;
    rng_shuffle(r, d->all.at, d->all.n);
    cut_at(d, apart ? 0 : held, held);
}

static enum err_code check_rows(const struct search_data *d, struct err *e)
{
    if (d->all.n < LEAST_ROWS)
        return err_set(e, ERR_INVALID, "there are %zu rows; a search needs at least %d", d->all.n,
                       LEAST_ROWS);
    return ERR_OK;
}

/* Numbers are learned as deviations from what is learned from. */
static enum err_code scale_target(struct search_data *d, struct err *e)
{
    struct task_spec *t = &d->about.task;
    double sum = 0, squares = 0, n = (double)d->train.n;
    if (t->n_classes)
        return ERR_OK;
    for (size_t i = 0; i < d->train.n; i++)
        sum += d->train.y[d->train.at[i]];
    for (size_t i = 0; i < d->train.n; i++)
        squares += pow(d->train.y[d->train.at[i]] - sum / n, 2);
    t->target_mean = sum / n;
    t->target_deviation = sqrt(squares / n);
    if (!(t->target_deviation > 0))
        return err_set(e, ERR_INVALID, "the target '%s' is %g in all rows that are learned from", t->target,
                       t->target_mean);
    for (size_t i = 0; i < d->all.n; i++)
        d->all.y[i] = (d->all.y[i] - t->target_mean) / t->target_deviation;
    for (size_t i = 0; i < d->apart.n; i++)
        d->apart.y[i] = (d->apart.y[i] - t->target_mean) / t->target_deviation;
    return ERR_OK;
}

static enum err_code read_apart(const struct search_source *s, struct search_data *d, struct err *e)
{
    struct task_rows rows = {0};
    struct task_dataset data = {0};
    enum err_code code = task_rows_read(s->test_rows, &s->columns, &rows, e);
    if (!code && (code = task_dataset_for(&rows, &d->about, false, &data, e)))
        (void)err_prefix(e, "%s", s->test_rows);
    if (!code)
        code = take_numbers(&data, s->columns.n_keys, &d->apart, e);
    task_dataset_fini(&data);
    task_rows_fini(&rows);
    return code;
}

static void describe_table(struct search_data *d, struct task_dataset *data)
{
    struct task_spec *t = &d->about.task;
    *t = data->about;
    data->about = (struct task_spec){0};
    t->present = true;
    d->about.d_item = columns_width(&t->columns);
    d->about.d_output = t->n_classes ? t->n_classes : 1;
}

/* The rows of the table that was read, cut into parts. */
static enum err_code take_table(const struct search_source *s, const struct task_rows *rows, struct rng *r,
                                struct search_data *d, struct err *e)
{
    struct task_dataset data = {0};
    enum err_code code = task_dataset_make(rows, &s->columns, s->objective, s->categorical, s->n_categorical,
                                           &data, s->tell, NULL, e);
    if (!code) {
        describe_table(d, &data);
        code = take_numbers(&data, s->columns.n_keys, &d->all, e);
    }
    if (!code)
        code = check_rows(d, e);
    if (!code)
        code = number_rows(&d->all, e);
    if (!code && s->columns.n_keys)
        code = cut_tasks(d, &data, r, s->test_rows != NULL, e);
    else if (!code)
        cut_rows(d, r, s->test_rows != NULL);
    task_dataset_fini(&data);
    return code;
}

static enum err_code read_table(const struct search_source *s, struct rng *r, struct search_data *d,
                                struct err *e)
{
    struct task_rows rows = {0};
    enum err_code code = task_rows_read(s->rows, &s->columns, &rows, e);
    if (!code && (code = take_table(s, &rows, r, d, e)))
        (void)err_prefix(e, "%s", s->rows);
    task_rows_fini(&rows);
    if (!code && s->test_rows)
        code = read_apart(s, d, e);
    return code ? code : scale_target(d, e);
}

/* ---- images ---- */

static enum err_code read_images(const struct search_source *s, struct rng *r, struct search_data *d,
                                 struct err *e)
{
    enum err_code code = search_images_read(s, d, e);
    if (!code)
        code = check_rows(d, e);
    if (!code)
        code = number_rows(&d->all, e);
    if (!code)
        cut_rows(d, r, s->test_images != NULL);
    return code;
}

enum err_code search_data_read(const struct search_source *s, uint64_t seed, struct search_data *out,
                               struct err *e)
{
    struct rng r;
    rng_init(&r, seed, 84);
    enum err_code code = s->images ? read_images(s, &r, out, e) : read_table(s, &r, out, e);
    if (!code && out->apart.n)
        code = number_rows(&out->apart, e);
    if (!code && out->apart.n)
        out->test = (struct search_rows){out->apart.n, out->about.d_item, out->apart.at,
                                         out->apart.x, out->apart.y,      out->apart.task};
    out->of_images = s->images != NULL;
    out->about.objective = out->about.task.n_classes ? &objective_classification : &objective_regression;
    return code ? code : search_inputs_order(out, s->all_inputs, e);
}
