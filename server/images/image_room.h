/* image_room - where one thread works with tasks of one model of images: images as they come become a
 * context, a context a layer, a layer answers images. One image at a time.
 * Layer: server/images
 * Threads: confined to its thread.
 * Memory: the workspace of one image and one context for its life; a layer's as large as the largest task. */
#ifndef SERVER_IMAGES_IMAGE_ROOM_H
#define SERVER_IMAGES_IMAGE_ROOM_H

#include "engine/model.h"
#include "server/images/image_context.h"
#include "server/images/image_layer.h"
#include "server/images/image_pixels.h"

struct image_room {
    const struct model *model; /* borrowed; outlives the room */
    struct image_model view;   /* of it */
    double mark;
    struct image_context context; /* of the images that were added */
    real *x;                      /* (height, width, channels) the last image */
    real *features;               /* (F) of it */
    real *conv;                   /* (conv_workspace_len) */
    real *workspace;              /* of a layer; grows */
    size_t workspace_len;
    void *layer; /* of a context, for a call that stores nothing; grows */
    size_t layer_bytes;
};

enum err_code image_room_new(const struct model *m, struct image_room **out, struct err *e) ERR_MUST_CHECK;
void image_room_free(struct image_room *r); /* NULL is allowed */

/* The features of an image as JSON has it, in r->features. Errors as of image_pixels_read;
 * ERR_INVALID: they are not finite. */
enum err_code image_room_features(struct image_room *r, const json_t *image, struct image_place *where,
                                  struct err *e) ERR_MUST_CHECK;

/* Writes the layer of the context to bytes (image_layer_bytes). ERR_NOMEM. */
enum err_code image_room_layer(struct image_room *r, void *bytes, struct err *e) ERR_MUST_CHECK;

/* The same into the room, and views of it, good until the next call. */
enum err_code image_room_own_layer(struct image_room *r, struct image_layer *out,
                                   struct err *e) ERR_MUST_CHECK;

#endif
