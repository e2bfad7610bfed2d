#include "engine/train/continual/continual.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/train/gradient/adam.h"

#include <math.h>
#include <string.h>

/* Streams of a seed's random numbers: what a task's are does not depend on those before. */
enum { STREAM_START = 1, STREAM_TASKS = 1000, STREAM_STEPS = 1000000 };

static void fill(real *values, size_t n, double deviation, struct rng *r)
{
    for (size_t i = 0; values && i < n; i++)
        values[i] = (real)(deviation * rng_normal(r));
}

/* Of the weights of a layer whose input has variance 1. */
static double deviation_of(enum activation a, size_t d_in)
{
    return sqrt((a == ACTIVATION_RELU ? 2.0 : 1.0) / (double)d_in);
}

static void draw_layer(const struct model_spec *spec, struct model_params *p, size_t i, struct rng *r)
{
    const struct layer_spec *l = &spec->layers[i];
    size_t z = model_spec_d_trunk(spec), n = layer_spec_n_generated(l);
    double start = deviation_of(l->activation, l->d_in), small = 0.01 / sqrt((double)z);
    fill(p->layers[i].weight, l->d_out * l->d_in, start, r);
    fill(p->layers[i].u, l->d_out * l->rank, deviation_of(l->activation, l->rank), r);
    fill(p->layers[i].v, l->rank * l->d_in, deviation_of(ACTIVATION_IDENTITY, l->d_in), r);
    fill(p->layers[i].core, l->rank * l->rank, deviation_of(ACTIVATION_IDENTITY, l->rank), r);
    fill(p->layers[i].head, n * z, small, r);
    if (p->layers[i].head_bias) /* A starts small, and B as a layer does */
        fill(p->layers[i].head_bias + l->d_out * l->rank, l->rank * l->d_in, start, r);
    fill(p->layers[i].bias_head, l->d_out * z, small, r);
}

/* Heads as in "MIP" and hyperfan-in: what is generated is theta0 but for a hundredth. */
static void draw(const struct model_spec *spec, struct model_params *p, struct rng *r)
{
    size_t d = model_spec_d_trunk_in(spec);
    for (size_t j = 0; p->norm_weight && j < spec->d_context; j++)
        p->norm_weight[j] = 1;
    for (size_t i = 0; i < spec->n_trunk; d = spec->trunk[i++].d_out)
        fill(p->trunk[i].weight, spec->trunk[i].d_out * d, deviation_of(spec->trunk[i].activation, d), r);
    for (size_t i = 0; i < spec->n_layers; i++)
        draw_layer(spec, p, i, r);
    if (spec->chunks.size) {
        fill(p->chunk_embedding, model_spec_n_chunks(spec) * spec->chunks.d_embedding, 1, r);
        fill(p->chunk_head, spec->chunks.size * d, 0.01 / sqrt((double)d), r);
    }
}

/* All tensors are of one shape but the tasks' rows, of which the block has one more. */
static void copy(const struct param_block *block, const struct model_params *from)
{
    for (size_t i = 0; i < block->n_tensors; i++) {
        const struct tensor_spec *t = &block->tensors[i];
        const real *values = *model_params_slot((struct model_params *)(uintptr_t)from, t);
        size_t n = t->n_rows - (t->slot_offset == offsetof(struct model_params, task_id));
        memcpy(block->values + block->offset[i], values, n * t->n_cols * sizeof *values);
    }
}

enum err_code continual_init(struct param_block *block, const struct model_spec *spec,
                             const struct model_params *from, uint64_t seed, struct err *e)
{
    struct rng r;
    memset(block, 0, sizeof *block);
    enum err_code code = model_spec_check(spec, e);
    if (!code && (!spec->encoder.present || spec->encoder.d_id != spec->d_context))
        code = err_set(e, ERR_INVALID, "the model's context is not an embedding of each trained task alone");
    if (!code && !from != (spec->encoder.n_tasks == 1))
        code = err_set(e, ERR_INVALID, "the first task has no model to go on from, and all others have");
    if (!code)
        code = param_block_init(block, spec, e);
    if (code)
        return code;
    size_t newest = spec->encoder.n_tasks - 1;
    if (from) {
        copy(block, from);
    } else {
        rng_init(&r, seed, STREAM_START);
        draw(spec, &block->params, &r);
    }
    rng_init(&r, seed, STREAM_TASKS + newest);
    fill(block->params.task_id + newest * spec->d_context, spec->d_context, 1, &r);
    return ERR_OK;
}

/* The run of a tensor's values that a step moves. */
static size_t moving(const struct continual_step *s, size_t tensor, size_t *n)
{
    const struct tensor_spec *t = &s->block->tensors[tensor];
    struct model_params *grads = (struct model_params *)(uintptr_t)&s->grads;
    *n = t->n_rows * t->n_cols;
    if (t->slot_offset == offsetof(struct model_params, task_id)) {
        *n = t->n_cols;
        return (t->n_rows - 1) * t->n_cols;
    }
    if (!*model_params_slot(grads, t) || (t->group == GROUP_SHARED && s->spec->encoder.n_tasks > 1))
        *n = 0;
    return 0;
}

static void update(struct continual_step *s, long step, double rate)
{
    static const struct adam adam = {0.9, 0.999, 1e-8, 0};
    struct param_block *b = s->block;
    for (size_t i = 0; i < b->n_tensors; i++) {
        size_t n, at = b->offset[i] + moving(s, i, &n);
        if (n)
            adam_update(&adam, step, rate, 1, n, b->values + at, b->grads + at, b->moment1 + at,
                        b->moment2 + at);
    }
    memset(b->grads, 0, b->n_values * sizeof *b->grads);
}

/* False: it is to end. */
static bool go_on(const struct continual_options *o, long step, double loss)
{
    enum { EVERY = 50 };
    if (o->interrupt && atomic_load(o->interrupt))
        return false;
    if (!o->progress || step % EVERY != 1)
        return true;
    struct progress now = progress_at("learn", (double)(step - 1) / (double)o->n_steps);
    now.loss = loss;
    return o->progress(o->progress_arg, &now);
}

static enum err_code take_steps(struct continual_step *s, const struct labelled_rows *rows,
                                const struct continual_options *o, uint32_t *old, bool *stopped,
                                struct err *e)
{
    size_t n_before = s->spec->encoder.n_tasks - 1;
    size_t n_old = o->beta > 0 ? s->tape.n_max - 1 : 0;
    double loss = (double)NAN;
    struct rng r;
    rng_init(&r, o->seed, STREAM_STEPS + n_before);
    for (long step = 1; step <= o->n_steps; step++) {
        if ((*stopped = !go_on(o, step, loss)))
            return ERR_OK;
        minibatch_draw(&s->batch, rows, &r);
        for (size_t k = 0; k < n_old; k++)
            old[k] = (uint32_t)rng_below(&r, n_before);
        loss = continual_step_loss(s, old, n_old, o->beta);
        if (!isfinite(loss))
            return err_set(e, ERR_INVALID,
                           "the loss of step %ld is not finite, with a rate of %g and a beta of %g", step,
                           o->rate, o->beta);
        update(s, step, o->rate * (1 + cos(M_PI * (double)(step - 1) / (double)o->n_steps)) / 2);
    }
    return ERR_OK;
}

enum err_code continual_learn(const struct model_spec *spec, struct param_block *block,
                              const struct labelled_rows *rows, const struct continual_options *options,
                              bool *stopped, struct err *e)
{
    struct continual_step step = {0};
    size_t n_before = spec->encoder.n_tasks - 1,
           n_old = options->n_old < n_before ? options->n_old : n_before;
    bool unasked = false;
    uint32_t *old = NULL;
    enum err_code code = labelled_rows_check(rows, spec, e);
    if (code)
        return code;
    code = continual_step_init(&step, spec, block, options->batch, n_old, e);
    if (!code && !(old = mem_alloc_array(n_old + 1, sizeof *old)))
        code = err_set(e, ERR_NOMEM, "no memory for %zu old tasks a step", n_old);
    if (!code)
        code = take_steps(&step, rows, options, old, stopped ? stopped : &unasked, e);
    mem_free(old);
    continual_step_fini(&step);
    return code;
}
