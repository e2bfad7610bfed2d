/* The store hands its interactions out user by user and in order of time, as the trainer's data need them. */
#include "server/evaluate/evaluation_baselines.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/train/linear/ease.h"
#include "engine/train/linear/ease_baseline.h"
#include "engine/train/linear/ials_baseline.h"
#include "server/evaluate/held_out.h"
#include "server/items/encoder_rows.h"
#include "server/items/kinds.h"

#include <math.h>
#include <string.h>

/* Levels of few ratings are drawn to zero as in Koren 2008, "Factorization Meets the Neighborhood", 2.1. */
#define ITEM_SHRINK 25
#define USER_SHRINK 10

struct evaluation_baselines {
    const struct model *model;
    unsigned wanted;
    enum evaluation_baseline which[N_BASELINES];
    size_t n;
    real *popularity; /* (n_items) */
    struct ials_baseline *ials;
    struct ease_baseline *ease;
    double mean;     /* of ratings */
    real *item_bias; /* (n_items) of ratings */
};

/* The interactions of the store, as the trainer has them. */
struct gathering {
    const struct item_snapshot *items;
    struct encoder_interaction *interactions; /* (n) */
    size_t n, capacity;
    size_t *start; /* (n_users + 1) */
    size_t n_users, start_capacity;
    int64_t user_key; /* of the last row */
    bool failed;      /* no memory */
};

static bool take(void *arg, int64_t user_key, const struct store_interaction *x)
{
    struct gathering *g = arg;
    struct encoder_interaction row;
    if (!encoder_row_of(g->items, x, &row))
        return true;
    g->failed = !MEM_RESERVE(g->interactions, g->capacity, g->n + 1) ||
                !MEM_RESERVE(g->start, g->start_capacity, g->n_users + 2);
    if (g->failed)
        return false;
    if (g->n_users == 0 || user_key != g->user_key)
        g->start[g->n_users++] = g->n;
    g->user_key = user_key;
    g->interactions[g->n++] = row;
    g->start[g->n_users] = g->n;
    return true;
}

static enum err_code gather(struct gathering *g, struct store_conn *c, struct err *e)
{
    enum err_code code = ERR_OK;
    g->failed = !MEM_RESERVE(g->start, g->start_capacity, 1);
    if (!g->failed) {
        g->start[0] = 0;
        code = kinds_each_taken(c, take, g, e);
    }
    return g->failed ? err_set(e, ERR_NOMEM, "no memory for the baselines") : code;
}

static enum err_code count_popularity(struct evaluation_baselines *b, const struct gathering *g,
                                      struct err *e)
{
    b->popularity = mem_zalloc_array(b->model->spec.n_items, sizeof *b->popularity);
    if (!b->popularity)
        return err_set(e, ERR_NOMEM, "no memory for the baselines");
    for (size_t i = 0; i < g->n; i++)
        b->popularity[g->interactions[i].item] += 1;
    return ERR_OK;
}

/* Takes the baseline where it is wanted. */
static bool list(struct evaluation_baselines *b, enum evaluation_baseline which)
{
    bool wanted = b->wanted >> which & 1;
    if (wanted)
        b->which[b->n++] = which;
    return wanted;
}

/* Says what is under way; whether to go on. */
static enum err_code note(const struct evaluation_baselines_options *o, const char *text, struct err *e)
{
    struct progress p = progress_at("baselines", (double)NAN);
    p.note = text;
    return !o->progress || o->progress(o->progress_arg, &p)
               ? ERR_OK
               : err_set(e, ERR_DEADLINE, "the evaluation was stopped");
}

static enum err_code fit_rankings(struct evaluation_baselines *b, const struct gathering *g,
                                  const struct evaluation_baselines_options *o, struct parallel *team,
                                  struct err *e)
{
    struct train_data data = {.n_users = g->n_users,
                              .n_items = b->model->spec.n_items,
                              .user_start = g->start,
                              .interactions = g->interactions};
    enum err_code code = count_popularity(b, g, e); /* of a user without interactions others need it too */
    list(b, BASELINE_POPULARITY);
    if (b->model->spec.encoder.d_fold_in > 0)
        list(b, BASELINE_FOLD_IN);
    if (!code && list(b, BASELINE_IALS)) {
        code = note(o, "iALS: looking for its hyperparameters, then fitting", e);
        if (!code)
            code = ials_baseline_new(&data, team, o->n_rivals, o->seed, &b->ials, e);
    }
    if (!code && data.n_items <= EASE_MOST_ITEMS && list(b, BASELINE_EASE)) {
        code = note(o, "EASE: looking for its lambda, then fitting", e);
        if (!code)
            code = ease_baseline_new(&data, team, o->n_rivals, o->seed, &b->ease, e);
    }
    return code;
}

/* The mean of all, and of each item how far its ratings are from it. */
static enum err_code fit_ratings(struct evaluation_baselines *b, const struct gathering *g, struct err *e)
{
    size_t n_items = b->model->spec.n_items, n = 0;
    double *sums = mem_zalloc_array(n_items, sizeof *sums),
           *counts = mem_zalloc_array(n_items, sizeof *counts);
    double total = 0;
    list(b, BASELINE_MEAN);
    list(b, BASELINE_BIAS);
    b->item_bias = mem_zalloc_array(n_items, sizeof *b->item_bias);
    enum err_code code =
        sums && counts && b->item_bias ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for levels");
    for (size_t i = 0; i < g->n && !code; i++) {
        const struct encoder_interaction *x = &g->interactions[i];
        if (isnan(x->rating))
            continue;
        total += x->rating;
        n++;
        sums[x->item] += x->rating;
        counts[x->item] += 1;
    }
    if (!code && n == 0)
        code = err_set(e, ERR_INVALID, "the store has no ratings for the baselines");
    b->mean = total / (double)n;
    for (size_t i = 0; i < n_items && !code; i++)
        b->item_bias[i] = (real)((sums[i] - counts[i] * b->mean) / (counts[i] + ITEM_SHRINK));
    mem_free(sums);
    mem_free(counts);
    return code;
}

enum err_code evaluation_baselines_new(struct store_conn *c, const struct model *m,
                                       const struct item_snapshot *items,
                                       const struct evaluation_baselines_options *o, struct parallel *team,
                                       struct evaluation_baselines **out, struct err *e)
{
    struct evaluation_baselines *b = mem_zalloc_array(1, sizeof *b);
    struct gathering g = {.items = items};
    if (!b)
        return err_set(e, ERR_NOMEM, "no memory for the baselines");
    b->model = m;
    b->wanted = o->wanted;
    enum err_code code = gather(&g, c, e);
    if (!code)
        code = o->ratings ? fit_ratings(b, &g, e) : fit_rankings(b, &g, o, team, e);
    mem_free(g.interactions);
    mem_free(g.start);
    if (code)
        evaluation_baselines_free(b);
    else
        *out = b;
    return code;
}

void evaluation_baselines_free(struct evaluation_baselines *b)
{
    if (!b)
        return;
    mem_free(b->popularity);
    mem_free(b->item_bias);
    ials_baseline_free(b->ials);
    ease_baseline_free(b->ease);
    mem_free(b);
}

size_t evaluation_baselines_n(const struct evaluation_baselines *b)
{
    return b ? b->n : 0;
}

enum evaluation_baseline evaluation_baselines_at(const struct evaluation_baselines *b, size_t i)
{
    return b->which[i];
}

unsigned evaluation_baselines_bit(const char *word)
{
    static const char *const words[N_BASELINES] = {"popularity", "fold-in", "ials", "ease", "mean", "bias"};
    for (unsigned i = 0; i < N_BASELINES; i++)
        if (strcmp(words[i], word) == 0)
            return 1u << i;
    return 0;
}

bool evaluation_baselines_rates(const char *word)
{
    const unsigned of_ratings = 1u << BASELINE_MEAN | 1u << BASELINE_BIAS;
    return (evaluation_baselines_bit(word) & of_ratings) != 0;
}

const char *evaluation_baselines_name(enum evaluation_baseline which)
{
    static const char *const names[N_BASELINES] = {"popularity", "iALS fold-in", "iALS",
                                                   "EASE",       "mean",         "user and item bias"};
    return names[which];
}

size_t evaluation_baselines_workspace_len(const struct evaluation_baselines *b)
{
    return b && b->ials ? ials_baseline_workspace_len(b->ials) : 0;
}

struct evaluation_choices evaluation_baselines_choices(const struct evaluation_baselines *b)
{
    struct evaluation_choices c = {.ease_lambda = NAN};
    if (b && b->ials) {
        c.ials_dim = b->ials->options.dim;
        c.ials_alpha = b->ials->options.alpha;
        c.ials_reg = b->ials->options.reg;
    }
    if (b && b->ease)
        c.ease_lambda = ease_baseline_lambda(b->ease);
    return c;
}

double evaluation_baselines_mean(const struct evaluation_baselines *b)
{
    return b->mean;
}

/* How far the user's ratings are from what the mean and the items say. */
static double user_bias(const struct evaluation_baselines *b, const struct encoder_interaction *interactions,
                        size_t n)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(interactions[i].rating)) {
            sum += interactions[i].rating - b->mean - b->item_bias[interactions[i].item];
            count += 1;
        }
    return sum / (count + USER_SHRINK);
}

void evaluation_baselines_scores(const struct evaluation_baselines *b, enum evaluation_baseline which,
                                 const real *context, const struct encoder_interaction *interactions,
                                 size_t n, real *workspace, real *scores)
{
    const struct model *m = b->model;
    size_t n_items = m->spec.n_items, d = m->spec.encoder.d_fold_in;
    bool stranger = n == 0 && (which == BASELINE_IALS || which == BASELINE_EASE);
    double level = b->mean + (which == BASELINE_BIAS ? user_bias(b, interactions, n) : 0);
    switch (stranger ? BASELINE_POPULARITY : which) {
    case BASELINE_POPULARITY:
        memcpy(scores, b->popularity, n_items * sizeof *scores);
        break;
    case BASELINE_FOLD_IN:
        blas_gemv(BLAS_AS_IS, n_items, d, 1, m->params.fold_in_factor, d, context, 0, scores);
        break;
    case BASELINE_IALS:
        ials_baseline_scores(b->ials, interactions, n, workspace, scores);
        break;
    case BASELINE_EASE:
        ease_baseline_scores(b->ease, interactions, n, scores);
        break;
    case BASELINE_MEAN:
    case BASELINE_BIAS:
        for (size_t i = 0; i < n_items; i++)
            scores[i] = (real)level + (which == BASELINE_BIAS ? b->item_bias[i] : 0);
        break;
    case N_BASELINES:
        break;
    }
}
