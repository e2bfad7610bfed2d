/* image_layer - a task's own last layer, generated from what is known of its classes, and the names of these,
 * as one run of bytes, which the cache of weights keeps.
 * Layer: server/images
 * Threads: any.
 * Memory: the caller's; a struct image_layer is views. */
#ifndef SERVER_IMAGES_IMAGE_LAYER_H
#define SERVER_IMAGES_IMAGE_LAYER_H

#include "engine/network/image_model.h"
#include "server/images/image_context.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_layer {
    size_t n_classes, n_known;
    const real *means;        /* (K, F) of the known images' features */
    const real *weight;       /* (K, F) */
    const real *bias;         /* (K) */
    const uint32_t *name_end; /* (K) where each name ends in `names` */
    const char *names;
};

/* Bytes of the layer of a context; writes it there, aligned to 8. workspace:
 * image_model_classes_len(m, 0, K) reals. */
size_t image_layer_bytes(const struct image_context *c);
void image_layer_write(const struct image_model *m, const struct image_context *c, real *workspace,
                       void *bytes);

/* Views of such bytes. */
void image_layer_read(const struct image_model *m, const void *bytes, struct image_layer *out);

struct text image_layer_name(const struct image_layer *l, size_t k);

/* What a layer says of an image's features q (F): probabilities (K), their entropy, and how far the image
 * is from the nearest class mean: the least s |q - m_k|^2. The generated rows tell classes apart; whether
 * an image is of any of them only the means know. False: one of these is not finite, as weights that are
 * too large make it. */
struct image_answer {
    double entropy, novelty;
    size_t best;
};
bool image_layer_answer(const struct image_model *m, const struct image_layer *l, const real *features,
                        double *probabilities, struct image_answer *out);

/* The novelty of such an answer, from the context alone: no layer is generated. */
double image_layer_novelty(const struct image_model *m, const struct image_context *c, const real *features);

#endif
