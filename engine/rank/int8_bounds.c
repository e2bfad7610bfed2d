/* Rounding x to x' = scale * bytes loses x - x', whose length is kept (x_lost). For a context's p, rounded to
 * p',
 *     |x . p - x' . p'| <= |x - x'| |p| + |x'| |p - p'|                            (Cauchy and Schwarz)
 * and likewise for each row W_o of the core layer W = U K on the shared part v. ReLU never widens a
 * difference, so the hidden layer adds |out_o| times that of each o. A hidden unit is counted in steps of its
 * own, unit_o = v_step * (scale of W_o), its bias rounded to them, and of the sum the lowest bits are rounded
 * away (half of 2^shift steps); what it adds to the score, out_o unit_o 2^shift a count, is a whole number of
 * out_steps (half an out_step a count). The slack covers all that and what floating point does to either
 * pass: sums of n terms are off by at most n half units in the last place of the sum of the terms' sizes. */
#include "engine/rank/int8_bounds.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum {
    MAX_TERMS = 1 << 16,  /* of a sum of bytes' products, which stays within 31 bits */
    MAX_HIDDEN = 4096,    /* units; a sum of them stays within 31 bits, see finish_hidden */
    MAX_BIAS = 1 << 20,   /* of a unit, in its steps: more would take the bits of all other units */
    PLAIN_BIAS = 1 << 14, /* what it is where the rest of the unit is left out */
};

struct int8_bounds {
    const struct model_spec *spec;
    const struct model_params *params;
    const struct int8_kernel *kernel;
    struct int8_bounds_items items;
    float max_x, max_v, max_base; /* the largest norms and base */
    float *u_length;              /* (d_hidden) of the rows of U; NULL without layers */
};

static size_t even(size_t n)
{
    return n + n % 2;
}

#ifdef ENGINE_DOUBLE /* theta is double there; the gradients' tests need no first pass */
enum err_code int8_bounds_new(const struct model_spec *spec, const struct model_params *params,
                              const real *shared, const struct int8_kernel *kernel, struct int8_bounds **out,
                              struct err *e)
{
    (void)spec;
    (void)params;
    (void)shared;
    (void)kernel;
    (void)e;
    *out = NULL;
    return ERR_OK;
}
bool int8_bounds_prepare(const struct int8_bounds *s, const struct target_pass *pass, real *workspace,
                         struct int8_bounds_context *c)
{
    (void)s;
    (void)pass;
    (void)workspace;
    (void)c;
    return false;
}
size_t int8_bounds_compute(const struct int8_bounds *s, const struct int8_bounds_context *c, size_t first,
                           real *least, real *most)
{
    (void)c;
    (void)least;
    (void)most;
    return s->items.n_blocks - first;
}
void int8_bounds_lanes_most(const struct int8_bounds *s, const real *x, size_t n, real most[KERNEL_LANES])
{
    (void)s;
    (void)n;
    memcpy(most, x, KERNEL_LANES * sizeof *most);
}
size_t int8_bounds_next(const struct int8_bounds *s, const real *x, size_t from, size_t n, real threshold,
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
    return spec->has_linear && spec->n_items > 0 && spec->d_item <= MAX_TERMS &&
           (spec->n_layers == 0 ||
            (spec->n_layers == 2 && l[0].rank <= MAX_TERMS && l[0].d_out <= MAX_HIDDEN &&
             l[0].generator == GENERATOR_CORE && l[0].activation == ACTIVATION_RELU &&
             l[1].activation == ACTIVATION_IDENTITY && l[1].d_out == 1 && l[1].bias == BIAS_NONE &&
             (l[1].generator == GENERATOR_FULL || l[1].generator == GENERATOR_SHARED)));
}

static enum err_code reserve(struct int8_bounds *s, struct err *e)
{
    struct int8_bounds_items *t = &s->items;
    size_t lanes = t->n_blocks * KERNEL_LANES;
    t->x = mem_alloc_aligned(lanes, t->groups * 4);
    t->v = t->v_groups ? mem_alloc_aligned(lanes, t->v_groups * 4) : NULL;
    float **const arrays[] = {&t->x_scale, &t->x_norm, &t->x_lost, &t->base, &t->v_norm, &t->v_lost};
    s->u_length = t->v_groups ? mem_alloc_array(s->spec->layers[0].d_out, sizeof(float)) : NULL;
    bool ok = t->x && ((t->v && s->u_length) || !t->v_groups);
    for (size_t i = 0; i < (t->v_groups ? 6 : 4) && ok; i++)
        ok = (*arrays[i] = mem_alloc_aligned(lanes, sizeof(float))) != NULL;
    return ok ? ERR_OK
              : err_set(e, ERR_NOMEM, "no memory to screen a catalogue of %zu items", s->spec->n_items);
}

static float most_of(const float *x, size_t n)
{
    float most = 0;
    for (size_t j = 0; j < n; j++)
        most = fmaxf(most, fabsf(x[j]));
    return most;
}

/* n values to signed bytes of this scale; returns the length of what is lost. */
static float round_to_bytes(const float *x, size_t n, float scale, int8_t *bytes, float *norm)
{
    double lost = 0, kept = 0;
    for (size_t j = 0; j < n; j++) {
        float step = scale > 0 ? roundf(x[j] / scale) : 0;
        bytes[j] = (int8_t)fmaxf(-127, fminf(127, step));
        double meant = (double)bytes[j] * (double)scale, difference = (double)x[j] - meant;
        lost += difference * difference;
        kept += meant * meant;
    }
    *norm = (float)sqrt(kept) * 1.000001F;
    return (float)sqrt(lost) * 1.000001F;
}

/* A row of n values that goes into lane r of the items. */
struct row {
    const float *x;
    size_t n;
    float scale;
};

/* scratch: row->n bytes. */
static void put_row(const struct row *row, size_t groups, size_t r, uint8_t *to, float *norm, float *lost,
                    int8_t *scratch)
{
    size_t lane = r % KERNEL_LANES;
    uint8_t *block = to + r / KERNEL_LANES * groups * KERNEL_LANES * 4;
    lost[r] = round_to_bytes(row->x, row->n, row->scale, scratch, &norm[r]);
    for (size_t j = 0; j < groups * 4; j++)
        block[j / 4 * KERNEL_LANES * 4 + lane * 4 + j % 4] = (uint8_t)((j < row->n ? scratch[j] : 0) + 128);
}

/* Item i's shared part; no values for what is past the last item. */
static struct row shared_row(const struct int8_bounds *s, const real *shared, size_t i)
{
    size_t rank = s->spec->layers[0].rank;
    if (i >= s->spec->n_items)
        return (struct row){shared, 0, 0};
    return (struct row){shared + i * rank, rank, s->items.v_step};
}

static void fill(struct int8_bounds *s, const real *shared, int8_t *scratch)
{
    struct int8_bounds_items *t = &s->items;
    size_t d = s->spec->d_item;
    float most = 0;
    for (size_t i = 0; i < (t->v_groups ? s->spec->n_items : 0); i++) {
        struct row v = shared_row(s, shared, i);
        most = fmaxf(most, most_of(v.x, v.n));
    }
    t->v_step = most > 0 ? most / 127 : 1;
    for (size_t i = 0; i < t->n_blocks * KERNEL_LANES; i++) {
        bool there = i < s->spec->n_items;
        struct row x = {s->params->catalogue_embedding + (there ? i * d : 0), there ? d : 0, 0};
        x.scale = t->x_scale[i] = most_of(x.x, x.n) / 127;
        put_row(&x, t->groups, i, t->x, t->x_norm, t->x_lost, scratch);
        if (t->v_groups) {
            struct row v = shared_row(s, shared, i);
            put_row(&v, t->v_groups, i, t->v, t->v_norm, t->v_lost, scratch);
            s->max_v = fmaxf(s->max_v, t->v_norm[i] + t->v_lost[i]);
        }
        t->base[i] = there ? s->params->catalogue_bias[i] : -INFINITY;
        s->max_x = fmaxf(s->max_x, t->x_norm[i] + t->x_lost[i]);
        s->max_base = there ? fmaxf(s->max_base, fabsf(t->base[i])) : s->max_base;
    }
}

enum err_code int8_bounds_new(const struct model_spec *spec, const struct model_params *params,
                              const real *shared, const struct int8_kernel *kernel, struct int8_bounds **out,
                              struct err *e)
{
    *out = NULL;
    if (!knows(spec) || !kernel)
        return ERR_OK;
    size_t rank = spec->n_layers ? spec->layers[0].rank : 0;
    struct int8_bounds *s = mem_zalloc_array(1, sizeof *s);
    int8_t *scratch = mem_alloc_array(spec->d_item > rank ? spec->d_item : rank, 1);
    enum err_code code = s && scratch ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to screen a catalogue");
    if (!code) {
        size_t blocks = (spec->n_items + KERNEL_LANES - 1) / KERNEL_LANES;
        s->spec = spec;
        s->params = params;
        s->kernel = kernel;
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
        int8_bounds_free(s);
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
    int32_t *p, *w, *w_start, *out;
    float *gain, *length, *bias; /* of each unit: what a step adds to the score; |W_o| and |b_o| in steps */
    float *row;
};

static struct places places_in(const struct int8_bounds *s, real *workspace)
{
    size_t units = s->spec->n_layers ? even(s->spec->layers[0].d_out) : 0;
    struct places at = {.p = (int32_t *)(void *)workspace};
    at.w = at.p + s->items.groups;
    at.w_start = at.w + units * s->items.v_groups;
    at.out = at.w_start + units;
    at.gain = (float *)(void *)(at.out + units / 2);
    at.length = at.gain + units;
    at.bias = at.length + units;
    at.row = at.bias + units;
    return at;
}

/* Unit o in its steps; adds its rounding to c. W_o is in at.row. False: its numbers are too large. */
static bool prepare_unit(const struct int8_bounds *s, size_t o, float bias, float out, struct places at,
                         struct int8_bounds_context *c)
{
    size_t rank = s->spec->layers[0].rank, groups = s->items.v_groups;
    float scale, lost, length = s->kernel->length(at.row, rank);
    at.w_start[o] = s->kernel->pack(at.row, rank, groups, at.w + o * groups, &scale, &lost);
    double step = (double)scale * (double)s->items.v_step, size = fabs((double)bias), gain = (double)out;
    if (!(size <= MAX_BIAS * step)) { /* beside such a bias the rest is little, or there is no rest */
        memset(at.w + o * groups, 0, groups * sizeof *at.w);
        at.w_start[o] = 0;
        lost = length;
        step = size / PLAIN_BIAS;
    } else if (step ==
               0) { /* neither rest nor bias: it adds nothing, and must not set the steps of those that do */
        step = 1;
        gain = 0;
    }
    double steps = (double)bias / step, whole = rint(steps);
    at.w_start[o] += (int32_t)whole;
    at.gain[o] = (float)(gain * step);
    at.bias[o] = (float)(size / step);
    at.length[o] = (float)(((double)length + (double)lost) / step);
    c->by_v_lost += fabsf(out) * length;
    c->by_v_norm += fabsf(out) * lost;
    c->slack += fabsf(at.gain[o]) * (float)fabs(steps - whole);
    return isfinite(at.gain[o]) && isfinite(at.length[o]) && step > 0;
}

/* The shift that brings every unit into 15 bits, and what a unit then adds to the score as 16-bit numbers.
 * The sum of d_hidden products of 15 bits with at most 65535 / d_hidden stays within 31. False: no shift
 * does. */
static bool finish_hidden(const struct int8_bounds *s, struct places at, struct int8_bounds_context *c)
{
    size_t n = s->spec->layers[0].d_out;
    float largest = 0, gain = 0, most = (float)(65535 / n < 32767 ? 65535 / n : 32767);
    for (size_t o = 0; o < n; o++) {
        largest = fmaxf(largest, at.length[o] * s->max_v + at.bias[o]);
        gain = fmaxf(gain, fabsf(at.gain[o]));
    }
    while (c->shift < 16 && largest * 1.001F + 2 > 32767.0F * (float)(1 << c->shift))
        c->shift++;
    float counts = (float)(1 << c->shift), step = gain * counts / most;
    int16_t *out = (int16_t *)at.out;
    for (size_t o = 0; o < n; o++) {
        at.w_start[o] += c->shift ? 1 << (c->shift - 1) : 0;
        out[o] = (int16_t)(step > 0 ? lrintf(at.gain[o] * counts / step) : 0);
        c->slack +=
            fabsf(at.gain[o]) * (c->shift ? counts * 0.5F : 0) + step * 0.5F * (at.bias[o] / counts + 1);
        c->by_v_norm += step * 0.5F * at.length[o] / counts;
    }
    c->out_step = step;
    return c->shift < 16 && isfinite(step);
}

/* The hidden layer; adds its rounding to c and the largest value that any sum of it can have to *most. False:
 * too large. */
static bool prepare_hidden(const struct int8_bounds *s, const struct target_pass *pass, struct places at,
                           struct int8_bounds_context *c, double *most)
{
    const struct layer_spec *l = s->spec->layers;
    size_t rank = l[0].rank, n = l[0].d_out;
    const float *core = pass->theta + pass->layout.layers[0].weight, *bias = layer_bias(pass);
    const float *out = l[1].generator == GENERATOR_FULL ? pass->theta + pass->layout.layers[1].weight
                                                        : pass->params->layers[1].weight;
    double core_length = (double)s->kernel->length(core, rank * rank);
    bool ok = true;
    memset(at.w + (even(n) - 1) * s->items.v_groups, 0, s->items.v_groups * sizeof *at.w);
    at.w_start[even(n) - 1] = at.out[even(n) / 2 - 1] = 0;
    for (size_t o = 0; o < n; o++) {
        float b = bias ? bias[o] : 0;
        if (pass->product[0]) /* W_o */
            memcpy(at.row, pass->product[0] + o * rank, rank * sizeof *at.row);
        else
            s->kernel->product(pass->params->layers[0].u + o * rank, core, rank, at.row);
        ok = prepare_unit(s, o, b, out[o], at, c) && ok;
        double terms = (double)s->u_length[o] * core_length; /* how large the sums are that make W_o */
        *most += fabs((double)out[o]) * (terms * (double)s->max_v + fabs((double)b));
    }
    c->n_pairs = even(n) / 2;
    c->w = at.w;
    c->w_start = at.w_start;
    c->out = at.out;
    return finish_hidden(s, at, c) && ok;
}

bool int8_bounds_prepare(const struct int8_bounds *s, const struct target_pass *pass, real *workspace,
                         struct int8_bounds_context *c)
{
    const float *p = pass->theta + pass->layout.linear;
    struct places at = places_in(s, workspace);
    *c = (struct int8_bounds_context){.p = at.p};
    c->p_start = s->kernel->pack(p, s->spec->d_item, s->items.groups, at.p, &c->p_scale, &c->by_x_norm);
    c->by_x_lost = s->kernel->length(p, s->spec->d_item);
    double most = (double)c->by_x_lost * (double)s->max_x + (double)s->max_base;
    size_t n_terms = s->spec->d_item + 64;
    bool ok = true;
    if (s->spec->n_layers) {
        ok = prepare_hidden(s, pass, at, c, &most);
        n_terms += 2 * s->spec->layers[0].rank + s->spec->layers[0].d_out;
    }
    c->slack = c->slack * 1.0001F + (float)(most * (double)n_terms / (1 << 23));
    float sum = c->slack + c->by_x_lost + c->by_x_norm + c->by_v_lost + c->by_v_norm;
    return ok && most < 1e30 && isfinite(sum);
}

size_t int8_bounds_compute(const struct int8_bounds *s, const struct int8_bounds_context *c, size_t first,
                           real *least, real *most)
{
    size_t n = s->items.n_blocks - first;
    n = n < INT8_CHUNK_BLOCKS ? n : INT8_CHUNK_BLOCKS;
    s->kernel->bounds(&s->items, c, first, n, least, most);
    return n;
}

void int8_bounds_lanes_most(const struct int8_bounds *s, const real *x, size_t n, real most[KERNEL_LANES])
{
    s->kernel->lanes_most(x, n, most);
}

size_t int8_bounds_next(const struct int8_bounds *s, const real *x, size_t from, size_t n, real threshold,
                        uint16_t *lanes)
{
    return s->kernel->next(x, from, n, threshold, lanes);
}
#endif

void int8_bounds_free(struct int8_bounds *s)
{
    if (!s)
        return;
    struct int8_bounds_items *t = &s->items;
    void *const arrays[] = {t->x,    t->v,      t->x_scale, t->x_norm,  t->x_lost,
                            t->base, t->v_norm, t->v_lost,  s->u_length};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        mem_free(arrays[i]);
    mem_free(s);
}

size_t int8_bounds_workspace_len(const struct int8_bounds *s)
{
    const struct layer_spec *l = s->spec->layers;
    size_t d_hidden = s->spec->n_layers ? l[0].d_out : 0, rank = s->spec->n_layers ? l[0].rank : 0;
    return s->items.groups + even(d_hidden) * (s->items.v_groups + 5) + rank;
}
