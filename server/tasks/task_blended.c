#include "server/tasks/task_blended.h"

#include "base/mem.h"
#include "engine/network/task_blend.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Leaves in the room's profile the columns that all states have with the same values. */
static void agree(struct task_room *r, const struct task_state *states, size_t n)
{
    const struct columns *c = &r->model->spec.task.columns;
    memset(r->profile.x, 0, r->model->spec.d_item * sizeof *r->profile.x);
    for (size_t i = 0, at = 0; i < c->n; at += column_width(&c->list[i]), i++) {
        size_t n_bytes = column_width(&c->list[i]) * sizeof *r->profile.x, k = 0;
        while (k < n && states[k].profile.has[i] &&
               memcmp(states[k].profile.x + at, states[0].profile.x + at, n_bytes) == 0)
            k++;
        r->profile.has[i] = k == n;
        r->profile.beyond[i] = k == n ? states[0].profile.beyond[i] : 0;
        r->profile.beyond[i] = 0;
        if (k == n)
            memcpy(r->profile.x + at, states[0].profile.x + at, n_bytes);
        for (size_t j = 0; j < n && k == n; j++) /* cut to the same, from further off */
            r->profile.beyond[i] = fmax(r->profile.beyond[i], states[j].profile.beyond[i]);
    }
}

enum err_code task_blended_make(struct task_room *r, const struct task_state *states, const double *weights,
                                size_t n, struct task_state *out, struct err *e)
{
    struct task_layer layers[LIMIT_TASK_CONTEXTS];
    size_t n_known = SIZE_MAX;
    assert(n >= 1 && n <= LIMIT_TASK_CONTEXTS);
    double *work = mem_alloc_array(task_blend_room(&r->model->spec), sizeof *work);
    if (!work)
        return err_set(e, ERR_NOMEM, "no memory to blend %zu tasks", n);
    for (size_t i = 0; i < n; i++) {
        layers[i] = states[i].layer;
        if (weights[i] > 0 && states[i].n_known < n_known)
            n_known = states[i].n_known;
    }
    bool finite = task_blend(&r->model->spec, layers, weights, n, work, &r->solver.layer);
    mem_free(work);
    if (!finite)
        return err_set(e, ERR_INVALID, "the blend of the tasks is not finite");
    agree(r, states, n);
    *out = (struct task_state){
        .layer = r->solver.layer, .profile = r->profile, .n_known = n_known, .source = TASK_FROM_CONTEXTS};
    return ERR_OK;
}
