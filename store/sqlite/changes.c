/* How one process learns what others wrote: data_version says, without reading the file, that something did
 * change; the log says what. */
#include "store/sqlite/private.h"

#include <string.h>

static enum err_code one_number(struct sqlite_conn *c, enum sqlite_statement which, const char *what,
                                int64_t *out, bool *null, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, which);
    int rc = sqlite3_step(s);
    *null = rc != SQLITE_ROW || sqlite3_column_type(s, 0) == SQLITE_NULL;
    *out = *null ? 0 : sqlite3_column_int64(s, 0);
    return sqlite_stepped(c, s, rc, what, e);
}

enum err_code sqlite_last_change(struct store_conn *conn, int64_t *change, struct err *e)
{
    bool null;
    return one_number((struct sqlite_conn *)conn, SQL_LAST_CHANGE, "read the log of changes", change, &null,
                      e);
}

/* The number of the last change is read when somebody wrote since the last look, and else as it was. */
enum err_code sqlite_has_changes(struct store_conn *conn, int64_t since, bool *has, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t version, last = c->last_change;
    bool null;
    enum err_code code = one_number(c, SQL_DATA_VERSION, "ask for changes", &version, &null, e);
    if (!code && version != c->data_version)
        code = sqlite_last_change(conn, &last, e);
    if (code)
        return code;
    c->data_version = version; /* of before the number was read: what came between is looked at again */
    c->last_change = last;
    *has = last > since;
    return ERR_OK;
}

/* What a row of the log says. A user's or task's row that is not there any more was deleted by a later
 * change. */
static struct store_change change_of(sqlite3_stmt *s, const char *kind, struct text id)
{
    struct store_change change = {.number = sqlite3_column_int64(s, 0),
                                  .kind = STORE_CHANGE_ALL,
                                  .id = id,
                                  .row_key = sqlite3_column_int64(s, 2)};
    if (strcmp(kind, "gone") == 0 || (strcmp(kind, "user") == 0 && !id.data))
        change.kind = STORE_CHANGE_GONE;
    else if (strcmp(kind, "task_gone") == 0 || (strcmp(kind, "task") == 0 && !id.data))
        change.kind = STORE_CHANGE_TASK_GONE;
    else if (strcmp(kind, "task") == 0)
        change.kind = STORE_CHANGE_TASK;
    else if (strcmp(kind, "user") == 0)
        change.kind = STORE_CHANGE_USER;
    else if (strcmp(kind, "item") == 0 && id.data)
        change.kind = STORE_CHANGE_ITEM;
    return change;
}

/* Whether changes after `since` were trimmed from the log. */
static enum err_code has_gap(struct sqlite_conn *c, int64_t since, int64_t last, bool *gap, struct err *e)
{
    int64_t first;
    bool empty;
    enum err_code code = one_number(c, SQL_FIRST_CHANGE, "read the log of changes", &first, &empty, e);
    *gap = !code && last > since && (empty || first > since + 1);
    return code;
}

static enum err_code read_log(struct sqlite_conn *c, int64_t since, store_change_fn *fn, void *arg,
                              struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_CHANGES_AFTER);
    sqlite3_bind_int64(s, 1, since);
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct text kind, id;
        code = sqlite_column_view(c, s, 1, true, &kind, e);
        if (!code)
            code = sqlite_column_view(c, s, 3, false, &id, e);
        if (code)
            break;
        struct store_change change = change_of(s, kind.data, id);
        if (change.kind == STORE_CHANGE_GONE || change.kind == STORE_CHANGE_TASK_GONE ||
            change.kind == STORE_CHANGE_ALL)
            atomic_store(&c->store->erased, true); /* whoever did it may not have emptied the log */
        wanted = fn(arg, &change);
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read the log of changes", e);
    return code ? code : ended;
}

/* In one snapshot: else another process could trim the log between the look for a gap and the reading. */
enum err_code sqlite_changes(struct store_conn *conn, int64_t since, store_change_fn *fn, void *arg,
                             struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t last;
    bool gap, own_snapshot = sqlite3_get_autocommit(c->db) != 0;
    enum err_code code = ERR_OK;
    if (own_snapshot)
        code = sqlite_run(c, sqlite_statement(c, SQL_BEGIN), "begin a read", e);
    if (code)
        return code;
    code = sqlite_last_change(conn, &last, e);
    if (!code)
        code = has_gap(c, since, last, &gap, e);
    if (!code && gap)
        (void)fn(arg, &(struct store_change){.number = last, .kind = STORE_CHANGE_ALL});
    else if (!code)
        code = read_log(c, since, fn, arg, e);
    if (own_snapshot)
        sqlite_end_quietly(c, SQL_COMMIT);
    return code;
}
