#include "engine/train/task/task_holdout.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>

enum { MOST_HELD = 200, MOST_AHEAD = 400 /* tasks that are validated on whole, and by their newest rows */ };

static size_t n_rows(const struct task_table *t, size_t task)
{
    return t->row_start[task + 1] - t->row_start[task];
}

/* Tasks of one row teach nothing about the others of it: they are left out. */
static enum err_code list_tasks(struct task_holdout *h, const struct task_table *t, struct rng *r, size_t *n,
                                struct err *e)
{
    h->tasks = mem_alloc_array(t->n_tasks, sizeof *h->tasks);
    if (!h->tasks)
        return err_set(e, ERR_NOMEM, "no memory for %zu tasks", t->n_tasks);
    for (size_t i = 0; i < t->n_tasks; i++)
        if (n_rows(t, i) > 1)
            h->tasks[(*n)++] = (uint32_t)i;
    if (*n < 2)
        return err_set(e, ERR_INVALID, "training needs at least two tasks with two rows; there are %zu", *n);
    rng_shuffle(r, h->tasks, *n);
    return ERR_OK;
}

/* What lies ahead: the newest part of the whole table's time. */
static void hold_newest(struct task_holdout *h, const struct task_table *t, size_t n)
{
    double first = INFINITY, last = -INFINITY;
    for (size_t i = 0; i < t->row_start[t->n_tasks]; i++) {
        first = fmin(first, t->time[i]);
        last = fmax(last, t->time[i]);
    }
    h->from = last - (last - first) * TASK_HELD_PERCENT / 100;
    h->n_held = n < MOST_AHEAD ? n : MOST_AHEAD;
    h->n_learned = n;
}

static void hold_tasks(struct task_holdout *h, size_t n)
{
    h->n_held = (n * TASK_HELD_PERCENT + 50) / 100;
    h->n_held = h->n_held < 1 ? 1 : h->n_held > MOST_HELD ? MOST_HELD : h->n_held;
    h->first_learned = h->n_held;
    h->n_learned = n - h->n_held;
}

/* A quarter of each task's rows, drawn. */
static enum err_code hold_rows(struct task_holdout *h, const struct task_table *t, size_t n, struct rng *r,
                               struct err *e)
{
    h->held = mem_zalloc_array(t->row_start[t->n_tasks], sizeof *h->held);
    if (!h->held)
        return err_set(e, ERR_NOMEM, "no memory for marks of %zu rows", t->row_start[t->n_tasks]);
    for (size_t k = 0; k < n; k++) {
        size_t first = t->row_start[h->tasks[k]], left = n_rows(t, h->tasks[k]), n_wanted = left / 4;
        for (size_t i = first; n_wanted; i++) /* without replacement (Knuth 1969, algorithm S) */
            if (rng_below(r, left--) < n_wanted) {
                h->held[i] = 1;
                n_wanted--;
            }
    }
    h->n_held = h->n_learned = n;
    return ERR_OK;
}

/* Whether a quarter of the rows is any of two tasks. */
static bool has_quarters(const struct task_holdout *h, const struct task_table *t, size_t n)
{
    size_t n_tasks = 0;
    for (size_t k = 0; k < n; k++)
        n_tasks += n_rows(t, h->tasks[k]) >= 4;
    return n_tasks >= 2;
}

enum err_code task_holdout_make(struct task_holdout *h, const struct task_table *table, uint64_t seed,
                                struct err *e)
{
    struct rng r;
    size_t n = 0;
    *h = (struct task_holdout){.from = INFINITY};
    rng_init(&r, seed, 1);
    enum err_code code = list_tasks(h, table, &r, &n, e);
    if (code)
        return code;
    if (table->time)
        hold_newest(h, table, n);
    else if (n < TASK_FEW && has_quarters(h, table, n))
        return hold_rows(h, table, n, &r, e);
    else
        hold_tasks(h, n);
    return ERR_OK;
}

void task_holdout_fini(struct task_holdout *h)
{
    mem_free(h->tasks);
    mem_free(h->held);
    *h = (struct task_holdout){0};
}

bool task_holdout_of_learned(const struct task_holdout *h)
{
    return h->held || isfinite(h->from);
}
