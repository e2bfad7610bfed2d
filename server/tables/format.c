/* A name says more than a look at the first line, and a first line can mislead (a title with a comma), so the
 * name decides where it is one of those in use. */
#include "server/tables/format.h"

#include "base/mem.h"
#include "server/fields/field_value.h"

#include <string.h>
#include <strings.h>

static const char *const format_names[] = {
    [TABLE_AUTO] = "auto", [TABLE_CSV] = "csv",       [TABLE_TSV] = "tsv",       [TABLE_NDJSON] = "ndjson",
    [TABLE_DAT] = "dat",   [TABLE_U_DATA] = "u.data", [TABLE_U_USER] = "u.user", [TABLE_U_ITEM] = "u.item",
};
enum { N_FORMATS = sizeof format_names / sizeof format_names[0] };

const char *table_format_name(enum table_format format)
{
    return format_names[format];
}

bool table_format_parse(const char *name, enum table_format *out)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (strcmp(name, format_names[i]) == 0) {
            *out = (enum table_format)i;
            return true;
        }
    return false;
}

bool table_format_has_header(enum table_format format)
{
    return format == TABLE_CSV || format == TABLE_TSV;
}

static bool has(struct text line, const char *what)
{
    return line.len && memmem(line.data, line.len, what, strlen(what)) != NULL;
}

/* Two to four whole numbers between tabs: ratings without a header. */
static bool looks_like_u_data(struct text line)
{
    size_t n_fields = 1, n_digits = 0;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.data[i];
        if (c == '\t') {
            if (!n_digits)
                return false;
            n_fields++;
            n_digits = 0;
        } else if (c >= '0' && c <= '9') {
            n_digits++;
        } else {
            return false;
        }
    }
    return n_digits && n_fields >= 2 && n_fields <= 4;
}

static enum table_format format_by_line(enum table_kind kind, struct text line)
{
    if (line.len && line.data[0] == '{')
        return TABLE_NDJSON;
    if (has(line, "::"))
        return TABLE_DAT;
    if (has(line, "\t"))
        return TABLE_TSV;
    if (has(line, "|") && !has(line, ",") && (kind == TABLE_USERS || kind == TABLE_ITEMS))
        return kind == TABLE_USERS ? TABLE_U_USER : TABLE_U_ITEM;
    return has(line, ",") ? TABLE_CSV : TABLE_TSV;
}

static bool ends_with(const char *name, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);
    return len >= n && strncasecmp(name + len - n, suffix, n) == 0;
}

enum table_format table_format_detect(const char *path, enum table_kind kind, struct text first_line,
                                      bool *by_name)
{
    static const struct {
        const char *suffix;
        enum table_format format;
    } suffixes[] = {
        {".csv", TABLE_CSV},       {".tsv", TABLE_TSV},      {".tab", TABLE_TSV},
        {".ndjson", TABLE_NDJSON}, {".jsonl", TABLE_NDJSON}, {"u.user", TABLE_U_USER},
        {"u.item", TABLE_U_ITEM},
    };
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t len = strlen(name);
    if (ends_with(name, len, ".gz"))
        len -= 3;
    enum table_format format = format_by_line(kind, first_line);
    *by_name = false;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (ends_with(name, len, suffixes[i].suffix)) {
            format = suffixes[i].format;
            *by_name = true;
        }
    if (format == TABLE_TSV && kind == TABLE_INTERACTIONS && looks_like_u_data(first_line))
        format = TABLE_U_DATA;
    return format;
}

/* ---- fields ---- */

void table_fields_fini(struct table_fields *f)
{
    mem_free(f->list);
    mem_free(f->quoted);
    *f = (struct table_fields){0};
}

static enum err_code add_field(struct table_fields *f, struct text text, bool quoted, size_t most,
                               struct err *e)
{
    if (f->n == most)
        return err_set(e, ERR_INVALID, "more than %zu columns", most);
    size_t capacity = f->capacity; /* of both arrays */
    if (!MEM_RESERVE(f->quoted, capacity, f->n + 1) || !MEM_RESERVE(f->list, f->capacity, f->n + 1))
        return err_set(e, ERR_NOMEM, "no memory for more than %zu columns", f->n);
    f->quoted[f->n] = quoted;
    f->list[f->n++] = text;
    return ERR_OK;
}

static enum err_code split_at(const char *separator, const char *line, size_t len, size_t most,
                              struct table_fields *out, struct err *e)
{
    size_t n_separator = strlen(separator);
    const char *p = line, *end = line + len;
    for (;;) {
        size_t left = (size_t)(end - p);
        const char *stop =
            n_separator == 1 ? memchr(p, separator[0], left) : memmem(p, left, separator, n_separator);
        enum err_code code =
            add_field(out, (struct text){p, (size_t)((stop ? stop : end) - p)}, false, most, e);
        if (code || !stop)
            return code;
        p = stop + n_separator;
    }
}

/* Moves the inside of a quoted field over its quotes; *p is behind the opening quote, then behind the closing
 * one. */
static enum err_code unquote(char **p, const char *end, size_t *len, struct err *e)
{
    char *from = *p, *to = *p;
    for (; from < end; from++) {
        if (*from == '"') {
            if (from + 1 == end || from[1] != '"')
                break;
            from++;
        }
        *to++ = *from;
    }
    if (from == end)
        return err_set(e, ERR_INVALID, "a quoted field is not closed");
    *len = (size_t)(to - *p);
    *p = from + 1;
    return ERR_OK;
}

static enum err_code split_quoted(char separator, char *line, size_t n, size_t most, struct table_fields *out,
                                  struct err *e)
{
    char *p = line, *end = line + n;
    for (;;) {
        char *data = p;
        size_t len = 0;
        bool quoted = p < end && *p == '"';
        if (quoted) {
            data = ++p;
            enum err_code code = unquote(&p, end, &len, e);
            if (code)
                return code;
            if (p < end && *p != separator)
                return err_set(e, ERR_INVALID, "text behind the closing quote of column %zu", out->n + 1);
        } else {
            char *stop = memchr(p, separator, (size_t)(end - p));
            len = (size_t)((stop ? stop : end) - p);
            if (memchr(p, '"', len))
                return err_set(
                    e, ERR_INVALID,
                    "a quote inside of column %zu, which does not begin with one; write \"...\"\"...\"",
                    out->n + 1);
            p += len;
        }
        enum err_code code = add_field(out, (struct text){data, len}, quoted, most, e);
        if (code || p == end)
            return code;
        p++; /* the separator */
    }
}

bool table_unquote_tsv(struct text *field)
{
    size_t n = field->len, n_inside = 0;
    const char *text = field->data;
    if (n < 4 || text[0] != '"' || text[n - 1] != '"')
        return false;
    for (size_t i = 1; i + 1 < n; i++)
        if (text[i] == '"') {
            if (text[i + 1] != '"' || i + 2 == n)
                return false;
            n_inside++;
            i++;
        }
    if (!n_inside) /* quoted without need: a title may well be so */
        return false;
    char *to = (char *)(uintptr_t)text, *start = to;
    for (size_t i = 1; i + 1 < n; i++) {
        *to++ = text[i];
        i += text[i] == '"';
    }
    *field = (struct text){start, (size_t)(to - start)};
    return true;
}

enum err_code table_split(enum table_format format, char quoted, char *line, size_t len, size_t most,
                          struct table_fields *out, struct err *e)
{
    out->n = 0;
    if (quoted)
        return split_quoted(quoted, line, len, most, out, e);
    switch (format) {
    case TABLE_DAT:
        return split_at("::", line, len, most, out, e);
    case TABLE_U_USER:
    case TABLE_U_ITEM:
        return split_at("|", line, len, most, out, e);
    case TABLE_AUTO:
    case TABLE_CSV: /* never without quoting */
    case TABLE_TSV:
    case TABLE_NDJSON:
    case TABLE_U_DATA:
        break;
    }
    return split_at("\t", line, len, most, out, e);
}
