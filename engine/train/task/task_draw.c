#include "engine/train/task/task_draw.h"

#include "base/mem.h"
#include "engine/network/task_head.h"

#include <math.h>
#include <string.h>

enum err_code task_drawing_init(struct task_drawing *d, const struct model_spec *spec,
                                const struct task_table *table, struct err *e)
{
    enum { MARKS = TASK_TIMED_SPLITS * TASK_MOST_ROWS };
    *d = (struct task_drawing){.spec = spec, .table = table, .until = INFINITY};
    d->x = mem_alloc_array(TASK_MOST_ROWS * spec->d_item, sizeof *d->x);
    d->y = mem_alloc_array(TASK_MOST_ROWS, sizeof *d->y);
    d->support = mem_alloc_array(MARKS, sizeof *d->support);
    d->query = mem_alloc_array(MARKS, sizeof *d->query);
    d->age = mem_alloc_array(MARKS, sizeof *d->age);
    d->time = mem_alloc_array(TASK_MOST_ROWS, sizeof *d->time);
    d->order = mem_alloc_array(TASK_MOST_ROWS, sizeof *d->order);
    d->row = mem_alloc_array(TASK_MOST_ROWS, sizeof *d->row);
    if (d->x && d->y && d->support && d->query && d->age && d->time && d->order && d->row)
        return ERR_OK;
    task_drawing_fini(d);
    return err_set(e, ERR_NOMEM, "no memory for %d rows of a task", TASK_MOST_ROWS);
}

void task_drawing_fini(struct task_drawing *d)
{
    mem_free(d->x);
    mem_free(d->y);
    mem_free(d->support);
    mem_free(d->query);
    mem_free(d->age);
    mem_free(d->time);
    mem_free(d->order);
    mem_free(d->row);
    *d = (struct task_drawing){0};
}

/* Rows of a task that may be drawn. */
static size_t n_drawable(const struct task_drawing *d, size_t task)
{
    const struct task_table *t = d->table;
    size_t end = t->row_start[task + 1];
    size_t n_held = 0;
    while (t->time && end > t->row_start[task] && t->time[end - 1] > d->until)
        end--;
    for (size_t i = t->row_start[task]; d->held && i < end; i++)
        n_held += d->held[i];
    return end - t->row_start[task] - n_held;
}

/* Takes n of the task's rows: all, or a sample without replacement in their order (Knuth 1969, algorithm
 * S). */
static void take_rows(struct task_drawing *d, size_t task, size_t n, struct rng *r)
{
    const struct task_table *t = d->table;
    size_t first = t->row_start[task], left = n_drawable(d, task), taken = 0;
    for (size_t i = first; taken < n; i++) {
        if ((d->held && d->held[i]) || rng_below(r, left--) >= n - taken)
            continue;
        d->row[taken] = i;
        memcpy(d->x + taken * d->spec->d_item, t->x + i * d->spec->d_item, d->spec->d_item * sizeof *d->x);
        d->y[taken] = d->spec->task.n_classes ? t->y[i] : task_learned_target(&d->spec->task, t->y[i]);
        if (t->time)
            d->time[taken] = t->time[i];
        taken++;
    }
}

/* How many rows of n that may be known are. */
static size_t known_rows(enum task_known known, size_t n, struct rng *r)
{
    if (known == TASK_KNOWN_ANY)
        known = rng_uniform(r) < 0.5 ? TASK_KNOWN_ALL : TASK_KNOWN_FEW;
    if (known == TASK_KNOWN_FEW)
        return (size_t)lround(pow((double)n + 1, rng_uniform(r)) - 1);
    return known == TASK_KNOWN_ALL ? n : 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Any rows are asked for, any others known. */
static void split_rows(struct task_drawing *d, size_t j, size_t n, enum task_known known, struct rng *r)
{
    size_t n_asked = least((n + 3) / 4, TASK_MOST_QUERIES), n_known = known_rows(known, n - n_asked, r);
    for (size_t i = 0; i < n; i++)
        d->order[i] = (uint32_t)i;
    rng_shuffle(r, d->order, n);
    for (size_t i = 0; i < n_asked; i++)
        d->query[j * n + d->order[i]] = 1;
    for (size_t i = 0; i < n_known; i++)
        d->support[j * n + d->order[n_asked + i]] = 1;
    d->n_queries += n_asked;
}

/* What is asked for lies in (moment + gap, moment + gap + horizon], what is known at or before the moment. */
static void split_at(struct task_drawing *d, size_t j, size_t n, const double *time, double moment)
{
    double newest = -INFINITY, *age = d->age + j * n;
    for (size_t i = 0; i < n; i++) {
        bool asked = time[i] > moment + d->gap && time[i] <= moment + d->gap + d->horizon;
        d->support[j * n + i] = time[i] <= moment;
        d->query[j * n + i] = asked;
        d->n_queries += asked;
        newest = time[i] <= moment ? time[i] : newest; /* they rise */
    }
    for (size_t i = 0; i < n; i++)
        age[i] = time[i] <= moment ? (newest - time[i]) / d->period : 0;
}

static void start(struct task_drawing *d, size_t n, size_t n_splits)
{
    d->n_queries = 0;
    memset(d->support, 0, n_splits * n * sizeof *d->support);
    memset(d->query, 0, n_splits * n * sizeof *d->query);
    d->draw =
        (struct task_draw){n, d->x, d->y, n_splits, d->support, d->query, d->table->time ? d->age : NULL};
}

void task_drawing_next(struct task_drawing *d, size_t task, enum task_known known, struct rng *r)
{
    size_t n = least(n_drawable(d, task), TASK_MOST_ROWS);
    take_rows(d, task, n, r);
    start(d, n, d->table->time ? TASK_TIMED_SPLITS : TASK_SPLITS);
    if (!d->table->time) {
        for (size_t j = 0; j < TASK_SPLITS; j++)
            split_rows(d, j, n, known, r);
        return;
    }
    double first = n ? d->time[0] : 0, last = n ? d->time[n - 1] : 0;
    for (size_t j = 0; j < TASK_TIMED_SPLITS; j++)
        split_at(d, j, n, d->time,
                 first + fmax(last - d->gap - d->horizon - first, 0) * sqrt(rng_uniform(r)));
}

void task_drawing_ahead(struct task_drawing *d, size_t task, double from, struct rng *r)
{
    size_t n = least(n_drawable(d, task), TASK_MOST_ROWS);
    take_rows(d, task, n, r);
    double last = n ? d->time[n - 1] : from, windows = ceil((last - from) / d->horizon);
    size_t n_splits = windows < 1 ? 0 : windows > TASK_TIMED_SPLITS ? TASK_TIMED_SPLITS : (size_t)windows;
    start(d, n, n_splits);
    for (size_t j = 0; j < n_splits; j++)
        split_at(d, j, n, d->time, from - d->gap + (double)j * windows / (double)n_splits * d->horizon);
}

/* What is held is asked for, any others known. */
static void split_held(struct task_drawing *d, size_t j, size_t n, const uint8_t *held, enum task_known known,
                       struct rng *r)
{
    size_t n_others = 0;
    for (size_t i = 0; i < n; i++) {
        if (held[d->row[i]])
            d->query[j * n + i] = 1;
        else
            d->order[n_others++] = (uint32_t)i;
    }
    rng_shuffle(r, d->order, n_others);
    size_t n_known = known_rows(known, n_others, r);
    for (size_t i = 0; i < n_known; i++)
        d->support[j * n + d->order[i]] = 1;
    d->n_queries += n - n_others;
}

void task_drawing_held(struct task_drawing *d, size_t task, enum task_known known, struct rng *r)
{
    const uint8_t *held = d->held;
    d->held = NULL;
    size_t n = least(n_drawable(d, task), TASK_MOST_ROWS);
    take_rows(d, task, n, r);
    d->held = held;
    start(d, n, TASK_SPLITS);
    for (size_t j = 0; j < TASK_SPLITS; j++)
        split_held(d, j, n, held, known, r);
}
