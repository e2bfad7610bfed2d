#include "server/tasks/task_answers.h"

#include "base/mem.h"
#include "engine/network/student_t.h"
#include "engine/network/task_head.h"

#include <math.h>
#include <string.h>

enum { PIECE = 256 }; /* rows whose features are computed at once */

void task_answers_fini(struct task_answers *a)
{
    mem_free(a->value);
    mem_free(a->spread);
    mem_free(a->freedom);
    mem_free(a->n_known);
    *a = (struct task_answers){0};
}

/* One task after the other goes through here. */
struct worker {
    const struct model *m;
    struct task_layer layer;
    real *workspace, *f0, *phi; /* of PIECE rows */
    double *sums, *room, *work; /* of a task */
    double *y;                  /* (PIECE) targets as they are learned */
    double *weights;            /* (PIECE) */
    double *spread;             /* (PIECE) */
};

static void worker_fini(struct worker *w)
{
    mem_free(w->workspace);
    mem_free(w->f0);
    mem_free(w->phi);
    mem_free(w->sums);
    mem_free(w->room);
    mem_free(w->work);
    mem_free(w->y);
    mem_free(w->weights);
    mem_free(w->spread);
}

static enum err_code worker_init(struct worker *w, const struct model *m, struct err *e)
{
    const struct model_spec *spec = &m->spec;
    *w = (struct worker){.m = m};
    w->workspace = mem_alloc_array(task_features_workspace_len(spec, PIECE), sizeof *w->workspace);
    w->f0 = mem_alloc_array(PIECE * spec->d_output, sizeof *w->f0);
    w->phi = mem_alloc_array(PIECE * spec->task.d_basis, sizeof *w->phi);
    w->sums = mem_alloc_array(task_spec_d_sums(spec), sizeof *w->sums);
    w->room = mem_alloc_array(task_layer_len(spec), sizeof *w->room);
    w->work = mem_alloc_array(spec->task.d_basis, sizeof *w->work);
    w->y = mem_alloc_array(PIECE, sizeof *w->y);
    w->weights = mem_alloc_array(PIECE, sizeof *w->weights);
    w->spread = mem_alloc_array(PIECE, sizeof *w->spread);
    if (!w->workspace || !w->f0 || !w->phi || !w->sums || !w->room || !w->work || !w->y || !w->weights ||
        !w->spread)
        return err_set(e, ERR_NOMEM, "no memory for the layer of a task");
    task_layer_at(spec, w->room, &w->layer);
    return ERR_OK;
}

static size_t piece(size_t from, size_t end)
{
    return end - from < PIECE ? end - from : PIECE;
}

/* How much rows count: the less the older they are beside the task's newest. */
static void set_weights(struct worker *w, const struct task_dataset *known, size_t from, size_t n,
                        double newest)
{
    const struct task_spec *t = &w->m->spec.task;
    double rate = t->forgets ? exp((double)w->m->params.task_scales[TASK_SCALES]) : 0;
    for (size_t i = 0; i < n; i++)
        w->weights[i] = t->forgets ? exp(-rate * (newest - known->time[from + i]) / t->period) : 1;
}

/* The task's layer from its known rows; from none where it has none. */
static enum err_code solve(struct worker *w, const struct task_rows *rows, const struct task_dataset *known,
                           struct text id, size_t *n_known, struct err *e)
{
    const struct model_spec *spec = &w->m->spec;
    uint32_t task = known ? id_table_find(&rows->tasks, id) : ID_TABLE_NONE;
    size_t from = 0, end = 0;
    if (task != ID_TABLE_NONE) {
        from = known->row_start[task];
        end = known->row_start[task + 1];
    }
    *n_known = end - from;
    double newest = known && known->time && end > from ? known->time[end - 1] : 0;
    memset(w->sums, 0, task_spec_d_sums(spec) * sizeof *w->sums);
    for (size_t n; from < end; from += n) {
        n = piece(from, end);
        task_features(spec, &w->m->params, known->x + from * spec->d_item, n, w->workspace, NULL, w->f0,
                      w->phi);
        for (size_t i = 0; i < n; i++)
            w->y[i] = spec->task.n_classes ? known->y[from + i]
                                           : task_learned_target(&spec->task, known->y[from + i]);
        set_weights(w, known, from, n, newest);
        task_sums_add(spec, w->f0, w->phi, w->y, w->weights, n, 1, w->sums);
    }
    return task_layer_solve(spec, &w->m->params, w->sums, &w->layer)
               ? ERR_OK
               : err_set(e, ERR_INVALID, "task '%.*s': its rows cannot be solved for", (int)id.len, id.data);
}

/* Logits to probabilities; returns their entropy. */
static double to_probabilities(double *f, size_t n)
{
    double most = -INFINITY, sum = 0, entropy = 0;
    for (size_t k = 0; k < n; k++)
        most = fmax(most, f[k]);
    for (size_t k = 0; k < n; k++)
        sum += f[k] = exp(f[k] - most);
    for (size_t k = 0; k < n; k++) {
        f[k] /= sum;
        entropy -= f[k] > 0 ? f[k] * log(f[k]) : 0;
    }
    return entropy;
}

static double clamped(const struct task_spec *t, double target)
{
    return fmax(fmin(target, t->target_most), t->target_least);
}

static void answer(struct worker *w, const struct task_dataset *asked, size_t from, size_t n, size_t n_known,
                   struct task_answers *out)
{
    const struct model_spec *spec = &w->m->spec;
    double *value = out->value + from * spec->d_output;
    task_features(spec, &w->m->params, asked->x + from * spec->d_item, n, w->workspace, NULL, w->f0, w->phi);
    task_layer_predict(spec, &w->m->params, &w->layer, w->f0, w->phi, n, w->work, value, w->spread, NULL);
    for (size_t i = 0; i < n; i++) {
        out->n_known[from + i] = n_known;
        if (spec->task.n_classes) {
            out->spread[from + i] = to_probabilities(value + i * spec->d_output, spec->d_output);
            continue;
        }
        out->spread[from + i] = sqrt(w->spread[i]);
        out->freedom[from + i] = 2 * w->layer.shape;
    }
}

enum err_code task_answers_make(const struct model *m, const struct task_rows *asked_rows,
                                const struct task_dataset *asked, const struct task_rows *known_rows,
                                const struct task_dataset *known, struct task_answers *out, struct err *e)
{
    struct worker w;
    size_t n = asked->row_start[asked->table.n_tasks];
    *out = (struct task_answers){.spec = &m->spec, .n = n};
    out->value = mem_alloc_array(n, m->spec.d_output * sizeof *out->value);
    out->spread = mem_alloc_array(n, sizeof *out->spread);
    out->freedom = mem_zalloc_array(n, sizeof *out->freedom);
    out->n_known = mem_alloc_array(n, sizeof *out->n_known);
    enum err_code code = out->value && out->spread && out->freedom && out->n_known
                             ? worker_init(&w, m, e)
                             : err_set(e, ERR_NOMEM, "no memory for %zu answers", n);
    if (!out->value || !out->spread || !out->freedom || !out->n_known)
        return code;
    for (size_t t = 0; t < asked->table.n_tasks && !code; t++) {
        size_t n_known;
        code = solve(&w, known_rows, known, id_table_text(&asked_rows->tasks, (uint32_t)t), &n_known, e);
        for (size_t from = asked->row_start[t], end = asked->row_start[t + 1], k; from < end && !code;
             from += k) {
            k = piece(from, end);
            answer(&w, asked, from, k, n_known, out);
        }
    }
    worker_fini(&w);
    return code;
}

double task_answers_value(const struct task_answers *a, size_t i, bool clamp)
{
    const struct task_spec *t = &a->spec->task;
    double variance = a->spread[i] * a->spread[i] * t->target_deviation;
    double target = task_target(t, a->value[i] - t->shrink * variance);
    return clamp ? clamped(t, target) : target;
}

void task_answers_interval(const struct task_answers *a, size_t i, double probability, bool clamp,
                           double *low, double *high)
{
    const struct task_spec *t = &a->spec->task;
    double width = student_t_quantile((1 + probability) / 2, a->freedom[i]) * a->spread[i];
    *low = task_target(t, a->value[i] - width);
    *high = task_target(t, a->value[i] + width);
    if (clamp) {
        *low = clamped(t, *low);
        *high = clamped(t, *high);
    }
}
