/* The file is written beside its place and renamed into it: who opens PATH sees the old file or the new one,
 * also after a crash or on a full disk, and processes that have the old one mapped keep it.
 *
 * PATH.tmp is locked while it is written. Two writers of one PATH cannot mix their bytes then: the second is
 * refused (ERR_BUSY). The lock goes with the process, so what a killed writer left is simply written over. A
 * writer that opened PATH.tmp just before another renamed it holds the lock of a file that is PATH by now; it
 * must not touch it, which is why the inode is compared after locking. */
#include "engine/format/safetensors.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGNMENT = 8, MAX_HEADER_BYTES = 100 * 1000 * 1000 };

/* ---- the content ---- */

/* Wide types first: then every tensor begins at a multiple of its width, as the data begins at a multiple
 * of 8. */
static int by_width_and_name(const void *a, const void *b)
{
    const struct tensor_view *x = *(const struct tensor_view *const *)a,
                             *y = *(const struct tensor_view *const *)b;
    size_t x_width = dtype_bytes(x->dtype), y_width = dtype_bytes(y->dtype);
    if (x_width != y_width)
        return x_width > y_width ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* What the reader would refuse is not written. */
static enum err_code check_tensor(const struct tensor_view *t, struct err *e)
{
    size_t n_bytes = dtype_bytes(t->dtype);
    if (strcmp(t->name, "__metadata__") == 0)
        return err_set(e, ERR_INVALID, "a tensor cannot be called __metadata__");
    if (t->n_dims > LIMIT_TENSOR_DIMS)
        return err_set(e, ERR_INVALID, "tensor \"%s\": %zu dimensions, at most %d are allowed", t->name,
                       t->n_dims, LIMIT_TENSOR_DIMS);
    for (size_t i = 0; i < t->n_dims; i++)
        if (__builtin_mul_overflow(n_bytes, t->dims[i], &n_bytes))
            return err_set(e, ERR_INVALID, "tensor \"%s\": the product of its shape overflows", t->name);
    if (n_bytes != t->n_bytes)
        return err_set(e, ERR_INVALID, "tensor \"%s\": %zu bytes given, shape and dtype ask for %zu", t->name,
                       t->n_bytes, n_bytes);
    return ERR_OK;
}

/* Adds a JSON string; jansson checks that it is UTF-8. */
static enum err_code add_string(struct buf *out, const char *text, const char *what, struct err *e)
{
    json_t *checked = json_string(text);
    if (!checked)
        return err_set(e, ERR_INVALID, "%s is not UTF-8, or there is no memory for it", what);
    json_decref(checked);
    buf_add_json_string(out, text, strlen(text));
    return ERR_OK;
}

static enum err_code add_tensor(struct buf *out, const struct tensor_view *t, size_t *offset, struct err *e)
{
    size_t end;
    enum err_code code = check_tensor(t, e);
    if (code == ERR_OK)
        code = add_string(out, t->name, "a tensor's name", e);
    if (code != ERR_OK)
        return code;
    if (__builtin_add_overflow(*offset, t->n_bytes, &end) || end > SSIZE_MAX)
        return err_set(e, ERR_INVALID, "tensor \"%s\": the file would be too large", t->name);
    buf_addf(out, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(t->dtype));
    for (size_t i = 0; i < t->n_dims; i++)
        buf_addf(out, "%s%zu", i ? "," : "", t->dims[i]);
    buf_addf(out, "],\"data_offsets\":[%zu,%zu]}", *offset, end);
    *offset = end;
    return ERR_OK;
}

static enum err_code add_metadata(struct buf *out, const char *const *keys, const char *const *values,
                                  size_t n, struct err *e)
{
    enum err_code code = ERR_OK;
    buf_adds(out, "\"__metadata__\":{");
    for (size_t i = 0; i < n && code == ERR_OK; i++) {
        for (size_t j = 0; j < i; j++)
            if (strcmp(keys[i], keys[j]) == 0)
                return err_set(e, ERR_INVALID, "__metadata__: \"%s\" is given twice", keys[i]);
        buf_adds(out, i ? "," : "");
        code = add_string(out, keys[i], "a key of __metadata__", e);
        buf_addc(out, ':');
        if (code == ERR_OK)
            code = add_string(out, values[i], keys[i], e);
    }
    buf_addc(out, '}');
    return code;
}

/* Appends N and the padded JSON for tensors in their order. */
static enum err_code add_header(struct buf *out, const struct tensor_view *const *sorted, size_t n_tensors,
                                const char *const *keys, const char *const *values, size_t n_metadata,
                                struct err *e)
{
    size_t offset = 0;
    enum err_code code = ERR_OK;
    buf_add(out, "\0\0\0\0\0\0\0\0{", 9);
    if (n_metadata > 0)
        code = add_metadata(out, keys, values, n_metadata, e);
    for (size_t i = 0; i < n_tensors && code == ERR_OK; i++) {
        if (i > 0 && strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
            return err_set(e, ERR_INVALID, "tensor \"%s\" is given twice", sorted[i]->name);
        buf_adds(out, i || n_metadata ? "," : "");
        code = add_tensor(out, sorted[i], &offset, e);
    }
    buf_addc(out, '}');
    while (!out->failed && out->len % ALIGNMENT)
        buf_addc(out, ' ');
    if (code == ERR_OK)
        code = buf_check(out, "the header of a safetensors file", e);
    if (code == ERR_OK) {
        uint64_t n = out->len - sizeof n;
        memcpy(out->data, &n, sizeof n);
    }
    return code;
}

/* ---- the file ---- */

static enum err_code io_error(struct err *e, const char *path, const char *what)
{
    int number = errno;
    int full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    return err_set(e, full ? ERR_FULL : ERR_IO, "%s: cannot %s: %s", path, what, strerror(number));
}

/* Opens PATH.tmp, ours alone, empty. */
static enum err_code open_temporary(const char *path, int *out, struct err *e)
{
    for (;;) {
        struct stat opened, named;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0)
            return io_error(e, path, "create");
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            enum err_code code = errno == EWOULDBLOCK
                                     ? err_set(e, ERR_BUSY, "%s: another process is writing it", path)
                                     : io_error(e, path, "lock");
            (void)close(fd);
            return code;
        }
        if (fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_ino == named.st_ino &&
            opened.st_dev == named.st_dev) {
            if (ftruncate(fd, 0) == 0) {
                *out = fd;
                return ERR_OK;
            }
            enum err_code code = io_error(e, path, "empty");
            (void)close(fd);
            return code;
        }
        (void)close(fd); /* renamed between open and lock: the name is free again */
    }
}

static enum err_code write_all(int fd, const char *path, const void *bytes, size_t n, struct err *e)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t written = write(fd, p, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return io_error(e, path, "write");
        p += written;
        n -= (size_t)written;
    }
    return ERR_OK;
}

/* Makes the rename itself last: the folder's entry is on the disk when this returns. */
static enum err_code sync_folder(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 1;
    char *folder = mem_alloc(n + 1);
    if (!folder)
        return err_set(e, ERR_NOMEM, "%s: no memory to sync its folder", path);
    memcpy(folder, slash ? path : ".", n);
    folder[n] = '\0';
    enum err_code code = ERR_OK;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* A folder that may be written but not read, or a file system without fsync of folders: nothing can be
     * done. */
    if (fd >= 0) {
        if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
            code = io_error(e, folder, "sync");
        (void)close(fd);
    }
    mem_free(folder);
    return code;
}

static enum err_code write_file(const char *path, const char *temporary, const struct buf *header,
                                const struct tensor_view *const *sorted, size_t n_tensors, struct err *e)
{
    int fd = -1;
    enum err_code code = open_temporary(temporary, &fd, e);
    if (code != ERR_OK)
        return code;
    code = write_all(fd, temporary, header->data, header->len, e);
    for (size_t i = 0; i < n_tensors && code == ERR_OK; i++)
        code = write_all(fd, temporary, sorted[i]->data, sorted[i]->n_bytes, e);
    if (code == ERR_OK && fsync(fd) != 0)
        code = io_error(e, temporary, "sync");
    if (code == ERR_OK && rename(temporary, path) != 0)
        code = io_error(e, path, "replace");
    if (code != ERR_OK)
        (void)unlink(temporary); /* still locked, so it is ours */
    (void)close(fd);
    return code == ERR_OK ? sync_folder(path, e) : code;
}

enum err_code safetensors_write(const char *path, const struct tensor_view *tensors, size_t n_tensors,
                                const char *const *keys, const char *const *values, size_t n_metadata,
                                struct err *e)
{
    struct buf header, temporary;
    buf_init(&header, MAX_HEADER_BYTES);
    buf_init(&temporary, PATH_MAX);
    enum err_code code;
    const struct tensor_view **sorted = mem_alloc_array(n_tensors, sizeof *sorted);
    if (!sorted) {
        code = err_set(e, ERR_NOMEM, "%s: no memory for a table of %zu tensors", path, n_tensors);
        goto out;
    }
    for (size_t i = 0; i < n_tensors; i++)
        sorted[i] = &tensors[i];
    qsort(sorted, n_tensors, sizeof *sorted, by_width_and_name);
    code = add_header(&header, sorted, n_tensors, keys, values, n_metadata, e);
    if (code != ERR_OK)
        goto out;
    buf_addf(&temporary, "%s.tmp", path);
    (void)buf_text(&temporary);
    code = buf_check(&temporary, "the name of a temporary file", e);
    if (code == ERR_OK)
        code = write_file(path, temporary.data, &header, sorted, n_tensors, e);
out:
    buf_fini(&temporary);
    buf_fini(&header);
    mem_free(sorted);
    return code;
}
