#include "server/tasks/task_baselines.h"

#include "base/mem.h"
#include "engine/network/task_head.h"
#include "server/tasks/linear_fit.h"

#include <math.h>

/* The known rows as the fits take them, and what a fit is asked for. */
struct fits {
    const struct model_spec *spec;
    const struct task_dataset *known;
    double *y;      /* (n) as they are learned */
    uint32_t *task; /* (n) */
    struct linear_fit pooled;
    uint64_t seed;
    double error; /* sum over rows that were left out */
    size_t n_errors;
};

static size_t n_rows(const struct task_dataset *d)
{
    return d->row_start[d->table.n_tasks];
}

static enum err_code prepare(struct fits *f, const struct model_spec *spec, const struct task_dataset *known,
                             struct err *e)
{
    size_t n = n_rows(known);
    f->y = mem_alloc_array(n, sizeof *f->y);
    f->task = mem_alloc_array(n, sizeof *f->task);
    if (!f->y || !f->task)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", n);
    for (size_t i = 0; i < n; i++)
        f->y[i] = spec->task.n_classes ? known->y[i] : task_learned_target(&spec->task, known->y[i]);
    for (size_t t = 0; t < known->table.n_tasks; t++)
        for (size_t i = known->row_start[t]; i < known->row_start[t + 1]; i++)
            f->task[i] = (uint32_t)t;
    return ERR_OK;
}

/* A fit to the rows [from, end); how far it is off is remembered. */
static enum err_code fit(struct fits *f, size_t from, size_t end, bool levels, struct linear_fit *out,
                         struct err *e)
{
    const struct linear_rows rows = {.x = f->known->x + from * f->spec->d_item,
                                     .y = f->y + from,
                                     .task = levels ? f->task + from : NULL,
                                     .n = end - from,
                                     .d = f->spec->d_item,
                                     .n_tasks = levels ? f->known->table.n_tasks : 0,
                                     .n_classes = f->spec->task.n_classes};
    enum err_code code = linear_fit_make(&rows, f->seed, out, e);
    if (!code && out->n_errors) {
        f->error += out->error * (double)out->n_errors;
        f->n_errors += out->n_errors;
    }
    return code;
}

/* The rows of one task. known_task: its number among the known ones; ID_TABLE_NONE: it has none. */
static enum err_code answer(struct fits *f, enum task_baseline which, const struct task_dataset *asked,
                            size_t task, uint32_t known_task, struct task_answers *out, struct err *e)
{
    struct linear_fit own = {0};
    const struct linear_fit *use = &f->pooled;
    enum err_code code = ERR_OK;
    size_t n_out = f->spec->d_output, n_known = 0;
    if (known_task != ID_TABLE_NONE)
        n_known = f->known->row_start[known_task + 1] - f->known->row_start[known_task];
    if (which == TASK_BASELINE_OWN && n_known) {
        size_t from = f->known->row_start[known_task];
        code = fit(f, from, from + n_known, false, &own, e);
        use = &own;
    }
    for (size_t i = asked->row_start[task]; i < asked->row_start[task + 1] && !code; i++) {
        double *value = out->value + i * n_out;
        linear_fit_predict(use, asked->x + i * f->spec->d_item, known_task, value);
        out->n_known[i] = n_known;
        if (f->spec->task.n_classes)
            out->spread[i] = task_answers_probabilities(value, n_out);
    }
    linear_fit_fini(&own);
    return code;
}

/* One spread for all, as if normal. */
static void set_spread(const struct fits *f, struct task_answers *out)
{
    const double normal = 1e6; /* degrees of freedom */
    double spread = f->n_errors ? sqrt(f->error / (double)f->n_errors) : 0;
    for (size_t i = 0; i < out->n; i++) {
        out->spread[i] = spread;
        out->freedom[i] = normal;
    }
}

static enum err_code answer_all(struct fits *f, enum task_baseline which, const struct task_rows *asked_rows,
                                const struct task_dataset *asked, const struct task_rows *known_rows,
                                struct task_answers *out, struct err *e)
{
    enum err_code code = fit(f, 0, n_rows(f->known), which == TASK_BASELINE_LEVELS, &f->pooled, e);
    if (which == TASK_BASELINE_OWN)
        f->error = (double)(f->n_errors = 0); /* the pooled fit is another */
    for (size_t t = 0; t < asked->table.n_tasks && !code; t++) {
        struct text id = id_table_text(&asked_rows->tasks, (uint32_t)t);
        code = answer(f, which, asked, t, id_table_find(&known_rows->tasks, id), out, e);
    }
    if (!code && !f->spec->task.n_classes)
        set_spread(f, out);
    return code;
}

enum err_code task_baselines_make(const struct model *m, enum task_baseline which,
                                  const struct task_rows *asked_rows, const struct task_dataset *asked,
                                  const struct task_rows *known_rows, const struct task_dataset *known,
                                  uint64_t seed, struct task_answers *out, struct err *e)
{
    struct fits f = {.spec = &m->spec, .known = known, .seed = seed};
    if (m->spec.d_item > TASK_BASELINE_MOST_WIDTH)
        return err_set(e, ERR_INVALID,
                       "baselines are for rows of at most %d numbers; a row of this model is %zu",
                       TASK_BASELINE_MOST_WIDTH, m->spec.d_item);
    enum err_code code = task_answers_reserve(out, m, n_rows(asked), e);
    out->quantiles = NULL;
    if (!code)
        code = prepare(&f, &m->spec, known, e);
    if (!code)
        code = answer_all(&f, which, asked_rows, asked, known_rows, out, e);
    linear_fit_fini(&f.pooled);
    mem_free(f.y);
    mem_free(f.task);
    return code;
}
