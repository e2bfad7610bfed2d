/* An empty line counts for the numbers of lines in refusals, and for nothing else. */
#include "server/api/ndjson.h"

#include <string.h>

bool ndjson_next(const char **text, const char *end, const char **line, size_t *n)
{
    if (*text >= end)
        return false;
    const char *stop = memchr(*text, '\n', (size_t)(end - *text));
    *line = *text;
    *n = (size_t)((stop ? stop : end) - *text);
    *text += *n + 1;
    return true;
}

bool ndjson_empty(const char *line, size_t n)
{
    size_t i = 0;
    while (i < n && (line[i] == ' ' || line[i] == '\t' || line[i] == '\r'))
        i++;
    return i == n;
}

size_t ndjson_count(const char *text, const char *end)
{
    const char *line;
    size_t n, count = 0;
    while (ndjson_next(&text, end, &line, &n))
        count += !ndjson_empty(line, n);
    return count;
}
