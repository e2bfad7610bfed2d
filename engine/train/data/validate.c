/* The metric decides which epoch is kept, so it is computed by the functions that will serve the model: a
 * fault in the training's own forward pass shows as a metric that does not rise. */
#include "engine/train/data/validate.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/blas.h"
#include "engine/network/encoder.h"
#include "engine/network/hypernet.h"
#include "engine/network/item_item.h"
#include "engine/rank/catalogue.h"

#include <math.h>
#include <string.h>

enum { CUT = 10, UNIT_USERS = 64 };
enum { RIVALS_SEED = 99, MAX_DRAWS = 20 }; /* draws a rival, where most items are the user's own */

struct validation {
    const struct split *split;
    const struct model_spec *spec;
    const struct model_params *params;
    const struct catalogue *catalogue;
    const real *items, *users; /* of a factorisation */
    size_t d;
    size_t workspace_len, theta_len;
    real *workspaces; /* (threads, stride): workspace_len + C + theta_len + I, of a blend 3 I; else I */
    size_t stride;
    const struct item_pairs *pairs; /* NULL: none */
    const double *shares;           /* (n_shares) */
    size_t n_shares;                /* rankings of a user; 1 without shares */
    double unit;
    double *gains;     /* (n_validated, n_shares) */
    double *out_gains; /* (n_validated, n_shares) the caller's copy, or NULL */
};

static bool is_held(const struct split *s, size_t u, size_t item)
{
    for (size_t h = s->end[u]; h < s->data->user_start[u + 1]; h++)
        if (s->interactions[h].item == item)
            return true;
    return false;
}

/* How many of the rivals drawn for a held-out item of this score are above it. */
static size_t rivals_above(const struct split *s, size_t u, const real *scores, real score, struct rng *r)
{
    size_t above = 0, n = 0;
    for (size_t tries = 0; n < s->n_rivals && tries < MAX_DRAWS * s->n_rivals; tries++) {
        size_t item = rng_below(r, s->data->n_items);
        if (scores[item] == -(real)INFINITY || is_held(s, u, item))
            continue;
        n++;
        above += scores[item] >= score;
    }
    return above;
}

/* The mean over the held-out items, each alone with its rivals; the training items' scores are -infinity. */
static double gain_among_rivals(const struct split *s, size_t u, const real *scores)
{
    size_t first = s->end[u], n = s->data->user_start[u + 1] - first;
    double gain = 0;
    struct rng r;
    rng_init(&r, RIVALS_SEED, u); /* the same rivals for whatever is measured */
    for (size_t h = 0; h < n; h++) {
        real score = scores[s->interactions[first + h].item];
        size_t above = rivals_above(s, u, scores, score, &r);
        gain += above < CUT && isfinite(score) ? 1 / log2((double)above + 2) : 0;
    }
    return n ? gain / (double)n : 0;
}

double validate_gain(const struct split *s, size_t u, real *scores)
{
    size_t end = s->data->user_start[u + 1];
    double gain = 0, ideal = 0;
    for (size_t i = s->start[u]; i < s->end[u]; i++)
        scores[s->interactions[i].item] = -(real)INFINITY;
    if (s->n_rivals > 0)
        return gain_among_rivals(s, u, scores);
    for (size_t h = s->end[u]; h < end; h++) {
        real score = scores[s->interactions[h].item];
        size_t above = 0;
        for (size_t i = 0; i < s->data->n_items; i++)
            above += scores[i] >= score;
        above -= 1; /* the item itself */
        gain += above < CUT && isfinite(score) ? 1 / log2((double)above + 2) : 0;
        ideal += h - s->end[u] < CUT ? 1 / log2((double)(h - s->end[u]) + 2) : 0;
    }
    return ideal > 0 ? gain / ideal : 0;
}

static struct encoder_input input_of(const struct split *s, size_t u)
{
    struct encoder_input input = {.interactions = s->interactions + s->start[u],
                                  .n_interactions = s->end[u] - s->start[u]};
    train_data_take_profile(s->data, u, &input);
    return input;
}

/* The model's scores (n_items), in the thread's workspace; NULL where the embedding or the weights are not
 * finite. */
static real *model_scores(const struct validation *v, size_t u, size_t thread)
{
    real *workspace = v->workspaces + thread * v->stride, *c = workspace + v->workspace_len,
         *theta = c + v->spec->d_context, *scores = theta + v->theta_len;
    struct encoder_input input = input_of(v->split, u);
    if (encoder_encode(v->spec, v->params, &input, workspace, c, NULL) ||
        hypernet_generate(v->spec, v->params, c, workspace, theta, NULL))
        return NULL;
    catalogue_score_all(v->catalogue, theta, workspace, scores);
    return scores;
}

static void score_model(void *arg, size_t i, size_t thread)
{
    struct validation *v = arg;
    size_t u = v->split->validated[i];
    real *scores = model_scores(v, u, thread);
    v->gains[i] = scores ? validate_gain(v->split, u, scores) : 0;
}

static void user_bias(const struct validation *v, size_t u, real *beta)
{
    item_item_bias(v->pairs, v->split->data->n_items, v->split->interactions + v->split->start[u],
                   v->split->end[u] - v->split->start[u], beta);
}

static void score_pairs(void *arg, size_t i, size_t thread)
{
    struct validation *v = arg;
    size_t u = v->split->validated[i];
    real *beta = v->workspaces + thread * v->stride;
    user_bias(v, u, beta);
    v->gains[i] = validate_gain(v->split, u, beta);
}

/* One ranking a share. Behind the model's scores: beta, and the sum that validate_gain destroys. */
static void score_blend(void *arg, size_t i, size_t thread)
{
    struct validation *v = arg;
    size_t u = v->split->validated[i], n = v->split->data->n_items;
    real *scores = model_scores(v, u, thread);
    for (size_t k = 0; k < v->n_shares; k++) {
        v->gains[i * v->n_shares + k] = 0;
        if (!scores)
            continue;
        real *beta = scores + n, *sum = beta + n;
        if (k == 0)
            user_bias(v, u, beta);
        memcpy(sum, scores, n * sizeof *sum);
        blas_axpy(n, (real)(v->shares[k] * v->unit), beta, sum);
        v->gains[i * v->n_shares + k] = validate_gain(v->split, u, sum);
    }
}

static double deviation(const real *x, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    double mean = sum / (double)n;
    return sqrt(fmax(squares / (double)n - mean * mean, 0));
}

/* How many times wider the model's scores spread than the weights'. */
static double unit_of(const struct validation *v)
{
    double of_model = 0, of_pairs = 0;
    size_t n = v->split->data->n_items;
    for (size_t i = 0; i < v->split->n_validated && i < UNIT_USERS; i++) {
        size_t u = v->split->validated[i];
        real *scores = model_scores(v, u, 0);
        if (!scores)
            continue;
        user_bias(v, u, scores + n);
        of_model += deviation(scores, n);
        of_pairs += deviation(scores + n, n);
    }
    return of_pairs > 0 ? of_model / of_pairs : 0;
}

static void score_factors(void *arg, size_t i, size_t thread)
{
    struct validation *v = arg;
    size_t u = v->split->validated[i];
    real *scores = v->workspaces + thread * v->stride;
    blas_gemv(BLAS_AS_IS, v->split->data->n_items, v->d, 1, v->items, v->d, v->users + u * v->d, 0, scores);
    v->gains[i] = validate_gain(v->split, u, scores);
}

static void means(const struct validation *v, double *ndcg)
{
    size_t n = v->split->n_validated;
    for (size_t k = 0; k < v->n_shares; k++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += v->gains[i * v->n_shares + k];
        ndcg[k] = n ? sum / (double)n : 0;
    }
}

/* ndcg (n_shares). */
static enum err_code run(struct validation *v, struct parallel *team, parallel_fn *fn, double *ndcg,
                         struct err *e)
{
    size_t n = v->split->n_validated;
    v->n_shares = v->n_shares ? v->n_shares : 1;
    v->stride = (v->stride + 15) / 16 * 16;
    v->workspaces = mem_alloc_aligned(parallel_threads(team), v->stride * sizeof(real));
    v->gains = mem_alloc_array(n * v->n_shares, sizeof *v->gains);
    enum err_code code = ERR_OK;
    if (!v->workspaces || !v->gains) {
        code = err_set(e, ERR_NOMEM, "no memory to validate");
    } else {
        if (v->shares)
            v->unit = unit_of(v);
        parallel_for_unless_stopped(team, n, fn, v);
        means(v, ndcg);
        if (v->out_gains)
            memcpy(v->out_gains, v->gains, n * v->n_shares * sizeof *v->gains);
    }
    mem_free(v->workspaces);
    mem_free(v->gains);
    return code;
}

struct validate_gap validate_gap(const double *a, const double *b, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += b[i] - a[i];
        squares += (b[i] - a[i]) * (b[i] - a[i]);
    }
    if (n < 2)
        return (struct validate_gap){n ? sum : 0, (double)INFINITY};
    double mean = sum / (double)n, variance = fmax(squares / (double)n - mean * mean, 0);
    return (struct validate_gap){mean, sqrt(variance / (double)(n - 1))};
}

/* A validation whose scores are a model's, with room for n arrays of scores a thread. */
static enum err_code run_model(struct validation *v, const struct model_spec *spec,
                               const struct model_params *params, size_t n, struct parallel *team,
                               parallel_fn *fn, double *ndcg, struct err *e)
{
    struct catalogue *catalogue;
    enum err_code code = catalogue_new(spec, params, &catalogue, e);
    if (code)
        return code;
    size_t lens[] = {encoder_workspace_len(spec, 0), hypernet_workspace_len(spec),
                     catalogue_workspace_len(catalogue)};
    v->spec = spec;
    v->params = params;
    v->catalogue = catalogue;
    v->theta_len = item_item_theta_most(spec);
    for (size_t i = 0; i < 3; i++)
        v->workspace_len = lens[i] > v->workspace_len ? lens[i] : v->workspace_len;
    v->stride = v->workspace_len + spec->d_context + v->theta_len + n * spec->n_items;
    code = run(v, team, fn, ndcg, e);
    catalogue_free(catalogue);
    return code;
}

enum err_code validate_model(const struct model_spec *spec, const struct model_params *params,
                             const struct split *s, struct parallel *team, double *gains, double *ndcg,
                             struct err *e)
{
    struct validation v = {.split = s, .out_gains = gains};
    return run_model(&v, spec, params, 1, team, score_model, ndcg, e);
}

enum err_code validate_pairs(const struct item_pairs *pairs, const struct split *s, struct parallel *team,
                             double *ndcg, struct err *e)
{
    struct validation v = {.split = s, .pairs = pairs, .stride = s->data->n_items};
    return run(&v, team, score_pairs, ndcg, e);
}

enum err_code validate_blend(const struct model_spec *spec, const struct model_params *params,
                             const struct item_pairs *pairs, const double *shares, size_t n,
                             const struct split *s, struct parallel *team, double *unit, double *ndcg,
                             struct err *e)
{
    struct validation v = {.split = s, .pairs = pairs, .shares = shares, .n_shares = n};
    enum err_code code = run_model(&v, spec, params, 3, team, score_blend, ndcg, e);
    *unit = v.unit;
    return code;
}

enum err_code validate_factors(const real *items, const real *users, size_t d, const struct split *s,
                               struct parallel *team, double *ndcg, struct err *e)
{
    struct validation v = {.split = s, .items = items, .users = users, .d = d, .stride = s->data->n_items};
    return run(&v, team, score_factors, ndcg, e);
}
