/* Processes that have the old file mapped keep it: a file is replaced (base/file.h), never written to. */
#include "engine/format/safetensors.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

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

static enum err_code write_file(const char *path, const struct buf *header,
                                const struct tensor_view *const *sorted, size_t n_tensors, struct err *e)
{
    struct file_out file;
    enum err_code code = file_out_open(&file, path, ".tmp", FILE_SHARED, e);
    if (!code)
        code = file_out_write(&file, header->data, header->len, e);
    for (size_t i = 0; i < n_tensors && !code; i++)
        code = file_out_write(&file, sorted[i]->data, sorted[i]->n_bytes, e);
    if (!code)
        code = file_out_replace(&file, e);
    file_out_fini(&file);
    return code;
}

static enum err_code write_buf(struct buf *out, const struct buf *header,
                               const struct tensor_view *const *sorted, size_t n_tensors, struct err *e)
{
    buf_add(out, header->data, header->len);
    for (size_t i = 0; i < n_tensors; i++)
        buf_add(out, sorted[i]->data, sorted[i]->n_bytes);
    return buf_check(out, "a safetensors file", e);
}

/* To the file at path, or to out. */
static enum err_code write_to(const char *path, struct buf *out, const struct tensor_view *tensors,
                              size_t n_tensors, const char *const *keys, const char *const *values,
                              size_t n_metadata, struct err *e)
{
    struct buf header;
    buf_init(&header, MAX_HEADER_BYTES);
    enum err_code code;
    const struct tensor_view **sorted = mem_alloc_array(n_tensors, sizeof *sorted);
    if (!sorted) {
        code = err_set(e, ERR_NOMEM, "no memory for a table of %zu tensors", n_tensors);
        goto out;
    }
    for (size_t i = 0; i < n_tensors; i++)
        sorted[i] = &tensors[i];
    qsort(sorted, n_tensors, sizeof *sorted, by_width_and_name);
    code = add_header(&header, sorted, n_tensors, keys, values, n_metadata, e);
    if (code == ERR_OK)
        code = path ? write_file(path, &header, sorted, n_tensors, e)
                    : write_buf(out, &header, sorted, n_tensors, e);
out:
    buf_fini(&header);
    mem_free(sorted);
    return code;
}

enum err_code safetensors_write(const char *path, const struct tensor_view *tensors, size_t n_tensors,
                                const char *const *keys, const char *const *values, size_t n_metadata,
                                struct err *e)
{
    return write_to(path, NULL, tensors, n_tensors, keys, values, n_metadata, e);
}

enum err_code safetensors_write_buf(struct buf *out, const struct tensor_view *tensors, size_t n_tensors,
                                    const char *const *keys, const char *const *values, size_t n_metadata,
                                    struct err *e)
{
    return write_to(NULL, out, tensors, n_tensors, keys, values, n_metadata, e);
}
