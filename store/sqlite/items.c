/* Items. A deleted one keeps its row: a key that went to another item would make trained models, cached
 * weights and other processes' tables speak of the wrong one.
 *
 * Who took a followed item is found by an index, who took another one by reading all interactions. Items that
 * come one by one are followed from the start; those of an import are from when somebody who writes asks for
 * it. Who reads sets the interactions with others aside, in memory, and needs no lock of writers. */
#include "store/sqlite/private.h"

static int64_t time_of(sqlite3_stmt *s, int column, int64_t none)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? none : sqlite3_column_int64(s, column);
}

enum err_code sqlite_item_of_row(struct sqlite_conn *c, sqlite3_stmt *s, struct store_item *item,
                                 struct err *e)
{
    *item = (struct store_item){.key = sqlite3_column_int64(s, 0),
                                .revision = sqlite3_column_int64(s, 5),
                                .deleted = sqlite3_column_int(s, 6) != 0,
                                .life = {.hidden = sqlite3_column_int(s, 7) != 0,
                                         .from = time_of(s, 8, STORE_ALWAYS_FROM),
                                         .until = time_of(s, 9, STORE_ALWAYS_UNTIL),
                                         .created = time_of(s, 10, 0)}};
    struct text *texts[] = {&item->id, &item->title, &item->categories, &item->metadata};
    enum err_code code = ERR_OK;
    for (int i = 0; i < 4 && !code; i++)
        code = sqlite_column_view(c, s, 1 + i, i == 0, texts[i], e);
    return code;
}

/* ---- reads ---- */

enum err_code sqlite_each_item(struct store_conn *conn, int64_t since, store_item_fn *fn, void *arg,
                               struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_EACH_ITEM);
    sqlite3_bind_int64(s, 1, since > 0 ? since : INT64_MIN);
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct store_item item;
        code = sqlite_item_of_row(c, s, &item, e);
        wanted = !code && fn(arg, &item);
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read the items", e);
    return code ? code : ended;
}

enum err_code sqlite_read_item(struct store_conn *conn, struct text id, store_item_fn *fn, void *arg,
                               struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_ITEM_OF);
    sqlite_bind_text_view(s, 1, id);
    struct store_item item;
    int rc = sqlite3_step(s);
    enum err_code code = ERR_OK;
    if (rc == SQLITE_ROW)
        code = sqlite_item_of_row(c, s, &item, e);
    else
        code = rc == SQLITE_DONE ? err_set(e, ERR_NOTFOUND, "no item '%.*s'", (int)id.len, id.data)
                                 : sqlite_fail(c, rc, "read an item", e);
    if (!code)
        (void)fn(arg, &item);
    sqlite3_reset(s);
    return code;
}

/* Whether a statement with a key as its parameter gives a row whose first column is `one`, or 0. */
static enum err_code ask(struct sqlite_conn *c, enum sqlite_statement which, int64_t key, bool one, bool *yes,
                         struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, which);
    sqlite3_bind_int64(s, 1, key);
    int rc = sqlite3_step(s);
    *yes = rc == SQLITE_ROW && (sqlite3_column_int(s, 0) != 0) == one;
    return sqlite_stepped(c, s, rc, "read who took an item", e);
}

enum err_code sqlite_each_taker(struct store_conn *conn, int64_t item_key,
                                const struct store_context_key *key, size_t most, store_taker_fn *fn,
                                void *arg, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    bool followed;
    enum err_code code = ask(c, SQL_IS_FOLLOWED, item_key, true, &followed, e);
    if (code)
        return code;
    sqlite3_stmt *s = !followed && c->takers_aside
                          ? c->takers_aside
                          : sqlite_statement(c, followed ? SQL_EACH_TAKER : SQL_EACH_TAKER_UNFOLLOWED);
    sqlite3_bind_int64(s, 1, item_key);
    sqlite3_bind_text(s, 2, key->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, key->model, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, key->model_version, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 5, (int64_t)most);
    bool wanted = true;
    int rc = SQLITE_DONE;
    while (wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const void *embedding = sqlite3_column_blob(s, 0);
        wanted = fn(arg, embedding, embedding ? (size_t)sqlite3_column_bytes(s, 0) : 0,
                    sqlite3_column_double(s, 1));
    }
    return sqlite_stepped(c, s, rc, "read who took an item", e);
}

enum err_code sqlite_taken_above(struct store_conn *conn, int64_t item_key, bool *taken, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    bool unfollowed;
    enum err_code code = ask(c, SQL_ANY_UNFOLLOWED_ABOVE, item_key, true, &unfollowed, e);
    return code ? code
                : ask(c, unfollowed ? SQL_TAKEN_ABOVE_UNFOLLOWED : SQL_TAKEN_ABOVE, item_key, true, taken, e);
}

/* ---- writes ---- */

/* The key of an item, 0 when there is none, and whether it is deleted; c->item has what else is known. What
 * was looked up before may be deleted since. */
static enum err_code state_of(struct sqlite_conn *c, struct text id, int64_t *key, bool *deleted,
                              struct err *e)
{
    c->item.key = 0;
    enum err_code code = sqlite_find_item(c, id, key, e);
    *deleted = c->item.deleted;
    return code;
}

enum err_code sqlite_write_item(struct sqlite_conn *c, enum sqlite_statement which, int64_t key,
                                const struct store_item *item, int64_t revision, int followed, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, which);
    if (key)
        sqlite3_bind_int64(s, 1, key);
    else
        sqlite_bind_text_view(s, 1, item->id);
    sqlite_bind_text_view(s, 2, item->title);
    sqlite_bind_text_view(s, 3, item->categories);
    sqlite_bind_text_view(s, 4, item->metadata);
    sqlite3_bind_int64(s, 5, revision);
    if (followed >= 0)
        sqlite3_bind_int(s, 6, followed);
    return sqlite_run(c, s, "write an item", e);
}

enum err_code sqlite_put_item(struct store_conn *conn, const struct store_item *item, bool *created,
                              struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t key, change;
    bool deleted;
    enum err_code code = state_of(c, item->id, &key, &deleted, e);
    if (!code)
        code = sqlite_new_change(c, "item", key, &change, e);
    if (code)
        return code;
    int64_t hidden = c->item.hidden; /* a row that a load writes: from here on it is ours */
    if (key)
        code = sqlite_write_item(c, SQL_UPDATE_ITEM, key, item, change, -1, e);
    else
        code = sqlite_write_item(c, hidden ? SQL_TAKE_ITEM : SQL_INSERT_ITEM, hidden, item, change, 1, e);
    c->item.key = 0; /* what was looked up is of before */
    if (!code && !key)
        code = sqlite_change_of(c, change, hidden ? hidden : sqlite3_last_insert_rowid(c->db), e);
    if (!code)
        *created = key == 0 || deleted;
    return code;
}

static void bind_time(sqlite3_stmt *s, int at, int64_t time, int64_t none)
{
    if (time == none)
        sqlite3_bind_null(s, at);
    else
        sqlite3_bind_int64(s, at, time);
}

enum err_code sqlite_set_item_life(struct store_conn *conn, struct text id,
                                   const struct store_item_life *life, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    enum err_code code = sqlite_check_writing(c, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_SET_ITEM_LIFE);
    sqlite_bind_text_view(s, 1, id);
    sqlite3_bind_int(s, 2, life->hidden);
    bind_time(s, 3, life->from, STORE_ALWAYS_FROM);
    bind_time(s, 4, life->until, STORE_ALWAYS_UNTIL);
    bind_time(s, 5, life->created, 0);
    code = sqlite_run(c, s, "write an item", e);
    if (!code && sqlite3_changes(c->db) == 0)
        code = err_set(e, ERR_NOTFOUND, "no item '%.*s'", (int)id.len, id.data);
    return code;
}

/* Gives the item the next change as its revision by a statement of (key, change). */
static enum err_code change_item(struct sqlite_conn *c, enum sqlite_statement which, int64_t key,
                                 struct err *e)
{
    int64_t change;
    enum err_code code = sqlite_new_change(c, "item", key, &change, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, which);
    sqlite3_bind_int64(s, 1, key);
    sqlite3_bind_int64(s, 2, change);
    return sqlite_run(c, s, "write an item", e);
}

enum err_code sqlite_delete_item(struct store_conn *conn, struct text id, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t key;
    bool deleted;
    enum err_code code = state_of(c, id, &key, &deleted, e);
    if (!code && (key == 0 || deleted))
        code = err_set(e, ERR_NOTFOUND, "no item '%.*s'", (int)id.len, id.data);
    return code ? code : change_item(c, SQL_DELETE_ITEM, key, e);
}

enum err_code sqlite_touch_item(struct store_conn *conn, struct text id, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t key;
    enum err_code code = sqlite_item_key_of(conn, id, &key, e);
    return code ? code : change_item(c, SQL_TOUCH_ITEM, key, e);
}

enum err_code sqlite_touch_item_with_key(struct sqlite_conn *c, int64_t key, struct err *e)
{
    bool there;
    enum err_code code = ask(c, SQL_IS_ITEM, key, true, &there, e);
    return code || !there ? code : change_item(c, SQL_TOUCH_ITEM, key, e);
}

/* ---- those who are not followed ---- */

enum err_code sqlite_is_unfollowed(struct sqlite_conn *c, int64_t key, bool *is, struct err *e)
{
    return ask(c, SQL_IS_FOLLOWED, key, false, is, e);
}

static enum err_code any_unfollowed(struct sqlite_conn *c, const int64_t *keys, size_t n, bool *any,
                                    struct err *e)
{
    enum err_code code = ERR_OK;
    *any = false;
    for (size_t i = 0; i < n && !code && !*any; i++)
        code = sqlite_is_unfollowed(c, keys[i], any, e);
    return code;
}

void sqlite_takers_end(struct store_conn *conn)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    if (!c->takers_aside)
        return;
    sqlite3_finalize(c->takers_aside);
    c->takers_aside = NULL;
    (void)sqlite3_exec(c->db, "DROP TABLE IF EXISTS temp.takers; DROP TABLE IF EXISTS temp.aside", NULL, NULL,
                       NULL);
}

/* An index in memory, of this connection, of the interactions with items that are not followed; else each of
 * them would take a read of all interactions. */
static enum err_code set_aside(struct sqlite_conn *c, const int64_t *keys, size_t n, struct err *e)
{
    sqlite3_stmt *add = NULL;
    bool is;
    enum err_code code = sqlite_run_text(c,
                                         "DROP TABLE IF EXISTS temp.takers; DROP TABLE IF EXISTS temp.aside;"
                                         "CREATE TEMP TABLE aside (item_key INTEGER PRIMARY KEY);"
                                         "CREATE TEMP TABLE takers (item_key, timestamp, user_key, weight, "
                                         "PRIMARY KEY (item_key, timestamp DESC, user_key)) WITHOUT ROWID",
                                         "set new items aside", e);
    if (!code && sqlite3_prepare_v2(c->db, "INSERT OR IGNORE INTO temp.aside VALUES (?1)", -1, &add, NULL) !=
                     SQLITE_OK)
        code = sqlite_fail(c, sqlite3_errcode(c->db), "set new items aside", e);
    for (size_t i = 0; i < n && !code; i++) {
        code = sqlite_is_unfollowed(c, keys[i], &is, e);
        if (code || !is)
            continue;
        sqlite3_bind_int64(add, 1, keys[i]);
        code = sqlite_run(c, add, "set new items aside", e);
    }
    sqlite3_finalize(add);
    if (!code)
        code = sqlite_run_text(c,
                               "INSERT INTO temp.takers SELECT i.item_key, max(i.timestamp), i.user_key, "
                               "sum(i.weight * " SQLITE_EFFECT ") AS w FROM main.interactions i "
                               "CROSS JOIN main.kinds k ON k.kind = i.kind "
                               "WHERE i.item_key IN temp.aside GROUP BY i.user_key, i.item_key HAVING w > 0",
                               "set new items aside", e);
    if (!code && sqlite3_prepare_v3(c->db, SQLITE_EACH_TAKER_ASIDE, -1, SQLITE_PREPARE_PERSISTENT,
                                    &c->takers_aside, NULL) != SQLITE_OK)
        code = sqlite_fail(c, sqlite3_errcode(c->db), "set new items aside", e);
    return code;
}

enum err_code sqlite_takers_begin(struct store_conn *conn, const int64_t *keys, size_t n, bool *aside,
                                  struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite_takers_end(conn);
    enum err_code code = any_unfollowed(c, keys, n, aside, e);
    if (code || !*aside)
        return code;
    if (c->store->read_only) /* tables of its own are none of the store's */
        code = sqlite_run_text(c, "PRAGMA query_only = OFF", "set new items aside", e);
    if (!code)
        code = set_aside(c, keys, n, e);
    if (c->store->read_only && sqlite3_exec(c->db, "PRAGMA query_only = ON", NULL, NULL, NULL) != SQLITE_OK &&
        !code)
        code = sqlite_fail(c, sqlite3_errcode(c->db), "set new items aside", e);
    return code;
}
