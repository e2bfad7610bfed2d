/* line_reader - the lines of a text file, plain or gzip, or of standard input, one at a time.
 * Cost: each byte is looked at once by memchr.
 * Layer: server/tables
 * Threads: confined to its thread.
 * Memory: one block that holds the longest line seen, never above twice LIMIT_LINE_BYTES, whatever the size
 *   of the file. */
#ifndef SERVER_TABLES_LINE_READER_H
#define SERVER_TABLES_LINE_READER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_lines;

/* One line without its end (\n or \r\n), borrowed and writable until the next call. */
struct table_line {
    char *data;
    size_t len;
    uint64_t number;  /* 1 is the first; of a record of several lines, the number of its first line */
    uint64_t n_lines; /* lines of a record, 1 but for quotes */
    bool open;        /* a quote of it is never closed: this is its first line alone */
};

/* "-" is standard input. ERR_NOTFOUND, ERR_IO, ERR_NOMEM. */
enum err_code table_lines_open(const char *path, struct table_lines **out, struct err *e) ERR_MUST_CHECK;
void table_lines_close(struct table_lines *l); /* NULL is allowed */

/* The next line that is not blank; *got is false at the end. With a separator, line ends inside of quotes
 * that stand around a whole field belong to the record, as in CSV; '\0': a line is a line. ERR_INVALID,
 * `file:line: reason`, is a line that is too long: reading goes on behind it. ERR_IO and ERR_CORRUPT (a
 * damaged gzip file) are final. A byte order mark at the start is left out. */
enum err_code table_lines_next(struct table_lines *l, char separator, struct table_line *line, bool *got,
                               struct err *e) ERR_MUST_CHECK;

/* The record of the last table_lines_next, of several lines, was none: reading goes on behind its first line.
 * Nothing may have been written into it. */
void table_lines_resume(struct table_lines *l);

/* The first bytes of the file, inflated, before anything was read; *n is 0 for an empty file. Borrowed until
 * the first table_lines_next. */
enum err_code table_lines_peek(struct table_lines *l, const char **data, size_t *n,
                               struct err *e) ERR_MUST_CHECK;

/* Gives the line of the last table_lines_next out once more; nothing may have been written into it. */
void table_lines_again(struct table_lines *l);

/* How messages call the file. */
const char *table_lines_name(const struct table_lines *l);

#endif
