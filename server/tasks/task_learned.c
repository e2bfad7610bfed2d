#include "server/tasks/task_learned.h"

#include "base/mem.h"
#include "engine/network/task_head.h"

#include <string.h>

static size_t rows_of(const struct task_dataset *d, size_t task)
{
    return d->row_start[task + 1] - d->row_start[task];
}

/* Takes the rows of one task over, as the next task. */
static void take(struct task_learned *l, const struct task_spec *spec, const struct task_dataset *from,
                 size_t task)
{
    size_t first = from->row_start[task], n = rows_of(from, task), at = l->row_start[l->n_tasks];
    memcpy(l->x + at * l->d, from->x + first * l->d, n * l->d * sizeof *l->x);
    for (size_t i = 0; i < n; i++) {
        double y = from->y[first + i];
        l->y[at + i] = spec->n_classes ? y : task_learned_target(spec, y);
        l->task[at + i] = (uint32_t)l->n_tasks;
        if (l->time)
            l->time[at + i] = from->time[first + i];
    }
    l->row_start[++l->n_tasks] = at + n;
}

/* Places of the trained tasks: those of known ones, or after them. Counts what there will be. */
static void place(struct task_learned *l, size_t n_known_rows)
{
    const struct task_dataset *trained = l->trained.data;
    size_t n = l->known.data ? l->known.data->table.n_tasks : 0;
    l->n_rows = n_known_rows;
    for (size_t t = 0; trained && t < trained->table.n_tasks; t++) {
        l->place[t] = l->known.data ? id_table_find(&l->known.rows->tasks,
                                                    id_table_text(&l->trained.rows->tasks, (uint32_t)t))
                                    : ID_TABLE_NONE;
        if (l->place[t] != ID_TABLE_NONE)
            continue;
        l->place[t] = (uint32_t)n++;
        l->n_rows += rows_of(trained, t);
    }
}

static enum err_code reserve(struct task_learned *l, bool timed, size_t most_tasks, size_t most_rows,
                             struct err *e)
{
    l->row_start = mem_zalloc_array(most_tasks + 1, sizeof *l->row_start);
    l->place = mem_alloc_array(most_tasks + 1, sizeof *l->place);
    l->x = mem_alloc_array(most_rows, l->d * sizeof *l->x);
    l->y = mem_alloc_array(most_rows, sizeof *l->y);
    l->task = mem_alloc_array(most_rows, sizeof *l->task);
    l->time = timed ? mem_alloc_array(most_rows, sizeof *l->time) : NULL;
    if (!l->row_start || !l->place || !l->x || !l->y || !l->task || (timed && !l->time))
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", most_rows);
    return ERR_OK;
}

enum err_code task_learned_make(struct task_learned *l, const struct model_spec *spec,
                                const struct task_source *known, const struct task_source *trained,
                                struct err *e)
{
    *l = (struct task_learned){.d = spec->d_item, .known = *known, .trained = *trained};
    size_t n_known = known->data ? known->data->row_start[known->data->table.n_tasks] : 0;
    size_t n_trained = trained->data ? trained->data->row_start[trained->data->table.n_tasks] : 0;
    size_t n_tasks =
        (known->data ? known->data->table.n_tasks : 0) + (trained->data ? trained->data->table.n_tasks : 0);
    if (n_known + n_trained == 0)
        return err_set(e, ERR_INVALID, "there is no row that baselines could learn from");
    enum err_code code = reserve(l, spec->task.forgets, n_tasks, n_known + n_trained, e);
    if (code)
        return code;
    place(l, n_known);
    for (size_t t = 0; known->data && t < known->data->table.n_tasks; t++)
        take(l, &spec->task, known->data, t);
    for (size_t t = 0; trained->data && t < trained->data->table.n_tasks; t++)
        if (l->place[t] == l->n_tasks)
            take(l, &spec->task, trained->data, t);
    return ERR_OK;
}

void task_learned_fini(struct task_learned *l)
{
    mem_free(l->row_start);
    mem_free(l->place);
    mem_free(l->x);
    mem_free(l->y);
    mem_free(l->task);
    mem_free(l->time);
    *l = (struct task_learned){0};
}

static uint32_t find(const struct task_source *s, struct text id)
{
    return s->data ? id_table_find(&s->rows->tasks, id) : ID_TABLE_NONE;
}

uint32_t task_learned_find(const struct task_learned *l, struct text id)
{
    uint32_t task = find(&l->known, id);
    if (task != ID_TABLE_NONE)
        return task;
    task = find(&l->trained, id);
    return task == ID_TABLE_NONE ? (uint32_t)l->n_tasks : l->place[task];
}

bool task_learned_is_trained(const struct task_learned *l, struct text id)
{
    return find(l->trained.data ? &l->trained : &l->known, id) != ID_TABLE_NONE;
}
