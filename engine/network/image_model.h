/* image_model - classes of images told apart that were never trained: features that all tasks share, and a
 * last layer generated from a few known images of each class.
 *
 * images --convolutions--> features --mean of each class--> m_k --class head--> weight, bias --> logits
 *
 * The generated layer is all that a task needs afterwards: its weights are of (F + 1) numbers a class.
 * Layer: engine/network
 * Threads: any; workspaces and outputs are the caller's. An image_model is immutable once filled.
 * Memory: one block of parameters, or views of a model file's; answering allocates nothing. */
#ifndef ENGINE_NETWORK_IMAGE_MODEL_H
#define ENGINE_NETWORK_IMAGE_MODEL_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/network/class_head.h"
#include "engine/network/conv.h"

#include <stddef.h>

struct image_model {
    struct image_spec images;
    struct class_head_spec head;
    real *block; /* all parameters: weight and bias of each layer, then the head's; NULL: they are a file's */
    size_t n_block; /* reals of it */
    struct conv_params conv;
    struct class_head_params head_params;
};

/* Checks the spec; the parameters are zero. ERR_INVALID, ERR_NOMEM. */
enum err_code image_model_init(struct image_model *m, const struct image_spec *images, size_t d_hidden,
                               struct err *e) ERR_MUST_CHECK;
void image_model_fini(struct image_model *m); /* a zeroed one is allowed */

/* Views of an opened model of images, which has to outlive *out; nothing is to be freed. */
void image_model_view(const struct model_spec *spec, const struct model_params *params,
                      struct image_model *out);

/* The other way: what a file is written from. The spec has name and version already; pixels from least to
 * most are those that were trained from 0 to 1. The params view m. */
void image_model_describe(const struct image_model *m, double least, double most, struct model_spec *spec,
                          struct model_params *params);

/* Where a layer's weight and bias stand in the block, to be filled. */
real *image_model_weight(struct image_model *m, size_t layer);
real *image_model_bias(struct image_model *m, size_t layer);

/* Reals of the workspace of image_model_classes for n_known images of n_classes; of image_model_logits for
 * n images. */
size_t image_model_classes_len(const struct image_model *m, size_t n_known, size_t n_classes);
size_t image_model_logits_len(const struct image_model *m, size_t n);

/* weight (K, F) and bias (K) of a task from its known images x (n, height, width, channels), which are of
 * classes (n), below K; each class has at least one. */
void image_model_classes(const struct image_model *m, const real *x, const size_t *classes, size_t n,
                         size_t n_classes, real *workspace, real *weight, real *bias);

/* The same from features (n, F) that were made before; the workspace is that of n = 0 images. */
void image_model_classes_of_features(const struct image_model *m, const real *features, const size_t *classes,
                                     size_t n, size_t n_classes, real *workspace, real *weight, real *bias);

/* The same from means (K, F); the workspace is that of n = 0 images less K F. */
void image_model_classes_of_means(const struct image_model *m, const real *means, size_t n_classes,
                                  real *workspace, real *weight, real *bias);

/* logits (n, K) of images. */
void image_model_logits(const struct image_model *m, const real *weight, const real *bias, size_t n_classes,
                        const real *x, size_t n, real *workspace, real *logits);

#endif
