/* Writes. Each change of what answers depend on takes the next number of the log of changes in the same
 * transaction; the number is the row's new revision. */
#include "store/sqlite/private.h"

#include "base/limits.h"

#include <string.h>

static struct sqlite_conn *conn_of(struct store_conn *c)
{
    return (struct sqlite_conn *)c;
}

enum err_code sqlite_begin(struct store_conn *conn, struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    if (c->store->read_only)
        return err_set(e, ERR_INTERNAL, "a write to a store that is opened for reading");
    enum err_code code = sqlite_check_place(c->store, e);
    if (code)
        return code;
    if (c->stuck)
        sqlite_rollback(conn);
    code = sqlite_run(c, sqlite_statement(c, SQL_BEGIN_WRITE), "begin a write", e);
    if (code)
        return code;
    c->writing = true;
    c->erases = false;
    c->history.user = c->user.key = c->item.key = c->task.key = 0;
    return ERR_OK;
}

enum err_code sqlite_check_writing(struct sqlite_conn *c, struct err *e)
{
    if (!c->writing)
        return err_set(e, ERR_INTERNAL, "a write outside of store_begin and store_commit");
    if (sqlite3_get_autocommit(c->db))
        return err_set(e, ERR_INTERNAL, "a write after the transaction was given up by an earlier failure");
    return ERR_OK;
}

/* A commit whose sync failed is undone for every process, but its pages lie in the log, where a crash before
 * the next commit would find them whole. Emptying the log takes them away; when a reader or the disk forbids
 * it, the next commit writes over them. */
static void undo(struct sqlite_conn *c)
{
    sqlite_rollback(&c->base);
    if (sqlite_empty_log(c, 0) != SQLITE_OK)
        atomic_store(&c->store->erased, true); /* as if it were something to be forgotten */
}

enum err_code sqlite_commit(struct store_conn *conn, struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    enum err_code code = sqlite_check_writing(c, e);
    if (code) {
        sqlite_rollback(conn);
        return code;
    }
    code = sqlite_run(c, sqlite_statement(c, SQL_COMMIT), "commit", e);
    if (code)
        undo(c);
    else if (c->erases)
        atomic_store(&c->store->erased, true);
    c->writing = false;
    return code ? code
                : sqlite_check_place(c->store, e); /* what nobody will find again is not acknowledged */
}

void sqlite_rollback(struct store_conn *conn)
{
    struct sqlite_conn *c = conn_of(conn);
    if (c->db && !sqlite3_get_autocommit(c->db))
        sqlite_end_quietly(c, SQL_ROLLBACK);
    if (c->db && !sqlite3_get_autocommit(c->db))
        (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    c->stuck = c->db && !sqlite3_get_autocommit(c->db);
    c->writing = false;
}

enum err_code sqlite_new_change(struct sqlite_conn *c, const char *kind, int64_t row_key, int64_t *change,
                                struct err *e)
{
    enum err_code code = sqlite_check_writing(c, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_NEW_CHANGE);
    sqlite3_bind_text(s, 1, kind, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, row_key);
    code = sqlite_run(c, s, "record a change", e);
    if (code)
        return code;
    *change = sqlite3_last_insert_rowid(c->db);
    if (*change % SQLITE_TRIM_EVERY)
        return ERR_OK;
    s = sqlite_statement(c, SQL_TRIM_CHANGES);
    sqlite3_bind_int64(s, 1, *change - LIMIT_CHANGE_LOG);
    return sqlite_run(c, s, "trim the log of changes", e);
}

enum err_code sqlite_change_of(struct sqlite_conn *c, int64_t change, int64_t row_key, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_CHANGE_OF);
    sqlite3_bind_int64(s, 1, change);
    sqlite3_bind_int64(s, 2, row_key);
    return sqlite_run(c, s, "record a change", e);
}

enum err_code sqlite_write_user(struct sqlite_conn *c, struct text id, int64_t key, struct text profile,
                                int64_t revision, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, key ? SQL_UPDATE_USER : SQL_INSERT_USER);
    if (key)
        sqlite3_bind_int64(s, 1, key);
    else
        sqlite_bind_text_view(s, 1, id);
    sqlite_bind_text_view(s, 2, profile);
    sqlite3_bind_int64(s, 3, revision);
    return sqlite_run(c, s, "write a user", e);
}

enum err_code sqlite_put_user(struct store_conn *conn, struct text id, struct text profile, int64_t *revision,
                              bool *created, struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    int64_t key, change;
    enum err_code code = sqlite_find_user(c, id, &key, e);
    if (!code)
        code = sqlite_new_change(c, "user", key, &change, e);
    if (code)
        return code;
    int64_t row = key ? key : c->user.hidden; /* that a load writes: from here on it is ours */
    code = sqlite_write_user(c, id, row, profile, change, e);
    if (!code && !key) {
        c->user.key = row ? row : sqlite3_last_insert_rowid(c->db); /* the look-up left the id there */
        code = sqlite_change_of(c, change, c->user.key, e);
    }
    if (code)
        return code;
    c->erases |= key != 0;
    *revision = change;
    *created = key == 0;
    return ERR_OK;
}

enum err_code sqlite_run_with_key(struct sqlite_conn *c, enum sqlite_statement which, int64_t key,
                                  const char *what, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, which);
    sqlite3_bind_int64(s, 1, key);
    return sqlite_run(c, s, what, e);
}

static enum err_code clear_contexts(struct sqlite_conn *c, struct text id, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_CLEAR_CONTEXTS);
    sqlite_bind_text_view(s, 1, id);
    return sqlite_run(c, s, "drop a user's contexts", e);
}

static enum err_code clear_interactions(struct sqlite_conn *c, int64_t key, struct err *e)
{
    enum err_code code = sqlite_run_with_key(c, SQL_CLEAR_INTERACTIONS, key, "drop a user's interactions", e);
    return code ? code : sqlite_run_with_key(c, SQL_CLEAR_EVENT_IDS, key, "drop a user's interactions", e);
}

enum err_code sqlite_clear_user(struct store_conn *conn, struct text id, enum store_clear what, struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    int64_t key;
    enum err_code code = sqlite_check_writing(c, e);
    if (!code)
        code = sqlite_user_key(c, id, &key, e);
    c->history.user = 0;
    c->erases = true;
    if (!code && what & STORE_CLEAR_INTERACTIONS)
        code = clear_interactions(c, key, e);
    return code || !(what & STORE_CLEAR_CONTEXTS) ? code : clear_contexts(c, id, e);
}

static enum err_code touch_user(struct sqlite_conn *c, int64_t key, int64_t *revision, struct err *e)
{
    int64_t change;
    enum err_code code = sqlite_new_change(c, "user", key, &change, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_TOUCH_USER);
    sqlite3_bind_int64(s, 1, key);
    sqlite3_bind_int64(s, 2, change);
    code = sqlite_run(c, s, "write a user", e);
    if (!code)
        *revision = change;
    return code;
}

enum err_code sqlite_touch_user(struct store_conn *conn, struct text id, int64_t *revision, struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    int64_t key;
    enum err_code code = sqlite_user_key(c, id, &key, e);
    return code ? code : touch_user(c, key, revision, e);
}

enum err_code sqlite_touch_user_read(struct store_conn *conn, struct text id,
                                     const struct store_history *history, int64_t *revision, struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    int64_t key, was;
    enum err_code code = sqlite_find_revision(c, id, &key, &was, e);
    if (!code)
        code = touch_user(c, key, revision, e);
    if (!code && was == history->revision)
        c->history = (struct sqlite_history){key, history->n, history->newest, history->next};
    return code;
}

enum err_code sqlite_delete_user(struct store_conn *conn, struct text id, struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    int64_t key, change;
    enum err_code code = sqlite_user_key(c, id, &key, e);
    if (!code)
        code = sqlite_new_change(c, "gone", key, &change, e);
    c->user.key = c->history.user = 0;
    c->erases = true;
    if (!code)
        code = clear_contexts(c, id, e);
    if (!code)
        code = clear_interactions(c, key, e);
    return code ? code : sqlite_run_with_key(c, SQL_DELETE_USER, key, "delete a user", e);
}
