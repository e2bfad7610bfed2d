#include "engine/train/task/task_start.h"

#include "base/rng.h"
#include "engine/network/task_head.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HIDDEN = 64, N_HIDDEN = 2, BASIS = 32 };
static const double first_noise = 0.3, first_shape = 4, first_curvature = 0.5, first_kappa = 0.4,
                    bias_deviation = 0.5, first_rate = 0.01;
#define MOST_SURE 0.05

static void measure_target(const struct task_table *t, struct task_spec *about)
{
    size_t n = t->row_start[t->n_tasks];
    double sum = 0, squares = 0;
    about->target_mean = 0;
    about->target_deviation = 1;
    for (size_t i = 0; i < n; i++)
        sum += task_learned_target(about, t->y[i]);
    about->target_mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += pow(task_learned_target(about, t->y[i]), 2);
    about->target_deviation = squares > 0 ? sqrt(squares / (double)n) : 1;
}

void task_start_features(struct task_spec *t)
{
    t->n_features = N_HIDDEN;
    for (size_t i = 0; i < N_HIDDEN; i++)
        t->features[i] = (struct trunk_layer_spec){HIDDEN, ACTIVATION_TANH};
}

void task_start_spec(const struct run *run, bool linear, struct model_spec *spec)
{
    const struct train_options *o = &run->options;
    const struct task_table *t = run->data->tasks;
    *spec = (struct model_spec){.objective = o->objective,
                                .d_item = columns_width(&t->about->columns),
                                .d_output = t->about->n_classes ? t->about->n_classes : 1,
                                .task = *t->about};
    (void)snprintf(spec->name, sizeof spec->name, "%s", o->name);
    (void)snprintf(spec->version, sizeof spec->version, "%s", o->version);
    spec->task.present = true;
    if (!linear)
        task_start_features(&spec->task);
    spec->task.d_basis = o->dim ? (size_t)o->dim : BASIS;
    spec->task.forgets = t->time != NULL;
    spec->task.log_target = o->relative;
    spec->d_context = task_spec_d_sums(spec);
    if (!spec->task.n_classes)
        measure_target(t, &spec->task);
}

static void fill(struct rng *r, real *values, size_t n, double deviation)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (real)(deviation * rng_normal(r));
}

/* The shares of the classes in the mixed model: what it says of the mean of all inputs, which is 0. */
static double class_share(const struct task_mixed *m, size_t k)
{
    return fmin(fmax(m->shared[k * m->d + m->d - 1], MOST_SURE), 1 - MOST_SURE);
}

/* Of classes p is a probability, and log p = log share + (p - share) / share near the shares. A task's
 * part of p, of which w has the covariance S and a row the noise s2, is what one step of Newton's method
 * finds with the curvature c = sum share^2 and a covariance of S / (c s2). */
static double start_outputs(const struct model_spec *spec, const struct task_mixed *m, struct model_params *p)
{
    size_t d = spec->d_item;
    double curvature = 0;
    for (size_t k = 0; k < spec->d_output; k++) {
        const double *b = m->shared + k * m->d;
        double share = spec->task.n_classes ? class_share(m, k) : 1,
               sure = spec->task.n_classes ? log(share) - 1 : 0;
        for (size_t j = 0; j < d; j++)
            p->shared[k * d + j] = (real)(b[j] / share);
        p->shared_bias[k] = (real)(sure + b[d] / share);
        curvature += share * share;
    }
    return spec->task.n_classes ? curvature : 1;
}

void task_start_from_mixed(const struct model_spec *spec, const struct task_mixed *mixed,
                           struct param_block *block)
{
    const struct task_spec *t = &spec->task;
    struct model_params *p = &block->params;
    size_t d = spec->d_item, n = mixed->d < t->d_basis ? mixed->d : t->d_basis;
    if (!mixed->present)
        return;
    double curvature = start_outputs(spec, mixed, p);
    double scale = t->n_classes ? 1 / sqrt(curvature * mixed->noise) : 1;
    memset(p->basis, 0, t->d_basis * d * sizeof *p->basis);
    memset(p->basis_bias, 0, t->d_basis * sizeof *p->basis_bias);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++)
            p->basis[i * d + j] = (real)(scale * mixed->directions[i * mixed->d + j]);
        p->basis_bias[i] = (real)(scale * mixed->directions[i * mixed->d + d]);
    }
    p->task_scales[0] =
        (real)log(t->n_classes ? curvature : fmax(mixed->noise - TASK_LEAST_NOISE, TASK_LEAST_NOISE));
}

void task_start_values(const struct run *run, const struct model_spec *spec, struct param_block *block)
{
    const struct task_spec *t = &spec->task;
    struct model_params *p = &block->params;
    size_t d = spec->d_item, d_features = task_spec_d_features(spec);
    struct rng r;
    rng_init(&r, run->options.seed, 0);
    for (size_t i = 0; i < t->n_features; i++) {
        fill(&r, p->features[i].weight, t->features[i].d_out * d, sqrt(1 / (double)d));
        fill(&r, p->features[i].bias, t->features[i].d_out, bias_deviation);
        d = t->features[i].d_out;
    }
    memset(block->moment1, 0, block->n_values * sizeof(real));
    memset(block->moment2, 0, block->n_values * sizeof(real));
    memset(p->shared, 0, spec->d_output * d_features * sizeof(real));
    memset(p->shared_bias, 0, spec->d_output * sizeof(real));
    fill(&r, p->basis, t->d_basis * d_features, sqrt(1 / (double)d_features));
    fill(&r, p->basis_bias, t->d_basis, bias_deviation);
    p->task_scales[0] = (real)log(t->n_classes ? first_curvature : first_noise);
    if (t->forgets)
        p->task_scales[TASK_SCALES] = (real)log(first_rate);
    p->task_scales[1] = (real)log(t->n_classes ? first_kappa : first_shape - TASK_LEAST_SHAPE);
}
