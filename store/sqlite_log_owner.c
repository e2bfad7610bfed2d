/* Whose log it is. SQLite finds a log by the name of the file, and nothing in either says that they belong together: after a process
 * was killed, what was committed last is in the log alone, and when another file is moved over the store before the next start, the
 * log is applied to that, which spoils it. So a log carries in an extended attribute which inode its file is, and which it is itself, and is
 * refused beside another file.
 *
 * The attribute goes with the log: both renamed or moved together stay each other's. In a copy, by whatever tool, the log is another
 * file than the attribute says, and nothing is known of it; so it is where the file system has no such attributes (tmpfs before
 * Linux 6.6, NFS). */
#include "store/sqlite_private.h"

#include "base/mem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static const char attribute[] = "user.hypernet.log-of";

enum { MARK_BYTES = 128 };
enum { LOG_HEADER_BYTES = 32 }; /* a log with no more than this holds nothing */

struct log {
    char *name; /* freed by log_fini */
    struct stat own;
    char mark[MARK_BYTES]; /* as it would be: of its file, and of the log */
};

/* False: there is no log, or no memory, or no file. A file that was removed leaves its inode to the next one, so the time when it was
 * born counts too, where it is known. */
static bool log_init(struct log *l, const struct sqlite_store *s)
{
    struct statx of;
    l->name = sqlite_beside(s->file, "-wal");
    if (!l->name || stat(l->name, &l->own) != 0 ||
        statx(AT_FDCWD, s->file, 0, STATX_INO | STATX_BTIME, &of) != 0)
        return false;
    bool born = of.stx_mask & STATX_BTIME;
    (void)snprintf(l->mark, sizeof l->mark, "log %ju of %ju born %jd.%09u", (uintmax_t)l->own.st_ino,
                   (uintmax_t)of.stx_ino, born ? (intmax_t)of.stx_btime.tv_sec : 0,
                   born ? of.stx_btime.tv_nsec : 0);
    return true;
}

static void log_fini(struct log *l)
{
    mem_free(l->name);
}

enum owner { UNKNOWN, OURS, ANOTHER };

static enum owner owner_of(const struct log *l)
{
    char found[MARK_BYTES];
    uintmax_t own;
    ssize_t n = getxattr(l->name, attribute, found, sizeof found - 1);
    if (n <= 0)
        return UNKNOWN;
    found[n] = '\0';
    if (sscanf(found, "log %ju", &own) != 1 || own != l->own.st_ino)
        return UNKNOWN;
    return strcmp(found, l->mark) == 0 ? OURS : ANOTHER;
}

void sqlite_mark_log(const struct sqlite_store *s)
{
    struct log l = {0};
    if (!s->read_only && log_init(&l, s)) {
        enum owner owner = owner_of(&l);
        if (owner == UNKNOWN || (owner == ANOTHER && l.own.st_size <= LOG_HEADER_BYTES))
            (void)setxattr(l.name, attribute, l.mark, strlen(l.mark), 0);
    }
    log_fini(&l);
}

enum err_code sqlite_check_log(const struct sqlite_store *s, struct err *e)
{
    struct log l = {0};
    enum err_code code = ERR_OK;
    if (log_init(&l, s) && l.own.st_size > LOG_HEADER_BYTES && owner_of(&l) == ANOTHER)
        code = err_set(e, ERR_CONFLICT,
                       "store %s: the log beside it, %s, is of another file that lay here before, and would "
                       "spoil this one. "
                       "`hypernet restore --store %s --from FILE` puts a file here without it; or move the "
                       "log away, with "
                       "what only the log has of the other file's newest writes; or put that file back",
                       s->path, l.name, s->path);
    log_fini(&l);
    return code;
}
