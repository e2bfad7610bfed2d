/* What a file is, is told from its first bytes. Whoever means to replace something that is refused can move
 * it away. */
#include "server/data/output_file.h"

#include "base/mem.h"
#include "engine/format/file_kind.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096 };

struct head {
    unsigned char bytes[HEAD_BYTES]; /* (n) the beginning */
    size_t n;
    off_t file_bytes;
};

static bool same_stat(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool output_file_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && same_stat(&x, &y);
}

/* An input is a file or a store, which has files beside it. */
static bool is_input(const char *path, const char *input)
{
    return strcmp(path, input) == 0 || output_file_same(path, input) || store_owns_file(input, path);
}

/* Not ERR_OK: errno says why. */
static enum err_code read_head(const char *path, struct head *h)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : 1;
    for (h->n = 0; got > 0 && h->n<sizeof h->bytes; h->n += got> 0 ? (size_t)got : 0)
        while ((got = read(fd, h->bytes + h->n, sizeof h->bytes - h->n)) < 0 && errno == EINTR)
            ;
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = error;
    return got < 0 ? ERR_IO : ERR_OK;
}

/* The format's beginning: the length of a header, little-endian, and a header that is a JSON object. */
static bool is_model(const struct head *h)
{
    enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100 * 1000 * 1000 };
    uint64_t length = 0;
    if (h->n <= LENGTH_BYTES || h->bytes[LENGTH_BYTES] != '{')
        return false;
    for (size_t i = LENGTH_BYTES; i-- > 0;)
        length = length << 8 | h->bytes[i];
    return length >= 2 && length <= MAX_HEADER_BYTES;
}

/* A database whose header has our mark, or of one page: the mark of one that was just made may be in its log
 * yet. */
static bool is_store(const struct head *h)
{
    enum { PAGE_BYTES_AT = 16, MARK_AT = 68, MAX_PAGE_BYTES = 65536 };
    if (h->n < MARK_AT + 4)
        return false;
    off_t page = h->bytes[PAGE_BYTES_AT] << 8 | h->bytes[PAGE_BYTES_AT + 1];
    return memcmp(h->bytes + MARK_AT, "hynt", 4) == 0 || h->file_bytes <= (page == 1 ? MAX_PAGE_BYTES : page);
}

static bool begins(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

/* *kind: what stands behind "it is ". */
static bool may_replace(enum output_over over, const struct head *h, const char **kind)
{
    bool model = is_model(h);
    const char *looks = model ? "a model file" : file_kind_of(h->bytes, h->n);
    *kind = looks ? looks : "no model file";
    if (h->n == 0)
        return true;
    if (over == OUTPUT_OVER_MODEL)
        return model;
    if (over == OUTPUT_OVER_TEXT)
        return !model && !begins(looks, "an SQLite");
    if (!begins(looks, "an SQLite database"))
        return !looks || begins(looks, "full of zeros");
    *kind = "an SQLite database of another program";
    return is_store(h);
}

static enum err_code check_kind(const char *option, const char *path, enum output_over over,
                                const struct stat *found, struct err *e)
{
    struct head h = {.file_bytes = found->st_size};
    const char *kind = "no regular file";
    if (!S_ISREG(found->st_mode) && over == OUTPUT_OVER_TEXT)
        return ERR_OK;
    if (S_ISREG(found->st_mode) && read_head(path, &h)) {
        if (over == OUTPUT_OVER_TEXT && errno == EACCES) /* who writes a log need not be able to read it */
            return ERR_OK;
        return err_set(e, ERR_IO, "%s %s: cannot see what is there: %s", option, path, strerror(errno));
    }
    if (S_ISREG(found->st_mode) && may_replace(over, &h, &kind))
        return ERR_OK;
    return err_set(e, ERR_CONFLICT, "%s %s: it exists and is %.*s; name another file, or move that one away",
                   option, path, (int)strcspn(kind, ";"), kind);
}

enum err_code output_file_check(const char *option, const char *path, enum output_over over,
                                const struct output_input *inputs, size_t n, struct err *e)
{
    struct stat found;
    for (size_t i = 0; i < n; i++)
        if (inputs[i].path && is_input(path, inputs[i].path))
            return err_set(e, ERR_CONFLICT, "%s %s: it is the file of %s %s; name another file", option, path,
                           inputs[i].option, inputs[i].path);
    if (stat(path, &found) == 0)
        return check_kind(option, path, over, &found, e);
    return ERR_OK; /* what else is wrong with the place, who writes there says */
}

enum err_code output_file_check_folder(const char *option, const char *path, struct err *e)
{
    struct stat found;
    const char *slash = strrchr(path, '/');
    char *folder = mem_strdup(path);
    if (!folder)
        return err_set(e, ERR_NOMEM, "no memory for a path");
    if (slash)
        folder[slash == path ? 1 : slash - path] = '\0';
    enum err_code code = ERR_OK;
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        code = err_set(e, ERR_INVALID, "%s %s is a folder; it takes a file", option, path);
    else if (access(slash ? folder : ".", W_OK | X_OK) != 0)
        code = err_set(e, ERR_IO, "%s %s: cannot write there: %s", option, path, strerror(errno));
    mem_free(folder);
    return code;
}
