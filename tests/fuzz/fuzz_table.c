/* Any bytes as a table of any kind and format, plain or gzip: every row keeps what server/tables/table.h
 * promises of it, every error has a text with the file's name, and a bad line does not stop the reading. The
 * first byte picks the kind and the format; from ROWS_FROM on it is TABLE_ROWS. */
#include "base/limits.h"
#include "base/utf8.h"
#include "server/tables/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROWS_FROM = 200 };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static void check_text(struct text t, size_t least, size_t most)
{
    if (t.data &&
        (t.len < least || t.len > most || memchr(t.data, '\0', t.len) || !utf8_valid(t.data, t.len)))
        abort();
}

/* An id that the kind needs. */
static void check_id(struct text id)
{
    if (!id.data)
        abort();
    check_text(id, 1, LIMIT_ID_BYTES);
}

static void check_json(struct text t, char first, char last, size_t most)
{
    check_text(t, 2, most);
    if (t.data && (t.data[0] != first || t.data[t.len - 1] != last))
        abort();
}

static void check_cells(const struct table_row *row)
{
    for (size_t i = 0; i < row->n_cells; i++) {
        const struct table_cell *cell = &row->cells[i];
        if (!cell->name || !*cell->name || !utf8_valid(cell->name, strlen(cell->name)))
            abort();
        if ((!cell->text.data && !cell->is_number) != cell->none ||
            (cell->is_number && !isfinite(cell->number)))
            abort();
        check_text(cell->text, 1, SIZE_MAX);
    }
}

static void check_row(const struct table_row *row, enum table_kind kind)
{
    if (kind == TABLE_ROWS) {
        check_cells(row);
        return;
    }
    if (kind != TABLE_ITEMS)
        check_id(row->user);
    if (kind == TABLE_ITEMS || kind == TABLE_INTERACTIONS)
        check_id(row->item);
    if (!isfinite(row->weight) || !(row->weight > 0) || isinf(row->rating) || row->timestamp < 0)
        abort();
    check_text(row->title, 1, LIMIT_TITLE_BYTES);
    check_json(row->categories, '[', ']', 64 * 1024);
    check_json(row->object, '{', '}', kind == TABLE_USERS ? LIMIT_PROFILE_BYTES : LIMIT_METADATA_BYTES);
    if ((kind == TABLE_CONTEXTS) != (row->n_embedding > 0) ||
        (kind == TABLE_CANDIDATES) != (row->n_items > 0))
        abort();
    for (size_t i = 0; i < row->n_embedding; i++)
        if (!isfinite(row->embedding[i]))
            abort();
    for (size_t i = 0; i < row->n_items; i++)
        check_id(row->items[i]);
}

static void check_error(enum err_code code, const struct err *e, const char *path)
{
    if (e->code != code || !strstr(e->text, path))
        abort();
}

static void read_table(const char *path, enum table_kind kind, enum table_format format)
{
    struct table *t = NULL;
    struct err e = {0};
    enum err_code code = table_open(path, kind, format, &t, &e);
    if (code) {
        check_error(code, &e, path);
        return;
    }
    uint64_t line = 0;
    for (bool got = true; got || code == ERR_INVALID;) {
        struct table_row row;
        err_clear(&e);
        code = table_next(t, &row, &got, &e);
        if (code) {
            check_error(code, &e, path);
        } else if (got) {
            if (row.line <= line)
                abort();
            line = row.line;
            check_row(&row, kind);
        }
    }
    table_close(t);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    if (!n)
        return 0;
    char path[64];
    int fd = memfd_create("table", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes + 1, n - 1) != (ssize_t)(n - 1))
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum table_kind kind = bytes[0] < ROWS_FROM ? (enum table_kind)(bytes[0] % 5) : TABLE_ROWS;
    enum table_format format = bytes[0] < ROWS_FROM ? (enum table_format)(bytes[0] / 5 % 8)
                                                    : (enum table_format)((bytes[0] - ROWS_FROM) % 8);
    read_table(path, kind, format);
    (void)close(fd);
    return 0;
}
