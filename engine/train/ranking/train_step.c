/* A batch's contexts share their negatives, so the items' side is computed once a shard and the scores of the
 * linear part are one product. A shard's columns are the negatives, then the targets of its own contexts that
 * are not among them: other shards' targets would be computed only to be left out. Gradients of dense tensors
 * are kept by shard and summed in the order of the shards; those of item rows come from the shards'
 * candidates; those of the encoder's tables are gathered by item. */
#include "engine/train/ranking/train_step.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/train/gradient/encoder_backward.h"
#include "engine/train/gradient/hypernet_backward.h"
#include "engine/train/gradient/target_backward.h"
#include "engine/train/ranking/softmax_loss.h"

#include <math.h>
#include <string.h>

enum { SUM_CHUNK = 8192, COLUMN_CHUNK = 64, RUN_CHUNK = 16 };

/* Reals of one tensor, beside each other, that this batch gave a gradient. */
struct run {
    size_t tensor, offset, n;
    double square; /* of the gradient */
};

struct shard {
    struct hypernet_tape hypernet;
    struct target_tape target;
    struct model_params grads; /* views of dense */
    real *dense;               /* (n_dense) */
    size_t n_columns;          /* negatives, then own targets */
    uint32_t *targets;         /* (n_columns - n_negatives) columns of the batch that these targets are */
    real *x;                   /* (n_columns, D) embeddings of the candidates */
    real *bias;                /* (n_columns) */
    real *scores;              /* (contexts, n_columns) then their gradient */
    real *dx;                  /* (n_columns, D) of the candidates */
    real *dbias;               /* (n_columns) */
    unsigned char *kinds;      /* (n_columns) enum candidate */
    double loss;
};

struct train_step {
    const struct model_spec *spec;
    struct param_block *block;
    const struct split *split;
    struct step_options options;
    struct parallel *team;
    size_t per_shard;   /* contexts */
    size_t max_columns; /* of the batch */
    size_t n_dense;
    struct shard shards[STEP_SHARDS];
    size_t n_negatives;           /* of the batch */
    size_t n_columns;             /* negatives, then targets that are not among them */
    uint32_t *columns;            /* (max_columns) item of a column */
    int32_t *column_of;           /* (n_items) column of an item, -1: none */
    uint32_t *target_columns;     /* (batch, SAMPLE_MAX_TARGETS) column of a target in its shard */
    unsigned char *touched;       /* (n_items) rows of the encoder's tables with a gradient */
    const struct sample *samples; /* of the batch */
    size_t n_samples;
    double offset, scale; /* of the loss */
    struct run *runs;
    size_t n_runs;
    long number; /* of the update */
    double rate;
    double clip; /* factor on the gradients; 0: they are dropped */
};

/* ---- life ---- */

static enum err_code shard_init(struct train_step *s, struct shard *h, struct err *e)
{
    size_t most = s->max_columns - s->n_negatives, own = s->per_shard * SAMPLE_MAX_TARGETS;
    size_t max_columns = s->n_negatives + (own < most ? own : most), d = s->spec->d_item;
    enum err_code code = hypernet_tape_init(&h->hypernet, s->spec, s->per_shard, e);
    if (!code)
        code = target_tape_init(&h->target, s->spec, max_columns, e);
    if (code)
        return code;
    h->dense = mem_zalloc_array(s->n_dense, sizeof *h->dense);
    h->targets = mem_alloc_array(max_columns - s->n_negatives, sizeof *h->targets);
    h->x = mem_alloc_aligned(max_columns * d, sizeof *h->x);
    h->bias = mem_alloc_array(max_columns, sizeof *h->bias);
    h->scores = mem_alloc_aligned(s->per_shard * max_columns, sizeof *h->scores);
    h->dx = mem_alloc_aligned(max_columns * d, sizeof *h->dx);
    h->dbias = mem_alloc_array(max_columns, sizeof *h->dbias);
    h->kinds = mem_alloc(max_columns);
    if (!h->dense || !h->targets || !h->x || !h->bias || !h->scores || !h->dx || !h->dbias || !h->kinds)
        return err_set(e, ERR_NOMEM, "no memory for a batch of %zu examples", s->options.batch);
    param_block_dense_views(s->block, h->dense, &h->grads);
    return ERR_OK;
}

static void shard_fini(struct shard *h)
{
    hypernet_tape_fini(&h->hypernet);
    target_tape_fini(&h->target);
    mem_free(h->dense);
    mem_free(h->targets);
    mem_free(h->x);
    mem_free(h->bias);
    mem_free(h->scores);
    mem_free(h->dx);
    mem_free(h->dbias);
    mem_free(h->kinds);
}

/* Runs that collect_runs may make. */
static size_t max_runs(const struct param_block *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_tensors; i++) {
        const struct tensor_spec *t = &b->tensors[i];
        size_t rows = b->table[i] ? t->n_rows : 1, cols = b->table[i] ? t->n_cols : t->n_rows * t->n_cols;
        n += rows * (cols / SUM_CHUNK + 1);
    }
    return n;
}

enum err_code train_step_new(const struct model_spec *spec, struct param_block *block,
                             const struct split *split, const struct step_options *options,
                             struct parallel *team, struct train_step **out, struct err *e)
{
    struct train_step *s = mem_zalloc_array(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for training");
    s->spec = spec;
    s->block = block;
    s->split = split;
    s->options = *options;
    s->team = team;
    s->per_shard = (options->batch + STEP_SHARDS - 1) / STEP_SHARDS;
    bool all = options->n_negatives >= spec->n_items;
    s->n_negatives = all ? spec->n_items : options->n_negatives;
    s->max_columns = all ? spec->n_items : options->n_negatives + options->batch * SAMPLE_MAX_TARGETS;
    s->n_dense = block->n_values - block->n_tables;
    s->columns = mem_alloc_array(s->max_columns, sizeof *s->columns);
    s->column_of = mem_alloc_array(spec->n_items, sizeof *s->column_of);
    s->target_columns = mem_alloc_array(options->batch * SAMPLE_MAX_TARGETS, sizeof *s->target_columns);
    s->touched = mem_zalloc_array(spec->n_items, 1);
    s->runs = mem_alloc_array(max_runs(block), sizeof *s->runs);
    enum err_code code = ERR_OK;
    if (!s->columns || !s->column_of || !s->target_columns || !s->touched || !s->runs)
        code = err_set(e, ERR_NOMEM, "no memory for training");
    for (size_t i = 0; !code && i < STEP_SHARDS; i++)
        code = shard_init(s, &s->shards[i], e);
    if (code) {
        train_step_free(s);
        return code;
    }
    for (size_t i = 0; i < spec->n_items; i++)
        s->column_of[i] = -1;
    *out = s;
    return ERR_OK;
}

void train_step_free(struct train_step *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < STEP_SHARDS; i++)
        shard_fini(&s->shards[i]);
    mem_free(s->columns);
    mem_free(s->column_of);
    mem_free(s->target_columns);
    mem_free(s->touched);
    mem_free(s->runs);
    mem_free(s);
}

/* ---- candidates ---- */

static void add_column(struct train_step *s, uint32_t item)
{
    s->column_of[item] = (int32_t)s->n_columns;
    s->columns[s->n_columns++] = item;
}

/* Gives the targets of a shard's samples their columns in it. */
static void place_targets(struct train_step *s, struct shard *h, const struct sample *samples, size_t n,
                          uint32_t *columns)
{
    h->n_columns = s->n_negatives;
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < samples[i].n_targets; t++) {
            uint32_t column = (uint32_t)s->column_of[samples[i].targets[t]];
            if (column >= s->n_negatives) {
                size_t k = 0, n_own = h->n_columns - s->n_negatives;
                while (k < n_own && h->targets[k] != column)
                    k++;
                if (k == n_own)
                    h->targets[h->n_columns++ - s->n_negatives] = column;
                column = (uint32_t)(s->n_negatives + k);
            }
            columns[i * SAMPLE_MAX_TARGETS + t] = column;
        }
}

static void shard_range(const struct train_step *s, size_t shard, size_t n_samples, size_t *first, size_t *n)
{
    *first = shard * s->per_shard < n_samples ? shard * s->per_shard : n_samples;
    *n = n_samples - *first < s->per_shard ? n_samples - *first : s->per_shard;
}

void train_step_draw(struct train_step *s, const struct sample *samples, size_t n, struct rng *rng)
{
    for (size_t i = 0; i < s->n_columns; i++)
        s->column_of[s->columns[i]] = -1;
    s->n_columns = 0;
    size_t n_items = s->spec->n_items;
    if (s->n_negatives == n_items)
        for (uint32_t i = 0; i < n_items; i++)
            add_column(s, i);
    while (s->n_columns < s->n_negatives) {
        uint32_t item = (uint32_t)rng_below(rng, n_items);
        if (s->column_of[item] < 0)
            add_column(s, item);
    }
    s->offset = log((double)n_items / (double)s->n_negatives);
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < samples[i].n_targets; t++)
            if (s->column_of[samples[i].targets[t]] < 0)
                add_column(s, samples[i].targets[t]);
    for (size_t i = 0; i < STEP_SHARDS; i++) {
        size_t first, n_own;
        shard_range(s, i, n, &first, &n_own);
        place_targets(s, &s->shards[i], samples + first, n_own,
                      s->target_columns + first * SAMPLE_MAX_TARGETS);
    }
}

/* Targets are targets; drawn items are negatives unless the user has them; other users' targets are left out.
 */
static void mark_kinds(const struct train_step *s, const struct shard *h, size_t k, unsigned char *kinds)
{
    const struct sample *sample = &s->samples[k];
    memset(kinds, CANDIDATE_NEGATIVE, s->n_negatives);
    memset(kinds + s->n_negatives, CANDIDATE_LEFT_OUT, h->n_columns - s->n_negatives);
    for (size_t i = s->split->start[sample->user]; i < s->split->end[sample->user]; i++) {
        int32_t column = s->column_of[s->split->interactions[i].item];
        if (column >= 0 && (size_t)column < s->n_negatives)
            kinds[column] = CANDIDATE_LEFT_OUT;
    }
    for (size_t t = 0; t < sample->n_targets; t++)
        kinds[s->target_columns[k * SAMPLE_MAX_TARGETS + t]] = CANDIDATE_TARGET;
}

/* ---- gradients ---- */

static void shard_contexts(const struct train_step *s, struct shard *h, const struct sample *samples,
                           size_t n)
{
    for (size_t r = 0; r < n; r++) {
        real *c = h->hypernet.c + r * s->spec->d_context;
        memcpy(c, samples[r].fold_in, s->spec->encoder.d_fold_in * sizeof *c);
        encoder_encode_learned(s->spec, &s->block->params, &samples[r].input, c);
    }
    hypernet_batch_forward(s->spec, &s->block->params, &h->hypernet, n);
}

static void shard_items(const struct train_step *s, struct shard *h)
{
    size_t d = s->spec->d_item;
    for (size_t i = 0; i < h->n_columns; i++) {
        size_t item = s->columns[i < s->n_negatives ? i : h->targets[i - s->n_negatives]];
        memcpy(h->x + i * d, s->block->params.catalogue_embedding + item * d, d * sizeof *h->x);
        h->bias[i] = s->block->params.catalogue_bias[item];
    }
}

/* Scores of all contexts by the linear part and the items' biases. */
static void shard_linear(const struct train_step *s, struct shard *h, size_t n)
{
    for (size_t r = 0; r < n; r++)
        memcpy(h->scores + r * h->n_columns, h->bias, h->n_columns * sizeof *h->scores);
    if (s->spec->has_linear)
        blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, h->n_columns, s->spec->d_item, 1,
                  h->hypernet.theta + h->hypernet.layout.linear, h->hypernet.layout.len, h->x,
                  s->spec->d_item, 1, h->scores, h->n_columns);
}

static void shard_linear_backward(const struct train_step *s, struct shard *h, size_t n)
{
    size_t d = s->spec->d_item, len = h->hypernet.layout.len, columns = h->n_columns;
    memcpy(h->dx, h->target.dx, columns * d * sizeof *h->dx);
    memset(h->dbias, 0,
           columns * sizeof *h->dbias); /* blas_gemv leaves it as it is for a shard without samples */
    blas_gemv(BLAS_TRANSPOSED, n, columns, 1, h->scores, columns, h->hypernet.ones, 0, h->dbias);
    if (!s->spec->has_linear)
        return;
    blas_gemm(BLAS_AS_IS, BLAS_AS_IS, n, d, columns, 1, h->scores, columns, h->x, d, 1,
              h->hypernet.dtheta + h->hypernet.layout.linear, len);
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, columns, d, n, 1, h->scores, columns,
              h->hypernet.theta + h->hypernet.layout.linear, len, 1, h->dx, d);
}

static void run_shard(void *arg, size_t i, size_t thread)
{
    (void)thread;
    struct train_step *s = arg;
    struct shard *h = &s->shards[i];
    size_t first, n, len = h->hypernet.layout.len;
    shard_range(s, i, s->n_samples, &first, &n);
    const struct sample *samples = s->samples + first;
    memset(h->dense, 0, s->n_dense * sizeof *h->dense);
    h->loss = 0;
    shard_items(s, h);
    shard_contexts(s, h, samples, n);
    shard_linear(s, h, n);
    memset(h->hypernet.dtheta, 0, n * len * sizeof(real));
    target_tape_start(s->spec, &s->block->params, &h->target, h->x, h->n_columns);
    for (size_t r = 0; r < n; r++) {
        real *scores = h->scores + r * h->n_columns;
        const real *theta = h->hypernet.theta + r * len;
        if (s->spec->n_layers)
            target_tape_forward(s->spec, &s->block->params, &h->target, theta, scores);
        mark_kinds(s, h, first + r, h->kinds);
        h->loss += softmax_loss(scores, h->kinds, h->n_columns, s->offset, s->scale);
        if (s->spec->n_layers)
            target_tape_backward(s->spec, &s->block->params, &h->target, theta, scores,
                                 h->hypernet.dtheta + r * len, &h->grads);
    }
    target_tape_finish(s->spec, &s->block->params, &h->target, &h->grads);
    shard_linear_backward(s, h, n);
    hypernet_batch_backward(s->spec, &s->block->params, &h->hypernet, &h->grads);
    for (size_t r = 0; r < n; r++)
        encoder_backward_dense(s->spec, &s->block->params, &samples[r].input,
                               h->hypernet.dc + r * s->spec->d_context, &h->grads);
}

static void sum_dense(void *arg, size_t chunk, size_t thread)
{
    (void)thread;
    struct train_step *s = arg;
    size_t at = chunk * SUM_CHUNK, n = s->n_dense - at < SUM_CHUNK ? s->n_dense - at : SUM_CHUNK;
    for (size_t i = 0; i < STEP_SHARDS; i++)
        blas_axpy(n, 1, s->shards[i].dense + at, s->block->grads + s->block->n_tables + at);
}

/* Adds what a shard has of its column to the item of the batch's column. */
static void add_column_gradient(struct train_step *s, const struct shard *h, size_t own, size_t column)
{
    size_t d = s->spec->d_item, item = s->columns[column];
    blas_axpy(d, 1, h->dx + own * d, s->block->grad_params.catalogue_embedding + item * d);
    s->block->grad_params.catalogue_bias[item] += h->dbias[own];
}

/* The last call takes the targets that are no negatives, of which two shards may have the same. */
static void sum_columns(void *arg, size_t chunk, size_t thread)
{
    (void)thread;
    struct train_step *s = arg;
    size_t first = chunk * COLUMN_CHUNK, last = first + COLUMN_CHUNK;
    for (size_t i = first; i < last && i < s->n_negatives; i++)
        for (size_t k = 0; k < STEP_SHARDS; k++)
            add_column_gradient(s, &s->shards[k], i, i);
    if (first < s->n_negatives)
        return;
    for (size_t k = 0; k < STEP_SHARDS; k++) {
        const struct shard *h = &s->shards[k];
        for (size_t i = s->n_negatives; i < h->n_columns; i++)
            add_column_gradient(s, h, i, h->targets[i - s->n_negatives]);
    }
}

static void sum_encoder_tables(void *arg, size_t part, size_t thread)
{
    (void)thread;
    struct train_step *s = arg;
    for (size_t k = 0; k < s->n_samples; k++) {
        const struct shard *h = &s->shards[k / s->per_shard];
        encoder_backward_tables(s->spec, &s->block->params, &s->samples[k].input,
                                h->hypernet.dc + k % s->per_shard * s->spec->d_context, part, STEP_SHARDS,
                                &s->block->grad_params, s->touched);
    }
}

double train_step_gradients(struct train_step *s, const struct sample *samples, size_t n)
{
    size_t n_targets = 0;
    for (size_t i = 0; i < n; i++)
        n_targets += samples[i].n_targets;
    s->samples = samples;
    s->n_samples = n;
    s->scale = n_targets ? 1 / (double)n_targets : 0;
    parallel_for(s->team, STEP_SHARDS, run_shard, s);
    parallel_for(s->team, (s->n_dense + SUM_CHUNK - 1) / SUM_CHUNK, sum_dense, s);
    parallel_for(s->team, (s->n_negatives + COLUMN_CHUNK - 1) / COLUMN_CHUNK + 1, sum_columns, s);
    if (s->spec->encoder.d_history || s->spec->encoder.d_recent || s->spec->encoder.d_disliked)
        parallel_for(s->team, STEP_SHARDS, sum_encoder_tables, s);
    double loss = 0;
    for (size_t i = 0; i < STEP_SHARDS; i++)
        loss += s->shards[i].loss;
    return loss;
}

/* ---- update ---- */

/* Cuts everything that this batch gave a gradient into runs: dense tensors in pieces, touched rows of
 * tables. */
static void add_runs(struct train_step *s, size_t tensor, size_t offset, size_t n)
{
    for (size_t at = 0; at < n; at += SUM_CHUNK)
        s->runs[s->n_runs++] = (struct run){tensor, offset + at, n - at < SUM_CHUNK ? n - at : SUM_CHUNK, 0};
}

static void collect_runs(struct train_step *s)
{
    const struct param_block *b = s->block;
    s->n_runs = 0;
    for (size_t i = 0; i < b->n_tensors; i++) {
        const struct tensor_spec *t = &b->tensors[i];
        if (b->frozen[i])
            continue;
        if (!b->table[i]) {
            add_runs(s, i, b->offset[i], t->n_rows * t->n_cols);
        } else if (t->group == GROUP_ITEM) {
            for (size_t k = 0; k < s->n_columns; k++)
                add_runs(s, i, b->offset[i] + s->columns[k] * t->n_cols, t->n_cols);
        } else {
            for (size_t item = 0; item < t->n_rows; item++)
                if (s->touched[item])
                    add_runs(s, i, b->offset[i] + item * t->n_cols, t->n_cols);
        }
    }
}

static void square_runs(void *arg, size_t chunk, size_t thread)
{
    (void)thread;
    struct train_step *s = arg;
    for (size_t i = chunk * RUN_CHUNK; i < s->n_runs && i < (chunk + 1) * RUN_CHUNK; i++) {
        struct run *r = &s->runs[i];
        const real *g = s->block->grads + r->offset;
        r->square = (double)blas_dot(r->n, g, g);
    }
}

static void update_run(struct train_step *s, const struct run *r)
{
    struct param_block *b = s->block;
    double rate = s->options.rates[b->tensors[r->tensor].group] * s->rate;
    struct adam adam = s->options.adam;
    if (b->tensors[r->tensor].vector || b->tensors[r->tensor].group == GROUP_LINEAR ||
        b->tensors[r->tensor].group == GROUP_ITEM)
        adam.weight_decay =
            0; /* biases, norms, and what starts as matrix factorisation are not drawn to zero */
    if (rate > 0 && s->clip > 0)
        adam_update(&adam, s->number, rate, s->clip, r->n, b->values + r->offset, b->grads + r->offset,
                    b->moment1 + r->offset, b->moment2 + r->offset);
    else
        memset(b->grads + r->offset, 0, r->n * sizeof *b->grads);
}

static void update_runs(void *arg, size_t chunk, size_t thread)
{
    (void)thread;
    struct train_step *s = arg;
    for (size_t i = chunk * RUN_CHUNK; i < s->n_runs && i < (chunk + 1) * RUN_CHUNK; i++)
        update_run(s, &s->runs[i]);
}

double train_step_update(struct train_step *s, long number, double rate)
{
    double square = 0;
    collect_runs(s);
    size_t n_chunks = (s->n_runs + RUN_CHUNK - 1) / RUN_CHUNK;
    parallel_for(s->team, n_chunks, square_runs, s);
    for (size_t i = 0; i < s->n_runs; i++)
        square += s->runs[i].square;
    double norm = sqrt(square);
    s->number = number;
    s->rate = rate;
    s->clip = !isfinite(norm)                                 ? 0
              : s->options.clip > 0 && norm > s->options.clip ? s->options.clip / norm
                                                              : 1;
    parallel_for(s->team, n_chunks, update_runs, s);
    memset(s->touched, 0, s->spec->n_items);
    return norm;
}
