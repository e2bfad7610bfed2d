/* array_header - what the header of an array file says of its values: NumPy's .npy (versions 1 to 3) and
 * IDX, the form that MNIST is published in.
 *
 * IDX: two zero bytes, a byte for the type, a byte for the number of dimensions, and each of these as four
 * bytes, the highest first. .npy: "\x93NUMPY", two bytes of version, the length of the header (two bytes,
 * from version 2 on four), and a Python dictionary of descr, fortran_order and shape.
 * Layer: server/tables
 * Threads: any.
 * Memory: plain structs. */
#ifndef SERVER_TABLES_ARRAY_HEADER_H
#define SERVER_TABLES_ARRAY_HEADER_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

enum array_type {
    ARRAY_BOOL,
    ARRAY_U8,
    ARRAY_I8,
    ARRAY_U16,
    ARRAY_I16,
    ARRAY_U32,
    ARRAY_I32,
    ARRAY_U64,
    ARRAY_I64,
    ARRAY_F32,
    ARRAY_F64
};

struct array_header {
    enum array_type type;
    bool big_endian; /* the highest byte of a value comes first */
    size_t n_dims;
    size_t dims[LIMIT_TENSOR_DIMS];
    size_t n_values;
    size_t n_bytes; /* of the header itself */
};

/* Most bytes that a header takes. */
enum { ARRAY_HEADER_BYTES = 64 * 1024 };

/* Reads a header at the start of n bytes, which are the file's first ARRAY_HEADER_BYTES or all of it.
 * ERR_INVALID: a file of another kind, or an array whose values are no numbers or lie column by column;
 * ERR_CORRUPT: a header that contradicts its form. Both say what was expected. */
enum err_code array_header_parse(const unsigned char *bytes, size_t n, struct array_header *out,
                                 struct err *e) ERR_MUST_CHECK;

/* "uint8", and the bytes of a value. */
const char *array_type_name(enum array_type type);
size_t array_type_bytes(enum array_type type);

/* Writes "2720 x 28 x 28", or "one number" without dimensions; cut at n bytes. Returns text. */
const char *array_dims_text(const struct array_header *h, char *text, size_t n);

#endif
