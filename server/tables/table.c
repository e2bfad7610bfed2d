/* The path of a line: table_lines finds it, it is proved to be UTF-8, split (table_format) or parsed
 * (table_json), and its values are set in a row (table_row). A bad line costs that line only. */
#include "server/tables/table.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "server/fields/field.h"
#include "server/fields/field_value.h"
#include "server/tables/format.h"
#include "server/tables/line_reader.h"
#include "server/tables/ndjson_row.h"
#include "server/tables/row_builder.h"
#include "server/tables/sniff.h"

#include <string.h>
#include <strings.h>

struct table {
    struct table_lines *lines;
    enum table_kind kind;
    enum table_format format;
    struct table_columns columns; /* none: NDJSON, candidates, an empty file */
    struct table_fields fields;
    struct table_row_builder row;
    struct table_json json;
    struct buf latin1;         /* the line as UTF-8 when it was Latin-1 */
    struct buf record;         /* a copy of a record of several lines, so that the lines stay as they were */
    struct table_columns seen; /* NDJSON: the names met so far */
    bool by_name;              /* the format was told by the file's name */
    uint64_t n_unquoted;       /* fields of TSV that had quotes taken off */
    bool quoted;               /* a TSV whose header is quoted, and so are its fields, as in CSV */
    uint64_t n_lost;           /* lines that the last bad row was */
    uint64_t n_looked_at;      /* rows so far, for look_for_date */
    const struct table_naming *naming; /* NULL: columns are called as they are meant */
};

void table_close(struct table *t)
{
    if (!t)
        return;
    table_lines_close(t->lines);
    table_columns_fini(&t->columns);
    table_columns_fini(&t->seen);
    table_fields_fini(&t->fields);
    table_row_builder_fini(&t->row);
    table_json_fini(&t->json);
    buf_fini(&t->latin1);
    buf_fini(&t->record);
    mem_free(t);
}

void table_about(const struct table *t, struct table_about *out)
{
    *out = (struct table_about){.format = t->format,
                                .by_name = t->by_name,
                                .quoted = t->quoted,
                                .n_unquoted = t->n_unquoted,
                                .columns = t->format == TABLE_NDJSON ? &t->seen : &t->columns};
}

void table_take_images(struct table *t)
{
    t->row.takes_images = true;
}

bool table_is_ignored(const struct table_ignored *ignored, const char *name)
{
    bool found = false;
    for (size_t i = 0; ignored && i < ignored->n; i++)
        if (strcasecmp(ignored->names[i], name) == 0)
            found = ignored->seen[i] = true;
    return found;
}

enum err_code table_ignore(struct table *t, const struct table_ignored *ignored, struct err *e)
{
    for (size_t i = 0; i < ignored->n; i++) {
        struct text name = {ignored->names[i], strlen(ignored->names[i])};
        enum table_role role = table_role_of(t->kind, name, NULL);
        if (table_role_needed(t->kind, role))
            return err_set(e, ERR_INVALID,
                           "%s: the column '%s' says which %s a row is of; it cannot be ignored",
                           table_lines_name(t->lines), name.data, table_role_name(role));
    }
    for (size_t i = 0; i < t->columns.n; i++)
        if (table_is_ignored(ignored, t->columns.list[i].name) ||
            (t->columns.list[i].called && table_is_ignored(ignored, t->columns.list[i].called)))
            t->columns.list[i].role = ROLE_IGNORED;
    t->json.ignored = ignored;
    return ERR_OK;
}

uint64_t table_lost(const struct table *t)
{
    return t->n_lost;
}

/* The MovieLens files of old are Latin-1; every other format is UTF-8. */
static bool may_be_latin1(enum table_format format)
{
    return format == TABLE_DAT || format == TABLE_U_USER || format == TABLE_U_ITEM;
}

static enum err_code check_text(struct table *t, struct table_line *line, struct err *e)
{
    if (memchr(line->data, '\0', line->len))
        return err_set(e, ERR_INVALID, "the line has a zero byte");
    if (utf8_valid(line->data, line->len))
        return ERR_OK;
    if (!may_be_latin1(t->format))
        return err_set(e, ERR_INVALID, "the line is not UTF-8; convert the file (iconv -f LATIN1 -t UTF-8)");
    field_value_from_latin1((struct text){line->data, line->len}, &t->latin1);
    if (t->latin1.failed)
        return buf_check(&t->latin1, "the line as UTF-8", e);
    line->data = t->latin1.data;
    line->len = t->latin1.len;
    return ERR_OK;
}

/* What separates the fields of a format whose fields may be quoted as in CSV; '\0' for the others. */
static char quoted_separator(const struct table *t)
{
    return t->format == TABLE_CSV ? ',' : t->format == TABLE_TSV && t->quoted ? '\t' : '\0';
}

static enum err_code split(struct table *t, struct table_line *line, struct err *e)
{
    size_t most = t->kind == TABLE_CANDIDATES ? LIMIT_PREDICTION_ROWS + 1
                  : t->columns.n              ? t->columns.n
                                              : TABLE_MAX_COLUMNS;
    return table_split(t->format, quoted_separator(t), line->data, line->len, most, &t->fields, e);
}

/* Adds file and line to the reason. */
static void bad(const struct table *t, uint64_t line, struct err *e)
{
    (void)err_prefix(e, "%s:%llu", table_lines_name(t->lines), (unsigned long long)line);
}

/* ---- opening ---- */

static bool without_columns(const struct table *t)
{
    return t->kind == TABLE_CANDIDATES || t->format == TABLE_NDJSON;
}

/* Whether the first line is a row already. */
static bool has_no_header(const struct table *t)
{
    return !table_format_has_header(t->format) || (t->naming && t->naming->no_header);
}

/* A header with quotes that does not fall into fields may have another separator behind them. */
static void name_separator(const struct table *t, const struct table_line *line, struct err *e)
{
    char separator = quoted_separator(t);
    const char *what = separator && !memchr(line->data, separator, line->len)
                           ? table_sniff_header(line->data, line->len, 1)
                           : NULL;
    if (!what)
        return;
    err_clear(e);
    (void)err_set(e, ERR_INVALID, "the header is one column; %s", what);
}

static enum err_code read_columns(struct table *t, const struct table_line *first, struct err *e)
{
    struct table_line line = *first;
    enum err_code code = check_text(t, &line, e);
    if (!code)
        code = split(t, &line, e);
    if (code == ERR_INVALID)
        name_separator(t, &line, e);
    if (code)
        return code;
    const char *what = has_no_header(t) && t->fields.n == 1
                           ? table_sniff_header(t->fields.list[0].data, t->fields.list[0].len, 1)
                           : NULL;
    if (what && table_format_has_header(t->format))
        return err_set(e, ERR_INVALID, "the line is one column; %s", what);
    if (has_no_header(t) && table_format_has_header(t->format))
        return table_columns_by_number(t->kind, t->fields.n, t->naming, &t->columns, e);
    if (table_format_has_header(t->format))
        return table_columns_by_header(t->kind, &t->fields, t->naming, &t->columns, e);
    return table_columns_fixed(t->kind, t->format, t->fields.n, &t->columns, e);
}

/* Files that are no text, or a text that no line of which would be understood, are named as what they are. */
static enum err_code refuse_other_files(struct table *t, struct err *e)
{
    const char *bytes, *what = NULL;
    size_t n;
    enum err_code code = table_lines_peek(t->lines, &bytes, &n, e);
    if (!code && n)
        what = table_sniff(bytes, n);
    return what ? err_set(e, ERR_INVALID, "%s is %s", table_lines_name(t->lines), what) : code;
}

/* Looks at the first line for the format, then reads it again as a header, or as the first row. */
static enum err_code read_start(struct table *t, const char *path, enum table_format format, struct err *e)
{
    struct table_line line;
    bool got;
    enum err_code code = refuse_other_files(t, e);
    if (!code)
        code = table_lines_next(t->lines, '\0', &line, &got, e);
    if (code || !got)
        return code;
    t->format =
        format ? format : table_format_detect(path, t->kind, (struct text){line.data, line.len}, &t->by_name);
    if (t->kind == TABLE_CANDIDATES && t->format == TABLE_NDJSON)
        return err_set(e, ERR_INVALID, "%s: a table of candidates cannot be NDJSON",
                       table_lines_name(t->lines));
    if (t->naming && t->naming->no_header && !table_format_has_header(t->format))
        return err_set(e, ERR_INVALID, "%s: --no-header is for CSV and TSV; this is %s",
                       table_lines_name(t->lines), table_format_name(t->format));
    t->json.naming = t->naming;
    t->quoted = t->kind != TABLE_CANDIDATES && t->format == TABLE_TSV && line.data[0] == '"';
    table_lines_again(t->lines);
    if (without_columns(t))
        return ERR_OK;
    code = table_lines_next(t->lines, quoted_separator(t), &line, &got, e);
    if (code || !got)
        return code;
    code = read_columns(t, &line, e);
    if (code) {
        bad(t, line.number, e);
        return code;
    }
    if (has_no_header(t))
        table_lines_again(t->lines);
    return ERR_OK;
}

enum err_code table_open(const char *path, enum table_kind kind, enum table_format format, struct table **out,
                         struct err *e)
{
    return table_open_named(path, kind, format, NULL, out, e);
}

enum err_code table_open_named(const char *path, enum table_kind kind, enum table_format format,
                               const struct table_naming *naming, struct table **out, struct err *e)
{
    struct table *t = mem_zalloc_array(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "no memory to read %s", path);
    t->kind = kind;
    t->format = format;
    t->naming = naming;
    table_row_builder_init(&t->row, kind);
    buf_init(&t->latin1, 2 * LIMIT_LINE_BYTES);
    buf_init(&t->record, 2 * LIMIT_LINE_BYTES);
    enum err_code code = table_lines_open(path, &t->lines, e);
    if (!code)
        code = read_start(t, path, format, e);
    if (code) {
        table_close(t);
        return code;
    }
    *out = t;
    return ERR_OK;
}

/* ---- rows ---- */

static enum err_code set_candidates(struct table *t, struct err *e)
{
    struct table_row *row = &t->row.row;
    struct text *fields = t->fields.list;
    if (t->fields.n < 2)
        return err_set(e, ERR_INVALID, "a line of candidates is a user and items, with tabs between");
    for (size_t i = 0; i < t->fields.n; i++) {
        fields[i] = field_value_trim(fields[i]);
        enum err_code code = table_row_check_id(fields[i], i ? "item" : "user", e);
        if (!code)
            code = table_row_check_word(fields[i], false, i ? "item" : "user", e);
        if (code)
            return code;
    }
    row->user = fields[0];
    row->items = fields + 1;
    row->n_items = t->fields.n - 1;
    return ERR_OK;
}

/* What may be text over several lines. In any other column a line end says that a quote before it was not
 * closed. */
static bool may_span(enum table_role role)
{
    return role == ROLE_EXTRA || role == ROLE_IGNORED || role == ROLE_TITLE || role == ROLE_CATEGORIES ||
           role == ROLE_EMBEDDING;
}

#define QUOTED_TSV                                                                                           \
    "; a field begins with a quote and does not end with one: fields with tabs or line ends in them are "    \
    "read from CSV, or from a "                                                                              \
    "TSV whose header is quoted too"

/* Whether a field of a TSV looks as if it went on behind a tab or line end. */
static bool has_open_quote(const struct table *t)
{
    for (size_t i = 0; t->format == TABLE_TSV && !t->quoted && i < t->fields.n; i++) {
        struct text f = t->fields.list[i];
        if (f.len && f.data[0] == '"' && (f.len == 1 || f.data[f.len - 1] != '"'))
            return true;
    }
    return false;
}

/* Whether the fields are a row's: as many as are due, and line ends where they may be. */
static enum err_code check_fields(const struct table *t, struct err *e)
{
    size_t n = t->fields.n;
    if (n < t->columns.least)
        return err_set(e, ERR_INVALID, "%zu columns where %zu are due%s", n, t->columns.least,
                       has_open_quote(t) ? QUOTED_TSV : "");
    for (size_t i = 0; i < n; i++) {
        struct text text = t->fields.list[i];
        if (!may_span(t->columns.list[i].role) && memchr(text.data, '\n', text.len))
            return err_set(e, ERR_INVALID,
                           "the column '%s' has a line end; a quote before it may not be closed",
                           t->columns.list[i].name);
    }
    return ERR_OK;
}

/* Fields that pandas quotes where there is need, in a TSV. */
static void unquote_fields(struct table *t)
{
    for (size_t i = 0; i < t->fields.n; i++)
        if (table_unquote_tsv(&t->fields.list[i])) {
            t->fields.quoted[i] = true;
            t->n_unquoted++;
        }
}

/* Whether a cell says that there is no value, as programs write it. For an id that is a fault (table_row); a
 * format without quotes and header cannot say that a title is meant so, and its files do not write it for
 * none. */
static bool is_none(const struct table *t, size_t i)
{
    enum table_role role = t->columns.list[i].role;
    return table_format_has_header(t->format) && !t->fields.quoted[i] && role != ROLE_USER &&
           role != ROLE_ITEM && role != ROLE_EMBEDDING &&
           field_is_null_word(field_value_trim(t->fields.list[i]));
}

/* Looks whether an ignored column of interactions has times: who wrote the file may not know by which name
 * they would be taken. */
static void look_for_date(struct table *t, size_t i)
{
    enum { LOOKED_AT = 100 };
    struct table_column *c = &t->columns.list[i];
    double number;
    int64_t seconds;
    if (t->kind != TABLE_INTERACTIONS || c->role != ROLE_EXTRA || t->n_looked_at > LOOKED_AT)
        return;
    struct text text = field_value_trim(t->fields.list[i]);
    c->n_dates += !field_value_number(text, &number) && field_value_time(text, &seconds);
}

static enum err_code set_columns(struct table *t, struct err *e)
{
    if (t->format == TABLE_TSV && !t->quoted)
        unquote_fields(t);
    t->n_looked_at++;
    for (size_t i = 0; i < t->fields.n; i++) {
        const struct table_column *c = &t->columns.list[i];
        look_for_date(t, i);
        if (c->role == ROLE_IGNORED || is_none(t, i))
            continue;
        enum err_code code =
            table_row_set(&t->row, c->role, c->name, t->fields.list[i], t->fields.quoted[i], e);
        if (code)
            return code;
    }
    return ERR_OK;
}

/* Splits a line into t->fields. A record of several lines that turns out to be none is its first line alone:
 * behind it everything is looked at anew, so that one quote that is not closed costs one line. */
static enum err_code take_fields(struct table *t, struct table_line *line, struct err *e)
{
    if (line->open)
        return err_set(e, ERR_INVALID, "a quoted field is not closed, within %d lines or before the end",
                       LIMIT_RECORD_LINES);
    struct table_line copy = *line;
    if (line->n_lines > 1) {
        buf_reset(&t->record);
        buf_add(&t->record, line->data, line->len);
        if (t->record.failed)
            return buf_check(&t->record, "a record of several lines", e);
        copy.data = t->record.data;
    }
    enum err_code code = split(t, &copy, e);
    if (code == ERR_INVALID && has_open_quote(t)) {
        err_clear(e);
        return err_set(e, ERR_INVALID, "more than %zu columns" QUOTED_TSV, t->columns.n);
    }
    if (!code && t->kind != TABLE_CANDIDATES)
        code = check_fields(t, e);
    if (code != ERR_INVALID || line->n_lines == 1)
        return code;
    table_lines_resume(t->lines);
    t->n_lost = 1;
    err_clear(e);
    return err_set(
        e, ERR_INVALID,
        "a quoted field is not closed; with the lines up to %llu, where a quote is, it makes no row",
        (unsigned long long)(line->number + line->n_lines - 1));
}

/* Remembers the names of a line of NDJSON that are new, for who asks what was in the file. */
static enum err_code note_names(struct table *t, struct err *e)
{
    enum { MAX_NAMES = 64 };
    const char *name;
    json_t *value;
    enum err_code code = ERR_OK;
    json_object_foreach(t->json.line, name, value)
    {
        size_t i = 0;
        while (i < t->seen.n && strcmp(t->seen.list[i].name, name) != 0)
            i++;
        if (i == t->seen.n && i < MAX_NAMES && !code)
            code = table_columns_add(&t->seen,
                                     table_is_ignored(t->json.ignored, name)
                                         ? ROLE_IGNORED
                                         : table_json_role(&t->json, name, t->kind, NULL),
                                     text_of(name), e);
    }
    return code;
}

static enum err_code set_row(struct table *t, struct table_line *line, struct err *e)
{
    enum err_code code = check_text(t, line, e);
    if (code)
        return code;
    if (t->format == TABLE_NDJSON) {
        code = table_json_row(&t->json, line->data, line->len, &t->row, e);
        return code ? code : note_names(t, e);
    }
    code = take_fields(t, line, e);
    if (code)
        return code;
    return t->kind == TABLE_CANDIDATES ? set_candidates(t, e) : set_columns(t, e);
}

enum err_code table_next(struct table *t, struct table_row *row, bool *got, struct err *e)
{
    struct table_line line;
    bool more = false;
    enum err_code code = table_lines_next(t->lines, quoted_separator(t), &line, &more, e);
    t->n_lost = 1;
    if (code || !more) {
        *got = false;
        return code;
    }
    t->n_lost = line.n_lines;
    table_row_start(&t->row);
    code = set_row(t, &line, e);
    if (!code)
        code = table_row_finish(&t->row, line.number, row, e);
    *got = !code;
    if (code)
        bad(t, line.number, e);
    return code;
}

enum err_code table_each(const char *path, enum table_kind kind,
                         enum err_code (*fn)(void *arg, const struct table_row *row, struct err *e),
                         void *arg, struct err *e)
{
    struct table *t;
    struct table_row row;
    bool got = true;
    enum err_code code = table_open(path, kind, TABLE_AUTO, &t, e);
    if (code)
        return code;
    while (!code && !(code = table_next(t, &row, &got, e)) && got)
        code = fn(arg, &row, e);
    table_close(t);
    return code;
}
