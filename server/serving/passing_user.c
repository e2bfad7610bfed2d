#include "server/serving/passing_user.h"

#include "server/items/kinds.h"
#include "server/serving/user_record.h"

/* Items that the store does not have are passed over, as they are of somebody who is stored. */
static enum err_code add_interactions(struct session *s, const struct passing_user *u,
                                      struct store_user *record, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < u->n_interactions && !code; i++) {
        const struct update_interaction *x = &u->interactions[i];
        struct store_interaction row = {
            .weight = x->weight, .rating = x->rating, .timestamp = x->timestamp, .kind = x->kind};
        struct err why = {0};
        code = store_item_key_of(s->conn, x->item, &row.item_key, &why);
        if (!code)
            user_record_add(record, &row);
        else if (code != ERR_NOTFOUND)
            return err_copy(e, &why);
        code = ERR_OK;
    }
    return code;
}

/* In one snapshot: a read by itself locks and unlocks the file, which costs more than to find an item. */
static enum err_code read_interactions(struct session *s, const struct passing_user *u,
                                       struct store_user *record, struct err *e)
{
    if (u->n_interactions == 0)
        return ERR_OK;
    enum err_code code = store_snapshot_begin(s->conn, e);
    if (code)
        return code;
    code = add_interactions(s, u, record, e);
    store_snapshot_end(s->conn);
    return code;
}

enum err_code passing_user_weights(struct session *s, struct model_handle *handle,
                                   const struct passing_user *u, struct weights **out, struct err *e)
{
    struct store_user *record = recommender_user_record(s->recommender);
    enum err_code code = user_record_begin(record, 0, u->profile, u->n_interactions, e);
    record->key = 0;
    if (!code)
        code = read_interactions(s, u, record, e);
    if (!code)
        code = user_record_end(record, e);
    if (!code)
        code = kinds_tell(s->conn, record->interactions, record->n_interactions, e);
    return code ? code : recommender_of_record(s->recommender, handle, out, e);
}
