#include "server/data/import_deleted.h"

void import_deleted_fini(struct import_deleted *d)
{
    id_table_fini(&d->items);
}

enum err_code import_deleted_note(struct import_deleted *d, const struct table_row *row, struct err *e)
{
    uint32_t number;
    return row->deleted ? id_table_add(&d->items, row->item, &number, e) : ERR_OK;
}

enum err_code import_deleted_apply(const struct import_deleted *d, struct store_conn *conn, int64_t *n,
                                   struct err *e)
{
    enum err_code code = ERR_OK;
    for (uint32_t i = 0; i < d->items.n && !code; i++) {
        code = store_delete_item(conn, id_table_text(&d->items, i), e);
        *n += code == ERR_OK;
        if (code == ERR_NOTFOUND) /* it is deleted already, or its row was a bad one */
            code = ERR_OK;
    }
    return code;
}
