/* table_lines - the lines of a text file, plain or gzip, or of standard input, one at a time.
 * Layer: server; depends on base and zlib.      Threads: confined to its thread.
 * Memory: one block that holds the longest line seen, never above twice LIMIT_LINE_BYTES, whatever the size
 * of the file.                                  Cost: each byte is looked at once by memchr. */
#ifndef SERVER_TABLE_LINES_H
#define SERVER_TABLE_LINES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_lines;

/* One line without its end (\n or \r\n), borrowed and writable until the next call. */
struct table_line {
    char *data;
    size_t len;
    uint64_t number; /* 1 is the first; of a record of several lines, the number of its first line */
};

/* "-" is standard input. ERR_NOTFOUND, ERR_IO, ERR_NOMEM. */
enum err_code table_lines_open(const char *path, struct table_lines **out, struct err *e) ERR_MUST_CHECK;
void table_lines_close(struct table_lines *l); /* NULL is allowed */

/* The next line that is not blank; *got is false at the end. With quoted, line ends inside of CSV quotes
 * belong to the record. ERR_INVALID, `file:line: reason`, is a line that is too long: reading goes on behind
 * it. ERR_IO and ERR_CORRUPT (a damaged gzip file) are final. A byte order mark at the start is left out. */
enum err_code table_lines_next(struct table_lines *l, bool quoted, struct table_line *line, bool *got,
                               struct err *e) ERR_MUST_CHECK;

/* Gives the line of the last table_lines_next out once more; nothing may have been written into it. */
void table_lines_again(struct table_lines *l);

/* How messages call the file. */
const char *table_lines_name(const struct table_lines *l);

#endif
