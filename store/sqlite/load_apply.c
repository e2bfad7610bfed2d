/* The end of a staged load, in its caller's transaction: what others changed since is done over, its users
 * and items are there from now on, and the tables change places. */
#include "store/sqlite/load.h"

/* Runs a statement for a row with this key and id; *n: the rows it changed or found. */
static enum err_code change(struct sqlite_load *l, sqlite3_stmt *s, int64_t key, struct text id, bool *any,
                            struct err *e)
{
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 1, key);
    sqlite_bind_text_view(s, 2, id);
    int rc = sqlite3_step(s);
    *any = rc == SQLITE_ROW || (rc == SQLITE_DONE && sqlite3_changes(l->conn->db) > 0);
    enum err_code code = rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_OK : sqlite_fail(l->conn, rc, "load", e);
    sqlite3_reset(s);
    return code;
}

/* Marks the users whom the load names as changed, and drops what it adds to who was deleted meanwhile. Its
 * new ones are looked at only where the log does not say who was. Whoever has another key by now is one of
 * those who changed. */
static enum err_code touch_users(struct sqlite_load *l, struct sqlite_load_behind *b, int64_t revision,
                                 struct err *e)
{
    sqlite3_stmt *find = NULL, *touch = NULL;
    bool any;
    enum err_code code =
        sqlite_load_prepare(l, "SELECT 1 FROM users WHERE user_key = ?1 AND id = ?2", &find, e);
    if (!code)
        code = sqlite_load_prepare(l, "UPDATE users SET revision = ?3 WHERE user_key = ?1 AND id = ?2",
                                   &touch, e);
    if (!code)
        sqlite3_bind_int64(touch, 3, revision);
    for (size_t k = 0; k < l->users.n && !code; k++) {
        uint32_t i = l->order[k];
        if (l->user_is_new[i] && !l->any_gone)
            continue;
        code = change(l, l->user_is_new[i] ? find : touch, l->user_keys[i], id_table_text(&l->users, i), &any,
                      e);
        l->missing[i] = l->missing[i] || (!code && !any);
        if (!code && !any)
            code = sqlite_load_leave_key(l, b, l->user_keys[i], e);
    }
    sqlite3_finalize(find);
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

static enum err_code apply_staged(struct sqlite_load *l, struct store_bulk *bulk, int64_t revision,
                                  struct err *e)
{
    struct sqlite_load_behind behind = {0};
    enum err_code code = sqlite_load_find_behind(l, revision, &behind, e);
    if (!code)
        code = touch_users(l, &behind, revision, e);
    if (!code)
        code = sqlite_load_do_over(l, &behind, revision, e);
    if (!code)
        code = sqlite_load_tell_gone(l, bulk, e);
    sqlite_load_behind_fini(&behind);
    sqlite_load_close(l);
    return code ? code : swap(l, e);
}

enum err_code sqlite_load_apply(struct store_load *load, struct store_bulk *bulk, int64_t *n_older,
                                struct err *e)
{
    struct sqlite_load *l = (struct sqlite_load *)load;
    int64_t revision = sqlite_bulk_change(bulk);
    enum err_code code = sqlite_check_writing(l->conn, e);
    if (!code)
        code = sqlite_pending_apply(l, revision, e);
    sqlite_bulk_made(bulk, l->pending.load);
    if (!code && l->staged)
        code = apply_staged(l, bulk, revision, e);
    else if (!code)
        code = sqlite_load_tell_gone(l, bulk, e);
    for (size_t i = 0; i < l->rows.n && !l->staged && !code; i++) {
        const struct load_row *x = &l->rows.at[i];
        code = sqlite_bulk_event(bulk, id_table_text(&l->users, x->user), id_table_text(&l->items, x->item),
                                 &x->is, e);
    }
    *n_older = l->n_older;
    return code;
}
