#include "server/serving/item_users.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/added_items.h"
#include "engine/rank/score_proxy.h"

#include <math.h>
#include <string.h>

enum {
    LOOKS = 1024,            /* contexts between two looks whether somebody waits */
    SAMPLE_BYTES = 32 << 20, /* of contexts that the proxy is fitted to */
    AHEAD = 4,               /* the best by the proxy are so many times those that are scored */
    READ_NS = 100 * 1000,    /* of a user, beside the generation */
    SCORED_NS = 1000000000   /* that all of them may take */
};

struct search {
    struct session *s;
    struct model_handle *handle;
    struct item_users *u;
    size_t d, n_references;
    uint32_t items[ITEM_USERS_REFERENCES + 1]; /* (n_references + 1) the item is the last */
    size_t most_scored;
    struct rng rng;
    struct best_user *drawn; /* (n_drawn) of most_scored: a uniform draw of all contexts */
    size_t n_drawn;
    struct score_proxy proxy;
    struct best_users first; /* by the proxy */
    real *c;                 /* (d) a context that is looked at */
    size_t n_looked;
};

static bool is_left(const struct item_users *u)
{
    return u->stop && u->stop(u->arg);
}

/* ---- one user ---- */

static void choose_references(struct search *k)
{
    size_t n = k->handle->model->spec.n_items;
    k->n_references = n < ITEM_USERS_REFERENCES ? n : ITEM_USERS_REFERENCES;
    for (size_t i = 0; i < k->n_references; i++)
        k->items[i] = (uint32_t)(i * n / k->n_references);
    k->items[k->n_references] = k->u->item;
}

static double lift_of(const struct search *k, const real *scores)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < k->n_references; i++)
        most = fmax(most, (double)scores[i]);
    for (size_t i = 0; i < k->n_references; i++)
        sum += exp((double)scores[i] - most);
    return (double)scores[k->n_references] - most - log(sum / (double)k->n_references);
}

/* Whether it is nothing that ends the search: he was forgotten meanwhile, or was given an embedding of
 * another network, or one that is too large for this one. */
static bool is_of_user(enum err_code code)
{
    return code == ERR_OK || code == ERR_NOTFOUND || code == ERR_CONFLICT || code == ERR_INVALID;
}

/* The score of a user by his weights; NAN: he has the item, or is gone. *c: his context (d), borrowed. */
static enum err_code score_user(struct search *k, struct text id, bool include_seen, const float **c,
                                double *score, struct err *e)
{
    real scores[ITEM_USERS_REFERENCES + 1];
    struct weights *w;
    struct err why = {0};
    const struct model *m = k->handle->model;
    enum err_code code = recommender_uncached(k->s->recommender, k->handle, id,
                                              include_seen ? NULL : &k->u->item, c, &w, &why);
    *score = NAN;
    if (code || !w)
        return is_of_user(code) ? ERR_OK : err_set(e, code, "%s", why.text);
    const struct added_items *extra = item_snapshot_extra(model_handle_items(k->handle));
    size_t first = m->spec.objective->rates ? k->n_references : 0;
    added_items_score(m, extra, w->theta, k->items + first, k->n_references + 1 - first, k->handle->workspace,
                      scores + first);
    *score = first ? (double)scores[first] : lift_of(k, scores);
    weights_unref(w);
    return ERR_OK;
}

/* ---- all contexts ---- */

/* A uniform draw of most_scored of all (reservoir sampling), which is all of them where there are no more. */
static bool draw(void *arg, struct text id, int64_t revision, struct text embedding)
{
    struct search *k = arg;
    (void)revision;
    if (embedding.len != k->d * sizeof(float) || id.len > LIMIT_ID_BYTES)
        return true;
    if (++k->u->n_contexts % LOOKS == 0 && is_left(k->u))
        return false;
    size_t at = k->n_drawn;
    if (k->n_drawn < k->most_scored)
        k->n_drawn++;
    else
        at = (size_t)rng_below(&k->rng, k->u->n_contexts);
    if (at < k->most_scored) {
        k->drawn[at].len = id.len;
        memcpy(k->drawn[at].id, id.data, id.len);
    }
    return true;
}

static bool put_first(void *arg, struct text id, int64_t revision, struct text embedding)
{
    struct search *k = arg;
    (void)revision;
    if (embedding.len != k->d * sizeof *k->c)
        return true;
    if (++k->n_looked % LOOKS == 0 && is_left(k->u))
        return false;
    memcpy(k->c, embedding.data, embedding.len); /* whose bytes need not be aligned */
    best_users_keep(&k->first, score_proxy_of(&k->proxy, k->c), id);
    return true;
}

/* Fits the proxy to the first of those that were drawn. */
static enum err_code fit_proxy(struct search *k, struct err *e)
{
    size_t most = SAMPLE_BYTES / (k->d * sizeof(real)) + 1, n = 0;
    most = most < ITEM_USERS_SAMPLE ? most : ITEM_USERS_SAMPLE;
    most = most < k->n_drawn ? most : k->n_drawn;
    double scores[ITEM_USERS_SAMPLE];
    real *contexts = mem_alloc_array(most, k->d * sizeof *contexts); /* (most, d) */
    enum err_code code = contexts ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %zu contexts", most);
    for (size_t i = 0; i < most && !code && !is_left(k->u); i++) {
        const float *c = NULL;
        struct text id = {k->drawn[i].id, k->drawn[i].len};
        code = score_user(k, id, true, &c, &scores[n], e);
        if (code || !isfinite(scores[n]))
            continue;
        memcpy(contexts + n * k->d, c, k->d * sizeof *contexts);
        n++;
    }
    if (!code)
        code = n ? score_proxy_fit(&k->proxy, contexts, scores, n, k->d, e)
                 : err_set(e, ERR_NOTFOUND, "no user whom the model can score");
    mem_free(contexts);
    return code;
}

/* ---- the best ---- */

/* Scores a user by his weights, and keeps him if he is one of the best. */
static enum err_code try_user(struct search *k, struct text id, struct err *e)
{
    const float *c;
    double score;
    enum err_code code = score_user(k, id, k->u->include_seen, &c, &score, e);
    if (code || isnan(score))
        return code;
    k->u->n_scored++;
    best_users_keep(&k->u->best, score, id);
    return ERR_OK;
}

static enum err_code try_drawn(struct search *k, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < k->n_drawn && !code && !is_left(k->u); i++)
        code = try_user(k, (struct text){k->drawn[i].id, k->drawn[i].len}, e);
    return code;
}

static enum err_code try_first(struct search *k, const struct store_context_key *key, struct err *e)
{
    enum err_code code = best_users_init(&k->first, AHEAD * k->most_scored, e);
    if (!code)
        code = fit_proxy(k, e);
    if (code == ERR_NOTFOUND) /* nobody is there any more */
        return ERR_OK;
    if (!code)
        code = store_each_context(k->s->conn, key, put_first, k, e);
    for (size_t i = 0; i < k->first.n && k->u->n_scored < k->most_scored && !code && !is_left(k->u); i++) {
        const struct best_user *one = best_users_at(&k->first, i);
        code = try_user(k, (struct text){one->id, one->len}, e);
    }
    return code;
}

/* As many as take about a second. */
static size_t affordable(const struct model_handle *handle, const struct item_users *u)
{
    int64_t each_ns =
        READ_NS + (handle->served->batcher ? batcher_cost(handle->served->batcher).single_ns : 0);
    size_t n = (size_t)(SCORED_NS / each_ns);
    n = n < ITEM_USERS_SCORED ? n : ITEM_USERS_SCORED;
    return n > u->most ? n : u->most;
}

enum err_code item_users_find(struct session *s, struct model_handle *handle, struct item_users *u,
                              struct err *e)
{
    const struct model_spec *spec = &handle->model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    struct search k = {.s = s, .handle = handle, .u = u, .d = spec->d_context};
    u->n_contexts = u->n_scored = 0;
    k.most_scored = u->most_scored ? u->most_scored : affordable(handle, u);
    rng_init(&k.rng, 1, 0);
    choose_references(&k);
    enum err_code code = best_users_init(&u->best, u->most, e);
    k.drawn = mem_alloc_array(k.most_scored, sizeof *k.drawn);
    k.c = mem_alloc_array(k.d, sizeof *k.c);
    if (!code && (!k.drawn || !k.c))
        code = err_set(e, ERR_NOMEM, "no memory for %zu users", k.most_scored);
    if (!code)
        code = store_each_context(s->conn, &key, draw, &k, e);
    if (!code)
        code = u->n_contexts <= k.most_scored ? try_drawn(&k, e) : try_first(&k, &key, e);
    best_users_fini(&k.first);
    score_proxy_fini(&k.proxy);
    mem_free(k.drawn);
    mem_free(k.c);
    return code;
}

void item_users_fini(struct item_users *u)
{
    best_users_fini(&u->best);
}
