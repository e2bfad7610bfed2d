#include "server/serving/passing_user.h"

#include "server/items/kinds.h"
#include "server/serving/user_record.h"

enum err_code passing_user_weights(struct session *s, struct model_handle *handle,
                                   const struct passing_user *u, struct weights **out, struct err *e)
{
    struct store_user *record = recommender_user_record(s->recommender);
    enum err_code code = user_record_begin(record, 0, u->profile, u->n_interactions, e);
    record->key = 0;
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
    if (!code)
        code = user_record_end(record, e);
    if (!code)
        code = kinds_tell(s->conn, record->interactions, record->n_interactions, e);
    return code ? code : recommender_of_record(s->recommender, handle, out, e);
}
