/* CSV and not TSV, because an id may have a tab; ids that read as words for nothing are quoted, so that an
 * import takes them back. */
#include "server/data/split_files.h"

#include "base/buf.h"
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
#include <unistd.h>

enum { N_FILES = 3, PATH_CAP = 64 * 1024 };

static const char *const names[N_FILES] = {"train.csv", "test.csv", "known.csv"}; /* by enum split_file */

struct out {
    FILE *file;            /* NULL: not wanted, or done */
    struct buf path, part; /* its place, and where it is written */
};

struct split_files {
    struct out list[N_FILES]; /* by enum split_file */
    bool has[3];
};

static enum err_code io_failed(const char *what, const char *path, struct err *e)
{
    int reason = errno;
    return err_set(e, reason == ENOSPC || reason == EDQUOT ? ERR_FULL : ERR_IO, "cannot %s %s: %s", what,
                   path, strerror(reason));
}

/* One file's name in the folder against the tables. */
static enum err_code check_one(const char *folder, const char *name, const char *suffix,
                               const char *const *paths, size_t n_paths, struct err *e)
{
    struct buf path;
    buf_init(&path, PATH_CAP);
    buf_addf(&path, "%s/%s%s", folder, name, suffix);
    const char *text = buf_text(&path);
    enum err_code code = text ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the name of %s", name);
    for (size_t i = 0; i < n_paths && !code; i++)
        if (output_file_same(text, paths[i]))
            code = err_set(e, ERR_CONFLICT,
                           "--out %s: %s there is the table of --interactions %s; name another folder",
                           folder, strrchr(text, '/') + 1, paths[i]);
    buf_fini(&path);
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
            code = check_one(folder, names[i], ".part", paths, n_paths, e);
    }
    return code;
}

static enum err_code open_one(struct out *o, const char *folder, const char *name, const bool has[3],
                              struct err *e)
{
    static const char *const columns[] = {",rating", ",weight", ",timestamp"};
    buf_addf(&o->path, "%s/%s", folder, name);
    buf_addf(&o->part, "%s/%s.part", folder, name);
    if (!buf_text(&o->path) || !buf_text(&o->part))
        return err_set(e, ERR_NOMEM, "no memory for the name of %s", name);
    o->file = fopen(buf_text(&o->part), "we");
    if (!o->file)
        return io_failed("write", buf_text(&o->part), e);
    (void)fputs("user,item", o->file);
    for (size_t i = 0; i < 3; i++)
        (void)fputs(has[i] ? columns[i] : "", o->file);
    (void)fputc('\n', o->file);
    return ERR_OK;
}

enum err_code split_files_open(const char *folder, bool known, const bool has[3], struct split_files **out,
                               struct err *e)
{
    struct split_files *f = mem_zalloc_array(1, sizeof *f);
    if (!f)
        return err_set(e, ERR_NOMEM, "no memory to write files");
    memcpy(f->has, has, sizeof f->has);
    for (size_t i = 0; i < N_FILES; i++) {
        buf_init(&f->list[i].path, PATH_CAP);
        buf_init(&f->list[i].part, PATH_CAP);
    }
    enum err_code code = mkdir(folder, 0777) && errno != EEXIST ? io_failed("make", folder, e) : ERR_OK;
    for (size_t i = 0; i < N_FILES && !code; i++)
        if (i != SPLIT_KNOWN || known)
            code = open_one(&f->list[i], folder, names[i], has, e);
    if (code)
        split_files_free(f);
    else
        *out = f;
    return code;
}

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
    FILE *out = to == SPLIT_NOWHERE ? NULL : f->list[to].file;
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
    (void)fputc('\n', out);
}

enum err_code split_files_finish(struct split_files *f, struct err *e)
{
    for (size_t i = 0; i < N_FILES; i++) {
        struct out *o = &f->list[i];
        if (o->file && (fflush(o->file) || ferror(o->file) || fsync(fileno(o->file))))
            return io_failed("write", buf_text(&o->part), e);
    }
    for (size_t i = 0; i < N_FILES; i++) {
        struct out *o = &f->list[i];
        if (!o->file)
            continue;
        if (rename(buf_text(&o->part), buf_text(&o->path)))
            return io_failed("make", buf_text(&o->path), e);
        (void)fclose(o->file); /* everything is on disk */
        o->file = NULL;
    }
    return ERR_OK;
}

void split_files_free(struct split_files *f)
{
    for (size_t i = 0; f && i < N_FILES; i++) {
        struct out *o = &f->list[i];
        if (o->file) {
            (void)fclose(o->file); /* unfinished: the part goes */
            (void)unlink(buf_text(&o->part));
        }
        buf_fini(&o->path);
        buf_fini(&o->part);
    }
    mem_free(f);
}
