/* Interactions that are too old, a stretch of users at a time: it is read without the lock, and what is found
 * goes in one short transaction, in which it is looked for again. */
#include "store/sqlite/private.h"

#include "base/mem.h"

#include <stdlib.h>

enum {
    STRETCH_ROWS = 2000, /* of the table: some milliseconds to read, and 40 to delete all of them */
    LOCK_MS = 50         /* a transaction waits so long for others: its thread has other things to do */
};

/* Binds what expires; NULL is no bound. */
static void bind(sqlite3_stmt *s, int64_t user, const struct store_expiry *x)
{
    sqlite3_bind_int64(s, 1, user);
    sqlite3_bind_int64(s, 2, x->now);
    if (x->keep)
        sqlite3_bind_int64(s, 3, x->keep);
}

/* The first key behind the stretch that begins at `from`; 0: it is the last. */
static enum err_code find_end(struct sqlite_conn *c, int64_t from, int64_t *end, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_STRETCH_END);
    sqlite3_bind_int64(s, 1, from);
    sqlite3_bind_int(s, 2, STRETCH_ROWS);
    int rc = sqlite3_step(s);
    *end = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) + 1 : 0;
    return sqlite_stepped(c, s, rc, "look for old interactions", e);
}

struct keys {
    int64_t *at; /* (n) */
    size_t n, capacity;
};

static enum err_code add_key(struct keys *k, int64_t key, struct err *e)
{
    if (!MEM_RESERVE(k->at, k->capacity, k->n + 1))
        return err_set(e, ERR_NOMEM, "no memory for old interactions");
    k->at[k->n++] = key;
    return ERR_OK;
}

static int by_key(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The users from `from` to `end` who have old interactions. */
static enum err_code find_users(struct sqlite_conn *c, int64_t from, int64_t end,
                                const struct store_expiry *x, struct keys *out, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_EXPIRED_USERS);
    enum err_code code = ERR_OK;
    int rc = SQLITE_DONE;
    bind(s, from, x);
    sqlite3_bind_int64(s, 4, end ? end : INT64_MAX);
    while (!code && (rc = sqlite3_step(s)) == SQLITE_ROW)
        code = add_key(out, sqlite3_column_int64(s, 0), e);
    enum err_code ended = sqlite_stepped(c, s, rc, "look for old interactions", e);
    return code ? code : ended;
}

/* Deletes what is old of a user; *n: how many. Their items that move come to `items`. */
static enum err_code delete_old(struct sqlite_conn *c, int64_t user, const struct store_expiry *x,
                                struct keys *items, int64_t *n, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_EXPIRE);
    enum err_code code = ERR_OK;
    int rc = SQLITE_DONE;
    *n = 0;
    bind(s, user, x);
    while (!code && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t item = sqlite3_column_int64(s, 0);
        ++*n;
        if (x->moves && x->moves(x->arg, item))
            code = add_key(items, item, e);
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "delete old interactions", e);
    return code ? code : ended;
}

/* In a transaction; a user who changed meanwhile may have none any more. */
static enum err_code expire_user(struct sqlite_conn *c, int64_t user, const struct store_expiry *x,
                                 struct keys *items, int64_t *n, struct err *e)
{
    int64_t change, gone;
    enum err_code code = delete_old(c, user, x, items, &gone, e);
    if (code || !gone)
        return code;
    *n += gone;
    code = sqlite_new_change(c, "user", user, &change, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_TOUCH_USER);
    sqlite3_bind_int64(s, 1, user);
    sqlite3_bind_int64(s, 2, change);
    return sqlite_run(c, s, "write a user", e);
}

/* Each once. */
static enum err_code touch_items(struct sqlite_conn *c, const struct keys *items, struct err *e)
{
    enum err_code code = ERR_OK;
    if (items->n > 1)
        qsort(items->at, items->n, sizeof *items->at, by_key);
    for (size_t i = 0; i < items->n && !code; i++)
        if (i == 0 || items->at[i] != items->at[i - 1])
            code = sqlite_touch_item_with_key(c, items->at[i], e);
    return code;
}

static enum err_code expire_users(struct sqlite_conn *c, const struct keys *users,
                                  const struct store_expiry *x, int64_t *n, struct err *e)
{
    struct keys items = {0};
    sqlite_wait(c, LOCK_MS);
    enum err_code code = sqlite_begin(&c->base, e);
    sqlite_wait(c, SQLITE_BUSY_MS);
    if (code)
        return code;
    c->erases = true;
    for (size_t i = 0; i < users->n && !code; i++)
        code = expire_user(c, users->at[i], x, &items, n, e);
    if (!code)
        code = touch_items(c, &items, e);
    mem_free(items.at);
    if (!code)
        return sqlite_commit(&c->base, e);
    sqlite_rollback(&c->base);
    *n = 0;
    return code;
}

enum err_code sqlite_expire(struct store_conn *conn, const struct store_expiry *x, int64_t *at, int64_t *n,
                            struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    struct keys users = {0};
    int64_t end = 0;
    *n = 0;
    enum err_code code = find_end(c, *at, &end, e);
    if (!code)
        code = find_users(c, *at, end, x, &users, e);
    if (!code && users.n)
        code = expire_users(c, &users, x, n, e);
    mem_free(users.at);
    if (!code)
        *at = end;
    return code;
}
