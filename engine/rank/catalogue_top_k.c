/* The best of a whole catalogue are found in two passes where int8_bounds.h knows the model: bounds for all
 * in 8 bits, then exactly the few that may be among the best, block by gathered block. Elsewhere every block
 * is scored.
 *
 * Of a large catalogue either pass waits for memory: a hundred thousand items of 64 numbers are 10 MB of
 * bytes and their bounds. So contexts that are asked for together take turns on each chunk, which the first
 * of them brings into the second cache. Each has its own threshold, cursors and pending items, and does what
 * it does alone in the same order: its answer is the same to the last bit, whoever it shares the pass with.
 * (Contexts side by side in one kernel would save reads of the second cache too, which is not what a pass
 * waits for, and each context skips other items.) */
#include "engine/rank/catalogue_parts.h"

#include <float.h>
#include <math.h>

#define REAL_MOST ((real)FLT_MAX) /* bounds are far from it, and -infinity is beyond */

enum {
    MAX_SCREENED_K = 128,    /* for more of the best, one exact pass is as good */
    EXACT_CHUNK_BLOCKS = 64, /* of an exact pass alone: 256 KB of embeddings of 64 numbers */
};

/* A context on its way through the catalogue. */
struct scan {
    struct catalogue_pass pass;
    const struct catalogue_filter *filter;
    struct topk *top;
    size_t next, at; /* excluded indices and neighbours rise, so cursors walk along */
    bool screened;
    struct int8_bounds_context context;
    struct topk lower; /* the k best lower bounds */
    struct topk_entry lower_entries[MAX_SCREENED_K];
    real floor;                     /* k items are known to reach it */
    uint32_t pending[KERNEL_LANES]; /* (n_pending) items that wait to be scored exactly */
    size_t n_pending;
    real least; /* what an item must be able to reach */
};

/* ---- one pass ---- */

static void scan_exactly(struct scan *s, size_t first_block, size_t n_blocks)
{
    const struct catalogue *c = s->pass.c;
    real scores[KERNEL_LANES];
    for (size_t block = first_block; block < first_block + n_blocks; block++) {
        size_t first = block * KERNEL_LANES, n = catalogue_block_rows(c, block);
        catalogue_pass_block(&s->pass, block, scores);
        catalogue_pass_add_near(&s->pass, &s->at, first, n, scores);
        for (size_t r = 0; r < n; r++) {
            uint32_t index = (uint32_t)(c->first_index + first + r);
            if (catalogue_admits(s->filter, &s->next, index))
                topk_push(s->top, scores[r], index);
        }
    }
}

/* ---- two passes ---- */

/* Both bounds of a chunk of blocks. */
struct chunk {
    size_t first, n;    /* blocks */
    real *least, *most; /* (n, LANES) */
};

static bool allowed(const struct catalogue_filter *filter, size_t index)
{
    return !filter || !filter->allowed || (filter->allowed[index / 64] >> (index % 64) & 1);
}

/* Excluded items can reach nothing. */
static void exclude(struct scan *s, const struct chunk *chunk)
{
    const struct catalogue_filter *f = s->filter;
    size_t first = chunk->first * KERNEL_LANES, end = first + chunk->n * KERNEL_LANES;
    for (; f && s->next < f->n_excluded && f->excluded[s->next] < end; s->next++)
        chunk->least[f->excluded[s->next] - first] = chunk->most[f->excluded[s->next] - first] =
            -(real)INFINITY;
}

/* Calls on each allowed item of a chunk whose value reaches the threshold, which the call may raise. Of what
 * cannot be in an answer, excluded or past the end, the value is -infinity, and no threshold is. */
typedef real screen_fn(struct scan *s, uint32_t index, real value);

static void each_above(struct scan *s, const struct chunk *chunk, const real *values, real threshold,
                       screen_fn *call)
{
    const struct catalogue *c = s->pass.c;
    uint16_t lanes;
    for (size_t b = 0; (b = int8_bounds_next(c->screen, values, b, chunk->n, threshold, &lanes)) < chunk->n;
         b++)
        for (; lanes; lanes &= (uint16_t)(lanes - 1)) {
            size_t lane = (size_t)__builtin_ctz(lanes), index = (chunk->first + b) * KERNEL_LANES + lane;
            if (index < c->spec->n_items && allowed(s->filter, index))
                threshold = call(s, (uint32_t)index, values[b * KERNEL_LANES + lane]);
        }
}

/* Adds what the context's history says to both bounds of a chunk, and what that addition may round. */
static void widen_item_item(struct scan *s, const struct chunk *chunk)
{
    const real rounding = (real)2.4e-7;
    const struct item_item *b = &s->pass.near;
    size_t first = chunk->first * KERNEL_LANES, end = first + chunk->n * KERNEL_LANES;
    for (; s->at < b->n && b->items[s->at] < end; s->at++) {
        real value = b->values[s->at], off = (value < 0 ? -value : value) * rounding;
        chunk->least[b->items[s->at] - first] += value - off;
        chunk->most[b->items[s->at] - first] += value + off;
    }
}

/* What at least k items of the first chunk reach, found without looking at each: the k-th of the lanes'
 * largest values. */
static real first_floor(const struct scan *s, const struct chunk *chunk)
{
    real lanes[KERNEL_LANES];
    size_t k = s->top->k;
    if (k > KERNEL_LANES || (s->filter && s->filter->allowed))
        return -REAL_MOST;
    int8_bounds_lanes_most(s->pass.c->screen, chunk->least, chunk->n, lanes);
    for (size_t i = 0; i < k; i++) /* the best k to the front */
        for (size_t j = i + 1; j < KERNEL_LANES; j++)
            if (lanes[j] > lanes[i]) {
                real x = lanes[i];
                lanes[i] = lanes[j];
                lanes[j] = x;
            }
    return lanes[k - 1] > -REAL_MOST ? lanes[k - 1] : -REAL_MOST;
}

static real take_bound(struct scan *s, uint32_t index, real value)
{
    topk_push(&s->lower, value, index);
    real threshold = topk_threshold(&s->lower);
    return threshold > s->floor ? threshold : s->floor;
}

static void score_pending(struct scan *s)
{
    real scores[KERNEL_LANES];
    catalogue_pass_listed(&s->pass, s->pending, s->n_pending, 0, scores); /* their rows are fetched already */
    for (size_t i = 0; i < s->n_pending; i++)
        topk_push(s->top, scores[i], s->pending[i]);
    s->n_pending = 0;
    if (topk_threshold(s->top) > s->least)
        s->least = topk_threshold(s->top);
}

static real take_item(struct scan *s, uint32_t index, real value)
{
    (void)value;
    s->pending[s->n_pending++] = index;
    catalogue_fetch_item(s->pass.c, index, true);
    if (s->n_pending == KERNEL_LANES)
        score_pending(s);
    return s->least;
}

/* Scores the items with the best lower bounds first: the k-th score is then close to what it will be at the
 * end, and fewer others can still reach it. They are all of the first chunk. */
static void score_likely(struct scan *s, const struct chunk *chunk)
{
    for (size_t i = 0; i < s->lower.n; i++) {
        uint32_t index = s->lower.entries[i].index;
        chunk->most[index] = -(real)INFINITY;
        (void)take_item(s, index, 0);
    }
    if (s->n_pending)
        score_pending(s);
}

static void scan_bounds(struct scan *s, struct chunk *chunk)
{
    const struct catalogue *c = s->pass.c;
    (void)int8_bounds_compute(c->screen, &s->context, chunk->first, chunk->least, chunk->most);
    widen_item_item(s, chunk);
    exclude(s, chunk);
    if (chunk->first == 0)
        s->floor = first_floor(s, chunk);
    each_above(s, chunk, chunk->least, s->floor, take_bound);
    if (topk_threshold(&s->lower) > s->floor)
        s->floor = topk_threshold(&s->lower);
    if (chunk->first == 0)
        score_likely(s, chunk);
    s->least = s->floor > topk_threshold(s->top) ? s->floor : topk_threshold(s->top);
    each_above(s, chunk, chunk->most, s->least, take_item);
}

/* ---- contexts in turn ---- */

/* own: the context's part of the workspace. Not screened are contexts whose numbers are too large for bounds,
 * and lists that are long or begun. */
static void begin(struct scan *s, const struct catalogue *c, const struct catalogue_query *q, real *workspace,
                  real *own)
{
    catalogue_pass_init(&s->pass, c, q->theta, workspace, own);
    s->filter = q->filter;
    s->top = q->top;
    s->next = s->at = s->n_pending = 0;
    s->least = 0;
    s->screened = c->screen && q->top->n == 0 && q->top->k > 0 && q->top->k <= MAX_SCREENED_K &&
                  int8_bounds_prepare(c->screen, &s->pass.target, own + target_pass_workspace_len(c->spec),
                                      &s->context);
    if (!s->screened)
        return;
    s->floor = -REAL_MOST;
    topk_init(&s->lower, s->lower_entries, q->top->k);
}

/* The pass of n contexts, whose scans the caller has room for. */
static void pass(const struct catalogue *c, const struct catalogue_query *queries, size_t n, real *workspace,
                 struct scan *scans)
{
    size_t most = c->screen ? INT8_CHUNK_BLOCKS : EXACT_CHUNK_BLOCKS;
    struct chunk chunk = {.least = workspace + catalogue_scratch_len(c)};
    chunk.most = chunk.least + CATALOGUE_CHUNK;
    for (size_t i = 0; i < n; i++)
        begin(&scans[i], c, &queries[i], workspace,
              workspace + catalogue_own_at(c) + i * catalogue_own_len(c));
    for (; chunk.first < c->n_blocks; chunk.first += chunk.n) {
        chunk.n = c->n_blocks - chunk.first < most ? c->n_blocks - chunk.first : most;
        for (size_t i = 0; i < n; i++)
            if (scans[i].screened)
                scan_bounds(&scans[i], &chunk);
            else
                scan_exactly(&scans[i], chunk.first, chunk.n);
    }
    for (size_t i = 0; i < n; i++)
        if (scans[i].n_pending)
            score_pending(&scans[i]);
}

void catalogue_top_k(const struct catalogue *c, const real *theta, const struct catalogue_filter *filter,
                     real *workspace, struct topk *top)
{
    struct scan scan;
    const struct catalogue_query query = {theta, filter, top};
    pass(c, &query, 1, workspace, &scan);
}

void catalogue_top_k_each(const struct catalogue *c, const struct catalogue_query *queries, size_t n,
                          real *workspace)
{
    struct scan scans[CATALOGUE_TOGETHER];
    for (size_t done = 0, m; done < n; done += m) {
        m = n - done < CATALOGUE_TOGETHER ? n - done : CATALOGUE_TOGETHER;
        pass(c, queries + done, m, workspace, scans);
    }
}
