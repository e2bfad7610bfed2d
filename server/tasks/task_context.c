/* The weight of a row is exp(-rate age): of ages that all grow by as much the weights shrink by one factor.
 * */
#include "server/tasks/task_context.h"

#include <math.h>
#include <string.h>
#include <zlib.h>

static uLong add_tensor(uLong crc, const real *values, size_t n)
{
    return values ? crc32_z(crc, (const Bytef *)values, n * sizeof *values) : crc;
}

double task_context_mark(const struct model_spec *spec, const struct model_params *params)
{
    const struct task_spec *t = &spec->task;
    size_t d = spec->d_item, d_features = task_spec_d_features(spec);
    uLong crc = crc32_z(0, NULL, 0);
    for (size_t i = 0; i < t->n_features; i++) {
        crc = add_tensor(crc, params->features[i].weight, t->features[i].d_out * d);
        crc = add_tensor(crc, params->features[i].bias, d = t->features[i].d_out);
    }
    crc = add_tensor(crc, params->shared, spec->d_output * d_features);
    crc = add_tensor(crc, params->shared_bias, spec->d_output);
    crc = add_tensor(crc, params->basis, t->d_basis * d_features);
    crc = add_tensor(crc, params->basis_bias, t->d_basis);
    return (double)(t->forgets ? add_tensor(crc, params->task_scales + TASK_SCALES, 1) : crc);
}

size_t task_context_len(const struct model_spec *spec)
{
    return TASK_CONTEXT_SUMS + task_spec_d_sums(spec);
}

void task_context_start(const struct model_spec *spec, double mark, double *context)
{
    memset(context, 0, task_context_len(spec) * sizeof *context);
    context[TASK_CONTEXT_MARK] = mark;
}

bool task_context_is(const struct model_spec *spec, double mark, const void *bytes, size_t n_bytes)
{
    size_t n = task_context_len(spec);
    const char *at = bytes;
    bool finite = n_bytes == n * sizeof(double);
    for (size_t i = 0; i < n && finite; i++) {
        double x;
        memcpy(&x, at + i * sizeof x, sizeof x);
        finite = isfinite(x) && (i != TASK_CONTEXT_MARK || x == mark);
    }
    return finite;
}

/* What a row counts that is so much older than the newest. */
static double weight(const struct task_solver *s, double age)
{
    const struct task_spec *t = &s->spec->task;
    return t->forgets ? exp(-exp((double)s->params->task_scales[TASK_SCALES]) * age / t->period) : 1;
}

/* The newest row is now of this time. */
static void age(const struct task_solver *s, double newest, double *context)
{
    double w = weight(s, newest - context[TASK_CONTEXT_NEWEST]);
    for (size_t i = 0; context[TASK_CONTEXT_ROWS] > 0 && i < task_spec_d_sums(s->spec); i++)
        context[TASK_CONTEXT_SUMS + i] *= w;
    context[TASK_CONTEXT_NEWEST] = newest;
}

void task_context_add(struct task_solver *s, size_t n_max, const real *x, const double *y, const double *time,
                      size_t n, double *context)
{
    double newest = context[TASK_CONTEXT_ROWS] > 0 ? context[TASK_CONTEXT_NEWEST] : -INFINITY;
    for (size_t i = 0; i < n; i++)
        newest = fmax(newest, time[i]);
    if (n && newest != context[TASK_CONTEXT_NEWEST])
        age(s, newest, context);
    for (size_t from = 0, k; from < n; from += k) {
        k = n - from < n_max ? n - from : n_max;
        task_solver_rows(s, x + from * s->spec->d_item, k);
        for (size_t i = 0; i < k; i++)
            s->weights[i] = weight(s, newest - time[from + i]);
        task_sums_add(s->spec, s->params, s->f0, s->phi, y + from, s->weights, k, 1,
                      context + TASK_CONTEXT_SUMS);
    }
    context[TASK_CONTEXT_ROWS] += (double)n;
}

void task_context_remove(struct task_solver *s, const real *x, double y, double time, double *context)
{
    double w = weight(s, context[TASK_CONTEXT_NEWEST] - time);
    task_solver_rows(s, x, 1);
    task_sums_add(s->spec, s->params, s->f0, s->phi, &y, &w, 1, -1, context + TASK_CONTEXT_SUMS);
    context[TASK_CONTEXT_ROWS] -= 1;
}

bool task_context_solve(struct task_solver *s, const double *context)
{
    return task_solver_solve_from(s, context + TASK_CONTEXT_SUMS);
}
