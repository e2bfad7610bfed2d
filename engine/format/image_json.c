#include "engine/format/image_json.h"

void image_json_decode(struct json_reader *r, struct image_model_spec *out)
{
    out->present = true;
    out->images.height = reader_size(r, "height");
    out->images.width = reader_size(r, "width");
    out->images.n_channels = reader_size(r, "channels");
    out->least = reader_number(r, "least");
    out->most = reader_number(r, "most");
    const json_t *layers = reader_layers(r, "layers", &out->images.n_layers);
    for (size_t i = 0; i < out->images.n_layers; i++) {
        struct json_reader layer = reader_element(r, "layers", layers, i);
        out->images.d_out[i] = reader_size(&layer, "d_out");
        reader_leave(&layer);
    }
    out->d_hidden = reader_size(r, "hidden");
    reader_leave(r);
}

static json_t *encode_layers(const struct image_spec *spec)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < spec->n_layers; i++)
        if (json_array_append_new(layers, json_pack("{s:I}", "d_out", (json_int_t)spec->d_out[i])) != 0) {
            json_decref(layers);
            return NULL;
        }
    return layers;
}

json_t *image_json_encode(const struct image_model_spec *spec)
{
    const struct image_spec *s = &spec->images;
    json_t *layers = encode_layers(s);
    if (!layers)
        return NULL;
    return json_pack("{s:I,s:I,s:I,s:f,s:f,s:o,s:I}", "height", (json_int_t)s->height, "width",
                     (json_int_t)s->width, "channels", (json_int_t)s->n_channels, "least", spec->least,
                     "most", spec->most, "layers", layers, "hidden", (json_int_t)spec->d_hidden);
}
