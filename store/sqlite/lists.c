/* Lists of items and users by their ids. The table's index of ids has their keys, so a row that a list leaves
 * out, by what its caller has in memory, is not read. */
#include "store/sqlite/private.h"

struct list {
    struct sqlite_conn *c;
    sqlite3_stmt *rows; /* of (key, id) from an id on */
    sqlite3_stmt *row;  /* by its key; none when it is not there */
    store_look_fn *look;
    store_item_fn *tell_item; /* or: */
    store_user_fn *tell_user;
    void *arg;
};

static enum err_code tell(struct list *l, bool *wanted, struct err *e)
{
    struct store_item item;
    struct text id, profile;
    enum err_code code;
    if (l->tell_item) {
        code = sqlite_item_of_row(l->c, l->row, &item, e);
        *wanted = !code && l->tell_item(l->arg, &item);
        return code;
    }
    code = sqlite_column_view(l->c, l->row, 1, true, &id, e);
    if (!code)
        code = sqlite_column_view(l->c, l->row, 2, false, &profile, e);
    *wanted = !code && l->tell_user(l->arg, sqlite3_column_int64(l->row, 0), id, profile,
                                    sqlite3_column_int64(l->row, 3));
    return code;
}

static enum err_code take(struct list *l, int64_t key, bool *wanted, struct err *e)
{
    sqlite3_bind_int64(l->row, 1, key);
    int rc = sqlite3_step(l->row);
    enum err_code code = rc == SQLITE_ROW ? tell(l, wanted, e) : ERR_OK;
    enum err_code ended = sqlite_stepped(l->c, l->row, rc, "read a list", e);
    return code ? code : ended;
}

static enum err_code run(struct list *l, struct text from, struct err *e)
{
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    sqlite_bind_text_view(l->rows, 1, from.data ? from : text_of(""));
    while (!code && wanted && (rc = sqlite3_step(l->rows)) == SQLITE_ROW) {
        struct text id;
        int64_t key = sqlite3_column_int64(l->rows, 0);
        code = sqlite_column_view(l->c, l->rows, 1, true, &id, e);
        enum store_look look = code ? STORE_END : l->look(l->arg, key, id);
        wanted = look != STORE_END;
        if (look == STORE_TAKE)
            code = take(l, key, &wanted, e);
    }
    enum err_code ended = sqlite_stepped(l->c, l->rows, rc, "read a list", e);
    return code ? code : ended;
}

enum err_code sqlite_list_items(struct store_conn *conn, struct text from, store_look_fn *look,
                                store_item_fn *fn, void *arg, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    struct list l = {.c = c,
                     .rows = sqlite_statement(c, SQL_LIST_ITEMS),
                     .row = sqlite_statement(c, SQL_LISTED_ITEM),
                     .look = look,
                     .tell_item = fn,
                     .arg = arg};
    return run(&l, from, e);
}

enum err_code sqlite_list_users(struct store_conn *conn, struct text from, store_look_fn *look,
                                store_user_fn *fn, void *arg, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    struct list l = {.c = c,
                     .rows = sqlite_statement(c, SQL_LIST_USERS),
                     .row = sqlite_statement(c, SQL_LISTED_USER),
                     .look = look,
                     .tell_user = fn,
                     .arg = arg};
    return run(&l, from, e);
}
