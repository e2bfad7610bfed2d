/* What attempts have in common, whether they register users or record events. */
#include "server/serving/update_run.h"

#include "server/serving/item_updates.h"
#include "server/serving/user_contexts.h"

#include <stdio.h>

/* Whether the answers of the first n models have the item, though the store need not. */
static bool is_served(struct session *t, size_t n, struct text item)
{
    for (size_t i = 0; i < n && i < recommender_n_models(t->recommender); i++)
        if (item_snapshot_find(model_handle_items(recommender_model(t->recommender, i)), item) >= 0)
            return true;
    return false;
}

/* Whether an item can be taken: the store has it, or it is to be made. One that is served without a row in
 * the store gets it when somebody takes it. Where there are none of these, an item that is served has its
 * row, and the tables have its key: it is not looked for in the store, which a registration of many would
 * spend an eighth of its time on. */
static enum err_code item_can_be(struct update_run *run, struct text item, bool *can, struct err *e)
{
    int64_t key;
    struct err why = {0};
    *can = !run->t->serving->foreign_items && is_served(run->t, 1, item);
    if (*can)
        return ERR_OK;
    enum err_code code = store_item_key_of(update_run_reads(run), item, &key, &why);
    *can = code == ERR_OK;
    if (code == ERR_NOTFOUND) {
        *can =
            run->rules->create_items || (run->t->serving->foreign_items && is_served(run->t, SIZE_MAX, item));
        return ERR_OK;
    }
    if (code)
        return err_set(e, code, "%s", why.text);
    if (run->hears_first && recommender_n_models(run->t->recommender) &&
        !item_index_knows(item_snapshot_items(model_handle_items(recommender_model(run->t->recommender, 0))),
                          key)) {
        run->unheard_item = true;
        return err_set(e, ERR_BUSY, "item '%.*s' was registered this moment", (int)item.len, item.data);
    }
    return ERR_OK;
}

enum err_code update_run_check_item(struct update_run *run, struct text item, struct update_fault fault,
                                    bool *can, struct err *e)
{
    char text[ERR_TEXT_BYTES];
    enum err_code code = item_can_be(run, item, can, e);
    if (code || *can)
        return code;
    fault.unknown_item = true;
    (void)snprintf(text, sizeof text, "no item '%.*s'%s%s", (int)item.len, item.data,
                   update_missing_item(run->t, item), run->rules->no_items ? run->rules->no_items : "");
    run->rules->refuse(run->rules->arg, &fault, text);
    return ERR_OK;
}

enum err_code update_run_repeats(const struct update_run *run, struct text user,
                                 const struct update_interaction *x, bool *repeats, struct err *e)
{
    *repeats = false;
    return x->event_id.data ? store_knows_event(run->t->writer, user, x->event_id, repeats, e) : ERR_OK;
}

enum err_code update_run_put(struct update_run *run, struct text user, const struct update_interaction *x,
                             int64_t timestamp, int64_t *key, enum store_put *put, struct err *e)
{
    struct store_conn *writer = run->t->writer;
    struct err none = {0};
    bool created;
    const struct store_event event = {
        .kind = x->kind, .weight = x->weight, .rating = x->rating, .timestamp = timestamp, .id = x->event_id};
    enum err_code code = store_item_key_of(writer, x->item, key, &none);
    if (code == ERR_NOTFOUND) {
        code = store_put_item(writer, &(const struct store_item){.id = x->item}, &created, e);
        if (!code)
            code = store_item_key_of(writer, x->item, key, e);
        run->made.n_items += code == ERR_OK;
    } else if (code) {
        return err_set(e, code, "%s", none.text);
    }
    if (!code)
        code = store_put_event(writer, user, x->item, &event, put, e);
    return code ? code : user_contexts_touch_item(run->t, x->item, *key, e);
}

bool update_run_hears(struct update_run *run, struct err *e)
{
    struct err why = {0};
    if (!run->unheard_item || serving_follow_items(run->t->serving, run->t->conn, &why))
        return false;
    err_clear(e);
    run->hears_first = run->unheard_item = false;
    return true;
}

bool update_run_blames_a_part(enum err_code code)
{
    return code == ERR_INVALID || code == ERR_LIMIT;
}

enum err_code update_run_refused(struct err *e)
{
    return err_set(e, ERR_INVALID, "a part of the request was refused");
}
