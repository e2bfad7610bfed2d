/* The metric decides which epoch is kept, so it is computed by the functions that will serve the model: a
 * fault in the training's own forward pass shows as a metric that does not rise. */
#include "engine/train/validate.h"

#include "base/mem.h"
#include "engine/blas.h"
#include "engine/catalogue.h"
#include "engine/encoder.h"
#include "engine/hypernet.h"

#include <math.h>

enum { CUT = 10 };

struct validation {
    const struct split *split;
    const struct model_spec *spec;
    const struct model_params *params;
    const struct catalogue *catalogue;
    const real *items, *users; /* of a factorisation */
    size_t d;
    size_t workspace_len, theta_len;
    real *workspaces; /* (threads, workspace_len + C + theta_len + n_items) */
    size_t stride;
    double *gains; /* (n_validated) */
};

double validate_gain(const struct split *s, size_t u, real *scores)
{
    size_t end = s->data->user_start[u + 1];
    double gain = 0, ideal = 0;
    for (size_t i = s->start[u]; i < s->end[u]; i++)
        scores[s->interactions[i].item] = -(real)INFINITY;
    for (size_t h = s->end[u]; h < end; h++) {
        real score = scores[s->interactions[h].item];
        size_t above = 0;
        for (size_t i = 0; i < s->data->n_items; i++)
            above += scores[i] >= score;
        above -= 1; /* the item itself */
        gain += above < CUT && isfinite(score) ? 1 / log2((double)above + 2) : 0;
        ideal += h - s->end[u] < CUT ? 1 / log2((double)(h - s->end[u]) + 2) : 0;
    }
    return ideal > 0 ? gain / ideal : 0;
}

static struct encoder_input input_of(const struct split *s, size_t u)
{
    const struct train_data *data = s->data;
    struct encoder_input input = {.interactions = s->interactions + s->start[u],
                                  .n_interactions = s->end[u] - s->start[u]};
    if (data->value_start) {
        input.values = data->values + data->value_start[u];
        input.n_values = data->value_start[u + 1] - data->value_start[u];
    }
    return input;
}

static void score_model(void *arg, size_t i, size_t thread)
{
    struct validation *v = arg;
    size_t u = v->split->validated[i];
    real *workspace = v->workspaces + thread * v->stride, *c = workspace + v->workspace_len,
         *theta = c + v->spec->d_context, *scores = theta + v->theta_len;
    struct encoder_input input = input_of(v->split, u);
    v->gains[i] = 0;
    if (encoder_encode(v->spec, v->params, &input, workspace, c, NULL) ||
        hypernet_generate(v->spec, v->params, c, workspace, theta, NULL))
        return; /* an embedding or weights that are not finite rank nothing */
    catalogue_score_all(v->catalogue, theta, workspace, scores);
    v->gains[i] = validate_gain(v->split, u, scores);
}

static void score_factors(void *arg, size_t i, size_t thread)
{
    struct validation *v = arg;
    size_t u = v->split->validated[i];
    real *scores = v->workspaces + thread * v->stride;
    blas_gemv(BLAS_AS_IS, v->split->data->n_items, v->d, 1, v->items, v->d, v->users + u * v->d, 0, scores);
    v->gains[i] = validate_gain(v->split, u, scores);
}

static enum err_code run(struct validation *v, struct parallel *team, parallel_fn *fn, double *ndcg,
                         struct err *e)
{
    size_t n = v->split->n_validated;
    v->stride = (v->stride + 15) / 16 * 16;
    v->workspaces = mem_alloc_aligned(parallel_threads(team), v->stride * sizeof(real));
    v->gains = mem_alloc_array(n, sizeof *v->gains);
    enum err_code code = ERR_OK;
    if (!v->workspaces || !v->gains) {
        code = err_set(e, ERR_NOMEM, "no memory to validate");
    } else {
        parallel_for(team, n, fn, v);
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += v->gains[i];
        *ndcg = n ? sum / (double)n : 0;
    }
    mem_free(v->workspaces);
    mem_free(v->gains);
    return code;
}

enum err_code validate_model(const struct model_spec *spec, const struct model_params *params,
                             const struct split *s, struct parallel *team, double *ndcg, struct err *e)
{
    struct catalogue *catalogue;
    enum err_code code = catalogue_new(spec, params, &catalogue, e);
    if (code)
        return code;
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    size_t lens[] = {encoder_workspace_len(spec, 0), hypernet_workspace_len(spec),
                     catalogue_workspace_len(catalogue)};
    struct validation v = {
        .split = s, .spec = spec, .params = params, .catalogue = catalogue, .theta_len = layout.len};
    for (size_t i = 0; i < 3; i++)
        v.workspace_len = lens[i] > v.workspace_len ? lens[i] : v.workspace_len;
    v.stride = v.workspace_len + spec->d_context + layout.len + spec->n_items;
    code = run(&v, team, score_model, ndcg, e);
    catalogue_free(catalogue);
    return code;
}

enum err_code validate_factors(const real *items, const real *users, size_t d, const struct split *s,
                               struct parallel *team, double *ndcg, struct err *e)
{
    struct validation v = {.split = s, .items = items, .users = users, .d = d, .stride = s->data->n_items};
    return run(&v, team, score_factors, ndcg, e);
}
