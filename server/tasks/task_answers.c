#include "server/tasks/task_answers.h"

#include "base/mem.h"
#include "engine/network/task_count.h"
#include "engine/network/task_epistemic.h"
#include "engine/network/task_quantiles.h"
#include "engine/network/task_solver.h"

#include <math.h>
#include <string.h>

enum { PIECE = 256 }; /* rows whose features are computed at once */

void task_answers_fini(struct task_answers *a)
{
    mem_free(a->value);
    mem_free(a->spread);
    mem_free(a->own);
    mem_free(a->beyond);
    mem_free(a->freedom);
    mem_free(a->n_known);
    *a = (struct task_answers){0};
}

static size_t piece(size_t from, size_t end)
{
    return end - from < PIECE ? end - from : PIECE;
}

/* How much rows count: the less the older they are beside the task's newest. */
static void set_weights(struct task_solver *s, const struct task_dataset *known, size_t from, size_t n,
                        double newest)
{
    const struct task_spec *t = &s->spec->task;
    double rate = t->forgets ? exp((double)s->params->task_scales[TASK_SCALES]) : 0;
    for (size_t i = 0; i < n; i++)
        s->weights[i] = t->forgets ? exp(-rate * (newest - known->time[from + i]) / t->period) : 1;
}

/* The task's layer from its known rows; from none where it has none. */
static enum err_code solve(struct task_solver *s, const struct task_rows *rows,
                           const struct task_dataset *known, struct text id, size_t *n_known, struct err *e)
{
    const struct task_spec *t = &s->spec->task;
    uint32_t task = known ? id_table_find(&rows->tasks, id) : ID_TABLE_NONE;
    size_t from = 0, end = 0;
    if (task != ID_TABLE_NONE) {
        from = known->row_start[task];
        end = known->row_start[task + 1];
    }
    *n_known = end - from;
    double newest = known && known->time && end > from ? known->time[end - 1] : 0;
    task_solver_start(s);
    for (size_t n; from < end; from += n) {
        n = piece(from, end);
        task_solver_rows(s, known->x + from * s->spec->d_item, n);
        for (size_t i = 0; i < n; i++)
            s->y[i] = t->n_classes ? known->y[from + i] : task_learned_target(t, known->y[from + i]);
        set_weights(s, known, from, n, newest);
        task_solver_know(s, n);
    }
    return task_solver_solve(s)
               ? ERR_OK
               : err_set(e, ERR_INVALID, "task '%.*s': its rows cannot be solved for", (int)id.len, id.data);
}

double task_answers_probabilities(double *f, size_t n)
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

/* Rows x (n, D), of which the solver has room, by its layer; they become the answers from `from` on. */
static void answer(struct task_solver *s, const real *x, const double *beyond, size_t n, size_t n_known,
                   size_t from, struct task_answers *out)
{
    size_t n_out = s->spec->d_output;
    double *value = out->value + from * n_out;
    task_solver_rows(s, x, n);
    task_solver_predict(s, n);
    memcpy(value, s->value, n * n_out * sizeof *value);
    for (size_t i = 0; i < n; i++) {
        out->n_known[from + i] = n_known;
        out->beyond[from + i] = beyond ? beyond[i] : 0;
        if (s->spec->task.n_classes) {
            out->own[from + i] = task_epistemic_logit(s->spec, s->params, s->spread[i], out->beyond[from + i],
                                                      value + i * n_out);
            out->spread[from + i] = task_answers_probabilities(value + i * n_out, n_out);
            continue;
        }
        out->spread[from + i] = sqrt(s->spread[i]);
        out->own[from + i] = sqrt(s->own[i]);
        out->freedom[from + i] = 2 * s->layer.shape;
    }
}

enum err_code task_answers_make(const struct model *m, const struct task_rows *asked_rows,
                                const struct task_dataset *asked, const struct task_rows *known_rows,
                                const struct task_dataset *known, struct task_answers *out, struct err *e)
{
    struct task_solver solver;
    *out = (struct task_answers){0};
    enum err_code code = task_answers_reserve(out, m, asked->row_start[asked->table.n_tasks], e);
    if (code)
        return code;
    code = task_solver_init(&solver, &m->spec, &m->params, PIECE, e);
    for (size_t t = 0; t < asked->table.n_tasks && !code; t++) {
        size_t n_known;
        code = solve(&solver, known_rows, known, id_table_text(&asked_rows->tasks, (uint32_t)t), &n_known, e);
        for (size_t from = asked->row_start[t], end = asked->row_start[t + 1], k; from < end && !code;
             from += k) {
            k = piece(from, end);
            answer(&solver, asked->x + from * m->spec.d_item, asked->beyond ? asked->beyond + from : NULL, k,
                   n_known, from, out);
        }
    }
    task_solver_fini(&solver);
    return code;
}

enum err_code task_answers_reserve(struct task_answers *a, const struct model *m, size_t n, struct err *e)
{
    if (a->capacity < n) {
        task_answers_fini(a);
        a->value = mem_alloc_array(n, m->spec.d_output * sizeof *a->value);
        a->spread = mem_alloc_array(n, sizeof *a->spread);
        a->own = mem_zalloc_array(n, sizeof *a->own);
        a->beyond = mem_zalloc_array(n, sizeof *a->beyond);
        a->freedom = mem_zalloc_array(n, sizeof *a->freedom);
        a->n_known = mem_alloc_array(n, sizeof *a->n_known);
        if (!a->value || !a->spread || !a->own || !a->beyond || !a->freedom || !a->n_known)
            return err_set(e, ERR_NOMEM, "no memory for %zu answers", n);
        a->capacity = n;
    }
    a->spec = &m->spec;
    a->quantiles = m->params.task_calibration;
    a->n = n;
    a->as_is = false;
    a->shrink = m->spec.task.shrink;
    return ERR_OK;
}

void task_answers_predict(struct task_solver *s, const struct task_layer *layer, const real *x, size_t n,
                          const double *beyond, size_t n_known, size_t from, struct task_answers *out)
{
    struct task_layer own = s->layer;
    s->layer = *layer;
    answer(s, x, beyond, n, n_known, from, out);
    s->layer = own;
}

/* Counts by what the model says of their rate, not by a fit to them. */
static bool is_of_counts(const struct task_answers *a)
{
    return !a->as_is && task_is_of_counts(a->spec);
}

double task_answers_value(const struct task_answers *a, size_t i, bool clamp)
{
    const struct task_spec *t = &a->spec->task;
    double target =
        a->as_is ? a->value[i] : task_target_answer(t, a->shrink, a->value[i], a->spread[i] * a->spread[i]);
    return clamp ? task_target_clamp(t, target) : target;
}

double task_answers_shown(double x)
{
    return fmax(fmin(x, 1e300), -1e300);
}

double task_answers_count(const struct task_answers *a, size_t i, double z)
{
    return task_count_quantile(a->value[i], a->spread[i] * a->spread[i], 1 + (a->beyond ? a->beyond[i] : 0),
                               z);
}

double task_answers_scale(const struct task_answers *a, size_t i)
{
    return a->beyond ? a->spread[i] * sqrt(1 + a->beyond[i]) : a->spread[i];
}

struct task_bounds task_answers_bounds(const struct task_answers *a, size_t i, double probability)
{
    size_t n_known = a->n_known[i];
    return (struct task_bounds){
        .below = task_quantile(a->quantiles, n_known, a->freedom[i], (1 - probability) / 2),
        .above = task_quantile(a->quantiles, n_known, a->freedom[i], (1 + probability) / 2)};
}

void task_answers_interval(const struct task_answers *a, size_t i, double probability, bool clamp,
                           double *low, double *high)
{
    task_answers_within(a, i, task_answers_bounds(a, i, probability), clamp, low, high);
}

static double back(const struct task_answers *a, double learned)
{
    return a->as_is ? learned : task_target(&a->spec->task, learned);
}

void task_answers_within(const struct task_answers *a, size_t i, struct task_bounds bounds, bool clamp,
                         double *low, double *high)
{
    const struct task_spec *t = &a->spec->task;
    double value = task_answers_value(a, i, false), scale = task_answers_scale(a, i);
    if (is_of_counts(a)) { /* whole numbers about the mean, which is none */
        *low = fmin(task_answers_count(a, i, bounds.below), floor(value));
        *high = fmax(task_answers_count(a, i, bounds.above), ceil(value));
    } else {
        *low = fmin(back(a, a->value[i] + bounds.below * scale), value);
        *high = fmax(back(a, a->value[i] + bounds.above * scale), value);
    }
    if (clamp) {
        *low = task_target_clamp(t, *low);
        *high = task_target_clamp(t, *high);
    }
}

/* The exponential of a logarithm that is learned may be past all numbers. */
static double target_at(const struct task_answers *a, double learned)
{
    const double most = 1e300;
    return fmax(fmin(back(a, learned), most), -most);
}

static double half_width(const struct task_answers *a, size_t i, struct task_bounds bounds, bool clamp,
                         double scale)
{
    const struct task_spec *t = &a->spec->task;
    double low = target_at(a, a->value[i] + fmin(bounds.below, 0) * scale);
    double half = (target_at(a, a->value[i] + fmax(bounds.above, 0) * scale) - low) / 2;
    return clamp ? fmin(half, t->target_most - t->target_least) : half;
}

void task_answers_deviations(const struct task_answers *a, size_t i, struct task_bounds bounds, bool clamp,
                             double *deviation, double *epistemic)
{
    double beyond = a->beyond ? a->beyond[i] : 0,
           most = a->spec->task.target_most - a->spec->task.target_least;
    double own = sqrt(a->own[i] * a->own[i] + a->spread[i] * a->spread[i] * beyond);
    if (is_of_counts(a)) {
        double spread = a->spread[i] * a->spread[i];
        *deviation = task_count_deviation(a->value[i], spread, 1 + beyond);
        *epistemic = task_count_mean_deviation(a->value[i], spread, own * own);
        *deviation = clamp ? fmin(*deviation, most) : *deviation;
        *epistemic = clamp ? fmin(*epistemic, most) : *epistemic;
        return;
    }
    *deviation = half_width(a, i, bounds, clamp, task_answers_scale(a, i));
    *epistemic = half_width(a, i, bounds, clamp, own);
}
