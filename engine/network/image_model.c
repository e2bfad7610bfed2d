#include "engine/network/image_model.h"

#include "base/mem.h"

#include <string.h>

enum err_code image_model_init(struct image_model *m, const struct image_spec *images, size_t d_hidden,
                               struct err *e)
{
    struct conv_shape shapes[LIMIT_LAYERS];
    *m = (struct image_model){.images = *images};
    if (image_spec_check(images, e))
        return ERR_INVALID;
    if (d_hidden == 0 || d_hidden > LIMIT_CONV_CHANNELS)
        return err_set(e, ERR_INVALID, "images: the head has %zu hidden units; 1 to %d are possible",
                       d_hidden, LIMIT_CONV_CHANNELS);
    m->head = (struct class_head_spec){image_spec_d_features(images), d_hidden};
    image_spec_shapes(images, shapes);
    for (size_t i = 0; i < images->n_layers; i++)
        m->n_block += conv_shape_weight(&shapes[i]) + shapes[i].d_out;
    m->n_block += class_head_params_len(&m->head);
    m->block = mem_zalloc_array(m->n_block, sizeof *m->block);
    if (!m->block)
        return err_set(e, ERR_NOMEM, "no memory for %zu parameters", m->n_block);
    real *at = m->block;
    for (size_t i = 0; i < images->n_layers; i++) {
        m->conv.weight[i] = at;
        m->conv.bias[i] = at += conv_shape_weight(&shapes[i]);
        at += shapes[i].d_out;
    }
    class_head_params_at(&m->head, at, &m->head_params);
    return ERR_OK;
}

void image_model_fini(struct image_model *m)
{
    mem_free(m->block);
    *m = (struct image_model){0};
}

real *image_model_weight(struct image_model *m, size_t layer)
{
    return m->block + (m->conv.weight[layer] - m->block);
}

real *image_model_bias(struct image_model *m, size_t layer)
{
    return m->block + (m->conv.bias[layer] - m->block);
}

/* ---- files ---- */

void image_model_view(const struct model_spec *spec, const struct model_params *params,
                      struct image_model *out)
{
    *out = (struct image_model){.images = spec->images.images};
    out->head = (struct class_head_spec){image_spec_d_features(&out->images), spec->images.d_hidden};
    for (size_t i = 0; i < out->images.n_layers; i++) {
        out->conv.weight[i] = params->convolutions[i].weight;
        out->conv.bias[i] = params->convolutions[i].bias;
    }
    out->head_params = (struct class_head_params){.scale = params->class_head.scale,
                                                  .in = params->class_head.in,
                                                  .in_bias = params->class_head.in_bias,
                                                  .query = params->class_head.query,
                                                  .key = params->class_head.key,
                                                  .value = params->class_head.value,
                                                  .mix = params->class_head.mix,
                                                  .mix_bias = params->class_head.mix_bias,
                                                  .out = params->class_head.out,
                                                  .out_bias = params->class_head.out_bias};
}

void image_model_describe(const struct image_model *m, double least, double most, struct model_spec *spec,
                          struct model_params *params)
{
    const struct class_head_params *h = &m->head_params;
    spec->objective = &objective_classification;
    spec->d_item = image_spec_d_image(&m->images);
    spec->d_context = m->head.d_features + 1;
    spec->images = (struct image_model_spec){true, m->images, m->head.d_hidden, least, most};
    *params = (struct model_params){0};
    for (size_t i = 0; i < m->images.n_layers; i++) {
        params->convolutions[i].weight = m->block + (m->conv.weight[i] - m->block);
        params->convolutions[i].bias = m->block + (m->conv.bias[i] - m->block);
    }
    params->class_head.scale = h->scale;
    params->class_head.in = h->in;
    params->class_head.in_bias = h->in_bias;
    params->class_head.query = h->query;
    params->class_head.key = h->key;
    params->class_head.value = h->value;
    params->class_head.mix = h->mix;
    params->class_head.mix_bias = h->mix_bias;
    params->class_head.out = h->out;
    params->class_head.out_bias = h->out_bias;
}

/* ---- a task ---- */

size_t image_model_classes_len(const struct image_model *m, size_t n_known, size_t n_classes)
{
    size_t f = m->head.d_features;
    return n_known * f + (n_known ? conv_workspace_len(&m->images) : 0) + n_classes * f +
           class_head_tape_len(&m->head, n_classes) + n_classes;
}

void image_model_classes_of_features(const struct image_model *m, const real *features, const size_t *classes,
                                     size_t n, size_t n_classes, real *workspace, real *weight, real *bias)
{
    size_t f = m->head.d_features;
    real *means = workspace, *counts = means + n_classes * f;
    memset(means, 0, n_classes * (f + 1) * sizeof *means); /* and the counts behind them */
    for (size_t i = 0; i < n; i++) {
        counts[classes[i]]++;
        for (size_t j = 0; j < f; j++)
            means[classes[i] * f + j] += features[i * f + j];
    }
    for (size_t k = 0; k < n_classes; k++)
        for (size_t j = 0; j < f; j++)
            means[k * f + j] /= counts[k];
    image_model_classes_of_means(m, means, n_classes, counts, weight, bias);
}

void image_model_classes_of_means(const struct image_model *m, const real *means, size_t n_classes,
                                  real *workspace, real *weight, real *bias)
{
    struct class_head_tape tape;
    class_head_tape_at(&m->head, n_classes, workspace, &tape);
    class_head_forward(&m->head, &m->head_params, means, &tape, weight, bias);
}

void image_model_classes(const struct image_model *m, const real *x, const size_t *classes, size_t n,
                         size_t n_classes, real *workspace, real *weight, real *bias)
{
    real *features = workspace, *rest = features + n * m->head.d_features;
    conv_features(&m->images, &m->conv, x, n, rest, features);
    image_model_classes_of_features(m, features, classes, n, n_classes, rest + conv_workspace_len(&m->images),
                                    weight, bias);
}

size_t image_model_logits_len(const struct image_model *m, size_t n)
{
    return n * m->head.d_features + conv_workspace_len(&m->images);
}

void image_model_logits(const struct image_model *m, const real *weight, const real *bias, size_t n_classes,
                        const real *x, size_t n, real *workspace, real *logits)
{
    real *features = workspace;
    conv_features(&m->images, &m->conv, x, n, features + n * m->head.d_features, features);
    class_head_logits(&m->head, weight, bias, n_classes, features, n, logits);
}
