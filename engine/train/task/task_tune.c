#include "engine/train/task/task_tune.h"

#include "base/mem.h"
#include "engine/network/task_solver.h"

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

/* The best parameters with a scaled basis, and more noise. */
static void put(struct task_fit *f, double scale, double noise)
{
    const struct model_spec *spec = f->spec;
    struct model_params *p = &f->block->params;
    multiply(p->basis, spec->task.d_basis * task_spec_d_features(spec), scale);
    multiply(p->basis_bias, spec->task.d_basis, scale);
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

/* Whether one way is surely better than another; of classes the best is taken at its word. */
static bool is_surely_better(struct task_fit *f, const struct task_own_part *own,
                             const struct task_own_part *than)
{
    size_t n = task_fit_n_losses(f);
    if (f->spec->task.n_classes)
        return own->loss < than->loss;
    double *losses = mem_alloc_array(n, sizeof *losses);
    if (!losses)
        return own->loss < than->loss;
    task_fit_take_best(f);
    task_tune_apply(f, than);
    (void)task_fit_loss(f);
    memcpy(losses, f->losses, n * sizeof *losses);
    task_fit_take_best(f);
    task_tune_apply(f, own);
    (void)task_fit_loss(f);
    bool better = task_fit_better(f, losses);
    mem_free(losses);
    return better;
}

/* The own part is as it was learned unless less of it is surely better, and is not there unless it is surely
 * better than none: what is nearly as good as what was learned has intervals that are too narrow. */
void task_tune_own_part(struct task_fit *f, struct task_own_part *out)
{
    static const double scales[] = {1, 0.7, 0.5, 0.35, 0.2, 0};
    enum { N = sizeof scales / sizeof *scales };
    struct task_own_part parts[N];
    size_t best = 0;
    for (size_t i = 0; i < N; i++) {
        parts[i].scale = scales[i];
        parts[i].loss = loss_with(f, scales[i], &parts[i].noise);
        best = parts[i].loss < parts[best].loss ? i : best;
    }
    if (best > 0 && !is_surely_better(f, &parts[best], &parts[0]))
        best = 0;
    if (best < N - 1 && !is_surely_better(f, &parts[best], &parts[N - 1]))
        best = N - 1;
    *out = parts[best];
    out->loss_as_learned = parts[0].loss;
    out->loss_for_all = parts[N - 1].loss;
    task_fit_take_best(f);
    task_tune_apply(f, out);
}
