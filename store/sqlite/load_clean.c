/* A table of millions of rows is emptied a piece at a time, for its pages are overwritten: a dropped one is
 * not to hold up others either, nor to be read from the file by somebody who forgot nobody. */
#include "store/sqlite/load.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_ROWS = 20000, PENDING_ROWS = 1000, PIECE_PAUSE_MS = 8, LOCK_PAUSE_MS = 20 };

const struct sqlite_load_lock sqlite_load_lock_none = {-1, NULL};

/* The process that holds the lock, as it wrote itself; 0: it is not known. */
static long holder_of(const char *name)
{
    char text[24] = "";
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

/* For whoever is refused; who cannot write it is not named. */
static void sign(int fd)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    bool is_signed = ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n;
    (void)is_signed;
}

static enum err_code refuse(const char *path, const char *name, struct err *e)
{
    char who[48] = "";
    long process = holder_of(name);
    if (process > 0)
        (void)snprintf(who, sizeof who, " (process %ld)", process);
    return err_set(e, ERR_BUSY,
                   "store %s: another large import is at work%s, and one is at a time; try again when it is "
                   "done: nothing was imported",
                   path, who);
}

/* Whether the file at path is the one that fd is of: who held the lock before removes it. */
static bool is_there(const char *path, int fd)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

enum err_code sqlite_load_acquire(const char *path, int wait_ms, struct sqlite_load_lock *lock, struct err *e)
{
    size_t n = strlen(path);
    char *name = mem_alloc(n + sizeof "-import");
    if (!name)
        return err_set(e, ERR_NOMEM, "no memory for a path");
    memcpy(name, path, n);
    memcpy(name + n, "-import", sizeof "-import");
    for (int waited = 0; waited <= wait_ms; waited += LOCK_PAUSE_MS) {
        int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            enum err_code code =
                err_set(e, ERR_IO, "store %s: cannot make %s: %s", path, name, strerror(errno));
            mem_free(name);
            return code;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_there(name, fd)) {
            sign(fd);
            *lock = (struct sqlite_load_lock){fd, name};
            return ERR_OK;
        }
        (void)close(fd);
        (void)sqlite3_sleep(LOCK_PAUSE_MS);
    }
    enum err_code code = refuse(path, name, e);
    mem_free(name);
    return code;
}

void sqlite_load_release(struct sqlite_load_lock *lock)
{
    if (lock->fd < 0)
        return;
    (void)unlink(lock->path);
    (void)close(lock->fd);
    mem_free(lock->path);
    *lock = sqlite_load_lock_none;
}

/* A number, or 0 when there is no row. */
static enum err_code one_number(struct sqlite_conn *c, const char *sql, int64_t *out, struct err *e)
{
    sqlite3_stmt *s = NULL;
    *out = 0;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return sqlite_fail(c, rc, "clean up after a load", e);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_OK : sqlite_fail(c, rc, "clean up after a load", e);
}

/* Deletes a piece of a table, or drops what is less; *done: it is gone. Whole users go, so that a piece has a
 * bound in the key. */
static enum err_code drop_piece(struct sqlite_conn *c, const char *table, bool *done, struct err *e)
{
    char sql[256];
    int64_t bound;
    (void)snprintf(sql, sizeof sql, "SELECT user_key FROM %s ORDER BY user_key LIMIT 1 OFFSET %d", table,
                   PIECE_ROWS);
    enum err_code code = one_number(c, sql, &bound, e);
    if (code)
        return code;
    *done = bound == 0;
    if (*done)
        (void)snprintf(sql, sizeof sql, "DROP TABLE %s", table);
    else
        (void)snprintf(sql, sizeof sql, "DELETE FROM %s WHERE user_key <= %lld", table, (long long)bound);
    return sqlite_run_text(c, sql, "clean up after a load", e);
}

static enum err_code drop(struct sqlite_conn *c, const char *table, struct err *e)
{
    char sql[128];
    int64_t there;
    (void)snprintf(sql, sizeof sql, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '%s'",
                   table);
    enum err_code code = one_number(c, sql, &there, e);
    for (bool done = !there; !code && !done;) {
        code = sqlite_begin(&c->base, e);
        if (code)
            break;
        code = drop_piece(c, table, &done, e);
        if (code)
            sqlite_rollback(&c->base);
        else
            code = sqlite_commit(&c->base, e);
        (void)sqlite3_sleep(PIECE_PAUSE_MS);
    }
    return code;
}

/* ---- rows of users and items ---- */

/* A load that is over, or was ended. */
struct dead_load {
    int64_t load, change; /* change 0: it was not over, and its rows go */
    int64_t from;         /* keys below are done */
};

/* A piece of a table, in the order of its keys; *done: that was all. */
static enum err_code clean_rows(struct sqlite_conn *c, struct dead_load *d, const char *table,
                                const char *key, bool *done, struct err *e)
{
    char sql[256];
    int64_t bound;
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE %s >= %lld ORDER BY %s LIMIT 1 OFFSET %d", key,
                   table, key, (long long)d->from, key, PENDING_ROWS);
    enum err_code code = one_number(c, sql, &bound, e);
    if (code)
        return code;
    *done = bound == 0;
    char what[64] = "DELETE FROM ", set[64] = "";
    if (d->change)
        (void)snprintf(what, sizeof what, "UPDATE "),
            (void)snprintf(set, sizeof set, "SET revision = %lld", (long long)d->change);
    (void)snprintf(sql, sizeof sql, "%s %s %s WHERE %s >= %lld AND %s < %lld AND revision = -%lld", what,
                   table, set, key, (long long)d->from, key, (long long)(*done ? INT64_MAX : bound),
                   (long long)d->load);
    d->from = bound;
    c->erases |= d->change == 0;
    return sqlite_run_text(c, sql, "clean up after a load", e);
}

static enum err_code clean_table(struct sqlite_conn *c, struct dead_load *d, const char *table,
                                 const char *key, struct err *e)
{
    enum err_code code = ERR_OK;
    for (bool done = false; !code && !done;) {
        code = sqlite_begin(&c->base, e);
        if (code)
            break;
        code = clean_rows(c, d, table, key, &done, e);
        if (code)
            sqlite_rollback(&c->base);
        else
            code = sqlite_commit(&c->base, e);
        (void)sqlite3_sleep(PIECE_PAUSE_MS);
    }
    return code;
}

static enum err_code clean_load(struct sqlite_conn *c, int64_t load, struct err *e)
{
    struct dead_load d = {.load = load};
    char sql[128];
    int64_t first_item = 0;
    static const char *const columns[] = {"change", "first_user", "first_item"};
    int64_t *const numbers[] = {&d.change, &d.from, &first_item};
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < 3 && !code; i++) {
        (void)snprintf(sql, sizeof sql, "SELECT %s FROM loads WHERE load = %lld", columns[i],
                       (long long)load);
        code = one_number(c, sql, numbers[i], e);
    }
    if (!code)
        code = clean_table(c, &d, "users", "user_key", e);
    d.from = first_item;
    if (!code)
        code = clean_table(c, &d, "items", "item_key", e);
    (void)snprintf(sql, sizeof sql, "DELETE FROM loads WHERE load = %lld", (long long)load);
    return code ? code : sqlite_run_text(c, sql, "clean up after a load", e);
}

enum err_code sqlite_load_clean(struct sqlite_conn *c, struct err *e)
{
    if (c->stuck) /* else a table would be seen that is about to be gone */
        sqlite_rollback(&c->base);
    enum err_code code = drop(c, "interactions_next", e);
    if (!code)
        code = drop(c, "interactions_old", e);
    for (int64_t load = 1; !code && load;) {
        code = one_number(c, "SELECT load FROM loads LIMIT 1", &load, e);
        if (!code && load)
            code = clean_load(c, load, e);
    }
    return code;
}

enum err_code sqlite_load_clean_leftovers(struct sqlite_conn *c, struct err *e)
{
    struct sqlite_load_lock lock = sqlite_load_lock_none;
    int64_t any;
    enum err_code code =
        one_number(c,
                   "SELECT 1 FROM sqlite_master WHERE name IN ('interactions_next', 'interactions_old') "
                   "UNION ALL SELECT 1 FROM loads",
                   &any, e);
    if (code || !any || sqlite_load_acquire(c->store->file, 0, &lock, NULL))
        return code;
    code =
        sqlite_run_text(c, "PRAGMA foreign_keys = OFF", "clean up after a load", e); /* it is closed soon */
    struct err why = {0};
    if (!code && sqlite_load_clean(c, &why) && why.code != ERR_FULL && why.code != ERR_BUSY)
        code = err_copy(e, &why); /* what is left is seen by nobody: it can wait for room, and for its turn */
    sqlite_load_release(&lock);
    return code;
}
