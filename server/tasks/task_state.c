/* The struct as it is, then the doubles of the layer and one a column, the numbers of the profile, and a byte
 * a column. */
#include "server/tasks/task_state.h"

#include "engine/network/task_generated.h"

#include <string.h>

const char *task_source_name(enum task_source source)
{
    static const char *const names[] = {"prior", "profile", "rows", "support", "contexts"};
    return names[source];
}

_Static_assert(sizeof(struct task_state) % sizeof(double) == 0, "doubles follow");

size_t task_state_bytes(const struct model_spec *spec)
{
    return sizeof(struct task_state) + (task_layer_len(spec) + spec->task.columns.n) * sizeof(double) +
           spec->d_item * sizeof(real) + spec->task.columns.n;
}

/* Where the parts are. */
static void views(const struct model_spec *spec, void *bytes, struct task_state *out)
{
    double *layer = (double *)(void *)((char *)bytes + sizeof *out);
    task_layer_at(spec, layer, &out->layer);
    out->profile.beyond = layer + task_layer_len(spec);
    out->profile.x = (real *)(void *)(out->profile.beyond + spec->task.columns.n);
    out->profile.has = (unsigned char *)(out->profile.x + spec->d_item);
}

void task_state_write(const struct model_spec *spec, const struct task_state *state, void *bytes)
{
    struct task_state to = *state;
    views(spec, bytes, &to);
    memcpy(bytes, &to, sizeof to);
    memcpy(to.layer.weights, state->layer.weights,
           spec->d_output * spec->task.d_basis * sizeof *to.layer.weights);
    memcpy(to.layer.factor, state->layer.factor,
           model_spec_packed(spec->task.d_basis) * sizeof *to.layer.factor);
    memcpy(to.layer.theta, state->layer.theta, task_generated_len(spec) * sizeof *to.layer.theta);
    memcpy(to.profile.x, state->profile.x, spec->d_item * sizeof *to.profile.x);
    memcpy(to.profile.beyond, state->profile.beyond, spec->task.columns.n * sizeof *to.profile.beyond);
    memcpy(to.profile.has, state->profile.has, spec->task.columns.n);
}

void task_state_read(const struct model_spec *spec, const void *bytes, struct task_state *out)
{
    memcpy(out, bytes, sizeof *out);
    views(spec, (void *)(uintptr_t)bytes, out);
}
