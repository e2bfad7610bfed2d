/* The end of a staged load, in its caller's transaction: what others changed since is done over, new users
 * and items get their rows, and the tables change places. */
#include "store/sqlite/load.h"

/* Runs a statement for a row with this key and id; *n: the rows it changed. */
static enum err_code change(struct sqlite_load *l, sqlite3_stmt *s, int64_t key, struct text id, int *n,
                            struct err *e)
{
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 1, key);
    sqlite_bind_text_view(s, 2, id);
    enum err_code code = sqlite_run(l->conn, s, "load", e);
    *n = code ? 0 : sqlite3_changes(l->conn->db);
    return code;
}

/* An id that somebody else gave an item meanwhile: its key is the other one. */
static enum err_code adopt_item(struct sqlite_load *l, size_t i, struct err *e)
{
    int64_t key;
    bool followed;
    enum err_code code =
        sqlite_find_followed(l->conn, id_table_text(&l->items, (uint32_t)i), &key, &followed, e);
    if (!code && key == 0)
        return err_set(e, ERR_BUSY,
                       "store %s: more than %d items were registered while the import ran; run it again",
                       l->conn->store->path, SQLITE_LOAD_FREE_ITEM_KEYS);
    if (!code)
        sqlite_load_move(l, i, key, followed);
    return code;
}

static enum err_code insert_items(struct sqlite_load *l, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum err_code code = sqlite_load_prepare(
        l, "INSERT OR IGNORE INTO items (item_key, id, revision, followed) VALUES (?1, ?2, 0, 0)", &s, e);
    for (size_t i = 0; i < l->items.n && !code; i++) {
        int n;
        if (l->item_keys[i] < l->first_new_item)
            continue;
        code = change(l, s, l->item_keys[i], id_table_text(&l->items, (uint32_t)i), &n, e);
        if (!code && n == 0)
            code = adopt_item(l, i, e);
    }
    sqlite3_finalize(s);
    return code;
}

/* A new user of the load could not be made: somebody registered the id meanwhile, or, which is an error, was
 * given the key. */
static enum err_code check_registered(struct sqlite_load *l, uint32_t user, struct err *e)
{
    int64_t key = 0;
    enum err_code code = sqlite_find_user(l->conn, id_table_text(&l->users, user), &key, e);
    if (code || key)
        return code;
    return err_set(e, ERR_BUSY,
                   "store %s: more than %d users were registered while the import ran; run it again",
                   l->conn->store->path, SQLITE_LOAD_FREE_USER_KEYS);
}

/* Marks the users whom the load names as changed, makes the new ones, and drops what it adds to who was
 * deleted meanwhile. Whoever has another key by now is one of those who changed. */
static enum err_code touch_users(struct sqlite_load *l, struct sqlite_load_behind *b, struct err *e)
{
    sqlite3_stmt *insert = NULL, *touch = NULL;
    int n;
    enum err_code code = sqlite_load_prepare(
        l, "INSERT OR IGNORE INTO users (user_key, id, revision) VALUES (?1, ?2, 0)", &insert, e);
    if (!code)
        code = sqlite_load_prepare(l, "UPDATE users SET revision = 0 WHERE user_key = ?1 AND id = ?2", &touch,
                                   e);
    for (size_t k = 0; k < l->users.n && !code; k++) {
        uint32_t i = l->order[k];
        bool new = l->user_keys[i] >= l->first_new_user;
        code = change(l, new ? insert : touch, l->user_keys[i], id_table_text(&l->users, i), &n, e);
        if (!code && n == 0 && new)
            code = check_registered(l, i, e);
        else if (!code && n == 0)
            code = sqlite_load_leave_key(l, b, l->user_keys[i], e);
    }
    sqlite3_finalize(insert);
    sqlite3_finalize(touch);
    return code;
}

/* The second table in the place of the first. */
static enum err_code swap(struct sqlite_load *l, struct err *e)
{
    enum err_code code =
        l->unfollows ? sqlite_load_run(l, "UPDATE items SET followed = 0 WHERE followed = 1", e) : ERR_OK;
    if (code)
        return code;
    return sqlite_load_run(l,
                           "ALTER TABLE interactions RENAME TO interactions_old;"
                           "ALTER TABLE interactions_next RENAME TO interactions",
                           e);
}

static enum err_code apply_staged(struct sqlite_load *l, struct err *e)
{
    struct sqlite_load_behind behind = {0};
    enum err_code code = sqlite_load_find_behind(l, &behind, e);
    if (!code)
        code = insert_items(l, e);
    if (!code)
        code = touch_users(l, &behind, e);
    if (!code)
        code = sqlite_load_do_over(l, &behind, e);
    sqlite_load_behind_fini(&behind);
    sqlite_load_close(l);
    return code ? code : swap(l, e);
}

enum err_code sqlite_load_apply(struct store_load *load, struct store_bulk *bulk, int64_t *n_older,
                                struct err *e)
{
    struct sqlite_load *l = (struct sqlite_load *)load;
    enum err_code code = sqlite_check_writing(l->conn, e);
    if (!code && l->staged)
        code = apply_staged(l, e);
    if (!code && l->staged)
        sqlite_bulk_made(bulk, (const int64_t[]){l->first_new_user, l->first_new_user + l->n_new_users},
                         (const int64_t[]){l->first_new_item, l->first_new_item + l->n_new_items});
    for (size_t i = 0; i < l->rows.n && !l->staged && !code; i++) {
        const struct load_row *x = &l->rows.at[i];
        code =
            sqlite_bulk_interaction(bulk, id_table_text(&l->users, x->user),
                                    id_table_text(&l->items, x->item), x->weight, x->rating, x->timestamp, e);
    }
    *n_older = l->n_older;
    return code;
}
