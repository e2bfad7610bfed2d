#include "server/tasks/task_blended.h"

#include "base/mem.h"
#include "engine/network/task_blend.h"
#include "engine/network/task_generated.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Whether all that have a part in the blend have the i-th column, with the same values at `at`. */
static bool agree_on(const struct task_state *const *states, size_t n, size_t i, size_t at, size_t n_values)
{
    size_t k = 0;
    while (k < n && states[k]->profile.has[i] &&
           memcmp(states[k]->profile.x + at, states[0]->profile.x + at,
                  n_values * sizeof *states[k]->profile.x) == 0)
        k++;
    return k == n;
}

/* Leaves in the room's profile the columns that all states of a weight have with the same values. */
static void agree(struct task_room *r, const struct task_state *states, const double *weights, size_t n)
{
    const struct columns *c = &r->model->spec.task.columns;
    const struct task_state *parts[LIMIT_TASK_CONTEXTS]; /* (n_parts) */
    size_t n_parts = 0;
    for (size_t i = 0; i < n; i++)
        if (weights[i] > 0)
            parts[n_parts++] = &states[i];
    memset(r->profile.x, 0, r->model->spec.d_item * sizeof *r->profile.x);
    for (size_t i = 0, at = 0; i < c->n; at += column_width(&c->list[i]), i++) {
        size_t n_values = column_width(&c->list[i]);
        r->profile.beyond[i] = 0;
        r->profile.has[i] = agree_on(parts, n_parts, i, at, n_values);
        if (!r->profile.has[i])
            continue;
        memcpy(r->profile.x + at, parts[0]->profile.x + at, n_values * sizeof *r->profile.x);
        for (size_t j = 0; j < n_parts; j++) /* cut to the same, from further off */
            r->profile.beyond[i] = fmax(r->profile.beyond[i], parts[j]->profile.beyond[i]);
    }
}

enum err_code task_blended_make(struct task_room *r, const struct task_state *states, const double *weights,
                                size_t n, struct task_state *out, struct err *e)
{
    struct task_layer layers[LIMIT_TASK_CONTEXTS];
    size_t n_known = SIZE_MAX;
    bool waits = false;
    assert(n >= 1 && n <= LIMIT_TASK_CONTEXTS);
    double *work = mem_alloc_array(task_blend_room(&r->model->spec), sizeof *work);
    if (!work)
        return err_set(e, ERR_NOMEM, "no memory to blend %zu tasks", n);
    for (size_t i = 0; i < n; i++) {
        layers[i] = states[i].layer;
        if (weights[i] > 0 && states[i].n_known < n_known)
            n_known = states[i].n_known;
        waits = waits || (weights[i] > 0 && states[i].waits);
    }
    bool finite =
        task_blend(&r->model->spec, layers, weights, n, work, &r->solver.layer) &&
        task_generated_make(&r->model->spec, &r->model->params, r->solver.workspace, &r->solver.layer);
    mem_free(work);
    if (!finite)
        return err_set(e, ERR_INVALID, "the blend of the tasks is not finite");
    agree(r, states, weights, n);
    *out = (struct task_state){.layer = r->solver.layer,
                               .profile = r->profile,
                               .n_known = n_known,
                               .source = TASK_FROM_CONTEXTS,
                               .waits = waits};
    return ERR_OK;
}
