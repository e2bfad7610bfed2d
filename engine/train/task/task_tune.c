#include "engine/train/task/task_tune.h"

#include "engine/network/task_solver.h"

#include <math.h>
#include <string.h>

/* ---- what is validated on, answered ---- */

static enum err_code answer_splits(struct task_solver *solver, const struct task_draw *d, task_held_fn *fn,
                                   void *arg, struct err *e)
{
    bool forgets = solver->spec->task.forgets;
    double rate = forgets ? exp((double)solver->params->task_scales[TASK_SCALES]) : 0;
    enum err_code code = ERR_OK;
    task_solver_rows(solver, d->x, d->n);
    memcpy(solver->y, d->y, d->n * sizeof *d->y);
    for (size_t j = 0; j < d->n_splits && !code; j++) {
        for (size_t i = 0; i < d->n; i++)
            solver->weights[i] = d->support[j * d->n + i] * (forgets ? exp(-rate * d->age[j * d->n + i]) : 1);
        task_solver_start(solver);
        task_solver_know(solver, d->n);
        if (!task_solver_solve(solver))
            continue;
        task_solver_predict(solver, d->n);
        code = fn(arg, solver, d, j, e);
    }
    return code;
}

enum err_code task_tune_each(struct task_fit *f, enum task_known known, uint64_t turn, task_held_fn *fn,
                             void *arg, struct err *e)
{
    struct task_solver solver;
    struct task_drawing *drawing = &f->shards[0].drawing[0];
    enum err_code code = task_solver_init(&solver, f->spec, &f->block->params, TASK_MOST_ROWS, e);
    for (size_t k = 0; k < f->holdout->n_held && !code; k++) {
        task_fit_draw_held(f, drawing, k, known, turn);
        code = answer_splits(&solver, &drawing->draw, fn, arg, e);
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
static double loss_with(struct task_fit *f, double scale, double *noise)
{
    enum { MOST_TRIES = 12 };
    const double more = 1.15;
    double best = INFINITY;
    *noise = 1;
    for (int i = 0; i < MOST_TRIES; i++) {
        double tried = pow(more, i);
        task_fit_take_best(f);
        put(f, scale, tried);
        double loss = task_fit_loss(f);
        if (!(loss < best))
            break;
        best = loss;
        *noise = tried;
        if (scale == 1 || f->spec->task.n_classes)
            break;
    }
    return best;
}

void task_tune_own_part(struct task_fit *f, struct task_own_part *out)
{
    static const double scales[] = {1, 0.7, 0.5, 0.35, 0.2, 0};
    enum { N = sizeof scales / sizeof *scales };
    double loss[N], noise[N];
    size_t best = 0;
    for (size_t i = 0; i < N; i++) {
        loss[i] = loss_with(f, scales[i], &noise[i]);
        best = loss[i] < loss[best] ? i : best;
    }
    *out = (struct task_own_part){scales[best], noise[best], loss[best], loss[0], loss[N - 1]};
    task_fit_take_best(f);
    task_tune_apply(f, out);
}

/* ---- errors relative to the target ---- */

/* The best prediction of a log target is then below its median: of a normal distribution by its variance,
 * of what is learned by about so much. */
enum { N_TRIES = 26 };
static const double try_step = 0.1;

struct shrink {
    double error[N_TRIES];
};

static enum err_code add_errors(void *arg, const struct task_solver *solver, const struct task_draw *d,
                                size_t j, struct err *e)
{
    struct shrink *s = arg;
    double deviation = solver->spec->task.target_deviation;
    (void)e;
    for (size_t i = 0; i < d->n; i++) {
        if (d->query[j * d->n + i] == 0)
            continue;
        double error = (solver->value[i] - d->y[i]) * deviation;
        double variance = solver->spread[i] * deviation * deviation;
        for (size_t k = 0; k < N_TRIES; k++)
            s->error[k] += fabs(exp(error - try_step * (double)k * variance) - 1);
    }
    return ERR_OK;
}

enum err_code task_tune_shrink(struct task_fit *f, double *out, struct err *e)
{
    struct shrink s = {0};
    size_t best = 0;
    enum err_code code = task_tune_each(f, TASK_KNOWN_ALL, 0, add_errors, &s, e);
    for (size_t k = 1; k < N_TRIES; k++)
        best = s.error[k] < s.error[best] ? k : best;
    *out = try_step * (double)best;
    return code;
}
