/* What all contexts share is computed once, when the model is opened. Let L be the first target layer whose
 * weights are generated (or the number of layers when none is): the layers before L are shared, so their
 * output on every item is shared too; of layer L itself, V x (core) or W0 x (low_rank) is shared. Both are
 * kept lane block by lane block:  shared[block][len][LANES], len = input of L when L > 0, then its shared
 * part. For L = 0 the input is the item embedding itself, which stays in the mapped file; for a `full` first
 * layer nothing is kept. When L is the number of layers, the one output is kept.
 *
 * The best of a whole catalogue are found in two passes where screen.h knows the model: bounds for all in 8 bits, then
 * exactly the few that may be among the best, block by gathered block. */
#include "engine/catalogue.h"

#include "base/mem.h"
#include "engine/neighbours.h"
#include "engine/screen.h"
#include "engine/target_block.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct catalogue {
    const struct model_spec *spec;
    const struct model_params *params;
    size_t first_index; /* of the items, as catalogue_top_k counts them */
    size_t first;       /* L */
    size_t n_blocks;
    bool keeps_input;      /* the input of L is in shared */
    bool needs_input;      /* layer L reads its input although its shared part is kept */
    size_t input_len;      /* reals of the kept input of a block */
    size_t shared_len;     /* reals of the kept shared part of a block */
    real *shared;          /* (n_blocks, input_len + shared_len) */
    struct screen *screen; /* NULL: every item is scored exactly */
};

#define REAL_MOST ((real)FLT_MAX) /* bounds are far from it, and -infinity is beyond */

enum {
    CHUNK = SCREEN_CHUNK_BLOCKS * KERNEL_LANES, /* items between two thresholds */
    MOST_SCREENED_K = 128,                      /* for more of the best, one exact pass is as good */
    LEAST_SCREENED_ITEMS = 512
};

static size_t first_generated(const struct model_spec *spec)
{
    size_t i = 0;
    while (i < spec->n_layers && spec->layers[i].generator == GENERATOR_SHARED &&
           spec->layers[i].bias != BIAS_FULL)
        i++;
    return i;
}

static size_t block_rows(const struct catalogue *c, size_t block)
{
    size_t start = block * KERNEL_LANES, n = c->spec->n_items - start;
    return n < KERNEL_LANES ? n : KERNEL_LANES;
}

/* Computes the kept part of one block. buffers: three. */
static void fill_block(const struct catalogue *c, const struct target_pass *pass, size_t block, real *buffers)
{
    size_t d = c->spec->d_item, len = target_block_buffer_len(c->spec);
    real *x = buffers, *kept = c->shared + block * (c->input_len + c->shared_len);
    target_block_load(c->params->catalogue_embedding + block * KERNEL_LANES * d, block_rows(c, block), d, x);
    for (size_t i = 0; i < c->first; i++) {
        real *out = x == buffers ? buffers + len : buffers;
        target_block_layer(pass, i, x, NULL, buffers + 2 * len, out);
        x = out;
    }
    memcpy(kept, x, c->input_len * sizeof *kept);
    if (c->shared_len)
        target_block_shared(pass, c->first, x, kept + c->input_len);
}

static void plan(struct catalogue *c)
{
    const struct model_spec *spec = c->spec;
    c->first = first_generated(spec);
    c->n_blocks = (spec->n_items + KERNEL_LANES - 1) / KERNEL_LANES;
    const struct layer_spec *l = c->first < spec->n_layers ? &spec->layers[c->first] : NULL;
    c->shared_len = l ? target_block_shared_len(l) * KERNEL_LANES : 0;
    c->needs_input = l && l->generator != GENERATOR_CORE;
    c->keeps_input = c->first > 0 && (!l || c->needs_input);
    size_t d_input = l ? l->d_in : spec->d_output;
    c->input_len = c->keeps_input ? d_input * KERNEL_LANES : 0;
}

enum err_code catalogue_new(const struct model_spec *spec, const struct model_params *params,
                            struct catalogue **out, struct err *e)
{
    return catalogue_new_from(spec, params, 0, out, e);
}

enum err_code catalogue_new_from(const struct model_spec *spec, const struct model_params *params,
                                 size_t first, struct catalogue **out, struct err *e)
{
    struct catalogue *c = mem_zalloc_array(1, sizeof *c);
    real *buffers = mem_alloc_aligned(3 * target_block_buffer_len(spec), sizeof *buffers);
    if (!c || !buffers)
        goto no_memory;
    c->spec = spec;
    c->params = params;
    c->first_index = first;
    plan(c);
    size_t per_block = c->input_len + c->shared_len, n;
    if (per_block) {
        if (__builtin_mul_overflow(c->n_blocks, per_block, &n) ||
            !(c->shared = mem_alloc_aligned(n, sizeof(real))))
            goto no_memory;
        struct target_pass pass;
        target_pass_init(&pass, spec, params, NULL);
        for (size_t b = 0; b < c->n_blocks; b++)
            fill_block(c, &pass, b, buffers);
    }
    mem_free(buffers);
    enum err_code code = ERR_OK;
    if (first == 0 && spec->n_items >= LEAST_SCREENED_ITEMS) /* the screen counts items from 0 */
        code = screen_new(spec, params, c->shared, &c->screen, e);
    if (code) {
        catalogue_free(c);
        return code;
    }
    *out = c;
    return ERR_OK;
no_memory:
    mem_free(buffers);
    catalogue_free(c);
    return err_set(e, ERR_NOMEM, "no memory for the shared part of a catalogue of %zu items", spec->n_items);
}

void catalogue_free(struct catalogue *c)
{
    if (c) {
        screen_free(c->screen);
        mem_free(c->shared);
        mem_free(c);
    }
}

/* scores[LANES], a gathered block of kept parts, three buffers. */
static size_t exact_workspace_len(const struct catalogue *c)
{
    size_t d = c->spec->d_item * KERNEL_LANES;
    return KERNEL_LANES + c->input_len + c->shared_len + d + 3 * target_block_buffer_len(c->spec);
}

/* Then, with a screen, the bounds of a chunk and the context's bytes. */
size_t catalogue_workspace_len(const struct catalogue *c)
{
    return exact_workspace_len(c) + (c->screen ? 2 * CHUNK + screen_workspace_len(c->screen) : 0);
}

/* Whether the layers start from the embeddings themselves. */
static bool reads_rows(const struct catalogue *c)
{
    return !c->keeps_input && c->needs_input;
}

/* Adds the MLP part to scores (LANES) of a block. rows: the block's embeddings, kept: its kept part. */
static void add_layers(const struct catalogue *c, const struct target_pass *pass, const real *rows,
                       size_t n_rows, const real *kept, real *buffers, real *scores)
{
    if (c->spec->n_layers == 0)
        return;
    const real *x = kept, *shared = c->shared_len ? kept + c->input_len : NULL, *out;
    if (reads_rows(c)) {
        target_block_load(rows, n_rows, c->spec->d_item, buffers);
        x = buffers;
    }
    out = target_block_layers(pass, c->first, x, shared, buffers);
    for (size_t r = 0; r < n_rows; r++)
        scores[r] += out[r];
}

/* scores of one block of consecutive items. */
static void score_block(const struct catalogue *c, const struct target_pass *pass, size_t block,
                        real *buffers, real *scores)
{
    size_t d = c->spec->d_item, first = block * KERNEL_LANES, n = block_rows(c, block);
    const real *rows = c->params->catalogue_embedding + first * d;
    if (c->spec->has_linear)
        pass->kernels->dot_rows(rows, n, d, pass->theta + pass->layout.linear, scores);
    else
        memset(scores, 0, n * sizeof *scores);
    for (size_t r = 0; r < n; r++)
        scores[r] += c->params->catalogue_bias[first + r];
    add_layers(c, pass, rows, n, c->shared ? c->shared + block * (c->input_len + c->shared_len) : NULL,
               buffers, scores);
}

/* Adds what the context's history says of items [first, first + n); *at walks along the rising entries. */
static void add_neighbours(const struct neighbours *b, size_t *at, size_t first, size_t n, real *scores)
{
    for (; *at < b->n && b->items[*at] < first + n; (*at)++)
        scores[b->items[*at] - first] += b->values[*at];
}

static void exact_top_k(const struct catalogue *c, const real *theta, const struct catalogue_filter *filter,
                        real *workspace, struct topk *top)
{
    struct target_pass pass;
    target_pass_init(&pass, c->spec, c->params, theta);
    real *scores = workspace, *buffers = workspace + KERNEL_LANES;
    struct neighbours near = neighbours_of(c->spec, &pass.layout, theta);
    size_t next = 0, at = 0; /* excluded indices and neighbours rise, so cursors walk along */
    for (size_t block = 0; block < c->n_blocks; block++) {
        score_block(c, &pass, block, buffers, scores);
        size_t first = block * KERNEL_LANES, n = block_rows(c, block);
        add_neighbours(&near, &at, first, n, scores);
        for (size_t r = 0; r < n; r++) {
            uint32_t index = (uint32_t)(c->first_index + first + r);
            while (filter && next < filter->n_excluded && filter->excluded[next] < index)
                next++;
            if (filter && next < filter->n_excluded && filter->excluded[next] == index)
                continue;
            if (filter && filter->allowed && !(filter->allowed[index / 64] >> (index % 64) & 1))
                continue;
            topk_push(top, scores[r], index);
        }
    }
}

/* Copies lane `from` of a kept block into lane `to`. */
static void copy_lane(const real *block, size_t from, size_t len, real *gathered, size_t to)
{
    for (size_t j = 0; j < len; j += KERNEL_LANES)
        gathered[j + to] = block[j + from];
}

/* An item's embedding is on its way while others are scored: those of some items lie nowhere near each other. */
static void fetch_row(const struct catalogue *c, size_t index)
{
    enum { LINE = 64 / sizeof(real) };
    const real *row = c->params->catalogue_embedding + index * c->spec->d_item;
    for (size_t i = 0; i < c->spec->d_item; i += LINE)
        __builtin_prefetch(row + i);
}

/* scores (m) of the linear part, of the first m of n indices; the rows of the next ones are fetched. */
static void score_linear(const struct catalogue *c, const struct target_pass *pass, const uint32_t *indices,
                         size_t m, size_t n, real *scores)
{
    enum { AHEAD = 8 };
    size_t d = c->spec->d_item;
    for (size_t r = 0; r < m; r++) {
        if (r + AHEAD < n)
            fetch_row(c, indices[r + AHEAD]);
        pass->kernels->dot_rows(c->params->catalogue_embedding + indices[r] * d, 1, d,
                                pass->theta + pass->layout.linear, scores + r);
    }
}

void catalogue_score(const struct catalogue *c, const real *theta, const uint32_t *indices, size_t n,
                     real *workspace, real *scores)
{
    struct target_pass pass;
    target_pass_init(&pass, c->spec, c->params, theta);
    struct neighbours near = neighbours_of(c->spec, &pass.layout, theta);
    size_t d = c->spec->d_item, kept_len = c->input_len + c->shared_len;
    real *rows = workspace, *kept = rows + d * KERNEL_LANES, *buffers = kept + kept_len;
    for (size_t start = 0; start < n; start += KERNEL_LANES) {
        size_t m = n - start < KERNEL_LANES ? n - start : KERNEL_LANES;
        memset(kept, 0, kept_len * sizeof *kept);
        for (size_t r = 0; r < m; r++) {
            size_t index = indices[start + r];
            if (reads_rows(c))
                memcpy(rows + r * d, c->params->catalogue_embedding + index * d, d * sizeof *rows);
            if (kept_len)
                copy_lane(c->shared + index / KERNEL_LANES * kept_len, index % KERNEL_LANES, kept_len, kept,
                          r);
        }
        if (c->spec->has_linear)
            score_linear(c, &pass, indices + start, m, n - start, scores + start);
        else
            memset(scores + start, 0, m * sizeof *scores);
        for (size_t r = 0; r < m; r++)
            scores[start + r] += c->params->catalogue_bias[indices[start + r]];
        add_layers(c, &pass, rows, m, kept, buffers, scores + start);
        for (size_t r = 0; r < m && near.n; r++) {
            real value = neighbours_value(&near, indices[start + r]);
            if (value != 0) /* to -0 even 0 would be a change */
                scores[start + r] += value;
        }
    }
}

/* ---- two passes ---- */

static bool allowed(const struct catalogue_filter *filter, size_t index)
{
    return !filter || !filter->allowed || (filter->allowed[index / 64] >> (index % 64) & 1);
}

/* Items of [first, first + n) that are excluded can reach nothing; *at walks along the rising indices. */
static void exclude(const struct catalogue_filter *filter, size_t *at, size_t first, size_t n, real *least,
                    real *most)
{
    for (; filter && *at < filter->n_excluded && filter->excluded[*at] < first + n; (*at)++)
        least[filter->excluded[*at] - first] = most[filter->excluded[*at] - first] = -(real)INFINITY;
}

/* Calls on each allowed item of a chunk whose value reaches the threshold, which the call may raise. Of what cannot be
 * in an answer, excluded or past the end, the value is -infinity, and no threshold is. */
typedef real screen_fn(void *arg, uint32_t index, real value);

static void each_above(const struct catalogue *c, const struct catalogue_filter *filter, size_t first,
                       size_t n, const real *values, real threshold, screen_fn *call, void *arg)
{
    uint16_t lanes;
    for (size_t b = 0; (b = screen_next(c->screen, values, b, n, threshold, &lanes)) < n; b++)
        for (; lanes; lanes &= (uint16_t)(lanes - 1)) {
            size_t lane = (size_t)__builtin_ctz(lanes), index = (first + b) * KERNEL_LANES + lane;
            if (index < c->spec->n_items && allowed(filter, index))
                threshold = call(arg, (uint32_t)index, values[b * KERNEL_LANES + lane]);
        }
}

/* Adds what the context's history says to both bounds of a chunk, and what that addition may round. */
static void widen_neighbours(const struct neighbours *b, size_t *at, size_t first, size_t n, real *least,
                             real *most)
{
    const real rounding = (real)2.4e-7;
    for (; *at < b->n && b->items[*at] < first + n; (*at)++) {
        real value = b->values[*at], off = (value < 0 ? -value : value) * rounding;
        least[b->items[*at] - first] += value - off;
        most[b->items[*at] - first] += value + off;
    }
}

/* What at least k items of a chunk reach, found without looking at each: the k-th of the lanes' largest values. */
static real first_floor(const struct catalogue *c, const struct catalogue_filter *filter, const real *least,
                        size_t n, size_t k)
{
    real lanes[KERNEL_LANES];
    if (k > KERNEL_LANES || (filter && filter->allowed))
        return -REAL_MOST;
    screen_lanes_most(c->screen, least, n, lanes);
    for (size_t i = 0; i < k; i++) /* the best k to the front */
        for (size_t j = i + 1; j < KERNEL_LANES; j++)
            if (lanes[j] > lanes[i]) {
                real x = lanes[i];
                lanes[i] = lanes[j];
                lanes[j] = x;
            }
    return lanes[k - 1] > -REAL_MOST ? lanes[k - 1] : -REAL_MOST;
}

/* The k best lower bounds. */
struct lower_bounds {
    struct topk best;
    real floor; /* k items are known to reach it */
};

static real take_bound(void *arg, uint32_t index, real value)
{
    struct lower_bounds *b = arg;
    topk_push(&b->best, value, index);
    real threshold = topk_threshold(&b->best);
    return threshold > b->floor ? threshold : b->floor;
}

/* Items that wait to be scored exactly, a lane block at a time. */
struct pending {
    const struct catalogue *c;
    const real *theta;
    real *workspace;
    struct topk *top;
    real least; /* what an item must be able to reach */
    uint32_t indices[KERNEL_LANES];
    size_t n;
};

static void score_pending(struct pending *p)
{
    real scores[KERNEL_LANES];
    catalogue_score(p->c, p->theta, p->indices, p->n, p->workspace, scores);
    for (size_t i = 0; i < p->n; i++)
        topk_push(p->top, scores[i], p->indices[i]);
    p->n = 0;
    if (topk_threshold(p->top) > p->least)
        p->least = topk_threshold(p->top);
}

static real take_item(void *arg, uint32_t index, real value)
{
    struct pending *p = arg;
    (void)value;
    p->indices[p->n++] = index;
    fetch_row(p->c, index);
    if (p->n == KERNEL_LANES)
        score_pending(p);
    return p->least;
}

/* Scores the items with the best lower bounds first: the k-th score is then close to what it will be at the end, and fewer
 * others can still reach it. They are all of the first chunk; most: its upper bounds. */
static void score_likely(struct pending *p, const struct topk *likely, real *most)
{
    for (size_t i = 0; i < likely->n; i++) {
        most[likely->entries[i].index] = -(real)INFINITY;
        (void)take_item(p, likely->entries[i].index, 0);
    }
    if (p->n)
        score_pending(p);
}

/* False when the context's numbers are too large for bounds. */
static bool screened_top_k(const struct catalogue *c, const struct target_pass *pass,
                           const struct catalogue_filter *filter, real *workspace, struct topk *top)
{
    struct screen_context context;
    struct topk_entry entries[MOST_SCREENED_K];
    struct lower_bounds bounds = {.floor = -REAL_MOST};
    real *least = workspace + exact_workspace_len(c), *most = least + CHUNK;
    struct pending pending = {.c = c, .theta = pass->theta, .workspace = workspace, .top = top};
    if (!screen_prepare(c->screen, pass, most + CHUNK, &context))
        return false;
    struct neighbours near = neighbours_of(c->spec, &pass->layout, pass->theta);
    size_t at = 0, next = 0;
    topk_init(&bounds.best, entries, top->k);
    for (size_t first = 0, n; first < c->n_blocks; first += n) {
        n = screen_bounds(c->screen, &context, first, least, most);
        widen_neighbours(&near, &at, first * KERNEL_LANES, n * KERNEL_LANES, least, most);
        exclude(filter, &next, first * KERNEL_LANES, n * KERNEL_LANES, least, most);
        if (first == 0)
            bounds.floor = first_floor(c, filter, least, n, top->k);
        each_above(c, filter, first, n, least, bounds.floor, take_bound, &bounds);
        if (topk_threshold(&bounds.best) > bounds.floor)
            bounds.floor = topk_threshold(&bounds.best);
        if (first == 0)
            score_likely(&pending, &bounds.best, most);
        pending.least = bounds.floor > topk_threshold(top) ? bounds.floor : topk_threshold(top);
        each_above(c, filter, first, n, most, pending.least, take_item, &pending);
    }
    if (pending.n)
        score_pending(&pending);
    return true;
}

void catalogue_top_k(const struct catalogue *c, const real *theta, const struct catalogue_filter *filter,
                     real *workspace, struct topk *top)
{
    struct target_pass pass;
    if (c->screen && top->n == 0 && top->k > 0 && top->k <= MOST_SCREENED_K) {
        target_pass_init(&pass, c->spec, c->params, theta);
        if (screened_top_k(c, &pass, filter, workspace, top))
            return;
    }
    exact_top_k(c, theta, filter, workspace, top);
}

void catalogue_score_all(const struct catalogue *c, const real *theta, real *workspace, real *scores)
{
    struct target_pass pass;
    target_pass_init(&pass, c->spec, c->params, theta);
    struct neighbours near = neighbours_of(c->spec, &pass.layout, theta);
    size_t at = 0;
    for (size_t block = 0; block < c->n_blocks; block++) {
        score_block(c, &pass, block, workspace + KERNEL_LANES, workspace);
        add_neighbours(&near, &at, block * KERNEL_LANES, block_rows(c, block), workspace);
        memcpy(scores + block * KERNEL_LANES, workspace, block_rows(c, block) * sizeof *scores);
    }
}
