/* What others changed since a load read the store, done over in its second table.
 *
 * It is done in rounds before the load's last transaction, each in short transactions, so that this one,
 * during which nobody writes, has left what came in a moment. A round may be late itself: who changes again
 * while it runs has a later revision and comes with the next. Nothing looks through the whole second table:
 * the load knows the rows that it added, and the store has an index of those of followed items. */
#include "store/sqlite/load.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

enum {
    ROUNDS = 8,        /* at most: others may change more than a round can do over */
    FEW_CHANGED = 200, /* users that the last transaction may do over: some milliseconds */
};

/* ---- what changed ---- */

static enum err_code add_key(struct sqlite_load_keys *keys, int64_t key, uint32_t number, struct err *e)
{
    if (keys->n == keys->capacity) {
        size_t capacity = keys->capacity ? 2 * keys->capacity : 256;
        struct sqlite_load_key *grown = mem_realloc_array(keys->at, capacity, sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for %zu that changed", keys->n);
        *keys = (struct sqlite_load_keys){grown, keys->n, capacity};
    }
    keys->at[keys->n++] = (struct sqlite_load_key){key, number};
    return ERR_OK;
}

/* Keys, and the numbers in the load of the ids beside them, if the statement has any. */
static enum err_code read_keys(struct sqlite_load *l, const char *sql, int64_t a, const struct id_table *ids,
                               struct sqlite_load_keys *out, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum err_code code = sqlite_load_prepare(l, sql, &s, e);
    if (code)
        return code;
    sqlite3_bind_int64(s, 1, a);
    int rc = SQLITE_DONE;
    while (!code && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct text id;
        uint32_t number = ID_TABLE_NONE;
        if (ids && !(code = sqlite_column_view(l->conn, s, 1, true, &id, e)))
            number = id_table_find(ids, id);
        if (!code)
            code = add_key(out, sqlite3_column_int64(s, 0), number, e);
    }
    if (!code && rc != SQLITE_DONE)
        code = sqlite_fail(l->conn, rc, "read what others changed", e);
    sqlite3_finalize(s);
    return code;
}

/* The items that are followed now; of those that were not, the number in the load and the key go to `more`
 * (NULL: not asked). */
static enum err_code find_followed(struct sqlite_load *l, struct sqlite_load_keys *all,
                                   struct sqlite_load_keys *more, struct err *e)
{
    enum err_code code = read_keys(l, "SELECT item_key, id FROM items WHERE followed = ?1 ORDER BY item_key",
                                   1, &l->items, all, e);
    const struct sqlite_load_keys *old = &l->followed_keys;
    for (size_t i = 0, k = 0; more && i < all->n && !code; i++) {
        while (k < old->n && old->at[k].key < all->at[i].key)
            k++;
        if (k == old->n || old->at[k].key != all->at[i].key)
            code = add_key(more, all->at[i].key, all->at[i].number, e);
    }
    return code;
}

enum err_code sqlite_load_note_followed(struct sqlite_load *l, struct err *e)
{
    return find_followed(l, &l->followed_keys, NULL, e);
}

/* Rows of the load that name the item are to be marked as of one that is followed. */
static void mark_later(struct sqlite_load *l, size_t item)
{
    l->n_to_mark += !l->to_mark[item];
    l->to_mark[item] = l->followed[item] = true;
}

/* Whether the log of changes says, one by one, what others changed. */
static enum err_code is_logged(struct sqlite_load *l, int64_t last, bool *is, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum err_code code = sqlite_load_prepare(
        l, "SELECT count(*), ifnull(sum(kind = 'all'), 0) FROM changes WHERE change > ?1 AND change <= ?2",
        &s, e);
    if (code)
        return code;
    sqlite3_bind_int64(s, 1, l->change);
    sqlite3_bind_int64(s, 2, last);
    int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW)
        code = sqlite_fail(l->conn, rc, "read what others changed", e);
    *is = !code && sqlite3_column_int64(s, 0) == last - l->change && sqlite3_column_int64(s, 1) == 0;
    sqlite3_finalize(s);
    return code;
}

/* Users who changed or went. Where the log does not say it all users are read. */
static enum err_code find_users(struct sqlite_load *l, struct sqlite_load_behind *b, struct err *e)
{
    bool logged;
    enum err_code code = is_logged(l, b->change, &logged, e);
    if (code)
        return code;
    l->any_gone = l->any_gone || !logged;
    if (!logged)
        return read_keys(l, "SELECT user_key, id FROM users WHERE revision > ?1", l->change, &l->users,
                         &b->users, e);
    code = read_keys(l,
                     "SELECT user_key, id FROM users WHERE user_key IN "
                     "(SELECT row_key FROM changes WHERE change > ?1 AND kind = 'user')",
                     l->change, &l->users, &b->users, e);
    if (!code)
        code = read_keys(l, "SELECT DISTINCT row_key FROM changes WHERE change > ?1 AND kind = 'gone'",
                         l->change, NULL, &b->gone, e);
    if (!code)
        sqlite_load_note_gone(l, &b->gone);
    return code;
}

enum err_code sqlite_load_find_behind(struct sqlite_load *l, int64_t before, struct sqlite_load_behind *b,
                                      struct err *e)
{
    struct sqlite_load_keys followed = {0};
    *b = (struct sqlite_load_behind){0};
    enum err_code code = sqlite_last_change(&l->conn->base, &b->change, e);
    if (before)
        b->change = before - 1;
    if (!code)
        code = find_users(l, b, e);
    if (!code)
        code = find_followed(l, &followed, l->unfollows ? NULL : &b->followed, e);
    for (size_t i = 0; i < b->followed.n && !code; i++)
        if (b->followed.at[i].number != ID_TABLE_NONE)
            mark_later(l, b->followed.at[i].number);
    if (code) {
        mem_free(followed.at);
        return code;
    }
    mem_free(l->followed_keys.at);
    l->followed_keys = followed;
    return ERR_OK;
}

void sqlite_load_behind_fini(struct sqlite_load_behind *b)
{
    mem_free(b->users.at);
    mem_free(b->gone.at);
    mem_free(b->followed.at);
    sqlite3_finalize(b->drop);
    sqlite3_finalize(b->touch);
    *b = (struct sqlite_load_behind){0};
}

/* ---- doing it over ---- */

/* The rows that the store has of followed items, in the order of the index that they have just come into. */
static enum err_code follow(struct sqlite_load *l, struct sqlite_load_behind *b, struct sqlite_load_budget *t,
                            struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum err_code code = ERR_OK;
    if (b->at_followed < b->followed.n)
        code = sqlite_load_prepare(
            l,
            "UPDATE interactions_next SET followed = 1 WHERE followed = 0 AND (user_key, item_key) IN "
            "(SELECT user_key, item_key FROM interactions WHERE followed = 1 AND item_key = ?1)",
            &s, e);
    while (b->at_followed < b->followed.n && !code && !sqlite_load_is_over(t)) {
        sqlite3_bind_int64(s, 1, b->followed.at[b->at_followed++].key);
        code = sqlite_run(l->conn, s, "load", e);
    }
    sqlite3_finalize(s);
    return code;
}

static enum err_code mark_user(struct sqlite_load *l, sqlite3_stmt *s, uint32_t user,
                               struct sqlite_load_budget *t, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = l->start[user]; i < l->start[user + 1] && !code; i++) {
        uint32_t item = l->rows.at[i].item;
        if (!l->to_mark[item])
            continue;
        sqlite3_bind_int64(s, 1, l->user_keys[user]);
        sqlite3_bind_int64(s, 2, l->item_keys[item]);
        code = sqlite_run(l->conn, s, "load", e);
        t->n++;
    }
    return code;
}

/* The rows that the load added of items that are followed by now. */
static enum err_code mark(struct sqlite_load *l, struct sqlite_load_behind *b, struct sqlite_load_budget *t,
                          struct err *e)
{
    sqlite3_stmt *s = NULL;
    if (l->n_to_mark == 0)
        return ERR_OK;
    enum err_code code = sqlite_load_prepare(
        l, "UPDATE interactions_next SET followed = 1 WHERE user_key = ?1 AND item_key = ?2", &s, e);
    while (b->at_marked < l->users.n && !code && !sqlite_load_is_over(t))
        code = mark_user(l, s, l->order[b->at_marked++], t, e);
    sqlite3_finalize(s);
    if (!code && b->at_marked == l->users.n) {
        for (size_t i = 0; i < l->items.n; i++)
            l->to_mark[i] = false;
        l->n_to_mark = 0;
    }
    return code;
}

static enum err_code run_with_key(struct sqlite_load *l, sqlite3_stmt *s, int64_t key, struct err *e)
{
    sqlite3_bind_int64(s, 1, key);
    return sqlite_run(l->conn, s, "load", e);
}

/* Writes a user's rows anew: what the store has and, of a user whom the load names, what it adds. */
static enum err_code write_anew(struct sqlite_load *l, struct sqlite_load_behind *b, int64_t key,
                                uint32_t number, struct err *e)
{
    int64_t n_older = l->n_older, n_repeated = l->n_repeated; /* has been counted at the first time */
    enum err_code code = run_with_key(l, b->drop, key, e);
    sqlite3_reset(l->select);
    sqlite3_bind_int64(l->select, 1, key);
    int rc = code ? SQLITE_DONE : sqlite3_step(l->select);
    if (!code)
        code = sqlite_load_take(l, key, &rc, e);
    if (!code && rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = sqlite_fail(l->conn, rc, "read the interactions", e);
    sqlite3_reset(l->select);
    if (!code && number != ID_TABLE_NONE)
        code = sqlite_load_add(l, number, e);
    if (!code)
        code = sqlite_load_write(l, key, e);
    l->n_older = n_older;
    l->n_repeated = n_repeated;
    return code;
}

static enum err_code prepare(struct sqlite_load *l, struct sqlite_load_behind *b, struct err *e)
{
    enum err_code code = ERR_OK;
    if (!b->drop)
        code = sqlite_load_prepare(l, "DELETE FROM interactions_next WHERE user_key = ?1", &b->drop, e);
    if (!code && !b->touch)
        code = sqlite_load_prepare(l, "UPDATE users SET revision = ?2 WHERE user_key = ?1", &b->touch, e);
    return code;
}

enum err_code sqlite_load_leave_key(struct sqlite_load *l, struct sqlite_load_behind *b, int64_t key,
                                    struct err *e)
{
    struct sqlite_load_keys owner = {0};
    enum err_code code = prepare(l, b, e);
    if (!code)
        code = read_keys(l, "SELECT user_key, id FROM users WHERE user_key = ?1", key, &l->users, &owner, e);
    if (!code)
        code = write_anew(l, b, key, owner.n ? owner.at[0].number : ID_TABLE_NONE, e);
    mem_free(owner.at);
    return code;
}

/* change: of the last transaction, or 0 in one before. */
static enum err_code do_user_over(struct sqlite_load *l, struct sqlite_load_behind *b,
                                  const struct sqlite_load_key *u, int64_t change, struct err *e)
{
    bool loaded = u->number != ID_TABLE_NONE;
    int64_t left = loaded ? l->user_keys[u->number] : u->key;
    enum err_code code = ERR_OK;
    if (loaded) {
        l->user_keys[u->number] = u->key;
        l->user_is_new[u->number] = false; /* but his own: the load's end is a change of his */
    }
    if (left != u->key)
        code = sqlite_load_leave_key(l, b, left, e);
    if (!code)
        code = write_anew(l, b, u->key, u->number, e);
    if (code || !loaded || !change)
        return code;
    sqlite3_bind_int64(b->touch, 2, change);
    return run_with_key(l, b->touch, u->key, e);
}

static enum err_code do_users_over(struct sqlite_load *l, struct sqlite_load_behind *b, int64_t change,
                                   struct sqlite_load_budget *t, struct err *e)
{
    enum err_code code = prepare(l, b, e);
    while (b->at_gone < b->gone.n && !code && !sqlite_load_is_over(t))
        code = sqlite_load_leave_key(l, b, b->gone.at[b->at_gone++].key, e);
    while (b->at_user < b->users.n && !code && !sqlite_load_is_over(t))
        code = do_user_over(l, b, &b->users.at[b->at_user++], change, e);
    return code;
}

/* As much as there is time for. */
static enum err_code do_some_over(struct sqlite_load *l, struct sqlite_load_behind *b, int64_t change,
                                  struct sqlite_load_budget *t, struct err *e)
{
    enum err_code code = follow(l, b, t, e);
    if (!code && b->at_followed == b->followed.n)
        code = mark(l, b, t, e);
    if (!code && l->n_to_mark == 0 && b->at_followed == b->followed.n)
        code = do_users_over(l, b, change, t, e);
    return code;
}

enum err_code sqlite_load_do_over(struct sqlite_load *l, struct sqlite_load_behind *b, int64_t change,
                                  struct err *e)
{
    struct sqlite_load_budget t = {INT64_MAX, 0};
    return do_some_over(l, b, change, &t, e);
}

/* ---- rounds ---- */

static bool is_done(const struct sqlite_load *l, const struct sqlite_load_behind *b)
{
    return b->at_followed == b->followed.n && l->n_to_mark == 0 && b->at_gone == b->gone.n &&
           b->at_user == b->users.n;
}

/* In one snapshot, in which nobody is kept from writing. */
static enum err_code find_in_snapshot(struct sqlite_load *l, struct sqlite_load_behind *b, struct err *e)
{
    enum err_code code = sqlite_run(l->conn, sqlite_statement(l->conn, SQL_BEGIN), "begin a read", e);
    if (code)
        return code;
    code = sqlite_load_find_behind(l, 0, b, e);
    sqlite_end_quietly(l->conn, SQL_COMMIT);
    return code;
}

static enum err_code do_round(struct sqlite_load *l, struct sqlite_load_behind *b, struct err *e)
{
    enum err_code code = ERR_OK;
    while (!code && !is_done(l, b)) {
        struct sqlite_load_budget t;
        code = sqlite_load_batch_begin(l, &t, e);
        if (code)
            break;
        code = do_some_over(l, b, 0, &t, e);
        code = sqlite_load_batch_end(l, code, e);
    }
    if (!code)
        l->change = b->change;
    return code;
}

enum err_code sqlite_load_catch_up(struct sqlite_load *l, struct err *e)
{
    enum err_code code = ERR_OK;
    bool few = false;
    for (int i = 0; i < ROUNDS && !code && !few; i++) {
        struct sqlite_load_behind b = {0};
        code = find_in_snapshot(l, &b, e);
        few = b.users.n + b.gone.n <= FEW_CHANGED && b.followed.n == 0 && l->n_to_mark == 0;
        if (!code && !few)
            code = do_round(l, &b, e);
        sqlite_load_behind_fini(&b);
    }
    return code;
}
