/* A mapping shows what becomes of its file: who writes into a model that is served would change its numbers
 * and its offsets under the feet of every check that was made, and who cuts it short would kill the readers
 * (SIGBUS). So a file is mapped only under a read lease: the kernel lets whoever opens it for writing or cuts
 * it wait until the lease is given back, and that is done when the bytes have been copied. The copy is moved
 * over the mapping in one step, so that readers, who hold pointers into it, see the same bytes before, during
 * and after. A file that is replaced by another (rename) stays as it is without that.
 *
 * A lease needs a file of the process's own user that nobody has open for writing, on a file system that all
 * writers reach through this kernel. Where that is not so the file is copied when it is opened; it takes its
 * size of memory, which other processes do not share. */
#include "engine/format/file_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/* File systems of one machine; of others (NFS, SMB, FUSE, 9p) the kernel does not know all writers. */
static bool is_local(int fd)
{
    static const unsigned long types[] = {
        0xEF53 /* ext2 to ext4 */, 0x58465342 /* xfs */,
        0x9123683E /* btrfs */,    0x01021994 /* tmpfs */,
        0xF2F52010 /* f2fs */,     0x2FC12FC1 /* zfs */,
        0xCA451A4E /* bcachefs */, 0x794C7630 /* overlay: a container's own */,
    };
    struct statfs fs;
    for (size_t i = 0; fstatfs(fd, &fs) == 0 && i < sizeof types / sizeof *types; i++)
        if ((unsigned long)fs.f_type == types[i])
            return true;
    return false;
}

static void *new_pages(size_t n, struct err *e)
{
    void *pages = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages != MAP_FAILED)
        return pages;
    (void)err_set(e, ERR_NOMEM, "no memory for its %zu bytes", n);
    return NULL;
}

/* The n bytes of the file on pages of their own, read-only. */
static enum err_code copy(int fd, size_t n, void **out, struct err *e)
{
    char *pages = new_pages(n, e);
    if (!pages)
        return ERR_NOMEM;
    for (size_t have = 0; have < n;) {
        ssize_t got = pread(fd, pages + have, n - have, (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            enum err_code code =
                err_set(e, ERR_IO, "cannot read: %s", got ? strerror(errno) : "it became shorter meanwhile");
            (void)munmap(pages, n);
            return code;
        }
        have += (size_t)got;
    }
    (void)mprotect(pages, n, PROT_READ);
    *out = pages;
    return ERR_OK;
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static enum err_code copy_unchanged(int fd, const struct stat *before, void **out, struct err *e)
{
    struct stat after;
    enum err_code code = copy(fd, (size_t)before->st_size, out, e);
    if (code || (fstat(fd, &after) == 0 && same(before, &after)))
        return code;
    (void)munmap(*out, (size_t)before->st_size);
    return err_set(e, ERR_IO,
                   "it was written to while it was read; write a model to another name and rename it");
}

static enum err_code open_regular(const char *path, int *fd, struct stat *st, struct err *e)
{
    /* O_NONBLOCK so that a pipe is refused below and not waited for. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return err_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "cannot open: %s", strerror(errno));
    if (fstat(*fd, st) != 0)
        return err_set(e, ERR_IO, "cannot read its size: %s", strerror(errno));
    if (S_ISDIR(st->st_mode))
        return err_set(e, ERR_IO, "it is a folder, not a regular file: give the model file itself");
    return S_ISREG(st->st_mode) ? ERR_OK : err_set(e, ERR_IO, "it is not a regular file");
}

enum err_code file_bytes_open(const char *path, bool share, struct file_bytes *out, struct err *e)
{
    struct stat st;
    void *bytes = NULL;
    int fd;
    enum err_code code = open_regular(path, &fd, &st, e);
    bool leased = !code && share && is_local(fd) && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
    if (leased && fstat(fd, &st) != 0) /* from here on its size stays */
        code = err_set(e, ERR_IO, "cannot read its size: %s", strerror(errno));
    if (!code && st.st_size > 0 && !leased)
        code = copy_unchanged(fd, &st, &bytes, e);
    else if (!code && st.st_size > 0) {
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED)
            code = err_set(e, errno == ENOMEM ? ERR_NOMEM : ERR_IO, "cannot map: %s", strerror(errno));
    }
    if (fd >= 0 && (code || !leased))
        (void)close(fd); /* the lease ends with it */
    if (!code)
        *out = (struct file_bytes){bytes, (size_t)st.st_size, leased ? fd : -1};
    return code;
}

enum err_code file_bytes_settle(struct file_bytes *b, bool *settled, struct err *e)
{
    void *pages = NULL;
    *settled = false;
    if (b->lease < 0 || fcntl(b->lease, F_GETLEASE) == F_RDLCK)
        return ERR_OK;
    enum err_code code = b->n_bytes ? copy(b->lease, b->n_bytes, &pages, e) : ERR_OK;
    if (code)
        return code;
    if (pages && mremap(pages, b->n_bytes, b->n_bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                        (void *)(uintptr_t)b->bytes) == MAP_FAILED) {
        code = err_set(e, ERR_NOMEM, "its copy cannot take its place: %s", strerror(errno));
        (void)munmap(pages, b->n_bytes);
        return code;
    }
    (void)fcntl(b->lease, F_SETLEASE, F_UNLCK);
    (void)close(b->lease);
    b->lease = -1;
    *settled = true;
    return ERR_OK;
}

void file_bytes_close(struct file_bytes *b)
{
    if (b->bytes)
        (void)munmap((void *)(uintptr_t)b->bytes, b->n_bytes);
    if (b->lease >= 0)
        (void)close(b->lease);
    *b = (struct file_bytes){.lease = -1};
}
