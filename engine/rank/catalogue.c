/* What all contexts share is computed once, when the model is opened. Let L be the first target layer whose
 * weights are generated (or the number of layers when none is): the layers before L are shared, so their
 * output on every item is shared too; of layer L itself, V x (core) or W0 x (low_rank) is shared. Both are
 * kept item by item, because that is how they are read once bounds or a request say which items count:
 * kept[item][len], len = input of L when L > 0, then its shared part. For L = 0 the input is the item
 * embedding itself, which stays in the mapped file; for a `full` first layer nothing is kept. When L is the
 * number of layers, the one output is kept. */
#include "engine/rank/catalogue_parts.h"

#include "base/mem.h"

#include <string.h>

enum { LEAST_SCREENED_ITEMS = 512 };

static size_t first_generated(const struct model_spec *spec)
{
    size_t i = 0;
    while (i < spec->n_layers && spec->layers[i].generator == GENERATOR_SHARED &&
           spec->layers[i].bias != BIAS_FULL)
        i++;
    return i;
}

/* Computes the kept part of one block of items. buffers: three. */
static void fill_block(const struct catalogue *c, const struct target_pass *pass, size_t block, real *buffers)
{
    size_t d = c->spec->d_item, len = target_block_buffer_len(c->spec), n = catalogue_block_rows(c, block);
    real *x = buffers, *rows[KERNEL_LANES], unread[KERNEL_LANES] = {0};
    for (size_t r = 0; r < n; r++)
        rows[r] = c->kept + (block * KERNEL_LANES + r) * catalogue_kept_len(c);
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
    if (catalogue_kept_len(c)) {
        if (__builtin_mul_overflow(spec->n_items, catalogue_kept_len(c), &n) ||
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

size_t catalogue_workspace_len(const struct catalogue *c)
{
    return catalogue_own_at(c) + catalogue_own_len(c);
}

size_t catalogue_each_workspace_len(const struct catalogue *c)
{
    return catalogue_own_at(c) + CATALOGUE_TOGETHER * catalogue_own_len(c);
}

/* ---- exact scores ---- */

void catalogue_pass_init(struct catalogue_pass *p, const struct catalogue *c, const real *theta,
                         real *workspace, real *own)
{
    p->c = c;
    p->scratch = workspace;
    target_pass_init(&p->target, c->spec, c->params, theta, own);
    p->near = item_item_of(c->spec, &p->target.layout, theta);
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

/* Adds the MLP part to scores (n) of a block of items, named as in to_lanes. */
static void add_layers(const struct catalogue_pass *p, const uint32_t *indices, size_t first, size_t n,
                       real *scores)
{
    const struct catalogue *c = p->c;
    if (c->spec->n_layers == 0)
        return;
    real *kept = p->scratch, *buffers = kept + catalogue_kept_len(c) * KERNEL_LANES;
    const real *x = kept, *shared = c->shared_len ? kept + c->input_len * KERNEL_LANES : NULL, *out;
    if (catalogue_kept_len(c))
        to_lanes(&p->target, c->kept, catalogue_kept_len(c), indices, first, n, kept);
    if (!c->keeps_input && c->needs_input) { /* the layers start from the embeddings themselves */
        to_lanes(&p->target, c->params->catalogue_embedding, c->spec->d_item, indices, first, n, buffers);
        x = buffers;
    }
    out = target_block_layers(&p->target, c->first, x, shared, buffers);
    for (size_t r = 0; r < n; r++)
        scores[r] += out[r];
}

/* scores (n) of such a block of items: bias and linear part, then the MLP part. */
static void score_rows(const struct catalogue_pass *p, const uint32_t *indices, size_t first, size_t n,
                       real *scores)
{
    const struct catalogue *c = p->c;
    const struct target_pass *t = &p->target;
    const real *rows[KERNEL_LANES];
    memset(scores, 0, n * sizeof *scores);
    if (c->spec->has_linear) {
        find_rows(c->params->catalogue_embedding, c->spec->d_item, indices, first, n, rows);
        t->kernels->dot_rows(rows, n, c->spec->d_item, t->theta + t->layout.linear, scores);
    }
    for (size_t r = 0; r < n; r++)
        scores[r] += c->params->catalogue_bias[indices ? indices[r] : first + r];
    add_layers(p, indices, first, n, scores);
}

/* The hardware fetches ahead within a page only, and a page is 16 rows of 64 reals. */
enum { BLOCKS_AHEAD = 4 };

void catalogue_pass_block(const struct catalogue_pass *p, size_t block, real *scores)
{
    const struct catalogue *c = p->c;
    size_t ahead = (block + BLOCKS_AHEAD) * KERNEL_LANES, d = c->spec->d_item, len = catalogue_kept_len(c);
    if (ahead + KERNEL_LANES <= c->spec->n_items) {
        catalogue_fetch_reals(c->params->catalogue_embedding + ahead * d, KERNEL_LANES * d, false);
        if (c->kept)
            catalogue_fetch_reals(c->kept + ahead * len, KERNEL_LANES * len, false);
    }
    score_rows(p, NULL, block * KERNEL_LANES, catalogue_block_rows(c, block), scores);
}

void catalogue_pass_add_near(const struct catalogue_pass *p, size_t *at, size_t first, size_t n, real *scores)
{
    const struct item_item *b = &p->near;
    for (; *at < b->n && b->items[*at] < first + n; (*at)++)
        scores[b->items[*at] - first] += b->values[*at];
}

/* ---- listed items ---- */

/* Items whose rows are on their way while others are scored: they lie nowhere near each other. */
enum { AHEAD = 8 };

void catalogue_fetch(const struct catalogue *c, size_t index)
{
    catalogue_fetch_item(c, index, false);
}

void catalogue_pass_listed(const struct catalogue_pass *p, const uint32_t *indices, size_t m, size_t n,
                           real *scores)
{
    for (size_t r = AHEAD; r < m + AHEAD && r < n; r++)
        catalogue_fetch_item(p->c, indices[r], true);
    score_rows(p, indices, 0, m, scores);
    for (size_t r = 0; r < m && p->near.n; r++) {
        real value = item_item_value(&p->near, indices[r]);
        if (value != 0) /* to -0 even 0 would be a change */
            scores[r] += value;
    }
}

void catalogue_score(const struct catalogue *c, const real *theta, const uint32_t *indices, size_t n,
                     real *workspace, real *scores)
{
    struct catalogue_pass p;
    catalogue_pass_init(&p, c, theta, workspace, workspace + catalogue_own_at(c));
    for (size_t i = 0; i < n && i < AHEAD; i++)
        catalogue_fetch_item(c, indices[i], true);
    for (size_t start = 0; start < n; start += KERNEL_LANES) {
        size_t m = n - start < KERNEL_LANES ? n - start : KERNEL_LANES;
        catalogue_pass_listed(&p, indices + start, m, n - start, scores + start);
    }
}

void catalogue_score_all(const struct catalogue *c, const real *theta, real *workspace, real *scores)
{
    struct catalogue_pass p;
    size_t at = 0;
    catalogue_pass_init(&p, c, theta, workspace, workspace + catalogue_own_at(c));
    for (size_t block = 0; block < c->n_blocks; block++) {
        size_t first = block * KERNEL_LANES;
        catalogue_pass_block(&p, block, scores + first);
        catalogue_pass_add_near(&p, &at, first, catalogue_block_rows(c, block), scores + first);
    }
}
