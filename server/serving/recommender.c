/* Everything a cached answer needs is in the thread's own workspaces: no lock is shared on a hit but the
 * cache's shard, and nothing grows with the number of requests. */
#include "server/serving/recommender_parts.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/serving/user_weights.h"

#include <assert.h>

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

/* What a miss is: a read of the store, a context, and the weights that it generates. */
static enum err_code generate_user(struct recommender *p, struct model_handle *handle, struct text user,
                                   enum reading reading, struct weights **out, struct err *e)
{
    struct user_encoder *encoder;
    const float *c; /* (C) */
    bool stored = false;
    enum err_code code = model_handle_encoder(handle, &encoder, e);
    if (!code && reading != READ_WHOLE)
        code = read_context(p, handle, user, reading, &stored, e);
    if (!code && !stored)
        code = read_user(p, handle, user, reading, e);
    if (code)
        return code;
    /* No older than what was read: of an item that the user took and an older snapshot lacks, the weights
     * would not know, and nobody would drop them. */
    const struct item_snapshot *items = model_handle_items(handle);
    if (stored) {
        code = context_of_stored(encoder, &p->context, &c, e);
        return code ? code : context_generate_stored(encoder, items, &p->context, c, out, e);
    }
    code = context_of_user(encoder, items, &p->user, &c, e);
    return code ? code : context_generate(encoder, items, &p->user, c, out, e);
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
