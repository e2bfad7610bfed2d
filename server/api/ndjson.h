/* ndjson - the lines of an NDJSON body.
 * Layer: server/api
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_API_NDJSON_H
#define SERVER_API_NDJSON_H

#include <stdbool.h>
#include <stddef.h>

/* The next line of [*text, end), without its newline; false when there is none left. */
bool ndjson_next(const char **text, const char *end, const char **line, size_t *n);

/* Whether a line has nothing but white space. */
bool ndjson_empty(const char *line, size_t n);

/* Lines that are not empty. */
size_t ndjson_count(const char *text, const char *end);

#endif
