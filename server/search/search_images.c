/* Images and their classes as rows: the columns are an image's numbers, the classes are named as the file
 * has them. */
#include "base/limits.h"
#include "base/mem.h"
#include "server/data/image_dataset.h"
#include "server/search/search_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 32 };

static size_t d_of(const struct image_dataset *d)
{
    return d->set.height * d->set.width * d->set.n_channels;
}

static void name_class(double number, char out[NAME_BYTES])
{
    (void)snprintf(out, NAME_BYTES, "%.0f", number);
}

/* ---- what they are ---- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum err_code find_classes(const char *path, const struct image_dataset *d, struct task_spec *t,
                                  struct err *e)
{
    size_t n = d->set.n_classes;
    if (n < 2 || n > LIMIT_COLUMN_VALUES)
        return err_set(e, ERR_INVALID, "%s has %zu class%s; 2 to %d are expected", path, n,
                       n == 1 ? "" : "es", LIMIT_COLUMN_VALUES);
    t->target = mem_strdup("class");
    t->classes = mem_zalloc_array(n, sizeof *t->classes);
    for (size_t k = 0; k < n && t->classes; k++) {
        char name[NAME_BYTES];
        name_class(d->numbers[k], name);
        t->classes[k] = mem_strdup(name);
        if (!t->classes[k])
            break;
        t->n_classes++;
    }
    if (!t->target || t->n_classes < n)
        return err_set(e, ERR_NOMEM, "no memory for %zu classes", n);
    qsort(t->classes, n, sizeof *t->classes, by_bytes);
    return ERR_OK;
}

static enum err_code find_columns(const char *path, const struct image_dataset *d, struct task_spec *t,
                                  struct err *e)
{
    size_t n = d_of(d);
    if (n > LIMIT_COLUMNS)
        return err_set(e, ERR_LIMIT, "%s: images of %zu numbers; at most %d are possible here", path, n,
                       LIMIT_COLUMNS);
    t->columns.list = mem_zalloc_array(n, sizeof *t->columns.list);
    for (size_t i = 0; i < n && t->columns.list; i++) {
        char name[NAME_BYTES];
        (void)snprintf(name, sizeof name, "p%zu", i);
        t->columns.list[i] = (struct column){.name = mem_strdup(name),
                                             .kind = COLUMN_NUMBER,
                                             .mean = d->least,
                                             .deviation = d->most - d->least,
                                             .least = d->least,
                                             .most = d->most};
        if (!t->columns.list[i].name)
            break;
        t->columns.n++;
    }
    return t->columns.n == n ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %zu columns", n);
}

/* ---- rows ---- */

/* The images, which become the table's, with the places of their classes among the model's. */
static enum err_code take_rows(const char *path, struct image_dataset *d, const struct task_spec *t,
                               struct search_table *out, struct err *e)
{
    const struct column classes = {.kind = COLUMN_CATEGORY, .n_values = t->n_classes, .values = t->classes};
    out->n = d->start[d->set.n_classes];
    out->y = mem_alloc_array(out->n, sizeof *out->y);
    if (!out->y)
        return err_set(e, ERR_NOMEM, "no memory for the classes of %zu images", out->n);
    for (size_t k = 0; k < d->set.n_classes; k++) {
        char name[NAME_BYTES];
        name_class(d->numbers[k], name);
        size_t place = column_value(&classes, text_of(name));
        if (place == t->n_classes)
            return err_set(e, ERR_INVALID, "%s has class %s, of which there was none to learn from", path,
                           name);
        for (size_t i = d->start[k]; i < d->start[k + 1]; i++)
            out->y[i] = (double)place;
    }
    out->x = d->pixels;
    d->pixels = NULL;
    return ERR_OK;
}

/* Images to measure on, on the scale of those to learn from and of their size. */
static enum err_code read_apart(const struct search_source *s, const struct image_dataset *like,
                                const struct task_spec *t, struct search_table *out, struct err *e)
{
    struct image_dataset d = {0};
    const struct image_model_spec model = {
        .present = true,
        .images = {.height = like->set.height, .width = like->set.width, .n_channels = like->set.n_channels},
        .least = like->least,
        .most = like->most};
    enum err_code code = image_dataset_read(s->test_images, s->test_classes, &model, &d, e);
    if (!code)
        code = take_rows(s->test_classes, &d, t, out, e);
    image_dataset_fini(&d);
    return code;
}

enum err_code search_images_read(const struct search_source *s, struct search_data *out, struct err *e)
{
    struct image_dataset d = {0};
    struct task_spec *t = &out->about.task;
    enum err_code code = image_dataset_read(s->images, s->classes, NULL, &d, e);
    if (!code)
        code = find_columns(s->images, &d, t, e);
    if (!code)
        code = find_classes(s->classes, &d, t, e);
    if (!code && s->test_images)
        code = read_apart(s, &d, t, &out->apart, e);
    if (!code)
        code = take_rows(s->classes, &d, t, &out->all, e);
    t->present = true;
    out->about.d_item = t->columns.n;
    out->about.d_output = t->n_classes;
    image_dataset_fini(&d);
    return code;
}
