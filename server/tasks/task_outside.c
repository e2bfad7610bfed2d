#include "server/tasks/task_outside.h"

#include "base/mem.h"
#include "engine/network/task_epistemic.h"
#include "server/tasks/roc.h"

#include <math.h>
#include <string.h>

size_t task_uncertainties(const struct model_spec *spec)
{
    return spec->task.n_classes ? N_TASK_UNCERTAINTIES : TASK_NOVELTY;
}

const char *task_uncertainty_name(enum task_uncertainty u, const struct model_spec *spec)
{
    return u == TASK_EPISTEMIC    ? "epistemic"
           : u == TASK_NOVELTY    ? "novelty"
           : spec->task.n_classes ? "entropy"
                                  : "deviation";
}

/* Both tables together: of each row what it is told by. */
struct work {
    struct task_information information;        /* of classes */
    struct roc_row *rows[N_TASK_UNCERTAINTIES]; /* (n) each */
    double *weights;                            /* (n_tasks) */
    size_t n, n_tasks;
};

static void work_fini(struct work *w)
{
    task_information_fini(&w->information);
    for (size_t u = 0; u < N_TASK_UNCERTAINTIES; u++)
        mem_free(w->rows[u]);
    mem_free(w->weights);
}

static enum err_code work_init(struct work *w, size_t n, size_t most_tasks, size_t n_classes, uint64_t seed,
                               struct err *e)
{
    w->weights = mem_alloc_array(most_tasks + 1, sizeof *w->weights);
    bool room = w->weights != NULL;
    for (size_t u = 0; u < N_TASK_UNCERTAINTIES; u++)
        room = (w->rows[u] = mem_alloc_array(n + 1, sizeof *w->rows[u])) && room;
    if (!room)
        return err_set(e, ERR_NOMEM, "no memory for the uncertainty of %zu rows", n);
    return n_classes ? task_information_init(&w->information, n_classes, seed, e) : ERR_OK;
}

static void measure_row(const struct work *w, const struct task_answers *a, size_t i,
                        double out[N_TASK_UNCERTAINTIES])
{
    size_t n = a->spec->task.n_classes;
    if (n) {
        out[TASK_EPISTEMIC] = task_information(&w->information, a->value + i * n, a->own[i]);
        out[TASK_WHOLE] = a->spread[i];
        out[TASK_NOVELTY] = a->own[i];
        return;
    }
    task_answers_deviations(a, i, task_answers_bounds(a, i, TASK_ONE_DEVIATION), true, &out[TASK_WHOLE],
                            &out[TASK_EPISTEMIC]);
}

/* Adds the rows of a task. */
static void add_task(struct work *w, const struct task_answered *t, size_t task, uint32_t number,
                     bool is_outside, struct task_outside *out)
{
    for (size_t i = t->data->row_start[task]; i < t->data->row_start[task + 1]; i++, w->n++) {
        double found[N_TASK_UNCERTAINTIES];
        measure_row(w, t->answers, i, found);
        for (size_t u = 0; u < task_uncertainties(t->answers->spec); u++) {
            w->rows[u][w->n] = (struct roc_row){found[u], number, is_outside};
            *(is_outside ? &out->by[u].outside : &out->by[u].inside) += found[u] / (double)t->answers->n;
        }
    }
}

enum err_code task_outside_make(const struct task_answered *inside, const struct task_answered *outside,
                                uint64_t seed, struct task_outside *out, struct err *e)
{
    struct work w = {.n_tasks = inside->data->table.n_tasks};
    size_t n_outside = outside->data->table.n_tasks;
    *out = (struct task_outside){.n_rows = outside->answers->n};
    enum err_code code = work_init(&w, inside->answers->n + outside->answers->n, w.n_tasks + n_outside,
                                   inside->answers->spec->task.n_classes, seed, e);
    for (size_t t = 0; t < inside->data->table.n_tasks && !code; t++)
        add_task(&w, inside, t, (uint32_t)t, false, out);
    for (size_t t = 0; t < n_outside && !code; t++) {
        uint32_t number = id_table_find(inside->ids, id_table_text(outside->ids, (uint32_t)t));
        add_task(&w, outside, t, number == ID_TABLE_NONE ? (uint32_t)w.n_tasks++ : number, true, out);
    }
    for (size_t u = 0; u < task_uncertainties(inside->answers->spec) && !code; u++) {
        roc_sort(w.rows[u], w.n);
        out->by[u].area = roc_area(w.rows[u], w.n, NULL);
        roc_interval(w.rows[u], w.n, w.n_tasks, seed, w.weights, &out->by[u].low, &out->by[u].high);
    }
    work_fini(&w);
    return code;
}
