/* The classes are read first, so that each image is put where its class is. */
#include "server/data/image_dataset.h"

#include "base/mem.h"
#include "server/tables/array.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WHOLE 9007199254740992.0 /* 2^53: beyond it a double does not have every whole number */

struct reading {
    const char *images, *classes;
    struct array *array; /* of images */
    size_t n, d_image;
    double *labels; /* (n) */
    size_t *place;  /* (n) of each image among those of all classes */
    struct image_dataset *to;
};

/* ---- classes ---- */

static enum err_code check_labels(const struct reading *r, struct err *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->labels[i] != floor(r->labels[i]) || fabs(r->labels[i]) > MOST_WHOLE)
            return err_set(e, ERR_INVALID, "%s: value [%zu] is %g; classes are whole numbers", r->classes, i,
                           r->labels[i]);
    return ERR_OK;
}

static enum err_code fill_labels(struct reading *r, struct array *a, struct err *e)
{
    size_t at = 0, n = 1;
    enum err_code code = ERR_OK;
    for (; n && !code; at += n)
        code = array_read(a, r->labels + at, r->n + 1 - at, &n, e);
    return code ? code : check_labels(r, e);
}

static enum err_code read_labels(struct reading *r, struct err *e)
{
    struct array *a;
    char text[128];
    enum err_code code = array_open(r->classes, &a, e);
    if (code)
        return code;
    const struct array_header *h = array_about(a);
    if (h->n_dims != 1 || h->dims[0] != r->n)
        code = err_set(e, ERR_INVALID, "%s: it is %s; of %zu images in %s expected %zu whole numbers",
                       r->classes, array_dims_text(h, text, sizeof text), r->n, r->images, r->n);
    if (!code)
        code = fill_labels(r, a, e);
    array_close(a);
    return code;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The class of a label; numbers (n) rise. */
static size_t find_class(const double *numbers, size_t n, double label)
{
    size_t low = 0;
    while (n > 1) {
        size_t half = n / 2;
        if (numbers[low + half] <= label)
            low += half;
        n -= half;
    }
    return low;
}

static enum err_code place_images(struct reading *r, struct err *e)
{
    struct image_dataset *d = r->to;
    size_t n_classes = 0;
    d->numbers = mem_alloc_array(r->n, sizeof *d->numbers);
    d->start = mem_zalloc_array(r->n + 2, sizeof *d->start);
    r->place = mem_alloc_array(r->n, sizeof *r->place);
    if (!d->numbers || !d->start || !r->place)
        return err_set(e, ERR_NOMEM, "no memory for %zu classes of images", r->n);
    memcpy(d->numbers, r->labels, r->n * sizeof *d->numbers);
    qsort(d->numbers, r->n, sizeof *d->numbers, by_value);
    for (size_t i = 0; i < r->n; i++)
        if (i == 0 || d->numbers[i] > d->numbers[n_classes - 1])
            d->numbers[n_classes++] = d->numbers[i];
    for (size_t i = 0; i < r->n; i++) {
        size_t k = find_class(d->numbers, n_classes, r->labels[i]);
        r->place[i] = k;
        d->start[k + 1]++;
    }
    for (size_t k = 0; k < n_classes; k++)
        d->start[k + 1] += d->start[k];
    for (size_t i = 0; i < r->n; i++)
        r->place[i] = d->start[r->place[i]]++;
    memmove(d->start + 1, d->start, n_classes * sizeof *d->start); /* each has moved to the next one's */
    d->start[0] = 0;
    d->set.n_classes = n_classes;
    return ERR_OK;
}

/* ---- images ---- */

static enum err_code check_shape(struct reading *r, const struct image_model_spec *model, struct err *e)
{
    const struct array_header *h = array_about(r->array);
    struct image_set *set = &r->to->set;
    char text[128];
    if ((h->n_dims != 3 && h->n_dims != 4) || h->n_values == 0)
        return err_set(e, ERR_INVALID,
                       "%s: it is %s; expected images, n x height x width or n x height x width x channels",
                       r->images, array_dims_text(h, text, sizeof text));
    *set = (struct image_set){
        .height = h->dims[1], .width = h->dims[2], .n_channels = h->n_dims == 4 ? h->dims[3] : 1};
    if (set->height > LIMIT_IMAGE_SIDE || set->width > LIMIT_IMAGE_SIDE ||
        set->n_channels > LIMIT_IMAGE_CHANNELS)
        return err_set(e, ERR_INVALID,
                       "%s: images of %zu x %zu with %zu channels; at most %d x %d with %d are possible",
                       r->images, set->height, set->width, set->n_channels, LIMIT_IMAGE_SIDE,
                       LIMIT_IMAGE_SIDE, LIMIT_IMAGE_CHANNELS);
    if (model && (set->height != model->images.height || set->width != model->images.width ||
                  set->n_channels != model->images.n_channels))
        return err_set(e, ERR_INVALID,
                       "%s: images of %zu x %zu with %zu channel%s; the model takes %zu x %zu with %zu",
                       r->images, set->height, set->width, set->n_channels, set->n_channels == 1 ? "" : "s",
                       model->images.height, model->images.width, model->images.n_channels);
    r->n = h->dims[0];
    r->d_image = h->n_values / r->n;
    return ERR_OK;
}

/* The next image, whole; *more false: there is none. */
static enum err_code next_image(struct reading *r, double *image, bool *more, struct err *e)
{
    size_t at = 0, n = 1;
    enum err_code code = ERR_OK;
    for (; at < r->d_image && n && !code; at += n)
        code = array_read(r->array, image + at, r->d_image - at, &n, e);
    *more = !code && at == r->d_image;
    return code;
}

static enum err_code refuse_pixel(const struct reading *r, const struct image_model_spec *model, size_t i,
                                  double value, struct err *e)
{
    if (!model)
        return err_set(e, ERR_INVALID, "%s: image %zu has a pixel of %g; at most %g are possible", r->images,
                       i, value, IMAGE_PIXEL_MOST);
    return err_set(e, ERR_INVALID, "%s: image %zu has a pixel of %g; the model was trained on %g to %g",
                   r->images, i, value, model->least, model->most);
}

static enum err_code read_pixels(struct reading *r, const struct image_model_spec *model, double *image,
                                 struct err *e)
{
    struct image_dataset *d = r->to;
    enum err_code code = ERR_OK;
    bool more = true;
    d->least = INFINITY;
    d->most = -INFINITY;
    for (size_t i = 0; i < r->n && more && !code; i++) {
        code = next_image(r, image, &more, e);
        for (size_t j = 0; j < r->d_image && more && !code; j++) {
            if (!image_pixel_possible(model, image[j]))
                code = refuse_pixel(r, model, i, image[j], e);
            d->least = fmin(d->least, image[j]);
            d->most = fmax(d->most, image[j]);
            d->pixels[r->place[i] * r->d_image + j] = (real)image[j];
        }
    }
    if (!code) /* that nothing comes behind is the reader's to say */
        code = next_image(r, image, &more, e);
    return code;
}

static enum err_code scale_pixels(struct reading *r, const struct image_model_spec *model, struct err *e)
{
    struct image_dataset *d = r->to;
    if (model) {
        d->least = model->least;
        d->most = model->most;
    }
    if (!(d->least < d->most))
        return err_set(e, ERR_INVALID, "%s: all pixels of all images are %g", r->images, d->least);
    for (size_t i = 0; i < r->n * r->d_image; i++)
        d->pixels[i] = (real)(((double)d->pixels[i] - d->least) / (d->most - d->least));
    d->set.pixels = d->pixels;
    d->set.start = d->start;
    return ERR_OK;
}

static enum err_code read_all(struct reading *r, const struct image_model_spec *model, struct err *e)
{
    enum err_code code = check_shape(r, model, e);
    if (code)
        return code;
    double *image = mem_alloc_array(r->d_image, sizeof *image);
    r->labels = mem_zalloc_array(r->n + 1, sizeof *r->labels);
    r->to->pixels = mem_alloc_array(r->n, r->d_image * sizeof *r->to->pixels);
    if (!image || !r->labels || !r->to->pixels)
        code = err_set(e, ERR_NOMEM, "no memory for %zu images", r->n);
    if (!code && r->classes)
        code = read_labels(r, e);
    if (!code)
        code = place_images(r, e);
    if (!code)
        code = read_pixels(r, model, image, e);
    if (!code)
        code = scale_pixels(r, model, e);
    mem_free(image);
    return code;
}

enum err_code image_dataset_read(const char *images, const char *classes,
                                 const struct image_model_spec *model, struct image_dataset *out,
                                 struct err *e)
{
    struct reading r = {.images = images, .classes = classes, .to = out};
    enum err_code code = array_open(images, &r.array, e);
    if (code)
        return code;
    code = read_all(&r, model, e);
    array_close(r.array);
    mem_free(r.labels);
    mem_free(r.place);
    if (code)
        image_dataset_fini(out);
    return code;
}

void image_dataset_fini(struct image_dataset *d)
{
    mem_free(d->pixels);
    mem_free(d->start);
    mem_free(d->numbers);
    *d = (struct image_dataset){.pixels = NULL};
}

enum err_code image_dataset_check_each(const struct image_dataset *d, const char *path, size_t n_least,
                                       struct err *e)
{
    for (size_t k = 0; k < d->set.n_classes; k++) {
        size_t n = d->start[k + 1] - d->start[k];
        if (n < n_least)
            return err_set(e, ERR_INVALID, "%s: class %.0f has %zu image%s; at least %zu are needed", path,
                           d->numbers[k], n, n == 1 ? "" : "s", n_least);
    }
    return ERR_OK;
}
