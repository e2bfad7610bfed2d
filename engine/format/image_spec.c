#include "engine/format/image_spec.h"

#include <math.h>

static enum err_code check_size(const char *what, size_t n, size_t most, struct err *e)
{
    if (n == 0 || n > most)
        return err_set(e, ERR_INVALID, "images: %s is %zu; 1 to %zu are possible", what, n, most);
    return ERR_OK;
}

enum err_code image_spec_check(const struct image_spec *spec, struct err *e)
{
    if (check_size("the height", spec->height, LIMIT_IMAGE_SIDE, e) ||
        check_size("the width", spec->width, LIMIT_IMAGE_SIDE, e) ||
        check_size("the number of channels", spec->n_channels, LIMIT_IMAGE_CHANNELS, e) ||
        check_size("the number of layers", spec->n_layers, LIMIT_LAYERS, e))
        return ERR_INVALID;
    size_t height = spec->height, width = spec->width;
    for (size_t i = 0; i < spec->n_layers; i++, height /= 2, width /= 2) {
        if (check_size("d_out of a layer", spec->d_out[i], LIMIT_CONV_CHANNELS, e))
            return ERR_INVALID;
        if (height < 2 || width < 2)
            return err_set(e, ERR_INVALID,
                           "images of %zu x %zu are too small for %zu layers that halve them: %zu at most",
                           spec->height, spec->width, spec->n_layers, i);
    }
    return ERR_OK;
}

bool image_pixel_possible(const struct image_model_spec *model, double value)
{
    double width = model ? model->most - model->least : 0;
    return model ? value >= model->least - width && value <= model->most + width
                 : fabs(value) <= IMAGE_PIXEL_MOST;
}

void image_spec_shapes(const struct image_spec *spec, struct conv_shape out[LIMIT_LAYERS])
{
    size_t height = spec->height, width = spec->width, d_in = spec->n_channels;
    for (size_t i = 0; i < spec->n_layers; i++, height /= 2, width /= 2) {
        out[i] = (struct conv_shape){height, width, d_in, spec->d_out[i]};
        d_in = spec->d_out[i];
    }
}

size_t image_spec_d_image(const struct image_spec *spec)
{
    return spec->height * spec->width * spec->n_channels;
}

size_t image_spec_d_features(const struct image_spec *spec)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    if (!spec->n_layers)
        return image_spec_d_image(spec);
    image_spec_shapes(spec, shapes);
    return conv_shape_pooled(&shapes[spec->n_layers - 1]);
}

size_t conv_shape_weight(const struct conv_shape *s)
{
    return s->d_out * CONV_TAPS * s->d_in;
}

size_t conv_shape_whole(const struct conv_shape *s)
{
    return s->height * s->width * s->d_out;
}

size_t conv_shape_pooled(const struct conv_shape *s)
{
    return (s->height / 2) * (s->width / 2) * s->d_out;
}
