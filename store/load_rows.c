/* A counting sort from one file to another: the system keeps both in memory while it has some, and writes
 * them out when not. */
#include "store/load_rows.h"

#include "base/mem.h"
#include "base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err_code fail(const char *path, int number, const char *what, struct err *e)
{
    if (number == ENOMEM)
        return err_set(e, ERR_NOMEM, "no memory for a file beside %s", path);
    bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    return err_set(e, full ? ERR_FULL : ERR_IO, "store %s: %s a file beside it: %s%s", path, what,
                   strerror(number), full ? "; free space on the disk and try again" : "");
}

/* A file without a name in the store's folder, or -1. */
static int nameless(const char *path, struct err *e)
{
    int fd = scratch_beside(path);
    if (fd < 0)
        (void)fail(path, errno, "cannot make", e);
    return fd;
}

enum err_code load_rows_init(struct load_rows *r, const char *path, struct err *e)
{
    *r = (struct load_rows){.path = path};
    struct err why = {0};
    int fd = nameless(path, &why);
    if (fd < 0)
        return err_set(e, why.code, "%s", why.text);
    r->file = fdopen(fd, "w+b");
    if (r->file)
        return ERR_OK;
    (void)close(fd);
    return err_set(e, ERR_NOMEM, "no memory for a file");
}

static void unmap(struct load_rows *r)
{
    if (r->at && r->n)
        (void)munmap((void *)r->at, r->n * sizeof *r->at);
    r->at = NULL;
}

void load_rows_fini(struct load_rows *r)
{
    unmap(r);
    if (r->file)
        (void)fclose(r->file);
    *r = (struct load_rows){0};
}

enum err_code load_rows_add(struct load_rows *r, const struct load_row *row, struct err *e)
{
    if (fwrite(row, sizeof *row, 1, r->file) != 1)
        return fail(r->path, errno, "cannot write", e);
    r->n++;
    return ERR_OK;
}

enum err_code load_rows_read(struct load_rows *r, struct err *e)
{
    if (fflush(r->file))
        return fail(r->path, errno, "cannot write", e);
    if (!r->n)
        return ERR_OK;
    void *at = mmap(NULL, r->n * sizeof *r->at, PROT_READ, MAP_SHARED, fileno(r->file), 0);
    if (at == MAP_FAILED)
        return fail(r->path, errno, "cannot read", e);
    r->at = at;
    return ERR_OK;
}

struct row_key {
    uint64_t pair; /* user and item */
    int32_t kind;
};

static int by_row_key(const void *a, const void *b)
{
    const struct row_key *x = a, *y = b;
    int order = (x->pair > y->pair) - (x->pair < y->pair);
    return order ? order : (x->kind > y->kind) - (x->kind < y->kind);
}

enum err_code load_rows_repeated(const struct load_rows *r, int64_t *out, struct err *e)
{
    *out = 0;
    if (r->n < 2)
        return ERR_OK;
    struct row_key *keys = mem_alloc_array(r->n, sizeof *keys); /* (n) */
    if (!keys)
        return err_set(e, ERR_NOMEM, "no memory to compare %zu interactions", r->n);
    for (size_t i = 0; i < r->n; i++)
        keys[i] = (struct row_key){(uint64_t)r->at[i].user << 32 | r->at[i].item, r->at[i].is.kind};
    qsort(keys, r->n, sizeof *keys, by_row_key);
    for (size_t i = 1; i < r->n; i++)
        *out += by_row_key(&keys[i], &keys[i - 1]) == 0;
    mem_free(keys);
    return ERR_OK;
}

enum err_code load_rows_by_user(struct load_rows *r, size_t n_users, size_t *start, struct err *e)
{
    struct err why = {0};
    size_t n_bytes = r->n * sizeof *r->at;
    memset(start, 0, (n_users + 1) * sizeof *start);
    if (!r->n)
        return ERR_OK;
    int fd = nameless(r->path, &why);
    if (fd < 0)
        return err_set(e, why.code, "%s", why.text);
    int number = posix_fallocate(fd, 0, (off_t)n_bytes); /* a full disk is told now, and not by a signal */
    void *at = number ? MAP_FAILED : mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        number = number ? number : errno;
        (void)close(fd);
        return fail(r->path, number, "cannot write", e);
    }
    (void)close(fd);
    struct load_row *sorted = at;
    for (size_t i = 0; i < r->n; i++)
        start[r->at[i].user + 1]++;
    for (size_t u = 0; u < n_users; u++)
        start[u + 1] += start[u];
    for (size_t i = 0; i < r->n; i++)
        sorted[start[r->at[i].user]++] = r->at[i];
    memmove(start + 1, start, n_users * sizeof *start); /* each start has moved to its end */
    start[0] = 0;
    unmap(r);
    r->at = sorted;
    return ERR_OK;
}
