/* Whose log it is. SQLite finds a log by the name of the file, and nothing in either says that they belong
 * together: after a process was killed, what was committed last is in the log alone, and when another file is
 * moved over the store before the next start, the log is applied to that, which spoils it. So a log carries
 * in an extended attribute which inode its file is, and which it is itself, and is refused beside another
 * file.
 *
 * The attribute goes with the log: both renamed or moved together stay each other's. In a copy, by whatever
 * tool, the log is another file than the attribute says, and nothing is known of it; so it is where the file
 * system has no such attributes (tmpfs before Linux 6.6, NFS). */
#include "store/sqlite/private.h"

#include "base/mem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static const char attribute[] = "user.hypernet.log-of";

enum { MARK_BYTES = 128 };
#define MARK "log %ju of %ju born %jd.%u"
enum { LOG_HEADER_BYTES = 32 }; /* a log with no more than this holds nothing */

/* A file that was removed leaves its inode to the next one, so the time when it was born counts too, where it
 * is known. */
struct mark {
    uintmax_t log, of; /* inodes */
    intmax_t born_s;   /* 0: not known */
    unsigned born_ns;
};

struct log {
    char *name; /* freed by log_fini */
    int64_t n_bytes;
    struct mark mark; /* as it should be */
};

/* False: there is no log, or no memory, or no file. */
static bool log_init(struct log *l, const struct sqlite_store *s)
{
    struct statx of;
    struct stat own;
    l->name = sqlite_beside(s->file, "-wal");
    if (!l->name || stat(l->name, &own) != 0 ||
        statx(AT_FDCWD, s->file, 0, STATX_INO | STATX_BTIME, &of) != 0)
        return false;
    l->n_bytes = own.st_size;
    l->mark = (struct mark){.log = own.st_ino, .of = of.stx_ino};
    if (of.stx_mask & STATX_BTIME) {
        l->mark.born_s = of.stx_btime.tv_sec;
        l->mark.born_ns = of.stx_btime.tv_nsec;
    }
    return true;
}

static void log_fini(struct log *l)
{
    mem_free(l->name);
}

enum owner { UNKNOWN, OURS, ANOTHER };

static enum owner owner_of(const struct log *l)
{
    char text[MARK_BYTES];
    struct mark found, want = l->mark;
    ssize_t n = getxattr(l->name, attribute, text, sizeof text - 1);
    if (n <= 0)
        return UNKNOWN;
    text[n] = '\0';
    if (sscanf(text, MARK, &found.log, &found.of, &found.born_s, &found.born_ns) != 4 ||
        found.log != want.log)
        return UNKNOWN;
    bool born_alike =
        !found.born_s || !want.born_s || (found.born_s == want.born_s && found.born_ns == want.born_ns);
    return found.of == want.of && born_alike ? OURS : ANOTHER;
}

static void write_mark(const struct log *l)
{
    char text[MARK_BYTES];
    int n = snprintf(text, sizeof text, MARK, l->mark.log, l->mark.of, l->mark.born_s, l->mark.born_ns);
    (void)setxattr(l->name, attribute, text, (size_t)n, 0); /* where it cannot be, nothing is known later */
}

void sqlite_mark_log(const struct sqlite_store *s)
{
    struct log l = {0};
    if (!s->read_only && log_init(&l, s)) {
        enum owner owner = owner_of(&l);
        if (owner == UNKNOWN || (owner == ANOTHER && l.n_bytes <= LOG_HEADER_BYTES))
            write_mark(&l);
    }
    log_fini(&l);
}

enum err_code sqlite_check_log(const struct sqlite_store *s, struct err *e)
{
    struct log l = {0};
    enum err_code code = ERR_OK;
    if (log_init(&l, s) && l.n_bytes > LOG_HEADER_BYTES && owner_of(&l) == ANOTHER)
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
