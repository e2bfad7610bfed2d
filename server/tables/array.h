/* array - the numbers of an array file, one after the other: .npy or IDX, plain or gzip, or standard input.
 * What its header promises is held against the file before anything is read: a plain file has exactly so many
 * bytes, a gzip file may have them (deflate makes at most 1032 of one). So memory that a caller takes by the
 * header is bounded by the size of the file.
 * Layer: server/tables
 * Threads: confined to its thread.
 * Memory: one block of 64 kB, whatever the size of the file. */
#ifndef SERVER_TABLES_ARRAY_H
#define SERVER_TABLES_ARRAY_H

#include "base/err.h"
#include "server/tables/array_header.h"

#include <stddef.h>

struct array;

/* "-" is standard input, of which the size is not known before its end. Errors name the file: ERR_NOTFOUND,
 * ERR_IO, ERR_NOMEM, ERR_INVALID (another kind of file or value), ERR_CORRUPT. */
enum err_code array_open(const char *path, struct array **out, struct err *e) ERR_MUST_CHECK;
void array_close(struct array *a); /* NULL is allowed */

/* Borrowed until array_close. */
const struct array_header *array_about(const struct array *a);

/* The next values, at most n_max; *n is 0 at the end only. ERR_INVALID: a value is not finite, its place is
 * named; ERR_CORRUPT: the file ends before its last value, or goes on behind it. Every error is final. */
enum err_code array_read(struct array *a, double *out, size_t n_max, size_t *n, struct err *e) ERR_MUST_CHECK;

#endif
