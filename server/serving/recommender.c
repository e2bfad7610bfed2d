/* Everything a cached answer needs is in the thread's own workspaces: no lock is shared on a hit but the
 * cache's shard, and nothing grows with the number of requests.
 * These are more than 600 lines because models, weights and answers share the thread's workspaces, which no
 * other file is to see. */
#include "server/serving/recommender.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/added_items.h"
#include "engine/network/target.h"
#include "engine/rank/catalogue.h"
#include "engine/rank/topk.h"
#include "server/serving/explain.h"
#include "server/serving/item_list.h"
#include "server/serving/score_spread.h"
#include "server/serving/user_weights.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct recommender {
    struct serving *serving;
    struct store_conn *conn;
    struct store_user user;
    struct store_user_context context;
    struct model_handles handles; /* of the newest set of models when the thread met its last request */
    struct topk_entry *entries;   /* (n_entries) */
    size_t n_entries;
    uint64_t *allowed; /* (n_allowed) words */
    size_t n_allowed;
    real *scores; /* (n_scores) */
    size_t n_scores;
};

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
    if (reading == READ_CONTEXT)
        return store_read_context(p->conn, user, &key, &p->context, found, e);
    enum err_code code = store_read_context_nonblocking(p->conn, user, &key, &p->context, found, e);
    if (!code && *found && p->context.n_items > handle->served->inline_budget.max_items)
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

/* ---- answers ---- */

static void add_model(struct buf *out, const struct model_spec *spec)
{
    buf_adds(out, ",\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
}

/* n_bytes: about what the list takes; room for it at once saves growing by doubling. */
static void add_head(struct buf *out, const struct model_spec *spec, struct text user,
                     const struct weights *w, bool cold, size_t n_bytes)
{
    (void)buf_reserve(out, n_bytes + 512);
    buf_adds(out, "{\"user\":");
    buf_add_json_string(out, user.data, user.len);
    add_model(out, spec);
    buf_adds(out, ",\"context_revision\":");
    if (cold)
        buf_adds(out, "null,\"cold\":true");
    else
        buf_add_int(out, w->revision);
}

/* Makes *array hold n things; it only grows to the largest request seen, which has a limit. */
static enum err_code reserve(void **array, size_t *have, size_t n, size_t size, struct err *e)
{
    if (n <= *have)
        return ERR_OK;
    void *grown = mem_alloc_aligned(n, size);
    if (!grown)
        return err_set(e, ERR_NOMEM, "no memory for %zu entries", n);
    mem_free(*array);
    *array = grown;
    *have = n;
    return ERR_OK;
}

/* The union of categories (n) as bits. */
static enum err_code allow_categories(struct recommender *p, const struct item_snapshot *items,
                                      const struct text *categories, size_t n, struct err *e)
{
    size_t n_words = (item_snapshot_count(items) + 63) / 64;
    enum err_code code = reserve((void **)&p->allowed, &p->n_allowed, n_words, sizeof *p->allowed, e);
    if (code)
        return code;
    memset(p->allowed, 0, n_words * sizeof *p->allowed);
    for (size_t i = 0; i < n; i++) {
        const uint32_t *indices;
        size_t n_items;
        if (!item_index_category(item_snapshot_items(items), categories[i], &indices, &n_items))
            continue;
        for (size_t k = 0; k < n_items; k++)
            p->allowed[indices[k] / 64] |= (uint64_t)1 << (indices[k] % 64);
    }
    return ERR_OK;
}

/* The reasons of the best items; of the prior, which is made of nothing, there are none. */
static enum err_code explain(struct recommender *p, struct model_handle *handle,
                             const struct recommend_query *q, const struct item_snapshot *items,
                             const struct item_list *best, struct explanation **out, struct err *e)
{
    static const struct store_user nobody;
    struct explain_query query = {.model = handle->model,
                                  .items = items,
                                  .user = q->cold ? &nobody : &p->user,
                                  .n = best->n,
                                  .most = q->explain,
                                  .workspace = handle->workspace};
    uint32_t indices[LIMIT_EXPLAIN_ITEMS];
    float scores[LIMIT_EXPLAIN_ITEMS];
    assert(best->n <= LIMIT_EXPLAIN_ITEMS);
    enum err_code code = model_handle_encoder(handle, &query.encoder, e);
    if (code)
        return code;
    for (size_t i = 0; i < best->n; i++) {
        indices[i] = best->entries[i].index;
        scores[i] = best->entries[i].score;
    }
    query.indices = indices;
    query.scores = scores;
    return explain_new(&query, out, e);
}

/* The deviations (n) of the best items' scores. */
static enum err_code spread(struct recommender *p, struct model_handle *handle,
                            const struct recommend_query *q, const struct item_snapshot *items,
                            const struct item_list *best, float *deviations, struct err *e)
{
    static const struct store_user nobody;
    uint32_t indices[LIMIT_EXPLAIN_ITEMS];
    struct score_spread_query query = {.model = handle->model,
                                       .items = items,
                                       .user = q->cold ? &nobody : &p->user,
                                       .indices = indices,
                                       .n = best->n,
                                       .n_samples = q->samples,
                                       .seed = q->seed,
                                       .workspace = handle->workspace};
    bool known = false;
    assert(best->n <= LIMIT_EXPLAIN_ITEMS);
    for (size_t i = 0; i < best->n; i++)
        indices[i] = best->entries[i].index;
    enum err_code code = model_handle_encoder(handle, &query.encoder, e);
    if (!code)
        code = score_spread_make(&query, deviations, &known, e);
    for (size_t i = 0; i < best->n && !known; i++)
        deviations[i] = -1;
    return code;
}

enum err_code recommender_recommend(struct recommender *p, struct model_handle *handle,
                                    const struct weights *w, const struct recommend_query *q, struct buf *out,
                                    struct err *e)
{
    const struct model *m = handle->model;
    const struct item_snapshot *items = model_handle_items(handle);
    struct explanation *explanation = NULL;
    size_t k = q->offset + q->limit;
    if (k > item_snapshot_count(items))
        k = item_snapshot_count(items);
    enum err_code code = reserve((void **)&p->entries, &p->n_entries, k, sizeof *p->entries, e);
    if (!code && q->n_categories)
        code = allow_categories(p, items, q->categories, q->n_categories, e);
    if (code)
        return code;
    struct catalogue_filter filter = {
        .excluded = q->include_seen ? NULL : w->seen,
        .n_excluded = q->include_seen ? 0 : w->n_seen,
        .allowed = q->n_categories ? p->allowed : item_index_visible_bits(item_snapshot_items(items))};
    struct topk top;
    topk_init(&top, p->entries, k);
    assert(w->n_theta >= handle->theta_len); /* weights of this model */
    added_items_top_k(m, item_snapshot_extra(items), w->theta, &filter, handle->workspace, &top);
    size_t n = topk_finish(&top);
    struct item_list best = {p->entries + q->offset, n > q->offset ? n - q->offset : 0, NULL, NULL};
    float deviations[LIMIT_EXPLAIN_ITEMS];
    if (q->samples) {
        if ((code = spread(p, handle, q, items, &best, deviations, e)))
            return code;
        best.deviations = deviations;
    }
    if (q->explain && (code = explain(p, handle, q, items, &best, &explanation, e)))
        return code;
    best.explanation = explanation;
    add_head(out, &m->spec, q->user, w, q->cold, best.n * 128);
    code = item_list_add(out, items, &best, e);
    explain_free(explanation);
    item_list_warn_of_categories(out, items, q->categories, q->n_categories);
    buf_addc(out, '}');
    return code ? code : buf_check(out, "the answer", e);
}

enum err_code recommender_similar(struct recommender *p, struct model_handle *handle,
                                  const struct similar_query *q, struct buf *out, struct err *e)
{
    const struct model *m = handle->model;
    const struct item_snapshot *items = model_handle_items(handle);
    size_t k = q->limit < item_snapshot_count(items) ? q->limit : item_snapshot_count(items);
    enum err_code code = reserve((void **)&p->entries, &p->n_entries, k, sizeof *p->entries, e);
    if (!code && q->n_categories)
        code = allow_categories(p, items, q->categories, q->n_categories, e);
    if (code)
        return code;
    struct catalogue_filter filter = {
        .excluded = &q->index,
        .n_excluded = 1,
        .allowed = q->n_categories ? p->allowed : item_index_visible_bits(item_snapshot_items(items))};
    struct topk top;
    topk_init(&top, p->entries, k);
    added_items_similar(m, item_snapshot_extra(items), q->index, &filter, &top);
    struct item_list list = {p->entries, topk_finish(&top), NULL, NULL};
    (void)buf_reserve(out, list.n * 128 + 512);
    buf_adds(out, "{\"item\":");
    buf_add_json_string(out, q->item.data, q->item.len);
    add_model(out, &m->spec);
    code = item_list_add(out, items, &list, e);
    item_list_warn_of_categories(out, items, q->categories, q->n_categories);
    buf_addc(out, '}');
    return code ? code : buf_check(out, "the answer", e);
}

/* All that is said of a listed item, whose id is plain text. One addition to the buffer: six would wait for
 * each other. */
static void add_scored_text(struct buf *out, struct text id, float score)
{
    static const char before[] = "{\"id\":\"", between[] = "\",\"score\":";
    char *to = buf_reserve(out, sizeof before + id.len + sizeof between + BUF_FLOAT_BYTES);
    if (!to)
        return;
    char *at = mempcpy(to, before, sizeof before - 1);
    at = mempcpy(at, id.data, id.len);
    at = mempcpy(at, between, sizeof between - 1);
    at += buf_float_text(score, at);
    *at++ = '}';
    out->len += (size_t)(at - to);
}

/* One item that the model has: the `known`th of them, the i-th of all. */
static void add_known(struct buf *out, const struct item_snapshot *items, const struct predict_items *asked,
                      size_t i, size_t known, float score)
{
    if (asked->texts) {
        add_scored_text(out, asked->texts[i], score);
        return;
    }
    size_t len;
    const char *id = item_index_id(item_snapshot_items(items), asked->indices[known], &len);
    item_list_add_scored(out, (struct text){id, len}, score);
    buf_addc(out, '}');
}

static void add_unknown(struct buf *out, struct text id)
{
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, id.data, id.len);
    buf_adds(out, ",\"score\":null}");
}

enum err_code recommender_predict_items(struct recommender *p, struct model_handle *handle,
                                        const struct weights *w, struct text user, bool cold,
                                        const struct predict_items *asked, struct buf *out, struct err *e)
{
    const struct model *m = handle->model;
    enum err_code code = reserve((void **)&p->scores, &p->n_scores, asked->n_known, sizeof *p->scores, e);
    if (code)
        return code;
    const struct item_snapshot *items = model_handle_items(handle);
    assert(w->n_theta >= handle->theta_len);
    added_items_score(m, item_snapshot_extra(items), w->theta, asked->indices, asked->n_known,
                      handle->workspace, p->scores);
    add_head(out, &m->spec, user, w, cold, asked->n * 48);
    buf_adds(out, ",\"predictions\":[");
    for (size_t i = 0, known = 0; i < asked->n; i++) {
        if (i)
            buf_addc(out, ',');
        if (asked->unknown && asked->unknown[i].data) {
            add_unknown(out, asked->unknown[i]);
            continue;
        }
        if (!isfinite(p->scores[known]))
            return item_list_refuse_score(e);
        float score = (float)model_prediction(m, (double)p->scores[known]);
        add_known(out, items, asked, i, known++, score);
    }
    buf_addc(out, ']');
    if (asked->count_unknown)
        buf_addf(out, ",\"unknown\":%zu", asked->n - asked->n_known);
    buf_addc(out, '}');
    return buf_check(out, "the answer", e);
}

enum err_code recommender_score_rows(struct recommender *p, struct model_handle *handle,
                                     const struct weights *w, const float *x, size_t n, const float **scores,
                                     struct err *e)
{
    const struct model *m = handle->model;
    enum err_code code =
        reserve((void **)&p->scores, &p->n_scores, n * m->spec.d_output, sizeof *p->scores, e);
    if (code)
        return code;
    assert(w->n_theta >= handle->theta_len);
    target_forward(&m->spec, &m->params, w->theta, x, n, handle->workspace, p->scores);
    *scores = p->scores;
    return ERR_OK;
}

enum err_code recommender_predict_rows(struct model_handle *handle, const struct weights *w, struct text user,
                                       bool cold, const float *scores, size_t n, struct buf *out,
                                       struct err *e)
{
    const struct model_spec *spec = &handle->model->spec;
    add_head(out, spec, user, w, cold, n * 48);
    buf_adds(out, ",\"predictions\":[");
    for (size_t i = 0; i < n * spec->d_output; i++) {
        if (i)
            buf_addc(out, ',');
        buf_add_float(out, scores[i]);
    }
    buf_adds(out, "]}");
    return buf_check(out, "the answer", e);
}
