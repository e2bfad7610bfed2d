/* Backups by VACUUM INTO: one read transaction, so that others read and write meanwhile, and a compact copy. */
#include "store/sqlite_private.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

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
enum err_code sqlite_backup(struct store_conn *conn, const char *path, struct err *e)
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
