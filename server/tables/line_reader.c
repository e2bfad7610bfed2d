/* zlib's gzread reads plain and gzip files alike, so there is one path for both. Lines are views into one
 * block: only the unfinished line at its end is moved before the next read. */
#include "server/tables/line_reader.h"

#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { FIRST_CAPACITY = 256 * 1024, MAX_CAPACITY = 2 * LIMIT_LINE_BYTES };

struct table_lines {
    gzFile file;
    char *name;
    char *data;             /* (capacity) */
    size_t capacity;        /* FIRST_CAPACITY, grown up to MAX_CAPACITY */
    size_t start, end;      /* what was read and not yet given out */
    size_t last_start;      /* where the last line began, for table_lines_again */
    uint64_t number;        /* lines given out or left out so far */
    uint64_t last_number;   /* the same before the last line */
    bool ended;             /* the file has no more bytes */
    uint64_t base;          /* place of data[0] in the file */
    uint64_t inside;        /* place behind the last line end that was met inside of a quote, */
    uint64_t inside_number; /* and the number of that line, from 0 */
};

static enum err_code open_file(struct table_lines *l, const char *path, struct err *e)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "cannot open %s: %s", l->name,
                       strerror(errno));
    l->file = gzdopen(fd, "rb");
    if (!l->file) {
        (void)close(fd);
        return err_set(e, ERR_NOMEM, "no memory to read %s", l->name);
    }
    (void)gzbuffer(l->file, 128 * 1024); /* fails only after the first read */
    return ERR_OK;
}

enum err_code table_lines_open(const char *path, struct table_lines **out, struct err *e)
{
    struct table_lines *l = mem_zalloc_array(1, sizeof *l);
    if (!l)
        return err_set(e, ERR_NOMEM, "no memory to read %s", path);
    l->name = mem_strdup(strcmp(path, "-") == 0 ? "standard input" : path);
    l->data = mem_alloc(FIRST_CAPACITY);
    l->capacity = FIRST_CAPACITY;
    enum err_code code =
        l->name && l->data ? open_file(l, path, e) : err_set(e, ERR_NOMEM, "no memory to read %s", path);
    if (code) {
        table_lines_close(l);
        return code;
    }
    *out = l;
    return ERR_OK;
}

void table_lines_close(struct table_lines *l)
{
    if (!l)
        return;
    if (l->file)
        (void)gzclose_r(l->file); /* reading only: nothing can be lost */
    mem_free(l->data);
    mem_free(l->name);
    mem_free(l);
}

const char *table_lines_name(const struct table_lines *l)
{
    return l->name;
}

/* Why gzread stopped. A file cut short shows as Z_BUF_ERROR after its last good byte. */
static enum err_code reading_failed(struct table_lines *l, int zlib_error, const char *text, struct err *e)
{
    if (zlib_error == Z_ERRNO)
        return err_set(e, ERR_IO, "cannot read %s: %s", l->name, strerror(errno));
    if (zlib_error == Z_MEM_ERROR)
        return err_set(e, ERR_NOMEM, "no memory to read %s", l->name);
    if (zlib_error == Z_BUF_ERROR)
        return err_set(e, ERR_CORRUPT, "%s: the gzip file ends in the middle; fetch it again", l->name);
    const char *reason = strstr(text, ": "); /* behind zlib's own name of the file */
    return err_set(e, ERR_CORRUPT, "%s: damaged gzip file (%s); fetch it again", l->name,
                   reason ? reason + 2 : text);
}

/* Reads more behind the unfinished line; the caller has seen that it is not too long. */
static enum err_code fill(struct table_lines *l, struct err *e)
{
    memmove(l->data, l->data + l->start, l->end - l->start);
    l->base += l->start;
    l->end -= l->start;
    l->start = 0;
    if (l->end == l->capacity) {
        char *bigger = mem_realloc_array(l->data, l->capacity * 2, 1);
        if (!bigger)
            return err_set(e, ERR_NOMEM, "no memory for a line of %s", l->name);
        l->data = bigger;
        l->capacity *= 2;
    }
    int n = gzread(l->file, l->data + l->end, (unsigned)(l->capacity - l->end));
    int zlib_error = Z_OK;
    const char *text = "";
    if (n <= 0)
        text = gzerror(l->file, &zlib_error);
    if (n < 0 || (zlib_error != Z_OK && zlib_error != Z_STREAM_END))
        return reading_failed(l, zlib_error, text, e);
    l->end += (size_t)n;
    l->ended = n == 0;
    return ERR_OK;
}

/* Where quoting stands between two looks at a growing record. A quote opens only at the start of a field, so
 * that a stray one spoils its own line and not the rest of the file. */
enum quotes { FIELD_START, PLAIN, INSIDE, CLOSED };

/* The search for the end of a record. */
struct search {
    char separator; /* '\0': a line is a record */
    size_t seen;    /* bytes from the start of the record */
    enum quotes quotes;
    uint64_t number; /* of the line that is looked at */
    bool broken;     /* a quote is open over more lines than a record may have */
};

static enum quotes next_quotes(enum quotes q, char c, char separator)
{
    if (q == INSIDE)
        return c == '"' ? CLOSED : INSIDE;
    if (c == separator)
        return FIELD_START;
    return c == '"' && q != PLAIN ? INSIDE : PLAIN; /* behind CLOSED: the second half of a doubled quote */
}

/* A line ends inside of a quote. Where a search before this one, for a record that was none, was inside of a
 * quote at this very end, it was so until `inside`, and so is this one: no byte is looked at twice, however
 * many lines open a quote and do not close it. */
static void pass_line_end(struct table_lines *l, struct search *s)
{
    uint64_t at = l->base + l->start + s->seen + 1;
    s->number++;
    s->seen++;
    if (at < l->inside) {
        s->seen += (size_t)(l->inside - at);
        s->number = l->inside_number;
    } else {
        l->inside = at;
        l->inside_number = s->number;
    }
    s->broken = s->number - l->number > LIMIT_RECORD_LINES;
}

/* The \n that ends a record, or NULL; goes on where it stopped. */
static char *find_record_end(struct table_lines *l, struct search *s)
{
    char *data = l->data + l->start;
    while (!s->broken && s->seen < l->end - l->start) {
        char c = data[s->seen];
        if (c == '\n' && s->quotes != INSIDE)
            return data + s->seen;
        if (c == '\n') {
            pass_line_end(l, s);
        } else {
            s->quotes = next_quotes(s->quotes, c, s->separator);
            s->seen++;
        }
    }
    return NULL;
}

static char *find_end(struct table_lines *l, struct search *s)
{
    if (s->separator)
        return find_record_end(l, s);
    size_t n = l->end - l->start;
    char *end = memchr(l->data + l->start + s->seen, '\n', n - s->seen);
    s->seen = n;
    return end;
}

/* Leaves out what is left of a line that is too long. */
static enum err_code skip_line(struct table_lines *l, struct err *e)
{
    for (;;) {
        char *end = memchr(l->data + l->start, '\n', l->end - l->start);
        if (end) {
            l->start = (size_t)(end - l->data) + 1;
            break;
        }
        l->start = l->end;
        if (l->ended)
            break;
        enum err_code code = fill(l, e);
        if (code)
            return code;
    }
    l->number++;
    return err_set(e, ERR_INVALID, "%s:%llu: the line is longer than %d bytes", l->name,
                   (unsigned long long)l->number, LIMIT_LINE_BYTES);
}

/* Gives out what lies up to stop, and whether a \n stands there; l->start is behind it. */
static struct table_line give(struct table_lines *l, const char *stop, bool ended, uint64_t n_lines)
{
    char *data = l->data + l->start;
    size_t len = (size_t)(stop - data);
    struct table_line line = {.data = data, .len = len, .number = l->number + 1, .n_lines = n_lines};
    l->last_start = l->start;
    l->last_number = l->number;
    l->start += len + ended;
    l->number += n_lines;
    return line;
}

/* The next line or record as it stands, blank or not; l->start is behind it. */
static enum err_code next_raw(struct table_lines *l, char separator, struct table_line *line, bool *got,
                              struct err *e)
{
    struct search s = {.separator = separator, .number = l->number};
    char *end = NULL;
    for (;;) {
        end = find_end(l, &s);
        size_t n = end ? (size_t)(end - l->data) - l->start : l->end - l->start;
        bool spans = s.number > l->number; /* several lines, by a quote */
        if (n > LIMIT_LINE_BYTES && !spans)
            return skip_line(l, e);
        if (end || l->ended || s.broken || n > LIMIT_LINE_BYTES)
            break;
        enum err_code code = fill(l, e);
        if (code)
            return code;
    }
    *got = end || l->start < l->end;
    if (!*got)
        return ERR_OK;
    bool open =
        s.number > l->number && (s.broken || s.seen > LIMIT_LINE_BYTES || (!end && s.quotes == INSIDE));
    if (open) {
        end = memchr(l->data + l->start, '\n', l->end - l->start);
        s.number = l->number;
    }
    *line = give(l, end ? end : l->data + l->end, end != NULL, s.number - l->number + 1);
    line->open = open;
    return ERR_OK;
}

enum err_code table_lines_next(struct table_lines *l, char separator, struct table_line *line, bool *got,
                               struct err *e)
{
    for (;;) {
        enum err_code code = next_raw(l, separator, line, got, e);
        if (code || !*got)
            return code;
        if (line->number == 1 && line->len >= 3 && memcmp(line->data, "\xef\xbb\xbf", 3) == 0) {
            line->data += 3;
            line->len -= 3;
        }
        while (line->len && line->data[line->len - 1] == '\r') /* \r\r\n: text mode twice, on Windows */
            line->len--;
        if (line->len)
            return ERR_OK;
    }
}

void table_lines_again(struct table_lines *l)
{
    l->start = l->last_start;
    l->number = l->last_number;
}

void table_lines_resume(struct table_lines *l)
{
    const char *end = memchr(l->data + l->last_start, '\n', l->end - l->last_start);
    l->start = end ? (size_t)(end - l->data) + 1 : l->end;
    l->number = l->last_number + 1;
}

enum err_code table_lines_peek(struct table_lines *l, const char **data, size_t *n, struct err *e)
{
    enum err_code code = l->ended || l->end > 0 ? ERR_OK : fill(l, e);
    *data = l->data;
    *n = l->end;
    return code;
}
