/* Tables follow by the same way for this process's writes as for others', so there is one way only. */
#include "server/update_items.h"

#include "base/limits.h"
#include "base/log.h"

/* Brings the tables up to what was just committed. Should that fail, the watcher does it within a second. */
static void follow(struct api_thread *t)
{
    struct err e = {0};
    if (serving_follow_items(t->api->serving, t->conn, &e))
        log_line(LOG_WARN, "the tables of items are behind: %s", e.text);
}

const char *update_item_source(struct api_thread *t, size_t slot, struct store_text id)
{
    const struct item_table *items = personal_items(t->personal, slot);
    long index = item_table_find(items, id);
    return index < 0 ? "none" : item_table_source(items, (size_t)index);
}

static enum err_code check_room(struct api_thread *t, const struct item_registration *list, size_t n,
                                size_t *fault, struct err *e)
{
    const struct serving *s = t->api->serving;
    for (size_t slot = 0; slot < s->n_models; slot++) {
        const struct model_spec *spec = &s->models[slot].model->spec;
        const struct item_table *items = personal_items(t->personal, slot);
        size_t n_extra = item_table_count(items) - spec->n_items + item_table_n_left_out(items);
        for (size_t i = 0; i < n && spec->item_side.present; i++) {
            n_extra += !item_table_has(items, list[i].item.id);
            if (n_extra <= LIMIT_EXTRA_ITEMS)
                continue;
            *fault = i;
            return err_set(
                e, ERR_LIMIT,
                "model '%s' would serve more than %d items that came after its training; train it anew",
                spec->name, LIMIT_EXTRA_ITEMS);
        }
    }
    return ERR_OK;
}

static bool take_revision(void *arg, const struct store_item *item)
{
    struct item_registration *g = arg;
    g->item.key = item->key;
    g->item.revision = item->revision;
    return true;
}

static enum err_code put_all(struct api_thread *t, struct item_registration *list, size_t n, size_t *fault,
                             struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++) {
        *fault = i;
        code = store_put_item(t->writer, &list[i].item, &list[i].created, e);
        if (!code)
            code = store_read_item(t->writer, list[i].item.id, take_revision, &list[i], e);
    }
    return code;
}

enum err_code update_items(struct api_thread *t, struct item_registration *list, size_t n, size_t *fault,
                           struct err *e)
{
    *fault = 0;
    enum err_code code = check_room(t, list, n, fault, e);
    if (!code)
        code = serving_begin_write(t->api->serving, &t->writer, e);
    if (code)
        return code;
    code = serving_end_write(t->api->serving, put_all(t, list, n, fault, e), e);
    t->writer = NULL;
    if (code)
        return code;
    follow(t);
    for (size_t i = 0; i < n; i++)
        list[i].source = update_item_source(t, list[i].slot, list[i].item.id);
    METRICS_ADD(t->api->metrics, item_registrations, n);
    return ERR_OK;
}

enum err_code update_delete_item(struct api_thread *t, struct store_text id, struct err *e)
{
    struct store_conn *writer;
    enum err_code code = serving_begin_write(t->api->serving, &writer, e);
    if (code)
        return code;
    code = serving_end_write(t->api->serving, store_delete_item(writer, id, e), e);
    if (code)
        return code;
    follow(t);
    METRICS_ADD(t->api->metrics, item_deletions, 1);
    return ERR_OK;
}
