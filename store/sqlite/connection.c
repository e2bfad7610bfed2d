/* What all of the SQLite backend stands on: errors, statements, connections. synchronous=FULL makes a commit
 * durable before it returns. */
#include "store/sqlite/private.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>

static const char *const statement_texts[] = {
#define X(name, sql) sql,
    SQLITE_STATEMENTS(X)
#undef X
};

/* ---- errors ---- */

enum err_code sqlite_code(int rc)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return ERR_NOMEM;
    switch (rc & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ERR_OK;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: /* values are checked before: where a constraint fails, the file contradicts
                               itself */
    case SQLITE_MISMATCH:
        return ERR_CORRUPT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
        return ERR_IO;
    default:
        return ERR_INTERNAL;
    }
}

/* What to do about it, by code. */
static const char *advice(const struct sqlite_store *s, enum err_code code)
{
    if (code == ERR_IO && s->read_only && s->reading == READING_AS_IT_IS && !s->uri)
        return "; its log (-wal) is there, but cannot be read where nothing can be made beside it: open it "
               "once where the folder "
               "can be written";
    switch (code) {
    case ERR_FULL:
        return "; free space on the disk and try again";
    case ERR_BUSY:
        return "; another process is writing, try again";
    case ERR_CORRUPT:
        return "; restore it from a backup";
    case ERR_IO:
        return "; check the permissions of the file and of its folder, and the disk";
    default:
        return "";
    }
}

enum err_code sqlite_fail(struct sqlite_conn *c, int rc, const char *what, struct err *e)
{
    enum err_code code = sqlite_code(rc);
    if (code == ERR_IO && c->db && sqlite3_system_errno(c->db) == ENOSPC)
        code = ERR_FULL; /* the index of the write-ahead log reports a full disk as an I/O error */
    return err_set(e, code ? code : ERR_INTERNAL, "store %s: %s: %s%s", c->store->path, what,
                   c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc), advice(c->store, code));
}

/* ---- statements ---- */

sqlite3_stmt *sqlite_statement(struct sqlite_conn *c, enum sqlite_statement which)
{
    sqlite3_stmt *s = c->statements[which];
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return s;
}

void sqlite_bind_text_view(sqlite3_stmt *s, int column, struct text text)
{
    if (text.data)
        sqlite3_bind_text64(s, column, text.data, text.len, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(s, column);
}

enum err_code sqlite_column_view(struct sqlite_conn *c, sqlite3_stmt *s, int column, bool required,
                                 struct text *out, struct err *e)
{
    bool null = sqlite3_column_type(s, column) == SQLITE_NULL;
    const char *data = null ? NULL : (const char *)sqlite3_column_text(s, column);
    if (!null && !data)
        return sqlite_fail(c, SQLITE_NOMEM, "read a text", e);
    if (null && required)
        return sqlite_fail(c, SQLITE_CORRUPT, "a row without an id", e);
    *out = (struct text){data, data ? (size_t)sqlite3_column_bytes(s, column) : 0};
    return ERR_OK;
}

enum err_code sqlite_stepped(struct sqlite_conn *c, sqlite3_stmt *s, int rc, const char *what, struct err *e)
{
    enum err_code code = rc == SQLITE_DONE || rc == SQLITE_ROW ? ERR_OK : sqlite_fail(c, rc, what, e);
    sqlite3_reset(s);
    return code;
}

enum err_code sqlite_run(struct sqlite_conn *c, sqlite3_stmt *s, const char *what, struct err *e)
{
    return sqlite_stepped(c, s, sqlite3_step(s), what, e);
}

void sqlite_end_quietly(struct sqlite_conn *c, enum sqlite_statement which)
{
    sqlite3_stmt *s = sqlite_statement(c, which);
    (void)sqlite3_step(s);
    sqlite3_reset(s);
}

/* ---- connections ---- */

enum err_code sqlite_fail_opening(struct sqlite_conn *c, int rc, const char *what, struct err *e)
{
    return sqlite_fail(c, (rc & 0xFF) == SQLITE_ERROR ? SQLITE_CORRUPT : rc, what, e);
}

enum err_code sqlite_run_text(struct sqlite_conn *c, const char *sql, const char *what, struct err *e)
{
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : sqlite_fail_opening(c, rc, what, e);
}

/* SQLite's own handler sleeps up to 100 ms between two tries, and would miss the pauses that a load makes for
 * others. */
static int wait_busy(void *arg, int n_tries)
{
    struct sqlite_conn *c = arg;
    int64_t now = clock_monotonic_ns();
    if (n_tries == 0)
        c->busy_since_ns = now;
    if (now - c->busy_since_ns >= (int64_t)c->busy_ms * 1000000)
        return 0;
    (void)sqlite3_sleep(n_tries < 4 ? 1 : SQLITE_RETRY_MS);
    return 1;
}

void sqlite_wait(struct sqlite_conn *c, int wait_ms)
{
    c->busy_ms = wait_ms;
    (void)sqlite3_busy_handler(c->db, wait_ms ? wait_busy : NULL, c);
}

enum err_code sqlite_open_db(struct sqlite_conn *c, int flags, struct err *e)
{
    int rc = sqlite_open_handle(c, flags);
    if (rc != SQLITE_OK)
        return sqlite_fail(c, rc, "open", e);
    if (!c->store->read_only && sqlite3_db_readonly(c->db, "main") == 1)
        return err_set(
            e, ERR_IO,
            "store %s: the file cannot be written by this user; allow it, for each write would fail",
            c->store->path);
    sqlite_log_follow(c);
    sqlite3_extended_result_codes(c->db, 1);
    sqlite_wait(c, SQLITE_BUSY_MS);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* 4 MB: what is read is in the system's page cache once for all connections, and a server has many of
     * them. */
    enum err_code code =
        sqlite_run_text(c,
                        "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"
                        "PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON; PRAGMA cache_size = -4096;"
                        "PRAGMA temp_store = MEMORY",
                        "set up", e);
    if (!code && c->store->read_only)
        code = sqlite_run_text(c, "PRAGMA query_only = ON", "set up for reading", e);
    return code;
}

void sqlite_close_db(struct sqlite_conn *c)
{
    for (size_t i = 0; i < SQL_COUNT_OF_STATEMENTS; i++)
        sqlite3_finalize(c->statements[i]);
    sqlite3_finalize(c->takers_aside);
    sqlite_log_close(c);
}

enum err_code sqlite_prepare_all(struct sqlite_conn *c, struct err *e)
{
    for (size_t i = 0; i < SQL_COUNT_OF_STATEMENTS; i++) {
        int rc = sqlite3_prepare_v3(c->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &c->statements[i], NULL);
        if (rc != SQLITE_OK)
            return sqlite_fail_opening(c, rc, "prepare", e);
    }
    return ERR_OK;
}

static enum err_code connect_to(struct store *s, struct store_conn **out, struct err *e)
{
    struct sqlite_conn *c = mem_zalloc_array(1, sizeof *c);
    if (!c)
        return err_set(e, ERR_NOMEM, "no memory for a connection to the store");
    c->base.backend = s->backend;
    c->store = (struct sqlite_store *)s;
    c->follow_ms = SQLITE_FOLLOW_MS;
    enum err_code code = sqlite_check_log(c->store, e); /* SQLite would apply it to whatever lies there now */
    if (!code)
        code = sqlite_check_place(c->store, e);
    if (!code)
        code = sqlite_open_db(c, 0, e);
    if (!code)
        code = sqlite_prepare_all(c, e);
    if (code) {
        sqlite_close_db(c);
        mem_free(c);
        return code;
    }
    sqlite_mark_log(c->store);
    *out = &c->base;
    return ERR_OK;
}

static void disconnect_from(struct store_conn *conn)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite_rollback(conn);
    sqlite_close_db(c);
    mem_free(c->sort);
    buf_fini(&c->taken);
    sqlite_following_free(c->following);
    mem_free(c);
}

/* A write meets pages all over the indexes, and each commit would write the hot ones into the database again:
 * the log is let grow to 16 MB, so that several commits share that. */
static enum err_code write_often(struct store_conn *conn, struct err *e)
{
    enum { PAGES_OF_LOG = 4096 };
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    c->checkpoint_at = PAGES_OF_LOG;
    return sqlite_run_text(c, "PRAGMA cache_size = -32768", "set up for writing", e);
}

static void close_store(struct store *s)
{
    struct sqlite_store *store = (struct sqlite_store *)s;
    mem_free(store->path);
    for (size_t i = 0; i < SQLITE_FILES; i++)
        mem_free(store->names[i]);
    mem_free(store->file);
    mem_free(store->uri);
    mem_free(store);
}

static enum err_code ping(struct store_conn *conn, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    return sqlite_run(c, sqlite_statement(c, SQL_PING), "read", e);
}

static enum err_code snapshot_begin(struct store_conn *conn, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    return sqlite_run(c, sqlite_statement(c, SQL_BEGIN), "begin a snapshot", e);
}

static void snapshot_end(struct store_conn *conn)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    if (!c->writing && !sqlite3_get_autocommit(c->db))
        sqlite_end_quietly(c, SQL_COMMIT);
}

const struct store_backend sqlite_backend = {
    .scheme = "sqlite",
    .form = "sqlite:PATH",
    .open = sqlite_open,
    .close = close_store,
    .connect = connect_to,
    .disconnect = disconnect_from,
    .write_often = write_often,
    .read_user = sqlite_read_user,
    .read_context = sqlite_read_context,
    .reads_nonblocking = sqlite_reads_nonblocking,
    .read_context_nonblocking = sqlite_read_context_nonblocking,
    .read_user_nonblocking = sqlite_read_user_nonblocking,
    .read_profile = sqlite_read_profile,
    .item_key_of = sqlite_item_key_of,
    .each_item = sqlite_each_item,
    .each_user = sqlite_each_user,
    .list_items = sqlite_list_items,
    .list_users = sqlite_list_users,
    .each_interaction = sqlite_each_interaction,
    .count = sqlite_count,
    .count_served = sqlite_count_served,
    .ping = ping,
    .snapshot_begin = snapshot_begin,
    .snapshot_end = snapshot_end,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .put_user = sqlite_put_user,
    .clear_user = sqlite_clear_user,
    .touch_user = sqlite_touch_user,
    .delete_user = sqlite_delete_user,
    .knows_event = sqlite_knows_event,
    .put_event = sqlite_put_event,
    .remove_interactions = sqlite_remove_interactions,
    .add_interactions_of = sqlite_add_interactions_of,
    .expire = sqlite_expire,
    .put_kind = sqlite_put_kind,
    .each_kind = sqlite_each_kind,
    .count_interactions = sqlite_count_interactions,
    .newest_time = sqlite_newest_time,
    .put_item = sqlite_put_item,
    .set_item_life = sqlite_set_item_life,
    .delete_item = sqlite_delete_item,
    .touch_item = sqlite_touch_item,
    .read_item = sqlite_read_item,
    .each_taker = sqlite_each_taker,
    .taken_above = sqlite_taken_above,
    .takers_begin = sqlite_takers_begin,
    .takers_end = sqlite_takers_end,
    .follow_items = sqlite_follow_items,
    .read_history = sqlite_read_history,
    .touch_user_read = sqlite_touch_user_read,
    .put_context = sqlite_put_context,
    .read_task = sqlite_read_task,
    .each_task = sqlite_each_task,
    .each_task_row = sqlite_each_task_row,
    .each_context = sqlite_each_context,
    .each_task_context = sqlite_each_task_context,
    .put_task = sqlite_put_task,
    .clear_task = sqlite_clear_task,
    .touch_task = sqlite_touch_task,
    .add_task_row = sqlite_add_task_row,
    .delete_task = sqlite_delete_task,
    .note_unfinished = sqlite_note_unfinished,
    .end_unfinished = sqlite_end_unfinished,
    .each_unfinished = sqlite_each_unfinished,
    .drop_contexts = sqlite_drop_contexts,
    .each_version = sqlite_each_version,
    .trim_version = sqlite_trim_version,
    .bulk_begin = sqlite_bulk_begin,
    .bulk_user = sqlite_bulk_user,
    .bulk_seen_user = sqlite_bulk_seen_user,
    .bulk_item = sqlite_bulk_item,
    .bulk_event = sqlite_bulk_event,
    .bulk_replace_items = sqlite_bulk_replace_items,
    .bulk_keep_item = sqlite_bulk_keep_item,
    .bulk_count = sqlite_bulk_count,
    .bulk_delete_other_items = sqlite_bulk_delete_other_items,
    .bulk_end = sqlite_bulk_end,
    .bulk_abandon = sqlite_bulk_abandon,
    .load_new = sqlite_load_new,
    .load_event = sqlite_load_event,
    .load_new_user = sqlite_load_new_user,
    .load_new_item = sqlite_load_new_item,
    .load_seen_user = sqlite_load_seen_user,
    .load_stage = sqlite_load_stage,
    .load_is_staged = sqlite_load_is_staged,
    .load_left_out = sqlite_load_left_out,
    .load_repeated = sqlite_load_repeated,
    .load_apply = sqlite_load_apply,
    .load_free = sqlite_load_free,
    .last_change = sqlite_last_change,
    .has_changes = sqlite_has_changes,
    .changes = sqlite_changes,
    .guard = sqlite_guard,
    .check_place = sqlite_store_check_place,
    .let_go = sqlite_let_go,
    .settle = sqlite_settle,
    .owns_file = sqlite_owns_file,
    .discard_new = sqlite_discard_new,
    .backup = sqlite_backup,
    .backup_file = sqlite_backup_file,
    .restore_file = sqlite_restore_file,
};
