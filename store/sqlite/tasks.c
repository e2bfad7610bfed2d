/* Tasks. The rows of a task lie together (the primary key begins with the task) in the order in which they
 * came. How many there are stands with the task, so that one more is written without a look at the others. */
#include "store/sqlite/private.h"

#include "base/limits.h"

/* ---- reads ---- */

/* A read of several statements is of one moment: *own says that it is no part of another one. */
static enum err_code begin_read(struct sqlite_conn *c, bool *own, struct err *e)
{
    *own = sqlite3_get_autocommit(c->db) != 0;
    return *own ? sqlite_run(c, sqlite_statement(c, SQL_BEGIN), "begin a read", e) : ERR_OK;
}

static void end_read(struct sqlite_conn *c, bool own)
{
    if (own)
        sqlite_end_quietly(c, SQL_COMMIT);
}

static enum err_code no_task(struct text id, struct err *e)
{
    return err_set(e, ERR_NOTFOUND, "no task '%.*s'", (int)id.len, id.data);
}

enum err_code sqlite_task_key(struct sqlite_conn *c, struct text id, int64_t *key, struct err *e)
{
    enum err_code code = sqlite_find_task(c, id, key, e);
    return !code && *key == 0 ? no_task(id, e) : code;
}

static enum err_code read_row(struct sqlite_conn *c, struct text id, struct store_task *out, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_TASK_OF);
    sqlite_bind_text_view(s, 1, id);
    int rc = sqlite3_step(s);
    enum err_code code;
    if (rc == SQLITE_ROW) {
        out->key = sqlite3_column_int64(s, 0);
        out->revision = sqlite3_column_int64(s, 1);
        out->keeps_rows = sqlite3_column_int(s, 2) != 0;
        out->n_rows = sqlite3_column_int64(s, 3);
        sqlite_copy_column(s, 4, LIMIT_PROFILE_BYTES, &out->profile);
        code = buf_check(&out->profile, "a task's profile", e);
    } else {
        code = rc == SQLITE_DONE ? no_task(id, e) : sqlite_fail(c, rc, "read a task", e);
    }
    sqlite3_reset(s);
    return code;
}

/* Whether any model has a context of a task. */
static enum err_code has_context(struct sqlite_conn *c, struct text id, bool *has, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_HAS_TASK_CONTEXT);
    sqlite_bind_text_view(s, 1, id);
    int rc = sqlite3_step(s);
    *has = rc == SQLITE_ROW;
    return sqlite_stepped(c, s, rc, "look for a task's contexts", e);
}

enum err_code sqlite_read_task(struct store_conn *conn, struct text id, const struct store_context_key *key,
                               struct store_task *out, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    bool own;
    enum err_code code = begin_read(c, &own, e);
    if (code)
        return code;
    buf_reset(&out->context);
    out->context_revision = 0;
    out->context_given = out->has_others = false;
    code = read_row(c, id, out, e);
    if (!code && key)
        code = sqlite_context_of(c, id, key, &out->context, &out->context_revision, &out->context_given, e);
    if (!code && key && !out->keeps_rows && !out->context.len)
        code = has_context(c, id, &out->has_others, e);
    end_read(c, own);
    return code;
}

static enum err_code each_row_of(struct sqlite_conn *c, int64_t key, store_task_row_fn *fn, void *arg,
                                 struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_TASK_ROWS_OF);
    sqlite3_bind_int64(s, 1, key);
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct text row;
        code = sqlite_column_view(c, s, 1, true, &row, e);
        wanted = !code && fn(arg, sqlite3_column_int64(s, 0), row);
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read a task's rows", e);
    return code ? code : ended;
}

enum err_code sqlite_each_task_row(struct store_conn *conn, struct text id, store_task_row_fn *fn, void *arg,
                                   struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t key;
    bool own;
    enum err_code code = begin_read(c, &own, e);
    if (code)
        return code;
    code = sqlite_task_key(c, id, &key, e);
    if (!code)
        code = each_row_of(c, key, fn, arg, e);
    end_read(c, own);
    return code;
}

enum err_code sqlite_each_task_context(struct store_conn *conn, struct text id, store_task_context_fn *fn,
                                       void *arg, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_CONTEXTS_OF_TASK);
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    sqlite_bind_text_view(s, 1, id);
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct text model, version; /* which SQLite ends with a zero byte */
        code = sqlite_column_view(c, s, 0, true, &model, e);
        if (!code)
            code = sqlite_column_view(c, s, 1, true, &version, e);
        const struct store_context_key key = {model.data, version.data, "task"};
        const struct text bytes = {sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2)};
        if (!code && !bytes.data && bytes.len)
            code = sqlite_fail(c, SQLITE_NOMEM, "read a context", e);
        wanted = !code && fn(arg, &key, bytes);
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read a task's contexts", e);
    return code ? code : ended;
}

enum err_code sqlite_each_task(struct store_conn *conn, store_task_fn *fn, void *arg, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_EACH_TASK);
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct text id, profile;
        code = sqlite_column_view(c, s, 1, true, &id, e);
        if (!code)
            code = sqlite_column_view(c, s, 3, false, &profile, e);
        wanted = !code && fn(arg, sqlite3_column_int64(s, 0), id, profile, sqlite3_column_int64(s, 2));
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read the tasks", e);
    return code ? code : ended;
}

/* ---- writes ---- */

static enum err_code write_task(struct sqlite_conn *c, int64_t key, struct text id, struct text profile,
                                bool keeps_rows, int64_t change, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, key ? SQL_UPDATE_TASK : SQL_INSERT_TASK);
    if (key)
        sqlite3_bind_int64(s, 1, key);
    else
        sqlite_bind_text_view(s, 1, id);
    sqlite_bind_text_view(s, 2, profile);
    sqlite3_bind_int(s, 3, keeps_rows);
    sqlite3_bind_int64(s, 4, change);
    return sqlite_run(c, s, "write a task", e);
}

enum err_code sqlite_put_task(struct store_conn *conn, struct text id, struct text profile, bool keeps_rows,
                              int64_t *revision, bool *created, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t key, change;
    enum err_code code = sqlite_find_task(c, id, &key, e);
    if (!code)
        code = sqlite_new_change(c, "task", key, &change, e);
    if (!code)
        code = write_task(c, key, id, profile, keeps_rows, change, e);
    if (!code && !key) {
        c->task.key = sqlite3_last_insert_rowid(c->db); /* the look-up left the id there */
        code = sqlite_change_of(c, change, c->task.key, e);
    }
    if (code)
        return code;
    c->erases |= key != 0;
    *revision = change;
    *created = key == 0;
    return ERR_OK;
}

enum err_code sqlite_touch_task(struct store_conn *conn, struct text id, int64_t *revision, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t key, change;
    enum err_code code = sqlite_task_key(c, id, &key, e);
    if (!code)
        code = sqlite_new_change(c, "task", key, &change, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_TOUCH_TASK);
    sqlite3_bind_int64(s, 1, key);
    sqlite3_bind_int64(s, 2, change);
    code = sqlite_run(c, s, "write a task", e);
    if (!code)
        *revision = change;
    return code;
}

/* Runs a statement whose one parameter is a task's key. */
static enum err_code run_with_key(struct sqlite_conn *c, enum sqlite_statement which, int64_t key,
                                  const char *what, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, which);
    sqlite3_bind_int64(s, 1, key);
    return sqlite_run(c, s, what, e);
}

enum err_code sqlite_add_task_row(struct store_conn *conn, struct text id, struct text row, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t key;
    enum err_code code = sqlite_check_writing(c, e);
    if (!code)
        code = sqlite_task_key(c, id, &key, e);
    if (!code)
        code = run_with_key(c, SQL_COUNT_TASK_ROW, key, "write a task", e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_ADD_TASK_ROW);
    sqlite3_bind_int64(s, 1, key);
    sqlite_bind_text_view(s, 2, row);
    return sqlite_run(c, s, "write a task's row", e);
}

static enum err_code clear_contexts(struct sqlite_conn *c, struct text id, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_CLEAR_TASK_CONTEXTS);
    sqlite_bind_text_view(s, 1, id);
    return sqlite_run(c, s, "drop a task's contexts", e);
}

enum err_code sqlite_clear_task(struct store_conn *conn, struct text id, enum store_clear what, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t key;
    enum err_code code = sqlite_check_writing(c, e);
    if (!code)
        code = sqlite_task_key(c, id, &key, e);
    c->erases = true;
    if (!code && what & STORE_CLEAR_INTERACTIONS)
        code = run_with_key(c, SQL_CLEAR_TASK_ROWS, key, "drop a task's rows", e);
    if (!code && what & STORE_CLEAR_INTERACTIONS)
        code = run_with_key(c, SQL_COUNT_NO_TASK_ROWS, key, "write a task", e);
    return code || !(what & STORE_CLEAR_CONTEXTS) ? code : clear_contexts(c, id, e);
}

enum err_code sqlite_delete_task(struct store_conn *conn, struct text id, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t key, change;
    enum err_code code = sqlite_task_key(c, id, &key, e);
    if (!code)
        code = sqlite_new_change(c, "task_gone", key, &change, e);
    c->task.key = 0;
    c->erases = true;
    if (!code)
        code = clear_contexts(c, id, e);
    if (!code)
        code = run_with_key(c, SQL_CLEAR_TASK_ROWS, key, "drop a task's rows", e);
    return code ? code : run_with_key(c, SQL_DELETE_TASK, key, "delete a task", e);
}
