/* A table of millions of rows is emptied a piece at a time, for its pages are overwritten: a dropped one is
 * not to hold up others either, nor to be read from the file by somebody who forgot nobody. */
#include "store/sqlite/load.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_ROWS = 20000, PIECE_PAUSE_MS = 8, LOCK_PAUSE_MS = 20 };

const struct sqlite_load_lock sqlite_load_lock_none = {-1, NULL};

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
            *lock = (struct sqlite_load_lock){fd, name};
            return ERR_OK;
        }
        (void)close(fd);
        (void)sqlite3_sleep(LOCK_PAUSE_MS);
    }
    mem_free(name);
    return err_set(e, ERR_BUSY, "store %s: another large import is at work; try again when it is done", path);
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

enum err_code sqlite_load_clean(struct sqlite_conn *c, struct err *e)
{
    if (c->stuck) /* else a table would be seen that is about to be gone */
        sqlite_rollback(&c->base);
    enum err_code code = drop(c, "interactions_next", e);
    return code ? code : drop(c, "interactions_old", e);
}

enum err_code sqlite_load_clean_leftovers(struct sqlite_conn *c, struct err *e)
{
    struct sqlite_load_lock lock = sqlite_load_lock_none;
    int64_t any;
    enum err_code code = one_number(
        c, "SELECT 1 FROM sqlite_master WHERE name IN ('interactions_next', 'interactions_old')", &any, e);
    if (code || !any || sqlite_load_acquire(c->store->file, 0, &lock, NULL))
        return code;
    code = sqlite_load_clean(c, e);
    sqlite_load_release(&lock);
    return code;
}
