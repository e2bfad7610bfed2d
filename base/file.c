/* The lock goes with the process, so that what a killed writer left is simply written over. A writer that
 * opened the part just before another renamed it holds the lock of a file that has its place by now; it must
 * not touch it, which is why the inode is compared after locking.
 *
 * A part that its owner alone may read is made anew: one that is there may have been made by who may not. */
#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum err_code file_code(int number)
{
    bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    return full ? ERR_FULL : number == ENOMEM ? ERR_NOMEM : ERR_IO;
}

enum err_code file_error(struct err *e, const char *path, const char *what)
{
    int number = errno;
    return err_set(e, file_code(number), "%s: cannot %s: %s", path, what, strerror(number));
}

static char *name_of(const char *first, const char *between, const char *last)
{
    size_t n = strlen(first) + strlen(between) + strlen(last) + 1;
    char *name = mem_alloc(n);
    if (name)
        (void)snprintf(name, n, "%s%s%s", first, between, last);
    return name;
}

char *file_beside(const char *path, const char *suffix)
{
    return name_of(path, "", suffix);
}

char *file_in(const char *folder, const char *name)
{
    return name_of(folder, "/", name);
}

/* Whether the open file is what has this name. */
static bool has_name(int fd, const char *name)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && lstat(name, &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

static enum err_code refuse_busy(const struct file_out *f, struct err *e)
{
    return err_set(e, ERR_BUSY, "%s: another process is writing it", f->part);
}

/* Removes what lies in the part's place, whatever it is, unless somebody writes it. */
static enum err_code remove_left(const struct file_out *f, struct err *e)
{
    int fd = open(f->part, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    bool busy = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    enum err_code code = ERR_OK;
    if (busy)
        code = refuse_busy(f, e);
    else if (unlink(f->part) != 0 && errno != ENOENT)
        code = file_error(e, f->part, "remove");
    if (fd >= 0)
        (void)close(fd);
    return code;
}

/* Opens the part, or leaves fd at -1 with ERR_OK where it is to be tried again. */
static enum err_code try_open(struct file_out *f, enum file_access access, struct err *e)
{
    bool private = access == FILE_PRIVATE;
    int fd = open(f->part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (private ? O_EXCL : 0),
                  private ? 0600 : 0666);
    if (fd < 0 && private && errno == EEXIST)
        return remove_left(f, e);
    if (fd < 0)
        return file_error(e, f->part, "create");
    enum err_code code = ERR_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        code = errno == EWOULDBLOCK ? refuse_busy(f, e) : file_error(e, f->part, "lock");
    else if (has_name(fd, f->part))
        f->fd = fd;
    if (f->fd < 0)
        (void)close(fd); /* not ours, or renamed between open and lock: the name is free again */
    else if (ftruncate(fd, 0) != 0)
        code = file_error(e, f->part, "empty");
    return code;
}

/* A rename would put a file in the place of a device or a pipe; where root does it, for the whole machine. */
static enum err_code check_place(const char *path, struct err *e)
{
    struct stat there;
    if (stat(path, &there) != 0 || S_ISREG(there.st_mode))
        return ERR_OK;
    return err_set(e, ERR_IO, "%s: is %s, which no file may replace; name a file", path,
                   S_ISDIR(there.st_mode) ? "a folder" : "a device or a pipe");
}

enum err_code file_out_open(struct file_out *f, const char *path, const char *suffix, enum file_access access,
                            struct err *e)
{
    *f = (struct file_out){.path = mem_strdup(path), .part = file_beside(path, suffix), .fd = -1};
    if (!f->path || !f->part)
        return err_set(e, ERR_NOMEM, "%s: no memory for the name of its part", path);
    enum err_code code = check_place(path, e);
    while (!code && f->fd < 0)
        code = try_open(f, access, e);
    return code;
}

enum err_code file_out_write(struct file_out *f, const void *bytes, size_t n, struct err *e)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t written = write(f->fd, p, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return file_error(e, f->part, "write");
        p += written;
        n -= (size_t)written;
    }
    return ERR_OK;
}

enum err_code file_out_stream(struct file_out *f, FILE **out, struct err *e)
{
    if (!f->stream)
        f->stream = fdopen(f->fd, "w");
    *out = f->stream;
    return f->stream ? ERR_OK : err_set(e, ERR_NOMEM, "%s: no memory to write it", f->part);
}

enum err_code file_out_sync(struct file_out *f, struct err *e)
{
    if (f->stream && (fflush(f->stream) || ferror(f->stream)))
        return file_error(e, f->part, "write");
    return fsync(f->fd) == 0 ? ERR_OK : file_error(e, f->part, "sync");
}

/* *fd: the folder of a path; -1: it may be written but not read, and nothing can be done. */
static enum err_code open_folder(const char *path, int *fd, struct err *e)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 1;
    char *folder = mem_alloc(n + 1);
    if (!folder)
        return err_set(e, ERR_NOMEM, "%s: no memory to sync its folder", path);
    memcpy(folder, slash ? path : ".", n);
    folder[n] = '\0';
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(folder);
    return ERR_OK;
}

/* Makes the rename itself last: the folder's entry is on the disk when this returns. Where the file system
 * has no fsync of folders nothing can be done. */
static enum err_code sync_folder(int fd, const char *path, struct err *e)
{
    if (fd < 0 || fsync(fd) == 0 || errno == EINVAL || errno == EROFS)
        return ERR_OK;
    return file_error(e, path, "sync the folder of");
}

static void close_file(struct file_out *f)
{
    if (f->stream)
        (void)fclose(f->stream); /* its errors were found by file_out_sync, or the part goes */
    else
        (void)close(f->fd);
    f->stream = NULL;
    f->fd = -1;
}

enum err_code file_out_replace(struct file_out *f, struct err *e)
{
    int folder = -1; /* opened before: what is in its place already must not fail for want of memory */
    enum err_code code = file_out_sync(f, e);
    if (!code)
        code = open_folder(f->path, &folder, e);
    if (!code && rename(f->part, f->path) != 0)
        code = file_error(e, f->path, "replace");
    if (!code) {
        close_file(f);
        code = sync_folder(folder, f->path, e);
    }
    if (folder >= 0)
        (void)close(folder);
    return code;
}

void file_out_fini(struct file_out *f)
{
    if (f->part && f->fd >= 0) {
        (void)unlink(f->part); /* still locked, so it is ours */
        close_file(f);
    }
    mem_free(f->path);
    mem_free(f->part);
    *f = (struct file_out){.fd = -1};
}
