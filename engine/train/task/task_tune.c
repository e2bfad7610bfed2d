#include "engine/train/task/task_tune.h"

#include "base/mem.h"
#include "engine/network/task_solver.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- what is validated on, answered ---- */

enum err_code task_tune_each(struct task_fit *f, enum task_known known, uint64_t turn, task_held_fn *fn,
                             void *arg, struct err *e)
{
    struct task_solver solver;
    struct task_drawing *drawing = &f->shards[0].drawing[0];
    enum err_code code = task_solver_init(&solver, f->spec, &f->block->params, TASK_MOST_ROWS, e);
    for (size_t k = 0; k < f->holdout->n_held && !code; k++) {
        task_fit_draw_held(f, drawing, k, known, turn);
        code = task_fit_answer(&solver, &drawing->draw, fn, arg, e);
    }
    task_solver_fini(&solver);
    return code;
}

/* ---- the task's own part ---- */

static void multiply(real *values, size_t n, double by)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (real)((double)values[i] * by);
}

/* What is generated beside the own layer counts as much of what it was as the layer does. */
static void scale_network(const struct model_spec *spec, struct model_params *p, double scale)
{
    if (spec->n_layers == 0)
        return;
    size_t last = spec->n_layers - 1;
    const struct layer_spec *l = &spec->layers[last];
    assert(l->bias == BIAS_NONE && (l->generator == GENERATOR_FULL || l->generator == GENERATOR_SHARED));
    multiply(p->layers[last].weight, l->d_out * l->d_in, scale);
    multiply(p->layers[last].head, layer_spec_n_generated(l) * model_spec_d_trunk(spec), scale);
}

/* The best parameters with a scaled basis, and more noise. */
static void put(struct task_fit *f, double scale, double noise)
{
    const struct model_spec *spec = f->spec;
    struct model_params *p = &f->block->params;
    multiply(p->basis, spec->task.d_basis * task_spec_d_features(spec), scale);
    multiply(p->basis_bias, spec->task.d_basis, scale);
    scale_network(spec, p, scale);
    p->task_scales[0] = (real)((double)p->task_scales[0] + log(noise));
}

void task_tune_apply(struct task_fit *f, const struct task_own_part *own)
{
    put(f, own->scale, own->noise);
}

/* What a smaller basis explains no more is noise: so much of it as is best. Curvatures of classes stay. */
static double noise_with(struct task_fit *f, double scale)
{
    enum { MOST_TRIES = 12 };
    const double more = 1.15;
    double best = INFINITY, noise = 1;
    if (scale == 1 || f->spec->task.n_classes)
        return 1;
    for (int i = 0; i < MOST_TRIES; i++) {
        double tried = pow(more, i);
        task_fit_take_best(f);
        put(f, scale, tried);
        double loss = task_fit_likelihood(f);
        if (!(loss < best))
            break;
        best = loss;
        noise = tried;
    }
    return noise;
}

static double loss_with(struct task_fit *f, double scale, double *noise)
{
    *noise = noise_with(f, scale);
    task_fit_take_best(f);
    put(f, scale, *noise);
    return task_fit_loss(f);
}

/* How much of the own part is tried, the simplest first: none, all that was learned, and less of it. */
static const double scales[] = {0, 1, 0.7, 0.5, 0.35, 0.2};
enum { N_SCALES = sizeof scales / sizeof *scales, NONE = 0, AS_LEARNED = 1 };

/* Of classes the least loss is taken at its word, where what was learned is not as good; so it is of
 * numbers, where there is no memory for more. */
static size_t least_loss(const struct task_own_part *parts)
{
    size_t best = AS_LEARNED;
    for (size_t i = 0; i < N_SCALES; i++)
        best = parts[i].loss < parts[best].loss ? i : best;
    return best;
}

/* Tries all; losses, surprises (N_SCALES, ways and tasks of the shape), or both NULL. Returns which to
 * take. */
static size_t try_scales(struct task_fit *f, struct task_own_part *parts, double *losses, double *surprises)
{
    struct task_said_shape shape = task_fit_shape(f);
    struct task_said said[N_SCALES];
    size_t n = shape.n_ways * shape.n_tasks;
    for (size_t i = 0; i < N_SCALES; i++) {
        parts[i].scale = scales[i];
        parts[i].loss = loss_with(f, scales[i], &parts[i].noise);
        if (!losses || !surprises)
            continue;
        memcpy(losses + i * n, f->losses, n * sizeof *losses);
        memcpy(surprises + i * n, f->surprises, n * sizeof *surprises);
        said[i] = (struct task_said){losses + i * n, surprises + i * n};
    }
    size_t chosen = losses && surprises ? task_choose(said, N_SCALES, shape, 0) : N_SCALES;
    return chosen < N_SCALES ? chosen : least_loss(parts);
}

void task_tune_own_part(struct task_fit *f, struct task_own_part *out)
{
    struct task_own_part parts[N_SCALES];
    struct task_said_shape shape = task_fit_shape(f);
    size_t n = f->spec->task.n_classes ? 0 : N_SCALES * shape.n_ways * shape.n_tasks;
    double *losses = n ? mem_alloc_array(n, sizeof *losses) : NULL;
    double *surprises = n ? mem_alloc_array(n, sizeof *surprises) : NULL;
    *out = parts[try_scales(f, parts, losses, surprises)];
    out->loss_as_learned = parts[AS_LEARNED].loss;
    out->loss_for_all = parts[NONE].loss;
    mem_free(losses);
    mem_free(surprises);
    task_fit_take_best(f);
    task_tune_apply(f, out);
}
