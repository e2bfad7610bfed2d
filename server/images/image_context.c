#include "server/images/image_context.h"

#include "base/limits.h"
#include "base/mem.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

enum { HEAD_MARK, HEAD_FEATURES, HEAD_CLASSES, HEAD_LEN };

double image_context_mark(const struct model_spec *spec, const struct model_params *params)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    const struct image_spec *images = &spec->images.images;
    uLong crc = crc32_z(0, NULL, 0);
    image_spec_shapes(images, shapes);
    for (size_t i = 0; i < images->n_layers; i++) {
        crc = crc32_z(crc, (const Bytef *)params->convolutions[i].weight,
                      conv_shape_weight(&shapes[i]) * sizeof(real));
        crc = crc32_z(crc, (const Bytef *)params->convolutions[i].bias, shapes[i].d_out * sizeof(real));
    }
    const double range[] = {spec->images.least, spec->images.most};
    return (double)crc32_z(crc, (const Bytef *)range, sizeof range);
}

/* ---- classes ---- */

static void free_class(struct image_class *k)
{
    mem_free(k->name);
    mem_free(k->sum);
}

void image_context_clear(struct image_context *c)
{
    for (size_t i = 0; i < c->n; i++)
        free_class(&c->classes[i]);
    c->n = 0;
}

void image_context_fini(struct image_context *c)
{
    image_context_clear(c);
    mem_free(c->classes);
    *c = (struct image_context){0};
}

static int compare(const struct image_class *k, struct text name)
{
    return text_compare((struct text){k->name, k->name_len}, name);
}

/* Where a class of this name is, or would be. */
static size_t place_of(const struct image_context *c, struct text name)
{
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&c->classes[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

long image_context_find(const struct image_context *c, struct text name)
{
    size_t at = place_of(c, name);
    return at < c->n && compare(&c->classes[at], name) == 0 ? (long)at : -1;
}

static enum err_code grow(struct image_context *c, struct err *e)
{
    size_t capacity = c->capacity ? 2 * c->capacity : 8;
    if (c->n < c->capacity)
        return ERR_OK;
    struct image_class *classes = mem_realloc_array(c->classes, capacity, sizeof *classes);
    if (!classes)
        return err_set(e, ERR_NOMEM, "no memory for %zu classes", capacity);
    c->classes = classes;
    c->capacity = capacity;
    return ERR_OK;
}

/* A class without images, at its place. */
static enum err_code insert(struct image_context *c, struct text name, size_t at, struct err *e)
{
    if (c->n == LIMIT_IMAGE_CLASSES)
        return err_set(e, ERR_LIMIT, "a task of images has at most %d classes", LIMIT_IMAGE_CLASSES);
    if (grow(c, e))
        return ERR_NOMEM;
    struct image_class k = {.name = mem_alloc(name.len + 1),
                            .name_len = name.len,
                            .sum = mem_zalloc_array(c->d_features + 1, sizeof *k.sum)};
    if (!k.name || !k.sum) {
        free_class(&k);
        return err_set(e, ERR_NOMEM, "no memory for a class of %zu numbers", c->d_features);
    }
    if (name.len)
        memcpy(k.name, name.data, name.len);
    k.name[name.len] = '\0';
    memmove(c->classes + at + 1, c->classes + at, (c->n - at) * sizeof k);
    c->classes[at] = k;
    c->n++;
    return ERR_OK;
}

enum err_code image_context_add(struct image_context *c, struct text name, const real *features,
                                struct err *e)
{
    size_t at = place_of(c, name);
    if (at == c->n || compare(&c->classes[at], name) != 0) {
        enum err_code code = insert(c, name, at, e);
        if (code)
            return code;
    }
    c->classes[at].n++;
    for (size_t j = 0; j < c->d_features; j++)
        c->classes[at].sum[j] += (double)features[j];
    return ERR_OK;
}

void image_context_remove(struct image_context *c, size_t k)
{
    free_class(&c->classes[k]);
    memmove(c->classes + k, c->classes + k + 1, (c->n - k - 1) * sizeof *c->classes);
    c->n--;
}

size_t image_context_known(const struct image_context *c)
{
    double n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += c->classes[i].n;
    return (size_t)n;
}

/* ---- as it is stored ---- */

static void add_doubles(struct buf *out, const double *x, size_t n)
{
    buf_add(out, (const char *)x, n * sizeof *x);
}

void image_context_write(const struct image_context *c, double mark, struct buf *out)
{
    const double head[HEAD_LEN] = {mark, (double)c->d_features, (double)c->n};
    add_doubles(out, head, HEAD_LEN);
    for (size_t i = 0; i < c->n; i++) {
        add_doubles(out, &c->classes[i].n, 1);
        add_doubles(out, c->classes[i].sum, c->d_features);
    }
    for (size_t i = 0; i < c->n; i++) {
        uint16_t len = (uint16_t)c->classes[i].name_len;
        buf_add(out, (const char *)&len, sizeof len);
        buf_add(out, c->classes[i].name, len);
    }
}

static double double_at(const char *bytes, size_t i)
{
    double x;
    memcpy(&x, bytes + i * sizeof x, sizeof x);
    return x;
}

/* Whether bytes (n) have a head of this mark and width, and room for what it promises; K of it. */
static bool read_head(const struct image_context *c, double mark, const char *bytes, size_t n,
                      size_t *n_classes)
{
    if (n < HEAD_LEN * sizeof(double) || double_at(bytes, HEAD_MARK) != mark ||
        double_at(bytes, HEAD_FEATURES) != (double)c->d_features)
        return false;
    double k = double_at(bytes, HEAD_CLASSES);
    if (!(k >= 0 && k <= LIMIT_IMAGE_CLASSES && k == floor(k)) || signbit(k))
        return false;
    *n_classes = (size_t)k;
    return n >= (HEAD_LEN + *n_classes * (c->d_features + 1)) * sizeof(double);
}

/* The next name; false: the bytes end before it does. */
static bool next_name(const char *bytes, size_t n, size_t *at, struct text *out)
{
    uint16_t len;
    if (n - *at < sizeof len)
        return false;
    memcpy(&len, bytes + *at, sizeof len);
    *out = (struct text){bytes + *at + sizeof len, len};
    *at += sizeof len;
    if (n - *at < len)
        return false;
    *at += len;
    return true;
}

static bool fill_class(struct image_class *k, const char *bytes, size_t at, size_t d_features)
{
    bool finite = true;
    k->n = double_at(bytes, at);
    for (size_t j = 0; j < d_features; j++) {
        k->sum[j] = double_at(bytes, at + 1 + j);
        finite = finite && isfinite(k->sum[j]);
    }
    return finite && k->n >= 1 && k->n <= LIMIT_TASK_ROWS && k->n == floor(k->n);
}

enum err_code image_context_read(struct image_context *c, double mark, const void *bytes, size_t n, bool *ok,
                                 struct err *e)
{
    size_t n_classes = 0, width = c->d_features + 1;
    enum err_code code = ERR_OK;
    image_context_clear(c);
    *ok = read_head(c, mark, bytes, n, &n_classes);
    size_t at = (HEAD_LEN + n_classes * width) * sizeof(double);
    for (size_t i = 0; i < n_classes && *ok && !code; i++) {
        struct text name = {NULL, 0};
        *ok = next_name(bytes, n, &at, &name) && (i == 0 || compare(&c->classes[i - 1], name) < 0);
        if (*ok)
            code = insert(c, name, i, e);
        *ok = *ok && !code && fill_class(&c->classes[i], bytes, HEAD_LEN + i * width, c->d_features);
    }
    *ok = *ok && at == n;
    if (!*ok)
        image_context_clear(c);
    return code;
}

enum err_code image_context_read_any(struct image_context *c, double *mark, const void *bytes, size_t n,
                                     bool *ok, struct err *e)
{
    *ok = n >= HEAD_LEN * sizeof(double);
    if (!*ok)
        return ERR_OK;
    double f = double_at(bytes, HEAD_FEATURES);
    *mark = double_at(bytes, HEAD_MARK);
    *ok = f >= 1 && f <= LIMIT_DIM && f == floor(f);
    if (!*ok)
        return ERR_OK;
    c->d_features = (size_t)f;
    return image_context_read(c, *mark, bytes, n, ok, e);
}
