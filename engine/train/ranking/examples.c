/* Examples of one user are made by one thread, in order of time; their fold-ins are then solved together. */
#include "engine/train/ranking/examples.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/train/ranking/fold_in_batch.h"

#include <string.h>

/* How much the examples that forget remember. */
static const size_t few[] = {0, 1, 2, 3, 5, 10, 20};
enum { N_FEW = sizeof few / sizeof *few };

enum { MAX_HISTORY = 4096 }; /* interactions that the learned blocks of an example see: the newest */

struct examples {
    const struct model_spec *spec;
    const struct model_params *params;
    const struct split *split;
    struct examples_options options;
    struct parallel *team;
    size_t per_user;      /* slots a user has */
    struct sample *slots; /* (SAMPLES_CHUNK_USERS, per_user) */
    size_t n_of[SAMPLES_CHUNK_USERS];
    struct sample *list; /* (SAMPLES_CHUNK_USERS * per_user) shuffled */
    uint32_t *order;     /* the same length */
    real *fold_in;       /* (SAMPLES_CHUNK_USERS, per_user, d) */
    struct encoder_interaction
        *histories[SAMPLES_CHUNK_USERS]; /* of each user's examples, one after the other */
    size_t history_capacity[SAMPLES_CHUNK_USERS];
    struct fold_in_batch **fold_in_batch; /* (threads) */
    struct fold_in_moment *moments;       /* (threads, per_user) */
    const uint32_t *users;
    int epoch;
};

/* One user's work in progress. */
struct builder {
    struct examples *s;
    size_t slot, user;
    const struct encoder_interaction *x; /* the user's training interactions */
    size_t n, n_untimed;
    struct encoder_interaction *history; /* where the next example's goes */
    struct fold_in_batch *fold_in_batch;
    struct fold_in_moment *moments; /* those to be solved */
    size_t n_moments;
    struct rng rng;
};

static struct sample *next_slot(struct builder *m, real **f)
{
    size_t i = m->slot * m->s->per_user + m->s->n_of[m->slot]++;
    struct sample *out = &m->s->slots[i];
    memset(out, 0, sizeof *out);
    out->user = (uint32_t)m->user;
    out->fold_in = *f = m->s->fold_in + i * m->s->spec->encoder.d_fold_in;
    const struct train_data *data = m->s->split->data;
    if (data->value_start && rng_uniform(&m->rng) >= m->s->options.forget_profile)
        train_data_take_profile(data, m->user, &out->input);
    return out;
}

/* How many of n interactions this example remembers. */
static size_t remembered(struct builder *m, size_t n)
{
    if (rng_uniform(&m->rng) >= m->s->options.forget)
        return n;
    size_t k = few[rng_below(&m->rng, N_FEW)];
    return k < n ? k : n;
}

/* Gives the example its own copy of the newest of x (n), without those that are dropped. */
static void take_history(struct builder *m, const struct encoder_interaction *x, size_t n, bool drops,
                         struct sample *out)
{
    size_t first = n > MAX_HISTORY ? n - MAX_HISTORY : 0, kept = 0;
    for (size_t i = first; i < n; i++)
        if (!drops || rng_uniform(&m->rng) >= m->s->options.drop)
            m->history[kept++] = x[i];
    out->input.interactions = m->history;
    out->input.n_interactions = kept;
    m->history += kept;
}

/* Examples whose history is everything before a moment. */
static void make_timed(struct builder *m)
{
    size_t first = m->n_untimed ? m->n_untimed : 1, n_places = m->n > first ? m->n - first : 0;
    size_t want = m->s->options.max_timed;
    for (size_t i = first; i < m->n && want > 0; i++) {
        /* selection sampling: each place is taken with want / places left (Knuth, algorithm S) */
        bool taken = rng_below(&m->rng, n_places) < want;
        n_places--;
        if (!taken)
            continue;
        want--;
        real *f;
        struct sample *out = next_slot(m, &f);
        size_t n = remembered(m, i);
        take_history(m, m->x + (i - n), n, n == i, out);
        out->targets[out->n_targets++] = m->x[i].item;
        if (n < i)
            fold_in_batch_of(m->fold_in_batch, m->x + (i - n), n, f);
        else
            m->moments[m->n_moments++] = (struct fold_in_moment){n, f};
    }
    fold_in_batch_prefixes(m->fold_in_batch, m->x, m->moments, m->n_moments);
}

/* One example of the untimed interactions: order[from, to) are the targets, the rest is the history. */
static void make_group(struct builder *m, const uint32_t *order, size_t from, size_t to)
{
    real *f;
    struct sample *out = next_slot(m, &f);
    struct encoder_interaction *rest = m->history; /* moved down in place by take_history */
    const struct encoder_interaction *targets[SAMPLE_MAX_TARGETS];
    size_t n = 0;
    for (size_t i = 0; i < m->n_untimed; i++) {
        const struct encoder_interaction *x = &m->x[order[i]];
        if (i >= from && i < to) {
            targets[out->n_targets] = x;
            out->targets[out->n_targets++] = x->item;
        } else {
            rest[n++] = *x;
        }
    }
    size_t keep = remembered(m, n);
    if (keep < n)
        fold_in_batch_of(m->fold_in_batch, rest, keep, f);
    else
        fold_in_batch_without(m->fold_in_batch, targets, f);
    take_history(m, rest, keep, keep == n, out);
}

size_t examples_group_size(size_t n)
{
    return n < 20 ? 1 : n / 10 < SAMPLE_MAX_TARGETS ? n / 10 : SAMPLE_MAX_TARGETS;
}

static void make_untimed(struct builder *m)
{
    size_t n = m->n_untimed;
    uint32_t order[MAX_HISTORY];
    if (n < 2 || n > MAX_HISTORY)
        return;
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    rng_shuffle(&m->rng, order, n);
    size_t size = examples_group_size(n);
    size_t n_groups = n / size < m->s->options.max_groups ? n / size : m->s->options.max_groups;
    fold_in_batch_know(m->fold_in_batch, m->x, n, size);
    for (size_t g = 0; g < n_groups; g++)
        make_group(m, order, g * size, (g + 1) * size);
}

static void make_user(void *arg, size_t slot, size_t thread)
{
    struct examples *s = arg;
    struct builder m = {.s = s,
                        .slot = slot,
                        .user = s->users[slot],
                        .fold_in_batch = s->fold_in_batch[thread],
                        .moments = s->moments + thread * s->per_user};
    m.x = s->split->interactions + s->split->start[m.user];
    m.n = s->split->end[m.user] - s->split->start[m.user];
    while (m.n_untimed < m.n && m.x[m.n_untimed].timestamp == 0)
        m.n_untimed++;
    m.history = s->histories[slot];
    rng_init(&m.rng, s->options.seed, 1000 + (uint64_t)s->epoch * s->split->data->n_users + m.user);
    s->n_of[slot] = 0;
    make_untimed(&m);
    make_timed(&m);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Interactions in the histories of all examples of user u, at most. */
static size_t room_for(const struct examples *s, size_t u)
{
    size_t n = s->split->end[u] - s->split->start[u], n_untimed = 0;
    const struct encoder_interaction *x = s->split->interactions + s->split->start[u];
    while (n_untimed < n && x[n_untimed].timestamp == 0)
        n_untimed++;
    return least(n - n_untimed, s->options.max_timed) * least(n, MAX_HISTORY) +
           s->options.max_groups * least(n_untimed, MAX_HISTORY);
}

static enum err_code reserve_histories(struct examples *s, size_t n_users, struct err *e)
{
    for (size_t slot = 0; slot < n_users; slot++) {
        size_t need = room_for(s, s->users[slot]);
        if (need <= s->history_capacity[slot])
            continue;
        struct encoder_interaction *grown = mem_realloc_array(s->histories[slot], need, sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for histories of %zu interactions", need);
        s->histories[slot] = grown;
        s->history_capacity[slot] = need;
    }
    return ERR_OK;
}

enum err_code examples_new(const struct model_spec *spec, const struct model_params *params,
                           const struct split *split, const struct examples_options *options,
                           struct parallel *team, struct examples **out, struct err *e)
{
    struct examples *s = mem_zalloc_array(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for examples");
    size_t d = spec->encoder.d_fold_in;
    s->spec = spec;
    s->params = params;
    s->split = split;
    s->options = *options;
    s->team = team;
    s->per_user = options->max_timed + options->max_groups;
    size_t n = SAMPLES_CHUNK_USERS * s->per_user;
    s->slots = mem_alloc_array(n, sizeof *s->slots);
    s->list = mem_alloc_array(n, sizeof *s->list);
    s->order = mem_alloc_array(n, sizeof *s->order);
    s->fold_in = mem_alloc_aligned(n * (d ? d : 1), sizeof *s->fold_in);
    s->moments = mem_alloc_array(parallel_threads(team) * (s->per_user + 1), sizeof *s->moments);
    s->fold_in_batch = mem_zalloc_array(parallel_threads(team), sizeof *s->fold_in_batch);
    enum err_code code = ERR_OK;
    if (!s->slots || !s->list || !s->order || !s->fold_in || !s->moments || !s->fold_in_batch)
        code = err_set(e, ERR_NOMEM, "no memory for %zu examples", n);
    for (size_t i = 0; i < parallel_threads(team) && !code; i++)
        code = fold_in_batch_new(spec, params, few, N_FEW, &s->fold_in_batch[i], e);
    if (code) {
        examples_free(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void examples_free(struct examples *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < SAMPLES_CHUNK_USERS; i++)
        mem_free(s->histories[i]);
    mem_free(s->slots);
    mem_free(s->list);
    mem_free(s->order);
    mem_free(s->fold_in);
    for (size_t i = 0; s->fold_in_batch && i < parallel_threads(s->team); i++)
        fold_in_batch_free(s->fold_in_batch[i]);
    mem_free(s->fold_in_batch);
    mem_free(s->moments);
    mem_free(s);
}

enum err_code examples_fill(struct examples *s, const uint32_t *users, size_t n_users, int epoch,
                            const struct sample **list, size_t *n, struct err *e)
{
    s->users = users;
    s->epoch = epoch;
    enum err_code code = reserve_histories(s, n_users, e);
    if (code)
        return code;
    parallel_for(s->team, n_users, make_user, s);
    size_t count = 0;
    for (size_t slot = 0; slot < n_users; slot++)
        for (size_t i = 0; i < s->n_of[slot]; i++)
            s->order[count++] = (uint32_t)(slot * s->per_user + i);
    struct rng r;
    rng_init(&r, s->options.seed, 500 + (uint64_t)epoch * s->split->data->n_users + users[0]);
    rng_shuffle(&r, s->order, count);
    for (size_t i = 0; i < count; i++)
        s->list[i] = s->slots[s->order[i]];
    *list = s->list;
    *n = count;
    return ERR_OK;
}
