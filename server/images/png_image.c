/* libpng's simplified interface: its errors come back as a message, and it writes to no stream. */
#include "server/images/png_image.h"

#include "base/mem.h"
#include "server/images/png_chunks.h"

#include <png.h>
#include <string.h>

bool png_image_is(const unsigned char *bytes, size_t n)
{
    static const unsigned char signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    return n >= sizeof signature && memcmp(bytes, signature, sizeof signature) == 0;
}

static enum err_code check_size(const png_image *image, const struct image_spec *spec, struct err *e)
{
    if (image->width == spec->width && image->height == spec->height)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "a PNG of %u x %u pixels (height x width); the model takes %zu x %zu",
                   image->height, image->width, spec->height, spec->width);
}

static enum err_code decode(png_image *image, const struct image_spec *spec, real *out, struct err *e)
{
    static const png_uint_32 formats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
    const png_color black = {0, 0, 0};
    size_t n = image_spec_d_image(spec);
    image->format = formats[spec->n_channels - 1];
    image->flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    png_byte *bytes = mem_alloc(n);
    if (!bytes)
        return err_set(e, ERR_NOMEM, "no memory for an image of %zu x %zu", spec->height, spec->width);
    enum err_code code = ERR_OK;
    if (!png_image_finish_read(image, &black, bytes, 0, NULL))
        code = err_set(e, ERR_INVALID, "a PNG that cannot be decoded: %s", image->message);
    for (size_t i = 0; i < n && !code; i++)
        out[i] = (real)bytes[i] / 255;
    mem_free(bytes);
    return code;
}

/* Of what was kept of a PNG (n). */
static enum err_code read_kept(const struct image_spec *spec, const unsigned char *kept, size_t n, real *out,
                               struct err *e)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, kept, n))
        return err_set(e, ERR_INVALID, "a PNG that cannot be read: %s", image.message);
    enum err_code code = check_size(&image, spec, e);
    if (!code)
        code = png_chunks_check(kept, n, e);
    if (!code)
        code = decode(&image, spec, out, e);
    png_image_free(&image);
    return code;
}

enum err_code png_image_read(const struct image_spec *spec, const unsigned char *bytes, size_t n, real *out,
                             struct err *e)
{
    size_t most = png_chunks_most(spec->height, spec->width);
    if (!png_image_is(bytes, n))
        return err_set(e, ERR_INVALID, "the bytes are no PNG");
    if (n > most)
        return err_set(e, ERR_INVALID, "a PNG of %zu bytes; one of %zu x %zu pixels may have %zu", n,
                       spec->height, spec->width, most);
    unsigned char *kept = mem_alloc(n);
    if (!kept)
        return err_set(e, ERR_NOMEM, "no memory for an image");
    enum err_code code = read_kept(spec, kept, png_chunks_keep(bytes, n, kept), out, e);
    mem_free(kept);
    return code;
}
