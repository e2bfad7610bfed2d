#include "server/search/search_measure.h"

#include "base/mem.h"
#include "engine/format/task_target.h"
#include "engine/model.h"
#include "engine/network/task_solver.h"
#include "engine/rank/bootstrap.h"
#include "server/search/search_model.h"

#include <math.h>
#include <string.h>

enum { PIECE = 256 };

/* Sums over the rows of each unit that is resampled: a row, or a task. */
struct units {
    double *x, *rows; /* (n) */
    size_t n;
    uint32_t last; /* the task at hand */
};

static void add(struct units *u, const struct search_rows *rows, size_t i, double value)
{
    uint32_t task = rows->task ? rows->task[rows->at[i]] : 0;
    if (u->n == 0 || !rows->task || task != u->last) {
        u->x[u->n] = u->rows[u->n] = 0;
        u->n++;
    }
    u->last = task;
    u->x[u->n - 1] += value;
    u->rows[u->n - 1]++;
}

/* 1 where the most likely class is the row's; or the squared error in the target's unit. */
static double value_of(const struct model_spec *spec, const double *f, double y)
{
    const struct task_spec *t = &spec->task;
    size_t best = 0;
    if (!t->n_classes) {
        double off = task_target_clamp(t, task_target(t, f[0])) - task_target(t, y);
        return off * off;
    }
    for (size_t k = 1; k < spec->d_output; k++)
        best = f[k] > f[best] ? k : best;
    return (double)best == y;
}

static void answer(struct task_solver *s, const struct search_rows *rows, real *x, struct units *u)
{
    const struct model_spec *spec = s->spec;
    size_t d = spec->d_item;
    for (size_t from = 0, n; from < rows->n; from += n) {
        n = rows->n - from < PIECE ? rows->n - from : PIECE;
        for (size_t i = 0; i < n; i++)
            memcpy(x + i * d, rows->x + rows->at[from + i] * rows->d, d * sizeof *x);
        task_solver_rows(s, x, n);
        task_solver_predict(s, n);
        for (size_t i = 0; i < n; i++)
            add(u, rows, from + i,
                value_of(spec, s->value + i * spec->d_output, rows->y[rows->at[from + i]]));
    }
}

static enum err_code measure(const struct model *m, const struct search_rows *rows, uint64_t seed,
                             struct search_measure *out, struct err *e)
{
    struct task_solver solver = {0};
    struct units u = {.x = mem_alloc_array(rows->n, 2 * sizeof *u.x)};
    real *x = mem_alloc_array(PIECE * m->spec.d_item, sizeof *x);
    enum err_code code = u.x && x ? task_solver_init(&solver, &m->spec, &m->params, PIECE, e)
                                  : err_set(e, ERR_NOMEM, "no memory for %zu rows", rows->n);
    if (!code) {
        u.rows = u.x + rows->n;
        task_solver_start(&solver);
        code = task_solver_solve(&solver)
                   ? ERR_OK
                   : err_set(e, ERR_INTERNAL, "the layer of a task without rows cannot be solved");
    }
    if (!code) {
        struct bootstrap b = {.root = !m->spec.task.n_classes, .seed = seed};
        answer(&solver, rows, x, &u);
        b.rows = u.rows;
        b.n = u.n;
        bootstrap_run(&b, u.x, NULL, &out->figure, &out->low, &out->high);
        out->n_rows = rows->n;
        code = search_model_latency(&m->spec, &m->params, rows, &out->latency_us, e);
    }
    task_solver_fini(&solver);
    mem_free(u.x);
    mem_free(x);
    return code;
}

enum err_code search_measure_file(const char *path, const struct search_data *data, uint64_t seed,
                                  struct search_measure *out, struct err *e)
{
    struct model *m;
    *out = (struct search_measure){0};
    enum err_code code = model_open(path, &m, e);
    if (code)
        return code;
    code = measure(m, &data->test, seed, out, e);
    model_unref(m);
    return code;
}
