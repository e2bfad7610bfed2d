#include "server/images/image_pixels.h"

#include "base/mem.h"
#include "server/images/base64.h"
#include "server/images/png_image.h"

#include <string.h>

/* ---- PNG ---- */

static enum err_code read_png(const struct image_model_spec *m, const char *text, size_t n, real *out,
                              struct err *e)
{
    static const char scheme[] = "data:image/png;base64,";
    size_t n_bytes, skipped = sizeof scheme - 1;
    if (n >= skipped && memcmp(text, scheme, skipped) == 0) {
        text += skipped;
        n -= skipped;
    }
    unsigned char *bytes = mem_alloc(base64_most(n));
    if (!bytes)
        return err_set(e, ERR_NOMEM, "no memory for an image");
    enum err_code code =
        base64_decode(text, n, bytes, &n_bytes)
            ? png_image_read(&m->images, bytes, n_bytes, out, e)
            : err_set(e, ERR_INVALID, "expected an image: rows of numbers, or a PNG as base64 text");
    mem_free(bytes);
    return code;
}

/* ---- arrays ---- */

static enum err_code read_pixel(const struct image_model_spec *m, const json_t *value, real *out,
                                struct err *e)
{
    double v = json_number_value(value);
    if (!json_is_number(value))
        return err_set(e, ERR_INVALID, "expected a number from %g to %g", m->least, m->most);
    if (!image_pixel_possible(m, v))
        return err_set(e, ERR_INVALID, "a pixel of %g; the model was trained on %g to %g", v, m->least,
                       m->most);
    *out = (real)((v - m->least) / (m->most - m->least));
    return ERR_OK;
}

/* An array of n; depth 0: of rows, 1: of the pixels of one, 2: of the channels of one. */
static enum err_code read_array(const struct image_model_spec *m, const json_t *value, size_t depth,
                                real *out, struct image_place *where, struct err *e)
{
    static const char *const names[] = {"rows", "pixels", "channels"};
    const struct image_spec *s = &m->images;
    const size_t sizes[] = {s->height, s->width, s->n_channels};
    size_t last = s->n_channels == 1 ? 1 : 2, step = depth == 0   ? s->width * s->n_channels
                                                     : depth == 1 ? s->n_channels
                                                                  : 1;
    enum err_code code = ERR_OK;
    if (!json_is_array(value) || json_array_size(value) != sizes[depth]) {
        if (json_is_array(value))
            return err_set(e, ERR_INVALID, "%zu %s; the model takes images of %zu x %zu with %zu channel%s",
                           json_array_size(value), names[depth], s->height, s->width, s->n_channels,
                           s->n_channels == 1 ? "" : "s");
        return err_set(e, ERR_INVALID, "expected an array of %zu %s%s", sizes[depth], names[depth],
                       depth ? "" : ", or a PNG as base64 text");
    }
    for (size_t i = 0; i < sizes[depth] && !code; i++) {
        const json_t *part = json_array_get(value, i);
        where->at[depth] = (long)i;
        code = depth == last ? read_pixel(m, part, out + i * step, e)
                             : read_array(m, part, depth + 1, out + i * step, where, e);
    }
    if (!code)
        where->at[depth] = -1;
    return code;
}

enum err_code image_pixels_read(const struct image_model_spec *m, const json_t *value, real *out,
                                struct image_place *where, struct err *e)
{
    *where = (struct image_place){{-1, -1, -1}};
    if (json_is_string(value))
        return read_png(m, json_string_value(value), json_string_length(value), out, e);
    return read_array(m, value, 0, out, where, e);
}
