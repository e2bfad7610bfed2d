/* image_context - what a model keeps of the images that are known of a task: of each class their number and
 * the sum of their features. So images are added and taken out again, and their order makes no difference.
 *
 * As it is stored: the doubles mark, F, K, then of each class its number and sum, then of each class the
 * bytes of its name, with their number in two bytes in front. The mark tells the features of one model from
 * those of another.
 * Layer: server/images
 * Threads: confined to its thread.
 * Memory: F + 1 doubles a class, and its name. */
#ifndef SERVER_IMAGES_IMAGE_CONTEXT_H
#define SERVER_IMAGES_IMAGE_CONTEXT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "engine/format/model_spec.h"

#include <stdbool.h>
#include <stddef.h>

struct image_class {
    char *name; /* heap */
    size_t name_len;
    double n;    /* images */
    double *sum; /* (F) heap */
};

struct image_context {
    size_t d_features;           /* F; the owner sets it once */
    size_t n, capacity;          /* K */
    struct image_class *classes; /* (n of capacity) in rising order of their names' bytes */
};

/* Zero-initialise, then set d_features. */
void image_context_fini(struct image_context *c);
void image_context_clear(struct image_context *c);

/* The CRC-32 of the tensors that features depend on. Cost: reads them once. */
double image_context_mark(const struct model_spec *spec, const struct model_params *params);

/* Adds an image's features (F) to a class, which is made where it is not there. ERR_LIMIT: the task would
 * have more than LIMIT_IMAGE_CLASSES; ERR_NOMEM: nothing was added. */
enum err_code image_context_add(struct image_context *c, struct text name, const real *features,
                                struct err *e) ERR_MUST_CHECK;

/* The number of a class, or -1. */
long image_context_find(const struct image_context *c, struct text name);

/* Forgets a class. */
void image_context_remove(struct image_context *c, size_t k);

/* All images. */
size_t image_context_known(const struct image_context *c);

/* Appends it as it is stored; and reads that. *ok false: it is not a context of this mark and width, and c is
 * empty. ERR_NOMEM. */
void image_context_write(const struct image_context *c, double mark, struct buf *out);
enum err_code image_context_read(struct image_context *c, double mark, const void *bytes, size_t n, bool *ok,
                                 struct err *e) ERR_MUST_CHECK;

/* The same of whatever mark and width it is, which it says: c, zeroed, gets the one, *mark the other. */
enum err_code image_context_read_any(struct image_context *c, double *mark, const void *bytes, size_t n,
                                     bool *ok, struct err *e) ERR_MUST_CHECK;

#endif
