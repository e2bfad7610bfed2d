/* Items that are followed from now on: their interactions come into the index of takers.
 *
 * To find these all interactions are read, and there may be many: so it is done beside others who write. What
 * is found is marked in short transactions, the items themselves in the last one, together with what users
 * who changed meanwhile have of them. A mark of an item that is not followed yet harms nothing. Should a load
 * put another table in the place of the interactions meanwhile, marks may be lost, and it is all done again.
 *
 * A call works for SQLITE_FOLLOW_MS only, since its thread has other things to do, such as to end. How far it
 * came stays with the connection, and the next call goes on there, whatever items it asks for, and turns to
 * these when that is done. Were all begun anew with each item that comes, nothing would ever be done where
 * items come faster than all interactions are read. */
#include "store/sqlite/private.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_FOUND = 8192, /* interactions a transaction: some 50 ms */
    LOOK_ROWS = 8192, /* read between two looks at the clock: some milliseconds */
    PAUSE_MS = 8,     /* between two transactions: longer than who waits for the lock sleeps */
    LOCK_MS = 200, /* a transaction waits so long for others; what is marked stays, and is not found again */
    TRIES = 3      /* beside loads; then all in one transaction */
};

struct found {
    int64_t user, item;
};

struct sqlite_following {
    struct sqlite_conn *c;
    int64_t until_ns; /* of this call */
    int64_t *keys;    /* (n_keys) rising */
    size_t n_keys;
    struct found *found; /* (MAX_FOUND) to be marked */
    size_t n_found;
    int64_t from, next;     /* users below `from` are done, below `next` when what was found is marked */
    bool read;              /* all of them */
    int64_t change, schema; /* when it was begun */
};

static int by_key(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool is_late(const struct sqlite_following *f)
{
    return clock_monotonic_ns() >= f->until_ns;
}

/* Interactions of the items that are not marked, of a statement of (user_key, item_key); f->read: that was
 * all. A statement in the order of users stops before the next user once the call's time is up (`timed`). */
static enum err_code find(struct sqlite_following *f, enum sqlite_statement which, int64_t from, bool timed,
                          struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(f->c, which);
    sqlite3_bind_int64(s, 1, from);
    int rc;
    size_t n_rows = 0;
    bool late = false;
    f->n_found = 0;
    f->next = from;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && f->n_found < MAX_FOUND) {
        int64_t user = sqlite3_column_int64(s, 0), item = sqlite3_column_int64(s, 1);
        late = late || (timed && ++n_rows % LOOK_ROWS == 0 && is_late(f));
        if (late && user != f->next) {
            f->next = user;
            break;
        }
        f->next = user;
        if (bsearch(&item, f->keys, f->n_keys, sizeof item, by_key))
            f->found[f->n_found++] = (struct found){user, item};
    }
    f->read = rc == SQLITE_DONE;
    enum err_code code =
        f->read || rc == SQLITE_ROW ? ERR_OK : sqlite_fail(f->c, rc, "read the interactions", e);
    sqlite3_reset(s);
    return code;
}

/* Marks what was found. */
static enum err_code mark(struct sqlite_following *f, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < f->n_found && !code; i++) {
        sqlite3_stmt *s = sqlite_statement(f->c, SQL_FOLLOW_INTERACTION);
        sqlite3_bind_int64(s, 1, f->found[i].user);
        sqlite3_bind_int64(s, 2, f->found[i].item);
        code = sqlite_run(f->c, s, "follow an item", e);
    }
    f->n_found = 0;
    return code;
}

/* What was found, in a transaction of its own, and a pause for others. */
static enum err_code mark_found(struct sqlite_following *f, struct err *e)
{
    if (f->n_found == 0)
        return ERR_OK;
    enum err_code code = sqlite_begin(&f->c->base, e);
    if (code)
        return code;
    code = mark(f, e);
    if (code)
        sqlite_rollback(&f->c->base);
    else
        code = sqlite_commit(&f->c->base, e);
    (void)sqlite3_sleep(PAUSE_MS);
    return code;
}

/* All but the last that were found, in short transactions. ERR_BUSY: the time is up. */
static enum err_code mark_beside(struct sqlite_following *f, struct err *e)
{
    enum err_code code = find(f, SQL_UNMARKED_FROM, f->from, true, e);
    while (!code && !f->read) {
        code = mark_found(f, e);
        if (!code)
            f->from = f->next;
        if (!code && is_late(f))
            code = err_set(e, ERR_BUSY, "there are more interactions of new items to be marked");
        if (!code)
            code = find(f, SQL_UNMARKED_FROM, f->from, true, e);
    }
    return code;
}

/* What is yet to be marked of users from a statement. */
static enum err_code mark_all(struct sqlite_following *f, enum sqlite_statement which, int64_t from,
                              struct err *e)
{
    enum err_code code = ERR_OK;
    f->read = false;
    while (!code && !f->read) {
        code = find(f, which, from, false, e);
        if (!code)
            code = mark(f, e);
    }
    return code;
}

static enum err_code number(struct sqlite_following *f, enum sqlite_statement which, int64_t *out,
                            struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(f->c, which);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return rc == SQLITE_ROW ? ERR_OK : sqlite_fail(f->c, rc, "follow an item", e);
}

/* Begins, or goes on where a call before came to, unless the interactions are in another table by now. */
static enum err_code start(struct sqlite_following *f, struct err *e)
{
    int64_t schema = -1;
    enum err_code code = number(f, SQL_SCHEMA_VERSION, &schema, e);
    if (code || schema == f->schema)
        return code;
    f->from = INT64_MIN;
    code = sqlite_last_change(&f->c->base, &f->change, e);
    if (!code)
        f->schema = schema;
    return code;
}

/* In the last transaction. *again: marks may have been lost. */
static enum err_code finish(struct sqlite_following *f, bool last, bool *again, struct err *e)
{
    int64_t schema = 0;
    enum err_code code = number(f, SQL_SCHEMA_VERSION, &schema, e);
    if (code)
        return code;
    bool lost = schema != f->schema;
    *again = lost && !last;
    if (*again)
        return ERR_OK;
    if (lost)
        code = mark_all(f, SQL_UNMARKED_FROM, INT64_MIN, e);
    if (!code)
        code = mark(f, e);
    if (!code)
        code = mark_all(f, SQL_UNMARKED_CHANGED, f->change, e);
    for (size_t i = 0; i < f->n_keys && !code; i++) {
        sqlite3_stmt *s = sqlite_statement(f->c, SQL_FOLLOW_ITEM);
        sqlite3_bind_int64(s, 1, f->keys[i]);
        code = sqlite_run(f->c, s, "follow an item", e);
    }
    return code;
}

static enum err_code follow(struct sqlite_following *f, bool last, bool *again, struct err *e)
{
    *again = false;
    enum err_code code = start(f, e);
    if (!code)
        code = mark_beside(f, e);
    if (!code)
        code = sqlite_begin(&f->c->base, e);
    if (code)
        return code;
    code = finish(f, last, again, e);
    if (!code)
        return sqlite_commit(&f->c->base, e);
    sqlite_rollback(&f->c->base);
    return code;
}

/* The keys that are not followed yet, rising. */
static enum err_code unfollowed(struct sqlite_following *f, const int64_t *keys, size_t n, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++) {
        bool is = false;
        code = sqlite_is_unfollowed(f->c, keys[i], &is, e);
        if (!code && is)
            f->keys[f->n_keys++] = keys[i];
    }
    if (f->n_keys > 1)
        qsort(f->keys, f->n_keys, sizeof *f->keys, by_key);
    return code;
}

/* Whoever asks waits for no writer: to read all interactions and then find the lock taken would be in
 * vain. */
static enum err_code check_lock(struct sqlite_conn *c, struct err *e)
{
    sqlite_wait(c, 0);
    enum err_code code = sqlite_begin(&c->base, e);
    if (!code)
        sqlite_rollback(&c->base);
    return code;
}

void sqlite_following_free(struct sqlite_following *f)
{
    if (!f)
        return;
    mem_free(f->keys);
    mem_free(f->found);
    mem_free(f);
}

/* What is yet to be done of these items; NULL: nothing. */
static enum err_code new_following(struct sqlite_conn *c, const int64_t *keys, size_t n,
                                   struct sqlite_following **out, struct err *e)
{
    struct sqlite_following *f = mem_zalloc_array(1, sizeof *f);
    enum err_code code = ERR_OK;
    *out = NULL;
    if (f) {
        f->c = c;
        f->schema = -1; /* of no table: nothing was begun */
        f->keys = mem_alloc_array(n, sizeof *f->keys);
        f->found = mem_alloc_array(MAX_FOUND, sizeof *f->found);
    }
    if (!f || !f->keys || !f->found)
        code = err_set(e, ERR_NOMEM, "no memory for %zu new items", n);
    if (!code)
        code = unfollowed(f, keys, n, e);
    if (!code && f->n_keys)
        *out = f;
    else
        sqlite_following_free(f);
    return code;
}

/* To its end, or ERR_BUSY. */
static enum err_code work(struct sqlite_following *f, int64_t until_ns, struct err *e)
{
    bool again = true;
    f->until_ns = until_ns;
    enum err_code code = check_lock(f->c, e);
    sqlite_wait(f->c, LOCK_MS);
    for (int i = 1; again && !code; i++)
        code = follow(f, i == TRIES, &again, e);
    sqlite_wait(f->c, SQLITE_BUSY_MS);
    return code;
}

enum err_code sqlite_follow_items(struct store_conn *conn, const int64_t *keys, size_t n, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    struct sqlite_following *f = c->following;
    int64_t until_ns = clock_monotonic_ns() + (int64_t)c->follow_ms * 1000000;
    enum err_code code = ERR_OK;
    if (n == 0)
        return ERR_OK;
    c->following = NULL;
    while (!code) {
        if (!f)
            code = new_following(c, keys, n, &f, e);
        if (code || !f)
            break;
        code = work(f, until_ns, e);
        if (code == ERR_BUSY)
            c->following = f;
        else
            sqlite_following_free(f);
        f = NULL;
    }
    return code;
}
