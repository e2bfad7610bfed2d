/* Folders are left out of messages, so that a test can say the whole of one. */
#include "tests/support/table_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[256];

const char *table_rows_write(const char *name, const void *bytes, size_t n)
{
    char dir[] = "/tmp/test_server_table.XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

void table_rows_remove(void)
{
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
    path[0] = '\0';
}

static void add_text(char *to, struct text t)
{
    (void)sprintf(to + strlen(to), "%.*s;", t.data ? (int)t.len : 1, t.data ? t.data : "-");
}

/* A row as text, what is absent as "-". */
static void describe(const struct table_row *r, char *out)
{
    out[0] = '\0';
    (void)sprintf(out, "%d:", (int)r->line);
    add_text(out, r->user);
    add_text(out, r->item);
    (void)sprintf(out + strlen(out), "w%g;r%g;t%lld;", r->weight, r->rating, (long long)r->timestamp);
    add_text(out, r->title);
    add_text(out, r->categories);
    add_text(out, r->object);
    for (size_t i = 0; i < r->n_embedding; i++)
        (void)sprintf(out + strlen(out), "%g ", (double)r->embedding[i]);
    for (size_t i = 0; i < r->n_items; i++)
        add_text(out, r->items[i]);
    for (size_t i = 0; i < r->n_cells; i++) {
        (void)sprintf(out + strlen(out), "%s%s=", i ? "," : "", r->cells[i].name);
        if (r->cells[i].text.data)
            (void)sprintf(out + strlen(out), "%.*s", (int)r->cells[i].text.len, r->cells[i].text.data);
        if (r->cells[i].is_number)
            (void)sprintf(out + strlen(out), "#%g", r->cells[i].number);
        if (r->cells[i].none)
            (void)sprintf(out + strlen(out), "null");
    }
}

static void read_all(const char *name, enum table_kind kind, enum table_format format, const void *bytes,
                     size_t n, char *out, size_t out_size)
{
    struct table *t = NULL;
    struct err e = {0};
    out[0] = '\0';
    if (table_open(table_rows_write(name, bytes, n), kind, format, &t, &e) != ERR_OK) {
        (void)snprintf(out, out_size, "open %s: %s", err_name(e.code), strstr(e.text, name));
        table_rows_remove();
        return;
    }
    static char line[256 * 1024];
    for (bool got = true; got;) {
        struct table_row row;
        struct err bad = {0};
        enum err_code code = table_next(t, &row, &got, &bad);
        line[0] = '\0';
        if (code == ERR_INVALID) {
            ck_assert_msg(strstr(bad.text, name) != NULL, "no file name in: %s", bad.text);
            (void)snprintf(line, sizeof line, "! %s\n", strstr(bad.text, name) + strlen(name) + 1);
            got = true;
        } else if (code) {
            (void)snprintf(line, sizeof line, "!! %s: %s\n", err_name(code), bad.text);
            got = false;
        } else if (got) {
            describe(&row, line);
            strcat(line, "\n");
        }
        ck_assert_uint_lt(strlen(out) + strlen(line), out_size);
        strcat(out, line);
    }
    table_close(t);
    table_rows_remove();
}

const char *table_rows(const char *name, enum table_kind kind, enum table_format format, const void *bytes,
                       size_t n)
{
    static char result[1024 * 1024];
    read_all(name, kind, format, bytes, n, result, sizeof result);
    return result;
}
