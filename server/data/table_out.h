/* table_out - a table on its way into a file, or to standard output. A file appears whole or not at all, its
 * owner alone may read it, and it is compressed (gzip) where its name ends in .gz.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: the stream's; table_out_fini frees it. */
#ifndef SERVER_DATA_TABLE_OUT_H
#define SERVER_DATA_TABLE_OUT_H

#include "base/err.h"
#include "base/file.h"

#include <stddef.h>
#include <stdio.h>

#define PART_SUFFIX ".new" /* of a file that is not whole yet */

struct table_out {
    struct file_out file;
    FILE *stream; /* where rows are written; NULL: the table is not wanted */
    FILE *packed; /* the same, where it compresses what goes into the file; else NULL */
};

/* A table that is not wanted, as one is before it is opened. */
void table_out_init(struct table_out *t);

/* Begins the table; "-" is standard output, and of NULL nothing is begun. Errors as of file_out_open. */
enum err_code table_out_open(struct table_out *t, const char *path, struct err *e) ERR_MUST_CHECK;

/* Adds bytes. ERR_FULL, ERR_IO. */
enum err_code table_out_write(FILE *stream, const void *bytes, size_t n, struct err *e) ERR_MUST_CHECK;

/* Ends tables that belong together: none takes its place before all are on the disk. What is on standard
 * output is its caller's to end. */
enum err_code table_outs_end(struct table_out *tables, size_t n, struct err *e) ERR_MUST_CHECK;

/* A file that did not take its place goes. A table that table_out_init has seen is allowed. */
void table_out_fini(struct table_out *t);

#endif
