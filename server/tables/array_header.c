#include "server/tables/array_header.h"

#include "server/tables/sniff.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *descr; /* of NumPy, without the order of its bytes */
    unsigned char idx;        /* of IDX; 0: it has none */
    size_t n_bytes;
} types[] = {
    [ARRAY_BOOL] = {"bool", "b1", 0, 1},      [ARRAY_U8] = {"uint8", "u1", 0x08, 1},
    [ARRAY_I8] = {"int8", "i1", 0x09, 1},     [ARRAY_U16] = {"uint16", "u2", 0, 2},
    [ARRAY_I16] = {"int16", "i2", 0x0b, 2},   [ARRAY_U32] = {"uint32", "u4", 0, 4},
    [ARRAY_I32] = {"int32", "i4", 0x0c, 4},   [ARRAY_U64] = {"uint64", "u8", 0, 8},
    [ARRAY_I64] = {"int64", "i8", 0, 8},      [ARRAY_F32] = {"float32", "f4", 0x0d, 4},
    [ARRAY_F64] = {"float64", "f8", 0x0e, 8},
};

enum { N_TYPES = sizeof types / sizeof *types };

#define TYPES_TEXT "bool, int8 to int64, uint8 to uint64, float32 or float64"

const char *array_type_name(enum array_type type)
{
    return types[type].name;
}

size_t array_type_bytes(enum array_type type)
{
    return types[type].n_bytes;
}

const char *array_dims_text(const struct array_header *h, char *text, size_t n)
{
    size_t at = 0;
    (void)snprintf(text, n, "one number");
    for (size_t i = 0; i < h->n_dims && at < n; i++) {
        int len = snprintf(text + at, n - at, "%s%zu", i ? " x " : "", h->dims[i]);
        at += len > 0 ? (size_t)len : 0;
    }
    return text;
}

/* The number of values; false: they are more than memory has bytes. */
static bool count_values(struct array_header *h)
{
    h->n_values = 1;
    for (size_t i = 0; i < h->n_dims; i++)
        if (__builtin_mul_overflow(h->n_values, h->dims[i], &h->n_values))
            return false;
    return h->n_values <= SIZE_MAX / 2 / types[h->type].n_bytes - ARRAY_HEADER_BYTES;
}

static enum err_code too_many_dims(struct err *e)
{
    return err_set(e, ERR_INVALID, "it has more than the %d dimensions that are read", LIMIT_TENSOR_DIMS);
}

static enum err_code too_many_values(const struct array_header *h, struct err *e)
{
    char text[128];
    return err_set(e, ERR_CORRUPT, "its header promises %s values, more than any memory has",
                   array_dims_text(h, text, sizeof text));
}

/* ---- IDX ---- */

static bool is_idx(const unsigned char *bytes, size_t n)
{
    return n >= 4 && bytes[0] == 0 && bytes[1] == 0 && bytes[2] >= 0x08 && bytes[2] <= 0x0e && bytes[3] > 0;
}

static enum err_code parse_idx(const unsigned char *bytes, size_t n, struct array_header *out, struct err *e)
{
    size_t type = 0;
    while (type < N_TYPES && types[type].idx != bytes[2])
        type++;
    if (type == N_TYPES)
        return err_set(e, ERR_CORRUPT,
                       "byte 3 of an IDX file is its type, and 0x%02x is none; 0x08 uint8, 0x09 int8, 0x0b "
                       "int16, 0x0c int32, 0x0d float32 and 0x0e float64 are",
                       bytes[2]);
    *out = (struct array_header){.type = (enum array_type)type,
                                 .big_endian = true,
                                 .n_dims = bytes[3],
                                 .n_bytes = 4 + 4 * (size_t)bytes[3]};
    if (out->n_dims > LIMIT_TENSOR_DIMS)
        return too_many_dims(e);
    if (n < out->n_bytes)
        return err_set(e, ERR_CORRUPT,
                       "an IDX file of %zu dimensions begins with %zu bytes of them; it has %zu", out->n_dims,
                       out->n_bytes, n);
    for (size_t i = 0; i < out->n_dims; i++) {
        const unsigned char *d = bytes + 4 + 4 * i;
        out->dims[i] = (size_t)d[0] << 24 | (size_t)d[1] << 16 | (size_t)d[2] << 8 | d[3];
    }
    return count_values(out) ? ERR_OK : too_many_values(out, e);
}

/* ---- .npy: a Python dictionary of three keys ---- */

struct literal {
    const char *at, *end;
};

static void skip_blank(struct literal *l)
{
    while (l->at < l->end && strchr(" \t\r\n", *l->at) && *l->at)
        l->at++;
}

/* Takes the character, behind blanks. */
static bool take(struct literal *l, char c)
{
    skip_blank(l);
    if (l->at == l->end || *l->at != c)
        return false;
    l->at++;
    return true;
}

/* A string between quotes of one kind, without escapes. */
static bool take_string(struct literal *l, const char **text, size_t *n)
{
    char quote = take(l, '\'') ? '\'' : take(l, '"') ? '"' : '\0';
    const char *end = quote ? memchr(l->at, quote, (size_t)(l->end - l->at)) : NULL;
    if (!end || memchr(l->at, '\\', (size_t)(end - l->at)))
        return false;
    *text = l->at;
    *n = (size_t)(end - l->at);
    l->at = end + 1;
    return true;
}

static bool take_word(struct literal *l, const char *word)
{
    size_t n = strlen(word);
    skip_blank(l);
    if ((size_t)(l->end - l->at) < n || memcmp(l->at, word, n) != 0)
        return false;
    l->at += n;
    return true;
}

static bool take_size(struct literal *l, size_t *out)
{
    skip_blank(l);
    const char *start = l->at;
    for (*out = 0; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++)
        if (__builtin_mul_overflow(*out, (size_t)10, out) || __builtin_add_overflow(*out, *l->at - '0', out))
            return false;
    if (l->at == start)
        return false;
    (void)take(l, 'L'); /* as Python 2 wrote long numbers */
    return true;
}

/* "<f4" and the like. */
static enum err_code set_type(struct array_header *out, const char *text, size_t n, struct err *e)
{
    char order = n && strchr("<>|=", *text) && *text ? *text : '=';
    const char *descr = text + (n && order == *text);
    size_t n_descr = n - (size_t)(descr - text);
    for (size_t i = 0; i < N_TYPES; i++)
        if (n_descr == 2 && memcmp(descr, types[i].descr, 2) == 0 &&
            (order != '|' || types[i].n_bytes == 1)) {
            out->type = (enum array_type)i;
            out->big_endian = order == '>';
            return ERR_OK;
        }
    return err_set(e, ERR_INVALID,
                   "its values are of NumPy's type '%.*s'; expected " TYPES_TEXT
                   ", as numpy.save(FILE, a.astype('float32')) writes",
                   (int)(n < 32 ? n : 32), text);
}

static enum err_code take_descr(struct literal *l, struct array_header *out, struct err *e)
{
    const char *text;
    size_t n;
    if (take(l, '['))
        return err_set(e, ERR_INVALID,
                       "its values are records of several fields; expected an array of " TYPES_TEXT);
    if (!take_string(l, &text, &n))
        return err_set(e, ERR_CORRUPT, "descr of the .npy header is no text");
    return set_type(out, text, n, e);
}

static enum err_code take_shape(struct literal *l, struct array_header *out, struct err *e)
{
    bool more = take(l, '(');
    if (!more)
        return err_set(e, ERR_CORRUPT, "shape of the .npy header is no tuple of numbers");
    while (!take(l, ')')) {
        size_t dim;
        if (!more || !take_size(l, &dim))
            return err_set(e, ERR_CORRUPT, "shape of the .npy header is no tuple of numbers");
        if (out->n_dims == LIMIT_TENSOR_DIMS)
            return too_many_dims(e);
        out->dims[out->n_dims++] = dim;
        more = take(l, ',');
    }
    return ERR_OK;
}

enum { HAS_DESCR = 1, HAS_ORDER = 2, HAS_SHAPE = 4, HAS_ALL = 7 };

static enum err_code take_entry(struct literal *l, struct array_header *out, unsigned *seen, bool *fortran,
                                struct err *e)
{
    const char *key = "";
    size_t n = 0;
    enum err_code code = ERR_OK;
    if (!take_string(l, &key, &n) || !take(l, ':'))
        return err_set(e, ERR_CORRUPT, "the .npy header is no dictionary");
    unsigned which = n == 5 && memcmp(key, "descr", n) == 0            ? HAS_DESCR
                     : n == 13 && memcmp(key, "fortran_order", n) == 0 ? HAS_ORDER
                     : n == 5 && memcmp(key, "shape", n) == 0          ? HAS_SHAPE
                                                                       : 0;
    if (!which || (*seen & which))
        return err_set(
            e, ERR_CORRUPT,
            "the .npy header has the key '%.*s'; expected descr, fortran_order and shape, each once",
            (int)(n < 32 ? n : 32), key);
    *seen |= which;
    if (which == HAS_DESCR)
        code = take_descr(l, out, e);
    else if (which == HAS_SHAPE)
        code = take_shape(l, out, e);
    else if (!(*fortran = take_word(l, "True")) && !take_word(l, "False"))
        code = err_set(e, ERR_CORRUPT, "fortran_order of the .npy header is neither True nor False");
    return code;
}

static enum err_code parse_dictionary(struct literal l, struct array_header *out, struct err *e)
{
    unsigned seen = 0;
    bool more = take(&l, '{'), fortran = false;
    while (more && !take(&l, '}')) {
        enum err_code code = take_entry(&l, out, &seen, &fortran, e);
        if (code)
            return code;
        more = take(&l, ',') || (l.at < l.end && *l.at == '}');
    }
    skip_blank(&l);
    if (!more || l.at != l.end || seen != HAS_ALL)
        return err_set(
            e, ERR_CORRUPT,
            "the .npy header is no dictionary of descr, fortran_order and shape, and nothing else");
    if (fortran && out->n_dims > 1)
        return err_set(e, ERR_INVALID,
                       "its values lie column by column (fortran_order); expected rows, as numpy.save(FILE, "
                       "numpy.ascontiguousarray(a)) writes");
    return count_values(out) ? ERR_OK : too_many_values(out, e);
}

enum { NPY_MAGIC_BYTES = 6, NPY_VERSIONS = 3 };

static enum err_code parse_npy(const unsigned char *bytes, size_t n, struct array_header *out, struct err *e)
{
    size_t version = n > NPY_MAGIC_BYTES ? bytes[NPY_MAGIC_BYTES] : 0, prefix = version == 1 ? 10 : 12, len;
    if (n < prefix)
        return err_set(e, ERR_CORRUPT, "a .npy file begins with %zu bytes of version and length; it has %zu",
                       prefix, n);
    if (version < 1 || version > NPY_VERSIONS)
        return err_set(e, ERR_CORRUPT, "it is version %zu of .npy; 1 to %d are read", version, NPY_VERSIONS);
    len = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (version > 1)
        len |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (len > ARRAY_HEADER_BYTES - prefix)
        return err_set(e, ERR_CORRUPT, "its header has %zu bytes; at most %zu are read", len,
                       ARRAY_HEADER_BYTES - prefix);
    if (len > n - prefix)
        return err_set(e, ERR_CORRUPT,
                       "its header of %zu bytes goes past the end of the file: was it cut short?", len);
    *out = (struct array_header){.n_bytes = prefix + len};
    const char *text = (const char *)bytes + prefix;
    return parse_dictionary((struct literal){text, text + len}, out, e);
}

enum err_code array_header_parse(const unsigned char *bytes, size_t n, struct array_header *out,
                                 struct err *e)
{
    if (n >= NPY_MAGIC_BYTES && memcmp(bytes, "\x93NUMPY", NPY_MAGIC_BYTES) == 0)
        return parse_npy(bytes, n, out, e);
    if (is_idx(bytes, n))
        return parse_idx(bytes, n, out, e);
    bool zip = n >= 4 && memcmp(bytes, "PK\x03\x04", 4) == 0;
    const char *what = zip      ? "a zip archive; of an .npz file unpack the array that is meant: unzip FILE"
                       : n == 0 ? "empty"
                                : table_sniff((const char *)bytes, n);
    int len = what ? (int)(zip ? strlen(what) : strcspn(what, ";")) : 0; /* the rest is of tables */
    return err_set(
        e, ERR_INVALID,
        "it is no array of numbers%s%.*s; expected a NumPy array (.npy) or an IDX file, plain or gzip",
        what ? ", it is " : "", len, what ? what : "");
}
