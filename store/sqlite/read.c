/* Reads. A user's interactions lie together (the primary key begins with the user), in the order of the
 * items; they are put in order of time here, which costs less than a second index on a million rows. */
#include "store/sqlite/private.h"

#include "base/limits.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_time(const void *a, const void *b)
{
    const struct sqlite_interaction *p = a, *q = b;
    if (p->x.timestamp != q->x.timestamp)
        return p->x.timestamp < q->x.timestamp ? -1 : 1;
    return (p->position > q->position) - (p->position < q->position);
}

static enum err_code reserve_sort(struct sqlite_conn *c, size_t n, struct err *e)
{
    if (n <= c->sort_capacity)
        return ERR_OK;
    size_t grown = c->sort_capacity ? c->sort_capacity * 2 : 256;
    struct sqlite_interaction *rows = mem_realloc_array(c->sort, grown, sizeof *rows);
    if (!rows)
        return err_set(e, ERR_NOMEM, "no memory for a user's %zu interactions", n);
    c->sort = rows;
    c->sort_capacity = grown;
    return ERR_OK;
}

/* One that is out of range is none that is there: told as damage by who looks the kinds up. */
static int32_t kind_of(sqlite3_stmt *s, int column)
{
    int64_t kind = sqlite3_column_int64(s, column);
    return kind < 0 || kind >= LIMIT_KINDS ? LIMIT_KINDS - 1 : (int32_t)kind;
}

/* An interaction in the columns first.. of a row. */
static struct sqlite_interaction row_of(sqlite3_stmt *s, int first)
{
    bool rated = sqlite3_column_type(s, first + 2) != SQLITE_NULL;
    return (struct sqlite_interaction){
        .x = {.item_key = sqlite3_column_int64(s, first),
              .weight = sqlite3_column_double(s, first + 1),
              .rating = rated ? sqlite3_column_double(s, first + 2) : (double)NAN,
              .timestamp = sqlite3_column_int64(s, first + 3),
              .kind = kind_of(s, first + 5),
              .count = sqlite3_column_int(s, first + 6),
              .first = sqlite3_column_int64(s, first + 7)},
        .position = sqlite3_column_int64(s, first + 4)};
}

void sqlite_copy_column(sqlite3_stmt *s, int column, size_t limit, struct buf *out)
{
    out->max_bytes = limit;
    buf_reset(out);
    const void *bytes = sqlite3_column_blob(s, column);
    int n = sqlite3_column_bytes(s, column);
    if (bytes && n > 0)
        buf_add(out, bytes, (size_t)n);
}

enum err_code sqlite_context_of(struct sqlite_conn *c, struct text id, const struct store_context_key *key,
                                struct buf *bytes, int64_t *revision, bool *given, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_CONTEXT_OF);
    sqlite_bind_text_view(s, 1, id);
    sqlite3_bind_text(s, 2, key->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, key->model, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, key->model_version, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    enum err_code code = ERR_OK;
    if (rc == SQLITE_ROW) {
        *revision = sqlite3_column_int64(s, 0);
        *given = sqlite3_column_int(s, 1) != 0;
        sqlite_copy_column(s, 2, LIMIT_CONTEXT_BYTES, bytes);
        code = buf_check(bytes, "a context", e);
    } else if (rc != SQLITE_DONE) {
        code = sqlite_fail(c, rc, "read a context", e);
    }
    sqlite3_reset(s);
    return code;
}

/* ERR_LIMIT: the user has more than `most`. */
static enum err_code read_interactions(struct sqlite_conn *c, int64_t user_key, size_t most,
                                       struct store_user *out, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_INTERACTIONS_OF);
    sqlite3_bind_int64(s, 1, user_key);
    size_t n = 0;
    int rc;
    enum err_code code = ERR_OK;
    while (!code && (rc = sqlite3_step(s)) == SQLITE_ROW)
        if (n == most)
            code = err_set(e, ERR_LIMIT, "the user has more than %zu interactions", most);
        else if (!(code = reserve_sort(c, n + 1, e)))
            c->sort[n++] = row_of(s, 0);
    if (!code && rc != SQLITE_DONE)
        code = sqlite_fail(c, rc, "read a user's interactions", e);
    sqlite3_reset(s);
    if (!code)
        code = sqlite_tell_kinds(c, c->sort, n, e);
    if (code)
        return code;
    if (n > out->capacity) {
        struct store_interaction *grown =
            mem_realloc_array(out->interactions, c->sort_capacity, sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for a user's %zu interactions", n);
        out->interactions = grown;
        out->capacity = c->sort_capacity;
    }
    if (n > 1)
        qsort(c->sort, n, sizeof *c->sort, by_time);
    for (size_t i = 0; i < n; i++)
        out->interactions[i] = c->sort[i].x;
    out->n_interactions = n;
    return ERR_OK;
}

static enum err_code read_user_row(struct sqlite_conn *c, struct text id, struct store_user *out,
                                   int64_t *key, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_USER_OF);
    sqlite_bind_text_view(s, 1, id);
    int rc = sqlite3_step(s);
    enum err_code code = ERR_OK;
    if (rc == SQLITE_ROW) {
        *key = out->key = sqlite3_column_int64(s, 0);
        sqlite_copy_column(s, 1, LIMIT_PROFILE_BYTES, &out->profile);
        out->revision = sqlite3_column_int64(s, 2);
        code = buf_check(&out->profile, "a profile", e);
    } else {
        code = rc == SQLITE_DONE ? err_set(e, ERR_NOTFOUND, "no user '%.*s'", (int)id.len, id.data)
                                 : sqlite_fail(c, rc, "read a user", e);
    }
    sqlite3_reset(s);
    return code;
}

enum err_code sqlite_read_profile(struct store_conn *conn, struct text id, struct buf *profile, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_USER_OF);
    sqlite_bind_text_view(s, 1, id);
    int rc = sqlite3_step(s);
    enum err_code code;
    if (rc == SQLITE_ROW) {
        sqlite_copy_column(s, 1, LIMIT_PROFILE_BYTES, profile);
        code = buf_check(profile, "a profile", e);
    } else {
        code = rc == SQLITE_DONE ? err_set(e, ERR_NOTFOUND, "no user '%.*s'", (int)id.len, id.data)
                                 : sqlite_fail(c, rc, "read a user", e);
    }
    sqlite3_reset(s);
    return code;
}

enum err_code sqlite_read_user(struct store_conn *conn, struct text id, const struct store_context_key *key,
                               struct store_user *out, struct err *e)
{
    return sqlite_read_user_within((struct sqlite_conn *)conn, id, key, SIZE_MAX, out, e);
}

enum err_code sqlite_read_user_within(struct sqlite_conn *c, struct text id,
                                      const struct store_context_key *key, size_t most,
                                      struct store_user *out, struct err *e)
{
    bool own_snapshot = sqlite3_get_autocommit(c->db) != 0;
    enum err_code code = ERR_OK;
    int64_t user_key = 0;
    if (own_snapshot)
        code = sqlite_run(c, sqlite_statement(c, SQL_BEGIN), "begin a read", e);
    if (code)
        return code;
    buf_reset(&out->embedding);
    out->embedding_revision = 0;
    out->embedding_given = false;
    out->n_interactions = 0;
    code = read_user_row(c, id, out, &user_key, e);
    if (!code && key)
        code = sqlite_context_of(c, id, key, &out->embedding, &out->embedding_revision, &out->embedding_given,
                                 e);
    if (!code)
        code = read_interactions(c, user_key, most, out, e);
    if (own_snapshot)
        sqlite_end_quietly(c, SQL_COMMIT);
    return code;
}

static bool is_known(const struct sqlite_conn *c, const struct sqlite_known *k, struct text id)
{
    return c->writing && k->key && k->len == id.len && memcmp(k->id, id.data, id.len) == 0;
}

/* Looks an id up, and remembers within a write what was found: key 0 is nothing. */
static enum err_code find_key(struct sqlite_conn *c, enum sqlite_statement which, struct text id,
                              struct sqlite_known *k, struct err *e)
{
    if (is_known(c, k, id))
        return ERR_OK;
    sqlite3_stmt *s = sqlite_statement(c, which);
    sqlite_bind_text_view(s, 1, id);
    int rc = sqlite3_step(s);
    bool there = rc == SQLITE_ROW && sqlite3_column_int(s, 1) != 0;
    k->key = there ? sqlite3_column_int64(s, 0) : 0;
    k->hidden = rc == SQLITE_ROW && !there ? sqlite3_column_int64(s, 0) : 0;
    k->revision = rc == SQLITE_ROW ? sqlite3_column_int64(s, 2) : 0;
    k->followed = there && sqlite3_column_int(s, 3) != 0; /* a column that is not there is 0 */
    k->deleted = there && sqlite3_column_int(s, 4) != 0;
    enum err_code code =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_OK : sqlite_fail(c, rc, "look an id up", e);
    sqlite3_reset(s);
    if (id.len > sizeof k->id)
        return code; /* no id is as long; nothing was found */
    memcpy(k->id, id.data, id.len);
    k->len = id.len;
    return code;
}

enum err_code sqlite_find_user(struct sqlite_conn *c, struct text id, int64_t *key, struct err *e)
{
    enum err_code code = find_key(c, SQL_USER_KEY_OF, id, &c->user, e);
    *key = c->user.key;
    return code;
}

enum err_code sqlite_find_task(struct sqlite_conn *c, struct text id, int64_t *key, struct err *e)
{
    enum err_code code = find_key(c, SQL_TASK_KEY_OF, id, &c->task, e);
    *key = c->task.key;
    return code;
}

enum err_code sqlite_find_revision(struct sqlite_conn *c, struct text id, int64_t *key, int64_t *revision,
                                   struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_REVISION_OF_ID);
    sqlite_bind_text_view(s, 1, id);
    int rc = sqlite3_step(s);
    enum err_code code = ERR_OK;
    if (rc == SQLITE_ROW) {
        *key = sqlite3_column_int64(s, 0);
        *revision = sqlite3_column_int64(s, 1);
    } else {
        code = rc == SQLITE_DONE ? err_set(e, ERR_NOTFOUND, "no user '%.*s'", (int)id.len, id.data)
                                 : sqlite_fail(c, rc, "look an id up", e);
    }
    sqlite3_reset(s);
    if (code || !c->writing)
        return code;
    c->user.key = *key; /* the interactions that follow are the user's */
    c->user.len = id.len;
    memcpy(c->user.id, id.data, id.len);
    return ERR_OK;
}

enum err_code sqlite_find_item(struct sqlite_conn *c, struct text id, int64_t *key, struct err *e)
{
    bool followed;
    return sqlite_find_followed(c, id, key, &followed, e);
}

enum err_code sqlite_find_followed(struct sqlite_conn *c, struct text id, int64_t *key, bool *followed,
                                   struct err *e)
{
    enum err_code code = find_key(c, SQL_ITEM_KEY_OF, id, &c->item, e);
    *key = c->item.key;
    *followed = c->item.followed;
    return code;
}

enum err_code sqlite_user_key(struct sqlite_conn *c, struct text id, int64_t *key, struct err *e)
{
    enum err_code code = sqlite_find_user(c, id, key, e);
    if (!code && *key == 0)
        code = err_set(e, ERR_NOTFOUND, "no user '%.*s'", (int)id.len, id.data);
    return code;
}

enum err_code sqlite_item_key_of(struct store_conn *conn, struct text id, int64_t *key, struct err *e)
{
    int64_t found;
    enum err_code code = sqlite_find_item((struct sqlite_conn *)conn, id, &found, e);
    if (!code && found == 0)
        code = err_set(e, ERR_NOTFOUND, "no item '%.*s'", (int)id.len, id.data);
    if (!code)
        *key = found;
    return code;
}

enum err_code sqlite_each_user(struct store_conn *conn, store_user_fn *fn, void *arg, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_EACH_USER);
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct text id, profile;
        code = sqlite_column_view(c, s, 1, true, &id, e);
        if (!code)
            code = sqlite_column_view(c, s, 2, false, &profile, e);
        wanted = !code && fn(arg, sqlite3_column_int64(s, 0), id, profile, sqlite3_column_int64(s, 3));
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read the users", e);
    return code ? code : ended;
}

/* Hands on the collected interactions of one user in order of time; *wanted false when fn stopped. */
static enum err_code give_user(struct sqlite_conn *c, int64_t user_key, size_t n, store_interaction_fn *fn,
                               void *arg, bool *wanted, struct err *e)
{
    enum err_code code = sqlite_tell_kinds(c, c->sort, n, e);
    if (code)
        return code;
    if (n > 1)
        qsort(c->sort, n, sizeof *c->sort, by_time);
    for (size_t i = 0; i < n && *wanted; i++)
        *wanted = fn(arg, user_key, &c->sort[i].x);
    return ERR_OK;
}

enum err_code sqlite_each_interaction(struct store_conn *conn, store_interaction_fn *fn, void *arg,
                                      struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_EACH_INTERACTION);
    enum err_code code = ERR_OK;
    int64_t user = 0;
    size_t n = 0;
    int rc = SQLITE_DONE;
    bool wanted = true;
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t next = sqlite3_column_int64(s, 0);
        if (n && next != user) {
            code = give_user(c, user, n, fn, arg, &wanted, e);
            n = 0;
        }
        user = next;
        if (wanted && !code && !(code = reserve_sort(c, n + 1, e)))
            c->sort[n++] = row_of(s, 1);
    }
    if (!code && wanted && rc != SQLITE_DONE)
        code = sqlite_fail(c, rc, "read the interactions", e);
    if (!code && wanted && n)
        code = give_user(c, user, n, fn, arg, &wanted, e);
    sqlite3_reset(s);
    return code;
}

enum err_code sqlite_count_served(struct store_conn *conn, struct store_counts *out, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_COUNT_SERVED);
    int rc = sqlite3_step(s);
    enum err_code code = ERR_OK;
    if (rc == SQLITE_ROW)
        *out = (struct store_counts){.n_users = sqlite3_column_int64(s, 0),
                                     .n_items = sqlite3_column_int64(s, 1),
                                     .n_tasks = sqlite3_column_int64(s, 2)};
    else
        code = sqlite_fail(c, rc, "count users, items and tasks", e);
    sqlite3_reset(s);
    return code;
}

enum err_code sqlite_count(struct store_conn *conn, struct store_counts *out, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_COUNT);
    int rc = sqlite3_step(s);
    enum err_code code = ERR_OK;
    if (rc == SQLITE_ROW)
        *out = (struct store_counts){.n_users = sqlite3_column_int64(s, 0),
                                     .n_items = sqlite3_column_int64(s, 1),
                                     .n_interactions = sqlite3_column_int64(s, 2),
                                     .n_contexts = sqlite3_column_int64(s, 3),
                                     .n_tasks = sqlite3_column_int64(s, 4),
                                     .n_task_rows = sqlite3_column_int64(s, 5)};
    else
        code = sqlite_fail(c, rc, "count", e);
    sqlite3_reset(s);
    return code;
}
