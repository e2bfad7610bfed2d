#include "engine/train/task/task_start.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/task_head.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HIDDEN = 64, N_HIDDEN = 2, BASIS = 32 };
static const double first_count_noise = 0.1, count_basis = 0.1;
static const double first_noise = 0.3, first_shape = 4, first_curvature = 0.5, first_kappa = 0.4,
                    bias_deviation = 0.5, first_rate = 0.01, normal_shape = 1e4;
#define MOST_SURE         0.05
#define COUNT_LEAST_MEAN  0.01
#define COUNT_LEAST_NOISE 0.02

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median size of the targets that are not 0. */
static enum err_code measure_unit(const struct task_table *t, struct task_spec *about, struct err *e)
{
    size_t n = t->row_start[t->n_tasks], n_sizes = 0;
    double *sizes = mem_alloc_array(n + 1, sizeof *sizes);
    if (!sizes)
        return err_set(e, ERR_NOMEM, "no memory for the sizes of %zu targets", n);
    for (size_t i = 0; i < n; i++)
        if (t->y[i] != 0)
            sizes[n_sizes++] = fabs(t->y[i]);
    qsort(sizes, n_sizes, sizeof *sizes, by_size);
    about->unit = n_sizes ? sizes[n_sizes / 2] : 1;
    mem_free(sizes);
    return ERR_OK;
}

static void measure_target(const struct task_table *t, struct task_spec *about)
{
    size_t n = t->row_start[t->n_tasks];
    double sum = 0, squares = 0;
    about->target_mean = 0;
    about->target_deviation = 1;
    for (size_t i = 0; i < n; i++)
        sum += task_learned_target(about, t->y[i]);
    about->target_mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) /* counts are learned as they are */
        squares += pow(
            task_learned_target(about, t->y[i]) - (about->scale == SCALE_COUNT ? about->target_mean : 0), 2);
    about->target_deviation = squares > 0 ? sqrt(squares / (double)n) : 1;
}

bool task_start_counts(const struct run *run)
{
    const struct train_options *o = &run->options;
    const struct task_table *t = run->data->tasks;
    bool of_means = o->loss == LOSS_SQUARED || o->loss == LOSS_POISSON;
    if (t->about->n_classes || !of_means || (o->choose_scale ? o->n_epochs > 0 : o->scale != SCALE_COUNT))
        return false;
    for (size_t i = 0; i < t->row_start[t->n_tasks]; i++)
        if (!task_target_is_count(t->y[i]))
            return false;
    /* of 0 and 1 there is no more to say than their mean: they are counts where somebody says so */
    return !o->choose_scale || t->about->target_most > 1;
}

void task_start_features(struct task_spec *t)
{
    t->n_features = N_HIDDEN;
    for (size_t i = 0; i < N_HIDDEN; i++)
        t->features[i] = (struct trunk_layer_spec){HIDDEN, ACTIVATION_TANH};
}

enum err_code task_start_spec(const struct run *run, bool linear, enum target_scale scale,
                              struct model_spec *spec, struct err *e)
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
    spec->task.scale = scale;
    spec->task.loss = o->loss;
    spec->d_context = task_spec_d_sums(spec);
    if (spec->task.n_classes)
        return ERR_OK;
    enum err_code code = measure_unit(t, &spec->task, e);
    if (!code)
        measure_target(t, &spec->task);
    return code;
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
    double least = task_is_of_counts(spec) ? COUNT_LEAST_NOISE : TASK_LEAST_NOISE;
    double noise =
        task_is_of_counts(spec) ? mixed->noise / 2 : mixed->noise; /* the rest is that of counting */
    p->task_scales[0] = (real)log(t->n_classes ? curvature : fmax(noise - TASK_LEAST_NOISE, least));
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
    bool counts = task_is_of_counts(spec);
    double basis =
        counts ? count_basis : 1; /* of the logarithm of a rate, not of what has the variance one */
    fill(&r, p->basis, t->d_basis * d_features, basis * sqrt(1 / (double)d_features));
    fill(&r, p->basis_bias, t->d_basis, basis * bias_deviation);
    p->task_scales[0] = (real)log(t->n_classes ? first_curvature : counts ? first_count_noise : first_noise);
    if (counts)
        p->shared_bias[0] = (real)log(fmax(t->target_mean, COUNT_LEAST_MEAN));
    if (t->forgets)
        p->task_scales[TASK_SCALES] = (real)log(first_rate);
    p->task_scales[1] = (real)(counts ? 0 : log(t->n_classes ? first_kappa : first_shape - TASK_LEAST_SHAPE));
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_size);
    return values[n / 2];
}

enum err_code task_start_robust(const struct task_table *table, struct model_spec *spec, struct err *e)
{
    struct task_spec *t = &spec->task;
    const double of_median = 1.4826; /* the deviation of a normal distribution by its median distance */
    size_t n = table->row_start[table->n_tasks];
    double *values = mem_alloc_array(n, sizeof *values), mean = t->target_mean, unit = t->target_deviation;
    if (!values)
        return err_set(e, ERR_NOMEM, "no memory for %zu targets", n);
    for (size_t i = 0; i < n; i++)
        values[i] = task_learned_target(t, table->y[i]);
    double middle = median(values, n);
    for (size_t i = 0; i < n; i++)
        values[i] = fabs(values[i] - middle);
    double distance = median(values, n);
    mem_free(values);
    if (distance > 0) {
        t->target_mean = mean + middle * unit;
        t->target_deviation = of_median * distance * unit;
    }
    return ERR_OK;
}

void task_start_normal(const struct model_spec *spec, struct param_block *block)
{
    if (!spec->task.n_classes && !task_is_of_counts(spec))
        block->params.task_scales[1] = (real)log(normal_shape);
}
