/* Whether the files that connections have open are still those at the store's path.
 *
 * SQLite finds the log and its index by the path of the file, once. When somebody removes, renames or
 * replaces the file meanwhile, writes go on into what nobody will open again; and whoever opens the new file
 * finds the old file's log beside it, and applies that to it. So who serves for long remembers device and
 * inode of the three, compares them before it writes and after it committed, and when they differ
 *   - writes nothing more,
 *   - brings what the log holds into the file that it has open, wherever that is called now, as long as
 *     nobody else can have begun to use log or index, and removes both if they are still its own, so that
 *     what is opened at the path from now on is clean,
 *   - and closes without touching anything.
 * Who was killed before he could do so leaves a log that the next start refuses: log_owner.c. */
#include "store/sqlite/private.h"

#include "base/mem.h"

#include <sys/stat.h>
#include <unistd.h>

enum presence { SAME, ABSENT, OTHER };

static enum presence compare(const struct sqlite_store *s, size_t which)
{
    struct stat found;
    if (stat(s->names[which], &found) != 0)
        return ABSENT;
    return found.st_dev == s->opened[which].device && found.st_ino == s->opened[which].inode ? SAME : OTHER;
}

enum err_code sqlite_guard(struct store_conn *conn, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    struct sqlite_store *s = c->store;
    int moved = 0;
    enum err_code code =
        sqlite_run(c, sqlite_statement(c, SQL_PING), "read", e); /* so that the log is open */
    for (size_t i = 0; i < SQLITE_FILES && !code; i++) {
        struct stat found;
        if (!s->names[i] && !(s->names[i] = sqlite_beside(s->file, sqlite_own_suffixes[i])))
            return err_set(e, ERR_NOMEM, "no memory for a path");
        if (stat(s->names[i], &found) != 0)
            code = err_set(e, ERR_LOST, "store %s: %s went away while it was opened", s->path, s->names[i]);
        else
            s->opened[i] = (struct sqlite_file_id){found.st_dev, found.st_ino};
    }
    if (!code && sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
        code = err_set(e, ERR_LOST, "store %s: its file was replaced while it was opened", s->path);
    if (!code)
        atomic_store(&s->guarded, true);
    return code;
}

enum err_code sqlite_check_place(const struct sqlite_store *s, struct err *e)
{
    static const char *const what[SQLITE_FILES] = {"the file", "its log (-wal)",
                                                   "the index of its log (-shm)"};
    if (!atomic_load(&s->guarded))
        return ERR_OK;
    for (size_t i = 0; i < SQLITE_FILES; i++) {
        enum presence found = compare(s, i);
        if (found != SAME)
            return err_set(e, ERR_LOST,
                           "store %s: %s was %s while it is open; nothing is written to it any more", s->path,
                           what[i], found == ABSENT ? "removed or renamed" : "replaced");
    }
    return ERR_OK;
}

enum err_code sqlite_store_check_place(struct store *store, struct err *e)
{
    return sqlite_check_place((const struct sqlite_store *)store, e);
}

bool sqlite_let_go(struct store_conn *conn)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    struct sqlite_store *s = c->store;
    if (!atomic_load(&s->guarded) || compare(s, 1) == OTHER || compare(s, 2) == OTHER)
        return true;
    if (sqlite_empty_log(c, 0) != SQLITE_OK)
        return false;
    for (size_t i = 1; i < SQLITE_FILES; i++)
        if (compare(s, i) == SAME)
            (void)unlink(s->names[i]);
    return true;
}
