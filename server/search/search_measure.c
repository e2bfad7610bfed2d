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
    double *x, *rows; /* (n), of room for as many as rows */
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

/* Of one network: figure, interval and latency; u has the sums of each row or task. */
static enum err_code measure(const struct model_spec *spec, const struct model_params *params,
                             const struct search_rows *rows, uint64_t seed, struct units *u,
                             struct search_measure *out, struct err *e)
{
    struct task_solver solver = {0};
    real *x = mem_alloc_array(PIECE * spec->d_item, sizeof *x);
    enum err_code code = x ? task_solver_init(&solver, spec, params, PIECE, e)
                           : err_set(e, ERR_NOMEM, "no memory for %d rows", PIECE);
    if (!code) {
        task_solver_start(&solver);
        code = task_solver_solve(&solver)
                   ? ERR_OK
                   : err_set(e, ERR_INTERNAL, "the layer of a task without rows cannot be solved");
    }
    if (!code) {
        answer(&solver, rows, x, u);
        const struct bootstrap b = {.rows = u->rows, .n = u->n, .root = !spec->task.n_classes, .seed = seed};
        bootstrap_run(&b, u->x, NULL, &out->figure, &out->low, &out->high);
        out->n_rows = rows->n;
        code = search_model_latency(spec, params, rows, &out->latency_us, e);
    }
    task_solver_fini(&solver);
    mem_free(x);
    return code;
}

/* written: the sums of the network that was written, of the same rows. */
static enum err_code measure_beside(const struct candidate *c, const struct search_data *data, uint64_t seed,
                                    const struct units *written, struct units *u, struct search_beside *out,
                                    struct err *e)
{
    struct search_model m;
    search_model_of(c, &data->about, 1, &m);
    enum err_code code = measure(&m.spec, &m.params, &data->test, seed, u, &out->tried, e);
    const struct bootstrap b = {
        .rows = u->rows, .n = u->n, .root = !data->about.task.n_classes, .seed = seed};
    if (!code)
        bootstrap_run(&b, written->x, u->x, &out->less, &out->less_low, &out->less_high);
    return code;
}

enum err_code search_measure_file(const char *path, const struct search_data *data,
                                  const struct candidate *tried, uint64_t seed, struct search_measure *out,
                                  struct search_beside *beside, struct err *e)
{
    struct model *m;
    size_t n = data->test.n;
    *out = (struct search_measure){0};
    enum err_code code = model_open(path, &m, e);
    if (code)
        return code;
    double *sums = mem_alloc_array(n, 4 * sizeof *sums);
    if (!sums)
        code = err_set(e, ERR_NOMEM, "no memory for %zu rows", n);
    struct units of_file = {.x = sums, .rows = sums + n},
                 of_tried = {.x = sums + 2 * n, .rows = sums + 3 * n};
    if (!code)
        code = measure(&m->spec, &m->params, &data->test, seed, &of_file, out, e);
    if (!code && tried)
        code = measure_beside(tried, data, seed, &of_file, &of_tried, beside, e);
    mem_free(sums);
    model_unref(m);
    return code;
}
