/* For errors relative to the target the best prediction of a log target is below its median: of a normal
 * distribution by its variance, of what is learned by about so much. */
#include "base/mem.h"
#include "engine/network/task_head.h"
#include "engine/train/task/task_fit.h"

#include <math.h>
#include <string.h>

enum { N_TRIES = 26 };
static const double try_step = 0.1;

/* One held-out task after the other goes through here. */
struct shrink {
    struct task_fit *f;
    struct task_layer layer;
    real *workspace, *f0, *phi; /* of TASK_MOST_ROWS rows */
    double *sums, *room, *work, *value, *spread, *weights;
    double error[N_TRIES];
};

static bool init(struct shrink *s)
{
    const struct model_spec *spec = s->f->spec;
    s->workspace = mem_alloc_array(task_features_workspace_len(spec, TASK_MOST_ROWS), sizeof *s->workspace);
    s->f0 = mem_alloc_array(TASK_MOST_ROWS, sizeof *s->f0);
    s->phi = mem_alloc_array(TASK_MOST_ROWS * spec->task.d_basis, sizeof *s->phi);
    s->sums = mem_alloc_array(task_spec_d_sums(spec), sizeof *s->sums);
    s->room = mem_alloc_array(task_layer_len(spec), sizeof *s->room);
    s->work = mem_alloc_array(spec->task.d_basis, sizeof *s->work);
    s->value = mem_alloc_array(TASK_MOST_ROWS, sizeof *s->value);
    s->spread = mem_alloc_array(TASK_MOST_ROWS, sizeof *s->spread);
    s->weights = mem_alloc_array(TASK_MOST_ROWS, sizeof *s->weights);
    return s->workspace && s->f0 && s->phi && s->sums && s->room && s->work && s->value && s->spread &&
           s->weights;
}

static void fini(struct shrink *s)
{
    mem_free(s->workspace);
    mem_free(s->f0);
    mem_free(s->phi);
    mem_free(s->sums);
    mem_free(s->room);
    mem_free(s->work);
    mem_free(s->value);
    mem_free(s->spread);
    mem_free(s->weights);
}

static void add_errors(struct shrink *s, const struct task_draw *d, size_t j)
{
    double deviation = s->f->spec->task.target_deviation;
    for (size_t i = 0; i < d->n; i++) {
        if (d->query[j * d->n + i] == 0)
            continue;
        double error = (s->value[i] - d->y[i]) * deviation, variance = s->spread[i] * deviation * deviation;
        for (size_t k = 0; k < N_TRIES; k++)
            s->error[k] += fabs(exp(error - try_step * (double)k * variance) - 1);
    }
}

static void measure(struct shrink *s, const struct task_draw *d)
{
    const struct model_spec *spec = s->f->spec;
    const struct model_params *params = &s->f->block->params;
    double rate = spec->task.forgets ? exp((double)params->task_scales[TASK_SCALES]) : 0;
    task_layer_at(spec, s->room, &s->layer);
    task_features(spec, params, d->x, d->n, s->workspace, NULL, s->f0, s->phi);
    for (size_t j = 0; j < d->n_splits; j++) {
        for (size_t i = 0; i < d->n; i++)
            s->weights[i] = d->support[j * d->n + i] * (d->age ? exp(-rate * d->age[j * d->n + i]) : 1);
        memset(s->sums, 0, task_spec_d_sums(spec) * sizeof *s->sums);
        task_sums_add(spec, s->f0, s->phi, d->y, s->weights, d->n, 1, s->sums);
        if (!task_layer_solve(spec, params, s->sums, &s->layer))
            continue;
        task_layer_predict(spec, params, &s->layer, s->f0, s->phi, d->n, s->work, s->value, s->spread, NULL);
        add_errors(s, d, j);
    }
}

enum err_code task_fit_shrink(struct task_fit *f, double *out, struct err *e)
{
    struct shrink s = {.f = f};
    size_t best = 0;
    enum err_code code =
        init(&s) ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %d rows of a task", TASK_MOST_ROWS);
    for (size_t k = 0; k < f->n_held && !code; k++) {
        struct rng r;
        rng_init(&r, f->run->options.seed, 500 + k);
        task_fit_draw_held(f, &f->shards[0].drawing[0], k, TASK_KNOWN_ALL, &r);
        measure(&s, &f->shards[0].drawing[0].draw);
    }
    fini(&s);
    for (size_t k = 1; k < N_TRIES; k++)
        best = s.error[k] < s.error[best] ? k : best;
    *out = try_step * (double)best;
    return code;
}
