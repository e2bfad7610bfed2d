/* Backups by VACUUM INTO: one read transaction, so that others read and write meanwhile, and a compact copy
 * in which nothing is left of what was deleted. A copy is made beside its place, checked, and renamed: who
 * finds it finds it whole.
 *
 * Who replaces a file takes the locks that SQLite takes to have it for itself, on the old file, for as long
 * as that takes. Another process that has the store open holds one of them, also when the file is damaged
 * past opening. The old log goes before the new file comes: a crash between leaves the old file without its
 * newest writes, where the other order would leave the new file with a log that spoils it. */
#include "store/sqlite/private.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char over_it[] = "--force overwrites it", never[] = "a backup never overwrites";

static enum err_code system_error(const char *what, const char *path, struct err *e)
{
    return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "%s %s: %s", what, path, strerror(errno));
}

/* Makes what was written to the file, and its name, survive a loss of power. */
static enum err_code sync_path(const char *path, int flags, struct err *e)
{
    int fd = open(path, flags | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = error;
    return done ? ERR_OK : system_error("write", path, e);
}

static enum err_code sync_folder(const char *path, struct err *e)
{
    char *folder = mem_strdup(path);
    if (!folder)
        return err_set(e, ERR_NOMEM, "no memory for a path");
    enum err_code code = sync_path(dirname(folder), O_RDONLY | O_DIRECTORY, e);
    mem_free(folder);
    return code;
}

/* ---- copies ---- */

/* What the check says of a page that it could not read is no damage: the code is the reading's. */
static enum err_code code_of_damage(const char *said)
{
    static const char before[] = "unable to get the page. error code=";
    const char *at = strstr(said, before);
    enum err_code code = at ? sqlite_code((int)strtol(at + sizeof before - 1, NULL, 10)) : ERR_CORRUPT;
    return code ? code : ERR_CORRUPT;
}

/* Whether every page and row of the file is sound. */
static enum err_code check_whole(struct sqlite_conn *c, struct err *e)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA integrity_check(1)", -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
    enum err_code code = ERR_OK;
    if (rc != SQLITE_ROW)
        code = sqlite_fail_opening(c, rc, "check it", e);
    else if (!said || strcmp(said, "ok") != 0)
        code = err_set(e, said ? code_of_damage(said) : ERR_NOMEM, "store %s: damaged: %s", c->store->path,
                       said ? said : "no memory to say how");
    sqlite3_finalize(s);
    return code;
}

/* Writes what the connection reads to a new file, which is its owner's alone, and syncs it. Whatever fails,
 * no file is left. */
static enum err_code copy_to(struct sqlite_conn *c, const char *path, struct err *e)
{
    struct text name = {path, strlen(path)};
    sqlite3_stmt *s = NULL;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 && errno == EEXIST)
        return err_set(e, ERR_CONFLICT, "%s exists; %s", path, never);
    if (fd < 0)
        return system_error("back up to", path, e);
    enum err_code code = fchmod(fd, S_IRUSR | S_IWUSR) == 0 ? ERR_OK : system_error("back up to", path, e);
    (void)close(fd);
    int rc = code ? SQLITE_OK : sqlite3_prepare_v2(c->db, "VACUUM INTO ?1", -1, &s, NULL);
    if (rc != SQLITE_OK)
        code = sqlite_fail(c, rc, "back up", e);
    if (!code) {
        sqlite_bind_text_view(s, 1, name);
        code = sqlite_run(c, s, "back up", e);
    }
    sqlite3_finalize(s);
    if (!code)
        code = sync_path(path, O_RDONLY, e);
    if (code)
        (void)unlink(path);
    return code;
}

/* A file that is read as it is, without our statements: its schema may be older. Closed by close_source. */
struct source {
    struct sqlite_store store;
    struct sqlite_conn conn;
};

static void close_source(struct source *from)
{
    sqlite_close_db(&from->conn);
    mem_free(from->store.file);
    mem_free(from->store.uri);
}

static enum err_code open_source(const char *path, struct source *from, struct err *e)
{
    memset(from, 0, sizeof *from);
    from->store.path = (char *)path;
    from->store.read_only = true;
    from->conn.store = &from->store;
    int64_t version;
    enum err_code code = sqlite_check_size(path, STORE_READ_ONLY, e);
    if (!code)
        code = sqlite_find_file(&from->store, e);
    if (!code)
        code = sqlite_check_log(&from->store, e);
    if (!code)
        code = sqlite_choose_reading(&from->store, e);
    if (!code)
        code = sqlite_open_db(&from->conn, 0, e);
    if (!code)
        code = sqlite_check_identity(&from->conn, STORE_READ_ONLY, &version, e);
    if (!code) /* it takes VACUUM INTO for a write */
        code = sqlite_run_text(&from->conn, "PRAGMA query_only = OFF", "set up", e);
    if (code)
        close_source(from);
    return code;
}

/* SQLite asks so often that a copy ends within milliseconds, and so seldom that it costs nothing. */
enum { STEPS_BETWEEN_QUESTIONS = 20000 };

static int ask(void *arg)
{
    const struct store_patience *patience = arg;
    return patience->ended(patience->arg);
}

static void be_patient(struct sqlite_conn *c, const struct store_patience *patience)
{
    sqlite3_progress_handler(c->db, patience ? STEPS_BETWEEN_QUESTIONS : 0, patience ? ask : NULL,
                             (void *)patience);
}

/* Whether every page and row of a copy is sound. */
static enum err_code check_copy(const char *name, const struct store_patience *patience, struct err *e)
{
    struct source copy;
    enum err_code code = open_source(name, &copy, e);
    if (code)
        return code;
    be_patient(&copy.conn, patience);
    code = check_whole(&copy.conn, e);
    close_source(&copy);
    return code;
}

/* A whole and checked copy of what a connection reads beside `path`, under a name that is New. */
static enum err_code checked_copy(struct sqlite_conn *c, const char *path,
                                  const struct store_patience *patience, char **out, struct err *e)
{
    char suffix[32];
    (void)snprintf(suffix, sizeof suffix, ".new-%ld", (long)getpid());
    char *name = sqlite_beside(path, suffix);
    if (!name)
        return err_set(e, ERR_NOMEM, "no memory for a path");
    be_patient(c, patience);
    enum err_code code = copy_to(c, name, e);
    be_patient(c, NULL);
    if (!code && (code = check_copy(name, patience, e)))
        (void)unlink(name);
    if (code)
        mem_free(name);
    else
        *out = name;
    return code;
}

/* The same of a store's file, which is checked before. */
static enum err_code checked_copy_of_file(const char *source, const char *path, char **out, struct err *e)
{
    struct source from;
    enum err_code code = open_source(source, &from, e);
    if (code)
        return code;
    code = check_whole(&from.conn, e);
    if (!code)
        code = checked_copy(&from.conn, path, NULL, out, e);
    close_source(&from);
    return code;
}

/* ---- replacing ---- */

/* The owner of what is replaced, or of the folder: root may restore for a service that has a user of its
 * own. */
static enum err_code keep_owner(const char *name, const char *path, int old, struct err *e)
{
    struct stat want, have;
    char *folder = mem_strdup(path);
    if (!folder)
        return err_set(e, ERR_NOMEM, "no memory for a path");
    bool known = (old >= 0 ? fstat(old, &want) : stat(dirname(folder), &want)) == 0 && stat(name, &have) == 0;
    mem_free(folder);
    if (known && (want.st_uid != have.st_uid || want.st_gid != have.st_gid) && geteuid() == 0 &&
        chown(name, want.st_uid, want.st_gid) != 0)
        return system_error("restore to", path, e);
    return ERR_OK;
}

static enum err_code remove_beside(const char *path, const char *suffix, struct err *e)
{
    char *name = sqlite_beside(path, suffix);
    if (!name)
        return err_set(e, ERR_NOMEM, "no memory for a path");
    enum err_code code = unlink(name) == 0 || errno == ENOENT ? ERR_OK : system_error("remove", name, e);
    mem_free(name);
    return code;
}

/* The new file at `name` takes the place of what is at path, whose log goes first. */
static enum err_code replace(const char *what, bool owned, const char *name, const char *path, struct err *e)
{
    int old;
    enum err_code code = sqlite_take_file(what, path, &old, e);
    if (code)
        return code;
    code = owned ? keep_owner(name, path, old, e) : ERR_OK;
    for (size_t i = 1; i < SQLITE_OWN_FILES && !code; i++)
        code = remove_beside(path, sqlite_own_suffixes[i], e);
    if (!code && rename(name, path) != 0)
        code = system_error(what, path, e);
    if (!code)
        code = sync_folder(path, e);
    if (old >= 0)
        (void)close(old);
    return code;
}

/* Refuses what somebody has open, before minutes of copying. The file is let go again. */
static enum err_code check_nobody_has(const char *what, const char *path, struct err *e)
{
    int old = -1;
    enum err_code code = sqlite_take_file(what, path, &old, e);
    if (!code && old >= 0)
        (void)close(old);
    return code;
}

/* ---- backups ---- */

/* Whether a file system says that it cannot do it at all. */
static bool is_not_for_us(int error)
{
    return error == EINVAL || error == ENOSYS || error == EPERM || error == EOPNOTSUPP || error == ENOTSUP ||
           error == EMLINK || error == EXDEV;
}

/* Gives the file a name that nobody has, at once, in one of two ways, of which some file systems have one
 * (FAT, exFAT and many of FUSE no links, older NFS and kernels no rename that replaces nothing); -1 with
 * errno. */
static int rename_to_new(const char *name, const char *path)
{
    if (renameat2(AT_FDCWD, name, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return 0;
    return is_not_for_us(errno) ? link(name, path) : -1;
}

/* A name that nobody has: what came meanwhile is refused, where a plain rename would replace it. */
static enum err_code put_new(const char *name, const char *path, bool may_force, struct err *e)
{
    enum err_code code = ERR_OK;
    if (rename_to_new(name, path) != 0) {
        if (errno == EEXIST)
            return err_set(e, ERR_CONFLICT, "%s exists; %s", path, may_force ? over_it : never);
        if (is_not_for_us(errno))
            return err_set(
                e, ERR_IO,
                "back up to %s: its file system cannot name a file without replacing another (%s); give "
                "%sa place on another file system",
                path, strerror(errno), may_force ? "--force, or " : "");
        return system_error("back up to", path, e);
    }
    if ((code = sync_folder(path, e)))
        (void)unlink(path);
    return code;
}

/* Over the store's own files, by whatever name, a copy would lose what is in the log, or be spoiled by it. */
static enum err_code check_other_file(const struct stat *found, const char *path, const char *store,
                                      struct err *e)
{
    const char *suffix = sqlite_own_suffix(store, found);
    if (!suffix)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT, "%s is the store%s itself; give the backup another name", path,
                   *suffix ? "'s log" : "");
}

/* A log whose database is gone would be applied to what comes in its place. */
static enum err_code check_no_log(const char *path, struct err *e)
{
    char *name = sqlite_beside(path, "-wal");
    if (!name)
        return err_set(e, ERR_NOMEM, "no memory for a path");
    enum err_code code = ERR_OK;
    if (access(name, F_OK) == 0)
        code = err_set(e, ERR_CONFLICT, "%s exists, a log of another database; --force removes it", name);
    mem_free(name);
    return code;
}

/* Whether the copy may come to path: *file is its place without links, New, which a forced one replaces. */
static enum err_code find_place(const char *store, const char *path, bool force, char **file, struct err *e)
{
    struct sqlite_store place = {.path = (char *)path};
    struct stat found;
    enum err_code code = ERR_OK;
    bool there = stat(path, &found) == 0;
    *file = NULL;
    if (there)
        code = check_other_file(&found, path, store, e);
    if (!code && there && !force)
        code = err_set(e, ERR_CONFLICT, "%s exists; %s", path, over_it);
    if (!code && there && !S_ISREG(found.st_mode))
        code = err_set(e, ERR_CONFLICT, "%s is no regular file; give the backup another name", path);
    if (!code)
        code = sqlite_find_file(&place, e);
    if (!code && !force)
        code = check_no_log(place.file, e);
    if (!code && there)
        code = check_nobody_has("back up to", place.file, e);
    *file = place.file;
    return code;
}

enum err_code sqlite_backup_file(const char *store, const char *path, bool force, struct err *e)
{
    char *name = NULL, *file = NULL;
    enum err_code code = find_place(store, path, force, &file, e);
    if (!code)
        code = checked_copy_of_file(store, file, &name, e);
    if (!code)
        code = force ? replace("back up to", false, name, file, e) : put_new(name, file, true, e);
    if (name && (code || !force)) /* a forced one has been renamed */
        (void)unlink(name);
    mem_free(name);
    mem_free(file);
    return code;
}

static enum err_code refuse_impatience(struct err *e)
{
    err_clear(e);
    return err_set(e, ERR_DEADLINE, "the backup was ended, and nothing of it is left");
}

enum err_code sqlite_backup(struct store_conn *conn, const char *path, const struct store_patience *patience,
                            struct err *e)
{
    struct err why = {0};
    char *name = NULL;
    if (access(path, F_OK) == 0)
        return err_set(e, ERR_CONFLICT, "%s exists; %s", path, never);
    enum err_code code = checked_copy((struct sqlite_conn *)conn, path, patience, &name, &why);
    if (code && patience && patience->ended(patience->arg))
        return refuse_impatience(e);
    if (!code)
        code = put_new(name, path, false, &why);
    if (name)
        (void)unlink(name); /* it has two names now, or none that stays */
    mem_free(name);
    return code ? err_set(e, code, "%s", why.text) : ERR_OK;
}

/* ---- restoring ---- */

enum err_code sqlite_restore_file(const char *store, const char *from, struct err *e)
{
    struct sqlite_store place = {.path = (char *)store};
    char *name = NULL;
    enum err_code code = sqlite_find_file(&place, e); /* a link to the store stays one */
    if (!code)
        code = check_nobody_has("restore to", place.file, e);
    if (!code)
        code = checked_copy_of_file(from, place.file, &name, e);
    if (!code && (code = replace("restore to", true, name, place.file, e)))
        (void)unlink(name);
    mem_free(name);
    mem_free(place.file);
    return code;
}
