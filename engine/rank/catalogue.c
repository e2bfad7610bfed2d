/* What all contexts share is computed once, when the model is opened. Let L be the first target layer whose
 * weights are generated (or the number of layers when none is): the layers before L are shared, so their
 * output on every item is shared too; of layer L itself, V x (core) or W0 x (low_rank) is shared. Both are
 * kept item by item, because that is how they are read once bounds or a request say which items count:
 * kept[item][len], len = input of L when L > 0, then its shared part. For L = 0 the input is the item
 * embedding itself, which stays in the mapped file; for a `full` first layer nothing is kept. When L is the
 * number of layers, the one output is kept.
 *
 * The best of a whole catalogue are found in two passes where int8_bounds.h knows the model: bounds for all
 * in 8 bits, then exactly the few that may be among the best, block by gathered block. */
#include "engine/rank/catalogue.h"

#include "base/mem.h"
#include "engine/network/item_item.h"
#include "engine/network/target_block.h"
#include "engine/rank/int8_bounds.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct catalogue {
    const struct model_spec *spec;
    const struct model_params *params;
    size_t first_index; /* of the items, as catalogue_top_k counts them */
    size_t first;       /* L */
    size_t n_blocks;
    bool keeps_input;           /* the input of L is kept */
    bool needs_input;           /* layer L reads its input although its shared part is kept */
    size_t input_len;           /* reals of an item's kept input */
    size_t shared_len;          /* reals of an item's kept shared part */
    real *kept;                 /* (I, input_len + shared_len) */
    struct int8_bounds *screen; /* NULL: every item is scored exactly */
};

#define REAL_MOST ((real)FLT_MAX) /* bounds are far from it, and -infinity is beyond */

enum {
    CHUNK = INT8_CHUNK_BLOCKS * KERNEL_LANES, /* items between two thresholds */
    MAX_SCREENED_K = 128,                     /* for more of the best, one exact pass is as good */
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

static size_t kept_len(const struct catalogue *c)
{
    return c->input_len + c->shared_len;
}

/* Computes the kept part of one block of items. buffers: three. */
static void fill_block(const struct catalogue *c, const struct target_pass *pass, size_t block, real *buffers)
{
    size_t d = c->spec->d_item, len = target_block_buffer_len(c->spec), n = block_rows(c, block);
    real *x = buffers, *rows[KERNEL_LANES], unread[KERNEL_LANES] = {0};
    for (size_t r = 0; r < n; r++)
        rows[r] = c->kept + (block * KERNEL_LANES + r) * kept_len(c);
    target_block_load(c->params->catalogue_embedding + block * KERNEL_LANES * d, n, d, x);
    for (size_t i = 0; i < c->first; i++) {
        real *out = x == buffers ? buffers + len : buffers;
        target_block_layer(pass, i, x, NULL, buffers + 2 * len, out);
        x = out;
    }
    pass->kernels->lanes_to_rows(x, n, c->input_len, rows, 0, false, unread);
    if (c->shared_len) {
        real *shared = buffers + 2 * len;
        target_block_shared(pass, c->first, x, shared);
        pass->kernels->lanes_to_rows(shared, n, c->shared_len, rows, c->input_len, false, unread);
    }
}

static void plan(struct catalogue *c)
{
    const struct model_spec *spec = c->spec;
    c->first = first_generated(spec);
    c->n_blocks = (spec->n_items + KERNEL_LANES - 1) / KERNEL_LANES;
    const struct layer_spec *l = c->first < spec->n_layers ? &spec->layers[c->first] : NULL;
    c->shared_len = l ? target_block_shared_len(l) : 0;
    c->needs_input = l && l->generator != GENERATOR_CORE;
    c->keeps_input = c->first > 0 && (!l || c->needs_input);
    size_t d_input = l ? l->d_in : spec->d_output;
    c->input_len = c->keeps_input ? d_input : 0;
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
    size_t n;
    if (kept_len(c)) {
        if (__builtin_mul_overflow(spec->n_items, kept_len(c), &n) ||
            !(c->kept = mem_alloc_aligned(n, sizeof(real))))
            goto no_memory;
        struct target_pass pass;
        target_pass_init(&pass, spec, params, NULL, NULL);
        for (size_t b = 0; b < c->n_blocks; b++)
            fill_block(c, &pass, b, buffers);
    }
    mem_free(buffers);
    enum err_code code = ERR_OK;
    if (first == 0 && spec->n_items >= LEAST_SCREENED_ITEMS) /* the screen counts items from 0 */
        code = int8_bounds_new(spec, params, c->kept, int8_kernel_best(), &c->screen, e);
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
        int8_bounds_free(c->screen);
        mem_free(c->kept);
        mem_free(c);
    }
}

/* The pass's, scores[LANES], a block of kept parts in lanes, three buffers. */
static size_t exact_workspace_len(const struct catalogue *c)
{
    return target_pass_workspace_len(c->spec) + KERNEL_LANES + kept_len(c) * KERNEL_LANES +
           3 * target_block_buffer_len(c->spec);
}

/* Then, with a screen, the bounds of a chunk and the context's bytes. */
size_t catalogue_workspace_len(const struct catalogue *c)
{
    return exact_workspace_len(c) + (c->screen ? 2 * CHUNK + int8_bounds_workspace_len(c->screen) : 0);
}

/* Where rows of len reals that begin at base stand: rows `first`.. without indices, else those they name.
 * Those past the n-th repeat the first, which is quicker than leaving lanes empty. */
static void find_rows(const real *base, size_t len, const uint32_t *indices, size_t first, size_t n,
                      const real *rows[KERNEL_LANES])
{
    for (size_t r = 0; r < KERNEL_LANES; r++)
        rows[r] = base + (indices ? indices[r < n ? r : 0] : first + (r < n ? r : 0)) * len;
}

/* Such rows as lanes of x (len, LANES). */
static void to_lanes(const struct target_pass *pass, const real *base, size_t len, const uint32_t *indices,
                     size_t first, size_t n, real *x)
{
    const real *rows[KERNEL_LANES];
    find_rows(base, len, indices, first, n, rows);
    pass->kernels->rows_to_lanes(rows, KERNEL_LANES, len, x);
}

/* Adds the MLP part to scores (n) of a block of items, named as in to_lanes. workspace: a block of kept
 * parts, three buffers. */
static void add_layers(const struct catalogue *c, const struct target_pass *pass, const uint32_t *indices,
                       size_t first, size_t n, real *workspace, real *scores)
{
    if (c->spec->n_layers == 0)
        return;
    real *kept = workspace, *buffers = kept + kept_len(c) * KERNEL_LANES;
    const real *x = kept, *shared = c->shared_len ? kept + c->input_len * KERNEL_LANES : NULL, *out;
    if (kept_len(c))
        to_lanes(pass, c->kept, kept_len(c), indices, first, n, kept);
    if (!c->keeps_input && c->needs_input) { /* the layers start from the embeddings themselves */
        to_lanes(pass, c->params->catalogue_embedding, c->spec->d_item, indices, first, n, buffers);
        x = buffers;
    }
    out = target_block_layers(pass, c->first, x, shared, buffers);
    for (size_t r = 0; r < n; r++)
        scores[r] += out[r];
}

/* scores (n) of such a block of items: bias and linear part, then the MLP part. workspace: a block of kept
 * parts, three buffers. */
static void score_rows(const struct catalogue *c, const struct target_pass *pass, const uint32_t *indices,
                       size_t first, size_t n, real *workspace, real *scores)
{
    const real *rows[KERNEL_LANES];
    memset(scores, 0, n * sizeof *scores);
    if (c->spec->has_linear) {
        find_rows(c->params->catalogue_embedding, c->spec->d_item, indices, first, n, rows);
        pass->kernels->dot_rows(rows, n, c->spec->d_item, pass->theta + pass->layout.linear, scores);
    }
    for (size_t r = 0; r < n; r++)
        scores[r] += c->params->catalogue_bias[indices ? indices[r] : first + r];
    add_layers(c, pass, indices, first, n, workspace, scores);
}

/* Asks for n reals, into the cache nearest to the core or into the second: a constant of the instruction. */
static inline __attribute__((always_inline)) void fetch(const real *x, size_t n, bool near)
{
    enum { LINE = 64 / sizeof(real) };
    for (size_t i = 0; i < n; i += LINE)
        if (near)
            __builtin_prefetch(x + i, 0, 3);
        else
            __builtin_prefetch(x + i, 0, 2);
}

/* The hardware fetches ahead within a page only, and a page is 16 rows of 64 reals. */
enum { BLOCKS_AHEAD = 4 };

/* scores of one block of consecutive items; what follows is asked for. */
static void score_block(const struct catalogue *c, const struct target_pass *pass, size_t block,
                        real *workspace, real *scores)
{
    size_t ahead = (block + BLOCKS_AHEAD) * KERNEL_LANES, d = c->spec->d_item;
    if (ahead + KERNEL_LANES <= c->spec->n_items) {
        fetch(c->params->catalogue_embedding + ahead * d, KERNEL_LANES * d, false);
        if (c->kept)
            fetch(c->kept + ahead * kept_len(c), KERNEL_LANES * kept_len(c), false);
    }
    score_rows(c, pass, NULL, block * KERNEL_LANES, block_rows(c, block), workspace, scores);
}

/* Adds what the context's history says of items [first, first + n); *at walks along the rising entries. */
static void add_item_item(const struct item_item *b, size_t *at, size_t first, size_t n, real *scores)
{
    for (; *at < b->n && b->items[*at] < first + n; (*at)++)
        scores[b->items[*at] - first] += b->values[*at];
}

static void exact_top_k(const struct catalogue *c, const real *theta, const struct catalogue_filter *filter,
                        real *workspace, struct topk *top)
{
    struct target_pass pass;
    target_pass_init(&pass, c->spec, c->params, theta, workspace);
    real *scores = workspace + target_pass_workspace_len(c->spec), *rest = scores + KERNEL_LANES;
    struct item_item near = item_item_of(c->spec, &pass.layout, theta);
    size_t next = 0, at = 0; /* excluded indices and neighbours rise, so cursors walk along */
    for (size_t block = 0; block < c->n_blocks; block++) {
        score_block(c, &pass, block, rest, scores);
        size_t first = block * KERNEL_LANES, n = block_rows(c, block);
        add_item_item(&near, &at, first, n, scores);
        for (size_t r = 0; r < n; r++) {
            uint32_t index = (uint32_t)(c->first_index + first + r);
            if (catalogue_admits(filter, &next, index))
                topk_push(top, scores[r], index);
        }
    }
}

/* ---- listed items ---- */

/* Items whose rows are on their way while others are scored: they lie nowhere near each other. */
enum { AHEAD = 8 };

static inline __attribute__((always_inline)) void fetch_item(const struct catalogue *c, size_t index,
                                                             bool near)
{
    fetch(c->params->catalogue_embedding + index * c->spec->d_item, c->spec->d_item, near);
    if (c->kept)
        fetch(c->kept + index * kept_len(c), kept_len(c), near);
}

void catalogue_fetch(const struct catalogue *c, size_t index)
{
    fetch_item(c, index, false);
}

/* What scoring listed items needs of a context. */
struct listed {
    const struct catalogue *c;
    struct target_pass pass;
    struct item_item near;
    real *workspace;
};

static struct listed listed_of(const struct catalogue *c, const real *theta, real *workspace)
{
    struct listed l = {.c = c, .workspace = workspace + target_pass_workspace_len(c->spec)};
    target_pass_init(&l.pass, c->spec, c->params, theta, workspace);
    l.near = item_item_of(c->spec, &l.pass.layout, theta);
    return l;
}

/* scores (m) of the first m <= LANES of n items; the rows of those that follow are fetched. */
static void score_lanes(const struct listed *l, const uint32_t *indices, size_t m, size_t n, real *scores)
{
    for (size_t r = AHEAD; r < m + AHEAD && r < n; r++)
        fetch_item(l->c, indices[r], true);
    score_rows(l->c, &l->pass, indices, 0, m, l->workspace, scores);
    for (size_t r = 0; r < m && l->near.n; r++) {
        real value = item_item_value(&l->near, indices[r]);
        if (value != 0) /* to -0 even 0 would be a change */
            scores[r] += value;
    }
}

void catalogue_score(const struct catalogue *c, const real *theta, const uint32_t *indices, size_t n,
                     real *workspace, real *scores)
{
    struct listed l = listed_of(c, theta, workspace);
    for (size_t i = 0; i < n && i < AHEAD; i++)
        fetch_item(c, indices[i], true);
    for (size_t start = 0; start < n; start += KERNEL_LANES) {
        size_t m = n - start < KERNEL_LANES ? n - start : KERNEL_LANES;
        score_lanes(&l, indices + start, m, n - start, scores + start);
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

/* Calls on each allowed item of a chunk whose value reaches the threshold, which the call may raise. Of what
 * cannot be in an answer, excluded or past the end, the value is -infinity, and no threshold is. */
typedef real screen_fn(void *arg, uint32_t index, real value);

static void each_above(const struct catalogue *c, const struct catalogue_filter *filter, size_t first,
                       size_t n, const real *values, real threshold, screen_fn *call, void *arg)
{
    uint16_t lanes;
    for (size_t b = 0; (b = int8_bounds_next(c->screen, values, b, n, threshold, &lanes)) < n; b++)
        for (; lanes; lanes &= (uint16_t)(lanes - 1)) {
            size_t lane = (size_t)__builtin_ctz(lanes), index = (first + b) * KERNEL_LANES + lane;
            if (index < c->spec->n_items && allowed(filter, index))
                threshold = call(arg, (uint32_t)index, values[b * KERNEL_LANES + lane]);
        }
}

/* Adds what the context's history says to both bounds of a chunk, and what that addition may round. */
static void widen_item_item(const struct item_item *b, size_t *at, size_t first, size_t n, real *least,
                            real *most)
{
    const real rounding = (real)2.4e-7;
    for (; *at < b->n && b->items[*at] < first + n; (*at)++) {
        real value = b->values[*at], off = (value < 0 ? -value : value) * rounding;
        least[b->items[*at] - first] += value - off;
        most[b->items[*at] - first] += value + off;
    }
}

/* What at least k items of a chunk reach, found without looking at each: the k-th of the lanes' largest
 * values. */
static real first_floor(const struct catalogue *c, const struct catalogue_filter *filter, const real *least,
                        size_t n, size_t k)
{
    real lanes[KERNEL_LANES];
    if (k > KERNEL_LANES || (filter && filter->allowed))
        return -REAL_MOST;
    int8_bounds_lanes_most(c->screen, least, n, lanes);
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
    struct listed listed;
    struct topk *top;
    real least; /* what an item must be able to reach */
    uint32_t indices[KERNEL_LANES];
    size_t n;
};

static void score_pending(struct pending *p)
{
    real scores[KERNEL_LANES];
    score_lanes(&p->listed, p->indices, p->n, 0, scores); /* their rows are fetched already */
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
    fetch_item(p->listed.c, index, true);
    if (p->n == KERNEL_LANES)
        score_pending(p);
    return p->least;
}

/* Scores the items with the best lower bounds first: the k-th score is then close to what it will be at the
 * end, and fewer others can still reach it. They are all of the first chunk; most: its upper bounds. */
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
static bool screened_top_k(const struct catalogue *c, const real *theta,
                           const struct catalogue_filter *filter, real *workspace, struct topk *top)
{
    struct int8_bounds_context context;
    struct topk_entry entries[MAX_SCREENED_K];
    struct lower_bounds bounds = {.floor = -REAL_MOST};
    real *least = workspace + exact_workspace_len(c), *most = least + CHUNK;
    struct pending pending = {.listed = listed_of(c, theta, workspace), .top = top};
    const struct item_item *near = &pending.listed.near;
    if (!int8_bounds_prepare(c->screen, &pending.listed.pass, most + CHUNK, &context))
        return false;
    size_t at = 0, next = 0;
    topk_init(&bounds.best, entries, top->k);
    for (size_t first = 0, n; first < c->n_blocks; first += n) {
        n = int8_bounds_compute(c->screen, &context, first, least, most);
        widen_item_item(near, &at, first * KERNEL_LANES, n * KERNEL_LANES, least, most);
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
    if (c->screen && top->n == 0 && top->k > 0 && top->k <= MAX_SCREENED_K &&
        screened_top_k(c, theta, filter, workspace, top))
        return;
    exact_top_k(c, theta, filter, workspace, top);
}

void catalogue_score_all(const struct catalogue *c, const real *theta, real *workspace, real *scores)
{
    struct target_pass pass;
    target_pass_init(&pass, c->spec, c->params, theta, workspace);
    struct item_item near = item_item_of(c->spec, &pass.layout, theta);
    real *own = workspace + target_pass_workspace_len(c->spec), *rest = own + KERNEL_LANES;
    size_t at = 0;
    for (size_t block = 0; block < c->n_blocks; block++) {
        score_block(c, &pass, block, rest, own);
        add_item_item(&near, &at, block * KERNEL_LANES, block_rows(c, block), own);
        memcpy(scores + block * KERNEL_LANES, own, block_rows(c, block) * sizeof *scores);
    }
}
