#include "engine/train/continual/continual.h"

#include "base/mem.h"
#include "engine/network/hypernet.h"

#include <math.h>
#include <string.h>

static const real *tensor_of(const struct model_params *p, const struct tensor_spec *t)
{
    return *model_params_slot((struct model_params *)(uintptr_t)p, t);
}

/* Whether what must stay is the same to the last bit; the first model's tensors say how many rows. */
static bool same_frozen(const struct model_spec *spec, const struct model_params *before,
                        const struct model_params *after)
{
    struct tensor_spec table[MODEL_MAX_TENSORS];
    size_t n = model_spec_tensors(spec, table);
    bool same = true;
    for (size_t i = 0; i < n; i++)
        if (table[i].group == GROUP_SHARED || table[i].group == GROUP_ENCODER)
            same = same && memcmp(tensor_of(before, &table[i]), tensor_of(after, &table[i]),
                                  table[i].n_rows * table[i].n_cols * sizeof(real)) == 0;
    return same;
}

enum err_code continual_audit(const struct model_spec *before_spec, const struct model_params *before,
                              const struct model_spec *spec, const struct model_params *params,
                              struct continual_drift *out, struct err *e)
{
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    *out = (struct continual_drift){.frozen_same = same_frozen(before_spec, before, params)};
    real *theta = mem_alloc_aligned(2 * layout.len, sizeof *theta),
         *work = mem_alloc_aligned(hypernet_workspace_len(spec), sizeof *work);
    enum err_code code =
        theta && work ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the weights of two networks");
    for (size_t t = 0; !code && t < before_spec->encoder.n_tasks; t++) {
        const size_t at = t * spec->d_context;
        code = hypernet_generate(before_spec, before, before->task_id + at, work, theta, e);
        if (!code)
            code = hypernet_generate(spec, params, params->task_id + at, work, theta + layout.len, e);
        for (size_t i = 0; !code && i < layout.len; i++)
            out->theta_most = fmax(out->theta_most, fabs((double)(theta[layout.len + i] - theta[i])));
    }
    mem_free(theta);
    mem_free(work);
    return code;
}
