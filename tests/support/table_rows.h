/* table_rows - table files as text, a line a row, for the tests of the readers.
 * Layer: tests/support
 * Threads: confined.
 * Memory: static buffers; one file at a time. */
#ifndef TESTS_SUPPORT_TABLE_ROWS_H
#define TESTS_SUPPORT_TABLE_ROWS_H

#include "server/tables/table.h"

#include <check.h>
#include <stddef.h>

/* A file of this name and bytes in a folder of its own; one at a time. The path holds until
 * table_rows_remove. */
const char *table_rows_write(const char *name, const void *bytes, size_t n);
void table_rows_remove(void);

/* All rows of a table as lines, what is absent as "-"; bad lines as `! reason` without the folder. Static. */
const char *table_rows(const char *name, enum table_kind kind, enum table_format format, const void *bytes,
                       size_t n);

#define ROWS(name, kind, text, expected)                                                                     \
    ck_assert_str_eq(table_rows(name, kind, TABLE_AUTO, text, sizeof(text) - 1), expected)

#endif
