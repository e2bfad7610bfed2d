/* The end of a staged load, in its caller's transaction: what others changed since is done over, new users and items get their rows, and the
 * tables change places. */
#include "store/sqlite_load.h"

#include "base/mem.h"

/* Runs a statement of up to three parameters; *n: the rows it changed. */
static enum err_code change(struct sqlite_load *l, sqlite3_stmt *s, int64_t a, struct store_text text,
                            int64_t b, int *n, struct err *e)
{
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 1, a);
    if (text.data)
        sqlite_bind_text_view(s, 2, text);
    if (b)
        sqlite3_bind_int64(s, 3, b);
    enum err_code code = sqlite_run(l->conn, s, "load", e);
    *n = code ? 0 : sqlite3_changes(l->conn->db);
    return code;
}

static const struct store_text no_text = {NULL, 0};

/* Users whom others changed since the load was begun. */
struct changed_user {
    int64_t key;
    uint32_t number; /* in the load, or ID_TABLE_NONE */
};

struct changed {
    struct changed_user *at; /* (n) */
    size_t n, capacity;
};

static enum err_code find_changed(struct sqlite_load *l, struct changed *out, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum err_code code = sqlite_load_prepare(l, "SELECT user_key, id FROM users WHERE revision > ?1", &s, e);
    if (code)
        return code;
    sqlite3_bind_int64(s, 1, l->change);
    int rc = SQLITE_DONE;
    while (!code && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct store_text id;
        code = sqlite_column_view(l->conn, s, 1, true, &id, e);
        if (!code && out->n == out->capacity) {
            size_t capacity = out->capacity ? 2 * out->capacity : 256;
            struct changed_user *grown = mem_realloc_array(out->at, capacity, sizeof *grown);
            if (!grown)
                code = err_set(e, ERR_NOMEM, "no memory for %zu users who changed", out->n);
            else
                *out = (struct changed){grown, out->n, capacity};
        }
        if (!code)
            out->at[out->n++] =
                (struct changed_user){sqlite3_column_int64(s, 0), id_table_find(&l->users, id)};
    }
    if (!code && rc != SQLITE_DONE)
        code = sqlite_fail(l->conn, rc, "read the users", e);
    sqlite3_finalize(s);
    return code;
}

/* An id that somebody else gave an item meanwhile: its key is the other one. */
static enum err_code adopt_item(struct sqlite_load *l, size_t i, struct err *e)
{
    int64_t key;
    sqlite3_stmt *s = NULL;
    int n;
    enum err_code code =
        sqlite_find_followed(l->conn, id_table_text(&l->items, (uint32_t)i), &key, &l->followed[i], e);
    if (!code && key == 0)
        return err_set(e, ERR_BUSY,
                       "store %s: more than %d items were registered while the import ran; run it again",
                       l->conn->store->path, SQLITE_LOAD_FREE_ITEM_KEYS);
    if (!code)
        code = sqlite_load_prepare(
            l, "UPDATE OR REPLACE interactions_next SET item_key = ?3 WHERE item_key = ?1", &s, e);
    if (!code)
        code = change(l, s, l->item_keys[i], no_text, key, &n, e);
    sqlite3_finalize(s);
    l->item_keys[i] = key;
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
        code = change(l, s, l->item_keys[i], id_table_text(&l->items, (uint32_t)i), 0, &n, e);
        if (!code && n == 0)
            code = adopt_item(l, i, e);
    }
    sqlite3_finalize(s);
    return code;
}

/* A new user of the load could not be made: somebody registered the id meanwhile, or, which is an error, was given the key. */
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

/* Marks the users whom the load names as changed, makes the new ones, and drops the rows of who was deleted meanwhile or has another key by
 * now. */
static enum err_code touch_users(struct sqlite_load *l, struct err *e)
{
    sqlite3_stmt *insert = NULL, *touch = NULL, *drop = NULL;
    int n;
    enum err_code code = sqlite_load_prepare(
        l, "INSERT OR IGNORE INTO users (user_key, id, revision) VALUES (?1, ?2, 0)", &insert, e);
    if (!code)
        code = sqlite_load_prepare(l, "UPDATE users SET revision = 0 WHERE user_key = ?1 AND id = ?2", &touch,
                                   e);
    if (!code)
        code = sqlite_load_prepare(l, "DELETE FROM interactions_next WHERE user_key = ?1", &drop, e);
    for (size_t k = 0; k < l->users.n && !code; k++) {
        uint32_t i = l->order[k];
        bool new = l->user_keys[i] >= l->first_new_user;
        code = change(l, new ? insert : touch, l->user_keys[i], id_table_text(&l->users, i), 0, &n, e);
        if (code || n)
            continue;
        if (new)
            code = check_registered(l, i, e);
        if (!code)
            code = change(l, drop, l->user_keys[i], no_text, 0, &n, e);
        l->user_keys[i] = 0; /* if there is such a user, it is a changed one */
    }
    sqlite3_finalize(insert);
    sqlite3_finalize(touch);
    sqlite3_finalize(drop);
    return code;
}

/* Does over what the second table has of the users who changed. What was older has been counted at the first time. */
static enum err_code merge_changed(struct sqlite_load *l, const struct changed *changed, struct err *e)
{
    sqlite3_stmt *drop = NULL, *touch = NULL;
    int64_t n_older = l->n_older, n_repeated = l->n_repeated;
    int n;
    enum err_code code =
        sqlite_load_prepare(l, "DELETE FROM interactions_next WHERE user_key = ?1", &drop, e);
    if (!code)
        code = sqlite_load_prepare(l, "UPDATE users SET revision = 0 WHERE user_key = ?1", &touch, e);
    for (size_t i = 0; i < changed->n && !code; i++) {
        const struct changed_user *u = &changed->at[i];
        code = change(l, drop, u->key, no_text, 0, &n, e);
        sqlite3_reset(l->select);
        sqlite3_bind_int64(l->select, 1, u->key);
        int rc = code ? SQLITE_DONE : sqlite3_step(l->select);
        if (!code)
            code = sqlite_load_take(l, u->key, &rc, e);
        if (!code && rc != SQLITE_ROW && rc != SQLITE_DONE)
            code = sqlite_fail(l->conn, rc, "read the interactions", e);
        sqlite3_reset(l->select);
        if (!code && u->number != ID_TABLE_NONE)
            code = sqlite_load_add(l, u->number, e);
        if (!code && u->number != ID_TABLE_NONE)
            code = change(l, touch, u->key, no_text, 0, &n, e);
        if (!code)
            code = sqlite_load_write(l, u->key, e);
    }
    l->n_older = n_older;
    l->n_repeated = n_repeated;
    sqlite3_finalize(drop);
    sqlite3_finalize(touch);
    return code;
}

/* Items that others had followed meanwhile. */
static enum err_code follow(struct sqlite_load *l, struct err *e)
{
    int64_t n_followed;
    enum err_code code =
        sqlite_load_number(l, "SELECT count(*) FROM items WHERE followed = 1", &n_followed, e);
    if (code || n_followed == l->n_followed)
        return code;
    return sqlite_load_run(l,
                           "UPDATE interactions_next SET followed = 1 WHERE followed = 0 "
                           "AND item_key IN (SELECT item_key FROM items WHERE followed = 1)",
                           e);
}

/* The second table in the place of the first, with its index. */
static enum err_code swap(struct sqlite_load *l, struct err *e)
{
    return sqlite_load_run(
        l,
        "ALTER TABLE interactions RENAME TO interactions_old;"
        "DROP INDEX interactions_by_item;"
        "ALTER TABLE interactions_next RENAME TO interactions;"
        "CREATE INDEX interactions_by_item ON interactions (item_key, timestamp) WHERE followed = 1",
        e);
}

static enum err_code apply_staged(struct sqlite_load *l, struct err *e)
{
    struct changed changed = {0};
    enum err_code code = find_changed(l, &changed, e);
    if (!code)
        code = insert_items(l, e);
    if (!code)
        code = touch_users(l, e);
    if (!code)
        code = merge_changed(l, &changed, e);
    if (!code)
        code = follow(l, e);
    mem_free(changed.at);
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
