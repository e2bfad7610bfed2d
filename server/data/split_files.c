/* CSV and not TSV, because an id may have a tab; ids that read as words for nothing are quoted, so that an
 * import takes them back. */
#include "server/data/split_files.h"

#include "base/file.h"
#include "base/mem.h"
#include "server/data/output_file.h"
#include "server/fields/field.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { N_FILES = 3 };

static const char *const names[N_FILES] = {"train.csv", "test.csv", "known.csv"}; /* by enum split_file */
static const char suffix[] = ".part";

struct out {
    struct file_out file;
    FILE *stream; /* of it; NULL: not wanted */
};

struct split_files {
    struct out list[N_FILES]; /* by enum split_file */
    bool has[SPLIT_COLUMNS];
};

/* One file's name in the folder, or that of its part, against the tables. */
static enum err_code check_one(const char *folder, const char *name, const char *end,
                               const char *const *paths, size_t n_paths, struct err *e)
{
    char *place = file_in(folder, name), *path = place ? file_beside(place, end) : NULL;
    enum err_code code = path ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the name of %s", name);
    for (size_t i = 0; i < n_paths && !code; i++)
        if (output_file_same(path, paths[i]))
            code = err_set(e, ERR_CONFLICT,
                           "--out %s: %s there is the table of --interactions %s; name another folder",
                           folder, strrchr(path, '/') + 1, paths[i]);
    mem_free(place);
    mem_free(path);
    return code;
}

enum err_code split_files_check(const char *folder, bool known, const char *const *paths, size_t n_paths,
                                struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < N_FILES && !code; i++) {
        if (i == SPLIT_KNOWN && !known)
            continue;
        code = check_one(folder, names[i], "", paths, n_paths, e);
        if (!code)
            code = check_one(folder, names[i], suffix, paths, n_paths, e);
    }
    return code;
}

static enum err_code open_one(struct out *o, const char *folder, const char *name,
                              const bool has[SPLIT_COLUMNS], struct err *e)
{
    static const char *const columns[] = {",rating", ",weight", ",timestamp", ",kind"}; /* (SPLIT_COLUMNS) */
    char *path = file_in(folder, name);
    enum err_code code = path ? file_out_open(&o->file, path, suffix, FILE_SHARED, e)
                              : err_set(e, ERR_NOMEM, "no memory for the name of %s", name);
    mem_free(path);
    if (!code)
        code = file_out_stream(&o->file, &o->stream, e);
    if (code)
        return code;
    (void)fputs("user,item", o->stream);
    for (size_t i = 0; i < SPLIT_COLUMNS; i++)
        (void)fputs(has[i] ? columns[i] : "", o->stream);
    (void)fputc('\n', o->stream);
    return ERR_OK;
}

enum err_code split_files_open(const char *folder, bool known, const bool has[SPLIT_COLUMNS],
                               struct split_files **out, struct err *e)
{
    struct split_files *f = mem_zalloc_array(1, sizeof *f);
    if (!f)
        return err_set(e, ERR_NOMEM, "no memory to write files");
    memcpy(f->has, has, sizeof f->has);
    enum err_code code = mkdir(folder, 0777) && errno != EEXIST ? file_error(e, folder, "make") : ERR_OK;
    for (size_t i = 0; i < N_FILES && !code; i++)
        if (i != SPLIT_KNOWN || known)
            code = open_one(&f->list[i], folder, names[i], has, e);
    if (code)
        split_files_free(f);
    else
        *out = f;
    return code;
}

/* An id, or a word for a kind. */
static void write_id(FILE *f, struct text id)
{
    bool plain = !field_is_null_word(id);
    for (size_t i = 0; i < id.len && plain; i++)
        plain = !strchr(",\"\r\n", id.data[i]);
    if (plain) {
        (void)fwrite(id.data, 1, id.len, f);
        return;
    }
    (void)fputc('"', f);
    for (size_t i = 0; i < id.len; i++) {
        if (id.data[i] == '"')
            (void)fputc('"', f);
        (void)fputc(id.data[i], f);
    }
    (void)fputc('"', f);
}

/* The shortest of two ways that reads as the same number. */
static void write_number(FILE *f, double x)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%.15g", x);
    double back = strtod(text, NULL);
    if (back < x || back > x)
        (void)snprintf(text, sizeof text, "%.17g", x);
    (void)fputs(text, f);
}

void split_files_write(struct split_files *f, enum split_file to, const struct table_row *row)
{
    FILE *out = to == SPLIT_NOWHERE ? NULL : f->list[to].stream;
    if (!out || ferror(out))
        return;
    write_id(out, row->user);
    (void)fputc(',', out);
    write_id(out, row->item);
    if (f->has[0])
        (void)fputc(',', out);
    if (f->has[0] && !isnan(row->rating))
        write_number(out, row->rating);
    if (f->has[1]) {
        (void)fputc(',', out);
        write_number(out, row->weight);
    }
    if (f->has[2])
        (void)fputc(',', out);
    if (f->has[2] && row->timed)
        (void)fprintf(out, "%" PRId64, row->timestamp);
    if (f->has[3])
        (void)fputc(',', out);
    if (f->has[3] && row->kind.len)
        write_id(out, row->kind);
    (void)fputc('\n', out);
}

enum err_code split_files_finish(struct split_files *f, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < N_FILES && !code; i++)
        if (f->list[i].stream)
            code = file_out_sync(&f->list[i].file, e);
    for (size_t i = 0; i < N_FILES && !code; i++)
        if (f->list[i].stream)
            code = file_out_replace(&f->list[i].file, e);
    return code;
}

void split_files_free(struct split_files *f)
{
    for (size_t i = 0; f && i < N_FILES; i++)
        file_out_fini(&f->list[i].file);
    mem_free(f);
}
