/* safetensors - reads and writes files in the safetensors format, refusing every malformed one. Format: u64
 * little-endian N, N bytes of JSON, then the data. Refused: all that schema/model.md lists.
 * Layer: engine/format
 * Threads: immutable after open.
 * Memory: the file's bytes, a copy or mapped and shared (file_bytes); the table of tensors is on the heap. */
#ifndef ENGINE_FORMAT_SAFETENSORS_H
#define ENGINE_FORMAT_SAFETENSORS_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct safetensors;

enum dtype {
    DTYPE_BOOL,
    DTYPE_U8,
    DTYPE_I8,
    DTYPE_F8_E5M2,
    DTYPE_F8_E4M3,
    DTYPE_U16,
    DTYPE_I16,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_U32,
    DTYPE_I32,
    DTYPE_F32,
    DTYPE_U64,
    DTYPE_I64,
    DTYPE_F64
};

struct tensor_view {
    const char *name; /* borrowed from the file */
    enum dtype dtype;
    size_t n_dims;
    size_t dims[LIMIT_TENSOR_DIMS];
    const void *data; /* borrowed until close; no alignment is promised by the format */
    size_t n_bytes;
};

/* Copies and checks a file. ERR_NOTFOUND, ERR_IO, ERR_CORRUPT with the reason, ERR_NOMEM. */
enum err_code safetensors_open(const char *path, struct safetensors **out, struct err *e) ERR_MUST_CHECK;

/* The same, but mapped and shared where that is safe, for a process that takes SIGIO and then calls
 * safetensors_settle (file_bytes_open says when, and why). */
enum err_code safetensors_open_shared(const char *path, struct safetensors **out,
                                      struct err *e) ERR_MUST_CHECK;
bool safetensors_is_shared(const struct safetensors *s);

/* When somebody waits to write to a shared file its bytes become a copy, where they are; *settled: they did
 * now. ERR_NOMEM. */
enum err_code safetensors_settle(struct safetensors *s, bool *settled, struct err *e) ERR_MUST_CHECK;

/* The same on bytes of the caller, borrowed until close (fuzzing, tests). */
enum err_code safetensors_open_bytes(const void *bytes, size_t n_bytes, struct safetensors **out,
                                     struct err *e) ERR_MUST_CHECK;
void safetensors_close(struct safetensors *s);

size_t safetensors_count(const struct safetensors *s);
const struct tensor_view *safetensors_at(const struct safetensors *s,
                                         size_t i); /* in the order of their data */
const struct tensor_view *safetensors_find(const struct safetensors *s, const char *name); /* NULL: none */
const char *safetensors_metadata(const struct safetensors *s, const char *key);            /* NULL: none */
size_t safetensors_file_bytes(const struct safetensors *s);
bool safetensors_is_same(const struct safetensors *a,
                         const struct safetensors *b); /* reads equal ones whole */

size_t dtype_bytes(enum dtype d);
const char *dtype_name(enum dtype d);

/* Writes a file: to PATH.tmp, fsync, rename, fsync of the folder, so that PATH is whole or as it was. Tensors
 * are ordered by falling width of the type, then name; the header is padded with spaces to 8 bytes, and so
 * every tensor is aligned to its type. keys and values: (n_metadata) strings. ERR_IO, ERR_FULL, ERR_NOMEM. */
enum err_code safetensors_write(const char *path, const struct tensor_view *tensors, size_t n_tensors,
                                const char *const *keys, const char *const *values, size_t n_metadata,
                                struct err *e) ERR_MUST_CHECK;

/* The same bytes, appended to out. */
struct buf;
enum err_code safetensors_write_buf(struct buf *out, const struct tensor_view *tensors, size_t n_tensors,
                                    const char *const *keys, const char *const *values, size_t n_metadata,
                                    struct err *e) ERR_MUST_CHECK;

#endif
