/* Everything a cached answer needs is in the thread's own workspaces: no lock is shared on a hit but the
 * cache's shard, and nothing grows with the number of requests. */
#include "server/serving/recommender_parts.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/serving/context_blend.h"
#include "server/serving/user_weights.h"

#include <assert.h>
#include <string.h>

enum err_code recommender_new(struct serving *serving, struct store_conn *conn, struct recommender **out,
                              struct err *e)
{
    struct recommender *p = mem_zalloc_array(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory for a thread's workspace");
    p->serving = serving;
    p->conn = conn;
    enum err_code code = model_handles_take(&p->handles, serving_models(serving), e);
    if (code) {
        recommender_free(p);
        return code;
    }
    *out = p;
    return ERR_OK;
}

void recommender_free(struct recommender *p)
{
    if (!p)
        return;
    model_handles_fini(&p->handles);
    store_user_fini(&p->user);
    store_user_context_fini(&p->context);
    mem_free(p->entries);
    mem_free(p->allowed);
    mem_free(p->scores);
    mem_free(p->admitted);
    mem_free(p->together.entries);
    mem_free(p->together.workspace);
    mem_free(p);
}

/* ---- models ---- */

void recommender_refresh(struct recommender *p)
{
    struct err none = {0};
    if (serving_models_are(p->serving, p->handles.set) && !p->handles.lacks)
        return;
    if (model_handles_take(&p->handles, serving_models(p->serving), &none))
        return; /* what there is no memory for is tried again before the next request */
}

/* The thread's handle of a model of its set; NULL of none. */
static struct model_handle *handle_of(const struct recommender *p, const struct served_model *served)
{
    return served ? model_handles_of(&p->handles, served) : NULL;
}

struct model_handle *recommender_find(struct recommender *p, const char *name)
{
    return handle_of(p, model_set_find(p->handles.set, name));
}

struct model_handle *recommender_find_task(struct recommender *p, const char *name)
{
    return handle_of(p, model_set_find_task(p->handles.set, name));
}

struct model_handle *recommender_find_images(struct recommender *p, const char *name)
{
    return handle_of(p, model_set_find_images(p->handles.set, name));
}

struct model_handle *recommender_find_trained(struct recommender *p, const char *name)
{
    return handle_of(p, model_set_find_trained(p->handles.set, name));
}

bool recommender_lacks(const struct recommender *p, const char *name)
{
    return p->handles.lacks && model_set_find_any(p->handles.set, name);
}

const struct model_handles *recommender_handles(const struct recommender *p)
{
    return &p->handles;
}

size_t recommender_n_models(const struct recommender *p)
{
    return p->handles.n;
}

struct model_handle *recommender_model(struct recommender *p, size_t i)
{
    assert(i < p->handles.n);
    return p->handles.at[i];
}

struct model_set *recommender_models(struct recommender *p)
{
    return model_set_ref(p->handles.set);
}

enum err_code recommender_take_over(struct recommender *p, struct model_set *models,
                                    const struct served_model *served, struct model_handle **out,
                                    struct err *e)
{
    struct err why = {0};
    enum err_code code = ERR_OK;
    if (models != p->handles.set || p->handles.lacks)
        code = model_handles_take(&p->handles, model_set_ref(models), &why);
    *out = model_handles_of(&p->handles, served);
    if (*out)
        return ERR_OK;
    assert(code); /* it is one of them, so it was memory that lacked */
    return err_set(e, code, "%s", why.text);
}

struct store_user *recommender_user_record(struct recommender *p)
{
    return &p->user;
}

/* ---- weights ---- */

struct weights *recommender_cached(struct recommender *p, struct model_handle *handle, enum weights_kind kind,
                                   struct text user)
{
    char key[MODEL_KEY_BYTES];
    return weights_cache_get(p->serving->cache, key, model_key(handle->served->uid, kind, user, key));
}

/* How the store is read. */
enum reading {
    READ_CONTEXT, /* the stored context, where it is of now; else the whole user */
    READ_WHOLE,   /* the whole user, whatever is stored */
    READ_INLINE,  /* as READ_CONTEXT, without waiting, or not */
};

/* The stored context to the thread's record, with the items of its user. ERR_BUSY where the read would wait,
 * or weights of what it read take long. */
static enum err_code read_context(struct recommender *p, struct model_handle *handle, struct text user,
                                  enum reading reading, bool *found, struct err *e)
{
    const struct model_spec *spec = &handle->model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    enum err_code code = reading == READ_CONTEXT
                             ? store_read_context(p->conn, user, &key, &p->context, found, e)
                             : store_read_context_nonblocking(p->conn, user, &key, &p->context, found, e);
    *found = !code && *found && context_has_width(handle->model, &p->context.embedding);
    if (reading == READ_INLINE && *found && p->context.n_items > handle->served->inline_budget.max_items)
        code = err_set(e, ERR_BUSY, "a user with so many items takes long");
    return code;
}

/* The whole user to the thread's record. ERR_BUSY as above. */
static enum err_code read_user(struct recommender *p, struct model_handle *handle, struct text user,
                               enum reading reading, struct err *e)
{
    const struct model_spec *spec = &handle->model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    if (reading != READ_INLINE)
        return store_read_user(p->conn, user, &key, &p->user, e);
    enum err_code code =
        store_read_user_nonblocking(p->conn, user, &key, handle->served->inline_budget.max_read, &p->user, e);
    if (!code && p->user.profile.len > INLINE_MAX_PROFILE_BYTES)
        code = err_set(e, ERR_BUSY, "such a profile takes long");
    return code;
}

/* Reads a user to the thread's records: the stored context, or else all of him. */
static enum err_code read_either(struct recommender *p, struct model_handle *handle, struct text user,
                                 enum reading reading, bool *stored, struct err *e)
{
    enum err_code code = ERR_OK;
    *stored = false;
    if (reading != READ_WHOLE)
        code = read_context(p, handle, user, reading, stored, e);
    return code || *stored ? code : read_user(p, handle, user, reading, e);
}

/* The weights of a user whom the thread's records have; *c is his context (C). */
static enum err_code generate_read(struct recommender *p, struct model_handle *handle,
                                   struct user_encoder *encoder, bool stored, const float **c,
                                   struct weights **out, struct err *e)
{
    /* No older than what was read: of an item that the user took and an older snapshot lacks, the weights
     * would not know, and nobody would drop them. */
    const struct item_snapshot *items = model_handle_items(handle);
    if (stored) {
        enum err_code code = context_of_stored(encoder, &p->context, c, e);
        return code ? code : context_generate_stored(encoder, items, &p->context, *c, out, e);
    }
    enum err_code code = context_of_user(encoder, items, &p->user, c, e);
    return code ? code : context_generate(encoder, items, &p->user, *c, out, e);
}

/* What a miss is: a read of the store, a context, and the weights that it generates. */
static enum err_code generate_user(struct recommender *p, struct model_handle *handle, struct text user,
                                   enum reading reading, struct weights **out, struct err *e)
{
    struct user_encoder *encoder;
    const float *c; /* (C) */
    bool stored = false;
    enum err_code code = model_handle_encoder(handle, &encoder, e);
    if (!code)
        code = read_either(p, handle, user, reading, &stored, e);
    return code ? code : generate_read(p, handle, encoder, stored, &c, out, e);
}

/* Whether a user whom the thread's records have has an item. */
static enum err_code has_item(struct recommender *p, struct model_handle *handle,
                              struct user_encoder *encoder, bool stored, uint32_t item, bool *has,
                              struct err *e)
{
    const struct item_snapshot *items = model_handle_items(handle);
    struct context_items of;
    enum err_code code = stored ? context_items_of_stored(encoder, items, &p->context, &of, e)
                                : context_items_of_user(encoder, items, &p->user, &of, e);
    *has = false;
    for (size_t i = 0; !code && i < of.n_seen && of.seen[i] <= item; i++)
        *has = of.seen[i] == item;
    return code;
}

enum err_code recommender_uncached(struct recommender *p, struct model_handle *handle, struct text user,
                                   const uint32_t *without, const float **c, struct weights **out,
                                   struct err *e)
{
    struct user_encoder *encoder;
    bool stored = false, has = false;
    enum err_code code = model_handle_encoder(handle, &encoder, e);
    *out = NULL;
    if (!code)
        code = read_either(p, handle, user, READ_CONTEXT, &stored, e);
    if (!code && without)
        code = has_item(p, handle, encoder, stored, *without, &has, e);
    return code || has ? code : generate_read(p, handle, encoder, stored, c, out, e);
}

static enum err_code generate_prior(struct model_handle *handle, struct weights **out, struct err *e)
{
    struct user_encoder *encoder;
    enum err_code code = model_handle_encoder(handle, &encoder, e);
    return code ? code : context_make_prior(encoder, out, e);
}

enum err_code recommender_acquire(struct recommender *p, struct model_handle *handle, enum weights_kind kind,
                                  struct text user, struct weights **out, bool *hit, struct err *e)
{
    char key[MODEL_KEY_BYTES];
    struct weights_lease lease;
    struct err why = {0};
    enum err_code code = ERR_OK;
    weights_cache_lease(p->serving->cache, key, model_key(handle->served->uid, kind, user, key), &lease);
    *hit = lease.found == WEIGHTS_HIT;
    if (lease.found == WEIGHTS_PENDING)
        code = weights_lease_wait(&lease, e);
    if (code)
        return code;
    *out = lease.weights;
    if (lease.found == WEIGHTS_HIT)
        return ERR_OK;
    code = kind == WEIGHTS_OF_PRIOR ? generate_prior(handle, out, &why)
                                    : generate_user(p, handle, user, READ_CONTEXT, out, &why);
    if (code)
        weights_lease_fail(&lease, &why);
    else
        weights_lease_publish(&lease, *out);
    return code ? err_set(e, code, "%s", why.text) : ERR_OK;
}

struct weights *recommender_try(struct recommender *p, struct model_handle *handle, struct text user,
                                bool *hit)
{
    char key[MODEL_KEY_BYTES];
    struct weights_lease lease;
    *hit = true;
    if (!handle->served->inline_budget.any || !store_reads_nonblocking(p->conn))
        return recommender_cached(p, handle, WEIGHTS_OF_USER, user);
    weights_cache_lease(p->serving->cache, key, model_key(handle->served->uid, WEIGHTS_OF_USER, user, key),
                        &lease);
    *hit = lease.found == WEIGHTS_HIT;
    if (lease.found == WEIGHTS_MISS &&
        generate_user(p, handle, user, READ_INLINE, &lease.weights, NULL) == ERR_OK)
        weights_lease_publish(&lease, lease.weights);
    else if (lease.found != WEIGHTS_HIT)
        weights_lease_abandon(&lease); /* whoever has time to wait meets a failure again */
    return lease.weights;
}

enum err_code recommender_reread(struct recommender *p, struct model_handle *handle, struct text user,
                                 struct weights **w, struct err *e)
{
    struct weights *made;
    enum err_code code = generate_user(p, handle, user, READ_WHOLE, &made, e);
    if (code)
        return code;
    weights_unref(*w);
    *w = made;
    return ERR_OK;
}

enum err_code recommender_of_record(struct recommender *p, struct model_handle *handle, struct weights **out,
                                    struct err *e)
{
    struct user_encoder *encoder;
    enum err_code code = model_handle_encoder(handle, &encoder, e);
    return code ? code : context_make_weights(encoder, model_handle_items(handle), &p->user, out, e);
}

enum err_code recommender_context(struct recommender *p, struct model_handle *handle, struct text user,
                                  float *c, struct err *e)
{
    struct user_encoder *encoder;
    const float *found = NULL; /* (C) */
    bool stored;
    enum err_code code = model_handle_encoder(handle, &encoder, e);
    if (!code)
        code = read_either(p, handle, user, READ_CONTEXT, &stored, e);
    if (!code)
        code = stored ? context_of_stored(encoder, &p->context, &found, e)
                      : context_of_user(encoder, model_handle_items(handle), &p->user, &found, e);
    if (!code)
        memcpy(c, found, handle->model->spec.d_context * sizeof *c);
    return code;
}

/* ---- several contexts as one ---- */

/* Adds a user whom the thread's records have. */
static enum err_code blend_user(struct recommender *p, struct user_encoder *encoder, bool stored,
                                double weight, struct context_blend *b, struct err *e)
{
    const float *c = NULL; /* (C) */
    enum err_code code = stored ? context_of_stored(encoder, &p->context, &c, e)
                                : context_of_user(encoder, b->items, &p->user, &c, e);
    if (code)
        return code;
    context_blend_add(b, c, weight);
    struct context_items items;
    code = stored ? context_items_of_stored(encoder, b->items, &p->context, &items, e)
                  : context_items_of_user(encoder, b->items, &p->user, &items, e);
    if (!code)
        context_blend_take(b, &items, weight);
    return code;
}

static enum err_code blend_one(struct recommender *p, struct model_handle *handle,
                               struct user_encoder *encoder, struct blended_context *one, double weight,
                               bool cold_start, struct context_blend *b, struct err *e)
{
    const float *c = one->embedding;
    bool stored;
    struct err why = {0};
    one->revision = 0;
    if (c) {
        context_blend_add(b, c, weight);
        return ERR_OK;
    }
    enum err_code code = read_either(p, handle, one->user, READ_CONTEXT, &stored, &why);
    if (code == ERR_NOTFOUND && cold_start) {
        code = context_of_prior(encoder, &c, e);
        if (!code)
            context_blend_add(b, c, weight);
        return code;
    }
    if (code)
        return err_copy(e, &why);
    one->revision = stored ? p->context.revision : p->user.revision;
    return blend_user(p, encoder, stored, weight, b, e);
}

/* Adds all of them; *at is the one that failed. */
static enum err_code blend_all(struct recommender *p, struct model_handle *handle,
                               struct user_encoder *encoder, const struct blend_query *q,
                               struct context_blend *b, size_t *at, struct err *e)
{
    double sum = 0;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < q->n; i++)
        sum += q->contexts[i].weight;
    for (*at = 0; *at < q->n; ++*at) {
        struct blended_context *one = &q->contexts[*at];
        code = blend_one(p, handle, encoder, one, one->weight / sum, q->cold_start, b, e);
        if (code)
            return code;
    }
    return code;
}

enum err_code recommender_blend(struct recommender *p, struct model_handle *handle,
                                const struct blend_query *q, struct weights **out, size_t *at, struct err *e)
{
    enum { MAX_TRIES = 4 };
    struct user_encoder *encoder;
    enum err_code code = model_handle_encoder(handle, &encoder, e);
    bool done = false;
    *at = q->n;
    for (int i = 0; i < MAX_TRIES && !code && !done; i++) {
        struct context_blend b;
        const struct item_snapshot *items = model_handle_items(handle);
        unsigned version = handle->items_version;
        code = context_blend_init(&b, handle->model, items, e);
        if (!code)
            code = blend_all(p, handle, encoder, q, &b, at, e);
        if (!code && *at == q->n)
            code = context_blend_weights(&b, encoder, out, e);
        context_blend_fini(&b);
        /* An item that somebody took may be newer than the items that were looked at: then once more. */
        (void)model_handle_items(handle);
        done = code || version == handle->items_version || i == MAX_TRIES - 1;
        if (!done)
            weights_unref(*out);
    }
    return code;
}
