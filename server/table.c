/* The path of a line: table_lines finds it, it is proved to be UTF-8, split (table_format) or parsed
 * (table_json), and its values are set in a row (table_row). A bad line costs that line only. */
#include "server/table.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "server/field.h"
#include "server/table_format.h"
#include "server/table_json.h"
#include "server/table_lines.h"
#include "server/table_row.h"
#include "server/table_value.h"

#include <string.h>

struct table {
    struct table_lines *lines;
    enum table_kind kind;
    enum table_format format;
    struct table_columns columns; /* none: NDJSON, candidates, an empty file */
    struct table_fields fields;
    struct table_row_builder row;
    struct table_json json;
    struct buf latin1; /* the line as UTF-8 when it was Latin-1 */
};

void table_close(struct table *t)
{
    if (!t)
        return;
    table_lines_close(t->lines);
    table_columns_fini(&t->columns);
    table_fields_fini(&t->fields);
    table_row_builder_fini(&t->row);
    table_json_fini(&t->json);
    buf_fini(&t->latin1);
    mem_free(t);
}

enum table_format table_format_of(const struct table *t)
{
    return t->format;
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
    table_value_from_latin1((struct store_text){line->data, line->len}, &t->latin1);
    if (t->latin1.failed)
        return buf_check(&t->latin1, "the line as UTF-8", e);
    line->data = t->latin1.data;
    line->len = t->latin1.len;
    return ERR_OK;
}

static enum err_code split(struct table *t, struct table_line *line, struct err *e)
{
    size_t most = t->kind == TABLE_CANDIDATES ? LIMIT_PREDICTION_ROWS + 1
                  : t->columns.n              ? t->columns.n
                                              : TABLE_MAX_COLUMNS;
    return table_split(t->format, line->data, line->len, most, &t->fields, e);
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

static enum err_code read_columns(struct table *t, const struct table_line *first, struct err *e)
{
    struct table_line line = *first;
    enum err_code code = check_text(t, &line, e);
    if (!code)
        code = split(t, &line, e);
    if (code)
        return code;
    if (table_format_has_header(t->format))
        return table_columns_by_header(t->kind, &t->fields, &t->columns, e);
    return table_columns_fixed(t->kind, t->format, t->fields.n, &t->columns, e);
}

/* Looks at the first line for the format, then reads it again as a header, or as the first row. */
static enum err_code read_start(struct table *t, const char *path, enum table_format format, struct err *e)
{
    struct table_line line;
    bool got;
    enum err_code code = table_lines_next(t->lines, false, &line, &got, e);
    if (code || !got)
        return code;
    t->format =
        format ? format : table_format_detect(path, t->kind, (struct store_text){line.data, line.len});
    if (t->kind == TABLE_CANDIDATES && t->format == TABLE_NDJSON)
        return err_set(e, ERR_INVALID, "%s: a table of candidates cannot be NDJSON",
                       table_lines_name(t->lines));
    table_lines_again(t->lines);
    if (without_columns(t))
        return ERR_OK;
    code = table_lines_next(t->lines, t->format == TABLE_CSV, &line, &got, e);
    if (code || !got)
        return code;
    code = read_columns(t, &line, e);
    if (code) {
        bad(t, line.number, e);
        return code;
    }
    if (!table_format_has_header(t->format))
        table_lines_again(t->lines);
    return ERR_OK;
}

enum err_code table_open(const char *path, enum table_kind kind, enum table_format format, struct table **out,
                         struct err *e)
{
    struct table *t = mem_zalloc_array(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "no memory to read %s", path);
    t->kind = kind;
    t->format = format;
    table_row_builder_init(&t->row, kind);
    buf_init(&t->latin1, 2 * LIMIT_LINE_BYTES);
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
    struct store_text *fields = t->fields.list;
    if (t->fields.n < 2)
        return err_set(e, ERR_INVALID, "a line of candidates is a user and items, with tabs between");
    for (size_t i = 0; i < t->fields.n; i++) {
        fields[i] = table_value_trim(fields[i]);
        enum err_code code = field_check_id(fields[i], i ? "item" : "user", e);
        if (code)
            return code;
    }
    row->user = fields[0];
    row->items = fields + 1;
    row->n_items = t->fields.n - 1;
    return ERR_OK;
}

static enum err_code set_columns(struct table *t, struct err *e)
{
    size_t n = t->fields.n;
    if (n < t->columns.least)
        return err_set(e, ERR_INVALID, "%zu columns where %zu are due", n, t->columns.least);
    for (size_t i = 0; i < n; i++) {
        const struct table_column *c = &t->columns.list[i];
        enum err_code code = table_row_set(&t->row, c->role, c->name, t->fields.list[i], e);
        if (code)
            return code;
    }
    return ERR_OK;
}

static enum err_code set_row(struct table *t, struct table_line *line, struct err *e)
{
    enum err_code code = check_text(t, line, e);
    if (code)
        return code;
    if (t->format == TABLE_NDJSON)
        return table_json_row(&t->json, line->data, line->len, &t->row, e);
    code = split(t, line, e);
    if (code)
        return code;
    return t->kind == TABLE_CANDIDATES ? set_candidates(t, e) : set_columns(t, e);
}

enum err_code table_next(struct table *t, struct table_row *row, bool *got, struct err *e)
{
    struct table_line line;
    bool more = false;
    enum err_code code = table_lines_next(t->lines, t->format == TABLE_CSV, &line, &more, e);
    if (code || !more) {
        *got = false;
        return code;
    }
    table_row_start(&t->row);
    code = set_row(t, &line, e);
    if (!code)
        code = table_row_finish(&t->row, line.number, row, e);
    *got = !code;
    if (code)
        bad(t, line.number, e);
    return code;
}
