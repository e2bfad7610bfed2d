/* zlib's gzread reads plain and gzip files alike, as in line_reader.c. */
#include "server/tables/array.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { BLOCK_BYTES = ARRAY_HEADER_BYTES, INFLATE_MOST = 1032 };

struct array {
    gzFile file;
    char *name;
    struct array_header header;
    size_t n_read;        /* values given out */
    unsigned char *block; /* (BLOCK_BYTES) */
    size_t start, end;    /* of it, what was read and not yet given out */
    bool ended;           /* the file has no more bytes */
};

static enum err_code open_file(struct array *a, const char *path, struct err *e)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "cannot open %s: %s", a->name,
                       strerror(errno));
    a->file = gzdopen(fd, "rb");
    if (!a->file) {
        (void)close(fd);
        return err_set(e, ERR_NOMEM, "no memory to read %s", a->name);
    }
    return ERR_OK;
}

/* Why gzread stopped. A file cut short shows as Z_BUF_ERROR after its last good byte. */
static enum err_code reading_failed(const struct array *a, int zlib_error, struct err *e)
{
    if (zlib_error == Z_ERRNO)
        return err_set(e, ERR_IO, "cannot read %s: %s", a->name, strerror(errno));
    if (zlib_error == Z_MEM_ERROR)
        return err_set(e, ERR_NOMEM, "no memory to read %s", a->name);
    return err_set(e, ERR_CORRUPT, "%s: %s; fetch it again", a->name,
                   zlib_error == Z_BUF_ERROR ? "the gzip file ends in the middle" : "damaged gzip file");
}

/* Fills the block behind what is left of it, as far as the file goes. */
static enum err_code fill(struct array *a, struct err *e)
{
    memmove(a->block, a->block + a->start, a->end - a->start);
    a->end -= a->start;
    a->start = 0;
    while (!a->ended && a->end < BLOCK_BYTES) {
        int zlib_error = Z_OK, n = gzread(a->file, a->block + a->end, (unsigned)(BLOCK_BYTES - a->end));
        if (n <= 0)
            (void)gzerror(a->file, &zlib_error);
        if (n < 0 || (zlib_error != Z_OK && zlib_error != Z_STREAM_END))
            return reading_failed(a, zlib_error, e);
        a->end += (size_t)n;
        a->ended = n == 0;
    }
    return ERR_OK;
}

/* The header's promise beside the size of a file on disk. */
static enum err_code check_size(const struct array *a, const char *path, struct err *e)
{
    struct stat s;
    char dims[128];
    const struct array_header *h = &a->header;
    if (strcmp(path, "-") == 0 || stat(path, &s) != 0 || !S_ISREG(s.st_mode) || s.st_size < 0)
        return ERR_OK;
    size_t promised = h->n_bytes + h->n_values * array_type_bytes(h->type), there = (size_t)s.st_size;
    bool plain = gzdirect(a->file);
    if (plain ? promised == there : promised / INFLATE_MOST <= there)
        return ERR_OK;
    return err_set(e, ERR_CORRUPT,
                   "%s: its header promises %s values of %s, %zu bytes with it; the %s has %zu%s", a->name,
                   array_dims_text(h, dims, sizeof dims), array_type_name(h->type), promised,
                   plain ? "file" : "gzip file", there,
                   plain && there < promised ? ": was it cut short?"
                   : plain                   ? ""
                                             : ", which cannot be so many unpacked");
}

static enum err_code read_header(struct array *a, const char *path, struct err *e)
{
    enum err_code code = fill(a, e);
    if (code)
        return code;
    if ((code = array_header_parse(a->block, a->end, &a->header, e))) {
        (void)err_prefix(e, "%s", a->name);
        return code;
    }
    a->start = a->header.n_bytes;
    return check_size(a, path, e);
}

enum err_code array_open(const char *path, struct array **out, struct err *e)
{
    struct array *a = mem_zalloc_array(1, sizeof *a);
    if (!a)
        return err_set(e, ERR_NOMEM, "no memory to read %s", path);
    a->name = mem_strdup(strcmp(path, "-") == 0 ? "standard input" : path);
    a->block = mem_alloc(BLOCK_BYTES);
    enum err_code code =
        a->name && a->block ? open_file(a, path, e) : err_set(e, ERR_NOMEM, "no memory to read %s", path);
    if (!code)
        code = read_header(a, path, e);
    if (code) {
        array_close(a);
        return code;
    }
    *out = a;
    return ERR_OK;
}

void array_close(struct array *a)
{
    if (!a)
        return;
    if (a->file)
        (void)gzclose_r(a->file); /* reading only: nothing can be lost */
    mem_free(a->block);
    mem_free(a->name);
    mem_free(a);
}

const struct array_header *array_about(const struct array *a)
{
    return &a->header;
}

/* ---- values ---- */

/* n bytes as a number, the highest first or last. */
static uint64_t join(const unsigned char *bytes, size_t n, bool big_endian)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | bytes[big_endian ? i : n - 1 - i];
    return v;
}

static double value_of(const struct array_header *h, const unsigned char *bytes)
{
    uint64_t v = join(bytes, array_type_bytes(h->type), h->big_endian);
    uint32_t low = (uint32_t)v;
    float narrow;
    double wide;
    switch (h->type) {
    case ARRAY_BOOL:
        return v != 0;
    case ARRAY_U8:
    case ARRAY_U16:
    case ARRAY_U32:
    case ARRAY_U64:
        return (double)v;
    case ARRAY_I8:
        return (int8_t)v;
    case ARRAY_I16:
        return (int16_t)v;
    case ARRAY_I32:
        return (int32_t)low;
    case ARRAY_I64:
        return (double)(int64_t)v;
    case ARRAY_F32:
        memcpy(&narrow, &low, sizeof narrow);
        return (double)narrow;
    case ARRAY_F64:
        memcpy(&wide, &v, sizeof wide);
        return wide;
    }
    return 0;
}

/* "value [3, 0, 12]" of the value with this number. */
static enum err_code not_finite(const struct array *a, size_t number, double value, struct err *e)
{
    char place[LIMIT_TENSOR_DIMS * 24] = "";
    size_t index[LIMIT_TENSOR_DIMS], at = 0;
    const struct array_header *h = &a->header;
    for (size_t i = h->n_dims; i-- > 0; number /= h->dims[i])
        index[i] = number % h->dims[i];
    for (size_t i = 0; i < h->n_dims; i++) {
        int n = snprintf(place + at, sizeof place - at, "%s%zu", i ? ", " : "", index[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    return err_set(e, ERR_INVALID, "%s: value [%s] is %s; expected finite numbers", a->name, place,
                   isnan(value) ? "NaN" : "infinite");
}

static enum err_code cut_short(const struct array *a, struct err *e)
{
    char dims[128];
    return err_set(e, ERR_CORRUPT,
                   "%s: ends after %zu of the %s values that its header promises; fetch it again", a->name,
                   a->n_read, array_dims_text(&a->header, dims, sizeof dims));
}

/* Behind the last value nothing may be, and a gzip file ends with its checksum. */
static enum err_code check_end(struct array *a, struct err *e)
{
    char dims[128];
    enum err_code code = fill(a, e);
    if (code || a->start == a->end)
        return code;
    return err_set(e, ERR_CORRUPT, "%s: goes on behind the %s values that its header promises", a->name,
                   array_dims_text(&a->header, dims, sizeof dims));
}

enum err_code array_read(struct array *a, double *out, size_t n_max, size_t *n, struct err *e)
{
    size_t width = array_type_bytes(a->header.type), left = a->header.n_values - a->n_read;
    enum err_code code = ERR_OK;
    *n = 0;
    if (left == 0)
        return check_end(a, e);
    while (*n < n_max && *n < left) {
        if (a->end - a->start < width && (code = fill(a, e)))
            return code;
        if (a->end - a->start < width)
            return cut_short(a, e);
        out[*n] = value_of(&a->header, a->block + a->start);
        a->start += width;
        if (!isfinite(out[*n]))
            return not_finite(a, a->n_read, out[*n], e);
        ++*n;
        a->n_read++;
    }
    return a->n_read == a->header.n_values ? check_end(a, e) : ERR_OK;
}
