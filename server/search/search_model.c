#include "server/search/search_model.h"

#include "base/clock.h"
#include "engine/network/task_head.h"
#include "engine/network/task_solver.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5, TIMES = 101, ROWS = 8 /* few: a row that was just read from a request is in the cache */ };

static const double shape = 1000; /* of the noise's prior: what validation found is not moved by a few rows */

void search_model_of(const struct candidate *c, const struct model_spec *about, double noise,
                     struct search_model *m)
{
    memset(m, 0, sizeof *m);
    m->spec = *about;
    architecture_apply(&c->architecture, &m->spec);
    m->spec.d_item = c->spec.d_item;
    m->spec.task.columns.n = columns_within(&about->task.columns, c->spec.d_item);
    m->spec.task.d_basis = 1;
    m->spec.d_context = task_spec_d_sums(&m->spec);
    m->params = c->params;
    m->params.basis = m->basis;
    m->params.basis_bias = m->basis_bias;
    m->params.task_scales = m->scales;
    if (!about->task.n_classes) {
        m->scales[0] = (real)log(fmax(noise, 2 * TASK_LEAST_NOISE) - TASK_LEAST_NOISE);
        m->scales[1] = (real)log(shape - TASK_LEAST_SHAPE);
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The median of a round, in nanoseconds. */
static int64_t time_round(struct task_solver *solver, const struct search_rows *rows)
{
    int64_t times[TIMES];
    for (size_t i = 0; i < TIMES; i++) {
        const real *x = rows->x + rows->at[i % ROWS % rows->n] * rows->d;
        int64_t start = clock_monotonic_ns();
        task_solver_rows(solver, x, 1);
        task_solver_predict(solver, 1);
        times[i] = clock_monotonic_ns() - start;
    }
    qsort(times, TIMES, sizeof *times, by_size);
    return times[TIMES / 2];
}

enum err_code search_model_latency(const struct model_spec *spec, const struct model_params *params,
                                   const struct search_rows *rows, double *out_us, struct err *e)
{
    struct task_solver solver;
    int64_t least = INT64_MAX;
    enum err_code code = task_solver_init(&solver, spec, params, 1, e);
    if (!code) {
        task_solver_start(&solver);
        if (!task_solver_solve(&solver))
            code = err_set(e, ERR_INTERNAL, "the layer of a task without rows cannot be solved");
    }
    for (size_t k = 0; k < ROUNDS && !code; k++) {
        int64_t median = time_round(&solver, rows);
        least = median < least ? median : least;
    }
    task_solver_fini(&solver);
    *out_us = (double)least / 1000;
    return code;
}
