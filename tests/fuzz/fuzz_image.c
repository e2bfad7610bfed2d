/* Bytes of strangers that become images or what is known of them, told apart by the first:
 * - 'P' and a file: no PNG, or pixels from 0 to 1;
 * - 'J' and JSON: no image of the model, said with a place, or finite pixels;
 * - anything else as a stored context: none, or one that is written again as it was. */
#include "server/images/image_context.h"
#include "server/images/image_pixels.h"
#include "server/images/png_image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 4, MARK = 7, FEATURES = 4 };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void try_png(const unsigned char *bytes, size_t n)
{
    for (size_t channels = 1; channels <= LIMIT_IMAGE_CHANNELS; channels++) {
        const struct image_spec spec = {SIDE, SIDE, channels, 0, {0}};
        real x[SIDE * SIDE * LIMIT_IMAGE_CHANNELS];
        struct err e = {0};
        if (png_image_read(&spec, bytes, n, x, &e))
            must(e.text[0]);
        else
            for (size_t i = 0; i < SIDE * SIDE * channels; i++)
                must(x[i] >= 0 && x[i] <= 1);
    }
}

static void try_json(const unsigned char *bytes, size_t n)
{
    const struct image_model_spec m = {true, {SIDE, SIDE, 1, 0, {0}}, 1, 0, 255};
    real x[SIDE * SIDE];
    struct image_place where;
    struct err e = {0};
    json_t *value = json_loadb((const char *)bytes, n, JSON_DECODE_ANY, NULL);
    if (!value)
        return;
    if (image_pixels_read(&m, value, x, &where, &e))
        must(e.text[0] && where.at[0] < SIDE && where.at[1] < SIDE);
    else
        for (size_t i = 0; i < SIDE * SIDE; i++)
            must(isfinite(x[i]));
    json_decref(value);
}

static void try_context(const unsigned char *bytes, size_t n)
{
    struct image_context c = {.d_features = FEATURES};
    struct buf again;
    bool ok;
    buf_init(&again, (size_t)1 << 24);
    must(image_context_read(&c, MARK, bytes, n, &ok, NULL) == ERR_OK);
    if (ok) {
        image_context_write(&c, MARK, &again);
        must(again.len == n && memcmp(again.data, bytes, n) == 0);
    }
    must(ok || c.n == 0);
    buf_fini(&again);
    image_context_fini(&c);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    if (n == 0)
        return 0;
    (bytes[0] == 'P' ? try_png : bytes[0] == 'J' ? try_json : try_context)(bytes + 1, n - 1);
    return 0;
}
