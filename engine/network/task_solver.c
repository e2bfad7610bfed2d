/* All doubles are one block: n_max rows of y, weights, spread, own and value, then the task's sums, layer and
 * work. */
#include "engine/network/task_solver.h"

#include "base/mem.h"
#include "engine/network/task_generated.h"

#include <string.h>

static size_t workspace_len(const struct model_spec *spec, size_t n)
{
    size_t for_features = task_features_workspace_len(spec, n),
           for_generated = task_generated_workspace_len(spec, n);
    return for_features > for_generated ? for_features : for_generated;
}

enum err_code task_solver_init(struct task_solver *s, const struct model_spec *spec,
                               const struct model_params *params, size_t n_max, struct err *e)
{
    size_t d_sums = task_spec_d_sums(spec), d_layer = task_layer_len(spec);
    *s = (struct task_solver){.spec = spec, .params = params};
    s->workspace = mem_alloc_array(workspace_len(spec, n_max), sizeof *s->workspace);
    s->f0 = mem_alloc_array(n_max * spec->d_output, sizeof *s->f0);
    s->f = mem_alloc_array(n_max * spec->d_output, sizeof *s->f);
    s->phi = mem_alloc_array(n_max * spec->task.d_basis, sizeof *s->phi);
    s->room = mem_alloc_array(n_max * (4 + spec->d_output) + d_sums + d_layer + spec->task.d_basis,
                              sizeof *s->room);
    if (!s->workspace || !s->f0 || !s->f || !s->phi || !s->room)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows of a task", n_max);
    s->y = s->room;
    s->weights = s->y + n_max;
    s->spread = s->weights + n_max;
    s->own = s->spread + n_max;
    s->value = s->own + n_max;
    s->sums = s->value + n_max * spec->d_output;
    task_layer_at(spec, s->sums + d_sums, &s->layer);
    task_solver_start(s);
    return ERR_OK;
}

void task_solver_fini(struct task_solver *s)
{
    mem_free(s->workspace);
    mem_free(s->f0);
    mem_free(s->f);
    mem_free(s->phi);
    mem_free(s->room);
    *s = (struct task_solver){0};
}

void task_solver_start(struct task_solver *s)
{
    memset(s->sums, 0, task_spec_d_sums(s->spec) * sizeof *s->sums);
}

void task_solver_rows(struct task_solver *s, const real *x, size_t n)
{
    task_features(s->spec, s->params, x, n, s->workspace, NULL, s->f0, s->phi);
}

void task_solver_know(struct task_solver *s, size_t n)
{
    task_sums_add(s->spec, s->params, s->f0, s->phi, s->y, s->weights, n, 1, s->sums);
}

bool task_solver_solve(struct task_solver *s)
{
    return task_solver_solve_from(s, s->sums);
}

bool task_solver_solve_from(struct task_solver *s, const double *sums)
{
    return task_layer_solve(s->spec, s->params, sums, &s->layer) &&
           task_generated_make(s->spec, s->params, s->workspace, &s->layer);
}

void task_solver_predict(struct task_solver *s, size_t n)
{
    double *work = s->sums + task_spec_d_sums(s->spec) + task_layer_len(s->spec);
    task_generated_add(s->spec, s->params, &s->layer, s->phi, n, s->workspace, s->f0, s->f);
    task_layer_predict(s->spec, s->params, &s->layer, s->f, s->phi, n, work, s->value, s->spread, s->own);
}
