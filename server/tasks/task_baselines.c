#include "server/tasks/task_baselines.h"

#include "base/mem.h"
#include "engine/format/task_target.h"
#include "server/tasks/linear_fit.h"

#include <math.h>

/* What a fit is asked for. */
struct fits {
    const struct model_spec *spec;
    const struct task_learned *learned;
    double *y; /* (rows) what is fitted to */
    struct linear_fit pooled;
    uint64_t seed;
    double error; /* sum over rows that were left out */
    size_t n_errors;
};

/* Fits are to the target itself; of errors relative to it to its logarithm, as the model is. */
static bool learns_target(const struct model_spec *spec)
{
    return !spec->task.n_classes && spec->task.loss != LOSS_RELATIVE;
}

/* A fit to the rows [from, end); how far it is off is remembered. */
static enum err_code fit(struct fits *f, size_t from, size_t end, bool levels, struct linear_fit *out,
                         struct err *e)
{
    const struct task_learned *l = f->learned;
    const struct linear_rows rows = {.x = l->x + from * l->d,
                                     .y = f->y + from,
                                     .task = levels ? l->task + from : NULL,
                                     .n = end - from,
                                     .d = l->d,
                                     .n_tasks = levels ? l->n_tasks : 0,
                                     .n_classes = f->spec->task.n_classes};
    enum err_code code = linear_fit_make(&rows, f->seed, out, e);
    if (!code && out->n_errors) {
        f->error += out->error * (double)out->n_errors;
        f->n_errors += out->n_errors;
    }
    return code;
}

/* The rows of one task. learned_task: its number among those that were learned from; n_tasks: it has none. */
static enum err_code answer(struct fits *f, enum task_baseline which, const struct task_dataset *asked,
                            size_t task, uint32_t learned_task, struct task_answers *out, struct err *e)
{
    const struct task_learned *l = f->learned;
    struct linear_fit own = {0};
    const struct linear_fit *use = &f->pooled;
    enum err_code code = ERR_OK;
    size_t n_out = f->spec->d_output, n_known = 0;
    if (learned_task < l->n_tasks)
        n_known = l->row_start[learned_task + 1] - l->row_start[learned_task];
    if (which == TASK_BASELINE_OWN && n_known) {
        code = fit(f, l->row_start[learned_task], l->row_start[learned_task + 1], false, &own, e);
        use = &own;
    }
    for (size_t i = asked->row_start[task]; i < asked->row_start[task + 1] && !code; i++) {
        double *value = out->value + i * n_out;
        linear_fit_predict(use, asked->x + i * l->d, learned_task, value);
        out->n_known[i] = n_known;
        if (f->spec->task.n_classes)
            out->spread[i] = task_answers_probabilities(value, n_out);
    }
    linear_fit_fini(&own);
    return code;
}

void task_baselines_set_spread(double mean_square, struct task_answers *out)
{
    const double normal = 1e6; /* degrees of freedom */
    for (size_t i = 0; i < out->n; i++) {
        out->spread[i] = isnan(mean_square) ? 0 : sqrt(mean_square);
        out->freedom[i] = normal;
    }
}

static enum err_code answer_all(struct fits *f, enum task_baseline which, const struct task_source *asked,
                                struct task_answers *out, struct err *e)
{
    enum err_code code = fit(f, 0, f->learned->n_rows, which == TASK_BASELINE_LEVELS, &f->pooled, e);
    if (which == TASK_BASELINE_OWN)
        f->error = (double)(f->n_errors = 0); /* the pooled fit is another */
    for (size_t t = 0; t < asked->data->table.n_tasks && !code; t++) {
        struct text id = id_table_text(&asked->rows->tasks, (uint32_t)t);
        code = answer(f, which, asked->data, t, task_learned_find(f->learned, id), out, e);
    }
    if (!code && !f->spec->task.n_classes)
        task_baselines_set_spread(f->n_errors ? f->error / (double)f->n_errors : NAN, out);
    return code;
}

static enum err_code prepare(struct fits *f, struct err *e)
{
    const struct task_learned *l = f->learned;
    f->y = mem_alloc_array(l->n_rows, sizeof *f->y);
    if (!f->y)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", l->n_rows);
    for (size_t i = 0; i < l->n_rows; i++)
        f->y[i] = learns_target(f->spec) ? task_target_known(&f->spec->task, l->y[i]) : l->y[i];
    return ERR_OK;
}

enum err_code task_baselines_make(const struct model *m, enum task_baseline which,
                                  const struct task_learned *learned, const struct task_source *asked,
                                  uint64_t seed, struct task_answers *out, struct err *e)
{
    struct fits f = {.spec = &m->spec, .learned = learned, .seed = seed};
    if (m->spec.d_item > TASK_BASELINE_MOST_WIDTH)
        return err_set(e, ERR_INVALID,
                       "linear baselines are for rows of at most %d numbers; a row of this model is %zu",
                       TASK_BASELINE_MOST_WIDTH, m->spec.d_item);
    enum err_code code = task_answers_reserve(out, m, asked->data->row_start[asked->data->table.n_tasks], e);
    out->quantiles = NULL;
    out->as_is = learns_target(&m->spec);
    if (!code)
        code = prepare(&f, e);
    if (!code)
        code = answer_all(&f, which, asked, out, e);
    linear_fit_fini(&f.pooled);
    mem_free(f.y);
    return code;
}
