#include "server/data/import_deleted.h"

#include "base/mem.h"

void import_deleted_fini(struct import_deleted *d)
{
    id_table_fini(&d->items);
    mem_free(d->deleted);
    *d = (struct import_deleted){0};
}

enum err_code import_deleted_note(struct import_deleted *d, const struct table_row *row, struct err *e)
{
    uint32_t number;
    if (!row->marked)
        return ERR_OK;
    enum err_code code = id_table_add(&d->items, row->item, &number, e);
    if (code)
        return code;
    if (!MEM_RESERVE(d->deleted, d->capacity, d->items.n))
        return err_set(e, ERR_NOMEM, "no memory for the items of a table");
    d->deleted[number] = row->deleted;
    return ERR_OK;
}

enum err_code import_deleted_apply(const struct import_deleted *d, struct store_conn *conn, int64_t *n,
                                   struct err *e)
{
    enum err_code code = ERR_OK;
    for (uint32_t i = 0; i < d->items.n && !code; i++) {
        if (!d->deleted[i])
            continue;
        code = store_delete_item(conn, id_table_text(&d->items, i), e);
        *n += code == ERR_OK;
        if (code == ERR_NOTFOUND) /* it is deleted already, or its row was a bad one */
            code = ERR_OK;
    }
    return code;
}
