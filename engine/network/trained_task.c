#include "engine/network/trained_task.h"

#include "engine/network/hypernet.h"
#include "engine/network/hypernet_parts.h"
#include "engine/network/target.h"

#include <math.h>
#include <string.h>

size_t trained_task_workspace_len(const struct model_spec *spec)
{
    size_t a = hypernet_workspace_len(spec), b = target_workspace_len(spec);
    return a > b ? a : b;
}

enum err_code trained_task_generate(const struct model_spec *spec, const struct model_params *params,
                                    size_t task, real *workspace, real *theta, struct err *e)
{
    return hypernet_generate(spec, params, params->task_id + task * spec->d_context, workspace, theta, e);
}

size_t trained_task_answer(const struct model_spec *spec, const struct model_params *params,
                           const real *theta, size_t n_classes, const real *x, size_t n, real *workspace,
                           real *p)
{
    size_t o = spec->d_output, row = 0;
    target_forward(spec, params, theta, x, n, workspace, p);
    for (size_t i = 1; i < n && n_classes < o; i++)
        memmove(p + i * n_classes, p + i * o, n_classes * sizeof *p);
    target_softmax(p, n, n_classes);
    while (row < n && hypernet_all_finite(p + row * n_classes, n_classes))
        row++;
    return row;
}

size_t trained_task_best(const real *p, size_t n_classes)
{
    size_t best = 0;
    for (size_t k = 1; k < n_classes; k++)
        best = p[k] > p[best] ? k : best;
    return best;
}

size_t trained_task_n_right(const real *p, const uint32_t *y, size_t n, size_t n_classes)
{
    size_t right = 0;
    for (size_t i = 0; i < n; i++)
        right += trained_task_best(p + i * n_classes, n_classes) == y[i];
    return right;
}

double trained_task_entropy(const real *p, size_t n_classes)
{
    double entropy = 0;
    for (size_t k = 0; k < n_classes; k++)
        entropy -= p[k] > 0 ? (double)p[k] * log((double)p[k]) : 0;
    return entropy;
}

void trained_task_alone(const struct model_spec *spec, const struct model_params *params, size_t task,
                        const real *theta, struct model_spec *out, struct model_params *alone)
{
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    *out = *spec;
    *alone = (struct model_params){.task_id = params->task_id + task * spec->d_context};
    out->n_trunk = 0;
    out->norm = NORM_NONE;
    out->chunks = (struct chunk_spec){0};
    out->encoder.n_tasks = out->trained.n_tasks = 1;
    out->trained.tasks += task;
    out->trained.width = 0; /* no rows */
    for (size_t i = 0; i < spec->n_layers; i++) {
        bool shared = spec->layers[i].generator == GENERATOR_SHARED;
        real *own = (real *)(uintptr_t)theta; /* what is written is not changed */
        alone->layers[i].weight = shared ? params->layers[i].weight : own + layout.layers[i].weight;
        alone->layers[i].bias =
            spec->layers[i].bias == BIAS_FULL ? own + layout.layers[i].bias : params->layers[i].bias;
        out->layers[i].generator = GENERATOR_SHARED;
        if (spec->layers[i].bias == BIAS_FULL)
            out->layers[i].bias = BIAS_SHARED;
    }
}
