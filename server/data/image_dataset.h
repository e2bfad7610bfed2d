/* image_dataset - images and their classes from two array files, as training and evaluation read them: one
 * array of images (n, height, width) or (n, height, width, channels), one of n whole numbers.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: every pixel once, as a real; bounded by the size of the files (server/tables/array.h). */
#ifndef SERVER_DATA_IMAGE_DATASET_H
#define SERVER_DATA_IMAGE_DATASET_H

#include "base/err.h"
#include "engine/format/image_spec.h"
#include "engine/train/image/image_set.h"

#include <stddef.h>

struct image_dataset {
    struct image_set set; /* classes in rising order of their numbers; views of what follows */
    real *pixels;         /* (images, height, width, channels): least is 0, most is 1 */
    size_t *start;        /* (classes + 1) */
    double *numbers;      /* (classes) as the file calls them */
    double least, most;   /* of a pixel in the file, or the model's */
};

/* Reads both. model NULL: pixels are scaled by their own range; else by the model's, whose size the images
 * must have. classes NULL: all images are of one class, 0. ERR_INVALID: arrays that do not fit each other
 * or the model, says what was expected; errors of the files as they are. Zero-initialise out;
 * image_dataset_fini frees. */
enum err_code image_dataset_read(const char *images, const char *classes,
                                 const struct image_model_spec *model, struct image_dataset *out,
                                 struct err *e) ERR_MUST_CHECK;
void image_dataset_fini(struct image_dataset *d);

/* ERR_INVALID names the first class that has fewer images. */
enum err_code image_dataset_check_each(const struct image_dataset *d, const char *path, size_t n_least,
                                       struct err *e) ERR_MUST_CHECK;

#endif
