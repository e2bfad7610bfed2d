/* Layers are drawn before any row, and noises row by row: so what is drawn does not depend on how many rows
 * are worked with at once. */
#include "server/tasks/task_draws.h"

#include "base/mem.h"
#include "engine/kernels/small_solve.h"
#include "engine/network/task_count.h"

#include <math.h>

void task_draws_fini(struct task_draws *d)
{
    mem_free(d->weights);
    mem_free(d->scales);
    mem_free(d->values);
    *d = (struct task_draws){0};
}

/* From Gamma(a, 1), a >= 1: Marsaglia and Tsang 2000. */
static double draw_gamma(struct rng *r, double a)
{
    double d = a - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double z = rng_normal(r), v = 1 + c * z;
        v = v * v * v;
        if (v > 0 && log(1 - rng_uniform(r)) < 0.5 * z * z + d - d * v + d * log(v))
            return d * v;
    }
}

static enum err_code reserve(struct task_draws *d, size_t m, size_t n, size_t n_rows, struct err *e)
{
    if (d->weights_capacity < n * m) {
        mem_free(d->weights);
        mem_free(d->scales);
        d->weights = mem_alloc_array(n, m * sizeof *d->weights);
        d->scales = mem_alloc_array(n, sizeof *d->scales);
        d->weights_capacity = d->weights && d->scales ? n * m : 0;
    }
    if (d->values_capacity < n * n_rows) {
        mem_free(d->values);
        d->values = mem_alloc_array(n_rows, n * sizeof *d->values);
        d->values_capacity = d->values ? n * n_rows : 0;
    }
    return d->weights_capacity >= n * m && d->values_capacity >= n * n_rows
               ? ERR_OK
               : err_set(e, ERR_NOMEM, "no memory for %zu draws of %zu rows", n, n_rows);
}

enum err_code task_draws_start(struct task_draws *d, const struct model_spec *spec,
                               const struct model_params *params, const struct task_layer *layer,
                               size_t n_known, size_t n, size_t n_rows, uint64_t seed, struct err *e)
{
    size_t m = spec->task.d_basis;
    enum err_code code = reserve(d, m, n, n_rows, e);
    if (code)
        return code;
    rng_init(&d->rng, seed, 0);
    d->n = n;
    d->n_rows = n_rows;
    d->calibrated = params->task_calibration != NULL;
    if (d->calibrated)
        task_quantile_map_make(params->task_calibration, n_known, 2 * layer->shape, &d->errors);
    d->noise = sqrt(exp((double)params->task_scales[0]) + TASK_LEAST_NOISE);
    for (size_t i = 0; i < n; i++) {
        double *w = d->weights + i * m;
        d->scales[i] = sqrt(layer->shape * layer->scale / draw_gamma(&d->rng, layer->shape));
        for (size_t j = 0; j < m; j++)
            w[j] = rng_normal(&d->rng);
        small_backward(m, layer->factor, w);
        for (size_t j = 0; j < m; j++)
            w[j] = layer->weights[j] + d->scales[i] * w[j];
    }
    return ERR_OK;
}

/* What counting adds to the noise of a rate's logarithm. */
static double counting(const struct task_answers *a, size_t row)
{
    return 1 / task_count_said(a->value[row], a->spread[row] * a->spread[row]).mean;
}

/* A draw y of a row as the intervals of its answer have it. */
static double calibrated(const struct task_draws *d, const struct task_answers *a, size_t row, double y)
{
    double z = (y - a->value[row]) / a->spread[row];
    if (task_is_of_counts(a->spec)) { /* y has the noise of counting: in place of it the count is taken */
        z /= sqrt(1 + counting(a, row) / (a->spread[row] * a->spread[row]));
        return task_answers_count(a, row, d->calibrated ? task_quantile_mapped(&d->errors, z) : z);
    }
    return a->value[row] +
           task_answers_scale(a, row) * (d->calibrated ? task_quantile_mapped(&d->errors, z) : z);
}

void task_draws_rows(struct task_draws *d, const struct task_solver *s, const struct task_answers *answers,
                     size_t n_rows, size_t from)
{
    size_t m = s->spec->task.d_basis;
    for (size_t row = 0; row < n_rows; row++) {
        const real *phi = s->phi + row * m;
        double *to = d->values + (from + row) * d->n, noise = d->noise;
        if (task_is_of_counts(s->spec))
            noise = sqrt(noise * noise + counting(answers, from + row));
        for (size_t i = 0; i < d->n; i++) {
            const double *w = d->weights + i * m;
            double y = (double)s->f[row] + d->scales[i] * noise * rng_normal(&d->rng);
            for (size_t j = 0; j < m; j++)
                y += w[j] * (double)phi[j];
            to[i] = calibrated(d, answers, from + row, y);
        }
    }
}
