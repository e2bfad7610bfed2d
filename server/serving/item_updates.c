/* Tables follow by the same way for this process's writes as for others', so there is one way only. */
#include "server/serving/item_updates.h"

#include "base/log.h"
#include "server/fields/partial.h"

void update_follow_items(struct session *t)
{
    struct err e = {0};
    if (serving_follow_items(t->serving, t->conn, &e))
        log_line(LOG_WARN, "the tables of items are behind: %s", e.text);
}

const char *update_item_source(struct model_handle *handle, struct text id)
{
    const struct item_snapshot *items = model_handle_items(handle);
    long index = item_snapshot_find_ranked(items, id);
    return index < 0 ? "none" : item_snapshot_source(items, (size_t)index);
}

const char *update_item_unranked(struct model_handle *handle, struct text id)
{
    if (item_snapshot_find_ranked(model_handle_items(handle), id) >= 0)
        return NULL;
    return update_why_unranked(&handle->model->spec);
}

const char *update_why_unranked(const struct model_spec *spec)
{
    if (!spec->cold_items.present)
        return "the model ranks the items of its training only; train one anew";
    return "as many items as there is room for came after the training of the model; train it anew";
}

static bool ignore_item(void *arg, const struct store_item *item)
{
    (void)arg;
    (void)item;
    return true;
}

const char *update_missing_item(struct session *t, struct text id)
{
    struct err e = {0};
    if (store_read_item(t->conn, id, ignore_item, NULL, &e) != ERR_NOTFOUND)
        return "";
    for (size_t i = 0; i < recommender_n_models(t->recommender); i++)
        if (item_index_find(item_snapshot_items(model_handle_items(recommender_model(t->recommender, i))),
                            id) >= 0)
            return " in the store, though a model was trained with it: PUT /v1/admin/items/{item} or an "
                   "import of "
                   "items makes it known";
    return "";
}

static bool take_revision(void *arg, const struct store_item *item)
{
    struct item_registration *g = arg;
    g->item.key = item->key;
    g->item.revision = item->revision;
    g->stored = item->life;
    return true;
}

/* What becomes of an item's life: of a patch all that is not given stays, and when it was created stays
 * anyway. What a patch says has to fit what stays. */
static enum err_code put_life(struct store_conn *writer, struct item_registration *g, struct err *e)
{
    struct store_item_life life = g->item.life;
    const struct store_item_life *had = &g->stored;
    if (!g->has_hidden)
        life.hidden = g->patch && had->hidden;
    if (!g->has_from)
        life.from = g->patch ? had->from : STORE_ALWAYS_FROM;
    if (!g->has_until)
        life.until = g->patch ? had->until : STORE_ALWAYS_UNTIL;
    if (!g->has_created)
        life.created = had->created;
    if ((g->has_from || g->has_until) && life.from >= life.until) {
        g->fault = g->has_until ? "available_until" : "available_from";
        return err_set(e, ERR_INVALID,
                       "an item is available until after it is available from: from %lld until %lld",
                       (long long)life.from, (long long)life.until);
    }
    bool same = life.hidden == had->hidden && life.from == had->from && life.until == had->until &&
                life.created == had->created;
    return same ? ERR_OK : store_set_item_life(writer, g->item.id, &life, e);
}

/* The item as it will be is written; of a patch it is what was there and what is given. */
static enum err_code put_one(struct store_conn *writer, struct item_registration *g, struct err *e)
{
    if (!g->patch)
        return store_put_item(writer, &g->item, &g->created, e);
    const struct partial_item given = {.id = g->item.id,
                                       .title = g->item.title,
                                       .categories = g->item.categories,
                                       .no_title = g->no_title,
                                       .no_categories = g->no_categories,
                                       .metadata = {g->item.metadata, g->no_metadata}};
    struct store_item item;
    struct partial partial;
    bool known = true;
    partial_init(&partial);
    enum err_code code = partial_item(&partial, writer, &given, &item, &known, e);
    if (!code && !known)
        code = err_set(e, ERR_NOTFOUND, "no item '%.*s'", (int)g->item.id.len, g->item.id.data);
    if (!code)
        code = store_put_item(writer, &item, &g->created, e);
    partial_fini(&partial);
    return code;
}

static enum err_code put_all(struct session *t, struct item_registration *list, size_t n, size_t *fault,
                             struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++) {
        if (list[i].refused)
            continue;
        *fault = i;
        code = put_one(t->writer, &list[i], e);
        if (!code)
            code = store_read_item(t->writer, list[i].item.id, take_revision, &list[i], e);
        if (!code)
            code = put_life(t->writer, &list[i], e);
    }
    if (!code)
        *fault = n;
    return code;
}

enum err_code update_items(struct session *t, struct item_registration *list, size_t n,
                           const struct session_answerable *answerable, size_t *fault, struct err *e)
{
    *fault = n;
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    code = session_end_write_answerable(t, put_all(t, list, n, fault, e), answerable, e);
    if (code)
        return code;
    update_follow_items(t);
    size_t n_registered = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].refused)
            continue;
        list[i].source = update_item_source(list[i].handle, list[i].item.id);
        list[i].unranked = update_item_unranked(list[i].handle, list[i].item.id);
        n_registered++;
    }
    COUNTER_ADD(t->counters, item_registrations, n_registered);
    return ERR_OK;
}

enum err_code update_delete_item(struct session *t, struct text id, struct err *e)
{
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    code = session_end_write(t, store_delete_item(t->writer, id, e), e);
    if (code)
        return code;
    update_follow_items(t);
    COUNTER_ADD(t->counters, item_deletions, 1);
    return ERR_OK;
}
