/* After a write the users are taken in pieces: read and encoded beside others who write, then stored in one
 * short write. A user who changed again meanwhile is left to whoever changed it: the store takes no context
 * of a revision that has passed. */
#include "server/serving/user_contexts.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/fields/profile_known.h"
#include "server/items/encoder_rows.h"
#include "server/serving/user_weights.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 256, /* users whose contexts are stored in one write: some ten milliseconds */
    ITEMS = 256  /* items that one write moves */
};

static struct store_context_key key_of(const struct model_handle *handle)
{
    const struct model_spec *spec = &handle->model->spec;
    return (struct store_context_key){spec->name, spec->version, "user"};
}

static bool is_beyond_a_model(struct session *t, int64_t key)
{
    for (size_t i = 0; i < recommender_n_models(t->recommender); i++) {
        struct model_handle *handle = recommender_model(t->recommender, i);
        const struct item_snapshot *items = model_handle_items(handle);
        if (item_index_index(item_snapshot_items(items), key) >= (long)handle->model->spec.n_items ||
            !item_index_knows(item_snapshot_items(items), key))
            return true;
    }
    return false;
}

enum err_code user_contexts_touch_item(struct session *t, struct text id, int64_t key, struct err *e)
{
    assert(t->writer);
    return is_beyond_a_model(t, key) ? store_touch_item(t->writer, id, e) : ERR_OK;
}

enum err_code user_contexts_touch_items(struct session *t, const struct store_user *user, struct err *e)
{
    enum err_code code = ERR_OK;
    assert(t->writer);
    for (size_t i = 0; i < recommender_n_models(t->recommender) && !code; i++) {
        struct model_handle *handle = recommender_model(t->recommender, i);
        const struct item_index *items = item_snapshot_items(model_handle_items(handle));
        for (size_t k = 0; k < user->n_interactions && !code; k++) {
            long index = item_index_index(items, user->interactions[k].item_key);
            struct text id;
            if (index < (long)handle->model->spec.n_items)
                continue;
            id.data = item_index_id(items, (size_t)index, &id.len);
            code = store_touch_item(t->writer, id, e);
        }
    }
    return code;
}

const char *user_contexts_source(const struct model_handle *handle, const struct store_user *record)
{
    struct text profile = {record->profile.data, record->profile.len};
    if (record->embedding_given)
        return "embedding";
    if (record->n_interactions)
        return "interactions";
    return profile_known(&handle->model->spec, profile) ? "profile" : "prior";
}

enum err_code user_contexts_check_size(struct text id, size_t n_interactions, struct err *e)
{
    return n_interactions <= LIMIT_USER_INTERACTIONS
               ? ERR_OK
               : err_set(e, ERR_LIMIT, "user '%.*s' would have %zu interactions; at most %d are kept",
                         (int)id.len, id.data, n_interactions, LIMIT_USER_INTERACTIONS);
}

/* The context of a record for a model, borrowed; NULL: none is to be stored. */
static enum err_code encode(struct model_handle *handle, const struct store_user *user, const float **c,
                            struct err *e)
{
    struct user_encoder *encoder;
    *c = NULL;
    if (user->embedding_given || !handle->model->spec.encoder.present ||
        !encoder_rows_known(model_handle_items(handle), user->interactions, user->n_interactions))
        return ERR_OK;
    enum err_code code = model_handle_encoder(handle, &encoder, e);
    return code ? code : context_encode(encoder, model_handle_items(handle), user, c, e);
}

static enum err_code store(struct session *t, struct model_handle *handle, struct text id,
                           const struct store_user *user, const float *c, struct err *e)
{
    struct store_context_key key = key_of(handle);
    assert(t->writer);
    return store_put_encoded(t->writer, &key, id, user, c, handle->model->spec.d_context * sizeof *c, e);
}

static enum err_code put_one(struct session *t, struct model_handle *handle, struct text id,
                             const struct store_user *user, struct err *e)
{
    const float *c;
    enum err_code code = encode(handle, user, &c, e);
    return code || !c ? code : store(t, handle, id, user, c, e);
}

enum err_code user_contexts_put(struct session *t, struct text id, const struct model_handle *of,
                                const char **source, struct err *e)
{
    struct store_user *user = recommender_user_record(t->recommender);
    enum err_code code = ERR_OK;
    assert(t->writer);
    for (size_t i = 0; i < recommender_n_models(t->recommender) && !code; i++) {
        struct model_handle *handle = recommender_model(t->recommender, i);
        struct store_context_key key = key_of(handle);
        code = store_read_user(t->writer, id, &key, user, e);
        if (!code)
            code = user_contexts_check_size(id, user->n_interactions, e);
        if (!code && source && handle == of)
            *source = user_contexts_source(handle, user);
        if (!code)
            code = put_one(t, handle, id, user, e);
    }
    return code;
}

enum err_code user_contexts_put_record(struct session *t, struct text id, struct store_user *record,
                                       const struct model_handle *given, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < recommender_n_models(t->recommender) && !code; i++) {
        struct model_handle *handle = recommender_model(t->recommender, i);
        record->embedding_given = handle == given;
        code = put_one(t, handle, id, record, e);
    }
    return code;
}

/* ---- after a write ---- */

enum err_code user_contexts_first_change(struct session *t, int64_t *first, struct err *e)
{
    int64_t last;
    assert(t->writer);
    enum err_code code = store_last_change(t->writer, &last, e);
    if (!code)
        *first = last + 1;
    return code;
}

enum err_code user_contexts_leave(struct session *t, int64_t first, struct err *e)
{
    int64_t last;
    assert(t->writer);
    enum err_code code = store_last_change(t->writer, &last, e);
    return code ? code : store_note_unfinished(t->writer, first, last, e);
}

/* Users of whom the context for one model is made. */
struct piece {
    size_t n;
    struct encoded {
        struct text id;
        struct store_user user;
        bool is_made;
    } at[PIECE];     /* (n) */
    float *contexts; /* (PIECE, d_context of any model) */
};

static struct piece *new_piece(const struct session *t)
{
    size_t d_context = 0;
    for (size_t i = 0; i < recommender_n_models(t->recommender); i++)
        if (recommender_model(t->recommender, i)->model->spec.d_context > d_context)
            d_context = recommender_model(t->recommender, i)->model->spec.d_context;
    struct piece *p = mem_zalloc_array(1, sizeof *p);
    if (p)
        p->contexts = mem_alloc_array(PIECE * d_context, sizeof *p->contexts);
    if (p && p->contexts)
        return p;
    mem_free(p);
    return NULL;
}

static void free_piece(struct piece *p)
{
    for (size_t i = 0; p && i < PIECE; i++)
        store_user_fini(&p->at[i].user);
    if (p)
        mem_free(p->contexts);
    mem_free(p);
}

static enum err_code encode_piece(struct session *t, struct model_handle *handle, struct piece *p,
                                  struct err *e)
{
    struct store_context_key key = key_of(handle);
    size_t d_context = handle->model->spec.d_context;
    enum err_code code = store_snapshot_begin(t->conn, e); /* one lock for all of them */
    if (code)
        return code;
    for (size_t i = 0; i < p->n && !code; i++) {
        struct encoded *x = &p->at[i];
        struct err why = {0};
        const float *c = NULL;
        code = store_read_user(t->conn, x->id, &key, &x->user, &why);
        if (!code && (x->user.embedding_revision != x->user.revision ||
                      !context_has_width(handle->model, &x->user.embedding)))
            code = encode(handle, &x->user, &c, &why);
        code = code == ERR_NOTFOUND ? ERR_OK /* who was deleted meanwhile has none */
               : code               ? err_set(e, code, "%s", why.text)
                                    : ERR_OK;
        x->is_made = c != NULL;
        if (c)
            memcpy(p->contexts + i * d_context, c, d_context * sizeof *c);
    }
    store_snapshot_end(t->conn);
    return code;
}

static enum err_code store_piece(struct session *t, struct model_handle *handle, const struct piece *p,
                                 struct err *e)
{
    size_t d_context = handle->model->spec.d_context, n_made = 0;
    for (size_t i = 0; i < p->n; i++)
        n_made += p->at[i].is_made;
    if (n_made == 0)
        return ERR_OK;
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    for (size_t i = 0; i < p->n && !code; i++) {
        const struct encoded *x = &p->at[i];
        struct err why = {0};
        if (x->is_made)
            code = store(t, handle, x->id, &x->user, p->contexts + i * d_context, &why);
        code = code == ERR_NOTFOUND ? ERR_OK : code ? err_set(e, code, "%s", why.text) : ERR_OK;
    }
    return session_end_write(t, code, e);
}

static enum err_code make_all(struct session *t, const struct text *users, size_t n, struct err *e)
{
    enum err_code code = ERR_OK;
    struct piece *p = new_piece(t);
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory for the contexts of %zu users", n);
    for (size_t from = 0; from < n && !code; from += p->n) {
        p->n = n - from < PIECE ? n - from : PIECE;
        for (size_t i = 0; i < p->n; i++)
            p->at[i].id = users[from + i];
        for (size_t i = 0; i < recommender_n_models(t->recommender) && !code; i++) {
            struct model_handle *handle = recommender_model(t->recommender, i);
            if (!handle->model->spec.encoder.present)
                continue;
            code = encode_piece(t, handle, p, e);
            if (!code)
                code = store_piece(t, handle, p, e);
        }
    }
    free_piece(p);
    return code;
}

static int by_text(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Whether the item is every model's own. Cost: one look-up a model in memory. */
static bool is_own(struct session *t, struct text item)
{
    size_t i = 0, n = recommender_n_models(t->recommender);
    while (i < n && model_item_index(recommender_model(t->recommender, i)->model, item.data, item.len) >= 0)
        i++;
    return i == n;
}

/* Leaves the items beyond a model's own, each once; returns how many. */
static size_t choose_moving(struct session *t, struct text *items, size_t n)
{
    size_t n_chosen = 0;
    int64_t key;
    if (n > 1)
        qsort(items, n, sizeof *items, by_text);
    for (size_t i = 0; i < n; i++)
        if (!is_own(t, items[i]) && (i == 0 || by_text(&items[i - 1], &items[i]) != 0) &&
            !store_item_key_of(t->conn, items[i], &key, NULL) && is_beyond_a_model(t, key))
            items[n_chosen++] = items[i];
    return n_chosen;
}

static enum err_code move_items(struct session *t, const struct text *items, size_t n, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t from = 0; from < n && !code; from += ITEMS) {
        code = session_begin_write(t, e);
        if (code)
            return code;
        for (size_t i = from; i < n && i < from + ITEMS && !code; i++)
            code = store_touch_item(t->writer, items[i], e);
        code = session_end_write(t, code, e);
    }
    return code;
}

/* Nothing is left to be done. */
static enum err_code end(struct session *t, int64_t first, struct err *e)
{
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    code = store_end_unfinished(t->writer, first, e);
    return session_end_write(t, code, e);
}

void user_contexts_follow(struct session *t, const struct user_batch *b)
{
    struct err e = {0};
    enum err_code code = make_all(t, b->users, b->n, &e);
    /* Also where not all were made: each that was moves the items. */
    enum err_code moved = move_items(t, b->items, choose_moving(t, b->items, b->n_items), &e);
    if (!code)
        code = moved;
    if (!code)
        code = end(t, b->first, &e);
    if (code)
        log_line(
            LOG_WARN,
            "a batch of %zu users is stored, but not all of their contexts, which are made when somebody "
            "asks for them, or at the next start: %s",
            b->n, e.text);
}
