#include "engine/format/image_tensors.h"

#include <math.h>
#include <stdio.h>

static enum err_code check_alone(const struct model_spec *spec, struct err *e)
{
    if (spec->n_items || spec->n_layers || spec->has_linear || spec->linear_head || spec->n_trunk ||
        spec->norm != NORM_NONE || spec->n_pairs || spec->chunks.size || spec->encoder.present ||
        spec->cold_items.present || spec->task.present)
        return err_set(e, ERR_INVALID, "images go without items, trunk, encoder, task, and a target network");
    if (spec->objective != &objective_classification)
        return err_set(e, ERR_INVALID, "images go with objective classification, not %s",
                       spec->objective->name);
    return ERR_OK;
}

enum err_code image_tensors_check(const struct model_spec *spec, struct err *e)
{
    const struct image_model_spec *m = &spec->images;
    if (check_alone(spec, e) || image_spec_check(&m->images, e))
        return ERR_INVALID;
    size_t d_image = image_spec_d_image(&m->images), d_features = image_spec_d_features(&m->images);
    if (m->d_hidden == 0 || m->d_hidden > LIMIT_CONV_CHANNELS)
        return err_set(e, ERR_INVALID, "images: the head has %zu hidden units; 1 to %d are possible",
                       m->d_hidden, LIMIT_CONV_CHANNELS);
    if (d_features >= LIMIT_DIM)
        return err_set(e, ERR_INVALID, "images: %zu features; fewer than %d are possible", d_features,
                       LIMIT_DIM);
    if (!(isfinite(m->least) && isfinite(m->most) && m->least < m->most))
        return err_set(e, ERR_INVALID, "images need a finite least below a finite most");
    if (spec->d_item != d_image || spec->d_context != d_features + 1 || spec->d_output != 0)
        return err_set(e, ERR_INVALID,
                       "d_item, d_context and d_output are %zu, %zu and %zu; of these images they are %zu, "
                       "%zu and 0",
                       spec->d_item, spec->d_context, spec->d_output, d_image, d_features + 1);
    return ERR_OK;
}

struct table {
    struct tensor_spec *out;
    size_t n;
};

static void add(struct table *t, const char *name, size_t n_rows, size_t n_cols, size_t slot_offset)
{
    struct tensor_spec *s = &t->out[t->n++];
    *s = (struct tensor_spec){.n_rows = n_rows,
                              .n_cols = n_cols ? n_cols : 1,
                              .vector = n_cols == 0,
                              .group = GROUP_SHARED,
                              .slot_offset = slot_offset};
    (void)snprintf(s->name, sizeof s->name, "%s", name);
}

/* cols 0: a vector */
#define TENSOR(name, rows, cols, field) add(t, name, rows, cols, offsetof(struct model_params, field))

static void add_head(struct table *t, size_t f, size_t h)
{
    TENSOR("images.head.scale", 1, 0, class_head.scale);
    TENSOR("images.head.in.weight", h, f, class_head.in);
    TENSOR("images.head.in.bias", h, 0, class_head.in_bias);
    TENSOR("images.head.query", h, h, class_head.query);
    TENSOR("images.head.key", h, h, class_head.key);
    TENSOR("images.head.value", h, h, class_head.value);
    TENSOR("images.head.mix.weight", h, 2 * h, class_head.mix);
    TENSOR("images.head.mix.bias", h, 0, class_head.mix_bias);
    TENSOR("images.head.out.weight", f + 1, h, class_head.out);
    TENSOR("images.head.out.bias", f + 1, 0, class_head.out_bias);
}

size_t image_tensors_list(const struct model_spec *spec, struct tensor_spec *out)
{
    const struct image_spec *images = &spec->images.images;
    struct table table = {.out = out}, *t = &table;
    struct conv_shape shapes[LIMIT_LAYERS];
    char name[TENSOR_NAME_BYTES];
    image_spec_shapes(images, shapes);
    for (size_t i = 0; i < images->n_layers; i++) {
        (void)snprintf(name, sizeof name, "images.%zu.weight", i);
        TENSOR(name, shapes[i].d_out, CONV_TAPS * shapes[i].d_in, convolutions[i].weight);
        (void)snprintf(name, sizeof name, "images.%zu.bias", i);
        TENSOR(name, shapes[i].d_out, 0, convolutions[i].bias);
    }
    add_head(t, image_spec_d_features(images), spec->images.d_hidden);
    return t->n;
}
