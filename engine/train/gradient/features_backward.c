#include "engine/train/gradient/features_backward.h"

#include "base/mem.h"
#include "engine/network/layers.h"
#include "engine/network/task_head.h"

#include <string.h>

enum err_code features_tape_init(struct features_tape *t, const struct model_spec *spec, size_t n_max,
                                 struct err *e)
{
    const struct task_spec *task = &spec->task;
    size_t d_z = task_spec_d_features(spec), widest = d_z;
    bool ok = true;
    *t = (struct features_tape){.spec = spec};
#define REALS(field, width) ok = (t->field = mem_alloc_array(n_max, (width) * sizeof(real))) != NULL && ok
    for (size_t i = 0; i < task->n_features; i++) {
        REALS(out[i], task->features[i].d_out);
        widest = task->features[i].d_out > widest ? task->features[i].d_out : widest;
    }
    REALS(z, d_z);
    REALS(dz, d_z);
    REALS(d[0], widest);
    REALS(d[1], widest);
#undef REALS
    return ok ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for a step of %zu rows", n_max);
}

void features_tape_fini(struct features_tape *t)
{
    for (size_t i = 0; i < LIMIT_LAYERS; i++)
        mem_free(t->out[i]);
    mem_free(t->z);
    mem_free(t->dz);
    mem_free(t->d[0]);
    mem_free(t->d[1]);
    *t = (struct features_tape){0};
}

void features_tape_forward(struct features_tape *t, const struct model_params *params, const real *x,
                           size_t n, real *f0, real *phi)
{
    task_features_kept(t->spec, params, x, n, t->out, t->z, f0, phi);
}

/* The part of dz that is of the inputs as they are. */
static void add_direct(const struct features_tape *t, size_t n, bool alone, real *dx)
{
    size_t d = t->spec->d_item, d_z = task_spec_d_features(t->spec), d_hidden = d_z - d;
    if (t->spec->task.features_alone)
        return;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            dx[i * d + j] = (alone ? 0 : dx[i * d + j]) + t->dz[i * d_z + d_hidden + j];
}

void features_tape_backward(struct features_tape *t, const struct model_params *params, const real *x,
                            size_t n, const real *df0, const real *dphi, const struct model_params *grads,
                            real *dx)
{
    const struct model_spec *spec = t->spec;
    const struct task_spec *task = &spec->task;
    size_t d_z = task_spec_d_features(spec);
    size_t d_hidden = task->n_features ? task->features[task->n_features - 1].d_out : 0;
    dense_backward(t->z, n, d_z, params->shared, spec->d_output, df0, 0, t->dz, grads->shared,
                   grads->shared_bias);
    if (dphi)
        dense_backward(t->z, n, d_z, params->basis, task->d_basis, dphi, 1, t->dz, grads->basis,
                       grads->basis_bias);
    real *dy = t->d[0], *before = t->d[1];
    for (size_t i = 0; i < n; i++)
        memcpy(dy + i * d_hidden, t->dz + i * d_z, d_hidden * sizeof *dy);
    for (size_t i = task->n_features; i-- > 0;) {
        size_t d_out = task->features[i].d_out, d_in = i ? task->features[i - 1].d_out : spec->d_item;
        activation_backward(task->features[i].activation, t->out[i], dy, n * d_out);
        dense_backward(i ? t->out[i - 1] : x, n, d_in, params->features[i].weight, d_out, dy, 0,
                       i ? before : dx, grads->features[i].weight, grads->features[i].bias);
        real *swap = dy;
        dy = before;
        before = swap;
    }
    if (dx)
        add_direct(t, n, task->n_features == 0, dx);
}
