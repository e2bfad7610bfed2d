#include "engine/network/task_generated.h"

#include "engine/network/hypernet.h"
#include "engine/network/target.h"

#include <string.h>

size_t task_generated_len(const struct model_spec *spec)
{
    struct theta_layout layout;
    if (spec->n_layers == 0)
        return 0;
    theta_layout_of(spec, &layout);
    return layout.len;
}

size_t task_generated_workspace_len(const struct model_spec *spec, size_t n)
{
    if (spec->n_layers == 0)
        return 0;
    size_t to_make = model_spec_d_code(spec) + hypernet_workspace_len(spec),
           to_add = n * spec->d_output + target_workspace_len(spec);
    return to_make > to_add ? to_make : to_add;
}

bool task_generated_make(const struct model_spec *spec, const struct model_params *params, real *workspace,
                         struct task_layer *layer)
{
    size_t n = model_spec_d_code(spec);
    struct err e = {0};
    if (spec->n_layers == 0)
        return true;
    for (size_t i = 0; i < n; i++)
        workspace[i] = (real)layer->weights[i];
    return hypernet_generate(spec, params, workspace, workspace + n, layer->theta, &e) == ERR_OK;
}

void task_generated_add(const struct model_spec *spec, const struct model_params *params,
                        const struct task_layer *layer, const real *phi, size_t n, real *workspace,
                        const real *f0, real *f)
{
    size_t n_values = n * spec->d_output;
    if (f != f0)
        memcpy(f, f0, n_values * sizeof *f);
    if (spec->n_layers == 0)
        return;
    target_forward(spec, params, layer->theta, phi, n, workspace, workspace + target_workspace_len(spec));
    for (size_t i = 0; i < n_values; i++)
        f[i] += workspace[target_workspace_len(spec) + i];
}
