/* For errors relative to the target the best prediction of a log target is below its median: of a normal
 * distribution by its variance, of what is learned by about so much. */
#include "engine/network/task_solver.h"
#include "engine/train/task/task_fit.h"

#include <math.h>
#include <string.h>

enum { N_TRIES = 26 };
static const double try_step = 0.1;

/* One held-out task after the other goes through here. */
struct shrink {
    struct task_solver solver;
    double error[N_TRIES];
};

static void add_errors(struct shrink *s, const struct task_draw *d, size_t j)
{
    double deviation = s->solver.spec->task.target_deviation;
    for (size_t i = 0; i < d->n; i++) {
        if (d->query[j * d->n + i] == 0)
            continue;
        double error = (s->solver.value[i] - d->y[i]) * deviation;
        double variance = s->solver.spread[i] * deviation * deviation;
        for (size_t k = 0; k < N_TRIES; k++)
            s->error[k] += fabs(exp(error - try_step * (double)k * variance) - 1);
    }
}

static void measure(struct shrink *s, const struct task_draw *d)
{
    struct task_solver *solver = &s->solver;
    bool forgets = solver->spec->task.forgets;
    double rate = forgets ? exp((double)solver->params->task_scales[TASK_SCALES]) : 0;
    task_solver_rows(solver, d->x, d->n);
    memcpy(solver->y, d->y, d->n * sizeof *d->y);
    for (size_t j = 0; j < d->n_splits; j++) {
        for (size_t i = 0; i < d->n; i++)
            solver->weights[i] = d->support[j * d->n + i] * (forgets ? exp(-rate * d->age[j * d->n + i]) : 1);
        task_solver_start(solver);
        task_solver_know(solver, d->n);
        if (!task_solver_solve(solver))
            continue;
        task_solver_predict(solver, d->n);
        add_errors(s, d, j);
    }
}

enum err_code task_fit_shrink(struct task_fit *f, double *out, struct err *e)
{
    struct shrink s = {0};
    size_t best = 0;
    enum err_code code = task_solver_init(&s.solver, f->spec, &f->block->params, TASK_MOST_ROWS, e);
    for (size_t k = 0; k < f->n_held && !code; k++) {
        struct rng r;
        rng_init(&r, f->run->options.seed, 500 + k);
        task_fit_draw_held(f, &f->shards[0].drawing[0], k, TASK_KNOWN_ALL, &r);
        measure(&s, &f->shards[0].drawing[0].draw);
    }
    task_solver_fini(&s.solver);
    for (size_t k = 1; k < N_TRIES; k++)
        best = s.error[k] < s.error[best] ? k : best;
    *out = try_step * (double)best;
    return code;
}
