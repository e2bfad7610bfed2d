/* Opening: what lies at the path is looked at before anything is changed, so that a file of another program
 * stays as it is. WAL lets readers go on while one writes. Migrations run under the write lock, so that
 * several processes may open a new file at once: the first one migrates, the others find it done. */
#include "store/sqlite/load.h"

#include "base/mem.h"
#include "schema/schema.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    const char *sql;
} migrations[] = {{schema_sql_0001}, {schema_sql_0002}, {schema_sql_0003}, {schema_sql_0004},
                  {schema_sql_0005}, {schema_sql_0006}, {schema_sql_0007}, {schema_sql_0008},
                  {schema_sql_0009}, {schema_sql_0010}};
enum { N_MIGRATIONS = sizeof migrations / sizeof *migrations };
_Static_assert(sizeof migrations / sizeof *migrations == (size_t)STORE_SCHEMA,
               "store.h says which version this is");

static enum err_code pragma_number(struct sqlite_conn *c, const char *sql, int64_t *value, struct err *e)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return sqlite_fail_opening(c, rc, "read its header", e);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? ERR_OK : sqlite_fail(c, rc, "read its header", e);
}

/* Whether the file is empty or ours, and its version; inside a transaction, so that the three numbers are of
 * one moment while another process makes the store. */
enum err_code sqlite_check_identity(struct sqlite_conn *c, enum store_mode mode, int64_t *version,
                                    struct err *e)
{
    int64_t id = 0, n_tables = 0;
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
    return sqlite_fail_opening(c, rc, "switch to write-ahead logging", e);
}

/* Looks without changing anything: what is not ours stays as it is. */
static enum err_code look(struct sqlite_conn *c, enum store_mode mode, int64_t *version, struct err *e)
{
    enum err_code code = sqlite_run_text(c, "BEGIN", "open", e);
    if (code)
        return code;
    code = sqlite_check_identity(c, mode, version, e);
    return code ? code
                : sqlite_run_text(c, "COMMIT", "open", e); /* after a failure the connection is closed */
}

/* Who only reads cannot migrate, and our statements do not fit an older schema. */
static enum err_code check_current(const struct sqlite_conn *c, int64_t version, struct err *e)
{
    if (version == N_MIGRATIONS)
        return ERR_OK;
    return err_set(
        e, ERR_CONFLICT,
        "store %s: made by an older version of this program (schema %lld, here %d), and who only "
        "reads does not change it; open it with a command that writes first: import, train or serve",
        c->store->path, (long long)version, N_MIGRATIONS);
}

static enum err_code migrate(struct sqlite_conn *c, enum store_mode mode, struct err *e)
{
    int64_t version;
    enum err_code code = look(c, mode, &version, e);
    if (mode == STORE_READ_ONLY)
        return code ? code : check_current(c, version, e);
    if (!code)
        code = use_wal(c, e);
    if (code || version == N_MIGRATIONS)
        return code;
    code = sqlite_run_text(c, "BEGIN IMMEDIATE", "migrate", e);
    if (code)
        return code;
    code =
        sqlite_check_identity(c, mode, &version, e); /* another process may have migrated while we waited */
    for (; !code && version < N_MIGRATIONS; version++)
        code = sqlite_run_text(c, migrations[version].sql, "migrate", e);
    char stamp[128];
    (void)snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                   SQLITE_APPLICATION_ID, N_MIGRATIONS);
    if (!code)
        code = sqlite_run_text(c, stamp, "migrate", e);
    atomic_store(&c->store->erased, true); /* the log may hold what a migration took away */
    if (code)
        (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

/* SQLite takes a file shorter than its smallest page for an empty one and would write over it. */
enum err_code sqlite_check_size(const char *path, enum store_mode mode, struct err *e)
{
    enum { SMALLEST_PAGE = 512 };
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT && mode == STORE_CREATE)
            return ERR_OK;
        if (errno != ENOENT)
            return err_set(e, ERR_IO, "store %s: %s", path, strerror(errno));
        return err_set(e, ERR_NOTFOUND,
                       "store %s: %s; `hypernet import --store %s ...` makes one, `hypernet serve --create` "
                       "an empty one",
                       path, strerror(errno), path);
    }
    if (S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < SMALLEST_PAGE)
        return err_set(e, ERR_CORRUPT, "store %s: %lld bytes are no store; name another path", path,
                       (long long)st.st_size);
    return ERR_OK;
}

/* SQLite counts its memory under a lock that all connections share, at each allocation; nobody asks for the
 * count. It can be told so only before its first use in the process: later it refuses, and counts. */
static void set_up_sqlite(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite_nonblocking_install();
    sqlite_log_install();
}

enum err_code sqlite_open(const char *path, enum store_mode mode, struct store **out, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_up_sqlite);
    enum err_code code = sqlite_check_size(path, mode, e);
    if (code)
        return code;
    struct sqlite_store *s = mem_zalloc_array(1, sizeof *s);
    if (!s || !(s->path = mem_strdup(path))) {
        mem_free(s);
        return err_set(e, ERR_NOMEM, "no memory to open the store");
    }
    s->base.backend = &sqlite_backend;
    s->read_only = mode == STORE_READ_ONLY;
    struct sqlite_conn c = {.store = s};
    if (mode == STORE_CREATE)
        code = sqlite_make_file(path, &s->made, e);
    if (!code)
        code = sqlite_find_file(s, e);
    if (!code)
        code = sqlite_check_log(s, e);
    if (!code && s->read_only)
        code = sqlite_choose_reading(s, e);
    if (!code)
        code = sqlite_open_db(&c, mode == STORE_CREATE ? SQLITE_OPEN_CREATE : 0, e);
    if (!code)
        code = migrate(&c, mode, e);
    if (!code)
        code = sqlite_prepare_all(
            &c, e); /* so that a file without our tables is refused now, not at the first call */
    if (!code)
        sqlite_mark_log(s);
    if (!code && !s->read_only)
        code = sqlite_load_clean_leftovers(&c, e);
    sqlite_close_db(&c);
    if (code) {
        sqlite_discard_new(&s->base);
        return code;
    }
    *out = &s->base;
    return ERR_OK;
}
