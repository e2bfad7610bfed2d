/* The header is the only untrusted structure, so all checks are made once, at open: afterwards every view
 * points into the file, views cover the data without a hole or an overlap, and a name occurs once. The steps:
 * take the bytes; read N; parse the JSON (jansson refuses bad UTF-8, duplicate keys and zero characters);
 * turn each entry into a view; sort the views by their place and walk them against the end of the file.
 *
 * The bytes are a copy, or a mapping that stays as it is (file_bytes).
 *
 * Numbers are little-endian, as in the file. */
#include "engine/format/safetensors.h"

#include "base/mem.h"
#include "engine/format/file_bytes.h"
#include "engine/format/file_kind.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are used as they are in the file");

enum { PREFIX_BYTES = 8, MAX_HEADER_BYTES = 100 * 1000 * 1000 };

struct safetensors {
    struct file_bytes file; /* NULL bytes: they are the caller's */
    const unsigned char *bytes;
    size_t n_bytes;
    const unsigned char *data; /* (n_data) behind the header */
    size_t n_data;
    json_t *header; /* owns the names and the metadata */
    size_t n_tensors;
    struct tensor_view *tensors;        /* (n_tensors) in the order of their data */
    const struct tensor_view **by_name; /* (n_tensors) sorted */
};

static const struct {
    const char *name;
    size_t n_bytes;
} dtypes[] = {
    [DTYPE_BOOL] = {"BOOL", 1},       [DTYPE_U8] = {"U8", 1},           [DTYPE_I8] = {"I8", 1},
    [DTYPE_F8_E5M2] = {"F8_E5M2", 1}, [DTYPE_F8_E4M3] = {"F8_E4M3", 1}, [DTYPE_U16] = {"U16", 2},
    [DTYPE_I16] = {"I16", 2},         [DTYPE_F16] = {"F16", 2},         [DTYPE_BF16] = {"BF16", 2},
    [DTYPE_U32] = {"U32", 4},         [DTYPE_I32] = {"I32", 4},         [DTYPE_F32] = {"F32", 4},
    [DTYPE_U64] = {"U64", 8},         [DTYPE_I64] = {"I64", 8},         [DTYPE_F64] = {"F64", 8},
};

enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

size_t dtype_bytes(enum dtype d)
{
    return dtypes[d].n_bytes;
}

const char *dtype_name(enum dtype d)
{
    return dtypes[d].name;
}

/* ---- the header ---- */

/* Whether a header can be there: its size first, then a JSON object of that size. What else the file may be
 * is named. */
static enum err_code check_beginning(const struct safetensors *s, uint64_t *n_header, struct err *e)
{
    uint64_t n = 0;
    if (s->n_bytes >= PREFIX_BYTES)
        memcpy(&n, s->bytes, sizeof n);
    bool begun = n > 0 && n <= MAX_HEADER_BYTES && s->n_bytes > PREFIX_BYTES && s->bytes[PREFIX_BYTES] == '{';
    const char *kind = begun ? NULL : file_kind_of(s->bytes, s->n_bytes);
    *n_header = n;
    if (kind)
        return err_set(e, ERR_CORRUPT, "it is no model file, it is %s", kind);
    if (s->n_bytes < PREFIX_BYTES)
        return err_set(e, ERR_CORRUPT,
                       "%zu bytes are too few: a safetensors file begins with 8 bytes of header size",
                       s->n_bytes);
    if (n > MAX_HEADER_BYTES)
        return err_set(e, ERR_CORRUPT, "header size %llu is over the limit of %d", (unsigned long long)n,
                       MAX_HEADER_BYTES);
    if (n > s->n_bytes - PREFIX_BYTES)
        return err_set(e, ERR_CORRUPT,
                       "header size %llu goes past the end of the file (%zu bytes): was it cut short?",
                       (unsigned long long)n, s->n_bytes);
    if (n == 0 || s->bytes[PREFIX_BYTES] != '{')
        return err_set(e, ERR_CORRUPT, "the header is no JSON object: it does not begin with '{'");
    return ERR_OK;
}

/* Takes N and the JSON object behind it apart; sets header, data, n_data. */
static enum err_code read_header(struct safetensors *s, struct err *e)
{
    uint64_t n;
    enum err_code code = check_beginning(s, &n, e);
    if (code)
        return code;
    json_error_t at;
    s->header = json_loadb((const char *)s->bytes + PREFIX_BYTES, (size_t)n, JSON_REJECT_DUPLICATES, &at);
    if (!s->header && json_error_code(&at) == json_error_out_of_memory)
        return err_set(e, ERR_NOMEM, "no memory for the header of %llu bytes", (unsigned long long)n);
    if (!s->header)
        return err_set(e, ERR_CORRUPT, "the header is not valid JSON: %s (line %d, column %d)", at.text,
                       at.line, at.column);
    s->data = s->bytes + PREFIX_BYTES + n;
    s->n_data = s->n_bytes - PREFIX_BYTES - (size_t)n;
    return ERR_OK;
}

static enum err_code check_metadata(const json_t *metadata, struct err *e)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return err_set(e, ERR_CORRUPT, "__metadata__ is no object");
    json_object_foreach((json_t *)metadata, key, value)
    {
        if (!json_is_string(value))
            return err_set(e, ERR_CORRUPT, "__metadata__: the value of \"%s\" is no string", key);
    }
    return ERR_OK;
}

static enum err_code read_dtype(const json_t *info, struct tensor_view *t, struct err *e)
{
    const json_t *value = json_object_get(info, "dtype");
    const char *name = json_string_value(value);
    if (!name)
        return err_set(e, ERR_CORRUPT, "tensor \"%s\": dtype is %s", t->name,
                       value ? "no string" : "missing");
    for (size_t d = 0; d < N_DTYPES; d++)
        if (strcmp(dtypes[d].name, name) == 0) {
            t->dtype = (enum dtype)d;
            return ERR_OK;
        }
    return err_set(e, ERR_CORRUPT, "tensor \"%s\": unknown dtype \"%s\"", t->name, name);
}

/* Reads a JSON number that is an integer and not negative; 1.0 and true are none. */
static int read_size(const json_t *value, size_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return 0;
    *out = (size_t)json_integer_value(value);
    return 1;
}

/* Reads the shape; n_bytes becomes what the shape and the type ask for. */
static enum err_code read_shape(const json_t *info, struct tensor_view *t, struct err *e)
{
    const json_t *shape = json_object_get(info, "shape");
    if (!json_is_array(shape))
        return err_set(e, ERR_CORRUPT, "tensor \"%s\": shape is %s", t->name, shape ? "no array" : "missing");
    t->n_dims = json_array_size(shape);
    if (t->n_dims > LIMIT_TENSOR_DIMS)
        return err_set(e, ERR_CORRUPT, "tensor \"%s\": %zu dimensions, at most %d are allowed", t->name,
                       t->n_dims, LIMIT_TENSOR_DIMS);
    t->n_bytes = dtype_bytes(t->dtype);
    for (size_t i = 0; i < t->n_dims; i++) {
        if (!read_size(json_array_get(shape, i), &t->dims[i]))
            return err_set(e, ERR_CORRUPT, "tensor \"%s\": shape[%zu] is no non-negative integer", t->name,
                           i);
        if (__builtin_mul_overflow(t->n_bytes, t->dims[i], &t->n_bytes))
            return err_set(e, ERR_CORRUPT, "tensor \"%s\": the product of its shape overflows", t->name);
    }
    return ERR_OK;
}

/* Reads where the data is and compares its size with the shape's. */
static enum err_code read_offsets(const struct safetensors *s, const json_t *info, struct tensor_view *t,
                                  struct err *e)
{
    const json_t *offsets = json_object_get(info, "data_offsets");
    size_t begin, end;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !read_size(json_array_get(offsets, 0), &begin) || !read_size(json_array_get(offsets, 1), &end))
        return err_set(e, ERR_CORRUPT, "tensor \"%s\": data_offsets is %s", t->name,
                       offsets ? "no pair of non-negative integers" : "missing");
    if (begin > end)
        return err_set(e, ERR_CORRUPT, "tensor \"%s\": data_offsets [%zu, %zu] end before they begin",
                       t->name, begin, end);
    if (end > s->n_data)
        return err_set(e, ERR_CORRUPT,
                       "tensor \"%s\": data_offsets [%zu, %zu] go past the end of the data (%zu bytes): was "
                       "the file cut short?",
                       t->name, begin, end, s->n_data);
    if (end - begin != t->n_bytes)
        return err_set(e, ERR_CORRUPT,
                       "tensor \"%s\": data_offsets span %zu bytes, shape and dtype ask for %zu", t->name,
                       end - begin, t->n_bytes);
    t->data = s->data + begin;
    return ERR_OK;
}

static enum err_code read_tensor(const struct safetensors *s, const char *name, const json_t *info,
                                 struct tensor_view *t, struct err *e)
{
    *t = (struct tensor_view){.name = name};
    if (!json_is_object(info))
        return err_set(e, ERR_CORRUPT, "tensor \"%s\": its entry is no object", name);
    enum err_code code = read_dtype(info, t, e);
    if (code == ERR_OK)
        code = read_shape(info, t, e);
    if (code == ERR_OK)
        code = read_offsets(s, info, t, e);
    return code;
}

/* ---- the table ---- */

/* By begin; of those that begin together the empty ones first; then by name. */
static int by_place(const void *a, const void *b)
{
    const struct tensor_view *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    if (x->n_bytes != y->n_bytes)
        return x->n_bytes < y->n_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct tensor_view *const *)a)->name,
                  (*(const struct tensor_view *const *)b)->name);
}

/* Walks the sorted views: each begins where the one before ended, and the last ends with the file. */
static enum err_code check_cover(const struct safetensors *s, struct err *e)
{
    const unsigned char *at = s->data;
    for (size_t i = 0; i < s->n_tensors; i++) {
        const struct tensor_view *t = &s->tensors[i];
        const unsigned char *begin = t->data;
        if (begin > at)
            return err_set(e, ERR_CORRUPT, "tensor \"%s\": a hole of %zu bytes before its data at offset %zu",
                           t->name, (size_t)(begin - at), (size_t)(begin - s->data));
        if (begin < at)
            return err_set(e, ERR_CORRUPT, "tensor \"%s\": its data overlaps that of \"%s\"", t->name,
                           s->tensors[i - 1].name);
        at = begin + t->n_bytes;
    }
    if (at != s->data + s->n_data)
        return err_set(e, ERR_CORRUPT, "%zu bytes behind the last tensor's data belong to no tensor",
                       s->n_data - (size_t)(at - s->data));
    return ERR_OK;
}

static enum err_code read_tensors(struct safetensors *s, struct err *e)
{
    const char *name;
    json_t *info;
    size_t n = json_object_size(s->header);
    s->tensors = mem_alloc_array(n, sizeof *s->tensors);
    s->by_name = mem_alloc_array(n, sizeof *s->by_name);
    if (!s->tensors || !s->by_name)
        return err_set(e, ERR_NOMEM, "no memory for a table of %zu tensors", n);
    json_object_foreach(s->header, name, info)
    {
        enum err_code code = strcmp(name, "__metadata__") == 0
                                 ? check_metadata(info, e)
                                 : read_tensor(s, name, info, &s->tensors[s->n_tensors++], e);
        if (code != ERR_OK)
            return code;
    }
    qsort(s->tensors, s->n_tensors, sizeof *s->tensors, by_place);
    for (size_t i = 0; i < s->n_tensors; i++)
        s->by_name[i] = &s->tensors[i];
    qsort(s->by_name, s->n_tensors, sizeof *s->by_name, by_name);
    return check_cover(s, e);
}

/* ---- life cycle ---- */

/* Takes over the file, also on failure. */
static enum err_code open_take(struct file_bytes *file, const void *bytes, size_t n_bytes,
                               struct safetensors **out, struct err *e)
{
    struct safetensors *s = mem_zalloc_array(1, sizeof *s);
    if (!s) {
        file_bytes_close(file);
        return err_set(e, ERR_NOMEM, "no memory to open a file of tensors");
    }
    s->file = *file;
    s->bytes = bytes;
    s->n_bytes = n_bytes;
    enum err_code code = read_header(s, e);
    if (code == ERR_OK)
        code = read_tensors(s, e);
    if (code != ERR_OK) {
        safetensors_close(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

enum err_code safetensors_open_bytes(const void *bytes, size_t n_bytes, struct safetensors **out,
                                     struct err *e)
{
    struct file_bytes none = {.lease = -1};
    return open_take(&none, bytes, n_bytes, out, e);
}

static enum err_code open_file(const char *path, bool share, struct safetensors **out, struct err *e)
{
    struct err why = {0};
    struct file_bytes file;
    enum err_code code = file_bytes_open(path, share, &file, &why);
    if (code == ERR_OK)
        code = open_take(&file, file.bytes, file.n_bytes, out, &why);
    return code ? err_set(e, code, "%s: %s", path, why.text) : ERR_OK;
}

enum err_code safetensors_open(const char *path, struct safetensors **out, struct err *e)
{
    return open_file(path, false, out, e);
}

enum err_code safetensors_open_shared(const char *path, struct safetensors **out, struct err *e)
{
    return open_file(path, true, out, e);
}

bool safetensors_is_shared(const struct safetensors *s)
{
    return s->file.lease >= 0;
}

enum err_code safetensors_settle(struct safetensors *s, bool *settled, struct err *e)
{
    return file_bytes_settle(&s->file, settled, e);
}

void safetensors_close(struct safetensors *s)
{
    if (!s)
        return;
    mem_free(s->tensors);
    mem_free(s->by_name);
    json_decref(s->header);
    file_bytes_close(&s->file);
    mem_free(s);
}

/* ---- use ---- */

size_t safetensors_count(const struct safetensors *s)
{
    return s->n_tensors;
}

const struct tensor_view *safetensors_at(const struct safetensors *s, size_t i)
{
    return &s->tensors[i];
}

const struct tensor_view *safetensors_find(const struct safetensors *s, const char *name)
{
    const struct tensor_view key = {.name = name}, *pointer = &key, **found = NULL;
    if (s->n_tensors)
        found = bsearch(&pointer, s->by_name, s->n_tensors, sizeof pointer, by_name);
    return found ? *found : NULL;
}

const char *safetensors_metadata(const struct safetensors *s, const char *key)
{
    return json_string_value(json_object_get(json_object_get(s->header, "__metadata__"), key));
}

size_t safetensors_file_bytes(const struct safetensors *s)
{
    return s->n_bytes;
}

bool safetensors_is_same(const struct safetensors *a, const struct safetensors *b)
{
    return a->n_bytes == b->n_bytes && memcmp(a->bytes, b->bytes, a->n_bytes) == 0;
}
