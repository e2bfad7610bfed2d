/* Items that are followed from now on: their interactions come into the index of takers.
 *
 * To find these all interactions are read, and there may be many: so it is done beside others who write. What is found is marked in short
 * transactions, the items themselves in the last one, together with what users who changed meanwhile have of them. A mark of an item that is
 * not followed yet harms nothing. Should a load put another table in the place of the interactions meanwhile, marks may be lost, and it is
 * all done again. */
#include "store/sqlite/private.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_FOUND = 8192, /* interactions a transaction: some 50 ms */
    PAUSE_MS = 8,     /* between two: longer than who waits for the lock sleeps */
    LOCK_MS = 200, /* a transaction waits so long for others; what is marked stays, and is not found again */
    TRIES = 3      /* beside loads; then all in one transaction */
};

struct found {
    int64_t user, item;
};

struct following {
    struct sqlite_conn *c;
    int64_t *keys; /* (n_keys) rising */
    size_t n_keys;
    struct found *found; /* (MAX_FOUND) to be marked */
    size_t n_found;
    int64_t from;           /* users below it are done */
    bool read;              /* all of them */
    int64_t change, schema; /* when it was begun */
};

static int by_key(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Interactions of the items that are not marked, of a statement of (user_key, item_key); f->read: that was all. */
static enum err_code find(struct following *f, enum sqlite_statement which, int64_t from, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(f->c, which);
    sqlite3_bind_int64(s, 1, from);
    int rc;
    f->n_found = 0;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && f->n_found < MAX_FOUND) {
        int64_t item = sqlite3_column_int64(s, 1);
        f->from = sqlite3_column_int64(s, 0);
        if (bsearch(&item, f->keys, f->n_keys, sizeof item, by_key))
            f->found[f->n_found++] = (struct found){f->from, item};
    }
    f->read = rc == SQLITE_DONE;
    enum err_code code =
        f->read || rc == SQLITE_ROW ? ERR_OK : sqlite_fail(f->c, rc, "read the interactions", e);
    sqlite3_reset(s);
    return code;
}

/* Marks what was found. */
static enum err_code mark(struct following *f, struct err *e)
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

/* All but the last that were found, in short transactions. */
static enum err_code mark_beside(struct following *f, struct err *e)
{
    f->from = INT64_MIN;
    enum err_code code = find(f, SQL_UNMARKED_FROM, f->from, e);
    while (!code && !f->read) {
        code = sqlite_begin(&f->c->base, e);
        if (code)
            break;
        code = mark(f, e);
        if (code)
            sqlite_rollback(&f->c->base);
        else
            code = sqlite_commit(&f->c->base, e);
        (void)sqlite3_sleep(PAUSE_MS);
        if (!code)
            code = find(f, SQL_UNMARKED_FROM, f->from, e);
    }
    return code;
}

/* What is yet to be marked of users from a statement. */
static enum err_code mark_all(struct following *f, enum sqlite_statement which, int64_t from, struct err *e)
{
    enum err_code code = ERR_OK;
    f->read = false;
    while (!code && !f->read) {
        code = find(f, which, from, e);
        if (!code)
            code = mark(f, e);
    }
    return code;
}

static enum err_code number(struct following *f, enum sqlite_statement which, int64_t *out, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(f->c, which);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return rc == SQLITE_ROW ? ERR_OK : sqlite_fail(f->c, rc, "follow an item", e);
}

static enum err_code start(struct following *f, struct err *e)
{
    enum err_code code = sqlite_last_change(&f->c->base, &f->change, e);
    return code ? code : number(f, SQL_SCHEMA_VERSION, &f->schema, e);
}

/* In the last transaction. *again: marks may have been lost. */
static enum err_code finish(struct following *f, bool last, bool *again, struct err *e)
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

static enum err_code follow(struct following *f, bool last, bool *again, struct err *e)
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
static enum err_code unfollowed(struct following *f, const int64_t *keys, size_t n, struct err *e)
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

/* Whoever asks waits for no writer: to read all interactions and then find the lock taken would be in vain. */
static enum err_code check_lock(struct sqlite_conn *c, struct err *e)
{
    sqlite_wait(c, 0);
    enum err_code code = sqlite_begin(&c->base, e);
    if (!code)
        sqlite_rollback(&c->base);
    return code;
}

enum err_code sqlite_follow_items(struct store_conn *conn, const int64_t *keys, size_t n, struct err *e)
{
    struct following f = {.c = (struct sqlite_conn *)conn};
    if (n == 0)
        return ERR_OK;
    f.keys = mem_alloc_array(n, sizeof *f.keys);
    f.found = mem_alloc_array(MAX_FOUND, sizeof *f.found);
    enum err_code code = f.keys && f.found ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %zu new items", n);
    if (!code)
        code = unfollowed(&f, keys, n, e);
    bool again = f.n_keys > 0;
    if (again && !code)
        code = check_lock(f.c, e);
    sqlite_wait(f.c, LOCK_MS);
    for (int i = 1; again && !code; i++)
        code = follow(&f, i == TRIES, &again, e);
    sqlite_wait(f.c, SQLITE_BUSY_MS);
    mem_free(f.keys);
    mem_free(f.found);
    return code;
}
