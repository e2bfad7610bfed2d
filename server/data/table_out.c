/* zlib writes to a descriptor of its own; a stream in front of it keeps every writer of rows unaware. */
#include "server/data/table_out.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { BUFFER_BYTES = 1 << 16 };

void table_out_init(struct table_out *t)
{
    *t = (struct table_out){.file.fd = -1};
}

static ssize_t pack(void *cookie, const char *bytes, size_t n)
{
    errno = 0;
    int written = gzwrite(cookie, bytes, (unsigned)(n > BUFFER_BYTES ? BUFFER_BYTES : n));
    if (written <= 0 && !errno)
        errno = EIO;
    return written > 0 ? written : 0; /* 0 is the error of a stream's writer */
}

static int end_pack(void *cookie)
{
    errno = 0;
    int status = gzclose_w(cookie);
    if (status != Z_OK && !errno)
        errno = EIO;
    return status == Z_OK ? 0 : -1;
}

/* A stream that compresses into the file. The descriptor is a second one, for zlib closes what it has. */
static enum err_code open_packed(struct table_out *t, struct err *e)
{
    int fd = dup(t->file.fd);
    gzFile gz = fd >= 0 ? gzdopen(fd, "wb") : NULL;
    if (!gz) {
        if (fd >= 0)
            (void)close(fd);
        return err_set(e, ERR_NOMEM, "%s: no memory to compress it", t->file.part);
    }
    t->packed = fopencookie(gz, "w", (cookie_io_functions_t){.write = pack, .close = end_pack});
    if (!t->packed) {
        (void)gzclose_w(gz);
        return err_set(e, ERR_NOMEM, "%s: no memory to compress it", t->file.part);
    }
    (void)setvbuf(t->packed, NULL, _IOFBF, BUFFER_BYTES);
    t->stream = t->packed;
    return ERR_OK;
}

static bool is_packed(const char *path)
{
    size_t n = strlen(path);
    return n > 3 && strcmp(path + n - 3, ".gz") == 0;
}

enum err_code table_out_open(struct table_out *t, const char *path, struct err *e)
{
    table_out_init(t);
    if (!path)
        return ERR_OK;
    if (strcmp(path, "-") == 0) {
        t->stream = stdout;
        return ERR_OK;
    }
    enum err_code code = file_out_open(&t->file, path, PART_SUFFIX, FILE_PRIVATE, e);
    if (code)
        return code;
    return is_packed(path) ? open_packed(t, e) : file_out_stream(&t->file, &t->stream, e);
}

static enum err_code refuse(struct err *e)
{
    int reason = errno;
    return err_set(e, file_code(reason), "a table cannot be written: %s", strerror(reason));
}

enum err_code table_out_write(FILE *stream, const void *bytes, size_t n, struct err *e)
{
    return fwrite(bytes, 1, n, stream) == n ? ERR_OK : refuse(e);
}

/* The last of it reaches the file when the stream is closed. */
static enum err_code end_packed(struct table_out *t, struct err *e)
{
    FILE *packed = t->packed;
    t->packed = NULL;
    t->stream = NULL;
    return fclose(packed) == 0 ? ERR_OK : refuse(e);
}

static bool is_file(const struct table_out *t)
{
    return t->file.fd >= 0;
}

enum err_code table_outs_end(struct table_out *tables, size_t n, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++)
        if (tables[i].packed)
            code = end_packed(&tables[i], e);
    for (size_t i = 0; i < n && !code; i++)
        if (is_file(&tables[i]))
            code = file_out_sync(&tables[i].file, e);
    for (size_t i = 0; i < n && !code; i++)
        if (is_file(&tables[i]))
            code = file_out_replace(&tables[i].file, e);
    return code;
}

void table_out_fini(struct table_out *t)
{
    if (t->packed)
        (void)fclose(t->packed); /* the file goes */
    file_out_fini(&t->file);
    table_out_init(t);
}
