#include "engine/train/search/candidate.h"

#include "base/mem.h"
#include "engine/network/task_head.h"

#include <math.h>
#include <string.h>

enum err_code candidate_init(struct candidate *c, const struct model_spec *about,
                             const struct architecture_inputs *inputs, size_t n_max, struct err *e)
{
    struct architecture largest;
    size_t d = about->d_item, o = about->d_output;
    *c = (struct candidate){.spec = *about, .inputs = *inputs, .n_max = n_max};
    c->spec.task.d_basis = 0;
    architecture_largest(ARCHITECTURE_DEPTH, ACTIVATION_RELU, &largest);
    architecture_apply(&largest, &c->spec);
    enum err_code code = features_tape_init(&c->tape, &c->spec, n_max, e);
    if (code)
        return code;
    size_t most = architecture_n_weights(&largest, d, o);
    c->values = mem_zalloc_array(most, 2 * sizeof *c->values);
    c->x = mem_alloc_array(n_max, (d + 2 * o) * sizeof *c->x);
    c->y = mem_alloc_array(n_max, sizeof *c->y);
    if (!c->values || !c->x || !c->y)
        return err_set(e, ERR_NOMEM, "no memory for a network of %zu weights on %zu rows", most, n_max);
    c->grads = c->values + most;
    c->f = c->x + n_max * d;
    c->df = c->f + n_max * o;
    return ERR_OK;
}

void candidate_fini(struct candidate *c)
{
    features_tape_fini(&c->tape);
    mem_free(c->values);
    mem_free(c->x);
    mem_free(c->y);
    *c = (struct candidate){0};
}

/* ---- weights ---- */

static void view(real *block, const struct model_spec *spec, struct model_params *out)
{
    size_t d = spec->d_item;
    *out = (struct model_params){0};
    for (size_t i = 0; i < spec->task.n_features; i++) {
        size_t d_out = spec->task.features[i].d_out;
        out->features[i].weight = block;
        out->features[i].bias = block + d_out * d;
        block += d_out * (d + 1);
        d = d_out;
    }
    out->shared = block;
    out->shared_bias = block + spec->d_output * d;
}

void candidate_take(struct candidate *c, const struct architecture *a)
{
    c->architecture = *a;
    architecture_apply(a, &c->spec);
    c->spec.d_item = c->inputs.count[a->inputs];
    c->n_values = architecture_n_weights(a, c->spec.d_item, c->spec.d_output);
    view(c->values, &c->spec, &c->params);
    view(c->grads, &c->spec, &c->grad_params);
    memset(c->grads, 0, c->n_values * sizeof *c->grads);
}

size_t candidate_layers(const struct candidate *c, struct candidate_layer out[ARCHITECTURE_DEPTH + 1])
{
    size_t n = c->architecture.n_layers, d = c->spec.d_item;
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct candidate_layer){c->architecture.width[i],          d,
                                          c->params.features[i].weight,      c->params.features[i].bias,
                                          c->grad_params.features[i].weight, c->grad_params.features[i].bias};
        d = out[i].d_out;
    }
    out[n] = (struct candidate_layer){c->spec.d_output,      d,
                                      c->params.shared,      c->params.shared_bias,
                                      c->grad_params.shared, c->grad_params.shared_bias};
    return n + 1;
}

/* ---- rows ---- */

static void add(struct candidate *c, const struct search_rows *rows, size_t i)
{
    size_t d = c->spec.d_item, from = rows->at[i];
    memcpy(c->x + c->n * d, rows->x + from * rows->d, d * sizeof *c->x);
    c->y[c->n++] = rows->y[from];
}

void candidate_draw(struct candidate *c, const struct search_rows *rows, size_t n, struct rng *r)
{
    c->n = 0;
    while (c->n < n)
        add(c, rows, (size_t)rng_below(r, rows->n));
}

void candidate_read(struct candidate *c, const struct search_rows *rows, size_t first, size_t n)
{
    c->n = 0;
    while (c->n < n)
        add(c, rows, first + c->n);
}

static void forward(struct candidate *c)
{
    features_tape_forward(&c->tape, &c->params, c->x, c->n, c->f, NULL);
}

/* What of row i's target its outputs leave over, in r (O); its loss. */
static double loss_of(const struct candidate *c, size_t i, double r[LIMIT_COLUMN_VALUES])
{
    double f[LIMIT_COLUMN_VALUES];
    size_t o = c->spec.d_output;
    for (size_t k = 0; k < o; k++)
        f[k] = (double)c->f[i * o + k];
    task_residual(&c->spec, f, c->y[i], r);
    return c->spec.task.n_classes ? task_head_surprise(f, o, (size_t)c->y[i]) : r[0] * r[0] / 2;
}

double candidate_gradient(struct candidate *c)
{
    size_t o = c->spec.d_output;
    double loss = 0, r[LIMIT_COLUMN_VALUES];
    forward(c);
    for (size_t i = 0; i < c->n; i++) {
        loss += loss_of(c, i, r);
        for (size_t k = 0; k < o; k++)
            c->df[i * o + k] = (real)(-r[k] / (double)c->n);
    }
    features_tape_backward(&c->tape, &c->params, c->x, c->n, c->df, NULL, &c->grad_params, NULL);
    return loss / (double)c->n;
}

static bool is_right(const real *f, size_t o, double y)
{
    size_t best = 0;
    for (size_t k = 1; k < o; k++)
        best = f[k] > f[best] ? k : best;
    return (double)best == y;
}

double candidate_score(struct candidate *c, const struct search_rows *rows)
{
    size_t o = c->spec.d_output;
    double sum = 0;
    for (size_t first = 0; first < rows->n; first += c->n) {
        size_t left = rows->n - first;
        candidate_read(c, rows, first, left < c->n_max ? left : c->n_max);
        forward(c);
        for (size_t i = 0; i < c->n; i++) {
            double off = (double)c->f[i * o] - c->y[i];
            if (!isfinite((double)c->f[i * o]))
                return -INFINITY;
            sum += c->spec.task.n_classes ? is_right(c->f + i * o, o, c->y[i]) : off * off;
        }
    }
    sum /= (double)rows->n;
    return c->spec.task.n_classes ? sum : -sqrt(sum);
}
