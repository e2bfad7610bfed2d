/* The file of a store: how it is opened, what it may be read as, and who may read it.
 *
 * Who only reads changes nothing, not even beside the file. SQLite needs an index of the log (-shm) to read a
 * file in WAL mode, and makes one where there is none:
 *   - where the file and its folder can be written, it does so and takes it away again at the end, if it came
 *     first and found no log; a log that a killed process left behind is read where it lies and stays
 *     (SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE);
 *   - where they cannot be written but there is a log or an index, somebody writes or wrote: SQLite reads
 *     both as they are;
 *   - where they cannot be written and there is neither, nobody has the store open, and all of it is in the
 *     file. It is then read as a file that does not change (immutable=1): nothing is made and nothing is
 *     locked. With a log that has bytes in it this would miss what was committed last, or read half of a
 *     checkpoint, so it is never done then. A process of somebody who may write there, started meanwhile,
 *     would not be waited for: a command that reads for minutes should read a copy. */
#include "store/sqlite/private.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ---- */

char *sqlite_beside(const char *path, const char *suffix)
{
    size_t n = strlen(path) + strlen(suffix) + 1;
    char *name = mem_alloc(n);
    if (name)
        (void)snprintf(name, n, "%s%s", path, suffix);
    return name;
}

const char *const sqlite_own_suffixes[SQLITE_OWN_FILES] = {"", "-wal", "-shm", "-journal"};

const char *sqlite_own_suffix(const char *path, const struct stat *found)
{
    enum { SUFFIX_BYTES = sizeof "-journal" };
    char resolved[PATH_MAX], name[PATH_MAX + SUFFIX_BYTES];
    struct stat own;
    const char *file = realpath(path, resolved);
    for (size_t i = 0; i < SQLITE_OWN_FILES; i++) {
        (void)snprintf(name, sizeof name, "%s%s", file ? file : path, sqlite_own_suffixes[i]);
        if (stat(name, &own) == 0 && own.st_dev == found->st_dev && own.st_ino == found->st_ino)
            return sqlite_own_suffixes[i];
    }
    return NULL;
}

bool sqlite_owns_file(const char *store, const char *path)
{
    struct stat found;
    size_t n = strlen(store);
    for (size_t i = 0; strncmp(store, path, n) == 0 && i < SQLITE_OWN_FILES; i++)
        if (strcmp(path + n, sqlite_own_suffixes[i]) == 0)
            return true; /* also where it is not there yet */
    return stat(path, &found) == 0 && sqlite_own_suffix(store, &found);
}

/* The bytes of the file beside the store's, -1 when there is none. */
static enum err_code size_beside(const char *path, const char *suffix, int64_t *n_bytes, struct err *e)
{
    struct stat found;
    char *name = sqlite_beside(path, suffix);
    if (!name)
        return err_set(e, ERR_NOMEM, "no memory for a path");
    *n_bytes = stat(name, &found) == 0 ? (int64_t)found.st_size : -1;
    mem_free(name);
    return ERR_OK;
}

static enum err_code folder_writable(const char *path, bool *writable, struct err *e)
{
    char *copy = mem_strdup(path);
    if (!copy)
        return err_set(e, ERR_NOMEM, "no memory for a path");
    *writable = access(dirname(copy), W_OK | X_OK) == 0;
    mem_free(copy);
    return ERR_OK;
}

/* The path as a URI that says that the file does not change. */
static enum err_code make_uri(struct sqlite_store *s, struct err *e)
{
    struct buf uri;
    buf_init(&uri, (size_t)4 * PATH_MAX);
    buf_adds(&uri, "file:");
    for (const char *at = s->file; *at; at++)
        if (strchr("%?#", *at))
            buf_addf(&uri, "%%%02X", (unsigned)(unsigned char)*at);
        else
            buf_addc(&uri, *at);
    buf_adds(&uri, "?immutable=1");
    s->uri = buf_steal(&uri, NULL);
    return s->uri ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for a path");
}

enum err_code sqlite_find_file(struct sqlite_store *s, struct err *e)
{
    char resolved[PATH_MAX];
    const char *file = realpath(s->path, resolved);
    s->file = mem_strdup(
        file ? file : s->path); /* what cannot be resolved cannot be opened either, which says why */
    return s->file ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for a path");
}

/* ---- opening ---- */

enum err_code sqlite_choose_reading(struct sqlite_store *s, struct err *e)
{
    int64_t log_bytes = -1, index_bytes = -1;
    bool writable = false;
    enum err_code code = size_beside(s->file, "-wal", &log_bytes, e);
    if (!code)
        code = size_beside(s->file, "-shm", &index_bytes, e);
    if (!code)
        code = folder_writable(s->file, &writable, e);
    if (code)
        return code;
    s->reading = !writable || access(s->path, W_OK) != 0 ? READING_AS_IT_IS
                 : log_bytes > 0                         ? READING_LEAVES_LOG
                                                         : READING_TIDIES;
    if (s->reading == READING_AS_IT_IS && log_bytes <= 0 && index_bytes < 0)
        return make_uri(s, e);
    return ERR_OK;
}

int sqlite_open_handle(struct sqlite_conn *c, int flags)
{
    const struct sqlite_store *s = c->store;
    bool as_it_is = s->read_only && s->reading == READING_AS_IT_IS;
    flags |= SQLITE_OPEN_NOMUTEX | (as_it_is ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    int rc = sqlite3_open_v2(s->uri ? s->uri : s->path, &c->db, flags | (s->uri ? SQLITE_OPEN_URI : 0), NULL);
    if (rc == SQLITE_OK && s->read_only && s->reading == READING_LEAVES_LOG)
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return rc;
}

enum err_code sqlite_make_file(const char *path, bool *made, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    *made = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        return ERR_OK;
    if (fd < 0)
        return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "store %s: make it: %s", path,
                       strerror(errno));
    enum err_code code = fchmod(fd, S_IRUSR | S_IWUSR) == 0 /* a umask takes away more than is wanted */
                             ? ERR_OK
                             : err_set(e, ERR_IO, "store %s: make it: %s", path, strerror(errno));
    (void)close(fd);
    return code;
}

enum err_code sqlite_take_file(const char *what, const char *path, int *fd, struct err *e)
{
    enum { PENDING_BYTE = 0x40000000, LOCK_BYTES = 512 };
    struct flock all = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = PENDING_BYTE, .l_len = LOCK_BYTES};
    *fd = open(path, O_RDWR | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT)
        return ERR_OK;
    if (*fd >= 0 && fcntl(*fd, F_SETLK, &all) == 0)
        return ERR_OK;
    int error = errno;
    bool taken = *fd >= 0 && (error == EAGAIN || error == EACCES);
    if (*fd >= 0)
        (void)close(*fd);
    if (taken)
        return err_set(e, ERR_BUSY, "store %s: a server or another command has it open; stop it first", path);
    return err_set(e, error == ENOSPC ? ERR_FULL : ERR_IO, "%s %s: %s", what, path, strerror(error));
}
