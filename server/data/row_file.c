/* A row is a head of fixed size and its texts, as they lie in memory: nobody but this process reads it. */
#include "server/data/row_file.h"

#include "base/scratch.h"
#include "store/store.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_TEXTS = 5, MAX_ROW_BYTES = 256 << 20 };

struct head {
    struct table_row row; /* whose pointers say whether there is a text, and mean nothing else */
    struct row_place place;
};

static enum err_code fail(const struct row_file *f, const char *what, struct err *e)
{
    if (errno == ENOMEM)
        return err_set(e, ERR_NOMEM, "no memory for a file beside %s", f->store);
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    return err_set(e, full ? ERR_FULL : ERR_IO, "store %s: %s a file beside it: %s%s", f->store, what,
                   strerror(errno), full ? "; free space on the disk and try again" : "");
}

_Static_assert(ROW_FILE_PLACE_BYTES >= PATH_MAX, "realpath writes so much");

void row_file_place(const char *store, char place[ROW_FILE_PLACE_BYTES])
{
    const char *path = store_path(store);
    if (!path)
        path = "./import";
    if (!realpath(path, place))
        (void)snprintf(place, ROW_FILE_PLACE_BYTES, "%s", path);
}

void row_file_init(struct row_file *f, const char *store)
{
    *f = (struct row_file){.store = store};
    buf_init(&f->row, MAX_ROW_BYTES);
}

void row_file_fini(struct row_file *f)
{
    if (f->file)
        (void)fclose(f->file);
    f->file = NULL;
    buf_fini(&f->row);
}

static enum err_code open_file(struct row_file *f, struct err *e)
{
    int fd = scratch_beside(f->store);
    if (fd < 0)
        return fail(f, "cannot make", e);
    f->file = fdopen(fd, "w+b");
    if (f->file)
        return ERR_OK;
    (void)close(fd);
    return err_set(e, ERR_NOMEM, "no memory for a file");
}

/* The texts of a row, in the order in which they lie in the file. */
static void texts_of(struct table_row *row, struct text *texts[N_TEXTS])
{
    struct text *const all[N_TEXTS] = {&row->user, &row->item, &row->title, &row->categories, &row->object};
    memcpy(texts, all, sizeof all);
}

enum err_code row_file_add(struct row_file *f, const struct table_row *row, struct row_place place,
                           struct err *e)
{
    struct head head = {*row, place};
    struct text *texts[N_TEXTS];
    enum err_code code = f->file ? ERR_OK : open_file(f, e);
    if (code)
        return code;
    texts_of(&head.row, texts);
    bool wrote = fwrite(&head, sizeof head, 1, f->file) == 1;
    for (size_t i = 0; i < N_TEXTS && wrote; i++)
        wrote = texts[i]->len == 0 || fwrite(texts[i]->data, texts[i]->len, 1, f->file) == 1;
    if (wrote && row->n_embedding)
        wrote = fwrite(row->embedding, sizeof *row->embedding, row->n_embedding, f->file) == row->n_embedding;
    return wrote ? ERR_OK : fail(f, "cannot write", e);
}

enum err_code row_file_rewind(struct row_file *f, struct err *e)
{
    if (f->file && (fflush(f->file) || fseek(f->file, 0, SEEK_SET)))
        return fail(f, "cannot write", e);
    return ERR_OK;
}

int64_t row_file_tell(const struct row_file *f)
{
    return f->file ? ftello(f->file) : 0;
}

enum err_code row_file_seek(struct row_file *f, int64_t at, struct err *e)
{
    return f->file && fseeko(f->file, at, SEEK_SET) ? fail(f, "cannot read", e) : ERR_OK;
}

enum err_code row_file_next(struct row_file *f, struct table_row *row, struct row_place *place, bool *got,
                            struct err *e)
{
    struct head head;
    struct text *texts[N_TEXTS];
    *got = f->file && fread(&head, sizeof head, 1, f->file) == 1;
    if (!*got)
        return f->file && ferror(f->file) ? fail(f, "cannot read", e) : ERR_OK;
    texts_of(&head.row, texts);
    size_t n = head.row.n_embedding * sizeof *row->embedding; /* first, for they want to be aligned */
    size_t n_bytes = n;
    for (size_t i = 0; i < N_TEXTS; i++)
        n_bytes += texts[i]->len;
    buf_reset(&f->row);
    char *at = buf_reserve(&f->row, n_bytes + 1);
    if (!at)
        return err_set(e, ERR_NOMEM, "no memory for a row of %zu bytes", n_bytes);
    if (n_bytes - n && fread(at + n, n_bytes - n, 1, f->file) != 1)
        return fail(f, "cannot read", e);
    if (n && fread(at, n, 1, f->file) != 1)
        return fail(f, "cannot read", e);
    head.row.embedding = n ? (const float *)(void *)at : NULL;
    at += n;
    for (size_t i = 0; i < N_TEXTS; i++) {
        if (texts[i]->data)
            texts[i]->data = at;
        at += texts[i]->len;
    }
    *row = head.row;
    *place = head.place;
    return ERR_OK;
}
