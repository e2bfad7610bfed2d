#include "server/data/import_deleted.h"

#include "base/mem.h"

void import_deleted_fini(struct import_deleted *d)
{
    id_table_fini(&d->items);
    mem_free(d->said);
    *d = (struct import_deleted){0};
}

/* What a later row does not say stays as an earlier one has it. */
static void add_life(struct table_life *life, const struct table_life *more)
{
    life->given |= more->given;
    if (more->given & TABLE_HIDDEN)
        life->hidden = more->hidden;
    if (more->given & TABLE_FROM)
        life->from = more->from;
    if (more->given & TABLE_UNTIL)
        life->until = more->until;
    if (more->given & TABLE_CREATED)
        life->created = more->created;
}

enum err_code import_deleted_note(struct import_deleted *d, const struct table_row *row, struct err *e)
{
    uint32_t number;
    size_t n = d->items.n;
    if (!row->marked && !row->life.given)
        return ERR_OK;
    enum err_code code = id_table_add(&d->items, row->item, &number, e);
    if (code)
        return code;
    if (!MEM_RESERVE(d->said, d->capacity, d->items.n))
        return err_set(e, ERR_NOMEM, "no memory for the items of a table");
    if (number >= n)
        d->said[number] = (struct import_said){0};
    if (row->marked)
        d->said[number].deleted = row->deleted;
    add_life(&d->said[number].life, &row->life);
    return ERR_OK;
}

static bool take_life(void *arg, const struct store_item *item)
{
    *(struct store_item_life *)arg = item->life;
    return false;
}

static enum err_code put_life(struct store_conn *conn, struct text id, const struct table_life *said,
                              struct err *e)
{
    struct store_item_life life;
    enum err_code code = store_read_item(conn, id, take_life, &life, e);
    if (code)
        return code;
    if (said->given & TABLE_HIDDEN)
        life.hidden = said->hidden;
    if (said->given & TABLE_FROM)
        life.from = said->from ? said->from : STORE_ALWAYS_FROM;
    if (said->given & TABLE_UNTIL)
        life.until = said->until ? said->until : STORE_ALWAYS_UNTIL;
    if (said->given & TABLE_CREATED)
        life.created = said->created;
    if (life.from >= life.until)
        return err_set(e, ERR_INVALID, "item '%.*s' would be available until before it is available from",
                       (int)id.len, id.data);
    return store_set_item_life(conn, id, &life, e);
}

enum err_code import_deleted_apply(const struct import_deleted *d, struct store_conn *conn, int64_t *n,
                                   struct err *e)
{
    enum err_code code = ERR_OK;
    for (uint32_t i = 0; i < d->items.n && !code; i++) {
        struct text id = id_table_text(&d->items, i);
        if (d->said[i].life.given)
            code = put_life(conn, id, &d->said[i].life, e);
        if (!code && d->said[i].deleted) {
            code = store_delete_item(conn, id, e);
            *n += code == ERR_OK;
        }
        if (code == ERR_NOTFOUND) { /* it is deleted already, or its row was a bad one */
            code = ERR_OK;
            err_clear(e);
        }
    }
    return code;
}
