/* A name is of the moment, so that the newest is the last of a list, and no caller says where anything is
 * written. */
#include "server/serving/backups.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err_code backups_check(const char *option, const char *folder, struct err *e)
{
    struct stat found;
    if (stat(folder, &found) == 0 && !S_ISDIR(found.st_mode))
        errno = ENOTDIR;
    else if (access(folder, W_OK | X_OK) == 0)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "%s %s: %s; it is to be a folder that can be written", option, folder,
                   strerror(errno));
}

static enum err_code make(const char *path, struct session *s, const struct store_patience *patience,
                          struct backup *out, struct err *e)
{
    struct stat found;
    int64_t begun_ns = clock_monotonic_ns();
    enum err_code code = store_backup(s->conn, path, patience, e);
    if (!code && stat(path, &found) != 0)
        code = file_error(e, path, "find");
    if (code)
        return code;
    out->bytes = found.st_size;
    out->ns = clock_monotonic_ns() - begun_ns;
    return ERR_OK;
}

enum err_code backups_make(struct backups *b, struct session *s, const struct store_patience *patience,
                           struct backup *out, struct err *e)
{
    char stamp[CLOCK_STAMP_BYTES];
    if (atomic_exchange(&b->running, true))
        return err_set(e, ERR_CONFLICT, "a backup is being made; ask again when it is done");
    clock_stamp(stamp);
    (void)snprintf(out->name, sizeof out->name, "hypernet-%s.db", stamp);
    char *path = file_in(b->folder, out->name);
    enum err_code code =
        path ? make(path, s, patience, out, e) : err_set(e, ERR_NOMEM, "no memory for a path");
    mem_free(path);
    atomic_store(&b->running, false);
    return code;
}
