/* Users are encoded and generated once; what is tried afterwards is one pass over the items tried. */
#include "engine/train/cold_items/probe_users.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/blas.h"
#include "engine/network/cold_items.h"
#include "engine/network/encoder.h"
#include "engine/network/hypernet.h"
#include "engine/network/item_item.h"
#include "engine/rank/catalogue.h"

#include <math.h>
#include <string.h>

#define MAX_SHIFT 20.0
enum { ROUNDS_SHIFT = 60 };

/* ---- life ---- */

static enum err_code make_workspaces(struct probe_users *l, struct err *e)
{
    struct catalogue *catalogue;
    enum err_code code = catalogue_new(l->spec, l->params, &catalogue, e);
    if (code)
        return code;
    size_t lens[] = {encoder_workspace_len(l->spec, 0), hypernet_workspace_len(l->spec),
                     catalogue_workspace_len(catalogue), item_item_workspace_len(l->spec)};
    catalogue_free(catalogue);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        l->stride = lens[i] > l->stride ? lens[i] : l->stride;
    l->stride = (l->stride + 15) / 16 * 16;
    l->workspaces = mem_alloc_aligned(parallel_threads(l->team), l->stride * sizeof *l->workspaces);
    return l->workspaces ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to score for users");
}

/* The first n of users become a random sample of them. */
static void draw_users(struct probe_users *l, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 22);
    for (size_t i = 0; i < l->data->n_users; i++)
        l->users[i] = (uint32_t)i;
    rng_shuffle(&r, l->users, l->data->n_users);
}

static void encode_user(void *arg, size_t i, size_t thread)
{
    struct probe_users *l = arg;
    const struct train_data *data = l->data;
    size_t u = l->users[i];
    real *c = l->contexts + i * l->spec->d_context, *workspace = l->workspaces + thread * l->stride;
    struct encoder_input input = {.interactions = data->interactions + data->user_start[u],
                                  .n_interactions = data->user_start[u + 1] - data->user_start[u]};
    train_data_take_profile(data, u, &input);
    l->codes[i] = encoder_encode(l->spec, l->params, &input, workspace, c, NULL);
    if (l->codes[i] || i >= l->n)
        return;
    real *theta = l->theta + i * l->theta_len;
    size_t len;
    l->codes[i] = hypernet_generate(l->spec, l->params, c, workspace, theta, NULL);
    if (!l->codes[i])
        l->codes[i] = item_item_generate(l->spec, l->params, input.interactions, input.n_interactions,
                                         workspace, theta, &len, NULL);
}

/* One whose context or weights are not finite says nothing of items, and must not end a training. */
static void leave_out(struct probe_users *l)
{
    size_t n_users = 0, n = 0, c = l->spec->d_context;
    for (size_t i = 0; i < l->n_users; i++) {
        if (l->codes[i])
            continue;
        if (i < l->n)
            memmove(l->theta + n++ * l->theta_len, l->theta + i * l->theta_len,
                    l->theta_len * sizeof *l->theta);
        memmove(l->contexts + n_users * c, l->contexts + i * c, c * sizeof *l->contexts);
        l->users[n_users++] = l->users[i];
    }
    l->n_users = n_users;
    l->n = n;
}

static enum err_code encode_users(struct probe_users *l, uint64_t seed, struct err *e)
{
    size_t all = l->data->n_users;
    l->theta_len = item_item_theta_most(l->spec);
    l->n_users = all < LISTENERS_SAMPLE ? all : LISTENERS_SAMPLE;
    l->n = all < LISTENERS_MOST ? all : LISTENERS_MOST;
    l->users = mem_alloc_array(all, sizeof *l->users);
    l->contexts = mem_alloc_array(l->n_users, l->spec->d_context * sizeof *l->contexts);
    l->theta = mem_alloc_aligned(l->n, l->theta_len * sizeof *l->theta);
    l->codes = mem_zalloc_array(l->n_users, sizeof *l->codes);
    if (!l->users || !l->contexts || !l->theta || !l->codes)
        return err_set(e, ERR_NOMEM, "no memory for the contexts of %zu users", l->n_users);
    draw_users(l, seed);
    parallel_for(l->team, l->n_users, encode_user, l);
    leave_out(l);
    return l->n ? ERR_OK
                : err_set(e, ERR_INVALID,
                          "the trained model has no finite context for any of %zu users: their weights or "
                          "ratings are too large for it",
                          l->data->n_users);
}

enum err_code probe_users_init(struct probe_users *l, const struct train_data *data,
                               const struct model_spec *spec, const struct model_params *params,
                               uint64_t seed, struct parallel *team, struct err *e)
{
    *l = (struct probe_users){.data = data, .spec = spec, .params = params, .team = team};
    enum err_code code = make_workspaces(l, e);
    if (!code)
        code = encode_users(l, seed, e);
    if (code)
        probe_users_fini(l);
    return code;
}

void probe_users_fini(struct probe_users *l)
{
    mem_free(l->users);
    mem_free(l->contexts);
    mem_free(l->theta);
    mem_free(l->workspaces);
    mem_free(l->codes);
    memset(l, 0, sizeof *l);
}

void probe_users_gram(const struct probe_users *l, real *gram)
{
    size_t d = l->spec->encoder.d_fold_in, c = l->spec->d_context;
    double all = (double)l->data->n_users / (double)l->n_users;
    blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, d, d, l->n_users, (real)(l->spec->encoder.alpha * all),
              l->contexts, c, l->contexts, c, 0, gram, d);
}

/* ---- scores ---- */

struct listening {
    const struct probe_users *l;
    const struct catalogue *catalogue;
    real *scores; /* (l->n, n) */
    size_t n;
};

static void listen(void *arg, size_t i, size_t thread)
{
    const struct listening *k = arg;
    catalogue_score_all(k->catalogue, k->l->theta + i * k->l->theta_len,
                        k->l->workspaces + thread * k->l->stride, k->scores + i * k->n);
}

enum err_code probe_users_score(struct probe_users *l, const real *rows, size_t n, real *scores,
                                struct err *e)
{
    struct model_spec spec = *l->spec;
    struct model_params params = *l->params;
    struct item_row at;
    size_t d = spec.d_item;
    item_row_of(&spec, &at);
    params.catalogue_embedding = mem_alloc_array(n, d * sizeof(real));
    params.catalogue_bias = mem_alloc_array(n, sizeof(real));
    spec.n_items = n;
    spec.n_pairs = 0; /* of other items, and no row's doing */
    struct catalogue *catalogue = NULL;
    enum err_code code = ERR_OK;
    if (!params.catalogue_embedding || !params.catalogue_bias)
        code = err_set(e, ERR_NOMEM, "no memory to score %zu items", n);
    for (size_t k = 0; !code && k < n; k++) {
        memcpy(params.catalogue_embedding + k * d, rows + k * at.len + at.embedding, d * sizeof *rows);
        params.catalogue_bias[k] = rows[k * at.len + at.bias];
    }
    if (!code)
        code = catalogue_new(&spec, &params, &catalogue, e);
    if (!code) {
        struct listening k = {l, catalogue, scores, n};
        parallel_for(l->team, l->n, listen, &k);
    }
    catalogue_free(catalogue);
    mem_free(params.catalogue_embedding);
    mem_free(params.catalogue_bias);
    return code;
}

double probe_users_error(const struct probe_users *l, const real *scores, const real *guesses,
                         const double *weights, size_t n)
{
    double sum = 0, total = 0;
    for (size_t k = 0; k < n; k++)
        total += weights[k];
    for (size_t u = 0; u < l->n; u++) {
        const real *s = scores + u * n, *g = guesses + u * n;
        double mean = 0, square = 0;
        for (size_t k = 0; k < n; k++)
            mean += weights[k] * ((double)s[k] - (double)g[k]);
        mean /= total;
        for (size_t k = 0; k < n; k++) {
            double gap = (double)s[k] - (double)g[k] - mean;
            square += weights[k] * gap * gap;
        }
        sum += square / total;
    }
    return sum / (double)l->n;
}

/* ---- the shift ---- */

static void add_log(double *sum, double x)
{
    double high = *sum > x ? *sum : x, low = *sum > x ? x : *sum;
    *sum = isinf(low) ? high : high + log1p(exp(low - high));
}

struct shares {
    const struct probe_users *l;
    const struct catalogue *catalogue;
    const uint32_t *items; /* (n) */
    size_t n;
    real *scores;   /* (threads, I) */
    real *guesses;  /* (l->n, n) */
    double *theirs; /* (l->n) log of the sum of exp of these items' scores by their trained rows */
    double *others; /* (l->n) of all others' */
};

static void sum_shares(void *arg, size_t i, size_t thread)
{
    const struct shares *k = arg;
    const struct probe_users *l = k->l;
    const struct train_data *data = l->data;
    size_t u = l->users[i];
    real *scores = k->scores + thread * data->n_items;
    catalogue_score_all(k->catalogue, l->theta + i * l->theta_len, l->workspaces + thread * l->stride,
                        scores);
    for (size_t x = data->user_start[u]; x < data->user_start[u + 1]; x++)
        scores[data->interactions[x].item] = -(real)INFINITY;
    k->theirs[i] = k->others[i] = -INFINITY;
    for (size_t j = 0; j < k->n; j++) {
        real *score = &scores[k->items[j]];
        if (isinf(*score))
            k->guesses[i * k->n + j] = -(real)INFINITY;
        else
            add_log(&k->theirs[i], (double)*score);
        *score = -(real)INFINITY;
    }
    for (size_t j = 0; j < data->n_items; j++)
        if (!isinf(scores[j]))
            add_log(&k->others[i], (double)scores[j]);
}

/* The part that exp(theirs) has of it and exp(others). */
static double share_of(double theirs, double others)
{
    return isinf(theirs) ? 0 : isinf(others) ? 1 : 1 / (1 + exp(others - theirs));
}

static double guessed_share(const struct shares *k, double shift)
{
    double sum = 0;
    for (size_t u = 0; u < k->l->n; u++) {
        double theirs = -INFINITY;
        for (size_t j = 0; j < k->n; j++)
            if (!isinf(k->guesses[u * k->n + j]))
                add_log(&theirs, (double)k->guesses[u * k->n + j] + shift);
        sum += share_of(theirs, k->others[u]);
    }
    return sum;
}

/* The share rises with the shift, so halving finds it. */
static double find_shift(const struct shares *k)
{
    double want = 0, low = -MAX_SHIFT, high = MAX_SHIFT;
    for (size_t u = 0; u < k->l->n; u++)
        want += share_of(k->theirs[u], k->others[u]);
    for (int i = 0; i < ROUNDS_SHIFT; i++) {
        double middle = (low + high) / 2;
        if (guessed_share(k, middle) < want)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

enum err_code probe_users_shift(struct probe_users *l, const uint32_t *items, size_t n, real *guesses,
                                double *shift, struct err *e)
{
    struct catalogue *catalogue;
    enum err_code code = catalogue_new(l->spec, l->params, &catalogue, e);
    if (code)
        return code;
    struct shares k = {.l = l, .catalogue = catalogue, .items = items, .n = n, .guesses = guesses};
    k.scores = mem_alloc_array(parallel_threads(l->team), l->data->n_items * sizeof *k.scores);
    k.theirs = mem_alloc_array(l->n, sizeof *k.theirs);
    k.others = mem_alloc_array(l->n, sizeof *k.others);
    if (k.scores && k.theirs && k.others) {
        parallel_for(l->team, l->n, sum_shares, &k);
        *shift = find_shift(&k);
    } else {
        code = err_set(e, ERR_NOMEM, "no memory to score all items");
    }
    mem_free(k.scores);
    mem_free(k.theirs);
    mem_free(k.others);
    catalogue_free(catalogue);
    return code;
}
