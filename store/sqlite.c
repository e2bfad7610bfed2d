/* Life of a store in an SQLite file: opening, migrations, connections, errors. WAL lets readers go on while
 * one writes; synchronous=FULL makes a commit durable before it returns. Migrations run under the write lock,
 * so that several processes may open a new file at once: the first one migrates, the others find it done. */
#include "store/sqlite_private.h"

#include "base/mem.h"
#include "schema/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const statement_texts[] = {
#define X(name, sql) sql,
    SQLITE_STATEMENTS(X)
#undef X
};

static const struct {
    const char *sql;
} migrations[] = {{schema_sql_0001}};
enum { N_MIGRATIONS = sizeof migrations / sizeof *migrations };

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
        return ERR_CORRUPT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
        return ERR_IO;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return ERR_INVALID;
    default:
        return ERR_INTERNAL;
    }
}

/* What to do about it, by code. */
static const char *advice(enum err_code code)
{
    switch (code) {
    case ERR_FULL:
        return "; free space on the disk and try again";
    case ERR_BUSY:
        return "; another process is writing, try again";
    case ERR_CORRUPT:
        return "; restore it from a backup";
    case ERR_IO:
        return "; check the file's permissions and the disk";
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
                   c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc), advice(code));
}

/* ---- statements ---- */

sqlite3_stmt *sqlite_statement(struct sqlite_conn *c, enum sqlite_statement which)
{
    sqlite3_stmt *s = c->statements[which];
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return s;
}

void sqlite_bind_text_view(sqlite3_stmt *s, int column, struct store_text text)
{
    if (text.data)
        sqlite3_bind_text64(s, column, text.data, text.len, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(s, column);
}

enum err_code sqlite_column_view(struct sqlite_conn *c, sqlite3_stmt *s, int column, bool required,
                                 struct store_text *out, struct err *e)
{
    bool null = sqlite3_column_type(s, column) == SQLITE_NULL;
    const char *data = null ? NULL : (const char *)sqlite3_column_text(s, column);
    if (!null && !data)
        return sqlite_fail(c, SQLITE_NOMEM, "read a text", e);
    if (null && required)
        return sqlite_fail(c, SQLITE_CORRUPT, "a row without an id", e);
    *out = (struct store_text){data, data ? (size_t)sqlite3_column_bytes(s, column) : 0};
    return ERR_OK;
}

enum err_code sqlite_run(struct sqlite_conn *c, sqlite3_stmt *s, const char *what, struct err *e)
{
    int rc = sqlite3_step(s);
    enum err_code code = rc == SQLITE_DONE || rc == SQLITE_ROW ? ERR_OK : sqlite_fail(c, rc, what, e);
    sqlite3_reset(s);
    return code;
}

void sqlite_end_quietly(struct sqlite_conn *c, enum sqlite_statement which)
{
    sqlite3_stmt *s = sqlite_statement(c, which);
    (void)sqlite3_step(s);
    sqlite3_reset(s);
}

/* ---- connections ---- */

static enum err_code run_text(struct sqlite_conn *c, const char *sql, const char *what, struct err *e)
{
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : sqlite_fail(c, rc, what, e);
}

static enum err_code open_db(struct sqlite_conn *c, int flags, struct err *e)
{
    int rc =
        sqlite3_open_v2(c->store->path, &c->db, flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return sqlite_fail(c, rc, "open", e);
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, SQLITE_BUSY_MS);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return run_text(c,
                    "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"
                    "PRAGMA cell_size_check = ON; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY",
                    "set up", e);
}

static void close_db(struct sqlite_conn *c)
{
    for (size_t i = 0; i < SQL_COUNT_OF_STATEMENTS; i++)
        sqlite3_finalize(c->statements[i]);
    sqlite3_close(c->db);
}

static enum err_code prepare_all(struct sqlite_conn *c, struct err *e)
{
    for (size_t i = 0; i < SQL_COUNT_OF_STATEMENTS; i++) {
        int rc = sqlite3_prepare_v3(c->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &c->statements[i], NULL);
        /* The texts are right: one that SQLite refuses names a table or column that the file has not. */
        if (rc == SQLITE_ERROR)
            rc = SQLITE_CORRUPT;
        if (rc != SQLITE_OK)
            return sqlite_fail(c, rc, "prepare", e);
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
    enum err_code code = open_db(c, 0, e);
    if (!code)
        code = prepare_all(c, e);
    if (code) {
        close_db(c);
        mem_free(c);
        return code;
    }
    *out = &c->base;
    return ERR_OK;
}

static void disconnect_from(struct store_conn *conn)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite_rollback(conn);
    close_db(c);
    mem_free(c->sort);
    mem_free(c);
}

/* ---- opening ---- */

static enum err_code pragma_number(struct sqlite_conn *c, const char *sql, int64_t *value, struct err *e)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return sqlite_fail(c, rc, "read its header", e);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? ERR_OK : sqlite_fail(c, rc, "read its header", e);
}

/* Whether the file is empty or ours, and its version; inside a transaction, so that the three numbers are of
 * one moment while another process makes the store. */
static enum err_code check_identity(struct sqlite_conn *c, enum store_mode mode, int64_t *version,
                                    struct err *e)
{
    int64_t id, n_tables;
    enum err_code code = pragma_number(c, "PRAGMA application_id", &id, e);
    if (!code)
        code = pragma_number(c, "PRAGMA user_version", version, e);
    if (!code)
        code = pragma_number(c, "SELECT count(*) FROM sqlite_master", &n_tables, e);
    if (code)
        return code;
    bool empty = id == 0 && *version == 0 && n_tables == 0;
    if (empty && mode != STORE_CREATE)
        return err_set(e, ERR_CORRUPT, "store %s: an empty file; `hypernet import --store %s ...` fills it",
                       c->store->path, c->store->path);
    if (!empty && id != SQLITE_APPLICATION_ID)
        return err_set(e, ERR_CORRUPT, "store %s: an SQLite file of another program; name another path",
                       c->store->path);
    if (*version > N_MIGRATIONS)
        return err_set(e, ERR_CORRUPT,
                       "store %s: written by a newer version of this program (schema %lld, here %d); upgrade",
                       c->store->path, (long long)*version, N_MIGRATIONS);
    if (!empty && *version < 1)
        return err_set(e, ERR_CORRUPT, "store %s: its schema version is missing; restore it from a backup",
                       c->store->path);
    return ERR_OK;
}

/* Turns the write-ahead log on. While other processes make the same new file, SQLite answers busy at once, to
 * avoid a deadlock, instead of waiting; so the waiting is done here. */
static enum err_code use_wal(struct sqlite_conn *c, struct err *e)
{
    enum { PAUSE_MS = 5 };
    sqlite3_stmt *s;
    int rc = SQLITE_OK;
    for (int waited = 0; waited < SQLITE_BUSY_MS; waited += PAUSE_MS) {
        rc = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = WAL", -1, &s, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(s);
        bool on = rc == SQLITE_ROW && sqlite3_stricmp((const char *)sqlite3_column_text(s, 0), "wal") == 0;
        sqlite3_finalize(s);
        if (on)
            return ERR_OK;
        if ((rc & 0xFF) != SQLITE_BUSY)
            break;
        (void)sqlite3_sleep(PAUSE_MS);
    }
    if (rc == SQLITE_ROW)
        return err_set(e, ERR_IO, "store %s: its file system cannot hold a write-ahead log; use a local one",
                       c->store->path);
    return sqlite_fail(c, rc, "switch to write-ahead logging", e);
}

/* Looks without changing anything: what is not ours stays as it is. */
static enum err_code look(struct sqlite_conn *c, enum store_mode mode, int64_t *version, struct err *e)
{
    enum err_code code = run_text(c, "BEGIN", "open", e);
    if (code)
        return code;
    code = check_identity(c, mode, version, e);
    return code ? code : run_text(c, "COMMIT", "open", e); /* after a failure the connection is closed */
}

static enum err_code migrate(struct sqlite_conn *c, enum store_mode mode, struct err *e)
{
    int64_t version;
    enum err_code code = look(c, mode, &version, e);
    if (!code)
        code = use_wal(c, e);
    if (code || version == N_MIGRATIONS)
        return code;
    code = run_text(c, "BEGIN IMMEDIATE", "migrate", e);
    if (code)
        return code;
    code = check_identity(c, mode, &version, e); /* another process may have migrated while we waited */
    for (; !code && version < N_MIGRATIONS; version++)
        code = run_text(c, migrations[version].sql, "migrate", e);
    char stamp[128];
    (void)snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                   SQLITE_APPLICATION_ID, N_MIGRATIONS);
    if (!code)
        code = run_text(c, stamp, "migrate", e);
    if (code)
        (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

static void close_store(struct store *s)
{
    struct sqlite_store *store = (struct sqlite_store *)s;
    mem_free(store->path);
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

/* Makes what was written to the file, and its name, survive a loss of power. */
static enum err_code sync_path(const char *path, int flags, struct err *e)
{
    int fd = open(path, flags | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    return done ? ERR_OK
                : err_set(e, error == ENOSPC ? ERR_FULL : ERR_IO, "back up to %s: %s", path, strerror(error));
}

static enum err_code sync_backup(const char *path, struct err *e)
{
    enum err_code code = sync_path(path, O_RDONLY, e);
    char *folder = code ? NULL : mem_strdup(path);
    if (code)
        return code;
    if (!folder)
        return err_set(e, ERR_NOMEM, "no memory to back up to %s", path);
    code = sync_path(dirname(folder), O_RDONLY | O_DIRECTORY, e);
    mem_free(folder);
    return code;
}

/* The empty file is made first and by us alone: of two backups to one name, one is refused, and what is
 * removed after a failure is ours. */
static enum err_code backup(struct store_conn *conn, const char *path, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST)
        return err_set(e, ERR_CONFLICT, "%s exists; a backup never overwrites", path);
    if (fd < 0)
        return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "back up to %s: %s", path, strerror(errno));
    (void)close(fd);
    sqlite3_stmt *s = sqlite_statement(c, SQL_BACKUP);
    sqlite_bind_text_view(s, 1, (struct store_text){path, strlen(path)});
    enum err_code code = sqlite_run(c, s, "back up", e);
    if (!code)
        code = sync_backup(path, e);
    if (code)
        (void)unlink(path);
    return code;
}

static const struct store_backend backend = {
    .close = close_store,
    .connect = connect_to,
    .disconnect = disconnect_from,
    .read_user = sqlite_read_user,
    .item_key_of = sqlite_item_key_of,
    .each_item = sqlite_each_item,
    .each_user = sqlite_each_user,
    .each_interaction = sqlite_each_interaction,
    .count = sqlite_count,
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
    .put_interaction = sqlite_put_interaction,
    .put_item = sqlite_put_item,
    .put_context = sqlite_put_context,
    .drop_contexts = sqlite_drop_contexts,
    .bulk_begin = sqlite_bulk_begin,
    .bulk_user = sqlite_bulk_user,
    .bulk_item = sqlite_bulk_item,
    .bulk_interaction = sqlite_bulk_interaction,
    .bulk_end = sqlite_bulk_end,
    .bulk_abandon = sqlite_bulk_abandon,
    .last_change = sqlite_last_change,
    .poll = sqlite_poll,
    .changes = sqlite_changes,
    .backup = backup,
};

enum err_code sqlite_open(const char *path, enum store_mode mode, struct store **out, struct err *e)
{
    if (mode != STORE_CREATE && access(path, F_OK) != 0)
        return err_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO,
                       "store %s: %s; `hypernet import --store %s ...` makes one", path, strerror(errno),
                       path);
    struct sqlite_store *s = mem_zalloc_array(1, sizeof *s);
    if (!s || !(s->path = mem_strdup(path))) {
        mem_free(s);
        return err_set(e, ERR_NOMEM, "no memory to open the store");
    }
    s->base.backend = &backend;
    struct sqlite_conn c = {.store = s};
    enum err_code code = open_db(&c, mode == STORE_CREATE ? SQLITE_OPEN_CREATE : 0, e);
    if (!code)
        code = migrate(&c, mode, e);
    if (!code)
        code =
            prepare_all(&c, e); /* so that a file without our tables is refused now, not at the first call */
    close_db(&c);
    if (code) {
        close_store(&s->base);
        return code;
    }
    *out = &s->base;
    return ERR_OK;
}
