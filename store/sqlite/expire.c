/* Interactions that are too old, a stretch of users at a time: it is read without the lock, and what is found
 * goes in one short transaction, in which it is looked for again. */
#include "store/sqlite/private.h"

#include "base/mem.h"

enum { STRETCH_ROWS = 2000 }; /* of the table: some milliseconds to read, and 40 to delete all of them */

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
        if (!MEM_RESERVE(out->at, out->capacity, out->n + 1))
            code = err_set(e, ERR_NOMEM, "no memory for users with old interactions");
        else
            out->at[out->n++] = sqlite3_column_int64(s, 0);
    enum err_code ended = sqlite_stepped(c, s, rc, "look for old interactions", e);
    return code ? code : ended;
}

/* In a transaction; a user who changed meanwhile may have none any more. */
static enum err_code expire_user(struct sqlite_conn *c, int64_t user, const struct store_expiry *x,
                                 int64_t *n, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_EXPIRE);
    int64_t change;
    bind(s, user, x);
    enum err_code code = sqlite_run(c, s, "delete old interactions", e);
    int64_t gone = code ? 0 : sqlite3_changes(c->db);
    if (code || !gone)
        return code;
    *n += gone;
    code = sqlite_new_change(c, "user", user, &change, e);
    if (code)
        return code;
    s = sqlite_statement(c, SQL_TOUCH_USER);
    sqlite3_bind_int64(s, 1, user);
    sqlite3_bind_int64(s, 2, change);
    return sqlite_run(c, s, "write a user", e);
}

static enum err_code expire_users(struct sqlite_conn *c, const struct keys *users,
                                  const struct store_expiry *x, int64_t *n, struct err *e)
{
    enum err_code code = sqlite_begin(&c->base, e);
    if (code)
        return code;
    c->erases = true;
    for (size_t i = 0; i < users->n && !code; i++)
        code = expire_user(c, users->at[i], x, n, e);
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
