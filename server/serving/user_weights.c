/* Training, evaluation, the command line and the server all encode a user here, so that a user is the same
 * context to each of them; how a stored row is read is encoder_rows.h. */
#include "server/serving/user_weights.h"

#include "base/mem.h"
#include "engine/network/context_draws.h"
#include "engine/network/hypernet.h"
#include "engine/network/item_item.h"
#include "server/fields/field.h"
#include "server/fields/profile.h"
#include "server/items/encoder_rows.h"
#include "server/items/kinds.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_VALUES = 1024 };

struct user_encoder {
    const struct model *model;
    struct batcher *batcher; /* NULL: this thread generates by itself */
    real *workspace;         /* for the encoder, the hypernetwork and the neighbours */
    real *theta;             /* (item_item_theta_most) */
    real *c, *drawn;         /* (C) a context, and a draw about it */
    struct encoder_interaction *interactions;
    size_t capacity;
    uint32_t *seen; /* (seen_capacity) indices of the items that a user has seen, rising */
    size_t seen_capacity;
    const uint32_t *taken; /* (n_taken) of those that have neighbours, rising */
    uint32_t *taken_rows;  /* (taken_capacity) the same, where they are not what was seen */
    size_t n_taken, taken_capacity;
    struct kinds_merged merged; /* of the user's interactions */
    uint32_t values[MAX_VALUES];
    size_t n_values;
};

enum err_code user_encoder_new(const struct model *m, struct user_encoder **out, struct err *e)
{
    struct user_encoder *k = mem_zalloc_array(1, sizeof *k);
    if (!k)
        return err_set(e, ERR_NOMEM, "no memory to make contexts");
    k->model = m;
    size_t lens[] = {encoder_workspace_len(&m->spec, 0), hypernet_workspace_len(&m->spec),
                     item_item_workspace_len(&m->spec)};
    size_t len = lens[0] > lens[1] ? lens[0] : lens[1];
    k->workspace = mem_alloc_aligned(len > lens[2] ? len : lens[2], sizeof *k->workspace);
    k->theta = mem_alloc_aligned(item_item_theta_most(&m->spec), sizeof *k->theta);
    k->c = mem_alloc_aligned(m->spec.d_context, sizeof *k->c);
    k->drawn = mem_alloc_aligned(m->spec.d_context, sizeof *k->drawn);
    if (!k->workspace || !k->theta || !k->c || !k->drawn) {
        user_encoder_free(k);
        return err_set(e, ERR_NOMEM, "no memory to make contexts");
    }
    *out = k;
    return ERR_OK;
}

void user_encoder_free(struct user_encoder *k)
{
    if (!k)
        return;
    mem_free(k->workspace);
    mem_free(k->theta);
    mem_free(k->c);
    mem_free(k->drawn);
    mem_free(k->interactions);
    mem_free(k->seen);
    mem_free(k->taken_rows);
    kinds_merged_fini(&k->merged);
    mem_free(k);
}

void user_encoder_gather(struct user_encoder *k, struct batcher *g)
{
    k->batcher = g;
}

static bool take_value(void *arg, const char *field, const char *value)
{
    struct user_encoder *k = arg;
    long row = encoder_profile_value(&k->model->spec, field, value);
    if (row >= 0 && k->n_values < MAX_VALUES)
        k->values[k->n_values++] = (uint32_t)row;
    return true;
}

static enum err_code reserve_interactions(struct user_encoder *k, size_t n, struct err *e)
{
    if (n <= k->capacity)
        return ERR_OK;
    struct encoder_interaction *grown = mem_realloc_array(k->interactions, n, sizeof *grown);
    if (!grown)
        return err_set(e, ERR_NOMEM, "no memory for %zu interactions", n);
    k->interactions = grown;
    k->capacity = n;
    return ERR_OK;
}

/* What the encoder takes of a user, in the workspaces of k. */
static enum err_code make_input(struct user_encoder *k, const struct item_snapshot *items,
                                const struct store_user *user, struct encoder_input *out, struct err *e)
{
    const struct added_items *extra = item_snapshot_extra(items);
    *out = (struct encoder_input){.values = k->values,
                                  .extra = added_items_params(extra),
                                  .n_extra = added_items_count(extra),
                                  .basis = k->model->fold_in};
    enum err_code code = reserve_interactions(k, user->n_interactions, e);
    if (!code)
        code = kinds_merge(&k->merged, user->interactions, user->n_interactions, e);
    k->n_values = 0;
    if (!code && k->model->spec.encoder.n_values)
        code = profile_each(user->profile.data, user->profile.len, take_value, k, e);
    if (code)
        return code;
    const struct kinds_merged *m = &k->merged;
    out->n_interactions = encoder_rows(items, m->at, m->n, k->interactions);
    out->n_negative = encoder_rows(items, m->at + m->n, m->n_negative, k->interactions + out->n_interactions);
    out->interactions = k->interactions;
    out->n_values = k->n_values;
    return ERR_OK;
}

enum err_code context_encode(struct user_encoder *k, const struct item_snapshot *items,
                             const struct store_user *user, const float **c, struct err *e)
{
    struct encoder_input input;
    enum err_code code = make_input(k, items, user, &input, e);
    if (!code)
        code = encoder_encode(&k->model->spec, &k->model->params, &input, k->workspace, k->c, e);
    if (!code)
        *c = k->c;
    return code;
}

bool context_has_width(const struct model *m, const struct buf *embedding)
{
    return embedding->len == m->spec.d_context * sizeof(float);
}

/* A context that is stored, as it is. */
static enum err_code use_stored(struct user_encoder *k, const struct buf *embedding, const float **c,
                                struct err *e)
{
    if (!context_has_width(k->model, embedding))
        return err_set(e, ERR_CONFLICT,
                       "the user's embedding has %zu numbers and was given for another model that was called "
                       "'%s' version '%s', which takes %zu; register the user anew",
                       embedding->len / sizeof(float), k->model->spec.name, k->model->spec.version,
                       k->model->spec.d_context);
    memcpy(k->c, embedding->data, embedding->len);
    field_make_usable(k->c, k->model->spec.d_context); /* given before there was a limit */
    *c = k->c;
    return ERR_OK;
}

enum err_code context_of_stored(struct user_encoder *k, const struct store_user_context *stored,
                                const float **c, struct err *e)
{
    return use_stored(k, &stored->embedding, c, e);
}

enum err_code context_of_user(struct user_encoder *k, const struct item_snapshot *items,
                              const struct store_user *user, const float **c, struct err *e)
{
    bool made = user->embedding_revision == user->revision && context_has_width(k->model, &user->embedding);
    bool stored = user->embedding.len > 0 && (user->embedding_given || made);
    if (!stored && !k->model->spec.encoder.present)
        return err_set(
            e, ERR_CONFLICT,
            "the user has no embedding for model '%s' version '%s', which makes no contexts itself; "
            "register the user with one",
            k->model->spec.name, k->model->spec.version);
    return stored ? use_stored(k, &user->embedding, c, e) : context_encode(k, items, user, c, e);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static enum err_code reserve_list(uint32_t **list, size_t *capacity, size_t n, struct err *e)
{
    if (n <= *capacity)
        return ERR_OK;
    uint32_t *grown = mem_realloc_array(*list, n, sizeof *grown);
    if (!grown)
        return err_set(e, ERR_NOMEM, "no memory for the %zu items of a user", n);
    *list = grown;
    *capacity = n;
    return ERR_OK;
}

/* Indices of a user's items on their way to a list. Keys rise in a list of items, and a model that was
 * trained from this store has its items in their order: then there is nothing to sort. */
struct seeing {
    uint32_t *list;
    size_t n;
    bool unsorted;
};

static void see(const struct item_snapshot *items, int64_t item_key, struct seeing *s)
{
    long index = item_index_index(item_snapshot_items(items), item_key);
    if (index < 0)
        return;
    s->unsorted = s->unsorted || (s->n && s->list[s->n - 1] >= (uint32_t)index);
    s->list[s->n++] = (uint32_t)index;
}

/* Leaves the list rising, each item once; returns how many. */
static size_t end_seeing(const struct seeing *s)
{
    if (!s->unsorted)
        return s->n;
    size_t kept = 0;
    qsort(s->list, s->n, sizeof *s->list, by_value);
    for (size_t i = 0; i < s->n; i++)
        if (kept == 0 || s->list[i] != s->list[kept - 1])
            s->list[kept++] = s->list[i];
    return kept;
}

/* The items that the user took, where these are not those that were seen: of a model with neighbours and
 * a user whose events have kinds. */
static enum err_code take_taken(struct user_encoder *k, const struct item_snapshot *items,
                                const struct store_user *user, struct err *e)
{
    if (!k->model->spec.n_pairs)
        return ERR_OK;
    enum err_code code = kinds_merge(&k->merged, user->interactions, user->n_interactions, e);
    if (code || k->merged.at == user->interactions)
        return code;
    code = reserve_list(&k->taken_rows, &k->taken_capacity, k->merged.n, e);
    struct seeing s = {.list = k->taken_rows};
    for (size_t i = 0; i < k->merged.n && !code; i++)
        see(items, k->merged.at[i].item_key, &s);
    if (code)
        return code;
    k->n_taken = end_seeing(&s);
    k->taken = k->taken_rows;
    return ERR_OK;
}

/* The items of a user whose interactions were read. */
static enum err_code take_seen(struct user_encoder *k, const struct item_snapshot *items,
                               const struct store_user *user, size_t *n, struct err *e)
{
    enum err_code code = reserve_list(&k->seen, &k->seen_capacity, user->n_interactions, e);
    struct seeing s = {.list = k->seen};
    for (size_t i = 0; i < user->n_interactions && !code; i++)
        if (!user->interactions[i].unseen)
            see(items, user->interactions[i].item_key, &s);
    if (code)
        return code;
    k->n_taken = *n = end_seeing(&s);
    k->taken = k->seen;
    return take_taken(k, items, user, e);
}

/* The items that are listed with a context. */
static enum err_code take_listed(struct user_encoder *k, const struct item_snapshot *items,
                                 const struct store_user_context *stored, size_t *n, struct err *e)
{
    enum err_code code = reserve_list(&k->seen, &k->seen_capacity, stored->n_items, e);
    struct seeing s = {.list = k->seen};
    for (size_t i = 0; i < stored->n_items && !code; i++)
        see(items, stored->items[i], &s);
    if (code)
        return code;
    k->n_taken = *n = end_seeing(&s);
    k->taken = k->seen;
    return ERR_OK;
}

enum err_code context_items_of_user(struct user_encoder *k, const struct item_snapshot *items,
                                    const struct store_user *user, struct context_items *out, struct err *e)
{
    enum err_code code = take_seen(k, items, user, &out->n_seen, e);
    out->seen = k->seen;
    out->taken = k->taken;
    out->n_taken = user->embedding_given ? 0 : k->n_taken; /* he is to be known by nothing else */
    return code;
}

enum err_code context_items_of_stored(struct user_encoder *k, const struct item_snapshot *items,
                                      const struct store_user_context *stored, struct context_items *out,
                                      struct err *e)
{
    enum err_code code = take_listed(k, items, stored, &out->n_seen, e);
    out->seen = k->seen;
    out->taken = k->taken;
    out->n_taken = k->n_taken;
    return code;
}

/* The neighbours of the first n of k->taken: what follows the layers' weights in theta. They are summed in
 * the order of the items, so that a user has the same weights whichever way the items were read. */
static enum err_code add_item_item(struct user_encoder *k, size_t n, real *theta, size_t *len, struct err *e)
{
    enum err_code code = reserve_interactions(k, n, e);
    for (size_t i = 0; i < n && !code; i++)
        k->interactions[i] = (struct encoder_interaction){.item = k->taken[i], .weight = 1};
    return code ? code
                : item_item_generate(&k->model->spec, &k->model->params, k->interactions, n, k->workspace,
                                     theta, len, e);
}

static enum err_code generate_theta(struct user_encoder *k, const float *c, real *theta, struct err *e)
{
    if (k->batcher)
        return batcher_generate(k->batcher, c, k->workspace, theta, e);
    return hypernet_generate(&k->model->spec, &k->model->params, c, k->workspace, theta, e);
}

/* Of a model without item-item weights the length of theta is known: it is written where it stays. */
static enum err_code generate_in_place(struct user_encoder *k, const float *c, size_t n_seen,
                                       struct weights **out, uint32_t **seen, struct err *e)
{
    struct theta_layout layout;
    real *theta;
    theta_layout_of(&k->model->spec, &layout);
    struct weights *w = weights_new(layout.len, n_seen, &theta, seen);
    if (!w)
        return err_set(e, ERR_NOMEM, "no memory for generated weights");
    enum err_code code = generate_theta(k, c, theta, e);
    if (code)
        weights_unref(w);
    else
        *out = w;
    return code;
}

/* Weights of the context c and, where they have neighbours, the first n_history of k->taken. */
static enum err_code generate(struct user_encoder *k, const float *c, size_t n_history, size_t n_seen,
                              struct weights **out, uint32_t **seen, struct err *e)
{
    const struct model_spec *spec = &k->model->spec;
    size_t len;
    real *theta;
    if (!spec->n_pairs)
        return generate_in_place(k, c, n_seen, out, seen, e);
    enum err_code code = generate_theta(k, c, k->theta, e);
    if (!code)
        code = add_item_item(k, n_history, k->theta, &len, e);
    if (code)
        return code;
    struct weights *w = weights_new(len, n_seen, &theta, seen);
    if (!w)
        return err_set(e, ERR_NOMEM, "no memory for generated weights");
    memcpy(theta, k->theta, len * sizeof *theta);
    *out = w;
    return ERR_OK;
}

/* Weights that hide the n_seen items of k->seen; the first n_history of k->taken have neighbours. */
static enum err_code generate_seen(struct user_encoder *k, const float *c, size_t n_history, size_t n_seen,
                                   struct weights **out, struct err *e)
{
    uint32_t *seen;
    enum err_code code = generate(k, c, n_history, n_seen, out, &seen, e);
    if (!code && n_seen)
        memcpy(seen, k->seen, n_seen * sizeof *seen);
    return code;
}

enum err_code context_generate(struct user_encoder *k, const struct item_snapshot *items,
                               const struct store_user *user, const float *c, struct weights **out,
                               struct err *e)
{
    size_t n_seen;
    enum err_code code = take_seen(k, items, user, &n_seen, e);
    if (!code) /* a given context is all that its user is to be known by */
        code = generate_seen(k, c, user->embedding_given ? 0 : k->n_taken, n_seen, out, e);
    if (code)
        return code;
    (*out)->revision = user->revision;
    (*out)->owner = user->key;
    return ERR_OK;
}

enum err_code context_generate_stored(struct user_encoder *k, const struct item_snapshot *items,
                                      const struct store_user_context *stored, const float *c,
                                      struct weights **out, struct err *e)
{
    size_t n_seen;
    enum err_code code = take_listed(k, items, stored, &n_seen, e);
    if (!code)
        code = generate_seen(k, c, k->n_taken, n_seen, out, e);
    if (code)
        return code;
    (*out)->revision = stored->revision;
    (*out)->owner = stored->key;
    return ERR_OK;
}

enum err_code context_make_stored(struct user_encoder *k, const struct item_snapshot *items,
                                  const struct store_user_context *stored, struct weights **out,
                                  struct err *e)
{
    const float *c = NULL;
    enum err_code code = context_of_stored(k, stored, &c, e);
    return code ? code : context_generate_stored(k, items, stored, c, out, e);
}

enum err_code context_make_weights(struct user_encoder *k, const struct item_snapshot *items,
                                   const struct store_user *user, struct weights **out, struct err *e)
{
    const float *c = NULL;
    enum err_code code = context_of_user(k, items, user, &c, e);
    return code ? code : context_generate(k, items, user, c, out, e);
}

enum err_code context_generate_taken(struct user_encoder *k, const float *c,
                                     const struct context_items *items, const real *shares,
                                     struct weights **out, struct err *e)
{
    const struct model_spec *spec = &k->model->spec;
    uint32_t *seen;
    real *theta;
    size_t len;
    enum err_code code = generate_theta(k, c, k->theta, e);
    if (!code)
        code = item_item_blend(spec, &k->model->params, items->taken, shares, items->n_taken, k->workspace,
                               k->theta, &len, e);
    struct weights *w = code ? NULL : weights_new(len, items->n_seen, &theta, &seen);
    if (!w)
        return code ? code : err_set(e, ERR_NOMEM, "no memory for generated weights");
    memcpy(theta, k->theta, len * sizeof *theta);
    if (items->n_seen)
        memcpy(seen, items->seen, items->n_seen * sizeof *seen);
    *out = w;
    return ERR_OK;
}

size_t context_theta_len(const struct user_encoder *k)
{
    return item_item_theta_most(&k->model->spec);
}

enum err_code context_theta(struct user_encoder *k, const struct item_snapshot *items,
                            const struct store_user *user, real *theta, struct err *e)
{
    const float *c;
    size_t n_seen, len;
    enum err_code code = context_encode(k, items, user, &c, e);
    if (!code)
        code = hypernet_generate(&k->model->spec, &k->model->params, c, k->workspace, theta, e);
    if (!code && k->model->spec.n_pairs) {
        code = take_seen(k, items, user, &n_seen, e);
        if (!code)
            code = add_item_item(k, k->n_taken, theta, &len, e);
    }
    return code;
}

size_t context_draw_len(const struct user_encoder *k)
{
    return context_draws_len(&k->model->spec);
}

enum err_code context_draw_begin(struct user_encoder *k, const struct item_snapshot *items,
                                 const struct store_user *user, double *room, bool *known, struct err *e)
{
    const struct model *m = k->model;
    struct encoder_input input;
    *known = false;
    if (!context_draw_len(k) || user->embedding_given)
        return ERR_OK;
    enum err_code code = make_input(k, items, user, &input, e);
    if (!code)
        code = encoder_encode(&m->spec, &m->params, &input, k->workspace, k->c, e);
    if (!code)
        *known = context_draws_factor(&m->spec, &m->params, &input, room);
    return code;
}

enum err_code context_draw_theta(struct user_encoder *k, double *room, struct rng *rng, real *theta,
                                 struct err *e)
{
    const struct model *m = k->model;
    size_t len;
    context_draws_next(&m->spec, room, k->c, rng, k->drawn);
    enum err_code code = hypernet_generate(&m->spec, &m->params, k->drawn, k->workspace, theta, e);
    return code || !m->spec.n_pairs ? code : add_item_item(k, 0, theta, &len, e);
}

enum err_code context_of_prior(struct user_encoder *k, const float **c, struct err *e)
{
    struct encoder_input nothing = {0};
    enum err_code code = ERR_OK;
    if (k->model->spec.encoder.present)
        code = encoder_encode(&k->model->spec, &k->model->params, &nothing, k->workspace, k->c, e);
    else
        memset(k->c, 0, k->model->spec.d_context * sizeof *k->c); /* what a context is centred on */
    *c = k->c;
    return code;
}

enum err_code context_make_prior(struct user_encoder *k, struct weights **out, struct err *e)
{
    const float *c;
    uint32_t *seen;
    enum err_code code = context_of_prior(k, &c, e);
    return code ? code : generate(k, c, 0, 0, out, &seen, e);
}
