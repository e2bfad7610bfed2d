/* Rounding x to x' = scale * bytes loses x - x', whose length is kept (x_lost). For a context's p, rounded to p',
 *     |x . p - x' . p'| <= |x - x'| |p| + |x'| |p - p'|                            (Cauchy and Schwarz)
 * and likewise for each row W_o of the core layer W = U K on the shared part v. ReLU never widens a difference, so the
 * hidden layer adds |out_o| times that of each o. The slack covers what floating point does to either pass: sums of n
 * terms are off by at most n half units in the last place of the sum of the terms' sizes. */
#include "engine/screen.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

struct screen {
    const struct model_spec *spec;
    const struct model_params *params;
    const struct screen_kernel *kernel;
    struct screen_items items;
    float most_x, most_v, most_base; /* the largest norms and base */
    float *u_length;                 /* (d_hidden) of the rows of U; NULL without layers */
};

#ifdef ENGINE_DOUBLE /* theta is double there; the gradients' tests need no first pass */
enum err_code screen_new(const struct model_spec *spec, const struct model_params *params, const real *shared,
                         struct screen **out, struct err *e)
{
    (void)spec;
    (void)params;
    (void)shared;
    (void)e;
    *out = NULL;
    return ERR_OK;
}
bool screen_prepare(const struct screen *s, const struct target_pass *pass, real *workspace,
                    struct screen_context *c)
{
    (void)s;
    (void)pass;
    (void)workspace;
    (void)c;
    return false;
}
size_t screen_bounds(const struct screen *s, const struct screen_context *c, size_t first, real *least,
                     real *most)
{
    (void)c;
    (void)least;
    (void)most;
    return s->items.n_blocks - first;
}
void screen_lanes_most(const struct screen *s, const real *x, size_t n, real most[KERNEL_LANES])
{
    (void)s;
    (void)n;
    memcpy(most, x, KERNEL_LANES * sizeof *most);
}
size_t screen_next(const struct screen *s, const real *x, size_t from, size_t n, real threshold,
                   uint16_t *lanes)
{
    (void)s;
    (void)x;
    (void)from;
    (void)threshold;
    *lanes = 0;
    return n;
}
#else

static bool knows(const struct model_spec *spec)
{
    const struct layer_spec *l = spec->layers;
    return spec->has_linear && spec->n_items > 0 &&
           (spec->n_layers == 0 ||
            (spec->n_layers == 2 && l[0].generator == GENERATOR_CORE && l[0].activation == ACTIVATION_RELU &&
             l[1].activation == ACTIVATION_IDENTITY && l[1].d_out == 1 && l[1].bias == BIAS_NONE &&
             (l[1].generator == GENERATOR_FULL || l[1].generator == GENERATOR_SHARED)));
}

static enum err_code reserve(struct screen *s, struct err *e)
{
    struct screen_items *t = &s->items;
    size_t lanes = t->n_blocks * KERNEL_LANES;
    t->x = mem_alloc_aligned(lanes, t->groups * 4);
    t->v = t->v_groups ? mem_alloc_aligned(lanes, t->v_groups * 4) : NULL;
    float **const arrays[] = {&t->x_scale, &t->x_norm, &t->x_lost, &t->base,
                              &t->v_scale, &t->v_norm, &t->v_lost};
    s->u_length = t->v_groups ? mem_alloc_array(s->spec->layers[0].d_out, sizeof(float)) : NULL;
    bool ok = t->x && ((t->v && s->u_length) || !t->v_groups);
    for (size_t i = 0; i < (t->v_groups ? 7 : 4) && ok; i++)
        ok = (*arrays[i] = mem_alloc_aligned(lanes, sizeof(float))) != NULL;
    return ok ? ERR_OK
              : err_set(e, ERR_NOMEM, "no memory to screen a catalogue of %zu items", s->spec->n_items);
}

/* n values at x, x + stride, ... to signed bytes and what one step means; returns the length of what is lost. */
static float round_to_bytes(const float *x, size_t stride, size_t n, int8_t *bytes, float *scale, float *norm)
{
    float most = 0;
    double lost = 0, kept = 0;
    for (size_t j = 0; j < n; j++)
        most = fmaxf(most, fabsf(x[j * stride]));
    *scale = most / 127;
    for (size_t j = 0; j < n; j++) {
        float step = *scale > 0 ? roundf(x[j * stride] / *scale) : 0;
        bytes[j] = (int8_t)fmaxf(-127, fminf(127, step));
        double meant = (double)bytes[j] * (double)*scale, difference = (double)x[j * stride] - meant;
        lost += difference * difference;
        kept += meant * meant;
    }
    *norm = (float)sqrt(kept) * 1.000001F;
    return (float)sqrt(lost) * 1.000001F;
}

/* Row r of items into a lane of its block; scratch: n bytes. */
static void put_row(const float *x, size_t stride, size_t n, size_t groups, size_t r, uint8_t *to,
                    float *scale, float *norm, float *lost, int8_t *scratch)
{
    size_t lane = r % KERNEL_LANES;
    uint8_t *block = to + r / KERNEL_LANES * groups * KERNEL_LANES * 4;
    lost[r] = round_to_bytes(x, stride, n, scratch, &scale[r], &norm[r]);
    for (size_t j = 0; j < groups * 4; j++)
        block[j / 4 * KERNEL_LANES * 4 + lane * 4 + j % 4] = (uint8_t)((j < n ? scratch[j] : 0) + 128);
}

static void fill(struct screen *s, const real *shared, int8_t *scratch)
{
    struct screen_items *t = &s->items;
    size_t d = s->spec->d_item, rank = s->spec->n_layers ? s->spec->layers[0].rank : 0;
    for (size_t i = 0; i < t->n_blocks * KERNEL_LANES; i++) {
        bool there = i < s->spec->n_items;
        put_row(s->params->catalogue_embedding + (there ? i * d : 0), 1, there ? d : 0, t->groups, i, t->x,
                t->x_scale, t->x_norm, t->x_lost, scratch);
        if (rank)
            put_row(shared + (there ? i / KERNEL_LANES * rank * KERNEL_LANES + i % KERNEL_LANES : 0),
                    KERNEL_LANES, there ? rank : 0, t->v_groups, i, t->v, t->v_scale, t->v_norm, t->v_lost,
                    scratch);
        t->base[i] = there ? s->params->catalogue_bias[i] : -INFINITY;
        s->most_x = fmaxf(s->most_x, t->x_norm[i] + t->x_lost[i]);
        s->most_v = rank ? fmaxf(s->most_v, t->v_norm[i] + t->v_lost[i]) : 0;
        s->most_base = there ? fmaxf(s->most_base, fabsf(t->base[i])) : s->most_base;
    }
}

enum err_code screen_new(const struct model_spec *spec, const struct model_params *params, const real *shared,
                         struct screen **out, struct err *e)
{
    *out = NULL;
    if (!knows(spec) || !screen_kernel_best())
        return ERR_OK;
    size_t rank = spec->n_layers ? spec->layers[0].rank : 0;
    struct screen *s = mem_zalloc_array(1, sizeof *s);
    int8_t *scratch = mem_alloc_array(spec->d_item > rank ? spec->d_item : rank, 1);
    enum err_code code = s && scratch ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to screen a catalogue");
    if (!code) {
        size_t blocks = (spec->n_items + KERNEL_LANES - 1) / KERNEL_LANES;
        s->spec = spec;
        s->params = params;
        s->kernel = screen_kernel_best();
        s->items.n_blocks = blocks + blocks % 2; /* the loop takes two at a time */
        s->items.groups = (spec->d_item + 3) / 4;
        s->items.v_groups = (rank + 3) / 4;
        code = reserve(s, e);
    }
    if (!code) {
        fill(s, shared, scratch);
        for (size_t o = 0; o < (rank ? spec->layers[0].d_out : 0); o++)
            s->u_length[o] = s->kernel->length(params->layers[0].u + o * rank, rank);
        *out = s;
    } else {
        screen_free(s);
    }
    mem_free(scratch);
    return code;
}

/* ---- a context ---- */

static const float *layer_bias(const struct target_pass *pass)
{
    return pass->spec->layers[0].bias == BIAS_FULL     ? pass->theta + pass->layout.layers[0].bias
           : pass->spec->layers[0].bias == BIAS_SHARED ? pass->params->layers[0].bias
                                                       : NULL;
}

/* Where a context's arrays are in the workspace. */
struct places {
    int32_t *p, *w, *w_start;
    float *b, *out, *row;
};

static struct places places_in(const struct screen *s, real *workspace)
{
    size_t d_hidden = s->spec->n_layers ? s->spec->layers[0].d_out : 0;
    struct places at = {.p = (int32_t *)(void *)workspace};
    at.w = at.p + s->items.groups;
    at.w_start = at.w + d_hidden * s->items.v_groups;
    at.b = (float *)(void *)(at.w_start + d_hidden);
    at.out = at.b + d_hidden;
    at.row = at.out + d_hidden;
    return at;
}

/* The hidden layer; adds its rounding to c and returns the largest value that any sum of it can have. */
static double prepare_hidden(const struct screen *s, const struct target_pass *pass, struct places at,
                             struct screen_context *c)
{
    const struct layer_spec *l = s->spec->layers;
    size_t rank = l[0].rank;
    const float *core = pass->theta + pass->layout.layers[0].weight, *bias = layer_bias(pass);
    const float *out = l[1].generator == GENERATOR_FULL ? pass->theta + pass->layout.layers[1].weight
                                                        : pass->params->layers[1].weight;
    double core_length = (double)s->kernel->length(core, rank * rank), most = 0;
    for (size_t o = 0; o < l[0].d_out; o++) {
        float scale, lost;
        s->kernel->product(pass->params->layers[0].u + o * rank, core, rank, at.row); /* W_o */
        at.w_start[o] =
            s->kernel->pack(at.row, rank, s->items.v_groups, at.w + o * s->items.v_groups, &scale, &lost);
        /* relu(scale y) = scale relu(y) takes the row's scale out of the loop; without a scale only b is left */
        at.b[o] = (bias ? bias[o] : 0) / (scale > 0 ? scale : 1);
        at.out[o] = out[o] * (scale > 0 ? scale : 1);
        c->by_v_lost += fabsf(out[o]) * s->kernel->length(at.row, rank);
        c->by_v_norm += fabsf(out[o]) * lost;
        double terms = (double)s->u_length[o] * core_length; /* how large the sums are that make W_o */
        most += fabs((double)out[o]) * (terms * (double)s->most_v + fabs((double)(bias ? bias[o] : 0)));
    }
    c->d_hidden = l[0].d_out;
    c->w = at.w;
    c->w_start = at.w_start;
    c->b = at.b;
    c->out = at.out;
    return most;
}

bool screen_prepare(const struct screen *s, const struct target_pass *pass, real *workspace,
                    struct screen_context *c)
{
    const float *p = pass->theta + pass->layout.linear;
    struct places at = places_in(s, workspace);
    *c = (struct screen_context){.p = at.p};
    c->p_start = s->kernel->pack(p, s->spec->d_item, s->items.groups, at.p, &c->p_scale, &c->by_x_norm);
    c->by_x_lost = s->kernel->length(p, s->spec->d_item);
    double most = (double)c->by_x_lost * (double)s->most_x + (double)s->most_base;
    size_t n_terms = s->spec->d_item + 64;
    if (s->spec->n_layers) {
        most += prepare_hidden(s, pass, at, c);
        n_terms += 2 * s->spec->layers[0].rank + s->spec->layers[0].d_out;
    }
    c->slack = (float)(most * (double)n_terms / (1 << 23));
    bool ok = most < 1e30;
    for (size_t o = 0; o < c->d_hidden; o++)
        ok = ok && isfinite(at.b[o]) && isfinite(at.out[o]);
    return ok;
}

size_t screen_bounds(const struct screen *s, const struct screen_context *c, size_t first, real *least,
                     real *most)
{
    size_t n = s->items.n_blocks - first;
    n = n < SCREEN_CHUNK_BLOCKS ? n : SCREEN_CHUNK_BLOCKS;
    s->kernel->bounds(&s->items, c, first, n, least, most);
    return n;
}

void screen_lanes_most(const struct screen *s, const real *x, size_t n, real most[KERNEL_LANES])
{
    s->kernel->lanes_most(x, n, most);
}

size_t screen_next(const struct screen *s, const real *x, size_t from, size_t n, real threshold,
                   uint16_t *lanes)
{
    return s->kernel->next(x, from, n, threshold, lanes);
}
#endif

void screen_free(struct screen *s)
{
    if (!s)
        return;
    struct screen_items *t = &s->items;
    void *const arrays[] = {t->x,    t->v,       t->x_scale, t->x_norm, t->x_lost,
                            t->base, t->v_scale, t->v_norm,  t->v_lost, s->u_length};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        mem_free(arrays[i]);
    mem_free(s);
}

size_t screen_workspace_len(const struct screen *s)
{
    const struct layer_spec *l = s->spec->layers;
    size_t d_hidden = s->spec->n_layers ? l[0].d_out : 0, rank = s->spec->n_layers ? l[0].rank : 0;
    return s->items.groups + d_hidden * (s->items.v_groups + 3) + rank;
}
