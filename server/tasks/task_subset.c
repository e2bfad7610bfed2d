#include "server/tasks/task_subset.h"

#include "base/mem.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Which rows of a task are kept: rising places (n_kept) in rows (n). */
static size_t choose(const struct task_dataset *all, size_t task, size_t most, uint64_t seed, uint32_t *rows)
{
    size_t from = all->row_start[task], n = all->row_start[task + 1] - from, n_kept = n < most ? n : most;
    struct rng r;
    for (size_t i = 0; i < n; i++)
        rows[i] = (uint32_t)(from + (all->time ? n - n_kept + i : i)); /* oldest first; past n_kept unused */
    if (!all->time) {
        rng_init(&r, seed, task);
        rng_shuffle(&r, rows, n);
        qsort(rows, n_kept, sizeof *rows, by_number);
    }
    return n_kept;
}

static enum err_code allocate(const struct task_dataset *all, size_t width, struct task_dataset *out,
                              struct err *e)
{
    size_t n = all->row_start[all->table.n_tasks];
    out->row_start = mem_zalloc_array(all->table.n_tasks + 1, sizeof *out->row_start);
    out->order = mem_alloc_array(n, sizeof *out->order);
    out->x = mem_alloc_array(n, width * sizeof *out->x);
    out->y = mem_alloc_array(n, sizeof *out->y);
    if (all->time)
        out->time = mem_alloc_array(n, sizeof *out->time);
    return out->row_start && out->order && out->x && out->y && (out->time || !all->time)
               ? ERR_OK
               : err_set(e, ERR_NOMEM, "no memory for %zu rows", n);
}

enum err_code task_subset_make(const struct task_dataset *all, size_t width, size_t most, uint64_t seed,
                               struct task_dataset *out, struct err *e)
{
    size_t n_tasks = all->table.n_tasks, n = 0, longest = 0;
    *out = (struct task_dataset){0};
    if (allocate(all, width, out, e))
        return e->code;
    for (size_t t = 0; t < n_tasks; t++)
        longest = all->row_start[t + 1] - all->row_start[t] > longest
                      ? all->row_start[t + 1] - all->row_start[t]
                      : longest;
    uint32_t *rows = mem_alloc_array(longest, sizeof *rows);
    if (!rows)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", longest);
    for (size_t t = 0; t < n_tasks; t++) {
        size_t n_kept = choose(all, t, most, seed, rows);
        for (size_t i = 0; i < n_kept; i++, n++) {
            out->order[n] = all->order[rows[i]];
            memcpy(out->x + n * width, all->x + (size_t)rows[i] * width, width * sizeof *out->x);
            out->y[n] = all->y[rows[i]];
            if (out->time)
                out->time[n] = all->time[rows[i]];
        }
        out->row_start[t + 1] = n;
    }
    mem_free(rows);
    out->table = (struct task_table){n_tasks, out->row_start, out->x, out->y, out->time, all->table.about};
    return ERR_OK;
}
