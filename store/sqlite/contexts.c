/* Contexts of users and tasks. One that an encoder made also says which items its user had
 * (schema/sqlite/0004_taken.sql): the revision these are of and their keys, so that a list which a program of
 * before left behind is told apart. */
#include "store/sqlite/private.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* What a list begins with. */
typedef int64_t taken_revision;

/* A longer history has no list: every event would write all of it anew, and its items are read one by one. */
enum { MAX_TAKEN = 4096 };
#define MAX_TAKEN_BYTES (sizeof(taken_revision) + MAX_TAKEN * sizeof(uint32_t))

static int by_key(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Puts the keys behind the first bytes in their order, each once. */
static void sort_keys(struct buf *b, size_t from)
{
    uint32_t *keys = (uint32_t *)(void *)(b->data + from);
    size_t n = (b->len - from) / sizeof *keys, kept = 0;
    if (n)
        qsort(keys, n, sizeof *keys, by_key);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || keys[i] != keys[kept - 1])
            keys[kept++] = keys[i];
    b->len = from + kept * sizeof *keys;
}

/* Fills c->taken; false: there will be no list. */
static bool pack(struct sqlite_conn *c, const struct store_context *context)
{
    size_t n = context->n_interactions;
    c->taken.max_bytes = MAX_TAKEN_BYTES;
    buf_reset(&c->taken);
    if (!context->lists || n > MAX_TAKEN)
        return false;
    taken_revision revision = context->revision;
    buf_add(&c->taken, &revision, sizeof revision);
    for (size_t i = 0; i < n; i++) {
        int64_t key = context->interactions[i].item_key;
        if (context->interactions[i].unseen)
            continue;
        uint32_t packed = (uint32_t)key;
        if (key != (int64_t)packed)
            return false;
        buf_add(&c->taken, &packed, sizeof packed);
    }
    if (c->taken.failed)
        return false;
    sort_keys(&c->taken, sizeof revision);
    return true;
}

/* Whether a context that an encoder made is of a revision that has passed. */
static enum err_code is_stale(struct sqlite_conn *c, int64_t user_key, int64_t revision, bool *stale,
                              struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_REVISION_OF);
    sqlite3_bind_int64(s, 1, user_key);
    int rc = sqlite3_step(s);
    *stale = rc == SQLITE_ROW && sqlite3_column_int64(s, 0) != revision;
    return sqlite_stepped(c, s, rc, "read a user", e);
}

static enum err_code trim_task(struct sqlite_conn *c, struct text id, const char *model, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_TRIM_TASK);
    sqlite_bind_text_view(s, 1, id);
    sqlite3_bind_text(s, 2, model, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 3, STORE_TASK_VERSIONS);
    return sqlite_run(c, s, "drop a task's contexts of old versions", e);
}

enum err_code sqlite_put_context(struct store_conn *conn, const struct store_context_key *key, struct text id,
                                 const struct store_context *context, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int64_t user_key = 0, task_key;
    bool stale = false;
    enum err_code code = sqlite_check_writing(c, e);
    if (!code && strcmp(key->kind, "user") == 0)
        code = sqlite_user_key(c, id, &user_key, e);
    else if (!code)
        code = sqlite_task_key(c, id, &task_key, e);
    if (!code && user_key && context->is_of_now)
        code = is_stale(c, user_key, context->revision, &stale, e);
    if (code || stale)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_PUT_CONTEXT);
    sqlite_bind_text_view(s, 1, id);
    sqlite3_bind_text(s, 2, key->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, key->model, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, key->model_version, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 5, context->revision);
    sqlite3_bind_int(s, 6, context->given);
    sqlite3_bind_blob64(s, 7, context->embedding, context->n_bytes, SQLITE_STATIC);
    if (pack(c, context))
        sqlite3_bind_blob64(s, 8, c->taken.data, c->taken.len, SQLITE_STATIC);
    code = sqlite_run(c, s, "write a context", e);
    return code || user_key ? code : trim_task(c, id, key->model, e);
}

enum err_code sqlite_note_unfinished(struct store_conn *conn, int64_t first, int64_t last, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    enum err_code code = sqlite_check_writing(c, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_NOTE_UNFINISHED);
    sqlite3_bind_int64(s, 1, first);
    sqlite3_bind_int64(s, 2, last);
    return sqlite_run(c, s, "leave word of contexts to be made", e);
}

enum err_code sqlite_end_unfinished(struct store_conn *conn, int64_t first, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    enum err_code code = sqlite_check_writing(c, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_END_UNFINISHED);
    sqlite3_bind_int64(s, 1, first);
    return sqlite_run(c, s, "take back the word of contexts to be made", e);
}

enum err_code sqlite_each_unfinished(struct store_conn *conn, store_unfinished_fn *fn, void *arg,
                                     struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_EACH_UNFINISHED);
    bool wanted = true;
    int rc = SQLITE_DONE;
    while (wanted && (rc = sqlite3_step(s)) == SQLITE_ROW)
        wanted = fn(arg, sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1));
    return sqlite_stepped(c, s, rc, "read which contexts are to be made", e);
}

enum err_code sqlite_drop_contexts(struct store_conn *conn, const struct store_context_key *key,
                                   struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    enum err_code code = sqlite_check_writing(c, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_DROP_CONTEXTS);
    sqlite3_bind_text(s, 1, key->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, key->model, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, key->model_version, -1, SQLITE_STATIC);
    return sqlite_run(c, s, "drop a model's contexts", e);
}

/* A batch is short, and between two of them others may write. */
enum err_code sqlite_trim_version(struct store_conn *conn, const struct store_context_key *key, int64_t *n,
                                  struct err *e)
{
    enum { ROWS = 1000, PAUSE_MS = 10 };
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    enum err_code code = ERR_OK;
    *n = 0;
    for (int deleted = ROWS; !code && deleted == ROWS;) {
        code = sqlite_begin(conn, e);
        if (code)
            break;
        sqlite3_stmt *s = sqlite_statement(c, SQL_TRIM_VERSION);
        sqlite3_bind_text(s, 1, key->model, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 2, key->model_version, -1, SQLITE_STATIC);
        sqlite3_bind_int(s, 3, ROWS);
        code = sqlite_run(c, s, "drop contexts of an old version", e);
        deleted = code ? 0 : sqlite3_changes(c->db);
        if (code)
            sqlite_rollback(conn);
        else
            code = sqlite_commit(conn, e);
        *n += code ? 0 : deleted;
        if (!code && deleted == ROWS)
            (void)sqlite3_sleep(PAUSE_MS);
    }
    return code;
}

/* ---- reading ---- */

enum err_code sqlite_each_version(struct store_conn *conn, store_version_fn *fn, void *arg, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_EACH_VERSION);
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct store_version version = {.n_contexts = sqlite3_column_int64(s, 2),
                                        .n_given = sqlite3_column_int64(s, 3),
                                        .n_bytes = sqlite3_column_int64(s, 4)};
        code = sqlite_column_view(c, s, 0, true, &version.model, e);
        if (!code)
            code = sqlite_column_view(c, s, 1, true, &version.version, e);
        wanted = !code && fn(arg, &version);
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read the versions of contexts", e);
    return code ? code : ended;
}

/* The list in a column as out->items; false: none, or not of this revision. */
static bool unpack(sqlite3_stmt *s, int column, int64_t revision, struct store_user_context *out)
{
    const char *bytes = sqlite3_column_blob(s, column);
    size_t n_bytes = (size_t)sqlite3_column_bytes(s, column), n = n_bytes / sizeof(uint32_t);
    taken_revision of = 0;
    if (!bytes || n_bytes < sizeof of || n_bytes > MAX_TAKEN_BYTES || n_bytes % sizeof(uint32_t) != 0)
        return false;
    memcpy(&of, bytes, sizeof of);
    if (of != revision)
        return false;
    n -= sizeof of / sizeof(uint32_t);
    if (n > out->capacity) {
        uint32_t *grown = mem_realloc_array(out->items, n, sizeof *grown);
        if (!grown)
            return false;
        out->items = grown;
        out->capacity = n;
    }
    if (n)
        memcpy(out->items, bytes + sizeof of, n * sizeof *out->items);
    out->n_items = n;
    return true;
}

/* Fills out from the row of USER_AND_CONTEXT; false: an encoder made none of the user as it is now, or there
 * is no list. */
static bool take_context(sqlite3_stmt *s, struct store_user_context *out)
{
    bool given = sqlite3_column_int(s, 3) != 0;
    out->key = sqlite3_column_int64(s, 5);
    out->revision = sqlite3_column_int64(s, 0);
    if (given || sqlite3_column_int64(s, 1) != out->revision || !unpack(s, 4, out->revision, out))
        return false;
    sqlite_copy_column(s, 2, LIMIT_CONTEXT_BYTES, &out->embedding);
    return out->embedding.len > 0 && !out->embedding.failed;
}

enum err_code sqlite_read_context(struct store_conn *conn, struct text id,
                                  const struct store_context_key *key, struct store_user_context *out,
                                  bool *found, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_USER_AND_CONTEXT);
    sqlite_bind_text_view(s, 1, id);
    sqlite3_bind_text(s, 2, key->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, key->model, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, key->model_version, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    *found = rc == SQLITE_ROW && take_context(s, out);
    return sqlite_stepped(c, s, rc, "read a context", e);
}

/* Whatever it was: who reads it with time says what is wrong. */
static enum err_code not_without_waiting(const struct sqlite_conn *c, struct err *e)
{
    return err_set(e, ERR_BUSY, "store %s: not without waiting", c->store->path);
}

enum err_code sqlite_read_context_nonblocking(struct store_conn *conn, struct text id,
                                              const struct store_context_key *key,
                                              struct store_user_context *out, bool *found, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    if (!sqlite_nonblocking_begin(c))
        return not_without_waiting(c, e);
    enum err_code code = sqlite_read_context(conn, id, key, out, found, NULL);
    sqlite_nonblocking_end(c);
    return code ? not_without_waiting(c, e) : ERR_OK;
}

enum err_code sqlite_read_user_nonblocking(struct store_conn *conn, struct text id,
                                           const struct store_context_key *key, size_t most,
                                           struct store_user *out, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    if (!sqlite_nonblocking_begin(c))
        return not_without_waiting(c, e);
    enum err_code code = sqlite_read_user_within(c, id, key, most, out, NULL);
    sqlite_nonblocking_end(c);
    return code ? not_without_waiting(c, e) : ERR_OK;
}

enum err_code sqlite_each_context(struct store_conn *conn, const struct store_context_key *key,
                                  store_context_fn *fn, void *arg, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_EACH_CONTEXT);
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    sqlite3_bind_text(s, 1, key->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, key->model, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, key->model_version, -1, SQLITE_STATIC);
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct text id;
        code = sqlite_column_view(c, s, 0, true, &id, e);
        const struct text bytes = {sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2)};
        if (!code && !bytes.data && bytes.len)
            code = sqlite_fail(c, SQLITE_NOMEM, "read a context", e);
        wanted = !code && fn(arg, id, sqlite3_column_int64(s, 1), bytes);
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read the contexts", e);
    return code ? code : ended;
}
