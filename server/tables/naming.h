/* naming - columns that are called otherwise in a file than they are meant: --column user=customer_id, and
 * --column user=1 in a file whose first line is a row already.
 * Layer: server/tables
 * Threads: confined to its thread: what was met is noted.
 * Memory: none of its own. */
#ifndef SERVER_TABLES_NAMING_H
#define SERVER_TABLES_NAMING_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

enum { TABLE_NAME_BYTES = 128 };

struct table_name {
    char as[TABLE_NAME_BYTES]; /* what the column is to be called */
    const char *called;        /* what it is called in the file, borrowed; without a header its number */
    bool seen;                 /* a table had it */
};

struct table_naming {
    struct table_name *names; /* (n) */
    size_t n;
    bool no_header; /* columns have no names but their numbers, from 1 */
};

/* Reads AS=CALLED. ERR_INVALID where there is no `=`, nothing on one side of it, or a name that is too
 * long. */
enum err_code table_name_parse(const char *text, struct table_name *out, struct err *e) ERR_MUST_CHECK;

/* Reads n texts into names (n), which *out borrows. ERR_INVALID: one that is not AS=CALLED, or a column that
 * is to be called two things. */
enum err_code table_naming_read(const char *const *texts, size_t n, bool no_header, struct table_name *names,
                                struct table_naming *out, struct err *e) ERR_MUST_CHECK;

/* The entry of a column, noted as seen; NULL: the column keeps its name. naming may be NULL. */
const struct table_name *table_naming_of(const struct table_naming *naming, struct text column);

#endif
